//! The encoder of this crate writes what stock zlib writes, byte for byte.

use std::path::Path;

use flate2::{Compress, Compression, FlushCompress, Status};
use proptest::prelude::*;
use strangelet_formats::recipe::{self, Effort, Flavour, Kind, Kitchen, Recipe};
use strangelet_formats::root::block;

/// A block by stock zlib, in one call.
fn zlib(level: u8, content: &[u8]) -> Vec<u8> {
    let mut encoder = Compress::new_with_window_bits(Compression::new(level.into()), true, 15);
    let mut out = Vec::with_capacity(content.len() + content.len() / 8 + 1024);
    let status = encoder.compress_vec(content, &mut out, FlushCompress::Finish).unwrap();
    assert_eq!(status, Status::StreamEnd);
    out
}

/// What a piece of content looks like.
#[derive(Debug, Clone)]
enum Piece {
    Noise {
        seed: u64,
        len: usize,
    },
    Run {
        byte: u8,
        len: usize,
    },
    /// Big-endian counters, as ROOT writes offsets.
    Steps {
        start: u32,
        step: u32,
        count: usize,
    },
    /// Few different bytes.
    Narrow {
        seed: u64,
        len: usize,
        bits: u32,
    },
    /// Bytes from far back.
    Again {
        back: usize,
        len: usize,
    },
}

fn piece() -> impl Strategy<Value = Piece> {
    let len = || prop_oneof![0usize..600, 600usize..20_000];
    prop_oneof![
        (any::<u64>(), len()).prop_map(|(seed, len)| Piece::Noise { seed, len }),
        (any::<u8>(), prop_oneof![1usize..700, 1usize..100_000])
            .prop_map(|(byte, len)| Piece::Run { byte, len }),
        (any::<u32>(), 0u32..300, 0usize..5000).prop_map(|(start, step, count)| Piece::Steps {
            start,
            step,
            count
        }),
        (any::<u64>(), len(), 1u32..8).prop_map(|(seed, len, bits)| Piece::Narrow { seed, len, bits }),
        (
            prop_oneof![1usize..300, 4000usize..4200, 32_000usize..33_000, 1usize..70_000],
            prop_oneof![1usize..12, 200usize..300, 1usize..3000]
        )
            .prop_map(|(back, len)| Piece::Again { back, len }),
    ]
}

/// Content of at most 300 kB.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        prop::collection::vec(piece(), 0..4),
        prop::collection::vec(piece(), 0..60),
        prop::collection::vec(
            prop_oneof![piece(), piece(), Just(Piece::Noise { seed: 1, len: 40_000 })],
            10..60
        ),
    ];
    pieces.prop_map(|pieces| {
        let mut out = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Noise { seed, len } => noise(seed, len, 8, &mut out),
                Piece::Narrow { seed, len, bits } => noise(seed, len, bits, &mut out),
                Piece::Run { byte, len } => out.resize(out.len() + len, byte),
                Piece::Steps { start, step, count } => {
                    let values = (0..count as u32).map(|i| start.wrapping_add(i.wrapping_mul(step)));
                    out.extend(values.flat_map(u32::to_be_bytes));
                }
                Piece::Again { back, len } => {
                    for _ in 0..len {
                        let byte = out.len().checked_sub(back).map_or(7, |at| out[at]);
                        out.push(byte);
                    }
                }
            }
        }
        out.truncate(300_000);
        out
    })
}

fn noise(mut seed: u64, len: usize, bits: u32, out: &mut Vec<u8>) {
    for _ in 0..len {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        out.push((seed >> 56) as u8 >> (8 - bits));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn own_bytes_are_those_of_zlib(contents in prop::collection::vec(content(), 1..4)) {
        // One kitchen for all: what the last content has left must not show.
        let mut kitchen = Kitchen::new();
        for content in &contents {
            for level in 1..=9 {
                let recipe = Recipe::Own { flavour: Flavour::Zlib, level };
                let made = kitchen.apply(Kind::Zlib, &recipe, &[], content).unwrap();
                prop_assert!(made == zlib(level, content), "level {}, {} bytes", level, content.len());
            }
        }
    }

    #[test]
    fn own_blocks_inflate(content in content(), level in 1u8..=9, wrapped: bool) {
        let kind = if wrapped { Kind::Zlib } else { Kind::Deflate };
        for flavour in Flavour::ALL {
            let recipe = Recipe::Own { flavour, level };
            let block = recipe::apply(kind, &recipe, &[], &content).unwrap();
            prop_assert!(recipe::inflate(kind, &block, content.len()).unwrap() == content);
            prop_assert!(block.len() <= content.len() + content.len() / 1000 + 64);
            let found = recipe::find(kind, &block, &content, Some(&recipe), Effort::Fast);
            prop_assert_eq!(found, Some((recipe, Vec::new())));
        }
    }
}

#[test]
fn lengths_around_the_edges_of_the_window() {
    let mut kitchen = Kitchen::new();
    let mut all = Vec::new();
    noise(5, 35_000, 3, &mut all);
    for i in 0..200_000 {
        all.push(if i % 700 < 300 { all[all.len() - 31_000 + i % 7] } else { (i >> 8) as u8 });
    }
    let edges = [0, 258, 262, 32_506, 32_768, 65_274, 65_536, 98_042, 98_304, 131_072];
    for edge in edges {
        for len in (edge.max(3) - 3..edge + 4).chain([edge + 258, edge + 262, edge + 263]) {
            for level in [1, 3, 4, 6] {
                let recipe = Recipe::Own { flavour: Flavour::Zlib, level };
                let made = kitchen.apply(Kind::Zlib, &recipe, &[], &all[..len]).unwrap();
                assert!(made == zlib(level, &all[..len]), "level {level}, {len} bytes");
            }
        }
    }
}

/// Lengths and sums of what zlib 1.2.13 and cloudflare's zlib (as in cloudflare-zlib-sys 0.3.7) made at the
/// levels 1 to 9: no change here may change the bytes.
#[test]
fn both_flavours_are_frozen() {
    const FROZEN: [[(usize, u32); 9]; 2] = [
        [
            (108859, 0x84e0_37b9),
            (108310, 0x6531_25b5),
            (115032, 0x5295_5a2e),
            (99627, 0x9736_b611),
            (100045, 0x674e_8d9e),
            (99952, 0x1c49_9a6c),
            (99954, 0xdf15_c65b),
            (99954, 0xdf15_c65b),
            (99954, 0xdf15_c65b),
        ],
        [
            (114630, 0x50e9_3c9f),
            (113813, 0x7c7f_d3ed),
            (113576, 0x34b3_15b0),
            (100897, 0xad0a_9631),
            (99418, 0x6894_6cc1),
            (99418, 0x7ba4_6cff),
            (99418, 0x8eb4_6d3d),
            (99418, 0x8eb4_6d3d),
            (99418, 0x8eb4_6d3d),
        ],
    ];
    let mut content = Vec::new();
    noise(9, 120_000, 3, &mut content);
    content.extend((0..30_000u32).flat_map(|v| (v / 3).to_be_bytes()));
    noise(4, 30_000, 8, &mut content);
    let mut kitchen = Kitchen::new();
    for (flavour, frozen) in Flavour::ALL.into_iter().zip(FROZEN) {
        for (level, frozen) in (1..).zip(frozen) {
            let recipe = Recipe::Own { flavour, level };
            let made = kitchen.apply(Kind::Zlib, &recipe, &[], &content).unwrap();
            assert_eq!((made.len(), simd_adler32::adler32(&&made[..])), frozen, "{recipe:?}");
        }
    }
}

/// Positions of more than 24 bits, within one content and over many.
#[test]
fn much_content_in_one_kitchen() {
    let mut kitchen = Kitchen::new();
    let mut long = Vec::new();
    for i in 0..90u64 {
        noise(i % 7, 100_000, 2 + (i % 5) as u32, &mut long);
        long.extend((0..30_000u32).flat_map(|v| (v / 3).to_be_bytes()));
    }
    assert!(long.len() > 1 << 24);
    let recipe = Recipe::Own { flavour: Flavour::Zlib, level: 1 };
    let same = |kitchen: &mut Kitchen, content: &[u8]| {
        let made = kitchen.apply(Kind::Zlib, &recipe, &[], content).unwrap();
        assert!(made == zlib(1, content), "{} bytes", content.len());
    };
    same(&mut kitchen, &long);
    for piece in long.chunks(70_001) {
        same(&mut kitchen, piece);
    }
    same(&mut kitchen, &long);
}

/// Every zlib block of the small real files is made by the encoder here, and its content by zlib
/// at any level as well.
#[test]
fn real_blocks_have_an_own_recipe() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
    let (mut blocks, mut kitchen) = (0, Kitchen::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "root") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let mut hint = None;
        let mut at = 0;
        while let Some(header) = bytes.get(at..at + block::HEADER) {
            let len = |i: usize| u32::from_le_bytes([header[i], header[i + 1], header[i + 2], 0]) as usize;
            let end = at + block::HEADER + len(3);
            let Some(payload) = bytes.get(at + block::HEADER..end).filter(|_| &header[..2] == b"ZL") else {
                at += 1;
                continue;
            };
            let Ok(content) = kitchen.inflate(Kind::Zlib, payload, len(6)) else {
                at += 1;
                continue;
            };
            let (found, _) =
                kitchen.find(Kind::Zlib, payload, &content, hint.as_ref(), Effort::Fast).expect("a recipe");
            assert!(matches!(found, Recipe::Own { .. }), "{}: {found:?} at {at}", path.display());
            for level in 1..=9 {
                let recipe = Recipe::Own { flavour: Flavour::Zlib, level };
                let made = kitchen.apply(Kind::Zlib, &recipe, &[], &content).unwrap();
                assert!(made == zlib(level, &content), "{}: level {level} at {at}", path.display());
            }
            hint = Some(found);
            blocks += 1;
            at = end;
        }
    }
    assert!(blocks > 20, "the data folder has only {blocks} zlib blocks");
}
