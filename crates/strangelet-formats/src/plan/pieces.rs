//! The plan: which ranges of a file come from which tables, and how.

use crate::hdf5::Tiles;
use crate::layout::{Layout, MAX_ROW};
use crate::npy::Head;
use crate::wrap::stream::{self, Setting};
use strangelet::column::Column;
use strangelet::dissect::{Context, TableId};
use strangelet::error::{Result, corruption};
use strangelet::format::varint::{Cursor, put};
use strangelet::source::{Source, Target};

/// Most inner cells of an array in Fortran order that is turned around.
pub const MAX_TURNED: u64 = 1 << 12;

/// How a file is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Bytes of the file.
    pub len: u64,
    /// What comes from tables, in the order in which it is made. What they leave out is residue.
    pub pieces: Vec<Piece>,
}

/// A range of a file that comes from a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// First byte.
    pub pos: u64,
    /// Number of bytes.
    pub len: u64,
    /// What is there.
    pub what: What,
}

impl Piece {
    /// Its ranges: place and length.
    fn ranges(&self) -> Vec<(u64, u64)> {
        match &self.what {
            What::Tiles(tiles) => tiles.ranges().collect(),
            _ => vec![(self.pos, self.len)],
        }
    }
}

/// What is in a range of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// All rows of a table, one behind the other.
    Rows {
        /// The table.
        table: TableId,
        /// Its rows.
        layout: Layout,
    },
    /// Some columns of all rows of a table.
    Columns {
        /// The table.
        table: TableId,
        /// The first of its columns.
        first: usize,
        /// A row of these columns.
        layout: Layout,
    },
    /// All cells of a table, the first axis fastest.
    Fortran {
        /// The table.
        table: TableId,
        /// One cell of the array.
        layout: Layout,
        /// The shape.
        fortran: Fortran,
    },
    /// A compressed stream, whose content is made first.
    Packed(Box<Packed>),
    /// Tiles of an array, each at a place of its own; that of the piece itself is not used.
    Tiles(Box<Tiles>),
    /// The header of an array as NumPy writes it.
    Head(Head),
}

/// A compressed stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// What compressed it.
    pub setting: Setting,
    /// Corrections, where the setting takes some.
    pub corrections: Vec<u8>,
    /// What its content is made of.
    pub content: Plan,
}

impl Packed {
    /// Longest content for which a proof is remembered.
    const REMEMBERED: u64 = 64 << 20;

    fn recipe(&self) -> Vec<u8> {
        let mut recipe = Vec::new();
        self.setting.write(&mut recipe);
        recipe.extend_from_slice(&self.corrections);
        recipe
    }

    /// Remembers that this was seen to make `packed`.
    pub fn remember(&self, cx: &Context, content: &dyn Source, packed: &dyn Source) -> Result<()> {
        if content.len() <= Packed::REMEMBERED && packed.len() <= Packed::REMEMBERED {
            let (content, packed) = (content.range(0, content.len())?, packed.range(0, packed.len())?);
            cx.proofs.remember(&self.recipe(), &content, &packed);
        }
        Ok(())
    }

    /// Compresses the content to a place of the target.
    pub fn compress(
        &self,
        cx: &Context,
        content: &dyn Source,
        target: &mut dyn Target,
        pos: u64,
        len: u64,
    ) -> Result<()> {
        if content.len() <= Packed::REMEMBERED
            && let bytes = content.range(0, content.len())?
            && let Some(packed) = cx.proofs.recall(&self.recipe(), &bytes, &*target, pos)
        {
            return target.write_at(pos, &packed);
        }
        let (mut at, end) = (pos, pos.saturating_add(len));
        stream::compress(&self.setting, &self.corrections, content, &mut |bytes| {
            target.write_at(at, bytes)?;
            at += bytes.len() as u64;
            Ok(())
        })?;
        if at == end { Ok(()) } else { Err(corruption("a compressed stream of another length")) }
    }
}

const ROWS: u8 = 0;
const FORTRAN: u8 = 1;
const PACKED: u8 = 2;
const TILES: u8 = 3;
const COLUMNS: u8 = 4;
const HEAD: u8 = 5;
/// Deepest nesting of plans.
const MAX_DEPTH: usize = 4;

impl Plan {
    /// The ranges that no piece covers, in order; an error where pieces overlap or leave the file.
    pub fn holes(&self) -> Result<Vec<(u64, u64)>> {
        let mut covered: Vec<(u64, u64)> = Vec::with_capacity(self.pieces.len());
        for (pos, len) in self.pieces.iter().flat_map(Piece::ranges) {
            let end = pos.checked_add(len).filter(|&e| e <= self.len);
            covered.push((pos, end.ok_or_else(|| corruption("a piece beyond the end of its file"))?));
        }
        covered.sort_unstable();
        covered.push((self.len, self.len));
        let (mut at, mut holes) = (0, Vec::new());
        for (pos, end) in covered {
            if pos < at {
                return Err(corruption("pieces that overlap"));
            }
            if pos > at {
                holes.push((at, pos));
            }
            at = end;
        }
        Ok(holes)
    }

    /// Appends the plan.
    pub fn write(&self, out: &mut Vec<u8>) {
        put(out, self.len);
        put(out, self.pieces.len() as u64);
        let mut at = 0u64;
        for piece in &self.pieces {
            let step = piece.pos.wrapping_sub(at) as i64;
            put(out, (step << 1 ^ step >> 63) as u64);
            put(out, piece.len);
            at = piece.pos.wrapping_add(piece.len);
            match &piece.what {
                What::Rows { table, layout } => {
                    out.push(ROWS);
                    put(out, *table as u64);
                    layout.write(out);
                }
                What::Columns { table, first, layout } => {
                    out.push(COLUMNS);
                    put(out, *table as u64);
                    put(out, *first as u64);
                    layout.write(out);
                }
                What::Fortran { table, layout, fortran } => {
                    out.push(FORTRAN);
                    put(out, *table as u64);
                    layout.write(out);
                    put(out, fortran.rows);
                    put(out, fortran.dims.len() as u64);
                    fortran.dims.iter().for_each(|&d| put(out, d.into()));
                }
                What::Packed(packed) => {
                    out.push(PACKED);
                    packed.setting.write(out);
                    put(out, packed.corrections.len() as u64);
                    out.extend_from_slice(&packed.corrections);
                    packed.content.write(out);
                }
                What::Tiles(tiles) => {
                    out.push(TILES);
                    tiles.write(out);
                }
                What::Head(head) => {
                    out.push(HEAD);
                    head.write(out);
                }
            }
        }
    }

    /// Reads what [`Plan::write`] wrote.
    pub fn read(bytes: &[u8]) -> Result<Plan> {
        let mut c = Cursor::new(bytes);
        let plan = Plan::take(&mut c, 0)?;
        if !c.rest().is_empty() {
            return Err(corruption("bytes behind the plan"));
        }
        Ok(plan)
    }

    fn take(c: &mut Cursor, depth: usize) -> Result<Plan> {
        if depth > MAX_DEPTH {
            return Err(corruption("plans nested too deep"));
        }
        let len = c.varint()?;
        let count = c.count()?;
        let mut pieces = strangelet::limits::reserve(count);
        let mut at = 0u64;
        for _ in 0..count {
            let step = c.varint()?;
            let pos = at.wrapping_add((step >> 1) ^ (step & 1).wrapping_neg());
            let len = c.varint()?;
            at = pos.wrapping_add(len);
            let kind = c.byte()?;
            let what = match kind {
                ROWS => What::Rows { table: table(c)?, layout: Layout::read(c)? },
                COLUMNS => What::Columns { table: table(c)?, first: table(c)?, layout: Layout::read(c)? },
                FORTRAN => {
                    let (table, layout) = (table(c)?, Layout::read(c)?);
                    let rows = c.varint()?;
                    let mut dims = Vec::new();
                    for _ in 0..c.count()? {
                        dims.push(u32::try_from(c.varint()?).map_err(|_| corruption("an axis too long"))?);
                    }
                    let fortran = Fortran::new(&layout, rows, &dims)?;
                    What::Fortran { table, layout, fortran }
                }
                PACKED => {
                    let setting = Setting::read(c)?;
                    let n = c.count()?;
                    let corrections = c.take(n)?.to_vec();
                    let content = Plan::take(c, depth + 1)?;
                    What::Packed(Box::new(Packed { setting, corrections, content }))
                }
                TILES => What::Tiles(Box::new(Tiles::read(c)?)),
                HEAD => What::Head(Head::read(c)?),
                other => return Err(corruption(format!("a piece of unknown kind {other}"))),
            };
            pieces.push(Piece { pos, len, what });
        }
        let plan = Plan { len, pieces };
        plan.holes()?;
        Ok(plan)
    }
}

fn table(c: &mut Cursor) -> Result<TableId> {
    TableId::try_from(c.varint()?).map_err(|_| corruption("there is no such table"))
}

/// An array in Fortran order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fortran {
    /// Length of the first axis, which varies fastest.
    pub rows: u64,
    /// The other axes.
    pub dims: Vec<u32>,
    /// Bytes of a cell.
    cell: u64,
    /// For each cell of an event, as it lies in memory, its place in C order.
    order: Vec<usize>,
}

impl Fortran {
    /// Refuses what is better read as a C array of the turned shape.
    pub fn new(layout: &Layout, rows: u64, dims: &[u32]) -> Result<Fortran> {
        let count = dims.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        let [field] = layout.fields.as_slice() else { return Err(corruption("Fortran order of records")) };
        let cell = field.bytes();
        let row = cell.saturating_mul(count);
        if count > MAX_TURNED || row > MAX_ROW || row == 0 || field.string || rows.checked_mul(row).is_none()
        {
            return Err(corruption("an array in Fortran order that is not turned"));
        }
        let mut order = Vec::with_capacity(count as usize);
        for i in 0..count {
            let (mut rest, mut place, mut stride) = (i, 0, count);
            for d in dims.iter().map(|&d| u64::from(d)) {
                stride /= d;
                place += rest % d * stride;
                rest /= d;
            }
            order.push(place as usize);
        }
        Ok(Fortran { rows, dims: dims.to_vec(), cell, order })
    }

    /// Bytes of an event.
    pub fn row(&self) -> u64 {
        self.cell * self.order.len() as u64
    }

    /// Place in the file of some events of one memory column.
    fn place(&self, column: usize, first: u64) -> u64 {
        (column as u64 * self.rows + first) * self.cell
    }

    /// The cells of `n` events from `first` on, in C order.
    pub fn read(&self, layout: &Layout, source: &dyn Source, pos: u64, first: u64, n: u64) -> Result<Column> {
        let (cell, row) = (self.cell as usize, self.row() as usize);
        let mut bytes = vec![0; n as usize * row];
        for (j, &to) in self.order.iter().enumerate() {
            let from = source.range(pos + self.place(j, first), n * self.cell)?;
            for (event, x) in bytes.chunks_exact_mut(row).zip(from.chunks_exact(cell)) {
                event[to * cell..(to + 1) * cell].copy_from_slice(x);
            }
        }
        let columns = layout.split(&bytes)?;
        columns.into_iter().next().ok_or_else(|| corruption("an array without cells"))
    }

    /// The inverse of [`Fortran::read`].
    pub fn write(
        &self,
        layout: &Layout,
        columns: &[Column],
        target: &mut dyn Target,
        pos: u64,
        first: u64,
        n: u64,
    ) -> Result<()> {
        if first.checked_add(n).is_none_or(|end| end > self.rows) {
            return Err(corruption("a table with another number of rows"));
        }
        let bytes = layout.join(columns, n.saturating_mul(self.order.len() as u64))?;
        let (cell, row) = (self.cell as usize, self.row() as usize);
        let mut own = Vec::with_capacity(n as usize * cell);
        for (j, &from) in self.order.iter().enumerate() {
            own.clear();
            for event in bytes.chunks_exact(row) {
                own.extend_from_slice(&event[from * cell..(from + 1) * cell]);
            }
            target.write_at(pos.saturating_add(self.place(j, first)), &own)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Field;
    use strangelet::column::{Cells, Scalar};

    #[test]
    fn holes_are_what_pieces_leave() {
        let layout = Layout { fields: vec![Field::one("", Scalar::U8, false)] };
        let piece = |pos, len| Piece { pos, len, what: What::Rows { table: 0, layout: layout.clone() } };
        let plan = Plan { len: 20, pieces: vec![piece(10, 5), piece(2, 3)] };
        assert_eq!(plan.holes().unwrap(), [(0, 2), (5, 10), (15, 20)]);
        let mut bytes = Vec::new();
        plan.write(&mut bytes);
        assert_eq!(Plan::read(&bytes).unwrap(), plan);
        assert!(Plan { len: 20, pieces: vec![piece(10, 5), piece(12, 3)] }.holes().is_err());
        assert!(Plan { len: 20, pieces: vec![piece(19, 2)] }.holes().is_err());
        assert!(Plan { len: 20, pieces: vec![piece(u64::MAX, 2)] }.holes().is_err());
    }

    #[test]
    fn fortran_order_is_turned() {
        // a[i, j, k] = 100 i + 10 j + k, shape (4, 2, 3), written with i fastest.
        let mut bytes = Vec::new();
        for k in 0..3u16 {
            for j in 0..2 {
                for i in 0..4 {
                    bytes.extend((100 * i + 10 * j + k).to_le_bytes());
                }
            }
        }
        let layout = Layout { fields: vec![Field::one("a", Scalar::U16, false)] };
        let f = Fortran::new(&layout, 4, &[2, 3]).unwrap();
        let column = f.read(&layout, &bytes, 0, 1, 2).unwrap();
        let expected = [100, 101, 102, 110, 111, 112, 200, 201, 202, 210, 211, 212];
        assert_eq!(column.values, Cells::W2(expected.to_vec()));
        let mut out = strangelet::source::Spool::new(48);
        for (first, n) in [(0, 1), (1, 3)] {
            let column = f.read(&layout, &bytes, 0, first, n).unwrap();
            f.write(&layout, &[column], &mut out, 0, first, n).unwrap();
        }
        assert_eq!(out.range(0, 48).unwrap(), bytes);
    }
}
