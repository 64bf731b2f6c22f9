//! Earlier places that repeat, for sequences that no search has told.

use super::search::equal;

/// Earlier places with the same four bytes, of all places before one.
#[derive(Default)]
pub(super) struct Near {
    last: Vec<u32>,
    before: Vec<u32>,
}

/// Logarithm of the number of chains.
const CHAINS: u32 = 15;
/// Places looked at.
const LOOKED_AT: usize = 64;
/// Longer repetitions count as equal.
const FAR: usize = 512;
/// Places told, each with a longer repetition than the ones before.
const NEAREST: usize = 16;

impl Near {
    pub fn start(&mut self) {
        self.last.clear();
        self.before.clear();
    }

    fn bucket(content: &[u8], at: usize) -> Option<usize> {
        let word = u32::from_le_bytes(*content.get(at..)?.first_chunk()?);
        Some((word.wrapping_mul(0x9e37_79b1) >> (32 - CHAINS)) as usize)
    }

    /// Enters all places before `at`.
    pub fn up_to(&mut self, content: &[u8], at: usize) {
        if self.last.is_empty() {
            self.last.resize(1 << CHAINS, 0);
        }
        while self.before.len() < at {
            let place = self.before.len();
            let cell = Self::bucket(content, place).and_then(|b| self.last.get_mut(b));
            self.before.push(cell.map_or(0, |cell| std::mem::replace(cell, place as u32 + 1)));
        }
    }

    /// Distances, the longest repetition first.
    pub fn find(&self, content: &[u8], at: usize, end: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let Some(b) = Self::bucket(content, at) else { return found };
        let mut place = self.last.get(b).copied().unwrap_or(0) as usize;
        let mut longest = 2;
        for _ in 0..LOOKED_AT {
            if place == 0 || place > at {
                break;
            }
            let distance = at + 1 - place;
            let n = equal(content, at, distance, end.min(at + FAR));
            if n > longest {
                longest = n;
                found.push(distance);
            }
            place = self.before.get(place - 1).copied().unwrap_or(0) as usize;
        }
        found.reverse();
        found.truncate(NEAREST);
        found
    }
}
