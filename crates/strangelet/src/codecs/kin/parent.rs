//! Parents of HepMC3: as the particle before, the next vertex in its own table, or a particle a little further on.
//!
//! A token of 2 bits: 0 the parent before (0 at the start of an event); 1 the id of the next vertex of the event; 2 a particle, by
//! the step from the last one (that named as parent, or the first in the list of a vertex taken, if larger); 3 anything, by sign and
//! magnitude (inverted where negative).

use super::choice::hash;
use crate::column::Cells;
use crate::entropy::binary::BitCoder;
use crate::error::{Result, corruption};
use crate::limits;
use crate::model::mixing::Mixing;

/// As before; the next vertex; a particle; anything.
const SAME: u32 = 0;
const NEXT: u32 = 1;
const LATER: u32 = 2;
const OTHER: u32 = 3;

/// Columns: numbers of particles, of vertices; ids of vertices, lengths of the lists of what goes in, the lists.
pub fn parents<C: BitCoder>(
    c: &mut C,
    columns: &[&Cells],
    given: Option<&[u64]>,
    count: usize,
) -> Result<Vec<u64>> {
    let at = |k: usize, i: usize| columns.get(k).and_then(|c| c.get(i)).unwrap_or(0);
    let len = |k: usize| columns.get(k).map_or(0, |c| c.len());
    let mut mixing = Mixing::new(count);
    let mut made: Vec<u64> = limits::reserve(count);
    let (mut vertex, mut end, mut item) = (0usize, 0usize, 0usize);
    for event in 0..len(0) {
        // Vertices of events before that no particle named.
        while vertex < end {
            item = item.saturating_add(at(3, vertex) as usize);
            vertex += 1;
        }
        end = end.saturating_add(at(1, event) as usize).min(len(2));
        let (mut before, mut last, mut run, mut tokens, mut size) = (0i64, 0i64, 0u32, 0u32, 0u32);
        for _ in 0..at(0, event) {
            if made.len() >= count {
                break;
            }
            if made.len() & 0xfff == 0xfff && c.exhausted() {
                return Err(corruption("kin: the payload ends too early"));
            }
            let next = if vertex < end { at(2, vertex) as i64 } else { 0 };
            let next_in = if vertex < end && at(3, vertex) > 0 { at(4, item) as i64 } else { 0 };
            // How far the next vertex lies ahead, seen from the last parent.
            let ahead = next_in.wrapping_sub(last).clamp(-3, 12) as u32;
            let many = if vertex < end { at(3, vertex).min(3) as u32 } else { 7 };
            let contexts = [
                hash(&[run.min(8), tokens & 0xf]),
                hash(&[run.min(3), ahead, many]),
                hash(&[tokens & 0xfff]),
                hash(&[tokens & 0x3f, ahead]),
                hash(&[size, run.min(8)]),
                hash(&[u32::from(before < 0), run.min(8), ahead, many]),
            ];
            let want = given.map_or(0, |g| g[made.len()] as i64);
            let token = if made.is_empty() || want != before {
                if vertex < end && want == next {
                    NEXT
                } else if want > last {
                    LATER
                } else {
                    OTHER
                }
            } else {
                SAME
            };
            let token = mixing.symbol(c, token, 2, &contexts, 0);
            let value = match token {
                SAME => before,
                NEXT => {
                    item = item.saturating_add(at(3, vertex) as usize);
                    vertex = (vertex + 1).min(end);
                    last = next_in.max(last);
                    next
                }
                LATER => {
                    let contexts = [
                        hash(&[ahead, 1]),
                        hash(&[tokens & 0xff]),
                        hash(&[size]),
                        0,
                        hash(&[run.min(8)]),
                        hash(&[ahead, size]),
                    ];
                    let step =
                        mixing.number(c, want.wrapping_sub(last) as u64 & i64::MAX as u64, &contexts, 1);
                    size = (64 - step.leading_zeros()).min(7);
                    last = last.wrapping_add(step as i64);
                    last
                }
                _ => {
                    let bit = mixing.bit(c, want < 0, &[before as u32, 0, 1, 2, 3, 4], 5, 0);
                    let magnitude = if want < 0 { !want } else { want } as u64;
                    let n = mixing.number(c, magnitude, &[0; 6], 2) as i64;
                    if bit { !n } else { n }
                }
            };
            run = if value == before { run + 1 } else { 0 };
            tokens = tokens << 2 | token;
            before = value;
            made.push(value as u64);
        }
    }
    if made.len() != count {
        return Err(corruption("kin: other parents than particles"));
    }
    Ok(made)
}
