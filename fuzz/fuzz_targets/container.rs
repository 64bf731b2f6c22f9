//! A container of any bytes: an error or the right content, never a panic.
#![no_main]
use strangelet::archive::{self, Archive};
use strangelet::source::Spool;
use strangelet_formats::ALL;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(archive) = Archive::open(data) {
        let _ = archive::check_payloads(&archive);
        let len = archive.index().original.len.min(1 << 24);
        let _ = archive::decompress(&archive, ALL, &mut Spool::new(len));
    }
});
