//! The content of a file: what it holds once everything compressed inside is inflated.

use crate::recipe::stream::{Wrapper, inflate_stream};
use crate::recipe::{self, Kind};
use crate::root::block::{HEADER, split};
use std::io::{self, Write};
use strangelet::error::Result;
use strangelet::source::{Source, SourceReader, Spool};

/// Most bytes of a ROOT block with its header.
const LONGEST: usize = HEADER + 0xff_ffff;
/// Bytes looked through at once.
const WINDOW: usize = 64 << 20;
/// Most wrappers around one another that are taken off.
const WRAPPERS: usize = 4;

/// The file with every compressed block inflated, where that differs from the file itself: what a
/// general compressor should be given to be a fair rival. Wrappers (`.gz`, `.xz`, `.zst`) are taken off; in
/// a ROOT file each block stands as its content, without its header. The result need not be a valid file.
pub fn content(source: &dyn Source) -> Result<Option<Spool>> {
    let mut inner: Option<Spool> = None;
    for _ in 0..WRAPPERS {
        let outer: &dyn Source = inner.as_ref().map_or(source, |s| s);
        let start = outer.range(0, outer.len().min(16))?;
        let Some(wrapper) = Wrapper::probe(&start) else { break };
        let mut out = Append(Spool::new(u64::MAX));
        if inflate_stream(wrapper, &mut SourceReader::new(outer), &mut out).is_err() {
            break;
        }
        inner = Some(out.0);
    }
    let file: &dyn Source = inner.as_ref().map_or(source, |s| s);
    if file.range(0, 4).is_ok_and(|b| b == b"root") {
        return Ok(Some(inflate_blocks(file)?));
    }
    Ok(inner)
}

struct Append(Spool);

impl Write for Append {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.append(buf).map_err(|e| io::Error::other(e.to_string()))?;
        Ok(buf.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Copies the file, with each thing that looks like a block and inflates to what its header says replaced
/// by its content.
fn inflate_blocks(file: &dyn Source) -> Result<Spool> {
    let mut out = Spool::new(u64::MAX);
    let mut start = 0u64;
    while start < file.len() {
        let window = file.range(start, (file.len() - start).min((WINDOW + LONGEST) as u64))?;
        let (mut at, mut copied) = (0, 0);
        while at < window.len().min(WINDOW) {
            let Some((len, content)) = block_at(window.get(at..).unwrap_or_default()) else {
                at += 1;
                continue;
            };
            out.append(window.get(copied..at).unwrap_or_default())?;
            out.append(&content)?;
            at += len;
            copied = at;
        }
        out.append(window.get(copied..at).unwrap_or_default())?;
        start += at as u64;
    }
    Ok(out)
}

/// Length and content of the block that begins here, if one does.
fn block_at(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    if !matches!(bytes.get(..2)?, b"ZL" | b"CS" | b"XZ" | b"L4" | b"ZS") {
        return None;
    }
    let &[_, _, _, c0, c1, c2, u0, u1, u2] = bytes.first_chunk::<HEADER>()?;
    let compressed = u32::from_le_bytes([c0, c1, c2, 0]) as usize;
    let content = u32::from_le_bytes([u0, u1, u2, 0]) as usize;
    let len = HEADER + compressed;
    let blocks = split(bytes.get(..len)?, content).ok()?;
    let block = blocks.first().filter(|b| b.kind != Kind::Deflate || content > compressed)?;
    Some((len, recipe::inflate(block.kind, block.data, content).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_of_a_real_file_is_inflated() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files");
        let of = |name: &str| {
            let bytes = std::fs::read(format!("{dir}/{name}")).unwrap();
            let spool = content(&bytes).unwrap().unwrap();
            spool.range(0, spool.len()).unwrap()
        };
        for name in ["tree_zlib.root", "tree_lzma.root", "tree_lz4.root", "tree_zstd.root", "ntuple.root"] {
            let content = of(name);
            assert!((0..content.len()).all(|i| block_at(&content[i..]).is_none()), "{name}: a block remains");
            let stored = std::fs::read(format!("{dir}/{name}")).unwrap();
            assert!(content.len() > stored.len(), "{name}: nothing was inflated");
        }
        let text = std::fs::read(format!("{dir}/zee.csv")).unwrap();
        assert_eq!(of("zee.csv.gz"), text);
        assert_eq!(of("zee.csv.xz"), text);
        assert!(content(&text).unwrap().is_none());
    }
}
