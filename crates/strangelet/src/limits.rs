//! Limits that keep hostile lengths from becoming allocations.

use crate::error::{Result, corruption};

/// Most bytes that the cells of one stream of one chunk may take: what a reader must be ready to hold.
pub const MAX_STREAM_BYTES: u64 = 1 << 28;
/// Most streams that a stream may be derived from, one after the other.
pub const MAX_DERIVATIONS: usize = 64;
/// Most chunks that a chunk may need before it, one starting from the other.
pub const MAX_CARRIED: usize = 32;
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

/// `n` cells of `width` bytes as a count, or an error where no stream may be that long.
pub fn cells(n: u64, width: usize) -> Result<usize> {
    if n.saturating_mul(width as u64) > MAX_STREAM_BYTES {
        return Err(corruption(format!("a stream of {n} cells is longer than any chunk may hold")));
    }
    Ok(n as usize)
}
