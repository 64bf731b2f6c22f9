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
    let inner = (inner % 5).max(1) as u64;
    let stream = Stream { cells: &cells, scalar, role, lists: None, inner };
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
