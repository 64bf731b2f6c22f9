//! Deflate: zlib and cloudflare's fork of it by level, and any other deflate by its tokens.
//!
//! The header of zlib names a class of levels, so the usual case is one attempt of the encoder
//! here, which writes the bytes of both. What neither of the two writes (zlib-ng, libdeflate) is
//! parsed into its tokens; a predictor that imitates the match finder is corrected where it errs.

mod emit;
mod first;
mod own;
mod search;
mod trees;

use std::panic::{AssertUnwindSafe, catch_unwind};

use flate2::{Compress, Compression, FlushCompress, Status};
use preflate_rs::{PreflateConfig, preflate_whole_deflate_stream, recreate_whole_deflate_stream};
use strangelet::error::{Result, corruption};
use strangelet::limits;
use zlib_rs::{Inflate, InflateFlush};

use self::own::Encoder;
use super::{Effort, Flavour, MAX_CONTENT, Recipe, exact};

/// Room for content that is made before the block has shown to hold as much.
const FIRST: usize = 1 << 22;
/// Output compared at a time: a wrong level shows within the first few hundred bytes.
const STRIDE: usize = 1 << 12;
/// Corrections may take at most this share (a divisor) of the block.
const WORTH: usize = 3;

/// States of zlib, kept from block to block.
#[derive(Default)]
pub(super) struct Deflate {
    encoders: Vec<(u8, u8, Compress)>,
    decoders: [Option<Inflate>; 2],
    /// Room of a content that is not needed any more.
    spare: Vec<u8>,
    own: Option<Encoder>,
    scratch: Vec<u8>,
}

impl Deflate {
    /// Keeps room for a later content.
    pub fn recycle(&mut self, content: Vec<u8>) {
        if content.capacity() > self.spare.capacity() {
            self.spare = content;
        }
    }

    pub fn inflate(&mut self, wrapped: bool, block: &[u8], content_len: usize) -> Result<Vec<u8>> {
        let decoder = self.decoders[usize::from(wrapped)].get_or_insert_with(|| Inflate::new(wrapped, 15));
        decoder.reset(wrapped);
        // One byte more than claimed, so that an overlong block shows itself.
        let first = content_len.saturating_add(1).min(FIRST);
        let mut content = if (first..=first.saturating_mul(4)).contains(&self.spare.capacity()) {
            let mut spare = std::mem::take(&mut self.spare);
            spare.resize(first, 0);
            spare
        } else {
            vec![0; first]
        };
        loop {
            let read = block.get(decoder.total_in() as usize..).unwrap_or_default();
            let before = (decoder.total_in(), decoder.total_out());
            let room = content.get_mut(decoder.total_out() as usize..).unwrap_or_default();
            let status = decoder
                .decompress(read, room, InflateFlush::NoFlush)
                .map_err(|e| corruption(format!("deflate block: {}", e.as_str())))?;
            let made = decoder.total_out() as usize;
            match status {
                zlib_rs::Status::StreamEnd if decoder.total_in() == block.len() as u64 => {
                    content.truncate(made);
                    return exact(content, content_len);
                }
                zlib_rs::Status::StreamEnd => {
                    return Err(corruption("deflate block: bytes behind its end"));
                }
                _ if made > content_len => return Err(corruption("deflate block: longer than said")),
                _ if made == content.len() => {
                    content.resize((made * 2).min(content_len.saturating_add(1)), 0);
                }
                _ if before == (decoder.total_in(), decoder.total_out()) => {
                    return Err(corruption("deflate block: cut short"));
                }
                _ => {}
            }
        }
    }

    pub fn find(
        &mut self,
        wrapped: bool,
        block: &[u8],
        content: &[u8],
        hint: Option<&Recipe>,
        effort: Effort,
    ) -> Option<(Recipe, Vec<u8>)> {
        let mut window = 15;
        let mut levels: &[u8] = &[6, 1, 9, 5, 4, 3, 2, 7, 8, 0];
        let mut stock = true;
        if wrapped {
            let &[cmf, flg, ..] = block else { return None };
            window = (cmf >> 4) + 8;
            stock = cmf & 15 == 8 && (9..=15).contains(&window) && flg & 0x20 == 0;
            levels = match flg >> 6 {
                0 => &[1, 0],
                1 => &[5, 4, 3, 2],
                2 => &[6],
                _ => &[9, 7, 8],
            };
        }
        // In a file of a foreign deflate few blocks, picked by their last byte, are tried with the others.
        let foreign = matches!(hint, Some(Recipe::Tokens { .. }));
        let skip = foreign && (effort == Effort::Fast || block.last().is_some_and(|b| b & 15 != 0));
        if stock && !skip && self.sums(wrapped, block, content) {
            let order = attempts(hint, levels, window);
            if let Some(recipe) = order.into_iter().find(|r| self.makes(wrapped, r, block, content)) {
                return Some((recipe, Vec::new()));
            }
        }
        tokens(wrapped, block, content)
    }

    /// Makes a block with the encoder here.
    pub fn make(&mut self, wrapped: bool, flavour: Flavour, level: u8, content: &[u8]) -> Vec<u8> {
        let own = self.own.get_or_insert_with(Encoder::new);
        if wrapped {
            own.make(flavour, level, content, &header_of(level, 15), &adler32(content).to_be_bytes())
        } else {
            own.make(flavour, level, content, &[], &[])
        }
    }

    pub fn apply(&mut self, wrapped: bool, level: u8, window: u8, content: &[u8]) -> Result<Vec<u8>> {
        let encoder = self.encoder(level, window);
        let mut out = limits::reserve(content.len() / 3 + 64);
        if wrapped {
            out.extend(header_of(level, window));
        }
        loop {
            let read = content.get(encoder.total_in() as usize..).unwrap_or_default();
            let status = encoder
                .compress_vec(read, &mut out, FlushCompress::Finish)
                .map_err(|e| corruption(format!("deflate: {e}")))?;
            if status == Status::StreamEnd {
                if wrapped {
                    out.extend(adler32(content).to_be_bytes());
                }
                return Ok(out);
            }
            out.reserve(out.len().max(STRIDE));
        }
    }

    /// Whether the sum behind a block of zlib is that of its content.
    fn sums(&self, wrapped: bool, block: &[u8], content: &[u8]) -> bool {
        !wrapped || block.last_chunk().is_some_and(|sum| u32::from_be_bytes(*sum) == adler32(content))
    }

    /// Whether a recipe without corrections makes `block`, whose sum is right, out of `content`.
    fn makes(&mut self, wrapped: bool, recipe: &Recipe, block: &[u8], content: &[u8]) -> bool {
        let (level, window) = match *recipe {
            Recipe::Deflate { level, window } => (level, window),
            Recipe::Own { level, .. } => (level, 15),
            _ => return false,
        };
        let mut stream = block;
        if wrapped {
            let Some((header, rest)) = block.split_first_chunk::<2>() else { return false };
            let Some((rest, _)) = rest.split_last_chunk::<4>() else { return false };
            if *header != header_of(level, window) {
                return false;
            }
            stream = rest;
        }
        match *recipe {
            Recipe::Own { flavour, level } => {
                self.own.get_or_insert_with(Encoder::new).makes(flavour, level, content, stream)
            }
            _ => self.zlib_makes(level, window, stream, content),
        }
    }

    /// Whether the library makes `stream`; gives up at the first piece that differs.
    fn zlib_makes(&mut self, level: u8, window: u8, stream: &[u8], content: &[u8]) -> bool {
        let mut rest = stream;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize(STRIDE, 0);
        let encoder = self.encoder(level, window);
        let same = loop {
            let read = content.get(encoder.total_in() as usize..).unwrap_or_default();
            let before = encoder.total_out();
            let Ok(status) = encoder.compress(read, &mut scratch, FlushCompress::Finish) else {
                break false;
            };
            let made = (encoder.total_out() - before) as usize;
            match (scratch.get(..made), rest.split_at_checked(made)) {
                (Some(made), Some((head, tail))) if made == head => rest = tail,
                _ => break false,
            }
            if status == Status::StreamEnd {
                break rest.is_empty();
            }
        };
        self.scratch = scratch;
        same
    }

    /// An encoder without header and sum: the caller knows both, and has a faster sum than zlib.
    fn encoder(&mut self, level: u8, window: u8) -> &mut Compress {
        let at = match self.encoders.iter().position(|e| (e.0, e.1) == (level, window)) {
            Some(at) => at,
            None => {
                let level_ = Compression::new(level.into());
                let new = Compress::new_with_window_bits(level_, false, window.clamp(9, 15));
                self.encoders.push((level, window, new));
                self.encoders.len() - 1
            }
        };
        let encoder = &mut self.encoders[at].2;
        encoder.reset();
        encoder
    }
}

/// What to try for a block whose header admits these levels, in this order: what made the last
/// block, then zlib and its fork at each level. The encoder here knows one window and no level 0;
/// there, and once more for the likeliest level, the library itself is asked.
fn attempts(hint: Option<&Recipe>, levels: &[u8], window: u8) -> Vec<Recipe> {
    let mut order = Vec::new();
    let (mut level, mut flavour) = (levels.first().copied().unwrap_or_default(), Flavour::Zlib);
    match hint {
        Some(&Recipe::Own { flavour: f, level: l }) if levels.contains(&l) => (flavour, level) = (f, l),
        Some(&Recipe::Deflate { level: l, .. }) if levels.contains(&l) => level = l,
        _ => {}
    }
    let others = levels.iter().copied().filter(|&l| l != level);
    let by_level = std::iter::once(level).chain(others);
    if window == 15 {
        let other = Flavour::ALL.into_iter().filter(|&f| f != flavour);
        for flavour in std::iter::once(flavour).chain(other) {
            let known = by_level.clone().filter(|&level| level > 0);
            order.extend(known.map(|level| Recipe::Own { flavour, level }));
        }
        order.extend(
            by_level.filter(|&l| l == 0 || l == level).map(|level| Recipe::Deflate { level, window }),
        );
    } else {
        order.extend(by_level.map(|level| Recipe::Deflate { level, window }));
    }
    order
}

/// The header that zlib writes (RFC 1950): window, class of the level, and what makes it a multiple of 31.
fn header_of(level: u8, window: u8) -> [u8; 2] {
    let class = match level {
        0 | 1 => 0u16,
        2..=5 => 1,
        6 => 2,
        _ => 3,
    };
    let header = (8 | (u16::from(window.clamp(9, 15)) - 8) << 4) << 8 | class << 6;
    (header + (31 - header % 31)).to_be_bytes()
}

/// The recipe of a foreign deflate.
fn tokens(wrapped: bool, block: &[u8], content: &[u8]) -> Option<(Recipe, Vec<u8>)> {
    let (header, stream) = if wrapped {
        let (&header, stream) = block.split_first_chunk::<2>()?;
        let (stream, sum) = stream.split_last_chunk::<4>()?;
        if u32::from_be_bytes(*sum) != adler32(content) {
            return None;
        }
        (header, stream)
    } else {
        ([0; 2], block)
    };
    let config =
        PreflateConfig { max_chain_length: 4096, plain_text_limit: MAX_CONTENT, verify_compression: false };
    // The crate asserts on some streams that no encoder would write.
    let corrections = catch_unwind(|| preflate_whole_deflate_stream(stream, &config))
        .ok()?
        .ok()
        .filter(|(chunk, _)| chunk.compressed_size == stream.len())?
        .0
        .corrections;
    if corrections.len() > block.len() / WORTH + 16 {
        return None;
    }
    let made = recreate(wrapped.then_some(header), &corrections, content).ok()?;
    (made == block).then_some((Recipe::Tokens { header }, corrections))
}

/// A deflate stream from its content and corrections, inside zlib's header and sum if wanted.
pub(super) fn recreate(header: Option<[u8; 2]>, corrections: &[u8], content: &[u8]) -> Result<Vec<u8>> {
    let make = AssertUnwindSafe(|| recreate_whole_deflate_stream(content, corrections));
    let stream = catch_unwind(make)
        .map_err(|_| corruption("deflate: the corrections do not fit the content"))?
        .map_err(|e| corruption(format!("deflate corrections: {e}")))?;
    let Some(header) = header else { return Ok(stream) };
    let mut out = Vec::with_capacity(stream.len() + 6);
    out.extend(header);
    out.extend(stream);
    out.extend(adler32(content).to_be_bytes());
    Ok(out)
}

/// The checksum of zlib.
fn adler32(bytes: &[u8]) -> u32 {
    simd_adler32::adler32(&bytes)
}
