//! Limits that keep hostile lengths from becoming allocations.

use crate::error::{Result, corruption};

/// Most cells (or bytes) that one stream of one chunk may hold.
pub const MAX_STREAM_CELLS: u64 = 1 << 31;
/// Most bytes of an index that a reader will inflate.
pub const MAX_INDEX_BYTES: u64 = 1 << 30;
/// Most jagged levels of a column.
pub const MAX_DEPTH: usize = 16;
/// Most fixed inner dimensions of a column.
pub const MAX_INNER: usize = 16;
/// A decoder may make at most this many cells out of one payload byte before the cells are
/// reserved piece by piece instead of at once.
pub const EAGER_CELLS: usize = 1 << 20;

/// An empty vector with room for `n` items, but never more than a bounded reservation: a length
/// read from a file is a claim, and memory follows what really arrives.
///
/// ```
/// let v: Vec<u64> = strangelet::limits::reserve(usize::MAX);
/// assert!(v.capacity() < 1 << 24);
/// ```
pub fn reserve<T>(n: usize) -> Vec<T> {
    Vec::with_capacity(n.min(EAGER_CELLS))
}

/// `n` as a count of cells, or an error where no stream may be that long.
pub fn cells(n: u64) -> Result<usize> {
    if n > MAX_STREAM_CELLS {
        return Err(corruption(format!("a stream of {n} cells is longer than any chunk may hold")));
    }
    Ok(n as usize)
}
