//! Forms at work: entries into columns, and columns into entries.

use super::basket::MOST_BYTES;
use super::form::Node;
use super::wire::{BYTE_COUNT, Wire};
use std::ops::Range;
use strangelet::column::{Cells, Column};
use strangelet::error::{Result, corruption, unsupported};

/// References to classes count from the start of the basket's key, plus this.
const MAP_OFFSET: usize = 2;

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

/// From so many items of one size on, they are worked on column by column.
const MANY: usize = 8;

/// A part of an item of fixed size.
enum Leaf<'n> {
    /// Width of a cell, how many, and the column.
    Cells(usize, usize, usize),
    /// These bytes.
    Const(&'n [u8]),
}

/// An item that is nothing but cells and constant bytes.
struct Leaves<'n> {
    /// Where each part is in the item.
    list: Vec<(usize, Leaf<'n>)>,
    /// Bytes of an item, at least 1.
    size: usize,
}

/// The parts of an item; none where its size is not fixed, or one column has two of them.
fn leaves(item: &Node) -> Option<Leaves<'_>> {
    fn walk<'n>(node: &'n Node, out: &mut Leaves<'n>) -> Option<()> {
        let (leaf, size) = match node {
            Node::Cells(s, m, c) => {
                let twice = |l: &(usize, Leaf)| matches!(l.1, Leaf::Cells(_, _, other) if other == *c);
                if out.list.iter().any(twice) {
                    return None;
                }
                (Leaf::Cells(s.width(), *m as usize, *c), s.width().checked_mul(*m as usize)?)
            }
            Node::Const(b) => (Leaf::Const(b), b.len()),
            Node::Seq(nodes) => return nodes.iter().try_for_each(|n| walk(n, out)),
            _ => return None,
        };
        out.list.push((out.size, leaf));
        out.size = out.size.checked_add(size)?;
        Some(())
    }
    let mut out = Leaves { list: Vec::new(), size: 0 };
    walk(item, &mut out)?;
    (out.size > 0).then_some(out)
}

/// Big-endian bytes of cells, `m` to each part.
fn spread<'o, T: Copy, const W: usize>(
    parts: impl Iterator<Item = &'o mut [u8]>,
    cells: &[T],
    m: usize,
    bytes: impl Fn(T) -> [u8; W],
) {
    for (part, cells) in parts.zip(cells.chunks_exact(m.max(1))) {
        for (to, &x) in part.as_chunks_mut::<W>().0.iter_mut().zip(cells) {
            *to = bytes(x);
        }
    }
}

/// Reads an entry.
pub(super) struct Read<'a, 'c> {
    pub(super) w: Wire<'a>,
    pub(super) keylen: usize,
    pub(super) columns: &'c mut [Column],
    pub(super) classes: Vec<(Vec<u8>, usize)>,
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
        if n >= MANY
            && let Some(leaves) = leaves(item)
        {
            return self.columnwise(n, &leaves);
        }
        for _ in 0..n {
            self.node(item, end, level)?;
        }
        Ok(())
    }

    /// Many items of one size, column by column.
    fn columnwise(&mut self, n: usize, leaves: &Leaves) -> Result<()> {
        let bytes = self.w.take(n.saturating_mul(leaves.size))?;
        let items = bytes.chunks_exact(leaves.size.max(1));
        for &(at, ref leaf) in &leaves.list {
            match *leaf {
                Leaf::Cells(width, m, column) => {
                    let parts = items.clone().filter_map(|item| item.get(at..at + width * m));
                    let cells = &mut self.columns.get_mut(column).ok_or_else(missing)?.values;
                    match (cells, width) {
                        (Cells::W1(v), 1) if m == 1 => v.extend(parts.flatten()),
                        (Cells::W1(v), 1) => parts.for_each(|p| v.extend_from_slice(p)),
                        (Cells::W2(v), 2) => v.extend(
                            parts.flat_map(|p| p.as_chunks().0.iter().map(|c| u16::from_be_bytes(*c))),
                        ),
                        (Cells::W4(v), 4) => v.extend(
                            parts.flat_map(|p| p.as_chunks().0.iter().map(|c| u32::from_be_bytes(*c))),
                        ),
                        (Cells::W8(v), 8) => v.extend(
                            parts.flat_map(|p| p.as_chunks().0.iter().map(|c| u64::from_be_bytes(*c))),
                        ),
                        _ => return Err(missing()),
                    }
                }
                Leaf::Const(b) => {
                    if !items.clone().all(|item| item.get(at..at + b.len()) == Some(b)) {
                        return Err(corruption("bytes differ that should be the same in every entry"));
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn node(&mut self, node: &Node, end: usize, level: usize) -> Result<()> {
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
                let left = end.saturating_sub(self.w.pos());
                if let Some(leaves) = leaves(item)
                    && left >= MANY * leaves.size
                {
                    if !left.is_multiple_of(leaves.size) {
                        return Err(corruption("an entry is no whole number of items"));
                    }
                    self.length(cols, level, left / leaves.size)?;
                    return self.columnwise(left / leaves.size, &leaves);
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

/// Writes an entry.
pub(super) struct Write<'a> {
    pub(super) columns: &'a [Column],
    pub(super) cursors: &'a mut [Cursor],
    pub(super) keylen: usize,
    pub(super) out: &'a mut Vec<u8>,
    pub(super) classes: Vec<(Vec<u8>, usize)>,
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
        if n >= MANY
            && let Some(leaves) = leaves(item)
        {
            return self.columnwise(n, &leaves);
        }
        for _ in 0..n {
            self.node(item, level)?;
        }
        Ok(())
    }

    /// Many items of one size, column by column.
    fn columnwise(&mut self, n: usize, leaves: &Leaves) -> Result<()> {
        // Room only for what the columns really hold.
        for (_, leaf) in &leaves.list {
            if let Leaf::Cells(_, m, column) = *leaf {
                let values = &self.columns.get(column).ok_or_else(missing)?.values;
                let place = self.cursors.get(column).ok_or_else(missing)?.values;
                let end = n.checked_mul(m).and_then(|c| c.checked_add(place));
                end.filter(|&e| e <= values.len()).ok_or_else(too_few)?;
            }
        }
        let from = self.out.len();
        let more = n.checked_mul(leaves.size).filter(|&more| more <= MOST_BYTES);
        let more = more.ok_or_else(|| corruption("a basket is too long"))?;
        self.out.resize(from + more, 0);
        for &(at, ref leaf) in &leaves.list {
            let items = self.out.get_mut(from..).unwrap_or_default().chunks_exact_mut(leaves.size.max(1));
            match *leaf {
                Leaf::Cells(width, m, column) => {
                    let values = &self.columns.get(column).ok_or_else(missing)?.values;
                    let place = &mut self.cursors.get_mut(column).ok_or_else(missing)?.values;
                    let range = *place..*place + n * m;
                    *place = range.end;
                    let parts = items.filter_map(|item| item.get_mut(at..at + width * m));
                    match (values, width) {
                        (Cells::W1(v), 1) => spread(parts, &v[range], m, u8::to_be_bytes),
                        (Cells::W2(v), 2) => spread(parts, &v[range], m, u16::to_be_bytes),
                        (Cells::W4(v), 4) => spread(parts, &v[range], m, u32::to_be_bytes),
                        (Cells::W8(v), 8) => spread(parts, &v[range], m, u64::to_be_bytes),
                        _ => return Err(missing()),
                    }
                }
                Leaf::Const(b) => items.for_each(|item| {
                    if let Some(to) = item.get_mut(at..at + b.len()) {
                        to.copy_from_slice(b);
                    }
                }),
            }
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

    pub(super) fn node(&mut self, node: &Node, level: usize) -> Result<()> {
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
