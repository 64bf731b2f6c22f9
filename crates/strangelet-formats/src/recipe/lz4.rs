//! LZ4 as ROOT writes it: the XXH64 of the compressed bytes, big-endian, then one LZ4 block.
//!
//! Levels above 9 (the optimal parser) are left out: ROOT never asks for them.

use ::lz4::block::{CompressionMode, compress, decompress};
use strangelet::error::{Result, corruption};
use xxhash_rust::xxh64::xxh64;

use super::{Effort, Recipe, exact};

pub(super) fn inflate(block: &[u8], content_len: usize) -> Result<Vec<u8>> {
    let (sum, data) = block.split_first_chunk::<8>().ok_or_else(|| corruption("LZ4 block: cut short"))?;
    if u64::from_be_bytes(*sum) != xxh64(data, 0) {
        return Err(corruption("LZ4 block: checksum differs"));
    }
    let len = i32::try_from(content_len).map_err(|_| corruption("LZ4 block: too long"))?;
    let content = decompress(data, Some(len)).map_err(|e| corruption(format!("LZ4 block: {e}")))?;
    exact(content, content_len)
}

pub(super) fn find(block: &[u8], content: &[u8], hint: Option<&Recipe>, effort: Effort) -> Option<Recipe> {
    let makes = |recipe: &Recipe| {
        let made = match recipe {
            Recipe::Lz4Fast => apply(None, content),
            Recipe::Lz4High { level } => apply(Some(*level), content),
            _ => return false,
        };
        made.is_ok_and(|made| made == block)
    };
    if let Some(hint) = hint.filter(|h| makes(h)) {
        return Some(*hint);
    }
    // ROOT: levels below 4 are the fast mode, others high compression of that level.
    let all = [4u8, 9, 5, 6, 7, 8, 3, 2, 1];
    let levels = if effort == Effort::Fast { &all[..2] } else { &all[..] };
    let high = levels.iter().map(|&level| Recipe::Lz4High { level });
    std::iter::once(Recipe::Lz4Fast).chain(high).find(|r| Some(r) != hint && makes(r))
}

/// `level`: high compression of that level, none for the fast mode.
pub(super) fn apply(level: Option<u8>, content: &[u8]) -> Result<Vec<u8>> {
    let mode = match level {
        None => CompressionMode::DEFAULT,
        Some(level) => CompressionMode::HIGHCOMPRESSION(level.clamp(1, 9).into()),
    };
    let data = compress(content, Some(mode), false).map_err(|e| corruption(format!("LZ4: {e}")))?;
    let mut out = Vec::with_capacity(data.len() + 8);
    out.extend(xxh64(&data, 0).to_be_bytes());
    out.extend(data);
    Ok(out)
}
