//! bzip2: block sorting, blocks of 900 kB.

use super::Rival;
use bzip2::{Compression, read::BzDecoder, write::BzEncoder};
use std::io::{self, Read, Write};

pub struct Bzip2;

impl Rival for Bzip2 {
    fn name(&self) -> &'static str {
        "bzip2-9"
    }
    fn about(&self) -> String {
        "libbzip2 (its port to Rust, libbz2-rs), level 9".into()
    }
    fn compress(&self, input: &mut dyn Read, _len: u64, output: &mut dyn Write) -> io::Result<()> {
        let mut encoder = BzEncoder::new(output, Compression::best());
        super::copy(input, &mut encoder)?;
        encoder.finish().map(drop)
    }
    fn decompress(&self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
        super::copy(&mut BzDecoder::new(input), output)
    }
}
