//! Combs: the values that a channel can take when its numbers are steps of its own, and how many of them lie below a boundary.
//!
//! A channel's values are `n x step + offset` (n an integer), rounded to the nearest cell. With edge(k) = (value of key k - 1) / 2 +
//! (value of key k) / 2 (infinity, with the sign of k, where that is no number), G(k) = the integer at or below (edge(k) - offset) x (1 / step): the teeth below key k; a key is a tooth where
//! G(k + 1) > G(k). Keys are those of `transform/keys.rs` ([`Map::Ordered`](crate::transform::keys::Map)), without the dead bits.
//!
//! Finding them: a few channels are looked at for all steps there may be, by how well the phases of their finest values agree; the others
//! for steps near those. Then the lines are fitted, first near the middle, and moved to the middle of what all cells allow.

use crate::column::Scalar;

/// Cells as places on the line of numbers.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Type of the cells: floats.
    pub scalar: Scalar,
    /// Low bits that are zero in all cells.
    pub dead: u32,
}

impl Scale {
    /// The number of a key; 0 for keys that no cell has.
    #[inline(always)]
    pub fn value(&self, key: u64) -> f64 {
        let bits = self.scalar.width() as u32 * 8 - self.dead;
        let top = 1u64 << (bits - 1);
        let high = if key & top != 0 { key ^ top } else { !key & (top | (top - 1)) };
        let pattern = high << self.dead;
        match self.scalar {
            Scalar::F32 => f64::from(f32::from_bits(pattern as u32)),
            _ => f64::from_bits(pattern),
        }
    }

    /// The boundary below a key.
    #[inline(always)]
    pub fn edge(&self, key: u64) -> f64 {
        let edge = self.value(key.saturating_sub(1)) * 0.5 + self.value(key) * 0.5;
        if !edge.is_nan() {
            return edge;
        }
        // In their order such keys lie beyond the infinities.
        let top = 1u64 << (self.scalar.width() as u32 * 8 - self.dead - 1);
        if key >= top { f64::INFINITY } else { f64::NEG_INFINITY }
    }
}

/// A comb.
#[derive(Debug, Clone, Copy)]
pub struct Comb {
    offset: f64,
    inverse: f64,
}

impl Comb {
    /// With teeth at `n x step + offset`.
    pub fn new(step: f64, offset: f64) -> Comb {
        Comb { offset, inverse: 1.0 / step }
    }

    /// Number of the first tooth at or above a boundary, less one.
    #[inline(always)]
    pub fn below(&self, edge: f64) -> i64 {
        let x = (edge - self.offset) * self.inverse;
        let n = x as i64; // towards zero; saturates, NaN gives 0
        n.saturating_sub(i64::from(n as f64 > x))
    }
}

/// What a channel's cells allow: each between two boundaries.
pub struct Cells {
    low: Vec<f64>,
    high: Vec<f64>,
    value: Vec<f64>,
}

impl Cells {
    /// From keys.
    pub fn new(keys: &[u64], scale: Scale) -> Cells {
        Cells {
            low: keys.iter().map(|&k| scale.edge(k)).collect(),
            high: keys.iter().map(|&k| scale.edge(k + 1)).collect(),
            value: keys.iter().map(|&k| scale.value(k)).collect(),
        }
    }

    fn len(&self) -> usize {
        self.value.len()
    }

    fn width(&self, i: usize) -> f64 {
        self.high[i] - self.low[i]
    }

    /// Whether a cell is a tooth.
    fn is_tooth(&self, comb: &Comb, i: usize) -> bool {
        comb.below(self.high[i]) > comb.below(self.low[i])
    }

    /// Cells that are no teeth.
    pub fn off(&self, comb: &Comb) -> usize {
        (0..self.len()).filter(|&i| !self.is_tooth(comb, i)).count()
    }

    /// About how many bits the teeth save, where a cell's neighbours have the same chance.
    pub fn saves(&self, step: f64) -> f64 {
        (0..self.len()).map(|i| log2(step / self.width(i).max(1e-300)).max(0.0)).sum()
    }
}

/// About the binary logarithm.
fn log2(x: f64) -> f64 {
    let bits = x.to_bits();
    let e = (bits >> 52 & 0x7ff) as f64 - 1023.0;
    e + f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52) - 1.0
}

/// A line through the teeth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Distance of teeth.
    pub step: f64,
    /// Where tooth 0 is.
    pub offset: f64,
}

/// Cells below which phases agree by chance.
pub const FEWEST: usize = 24;
/// Channels that are looked at for all steps.
const LOOKS: usize = 12;
/// Values whose phases are compared.
const POINTS: usize = 40;
/// Most steps that are tried in a channel.
const TRIED: f64 = 4000.0;
/// How well phases must agree.
const AGREE: f32 = 0.6;

/// The combs of channels; none where only chance has made some.
pub fn find(channels: &[Option<Cells>]) -> Vec<Option<Line>> {
    let mut found = vec![None; channels.len()];
    let live: Vec<usize> =
        (0..channels.len()).filter(|&k| channels[k].as_ref().is_some_and(|c| c.len() >= FEWEST)).collect();
    let looks: Vec<usize> = match live.len() {
        n if n <= LOOKS => live.clone(),
        n => (0..LOOKS).map(|i| live[i * n / LOOKS]).collect(),
    };
    let line = |k: usize, near: Option<(f64, f64)>| channels[k].as_ref().and_then(|c| fit(c, near));
    let mut steps: Vec<f64> = looks.iter().filter_map(|&k| Some(line(k, None)?.step)).collect();
    if steps.len() * 3 < looks.len() || steps.is_empty() {
        return found;
    }
    steps.sort_by(f64::total_cmp);
    // Some may be chance: not those in the middle.
    let (a, b) = (steps[steps.len() / 6], steps[steps.len() - 1 - steps.len() / 6]);
    for k in live {
        found[k] = line(k, Some((a * 0.75, b * 1.25)));
    }
    found
}

/// The comb of a channel, with a step between two, or any.
fn fit(cells: &Cells, near: Option<(f64, f64)>) -> Option<Line> {
    let mut order: Vec<usize> = (0..cells.len()).filter(|&i| cells.value[i].is_finite()).collect();
    order.sort_by(|&a, &b| cells.width(a).total_cmp(&cells.width(b)).then(a.cmp(&b)));
    order.truncate((order.len() * 2 / 3).min(POINTS));
    let usual = cells.width(*order.get(order.len() / 2)?);
    // The points nearest to each other, so that few steps have to be tried.
    order.sort_by(|&a, &b| cells.value[a].total_cmp(&cells.value[b]));
    let (mut first, mut count) = (0, order.len());
    let (from, distance, tries) = loop {
        let span = cells.value[order[first + count - 1]] - cells.value[order[first]];
        if span.is_nan() || span <= 0.0 || span.is_infinite() || usual <= 0.0 {
            return None;
        }
        let (least, most) = near.unwrap_or((1.5 * usual, span / 4.0));
        let (from, to, distance) = (1.0 / most, 1.0 / least, 0.25 / span);
        let tries = (to - from) / distance;
        if tries <= TRIED || count <= 14 {
            break (from, distance, tries.min(TRIED));
        }
        count = count * 3 / 4;
        let spans = (0..=order.len() - count)
            .map(|f| (cells.value[order[f + count - 1]] - cells.value[order[f]], f))
            .filter(|s| s.0 > 0.0);
        first = spans.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))?.1;
    };
    let points = &order[first..first + count];
    let center = cells.value[points[count / 2]];
    let near: Vec<f32> = points.iter().map(|&i| (cells.value[i] - center) as f32).collect();
    let mut best = (0.0f32, 0.0f64);
    for k in 0..tries.max(0.0) as u32 + 1 {
        let frequency = from + f64::from(k) * distance;
        let s = agreement(&near, frequency as f32);
        if s > best.0 {
            best = (s, frequency);
        }
    }
    if best.0 < AGREE * AGREE * (count * count) as f32 {
        return None;
    }
    refine(cells, 1.0 / best.1, center)
}

/// Square of the sum of unit vectors with the phases of the points.
fn agreement(points: &[f32], frequency: f32) -> f32 {
    const HALF: f32 = 12_582_912.0; // 1.5 x 2^23: to the next integer
    let (mut c, mut s) = ([0.0f32; 4], [0.0f32; 4]);
    let mut one = |k: usize, v: f32| {
        let x = v * frequency;
        let t = x - ((x + HALF) - HALF);
        let y = x + 0.25;
        let u = y - ((y + HALF) - HALF);
        // parabolas are near enough to waves
        s[k] += 8.0 * t - 16.0 * t * t.abs();
        c[k] += 8.0 * u - 16.0 * u * u.abs();
    };
    let fours = points.chunks_exact(4);
    fours.remainder().iter().for_each(|&v| one(0, v));
    for four in fours {
        for (k, &v) in four.iter().enumerate() {
            one(k, v);
        }
    }
    let (c, s) = (c.iter().sum::<f32>(), s.iter().sum::<f32>());
    c * c + s * s
}

fn nearest(x: f64) -> f64 {
    (x + 0.5).floor()
}

/// From about the right step to what all cells allow.
fn refine(cells: &Cells, step: f64, center: f64) -> Option<Line> {
    let mut order: Vec<usize> =
        (0..cells.len()).filter(|&i| cells.width(i) < 0.9 * step && cells.value[i].is_finite()).collect();
    if order.len() < FEWEST / 2 {
        return None;
    }
    let far = |i: usize| (cells.value[i] - center).abs();
    order.sort_by(|&a, &b| far(a).total_cmp(&far(b)).then(a.cmp(&b)));
    // The offset at which most values of the middle are teeth.
    let middle = &order[..order.len().min(POINTS) * 2 / 3];
    let off = |o: f64| {
        let d = |&i: &usize| {
            let x = (cells.value[i] - center - o) / step;
            (x - nearest(x)).abs()
        };
        middle.iter().map(d).sum::<f64>()
    };
    let offsets = (0..32).map(|k| step * f64::from(k) / 32.0);
    let offset = offsets.min_by(|&a, &b| off(a).total_cmp(&off(b)))?;
    let mut line = Line { step, offset };
    let mut count = order.len().min(12);
    loop {
        for _ in 0..3 {
            line = least_squares(cells, &order[..count], line, center)?;
        }
        if count == order.len() {
            break;
        }
        count = (count * 3 / 2).min(order.len());
    }
    if !(line.step > 0.0 && line.step < 2.0 * step && line.step > 0.5 * step) {
        return None;
    }
    // The step for which what all allow of the offset is widest; that is a concave function of it.
    let numbers: Vec<f64> =
        order.iter().map(|&i| nearest((cells.value[i] - center - line.offset) / line.step)).collect();
    let allowed = |step: f64| {
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for (&i, n) in order.iter().zip(&numbers) {
            low = low.max(cells.low[i] - center - n * step);
            high = high.min(cells.high[i] - center - n * step);
        }
        (low, high)
    };
    let most = numbers.iter().fold(1.0, |m: f64, n| m.max(n.abs()));
    let (mut a, mut b) = (line.step - line.step / most, line.step + line.step / most);
    for _ in 0..60 {
        let (p, q) = (a + (b - a) / 3.0, b - (b - a) / 3.0);
        let wide = |s: f64| {
            let (low, high) = allowed(s);
            high - low
        };
        if wide(p) < wide(q) { a = p } else { b = q }
    }
    let step = a * 0.5 + b * 0.5;
    let (low, high) = allowed(step);
    if high > low {
        line = Line { step, offset: low * 0.5 + high * 0.5 };
    }
    Some(Line { step: line.step, offset: line.offset + center })
}

fn least_squares(cells: &Cells, some: &[usize], line: Line, center: f64) -> Option<Line> {
    let (mut w, mut wn, mut wnn, mut wv, mut wnv) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for &i in some {
        let v = cells.value[i] - center;
        let n = nearest((v - line.offset) / line.step);
        // Cells far finer than the others say no more than these of the step.
        let width = cells.width(i).max(line.step / 256.0);
        let weight = 1.0 / (width * width);
        w += weight;
        wn += weight * n;
        wnn += weight * n * n;
        wv += weight * v;
        wnv += weight * n * v;
    }
    let det = w * wnn - wn * wn;
    if det.is_nan() || det <= 0.0 {
        return None;
    }
    let step = (w * wnv - wn * wv) / det;
    (step > 0.0).then_some(Line { step, offset: (wv - step * wn) / w })
}

/// How the numbers of lines are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grain {
    /// Step with number 0.
    pub least: f64,
    /// What a number more adds to the step.
    pub apart: f64,
    /// Bits of a step's number.
    pub step_bits: u32,
    /// Bits of an offset's number.
    pub offset_bits: u32,
}

/// Most bits of a number.
pub const MAX_BITS: u32 = 40;

impl Grain {
    /// The comb with two numbers.
    pub fn comb(&self, step: u64, offset: u64) -> Comb {
        let step = self.least + step as f64 * self.apart;
        Comb::new(step, offset as f64 * (1.0 / (1u64 << self.offset_bits) as f64) * step)
    }

    fn for_lines(lines: &[Option<Line>], step_bits: u32, offset_bits: u32) -> Option<Grain> {
        let steps = || lines.iter().flatten().map(|l| l.step);
        let (least, most) = (steps().reduce(f64::min)?, steps().reduce(f64::max)?);
        let apart = (most - least) / ((1u64 << step_bits) - 1) as f64;
        Some(Grain { least, apart, step_bits, offset_bits })
    }

    /// The numbers of the comb near a line that most cells fit, and how many do not.
    fn nearest(&self, cells: &Cells, line: Line) -> (u64, u64, usize) {
        let most = (1u64 << self.step_bits) - 1;
        let at = if self.apart > 0.0 { nearest((line.step - self.least) / self.apart) as u64 } else { 0 };
        let mut best = (0, 0, usize::MAX);
        for number in at.saturating_sub(1)..=at.saturating_add(1).min(most) {
            let step = self.least + number as f64 * self.apart;
            // About the middle of the values the line must stay where it is.
            let n = nearest((cells.value[0] - line.offset) / line.step);
            let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
            for i in (0..cells.len()).filter(|&i| cells.width(i) < 0.9 * step) {
                let n = nearest((cells.value[i] - line.offset) / line.step);
                low = low.max(cells.low[i] - n * step);
                high = high.min(cells.high[i] - n * step);
            }
            let middle =
                if high > low { low * 0.5 + high * 0.5 } else { line.offset + n * (line.step - step) };
            let x = middle / step;
            let parts = (1u64 << self.offset_bits) as f64;
            let offset = nearest((x - x.floor()) * parts) as u64 & ((1 << self.offset_bits) - 1);
            let off = cells.off(&self.comb(number, offset));
            if off < best.2 {
                best = (number, offset, off);
            }
        }
        best
    }
}

/// Of each channel the numbers of its comb.
type Numbers = Vec<Option<(u64, u64)>>;

/// A grain, and the numbers of each comb that pays.
pub fn numbers(channels: &[Option<Cells>], lines: &[Option<Line>]) -> Option<(Grain, Numbers)> {
    const GRAINS: [(u32, u32); 8] =
        [(8, 8), (10, 10), (12, 12), (14, 14), (16, 16), (20, 20), (26, 26), (36, 36)];
    let mut best: Option<(f64, Grain, Numbers)> = None;
    for (step_bits, offset_bits) in GRAINS {
        let grain = Grain::for_lines(lines, step_bits, offset_bits)?;
        let each = f64::from(step_bits + offset_bits);
        let mut gain = -128.0;
        let combs = channels.iter().zip(lines).map(|(cells, line)| {
            let (cells, line) = (cells.as_ref()?, (*line)?);
            let (step, offset, off) = grain.nearest(cells, line);
            let saved = cells.saves(line.step);
            let part = off as f64 / cells.len() as f64;
            let worth = saved * (1.0 - part) - off as f64 * 12.0 - each;
            if worth <= 8.0 {
                return None;
            }
            gain += worth;
            Some((step, offset))
        });
        let combs = combs.collect();
        match &best {
            // Finer ones only cost more.
            Some(b) if gain <= b.0 => break,
            _ if gain > 0.0 => best = Some((gain, grain, combs)),
            _ => {}
        }
    }
    best.map(|b| (b.1, b.2))
}
