use strangelet::codec::*;
use strangelet::codecs;
use strangelet::column::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let b = std::fs::read(&a[1]).unwrap();
    let mut i = 0;
    while i < b.len() {
        let nl = u32::from_le_bytes(b[i..i + 4].try_into().unwrap()) as usize;
        let sc = Scalar::from_id(b[i + 4]).unwrap();
        let inner = u32::from_le_bytes(b[i + 6..i + 10].try_into().unwrap()) as u64;
        let n = u64::from_le_bytes(b[i + 10..i + 18].try_into().unwrap()) as usize;
        i += 18;
        let name = String::from_utf8_lossy(&b[i..i + nl]).to_string();
        i += nl;
        let cells = Cells::from_le_bytes(sc, &b[i..i + n]).unwrap();
        i += n;
        if name.ends_with(&a[2]) {
            let s =
                Stream { cells: &cells, scalar: sc, role: Role::Values(Meaning::Number), lists: None, inner };
            for c in codecs::ALL {
                let mut o = Vec::new();
                let r = c.encode(&s, Level::Balanced, &mut o).unwrap();
                println!("{name} {} {r} {} {:02x?}", c.name(), o.len(), &o[..o.len().min(10)]);
            }
        }
    }
}
