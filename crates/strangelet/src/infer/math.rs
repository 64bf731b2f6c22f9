//! exp, log2, cosh, sinh, sin and cos by IEEE + - x / in a fixed order: no library decides about a bit.
//!
//! Power series on a reduced argument, in Horner form from the highest power down. They are right to some units of
//! the last place of a double, which is far below what a column of single precision holds; what counts is that they are
//! the same everywhere.

/// 1 / n! for n = 0 .. 17, by division of exact products.
const INVERSE_FACTORIAL: [f64; 18] = {
    let mut table = [1.0; 18];
    let (mut n, mut product) = (1, 1u64);
    while n < 18 {
        product *= n as u64;
        table[n] = 1.0 / product as f64;
        n += 1;
    }
    table
};

/// ln 2 in two parts, the first with 21 zero bits at its end.
const LN2: (f64, f64) = (f64::from_bits(0x3FE6_2E42_FEE0_0000), f64::from_bits(0x3DEA_39EF_3579_3C76));
/// pi / 2 in two parts, the first with 20 zero bits at its end.
const HALF_PI: (f64, f64) = (f64::from_bits(0x3FF9_21FB_5440_0000), f64::from_bits(0x3DD0_B461_1A62_6331));

/// e^x. Beyond +-700 infinite or 0; NaN stays NaN.
///
/// ```
/// assert_eq!(strangelet::infer::math::exp(0.0), 1.0);
/// assert!((strangelet::infer::math::exp(1.0) - std::f64::consts::E).abs() < 1e-15);
/// ```
pub fn exp(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x.abs() > 700.0 {
        return if x > 0.0 { f64::INFINITY } else { 0.0 };
    }
    let k = (x * std::f64::consts::LOG2_E + 0.5).floor();
    let r = (x - k * LN2.0) - k * LN2.1;
    let mut sum = INVERSE_FACTORIAL[14];
    for n in (0..14).rev() {
        sum = sum * r + INVERSE_FACTORIAL[n];
    }
    sum * f64::from_bits(((k as i64 + 1023) as u64) << 52)
}

/// The logarithm to base 2 of a positive normal number; of anything else NaN.
///
/// ```
/// assert_eq!(strangelet::infer::math::log2(8.0), 3.0);
/// assert!((strangelet::infer::math::log2(10.0) - 10f64.log2()).abs() < 1e-15);
/// ```
pub fn log2(x: f64) -> f64 {
    if !x.is_normal() || x < 0.0 {
        return f64::NAN;
    }
    let mut exponent = (x.to_bits() >> 52) as i64 - 1023;
    let mut m = f64::from_bits(x.to_bits() << 12 >> 12 | 1023 << 52);
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        exponent += 1;
    }
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let mut sum = 1.0 / 25.0;
    for n in (0..12).rev() {
        sum = sum * square + 1.0 / f64::from(2 * n + 1);
    }
    exponent as f64 + 2.0 * s * sum * std::f64::consts::LOG2_E
}

/// Hyperbolic cosine.
pub fn cosh(x: f64) -> f64 {
    let e = exp(x.abs());
    0.5 * (e + 1.0 / e)
}

/// Hyperbolic sine. Below 1/2 by its own series, for the difference of exponentials would lose digits.
pub fn sinh(x: f64) -> f64 {
    if x.abs() < 0.5 {
        let square = x * x;
        let mut sum = INVERSE_FACTORIAL[15];
        for n in [13, 11, 9, 7, 5, 3, 1] {
            sum = sum * square + INVERSE_FACTORIAL[n];
        }
        return sum * x;
    }
    let e = exp(x.abs());
    let s = 0.5 * (e - 1.0 / e);
    if x < 0.0 { -s } else { s }
}

/// Sine and cosine. Beyond +-1e6 both are 0.
pub fn sin_cos(x: f64) -> (f64, f64) {
    // Also where it is no number.
    if x.abs() > 1e6 || x.is_nan() {
        return (0.0, 0.0);
    }
    let k = (x * std::f64::consts::FRAC_2_PI + 0.5).floor();
    let r = (x - k * HALF_PI.0) - k * HALF_PI.1;
    let square = r * r;
    let (mut s, mut c) = (INVERSE_FACTORIAL[17], INVERSE_FACTORIAL[16]);
    for n in [15, 13, 11, 9, 7, 5, 3, 1] {
        s = INVERSE_FACTORIAL[n] - s * square;
        c = INVERSE_FACTORIAL[n - 1] - c * square;
    }
    let s = s * r;
    match k as i64 & 3 {
        0 => (s, c),
        1 => (c, -s),
        2 => (-s, -c),
        _ => (-c, s),
    }
}

/// 2^x, as e^(x ln 2).
pub fn exp2(x: f64) -> f64 {
    exp(x * std::f64::consts::LN_2)
}

/// 1 / (1 + e^-x), reckoned in double and rounded to single.
pub fn sigmoid(x: f32) -> f32 {
    (1.0 / (1.0 + exp(-f64::from(x)))) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_they_say() {
        for i in -4000..4000 {
            let x = f64::from(i) * 0.00537;
            let near = |a: f64, b: f64| (a - b).abs() <= 4e-15 * b.abs().max(1e-3);
            assert!(near(exp(x), x.exp()), "{x}");
            assert!(near(cosh(x), x.cosh()) && near(sinh(x), x.sinh()), "{x}");
            let y = x.exp();
            assert!((log2(y) - y.log2()).abs() <= 4e-15 * y.log2().abs().max(1.0), "{x}");
            let (s, c) = sin_cos(x);
            assert!((s - x.sin()).abs() < 1e-14 && (c - x.cos()).abs() < 1e-14, "{x} {s} {c}");
        }
    }

    #[test]
    fn their_bits_stay() {
        // The bits are format: they decide what a decoder predicts.
        let mut hash = 0u64;
        for i in -3000..3000 {
            let x = f64::from(i) * 0.00917;
            let (s, c) = sin_cos(x);
            for y in [exp(x), cosh(x), sinh(x), s, c] {
                hash = (hash ^ y.to_bits()).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
            }
        }
        assert_eq!(hash, 17799111815894309482);
    }

    #[test]
    fn logarithms_and_sigmoids_are_what_they_say() {
        for i in 1..70000u32 {
            let x = f64::from(i) * 0.731;
            assert!((log2(x) - x.log2()).abs() < 4e-15 * x.log2().abs().max(1.0), "{x}");
        }
        for i in -3000..3000 {
            let x = i as f32 * 0.011;
            let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(sigmoid(x)) - exact).abs() <= 6e-8 * exact, "{x}");
            assert!((exp2(f64::from(x)) / f64::from(x).exp2() - 1.0).abs() < 1e-14, "{x}");
        }
        assert_eq!((sigmoid(-1e9), sigmoid(1e9)), (0.0, 1.0));
    }

    #[test]
    fn their_bits_stay_too() {
        let mut hash = 0u64;
        for i in 1..5000u32 {
            let x = f64::from(i) * 0.731;
            let s = f64::from(sigmoid(x as f32 * 0.01 - 17.0));
            for y in [log2(x), exp2(x * 0.01 - 9.0), s] {
                hash = (hash ^ y.to_bits()).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
            }
        }
        assert_eq!(hash, 9130810911639727656);
    }
}
