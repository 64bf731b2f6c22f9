//! What the encoder looks for before it writes: values in use, habits of the detector, predictions. A sample of
//! the rows is enough.

use super::coder::{class, fineness};
use super::frame::{Count, Run, Values, any, find_runs};
use super::model::{GRADES, INPUTS, Plan, Set, blank, inputs, place, predict, set, sets, wipe};

/// Hits that are looked at to find predictions.
const SAMPLE: usize = 1 << 14;
/// Rows next to each other in the sample.
const TOGETHER: usize = 8;
/// Distinct values that are worth a list.
const LISTED: usize = 4096;

/// Number of hits, smallest and largest value.
pub fn survey<T: Count>(cells: &[T]) -> (usize, u32, u32) {
    let (mut hits, mut low, mut high) = (0, u32::MAX, 0);
    for block in cells.chunks(64) {
        if !any(block) {
            continue;
        }
        for c in block {
            let c = c.wide();
            hits += (c != 0) as usize;
            // zero becomes the largest
            low = low.min(c.wrapping_sub(1));
            high = high.max(c);
        }
    }
    (hits, low.wrapping_add(1), high)
}

/// A list of the values where there are few for their range, and their largest number.
pub fn values<T: Count>(cells: &[T], low: u32, high: u32) -> (Values, u32) {
    let range = high - low + 1;
    let above = (Values::Above(low - 1), range);
    let mut list: Vec<u32> = Vec::new();
    let mut seen = 0usize;
    for block in cells.chunks(64) {
        if !any(block) {
            continue;
        }
        let mut previous = 0;
        for c in block {
            let c = c.wide();
            if c == 0 || c == previous {
                continue;
            }
            previous = c;
            seen += 1;
            if let Err(at) = list.binary_search(&c) {
                list.insert(at, c);
            }
        }
        if list.len() > LISTED || list.len() as u64 * 3 > range as u64 {
            return above;
        }
        // a few looks are enough where every other value is new
        if seen > 256 && list.len() * 2 > seen {
            return above;
        }
    }
    let most = list.len() as u32;
    (Values::Listed(list), most)
}

struct Look {
    set: usize,
    inputs: [u8; INPUTS],
    class: u8,
}

/// The plan of a frame.
pub fn plan<T: Count>(
    cells: &[T],
    sides: [usize; 3],
    hits: usize,
    values: &Values,
    most: u32,
    crowd: usize,
) -> Plan {
    let [_, pads, times] = sides;
    let rows = cells.len() / times;
    let depth = fineness(most, 5);
    let groups = rows.div_ceil(TOGETHER);
    // a group of rows every so often
    let stride = (hits / SAMPLE).clamp(1, groups.max(1));
    let mut lengths = [0usize; 16];
    let mut places: Vec<(u32, u32, [u8; INPUTS], u8)> = Vec::with_capacity(2 * SAMPLE);
    let mut peaks = [0usize; 64];
    let (mut own, mut before, mut further) = (blank(times), blank(times), blank(times));
    let (mut runs, mut mates, mut last) = (Vec::<Run>::new(), Vec::new(), Vec::new());
    for group in (0..groups).step_by(stride) {
        let from = group * TOGETHER;
        for (row, mates, filled) in [(&mut before, &mut mates, 1), (&mut further, &mut last, 2)] {
            wipe(row, mates);
            mates.clear();
            if from % pads >= filled && stride > 1 {
                let cells = &cells[(from - filled) * times..(from - filled + 1) * times];
                find_runs(cells, mates);
                fill(row, cells, mates, values, depth);
            }
        }
        for row in from..(from + TOGETHER).min(rows) {
            if row % pads == 0 {
                for (row, mates) in [(&mut before, &mut mates), (&mut further, &mut last)] {
                    wipe(row, mates);
                    mates.clear();
                }
            }
            let cells = &cells[row * times..(row + 1) * times];
            runs.clear();
            find_runs(cells, &mut runs);
            fill(&mut own, cells, &runs, values, depth);
            for run in &runs {
                lengths[run.len.min(15) as usize] += 1;
                let mut peak = 0;
                for p in 0..run.len {
                    let at = (run.start + p) as usize;
                    let class = own[place(at)];
                    peak = peak.max(class);
                    let mut inputs = inputs(&own, &before, &further, at);
                    if p < 2 {
                        inputs[1] = 0;
                    }
                    places.push((p, run.len, inputs, class));
                }
                peaks[peak as usize & 63] += 1;
            }
            wipe(&mut further, &last);
            (own, before, further) = (further, own, before);
            (runs, mates, last) = (last, runs, mates);
        }
    }
    let total: usize = lengths.iter().sum();
    let period = (3..9).find(|&p| lengths[p] * 2 > total).unwrap_or(0) as u32;
    let looks: Vec<Look> = places
        .iter()
        .map(|&(p, len, inputs, class)| Look { set: set(period, p, len), inputs, class })
        .collect();
    let scale = hits.div_ceil(looks.len().max(1)).max(1);
    let sets =
        (0..sets(period)).map(|s| fit(looks.iter().filter(|l| l.set == s), crowd, scale, depth)).collect();
    Plan { most, period, peaks: quantiles(&peaks), slack: if depth > 3 { 0 } else { 4 }, sets }
}

fn fill<T: Count>(row: &mut [u8], cells: &[T], runs: &[Run], values: &Values, depth: u32) {
    for run in runs {
        for t in run.start as usize..(run.start + run.len) as usize {
            row[place(t)] = class(values.number(cells[t].wide()), depth).0 as u8;
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
fn fit<'a>(looks: impl Iterator<Item = &'a Look> + Clone, crowd: usize, scale: usize, depth: u32) -> Set {
    const N: usize = INPUTS + 1;
    let mut sums = [[0i64; N]; N];
    let mut right = [0i64; N];
    let mut count = 0;
    for look in looks.clone() {
        let mut x = [1i64; N];
        for (x, &i) in x[1..].iter_mut().zip(&look.inputs) {
            *x = i as i64;
        }
        for i in 0..N {
            for j in i..N {
                sums[i][j] += x[i] * x[j];
            }
            right[i] += x[i] * look.class as i64;
        }
        count += 1;
    }
    let mut set = Set { weights: [0; INPUTS], bias: 0, bounds: Vec::new() };
    if count == 0 {
        return set;
    }
    let x = solve(sums, right);
    for (w, x) in set.weights.iter_mut().zip(&x[1..]) {
        *w = (x * 64.0).round().clamp(-127.0, 127.0) as i8;
    }
    // the bias makes up for the rounding of the weights
    let mut off = 0i64;
    for look in looks.clone() {
        let sum: i64 = set.weights.iter().zip(look.inputs).map(|(&w, i)| w as i64 * i as i64).sum();
        off += look.class as i64 * 64 - sum;
    }
    set.bias = (off / (16 * count)).clamp(-1023, 1023) as i32;
    let mut grades = [0usize; GRADES];
    looks.for_each(|look| grades[predict(&set, look.inputs)] += 1);
    let least = if depth > 3 { 1 } else { 4 };
    let (mut held, mut from) = (0, 0);
    for g in 0..GRADES - 1 {
        held += grades[g] * scale;
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

fn solve<const N: usize>(sums: [[i64; N]; N], right: [i64; N]) -> [f64; N] {
    let mut a = [[0f64; N]; N];
    let mut b = right.map(|r| r as f64);
    for i in 0..N {
        for j in 0..N {
            a[i][j] = sums[i.min(j)][i.max(j)] as f64;
        }
        a[i][i] += a[i][i] / 1024.0 + 1.0;
    }
    // symmetric and positive: no need to look for pivots
    for i in 0..N {
        for r in i + 1..N {
            let f = a[r][i] / a[i][i];
            for c in i..N {
                a[r][c] -= f * a[i][c];
            }
            b[r] -= f * b[i];
        }
    }
    let mut x = [0.0; N];
    for i in (0..N).rev() {
        let mut s = b[i];
        for c in i + 1..N {
            s -= a[i][c] * x[c];
        }
        x[i] = s / a[i][i];
    }
    x
}
