//! NumPy arrays: are they tables, and do they come back?

mod common;

use common::{data, keeps, survives_damage, tables, unxz};
use proptest::prelude::*;
use strangelet::archive::Archive;
use strangelet::codec::Level;
use strangelet::column::Cells;
use strangelet::dissect::Tables;

fn npy(version: u8, header: &str, array: &[u8]) -> Vec<u8> {
    let mut out = b"\x93NUMPY".to_vec();
    out.extend([version, 0]);
    match version {
        1 => out.extend((header.len() as u16).to_le_bytes()),
        _ => out.extend((header.len() as u32).to_le_bytes()),
    }
    out.extend(header.as_bytes());
    out.extend(array);
    out
}

fn dict(descr: &str, fortran: bool, shape: &str) -> String {
    let fortran = if fortran { "True" } else { "False" };
    format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}      \n")
}

#[test]
fn real_files_are_one_table() {
    for (file, expected) in [
        ("ml_tables/higgs_5k.npy", "data x 5000: data:f32[29]"),
        ("ml_tables/innerdata_extrasig_train.npy", "data x 27263: data:f64[6]"),
        ("tpc/tpc_auau_wedge.npy", "data x 192: data:u16[249, 16]"),
    ] {
        let Some(bytes) = data(file) else { continue };
        let container = keeps(&bytes, "npy");
        assert_eq!(tables(&container), [expected], "{file}");
    }
    let Some(bytes) = unxz("legend/th228.npy.xz") else { return };
    assert_eq!(tables(&keeps(&bytes, "npy")), ["data x 1000: data:u16[1, 1836]"]);
}

#[test]
fn types_and_shapes() {
    let bytes: Vec<u8> = (0..240).collect();
    for (descr, fortran, shape, expected) in [
        ("'<f4'", false, "(60,)", "data x 60: data:f32"),
        ("'>i8'", false, "(5, 6)", "data x 5: data:i64[6]"),
        ("'|b1'", false, "()", "data x 1: data:bool"),
        ("'<c8'", false, "(15, 2)", "data x 15: data:f32[2, 2]"),
        ("'|S10'", false, "(24,)", "data x 24: data:u8s"),
        ("'|S10'", false, "(12, 2)", "data x 24: data:u8s"),
        ("'<U5'", false, "(12,)", "data x 12: data:u8s"),
        ("'<M8[ns]'", false, "(30,)", "data x 30: data:i64"),
        ("'<u2'", true, "(8, 3, 5)", "data x 8: data:u16[3, 5]"),
        ("'<u2'", true, "(120,)", "data x 120: data:u16"),
        ("'>u2'", true, "(0, 3)", ""),
        ("'<f4'", false, "(0,)", "data x 0: data:f32"),
        ("'<f4'", false, "(70,)", "data x 60: data:f32"),
        ("'<f4'", false, "(50,)", "data x 50: data:f32"),
        ("'<f4'", true, "(10, 9)", "data x 6: data:f32[10]"),
        (
            "[('x', '<f4'), ('', '|V2'), ('s', '|S3'), ('n', [('a', '>u2'), ('b', '|u1', (2, 2))])]",
            false,
            "(16,)",
            "data x 16: x:f32 pad1:u8s s:u8s n.a:u16 n.b:u8[2, 2]",
        ),
        (
            "[('x', '<f4'), ('x', [('a', '|u1')], (2,))]",
            true,
            "(4, 10)",
            "data x 40: x:f32 x[0].a:u8 x[1].a:u8",
        ),
    ] {
        for version in [1, 2, 3] {
            let container = keeps(&npy(version, &dict(descr, fortran, shape), &bytes), "npy");
            assert_eq!(tables(&container).first().map_or("", |t| t), expected, "{descr} {shape}");
        }
    }
}

#[test]
fn values_are_what_numpy_reads() {
    // np.asfortranarray(np.arange(6, dtype='>i2').reshape(2, 3))
    let array: Vec<u8> = [0i16, 3, 1, 4, 2, 5].iter().flat_map(|x| x.to_be_bytes()).collect();
    let container = keeps(&npy(1, &dict("'>i2'", true, "(2, 3)"), &array), "npy");
    let archive = Archive::open(&container).unwrap();
    let column = archive.read_column(1, 0, 0).unwrap();
    assert_eq!(column.values, Cells::W2(vec![0, 1, 2, 3, 4, 5]));
}

#[test]
fn what_is_no_array_stays_plain() {
    for header in ["", "{}", "{'descr': '<f4'}", "{'descr': 'O', 'fortran_order': False, 'shape': (1,)}"] {
        let (_, report) = common::roundtrip(&npy(1, header, &[1; 40]), Level::Fast);
        assert_eq!(report.format, "raw");
        assert!(report.refused.is_empty());
    }
}

#[test]
fn damage_does_no_harm() {
    let descr = "[('x', '<f4'), ('y', '>i8', (3,)), ('s', '|S3')]";
    let rows: Vec<u8> = (0..31 * 40).map(|i| (i * i / 7) as u8).collect();
    survives_damage(&npy(1, &dict(descr, false, "(40,)"), &rows));
    survives_damage(&npy(2, &dict("'<f4'", true, "(20, 15)"), &rows));
    if let Some(bytes) = data("ml_tables/higgs_5k.npy") {
        survives_damage(&bytes);
    }
}

proptest! {
    #[test]
    fn any_array_comes_back(
        descr in prop::sample::select(vec!["'<f4'", "'>u2'", "'|S3'", "'<c16'", "'|u1'", "[('a','<i2'),('b','|S1')]"]),
        fortran: bool,
        shape in proptest::collection::vec(0u32..9, 0..5),
        array in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        let shape: String = shape.iter().map(|d| format!("{d}, ")).collect();
        keeps(&npy(1, &dict(descr, fortran, &format!("({shape})")), &array), "npy");
    }
}
