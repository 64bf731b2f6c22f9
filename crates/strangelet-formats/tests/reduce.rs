//! Does a reduced file keep its promise? Judged here by arithmetic of its own.

mod common;

use common::{data, unxz};
use proptest::prelude::*;
use strangelet::archive::{self, Archive, ReduceTarget, Reduced, Wish};
use strangelet::codec::{Level, Shape};
use strangelet::codecs;
use strangelet::column::{Cells, Scalar};
use strangelet::error::Kind;
use strangelet::format::{Bound, ColumnPromise, Place, Promise, Writer};
use strangelet::source::{Source, Spool};
use strangelet::table::TableSchema;
use strangelet_formats::ALL;

const TYPES: [(Scalar, &str); 8] = [
    (Scalar::I8, "|i1"),
    (Scalar::U8, "|u1"),
    (Scalar::I16, "<i2"),
    (Scalar::U16, "<u2"),
    (Scalar::I32, "<i4"),
    (Scalar::U32, "<u4"),
    (Scalar::F32, "<f4"),
    (Scalar::F64, "<f8"),
];

fn npy(descr: &str, shape: &[usize], content: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    while !(text.len() + 11).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((text.len() as u16).to_le_bytes());
    out.extend(text.as_bytes());
    out.extend(content);
    out
}

fn u16s(shape: &[usize], cells: &[u16]) -> Vec<u8> {
    npy("<u2", shape, &cells.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
}

fn reduce(file: &[u8], wish: &Wish, level: Level) -> strangelet::error::Result<(Spool, Reduced)> {
    archive::reduce(&file.to_vec(), ALL, level, wish, &mut || Ok(Spool::new(u64::MAX)), &mut |_| {})
}

fn restore(container: &Spool) -> Vec<u8> {
    let mut out = Spool::new(u64::MAX);
    archive::decompress(&Archive::open(container).unwrap(), ALL, &mut out).unwrap();
    out.range(0, out.len()).unwrap()
}

/// The value of a cell, by the standard library.
fn value(scalar: Scalar, b: &[u8]) -> f64 {
    match scalar {
        Scalar::I8 => f64::from(b[0] as i8),
        Scalar::U8 => f64::from(b[0]),
        Scalar::I16 => f64::from(i16::from_le_bytes(b.try_into().unwrap())),
        Scalar::U16 => f64::from(u16::from_le_bytes(b.try_into().unwrap())),
        Scalar::I32 => f64::from(i32::from_le_bytes(b.try_into().unwrap())),
        Scalar::U32 => f64::from(u32::from_le_bytes(b.try_into().unwrap())),
        Scalar::F32 => f64::from(f32::from_le_bytes(b.try_into().unwrap())),
        _ => f64::from_le_bytes(b.try_into().unwrap()),
    }
}

/// Compares two files of one array each; the greatest error in the unit of the bound, and the mean over all cells of that of
/// log2(|x| + 1).
fn judge(scalar: Scalar, before: &[u8], after: &[u8], bound: &Bound, below: f64) -> (f64, f64) {
    assert_eq!(before.len(), after.len());
    let header = 10 + usize::from(u16::from_le_bytes([before[8], before[9]]));
    assert_eq!(before[..header], after[..header]);
    let cells = |f: &[u8]| f[header..].chunks_exact(scalar.width()).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (mut greatest, mut sum, mut n) = (0f64, 0.0, 0);
    for (a, b) in cells(before).iter().zip(&cells(after)) {
        n += 1;
        let (x, y) = (value(scalar, a), value(scalar, b));
        let log2 = ((x.abs() + 1.0).log2() - (y.abs() + 1.0).log2()).abs();
        sum += if x.is_finite() { log2 } else { 0.0 };
        if x == 0.0 || !x.is_finite() {
            assert_eq!(a, b, "zeros, and what is no number, stay");
            continue;
        }
        if x.abs() < below {
            assert_eq!(y, 0.0, "{x} is dropped");
            continue;
        }
        assert!(y != 0.0 && (x < 0.0) == (y < 0.0), "{x} became {y}");
        let error = match bound {
            Bound::Abs(_) => (x - y).abs(),
            Bound::Rel(_) => (x - y).abs() / x.abs(),
            _ => log2,
        };
        if bound.pointwise() {
            assert!(error <= bound.value() * (1.0 + 1e-12) + 1e-12, "{x} became {y} under {bound:?}");
        }
        greatest = greatest.max(error);
    }
    (greatest, sum / f64::from(n.max(1)))
}

/// The recorded figures are those found, rounded up.
fn as_recorded(c: &ColumnPromise, (greatest, mean): (f64, f64)) {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * b.abs() + 1e-9;
    assert!(near(f64::from(c.max_error), greatest), "{c:?} {greatest}");
    assert!(near(f64::from(c.mae_log2), mean), "{c:?} {mean}");
    assert!(c.mean_error <= c.max_error);
}

fn bound() -> impl Strategy<Value = Bound> {
    prop_oneof![
        (0u32..300).prop_map(|n| Bound::Abs(f64::from(n))),
        (0.0..5.0).prop_map(Bound::Abs),
        (0.0..3.0).prop_map(Bound::Log2),
        Just(Bound::Log2(20.0)),
        (0.0..0.5).prop_map(Bound::Rel),
        (0.0..2.0).prop_map(Bound::Rel),
        Just(Bound::Abs(1e300)),
    ]
}

/// Cells of every sort as raw bits: sparse, dense, saturated, one hit, none, floats that are no numbers.
fn content() -> impl Strategy<Value = Vec<u64>> {
    let odd = prop_oneof![
        Just(f32::NAN.to_bits().into()),
        Just(f64::NAN.to_bits()),
        Just(u64::from(0xff80_0000u32)),
        Just(f64::NEG_INFINITY.to_bits()),
        Just((-0.0f32).to_bits().into()),
        Just((-0.0f64).to_bits()),
        Just(u64::MAX),
        Just(1u64),
        Just(0u64),
        Just(u64::from(f32::MAX.to_bits())),
        Just(f64::MAX.to_bits()),
        Just(i32::MIN as u64),
        Just(i16::MIN as u64),
        any::<u64>(),
    ];
    prop_oneof![
        proptest::collection::vec(odd, 0..120),
        proptest::collection::vec(any::<u64>(), 0..300),
        proptest::collection::vec(prop_oneof![9 => Just(0u64), 1 => 60u64..1024], 0..600),
        proptest::collection::vec(any::<f32>().prop_map(|x| x.to_bits().into()), 0..300),
        proptest::collection::vec((-1e4..1e4f32).prop_map(|x| x.to_bits().into()), 0..300),
        proptest::collection::vec((-1e-3..1e3f64).prop_map(f64::to_bits), 0..300),
        (0usize..400).prop_map(|n| vec![1023; n]),
        (1usize..400, 0usize..400).prop_map(|(n, at)| {
            let mut v = vec![0; n];
            v[at % n] = 77;
            v
        }),
        Just(vec![0; 300]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn each_cell_is_within_its_bound(
        content in content(), kind in 0usize..8, bound in bound(), below in prop_oneof![Just(0.0), 0.0..100.0f64],
        max in any::<bool>(),
    ) {
        let (scalar, descr) = TYPES[kind];
        let bytes: Vec<u8> = content.iter().flat_map(|x| x.to_le_bytes()[..scalar.width()].to_vec()).collect();
        let file = npy(descr, &[content.len()], &bytes);
        let drop_below = if below > 0.0 { vec![("adc".to_string(), below)] } else { Vec::new() };
        let wish = Wish { bounds: vec![("adc".into(), bound)], drop_below, ..Wish::default() };
        if content.is_empty() {
            // No rows, no table: there may be nothing to reduce.
            let _ = reduce(&file, &wish, Level::Fast);
            return Ok(());
        }
        let level = if max { Level::Max } else { Level::Fast };
        let (container, reduced) = reduce(&file, &wish, level).unwrap();
        let found = judge(scalar, &file, &restore(&container), &bound, below);
        prop_assert_eq!(reduced.promise.columns.len(), 1);
        as_recorded(&reduced.promise.columns[0], found);
        let archive = Archive::open(&container).unwrap();
        prop_assert_eq!(archive.index().promise.as_ref(), Some(&reduced.promise));
    }
}

/// Tracks through layers of pads: runs of pulses along the time, told by their neighbours.
fn frame(layers: usize, pads: usize, times: usize, tracks: usize, seed: u64) -> Vec<u16> {
    let mut x = seed;
    let mut random = move || {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (x >> 40) as f64 / (1u64 << 24) as f64
    };
    let mut charge = vec![0.0; layers * pads * times];
    for _ in 0..tracks {
        let (pad, time) = (random() * pads as f64, random() * times as f64);
        let (slope, drift) = (random() * 3.0 - 1.5, random() * 6.0 - 3.0);
        for layer in 0..layers {
            let q = 60.0 / (0.15 + random());
            let (p, t) = (pad + slope * layer as f64, time + drift * layer as f64);
            for i in 0..pads {
                for j in 0..times {
                    let (dp, dt) = (i as f64 - p, j as f64 - t);
                    if dp.abs() < 4.0 && (-3.0..8.0).contains(&dt) {
                        let pulse =
                            if dt > -2.0 { (dt + 2.0).powi(2) * (-(dt + 2.0) * 0.9).exp() } else { 0.0 };
                        charge[(layer * pads + i) * times + j] += q * (-dp * dp / 1.2).exp() * pulse;
                    }
                }
            }
        }
    }
    charge.iter().map(|&q| if q + random() * 4.0 > 6.0 { (70.0 + q).min(1023.0) as u16 } else { 0 }).collect()
}

fn target(target: ReduceTarget) -> Wish {
    Wish { target: Some((target, vec![String::new()])), ..Wish::default() }
}

fn codec_of_values(container: &Spool) -> &'static str {
    let archive = Archive::open(container).unwrap();
    let table = archive.find("data").unwrap();
    let stream = archive.chunk_entry(table, 0).unwrap().streams[0].codec;
    codecs::by_id(stream).unwrap().name()
}

#[test]
fn targets_are_reached() {
    let file = u16s(&[8, 40, 100], &frame(8, 40, 100, 60, 1));
    let mut sizes = Vec::new();
    for most in [0.0, 1e-4, 0.003, 0.02, 10.0] {
        let (container, reduced) = reduce(&file, &target(ReduceTarget::Mae(most)), Level::Balanced).unwrap();
        let found = judge(Scalar::U16, &file, &restore(&container), &Bound::MeanLog2(most), 0.0);
        assert!(found.1 <= most * (1.0 + 1e-9), "{most}: {found:?}");
        as_recorded(&reduced.promise.columns[0], found);
        sizes.push(container.len());
    }
    let smaller = sizes.windows(2).all(|w| w[1] <= w[0] + w[0] / 50);
    assert!(smaller && sizes[3] * 2 < sizes[0], "{sizes:?}");
    let whole = file.len() as f64;
    for ratio in [0.5, whole / sizes[2] as f64, whole / sizes[3] as f64] {
        let (container, reduced) =
            reduce(&file, &target(ReduceTarget::Ratio(ratio)), Level::Balanced).unwrap();
        assert!(container.len() as f64 * ratio <= whole, "{ratio}: {}", container.len());
        let found = judge(Scalar::U16, &file, &restore(&container), &Bound::Ratio(ratio), 0.0);
        as_recorded(&reduced.promise.columns[0], found);
    }
    let e = reduce(&file, &target(ReduceTarget::Ratio(1e6)), Level::Balanced).err().unwrap();
    assert_eq!(e.kind(), Kind::Usage, "{e}");
}

#[test]
fn hits_are_told_by_what_is_around() {
    let cells = frame(6, 30, 90, 50, 2);
    let file = u16s(&[6, 30, 90], &cells);
    let (container, _) = reduce(&file, &target(ReduceTarget::Mae(0.01)), Level::Balanced).unwrap();
    assert_eq!(codec_of_values(&container), "bins");
    // The same array with its axes turned has the same hits and costs about the same.
    let mut turned = vec![0; cells.len()];
    for (i, &x) in cells.iter().enumerate() {
        let (layer, pad, time) = (i / 2700, i / 90 % 30, i % 90);
        turned[(pad * 90 + time) * 6 + layer] = x;
    }
    let turned = u16s(&[30, 90, 6], &turned);
    let (other, _) = reduce(&turned, &target(ReduceTarget::Mae(0.01)), Level::Balanced).unwrap();
    assert_eq!(codec_of_values(&other), "bins");
    let (a, b) = (container.len() as f64, other.len() as f64);
    assert!((a - b).abs() < 0.25 * a, "{a} {b}");
}

#[test]
fn targets_for_what_are_no_hits() {
    // Dense floats, a few hits, one hit, nothing, all saturated: any target of an error is kept.
    let floats: Vec<u8> = (0..4000).flat_map(|i| ((i as f32 * 0.1).sin() * 50.0).to_le_bytes()).collect();
    let mut one = vec![0u16; 3000];
    one[777] = 1023;
    let few: Vec<u16> = (0..3000).map(|i| if i % 50 == 0 { 70 + i % 31 } else { 0 }).collect();
    for (scalar, file) in [
        (Scalar::F32, npy("<f4", &[40, 100], &floats)),
        (Scalar::U16, u16s(&[3000], &one)),
        (Scalar::U16, u16s(&[30, 100], &few)),
        (Scalar::U16, u16s(&[30, 100], &vec![0; 3000])),
        (Scalar::U16, u16s(&[30, 100], &vec![1023; 3000])),
    ] {
        for most in [0.0, 0.001, 0.05] {
            let (container, reduced) = reduce(&file, &target(ReduceTarget::Mae(most)), Level::Fast).unwrap();
            let found = judge(scalar, &file, &restore(&container), &Bound::MeanLog2(most), 0.0);
            assert!(found.1 <= most, "{found:?}");
            as_recorded(&reduced.promise.columns[0], found);
        }
    }
}

#[test]
fn broken_bins_give_cells_or_an_error() {
    let cells = frame(4, 20, 60, 30, 3);
    let file = u16s(&[4, 20, 60], &cells);
    let (container, _) = reduce(&file, &target(ReduceTarget::Mae(0.01)), Level::Balanced).unwrap();
    assert_eq!(codec_of_values(&container), "bins");
    let archive = Archive::open(&container).unwrap();
    let entry = archive.chunk_entry(archive.find("data").unwrap(), 0).unwrap();
    let payload = archive.reader().payload(&entry.streams[0].place).unwrap().into_owned();
    let codec = codecs::by_id(codecs::BINS).unwrap();
    let shape = Shape { scalar: Scalar::U16, count: cells.len() };
    let good = codec.decode(&payload, shape, &[]).unwrap();
    let any = |bytes: &[u8], shape: Shape| {
        if let Ok(cells) = codec.decode(bytes, shape, &[]) {
            assert_eq!((cells.len(), cells.width()), (shape.count, shape.scalar.width()));
        }
    };
    for at in 0..payload.len() {
        if at < 32 || at % 5 == 0 {
            for bit in 0..8 {
                let mut flipped = payload.clone();
                flipped[at] ^= 1 << bit;
                any(&flipped, shape);
            }
        }
        any(&payload[..at], shape);
    }
    for scalar in Scalar::ALL {
        any(&payload, Shape { scalar, count: cells.len() });
        any(&payload, Shape { scalar, count: cells.len() + 1 });
    }
    assert_eq!(good.len(), cells.len());
    assert!(matches!(good, Cells::W2(_)));
}

#[test]
fn every_damage_is_noticed() {
    let file = u16s(&[400], &(0..400).map(|i| if i % 3 == 0 { 70 + i % 9 } else { 0 }).collect::<Vec<_>>());
    let wish = Wish { bounds: vec![("data".into(), Bound::Abs(2.0))], ..Wish::default() };
    let (container, _) = reduce(&file, &wish, Level::Balanced).unwrap();
    let (bytes, right) = (container.range(0, container.len()).unwrap(), restore(&container));
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let Ok(archive) = Archive::open(flipped) else { continue };
            let mut out = Spool::new(1 << 20);
            if archive::decompress(&archive, ALL, &mut out).is_ok() {
                assert_eq!(out.range(0, out.len()).unwrap(), right);
            }
        }
        assert!(Archive::open(bytes[..at].to_vec()).is_err());
    }
}

#[test]
fn promises_that_cannot_be_are_refused() {
    let good = ColumnPromise {
        table: 0,
        column: 0,
        bound: Bound::Abs(2.0),
        drop_below: 0.0,
        dropped: 0,
        max_error: 2.0,
        mean_error: 0.5,
        mae_log2: 0.01,
    };
    let container = |columns: Vec<ColumnPromise>| {
        let mut writer = Writer::new(Vec::new()).unwrap();
        let schema = |name, scalar| strangelet::column::ColumnSchema::flat(name, scalar);
        let columns_of = vec![schema("a", Scalar::U16), schema("b", Scalar::U64)];
        writer.table(TableSchema::new("t", columns_of)).unwrap();
        writer.table(TableSchema::residue("r", vec![schema("c", Scalar::U8)])).unwrap();
        writer.promise(Promise { len: 10, xxh3: 7, columns });
        Archive::open(writer.finish(2, Default::default(), &[]).unwrap().0)
    };
    assert_eq!(container(vec![good]).unwrap().index().promise.as_ref().unwrap().columns, [good]);
    let nan = f32::NAN;
    for bad in [
        vec![],
        vec![good, good],
        vec![ColumnPromise { table: 2, ..good }],
        vec![ColumnPromise { column: 2, ..good }],
        vec![ColumnPromise { column: 1, ..good }],
        vec![ColumnPromise { table: 1, ..good }],
        vec![ColumnPromise { max_error: 2.1, ..good }],
        vec![ColumnPromise { max_error: nan, ..good }],
        vec![ColumnPromise { mean_error: 2.1, ..good }],
        vec![ColumnPromise { mean_error: -0.1, ..good }],
        vec![ColumnPromise { mae_log2: f32::INFINITY, ..good }],
        vec![ColumnPromise { bound: Bound::Abs(f64::NAN), ..good }],
        vec![ColumnPromise { bound: Bound::MeanLog2(0.009), ..good }],
        vec![ColumnPromise { bound: Bound::Log2(-1.0), ..good }],
        vec![ColumnPromise { drop_below: f64::INFINITY, ..good }],
    ] {
        assert!(container(bad.clone()).is_err_and(|e| e.kind() == Kind::Corruption), "{bad:?}");
    }
}

#[test]
fn wishes_that_make_no_sense_are_told() {
    let file = u16s(&[20], &[7; 20]);
    let bound = |name: &str, b: Bound| Wish { bounds: vec![(name.into(), b)], ..Wish::default() };
    for wish in [
        Wish::default(),
        bound("pt", Bound::Abs(1.0)),
        bound("adc", Bound::Abs(f64::NAN)),
        bound("adc", Bound::Abs(-1.0)),
        Wish {
            bounds: vec![("adc".into(), Bound::Abs(1.0)), ("data".into(), Bound::Abs(2.0))],
            ..Wish::default()
        },
        Wish { drop_below: vec![("adc".into(), f64::NAN)], ..Wish::default() },
    ] {
        let e = reduce(&file, &wish, Level::Fast).err().unwrap();
        assert_eq!(e.kind(), Kind::Usage, "{e}");
    }
    let e = reduce(b"some text", &bound("adc", Bound::Abs(1.0)), Level::Fast).err().unwrap();
    assert!(e.to_string().contains("arrays"), "{e}");
    let long = npy("<i8", &[3], &[1; 24]);
    assert_eq!(reduce(&long, &bound("adc", Bound::Abs(1.0)), Level::Fast).err().unwrap().kind(), Kind::Usage);
}

/// A zip file of stored members, as small as can be.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let place = out.len() as u32;
        let crc = crc(content);
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 33, 0];
        common.extend(crc.to_le_bytes());
        common.extend([content.len() as u32, content.len() as u32].iter().flat_map(|n| n.to_le_bytes()));
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(*content);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(common);
        directory.extend([0; 10]);
        directory.extend(place.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let place = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([members.len() as u16; 2].iter().flat_map(|n| n.to_le_bytes()));
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(place.to_le_bytes());
    out.extend([0, 0]);
    out
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |c, _| if c & 1 == 1 { c >> 1 ^ 0xEDB8_8320 } else { c >> 1 })
    })
}

#[test]
fn arrays_of_a_zip_file_are_reduced_by_name() {
    let floats: Vec<u8> = (0..500).flat_map(|i| (i as f64 * 0.37).sin().to_le_bytes()).collect();
    let hits: Vec<u16> = (0..900).map(|i| if i % 7 < 2 { 70 + i % 40 } else { 0 }).collect();
    let (a, b) = (npy("<f8", &[500], &floats), u16s(&[30, 30], &hits));
    let file = zip(&[("x.npy", &a), ("adc.npy", &b), ("notes.txt", b"not an array")]);
    let wish = Wish {
        bounds: vec![("x".into(), Bound::Abs(0.01)), ("adc".into(), Bound::Log2(0.1))],
        drop_below: vec![("adc".into(), 75.0)],
        ..Wish::default()
    };
    let (container, reduced) = reduce(&file, &wish, Level::Balanced).unwrap();
    assert_eq!(reduced.names, ["x", "adc"]);
    let after = restore(&container);
    // What comes out is what a zip of the reduced members would be, checksums and all.
    let at = |name: &str, len: usize| {
        let from = after.windows(name.len()).position(|w| w == name.as_bytes()).unwrap() + name.len();
        after[from..from + len].to_vec()
    };
    let (x, y) = (at("x.npy", a.len()), at("adc.npy", b.len()));
    judge(Scalar::F64, &a, &x, &Bound::Abs(0.01), 0.0);
    judge(Scalar::U16, &b, &y, &Bound::Log2(0.1), 75.0);
    assert_ne!(a, x);
    let expected = zip(&[("x.npy", &x), ("adc.npy", &y), ("notes.txt", b"not an array")]);
    assert_eq!(after.len(), expected.len());
    // The writer says that names are UTF-8; nothing else differs.
    let differ = after.iter().zip(&expected).filter(|(a, b)| a != b).count();
    assert_eq!(differ, 6);
}

/// The bars: mean error .0055 at a ratio of 100, .0170 at 185, occupancy exact.
#[test]
fn the_official_wedge() {
    let Some(file) = data("tpc/tpc_auau_wedge.npy") else { return };
    for (ratio, most) in [(100.0, 0.0055), (185.0, 0.0170)] {
        let (container, reduced) = reduce(&file, &target(ReduceTarget::Ratio(ratio)), Level::Max).unwrap();
        let found = judge(Scalar::U16, &file, &restore(&container), &Bound::Ratio(ratio), 0.0);
        eprintln!(
            "{} bytes, ratio {:.1}, MAE {:.5}",
            container.len(),
            file.len() as f64 / container.len() as f64,
            found.1
        );
        assert!(container.len() as f64 * ratio <= file.len() as f64);
        assert!(found.1 <= most, "{found:?}");
        as_recorded(&reduced.promise.columns[0], found);
    }
}

/// Frames of another digitisation, several to a file: all of them keep the promise.
#[test]
fn frames_of_several_sectors() {
    let Some(file) = unxz("sphenix_tpc/0-4fm_AuAu_sectors0-5_R3.npy.xz") else { return };
    let header = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    let frame = 16 * 192 * 249 * 2;
    let two = npy("<u2", &[2, 16, 192, 249], &file[header..header + 2 * frame]);
    let (container, _) = reduce(&two, &target(ReduceTarget::Mae(0.002)), Level::Balanced).unwrap();
    let found = judge(Scalar::U16, &two, &restore(&container), &Bound::MeanLog2(0.002), 0.0);
    assert!(found.1 <= 0.002, "{found:?}");
    let archive = Archive::open(&container).unwrap();
    let entry = archive.chunk_entry(archive.find("data").unwrap(), 0).unwrap();
    assert!(matches!(entry.streams[0].place, Place::Apart { .. }));
    assert_eq!(codec_of_values(&container), "bins");
    eprintln!(
        "{} bytes, ratio {:.1}, MAE {:.5}",
        container.len(),
        two.len() as f64 / container.len() as f64,
        found.1
    );
}
