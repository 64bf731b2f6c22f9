//! From broken files: every truncation and every single-bit flip of small containers of several kinds gives
//! an error or the exact original; broken originals come back as they are.

use rayon::prelude::*;
use strangelet::archive::{self, Archive};
use strangelet::codec::Level;
use strangelet::dissect::Tables;
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;

/// The tiny generated files beside this test.
fn files() -> Vec<(String, Vec<u8>)> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files");
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e != "py"))
        // They are there for codecs whose broken payloads have tests of their own (tests/codecs.rs of the core).
        .filter(|p| p.file_name().is_some_and(|n| n != "steps.npz" && n != "camera.npz"))
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&p).unwrap()))
        .collect();
    files.sort();
    assert!(files.len() >= 8, "the tiny files are missing");
    files
}

fn compress(bytes: &[u8], level: Level) -> (Vec<u8>, archive::Report) {
    let bytes = bytes.to_vec();
    let (spool, report) = archive::compress(&bytes, ALL, level, &mut || Ok(Spool::new(u64::MAX))).unwrap();
    (spool.range(0, spool.len()).unwrap(), report)
}

/// Restores; also reads every column on its own, which must not panic either.
fn restore(container: &[u8]) -> Result<Vec<u8>, strangelet::error::Error> {
    let archive = Archive::open(container)?;
    let mut out = Spool::new(archive.index().original.len);
    archive::decompress(&archive, ALL, &mut out)?;
    out.range(0, out.len())
}

fn columns(container: &[u8]) {
    let Ok(archive) = Archive::open(container) else { return };
    for table in 0..archive.count() {
        for chunk in 0..archive.chunks(table).map_or(0, |c| c.len()) {
            for column in 0..archive.schema(table).map_or(0, |s| s.columns.len()) {
                let _ = archive.read_column(table, chunk, column);
            }
        }
    }
}

#[test]
fn every_truncation_and_every_bit_flip_is_noticed_or_harmless() {
    for (i, (name, bytes)) in files().into_iter().enumerate() {
        // Two levels take turns: they share everything but the choice of codecs (those of max are too slow for this, and
        // have hostile payloads in tests of their own).
        let level = if i % 2 == 0 { Level::Fast } else { Level::Balanced };
        let (container, _) = compress(&bytes, level);
        assert_eq!(restore(&container).unwrap(), bytes, "{name}");
        (0..container.len()).into_par_iter().for_each(|n| {
            assert!(restore(&container[..n]).is_err(), "{name} cut to {n} bytes is taken for whole");
        });
        // Every bit of a small container, every fifth of a larger one.
        let step = if container.len() <= 8 << 10 { 1 } else { 5 };
        let noticed: usize = (0..container.len() * 8)
            .into_par_iter()
            .step_by(step)
            .map(|bit| {
                let mut broken = container.clone();
                broken[bit / 8] ^= 1 << (bit % 8);
                if bit % 16 == 3 {
                    columns(&broken);
                }
                match restore(&broken) {
                    Ok(out) => {
                        assert_eq!(out, bytes, "{name}: wrong bytes in silence after flipping bit {bit}");
                        0
                    }
                    Err(_) => 1,
                }
            })
            .sum();
        assert!(noticed * step > container.len() * 7, "{name}: only {noticed} flips noticed");
    }
}

#[test]
fn broken_originals_come_back() {
    for (name, bytes) in files() {
        let step = (bytes.len() / 97).max(1);
        (0..bytes.len()).step_by(step).collect::<Vec<_>>().into_par_iter().for_each(|n| {
            let (container, _) = compress(&bytes[..n], Level::Fast);
            assert_eq!(restore(&container).unwrap(), &bytes[..n], "{name} cut to {n}");
            let mut broken = bytes.clone();
            broken[n] ^= 1 << (n % 8);
            let (container, _) = compress(&broken, Level::Fast);
            assert_eq!(restore(&container).unwrap(), broken, "{name} with a flip at {n}");
        });
    }
}

#[test]
fn good_files_are_not_refused() {
    for (name, bytes) in files() {
        let (_, report) = compress(&bytes, Level::Balanced);
        assert!(report.refused.is_empty(), "{name}: {:?}", report.refused);
    }
}
