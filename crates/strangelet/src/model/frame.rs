//! Cells as numbers that a predictor can reckon with, and back.
//!
//! Integers stand for themselves. A float is sign x (integer) units of 2^unit, cut towards zero; its bits below the unit are
//! added raw. The unit is so small that this concerns only numbers near zero.

use super::bell::Bell;
use super::interval::{Intervals, exponent};
use crate::column::Scalar;
use crate::entropy::binary::BitCoder;
use crate::entropy::mix::Counter;

/// Largest binary exponent of a number in units.
pub const TOP: i32 = 50;
/// Smallest size of an error that bells are drawn for.
const LEAST: f64 = 0.05;

/// How bit patterns stand for numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Type of the cells.
    pub scalar: Scalar,
    /// For floats: the unit is 2^this.
    pub unit: i32,
}

/// Mantissa bits below the leading one, and the exponent of patterns that stands for 0.
fn float(scalar: Scalar) -> Option<(u32, i32)> {
    match scalar {
        Scalar::F32 => Some((23, 127)),
        Scalar::F64 => Some((52, 1023)),
        _ => None,
    }
}

impl Frame {
    /// The frame for cells of these patterns; none where there are numbers too large, infinities or NaNs.
    pub fn of(scalar: Scalar, patterns: impl Iterator<Item = u64>) -> Option<Frame> {
        let bits = scalar.width() as u32 * 8;
        let plain = Frame { scalar, unit: 0 };
        let Some((mantissa, bias)) = float(scalar) else {
            let mut patterns = patterns;
            let most = 1 << TOP;
            return patterns.all(|p| plain.number(p).unsigned_abs() <= most).then_some(plain);
        };
        let last = (1u64 << (bits - 1 - mantissa)) - 1;
        let top = patterns.map(|p| p >> mantissa & last).max().unwrap_or(0);
        (top < last).then_some(Frame { scalar, unit: top as i32 - bias - TOP })
    }

    /// Whether cells are floats.
    pub fn is_float(self) -> bool {
        self.scalar.is_float()
    }

    /// The number of a pattern, in units, cut towards zero.
    #[inline(always)]
    pub fn number(self, pattern: u64) -> i64 {
        let bits = self.scalar.width() as u32 * 8;
        let Some((mantissa, bias)) = float(self.scalar) else {
            let shift = 64 - bits;
            return if self.scalar.is_signed() { (pattern << shift) as i64 >> shift } else { pattern as i64 };
        };
        let e = (pattern >> mantissa) as i32 & ((1 << (bits - 1 - mantissa)) - 1);
        let m = pattern & ((1 << mantissa) - 1) | 1 << mantissa;
        let up = e - bias - mantissa as i32 - self.unit;
        let size = match up {
            _ if e == 0 => 0,
            0..=62 => m << up,
            -63..0 => m >> -up,
            _ => 0,
        } as i64;
        if pattern >> (bits - 1) & 1 == 1 { size.wrapping_neg() } else { size }
    }
}

/// What a predictor says of an error: place, mean size, shape.
pub type View = (f64, f64, super::bell::Shape);

/// Codes cells by what `B` views say (`K = B + 2`).
pub struct Cells<const B: usize, const K: usize> {
    frame: Frame,
    numbers: Intervals<B, K>,
    zero: Counter,
}

impl<const B: usize, const K: usize> Cells<B, K> {
    /// Nothing learnt; rate and limit are those of [`Intervals`].
    pub fn new(frame: Frame, rate: i32, limit: u32) -> Self {
        Cells { frame, numbers: Intervals::new(rate, limit), zero: Counter::default() }
    }

    /// Codes a cell's pattern (the decoder ignores it): probably near `middle`, give or take `size`.
    #[inline]
    pub fn code<C: BitCoder>(
        &mut self,
        c: &mut C,
        pattern: u64,
        (middle, size): (f64, f64),
        views: &[View; B],
        context: usize,
    ) -> u64 {
        let bits = self.frame.scalar.width() as u32 * 8;
        let x = self.frame.number(pattern);
        let limit = (1i64 << 58) as f64;
        let middle = middle.clamp(-limit, limit);
        let float = float(self.frame.scalar);
        // Low bits of a float as large as foretold are zero.
        let top = exponent(middle.abs().max(1.0));
        let m = float.map_or(0, |(mantissa, _)| (top - mantissa as i32).max(0) as u32);
        let scale = 1.0 / (1u64 << m) as f64;
        let bells = views.map(|(at, size, shape)| Bell::new(at * scale, (size * scale).max(LEAST), shape));
        let origin = (middle * scale + 0.5).floor() as i64;
        let n = self.numbers.code(c, x >> m, origin, (size * scale).max(LEAST), &bells, context);
        let Some((mantissa, bias)) = float else {
            return n as u64 & (u64::MAX >> (64 - bits));
        };
        // What the shift took, where the number is smaller than foretold. Below zero what counts is -1 - number.
        let flip = n >> 63;
        let high = (n ^ flip).wrapping_shl(m);
        let zeros = (63 - mantissa as i32 - high.leading_zeros() as i32).max(0) as u32;
        let dead = zeros.min(m);
        let mut low = (x ^ flip) as u64 & ((1 << m) - 1);
        low = raw(c, low >> dead, m - dead) << dead;
        if flip < 0 {
            low |= (1 << dead) - 1;
        }
        let x = (high | low as i64) ^ flip;
        if x == 0 {
            let zero = c.code(pattern == 0, self.zero.p_coder());
            self.zero.update(zero, 255);
            return if zero { 0 } else { raw(c, pattern, bits) };
        }
        let size = x.unsigned_abs();
        let top = 63 - size.leading_zeros() as i32;
        let below = (mantissa as i32 - top).max(0) as u32;
        let above = (top - mantissa as i32).max(0) as u32;
        let mut digits = size >> above << below;
        if below > 0 {
            digits |= raw(c, pattern & ((1 << below) - 1), below);
        }
        let e = (top + self.frame.unit + bias).clamp(0, (1 << (bits - 1 - mantissa)) - 1) as u64;
        ((x < 0) as u64) << (bits - 1) | e << mantissa | digits & ((1 << mantissa) - 1)
    }
}

/// Raw bits, highest first.
fn raw<C: BitCoder>(c: &mut C, value: u64, n: u32) -> u64 {
    (0..n).rev().fold(0, |v, k| v << 1 | c.code(value >> k & 1 == 1, 32768) as u64)
}
