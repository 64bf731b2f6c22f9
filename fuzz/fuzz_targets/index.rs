//! Any bytes as the index of a container whose checksums hold, so that everything behind them is reached:
//! the index reader, the decoders (inline payloads carry no checksum of their own), the assemblers.
#![no_main]
use strangelet::archive::{self, Archive};
use strangelet::format::{MAGIC, TAIL_MAGIC};
use strangelet::source::Spool;
use strangelet_formats::ALL;
use xxhash_rust::xxh3::xxh3_64;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut file = MAGIC.to_vec();
    let index = [&[0u8], data].concat();
    file.extend_from_slice(&index);
    file.extend_from_slice(&(index.len() as u64).to_le_bytes());
    file.extend_from_slice(&xxh3_64(&index).to_le_bytes());
    file.extend_from_slice(&TAIL_MAGIC);
    if let Ok(archive) = Archive::open(&file) {
        let cells: u64 = archive.index().chunks.iter().fold(0, |n, c| n.saturating_add(c.events));
        if cells > 1 << 20 {
            return; // valid, but a constant column of many events only costs time here
        }
        let len = archive.index().original.len.min(1 << 20);
        let _ = archive::decompress(&archive, ALL, &mut Spool::new(len));
        let _ = archive::check_payloads(&archive);
    }
});
