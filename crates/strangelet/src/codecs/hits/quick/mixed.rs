//! Kinds, lengths and values by mixing: bits from three contexts each, whose probabilities are mixed.

use super::coder::{Coder, Table};
use super::frame::Run;
use super::model::{Begun, Cue, EARLIER, Model, NONE, Place, Plan, REACH};
use super::under::Under;
use crate::entropy::binary::BitCoder;
use crate::entropy::mix::{Counter, Weights};

/// Contexts of a bit.
const INPUTS: usize = 3;
/// Counters do not slow down further than this.
const LIMIT: u32 = 1000;
/// How fast weights learn.
const RATE: i32 = 6;
/// Which distance from the run that tells a start is asked for first.
const DISTANCES: [u32; 7] = [3, 2, 4, 1, 5, 0, 6];

/// Counters of bits, eight for each context and number, and weights.
#[derive(Clone)]
struct Bank {
    nodes: [Vec<[Counter; 8]>; INPUTS],
    shift: u32,
    weights: Vec<Weights<INPUTS>>,
}

impl Bank {
    fn new(size: usize, weights: usize) -> Self {
        let size = size.clamp(1 << 8, 1 << 15).next_power_of_two();
        Bank {
            nodes: std::array::from_fn(|_| vec![[Counter::default(); 8]; size]),
            shift: 32 - size.trailing_zeros(),
            weights: vec![Weights([26_000; INPUTS]); weights],
        }
    }

    /// Where the counters of three contexts are for a number below 16.
    #[inline(always)]
    fn find(&self, contexts: [u32; INPUTS], number: u32) -> [usize; INPUTS] {
        contexts.map(|c| ((c << 4 | number).wrapping_mul(0x9E37_79B1) >> self.shift) as usize)
    }

    /// Codes a bit.
    #[inline(always)]
    fn bit<B: BitCoder>(
        &mut self,
        coder: &mut B,
        at: [usize; INPUTS],
        node: usize,
        weights: usize,
        bit: bool,
    ) -> bool {
        let [a, b, c] = &mut self.nodes;
        let (Some(a), Some(b), Some(c), Some(weights)) =
            (a.get_mut(at[0]), b.get_mut(at[1]), c.get_mut(at[2]), self.weights.get_mut(weights))
        else {
            return false;
        };
        let [a, b, c] = [&mut a[node & 7], &mut b[node & 7], &mut c[node & 7]];
        let mixed = weights.mix([a.p(), b.p(), c.p()]);
        let bit = coder.code(bit, mixed.p);
        weights.update(&mixed, bit, RATE);
        a.update(bit, LIMIT);
        b.update(bit, LIMIT);
        c.update(bit, LIMIT);
        bit
    }
}

/// All counters and weights.
#[derive(Clone)]
pub struct Banks {
    kinds: Bank,
    lengths: Bank,
    values: Bank,
}

impl Banks {
    /// For so many hits.
    pub fn new(hits: usize) -> Self {
        Banks {
            kinds: Bank::new(hits / 8, 8),
            lengths: Bank::new(hits / 16, 8),
            values: Bank::new(hits / 6, 128),
        }
    }
}

/// Mixes what three contexts say of each bit.
pub struct Mixed<B> {
    /// Where the bits go or come from.
    pub coder: B,
    /// What was learnt.
    pub banks: Banks,
    under: Under,
    /// Groups of eight classes.
    groups: u32,
    unit: u32,
    coarse: u32,
}

impl<B: BitCoder> Mixed<B> {
    /// For a plan, with what is known so far.
    pub fn new(coder: B, plan: &Plan, banks: Banks) -> Self {
        Mixed {
            coder,
            banks,
            under: Under::default(),
            groups: (plan.shades().clamp(1, 64) as u32 - 1) / 8 + 1,
            coarse: plan.coarse,
            // few values have finer steps
            unit: if plan.depth > 3 { 1 } else { 4 },
        }
    }

    #[inline(always)]
    fn step(&self, grade: u32) -> u32 {
        let knee = 20 * self.unit;
        if grade < knee { grade / self.unit } else { 20 + (grade - knee) / (4 * self.unit) }
    }
}

impl<B: BitCoder, C: Coder> Model<C> for Mixed<B> {
    fn enter(&mut self, layer: usize, pad: usize) {
        self.under.enter(layer, pad);
    }

    fn leave(&mut self, pad: usize, runs: &[Run]) {
        self.under.leave(pad, runs);
    }

    #[inline(always)]
    fn kind(&mut self, _coder: &mut C, _table: &mut Table<16>, cue: &Cue, kind: usize) -> usize {
        let m = &cue.told;
        let (trend, peak) = (cue.trend as u32, cue.peak as u32);
        let growth = (m.peak as i32 - m.mate as i32).clamp(-20, 20) + 20;
        let contexts = [
            peak << 4 | trend << 2 | cue.shut as u32,
            trend << 16 | (growth as u32 / 2) << 11 | ((m.grand as u32).min(30) / 3) << 3 | m.len.min(6),
            self.under.distance(m.start) << 16 | trend << 8 | (peak / 2) << 2 | cue.lately,
        ];
        let at = self.banks.kinds.find(contexts, 0);
        let mut bit = |node: usize, bit: bool| self.banks.kinds.bit(&mut self.coder, at, node, node, bit);
        if cue.room && bit(0, kind == EARLIER) {
            return EARLIER;
        }
        if bit(1, kind == NONE) {
            return NONE;
        }
        let mut node = 2;
        for distance in DISTANCES {
            if m.start + distance < cue.from + REACH {
                continue;
            }
            if node == 8 || bit(node, kind == distance as usize) {
                return distance as usize;
            }
            node += 1;
        }
        NONE
    }

    #[inline(always)]
    fn length(&mut self, coder: &mut C, table: &mut Table<64>, m: u32, begun: &Begun, length: u32) -> u32 {
        let left = begun.left as u32;
        let (distance, left_under) = self.under.left(begun.start);
        let contexts = [left << 8 | begun.mate as u32, left << 8 | begun.ahead, left_under << 8 | distance];
        let at = self.banks.lengths.find(contexts, 0);
        let mut node = 1;
        for level in (0..3).rev() {
            let bit = length.min(7) >> level & 1 != 0;
            node = node << 1 | self.banks.lengths.bit(&mut self.coder, at, node, node, bit) as usize;
        }
        match node & 7 {
            7 => coder.number(table, m, length.saturating_sub(7)).saturating_add(7),
            short => short as u32,
        }
    }

    #[inline(always)]
    fn value(&mut self, _coder: &mut C, place: Place, s: u32) -> u32 {
        let set = place.set as u32;
        let grade = self.step(place.grade as u32);
        let contexts = [
            set << 8 | grade,
            set << 16 | place.one << 8 | (self.step((place.two << 6 >> self.coarse).min(255)) / 2),
            (grade / 2) << 16 | place.len.min(12) << 8 | place.p.min(31),
        ];
        let set = place.set * 8;
        // which eight classes: those expected, or how many further up or down
        let expected = ((place.grade as u32) << self.coarse >> 9).min(self.groups - 1);
        let mut group = expected;
        if self.groups > 1 {
            let at = self.banks.values.find(contexts, 8 | expected);
            let mut bit = |node, weights, bit| self.banks.values.bit(&mut self.coder, at, node, weights, bit);
            let wanted = s >> 3;
            if bit(0, set, wanted != expected) {
                let up = match expected {
                    0 => true,
                    e if e == self.groups - 1 => false,
                    e => bit(1, set + 1, wanted > e),
                };
                let last = if up { self.groups - 1 } else { 0 };
                group = if up { group + 1 } else { group - 1 };
                let mut node = 2;
                while group != last && bit(node, set + 2, wanted != group) {
                    group = if up { group + 1 } else { group - 1 };
                    node = (node + 1).min(7);
                }
            }
        }
        let at = self.banks.values.find(contexts, group);
        let mut node = 1;
        for level in (0..3).rev() {
            let bit = s >> level & 1 != 0;
            node =
                node << 1 | self.banks.values.bit(&mut self.coder, at, node, set + 3 + level, bit) as usize;
        }
        group << 3 | (node as u32 & 7)
    }
}
