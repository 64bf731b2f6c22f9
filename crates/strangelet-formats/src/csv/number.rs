//! A number as it is written: its digits, where the point stands, and the exponent.

use std::io::Write;

/// The form without point and exponent: an integer.
pub const PLAIN: u16 = 0xff;
/// Most digits.
const MAX_DIGITS: usize = 18;

/// A number as it is written. The value is digits / 10^p * 10^e.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// All digits with their sign, as if there were no point.
    pub digits: i64,
    /// Low byte: digits after the point, or 255 where there is none. High byte: 0 where there is no
    /// exponent, else exponent + 128.
    pub point: u16,
}

impl Default for Number {
    fn default() -> Self {
        Number { digits: 0, point: PLAIN }
    }
}

/// The number of a field, where [`render`] writes the same field again.
pub fn parse(field: &[u8]) -> Option<Number> {
    let (mantissa, exponent) = match field.iter().position(|&b| b == b'e') {
        Some(at) => (&field[..at], Some(&field[at + 1..])),
        None => (field, None),
    };
    let unsigned = mantissa.strip_prefix(b"-").unwrap_or(mantissa);
    if unsigned.len() > MAX_DIGITS + 1 {
        return None;
    }
    let (mut digits, mut point, mut seen) = (0i64, None, 0);
    for (i, &b) in unsigned.iter().enumerate() {
        match b {
            b'0'..=b'9' => {
                digits = digits.checked_mul(10)?.checked_add((b - b'0').into())?;
                seen += 1;
            }
            b'.' if point.is_none() => point = Some(unsigned.len() - 1 - i),
            _ => return None,
        }
    }
    if seen == 0 || seen > MAX_DIGITS {
        return None;
    }
    if unsigned.len() < mantissa.len() {
        digits = -digits;
    }
    let high = match exponent {
        None => 0,
        Some(e) => {
            let e: i16 = std::str::from_utf8(e).ok()?.parse().ok()?;
            u16::try_from(e + 128).ok().filter(|e| (1..=255).contains(e))?
        }
    };
    let number = Number { digits, point: point.map_or(PLAIN, |p| p as u16) | high << 8 };
    let mut again = Vec::with_capacity(field.len());
    render(number, &mut again);
    (again == field).then_some(number)
}

/// Writes a number.
pub fn render(number: Number, out: &mut Vec<u8>) {
    let (after, exponent) = (number.point & 0xff, number.point >> 8);
    // Writing to a vector cannot fail.
    let _ = match after {
        PLAIN => write!(out, "{}", number.digits),
        _ => {
            let sign = if number.digits < 0 { "-" } else { "" };
            let digits = number.digits.unsigned_abs();
            match 10u64.checked_pow(after.into()) {
                Some(scale) if after > 0 => {
                    write!(out, "{sign}{}.{:0width$}", digits / scale, digits % scale, width = after.into())
                }
                Some(_) => write!(out, "{sign}{digits}."),
                None => write!(out, "{sign}{digits}"),
            }
        }
    };
    if exponent > 0 {
        let e = i32::from(exponent) - 128;
        let sign = if e < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:02}", e.unsigned_abs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_of_the_usual_forms() {
        for (text, digits, point) in [
            ("0", 0, PLAIN),
            ("-17", -17, PLAIN),
            ("37.5667", 375667, 4),
            ("-0.001", -1, 3),
            ("5.", 5, 0),
            ("7.5e-05", 75, 1 | 123 << 8),
            ("1e+20", 1, PLAIN | 148 << 8),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(Number { digits, point }), "{text}");
        }
        for text in ["", "-", ".", "+1", "01", "-0", "-0.0", ".5", "1e5", "1e+005", "nan", "1.2.3", "0x10"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_is_exact(text in "[-+0-9.e]{0,24}", digits: i64, point: u16) {
            if let Some(number) = parse(text.as_bytes()) {
                let mut out = Vec::new();
                render(number, &mut out);
                prop_assert_eq!(out, text.as_bytes());
            }
            render(Number { digits, point }, &mut Vec::new());
        }
    }
}
