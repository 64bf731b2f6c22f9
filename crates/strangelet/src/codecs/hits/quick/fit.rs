//! What the encoder looks for before it writes: values in use, habits of the detector, predictions. A sample of
//! the rows is enough.

use super::coder::{class, fineness};
use super::frame::{Index, Run, Values};
use super::model::{
    FINEST, GRADES, INPUTS, Plan, Set, blank, coarse, from_before, grade, place, set, sets, wipe,
};

/// Hits that are looked at to find predictions: an eighth, at least and at most so many.
const SAMPLE: [usize; 2] = [1 << 10, 1 << 14];
/// Frames of fewer hits have few sets of places: where runs differ in length, and where most are alike.
const SMALL: [usize; 2] = [8000, 60_000];
/// Rows next to each other in the sample.
const TOGETHER: usize = 8;
/// Distinct values that are worth a list.
const LISTED: usize = 4096;

/// The values of each run.
fn hits(index: &Index) -> impl Iterator<Item = &[u32]> {
    let mut rest = index.values.as_slice();
    index.runs.iter().map(move |run| {
        let (own, others) = rest.split_at_checked(run.len as usize).unwrap_or((rest, &[]));
        rest = others;
        own
    })
}

/// A list of the values where there are few for their range, and their largest number.
pub fn values(index: &Index) -> (Values, u32) {
    let (low, high) = (index.low, index.high);
    let range = high - low + 1;
    let above = (Values::Above(low - 1), range);
    let list =
        if range <= 1 << 16 { listed_narrow(hits(index), low, range) } else { listed_wide(hits(index)) };
    match list {
        // the list has to pay for itself
        Some(list)
            if list.len() as u64 * 3 <= range as u64
                && list.len() as u64 * 64 <= index.hits().max(1024) as u64 =>
        {
            let most = list.len() as u32;
            (Values::Listed(list), most)
        }
        _ => above,
    }
}

/// The values in use within a narrow range, unless they are many.
fn listed_narrow<'a>(runs: impl Iterator<Item = &'a [u32]>, low: u32, range: u32) -> Option<Vec<u32>> {
    let mut used = vec![false; range as usize];
    let mut count = 0;
    for run in runs {
        for v in run {
            if let Some(used) = used.get_mut((v - low) as usize) {
                count += !*used as u32;
                *used = true;
            }
        }
        if count * 3 > range {
            return None;
        }
    }
    Some((low..=u32::MAX).zip(&used).filter(|(_, used)| **used).map(|(v, _)| v).collect())
}

/// The values in use, unless they are many.
fn listed_wide<'a>(runs: impl Iterator<Item = &'a [u32]>) -> Option<Vec<u32>> {
    let mut list: Vec<u32> = Vec::new();
    let mut seen = 0usize;
    for run in runs {
        for v in run {
            if let Err(at) = list.binary_search(v) {
                list.insert(at, *v);
            }
        }
        seen += run.len();
        // nor where every other value is new
        if list.len() > LISTED || (seen > 256 && list.len() * 2 > seen) {
            return None;
        }
    }
    Some(list)
}

/// 1, the inputs of a hit's prediction, and its class, all below 64.
#[derive(Clone, Copy)]
struct Look([u8; INPUTS + 2]);

/// The plan of a frame.
pub fn plan(sides: [usize; 3], index: &Index, values: &Values, most: u32) -> Plan {
    let hits = index.hits();
    let crowd = hits.isqrt().clamp(16, 250);
    let [_, pads, times] = sides;
    let depth = fineness(most, FINEST);
    let coarse = coarse(class(most, depth).0 as usize + 1);
    // where most runs are as long as each other, the distance to the end says little new
    let mut lengths = [0usize; 16];
    index.runs.iter().for_each(|run| lengths[run.len.min(15) as usize] += 1);
    let alike = lengths.iter().any(|&l| l * 2 > index.runs.len());
    let ends = hits >= SMALL[alike as usize];
    let mut looks: Vec<Vec<Look>> = vec![Vec::new(); sets(ends)];
    let mut peaks = [0usize; 64];
    // rows next to each other, every so often
    let groups = index.rows.len().div_ceil(TOGETHER);
    let stride = (hits / (hits / 8).clamp(SAMPLE[0], SAMPLE[1])).clamp(1, groups.max(1));
    let mut taken = 0;
    let none = blank(times);
    let mut rows = [blank(times), blank(times), blank(times)];
    for group in (0..groups).step_by(stride) {
        let from = group * TOGETHER;
        let to = (from + TOGETHER).min(index.rows.len());
        // the two rows before the group only tell
        let first = from.saturating_sub(2);
        for k in first..to {
            let row = index.rows[k].number as usize;
            fill(&mut rows[k % 3], index.values_of(k), index.of(k), values, depth);
            if k >= from {
                let back = |pads_back: usize| {
                    let there = |j: &usize| {
                        row % pads >= pads_back && index.rows[*j].number as usize + pads_back == row
                    };
                    (k.saturating_sub(2).max(first)..k).find(there).map_or(&none, |j| &rows[j % 3])
                };
                let (own, before, further) = (&rows[k % 3], back(1), back(2));
                for run in index.of(k) {
                    let (mut peak, mut one, mut two) = (0, 0, 0);
                    for p in 0..run.len {
                        let at = place((run.start + p) as usize);
                        let class = own[at];
                        peak = peak.max(class);
                        let [b, c, d] = [before[at - 1], before[at], before[at + 1]];
                        looks[set(ends, p, run.len)].push(Look([1, one, two, b, c, d, further[at], class]));
                        (one, two) = (class, one);
                    }
                    taken += run.len as usize;
                    peaks[peak as usize & 63] += 1;
                }
            }
            if k >= first + 2 {
                wipe(&mut rows[(k - 2) % 3], index.of(k - 2));
            }
        }
        (to.saturating_sub(2).max(first)..to).for_each(|k| wipe(&mut rows[k % 3], index.of(k)));
    }
    let scale = hits.div_ceil(taken.max(1)).max(1);
    let sets = looks.iter().map(|looks| fit(looks, crowd, scale, coarse)).collect();
    Plan { most, depth, coarse, ends, peaks: quantiles(&peaks), slack: if depth > 3 { 0 } else { 4 }, sets }
}

impl Set {
    fn grade(&self, coarse: u32, Look([_, one, two, b, c, d, f, _]): Look) -> usize {
        grade(self, coarse, from_before(self, &[0, b, c, d], &[0, 0, f], 0), one as u32, two as u32)
    }
}

fn fill(row: &mut [u8], hits: &[u32], runs: &[Run], values: &Values, depth: u32) {
    let mut hits = hits.iter();
    for run in runs {
        for (t, &v) in (run.start..run.start + run.len).zip(&mut hits) {
            row[place(t as usize)] = class(values.number(v), depth).0 as u8;
        }
    }
}

/// Classes at the sixths of a histogram.
fn quantiles(counts: &[usize; 64]) -> [u8; 5] {
    let total: usize = counts.iter().sum();
    let (mut out, mut sum, mut k) = ([63; 5], 0, 0);
    for (class, &c) in counts.iter().enumerate() {
        sum += c;
        while k < 5 && sum * 6 > total * (k + 1) {
            out[k] = class as u8 + 1;
            k += 1;
        }
    }
    out
}

/// The prediction by least squares, and contexts that hold at least `crowd` hits each.
fn fit(looks: &[Look], crowd: usize, scale: usize, coarse: u32) -> Set {
    const N: usize = INPUTS + 1;
    let mut sums = [[0u64; 8]; 8];
    // sums of 16 products below 64 x 64 fit in 16 bits
    for some in looks.chunks(16) {
        let mut part = [[0u16; 8]; 8];
        for look in some {
            let x = look.0.map(u16::from);
            for (row, a) in part.iter_mut().zip(x) {
                for (sum, b) in row.iter_mut().zip(x) {
                    *sum += a * b;
                }
            }
        }
        for (sum, part) in sums.as_flattened_mut().iter_mut().zip(part.as_flattened()) {
            *sum += u64::from(*part);
        }
    }
    let sums = sums.map(|row| row.map(|sum| sum as f64));
    let mut set = Set { weights: [0; INPUTS], bias: 0, bounds: Vec::new() };
    if looks.is_empty() {
        return set;
    }
    let x = solve::<N>(&sums);
    for (w, x) in set.weights.iter_mut().zip(&x[1..]) {
        *w = (x * 64.0).round().clamp(-127.0, 127.0) as i8;
    }
    // the bias makes up for the rounding of the weights
    let told: f64 = set.weights.iter().zip(&sums[0][1..]).map(|(&w, s)| w as f64 * s).sum();
    set.bias = ((sums[0][N] * 64.0 - told) / sums[0][0]).round().clamp(-16_383.0, 16_383.0) as i32;
    let mut grades = [0usize; GRADES];
    looks.iter().for_each(|&look| grades[set.grade(coarse, look)] += 1);
    let least = 4;
    let (mut held, mut from) = (0, 0);
    for (g, held_here) in grades[..GRADES - 1].iter().enumerate() {
        held += held_here * scale;
        if held >= crowd && g + 1 - from >= least {
            set.bounds.push(g as u8);
            (held, from) = (0, g + 1);
        }
    }
    if held < crowd {
        set.bounds.pop();
    }
    set
}

/// The weights of inputs 0 .. N that tell input N best.
fn solve<const N: usize>(sums: &[[f64; 8]; 8]) -> [f64; N] {
    let mut a = *sums;
    for (i, row) in a.iter_mut().enumerate() {
        row[i] += row[i] / 1024.0 + 1.0;
    }
    // symmetric and positive: no need to look for pivots
    for i in 0..N {
        let pivot = a[i];
        for row in &mut a[i + 1..N] {
            let f = row[i] / pivot[i];
            for (x, p) in row[i..=N].iter_mut().zip(&pivot[i..=N]) {
                *x -= f * p;
            }
        }
    }
    let mut x = [0.0; N];
    for i in (0..N).rev() {
        let mut s = a[i][N];
        for c in i + 1..N {
            s -= a[i][c] * x[c];
        }
        x[i] = s / a[i][i];
    }
    x
}
