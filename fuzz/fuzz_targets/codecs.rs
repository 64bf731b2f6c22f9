//! Any cells through every codec at every level, and back.
#![no_main]
use strangelet::codec::{Level, Role, Shape, Stream};
use strangelet::codecs::ALL;
use strangelet::column::{Cells, Meaning, Scalar};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [scalar, role, inner, bytes @ ..] = data else { return };
    let Ok(scalar) = Scalar::from_id(scalar % 11) else { return };
    let whole = bytes.len() / scalar.width() * scalar.width();
    let Ok(cells) = Cells::from_le_bytes(scalar, &bytes[..whole]) else { return };
    let role = match role % 4 {
        0 if scalar == Scalar::U32 => Role::Lengths,
        1 if scalar == Scalar::U8 => Role::Values(Meaning::Bytes),
        2 if scalar == Scalar::U8 => Role::Values(Meaning::Text),
        _ => Role::Values(Meaning::Number),
    };
    // Rows of 1 to 4 cells, or frames of several axes.
    let dims = [u32::from(inner / 5 % 8 + 1), u32::from((inner % 5).max(1))];
    let dims = if inner & 128 == 0 { &dims[1..] } else { &dims[..] };
    let inner = dims.iter().map(|&n| u64::from(n)).product();
    let stream = Stream { cells: &cells, scalar, role, lists: None, inner, dims };
    let shape = Shape { scalar, count: cells.len() };
    for codec in ALL {
        for (level, _) in Level::ALL {
            let mut payload = Vec::new();
            if codec.encode(&stream, level, &mut payload).expect("encodes or declines") {
                let back = codec.decode(&payload, shape, &[]).expect("decodes what it wrote");
                assert!(back == cells, "{} does not come back", codec.name());
            }
        }
    }
});
