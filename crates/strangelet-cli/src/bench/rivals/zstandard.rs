//! zstd: the C library; level 22 with long windows, as `zstd --ultra -22 --long=27` would.

use super::Rival;
use std::io::{self, Read, Write};
use zstd::stream::{read::Decoder, write::Encoder};

/// Bits of the long window.
const LONG: u32 = 27;

pub struct Zstandard {
    pub level: i32,
}

impl Rival for Zstandard {
    fn name(&self) -> &'static str {
        match self.level {
            3 => "zstd-3",
            19 => "zstd-19",
            _ => "zstd-22-long",
        }
    }
    fn about(&self) -> String {
        let long = if self.level > 19 { format!(", --long={LONG}") } else { String::new() };
        format!("zstd {} (C), level {}{long}", zstd::zstd_safe::version_string(), self.level)
    }
    fn compress(&self, input: &mut dyn Read, len: u64, output: &mut dyn Write) -> io::Result<()> {
        let mut encoder = Encoder::new(output, self.level)?;
        encoder.set_pledged_src_size(Some(len))?;
        if self.level > 19 {
            encoder.long_distance_matching(true)?;
            encoder.window_log(LONG)?;
        }
        super::copy(input, &mut encoder)?;
        encoder.finish().map(drop)
    }
    fn decompress(&self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
        let mut decoder = Decoder::new(input)?;
        decoder.window_log_max(31)?;
        super::copy(&mut decoder, output)
    }
}
