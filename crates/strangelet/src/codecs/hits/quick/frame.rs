//! Where hits come from and where they go: rows of time bins, empty stretches skipped in wide steps.

use crate::error::{Result, corruption};
use std::ops::BitOr;

/// An element of an array of hits.
pub trait Count: Copy + Default + PartialEq + BitOr<Output = Self> + Send + Sync + 'static {
    /// Largest value.
    const MOST: u32;
    /// As a number.
    fn wide(self) -> u32;
    /// From a number that fits.
    fn narrow(x: u32) -> Self;
}

macro_rules! count {
    ($($t:ty),*) => {$(
        impl Count for $t {
            const MOST: u32 = <$t>::MAX as u32;
            #[inline(always)]
            fn wide(self) -> u32 {
                self as u32
            }
            #[inline(always)]
            fn narrow(x: u32) -> Self {
                x as $t
            }
        }
    )*};
}
count!(u8, u16, u32);

/// Hits one behind the other in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Run {
    /// First time bin.
    pub start: u32,
    /// Time bins.
    pub len: u32,
    /// Largest class of its values.
    pub peak: u8,
    /// The same of its mate in the row before, 0 without one.
    pub mate: u8,
    /// The same of its mate's mate.
    pub grand: u8,
}

/// What numbers 1, 2, .. stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// `low` + number.
    Above(u32),
    /// The number-th of a rising list.
    Listed(Vec<u32>),
}

impl Values {
    /// The number of a value that is known to have one.
    #[inline(always)]
    pub fn number(&self, value: u32) -> u32 {
        match self {
            Values::Above(low) => value.wrapping_sub(*low),
            Values::Listed(list) => list.partition_point(|&v| v < value) as u32 + 1,
        }
    }

    /// The value of a number within the declared ones.
    #[inline(always)]
    pub fn value(&self, number: u32) -> u32 {
        match self {
            Values::Above(low) => low.wrapping_add(number),
            Values::Listed(list) => list.get((number as usize).wrapping_sub(1)).copied().unwrap_or(0),
        }
    }
}

/// A frame that is read or written.
pub trait Frame {
    /// The first row from `row` on that has hits, or the number of rows.
    fn filled(&mut self, row: usize) -> usize;
    /// The runs of a row, classes left open.
    fn runs(&mut self, row: usize, runs: &mut Vec<Run>);
    /// The number at a place.
    fn number(&self, at: usize) -> u32;
    /// Writes a number at a place.
    fn put(&mut self, at: usize, number: u32) -> Result<()>;
}

/// All runs of a frame, which rows have some, and the range of the values.
#[derive(Debug)]
pub struct Index {
    /// Number of hits.
    pub hits: usize,
    /// Smallest value of a hit.
    pub low: u32,
    /// Largest value of a hit.
    pub high: u32,
    /// Runs, row after row.
    pub runs: Vec<Run>,
    /// Rows that have runs, with the number of their first.
    pub rows: Vec<(u32, u32)>,
}

/// Cells looked at together.
pub const BLOCK: usize = 64;

/// Whether any cell is not zero.
#[inline(always)]
pub fn any<T: Count>(cells: &[T]) -> bool {
    cells.iter().fold(T::default(), |all, &c| all | c) != T::default()
}

/// A bit for every cell (at most 64) that is not zero.
#[inline(always)]
pub fn mask<T: Count>(cells: &[T]) -> u64 {
    let mut flags = [0u8; BLOCK];
    if let Some(cells) = cells.as_array::<BLOCK>() {
        for (f, c) in flags.iter_mut().zip(cells) {
            *f = (*c != T::default()) as u8;
        }
    } else {
        for (f, c) in flags.iter_mut().zip(cells) {
            *f = (*c != T::default()) as u8;
        }
    }
    // eight flags at a time become the bits of a byte
    let eights = flags.as_chunks::<8>().0.iter().enumerate();
    eights.fold(0, |bits, (k, &eight)| {
        bits | (u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * k)
    })
}

impl Index {
    /// Finds the runs of rows of `times` cells. Empty stretches cost next to nothing.
    pub fn new<T: Count>(cells: &[T], times: usize) -> Index {
        let mut index = Index { hits: 0, low: u32::MAX, high: 0, runs: Vec::new(), rows: Vec::new() };
        let mut at = 0;
        while let Some(block) = cells.get(at..) {
            let block = &block[..block.len().min(BLOCK)];
            if block.is_empty() {
                break;
            }
            if !any(block) {
                at += BLOCK;
                continue;
            }
            let inside = block.iter().position(|c| *c != T::default()).unwrap_or(0);
            let row = (at + inside) / times;
            index.rows.push((row as u32, index.runs.len() as u32));
            at = (row + 1) * times;
            let cells = &cells[row * times..at];
            let from = index.runs.len();
            find_runs(cells, &mut index.runs);
            for run in &index.runs[from..] {
                for c in &cells[run.start as usize..(run.start + run.len) as usize] {
                    index.low = index.low.min(c.wide());
                    index.high = index.high.max(c.wide());
                }
                index.hits += run.len as usize;
            }
        }
        index
    }

    /// The runs of the `k`-th row that has some.
    pub fn of(&self, k: usize) -> &[Run] {
        let from = self.rows.get(k).map_or(self.runs.len(), |r| r.1 as usize);
        let to = self.rows.get(k + 1).map_or(self.runs.len(), |r| r.1 as usize);
        &self.runs[from..to]
    }
}

/// The runs of a row.
#[inline]
fn find_runs<T: Count>(cells: &[T], runs: &mut Vec<Run>) {
    let mut open = u32::MAX;
    for (k, block) in cells.chunks(BLOCK).enumerate() {
        let base = (k * BLOCK) as u32;
        if open == u32::MAX && !any(block) {
            continue;
        }
        let bits = mask(block);
        // a bit wherever a cell differs from the one before
        let mut edges = bits ^ (bits << 1 | (open != u32::MAX) as u64);
        if block.len() < BLOCK {
            edges &= (1 << block.len()) - 1;
        }
        while edges != 0 {
            let at = base + edges.trailing_zeros();
            edges &= edges - 1;
            if open == u32::MAX {
                open = at;
            } else {
                runs.push(Run { start: open, len: at - open, peak: 0, mate: 0, grand: 0 });
                open = u32::MAX;
            }
        }
    }
    if open != u32::MAX {
        runs.push(Run { start: open, len: cells.len() as u32 - open, peak: 0, mate: 0, grand: 0 });
    }
}

/// A frame to be read.
pub struct Source<'a, T> {
    cells: &'a [T],
    rows: usize,
    values: &'a Values,
    index: &'a Index,
    next: usize,
}

impl<'a, T: Count> Source<'a, T> {
    /// `rows` rows with their runs.
    pub fn new(cells: &'a [T], rows: usize, values: &'a Values, index: &'a Index) -> Self {
        Source { cells, rows, values, index, next: 0 }
    }
}

impl<T: Count> Frame for Source<'_, T> {
    fn filled(&mut self, _row: usize) -> usize {
        self.index.rows.get(self.next).map_or(self.rows, |r| r.0 as usize)
    }

    #[inline(always)]
    fn runs(&mut self, row: usize, runs: &mut Vec<Run>) {
        if self.filled(row) == row {
            runs.extend_from_slice(self.index.of(self.next));
            self.next += 1;
        }
    }

    #[inline(always)]
    fn number(&self, at: usize) -> u32 {
        self.values.number(self.cells[at].wide())
    }

    fn put(&mut self, _at: usize, _number: u32) -> Result<()> {
        Ok(())
    }
}

/// A frame to be written.
pub struct Sink<'a, T> {
    /// The cells.
    pub cells: Vec<T>,
    values: &'a Values,
    most: u32,
}

impl<'a, T: Count> Sink<'a, T> {
    /// `count` zeros; numbers up to `most` may come.
    pub fn new(count: usize, values: &'a Values, most: u32) -> Self {
        Sink { cells: vec![T::default(); count], values, most }
    }
}

impl<T: Count> Frame for Sink<'_, T> {
    fn filled(&mut self, row: usize) -> usize {
        row
    }

    fn runs(&mut self, _row: usize, _runs: &mut Vec<Run>) {}

    fn number(&self, _at: usize) -> u32 {
        0
    }

    #[inline(always)]
    fn put(&mut self, at: usize, number: u32) -> Result<()> {
        match self.cells.get_mut(at) {
            Some(cell) if number.wrapping_sub(1) < self.most => *cell = T::narrow(self.values.value(number)),
            _ => return Err(corruption("hits: a value beyond the largest")),
        }
        Ok(())
    }
}
