//! Any payload to any codec: exactly the promised cells, or an error.
#![no_main]
use strangelet::codec::Shape;
use strangelet::codecs::ALL;
use strangelet::column::{Cells, Scalar};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [which, scalar, lo, hi, payload @ ..] = data else { return };
    let codec = ALL[*which as usize % ALL.len()];
    let Ok(scalar) = Scalar::from_id(scalar % 11) else { return };
    let shape = Shape { scalar, count: u16::from_le_bytes([*lo, *hi]) as usize };
    let Ok(needs) = codec.needs(payload) else { return };
    let other = Cells::W4((0..shape.count as u32).map(|i| i / 3).collect());
    let needed = vec![&other; needs.len().min(8)];
    if let Ok(cells) = codec.decode(payload, shape, &needed) {
        assert_eq!((cells.len(), cells.width()), (shape.count, scalar.width()), "{}", codec.name());
    }
});
