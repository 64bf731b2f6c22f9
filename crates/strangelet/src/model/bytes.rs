//! The next byte, from everything before it.
//!
//! The model has read [`PRIME`] before it codes: what every ROOT file says of itself, so that neither such a file
//! nor any other begins with a model that knows nothing.
//!
//! # Numbers
//! mul(a, b) = (a + b * 0xD6E8FEB86659FD93) * 0x9E3779B97F4A7C15 modulo 2^64. t: the eight bytes before, as a
//! big-endian number (zeros where there are none). Logits and mixers: `logistic.rs`; histories: `history.rs` and
//! `slots.rs`; the two followed places `long` (behind 20 bytes) and `short` (behind 4): `matching.rs`; offset,
//! left, kind, above, next: `frame.rs`. Counters are those of `entropy/mix.rs` with the limit 250. The map of a
//! state s is a counter that starts at guess(s) with nothing seen. A number of a byte that may be missing is 256
//! without it.
//!
//! # A byte
//! If `long` expects a byte e and was right 32 times or more, one decision tells whether that is it (below). If it
//! is not, or was not asked, eight decisions follow, the highest bit first. node: the bits so far behind a leading
//! one.
//!
//! **Contexts**, each hashed by mul(context, number + 1). "last" is the last byte:
//!
//! | number | context |
//! |---|---|
//! | 0, 1, 2, 3 | the last 2, 3, 4, 6 bytes, big-endian |
//! | 4 | word * 2^8 + last |
//! | 5 | offset * 2^16 + last * 2^8 + kind |
//! | 6 | next * 2^16 + above * 2^8 + last |
//! | 7 | left * 2^16 + last * 2^8 + kind |
//! | 8 | the third and second byte back, * 2^8 |
//! | 9 | the two bytes that came behind `last` most lately, * 2^8 + last |
//! | 10 | the fourth byte back * 2^24 + above * 2^8 |
//! | 11 | long's byte * 2^32 + short's byte * 2^16 + long's class * 2^8 |
//! | 12 | the two bytes that came behind the last two bytes most lately, * 2^16 + the last two bytes |
//!
//! What came behind something is kept as one after the other (the newest lowest), 0 at first. word: 0 behind
//! anything but letters, digits and bytes from 128 on, else mul(word, byte + 1); word * 2^8 modulo 2^64, its low
//! byte is `last`.
//!
//! For the last four bits the hashes become mul(hash, node + 256). Either half has a slot for each context, found
//! in this order, by hash >> 20; within it a state for each node of the half.
//!
//! **Logits**, 32: of a context with state s > 0 stretch(p) and (p - 32768) >> 5 of its map's p, of any other two
//! zeros; of `long` and of `short`, where it expects a byte that begins with the bits so far, stretch(p) and (p -
//! 32768) >> 6 with the sign of the expected bit, else two zeros; stretch(p) of a counter of the node; 256.
//!
//! **Mixing**: three mixers with the sets x * 16 + agree * 4 + (index of the bit >> 1); node; last byte * 8 +
//! index. x: class of `long` if it takes part, else class of `short`, at most 7, if that does, else 0. agree: 0 if
//! neither does, 3 if one does, 1 if both with different bits, 2 if with the same. Their weights start at 2^26
//! (each first logit of a context), 2^27 (each first logit of a followed place), 0; rate 120 + 25600 / (64 + bits
//! coded like this so far, at most 65536; those of [`PRIME`] count). A fourth mixes their three logits and a zero,
//! set x * 4 + agree, weights 2^26, rate 40. Its logit d is refined twice (rate 5): by x * 256 + node, and by ((e *
//! 256 + node) * 0x9E35 >> 4) mod 4096 with e what `long`, else what `short` expects, else 0. Coded with (2
//! squash(d) + both + 2) >> 2, within 1 ..= 65535.
//!
//! **A whole byte**: of each of seven contexts q the state at \[mul(q * 256 + e, number + 1) >> 48\] of a table of
//! its own, with a map of its own (guess(0) is 64000 here):
//!
//! | number | context |
//! |---|---|
//! | 0 | long's wrong * 2^16 + the last two bytes |
//! | 1 | kind * 2^32 + left * 2^8 + wrong mod 4 |
//! | 2 | kind * 2^32 + offset * 2^16 + last |
//! | 3, 4 | the last 4, 6 bytes |
//! | 5 | long's length, at most 255, * 2^16 + short's byte |
//! | 6 | last * 2^16 + next * 2^8 + above |
//!
//! Logits: stretch(p) and (p - 32768) >> 6 of each; 256; 0. Two mixers, by the class of `long` and by e; weights as
//! above, rate 120. The probability is squash of half the sum (>> 1) of their logits, within 1 ..= 65535.
//!
//! **The table of slots** has 64 times the bytes of the stream, rounded up to a power of two, within 2^20 ..= 2^25.
//! The frame of [`PRIME`] is `Objects`; the stream's begins anew behind it. [`PRIME`] is read with tables as for a
//! short stream; larger tables (also those of the followed places) begin as these, one copy behind the other. In
//! the old way (see `codecs/text.rs`) tables have their size from the start.
//!
//! **Long streams** (2^20 bytes or more, not in the old way): `long` is asked from 8 right bytes on. Where it is not,
//! `short` is asked in its place if it was right 8 times or more: contexts 0, 1 and 5 then know its class, wrong
//! and length (context 5: length + 256), and the first mixer has the sets 32 + class. Before a byte, if `long` was
//! right 64 times or more and the 16 bytes at its place are there and no more than are left, one decision tells
//! whether all of them come (a leap): again seven contexts, with tables, maps and mixers of their own:
//!
//! | number | context |
//! |---|---|
//! | 0 | l * 2^8 + wrong, with l = log2 of long's length, rounded down |
//! | 1 | kind * 2^32 + left * 2^8 + wrong mod 4 |
//! | 2 | a = mul(mul(0, x), y) with the 16 bytes as two big-endian numbers x and y |
//! | 3 | mul(a, the last 4 bytes) |
//! | 4 | the last 6 bytes |
//! | 5 | long's length / 16, at most 255, * 2^16 + short's byte |
//! | 6 | a xor y |
//!
//! e is the first of the 16 bytes, the set of the first mixer l mod 16. After a leap twelve of them are only pushed (past,
//! word, `long`'s place and length, frame), `short` has no place any more, and the last four are learned as
//! always. If they do not all come, the next 15 bytes at most are asked for one by one with context 5 + 2^40 *
//! (16, 15, .. 2: one less each) and the first mixer's sets 16 + class; what is left after these is known to be wrong.

mod frame;
mod history;
mod logistic;
mod matching;
mod slots;

use self::frame::Frame;
pub use self::frame::Frames;
use self::logistic::{Mixer, Refine, stretch};
use self::matching::{CLASSES, Follow};
use self::slots::Slots;
use crate::entropy::binary::BitCoder;
use crate::entropy::mix::Counter;
use std::sync::OnceLock;

/// What every model has seen before: a tree of two branches, and the descriptions (`TStreamerInfo`) of the classes of
/// ROOT that most files carry, from the bases to `TTree`.
pub static PRIME: &[u8] = include_bytes!("bytes/prime.bin");

/// Contexts.
const K: usize = 13;
/// Logits that are mixed.
const N: usize = 2 * K + 6;
/// A match of so many bytes is asked for as a whole.
const WHOLE: u32 = 32;
/// The same in long streams.
const WHOLE_LONG: u32 = 8;
/// Streams of so many bytes are long.
const LONG: usize = 1 << 20;
/// Streams of so many bytes find their tables filled as they are.
const SMALL_BITS: u32 = 20;
/// A match of so many bytes may go on by a leap.
const LEAP_FROM: u32 = 64;
/// Bytes of a leap.
const LEAP: usize = 16;
/// Bytes of a leap that are learned like any other: the last ones.
const LEARNED: usize = 4;

/// Takes bits and writes none: for what is known to both sides.
struct Listen;

impl BitCoder for Listen {
    fn code(&mut self, bit: bool, _p: u32) -> bool {
        bit
    }
}

/// The model.
#[derive(Clone)]
pub struct Model {
    past: Vec<u8>,
    slots: Slots,
    maps: Vec<[Counter; 256]>,
    first: Vec<Counter>,
    long: Follow,
    short: Follow,
    frame: Frame,
    whole: Whole,
    word: u64,
    after1: Vec<u16>,
    after2: Vec<u16>,
    sets: [Mixer<N>; 3],
    last: Mixer<4>,
    refine: [Refine; 2],
    seen: u32,
    /// Whether all of a leap is as expected, in long streams.
    leap: Option<Box<Whole>>,
    /// The match ends within so many bytes, as a leap that was none has told.
    ends: usize,
}

/// The last eight bytes as a big-endian number; zeros before the first.
#[inline(always)]
fn tail(past: &[u8]) -> u64 {
    match past.last_chunk::<8>() {
        Some(b) => u64::from_be_bytes(*b),
        None => past.iter().fold(0, |t, &b| t << 8 | b as u64),
    }
}

/// A byte, or 256 for none.
#[inline(always)]
fn number(byte: Option<u8>) -> u64 {
    byte.map_or(256, |b| b as u64)
}

#[inline(always)]
fn mul(a: u64, b: u64) -> u64 {
    (a.wrapping_add(b.wrapping_mul(0xD6E8_FEB8_6659_FD93))).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Model {
    /// Nothing seen; 2^bits bytes of histories.
    fn new(frames: Frames, bits: u32) -> Self {
        let mut weights = [0; N];
        for k in 0..K {
            weights[2 * k] = 1 << 26;
        }
        weights[2 * K] = 1 << 27;
        weights[2 * K + 2] = 1 << 27;
        let map = std::array::from_fn(|s| Counter::starting(history::guess(s as u8), 0));
        Model {
            past: Vec::new(),
            slots: Slots::new(bits),
            maps: vec![map; K],
            first: vec![Counter::default(); 256],
            long: Follow::new(bits.saturating_sub(6).max(8), 20),
            short: Follow::new(bits.saturating_sub(6).max(8), 4),
            frame: Frame::new(frames, 0),
            whole: Whole::new(),
            word: 0,
            after1: vec![0; 1 << 8],
            after2: vec![0; 1 << 16],
            sets: [Mixer::new(CLASSES * 16, weights), Mixer::new(256, weights), Mixer::new(256 * 8, weights)],
            last: Mixer::new(256, [1 << 26; 4]),
            refine: [Refine::new(1 << 12), Refine::new(1 << 12)],
            seen: 0,
            leap: None,
            ends: 0,
        }
    }

    /// One that has seen [`PRIME`], for `count` bytes; in the old way if asked for.
    pub fn primed(frames: Frames, count: usize, old: bool) -> Self {
        static SMALL: OnceLock<Model> = OnceLock::new();
        let fresh = |bits| {
            let mut model = Model::new(Frames::Objects, bits);
            for &b in PRIME {
                model.code(&mut Listen, b);
            }
            model
        };
        let bits = count.saturating_mul(64).next_power_of_two().ilog2().clamp(SMALL_BITS, 25);
        let mut model = match bits {
            SMALL_BITS => SMALL.get_or_init(|| fresh(SMALL_BITS)).clone(),
            _ if old => fresh(bits),
            _ => {
                let small = SMALL.get_or_init(|| fresh(SMALL_BITS));
                Model {
                    slots: small.slots.repeated(bits),
                    long: small.long.repeated(bits - 6),
                    short: small.short.repeated(bits - 6),
                    leap: (count >= LONG).then(|| Box::new(Whole::new())),
                    ..small.clone()
                }
            }
        };
        model.frame = Frame::new(frames, PRIME.len());
        model
    }

    /// What was coded.
    pub fn into_coded(mut self) -> Vec<u8> {
        self.past.split_off(PRIME.len().min(self.past.len()))
    }

    /// Codes the next bytes, if all of a leap are as expected. Returns how many. An encoder gives all that comes.
    pub fn leap<C: BitCoder>(&mut self, c: &mut C, next: Option<&[u8]>, left: usize) -> usize {
        let from = self.long.place();
        if self.long.len < LEAP_FROM || self.ends > 0 || left < LEAP {
            return 0;
        }
        let Some(leap) = &mut self.leap else { return 0 };
        let Some(&expected) = self.past.get(from..).and_then(|e| e.first_chunk::<LEAP>()) else { return 0 };
        let t = tail(&self.past);
        let place = self.frame.place(&self.past);
        let wrong = self.long.wrong as u64;
        let words = expected.as_chunks::<8>().0;
        let all = words.iter().fold(0, |h, b| mul(h, u64::from_be_bytes(*b)));
        let len = u64::from(self.long.len.ilog2());
        let contexts = [
            len << 8 | wrong,
            (place.kind as u64) << 32 | (place.left as u64) << 8 | wrong & 3,
            all,
            mul(all, t & 0xffff_ffff),
            t & 0xffff_ffff_ffff,
            (self.long.len as u64 >> 4).min(255) << 16 | number(self.short.expected(&self.past)),
            all ^ u64::from_be_bytes(words[1]),
        ];
        let right = next.is_some_and(|n| n.starts_with(&expected));
        if !leap.code(c, right, expected[0], contexts, len as usize & (CLASSES - 1)) {
            self.ends = LEAP;
            return 0;
        }
        for &byte in &expected[..LEAP - LEARNED] {
            self.push(byte);
            self.long.go_on();
            self.frame.learn(&self.past);
        }
        self.short.lose();
        expected[LEAP - LEARNED..].iter().for_each(|&byte| self.learn(byte));
        LEAP
    }

    /// Codes the next byte.
    pub fn code<C: BitCoder>(&mut self, c: &mut C, byte: u8) -> u8 {
        let mut ruled_out = None;
        let sure = if self.leap.is_some() { WHOLE_LONG } else { WHOLE };
        let by_short = self.leap.is_some() && self.long.len < sure && self.short.len >= WHOLE_LONG;
        let follow = if by_short { &self.short } else { &self.long };
        if let Some(e) = follow.expected(&self.past)
            && (follow.len >= sure || by_short)
        {
            let class = follow.class();
            let wrong = follow.wrong as u64;
            let len = (follow.len as u64).min(255) | (by_short as u64) << 8;
            let t = tail(&self.past);
            let place = self.frame.place(&self.past);
            let kind = (place.kind as u64) << 32;
            let contexts = [
                wrong << 16 | t & 0xffff,
                kind | (place.left as u64) << 8 | wrong & 3,
                kind | (place.offset as u64) << 16 | t & 0xff,
                t & 0xffff_ffff,
                t & 0xffff_ffff_ffff,
                (self.ends as u64) << 40 | len << 16 | number(self.short.expected(&self.past)),
                (t & 0xff) << 16 | (place.next as u64) << 8 | place.above as u64,
            ];
            let class = match (self.ends, by_short) {
                (0, false) => class,
                (0, true) => class + 2 * CLASSES,
                _ => class + CLASSES,
            };
            let right = self.ends != 1 && self.whole.code(c, byte == e, e, contexts, class);
            self.ends = if right { self.ends.saturating_sub(1) } else { 0 };
            if right {
                self.learn(e);
                return e;
            }
            ruled_out = Some(e);
        }
        let b = self.full(c, byte, ruled_out);
        self.learn(b);
        b
    }

    /// Hashes of the contexts of the next byte.
    fn contexts(&self) -> [u64; K] {
        let past = &self.past;
        let t = tail(past);
        let o1 = t & 0xff;
        let place = self.frame.place(past);
        let (above, next) = (place.above as u64, place.next as u64);
        let kind = o1 << 8 | place.kind as u64;
        let raw = [
            t & 0xffff,
            t & 0xff_ffff,
            t & 0xffff_ffff,
            t & 0xffff_ffff_ffff,
            self.word << 8 | o1,
            (place.offset as u64) << 16 | kind,
            next << 16 | above << 8 | o1,
            (place.left as u64) << 16 | kind,
            t & 0xff_ff00,
            (self.after1[o1 as usize] as u64) << 8 | o1,
            t & 0xff00_0000 | above << 8,
            number(self.long.expected(past)) << 32
                | number(self.short.expected(past)) << 16
                | (self.long.class() as u64) << 8,
            (self.after2[(t & 0xffff) as usize] as u64) << 16 | t & 0xffff,
        ];
        std::array::from_fn(|k| mul(raw[k], k as u64 + 1))
    }

    #[inline(always)]
    fn full<C: BitCoder>(&mut self, c: &mut C, byte: u8, ruled_out: Option<u8>) -> u8 {
        let mut hashes = self.contexts();
        let expected = [self.long.expected(&self.past), self.short.expected(&self.past)];
        let o1 = self.past.last().copied().unwrap_or(0) as usize;
        let mut node = 1usize;
        let mut places = [0; K];
        let mut inner = 1usize;
        for index in 0..8 {
            if index & 3 == 0 {
                inner = 1;
                if index > 0 {
                    for h in &mut hashes {
                        *h = mul(*h, node as u64 + 0x100);
                    }
                }
                self.slots.touch(&hashes);
                for k in 0..K {
                    places[k] = self.slots.find(hashes[k] >> 20);
                }
            }
            let mut t = [0i16; N];
            let mut states = [0u8; K];
            for k in 0..K {
                let s = self.slots.get(places[k], inner);
                states[k] = s;
                if s != 0 {
                    let p = self.maps[k][s as usize].p();
                    t[2 * k] = stretch(p) as i16;
                    t[2 * k + 1] = ((p as i32 - 32768) >> 5) as i16;
                }
            }
            let mut bits = [None; 2];
            let mut follows = [&mut self.long, &mut self.short];
            for (m, f) in follows.iter_mut().enumerate() {
                if let Some(e) = expected[m]
                    && (e as usize | 256) >> (8 - index) == node
                {
                    let bit = e >> (7 - index) & 1 == 1;
                    bits[m] = Some(bit);
                    let p = f.p(Some(e) == ruled_out);
                    let (s, l) = (stretch(p) as i16, ((p as i32 - 32768) >> 6) as i16);
                    t[2 * K + 2 * m] = if bit { s } else { -s };
                    t[2 * K + 2 * m + 1] = if bit { l } else { -l };
                }
            }
            t[2 * K + 4] = stretch(self.first[node].p()) as i16;
            t[2 * K + 5] = 256;
            let class = self.long.class();
            let class2 = self.short.class();
            let x = match bits {
                [Some(_), _] => class,
                [None, Some(_)] => class2.min(7),
                _ => 0,
            };
            let agree = match bits {
                [None, None] => 0,
                [Some(a), Some(b)] => 1 + (a == b) as usize,
                [Some(_), None] | [None, Some(_)] => 3,
            };
            let l = [
                self.sets[0].mix(&t, x << 4 | agree << 2 | (index >> 1)) as i16,
                self.sets[1].mix(&t, node) as i16,
                self.sets[2].mix(&t, o1 << 3 | index) as i16,
                0,
            ];
            let logit = self.last.mix(&l, x << 2 | agree);
            let r0 = self.refine[0].refine(logit, x << 8 | node);
            let e0 = expected[0].or(expected[1]).unwrap_or(0) as usize;
            let r1 = self.refine[1].refine(logit, (((e0 << 8 | node) * 0x9E35) >> 4) & 0xfff);
            let p = logistic::squash(logit);
            let p = ((2 * p + r0 + r1 + 2) >> 2).clamp(1, 65535);
            let bit = c.code(byte >> (7 - index) & 1 == 1, p);
            // learn
            self.refine[0].update(bit, 5);
            self.refine[1].update(bit, 5);
            self.last.update(&l, bit, 40);
            let rate = 120 + 400 * 64 / (64 + self.seen.min(1 << 16) as i32);
            for s in &mut self.sets {
                s.update(&t, bit, rate);
            }
            self.seen += 1;
            self.first[node].update(bit, 250);
            for k in 0..K {
                let s = states[k];
                if s != 0 {
                    self.maps[k][s as usize].update(bit, 250);
                }
                self.slots.set(places[k], inner, history::next(s, bit));
            }
            for (m, f) in [&mut self.long, &mut self.short].into_iter().enumerate() {
                if let Some(e) = bits[m] {
                    f.update(e == bit);
                }
            }
            node = node << 1 | bit as usize;
            inner = inner << 1 | bit as usize;
        }
        node as u8
    }

    #[inline(always)]
    fn learn(&mut self, byte: u8) {
        let t = tail(&self.past);
        let (one, two) = (&mut self.after1[(t & 0xff) as usize], &mut self.after2[(t & 0xffff) as usize]);
        *one = *one << 8 | byte as u16;
        *two = *two << 8 | byte as u16;
        self.push(byte);
        self.long.learn(&self.past);
        self.short.learn(&self.past);
        self.frame.learn(&self.past);
    }

    #[inline(always)]
    fn push(&mut self, byte: u8) {
        self.past.push(byte);
        if byte.is_ascii_alphanumeric() || byte >= 128 {
            self.word = mul(self.word, byte as u64 + 1);
        } else {
            self.word = 0;
        }
    }
}

/// Contexts of a whole byte.
const W: usize = 7;
/// Their logits.
const V: usize = 2 * W + 2;

/// Whether a whole byte is the expected one.
#[derive(Clone)]
struct Whole {
    states: Vec<[u8; 1 << 16]>,
    maps: Vec<[Counter; 256]>,
    mixers: [Mixer<V>; 2],
}

impl Whole {
    fn new() -> Self {
        let mut weights = [0; V];
        for k in 0..W {
            weights[2 * k] = 1 << 26;
        }
        let map = std::array::from_fn(|s| {
            Counter::starting(if s == 0 { 64000 } else { history::guess(s as u8) }, 0)
        });
        Whole {
            states: vec![[0; 1 << 16]; W],
            maps: vec![map; W],
            mixers: [Mixer::new(3 * CLASSES, weights), Mixer::new(256, weights)],
        }
    }

    #[inline(always)]
    fn code<C: BitCoder>(&mut self, c: &mut C, right: bool, e: u8, contexts: [u64; W], class: usize) -> bool {
        let mut t = [0i16; V];
        let mut at = [0; W];
        let mut states = [0; W];
        for k in 0..W {
            at[k] = (mul((contexts[k] << 8) | e as u64, k as u64 + 1) >> 48) as usize;
            states[k] = self.states[k][at[k]];
            let p = self.maps[k][states[k] as usize].p();
            t[2 * k] = stretch(p) as i16;
            t[2 * k + 1] = ((p as i32 - 32768) >> 6) as i16;
        }
        t[2 * W] = 256;
        let l = (self.mixers[0].mix(&t, class) + self.mixers[1].mix(&t, e as usize)) >> 1;
        let p = logistic::squash(l).clamp(1, 65535);
        let right = c.code(right, p);
        self.mixers[0].update(&t, right, 120);
        self.mixers[1].update(&t, right, 120);
        for k in 0..W {
            self.maps[k][states[k] as usize].update(right, 250);
            self.states[k][at[k]] = history::next(states[k], right);
        }
        right
    }
}
