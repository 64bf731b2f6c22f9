//! Rows of an array, as a deep model walks through them.

use super::quick::{Count, Index, Lie};

/// Rows that are given, or taken.
pub trait Rows {
    /// The values of a row up to its last hit, at least one, where they are known; else none. Rows rise.
    fn given(&mut self, row: usize) -> &[u32];
    /// Takes what came of a row that has hits, which leaves zeros: `marks` has a bit for each, behind a word without any. Rows rise.
    fn take(&mut self, row: usize, marks: &[u64], cells: &mut [u32]);
}

/// Rows of an array whose runs are known.
pub struct Given<'a> {
    index: &'a Index,
    next: usize,
    row: Vec<u32>,
    used: usize,
}

impl<'a> Given<'a> {
    /// Rows of so many times.
    pub fn new(index: &'a Index, times: usize) -> Self {
        Given { index, next: 0, row: vec![0; times.max(1)], used: 0 }
    }
}

impl Rows for Given<'_> {
    fn given(&mut self, row: usize) -> &[u32] {
        self.row[..self.used].fill(0);
        self.used = 0;
        if self.index.rows.get(self.next).is_some_and(|r| r.number as usize == row) {
            let mut values = self.index.values_of(self.next);
            for run in self.index.of(self.next) {
                let (from, n) = (run.start as usize, run.len as usize);
                let (own, others) = values.split_at(n);
                self.row[from..from + n].copy_from_slice(own);
                (self.used, values) = (from + n, others);
            }
            self.next += 1;
        }
        &self.row[..self.used.max(1)]
    }

    fn take(&mut self, _row: usize, _marks: &[u64], _cells: &mut [u32]) {}
}

/// Rows that go to where they lie in an array.
pub struct Taken<T> {
    /// The array.
    pub cells: Vec<T>,
    lie: Lie,
}

impl<T: Count> Taken<T> {
    /// Of so many cells.
    pub fn new(count: usize, lie: Lie) -> Self {
        Taken { cells: vec![T::default(); count], lie }
    }
}

impl<T: Count> Rows for Taken<T> {
    fn given(&mut self, _row: usize) -> &[u32] {
        &[]
    }

    fn take(&mut self, row: usize, marks: &[u64], cells: &mut [u32]) {
        self.lie.enter(row);
        for (word, &mark) in marks.iter().skip(1).enumerate() {
            let mut bits = mark;
            while bits != 0 {
                let t = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if let (Some(from), Some(to)) = (cells.get_mut(t), self.cells.get_mut(self.lie.place(t))) {
                    *to = T::narrow(std::mem::take(from));
                }
            }
        }
    }
}
