//! Numbers as integers in their order, so that a prediction leaves a small difference.
//!
//! Binary: the bits of an f64; for negative numbers all of the magnitude's bits are inverted, so that -0 is -1.
//! Decimal with D digits: the number rounded to D significant digits, M x 10^(E - D + 1) with 10^(D-1) <= M < 10^D, has the
//! magnitude (E + 350) x 9 x 10^(D-1) + M - 10^(D-1) + 1, zero 0; negative numbers are inverted.

use std::io::Write;

/// How numbers are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordinal {
    /// As f64.
    Binary,
    /// With so many significant digits, 1 to 16.
    Decimal(u32),
}

/// Added to a decimal exponent.
const SHIFT: i64 = 350;
/// Most digits.
pub const MAX_DIGITS: u32 = 16;

/// Sign, exponent and the bits behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Whether it is below zero.
    pub negative: bool,
    /// Exponent, of [`Ordinal::exponent_bits`].
    pub exponent: u32,
    /// What is behind, of [`Ordinal::fraction_bits`].
    pub fraction: u64,
}

impl Ordinal {
    /// Numbers of digits on disk: 0 for binary.
    pub fn id(self) -> u8 {
        match self {
            Ordinal::Binary => 0,
            Ordinal::Decimal(d) => d as u8,
        }
    }

    /// The inverse of [`Ordinal::id`].
    pub fn from_id(id: u8) -> Option<Ordinal> {
        match id {
            0 => Some(Ordinal::Binary),
            d if u32::from(d) <= MAX_DIGITS => Some(Ordinal::Decimal(d.into())),
            _ => None,
        }
    }

    /// The count that suits a column: that of the decimals which all but few of its numbers are.
    pub fn of(cells: &[u64]) -> Ordinal {
        const LOOK: usize = 4096;
        let step = cells.len().div_ceil(LOOK).max(1);
        let mut counts = [0usize; MAX_DIGITS as usize + 2];
        let mut all = 0;
        for &cell in cells.iter().step_by(step) {
            counts[digits(f64::from_bits(cell)).min(MAX_DIGITS as usize + 1)] += 1;
            all += 1;
        }
        let mut more = 0;
        for d in (1..counts.len()).rev() {
            more += counts[d];
            if more * 200 > all {
                return if d > MAX_DIGITS as usize { Ordinal::Binary } else { Ordinal::Decimal(d as u32) };
            }
        }
        Ordinal::Decimal(1)
    }

    /// The integer of a number, rounded to what can be counted.
    pub fn of_number(self, x: f64) -> i64 {
        let magnitude = match self {
            Ordinal::Binary => x.abs().to_bits() as i64,
            Ordinal::Decimal(d) => decimal(x.abs(), d),
        };
        if x.is_sign_negative() { !magnitude } else { magnitude }
    }

    /// The number of an integer.
    pub fn number(self, ordinal: i64) -> f64 {
        let (negative, magnitude) = (ordinal < 0, if ordinal < 0 { !ordinal } else { ordinal });
        let x = match self {
            Ordinal::Binary => f64::from_bits(magnitude as u64),
            Ordinal::Decimal(d) => {
                if magnitude == 0 {
                    0.0
                } else {
                    let low = 10i64.pow(d - 1);
                    let exponent = (magnitude - 1) / (9 * low) - SHIFT;
                    let digits = (magnitude - 1) % (9 * low) + low;
                    let mut text = Text::default();
                    let _ = write!(text, "{digits}e{}", exponent - i64::from(d) + 1);
                    text.get().parse().unwrap_or(0.0)
                }
            }
        };
        if negative { -x } else { x }
    }

    /// Whether a number comes back.
    pub fn holds(self, cell: u64) -> bool {
        let x = f64::from_bits(cell);
        self == Ordinal::Binary || x.is_finite() && self.number(self.of_number(x)).to_bits() == cell
    }

    /// Bits of [`Parts::exponent`].
    pub fn exponent_bits(self) -> u32 {
        if self == Ordinal::Binary { 11 } else { 10 }
    }

    /// Bits of [`Parts::fraction`].
    pub fn fraction_bits(self) -> u32 {
        match self {
            Ordinal::Binary => 52,
            Ordinal::Decimal(d) => 64 - (9 * 10u64.pow(d - 1) - 1).leading_zeros(),
        }
    }

    /// Sign, exponent, fraction.
    pub fn parts(self, ordinal: i64) -> Parts {
        let (negative, magnitude) = (ordinal < 0, if ordinal < 0 { !ordinal } else { ordinal });
        let (exponent, fraction) = match self {
            Ordinal::Binary => (magnitude as u64 >> 52, magnitude as u64 & ((1 << 52) - 1)),
            Ordinal::Decimal(_) if magnitude == 0 => (0, 0),
            Ordinal::Decimal(d) => {
                let span = 9 * 10i64.pow(d - 1);
                ((((magnitude - 1) / span) + 1) as u64, ((magnitude - 1) % span) as u64)
            }
        };
        Parts { negative, exponent: exponent as u32, fraction }
    }

    /// The inverse of [`Ordinal::parts`]; of parts that no number has, some integer.
    pub fn join(self, parts: Parts) -> i64 {
        let magnitude = match self {
            Ordinal::Binary => (u64::from(parts.exponent) << 52 | parts.fraction) as i64 & i64::MAX,
            Ordinal::Decimal(_) if parts.exponent == 0 => 0,
            Ordinal::Decimal(d) => {
                let span = 9 * 10i64.pow(d - 1);
                (i64::from(parts.exponent) - 1)
                    .wrapping_mul(span)
                    .wrapping_add((parts.fraction as i64).wrapping_add(1))
                    & i64::MAX
            }
        };
        if parts.negative { !magnitude } else { magnitude }
    }
}

/// A short text.
struct Text {
    bytes: [u8; 48],
    len: usize,
}

impl Default for Text {
    fn default() -> Self {
        Text { bytes: [0; 48], len: 0 }
    }
}

impl Text {
    fn get(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or("")
    }
}

impl Write for Text {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        let n = data.len().min(self.bytes.len() - self.len);
        self.bytes[self.len..self.len + n].copy_from_slice(&data[..n]);
        self.len += n;
        Ok(n)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Significant digits of the shortest text that gives the number back; many for what is not finite.
fn digits(x: f64) -> usize {
    if !x.is_finite() {
        return usize::MAX;
    }
    let mut text = Text::default();
    let _ = write!(text, "{:e}", x.abs());
    let mantissa = text.get().split('e').next().unwrap_or("");
    mantissa.bytes().filter(u8::is_ascii_digit).count()
}

/// The magnitude of a number that is not negative.
fn decimal(x: f64, d: u32) -> i64 {
    if x == 0.0 || !x.is_finite() {
        return 0;
    }
    let mut text = Text::default();
    let _ = write!(text, "{x:.*e}", d as usize - 1);
    let (mantissa, exponent) = text.get().split_once('e').unwrap_or(("0", "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).fold(0i64, |n, b| n * 10 + i64::from(b - b'0'));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let low = 10i64.pow(d - 1);
    (exponent + SHIFT) * 9 * low + digits - low + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_differ_by_one() {
        let o = Ordinal::Decimal(3);
        for (a, b) in [(1.23, 1.24), (9.99, 10.0), (-1.24, -1.23), (1e-5, 1.01e-5)] {
            assert_eq!(o.of_number(b) - o.of_number(a), 1, "{a} {b}");
        }
        assert_eq!(o.of_number(0.0), 0);
        assert_eq!(o.of_number(-0.0), -1);
        assert_eq!(o.of_number(1.2349), o.of_number(1.23));
        assert_eq!(Ordinal::of(&[0.25f64.to_bits(), 1.5f64.to_bits()]), Ordinal::Decimal(2));
        assert_eq!(Ordinal::of(&[(1.0f64 / 3.0).to_bits()]), Ordinal::Decimal(16));
        assert_eq!(Ordinal::of(&[(0.1f64 + 0.2).to_bits()]), Ordinal::Binary);
    }

    proptest! {
        #[test]
        fn comes_back(x: f64, d in 1u32..=16, any: i64, exponent in 0u32..2048, fraction in 0u64..1 << 54) {
            for o in [Ordinal::Binary, Ordinal::Decimal(d)] {
                let i = o.of_number(x);
                if x.is_finite() || o == Ordinal::Binary {
                    prop_assert_eq!(o.join(o.parts(i)), i);
                    let y = o.number(i);
                    prop_assert!(o != Ordinal::Binary || y.to_bits() == x.to_bits());
                    if y.is_finite() {
                        prop_assert_eq!(o.of_number(y), i);
                    }
                }
                o.number(any);
                o.number(o.join(Parts { negative: any < 0, exponent, fraction }));
            }
        }
    }
}
