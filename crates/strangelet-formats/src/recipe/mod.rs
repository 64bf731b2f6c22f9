//! How a compressed block is made again from its content.
//!
//! A file that carries compressed blocks can only be modelled through their content, yet has to
//! come back byte for byte. So the encoder looks for a *recipe*: the library, the level and the
//! few switches which turn the content into exactly these bytes again. Nearly every block of a
//! file has the same recipe, hence a column of recipes costs nothing. What no setting of the
//! library reproduces is described by *corrections* to a prediction; what that cannot do either
//! has no recipe and stays as it is.
//!
//! A recipe is only returned after it was carried out and the bytes were compared.
//!
//! # Determinism
//!
//! Most recipes rest on the compressors that are compiled into this build (stock zlib, liblzma, zstd,
//! LZ4, all bundled, never the system's): other versions may write other bytes. A container
//! records [`libraries`] and its checksum over the result tells when a build cannot carry out
//! what another has found. [`Recipe::Own`], [`Recipe::LzmaTokens`] and [`Recipe::ZstdTokens`] rest on nothing but this crate.

mod deflate;
mod lz4;
mod lzma;
mod zstd;

use strangelet::codec::Level;
use strangelet::error::{Result, corruption, usage};

pub use lzma::Dictionary;
pub use zstd::Frame;

/// Most content bytes of one block; longer content is the business of streams.
pub const MAX_CONTENT: usize = 1 << 28;

/// The format of a compressed block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Deflate inside the two header bytes and the Adler-32 of zlib (ROOT `ZL`, HDF5).
    Zlib,
    /// Deflate without wrapper (ROOT's old `CS`).
    Deflate,
    /// An .xz stream (ROOT `XZ`).
    Xz,
    /// XXH64 of the block, big-endian, then an LZ4 block (ROOT `L4`).
    Lz4,
    /// A Zstandard frame (ROOT `ZS`).
    Zstd,
}

impl Kind {
    /// All kinds, in the order of their numbers on disk.
    pub const ALL: [Kind; 5] = [Kind::Zlib, Kind::Deflate, Kind::Xz, Kind::Lz4, Kind::Zstd];

    /// Most content bytes that `compressed` bytes of this kind can stand for.
    fn most_content(self, compressed: usize) -> usize {
        let per_byte: usize = match self {
            Kind::Zlib | Kind::Deflate => 1033,
            Kind::Lz4 => 256,
            Kind::Zstd => 1 << 15,
            Kind::Xz => 1 << 18,
        };
        compressed.saturating_mul(per_byte).min(MAX_CONTENT)
    }
}

/// How hard to look for a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// The hint, and what the header suggests.
    Fast,
    /// Everything that is known; what is quick to carry out first.
    Balanced,
    /// Everything that is known; what takes the least bytes first.
    Max,
}

impl From<Level> for Effort {
    fn from(level: Level) -> Effort {
        match level {
            Level::Fast => Effort::Fast,
            Level::Balanced => Effort::Balanced,
            Level::Max => Effort::Max,
        }
    }
}

/// A deflate whose bytes the encoder of this crate writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Stock zlib, any version.
    Zlib,
    /// Cloudflare's fork of zlib on a processor with SSE 4.2, as bundled with ROOT and CMSSW.
    Cloudflare,
}

impl Flavour {
    /// All flavours, in the order of their numbers on disk.
    pub const ALL: [Flavour; 2] = [Flavour::Zlib, Flavour::Cloudflare];
}

/// How a compressed block is made again from its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recipe {
    /// Stock zlib, the library.
    Deflate {
        /// Level, 0 to 9.
        level: u8,
        /// Base-2 logarithm of the window, 9 to 15.
        window: u8,
    },
    /// The encoder of this crate that writes what a known deflate writes; window 2^15.
    Own {
        /// Whose bytes it writes.
        flavour: Flavour,
        /// Level, 1 to 9.
        level: u8,
    },
    /// Another deflate: the corrections tell where it differs from the predicted tokens.
    Tokens {
        /// The two header bytes of zlib; zeros where there is no header.
        header: [u8; 2],
    },
    /// liblzma, an .xz stream of one LZMA2 block without lengths in its header.
    Lzma {
        /// Preset, 0 to 9.
        preset: u8,
        /// Whether the preset is the extreme one.
        extreme: bool,
        /// Number of the integrity check: 0 none, 1 CRC32, 4 CRC64, 10 SHA-256.
        check: u8,
        /// Where the length of the dictionary comes from.
        dictionary: Dictionary,
    },
    /// Any LZMA encoder, an .xz stream of one LZMA2 block without lengths in its header: the corrections
    /// tell what it chose.
    LzmaTokens {
        /// Number of the integrity check: 0 none, 1 CRC32, 4 CRC64.
        check: u8,
        /// Where the length of the dictionary comes from; never the preset.
        dictionary: Dictionary,
        /// Properties of the first chunk: lc + 9 (lp + 5 pb).
        properties: u8,
        /// Whether the corrections start with a list of chunks.
        listed: bool,
    },
    /// LZ4, fast mode with the default acceleration.
    Lz4Fast,
    /// LZ4, high compression.
    Lz4High {
        /// Level, 1 to 9, all that ROOT knows.
        level: u8,
    },
    /// The zstd library.
    Zstd(Frame),
    /// Any zstd: what the searches of zstd 1.4 and its rules would have chosen; the corrections tell where
    /// it chose otherwise.
    ZstdTokens {
        /// Level of the search, -128 to 22.
        level: i8,
        /// Whether as before zstd 1.4.7.
        old: bool,
        /// Whether the frame ends with a checksum of its content.
        checksum: bool,
    },
}

const DEFLATE: u8 = 0;
const TOKENS: u8 = 1;
const LZMA: u8 = 2;
const LZ4_FAST: u8 = 3;
const LZ4_HIGH: u8 = 4;
const ZSTD: u8 = 5;
const OWN: u8 = 6;
const LZMA_TOKENS: u8 = 7;
const ZSTD_TOKENS: u8 = 8;

impl Recipe {
    /// Appends the bytes of this recipe (1 to 5); equal recipes have equal bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Recipe::Deflate { level, window } => out.extend([DEFLATE, level | window << 4]),
            Recipe::Own { flavour, level } => out.extend([OWN, level | (flavour as u8) << 4]),
            Recipe::Tokens { header: [a, b] } => out.extend([TOKENS, a, b]),
            Recipe::Lzma { preset, extreme, check, dictionary } => {
                out.extend([LZMA, preset | u8::from(extreme) << 4, check]);
                dictionary.write(out);
            }
            Recipe::LzmaTokens { check, dictionary, properties, listed } => {
                out.extend([LZMA_TOKENS, check | u8::from(listed) << 7]);
                dictionary.write(out);
                out.push(properties);
            }
            Recipe::Lz4Fast => out.push(LZ4_FAST),
            Recipe::Lz4High { level } => out.extend([LZ4_HIGH, level]),
            Recipe::Zstd(frame) => {
                out.push(ZSTD);
                frame.write(out);
            }
            Recipe::ZstdTokens { level, old, checksum } => {
                out.extend([ZSTD_TOKENS, level as u8, u8::from(checksum) | u8::from(old) << 1]);
            }
        }
    }

    /// Reads what [`Recipe::write`] wrote and moves `bytes` behind it.
    ///
    /// # Errors
    /// Corruption where the bytes end too early or no such recipe exists.
    pub fn read(bytes: &mut &[u8]) -> Result<Recipe> {
        let recipe = match byte(bytes)? {
            DEFLATE => {
                let b = byte(bytes)?;
                let (level, window) = (b & 15, b >> 4);
                if level > 9 || window < 9 {
                    return Err(corruption("recipe: no such deflate level or window"));
                }
                Recipe::Deflate { level, window }
            }
            OWN => {
                let b = byte(bytes)?;
                match (Flavour::ALL.get(usize::from(b >> 4)), b & 15) {
                    (Some(&flavour), level @ 1..=9) => Recipe::Own { flavour, level },
                    _ => return Err(corruption("recipe: no such deflate flavour or level")),
                }
            }
            TOKENS => Recipe::Tokens { header: [byte(bytes)?, byte(bytes)?] },
            LZMA => {
                let (b, check) = (byte(bytes)?, byte(bytes)?);
                let (preset, extreme) = (b & 15, b >> 4);
                if preset > 9 || extreme > 1 || lzma::check(check).is_none() {
                    return Err(corruption("recipe: no such LZMA preset or check"));
                }
                let dictionary = Dictionary::read(bytes)?;
                Recipe::Lzma { preset, extreme: extreme == 1, check, dictionary }
            }
            LZ4_FAST => Recipe::Lz4Fast,
            LZ4_HIGH => match byte(bytes)? {
                level @ 1..=9 => Recipe::Lz4High { level },
                _ => return Err(corruption("recipe: no such LZ4 level")),
            },
            ZSTD => Recipe::Zstd(Frame::read(bytes)?),
            ZSTD_TOKENS => match (byte(bytes)? as i8, byte(bytes)?) {
                (level @ ..=22, switches @ ..=3) => {
                    Recipe::ZstdTokens { level, old: switches & 2 != 0, checksum: switches & 1 != 0 }
                }
                _ => return Err(corruption("recipe: no such zstd frame by tokens")),
            },
            LZMA_TOKENS => {
                let b = byte(bytes)?;
                let (check, listed) = (b & 0x7f, b >> 7 == 1);
                let (dictionary, properties) = (Dictionary::read(bytes)?, byte(bytes)?);
                if !lzma::tokens_can(check, dictionary, properties) {
                    return Err(corruption("recipe: no such LZMA stream by tokens"));
                }
                Recipe::LzmaTokens { check, dictionary, properties, listed }
            }
            other => return Err(corruption(format!("recipe: unknown number {other}"))),
        };
        Ok(recipe)
    }
}

/// The next byte of a recipe.
fn byte(bytes: &mut &[u8]) -> Result<u8> {
    let (&first, rest) = bytes.split_first().ok_or_else(|| corruption("recipe: ends too early"))?;
    *bytes = rest;
    Ok(first)
}

/// The compressors that this build carries out recipes with, as `name version` words.
pub fn libraries() -> String {
    format!("zlib 1.3.2, liblzma 5.8, lz4 1.10.0, zstd {}", zstd_safe::version_string())
}

/// The content of a block: exactly `content_len` bytes.
///
/// # Errors
/// Corruption where the block is not of this kind, is cut short, has bytes behind its end, or
/// holds another number of bytes. Memory stays within what `compressed` can possibly hold.
pub fn inflate(kind: Kind, compressed: &[u8], content_len: usize) -> Result<Vec<u8>> {
    Kitchen::new().inflate(kind, compressed, content_len)
}

/// Looks for a recipe that makes `compressed` out of `content`. `hint`, the last recipe that
/// worked, is tried first. Returns the recipe and its corrections (mostly empty).
pub fn find(
    kind: Kind,
    compressed: &[u8],
    content: &[u8],
    hint: Option<&Recipe>,
    effort: Effort,
) -> Option<(Recipe, Vec<u8>)> {
    Kitchen::new().find(kind, compressed, content, hint, effort)
}

/// Carries out a recipe.
///
/// # Errors
/// Corruption where recipe, corrections and content do not fit each other.
pub fn apply(kind: Kind, recipe: &Recipe, corrections: &[u8], content: &[u8]) -> Result<Vec<u8>> {
    Kitchen::new().apply(kind, recipe, corrections, content)
}

/// The states of the compressors, kept from block to block: the tables of an encoder are larger
/// than most blocks, and making them anew would take longer than the work. It also remembers how
/// often the long search was in vain, so the same blocks in the same order give the same recipes;
/// use one kitchen per file or chunk.
#[derive(Default)]
pub struct Kitchen {
    deflate: deflate::Deflate,
    lzma: lzma::Lzma,
    zstd: zstd::Zstd,
}

impl Kitchen {
    /// An empty one; states are made when first needed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many blocks had no recipe so far, for work that is spread over kitchens: what is found
    /// then does not depend on which kitchen had which block.
    pub fn set_misses(&mut self, misses: u32) {
        self.zstd.misses = misses;
    }

    /// Gives the room of a content back that is not needed any more, for the next one.
    pub fn recycle(&mut self, content: Vec<u8>) {
        self.deflate.recycle(content);
    }

    /// See [`inflate`].
    ///
    /// # Errors
    /// As [`inflate`].
    pub fn inflate(&mut self, kind: Kind, compressed: &[u8], content_len: usize) -> Result<Vec<u8>> {
        if content_len > kind.most_content(compressed.len()) {
            return Err(corruption(format!(
                "a block of {} bytes cannot hold {content_len}",
                compressed.len()
            )));
        }
        match kind {
            Kind::Zlib => self.deflate.inflate(true, compressed, content_len),
            Kind::Deflate => self.deflate.inflate(false, compressed, content_len),
            Kind::Xz => lzma::inflate(compressed, content_len),
            Kind::Lz4 => lz4::inflate(compressed, content_len),
            Kind::Zstd => self.zstd.inflate(compressed, content_len),
        }
    }

    /// Learns from an .xz block how LZMA encoders choose, and returns the table of all that was learned:
    /// the part of the format in `lzma/prior.bin` was made so.
    #[doc(hidden)]
    pub fn learn(&mut self, block: &[u8], content: &[u8]) -> Option<Vec<u8>> {
        self.lzma.learn(block, content)
    }

    /// See [`find`].
    pub fn find(
        &mut self,
        kind: Kind,
        compressed: &[u8],
        content: &[u8],
        hint: Option<&Recipe>,
        effort: Effort,
    ) -> Option<(Recipe, Vec<u8>)> {
        if content.len() > MAX_CONTENT {
            return None;
        }
        match kind {
            Kind::Zlib => self.deflate.find(true, compressed, content, hint, effort),
            Kind::Deflate => self.deflate.find(false, compressed, content, hint, effort),
            Kind::Xz => self.lzma.find(compressed, content, hint, effort),
            Kind::Lz4 => lz4::find(compressed, content, hint, effort).map(|r| (r, Vec::new())),
            Kind::Zstd => self.zstd.find(compressed, content, hint, effort),
        }
    }

    /// See [`apply`].
    ///
    /// # Errors
    /// As [`apply`].
    pub fn apply(
        &mut self,
        kind: Kind,
        recipe: &Recipe,
        corrections: &[u8],
        content: &[u8],
    ) -> Result<Vec<u8>> {
        if content.len() > MAX_CONTENT {
            return Err(corruption("recipe: the content is longer than a block may be"));
        }
        if !corrections.is_empty() && !by_tokens(recipe) {
            return Err(corruption("recipe: corrections where none belong"));
        }
        match (kind, *recipe) {
            (Kind::Zlib, Recipe::Deflate { level, window }) => {
                self.deflate.apply(true, level, window, content)
            }
            (Kind::Deflate, Recipe::Deflate { level, window }) => {
                self.deflate.apply(false, level, window, content)
            }
            (Kind::Zlib, Recipe::Own { flavour, level }) => {
                Ok(self.deflate.make(true, flavour, level, content))
            }
            (Kind::Deflate, Recipe::Own { flavour, level }) => {
                Ok(self.deflate.make(false, flavour, level, content))
            }
            (Kind::Zlib, Recipe::Tokens { header }) => deflate::recreate(Some(header), corrections, content),
            (Kind::Deflate, Recipe::Tokens { .. }) => deflate::recreate(None, corrections, content),
            (Kind::Xz, Recipe::Lzma { preset, extreme, check, dictionary }) => {
                lzma::apply(preset, extreme, check, dictionary, content)
            }
            (Kind::Xz, Recipe::LzmaTokens { check, dictionary, properties, listed }) => {
                self.lzma.apply(check, dictionary, properties, listed, corrections, content)
            }
            (Kind::Lz4, Recipe::Lz4Fast) => lz4::apply(None, content),
            (Kind::Lz4, Recipe::Lz4High { level }) => lz4::apply(Some(level), content),
            (Kind::Zstd, Recipe::Zstd(frame)) => self.zstd.apply(&frame, content),
            (Kind::Zstd, Recipe::ZstdTokens { level, old, checksum }) => {
                self.zstd.recreate(level, old, checksum, corrections, content)
            }
            _ => Err(usage("recipe: belongs to another kind of block")),
        }
    }
}

/// Whether a recipe can have corrections.
fn by_tokens(recipe: &Recipe) -> bool {
    matches!(recipe, Recipe::Tokens { .. } | Recipe::LzmaTokens { .. } | Recipe::ZstdTokens { .. })
}

/// Checks the length that came out of a decoder.
fn exact(content: Vec<u8>, content_len: usize) -> Result<Vec<u8>> {
    if content.len() == content_len {
        Ok(content)
    } else {
        Err(corruption(format!("a block holds {} bytes, not {content_len}", content.len())))
    }
}
