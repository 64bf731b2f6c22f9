//! Zstandard: by its tokens, or the zstd library by level and switches.
//!
//! ROOT compresses with twice its setting as the level (501: 2, 505: 10). Which bytes a level gives
//! has changed with the versions of the library; measured with version 1.5.7 against older ones:
//!
//! | written by | level 2 (fast) | 4 (dfast) | 6, 8, 10 (lazy) | above 128 KiB, any level |
//! |---|---|---|---|---|
//! | 1.4 | short blocks | up to 16 KiB | all, [`Frame::VINTAGE`] | lazy ones up to 256 KiB |
//! | 1.5.0 | short blocks | up to 16 KiB | up to 16 KiB, half beyond | few |
//! | 1.5.1, 1.5.2 | all | most | most | few |
//! | 1.5.7 | all | all | all | all |
//!
//! Causes: the fast match finders were written anew in 1.5.1, rows took the place of hash chains
//! in 1.5.0 (and can be switched off), tables of levels changed in 1.5.0 and 1.5.1, the optimal
//! parsers changed more than once, and 1.5.7 splits blocks of 128 KiB before it compresses them.
//!
//! What that does not reach is told by its tokens, with searches of this crate that choose as zstd 1.4.4 to 1.4.8 do (in
//! 1.5.0 also levels up to 4). Corrections on 157 pieces of ROOT files (14 MB, 4 MB compressed), of what they stand for:
//!
//! | written by | level 1, 2 | 4 | 6, 8 | 10 | 12 | 18 |
//! |---|---|---|---|---|---|---|
//! | 1.4.0 | 0.8 % | 1.8 % | 0.01 % | 0.02 % | | |
//! | 1.4.4 | none | | none | 0.02 % | | |
//! | 1.4.8 | none | none | none | 0.001 % | 0.9 % | 12 % |
//! | 1.5.0 | none | 0.1 % | 0.2 % | 0.2 % | 1.1 % | |

mod bits;
mod block;
mod decisions;
mod frame;
mod fse;
mod huffman;
mod levels;
mod near;
mod rules;
mod search;
mod tokens;

use strangelet::error::{Result, corruption};
use zstd_safe::{CCtx, CParameter, DCtx, ParamSwitch, ResetDirective, Strategy};

use super::{Effort, Recipe, byte, exact};
use levels::{LEVELS, Level, Parameters};
use tokens::Tokens;

/// What the zstd library was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Level, -128 to 22.
    pub level: i8,
    /// Switches: [`Frame::CHECKSUM`] and others.
    pub switches: u8,
}

impl Frame {
    /// The frame ends with a checksum of its content.
    pub const CHECKSUM: u8 = 1;
    /// The frame does not tell the length of its content.
    pub const NO_LENGTH: u8 = 2;
    /// Parameters of levels and hash chains (not rows) as before version 1.5.
    pub const VINTAGE: u8 = 4;

    const KNOWN: u8 = 7;

    /// A frame of a level with some switches; what does not exist is cut off.
    pub fn new(level: i8, switches: u8) -> Frame {
        Frame { level: level.min(22), switches: switches & Frame::KNOWN }
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend([self.level as u8, self.switches]);
    }

    pub(super) fn read(bytes: &mut &[u8]) -> Result<Frame> {
        let frame = Frame { level: byte(bytes)? as i8, switches: byte(bytes)? };
        if frame.level > 22 || frame.switches & !Frame::KNOWN != 0 {
            return Err(corruption("recipe: no such zstd level or switch"));
        }
        Ok(frame)
    }
}

/// What the parameters of a level were before version 1.5, where they differ from today's. The
/// tables of the library are by the length of the content.
fn vintage(level: i8, len: usize) -> Vec<CParameter> {
    use Strategy::{ZSTD_btlazy2, ZSTD_greedy, ZSTD_lazy, ZSTD_lazy2};
    if (16 << 10) < len && len <= 128 << 10 && (6..=10).contains(&level) {
        return vec![CParameter::ChainLog(17)];
    }
    // window, chain, hash, search, shortest match, target, strategy
    let (w, c, h, s, m, t, strategy) = match (len > 256 << 10, level) {
        (true, 5) => (21, 18, 19, 2, 5, 2, ZSTD_greedy),
        (true, 6) => (21, 19, 19, 3, 5, 4, ZSTD_greedy),
        (true, 7) => (21, 19, 19, 3, 5, 8, ZSTD_lazy),
        (true, 8) => (21, 19, 19, 3, 5, 16, ZSTD_lazy2),
        (true, 9) => (21, 19, 20, 4, 5, 16, ZSTD_lazy2),
        (true, 10) => (22, 20, 21, 4, 5, 16, ZSTD_lazy2),
        (true, 11) => (22, 21, 22, 4, 5, 16, ZSTD_lazy2),
        (true, 12) => (22, 21, 22, 5, 5, 16, ZSTD_lazy2),
        (true, 13) => (22, 21, 22, 5, 5, 32, ZSTD_btlazy2),
        (false, 4) if len > 128 << 10 => (18, 16, 17, 2, 5, 2, ZSTD_greedy),
        (false, 5) if len > 128 << 10 => (18, 18, 18, 3, 5, 2, ZSTD_greedy),
        _ => return Vec::new(),
    };
    vec![
        CParameter::WindowLog(w),
        CParameter::ChainLog(c),
        CParameter::HashLog(h),
        CParameter::SearchLog(s),
        CParameter::MinMatch(m),
        CParameter::TargetLength(t),
        CParameter::Strategy(strategy),
    ]
}

/// States of zstd, kept from block to block.
#[derive(Default)]
pub(super) struct Zstd {
    encoder: Option<CCtx<'static>>,
    decoder: Option<DCtx<'static>>,
    scratch: Vec<u8>,
    tokens: Box<Tokens>,
    pub(super) misses: u32,
}

/// After so many blocks without a recipe, the long search is made only now and then.
const PATIENCE: u32 = 3;
/// The long search is then made for one block without recipe in so many.
const AGAIN: u32 = 32;
/// Corrections of a hinted level that are so many times shorter than the block are good enough.
const GOOD: usize = 24;

/// Levels that search content of so many bytes in different ways, what ROOT and others ask for first.
fn distinct(len: usize) -> impl Iterator<Item = Level> {
    const ORDER: [i8; 16] = [2, 10, 8, 6, 4, 1, 3, 5, 7, 9, 11, 12, LEVELS, -1, -3, -5];
    let new = move |(i, &level): (usize, &i8)| {
        let parameters = |level| Parameters::new(Level { level, old: false }, len);
        ORDER.iter().take(i).all(|&other| parameters(other) != parameters(level)).then_some(level)
    };
    let ages = |level| [false, true].map(|old| Level { level, old });
    ORDER.iter().enumerate().filter_map(new).flat_map(ages)
}

impl Zstd {
    pub fn inflate(&mut self, block: &[u8], content_len: usize) -> Result<Vec<u8>> {
        let frame = zstd_safe::find_frame_compressed_size(block)
            .map_err(|e| corruption(format!("zstd block: {}", zstd_safe::get_error_name(e))))?;
        if frame != block.len() {
            return Err(corruption("zstd block: bytes behind its end"));
        }
        let decoder = self.decoder.get_or_insert_with(DCtx::create);
        let mut content: Vec<u8> = Vec::with_capacity(content_len);
        decoder
            .decompress(&mut content, block)
            .map_err(|e| corruption(format!("zstd block: {}", zstd_safe::get_error_name(e))))?;
        exact(content, content_len)
    }

    pub fn find(
        &mut self,
        block: &[u8],
        content: &[u8],
        hint: Option<&Recipe>,
        effort: Effort,
    ) -> Option<(Recipe, Vec<u8>)> {
        let descriptor = *block.get(4)?;
        let mut switches = 0;
        if descriptor & 4 != 0 {
            switches |= Frame::CHECKSUM;
        }
        if descriptor & 0xe0 == 0 {
            switches |= Frame::NO_LENGTH;
        }
        let (hinted, told) = match hint {
            Some(Recipe::Zstd(frame)) => (Some(*frame), None),
            Some(&Recipe::ZstdTokens { level, old, .. }) => (None, Some(Level { level, old })),
            _ => (None, None),
        };
        let by_library = |frame| Some((Recipe::Zstd(frame), Vec::new()));
        if let Some(frame) = hinted.filter(|f| self.makes(f, block, content)) {
            return by_library(frame);
        }
        let read = tokens::Frame::read(block, content);
        let tired = self.misses >= PATIENCE && !self.misses.is_multiple_of(AGAIN);
        if let Some((level, frame)) = told.zip(read.as_ref())
            && let Some(found) = self.with(level, frame, block, content, usize::MAX - 1)
            && (found.corrections.len() * GOOD <= block.len() || tired && found.worth(block))
        {
            self.misses = self.misses.wrapping_add(u32::from(tired));
            return Some(found.recipe(level, frame));
        }
        let frames = |levels: &'static [i8]| {
            let all = levels.iter().flat_map(move |&level| {
                // Only these levels have ever searched otherwise.
                let vintage = (4..=13).contains(&level).then_some(switches | Frame::VINTAGE);
                [Some(switches), vintage].into_iter().flatten().map(move |s| Frame::new(level, s))
            });
            all.filter(move |f| Some(*f) != hinted)
        };
        for frame in frames(&[10, 3, 2]) {
            if self.makes(&frame, block, content) {
                return by_library(frame);
            }
        }
        if let Some(frame) = &read {
            for level in distinct(content.len()).filter(|&level| Some(level) != told) {
                if let Some(found) = self.with(level, frame, block, content, 0) {
                    return Some(found.recipe(level, frame));
                }
            }
        }
        if effort > Effort::Fast && !tired {
            let rest = &[4, 6, 8, 12, 14, 16, 18, 1, 5, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, -1, -3, -5];
            for frame in frames(rest) {
                if self.makes(&frame, block, content) {
                    return by_library(frame);
                }
            }
        }
        self.misses = self.misses.wrapping_add(1);
        self.told(&read?, block, content)
    }

    /// The corrections of a frame to what a level makes, at most so many surprises, carried out.
    fn with(
        &mut self,
        level: Level,
        frame: &tokens::Frame,
        block: &[u8],
        content: &[u8],
        most: usize,
    ) -> Option<tokens::Found> {
        let mut made = std::mem::take(&mut self.scratch);
        let found = self.tokens.find(frame, content, level, most, &mut made);
        let same = made == block;
        self.scratch = made;
        found.filter(|_| same)
    }

    /// The recipe by tokens with the least corrections, if they are worth it.
    fn told(&mut self, frame: &tokens::Frame, block: &[u8], content: &[u8]) -> Option<(Recipe, Vec<u8>)> {
        let mut best: Option<(Level, tokens::Found)> = None;
        for level in distinct(content.len()) {
            // More surprises than the best one has are not worth going on.
            let most = best.as_ref().map_or(usize::MAX - 1, |b| b.1.surprises);
            let Some(found) = self.with(level, frame, block, content, most) else { continue };
            if best.as_ref().is_none_or(|b| found.corrections.len() < b.1.corrections.len()) {
                best = Some((level, found));
            }
        }
        let (level, found) = best.filter(|b| b.1.worth(block))?;
        Some(found.recipe(level, frame))
    }

    /// Makes a frame by its tokens.
    pub fn recreate(
        &mut self,
        level: i8,
        old: bool,
        checksum: bool,
        corrections: &[u8],
        content: &[u8],
    ) -> Result<Vec<u8>> {
        self.tokens.apply(content, Level { level, old }, checksum, corrections)
    }

    fn makes(&mut self, frame: &Frame, block: &[u8], content: &[u8]) -> bool {
        let mut scratch = std::mem::take(&mut self.scratch);
        let same = self.compress(frame, content, &mut scratch).is_ok() && scratch == block;
        self.scratch = scratch;
        same
    }

    pub fn apply(&mut self, frame: &Frame, content: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.compress(frame, content, &mut out)?;
        Ok(out)
    }

    fn compress(&mut self, frame: &Frame, content: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let fail = |e| corruption(format!("zstd: {}", zstd_safe::get_error_name(e)));
        let encoder = self.encoder.get_or_insert_with(CCtx::create);
        out.clear();
        out.reserve(zstd_safe::compress_bound(content.len()));
        encoder.reset(ResetDirective::SessionAndParameters).map_err(fail)?;
        for parameter in [
            CParameter::CompressionLevel(frame.level.into()),
            CParameter::ChecksumFlag(frame.switches & Frame::CHECKSUM != 0),
            CParameter::ContentSizeFlag(frame.switches & Frame::NO_LENGTH == 0),
        ] {
            encoder.set_parameter(parameter).map_err(fail)?;
        }
        if frame.switches & Frame::VINTAGE != 0 {
            encoder.set_parameter(CParameter::UseRowMatchFinder(ParamSwitch::Disable)).map_err(fail)?;
            for parameter in vintage(frame.level, content.len()) {
                encoder.set_parameter(parameter).map_err(fail)?;
            }
        }
        encoder.compress2(out, content).map_err(fail)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
