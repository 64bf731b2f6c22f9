//! Own encoder against the library.
use std::time::Instant;
use strangelet_formats::recipe::*;
use strangelet_formats::root::block::HEADER;
fn main() {
    let passes: usize = std::env::var("PASSES").ok().and_then(|p| p.parse().ok()).unwrap_or(3);
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path).unwrap();
        let mut k = Kitchen::new();
        let mut all = vec![];
        let mut at = 0;
        while let Some(h) = bytes.get(at..at + HEADER) {
            let len = |i: usize| u32::from_le_bytes([h[i], h[i + 1], h[i + 2], 0]) as usize;
            if &h[..2] == b"ZL"
                && let Some(p) = bytes.get(at + HEADER..at + HEADER + len(3))
                && let Ok(c) = k.inflate(Kind::Zlib, p, len(6))
            {
                all.push((c, p.to_vec()));
                at += HEADER + len(3);
            } else {
                at += 1;
            }
        }
        let total: usize = all.iter().map(|a| a.0.len()).sum();
        let levels: Vec<u8> =
            std::env::var("LEVELS").map(|l| l.bytes().map(|b| b - 48).collect()).unwrap_or(vec![1]);
        for level in levels {
            let mut best = [f64::MAX; 3];
            for _ in 0..passes {
                for (i, r) in [
                    Recipe::Deflate { level, window: 15 },
                    Recipe::Own { flavour: Flavour::Zlib, level },
                    Recipe::Own { flavour: Flavour::Cloudflare, level },
                ]
                .iter()
                .enumerate()
                {
                    let t = Instant::now();
                    for (c, _) in &all {
                        std::hint::black_box(k.apply(Kind::Zlib, r, &[], c).unwrap());
                    }
                    best[i] = best[i].min(t.elapsed().as_secs_f64());
                }
            }
            println!(
                "{} {} blocks level {level}: zlib {:.0} own {:.0} cf {:.0} MB/s  x{:.2}",
                path.rsplit('/').next().unwrap(),
                all.len(),
                total as f64 / 1e6 / best[0],
                total as f64 / 1e6 / best[1],
                total as f64 / 1e6 / best[2],
                best[0] / best[1]
            );
        }
    }
}
