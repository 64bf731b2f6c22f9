//! Clusters cut into pieces, and pieces put together to chunks.

use super::layout::Layout;
use strangelet::column::{Cells, Column, ColumnSchema};
use strangelet::dissect::{Sink, TableId};
use strangelet::error::Result;

/// Lengths of the lists of a node in a cluster, and the sum of them.
#[derive(Default)]
pub struct Items {
    /// Lengths; none for the events and for nodes that nothing is below.
    pub lengths: Vec<u32>,
    /// Their sum.
    pub items: usize,
}

/// All lists of a cluster, by node.
pub struct Tree {
    /// The lists.
    pub lengths: Vec<Items>,
}

impl Tree {
    /// Bytes of the cells that the cluster will become.
    pub fn bytes(&self, layout: &Layout) -> u64 {
        let mut sum = 0u64;
        for (leaf, schema) in layout.leaves.iter().zip(&layout.columns) {
            let items = self.lengths.get(leaf.node).map_or(0, |n| n.items) as u64;
            sum = sum.saturating_add(
                items.saturating_mul(schema.inner_cells()).saturating_mul(schema.scalar.width() as u64),
            );
            for n in layout.path(leaf.node) {
                sum = sum.saturating_add(self.lengths.get(n).map_or(0, |n| n.lengths.len() as u64 * 4));
            }
        }
        sum
    }
}

/// How far each node of a cluster has been read.
pub struct Walk<'a> {
    layout: &'a Layout,
    tree: &'a Tree,
    at: Vec<usize>,
}

impl<'a> Walk<'a> {
    /// At the first event.
    pub fn new(layout: &'a Layout, tree: &'a Tree) -> Self {
        Walk { layout, tree, at: vec![0; layout.nodes.len()] }
    }

    /// The items of each node in the next `events` events.
    pub fn ranges(&self, events: usize) -> Vec<(usize, usize)> {
        let mut ranges: Vec<(usize, usize)> = Vec::with_capacity(self.at.len());
        for (i, node) in self.layout.nodes.iter().enumerate() {
            let from = self.at[i];
            let n = if i == 0 {
                events
            } else {
                let (a, b) = ranges[node.parent];
                let lengths = &self.tree.lengths[i].lengths;
                // nodes that nothing is below have no lengths
                lengths.get(a..b).unwrap_or_default().iter().map(|&n| n as usize).sum()
            };
            ranges.push((from, from + n));
        }
        ranges
    }

    /// Goes on behind some ranges.
    pub fn advance(&mut self, ranges: Vec<(usize, usize)>) {
        self.at = ranges.into_iter().map(|r| r.1).collect();
    }
}

/// The next chunk of a table.
pub struct Chunk {
    table: TableId,
    /// Events in it.
    pub events: u64,
    /// Bytes of its cells and lengths.
    pub bytes: u64,
    /// Its columns.
    pub columns: Vec<Column>,
    empty: Vec<Column>,
}

impl Chunk {
    /// An empty chunk.
    pub fn new(table: TableId, columns: &[ColumnSchema]) -> Chunk {
        let empty: Vec<Column> = columns
            .iter()
            .map(|c| Column { lengths: vec![Vec::new(); c.levels()], values: Cells::empty(c.scalar.width()) })
            .collect();
        Chunk { table, events: 0, bytes: 0, columns: empty.clone(), empty }
    }

    /// Adds the next events of a cluster: the items of some ranges, and the cells of each leaf.
    pub fn add(
        &mut self,
        layout: &Layout,
        tree: &Tree,
        ranges: &[(usize, usize)],
        events: u64,
        parts: Vec<Cells>,
    ) -> Result<()> {
        for ((leaf, column), part) in layout.leaves.iter().zip(&mut self.columns).zip(parts) {
            for (level, node) in layout.path(leaf.node).into_iter().enumerate() {
                let (a, b) = ranges[layout.nodes[node].parent];
                let own = tree.lengths[node].lengths.get(a..b).unwrap_or_default();
                if let Some(lengths) = column.lengths.get_mut(level) {
                    lengths.extend_from_slice(own);
                }
                self.bytes += 4 * own.len() as u64;
            }
            self.bytes += (part.len() * part.width()) as u64;
            column.values.append(&part)?;
        }
        self.events += events;
        Ok(())
    }

    /// Writes the chunk, if there is anything in it, and begins the next.
    pub fn flush(&mut self, sink: &mut dyn Sink) -> Result<()> {
        if self.events > 0 {
            let columns = std::mem::replace(&mut self.columns, self.empty.clone());
            sink.chunk(self.table, self.events, columns)?;
            (self.events, self.bytes) = (0, 0);
        }
        Ok(())
    }
}
