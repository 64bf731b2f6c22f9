//! Values by mixing: each class as bits, each bit from three contexts whose probabilities are mixed.

use super::model::{Place, Plan, Shades};
use crate::entropy::binary::BitCoder;
use crate::entropy::mix::{Counter, Weights};

/// Contexts of a bit.
const INPUTS: usize = 3;
/// Counters do not slow down further than this.
const LIMIT: u32 = 1000;
/// How fast weights learn.
const RATE: i32 = 6;

/// Mixes what three contexts say of each bit of a class.
pub struct Mixed<B> {
    /// Where the bits go or come from.
    pub coder: B,
    /// Nodes of three bits, by the hash of a context and the bits before.
    nodes: [Vec<[Counter; 8]>; INPUTS],
    shift: u32,
    /// By the set of places and the bit.
    weights: Vec<Weights<INPUTS>>,
    /// Groups of eight classes.
    groups: u32,
    unit: u32,
}

impl<B: BitCoder> Mixed<B> {
    /// For a plan and so many hits.
    pub fn new(coder: B, plan: &Plan, hits: usize) -> Self {
        let size = (hits / 2).clamp(1 << 8, 1 << 15).next_power_of_two();
        Mixed {
            coder,
            nodes: std::array::from_fn(|_| vec![[Counter::default(); 8]; size]),
            shift: 32 - size.trailing_zeros(),
            weights: vec![Weights([26_000; INPUTS]); 128],
            groups: (plan.shades().clamp(1, 64) as u32 - 1) / 8 + 1,
            // few values have finer steps
            unit: if plan.depth > 3 { 1 } else { 4 },
        }
    }

    #[inline(always)]
    fn step(&self, grade: u32) -> u32 {
        let knee = 20 * self.unit;
        if grade < knee { grade / self.unit } else { 20 + (grade - knee) / (4 * self.unit) }
    }

    /// The nodes of three contexts.
    #[inline(always)]
    fn find(&self, hashes: [u32; INPUTS], group: u32) -> [usize; INPUTS] {
        hashes.map(|h| ((h << 4 | group).wrapping_mul(0x9E37_79B1) >> self.shift) as usize)
    }

    /// Codes a bit at a node.
    #[inline(always)]
    fn bit(&mut self, at: [usize; INPUTS], node: usize, weights: usize, bit: bool) -> bool {
        let [a, b, c] = &mut self.nodes;
        let (Some(a), Some(b), Some(c)) = (a.get_mut(at[0]), b.get_mut(at[1]), c.get_mut(at[2])) else {
            return false;
        };
        let [a, b, c] = [&mut a[node & 7], &mut b[node & 7], &mut c[node & 7]];
        let weights = &mut self.weights[weights & 127];
        let mixed = weights.mix([a.p(), b.p(), c.p()]);
        let bit = self.coder.code(bit, mixed.p);
        weights.update(&mixed, bit, RATE);
        a.update(bit, LIMIT);
        b.update(bit, LIMIT);
        c.update(bit, LIMIT);
        bit
    }
}

impl<B: BitCoder, C> Shades<C> for Mixed<B> {
    #[inline(always)]
    fn code(&mut self, _coder: &mut C, place: Place, s: u32) -> u32 {
        let set = place.set as u32;
        let grade = self.step(place.grade as u32);
        let hashes = [
            set << 8 | grade,
            set << 16 | place.one << 8 | self.step(place.two * 4) / 2,
            grade / 2 << 16 | place.len.min(12) << 8 | place.p.min(31),
        ];
        let set = place.set * 8;
        // which eight classes: those expected, or how many further up or down
        let expected = (place.grade as u32 / 32).min(self.groups - 1);
        let mut group = expected;
        if self.groups > 1 {
            let at = self.find(hashes, 8 | expected);
            let wanted = s >> 3;
            if self.bit(at, 0, set, wanted != expected) {
                let up = match expected {
                    0 => true,
                    e if e == self.groups - 1 => false,
                    e => self.bit(at, 1, set + 1, wanted > e),
                };
                let last = if up { self.groups - 1 } else { 0 };
                group = if up { group + 1 } else { group - 1 };
                let mut node = 2;
                while group != last && self.bit(at, node, set + 2, wanted != group) {
                    group = if up { group + 1 } else { group - 1 };
                    node = (node + 1).min(7);
                }
            }
        }
        let at = self.find(hashes, group);
        let mut node = 1;
        for level in (0..3).rev() {
            node = node << 1 | self.bit(at, node, set + 3 + level, s >> level & 1 != 0) as usize;
        }
        group << 3 | (node as u32 & 7)
    }
}
