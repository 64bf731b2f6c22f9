//! Lattices: the step that the differences of sorted numbers are multiples of, and what they were before they were normalised.

use super::search::some;
use super::{Decimal, Form, LINES, Line, TENS, scaled};
use crate::column::{Cells, Scalar};

/// Values of which a lattice is found.
const SORTED: usize = 1 << 12;
/// Differences that are looked at for a step.
const LOOKS: usize = 512;
/// Steps that a difference spans at most when a step is looked for.
const SPAN: f64 = 24.0;

/// How well differences are multiples of a step: 1 if all are, about 0 by chance.
fn fit(differences: &[f64], step: f64) -> f64 {
    let inverse = 1.0 / step;
    let off = |d: &f64| {
        let x = d * inverse;
        (x - (x + 0.5).floor()).abs()
    };
    1.0 - 4.0 * differences.iter().map(off).sum::<f64>() / differences.len() as f64
}

/// A step that the differences of sorted numbers are multiples of, by trial of all sizes; those up to `rounding` say nothing.
fn step_of(sorted: &[f64], rounding: f64) -> Option<f64> {
    let mut all: Vec<f64> = sorted.windows(2).map(|w| w[1] - w[0]).filter(|d| *d > rounding).collect();
    // Trials grow by a part of themselves: a subnormal one would stay what it is, and nothing reaches beyond an infinite one.
    if !rounding.is_normal() || all.iter().any(|d| !d.is_finite()) {
        return None;
    }
    if all.len() < 48 || all.len() < sorted.len() / 32 {
        return None;
    }
    all.sort_unstable_by(f64::total_cmp);
    let few: Vec<f64> = all.iter().copied().step_by(all.len().div_ceil(LOOKS)).collect();
    let (mut best, mut found) = (0.55, None);
    let mut step = (2.0 * rounding).max(few[0] / 2.0);
    let last = few[few.len() / 2] * 2.0;
    while step < last {
        let n = few.partition_point(|d| *d < SPAN * step);
        if n >= 40 {
            let fit = fit(&few[..n], step);
            // Its parts fit nearly as well: the largest that does counts.
            if fit > best - 0.1 {
                best = best.max(fit);
                found = Some(step);
            }
        }
        step *= 1.0 + 1.0 / (6.0 * SPAN);
    }
    // From small differences to larger and larger ones.
    let (mut step, mut reach) = (found?, SPAN);
    loop {
        let (mut on, mut asked, mut xy, mut xx) = (0usize, 0usize, 0.0f64, 0.0f64);
        for &d in all.iter().take_while(|d| **d < reach * step) {
            let k = (d / step + 0.5).floor();
            asked += 1;
            if (d / step - k).abs() < 0.25 {
                on += 1;
                xy += k * d;
                xx += k * k;
            }
        }
        // By chance half would be.
        if asked < 16 || on * 10 < asked * 9 || xx == 0.0 {
            return None;
        }
        step = xy / xx;
        if reach * step > all[all.len() - 1] {
            return Some(step);
        }
        reach *= 3.0;
    }
}

/// Numbers of steps from the first of sorted numbers, and the numbers.
fn places(sorted: &[f64], step: f64) -> Vec<(f64, f64)> {
    let mut k = 0.0;
    let mut line = vec![(0.0, sorted[0])];
    for w in sorted.windows(2) {
        k += ((w[1] - w[0]) / step + 0.5).floor();
        line.push((k, w[1]));
    }
    line
}

/// Offset and step of the straight line through points, and the largest distance from it.
fn straight(points: &[(f64, f64)]) -> (f64, f64, f64) {
    let m = points.len() as f64;
    let (k0, x0) = (points.iter().map(|p| p.0).sum::<f64>() / m, points.iter().map(|p| p.1).sum::<f64>() / m);
    let (xy, xx) = points
        .iter()
        .fold((0.0, 0.0), |(xy, xx), (k, x)| (xy + (k - k0) * (x - x0), xx + (k - k0) * (k - k0)));
    let step = if xx > 0.0 { xy / xx } else { 0.0 };
    let offset = x0 - step * k0;
    let worst = points.iter().map(|(k, x)| (x - (step * k + offset)).abs()).fold(0.0, f64::max);
    (offset, step, worst)
}

/// Where points are best parted for two straight lines.
fn parting(points: &[(f64, f64)], (offset, step): (f64, f64)) -> Option<usize> {
    // Sums over all points before a place, of what one line leaves: n, k, kk, x, kx, xx.
    let mut sums = vec![[0.0f64; 6]];
    let middle = points[points.len() / 2].0;
    for &(k, x) in points {
        let (x, k) = (x - (step * k + offset), k - middle);
        let before = sums[sums.len() - 1];
        let new = [1.0, k, k * k, x, k * x, x * x];
        sums.push(std::array::from_fn(|i| before[i] + new[i]));
    }
    let squares = |from: usize, to: usize| {
        let [n, k, kk, x, kx, xx] = std::array::from_fn(|i| sums[to][i] - sums[from][i]);
        let (a, b, c) = (kk - k * k / n, kx - k * x / n, xx - x * x / n);
        if a > 0.0 { c - b * b / a } else { c }
    };
    let last = points.len();
    let costs = (SHORT..=last - SHORT).map(|at| (squares(0, at) + squares(at, last), at));
    costs.min_by(|a, b| a.0.total_cmp(&b.0)).map(|c| c.1)
}

/// Fewest points of a line.
const SHORT: usize = 16;

/// Straight lines through points, new ones begun where that leaves much less.
fn lines(points: &[(f64, f64)], rounding: f64, left: usize, out: &mut Vec<(f64, f64, f64)>) {
    let (offset, step, worst) = straight(points);
    if worst > rounding.max(step * 1e-6)
        && left > 1
        && points.len() >= 2 * SHORT
        && let Some(at) = parting(points, (offset, step))
    {
        let (a, b) = points.split_at(at);
        if straight(a).2.min(straight(b).2) < worst * 0.7 {
            lines(a, rounding, left / 2, out);
            lines(b, rounding, left / 2, out);
            return;
        }
    }
    out.push((points[0].0, offset, step));
}

/// A lattice, and what it may have been before it was normalised.
pub(super) fn lattice(column: &Cells, scalar: Scalar) -> Vec<Form> {
    let mut x = some(column, scalar, SORTED);
    x.retain(|x| x.is_finite() && *x != 0.0);
    if x.len() < 64 {
        return Vec::new();
    }
    x.sort_unstable_by(f64::total_cmp);
    x.dedup();
    if x.len() < 48 {
        return Vec::new();
    }
    let n = x.len();
    let unit = if scalar == Scalar::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
    let mut found = Vec::new();
    // Of decimals the larger ones have the larger steps.
    let mut sizes: Vec<f64> = x.iter().map(|x| x.abs()).collect();
    let large = *sizes.select_nth_unstable_by(n * 3 / 4, f64::total_cmp).1;
    let middle = *sizes.select_nth_unstable_by(n / 2, f64::total_cmp).1;
    let rounding = large * unit;
    let upper: Vec<f64> = x.iter().copied().filter(|x| x.abs() >= middle).collect();
    let whole = step_of(&x, rounding);
    if let Some(step) = whole {
        let points = places(&x, step);
        let (offset, step, worst) = straight(&points);
        if scalar == Scalar::F32 {
            found.extend(standard(&x, offset, step));
        }
        if found.is_empty() {
            let through = (offset / step + 0.5).floor();
            let (xy, xx) = points.iter().fold((0.0, 0.0), |(xy, xx), (k, x)| {
                (xy + (k + through) * x, xx + (k + through) * (k + through))
            });
            let inverse = xx / xy;
            let round = (inverse + 0.5).floor();
            if (offset - through * step).abs() < step * 1e-3
                && round >= 1.0
                && (inverse - round).abs() < round * 1e-6
            {
                found.push(Form::Quotient(round));
            } else if worst < step / 3.0 && points[points.len() - 1].0 < f64::from(i32::MAX) / 2.0 {
                let mut pieces = Vec::new();
                lines(&points, 4.0 * rounding, LINES, &mut pieces);
                let line = |&(from, offset, step): &(f64, f64, f64)| Line { from: from as i32, offset, step };
                found.push(Form::Lattice(pieces.iter().map(line).collect()));
            }
        }
    }
    if found.is_empty()
        && scalar == Scalar::F32
        && let Some(step) = step_of(&upper, rounding)
    {
        let (offset, step, _) = straight(&places(&upper, step));
        found.extend(digits(&x, offset, step));
    }
    found
}

/// The binary32 so many places further.
fn beside(x: f32, places: i32) -> f32 {
    f32::from_bits((x.to_bits() as i32 + places) as u32)
}

/// What part of some numbers comes out exactly.
fn exact(form: &Form, x: &[f64]) -> f64 {
    let right = |x: &&f64| form.hide(**x, 0.0).is_some_and(|h| form.value(h, 0.0) as f32 == **x as f32);
    x.iter().filter(right).count() as f64 / x.len() as f64
}

/// Decimals of a number of places, less a mean, by a divisor, all in binary32: `offset` and `step` are those of the lattice.
fn standard(x: &[f64], offset: f64, step: f64) -> Option<Form> {
    let few: Vec<f64> = x.iter().copied().step_by(x.len().div_ceil(192)).collect();
    let mut best: (f64, Option<Form>) = (0.85, None);
    for places in 0..=6u8 {
        let q = 1.0 / TENS[usize::from(places)];
        let divisor = (q / step) as f32;
        if !(divisor.is_finite() && divisor > 0.0) {
            continue;
        }
        // The offset is known but for whole steps.
        let mean = -(offset - (offset / step + 0.5).floor() * step) * (q / step);
        let of = Decimal::Places(places);
        let fine = (x[x.len() - 1].abs().max(x[0].abs()) * q / step) * f64::from(f32::EPSILON) / 32.0;
        let zero = mean.abs() < q * 1e-3;
        for divisor in (-3..=3).map(|k| beside(divisor, k)) {
            if zero {
                let form = Form::Standard { of, mean: 0.0, divisor };
                let share = exact(&form, &few);
                if share > best.0 {
                    best = (share, Some(form));
                }
                continue;
            }
            for k in -24..=24 {
                let form = Form::Standard { of, mean: (mean + f64::from(k) * fine) as f32, divisor };
                let share = exact(&form, &few);
                if share > best.0 {
                    best = (share, Some(form));
                }
            }
        }
    }
    best.1
}

/// Decimals of a number of digits, less a mean, by a divisor in binary32: `offset` and `step` are those of the larger ones.
fn digits(x: &[f64], offset: f64, step: f64) -> Option<Form> {
    let few: Vec<f64> = x.iter().copied().step_by(x.len().div_ceil(96)).collect();
    let near = |form: &Form| {
        let close = |x: &&f64| {
            let back = form.hide(**x, 0.0).map(|h| form.value(h, 0.0));
            back.is_some_and(|y| (y - **x).abs() <= x.abs() * 4.0 * f64::from(f32::EPSILON))
        };
        few.iter().filter(close).count() as f64 / few.len() as f64
    };
    // The offset is known but for whole steps; what is near the border of two numbers of digits may be taken for the wrong one.
    let rest = offset - (offset / step + 0.5).floor() * step;
    let unit = |last: i8| {
        let q = scaled(1.0, last.into());
        let mean = -rest * q / step;
        ((q / step) as f32, if mean.abs() < q * 0.02 { 0.0 } else { mean as f32 })
    };
    let (mut best, mut found) = (0.85, None);
    for digits in 4..=7u8 {
        // A power of ten more or less makes no difference yet.
        let (divisor, mean) = unit(-4);
        let share = near(&Form::Standard { of: Decimal::Digits(digits, -20), mean, divisor });
        if share > best {
            (best, found) = (share, Some(digits));
        }
    }
    let digits = found?;
    let (mut best, mut form) = (0.0, None);
    for last in -7..=2i8 {
        let (divisor, mean) = unit(last);
        if !(divisor.is_finite() && divisor > 1e-30) {
            continue;
        }
        // Numbers begin with the least.
        let size = |x: &f64| (x * f64::from(divisor) + f64::from(mean)).abs();
        let least = x.iter().map(size).filter(|h| *h > 0.0).fold(f64::INFINITY, f64::min);
        let text = format!("{:.*e}", usize::from(digits) - 1, least);
        let e = text.split_once('e')?.1.parse::<i64>().ok()? - i64::from(digits) + 1;
        // Where small ones are rare they shall not make all others large.
        let of = Decimal::Digits(digits, e.clamp(-20, i64::from(last)) as i8);
        let fine = f64::from(mean.abs().max(f32::EPSILON)) * 1e-3;
        let tries = if mean == 0.0 { 0 } else { 12 };
        for divisor in (-4..=4).map(|k| beside(divisor, k)) {
            for k in -tries..=tries {
                let tried =
                    Form::Standard { of, mean: (f64::from(mean) + f64::from(k) * fine) as f32, divisor };
                let share = exact(&tried, &few);
                if share > best {
                    (best, form) = (share, Some(tried));
                }
            }
        }
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells(scalar: Scalar, x: &[u64]) -> Cells {
        let bytes: Vec<u8> = x.iter().flat_map(|x| x.to_le_bytes()[..scalar.width()].to_vec()).collect();
        Cells::from_le_bytes(scalar, &bytes).unwrap()
    }

    #[test]
    fn numbers_at_both_ends_of_the_range_have_no_step() {
        // Subnormal ones, and such that their differences overflow.
        let small: Vec<u64> = (0..600).map(|i| 60 + i * 7 % 1024).collect();
        assert!(lattice(&cells(Scalar::F64, &small), Scalar::F64).is_empty());
        let sign = |i: u32| if i.is_multiple_of(2) { f64::MAX } else { f64::MIN };
        let far: Vec<u64> = (0..600).map(|i| (sign(i) / (1.0 + f64::from(i))).to_bits()).collect();
        assert!(lattice(&cells(Scalar::F64, &far), Scalar::F64).is_empty());
    }

    proptest! {
        #[test]
        fn a_search_ends(x in proptest::collection::vec(any::<u64>(), 0..200), low in 0u32..64, wide in any::<bool>()) {
            let scalar = if wide { Scalar::F64 } else { Scalar::F32 };
            let x: Vec<u64> = x.iter().map(|x| x >> low).collect();
            lattice(&cells(scalar, &x), scalar);
        }
    }
}
