//! Residue as tables: rows of numbers, and streams of bytes.

use strangelet::column::{Cells, Column, ColumnSchema, Scalar};
use strangelet::dissect::{Sink, TableId, Tables};
use strangelet::error::{Result, corruption};
use strangelet::table::TableSchema;

/// Rows of a chunk.
const ROWS: usize = 1 << 16;
/// Bytes of a chunk, all streams together.
const BYTES: usize = 4 << 20;

/// Names and types of the columns of a table of rows.
pub type Fields = [(&'static str, Scalar)];

/// Writes rows of numbers.
pub struct RowsOut {
    table: TableId,
    fields: &'static Fields,
    columns: Vec<Vec<u64>>,
}

impl RowsOut {
    /// Announces the table.
    pub fn new(sink: &mut dyn Sink, name: &str, fields: &'static Fields) -> Result<Self> {
        let columns = fields.iter().map(|&(n, s)| ColumnSchema::flat(n, s)).collect();
        let table = sink.table(TableSchema::residue(name, columns))?;
        Ok(RowsOut { table, fields, columns: vec![Vec::new(); fields.len()] })
    }

    /// Appends a row; numbers are cut to the width of their column.
    pub fn push(&mut self, sink: &mut dyn Sink, row: &[u64]) -> Result<()> {
        for (c, &v) in self.columns.iter_mut().zip(row) {
            c.push(v);
        }
        if self.columns.first().is_some_and(|c| c.len() >= ROWS) { self.flush(sink) } else { Ok(()) }
    }

    /// Passes on what was not yet.
    pub fn flush(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let rows = self.columns.first().map_or(0, Vec::len);
        if rows == 0 {
            return Ok(());
        }
        let cells = |(v, f): (&mut Vec<u64>, &(&str, Scalar))| {
            let v = std::mem::take(v);
            Column::flat(match f.1.width() {
                1 => Cells::W1(v.iter().map(|&x| x as u8).collect()),
                2 => Cells::W2(v.iter().map(|&x| x as u16).collect()),
                4 => Cells::W4(v.iter().map(|&x| x as u32).collect()),
                _ => Cells::W8(v),
            })
        };
        let columns = self.columns.iter_mut().zip(self.fields).map(cells).collect();
        sink.chunk(self.table, rows as u64, columns)
    }
}

/// Reads rows of numbers.
pub struct RowsIn<'a> {
    tables: &'a dyn Tables,
    table: TableId,
    fields: &'static Fields,
    chunks: Vec<u64>,
    next: usize,
    columns: Vec<Column>,
    row: usize,
}

impl<'a> RowsIn<'a> {
    /// From the first row on.
    pub fn new(tables: &'a dyn Tables, table: TableId, fields: &'static Fields) -> Result<Self> {
        let schema = tables.schema(table)?;
        let same =
            |(c, f): (&ColumnSchema, &(&str, Scalar))| c.name == f.0 && c.scalar == f.1 && c.levels() == 0;
        if schema.columns.len() != fields.len() || !schema.columns.iter().zip(fields).all(same) {
            return Err(corruption(format!("table {} has other columns", schema.name)));
        }
        Ok(RowsIn {
            tables,
            table,
            fields,
            chunks: tables.chunks(table)?,
            next: 0,
            columns: Vec::new(),
            row: 0,
        })
    }

    /// The next row, sign-extended where a column has a sign; none behind the last.
    pub fn next(&mut self) -> Result<Option<Vec<u64>>> {
        loop {
            let here = self.columns.iter().zip(self.fields).map(|(c, f)| {
                let v = c.values.get(self.row)?;
                let unused = 64 - 8 * f.1.width() as u32;
                Some(if f.1.is_signed() { ((v << unused) as i64 >> unused) as u64 } else { v })
            });
            if !self.columns.is_empty()
                && let Some(row) = here.collect::<Option<Vec<u64>>>()
            {
                self.row += 1;
                return Ok(Some(row));
            }
            if self.next >= self.chunks.len() {
                return Ok(None);
            }
            self.columns = self.tables.read(self.table, self.next)?;
            self.next += 1;
            self.row = 0;
        }
    }

    /// The next row; an error behind the last.
    pub fn want(&mut self) -> Result<Vec<u64>> {
        self.next()?.ok_or_else(|| corruption("residue has too few rows"))
    }
}

/// Writes streams of bytes. A chunk has one byte string of each.
pub struct StreamsOut {
    table: TableId,
    streams: Vec<Vec<u8>>,
}

impl StreamsOut {
    /// Announces the table.
    pub fn new(sink: &mut dyn Sink, name: &str, streams: &[&str]) -> Result<Self> {
        let columns = streams.iter().map(|&n| ColumnSchema::bytes(n)).collect();
        let table = sink.table(TableSchema::residue(name, columns))?;
        Ok(StreamsOut { table, streams: vec![Vec::new(); streams.len()] })
    }

    /// Appends bytes to a stream.
    pub fn push(&mut self, sink: &mut dyn Sink, stream: usize, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let held: usize = self.streams.iter().map(Vec::len).sum();
            let room = BYTES.saturating_sub(held).min(bytes.len());
            let (now, later) = bytes.split_at(room);
            if let Some(s) = self.streams.get_mut(stream) {
                s.extend_from_slice(now);
            }
            bytes = later;
            if !bytes.is_empty() {
                self.flush(sink)?;
            }
        }
        Ok(())
    }

    /// Passes on what was not yet.
    pub fn flush(&mut self, sink: &mut dyn Sink) -> Result<()> {
        if self.streams.iter().all(Vec::is_empty) {
            return Ok(());
        }
        let column = |s: &mut Vec<u8>| Column::jagged(vec![s.len() as u32], Cells::W1(std::mem::take(s)));
        let columns = self.streams.iter_mut().map(column).collect();
        sink.chunk(self.table, 1, columns)
    }
}

/// Reads streams of bytes, each from its front.
pub struct StreamsIn<'a> {
    tables: &'a dyn Tables,
    table: TableId,
    chunks: usize,
    streams: Vec<Reading>,
}

#[derive(Default, Clone)]
struct Reading {
    next: usize,
    bytes: Vec<u8>,
    pos: usize,
}

impl<'a> StreamsIn<'a> {
    /// From the first byte of each on.
    pub fn new(tables: &'a dyn Tables, table: TableId) -> Result<Self> {
        let streams = vec![Reading::default(); tables.schema(table)?.columns.len()];
        Ok(StreamsIn { tables, table, chunks: tables.chunks(table)?.len(), streams })
    }

    /// The next `n` bytes of a stream.
    pub fn take(&mut self, stream: usize, n: usize) -> Result<Vec<u8>> {
        let short = || corruption("a stream of residue has too few bytes");
        let r = self.streams.get_mut(stream).ok_or_else(short)?;
        let mut out = strangelet::limits::reserve(n);
        while out.len() < n {
            if r.pos == r.bytes.len() {
                if r.next >= self.chunks {
                    return Err(short());
                }
                let column = self.tables.read_column(self.table, r.next, stream)?;
                let Cells::W1(bytes) = column.values else { return Err(short()) };
                *r = Reading { next: r.next + 1, bytes, pos: 0 };
                continue;
            }
            let end = r.bytes.len().min(r.pos + n - out.len());
            out.extend_from_slice(r.bytes.get(r.pos..end).unwrap_or_default());
            r.pos = end;
        }
        Ok(out)
    }
}
