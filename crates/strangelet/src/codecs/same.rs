//! Same: the cells of an earlier stream of the chunk.
//!
//! # What it does
//! Names another stream of the same chunk whose cells have the same values. The widths may differ: the
//! lengths of a jagged column equal a counter branch of whatever integer type.
//!
//! # When it wins
//! Always where it fits: lists that share their lengths, copies under two names.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | varint | number of the other stream, below this one's |
//!
//! # Determinism
//! No arithmetic. Wider cells are zero-extended; narrower cells must hold the value.

use crate::codec::{Codec, Level, Shape, Stream};
use crate::column::Cells;
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};

/// The cells of an earlier stream.
pub struct Same;

/// The payload that names a stream.
pub fn payload(stream: usize) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, stream as u64);
    out
}

impl Codec for Same {
    fn id(&self) -> u8 {
        1
    }
    fn name(&self) -> &'static str {
        "same"
    }
    fn derives(&self) -> bool {
        true
    }
    fn needs(&self, payload: &[u8]) -> Result<Vec<usize>> {
        let mut c = Cursor::new(payload);
        let n = c.varint()?;
        if !c.rest().is_empty() {
            return Err(corruption("same: bytes behind the payload"));
        }
        Ok(vec![usize::try_from(n).map_err(|_| corruption("same: no such stream"))?])
    }
    fn encode(&self, _stream: &Stream, _level: Level, _out: &mut Vec<u8>) -> Result<bool> {
        Ok(false) // only the selection, which sees the whole chunk, knows of equals
    }
    fn decode(&self, _payload: &[u8], shape: Shape, needed: &[&Cells]) -> Result<Cells> {
        let other = *needed.first().ok_or_else(|| corruption("same: the other stream is missing"))?;
        if other.len() != shape.count {
            return Err(corruption(format!("same: {} cells, not {}", other.len(), shape.count)));
        }
        resize(other, shape.scalar.width())
    }
}

/// The same values in cells of another width; an error where one does not fit.
fn resize(cells: &Cells, width: usize) -> Result<Cells> {
    if cells.width() == width {
        return Ok(cells.clone());
    }
    let n = cells.len();
    let values = (0..n).map(|i| cells.get(i).unwrap_or(0));
    let narrow = || corruption("same: a value does not fit");
    Ok(match width {
        1 => Cells::W1(values.map(|x| x.try_into().map_err(|_| narrow())).collect::<Result<_>>()?),
        2 => Cells::W2(values.map(|x| x.try_into().map_err(|_| narrow())).collect::<Result<_>>()?),
        4 => Cells::W4(values.map(|x| x.try_into().map_err(|_| narrow())).collect::<Result<_>>()?),
        _ => Cells::W8(values.collect()),
    })
}
