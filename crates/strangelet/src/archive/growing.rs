//! A file that comes piece by piece and is seen once: coded as it comes, proved at the end from the container alone.

use super::{AppendTo, Archive, Encoder, Report};
use crate::codec::Effort;
use crate::dissect::{Context, FileFormat, Proofs, Sink};
use crate::error::{Error, Result, corruption};
use crate::format::Original;
use crate::source::{Source, Spool, Target};
use std::io::BufWriter;
use xxhash_rust::xxh3::Xxh3;

/// Bytes that are read at once.
const PIECE: u64 = 1 << 20;

/// Length and checksums of bytes that come in order.
pub struct Seen {
    len: u64,
    xxh3: Box<Xxh3>,
    adler: simd_adler32::Adler32,
}

impl Default for Seen {
    fn default() -> Self {
        Seen { len: 0, xxh3: Box::new(Xxh3::new()), adler: simd_adler32::Adler32::new() }
    }
}

impl Seen {
    /// The next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.xxh3.update(bytes);
        self.adler.write(bytes);
    }

    /// All bytes of a source.
    pub fn read(&mut self, source: &dyn Source) -> Result<()> {
        let mut pos = 0;
        while pos < source.len() {
            let bytes = source.range(pos, (source.len() - pos).min(PIECE))?;
            self.take(&bytes);
            pos += bytes.len() as u64;
        }
        Ok(())
    }

    /// What came so far.
    pub fn original(&self) -> Original {
        Original { len: self.len, xxh3: self.xxh3.digest128(), adler32: self.adler.clone().finish() }
    }
}

impl Target for Seen {
    fn write_at(&mut self, pos: u64, bytes: &[u8]) -> Result<()> {
        if pos != self.len {
            return Err(corruption("bytes out of order"));
        }
        self.take(bytes);
        Ok(())
    }
}

/// Compresses what `feed` tells of into an empty spool: it puts tables into the sink and, in the order of the original, all
/// bytes of it into the checksum. With `carry`, chunks of hits start from what earlier ones have taught (see
/// [`Encoder::carry`]). The format must assemble its file from front to back. At the end all is decoded once more and compared
/// by length and checksums.
///
/// # Errors
/// Those of `feed`, and where what was coded does not come back.
pub fn compress_growing(
    formats: &[&dyn FileFormat],
    format: &dyn FileFormat,
    effort: impl Into<Effort>,
    carry: Option<u32>,
    spool: Spool,
    feed: &mut dyn FnMut(&mut dyn Sink, &mut Seen) -> Result<()>,
) -> Result<(Spool, Report)> {
    let effort = effort.into();
    let mut encoder = Encoder::new(BufWriter::with_capacity(1 << 18, AppendTo(spool)), effort)?;
    if let Some(depth) = carry {
        encoder.carry(depth);
    }
    let mut seen = Seen::default();
    feed(&mut encoder, &mut seen)?;
    let original = seen.original();
    let (out, compressed) = encoder.into_writer().finish(format.id(), original, &[])?;
    let spool = out.into_inner().map_err(|e| Error::from(e.into_error()))?.0;
    let proofs = Proofs::default();
    let cx = Context { formats, proofs: &proofs, level: effort.level };
    let mut back = Seen::default();
    format.assemble(&cx, &Archive::open(&spool)?, &mut back)?;
    if back.original() != original {
        return Err(corruption("what came back is not what went in; did a file change while it was read?"));
    }
    Ok((spool, Report { original, compressed, format: format.name(), refused: Vec::new() }))
}
