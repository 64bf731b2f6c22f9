//! Adaptive probabilities of a decision, mixed by a sum of weights.

use super::bundle::Visit;
use crate::entropy::mix::Counter;
use crate::error::Result;
use crate::infer::math;
use std::sync::LazyLock;

/// Steps of the table of logits.
const STEPS: usize = 4096;
/// Steps of the table of probabilities.
const PARTS: usize = 2048;
/// Logits within which probabilities differ.
const EDGE: f32 = 11.0;
/// Bits that a counter has seen when it is trusted for good.
const TRUSTED: usize = 63;

/// Part by which the rate nears its least at every decision.
const FALL: f32 = 1.0 / 65536.0;

/// Tables that every decision needs.
pub struct Tables {
    /// Logit of (i + 1/2) / 4096.
    stretch: [f32; STEPS],
    /// Probability of the middles of the 2048 parts of -11 .. 11, and what a coder takes for it.
    squash: [(f32, u32); PARTS],
    /// (n + 0.3) / (n + 1.5) for n bits seen, of at most 63.
    trust: [f32; 1024],
}

/// The natural logarithm, by sixteen of Halley's steps on e^y = x.
fn ln(x: f64) -> f64 {
    let mut y = 0.0;
    for _ in 0..16 {
        let e = math::exp(y);
        y += 2.0 * (x - e) / (x + e);
    }
    y
}

/// The tables.
pub static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut t = Tables { stretch: [0.0; STEPS], squash: [(0.0, 0); PARTS], trust: [0.0; 1024] };
    for (i, x) in t.stretch.iter_mut().enumerate() {
        let p = (i as f64 + 0.5) / STEPS as f64;
        *x = ln(p / (1.0 - p)) as f32;
    }
    for (i, x) in t.squash.iter_mut().enumerate() {
        let y = f64::from(EDGE) * ((2 * i + 1) as f64 / PARTS as f64 - 1.0);
        let p = (1.0 / (1.0 + math::exp(-y))) as f32;
        *x = (p, ((p * 65536.0) as i32).clamp(12, 65524) as u32);
    }
    for (n, x) in t.trust.iter_mut().enumerate() {
        let n = n.min(TRUSTED) as f32;
        *x = (n + 0.3) / (n + 1.5);
    }
    t
});

/// Bits of four numbers, two by two: where they are side by side in a register, each half leaves it at once.
#[inline(always)]
pub fn pairs(x: [f32; 4]) -> [u64; 2] {
    #[cfg(target_arch = "x86_64")]
    if let Some(sse) = pulp::core_arch::x86::Sse::try_new() {
        return pulp::cast(sse._mm_setr_ps(x[0], x[1], x[2], x[3]));
    }
    let x = x.map(|x| u64::from(x.to_bits()));
    [x[0] | x[1] << 32, x[2] | x[3] << 32]
}

impl Tables {
    /// Logits of probabilities from 0 to 1.
    #[inline(always)]
    pub fn logits(&self, p: [f32; 4]) -> [f32; 4] {
        let [a, b] = pairs(p.map(|p| if p < 0.9998 { p + 1.0 } else { 0.9998 + 1.0 }));
        [a >> 11, a >> 43, b >> 11, b >> 43].map(|at| self.stretch[at as usize & (STEPS - 1)])
    }

    /// Probability of a logit, as it is and as a coder takes it.
    #[inline(always)]
    pub fn squash(&self, x: f32) -> (f32, u32) {
        let x = if x > -EDGE { x } else { -EDGE };
        let x = if x < 10.99 { x } else { 10.99 };
        // From 1 to 2, of which the highest bits of the mantissa are the part.
        let at = x * (0.5 / EDGE) + 1.5;
        let part = at.to_bits() as usize >> 12 & (PARTS - 1);
        self.squash[part]
    }

    /// Counters as inputs: the less they have seen, the nearer to 0.
    #[inline(always)]
    pub fn inputs<const N: usize>(&self, counters: &[Counter; N]) -> [f32; N] {
        let mut x = [0.0f32; N];
        for k in 0..N {
            let n = counters[k].seen() as usize & 1023;
            x[k] = self.stretch[(counters[k].p() >> 4) as usize & (STEPS - 1)] * self.trust[n];
        }
        x
    }
}

/// A sum of `N` inputs (a multiple of 4), with weights that are themselves sums of two chosen by small contexts.
#[derive(Clone)]
pub struct Net<const N: usize> {
    weights: [Vec<[f32; N]>; 2],
    rate: f32,
    least: f32,
}

/// What a net added up.
pub struct Mixed<const N: usize> {
    x: [f32; N],
    p: f32,
    coded: u32,
}

impl<const N: usize> Net<N> {
    /// Weights that all start as `first`, and follow errors at a rate that falls to a fifth.
    pub fn new(sizes: [usize; 2], first: f32, rate: f32) -> Self {
        Net { weights: sizes.map(|n| vec![[first * 0.5; N]; n]), rate, least: rate * 0.2 }
    }

    /// Follows errors as slowly as it will in the end.
    pub fn settle(&mut self) {
        self.rate = self.least;
    }

    /// Walks through the weights.
    pub fn visit<V: Visit>(&mut self, v: &mut V) -> Result<()> {
        for weights in &mut self.weights {
            v.weights(weights.as_flattened_mut())?;
        }
        Ok(())
    }

    /// The weights of one of the second contexts, with all of the first.
    #[inline(always)]
    pub fn rows(&mut self, second: usize) -> Rows<'_, N> {
        let [a, b] = &mut self.weights;
        let home = &mut b[second];
        Rows { first: a, second: *home, home, rate: &mut self.rate, least: self.least }
    }

    /// The probability by the inputs; `at` chooses the weights.
    #[inline(always)]
    pub fn mix(&mut self, t: &Tables, x: [f32; N], at: [usize; 2]) -> Mixed<N> {
        self.rows(at[1]).mix(t, x, at[0])
    }

    /// Follows the error.
    #[inline(always)]
    pub fn update(&mut self, mixed: &Mixed<N>, at: [usize; 2], bit: bool) {
        let mut rows = self.rows(at[1]);
        rows.update(mixed, at[0], bit);
        rows.keep();
    }
}

/// Weights of a net, as far as one context chooses them.
pub struct Rows<'a, const N: usize> {
    first: &'a mut [[f32; N]],
    /// As it is now; `home` gets it in the end.
    second: [f32; N],
    home: &'a mut [f32; N],
    rate: &'a mut f32,
    least: f32,
}

impl<const N: usize> Rows<'_, N> {
    /// The probability by the inputs.
    #[inline(always)]
    pub fn mix(&self, t: &Tables, x: [f32; N], at: usize) -> Mixed<N> {
        let (a, b) = (&self.first[at], &self.second);
        let mut lanes: [f32; 4] = std::array::from_fn(|k| x[k] * (a[k] + b[k]));
        for q in 1..N / 4 {
            for k in 0..4 {
                lanes[k] += x[q * 4 + k] * (a[q * 4 + k] + b[q * 4 + k]);
            }
        }
        let (p, coded) = t.squash((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]));
        Mixed { x, p, coded }
    }

    /// Follows the error.
    #[inline(always)]
    pub fn update(&mut self, mixed: &Mixed<N>, at: usize, bit: bool) {
        // 1 or 0, without a branch
        let y = f32::from(u8::from(bit));
        let e = (y - mixed.p) * *self.rate;
        *self.rate -= (*self.rate - self.least) * FALL;
        let mut step = mixed.x;
        for x in &mut step {
            *x *= e;
        }
        for (w, d) in self.first[at].iter_mut().zip(&step) {
            *w += d;
        }
        for (w, d) in self.second.iter_mut().zip(&step) {
            *w += d;
        }
    }

    /// Keeps what was learnt.
    #[inline(always)]
    pub fn keep(self) {
        *self.home = self.second;
    }
}

impl<const N: usize> Mixed<N> {
    /// The probability for the coder.
    #[inline(always)]
    pub fn p(&self) -> u32 {
        self.coded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_the_bits() {
        let x = [1.25f32, -0.0, 1.999_999_9, 3e-39];
        let bits = x.map(|x| u64::from(x.to_bits()));
        assert_eq!(pairs(x), [bits[0] | bits[1] << 32, bits[2] | bits[3] << 32]);
    }
}
