//! Writes a container as a stream: payloads as they come, the index at the end.

use super::index::{Bundle, ChunkEntry, INLINE, Index, Original, Place, StreamEntry};
use super::promise::Promise;
use super::{INDEX_PLAIN, INDEX_ZSTD, MAGIC, TAIL_MAGIC};
use crate::error::{Result, corruption};
use crate::table::TableSchema;
use std::io::Write;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Writes a container to anything that takes bytes in order.
pub struct Writer<W: Write> {
    out: W,
    pos: u64,
    index: Index,
    /// Level of zstd for the index.
    strength: i32,
}

impl<W: Write> Writer<W> {
    /// Begins a container.
    pub fn new(mut out: W) -> Result<Self> {
        out.write_all(&MAGIC)?;
        Ok(Writer { out, pos: MAGIC.len() as u64, index: Index::default(), strength: 9 })
    }

    /// Sets the level of zstd (1 to 22) for the index.
    pub fn pack_index(&mut self, strength: i32) {
        self.strength = strength;
    }

    /// Announces a table and returns its number.
    pub fn table(&mut self, schema: TableSchema) -> Result<usize> {
        schema.columns.iter().try_for_each(|c| c.check())?;
        self.index.tables.push(schema);
        Ok(self.index.tables.len() - 1)
    }

    /// Makes it the container of a reduced file.
    pub fn promise(&mut self, promise: Promise) {
        self.index.promise = Some(promise);
    }

    /// The tables announced so far.
    pub fn tables(&self) -> &[TableSchema] {
        &self.index.tables
    }

    /// Bytes written so far.
    pub fn position(&self) -> u64 {
        self.pos
    }

    /// Writes a chunk: for each stream the number of its codec and its payload.
    pub fn chunk(&mut self, table: usize, events: u64, payloads: Vec<(u8, Vec<u8>)>) -> Result<()> {
        let schema =
            self.index.tables.get(table).ok_or_else(|| corruption(format!("there is no table {table}")))?;
        if payloads.len() != super::index::stream_count(schema) {
            return Err(corruption(format!("table {}: {} streams", schema.name, payloads.len())));
        }
        let mut streams = Vec::with_capacity(payloads.len());
        for (codec, payload) in payloads {
            let place = if payload.len() <= INLINE {
                Place::Inline(payload)
            } else {
                self.out.write_all(&payload)?;
                let (pos, len) = (self.pos, payload.len() as u64);
                self.pos += len;
                Place::Apart { pos, len, check: xxh3_64(&payload) as u32 }
            };
            streams.push(StreamEntry { codec, place });
        }
        self.index.chunks.push(ChunkEntry { table, events, streams });
        Ok(())
    }

    /// Writes model bundles, the index and the tail. Returns the output and the container's length.
    pub fn finish(mut self, format: u16, original: Original, bundles: &[(&str, &[u8])]) -> Result<(W, u64)> {
        for (name, bytes) in bundles {
            self.out.write_all(bytes)?;
            let (pos, len) = (self.pos, bytes.len() as u64);
            self.index.bundles.push(Bundle { name: name.to_string(), hash: xxh3_128(bytes), pos, len });
            self.pos += len;
        }
        self.index.format = format;
        self.index.original = original;
        let plain = self.index.write();
        let packed = zstd::bulk::compress(&plain, self.strength)?;
        let (how, stored) =
            if packed.len() < plain.len() { (INDEX_ZSTD, packed) } else { (INDEX_PLAIN, plain) };
        let mut end = vec![how];
        end.extend_from_slice(&stored);
        let len = end.len() as u64;
        let check = xxh3_64(&end);
        end.extend_from_slice(&len.to_le_bytes());
        end.extend_from_slice(&check.to_le_bytes());
        end.extend_from_slice(&TAIL_MAGIC);
        self.out.write_all(&end)?;
        self.out.flush()?;
        Ok((self.out, self.pos + end.len() as u64))
    }
}
