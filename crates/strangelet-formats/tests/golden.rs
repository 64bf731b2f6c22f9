//! From old files: containers written by earlier builds are read for ever.
//!
//! `golden/v1` holds one container a tiny file of `files` and level. A missing one is written, for the current
//! version only; one that exists is never changed, whatever the encoder does today.

use std::path::Path;
use strangelet::archive::{self, Archive};
use strangelet::codec::Level;
use strangelet::format::MAGIC;
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;
use xxhash_rust::xxh3::xxh3_64;

#[test]
fn old_containers_give_their_originals() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let current = format!("v{}", MAGIC[7]);
    let mut read = 0;
    let mut originals: Vec<_> =
        std::fs::read_dir(tests.join("files")).unwrap().map(|e| e.unwrap().path()).collect();
    originals.retain(|p| p.extension().is_some_and(|e| e != "py"));
    originals.sort();
    for original in &originals {
        let bytes = std::fs::read(original).unwrap();
        let name = original.file_name().unwrap().to_string_lossy();
        for (level, level_name) in Level::ALL {
            let golden = tests.join("golden").join(&current).join(format!("{name}.{level_name}.sgl"));
            if golden.exists() {
                continue;
            }
            assert!(
                std::env::var_os("CI").is_none(),
                "{} is missing: run the tests and commit it",
                golden.display()
            );
            let (container, _) =
                archive::compress(&bytes, ALL, level, &mut || Ok(Spool::new(u64::MAX))).unwrap();
            std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
            std::fs::write(golden, container.range(0, container.len()).unwrap()).unwrap();
        }
        for version in std::fs::read_dir(tests.join("golden")).unwrap() {
            for (_, level_name) in Level::ALL {
                let golden = version.as_ref().unwrap().path().join(format!("{name}.{level_name}.sgl"));
                let Ok(container) = std::fs::read(&golden) else { continue };
                let archive = Archive::open(container).unwrap();
                let mut out = Spool::new(bytes.len() as u64);
                archive::decompress(&archive, ALL, &mut out)
                    .unwrap_or_else(|e| panic!("{}: {e}", golden.display()));
                assert_eq!(out.range(0, out.len()).unwrap(), bytes, "{}", golden.display());
                read += 1;
            }
        }
    }
    assert!(read >= 3 * originals.len(), "only {read} containers were read");
}

/// What reduced files give, by the xxh3-64 of their bytes: a loss is taken once, and never again.
const REDUCED: &[(&str, u64)] = &[
    ("field.npy.abs_0.01.sgl", 0x9080a857042c0f13),
    ("frame.npy.log2_0.25.sgl", 0xf771d38743d03695),
    ("frame.npy.log2_1.sgl", 0x0481acef8400a66d),
    ("frame.npy.mae_0.0001.sgl", 0xff18366a22ca079e),
    ("hits.npy.abs_3.sgl", 0xc9613be4a14c223a),
    ("hits.npy.bcae-vs_16.sgl", 0x1021ea884ce1113d),
    ("hits.npy.bcae-vs_plain.sgl", 0xdad8f71f0428a003),
    ("hits.npy.log2_0.5.sgl", 0x65b048e5e7aba096),
    ("hits.npy.mae_0.02.sgl", 0x99900ce265750026),
    ("hits.npy.mae_0.02_fast.sgl", 0x99900ce265750026),
    ("pulses.npy.abs_4.sgl", 0x5e385d9628bd387e),
    ("wave.npy.rel_0.02.sgl", 0xe148a89680a8916c),
];

#[test]
fn old_reduced_containers_give_what_they_gave() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1/reduced");
    let mut wrong = Vec::new();
    for (name, hash) in REDUCED {
        let container = std::fs::read(folder.join(name)).unwrap();
        let mut out = Spool::new(u64::MAX);
        archive::decompress(&Archive::open(container).unwrap(), ALL, &mut out)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let found = xxh3_64(&out.range(0, out.len()).unwrap());
        if found != *hash {
            wrong.push(format!("(\"{name}\", {found:#018x}),"));
        }
    }
    assert!(wrong.is_empty(), "other bytes than before:\n{}", wrong.join("\n"));
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), REDUCED.len(), "containers that nobody reads");
}
