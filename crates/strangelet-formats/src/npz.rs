//! `.npz` and other zip files: members that are NumPy arrays become tables of their names; those of as many rows become
//! columns of one table, so that one can tell something of another.
//!
//! Stored members are read where they lie; deflated ones (`numpy.savez_compressed`) are inflated, and
//! the setting of zlib that makes the same stream again is remembered. Local headers, the central
//! directory and members of other kinds are residue (inflated where a setting is found).

mod loose;

use crate::layout::Layout;
use crate::npy::{self, Order};
use crate::plan::{self, Array, Packed, Parts, Piece, Plan, What};
use crate::wrap::Part;
use crate::wrap::stream::{self, Setting};
use std::collections::{HashMap, HashSet};
use strangelet::dissect::{Context, FileFormat, Sink, Tables};
use strangelet::error::{Result, corruption};
use strangelet::format::varint::Cursor;
use strangelet::source::{Source, SourceReader, Spool, Target};

/// Most bytes of the end of a file in which its directory is looked for.
const END: u64 = (1 << 16) + 22;
/// Most bytes of a central directory.
const MAX_DIRECTORY: u64 = 64 << 20;
/// Content that any member may have; beyond it 1000 times its compressed length.
const FREE: u64 = 1 << 28;

/// Arrays of at least so many rows are columns of one table where their numbers of rows agree.
const TOGETHER: u64 = 256;

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
        let mut inflated = Spool::new(u64::MAX);
        let (mut last, mut free) = (None, 0);
        let mut opened = Vec::new();
        for member in members(source)? {
            // Members that overlap are some trick; they stay as they are.
            if member.start < free {
                continue;
            }
            if let Some(one) = open(cx, member, source, &mut inflated, &mut last)? {
                free = one.member.start + one.member.compressed;
                opened.push(one);
            }
        }
        let mut pieces = arrays(&opened, source, &inflated, &mut parts)?;
        for one in opened {
            let pieces = pieces.remove(&one.member.start).unwrap_or_default();
            match one.packed {
                None => plan.pieces.extend(pieces.into_iter().map(|p| Piece { pos: p.pos + one.from, ..p })),
                Some(packed) => {
                    let inner = Plan { len: one.len, pieces };
                    parts.holes(&Part { source: &inflated, from: one.from, len: one.len }, &inner)?;
                    let what = What::Packed(Box::new(Packed { content: inner, ..packed }));
                    plan.pieces.push(Piece { pos: one.member.start, len: one.member.compressed, what });
                }
            }
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

/// A member that can be taken apart.
struct Opened {
    member: Member,
    /// How its content was compressed, if it was.
    packed: Option<Packed>,
    /// Where the content is: in what was inflated, or in the file itself.
    from: u64,
    len: u64,
}

/// Finds out how to make a member again, and appends its content to what was inflated.
fn open(
    cx: &Context,
    member: Member,
    source: &dyn Source,
    inflated: &mut Spool,
    last: &mut Option<Setting>,
) -> Result<Option<Opened>> {
    let packed = Part { source, from: member.start, len: member.compressed };
    match member.method {
        0 if npy::is_array(&packed) => {
            let (from, len) = (member.start, member.compressed);
            Ok(Some(Opened { member, packed: None, from, len }))
        }
        8 => {
            let limit = member.content.min(FREE + member.compressed.saturating_mul(1000));
            let mut content = Spool::new(limit);
            let end = member.start + member.compressed;
            match stream::inflate_deflate(source, member.start, &mut content) {
                Ok(at) if at == end => {}
                _ => return Ok(None),
            }
            let levels = [6, 9, 1, 5, 4, 3, 2, 7, 8, 0].map(Setting::Deflate);
            let settings = last.clone().into_iter().chain(levels).chain([Setting::Tokens]).collect();
            let Some((setting, corrections)) = stream::find(settings, &content, source, (member.start, end))
            else {
                return Ok(None);
            };
            let remembered = Packed { setting: setting.clone(), corrections, content: Plan::default() };
            remembered.remember(cx, &content, &packed)?;
            *last = Some(setting);
            let from = inflated.len();
            inflated.fill_from(&mut SourceReader::new(&content))?;
            Ok(Some(Opened { member, packed: Some(remembered), from, len: content.len() }))
        }
        _ => Ok(None),
    }
}

/// An array of a member.
struct Found<'a> {
    /// Where the member starts.
    member: u64,
    name: &'a str,
    layout: Layout,
    pos: u64,
}

/// Turns the arrays of members into tables: those of as many rows side by side, as columns of one. The pieces of
/// each member by its place.
fn arrays(
    opened: &[Opened],
    source: &dyn Source,
    inflated: &Spool,
    parts: &mut Parts,
) -> Result<HashMap<u64, Vec<Piece>>> {
    let mut pieces: HashMap<u64, Vec<Piece>> = HashMap::new();
    let content = |one: &Opened| Part {
        source: if one.packed.is_some() { inflated } else { source },
        from: one.from,
        len: one.len,
    };
    let mut alike: Vec<(u64, Vec<(Found, Part)>)> = Vec::new();
    for one in opened {
        let (name, content) = (one.member.name.as_str(), content(one));
        let name = name.strip_suffix(".npy").unwrap_or(name);
        if !npy::is_array(&content) {
            continue;
        }
        match npy::order(&content)? {
            Some(Order::Rows { layout, pos, rows }) => {
                let found = (Found { member: one.member.start, name, layout, pos }, content);
                match alike.iter_mut().find(|a| a.0 == rows && rows >= TOGETHER) {
                    Some((_, group)) => group.push(found),
                    None => alike.push((rows, vec![found])),
                }
            }
            Some(Order::Fortran { .. }) => {
                pieces.insert(one.member.start, npy::dissect_array(name, &content, parts)?);
            }
            None => {}
        }
    }
    for (rows, group) in alike {
        if let [(found, content)] = group.as_slice() {
            let made = parts.rows(found.name, &found.layout, content, found.pos, rows)?;
            pieces.insert(found.member, vec![made]);
            continue;
        }
        let mut names = HashSet::new();
        let arrays: Vec<Array> = group
            .iter()
            .map(|(found, content)| {
                let mut layout = found.layout.clone();
                let single = layout.fields.len() == 1;
                for field in &mut layout.fields {
                    field.name =
                        if single { found.name.into() } else { format!("{}.{}", found.name, field.name) };
                    // A zip may hold a name twice.
                    while !names.insert(field.name.clone()) {
                        field.name.push('\'');
                    }
                }
                Array { source: content, pos: found.pos, layout }
            })
            .collect();
        let made = parts.beside(&format!("rows[{rows}]"), &arrays, rows)?;
        for ((found, _), piece) in group.iter().zip(made) {
            pieces.insert(found.member, vec![piece]);
        }
    }
    Ok(pieces)
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
