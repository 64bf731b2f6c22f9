//! Values of hits: how far each lies from what its neighbours let expect.

use super::bundle::Visit;
use super::net::{Net, TABLES, Tables};
use crate::entropy::binary::BitCoder;
use crate::entropy::mix::Counter;
use crate::error::Result;

/// Inputs of a decision.
const INPUTS: usize = 8;
/// Bells.
pub const BELLS: usize = 4;
/// Counters.
pub const COUNTERS: usize = INPUTS - BELLS;
/// Sets of weights.
pub const SETS: usize = 256;
/// Counters slow down until they have seen so many bits.
const LIMIT: u32 = 400;
/// Nodes of the tree of decisions.
const NODES: usize = 64;
/// Contexts of a counter.
pub const CONTEXTS: usize = 512;

/// The values that there are, in rising order.
#[derive(Clone)]
pub enum Alphabet {
    /// All from the first to the last.
    Range(u32, u32),
    /// Some.
    Palette(Vec<u32>),
}

impl Alphabet {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Alphabet::Range(a, b) => (*b - *a) as usize + 1,
            Alphabet::Palette(v) => v.len(),
        }
    }

    /// The value with a number.
    #[inline(always)]
    pub fn value(&self, symbol: usize) -> u32 {
        match self {
            Alphabet::Range(a, _) => a + symbol as u32,
            Alphabet::Palette(v) => v[symbol],
        }
    }

    /// Number of a value that is one of them.
    #[inline(always)]
    pub fn symbol(&self, value: u32) -> usize {
        match self {
            Alphabet::Range(a, _) => value.wrapping_sub(*a) as usize,
            Alphabet::Palette(v) => v.partition_point(|&x| x < value),
        }
    }

    /// What lies half way between a value and the one below it.
    #[inline(always)]
    fn edge(&self, symbol: usize) -> f32 {
        match self {
            Alphabet::Range(a, _) => *a as f32 + (symbol as f32 - 0.5),
            Alphabet::Palette(v) => (v[symbol] as f32 + v[symbol.max(1) - 1] as f32) * 0.5,
        }
    }

    /// The value nearest to a place, and the distance of values there.
    #[inline(always)]
    fn nearest(&self, place: f32) -> (usize, f32) {
        match self {
            Alphabet::Range(a, b) => {
                let n = (*b - *a) as f32;
                let x = place - *a as f32;
                let x = if x > 0.0 { x } else { 0.0 };
                let x = if x < n { x } else { n };
                ((x + 0.5) as usize, 1.0)
            }
            Alphabet::Palette(v) => {
                let mut s = v.partition_point(|&x| (x as f32) < place).min(v.len() - 1);
                if s > 0 && place - (v[s - 1] as f32) < v[s] as f32 - place {
                    s -= 1;
                }
                let low = v[s.max(1) - 1] as f32;
                let high = v[(s + 1).min(v.len() - 1)] as f32;
                let n = if s > 0 && s + 1 < v.len() { 2.0 } else { 1.0 };
                let gap = (high - low) / n;
                (s, if gap > 1.0 { gap } else { 1.0 })
            }
        }
    }
}

/// A bell around a place.
#[derive(Clone, Copy, Default)]
pub struct Bell {
    /// Where its middle is.
    pub middle: f32,
    /// 1 / the mean size of an error.
    pub inverse: f32,
    /// Whether its flanks are those of large errors.
    pub wide: bool,
}

/// Mean and mean size of the errors in a context.
#[derive(Clone, Copy)]
pub struct Usual {
    /// Mean error.
    pub mean: f32,
    /// Mean size of it.
    pub size: f32,
    /// Weight of what came.
    pub n: f32,
}

impl Usual {
    /// Nothing came.
    pub const NONE: Usual = Usual { mean: 0.0, size: 0.0, n: 0.0 };

    /// Middle and size, where `size` is what one expects before anything came.
    #[inline(always)]
    pub fn of(&self, size: f32, shift: f32) -> (f32, f32) {
        let n = self.n;
        (self.mean * (n / (n + shift)), (self.size * n + size * 1.5) / (n + 1.5))
    }

    /// Learns an error.
    #[inline(always)]
    pub fn update(&mut self, error: f32, limit: f32) {
        let n = self.n + 1.0;
        let r = 1.0 / n;
        let d = error - self.mean;
        self.mean += d * r;
        let d = if d < 0.0 { -d } else { d };
        self.size += (d - self.size) * r;
        self.n = if n < limit { n } else { limit };
    }
}

/// Steps of a unit, units on either side.
const BELL_STEPS: f32 = 16.0;
const BELL_RANGE: f32 = 16.0;
const BELL_ENTRIES: usize = 513;

/// Tails of both shapes: what lies below -16 ..= 16.
pub struct Tails {
    narrow: [f32; BELL_ENTRIES],
    wide: [f32; BELL_ENTRIES],
}

/// The tables of the tails.
pub static TAILS: std::sync::LazyLock<Tails> = std::sync::LazyLock::new(|| {
    use crate::model::bell::{Bell, Shape};
    let (n, w) = (Bell::new(0.0, 1.0, Shape::Narrow), Bell::new(0.0, 1.0, Shape::Wide));
    let mut t = Tails { narrow: [0.0; BELL_ENTRIES], wide: [0.0; BELL_ENTRIES] };
    for i in 0..BELL_ENTRIES {
        let z = f64::from(i as f32 / BELL_STEPS - BELL_RANGE);
        t.narrow[i] = n.below(z) as f32;
        t.wide[i] = w.below(z) as f32;
    }
    t
});

#[inline(always)]
fn below(t: &[f32; BELL_ENTRIES], z: f32) -> f32 {
    let z = if z > -15.99 { z } else { -15.99 };
    let z = if z < 15.99 { z } else { 15.99 };
    // From 1 to 2: nine bits of the mantissa choose, the others are the part.
    let x = (z * (0.5 / BELL_RANGE) + 1.5).to_bits();
    let i = (x >> 14 & 511) as usize;
    let part = (x & 0x3fff) as f32 * (1.0 / 16384.0);
    t[i] + (t[i + 1] - t[i]) * part
}

/// Codes values.
#[derive(Clone)]
pub struct Values {
    t: &'static Tables,
    tails: &'static Tails,
    counters: Vec<Counter>,
    net: Net<INPUTS>,
}

/// What is known of a value before it comes.
pub struct Expected {
    /// The bells.
    pub bells: [Bell; BELLS],
    /// Where the value is expected: the origin of the tree.
    pub middle: f32,
    /// Expected mean size of the error.
    pub size: f32,
    /// Contexts of the counters, each below [`CONTEXTS`].
    pub contexts: [usize; COUNTERS],
    /// Chooses weights, below [`SETS`].
    pub set: usize,
}

struct Step<'a> {
    one: [f32; BELLS],
    all: [f32; BELLS],
    node: usize,
    bases: &'a [usize; COUNTERS],
    set: usize,
}

impl Values {
    /// Nothing known.
    pub fn new() -> Self {
        Values {
            t: &TABLES,
            tails: &TAILS,
            counters: vec![Counter::default(); COUNTERS * CONTEXTS * NODES],
            net: Net::new([NODES, SETS], 0.2, 0.005),
        }
    }

    /// Follows errors slowly.
    pub fn settle(&mut self) {
        self.net.settle();
    }

    /// Walks through all that was learnt.
    pub fn visit<V: Visit>(&mut self, v: &mut V) -> Result<()> {
        v.counters(&mut self.counters)?;
        self.net.visit(v)
    }

    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn decide<C: BitCoder>(&mut self, c: &mut C, bit: bool, step: &Step) -> bool {
        let t = self.t;
        let mut x = [0.0f32; INPUTS];
        for b in 0..BELLS {
            if step.all[b] > 1e-9 {
                x[b] = t.logit(step.one[b] / step.all[b]);
            }
        }
        let at = step.bases.map(|b| b + step.node);
        for k in 0..COUNTERS {
            x[BELLS + k] = t.input(self.counters[at[k]]);
        }
        let mixed = self.net.mix(t, x, [step.node, step.set]);
        let bit = c.code(bit, mixed.p());
        self.net.update(&mixed, bit);
        for at in at {
            self.counters[at].update(bit, LIMIT);
        }
        bit
    }

    /// Codes the number of a value.
    #[allow(clippy::needless_range_loop)]
    #[inline]
    pub fn code<C: BitCoder>(
        &mut self,
        c: &mut C,
        symbol: usize,
        alphabet: &Alphabet,
        e: &Expected,
    ) -> usize {
        let count = alphabet.len();
        let (origin, gap) = alphabet.nearest(e.middle);
        let mut bases = [0; COUNTERS];
        for k in 0..COUNTERS {
            bases[k] = (k * CONTEXTS + e.contexts[k]) * NODES;
        }
        let tails = self.tails;
        // What lies beyond an edge, seen from the origin.
        let beyond = |up: bool, symbol: usize| {
            let mut f = [0.0f32; BELLS];
            let place = alphabet.edge(symbol);
            for (f, b) in f.iter_mut().zip(&e.bells) {
                let z = (place - b.middle) * b.inverse;
                *f = below(if b.wide { &tails.wide } else { &tails.narrow }, if up { -z } else { z });
            }
            f
        };
        let mut step = Step { one: [0.0; BELLS], all: [1.0; BELLS], node: 0, bases: &bases, set: e.set };
        let up = if origin == 0 {
            step.one = [1.0; BELLS];
            true
        } else {
            step.one = beyond(true, origin);
            self.decide(c, symbol >= origin, &step)
        };
        let mut rest = step.one;
        if !up {
            rest = beyond(false, origin);
        }
        let side = usize::from(!up);
        let size = e.size / gap * 1.2;
        let mut width = 1usize;
        while ((width * 2) as f32) <= size && width < 1 << 20 {
            width *= 2;
        }
        // Distance from the origin: up 0, 1, 2, ...; down 1, 2, 3, ... minus one.
        let room = if up { count - origin } else { origin };
        let place = |d: usize| if up { origin + d } else { origin - d };
        let target =
            if up { symbol.wrapping_sub(origin) } else { origin.wrapping_sub(symbol).wrapping_sub(1) };
        let (mut near, mut bucket) = (0usize, 0usize);
        let mut inside = rest;
        let mut end;
        loop {
            end = near + width;
            if end >= room {
                end = room;
                break;
            }
            let far = beyond(up, place(end));
            step.one = far;
            step.all = rest;
            step.node = 1 + side * 8 + bucket.min(7);
            let go = self.decide(c, target >= end, &step);
            if !go {
                for b in 0..BELLS {
                    inside[b] = rest[b] - far[b];
                }
                break;
            }
            rest = far;
            inside = far;
            near = end;
            if bucket > 0 {
                width *= 2;
            }
            bucket += 1;
        }
        let mut depth = 0;
        let mut path = 1usize;
        let mut outer = rest;
        while end - near > 1 {
            let middle = near + (end - near) / 2;
            let far = beyond(up, place(middle));
            // The nearer half is what is beyond `near` minus what is beyond the middle.
            for b in 0..BELLS {
                let nearer = outer[b] - far[b];
                step.one[b] = inside[b] - nearer;
                step.all[b] = inside[b];
            }
            step.node =
                if depth < 2 { 17 + side * 16 + bucket.min(3) * 4 + path } else { 49 + (depth - 2).min(14) };
            let upper = self.decide(c, target >= middle, &step);
            if upper {
                inside = step.one;
                outer = far;
                near = middle;
            } else {
                for b in 0..BELLS {
                    inside[b] -= step.one[b];
                }
                end = middle;
            }
            path = (path * 2 + usize::from(upper)) & 3;
            depth += 1;
        }
        if up { origin + near } else { origin - near - 1 }
    }
}
