//! Bits as Zstandard writes them: lowest first; its streams are read from their end.

/// Appends bits to bytes.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    held: u64,
    count: u32,
}

impl<'a> Writer<'a> {
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Writer { out, held: 0, count: 0 }
    }

    /// The lowest `n` (at most 32) bits of a value.
    pub fn put(&mut self, value: u32, n: u32) {
        self.held |= (u64::from(value) & ((1 << n) - 1)) << self.count;
        self.count += n;
        while self.count >= 8 {
            self.out.push(self.held as u8);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    /// Fills the last byte with zeros.
    pub fn end(self) {
        if self.count > 0 {
            self.out.push(self.held as u8);
        }
    }

    /// Marks the end with a one, then fills the last byte with zeros.
    pub fn close(mut self) {
        self.put(1, 1);
        self.end();
    }
}

/// Reads a closed stream from its end.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    /// Bits that are left.
    pub left: usize,
}

impl<'a> Reader<'a> {
    /// None where the last byte has no mark.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let last = *bytes.last().filter(|&&b| b != 0)?;
        Some(Reader { bytes, left: bytes.len() * 8 - 1 - last.leading_zeros() as usize })
    }

    /// The next `n` (at most 32) bits, zeros where there are none left; they stay.
    pub fn peek(&self, n: u32) -> u32 {
        let (from, lack) = match self.left.checked_sub(n as usize) {
            Some(from) => (from, 0),
            None => (0, n - self.left as u32),
        };
        let mut word = [0; 8];
        let at = from / 8;
        for (to, &b) in word.iter_mut().zip(self.bytes.get(at..).unwrap_or_default()) {
            *to = b;
        }
        let bits = u64::from_le_bytes(word) >> (from % 8) & ((1 << (n - lack)) - 1);
        (bits << lack) as u32
    }

    /// The next `n` (at most 32) bits. None where fewer are left.
    pub fn take(&mut self, n: u32) -> Option<u32> {
        let bits = self.peek(n);
        self.left = self.left.checked_sub(n as usize)?;
        Some(bits)
    }
}
