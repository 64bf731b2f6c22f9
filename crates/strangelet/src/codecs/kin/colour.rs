//! Colour flow: each line of colour goes on from a parent, from a sibling, or is new.
//!
//! A colour is a token of 3 bits: which of the seven sources below (in that order, the first that holds) it equals, or 7 and the step
//! from the last colour with token 7: zigzag, its bit 63 as a decision, the others as a number.

use super::choice::hash;
use crate::column::Cells;
use crate::entropy::binary::BitCoder;
use crate::error::{Result, corruption};
use crate::limits;
use crate::model::graph::{Graph, NONE};
use crate::model::mixing::Mixing;

/// No colour is known.
const UNKNOWN: i64 = i64::MIN;
/// Where a colour may come from: it is zero; this colour of the first and the second parent; the other colour of the
/// first parent, of the sibling before and behind; this colour of the sibling before. Behind them: none of these.
const SOURCES: usize = 7;

struct Colours<'a> {
    graph: &'a Graph,
    pid: &'a [u64],
    status: &'a [u64],
    /// Both colours of each row, as far as they are known.
    known: Vec<[i64; 2]>,
    mixing: Mixing,
    tokens: u32,
    last: i64,
    row_before: u32,
}

impl Colours<'_> {
    fn code<C: BitCoder>(&mut self, c: &mut C, row: Option<usize>, slot: usize, want: Option<i64>) -> i64 {
        let mut sources = [UNKNOWN; SOURCES];
        sources[0] = 0;
        let mut about = [0u32; 5];
        if let Some(row) = row {
            let g = self.graph.birth[row];
            let of = |row: Option<&u32>, slot: usize| {
                row.and_then(|&r| self.known.get(r as usize)).map_or(UNKNOWN, |k| k[slot])
            };
            let (mut shape, mut parent) = (0, None);
            if g != NONE {
                let g = g as usize;
                shape = self.graph.ins[g].min(3) << 3 | self.graph.outs[g].min(7);
                sources[1] = of(self.graph.first.get(g), slot);
                sources[2] = of(self.graph.second.get(g), slot);
                sources[3] = of(self.graph.first.get(g), 1 - slot);
                parent = self.graph.parent(row);
            }
            let sibling =
                |at: Option<usize>| at.filter(|&at| self.graph.birth.get(at) == Some(&g)).map(|at| at as u32);
            sources[4] = of(sibling(row.checked_sub(1)).as_ref(), 1 - slot);
            sources[5] = of(sibling(row.checked_add(1)).as_ref(), 1 - slot);
            sources[6] = of(sibling(row.checked_sub(1)).as_ref(), slot);
            let end = match self.graph.death[row] {
                NONE => 0,
                d => 1 + (self.graph.ins[d as usize].min(3) << 3 | self.graph.outs[d as usize].min(7)),
            };
            about = [
                self.pid[row] as u32,
                self.status[row] as u32,
                parent.map_or(0, |p| self.pid[p] as u32),
                shape,
                end,
            ];
        }
        // Which are known, and which say the same as one before.
        let mut mask = slot as u32;
        for k in 1..SOURCES {
            let kind = match sources[k] {
                UNKNOWN => 0,
                x if sources[..k].contains(&x) => 1,
                _ => 2,
            };
            mask = mask * 3 + kind;
        }
        let other = row.and_then(|r| self.known.get(r)).map_or(UNKNOWN, |k| k[1 - slot]);
        let from = sources.iter().position(|&x| x == other && x != UNKNOWN).map_or(9, |n| n as u32);
        let [pid, status, parent, shape, end] = about;
        let contexts = [
            hash(&[mask, from]),
            hash(&[mask, pid, status, from]),
            hash(&[parent, pid, status, slot as u32, from]),
            hash(&[self.tokens & 0x1ff, mask, shape]),
            hash(&[shape, end, pid, from]),
            hash(&[status, mask, end]),
        ];
        let token = want.map_or(0, |x| sources.iter().position(|&y| y == x).unwrap_or(SOURCES));
        let token = self.mixing.symbol(c, token as u32, 3, &contexts, 0) as usize;
        self.tokens = self.tokens << 3 | token as u32;
        let value = match sources.get(token) {
            Some(&x) => x,
            None => {
                let contexts =
                    [hash(&[slot as u32]), status, hash(&[status, parent]), shape, 0, self.row_before];
                let step = want.unwrap_or(0).wrapping_sub(self.last);
                let zigzag = ((step << 1) ^ (step >> 63)) as u64;
                // The highest bit goes first: a number has 63 bits at most.
                let high = self.mixing.bit(c, zigzag >> 63 == 1, &[0; 6], 9, 0) as u64;
                let zigzag = self.mixing.number(c, zigzag & i64::MAX as u64, &contexts, 1) | high << 63;
                self.last = self.last.wrapping_add((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
                self.row_before = (64 - zigzag.leading_zeros()).min(63);
                self.last
            }
        };
        if let Some(known) = row.and_then(|r| self.known.get_mut(r)) {
            known[slot] = value;
        }
        value
    }
}

/// Rows of particles named by `ids`, list by list.
fn rows_of(graph: &Graph, own: &Cells, ids: &[u64], lengths: &Cells) -> Vec<Option<usize>> {
    let mut first = Vec::new();
    for (row, &event) in graph.event.iter().enumerate() {
        while first.len() <= event as usize {
            first.push(row);
        }
    }
    let mut rows = Vec::with_capacity(ids.len());
    for event in 0..lengths.len() {
        let start = first.get(event).copied();
        for _ in 0..lengths.get(event).unwrap_or(0) {
            let Some(&id) = ids.get(rows.len()) else { return rows };
            // Nearly always particles are counted from one.
            let row = start.and_then(|s| s.checked_add(id.wrapping_sub(1) as usize));
            rows.push(row.filter(|&r| own.get(r) == Some(id)));
        }
    }
    rows
}

/// HepMC3: lists of colours beside those of the particles that have them. Columns: pid, status, the list of particles,
/// and for the second colours the first ones.
#[allow(clippy::too_many_arguments)]
pub fn attributes<C: BitCoder>(
    c: &mut C,
    graph: &Graph,
    own: &Cells,
    columns: &[&[u64]],
    lengths: &Cells,
    slot: usize,
    given: Option<&[u64]>,
    count: usize,
) -> Result<Vec<u64>> {
    let rows = rows_of(graph, own, columns[2], lengths);
    let mut colours = Colours::new(graph, columns, count);
    if let Some(first) = columns.get(3) {
        for (row, &x) in rows.iter().zip(*first) {
            if let Some(known) = row.and_then(|r| colours.known.get_mut(r)) {
                known[0] = x as i64;
            }
        }
    }
    let mut made: Vec<u64> = limits::reserve(count);
    for i in 0..count {
        if i & 0xfff == 0xfff && c.exhausted() {
            return Err(corruption("kin: the payload ends too early"));
        }
        let row = rows.get(i).copied().flatten();
        made.push(colours.code(c, row, slot, given.map(|g| g[i] as i64)) as u64);
    }
    Ok(made)
}

/// HepMC2: index and colour in turn, behind each particle. Columns: pid, status.
pub fn flows<C: BitCoder>(
    c: &mut C,
    graph: &Graph,
    columns: &[&[u64]],
    lengths: &Cells,
    given: Option<&[u64]>,
    count: usize,
) -> Result<Vec<u64>> {
    let mut colours = Colours::new(graph, columns, count);
    let mut made: Vec<u64> = limits::reserve(count);
    for (row, (&pid, &status)) in columns[0].iter().zip(columns[1]).enumerate() {
        let mut slot = 0;
        let length = lengths.get(row).unwrap_or(0);
        for i in 0..length {
            if made.len() >= count {
                break;
            }
            if made.len() & 0xfff == 0xfff && c.exhausted() {
                return Err(corruption("kin: the payload ends too early"));
            }
            let want = given.map(|g| g[made.len()] as i64);
            if i % 2 == 0 {
                // Nearly always 1, 2, ...
                let guess = i as i64 / 2 + 1;
                let (pid, n) = (pid as u32, length as u32);
                let contexts = [pid, n, hash(&[pid, n]), 0, i as u32, status as u32];
                let step = want.unwrap_or(0).wrapping_sub(guess);
                let zigzag = ((step << 1) ^ (step >> 63)) as u64;
                let high = colours.mixing.bit(c, zigzag >> 63 == 1, &[1; 6], 10, 0) as u64;
                let zigzag = colours.mixing.number(c, zigzag & i64::MAX as u64, &contexts, 2) | high << 63;
                let index = guess.wrapping_add((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
                slot = usize::from(index == 2);
                made.push(index as u64);
            } else {
                made.push(colours.code(c, Some(row), slot, want) as u64);
            }
        }
    }
    if made.len() != count {
        return Err(corruption("kin: other flows than particles"));
    }
    Ok(made)
}

impl<'a> Colours<'a> {
    fn new(graph: &'a Graph, columns: &[&'a [u64]], count: usize) -> Self {
        Colours {
            graph,
            pid: columns[0],
            status: columns[1],
            known: vec![[UNKNOWN; 2]; graph.birth.len()],
            mixing: Mixing::new(count),
            tokens: 0,
            last: 0,
            row_before: 0,
        }
    }
}
