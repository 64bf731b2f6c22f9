//! What a file is made of: pieces that come from tables, and residue that fills the holes between them.
//!
//! Kinds of file whose content lies in plain ranges (npy, npz, HDF5, records) share this. A file of
//! theirs is a [`Plan`] (table 0, column `plan`), the residue (table 0, column `residue`, in the order
//! in which the holes are filled) and one table for each array.

mod pieces;

pub use pieces::{Fortran, Packed, Piece, Plan, What};

use crate::layout::Layout;
use strangelet::column::{Cells, Column, ColumnSchema};
use strangelet::dissect::{Context, Sink, TableId, Tables};
use strangelet::error::{Result, corruption};
use strangelet::source::{Source, Spool, Target};
use strangelet::table::TableSchema;

/// Bytes of content that a chunk aims at.
pub const CHUNK: u64 = 8 << 20;
/// Most bytes of a plan.
const MAX_PLAN: usize = 1 << 28;

/// Rows at a place of a source.
pub struct Array<'a> {
    /// Where they are.
    pub source: &'a dyn Source,
    /// First byte.
    pub pos: u64,
    /// One of them.
    pub layout: Layout,
}

/// The dissecting side: tables as they come, residue beside them.
pub struct Parts<'a> {
    sink: &'a mut dyn Sink,
    table: TableId,
    pending: Vec<u8>,
}

impl<'a> Parts<'a> {
    /// Announces the table of plan and residue, which must be the first.
    pub fn new(sink: &'a mut dyn Sink) -> Result<Self> {
        let columns = vec![ColumnSchema::bytes("plan"), ColumnSchema::bytes("residue")];
        let table = sink.table(TableSchema::residue("residue", columns))?;
        Ok(Parts { sink, table, pending: Vec::new() })
    }

    /// Where tables go.
    pub fn sink(&mut self) -> &mut dyn Sink {
        self.sink
    }

    /// Appends to the residue.
    pub fn residue(&mut self, bytes: &[u8]) -> Result<()> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() as u64 >= CHUNK {
            let bytes = std::mem::take(&mut self.pending);
            self.emit(&[], &bytes)?;
        }
        Ok(())
    }

    /// Appends what no piece of the plan explains.
    pub fn holes(&mut self, source: &dyn Source, plan: &Plan) -> Result<()> {
        for (mut pos, end) in plan.holes()? {
            while pos < end {
                let bytes = source.range(pos, (end - pos).min(CHUNK - self.pending.len() as u64))?;
                pos += bytes.len() as u64;
                self.residue(&bytes)?;
            }
        }
        Ok(())
    }

    /// Announces a table of rows and fills it from a range of a source.
    pub fn rows(
        &mut self,
        name: impl Into<String>,
        layout: &Layout,
        source: &dyn Source,
        pos: u64,
        rows: u64,
    ) -> Result<Piece> {
        layout.check()?;
        let table = self.sink.table(TableSchema::new(name, layout.schemas()))?;
        let row = layout.row();
        let step = (CHUNK / row).max(1);
        let mut first = 0;
        while first < rows {
            let n = step.min(rows - first);
            let bytes = source.range(pos + first * row, n * row)?;
            self.sink.chunk(table, n, layout.split(&bytes)?)?;
            first += n;
        }
        Ok(Piece { pos, len: rows * row, what: What::Rows { table, layout: layout.clone() } })
    }

    /// Announces a table whose columns come from several sources, and fills it; the piece of each.
    pub fn beside(&mut self, name: &str, arrays: &[Array], rows: u64) -> Result<Vec<Piece>> {
        let mut schemas = Vec::new();
        let mut row = 0u64;
        for array in arrays {
            array.layout.check()?;
            row = row.saturating_add(array.layout.row());
            schemas.extend(array.layout.schemas());
        }
        let table = self.sink.table(TableSchema::new(name, schemas))?;
        let step = (CHUNK / row.max(1)).max(1);
        let mut first = 0;
        while first < rows {
            let n = step.min(rows - first);
            let mut columns = Vec::new();
            for array in arrays {
                let row = array.layout.row();
                let bytes = array.source.range(array.pos + first * row, n * row)?;
                columns.extend(array.layout.split(&bytes)?);
            }
            self.sink.chunk(table, n, columns)?;
            first += n;
        }
        let mut first = 0;
        let pieces = arrays.iter().map(|array| {
            let layout = array.layout.clone();
            let len = rows * layout.row();
            let own = first;
            first += layout.fields.len();
            Piece { pos: array.pos, len, what: What::Columns { table, first: own, layout } }
        });
        Ok(pieces.collect())
    }

    /// Announces a table of one field and fills it from an array in Fortran order: the first axis
    /// varies fastest. The events are the first axis, the cells of an event in C order.
    pub fn fortran(
        &mut self,
        name: impl Into<String>,
        layout: &Layout,
        source: &dyn Source,
        pos: u64,
        shape: &[u32],
    ) -> Result<Piece> {
        let (&rows, dims) = shape.split_first().ok_or_else(|| corruption("an array without axes"))?;
        let what = pieces::Fortran::new(layout, rows.into(), dims)?;
        let field = layout.fields[0].clone().array(dims);
        let table = self.sink.table(TableSchema::new(name, Layout { fields: vec![field] }.schemas()))?;
        let step = (CHUNK / what.row()).max(1);
        let mut first = 0;
        while first < what.rows {
            let n = step.min(what.rows - first);
            let column = what.read(layout, source, pos, first, n)?;
            self.sink.chunk(table, n, vec![column])?;
            first += n;
        }
        let len = what.rows * what.row();
        Ok(Piece { pos, len, what: What::Fortran { table, layout: layout.clone(), fortran: what } })
    }

    /// Writes the rest of the residue and the plan.
    pub fn finish(mut self, plan: &Plan) -> Result<()> {
        let mut bytes = Vec::new();
        plan.write(&mut bytes);
        let mut parts = bytes.chunks(CHUNK as usize).rev().collect::<Vec<_>>();
        let residue = std::mem::take(&mut self.pending);
        self.emit(parts.pop().unwrap_or_default(), &residue)?;
        while let Some(part) = parts.pop() {
            self.emit(part, &[])?;
        }
        Ok(())
    }

    fn emit(&mut self, plan: &[u8], residue: &[u8]) -> Result<()> {
        self.sink.chunk(self.table, 1, vec![Column::strings([plan]), Column::strings([residue])])
    }
}

/// The assembling side of the residue: bytes in the order in which they were put there.
pub struct Residue<'a> {
    tables: &'a dyn Tables,
    chunks: usize,
    next: usize,
    bytes: Vec<u8>,
    at: usize,
}

impl<'a> Residue<'a> {
    fn new(tables: &'a dyn Tables) -> Result<Self> {
        Ok(Residue { tables, chunks: tables.chunks(0)?.len(), next: 0, bytes: Vec::new(), at: 0 })
    }

    /// Some of the next bytes: at most `most`, at least one.
    pub fn some(&mut self, most: u64) -> Result<&[u8]> {
        while self.at == self.bytes.len() {
            if self.next == self.chunks {
                return Err(corruption("the residue ends too early"));
            }
            self.bytes = bytes(self.tables.read_column(0, self.next, 1)?)?;
            self.at = 0;
            self.next += 1;
        }
        let n = most.min((self.bytes.len() - self.at) as u64) as usize;
        self.at += n;
        Ok(&self.bytes[self.at - n..self.at])
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: u64) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        while (out.len() as u64) < len {
            let left = len - out.len() as u64;
            out.extend_from_slice(self.some(left)?);
        }
        Ok(out)
    }
}

fn bytes(column: Column) -> Result<Vec<u8>> {
    match column.values {
        Cells::W1(bytes) => Ok(bytes),
        _ => Err(corruption("residue of another width")),
    }
}

/// Writes a file again from its plan, its tables and its residue.
pub fn assemble(cx: &Context, tables: &dyn Tables, target: &mut dyn Target) -> Result<()> {
    let mut written = Vec::new();
    for chunk in 0..tables.chunks(0)?.len() {
        written.extend_from_slice(&bytes(tables.read_column(0, chunk, 0)?)?);
        if written.len() > MAX_PLAN {
            return Err(corruption("a plan without end"));
        }
    }
    let plan = Plan::read(&written)?;
    let mut residue = Residue::new(tables)?;
    build(cx, &plan, &mut residue, tables, target)
}

fn build(
    cx: &Context,
    plan: &Plan,
    residue: &mut Residue,
    tables: &dyn Tables,
    target: &mut dyn Target,
) -> Result<()> {
    for piece in &plan.pieces {
        match &piece.what {
            What::Rows { table, layout } => {
                let mut pos = piece.pos;
                for (chunk, rows) in tables.chunks(*table)?.into_iter().enumerate() {
                    let bytes = layout.join(&tables.read(*table, chunk)?, rows)?;
                    target.write_at(pos, &bytes)?;
                    pos += bytes.len() as u64;
                }
                if pos != piece.pos + piece.len {
                    return Err(corruption("a table with another number of rows"));
                }
            }
            What::Columns { table, first, layout } => {
                let mut pos = piece.pos;
                for (chunk, rows) in tables.chunks(*table)?.into_iter().enumerate() {
                    let columns = *first..first.saturating_add(layout.fields.len());
                    let columns = columns.map(|c| tables.read_column(*table, chunk, c));
                    let bytes = layout.join(&columns.collect::<Result<Vec<Column>>>()?, rows)?;
                    target.write_at(pos, &bytes)?;
                    pos += bytes.len() as u64;
                }
                if pos != piece.pos + piece.len {
                    return Err(corruption("a table with another number of rows"));
                }
            }
            What::Fortran { table, layout, fortran } => {
                let mut first = 0;
                for (chunk, rows) in tables.chunks(*table)?.into_iter().enumerate() {
                    let columns = tables.read(*table, chunk)?;
                    fortran.write(layout, &columns, target, piece.pos, first, rows)?;
                    first += rows;
                }
            }
            What::Head(head) => target.write_at(piece.pos, &head.bytes(piece.len)?)?,
            What::Tiles(tiles) => tiles.assemble(cx, residue, tables, target)?,
            What::Packed(packed) => {
                let mut content = Spool::new(packed.content.len);
                build(cx, &packed.content, residue, tables, &mut content)?;
                packed.compress(cx, &content, target, piece.pos, piece.len)?;
            }
        }
    }
    for (mut pos, end) in plan.holes()? {
        while pos < end {
            let bytes = residue.some(end - pos)?;
            target.write_at(pos, bytes)?;
            pos += bytes.len() as u64;
        }
    }
    Ok(())
}
