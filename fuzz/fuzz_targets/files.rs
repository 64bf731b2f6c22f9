//! Any file: it compresses, and the same bytes come back.
#![no_main]
use strangelet::archive::{self, Archive};
use strangelet::codec::Level;
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let bytes = data.to_vec();
    let (container, _) = archive::compress(&bytes, ALL, Level::Fast, &mut || Ok(Spool::new(u64::MAX)))
        .expect("every file has a home");
    let archive = Archive::open(&container).expect("opens");
    let mut out = Spool::new(bytes.len() as u64);
    archive::decompress(&archive, ALL, &mut out).expect("restores");
    assert!(out.range(0, out.len()).expect("reads") == bytes);
});
