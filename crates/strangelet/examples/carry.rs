//! What it is worth to start a chunk of frames of hits from what chunks before have taught.
//!
//! Usage: `carry GROUP LEVEL FRAMES.npy...`: frames of u16 of one shape, GROUP of them a chunk. Bits a hit: chunks alone; after
//! the first; after the first four, and sixteen, one after the other; each after the one before.
use std::time::Instant;
use strangelet::codec::{Codec, Level, Role, Shape, Stream};
use strangelet::codecs::hits::{self, Hits, Learnt};
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
    let group: usize = args[0].parse().unwrap();
    let level = Level::ALL.iter().find(|l| l.1 == args[1]).expect("a level").0;
    let mut chunks: Vec<Cells> = Vec::new();
    let mut dims = Vec::new();
    let mut frames: Vec<Vec<u16>> = Vec::new();
    for path in &args[2..] {
        let (v, mut sides) = load(path);
        // arrays of many frames
        while sides.len() > 4 {
            sides.remove(0);
        }
        if sides.len() == 4 {
            sides.remove(0);
        }
        let n = sides.iter().product::<u32>() as usize;
        frames.extend(v.chunks_exact(n).map(<[u16]>::to_vec));
        dims = sides;
    }
    for g in frames.chunks(group) {
        chunks.push(Cells::W2(g.concat()));
    }
    let hits: u64 = frames.iter().flatten().filter(|&&v| v > 0).count() as u64;
    let stream = |cells| Stream {
        cells,
        scalar: Scalar::U16,
        role: Role::Values(Meaning::Number),
        lists: None,
        inner: dims.iter().map(|&d| u64::from(d)).product(),
        dims: &dims,
    };
    let mut sizes = [const { Vec::new() }; 5];
    let mut learnt: [Option<Learnt>; 4] = [const { None }; 4];
    let (mut alone, mut after) = (0.0, 0.0);
    for (k, cells) in chunks.iter().enumerate() {
        let s = stream(cells);
        let shape = Shape { scalar: Scalar::U16, count: cells.len() };
        let mut out = Vec::new();
        let t = Instant::now();
        assert!(Hits.encode(&s, level, &mut out).unwrap());
        alone += t.elapsed().as_secs_f64();
        sizes[0].push(out.len());
        for (p, state) in learnt.iter_mut().enumerate() {
            let keeps = k < [1, 4, 16, usize::MAX][p];
            match state {
                None => {
                    sizes[p + 1].push(out.len());
                    *state = hits::learn(&out, shape).ok().map(|learnt| learnt.1);
                }
                Some(before) => {
                    let mut own = Vec::new();
                    let t = Instant::now();
                    let done = hits::encode_after(&s, before, &mut own).unwrap();
                    after += t.elapsed().as_secs_f64() / 4.0;
                    sizes[p + 1].push(if done { own.len() } else { out.len() });
                    if !done {
                        print!("-");
                        continue;
                    }
                    let (back, next) = hits::decode_after(&own, shape, before).unwrap();
                    assert!(back == *cells);
                    if keeps {
                        *state = Some(next);
                    }
                }
            }
        }
    }
    let bits = |v: &[usize]| v.iter().sum::<usize>() as f64 * 8.0 / hits as f64;
    println!(
        "{} chunks of {group}, {hits} hits: alone {:.4}, 1 key {:.4}, 4 keys {:.4}, 16 keys {:.4}, chain {:.4} bits/hit; {:.2} s alone, {:.2} after",
        chunks.len(),
        bits(&sizes[0]),
        bits(&sizes[1]),
        bits(&sizes[2]),
        bits(&sizes[3]),
        bits(&sizes[4]),
        alone,
        after
    );
}
