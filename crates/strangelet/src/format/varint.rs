//! Variable-length integers (LEB128: seven bits a byte, low bits first, high bit set on all but the last)
//! and a cursor that never reads beyond its bytes.

use crate::error::{Result, corruption};

/// Appends an integer.
///
/// ```
/// let mut out = Vec::new();
/// strangelet::format::varint::put(&mut out, 300);
/// assert_eq!(out, [0xac, 0x02]);
/// ```
pub fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Reads forward through bytes.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// From the first byte on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes }
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(n).ok_or_else(|| corruption("ends too early"))?;
        self.bytes = tail;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// The next integer. Refuses more than 64 bits and forms longer than needed.
    pub fn varint(&mut self) -> Result<u64> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.byte()?;
            if (shift == 63 && b > 1) || (shift > 0 && b == 0) {
                return Err(corruption("a malformed integer"));
            }
            n |= ((b & 0x7f) as u64) << shift;
            if b < 0x80 {
                return Ok(n);
            }
        }
        Err(corruption("a malformed integer"))
    }

    /// The next integer as a count of things that take at least one byte (of the rest) each.
    pub fn count(&mut self) -> Result<usize> {
        let n = self.varint()?;
        if n > self.bytes.len() as u64 {
            return Err(corruption(format!("a count of {n} with {} bytes left", self.bytes.len())));
        }
        Ok(n as usize)
    }

    /// Length-prefixed UTF-8.
    pub fn string(&mut self) -> Result<String> {
        let n = self.count()?;
        String::from_utf8(self.take(n)?.to_vec()).map_err(|_| corruption("a name that is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back(n: u64) {
            let mut out = Vec::new();
            put(&mut out, n);
            let mut c = Cursor::new(&out);
            prop_assert_eq!(c.varint().unwrap(), n);
            prop_assert!(c.rest().is_empty());
        }

        #[test]
        fn has_one_form_only(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut c = Cursor::new(&bytes);
            if let Ok(n) = c.varint() {
                let mut out = Vec::new();
                put(&mut out, n);
                prop_assert_eq!(&bytes[..bytes.len() - c.rest().len()], &out[..]);
            }
        }
    }
}
