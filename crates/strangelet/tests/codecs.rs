//! Every codec: does it come back, at every level and for every type; and what does it do with broken payloads.

use proptest::prelude::*;
use strangelet::codec::{Codec, Level, Role, Shape, Stream};
use strangelet::codecs;
use strangelet::column::{Cells, Meaning, Scalar};
use strangelet::select;

/// Values as columns have them: noise, few values, ramps, floats of every kind, repeats.
fn values() -> impl Strategy<Value = Vec<u64>> {
    let odd = prop_oneof![
        Just(0u64),
        Just(u64::MAX),
        Just(f64::NAN.to_bits()),
        Just((-0.0f64).to_bits()),
        Just((-0.0f32).to_bits() as u64),
        Just(0x7fc0_1234),
        Just(0x7ff8_0000_0000_1234),
        Just(f32::INFINITY.to_bits() as u64),
        Just(i64::MIN as u64),
        any::<u64>(),
    ];
    prop_oneof![
        proptest::collection::vec(odd, 0..60),
        proptest::collection::vec(any::<u64>(), 0..300),
        proptest::collection::vec(0u64..3, 0..600),
        (any::<u64>(), 0u64..1000, 0usize..500).prop_map(|(start, step, n)| {
            (0..n as u64).map(|i| start.wrapping_add(i.wrapping_mul(step))).collect()
        }),
        proptest::collection::vec(any::<f32>().prop_map(|x| x.to_bits() as u64), 0..300),
        proptest::collection::vec((-2000i32..2000).prop_map(|x| (x as f32).to_bits() as u64), 0..300),
        proptest::collection::vec((-2000i32..2000).prop_map(|x| (x as f64 / 100.0).to_bits()), 0..300),
        proptest::collection::vec((-2000i32..2000).prop_map(|x| (x as f32 / 100.0).to_bits() as u64), 0..300),
        (proptest::collection::vec(any::<u64>(), 1..40), 1usize..12).prop_map(|(v, n)| v
            .iter()
            .copied()
            .cycle()
            .take(v.len() * n)
            .collect()),
        (any::<u64>(), 0usize..3000).prop_map(|(x, n)| vec![x; n]),
    ]
}

fn cells(scalar: Scalar, values: &[u64]) -> Cells {
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()[..scalar.width()].to_vec()).collect();
    Cells::from_le_bytes(scalar, &bytes).unwrap()
}

fn roles(scalar: Scalar) -> Vec<Role> {
    let mut roles = vec![Role::Values(Meaning::Number)];
    match scalar {
        Scalar::U8 => roles.extend([Role::Values(Meaning::Bytes), Role::Values(Meaning::Text)]),
        Scalar::U32 => roles.push(Role::Lengths),
        _ => {}
    }
    roles
}

/// Streams of one set of values, for every type and role.
fn each_stream(values: &[u64], inner: u64, mut f: impl FnMut(&Stream)) {
    for scalar in Scalar::ALL {
        let cells = cells(scalar, values);
        for role in roles(scalar) {
            f(&Stream { cells: &cells, scalar, role, lists: None, inner });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_codec_comes_back(values in values(), inner in 1u64..5) {
        each_stream(&values, inner, |s| for codec in codecs::ALL {
            for (level, _) in Level::ALL {
                let mut payload = Vec::new();
                if codec.encode(s, level, &mut payload).unwrap() {
                    let shape = Shape { scalar: s.scalar, count: s.cells.len() };
                    let back = codec.decode(&payload, shape, &[]).unwrap();
                    assert_eq!(&back, s.cells, "{} {:?}", codec.name(), level);
                }
            }
        });
    }

    #[test]
    fn the_selection_is_never_worse_than_storing(values in values(), inner in 1u64..5) {
        each_stream(&values, inner, |s| for (level, _) in Level::ALL {
            let coded = select::encode_chunk(std::slice::from_ref(s), level).unwrap();
            let (id, payload) = &coded[0];
            assert!(payload.len() <= s.cells.len() * s.cells.width());
            let shape = Shape { scalar: s.scalar, count: s.cells.len() };
            assert_eq!(&codecs::by_id(*id).unwrap().decode(payload, shape, &[]).unwrap(), s.cells);
        });
    }

    #[test]
    fn any_bytes_give_cells_or_an_error(
        payload in proptest::collection::vec(any::<u8>(), 0..120),
        count in 0usize..3000,
    ) {
        for codec in codecs::ALL {
            for scalar in Scalar::ALL {
                decode_any(*codec, &payload, Shape { scalar, count });
            }
        }
    }

    #[test]
    fn broken_payloads_give_cells_or_an_error(values in values(), flip in any::<(u16, u8)>(), cut: u16) {
        each_stream(&values, 2, |s| for codec in codecs::ALL {
            let mut payload = Vec::new();
            if codec.encode(s, Level::Balanced, &mut payload).unwrap() && !payload.is_empty() {
                let shape = Shape { scalar: s.scalar, count: s.cells.len() };
                let mut flipped = payload.clone();
                let at = flip.0 as usize % flipped.len();
                flipped[at] ^= flip.1;
                decode_any(*codec, &flipped, shape);
                payload.truncate(cut as usize % payload.len());
                decode_any(*codec, &payload, shape);
                decode_any(*codec, &flipped, Shape { scalar: s.scalar, count: s.cells.len() * 3 + 7 });
            }
        });
    }
}

fn decode_any(codec: &dyn Codec, payload: &[u8], shape: Shape) {
    let needs = codec.needs(payload).unwrap_or_default();
    assert!(needs.len() < 1000);
    let other = Cells::W4(vec![7; shape.count]);
    let needed: Vec<&Cells> = needs.iter().map(|_| &other).collect();
    if let Ok(cells) = codec.decode(payload, shape, &needed) {
        assert_eq!((cells.len(), cells.width()), (shape.count, shape.scalar.width()));
    }
}

#[test]
fn ids_are_unique() {
    let mut ids: Vec<u8> = codecs::ALL.iter().map(|c| c.id()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), codecs::ALL.len());
}

fn chosen(scalar: Scalar, role: Role, values: &[u64], level: Level) -> &'static str {
    let cells = cells(scalar, values);
    let stream = Stream { cells: &cells, scalar, role, lists: None, inner: 1 };
    let coded = select::encode_chunk(&[stream], level).unwrap();
    codecs::by_id(coded[0].0).unwrap().name()
}

#[test]
fn the_selection_chooses_what_fits() {
    let number = Role::Values(Meaning::Number);
    let noise = |i: u64| {
        let x = (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    };
    let energies: Vec<u64> =
        (0..5000).map(|i| (1.0 + (noise(i) >> 40) as f32 / 1e6).to_bits() as u64).collect();
    assert_eq!(chosen(Scalar::F32, number, &[7; 100], Level::Balanced), "constant");
    // nothing before a value tells about it: contexts do not pay for their time
    assert_eq!(chosen(Scalar::F32, number, &energies, Level::Balanced), "classes");
    assert_eq!(chosen(Scalar::F32, number, &energies, Level::Fast), "classes");
    // here they do: each value goes on from the one before
    let walk: Vec<u64> = (0..5000)
        .scan(7, |v, i| {
            *v = (*v * 5 + (noise(i) & 3)) % 61;
            Some(*v)
        })
        .collect();
    assert_eq!(chosen(Scalar::U32, number, &walk, Level::Balanced), "adaptive");
    let any: Vec<u64> = (0..5000).map(noise).collect();
    assert_eq!(chosen(Scalar::U64, number, &any, Level::Balanced), "store");
    let text: Vec<u64> =
        b"a line of text that comes again\n".iter().cycle().take(9000).map(|&b| b.into()).collect();
    assert_eq!(chosen(Scalar::U8, Role::Values(Meaning::Text), &text, Level::Balanced), "zstd");
    // records of six bytes: a slow counter and four noisy bits
    let records: Vec<u64> = (0..5000u64)
        .flat_map(|i| [3, 0, 0, i >> 6 & 255, 17 + (noise(i) >> 62), noise(i) >> 58 & 15])
        .collect();
    assert_eq!(chosen(Scalar::U8, Role::Values(Meaning::Bytes), &records, Level::Balanced), "bytes");
}

#[test]
fn smooth_fields_are_grids_at_max_only() {
    // a paraboloid of 40 x 30 x 25 cells
    let square = |x: u64, at: f64| (x as f64 - at) * (x as f64 - at);
    let field: Vec<u64> = (0..40 * 30 * 25)
        .map(|i| {
            square(i % 40, 17.3) * 0.31 + square(i / 40 % 30, 11.9) * 0.47 + square(i / 1200, 6.1) * 0.73
        })
        .map(|x| (x as f32).to_bits() as u64)
        .collect();
    let number = Role::Values(Meaning::Number);
    assert_eq!(chosen(Scalar::F32, number, &field, Level::Max), "grid");
    assert_ne!(chosen(Scalar::F32, number, &field, Level::Balanced), "grid");
}

#[test]
fn equal_streams_are_coded_once() {
    let a = cells(Scalar::U32, &(0..500).map(|i| i * i % 17).collect::<Vec<_>>());
    let b = cells(Scalar::I64, &(0..500).map(|i| i * i % 17).collect::<Vec<_>>());
    let stream = |cells, scalar, role| Stream { cells, scalar, role, lists: None, inner: 1 };
    let streams =
        [stream(&a, Scalar::U32, Role::Lengths), stream(&b, Scalar::I64, Role::Values(Meaning::Number))];
    let coded = select::encode_chunk(&streams, Level::Balanced).unwrap();
    let same = codecs::by_id(coded[1].0).unwrap();
    assert_eq!(same.name(), "same");
    let back = same.decode(&coded[1].1, Shape { scalar: Scalar::I64, count: 500 }, &[&a]).unwrap();
    assert_eq!(back, b);
}

#[test]
fn floats_without_their_low_bits_cost_their_live_bits_only() {
    // 10 bits of mantissa, uniform within an octave, both signs: 11 bits a cell and a little
    let values: Vec<u64> = (0..20_000u64)
        .map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 53)
        .map(|x| 0x3f80_0000 | (x & 0x3ff) << 13 | (x >> 10) << 31)
        .collect();
    let cells = cells(Scalar::F32, &values);
    for level in [Level::Fast, Level::Balanced] {
        let role = Role::Values(Meaning::Number);
        let stream = Stream { cells: &cells, scalar: Scalar::F32, role, lists: None, inner: 1 };
        let bits = select::encode_chunk(&[stream], level).unwrap()[0].1.len() as f64 * 8.0 / 20_000.0;
        assert!(bits < 11.3, "{bits} bits a cell at {}", level.name());
    }
}
