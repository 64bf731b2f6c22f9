//! A number by mode and rest.
//!
//! Mode 0: free, by sign, exponent and fraction (of which the first bits are learned). Mode 1: zero. Modes 2 to 6: a prediction,
//! and the difference of the ordinals (wrapping): its magnitude as a number, then its sign. Mode 7: the 64 bits of
//! the cell, where cells may be escaped; else a prediction too.
//!
//! Sets of weights: mode 0 (a symbol of 3 bits), sign 1, exponent 2 (a symbol), fraction 3 (52 bits of which 4 are learned; of
//! decimals as many as 9 x 10^(D-1) - 1 has, 6 of them learned), magnitude 4 + mode, sign of a difference 12, numbers that
//! are no cells 13. A cell of +0 is always mode 1. Sign and fraction of a free cell have the contexts of the exponent, the first
//! replaced by hash(exponent), each other c by hash(c, exponent); the sign comes before the fraction.
//!
//! hash of numbers: h = 0x811C9DC5; for each p: h = (h xor p) * 0x01000193, then h = h xor h >> 15; modulo 2^32. What the contexts
//! of each task are made of is written where the task is (`Hints`): that is the format.

use crate::entropy::binary::BitCoder;
use crate::model::mixing::{Contexts, K, Mixing};
use crate::model::ordinal::{Ordinal, Parts};

/// Modes.
pub const MODES: usize = 8;
/// Not predicted.
pub const FREE: usize = 0;
/// Zero.
pub const ZERO: usize = 1;
/// All bits.
const ESCAPE: usize = 7;

/// Sets of weights, apart for what they decide.
const SET_MODE: u32 = 0;
const SET_SIGN: u32 = 1;
const SET_EXPONENT: u32 = 2;
const SET_FRACTION: u32 = 3;
const SET_REST: u32 = 4;
const SET_REST_SIGN: u32 = 12;
const SET_NUMBER: u32 = 13;

/// One context out of several numbers.
#[inline]
pub fn hash(parts: &[u32]) -> u32 {
    let mut h = 0x811C_9DC5u32;
    for &p in parts {
        h = (h ^ p).wrapping_mul(0x0100_0193);
        h ^= h >> 15;
    }
    h
}

/// The exponent of an f64, and a bit for its sign.
#[inline]
pub fn scale(x: f64) -> u32 {
    (x.to_bits() >> 52) as u32
}

/// The exponent alone.
#[inline]
pub fn exponent(x: f64) -> i32 {
    (x.to_bits() >> 52 & 0x7ff) as i32
}

/// What may be said about a cell.
pub struct Hints {
    /// Predictions, by mode.
    pub guesses: [Option<f64>; MODES],
    /// Contexts of the mode.
    pub mode: Contexts,
    /// How large the differences will be, by mode: anything that tells.
    pub error: [u32; MODES],
    /// Another context of the differences.
    pub kind: u32,
    /// Contexts of sign and exponent.
    pub free: Contexts,
}

impl Default for Hints {
    fn default() -> Self {
        Hints { guesses: [None; MODES], mode: [0; K], error: [0; MODES], kind: 0, free: [0; K] }
    }
}

/// Codes numbers.
pub struct Numbers {
    mixing: Mixing,
    pub ordinal: Ordinal,
    escapes: bool,
}

impl Numbers {
    pub fn new(ordinal: Ordinal, escapes: bool, cells: usize) -> Numbers {
        Numbers { mixing: Mixing::new(cells), ordinal, escapes }
    }

    /// A number that is no cell.
    pub fn number<C: BitCoder>(&mut self, c: &mut C, n: u64, contexts: &Contexts) -> u64 {
        self.mixing.number(c, n, contexts, SET_NUMBER)
    }

    /// The best mode for a cell, with the bits that its difference has.
    pub fn choose(&self, cell: u64, guesses: &[Option<f64>; MODES]) -> (usize, u32) {
        if cell == 0 {
            return (ZERO, 0);
        }
        if self.escapes && !self.ordinal.holds(cell) {
            return (ESCAPE, 64);
        }
        let own = self.ordinal.of_number(f64::from_bits(cell));
        let limit = self.ordinal.fraction_bits().saturating_sub(5);
        let mut best = (FREE, limit);
        for (mode, guess) in guesses.iter().enumerate().skip(2) {
            if mode == ESCAPE && self.escapes {
                continue;
            }
            if let Some(x) = guess {
                let rest = own.wrapping_sub(self.ordinal.of_number(*x));
                let bits = 64 - rest.unsigned_abs().leading_zeros();
                if bits < best.1 {
                    best = (mode, bits);
                }
            }
        }
        best
    }

    /// Codes a cell; its mode, and the cell.
    pub fn code<C: BitCoder>(&mut self, c: &mut C, cell: Option<u64>, hints: &Hints) -> (usize, u64) {
        let want = cell.map_or(0, |x| self.choose(x, &hints.guesses).0);
        let mode = self.mixing.symbol(c, want as u32, 3, &hints.mode, SET_MODE) as usize;
        let cell = cell.unwrap_or(0);
        let made = match mode {
            ZERO => 0,
            ESCAPE if self.escapes => {
                (0..64).rev().fold(0, |n, k| n << 1 | c.code(cell >> k & 1 == 1, 1 << 15) as u64)
            }
            FREE => self.free(c, cell, hints),
            _ => {
                let guess = self.ordinal.of_number(hints.guesses[mode].unwrap_or(0.0));
                let rest = self.ordinal.of_number(f64::from_bits(cell)).wrapping_sub(guess);
                let m = mode as u32;
                let contexts = [
                    hash(&[m, hints.error[mode]]),
                    hash(&[m, hints.error[mode], hints.kind]),
                    hash(&[m, hints.kind]),
                    hash(&[m, hints.error[mode] / 2, 9]),
                    hash(&[m, 7]),
                    hash(&[m, hints.mode[1]]),
                ];
                let magnitude =
                    self.mixing.number(c, rest.unsigned_abs() & i64::MAX as u64, &contexts, SET_REST + m);
                let mut rest = magnitude as i64;
                if rest != 0 {
                    let want = self.ordinal.of_number(f64::from_bits(cell)).wrapping_sub(guess) < 0;
                    let contexts =
                        [m, hints.error[mode] << 3 | m, m << 8 | (magnitude.min(7) as u32), hints.kind, 0, 0];
                    if self.mixing.bit(c, want, &contexts, SET_REST_SIGN, m) {
                        rest = -rest;
                    }
                }
                self.ordinal.number(guess.wrapping_add(rest)).to_bits()
            }
        };
        (mode, made)
    }

    fn free<C: BitCoder>(&mut self, c: &mut C, cell: u64, hints: &Hints) -> u64 {
        let parts = self.ordinal.parts(self.ordinal.of_number(f64::from_bits(cell)));
        let mut contexts = hints.free;
        let exponent =
            self.mixing.symbol(c, parts.exponent, self.ordinal.exponent_bits(), &contexts, SET_EXPONENT);
        for (k, x) in contexts.iter_mut().enumerate() {
            *x = match k {
                0 => hash(&[exponent]),
                _ => hash(&[*x, exponent]),
            };
        }
        let negative = self.mixing.bit(c, parts.negative, &contexts, SET_SIGN, 0);
        let (bits, known) = match self.ordinal {
            Ordinal::Binary => (52, 4),
            other => (other.fraction_bits(), other.fraction_bits().min(6)),
        };
        let fraction = self.mixing.tail(c, parts.fraction, bits, known, &contexts, SET_FRACTION);
        self.ordinal.number(self.ordinal.join(Parts { negative, exponent, fraction })).to_bits()
    }
}
