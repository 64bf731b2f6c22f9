//! Text: the next bit from everything before it.
//!
//! # What it does
//! Every byte is eight decisions, each mixed of 32 opinions: what came behind the last two to six bytes, behind the
//! word so far, at this place of the line, record or object and above it, and where the same bytes were seen last.
//! Bytes that follow a long repeat are one decision each, or one for sixteen. Text that is written as hexadecimal digits inside of
//! text (parameter sets of CMS) is turned into that text first. The model has read what most ROOT files say of
//! themselves before it begins.
//!
//! # When it wins
//! On all text and on bytes that nobody has parsed: headers and residue of ROOT files, names, parameters, foreign
//! files. It takes about a microsecond for each byte that does not repeat, so it is used at `max` only.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | 1 | bits 0-1: 0 lines, 1 objects, 2 records; bit 2: digits turned into text; bit 3: not in the old way; others 0 |
//! | varint | for records: their width S, 1 to 65536 |
//! | 1, 1, varint | with bit 2: mark, end mark, number of short bytes (at most those of the stream) |
//! | to the end | bits of `entropy/binary.rs`: the bytes, by `model/bytes.rs` and what that names |
//!
//! **Short bytes** (with bit 2, `transform/hex.rs`): outside, the mark goes inside and stands for nothing; inside, the end mark goes
//! outside and stands for nothing; any other byte stands for itself outside, for its two upper-case hexadecimal digits inside.
//!
//! **The old way** is that of the first builds. It differs for more than 2^14 bytes (behind the turning of digits); bit 3 is
//! set exactly there.
//!
//! **What the model has read**: `model/bytes/prime.bin`, part of this format: 16377 bytes, xxh3-64 7ab6e6c1f1b56e3b.
//!
//! # Determinism
//! Integers only; all tables are computed by integers at build time.
//!
//! # References
//! M. Mahoney, Adaptive weighing of context models for lossless data compression (2005): histories, mixing, matches.
//! J. G. Cleary, I. H. Witten, Data compression using adaptive coding and partial string matching (1984).

use crate::codec::{Codec, Level, Shape, Stream};
use crate::column::{Cells, Scalar};
use crate::entropy::binary::{BitCoder, Decoder, Encoder};
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::model::bytes::{Frames, Model};
use crate::transform::hex;

/// Mixed contexts for bytes.
pub struct Text;

/// Bytes on which ways to frame are tried.
const SAMPLE: usize = 1 << 14;
/// Records that an encoder looks for are no wider.
const LIKELY: usize = 256;
/// Bytes after which a decoder looks whether there is any payload left.
const LOOK: usize = 256;
/// Streams of up to so many bytes are the same in the old way.
const SHORT: usize = 1 << 14;

fn coded(bytes: &[u8], frames: Frames, old: bool) -> Vec<u8> {
    let mut model = Model::primed(frames, bytes.len(), old);
    let mut c = Encoder::new();
    let mut i = 0;
    while i < bytes.len() {
        let n = model.leap(&mut c, Some(&bytes[i..]), bytes.len() - i);
        if n == 0 {
            model.code(&mut c, bytes[i]);
        }
        i += n.max(1);
    }
    c.finish()
}

/// Distance at which most bytes are equal, where many are.
fn stride(bytes: &[u8]) -> Option<usize> {
    let piece = &bytes[(bytes.len() - bytes.len().min(SAMPLE)) / 2..][..bytes.len().min(SAMPLE)];
    let equal = |s: usize| piece[s..].iter().zip(piece).filter(|(a, b)| a == b).count();
    let most = LIKELY.min(piece.len() / 4);
    let near = (2..=most).map(equal).sum::<usize>() / most.max(1);
    (2..=most)
        .map(|s| (equal(s), s))
        .max_by_key(|&(n, s)| (n, usize::MAX - s))
        .filter(|x| x.0 > near + near / 8)
        .map(|x| x.1)
}

/// What the bytes may be made of.
fn likely(bytes: &[u8]) -> Vec<Frames> {
    let piece = &bytes[(bytes.len() - bytes.len().min(SAMPLE)) / 2..][..bytes.len().min(SAMPLE)];
    let mut frames = Vec::new();
    let counts = piece.windows(3).filter(|w| w[0] == 0x40 && w[1] == 0).count();
    let printed = piece.iter().filter(|b| matches!(b, b' '..=b'~' | b'\n' | b'\r' | b'\t')).count();
    if counts > piece.len() / 256 {
        frames.push(Frames::Objects);
    }
    if printed > piece.len() / 2 || frames.is_empty() {
        frames.push(Frames::Lines);
    }
    if counts <= piece.len() / 64
        && let Some(s) = stride(bytes)
    {
        frames.push(Frames::Records(s));
    }
    frames
}

fn best(bytes: &[u8]) -> Frames {
    let piece = &bytes[(bytes.len() - bytes.len().min(SAMPLE)) / 2..][..bytes.len().min(SAMPLE)];
    let frames = likely(bytes);
    if let [only] = frames[..] {
        return only;
    }
    frames.into_iter().min_by_key(|&f| coded(piece, f, false).len()).unwrap_or(Frames::Lines)
}

/// Writes a payload; in the old way if asked for.
fn write(bytes: &[u8], old: bool, out: &mut Vec<u8>) {
    let short = hex::shorten(bytes);
    let inner = short.as_ref().map_or(bytes, |s| &s.0);
    let frames = best(inner);
    let (kind, width) = match frames {
        Frames::Lines => (0, None),
        Frames::Objects => (1, None),
        Frames::Records(s) => (2, Some(s)),
    };
    let repeated = !old && inner.len() > SHORT;
    out.push(kind | (short.is_some() as u8) << 2 | (repeated as u8) << 3);
    if let Some(width) = width {
        put(out, width as u64);
    }
    if let Some((short, marks)) = &short {
        out.extend(marks);
        put(out, short.len() as u64);
    }
    out.extend(coded(inner, frames, old));
}

impl Codec for Text {
    fn id(&self) -> u8 {
        super::TEXT
    }
    fn name(&self) -> &'static str {
        "text"
    }
    fn encode(&self, stream: &Stream, level: Level, out: &mut Vec<u8>) -> Result<bool> {
        let Cells::W1(bytes) = stream.cells else { return Ok(false) };
        if level == Level::Fast || bytes.is_empty() || stream.scalar != Scalar::U8 {
            return Ok(false);
        }
        write(bytes, false, out);
        Ok(true)
    }
    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        if shape.scalar.width() != 1 {
            return Err(corruption("text: wider cells"));
        }
        let mut c = Cursor::new(payload);
        let kind = c.byte()?;
        let frames = match kind & 3 {
            0 => Frames::Lines,
            1 => Frames::Objects,
            2 => match c.varint()? {
                s @ 1..=0x1_0000 => Frames::Records(s as usize),
                _ => return Err(corruption("text: a bad width of records")),
            },
            _ => return Err(corruption("text: an unknown frame")),
        };
        if kind >> 4 != 0 {
            return Err(corruption("text: unknown flags"));
        }
        let (mut count, mut marks) = (shape.count, None);
        if kind & 4 != 0 {
            marks = Some([c.byte()?, c.byte()?]);
            count = c.varint()?.try_into().unwrap_or(usize::MAX);
            if count > shape.count {
                return Err(corruption("text: more short bytes than bytes"));
            }
        }
        let mut bytes = Vec::new();
        if count > 0 {
            let mut model = Model::primed(frames, count, kind & 8 == 0);
            let mut d = Decoder::new(c.rest());
            let (mut i, mut look) = (0, 0);
            while i < count {
                let n = model.leap(&mut d, None, count - i);
                if n == 0 {
                    model.code(&mut d, 0);
                }
                i += n.max(1);
                if i >= look {
                    look = i + LOOK;
                    if d.exhausted() {
                        return Err(corruption("text: the payload ends too early"));
                    }
                }
            }
            bytes = model.into_coded();
        }
        if let Some(marks) = marks {
            bytes = hex::lengthen(&bytes, marks, shape.count).unwrap_or_default();
        }
        if bytes.len() != shape.count {
            return Err(corruption("text: another number of bytes"));
        }
        Ok(Cells::W1(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Role;
    use crate::column::Meaning;
    use crate::model::bytes::PRIME;
    use xxhash_rust::xxh3::xxh3_64;

    fn payload(bytes: &[u8]) -> Vec<u8> {
        let cells = Cells::W1(bytes.to_vec());
        let role = Role::Values(Meaning::Bytes);
        let stream = Stream { cells: &cells, scalar: Scalar::U8, role, lists: None, inner: 1, dims: &[] };
        let mut out = Vec::new();
        assert!(Text.encode(&stream, Level::Max, &mut out).unwrap());
        let shape = Shape { scalar: Scalar::U8, count: bytes.len() };
        assert_eq!(Text.decode(&out, shape, &[]).unwrap(), cells);
        out
    }

    fn noise(i: u64) -> u64 {
        let x = (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (x ^ x >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32
    }

    /// Lines of fields, with numbers that nobody can know.
    fn lines() -> Vec<u8> {
        let line =
            |i: u64| format!("event {i}, weight={}, jet_pt: {}.{}\n", noise(i) % 7, i * 3, noise(i) % 100);
        (0..400).flat_map(|i| line(i).into_bytes()).collect()
    }

    /// Objects inside each other, each with a name.
    fn objects() -> Vec<u8> {
        let counted = |b: Vec<u8>| [(0x4000_0000 | b.len() as u32).to_be_bytes().to_vec(), b].concat();
        let named = |i: u64| {
            let name = format!("Branch_{:x}", noise(i) % 4096).into_bytes();
            counted([vec![0, 1, name.len() as u8], name, i.to_be_bytes().to_vec()].concat())
        };
        (0..200).flat_map(|i| counted([vec![0, 9], named(i), vec![0; 6]].concat())).collect()
    }

    /// Records of 13 bytes.
    fn records() -> Vec<u8> {
        let row = |i: u64| [&[7, 0, 0][..], &i.to_be_bytes(), &[(noise(i) >> 4) as u8, 9]].concat();
        (0..500).flat_map(row).collect()
    }

    /// Names as digits.
    fn digits() -> Vec<u8> {
        let digits = |b: u8| format!("{b:02X}").into_bytes();
        let name = |i: u64| format!("hltName{}", noise(i) % 1000).into_bytes().into_iter().flat_map(digits);
        (0..200).flat_map(|i| [b"label=+S(".to_vec(), name(i).collect(), b");".to_vec()].concat()).collect()
    }

    #[test]
    fn what_it_has_read_never_changes() {
        assert_eq!((PRIME.len(), xxh3_64(PRIME)), (16377, 0x7ab6_e6c1_f1b5_6e3b));
    }

    #[test]
    fn payloads_never_change() {
        let found = [lines(), objects(), records(), digits()].map(|bytes| {
            let out = payload(&bytes);
            (out[0], format!("{:016x}", xxh3_64(&out)))
        });
        let known = [
            (0, "320db026edb6db55"),
            (1, "d144c11f6852b499"),
            (2, "71e12af814a5d467"),
            (6, "3da293c8e048463f"),
        ];
        assert_eq!(found, known.map(|(kind, hash)| (kind, hash.to_string())));
    }

    #[test]
    fn long_streams_come_back() {
        let many: Vec<u8> = lines().into_iter().cycle().take(200_000).collect();
        assert!(payload(&many).len() < 4000);
        let mut more: Vec<u8> = lines().into_iter().cycle().take((1 << 20) + 5).collect();
        more.iter_mut().step_by(1237).for_each(|b| *b ^= 1);
        let more = payload(&more);
        assert!(more[0] == 8 && more.len() < 8000, "{}", more.len());
        let noisy: Vec<u8> = (0..40_000).map(|i| (noise(i) >> 9) as u8).collect();
        assert!(payload(&noisy).len() < 41_000);
    }

    #[test]
    fn the_old_way_is_read_for_ever() {
        let many: Vec<u8> = lines().into_iter().cycle().take(300_000).collect();
        let mut old = Vec::new();
        write(&many, true, &mut old);
        let shape = Shape { scalar: Scalar::U8, count: many.len() };
        assert_eq!(Text.decode(&old, shape, &[]).unwrap(), Cells::W1(many));
        assert_eq!((old[0], format!("{:016x}", xxh3_64(&old))), (0, "ea8be5b1739cb9a8".to_string()));
    }

    #[test]
    fn hostile_payloads_are_refused() {
        let shape = |count| Shape { scalar: Scalar::U8, count };
        let refused = |p: &[u8], n| assert!(Text.decode(p, shape(n), &[]).is_err(), "{p:?}");
        refused(&[], 5);
        refused(&[3], 5); // no such frame
        refused(&[16], 5); // no such flag
        refused(&[2, 0], 5); // records of nothing
        refused(&[2, 0x81, 0x80, 4], 5); // of more than 65536 bytes
        refused(&[4, 1, 2, 6], 5); // more short bytes than bytes
        refused(&[4, 1, 2, 0], 5); // too few
        refused(&[0, 1, 2, 3], 1 << 28); // more bytes than bits
        assert!(Text.decode(&[0], Shape { scalar: Scalar::U16, count: 1 }, &[]).is_err());
        assert_eq!(Text.decode(&[0], shape(0), &[]).unwrap(), Cells::W1(Vec::new()));
    }
}
