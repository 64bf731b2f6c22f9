//! Little-endian reading of envelopes: integers, strings and frames, every length checked.

use strangelet::error::{Result, corruption};

/// A place in some bytes.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// At the start of the bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let Some((head, tail)) = self.bytes.split_at_checked(n) else {
            return Err(corruption(format!("{n} bytes expected, {} are left", self.bytes.len())));
        };
        self.bytes = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    /// An unsigned 16-bit integer.
    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// An unsigned 32-bit integer.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A signed 32-bit integer.
    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    /// An unsigned 64-bit integer.
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A signed 64-bit integer.
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// A string: its length in 32 bits and its bytes.
    pub fn string(&mut self) -> Result<&'a [u8]> {
        let n = self.u32()? as usize;
        self.take(n)
    }

    /// The payload of a record frame; the cursor moves past the frame.
    pub fn record(&mut self) -> Result<Cursor<'a>> {
        let size = self.i64()?;
        let payload = size.checked_sub(8).and_then(|n| usize::try_from(n).ok());
        match payload {
            Some(n) => Ok(Cursor::new(self.take(n)?)),
            None => Err(corruption(format!("a record frame of {size} bytes"))),
        }
    }

    /// Number of items and payload of a list frame; the cursor moves past the frame.
    pub fn list(&mut self) -> Result<(u32, Cursor<'a>)> {
        let size = self.i64()?;
        let items = self.u32()?;
        let payload =
            size.checked_neg().and_then(|n| n.checked_sub(12)).and_then(|n| usize::try_from(n).ok());
        match payload {
            Some(n) => Ok((items, Cursor::new(self.take(n)?))),
            None => Err(corruption(format!("a list frame of {size} bytes"))),
        }
    }

    /// Feature flags: 64 bits each, more follow while the highest is set. Zero is the only known value.
    pub fn features(&mut self) -> Result<()> {
        loop {
            let flags = self.i64()?;
            if flags & i64::MAX != 0 {
                return Err(strangelet::error::unsupported(format!("RNTuple feature flags {flags:#x}")));
            }
            if flags >= 0 {
                return Ok(());
            }
        }
    }

    /// A locator: position and stored bytes of a span of the file.
    pub fn locator(&mut self) -> Result<Locator> {
        let size = self.i32()?;
        if size >= 0 {
            return Ok(Locator { position: self.u64()?, stored: size as u64, large: false });
        }
        // negated as a whole; then bits 0-15 are the size of the locator itself, bits 24-30 its type
        let word = size.unsigned_abs();
        let (own, kind) = ((word & 0xffff) as usize, (word >> 24) & 0x7f);
        let Some(n) = own.checked_sub(4) else {
            return Err(corruption("a locator shorter than its head"));
        };
        if kind == 1 && own == 20 {
            let mut inner = Cursor::new(self.take(n)?);
            let stored = inner.u64()?;
            return Ok(Locator { position: inner.u64()?, stored, large: true });
        }
        Err(strangelet::error::unsupported(format!("a locator of type {kind}")))
    }
}

/// A span of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locator {
    /// Position of its first byte in the file.
    pub position: u64,
    /// Its bytes in the file, without a checksum after it.
    pub stored: u64,
    /// Whether it was written with a 64-bit size.
    pub large: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_long_as_they_say() {
        let mut bytes = Vec::new();
        bytes.extend(12i64.to_le_bytes());
        bytes.extend(7u32.to_le_bytes());
        bytes.extend((-16i64).to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(9u32.to_le_bytes());
        let mut c = Cursor::new(&bytes);
        assert_eq!(c.record().unwrap().u32().unwrap(), 7);
        let (n, mut items) = c.list().unwrap();
        assert_eq!((n, items.u32().unwrap(), c.rest().len()), (1, 9, 0));
    }

    #[test]
    fn locators_of_both_kinds() {
        let mut bytes = 5i32.to_le_bytes().to_vec();
        bytes.extend(99u64.to_le_bytes());
        bytes.extend((-0x0100_0014i32).to_le_bytes());
        bytes.extend((1u64 << 40).to_le_bytes());
        bytes.extend(7u64.to_le_bytes());
        bytes.extend((-0x0200_0014i32).to_le_bytes());
        let mut c = Cursor::new(&bytes);
        assert_eq!(c.locator().unwrap(), Locator { position: 99, stored: 5, large: false });
        assert_eq!(c.locator().unwrap(), Locator { position: 7, stored: 1 << 40, large: true });
        assert!(c.locator().is_err());
    }

    #[test]
    fn hostile_frames_are_refused() {
        for size in [0i64, 7, -1, -11, i64::MIN, i64::MAX] {
            let mut bytes = size.to_le_bytes().to_vec();
            bytes.extend([0; 32]);
            assert!(Cursor::new(&bytes).record().is_err(), "{size}");
            assert!(Cursor::new(&bytes).list().is_err(), "{size}");
        }
    }
}
