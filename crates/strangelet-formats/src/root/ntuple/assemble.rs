//! An ntuple put together again: columns to the contents of its pages, chunk after chunk.

use super::anchor::Span;
use super::dissect::active;
use super::layout::{Layout, Level};
use super::lengths::{Queue, lengths_to_ends, narrow};
use super::lists::{CLAIMED, Marks, SEALED, w4, w8};
use super::page::{cells_to_page, switch_to_page};
use super::pages::{Cluster, Page, read_page_list};
use super::record::{Recorded, TABLES};
use super::schema::{PhysicalColumn, Schema};
use rayon::prelude::*;
use std::collections::VecDeque;
use strangelet::column::{Cells, Column, Scalar};
use strangelet::dissect::{TableId, Tables};
use strangelet::error::{Result, corruption};

/// A span of the file and its content, as a claim said that it would be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it stands.
    pub span: Span,
    /// Whether the 8 bytes behind it are the xxh3 checksum of the stored bytes, little-endian.
    pub sealed: bool,
    /// The content; to be compressed as the driver knows.
    pub content: Vec<u8>,
}

/// Makes the content of every span again that was claimed, from the tables of an ntuple, which begin with
/// number `first`. Gives the number of those tables.
///
/// # Errors
/// Corruption where the tables do not fit each other; those of `put`.
pub fn assemble(
    tables: &dyn Tables,
    first: TableId,
    put: &mut dyn FnMut(Piece) -> Result<()>,
) -> Result<usize> {
    let mut recorded = Recorded::read(tables, first)?;
    let (mut schema, sum) = Schema::read_header(&recorded.header)?;
    schema.read_footer(&recorded.footer, sum)?;
    let layout = Layout::new(&schema);
    let mut spans = std::mem::take(&mut recorded.spans).into_iter();
    let mut put_envelope =
        |content: Vec<u8>, put: &mut dyn FnMut(Piece) -> Result<()>| match spans.next().flatten() {
            Some(span) => put(Piece { span, sealed: false, content }),
            None => Ok(()),
        };
    put_envelope(recorded.header.clone(), put)?;
    put_envelope(recorded.footer.clone(), put)?;
    let mut chunks = Chunks::new(tables, first + TABLES, &layout)?;
    let mut raws = Vec::new();
    for (i, &column) in layout.raws.iter().enumerate() {
        raws.push((column, RawChunks::new(tables, first + TABLES + 1 + i, &schema, column)?));
    }
    for group in 0..recorded.groups() {
        let (_, marks, list) = recorded.group(tables, first, group, sum)?;
        let clusters = read_page_list(&list, sum)?;
        put_envelope(list, put)?;
        if clusters.len() != marks.len() {
            return Err(corruption("record of the ntuple: flags of other clusters"));
        }
        for (cluster, marks) in clusters.iter().zip(&marks) {
            chunks.cluster(&schema, cluster, marks, put)?;
            for (column, chunks) in &mut raws {
                chunks.cluster(&schema, cluster, *column, marks, put)?;
            }
        }
    }
    Ok(TABLES + 1 + layout.raws.len())
}

/// What was claimed of a file for an ntuple.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimed {
    /// Number of its tables.
    pub tables: usize,
    /// Position and bytes of each span, with those of a checksum that is made again.
    pub spans: Vec<(u64, u64)>,
}

/// Reads what was claimed for the ntuple whose tables begin with number `first`; its cells are not needed.
///
/// # Errors
/// Corruption where the tables that describe it do not fit each other.
pub fn claimed(tables: &dyn Tables, first: TableId) -> Result<Claimed> {
    let mut recorded = Recorded::read(tables, first)?;
    let (mut schema, sum) = Schema::read_header(&recorded.header)?;
    schema.read_footer(&recorded.footer, sum)?;
    let mut spans: Vec<_> = recorded.spans.iter().flatten().map(|s| (s.position, s.stored)).collect();
    for group in 0..recorded.groups() {
        let (clusters, marks, _) = recorded.group(tables, first, group, sum)?;
        for (cluster, marks) in clusters.iter().zip(&marks) {
            for (page, flags) in
                cluster.columns.iter().zip(&marks.pages).flat_map(|(c, m)| c.pages.iter().zip(m))
            {
                if flags & CLAIMED != 0 {
                    let seal = if flags & SEALED != 0 { 8 } else { 0 };
                    spans.push((page.position, page.stored.saturating_add(seal)));
                }
            }
        }
    }
    Ok(Claimed { tables: TABLES + 1 + Layout::new(&schema).raws.len(), spans })
}

/// Pages of a column of a cluster that wait for their elements.
struct Queued<'a> {
    column: &'a PhysicalColumn,
    own: Scalar,
    queue: Queue,
    /// Elements still to come that no page holds.
    missing: u64,
    pages: VecDeque<(Page, u8)>,
}

impl<'a> Queued<'a> {
    /// The pages of a column; none where no page was claimed.
    fn new(schema: &'a Schema, cluster: &Cluster, id: u32, marks: &Marks) -> Option<Queued<'a>> {
        let (column, pages) = (schema.columns.get(id as usize)?, cluster.columns.get(id as usize)?);
        let flags = marks.pages.get(id as usize)?;
        if flags.iter().all(|f| f & CLAIMED == 0) {
            return None;
        }
        let own = column.kind.scalar()?;
        let missing = marks.missing.get(id as usize).copied().unwrap_or(0);
        let pages = pages.pages.iter().copied().zip(flags.iter().copied()).collect();
        Some(Queued { column, own, queue: Queue::new(own), missing, pages })
    }

    /// Takes more elements, and gives the pages that they complete.
    fn push(&mut self, cells: Cells) -> Result<Vec<Piece>> {
        self.queue.push(cells)?;
        if self.missing > 0 {
            let n = self.missing.min(self.queue.len() as u64);
            self.queue.take(n as usize);
            self.missing -= n;
        }
        let mut out = Vec::new();
        while let Some(&(page, flags)) = self.pages.front() {
            if self.queue.len() < page.elements as usize || self.missing > 0 {
                break;
            }
            self.pages.pop_front();
            let cells = self.queue.take(page.elements as usize);
            if flags & CLAIMED != 0 {
                out.push(piece(&page, flags, cells_to_page(&self.column.kind, &cells)?));
            }
        }
        Ok(out)
    }

    /// Whether nothing that was claimed is still waiting.
    fn done(&self) -> bool {
        self.pages.iter().all(|(_, flags)| flags & CLAIMED == 0)
    }
}

fn piece(page: &Page, flags: u8, content: Vec<u8>) -> Piece {
    let span = Span { position: page.position, stored: page.stored, content: content.len() as u64 };
    Piece { span, sealed: flags & SEALED != 0, content }
}

/// The chunks of the visible table, read when they are needed.
struct Chunks<'a> {
    tables: &'a dyn Tables,
    table: TableId,
    layout: &'a Layout,
    /// Node of each level of each leaf.
    paths: Vec<Vec<usize>>,
    events: VecDeque<u64>,
    next: usize,
    columns: Vec<Column>,
    left: u64,
    /// Items of each node that were used of this chunk.
    at: Vec<usize>,
}

impl<'a> Chunks<'a> {
    fn new(tables: &'a dyn Tables, table: TableId, layout: &'a Layout) -> Result<Self> {
        let events = tables.chunks(table)?.into();
        let at = vec![0; layout.nodes.len()];
        let paths = layout.leaves.iter().map(|l| layout.path(l.node)).collect();
        Ok(Chunks { tables, table, layout, paths, events, next: 0, columns: Vec::new(), left: 0, at })
    }

    fn advance(&mut self) -> Result<()> {
        let events = self.events.pop_front();
        self.left = events.ok_or_else(|| corruption("fewer chunks than the clusters need"))?;
        self.columns = self.tables.read(self.table, self.next)?;
        self.next += 1;
        self.at.fill(0);
        if self.columns.len() != self.layout.columns.len() {
            return Err(corruption("a chunk of other columns than the ntuple's"));
        }
        Ok(())
    }

    /// Lengths of a node in this chunk.
    fn lengths(&self, node: usize) -> &[u32] {
        let found = self
            .layout
            .nodes
            .get(node)
            .and_then(|n| self.columns.get(n.leaf?)?.lengths.get(n.depth.checked_sub(1)?));
        found.map_or(&[], |l| l.as_slice())
    }

    /// The items of each node in the next events of this chunk.
    fn ranges(&self, events: usize) -> Result<Vec<(usize, usize)>> {
        let mut ranges: Vec<(usize, usize)> = Vec::with_capacity(self.at.len());
        for (i, node) in self.layout.nodes.iter().enumerate() {
            let from = self.at.get(i).copied().unwrap_or(0);
            let n = match i {
                0 => events,
                _ if node.leaf.is_none() => 0,
                _ => {
                    let (a, b) = ranges.get(node.parent).copied().unwrap_or_default();
                    let own =
                        self.lengths(i).get(a..b).ok_or_else(|| corruption("fewer lists than items"))?;
                    own.iter().map(|&n| n as usize).sum()
                }
            };
            let to = from.checked_add(n).ok_or_else(|| corruption("more items than any chunk has"))?;
            ranges.push((from, to));
        }
        Ok(ranges)
    }

    fn cluster(
        &mut self,
        schema: &Schema,
        cluster: &Cluster,
        marks: &Marks,
        put: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<()> {
        let of = |columns: &[u32]| Queued::new(schema, cluster, active(cluster, columns)?, marks);
        let mut lists: Vec<_> = self
            .layout
            .nodes
            .iter()
            .map(|n| match &n.level {
                Level::Lists(columns) if n.leaf.is_some() => of(columns).map(|q| (q, 0u64)),
                _ => None,
            })
            .collect();
        let mut values: Vec<_> = self.layout.leaves.iter().map(|l| of(&l.alternatives)).collect();
        let mut left = cluster.events;
        while left > 0 {
            if self.left == 0 {
                self.advance()?;
                continue;
            }
            let n = left.min(self.left);
            let ranges = self.ranges(n as usize)?;
            let this = &*self;
            let pieces = lists
                .par_iter_mut()
                .enumerate()
                .filter_map(|(i, list)| list.as_mut().map(|l| (i, l)))
                .map(|(i, (queued, last))| {
                    let above = this.layout.nodes.get(i).map_or(0, |n| n.parent);
                    let (a, b) = ranges.get(above).copied().unwrap_or_default();
                    let lengths = this.lengths(i).get(a..b).unwrap_or_default();
                    queued.push(lengths_to_ends(lengths, last, queued.own))
                })
                .collect::<Result<Vec<_>>>()?;
            pieces.into_iter().flatten().try_for_each(&mut *put)?;
            let pieces = values
                .par_iter_mut()
                .enumerate()
                .filter_map(|(i, value)| value.as_mut().map(|v| (i, v)))
                .map(|(i, queued)| {
                    this.values(i, &ranges)
                        .and_then(|(cells, scalar)| queued.push(narrow(cells, scalar, queued.own)))
                })
                .collect::<Result<Vec<_>>>()?;
            pieces.into_iter().flatten().try_for_each(&mut *put)?;
            self.at = ranges.into_iter().map(|r| r.1).collect();
            left -= n;
            self.left -= n;
        }
        let waiting =
            lists.iter().flatten().any(|(q, _)| !q.done()) || values.iter().flatten().any(|q| !q.done());
        if waiting {
            return Err(corruption("fewer cells than the pages of a cluster need"));
        }
        Ok(())
    }

    /// The values of a leaf within some ranges.
    fn values(&self, leaf: usize, ranges: &[(usize, usize)]) -> Result<(Cells, Scalar)> {
        let broken = || corruption("fewer cells than items");
        let (schema, column) =
            (self.layout.columns.get(leaf).ok_or_else(broken)?, self.columns.get(leaf).ok_or_else(broken)?);
        let node = self.paths.get(leaf).and_then(|p| p.last()).copied().unwrap_or(0);
        let (a, b) = ranges.get(node).copied().ok_or_else(broken)?;
        let inner = schema.inner_cells();
        let place = |i: usize| (i as u64).checked_mul(inner).filter(|&n| n <= column.values.len() as u64);
        let (Some(a), Some(b)) = (place(a), place(b)) else { return Err(broken()) };
        Ok((column.values.slice(a as usize..b as usize), schema.scalar))
    }
}

/// The chunks of the table of a column that fits no other.
struct RawChunks<'a> {
    tables: &'a dyn Tables,
    table: TableId,
    chunks: usize,
    next: usize,
    /// One queue, or for a switch one for indexes and one for tags.
    queues: Vec<Queue>,
}

impl<'a> RawChunks<'a> {
    fn new(tables: &'a dyn Tables, table: TableId, schema: &Schema, column: u32) -> Result<Self> {
        let scalar = schema.columns.get(column as usize).and_then(|c| c.kind.scalar());
        let queues = match scalar {
            Some(scalar) => vec![Queue::new(scalar)],
            None => vec![Queue::new(Scalar::U64), Queue::new(Scalar::U32)],
        };
        Ok(RawChunks { tables, table, chunks: tables.chunks(table)?.len(), next: 0, queues })
    }

    fn take(&mut self, n: usize) -> Result<Vec<Cells>> {
        while self.queues.iter().any(|q| q.len() < n) {
            if self.next >= self.chunks {
                return Err(corruption("fewer cells than the pages of a column need"));
            }
            let columns = self.tables.read(self.table, self.next)?;
            self.next += 1;
            for (queue, column) in self.queues.iter_mut().zip(columns) {
                queue.push(column.values)?;
            }
        }
        Ok(self.queues.iter_mut().map(|q| q.take(n)).collect())
    }

    fn cluster(
        &mut self,
        schema: &Schema,
        cluster: &Cluster,
        id: u32,
        marks: &Marks,
        put: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<()> {
        let (Some(column), Some(pages), Some(flags)) =
            (schema.columns.get(id as usize), cluster.columns.get(id as usize), marks.pages.get(id as usize))
        else {
            return Ok(());
        };
        for (page, &flags) in pages.pages.iter().zip(flags).filter(|(_, f)| **f & CLAIMED != 0) {
            let mut cells = self.take(page.elements as usize)?.into_iter();
            let broken = || corruption("cells of another width than the column");
            let content = match (cells.next(), cells.next()) {
                (Some(cells), None) => cells_to_page(&column.kind, &cells)?,
                (Some(index), Some(tag)) => {
                    switch_to_page(&w8(index).ok_or_else(broken)?, &w4(tag).ok_or_else(broken)?)
                }
                _ => return Err(broken()),
            };
            put(piece(page, flags, content))?;
        }
        Ok(())
    }
}
