//! Rows of fixed size, as numpy, HDF5 and plain binary files hold them, to columns and back.

use strangelet::column::{Cells, Column, ColumnSchema, Scalar};
use strangelet::error::{Result, corruption};
use strangelet::format::varint::{Cursor, put};

/// Most bytes of a row: what one chunk may hold.
pub const MAX_ROW: u64 = 16 << 20;
/// Most fields of a row.
pub const MAX_FIELDS: usize = 1 << 16;

/// One field of a row: one or more cells of one type, or a byte string of fixed length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name of its column.
    pub name: String,
    /// Type of its cells.
    pub scalar: Scalar,
    /// Whether its cells are big-endian.
    pub big: bool,
    /// Whether it is a byte string (of `cells` bytes).
    pub string: bool,
    /// Cells in a row.
    pub cells: u64,
    /// Fixed inner shape of its column; its product is `cells` (not used for strings).
    pub inner: Vec<u32>,
}

impl Field {
    /// A field of one cell.
    pub fn one(name: impl Into<String>, scalar: Scalar, big: bool) -> Self {
        Field { name: name.into(), scalar, big, string: false, cells: 1, inner: Vec::new() }
    }

    /// A field that is a byte string.
    pub fn string(name: impl Into<String>, len: u64) -> Self {
        Field {
            name: name.into(),
            scalar: Scalar::U8,
            big: false,
            string: true,
            cells: len,
            inner: Vec::new(),
        }
    }

    /// The same field with an inner shape of cells around each of its cells.
    pub fn array(mut self, shape: &[u32]) -> Self {
        if self.string {
            // Strings of an array become bytes with the length as the innermost dimension.
            self.string = false;
            self.inner = vec![u32::try_from(self.cells).unwrap_or(u32::MAX)];
        }
        self.inner.splice(0..0, shape.iter().copied());
        self.cells = self.inner.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        self
    }

    /// Bytes in a row.
    pub fn bytes(&self) -> u64 {
        self.cells.saturating_mul(self.scalar.width() as u64)
    }

    fn schema(&self) -> ColumnSchema {
        if self.string {
            ColumnSchema::bytes(&self.name)
        } else {
            ColumnSchema::flat(&self.name, self.scalar).with_inner(self.inner.clone())
        }
    }
}

/// The fields of a row, one behind the other without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// The fields.
    pub fields: Vec<Field>,
}

impl Layout {
    /// Bytes of a row.
    pub fn row(&self) -> u64 {
        self.fields.iter().fold(0u64, |n, f| n.saturating_add(f.bytes()))
    }

    /// Whether rows of this layout can be columns at all.
    pub fn check(&self) -> Result<()> {
        if self.fields.len() > MAX_FIELDS || self.row() > MAX_ROW || self.row() == 0 {
            return Err(corruption(format!("rows of {} bytes", self.row())));
        }
        self.fields.iter().try_for_each(|f| f.schema().check())
    }

    /// Gives every field a name of its own, and one to those that have none.
    pub fn name_apart(&mut self) {
        let mut seen = std::collections::HashSet::new();
        for (i, field) in self.fields.iter_mut().enumerate() {
            if field.name.is_empty() {
                field.name = format!("pad{i}");
            }
            while !seen.insert(field.name.clone()) {
                field.name.push('\'');
            }
        }
    }

    /// Schemas of the columns.
    pub fn schemas(&self) -> Vec<ColumnSchema> {
        self.fields.iter().map(Field::schema).collect()
    }

    /// Whole rows to columns. Bytes behind the last whole row are not looked at.
    pub fn split(&self, bytes: &[u8]) -> Result<Vec<Column>> {
        self.check()?;
        let row = self.row() as usize;
        let rows = bytes.len() / row;
        let bytes = &bytes[..rows * row];
        let mut at = 0;
        let mut columns = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let len = field.bytes() as usize;
            let range = at..at + len;
            at += len;
            let values = if len == row {
                cells_of(field, bytes)?
            } else {
                let mut own = Vec::with_capacity(rows * len);
                gather(bytes, row, range, &mut own);
                cells_of(field, &own)?
            };
            let lengths = if field.string { vec![vec![len as u32; rows]] } else { Vec::new() };
            columns.push(Column { lengths, values });
        }
        Ok(columns)
    }

    /// Columns to rows, the inverse of [`Layout::split`].
    pub fn join(&self, columns: &[Column], rows: u64) -> Result<Vec<u8>> {
        self.check()?;
        let row = self.row();
        if columns.len() != self.fields.len() {
            return Err(corruption(format!("{} columns for {} fields", columns.len(), self.fields.len())));
        }
        for (field, column) in self.fields.iter().zip(columns) {
            if column.values.len() as u64 != field.cells.saturating_mul(rows)
                || column.values.width() != field.scalar.width()
            {
                return Err(corruption(format!(
                    "field {} has {} cells for {rows} rows",
                    field.name,
                    column.values.len()
                )));
            }
        }
        // The cells are there, so the rows may be as long as they are.
        let mut out = vec![0; rows.saturating_mul(row) as usize];
        let row = row as usize;
        let mut at = 0;
        let mut own = Vec::new();
        for (field, column) in self.fields.iter().zip(columns) {
            let len = field.bytes() as usize;
            own.clear();
            let all = 0..column.values.len();
            if field.big {
                column.values.range_be_bytes(all, &mut own);
            } else {
                column.values.range_le_bytes(all, &mut own);
            }
            if len == row {
                return Ok(own);
            }
            if len > 0 {
                for (to, from) in out.chunks_exact_mut(row).zip(own.chunks_exact(len)) {
                    to[at..at + len].copy_from_slice(from);
                }
            }
            at += len;
        }
        Ok(out)
    }

    /// Appends what [`Layout::read`] needs; names and inner shapes stay in the schema.
    pub fn write(&self, out: &mut Vec<u8>) {
        put(out, self.fields.len() as u64);
        // Runs of like fields once, with their number.
        let mut fields = self.fields.as_slice();
        while let Some(first) = fields.first() {
            let like = |f: &Field| {
                (f.scalar, f.big, f.string, f.cells) == (first.scalar, first.big, first.string, first.cells)
            };
            let run = fields.iter().take_while(|f| like(f)).count();
            out.push(first.scalar as u8 | u8::from(first.big) << 4 | u8::from(first.string) << 5);
            put(out, first.cells);
            put(out, run as u64);
            fields = &fields[run..];
        }
    }

    /// Reads what [`Layout::write`] wrote.
    pub fn read(c: &mut Cursor) -> Result<Layout> {
        let count = c.varint()?;
        if count > MAX_FIELDS as u64 {
            return Err(corruption(format!("rows of {count} fields")));
        }
        let mut fields: Vec<Field> = Vec::new();
        while (fields.len() as u64) < count {
            let b = c.byte()?;
            let scalar = Scalar::from_id(b & 15)?;
            if b >> 6 != 0 {
                return Err(corruption("a field of an unknown kind"));
            }
            let (big, string) = (b & 16 != 0, b & 32 != 0);
            let (cells, run) = (c.varint()?, c.varint()?);
            if run == 0 || run > count - fields.len() as u64 {
                return Err(corruption("more fields than there are"));
            }
            let field = Field { name: String::new(), scalar, big, string, cells, inner: Vec::new() };
            fields.extend(std::iter::repeat_n(field, run as usize));
        }
        let layout = Layout { fields };
        layout.check()?;
        Ok(layout)
    }
}

/// The bytes of one field of every row together.
fn gather(bytes: &[u8], row: usize, range: std::ops::Range<usize>, out: &mut Vec<u8>) {
    match range.len() {
        0 => {}
        1 => out.extend(bytes.iter().skip(range.start).step_by(row)),
        _ => bytes.chunks_exact(row).for_each(|r| out.extend_from_slice(&r[range.clone()])),
    }
}

fn cells_of(field: &Field, bytes: &[u8]) -> Result<Cells> {
    if field.big {
        Cells::from_be_bytes(field.scalar, bytes)
    } else {
        Cells::from_le_bytes(field.scalar, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field() -> impl Strategy<Value = Field> {
        (0u8..11, any::<bool>(), any::<bool>(), 0u32..4).prop_map(|(s, big, string, n)| {
            if string {
                Field::string("s", n.into())
            } else {
                Field::one("f", Scalar::from_id(s).unwrap(), big).array(&[n + 1])
            }
        })
    }

    proptest! {
        #[test]
        fn rows_come_back(
            mut fields in proptest::collection::vec(field(), 1..8),
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            fields.push(Field::one("last", Scalar::U8, false));
            let mut layout = Layout { fields };
            layout.name_apart();
            let rows = bytes.len() as u64 / layout.row();
            let columns = layout.split(&bytes).unwrap();
            for (schema, column) in layout.schemas().iter().zip(&columns) {
                column.check(schema, rows).unwrap();
            }
            let mut written = Vec::new();
            layout.write(&mut written);
            let read = Layout::read(&mut Cursor::new(&written)).unwrap();
            prop_assert_eq!(&read.join(&columns, rows).unwrap()[..], &bytes[..(rows * layout.row()) as usize]);
        }
    }

    #[test]
    fn big_endian_cells_are_values() {
        let layout =
            Layout { fields: vec![Field::one("a", Scalar::U8, false), Field::one("b", Scalar::U16, true)] };
        let columns = layout.split(&[7, 1, 2, 8, 3, 4]).unwrap();
        assert_eq!(columns[0].values, Cells::W1(vec![7, 8]));
        assert_eq!(columns[1].values, Cells::W2(vec![0x102, 0x304]));
    }
}
