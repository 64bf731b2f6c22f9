//! Makes a bundle for hits from wedges: `fit_hits OUT WEDGE.npy...` (uint16, azimuth x beam x layer).

use strangelet::codecs::hits;

const SIDES: [usize; 3] = [16, 192, 249];

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

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut wedges = args[1..].iter().map(|path| wedge(path));
    let bundle = hits::fit(&mut wedges, SIDES, (73, 18, 5)).expect("frames that can be coded");
    println!("{} bytes, xxh3-64 {:016x}", bundle.len(), xxhash_rust::xxh3::xxh3_64(&bundle));
    std::fs::write(&args[0], bundle).expect("a file that can be written");
}
