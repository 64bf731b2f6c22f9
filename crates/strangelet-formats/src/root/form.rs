//! The form of a branch: how the bytes of an entry are typed cells, and the cells such bytes.
//!
//! A form is a small program, kept as text beside the columns, that reads entries into columns and
//! writes the same bytes out of them. Nothing else is needed to restore a basket.
//!
//! | text | bytes | columns |
//! |---|---|---|
//! | `f4` `i2` `u8` `b1` ... | a number (bool, i, u, f; bytes) | one, of that type |
//! | `f4*6` | numbers in a row | one, with an inner shape |
//! | `t12` | a float of 3 bytes: exponent, and a mantissa of so many bits under a sign | one of f32 |
//! | `s` | a string with its length before it (one byte, or 255 and four) | one of text |
//! | `r` | everything up to the end of the entry or frame | one of bytes |
//! | `xHEX;` | these bytes | none |
//! | `{HEX;A}` | byte count, these bytes, A; the count covers them | those of A |
//! | `[A]` | u32 count, so many A | those of A, one level deeper |
//! | `~A` | A, again and again up to the end of the entry or frame | those of A, one level deeper |
//! | `@K;A` | as many A as the last cell of column K of the form said | those of A, one level deeper |
//! | `(AB...)` | one after the other | those of all |
//! | `^NAME;A` | a pointer to an object of this class that holds A | those of A |
//! | `?NAME;A` | the same, or null | those of A, one level deeper |

use super::wire::{BYTE_COUNT, Wire};
use std::ops::Range;
use strangelet::column::{Cells, Column, ColumnSchema, Meaning, Scalar};
use strangelet::error::{Result, corruption, unsupported};

/// Most forms within forms.
pub const MAX_NESTING: usize = 48;
/// References to classes count from the start of the basket's key, plus this.
const MAP_OFFSET: usize = 2;

/// A node of a form; see the table above. The last ones are not yet known and read nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `f4`, `f4*6`: numbers of a type, how many, and the column.
    Cells(Scalar, u32, usize),
    /// `t12`: bits of the mantissa, and the column.
    Short(u8, usize),
    /// `s`: the column.
    Text(usize),
    /// `r`: the column.
    Rest(usize),
    /// `x`: constant bytes.
    Const(Vec<u8>),
    /// `{}`: head behind the byte count, and what it holds.
    Frame(Vec<u8>, Box<Node>),
    /// `[]`: item, and its columns.
    List(Box<Node>, Range<usize>),
    /// `~`: item, and its columns.
    Fill(Box<Node>, Range<usize>),
    /// `@`: counting column, item, and its columns.
    Repeat(usize, Box<Node>, Range<usize>),
    /// `()`.
    Seq(Vec<Node>),
    /// `^` and `?`: class, whether it may be null, object, and its columns.
    Pointer(Vec<u8>, bool, Box<Node>, Range<usize>),
    /// While building: a named part; the name goes into the names of its columns.
    Named(String, Box<Node>),
    /// While building: an array counted by the member with this name.
    Counted(String, Box<Node>),
    /// While building: inner shape for the cells below.
    Shaped(Vec<u32>, Box<Node>),
    /// While building: an object of this class.
    Class(String),
    /// While building: a container or string of this type; whether a frame is around it.
    Stl(String, bool),
    /// While building: a pointer to something.
    Any,
    /// While building: an item of bytes, as long as the data look periodic.
    Stride,
}

/// A form with the columns it reads into, in order. Their names are relative to the branch.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// The program.
    pub root: Node,
    /// The columns.
    pub columns: Vec<ColumnSchema>,
}

impl Form {
    /// Numbers the columns of a finished tree of nodes. Fails where something is still unknown.
    pub fn new(root: Node) -> Result<Form> {
        let mut number =
            Number { columns: Vec::new(), path: String::new(), shape: Vec::new(), depth: 0, nesting: 0 };
        let root = number.node(root)?;
        for c in &number.columns {
            c.check()?;
        }
        Ok(Form { root, columns: number.columns })
    }

    /// Everything an entry holds as a byte string.
    pub fn bytes() -> Form {
        Form { root: Node::Rest(0), columns: vec![ColumnSchema::bytes("")] }
    }

    /// The program as text.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        write_text(&self.root, &mut out);
        out
    }

    /// The program of a text. Names and inner shapes of columns are not part of it.
    pub fn from_text(text: &str) -> Result<Form> {
        let mut p = Parse { text: text.as_bytes(), pos: 0, nesting: 0 };
        let node = p.node()?;
        if p.pos != p.text.len() {
            return Err(corruption("a form goes on behind its end"));
        }
        Form::new(node)
    }

    /// Whether an entry shows its own end.
    pub fn ends_itself(&self) -> bool {
        fn ends(n: &Node) -> bool {
            match n {
                Node::Rest(_) | Node::Fill(..) => false,
                Node::Seq(nodes) => nodes.iter().all(ends),
                Node::List(n, _) | Node::Repeat(_, n, _) => ends(n),
                _ => true,
            }
        }
        ends(&self.root)
    }

    /// Bytes of an entry, where all have the same.
    pub fn fixed_size(&self) -> Option<usize> {
        fn size(n: &Node) -> Option<usize> {
            Some(match n {
                Node::Cells(s, n, _) => s.width() * *n as usize,
                Node::Short(..) => 3,
                Node::Const(b) => b.len(),
                Node::Frame(h, n) => 4 + h.len() + size(n)?,
                Node::Seq(nodes) => nodes.iter().map(size).sum::<Option<usize>>()?,
                _ => return None,
            })
        }
        size(&self.root)
    }

    /// Empty columns to read into.
    pub fn empty_columns(&self) -> Vec<Column> {
        let empty = |c: &ColumnSchema| Column {
            lengths: vec![Vec::new(); c.levels()],
            values: Cells::empty(c.scalar.width()),
        };
        self.columns.iter().map(empty).collect()
    }

    /// Reads an entry, `bytes[range]`, and appends its cells. After an error the columns are spoilt;
    /// see [`Mark`]. `keylen` is the length of the basket's key.
    pub fn read(
        &self,
        bytes: &[u8],
        range: Range<usize>,
        keylen: usize,
        columns: &mut [Column],
    ) -> Result<usize> {
        let bytes = bytes.get(..range.end).ok_or_else(|| corruption("an entry ends beyond its basket"))?;
        let mut r = Read { w: Wire::at(bytes, range.start), keylen, columns, classes: Vec::new() };
        r.node(&self.root, range.end, 0)?;
        Ok(r.w.pos())
    }

    /// Appends the bytes of the next entry of the columns and moves the cursors behind it. `out` holds
    /// the basket from its beginning.
    pub fn write(
        &self,
        columns: &[Column],
        cursors: &mut [Cursor],
        keylen: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut w = Write { columns, cursors, keylen, out, classes: Vec::new() };
        w.node(&self.root, 0)
    }
}

struct Number {
    columns: Vec<ColumnSchema>,
    path: String,
    shape: Vec<u32>,
    depth: u8,
    nesting: usize,
}

impl Number {
    fn column(&mut self, scalar: Scalar, meaning: Meaning, inner: Vec<u32>) -> usize {
        let name = self.path.clone();
        let depth = self.depth;
        self.columns.push(ColumnSchema { name, scalar, meaning, depth, inner, scale: None });
        self.columns.len() - 1
    }

    /// The same node, one level deeper, and its columns.
    fn deeper(&mut self, node: Node) -> Result<(Box<Node>, Range<usize>)> {
        let first = self.columns.len();
        self.depth = self.depth.saturating_add(1);
        let node = Box::new(self.node(node)?);
        self.depth -= 1;
        Ok((node, first..self.columns.len()))
    }

    fn node(&mut self, node: Node) -> Result<Node> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(unsupported("a form is nested too deeply"));
        }
        let node = self.node_inner(node)?;
        self.nesting -= 1;
        Ok(node)
    }

    fn node_inner(&mut self, node: Node) -> Result<Node> {
        Ok(match node {
            Node::Cells(scalar, n, _) => {
                let shaped = self.shape.iter().try_fold(1u32, |p, &d| p.checked_mul(d)) == Some(n);
                let inner = if n == 1 && self.shape.is_empty() {
                    Vec::new()
                } else if shaped {
                    self.shape.clone()
                } else {
                    vec![n]
                };
                Node::Cells(scalar, n, self.column(scalar, Meaning::Number, inner))
            }
            Node::Short(bits, _) => Node::Short(bits, self.column(Scalar::F32, Meaning::Number, Vec::new())),
            Node::Text(_) => Node::Text(self.column(Scalar::U8, Meaning::Text, Vec::new())),
            Node::Rest(_) => Node::Rest(self.column(Scalar::U8, Meaning::Bytes, Vec::new())),
            Node::Const(b) => Node::Const(b),
            Node::Frame(head, n) => Node::Frame(head, Box::new(self.node(*n)?)),
            Node::List(n, _) => match self.deeper(*n) {
                Ok((_, cols)) if cols.is_empty() => Node::Const(vec![0; 4]),
                Ok((n, cols)) => Node::List(n, cols),
                Err(e) => return Err(e),
            },
            Node::Fill(n, _) => match self.deeper(*n)? {
                (_, cols) if cols.is_empty() => Node::Const(Vec::new()),
                (n, cols) => Node::Fill(n, cols),
            },
            Node::Repeat(by, n, _) => {
                if by >= self.columns.len() {
                    return Err(corruption("a form counts by a column that comes later"));
                }
                let (n, cols) = self.deeper(*n)?;
                Node::Repeat(by, n, cols)
            }
            Node::Counted(name, n) => {
                let wanted = format!(".{name}");
                let by = self.columns.iter().rposition(|c| c.name == name || c.name.ends_with(&wanted));
                let by = by.ok_or_else(|| unsupported(format!("nothing named {name} counts")))?;
                match self.deeper(*n)? {
                    (_, cols) if cols.is_empty() => Node::Seq(Vec::new()),
                    (n, cols) => Node::Repeat(by, n, cols),
                }
            }
            Node::Seq(nodes) => Node::Seq(nodes.into_iter().map(|n| self.node(n)).collect::<Result<_>>()?),
            Node::Pointer(class, nullable, n, _) => {
                if nullable {
                    let (n, cols) = self.deeper(*n)?;
                    if cols.is_empty() {
                        Node::Const(vec![0; 4])
                    } else {
                        Node::Pointer(class, true, n, cols)
                    }
                } else {
                    let first = self.columns.len();
                    let n = Box::new(self.node(*n)?);
                    Node::Pointer(class, false, n, first..self.columns.len())
                }
            }
            Node::Named(name, n) => {
                let len = self.path.len();
                if !name.is_empty() {
                    self.path.push('.');
                    self.path.push_str(&name);
                }
                let n = self.node(*n)?;
                self.path.truncate(len);
                n
            }
            Node::Shaped(shape, n) => {
                let before = std::mem::replace(&mut self.shape, shape);
                let n = self.node(*n)?;
                self.shape = before;
                n
            }
            // Only ever met below lists that were always empty.
            Node::Class(_) | Node::Stl(..) | Node::Any | Node::Stride => node,
        })
    }
}

fn hex(bytes: &[u8], out: &mut String) {
    for b in bytes {
        out.push(char::from_digit((b >> 4) as u32, 16).unwrap_or('0'));
        out.push(char::from_digit((b & 15) as u32, 16).unwrap_or('0'));
    }
    out.push(';');
}

fn write_text(node: &Node, out: &mut String) {
    match node {
        Node::Cells(s, n, _) => {
            out.push(match s {
                Scalar::Bool => 'b',
                Scalar::F32 | Scalar::F64 => 'f',
                s if s.is_signed() => 'i',
                _ => 'u',
            });
            out.push_str(&s.width().to_string());
            if *n != 1 {
                out.push_str(&format!("*{n}"));
            }
        }
        Node::Short(bits, _) => out.push_str(&format!("t{bits}")),
        Node::Text(_) => out.push('s'),
        Node::Rest(_) => out.push('r'),
        Node::Const(b) => {
            out.push('x');
            hex(b, out);
        }
        Node::Frame(head, n) => {
            out.push('{');
            hex(head, out);
            write_text(n, out);
            out.push('}');
        }
        Node::List(n, _) => {
            out.push('[');
            write_text(n, out);
            out.push(']');
        }
        Node::Fill(n, _) => {
            out.push('~');
            write_text(n, out);
        }
        Node::Repeat(by, n, _) => {
            out.push_str(&format!("@{by};"));
            write_text(n, out);
        }
        Node::Seq(nodes) => {
            out.push('(');
            nodes.iter().for_each(|n| write_text(n, out));
            out.push(')');
        }
        Node::Pointer(class, nullable, n, _) => {
            out.push(if *nullable { '?' } else { '^' });
            hex(class, out);
            write_text(n, out);
        }
        Node::Named(_, n) | Node::Shaped(_, n) | Node::Counted(_, n) => write_text(n, out),
        Node::Class(_) | Node::Stl(..) | Node::Any | Node::Stride => out.push('!'),
    }
}

struct Parse<'a> {
    text: &'a [u8],
    pos: usize,
    nesting: usize,
}

impl Parse<'_> {
    fn next(&mut self) -> Result<u8> {
        let b = self.text.get(self.pos).copied().ok_or_else(|| corruption("a form ends too early"))?;
        self.pos += 1;
        Ok(b)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.pos).copied()
    }

    fn expect(&mut self, want: u8) -> Result<()> {
        if self.next()? == want { Ok(()) } else { Err(corruption("a form is malformed")) }
    }

    fn decimal(&mut self) -> Result<u32> {
        let mut n: Option<u32> = None;
        while let Some(d @ b'0'..=b'9') = self.peek() {
            self.pos += 1;
            let grown = n.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add((d - b'0') as u32));
            n = Some(grown.ok_or_else(|| corruption("a number in a form is too large"))?);
        }
        n.ok_or_else(|| corruption("a form lacks a number"))
    }

    fn hex(&mut self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            let high = self.next()?;
            if high == b';' {
                return Ok(out);
            }
            let low = self.next()?;
            match ((high as char).to_digit(16), (low as char).to_digit(16)) {
                (Some(h), Some(l)) => out.push((h << 4 | l) as u8),
                _ => return Err(corruption("a form has bytes that are not hexadecimal")),
            }
        }
    }

    fn node(&mut self) -> Result<Node> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(corruption("a form is nested too deeply"));
        }
        let node = self.node_inner()?;
        self.nesting -= 1;
        Ok(node)
    }

    fn node_inner(&mut self) -> Result<Node> {
        Ok(match self.next()? {
            kind @ (b'b' | b'i' | b'u' | b'f') => {
                let scalar = match (kind, self.next()?) {
                    (b'b', b'1') => Scalar::Bool,
                    (b'i', b'1') => Scalar::I8,
                    (b'u', b'1') => Scalar::U8,
                    (b'i', b'2') => Scalar::I16,
                    (b'u', b'2') => Scalar::U16,
                    (b'i', b'4') => Scalar::I32,
                    (b'u', b'4') => Scalar::U32,
                    (b'i', b'8') => Scalar::I64,
                    (b'u', b'8') => Scalar::U64,
                    (b'f', b'4') => Scalar::F32,
                    (b'f', b'8') => Scalar::F64,
                    _ => return Err(corruption("a form has an unknown number type")),
                };
                let mut n = 1;
                if self.peek() == Some(b'*') {
                    self.pos += 1;
                    n = self.decimal()?;
                }
                Node::Cells(scalar, n, 0)
            }
            b't' => Node::Short(self.decimal()?.min(255) as u8, 0),
            b's' => Node::Text(0),
            b'r' => Node::Rest(0),
            b'x' => Node::Const(self.hex()?),
            b'{' => {
                let head = self.hex()?;
                let n = self.node()?;
                self.expect(b'}')?;
                Node::Frame(head, Box::new(n))
            }
            b'[' => {
                let n = self.node()?;
                self.expect(b']')?;
                Node::List(Box::new(n), 0..0)
            }
            b'~' => Node::Fill(Box::new(self.node()?), 0..0),
            b'@' => {
                let by = self.decimal()? as usize;
                self.expect(b';')?;
                Node::Repeat(by, Box::new(self.node()?), 0..0)
            }
            b'(' => {
                let mut nodes = Vec::new();
                while self.peek() != Some(b')') {
                    nodes.push(self.node()?);
                }
                self.pos += 1;
                Node::Seq(nodes)
            }
            kind @ (b'^' | b'?') => {
                let class = self.hex()?;
                Node::Pointer(class, kind == b'?', Box::new(self.node()?), 0..0)
            }
            b'!' => Node::Any,
            _ => return Err(corruption("a form has an unknown letter")),
        })
    }
}

/// The float that 3 bytes stand for: exponent, then 16 bits with `bits` of mantissa under a sign.
pub fn short_to_f32(exponent: u8, low: u16, bits: u8) -> u32 {
    let bits = bits.min(14) as u32;
    let mantissa = (low as u32 & ((1 << (bits + 1)) - 1)) << (23 - bits);
    let sign = (low as u32 >> (bits + 1) & 1) << 31;
    ((exponent as u32) << 23 | mantissa) & 0x7fff_ffff | sign
}

/// The 3 bytes that stand for a float; only right where [`short_to_f32`] gives it back.
pub fn f32_to_short(f: u32, bits: u8) -> (u8, u16) {
    let bits = bits.min(14) as u32;
    let mantissa = f >> (23 - bits) & ((1 << bits) - 1);
    ((f >> 23) as u8, (mantissa | (f >> 31) << (bits + 1)) as u16)
}

/// Where columns ended before something was tried.
pub struct Mark(Vec<(Vec<usize>, usize)>);

impl Mark {
    /// Here.
    pub fn new(columns: &[Column]) -> Mark {
        Mark(columns.iter().map(|c| (c.lengths.iter().map(Vec::len).collect(), c.values.len())).collect())
    }

    /// Items on each level, and cells, of each column.
    pub fn places(&self) -> impl Iterator<Item = (&[usize], usize)> {
        self.0.iter().map(|(lengths, values)| (lengths.as_slice(), *values))
    }

    /// Takes everything back that was appended since.
    pub fn restore(&self, columns: &mut [Column]) {
        for (c, (lengths, values)) in columns.iter_mut().zip(&self.0) {
            for (l, &n) in c.lengths.iter_mut().zip(lengths) {
                l.truncate(n);
            }
            strangelet::each_width!(&mut c.values, v => v.truncate(*values));
        }
    }
}

/// A place in a column: items passed on each level, and cells passed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Items passed of each stream of lengths.
    pub lengths: Vec<usize>,
    /// Cells passed.
    pub values: usize,
}

impl Cursor {
    /// The start of a column.
    pub fn start(column: &Column) -> Cursor {
        Cursor { lengths: vec![0; column.lengths.len()], values: 0 }
    }
}

struct Read<'a, 'c> {
    w: Wire<'a>,
    keylen: usize,
    columns: &'c mut [Column],
    classes: Vec<(Vec<u8>, usize)>,
}

fn missing() -> strangelet::error::Error {
    corruption("a form names a column that is not there")
}

impl Read<'_, '_> {
    fn length(&mut self, columns: &Range<usize>, level: usize, n: usize) -> Result<()> {
        for c in self.columns.get_mut(columns.clone()).ok_or_else(missing)? {
            c.lengths.get_mut(level).ok_or_else(missing)?.push(n as u32);
        }
        Ok(())
    }

    fn cells(&mut self, width: usize, n: usize, column: usize) -> Result<()> {
        let bytes = self.w.take(n.saturating_mul(width))?;
        match &mut self.columns.get_mut(column).ok_or_else(missing)?.values {
            Cells::W1(v) if width == 1 => v.extend_from_slice(bytes),
            Cells::W2(v) if width == 2 => {
                v.extend(bytes.as_chunks().0.iter().map(|c| u16::from_be_bytes(*c)))
            }
            Cells::W4(v) if width == 4 => {
                v.extend(bytes.as_chunks().0.iter().map(|c| u32::from_be_bytes(*c)))
            }
            Cells::W8(v) if width == 8 => {
                v.extend(bytes.as_chunks().0.iter().map(|c| u64::from_be_bytes(*c)))
            }
            _ => return Err(missing()),
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8], column: usize, level: usize) -> Result<()> {
        let c = self.columns.get_mut(column).ok_or_else(missing)?;
        c.lengths.get_mut(level).ok_or_else(missing)?.push(bytes.len() as u32);
        match &mut c.values {
            Cells::W1(v) => v.extend_from_slice(bytes),
            _ => return Err(missing()),
        }
        Ok(())
    }

    fn items(&mut self, n: usize, item: &Node, end: usize, level: usize) -> Result<()> {
        if let Node::Cells(s, m, c) = item {
            return self.cells(s.width(), n.saturating_mul(*m as usize), *c);
        }
        for _ in 0..n {
            self.node(item, end, level)?;
        }
        Ok(())
    }

    fn node(&mut self, node: &Node, end: usize, level: usize) -> Result<()> {
        match node {
            Node::Cells(s, n, c) => self.cells(s.width(), *n as usize, *c)?,
            Node::Short(bits, c) => {
                let f = short_to_f32(self.w.u8()?, self.w.u16()?, *bits);
                match self.columns.get_mut(*c).map(|c| &mut c.values) {
                    Some(Cells::W4(v)) => v.push(f),
                    _ => return Err(missing()),
                }
            }
            Node::Text(c) => {
                let s = self.w.string()?;
                self.bytes(s, *c, level)?;
            }
            Node::Rest(c) => {
                let n = end.checked_sub(self.w.pos()).ok_or_else(|| corruption("an entry is too short"))?;
                let s = self.w.take(n)?;
                self.bytes(s, *c, level)?;
            }
            Node::Const(b) => {
                if self.w.take(b.len())? != b.as_slice() {
                    return Err(corruption("bytes differ that should be the same in every entry"));
                }
            }
            Node::Frame(head, n) => {
                let word = self.w.u32()?;
                let start = self.w.pos();
                let inner_end = start + (word & !BYTE_COUNT) as usize;
                if word & BYTE_COUNT == 0 || inner_end > end {
                    return Err(corruption("an object has no byte count, or a wrong one"));
                }
                if self.w.take(head.len())? != head.as_slice() {
                    return Err(corruption("an object has another version"));
                }
                self.node(n, inner_end, level)?;
                if self.w.pos() != inner_end {
                    return Err(corruption("an object is longer or shorter than it says"));
                }
            }
            Node::List(item, cols) => {
                let n = self.w.u32()? as usize;
                if n > end.saturating_sub(self.w.pos()) {
                    return Err(corruption("a list is longer than its entry"));
                }
                self.length(cols, level, n)?;
                self.items(n, item, end, level + 1)?;
            }
            Node::Fill(item, cols) => {
                if let Node::Cells(s, m, _) = item.as_ref() {
                    let left = end.saturating_sub(self.w.pos());
                    let size = s.width() * *m as usize;
                    if size == 0 || !left.is_multiple_of(size) {
                        return Err(corruption("an entry is no whole number of cells"));
                    }
                    self.length(cols, level, left / size)?;
                    return self.items(left / size, item, end, level + 1);
                }
                let mut n = 0;
                while self.w.pos() < end {
                    let before = self.w.pos();
                    self.node(item, end, level + 1)?;
                    if self.w.pos() == before {
                        return Err(corruption("an item of a list has no bytes"));
                    }
                    n += 1;
                }
                self.length(cols, level, n)?;
            }
            Node::Repeat(by, item, cols) => {
                let values = &self.columns.get(*by).ok_or_else(missing)?.values;
                let n = values.get(values.len().wrapping_sub(1)).ok_or_else(missing)? as usize;
                if n > end.saturating_sub(self.w.pos()) {
                    return Err(corruption("an array is longer than its entry"));
                }
                self.length(cols, level, n)?;
                self.items(n, item, end, level + 1)?;
            }
            Node::Seq(nodes) => {
                for n in nodes {
                    self.node(n, end, level)?;
                }
            }
            Node::Pointer(class, nullable, n, cols) => {
                let start = self.w.pos();
                let word = self.w.u32()?;
                if *nullable {
                    self.length(cols, level, (word != 0) as usize)?;
                    if word == 0 {
                        return Ok(());
                    }
                }
                let inner_end = start + 4 + (word & !BYTE_COUNT) as usize;
                if word & BYTE_COUNT == 0 || inner_end > end {
                    return Err(corruption("a pointer has no byte count, or a wrong one"));
                }
                let at = self.w.pos();
                let tag = self.w.u32()?;
                match self.classes.iter().find(|(c, _)| c == class) {
                    Some((_, place)) if tag == class_tag(*place, self.keylen) => {}
                    None if tag == u32::MAX => {
                        if self.w.c_string()? != class.as_slice() {
                            return Err(corruption("a pointer leads to an object of another class"));
                        }
                        self.classes.push((class.clone(), at));
                    }
                    _ => return Err(corruption("a pointer leads to an object of another class")),
                }
                self.node(n, inner_end, level + *nullable as usize)?;
                if self.w.pos() != inner_end {
                    return Err(corruption("an object is longer or shorter than it says"));
                }
            }
            _ => return Err(unsupported("a form meets something it does not know")),
        }
        Ok(())
    }
}

fn class_tag(place: usize, keylen: usize) -> u32 {
    0x8000_0000 | (place + keylen + MAP_OFFSET) as u32
}

struct Write<'a> {
    columns: &'a [Column],
    cursors: &'a mut [Cursor],
    keylen: usize,
    out: &'a mut Vec<u8>,
    classes: Vec<(Vec<u8>, usize)>,
}

fn too_few() -> strangelet::error::Error {
    corruption("a column has too few cells for its basket")
}

impl Write<'_> {
    fn length(&mut self, columns: &Range<usize>, level: usize) -> Result<usize> {
        let mut n = None;
        for c in columns.clone() {
            let lengths = self.columns.get(c).and_then(|c| c.lengths.get(level)).ok_or_else(missing)?;
            let place = self.cursors.get_mut(c).and_then(|c| c.lengths.get_mut(level)).ok_or_else(missing)?;
            let own = *lengths.get(*place).ok_or_else(too_few)?;
            *place += 1;
            if n.is_some_and(|n| n != own) {
                return Err(corruption("columns of one list differ in length"));
            }
            n = Some(own);
        }
        n.map(|n| n as usize).ok_or_else(missing)
    }

    fn cells(&mut self, n: usize, column: usize) -> Result<()> {
        let values = &self.columns.get(column).ok_or_else(missing)?.values;
        let place = &mut self.cursors.get_mut(column).ok_or_else(missing)?.values;
        let end = place.checked_add(n).filter(|&e| e <= values.len()).ok_or_else(too_few)?;
        values.range_be_bytes(*place..end, self.out);
        *place = end;
        Ok(())
    }

    fn bytes(&mut self, column: usize, level: usize, with_length: bool) -> Result<()> {
        let n = self.length(&(column..column + 1), level)?;
        if with_length {
            if n < 255 {
                self.out.push(n as u8);
            } else {
                self.out.push(255);
                self.out.extend_from_slice(&(n as u32).to_be_bytes());
            }
        }
        self.cells(n, column)
    }

    fn items(&mut self, n: usize, item: &Node, level: usize) -> Result<()> {
        if let Node::Cells(_, m, c) = item {
            return self.cells(n.saturating_mul(*m as usize), *c);
        }
        for _ in 0..n {
            self.node(item, level)?;
        }
        Ok(())
    }

    /// Fills in the byte count at `at`, now that all is written.
    fn count(&mut self, at: usize) {
        let n = BYTE_COUNT | (self.out.len() - at - 4) as u32;
        if let Some(word) = self.out.get_mut(at..at + 4) {
            word.copy_from_slice(&n.to_be_bytes());
        }
    }

    fn node(&mut self, node: &Node, level: usize) -> Result<()> {
        match node {
            Node::Cells(_, n, c) => self.cells(*n as usize, *c)?,
            Node::Short(bits, c) => {
                let values = &self.columns.get(*c).ok_or_else(missing)?.values;
                let place = &mut self.cursors.get_mut(*c).ok_or_else(missing)?.values;
                let f = values.get(*place).ok_or_else(too_few)?;
                *place += 1;
                let (exponent, low) = f32_to_short(f as u32, *bits);
                self.out.push(exponent);
                self.out.extend_from_slice(&low.to_be_bytes());
            }
            Node::Text(c) => self.bytes(*c, level, true)?,
            Node::Rest(c) => self.bytes(*c, level, false)?,
            Node::Const(b) => self.out.extend_from_slice(b),
            Node::Frame(head, n) => {
                let at = self.out.len();
                self.out.extend_from_slice(&[0; 4]);
                self.out.extend_from_slice(head);
                self.node(n, level)?;
                self.count(at);
            }
            Node::List(item, cols) => {
                let n = self.length(cols, level)?;
                self.out.extend_from_slice(&(n as u32).to_be_bytes());
                self.items(n, item, level + 1)?;
            }
            Node::Fill(item, cols) => {
                let n = self.length(cols, level)?;
                self.items(n, item, level + 1)?;
            }
            Node::Repeat(_, item, cols) => {
                let n = self.length(cols, level)?;
                self.items(n, item, level + 1)?;
            }
            Node::Seq(nodes) => {
                for n in nodes {
                    self.node(n, level)?;
                }
            }
            Node::Pointer(class, nullable, n, cols) => {
                if *nullable && self.length(cols, level)? == 0 {
                    self.out.extend_from_slice(&[0; 4]);
                    return Ok(());
                }
                let at = self.out.len();
                self.out.extend_from_slice(&[0; 4]);
                match self.classes.iter().find(|(c, _)| c == class) {
                    Some((_, place)) => {
                        let tag = class_tag(*place, self.keylen);
                        self.out.extend_from_slice(&tag.to_be_bytes());
                    }
                    None => {
                        self.classes.push((class.clone(), at + 4));
                        self.out.extend_from_slice(&u32::MAX.to_be_bytes());
                        self.out.extend_from_slice(class);
                        self.out.push(0);
                    }
                }
                self.node(n, level + *nullable as usize)?;
                self.count(at);
            }
            _ => return Err(unsupported("a form meets something it does not know")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str, entry: &[u8]) -> Vec<Column> {
        let form = Form::from_text(text).unwrap();
        assert_eq!(form.to_text(), text);
        let mut columns = form.empty_columns();
        assert_eq!(form.read(entry, 0..entry.len(), 70, &mut columns).unwrap(), entry.len());
        for (c, s) in columns.iter().zip(&form.columns) {
            c.check(s, 1).unwrap();
        }
        let mut out = Vec::new();
        let mut cursors: Vec<_> = columns.iter().map(Cursor::start).collect();
        form.write(&columns, &mut cursors, 70, &mut out).unwrap();
        assert_eq!(out, entry);
        columns
    }

    #[test]
    fn forms_read_and_write_the_same_bytes() {
        assert_eq!(round("~i2", &[0, 1, 0, 2])[0], Column::jagged(vec![2], Cells::W2(vec![1, 2])));
        round("f4*2", &[0; 8]);
        round("{0009;[[(u1s)]]}", b"\x40\0\0\x14\0\x09\0\0\0\x02\0\0\0\x01A\x02hi\0\0\0\x01B\0");
        round("(u4@0;u2r)", &[0, 0, 0, 2, 0, 1, 0, 2, 9, 9, 9]);
        let two = b"\x40\0\0\x07\xff\xff\xff\xffT\0\x05\x40\0\0\x05\x80\0\0\x4c\x06";
        round("~^54;u1", two);
        let columns = round("~?54;u1", b"\0\0\0\0\x40\0\0\x07\xff\xff\xff\xffT\0\x05\0\0\0\0");
        assert_eq!(columns[0].lengths, [vec![3], vec![0, 1, 0]]);
    }

    #[test]
    fn short_floats_keep_their_bytes() {
        for low in (0..1u16 << 14).filter(|l| l & 1 << 12 == 0) {
            let f = short_to_f32(130, low, 12);
            assert_eq!(f32_to_short(f, 12), (130, low));
        }
        assert_eq!(f32::from_bits(short_to_f32(128, 1 << 11, 12)), 3.0);
    }

    #[test]
    fn malformed_forms_are_refused() {
        for text in ["", "[", "f3", "@0;u1", "x1;", "u1u1", "{00;u1", "t", "f4*99999999999"] {
            assert!(Form::from_text(text).is_err(), "{text}");
        }
        assert!(Form::from_text(&"[".repeat(1000)).is_err());
    }
}
