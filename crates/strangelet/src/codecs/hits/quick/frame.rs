//! Where hits come from and where they go: rows of time bins, empty stretches skipped in wide steps.

use super::turn::Lie;
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

/// A frame that is read or written, row after row.
pub trait Frame {
    /// The first row from `row` on that has hits, or the number of rows.
    fn filled(&mut self, row: usize) -> usize;
    /// Goes to a row, whose runs are these, classes left open.
    fn enter(&mut self, row: usize, runs: &mut Vec<Run>);
    /// The number of the next hit.
    fn number(&mut self) -> u32;
    /// Writes a number at a time of the row.
    fn put(&mut self, t: usize, number: u32) -> Result<()>;
}

/// All runs of a frame, which rows have some, and the values.
#[derive(Debug, PartialEq, Eq)]
pub struct Index {
    /// Smallest value of a hit.
    pub low: u32,
    /// Largest value of a hit.
    pub high: u32,
    /// Runs, row after row.
    pub runs: Vec<Run>,
    /// Values of all hits, run after run.
    pub values: Vec<u32>,
    /// Rows that have runs.
    pub rows: Vec<Row>,
}

/// A row that has runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub number: u32,
    /// Number of its first run.
    pub run: u32,
    /// Number of its first hit.
    pub hit: u32,
}

impl Default for Index {
    fn default() -> Self {
        Index { low: u32::MAX, high: 0, runs: Vec::new(), values: Vec::new(), rows: Vec::new() }
    }
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

/// A hit of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// The number of its cell.
    pub place: u32,
    /// Its value.
    pub value: u32,
}

/// All hits of at most 2^32 cells, as they lie. Empty stretches cost next to nothing.
pub fn hits<T: Count>(cells: &[T]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (k, block) in cells.chunks(BLOCK).enumerate() {
        if any(block) {
            let mut bits = mask(block);
            hits.reserve(BLOCK);
            while bits != 0 {
                let at = bits.trailing_zeros();
                let value = block.get(at as usize).map_or(0, |v| v.wide());
                hits.push(Hit { place: (k * BLOCK) as u32 + at, value });
                bits &= bits - 1;
            }
        }
    }
    hits
}

impl Index {
    /// The runs of rows of `times` cells.
    pub fn new(hits: &[Hit], times: usize) -> Index {
        let mut index = Index::default();
        let times = times.max(1);
        let mut rest = hits;
        index.values.reserve(hits.len());
        while let Some(first) = rest.first() {
            let row = first.place as usize / times;
            let (from, to) = (row * times, (row + 1) * times);
            let n = rest.iter().position(|h| h.place as usize >= to).unwrap_or(rest.len());
            let (own, others) = rest.split_at(n);
            rest = others;
            index.push(row as u32, own.iter().map(|h| [h.place - from as u32, h.value]));
        }
        index
    }

    /// Takes the times and values of the hits of the next row that has some, in rising order.
    #[inline(always)]
    pub fn push(&mut self, number: u32, hits: impl Iterator<Item = [u32; 2]>) {
        self.rows.push(Row { number, run: self.runs.len() as u32, hit: self.values.len() as u32 });
        let mut run = Run::default();
        for [t, v] in hits {
            self.values.push(v);
            self.low = self.low.min(v);
            self.high = self.high.max(v);
            if t != run.start + run.len {
                if run.len > 0 {
                    self.runs.push(run);
                }
                run = Run { start: t, ..Run::default() };
            }
            run.len += 1;
        }
        self.runs.push(run);
    }

    /// Number of hits.
    pub fn hits(&self) -> usize {
        self.values.len()
    }

    /// The runs of the `k`-th row that has some.
    pub fn of(&self, k: usize) -> &[Run] {
        let from = self.rows.get(k).map_or(self.runs.len(), |r| r.run as usize);
        let to = self.rows.get(k + 1).map_or(self.runs.len(), |r| r.run as usize);
        &self.runs[from..to]
    }

    /// The values of the hits of the `k`-th row that has some.
    pub fn values_of(&self, k: usize) -> &[u32] {
        let from = self.rows.get(k).map_or(self.values.len(), |r| r.hit as usize);
        let to = self.rows.get(k + 1).map_or(self.values.len(), |r| r.hit as usize);
        &self.values[from..to]
    }
}

/// A frame to be read.
pub struct Source<'a> {
    rows: usize,
    values: &'a Values,
    index: &'a Index,
    next: usize,
    hits: std::slice::Iter<'a, u32>,
}

impl<'a> Source<'a> {
    /// `rows` rows with their runs.
    pub fn new(rows: usize, values: &'a Values, index: &'a Index) -> Self {
        Source { rows, values, index, next: 0, hits: index.values.iter() }
    }
}

impl Frame for Source<'_> {
    fn filled(&mut self, _row: usize) -> usize {
        self.index.rows.get(self.next).map_or(self.rows, |r| r.number as usize)
    }

    #[inline(always)]
    fn enter(&mut self, row: usize, runs: &mut Vec<Run>) {
        if self.filled(row) == row {
            runs.extend_from_slice(self.index.of(self.next));
            self.next += 1;
        }
    }

    #[inline(always)]
    fn number(&mut self) -> u32 {
        self.hits.next().map_or(0, |&v| self.values.number(v))
    }

    fn put(&mut self, _t: usize, _number: u32) -> Result<()> {
        Ok(())
    }
}

/// A frame to be written.
pub struct Sink<'a, T> {
    /// The cells.
    pub cells: Vec<T>,
    lie: Lie,
    values: &'a Values,
    most: u32,
}

impl<'a, T: Count> Sink<'a, T> {
    /// `count` zeros, in which rows lie so; numbers up to `most` may come.
    pub fn new(count: usize, lie: Lie, values: &'a Values, most: u32) -> Self {
        Sink { cells: vec![T::default(); count], lie, values, most }
    }
}

impl<T: Count> Frame for Sink<'_, T> {
    fn filled(&mut self, row: usize) -> usize {
        row
    }

    #[inline(always)]
    fn enter(&mut self, row: usize, _runs: &mut Vec<Run>) {
        self.lie.enter(row);
    }

    fn number(&mut self) -> u32 {
        0
    }

    #[inline(always)]
    fn put(&mut self, t: usize, number: u32) -> Result<()> {
        match self.cells.get_mut(self.lie.place(t)) {
            Some(cell) if number.wrapping_sub(1) < self.most => *cell = T::narrow(self.values.value(number)),
            _ => return Err(corruption("hits: a value beyond the largest")),
        }
        Ok(())
    }
}
