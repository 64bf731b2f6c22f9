//! Makes a bundle for hits from simulated wedges: `fit_hits OUT [--coarse | --bounds] [--fewest N] WEDGE.npy...` (uint16, azimuth x beam x layer).
//!
//! With `--bounds` the values of each wedge are first reduced within 1, 0.5, 0.25 ... of log2(ADC + 1) in turn, as `reduce --bound` does. With `--coarse` the values of each wedge are first rounded to steps of log2(ADC + 1) as a reduced file has them: 1, 1/2,
//! 1/4 ... 1/16 in turn, at changing places. What came less often than N (8) is not kept.

use strangelet::codecs::hits;
use strangelet::format::Bound;
use strangelet::reduce::palette::{Counts, Palette};

const SIDES: [usize; 3] = [16, 192, 249];
/// Base, unit and period of such wedges.
const HABITS: (u32, u32, usize) = (73, 18, 5);
const STEPS: [f64; 6] = [1.0, 0.5, 0.35, 0.25, 0.17, 0.1];

const BOUNDS: [f64; 9] = [1.0, 0.25, 0.1, 0.5, 0.17, 0.05, 0.7, 0.1, 0.25];

/// Values as `reduce --bound` leaves them.
fn bounded(wedge: Vec<u32>, number: usize) -> Vec<u32> {
    let bound = Bound::Log2(BOUNDS[number % BOUNDS.len()]);
    let mut counts = Counts::default();
    wedge.iter().filter(|&&v| v > 0).for_each(|&v| counts.add(v));
    let palette = Palette::within(&bound, &counts.sorted());
    wedge.into_iter().map(|v| if v > 0 { palette.nearest(v).unwrap_or(v) } else { 0 }).collect()
}

/// A wedge in the order layer, azimuth, beam.
fn wedge(path: &str) -> Vec<u32> {
    let bytes = std::fs::read(path).expect("a file");
    let [layers, pads, times] = SIDES;
    let data = &bytes[bytes.len() - layers * pads * times * 2..];
    let at = |l: usize, p: usize, t: usize| {
        let i = (p * times + t) * layers + l;
        u32::from(u16::from_le_bytes([data[2 * i], data[2 * i + 1]]))
    };
    let places = (0..layers).flat_map(|l| (0..pads).flat_map(move |p| (0..times).map(move |t| (l, p, t))));
    places.map(|(l, p, t)| at(l, p, t)).collect()
}

/// Values rounded to the means of steps.
fn coarse(wedge: Vec<u32>, number: usize) -> Vec<u32> {
    let step = STEPS[number % STEPS.len()];
    let shift = (number / STEPS.len()) as f64 * 0.37 % 1.0;
    let class = |v: u32| ((f64::from(v) + 1.0).log2() / step + shift) as usize;
    let mut sums = vec![(0u64, 0u64); class(1 << 16) + 1];
    for &v in wedge.iter().filter(|&&v| v > 0) {
        let s = &mut sums[class(v)];
        *s = (s.0 + u64::from(v), s.1 + 1);
    }
    let mean = |(sum, n): (u64, u64)| ((sum + n / 2) / n.max(1)) as u32;
    wedge.into_iter().map(|v| if v > 0 { mean(sums[class(v)]) } else { 0 }).collect()
}

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let rounded = args.iter().any(|a| a == "--coarse");
    args.retain(|a| a != "--coarse");
    let within = args.iter().any(|a| a == "--bounds");
    args.retain(|a| a != "--bounds");
    let mut fewest = 8;
    if let Some(at) = args.iter().position(|a| a == "--fewest") {
        fewest = args.remove(at + 1).parse().expect("a number");
        args.remove(at);
    }
    let wedges = args[1..].iter().map(|path| wedge(path)).enumerate();
    let mut wedges = wedges.map(|(i, w)| match (rounded, within) {
        (true, _) => coarse(w, i),
        (_, true) => bounded(w, i),
        _ => w,
    });
    let bundle = hits::fit(&mut wedges, SIDES, HABITS, fewest).expect("frames that can be coded");
    println!("{} bytes, xxh3-64 {:016x}", bundle.len(), xxhash_rust::xxh3::xxh3_64(&bundle));
    std::fs::write(&args[0], bundle).expect("a file that can be written");
}
