//! Anything else: are rows of numbers found, and does everything come back?

mod common;

use common::{data, keeps, roundtrip, survives_damage, tables, unxz};
use proptest::prelude::*;
use strangelet::codec::Level;

/// Deterministic noise.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 16
    }
    fn float(&mut self) -> f32 {
        let sum: f32 = (0..4).map(|_| (self.next() % 100_000) as f32 / 1e5 - 0.5).sum();
        sum
    }
}

fn columns(bytes: &[u8]) -> String {
    tables(&keeps(bytes, "raw")).join("; ")
}

#[test]
fn jets_are_24_floats_a_row() {
    let Some(bytes) = data("boa/cms_jets_24xf32.bin") else { return };
    let expected: Vec<String> = (0..24).map(|i| format!("c{i}:f32")).collect();
    assert_eq!(columns(&bytes), format!("records x 1066: {}", expected.join(" ")));
}

#[test]
fn jets_are_coded_after_their_relations() {
    let Some(bytes) = data("boa/cms_jets_24xf32.bin") else { return };
    let (_, report) = roundtrip(&bytes, Level::Max);
    assert!(report.compressed <= 23_000, "{} bytes", report.compressed);
}

#[test]
fn real_arrays() {
    if let Some(bytes) = data("arrays/cfd_64x64x64x4_f32.bin") {
        assert_eq!(columns(&bytes), "records x 262144: c0:f32 c1:f32 c2:f32 c3:f32");
    }
    if let Some(bytes) = unxz("legend/th228.npy.xz") {
        assert_eq!(columns(&bytes[128..]), "records x 1836000: c0:u16");
    }
    // Hits of seven channels, a word each, in turn.
    if let Some(bytes) = unxz("daq_raw/fei4_hit_or_calibration_raw_data.u4.xz") {
        assert!(columns(&bytes).starts_with("records x 26319: "));
    }
}

#[test]
fn records_of_several_types() {
    let mut noise = Noise(1);
    let mut bytes = Vec::new();
    let mut time = 1_600_000_000_000u64;
    for i in 0..5000u32 {
        time += noise.next() % 5000;
        bytes.extend(time.to_le_bytes());
        bytes.extend((noise.float() * 30.0 + 60.0).to_le_bytes());
        bytes.extend((noise.next() as u16 % 1024).to_le_bytes());
        bytes.extend([(noise.next() % 31) as u8, (i % 7) as u8]);
        bytes.extend(noise.float().to_le_bytes());
    }
    let found = columns(&bytes);
    assert_eq!(found, "records x 5000: c0:u64 c1:f32 c2:u16 c3:u8 c4:u8 c5:f32");
    // The same behind a header that is no whole row.
    let mut behind = b"HEADER of 13 ".to_vec();
    behind.extend(&bytes);
    assert!(columns(&behind).ends_with("c3:f32 c4:u64 c5:f32"));
}

#[test]
fn text_stays_text() {
    let text: String = (0..5000).map(|i| format!("{:8.3} {:5}\n", i as f64 * 0.37, i * i % 977)).collect();
    assert_eq!(columns(text.as_bytes()), "");
}

#[test]
fn noise_stays_bytes() {
    let mut noise = Noise(2);
    let bytes: Vec<u8> = (0..40_000).map(|_| noise.next() as u8).collect();
    assert_eq!(columns(&bytes), "");
}

#[test]
fn compressed_bytes_come_back() {
    let Some(bytes) = data("hepmc_lhe/events.eeH.hepmc3.zst") else { return };
    for n in [1000, 100_000] {
        assert_eq!(columns(&bytes[5..n]), "");
    }
}

#[test]
fn damage_does_no_harm() {
    if let Some(bytes) = data("boa/cms_jets_24xf32.bin") {
        survives_damage(&bytes[..5_000]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn repeated_bytes_come_back(row in proptest::collection::vec(any::<u8>(), 1..40), n in 1usize..200, cut in 0usize..40) {
        let mut bytes = row.repeat(n);
        for (i, b) in bytes.iter_mut().enumerate() {
            *b = b.wrapping_add((i * i / 97) as u8 & 3);
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        keeps(&bytes, "raw");
    }
}
