//! Sizes and speeds (one thread, best of some) of the codec of hits on .npy files of u16, at any level.
//!
//! Usage: `hits FILES.npy... [--level max] [--cold] [--times N] [--frames N] [--line]`. A file of frames counts as one array, or with
//! `--frames` as arrays of so many of them. `--cold` starts from nothing where the codec would take a bundle. `--line` tells the time
//! that grows with hits from the time of a frame, by all frames with parts of their pads (the first axis of a frame).
use rustix::time::{ClockId, clock_gettime};
use strangelet::codec::{Codec, Level, Role, Shape, Stream};
use strangelet::codecs::hits::{Hits, Start, encode_from};
use strangelet::column::{Cells, Meaning, Scalar};

fn now() -> f64 {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

fn load(path: &str) -> (Vec<u16>, Vec<u32>) {
    let b = std::fs::read(path).unwrap();
    let head = 10 + u16::from_le_bytes([b[8], b[9]]) as usize;
    let text = String::from_utf8_lossy(&b[10..head]).to_string();
    let shape = text.split("'shape': (").nth(1).unwrap().split(')').next().unwrap();
    let sides = shape.split(',').filter_map(|x| x.trim().parse().ok()).collect();
    (b[head..].as_chunks::<2>().0.iter().map(|c| u16::from_le_bytes(*c)).collect(), sides)
}

struct Array {
    cells: Cells,
    sides: Vec<u32>,
    hits: usize,
}

impl Array {
    fn new(v: Vec<u16>, sides: Vec<u32>) -> Self {
        let hits = v.iter().filter(|&&x| x != 0).count();
        Array { cells: Cells::W2(v), sides, hits }
    }

    fn encode(&self, level: Level, cold: bool) -> Vec<u8> {
        let stream = Stream {
            cells: &self.cells,
            scalar: Scalar::U16,
            role: Role::Values(Meaning::Number),
            lists: None,
            inner: self.sides[1..].iter().map(|&n| u64::from(n)).product(),
            dims: &self.sides[1..],
        };
        let mut payload = Vec::new();
        let taken = if cold {
            encode_from(&stream, Start::Cold, &mut payload)
        } else {
            Hits.encode(&stream, level, &mut payload)
        };
        assert!(taken.unwrap());
        payload
    }

    fn decode(&self, payload: &[u8]) -> Cells {
        Hits.decode(payload, Shape { count: self.cells.len(), scalar: Scalar::U16 }, &[]).unwrap()
    }

    /// The same frames with so many fourths of their pads.
    fn part(&self, fourths: usize) -> Array {
        let Cells::W2(v) = &self.cells else { unreachable!() };
        let mut v = v.clone();
        let skip = usize::from(self.sides.len() == 4);
        let pads = self.sides[skip] as usize;
        let row: usize = self.sides[skip + 1..].iter().map(|&n| n as usize).product();
        for (k, row) in v.chunks_mut(row).enumerate() {
            let (frame, pad) = (k / pads, k % pads);
            if (pad * 4 / pads + frame) % 4 >= fourths {
                row.fill(0);
            }
        }
        Array::new(v, self.sides.clone())
    }
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
    let frames: Option<usize> = option("--frames").map(|n| n.parse().unwrap());
    let cold = args.iter().any(|a| a == "--cold");
    let mut all = Vec::new();
    for path in args.iter().filter(|a| a.ends_with(".npy")) {
        let (v, sides) = load(path);
        let inner: usize = sides[1..].iter().map(|&n| n as usize).product();
        let each = frames.unwrap_or(sides[0] as usize) * inner;
        for part in v.chunks(each) {
            let mut sides = sides.clone();
            sides[0] = (part.len() / inner) as u32;
            let array = Array::new(part.to_vec(), sides);
            if array.hits > 0 {
                all.push((path, array));
            }
        }
    }
    if args.iter().any(|a| a == "--line") {
        let parts = [4, 3, 2, 1].map(|n| all.iter().map(|(_, a)| a.part(n)).collect::<Vec<_>>());
        let mut best = [[f64::MAX; 2]; 4];
        for _ in 0..times {
            for (best, arrays) in best.iter_mut().zip(&parts) {
                let mut sums = [0.0; 2];
                for a in arrays {
                    let start = now();
                    let payload = a.encode(level, cold);
                    let middle = now();
                    let back = a.decode(&payload);
                    sums[1] += now() - middle;
                    sums[0] += middle - start;
                    assert!(back == a.cells);
                }
                *best = [best[0].min(sums[0]), best[1].min(sums[1])];
            }
        }
        let hits = parts.each_ref().map(|p| p.iter().map(|a| a.hits as f64).sum::<f64>());
        let frames: u32 = all.iter().map(|(_, a)| if a.sides.len() == 4 { a.sides[0] } else { 1 }).sum();
        for way in 0..2 {
            let t = best.map(|b| b[way]);
            let (mh, mt) = (hits.iter().sum::<f64>() / 4.0, t.iter().sum::<f64>() / 4.0);
            let (mut cross, mut square) = (0.0, 0.0);
            for k in 0..4 {
                cross += (hits[k] - mh) * (t[k] - mt);
                square += (hits[k] - mh) * (hits[k] - mh);
            }
            let slope = cross / square;
            let fixed = mt - slope * mh;
            let off = (0..4).map(|k| ((t[k] - fixed - slope * hits[k]) / t[0] * 100.0).round() as i32);
            println!(
                "{:5} {:6.1} ns/hit in all, {:6.1} beyond, {:6.0} us a frame; off the line by {:?} %",
                ["write", "read"][way],
                t[0] / hits[0] * 1e9,
                slope * 1e9,
                fixed * 1e6 / f64::from(frames),
                off.collect::<Vec<_>>(),
            );
        }
        return;
    }
    let (mut bytes, mut sum) = (0, 0);
    for (path, array) in &all {
        let mut payload = Vec::new();
        let (mut inward, mut outward) = (f64::MAX, f64::MAX);
        for _ in 0..times {
            let t = now();
            payload = array.encode(level, cold);
            inward = inward.min(now() - t);
            let t = now();
            let back = array.decode(&payload);
            outward = outward.min(now() - t);
            assert!(back == array.cells);
        }
        let h = array.hits as f64;
        println!(
            "{path} occupancy {:.4} hits {h} bytes {} bits/hit {:.4} ns/hit {:.2} in, {:.2} out",
            h / array.cells.len() as f64,
            payload.len(),
            payload.len() as f64 * 8.0 / h,
            inward * 1e9 / h,
            outward * 1e9 / h
        );
        bytes += payload.len();
        sum += array.hits;
    }
    println!("sum {bytes} bytes, {:.4} bits/hit", bytes as f64 * 8.0 / sum as f64);
}
