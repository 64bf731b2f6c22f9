//! Where in its record a byte is.
//!
//! n is the place of the next byte, counted from the first byte that the model has read. Bytes that are not there
//! are 0.
//!
//! **Lines**: a line begins behind each 0x0a, and at the start; its fields behind `, ; |`, space and tab. offset: n
//! minus line; above and next: the bytes at that offset, and one on, of the line before, if still in it, else both 0;
//! left: number of the field in its line; kind: n - start of the field.
//!
//! **Records** of S bytes: offset n mod S; above, next, left: the bytes S, S - 1 and 2 S back; kind 0.
//!
//! **Objects**: after each byte, first those close that end at or before n (innermost first; each remembers its
//! start for its depth). Then if the last four bytes are 0x40 and a big-endian count of 2 or more, an object opens
//! that ends at n + count, if fewer than 12 are open and it ends no later than the innermost. Within an object:
//! offset: n - its start; left: its end - n; kind: number of open objects; above and next: the bytes at the same
//! offset, and one on, behind the start of the last one that closed at this depth (0 at first). Outside: above and
//! next the bytes 4 and 8 back, the others 0.
//!
//! offset and left are at most 65535, kind at most 255.

/// What the bytes are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    /// Lines of fields.
    Lines,
    /// Records of fixed size.
    Records(usize),
    /// Objects with a count of their bytes before them (0x40000000 + count, big-endian).
    Objects,
}

/// Most objects inside each other that are looked at.
const DEEP: usize = 12;

/// The place of the next byte.
#[derive(Clone)]
pub struct Frame {
    shape: Frames,
    /// Places and ends of open objects; of one more, the place of the last one.
    open: [(usize, usize); DEEP],
    before: [usize; DEEP],
    depth: usize,
    line: usize,
    line_before: usize,
    field: usize,
    field_start: usize,
    last: u32,
}

/// What a model makes contexts of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    /// Bytes since the start of the record.
    pub offset: u32,
    /// Byte at the same place one record before.
    pub above: u8,
    /// The byte behind that one.
    pub next: u8,
    /// What is left of the record, or the number of the field.
    pub left: u32,
    /// Kind of record.
    pub kind: u32,
}

impl Frame {
    /// At the start of something.
    pub fn new(shape: Frames, start: usize) -> Self {
        Frame {
            shape,
            open: [(0, usize::MAX); DEEP],
            before: [0; DEEP],
            depth: 0,
            line: start,
            line_before: start,
            field: 0,
            field_start: start,
            last: 0,
        }
    }

    /// After a byte.
    #[inline(always)]
    pub fn learn(&mut self, past: &[u8]) {
        let n = past.len();
        let Some(&byte) = past.last() else { return };
        self.last = self.last << 8 | byte as u32;
        match self.shape {
            Frames::Lines => {
                if byte == b'\n' {
                    self.line_before = self.line;
                    self.line = n;
                    self.field = 0;
                    self.field_start = n;
                } else if matches!(byte, b',' | b' ' | b';' | b'\t' | b'|') {
                    self.field += 1;
                    self.field_start = n;
                }
            }
            Frames::Records(_) => {}
            Frames::Objects => {
                while self.depth > 0 && n >= self.open[self.depth - 1].1 {
                    self.depth -= 1;
                    self.before[self.depth] = self.open[self.depth].0;
                }
                let count = (self.last & 0x00ff_ffff) as usize;
                if self.last >> 24 == 0x40 && count >= 2 && self.depth < DEEP {
                    let end = if self.depth == 0 { usize::MAX } else { self.open[self.depth - 1].1 };
                    if n + count <= end {
                        self.open[self.depth] = (n, n + count);
                        self.depth += 1;
                    }
                }
            }
        }
    }

    /// Where the next byte is.
    #[inline(always)]
    pub fn place(&self, past: &[u8]) -> Place {
        let p = self.anywhere(past);
        Place { offset: p.offset.min(65535), left: p.left.min(65535), kind: p.kind.min(255), ..p }
    }

    #[inline(always)]
    fn anywhere(&self, past: &[u8]) -> Place {
        let n = past.len();
        let byte = |i: usize| past.get(i).copied().unwrap_or(0);
        match self.shape {
            Frames::Lines => {
                let column = n - self.line;
                let up = self.line_before + column;
                let inside = up < self.line;
                Place {
                    offset: column as u32,
                    above: if inside { byte(up) } else { 0 },
                    next: if inside { byte(up + 1) } else { 0 },
                    left: self.field as u32,
                    kind: (n - self.field_start) as u32,
                }
            }
            Frames::Records(s) => Place {
                offset: (n % s) as u32,
                above: byte(n.wrapping_sub(s)),
                next: byte((n + 1).wrapping_sub(s)),
                left: byte(n.wrapping_sub(2 * s)) as u32,
                kind: 0,
            },
            Frames::Objects => {
                if self.depth == 0 {
                    return Place {
                        offset: 0,
                        above: byte(n.wrapping_sub(4)),
                        next: byte(n.wrapping_sub(8)),
                        ..Place::default()
                    };
                }
                let (start, end) = self.open[self.depth - 1];
                let offset = n - start;
                let up = self.before[self.depth - 1] + offset;
                Place {
                    offset: offset as u32,
                    above: byte(up),
                    next: byte(up + 1),
                    left: (end - n) as u32,
                    kind: self.depth as u32,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_place(frames: Frames, bytes: &[u8]) -> (u32, u32, u8, u8, u32) {
        let mut frame = Frame::new(frames, 0);
        for n in 1..=bytes.len() {
            frame.learn(&bytes[..n]);
        }
        let p = frame.place(bytes);
        (p.offset, p.left, p.above, p.next, p.kind)
    }

    #[test]
    fn lines_know_the_line_above() {
        assert_eq!(last_place(Frames::Lines, b"ab,cd\nx,"), (2, 1, b',', b'c', 0));
        assert_eq!(last_place(Frames::Lines, b"a\nlonger"), (6, 0, 0, 0, 6));
    }

    #[test]
    fn records_know_the_record_above() {
        assert_eq!(last_place(Frames::Records(3), &[1, 2, 3, 4, 5, 6, 7]), (1, 2, 5, 6, 0));
        assert_eq!(last_place(Frames::Records(65536), &[1]), (1, 0, 0, 0, 0));
    }

    #[test]
    fn objects_know_their_ends_and_the_one_before() {
        let one = |a: u8| [0x40, 0, 0, 3, a, a + 1, a + 2];
        let two = [one(1), one(7)].concat();
        assert_eq!(last_place(Frames::Objects, &two[..12]), (1, 2, 2, 3, 1));
        assert_eq!(last_place(Frames::Objects, &two), (0, 0, two[10], two[6], 0));
        // one that would not end within the one around it is none
        let odd = [0x40, 0, 0, 9, 0x40, 0, 0, 6, 0];
        assert_eq!(last_place(Frames::Objects, &odd).4, 1);
    }
}
