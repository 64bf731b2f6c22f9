//! What the tests of several kinds of file share.
#![allow(dead_code)]

use std::io::Read;
use std::path::PathBuf;
use strangelet::archive::{self, Archive, Report};
use strangelet::codec::Level;
use strangelet::dissect::Tables;
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;

/// Folder of the real files: `STRANGELET_DATA`, or `../shared/data` beside the workspace.
pub fn data_folder() -> Option<PathBuf> {
    let from_env = std::env::var_os("STRANGELET_DATA").map(PathBuf::from);
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let beside = workspace.join("../shared/data");
    from_env.into_iter().chain([beside]).find(|p| p.is_dir())
}

/// A real file, or a line that says that it is absent.
pub fn data(name: &str) -> Option<Vec<u8>> {
    let found = data_folder().and_then(|f| std::fs::read(f.join(name)).ok());
    if found.is_none() {
        eprintln!("skipped: {name} is absent (set STRANGELET_DATA)");
    }
    found
}

/// A real file out of its .xz.
pub fn unxz(name: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    liblzma::read::XzDecoder::new(data(name)?.as_slice()).read_to_end(&mut out).unwrap();
    Some(out)
}

/// Compresses, restores, compares; the container and what the report says.
pub fn roundtrip(bytes: &[u8], level: Level) -> (Spool, Report) {
    let bytes = bytes.to_vec();
    let (container, report) =
        archive::compress(&bytes, ALL, level, &mut || Ok(Spool::new(u64::MAX))).unwrap();
    let archive = Archive::open(&container).unwrap();
    let mut target = Spool::new(bytes.len() as u64);
    let original = archive::decompress(&archive, ALL, &mut target).unwrap();
    assert_eq!(original, report.original);
    assert!(target.range(0, target.len()).unwrap() == bytes, "other bytes");
    drop(archive);
    (container, report)
}

/// As [`roundtrip`], for a file that its kind must keep.
pub fn keeps(bytes: &[u8], format: &str) -> Spool {
    let (container, report) = roundtrip(bytes, Level::Balanced);
    assert!(report.refused.is_empty(), "{:?}", report.refused);
    assert_eq!(report.format, format);
    container
}

/// Names, types and numbers of events of the tables that a reader sees.
pub fn tables(container: &Spool) -> Vec<String> {
    let archive = Archive::open(container).unwrap();
    (0..archive.count())
        .filter(|&t| !archive.schema(t).unwrap().residue)
        .map(|t| {
            let schema = archive.schema(t).unwrap();
            let events: u64 = archive.chunks(t).unwrap().iter().sum();
            let columns: Vec<String> = schema
                .columns
                .iter()
                .map(|c| {
                    let inner = if c.inner.is_empty() { String::new() } else { format!("{:?}", c.inner) };
                    let strings = if c.levels() > c.depth as usize { "s" } else { "" };
                    format!("{}:{}{strings}{inner}", c.name, c.scalar.name())
                })
                .collect();
            format!("{} x {events}: {}", schema.name, columns.join(" "))
        })
        .collect()
}

/// Cuts at every fiftieth and flips bits at places that do not depend on anything random; everything
/// must come back, whatever kind takes it.
pub fn survives_damage(bytes: &[u8]) {
    for i in 0..50 {
        roundtrip(&bytes[..bytes.len() * i / 50], Level::Fast);
    }
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..40 {
        let mut broken = bytes.to_vec();
        for _ in 0..3 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // Half of the flips in the first hundred bytes, where the headers are.
            let span = if state & 1 == 0 { broken.len().min(100) } else { broken.len() };
            let at = (state >> 20) as usize % span;
            broken[at] ^= 1 << (state >> 8 & 7);
        }
        roundtrip(&broken, Level::Fast);
    }
}
