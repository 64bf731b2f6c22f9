//! BCAE-VS on frames of a time projection chamber: what it keeps, what it loses, what it costs.
//!
//! Usage: `bcae_vs BUNDLE FRAMES.npy... [--seeds N] [--reverse] [--first N]`. Frames are little-endian `u2` in C order, of three
//! dimensions or (many frames) four; `--reverse` turns the drift axis around.
use std::time::Instant;
use strangelet::model::bcae::Bcae;

fn load(path: &str) -> ([usize; 3], Vec<u16>) {
    let b = std::fs::read(path).unwrap();
    let head = u16::from_le_bytes([b[8], b[9]]) as usize;
    let text = String::from_utf8_lossy(&b[10..10 + head]).to_string();
    assert!(text.contains("'<u2'") && text.contains("'fortran_order': False"), "{text}");
    let shape = text.split('(').nth(1).unwrap().split(')').next().unwrap();
    let shape: Vec<usize> = shape.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let cells = b[10 + head..].as_chunks().0.iter().map(|c| u16::from_le_bytes(*c)).collect();
    (shape[shape.len() - 3..].try_into().unwrap(), cells)
}

fn main() {
    let mut args = std::env::args().skip(1);
    let bundle = std::fs::read(args.next().expect("a bundle")).unwrap();
    let bcae = Bcae::from_bundle(&bundle).unwrap();
    let (mut files, mut seeds, mut reverse, mut limit) = (Vec::new(), 1, false, usize::MAX);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seeds" => seeds = args.next().unwrap().parse().unwrap(),
            "--first" => limit = args.next().unwrap().parse().unwrap(),
            "--reverse" => reverse = true,
            _ => files.push(arg),
        }
    }
    for file in files {
        let (shape, mut cells) = load(&file);
        let volume: usize = shape.iter().product();
        if reverse {
            for block in cells.chunks_exact_mut(shape[1] * shape[2]) {
                let turned: Vec<u16> = block.chunks_exact(shape[2]).rev().flatten().copied().collect();
                block.copy_from_slice(&turned);
            }
        }
        for seed in 0..seeds {
            let (mut hits, mut kept, mut found, mut right, mut frames) = (0, 0, 0, 0, 0);
            let (mut l1, mut l2, mut r1) = (0.0, 0.0, 0.0);
            let (mut encode, mut decode, mut macs, mut dense) = (0.0, 0.0, 0, 0);
            for frame in cells.chunks_exact(volume).take(limit) {
                let voxels: Vec<u32> = (0..volume as u32).filter(|&i| frame[i as usize] > 0).collect();
                let adc: Vec<u16> = voxels.iter().map(|&i| frame[i as usize]).collect();
                let start = Instant::now();
                let a = bcae.analyse(shape, &voxels, &adc, seed, (frames * volume) as u64).unwrap();
                encode += start.elapsed().as_secs_f64();
                let start = Instant::now();
                let mut back = Vec::new();
                dense += bcae.synthesise(shape, &a.code, &mut back).unwrap();
                decode += start.elapsed().as_secs_f64();
                let logs = bcae.logarithms(shape, &a.code).unwrap();
                for ((&x, &y), &v) in frame.iter().zip(&back).zip(&logs) {
                    let lx = (f64::from(x) + 1.0).log2();
                    let d = f64::from(v) - lx;
                    l1 += d.abs();
                    l2 += d * d;
                    r1 += ((f64::from(y) + 1.0).log2() - lx).abs();
                    found += usize::from(y > 0);
                    right += usize::from(y > 0 && x > 0);
                }
                hits += a.hits;
                kept += a.code.voxels.len();
                macs += a.products;
                frames += 1;
            }
            let n = (frames * volume) as f64;
            println!(
                "{file} seed {seed}: {frames} frames, occupancy {:.5}, kept {:.4}, ratio {:.2}, MAE {:.5} ({:.5} as ADC), MSE {:.5}, \
                 precision {:.4}, recall {:.4}; encoder {:.0} ns and {:.1} MAC a hit, {:.1} frames/s; decoder {:.3} s and {:.2} G MAC a frame",
                hits as f64 / n,
                kept as f64 / hits as f64,
                16.0 * n / (36.0 * kept as f64),
                l1 / n,
                r1 / n,
                l2 / n,
                right as f64 / found as f64,
                right as f64 / hits as f64,
                encode * 1e9 / hits as f64,
                macs as f64 / hits as f64,
                frames as f64 / encode,
                decode / frames as f64,
                dense as f64 / frames as f64 / 1e9,
            );
        }
    }
}
