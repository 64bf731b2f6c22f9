//! Steps: numbers of floating point that are made of numbers of fewer digits.
//!
//! # What it does
//! A detector measures in steps, and a table tells decimals; what comes later (a division by the mean, another unit, a
//! difference of columns) spreads them over all binary digits. The numbers from before are found and coded instead, and what is left
//! of the cells, mostly nothing: a hidden column, and the distance of each cell from what follows from it.
//!
//! # When it wins
//! On tables of features that were normalised (`(eta - mean) / sigma`), told in another unit (a mass in GeV as binary32, then in
//! TeV), or read from text of few digits; at the level `max`.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | 1 | form: 0 lattice, 1 quotient, 2 another unit, 3 another unit with binary32, 4 normalised |
//! | .. | the form, see below |
//! | 1 | forms 2 and 3 beside another column: type of its cells |
//! | varint | number by which the payload at the end means the hidden column |
//! | 1, varint | codec of the hidden column (store, constant, zstd, adaptive, classes or rows), bytes of its payload |
//! | .. | its payload |
//! | 1 | codec of the distances, one of the same |
//! | to the end | their payload |
//!
//! Numbers are little-endian, binary64 if nothing else is said.
//!
//! | form | bytes | what | the cell follows from n or h |
//! |---|---|---|---|
//! | 0 | 1; then 4, 8, 8 each | number of lines, 1 to 8; the n where a line begins (i32, ascending), offset, step | step x n + offset by the last line that begins at n or before, else by the first |
//! | 1 | 8 | divisor | n / divisor |
//! | 2, 3 | 1, 1, 8, 1 and varint | digits (0 to 15; not 0 in form 2) and least power (i8) of the decimal h, 0: h is the hidden binary32 itself; divisor d; how another column u takes part, and if it does the number of its stream | 0: h / d; with b = u x d, 1: (h - b) / d, 2: (b - h) / d, 3: (h + b) / d. In form 3 h and b are first rounded to binary32 |
//! | 4 | 1, 1, 4, 4 | digits (1 to 7) and least power (i8) of the decimal h, or 0 and places behind the point (0 to 22); mean m and divisor d (binary32) | (h - m) / d, in binary32 |
//!
//! Hidden numbers n are i32, decimals of more than seven digits i64, else binary32. With places p, h is n / 10^p. With digits it is 0 for n = 0; else, with
//! P = 10^(digits - 1) and k = |n| - 1, it is P + k mod 9P times 10^(k div 9P + least), with the sign of n. A negative power divides; beyond 22 on
//! either side h is 0. It is made in binary64, and in form 4 then rounded to binary32. What follows is rounded to the type of the cells. Distances are unsigned and as
//! wide as the cells: zigzag differences (modulo the width) of the ordered keys (`transform/keys.rs`) of the cell and of what follows.
//!
//! # Determinism
//! IEEE binary64 `+ - * /` in the order in which they stand, and integers.
//!
//! # References
//! P. Baldi, P. Sadowski, D. Whiteson, Searching for exotic particles in high-energy physics with deep learning (2014): a table of such
//! columns.

use crate::codec::{Codec, Level, Shape, Stream};
use crate::column::{Cells, Scalar};
use crate::error::{Result, corruption, unsupported};
use crate::format::varint::{Cursor, put};
use crate::limits;
use crate::relate::{cell, number, steps::Form};
use crate::transform::keys::{Map, Word, forward_bits, inverse, unzigzag, zigzag};

/// Numbers made of numbers of fewer digits.
pub struct Steps;

/// A stream as its codec and payload.
type Coded = (u8, Vec<u8>);

/// The payload; `beside` is the type of the other column, `stands` the number of the hidden column in the payload of the distances.
pub fn payload(
    form: &Form,
    beside: Option<Scalar>,
    stands: usize,
    hidden: &Coded,
    distances: &Coded,
) -> Vec<u8> {
    let mut out = Vec::new();
    form.write(&mut out);
    out.extend(beside.map(|s| s as u8));
    put(&mut out, stands as u64);
    out.push(hidden.0);
    put(&mut out, hidden.1.len() as u64);
    out.extend_from_slice(&hidden.1);
    out.push(distances.0);
    out.extend_from_slice(&distances.1);
    out
}

/// Type of the distances.
pub fn distance(scalar: Scalar) -> Scalar {
    if scalar == Scalar::F32 { Scalar::U32 } else { Scalar::U64 }
}

/// What follows from the hidden column, as ordered keys.
fn follows(
    form: &Form,
    hidden: &Cells,
    other: Option<(&Cells, Scalar)>,
    scalar: Scalar,
) -> impl Iterator<Item = u64> {
    let bits = scalar.width() as u32 * 8;
    (0..hidden.len()).map(move |i| {
        let other = other.map_or(0.0, |(cells, of)| number(cells.get(i).unwrap_or(0), of));
        forward_bits(cell(form.value(hidden.get(i).unwrap_or(0), other), scalar), Map::Ordered, bits)
    })
}

/// How far each cell is from what follows from the hidden column.
pub fn distances(
    form: &Form,
    column: &Cells,
    scalar: Scalar,
    hidden: &Cells,
    other: Option<(&Cells, Scalar)>,
) -> Cells {
    let bits = scalar.width() as u32 * 8;
    let keys = follows(form, hidden, other, scalar).enumerate().map(|(i, said)| {
        let key = forward_bits(column.get(i).unwrap_or(0), Map::Ordered, bits);
        zigzag(key.wrapping_sub(said), bits)
    });
    match bits {
        32 => Cells::W4(keys.map(|d| d as u32).collect()),
        _ => Cells::W8(keys.collect()),
    }
}

/// A payload, taken apart.
struct Parts<'a> {
    form: Form,
    /// The other column.
    beside: Option<(usize, Scalar)>,
    stands: usize,
    hidden: (u8, &'a [u8]),
    distances: (u8, &'a [u8]),
}

impl<'a> Parts<'a> {
    fn read(payload: &'a [u8]) -> Result<Parts<'a>> {
        let mut c = Cursor::new(payload);
        let form = Form::read(&mut c)?;
        let beside = match form {
            Form::Unit { beside: Some((_, stream)), .. } => Some((stream, Scalar::from_id(c.byte()?)?)),
            _ => None,
        };
        let stands = usize::try_from(c.varint()?).map_err(|_| corruption("steps: no such stream"))?;
        let (id, len) = (c.byte()?, c.count()?);
        let hidden = (id, c.take(len)?);
        let distances = (c.byte()?, c.rest());
        Ok(Parts { form, beside, stands, hidden, distances })
    }
}

/// The codec of a part.
fn codec_of(id: u8) -> Result<&'static dyn Codec> {
    let inner = super::by_id(id).filter(|_| id == super::ROWS || id == super::CONSTANT || plain(id));
    inner.ok_or_else(|| unsupported(format!("codec {id} within steps")))
}

/// Codecs of numbers that need nothing else.
fn plain(id: u8) -> bool {
    [super::STORE, super::ZSTANDARD, super::ADAPTIVE, super::CLASSES].contains(&id)
}

/// Whether a coded stream may be part of a payload.
pub fn takes(coded: &Coded) -> bool {
    codec_of(coded.0).is_ok()
}

fn needs_of((id, payload): (u8, &[u8])) -> Result<Vec<usize>> {
    let codec = codec_of(id)?;
    if codec.derives() { codec.needs(payload) } else { Ok(Vec::new()) }
}

/// The cells of a part.
fn part((id, payload): (u8, &[u8]), shape: Shape, needed: &[&Cells]) -> Result<Cells> {
    let codec = codec_of(id)?;
    let cells = codec.decode(payload, shape, needed)?;
    if cells.len() != shape.count || cells.width() != shape.scalar.width() {
        return Err(corruption(format!("steps: {} gave {} cells", codec.name(), cells.len())));
    }
    Ok(cells)
}

fn decode_with<W: Word>(
    parts: &Parts,
    shape: Shape,
    hidden: &Cells,
    other: Option<&Cells>,
    far: &Cells,
) -> Result<Cells> {
    let other = other.zip(parts.beside).map(|(cells, of)| (cells, of.1));
    let mut keys: Vec<W> = limits::reserve(shape.count);
    keys.extend(
        follows(&parts.form, hidden, other, shape.scalar)
            .enumerate()
            .map(|(i, said)| W::narrow(said.wrapping_add(unzigzag(far.get(i).unwrap_or(0))))),
    );
    Ok(inverse(keys, Map::Ordered, 0, shape.scalar))
}

impl Codec for Steps {
    fn id(&self) -> u8 {
        super::STEPS
    }
    fn name(&self) -> &'static str {
        "steps"
    }
    fn derives(&self) -> bool {
        true
    }
    fn looks_ahead(&self) -> bool {
        true
    }
    fn needs(&self, payload: &[u8]) -> Result<Vec<usize>> {
        let parts = Parts::read(payload)?;
        let mut needs: Vec<usize> = parts.beside.iter().map(|b| b.0).collect();
        needs.extend(needs_of(parts.hidden)?);
        needs.extend(needs_of(parts.distances)?.into_iter().filter(|n| *n != parts.stands));
        Ok(needs)
    }
    fn encode(&self, _stream: &Stream, _level: Level, _out: &mut Vec<u8>) -> Result<bool> {
        Ok(false) // only the selection, which sees the whole chunk, knows of the other columns
    }
    fn decode(&self, payload: &[u8], shape: Shape, needed: &[&Cells]) -> Result<Cells> {
        let parts = Parts::read(payload)?;
        if !shape.scalar.is_float() {
            return Err(corruption("steps: cells that are no floating point"));
        }
        let mut left = needed.iter().copied();
        let missing = || corruption("steps: a needed stream is missing");
        let other = match parts.beside {
            Some((_, scalar)) => {
                let cells = left.next().ok_or_else(missing)?;
                if cells.len() != shape.count || cells.width() != scalar.width() {
                    return Err(corruption("steps: a needed stream is of another length"));
                }
                Some(cells)
            }
            None => None,
        };
        let wanted = needs_of(parts.hidden)?.len();
        let own: Vec<&Cells> = left.by_ref().take(wanted).collect();
        let hidden = part(parts.hidden, Shape { scalar: parts.form.hidden(), count: shape.count }, &own)?;
        let mut others = Vec::new();
        for n in needs_of(parts.distances)? {
            others.push(if n == parts.stands { &hidden } else { left.next().ok_or_else(missing)? });
        }
        let far =
            part(parts.distances, Shape { scalar: distance(shape.scalar), count: shape.count }, &others)?;
        match shape.scalar.width() {
            8 => decode_with::<u64>(&parts, shape, &hidden, other, &far),
            _ => decode_with::<u32>(&parts, shape, &hidden, other, &far),
        }
    }
}
