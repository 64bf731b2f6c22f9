//! Weights of least absolute error, and the limits of bins.

use crate::codecs::bins::field::Field;
use crate::codecs::bins::synth::{Around, MAX_WEIGHT, Rules};

/// Most hits that are looked at for the weights.
const LOOKS: usize = 1 << 14;
/// Rounds of reweighting: least squares become least absolute errors. The second number is for weights that were found before.
const ROUNDS: (usize, usize) = (8, 3);
/// Error, in log2, below which hits weigh no more.
const NEAR: f64 = 0.02;
/// Part of a bin's hits on either side that its limits cut off.
const CUT: usize = 100;

/// The rules under which the chosen bins come nearest to the values (of log2(x + 1), one a hit); `before` are those of bins that
/// differ little, or have no weights.
pub fn fit(field: &Field, around: &Around, values: &[f64], bins: &[u8], before: &Rules) -> Rules {
    let (count, fine) = (before.bins, before.fine);
    let mut rules = Rules { bins: count, fine, weights: Vec::new(), limits: Vec::new() };
    let layout = rules.layout();
    let n = layout.len;
    let unit = f64::from(1u32 << fine);
    let mut of_bin: Vec<Vec<f64>> = vec![Vec::new(); count];
    for (hit, &x) in field.hits.iter().zip(values) {
        of_bin[usize::from(bins[hit.at as usize])].push(x);
    }
    of_bin.iter_mut().for_each(|v| v.sort_by(f64::total_cmp));
    // The own bin begins at its median, the rest is small: what is rare stays near it.
    let mut weights = vec![0.0; n];
    let mut filled = 6.5;
    for (k, v) in of_bin.iter().enumerate() {
        filled = v.get(v.len() / 2).copied().unwrap_or(filled);
        weights[layout.own + k] = filled;
    }
    let start = weights.clone();
    let step = field.hits.len().div_ceil(LOOKS).max(1);
    let mut rows: Vec<(Vec<(u16, f64)>, f64)> = Vec::new();
    for (hit, &x) in field.hits.iter().zip(values).step_by(step) {
        let mut row = Vec::new();
        around.features(field, bins, &layout, hit, |k, f| row.push((k as u16, f64::from(f))));
        rows.push((row, x));
    }
    let known = before.weights.len() == n;
    if known {
        weights = before.weights.iter().map(|&w| f64::from(w) / unit).collect();
    }
    for round in 0..if known { ROUNDS.1 } else { ROUNDS.0 } {
        let (mut matrix, mut right) = (vec![0.0; n * n], vec![0.0; n]);
        for i in 0..n {
            matrix[i * n + i] = 1.0;
        }
        for (row, x) in &rows {
            let (mut sum, mut first) = (0.0, 0.0);
            for &(k, f) in row {
                sum += weights[usize::from(k)] * f;
                first += start[usize::from(k)] * f;
            }
            let weight = if round == 0 && !known { 1.0 } else { 0.1 / (x - sum).abs().max(NEAR) };
            for (at, &(i, f)) in row.iter().enumerate() {
                let q = f * weight;
                for &(j, g) in &row[..=at] {
                    matrix[usize::from(i.max(j)) * n + usize::from(i.min(j))] += q * g;
                }
                right[usize::from(i)] += q * (x - first);
            }
        }
        solve(n, &mut matrix, &mut right);
        for ((w, s), d) in weights.iter_mut().zip(&start).zip(&right) {
            *w = s + d;
        }
    }
    let limit = f64::from(MAX_WEIGHT);
    let whole = |x: f64| (x * unit).round_ties_even().clamp(-limit, limit) as i32;
    rules.weights = weights.into_iter().map(whole).collect();
    rules.limits = of_bin
        .iter()
        .map(|v| match (v.get(v.len() / CUT), v.get((v.len() - v.len() / CUT).wrapping_sub(1))) {
            (Some(&low), Some(&high)) => (whole(low), whole(high.max(low))),
            _ => (0, 0),
        })
        .collect();
    rules
}

/// Solves a symmetric system (its lower half) in place; the right side becomes the solution.
fn solve(n: usize, c: &mut [f64], z: &mut [f64]) {
    for i in 0..n {
        for j in 0..=i {
            let (mut s, rows) = (c[i * n + j], (i * n, j * n));
            for k in 0..j {
                s -= c[rows.0 + k] * c[rows.1 + k];
            }
            c[i * n + j] = if i == j { s.max(1e-9).sqrt() } else { s / c[j * n + j] };
        }
    }
    for i in 0..n {
        for k in 0..i {
            z[i] -= c[i * n + k] * z[k];
        }
        z[i] /= c[i * n + i];
    }
    for i in (0..n).rev() {
        for k in i + 1..n {
            z[i] -= c[k * n + i] * z[k];
        }
        z[i] /= c[i * n + i];
    }
}
