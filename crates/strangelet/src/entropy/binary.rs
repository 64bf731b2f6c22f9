//! Binary range coder: one bit at a time, each with a 16-bit probability.
//!
//! One trait serves both directions, so that a model is written once and encoder and decoder cannot
//! drift apart.
//!
//! # Stream
//! State: `low` (64 bits and a carry), `range` (64 bits, at first 2^64 - 1). For a bit with probability
//! `p`/65536 of being one: `split = (range >> 16) * p`; a one keeps the part below (`range = split`), a zero
//! the part above (`low += split`, `range -= split`). While `range < 2^32`, the upper 32 bits of `low`
//! are written (big-endian), and both are shifted left by 32. At the end as few bytes of a number are
//! written (0 to 8) as keep it within `low .. low + range` whatever bytes follow.

use std::hint::select_unpredictable;

/// Either direction of the coder.
pub trait BitCoder {
    /// Codes a bit whose probability of being one is `p`/65536, with 0 < `p` < 65536. The encoder takes
    /// the bit and returns it; the decoder ignores the argument.
    fn code(&mut self, bit: bool, p: u32) -> bool;

    /// Whether a decoder has read far beyond the end of its bytes.
    fn exhausted(&self) -> bool {
        false
    }
}

/// Writes bits.
#[derive(Debug)]
pub struct Encoder {
    low: u64,
    range: u64,
    out: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// Nothing written yet.
    pub fn new() -> Self {
        Encoder { low: 0, range: u64::MAX, out: Vec::new() }
    }

    /// Bytes written so far, without those still in the state.
    pub fn written(&self) -> usize {
        self.out.len()
    }

    /// About how many bits the stream has so far.
    pub fn bits(&self) -> u64 {
        8 * self.out.len() as u64 + u64::from(self.range.leading_zeros())
    }

    #[cold]
    fn carry(&mut self) {
        for b in self.out.iter_mut().rev() {
            *b = b.wrapping_add(1);
            if *b != 0 {
                break;
            }
        }
    }

    /// Ends the stream.
    pub fn finish(mut self) -> Vec<u8> {
        // The shortest bytes of which every continuation lies within the interval.
        let high = self.low as u128 + self.range as u128; // exclusive
        for bytes in 0..=8u32 {
            let step = 1u128 << (64 - 8 * bytes);
            let value = (self.low as u128).div_ceil(step) * step;
            if value + step <= high {
                if value >> 64 != 0 {
                    self.carry();
                }
                self.out.extend_from_slice(&(value as u64).to_be_bytes()[..bytes as usize]);
                break;
            }
        }
        self.out
    }
}

impl BitCoder for Encoder {
    #[inline(always)]
    fn code(&mut self, bit: bool, p: u32) -> bool {
        let split = (self.range >> 16) * p as u64;
        // without a branch on the bit, which nobody can foretell
        let (low, over) = self.low.overflowing_add(select_unpredictable(bit, 0, split));
        self.low = low;
        self.range = select_unpredictable(bit, split, self.range - split);
        if over {
            self.carry();
        }
        if self.range < 1 << 32 {
            self.out.extend_from_slice(&((self.low >> 32) as u32).to_be_bytes());
            self.low <<= 32;
            self.range <<= 32;
        }
        bit
    }
}

/// Reads bits. Behind the last byte come zeros without end; broken bytes give some bits, never a crash.
#[derive(Debug)]
pub struct Decoder<'a> {
    code: u64,
    range: u64,
    bytes: &'a [u8],
    next: usize,
}

impl<'a> Decoder<'a> {
    /// From the first byte on.
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut d = Decoder { code: 0, range: u64::MAX, bytes, next: 0 };
        d.code = (d.word() as u64) << 32;
        d.code |= d.word() as u64;
        d
    }

    #[inline(always)]
    fn word(&mut self) -> u32 {
        let at = self.next;
        self.next = at + 4;
        match self.bytes.get(at..at + 4) {
            Some(b) => u32::from_be_bytes([b[0], b[1], b[2], b[3]]),
            None => self.last_word(at),
        }
    }

    #[cold]
    fn last_word(&self, at: usize) -> u32 {
        let mut b = [0; 4];
        for (to, from) in b.iter_mut().zip(self.bytes.get(at..).unwrap_or(&[])) {
            *to = *from;
        }
        u32::from_be_bytes(b)
    }
}

impl BitCoder for Decoder<'_> {
    #[inline(always)]
    fn code(&mut self, _bit: bool, p: u32) -> bool {
        let split = (self.range >> 16) * p as u64;
        let bit = self.code < split;
        // without a branch on the bit, which nobody can foretell
        self.code -= select_unpredictable(bit, 0, split);
        self.range = select_unpredictable(bit, split, self.range - split);
        if self.range < 1 << 32 {
            self.code = self.code << 32 | self.word() as u64;
            self.range <<= 32;
        }
        bit
    }

    fn exhausted(&self) -> bool {
        self.next > self.bytes.len() + 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round(bits: &[(bool, u32)]) -> usize {
        let mut e = Encoder::new();
        for &(b, p) in bits {
            e.code(b, p);
        }
        let mut bytes = e.finish();
        let len = bytes.len();
        bytes.extend([0xff, 0, 0xff]); // whatever follows
        let mut d = Decoder::new(&bytes);
        for &(b, p) in bits {
            assert_eq!(d.code(false, p), b);
        }
        len
    }

    proptest! {
        #[test]
        fn come_back(bits in proptest::collection::vec((any::<bool>(), 1u32..65536), 0..3000)) {
            round(&bits);
        }

        #[test]
        fn extreme_probabilities_come_back(bits in proptest::collection::vec(
            (any::<bool>(), prop_oneof![Just(1u32), Just(65535u32)]), 0..3000)) {
            round(&bits);
        }

        #[test]
        fn any_bytes_decode(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let mut d = Decoder::new(&bytes);
            for p in 1..2000 {
                d.code(false, p * 31 % 65535 + 1);
            }
        }
    }

    #[test]
    fn costs_what_it_should() {
        assert!(round(&vec![(true, 65535); 10_000]) <= 1);
        let n = round(&(0..80_000).map(|i| (i * 7919 % 97 < 48, 32768)).collect::<Vec<_>>());
        assert!((10_000..10_004).contains(&n), "{n}");
    }
}
