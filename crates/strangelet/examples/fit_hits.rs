//! Makes a bundle for hits from simulated wedges: `fit_hits OUT [--coarse] WEDGE.npy...` (uint16, azimuth x beam x layer).
//!
//! With `--coarse` the values of each wedge are first rounded to steps of log2(ADC + 1) as a reduced file has them: 1, 1/2,
//! 1/4 ... 1/16 in turn, at changing places.

use strangelet::codecs::hits;

const SIDES: [usize; 3] = [16, 192, 249];
/// Base, unit and period of such wedges.
const HABITS: (u32, u32, usize) = (73, 18, 5);
const STEPS: [f64; 6] = [1.0, 0.5, 0.35, 0.25, 0.17, 0.1];

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
    let wedges = args[1..].iter().map(|path| wedge(path)).enumerate();
    let mut wedges = wedges.map(|(i, w)| if rounded { coarse(w, i) } else { w });
    let bundle = hits::fit(&mut wedges, SIDES, HABITS).expect("frames that can be coded");
    println!("{} bytes, xxh3-64 {:016x}", bundle.len(), xxhash_rust::xxh3::xxh3_64(&bundle));
    std::fs::write(&args[0], bundle).expect("a file that can be written");
}
