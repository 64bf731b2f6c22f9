//! Codes files as texts and reports sizes and speeds of the codec `text`.
//!
//! Usage: `text FILES...`
use strangelet::codec::{Level, Role, Shape, Stream};
use strangelet::codecs;
use strangelet::column::{Cells, Meaning, Scalar};

/// Seconds of processor time of this thread.
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    s.split(' ').next().and_then(|x| x.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn main() {
    let text = codecs::by_id(codecs::TEXT).unwrap();
    let (mut raw, mut out, mut enc, mut dec) = (0, 0, 0.0, 0.0);
    for path in std::env::args().skip(1) {
        let cells = Cells::W1(std::fs::read(&path).unwrap());
        let role = Role::Values(Meaning::Bytes);
        let stream = Stream { cells: &cells, scalar: Scalar::U8, role, lists: None, inner: 1 };
        let mut payload = Vec::new();
        let t = cpu();
        text.encode(&stream, Level::Max, &mut payload).unwrap();
        let e = cpu() - t;
        let t = cpu();
        let back = text.decode(&payload, Shape { scalar: Scalar::U8, count: cells.len() }, &[]).unwrap();
        let d = cpu() - t;
        assert!(back == cells, "{path}");
        println!("{:>10} {:>8} {e:7.3} s {d:7.3} s  {path}", cells.len(), payload.len());
        raw += cells.len();
        out += payload.len();
        enc += e;
        dec += d;
    }
    println!("{raw:>10} {out:>8} {enc:7.3} s {dec:7.3} s  all");
}
