//! Hash chains over the whole content, walked as zlib and its relatives walk theirs.
//!
//! Those compress out of a window of 64 KiB that moves on by half its length, with positions
//! relative to it. What shows of that in the bytes is little: position 0 of the window ends every
//! chain, and content that has left the window cannot be stored. So the chains here hold positions
//! in the whole content, and `base`, where the window would begin, moves along.

/// Reach of a match, as deflate has it.
pub(super) const WINDOW: usize = 1 << 15;
/// The window moves on when less than this is left in it: the longest match and one more.
pub(super) const AHEAD: usize = 262;
/// The farthest match that is looked for.
pub(super) const FAR: u32 = (WINDOW - AHEAD) as u32;
/// The longest match.
pub(super) const LONGEST: usize = 258;
/// Buckets of the hash.
pub(super) const BUCKETS: usize = 1 << 15;

/// What differs between the encoders: how a string is hashed.
pub(super) trait Hash {
    /// The shortest match.
    const LEAST: usize;
    /// Whether matches of three bytes may not be far away.
    const NEAR: bool;
    /// The bucket of the string that begins with these bytes, first byte lowest.
    fn bucket(word: u32) -> usize;
    /// The same, and what tells most strings of a bucket apart.
    fn bucket_and_tag(word: u32) -> (usize, u8);
}

/// Stock zlib: three bytes, rolled together five bits at a time.
pub(super) struct Rolled;

impl Hash for Rolled {
    const LEAST: usize = 3;
    const NEAR: bool = true;
    #[inline(always)]
    fn bucket(word: u32) -> usize {
        ((word & 31) << 10 ^ (word >> 8 & 255) << 5 ^ (word >> 16 & 255)) as usize
    }
    #[inline(always)]
    fn bucket_and_tag(word: u32) -> (usize, u8) {
        (Self::bucket(word), (word >> 8) as u8)
    }
}

/// Cloudflare's zlib: the CRC-32C of four bytes.
pub(super) struct Crc;

impl Hash for Crc {
    const LEAST: usize = 4;
    const NEAR: bool = false;
    #[inline(always)]
    fn bucket(word: u32) -> usize {
        Self::bucket_and_tag(word).0
    }
    #[inline(always)]
    fn bucket_and_tag(word: u32) -> (usize, u8) {
        let [a, b, c, d] = word.to_le_bytes().map(usize::from);
        let crc = CRC[0][a] ^ CRC[1][b] ^ CRC[2][c] ^ CRC[3][d];
        (crc as usize & (BUCKETS - 1), (crc >> 15) as u8)
    }
}

/// What each byte of four adds to their CRC-32C.
static CRC: [[u32; 256]; 4] = crc();

const fn crc() -> [[u32; 256]; 4] {
    let mut tables = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut place = 4;
        while place > 0 {
            let mut bit = 0;
            while bit < 8 {
                crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
                bit += 1;
            }
            place -= 1;
            tables[place][byte] = crc;
        }
        byte += 1;
    }
    tables
}

/// How far a level goes.
#[derive(Clone, Copy)]
struct Depth {
    /// A match of this length makes the search for a better one shorter.
    good: usize,
    /// A match of this length is not tried to improve; in fast levels no string within a longer
    /// one is inserted.
    lazy: usize,
    /// A match of this length ends the search.
    nice: usize,
    /// Candidates looked at.
    chain: u32,
}

/// The levels 1 to 9; the first three take every match as it comes, the first one is in `first`.
const LEVELS: [Depth; 9] = [
    depth(4, 4, 8, 4),
    depth(4, 5, 16, 8),
    depth(4, 6, 32, 32),
    depth(4, 4, 16, 16),
    depth(8, 16, 32, 32),
    depth(8, 16, 128, 128),
    depth(8, 32, 128, 256),
    depth(32, 128, 258, 1024),
    depth(32, 258, 258, 4096),
];

fn depth_of(level: u8) -> Depth {
    LEVELS[usize::from(level.clamp(1, 9)) - 1]
}

const fn depth(good: usize, lazy: usize, nice: usize, chain: u32) -> Depth {
    Depth { good, lazy, nice, chain }
}

/// Heads and links of the chains, kept from content to content: positions count on, so that what
/// is left of the last content lies before everything and ends a chain.
pub(super) struct Chains {
    head: Box<[u32; BUCKETS]>,
    /// The low 16 bits of the position before a string in its bucket, or of one just out of reach
    /// where that is farther: so distances up to twice the reach are told.
    link: Box<[u16; WINDOW]>,
    /// What the chains call position 0 of this content.
    origin: u32,
    /// Where the next content begins.
    next: u32,
}

impl Chains {
    pub fn new() -> Self {
        Chains { head: zeros(), link: zeros(), origin: 0, next: WINDOW as u32 }
    }

    /// Makes room for other content of this length (less than 2^31).
    pub fn begin(&mut self, len: usize) {
        match u32::try_from(len).ok().and_then(|len| self.next.checked_add(len)) {
            Some(next) => (self.origin, self.next) = (self.next, next),
            None => {
                self.head.fill(0);
                self.origin = WINDOW as u32;
                self.next = self.origin.saturating_add(len as u32);
            }
        }
    }

    /// Inserts a string at a position and returns the last one of its bucket.
    #[inline(always)]
    fn insert<H: Hash>(&mut self, word: u32, here: u32) -> u32 {
        let head = &mut self.head[H::bucket(word) & (BUCKETS - 1)];
        let before = std::mem::replace(head, here);
        let back = here.wrapping_sub(before).min(WINDOW as u32);
        self.link[here as usize & (WINDOW - 1)] = here.wrapping_sub(back) as u16;
        before
    }

    /// The first of the longest matches along a chain that are longer than `best`, or `best`.
    #[inline(always)]
    fn longest(&self, content: &[u8], at: usize, first: u32, floor: u32, best: usize, depth: Depth) -> Match {
        let here = self.origin.wrapping_add(at as u32);
        let reach = here.wrapping_sub(floor).min(FAR) as u16;
        let most = LONGEST.min(content.len() - at);
        let nice = depth.nice.min(content.len() - at);
        let mut found = Match { length: best, from: 0 };
        if best >= most {
            return found;
        }
        let scan = load8(content, at);
        let mut left = depth.chain;
        let mut candidate = first as u16;
        let mut distance = (here as u16).wrapping_sub(candidate);
        // Only what agrees in the last bytes up to the one behind `best` can be longer.
        let last_bytes = |best: usize| {
            let offset = best.saturating_sub(7);
            let mask = u64::MAX >> (8 * 7usize.saturating_sub(best));
            (offset, mask, load8(content, at + offset) & mask)
        };
        let (mut offset, mut mask, mut wanted) = last_bytes(best);
        loop {
            let from = at.wrapping_sub(distance.into());
            if load8(content, from + offset) & mask == wanted {
                let differ = load8(content, from) ^ scan;
                let length = if differ != 0 {
                    (differ.trailing_zeros() >> 3) as usize
                } else {
                    8 + common(content, from + 8, at + 8, most.saturating_sub(8))
                };
                if length > found.length {
                    found = Match { length: length.min(most), from };
                    if length >= nice {
                        return found;
                    }
                    (offset, mask, wanted) = last_bytes(found.length);
                }
            }
            candidate = self.link[usize::from(candidate) & (WINDOW - 1)];
            distance = (here as u16).wrapping_sub(candidate);
            left -= 1;
            if distance >= reach || left == 0 {
                return found;
            }
        }
    }
}

/// A table of zeros, which does not pass through the stack.
pub(super) fn zeros<T: Copy + Default, const N: usize>() -> Box<[T; N]> {
    let table = vec![T::default(); N].into_boxed_slice();
    table.try_into().unwrap_or_else(|_| Box::new([T::default(); N]))
}

/// A match: its length, and where it was before.
#[derive(Clone, Copy)]
struct Match {
    length: usize,
    from: usize,
}

/// Eight bytes, first byte lowest; zeros behind the end.
#[inline(always)]
pub(super) fn load8(content: &[u8], at: usize) -> u64 {
    match content.get(at..).and_then(|c| c.first_chunk::<8>()) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => load_end(content, at),
    }
}

#[cold]
#[inline(never)]
fn load_end(content: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    for (slot, &byte) in bytes.iter_mut().zip(content.get(at..).unwrap_or_default()) {
        *slot = byte;
    }
    u64::from_le_bytes(bytes)
}

/// How many of the next bytes agree, at most `most`.
#[inline]
pub(super) fn common(content: &[u8], a: usize, b: usize, most: usize) -> usize {
    let (Some(a), Some(b)) = (content.get(a..a + most), content.get(b..b + most)) else { return 0 };
    let (a, a_rest) = a.as_chunks::<16>();
    let (b, b_rest) = b.as_chunks::<16>();
    let mut same = 0;
    for (a, b) in a.iter().zip(b) {
        if a != b {
            let differ = u128::from_le_bytes(*a) ^ u128::from_le_bytes(*b);
            return same + (differ.trailing_zeros() >> 3) as usize;
        }
        same += 16;
    }
    same + a_rest.iter().zip(b_rest).take_while(|(a, b)| a == b).count()
}

/// Takes what the search finds.
pub(super) trait Sink {
    /// A literal; true where the block is full.
    fn literal(&mut self, byte: u8) -> bool;
    /// A match; true where the block is full.
    fn copy(&mut self, length: usize, distance: usize) -> bool;
    /// The end of a block at a position of the content; `base` is where the window begins. False
    /// where the search may stop.
    fn end(&mut self, at: usize, base: usize, last: bool) -> bool;
}

/// Where the window would begin.
pub(super) struct Window {
    pub base: usize,
    /// From this position on it moves.
    edge: usize,
    total: usize,
}

impl Window {
    pub fn new(total: usize) -> Self {
        let mut window = Window { base: 0, edge: 0, total };
        window.set_edge();
        window
    }

    fn set_edge(&mut self) {
        // With content left to read it moves when less than `AHEAD` is in it; at the end of the
        // content, when half and the reach are behind.
        let full = self.total >= self.base + 2 * WINDOW;
        self.edge = self.base + 2 * WINDOW - AHEAD + usize::from(full);
    }

    #[inline(always)]
    pub fn pass(&mut self, at: usize) {
        if at >= self.edge {
            self.base += WINDOW;
            self.set_edge();
        }
    }
}

/// Takes each match as it comes. False where the sink stopped the search.
pub(super) fn fast<H: Hash>(chains: &mut Chains, content: &[u8], level: u8, sink: &mut impl Sink) -> bool {
    let depth = depth_of(level);
    let total = content.len();
    let mut window = Window::new(total);
    let mut at = 0;
    loop {
        window.pass(at);
        if at >= total {
            break;
        }
        let mut found = Match { length: 0, from: 0 };
        if total - at >= H::LEAST {
            let here = chains.origin.wrapping_add(at as u32);
            let floor = chains.origin.wrapping_add(window.base as u32);
            let first = chains.insert::<H>(load8(content, at) as u32, here);
            if first > floor && here - first <= FAR {
                found = chains.longest(content, at, first, floor, H::LEAST - 1, depth);
            }
        }
        let full;
        if found.length >= H::LEAST {
            full = sink.copy(found.length, at - found.from);
            let end = at + found.length;
            if found.length <= depth.lazy && total - end >= H::LEAST {
                for at in at + 1..end {
                    let here = chains.origin.wrapping_add(at as u32);
                    chains.insert::<H>(load8(content, at) as u32, here);
                }
            }
            at = end;
        } else {
            full = sink.literal(content[at]);
            at += 1;
        }
        if full && !sink.end(at, window.base, false) {
            return false;
        }
    }
    sink.end(at, window.base, true)
}

/// Takes a match only where the next position has no longer one. False where the sink stopped
/// the search.
pub(super) fn lazy<H: Hash>(chains: &mut Chains, content: &[u8], level: u8, sink: &mut impl Sink) -> bool {
    let depth = depth_of(level);
    /// A match of three bytes farther than this costs more than three literals.
    const TOO_FAR: usize = 4096;
    let total = content.len();
    let none = Match { length: H::LEAST - 1, from: 0 };
    let mut window = Window::new(total);
    let mut found = none;
    let mut waiting = false;
    let mut at = 0;
    loop {
        window.pass(at);
        if at >= total {
            break;
        }
        let before = std::mem::replace(&mut found, none);
        if total - at >= H::LEAST {
            let here = chains.origin.wrapping_add(at as u32);
            let floor = chains.origin.wrapping_add(window.base as u32);
            let first = chains.insert::<H>(load8(content, at) as u32, here);
            if before.length < depth.lazy && first > floor && here - first <= FAR {
                let shorter = before.length >= depth.good;
                let depth = Depth { chain: if shorter { depth.chain >> 2 } else { depth.chain }, ..depth };
                found = chains.longest(content, at, first, floor, before.length, depth);
                if H::NEAR && found.length == 3 && at - found.from > TOO_FAR {
                    found = none;
                }
            }
        }
        if before.length >= H::LEAST && found.length <= before.length {
            let full = sink.copy(before.length, at - 1 - before.from);
            let end = at - 1 + before.length;
            for at in at + 1..end.min((total + 1).saturating_sub(H::LEAST)) {
                let here = chains.origin.wrapping_add(at as u32);
                chains.insert::<H>(load8(content, at) as u32, here);
            }
            (at, found, waiting) = (end, none, false);
            if full && !sink.end(at, window.base, false) {
                return false;
            }
            continue;
        }
        if waiting && sink.literal(content[at - 1]) && !sink.end(at, window.base, false) {
            return false;
        }
        waiting = true;
        at += 1;
    }
    if waiting {
        sink.literal(content[at - 1]);
    }
    sink.end(at, window.base, true)
}
