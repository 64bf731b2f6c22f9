//! zlib: the C library at its strongest level.

use super::Rival;
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use std::io::{self, Read, Write};

pub struct Zlib;

impl Rival for Zlib {
    fn name(&self) -> &'static str {
        "zlib-9"
    }
    fn about(&self) -> String {
        "zlib (C), level 9".into()
    }
    fn compress(&self, input: &mut dyn Read, _len: u64, output: &mut dyn Write) -> io::Result<()> {
        let mut encoder = ZlibEncoder::new(output, Compression::new(9));
        super::copy(input, &mut encoder)?;
        encoder.finish().map(drop)
    }
    fn decompress(&self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
        super::copy(&mut ZlibDecoder::new(input), output)
    }
}
