//! Whole files inside a compressor: .gz, .xz and .zst of any length, with bounded memory.
//!
//! The same idea as for blocks, but content and compressed bytes are streams: the encoder runs
//! over the content, and what it writes is compared while it is written. A wrong setting shows
//! within the first block, so that trying is cheap and only the right one runs to the end.
//!
//! One member (.gz), one stream (.xz), one frame (.zst): several of them, one after the other,
//! have no recipe here.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use flate2::{Compress, Compression, Crc, FlushCompress};
use liblzma::stream::{Action, Filters, LzmaOptions, MtStreamBuilder, Stream};
use preflate_rs::{PreflateConfig, PreflateStreamProcessor, RecreateStreamProcessor};
use strangelet::error::{Result, corruption, unsupported};
use zstd_safe::zstd_sys::ZSTD_EndDirective::{ZSTD_e_continue, ZSTD_e_end};
use zstd_safe::{CCtx, CParameter, DCtx, InBuffer, OutBuffer};

use super::{Dictionary, Effort, byte, lzma};

/// Bytes read or written at a time; the zstd command reads in pieces of this length.
const PIECE: usize = 1 << 17;
/// Compressed bytes whose tokens are predicted at a time.
const TOKEN_PIECE: usize = 1 << 21;
/// Bytes after which two zstd frames are not alike by accident.
const ALIKE: u64 = 2048;
/// Most bytes of a gzip header.
const MOST_HEADER: usize = 1 << 16;

/// What a file is wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wrapper {
    /// .gz
    Gzip,
    /// .xz
    Xz,
    /// .zst
    Zstd,
}

impl Wrapper {
    /// The wrapper whose magic bytes a file starts with.
    pub fn probe(start: &[u8]) -> Option<Wrapper> {
        match start {
            [0x1f, 0x8b, 8, ..] => Some(Wrapper::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Wrapper::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Wrapper::Zstd),
            _ => None,
        }
    }
}

/// How a wrapped file is made again from its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamRecipe {
    /// gzip around stock zlib.
    Gzip {
        /// All bytes before the deflate stream.
        header: Vec<u8>,
        /// Level of zlib, 0 to 9.
        level: u8,
    },
    /// gzip around another deflate.
    GzipTokens {
        /// All bytes before the deflate stream.
        header: Vec<u8>,
        /// Per piece the lengths of its content and its corrections (4 bytes each,
        /// little-endian), then the corrections.
        corrections: Vec<u8>,
    },
    /// liblzma with one LZMA2 filter.
    Xz {
        /// Preset, 0 to 9.
        preset: u8,
        /// Whether the preset is the extreme one.
        extreme: bool,
        /// Number of the integrity check.
        check: u8,
        /// Where the length of the dictionary comes from.
        dictionary: Dictionary,
        /// Content bytes of a block of the threaded encoder; 0: its own choice; none: the
        /// encoder without threads, which makes one block.
        block: Option<u64>,
    },
    /// The zstd library.
    Zstd {
        /// Level, 1 to 22 or negative.
        level: i8,
        /// The frame ends with a checksum.
        checksum: bool,
        /// Bytes of content, if the frame tells them.
        content_len: Option<u64>,
        /// Base-2 logarithm of the window for long distances; 0: no search for those.
        long: u8,
        /// Cut into jobs as the threaded encoder does.
        jobs: bool,
    },
}

impl StreamRecipe {
    /// Appends the bytes of this recipe.
    pub fn write(&self, out: &mut Vec<u8>) {
        let field = |out: &mut Vec<u8>, bytes: &[u8]| {
            out.extend((bytes.len() as u64).to_le_bytes());
            out.extend(bytes);
        };
        match self {
            StreamRecipe::Gzip { header, level } => {
                out.extend([0, *level]);
                field(out, header);
            }
            StreamRecipe::GzipTokens { header, corrections } => {
                out.push(1);
                field(out, header);
                field(out, corrections);
            }
            StreamRecipe::Xz { preset, extreme, check, dictionary, block } => {
                out.extend([2, preset | u8::from(*extreme) << 4, *check]);
                dictionary.write(out);
                out.push(u8::from(block.is_some()));
                out.extend(block.unwrap_or_default().to_le_bytes());
            }
            StreamRecipe::Zstd { level, checksum, content_len, long, jobs } => {
                let switches =
                    u8::from(*checksum) | u8::from(content_len.is_some()) << 1 | u8::from(*jobs) << 2;
                out.extend([3, *level as u8, switches, *long]);
                out.extend(content_len.unwrap_or_default().to_le_bytes());
            }
        }
    }

    /// Reads what [`StreamRecipe::write`] wrote and moves `bytes` behind it.
    ///
    /// # Errors
    /// Corruption where the bytes end too early or name something unknown.
    pub fn read(bytes: &mut &[u8]) -> Result<StreamRecipe> {
        let unknown = || corruption("stream recipe: no such setting");
        let number = |bytes: &mut &[u8]| -> Result<u64> {
            let (number, rest) =
                bytes.split_first_chunk::<8>().ok_or_else(|| corruption("stream recipe: ends too early"))?;
            *bytes = rest;
            Ok(u64::from_le_bytes(*number))
        };
        let field = |bytes: &mut &[u8]| -> Result<Vec<u8>> {
            let len = usize::try_from(number(bytes)?).unwrap_or(usize::MAX);
            let (field, rest) =
                bytes.split_at_checked(len).ok_or_else(|| corruption("stream recipe: ends too early"))?;
            *bytes = rest;
            Ok(field.to_vec())
        };
        Ok(match byte(bytes)? {
            0 => {
                let level = Some(byte(bytes)?).filter(|l| *l <= 9).ok_or_else(unknown)?;
                StreamRecipe::Gzip { level, header: field(bytes)? }
            }
            1 => StreamRecipe::GzipTokens { header: field(bytes)?, corrections: field(bytes)? },
            2 => {
                let (b, check) = (byte(bytes)?, byte(bytes)?);
                let (preset, extreme) = (b & 15, b >> 4 == 1);
                if preset > 9 || b > 0x1f || lzma::check(check).is_none() {
                    return Err(unknown());
                }
                let dictionary = Dictionary::read(bytes)?;
                let threads = byte(bytes)?;
                let block = number(bytes)?;
                if threads > 1 || dictionary == Dictionary::Quarter {
                    return Err(unknown());
                }
                let block = (threads == 1).then_some(block);
                StreamRecipe::Xz { preset, extreme, check, dictionary, block }
            }
            3 => {
                let (level, switches, long) = (byte(bytes)? as i8, byte(bytes)?, byte(bytes)?);
                let content_len = number(bytes)?;
                if level > 22 || switches > 7 || !(long == 0 || (10..=27).contains(&long)) {
                    return Err(unknown());
                }
                StreamRecipe::Zstd {
                    level,
                    checksum: switches & 1 != 0,
                    content_len: (switches & 2 != 0).then_some(content_len),
                    long,
                    jobs: switches & 4 != 0,
                }
            }
            _ => return Err(unknown()),
        })
    }
}

/// Writes the content of a wrapped file; returns its length in bytes.
///
/// # Errors
/// Corruption where the file is broken, unsupported where anything follows its first member,
/// stream or frame, and what `out` says.
pub fn inflate_stream(wrapper: Wrapper, compressed: &mut dyn Read, out: &mut dyn Write) -> Result<u64> {
    let mut input = BufReader::with_capacity(PIECE, compressed);
    let broken = |e: std::io::Error| corruption(format!("compressed stream: {e}"));
    let len = match wrapper {
        Wrapper::Gzip => pump(&mut flate2::bufread::GzDecoder::new(&mut input), out)?,
        Wrapper::Xz => {
            let decoder =
                Stream::new_stream_decoder(1 << 30, 0).map_err(|e| corruption(format!("xz stream: {e}")))?;
            pump(&mut liblzma::bufread::XzDecoder::new_stream(&mut input, decoder), out)?
        }
        Wrapper::Zstd => inflate_zstd(&mut input, out)?,
    };
    if !input.fill_buf().map_err(broken)?.is_empty() {
        return Err(unsupported("compressed stream: bytes behind its end"));
    }
    Ok(len)
}

/// Copies a decoder's output; what the decoder fails with is corruption.
fn pump(decoder: &mut dyn Read, out: &mut dyn Write) -> Result<u64> {
    let mut piece = vec![0; PIECE];
    let mut len = 0;
    loop {
        let n = decoder.read(&mut piece).map_err(|e| corruption(format!("compressed stream: {e}")))?;
        if n == 0 {
            return Ok(len);
        }
        out.write_all(piece.get(..n).unwrap_or_default())?;
        len += n as u64;
    }
}

fn inflate_zstd(input: &mut dyn BufRead, out: &mut dyn Write) -> Result<u64> {
    let mut decoder = DCtx::create();
    let mut piece = vec![0; PIECE];
    let mut len = 0;
    loop {
        let read = input.fill_buf()?;
        let ended = read.is_empty();
        let mut from = InBuffer::around(read);
        let mut to = OutBuffer::around(&mut piece[..]);
        let left = decoder.decompress_stream(&mut to, &mut from).map_err(zstd_error)?;
        let (taken, made) = (from.pos(), to.pos());
        out.write_all(piece.get(..made).unwrap_or_default())?;
        len += made as u64;
        input.consume(taken);
        if left == 0 {
            return Ok(len);
        }
        if ended && made == 0 {
            return Err(corruption("zstd stream: cut short"));
        }
    }
}

fn zstd_error(code: usize) -> strangelet::error::Error {
    corruption(format!("zstd stream: {}", zstd_safe::get_error_name(code)))
}

/// A stream that can be read again from its start.
pub trait Source: Read + Seek {}
impl<T: Read + Seek> Source for T {}

/// Looks for a recipe that makes all bytes of `compressed` out of all bytes of `content`; both
/// are read from their starts. None where there is none.
///
/// # Errors
/// What reading says.
pub fn find_stream(
    wrapper: Wrapper,
    compressed: &mut dyn Source,
    content: &mut dyn Source,
    effort: Effort,
) -> Result<Option<StreamRecipe>> {
    compressed.seek(SeekFrom::Start(0))?;
    let mut start = Vec::new();
    compressed.take(MOST_HEADER as u64).read_to_end(&mut start)?;
    let content_len = content.seek(SeekFrom::End(0))?;
    let candidates = match wrapper {
        Wrapper::Gzip => gzip_candidates(&start),
        Wrapper::Xz => xz_candidates(&start, effort),
        Wrapper::Zstd => zstd_candidates(&start, content_len, effort),
    };
    let mut alike = Vec::new();
    for recipe in candidates {
        // Jobs begin as a frame without jobs does, and show a difference only after megabytes:
        // they are tried where that was right up to some point.
        if let StreamRecipe::Zstd { jobs: true, level, long, .. } = recipe
            && !alike.contains(&(level, long))
        {
            continue;
        }
        let (same, whole) = makes(&recipe, compressed, content)?;
        if whole {
            return Ok(Some(recipe));
        }
        if let StreamRecipe::Zstd { level, long, .. } = recipe
            && same >= ALIKE
        {
            alike.push((level, long));
        }
    }
    if let (Wrapper::Gzip, Effort::Balanced, Some(len)) = (wrapper, effort, gzip_header(&start)) {
        let header = start.get(..len).unwrap_or_default().to_vec();
        if let Some(corrections) = tokens(len as u64, compressed)? {
            let recipe = StreamRecipe::GzipTokens { header, corrections };
            if makes(&recipe, compressed, content)?.1 {
                return Ok(Some(recipe));
            }
        }
    }
    Ok(None)
}

/// Carries out a recipe: reads `content` to its end and writes the wrapped file.
///
/// # Errors
/// Corruption where recipe and content do not fit each other; what reading and writing say.
pub fn apply_stream(recipe: &StreamRecipe, content: &mut dyn Read, out: &mut dyn Write) -> Result<()> {
    run(recipe, content, &mut |bytes| {
        out.write_all(bytes)?;
        Ok(true)
    })?;
    Ok(())
}

/// How many bytes from the start the recipe makes right, and whether it makes just these bytes.
fn makes(
    recipe: &StreamRecipe,
    compressed: &mut dyn Source,
    content: &mut dyn Source,
) -> Result<(u64, bool)> {
    compressed.seek(SeekFrom::Start(0))?;
    content.seek(SeekFrom::Start(0))?;
    let mut expected = BufReader::with_capacity(PIECE, compressed);
    let mut wanted = Vec::new();
    let mut same = 0;
    let whole = run(recipe, content, &mut |bytes| {
        wanted.clear();
        (&mut expected).take(bytes.len() as u64).read_to_end(&mut wanted)?;
        same += wanted.iter().zip(bytes).take_while(|(a, b)| a == b).count() as u64;
        Ok(wanted == bytes)
    });
    // What an encoder fails with is no recipe; what reading fails with shows again at once.
    Ok((same, whole.unwrap_or(false) && expected.fill_buf()?.is_empty()))
}

/// Takes bytes; false: no more are wanted.
type Sink<'a> = dyn FnMut(&[u8]) -> Result<bool> + 'a;

/// Runs a recipe; false where the sink wanted no more.
fn run(recipe: &StreamRecipe, content: &mut dyn Read, sink: &mut Sink) -> Result<bool> {
    match recipe {
        StreamRecipe::Gzip { header, level } => {
            let mut sum = Crc::new();
            let mut encoder = Compress::new(Compression::new((*level).into()), false);
            if !sink(header)? {
                return Ok(false);
            }
            let whole = drive(content, sink, &mut |input, output, last| {
                let before = (encoder.total_in(), encoder.total_out());
                let flush = if last { FlushCompress::Finish } else { FlushCompress::None };
                let status = encoder
                    .compress(input, output, flush)
                    .map_err(|e| corruption(format!("deflate stream: {e}")))?;
                let taken = (encoder.total_in() - before.0) as usize;
                sum.update(input.get(..taken).unwrap_or_default());
                let made = (encoder.total_out() - before.1) as usize;
                Ok((taken, made, status == flate2::Status::StreamEnd))
            })?;
            Ok(whole && sink(&trailer(&sum))?)
        }
        StreamRecipe::GzipTokens { header, corrections } => {
            if !sink(header)? {
                return Ok(false);
            }
            recreate(corrections, content, sink)
        }
        &StreamRecipe::Xz { preset, extreme, check, dictionary, block } => {
            let mut encoder = xz_encoder(preset, extreme, check, dictionary, block)?;
            drive(content, sink, &mut |input, output, last| {
                let before = (encoder.total_in(), encoder.total_out());
                let action = if last { Action::Finish } else { Action::Run };
                let status = encoder
                    .process(input, output, action)
                    .map_err(|e| corruption(format!("xz stream: {e}")))?;
                let taken = (encoder.total_in() - before.0) as usize;
                let made = (encoder.total_out() - before.1) as usize;
                Ok((taken, made, status == liblzma::stream::Status::StreamEnd))
            })
        }
        &StreamRecipe::Zstd { level, checksum, content_len, long, jobs } => {
            let mut encoder = CCtx::create();
            let mut set = vec![
                CParameter::CompressionLevel(level.into()),
                CParameter::ChecksumFlag(checksum),
                CParameter::NbWorkers(jobs.into()),
            ];
            if long != 0 {
                set.push(CParameter::EnableLongDistanceMatching(true));
                set.push(CParameter::WindowLog(long.into()));
            }
            for parameter in set {
                encoder.set_parameter(parameter).map_err(zstd_error)?;
            }
            encoder.set_pledged_src_size(content_len).map_err(zstd_error)?;
            drive(content, sink, &mut |input, output, last| {
                let mut from = InBuffer::around(input);
                let mut to = OutBuffer::around(output);
                let end = if last { ZSTD_e_end } else { ZSTD_e_continue };
                let left = encoder.compress_stream2(&mut to, &mut from, end).map_err(zstd_error)?;
                Ok((from.pos(), to.pos(), last && left == 0))
            })
        }
    }
}

/// A step of an encoder: input, output and whether no more input comes; tells the bytes taken,
/// the bytes made, and whether this was the end.
type Step<'a> = dyn FnMut(&[u8], &mut [u8], bool) -> Result<(usize, usize, bool)> + 'a;

/// Feeds pieces of content to an encoder and its output to the sink; false where the sink wanted no
/// more.
fn drive(content: &mut dyn Read, sink: &mut Sink, step: &mut Step) -> Result<bool> {
    let (mut input, mut output) = (Vec::with_capacity(PIECE), vec![0; PIECE]);
    let (mut at, mut last) = (0, false);
    let mut idle = 0;
    loop {
        if at == input.len() && !last {
            input.clear();
            at = 0;
            content.take(PIECE as u64).read_to_end(&mut input)?;
            last = input.len() < PIECE;
        }
        let (taken, made, end) = step(input.get(at..).unwrap_or_default(), &mut output, last)?;
        at += taken;
        if !sink(output.get(..made).unwrap_or_default())? {
            return Ok(false);
        }
        if end {
            return Ok(true);
        }
        // The threaded encoder may need a moment, but never this many.
        idle = if taken == 0 && made == 0 { idle + 1 } else { 0 };
        if idle > 1 << 20 {
            return Err(corruption("stream: the encoder stands still"));
        }
    }
}

/// CRC-32 and length, as they end a gzip member.
fn trailer(sum: &Crc) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (sum.sum().to_le_bytes(), sum.amount().to_le_bytes());
    [a, b, c, d, e, f, g, h]
}

/// Bytes of a gzip header.
fn gzip_header(start: &[u8]) -> Option<usize> {
    let &[0x1f, 0x8b, 8, flags, ..] = start else { return None };
    let mut at = 10;
    if flags & 4 != 0 {
        let extra = start.get(at..at + 2)?;
        at += 2 + usize::from(u16::from_le_bytes(extra.try_into().ok()?));
    }
    for text in [8, 16] {
        if flags & text != 0 {
            at += start.get(at..)?.iter().position(|&b| b == 0)? + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    (flags & 0xe0 == 0 && at < start.len()).then_some(at)
}

fn gzip_candidates(start: &[u8]) -> Vec<StreamRecipe> {
    let Some(header) = gzip_header(start).and_then(|len| start.get(..len)) else {
        return Vec::new();
    };
    // The header tells the slowest and the fastest level.
    let levels: &[u8] = match header.get(8) {
        Some(2) => &[9, 6, 8, 7, 5, 4, 3, 2, 1, 0],
        Some(4) => &[1, 6, 2, 3, 4, 5, 9, 8, 7, 0],
        _ => &[6, 5, 4, 3, 2, 7, 8, 9, 1, 0],
    };
    levels.iter().map(|&level| StreamRecipe::Gzip { header: header.to_vec(), level }).collect()
}

/// The corrections of a deflate stream that starts at `offset`, or none where its end is not that
/// of the gzip member and file.
fn tokens(offset: u64, compressed: &mut dyn Source) -> Result<Option<Vec<u8>>> {
    compressed.seek(SeekFrom::Start(offset))?;
    let config = PreflateConfig {
        max_chain_length: 4096,
        plain_text_limit: TOKEN_PIECE * 16,
        verify_compression: false,
    };
    let mut processor = PreflateStreamProcessor::new(&config);
    let mut piece = Vec::new();
    let mut out = Vec::new();
    let mut read = 0u64;
    while !processor.is_done() {
        let room = TOKEN_PIECE.saturating_sub(piece.len()) as u64;
        read += compressed.take(room).read_to_end(&mut piece)? as u64;
        let step = catch_unwind(AssertUnwindSafe(|| processor.decompress(&piece)));
        let Ok(Ok(chunk)) = step else { return Ok(None) };
        if chunk.compressed_size == 0 && !processor.is_done() {
            return Ok(None);
        }
        let plain = processor.plain_text().text().len() as u32;
        out.extend(plain.to_le_bytes());
        out.extend((chunk.corrections.len() as u32).to_le_bytes());
        out.extend(chunk.corrections);
        if out.len() as u64 > read / 3 + 1024 {
            return Ok(None);
        }
        piece.drain(..chunk.compressed_size.min(piece.len()));
        processor.shrink_to_dictionary();
    }
    Ok(Some(out))
}

/// Makes a deflate stream and its trailer from corrections.
fn recreate(corrections: &[u8], content: &mut dyn Read, sink: &mut Sink) -> Result<bool> {
    let misfit = || corruption("deflate stream: the corrections do not fit the content");
    let mut sum = Crc::new();
    let mut processor = RecreateStreamProcessor::new();
    let mut rest = corrections;
    while !rest.is_empty() {
        let (&[a, b, c, d, e, f, g, h], behind) = rest.split_first_chunk().ok_or_else(misfit)?;
        let plain_len = u32::from_le_bytes([a, b, c, d]);
        let len = u32::from_le_bytes([e, f, g, h]) as usize;
        let (own, behind) = behind.split_at_checked(len).ok_or_else(misfit)?;
        rest = behind;
        let mut plain = Vec::new();
        content.take(plain_len.into()).read_to_end(&mut plain)?;
        if plain.len() != plain_len as usize {
            return Err(misfit());
        }
        sum.update(&plain);
        let make = AssertUnwindSafe(|| processor.recompress(&mut &plain[..], own));
        let (made, _) = catch_unwind(make).map_err(|_| misfit())?.map_err(|_| misfit())?;
        if !sink(&made)? {
            return Ok(false);
        }
    }
    if content.read(&mut [0])? != 0 {
        return Err(misfit());
    }
    sink(&trailer(&sum))
}

/// What the start of an .xz file allows.
fn xz_candidates(start: &[u8], effort: Effort) -> Vec<StreamRecipe> {
    let &[0xfd, b'7', b'z', b'X', b'Z', 0, 0, check, _, _, _, _, size, flags, ref behind @ ..] = start else {
        return Vec::new();
    };
    // Lengths of the compressed and uncompressed block stand before the filter.
    let mut behind = behind;
    let mut block = None;
    match flags {
        0 => {}
        0xc0 => {
            variable(&mut behind);
            block = variable(&mut behind);
            if block.is_none() {
                return Vec::new();
            }
        }
        _ => return Vec::new(),
    }
    let &[0x21, 1, code @ 0..=36, ..] = behind else { return Vec::new() };
    if size == 0 || lzma::check(check).is_none() {
        return Vec::new();
    }
    let mut recipes = Vec::new();
    for extreme in [false, true] {
        for preset in [6u8, 9, 7, 8, 5, 4, 3, 2, 1, 0] {
            let fits = lzma::code_of(lzma::preset_dictionary(preset)) == code;
            let dictionary = if fits { Dictionary::Preset } else { Dictionary::Code(code) };
            if !fits && effort == Effort::Fast {
                continue;
            }
            // A lone block tells nothing of the block length: the encoder's own choice.
            for block in if block.is_some() { vec![Some(0), block] } else { vec![None] } {
                recipes.push(StreamRecipe::Xz { preset, extreme, check, dictionary, block });
            }
        }
    }
    // A preset with its own dictionary is far more likely than one with another's.
    recipes.sort_by_key(|r| !matches!(r, StreamRecipe::Xz { dictionary: Dictionary::Preset, .. }));
    recipes
}

/// A number of the .xz format: seven bits a byte, lowest first.
fn variable(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (&b, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(b & 0x7f) << shift;
        if b & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn xz_encoder(
    preset: u8,
    extreme: bool,
    number: u8,
    dictionary: Dictionary,
    block: Option<u64>,
) -> Result<Stream> {
    let fail = |e| corruption(format!("xz stream: {e}"));
    let check = lzma::check(number).ok_or_else(|| corruption("xz stream: no such check"))?;
    let mut options = LzmaOptions::new_preset(lzma::preset_number(preset, extreme)).map_err(fail)?;
    if let Dictionary::Code(_) = dictionary {
        options.dict_size(dictionary.len(preset, 0));
    }
    let mut filters = Filters::new();
    filters.lzma2(&options);
    match block {
        None => Stream::new_stream_encoder(&filters, check).map_err(fail),
        Some(len) => {
            let mut builder = MtStreamBuilder::new();
            builder.threads(1).block_size(len).check(check).filters(filters);
            builder.encoder().map_err(fail)
        }
    }
}

/// What the header of a frame allows.
fn zstd_candidates(start: &[u8], content_len: u64, effort: Effort) -> Vec<StreamRecipe> {
    let &[0x28, 0xb5, 0x2f, 0xfd, descriptor, window, ..] = start else { return Vec::new() };
    if descriptor & 3 != 0 {
        return Vec::new(); // a dictionary
    }
    let single = descriptor & 0x20 != 0;
    let told = (descriptor & 0xe0 != 0).then_some(content_len);
    let checksum = descriptor & 4 != 0;
    // Levels by likelihood; the window of a level is only shortened where the length is known.
    let levels: &[i8] = match effort {
        Effort::Fast => &[3, 19, 10, 1],
        Effort::Balanced => {
            &[3, 19, 10, 1, 9, 15, 18, 12, 22, 5, 6, 7, 8, 2, 4, 11, 13, 14, 16, 17, 20, 21, -1]
        }
    };
    let log = 10 + (window >> 3);
    let mut recipes = Vec::new();
    for jobs in [false, true] {
        if jobs && content_len <= 512 << 10 {
            continue; // never cut
        }
        for &level in levels {
            let own: u8 = match level {
                ..=1 => 19,
                2 => 20,
                3..=8 => 21,
                9..=16 => 22,
                17..=19 => 23,
                20 => 25,
                21 => 26,
                _ => 27,
            };
            if single || told.is_some() || own == log {
                recipes.push(StreamRecipe::Zstd { level, checksum, content_len: told, long: 0, jobs });
            }
            if !single && (24..=27).contains(&log) && own != log {
                recipes.push(StreamRecipe::Zstd { level, checksum, content_len: told, long: log, jobs });
            }
        }
    }
    recipes
}
