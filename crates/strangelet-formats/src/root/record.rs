//! The records of a file: header, keys, gaps, in file order and without holes.

use super::wire::Wire;
use strangelet::error::{Result, corruption};
use strangelet::source::Source;

/// Key versions above this have 64-bit positions.
pub const WIDE_KEY: u16 = 1000;
/// Versions of a file from this on have 64-bit positions in the header.
const WIDE_FILE: u32 = 1_000_000;
/// Bytes looked at in one piece for the next key.
const WINDOW: u64 = 1 << 18;
/// Bytes first looked at for a key.
const GLANCE: u64 = 512;

/// The file header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Version of ROOT, and 1000000 more where positions have 64 bits.
    pub version: u32,
    /// First record.
    pub begin: u64,
    /// End of the last record.
    pub end: u64,
    /// The record of the free segments.
    pub seek_free: u64,
    /// The record of the streamer info.
    pub seek_info: u64,
    /// Bytes of the record of the streamer info.
    pub nbytes_info: u32,
}

impl Header {
    /// Whether positions have 64 bits.
    pub fn wide(&self) -> bool {
        self.version >= WIDE_FILE
    }

    /// Reads the header from the first bytes of a file.
    pub fn parse(bytes: &[u8]) -> Result<Header> {
        let mut w = Wire::new(bytes);
        if w.take(4)? != b"root" {
            return Err(corruption("no ROOT file: it does not start with `root`"));
        }
        let version = w.u32()?;
        let begin = w.u32()? as u64;
        let wide = version >= WIDE_FILE;
        let end = w.seek_field(wide)?;
        let seek_free = w.seek_field(wide)?;
        w.take(4 + 4 + 4 + 1 + 4)?;
        let seek_info = w.seek_field(wide)?;
        let nbytes_info = w.u32()?;
        Ok(Header { version, begin, end, seek_free, seek_info, nbytes_info })
    }
}

/// What a basket's key has behind its title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasketHead {
    /// Version of TBasket.
    pub version: u16,
    /// Bytes of the writer's buffer.
    pub buffer_size: u32,
    /// Room for entry offsets, or the length of an entry; negative where `io_bits` follows.
    pub nev_buf_size: i32,
    /// Optional features, where there are any.
    pub io_bits: Option<u8>,
    /// Entries.
    pub nev_buf: u32,
    /// End of the data in the writer's buffer: the key's length more than the data's.
    pub last: u32,
    /// How the entry offsets are kept.
    pub flag: u8,
}

impl BasketHead {
    /// Reads it.
    pub fn parse(w: &mut Wire) -> Result<BasketHead> {
        let version = w.u16()?;
        let buffer_size = w.u32()?;
        let nev_buf_size = w.i32()?;
        let io_bits = if nev_buf_size < 0 { Some(w.u8()?) } else { None };
        Ok(BasketHead {
            version,
            buffer_size,
            nev_buf_size,
            io_bits,
            nev_buf: w.u32()?,
            last: w.u32()?,
            flag: w.u8()?,
        })
    }

    /// Appends its bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.buffer_size.to_be_bytes());
        out.extend_from_slice(&self.nev_buf_size.to_be_bytes());
        out.extend(self.io_bits);
        out.extend_from_slice(&self.nev_buf.to_be_bytes());
        out.extend_from_slice(&self.last.to_be_bytes());
        out.push(self.flag);
    }
}

/// The head of a record that holds an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Bytes of the record, head included.
    pub nbytes: u32,
    /// Version; above [`WIDE_KEY`] positions have 64 bits.
    pub version: u16,
    /// Bytes of the inflated object.
    pub objlen: u32,
    /// Date and time, packed.
    pub datime: u32,
    /// Bytes of the head.
    pub keylen: u16,
    /// Cycle.
    pub cycle: u16,
    /// Its own position.
    pub seek_key: u64,
    /// Position of the directory it lies in.
    pub seek_pdir: u64,
    /// Class of the object.
    pub class: Vec<u8>,
    /// Name.
    pub name: Vec<u8>,
    /// Title.
    pub title: Vec<u8>,
}

impl Key {
    /// Whether positions have 64 bits.
    pub fn wide(&self) -> bool {
        self.version > WIDE_KEY
    }

    /// Reads a head; the cursor then stands behind the title.
    pub fn parse(w: &mut Wire) -> Result<Key> {
        let nbytes = w.u32()?;
        let version = w.u16()?;
        let wide = version > WIDE_KEY;
        Ok(Key {
            nbytes,
            version,
            objlen: w.u32()?,
            datime: w.u32()?,
            keylen: w.u16()?,
            cycle: w.u16()?,
            seek_key: w.seek_field(wide)?,
            seek_pdir: w.seek_field(wide)?,
            class: w.string()?.to_vec(),
            name: w.string()?.to_vec(),
            title: w.string()?.to_vec(),
        })
    }

    /// Appends the bytes of the head.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.nbytes.to_be_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.objlen.to_be_bytes());
        out.extend_from_slice(&self.datime.to_be_bytes());
        out.extend_from_slice(&self.keylen.to_be_bytes());
        out.extend_from_slice(&self.cycle.to_be_bytes());
        for seek in [self.seek_key, self.seek_pdir] {
            if self.wide() {
                out.extend_from_slice(&seek.to_be_bytes());
            } else {
                out.extend_from_slice(&(seek as u32).to_be_bytes());
            }
        }
        for s in [&self.class, &self.name, &self.title] {
            write_string(s, out);
        }
    }

    /// Bytes of the head up to the end of the title.
    pub fn written_len(&self) -> usize {
        let strings = [&self.class, &self.name, &self.title];
        let strings: usize =
            strings.iter().map(|s| Vec::len(s)).map(|n| n + if n < 255 { 1 } else { 5 }).sum();
        18 + if self.wide() { 16 } else { 8 } + strings
    }
}

/// Appends a string with its length before it.
pub fn write_string(s: &[u8], out: &mut Vec<u8>) {
    if s.len() < 255 {
        out.push(s.len() as u8);
    } else {
        out.push(255);
        out.extend_from_slice(&(s.len() as u32).to_be_bytes());
    }
    out.extend_from_slice(s);
}

/// What a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The first bytes of the file, up to the first record.
    Header,
    /// An object, or part of one.
    Key(Key),
    /// A basket of a tree.
    Basket(Key, BasketHead),
    /// Free space: four bytes of length, and leftovers.
    Gap,
    /// Bytes that are no record.
    Plain,
}

/// A span of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// First byte.
    pub pos: u64,
    /// Bytes.
    pub len: u64,
    /// What it is.
    pub kind: Kind,
}

impl Record {
    /// End of the span.
    pub fn end(&self) -> u64 {
        self.pos + self.len
    }

    /// The head of a record that has one.
    pub fn key(&self) -> Option<&Key> {
        match &self.kind {
            Kind::Key(key) | Kind::Basket(key, _) => Some(key),
            _ => None,
        }
    }
}

/// Walks a file from its first byte to its last. The records join without holes and without overlap;
/// what does not parse is a plain span up to the next key. Fails only where reading fails, or where the
/// file has no ROOT header.
pub fn walk(source: &dyn Source) -> Result<(Header, Vec<Record>)> {
    let len = source.len();
    let header = Header::parse(&source.range(0, len.min(GLANCE))?)?;
    let mut records = Vec::new();
    if header.begin < 40 || header.begin > len {
        return Err(corruption("the file header names a first record that is not there"));
    }
    records.push(Record { pos: 0, len: header.begin, kind: Kind::Header });
    let mut pos = header.begin;
    while pos < len {
        let mut record = next(source, pos, len)?;
        if record.kind == Kind::Plain {
            record.len = resume(source, pos + 1, len)? - pos;
        }
        pos = record.end();
        records.push(record);
    }
    Ok((header, records))
}

fn next(source: &dyn Source, pos: u64, len: u64) -> Result<Record> {
    let rest = Record { pos, len: len - pos, kind: Kind::Plain };
    if rest.len < 4 {
        return Ok(rest);
    }
    let glance = source.range(pos, GLANCE.min(rest.len))?;
    let nbytes = Wire::new(&glance).i32()?;
    if nbytes < 0 {
        let gap = nbytes.unsigned_abs() as u64;
        if gap < 4 || gap > rest.len {
            return Ok(rest);
        }
        return Ok(Record { pos, len: gap, kind: Kind::Gap });
    }
    let nbytes = nbytes as u64;
    if nbytes < 26 || nbytes > rest.len || glance.len() < 26 {
        return Ok(rest);
    }
    let keylen = u16::from_be_bytes([glance[14], glance[15]]) as u64;
    if keylen > nbytes {
        return Ok(rest);
    }
    let head = if keylen > glance.len() as u64 { source.range(pos, keylen)? } else { glance };
    let mut w = Wire::new(head.get(..keylen as usize).unwrap_or(&head));
    match Key::parse(&mut w) {
        Ok(key) if key.seek_key == pos && w.pos() <= keylen as usize => {
            let basket = match key.class.as_slice() {
                b"TBasket" => BasketHead::parse(&mut w).ok(),
                _ => None,
            };
            let kind = match basket.filter(|_| w.pos() == keylen as usize) {
                Some(basket) => Kind::Basket(key, basket),
                None => Kind::Key(key),
            };
            Ok(Record { pos, len: nbytes, kind })
        }
        _ => Ok(rest),
    }
}

/// The next place from `pos` on where a key starts, or the end. Writers leave holes, and a record may
/// be damaged; a key shows itself by telling its own place.
fn resume(source: &dyn Source, mut pos: u64, len: u64) -> Result<u64> {
    while pos < len {
        let window = source.range(pos, WINDOW.min(len - pos))?;
        for (i, head) in window.windows(26).enumerate() {
            let here = pos + i as u64;
            let [low, wide] =
                [18, 22].map(|at| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
            let told = if head[4] >= 3 { wide } else { low };
            if told == here as u32 && next(source, here, len)?.key().is_some() {
                return Ok(here);
            }
        }
        if (Vec::len(&window) as u64) < WINDOW {
            return Ok(len);
        }
        pos += WINDOW - 25;
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &[u8], wide: bool) -> Key {
        let mut key = Key {
            nbytes: 0,
            version: if wide { 1004 } else { 4 },
            objlen: 5,
            datime: 1,
            keylen: 0,
            cycle: 1,
            seek_key: 100,
            seek_pdir: 100,
            class: b"TNamed".to_vec(),
            name: name.to_vec(),
            title: b"".to_vec(),
        };
        key.keylen = key.written_len() as u16;
        key.nbytes = key.keylen as u32 + 5;
        key
    }

    fn file(keys: &[Key]) -> Vec<u8> {
        let mut out = b"root\0\0\xf0\0\0\0\0\x64".to_vec();
        out.resize(100, 0);
        for key in keys {
            key.write(&mut out);
            out.extend_from_slice(b"12345");
        }
        out
    }

    #[test]
    fn records_join_without_holes() {
        for wide in [false, true] {
            let first = key(b"n", wide);
            let mut second = key(&[b'x'; 700], wide);
            second.seek_key += first.nbytes as u64;
            let mut bytes = file(&[first.clone(), second.clone()]);
            bytes.extend_from_slice(&(-9i32).to_be_bytes());
            bytes.extend_from_slice(b"abcdexyz");
            let (_, records) = walk(&bytes).unwrap();
            let kinds: Vec<_> = records.iter().map(|r| r.kind.clone()).collect();
            assert_eq!(kinds, [Kind::Header, Kind::Key(first), Kind::Key(second), Kind::Gap, Kind::Plain]);
            assert!(records.windows(2).all(|w| w[0].end() == w[1].pos));
            assert_eq!(records.last().unwrap().end(), bytes.len() as u64);
        }
    }

    #[test]
    fn a_hole_is_passed_over() {
        let mut second = key(b"m", false);
        let mut bytes = file(&[key(b"n", false)]);
        bytes.resize(bytes.len() + 300_000, 0);
        second.seek_key = bytes.len() as u64;
        second.write(&mut bytes);
        bytes.extend_from_slice(b"12345");
        let (_, records) = walk(&bytes).unwrap();
        assert_eq!(records.iter().map(|r| r.len).collect::<Vec<_>>(), [100, 41, 300_000, 41]);
        assert_eq!(records[3].kind, Kind::Key(second));
    }

    #[test]
    fn any_cut_and_any_flip_still_covers_the_file() {
        let bytes = file(&[key(b"n", false)]);
        let covers = |bytes: &Vec<u8>| match walk(bytes) {
            Ok((_, records)) => {
                assert_eq!(records[0].pos, 0);
                assert!(records.windows(2).all(|w| w[0].end() == w[1].pos));
                assert_eq!(records.last().unwrap().end(), bytes.len() as u64);
            }
            Err(_) => assert!(bytes.len() < 100 || bytes[..12] != file(&[])[..12]),
        };
        for cut in 0..bytes.len() {
            covers(&bytes[..cut].to_vec());
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            covers(&flipped);
        }
    }
}
