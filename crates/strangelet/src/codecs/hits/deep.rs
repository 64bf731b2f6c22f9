//! Hits by context mixing: every voxel from those around it, in the order layer, pad, time.

use super::bundle::Visit;
use super::mask::{Gaps, Mask, Stretch};
use super::value::{Alphabet, Bell, Expected, Usual, Values};
use crate::entropy::binary::BitCoder;
use crate::error::{Result, corruption};
use crate::limits;
use crate::model::ridge::Ridge;

/// Sides of the array, slowest first: frames, layers, pads, times.
pub type Sides = [usize; 4];

/// What the writer found out about the hits.
#[derive(Clone)]
pub struct Habits {
    /// The values that there are.
    pub alphabet: Alphabet,
    /// A usual low value.
    pub base: u32,
    /// Scale of what is above it, x 16.
    pub unit: u32,
    /// Period of the lengths of runs; 0 for none.
    pub period: usize,
}

/// Cells before and behind a row.
pub const EDGE: usize = 4;
/// Rows before and behind a layer.
pub const NEAR: usize = 3;
/// Classes of values; 0 is no hit.
const CLASSES: usize = 16;

/// What is known of a layer.
pub struct Plane {
    pub stride: usize,
    /// Value above the base; 0 where there is no hit.
    pub x: Vec<f32>,
    /// Class of it.
    pub class: Vec<u8>,
    /// Place in the run + 1; 0 for no hit; at most 15.
    pub place: Vec<u8>,
    /// Class of the run's largest value.
    pub peak: Vec<u8>,
    /// Class of the error, 0 to 8.
    pub error: Vec<u8>,
    /// Hits as bits, and those of each row.
    pub words: usize,
    pub bits: Vec<u64>,
    pub hits: Vec<u32>,
}

impl Plane {
    fn new(pads: usize, times: usize) -> Self {
        let stride = times + 2 * EDGE;
        let n = stride * (pads + 2 * NEAR);
        let words = times.div_ceil(64);
        Plane {
            stride,
            x: vec![0.0; n],
            class: vec![0; n],
            place: vec![0; n],
            peak: vec![0; n],
            error: vec![4; n],
            words,
            bits: vec![0; words * (pads + 2 * NEAR)],
            hits: vec![0; pads + 2 * NEAR],
        }
    }

    fn clear(&mut self) {
        // Only what was used.
        let row = self.stride;
        for (r, n) in self.hits.iter_mut().enumerate() {
            if *n > 0 {
                *n = 0;
                self.x[r * row..][..row].fill(0.0);
                self.class[r * row..][..row].fill(0);
                self.place[r * row..][..row].fill(0);
                self.peak[r * row..][..row].fill(0);
                self.error[r * row..][..row].fill(4);
                self.bits[r * self.words..][..self.words].fill(0);
            }
        }
    }
}

const FEATURES: usize = 24;
const FEW: usize = 8;
const PHASES: usize = 16;

#[derive(Clone)]
struct Guess {
    full: Vec<Ridge<FEATURES>>,
    few: Vec<Ridge<FEW>>,
    tables: [Vec<Usual>; 4],
}

#[derive(Clone)]
pub struct Deep {
    habits: Habits,
    sides: Sides,
    mask: Mask,
    gaps: Gaps,
    values: Values,
    guess: Guess,
    unit: f32,
    active: Vec<u64>,
}

/// What a run has so far.
struct Run {
    start: usize,
    peak: u8,
    /// Products with the run of the pad before, and its squares.
    cross: f32,
    square: f32,
}

impl Deep {
    pub fn new(habits: Habits, sides: Sides) -> Self {
        let mut first = [0.0; FEATURES];
        first[1] = 0.5;
        first[4] = 0.25;
        let mut few = [0.0; FEW];
        few[1] = 0.5;
        few[3] = 0.25;
        Deep {
            unit: habits.unit as f32 / 16.0,
            habits,
            sides,
            mask: Mask::new(),
            gaps: Gaps::new(),
            values: Values::new(),
            guess: Guess {
                full: (0..PHASES).map(|_| Ridge::new(first, 1.0, 256, 0.98)).collect(),
                few: (0..PHASES).map(|_| Ridge::new(few, 1.0, 64, 0.9)).collect(),
                tables: std::array::from_fn(|_| vec![Usual::NONE; PHASES * 1024]),
            },
            active: Vec::new(),
        }
    }

    /// Walks through all that was learnt.
    pub fn visit<V: Visit>(&mut self, v: &mut V) -> Result<()> {
        self.mask.visit(v)?;
        self.gaps.visit(v)?;
        self.values.visit(v)?;
        for table in &mut self.guess.tables {
            v.usual(table)?;
        }
        for ridge in &mut self.guess.full {
            v.ridge(ridge)?;
        }
        for ridge in &mut self.guess.few {
            v.ridge(ridge)?;
        }
        Ok(())
    }

    /// Follows errors slowly, as what has learnt before.
    pub fn settle(&mut self) {
        self.mask.settle();
        self.gaps.settle();
        self.values.settle();
    }

    /// The same model before another array.
    pub fn before(&self, alphabet: Alphabet, sides: Sides) -> Deep {
        let mut next = self.clone();
        next.habits.alphabet = alphabet;
        next.sides = sides;
        next
    }

    /// The values that there were.
    pub fn alphabet(&self) -> &Alphabet {
        &self.habits.alphabet
    }

    /// Values of the next array.
    pub fn use_alphabet(&mut self, alphabet: Alphabet) {
        self.habits.alphabet = alphabet;
    }

    /// Codes all values, in either direction. `given` is empty for a decoder.
    pub fn code<C: BitCoder>(&mut self, c: &mut C, given: &[u32]) -> Result<Vec<u32>> {
        let [frames, layers, pads, times] = self.sides;
        let mut out = limits::reserve(frames * layers * pads * times);
        let mut planes: [Plane; 3] = std::array::from_fn(|_| Plane::new(pads, times));
        for _ in 0..frames {
            for plane in &mut planes {
                plane.clear();
            }
            for layer in 0..layers {
                planes.rotate_right(1);
                planes[0].clear();
                for pad in 0..pads {
                    let from = out.len();
                    out.resize(from + times, 0);
                    let truth = given.get(from..from + times).unwrap_or(&[]);
                    self.row(c, &mut planes, layer, pad, truth, &mut out[from..]);
                    if c.exhausted() {
                        return Err(corruption("hits: the payload ends too early"));
                    }
                }
            }
        }
        Ok(out)
    }

    fn row<C: BitCoder>(
        &mut self,
        c: &mut C,
        planes: &mut [Plane; 3],
        layer: usize,
        pad: usize,
        truth: &[u32],
        out: &mut [u32],
    ) {
        let times = out.len();
        let words = planes[0].words;
        let r = pad + NEAR;
        // Where something around makes hits likely.
        let mut active = std::mem::take(&mut self.active);
        active.clear();
        for w in 0..words {
            let grow = |plane: &Plane, r: usize, back: u32, ahead: u32| {
                let row = &plane.bits[r * words..][..words];
                let here = row[w];
                let before = if w > 0 { row[w - 1] } else { 0 };
                let after = row.get(w + 1).copied().unwrap_or(0);
                let mut a = here;
                for k in 1..=back {
                    a |= here << k | before >> (64 - k);
                }
                for k in 1..=ahead {
                    a |= here >> k | after << (64 - k);
                }
                a
            };
            let [p0, p1, _] = &*planes;
            active.push(grow(p0, r - 1, 0, 1) | grow(p1, r, 0, 1));
        }
        let next_active = |t: usize| {
            let mut w = t / 64;
            let mut x = active.get(w).copied().unwrap_or(0) & (!0u64 << (t % 64));
            while x == 0 {
                w += 1;
                match active.get(w) {
                    Some(&a) => x = a,
                    None => return times,
                }
            }
            (w * 64 + x.trailing_zeros() as usize).min(times)
        };
        let next_hit =
            |t: usize| truth[t.min(truth.len())..].iter().position(|&v| v != 0).map_or(times, |k| t + k);
        let mut t = 0;
        let mut last_end = 0usize;
        let mut last_peak = 0u8;
        let mut runs = 0usize;
        while t < times {
            let calm = next_active(t);
            if calm > t {
                // Nothing around: does a run start before something is?
                let hit = if truth.is_empty() { 0 } else { next_hit(t) };
                let stretch = Stretch {
                    from: t,
                    len: calm - t,
                    last: calm == times,
                    runs,
                    since: if runs == 0 { 15 } else { t - last_end },
                };
                match self.gaps.code(c, planes, layer, pad, &stretch, hit.wrapping_sub(t)) {
                    None => {
                        t = calm;
                        continue;
                    }
                    Some(k) => t += k,
                }
            } else {
                let bit = truth.get(t).is_some_and(|&v| v != 0);

                if !self.mask.start(c, bit, planes, layer, pad, t, last_end, last_peak) {
                    t += 1;
                    continue;
                }
            }
            // A run.
            runs += 1;
            let mut run = Run { start: t, peak: 0, cross: 0.0, square: 1.0 };
            loop {
                let v = self.value(c, planes, pad, t, &mut run, truth.get(t).copied().unwrap_or(0));
                out[t] = v;
                t += 1;
                if t == times {
                    break;
                }
                let bit = truth.get(t).is_some_and(|&v| v != 0);
                let phase = phase(t - run.start, self.habits.period);

                if !self.mask.go_on(c, bit, planes, pad, t, t - run.start, phase, run.peak) {
                    break;
                }
            }
            let i = r * planes[0].stride + EDGE;
            planes[0].peak[i + run.start..i + t].fill(run.peak);
            last_end = t;
            last_peak = run.peak;
            if t < times {
                // That this one is none is known.
                t += 1;
            }
        }
        self.active = active;
    }

    #[allow(clippy::too_many_arguments)]
    fn value<C: BitCoder>(
        &mut self,
        c: &mut C,
        planes: &mut [Plane; 3],
        pad: usize,
        t: usize,
        run: &mut Run,
        truth: u32,
    ) -> u32 {
        let [p0, p1, p2] = planes;
        let stride = p0.stride;
        let i = (pad + NEAR) * stride + EDGE + t;
        let up = i - stride;
        let k = t - run.start;
        let phase = phase(k, self.habits.period);
        let unit = self.unit;
        let share = run.cross / run.square;
        let share = if share < 4.0 { share } else { 4.0 };
        let (u0, u1) = (p0.x[up], p0.x[up - 1]);
        let (a, b) = (p0.x[i - 1], p0.x[i - 2]);
        let w0 = p0.x[up - stride];
        let (l0, l1) = (p1.x[i], p1.x[i - 1]);
        let x = [
            unit,
            a,
            b,
            p0.x[i - 3],
            u0,
            u1,
            p0.x[up - 2],
            p0.x[up + 1],
            w0,
            p0.x[up - stride - 1],
            p0.x[up - stride + 1],
            l0,
            l1,
            p1.x[i + 1],
            p1.x[i + 2],
            p1.x[i - stride],
            p2.x[i],
            a * ratio(u0, u1, unit),
            a * ratio(l0, l1, unit),
            a * ratio(a, b, unit),
            a * ratio(w0, p0.x[up - stride - 1], unit),
            b * ratio(u0, p0.x[up - 2], unit),
            l0 * ratio(u0, p1.x[i - stride], unit),
            if p0.class[up] > 0 { 0.0 } else { unit },
        ];
        let few = [unit, a, b, u0, u1, p0.x[up + 1], l0, share * u0];
        let base = self.habits.base as f32;
        let e = self.guess.full[phase].predict(&x);
        let f = self.guess.few[phase].predict(&few);
        let low = -2.0 * unit;
        let e = if e > low { e } else { low };
        let high = 3e9;
        let e = if e < high { e } else { high };
        let f = if f > low { f } else { low };
        let f = if f < high { f } else { high };
        let (k1, k2) = (p0.class[i - 1] as usize, p0.class[i - 2] as usize);
        let (c0, c1) = (p0.class[up] as usize, p0.class[up + 1] as usize);
        let d0 = p1.class[i] as usize;
        let q = class((e + unit) / unit * 0.5) as usize;
        let place = shape_of(p0, up);
        let (e1, eu) = (p0.error[i - 1] as usize, p0.error[up] as usize);
        let cells = [
            phase * 1024 + fine(e, unit),
            phase * 1024 + (e1 * 9 + eu) * 8 + q / 2,
            phase * 1024 + (d0 * 16 + c1) * 2 + usize::from(c0 > 0),
            phase * 1024 + k1 * 16 + k2,
        ];
        // What the neighbours' sizes let fear.
        let prior = {
            let g = a + u0 + e + unit;
            let g = if g > 0.0 { g } else { 0.0 };
            unit * 1.0 + g * 0.15
        };
        let table = &mut self.guess.tables;
        let own = table[0][cells[0]].of(prior, 4.0);
        let size = own.1;
        let set = |middle: f32, size: f32, wide: bool| {
            let least = 0.02 * unit;
            Bell { middle: base + middle, inverse: 1.0 / (if size > least { size } else { least }), wide }
        };
        let by = |j: usize| table[j][cells[j]].of(size, 4.0);
        let (s1, s2, s3) = (by(1), by(2), by(3));
        let bells = [
            set(e, size, true),
            set(e + s1.0, s1.1, false),
            set(e + s2.0, s2.1, false),
            set(f + s3.0, s3.1, false),
        ];
        let middle = e + own.0;
        let sized = class(size / unit * 4.0) as usize;
        let over = (middle + unit) / unit;
        let near = (((if over > 0.0 { over } else { 0.0 }) * 4.0) as i32).min(63) as usize;
        let contexts =
            [(phase.min(7)) * 64 + near, k1 * 16 + c0, e1 * 9 + eu + 81 * phase.min(5), place * 16 + phase];
        let expected = Expected { bells, middle: base + middle, size, contexts, set: sized * 16 + q };
        let alphabet = &self.habits.alphabet;

        let symbol = self.values.code(c, alphabet.symbol(truth), alphabet, &expected);
        let v = alphabet.value(symbol);
        // Learns it.
        let y = v as f32 - base;
        let error = y - e;
        for j in 0..3 {
            table[j][cells[j]].update(error, 255.0);
        }
        table[3][cells[3]].update(y - f, 255.0);
        let weight = 1.0 / (size * size);
        self.guess.full[phase].update(&x, y, weight);
        self.guess.few[phase].update(&few, y, weight);
        let z = error / size;
        let z = if z > -4.0 { z } else { -4.0 };
        let z = if z < 4.0 { z } else { 4.0 };
        p0.error[i] = ((z + 4.5) as usize).min(8) as u8;
        p0.x[i] = y;
        let cl = class((y + unit) / unit * 0.5).max(1);
        p0.class[i] = cl;
        p0.place[i] = (k + 1).min(15) as u8;
        run.peak = run.peak.max(cl);
        run.cross += (y + unit) * p0.x[up];
        run.square += p0.x[up] * p0.x[up];
        let r = pad + NEAR;
        p0.bits[r * p0.words + t / 64] |= 1 << (t % 64);
        p0.hits[r] += 1;
        v
    }
}

/// About a / b, where both are more than noise.
#[inline(always)]
fn ratio(a: f32, b: f32, unit: f32) -> f32 {
    let b = if b > 0.0 { b } else { 0.0 };
    let r = a / (b + 4.0 * unit);
    let r = if r < 4.0 { r } else { 4.0 };
    if r > 0.0 { r } else { 0.0 }
}

/// Steps of an expectation: linear, then by powers.
#[inline(always)]
fn fine(e: f32, unit: f32) -> usize {
    let x = (e + 2.0 * unit) / unit * 2.0;
    let x = if x > 0.0 { x } else { 0.0 };
    if x < 16.0 { x as usize } else { (16 + class(x / 16.0) as usize * 2).min(63) }
}

/// Place in a run as the habits know it, below 16.
#[inline(always)]
fn phase(k: usize, period: usize) -> usize {
    if period == 0 || k < period { k.min(15) } else { (k % period + period).min(15) }
}

/// Class of a value of at least 0: 1 to 15, about 1.4 steps an octave.
#[inline(always)]
fn class(x: f32) -> u8 {
    let x = x + 1.0;
    let e = (x.to_bits() >> 22) as i32 - (127 << 1);
    (1 + e).clamp(1, CLASSES as i32 - 1) as u8
}

/// How the run of the row before lies at a time: its place there, or how long until it starts, or since it ended.
#[inline(always)]
pub fn shape_of(p: &Plane, at: usize) -> usize {
    let k = p.place[at] as usize;
    if k > 0 {
        k
    } else if p.place[at + 1] > 0 {
        16
    } else if p.place[at - 1] > 0 {
        17
    } else if p.place[at + 2] > 0 {
        18
    } else if p.place[at - 2] > 0 {
        19
    } else {
        0
    }
}
