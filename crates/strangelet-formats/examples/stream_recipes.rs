//! Recipes of whole .gz, .xz and .zst files.
//!
//! `cargo run --release --example stream_recipes -- FILE...`

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::time::Instant;

use strangelet_formats::recipe::Effort;
use strangelet_formats::recipe::stream::{Wrapper, apply_stream, find_stream, inflate_stream};

fn main() -> strangelet::error::Result<()> {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        let Some(wrapper) = Wrapper::probe(&bytes) else { continue };
        let mut content = Vec::new();
        inflate_stream(wrapper, &mut &bytes[..], &mut content)?;
        let mut compressed = BufReader::new(File::open(&path)?);
        let t = Instant::now();
        let found = find_stream(wrapper, &mut compressed, &mut Cursor::new(&content), Effort::Balanced)?;
        let speed = content.len() as f64 / 1e6 / t.elapsed().as_secs_f64();
        let mut stored = Vec::new();
        if let Some(recipe) = &found {
            recipe.write(&mut stored);
            let mut made = Vec::new();
            apply_stream(recipe, &mut &content[..], &mut made)?;
            assert!(made == bytes, "{path}");
        }
        let told: String = format!("{found:?}").chars().take(100).collect();
        println!(
            "{path}: {} of {}, recipe {} bytes, find {speed:.1} MB/s, {told}",
            bytes.len(),
            content.len(),
            stored.len()
        );
    }
    Ok(())
}
