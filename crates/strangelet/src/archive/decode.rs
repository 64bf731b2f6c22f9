//! Container to tables: decodes streams on demand.

use crate::codec::{Codec, Learnt, Role, Shape};
use crate::codecs;
use crate::column::{Cells, Column, ColumnSchema, Scalar};
use crate::dissect::{TableId, Tables};
use crate::error::{Error, Result, corruption, unsupported, usage};
use crate::format::index::{ChunkEntry, first_stream};
use crate::format::{Index, Reader};
use crate::limits;
use crate::source::Source;
use crate::table::TableSchema;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// An open container, decoded on demand: one column of one chunk touches only its own payloads (and
/// those that it is derived from).
pub struct Archive<S: Source> {
    reader: Reader<S>,
    /// Numbers of the chunks of each table.
    chunks: Vec<Vec<usize>>,
    /// What the last chunks have taught that others start from, the latest last.
    taught: Mutex<Vec<(Spot, Learnt)>>,
}

/// A stream of a chunk of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    table: TableId,
    chunk: usize,
    stream: usize,
}

/// So many streams are remembered for what they have taught.
const TAUGHT: usize = 6;

/// Column and level of a stream within a chunk.
#[derive(Clone, Copy)]
struct StreamRef<'a> {
    schema: &'a ColumnSchema,
    level: usize,
}

impl<'a> StreamRef<'a> {
    fn of(table: &'a TableSchema, stream: usize) -> Result<StreamRef<'a>> {
        let mut first = 0;
        for schema in &table.columns {
            let n = schema.levels() + 1;
            if stream < first + n {
                return Ok(StreamRef { schema, level: stream - first });
            }
            first += n;
        }
        Err(corruption(format!("table {}: there is no stream {stream}", table.name)))
    }

    fn scalar(&self) -> Scalar {
        if self.level < self.schema.levels() { Scalar::U32 } else { self.schema.scalar }
    }

    /// What the stream holds.
    fn role(&self) -> Role {
        if self.level < self.schema.levels() { Role::Lengths } else { Role::Values(self.schema.meaning) }
    }
}

type Memo = HashMap<usize, Arc<Cells>>;

impl<S: Source> Archive<S> {
    /// Opens a container and reads its index.
    pub fn open(source: S) -> Result<Self> {
        let reader = Reader::open(source)?;
        let mut chunks = vec![Vec::new(); reader.index().tables.len()];
        for (i, chunk) in reader.index().chunks.iter().enumerate() {
            chunks[chunk.table].push(i);
        }
        Ok(Archive { reader, chunks, taught: Mutex::default() })
    }

    /// The index.
    pub fn index(&self) -> &Index {
        self.reader.index()
    }

    /// The container below.
    pub fn reader(&self) -> &Reader<S> {
        &self.reader
    }

    /// The bytes below.
    pub fn read_source(&self) -> &S {
        self.reader.source()
    }

    /// The number of a table by name.
    pub fn find(&self, table: &str) -> Result<TableId> {
        let found = self.index().tables.iter().position(|t| t.name == table && !t.residue);
        found.ok_or_else(|| usage(format!("there is no table {table}")))
    }

    /// The entry of a chunk in the index.
    pub fn chunk_entry(&self, table: TableId, chunk: usize) -> Result<&ChunkEntry> {
        let number = self.chunks.get(table).and_then(|c| c.get(chunk));
        number
            .and_then(|&n| self.index().chunks.get(n))
            .ok_or_else(|| usage(format!("table {table} has no chunk {chunk}")))
    }

    /// Role of a stream within a chunk of a table, with its column's name.
    pub fn stream_role(&self, table: TableId, stream: usize) -> Result<(&str, Role)> {
        let r = StreamRef::of(self.schema(table)?, stream)?;
        Ok((&r.schema.name, r.role()))
    }

    /// Decodes stream `i` of a chunk, and before it whatever it is derived from.
    fn stream(&self, at: (TableId, usize), i: usize, memo: &mut Memo, depth: usize) -> Result<Arc<Cells>> {
        if depth > limits::MAX_DERIVATIONS {
            return Err(corruption("streams derived from one another without end"));
        }
        if let Some(cells) = memo.get(&i) {
            return Ok(cells.clone());
        }
        let (schema, entry) = (self.schema(at.0)?, self.chunk_entry(at.0, at.1)?);
        let r = StreamRef::of(schema, i)?;
        let count = if r.level == 0 {
            entry.events
        } else {
            let lengths = self.stream(at, i - 1, memo, depth + 1)?;
            let Cells::W4(lengths) = &*lengths else { return Err(corruption("lengths of another width")) };
            lengths.iter().map(|&n| n as u64).sum()
        };
        let inner = if r.level == r.schema.levels() { r.schema.inner_cells() } else { 1 };
        let scalar = r.scalar();
        let shape = Shape { scalar, count: limits::cells(count.saturating_mul(inner), scalar.width())? };
        let stored = entry.streams.get(i).ok_or_else(|| corruption("a stream is missing"))?;
        let codec =
            codecs::by_id(stored.codec).ok_or_else(|| unsupported(format!("codec {}", stored.codec)))?;
        let payload = self.reader.payload(&stored.place)?;
        let mut needed = Vec::new();
        let needs = if codec.derives() { codec.needs(&payload)? } else { Vec::new() };
        for j in needs {
            if j >= i && !codec.looks_ahead() {
                return Err(corruption(format!(
                    "stream {i} is derived from stream {j}, which is not before it"
                )));
            }
            needed.push(self.stream(at, j, memo, depth + 1)?);
        }
        let needed: Vec<&Cells> = needed.iter().map(|c| &**c).collect();
        let cells = match codec.starts_after(&payload)? {
            None => codec.decode(&payload, shape, &needed)?,
            Some(_) => {
                let spot = Spot { table: at.0, chunk: at.1, stream: i };
                self.learn(spot, codec, &payload, shape, 0)?.0
            }
        };
        if cells.len() != shape.count || cells.width() != shape.scalar.width() {
            return Err(corruption(format!(
                "codec {} gave {} cells, not {}",
                codec.name(),
                cells.len(),
                shape.count
            )));
        }
        let cells = Arc::new(cells);
        memo.insert(i, cells.clone());
        Ok(cells)
    }

    /// The cells of a payload, and what it has taught, which is remembered. First come the chunks that it starts from.
    fn learn(
        &self,
        spot: Spot,
        codec: &dyn Codec,
        payload: &[u8],
        shape: Shape,
        depth: usize,
    ) -> Result<(Cells, Learnt)> {
        if StreamRef::of(self.schema(spot.table)?, spot.stream)?.schema.levels() > 0 {
            return Err(corruption("lists that start from another chunk"));
        }
        let before = match codec.starts_after(payload)? {
            None => None,
            Some(back) => {
                let chunk = usize::try_from(back).ok().and_then(|back| spot.chunk.checked_sub(back));
                let chunk = chunk.ok_or_else(|| {
                    corruption(format!("chunk {} starts from one that is not before it", spot.chunk))
                })?;
                Some(self.taught(Spot { chunk, ..spot }, depth + 1)?)
            }
        };
        let (cells, learnt) = codec.learn(payload, shape, before.as_ref())?;
        let mut taught = self.taught.lock().unwrap_or_else(|e| e.into_inner());
        taught.retain(|t| t.0 != spot);
        if taught.len() >= TAUGHT {
            taught.remove(0);
        }
        taught.push((spot, learnt.clone()));
        Ok((cells, learnt))
    }

    /// What the values of a flat column have taught.
    fn taught(&self, spot: Spot, depth: usize) -> Result<Learnt> {
        let mut taught = self.taught.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(i) = taught.iter().position(|t| t.0 == spot) {
            // The latest asked for is the last to go.
            let found = taught.remove(i);
            let learnt = found.1.clone();
            taught.push(found);
            return Ok(learnt);
        }
        drop(taught);
        if depth > limits::MAX_CARRIED {
            return Err(corruption("chunks that start from one another without end"));
        }
        let (schema, entry) = (self.schema(spot.table)?, self.chunk_entry(spot.table, spot.chunk)?);
        let column = StreamRef::of(schema, spot.stream)?.schema;
        let count = limits::cells(entry.events.saturating_mul(column.inner_cells()), column.scalar.width())?;
        let stored = entry.streams.get(spot.stream).ok_or_else(|| corruption("a stream is missing"))?;
        let codec =
            codecs::by_id(stored.codec).ok_or_else(|| unsupported(format!("codec {}", stored.codec)))?;
        let payload = self.reader.payload(&stored.place)?;
        Ok(self.learn(spot, codec, &payload, Shape { scalar: column.scalar, count }, depth)?.1)
    }

    /// How many chunks back the chunk is that a stream starts from, as its payload says; only the head of it is read, and no
    /// checksum.
    pub fn starts_after(&self, table: TableId, chunk: usize, stream: usize) -> Result<Option<u64>> {
        let entry = self.chunk_entry(table, chunk)?;
        let stored = entry.streams.get(stream).ok_or_else(|| corruption("a stream is missing"))?;
        match codecs::by_id(stored.codec) {
            Some(codec) if stored.codec == codecs::CARRIED => {
                codec.starts_after(&self.reader.head(&stored.place)?)
            }
            _ => Ok(None),
        }
    }

    /// Cells of every stream of a chunk, without decoding the values: only lengths are decoded
    /// (and whatever they are derived from).
    pub fn cell_counts(&self, table: TableId, chunk: usize) -> Result<Vec<u64>> {
        let at = (table, chunk);
        let (schema, entry) = (self.schema(table)?, self.chunk_entry(table, chunk)?);
        let mut memo = Memo::new();
        let mut counts = Vec::with_capacity(entry.streams.len());
        for c in &schema.columns {
            let mut items = entry.events;
            for _ in 0..c.levels() {
                let cells = self
                    .stream(at, counts.len(), &mut memo, 0)
                    .map_err(|e| e.within(format!("table {}, column {}", schema.name, c.name)))?;
                counts.push(items);
                let Cells::W4(lengths) = &*cells else {
                    return Err(corruption("lengths of another width"));
                };
                items = lengths.iter().map(|&n| n as u64).sum();
            }
            counts.push(items.saturating_mul(c.inner_cells()));
        }
        Ok(counts)
    }

    fn column(&self, at: (TableId, usize), column: usize, memo: &mut Memo) -> Result<Column> {
        let schema = self.schema(at.0)?;
        let c = schema.columns.get(column).ok_or_else(|| usage(format!("there is no column {column}")))?;
        let first = first_stream(schema, column);
        let mut lengths = Vec::new();
        let named = |e: Error| e.within(format!("table {}, column {}", schema.name, c.name));
        for level in 0..c.levels() {
            match &*self.stream(at, first + level, memo, 0).map_err(named)? {
                Cells::W4(v) => lengths.push(v.clone()),
                _ => return Err(named(corruption("lengths of another width"))),
            }
        }
        let values = self.stream(at, first + c.levels(), memo, 0).map_err(named)?;
        memo.remove(&(first + c.levels()));
        Ok(Column { lengths, values: Arc::try_unwrap(values).unwrap_or_else(|v| (*v).clone()) })
    }
}

impl<S: Source> Tables for Archive<S> {
    fn count(&self) -> usize {
        self.index().tables.len()
    }

    fn schema(&self, table: TableId) -> Result<&TableSchema> {
        self.index().tables.get(table).ok_or_else(|| corruption(format!("there is no table {table}")))
    }

    fn chunks(&self, table: TableId) -> Result<Vec<u64>> {
        let numbers =
            self.chunks.get(table).ok_or_else(|| corruption(format!("there is no table {table}")))?;
        Ok(numbers.iter().map(|&n| self.index().chunks[n].events).collect())
    }

    fn read(&self, table: TableId, chunk: usize) -> Result<Vec<Column>> {
        let at = (table, chunk);
        let schema = self.schema(table)?;
        let entry = self.chunk_entry(table, chunk)?;
        // Streams that others are derived from are decoded once and shared; the rest in parallel.
        let mut shared = Memo::new();
        for (i, s) in entry.streams.iter().enumerate() {
            let codec = codecs::by_id(s.codec).ok_or_else(|| unsupported(format!("codec {}", s.codec)))?;
            if !codec.derives() {
                continue;
            }
            for j in codec.needs(&self.reader.payload(&s.place)?)? {
                if j >= i && !codec.looks_ahead() {
                    return Err(corruption(format!(
                        "stream {i} is derived from stream {j}, which is not before it"
                    )));
                }
                self.stream(at, j, &mut shared, 0)?;
            }
        }
        let columns = 0..schema.columns.len();
        columns.into_par_iter().map(|c| self.column(at, c, &mut shared.clone())).collect()
    }

    fn read_column(&self, table: TableId, chunk: usize, column: usize) -> Result<Column> {
        self.column((table, chunk), column, &mut Memo::new())
    }
}
