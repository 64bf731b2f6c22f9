//! Level 1, the one that most blocks have.
//!
//! It looks at no more than the last four strings of a bucket, so the buckets here hold just those,
//! side by side. Which of them are in reach and how far they agree is as good as random: all four
//! are compared without a branch, and one branch tells a match from a literal.

use super::search::{BUCKETS, FAR, Hash, LONGEST, Sink, WINDOW, Window, common, load8};

/// A match of this length is taken without looking at older strings.
const NICE: usize = 8;
/// Strings within a match are inserted where it is no longer than this.
const INSERT: usize = 4;
/// The buckets, kept from content to content: positions count on, so that what is left of the
/// last content is out of reach.
pub(super) struct Buckets {
    /// Four positions each, the last one first.
    table: Box<[[u32; 4]; BUCKETS]>,
    /// The position of the next content.
    next: u32,
}

impl Buckets {
    pub fn new() -> Self {
        Buckets { table: Box::new([[0; 4]; BUCKETS]), next: WINDOW as u32 }
    }

    /// Where content of this length begins.
    fn begin(&mut self, len: usize) -> u32 {
        let mut origin = self.next;
        let end = u32::try_from(len).ok().and_then(|len| origin.checked_add(len));
        if end.is_none() {
            self.table.fill([0; 4]);
            origin = WINDOW as u32;
        }
        self.next = end.unwrap_or_else(|| origin.saturating_add(len as u32));
        origin
    }

    /// Inserts a string at a position and returns the four before it.
    #[inline(always)]
    fn insert<H: Hash>(&mut self, word: u32, here: u32) -> [u32; 4] {
        let bucket = &mut self.table[H::bucket(word) & (BUCKETS - 1)];
        let before = *bucket;
        *bucket = [here, before[0], before[1], before[2]];
        before
    }
}

/// The first of the longest matches with the four `candidates`, as length and distance; a length below the
/// least one where there is none. `reach` bounds the distances.
#[inline(always)]
fn longest(
    content: &[u8],
    at: usize,
    here: u32,
    candidates: [u32; 4],
    reach: u32,
    most: usize,
) -> (usize, usize) {
    let scan = load8(content, at);
    // The first one may be just as far as possible, the others less.
    let (first, others) = (reach.min(FAR + 1), reach.min(FAR));
    let mut best = 0;
    for (i, candidate) in candidates.into_iter().enumerate() {
        let distance = here.wrapping_sub(candidate);
        let there = distance < if i == 0 { first } else { others };
        let from = at - if there { distance as usize } else { 0 };
        let length = ((load8(content, from) ^ scan).trailing_zeros() >> 3).min(most as u32);
        // The longest, and the first of equals; from `NICE` on all are equal.
        let key = length << 18 | (3 - i as u32) << 16 | distance & 0xffff;
        best = best.max(if there { key } else { 0 });
    }
    ((best >> 18) as usize, (best & 0xffff) as usize)
}

/// Near the end of the content.
#[cold]
#[inline(never)]
fn longest_at_end(content: &[u8], at: usize, here: u32, candidates: [u32; 4], reach: u32) -> (usize, usize) {
    longest(content, at, here, candidates, reach, content.len() - at)
}

/// Takes each match as it comes. False where the sink stopped the search.
pub(super) fn first<H: Hash>(buckets: &mut Buckets, content: &[u8], sink: &mut impl Sink) -> bool {
    let total = content.len();
    let origin = buckets.begin(total);
    let mut window = Window::new(total);
    let mut at = 0;
    loop {
        window.pass(at);
        if at >= total {
            break;
        }
        let left = total - at;
        let (mut length, mut distance) = (0, 0);
        if left >= NICE {
            let here = origin.wrapping_add(at as u32);
            let candidates = buckets.insert::<H>(load8(content, at) as u32, here);
            (length, distance) = longest(content, at, here, candidates, (at - window.base) as u32, NICE);
            if length == NICE {
                length += common(content, at - distance + NICE, at + NICE, LONGEST.min(left) - NICE);
            }
        } else if left >= H::LEAST {
            let here = origin.wrapping_add(at as u32);
            let candidates = buckets.insert::<H>(load8(content, at) as u32, here);
            (length, distance) = longest_at_end(content, at, here, candidates, (at - window.base) as u32);
        }
        let full;
        if length >= H::LEAST {
            full = sink.copy(length, distance);
            let end = at + length;
            if length <= INSERT && total - end >= H::LEAST {
                for at in at + 1..end {
                    let here = origin.wrapping_add(at as u32);
                    buckets.insert::<H>(load8(content, at) as u32, here);
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
