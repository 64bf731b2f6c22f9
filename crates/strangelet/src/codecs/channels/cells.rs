//! The cells of channels: classes through blended contexts and the share of the teeth, then suffixes.

use super::comb::{Comb, Scale};
use super::{Channel, Settings};
use crate::codecs::adaptive::Bits;
use crate::column::Scalar;
use crate::entropy::binary::BitCoder;
use crate::entropy::mix::{Counter, LIMIT};
use crate::error::{Result, corruption};
use crate::limits;
use crate::model::blend::{self, MOST, Refine, Set};
use crate::transform::classes::{LEAF, Ranks, Tree};

/// What is known of a channel from the rows before.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    mean: i32,
    spread: i32,
    last: u16,
    off: u8,
}

/// A difference as one of nine.
#[inline(always)]
fn quantised(x: i32) -> u64 {
    let size = x.unsigned_abs();
    let far =
        u64::from(size >= 128) + u64::from(size >= 512) + u64::from(size >= 2048) + u64::from(size >= 8192);
    if x < 0 { 4 - far } else { 4 + far }
}

/// The model of the classes.
struct Model {
    tree: Tree,
    tables: [Vec<Counter>; MOST - 1],
    mask: usize,
    first: Vec<Set>,
    second: Vec<Set>,
    refine: Refine,
}

/// Teeth of the range of a decision.
struct Teeth<'a> {
    comb: &'a Comb,
    scale: Scale,
    min: u64,
    /// First key of each class, and behind the last one.
    begins: &'a [u64],
}

impl Teeth<'_> {
    #[inline(always)]
    fn below(&self, key: u64) -> i64 {
        self.comb.below(self.scale.edge(key.saturating_add(self.min)))
    }

    /// The bit where the teeth leave no choice, else the probability of a one.
    #[inline(always)]
    fn share(low: i64, middle: i64, high: i64) -> std::result::Result<u32, bool> {
        let (zero, one) = (middle.saturating_sub(low), high.saturating_sub(middle));
        if one <= 0 {
            return Err(false);
        }
        if zero <= 0 {
            return Err(true);
        }
        let (zero, one) = (zero as f64, one as f64);
        Ok(((one / (zero + one) * 65536.0) as u32).clamp(16, 65520))
    }
}

impl Model {
    fn new(tree: Tree, count: usize) -> Model {
        let room = count.saturating_mul(4).next_power_of_two().clamp(1 << 8, 1 << 18);
        let nodes = tree.nodes().len().max(1);
        Model {
            tables: std::array::from_fn(|_| vec![Counter::default(); room]),
            mask: room - 1,
            first: vec![Set::even(MOST); 2 * nodes],
            second: vec![Set::even(MOST); 8],
            refine: Refine::new(nodes),
            tree,
        }
    }

    #[inline(always)]
    fn code<C: BitCoder>(
        &mut self,
        c: &mut C,
        rank: u16,
        contexts: &[u64; MOST - 1],
        row: usize,
        teeth: Option<&Teeth>,
    ) -> u16 {
        let nodes = self.tree.nodes();
        if nodes.is_empty() {
            return 0;
        }
        let mut bases = [0usize; MOST - 1];
        for (k, (base, &number)) in bases.iter_mut().zip(contexts).enumerate() {
            let x = number.wrapping_mul(16).wrapping_add(k as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            *base = ((x ^ x >> 29) >> 20) as usize;
        }
        let begin = |t: &Teeth, rank: usize| t.below(t.begins.get(rank).copied().unwrap_or(0));
        let (mut low, mut high) = match teeth {
            Some(t) => (begin(t, 0), begin(t, t.begins.len().saturating_sub(1))),
            None => (0, 0),
        };
        let mut at = 0u16;
        loop {
            let node = nodes[usize::from(at)];
            let mut fixed = Counter::default();
            let mut known = None;
            let mut middle = 0;
            if let Some(t) = teeth {
                middle = begin(t, usize::from(node.split));
                match Teeth::share(low, middle, high) {
                    Ok(p) => fixed = Counter::starting(p, 255),
                    Err(bit) => known = Some(bit),
                }
            }
            let bit = match known {
                Some(bit) => bit,
                None => {
                    let mut counters = [fixed; MOST];
                    let mut places = [0; MOST - 1];
                    for k in 0..MOST - 1 {
                        places[k] = bases[k].wrapping_add(usize::from(at)) & self.mask;
                        counters[k] = self.tables[k][places[k]];
                    }
                    let set = usize::from(at) + if teeth.is_some() { nodes.len() } else { 0 };
                    let sets = (&mut self.first[set], &mut self.second[row & 7]);
                    let refine = (&mut self.refine, usize::from(at));
                    let bit = blend::code(c, rank >= node.split, &mut counters, MOST, sets, refine);
                    for k in 0..MOST - 1 {
                        self.tables[k][places[k]] = counters[k];
                    }
                    bit
                }
            };
            if bit {
                low = middle
            } else {
                high = middle
            }
            at = node.next[usize::from(bit)];
            if at >= LEAF {
                return at - LEAF;
            }
        }
    }
}

/// Codes all cells, in either direction; gives their keys in the frame, or the cells of dead channels.
#[allow(clippy::too_many_arguments)]
pub fn code_cells<B: Bits>(
    bits: &mut B,
    settings: &Settings,
    scalar: Scalar,
    channels: &[Channel],
    (used, weights): (&[u64], &[u32]),
    beside: Option<&[u8]>,
    given: &[u64],
    count: usize,
) -> Result<Vec<u64>> {
    let plan = &settings.plan;
    let encode = !given.is_empty();
    let scale = Scale { scalar, dead: plan.dead };
    let bases: Vec<(u32, u64)> = used.iter().map(|&p| plan.cut.base(p)).collect();
    let mut begins: Vec<u64> = bases.iter().map(|b| b.1).collect();
    begins
        .extend(bases.last().map(|&(n, base)| base.saturating_add(1u64.checked_shl(n).unwrap_or(u64::MAX))));
    let combs: Vec<Option<Comb>> = channels
        .iter()
        .map(|c| match (c, settings.grain) {
            (&Channel::Comb(step, offset), Some(g)) => Some(g.comb(step, offset)),
            _ => None,
        })
        .collect();
    let ranks = if encode { Ranks::new(used) } else { Ranks::new(&[]) };
    let mut model = Model::new(Tree::new(weights), count);
    let mut depth = settings.depth;
    while depth > 0 && used.len() << depth > 1 << 18 {
        depth -= 1;
    }
    let mut fine = vec![Counter::default(); used.len() << depth];
    let mut off = [Counter::default(); 4];
    let mut known = vec![Known::default(); channels.len()];
    let mut made: Vec<u64> = limits::reserve(count);
    let (mut row, mut k, mut near, mut slow, mut before) = (0usize, 0usize, 0i32, 0i32, 0u16);
    for i in 0..count {
        if i & 0xfff == 0xfff && bits.exhausted() {
            return Err(corruption("channels: the payload ends too early"));
        }
        if k == channels.len() {
            (row, k, near, slow, before) = (row + 1, 0, 0, 0, 0);
        }
        let own = k;
        k += 1;
        if let Channel::Dead(cell) = channels[own] {
            made.push(cell);
            continue;
        }
        if used.is_empty() {
            return Err(corruption("channels: cells without a class"));
        }
        let key = given.get(i).copied().unwrap_or(0);
        let state = &mut known[own];
        let mut teeth = combs[own].as_ref().map(|comb| Teeth { comb, scale, min: plan.min, begins: &begins });
        if let Some(t) = &teeth {
            let counter = &mut off[usize::from(state.off.min(3))];
            let is_off =
                bits.code(encode && t.below(key.saturating_add(1)) <= t.below(key), counter.p_coder());
            counter.update(is_off, 1023);
            if is_off {
                state.off = state.off.saturating_add(1);
                teeth = None;
            }
        }
        let level = (state.mean >> 8).clamp(0, 0xffff) as u64;
        let spread = (32 - ((state.spread >> 6).max(0) as u32).leading_zeros()).min(9);
        let around = quantised(near) * 9 + quantised(slow);
        let (five, six) = match beside {
            Some(b) => {
                let u = u64::from(b.get(i).copied().unwrap_or(0));
                (u * 16 + (level >> 4), u * 81 + around)
            }
            None => (state.last.into(), around),
        };
        let contexts = [
            0,
            own as u64,
            before.into(),
            level * 10 + u64::from(spread),
            (level >> 4) * 81 + around,
            five,
            six,
        ];
        let rank = if encode { ranks.rank(plan.cut.prefix(key)) } else { 0 };
        let digits = (usize::BITS - row.leading_zeros()).min(7) as usize;
        let rank = model.code(bits, rank, &contexts, digits, teeth.as_ref());
        let place = i32::from(rank) << 8;
        let n = row.min(15) as i32;
        let d = if row > 0 { place - state.mean } else { 0 };
        near += (d - near) / 2;
        slow += (d - slow) / 16;
        state.mean += (place - state.mean) / (n + 1);
        state.spread += (d.abs() - state.spread) / (n + 1);
        (state.last, before) = (rank, rank);
        let (n, base) = bases.get(usize::from(rank)).copied().unwrap_or((0, 0));
        let suffix = key.wrapping_sub(base);
        let mut tail = 0u64;
        if let Some(t) = &teeth {
            let mut from = base;
            let mut low = t.below(base);
            let mut high = t.below(base.saturating_add(1u64.checked_shl(n).unwrap_or(u64::MAX)));
            for bit in (0..n).rev() {
                let split = from.saturating_add(1 << bit);
                let middle = t.below(split);
                let one = match Teeth::share(low, middle, high) {
                    Ok(p) => bits.code(suffix >> bit & 1 == 1, p),
                    Err(one) => one,
                };
                if one {
                    (from, low) = (split, middle);
                    tail |= 1 << bit;
                } else {
                    high = middle;
                }
            }
        } else {
            let d = depth.min(n);
            let at = usize::from(rank) << depth;
            let mut node = 1usize;
            for j in 0..d {
                let counter = &mut fine[at | node];
                let b = bits.code(suffix >> (n - 1 - j) & 1 == 1, counter.p_coder());
                counter.update(b, LIMIT);
                node = node << 1 | usize::from(b);
            }
            if d > 0 {
                tail = (node as u64 & ((1 << d) - 1)) << (n - d);
            }
            if n > d {
                tail |= bits.raw(suffix & ((1 << (n - d)) - 1), n - d);
            }
        }
        made.push(base.wrapping_add(tail));
    }
    Ok(made)
}
