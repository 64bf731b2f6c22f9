//! Every codec: does it come back, at every level and for every type; and what does it do with broken payloads.

use proptest::prelude::*;
use strangelet::codec::{Codec, Effort, Level, Part, Role, Shape, Stream};
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
            f(&Stream { cells: &cells, scalar, role, lists: None, inner, dims: &[] });
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
    let stream = Stream { cells: &cells, scalar, role, lists: None, inner: 1, dims: &[] };
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
        (0..5000).map(|i| 0x3f80_0000 + (noise(i) >> 41) + (noise(i + 9) >> 41)).collect();
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
    assert_eq!(chosen(Scalar::U8, Role::Values(Meaning::Bytes), &records, Level::Max), "text");
    // text that is kept as numbers
    let letters: Vec<u64> = (0..500u64)
        .flat_map(|i| format!("event {i} has the weight {}\n", noise(i) % 50).into_bytes())
        .map(u64::from)
        .collect();
    assert_eq!(chosen(Scalar::U8, number, &letters, Level::Max), "text");
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
    let stream = |cells, scalar, role| Stream { cells, scalar, role, lists: None, inner: 1, dims: &[] };
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
        let stream = Stream { cells: &cells, scalar: Scalar::F32, role, lists: None, inner: 1, dims: &[] };
        let bits = select::encode_chunk(&[stream], level).unwrap()[0].1.len() as f64 * 8.0 / 20_000.0;
        assert!(bits < 11.3, "{bits} bits a cell at {}", level.name());
    }
}

/// Decodes a chunk: each stream after those it needs.
fn decode_chunk(streams: &[Stream], coded: &[(u8, Vec<u8>)]) -> Vec<Cells> {
    fn one(i: usize, streams: &[Stream], coded: &[(u8, Vec<u8>)], done: &mut [Option<Cells>], depth: usize) {
        assert!(depth <= strangelet::limits::MAX_DERIVATIONS, "stream {i}");
        if done[i].is_some() {
            return;
        }
        let (id, payload) = &coded[i];
        let codec = codecs::by_id(*id).unwrap();
        let needs = if codec.derives() { codec.needs(payload).unwrap() } else { Vec::new() };
        for &n in &needs {
            assert!(n < i || codec.looks_ahead());
            one(n, streams, coded, done, depth + 1);
        }
        let needed: Vec<&Cells> = needs.iter().map(|&n| done[n].as_ref().unwrap()).collect();
        let shape = Shape { scalar: streams[i].scalar, count: streams[i].cells.len() };
        done[i] = Some(codec.decode(payload, shape, &needed).unwrap());
    }
    let mut done = vec![None; streams.len()];
    (0..streams.len()).for_each(|i| one(i, streams, coded, &mut done, 0));
    done.into_iter().flatten().collect()
}

fn number<'a>(scalar: Scalar, cells: &'a Cells, lists: Option<&'a [u32]>) -> Stream<'a> {
    Stream { cells, scalar, role: Role::Values(Meaning::Number), lists, inner: 1, dims: &[] }
}

/// Numbers that look random: the same each time.
fn noise(n: usize, seed: u64) -> Vec<u64> {
    let mut x = seed;
    let mut next = || {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        x >> 33
    };
    (0..n).map(|_| next()).collect()
}

#[test]
fn columns_that_follow_from_others_cost_next_to_nothing() {
    let n = 3000;
    let f = |v: &[f32]| Cells::W4(v.iter().map(|x| x.to_bits()).collect());
    let draw =
        |seed, scale: f32| noise(n, seed).iter().map(|&x| (x % 100_000) as f32 * scale).collect::<Vec<f32>>();
    let (a, b) = (draw(1, 0.0137), draw(2, 0.0271));
    let sum: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
    // A momentum, its energy, and the place of a sensor by its number.
    let p: Vec<Vec<f32>> = (3..6).map(|s| draw(s, 0.001).iter().map(|x| x - 50.0).collect()).collect();
    let mass = vec![0.13957f32; n];
    let mass: Vec<f32> =
        mass.iter().zip(noise(n, 9)).map(|(m, x)| if x % 3 == 0 { 0.49368 } else { *m }).collect();
    let energy: Vec<f32> = (0..n)
        .map(|i| {
            let square = |x: f32| f64::from(x) * f64::from(x);
            (square(p[0][i]) + square(p[1][i]) + square(p[2][i]) + square(mass[i])).sqrt() as f32
        })
        .collect();
    let sensor: Vec<u32> = noise(n, 11).iter().map(|&x| (x % 200) as u32).collect();
    let places = noise(200, 12);
    let place: Vec<f32> = sensor.iter().map(|&s| places[s as usize] as f32 * 1e-4).collect();
    let cells = [
        f(&a),
        f(&b),
        f(&sum),
        f(&energy),
        f(&p[0]),
        f(&p[1]),
        f(&p[2]),
        f(&mass),
        Cells::W4(sensor),
        f(&place),
    ];
    let scalar = |i| if i == 8 { Scalar::U32 } else { Scalar::F32 };
    let streams: Vec<Stream> = cells.iter().enumerate().map(|(i, c)| number(scalar(i), c, None)).collect();
    // All of them are made of steps; here it is relations that shall be found.
    let coded = select::encode_chunk(&streams, Effort::from(Level::Max).without(Part::Steps)).unwrap();
    for (i, most) in [(2, n / 8), (3, n / 4), (9, n / 2 + 1000)] {
        assert_eq!(coded[i].0, codecs::ROWS, "column {i}");
        assert!(coded[i].1.len() < most, "column {i}: {} bytes", coded[i].1.len());
    }
    assert_eq!(decode_chunk(&streams, &coded), cells);
    // The payloads are format.
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    coded.iter().for_each(|(_, payload)| hash.update(payload));
    assert_eq!(hash.digest(), 6072196286120120892, "changed payloads are another format");
}

/// Features of a table: what was normalised, decimals by their mean, two masses in TeV that were binary32 in GeV and their
/// difference, angles with a broken line.
fn features(n: usize) -> Vec<(Scalar, Cells)> {
    let draw = |seed: u64, most: u64| -> Vec<f64> {
        noise(n, seed).iter().zip(noise(n, seed + 50)).map(|(a, b)| (a % most + b % most) as f64).collect()
    };
    let narrow = |v: Vec<f32>| (Scalar::F32, Cells::W4(v.into_iter().map(f32::to_bits).collect()));
    let wide = |v: Vec<f64>| (Scalar::F64, Cells::W8(v.into_iter().map(f64::to_bits).collect()));
    let six = |x: f64| format!("{x:.5e}").parse::<f32>().unwrap();
    let (a, b): (Vec<f32>, Vec<f32>) = draw(1, 3_000_000)
        .iter()
        .zip(draw(2, 3_000_000))
        .map(|(a, b)| (six(a * 1e-4), six(b * 1e-4)))
        .unzip();
    vec![
        narrow(draw(3, 9000).iter().map(|k| (k / 100.0) as f32 / 54.642094).collect()),
        narrow(draw(4, 2500).iter().map(|k| (((k - 2500.0) / 1000.0) as f32 - 5.56e-5) / 1.026727).collect()),
        narrow(draw(5, 400_000).iter().map(|k| six(30.0 + k * 1e-3) / 137.21).collect()),
        wide(a.iter().map(|a| f64::from(*a) / 1000.0).collect()),
        wide(a.iter().zip(&b).map(|(a, b)| (f64::from(*b) - f64::from(*a)) / 1000.0).collect()),
        wide(
            draw(6, 3000)
                .iter()
                .map(|k| ((k - 3000.0) * 1e-3 - if *k < 3000.0 { 1.85e-4 } else { 0.0 }) / 1.7)
                .collect(),
        ),
    ]
}

#[test]
fn numbers_of_fewer_digits_are_found() {
    let n = 4000;
    let columns = features(n);
    let streams: Vec<Stream> = columns.iter().map(|(scalar, cells)| number(*scalar, cells, None)).collect();
    let coded = select::encode_chunk(&streams, Level::Max).unwrap();
    let without = select::encode_chunk(&streams, Effort::from(Level::Max).without(Part::Steps)).unwrap();
    let expected = [14.5, 13.0, 20.5, 21.0, 21.5, 18.5];
    for (i, bits) in expected.into_iter().enumerate() {
        assert_eq!(coded[i].0, codecs::STEPS, "column {i}");
        let [with, other] = [&coded[i], &without[i]].map(|c| c.1.len() as f64 * 8.0 / n as f64);
        assert!(with < bits && with < other - 3.0, "column {i}: {with} bits, {other} without");
    }
    let cells: Vec<Cells> = columns.iter().map(|c| c.1.clone()).collect();
    assert_eq!(decode_chunk(&streams, &coded), cells);
    // The payloads are format.
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    coded.iter().for_each(|(_, payload)| hash.update(payload));
    assert_eq!(hash.digest(), 13030513788737562527, "changed payloads are another format");
    // What is broken gives cells or an error.
    let codec = codecs::by_id(codecs::STEPS).unwrap();
    for (i, (_, payload)) in coded.iter().enumerate() {
        let shape = Shape { scalar: streams[i].scalar, count: n };
        let decode = |payload: &[u8], shape: Shape| {
            let needs = codec.needs(payload)?;
            let needed: Vec<&Cells> = needs.iter().map(|&k| streams[k % streams.len()].cells).collect();
            codec.decode(payload, shape, &needed)
        };
        let near = (0..60).chain((60..payload.len()).step_by(997));
        for at in near.filter(|at| *at < payload.len()) {
            assert!(decode(&payload[..at], shape).map_or(0, |c| c.len()) % n == 0);
            for bit in 0..8 {
                let mut broken = payload.clone();
                broken[at] ^= 1 << bit;
                if let Ok(cells) = decode(&broken, shape) {
                    assert_eq!((cells.len(), cells.width()), (n, shape.scalar.width()));
                }
            }
        }
        assert!(decode(payload, Shape { scalar: Scalar::U32, count: n }).is_err());
        assert!(codec.decode(payload, shape, &[]).is_err() || codec.needs(payload).unwrap().is_empty());
    }
}

#[test]
fn rows_are_coded_as_columns() {
    let (n, side) = (500, 4);
    let random = noise(n, 21);
    let cell = |i: usize| match i % side {
        0 => (random[i / side] % 1000) as f32 * 0.01,
        1 => (random[i / side] / 1000 % 1000) as f32 * 7.0 - 3000.0,
        2 => {
            (random[i / side] % 1000) as f32 * 0.01 + ((random[i / side] / 1000 % 1000) as f32 * 7.0 - 3000.0)
        }
        _ => (i / side) as f32,
    };
    let rows = Cells::W4((0..n * side).map(|i| cell(i).to_bits()).collect());
    let stream = Stream { inner: side as u64, ..number(Scalar::F32, &rows, None) };
    let coded = select::encode_chunk(&[stream], Level::Max).unwrap();
    assert_eq!(coded[0].0, codecs::COLUMNS);
    let mut alone = Vec::new();
    assert!(codecs::by_id(codecs::ADAPTIVE).unwrap().encode(&stream, Level::Max, &mut alone).unwrap());
    assert!(coded[0].1.len() < alone.len() * 2 / 3, "{} bytes, {} alone", coded[0].1.len(), alone.len());
    assert_eq!(decode_chunk(&[stream], &coded), std::slice::from_ref(&rows));
    // A circle is an error: both columns need each other.
    let circle = codecs::columns::payload(&[(codecs::SAME, vec![1]), (codecs::SAME, vec![0])]);
    let shape = Shape { scalar: Scalar::F32, count: 10 };
    assert!(codecs::by_id(codecs::COLUMNS).unwrap().decode(&circle, shape, &[]).is_err());
}

#[test]
fn lists_know_of_their_event_and_of_the_place_in_the_list() {
    let lengths: Vec<u32> = noise(800, 3).iter().map(|x| (x % 7) as u32).collect();
    let total: u32 = lengths.iter().sum();
    let of_event: Vec<u64> = noise(800, 4).iter().map(|x| x % 5).collect();
    let noises = noise(total as usize, 5);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for (&n, &e) in lengths.iter().zip(&of_event) {
        for k in 0..n {
            let odd = (noises[first.len()] >> 20 & 15) as u32;
            first.push(e as u32 * 100 + odd);
            second.push(odd + 40 * k.min(3));
        }
    }
    assert_eq!(first.len(), total as usize);
    let event = Cells::W4(of_event.iter().map(|&x| x as u32).collect());
    let counts = Cells::W4(lengths.clone());
    let (first, second) = (Cells::W4(first), Cells::W4(second));
    let role = Role::Lengths;
    let streams = [
        number(Scalar::U32, &event, None),
        Stream { cells: &counts, scalar: Scalar::U32, role, lists: None, inner: 1, dims: &[] },
        number(Scalar::U32, &first, Some(&lengths)),
        Stream { cells: &counts, scalar: Scalar::U32, role, lists: None, inner: 1, dims: &[] },
        number(Scalar::U32, &second, Some(&lengths)),
    ];
    let coded = select::encode_chunk(&streams, Level::Max).unwrap();
    for i in [2, 4] {
        assert_eq!(coded[i].0, codecs::ROWS);
        // Four bits of noise each.
        let noise = total as usize / 2;
        assert!(coded[i].1.len() < noise + noise / 4, "{} bytes for {noise}", coded[i].1.len());
    }
    assert_eq!(
        decode_chunk(&streams, &coded),
        [event.clone(), counts.clone(), first.clone(), counts.clone(), second.clone()]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn chunks_of_columns_come_back(
        rows in proptest::collection::vec((0u32..9, -50i16..50, any::<u32>(), any::<bool>()), 16..400),
        flip in any::<(u16, u8)>(),
    ) {
        let small = Cells::W4(rows.iter().map(|r| r.0).collect());
        let short = Cells::W2(rows.iter().map(|r| r.1 as u16).collect());
        let float = Cells::W4(rows.iter().map(|r| (r.2 as f32 / 77.0 * f32::from(r.1)).to_bits()).collect());
        let double = Cells::W8(rows.iter().map(|r| if r.3 { f64::from(r.1) * f64::from(r.0) } else { 0.0 }.to_bits()).collect());
        let odd = Cells::W4(rows.iter().map(|r| if r.3 { r.2 } else { f32::NAN.to_bits() }).collect());
        let streams = [
            number(Scalar::U32, &small, None),
            number(Scalar::I16, &short, None),
            number(Scalar::F32, &float, None),
            number(Scalar::F64, &double, None),
            number(Scalar::F32, &odd, None),
        ];
        let coded = select::encode_chunk(&streams, Level::Max).unwrap();
        prop_assert_eq!(
            decode_chunk(&streams, &coded),
            [small.clone(), short.clone(), float.clone(), double.clone(), odd.clone()]
        );
        for (i, (id, payload)) in coded.iter().enumerate() {
            if *id == codecs::ROWS {
                let mut broken = payload.clone();
                let at = usize::from(flip.0) % broken.len();
                broken[at] ^= flip.1;
                let codec = codecs::by_id(*id).unwrap();
                let Ok(needs) = codec.needs(&broken) else { continue };
                let needed: Vec<&Cells> = needs.iter().map(|&n| streams[n % 5].cells).collect();
                let shape = Shape { scalar: streams[i].scalar, count: rows.len() };
                if let Ok(cells) = codec.decode(&broken, shape, &needed) {
                    prop_assert_eq!(cells.len(), rows.len());
                }
            }
        }
    }
}

/// A camera: each pixel counts steps of its own; rounded to so many binary digits, or not at all.
fn camera(rows: usize, side: usize, digits: u32) -> (Vec<u32>, Vec<u32>) {
    let random = noise(rows * side * 8, 5);
    let unit = |i: usize| random[i] as f64 / (1u64 << 31) as f64;
    let round = |x: f32| {
        let dead = 24 - digits;
        let half = if dead > 0 { 1 << (dead - 1) } else { 0 };
        (x.to_bits() + half) >> dead << dead
    };
    let (mut light, mut times) = (Vec::new(), Vec::new());
    for i in 0..rows * side {
        let k = i % side;
        let (gain, pedestal) = (0.011 + 0.006 * unit(8 * k + 4), unit(8 * k + 5));
        let bell: f64 = (0..4).map(|j| unit(8 * i + j)).sum::<f64>() - 1.6;
        let bright = if unit(8 * i + 6) < 0.05 { 9.0 } else { 1.5 };
        let n = (bell * bright / gain).round();
        light.push(if k % 10 == 3 { 0 } else { round(((n - pedestal) * gain) as f32) });
        times.push(round(if n * gain > 4.0 { 25.0 + bell } else { 60.0 * unit(8 * i + 7) } as f32));
    }
    (light, times)
}

#[test]
fn channels_are_coded_by_their_own_steps() {
    let (rows, side) = (80, 70);
    let lists = vec![side as u32; rows];
    let lengths = Cells::W4(lists.clone());
    let codec = codecs::by_id(codecs::CHANNELS).unwrap();
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    for (digits, most) in [(9, 8.1), (13, 8.3), (24, 8.7)] {
        let (light, times) = camera(rows, side, digits);
        let (light, times) = (Cells::W4(light), Cells::W4(times));
        let of_lists = Stream {
            cells: &lengths,
            scalar: Scalar::U32,
            role: Role::Lengths,
            lists: None,
            inner: 1,
            dims: &[],
        };
        let streams = [
            of_lists,
            number(Scalar::F32, &light, Some(&lists)),
            of_lists,
            number(Scalar::F32, &times, Some(&lists)),
        ];
        let coded = select::encode_chunk(&streams, Level::Max).unwrap();
        let bits = |i: usize| coded[i].1.len() as f64 * 8.0 / (rows * side) as f64;
        assert_eq!((coded[1].0, coded[3].0), (codecs::CHANNELS, codecs::CHANNELS), "{digits} digits");
        assert!(bits(1) < most, "{digits} digits: {} bits", bits(1));
        let made = decode_chunk(&streams, &coded);
        assert_eq!((&made[1], &made[3]), (&light, &times));
        // What is broken gives cells or an error.
        for i in [1, 3] {
            let payload = &coded[i].1;
            hash.update(payload);
            let shape = Shape { scalar: Scalar::F32, count: rows * side };
            let decode = |payload: &[u8], shape: Shape| {
                let needed = vec![&light; codec.needs(payload)?.len()];
                codec.decode(payload, shape, &needed)
            };
            let near = (0..40).chain((40..payload.len()).step_by(499));
            for at in near.filter(|at| *at < payload.len()) {
                let _ = decode(&payload[..at], shape);
                for bit in 0..8 {
                    let mut broken = payload.clone();
                    broken[at] ^= 1 << bit;
                    if let Ok(cells) = decode(&broken, shape) {
                        assert_eq!((cells.len(), cells.width()), (rows * side, 4));
                    }
                }
            }
            assert!(decode(payload, Shape { count: rows * side - 1, ..shape }).is_err());
        }
    }
    assert_eq!(hash.digest(), 9636118071477406181, "changed payloads are another format");
}

#[test]
fn identifiers_are_places_in_the_order_of_the_readout() {
    let (all, random) = (noise(300, 3), noise(20_000, 4));
    let names: Vec<u32> = all.iter().map(|x| 817_565_000 + (x % 50_000) as u32).collect();
    let mut ids = Vec::new();
    let mut some = random.iter();
    for _ in 0..40 {
        for name in &names {
            ids.extend(vec![*name; [0, 1, 1, 2, 3][(some.next().unwrap() % 5) as usize]]);
        }
    }
    let cells = Cells::W4(ids);
    let stream = number(Scalar::I32, &cells, None);
    let coded = select::encode_chunk(&[stream], Level::Max).unwrap();
    let bits = coded[0].1.len() as f64 * 8.0 / cells.len() as f64;
    assert!(coded[0].0 == codecs::PALETTE && bits < 2.1, "codec {}, {bits} bits", coded[0].0);
    assert_eq!(
        xxhash_rust::xxh3::xxh3_64(&coded[0].1),
        16886284827223206762,
        "changed payloads are another format"
    );
    assert_eq!(decode_chunk(&[stream], &coded)[0], cells);
    let codec = codecs::by_id(codecs::PALETTE).unwrap();
    let payload = &coded[0].1;
    let shape = Shape { scalar: Scalar::I32, count: cells.len() };
    for at in (0..40).chain((40..payload.len()).step_by(97)) {
        assert!(codec.decode(&payload[..at], shape, &[]).map_or(cells.len(), |c| c.len()) == cells.len());
        for bit in 0..8 {
            let mut broken = payload.clone();
            broken[at] ^= 1 << bit;
            if let Ok(made) = codec.decode(&broken, shape, &[]) {
                assert_eq!((made.len(), made.width()), (cells.len(), 4));
            }
        }
    }
}

proptest! {
    #[test]
    fn odd_channels_come_back(
        values in values(), side in 8usize..20, scalar in 0usize..Scalar::ALL.len(), gains in any::<bool>(), peer in any::<bool>(),
    ) {
        let scalar = Scalar::ALL[scalar];
        let rows = 16 + values.len() % 20;
        let of = |i: usize| values.get(i * 7 % values.len().max(1)).copied().unwrap_or(0);
        let all: Vec<u64> = (0..rows * side)
            .map(|i| match (gains && i % 97 != 5, scalar) {
                (true, Scalar::F32) => ((of(i) % 500) as f32 * (0.3 + (i % side) as f32)).to_bits().into(),
                (true, Scalar::F64) => ((of(i) % 500) as f64 * (0.3 + (i % side) as f64) - 17.0).to_bits(),
                _ => of(i),
            })
            .collect();
        let cells = cells(scalar, &all);
        let before = Cells::W2((0..all.len()).map(|i| (of(i + 3) % 9) as u16).collect());
        let inner = side as u64;
        let streams = [
            Stream { inner, ..number(Scalar::U16, &before, None) },
            Stream { inner, ..number(scalar, &cells, None) },
        ];
        let peers: &[usize] = if peer { &[0] } else { &[] };
        if let Some(made) = codecs::channels::encode(&streams, 1, peers, usize::MAX).unwrap() {
            let codec = codecs::by_id(codecs::CHANNELS).unwrap();
            let needed = vec![&before; codec.needs(&made.payload).unwrap().len()];
            let shape = Shape { scalar, count: all.len() };
            prop_assert_eq!(codec.decode(&made.payload, shape, &needed).unwrap(), cells);
        }
        let many: Vec<u64> = (0..900).map(of).collect();
        let many = self::cells(scalar, &many);
        let mut payload = Vec::new();
        let codec = codecs::by_id(codecs::PALETTE).unwrap();
        let stream = number(scalar, &many, None);
        if codec.encode(&stream, Level::Max, &mut payload).unwrap() {
            prop_assert_eq!(codec.decode(&payload, Shape { scalar, count: 900 }, &[]).unwrap(), many);
        }
    }
}
