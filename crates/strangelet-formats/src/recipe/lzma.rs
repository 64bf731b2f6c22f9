//! LZMA: by its tokens, or liblzma by preset.
//!
//! ROOT takes a preset and shortens its dictionary to a quarter of the content; the `xz` command
//! takes the preset as it is. The check is named in the stream header, the dictionary (rounded up)
//! in the block header, so that only the preset has to be found.

mod choice;
mod prior;
mod search;
mod symbols;
mod tokens;
mod xz;

use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};
use strangelet::error::{Result, corruption};
use strangelet::limits;

use super::{Effort, Recipe, byte, exact};
use tokens::{Found, Tokens};

/// Output compared at a time.
const STRIDE: usize = 1 << 12;
/// Most memory that a decoder may take beside its output, in bytes.
const DECODER_MEMORY: u64 = 1 << 30;

/// Where the length of the dictionary comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dictionary {
    /// A quarter of the content, at least 4096, at most the preset's (ROOT).
    Quarter,
    /// The preset's.
    Preset,
    /// The code of the block header: bytes are (2 or 3) << (code / 2 + 11).
    Code(u8),
}

impl Dictionary {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.push(match self {
            Dictionary::Quarter => 0xfe,
            Dictionary::Preset => 0xff,
            Dictionary::Code(code) => code,
        });
    }

    pub(super) fn read(bytes: &mut &[u8]) -> Result<Dictionary> {
        Ok(match byte(bytes)? {
            0xfe => Dictionary::Quarter,
            0xff => Dictionary::Preset,
            code @ 0..=36 => Dictionary::Code(code),
            _ => return Err(corruption("recipe: no such LZMA dictionary")),
        })
    }

    pub(super) fn len(self, preset: u8, content_len: usize) -> u32 {
        match self {
            Dictionary::Quarter => ((content_len / 4) as u32).clamp(4096, preset_dictionary(preset)),
            Dictionary::Preset => preset_dictionary(preset),
            Dictionary::Code(code) => (2 | u32::from(code & 1)) << (code / 2 + 11).min(29),
        }
    }
}

/// Bytes of dictionary of a preset.
pub(super) fn preset_dictionary(preset: u8) -> u32 {
    1 << [18, 20, 21, 22, 22, 23, 23, 24, 25, 26][usize::from(preset.min(9))]
}

/// What liblzma calls the preset.
pub(super) fn preset_number(preset: u8, extreme: bool) -> u32 {
    u32::from(preset.min(9)) | u32::from(extreme) << 31
}

/// The code that a block header has for a dictionary of so many bytes.
pub(super) fn code_of(len: u32) -> u8 {
    (0..=36).find(|&code| Dictionary::Code(code).len(0, 0) >= len).unwrap_or(36)
}

/// The integrity check of a number.
pub(super) fn check(number: u8) -> Option<Check> {
    Some(match number {
        0 => Check::None,
        1 => Check::Crc32,
        4 => Check::Crc64,
        10 => Check::Sha256,
        _ => return None,
    })
}

pub(super) fn inflate(block: &[u8], content_len: usize) -> Result<Vec<u8>> {
    let fail = |e| corruption(format!("xz block: {e}"));
    let mut decoder = Stream::new_stream_decoder(DECODER_MEMORY, 0).map_err(fail)?;
    let mut content: Vec<u8> = limits::reserve(content_len);
    loop {
        let read = block.get(decoder.total_in() as usize..).unwrap_or_default();
        let before = (decoder.total_in(), decoder.total_out());
        let status = decoder.process_vec(read, &mut content, Action::Run).map_err(fail)?;
        match status {
            Status::StreamEnd if decoder.total_in() == block.len() as u64 => {
                return exact(content, content_len);
            }
            Status::StreamEnd => return Err(corruption("xz block: bytes behind its end")),
            _ if content.len() > content_len => return Err(corruption("xz block: longer than said")),
            _ if content.len() == content.capacity() => {
                let most = (content_len + 1).saturating_sub(content.len()).max(1);
                content.reserve(most.min(content.len().max(1 << 12)));
            }
            _ if before == (decoder.total_in(), decoder.total_out()) => {
                return Err(corruption("xz block: cut short"));
            }
            _ => {}
        }
    }
}

/// What the headers of an .xz stream tell: its check, and the code of its dictionary.
/// None where it is not one block of plain LZMA2 without lengths.
fn headers(block: &[u8]) -> Option<(u8, u8)> {
    let &[0xfd, b'7', b'z', b'X', b'Z', 0, 0, number, _, _, _, _, 2, 0, 0x21, 1, code, ..] = block else {
        return None;
    };
    check(number)?;
    (code <= 36).then_some((number, code))
}

/// What finds and carries out recipes; kept for its memory.
#[derive(Default)]
pub(super) struct Lzma {
    tokens: Tokens,
}

/// Content from which on tokens come before presets.
const TOKENS_FROM: usize = 0;

impl Lzma {
    pub fn find(
        &mut self,
        block: &[u8],
        content: &[u8],
        hint: Option<&Recipe>,
        effort: Effort,
    ) -> Option<(Recipe, Vec<u8>)> {
        let preset = |_: &mut Self| find(block, content, hint, effort).map(|recipe| (recipe, Vec::new()));
        if effort < Effort::Max && content.len() >= TOKENS_FROM {
            self.by_tokens(block, content).or_else(|| preset(self))
        } else {
            preset(self).or_else(|| self.by_tokens(block, content))
        }
    }

    /// The recipe by tokens, carried out.
    fn by_tokens(&mut self, block: &[u8], content: &[u8]) -> Option<(Recipe, Vec<u8>)> {
        if content.is_empty() {
            return None;
        }
        let (check, code) = headers(block).filter(|&(check, _)| xz::knows(check))?;
        let (head, behind) = block.split_at_checked(xz::HEAD)?;
        if head != xz::head(check, code) {
            return None;
        }
        let quarter = code_of(Dictionary::Quarter.len(9, content.len())) == code;
        let dictionary = if quarter { Dictionary::Quarter } else { Dictionary::Code(code) };
        let farthest = dictionary.len(9, content.len()) as usize;
        let found = self.tokens.find(behind, content, farthest)?;
        let Found { properties, listed, corrections, len } = found;
        let tail = xz::tail(check, content, xz::HEAD + len)?;
        if behind.get(len..)? != tail {
            return None;
        }
        let recipe = Recipe::LzmaTokens { check, dictionary, properties, listed };
        let made = self.apply(check, dictionary, properties, listed, &corrections, content).ok()?;
        (made == block).then_some((recipe, corrections))
    }

    pub fn apply(
        &mut self,
        check: u8,
        dictionary: Dictionary,
        properties: u8,
        listed: bool,
        corrections: &[u8],
        content: &[u8],
    ) -> Result<Vec<u8>> {
        let farthest = dictionary.len(9, content.len());
        let mut out = limits::reserve(content.len() / 4 + 128);
        out.extend(xz::head(check, code_of(farthest)));
        self.tokens.apply(properties, listed, farthest as usize, corrections, content, &mut out)?;
        let tail = xz::tail(check, content, out.len());
        out.extend(tail.ok_or_else(|| corruption("xz: no such check by tokens"))?);
        Ok(out)
    }

    /// Learns from a block how encoders choose; what was learned so far.
    pub fn learn(&mut self, block: &[u8], content: &[u8]) -> Option<Vec<u8>> {
        let (_, code) = headers(block)?;
        let quarter = code_of(Dictionary::Quarter.len(9, content.len())) == code;
        let dictionary = if quarter { Dictionary::Quarter } else { Dictionary::Code(code) };
        let farthest = dictionary.len(9, content.len()) as usize;
        Some(self.tokens.learn(block.get(xz::HEAD..)?, content, farthest))
    }
}

/// Whether a recipe by tokens can have these parts.
pub(super) fn tokens_can(check: u8, dictionary: Dictionary, properties: u8) -> bool {
    xz::knows(check) && dictionary != Dictionary::Preset && symbols::properties_of(properties).is_some()
}

fn find(block: &[u8], content: &[u8], hint: Option<&Recipe>, effort: Effort) -> Option<Recipe> {
    if content.is_empty() {
        // No block, hence no parameters.
        let dictionary = Dictionary::Preset;
        let recipe = Recipe::Lzma { preset: 0, extreme: false, check: *block.get(7)?, dictionary };
        return makes(&recipe, code_of(preset_dictionary(0)), block, content).then_some(recipe);
    }
    let (number, code) = headers(block)?;
    if let Some(recipe) = hint.filter(|h| makes(h, code, block, content)) {
        return Some(*recipe);
    }
    // ROOT's settings and the presets people use first.
    let presets: &[u8] = match effort {
        Effort::Fast => &[7, 9, 8, 6, 5],
        Effort::Balanced | Effort::Max => &[7, 9, 8, 6, 5, 4, 3, 1, 2, 0],
    };
    for extreme in [false, true] {
        if extreme && effort == Effort::Fast {
            break;
        }
        // Presets 7, 8 and 9 differ in nothing but their dictionary: the same one is not tried twice.
        let mut tried = Vec::new();
        for &preset in presets {
            for dictionary in [Dictionary::Quarter, Dictionary::Preset, Dictionary::Code(code)] {
                let len = dictionary.len(preset, content.len());
                let class = if preset >= 7 { 7 } else { preset };
                if tried.contains(&(class, len)) {
                    continue;
                }
                tried.push((class, len));
                let recipe = Recipe::Lzma { preset, extreme, check: number, dictionary };
                if Some(&recipe) != hint && makes(&recipe, code, block, content) {
                    return Some(recipe);
                }
            }
        }
    }
    None
}

/// Whether the recipe makes `block`; gives up at the first piece that differs.
fn makes(recipe: &Recipe, code: u8, block: &[u8], content: &[u8]) -> bool {
    let &Recipe::Lzma { preset, extreme, check, dictionary } = recipe else { return false };
    let len = dictionary.len(preset, content.len());
    if code_of(len) != code {
        return false;
    }
    let Ok(mut encoder) = encoder(preset, extreme, check, len) else { return false };
    let mut scratch = [0; STRIDE];
    let mut rest = block;
    loop {
        let read = content.get(encoder.total_in() as usize..).unwrap_or_default();
        let before = encoder.total_out();
        let Ok(status) = encoder.process(read, &mut scratch, Action::Finish) else { return false };
        let made = (encoder.total_out() - before) as usize;
        match (scratch.get(..made), rest.split_at_checked(made)) {
            (Some(made), Some((head, tail))) if made == head => rest = tail,
            _ => return false,
        }
        match status {
            Status::StreamEnd => return rest.is_empty(),
            _ if made == 0 && read.is_empty() => return false,
            _ => {}
        }
    }
}

pub(super) fn apply(
    preset: u8,
    extreme: bool,
    check: u8,
    dictionary: Dictionary,
    content: &[u8],
) -> Result<Vec<u8>> {
    let mut encoder = encoder(preset, extreme, check, dictionary.len(preset, content.len()))?;
    let mut out = limits::reserve(content.len() / 4 + 128);
    loop {
        let read = content.get(encoder.total_in() as usize..).unwrap_or_default();
        let before = encoder.total_out();
        let status = encoder
            .process_vec(read, &mut out, Action::Finish)
            .map_err(|e| corruption(format!("xz: {e}")))?;
        if status == Status::StreamEnd {
            return Ok(out);
        }
        if out.len() < out.capacity() && encoder.total_out() == before {
            return Err(corruption("xz: the encoder stands still"));
        }
        out.reserve(out.len().max(STRIDE));
    }
}

fn encoder(preset: u8, extreme: bool, number: u8, dictionary: u32) -> Result<Stream> {
    let fail = |e| corruption(format!("xz: {e}"));
    let number = check(number).ok_or_else(|| corruption("xz: no such check"))?;
    let mut options = LzmaOptions::new_preset(preset_number(preset, extreme)).map_err(fail)?;
    options.dict_size(dictionary);
    Stream::new_stream_encoder(Filters::new().lzma2(&options), number).map_err(fail)
}
