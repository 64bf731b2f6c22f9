//! Whole wrapped files come back from their content and a recipe.

use std::io::{Cursor, Write as _};
use std::path::Path;

use strangelet_formats::recipe::stream::{StreamRecipe, Wrapper, apply_stream, find_stream, inflate_stream};
use strangelet_formats::recipe::{Dictionary, Effort};

/// Text with numbers, like an event listing: compressible, but not trivially.
fn listing(len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 64);
    let mut state = 1u64;
    while out.len() < len {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let (a, b) = (state >> 60, state >> 44);
        writeln!(out, "P {} {} {:e}", out.len() % 977, a, b as f64 / 7.0).unwrap();
    }
    out.truncate(len);
    out
}

fn stored(recipe: &StreamRecipe) -> StreamRecipe {
    let mut bytes = Vec::new();
    recipe.write(&mut bytes);
    for cut in 0..bytes.len() {
        assert!(StreamRecipe::read(&mut &bytes[..cut]).is_err());
    }
    StreamRecipe::read(&mut &bytes[..]).unwrap()
}

/// A file made by a recipe is inflated, found and made again.
fn comes_back(recipe: StreamRecipe, content: &[u8]) {
    let mut file = Vec::new();
    apply_stream(&recipe, &mut &content[..], &mut file).unwrap();
    let wrapper = Wrapper::probe(&file).unwrap();
    let mut inflated = Vec::new();
    let len = inflate_stream(wrapper, &mut &file[..], &mut inflated).unwrap();
    assert_eq!(len, content.len() as u64);
    assert!(inflated == content);
    let found = find_stream(wrapper, &mut Cursor::new(&file), &mut Cursor::new(content), Effort::Balanced)
        .unwrap()
        .unwrap_or_else(|| panic!("no recipe: {recipe:?}"));
    let mut made = Vec::new();
    apply_stream(&stored(&found), &mut &content[..], &mut made).unwrap();
    assert!(made == file, "{found:?}");
    // Broken files are errors, or other content, but never the same content from other bytes.
    for cut in [0, 3, 7, 12, file.len() / 2, file.len() - 1] {
        assert!(inflate_stream(wrapper, &mut &file[..cut], &mut Vec::new()).is_err());
    }
    file.push(0);
    assert!(inflate_stream(wrapper, &mut &file[..], &mut Vec::new()).is_err());
}

#[test]
fn gzip() {
    let header = b"\x1f\x8b\x08\x08\0\0\0\0\x02\x03run.lhe\0".to_vec();
    for level in [1, 6, 9] {
        comes_back(StreamRecipe::Gzip { header: header.clone(), level }, &listing(700_000));
    }
    comes_back(StreamRecipe::Gzip { header, level: 6 }, &[]);
}

#[test]
fn xz() {
    let content = listing(3_000_000);
    for (preset, block) in [(0, None), (6, None), (1, Some(0)), (0, Some(1 << 20))] {
        let dictionary = Dictionary::Preset;
        comes_back(StreamRecipe::Xz { preset, extreme: false, check: 4, dictionary, block }, &content);
    }
}

#[test]
fn zstd() {
    let content = listing(3_000_000);
    for (level, content_len, long, jobs) in [
        (3, None, 0, false),
        (3, Some(content.len() as u64), 0, false),
        (1, Some(content.len() as u64), 0, true),
        (3, None, 27, false),
    ] {
        comes_back(StreamRecipe::Zstd { level, checksum: true, content_len, long, jobs }, &content);
    }
}

#[test]
fn another_gzip_has_corrections() {
    // Deflate of several levels in one stream: no single level makes it.
    use flate2::{Compress, Compression, Crc, FlushCompress};
    let content = listing(3_000_000);
    let mut file = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
    let (first, second) = content.split_at(content.len() / 2);
    let mut out = Vec::with_capacity(4_000_000);
    let mut encoder = Compress::new(Compression::new(1), false);
    encoder.compress_vec(first, &mut out, FlushCompress::Full).unwrap();
    let mut encoder = Compress::new(Compression::new(6), false);
    encoder.compress_vec(second, &mut out, FlushCompress::Finish).unwrap();
    let mut sum = Crc::new();
    sum.update(&content);
    file.extend(&out);
    file.extend(sum.sum().to_le_bytes());
    file.extend(sum.amount().to_le_bytes());
    let mut inflated = Vec::new();
    inflate_stream(Wrapper::Gzip, &mut &file[..], &mut inflated).unwrap();
    assert!(inflated == content);
    let mut ends = (Cursor::new(&file), Cursor::new(&content));
    let found = find_stream(Wrapper::Gzip, &mut ends.0, &mut ends.1, Effort::Balanced).unwrap();
    let found = found.expect("corrections");
    assert!(matches!(found, StreamRecipe::GzipTokens { .. }));
    let mut made = Vec::new();
    apply_stream(&stored(&found), &mut &content[..], &mut made).unwrap();
    assert!(made == file);
}

#[test]
fn real_files() {
    let named = std::env::var_os("STRANGELET_DATA").map(std::path::PathBuf::from);
    let beside = ["../../../shared/data", "../../../../shared/data"]
        .map(|p| Path::new(env!("CARGO_MANIFEST_DIR")).join(p));
    let Some(data) = named.into_iter().chain(beside).find(|p| p.is_dir()) else {
        eprintln!("skipped: no real files (set STRANGELET_DATA)");
        return;
    };
    let mut found_any = 0;
    for folder in ["hepmc_lhe", "daq_raw"] {
        for entry in std::fs::read_dir(data.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let wrapped = path.extension().is_some_and(|e| e == "gz" || e == "xz");
            let Some(wrapper) = Wrapper::probe(&bytes).filter(|_| wrapped) else { continue };
            let mut content = Vec::new();
            inflate_stream(wrapper, &mut &bytes[..], &mut content).unwrap();
            let mut ends = (Cursor::new(&bytes), Cursor::new(&content));
            let found = find_stream(wrapper, &mut ends.0, &mut ends.1, Effort::Balanced).unwrap();
            let found = found.unwrap_or_else(|| panic!("no recipe: {}", path.display()));
            let mut made = Vec::new();
            apply_stream(&stored(&found), &mut &content[..], &mut made).unwrap();
            assert!(made == bytes, "{}", path.display());
            found_any += 1;
        }
    }
    assert!(found_any > 0, "the data folder has no wrapped files");
}
