//! The bins of hits, one after the other, by mixed contexts; for the decoder, the encoder, and whoever weighs what to write.
//!
//! # A bin
//! In unary: decision n says whether the bin is above n; decisions of the last bin need none. Each has [`K`] contexts, each of them a
//! counter (limit 250) in a table of its own, at hash(context k, n, k) as in `model/mixing.rs`; two sets of weights (rate 4), whose
//! probabilities go back to logits, are added, halved (towards zero), squashed and kept within 32 .. 65504 of 65536.
//!
//! # A prediction
//! Bins around that are known, and what the mask says, foretell the bin by least squares (binary64): normal equations, 0.5 on the
//! diagonal at first, solved by Cholesky's method after every 64th of the first 512 hits and every 512th from then on.

use super::field::{Field, Hit, Step};
use crate::entropy::binary::BitCoder;
use crate::entropy::mix::{Counter, Weights, squash, stretch};

/// Contexts of a decision.
pub const K: usize = 10;
/// Sets of weights of each kind.
const SETS: usize = 4096;
const LIMIT: u32 = 250;
const RATE: i32 = 4;

/// Neighbours whose bins foretell a bin.
const KNOWN: [Step; 25] = [
    [0, 0, -1],
    [0, 0, -2],
    [0, 0, -3],
    [0, 0, -4],
    [0, -1, -3],
    [0, -1, -2],
    [0, -1, -1],
    [0, -1, 0],
    [0, -1, 1],
    [0, -1, 2],
    [0, -1, 3],
    [0, -1, 4],
    [0, -2, -1],
    [0, -2, 0],
    [0, -2, 1],
    [0, -3, 0],
    [-1, -1, -1],
    [-1, -1, 0],
    [-1, -1, 1],
    [-1, 0, -1],
    [-1, 0, 0],
    [-1, 0, 1],
    [-1, 1, -1],
    [-1, 1, 0],
    [-1, 1, 1],
];
/// Beside them: one for each phase of 8, and what the mask says.
const TERMS: usize = KNOWN.len() + 9;

struct Foretold {
    matrix: Vec<f64>,
    right: [f64; TERMS],
    weights: [f64; TERMS],
    seen: u32,
}

impl Foretold {
    fn new() -> Foretold {
        let mut matrix = vec![0.0; TERMS * TERMS];
        (0..TERMS).for_each(|i| matrix[i * TERMS + i] = 0.5);
        Foretold { matrix, right: [0.0; TERMS], weights: [0.0; TERMS], seen: 0 }
    }

    fn predict(&self, x: &[f64; TERMS]) -> f64 {
        let mut sum = 0.0;
        for (x, w) in x.iter().zip(&self.weights) {
            sum += x * w;
        }
        sum
    }

    fn learn(&mut self, x: &[f64; TERMS], y: f64) {
        for (i, &a) in x.iter().enumerate().filter(|(_, a)| **a != 0.0) {
            for (m, &b) in self.matrix[i * TERMS..].iter_mut().zip(&x[..=i]) {
                *m += a * b;
            }
            self.right[i] += a * y;
        }
        self.seen += 1;
        if self.seen.is_multiple_of(if self.seen < 512 { 64 } else { 512 }) {
            self.solve();
        }
    }

    fn solve(&mut self) {
        let n = TERMS;
        let (mut c, mut z) = (self.matrix.clone(), self.right);
        for i in 0..n {
            for j in 0..=i {
                let mut s = c[i * n + j];
                for k in 0..j {
                    s -= c[i * n + k] * c[j * n + k];
                }
                c[i * n + j] = if i == j { s.max(1e-9).sqrt() } else { s / c[j * n + j] };
            }
        }
        for i in 0..n {
            for k in 0..i {
                z[i] -= c[i * n + k] * z[k];
            }
            z[i] /= c[i * n + i];
        }
        for i in (0..n).rev() {
            for k in i + 1..n {
                z[i] -= c[k * n + i] * z[k];
            }
            z[i] /= c[i * n + i];
        }
        self.weights = z;
    }
}

/// What the contexts of a hit are.
pub struct Around {
    contexts: [u32; K],
    sets: [u32; 2],
    terms: [f64; TERMS],
}

/// A decision as it was foretold.
struct Decision {
    at: [usize; K],
    mixed: [crate::entropy::mix::Mixed<K>; 2],
    p: u32,
}

/// Counters, weights and least squares.
pub struct Model {
    bins: usize,
    tables: Vec<Counter>,
    bits: u32,
    weights: [Vec<Weights<K>>; 2],
    foretold: Foretold,
    known: [Option<isize>; KNOWN.len()],
    pads: [[Option<isize>; 3]; 2],
}

fn hash(context: u32, node: u32, k: u32) -> u32 {
    let x = context.wrapping_add(1).wrapping_mul(0x9E37_79B1)
        ^ node.wrapping_add(1).wrapping_mul(0x85EB_CA6B)
        ^ k.wrapping_mul(0xC2B2_AE35);
    let x = (x ^ x >> 15).wrapping_mul(0x2C1B_3C6D);
    x ^ x >> 13
}

impl Model {
    /// For so many bins, at least 1.
    pub fn new(field: &Field, bins: usize) -> Model {
        let room = field.hits.len().saturating_mul(4).next_power_of_two().clamp(1 << 10, 1 << 18);
        let even = Weights::<K>([19660; K]);
        let pad = |side: i8| [1, 2, 3].map(|n| field.distance([0, side * n, 0]));
        Model {
            bins,
            tables: vec![Counter::default(); K * room],
            bits: room.trailing_zeros(),
            weights: [vec![even; SETS], vec![even; SETS]],
            foretold: Foretold::new(),
            known: KNOWN.map(|s| field.distance(s)),
            pads: [pad(-1), pad(1)],
        }
    }

    /// The contexts of a hit. `bins` is the padded field; those behind the hit are not looked at. `mask` is what the mask says of it in
    /// units of one log2.
    pub fn around(&self, field: &Field, bins: &[u8], hit: &Hit, mask: f64) -> Around {
        let here = hit.at as usize;
        let mut terms = [0.0; TERMS];
        // Bins from 1 on, 0 where there is no hit.
        let mut near = [0u32; KNOWN.len()];
        for ((d, x), n) in self.known.iter().zip(&mut terms).zip(&mut near) {
            if let Some(d) = d {
                let j = here.wrapping_add_signed(*d);
                *x = f64::from(bins[j]);
                *n = if field.mask[j] { u32::from(bins[j]) + 1 } else { 0 };
            }
        }
        terms[KNOWN.len() + usize::from(hit.phase)] = 1.0;
        terms[TERMS - 1] = mask - 6.5;
        let foretold = self.foretold.predict(&terms);
        let scaled = |unit: f64, most: f64| ((foretold + 1.0) * unit).clamp(0.0, most) as u32;
        let (fine, coarse) = (scaled(20.0, 255.0), scaled(5.0, 63.0));
        let said = (mask * 16.0).clamp(0.0, 255.0) as u32;
        let extent = |side: usize| {
            let there = |d: &&Option<isize>| d.is_some_and(|d| field.mask[here.wrapping_add_signed(d)]);
            self.pads[side].iter().take_while(there).count() as u32
        };
        let (before, behind) = (extent(0), extent(1));
        let (place, end, phase) = (u32::from(hit.place), u32::from(hit.end), u32::from(hit.phase));
        let [last, last2] = [near[0], near[1]];
        let [pad_before, pad, pad_after] = [near[6], near[7], near[8]];
        let contexts = [
            fine,
            coarse | last << 8 | phase << 16,
            last | last2 << 7 | phase << 14 | place.min(5) << 18,
            pad_before | pad << 7 | pad_after << 14 | phase << 21,
            last | pad << 7 | near[20] << 14 | behind << 21,
            place | end << 4 | before << 8 | behind << 12 | phase << 16,
            said | place << 8 | end << 12,
            coarse | pad << 8 | pad_after << 15 | behind << 22,
            fine | place << 8 | behind << 12 | end << 16,
            said | coarse << 8,
        ];
        let sets = [place.min(6) * 4 + behind, coarse];
        Around { contexts, sets, terms }
    }

    fn decision(&self, around: &Around, n: usize) -> Decision {
        let node = n as u32;
        let mut at = [0; K];
        let mut p = [0; K];
        for (k, (at, p)) in at.iter_mut().zip(&mut p).enumerate() {
            let place = hash(around.contexts[k], node, k as u32) & ((1 << self.bits) - 1);
            *at = k << self.bits | place as usize;
            *p = self.tables[*at].p();
        }
        let mixed = [0, 1].map(|i| self.weights[i][set(around, i, node)].mix(p));
        let p = squash((stretch(mixed[0].p) + stretch(mixed[1].p)) / 2).clamp(32, 65504);
        Decision { at, mixed, p }
    }

    /// Bits that each of the bins up to `most` would take.
    pub fn costs(&self, around: &Around, most: usize, out: &mut Vec<f64>) {
        out.clear();
        let mut above = 0.0;
        for n in 0..=most.min(self.bins - 1) {
            if n + 1 == self.bins {
                out.push(above);
                break;
            }
            let p = f64::from(self.decision(around, n).p) / 65536.0;
            out.push(above - crate::infer::math::log2(1.0 - p));
            above -= crate::infer::math::log2(p);
        }
    }

    /// Codes a bin and learns it.
    pub fn code<C: BitCoder>(&mut self, c: &mut C, around: &Around, bin: u8) -> u8 {
        let mut n = 0;
        while n + 1 < self.bins {
            let d = self.decision(around, n);
            let above = c.code(usize::from(bin) > n, d.p);
            for &at in &d.at {
                self.tables[at].update(above, LIMIT);
            }
            for (i, mixed) in d.mixed.iter().enumerate() {
                self.weights[i][set(around, i, n as u32)].update(mixed, above, RATE);
            }
            if !above {
                break;
            }
            n += 1;
        }
        self.foretold.learn(&around.terms, n as f64);
        n as u8
    }
}

fn set(around: &Around, i: usize, node: u32) -> usize {
    (node.min(63) * 64 + around.sets[i]) as usize & (SETS - 1)
}
