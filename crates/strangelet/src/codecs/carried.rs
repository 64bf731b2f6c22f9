//! Carried: hits that start from what an earlier chunk of the same table has taught.
//!
//! # What it does
//! A chunk of frames is coded by the model of `hits` as it was at the end of an earlier chunk. Any chunk can still be read: it
//! needs the one that it starts from, and so on, at most [`crate::limits::MAX_CARRIED`] of them, and nothing else.
//!
//! # When it wins
//! Where a chunk holds few hits, and in streams of frames of one detector whose habits no bundle knows.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | varint | how many chunks of the table back, at least 1, the chunk is that this one starts from |
//! | to the end | as `codecs/hits/carry.rs` says |
//!
//! The payload of the same stream there is one of `hits` or of `carried`. The stream is the values of a flat column.
//!
//! # Determinism
//! As `hits`.
//!
//! # References
//! Key pictures and those that follow them in video: ITU-T H.262. K. Knoll, cmix: models that are primed.

use super::CARRIED;
use super::hits;
use crate::codec::{Codec, Learnt, Level, Shape, Stream};
use crate::column::Cells;
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use std::sync::Arc;

/// Hits after others.
pub struct Carried;

/// The payload of a stream that starts from what the one `back` chunks before has taught, or nothing where it is of another
/// kind.
pub fn payload(stream: &Stream, back: u64, before: &Learnt) -> Result<Option<Vec<u8>>> {
    let Some(before) = before.downcast_ref::<hits::Learnt>() else { return Ok(None) };
    let mut out = Vec::new();
    put(&mut out, back);
    Ok(hits::encode_after(stream, before, &mut out)?.then_some(out))
}

impl Codec for Carried {
    fn id(&self) -> u8 {
        CARRIED
    }

    fn name(&self) -> &'static str {
        "carried"
    }

    fn encode(&self, _stream: &Stream, _level: Level, _out: &mut Vec<u8>) -> Result<bool> {
        // One stream alone has nothing to start from.
        Ok(false)
    }

    fn decode(&self, _payload: &[u8], _shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        Err(corruption("carried: a payload that starts from another chunk, where there is none"))
    }

    fn starts_after(&self, payload: &[u8]) -> Result<Option<u64>> {
        match Cursor::new(payload).varint()? {
            0 => Err(corruption("carried: a chunk that starts from itself")),
            back => Ok(Some(back)),
        }
    }

    fn learn(&self, payload: &[u8], shape: Shape, before: Option<&Learnt>) -> Result<(Cells, Learnt)> {
        let before = before.and_then(|b| b.downcast_ref::<hits::Learnt>());
        let before = before.ok_or_else(|| corruption("carried: starts from what are no hits"))?;
        let mut c = Cursor::new(payload);
        c.varint()?;
        let (cells, learnt) = hits::decode_after(c.rest(), shape, before)?;
        Ok((cells, Arc::new(learnt)))
    }
}
