//! The content of a file: what it holds once everything compressed inside is inflated.

use crate::recipe::{Kind, Kitchen};
use crate::root::block;
use crate::wrap::Wrap;
use strangelet::dissect::FileFormat;
use strangelet::error::Result;
use strangelet::source::{Source, Spool};

/// Bytes searched at once.
const WINDOW: u64 = 1 << 16;
/// Bytes of the header of a member of a zip archive.
const ZIP_HEADER: usize = 30;
/// Wrappers around wrappers that are taken off.
const MOST_WRAPPERS: usize = 4;

/// The file with every compressed block inflated, where that differs from the file itself: what a
/// general compressor should be given to be a fair rival. Takes off `.gz`, `.xz` and `.zst` around the
/// file; inside, inflates the blocks of ROOT files and the members of zip archives (`npz`). The result
/// is no valid file of its kind.
///
/// # Errors
/// Only where reading fails: what does not inflate stays as it is.
pub fn content(source: &dyn Source) -> Result<Option<Spool>> {
    let mut unwrapped: Option<Spool> = None;
    for _ in 0..MOST_WRAPPERS {
        let now: &dyn Source = unwrapped.as_ref().map_or(source, |s| s);
        let Some(wrap) = [Wrap::Gz, Wrap::Xz, Wrap::Zst].into_iter().find(|w| w.probe(now)) else { break };
        let Ok(inner) = wrap.inflated(now) else { break };
        unwrapped = Some(inner);
    }
    let now: &dyn Source = unwrapped.as_ref().map_or(source, |s| s);
    let start = now.range(0, now.len().min(4))?;
    let find: Option<Find> = match start.as_slice() {
        b"root" => Some(root_block),
        b"PK\x03\x04" => Some(zip_member),
        _ => None,
    };
    match find {
        Some(find) => inflated(now, find).map(Some),
        None => Ok(unwrapped),
    }
}

/// Looks whether something compressed begins at a place: bytes of its header, of its data, and its content.
type Find = fn(&mut Kitchen, &[u8], &dyn Source, u64) -> Option<(u64, u64, Vec<u8>)>;

/// Copies a source, with everything inflated that `find` finds.
fn inflated(source: &dyn Source, find: Find) -> Result<Spool> {
    let (mut out, mut kitchen) = (Spool::new(u64::MAX), Kitchen::new());
    let mut pos = 0;
    while pos < source.len() {
        let window = source.range(pos, WINDOW.min(source.len() - pos))?;
        let mut next = pos + window.len() as u64;
        let mut copied = window.len();
        for at in 0..window.len() {
            let here = pos + at as u64;
            // Looked at again at the head of the next window.
            let last = next == source.len();
            if !last && at + 2 * ZIP_HEADER > window.len() {
                (next, copied) = (here, at);
                break;
            }
            if let Some((header, data, content)) = find(&mut kitchen, &window[at..], source, here) {
                out.append(&window[..at])?;
                out.append(&content)?;
                (next, copied) = (here + header + data, 0);
                break;
            }
        }
        out.append(&window[..copied])?;
        pos = next;
    }
    Ok(out)
}

/// A block of a ROOT file; its header goes too.
fn root_block(
    kitchen: &mut Kitchen,
    here: &[u8],
    source: &dyn Source,
    pos: u64,
) -> Option<(u64, u64, Vec<u8>)> {
    let header = here.first_chunk::<{ block::HEADER }>()?;
    if !matches!(&header[..2], b"ZL" | b"CS" | b"XZ" | b"L4" | b"ZS") {
        return None;
    }
    let compressed = u32::from_le_bytes([header[3], header[4], header[5], 0]) as u64;
    let content = u32::from_le_bytes([header[6], header[7], header[8], 0]) as usize;
    let payload = source.range(pos, block::HEADER as u64 + compressed).ok()?;
    let one = block::split(&payload, content).ok().filter(|blocks| blocks.len() == 1)?;
    let content = kitchen.inflate(one[0].kind, one[0].data, content).ok()?;
    Some((block::HEADER as u64, compressed, content))
}

/// A deflated member of a zip archive; its header stays, before the content.
fn zip_member(
    kitchen: &mut Kitchen,
    here: &[u8],
    source: &dyn Source,
    pos: u64,
) -> Option<(u64, u64, Vec<u8>)> {
    let h = here.first_chunk::<ZIP_HEADER>()?;
    // Deflated, with its lengths in the header and not behind the data.
    if h[..4] != *b"PK\x03\x04" || h[8..10] != [8, 0] || h[6] & 8 != 0 {
        return None;
    }
    let short = |i: usize| u16::from_le_bytes([h[i], h[i + 1]]) as u64;
    let long = |i: usize| u32::from_le_bytes([h[i], h[i + 1], h[i + 2], h[i + 3]]) as u64;
    let header = ZIP_HEADER as u64 + short(26) + short(28);
    let head = source.range(pos, header).ok()?;
    let (mut compressed, mut content) = (long(18), long(22));
    if compressed == u32::MAX as u64 || content == u32::MAX as u64 {
        (content, compressed) = zip64(head.get(ZIP_HEADER + short(26) as usize..)?)?;
    }
    let data = source.range(pos.checked_add(header)?, compressed).ok()?;
    let mut all = head;
    all.extend(kitchen.inflate(Kind::Deflate, &data, usize::try_from(content).ok()?).ok()?);
    Some((header, compressed, all))
}

/// Lengths of content and data in the extra field for large archives.
fn zip64(mut extra: &[u8]) -> Option<(u64, u64)> {
    while let Some((head, rest)) = extra.split_first_chunk::<4>() {
        let (id, len) = (u16::from_le_bytes([head[0], head[1]]), u16::from_le_bytes([head[2], head[3]]));
        let field = rest.get(..len as usize)?;
        if id == 1 {
            let number = |i: usize| field.get(i..i + 8)?.try_into().ok().map(u64::from_le_bytes);
            return Some((number(0)?, number(8)?));
        }
        extra = rest.get(len as usize..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::DeflateEncoder, write::GzEncoder, write::ZlibEncoder};
    use std::io::Write;

    fn bytes_of(source: &dyn Source) -> Option<Vec<u8>> {
        content(source).unwrap().map(|s| s.range(0, s.len()).unwrap())
    }

    fn three(n: usize) -> [u8; 3] {
        let b = n.to_le_bytes();
        [b[0], b[1], b[2]]
    }

    fn zlib(content: &[u8]) -> Vec<u8> {
        let mut z = ZlibEncoder::new(Vec::new(), Compression::new(6));
        z.write_all(content).unwrap();
        let z = z.finish().unwrap();
        let mut block = b"ZL\x08".to_vec();
        block.extend(three(z.len()));
        block.extend(three(content.len()));
        block.extend(z);
        block
    }

    #[test]
    fn blocks_of_root_files_are_inflated_wherever_they_lie() {
        let inner: Vec<u8> = (0..5000u32).flat_map(|i| (i / 9).to_be_bytes()).collect();
        for gap in [0usize, 7, WINDOW as usize - 65, WINDOW as usize - 5, 2 * WINDOW as usize] {
            let (mut file, mut expected) = (b"root".to_vec(), b"root".to_vec());
            for part in [vec![b'Z'; gap], b"ZL\x08 no block".to_vec()] {
                file.extend(&part);
                expected.extend(&part);
            }
            file.extend(zlib(&inner));
            file.extend(zlib(&inner));
            expected.extend(&inner);
            expected.extend(&inner);
            file.extend(b"end");
            expected.extend(b"end");
            assert!(bytes_of(&file) == Some(expected), "gap {gap}");
        }
    }

    #[test]
    fn wrappers_come_off_and_other_files_have_no_other_content() {
        let mut gz = GzEncoder::new(Vec::new(), Compression::new(6));
        gz.write_all(b"some text").unwrap();
        assert_eq!(bytes_of(&gz.finish().unwrap()), Some(b"some text".to_vec()));
        assert_eq!(bytes_of(&b"some text".to_vec()), None);
        assert_eq!(bytes_of(&Vec::new()), None);
        assert_eq!(bytes_of(&b"\x1f\x8b\x08 broken".to_vec()), None);
    }

    #[test]
    fn members_of_zip_archives_are_inflated() {
        let inner = vec![7u8; 3000];
        let mut z = DeflateEncoder::new(Vec::new(), Compression::new(6));
        z.write_all(&inner).unwrap();
        let z = z.finish().unwrap();
        let mut head = b"PK\x03\x04\x14\x00\x00\x00\x08\x00\0\0\0\0\0\0\0\0".to_vec();
        head.extend((z.len() as u32).to_le_bytes());
        head.extend((inner.len() as u32).to_le_bytes());
        head.extend(b"\x01\x00\x00\x00x");
        let (mut file, mut expected) = (head.clone(), head);
        file.extend(z);
        expected.extend(inner);
        file.extend(b"PK\x01\x02 and so on");
        expected.extend(b"PK\x01\x02 and so on");
        assert_eq!(bytes_of(&file), Some(expected));
    }

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
            let mut kitchen = Kitchen::new();
            let block = |i| root_block(&mut kitchen, &content[i as usize..], &content, i).is_some();
            assert!(!(0..content.len() as u64).any(block), "{name}: a block remains");
            let stored = std::fs::read(format!("{dir}/{name}")).unwrap();
            assert!(content.len() > stored.len(), "{name}: nothing was inflated");
        }
        let text = std::fs::read(format!("{dir}/zee.csv")).unwrap();
        assert_eq!(of("zee.csv.gz"), text);
        assert_eq!(of("zee.csv.xz"), text);
        assert!(content(&text).unwrap().is_none());
    }
}
