//! The index: everything a reader needs to find and to trust the payloads. Specified in docs/format.md.

use super::promise::Promise;
use super::varint::{Cursor, put};
use crate::column::{ColumnSchema, Meaning, Scalar, Scale};
use crate::error::{Result, corruption, unsupported};
use crate::table::TableSchema;

/// Payloads of at most this many bytes live in the index, under its checksum.
pub const INLINE: usize = 48;

/// What is known of the original file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Original {
    /// Length in bytes.
    pub len: u64,
    /// xxh3-128 of its bytes.
    pub xxh3: u128,
    /// Adler-32 of its bytes, as grid catalogues store it.
    pub adler32: u32,
}

/// A model bundle carried by the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Name.
    pub name: String,
    /// xxh3-128 of its bytes.
    pub hash: u128,
    /// Place in the container.
    pub pos: u64,
    /// Length in bytes.
    pub len: u64,
}

/// Where the payload of a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the index.
    Inline(Vec<u8>),
    /// In the container, under its own checksum.
    Apart {
        /// Place of the first byte.
        pos: u64,
        /// Length in bytes.
        len: u64,
        /// Low 32 bits of the xxh3-64 of the payload.
        check: u32,
    },
}

impl Place {
    /// Bytes of the payload.
    pub fn len(&self) -> u64 {
        match self {
            Place::Inline(v) => v.len() as u64,
            Place::Apart { len, .. } => *len,
        }
    }

    /// Whether the payload has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A stream of a chunk: which codec wrote it, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEntry {
    /// Number of the codec.
    pub codec: u8,
    /// Where the payload is.
    pub place: Place,
}

/// A chunk of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkEntry {
    /// Number of the table.
    pub table: usize,
    /// Events in the chunk.
    pub events: u64,
    /// Streams: for each column its levels of lengths, outermost first, then its values.
    pub streams: Vec<StreamEntry>,
}

/// The whole index.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Index {
    /// The original file.
    pub original: Original,
    /// Number of the file format that puts it together.
    pub format: u16,
    /// Model bundles.
    pub bundles: Vec<Bundle>,
    /// Tables.
    pub tables: Vec<TableSchema>,
    /// Chunks in the order of their payloads.
    pub chunks: Vec<ChunkEntry>,
    /// Where the file is a reduced one: what is promised of it.
    pub promise: Option<Promise>,
}

/// Streams of a table's chunks.
pub fn stream_count(table: &TableSchema) -> usize {
    table.columns.iter().map(|c| c.levels() + 1).sum()
}

/// Number of the first stream of a column within a chunk.
pub fn first_stream(table: &TableSchema, column: usize) -> usize {
    table.columns.iter().take(column).map(|c| c.levels() + 1).sum()
}

fn put_string(out: &mut Vec<u8>, s: &str) {
    put(out, s.len() as u64);
    out.extend_from_slice(s.as_bytes());
}

impl Index {
    /// The index as bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, self.format as u64);
        put(&mut out, self.original.len);
        out.extend_from_slice(&self.original.xxh3.to_le_bytes());
        out.extend_from_slice(&self.original.adler32.to_le_bytes());
        put(&mut out, self.bundles.len() as u64);
        for b in &self.bundles {
            put_string(&mut out, &b.name);
            out.extend_from_slice(&b.hash.to_le_bytes());
            put(&mut out, b.pos);
            put(&mut out, b.len);
        }
        put(&mut out, self.tables.len() as u64);
        for t in &self.tables {
            put_string(&mut out, &t.name);
            out.push(t.residue as u8);
            put(&mut out, t.columns.len() as u64);
        }
        let columns = || self.tables.iter().flat_map(|t| &t.columns);
        columns().for_each(|c| put_string(&mut out, &c.name));
        out.extend(
            columns().map(|c| c.scalar as u8 | (c.meaning as u8) << 4 | (c.scale.is_some() as u8) << 7),
        );
        out.extend(columns().map(|c| c.depth));
        for c in columns() {
            put(&mut out, c.inner.len() as u64);
            c.inner.iter().for_each(|&d| put(&mut out, d as u64));
        }
        for scale in columns().filter_map(|c| c.scale) {
            out.extend_from_slice(&scale.low.to_le_bytes());
            out.extend_from_slice(&scale.factor.to_le_bytes());
        }
        put(&mut out, self.chunks.len() as u64);
        self.chunks.iter().for_each(|c| put(&mut out, c.table as u64));
        self.chunks.iter().for_each(|c| put(&mut out, c.events));
        let streams = || self.chunks.iter().flat_map(|c| &c.streams);
        out.extend(streams().map(|s| s.codec));
        for s in streams() {
            match &s.place {
                Place::Inline(v) => put(&mut out, (v.len() as u64) << 1),
                Place::Apart { len, .. } => put(&mut out, len << 1 | 1),
            }
        }
        for s in streams() {
            if let Place::Apart { check, .. } = s.place {
                out.extend_from_slice(&check.to_le_bytes());
            }
        }
        for s in streams() {
            if let Place::Inline(v) = &s.place {
                out.extend_from_slice(v);
            }
        }
        if let Some(promise) = &self.promise {
            promise.write(&mut out);
        }
        out
    }

    /// Reads an index; `first` is the place of the first payload, `end` the place behind the last.
    pub fn read(bytes: &[u8], first: u64, end: u64) -> Result<Index> {
        let mut c = Cursor::new(bytes);
        let format = c.varint()?;
        let format =
            u16::try_from(format).map_err(|_| unsupported(format!("file format {format} is not known")))?;
        let original = Original {
            len: c.varint()?,
            xxh3: u128::from_le_bytes(c.array()?),
            adler32: u32::from_le_bytes(c.array()?),
        };
        let mut bundles = Vec::new();
        for _ in 0..c.count()? {
            let (name, hash) = (c.string()?, u128::from_le_bytes(c.array()?));
            bundles.push(Bundle { name, hash, pos: c.varint()?, len: c.varint()? });
        }
        let tables = read_tables(&mut c)?;
        let chunks = read_chunks(&mut c, &tables, &bundles, first, end)?;
        let promise = if c.rest().is_empty() { None } else { Some(Promise::read(&mut c, &tables)?) };
        if !c.rest().is_empty() {
            return Err(corruption("bytes behind the index"));
        }
        Ok(Index { original, format, bundles, tables, chunks, promise })
    }
}

fn read_tables(c: &mut Cursor) -> Result<Vec<TableSchema>> {
    let mut tables = Vec::new();
    let mut widths = Vec::new();
    for _ in 0..c.count()? {
        let name = c.string()?;
        let residue = match c.byte()? {
            0 => false,
            1 => true,
            other => return Err(corruption(format!("table {name}: flag {other}"))),
        };
        widths.push(c.count()?);
        tables.push(TableSchema { name, residue, columns: Vec::new() });
    }
    let total = widths.iter().try_fold(0usize, |a, &b| a.checked_add(b)).filter(|&n| n <= c.rest().len());
    let total = total.ok_or_else(|| corruption("more columns than bytes"))?;
    let mut names = Vec::new();
    for _ in 0..total {
        names.push(c.string()?);
    }
    let (types, depths) = (c.take(total)?, c.take(total)?);
    let mut columns = Vec::new();
    for (i, name) in names.into_iter().enumerate() {
        let scalar = Scalar::from_id(types[i] & 15)?;
        let meaning = match types[i] >> 4 & 7 {
            0 => Meaning::Number,
            1 => Meaning::Bytes,
            2 => Meaning::Text,
            other => return Err(corruption(format!("column {name}: meaning {other}"))),
        };
        let mut inner = Vec::new();
        for _ in 0..c.count()? {
            let d = c.varint()?;
            inner.push(u32::try_from(d).map_err(|_| corruption(format!("column {name}: dimension {d}")))?);
        }
        let column = ColumnSchema { name, scalar, meaning, depth: depths[i], inner, scale: None };
        column.check()?;
        columns.push(column);
    }
    for (column, _) in columns.iter_mut().zip(types).filter(|(_, t)| **t >> 7 == 1) {
        let low = f64::from_le_bytes(c.array()?);
        column.scale = Some(Scale { low, factor: f64::from_le_bytes(c.array()?) });
    }
    let mut columns = columns.into_iter();
    for (table, width) in tables.iter_mut().zip(widths) {
        table.columns = columns.by_ref().take(width).collect();
    }
    Ok(tables)
}

fn read_chunks(
    c: &mut Cursor,
    tables: &[TableSchema],
    bundles: &[Bundle],
    first: u64,
    end: u64,
) -> Result<Vec<ChunkEntry>> {
    let n = c.count()?;
    let mut chunks = Vec::new();
    let mut streams = 0usize;
    for _ in 0..n {
        let table = c.varint()?;
        let schema = usize::try_from(table).ok().and_then(|t| tables.get(t));
        let schema =
            schema.ok_or_else(|| corruption(format!("a chunk of table {table}, which does not exist")))?;
        streams = streams.saturating_add(stream_count(schema));
        chunks.push(ChunkEntry { table: table as usize, events: 0, streams: Vec::new() });
    }
    for chunk in &mut chunks {
        chunk.events = c.varint()?;
    }
    let codecs = c.take(streams)?;
    let mut lens = Vec::new();
    for _ in 0..streams {
        lens.push(c.varint()?);
    }
    let mut checks = Vec::new();
    for len in &lens {
        checks.push(if len & 1 == 1 { u32::from_le_bytes(c.array()?) } else { 0 });
    }
    let mut pos = first;
    let mut at = 0;
    for chunk in &mut chunks {
        for _ in 0..stream_count(&tables[chunk.table]) {
            let len = lens[at] >> 1;
            let place = if lens[at] & 1 == 1 {
                let place = Place::Apart { pos, len, check: checks[at] };
                pos = pos.checked_add(len).ok_or_else(|| corruption("a payload beyond the end"))?;
                place
            } else {
                Place::Inline(c.take(len as usize)?.to_vec())
            };
            chunk.streams.push(StreamEntry { codec: codecs[at], place });
            at += 1;
        }
    }
    for b in bundles {
        let expected = pos;
        pos = pos
            .checked_add(b.len)
            .filter(|_| b.pos == expected)
            .ok_or_else(|| corruption("a bundle out of place"))?;
    }
    if pos != end {
        return Err(corruption(format!("payloads end at {pos}, not at {end}")));
    }
    Ok(chunks)
}
