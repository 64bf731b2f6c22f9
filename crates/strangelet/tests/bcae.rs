//! BCAE-VS with the authors' weights on the official wedge: what its paper says must come out, to the bit the same everywhere.

use strangelet::codec::Shape;
use strangelet::codecs::{self, bcae_vs};
use strangelet::column::{Cells, Scalar};
use xxhash_rust::xxh3::xxh3_64;

/// A part of the wedge: its first planes along the azimuth, where the data are at hand.
fn wedge(planes: usize) -> Option<Vec<u16>> {
    let data = std::env::var("STRANGELET_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").to_string());
    let path = format!("{data}/tpc/tpc_auau_wedge.npy");
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("skipped: there is no {path}");
        return None;
    };
    let cells = bytes[bytes.len() - 192 * 249 * 16 * 2..].as_chunks().0;
    Some(cells.iter().map(|c| u16::from_le_bytes(*c)).take(planes * 249 * 16).collect())
}

#[test]
fn a_part_of_the_wedge_comes_back_as_it_always_does() {
    let Some(cells) = wedge(24) else { return };
    let frame = [24, 249, 16];
    let plan = bcae_vs::Plan { frame, form: bcae_vs::Form::Plain, seed: 0, bundle: None };
    let made = bcae_vs::reduce(&plan, &cells).unwrap();
    let (mut right, mut l1) = (0, 0.0);
    for (&x, &y) in cells.iter().zip(&made.cells) {
        right += usize::from(x > 0 && y > 0);
        l1 += ((f64::from(y) + 1.0).log2() - (f64::from(x) + 1.0).log2()).abs();
    }
    let found = made.cells.iter().filter(|&&y| y > 0).count() as f64;
    let (precision, recall) = (right as f64 / found, right as f64 / made.hits as f64);
    assert!(precision > 0.985 && recall > 0.96, "{precision} {recall}");
    let mae = l1 / cells.len() as f64;
    assert!(mae < 0.06, "{mae}");
    assert!((0.11..0.15).contains(&(made.kept as f64 / made.hits as f64)));
    let bytes: Vec<u8> = made.cells.iter().flat_map(|c| c.to_le_bytes()).collect();
    assert_eq!((xxh3_64(&made.payload), xxh3_64(&bytes)), FROZEN, "what decoders make may not change");
    let codec = codecs::by_id(codecs::BCAE_VS).unwrap();
    let shape = Shape { scalar: Scalar::U16, count: cells.len() };
    assert_eq!(codec.decode(&made.payload, shape, &[]).unwrap(), Cells::W2(made.cells));
}

const FROZEN: (u64, u64) = (3124616517380289146, 1367410729485214297);

#[test]
fn threads_do_not_matter() {
    let Some(cells) = wedge(8) else { return };
    let plan = bcae_vs::Plan {
        frame: [8, 249, 16],
        form: bcae_vs::Form::Coded { levels: 16 },
        seed: 3,
        bundle: None,
    };
    let made = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let made = pool.install(|| bcae_vs::reduce(&plan, &cells)).unwrap();
        (made.payload, made.cells)
    });
    assert!(made[0] == made[1]);
}
