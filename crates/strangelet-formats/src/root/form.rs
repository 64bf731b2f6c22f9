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

pub use super::form_run::{Cursor, Mark};
use super::form_run::{Read, Write};
use super::form_text::{Parse, write_text};
use super::wire::Wire;
use std::ops::Range;
use strangelet::column::{Cells, Column, ColumnSchema, Meaning, Scalar};
use strangelet::error::{Result, corruption, unsupported};

/// Most forms within forms.
pub const MAX_NESTING: usize = 48;

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
        Form::new(Parse::whole(text)?)
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

#[cfg(test)]
mod tests {
    use super::super::form_run::{f32_to_short, short_to_f32};
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
