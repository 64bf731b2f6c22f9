//! The file-format seam: takes a file apart into tables and residue, and puts it together again, byte for byte.

use crate::codec::Level;
use crate::column::Column;
use crate::error::{Result, unsupported};
use crate::source::{Source, Spool, Target};
use crate::table::TableSchema;
use std::collections::HashMap;
use std::sync::Mutex;
use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_seed};

/// Number of a table in its container, in the order of [`Sink::table`].
pub type TableId = usize;

/// A kind of file.
pub trait FileFormat: Sync {
    /// Number on disk; never used again.
    fn id(&self) -> u16;

    /// Short name for people: `root`, `npy`, `raw`.
    fn name(&self) -> &'static str;

    /// Whether it looks like such a file. Cheap: a look at a few bytes.
    fn probe(&self, source: &dyn Source) -> bool;

    /// Takes the file apart. An error means that the file is not of this kind after all; the writer
    /// then starts again with the next kind, and nothing is lost.
    fn dissect(&self, cx: &Context, source: &dyn Source, sink: &mut dyn Sink) -> Result<()>;

    /// Writes the file again from its tables.
    fn assemble(&self, cx: &Context, tables: &dyn Tables, target: &mut dyn Target) -> Result<()>;

    /// The file in a form in which the values of its columns may change: no checksum but those that
    /// [`FileFormat::mend`] sets right, nothing compressed. Nothing where the file is like that already. An error where
    /// that cannot be.
    fn loosen(&self, source: &dyn Source) -> Result<Option<Spool>> {
        let _ = source;
        Err(unsupported(format!("reduce works on arrays (.npy, .npz) so far; this is {}", self.name())))
    }

    /// Sets checksums within a loosened file right, after values have changed.
    fn mend(&self, file: &mut Spool) -> Result<()> {
        let _ = file;
        Ok(())
    }
}

/// What the kinds of file share while they work.
pub struct Context<'a> {
    /// All kinds, most special first; for those that wrap another file.
    pub formats: &'a [&'a dyn FileFormat],
    /// Recipes that were proved while dissecting.
    pub proofs: &'a Proofs,
    /// How much time may be spent.
    pub level: Level,
}

impl<'a> Context<'a> {
    /// The kind with this number.
    pub fn format(&self, id: u16) -> Option<&'a dyn FileFormat> {
        self.formats.iter().copied().find(|f| f.id() == id)
    }
}

/// Takes tables, chunk after chunk.
pub trait Sink {
    /// Announces a table. All its chunks come later.
    fn table(&mut self, schema: TableSchema) -> Result<TableId>;

    /// The next chunk of a table: all its columns for the next `events` events.
    fn chunk(&mut self, table: TableId, events: u64, columns: Vec<Column>) -> Result<()>;
}

/// Gives the tables back.
pub trait Tables: Sync {
    /// Number of tables.
    fn count(&self) -> usize;

    /// Schema of a table.
    fn schema(&self, table: TableId) -> Result<&TableSchema>;

    /// Events of each chunk of a table.
    fn chunks(&self, table: TableId) -> Result<Vec<u64>>;

    /// All columns of a chunk.
    fn read(&self, table: TableId, chunk: usize) -> Result<Vec<Column>>;

    /// One column of a chunk.
    fn read_column(&self, table: TableId, chunk: usize, column: usize) -> Result<Column>;
}

/// The tables from a number on, as a wrapped file sees them.
pub struct TablesFrom<'a> {
    /// All tables.
    pub tables: &'a dyn Tables,
    /// The first that is seen.
    pub first: TableId,
    /// How many are seen.
    pub count: usize,
}

impl TablesFrom<'_> {
    fn at(&self, table: TableId) -> Result<TableId> {
        if table >= self.count {
            return Err(crate::error::corruption(format!("there is no table {table}")));
        }
        Ok(self.first + table)
    }
}

impl Tables for TablesFrom<'_> {
    fn count(&self) -> usize {
        self.count
    }
    fn schema(&self, table: TableId) -> Result<&TableSchema> {
        self.tables.schema(self.at(table)?)
    }
    fn chunks(&self, table: TableId) -> Result<Vec<u64>> {
        self.tables.chunks(self.at(table)?)
    }
    fn read(&self, table: TableId, chunk: usize) -> Result<Vec<Column>> {
        self.tables.read(self.at(table)?, chunk)
    }
    fn read_column(&self, table: TableId, chunk: usize, column: usize) -> Result<Column> {
        self.tables.read_column(self.at(table)?, chunk, column)
    }
}

/// A sink that puts a prefix before the names of tables and counts them from zero, for a wrapped file.
pub struct SinkFrom<'a> {
    sink: &'a mut dyn Sink,
    prefix: String,
    tables: Vec<TableId>,
}

impl<'a> SinkFrom<'a> {
    /// Passes on to `sink`.
    pub fn new(sink: &'a mut dyn Sink, prefix: impl Into<String>) -> Self {
        SinkFrom { sink, prefix: prefix.into(), tables: Vec::new() }
    }

    /// Number of tables that were announced through it.
    pub fn count(&self) -> usize {
        self.tables.len()
    }
}

impl Sink for SinkFrom<'_> {
    fn table(&mut self, mut schema: TableSchema) -> Result<TableId> {
        schema.name.insert_str(0, &self.prefix);
        self.tables.push(self.sink.table(schema)?);
        Ok(self.tables.len() - 1)
    }
    fn chunk(&mut self, table: TableId, events: u64, columns: Vec<Column>) -> Result<()> {
        let id = self.tables.get(table).copied();
        let id = id.ok_or_else(|| crate::error::corruption(format!("there is no table {table}")))?;
        self.sink.chunk(id, events, columns)
    }
}

/// Memory of what slow encoders have made.
///
/// While a file is taken apart, each recipe is proved by running it and comparing with the compressed
/// bytes. The verification that follows restores the whole file and meets the same contents with
/// the same recipes; an encoder is a function, so it need not run again: the proof is looked up by a
/// 128-bit hash of content and recipe, and the original's bytes stand for its result after their own
/// hash was compared with the one proved. On a real restore there is no original and the encoder runs.
#[derive(Default)]
pub struct Proofs {
    map: Mutex<HashMap<u128, (u64, u128)>>,
}

impl Proofs {
    fn key(recipe: &[u8], content: &[u8]) -> u128 {
        xxh3_128_with_seed(content, xxhash_rust::xxh3::xxh3_64(recipe))
    }

    /// Remembers that `recipe` makes `compressed` out of `content`.
    pub fn remember(&self, recipe: &[u8], content: &[u8], compressed: &[u8]) {
        let proof = (compressed.len() as u64, xxh3_128(compressed));
        let mut map = self.map.lock().unwrap_or_else(|e| e.into_inner());
        map.insert(Self::key(recipe, content), proof);
    }

    /// The compressed bytes, where this was proved and the target knows the original at `pos`.
    pub fn recall(&self, recipe: &[u8], content: &[u8], target: &dyn Target, pos: u64) -> Option<Vec<u8>> {
        if self.map.lock().unwrap_or_else(|e| e.into_inner()).is_empty() {
            return None;
        }
        let key = Self::key(recipe, content);
        let (len, digest) = *self.map.lock().unwrap_or_else(|e| e.into_inner()).get(&key)?;
        target.original(pos, len).filter(|bytes| xxh3_128(bytes) == digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Compare;

    #[test]
    fn a_proof_holds_for_its_content_recipe_and_place_only() {
        let original = b"..packed..".to_vec();
        let proofs = Proofs::default();
        proofs.remember(b"r", b"content", b"packed");
        let target = Compare::new(&original);
        assert_eq!(proofs.recall(b"r", b"content", &target, 2).as_deref(), Some(&b"packed"[..]));
        assert_eq!(proofs.recall(b"r", b"content", &target, 1), None);
        assert_eq!(proofs.recall(b"r", b"other", &target, 2), None);
        assert_eq!(proofs.recall(b"q", b"content", &target, 2), None);
        assert_eq!(proofs.recall(b"r", b"content", &Spool::new(100), 2), None);
    }
}
