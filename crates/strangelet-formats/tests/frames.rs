//! Many frames in one file: do they come back under their names, is one read without the rest, and what of broken ones?

mod common;

use rayon::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use strangelet::archive::{self, Archive, Report, Seen};
use strangelet::codec::Level;
use strangelet::dissect::Tables;
use strangelet::error::Result;
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;
use strangelet_formats::frames::{self, Frames, Packer};

/// The six tiny frames, each a file of its own.
fn tiny() -> Vec<Vec<u8>> {
    let all = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files/frames.npy")).unwrap();
    let mut reader = all.as_slice();
    let mut frames = Vec::new();
    while let Some(frame) = frames::next(&mut reader, 1 << 20).unwrap() {
        frames.push(frame);
    }
    assert_eq!(frames.len(), 6);
    frames
}

/// Names and files: the frames, a text among them, an empty file, and a frame of another shape.
fn run() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> =
        tiny().into_iter().enumerate().map(|(i, f)| (format!("run/wedge_{i:04}.npy"), f)).collect();
    files.insert(2, ("run/parameters.json".into(), b"{\"seed\": 7, \"pile_up\": 3}\n".to_vec()));
    files.insert(4, ("run/empty".into(), Vec::new()));
    files.push((
        "other.npy".into(),
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files/hits.npy")).unwrap(),
    ));
    files
}

fn pack(
    files: &[(String, Vec<u8>)],
    level: Level,
    group: Option<u64>,
    carry: Option<u32>,
) -> Result<(Vec<u8>, Report)> {
    let (spool, report) = archive::compress_growing(
        ALL,
        &Frames,
        level,
        carry,
        Spool::new(u64::MAX),
        &mut |sink, seen: &mut Seen| {
            let mut packer = Packer::new(sink, group)?;
            for (name, bytes) in files {
                seen.take(bytes);
                packer.add(name, bytes)?;
            }
            packer.finish()
        },
    )?;
    Ok((spool.range(0, spool.len()).unwrap(), report))
}

/// The files that are wanted, by their names.
fn unpack<S: Source>(archive: &Archive<S>, wanted: impl Fn(&str) -> bool) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut last = None;
    frames::walk(archive, &mut |file| Ok(wanted(&file.path()?)), &mut |file, bytes| {
        if last != Some(file.number) {
            files.push((file.path()?, Vec::new()));
            last = Some(file.number);
        }
        files.last_mut().unwrap().1.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok(files)
}

fn restore(container: &[u8]) -> Result<Vec<u8>> {
    let archive = Archive::open(container)?;
    let mut out = Spool::new(archive.index().original.len);
    archive::decompress(&archive, ALL, &mut out)?;
    out.range(0, out.len())
}

#[test]
fn files_come_back_under_their_names() {
    let files = run();
    let whole: Vec<u8> = files.iter().flat_map(|f| f.1.clone()).collect();
    for (level, name) in Level::ALL {
        for group in [None, Some(1), Some(4)] {
            for carry in [None, Some(1), Some(3), Some(6)] {
                let (container, report) = pack(&files, level, group, carry).unwrap();
                assert_eq!(report.original.len, whole.len() as u64);
                let archive = Archive::open(container.as_slice()).unwrap();
                assert!(unpack(&archive, |_| true).unwrap() == files, "{name} {group:?} {carry:?}");
                assert!(restore(&container).unwrap() == whole, "{name} {group:?} {carry:?}");
                assert_eq!(frames::count(&archive).unwrap(), files.len() as u64);
                archive::check_payloads(&archive).unwrap();
            }
        }
    }
}

#[test]
fn what_was_learnt_is_carried_on_and_makes_chunks_smaller() {
    let files: Vec<_> = run().into_iter().filter(|f| f.0.contains("wedge")).collect();
    for (level, name) in Level::ALL {
        let alone = pack(&files, level, Some(1), None).unwrap().0;
        let carried = pack(&files, level, Some(1), Some(3)).unwrap().0;
        assert!(carried.len() < alone.len(), "{name}: {} and {}", carried.len(), alone.len());
        let archive = Archive::open(carried.as_slice()).unwrap();
        let starts: Vec<_> = (0..6).map(|c| archive.starts_after(2, c, 0).unwrap()).collect();
        // Keys are chunks 0, 1 and 2; chunk 3 is without hits, and needs nothing.
        assert_eq!(starts, [None, Some(1), Some(1), None, Some(2), Some(3)], "{name}");
        let again = pack(&files, level, Some(1), Some(3)).unwrap().0;
        assert!(again == carried, "{name}: other bytes the second time");
    }
}

#[test]
fn arrays_one_behind_the_other_are_frames() {
    let whole = tiny().concat();
    let (container, report) = common::roundtrip(&whole, Level::Fast);
    assert_eq!(report.format, "frames");
    let archive = Archive::open(container).unwrap();
    let table = archive.find("frames").unwrap();
    assert_eq!(archive.chunks(table).unwrap(), [6]);
    assert_eq!(archive.schema(table).unwrap().columns[0].inner, [4, 24, 48]);
    // One alone, and one with something behind it, are no such sequence.
    assert_eq!(common::roundtrip(&tiny()[0], Level::Fast).1.format, "npy");
    let more = [tiny()[0].clone(), b"behind".to_vec()].concat();
    assert_eq!(common::roundtrip(&more, Level::Fast).1.format, "npy");
}

#[test]
fn a_file_of_many_frames_is_cut_into_them() {
    // 9 MiB: three frames of 3 MiB.
    let head = |shape: &str| {
        let text = format!("{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}, }}");
        let text = format!("{text:<117}\n");
        [b"\x93NUMPY\x01\x00", (text.len() as u16).to_le_bytes().as_slice(), text.as_bytes()].concat()
    };
    let mut large = head("(3, 96, 128, 128)");
    large.extend(
        (0..3 * 96 * 128 * 128u32)
            .flat_map(|i| (if i % 97 == 0 { 70 + (i % 5) as u16 } else { 0 }).to_le_bytes()),
    );
    let files = vec![("a.npy".to_string(), large.clone()), ("b.npy".to_string(), large)];
    let (container, _) = pack(&files, Level::Fast, None, Some(1)).unwrap();
    let archive = Archive::open(container.as_slice()).unwrap();
    assert_eq!(archive.chunks(2).unwrap().iter().sum::<u64>(), 6);
    assert!(unpack(&archive, |_| true).unwrap() == files);
    assert!(unpack(&archive, |n| n == "b.npy").unwrap() == files[1..]);
}

struct Counting<'a> {
    inner: &'a [u8],
    read: AtomicU64,
}

impl Source for Counting<'_> {
    fn len(&self) -> u64 {
        self.inner.len() as u64
    }
    fn read_at(&self, pos: u64, buf: &mut [u8]) -> Result<()> {
        self.read.fetch_add(buf.len() as u64, Relaxed);
        self.inner.read_at(pos, buf)
    }
}

#[test]
fn one_frame_is_read_without_the_rest() {
    // Forty frames; each chunk has two, and needs at most two others.
    let six = tiny();
    let files: Vec<_> = (0..40).map(|i| (format!("{i}.npy"), six[[0, 1, 2, 4, 5][i % 5]].clone())).collect();
    for (level, name) in Level::ALL {
        for carry in [None, Some(2)] {
            let (container, _) = pack(&files, level, Some(2), carry).unwrap();
            let source = Counting { inner: &container, read: AtomicU64::new(0) };
            let archive = Archive::open(source).unwrap();
            let payload = |c: usize| archive.chunk_entry(2, c).unwrap().streams[0].place.len();
            let beside: u64 = (0..2)
                .flat_map(|t| (0..archive.chunks(t).unwrap().len()).map(move |c| (t, c)))
                .flat_map(|(t, c)| archive.chunk_entry(t, c).unwrap().streams.iter().map(|s| s.place.len()))
                .sum();
            let before = archive.read_source().read.load(Relaxed);
            let found = unpack(&archive, |n| n == "31.npy").unwrap();
            assert!(found == files[31..32], "{name} {carry:?}");
            let read = archive.read_source().read.load(Relaxed) - before;
            // Its own chunk (15), and those that it starts from: 1 and 0.
            let own = payload(15) + if carry.is_some() { payload(1) + payload(0) } else { 0 };
            assert!(
                read <= own + beside,
                "{name} {carry:?}: {read} of {} for {own} + {beside}",
                container.len()
            );
            let before = archive.read_source().read.load(Relaxed);
            archive.read_column(2, 15, 0).unwrap();
            assert!(archive.read_source().read.load(Relaxed) - before <= own);
        }
    }
}

#[test]
fn names_and_files_that_cannot_be_are_refused() {
    let frame = tiny()[0].clone();
    let refused = |files: &[(&str, Vec<u8>)]| {
        let files: Vec<_> = files.iter().map(|(n, b)| (n.to_string(), b.clone())).collect();
        pack(&files, Level::Fast, None, None).unwrap_err().to_string()
    };
    for name in ["../a.npy", "/a.npy", "a/../b.npy", "./a.npy", "a//b.npy", "a/", "a\\b.npy", "a\0.npy", ".."]
    {
        let e = refused(&[("good.npy", frame.clone()), (name, frame.clone())]);
        assert!(e.contains("could lead out"), "{name}: {e}");
    }
    assert!(refused(&[("a.npy", frame.clone()), ("a.npy", frame.clone())]).contains("two files"));
    let long = vec![b'x'; 9 << 20];
    assert!(refused(&[("a.npy", frame.clone()), ("a.txt", long)]).contains("too long to go beside"));
    // What is cut short is no frame, and comes back as it is.
    let cut = vec![("a.npy".to_string(), frame[..frame.len() - 1].to_vec())];
    let container = pack(&cut, Level::Fast, None, None).unwrap().0;
    let archive = Archive::open(container.as_slice()).unwrap();
    assert!(archive.count() == 2 && unpack(&archive, |_| true).unwrap() == cut);
    // Sequences that end too early, and lengths that are none.
    let mut two = [frame.clone(), frame.clone()].concat();
    two.pop();
    let mut reader = two.as_slice();
    assert_eq!(frames::next(&mut reader, 1 << 20).unwrap(), Some(frame.clone()));
    assert!(frames::next(&mut reader, 1 << 20).is_err());
    assert!(frames::next(&mut &frame[..], 100).unwrap_err().to_string().contains("on a pipe"));
    for n in 1..frame.len() {
        assert!(frames::next(&mut &frame[..n], 1 << 20).is_err(), "{n}");
    }
}

/// The tiny run with every chunk after another, at a level.
fn golden(level: Level) -> Vec<u8> {
    pack(&run(), level, Some(1), Some(2)).unwrap().0
}

#[test]
fn old_containers_of_carried_chunks_are_read() {
    for (level, name) in Level::ALL {
        let path = format!("{}/tests/golden/v1/carried.{name}.sgl", env!("CARGO_MANIFEST_DIR"));
        if !Path::new(&path).exists() {
            assert!(std::env::var_os("CI").is_none(), "{path} is missing: run the tests and commit it");
            std::fs::write(&path, golden(level)).unwrap();
        }
        let container = std::fs::read(&path).unwrap();
        let archive = Archive::open(container.as_slice()).unwrap();
        assert!(unpack(&archive, |_| true).unwrap() == run(), "{path}");
        let carried = (0..6).filter(|&c| archive.starts_after(2, c, 0).unwrap().is_some());
        assert!(carried.count() >= 4, "{path}");
    }
}

#[test]
fn every_truncation_and_every_bit_flip_is_noticed_or_harmless() {
    let (files, whole) = (run(), run().into_iter().flat_map(|f| f.1).collect::<Vec<u8>>());
    for level in [Level::Fast, Level::Balanced] {
        let container = golden(level);
        (0..container.len()).into_par_iter().for_each(|n| {
            assert!(restore(&container[..n]).is_err(), "cut to {n} bytes it is taken for whole");
        });
        let noticed: usize = (0..container.len() * 8)
            .into_par_iter()
            .map(|bit| {
                let mut broken = container.clone();
                broken[bit / 8] ^= 1 << (bit % 8);
                if let Ok(archive) = Archive::open(broken.as_slice())
                    && let Ok(found) = unpack(&archive, |n| n.ends_with("5.npy"))
                {
                    // Without the checksum of the whole only names may differ, and only with the index.
                    assert!(found.iter().all(|f| files.iter().any(|g| g.1 == f.1)), "bit {bit}");
                }
                match restore(&broken) {
                    Ok(out) => {
                        assert!(out == whole, "wrong bytes in silence after flipping bit {bit}");
                        0
                    }
                    Err(_) => 1,
                }
            })
            .sum();
        assert!(noticed > container.len() * 7, "only {noticed} flips noticed");
    }
}
