//! Frames of hits: do they come back, are the sizes what they should be, what happens with broken payloads.

use proptest::prelude::*;
use strangelet::codec::{Codec, Level, Role, Shape, Stream};
use strangelet::codecs::hits::{Hits, Start, encode_from};
use strangelet::codecs::{self};
use strangelet::column::{Cells, Meaning, Scalar};
use strangelet::select;
use xxhash_rust::xxh3::xxh3_64;

fn stream<'a>(cells: &'a Cells, scalar: Scalar, dims: &'a [u32]) -> Stream<'a> {
    let inner = dims.iter().map(|&d| u64::from(d)).product();
    Stream { cells, scalar, role: Role::Values(Meaning::Number), lists: None, inner, dims }
}

fn cells(scalar: Scalar, values: &[u32]) -> Cells {
    match scalar.width() {
        1 => Cells::W1(values.iter().map(|&v| v as u8).collect()),
        2 => Cells::W2(values.iter().map(|&v| v as u16).collect()),
        4 => Cells::W4(values.to_vec()),
        _ => Cells::W8(values.iter().map(|&v| v.into()).collect()),
    }
}

/// The official wedge: 192 x 249 x 16.
fn wedge() -> Cells {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/tpc_auau_wedge.npy");
    let bytes = std::fs::read(path).expect("the wedge lies in data/");
    Cells::from_le_bytes(Scalar::U16, &bytes[bytes.len() - 192 * 249 * 16 * 2..]).unwrap()
}

fn noise(i: u64) -> u64 {
    let mut x = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Pulses on neighbouring pads, layer by layer: layers x pads x times.
fn frames(layers: usize, pads: usize, times: usize, clusters: usize, seed: u64) -> Vec<u32> {
    let mut values = vec![0u32; layers * pads * times];
    for k in 0..clusters as u64 {
        let r = noise(seed * 1_000_003 + k);
        let (pad, time) = (r as usize % pads, (r >> 20) as usize % times);
        let height = 20 + (r >> 40) as u32 % 200;
        for layer in 0..layers {
            for (dp, share) in [(0, 3), (1, 6), (2, 2)] {
                for (dt, shape) in [2u32, 8, 6, 3, 1].into_iter().enumerate() {
                    let (p, t) = (pad + dp + layer / 2, time + dt);
                    if p < pads && t < times {
                        let at = (layer * pads + p) * times + t;
                        let hum = noise(at as u64 ^ seed) as u32 % 3;
                        values[at] = (values[at].max(70) + height * shape * share / 48 + hum).min(1023);
                    }
                }
            }
        }
    }
    values
}

fn back(payload: &[u8], scalar: Scalar, count: usize) -> Cells {
    Hits.decode(payload, Shape { scalar, count }, &[]).unwrap()
}

#[test]
fn the_official_wedge_is_as_small_as_promised() {
    let cells = wedge();
    let stream = stream(&cells, Scalar::U16, &[249, 16]);
    let mut hashes = Vec::new();
    let starts = [
        (Start::Cold, 45_400),
        (Start::Best, 43_730),
        // As writers began in earlier days.
        (Start::Bundle(1), 43_730),
        (Start::Bundle(2), 45_500),
    ];
    for (start, most) in starts {
        let mut payload = Vec::new();
        assert!(encode_from(&stream, start, &mut payload).unwrap());
        // Layers, azimuth, drift: what nobody told it.
        assert_eq!(payload[..10], [0, 3, 192, 1, 249, 1, 16, 2, 0, 1]);
        assert!(payload.len() <= most, "{start:?}: {} bytes", payload.len());
        assert!(back(&payload, Scalar::U16, cells.len()) == cells);
        hashes.push(xxh3_64(&payload));
    }
    assert_eq!(hashes, WEDGE, "these bytes are on disks: neither the format nor the bundles may change");
}

const WEDGE: [u64; 4] =
    [15132102117706205127, 4551301731022365672, 7920642940574254147, 17016327132672995759];

#[test]
fn frames_of_hits_are_coded_as_such_at_the_level_max() {
    let values = frames(8, 40, 100, 60, 1);
    let cells = cells(Scalar::U16, &values);
    let coded = select::encode_chunk(&[stream(&cells, Scalar::U16, &[40, 100])], Level::Max).unwrap();
    assert_eq!(coded[0].0, codecs::HITS);
}

#[test]
fn every_type_and_number_of_axes_comes_back() {
    let values = frames(12, 20, 60, 40, 2);
    let all = [Scalar::U16, Scalar::I16, Scalar::I32, Scalar::U32, Scalar::U64, Scalar::I64];
    let shapes: [&[u32]; 4] = [&[60], &[20, 60], &[3, 20, 60], &[2, 3, 20, 60]];
    for scalar in all {
        for dims in shapes {
            let cells = cells(scalar, &values);
            let mut payload = Vec::new();
            assert!(Hits.encode(&stream(&cells, scalar, dims), Level::Max, &mut payload).unwrap());
            assert_eq!(back(&payload, scalar, cells.len()), cells, "{scalar:?} {dims:?}");
        }
    }
}

#[test]
fn what_is_no_sparse_array_is_left_to_others() {
    let hit = |n: usize, v: u32| {
        let mut values = vec![0; 4000];
        values[..n].fill(v);
        values
    };
    let encode = |values: &[u32], scalar: Scalar, dims: &[u32]| {
        let cells = cells(scalar, values);
        let mut payload = Vec::new();
        let done = Hits.encode(&stream(&cells, scalar, dims), Level::Max, &mut payload).unwrap();
        if done {
            assert_eq!(back(&payload, scalar, cells.len()), cells);
        }
        done
    };
    assert!(!encode(&hit(0, 0), Scalar::U16, &[100]), "empty");
    assert!(!encode(&hit(4000, 9), Scalar::U16, &[100]), "full");
    assert!(!encode(&hit(10, 9), Scalar::U16, &[]), "one axis");
    assert!(!encode(&hit(10, 9), Scalar::F32, &[100]), "floats");
    assert!(!encode(&hit(10, 0xffff), Scalar::I16, &[100]), "negative");
    assert!(encode(&hit(1, 1), Scalar::U8, &[100]), "a single hit");
    assert!(encode(&hit(1000, u32::MAX), Scalar::U32, &[100]), "saturated");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn arrays_come_back(
        sides in proptest::collection::vec(1u32..24, 1..5),
        rows in 1usize..40,
        kept in 1u64..60,
        top in prop_oneof![Just(1u32), Just(3), Just(255), Just(1023), Just(u32::MAX)],
        seed: u64,
    ) {
        let inner: usize = sides.iter().map(|&s| s as usize).product();
        let count = (rows * inner).min(60_000) / inner * inner;
        let values: Vec<u32> = (0..count as u64)
            .map(|i| noise(i ^ seed))
            .map(|r| if r % 128 < kept { (r >> 32) as u32 % top + 1 - u32::from(top == u32::MAX) } else { 0 })
            .collect();
        let cells = Cells::W4(values);
        let mut payload = Vec::new();
        if Hits.encode(&stream(&cells, Scalar::U32, &sides), Level::Max, &mut payload).unwrap() {
            prop_assert_eq!(back(&payload, Scalar::U32, count), cells);
        }
    }

    #[test]
    fn broken_payloads_give_cells_or_an_error(flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..4), cut: u16, other in 0usize..9000) {
        let values = frames(4, 30, 40, 12, 3);
        let cells = cells(Scalar::U16, &values);
        for start in [Start::Cold, Start::Best] {
            let mut payload = Vec::new();
            encode_from(&stream(&cells, Scalar::U16, &[30, 40]), start, &mut payload).unwrap();
            for (at, with) in &flips {
                // Half of the time the head.
                let n = if at & 1 == 0 { 24.min(payload.len()) } else { payload.len() };
                payload[*at as usize / 2 % n] ^= with;
            }
            payload.truncate(payload.len() - cut as usize % 64);
            for count in [values.len(), other] {
                if let Ok(made) = Hits.decode(&payload, Shape { scalar: Scalar::U16, count }, &[]) {
                    prop_assert_eq!(made.len(), count);
                }
            }
        }
    }
}

#[test]
fn axes_that_cannot_be_are_refused() {
    let shape = Shape { scalar: Scalar::U16, count: 1 << 20 };
    // Too long a layer; a product that overflows; axes twice; none; too many.
    let heads: [&[u8]; 5] = [
        &[0, 1, 0x80, 0x80, 0x40, 0],
        &[0, 2, 255, 255, 255, 255, 255, 255, 255, 255, 127, 2, 0, 1],
        &[0, 2, 0x80, 8, 0x80, 8, 0, 0],
        &[0, 0],
        &[0, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    ];
    for head in heads {
        let mut payload = head.to_vec();
        payload.extend([0; 64]);
        assert!(Hits.decode(&payload, shape, &[]).is_err(), "{head:?}");
    }
}

#[test]
fn payloads_are_frozen() {
    let mut made = Vec::new();
    for (values, dims) in [(frames(8, 40, 100, 90, 5), [40, 100]), (frames(5, 24, 64, 30, 6), [24, 64])] {
        let coarse: Vec<u32> = values.iter().map(|v| if *v == 0 { 0 } else { v / 16 * 16 + 7 }).collect();
        for values in [values, coarse] {
            let cells = cells(Scalar::U16, &values);
            for start in [Start::Cold, Start::Best] {
                let mut payload = Vec::new();
                encode_from(&stream(&cells, Scalar::U16, &dims), start, &mut payload).unwrap();
                assert_eq!(back(&payload, Scalar::U16, cells.len()), cells);
                made.push((payload.len(), xxh3_64(&payload)));
            }
        }
    }
    assert_eq!(made, FROZEN, "these bytes are on disks: the format may not change");
}

const FROZEN: [(usize, u64); 8] = [
    (3630, 15947405768757448724),
    (3630, 15947405768757448724),
    (1026, 1642199622799628538),
    (1026, 1642199622799628538),
    (990, 17617526223749769018),
    (990, 17617526223749769018),
    (365, 14405129994121298297),
    (365, 14405129994121298297),
];
