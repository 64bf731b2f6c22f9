//! Tables to container: the sink that a kind of file writes into.

use super::carry::Carry;
use crate::codec::{Effort, Level, Role, Stream};
use crate::codecs::{CARRIED, kin};
use crate::column::{Cells, Column, Scalar};
use crate::dissect::{Sink, TableId};
use crate::error::{Result, corruption};
use crate::format::Writer;
use crate::limits::MAX_STREAM_BYTES;
use crate::select;
use crate::table::TableSchema;
use std::collections::HashMap;
use std::io::Write;
use xxhash_rust::xxh3::xxh3_128;

/// Codes chunks as they come and writes them to a container.
pub struct Encoder<W: Write> {
    writer: Writer<W>,
    effort: Effort,
    prepared: Prepared,
    carry: Option<Carry>,
}

/// Payloads that are known before the cells are coded.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    payloads: HashMap<u128, (u8, Vec<u8>)>,
}

impl Prepared {
    fn key(cells: &Cells) -> u128 {
        let mut bytes = Vec::with_capacity(cells.len() * cells.width());
        cells.to_le_bytes(&mut bytes);
        xxh3_128(&bytes)
    }

    /// These cells have this payload of this codec.
    pub fn add(&mut self, cells: &Cells, codec: u8, payload: Vec<u8>) {
        self.payloads.insert(Prepared::key(cells), (codec, payload));
    }

    fn get(&self, cells: &Cells) -> Option<(u8, Vec<u8>)> {
        if self.payloads.is_empty() { None } else { self.payloads.get(&Prepared::key(cells)).cloned() }
    }
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
        Ok(Encoder { writer, effort, prepared: Prepared::default(), carry: None })
    }

    /// Takes payloads that are known instead of coding their cells.
    pub fn prepare(&mut self, prepared: &Prepared) {
        self.prepared = prepared.clone();
    }

    /// Lets chunks of hits start from what earlier ones have taught, so that reading one needs at most `depth` (1 to 32)
    /// others.
    pub fn carry(&mut self, depth: u32) {
        self.carry = Some(Carry::new(depth));
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
        let mut given: Vec<_> = streams.iter().map(|s| self.prepared.get(s.cells)).collect();
        let mut carried = match &self.carry {
            Some(carry) => carry.payloads(table, &streams)?,
            None => Vec::new(),
        };
        for (given, carried) in given.iter_mut().zip(&mut carried) {
            if let Some(attempt) = carried.take_if(|c| !c.dear && given.is_none()) {
                *given = Some((CARRIED, attempt.payload));
            }
        }
        let mut payloads = select::encode_chunk_given(&streams, kin::jobs(schema), given, self.effort)?;
        for (alone, carried) in payloads.iter_mut().zip(carried) {
            if let Some(attempt) = carried.filter(|c| c.payload.len() < alone.1.len()) {
                *alone = (CARRIED, attempt.payload);
            }
        }
        if let Some(carry) = &mut self.carry {
            carry.coded(table, &streams, &payloads)?;
        }
        self.writer.chunk(table, events, payloads)
    }
}
