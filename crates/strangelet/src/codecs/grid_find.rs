//! Which arrays are grids, and where their rows and planes begin: by how near numbers are that lie some way apart.

use super::grid::{MAX_CELLS, Model};
use crate::codec::Stream;
use crate::column::Scalar;
use crate::model::frame::Frame;
use crate::model::{lattice, trace};

/// Cells below which nothing is to be gained.
const FEWEST: usize = 1 << 10;
/// Places that are looked at for each distance.
const LOOKS: usize = 1 << 10;
/// Longest row and longest plane that are looked for.
const LONGEST: [usize; 2] = [1 << 13, 1 << 19];
/// Numbers at the head of a row that tell its level.
const LONGEST_HEAD: usize = 64;
/// Shortest row.
const SHORTEST: usize = 8;

/// A grid.
pub struct Found {
    /// How cells are numbers.
    pub frame: Frame,
    /// The cells.
    pub patterns: Vec<u64>,
    /// Models that may be best, at least one.
    pub models: Vec<Model>,
    /// Cells of the fixed inner shape, at least 1.
    pub inner: usize,
    /// Length of traces by the inner shape.
    pub row: Option<usize>,
}

/// Whether cells are likely to be foretold by those before or above them, and how.
pub fn find(stream: &Stream) -> Option<Found> {
    let count = stream.cells.len();
    let same = |l: &[u32]| l.iter().all(|n| Some(n) == l.first());
    if !(FEWEST..=MAX_CELLS).contains(&count)
        || stream.scalar == Scalar::Bool
        || !stream.lists.is_none_or(same)
    {
        return None;
    }
    let patterns: Vec<u64> = (0..count).map(|i| stream.cells.get(i).unwrap_or(0)).collect();
    let frame = Frame::of(stream.scalar, patterns.iter().copied())?;
    let numbers: Vec<f64> = patterns.iter().map(|&p| frame.number(p) as f64).collect();
    let inner = match stream.lists.and_then(|l| l.first()) {
        Some(&n) => n as usize * stream.inner.max(1) as usize,
        None => stream.inner as usize,
    };
    let spread = spread(&numbers);
    let looks = places(count, 1, LOOKS, 1);
    let beside = looks.iter().map(|&t| (numbers[t] - numbers[t - 1]).abs()).sum::<f64>() / LOOKS as f64;
    let mut models = Vec::new();
    if let Some((row, plane)) = lattice_of(&numbers, beside, spread) {
        // A second shape that sees farther along rows costs a trial only.
        let reach: &[(u32, u32, u32)] = if plane > 0 { &[(20, 1, 2)] } else { &[(20, 1, 0), (36, 1, 0)] };
        for &(reach, b, a) in reach {
            let shape = lattice::Shape { row, plane, reach, b, a };
            if shape.valid() {
                models.push(Model::Lattice(shape));
            }
        }
    }
    let traces = inner >= 8 * SHORTEST && inner < count;
    if beside < spread * if traces { 1.1 } else { 0.9 } {
        let mut rows = vec![if traces { inner } else { 0 }];
        rows.extend(if traces { row_of(&numbers, inner) } else { None });
        rows.dedup();
        models.extend(rows.into_iter().map(|row| Model::Trace(trace::Shape { row, taps: 8 })));
    }
    let row = stream.dims.last().map(|&n| n as usize).filter(|&n| traces && n >= 2 * SHORTEST);
    (!models.is_empty()).then_some(Found { frame, patterns, models, inner: inner.max(1), row })
}

/// Rows of a channel's turn, where rows of an inner shape come from channels of different levels; else 0.
pub fn channels(patterns: &[u64], frame: Frame, row: usize, inner: usize) -> usize {
    let rows = inner.checked_div(row).unwrap_or(0);
    let events = patterns.len() / inner;
    if rows < 2 || events < 2 || !inner.is_multiple_of(row) {
        return 0;
    }
    // The middle number of a row's head is hardly moved by a pulse.
    let level = |event: usize, channel: usize| {
        let at = event * inner + channel * row;
        let head = patterns.get(at..at + row.min(LONGEST_HEAD)).unwrap_or(&[]);
        let mut head: Vec<i64> = head.iter().map(|&p| frame.number(p)).collect();
        head.sort_unstable();
        head.get(head.len() / 2).copied().unwrap_or(0) as f64
    };
    let (mut same, mut other) = (0.0, 0.0);
    for (i, c) in places(rows, 0, LOOKS, 1).into_iter().enumerate() {
        let (event, last) = (i % (events - 1), (c + rows / 2) % rows);
        let now = level(event + 1, c);
        same += (now - level(event, c)).abs();
        other += (now - level(event, last)).abs();
    }
    if same < other * 0.9 { rows } else { 0 }
}

/// Mean difference between numbers that have nothing to do with each other.
fn spread(numbers: &[f64]) -> f64 {
    let (a, b) = (places(numbers.len(), 0, LOOKS, 1), places(numbers.len(), 0, LOOKS, LOOKS));
    a.iter().zip(&b).map(|(&a, &b)| (numbers[a] - numbers[b]).abs()).sum::<f64>() / LOOKS as f64
}

/// Row and plane (0 for none) of a smooth field: the distances at which differences are alike.
fn lattice_of(numbers: &[f64], beside: f64, spread: f64) -> Option<(usize, usize)> {
    if beside > spread * 0.5 {
        return None;
    }
    // Differences of neighbours, and how far they are from those some rows before.
    let longest = LONGEST[0].min(numbers.len() / 4);
    let places = places(numbers.len(), longest + 2, LOOKS, 1);
    let step = |t: usize| numbers[t] - numbers[t - 1];
    let mean = |f: &dyn Fn(usize) -> f64, places: &[usize]| {
        places.iter().map(|&t| f(t).abs()).sum::<f64>() / places.len().max(1) as f64
    };
    let alike = |l: usize| mean(&|t| step(t) - step(t - l), &places);
    let row = nearest(SHORTEST, longest, beside, alike)?;
    let face = |t: usize| step(t) - step(t - row);
    let rows = LONGEST[1].min(numbers.len() / 2) / row;
    let places = self::places(numbers.len(), (rows + 2) * row + 1, LOOKS / 2, 1);
    let plane =
        nearest(SHORTEST, rows, mean(&face, &places), |k| mean(&|t| face(t) - face(t - k * row), &places));
    Some((row, plane.map_or(0, |k| k * row)))
}

/// Places for looks, as if at random, all over what lies behind the first `from` of `n`.
fn places(n: usize, from: usize, looks: usize, seed: usize) -> Vec<usize> {
    let hash = |i: usize| (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24;
    (seed..seed + looks).filter(|_| n > from).map(|i| from + (hash(i) % (n - from) as u64) as usize).collect()
}

/// The first distance below which the cost is well below `usual`, not larger than beside it, and not far from the smallest of all.
fn nearest(first: usize, last: usize, usual: f64, cost: impl Fn(usize) -> f64) -> Option<usize> {
    let all: Vec<f64> = (first - 1..=last + 1).map(cost).collect();
    let dip = |w: &[f64]| w[1] < usual * 0.6 && w[1] < w[0] && w[1] < w[2];
    let dips = all.windows(3).enumerate().filter(|(_, w)| dip(w)).map(|(i, w)| (i + first, w[1]));
    let least = dips.clone().map(|d| d.1).reduce(f64::min)?;
    dips.clone().find(|d| d.1 <= least * 4.0).map(|d| d.0)
}

/// Length of traces: the longest divisor of the inner shape whose places differ in their mean about as much as
/// those of any other.
fn row_of(numbers: &[f64], inner: usize) -> Option<usize> {
    let numbers = &numbers[..numbers.len().min(1 << 20)];
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    let variance = numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    // 1 where places are all alike and numbers independent.
    let differ = |row: usize| {
        let mut sums = vec![0.0; row];
        for x in numbers.chunks_exact(row) {
            for (s, x) in sums.iter_mut().zip(x) {
                *s += x - mean;
            }
        }
        let rows = (numbers.len() / row) as f64;
        sums.iter().map(|s| s * s).sum::<f64>() / rows / row as f64 / variance.max(1e-300)
    };
    let rows = (2 * SHORTEST..=LONGEST[0].min(inner)).filter(|&r| inner.is_multiple_of(r));
    let all: Vec<(usize, f64)> = rows.filter(|&r| numbers.len() / r >= 16).map(|r| (r, differ(r))).collect();
    let most = all.iter().fold(4.0, |m: f64, a| m.max(a.1));
    all.iter().rev().find(|a| a.1 >= 0.75 * most).map(|a| a.0)
}
