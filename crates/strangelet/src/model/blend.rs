//! Many adaptive probabilities blended into one, with two sets of weights.
//!
//! # Input
//! Each context has a [`Counter`]. Its logit (as in `entropy/mix.rs`) is scaled by how much the counter has
//! seen: TRUST\[n\] = 256 n / (n + 1/2), rounded down, n at most 255; (logit x TRUST) >> 8. A fresh counter so
//! says nothing.
//!
//! # Blend
//! Sum of logit x weight (16 fractional bits) with the weights of each of the two sets, the sums added, >> 17
//! towards minus infinity, clamped to +-2047, back by `squash`. Weights start at 2^17 / (K + 1). With error =
//! (bit << 16) - p, each weight of both sets grows by ((logit x (error >> 2) >> 10) x rate) >> 6 and stays
//! within +-2^19; rate = 3 + 16 / (2 + n / 16), n the number of bits the set has seen (at most 255).
//!
//! # Second guess
//! The blended logit is looked up in a table of probabilities by its upper bits and a small context, between
//! the two nearest of 33 points; the result is averaged with the blend in the ratio 1 : 1.

use crate::entropy::binary::BitCoder;
use crate::entropy::mix::{Counter, squash, stretch};

/// Most inputs.
pub const MOST: usize = 8;
/// Counters do not slow down further than this.
pub const LIMIT: u32 = 255;

static TRUST: [i32; 256] = trust_table();

const fn trust_table() -> [i32; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        table[n] = (512 * n as i32) / (2 * n as i32 + 1);
        n += 1;
    }
    table
}

/// Weights of one set.
#[derive(Debug, Clone, Copy)]
pub struct Set {
    weights: [i32; MOST],
    seen: u32,
}

impl Set {
    /// Weights that trust `inputs` inputs alike.
    pub fn even(inputs: usize) -> Set {
        Set { weights: [(1 << 17) / (inputs as i32 + 1); MOST], seen: 0 }
    }

    #[inline(always)]
    fn sum(&self, logits: &[i32; MOST]) -> i64 {
        (0..MOST).map(|k| i64::from(logits[k]) * i64::from(self.weights[k])).sum()
    }

    #[inline(always)]
    fn update(&mut self, logits: &[i32; MOST], error: i32) {
        let rate = 3 + 16 / (2 + (self.seen >> 4)) as i32;
        self.seen += (self.seen < 255) as u32;
        for (weight, logit) in self.weights.iter_mut().zip(logits) {
            // |logit| < 2^11, |error >> 2| < 2^15, rate < 2^4
            let step = (((logit * (error >> 2)) >> 10) * rate) >> 6;
            *weight = (*weight + step).clamp(-(1 << 19), 1 << 19);
        }
    }
}

/// The second guess: what really came where the blend said so.
#[derive(Debug, Clone)]
pub struct Refine {
    points: Vec<[u16; 33]>,
}

impl Refine {
    /// For so many contexts.
    pub fn new(contexts: usize) -> Refine {
        let mut row = [0; 33];
        for (i, p) in row.iter_mut().enumerate() {
            *p = squash((i as i32 - 16) * 128) as u16;
        }
        Refine { points: vec![row; contexts.max(1)] }
    }
}

/// Codes a bit whose contexts have these counters. `rows` is the number of the set in each half of `sets`.
#[inline(always)]
pub fn code<C: BitCoder>(
    c: &mut C,
    bit: bool,
    counters: &mut [Counter; MOST],
    inputs: usize,
    (first, second): (&mut Set, &mut Set),
    refine: (&mut Refine, usize),
) -> bool {
    let mut logits = [0; MOST];
    for k in 0..inputs.min(MOST) {
        let counter = &counters[k];
        logits[k] = (stretch(counter.p()) * TRUST[(counter.seen() & 255) as usize]) >> 8;
    }
    let blended = ((first.sum(&logits) + second.sum(&logits)) >> 17).clamp(-2047, 2047) as i32;
    let p = squash(blended);
    let at = (blended + 2048) as u32;
    let (cell, part) = ((at >> 7) as usize, at & 127);
    let points = match refine.0.points.get_mut(refine.1) {
        Some(points) => points,
        None => return c.code(bit, p),
    };
    let guess = (u32::from(points[cell]) * (128 - part) + u32::from(points[cell + 1]) * part) >> 7;
    let coded = ((p + guess) >> 1).clamp(16, 65520);
    let bit = c.code(bit, coded);
    let error = (i32::from(bit) << 16) - p as i32;
    first.update(&logits, error);
    second.update(&logits, error);
    let near = &mut points[cell + usize::from(part >= 64)];
    let target = if bit { 65535 } else { 0 };
    *near = (i32::from(*near) + (target - i32::from(*near)) / 64) as u16;
    for counter in counters.iter_mut().take(inputs) {
        counter.update(bit, LIMIT);
    }
    bit
}
