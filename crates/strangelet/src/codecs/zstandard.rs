//! Zstandard: byte planes through a general coder.
//!
//! # What it does
//! Puts the first bytes of all cells together, then the second bytes and so on, and compresses the
//! result as one zstd frame.
//!
//! # When it wins
//! On text and bytes, and on cells that repeat at a distance.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | all | a zstd frame (RFC 8878) of count x width bytes: plane k holds byte k (little-endian) of every cell |
//!
//! # Determinism
//! The decoder is defined by RFC 8878.

use crate::codec::{Codec, Level, Role, Shape, Stream};
use crate::column::{Cells, Meaning};
use crate::error::{Result, corruption};

/// Byte planes through zstd.
pub struct Zstandard;

impl Codec for Zstandard {
    fn id(&self) -> u8 {
        3
    }
    fn name(&self) -> &'static str {
        "zstd"
    }
    fn encode(&self, stream: &Stream, level: Level, out: &mut Vec<u8>) -> Result<bool> {
        let mut bytes = Vec::new();
        stream.cells.to_le_bytes(&mut bytes);
        let strings = !matches!(stream.role, Role::Values(Meaning::Number) | Role::Lengths);
        let strength = match level {
            Level::Fast => 5,
            Level::Balanced => 12,
            Level::Max => 19,
        };
        let _ = strings;
        out.extend(zstd::bulk::compress(&planes(&bytes, stream.cells.width()), strength)?);
        Ok(true)
    }
    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        let width = shape.scalar.width();
        let len = shape.count.checked_mul(width).ok_or_else(|| corruption("zstd: too many cells"))?;
        let claimed = zstd::zstd_safe::get_frame_content_size(payload).ok().flatten();
        if claimed != Some(len as u64) {
            return Err(corruption("zstd: the frame has another size"));
        }
        let bytes = zstd::bulk::decompress(payload, len).map_err(|e| corruption(format!("zstd: {e}")))?;
        Cells::from_le_bytes(shape.scalar, &unplanes(&bytes, width))
    }
}

/// Byte k of every cell together, for each k.
fn planes(bytes: &[u8], width: usize) -> Vec<u8> {
    (0..width).flat_map(|k| bytes.iter().skip(k).step_by(width).copied()).collect()
}

/// The inverse of [`planes`].
fn unplanes(bytes: &[u8], width: usize) -> Vec<u8> {
    let n = bytes.len() / width;
    (0..bytes.len()).map(|i| bytes[(i % width) * n + i / width]).collect()
}
