//! Sizes and speeds (one thread, best of some) of the codec of hits on .npy files of u16, at any level.
//!
//! Usage: `hits FILES.npy... [--level max] [--cold] [--times N]`. A file of frames counts as one array. `--cold` starts from
//! nothing where the codec would take a bundle.
use std::time::Instant;
use strangelet::codec::{Codec, Level, Role, Shape, Stream};
use strangelet::codecs::hits::{Hits, Start, encode_from};
use strangelet::column::{Cells, Meaning, Scalar};

fn load(path: &str) -> (Vec<u16>, Vec<u32>) {
    let b = std::fs::read(path).unwrap();
    let head = 10 + u16::from_le_bytes([b[8], b[9]]) as usize;
    let text = String::from_utf8_lossy(&b[10..head]).to_string();
    let shape = text.split("'shape': (").nth(1).unwrap().split(')').next().unwrap();
    let sides = shape.split(',').filter_map(|x| x.trim().parse().ok()).collect();
    (b[head..].as_chunks::<2>().0.iter().map(|c| u16::from_le_bytes(*c)).collect(), sides)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1));
    let level = match option("--level").map(String::as_str) {
        Some("fast") => Level::Fast,
        Some("balanced") => Level::Balanced,
        _ => Level::Max,
    };
    let times: usize = option("--times").map_or(5, |n| n.parse().unwrap());
    let cold = args.iter().any(|a| a == "--cold");
    let (mut bytes, mut sum) = (0, 0);
    for path in args.iter().filter(|a| a.ends_with(".npy")) {
        let (v, sides) = load(path);
        let hits = v.iter().filter(|&&x| x != 0).count();
        let cells = Cells::W2(v);
        let stream = Stream {
            cells: &cells,
            scalar: Scalar::U16,
            role: Role::Values(Meaning::Number),
            lists: None,
            inner: sides[1..].iter().map(|&n| u64::from(n)).product(),
            dims: &sides[1..],
        };
        let shape = Shape { count: cells.len(), scalar: Scalar::U16 };
        let mut payload = Vec::new();
        let (mut inward, mut outward) = (f64::MAX, f64::MAX);
        for _ in 0..times {
            payload.clear();
            let t = Instant::now();
            let taken = if cold {
                encode_from(&stream, Start::Cold, &mut payload)
            } else {
                Hits.encode(&stream, level, &mut payload)
            };
            inward = inward.min(t.elapsed().as_secs_f64());
            assert!(taken.unwrap());
            let t = Instant::now();
            let back = Hits.decode(&payload, shape, &[]).unwrap();
            outward = outward.min(t.elapsed().as_secs_f64());
            assert!(back == cells);
        }
        let h = hits as f64;
        println!(
            "{path} occupancy {:.4} hits {hits} bytes {} bits/hit {:.4} ns/hit {:.0} in, {:.0} out",
            h / cells.len() as f64,
            payload.len(),
            payload.len() as f64 * 8.0 / h,
            inward * 1e9 / h,
            outward * 1e9 / h
        );
        bytes += payload.len();
        sum += hits;
    }
    println!("sum {bytes} bytes, {:.4} bits/hit", bytes as f64 * 8.0 / sum as f64);
}
