//! Raw bits, least significant first.
//!
//! A payload may hold a stream of bytes at its front and raw bits at its end: the bits are then written
//! with their bytes in reverse order, so that one length serves both.

/// Writes raw bits.
#[derive(Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    hold: u64,
    used: u32,
}

impl BitWriter {
    /// Nothing written yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the low `n` bits of `value`; `n` at most 64. Higher bits of `value` are ignored.
    #[inline]
    pub fn put(&mut self, value: u64, n: u32) {
        if n > 32 {
            self.put32(value & 0xffff_ffff, 32);
            self.put32(value >> 32, n - 32);
        } else {
            self.put32(value, n);
        }
    }

    #[inline]
    fn put32(&mut self, value: u64, n: u32) {
        self.hold |= (value & ((1 << n) - 1)) << self.used;
        self.used += n;
        if self.used >= 32 {
            self.bytes.extend_from_slice(&(self.hold as u32).to_le_bytes());
            self.hold >>= 32;
            self.used -= 32;
        }
    }

    /// The bytes, the last one filled up with zero bits.
    pub fn finish(mut self) -> Vec<u8> {
        let left = self.used.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.hold.to_le_bytes()[..left]);
        self.bytes
    }
}

/// Reads raw bits. Behind the last byte come zero bits without end.
#[derive(Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    next: usize,
    hold: u64,
    have: u32,
}

impl<'a> BitReader<'a> {
    /// From the first byte on.
    pub fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, next: 0, hold: 0, have: 0 }
    }

    /// The next `n` bits; `n` at most 64.
    #[inline]
    pub fn get(&mut self, n: u32) -> u64 {
        if n > 32 { self.get32(32) | self.get32(n - 32) << 32 } else { self.get32(n) }
    }

    #[inline]
    fn get32(&mut self, n: u32) -> u64 {
        if self.have < n {
            let word = match self.bytes.get(self.next..self.next + 4) {
                Some(b) => u32::from_le_bytes([b[0], b[1], b[2], b[3]]),
                None => self.last_word(),
            };
            self.hold |= (word as u64) << self.have;
            self.have += 32;
            self.next += 4;
        }
        let value = self.hold & ((1 << n) - 1);
        self.hold >>= n;
        self.have -= n;
        value
    }

    #[cold]
    fn last_word(&self) -> u32 {
        let tail = self.bytes.get(self.next..).unwrap_or(&[]);
        tail.iter().take(4).rev().fold(0, |w, &b| w << 8 | b as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn come_back(items in proptest::collection::vec((any::<u64>(), 0u32..=64), 0..200)) {
            let mut w = BitWriter::new();
            for &(v, n) in &items {
                w.put(v, n);
            }
            let bits: u64 = items.iter().map(|i| i.1 as u64).sum();
            let bytes = w.finish();
            prop_assert_eq!(bytes.len() as u64, bits.div_ceil(8));
            let mut r = BitReader::new(&bytes);
            for &(v, n) in &items {
                prop_assert_eq!(r.get(n), if n == 64 { v } else { v & ((1 << n) - 1) });
            }
        }
    }

    #[test]
    fn beyond_the_end_are_zeros() {
        let mut r = BitReader::new(&[0xff]);
        assert_eq!(r.get(64), 0xff);
        assert_eq!(r.get(33), 0);
    }
}
