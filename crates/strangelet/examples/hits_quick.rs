//! Sizes and speeds (CPU time of one thread) of the quick modes of hits, on .npy files of u16.
//!
//! Usage: `hits_quick FILES.npy... [--effort balanced] [--keep SHARE] [--frames N] [--pile N] [--codec]`. The last two axes are
//! pads and times, but `--codec` finds that out itself. `--keep` leaves a share of the connected regions, `--frames` repeats the file, each time with other regions
//! kept, `--pile` lays N mirrored or shifted copies over it: other occupancies of the same tracks.
use quick::Effort;
use strangelet::codec::{Codec, Level, Role, Shape, Stream};
use strangelet::codecs::hits::{Hits, quick};
use strangelet::column::{Cells, Meaning, Scalar};

fn load(path: &str) -> (Vec<u16>, [usize; 3]) {
    let b = std::fs::read(path).unwrap();
    let head = 10 + u16::from_le_bytes([b[8], b[9]]) as usize;
    let text = String::from_utf8_lossy(&b[10..head]).to_string();
    let shape = text.split("'shape': (").nth(1).unwrap().split(')').next().unwrap();
    let sides: Vec<usize> = shape.split(',').filter_map(|x| x.trim().parse().ok()).collect();
    let n = sides.len();
    let three = [sides[..n - 2].iter().product(), sides[n - 2], sides[n - 1]];
    (b[head..].as_chunks::<2>().0.iter().map(|c| u16::from_le_bytes(*c)).collect(), three)
}

/// CPU seconds of this thread.
fn now() -> f64 {
    let t = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    t.split(' ').next().unwrap().parse::<f64>().unwrap() * 1e-9
}

/// Keeps a share of the connected regions (hits that touch, in three dimensions).
fn thin(v: &mut [u16], [layers, pads, times]: [usize; 3], share: f64, seed: u64) {
    let mut seen = vec![false; v.len()];
    let mut random = 88172645463325252u64 ^ seed << 32;
    for from in 0..v.len() {
        if v[from] == 0 || seen[from] {
            continue;
        }
        let (mut region, mut k) = (vec![from], 0);
        seen[from] = true;
        while k < region.len() {
            let at = region[k];
            k += 1;
            let (z, y, t) = (at / (pads * times), at / times % pads, at % times);
            for dz in -1i64..=1 {
                for dy in -1i64..=1 {
                    for dt in -1i64..=1 {
                        let (z, y, t) = (z as i64 + dz, y as i64 + dy, t as i64 + dt);
                        if z < 0
                            || y < 0
                            || t < 0
                            || z >= layers as i64
                            || y >= pads as i64
                            || t >= times as i64
                        {
                            continue;
                        }
                        let next = (z as usize * pads + y as usize) * times + t as usize;
                        if v[next] != 0 && !seen[next] && region.len() < 400 {
                            seen[next] = true;
                            region.push(next);
                        }
                    }
                }
            }
        }
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if (random >> 11) as f64 / (1u64 << 53) as f64 >= share {
            region.iter().for_each(|&at| v[at] = 0);
        }
    }
}

/// Adds the frame in which time or pads run the other way.
fn pile(v: &[u16], [layers, pads, times]: [usize; 3], kinds: usize) -> Vec<u16> {
    let mut sum = v.to_vec();
    for kind in 1..=kinds {
        for z in 0..layers {
            for y in 0..pads {
                for t in 0..times {
                    let from = (z * pads + if kind & 2 > 0 { pads - 1 - y } else { (y + pads / 2) % pads })
                        * times
                        + t;
                    let to = &mut sum[(z * pads + y) * times + t];
                    *to = (*to).max(v[from]);
                }
            }
        }
    }
    sum
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1));
    let effort = if option("--effort").is_some() { Effort::Balanced } else { Effort::Fast };
    let keep: f64 = option("--keep").map_or(1.0, |x| x.parse().unwrap());
    let piles: usize = option("--pile").map_or(0, |x| x.parse().unwrap());
    let whole = args.iter().any(|a| a == "--codec");
    let frames: usize = option("--frames").map_or(1, |x| x.parse().unwrap());
    let (mut all, mut all_hits) = (0, 0);
    for path in args.iter().filter(|a| a.ends_with(".npy")) {
        let (mut v, sides) = load(path);
        let mut sides = sides;
        if frames > 1 || keep < 1.0 {
            let one = v.clone();
            v.clear();
            for frame in 0..frames {
                let mut next = one.clone();
                thin(&mut next, sides, keep, frame as u64);
                v.extend(next);
            }
            sides[0] *= frames;
        }
        if piles > 0 {
            v = pile(&v, sides, piles);
        }
        let hits = v.iter().filter(|&&x| x != 0).count();
        // the clock of a thread is coarse: several rounds together
        let repeat = (20_000_000 / (hits * 10 + v.len() / 100).max(1)).clamp(2, 4000);
        let (mut best_in, mut best_out) = (f64::MAX, f64::MAX);
        let mut payload = Vec::new();
        let cells = Cells::W2(v.clone());
        let dims = [sides[1] as u32, sides[2] as u32];
        let stream = Stream {
            cells: &cells,
            scalar: Scalar::U16,
            role: Role::Values(Meaning::Number),
            lists: None,
            inner: (sides[1] * sides[2]) as u64,
            dims: &dims,
        };
        let shape = Shape { scalar: Scalar::U16, count: v.len() };
        let level = if effort == Effort::Fast { Level::Fast } else { Level::Balanced };
        for _ in 0..5 {
            let t = now();
            for _ in 0..repeat {
                payload.clear();
                let done = match whole {
                    true => Hits.encode(&stream, level, &mut payload),
                    false => quick::encode(&v, sides, effort, &mut payload),
                };
                assert!(done.unwrap());
            }
            best_in = best_in.min((now() - t) / repeat as f64);
            let t = now();
            for k in 0..repeat {
                let back = match whole {
                    true => Hits.decode(&payload, shape, &[]).unwrap(),
                    false => Cells::W2(quick::decode(&payload, sides).unwrap()),
                };
                assert!(k > 0 || back == cells);
            }
            best_out = best_out.min((now() - t) / repeat as f64);
        }
        all += payload.len();
        all_hits += hits;
        let h = hits.max(1) as f64;
        println!(
            "{path} occupancy {:.4} hits {hits} bytes {} bits/hit {:.4} ns/hit {:.1} {:.1}",
            h / v.len() as f64,
            payload.len(),
            payload.len() as f64 * 8.0 / h,
            best_in * 1e9 / h,
            best_out * 1e9 / h
        );
    }
    println!("sum {all} bytes, {:.4} bits/hit", all as f64 * 8.0 / all_hits as f64);
}
