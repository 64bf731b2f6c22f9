//! Store: the cells as they are.
//!
//! # What it does
//! Writes every cell as little-endian bytes.
//!
//! # When it wins
//! On noise, and as the last resort: no stream ever becomes larger.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | count x width | the cells, little-endian |
//!
//! # Determinism
//! No arithmetic.

use crate::codec::{Codec, Level, Shape, Stream};
use crate::column::Cells;
use crate::error::{Result, corruption};

/// The cells as they are.
pub struct Store;

impl Codec for Store {
    fn id(&self) -> u8 {
        0
    }
    fn name(&self) -> &'static str {
        "store"
    }
    fn encode(&self, stream: &Stream, _level: Level, out: &mut Vec<u8>) -> Result<bool> {
        stream.cells.to_le_bytes(out);
        Ok(true)
    }
    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        if Some(payload.len()) != shape.count.checked_mul(shape.scalar.width()) {
            return Err(corruption(format!("store: {} bytes for {} cells", payload.len(), shape.count)));
        }
        Cells::from_le_bytes(shape.scalar, payload)
    }
}
