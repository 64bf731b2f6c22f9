//! Makes `src/recipe/lzma/prior.bin`: what the corrections of LZMA blocks start from.
//!
//! `cargo run --release --example lzma_prior -- prior.bin FILE.root...`: the content of every
//! compressed block of the files, compressed as ROOT does it at several levels, is learned from.

use strangelet_formats::recipe::{Dictionary, Kind, Kitchen, Recipe, apply};
use strangelet_formats::root::block::{self, HEADER};

/// Most content learned from, of one file.
const MOST: usize = 10_000_000;

fn main() {
    let mut args = std::env::args().skip(1);
    let target = args.next().expect("a file to write");
    let (mut kitchen, mut learned) = (Kitchen::new(), None);
    let mut samples = Vec::new();
    for path in args {
        let bytes = std::fs::read(&path).expect("a file");
        let (mut at, mut left) = (0, MOST);
        while let Some(header) = bytes.get(at..at + HEADER) {
            let len = |i: usize| u32::from_le_bytes([header[i], header[i + 1], header[i + 2], 0]) as usize;
            let (c, u) = (len(3), len(6));
            let known = matches!(&header[..2], b"ZL" | b"CS" | b"XZ" | b"L4" | b"ZS");
            let payload = bytes.get(at..at + HEADER + c).filter(|_| known && c > 0 && u > 0);
            match payload.map(|payload| block::inflate(&mut kitchen, payload, u)) {
                Some(Ok(content)) => {
                    at += HEADER + c;
                    if u <= left {
                        left -= u;
                        samples.push(content);
                    }
                }
                _ => at += 1,
            }
        }
    }
    // Files in turn, so that none is the last word; the same order each time.
    let mut order: Vec<usize> = (0..samples.len()).collect();
    order.sort_by_key(|&i| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for (n, &i) in order.iter().enumerate() {
        let preset = [7, 5, 7, 4, 7, 6, 7, 3][n % 8];
        let recipe = Recipe::Lzma { preset, extreme: false, check: 1, dictionary: Dictionary::Quarter };
        let block = apply(Kind::Xz, &recipe, &[], &samples[i]).expect("a block");
        learned = kitchen.learn(&block, &samples[i]).or(learned);
    }
    std::fs::write(target, learned.expect("no blocks")).expect("written");
}
