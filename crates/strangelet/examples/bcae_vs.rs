//! BCAE-VS on frames of a time projection chamber: what it keeps, what it loses, what it costs.
//!
//! Usage: `bcae_vs BUNDLE FRAMES.npy... [--seeds N] [--levels N,N,...] [--reverse] [--first N] [--sum]`. Frames are
//! little-endian `u2` in C order, of three dimensions or (many frames) four; `--first` takes so many of them, `--sum` all files as one. For each seed of
//! the gate the authors' own account; for each number of levels the entropy-coded payload. `--reverse` turns the drift axis around.
use rustix::time::{ClockId, clock_gettime};
use strangelet::codecs::bcae_vs::{self, Form, Plan};
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
    let (mut levels, mut sum) = (Vec::<u8>::new(), false);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seeds" => seeds = args.next().unwrap().parse().unwrap(),
            "--first" => limit = args.next().unwrap().parse().unwrap(),
            "--levels" => {
                levels = args.next().unwrap().split(',').map(|n| n.parse::<u8>().unwrap()).collect()
            }
            "--sum" => sum = true,
            "--reverse" => reverse = true,
            _ => files.push(arg),
        }
    }
    for files in files.chunks(if sum { files.len() } else { 1 }) {
        let (frame, mut cells) = load(&files[0]);
        for file in &files[1..] {
            let (same, more) = load(file);
            assert_eq!(frame, same, "frames of one shape");
            cells.extend(more);
        }
        let volume: usize = frame.iter().product();
        cells.truncate(cells.len().min(limit.saturating_mul(volume)));
        if reverse {
            for block in cells.chunks_exact_mut(frame[1] * frame[2]) {
                let turned: Vec<u16> = block.chunks_exact(frame[2]).rev().flatten().copied().collect();
                block.copy_from_slice(&turned);
            }
        }
        let more = if sum { " and the others" } else { "" };
        println!("{}{more}{}", files[0], if reverse { ", drift axis reversed" } else { "" });
        for seed in 0..seeds {
            println!("  seed {seed}: {}", plain(&bcae, frame, &cells, seed));
        }
        for &levels in &levels {
            println!("  {levels} levels: {}", coded(&bundle, frame, &cells, levels));
        }
    }
}

/// Seconds that this process has had a core for, all threads together.
fn seconds() -> f64 {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

/// Sums of errors over voxels.
#[derive(Default)]
struct Errors {
    l1: f64,
    l2: f64,
    hits: usize,
    found: usize,
    right: usize,
    voxels: usize,
}

impl Errors {
    /// `x` was there, `y` is given back as its logarithm.
    fn add(&mut self, x: u16, y: f64) {
        let d = y - (f64::from(x) + 1.0).log2();
        self.l1 += d.abs();
        self.l2 += d * d;
        self.hits += usize::from(x > 0);
        self.found += usize::from(y > 0.0);
        self.right += usize::from(x > 0 && y > 0.0);
        self.voxels += 1;
    }
}

impl std::fmt::Display for Errors {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let n = self.voxels as f64;
        write!(
            f,
            "occupancy {:.5}, MAE {:.5}, MSE {:.5}, precision {:.4}, recall {:.4}",
            self.hits as f64 / n,
            self.l1 / n,
            self.l2 / n,
            self.right as f64 / self.found as f64,
            self.right as f64 / self.hits as f64,
        )
    }
}

/// By the authors' account: 36 bits a hit kept, errors of the logarithms before they are rounded.
fn plain(bcae: &Bcae, shape: [usize; 3], cells: &[u16], seed: u64) -> String {
    let volume: usize = shape.iter().product();
    let (mut errors, mut kept, mut frames) = (Errors::default(), 0, 0);
    let (mut encode, mut decode, mut macs, mut dense) = (0.0, 0.0, 0, 0);
    for frame in cells.chunks_exact(volume) {
        let voxels: Vec<u32> = (0..volume as u32).filter(|&i| frame[i as usize] > 0).collect();
        let adc: Vec<u16> = voxels.iter().map(|&i| frame[i as usize]).collect();
        let first = (frames * volume) as u64;
        let mut best = f64::INFINITY;
        let mut analysis = Default::default();
        for _ in 0..3 {
            let start = seconds();
            analysis = bcae.analyse(shape, &voxels, &adc, seed, first).unwrap();
            best = best.min(seconds() - start);
        }
        encode += best;
        let start = seconds();
        let (values, products) = bcae.logarithms(shape, &analysis.code).unwrap();
        decode += seconds() - start;
        frame.iter().zip(&values).for_each(|(&x, &y)| errors.add(x, f64::from(y)));
        kept += analysis.code.voxels.len();
        macs += analysis.products;
        dense += products;
        frames += 1;
    }
    format!(
        "{frames} frames, kept {:.4}, ratio {:.2}, {errors}; encoder {:.0} ns and {:.1} MAC a hit, {:.1} frames/s; decoder {:.3} s and \
         {:.2} G MAC a frame",
        kept as f64 / errors.hits as f64,
        16.0 * errors.voxels as f64 / (36.0 * kept as f64),
        encode * 1e9 / errors.hits as f64,
        macs as f64 / errors.hits as f64,
        frames as f64 / encode,
        decode / frames as f64,
        dense as f64 / frames as f64 / 1e9,
    )
}

/// Entropy coded, errors of the cells that a decoder gives.
fn coded(bundle: &[u8], frame: [usize; 3], cells: &[u16], levels: u8) -> String {
    let own = (bundle != bcae_vs::AUTHORS).then_some(bundle);
    let plan = Plan { frame, form: Form::Coded { levels }, seed: 0, bundle: own };
    let (mut errors, mut bytes) = (Errors::default(), 0);
    let volume: usize = frame.iter().product();
    for cells in cells.chunks(volume * 16) {
        let made = bcae_vs::reduce(&plan, cells).unwrap();
        bytes += made.payload.len();
        cells.iter().zip(&made.cells).for_each(|(&x, &y)| errors.add(x, (f64::from(y) + 1.0).log2()));
    }
    format!(
        "{bytes} bytes, ratio {:.2}, {:.3} bits a hit, {errors}",
        2.0 * cells.len() as f64 / bytes as f64,
        8.0 * bytes as f64 / errors.hits as f64,
    )
}
