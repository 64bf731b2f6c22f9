//! HDF5: are datasets tables, and does the file come back?

mod common;

use common::{data, keeps, survives_damage, tables};
use strangelet::archive::Archive;
use strangelet::column::Cells;
use strangelet::dissect::Tables;

const OLD: &[u8] = include_bytes!("files/old.h5");
const NEW: &[u8] = include_bytes!("files/new.h5");

#[test]
fn a_real_file() {
    let Some(bytes) = data("legend/l200-p03-r001-phy-20230322T160139Z-tier_raw.lh5") else { return };
    let found = tables(&keeps(&bytes, "hdf5"));
    for expected in [
        "ch1057600/raw/waveform/values x 10: data:u16[8192]",
        "ch1057600/raw/timestamp x 10: data:f64",
        "ch1121600/raw/fcid x 10: data:u8",
    ] {
        assert!(found.iter().any(|t| t == expected), "{expected} in {found:#?}");
    }
    // Six channels of 35 datasets, one of which is empty in each.
    assert_eq!(found.len(), 6 * 34);
}

#[test]
fn files_of_old_and_new_libraries() {
    let mut found = tables(&keeps(OLD, "hdf5"));
    found.sort();
    let expected = [
        "big x 20: data:f64",
        "ch1/raw/energy x 40: data:f32",
        "ch1/raw/hits x 50: id:u16 pad1:u8[2] x:f32 tag:u8s pad4:u8[1]",
        "ch1/raw/holes x 20: data:i64[4]",
        "ch1/raw/wave x 25: data:u16[100]",
        "ch1/raw/whole x 10: data:u16[100]",
        "colour x 9: data:i8",
        "names x 3: data:u8s",
        "plain x 10: data:i32[3]",
        "scalar x 1: data:f32",
        "text x 2: data:u8[16]",
    ];
    for table in expected {
        assert!(found.iter().any(|t| t == table), "{table} in {found:#?}");
    }
    // What an extensible array indexes stays residue.
    let mut newer = tables(&keeps(NEW, "hdf5"));
    newer.sort();
    let unlimited = ["ch1/raw/energy", "ch1/raw/holes"];
    let expected: Vec<_> = expected.iter().filter(|t| !unlimited.iter().any(|u| t.starts_with(u))).collect();
    assert_eq!(
        newer.iter().map(String::as_str).collect::<Vec<_>>(),
        expected.into_iter().copied().collect::<Vec<_>>()
    );
}

#[test]
fn values_are_those_of_the_arrays() {
    let container = keeps(OLD, "hdf5");
    let archive = Archive::open(&container).unwrap();
    let table = |name| archive.read_column(archive.find(name).unwrap(), 0, 0).unwrap().values;
    assert_eq!(table("plain"), Cells::W4((0..30).collect()));
    assert_eq!(table("big"), Cells::W8((0..20).map(|i| f64::from(i).to_bits()).collect()));
    let Cells::W8(holes) = table("ch1/raw/holes") else { panic!() };
    assert_eq!(&holes[20..36], [3; 16]);
    // Tiles of 8 x 32 make rows of 100 again: noise around 9000.
    let Cells::W2(wave) = table("ch1/raw/wave") else { panic!() };
    assert!(wave.len() == 2500 && wave.iter().all(|x| (8950..9050).contains(x)));
}

#[test]
fn damage_does_no_harm() {
    survives_damage(OLD);
    survives_damage(NEW);
}
