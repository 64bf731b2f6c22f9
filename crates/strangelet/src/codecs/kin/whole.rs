//! Integers of few values: particle codes, states, colours, mothers.
//!
//! A cell is its place in the list of the values that occur, by decisions from the highest bit on; contexts are the cells before,
//! the parent's, other columns of this row and of the parent's, the vertices before and behind, and, where an event has
//! at most 32 rows, all of the event so far.

use super::choice::hash;
use crate::entropy::binary::BitCoder;
use crate::error::{Result, corruption};
use crate::limits;
use crate::model::graph::{Graph, NONE};
use crate::model::mixing::Mixing;

/// Most values.
pub const MOST: usize = 1 << 12;
/// Rows of an event that is looked at as a whole.
const SHORT: u32 = 32;

/// The values that occur, ascending; `None` where they are many.
pub fn values(cells: &[u64]) -> Option<Vec<i64>> {
    let mut seen = std::collections::BTreeSet::new();
    for &x in cells {
        seen.insert(x as i64);
        if seen.len() > MOST {
            return None;
        }
    }
    Some(seen.into_iter().collect())
}

/// Codes a column by the values that occur, beside others of the same rows.
pub fn wholes<C: BitCoder>(
    c: &mut C,
    values: &[i64],
    graph: &Graph,
    others: &[&[u64]],
    given: Option<&[u64]>,
    count: usize,
) -> Result<Vec<u64>> {
    let bits = usize::BITS - values.len().saturating_sub(1).leading_zeros();
    let mut mixing = Mixing::new(count);
    let mut made: Vec<u64> = limits::reserve(count);
    let mut coming = graph.outs.clone();
    let mut rows_of_event = Vec::new();
    for &e in &graph.event {
        let e = e as usize;
        if e >= rows_of_event.len() {
            rows_of_event.resize(e + 1, 0u32);
        }
        rows_of_event[e] += 1;
    }
    let (mut event, mut place, mut story) = (NONE, 0u32, 0u32);
    let (mut v1, mut v2) = (0u32, 0u32);
    for row in 0..count {
        if row & 0xfff == 0xfff && c.exhausted() {
            return Err(corruption("kin: the payload ends too early"));
        }
        if graph.event[row] != event {
            (event, place, story) = (graph.event[row], 0, 0);
        }
        let rows = rows_of_event[event as usize];
        let other = |k: usize, at: usize| others.get(k).map_or(0, |o| o[at] as u32);
        let (birth, death) = (graph.birth[row], graph.death[row]);
        let parent = graph.parent(row).filter(|&p| p < row);
        let above = parent.map_or(NONE, |p| made[p] as u32);
        let above_other = parent.map_or(NONE, |p| other(0, p));
        let (mut shape, mut left, mut sibling) = (0, 0, NONE);
        if birth != NONE {
            let g = birth as usize;
            left = coming[g].min(7);
            coming[g] = coming[g].saturating_sub(1);
            shape = graph.ins[g].min(3) << 6 | graph.outs[g].min(7) << 3 | left;
            if row > 0 && graph.birth[row - 1] == birth {
                sibling = v1;
            }
        }
        let end = match death {
            NONE => 0,
            g => 1 + (graph.ins[g as usize].min(3) << 3 | graph.outs[g as usize].min(7)),
        };
        let own = [other(0, row), other(1, row), other(2, row)];
        let short = rows <= SHORT;
        let contexts = [
            hash(&[v1, v2, own[0]]),
            hash(&[above, shape, end]),
            hash(&[above, sibling, own[0], above_other]),
            if short {
                hash(&[place, rows, own[0], own[1], own[2]])
            } else {
                hash(&[own[0], own[1], own[2], end])
            },
            if short { hash(&[story, own[0], own[1], own[2]]) } else { hash(&[end, shape, own[0], v1]) },
            hash(&[above, above_other, own[0], left, own[1]]),
        ];
        let want = given.map_or(0, |g| values.binary_search(&(g[row] as i64)).unwrap_or(0)) as u32;
        let got = mixing.symbol(c, want, bits, &contexts, 0);
        let value = values.get(got as usize).copied().unwrap_or(0);
        made.push(value as u64);
        (v1, v2) = (value as u32, v1);
        story = hash(&[story, value as u32, own[0]]);
        place += 1;
    }
    Ok(made)
}
