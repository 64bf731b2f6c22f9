//! Wrapped files: are they unwrapped, and do they come back?

mod common;

use common::{data, keeps, roundtrip, survives_damage, tables};
use std::io::Write;
use strangelet::codec::Level;

fn array() -> Vec<u8> {
    let header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': (2000, 3), }}{}\n", " ".repeat(9));
    let mut out = b"\x93NUMPY\x01\0".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend((0..6000).flat_map(|i| ((i % 977) as f32 * 0.37).to_le_bytes()));
    out
}

fn gz(content: &[u8], level: u32) -> Vec<u8> {
    let mut w = flate2::GzBuilder::new()
        .filename("a.npy")
        .comment("c")
        .extra([1, 2, 3])
        .write(Vec::new(), flate2::Compression::new(level));
    w.write_all(content).unwrap();
    w.finish().unwrap()
}

fn xz(content: &[u8], preset: u32) -> Vec<u8> {
    let mut w = liblzma::write::XzEncoder::new(Vec::new(), preset);
    w.write_all(content).unwrap();
    w.finish().unwrap()
}

fn zst(content: &[u8], level: i32) -> Vec<u8> {
    let mut out = Vec::with_capacity(zstd_safe::compress_bound(content.len()));
    zstd_safe::compress(&mut out, content, level).unwrap();
    out
}

const TABLE: [&str; 1] = ["data x 2000: data:f32[3]"];

#[test]
fn wrapped_arrays_are_tables() {
    let content = array();
    for level in [1, 6, 9] {
        assert_eq!(tables(&keeps(&gz(&content, level), "gz")), TABLE);
        assert_eq!(tables(&keeps(&xz(&content, level), "xz")), TABLE);
        assert_eq!(tables(&keeps(&xz(&content, level | 1 << 31), "xz")), TABLE);
    }
    for level in [1, 3, 9, 19] {
        assert_eq!(tables(&keeps(&zst(&content, level), "zst")), TABLE);
    }
    // One within the other, several streams, bytes behind the end, nothing inside.
    assert_eq!(tables(&keeps(&gz(&xz(&zst(&content, 3), 6), 6), "gz")), TABLE);
    let (a, b) = content.split_at(10_000);
    assert_eq!(tables(&keeps(&[gz(a, 6), gz(b, 6)].concat(), "gz")), TABLE);
    assert_eq!(tables(&keeps(&[xz(a, 6), vec![0; 8],].concat(), "xz")), ["data x 826: data:f32[3]"]);
    assert_eq!(tables(&keeps(&[zst(a, 3), zst(b, 3)].concat(), "zst")), TABLE);
    keeps(&gz(b"", 6), "gz");
    keeps(&xz(b"", 6), "xz");
    keeps(&zst(b"", 3), "zst");
}

#[test]
fn real_files() {
    for (file, kind, expected) in [
        ("legend/th228.npy.xz", "xz", "data x 1000: data:u16[1, 1836]"),
        ("sphenix_tpc/0-4fm_AuAu_sectors0-5_R1.npy.xz", "xz", "data x 6: data:u16[2, 16, 96, 249]"),
    ] {
        let Some(bytes) = data(file) else { continue };
        assert_eq!(tables(&keeps(&bytes, kind)), [expected], "{file}");
    }
    if let Some(bytes) = data("hepmc_lhe/pylhe-testfile-madgraph-2.2.1-Z-fxfx.lhe.gz") {
        // Text that a general coder serves as well: unwrapped only where that is smaller.
        let (container, report) = roundtrip(&bytes, Level::Balanced);
        assert!(report.refused.is_empty(), "{:?}", report.refused);
        assert!(
            strangelet::source::Source::len(&container) <= bytes.len() as u64 + 1024,
            "{} bytes",
            strangelet::source::Source::len(&container)
        );
    }
}

#[test]
fn what_nothing_reproduces_stays_plain() {
    // Two blocks of stored bytes where an encoder would write one.
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    bytes.extend([0, 3, 0, 0xfc, 0xff, 1, 2, 3, 1, 1, 0, 0xfe, 0xff, 4]);
    bytes.extend([0; 8]);
    roundtrip(&bytes, Level::Balanced);
}

#[test]
fn damage_does_no_harm() {
    let content = array();
    for bytes in [gz(&content, 6), xz(&content, 0), zst(&content, 3)] {
        survives_damage(&bytes[..]);
    }
}
