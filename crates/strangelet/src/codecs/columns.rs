//! Columns: a stream of rows of fixed length as the columns it is made of.
//!
//! # What it does
//! A column of fixed inner shape holds rows: the features of a table, the upper half of a covariance matrix, a
//! momentum. Each place in the row is coded as a stream of its own, by any codec, after what the others tell.
//!
//! # When it wins
//! At the level `max`, where the places of a row are different quantities.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | varint | cells of a row, 2 to 64; they divide the number of cells |
//! | 1, varint | for each place: number of its codec (not this one), bytes of its payload |
//! | .. | the payloads; streams are numbered by their place, and one may need any other, but not itself over whatever detours |
//!
//! # Determinism
//! No arithmetic.

use crate::codec::{Codec, Level, Shape, Stream};
use crate::column::Cells;
use crate::error::{Result, corruption, unsupported};
use crate::format::varint::{Cursor, put};
use crate::limits;

/// The columns of rows.
pub struct Columns;

/// Most cells of a row.
pub const MOST: usize = 64;

/// The payload of coded columns.
pub fn payload(coded: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, coded.len() as u64);
    for (id, payload) in coded {
        out.push(*id);
        put(&mut out, payload.len() as u64);
    }
    coded.iter().for_each(|(_, payload)| out.extend_from_slice(payload));
    out
}

/// Every `side`-th cell from each place on.
pub fn split(cells: &Cells, side: usize) -> Vec<Cells> {
    fn each<T: Copy>(v: &[T], side: usize, cells: impl Fn(Vec<T>) -> Cells) -> Vec<Cells> {
        (0..side).map(|k| cells(v.iter().skip(k).step_by(side).copied().collect())).collect()
    }
    match cells {
        Cells::W1(v) => each(v, side, Cells::W1),
        Cells::W2(v) => each(v, side, Cells::W2),
        Cells::W4(v) => each(v, side, Cells::W4),
        Cells::W8(v) => each(v, side, Cells::W8),
    }
}

/// The inverse of [`split`], for columns of one width and length.
fn join(columns: &[Cells], width: usize, rows: usize) -> Cells {
    fn each<'a, T: Copy + Default + 'a>(
        columns: impl ExactSizeIterator<Item = &'a [T]>,
        rows: usize,
    ) -> Vec<T> {
        let side = columns.len();
        let mut out = vec![T::default(); rows * side];
        for (k, column) in columns.enumerate() {
            out.iter_mut().skip(k).step_by(side).zip(column).for_each(|(to, x)| *to = *x);
        }
        out
    }
    macro_rules! all {
        ($w:ident) => {
            Cells::$w(each(
                columns.iter().map(|c| if let Cells::$w(v) = c { v.as_slice() } else { &[] }),
                rows,
            ))
        };
    }
    match width {
        1 => all!(W1),
        2 => all!(W2),
        4 => all!(W4),
        _ => all!(W8),
    }
}

/// Decodes column `i` and before it those that it needs.
fn column(
    i: usize,
    coded: &[(u8, &[u8])],
    shape: Shape,
    done: &mut [Option<Cells>],
    depth: usize,
) -> Result<()> {
    if depth > limits::MAX_DERIVATIONS {
        return Err(corruption("columns derived from one another without end"));
    }
    let (id, payload) = *coded.get(i).ok_or_else(|| corruption("columns: no such column"))?;
    if done.get(i).is_some_and(Option::is_some) {
        return Ok(());
    }
    let codec = super::by_id(id).filter(|_| id != super::COLUMNS);
    let codec = codec.ok_or_else(|| unsupported(format!("codec {id} of a column")))?;
    let needs = if codec.derives() { codec.needs(payload)? } else { Vec::new() };
    for &n in &needs {
        column(n, coded, shape, done, depth + 1)?;
    }
    let missing = || corruption("columns: a needed column is missing");
    let needed: Result<Vec<&Cells>> =
        needs.iter().map(|&n| done.get(n).and_then(Option::as_ref).ok_or_else(missing)).collect();
    let cells = codec.decode(payload, shape, &needed?)?;
    if cells.len() != shape.count || cells.width() != shape.scalar.width() {
        return Err(corruption(format!("columns: {} gave {} cells", codec.name(), cells.len())));
    }
    if let Some(to) = done.get_mut(i) {
        *to = Some(cells);
    }
    Ok(())
}

impl Codec for Columns {
    fn id(&self) -> u8 {
        super::COLUMNS
    }
    fn name(&self) -> &'static str {
        "columns"
    }
    fn encode(&self, _stream: &Stream, _level: Level, _out: &mut Vec<u8>) -> Result<bool> {
        Ok(false) // only the selection knows how to code the columns
    }
    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        let mut c = Cursor::new(payload);
        let side = usize::try_from(c.varint()?).unwrap_or(0);
        if !(2..=MOST).contains(&side) || !shape.count.is_multiple_of(side) {
            return Err(corruption("columns: no such rows"));
        }
        let heads: Result<Vec<(u8, usize)>> = (0..side).map(|_| Ok((c.byte()?, c.count()?))).collect();
        let mut coded = Vec::with_capacity(side);
        for (id, len) in heads? {
            coded.push((id, c.take(len)?));
        }
        if !c.rest().is_empty() {
            return Err(corruption("columns: bytes behind the payload"));
        }
        let rows = shape.count / side;
        let shape = Shape { scalar: shape.scalar, count: rows };
        let mut done = vec![None; side];
        for i in 0..side {
            column(i, &coded, shape, &mut done, 0)?;
        }
        let columns: Vec<Cells> = done.into_iter().flatten().collect();
        Ok(join(&columns, shape.scalar.width(), rows))
    }
}
