//! Codes dumped columns and reports sizes and speeds by codec and by column.
//!
//! Usage: `columns FILES.cols... [--level fast|balanced|max] [--top N] [--sum]`. A dump is a row of
//! records: u32 name length, u8 scalar, u8 kind (0 values, 1 lengths, 2 bytes), u32 inner cells, u64 byte
//! length (all little-endian), name, cells (little-endian).
use std::collections::BTreeMap;
use strangelet::codec::{Level, Role, Shape, Stream};
use strangelet::column::{Cells, Meaning, Scalar};
use strangelet::{codecs, select};

struct Record {
    name: String,
    scalar: Scalar,
    kind: u8,
    inner: u64,
    cells: Cells,
}

fn records(path: &str) -> Vec<Record> {
    let b = std::fs::read(path).unwrap();
    let (mut i, mut out) = (0, Vec::new());
    while i < b.len() {
        let nl = u32::from_le_bytes(b[i..i + 4].try_into().unwrap()) as usize;
        let (scalar, kind) = (Scalar::from_id(b[i + 4]).unwrap(), b[i + 5]);
        let inner = u32::from_le_bytes(b[i + 6..i + 10].try_into().unwrap()) as u64;
        let n = u64::from_le_bytes(b[i + 10..i + 18].try_into().unwrap()) as usize;
        i += 18;
        let name = String::from_utf8_lossy(&b[i..i + nl]).to_string();
        i += nl;
        let cells = Cells::from_le_bytes(scalar, &b[i..i + n]).unwrap();
        i += n;
        out.push(Record { name, scalar, kind, inner, cells });
    }
    out
}

#[derive(Default)]
struct Sum {
    streams: usize,
    raw: usize,
    out: usize,
    dec: f64,
}

/// Seconds of processor time of this thread.
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    s.split(' ').next().and_then(|x| x.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (mut level, mut top, mut repeat, mut files) = (Level::Balanced, 0, 1, Vec::new());
    let mut it = args.iter();
    while let Some(a) = it.next() {
        match a.as_str() {
            "--level" => {
                let l = it.next().unwrap();
                level = Level::ALL.iter().find(|(_, n)| n == l).unwrap().0
            }
            "--repeat" => repeat = it.next().unwrap().parse().unwrap(),
            "--top" => top = it.next().unwrap().parse().unwrap(),
            _ => files.push(a.clone()),
        }
    }
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global().unwrap();
    let mut total: BTreeMap<&str, Sum> = BTreeMap::new();
    let (mut all_raw, mut all_out, mut all_enc, mut all_dec) = (0, 0, 0.0, 0.0);
    for f in &files {
        let recs = records(f);
        let streams: Vec<Stream> = recs
            .iter()
            .enumerate()
            .map(|(i, r)| Stream {
                cells: &r.cells,
                scalar: r.scalar,
                role: match r.kind {
                    1 => Role::Lengths,
                    2 => Role::Values(Meaning::Bytes),
                    _ => Role::Values(Meaning::Number),
                },
                lists: match recs.get(i.wrapping_sub(1)).map(|r| (&r.cells, r.kind)) {
                    Some((Cells::W4(v), 1)) if r.kind != 1 => Some(v),
                    _ => None,
                },
                inner: r.inner,
                dims: &[],
            })
            .collect();
        let t = cpu();
        let coded = select::encode_chunk(&streams, level).unwrap();
        let enc = cpu() - t;
        let mut rows = Vec::new();
        let (mut raw, mut out, mut dec) = (0, 0, 0.0);
        for (i, (r, (id, payload))) in recs.iter().zip(&coded).enumerate() {
            let codec = codecs::by_id(*id).unwrap();
            let t = cpu();
            let needed: Vec<&Cells> = if codec.derives() {
                codec.needs(payload).unwrap().iter().map(|&j| &recs[j].cells).collect()
            } else {
                Vec::new()
            };
            let shape = Shape { scalar: r.scalar, count: r.cells.len() };
            let back = codec.decode(payload, shape, &needed).unwrap();
            let mut d = cpu() - t;
            for _ in 1..repeat {
                let t = cpu();
                codec.decode(payload, shape, &needed).unwrap();
                d = d.min(cpu() - t);
            }
            assert!(back == r.cells, "{} stream {i} {} by {} differs", f, r.name, codec.name());
            let bytes = r.cells.len() * r.cells.width();
            let s = total.entry(codec.name()).or_default();
            s.streams += 1;
            s.raw += bytes;
            s.out += payload.len() + 2;
            s.dec += d;
            raw += bytes;
            out += payload.len() + 2; // with its entry in the index
            dec += d;
            rows.push((payload.len(), bytes, codec.name(), d, i));
        }
        rows.sort_by_key(|r| std::cmp::Reverse(r.0));
        println!(
            "{} raw {raw} out {out} enc {:.0} MB/s dec {:.0} MB/s",
            f.rsplit('/').next().unwrap(),
            raw as f64 / 1e6 / enc,
            raw as f64 / 1e6 / dec
        );
        for (o, n, c, d, i) in rows.iter().take(top) {
            let r = &recs[*i];
            println!(
                "   {o:9} of {n:9} {:6.2} bits {c:10} {:02x?} dec {:6.0} MB/s {} {} x{}",
                *o as f64 * 8.0 / r.cells.len().max(1) as f64,
                &coded[*i].1[..coded[*i].1.len().min(4)],
                *n as f64 / 1e6 / d,
                r.name,
                r.scalar.name(),
                r.inner
            );
        }
        all_raw += raw;
        all_out += out;
        all_enc += enc;
        all_dec += dec;
    }
    for (name, s) in &total {
        println!(
            "{name:10} {:6} streams {:10} -> {:9} dec {:.0} MB/s {:.3} s",
            s.streams,
            s.raw,
            s.out,
            s.raw as f64 / 1e6 / s.dec,
            s.dec
        );
    }
    println!(
        "TOTAL raw {all_raw} out {all_out} enc {all_enc:.2} s {:.1} MB/s dec {all_dec:.2} s {:.1} MB/s",
        all_raw as f64 / 1e6 / all_enc,
        all_raw as f64 / 1e6 / all_dec
    );
}
