//! Where hits are.

use super::bundle::Visit;

use super::net::{Net, TABLES, Tables};
use super::plane::{HERE, NEAR, Plane, Window, shape_of};
use crate::entropy::binary::BitCoder;
use crate::entropy::mix::Counter;
use crate::error::Result;

/// Counters of a context.
const SIZE: usize = 4096;
/// Counters slow down until they have seen so many bits.
const LIMIT: u32 = 1000;

/// Counters and weights of one kind of question.
#[derive(Clone)]
struct Question<const N: usize> {
    /// Of each kind of context, for each context.
    counters: Vec<[Counter; SIZE]>,
    net: Net<N>,
}

impl<const N: usize> Question<N> {
    fn new(sizes: [usize; 2], first: f32) -> Self {
        Question { counters: vec![[Counter::default(); SIZE]; N], net: Net::new(sizes, first, 0.006) }
    }

    fn visit<V: Visit>(&mut self, v: &mut V) -> Result<()> {
        v.counters(self.counters.as_flattened_mut())?;
        self.net.visit(v)
    }

    /// Asks it, in contexts below [`SIZE`].
    #[inline(always)]
    fn code<C: BitCoder>(
        &mut self,
        t: &Tables,
        c: &mut C,
        bit: bool,
        contexts: [usize; N],
        at: [usize; 2],
    ) -> bool {
        let mut cells = [Counter::default(); N];
        for ((cell, counters), at) in cells.iter_mut().zip(&self.counters).zip(contexts) {
            debug_assert!(at < SIZE);
            *cell = counters[at & (SIZE - 1)];
        }
        let x = t.inputs(&cells);
        let mixed = self.net.mix(t, x, at);
        let bit = c.code(bit, mixed.p());
        self.net.update(&mixed, at, bit);
        let next = Counter::learnt(cells, bit, LIMIT);
        for ((counters, at), cell) in self.counters.iter_mut().zip(contexts).zip(next) {
            counters[at & (SIZE - 1)] = cell;
        }
        bit
    }
}

/// Starts and ends of runs where something is around.
#[derive(Clone)]
pub struct Mask {
    t: &'static Tables,
    start: Question<12>,
    go: Question<8>,
    sure: Vec<Counter>,
}

/// Class of a time of a window.
#[inline(always)]
fn class(w: &Window, at: usize) -> usize {
    (w[at].class & 15) as usize
}

/// The largest peak at the middle of a window and beside it.
#[inline(always)]
fn peak(w: &Window) -> usize {
    (w[HERE].peak.max(w[HERE + 1].peak).max(w[HERE - 1].peak) & 15) as usize
}

impl Mask {
    pub fn new() -> Self {
        Mask {
            t: &TABLES,
            start: Question::new([64, 64], 0.2),
            go: Question::new([16, 256], 0.3),
            sure: vec![Counter::default(); 256],
        }
    }

    /// Follows errors slowly.
    pub fn settle(&mut self) {
        self.start.net.settle();
        self.go.net.settle();
    }

    /// Walks through all that was learnt.
    pub fn visit<V: Visit>(&mut self, v: &mut V) -> Result<()> {
        self.start.visit(v)?;
        self.go.visit(v)?;
        v.counters(&mut self.sure)
    }

    /// Whether a run starts here.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    pub fn start<C: BitCoder>(
        &mut self,
        c: &mut C,
        bit: bool,
        planes: &[Plane; 3],
        layer: usize,
        pad: usize,
        t: usize,
        last_end: usize,
        last_peak: u8,
    ) -> bool {
        let [p0, p1, p2] = planes;
        let r = pad + NEAR;
        let (up, up2, up3) = (p0.window(r - 1, t), p0.window(r - 2, t), p0.window(r - 3, t));
        let (low, left, right) = (p1.window(r, t), p1.window(r - 1, t), p1.window(r + 1, t));
        let since = if last_end == 0 { 31 } else { (t - last_end).min(30) };
        let u = p0.marked(r - 1, t, 2, 6);
        let u2 = p0.marked(r - 2, t, 1, 3);
        let l5 = p1.marked(r, t, 2, 5);
        let l = l5 >> 1 & 7;
        let (la, lb) = (p1.marked(r - 1, t, 1, 3), p1.marked(r + 1, t, 1, 3));
        let place = shape_of(up, u);
        let (upeak, upeak2) = (peak(up), peak(up2));
        let trend = match (upeak2, upeak) {
            (0, _) => 0,
            (a, b) if a < b => 1,
            (a, b) if a == b => 2,
            _ => 3,
        };
        let (lp, lpa, lpb) = (peak(low), peak(left), peak(right));
        let around =
            (u & 0b11110).count_ones() + u2.count_ones() + l.count_ones() + la.count_ones() + lb.count_ones();
        let u_core = (u >> 1) & 7; // t-1, t, t+1
        let gap = match since {
            0..=6 => since,
            7..=10 => 7,
            11..=16 => 8,
            17..=30 => 9,
            _ => 10,
        };
        let (a1, a2) = (p1.across(r, t), p2.across(r, t));
        let lplace = shape_of(low, l5);
        let (c0, c1, c2) = (class(up, HERE), class(up, HERE + 1), class(up, HERE + 2));
        let (d0, d3) = (class(up2, HERE), class(up3, HERE));
        let contexts = [
            l | la << 3 | lb << 6 | u_core << 9,
            c0 << 8 | c1 << 4 | d0,
            place * 64 + upeak * 4 + trend,
            place * 160 + upeak2 * 10 + (lp / 2).min(9),
            layer.min(63) * 64 + (u >> 1 & 15) + (usize::from(l & 2 > 0)) * 16 + usize::from(l & 4 > 0) * 32,
            gap * 256 + (last_peak as usize) * 16 + (u >> 1 & 15),
            c1 << 8 | c2 << 4 | class(low, HERE + 1),
            a1 | a2 << 5 | usize::from(u & 4 > 0) << 10 | usize::from(u & 8 > 0) << 11,
            (lpa / 2) << 9 | (lp / 2) << 6 | (lpb / 2) << 3 | (upeak / 2),
            place * 200 + lplace * 10 + a1.count_ones() as usize,
            c0 << 8 | d0 << 4 | d3,
            (t >> 2).min(127) * 32 + around.min(15) as usize * 2 + usize::from(u & 4 > 0),
        ];
        self.start.code(self.t, c, bit, contexts, [u, (around.min(15) as usize) * 4 + trend])
    }

    /// Whether a run goes on here.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    pub fn go_on<C: BitCoder>(
        &mut self,
        c: &mut C,
        bit: bool,
        planes: &[Plane; 3],
        pad: usize,
        t: usize,
        k: usize,
        phase: usize,
        peak: u8,
    ) -> bool {
        let sure = &mut self.sure[k.min(255)];
        let p = sure.p();
        if sure.seen() > 200 && !(40..=65496).contains(&p) {
            let bit = c.code(bit, sure.p_coder());
            sure.update(bit, LIMIT);
            return bit;
        }
        let [p0, p1, _] = planes;
        let r = pad + NEAR;
        let (own, up, low) = (p0.window(r, t), p0.window(r - 1, t), p1.window(r, t));
        let (k1, k2, c0) = (class(own, HERE - 1), class(own, HERE - 2), class(up, HERE));
        let x = (own[HERE - 1].x + 8.0) as i32;
        let x = x.clamp(0, 63) as usize;
        let d = (own[HERE - 1].x - own[HERE - 2].x) as i32;
        let d = (d.clamp(-4, 3) + 4) as usize;
        let l5 = p1.marked(r, t, 2, 5);
        let lplace = shape_of(low, l5);
        let u = p0.marked(r - 1, t, 1, 4);
        let l = l5 >> 1;
        let contexts = [
            phase * 64 + x,
            phase * 128 + (k1 * 8 + d),
            phase * 256 + u * 16 + l,
            phase * 256 + k1 * 16 + c0,
            phase * 256 + k1 * 16 + k2,
            phase * 256 + peak as usize * 16 + class(up, HERE + 1),
            lplace * 160 + phase * 10 + k1.min(9),
            k.min(255),
        ];
        let bit = self.go.code(self.t, c, bit, contexts, [phase, k1 * 16 + c0]);
        self.sure[k.min(255)].update(bit, LIMIT);
        bit
    }
}

/// Starts of runs where nothing is around.
#[derive(Clone)]
pub struct Gaps {
    t: &'static Tables,
    any: Question<8>,
    half: Question<4>,
}

fn length_class(n: usize) -> usize {
    if n < 8 { n } else { (8 + 2 * (n.ilog2() as usize - 3) + (n >> (n.ilog2() - 1) & 1)).min(31) }
}

/// A stretch in which a run may start.
pub struct Stretch {
    /// Its first time and its length.
    pub from: usize,
    pub len: usize,
    /// Whether nothing is behind it, and how many runs are before it.
    pub last: bool,
    pub runs: usize,
    /// Distance from the end of the last run.
    pub since: usize,
}

impl Gaps {
    pub fn new() -> Self {
        Gaps { t: &TABLES, any: Question::new([32, 64], 0.3), half: Question::new([32, 1], 0.4) }
    }

    /// Follows errors slowly.
    pub fn settle(&mut self) {
        self.any.net.settle();
        self.half.net.settle();
    }

    /// Walks through all that was learnt.
    pub fn visit<V: Visit>(&mut self, v: &mut V) -> Result<()> {
        self.any.visit(v)?;
        self.half.visit(v)
    }

    /// The distance of the first hit from the begin of a stretch, if there is one. `hit` is it for an encoder.
    #[inline(always)]
    pub fn code<C: BitCoder>(
        &mut self,
        c: &mut C,
        planes: &[Plane; 3],
        layer: usize,
        pad: usize,
        s: &Stretch,
        hit: usize,
    ) -> Option<usize> {
        let [p0, p1, p2] = planes;
        let r = pad + NEAR;
        let n = s.len;
        let q = |n: u32| if n < 4 { n as usize } else { (n.ilog2() as usize + 2).min(7) };
        let few = |n: [usize; 4]| n.map(|n| if n < 3 { n } else { 3 });
        let nc = length_class(n);
        let (from, to) = (s.from, s.from + n);
        let mut all = [
            p1.count(r + 1, from, to),
            p1.count(r + 2, from, to),
            p1.count(r - 1, from, to) + p0.count(r - 2, from, to),
            p2.count(r, from, to) + p2.count(r + 1, from, to),
        ];
        let near = few(all);
        let (h0, h1, h2) = (q(p0.hits(r - 1)), q(p1.hits(r)), q(p0.hits(r)));
        let contexts = [
            nc * 64 + near[0] * 16 + near[1] * 4 + near[2],
            nc * 64 + near[0] * 16 + near[3] * 4 + usize::from(s.last) * 2 + usize::from(s.from == 0),
            nc * 64 + h0 * 8 + h1,
            nc * 64 + h2 * 8 + q(p1.hits(r + 1)),
            nc * 16 + s.runs.min(7) * 2 + usize::from(s.last),
            n.min(1023) * 4 + near[0],
            nc * 64 + layer.min(63),
            nc * 64 + s.since.min(15) * 4 + near[0],
        ];
        let set = near[0] * 16 + near[1] * 4 + near[2];
        if !self.any.code(self.t, c, hit < n, contexts, [nc, set]) {
            return None;
        }
        let (mut from, mut to) = (0, n);
        while to - from > 1 {
            let middle = from + (to - from) / 2;
            // Of what is around all that is left, what lies before the middle.
            let (begin, end) = (s.from + from, s.from + middle);
            let before = |n: usize, rows: [(&Plane, usize); 2]| match n {
                0 => 0,
                _ => rows.iter().map(|(plane, row)| plane.count(*row, begin, end)).sum(),
            };
            // A row before all.
            let none = (p0, 0);
            let first = [
                before(all[0], [(p1, r + 1), none]),
                before(all[1], [(p1, r + 2), none]),
                before(all[2], [(p1, r - 1), (p0, r - 2)]),
                before(all[3], [(p2, r), (p2, r + 1)]),
            ];
            let second: [usize; 4] = std::array::from_fn(|k| all[k] - first[k]);
            let (a, b) = (few(first), few(second));
            let class = length_class(to - from);
            let contexts = [
                class * 2 + usize::from(from == 0),
                class * 64 + a[0] * 16 + b[0] * 4 + a[1],
                class * 64 + a[0] * 16 + b[0] * 4 + a[2],
                class * 64 + a[1] * 16 + b[1] * 4 + a[3],
            ];
            if self.half.code(self.t, c, hit >= middle, contexts, [class, 0]) {
                (from, all) = (middle, second);
            } else {
                (to, all) = (middle, first);
            }
        }
        Some(from)
    }
}
