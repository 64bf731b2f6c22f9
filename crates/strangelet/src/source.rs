//! Where bytes come from and where they go: positional sources, positional targets, and a spool that is both.

use crate::error::{Result, corruption};
use std::fs::File;
use std::io::{self, Read};
use std::sync::Mutex;

/// Bytes that can be read at any place, by several threads at once.
pub trait Source: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;
    /// Fills `buf` from `pos` on; an error where the source ends before.
    fn read_at(&self, pos: u64, buf: &mut [u8]) -> Result<()>;

    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of a range; an error, and no allocation, where the range is not within the source.
    fn range(&self, pos: u64, len: u64) -> Result<Vec<u8>> {
        if pos.checked_add(len).is_none_or(|end| end > self.len()) {
            return Err(corruption(format!("{len} bytes at {pos} lie beyond the end at {}", self.len())));
        }
        let mut buf = vec![0; len as usize];
        self.read_at(pos, &mut buf)?;
        Ok(buf)
    }
}

/// A place to put bytes together in any order.
pub trait Target {
    /// Writes `bytes` at `pos`.
    fn write_at(&mut self, pos: u64, bytes: &[u8]) -> Result<()>;

    /// While verifying: the bytes that the original has there. `None` on a real restore.
    fn original(&self, pos: u64, len: u64) -> Option<Vec<u8>> {
        let _ = (pos, len);
        None
    }
}

impl Source for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }
    fn read_at(&self, pos: u64, buf: &mut [u8]) -> Result<()> {
        let end = pos.checked_add(buf.len() as u64).filter(|&e| e <= <[u8]>::len(self) as u64);
        match end {
            Some(end) => buf.copy_from_slice(&self[pos as usize..end as usize]),
            None => return Err(corruption(format!("{} bytes at {pos} lie beyond the end", buf.len()))),
        }
        Ok(())
    }
}

impl Source for Vec<u8> {
    fn len(&self) -> u64 {
        Source::len(self.as_slice())
    }
    fn read_at(&self, pos: u64, buf: &mut [u8]) -> Result<()> {
        self.as_slice().read_at(pos, buf)
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn len(&self) -> u64 {
        (**self).len()
    }
    fn read_at(&self, pos: u64, buf: &mut [u8]) -> Result<()> {
        (**self).read_at(pos, buf)
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn len(&self) -> u64 {
        (**self).len()
    }
    fn read_at(&self, pos: u64, buf: &mut [u8]) -> Result<()> {
        (**self).read_at(pos, buf)
    }
}

/// A file opened for positional access, with the length it had when it was opened.
pub struct FileSource {
    file: File,
    len: u64,
}

impl FileSource {
    /// Takes an open regular file.
    pub fn new(file: File) -> Result<Self> {
        let len = file.metadata()?.len();
        Ok(FileSource { file, len })
    }

    /// Opens a file by name.
    pub fn open(path: &std::path::Path) -> Result<Self> {
        File::open(path)
            .map_err(Into::into)
            .and_then(Self::new)
            .map_err(|e: crate::error::Error| e.within(path.display()))
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, pos: u64, buf: &mut [u8]) -> Result<()> {
        Ok(read_exact_at(&self.file, buf, pos)?)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buf: &mut [u8], pos: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, pos)
}

#[cfg(unix)]
fn write_all_at(file: &File, buf: &[u8], pos: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, buf, pos)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buf: &mut [u8], mut pos: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buf.is_empty() {
        match file.seek_read(buf, pos)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                buf = &mut buf[n..];
                pos += n as u64;
            }
        }
    }
    Ok(())
}

#[cfg(windows)]
fn write_all_at(file: &File, mut buf: &[u8], mut pos: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buf.is_empty() {
        let n = file.seek_write(buf, pos)?;
        buf = &buf[n..];
        pos += n as u64;
    }
    Ok(())
}

/// Reads a source from front to back.
pub struct SourceReader<'a> {
    source: &'a dyn Source,
    pos: u64,
    end: u64,
}

impl<'a> SourceReader<'a> {
    /// Reads all of it.
    pub fn new(source: &'a dyn Source) -> Self {
        SourceReader { source, pos: 0, end: source.len() }
    }
}

impl Read for SourceReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = (self.end - self.pos).min(buf.len() as u64) as usize;
        self.source.read_at(self.pos, &mut buf[..n]).map_err(|e| io::Error::other(e.to_string()))?;
        self.pos += n as u64;
        Ok(n)
    }
}

/// Bytes of a spool that stay in memory before it moves to an unnamed temporary file.
const SPOOL_MEMORY: u64 = 32 << 20;

enum Store {
    Memory(Vec<u8>),
    File { file: File, len: u64 },
}

/// Source and target at once: in memory while small, in a temporary file when it grows.
/// Places that were never written read as zero.
pub struct Spool {
    store: Store,
    limit: u64,
}

impl Spool {
    /// A spool that refuses to grow beyond `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Spool { store: Store::Memory(Vec::new()), limit }
    }

    /// A spool in a file of the caller's, which should be empty and open for reading and writing.
    pub fn in_file(file: File, limit: u64) -> Self {
        Spool { store: Store::File { file, len: 0 }, limit }
    }

    /// Appends at the end.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_at(self.len(), bytes)
    }

    /// Copies everything a reader gives.
    pub fn fill_from(&mut self, reader: &mut dyn Read) -> Result<()> {
        let mut buf = vec![0; 1 << 18];
        loop {
            match reader.read(&mut buf) {
                Ok(0) => return Ok(()),
                Ok(n) => self.append(&buf[..n])?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// The file of [`Spool::in_file`].
    pub fn into_file(self) -> Option<File> {
        match self.store {
            Store::File { file, .. } => Some(file),
            Store::Memory(_) => None,
        }
    }
}

impl Source for Spool {
    fn len(&self) -> u64 {
        match &self.store {
            Store::Memory(v) => v.len() as u64,
            Store::File { len, .. } => *len,
        }
    }
    fn read_at(&self, pos: u64, buf: &mut [u8]) -> Result<()> {
        match &self.store {
            Store::Memory(v) => v.read_at(pos, buf),
            Store::File { file, .. } => Ok(read_exact_at(file, buf, pos)?),
        }
    }
}

impl Target for Spool {
    fn write_at(&mut self, pos: u64, bytes: &[u8]) -> Result<()> {
        let end = pos.checked_add(bytes.len() as u64).filter(|&e| e <= self.limit);
        let Some(end) = end else {
            return Err(corruption(format!(
                "{} bytes at {pos} lie beyond the end at {}",
                bytes.len(),
                self.limit
            )));
        };
        if let Store::Memory(v) = &self.store
            && end > SPOOL_MEMORY
        {
            let file = tempfile::tempfile()?;
            write_all_at(&file, v, 0)?;
            self.store = Store::File { len: v.len() as u64, file };
        }
        match &mut self.store {
            Store::Memory(v) => {
                if v.len() < end as usize {
                    v.resize(end as usize, 0);
                }
                v[pos as usize..end as usize].copy_from_slice(bytes);
            }
            Store::File { file, len } => {
                write_all_at(file, bytes, pos)?;
                *len = (*len).max(end);
            }
        }
        Ok(())
    }
}

/// A target that keeps nothing and compares: every byte written must be the original's, and in the
/// end every byte must have been written.
pub struct Compare<'a> {
    original: &'a dyn Source,
    /// Written ranges, sorted and merged.
    covered: Mutex<Vec<(u64, u64)>>,
}

impl<'a> Compare<'a> {
    /// Compares with this original.
    pub fn new(original: &'a dyn Source) -> Self {
        Compare { original, covered: Mutex::new(Vec::new()) }
    }

    /// An error unless every byte of the original was written.
    pub fn finish(self) -> Result<()> {
        let covered = self.covered.into_inner().unwrap_or_else(|e| e.into_inner());
        let whole = match covered.as_slice() {
            [] => self.original.is_empty(),
            [(0, end)] => *end == self.original.len(),
            _ => false,
        };
        if whole { Ok(()) } else { Err(corruption("the restored file has holes")) }
    }

    fn cover(&self, start: u64, end: u64) {
        if start == end {
            return;
        }
        let mut covered = self.covered.lock().unwrap_or_else(|e| e.into_inner());
        let from = covered.partition_point(|r| r.1 < start);
        let to = covered.partition_point(|r| r.0 <= end);
        let merged = covered[from..to].iter().fold((start, end), |m, r| (m.0.min(r.0), m.1.max(r.1)));
        covered.splice(from..to, [merged]);
    }
}

impl Target for Compare<'_> {
    fn write_at(&mut self, pos: u64, bytes: &[u8]) -> Result<()> {
        let there = self.original.range(pos, bytes.len() as u64)?;
        if there != bytes {
            let at = there.iter().zip(bytes).position(|(a, b)| a != b).unwrap_or(0);
            return Err(corruption(format!("the restored file differs from byte {} on", pos + at as u64)));
        }
        self.cover(pos, pos + bytes.len() as u64);
        Ok(())
    }

    fn original(&self, pos: u64, len: u64) -> Option<Vec<u8>> {
        self.original.range(pos, len).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spool_moves_to_a_file_and_keeps_its_bytes() {
        let mut spool = Spool::new(u64::MAX);
        spool.append(b"front").unwrap();
        spool.write_at(SPOOL_MEMORY + 5, b"back").unwrap();
        assert_eq!(spool.len(), SPOOL_MEMORY + 9);
        assert_eq!(spool.range(0, 6).unwrap(), b"front\0");
        assert_eq!(spool.range(SPOOL_MEMORY + 5, 4).unwrap(), b"back");
        assert!(spool.range(SPOOL_MEMORY + 5, 5).is_err());
    }

    #[test]
    fn spool_refuses_to_grow_beyond_its_limit() {
        assert!(Spool::new(3).write_at(2, b"ab").is_err());
        assert!(Spool::new(u64::MAX).write_at(u64::MAX, b"ab").is_err());
    }

    #[test]
    fn compare_wants_every_byte_and_the_right_one() {
        let original = b"0123456789".to_vec();
        let mut c = Compare::new(&original);
        c.write_at(5, b"56789").unwrap();
        assert!(c.write_at(0, b"0x").is_err());
        c.write_at(0, b"01").unwrap();
        c.write_at(3, b"34").unwrap();
        assert_eq!(*c.covered.lock().unwrap(), [(0, 2), (3, 10)]);
        c.write_at(2, b"2").unwrap();
        c.finish().unwrap();
        let mut c = Compare::new(&original);
        c.write_at(1, b"1").unwrap();
        assert!(c.finish().is_err());
    }
}
