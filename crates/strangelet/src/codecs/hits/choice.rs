//! What a writer finds out before it writes: habits of the hits, the order of the walk, and what a model starts from.
//!
//! The last two are found by trials on a part of the hits, where empty rows cost nothing. Starts that are about as good there go on with
//! all hits until one is plainly worse; the one that wins goes on from where that ended.

use super::bundle::Bundle;
use super::deep::{At, Deep, HIT, Habits};
use super::order::Order;
use super::quick::{Hit, Index};
use super::rows::Given;
use super::value::{Alphabet, List};
use super::{MAX_PALETTE, fits};
use crate::entropy::binary::Encoder;
use crate::error::{Result, usage};

/// Hits of a trial of orders, at first and at most.
const TRIAL: [usize; 2] = [1 << 8, 1 << 11];
/// What is plainly better saves so many bits times the root of the number of hits: some four times what chance does.
const PLAIN: u64 = 6;
/// Values whose range is at most so many times their number (or [`SPAN`]) are counted.
const SPARSE: usize = 4;
const SPAN: usize = 4096;

/// How often each value comes that is not less than the least, where that is no long list.
fn counts(index: &Index) -> Option<Vec<u32>> {
    let span = (index.high - index.low) as usize + 1;
    if span > index.hits().saturating_mul(SPARSE).max(SPAN) {
        return None;
    }
    let mut counts = vec![0u32; span];
    for &v in &index.values {
        if let Some(n) = counts.get_mut(v.wrapping_sub(index.low) as usize) {
            *n += 1;
        }
    }
    Some(counts)
}

/// The values that there are, of hits, if there are any.
pub fn alphabet(index: &Index) -> Option<Alphabet> {
    (index.hits() > 0).then(|| alphabet_of(index, counts(index).as_deref()))
}

fn alphabet_of(index: &Index, counts: Option<&[u32]>) -> Alphabet {
    let (first, last) = (index.low, index.high);
    let mut palette: Vec<u32> = Vec::new();
    match counts {
        Some(counts) => {
            let used = (first..=u32::MAX).zip(counts).filter(|(_, n)| **n > 0).map(|(v, _)| v);
            palette.extend(used.take(MAX_PALETTE + 1));
        }
        None => {
            for &v in &index.values {
                if let Err(at) = palette.binary_search(&v) {
                    palette.insert(at, v);
                    if palette.len() > MAX_PALETTE {
                        break;
                    }
                }
            }
        }
    }
    let few = palette.len() <= MAX_PALETTE && palette.len() * 3 < (last - first) as usize + 1;
    if few { Alphabet::Palette(List::new(palette)) } else { Alphabet::Range(first, last) }
}

/// What can be known of hits beforehand.
pub fn habits(index: &Index, rows: usize, times: usize) -> Option<Habits> {
    let n = index.hits();
    if n == 0 {
        return None;
    }
    let counts = counts(index);
    let [base, middle] = match &counts {
        Some(counts) => [n / 20, n / 2].map(|nth| {
            let mut below = 0;
            let mut upto = |n: &u32| {
                below += *n as usize;
                below <= nth
            };
            index.low + counts.iter().take_while(|n| upto(n)).count() as u32
        }),
        None => {
            let mut hits = index.values.clone();
            [n / 20, n / 2].map(|nth| *hits.select_nth_unstable(nth).1)
        }
    };
    let unit = ((middle - base) as f32 / 8.0).max(1.0);
    let unit = ((unit * 16.0) as u32).max(1);
    let alphabet = alphabet_of(index, counts.as_deref());
    Some(Habits { alphabet, base, unit, period: period(index, rows, times) })
}

/// The number that nearly all lengths of runs are multiples of, or 0.
fn period(index: &Index, rows: usize, times: usize) -> usize {
    let mut lengths = [0usize; 256];
    let mut runs = 0usize;
    for (k, row) in index.rows.iter().enumerate() {
        if runs > 4096 && row.number as usize > rows / 8 {
            break;
        }
        // What the end of a row cuts short tells nothing.
        for run in index.of(k).iter().filter(|run| ((run.start + run.len) as usize) < times) {
            lengths[run.len.min(255) as usize] += 1;
            runs += 1;
        }
    }
    let fit = |q: usize| (q..255).step_by(q).map(|n| lengths[n]).sum::<usize>();
    (2..=15).rev().find(|&q| runs >= 32 && fit(q) * 10 >= runs * 8).unwrap_or(0)
}

/// The best of some orders.
pub fn order(hits: &[Hit], mut orders: Vec<Order>) -> Option<Order> {
    let mut looks = TRIAL[0];
    while orders.len() > 1 {
        let part = Part::around(hits, &orders[0].axes, looks);
        let found = part.hits.len();
        let whole = part.sides == orders[0].axes || looks >= TRIAL[1];
        if found >= TRIAL[0] / 4 || whole {
            let mut best = (u64::MAX, 0);
            let mut next = u64::MAX;
            for (k, order) in orders.iter().enumerate() {
                let cost = part.cost(order);
                if cost < best.0 {
                    (next, best) = (best.0, (cost, k));
                } else {
                    next = next.min(cost);
                }
            }
            if whole || next.saturating_sub(best.0) > PLAIN * found.isqrt() as u64 {
                return Some(orders.swap_remove(best.1));
            }
        }
        looks *= 2;
    }
    orders.pop()
}

/// A box around the hit in the middle, the same for every order.
struct Part {
    /// Where it begins along each axis, and its sides.
    first: Vec<usize>,
    sides: Vec<usize>,
    hits: Vec<Hit>,
}

impl Part {
    /// With about so many hits.
    fn around(hits: &[Hit], axes: &[usize], most: usize) -> Self {
        let mut sides = axes.to_vec();
        let mut left = hits.len();
        while left > most {
            let longest = (0..sides.len()).max_by_key(|&k| (sides[k], k)).unwrap_or(0);
            if sides[longest] < 4 {
                break;
            }
            sides[longest] = sides[longest].div_ceil(2);
            left /= 2;
        }
        let mut place = hits.get(hits.len() / 2).map_or(0, |h| h.place as usize);
        let mut first = vec![0; axes.len()];
        for k in (0..axes.len()).rev() {
            first[k] = (place % axes[k]).saturating_sub(sides[k] / 2).min(axes[k] - sides[k]);
            place /= axes[k];
        }
        let mut part = Part { first, sides, hits: Vec::new() };
        part.take(hits, axes, 0, [0, 0]);
        part
    }

    /// Takes the hits of a slab of all axes from one on: `from` is where it starts in the array and here.
    fn take(&mut self, hits: &[Hit], axes: &[usize], axis: usize, from: [usize; 2]) {
        let inner: usize = axes[axis + 1..].iter().product();
        let own: usize = self.sides[axis + 1..].iter().product();
        let first = self.first[axis];
        let mut rest = hits;
        for k in 0..self.sides[axis] {
            let start = from[0] + (first + k) * inner;
            rest = &rest[rest.partition_point(|h| (h.place as usize) < start)..];
            // Nothing is behind the last hit.
            let Some(next) = rest.first() else { return };
            let here = &rest[..rest.partition_point(|h| (h.place as usize) < start + inner)];
            let to = from[1] + k * own;
            if here.is_empty() {
                continue;
            }
            if inner > 1 {
                self.take(here, axes, axis + 1, [start, to]);
            } else {
                self.hits.push(Hit { place: to as u32, value: next.value });
            }
        }
    }

    /// With so many hits that they tell something, if there are as many.
    fn telling(hits: &[Hit], axes: &[usize]) -> Self {
        let mut looks = TRIAL[0];
        loop {
            let part = Part::around(hits, axes, looks);
            if part.hits.len() as u64 >= 2 * TELLING || part.sides == axes {
                return part;
            }
            looks *= 2;
        }
    }

    /// About how many bits it takes in an order.
    fn cost(&self, order: &Order) -> u64 {
        self.bits(order, |index, sides| {
            let rows = sides[0] * sides[1] * sides[2];
            let habits = habits(index, rows, sides[3]).filter(|_| fits(sides))?;
            Some(Deep::new(habits, sides))
        })
    }

    /// About how many bits it takes in an order with a model.
    fn bits(&self, order: &Order, model: impl FnOnce(&Index, [usize; 4]) -> Option<Deep>) -> u64 {
        let order = Order { axes: self.sides.clone(), walk: order.walk.clone() };
        let sides = order.sides();
        let index = order.index(&self.hits);
        let bits = model(&index, sides).map(|mut m| m.try_out(&mut Given::new(&index, sides[3])));
        bits.and_then(Result::ok).unwrap_or(u64::MAX)
    }
}

/// What is done of a trial of starts when it is looked at, first and last.
const LOOKS: [usize; 2] = [HIT << 8, HIT << 12];

/// Hits of a part of a trial that tell something.
const TELLING: u64 = 128;

/// A way to start, as far as it came.
pub struct Started<'a> {
    /// The bundle and its number, or nothing.
    pub bundle: Option<(usize, &'a Bundle)>,
    /// The coder.
    pub coder: Encoder,
    model: Deep,
    rows: Given<'a>,
    at: At,
    /// Hits and bits of the last part.
    part: [u64; 2],
    /// All bits so far.
    bits: u64,
}

impl<'a> Started<'a> {
    fn new(
        habits: &Habits,
        bundle: Option<(usize, &'a Bundle)>,
        sides: [usize; 4],
        index: &'a Index,
    ) -> Result<Self> {
        let model = model(habits, bundle.map(|b| b.1), sides)?;
        let (at, rows) = (model.at_start(), Given::new(index, sides[3]));
        Ok(Started { bundle, coder: Encoder::new(), model, rows, at, part: [0; 2], bits: 0 })
    }

    fn go_on(&mut self, until: usize) -> Result<bool> {
        let before = self.at.hits;
        let done = self.model.go_on(&mut self.coder, &mut self.rows, &mut self.at, until)?;
        let bits = self.coder.bits();
        self.part = [(self.at.hits - before) as u64, bits - self.bits];
        self.bits = bits;
        Ok(done)
    }

    /// Whether another one leaves no hope: it is plainly better so far, and still was in the last part.
    fn lost(&self, other: &Started) -> bool {
        let ([hits, own], [_, theirs]) = (self.part, other.part);
        let plain = PLAIN * self.at.hits.isqrt() as u64;
        self.bits > other.bits + plain && hopeless(self.bundle.map(|b| b.1), hits, own, theirs)
    }
}

/// Whether a start takes so much more for some hits than another one that it does not catch up. What starts from nothing still learns.
fn hopeless(bundle: Option<&Bundle>, hits: u64, own: u64, theirs: u64) -> bool {
    let more = if bundle.is_none_or(Bundle::of_places) { 12 } else { 3 };
    hits >= TELLING && own * 100 > theirs * (100 + more)
}

/// Codes all hits from the one of some starts (bundles with their numbers, or nothing) that is best for them. What loses plainly on a
/// part of them is out; the others are tried on their head.
pub fn start<'a>(
    habits: &Habits,
    mut starts: Vec<Option<(usize, &'a Bundle)>>,
    order: &Order,
    hits: &[Hit],
    index: &'a Index,
) -> Result<Started<'a>> {
    let sides = order.sides();
    if starts.len() > 1 {
        let part = Part::telling(hits, &order.axes);
        let found = part.hits.len() as u64;
        let bits = |start: &Option<(usize, &Bundle)>| {
            part.bits(order, |_, sides| model(habits, start.map(|s| s.1), sides).ok())
        };
        let bits: Vec<u64> = starts.iter().map(bits).collect();
        let least = bits.iter().copied().min().unwrap_or(0);
        let plain = PLAIN * found.isqrt();
        let mut all = bits.iter();
        starts.retain(|start| {
            let own = all.next().copied().unwrap_or(0);
            own <= least + plain || !hopeless(start.map(|s| s.1), found, own, least)
        });
    }
    let mut others = Vec::new();
    for start in starts {
        others.push(Started::new(habits, start, sides, index)?);
    }
    if others.is_empty() {
        return Err(usage("no bundle has this number"));
    }
    let mut best = others.swap_remove(0);
    let mut until = LOOKS[0];
    while !others.is_empty() {
        let mut done = best.go_on(until)?;
        for other in &mut others {
            done |= other.go_on(until)?;
        }
        for other in &mut others {
            if other.bits < best.bits {
                std::mem::swap(other, &mut best);
            }
        }
        others.retain(|other| !done && until < LOOKS[1] && !other.lost(&best));
        until *= 2;
    }
    best.go_on(usize::MAX)?;
    Ok(best)
}

/// What starts from a bundle, or from nothing.
fn model(habits: &Habits, bundle: Option<&Bundle>, sides: [usize; 4]) -> Result<Deep> {
    match bundle {
        Some(bundle) => bundle.model(habits.alphabet.clone(), sides),
        None => Ok(Deep::new(habits.clone(), sides)),
    }
}
