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
    tokens: Option<Box<Tokens>>,
}

/// Content from which on tokens are tried before presets.
const TOKENS_FROM: usize = 1 << 14;
/// How often the block the content must be for that: a run of liblzma takes as long as the content,
/// tokens (and their corrections) as many as the block has bytes.
const TOKENS_RATIO: usize = 6;

impl Lzma {
    fn tokens(&mut self) -> &mut Tokens {
        self.tokens.get_or_insert_default()
    }

    pub fn find(
        &mut self,
        block: &[u8],
        content: &[u8],
        hint: Option<&Recipe>,
        effort: Effort,
    ) -> Option<(Recipe, Vec<u8>)> {
        let preset = || find(block, content, hint, effort).map(|recipe| (recipe, Vec::new()));
        let plain = content.len() >= TOKENS_FROM && content.len() / TOKENS_RATIO >= block.len();
        if effort < Effort::Max && plain {
            self.by_tokens(block, content).or_else(preset)
        } else {
            preset().or_else(|| self.by_tokens(block, content))
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
        let found = self.tokens().find(behind, content, farthest)?;
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
        self.tokens().apply(properties, listed, farthest as usize, corrections, content, &mut out)?;
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
        Some(self.tokens().learn(block.get(xz::HEAD..)?, content, farthest))
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use liblzma::stream::{MatchFinder, Mode};
    use proptest::prelude::*;

    use super::*;

    /// A block by liblzma with any settings, its dictionary a quarter of the content.
    fn block(content: &[u8], number: u8, change: impl Fn(&mut LzmaOptions)) -> Vec<u8> {
        let mut options = LzmaOptions::new_preset(6).unwrap();
        options.dict_size(Dictionary::Quarter.len(9, content.len()));
        change(&mut options);
        made(content, number, &options)
    }

    fn made(content: &[u8], number: u8, options: &LzmaOptions) -> Vec<u8> {
        let mut stream =
            Stream::new_stream_encoder(Filters::new().lzma2(options), check(number).unwrap()).unwrap();
        let mut out = Vec::with_capacity(content.len() * 2 + 1024);
        assert_eq!(stream.process_vec(content, &mut out, Action::Finish).unwrap(), Status::StreamEnd);
        out
    }

    /// The recipe by tokens, carried out by others than have found it.
    fn comes_back(block: &[u8], content: &[u8]) -> (Recipe, Vec<u8>) {
        let (recipe, corrections) = Lzma::default().by_tokens(block, content).expect("a recipe");
        let mut stored = Vec::new();
        recipe.write(&mut stored);
        assert_eq!(Recipe::read(&mut &stored[..]).unwrap(), recipe);
        assert!(carry_out(&recipe, &corrections, content).unwrap() == block);
        (recipe, corrections)
    }

    fn carry_out(recipe: &Recipe, corrections: &[u8], content: &[u8]) -> Result<Vec<u8>> {
        let &Recipe::LzmaTokens { check, dictionary, properties, listed } = recipe else { panic!() };
        Lzma::default().apply(check, dictionary, properties, listed, corrections, content)
    }

    /// Bytes that look like columns: counters, noise of few bits, runs, repetitions of earlier parts.
    fn columns(len: usize, seed: u64) -> Vec<u8> {
        let (mut out, mut x) = (Vec::with_capacity(len), seed | 1);
        while out.len() < len {
            x = x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let n = 1 + (x >> 20) as usize % 90;
            match x >> 60 {
                0..=4 => out.extend((0..n).flat_map(|i| ((x >> 33) as u32 + i as u32 * 3).to_be_bytes())),
                5..=7 => out.extend((0..n).map(|i| (x >> (i % 40)) as u8 & 7)),
                8 => out.extend(std::iter::repeat_n((x >> 40) as u8, n * 9)),
                _ if out.len() > 200 => {
                    let from = (x >> 30) as usize % (out.len() - 100);
                    out.extend_from_within(from..from + n.min(100));
                }
                _ => out.extend((0..n).map(|i| (x >> (i % 50)) as u8)),
            }
        }
        out.truncate(len);
        out
    }

    fn content() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            (1usize..40_000, any::<u64>()).prop_map(|(len, seed)| columns(len, seed)),
            prop::collection::vec(any::<u8>(), 1..600),
            (any::<u8>(), 1usize..3000).prop_map(|(b, n)| vec![b; n]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn every_preset_comes_back(content in content(), preset in 0u32..10, extreme in any::<bool>(), number in 0usize..3) {
            let number = [0, 1, 4][number];
            let options = LzmaOptions::new_preset(preset | u32::from(extreme) << 31).unwrap();
            comes_back(&made(&content, number, &options), &content);
        }

        #[test]
        fn other_settings_come_back(
            content in content(), lc in 0u32..5, lp in 0u32..5, pb in 0u32..5, fast in any::<bool>(), finder in 0usize..5,
            nice in 5u32..273,
        ) {
            let lp = lp.min(4 - lc);
            let finder = [
                MatchFinder::HashChain3, MatchFinder::HashChain4,
                MatchFinder::BinaryTree2, MatchFinder::BinaryTree3, MatchFinder::BinaryTree4,
            ][finder];
            let block = block(&content, 1, |o| {
                o.literal_context_bits(lc).literal_position_bits(lp).position_bits(pb);
                o.mode(if fast { Mode::Fast } else { Mode::Normal }).match_finder(finder).nice_len(nice);
            });
            comes_back(&block, &content);
        }

        #[test]
        fn broken_corrections_never_panic(
            content in content(), at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>(),
            junk in prop::collection::vec(any::<u8>(), 0..200), listed in any::<bool>(), properties in 0u8..225,
        ) {
            let block = block(&content, 4, |_| ());
            let (recipe, mut corrections) = comes_back(&block, &content);
            let Recipe::LzmaTokens { check, dictionary, .. } = recipe else { panic!() };
            let other = Recipe::LzmaTokens { check, dictionary, properties, listed };
            let _ = carry_out(&other, &corrections, &content);
            let _ = carry_out(&other, &junk, &content);
            let _ = carry_out(&recipe, &corrections, &content[cut.index(content.len())..]);
            let _ = carry_out(&recipe, &corrections[..cut.index(corrections.len() + 1)], &content);
            if !corrections.is_empty() {
                let at = at.index(corrections.len());
                corrections[at] ^= 1 << bit;
                let _ = carry_out(&recipe, &corrections, &content);
            }
        }

        #[test]
        fn broken_blocks_have_no_wrong_recipe(content in content(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut block = block(&content, 1, |_| ());
            let at = at.index(block.len());
            assert!(Lzma::default().by_tokens(&block[..at], &content).is_none());
            block[at] ^= 1 << bit;
            // Of zeros another distance makes the same content: then it is another good block, and comes back as such.
            if let Some((recipe, corrections)) = Lzma::default().by_tokens(&block, &content) {
                assert!(carry_out(&recipe, &corrections, &content).unwrap() == block);
            }
        }
    }

    #[test]
    fn chunks_of_all_sorts_come_back() {
        let mut x = 1u64;
        let mut noise: Vec<u8> = Vec::new();
        noise.resize_with(300_000, || {
            x = x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (x >> 56) as u8
        });
        let listed = |content: &[u8]| match comes_back(&block(content, 1, |_| ()), content).0 {
            Recipe::LzmaTokens { listed, .. } => listed,
            _ => panic!(),
        };
        // Stored, tokens after stored, many chunks filled by bytes, several filled by content.
        assert!(listed(&noise));
        noise.extend(columns(200_000, 5));
        assert!(listed(&noise));
        assert!(!listed(&columns(900_000, 7)));
        assert!(!listed(&vec![1; 5_000_000]));
    }

    #[test]
    fn corrections_do_not_change() {
        // What is written today must be read for ever.
        let content = columns(60_000, 3);
        let block = block(&content, 1, |_| ());
        let (_, corrections) = comes_back(&block, &content);
        assert!(corrections.len() * 10 < block.len(), "{} for {}", corrections.len(), block.len());
        assert_eq!(xxhash_rust::xxh3::xxh3_64(&corrections), 14795260346559032975);
    }

    #[test]
    fn real_blocks_cost_little() {
        let beside = ["../../../shared/data", "../../../../shared/data"]
            .map(|p| Path::new(env!("CARGO_MANIFEST_DIR")).join(p));
        let named = std::env::var_os("STRANGELET_DATA").map(std::path::PathBuf::from);
        let Some(data) = named.into_iter().chain(beside).find(|p| p.is_dir()) else {
            eprintln!("skipped: no real files (set STRANGELET_DATA)");
            return;
        };
        let bytes = std::fs::read(data.join("cms/pfnano_lzma9.root")).unwrap();
        let (mut at, mut left, mut whole, mut cost) = (0, 4_000_000, 0, 0);
        while let Some(&[a, b, _, c0, c1, c2, u0, u1, u2]) = bytes.get(at..).and_then(|b| b.first_chunk()) {
            let (packed, len) =
                (u32::from_le_bytes([c0, c1, c2, 0]) as usize, u32::from_le_bytes([u0, u1, u2, 0]));
            at += 1;
            let Some(block) = bytes.get(at + 8..at + 8 + packed).filter(|_| [a, b] == *b"XZ") else {
                continue;
            };
            let Ok(content) = inflate(block, len as usize) else { continue };
            if content.len() > left {
                break;
            }
            (at, left) = (at + 8 + packed, left - content.len());
            whole += block.len();
            cost += comes_back(block, &content).1.len();
        }
        assert!(whole > 300_000, "{whole}");
        assert!(cost * 15 < whole, "{cost} of {whole}");
    }
}
