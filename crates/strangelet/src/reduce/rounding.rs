//! Floats with fewer digits: the value of the shortest mantissa within the bound's reach.

use super::measure::holds;
use crate::column::Scalar;
use crate::format::Bound;
use crate::infer::math::exp;

/// A finite value that is not zero, rounded to a multiple of the largest power of two that the bound allows (or, where that is zero, to the power of two
/// below it): of its type, not zero, within the bound; itself where there is no other.
pub fn rounded(scalar: Scalar, bound: &Bound, x: f64) -> f64 {
    let tolerance = match *bound {
        // Errors are recorded in single precision.
        Bound::Abs(v) => v.min(1e38),
        Bound::Rel(v) => v * x.abs(),
        Bound::Log2(v) => (x.abs() + 1.0) * (1.0 - exp(-v * std::f64::consts::LN_2)),
        Bound::MeanLog2(_) | Bound::Ratio(_) | Bound::Network => return x,
    };
    if tolerance.is_nan() || tolerance <= f64::MIN_POSITIVE || tolerance > 1e300 {
        return x;
    }
    // 2 x tolerance, cut to its power of two.
    let mut step = f64::from_bits((2.0 * tolerance).to_bits() >> 52 << 52);
    for _ in 0..4 {
        let n = x / step;
        let mut y = n.round_ties_even() * step;
        if y == 0.0 {
            // The power of two below it: short, and no further away than it must be.
            y = f64::from_bits(x.to_bits() >> 52 << 52);
        }
        if scalar == Scalar::F32 {
            y = f64::from(y as f32);
        }
        if y != 0.0 && y.is_finite() && holds(bound, x, y) {
            return y;
        }
        step *= 0.5;
    }
    x
}
