//! Proposals: how long rows may be, and what may be in them.

use super::cost::{BIT, Counts};
use super::fields;
use crate::layout::{Field, Layout};
use strangelet::column::Scalar;
use strangelet::error::Result;
use strangelet::source::Source;

/// Bytes of a window.
const WINDOW: u64 = 64 << 10;
/// Windows over a long file.
const WINDOWS: u64 = 4;
/// Longest row that is looked for.
const MAX_ROW: usize = 4096;
/// Row lengths that are judged by the cost of their bytes.
const JUDGED: usize = 24;

/// Stretches of a file.
pub struct Sample {
    /// Place in the file, and the bytes there.
    pub windows: Vec<(u64, Vec<u8>)>,
}

impl Sample {
    /// All of a short file, windows of a long one.
    pub fn of(source: &dyn Source) -> Result<Sample> {
        let len = source.len();
        if len <= WINDOW * WINDOWS {
            return Ok(Sample { windows: vec![(0, source.range(0, len)?)] });
        }
        let mut windows = Vec::new();
        for i in 0..WINDOWS {
            let pos = (len - WINDOW) / (WINDOWS - 1) * i;
            windows.push((pos, source.range(pos, WINDOW)?));
        }
        Ok(Sample { windows })
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.windows.iter().map(|w| w.1.len()).sum()
    }

    /// Whether nearly everything is text.
    fn is_text(&self) -> bool {
        let text = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~');
        let n: usize = self.windows.iter().map(|w| w.1.iter().filter(|b| text(b)).count()).sum();
        n * 100 >= self.len() * 97
    }

    /// The bytes of whole rows of every window, `most` together.
    pub fn rows(&self, row: usize, start: usize, most: usize) -> impl Iterator<Item = &[u8]> {
        let most = most / self.windows.len().max(1);
        self.windows.iter().flat_map(move |(pos, bytes)| {
            let skip = (start + row - (*pos % row as u64) as usize) % row;
            bytes.get(skip..).unwrap_or_default().chunks_exact(row).take(most)
        })
    }
}

/// A layout that may be the right one.
pub struct Candidate {
    /// Place of the first row.
    pub start: u64,
    /// The rows.
    pub layout: Layout,
    /// Whether its statistics leave little doubt.
    pub clear: bool,
}

/// Layouts that may be the right ones, the most promising first.
pub fn layouts(sample: &Sample) -> Vec<Candidate> {
    if sample.is_text() {
        return Vec::new();
    }
    let mut found: Vec<(u64, u64, Layout)> = Vec::new();
    let plain = plane_cost(sample, 1);
    let mut judged: Vec<(u64, usize)> =
        candidates(sample).into_iter().map(|s| (plane_cost(sample, s), s)).collect();
    judged.sort_unstable();
    // A multiple of a good row length is as good but for what it has to learn.
    let mut rows: Vec<usize> = Vec::new();
    for &(cost, s) in &judged {
        if cost < plain && rows.len() < 3 && !rows.iter().any(|r| s % r == 0) {
            rows.push(s);
        }
    }
    for &row in &rows {
        let (start, layout, cost) = fields::best(sample, row);
        let before = found.len();
        for (scalar, big) in UNIFORM {
            if let Some((layout, alike)) = fields::alike(sample, row, scalar, big)
                && alike / 33 <= cost / 32
            {
                add(&mut found, alike, 0, layout);
            }
        }
        if found.len() == before {
            add(&mut found, cost, start as u64, layout);
        }
    }
    // One long column of each type, where its cells look like it.
    for (scalar, big) in UNIFORM {
        if let Some(cost) = fields::uniform(sample, scalar, big) {
            let mut layout = Layout { fields: vec![Field::one("", scalar, big)] };
            fields::name(&mut layout);
            add(&mut found, cost, 0, layout);
        }
    }
    found.sort_by_key(|f| f.0);
    let best = found.first().map_or(0, |f| f.0);
    found.retain(|f| f.0 < plain && f.0 <= best + best / 16);
    let clear = |cost| cost < plain / 8 * 7;
    let candidate = |(cost, start, layout)| Candidate { start, layout, clear: clear(cost) };
    found.into_iter().map(candidate).collect()
}

/// Types of rows in which all fields are alike.
const UNIFORM: [(Scalar, bool); 9] = [
    (Scalar::F32, false),
    (Scalar::F32, true),
    (Scalar::F64, false),
    (Scalar::F64, true),
    (Scalar::U32, false),
    (Scalar::U32, true),
    (Scalar::U16, false),
    (Scalar::U16, true),
    (Scalar::U64, false),
];

/// Adds a layout that is not there yet, and beside it the same rows as one column of arrays.
fn add(found: &mut Vec<(u64, u64, Layout)>, cost: u64, start: u64, layout: Layout) {
    if layout.fields.is_empty() || found.iter().any(|f| f.1 == start && f.2 == layout) {
        return;
    }
    if let Some(array) = as_array(&layout) {
        found.push((cost, start, array));
    }
    found.push((cost, start, layout));
}

/// The same rows as one column with an inner shape, where all fields are alike.
fn as_array(layout: &Layout) -> Option<Layout> {
    let (first, rest) = layout.fields.split_first()?;
    if rest.len() < 15 || rest.iter().any(|f| (f.scalar, f.big) != (first.scalar, first.big)) {
        return None;
    }
    let mut array = Layout { fields: vec![first.clone().array(&[layout.fields.len() as u32])] };
    fields::name(&mut array);
    Some(array)
}

/// Row lengths worth judging.
fn candidates(sample: &Sample) -> Vec<usize> {
    let mut out = repeats(sample);
    for width in [8, 4, 2] {
        out.extend(multiples(sample, width));
    }
    out.sort_unstable();
    out.dedup();
    out.retain(|&s| s * 8 <= sample.len());
    out
}

/// Rows of cells of one width whose columns differ: in which the leading bytes, that say most, are
/// cheapest when each place of the row has its own statistics.
fn multiples(sample: &Sample, width: usize) -> Vec<usize> {
    let Some((pos, bytes)) = sample.windows.first() else { return Vec::new() };
    let skip = (width - (pos % width as u64) as usize) % width;
    let bytes = bytes.get(skip..).unwrap_or_default();
    let plane = |k: usize| bytes.iter().copied().skip(k).step_by(width);
    let cost = |plane: &mut dyn Iterator<Item = u8>, row: usize| {
        let mut counts = Counts::new(row);
        plane.enumerate().for_each(|(i, b)| counts.add(i % row, b));
        counts.cost()
    };
    // The cheapest plane that is not constant.
    let planes = (0..width).map(|k| (cost(&mut plane(k), 1), k));
    let least = bytes.len() as u64 / width as u64 * BIT / 8;
    let Some((alone, leading)) = planes.filter(|p| p.0 > least).min() else { return Vec::new() };
    let rows = 2..=(MAX_ROW / width).min(256);
    let mut costs: Vec<(u64, usize)> =
        rows.map(|row| (cost(&mut plane(leading), row), row * width)).collect();
    costs.sort_unstable();
    costs.into_iter().filter(|c| c.0 < alone).take(4).map(|c| c.1).collect()
}

/// At which distances bytes repeat most, and the usual small ones.
fn repeats(sample: &Sample) -> Vec<usize> {
    let mut score = vec![0u64; MAX_ROW + 1];
    for (_, bytes) in sample.windows.iter().take(2) {
        let bytes = &bytes[..bytes.len().min(WINDOW as usize / 2)];
        for (lag, score) in score.iter_mut().enumerate().skip(1) {
            let ahead: &[u8] = bytes.get(lag..).unwrap_or_default();
            if ahead.len() < lag * 4 {
                break;
            }
            let equal = bytes.iter().zip(ahead).filter(|(a, b)| a == b).count() as u64;
            *score += (equal << 20) / ahead.len().max(1) as u64;
        }
    }
    let mut order: Vec<usize> = (1..=MAX_ROW).collect();
    order.sort_by_key(|&lag| (std::cmp::Reverse(score[lag]), lag));
    let mut out: Vec<usize> = Vec::new();
    for &lag in order.iter().take_while(|&&lag| score[lag] > 0) {
        if out.len() >= JUDGED {
            break;
        }
        out.push(lag);
    }
    out.extend([1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64]);
    // The period may be a divisor of what repeats best.
    for i in 0..JUDGED.min(out.len()) {
        let s = out[i];
        out.extend([2, 3, 5, 7].into_iter().filter(|d| s.is_multiple_of(*d)).map(|d| s / d));
    }
    out
}

/// Cost of the sample when each place of a row has its own statistics: of its bytes, or of their
/// differences from the row before, whichever is less.
fn plane_cost(sample: &Sample, row: usize) -> u64 {
    let (mut plain, mut delta) = (Counts::new(row), Counts::new(row));
    for (pos, bytes) in &sample.windows {
        let mut place = (pos % row as u64) as usize;
        for (i, &b) in bytes.iter().enumerate() {
            let before = if i >= row { bytes[i - row] } else { 0 };
            plain.add(place, b);
            delta.add(place, b.wrapping_sub(before));
            place += 1;
            if place == row {
                place = 0;
            }
        }
    }
    plain.costs().zip(delta.costs()).map(|(a, b)| a.min(b)).sum::<u64>() + row as u64 * 16 * BIT
}
