//! The rate-distortion curve of `reduce` on one array: `reduced FILE.npy [WIDTH PRICE PASSES]`.

use strangelet::codec::Level;
use strangelet::column::{Cells, Scalar};
use strangelet::reduce::bins::Hits;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let bytes = std::fs::read(arguments.next().expect("a file")).expect("it can be read");
    let numbers: Vec<f64> = arguments.map(|a| a.parse().expect("a number")).collect();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = String::from_utf8_lossy(&bytes[..header]).into_owned();
    let shape = text.split("'shape': (").nth(1).and_then(|t| t.split(')').next()).expect("a shape");
    let dims: Vec<u32> = shape.split(',').filter_map(|d| d.trim().parse().ok()).collect();
    let scalar = if text.contains("u2") { Scalar::U16 } else { Scalar::U8 };
    let cells = Cells::from_le_bytes(scalar, &bytes[header..]).expect("whole cells");
    let start = std::time::Instant::now();
    let hits =
        Hits::new(scalar, &cells, &dims[1..], 0.0, Level::Max).expect("no error").expect("sparse hits");
    println!("{} hits, mask etc. in {:.2?}", hits.len(), start.elapsed());
    let all = [(0.7, 0.003), (1.0, 0.01), (1.0, 0.03), (1.0, 0.1), (1.0, 0.2)];
    let wanted = if numbers.len() >= 2 { vec![(numbers[0], numbers[1])] } else { all.to_vec() };
    for (width, price) in wanted {
        let start = std::time::Instant::now();
        let passes = numbers.get(2).map_or(5, |&n| n as usize);
        let choice = hits.choose_of(width, price, passes).expect("no error");
        println!(
            "width {width} price {price}: {} bytes, ratio {:.1}, MAE {:.5}, {:.2?}",
            choice.bytes,
            (cells.len() * scalar.width()) as f64 / (choice.bytes + 250) as f64,
            choice.error / cells.len() as f64,
            start.elapsed()
        );
    }
}
