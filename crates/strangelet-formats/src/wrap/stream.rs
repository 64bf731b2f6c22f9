//! Whole compressed streams of any length: content out of them, and them out of their content.
//!
//! As with the recipes of blocks, an encoder is tried until one writes the very same bytes; but the
//! content is never held in memory, and the comparison ends at the first byte that differs.

use crate::recipe::{Kind, Kitchen, MAX_CONTENT, Recipe};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use liblzma::stream::{Action, Check, Filters, LzmaOptions, MtStreamBuilder, Status as XzStatus, Stream};
use strangelet::error::{Result, corruption};
use strangelet::format::varint::{Cursor, put};
use strangelet::source::{Source, Spool};
use zstd_safe::{CCtx, CParameter, DCtx, InBuffer, OutBuffer, zstd_sys::ZSTD_EndDirective};

/// Bytes read or written at a time.
const PIECE: usize = 1 << 17;
/// Most memory that an .xz decoder may take, in bytes.
const DECODER_MEMORY: u64 = 1 << 30;

/// What compressed a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// Stock zlib, raw deflate, by level.
    Deflate(u8),
    /// Another deflate, by corrections to predicted tokens.
    Tokens,
    /// liblzma.
    Xz {
        /// Preset, with bit 31 if extreme.
        preset: u32,
        /// Number of the integrity check.
        check: u8,
        /// Bytes of the dictionary.
        dictionary: u32,
        /// Bytes of a block where blocks carry lengths (as threads write them); 0 for one plain block.
        block: u64,
    },
    /// The zstd library.
    Zstd {
        /// Level.
        level: i8,
        /// Bit 0: checksum. Bit 1: the length is told. Bit 2: by a worker thread.
        switches: u8,
    },
    /// Another zstd, by corrections to predicted tokens: a recipe of that kind.
    Frame(Recipe),
}

/// The recipe of tokens of zstd that is asked for; which one it is is found.
pub const ANY_FRAME: Setting = Setting::Frame(Recipe::ZstdTokens { level: 3, old: false, checksum: false });

impl Setting {
    /// Appends the setting.
    pub fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Setting::Deflate(level) => out.extend([0, level]),
            Setting::Tokens => out.push(1),
            Setting::Xz { preset, check, dictionary, block } => {
                out.extend([2, preset as u8 | u8::from(preset >> 31 == 1) << 7, check]);
                put(out, dictionary.into());
                put(out, block);
            }
            Setting::Zstd { level, switches } => out.extend([3, level as u8, switches]),
            Setting::Frame(ref recipe) => {
                out.push(4);
                recipe.write(out);
            }
        }
    }

    /// Reads what [`Setting::write`] wrote.
    pub fn read(c: &mut Cursor) -> Result<Setting> {
        Ok(match c.byte()? {
            0 => match c.byte()? {
                level @ 0..=9 => Setting::Deflate(level),
                _ => return Err(corruption("no such deflate level")),
            },
            1 => Setting::Tokens,
            2 => {
                let (p, check) = (c.byte()?, c.byte()?);
                if p & 127 > 9 {
                    return Err(corruption("no such xz preset"));
                }
                let preset = u32::from(p & 127) | u32::from(p >> 7) << 31;
                let dictionary = c.varint()?;
                // More than any preset takes would be a claim on memory.
                let dictionary = u32::try_from(dictionary).ok().filter(|d| (4096..=1 << 28).contains(d));
                let dictionary = dictionary.ok_or_else(|| corruption("an xz dictionary out of bounds"))?;
                let block = c.varint()?;
                if block > 1 << 30 {
                    return Err(corruption("an xz block out of bounds"));
                }
                Setting::Xz { preset, check, dictionary, block }
            }
            3 => {
                let (level, switches) = (c.byte()? as i8, c.byte()?);
                if !(-50..=22).contains(&level) || switches > 7 {
                    return Err(corruption("no such zstd level"));
                }
                Setting::Zstd { level, switches }
            }
            4 => {
                let mut rest = c.rest();
                let before = rest.len();
                let recipe = Recipe::read(&mut rest)?;
                let read = before - rest.len();
                c.take(read)?;
                if !matches!(recipe, Recipe::ZstdTokens { .. }) {
                    return Err(corruption("a stream by a recipe of another kind"));
                }
                Setting::Frame(recipe)
            }
            other => return Err(corruption(format!("compressor {other}"))),
        })
    }
}

/// Inflates a raw deflate stream from `pos` on into `spool`; the place behind its end.
pub fn inflate_deflate(source: &dyn Source, pos: u64, spool: &mut Spool) -> Result<u64> {
    let mut decoder = Decompress::new(false);
    decode(source, pos, spool, &mut |input, output, _| {
        let before = (decoder.total_in(), decoder.total_out());
        let status = decoder
            .decompress(input, output, FlushDecompress::None)
            .map_err(|e| corruption(format!("deflate: {e}")))?;
        let (read, made) = (decoder.total_in() - before.0, decoder.total_out() - before.1);
        Ok((read as usize, made as usize, status == Status::StreamEnd))
    })
}

/// Inflates an .xz stream from `pos` on into `spool`; the place behind its end.
pub fn inflate_xz(source: &dyn Source, pos: u64, spool: &mut Spool) -> Result<u64> {
    let fail = |e| corruption(format!("xz: {e}"));
    let mut decoder = Stream::new_stream_decoder(DECODER_MEMORY, 0).map_err(fail)?;
    decode(source, pos, spool, &mut |input, output, last| {
        let before = (decoder.total_in(), decoder.total_out());
        let action = if last { Action::Finish } else { Action::Run };
        let status = decoder.process(input, output, action).map_err(fail)?;
        let (read, made) = (decoder.total_in() - before.0, decoder.total_out() - before.1);
        Ok((read as usize, made as usize, status == XzStatus::StreamEnd))
    })
}

/// Inflates a zstd frame from `pos` on into `spool`; the place behind its end.
pub fn inflate_zstd(source: &dyn Source, pos: u64, spool: &mut Spool) -> Result<u64> {
    let mut decoder = DCtx::create();
    decode(source, pos, spool, &mut |input, output, _| {
        let mut from = InBuffer::around(input);
        let mut to = OutBuffer::around(output);
        let left = decoder.decompress_stream(&mut to, &mut from).map_err(zstd_error)?;
        Ok((from.pos(), to.pos(), left == 0))
    })
}

fn zstd_error(code: usize) -> strangelet::error::Error {
    corruption(format!("zstd: {}", zstd_safe::get_error_name(code)))
}

/// Takes bytes, makes bytes: how many of each, and whether the stream has ended.
type Step<'a> = dyn FnMut(&[u8], &mut [u8], bool) -> Result<(usize, usize, bool)> + 'a;

fn decode(source: &dyn Source, mut pos: u64, spool: &mut Spool, step: &mut Step) -> Result<u64> {
    let mut output = vec![0; PIECE];
    let mut input = Vec::new();
    let mut at = 0;
    let mut base = pos;
    loop {
        if at == input.len() && pos < source.len() {
            base = pos;
            input = source.range(pos, (source.len() - pos).min(PIECE as u64))?;
            pos += input.len() as u64;
            at = 0;
        }
        let (read, made, end) = step(&input[at..], &mut output, pos == source.len())?;
        at += read;
        spool.append(output.get(..made).unwrap_or_default())?;
        if end {
            return Ok(base + at as u64);
        }
        if read == 0 && made == 0 && (at < input.len() || pos == source.len()) {
            return Err(corruption("a compressed stream that is cut short"));
        }
    }
}

/// Compresses a whole source; `corrections` only with [`Setting::Tokens`] and [`Setting::Frame`].
pub fn compress(
    setting: &Setting,
    corrections: &[u8],
    content: &dyn Source,
    out: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    match *setting {
        Setting::Deflate(level) => {
            let mut encoder = Compress::new(Compression::new(level.into()), false);
            encode(content, out, &mut |input, output, last| {
                let before = (encoder.total_in(), encoder.total_out());
                let flush = if last { FlushCompress::Finish } else { FlushCompress::None };
                let status = encoder
                    .compress(input, output, flush)
                    .map_err(|e| corruption(format!("deflate: {e}")))?;
                let (read, made) = (encoder.total_in() - before.0, encoder.total_out() - before.1);
                Ok((read as usize, made as usize, status == Status::StreamEnd))
            })
        }
        Setting::Tokens => {
            if content.len() > MAX_CONTENT as u64 {
                return Err(corruption("deflate: too long for corrections"));
            }
            let bytes = content.range(0, content.len())?;
            let recipe = Recipe::Tokens { header: [0; 2] };
            out(&Kitchen::new().apply(Kind::Deflate, &recipe, corrections, &bytes)?)
        }
        Setting::Frame(ref recipe) => {
            if content.len() > MAX_CONTENT as u64 {
                return Err(corruption("zstd: too long for corrections"));
            }
            let bytes = content.range(0, content.len())?;
            out(&Kitchen::new().apply(Kind::Zstd, recipe, corrections, &bytes)?)
        }
        Setting::Xz { preset, check, dictionary, block } => {
            let fail = |e| corruption(format!("xz: {e}"));
            let check = match check {
                0 => Check::None,
                1 => Check::Crc32,
                4 => Check::Crc64,
                10 => Check::Sha256,
                _ => return Err(corruption("xz: no such check")),
            };
            let mut options = LzmaOptions::new_preset(preset).map_err(fail)?;
            options.dict_size(dictionary);
            let mut filters = Filters::new();
            filters.lzma2(&options);
            let mut encoder = if block == 0 {
                Stream::new_stream_encoder(&filters, check).map_err(fail)?
            } else {
                let mut builder = MtStreamBuilder::new();
                builder.threads(1).block_size(block).filters(filters).check(check);
                builder.encoder().map_err(fail)?
            };
            encode(content, out, &mut |input, output, last| {
                let before = (encoder.total_in(), encoder.total_out());
                let action = if last { Action::Finish } else { Action::Run };
                let status = encoder.process(input, output, action).map_err(fail)?;
                let (read, made) = (encoder.total_in() - before.0, encoder.total_out() - before.1);
                Ok((read as usize, made as usize, status == XzStatus::StreamEnd))
            })
        }
        Setting::Zstd { level, switches } => {
            let mut encoder = CCtx::create();
            for parameter in [
                CParameter::CompressionLevel(level.into()),
                CParameter::ChecksumFlag(switches & 1 != 0),
                CParameter::ContentSizeFlag(switches & 2 != 0),
                CParameter::NbWorkers(u32::from(switches & 4 != 0)),
            ] {
                encoder.set_parameter(parameter).map_err(zstd_error)?;
            }
            if switches & 2 != 0 {
                encoder.set_pledged_src_size(Some(content.len())).map_err(zstd_error)?;
            }
            encode(content, out, &mut |input, output, last| {
                use ZSTD_EndDirective::{ZSTD_e_continue, ZSTD_e_end};
                let mut from = InBuffer::around(input);
                let mut to = OutBuffer::around(output);
                let end = if last { ZSTD_e_end } else { ZSTD_e_continue };
                let left = encoder.compress_stream2(&mut to, &mut from, end).map_err(zstd_error)?;
                Ok((from.pos(), to.pos(), last && left == 0))
            })
        }
    }
}

fn encode(content: &dyn Source, out: &mut dyn FnMut(&[u8]) -> Result<()>, step: &mut Step) -> Result<()> {
    let mut output = vec![0; PIECE];
    let (mut input, mut at, mut pos) = (Vec::new(), 0, 0);
    let mut idle = 0;
    loop {
        if at == input.len() && pos < content.len() {
            input = content.range(pos, (content.len() - pos).min(PIECE as u64))?;
            pos += input.len() as u64;
            at = 0;
        }
        let (read, made, end) = step(&input[at..], &mut output, pos == content.len())?;
        at += read;
        out(output.get(..made).unwrap_or_default())?;
        if end {
            return Ok(());
        }
        // A worker may be busy; an encoder that never moves is not.
        idle = if read == 0 && made == 0 { idle + 1 } else { 0 };
        if idle > 1_000_000 {
            return Err(corruption("an encoder stands still"));
        }
    }
}

/// The setting, and its corrections, that makes the bytes of a range of `source` out of `content`.
pub fn find(
    settings: Vec<Setting>,
    content: &dyn Source,
    source: &dyn Source,
    range: (u64, u64),
) -> Option<(Setting, Vec<u8>)> {
    for mut setting in settings {
        let mut corrections = Vec::new();
        let by_tokens = match setting {
            Setting::Tokens => Some((Kind::Deflate, Some(Recipe::Tokens { header: [0; 2] }))),
            Setting::Frame(_) => Some((Kind::Zstd, None)),
            _ => None,
        };
        if let Some((kind, hint)) = by_tokens {
            let short = content.len() <= MAX_CONTENT as u64;
            let (true, Ok(plain)) = (short, content.range(0, content.len())) else { continue };
            let Ok(packed) = source.range(range.0, range.1 - range.0) else { continue };
            let found =
                Kitchen::new().find(kind, &packed, &plain, hint.as_ref(), crate::recipe::Effort::Fast);
            match found {
                Some((Recipe::Tokens { .. }, c)) => corrections = c,
                Some((recipe @ Recipe::ZstdTokens { .. }, c)) => {
                    (setting, corrections) = (Setting::Frame(recipe), c);
                }
                _ => continue,
            }
        }
        let mut pos = range.0;
        let made = compress(&setting, &corrections, content, &mut |bytes| {
            let same = pos + bytes.len() as u64 <= range.1 && source.range(pos, bytes.len() as u64)? == bytes;
            pos += bytes.len() as u64;
            if same { Ok(()) } else { Err(corruption("other bytes")) }
        });
        if made.is_ok() && pos == range.1 {
            return Some((setting, corrections));
        }
    }
    None
}
