//! lz4: the C library, frames, its quick mode.

use super::Rival;
use lz4::{Decoder, EncoderBuilder};
use std::io::{self, Read, Write};

pub struct Lz4;

impl Rival for Lz4 {
    fn name(&self) -> &'static str {
        "lz4"
    }
    fn about(&self) -> String {
        format!("lz4 {} (C), frames, quick mode", lz4::version())
    }
    fn compress(&self, input: &mut dyn Read, _len: u64, output: &mut dyn Write) -> io::Result<()> {
        let mut encoder = EncoderBuilder::new().level(1).build(output)?;
        super::copy(input, &mut encoder)?;
        encoder.finish().1
    }
    fn decompress(&self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
        let mut decoder = Decoder::new(input)?;
        super::copy(&mut decoder, output)?;
        decoder.finish().1
    }
}
