//! Values of hits: how far each lies from what its neighbours let expect.

use super::bundle::Visit;
use super::net::{Net, Rows, TABLES, Tables, pairs};
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
    Palette(List),
}

/// Values in rising order, at least one.
#[derive(Clone)]
pub struct List {
    values: Vec<u32>,
    /// How many values are below the first one, the next number, and so on to the last one; empty where that is far.
    below: Vec<u16>,
}

/// Span of values up to which it is known what is below each number.
const KNOWN: u32 = 4096;

impl List {
    /// Of values in rising order, at least one, at most [`super::MAX_PALETTE`].
    pub fn new(values: Vec<u32>) -> Self {
        let mut below = Vec::new();
        if let (Some(&first), Some(&last)) = (values.first(), values.last())
            && last - first < KNOWN
            && last < 1 << 24
        {
            for (n, pair) in values.windows(2).enumerate() {
                below.resize((pair[0] - first) as usize + 1, n as u16);
                below.resize((pair[1] - first) as usize, n as u16 + 1);
            }
            below.resize((last - first) as usize + 1, values.len() as u16 - 1);
        }
        List { values, below }
    }

    /// The values.
    pub fn values(&self) -> &[u32] {
        &self.values
    }

    /// How many values are less than a number.
    #[inline(always)]
    fn rank(&self, value: u32) -> usize {
        let first = self.values.first().copied().unwrap_or(0);
        match self.below.get(value.saturating_sub(first) as usize) {
            Some(&n) => n.into(),
            None if self.below.is_empty() => self.values.partition_point(|&x| x < value),
            None => self.values.len(),
        }
    }

    /// How many values are less than a place.
    #[inline(always)]
    fn before(&self, place: f32) -> usize {
        if self.below.is_empty() {
            return self.values.partition_point(|&x| (x as f32) < place);
        }
        // All values are exact: those below the next integer.
        let whole = place as u32;
        self.rank(if (whole as f32) < place { whole.saturating_add(1) } else { whole })
    }
}

impl Alphabet {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Alphabet::Range(a, b) => (*b - *a) as usize + 1,
            Alphabet::Palette(v) => v.values.len(),
        }
    }

    /// The value with a number.
    #[inline(always)]
    pub fn value(&self, symbol: usize) -> u32 {
        match self {
            Alphabet::Range(a, _) => a + symbol as u32,
            Alphabet::Palette(v) => v.values[symbol],
        }
    }

    /// Number of a value that is one of them.
    #[inline(always)]
    pub fn symbol(&self, value: u32) -> usize {
        match self {
            Alphabet::Range(a, _) => value.wrapping_sub(*a) as usize,
            Alphabet::Palette(v) => v.rank(value),
        }
    }

    /// What lies half way between a value and the one below it.
    #[inline(always)]
    fn edge(&self, symbol: usize) -> f32 {
        match self {
            Alphabet::Range(a, _) => *a as f32 + (symbol as i64 as f32 - 0.5),
            Alphabet::Palette(List { values: v, .. }) => {
                (v[symbol] as f32 + v[symbol.max(1) - 1] as f32) * 0.5
            }
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
            Alphabet::Palette(list) => {
                let v = &list.values;
                let mut s = list.before(place).min(v.len() - 1);
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

/// Bells around places; the flanks of the first are those of large errors.
#[derive(Clone, Copy, Default)]
pub struct Bells {
    /// Where their middles are.
    pub middle: [f32; BELLS],
    /// 1 / the mean size of an error.
    pub inverse: [f32; BELLS],
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
const BELL_PARTS: usize = 512;

/// Tails of both shapes, first the narrow one: what lies below -16 ..= 16, and what there is until the next entry.
pub struct Tails([[f32; 2]; 2 * BELL_PARTS]);

/// Part of the range beyond which nothing changes.
const EDGE: f32 = 15.99 * (0.5 / BELL_RANGE);

/// Where the shape of each bell begins.
const SHAPES: [usize; BELLS] = [BELL_PARTS, 0, 0, 0];

/// The tables of the tails.
pub static TAILS: std::sync::LazyLock<Tails> = std::sync::LazyLock::new(|| {
    use crate::model::bell::{Bell, Shape};
    let mut t = Tails([[0.0; 2]; 2 * BELL_PARTS]);
    for (half, shape) in [Shape::Narrow, Shape::Wide].into_iter().enumerate() {
        let bell = Bell::new(0.0, 1.0, shape);
        let below = |i: usize| bell.below(f64::from(i as f32 / BELL_STEPS - BELL_RANGE)) as f32;
        for i in 0..BELL_PARTS {
            t.0[half * BELL_PARTS + i] = [below(i), (below(i + 1) - below(i)) * (1.0 / 16384.0)];
        }
    }
    t
});

impl Tails {
    /// What of each bell lies below (a place - its middle) * its scale, where from -1/2 to 1/2 is the range.
    #[inline(always)]
    fn beyond(&self, middle: &[f32; BELLS], scale: &[f32; BELLS], place: f32) -> [f32; BELLS] {
        let (mut z, mut part) = ([0.0f32; BELLS], [0.0f32; BELLS]);
        for k in 0..BELLS {
            let x = (place - middle[k]) * scale[k];
            let x = if x > -EDGE { x } else { -EDGE };
            let x = if x < EDGE { x } else { EDGE };
            // From 1 to 2: nine bits of the mantissa choose, the others are the part.
            z[k] = x + 1.5;
            part[k] = (z[k].to_bits() & 0x3fff) as i32 as f32;
        }
        let [a, b] = pairs(z);
        let at = [a >> 14, a >> 46, b >> 14, b >> 46];
        let mut f = [0.0f32; BELLS];
        for k in 0..BELLS {
            let [below, more] = self.0[SHAPES[k] + (at[k] as usize & (BELL_PARTS - 1))];
            f[k] = below + more * part[k];
        }
        f
    }
}

/// Codes values.
#[derive(Clone)]
pub struct Values {
    t: &'static Tables,
    tails: &'static Tails,
    /// Of each kind of context, for each context.
    counters: Vec<[Counter; NODES]>,
    net: Net<INPUTS>,
}

/// What is known of a value before it comes.
pub struct Expected {
    /// The bells.
    pub bells: Bells,
    /// Where the value is expected: the origin of the tree.
    pub middle: f32,
    /// Expected mean size of the error.
    pub size: f32,
    /// Contexts of the counters, each below [`CONTEXTS`].
    pub contexts: [usize; COUNTERS],
    /// Chooses weights, below [`SETS`].
    pub set: usize,
}

/// What the decisions of one value share.
struct Asked<'a> {
    t: &'static Tables,
    counters: [&'a mut [Counter; NODES]; COUNTERS],
    weights: Rows<'a, INPUTS>,
    tails: &'static Tails,
    bells: &'a Bells,
    alphabet: &'a Alphabet,
    origin: usize,
    /// The side of the origin that is looked at, and the scales of the bells there.
    side: isize,
    scale: [f32; BELLS],
}

impl Asked<'_> {
    /// A decision: what of each bell is for a one, and what there is.
    #[inline(always)]
    fn decide<C: BitCoder>(
        &mut self,
        c: &mut C,
        bit: bool,
        one: [f32; BELLS],
        all: [f32; BELLS],
        node: usize,
    ) -> bool {
        let node = node & (NODES - 1);
        let mut x = [0.0f32; INPUTS];
        let logits = self.t.logits(std::array::from_fn(|b| one[b] / all[b]));
        for b in 0..BELLS {
            x[b] = if all[b] > 1e-9 { logits[b] } else { 0.0 };
        }
        let mut cells = [Counter::default(); COUNTERS];
        for (cell, counters) in cells.iter_mut().zip(&self.counters) {
            *cell = counters[node];
        }
        x[BELLS..].copy_from_slice(&self.t.inputs(&cells));
        let mixed = self.weights.mix(self.t, x, node);
        let bit = c.code(bit, mixed.p());
        self.weights.update(&mixed, node, bit);
        for (counters, cell) in self.counters.iter_mut().zip(Counter::learnt(cells, bit, LIMIT)) {
            counters[node] = cell;
        }
        bit
    }

    /// What lies beyond a distance from the origin, on the side looked at.
    #[inline(always)]
    fn beyond(&self, distance: usize) -> [f32; BELLS] {
        let at = self.origin.wrapping_add_signed((distance as isize).wrapping_mul(self.side));
        self.tails.beyond(&self.bells.middle, &self.scale, self.alphabet.edge(at))
    }

    /// Looks to a side of the origin: 1 or -1.
    #[inline(always)]
    fn look(&mut self, side: isize) {
        self.side = side;
        self.scale = self.bells.inverse.map(|x| x * (-(side as i32) as f32 * (0.5 / BELL_RANGE)));
    }
}

impl Values {
    /// Nothing known.
    pub fn new() -> Self {
        Values {
            t: &TABLES,
            tails: &TAILS,
            counters: vec![[Counter::default(); NODES]; COUNTERS * CONTEXTS],
            net: Net::new([NODES, SETS], 0.2, 0.005),
        }
    }

    /// Follows errors slowly.
    pub fn settle(&mut self) {
        self.net.settle();
    }

    /// Walks through all that was learnt.
    pub fn visit<V: Visit>(&mut self, v: &mut V) -> Result<()> {
        v.counters(self.counters.as_flattened_mut())?;
        self.net.visit(v)
    }

    /// Codes the number of a value.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    pub fn code<C: BitCoder>(
        &mut self,
        c: &mut C,
        symbol: usize,
        alphabet: &Alphabet,
        e: &Expected,
    ) -> usize {
        let count = alphabet.len();
        let (origin, gap) = alphabet.nearest(e.middle);
        let [a, b, d, f] = e.contexts;
        const M: usize = CONTEXTS - 1;
        let (first, rest) = self.counters.split_at_mut(CONTEXTS);
        let (second, rest) = rest.split_at_mut(CONTEXTS);
        let (third, fourth) = rest.split_at_mut(CONTEXTS);
        let counters = [&mut first[a & M], &mut second[b & M], &mut third[d & M], &mut fourth[f & M]];
        let (t, tails) = (self.t, self.tails);
        let weights = self.net.rows(e.set);
        let (bells, scale) = (&e.bells, [0.0; BELLS]);
        let mut asked = Asked { t, counters, weights, tails, bells, alphabet, origin, side: 1, scale };
        asked.look(1);
        let all = [1.0; BELLS];
        let (mut up, mut rest) = (true, all);
        if origin > 0 {
            rest = asked.beyond(0);
            up = asked.decide(c, symbol >= origin, rest, all, 0);
            if !up {
                asked.look(-1);
                rest = asked.beyond(0);
            }
        }
        let side = usize::from(!up);
        let size = e.size / gap * 1.2;
        // The power of two below it, by its exponent.
        let mut width = if size >= 2.0 { 1usize << ((size.to_bits() >> 23) - 127).min(20) } else { 1 };
        // Distance from the origin: up 0, 1, 2, ...; down 1, 2, 3, ... minus one.
        // In a range that is too wide for single precision the origin may lie beyond it; no value does.
        let room = if up { count.saturating_sub(origin) } else { origin };
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
            let far = asked.beyond(end);
            if !asked.decide(c, target >= end, far, rest, 1 + side * 8 + bucket.min(7)) {
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
        let coarse = 17 + side * 16 + bucket.min(3) * 4;
        while end - near > 1 {
            let middle = near + (end - near) / 2;
            let far = asked.beyond(middle);
            // The nearer half is what is beyond `near` minus what is beyond the middle.
            let mut one = [0.0f32; BELLS];
            for b in 0..BELLS {
                one[b] = inside[b] - (outer[b] - far[b]);
            }
            let node = if depth < 2 { coarse + path } else { 47 + depth.min(16) };
            let upper = asked.decide(c, target >= middle, one, inside, node);
            if upper {
                inside = one;
                outer = far;
                near = middle;
            } else {
                for b in 0..BELLS {
                    inside[b] -= one[b];
                }
                end = middle;
            }
            path = (path * 2 + usize::from(upper)) & 3;
            depth += 1;
        }
        asked.weights.keep();
        let symbol = if up { origin.saturating_add(near) } else { origin - near - 1 };
        symbol.min(count - 1)
    }
}
