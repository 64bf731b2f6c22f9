//! Superblock, object headers, groups: finds the datasets of a file.

use super::filter::Filter;
use super::{datatype, number};
use crate::layout::Layout;
use std::collections::HashSet;
use strangelet::error::{Result, corruption, unsupported};
use strangelet::format::varint::Cursor;
use strangelet::source::Source;

/// The first bytes of every file.
pub const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";
/// Most objects, nodes of trees, and continued headers that are read.
const MAX_NODES: usize = 1 << 20;
/// Longest header or node.
const MAX_BLOCK: u64 = 1 << 24;
/// Most chunks of a dataset.
const MAX_CHUNKS: usize = 1 << 22;

/// A dataset, as its header tells.
pub struct Dataset {
    /// Path without a leading slash.
    pub name: String,
    /// One cell.
    pub cell: Layout,
    /// Length of each axis.
    pub dims: Vec<u64>,
    /// Where its bytes are.
    pub storage: Storage,
    /// What its chunks went through.
    pub filters: Vec<Filter>,
}

/// Where the bytes of a dataset are.
pub enum Storage {
    /// In one range.
    Contiguous {
        /// First byte.
        pos: u64,
        /// Number of bytes.
        len: u64,
    },
    /// In chunks of the same shape.
    Chunked {
        /// The shape of a chunk.
        chunk: Vec<u64>,
        /// The chunks that exist.
        chunks: Vec<Chunk>,
    },
}

/// A chunk in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// First byte.
    pub pos: u64,
    /// Bytes as stored.
    pub len: u64,
    /// Filters that were skipped, a bit each.
    pub mask: u32,
    /// First cell along each axis.
    pub at: Vec<u64>,
}

/// All datasets that are understood. What is not understood is left out; nothing fails.
pub fn datasets(source: &dyn Source) -> Vec<Dataset> {
    let mut found = Vec::new();
    let Ok((base, root)) = superblock(source) else { return found };
    let file = File { source, base };
    let mut seen = HashSet::new();
    let mut todo = vec![(String::new(), root)];
    while let Some((name, address)) = todo.pop() {
        if seen.len() >= MAX_NODES || !seen.insert(address) {
            continue;
        }
        let Ok(messages) = file.messages(address) else { continue };
        let before = todo.len();
        for message in &messages {
            let prefix = if name.is_empty() { String::new() } else { format!("{name}/") };
            let mut child = |own: &str, address: u64| todo.push((format!("{prefix}{own}"), address));
            // A group that is broken in part still has its other members.
            let _ = match message.kind {
                0x06 => link(&message.body, &mut child),
                0x11 => file.symbols(&message.body, &mut child),
                _ => Ok(()),
            };
        }
        todo[before..].reverse();
        if let Ok(Some(dataset)) = file.dataset(name, &messages) {
            found.push(dataset);
        }
    }
    found
}

/// The base address and the address of the root group's header.
fn superblock(source: &dyn Source) -> Result<(u64, u64)> {
    let bytes = source.range(0, source.len().min(128))?;
    let mut c = Cursor::new(&bytes);
    if c.array()? != *SIGNATURE {
        return Err(corruption("hdf5: other first bytes"));
    }
    let version = c.byte()?;
    let address = |c: &mut Cursor| Ok::<u64, strangelet::error::Error>(u64::from_le_bytes(c.array()?));
    match version {
        0 | 1 => {
            let head: [u8; 15] = c.array()?;
            if head[4..6] != [8, 8] {
                return Err(unsupported("hdf5: addresses that are not eight bytes"));
            }
            c.take(if version == 1 { 4 } else { 0 })?;
            let base = address(&mut c)?;
            c.take(24 + 8)?;
            Ok((base, address(&mut c)?))
        }
        2 | 3 => {
            if c.array::<3>()?[..2] != [8, 8] {
                return Err(unsupported("hdf5: addresses that are not eight bytes"));
            }
            let base = address(&mut c)?;
            c.take(16)?;
            Ok((base, address(&mut c)?))
        }
        other => Err(unsupported(format!("hdf5: superblock {other}"))),
    }
}

/// A message of an object header.
struct Message {
    kind: u16,
    /// Place of the body in the file.
    pos: u64,
    body: Vec<u8>,
}

struct File<'a> {
    source: &'a dyn Source,
    base: u64,
}

impl File<'_> {
    fn range(&self, address: u64, len: u64) -> Result<Vec<u8>> {
        if len > MAX_BLOCK {
            return Err(corruption("hdf5: a block too long"));
        }
        self.source.range(self.place(address)?, len)
    }

    fn place(&self, address: u64) -> Result<u64> {
        address.checked_add(self.base).ok_or_else(|| corruption("hdf5: an address beyond the end"))
    }

    /// All messages of an object header.
    fn messages(&self, address: u64) -> Result<Vec<Message>> {
        let start = self.range(address, 16)?;
        let mut messages = Vec::new();
        let mut blocks;
        let mut version = 1;
        let mut ordered = false;
        if start.starts_with(b"OHDR") {
            version = 2;
            let flags = start[5];
            ordered = flags & 4 != 0;
            let skip = 6 + if flags & 0x20 != 0 { 16 } else { 0 } + if flags & 0x10 != 0 { 4 } else { 0 };
            let size = 1u64 << (flags & 3);
            let at = self.advance(address, skip)?;
            let len = number(&self.range(at, size)?)?;
            blocks = vec![(self.advance(at, size)?, len)];
        } else {
            if start[0] != 1 {
                return Err(corruption("hdf5: no object header"));
            }
            blocks = vec![(self.advance(address, 16)?, number(&start[8..12])?)];
        }
        let mut next = 0;
        while let Some(&(address, len)) = blocks.get(next) {
            next += 1;
            if next > 1000 {
                return Err(corruption("hdf5: a header without end"));
            }
            let bytes = self.range(address, len)?;
            let mut c = Cursor::new(&bytes);
            let head = if version == 1 { 8 } else { 4 + 2 * usize::from(ordered) };
            while c.rest().len() >= head {
                let h = c.take(head)?;
                let (kind, size) = match version {
                    1 => (u16::from_le_bytes([h[0], h[1]]), u16::from_le_bytes([h[2], h[3]])),
                    _ => (h[0].into(), u16::from_le_bytes([h[1], h[2]])),
                };
                let pos = self.place(address)? + (bytes.len() - c.rest().len()) as u64;
                let Ok(body) = c.take(size.into()) else { break };
                if kind == 0x10 && body.len() >= 16 {
                    let (at, len) = (number(&body[..8])?, number(&body[8..16])?);
                    // A continued block of version 2 has a signature before and a checksum behind.
                    blocks.push(match version {
                        1 => (at, len),
                        _ => (self.advance(at, 4)?, len.saturating_sub(8)),
                    });
                }
                messages.push(Message { kind, pos, body: body.to_vec() });
            }
        }
        Ok(messages)
    }

    fn advance(&self, address: u64, by: u64) -> Result<u64> {
        address.checked_add(by).ok_or_else(|| corruption("hdf5: an address beyond the end"))
    }

    /// The members of a group with a symbol table.
    fn symbols(&self, body: &[u8], child: &mut dyn FnMut(&str, u64)) -> Result<()> {
        let mut c = Cursor::new(body);
        let (tree, heap) = (number(c.take(8)?)?, number(c.take(8)?)?);
        let head = self.range(heap, 32)?;
        if !head.starts_with(b"HEAP") {
            return Err(corruption("hdf5: no heap"));
        }
        let names = self.range(number(&head[24..32])?, number(&head[8..16])?)?;
        for node in self.leaves(tree, 0, 8)? {
            let head = self.range(node.child, 8)?;
            if !head.starts_with(b"SNOD") {
                return Err(corruption("hdf5: no symbols"));
            }
            let count = number(&head[6..8])?;
            let bytes = self.range(self.advance(node.child, 8)?, 40 * count)?;
            for entry in bytes.chunks_exact(40) {
                let name = names.get(number(&entry[..8])? as usize..).unwrap_or_default();
                let name = name.split(|&b| b == 0).next().unwrap_or_default();
                child(&String::from_utf8_lossy(name), number(&entry[8..16])?);
            }
        }
        Ok(())
    }

    /// The leaves of a B-tree of version 1, in order, with the key before each.
    fn leaves(&self, root: u64, kind: u8, key: u64) -> Result<Vec<Leaf>> {
        let mut leaves = Vec::new();
        let mut seen = HashSet::new();
        let mut todo = vec![root];
        while let Some(address) = todo.pop() {
            if !seen.insert(address) || seen.len() > MAX_NODES || leaves.len() > MAX_CHUNKS {
                return Err(corruption("hdf5: a tree without end"));
            }
            let head = self.range(address, 24)?;
            if !head.starts_with(b"TREE") || head[4] != kind {
                return Err(corruption("hdf5: no tree"));
            }
            let (level, used) = (head[5], number(&head[6..8])?);
            let bytes = self.range(self.advance(address, 24)?, used * (key + 8))?;
            let entries = bytes.chunks_exact(key as usize + 8);
            let entries = entries.map(|e| {
                let (key, child) = e.split_at(key as usize);
                Ok(Leaf { key: key.to_vec(), child: number(child)? })
            });
            let entries = entries.collect::<Result<Vec<_>>>()?;
            if level == 0 {
                leaves.extend(entries);
            } else {
                todo.extend(entries.iter().rev().map(|e| e.child));
            }
        }
        Ok(leaves)
    }

    /// What the messages say about a dataset; none where they are those of another object.
    fn dataset(&self, name: String, messages: &[Message]) -> Result<Option<Dataset>> {
        let find = |kind| messages.iter().find(|m| m.kind == kind);
        let (Some(space), Some(cell), Some(layout)) = (find(1), find(3), find(8)) else { return Ok(None) };
        let dims = dataspace(&space.body)?;
        let cell = datatype::layout(&cell.body)?;
        let filters = find(0x0b).map_or(Ok(Vec::new()), |m| filters(&m.body))?;
        let storage = self.storage(layout, &dims, &cell)?;
        Ok(Some(Dataset { name, cell, dims, storage, filters }))
    }

    fn storage(&self, message: &Message, dims: &[u64], cell: &Layout) -> Result<Storage> {
        let mut c = Cursor::new(&message.body);
        let (version, class) = (c.byte()?, c.byte()?);
        let unknown = || unsupported(format!("hdf5: layout {version}, class {class}"));
        match (version, class) {
            (3..=5, 0) => {
                let len = number(c.take(2)?)?;
                Ok(Storage::Contiguous { pos: message.pos + 4, len })
            }
            (3..=5, 1) => {
                let pos = self.place(number(c.take(8)?)?)?;
                Ok(Storage::Contiguous { pos, len: number(c.take(8)?)? })
            }
            (3, 2) => {
                let rank = usize::from(c.byte()?);
                let tree = number(c.take(8)?)?;
                let mut chunk = Vec::new();
                for _ in 0..rank {
                    chunk.push(number(c.take(4)?)?);
                }
                chunk.pop().filter(|_| rank == dims.len() + 1).ok_or_else(unknown)?;
                let mut chunks = Vec::new();
                if tree != u64::MAX {
                    for leaf in self.leaves(tree, 1, 8 + 8 * rank as u64)? {
                        let mut key = Cursor::new(&leaf.key);
                        let (len, mask) = (number(key.take(4)?)?, u32::from_le_bytes(key.array()?));
                        let at = (1..rank).map(|_| number(key.take(8)?)).collect::<Result<_>>()?;
                        chunks.push(Chunk { pos: self.place(leaf.child)?, len, mask, at });
                    }
                }
                Ok(Storage::Chunked { chunk, chunks })
            }
            (4 | 5, 2) => {
                let (flags, rank, width) = (c.byte()?, usize::from(c.byte()?), usize::from(c.byte()?));
                let mut chunk = Vec::new();
                for _ in 0..rank {
                    chunk.push(number(c.take(width)?)?);
                }
                chunk.pop().filter(|_| rank == dims.len() + 1).ok_or_else(unknown)?;
                let whole = chunk.iter().fold(cell.row(), |n, &d| n.saturating_mul(d));
                let chunks = match c.byte()? {
                    // One chunk that is the whole dataset.
                    1 => {
                        let (len, mask) = match flags & 2 != 0 {
                            true => (number(c.take(8)?)?, u32::from_le_bytes(c.array()?)),
                            false => (whole, 0),
                        };
                        let pos = self.place(number(c.take(8)?)?)?;
                        vec![Chunk { pos, len, mask, at: vec![0; chunk.len()] }]
                    }
                    3 => {
                        c.byte()?;
                        self.fixed_array(number(c.take(8)?)?, dims, &chunk, whole)?
                    }
                    _ => return Err(unknown()),
                };
                Ok(Storage::Chunked { chunk, chunks })
            }
            _ => Err(unknown()),
        }
    }
}

impl File<'_> {
    /// The chunks of a fixed array of one page: all of them, the last axis fastest.
    fn fixed_array(&self, address: u64, dims: &[u64], chunk: &[u64], whole: u64) -> Result<Vec<Chunk>> {
        let head = self.range(address, 24)?;
        if !head.starts_with(b"FAHD") {
            return Err(corruption("hdf5: no fixed array"));
        }
        let (filtered, width, page) = (head[5] == 1, usize::from(head[6]), u32::from(head[7]));
        let count = number(&head[8..16])?;
        if page >= 64 || count > 1 << page || width < 8 + 4 * usize::from(filtered) {
            return Err(unsupported("hdf5: a fixed array of pages"));
        }
        let block = number(&head[16..24])?;
        if !self.range(block, 4)?.starts_with(b"FADB") {
            return Err(corruption("hdf5: no fixed array"));
        }
        let bytes = self.range(self.advance(block, 14)?, count.saturating_mul(width as u64))?;
        let mut at = vec![0u64; dims.len()];
        let mut chunks = Vec::new();
        for entry in bytes.chunks_exact(width) {
            let (len, mask) = match filtered {
                true => (number(&entry[8..width - 4])?, number(&entry[width - 4..])? as u32),
                false => (whole, 0),
            };
            let address = number(&entry[..8])?;
            if address != u64::MAX {
                chunks.push(Chunk { pos: self.place(address)?, len, mask, at: at.clone() });
            }
            for axis in (0..dims.len()).rev() {
                at[axis] = at[axis].saturating_add(chunk[axis]);
                if at[axis] < dims[axis] || axis == 0 {
                    break;
                }
                at[axis] = 0;
            }
        }
        Ok(chunks)
    }
}

/// An entry of a leaf.
struct Leaf {
    key: Vec<u8>,
    child: u64,
}

/// A hard link.
fn link(body: &[u8], child: &mut dyn FnMut(&str, u64)) -> Result<()> {
    let mut c = Cursor::new(body);
    let (version, flags) = (c.byte()?, c.byte()?);
    let kind = if flags & 8 != 0 { c.byte()? } else { 0 };
    if version != 1 || kind != 0 {
        return Ok(());
    }
    c.take(if flags & 4 != 0 { 8 } else { 0 } + if flags & 0x10 != 0 { 1 } else { 0 })?;
    let len = number(c.take(1 << (flags & 3))?)?;
    let name = c.take(usize::try_from(len).map_err(|_| corruption("hdf5: a name too long"))?)?;
    let name = String::from_utf8_lossy(name).into_owned();
    child(&name, number(c.take(8)?)?);
    Ok(())
}

fn dataspace(body: &[u8]) -> Result<Vec<u64>> {
    let mut c = Cursor::new(body);
    let (version, rank, _, kind) = (c.byte()?, usize::from(c.byte()?), c.byte()?, c.byte()?);
    match version {
        1 => drop(c.take(4)?),
        2 if kind < 2 => {}
        _ => return Err(unsupported("hdf5: a space of an unknown kind")),
    }
    (0..rank).map(|_| number(c.take(8)?)).collect()
}

fn filters(body: &[u8]) -> Result<Vec<Filter>> {
    let mut c = Cursor::new(body);
    let (version, count) = (c.byte()?, c.byte()?);
    if version == 1 {
        c.take(6)?;
    }
    let mut filters = Vec::new();
    for _ in 0..count {
        let mut word = || number(c.take(2)?);
        let id = word()?;
        let name = if version == 1 || id >= 256 { word()? } else { 0 };
        let (_flags, values) = (word()?, word()?);
        let name = if version == 1 { name.next_multiple_of(8) } else { name };
        c.take(name as usize)?;
        let first = if values > 0 { number(c.take(4)?)? } else { 0 };
        c.take(4 * (values.saturating_sub(1) as usize))?;
        if version == 1 && values % 2 == 1 {
            c.take(4)?;
        }
        filters.push(match id {
            1 => Filter::Deflate,
            2 if first > 0 => Filter::Shuffle { width: first as u32 },
            3 => Filter::Fletcher,
            other => return Err(unsupported(format!("hdf5: filter {other}"))),
        });
    }
    Ok(filters)
}
