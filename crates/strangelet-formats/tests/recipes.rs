//! Compressed blocks come back from their content and a recipe.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use strangelet_formats::recipe::{self, Effort, Flavour, Kind, Kitchen, Recipe};
use strangelet_formats::root::block::{self, HEADER, PayloadRecipe};

/// The folder of real files, or none with a word about it.
fn data() -> Option<PathBuf> {
    let named = std::env::var_os("STRANGELET_DATA").map(PathBuf::from);
    let beside = ["../../../shared/data", "../../../../shared/data"]
        .map(|p| Path::new(env!("CARGO_MANIFEST_DIR")).join(p));
    let found = named.into_iter().chain(beside).find(|p| p.is_dir());
    if found.is_none() {
        eprintln!("skipped: no real files (set STRANGELET_DATA)");
    }
    found
}

/// All files below a folder whose name ends so, in order.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| endings.iter().any(|w| e == *w)) {
                all.push(path);
            }
        }
    }
    all.sort();
    all
}

/// Every payload of one block in a file, with the length of its content.
fn payloads(bytes: &[u8]) -> Vec<(&[u8], usize)> {
    let mut all = Vec::new();
    let mut kitchen = Kitchen::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + HEADER) {
        let len = |i: usize| u32::from_le_bytes([header[i], header[i + 1], header[i + 2], 0]);
        let (compressed, content) = (len(3) as usize, len(6) as usize);
        let known = [b"ZL", b"CS", b"XZ", b"L4", b"ZS"].iter().any(|t| &header[..2] == *t);
        if known
            && let Some(payload) = bytes.get(at..at + HEADER + compressed)
            && block::inflate(&mut kitchen, payload, content).is_ok()
        {
            all.push((payload, content));
            at += payload.len();
            continue;
        }
        at += 1;
    }
    all
}

#[test]
fn blocks_of_real_files_come_back() {
    let Some(data) = data() else { return };
    let (mut whole, mut with, mut cost) = (0, 0, 0);
    for path in files(&data, &["root", "rec"]) {
        let bytes = std::fs::read(&path).unwrap();
        let mut kitchen = Kitchen::new();
        let mut hint: Option<Recipe> = None;
        // Long content takes minutes in a debug build: a part of each file is enough here, the
        // example `recipes` does all.
        let mut left = 3_000_000usize;
        for (payload, content_len) in payloads(&bytes) {
            if content_len > left {
                continue;
            }
            left -= content_len;
            let content = block::inflate(&mut kitchen, payload, content_len).unwrap();
            whole += payload.len();
            let found = block::find(&mut kitchen, payload, &content, hint.as_ref(), Effort::Balanced);
            let Some((recipe, corrections)) = found else { continue };
            let mut stored = Vec::new();
            recipe.write(&mut stored);
            let read = PayloadRecipe::read(&mut &stored[..], content_len).unwrap();
            assert_eq!(read, recipe);
            // Another kitchen: nothing of the finding may be needed.
            let made = block::apply(&mut Kitchen::new(), &read, &corrections, &content).unwrap();
            assert!(made == payload, "{}", path.display());
            with += payload.len();
            cost += corrections.len() + stored.len();
            hint = recipe.last().copied();
        }
    }
    assert!(whole > 1_000_000, "the data folder has no ROOT files");
    assert!(with * 100 >= whole * 98, "{with} of {whole} compressed bytes have a recipe");
    assert!(cost * 50 <= whole, "{cost} bytes of recipes and corrections for {whole}");
}

/// Blocks by the libraries themselves, for content of any sort.
fn made(kind: Kind, setting: u8, content: &[u8]) -> (Vec<u8>, Recipe) {
    let recipe = match kind {
        Kind::Zlib | Kind::Deflate => Recipe::Deflate { level: setting % 10, window: 15 },
        Kind::Xz => Recipe::Lzma {
            preset: setting % 10,
            extreme: setting >= 10,
            check: [0, 1, 4, 10][usize::from(setting) % 4],
            dictionary: if setting.is_multiple_of(3) {
                recipe::Dictionary::Preset
            } else {
                recipe::Dictionary::Quarter
            },
        },
        Kind::Lz4 if setting == 0 => Recipe::Lz4Fast,
        Kind::Lz4 => Recipe::Lz4High { level: 1 + setting % 9 },
        Kind::Zstd => Recipe::Zstd(recipe::Frame::new(1 + (setting % 22) as i8, setting % 4)),
    };
    (recipe::apply(kind, &recipe, &[], content).unwrap(), recipe)
}

/// Content as detectors write it: runs, counters, small noise.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        (any::<u8>(), 1usize..600).prop_map(|(b, n)| vec![b; n]),
        (any::<u16>(), 1usize..300, 1u16..9).prop_map(|(start, n, step)| {
            (0..n as u16).flat_map(|i| start.wrapping_add(i.wrapping_mul(step)).to_be_bytes()).collect()
        }),
        prop::collection::vec(0u8..4, 0..500),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|p| p.concat())
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(&Kind::ALL[..])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_setting_is_found(kind in kind(), setting in 0u8..20, content in content()) {
        let (block, _) = made(kind, setting, &content);
        prop_assert_eq!(&recipe::inflate(kind, &block, content.len()).unwrap(), &content);
        let (found, corrections) =
            recipe::find(kind, &block, &content, None, Effort::Balanced).expect("a recipe");
        let mut stored = Vec::new();
        found.write(&mut stored);
        prop_assert!(stored.len() <= 5);
        let read = Recipe::read(&mut &stored[..]).unwrap();
        prop_assert_eq!(read, found);
        prop_assert_eq!(recipe::apply(kind, &read, &corrections, &content).unwrap(), block);
    }

    #[test]
    fn a_wrong_length_is_an_error(kind in kind(), setting in 0u8..20, content in content(), more in 1usize..1 << 30) {
        let (block, _) = made(kind, setting, &content);
        prop_assert!(recipe::inflate(kind, &block, content.len() + more).is_err());
        if !content.is_empty() {
            prop_assert!(recipe::inflate(kind, &block, content.len() - 1).is_err());
        }
    }

    #[test]
    fn broken_blocks_never_give_other_bytes(
        kind in kind(), setting in 0u8..20, content in content(), at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let (mut block, _) = made(kind, setting, &content);
        let cut = at.index(block.len());
        prop_assert!(recipe::inflate(kind, &block[..cut], content.len()).is_err() || cut == block.len());
        block[cut] ^= 1 << bit;
        // A flipped bit may stand for other content; then a recipe must tell just these bytes.
        if let Ok(other) = recipe::inflate(kind, &block, content.len())
            && let Some((found, corrections)) = recipe::find(kind, &block, &other, None, Effort::Fast)
        {
            prop_assert_eq!(recipe::apply(kind, &found, &corrections, &other).unwrap(), block);
        }
    }

    #[test]
    fn garbage_is_an_error(kind in kind(), bytes in prop::collection::vec(any::<u8>(), 0..400), len in 0usize..1 << 40) {
        let _ = recipe::inflate(kind, &bytes, len);
        prop_assert!(recipe::find(kind, &bytes, &bytes, None, Effort::Fast).is_none());
        if let Ok(recipe) = Recipe::read(&mut &bytes[..]) {
            let _ = recipe::apply(kind, &recipe, &[], &bytes);
            let mut stored = Vec::new();
            recipe.write(&mut stored);
            prop_assert_eq!(&bytes[..stored.len()], &stored[..]);
        }
        let mut kitchen = Kitchen::new();
        let _ = block::inflate(&mut kitchen, &bytes, len);
        let _ = PayloadRecipe::read(&mut &bytes[..], len);
    }
}

#[test]
fn another_deflate_has_corrections() {
    // Tokens that no level of zlib writes: literals only, in one fixed block.
    let content = b"abcabcabcabcabcabcabcabcabc".repeat(40);
    let mut bits = Bits::default();
    bits.put(0b011, 3);
    for &b in &content {
        bits.put_reversed(0x30 + u32::from(b), 8);
    }
    bits.put(0, 7);
    let block = bits.bytes;
    assert_eq!(recipe::inflate(Kind::Deflate, &block, content.len()).unwrap(), content);
    if let Some((recipe, corrections)) = recipe::find(Kind::Deflate, &block, &content, None, Effort::Balanced)
    {
        let made = recipe::apply(Kind::Deflate, &recipe, &corrections, &content).unwrap();
        assert_eq!(made, block);
    }
}

/// Bits, lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn put(&mut self, value: u32, n: u32) {
        for i in 0..n {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= ((value >> i & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }

    fn put_reversed(&mut self, value: u32, n: u32) {
        self.put(value.reverse_bits() >> (32 - n), n);
    }
}

#[test]
fn payloads_of_several_blocks() {
    // 16 MiB - 1 is the most of one block: this takes two.
    let mut content = vec![0u8; block::MOST + 70_000];
    for (i, b) in content.iter_mut().enumerate().step_by(97) {
        *b = (i / 97) as u8;
    }
    let step = Recipe::Deflate { level: 1, window: 15 };
    let recipe = PayloadRecipe { blocks: vec![(Kind::Zlib, 8, step); 2] };
    let mut kitchen = Kitchen::new();
    let payload = block::apply(&mut kitchen, &recipe, &[0; 8], &content).unwrap();
    assert_eq!(block::split(&payload, content.len()).unwrap().len(), 2);
    assert!(block::inflate(&mut kitchen, &payload, content.len()).unwrap() == content);
    let (found, corrections) = block::find(&mut kitchen, &payload, &content, None, Effort::Fast).unwrap();
    // The library made it, the encoder of this crate is found.
    let step = Recipe::Own { flavour: Flavour::Zlib, level: 1 };
    let own = PayloadRecipe { blocks: vec![(Kind::Zlib, 8, step); 2] };
    assert_eq!((&found, &corrections[..]), (&own, &[0; 8][..]));
    assert!(block::apply(&mut kitchen, &own, &corrections, &content).unwrap() == payload);
    // A stored payload is its content.
    let (stored, _) = block::find(&mut kitchen, &content, &content, None, Effort::Fast).unwrap();
    assert!(block::apply(&mut kitchen, &stored, &[], &content).unwrap() == content);
    for cut in [0, 1, 8, 9, 100, payload.len() - 1] {
        assert!(block::inflate(&mut kitchen, &payload[..cut], content.len()).is_err());
    }
    let mut sink = Vec::new();
    sink.write_all(&payload).unwrap();
    sink.push(0);
    assert!(block::inflate(&mut kitchen, &sink, content.len()).is_err());
}
