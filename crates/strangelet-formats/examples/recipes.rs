//! Statistics of recipes: for every file named, how many of its compressed blocks have one, what
//! the recipes cost, and how fast they are found and carried out.
//!
//! `cargo run --release --example recipes -- FILE...`

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use strangelet_formats::recipe::{Effort, Kitchen, Recipe};
use strangelet_formats::root::block::{self, HEADER};

fn main() {
    let verbose = std::env::var_os("VERBOSE").is_some();
    let effort = if std::env::var_os("FAST").is_some() { Effort::Fast } else { Effort::Balanced };
    println!(
        "| file | blocks | compressed | content | with recipe | corrections | inflate MB/s | find MB/s | apply MB/s | recipes |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|---|");
    for path in std::env::args().skip(1) {
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) => {
                eprintln!("{path}: {e}");
                continue;
            }
        };
        let mut kitchen = Kitchen::new();
        let (mut blocks, mut compressed, mut plain, mut with, mut cost) = (0, 0, 0, 0, 0);
        let (mut inflating, mut finding, mut applying) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let mut hint: Option<Recipe> = None;
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        let mut at = 0;
        while let Some(header) = bytes.get(at..at + HEADER) {
            let len = |i: usize| u32::from_le_bytes([header[i], header[i + 1], header[i + 2], 0]) as usize;
            let (c, u) = (len(3), len(6));
            let known = matches!(&header[..2], b"ZL" | b"CS" | b"XZ" | b"L4" | b"ZS");
            let payload = match bytes.get(at..at + HEADER + c) {
                Some(payload) if known && c > 0 && u > 0 => payload,
                _ => {
                    at += 1;
                    continue;
                }
            };
            let t = Instant::now();
            let Ok(content) = block::inflate(&mut kitchen, payload, u) else {
                at += 1;
                continue;
            };
            inflating += t.elapsed();
            let t = Instant::now();
            let found = block::find(&mut kitchen, payload, &content, hint.as_ref(), effort);
            finding += t.elapsed();
            blocks += 1;
            compressed += payload.len();
            plain += u;
            if let Some((recipe, corrections)) = found {
                let t = Instant::now();
                let made = block::apply(&mut kitchen, &recipe, &corrections, &content);
                applying += t.elapsed();
                assert_eq!(made.as_deref().ok(), Some(payload), "{path}: block at {at}");
                with += payload.len();
                cost += corrections.len();
                hint = recipe.last().copied();
                *kinds.entry(format!("{:?}", recipe.blocks[0].2)).or_default() += 1;
            } else {
                if verbose {
                    println!("no recipe: {path} at {at}: {c} of {u}");
                }
                *kinds.entry("none".into()).or_default() += 1;
            }
            at += payload.len();
        }
        let speed = |t: Duration| plain as f64 / 1e6 / t.as_secs_f64().max(1e-9);
        println!(
            "| {} | {blocks} | {compressed} | {plain} | {:.2} % | {cost} | {:.0} | {:.1} | {:.1} | {} |",
            path.rsplit('/').next().unwrap_or(&path),
            100.0 * with as f64 / (compressed as f64).max(1.0),
            speed(inflating),
            speed(finding),
            speed(applying),
            kinds.iter().map(|(k, n)| format!("{n} {k}")).collect::<Vec<_>>().join(", "),
        );
    }
}
