//! A frame by what its encoder chose: corrections to what zstd would have chosen.
//!
//! One walk over the frame serves both directions. At every place where an encoder has a choice, both sides know
//! what is to be expected: the sequence by a [`Search`], the form of literals and the tables by zstd's
//! rules. One decision tells whether it is so; only what is not is spelled out. Where everything is as expected
//! there are no corrections at all.

use strangelet::entropy::binary::{BitCoder, Decoder, Encoder};
use strangelet::error::Result;
use strangelet::limits;
use xxhash_rust::xxh64::xxh64;

use super::super::Recipe;
use super::block::{Codes, Kept, MOST, Packed, Recent, Sequence, usual_literals, usual_table};
use super::decisions::{About, Decisions, Expected, broken, site, spell_literals, spell_table};
pub(super) use super::frame::Frame;
use super::frame::{Body, MAGIC, PACKED, RAW, RUN, SHORT, usual_head};
use super::levels::{Level, Parameters};
use super::near::Near;
use super::search::{Search, equal};

/// What walks keep for their memory.
#[derive(Default)]
pub(super) struct Tokens {
    search: Search,
    near: Near,
}

/// Corrections, and how often something was not as expected.
pub(super) struct Found {
    pub corrections: Vec<u8>,
    pub surprises: usize,
}

impl Found {
    /// Whether they are better than the block itself.
    pub fn worth(&self, block: &[u8]) -> bool {
        self.corrections.len() * 4 < block.len() * 3
    }

    pub fn recipe(self, Level { level, old }: Level, frame: &Frame) -> (Recipe, Vec<u8>) {
        (Recipe::ZstdTokens { level, old, checksum: frame.checksum }, self.corrections)
    }
}

impl Tokens {
    /// The corrections for a frame, which is made again beside that: compare it. None after more than
    /// `most` surprises.
    pub fn find(
        &mut self,
        frame: &Frame,
        content: &[u8],
        level: Level,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Option<Found> {
        let mut decisions = Decisions::new(Encoder::new());
        self.walk(&mut decisions, Some(frame), content, level, frame.checksum, most, out).ok()?;
        let surprises = decisions.surprises;
        let corrections = if surprises == 0 { Vec::new() } else { decisions.coder.finish() };
        Some(Found { corrections, surprises })
    }

    /// The frame.
    pub fn apply(
        &mut self,
        content: &[u8],
        level: Level,
        checksum: bool,
        corrections: &[u8],
    ) -> Result<Vec<u8>> {
        let mut out = limits::reserve(content.len() / 4 + 64);
        if corrections.is_empty() {
            let mut decisions = Decisions::new(Expected);
            self.walk(&mut decisions, None, content, level, checksum, 0, &mut out)?;
        } else {
            let mut decisions = Decisions::new(Decoder::new(corrections));
            self.walk(&mut decisions, None, content, level, checksum, usize::MAX, &mut out)?;
        }
        Ok(out)
    }

    #[allow(clippy::too_many_arguments)]
    fn walk<C: BitCoder>(
        &mut self,
        d: &mut Decisions<C>,
        frame: Option<&Frame>,
        content: &[u8],
        level: Level,
        checksum: bool,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        out.clear();
        out.extend(MAGIC);
        let parameters = Parameters::new(level, content.len());
        let head = usual_head(content.len(), parameters.window, checksum);
        if d.expected(site::EXPECTED, frame.is_none_or(|f| f.head == head)) {
            out.extend(head);
        } else {
            let given = frame.map_or(&[][..], |f| &f.head);
            let n = d.bits(site::PART, 4, given.len() as u32) as usize;
            for i in 0..n {
                let byte = given.get(i).copied().unwrap_or(0);
                out.push(d.bits(site::BYTE, 8, byte.into()) as u8);
            }
        }
        self.search.start(parameters);
        self.near.start();
        let (mut at, mut recent, mut kept) = (0, Recent::START, Kept::default());
        let mut blocks = frame.map(|f| f.blocks.iter());
        loop {
            let block = blocks.as_mut().and_then(Iterator::next);
            let left = content.len() - at;
            let usual = left.min(MOST);
            let mut len = usual;
            if !d.expected(site::EXPECTED + 1, block.is_none_or(|b| b.len == usual)) {
                len = d.number(About::Block, block.map_or(0, |b| b.len));
            }
            let end = at.checked_add(len).filter(|&end| end <= content.len() && len <= MOST);
            let end = end.ok_or_else(broken)?;
            let mut last = end == content.len();
            if !d.expected(site::EXPECTED + 2, block.is_none_or(|b| b.last == last)) {
                last = !last;
            }
            if len == 0 && !last {
                return Err(broken());
            }
            let this = content.get(at..end).ok_or_else(broken)?;
            let same = this.iter().all(|b| Some(b) == this.first());
            let kind = block.map(|b| match b.body {
                Body::Raw => RAW,
                Body::Run => RUN,
                Body::Packed(_) => PACKED,
            });
            // What is packed may turn out to be stored.
            let usual = match (this.len() < SHORT, same && at > 0) {
                (true, _) => RAW,
                (_, true) => RUN,
                _ => PACKED,
            };
            let is = kind.is_none_or(|k| k == usual || usual == PACKED && k == RAW);
            let mut chosen = usual;
            if !d.expected(site::EXPECTED + 3 + usual as usize, is) {
                let others = [[RUN, PACKED], [RAW, PACKED], [RUN, RUN]][usual as usize];
                let second = d.bits(site::PART + 16, 1, u32::from(kind == Some(others[1]))) as usize;
                chosen = others[second];
            }
            let body = out.len() + 3;
            out.extend([0; 3]);
            let mut size = len;
            if chosen == PACKED {
                let packed = block.and_then(|b| match &b.body {
                    Body::Packed(packed) => Some(packed),
                    _ => None,
                });
                self.search.block(at, end, recent);
                let job = Job { content, at, end, most, parameters };
                let before = (recent, kept.clone());
                let made = self.packed(d, packed, job, &mut recent, &mut kept, out)?;
                let gain = (len >> if parameters.number() >= 8 { parameters.number() - 1 } else { 6 }) + 2;
                size = out.len() - body;
                let mut raw = !made || size + gain >= len;
                if !d.expected(site::EXPECTED + 10, kind.is_none_or(|k| (k == RAW) == raw)) {
                    raw = !raw;
                }
                if raw {
                    out.truncate(body);
                    out.extend_from_slice(this);
                    (chosen, size) = (RAW, len);
                    (recent, kept) = before;
                } else if !made {
                    return Err(broken());
                }
            } else if chosen == RAW {
                out.extend_from_slice(this);
            } else {
                out.push(*this.first().filter(|_| same).ok_or_else(broken)?);
                // The search has seen it, too.
                self.search.block(at, end, recent);
                let mut after = recent;
                while let Some(s) = self.search.next(content) {
                    after.take(&s).ok_or_else(broken)?;
                    self.search.learn(content, &s, true, after);
                }
            }
            if d.surprises > most {
                return Err(broken());
            }
            let word = (size as u32) << 3 | chosen << 1 | u32::from(last);
            let [a, b, c, over] = word.to_le_bytes();
            if over != 0 || size > MOST {
                return Err(broken());
            }
            out.get_mut(body - 3..body).ok_or_else(broken)?.copy_from_slice(&[a, b, c]);
            at = end;
            if last {
                break;
            }
            if d.coder.exhausted() {
                return Err(broken());
            }
        }
        if at != content.len() {
            return Err(broken());
        }
        if checksum {
            out.extend((xxh64(content, 0) as u32).to_le_bytes());
        }
        Ok(())
    }

    /// A compressed block; whether it can be written.
    fn packed<C: BitCoder>(
        &mut self,
        d: &mut Decisions<C>,
        given: Option<&Packed>,
        job: Job,
        recent: &mut Recent,
        kept: &mut Kept,
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        let Job { content, end, parameters, .. } = job;
        let mut sequences = Vec::new();
        let mut literals = Vec::new();
        let (mut at, mut lately) = (job.at, 0);
        // Bytes that sequences spelled out may be found to repeat, so that nobody can make it take for ever.
        let mut work = (end - at) * 64;
        loop {
            let expected = self.search.next(content);
            let actual = match given {
                Some(packed) => packed.sequences.get(sequences.len()).copied(),
                None => expected,
            };
            let told = d.expected(site::SEQUENCE + lately, actual == expected);
            lately = (lately << 1 | usize::from(!told)) & 3;
            let mut next = if told { expected } else { actual };
            if !told {
                if d.surprises > job.most || d.coder.exhausted() {
                    return Err(broken());
                }
                // Something comes where nothing was expected.
                if expected.is_none() || d.bit(site::PART + 20, actual.is_some()) {
                    let s = actual.unwrap_or_default();
                    next = Some(self.spell(d, s, expected, job, at, *recent, &mut work)?);
                } else {
                    next = None;
                }
            }
            let Some(s) = next else { break };
            let start = at.checked_add(s.literals as usize).ok_or_else(broken)?;
            let behind = start.checked_add(s.length as usize).filter(|&b| b <= end).ok_or_else(broken)?;
            let distance = recent.take(&s).ok_or_else(broken)? as usize;
            if distance > start || s.length < 3 {
                return Err(broken());
            }
            literals.extend_from_slice(content.get(at..start).ok_or_else(broken)?);
            sequences.push(s);
            self.search.learn(content, &s, told, *recent);
            at = behind;
        }
        literals.extend_from_slice(content.get(at..end).ok_or_else(broken)?);
        let form = usual_literals(&literals, parameters, kept);
        let mut packed = Packed { sequences, literals: form, tables: Vec::new() };
        if !d.expected(site::EXPECTED + 6, given.is_none_or(|p| p.literals == packed.literals)) {
            let actual = given.map(|p| &p.literals);
            packed.literals = spell_literals(d, actual, &packed.literals, parameters.old)?;
        }
        if !packed.sequences.is_empty() {
            for (i, kind) in Codes::ALL.into_iter().enumerate() {
                let mut table = usual_table(kind, &packed.sequences, parameters, kept);
                let actual = given.and_then(|p| p.tables.get(i));
                if !d.expected(site::EXPECTED + 7 + i, actual.is_none_or(|t| *t == table)) {
                    table = spell_table(d, kind, actual, &table)?;
                }
                packed.tables.push(table);
            }
        }
        Ok(packed.write(&literals, kept, out).is_some())
    }

    /// A sequence that is not as expected.
    #[allow(clippy::too_many_arguments)]
    fn spell<C: BitCoder>(
        &mut self,
        d: &mut Decisions<C>,
        s: Sequence,
        expected: Option<Sequence>,
        job: Job,
        at: usize,
        recent: Recent,
        work: &mut usize,
    ) -> Result<Sequence> {
        let Job { content, end, .. } = job;
        let run = expected.map(|e| e.literals);
        let mut literals = run.unwrap_or(0);
        if run.is_none() || !d.bit(site::PART + 21, s.literals == literals) {
            literals = d.number(About::Run, s.literals as usize) as u32;
        }
        let start = at.checked_add(literals as usize).filter(|&start| start < end).ok_or_else(broken)?;
        let mut offset = expected.map_or(0, |e| e.offset);
        if expected.is_none() || !d.bit(site::PART + 22, s.offset == offset) {
            if d.bit(site::PART + 23, s.offset <= 3) {
                offset = d.bits(site::PART + 24, 2, s.offset & 3);
            } else {
                self.near.up_to(content, start);
                let found = self.near.find(content, start, end);
                let place = found.iter().position(|&n| n as u32 + 3 == s.offset);
                if d.bit(site::PART + 30, place.is_some()) {
                    let i = d.number(About::Candidate, place.unwrap_or(0));
                    offset = *found.get(i).ok_or_else(broken)? as u32 + 3;
                } else {
                    offset = (d.number(About::Distance, (s.offset as usize).saturating_sub(3)) + 3) as u32;
                }
            }
        }
        let mut made = Sequence { literals, length: 0, offset };
        let mut after = recent;
        let distance = after.take(&made).ok_or_else(broken)? as usize;
        let longest = equal(content, start, distance, end);
        *work = work.checked_sub(longest).ok_or_else(broken)?;
        made.length = longest as u32;
        if !d.bit(site::PART + 31 + usize::from(offset <= 3), s.length == made.length) {
            let shorter = d.number(About::Shorter, longest.saturating_sub(s.length as usize));
            made.length = longest.checked_sub(shorter).ok_or_else(broken)? as u32;
        }
        if made.length < 3 {
            return Err(broken());
        }
        Ok(made)
    }
}

/// What a block is made from.
#[derive(Clone, Copy)]
struct Job<'a> {
    content: &'a [u8],
    at: usize,
    end: usize,
    most: usize,
    parameters: Parameters,
}
