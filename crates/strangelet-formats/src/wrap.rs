//! `.gz`, `.xz` and `.zst` around a file of any other kind: the file inside is taken apart, and what
//! compressed it is remembered as settings that make the same stream again.
//!
//! Only streams whose settings are found (and proved) are unwrapped; others stay as they are. A
//! stream may hold at most 1 GiB and 1000 times its own length. A kind of wrapper is not looked for
//! within itself, so nesting ends after three.

pub mod stream;

use std::sync::atomic::{AtomicUsize, Ordering};
use strangelet::codec::Level;
use strangelet::column::{Cells, Column, ColumnSchema};
use strangelet::dissect::{Context, FileFormat, Proofs, Sink, SinkFrom, TableId, Tables, TablesFrom};
use strangelet::error::{Result, corruption, unsupported};
use strangelet::format::varint::{Cursor, put};
use strangelet::source::{Source, Spool, Target};
use strangelet::table::TableSchema;
use stream::Setting;

/// Content that any stream may have; beyond it 1000 times its own length.
const FREE: u64 = 1 << 30;
/// Content up to which a proof is remembered (it takes stream and content in memory at once).
const REMEMBERED: u64 = 64 << 20;
/// Most streams in a file.
const MAX_MEMBERS: usize = 1 << 16;

/// A wrapper.
pub enum Wrap {
    /// gzip.
    Gz,
    /// xz.
    Xz,
    /// Zstandard.
    Zst,
}

/// One compressed stream of a file.
struct Member {
    /// Bytes before and after the stream.
    head: Vec<u8>,
    tail: Vec<u8>,
    content: u64,
    setting: Setting,
    corrections: Vec<u8>,
}

impl FileFormat for Wrap {
    fn id(&self) -> u16 {
        match self {
            Wrap::Gz => 3,
            Wrap::Xz => 4,
            Wrap::Zst => 5,
        }
    }
    fn name(&self) -> &'static str {
        match self {
            Wrap::Gz => "gz",
            Wrap::Xz => "xz",
            Wrap::Zst => "zst",
        }
    }
    fn probe(&self, source: &dyn Source) -> bool {
        let mut start = [0; 6];
        let n = source.len().min(6) as usize;
        let read = source.read_at(0, &mut start[..n]);
        read.is_ok()
            && match self {
                Wrap::Gz => start.starts_with(&[0x1f, 0x8b, 8]) && start[3] & 0xe0 == 0,
                Wrap::Xz => start == *b"\xfd7zXZ\0",
                Wrap::Zst => start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
            }
    }

    fn dissect(&self, cx: &Context, source: &dyn Source, sink: &mut dyn Sink) -> Result<()> {
        let limit = FREE.saturating_add(source.len().saturating_mul(1000));
        let mut content = Spool::new(limit);
        let members = self.members(cx, source, &mut content)?;
        let formats = self.others(cx);
        let inner = Context { formats: &formats, ..*cx };
        let format = choose(&inner, &content)?;

        let columns = ["plan", "head", "tail", "corrections"].map(ColumnSchema::bytes);
        let table = sink.table(TableSchema::residue(self.name(), columns.to_vec()))?;
        for member in &members {
            let mut plan = Vec::new();
            put(&mut plan, format.id().into());
            put(&mut plan, member.content);
            member.setting.write(&mut plan);
            let columns = [&plan, &member.head, &member.tail, &member.corrections];
            sink.chunk(table, 1, columns.map(|c| Column::strings([c])).into())?;
        }
        format.dissect(&inner, &content, &mut SinkFrom::new(sink, ""))
    }

    fn assemble(&self, cx: &Context, tables: &dyn Tables, target: &mut dyn Target) -> Result<()> {
        let mut members = Vec::new();
        let (mut id, mut total) = (0, 0u64);
        for chunk in 0..tables.chunks(0)?.len() {
            let columns = tables.read(0, chunk)?.into_iter().map(|c| match c.values {
                Cells::W1(bytes) => Ok(bytes),
                _ => Err(corruption("residue of another width")),
            });
            let [plan, head, tail, corrections]: [Vec<u8>; 4] = columns
                .collect::<Result<Vec<_>>>()?
                .try_into()
                .map_err(|_| corruption("a wrapper with other columns"))?;
            let mut c = Cursor::new(&plan);
            id = c.varint()?;
            let content = c.varint()?;
            let setting = Setting::read(&mut c)?;
            total = total.checked_add(content).ok_or_else(|| corruption("too long a content"))?;
            members.push(Member { head, tail, content, setting, corrections });
        }
        let formats = self.others(cx);
        let inner = Context { formats: &formats, ..*cx };
        let format = u16::try_from(id).ok().and_then(|id| inner.format(id));
        let format = format.ok_or_else(|| unsupported(format!("file format {id} within {}", self.name())))?;
        let count = tables.count().saturating_sub(1);
        let mut content = Spool::new(total);
        format.assemble(&inner, &TablesFrom { tables, first: 1, count }, &mut content)?;
        if content.len() != total {
            return Err(corruption("the content has another length"));
        }

        let (mut pos, mut from) = (0u64, 0);
        for member in &members {
            target.write_at(pos, &member.head)?;
            pos += member.head.len() as u64;
            let part = Part { source: &content, from, len: member.content };
            from += member.content;
            let mut recipe = Vec::new();
            member.setting.write(&mut recipe);
            let known = match member.content <= REMEMBERED {
                true => cx.proofs.recall(&recipe, &part.range(0, part.len)?, &*target, pos),
                false => None,
            };
            let mut write = |bytes: &[u8]| {
                target.write_at(pos, bytes)?;
                pos += bytes.len() as u64;
                Ok::<(), strangelet::error::Error>(())
            };
            match known {
                Some(bytes) => write(&bytes)?,
                None => stream::compress(&member.setting, &member.corrections, &part, &mut write)?,
            }
            write(&member.tail)?;
        }
        Ok(())
    }
}

impl Wrap {
    /// All kinds but this one.
    fn others<'a>(&self, cx: &Context<'a>) -> Vec<&'a dyn FileFormat> {
        cx.formats.iter().copied().filter(|f| f.id() != self.id()).collect()
    }

    /// What the streams of a file hold, one behind the other.
    pub fn inflated(&self, source: &dyn Source) -> Result<Spool> {
        let mut content = Spool::new(u64::MAX);
        let mut pos = 0;
        while self.probe(&Part { source, from: pos, len: source.len() - pos }) {
            let end = self.inflate(source, pos + self.head(source, pos)?, &mut content)?;
            let tail = if matches!(self, Wrap::Gz) { 8 } else { 0 };
            pos = end.saturating_add(tail).min(source.len());
        }
        Ok(content)
    }

    /// Inflates the stream at a place; the place behind its end.
    fn inflate(&self, source: &dyn Source, start: u64, content: &mut Spool) -> Result<u64> {
        match self {
            Wrap::Gz => stream::inflate_deflate(source, start, content),
            Wrap::Xz => stream::inflate_xz(source, start, content),
            Wrap::Zst => stream::inflate_zstd(source, start, content),
        }
    }

    /// The streams of a file with their settings; their contents, one behind the other, go to `content`.
    fn members(&self, cx: &Context, source: &dyn Source, content: &mut Spool) -> Result<Vec<Member>> {
        let mut members: Vec<Member> = Vec::new();
        let mut pos = 0;
        while pos < source.len() {
            if !members.is_empty() && !self.probe(&Part { source, from: pos, len: source.len() - pos }) {
                // Padding, or whatever stands behind the last stream.
                let rest = source.range(pos, (source.len() - pos).min(1 << 20))?;
                pos += rest.len() as u64;
                if let Some(last) = members.last_mut() {
                    last.tail.extend_from_slice(&rest);
                }
                if pos < source.len() {
                    return Err(unsupported(format!("{}: other bytes behind the stream", self.name())));
                }
                break;
            }
            if members.len() == MAX_MEMBERS {
                return Err(unsupported(format!("{}: too many streams", self.name())));
            }
            let start = pos + self.head(source, pos)?;
            let from = content.len();
            let end = self.inflate(source, start, content)?;
            let part = Part { source: content, from, len: content.len() - from };
            let mut settings = self.settings(source, start, &part, cx.level)?;
            // The streams of a file mostly have the same settings.
            if let Some(last) = members.last() {
                settings.insert(0, last.setting.clone());
            }
            let (setting, corrections) = stream::find(settings, &part, source, (start, end))
                .ok_or_else(|| unsupported(format!("{}: no setting makes this stream", self.name())))?;
            if part.len <= REMEMBERED && end - start <= REMEMBERED {
                let mut recipe = Vec::new();
                setting.write(&mut recipe);
                let packed = source.range(start, end - start)?;
                cx.proofs.remember(&recipe, &part.range(0, part.len)?, &packed);
            }
            let tail = match self {
                Wrap::Gz => source.range(end, (source.len() - end).min(8))?,
                _ => Vec::new(),
            };
            let head = source.range(pos, start - pos)?;
            let len = part.len;
            pos = end + tail.len() as u64;
            members.push(Member { head, tail, content: len, setting, corrections });
        }
        Ok(members)
    }

    /// Bytes before the stream itself.
    fn head(&self, source: &dyn Source, pos: u64) -> Result<u64> {
        if !matches!(self, Wrap::Gz) {
            return Ok(0);
        }
        let start = source.range(pos, (source.len() - pos).min(1 << 17))?;
        let short = || corruption("gz: header cut short");
        let mut c = Cursor::new(&start);
        let flags = c.take(10)?[3];
        if flags & 4 != 0 {
            let len = u16::from_le_bytes(c.array()?);
            c.take(len.into())?;
        }
        for bit in [8, 16] {
            if flags & bit != 0 {
                let end = c.rest().iter().position(|&b| b == 0).ok_or_else(short)?;
                c.take(end + 1)?;
            }
        }
        if flags & 2 != 0 {
            c.take(2)?;
        }
        Ok((start.len() - c.rest().len()) as u64)
    }

    /// What may have made a stream, the likeliest first.
    fn settings(
        &self,
        source: &dyn Source,
        start: u64,
        content: &Part,
        level: Level,
    ) -> Result<Vec<Setting>> {
        let head = source.range(start, (source.len() - start).min(32))?;
        Ok(match self {
            Wrap::Gz => {
                let levels = [6, 9, 1, 5, 4, 3, 2, 7, 8, 0].map(Setting::Deflate);
                levels.into_iter().chain([Setting::Tokens]).collect()
            }
            Wrap::Xz => xz_settings(&head, content.len),
            Wrap::Zst => {
                let descriptor = head.get(4).copied().unwrap_or(0);
                let told = descriptor >> 6 != 0 || descriptor & 0x20 != 0;
                let switches = descriptor >> 2 & 1 | u8::from(told) << 1;
                let levels: &[i8] = match level {
                    Level::Fast => &[3, 19, 1, 9],
                    _ => &[3, 19, 1, 9, 10, 6, 22, 5, 15, 12, 18, 2, 4, 7, 8, 11, 13, 14, 16, 17, 20, 21],
                };
                let both =
                    |&level: &i8| [0, 4].map(|worker| Setting::Zstd { level, switches: switches | worker });
                levels.iter().flat_map(both).chain([stream::ANY_FRAME]).collect()
            }
        })
    }
}

/// What may have made an .xz stream that begins so.
fn xz_settings(head: &[u8], len: u64) -> Vec<Setting> {
    let check = head.get(7).copied().unwrap_or(0) & 15;
    // The header of the first block: flags, lengths if there are any, then the filter with its dictionary.
    let block = head.get(12..).unwrap_or_default();
    let lengths = block.get(1).copied().unwrap_or(0) & 0xc0;
    let mut c = Cursor::new(block.get(2..).unwrap_or_default());
    let lengths = (0..lengths.count_ones()).map(|_| c.varint().unwrap_or(0)).collect::<Vec<_>>();
    let code = match c.take(3) {
        Ok(&[0x21, 1, code]) if code <= 40 => code,
        _ if len == 0 => 0x16,
        _ => return Vec::new(),
    };
    let dictionary = |code: u8| (2u64 | u64::from(code & 1)) << (code / 2 + 11);
    let stated = dictionary(code).min(1 << 28) as u32;
    let preset_of = [18, 20, 21, 22, 22, 23, 23, 24, 25, 26].map(|bits| 1u32 << bits);
    let mut settings = Vec::new();
    for fits in [true, false] {
        for extreme in [0, 1 << 31] {
            for preset in [6u32, 9, 7, 8, 5, 4, 3, 2, 1, 0] {
                let own = preset_of[preset as usize];
                // Presets 7 to 9 differ in their dictionaries only.
                if (own == stated) != fits || (!fits && preset > 7) {
                    continue;
                }
                // As threads do: blocks of three dictionaries, at least 1 MiB; or of the length seen.
                let usual = (u64::from(own) * 3).max(1 << 20);
                let seen = lengths.get(1).copied().unwrap_or(0);
                let blocks = match lengths.len() {
                    0 => vec![0],
                    _ if seen < len => vec![seen],
                    _ => vec![usual.max(seen)],
                };
                for block in blocks {
                    let preset = preset | extreme;
                    settings.push(Setting::Xz { preset, check, dictionary: stated, block });
                }
            }
        }
    }
    settings
}

/// The first kind that takes the content apart without a complaint.
fn choose<'a>(cx: &Context<'a>, content: &dyn Source) -> Result<&'a dyn FileFormat> {
    let mut kinds = cx.formats.iter().copied().filter(|f| f.probe(content)).peekable();
    while let Some(kind) = kinds.next() {
        // The last one takes anything; whether another does is found out without coding.
        let proofs = Proofs::default();
        let dry = Context { formats: cx.formats, proofs: &proofs, level: cx.level };
        if kinds.peek().is_none() || kind.dissect(&dry, content, &mut Dry::default()).is_ok() {
            return Ok(kind);
        }
    }
    Err(unsupported("no kind of file takes the content"))
}

/// A sink that keeps nothing.
#[derive(Default)]
struct Dry {
    tables: AtomicUsize,
}

impl Sink for Dry {
    fn table(&mut self, _schema: TableSchema) -> Result<TableId> {
        Ok(self.tables.fetch_add(1, Ordering::Relaxed))
    }
    fn chunk(&mut self, _table: TableId, _events: u64, _columns: Vec<Column>) -> Result<()> {
        Ok(())
    }
}

/// A range of a source.
pub struct Part<'a> {
    /// All of it.
    pub source: &'a dyn Source,
    /// First byte.
    pub from: u64,
    /// Number of bytes; the range must lie within the source.
    pub len: u64,
}

impl Source for Part<'_> {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, pos: u64, buf: &mut [u8]) -> Result<()> {
        if pos.checked_add(buf.len() as u64).is_none_or(|end| end > self.len) {
            return Err(corruption(format!("{} bytes at {pos} lie beyond the end", buf.len())));
        }
        self.source.read_at(self.from + pos, buf)
    }
}
