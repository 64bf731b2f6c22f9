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
use std::cell::RefCell;

type Kept = RefCell<Option<(i32, zstd::bulk::Compressor<'static>)>>;

thread_local! {
    /// States are kept from stream to stream: the tables of an encoder are larger than most streams.
    static ENCODER: Kept = const { RefCell::new(None) };
    static GLANCE: Kept = const { RefCell::new(None) };
    static DECODER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Byte planes through zstd.
pub struct Zstandard;

/// About how many bytes a stream would take: no less than it will, and mostly little more.
pub fn glance(stream: &Stream) -> Result<usize> {
    Ok(squeeze(stream, 1, &GLANCE)?.len())
}

fn squeeze(stream: &Stream, strength: i32, encoder: &'static std::thread::LocalKey<Kept>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.cells.to_le_bytes(&mut bytes);
    let bytes = planes(bytes, stream.cells.width());
    Ok(encoder.with_borrow_mut(|kept| {
        let encoder = match kept {
            Some((level, encoder)) if *level == strength => encoder,
            _ => &mut kept.insert((strength, zstd::bulk::Compressor::new(strength)?)).1,
        };
        encoder.compress(&bytes)
    })?)
}

impl Codec for Zstandard {
    fn id(&self) -> u8 {
        3
    }
    fn name(&self) -> &'static str {
        "zstd"
    }
    fn encode(&self, stream: &Stream, level: Level, out: &mut Vec<u8>) -> Result<bool> {
        let strings = !matches!(stream.role, Role::Values(Meaning::Number) | Role::Lengths);
        let strength = match (level, strings) {
            (Level::Fast, _) => 3,
            // Numbers have few repeats, and those are found soon.
            (Level::Balanced, false) => 6,
            (Level::Balanced, true) => 9,
            (Level::Max, _) => 19,
        };
        out.extend(squeeze(stream, strength, &ENCODER)?);
        Ok(true)
    }
    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        let width = shape.scalar.width();
        let len = shape.count.checked_mul(width).ok_or_else(|| corruption("zstd: too many cells"))?;
        let claimed = zstd::zstd_safe::get_frame_content_size(payload).ok().flatten();
        if claimed != Some(len as u64) {
            return Err(corruption("zstd: the frame has another size"));
        }
        let bytes = DECODER
            .with_borrow_mut(|kept| {
                let decoder = match kept {
                    Some(decoder) => decoder,
                    None => kept.insert(zstd::bulk::Decompressor::new()?),
                };
                decoder.decompress(payload, len)
            })
            .map_err(|e| corruption(format!("zstd: {e}")))?;
        Cells::from_le_bytes(shape.scalar, &unplanes(bytes, width))
    }
}

/// Byte k of every cell together, for each k.
fn planes(bytes: Vec<u8>, width: usize) -> Vec<u8> {
    fn split<const W: usize>(bytes: &[u8]) -> Vec<u8> {
        let cells = bytes.as_chunks::<W>().0;
        let mut out = Vec::with_capacity(bytes.len());
        for k in 0..W {
            out.extend(cells.iter().map(|c| c[k]));
        }
        out
    }
    match width {
        2 => split::<2>(&bytes),
        4 => split::<4>(&bytes),
        8 => split::<8>(&bytes),
        _ => bytes,
    }
}

/// The inverse of [`planes`].
fn unplanes(bytes: Vec<u8>, width: usize) -> Vec<u8> {
    fn join<const W: usize>(bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![0; bytes.len()];
        let cells = out.as_chunks_mut::<W>().0;
        for (k, plane) in bytes.chunks_exact((bytes.len() / W).max(1)).enumerate().take(W) {
            cells.iter_mut().zip(plane).for_each(|(c, b)| c[k] = *b);
        }
        out
    }
    match width {
        2 => join::<2>(&bytes),
        4 => join::<4>(&bytes),
        8 => join::<8>(&bytes),
        _ => bytes,
    }
}
