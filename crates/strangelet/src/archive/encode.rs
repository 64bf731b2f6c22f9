//! Tables to container: the sink that a kind of file writes into.

use crate::codec::{Effort, Level, Role, Stream};
use crate::codecs::kin;
use crate::column::{Cells, Column, Scalar};
use crate::dissect::{Sink, TableId};
use crate::error::{Result, corruption};
use crate::format::Writer;
use crate::limits::MAX_STREAM_BYTES;
use crate::select;
use crate::table::TableSchema;
use std::io::Write;

/// Codes chunks as they come and writes them to a container.
pub struct Encoder<W: Write> {
    writer: Writer<W>,
    effort: Effort,
}

impl<W: Write> Encoder<W> {
    /// Begins a container.
    pub fn new(out: W, effort: impl Into<Effort>) -> Result<Self> {
        let effort = effort.into();
        let mut writer = Writer::new(out)?;
        writer.pack_index(match effort.level {
            Level::Fast => 5,
            Level::Balanced => 9,
            Level::Max => 19,
        });
        Ok(Encoder { writer, effort })
    }

    /// The container, to be finished.
    pub fn into_writer(self) -> Writer<W> {
        self.writer
    }
}

/// A stream that owns its cells.
struct Owned {
    cells: Cells,
    scalar: Scalar,
    role: Role,
    /// Number of the stream that holds the lengths of its lists.
    lists: Option<usize>,
    inner: u64,
    dims: Vec<u32>,
}

impl<W: Write> Sink for Encoder<W> {
    fn table(&mut self, schema: TableSchema) -> Result<TableId> {
        self.writer.table(schema)
    }

    fn chunk(&mut self, table: TableId, events: u64, columns: Vec<Column>) -> Result<()> {
        let schema = self
            .writer
            .tables()
            .get(table)
            .ok_or_else(|| corruption(format!("there is no table {table}")))?;
        schema.check(events, &columns)?;
        let mut owned = Vec::new();
        for (column, content) in schema.columns.iter().zip(columns) {
            let mut lists = None;
            for lengths in content.lengths {
                let cells = Cells::W4(lengths);
                owned.push(Owned {
                    cells,
                    scalar: Scalar::U32,
                    role: Role::Lengths,
                    lists,
                    inner: 1,
                    dims: Vec::new(),
                });
                lists = Some(owned.len() - 1);
            }
            let (scalar, inner) = (column.scalar, column.inner_cells());
            let role = Role::Values(column.meaning);
            let dims = column.inner.clone();
            owned.push(Owned { cells: content.values, scalar, role, lists, inner, dims });
        }
        if let Some(big) = owned.iter().find(|o| (o.cells.len() * o.cells.width()) as u64 > MAX_STREAM_BYTES)
        {
            return Err(corruption(format!("table {}: {} cells in one chunk", schema.name, big.cells.len())));
        }
        let streams: Vec<Stream> = owned
            .iter()
            .map(|o| {
                let lists = o.lists.and_then(|i| match &owned[i].cells {
                    Cells::W4(v) => Some(v.as_slice()),
                    _ => None,
                });
                Stream {
                    cells: &o.cells,
                    scalar: o.scalar,
                    role: o.role,
                    lists,
                    inner: o.inner,
                    dims: &o.dims,
                }
            })
            .collect();
        let payloads = select::encode_chunk_of(&streams, kin::jobs(schema), self.effort)?;
        self.writer.chunk(table, events, payloads)
    }
}
