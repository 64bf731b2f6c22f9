//! What came last time behind the same bytes.
//!
//! A table of 2^(b - 6) places, where 2^b is the size of the slots, knows where the last `least` bytes were seen
//! last: h = 0; for each four bytes, big-endian, h = ((h xor them) x 0x9E3779B97F4A7C15, modulo 2^64) rotated left
//! by 29; index h mod the table's size.
//!
//! After each byte: a followed place grows by one; if its byte was right, len grows (to 65535) and wrong (eight
//! bits) is shifted left; else len = 0 and wrong is shifted and gets a one. With `least` bytes or more behind it,
//! the table's entry of the last `least` is exchanged for the place of the next byte. If len < 16 and the entry was
//! neither empty nor the followed place: n = the bytes before both that are equal, at most 32; if n >= min(least,
//! 8) and n > len, it is followed from now on, len = n, wrong = 0.
//!
//! Places count from the first byte of what the model has read before; 0 is none. Class: 0 without a place; len + 1
//! below 8; 9 to 15 from 8, 12, 16, 24, 32, 64, 256 on. The probability that the expected bit is right is a counter
//! by (class, wrong mod 4, whether the expected byte is known to be wrong), at first 49152 with nothing seen, limit
//! 250.

use crate::entropy::mix::Counter;

/// A place that is followed as long as it is mostly right.
#[derive(Clone)]
pub struct Follow {
    table: Vec<u32>,
    least: usize,
    /// Place of the expected byte; 0 for none.
    place: usize,
    /// Bytes that were right in a row, at most 65535.
    pub len: u32,
    /// The last eight: ones were wrong.
    pub wrong: u8,
    counters: Vec<Counter>,
    context: usize,
}

/// Classes of lengths.
pub const CLASSES: usize = 16;

impl Follow {
    /// Finds places behind `least` equal bytes.
    pub fn new(bits: u32, least: usize) -> Self {
        Follow {
            table: vec![0; 1 << bits],
            least,
            place: 0,
            len: 0,
            wrong: 0,
            counters: vec![Counter::starting(49152, 0); CLASSES * 8],
            context: 0,
        }
    }

    /// The same over and over, up to 2^bits places: what was found is found again.
    pub fn repeated(&self, bits: u32) -> Self {
        let times = (1usize << bits) / self.table.len();
        Follow { table: self.table.repeat(times.max(1)), counters: self.counters.clone(), ..*self }
    }

    /// Place of the expected byte; 0 for none.
    pub fn place(&self) -> usize {
        self.place
    }

    /// Goes on behind a byte that was right, without the table.
    #[inline(always)]
    pub fn go_on(&mut self) {
        self.len = (self.len + 1).min(65535);
        self.wrong <<= 1;
        self.place += 1;
    }

    /// Follows nothing any more.
    #[inline(always)]
    pub fn lose(&mut self) {
        (self.place, self.len, self.wrong) = (0, 0, 0);
    }

    /// The expected byte.
    #[inline(always)]
    pub fn expected(&self, past: &[u8]) -> Option<u8> {
        if self.place == 0 { None } else { past.get(self.place).copied() }
    }

    /// Class of the length, below [`CLASSES`].
    #[inline(always)]
    pub fn class(&self) -> usize {
        if self.place == 0 {
            return 0;
        }
        match self.len {
            0..=7 => 1 + self.len as usize,
            8..=11 => 9,
            12..=15 => 10,
            16..=23 => 11,
            24..=31 => 12,
            32..=63 => 13,
            64..=255 => 14,
            _ => 15,
        }
    }

    /// After a byte.
    #[inline(always)]
    pub fn learn(&mut self, past: &[u8]) {
        let n = past.len();
        if self.place > 0 {
            if past.get(self.place) == past.last() {
                self.len = (self.len + 1).min(65535);
                self.wrong <<= 1;
            } else {
                self.len = 0;
                self.wrong = self.wrong << 1 | 1;
            }
            self.place += 1;
        }
        if n < self.least {
            return;
        }
        let hash = past[n - self.least..].as_chunks::<4>().0.iter().fold(0, |h: u64, b| {
            (h ^ u32::from_be_bytes(*b) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
        });
        let at = hash as usize & (self.table.len() - 1);
        let before = self.table[at] as usize;
        self.table[at] = n as u32;
        if self.len < 16 && before > 0 && before != self.place {
            // how far back they are equal
            let most = 32.min(before);
            let mut len = 0;
            while len < most && past[before - 1 - len] == past[n - 1 - len] {
                len += 1;
            }
            if len >= self.least.min(8) && len as u32 > self.len {
                self.place = before;
                self.len = len as u32;
                self.wrong = 0;
            }
        }
    }

    /// The probability of the expected bit being right, of 65536.
    #[inline(always)]
    pub fn p(&mut self, ruled_out: bool) -> u32 {
        let wrong = (self.wrong & 3) as usize;
        self.context = (self.class() << 2 | wrong) << 1 | ruled_out as usize;
        self.counters[self.context & (CLASSES * 8 - 1)].p()
    }

    /// Learns whether it was.
    #[inline(always)]
    pub fn update(&mut self, right: bool) {
        self.counters[self.context & (CLASSES * 8 - 1)].update(right, 250);
    }
}
