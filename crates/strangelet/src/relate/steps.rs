//! Numbers of floating point that are made of numbers of fewer digits: places on a lattice, decimals, a binary32 in another unit.

mod lattice;
mod search;

pub use search::find;

use super::number;
use crate::column::{Cells, Scalar};
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};

/// How a cell follows from a hidden number. The numbers on disk stand in [`Form::write`].
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// `offset + step * n`, by the last of the lines that begins at n or before.
    Lattice(Vec<Line>),
    /// `n / divisor`.
    Quotient(f64),
    /// `(h - mean) / divisor` with binary32 alone: what a table of features becomes when it is normalised.
    Standard {
        /// How `h` is made.
        of: Decimal,
        /// What is taken away.
        mean: f32,
        /// What it is divided by.
        divisor: f32,
    },
    /// A number `h` in another unit: `h / divisor`, or after another column.
    Unit {
        /// Digits of the decimal, 1 to 15, and the power of ten of its last digit where it is least; none: `h` is a binary32.
        decimal: Option<(u8, i8)>,
        /// Whether `h` is rounded to binary32.
        narrow: bool,
        /// What `h` is divided by.
        divisor: f64,
        /// Another column `u`, of which `b` = `u * divisor` (rounded to binary32 where `h` is).
        beside: Option<(Beside, usize)>,
    },
}

/// A piece of a lattice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// The first number on it.
    pub from: i32,
    /// What would stand at 0.
    pub offset: f64,
    /// Distance of neighbours.
    pub step: f64,
}

/// Decimals by their numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decimal {
    /// So many places behind the point: n by a power of ten.
    Places(u8),
    /// So many digits (1 to 7), and the power of ten of the last digit of the least.
    Digits(u8, i8),
}

impl Decimal {
    /// The decimal, rounded to binary32.
    fn value(self, n: i32) -> f32 {
        match self {
            Decimal::Places(p) => (f64::from(n) / TENS[usize::from(p).min(TENS.len() - 1)]) as f32,
            Decimal::Digits(digits, least) => decimal(n.into(), digits, least) as f32,
        }
    }

    /// The number of the nearest one.
    fn number(self, x: f64) -> Option<i32> {
        let n = match self {
            Decimal::Places(p) => (x * TENS[usize::from(p).min(TENS.len() - 1)] + 0.5).floor(),
            Decimal::Digits(digits, least) => decimal_number(x, digits, least)? as f64,
        };
        (n.abs() < f64::from(i32::MAX)).then_some(n as i32)
    }
}

/// Most lines of a lattice.
const LINES: usize = 8;

/// How the other column takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Beside {
    /// `(h - b) / divisor`.
    Less = 1,
    /// `(b - h) / divisor`.
    From = 2,
    /// `(h + b) / divisor`.
    More = 3,
}

/// Powers of ten that are exact.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// `m` times ten to the power of `e`, correctly rounded for `m` below 2^53; 0 where `e` is not within 22 of 0.
fn scaled(m: f64, e: i64) -> f64 {
    match (usize::try_from(e), usize::try_from(-e)) {
        (Ok(e), _) if e < TENS.len() => m * TENS[e],
        (_, Ok(e)) if e < TENS.len() => m / TENS[e],
        _ => 0.0,
    }
}

/// The decimal with a number: those of `digits` digits in rising order, from the one whose last digit is worth ten to the
/// power of `least`; 0 is 0, and below are the negative ones.
fn decimal(n: i64, digits: u8, least: i8) -> f64 {
    let Some(k) = n.unsigned_abs().checked_sub(1) else { return 0.0 };
    let first = 10u64.pow(u32::from(digits.clamp(1, 15)) - 1);
    let (e, m) = (k / (9 * first), first + k % (9 * first));
    let x = scaled(m as f64, i64::try_from(e).unwrap_or(i64::MAX).saturating_add(least.into()));
    if n < 0 { -x } else { x }
}

/// The number of a decimal; `None` where it has more digits, or is out of range.
fn decimal_number(x: f64, digits: u8, least: i8) -> Option<i64> {
    if x == 0.0 {
        return Some(0);
    }
    let text = format!("{:.*e}", usize::from(digits) - 1, x.abs());
    let (m, e) = text.split_once('e')?;
    let e = e.parse::<i64>().ok()? - i64::from(digits) + 1 - i64::from(least);
    let m: i64 = m.chars().filter(|c| *c != '.').collect::<String>().parse().ok()?;
    let first = 10i64.pow(u32::from(digits) - 1);
    if !(0..64).contains(&e) {
        return None;
    }
    let n = (9 * first).checked_mul(e)?.checked_add(m - first)?.checked_add(1)?;
    Some(if x < 0.0 { -n } else { n })
}

impl Form {
    /// Type of the hidden numbers.
    pub fn hidden(&self) -> Scalar {
        match self {
            Form::Lattice(_) | Form::Quotient(_) | Form::Standard { .. } => Scalar::I32,
            Form::Unit { decimal: Some((digits, _)), .. } if *digits < 8 => Scalar::I32,
            Form::Unit { decimal: Some(_), .. } => Scalar::I64,
            Form::Unit { .. } => Scalar::F32,
        }
    }

    /// The value by the hidden cell, and the number of the other column where there is one. IEEE binary64 in the order in which
    /// it stands.
    #[inline]
    pub fn value(&self, hidden: u64, other: f64) -> f64 {
        let n = hidden as u32 as i32;
        match *self {
            Form::Lattice(ref lines) => {
                let line = lines.iter().rev().find(|l| l.from <= n).or(lines.first());
                line.map_or(0.0, |l| l.step * f64::from(n) + l.offset)
            }
            Form::Quotient(divisor) => f64::from(n) / divisor,
            Form::Standard { of, mean, divisor } => f64::from((of.value(n) - mean) / divisor),
            Form::Unit { decimal: digits, narrow, divisor, beside } => {
                let h = match digits {
                    Some((digits, least)) if digits < 8 => decimal(n.into(), digits, least),
                    Some((digits, least)) => decimal(hidden as i64, digits, least),
                    None => f64::from(f32::from_bits(hidden as u32)),
                };
                let round = |x: f64| if narrow { f64::from(x as f32) } else { x };
                let (h, b) = (round(h), round(other * divisor));
                match beside {
                    None => h / divisor,
                    Some((Beside::Less, _)) => (h - b) / divisor,
                    Some((Beside::From, _)) => (b - h) / divisor,
                    Some((Beside::More, _)) => (h + b) / divisor,
                }
            }
        }
    }

    /// Appends it; of another column only how it takes part.
    pub fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Form::Lattice(ref lines) => {
                out.extend([0, lines.len() as u8]);
                for line in lines {
                    out.extend(line.from.to_le_bytes());
                    out.extend(line.offset.to_le_bytes());
                    out.extend(line.step.to_le_bytes());
                }
            }
            Form::Quotient(divisor) => {
                out.push(1);
                out.extend(divisor.to_le_bytes());
            }
            Form::Standard { of, mean, divisor } => {
                out.push(4);
                match of {
                    Decimal::Places(p) => out.extend([0, p]),
                    Decimal::Digits(digits, least) => out.extend([digits, least as u8]),
                }
                out.extend(mean.to_le_bytes());
                out.extend(divisor.to_le_bytes());
            }
            Form::Unit { decimal, narrow, divisor, beside } => {
                out.push(2 | narrow as u8);
                let (digits, least) = decimal.unwrap_or((0, 0));
                out.extend([digits, least as u8]);
                out.extend(divisor.to_le_bytes());
                out.push(beside.map_or(0, |b| b.0 as u8));
                if let Some((_, stream)) = beside {
                    put(out, stream as u64);
                }
            }
        }
    }

    /// Reads it.
    pub fn read(c: &mut Cursor) -> Result<Form> {
        let bad = || corruption("steps: a form that does not exist");
        let head = c.byte()?;
        Ok(match head {
            0 => {
                let n = usize::from(c.byte()?);
                if !(1..=LINES).contains(&n) {
                    return Err(bad());
                }
                let line = |c: &mut Cursor| -> Result<Line> {
                    let from = i32::from_le_bytes(c.array()?);
                    Ok(Line {
                        from,
                        offset: f64::from_le_bytes(c.array()?),
                        step: f64::from_le_bytes(c.array()?),
                    })
                };
                Form::Lattice((0..n).map(|_| line(c)).collect::<Result<_>>()?)
            }
            1 => Form::Quotient(f64::from_le_bytes(c.array()?)),
            4 => {
                let of = match c.array()? {
                    [0, places @ 0..=22] => Decimal::Places(places),
                    [digits @ 1..=7, least] => Decimal::Digits(digits, least as i8),
                    _ => return Err(bad()),
                };
                let (mean, divisor) = (f32::from_le_bytes(c.array()?), f32::from_le_bytes(c.array()?));
                Form::Standard { of, mean, divisor }
            }
            2 | 3 => {
                let [digits, least] = c.array()?;
                let divisor = f64::from_le_bytes(c.array()?);
                let how = match c.byte()? {
                    0 => None,
                    1 => Some(Beside::Less),
                    2 => Some(Beside::From),
                    3 => Some(Beside::More),
                    _ => return Err(bad()),
                };
                let beside = match how {
                    Some(how) => Some((how, usize::try_from(c.varint()?).map_err(|_| bad())?)),
                    None => None,
                };
                if digits > 15 || (digits == 0 && head == 2) {
                    return Err(bad());
                }
                let decimal = (digits > 0).then_some((digits, least as i8));
                Form::Unit { decimal, narrow: head == 3, divisor, beside }
            }
            _ => return Err(bad()),
        })
    }

    /// The hidden cell that comes nearest to a value; `None` where there is none in range.
    fn hide(&self, x: f64, other: f64) -> Option<u64> {
        let whole = |n: f64| {
            let n = (n + 0.5).floor();
            (n.abs() < f64::from(i32::MAX)).then_some(u64::from(n as i32 as u32))
        };
        match *self {
            Form::Lattice(ref lines) => {
                // The nearest of what the lines have in their own pieces.
                let on = |(k, line): (usize, &Line)| {
                    let n = (((x - line.offset) / line.step) + 0.5).floor();
                    let first = if k == 0 { f64::from(i32::MIN) } else { f64::from(line.from) };
                    let end = lines.get(k + 1).map_or(f64::from(i32::MAX), |next| f64::from(next.from) - 1.0);
                    let n = if n > first { n } else { first };
                    let n = if n < end { n } else { end };
                    (n, (line.step * n + line.offset - x).abs())
                };
                let best = lines.iter().enumerate().map(on).min_by(|a, b| a.1.total_cmp(&b.1))?;
                whole(best.0)
            }
            Form::Quotient(divisor) => whole(x * divisor),
            Form::Standard { of, mean, divisor } => {
                let h = x * f64::from(divisor) + f64::from(mean);
                of.number(h).map(|n| u64::from(n as u32))
            }
            Form::Unit { decimal, narrow, divisor, beside } => {
                let round = |x: f64| if narrow { f64::from(x as f32) } else { x };
                let b = round(other * divisor);
                let h = round(match beside {
                    None => x * divisor,
                    Some((Beside::Less, _)) => x * divisor + b,
                    Some((Beside::From, _)) => b - x * divisor,
                    Some((Beside::More, _)) => x * divisor - b,
                });
                match decimal {
                    None => h.is_finite().then_some(u64::from((h as f32).to_bits())),
                    Some((digits, least)) => {
                        let n = decimal_number(h, digits, least)?;
                        match digits < 8 {
                            true => i32::try_from(n).ok().map(|n| u64::from(n as u32)),
                            false => Some(n as u64),
                        }
                    }
                }
            }
        }
    }

    /// The hidden cells of a column; what has none is 0.
    pub fn hide_all(&self, column: &Cells, scalar: Scalar, other: Option<(&Cells, Scalar)>) -> Cells {
        let cells = (0..column.len()).map(|i| {
            let x = number(column.get(i).unwrap_or(0), scalar);
            let other = other.map_or(0.0, |(cells, scalar)| number(cells.get(i).unwrap_or(0), scalar));
            self.hide(x, other).unwrap_or(0)
        });
        match self.hidden().width() {
            4 => Cells::W4(cells.map(|n| n as u32).collect()),
            _ => Cells::W8(cells.collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        *seed >> 33
    }

    fn wide(v: &[f64]) -> Cells {
        Cells::W8(v.iter().map(|x| x.to_bits()).collect())
    }

    fn told(form: &Form, cells: &Cells, scalar: Scalar, other: Option<(&Cells, Scalar)>) -> usize {
        let hidden = form.hide_all(cells, scalar, other);
        let u = |i: usize| other.map_or(0.0, |(c, s)| number(c.get(i).unwrap(), s));
        (0..cells.len())
            .filter(|&i| {
                super::super::cell(form.value(hidden.get(i).unwrap(), u(i)), scalar) == cells.get(i).unwrap()
            })
            .count()
    }

    #[test]
    fn decimals_count_up() {
        for (digits, least) in [(1, 0), (3, -2), (6, -7), (12, -15)] {
            let mut before = f64::NEG_INFINITY;
            let most = 9 * 10i64.pow(u32::from(digits) - 1) * 20;
            for n in (-5000..5000i64).map(|n| n * 7).filter(|n| n.abs() < most) {
                let x = decimal(n, digits, least);
                assert!(x > before, "{n}: {before} {x}");
                assert_eq!(decimal_number(x, digits, least), Some(n), "{digits} {least} {n} {x}");
                before = x;
            }
        }
        assert_eq!(decimal(1, 3, -2), 1.0);
        assert_eq!(decimal(i64::MIN, 15, 22), 0.0);
    }

    #[test]
    fn what_was_normalised_is_found_exactly() {
        let mut seed = 5;
        let mut of = |places: f64, most: u64, mean: f32, divisor: f32| {
            let one = |_| {
                let n = (noise(&mut seed) % most + noise(&mut seed) % most) as f64
                    - if mean == 0.0 { 0.0 } else { most as f64 };
                (((n / places) as f32 - mean) / divisor).to_bits()
            };
            Cells::W4((0..6000).map(one).collect())
        };
        for (places, most, mean, divisor) in
            [(100.0, 9000, 0.0, 54.642094f32), (1000.0, 2500, 5.5602937e-5, 1.026727)]
        {
            let cells = of(places, most, mean, divisor);
            let form = &find(&cells, Scalar::F32, &[])[0];
            assert!(matches!(form, Form::Standard { of: Decimal::Places(_), .. }), "{form:?}");
            let n = told(form, &cells, Scalar::F32, None);
            assert!(n > 5900, "{n} of {form:?}");
        }
    }

    #[test]
    fn decimals_by_their_mean_are_found() {
        let mut seed = 8;
        let one = |_| {
            let gev =
                40.0 + (noise(&mut seed) % 400_000) as f64 * 1e-3 * (noise(&mut seed) % 1000) as f64 * 1e-3;
            (format!("{gev:.5e}").parse::<f32>().unwrap() / 137.21f32).to_bits()
        };
        let cells = Cells::W4((0..6000).map(one).collect());
        let form = &find(&cells, Scalar::F32, &[])[0];
        assert!(matches!(form, Form::Standard { of: Decimal::Digits(6, -4), .. }), "{form:?}");
        assert_eq!(told(form, &cells, Scalar::F32, None), 6000);
    }

    #[test]
    fn a_broken_lattice_has_lines() {
        let mut seed = 4;
        let one = |_| {
            let n = (noise(&mut seed) % 6000) as f64 - 3000.0;
            ((n * 0.001 - if n < 0.0 { 0.000185 } else { 0.0 }) / 1.7).to_bits()
        };
        let cells = Cells::W8((0..6000).map(one).collect());
        let form = &find(&cells, Scalar::F64, &[])[0];
        let Form::Lattice(lines) = form else { panic!("{form:?}") };
        assert_eq!(lines.len(), 2, "{form:?}");
        let hidden = form.hide_all(&cells, Scalar::F64, None);
        // Few lie between the last number seen on one side and the first on the other.
        let off = |i: &usize| {
            let x = f64::from_bits(cells.get(*i).unwrap());
            (form.value(hidden.get(*i).unwrap(), 0.0) - x).abs() > 1e-12
        };
        assert!((0..cells.len()).filter(off).count() < 20);
    }

    #[test]
    fn counts_in_tenths_are_quotients() {
        let mut seed = 2;
        let cells = wide(&(0..3000).map(|_| (noise(&mut seed) % 50_000) as f64 / 128.0).collect::<Vec<_>>());
        let form = &find(&cells, Scalar::F64, &[])[0];
        assert_eq!(told(form, &cells, Scalar::F64, None), 3000, "{form:?}");
    }

    #[test]
    fn masses_in_another_unit_and_their_differences() {
        let mut seed = 9;
        let mut mass = || f64::from((20.0 + (noise(&mut seed) % 5_000_000) as f64 * 1e-4) as f32);
        let six = |x: f64| f64::from(format!("{x:.5e}").parse::<f64>().unwrap() as f32);
        let (a, b): (Vec<f64>, Vec<f64>) = (0..3000)
            .map(|_| {
                let (a, b) = (six(mass()), six(mass()));
                (a / 1000.0, (b - a) / 1000.0)
            })
            .unzip();
        let (a, b) = (wide(&a), wide(&b));
        let form = &find(&a, Scalar::F64, &[])[0];
        assert!(
            matches!(form, Form::Unit { decimal: Some((6, -4)), narrow: true, divisor: 1e3, beside: None }),
            "{form:?}"
        );
        assert_eq!(told(form, &a, Scalar::F64, None), 3000);
        let form = &find(&b, Scalar::F64, &[(7, &a, Scalar::F64)])[0];
        assert!(matches!(form, Form::Unit { beside: Some((Beside::Less, 7)), .. }), "{form:?}");
        assert!(told(form, &b, Scalar::F64, Some((&a, Scalar::F64))) > 2990);
    }

    #[test]
    fn noise_has_no_steps() {
        let mut seed = 3;
        let v: Vec<f64> = (0..5000).map(|_| (noise(&mut seed) as f64 * 1e-7).sin()).collect();
        assert_eq!(find(&wide(&v), Scalar::F64, &[]), []);
        let narrow = Cells::W4(v.iter().map(|x| (*x as f32).to_bits()).collect());
        assert_eq!(find(&narrow, Scalar::F32, &[]), []);
        let odd = [f64::NAN, f64::INFINITY, -0.0, 5e-324].repeat(100);
        assert_eq!(find(&wide(&odd), Scalar::F64, &[]), []);
    }

    #[test]
    fn forms_come_back() {
        for form in [
            Form::Lattice(vec![
                Line { from: -3, offset: 0.5, step: 0.1 },
                Line { from: 7, offset: 0.25, step: 0.1 },
            ]),
            Form::Quotient(100.0),
            Form::Standard { of: Decimal::Places(2), mean: 0.5, divisor: 54.5 },
            Form::Standard { of: Decimal::Digits(6, -4), mean: 0.0, divisor: 54.5 },
            Form::Unit { decimal: None, narrow: true, divisor: 1e3, beside: Some((Beside::From, 300)) },
            Form::Unit { decimal: Some((6, -4)), narrow: false, divisor: 1.0, beside: None },
        ] {
            let mut out = Vec::new();
            form.write(&mut out);
            assert_eq!(Form::read(&mut Cursor::new(&out)).unwrap(), form);
            assert!(Form::read(&mut Cursor::new(&out[..out.len() - 1])).is_err());
        }
        assert!(Form::read(&mut Cursor::new(&[5])).is_err());
        assert!(Form::read(&mut Cursor::new(&[0, 9])).is_err());
    }
}
