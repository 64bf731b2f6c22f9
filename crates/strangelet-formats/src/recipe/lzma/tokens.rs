//! LZMA2 by its tokens: what an encoder chose, as corrections to what it could choose.
//!
//! Corrections are the list of chunks, where it is not what liblzma makes, then the bits of the
//! decisions ([`Choice`]). No encoder is run: one pass over the tokens in either direction.

use strangelet::entropy::binary::{Decoder, Encoder};
use strangelet::error::{Result, corruption};
use strangelet::limits;

use super::choice::Choice;
use super::prior::{Prior, prior};
use super::search::Search;
use super::symbols::{LITERAL, LONGEST, Model, Reader, Token, Writer};
use super::xz::{read_varint, varint};

/// Most content of a chunk.
const CHUNK: usize = 1 << 21;
/// Bytes from which on liblzma ends a chunk.
const FILLED: usize = (1 << 16) - (1 << 12) - 1;

/// What was learned and found lately; kept for its memory.
#[derive(Default)]
pub(crate) struct Tokens {
    search: Search,
    choice: Choice,
    scratch: Vec<u8>,
}

/// A chunk of LZMA2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chunk {
    /// 1 or 2 for stored bytes; 0x80 tokens, 0xa0 after a reset, 0xc0 with properties also, 0xe0 with
    /// a reset of the dictionary also.
    control: u8,
    /// Properties, where it has any.
    properties: u8,
    /// Bytes of content.
    len: usize,
}

/// Whether liblzma ends a chunk of so many bytes with so much content before the next token.
fn filled(packed: usize, len: usize) -> bool {
    packed >= FILLED || len >= CHUNK - LONGEST
}

/// What [`Tokens::find`] tells beside the corrections.
pub(super) struct Found {
    /// Properties of the first chunk with tokens.
    pub properties: u8,
    /// Whether the corrections start with a list of chunks.
    pub listed: bool,
    pub corrections: Vec<u8>,
    /// Bytes of LZMA2, with the zero at their end.
    pub len: usize,
}

impl Tokens {
    /// The corrections for LZMA2 (and what follows it) that stands for `content`. None where it does
    /// not, or in an unusual way. `dictionary`: the farthest distance to be expected.
    pub fn find(&mut self, bytes: &[u8], content: &[u8], dictionary: usize) -> Option<Found> {
        self.choice.start(prior());
        self.pass(bytes, content, dictionary)
    }

    /// Learns from one block more; what was learned from all, in the form of `prior.bin`.
    pub fn learn(&mut self, bytes: &[u8], content: &[u8], dictionary: usize) -> Vec<u8> {
        self.choice.restart();
        self.pass(bytes, content, dictionary);
        let (counters, weights) = self.choice.learned();
        Prior::write(counters, weights)
    }

    /// As [`Tokens::find`], from where the decisions are.
    fn pass(&mut self, bytes: &[u8], content: &[u8], dictionary: usize) -> Option<Found> {
        let Tokens { search, choice, .. } = self;
        search.start(content.len(), dictionary);
        let mut coder = Encoder::new();
        let mut model = Model::new();
        let mut chunks: Vec<Chunk> = Vec::new();
        let (mut rest, mut at) = (bytes, 0);
        let (mut first, mut usual) = (None, true);
        loop {
            let (&control, behind) = rest.split_first()?;
            rest = behind;
            if control == 0 {
                break;
            }
            // The dictionary is reset once, by the first chunk.
            if (control == 1 || control >= 0xe0) != chunks.is_empty() {
                return None;
            }
            let (&[a, b], behind) = rest.split_first_chunk()?;
            let low = usize::from(u16::from_be_bytes([a, b]));
            if control & 0xe0 != 0x80 {
                choice.turn();
            }
            if control < 0x80 {
                let (data, behind) = behind.split_at_checked(low + 1)?;
                if control > 2 || content.get(at..at + data.len())? != data {
                    return None;
                }
                chunks.push(Chunk { control, properties: 0, len: data.len() });
                (rest, at, usual) = (behind, at + data.len(), false);
                continue;
            }
            let start = at;
            let len = (usize::from(control & 0x1f) << 16) + low + 1;
            let end = start.checked_add(len).filter(|&end| end <= content.len())?;
            let (&[a, b], mut behind) = behind.split_first_chunk()?;
            let packed = usize::from(u16::from_be_bytes([a, b])) + 1;
            let control = control & 0xe0;
            let mut properties = 0;
            if control >= 0xc0 {
                (properties, behind) = behind.split_first().map(|(&p, b)| (p, b))?;
                first = first.or(Some(properties));
                if !model.set(properties) {
                    return None;
                }
            } else if control == 0xa0 {
                model.reset();
            }
            first?;
            let (data, behind) = behind.split_at_checked(packed)?;
            rest = behind;
            usual &= control == if chunks.is_empty() { 0xe0 } else { 0x80 };
            let mut rc = Reader::new(data)?;
            while at < end {
                usual &= !filled(rc.len(), at - start);
                let view = choice.look(search, &model, content, at);
                let token = model.code(&mut rc, content, at, Token { back: LITERAL, len: 1 })?;
                let next = at.checked_add(token.len as usize).filter(|&next| next <= end)?;
                if token.back != LITERAL {
                    let distance = model.reps[0] as usize + 1;
                    let from = at.checked_sub(distance)?;
                    if content.get(from..next - distance)? != content.get(at..next)? {
                        return None;
                    }
                }
                choice.code(&mut coder, search, content, &view, token).filter(|&made| made == token)?;
                at = next;
            }
            usual &= filled(rc.len(), at - start) || at == content.len();
            if !rc.ended() {
                return None;
            }
            chunks.push(Chunk { control, properties, len });
        }
        if at != content.len() {
            return None;
        }
        let mut corrections = Vec::new();
        if !usual {
            varint(&mut corrections, chunks.len() as u64);
            for chunk in &chunks {
                corrections.push(chunk.control);
                if chunk.control >= 0xc0 {
                    corrections.push(chunk.properties);
                }
                varint(&mut corrections, chunk.len as u64);
            }
        }
        corrections.extend(coder.finish());
        Some(Found {
            properties: first.unwrap_or(0),
            listed: !usual,
            corrections,
            len: bytes.len() - rest.len(),
        })
    }

    /// Appends the LZMA2 that [`Tokens::find`] was given.
    ///
    /// # Errors
    /// Corruption where corrections and content do not fit each other.
    pub fn apply(
        &mut self,
        properties: u8,
        listed: bool,
        dictionary: usize,
        mut corrections: &[u8],
        content: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let broken = || corruption("xz: the corrections do not fit the content");
        let chunks =
            if listed { Some(list(&mut corrections, content.len()).ok_or_else(broken)?) } else { None };
        let Tokens { search, choice, scratch } = self;
        search.start(content.len(), dictionary);
        choice.start(prior());
        let mut coder = Decoder::new(corrections);
        let mut model = Model::new();
        let (mut at, mut number) = (0, 0);
        while at < content.len() {
            let start = at;
            let chunk = match &chunks {
                Some(chunks) => *chunks.get(number).ok_or_else(broken)?,
                None => Chunk {
                    control: if number == 0 { 0xe0 } else { 0x80 },
                    properties,
                    len: content.len() - at,
                },
            };
            number += 1;
            if chunk.control != 0x80 {
                choice.turn();
            }
            let end = at.checked_add(chunk.len).filter(|&end| end <= content.len()).ok_or_else(broken)?;
            if chunk.control < 0x80 {
                out.push(chunk.control);
                out.extend(((chunk.len - 1) as u16).to_be_bytes());
                out.extend_from_slice(content.get(at..end).ok_or_else(broken)?);
                at = end;
                continue;
            }
            if chunk.control >= 0xc0 {
                if !model.set(chunk.properties) {
                    return Err(broken());
                }
            } else if chunk.control == 0xa0 {
                model.reset();
            }
            let mut rc = Writer::new(std::mem::take(scratch));
            while at < end && (listed || !filled(rc.len(), at - start)) {
                let view = choice.look(search, &model, content, at);
                let none = Token { back: LITERAL, len: 1 };
                let token = choice.code(&mut coder, search, content, &view, none).ok_or_else(broken)?;
                let next =
                    at.checked_add(token.len as usize).filter(|&next| next <= end).ok_or_else(broken)?;
                model.code(&mut rc, content, at, token).ok_or_else(broken)?;
                at = next;
            }
            let data = rc.finish();
            let (len, packed) = ((at - start).wrapping_sub(1), data.len().wrapping_sub(1));
            if len >= CHUNK || packed >= 1 << 16 {
                return Err(broken());
            }
            out.push(chunk.control | (len >> 16) as u8);
            out.extend((len as u16).to_be_bytes());
            out.extend((packed as u16).to_be_bytes());
            if chunk.control >= 0xc0 {
                out.push(chunk.properties);
            }
            out.extend_from_slice(&data);
            *scratch = data;
        }
        if chunks.is_some_and(|chunks| chunks.len() != number) {
            return Err(broken());
        }
        out.push(0);
        Ok(())
    }
}

/// Reads a list of chunks which together have `content_len` bytes.
fn list(bytes: &mut &[u8], content_len: usize) -> Option<Vec<Chunk>> {
    let count = usize::try_from(read_varint(bytes)?).ok().filter(|&n| n <= bytes.len())?;
    let mut chunks: Vec<Chunk> = limits::reserve(count);
    let mut left = content_len;
    for _ in 0..count {
        let (&control, rest) = bytes.split_first()?;
        *bytes = rest;
        let mut properties = 0;
        if control >= 0xc0 {
            let (&p, rest) = bytes.split_first()?;
            (properties, *bytes) = (p, rest);
        }
        let len = usize::try_from(read_varint(bytes)?).ok()?;
        left = left.checked_sub(len)?;
        let most = match control {
            1 | 2 => 1 << 16,
            0x80 | 0xa0 | 0xc0 | 0xe0 => CHUNK,
            _ => return None,
        };
        if len == 0 || len > most {
            return None;
        }
        chunks.push(Chunk { control, properties, len });
    }
    (left == 0).then_some(chunks)
}
