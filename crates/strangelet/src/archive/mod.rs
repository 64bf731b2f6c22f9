//! A file in, a container out, and back: dissects, codes, verifies; decodes, assembles, checks.

mod carry;
mod decode;
mod encode;
mod growing;
mod landing;
mod network;
mod reduce;

pub use decode::Archive;
pub use encode::{Encoder, Prepared};
pub use growing::{Seen, compress_growing};
pub use network::Network;
pub use reduce::{Reduced, Target as ReduceTarget, Wish, column_name, reduce};

use crate::codec::{Effort, Level};
use crate::dissect::{Context, FileFormat, Proofs, Tables};
use crate::error::{Error, Result, corruption, unsupported};
use crate::format::{Original, Promise};
use crate::source::{Compare, Source, Spool, Target};
use std::io::{BufWriter, Write};

/// Bytes that a container may have more than its file for the sake of readable columns.
const COLUMNS_WORTH: u64 = 1024;

/// What became of a file.
#[derive(Debug, Clone)]
pub struct Report {
    /// The original.
    pub original: Original,
    /// Bytes of the container.
    pub compressed: u64,
    /// Name of the kind of file that took it apart.
    pub format: &'static str,
    /// Why more special kinds, which had claimed the file, did not keep it.
    pub refused: Vec<String>,
}

/// What [`compress_watched`] is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading the original for its checksums.
    Reading,
    /// Taking it apart and coding. Begins again where a kind of file gave up.
    Compressing,
    /// Restoring it and comparing with the original.
    Verifying,
}

/// Files of up to so many bytes are held in memory while they are taken apart.
const HELD: u64 = 16 << 20;

/// Compresses a file into an empty spool and proves that it comes back.
///
/// `formats` are tried in order among those that recognise the file; the last must accept anything.
/// A kind that fails, or whose container does not give the very same bytes, leaves no trace but
/// its line in [`Report::refused`]. Where a kind makes the file clearly larger, the next ones are tried too, and the
/// smallest container is kept.
pub fn compress(
    source: &dyn Source,
    formats: &[&dyn FileFormat],
    effort: impl Into<Effort>,
    new_spool: &mut dyn FnMut() -> Result<Spool>,
) -> Result<(Spool, Report)> {
    compress_watched(source, formats, effort, new_spool, &mut |_| {})
}

/// The same as [`compress`], telling `watch` which phase begins.
pub fn compress_watched(
    source: &dyn Source,
    formats: &[&dyn FileFormat],
    effort: impl Into<Effort>,
    new_spool: &mut dyn FnMut() -> Result<Spool>,
    watch: &mut dyn FnMut(Phase),
) -> Result<(Spool, Report)> {
    compress_with(source, formats, effort.into(), new_spool, watch, With::default())
}

/// What is known of a file that was reduced.
#[derive(Default)]
struct With<'a> {
    promise: Option<&'a Promise>,
    prepared: Prepared,
}

/// The same for a file that may be a reduced one, which says so in its container.
fn compress_with(
    source: &dyn Source,
    formats: &[&dyn FileFormat],
    effort: Effort,
    new_spool: &mut dyn FnMut() -> Result<Spool>,
    watch: &mut dyn FnMut(Phase),
    with: With,
) -> Result<(Spool, Report)> {
    watch(Phase::Reading);
    // A small file is read once; of a large one the pieces that are worked on.
    let held = if source.len() <= HELD { Some(source.range(0, source.len())?) } else { None };
    let source: &dyn Source = match &held {
        Some(bytes) => bytes,
        None => source,
    };
    let original = checksum(source)?;
    let mut refused = Vec::new();
    let mut best: Option<(Spool, &'static str)> = None;
    for format in formats.iter().filter(|f| f.probe(source)) {
        let spool = new_spool()?;
        let attempt = || -> Result<Spool> {
            let proofs = Proofs::default();
            let cx = Context { formats, proofs: &proofs, level: effort.level };
            watch(Phase::Compressing);
            let spool = write(source, *format, &cx, effort, original, spool, &with)?;
            watch(Phase::Verifying);
            prove(&spool, source, *format, &cx)?;
            Ok(spool)
        };
        // A fault of ours in one kind must not keep the file from being stored as another.
        let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt)).unwrap_or_else(|_| {
            Err(corruption("it failed on this file (a fault of the program: please report it)"))
        });
        match attempt {
            Ok(spool) => {
                let smaller = best.as_ref().is_none_or(|(b, _)| spool.len() < b.len());
                let gains = spool.len() < original.len.saturating_add(COLUMNS_WORTH);
                best = if smaller { Some((spool, format.name())) } else { best };
                if gains {
                    break;
                }
                // Clearly larger than the file itself: the plainer kinds may do better.
            }
            Err(e) if e.kind() == crate::error::Kind::Io => return Err(e),
            Err(e) => refused.push(format!("{}: {e}", format.name())),
        }
    }
    match best {
        Some((spool, format)) => {
            let compressed = spool.len();
            Ok((spool, Report { original, compressed, format, refused }))
        }
        None => Err(unsupported(format!("no kind of file takes it ({})", refused.join("; ")))),
    }
}

fn write(
    source: &dyn Source,
    format: &dyn FileFormat,
    cx: &Context,
    effort: Effort,
    original: Original,
    spool: Spool,
    with: &With,
) -> Result<Spool> {
    let out = BufWriter::with_capacity(1 << 18, AppendTo(spool));
    let mut encoder = Encoder::new(out, effort)?;
    encoder.prepare(&with.prepared);
    format.dissect(cx, source, &mut encoder)?;
    let mut writer = encoder.into_writer();
    if let Some(promise) = with.promise {
        writer.promise(promise.clone());
    }
    let (out, _) = writer.finish(format.id(), original, &[])?;
    Ok(out.into_inner().map_err(|e| Error::from(e.into_error()))?.0)
}

fn prove(container: &Spool, source: &dyn Source, format: &dyn FileFormat, cx: &Context) -> Result<()> {
    let archive = Archive::open(container)?;
    let mut compare = Compare::new(source);
    format.assemble(cx, &archive, &mut compare)?;
    compare.finish()
}

/// Restores the original of a container into a target, and checks what came out.
///
/// `T` must also be readable: its bytes are read again for the checksum.
pub fn decompress<S: Source, T: Source + Target>(
    archive: &Archive<S>,
    formats: &[&dyn FileFormat],
    target: &mut T,
) -> Result<Original> {
    let expected = archive.index().original;
    let proofs = Proofs::default();
    let cx = Context { formats, proofs: &proofs, level: Level::Fast };
    let id = archive.index().format;
    let format =
        cx.format(id).ok_or_else(|| unsupported(format!("file format {id} is not known to this build")))?;
    format.assemble(&cx, archive, target)?;
    let found = checksum(target)?;
    if found != expected {
        return Err(corruption("the restored bytes have another checksum than the original"));
    }
    Ok(found)
}

/// Reads every payload of a container against its checksum and decodes every column.
pub fn check_payloads<S: Source>(archive: &Archive<S>) -> Result<()> {
    for table in 0..archive.count() {
        for chunk in 0..archive.chunks(table)?.len() {
            archive.read(table, chunk)?;
        }
    }
    (0..archive.index().bundles.len()).try_for_each(|b| archive.reader().bundle(b).map(drop))
}

/// Length and checksums of a source.
pub fn checksum(source: &dyn Source) -> Result<Original> {
    let mut seen = Seen::default();
    seen.read(source)?;
    Ok(seen.original())
}

struct AppendTo(Spool);

impl Write for AppendTo {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.0.append(buf).map_err(|e| std::io::Error::other(e.to_string()))?;
        Ok(buf.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
