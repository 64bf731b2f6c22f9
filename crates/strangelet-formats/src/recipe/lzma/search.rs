//! What an LZMA encoder can have chosen from: repetitions of the bytes ahead.

use super::symbols::LONGEST;

/// Most candidates of one place.
pub(super) const MOST: usize = 12;
/// A match of this length is taken without a look for a longer one.
pub(super) const LONG: usize = 64;
/// Steps along a chain of equal hashes.
const DEPTH: usize = 32;
/// The same for the longer look.
const DEEP: usize = 512;

/// Candidates of one place: lengths and distances, both growing.
#[derive(Clone, Copy)]
pub(super) struct Candidates {
    items: [(u32, u32); MOST],
    len: usize,
}

impl Default for Candidates {
    fn default() -> Self {
        Candidates { items: [(0, 0); MOST], len: 0 }
    }
}

impl Candidates {
    /// All of them, as length and distance.
    #[inline(always)]
    pub fn all(&self) -> &[(u32, u32)] {
        self.items.get(..self.len).unwrap_or_default()
    }

    /// The longest; zeros where there is none.
    #[inline(always)]
    pub fn longest(&self) -> (usize, usize) {
        self.all().last().map_or((0, 0), |&(len, distance)| (len as usize, distance as usize))
    }

    #[inline(always)]
    fn clear(&mut self) {
        self.len = 0;
    }

    #[inline(always)]
    fn push(&mut self, len: usize, distance: usize) {
        if self.len == MOST {
            self.len -= 1;
        }
        if let Some(item) = self.items.get_mut(self.len) {
            *item = (len as u32, distance as u32);
            self.len += 1;
        }
    }
}

/// The byte part of the hashes which the match finders of the LZMA SDK and of liblzma have in common.
static BYTE: [u32; 256] = {
    let mut t = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut c = i as u32;
        let mut k = 0;
        while k < 8 {
            c = if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 };
            k += 1;
        }
        t[i] = c;
        i += 1;
    }
    t
};

/// Where bytes occurred before. Places are kept plus one; zero is none.
#[derive(Default)]
pub(super) struct Search {
    two: Vec<u32>,
    three: Vec<u32>,
    four: Vec<u32>,
    previous: Vec<u32>,
    shift: u32,
    dictionary: usize,
    next: usize,
}

impl Search {
    /// Forgets everything, for content of so many bytes and matches at most `dictionary` bytes back.
    pub fn start(&mut self, len: usize, dictionary: usize) {
        self.dictionary = dictionary;
        let bits = len.next_power_of_two().trailing_zeros().clamp(10, 17);
        self.shift = 32 - bits;
        for (table, size) in
            [(&mut self.two, 1 << 10), (&mut self.three, 1 << 16), (&mut self.four, 1 << bits)]
        {
            table.clear();
            table.resize(size, 0);
        }
        self.previous.clear();
        self.previous.resize(len, 0);
        self.next = 0;
    }

    /// Makes all places before `to` known.
    #[inline]
    pub fn skip(&mut self, content: &[u8], to: usize) {
        let from = self.next.min(to);
        for (i, w) in
            content.get(from..(to + 3).min(content.len())).unwrap_or_default().windows(4).enumerate()
        {
            let Some(&word) = w.first_chunk::<4>() else { break };
            self.insert(from + i, word);
        }
        self.next = self.next.max(to);
    }

    /// Makes a place known; returns what was last known of its hashes.
    #[inline(always)]
    fn insert(&mut self, at: usize, word: [u8; 4]) -> [u32; 3] {
        let mark = at as u32 + 1;
        let two = BYTE[usize::from(word[0])] ^ u32::from(word[1]);
        let three = (two ^ u32::from(word[2]) << 8) & 0xffff;
        let four = u32::from_le_bytes(word).wrapping_mul(0x9e37_79b1) >> self.shift;
        let mut last = [0; 3];
        let tables = [&mut self.two, &mut self.three, &mut self.four];
        for ((table, hash), last) in tables.into_iter().zip([two & 1023, three, four]).zip(&mut last) {
            if let Some(place) = table.get_mut(hash as usize) {
                *last = std::mem::replace(place, mark);
            }
        }
        if let Some(previous) = self.previous.get_mut(at) {
            *previous = last[2];
        }
        last
    }

    /// The nearest distance of a match of at least `len` bytes at `at`, which is known already, by a
    /// longer look.
    pub fn nearest(&self, content: &[u8], at: usize, len: usize) -> Option<u32> {
        let mut mark = *self.previous.get(at)?;
        for _ in 0..DEEP {
            let start = (mark as usize).checked_sub(1)?;
            let d = at.checked_sub(start).filter(|&d| d <= self.dictionary)?;
            if content.get(start + len - 1) == content.get(at + len - 1) && equal(content, at, d, len) == len
            {
                return Some(d as u32);
            }
            mark = *self.previous.get(start)?;
        }
        None
    }

    /// The candidates at `at`.
    pub fn find(&mut self, content: &[u8], at: usize, found: &mut Candidates) {
        found.clear();
        match self.next.cmp(&at) {
            std::cmp::Ordering::Less => self.skip(content, at),
            std::cmp::Ordering::Equal => {}
            // Known already: this place would find itself.
            std::cmp::Ordering::Greater => return,
        }
        let Some(&word) = content.get(at..).and_then(|c| c.first_chunk::<4>()) else { return };
        let [two, three, four] = self.insert(at, word);
        self.next = at + 1;
        let most = (content.len() - at).min(LONGEST);
        let distance = |mark: u32| match mark {
            0 => usize::MAX,
            mark => (at + 1).saturating_sub(mark as usize),
        };
        let dictionary = self.dictionary;
        let first =
            |d: usize| d <= dictionary && at.checked_sub(d).and_then(|f| content.get(f)) == Some(&word[0]);
        let (near, far) = (distance(two), distance(three));
        let mut best = 1;
        let mut from = None;
        if first(near) {
            (best, from) = (2, Some(near));
        }
        if near != far && first(far) {
            if from.is_some() {
                found.push(2, near);
            }
            (best, from) = (3, Some(far));
        }
        if let Some(d) = from {
            best = equal(content, at, d, most);
            found.push(best, d);
            if best == most {
                return;
            }
        }
        best = best.max(3);
        let mut mark = four;
        for _ in 0..DEPTH {
            let d = distance(mark);
            if d > dictionary {
                break;
            }
            let start = mark as usize - 1;
            if content.get(start + best) == content.get(at + best) {
                let len = equal(content, at, d, most);
                if len > best {
                    best = len;
                    found.push(len, d);
                    if len == most || len >= LONG {
                        break;
                    }
                }
            }
            mark = self.previous.get(start).copied().unwrap_or(0);
        }
    }
}

/// How many bytes at `at` equal those `distance` before, at most `most`.
#[inline(always)]
pub(super) fn equal(content: &[u8], at: usize, distance: usize, most: usize) -> usize {
    let Some(from) = at.checked_sub(distance) else { return 0 };
    if content.get(from) != content.get(at) {
        return 0;
    }
    let (Some(a), Some(b)) = (content.get(at..), content.get(from..)) else { return 0 };
    let most = most.min(a.len());
    let (a, b) = (a.get(..most).unwrap_or_default(), b.get(..most).unwrap_or_default());
    let mut len = 0;
    for (x, y) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        let (Some(x), Some(y)) = (x.first_chunk::<8>(), y.first_chunk::<8>()) else { break };
        let differ = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differ != 0 {
            return len + (differ.trailing_zeros() / 8) as usize;
        }
        len += 8;
    }
    while len < most && a.get(len) == b.get(len) {
        len += 1;
    }
    len
}
