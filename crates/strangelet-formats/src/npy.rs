//! NumPy's `.npy`: one array of numbers, strings or records behind a short header.
//!
//! The events are the first axis, the other axes the inner shape (C order, also where the file is in
//! Fortran order). Records become one column a field. A header that NumPy would have written is part of the
//! plan; any other, and bytes behind the array, are residue.

mod dtype;
mod head;
mod literal;

pub use head::Head;

use crate::layout::{Layout, MAX_ROW};
use crate::plan::{self, Parts, Piece, Plan, What};
use strangelet::dissect::{Context, FileFormat, Sink, Tables};
use strangelet::error::{Result, corruption};
use strangelet::source::{Source, Spool, Target};

/// The first bytes of every such file.
pub const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Longest header that is read.
const MAX_HEADER: u64 = 1 << 20;

/// A single NumPy array.
pub struct Npy;

impl FileFormat for Npy {
    fn id(&self) -> u16 {
        2
    }
    fn name(&self) -> &'static str {
        "npy"
    }
    fn probe(&self, source: &dyn Source) -> bool {
        is_array(source)
    }

    fn dissect(&self, _cx: &Context, source: &dyn Source, sink: &mut dyn Sink) -> Result<()> {
        let mut parts = Parts::new(sink)?;
        let pieces = dissect_array("data", source, &mut parts)?;
        let plan = Plan { len: source.len(), pieces };
        parts.holes(source, &plan)?;
        parts.finish(&plan)
    }

    fn assemble(&self, cx: &Context, tables: &dyn Tables, target: &mut dyn Target) -> Result<()> {
        plan::assemble(cx, tables, target)
    }

    fn loosen(&self, _source: &dyn Source) -> Result<Option<Spool>> {
        Ok(None)
    }
}

/// Whether it is a NumPy array of a type that is known.
pub fn is_array(source: &dyn Source) -> bool {
    Header::read(source).is_ok()
}

/// Turns the array of a `.npy` into a table of this name. What it does not cover is residue.
pub fn dissect_array(name: &str, source: &dyn Source, parts: &mut Parts) -> Result<Vec<Piece>> {
    let piece = match order(source)? {
        None => return Ok(Vec::new()),
        Some(Order::Fortran { layout, pos, shape }) => parts.fortran(name, &layout, source, pos, &shape)?,
        Some(Order::Rows { layout, pos, rows }) => parts.rows(name, &layout, source, pos, rows)?,
    };
    let len = piece.pos;
    let head = Head::of(source, len)?.map(|head| Piece { pos: 0, len, what: What::Head(head) });
    Ok(head.into_iter().chain([piece]).collect())
}

/// How the cells of an array lie in its file.
pub enum Order {
    /// Row after row.
    Rows {
        /// A row.
        layout: Layout,
        /// First byte of the first.
        pos: u64,
        /// Number of rows.
        rows: u64,
    },
    /// The first axis fastest.
    Fortran {
        /// A cell.
        layout: Layout,
        /// First byte of the first.
        pos: u64,
        /// The axes.
        shape: Vec<u32>,
    },
}

/// How the array of a `.npy` lies in it, where it can be a table.
pub fn order(source: &dyn Source) -> Result<Option<Order>> {
    let header = Header::read(source)?;
    let there = source.len() - header.data;
    let cell = header.layout.row();
    if cell == 0 || cell > MAX_ROW {
        return Ok(None);
    }
    let records = header.layout.fields.len() != 1 || header.layout.fields[0].string;
    let mut shape = header.shape.clone();
    if header.fortran && !records {
        let whole = shape.iter().try_fold(cell, |n, &d| n.checked_mul(d.into())).is_some_and(|n| n <= there);
        let turned = shape.first().is_some_and(|&rows| {
            rows > 0 && plan::Fortran::new(&header.layout, rows.into(), &shape[1..]).is_ok()
        });
        if shape.len() > 1 && whole && turned {
            return Ok(Some(Order::Fortran { layout: header.layout, pos: header.data, shape }));
        }
        shape.reverse();
    }
    // The events: the first axis, or as many axes as it takes to have rows that fit a chunk.
    let mut axes = if records { shape.len() } else { shape.len().min(1) };
    let inner_bytes = |axes: usize| shape[axes..].iter().fold(cell, |n, &d| n.saturating_mul(d.into()));
    while axes < shape.len() && inner_bytes(axes) > MAX_ROW.min(there) {
        axes += 1;
    }
    let layout = if axes == shape.len() {
        header.layout
    } else {
        Layout { fields: vec![header.layout.fields[0].clone().array(&shape[axes..])] }
    };
    let row = layout.row();
    if layout.check().is_err() {
        return Ok(None);
    }
    let rows = shape[..axes].iter().fold(1u64, |n, &d| n.saturating_mul(d.into())).min(there / row);
    Ok(Some(Order::Rows { layout, pos: header.data, rows }))
}

/// The array of a `.npy` as frames: its first axes count them.
pub struct Frames {
    /// Bytes of the header.
    pub head: u64,
    /// Bytes of the array.
    pub len: u64,
    /// One frame.
    pub layout: Layout,
    /// Number of frames.
    pub rows: u64,
}

/// The frames of a `.npy`, each as many of its last axes as fit `most` bytes; nothing where it is no array of numbers, or one
/// without cells.
pub fn frames(source: &dyn Source, most: u64) -> Result<Option<Frames>> {
    let Header { data, layout, fortran, mut shape } = Header::read(source)?;
    let cell = layout.row();
    if fortran {
        shape.reverse();
    }
    let bytes = |axes: usize| shape[axes..].iter().try_fold(cell, |n, &d| n.checked_mul(d.into()));
    let (Some(len), [field]) = (bytes(0).filter(|&n| n > 0), layout.fields.as_slice()) else {
        return Ok(None);
    };
    if field.string || cell > most {
        return Ok(None);
    }
    let mut axes = 0;
    while axes < shape.len() && bytes(axes).is_none_or(|n| n > most) {
        axes += 1;
    }
    let layout = match &shape[axes..] {
        [] => layout,
        inner => Layout { fields: vec![field.clone().array(inner)] },
    };
    let fits = layout.check().is_ok();
    Ok(fits.then(|| Frames { head: data, len, rows: len / layout.row(), layout }))
}

/// How many bytes of a `.npy` have to be there before more can be said, or all of it: asked again and again with as many as
/// that, from none on, it ends with the length of the file.
pub fn wanted(start: &[u8]) -> Result<u64> {
    let Some(first) = start.get(..12) else { return Ok(12) };
    let (from, len) = Header::place(first)?;
    if (start.len() as u64) < from + len {
        return Ok((from + len).max(12));
    }
    let header = Header::read(&start)?;
    let len = header.shape.iter().try_fold(header.layout.row(), |n, &d| n.checked_mul(d.into()));
    let len = len.and_then(|n| n.checked_add(header.data));
    len.filter(|&n| n >= start.len() as u64).ok_or_else(|| corruption("npy: an array of a strange length"))
}

/// What the header says.
struct Header {
    /// First byte of the array.
    data: u64,
    /// One cell of the array.
    layout: Layout,
    fortran: bool,
    shape: Vec<u32>,
}

impl Header {
    /// First byte and length of the text, from the first 12 bytes.
    fn place(start: &[u8]) -> Result<(u64, u64)> {
        let (magic, rest) = start.split_first_chunk().ok_or_else(|| corruption("npy: too short"))?;
        if magic != MAGIC {
            return Err(corruption("npy: other magic bytes"));
        }
        let (from, len) = match *rest {
            [1, _, a, b, ..] => (10, u64::from(u16::from_le_bytes([a, b]))),
            [2 | 3, _, a, b, c, d] => (12, u64::from(u32::from_le_bytes([a, b, c, d]))),
            _ => return Err(corruption("npy: an unknown version")),
        };
        if len > MAX_HEADER { Err(corruption("npy: header too long")) } else { Ok((from, len)) }
    }

    fn read(source: &dyn Source) -> Result<Header> {
        let (from, len) = Header::place(&source.range(0, source.len().min(12))?)?;
        let text = source.range(from, len)?;
        let text = match std::str::from_utf8(&text) {
            Ok(text) => text.to_string(),
            Err(_) => text.iter().map(|&b| char::from(b)).collect(),
        };
        let value = literal::parse(&text)?;
        let get = |key| value.get(key).ok_or_else(|| corruption(format!("npy: no {key}")));
        let fortran = match get("fortran_order")? {
            literal::Value::Bool(b) => *b,
            _ => return Err(corruption("npy: fortran_order is no truth value")),
        };
        let literal::Value::List(shape) = get("shape")? else {
            return Err(corruption("npy: the shape is no tuple"));
        };
        let shape = shape.iter().map(|d| d.u32().ok_or_else(|| corruption("npy: a strange axis")));
        let shape = shape.collect::<Result<Vec<u32>>>()?;
        let mut layout = dtype::layout(get("descr")?)?;
        if let [one] = layout.fields.as_mut_slice()
            && one.name.is_empty()
        {
            one.name = "data".into();
        }
        layout.name_apart();
        Ok(Header { data: from + len, layout, fortran, shape })
    }
}
