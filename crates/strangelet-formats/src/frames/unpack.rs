//! Tables to files: all of them, or some, of which only the chunks that hold them are decoded.

use super::{MAX_KINDS, check_name, unnamed};
use crate::layout::Layout;
use strangelet::column::{Cells, Column};
use strangelet::dissect::{TableId, Tables};
use strangelet::error::{Result, corruption};
use strangelet::format::varint::Cursor;

/// Table of the kinds.
const KINDS: TableId = 0;
/// Table of the files.
const FILES: TableId = 1;
/// Table of the first kind.
const FIRST: TableId = 2;

/// A file among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File<'a> {
    /// Its number, from 0 on.
    pub number: u64,
    /// Its name, or nothing where it came without.
    pub name: &'a str,
    /// Whether it is a frame.
    pub frame: bool,
}

impl File<'_> {
    /// Its name, or one by its number.
    ///
    /// # Errors
    /// Where the name could lead out of its folder.
    pub fn path(&self) -> Result<String> {
        if self.name.is_empty() {
            return Ok(unnamed(self.number));
        }
        check_name(self.name).map_err(|e| corruption(e.to_string()))?;
        Ok(self.name.to_string())
    }
}

/// Number of files.
pub fn count(tables: &dyn Tables) -> Result<u64> {
    Ok(tables.chunks(FILES)?.iter().fold(0, |n, &events| n.saturating_add(events)))
}

/// Names of all files, as they shall be called.
pub fn names(tables: &dyn Tables) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for_each(tables, &mut |file, _, _| {
        names.push(file.path()?);
        Ok(())
    })?;
    Ok(names)
}

/// Goes through all files in order. Those that are `wanted` come as pieces of their bytes, in order; of the others nothing is
/// decoded.
pub fn walk(
    tables: &dyn Tables,
    wanted: &mut dyn FnMut(&File) -> Result<bool>,
    piece: &mut dyn FnMut(&File, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut kinds = kinds(tables)?;
    for_each(tables, &mut |file, kind, content| {
        let wanted = wanted(file)?;
        match kind.checked_sub(1) {
            None if wanted => piece(file, content),
            None => Ok(()),
            Some(k) => {
                let no_kind =
                    || corruption(format!("file {} is of kind {kind}, which is not there", file.number));
                let kind = kinds.get_mut(usize::from(k)).ok_or_else(no_kind)?;
                if !wanted {
                    return kind.skip();
                }
                piece(file, &kind.head)?;
                kind.read(tables, &mut |bytes| piece(file, bytes))
            }
        }
    })?;
    match kinds.iter().find(|k| k.row != k.total) {
        Some(kind) => Err(corruption(format!("table {}: frames of no file", kind.table))),
        None => Ok(()),
    }
}

/// What is told of a file: the number of its kind, and its content where it is no frame.
type Take<'a> = dyn FnMut(&File, u16, &[u8]) -> Result<()> + 'a;

/// Calls `take` with every file.
fn for_each(tables: &dyn Tables, take: &mut Take) -> Result<()> {
    let mut number = 0;
    for chunk in 0..tables.chunks(FILES)?.len() {
        let columns: [Column; 3] =
            tables.read(FILES, chunk)?.try_into().map_err(|_| corruption("files with other columns"))?;
        let [name, kind, content] = columns;
        let (names, contents) = (strings(name)?, strings(content)?);
        let Cells::W2(kinds) = kind.values else { return Err(corruption("kinds of another width")) };
        if names.0.len() != kinds.len() || contents.0.len() != kinds.len() {
            return Err(corruption("files with names of another number"));
        }
        let (mut at, mut from) = (0, 0);
        for (k, &kind) in kinds.iter().enumerate() {
            let (name_end, end) = (at + names.0[k] as usize, from + contents.0[k] as usize);
            let short = || corruption("names that end too early");
            let name = names.1.get(at..name_end).ok_or_else(short)?;
            let name = std::str::from_utf8(name).map_err(|_| corruption("a name that is no text"))?;
            let content = contents.1.get(from..end).ok_or_else(short)?;
            (at, from) = (name_end, end);
            take(&File { number, name, frame: kind > 0 }, kind, content)?;
            number += 1;
        }
    }
    Ok(())
}

/// Lengths and bytes of strings.
fn strings(column: Column) -> Result<(Vec<u32>, Vec<u8>)> {
    match (column.lengths.into_iter().next(), column.values) {
        (Some(lengths), Cells::W1(bytes)) => Ok((lengths, bytes)),
        _ => Err(corruption("strings of another width")),
    }
}

/// Files of one header, and how far they were read.
struct Kind {
    head: Vec<u8>,
    layout: Layout,
    /// Rows in a file.
    rows: u64,
    table: TableId,
    /// Rows of each chunk, and of all.
    chunks: Vec<u64>,
    total: u64,
    /// The next row; the chunk it is in and that chunk's first row.
    row: u64,
    chunk: usize,
    first: u64,
    /// The rows of a chunk.
    held: Option<(usize, Vec<u8>)>,
}

fn kinds(tables: &dyn Tables) -> Result<Vec<Kind>> {
    let mut kinds = Vec::new();
    for chunk in 0..tables.chunks(KINDS)?.len() {
        let (lengths, bytes) = strings(tables.read_column(KINDS, chunk, 0)?)?;
        let mut c = Cursor::new(&bytes);
        for len in lengths {
            let mut plan = Cursor::new(c.take(len as usize)?);
            let rows = plan.varint()?;
            let layout = Layout::read(&mut plan)?;
            if rows == 0 || layout.fields.len() != 1 || kinds.len() == MAX_KINDS {
                return Err(corruption("a kind of frames that cannot be"));
            }
            let table = FIRST + kinds.len();
            let chunks = tables.chunks(table)?;
            let total = chunks.iter().try_fold(0u64, |n, &rows| n.checked_add(rows));
            let total = total.ok_or_else(|| corruption("more frames than can be"))?;
            let head = plan.rest().to_vec();
            kinds.push(Kind {
                head,
                layout,
                rows,
                table,
                chunks,
                total,
                row: 0,
                chunk: 0,
                first: 0,
                held: None,
            });
        }
    }
    Ok(kinds)
}

impl Kind {
    /// The row behind those of the next file.
    fn end(&self) -> Result<u64> {
        let end = self.row.checked_add(self.rows).filter(|&end| end <= self.total);
        end.ok_or_else(|| corruption(format!("table {}: fewer frames than files", self.table)))
    }

    /// Leaves a file out.
    fn skip(&mut self) -> Result<()> {
        self.row = self.end()?;
        Ok(())
    }

    /// Gives the rows of a file, chunk by chunk.
    fn read(&mut self, tables: &dyn Tables, piece: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let end = self.end()?;
        let row = self.layout.row() as usize;
        while self.row < end {
            let short = || corruption("a table with another number of rows");
            let rows = *self.chunks.get(self.chunk).ok_or_else(short)?;
            if self.row >= self.first + rows {
                self.first += rows;
                self.chunk += 1;
                continue;
            }
            if self.held.as_ref().is_none_or(|h| h.0 != self.chunk) {
                // The last one goes first.
                self.held = None;
                let bytes = self.layout.join(&tables.read(self.table, self.chunk)?, rows)?;
                self.held = Some((self.chunk, bytes));
            }
            let until = end.min(self.first + rows);
            let range = (self.row - self.first) as usize * row..(until - self.first) as usize * row;
            let bytes = self.held.as_ref().and_then(|h| h.1.get(range)).ok_or_else(short)?;
            piece(bytes)?;
            self.row = until;
        }
        Ok(())
    }
}
