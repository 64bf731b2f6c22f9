//! Bytes: long repeats, and mixed contexts for what is left.
//!
//! # What it does
//! Repeats of at least 16 bytes (24 at `balanced`) become copies. Every other byte is eight decisions; each mixes
//! four adaptive probabilities: behind the byte before, and behind three hashed contexts. With a stride
//! these look at the byte one record above; without, at the last two, four and six bytes.
//!
//! # When it wins
//! On records of fixed size inside bytes that nobody has parsed (raw hits, unsplit objects), and on small pieces
//! of text.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | varint | stride S, 0 (none) to 65536 |
//! | varint | number of literals L (decides the size of the tables) |
//! | to the end | bits of `entropy/binary.rs` |
//!
//! **Bits**: items until all bytes are there: number of literals, the literals, and unless all bytes are there by
//! then, length - 1 and distance of a copy. Distance: one decision whether it is the last one again (0 at
//! first), by context (bit 0: whether the last copy's was; bit 1: length below 32); else distance - 1.
//! **Numbers**: three sets (literals, lengths, distances), each: the gamma prefix (m = 1) of the number by six
//! decisions, highest bit first, with counters by (context, node); the first two bits of the suffix by counters
//! of (prefix, bits so far behind a leading one), the others at one half. The context of the first two sets is (bit 0:
//! last distance was repeated; bit 1: last length below 32; 0 at first), that of distances is 1 for a length below 32, else 0.
//! **A literal** at position i: with t = the eight bytes before as a big-endian number (zeros where there are none), the first
//! counter is by (last byte, node: bits so far behind a leading one). The others are in three tables of N slots of 16
//! counters, N = 2 x L rounded up to a power of two, within 2^6 ..= 2^12. m(a, b) = (a + b * 0xD6E8FEB86659FD93) *
//! 0x9E3779B97F4A7C15 modulo 2^64. With S: above = the byte at i - S (or 0), f = (i mod S) * 2^32; hashes m(t mod 2^16, f + 1),
//! m(above, f + 2), m(above * 256 + last byte, f + 3). Without: m(t mod 2^16, 1), m(t mod 2^32, 3), m(t mod 2^48, 4). The slot for the
//! first four bits is (hash >> 40) mod N, for the others (m(hash, node) >> 40) mod N; within it, the bits of this half behind
//! a leading one. Weights by node, rate 6. All counters have the limit 250.
//!
//! # Determinism
//! Integers only.
//!
//! # References
//! M. Mahoney, Adaptive weighing of context models for lossless data compression (2005).
//! J. Ziv, A. Lempel, A universal algorithm for sequential data compression (1977).

use crate::codec::{Codec, Level, Shape, Stream};
use crate::column::{Cells, Scalar};
use crate::entropy::binary::{BitCoder, Decoder, Encoder};
use crate::entropy::mix::{Counter, Weights};
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::limits;
use crate::transform::classes::Cut;
use crate::transform::matches::{self, Copy};

/// Repeats and mixed contexts.
pub struct Bytes;

/// Contexts that are mixed for a byte.
const K: usize = 4;
/// How slow a counter may become.
const SLOW: u32 = 250;

/// The model of literals.
struct Literals {
    first: Vec<Counter>,
    tables: [Vec<[Counter; 16]>; K - 1],
    weights: Vec<Weights<K>>,
    stride: usize,
    mask: usize,
}

#[inline(always)]
fn mul(a: u64, b: u64) -> u64 {
    (a.wrapping_add(b.wrapping_mul(0xD6E8_FEB8_6659_FD93))).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Literals {
    fn new(stride: usize, literals: usize) -> Literals {
        let slots = (literals * 2).next_power_of_two().clamp(1 << 6, 1 << 12);
        Literals {
            first: vec![Counter::default(); 1 << 16],
            tables: std::array::from_fn(|_| vec![[Counter::default(); 16]; slots]),
            weights: vec![Weights::even(); 256],
            stride,
            mask: slots - 1,
        }
    }

    /// Codes the byte that comes behind `past`.
    #[inline(always)]
    fn code<C: BitCoder>(&mut self, c: &mut C, byte: u8, past: &[u8]) -> u8 {
        let n = past.len();
        let tail = match past.last_chunk::<8>() {
            Some(b) => u64::from_be_bytes(*b),
            None => past.iter().fold(0, |t, &b| t << 8 | b as u64),
        };
        let o1 = tail & 0xff;
        let s = self.stride;
        let hashes: [u64; K - 1] = if s > 0 {
            let above = if n >= s { past[n - s] } else { 0 } as u64;
            let phase = (n % s) as u64;
            [
                mul(tail & 0xffff, phase << 32 | 1),
                mul(above, phase << 32 | 2),
                mul(above << 8 | o1, phase << 32 | 3),
            ]
        } else {
            [mul(tail & 0xffff, 1), mul(tail & 0xffff_ffff, 3), mul(tail & 0xffff_ffff_ffff, 4)]
        };
        let mut node = 1usize; // with the bits so far
        for half in 0..2 {
            let slots = hashes.map(|h| {
                let h = if half == 0 { h } else { mul(h, node as u64) };
                (h >> 40) as usize & self.mask
            });
            let mut inner = 1usize;
            for _ in 0..4 {
                let direct = (o1 as usize) << 8 | node;
                let mut p = [0; K];
                p[0] = self.first[direct & 0xffff].p();
                for k in 1..K {
                    p[k] = self.tables[k - 1][slots[k - 1]][inner & 15].p();
                }
                let weights = &mut self.weights[node & 255];
                let mixed = weights.mix(p);
                let bit = c.code(byte >> (7 - (node.ilog2() & 7)) & 1 == 1, mixed.p);
                weights.update(&mixed, bit, 6);
                self.first[direct & 0xffff].update(bit, SLOW);
                for k in 1..K {
                    self.tables[k - 1][slots[k - 1]][inner & 15].update(bit, SLOW);
                }
                inner = inner << 1 | bit as usize;
                node = node << 1 | bit as usize;
            }
        }
        node as u8
    }
}

/// Numbers by class, tree and suffix.
struct Numbers {
    classes: Vec<Counter>,
    fine: Vec<Counter>,
}

impl Numbers {
    fn new() -> Self {
        Numbers { classes: vec![Counter::default(); 64 * 4], fine: vec![Counter::default(); 64 * 4] }
    }

    /// Codes a number below 2^32. `context` is below 4.
    fn code<C: BitCoder>(&mut self, c: &mut C, x: u32, context: usize) -> u32 {
        let cut = Cut::Gamma(1);
        let class = cut.prefix(x as u64) as usize;
        let mut node = 1;
        for k in (0..6).rev() {
            let counter = &mut self.classes[context << 6 | node];
            let b = c.code(class >> k & 1 == 1, counter.p_coder());
            counter.update(b, SLOW);
            node = node << 1 | b as usize;
        }
        let class = node & 63;
        let (n, base) = cut.base(class as u64);
        let suffix = (x as u64).wrapping_sub(base);
        let (mut y, mut node) = (0u64, 1usize);
        for k in (0..n).rev() {
            let bit = suffix >> k & 1 == 1;
            let b = if node < 4 {
                let counter = &mut self.fine[class << 2 | node];
                let b = c.code(bit, counter.p_coder());
                counter.update(b, SLOW);
                node = node << 1 | b as usize;
                b
            } else {
                c.code(bit, 32768)
            };
            y = y << 1 | b as u64;
        }
        base.wrapping_add(y) as u32
    }
}

/// Codes bytes: the encoder gives them with their copies, the decoder makes them.
fn code<C: BitCoder, const ENCODE: bool>(
    c: &mut C,
    stride: usize,
    literals: usize,
    given: &[u8],
    copies: &[Copy],
    count: usize,
    made: &mut Vec<u8>,
) -> Result<()> {
    let mut model = Literals::new(stride, literals);
    let (mut runs, mut lengths, mut distances) = (Numbers::new(), Numbers::new(), Numbers::new());
    let mut again = [Counter::default(); 4];
    let (mut last, mut at, mut context) = (0u32, 0usize, 0usize);
    let mut item = 0;
    loop {
        let copy = if ENCODE { copies[item] } else { Copy { literals: 0, len: 0, distance: 0 } };
        item += 1;
        let run = runs.code(c, copy.literals, context) as usize;
        if run > count - at {
            return Err(corruption("bytes: more literals than bytes"));
        }
        for _ in 0..run {
            if ENCODE {
                model.code(c, given[at], &given[..at]);
            } else {
                let b = model.code(c, 0, made);
                made.push(b);
            }
            at += 1;
        }
        if at == count {
            return Ok(());
        }
        if c.exhausted() {
            return Err(corruption("bytes: the payload ends too early"));
        }
        let len = lengths.code(c, copy.len.wrapping_sub(1), context) as usize + 1;
        if len > count - at {
            return Err(corruption("bytes: a copy beyond the end"));
        }
        let short = (len < 32) as usize;
        let counter = &mut again[context & 1 | short << 1];
        let same = c.code(copy.distance == last, counter.p_coder());
        counter.update(same, SLOW);
        if !same {
            last = distances.code(c, copy.distance.wrapping_sub(1), short).wrapping_add(1);
        }
        context = same as usize | short << 1;
        let distance = last as usize;
        if !ENCODE {
            if distance == 0 || distance > at {
                return Err(corruption("bytes: a copy from before the start"));
            }
            let from = at - distance;
            if distance >= len {
                made.extend_from_within(from..from + len);
            } else {
                for i in 0..len {
                    made.push(made[from + i]);
                }
            }
        }
        at += len;
        if at == count {
            return Ok(());
        }
    }
}

fn encode(bytes: &[u8], stride: usize, copies: &[Copy], out: &mut Vec<u8>) -> Result<()> {
    let literals: usize = copies.iter().map(|c| c.literals as usize).sum();
    put(out, stride as u64);
    put(out, literals as u64);
    let mut c = Encoder::new();
    code::<_, true>(&mut c, stride, literals, bytes, copies, bytes.len(), &mut Vec::new())?;
    out.extend(c.finish());
    Ok(())
}

/// The stride under which a piece of the bytes codes best, or 0.
fn best_stride(bytes: &[u8]) -> Result<usize> {
    let most = bytes.len().min(1 << 13);
    let piece = &bytes[(bytes.len() - most) / 2..][..most];
    let equal = |s: usize| piece[s..].iter().zip(piece).filter(|(a, b)| a == b).count();
    let likely = (2..=64.min(most / 4)).max_by_key(|&s| (equal(s), usize::MAX - s));
    let Some(likely) = likely else { return Ok(0) };
    let plain = [Copy { literals: most as u32, len: 0, distance: 0 }];
    let (mut with, mut without) = (Vec::new(), Vec::new());
    encode(piece, likely, &plain, &mut with)?;
    encode(piece, 0, &plain, &mut without)?;
    Ok(if with.len() < without.len() { likely } else { 0 })
}

impl Codec for Bytes {
    fn id(&self) -> u8 {
        super::BYTES
    }
    fn name(&self) -> &'static str {
        "bytes"
    }
    fn encode(&self, stream: &Stream, level: Level, out: &mut Vec<u8>) -> Result<bool> {
        let Cells::W1(bytes) = stream.cells else { return Ok(false) };
        if level == Level::Fast || bytes.is_empty() || stream.scalar != Scalar::U8 {
            return Ok(false);
        }
        let (least, tries) = if level == Level::Max { (16, 32) } else { (24, 8) };
        let copies = matches::find(bytes, least, tries);
        let stride = best_stride(bytes)?;
        encode(bytes, stride, &copies, out)?;
        Ok(true)
    }
    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        if shape.scalar.width() != 1 {
            return Err(corruption("bytes: wider cells"));
        }
        let mut c = Cursor::new(payload);
        let (stride, literals) = (c.varint()?, c.varint()?);
        if stride > 1 << 16 || literals > shape.count as u64 {
            return Err(corruption("bytes: a bad stride"));
        }
        let mut made = limits::reserve(shape.count);
        if shape.count > 0 {
            let mut d = Decoder::new(c.rest());
            code::<_, false>(&mut d, stride as usize, literals as usize, &[], &[], shape.count, &mut made)?;
        }
        Ok(Cells::W1(made))
    }
}
