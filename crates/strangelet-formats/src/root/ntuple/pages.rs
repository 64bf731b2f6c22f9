//! Page list envelopes: the clusters of a group, and for each column of each cluster its pages.

use super::cursor::Cursor;
use super::schema::envelope;
use strangelet::error::{Result, corruption, unsupported};
use strangelet::limits;

/// A page: some elements of a column of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Position of its first byte in the file.
    pub position: u64,
    /// Bytes in the file, without the checksum that may follow.
    pub stored: u64,
    /// Number of elements.
    pub elements: u32,
    /// Whether an xxh3 checksum of the stored bytes follows them in the file.
    pub sealed: bool,
    /// Whether its locator has a 64-bit size.
    pub large: bool,
}

/// The pages of a column in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPages {
    /// Number of its first element in the whole ntuple; negative where the column is suppressed.
    pub first: i64,
    /// Compression settings (algorithm * 100 + level); 0 where the column is suppressed.
    pub compression: u32,
    /// The pages, in the order of their elements.
    pub pages: Vec<Page>,
}

impl ColumnPages {
    /// Whether another representation of the field is the one in use in this cluster.
    pub fn suppressed(&self) -> bool {
        self.first < 0
    }

    /// Elements in its pages.
    pub fn elements(&self) -> u64 {
        self.pages.iter().map(|p| p.elements as u64).sum()
    }
}

/// Events stored together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Number of the first event.
    pub first: u64,
    /// Number of events.
    pub events: u64,
    /// Pages by column number. Columns added later than the list was written are missing.
    pub columns: Vec<ColumnPages>,
}

/// Reads the content of a page list envelope.
///
/// # Errors
/// Corruption where it belongs to another header or its frames do not fit each other; unsupported where
/// the clusters are sharded.
pub fn read_page_list(content: &[u8], header_sum: u64) -> Result<Vec<Cluster>> {
    read(content, header_sum).map_err(|e| e.within("page list of the ntuple"))
}

fn read(content: &[u8], header_sum: u64) -> Result<Vec<Cluster>> {
    let (mut c, _) = envelope(content, 3)?;
    if c.u64()? != header_sum {
        return Err(corruption("belongs to another header"));
    }
    let (n, mut summaries) = c.list()?;
    let (lists, mut outer) = c.list()?;
    if n != lists {
        return Err(corruption(format!("{n} clusters, but pages of {lists}")));
    }
    let mut clusters = limits::reserve(n as usize / 64);
    for _ in 0..n {
        let mut s = summaries.record()?;
        let (first, word) = (s.u64()?, s.u64()?);
        if word >> 56 & 1 != 0 {
            return Err(unsupported("sharded clusters"));
        }
        let (columns, mut inner) = outer.list()?;
        let mut all = limits::reserve((columns as usize).min(inner.rest().len() / 12));
        for _ in 0..columns {
            all.push(read_column(&mut inner)?);
        }
        clusters.push(Cluster { first, events: word & ((1 << 56) - 1), columns: all });
    }
    Ok(clusters)
}

fn read_column(c: &mut Cursor<'_>) -> Result<ColumnPages> {
    let (n, mut c) = c.list()?;
    let mut pages = limits::reserve((n as usize).min(c.rest().len() / 16));
    for _ in 0..n {
        let count = c.i32()?;
        let at = c.locator()?;
        let (position, stored, large) = (at.position, at.stored, at.large);
        pages.push(Page { position, stored, elements: count.unsigned_abs(), sealed: count < 0, large });
    }
    let first = c.i64()?;
    let compression = if first < 0 { 0 } else { c.u32()? };
    Ok(ColumnPages { first, compression, pages })
}
