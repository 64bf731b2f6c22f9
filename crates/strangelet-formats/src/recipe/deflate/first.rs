//! Level 1, the one that most blocks have.
//!
//! It looks at no more than the last four strings of a bucket, so the buckets here hold just those,
//! side by side, each with a byte of its string. Which of them are in reach is as good as random, so
//! all four are looked at without a branch; mostly none is left, and one branch tells so.

use super::search::{BUCKETS, FAR, Hash, LONGEST, Sink, WINDOW, Window, common, load8, zeros};

/// A match of this length is taken without looking at older strings.
const NICE: usize = 8;
/// Strings within a match are inserted where it is no longer than this.
const INSERT: usize = 4;
/// Positions count in this many bits.
const BITS: u32 = 24;
/// The buckets are swept whenever positions have grown by this much.
const SWEEP: u32 = 1 << (BITS - 2);

/// The buckets, kept from content to content: positions count on, so that what is left of the
/// last content is out of reach.
pub(super) struct Buckets {
    /// Four strings each, the last one first: the position and, in the low byte, a part of the string.
    table: Box<[[u32; 4]; BUCKETS]>,
    /// The position of the next content.
    next: u32,
    /// The position of the last sweep.
    swept: u32,
}

impl Buckets {
    pub fn new() -> Self {
        Buckets { table: zeros(), next: WINDOW as u32, swept: 0 }
    }

    /// Where the next content begins.
    fn begin(&mut self) -> u32 {
        self.pass(self.next);
        self.next
    }

    /// Ends content before a position.
    fn end(&mut self, position: u32) {
        self.next = position;
    }

    /// Before positions repeat: all that is out of reach is put where it stays so until the next sweep.
    #[inline(always)]
    fn pass(&mut self, here: u32) {
        if here.wrapping_sub(self.swept) >= SWEEP {
            self.sweep(here);
        }
    }

    #[cold]
    #[inline(never)]
    fn sweep(&mut self, here: u32) {
        self.swept = here;
        for entry in self.table.iter_mut().flatten() {
            if (here << 8).wrapping_sub(*entry) >> 8 > FAR {
                *entry = here.wrapping_sub(SWEEP) << 8;
            }
        }
    }

    /// Inserts a string at a position and returns its entry and the four before it.
    #[inline(always)]
    fn insert<H: Hash>(&mut self, word: u32, here: u32) -> (u32, [u32; 4]) {
        let (bucket, tag) = H::bucket_and_tag(word);
        let entry = here << 8 | u32::from(tag);
        let bucket = &mut self.table[bucket & (BUCKETS - 1)];
        let before = *bucket;
        *bucket = [entry, before[0], before[1], before[2]];
        (entry, before)
    }
}

/// The first of the longest matches with the four candidates `before` an entry, as length and distance, up to
/// `most` of the eight bytes `scan` at `at`; length 0 where none agrees. `reach` bounds the distances.
#[inline(always)]
fn longest(
    content: &[u8],
    at: usize,
    scan: u64,
    (entry, before): (u32, [u32; 4]),
    reach: u32,
    most: usize,
) -> (usize, usize) {
    // The first one may be just as far as possible, the others less.
    let (first, others) = (reach.min(FAR + 1), reach.min(FAR));
    // Where the low bytes differ this is more than any distance.
    let apart = before.map(|old| entry.wrapping_sub(old).rotate_right(8));
    let mut there = u32::from(apart[0] < first);
    there |= u32::from(apart[1] < others) << 1;
    there |= u32::from(apart[2] < others) << 2;
    there |= u32::from(apart[3] < others) << 3;
    let mut best = (0, 0);
    if there == 0 {
        return best;
    }
    while there != 0 {
        let distance = apart[there.trailing_zeros() as usize & 3] as usize;
        let differ = load8(content, at.wrapping_sub(distance)) ^ scan;
        let length = ((differ.trailing_zeros() >> 3) as usize).min(most);
        if length > best.0 {
            best = (length, distance);
            if length == most {
                break;
            }
        }
        there &= there - 1;
    }
    best
}

/// Takes each match as it comes. False where the sink stopped the search.
pub(super) fn first<H: Hash>(buckets: &mut Buckets, content: &[u8], sink: &mut impl Sink) -> bool {
    let total = content.len();
    let origin = buckets.begin();
    let mut window = Window::new(total);
    let mut at = 0;
    loop {
        window.pass(at);
        let here = origin.wrapping_add(at as u32);
        if at >= total {
            break;
        }
        let left = total - at;
        let (mut length, mut distance) = (0, 0);
        let mut word = load8(content, at);
        if left >= H::LEAST {
            buckets.pass(here);
            let strings = buckets.insert::<H>(word as u32, here);
            (length, distance) =
                longest(content, at, word, strings, (at - window.base) as u32, NICE.min(left));
            if length == NICE {
                length += common(content, at - distance + NICE, at + NICE, LONGEST.min(left) - NICE);
            }
        }
        let full;
        if length >= H::LEAST {
            full = sink.copy(length, distance);
            let end = at + length;
            if length <= INSERT && total - end >= H::LEAST {
                for step in 1..length {
                    word >>= 8;
                    buckets.insert::<H>(word as u32, here.wrapping_add(step as u32));
                }
            }
            at = end;
        } else {
            full = sink.literal(content[at]);
            at += 1;
        }
        if full && !sink.end(at, window.base, false) {
            buckets.end(origin.wrapping_add(at as u32));
            return false;
        }
    }
    buckets.end(origin.wrapping_add(total as u32));
    sink.end(at, window.base, true)
}
