//! A cursor over the big-endian bytes that ROOT writes.

use strangelet::error::{Result, corruption};

/// Marks a byte count: the count itself is in the other bits.
pub const BYTE_COUNT: u32 = 0x4000_0000;

/// Reads numbers and strings from a slice, and never beyond it.
#[derive(Debug, Clone)]
pub struct Wire<'a> {
    bytes: &'a [u8],
    pos: usize,
}

impl<'a> Wire<'a> {
    /// A cursor at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Wire { bytes, pos: 0 }
    }

    /// A cursor at `pos`; reads fail where that is beyond the end.
    pub fn at(bytes: &'a [u8], pos: usize) -> Self {
        Wire { bytes, pos }
    }

    /// Where the next byte is read.
    pub fn pos(&self) -> usize {
        self.pos
    }

    /// Moves to `pos`.
    pub fn seek(&mut self, pos: usize) {
        self.pos = pos;
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.pos)
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let end = self.pos.checked_add(n);
        let part = end.and_then(|end| self.bytes.get(self.pos..end));
        match part {
            Some(part) => {
                self.pos += n;
                Ok(part)
            }
            None => Err(corruption(format!("{n} bytes at {} lie beyond the end", self.pos))),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// The next 16-bit number.
    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// The next 32-bit number.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// The next signed 32-bit number.
    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// The next 64-bit number.
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A position in the file: 32 or 64 bits.
    pub fn seek_field(&mut self, wide: bool) -> Result<u64> {
        if wide { self.u64() } else { Ok(self.u32()? as u64) }
    }

    /// A string with its length before it: one byte, or 255 and four bytes.
    pub fn string(&mut self) -> Result<&'a [u8]> {
        let short = self.u8()?;
        let len = if short == 255 { self.u32()? as usize } else { short as usize };
        self.take(len)
    }

    /// A string with a zero byte behind it.
    pub fn c_string(&mut self) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        let len = rest.iter().position(|&b| b == 0).ok_or_else(|| corruption("a string has no end"))?;
        self.pos += len + 1;
        Ok(&rest[..len])
    }

    /// The version of an object, and where the object ends if a byte count says so.
    pub fn version(&mut self) -> Result<(u16, Option<usize>)> {
        let start = self.pos;
        if let Ok(word) = self.u32()
            && word & BYTE_COUNT != 0
        {
            let end = (start + 4).saturating_add((word & !BYTE_COUNT) as usize);
            if end > self.bytes.len() {
                return Err(corruption(format!("an object at {start} ends beyond its record")));
            }
            return Ok((self.u16()?, Some(end)));
        }
        self.pos = start;
        Ok((self.u16()?, None))
    }
}

/// Text of a name; bytes that are not UTF-8 are replaced.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
