//! Symbols and numbers through mixed contexts.
//!
//! Each decision has [`K`] contexts, which the caller names by 32-bit numbers, and a set of weights. Counter k of a decision at `node` is at
//! `hash(context k, node, k)` of one table per context; `entropy/mix.rs` has the arithmetic (limit 255, rate 10).
//! hash(c, n, k): x = (c + 1) * 0x9E3779B1 xor (n + 1) * 0x85EBCA6B xor k * 0xC2B2AE35, modulo 2^32; x = (x xor x >> 15) * 0x2C1B3C6D;
//! x xor x >> 13; its low bits. The weights of a decision are those of (set * 64 + node) modulo 1024.

use crate::entropy::binary::BitCoder;
use crate::entropy::mix::{Counter, LIMIT, Weights};

/// Contexts of a decision.
pub const K: usize = 6;
/// Sets of weights.
const SETS: usize = 1024;
const RATE: i32 = 10;

/// The contexts of a decision.
pub type Contexts = [u32; K];

/// Counters and weights.
pub struct Mixing {
    tables: [Vec<Counter>; K],
    mask: usize,
    weights: Vec<Weights<K>>,
}

impl Mixing {
    /// For a stream of so many cells.
    pub fn new(cells: usize) -> Mixing {
        let room = cells.saturating_mul(8).next_power_of_two().clamp(1 << 10, 1 << 18);
        Mixing {
            tables: std::array::from_fn(|_| vec![Counter::default(); room]),
            mask: room - 1,
            weights: vec![Weights::even(); SETS],
        }
    }

    /// Codes one decision.
    #[inline]
    pub fn bit<C: BitCoder>(
        &mut self,
        c: &mut C,
        bit: bool,
        contexts: &Contexts,
        set: u32,
        node: u32,
    ) -> bool {
        let mut at = [0; K];
        let mut p = [0; K];
        for (k, &context) in contexts.iter().enumerate() {
            let x = context.wrapping_add(1).wrapping_mul(0x9E37_79B1)
                ^ node.wrapping_add(1).wrapping_mul(0x85EB_CA6B)
                ^ (k as u32).wrapping_mul(0xC2B2_AE35);
            let x = (x ^ x >> 15).wrapping_mul(0x2C1B_3C6D);
            at[k] = (x ^ x >> 13) as usize & self.mask;
            p[k] = self.tables[k][at[k]].p();
        }
        let weights = &mut self.weights[(set.wrapping_mul(64).wrapping_add(node)) as usize & (SETS - 1)];
        let mixed = weights.mix(p);
        let bit = c.code(bit, mixed.p);
        weights.update(&mixed, bit, RATE);
        for (table, at) in self.tables.iter_mut().zip(at) {
            table[at].update(bit, LIMIT);
        }
        bit
    }

    /// Codes a symbol of `bits` bits, highest first; node numbers begin with a one.
    pub fn symbol<C: BitCoder>(
        &mut self,
        c: &mut C,
        symbol: u32,
        bits: u32,
        contexts: &Contexts,
        set: u32,
    ) -> u32 {
        let mut node = 1u32;
        for k in (0..bits).rev() {
            let b = self.bit(c, symbol >> k & 1 == 1, contexts, set, node);
            node = node << 1 | b as u32;
        }
        node - (1 << bits)
    }

    /// Codes a number below 2^63: the length of its bits, the two behind the first, the rest as they are.
    pub fn number<C: BitCoder>(&mut self, c: &mut C, number: u64, contexts: &Contexts, set: u32) -> u64 {
        let length = self.symbol(c, 64 - number.leading_zeros(), 6, contexts, set);
        if length < 2 {
            return length as u64;
        }
        let mut value = 1u64;
        for k in (0..length - 1).rev() {
            let bit = number >> k & 1 == 1;
            let near = length - 2 - k < 2;
            let node = 64 + length * 4 + (value as u32 & 3);
            let bit = if near { self.bit(c, bit, contexts, set, node) } else { c.code(bit, 1 << 15) };
            value = value << 1 | bit as u64;
        }
        value
    }

    /// Codes `bits` bits of which the first `known` are learned.
    pub fn tail<C: BitCoder>(
        &mut self,
        c: &mut C,
        value: u64,
        bits: u32,
        known: u32,
        contexts: &Contexts,
        set: u32,
    ) -> u64 {
        let mut node = 1u64;
        for k in (0..bits).rev() {
            let bit = value >> k & 1 == 1;
            let bit = if bits - k <= known {
                self.bit(c, bit, contexts, set, node as u32)
            } else {
                c.code(bit, 1 << 15)
            };
            node = node << 1 | bit as u64;
        }
        node & ((1u64 << bits) - 1)
    }
}
