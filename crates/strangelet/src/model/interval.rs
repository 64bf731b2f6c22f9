//! Numbers by halving intervals: every decision knows how much of several bells lies on either side.
//!
//! # A number
//! Given: an origin o (an integer), a size s, bells around their own places, a context (0 to 15). With w = the power of
//! two at or below 0.8 s (at least 1, at most 2^55): first whether the number is o or above; then, going away from o in
//! buckets of w, w, 2w, 4w, ... integers (at most 2^60), whether it lies beyond the bucket (asked at most 62 times); then, in its
//! bucket, whether it lies in the upper half, until one integer is left, or (but for the first halving) until the part is at most
//! s / 8 long: the rest is raw bits (probability 1/2 each, highest first).
//!
//! An integer n stands for what lies between n - 1/2 and n + 1/2. A decision has, by each bell, the probability (mass of
//! the part for a one) / (mass of both parts), or 1/2 where that is at most 2^-100; times 65536, rounded down, clamped to 16 ..=
//! 65520. The mass above a boundary is 1 - that below it; the mass of a part is that of the whole minus that of the other
//! part, the lower one in a bucket, the part beyond before.
//!
//! Beside the bells there are two counters (`entropy/mix.rs`). One is at (class of s, kind, q of the first bell), the
//! other at (context, kind, q of the last bell), where q = (logit of the bell's probability + 2048) >> 7. A
//! counter starts at SQUASH\[128 q - 1984\], as after 8 bits. All are mixed with the node's weights, which start at 58982 /
//! (number of bells) for a bell, rounded down, and 6554 for a counter. Their rate and the counters' limit are the user's.
//!
//! The class of s is 4 x (its binary exponent) + the two bits below + 8, within 0 ..= 31. The node is 192 x (below the
//! origin) + 16 x bucket (at most 11) + 0 for the question whether to go on; in a bucket 1 to 7 for the first three
//! halvings (bits so far behind a leading one), then 8 + halvings so far, at most 15. The first question, above or below,
//! is node 384. The kind is 0 for it, else 1 + 8 x (below the origin) + (bucket, at most 3, for the question whether to go
//! on; else 4 + 0, 1, 2 for the first three halvings, 3 for the others).

use super::bell::Bell;
use crate::entropy::binary::BitCoder;
use crate::entropy::mix::{Counter, Weights, squash, stretch};

/// Nodes of the tree.
const NODES: usize = 385;
/// Kinds of nodes.
const KINDS: usize = 17;
/// Classes of sizes.
const SIZES: usize = 32;
/// Contexts.
pub const CONTEXTS: usize = 16;
/// Classes of a bell's probability.
const LOGITS: usize = 32;
/// Buckets on each side.
const BUCKETS: u32 = 62;

/// Codes numbers by `B` bells and two counters: `K = B + 2`.
pub struct Intervals<const B: usize, const K: usize> {
    by_size: Vec<Counter>,
    by_context: Vec<Counter>,
    weights: Vec<Weights<K>>,
    rate: i32,
    limit: u32,
}

/// The binary exponent of a number that is at least 2^-1022.
#[inline(always)]
pub fn exponent(x: f64) -> i32 {
    (x.to_bits() >> 52 & 0x7ff) as i32 - 1023
}

fn size_class(s: f64) -> usize {
    let quarter = exponent(s) * 4 + (s.to_bits() >> 50 & 3) as i32;
    (quarter + 8).clamp(0, SIZES as i32 - 1) as usize
}

fn fresh(rows: usize) -> Vec<Counter> {
    let start = |i: usize| Counter::starting(squash(128 * (i % LOGITS) as i32 - 1984), 8);
    (0..rows * KINDS * LOGITS).map(start).collect()
}

/// A node and its kind.
#[derive(Clone, Copy)]
struct Node {
    node: usize,
    kind: usize,
}

struct Step<'a, C: BitCoder, const B: usize, const K: usize> {
    coder: &'a mut C,
    model: &'a mut Intervals<B, K>,
    size: usize,
    context: usize,
}

impl<C: BitCoder, const B: usize, const K: usize> Step<'_, C, B, K> {
    /// One decision: masses of a one and of all.
    #[inline(always)]
    fn decide(&mut self, bit: bool, at: Node, one: &[f64; B], all: &[f64; B]) -> bool {
        let mut p = [32768u32; K];
        for b in 0..B {
            if all[b] > 7.888_609_052_210_118e-31 {
                p[b] = ((one[b] / all[b] * 65536.0) as i64).clamp(16, 65520) as u32;
            }
        }
        let q = |p: u32| ((stretch(p) + 2048) >> 7) as usize & (LOGITS - 1);
        let x = (self.size * KINDS + at.kind) * LOGITS + q(p[0]);
        let y = (self.context * KINDS + at.kind) * LOGITS + q(p[B - 1]);
        let model = &mut *self.model;
        p[K - 2] = model.by_size[x].p();
        p[K - 1] = model.by_context[y].p();
        let mixed = model.weights[at.node].mix(p);
        let bit = self.coder.code(bit, mixed.p);
        model.weights[at.node].update(&mixed, bit, model.rate);
        model.by_size[x].update(bit, model.limit);
        model.by_context[y].update(bit, model.limit);
        bit
    }
}

impl<const B: usize, const K: usize> Intervals<B, K> {
    /// Nothing learnt. Weights follow errors with `rate` (at most 15), counters slow down until `limit` (at most 1023).
    pub fn new(rate: i32, limit: u32) -> Self {
        let mut weights = [6554; K];
        weights[..B].fill(58982 / B as i32);
        Intervals {
            by_size: fresh(SIZES),
            by_context: fresh(CONTEXTS),
            weights: vec![Weights(weights); NODES],
            rate,
            limit,
        }
    }

    /// Codes `n` (the decoder ignores it). All of `n` and `origin` are of less than 2^60.
    #[inline]
    pub fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        n: i64,
        origin: i64,
        size: f64,
        bells: &[Bell; B],
        context: usize,
    ) -> i64 {
        let context = context.min(CONTEXTS - 1);
        let size_class = size_class(size);
        let mut step = Step { coder, model: self, size: size_class, context };
        let below = |x: i64| {
            let x = x as f64 - 0.5;
            let mut f = [0.0; B];
            for (f, bell) in f.iter_mut().zip(bells) {
                *f = bell.below(x);
            }
            f
        };
        let edge = below(origin);
        let mut one = [0.0; B];
        for b in 0..B {
            one[b] = 1.0 - edge[b];
        }
        let up = step.decide(n >= origin, Node { node: 2 * 192, kind: 0 }, &one, &[1.0; B]);
        let mut width = 1i64 << exponent(0.8 * size).clamp(0, 55);
        let (side, kinds) = if up { (0, 1) } else { (192, 9) };
        // The bucket lies between `near` and `near` +- width; what it and all beyond have is `rest`.
        let mut near = origin;
        let mut rest = [0.0; B];
        for b in 0..B {
            rest[b] = if up { 1.0 - edge[b] } else { edge[b] };
        }
        let mut inside;
        let mut bucket = 0u32;
        loop {
            let far = if up { near.saturating_add(width) } else { near.saturating_sub(width) };
            let f = below(far);
            let mut beyond = [0.0; B];
            inside = [0.0; B];
            for b in 0..B {
                beyond[b] = if up { 1.0 - f[b] } else { f[b] };
                inside[b] = rest[b] - beyond[b];
            }
            if bucket >= BUCKETS {
                break;
            }
            let want = if up { n >= far } else { n < far };
            let node = side + bucket.min(11) as usize * 16;
            if !step.decide(want, Node { node, kind: kinds + bucket.min(3) as usize }, &beyond, &rest) {
                break;
            }
            rest = beyond;
            near = far;
            if bucket > 0 {
                width = width.saturating_mul(2).min(1 << 60);
            }
            bucket += 1;
        }
        let mut low = if up { near } else { near.saturating_sub(width) };
        let mut edge = below(low);
        let row = side + bucket.min(11) as usize * 16;
        let (mut path, mut level) = (1usize, 0usize);
        while width > 1 && (level == 0 || width as f64 > size / 8.0) {
            width /= 2;
            let middle = low.saturating_add(width);
            let f = below(middle);
            let (mut one, mut zero) = ([0.0; B], [0.0; B]);
            for b in 0..B {
                zero[b] = f[b] - edge[b];
                one[b] = inside[b] - zero[b];
            }
            let node = row + if level < 3 { path } else { (8 + level).min(15) };
            if step.decide(n >= middle, Node { node, kind: kinds + 4 + level.min(3) }, &one, &inside) {
                low = middle;
                edge = f;
                inside = one;
                path = path << 1 | 1;
            } else {
                inside = zero;
                path <<= 1;
            }
            level += 1;
        }
        while width > 1 {
            width /= 2;
            if step.coder.code(n >= low.saturating_add(width), 32768) {
                low = low.saturating_add(width);
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::binary::{Decoder, Encoder};
    use crate::model::bell::Shape;
    use proptest::prelude::*;

    fn round(numbers: &[(i64, f64, f64)]) -> usize {
        let bells =
            |middle, size| [Bell::new(middle, size, Shape::Narrow), Bell::new(middle, size, Shape::Wide)];
        let origin = |m: f64| (m + 0.5).floor() as i64;
        let mut e = Encoder::new();
        let mut model = Intervals::<2, 4>::new(6, 255);
        for &(n, m, s) in numbers {
            assert_eq!(model.code(&mut e, n, origin(m), s, &bells(m, s), 1), n);
        }
        let bytes = e.finish();
        let mut d = Decoder::new(&bytes);
        let mut model = Intervals::<2, 4>::new(6, 255);
        for &(n, m, s) in numbers {
            assert_eq!(model.code(&mut d, 0, origin(m), s, &bells(m, s), 1), n);
        }
        bytes.len()
    }

    proptest! {
        #[test]
        fn numbers_come_back(numbers in proptest::collection::vec(
            (-(1i64 << 59)..1 << 59, -1e17..1e17, prop_oneof![0.01..100.0, 1.0..1e17]), 0..50)) {
            round(&numbers);
        }

        #[test]
        fn near_numbers_come_back(numbers in proptest::collection::vec(
            (-300i64..300, -200.0..200.0, 0.05..90.0), 0..300)) {
            round(&numbers);
        }
    }

    #[test]
    fn noise_costs_its_entropy() {
        // Sums of twelve uniform numbers have a variance of 1: 2.047 bits and log2 of the scale.
        let mut x = 7u64;
        let mut uniform = || {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 40) as f64 / (1u64 << 24) as f64
        };
        for scale in [0.7, 12.0, 3000.0] {
            let numbers: Vec<(i64, f64, f64)> = (0..20_000)
                .map(|_| {
                    let m = uniform() * 50.0;
                    let e: f64 = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
                    ((m + e * scale + 0.5).floor() as i64, m, scale * 0.8)
                })
                .collect();
            let bits = round(&numbers) as f64 * 8.0 / numbers.len() as f64;
            let ideal = 2.047 + (scale * scale + 1.0 / 12.0f64).log2() / 2.0;
            assert!(bits < ideal + 0.06, "{scale}: {bits} bits, {ideal} ideal");
        }
    }
}
