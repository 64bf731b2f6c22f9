//! Frames: many `.npy` files of one kind as one file. The content is all of them, one behind the other, as `numpy.save` writes
//! them into a file that stays open; their names are beside it.
//!
//! Frames of one kind (the same header to the byte) are the events of one table. They are coded in groups as they come, so that
//! nothing but the group is in memory, and a frame is read with its group alone. What is no frame goes beside them.
//!
//! # Tables
//! | number | name | columns |
//! |---|---|---|
//! | 0 | kinds | residue; one event for each kind: `plan`: rows in a file (varint), layout of a row (as in plans), header |
//! | 1 | files | one event for each file, in order: `name` (text; `/` between folders), `kind` (u16; 0: no frame, its bytes are in `content`; else the number of its kind, from 1 on), `content` (bytes) |
//! | from 2 on | frames | one event for each row of a file of the kind |
//!
//! A row is a frame; a file of more than 8 MiB holds several, as many as its first axes count. A file is its header and its rows.

mod pack;
mod unpack;

pub use pack::Packer;
pub use unpack::{File, count, names, walk};

use crate::npy;
use crate::plan::CHUNK;
use crate::wrap::Part;
use std::io::Read;
use strangelet::dissect::{Context, FileFormat, Sink, Tables};
use strangelet::error::{Result, corruption, unsupported};
use strangelet::source::{Source, Spool, Target};

/// Most kinds of frames in a file.
pub const MAX_KINDS: usize = 16;
/// Most bytes of a file that is no frame.
pub const MAX_OTHER: u64 = 8 << 20;
/// Most bytes of a name.
pub const MAX_NAME: usize = 4096;

/// Frames, one behind the other.
pub struct Frames;

impl FileFormat for Frames {
    fn id(&self) -> u16 {
        11
    }
    fn name(&self) -> &'static str {
        "frames"
    }

    /// Two arrays, one behind the other.
    fn probe(&self, source: &dyn Source) -> bool {
        let Ok(Some(first)) = npy::frames(source, CHUNK) else { return false };
        let Some(next) = first.head.checked_add(first.len) else { return false };
        source.range(next, npy::MAGIC.len() as u64).is_ok_and(|m| m == npy::MAGIC)
    }

    fn dissect(&self, _cx: &Context, source: &dyn Source, sink: &mut dyn Sink) -> Result<()> {
        let mut packer = Packer::new(sink, None)?;
        let mut pos = 0;
        while pos < source.len() {
            let rest = Part { source, from: pos, len: source.len() - pos };
            let len = npy::frames(&rest, CHUNK)?.and_then(|f| f.head.checked_add(f.len));
            let len = len.filter(|&n| n <= rest.len).ok_or_else(|| corruption("no frame behind a frame"))?;
            packer.add("", &Part { source, from: pos, len })?;
            pos += len;
        }
        packer.finish()
    }

    fn assemble(&self, _cx: &Context, tables: &dyn Tables, target: &mut dyn Target) -> Result<()> {
        let mut pos = 0;
        walk(tables, &mut |_| Ok(true), &mut |_, bytes| {
            target.write_at(pos, bytes)?;
            pos += bytes.len() as u64;
            Ok(())
        })
    }

    fn loosen(&self, _source: &dyn Source) -> Result<Option<Spool>> {
        Ok(None)
    }
}

/// The next `.npy` of a sequence on a pipe, at most `most` bytes of it, or nothing at the end of the sequence.
pub fn next(reader: &mut dyn Read, most: u64) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    loop {
        let want = npy::wanted(&bytes)?;
        if want > most {
            return Err(unsupported(format!("an array of {want} bytes; on a pipe it may have {most}")));
        }
        if want == bytes.len() as u64 {
            return Ok(Some(bytes));
        }
        reader.take(want - bytes.len() as u64).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if (bytes.len() as u64) < want {
            return Err(corruption("the sequence ends within an array"));
        }
    }
}

/// The name of a file that came without one.
pub fn unnamed(number: u64) -> String {
    format!("frame-{number:06}.npy")
}

/// Refuses names that could lead out of a folder, or that not every system takes as they are.
pub fn check_name(name: &str) -> Result<()> {
    let strange = |c: char| c == '\\' || c == '\0' || (cfg!(windows) && c == ':');
    let part = |p: &str| !p.is_empty() && p != "." && p != "..";
    if name.len() > MAX_NAME || name.chars().any(strange) || !name.split('/').all(part) {
        return Err(unsupported(format!("the name {name:?} could lead out of its folder")));
    }
    Ok(())
}
