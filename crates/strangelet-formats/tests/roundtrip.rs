//! Does it come back? Every kind of file, every level.

use proptest::prelude::*;
use strangelet::archive::{self, Archive};
use strangelet::codec::Level;
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;

fn roundtrip(bytes: &[u8], level: Level) -> (u64, &'static str) {
    let bytes = bytes.to_vec();
    let (container, report) =
        archive::compress(&bytes, ALL, level, &mut || Ok(Spool::new(u64::MAX))).unwrap();
    assert!(report.refused.is_empty(), "{:?}", report.refused);
    let archive = Archive::open(&container).unwrap();
    let mut target = Spool::new(bytes.len() as u64);
    let original = archive::decompress(&archive, ALL, &mut target).unwrap();
    assert_eq!(original, report.original);
    assert_eq!(target.range(0, target.len()).unwrap(), bytes);
    (container.len(), report.format)
}

#[test]
fn small_files_stay_small() {
    for bytes in [&b""[..], b"x", b"a line of text\n"] {
        let (len, _) = roundtrip(bytes, Level::Balanced);
        assert!(len < 200 + bytes.len() as u64, "{len} bytes for {}", bytes.len());
    }
}

proptest! {
    #[test]
    fn anything_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        for (level, _) in Level::ALL {
            roundtrip(&bytes, level);
        }
    }
}
