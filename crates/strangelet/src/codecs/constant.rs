//! Constant: one value for all cells.
//!
//! # What it does
//! Writes the value once, without its leading zero bytes.
//!
//! # When it wins
//! On columns that never change, which are many: flags, versions, empty lists.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | 0 to width | the bit pattern, little-endian, leading zero bytes left out |
//!
//! # Determinism
//! No arithmetic.

use crate::codec::{Codec, Level, Shape, Stream};
use crate::column::Cells;
use crate::each_width;
use crate::error::{Result, corruption};

/// One value for all cells.
pub struct Constant;

impl Codec for Constant {
    fn id(&self) -> u8 {
        2
    }
    fn name(&self) -> &'static str {
        "constant"
    }
    fn encode(&self, stream: &Stream, _level: Level, out: &mut Vec<u8>) -> Result<bool> {
        if !each_width!(stream.cells, v => v.iter().all(|x| Some(x) == v.first())) {
            return Ok(false);
        }
        let value = stream.cells.get(0).unwrap_or(0);
        let bytes = value.to_le_bytes();
        out.extend_from_slice(&bytes[..8 - value.leading_zeros() as usize / 8]);
        Ok(true)
    }
    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        if payload.len() > shape.scalar.width() {
            return Err(corruption(format!("constant: {} bytes", payload.len())));
        }
        let mut bytes = [0; 8];
        bytes[..payload.len()].copy_from_slice(payload);
        let value = u64::from_le_bytes(bytes);
        Ok(match shape.scalar.width() {
            1 => Cells::W1(vec![value as u8; shape.count]),
            2 => Cells::W2(vec![value as u16; shape.count]),
            4 => Cells::W4(vec![value as u32; shape.count]),
            _ => Cells::W8(vec![value; shape.count]),
        })
    }
}
