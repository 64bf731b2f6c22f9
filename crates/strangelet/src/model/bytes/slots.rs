//! Histories behind hashed contexts, half a byte at once.
//!
//! Lines of four slots. A hash h belongs to the line (h >> 16) mod lines; its slots are h mod 4, that xor 1, that
//! xor 2, in this order: the first whose check is (h >> 8) mod 256 and whose first state is not 0; else the one
//! with the fewest bits in its first state (the first of these) is emptied and gets the check. Behind the check
//! come the states of the nodes 1 to 15 (bits so far behind a leading one).

use super::history;

/// The histories of the 15 nodes of half a byte, behind a check of the hash.
type Slot = [u8; 16];

/// Four slots of one cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([Slot; 4]);

/// The table.
#[derive(Clone)]
pub struct Slots {
    lines: Vec<Line>,
    touched: u8,
}

/// Where a slot is.
pub type Place = usize;

impl Slots {
    /// 2^bits bytes.
    pub fn new(bits: u32) -> Self {
        Slots { lines: vec![Line([[0; 16]; 4]); 1 << (bits.max(6) - 6)], touched: 0 }
    }

    /// The same over and over, up to 2^bits bytes: what was found is found again.
    pub fn repeated(&self, bits: u32) -> Self {
        let times = (1usize << bits.max(6) - 6) / self.lines.len();
        Slots { lines: self.lines.repeat(times.max(1)), touched: 0 }
    }

    /// Reads a byte of each line that is going to be looked at, all at once: memory answers in parallel.
    #[inline(always)]
    pub fn touch(&mut self, hashes: &[u64]) {
        let all =
            hashes.iter().fold(0, |t, h| t ^ self.lines[(h >> 36) as usize & (self.lines.len() - 1)].0[0][0]);
        self.touched = all;
    }

    /// The slot of a hash: the one it had, or the one of the least value.
    #[inline(always)]
    pub fn find(&mut self, hash: u64) -> Place {
        let line = (hash >> 16) as usize & (self.lines.len() - 1);
        let check = (hash >> 8) as u8;
        let first = hash as usize & 3;
        let slots = &mut self.lines[line].0;
        let mut least = (u32::MAX, 0);
        for probe in 0..3 {
            let k = first ^ probe;
            let s = &slots[k];
            if s[0] == check && s[1] != 0 {
                return line << 2 | k;
            }
            let value = history::weight(s[1]);
            if value < least.0 {
                least = (value, k);
            }
        }
        slots[least.1] = [0; 16];
        slots[least.1][0] = check;
        line << 2 | least.1
    }

    /// A history.
    #[inline(always)]
    pub fn get(&self, place: Place, node: usize) -> u8 {
        match self.lines.get(place >> 2) {
            Some(l) => l.0[place & 3][node & 15],
            None => 0,
        }
    }

    /// The same, to be changed.
    #[inline(always)]
    pub fn set(&mut self, place: Place, node: usize, state: u8) {
        if let Some(l) = self.lines.get_mut(place >> 2) {
            l.0[place & 3][node & 15] = state;
        }
    }
}
