//! The next byte, from everything before it.

use super::frame::Frame;
pub use super::frame::Frames;
use super::history;
use super::logistic::{Mixer, Refine, stretch};
use super::matching::{CLASSES, Follow};
use super::slots::Slots;
use crate::entropy::binary::BitCoder;
use crate::entropy::mix::Counter;
use std::sync::OnceLock;

/// What every model has seen before.
pub static PRIME: &[u8] = include_bytes!("prime.bin");

/// Contexts.
const K: usize = 16;
/// Logits that are mixed.
const N: usize = 40;
/// A match of so many bytes is asked for as a whole.
fn skip() -> u32 {
    static S: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *S.get_or_init(|| std::env::var("SKIP").ok().and_then(|s| s.parse().ok()).unwrap_or(32))
}

/// Learns only.
pub struct Listen;

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
    words: u64,
    indirect: Vec<u16>,
    sets: [Mixer<N>; 3],
    last: Mixer<4>,
    refine: [Refine; 2],
    seen: u32,
}

#[inline(always)]
fn mul(a: u64, b: u64) -> u64 {
    (a.wrapping_add(b.wrapping_mul(0xD6E8_FEB8_6659_FD93))).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Model {
    /// Nothing seen; 2^bits bytes of histories.
    pub fn new(shape: Frames, bits: u32) -> Self {
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
            long: Follow::new(bits.saturating_sub(6).max(8), 12),
            short: Follow::new(bits.saturating_sub(6).max(8), 4),
            frame: Frame::new(shape),
            whole: Whole::new(),
            word: 0,
            words: 0,
            indirect: vec![0; 256 + 65536],
            sets: [Mixer::new(CLASSES * 16, weights), Mixer::new(256, weights), Mixer::new(256 * 8, weights)],
            last: Mixer::new(256, [1 << 26; 4]),
            refine: [Refine::new(1 << 16), Refine::new(1 << 16)],
            seen: 0,
        }
    }

    /// One that has seen [`PRIME`], for `count` bytes.
    pub fn primed(frames: Frames, count: usize) -> Self {
        static SMALL: OnceLock<Model> = OnceLock::new();
        let fresh = |bits| {
            let mut model = Model::new(Frames::Objects, bits);
            for &b in PRIME {
                model.code(&mut Listen, b);
            }
            model
        };
        let bits = count.saturating_mul(64).next_power_of_two().ilog2().clamp(20, 25);
        let mut model = if bits == 20 { SMALL.get_or_init(|| fresh(20)).clone() } else { fresh(bits) };
        model.frame = Frame::new(frames);
        model
    }

    /// What was coded.
    pub fn into_coded(mut self) -> Vec<u8> {
        self.past.split_off(PRIME.len().min(self.past.len()))
    }

    /// Codes the next byte.
    pub fn code<C: BitCoder>(&mut self, c: &mut C, byte: u8) -> u8 {
        let expected = self.long.expected(&self.past);
        let mut ruled_out = None;
        if let Some(e) = expected
            && self.long.len >= skip()
        {
            let t = match self.past.last_chunk::<8>() {
                Some(b) => u64::from_be_bytes(*b),
                None => 0,
            };
            let p = self.frame.place(&self.past);
            let e2 = self.short.expected(&self.past).map_or(256, |e| e as u64);
            let len = self.long.len as u64;
            let (class, wrong) = (self.long.class() as u64, self.long.wrong as u64);
            let contexts = [
                wrong << 16 | class,
                wrong & 3 | (p.left.min(0xffff) as u64) << 8 | (p.kind as u64) << 32,
                (p.offset.min(0xffff) as u64) << 16 | (p.kind as u64) << 32 | (t & 255),
                t & 0xffff,
                t & 0xffff_ffff,
                t & 0xffff_ffff_ffff,
                e2 | len.min(255) << 16,
                p.above as u64 | (p.above2 as u64) << 8 | (t & 255) << 16,
            ];
            let right = self.whole.code(c, byte == e, e, contexts, class as usize);
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

    fn contexts(&self) -> ([u64; K], u32) {
        let past = &self.past;
        let t = match past.last_chunk::<8>() {
            Some(b) => u64::from_be_bytes(*b),
            None => past.iter().fold(0, |t, &b| t << 8 | b as u64),
        };
        let o1 = t & 0xff;
        let place = self.frame.place(past);
        let e = self.long.expected(past).map_or(256, |e| e as u64);
        let e2 = self.short.expected(past).map_or(256, |e| e as u64);
        let ind = self.indirect[o1 as usize] as u64;
        let ind2 = self.indirect[256 + (t & 0xffff) as usize] as u64;
        let (above, above2) = (place.above as u64, place.above2 as u64);
        let (left, off, kind) = (place.left as u64, place.offset as u64, place.kind as u64);
        let raw = [
            o1,
            t & 0xffff,
            t & 0xff_ffff,
            t & 0xffff_ffff,
            t & 0xff_ffff_ffff,
            t & 0xffff_ffff_ffff,
            self.word << 8 | o1,
            mul(self.word, self.words) ^ o1,
            off.min(0xffff) << 16 | o1 << 8 | kind.min(255),
            above << 8 | o1 | above2 << 16,
            left.min(0xffff) << 16 | o1 << 8 | kind.min(255),
            t & 0xffff00,
            ind << 8 | o1,
            t & 0xff000000 | above << 8,
            e << 32 | e2 << 16 | (self.long.class() as u64) << 8,
            ind2 << 16 | t & 0xffff,
        ];
        let mut h = [0; K];
        for k in 0..K {
            h[k] = mul(raw[k], k as u64 + 1);
        }
        (h, place.kind)
    }

    #[inline(always)]
    fn full<C: BitCoder>(&mut self, c: &mut C, byte: u8, ruled_out: Option<u8>) -> u8 {
        let (hashes, _kind) = self.contexts();
        let expected = [self.long.expected(&self.past), self.short.expected(&self.past)];
        let o1 = self.past.last().copied().unwrap_or(0) as usize;
        let out = ruled_out.is_some();
        let mut node = 1usize;
        let mut places = [0; K];
        let mut inner = 1usize;
        for index in 0..8 {
            if index & 3 == 0 {
                inner = 1;
                for k in 0..K {
                    let h = if index == 0 { hashes[k] } else { mul(hashes[k], node as u64 + 0x100) };
                    places[k] = self.slots.find(h >> 20);
                }
            }
            let mut t = [0i32; N];
            let mut states = [0u8; K];
            for k in 0..K {
                let s = self.slots.get(places[k], inner);
                states[k] = s;
                if s != 0 {
                    let p = self.maps[k][s as usize].p();
                    t[2 * k] = stretch(p);
                    t[2 * k + 1] = (p as i32 - 32768) >> 6;
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
                    let p = f.p(out && Some(e) == ruled_out, index);
                    let (s, l) = (stretch(p), (p as i32 - 32768) >> 6);
                    t[2 * K + 2 * m] = if bit { s } else { -s };
                    t[2 * K + 2 * m + 1] = if bit { l } else { -l };
                }
            }
            t[2 * K + 4] = stretch(self.first[node].p());
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
                self.sets[0].mix(&t, x << 4 | agree << 2 | (index >> 1)),
                self.sets[1].mix(&t, node),
                self.sets[2].mix(&t, o1 << 3 | index),
                0,
            ];
            let logit = self.last.mix(&l, x << 2 | agree);
            let r0 = self.refine[0].refine(logit, node | o1 << 8);
            let e0 = expected[0].or(expected[1]).unwrap_or(0) as usize;
            let r1 = self.refine[1].refine(logit, (e0 << 8 | node) & 0xffff);
            let p = super::logistic::squash(logit);
            let p = ((2 * p + r0 + r1 + 2) >> 2).clamp(1, 65535);
            let bit = c.code(byte >> (7 - index) & 1 == 1, p);
            // learn
            self.refine[0].update(bit, 6);
            self.refine[1].update(bit, 6);
            self.last.update(&l, bit, 20);
            let rate = 40 + 400 * 64 / (64 + self.seen.min(1 << 16) as i32);
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
        let o1 = self.past.last().copied().unwrap_or(0) as usize;
        let o2 = match self.past.last_chunk::<2>() {
            Some(b) => u16::from_be_bytes(*b) as usize,
            None => o1,
        };
        self.indirect[o1] = self.indirect[o1] << 8 | byte as u16;
        self.indirect[256 + o2] = self.indirect[256 + o2] << 8 | byte as u16;
        self.past.push(byte);
        if byte.is_ascii_alphanumeric() || byte >= 128 {
            self.word = mul(self.word, byte as u64 + 1);
        } else if self.word != 0 {
            self.words = self.word;
            self.word = 0;
        }
        self.long.learn(&self.past);
        self.short.learn(&self.past);
        self.frame.learn(&self.past);
    }
}

/// Contexts of a whole byte.
const W: usize = 8;

/// Whether a whole byte is the expected one.
#[derive(Clone)]
struct Whole {
    states: Vec<[u8; 1 << 16]>,
    maps: Vec<[Counter; 256]>,
    mixers: [Mixer<24>; 2],
}

impl Whole {
    fn new() -> Self {
        let mut weights = [0; 24];
        for k in 0..W {
            weights[2 * k] = 1 << 26;
        }
        let map = std::array::from_fn(|s| {
            Counter::starting(if s == 0 { 64000 } else { history::guess(s as u8) }, 0)
        });
        Whole {
            states: vec![[0; 1 << 16]; W],
            maps: vec![map; W],
            mixers: [Mixer::new(CLASSES, weights), Mixer::new(256, weights)],
        }
    }

    #[inline(always)]
    fn code<C: BitCoder>(&mut self, c: &mut C, right: bool, e: u8, contexts: [u64; W], class: usize) -> bool {
        let mut t = [0i32; 24];
        let mut at = [0; W];
        let mut states = [0; W];
        for k in 0..W {
            at[k] = (mul(contexts[k] << 8 | e as u64, k as u64) >> 48) as usize;
            states[k] = self.states[k][at[k]];
            let p = self.maps[k][states[k] as usize].p();
            t[2 * k] = stretch(p);
            t[2 * k + 1] = (p as i32 - 32768) >> 6;
        }
        t[2 * W] = 256;
        let l = (self.mixers[0].mix(&t, class) + self.mixers[1].mix(&t, e as usize)) >> 1;
        let p = super::logistic::squash(l).clamp(1, 65535);
        let right = c.code(right, p);
        self.mixers[0].update(&t, right, 60);
        self.mixers[1].update(&t, right, 60);
        for k in 0..W {
            self.maps[k][states[k] as usize].update(right, 250);
            self.states[k][at[k]] = history::next(states[k], right);
        }
        right
    }
}
