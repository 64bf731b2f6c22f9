//! Values by mixing: each class as bits, each bit from three contexts whose probabilities are mixed.

use super::model::{Place, Shades};
use crate::entropy::binary::BitCoder;
use crate::entropy::mix::{Counter, Weights};

/// Contexts of a bit.
const INPUTS: usize = 3;
/// Counters do not slow down further than this.
const LIMIT: u32 = 400;
/// How fast weights learn.
const RATE: i32 = 3;

/// Mixes what three contexts say of each bit of a class.
pub struct Mixed<B> {
    /// Where the bits go or come from.
    pub coder: B,
    /// Nodes of three bits, by the hash of a context and the bits before.
    nodes: [Vec<[Counter; 8]>; INPUTS],
    shift: u32,
    /// By the set of places and the bit.
    weights: Vec<Weights<INPUTS>>,
    bits: u32,
    unit: u32,
}

impl<B: BitCoder> Mixed<B> {
    /// For `shades` classes (less than 64) and about so many hits; steps of a prediction are `unit` grades wide.
    pub fn new(coder: B, shades: usize, hits: usize, unit: u32) -> Self {
        let size = (hits / 2).clamp(1 << 8, 1 << 15).next_power_of_two();
        Mixed {
            coder,
            nodes: std::array::from_fn(|_| vec![[Counter::default(); 8]; size]),
            shift: 32 - size.trailing_zeros(),
            weights: vec![Weights([26_000; INPUTS]); 128],
            bits: (usize::BITS - (shades.max(2) - 1).leading_zeros()).clamp(1, 6),
            unit,
        }
    }

    #[inline(always)]
    fn step(&self, grade: u32) -> u32 {
        let knee = 20 * self.unit;
        if grade < knee { grade / self.unit } else { 20 + (grade - knee) / (4 * self.unit) }
    }

    /// Codes the lowest `count` (at most 3) bits of `s`.
    #[inline(always)]
    fn part(&mut self, hashes: [u32; INPUTS], set: usize, count: u32, s: u32) -> u32 {
        let at = hashes.map(|h| (h.wrapping_mul(0x9E37_79B1) >> self.shift) as usize);
        let [a, b, c] = &mut self.nodes;
        let (Some(a), Some(b), Some(c)) = (a.get_mut(at[0]), b.get_mut(at[1]), c.get_mut(at[2])) else {
            return 0;
        };
        let mut node = 1usize;
        for level in (0..count).rev() {
            let bit = s >> level & 1 != 0;
            let [a, b, c] = [&mut a[node & 7], &mut b[node & 7], &mut c[node & 7]];
            let weights = &mut self.weights[(set + level as usize) & 127];
            let mixed = weights.mix([a.p(), b.p(), c.p()]);
            let bit = self.coder.code(bit, mixed.p);
            weights.update(&mixed, bit, RATE);
            a.update(bit, LIMIT);
            b.update(bit, LIMIT);
            c.update(bit, LIMIT);
            node = node << 1 | bit as usize;
        }
        node as u32 & !(1 << count)
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
        let high = self.bits.saturating_sub(3);
        let mut top = 0;
        if high > 0 {
            top = self.part(hashes.map(|h| h << 4 | 15), place.set * 8 + 3, high, s >> 3);
        }
        let low = self.part(hashes.map(|h| h << 4 | top), place.set * 8, self.bits - high, s & 7);
        top << (self.bits - high) | low
    }
}
