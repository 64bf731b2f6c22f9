//! Deflate: stock zlib by level, and any other deflate by its tokens.
//!
//! The header of zlib names a class of levels, so the usual case is one attempt. What stock zlib
//! does not write (cloudflare's fork, zlib-ng, libdeflate) is parsed into its tokens; a predictor
//! that imitates the match finder is corrected where it errs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use preflate_rs::{PreflateConfig, preflate_whole_deflate_stream, recreate_whole_deflate_stream};
use strangelet::error::{Result, corruption};
use strangelet::limits;

use super::{Effort, MAX_CONTENT, Recipe, exact};

/// Output compared at a time: a wrong level shows within the first few hundred bytes.
const STRIDE: usize = 1 << 12;
/// Corrections may take at most this share (a divisor) of the block.
const WORTH: usize = 3;

/// States of zlib, kept from block to block.
#[derive(Default)]
pub(super) struct Deflate {
    encoders: Vec<(bool, u8, u8, Compress)>,
    decoders: [Option<Decompress>; 2],
    scratch: Vec<u8>,
}

impl Deflate {
    pub fn inflate(&mut self, wrapped: bool, block: &[u8], content_len: usize) -> Result<Vec<u8>> {
        let decoder = self.decoders[usize::from(wrapped)].get_or_insert_with(|| Decompress::new(wrapped));
        decoder.reset(wrapped);
        let mut content: Vec<u8> = limits::reserve(content_len);
        loop {
            let read = block.get(decoder.total_in() as usize..).unwrap_or_default();
            let before = (decoder.total_in(), content.len());
            let status = decoder
                .decompress_vec(read, &mut content, FlushDecompress::None)
                .map_err(|e| corruption(format!("deflate block: {e}")))?;
            match status {
                Status::StreamEnd if decoder.total_in() == block.len() as u64 => {
                    return exact(content, content_len);
                }
                Status::StreamEnd => return Err(corruption("deflate block: bytes behind its end")),
                _ if content.len() > content_len => {
                    return Err(corruption("deflate block: longer than said"));
                }
                _ if content.len() == content.capacity() => {
                    // One byte more than claimed, so that an overlong block shows itself.
                    let most = (content_len + 1).saturating_sub(content.len()).max(1);
                    content.reserve(most.min(content.len().max(1 << 12)));
                }
                _ if before == (decoder.total_in(), content.len()) => {
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
        let hinted = match hint {
            Some(&Recipe::Deflate { level, window: w }) if w == window => Some(level),
            _ => None,
        };
        let foreign = matches!(hint, Some(Recipe::Tokens { .. }));
        // A file of a foreign deflate: stock zlib gets its chance again where blocks are short.
        if stock && !(foreign && effort == Effort::Fast) {
            let order = hinted.into_iter().filter(|l| levels.contains(l));
            let order = order.chain(levels.iter().copied().filter(|&l| Some(l) != hinted));
            for level in order {
                if self.makes(wrapped, level, window, block, content) {
                    return Some((Recipe::Deflate { level, window }, Vec::new()));
                }
            }
        }
        tokens(wrapped, block, content)
    }

    pub fn apply(&mut self, wrapped: bool, level: u8, window: u8, content: &[u8]) -> Result<Vec<u8>> {
        let encoder = self.encoder(wrapped, level, window);
        let mut out = limits::reserve(content.len() / 3 + 64);
        loop {
            let read = content.get(encoder.total_in() as usize..).unwrap_or_default();
            let status = encoder
                .compress_vec(read, &mut out, FlushCompress::Finish)
                .map_err(|e| corruption(format!("deflate: {e}")))?;
            if status == Status::StreamEnd {
                return Ok(out);
            }
            out.reserve(out.len().max(STRIDE));
        }
    }

    /// Whether zlib at this level makes `block` out of `content`; gives up at the first piece
    /// that differs.
    fn makes(&mut self, wrapped: bool, level: u8, window: u8, block: &[u8], content: &[u8]) -> bool {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize(STRIDE, 0);
        let encoder = self.encoder(wrapped, level, window);
        let mut rest = block;
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

    fn encoder(&mut self, wrapped: bool, level: u8, window: u8) -> &mut Compress {
        let at = match self.encoders.iter().position(|e| (e.0, e.1, e.2) == (wrapped, level, window)) {
            Some(at) => at,
            None => {
                let level_ = Compression::new(level.into());
                let new = Compress::new_with_window_bits(level_, wrapped, window.clamp(9, 15));
                self.encoders.push((wrapped, level, window, new));
                self.encoders.len() - 1
            }
        };
        let encoder = &mut self.encoders[at].3;
        encoder.reset();
        encoder
    }
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
    const MODULUS: u32 = 65521;
    let (mut a, mut b) = (1u32, 0u32);
    // 5552 bytes are the most for which `b` cannot overflow.
    for piece in bytes.chunks(5552) {
        for &x in piece {
            a += u32::from(x);
            b += a;
        }
        a %= MODULUS;
        b %= MODULUS;
    }
    b << 16 | a
}
