//! Page lists as columns of numbers, and page lists written again from them.
//!
//! Most of a page list follows from what came before it: pages stand one behind the other, columns go on
//! where the last cluster left off, equal pages are stored once. The columns hold what does not.

use super::pages::{Cluster, ColumnPages, Page};
use strangelet::column::{Cells, Column, ColumnSchema, Scalar};
use strangelet::error::{Result, corruption};
use strangelet::limits;
use xxhash_rust::xxh3::xxh3_64;

/// Flag of a page: its content is made from the columns.
pub const CLAIMED: u8 = 4;
/// Flag of a page: the checksum behind it is that of its stored bytes.
pub const SEALED: u8 = 8;

/// Pages that are remembered for others that point at the same bytes.
const REMEMBERED: usize = 256;

/// What became of the columns and pages of a cluster.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Marks {
    /// By column and page: [`CLAIMED`] and [`SEALED`].
    pub pages: Vec<Vec<u8>>,
    /// By column: elements that come before those of its pages and are zero.
    pub missing: Vec<u64>,
}

/// Columns of the table with one row a cluster.
pub fn cluster_columns() -> Vec<ColumnSchema> {
    vec![
        ColumnSchema::flat("gap", Scalar::I64),
        ColumnSchema::flat("events", Scalar::U64),
        ColumnSchema::flat("columns", Scalar::U32),
    ]
}

/// Columns of the table with one row a column of a cluster.
pub fn column_columns() -> Vec<ColumnSchema> {
    vec![
        ColumnSchema::flat("pages", Scalar::U32),
        ColumnSchema::flat("state", Scalar::U8),
        ColumnSchema::flat("first", Scalar::I64),
        ColumnSchema::flat("compression", Scalar::U32),
        ColumnSchema::flat("missing", Scalar::U64),
    ]
}

/// Columns of the table with one row a page.
pub fn page_columns() -> Vec<ColumnSchema> {
    vec![
        ColumnSchema::flat("flags", Scalar::U8),
        ColumnSchema::flat("again", Scalar::U16),
        ColumnSchema::flat("gap", Scalar::I64),
        ColumnSchema::flat("stored", Scalar::U64),
        ColumnSchema::flat("elements", Scalar::U32),
    ]
}

/// The column goes on where the last cluster left off.
const GOES_ON: u8 = 0;
/// The column is suppressed, with the value that writers use.
const SUPPRESSED: u8 = 1;
/// The number of the first element is in `first`.
const ELSEWHERE: u8 = 2;

/// What was seen so far; the same for writer and reader.
#[derive(Debug, Default)]
pub struct Memory {
    /// Where the next page would stand.
    place: u64,
    /// The event after the last cluster.
    event: u64,
    /// By column: the element after the last.
    elements: Vec<i64>,
    /// Position and stored bytes of the last pages, the latest first.
    pages: Vec<(u64, u64)>,
}

impl Memory {
    fn elements(&mut self, column: usize) -> &mut i64 {
        if self.elements.len() <= column {
            self.elements.resize(column + 1, 0);
        }
        &mut self.elements[column]
    }

    /// The rank, counted from one, of a page with these bytes; it becomes the first.
    fn rank(&mut self, position: u64, stored: u64) -> u16 {
        let found = self.pages.iter().position(|&p| p == (position, stored));
        if let Some(i) = found {
            self.pages.remove(i);
        }
        self.pages.insert(0, (position, stored));
        self.pages.truncate(REMEMBERED);
        found.map_or(0, |i| i as u16 + 1)
    }
}

/// The three tables of some clusters: rows and columns of each.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Rows {
    gap: Vec<u64>,
    events: Vec<u64>,
    columns: Vec<u32>,
    pages: Vec<u32>,
    state: Vec<u8>,
    first: Vec<u64>,
    compression: Vec<u32>,
    missing: Vec<u64>,
    flags: Vec<u8>,
    again: Vec<u16>,
    page_gap: Vec<u64>,
    stored: Vec<u64>,
    elements: Vec<u32>,
}

impl Rows {
    /// The rows of some clusters.
    pub fn of(clusters: &[Cluster], marks: &[Marks], memory: &mut Memory) -> Rows {
        let mut rows = Rows::default();
        for (c, cluster) in clusters.iter().enumerate() {
            rows.gap.push(cluster.first.wrapping_sub(memory.event));
            rows.events.push(cluster.events);
            rows.columns.push(cluster.columns.len() as u32);
            memory.event = cluster.first.wrapping_add(cluster.events);
            for (i, column) in cluster.columns.iter().enumerate() {
                let next = memory.elements(i);
                let state = match column.first {
                    f if f == *next => GOES_ON,
                    i64::MIN => SUPPRESSED,
                    _ => ELSEWHERE,
                };
                rows.pages.push(column.pages.len() as u32);
                rows.state.push(state);
                rows.first.push(if state == ELSEWHERE { column.first as u64 } else { 0 });
                rows.compression.push(column.compression);
                let missing = marks.get(c).and_then(|m| m.missing.get(i)).copied().unwrap_or(0);
                rows.missing.push(missing);
                if column.first >= 0 {
                    *next = column.first.wrapping_add(column.elements() as i64);
                }
                for (p, page) in column.pages.iter().enumerate() {
                    let flag = marks.get(c).and_then(|m| m.pages.get(i)?.get(p)).copied().unwrap_or(0);
                    rows.flags.push(flag & (CLAIMED | SEALED) | page.sealed as u8 | (page.large as u8) << 1);
                    rows.elements.push(page.elements);
                    let again = memory.rank(page.position, page.stored);
                    rows.again.push(again);
                    let new = again == 0;
                    rows.page_gap.push(if new { page.position.wrapping_sub(memory.place) } else { 0 });
                    rows.stored.push(if new { page.stored } else { 0 });
                    if new {
                        memory.place = behind(page);
                    }
                }
            }
        }
        rows
    }

    /// The clusters of the rows, and what became of them.
    pub fn clusters(&self, memory: &mut Memory) -> Result<(Vec<Cluster>, Vec<Marks>)> {
        let short = || corruption("page list: too few rows");
        let (mut column_rows, mut page_rows) = (0, 0);
        let mut clusters = limits::reserve(self.gap.len());
        let mut all_marks = limits::reserve(self.gap.len());
        for ((&gap, &events), &n) in self.gap.iter().zip(&self.events).zip(&self.columns) {
            let first = memory.event.wrapping_add(gap);
            memory.event = first.wrapping_add(events);
            let mut columns = limits::reserve(n as usize / 64);
            let mut marks = Marks::default();
            for i in 0..n as usize {
                let row = column_rows;
                column_rows += 1;
                let state = *self.state.get(row).ok_or_else(short)?;
                let count = *self.pages.get(row).ok_or_else(short)?;
                let stated = *self.first.get(row).ok_or_else(short)? as i64;
                let compression = *self.compression.get(row).ok_or_else(short)?;
                marks.missing.push(*self.missing.get(row).ok_or_else(short)?);
                let next = memory.elements(i);
                let first = match state {
                    GOES_ON => *next,
                    SUPPRESSED => i64::MIN,
                    _ => stated,
                };
                let mut pages = limits::reserve(count as usize / 64);
                let mut own = limits::reserve(count as usize / 64);
                for _ in 0..count {
                    pages.push(self.page(page_rows, memory).ok_or_else(short)?);
                    own.push(self.flags.get(page_rows).copied().ok_or_else(short)?);
                    page_rows += 1;
                }
                let column = ColumnPages { first, compression, pages };
                if first >= 0 {
                    *memory.elements(i) = first.wrapping_add(column.elements() as i64);
                }
                columns.push(column);
                marks.pages.push(own);
            }
            clusters.push(Cluster { first, events, columns });
            all_marks.push(marks);
        }
        Ok((clusters, all_marks))
    }

    fn page(&self, row: usize, memory: &mut Memory) -> Option<Page> {
        let (flags, elements) = (*self.flags.get(row)?, *self.elements.get(row)?);
        let (sealed, large) = (flags & 1 != 0, flags & 2 != 0);
        let again = *self.again.get(row)? as usize;
        let (position, stored) = match again {
            0 => (memory.place.wrapping_add(*self.page_gap.get(row)?), *self.stored.get(row)?),
            _ => *memory.pages.get(again - 1)?,
        };
        memory.rank(position, stored);
        let page = Page { position, stored, elements, sealed, large };
        if again == 0 {
            memory.place = behind(&page);
        }
        Some(page)
    }

    /// The contents of the three tables: rows and columns of each.
    pub fn into_tables(self) -> [(u64, Vec<Column>); 3] {
        let w8 = |v| Column::flat(Cells::W8(v));
        let w4 = |v| Column::flat(Cells::W4(v));
        let w1 = |v| Column::flat(Cells::W1(v));
        [
            (self.gap.len() as u64, vec![w8(self.gap), w8(self.events), w4(self.columns)]),
            (
                self.pages.len() as u64,
                vec![w4(self.pages), w1(self.state), w8(self.first), w4(self.compression), w8(self.missing)],
            ),
            (
                self.flags.len() as u64,
                vec![
                    w1(self.flags),
                    Column::flat(Cells::W2(self.again)),
                    w8(self.page_gap),
                    w8(self.stored),
                    w4(self.elements),
                ],
            ),
        ]
    }

    /// The rows of the contents of the three tables.
    pub fn from_tables(tables: [Vec<Column>; 3]) -> Result<Rows> {
        let mut cells = tables.into_iter().flatten().map(|c| c.values);
        let rows = (|| {
            Some(Rows {
                gap: w8(cells.next()?)?,
                events: w8(cells.next()?)?,
                columns: w4(cells.next()?)?,
                pages: w4(cells.next()?)?,
                state: w1(cells.next()?)?,
                first: w8(cells.next()?)?,
                compression: w4(cells.next()?)?,
                missing: w8(cells.next()?)?,
                flags: w1(cells.next()?)?,
                again: w2(cells.next()?)?,
                page_gap: w8(cells.next()?)?,
                stored: w8(cells.next()?)?,
                elements: w4(cells.next()?)?,
            })
        })();
        rows.ok_or_else(|| corruption("page list: columns of another width"))
    }
}

/// The place behind a page and its checksum.
fn behind(page: &Page) -> u64 {
    page.position.wrapping_add(page.stored).wrapping_add(if page.sealed { 8 } else { 0 })
}

pub(super) fn w1(cells: Cells) -> Option<Vec<u8>> {
    if let Cells::W1(v) = cells { Some(v) } else { None }
}

pub(super) fn w2(cells: Cells) -> Option<Vec<u16>> {
    if let Cells::W2(v) = cells { Some(v) } else { None }
}

pub(super) fn w4(cells: Cells) -> Option<Vec<u32>> {
    if let Cells::W4(v) = cells { Some(v) } else { None }
}

pub(super) fn w8(cells: Cells) -> Option<Vec<u64>> {
    if let Cells::W8(v) = cells { Some(v) } else { None }
}

/// Puts a frame around a payload: a record, or a list of so many items.
pub(super) fn frame(items: Option<u32>, payload: &[u8], out: &mut Vec<u8>) {
    match items {
        None => out.extend((payload.len() as i64 + 8).to_le_bytes()),
        Some(n) => {
            out.extend((-(payload.len() as i64 + 12)).to_le_bytes());
            out.extend(n.to_le_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Puts head and checksum of an envelope around a payload.
pub(super) fn close_envelope(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u64 + 16;
    let mut out = Vec::with_capacity(length as usize);
    out.extend((length << 16 | kind as u64).to_le_bytes());
    out.extend_from_slice(payload);
    out.extend(xxh3_64(&out).to_le_bytes());
    out
}

/// A page list envelope, as writers of format 1.0 make it.
pub fn write_page_list(clusters: &[Cluster], header_sum: u64) -> Vec<u8> {
    let mut payload = header_sum.to_le_bytes().to_vec();
    let mut summaries = Vec::new();
    let mut outer = Vec::new();
    for cluster in clusters {
        let mut summary = cluster.first.to_le_bytes().to_vec();
        summary.extend(cluster.events.to_le_bytes());
        frame(None, &summary, &mut summaries);
        let mut inner = Vec::new();
        for column in &cluster.columns {
            let mut list = Vec::with_capacity(column.pages.len() * 16 + 12);
            for page in &column.pages {
                let count = page.elements as i32;
                list.extend(if page.sealed { count.wrapping_neg() } else { count }.to_le_bytes());
                if page.large {
                    list.extend((-0x0100_0014i32).to_le_bytes());
                    list.extend(page.stored.to_le_bytes());
                } else {
                    list.extend((page.stored as i32).to_le_bytes());
                }
                list.extend(page.position.to_le_bytes());
            }
            list.extend(column.first.to_le_bytes());
            if column.first >= 0 {
                list.extend(column.compression.to_le_bytes());
            }
            frame(Some(column.pages.len() as u32), &list, &mut inner);
        }
        frame(Some(cluster.columns.len() as u32), &inner, &mut outer);
    }
    frame(Some(clusters.len() as u32), &summaries, &mut payload);
    frame(Some(clusters.len() as u32), &outer, &mut payload);
    close_envelope(3, &payload)
}

#[cfg(test)]
mod tests {
    use super::super::pages::read_page_list;
    use super::*;
    use proptest::prelude::*;

    fn page() -> impl Strategy<Value = Page> {
        (0u64..40, 0u64..4, 0u32..1000, any::<bool>(), any::<bool>()).prop_map(
            |(at, stored, elements, sealed, large)| Page {
                position: at * 100,
                stored,
                elements,
                sealed: sealed && elements > 0,
                large,
            },
        )
    }

    fn column() -> impl Strategy<Value = ColumnPages> {
        (prop::collection::vec(page(), 0..5), -1i64..3, 0u32..600).prop_map(|(pages, first, compression)| {
            let first = if first < 0 { i64::MIN } else { first * 1000 };
            ColumnPages { first, compression: if first < 0 { 0 } else { compression }, pages }
        })
    }

    fn clusters() -> impl Strategy<Value = Vec<Cluster>> {
        let cluster = (0u64..1000, 0u64..1000, prop::collection::vec(column(), 0..6));
        prop::collection::vec(
            cluster.prop_map(|(first, events, columns)| Cluster { first, events, columns }),
            0..5,
        )
    }

    proptest! {
        #[test]
        fn lists_come_back(groups in prop::collection::vec(clusters(), 0..4), sum in any::<u64>()) {
            let (mut one, mut two) = (Memory::default(), Memory::default());
            for clusters in groups {
                let content = write_page_list(&clusters, sum);
                prop_assert_eq!(&read_page_list(&content, sum).unwrap(), &clusters);
                let rows = Rows::of(&clusters, &[], &mut one);
                let tables = rows.clone().into_tables();
                let again = Rows::from_tables(tables.map(|t| t.1)).unwrap();
                prop_assert_eq!(&again, &rows);
                prop_assert_eq!(again.clusters(&mut two).unwrap().0, clusters);
            }
        }

        #[test]
        fn cut_or_changed_lists_are_refused(clusters in clusters(), at in any::<usize>(), bit in 0u8..8) {
            let mut content = write_page_list(&clusters, 7);
            let n = content.len();
            prop_assert!(read_page_list(&content[..at % n], 7).is_err());
            content[at % n] ^= 1 << bit;
            prop_assert!(read_page_list(&content, 7).is_err());
            // the same with a checksum that fits
            let payload = content[8..n - 8].to_vec();
            let _ = read_page_list(&close_envelope(3, &payload), 7);
        }
    }
}
