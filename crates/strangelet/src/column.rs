//! Columns: one named quantity of a table, as typed cells with the lengths of its lists.

use crate::error::{Error, Result, corruption};
use crate::limits;

/// The scalar types of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Scalar {
    /// One byte, 0 or 1 (other values are kept as they are).
    Bool = 0,
    /// Signed 8-bit integer.
    I8 = 1,
    /// Unsigned 8-bit integer.
    U8 = 2,
    /// Signed 16-bit integer.
    I16 = 3,
    /// Unsigned 16-bit integer.
    U16 = 4,
    /// Signed 32-bit integer.
    I32 = 5,
    /// Unsigned 32-bit integer.
    U32 = 6,
    /// Signed 64-bit integer.
    I64 = 7,
    /// Unsigned 64-bit integer.
    U64 = 8,
    /// IEEE binary32.
    F32 = 9,
    /// IEEE binary64.
    F64 = 10,
}

impl Scalar {
    /// All of them, in the order of their numbers on disk.
    pub const ALL: [Scalar; 11] = [
        Scalar::Bool,
        Scalar::I8,
        Scalar::U8,
        Scalar::I16,
        Scalar::U16,
        Scalar::I32,
        Scalar::U32,
        Scalar::I64,
        Scalar::U64,
        Scalar::F32,
        Scalar::F64,
    ];

    /// The scalar with this number on disk.
    pub fn from_id(id: u8) -> Result<Scalar> {
        Self::ALL
            .get(id as usize)
            .copied()
            .ok_or_else(|| corruption(format!("scalar type {id} does not exist")))
    }

    /// Bytes of a cell: 1, 2, 4 or 8.
    pub fn width(self) -> usize {
        match self {
            Scalar::Bool | Scalar::I8 | Scalar::U8 => 1,
            Scalar::I16 | Scalar::U16 => 2,
            Scalar::I32 | Scalar::U32 | Scalar::F32 => 4,
            Scalar::I64 | Scalar::U64 | Scalar::F64 => 8,
        }
    }

    /// Whether it is a floating-point type.
    pub fn is_float(self) -> bool {
        matches!(self, Scalar::F32 | Scalar::F64)
    }

    /// Whether it is a signed integer.
    pub fn is_signed(self) -> bool {
        matches!(self, Scalar::I8 | Scalar::I16 | Scalar::I32 | Scalar::I64)
    }

    /// Short name: `bool`, `i8` ... `f64`.
    pub fn name(self) -> &'static str {
        ["bool", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64"][self as usize]
    }
}

/// Cells as bit patterns, by width. What the bits mean is said by a [`Scalar`] beside them.
///
/// ```
/// use strangelet::column::{Cells, Scalar};
/// let cells = Cells::from_le_bytes(Scalar::F32, &1.5f32.to_le_bytes()).unwrap();
/// assert_eq!(cells, Cells::W4(vec![1.5f32.to_bits()]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cells {
    /// One byte a cell.
    W1(Vec<u8>),
    /// Two bytes a cell.
    W2(Vec<u16>),
    /// Four bytes a cell.
    W4(Vec<u32>),
    /// Eight bytes a cell.
    W8(Vec<u64>),
}

/// Runs the same expression for whichever width a [`Cells`] has.
#[macro_export]
macro_rules! each_width {
    ($cells:expr, $v:ident => $body:expr) => {
        match $cells {
            $crate::column::Cells::W1($v) => $body,
            $crate::column::Cells::W2($v) => $body,
            $crate::column::Cells::W4($v) => $body,
            $crate::column::Cells::W8($v) => $body,
        }
    };
}

impl Cells {
    /// No cells, of a width of 1, 2, 4 or 8 bytes.
    pub fn empty(width: usize) -> Cells {
        match width {
            1 => Cells::W1(Vec::new()),
            2 => Cells::W2(Vec::new()),
            4 => Cells::W4(Vec::new()),
            _ => Cells::W8(Vec::new()),
        }
    }

    /// No cells, with room for some.
    pub fn with_capacity(width: usize, cells: usize) -> Cells {
        match width {
            1 => Cells::W1(Vec::with_capacity(cells)),
            2 => Cells::W2(Vec::with_capacity(cells)),
            4 => Cells::W4(Vec::with_capacity(cells)),
            _ => Cells::W8(Vec::with_capacity(cells)),
        }
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        each_width!(self, v => v.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of a cell.
    pub fn width(&self) -> usize {
        match self {
            Cells::W1(_) => 1,
            Cells::W2(_) => 2,
            Cells::W4(_) => 4,
            Cells::W8(_) => 8,
        }
    }

    /// The bit pattern of cell `i`, zero-extended.
    pub fn get(&self, i: usize) -> Option<u64> {
        match self {
            Cells::W1(v) => v.get(i).map(|&x| x.into()),
            Cells::W2(v) => v.get(i).map(|&x| x.into()),
            Cells::W4(v) => v.get(i).map(|&x| x.into()),
            Cells::W8(v) => v.get(i).copied(),
        }
    }

    /// Cells from little-endian bytes; an error where the bytes are no whole number of cells.
    pub fn from_le_bytes(scalar: Scalar, bytes: &[u8]) -> Result<Cells> {
        let w = scalar.width();
        if !bytes.len().is_multiple_of(w) {
            return Err(corruption(format!(
                "{} bytes are no whole number of {} cells",
                bytes.len(),
                scalar.name()
            )));
        }
        Ok(match w {
            1 => Cells::W1(bytes.to_vec()),
            2 => Cells::W2(bytes.as_chunks().0.iter().map(|c| u16::from_le_bytes(*c)).collect()),
            4 => Cells::W4(bytes.as_chunks().0.iter().map(|c| u32::from_le_bytes(*c)).collect()),
            _ => Cells::W8(bytes.as_chunks().0.iter().map(|c| u64::from_le_bytes(*c)).collect()),
        })
    }

    /// Cells from big-endian bytes (ROOT, FITS); an error where the bytes are no whole number of cells.
    pub fn from_be_bytes(scalar: Scalar, bytes: &[u8]) -> Result<Cells> {
        let w = scalar.width();
        if !bytes.len().is_multiple_of(w) {
            return Err(corruption(format!(
                "{} bytes are no whole number of {} cells",
                bytes.len(),
                scalar.name()
            )));
        }
        Ok(match w {
            1 => Cells::W1(bytes.to_vec()),
            2 => Cells::W2(bytes.as_chunks().0.iter().map(|c| u16::from_be_bytes(*c)).collect()),
            4 => Cells::W4(bytes.as_chunks().0.iter().map(|c| u32::from_be_bytes(*c)).collect()),
            _ => Cells::W8(bytes.as_chunks().0.iter().map(|c| u64::from_be_bytes(*c)).collect()),
        })
    }

    /// Appends the cells that big-endian bytes hold; an error where they are no whole number of cells.
    pub fn append_be_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let w = self.width();
        if !bytes.len().is_multiple_of(w) {
            return Err(corruption(format!("{} bytes are no whole number of cells of {w}", bytes.len())));
        }
        match self {
            Cells::W1(v) => v.extend_from_slice(bytes),
            Cells::W2(v) => v.extend(bytes.as_chunks().0.iter().map(|c| u16::from_be_bytes(*c))),
            Cells::W4(v) => v.extend(bytes.as_chunks().0.iter().map(|c| u32::from_be_bytes(*c))),
            Cells::W8(v) => v.extend(bytes.as_chunks().0.iter().map(|c| u64::from_be_bytes(*c))),
        }
        Ok(())
    }

    /// Appends the cells as little-endian bytes.
    pub fn to_le_bytes(&self, out: &mut Vec<u8>) {
        self.range_le_bytes(0..self.len(), out);
    }

    /// Appends a range of the cells as little-endian bytes. The range must lie within the cells.
    pub fn range_le_bytes(&self, range: std::ops::Range<usize>, out: &mut Vec<u8>) {
        match self {
            Cells::W1(v) => out.extend_from_slice(&v[range]),
            Cells::W2(v) => extend_chunks(&v[range], out, u16::to_le_bytes),
            Cells::W4(v) => extend_chunks(&v[range], out, u32::to_le_bytes),
            Cells::W8(v) => extend_chunks(&v[range], out, u64::to_le_bytes),
        }
    }

    /// Appends a range of the cells as big-endian bytes. The range must lie within the cells.
    pub fn range_be_bytes(&self, range: std::ops::Range<usize>, out: &mut Vec<u8>) {
        match self {
            Cells::W1(v) => out.extend_from_slice(&v[range]),
            Cells::W2(v) => extend_chunks(&v[range], out, u16::to_be_bytes),
            Cells::W4(v) => extend_chunks(&v[range], out, u32::to_be_bytes),
            Cells::W8(v) => extend_chunks(&v[range], out, u64::to_be_bytes),
        }
    }

    /// Appends cells of the same width; an error where the widths differ.
    pub fn append(&mut self, other: &Cells) -> Result<()> {
        match (self, other) {
            (Cells::W1(a), Cells::W1(b)) => a.extend_from_slice(b),
            (Cells::W2(a), Cells::W2(b)) => a.extend_from_slice(b),
            (Cells::W4(a), Cells::W4(b)) => a.extend_from_slice(b),
            (Cells::W8(a), Cells::W8(b)) => a.extend_from_slice(b),
            _ => return Err(corruption("cells of different widths do not join")),
        }
        Ok(())
    }

    /// A copy of a range of the cells. The range must lie within the cells.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Cells {
        match self {
            Cells::W1(v) => Cells::W1(v[range].to_vec()),
            Cells::W2(v) => Cells::W2(v[range].to_vec()),
            Cells::W4(v) => Cells::W4(v[range].to_vec()),
            Cells::W8(v) => Cells::W8(v[range].to_vec()),
        }
    }
}

/// Appends the bytes of each cell.
#[inline(always)]
fn extend_chunks<T: Copy, const W: usize>(cells: &[T], out: &mut Vec<u8>, bytes: impl Fn(T) -> [u8; W]) {
    if let [x] = cells {
        return out.extend_from_slice(&bytes(*x));
    }
    let at = out.len();
    out.resize(at + cells.len() * W, 0);
    for (to, &x) in out[at..].as_chunks_mut::<W>().0.iter_mut().zip(cells) {
        *to = bytes(x);
    }
}

/// How the innermost cells of a column are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Meaning {
    /// Numbers of the column's scalar type.
    Number = 0,
    /// Byte strings: `u8` cells whose innermost lengths are those of the strings.
    Bytes = 1,
    /// Text strings: as `Bytes`; usually UTF-8, which nobody checked.
    Text = 2,
}

/// What integer cells stand for: `low + factor * cell`, as the file's own software computes it (one
/// product and one sum in f64).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The value of cell 0.
    pub low: f64,
    /// The step from one cell to the next.
    pub factor: f64,
}

impl Eq for Scale {}

/// Name, type and shape of a column.
///
/// A column of depth 0 has one cell (times the inner shape) an event. Each jagged level adds a list:
/// depth 1 is a list an event, depth 2 a list of lists. Strings add one level more, the lengths of
/// the strings themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSchema {
    /// Name, unique within its table.
    pub name: String,
    /// Type of the cells.
    pub scalar: Scalar,
    /// Numbers, byte strings or text.
    pub meaning: Meaning,
    /// Number of jagged levels, not counting that of strings.
    pub depth: u8,
    /// Fixed inner shape, innermost last; empty for one cell.
    pub inner: Vec<u32>,
    /// What the cells stand for, where that is not their own value.
    pub scale: Option<Scale>,
}

impl ColumnSchema {
    /// A flat column of numbers.
    pub fn flat(name: impl Into<String>, scalar: Scalar) -> Self {
        ColumnSchema {
            name: name.into(),
            scalar,
            meaning: Meaning::Number,
            depth: 0,
            inner: Vec::new(),
            scale: None,
        }
    }

    /// A column of numbers with `depth` jagged levels.
    pub fn jagged(name: impl Into<String>, scalar: Scalar, depth: u8) -> Self {
        ColumnSchema {
            name: name.into(),
            scalar,
            meaning: Meaning::Number,
            depth,
            inner: Vec::new(),
            scale: None,
        }
    }

    /// A flat column of byte strings.
    pub fn bytes(name: impl Into<String>) -> Self {
        ColumnSchema {
            name: name.into(),
            scalar: Scalar::U8,
            meaning: Meaning::Bytes,
            depth: 0,
            inner: Vec::new(),
            scale: None,
        }
    }

    /// A flat column of text.
    pub fn text(name: impl Into<String>) -> Self {
        ColumnSchema {
            name: name.into(),
            scalar: Scalar::U8,
            meaning: Meaning::Text,
            depth: 0,
            inner: Vec::new(),
            scale: None,
        }
    }

    /// The same column with cells that stand for other values.
    pub fn with_scale(mut self, scale: Scale) -> Self {
        self.scale = Some(scale);
        self
    }

    /// The column as readers see it, and its content: cells with a [`Scale`] become the f64 they stand for.
    ///
    /// ```
    /// use strangelet::column::{Cells, Column, ColumnSchema, Scalar, Scale};
    /// let schema = ColumnSchema::flat("eta", Scalar::U32).with_scale(Scale { low: -1.0, factor: 0.5 });
    /// let (schema, column) = schema.shown(Column::flat(Cells::W4(vec![0, 3])));
    /// assert_eq!(schema.scalar, Scalar::F64);
    /// assert_eq!(column.values, Cells::W8(vec![(-1.0f64).to_bits(), 0.5f64.to_bits()]));
    /// ```
    pub fn shown(&self, column: Column) -> (ColumnSchema, Column) {
        let Some(Scale { low, factor }) = self.scale.filter(|_| !self.scalar.is_float()) else {
            return (self.clone(), column);
        };
        let shift = 64 - 8 * self.scalar.width() as u32;
        let value = |i: usize| {
            let bits = column.values.get(i).unwrap_or(0);
            let n =
                if self.scalar.is_signed() { ((bits << shift) as i64 >> shift) as f64 } else { bits as f64 };
            (n * factor + low).to_bits()
        };
        let values = Cells::W8((0..column.values.len()).map(value).collect());
        let schema = ColumnSchema { scalar: Scalar::F64, scale: None, ..self.clone() };
        (schema, Column { lengths: column.lengths, values })
    }

    /// The same column with a fixed inner shape.
    pub fn with_inner(mut self, inner: Vec<u32>) -> Self {
        self.inner = inner;
        self
    }

    /// Number of streams of lengths: the jagged levels, and one more for strings.
    pub fn levels(&self) -> usize {
        self.depth as usize + (self.meaning != Meaning::Number) as usize
    }

    /// Cells of the fixed inner shape (1 where there is none); saturates.
    pub fn inner_cells(&self) -> u64 {
        self.inner.iter().fold(1u64, |n, &d| n.saturating_mul(d as u64))
    }

    /// Refuses shapes that no writer makes.
    pub fn check(&self) -> Result<()> {
        if self.levels() > limits::MAX_DEPTH || self.inner.len() > limits::MAX_INNER {
            return Err(corruption(format!("column {}: too many dimensions", self.name)));
        }
        if self.meaning != Meaning::Number && self.scalar != Scalar::U8 {
            return Err(corruption(format!("column {}: strings of {}", self.name, self.scalar.name())));
        }
        Ok(())
    }
}

/// The content of a column for one chunk of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Lengths of the lists, outermost level first. Level 0 has one length an event; level i + 1 has
    /// one length for each item of level i.
    pub lengths: Vec<Vec<u32>>,
    /// The cells: (events, or the sum of the innermost lengths) times the inner shape.
    pub values: Cells,
}

impl Column {
    /// A column without lists.
    pub fn flat(values: Cells) -> Self {
        Column { lengths: Vec::new(), values }
    }

    /// A column of one list an event.
    pub fn jagged(lengths: Vec<u32>, values: Cells) -> Self {
        Column { lengths: vec![lengths], values }
    }

    /// A column of one byte string an event.
    pub fn strings<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Self {
        let (mut lengths, mut bytes) = (Vec::new(), Vec::new());
        for item in items {
            lengths.push(item.as_ref().len() as u32);
            bytes.extend_from_slice(item.as_ref());
        }
        Column { lengths: vec![lengths], values: Cells::W1(bytes) }
    }

    /// Refuses a content that does not fit its schema and number of events.
    pub fn check(&self, schema: &ColumnSchema, events: u64) -> Result<()> {
        let fail =
            |what: String| -> Result<()> { Err(corruption(format!("column {}: {what}", schema.name))) };
        if self.lengths.len() != schema.levels() {
            return fail(format!("{} levels of lists, not {}", self.lengths.len(), schema.levels()));
        }
        if self.values.width() != schema.scalar.width() {
            return fail(format!("cells of {} bytes, not {}", self.values.width(), schema.scalar.width()));
        }
        let mut items = events;
        for level in &self.lengths {
            if level.len() as u64 != items {
                return fail(format!("{} lists, not {items}", level.len()));
            }
            items = level.iter().map(|&n| n as u64).sum();
        }
        let expected = items.saturating_mul(schema.inner_cells());
        if self.values.len() as u64 != expected {
            return fail(format!("{} cells, not {expected}", self.values.len()));
        }
        Ok(())
    }
}

impl From<std::array::TryFromSliceError> for Error {
    fn from(_: std::array::TryFromSliceError) -> Self {
        corruption("too few bytes")
    }
}
