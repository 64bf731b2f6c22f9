//! The child process: one file, one method, nothing else in memory.

use super::clock::Clock;
use super::columns::Streams;
use super::record::Record;
use super::rivals::Rival;
use super::{Method, peak_rss};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;
use strangelet::archive::{self, Archive};
use strangelet::error::Result;
use strangelet::source::{FileSource, Source, SourceReader, Spool, Target};
use strangelet_formats::ALL;

/// What is short is repeated for this many seconds at most, and the best time counts.
const REPEAT_S: f64 = 0.3;
/// What takes as long as this to restore is compared on the way.
const SLOW_S: f64 = 10.0;
/// Most repetitions.
const REPEATS: usize = 5;
/// Bytes that pass at once between a file and a library.
const BUFFER: usize = 1 << 18;

/// Bytes, seconds and proof of one method.
struct Measured {
    bytes_out: u64,
    compress_s: f64,
    decompress_s: f64,
    columns_s: Option<f64>,
    exact: bool,
    /// Peak of processes that the method started.
    children: u64,
}

/// Measures a method on a file whose content is in another file (or is the file itself).
pub fn measure(
    method: Method,
    name: &str,
    file: &Path,
    content: &Path,
    (threads, clock): (usize, Clock),
) -> Result<Record> {
    let (file, content) = (FileSource::open(file)?, FileSource::open(content)?);
    let m = match method {
        Method::Ours(level) => ours(&file, level, clock)?,
        Method::AsIs(rival) => rivals(rival, &file, clock)?,
        Method::Unpacked(rival) => rivals(rival, &content, clock)?,
        Method::Columns => typed(&file, clock)?,
    };
    Ok(Record {
        file: name.to_string(),
        method: method.name(),
        about: method.about(),
        bytes_in: file.len(),
        bytes_content: content.len(),
        bytes_out: m.bytes_out,
        compress_s: m.compress_s,
        decompress_s: m.decompress_s,
        columns_s: m.columns_s,
        peak_rss: peak_rss("self").map(|own| own.max(m.children)),
        exact: m.exact,
        threads: if matches!(method, Method::Ours(_)) { threads } else { 1 },
        clock: clock.name().to_string(),
    })
}

/// The best time of a few runs, and what the last of them gave.
pub fn best<T>(clock: Clock, mut run: impl FnMut() -> Result<T>) -> Result<(T, f64)> {
    let (mut best, mut total) = (f64::INFINITY, 0.0);
    for n in 1.. {
        let start = clock.now();
        let result = run()?;
        let seconds = clock.now() - start;
        (best, total) = (seconds.min(best), total + seconds);
        if n == REPEATS || total >= REPEAT_S {
            return Ok((result, best));
        }
    }
    Err(io::Error::other("no run").into())
}

fn ours(file: &FileSource, level: strangelet::codec::Level, clock: Clock) -> Result<Measured> {
    let compress = || archive::compress(file, ALL, level, &mut || Ok(Spool::new(u64::MAX)));
    let ((container, _), compress_s) = best(clock, compress)?;
    let archive = Archive::open(&container)?;
    let ((), columns_s) = best(clock, || archive::check_payloads(&archive))?;
    let (restored, decompress_s) = best(clock, || {
        let mut target = Spool::new(file.len());
        archive::decompress(&archive, ALL, &mut target)?;
        Ok(target)
    })?;
    let mut same = Same::new(file);
    io::copy(&mut SourceReader::new(&restored), &mut same)?;
    let bytes_out = container.len();
    Ok(Measured {
        bytes_out,
        compress_s,
        decompress_s,
        columns_s: Some(columns_s),
        exact: same.whole(),
        children: 0,
    })
}

fn rivals(rival: &dyn Rival, input: &FileSource, clock: Clock) -> Result<Measured> {
    let (packed, compress_s) = best(clock, || {
        let mut output = BufWriter::with_capacity(BUFFER, Append(Spool::new(u64::MAX)));
        rival.compress(&mut reader(input), input.len(), &mut output)?;
        Ok(output.into_inner().map_err(|e| e.into_error())?.0)
    })?;
    let mut same = Same::new(input);
    let start = clock.now();
    rival.decompress(&mut reader(&packed), &mut same)?;
    let mut decompress_s = clock.now() - start;
    // Beside so much comparing is nothing; what is quicker runs again without it.
    if decompress_s < SLOW_S {
        let run = || Ok(rival.decompress(&mut reader(&packed), &mut io::sink())?);
        decompress_s = best(clock, run)?.1;
    }
    let (exact, children) = (same.whole(), rival.peak_of_children());
    Ok(Measured { bytes_out: packed.len(), compress_s, decompress_s, columns_s: None, exact, children })
}

fn typed(file: &FileSource, clock: Clock) -> Result<Measured> {
    let streams = Streams::of(file)?;
    let (packed, compress_s) = best(clock, || streams.pack())?;
    let (exact, decompress_s) = streams.unpack(&packed, clock)?;
    let bytes_out = packed.0.iter().map(|p| p.len() as u64).sum::<u64>() + packed.1.len() as u64;
    Ok(Measured { bytes_out, compress_s, decompress_s, columns_s: None, exact, children: 0 })
}

fn reader(source: &dyn Source) -> BufReader<SourceReader<'_>> {
    BufReader::with_capacity(BUFFER, SourceReader::new(source))
}

struct Append(Spool);

impl Write for Append {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write_at(self.0.len(), buf).map_err(|e| io::Error::other(e.to_string()))?;
        Ok(buf.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes bytes and compares them with a source.
struct Same<'a> {
    original: &'a dyn Source,
    pos: u64,
    equal: bool,
}

impl<'a> Same<'a> {
    fn new(original: &'a dyn Source) -> Self {
        Same { original, pos: 0, equal: true }
    }

    /// Whether all bytes came, and no others.
    fn whole(&self) -> bool {
        self.equal && self.pos == self.original.len()
    }
}

impl Write for Same<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let there = self.original.range(self.pos, buf.len() as u64);
        self.equal &= there.is_ok_and(|there| there == buf);
        self.pos += buf.len() as u64;
        Ok(buf.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sameness_is_strict() {
        let original = b"0123456789".to_vec();
        let given = |pieces: &[&[u8]]| {
            let mut same = Same::new(&original);
            pieces.iter().for_each(|p| same.write_all(p).unwrap());
            same.whole()
        };
        assert!(given(&[b"01234", b"56789"]));
        assert!(!given(&[b"01234"]));
        assert!(!given(&[b"0123456789", b"0"]));
        assert!(!given(&[b"01x3456789"]));
    }
}
