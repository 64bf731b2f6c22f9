//! Which steps a column has: lattices, other units, differences beside another column.

use super::super::cell as cell_of;
use super::lattice::lattice;
use super::{Beside, Form, number};
use crate::column::{Cells, Scalar};

/// Cells that are looked at first.
const GLANCE: usize = 48;
/// Cells that are looked at then.
const SAMPLE: usize = 2048;

/// Some of the cells, from all over the column, as numbers.
pub(super) fn some(cells: &Cells, scalar: Scalar, most: usize) -> Vec<f64> {
    let step = cells.len().div_ceil(most).max(1);
    (0..cells.len()).step_by(step).map(|i| number(cells.get(i).unwrap_or(0), scalar)).collect()
}

/// Forms that most cells of a column of floating point follow from, the most promising first. `others` are columns of as many
/// rows that may take part, by their numbers.
pub fn find(column: &Cells, scalar: Scalar, others: &[(usize, &Cells, Scalar)]) -> Vec<Form> {
    let mut found = Vec::new();
    if !scalar.is_float() || column.len() < 64 {
        return found;
    }
    found.extend(unit(column, scalar, others));
    if found.is_empty() {
        found.extend(lattice(column, scalar));
    }
    found
}

/// Units in which a detector's numbers are told, and in which they were written before.
const DIVISORS: [f64; 9] = [1e3, 1e6, 1e-3, 1e2, 1e1, 1e9, 1e-2, 1e-1, 1e-6];

/// A decimal or a binary32 in another unit.
fn unit(column: &Cells, scalar: Scalar, others: &[(usize, &Cells, Scalar)]) -> Option<Form> {
    let few = some(column, scalar, GLANCE);
    let many = some(column, scalar, SAMPLE);
    if few.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let good = |form: &Form, x: &[f64], u: &[f64]| {
        let right = |x: f64, u: f64| {
            let cell = |x: f64| cell_of(x, scalar);
            form.hide(x, u).is_some_and(|h| cell(form.value(h, u)) == cell(x))
        };
        let n = x.iter().enumerate().filter(|(i, x)| right(**x, u.get(*i).copied().unwrap_or(0.0))).count();
        n * 50 >= x.len() * 49
    };
    // Decimals as they are.
    let most = if scalar == Scalar::F32 { 6 } else { 12 };
    let narrow = scalar == Scalar::F32;
    let plain = |digits: u8| Form::Unit { decimal: Some((digits, -22)), narrow, divisor: 1.0, beside: None };
    if good(&plain(most), &few, &[]) && good(&plain(most), &many, &[]) {
        return fewest(plain, most, column, scalar, None);
    }
    if scalar != Scalar::F64 {
        return None;
    }
    // A binary32 of another unit, alone or beside another column.
    for divisor in DIVISORS {
        let alone = Form::Unit { decimal: None, narrow: true, divisor, beside: None };
        if good(&alone, &few, &[]) && good(&alone, &many, &[]) {
            return narrower(&alone, column, scalar, None).or(Some(alone));
        }
        for &(n, cells, of) in others.iter().filter(|o| o.2 == Scalar::F64) {
            let us = some(cells, of, GLANCE);
            for how in [Beside::Less, Beside::From, Beside::More] {
                let form = Form::Unit { decimal: None, narrow: true, divisor, beside: Some((how, n)) };
                if good(&form, &few, &us) && good(&form, &many, &some(cells, of, SAMPLE)) {
                    return narrower(&form, column, scalar, Some((cells, of))).or(Some(form));
                }
            }
        }
    }
    None
}

/// The same with decimals of few digits, where the binary32 are such.
fn narrower(form: &Form, column: &Cells, scalar: Scalar, other: Option<(&Cells, Scalar)>) -> Option<Form> {
    let &Form::Unit { divisor, beside, .. } = form else { return None };
    let with = |digits: u8| Form::Unit { decimal: Some((digits, -22)), narrow: true, divisor, beside };
    fewest(with, 6, column, scalar, other)
}

/// The fewest digits that tell as many cells, and the least power of ten that is needed.
fn fewest(
    form: impl Fn(u8) -> Form,
    most: u8,
    column: &Cells,
    scalar: Scalar,
    other: Option<(&Cells, Scalar)>,
) -> Option<Form> {
    let (xs, us) = (some(column, scalar, SAMPLE), other.map(|(cells, of)| some(cells, of, SAMPLE)));
    let u = |i: usize| us.as_ref().and_then(|u| u.get(i)).copied().unwrap_or(0.0);
    let share = |digits: u8| {
        let f = form(digits);
        let right = |(i, &x): (usize, &f64)| {
            f.hide(x, u(i)).is_some_and(|h| cell_of(f.value(h, u(i)), scalar) == cell_of(x, scalar))
        };
        xs.iter().enumerate().filter(|p| right(*p)).count()
    };
    if share(most) * 50 < xs.len() * 49 {
        return None;
    }
    let digits = (1..=most).find(|&d| share(d) * 50 >= xs.len() * 49)?;
    // The place of the last digit of the least number, so that numbers begin near 0.
    let Form::Unit { narrow, divisor, beside, .. } = form(digits) else { return None };
    let wide = Form::Unit { decimal: None, narrow: true, divisor, beside };
    let mut least = i64::MAX;
    for i in 0..column.len() {
        let x = number(column.get(i).unwrap_or(0), scalar);
        let other = other.map_or(0.0, |(cells, of)| number(cells.get(i).unwrap_or(0), of));
        let Some(h) = wide.hide(x, other).map(|h| f64::from(f32::from_bits(h as u32))) else { continue };
        let h = if narrow { h } else { x * divisor };
        if h != 0.0 && h.is_finite() {
            let text = format!("{:.*e}", usize::from(digits) - 1, h.abs());
            let e = text.split_once('e').and_then(|(_, e)| e.parse::<i64>().ok())?;
            least = least.min(e - i64::from(digits) + 1);
        }
    }
    let least = least.clamp(-22, 22) as i8;
    Some(Form::Unit { decimal: Some((digits, least)), narrow, divisor, beside })
}
