//! xz: liblzma at preset 9, extreme.

use super::Rival;
use liblzma::stream::PRESET_EXTREME;
use liblzma::{read::XzDecoder, write::XzEncoder};
use std::io::{self, Read, Write};

pub struct Xz;

impl Rival for Xz {
    fn name(&self) -> &'static str {
        "xz-9e"
    }
    fn about(&self) -> String {
        "liblzma (C), preset 9 extreme, one thread".into()
    }
    fn compress(&self, input: &mut dyn Read, _len: u64, output: &mut dyn Write) -> io::Result<()> {
        let mut encoder = XzEncoder::new(output, 9 | PRESET_EXTREME);
        super::copy(input, &mut encoder)?;
        encoder.finish().map(drop)
    }
    fn decompress(&self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
        super::copy(&mut XzDecoder::new(input), output)
    }
}
