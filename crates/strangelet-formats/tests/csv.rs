//! Numbers as text: are they columns, and does the text come back?

mod common;

use common::{keeps, roundtrip, survives_damage, tables, unxz};
use proptest::prelude::*;
use strangelet::codec::Level;
use strangelet::source::Source;

#[test]
fn a_real_table() {
    let Some(bytes) = unxz("cms/Zee_Run2011A.csv.xz") else { return };
    let container = keeps(&bytes, "csv");
    let found = tables(&container);
    assert!(found[0].starts_with("data x 18885: Run:i64 Event:i64 pt1:i64 pt1.point:u16 "), "{found:?}");
    // xz -9e makes 1,008,852 bytes of it.
    println!("{} bytes of {}", container.len(), bytes.len());
    assert!(container.len() < 850_000, "{} bytes", container.len());
}

#[test]
fn styles_of_lines() {
    for (text, expected) in [
        ("a,b\n1,2.5\n3,4.25\n", "data x 2: a:i64 b:i64 b.point:u16"),
        ("a;b;a\r\n1;x y;-3\r\n-4;z;6\r\n", "data x 2: a:i64 b:u8s a':i64"),
        ("1\t2\n3\t4\n7\t8\n5\t6", "data x 3: c0:i64 c1:i64"),
        ("# a comment\nx,y\n1,2\n3,4\n\n5,6\n", "data x 3: x:i64 y:i64"),
        ("x,x.point\n1.5,2\n3.5,4\n", "data x 2: x:i64 x.point:u16 x.point':i64"),
    ] {
        assert_eq!(tables(&keeps(text.as_bytes(), "csv")), [expected], "{text}");
    }
}

#[test]
fn what_is_no_table_stays_text() {
    for text in
        ["", "a,b\n", "words, and\nmore words, and\nwords, no\n", "1 2\n3 4\n", "\u{e9},1\n2,3\n3,4\n"]
    {
        let (_, report) = roundtrip(text.as_bytes(), Level::Fast);
        assert_eq!(report.format, "raw", "{text}");
    }
}

#[test]
fn damage_does_no_harm() {
    let text: String =
        (0..500).map(|i| format!("{i},{:.3},{:e}\n", i as f64 * 0.37, i as f64 * 1e-7)).collect();
    survives_damage(text.as_bytes());
    if let Some(bytes) = unxz("cms/Zee_Run2011A.csv.xz") {
        survives_damage(&bytes[..30_000]);
    }
}

proptest! {
    #[test]
    fn any_lines_come_back(text in "([-0-9.e+]{0,9},[0-9a]{0,3}(,[0-9.]{1,4})?\r?\n){2,40}[0-9,]{0,5}") {
        let (_, report) = roundtrip(text.as_bytes(), Level::Fast);
        prop_assert!(report.refused.is_empty(), "{:?}", report.refused);
    }
}
