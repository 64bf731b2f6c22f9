use std::path::{Path, PathBuf};

use proptest::prelude::*;
use strangelet::error::Result;

use super::levels::Level;
use super::{Frame, Recipe, Zstd, tokens};

/// A frame by its tokens.
fn made(level: i8, old: bool, checksum: bool, corrections: &[u8], content: &[u8]) -> Result<Vec<u8>> {
    Zstd::default().recreate(level, old, checksum, corrections, content)
}

const NOTHING: usize = usize::MAX - 1;

/// A frame by the library.
fn library(level: i8, switches: u8, content: &[u8]) -> Vec<u8> {
    Zstd::default().apply(&Frame::new(level, switches), content).unwrap()
}

/// The corrections of a frame to what a level makes, carried out by others than have found them.
fn comes_back(block: &[u8], content: &[u8], level: i8, old: bool) -> Vec<u8> {
    let level = Level { level, old };
    let frame = tokens::Frame::read(block, content).expect("a frame");
    let found = Zstd::default().with(level, &frame, block, content, NOTHING).expect("a recipe");
    let (recipe, corrections) = found.recipe(level, &frame);
    let mut stored = Vec::new();
    recipe.write(&mut stored);
    assert_eq!(Recipe::read(&mut &stored[..]).unwrap(), recipe);
    assert!(made(level.level, old, frame.checksum, &corrections, content).unwrap() == block);
    corrections
}

/// Bytes that look like columns: counters, noise of few bits, runs, repetitions of earlier parts.
fn columns(len: usize, seed: u64) -> Vec<u8> {
    let (mut out, mut x) = (Vec::with_capacity(len), seed | 1);
    while out.len() < len {
        x = x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let n = 1 + (x >> 20) as usize % 90;
        match x >> 60 {
            0..=4 => out.extend((0..n).flat_map(|i| ((x >> 33) as u32 + i as u32 * 3).to_be_bytes())),
            5..=7 => out.extend((0..n).map(|i| (x >> (i % 40)) as u8 & 7)),
            8 => out.extend(std::iter::repeat_n((x >> 40) as u8, n * 9)),
            _ if out.len() > 200 => {
                let from = (x >> 30) as usize % (out.len() - 100);
                out.extend_from_within(from..from + n.min(100));
            }
            _ => out.extend((0..n).map(|i| (x >> (i % 50)) as u8)),
        }
    }
    out.truncate(len);
    out
}

fn content() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0usize..40_000, any::<u64>()).prop_map(|(len, seed)| columns(len, seed)),
        prop::collection::vec(any::<u8>(), 0..600),
        prop::collection::vec(0u8..5, 0..3000),
        (any::<u8>(), 0usize..3000).prop_map(|(b, n)| vec![b; n]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn frames_of_the_library_come_back(
        content in content(), level in -20i8..23, by in -20i8..23, old in any::<bool>(), switches in 0u8..4,
    ) {
        comes_back(&library(level, switches, &content), &content, by, old);
    }

    #[test]
    fn own_frames_are_frames(content in content(), level in -128i8..23, old in any::<bool>(), checksum in any::<bool>()) {
        let block = made(level, old, checksum, &[], &content).unwrap();
        prop_assert!(Zstd::default().inflate(&block, content.len()).unwrap() == content);
        prop_assert!(comes_back(&block, &content, level, old).is_empty());
    }

    #[test]
    fn broken_corrections_never_panic(
        content in content(), level in 1i8..23, at in any::<prop::sample::Index>(), bit in 0u8..8,
        cut in any::<prop::sample::Index>(), junk in prop::collection::vec(any::<u8>(), 0..200), other in -5i8..23,
    ) {
        let block = library(level, 0, &content);
        let mut corrections = comes_back(&block, &content, -3, false);
        let _ = made(-3, true, true, &corrections, &content);
        let _ = made(other, false, false, &corrections, &content);
        let _ = made(other, false, false, &junk, &content);
        let _ = made(-3, false, false, &corrections, &content[cut.index(content.len() + 1)..]);
        let _ = made(-3, false, false, &corrections[..cut.index(corrections.len() + 1)], &content);
        if !corrections.is_empty() {
            let at = at.index(corrections.len());
            corrections[at] ^= 1 << bit;
            let _ = made(-3, false, false, &corrections, &content);
        }
    }

    #[test]
    fn broken_blocks_have_no_wrong_recipe(
        content in content(), level in 1i8..23, at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let mut block = library(level, Frame::CHECKSUM, &content);
        let at = at.index(block.len());
        prop_assert!(tokens::Frame::read(&block[..at], &content).is_none());
        block[at] ^= 1 << bit;
        if let Some(frame) = tokens::Frame::read(&block, &content)
            && let Some(found) = Zstd::default().with(Level { level: 2, old: false }, &frame, &block, &content, NOTHING)
        {
            prop_assert!(made(2, false, frame.checksum, &found.corrections, &content).unwrap() == block);
        }
    }

    #[test]
    fn any_bytes_are_read(content in content(), junk in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut block = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20];
        block.extend(junk);
        let _ = tokens::Frame::read(&block, &content);
    }
}

/// Noise, then what compresses, then runs: blocks of every kind.
fn mixed() -> Vec<u8> {
    let mut x = 1u64;
    let mut content: Vec<u8> = Vec::new();
    content.resize_with(300_000, || {
        x = x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (x >> 56) as u8
    });
    content.extend(columns(500_000, 5));
    content.extend(vec![7; 400_000]);
    content.extend(columns(100_000, 9));
    content.extend_from_within(200_000..400_000);
    content
}

#[test]
fn blocks_of_all_sorts_come_back() {
    let content = mixed();
    for level in [-5, 1, 3, 5, 7, 10, 13, 19] {
        let block = library(level, Frame::CHECKSUM, &content);
        for by in [1, 9] {
            let corrections = comes_back(&block, &content, by, false);
            assert!(corrections.len() * 2 < block.len(), "{level} by {by}: {}", corrections.len());
        }
    }
}

#[test]
fn frames_and_corrections_do_not_change() {
    // What is written today must be read for ever.
    let mut all = Vec::new();
    for content in [columns(3000, 1), columns(60_000, 2), columns(200_000, 3), mixed()] {
        for level in -2..14 {
            all.extend(made(level, level % 2 == 1, true, &[], &content).unwrap());
        }
    }
    assert_eq!(xxhash_rust::xxh3::xxh3_64(&all), 18315196964260251142);
    // A frame of this crate, told as if it were another level's.
    let content = columns(100_000, 4);
    let block = made(10, false, false, &[], &content).unwrap();
    let corrections = comes_back(&block, &content, 2, false);
    assert!(corrections.len() * 4 < block.len(), "{} for {}", corrections.len(), block.len());
    assert_eq!(xxhash_rust::xxh3::xxh3_64(&corrections), 16585056070010588778);
}

#[test]
fn hostile_corrections_end_soon() {
    // Every bit the same: the cheapest way to ask for much.
    for len in [100_000, 1_000_000] {
        for content in [vec![0; len], b"ab".repeat(len / 2), columns(len, 3)] {
            for junk in [&[0u8; 4][..], &[0xff; 400], &[0x55; 3000]] {
                for level in [-3, 2, 4, 8, 12] {
                    let frame = made(level, false, false, junk, &content);
                    assert!(frame.map_or(0, |f| f.len()) <= content.len() * 8 + 1000);
                }
            }
        }
    }
}

/// The blocks of zstd in a file, with their content.
fn real(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let (mut at, mut all) = (0, Vec::new());
    while let Some(&[a, b, _, c0, c1, c2, u0, u1, u2]) = bytes.get(at..).and_then(|b| b.first_chunk()) {
        let (packed, len) =
            (u32::from_le_bytes([c0, c1, c2, 0]) as usize, u32::from_le_bytes([u0, u1, u2, 0]) as usize);
        at += 1;
        if [a, b] == *b"ZS"
            && let Some(block) = bytes.get(at + 8..at + 8 + packed)
            && let Ok(content) = Zstd::default().inflate(block, len)
        {
            all.push((block.to_vec(), content));
            at += 8 + packed;
        }
    }
    all
}

#[test]
fn real_pages_cost_little() {
    // Written by zstd 1.5.
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/nano_dy_rntuple.root");
    let (mut whole, mut cost, mut blocks) = (0, 0, 0);
    for (block, content) in real(&data) {
        whole += block.len();
        cost += comes_back(&block, &content, 10, false).len();
        blocks += 1;
    }
    assert!(blocks > 200, "{blocks}");
    assert!(cost * 50 < whole, "{cost} of {whole}");
}

#[test]
fn old_blocks_need_no_corrections() {
    let beside = ["../../../shared/data", "../../../../shared/data"]
        .map(|p| Path::new(env!("CARGO_MANIFEST_DIR")).join(p));
    let named = std::env::var_os("STRANGELET_DATA").map(PathBuf::from);
    let Some(data) = named.into_iter().chain(beside).find(|p| p.is_dir()) else {
        eprintln!("skipped: no real files (set STRANGELET_DATA)");
        return;
    };
    // Written by zstd 1.4 or 1.5.0, the first block by another level.
    let blocks = real(&data.join("alice_lhcb/AO2D.root"));
    assert!(blocks.len() > 500, "{}", blocks.len());
    let exact =
        blocks.iter().filter(|(block, content)| comes_back(block, content, 2, false).is_empty()).count();
    assert!(exact + 10 > blocks.len(), "{exact} of {}", blocks.len());
}
