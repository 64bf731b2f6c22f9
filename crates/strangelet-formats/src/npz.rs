//! `.npz` and other zip files: members that are NumPy arrays become tables of their names.
//!
//! Stored members are read where they lie; deflated ones (`numpy.savez_compressed`) are inflated, and
//! the setting of zlib that makes the same stream again is remembered. Local headers, the central
//! directory and members of other kinds are residue (inflated where a setting is found).

mod loose;

use crate::npy;
use crate::plan::{self, Packed, Parts, Piece, Plan, What};
use crate::wrap::Part;
use crate::wrap::stream::{self, Setting};
use strangelet::dissect::{Context, FileFormat, Sink, Tables};
use strangelet::error::{Result, corruption};
use strangelet::format::varint::Cursor;
use strangelet::source::{Source, Spool, Target};

/// Most bytes of the end of a file in which its directory is looked for.
const END: u64 = (1 << 16) + 22;
/// Most bytes of a central directory.
const MAX_DIRECTORY: u64 = 64 << 20;
/// Content that any member may have; beyond it 1000 times its compressed length.
const FREE: u64 = 1 << 28;

/// A zip file.
pub struct Npz;

impl FileFormat for Npz {
    fn id(&self) -> u16 {
        6
    }
    fn name(&self) -> &'static str {
        "npz"
    }
    fn probe(&self, source: &dyn Source) -> bool {
        source.range(0, 4).is_ok_and(|start| start == b"PK\x03\x04")
            && members(source).is_ok_and(|m| !m.is_empty())
    }

    fn dissect(&self, cx: &Context, source: &dyn Source, sink: &mut dyn Sink) -> Result<()> {
        let mut parts = Parts::new(sink)?;
        let mut plan = Plan { len: source.len(), pieces: Vec::new() };
        let mut last = None;
        let mut free = 0;
        for member in members(source)? {
            // Members that overlap are some trick; they stay as they are.
            if member.start < free {
                continue;
            }
            let pieces = dissect_member(cx, &member, source, &mut parts, &mut last)?;
            if let Some(piece) = pieces.last() {
                free = piece.pos + piece.len;
            }
            plan.pieces.extend(pieces);
        }
        parts.holes(source, &plan)?;
        parts.finish(&plan)
    }

    fn assemble(&self, cx: &Context, tables: &dyn Tables, target: &mut dyn Target) -> Result<()> {
        plan::assemble(cx, tables, target)
    }

    fn loosen(&self, source: &dyn Source) -> Result<Option<Spool>> {
        loose::loosen(source, &members(source)?).map(Some)
    }

    fn mend(&self, file: &mut Spool) -> Result<()> {
        let members = members(file)?;
        loose::mend(file, &members)
    }
}

/// A file within the zip.
struct Member {
    name: String,
    method: u16,
    /// First byte of the (compressed) content.
    start: u64,
    compressed: u64,
    content: u64,
}

fn dissect_member(
    cx: &Context,
    member: &Member,
    source: &dyn Source,
    parts: &mut Parts,
    last: &mut Option<Setting>,
) -> Result<Vec<Piece>> {
    let name = member.name.strip_suffix(".npy").unwrap_or(&member.name);
    let packed = Part { source, from: member.start, len: member.compressed };
    match member.method {
        0 if npy::is_array(&packed) => {
            let mut pieces = npy::dissect_array(name, &packed, parts)?;
            pieces.iter_mut().for_each(|p| p.pos += member.start);
            Ok(pieces)
        }
        8 => {
            let limit = member.content.min(FREE + member.compressed.saturating_mul(1000));
            let mut content = Spool::new(limit);
            let end = member.start + member.compressed;
            match stream::inflate_deflate(source, member.start, &mut content) {
                Ok(at) if at == end => {}
                _ => return Ok(Vec::new()),
            }
            let levels = [6, 9, 1, 5, 4, 3, 2, 7, 8, 0].map(Setting::Deflate);
            let settings = last.clone().into_iter().chain(levels).chain([Setting::Tokens]).collect();
            let Some((setting, corrections)) = stream::find(settings, &content, source, (member.start, end))
            else {
                return Ok(Vec::new());
            };
            let remembered = Packed { setting: setting.clone(), corrections, content: Plan::default() };
            remembered.remember(cx, &content, &packed)?;
            *last = Some(setting);
            let mut inner = Plan { len: content.len(), pieces: Vec::new() };
            if npy::is_array(&content) {
                inner.pieces = npy::dissect_array(name, &content, parts)?;
            }
            parts.holes(&content, &inner)?;
            let what = What::Packed(Box::new(Packed { content: inner, ..remembered }));
            Ok(vec![Piece { pos: member.start, len: member.compressed, what }])
        }
        _ => Ok(Vec::new()),
    }
}

/// The members that the central directory names, in the order of their places.
fn members(source: &dyn Source) -> Result<Vec<Member>> {
    let len = source.len().min(END);
    let end = source.range(source.len() - len, len)?;
    let at = end.windows(4).rposition(|w| w == b"PK\x05\x06");
    let at = at.ok_or_else(|| corruption("zip: no end of the directory"))?;
    let mut c = Cursor::new(&end[at + 4..]);
    c.take(8)?;
    let mut size = u64::from(u32::from_le_bytes(c.array()?));
    let mut start = u64::from(u32::from_le_bytes(c.array()?));
    if start == 0xffff_ffff || size == 0xffff_ffff {
        // ZIP64: a locator stands before the end record and points to a longer one.
        let locator = at.checked_sub(20).map(|l| &end[l..at]).filter(|l| l.starts_with(b"PK\x06\x07"));
        let mut c = Cursor::new(locator.ok_or_else(|| corruption("zip: no ZIP64 locator"))?);
        c.take(8)?;
        let record = source.range(u64::from_le_bytes(c.array()?), 56)?;
        let mut c = Cursor::new(&record);
        if c.take(40)?[..4] != *b"PK\x06\x06" {
            return Err(corruption("zip: no ZIP64 record"));
        }
        size = u64::from_le_bytes(c.array()?);
        start = u64::from_le_bytes(c.array()?);
    }
    if size > MAX_DIRECTORY {
        return Err(corruption("zip: directory too long"));
    }
    let directory = source.range(start, size)?;
    let mut c = Cursor::new(&directory);
    let mut members = Vec::new();
    while c.rest().starts_with(b"PK\x01\x02") {
        c.take(8)?;
        let flags = u16::from_le_bytes(c.array()?);
        let method = u16::from_le_bytes(c.array()?);
        c.take(8)?;
        let mut compressed = u64::from(u32::from_le_bytes(c.array()?));
        let mut content = u64::from(u32::from_le_bytes(c.array()?));
        let [name, extra, comment] = [c.array()?, c.array()?, c.array()?].map(u16::from_le_bytes);
        c.take(8)?;
        let mut header = u64::from(u32::from_le_bytes(c.array()?));
        let name = String::from_utf8_lossy(c.take(name.into())?).into_owned();
        let mut extra = Cursor::new(c.take(extra.into())?);
        c.take(comment.into())?;
        while extra.rest().len() >= 4 {
            let [id, len] = [extra.array()?, extra.array()?].map(u16::from_le_bytes);
            let mut field = Cursor::new(extra.take(len.into())?);
            if id == 1 {
                for value in [&mut content, &mut compressed, &mut header] {
                    if *value == 0xffff_ffff {
                        *value = u64::from_le_bytes(field.array()?);
                    }
                }
            }
        }
        let encrypted = flags & 1 != 0;
        let Ok(local) = source.range(header, 30) else { continue };
        if encrypted || !local.starts_with(b"PK\x03\x04") {
            continue;
        }
        let skip = 30
            + u64::from(u16::from_le_bytes([local[26], local[27]]))
            + u64::from(u16::from_le_bytes([local[28], local[29]]));
        let start = header + skip;
        if start.checked_add(compressed).is_none_or(|end| end > source.len()) {
            continue;
        }
        members.push(Member { name, method, start, compressed, content });
    }
    members.sort_by_key(|m| m.start);
    Ok(members)
}
