//! Hits by context mixing: every voxel from those around it, in the order layer, pad, time.

use super::bundle::Visit;
use super::mask::{Gaps, Mask, Stretch};
use super::plane::{Cell, HERE, NEAR, Plane, Window, shape_of};
use super::rows::Rows;
use super::value::{Alphabet, BELLS, Bells, Expected, Usual, Values};
use crate::entropy::binary::{BitCoder, Encoder};
use crate::error::{Result, corruption};
use crate::infer::math::log2;
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

/// Classes of values; 0 is no hit.
const CLASSES: usize = 16;

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

/// How far a walk through an array is.
pub struct At {
    planes: [Plane; 3],
    /// What came of a row.
    cells: Vec<u32>,
    row: usize,
    /// Hits so far.
    pub hits: usize,
    /// In a trial: rows with nothing around, which are left out where they are empty.
    calm: Option<Calm>,
}

/// Rows with nothing around, and those of them in which a run starts.
#[derive(Clone, Copy, Default)]
struct Calm {
    rows: u32,
    starts: u32,
}

impl Calm {
    /// Bits that it takes to tell which are which.
    fn bits(self) -> u64 {
        let [all, some] = [self.rows, self.starts].map(f64::from);
        let of = |n: f64| if n > 0.0 { n * (log2(all) - log2(n)) } else { 0.0 };
        (of(some) + of(all - some)) as u64
    }
}

/// What a hit counts as, in empty rows.
pub const HIT: usize = 8;

/// A part of a walk through an array.
struct Walk<'a, C: BitCoder> {
    deep: &'a mut Deep,
    c: &'a mut C,
    rows: &'a mut dyn Rows,
    at: &'a mut At,
    until: usize,
}

impl<C: BitCoder> pulp::WithSimd for Walk<'_, C> {
    type Output = Result<bool>;

    // All that is called in it is compiled for the registers, too, as far as it is inlined.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Result<bool> {
        self.deep.walk(self.c, self.rows, self.at, self.until)
    }
}

/// What a run has so far.
struct Run {
    start: usize,
    /// The place in it, as the habits know it.
    phase: Phase,
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

    /// Walks through what was learnt of places.
    pub fn visit_places<V: Visit>(&mut self, v: &mut V) -> Result<()> {
        self.mask.visit(v)?;
        self.gaps.visit(v)
    }

    /// Walks through all that was learnt.
    pub fn visit<V: Visit>(&mut self, v: &mut V) -> Result<()> {
        self.visit_places(v)?;
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

    /// Follows errors of places slowly.
    pub fn settle_places(&mut self) {
        self.mask.settle();
        self.gaps.settle();
    }

    /// Follows errors slowly, as what has learnt before.
    pub fn settle(&mut self) {
        self.settle_places();
        self.values.settle();
    }

    /// Renews least squares seldom, as what has learnt before.
    pub fn settle_guesses(&mut self) {
        self.guess.full.iter_mut().for_each(Ridge::settle);
        self.guess.few.iter_mut().for_each(Ridge::settle);
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

    /// Before the first row.
    pub fn at_start(&self) -> At {
        let [.., pads, times] = self.sides;
        At {
            planes: std::array::from_fn(|_| Plane::new(pads, times)),
            cells: vec![0; times],
            row: 0,
            hits: 0,
            calm: None,
        }
    }

    /// About how many bits rows take. Empty ones with nothing around, of which sparse frames have many, are counted, not coded.
    pub fn try_out(&mut self, rows: &mut dyn Rows) -> Result<u64> {
        let mut at = self.at_start();
        at.calm = Some(Calm::default());
        let mut coder = Encoder::new();
        self.go_on(&mut coder, rows, &mut at, usize::MAX)?;
        Ok(coder.bits() + at.calm.map_or(0, Calm::bits))
    }

    /// Codes all rows, in either direction.
    pub fn code<C: BitCoder>(&mut self, c: &mut C, rows: &mut dyn Rows) -> Result<()> {
        let mut at = self.at_start();
        self.go_on(c, rows, &mut at, usize::MAX).map(|_| ())
    }

    /// Codes rows until so much is done (rows, and [`HIT`] for each hit), with registers of eight numbers where there are any
    /// (wider ones are slower here): they do the same. Whether that was all.
    pub fn go_on<C: BitCoder>(
        &mut self,
        c: &mut C,
        rows: &mut dyn Rows,
        at: &mut At,
        until: usize,
    ) -> Result<bool> {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        if let Some(simd) = pulp::x86::V3::try_new() {
            return pulp::Simd::vectorize(simd, Walk { deep: self, c, rows, at, until });
        }
        self.walk(c, rows, at, until)
    }

    #[inline(always)]
    fn walk<C: BitCoder>(
        &mut self,
        c: &mut C,
        rows: &mut dyn Rows,
        at: &mut At,
        until: usize,
    ) -> Result<bool> {
        let [frames, layers, pads, _] = self.sides;
        let all = frames * layers * pads;
        let At { planes, cells, row, hits, calm } = at;
        while *row < all && *row + HIT * *hits < until {
            let (pad, layer) = (*row % pads, *row / pads % layers);
            if pad == 0 {
                if layer == 0 {
                    planes.iter_mut().for_each(Plane::clear);
                }
                planes.rotate_right(1);
            }
            planes[0].clear_row(pad + NEAR);
            planes[1].warm(pad + NEAR + 1);
            planes[2].warm(pad + NEAR);
            let truth = rows.given(*row);
            if let Some(calm) = calm
                && nothing_around(planes, pad)
            {
                let starts = truth.iter().any(|&v| v != 0);
                calm.rows += 1;
                calm.starts += u32::from(starts);
                if !starts {
                    *row += 1;
                    continue;
                }
            }
            self.row(c, planes, layer, pad, truth, cells);
            if c.exhausted() {
                return Err(corruption("hits: the payload ends too early"));
            }
            let own = planes[0].hits(pad + NEAR) as usize;
            if own > 0 {
                rows.take(*row, planes[0].marks(pad + NEAR), cells);
            }
            *row += 1;
            *hits += own;
        }
        Ok(*row == all)
    }

    #[inline(always)]
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
        let r = pad + NEAR;
        // Where something around makes hits likely: a hit in the pad or the layer before, now or at the next time.
        let mut active = std::mem::take(&mut self.active);
        active.clear();
        let (up, below) = (planes[0].marks(r - 1), planes[1].marks(r));
        for (up, below) in up.windows(2).zip(below.windows(2)).skip(1) {
            let (here, next) = (up[0] | below[0], up[1] | below[1]);
            active.push(here | here >> 1 | next << 63);
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
        let next_hit = |t: usize| {
            let rest = &truth[t.min(truth.len())..];
            // Sixteen at a time: most are none.
            let calm = rest.chunks_exact(16).take_while(|part| part.iter().fold(0, |all, v| all | v) == 0);
            let from = calm.count() * 16;
            rest[from..].iter().position(|&v| v != 0).map_or(times, |k| t + from + k)
        };
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
            let mut run =
                Run { start: t, phase: Phase::new(self.habits.period), peak: 0, cross: 0.0, square: 1.0 };
            loop {
                let v = self.value(c, planes, pad, t, &mut run, truth.get(t).copied().unwrap_or(0));
                out[t] = v;
                t += 1;
                if t == times {
                    break;
                }
                let bit = truth.get(t).is_some_and(|&v| v != 0);
                run.phase.step();
                let phase = run.phase.get();

                if !self.mask.go_on(c, bit, planes, pad, t, t - run.start, phase, run.peak) {
                    break;
                }
            }
            planes[0].crown(r, run.start, t, run.peak);
            last_end = t;
            last_peak = run.peak;
            if t < times {
                // That this one is none is known.
                t += 1;
            }
        }
        self.active = active;
    }

    #[inline(always)]
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
        let r = pad + NEAR;
        let [p0, p1, p2] = planes;
        let (own, up, far) = (p0.window(r, t), p0.window(r - 1, t), p0.window(r - 2, t));
        let (layer, beside, deep) = (p1.window(r, t), p1.window(r - 1, t), p2.window(r, t));
        let k = t - run.start;
        let phase = run.phase.get();
        let unit = self.unit;
        let share = run.cross / run.square;
        let share = if share < 4.0 { share } else { 4.0 };
        let (a, b) = (own[HERE - 1].x, own[HERE - 2].x);
        let (u0, u1, u2, ahead) = (up[HERE].x, up[HERE - 1].x, up[HERE - 2].x, up[HERE + 1].x);
        let (w0, w1) = (far[HERE].x, far[HERE - 1].x);
        let (l0, l1, s0) = (layer[HERE].x, layer[HERE - 1].x, beside[HERE].x);
        let rising = ratios([u0, l0, a, w0, u0, u0, 0.0, 0.0], [u1, l1, b, w1, u2, s0, 0.0, 0.0], unit);
        let x = [
            unit,
            a,
            b,
            own[HERE - 3].x,
            u0,
            u1,
            u2,
            ahead,
            w0,
            w1,
            far[HERE + 1].x,
            l0,
            l1,
            layer[HERE + 1].x,
            layer[HERE + 2].x,
            s0,
            deep[HERE].x,
            a * rising[0],
            a * rising[1],
            a * rising[2],
            a * rising[3],
            b * rising[4],
            l0 * rising[5],
            if up[HERE].class > 0 { 0.0 } else { unit },
        ];
        let few = [unit, a, b, u0, u1, ahead, l0, share * u0];
        let base = self.habits.base as f32;
        let e = self.guess.full[phase].predict(&x);
        let f = self.guess.few[phase].predict(&few);
        let low = -2.0 * unit;
        let e = if e > low { e } else { low };
        let high = 3e9;
        let e = if e < high { e } else { high };
        let f = if f > low { f } else { low };
        let f = if f < high { f } else { high };
        let class_of = |w: &Window, at: usize| (w[at].class & 15) as usize;
        let (k1, k2) = (class_of(own, HERE - 1), class_of(own, HERE - 2));
        let (c0, c1) = (class_of(up, HERE), class_of(up, HERE + 1));
        let d0 = class_of(layer, HERE);
        let q = class((e + unit) / unit * 0.5) as usize;
        let place = shape_of(up, p0.marked(r - 1, t, 2, 5));
        let (e1, eu) = (own[HERE - 1].error as usize, up[HERE].error as usize);
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
        let by = |j: usize| table[j][cells[j]].of(size, 4.0);
        let (s1, s2, s3) = (by(1), by(2), by(3));
        let least = 0.02 * unit;
        let mut bells =
            Bells { middle: [e, e + s1.0, e + s2.0, f + s3.0], inverse: [size, s1.1, s2.1, s3.1] };
        for b in 0..BELLS {
            bells.middle[b] += base;
            let size = bells.inverse[b];
            bells.inverse[b] = 1.0 / (if size > least { size } else { least });
        }
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
        let class = class((y + unit) / unit * 0.5).max(1);
        run.peak = run.peak.max(class);
        run.cross += (y + unit) * u0;
        run.square += u0 * u0;
        let (place, error) = ((k + 1).min(15) as u8, ((z + 4.5) as usize).min(8) as u8);
        p0.put(r, t, Cell { x: y, class, place, peak: 0, error });
        v
    }
}

/// Whether rows near a pad, before it and in the layers before, are empty.
fn nothing_around([own, below, deep]: &[Plane; 3], pad: usize) -> bool {
    let r = pad + NEAR;
    let near = |plane: &Plane, from: usize, to: usize| (from..=to).all(|row| plane.hits(row) == 0);
    near(own, r - 2, r - 1) && near(below, r - 1, r + 2) && near(deep, r, r + 1)
}

/// About a / b, where both are more than noise.
#[inline(always)]
fn ratios(a: [f32; 8], b: [f32; 8], unit: f32) -> [f32; 8] {
    let mut r = [0.0f32; 8];
    for k in 0..8 {
        let b = if b[k] > 0.0 { b[k] } else { 0.0 };
        let q = a[k] / (b + 4.0 * unit);
        let q = if q < 4.0 { q } else { 4.0 };
        r[k] = if q > 0.0 { q } else { 0.0 };
    }
    r
}

/// Steps of an expectation: linear, then by powers.
#[inline(always)]
fn fine(e: f32, unit: f32) -> usize {
    let x = (e + 2.0 * unit) / unit * 2.0;
    let x = if x > 0.0 { x } else { 0.0 };
    if x < 16.0 { x as usize } else { (16 + class(x / 16.0) as usize * 2).min(63) }
}

/// Place in a run as the habits know it: counts through the first period, then again and again through a second.
struct Phase {
    at: usize,
    period: usize,
}

impl Phase {
    fn new(period: usize) -> Self {
        Phase { at: 0, period }
    }

    #[inline(always)]
    fn step(&mut self) {
        self.at += 1;
        // Without a period it only counts.
        if self.period > 0 && self.at == 2 * self.period {
            self.at = self.period;
        }
    }

    /// Below 16.
    #[inline(always)]
    fn get(&self) -> usize {
        self.at.min(15)
    }
}

/// Class of a value of at least 0: 1 to 15, about 1.4 steps an octave.
#[inline(always)]
fn class(x: f32) -> u8 {
    let x = x + 1.0;
    let e = (x.to_bits() >> 22) as i32 - (127 << 1);
    (1 + e).clamp(1, CLASSES as i32 - 1) as u8
}

#[cfg(test)]
mod tests {
    use super::super::quick::{Index, Lie, hits};
    use super::super::rows::{Given, Taken};
    use super::*;
    use crate::entropy::binary::Decoder;

    /// Tracks through two frames, with some noise.
    fn frames(sides: Sides) -> Vec<u32> {
        let [frames, layers, pads, times] = sides;
        let mut v = vec![0; frames * layers * pads * times];
        let mut x = 0x2545_f491_4f6c_dd1du64;
        for track in 0..frames * 12 {
            for layer in 0..layers {
                x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let pad = (track * 7 + layer * (track % 3)) % (pads - 2);
                let time = (track * 31 + layer * 4) % (times - 6);
                for k in 0..10 {
                    let at = ((track % frames * layers + layer) * pads + pad + k / 5) * times + time + k % 5;
                    v[at] = 70 + (x >> (k * 4) & 15) as u32 * (1 + k as u32 % 5);
                }
            }
        }
        v
    }

    #[test]
    fn wide_registers_do_the_same() {
        let sides = [2, 6, 40, 90];
        let v = frames(sides);
        let model = || {
            let alphabet = Alphabet::Range(70, 70 + 75);
            Deep::new(Habits { alphabet, base: 72, unit: 40, period: 5 }, sides)
        };
        let index = Index::new(&hits(&v), sides[3]);
        let given = || Given::new(&index, sides[3]);
        let taken = || Taken::<u32>::new(v.len(), Lie::plain(v.len() / sides[3], sides[3]));
        let plainly = |c: &mut dyn FnMut(&mut Deep, &mut At)| {
            let mut model = model();
            let mut at = model.at_start();
            c(&mut model, &mut at);
        };
        let (mut wide, mut plain) = (Encoder::new(), Encoder::new());
        // In one go, or in steps.
        model().code(&mut wide, &mut given()).unwrap();
        plainly(&mut |model, at| {
            let mut rows = given();
            let steps = (1..).take_while(|k| !model.walk(&mut plain, &mut rows, at, k * 500).unwrap());
            assert!(steps.count() > 9);
        });
        let (wide, plain) = (wide.finish(), plain.finish());
        assert!(wide == plain, "{} bytes, {} bytes", wide.len(), plain.len());
        let mut rows = taken();
        plainly(&mut |model, at| {
            assert!(model.walk(&mut Decoder::new(&wide), &mut rows, at, usize::MAX).unwrap());
        });
        assert!(rows.cells == v);
        let mut rows = taken();
        model().code(&mut Decoder::new(&plain), &mut rows).unwrap();
        assert!(rows.cells == v);
    }
}
