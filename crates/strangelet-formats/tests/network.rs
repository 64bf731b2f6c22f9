//! Frames that a network makes again: is it said so, and does the container give back what was promised?

use strangelet::archive::{self, Archive, Network, Wish};
use strangelet::codec::Level;
use strangelet::codecs::{self, bcae_vs};
use strangelet::format::Bound;
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;

/// Tracks through frames: (azimuth, drift, layer), pulses of five samples along the drift.
fn frames(count: usize) -> Vec<u16> {
    let mut cells = vec![0; count * 12 * 40 * 16];
    for (f, cells) in cells.chunks_exact_mut(12 * 40 * 16).enumerate() {
        for t in 0..5 {
            for l in 0..16 {
                let (a, b) = ((t * 3 + f + l * t / 5) % 11, (t * 7 + l) % 34);
                for (k, adc) in [84, 150, 230, 130, 75].iter().enumerate() {
                    cells[(a * 40 + b + k) * 16 + l] = adc + t as u16;
                }
            }
        }
    }
    cells
}

fn npy(shape: &str, descr: &str, array: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}      \n");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(array);
    out
}

fn wish(form: bcae_vs::Form, bundle: Option<Vec<u8>>) -> Wish {
    let network = Network { column: "adc".into(), form, seed: 2, bundle };
    Wish { network: Some(network), ..Wish::default() }
}

#[allow(clippy::ptr_arg)] // a source is a vector, not a slice
fn reduce(file: &Vec<u8>, wish: &Wish) -> strangelet::error::Result<(Spool, archive::Reduced)> {
    archive::reduce(file, ALL, Level::Fast, wish, &mut || Ok(Spool::new(u64::MAX)), &mut |_| {})
}

#[test]
fn the_container_gives_what_the_network_made() {
    for (shape, count) in [("(12, 40, 16)", 1), ("(3, 12, 40, 16)", 3)] {
        let cells = frames(count);
        let bytes: Vec<u8> = cells.iter().flat_map(|c| c.to_le_bytes()).collect();
        let file = npy(shape, "<u2", &bytes);
        for form in [bcae_vs::Form::Plain, bcae_vs::Form::Coded { levels: 16 }] {
            let (container, reduced) = reduce(&file, &wish(form, None)).unwrap();
            let archive = Archive::open(&container).unwrap();
            let promise = archive.index().promise.as_ref().unwrap();
            assert_eq!(promise, &reduced.promise);
            assert_eq!(promise.columns[0].bound, Bound::Network);
            assert_eq!(promise.len, file.len() as u64);
            let used: Vec<u8> =
                archive.index().chunks.iter().flat_map(|c| c.streams.iter().map(|s| s.codec)).collect();
            assert!(used.contains(&codecs::BCAE_VS), "{used:?}");
            let mut back = Spool::new(u64::MAX);
            archive::decompress(&archive, ALL, &mut back).unwrap();
            let back = back.range(0, back.len()).unwrap();
            let plan = bcae_vs::Plan { frame: [12, 40, 16], form, seed: 2, bundle: None };
            let made = bcae_vs::reduce(&plan, &cells).unwrap();
            let expected: Vec<u8> = made.cells.iter().flat_map(|c| c.to_le_bytes()).collect();
            assert_eq!(back[back.len() - bytes.len()..], expected[..]);
            let mae: f64 = cells
                .iter()
                .zip(&made.cells)
                .map(|(&x, &y)| ((f64::from(x) + 1.0).log2() - (f64::from(y) + 1.0).log2()).abs())
                .sum();
            let found = f64::from(promise.columns[0].mae_log2);
            assert!((found - mae / cells.len() as f64).abs() < 1e-6, "{found}");
        }
    }
}

#[test]
fn a_bundle_goes_into_the_container() {
    let bytes: Vec<u8> = frames(1).iter().flat_map(|c| c.to_le_bytes()).collect();
    let file = npy("(12, 40, 16)", "<u2", &bytes);
    let own = reduce(&file, &wish(bcae_vs::Form::Plain, Some(bcae_vs::AUTHORS.to_vec()))).unwrap();
    assert!(own.1.report.compressed > bcae_vs::AUTHORS.len() as u64);
    assert!(reduce(&file, &wish(bcae_vs::Form::Plain, Some(vec![1, 2, 3]))).is_err());
}

#[test]
fn what_are_no_frames_is_refused() {
    let bytes = vec![1u8; 12 * 40 * 16 * 2];
    let plain = wish(bcae_vs::Form::Plain, None);
    for (shape, descr) in [
        ("(480, 16)", "<u2"),
        ("(12, 40, 16)", "<i2"),
        ("(7680,)", "<u2"),
        ("(480, 1, 16)", "<u2"),
        ("(6, 40, 16)", "<u4"),
    ] {
        let e = reduce(&npy(shape, descr, &bytes), &plain).map(|_| ()).unwrap_err().to_string();
        assert!(e.contains("bcae-vs"), "{shape} {descr}: {e}");
    }
}
