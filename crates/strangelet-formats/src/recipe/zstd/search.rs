//! The sequence that an encoder would write next: the searches of zstd 1.4, one after the other.
//!
//! A search keeps what it would know if it had written the sequences that were told to it, so that it can be
//! asked after every one, whoever chose it. Places stand in its tables as place + 1, 0 for none.

use super::block::{Recent, Sequence};
use super::levels::{Parameters, Strategy};

/// Bytes before the end of a block where the search ends.
const MARGIN: usize = 8;

/// A search over one content.
#[derive(Default)]
pub(super) struct Search {
    parameters: Option<Parameters>,
    hash: Vec<u32>,
    /// Chains, or the table of short matches.
    chain: Vec<u32>,
    /// First place that is not in the chains, plus 1.
    next: usize,
    /// Where the search stands.
    at: usize,
    /// Where literals begin.
    anchor: usize,
    /// The block.
    from: usize,
    end: usize,
    /// The last two distances; 0 where they reach too far.
    last: [usize; 2],
    /// Whether a distance used lately may follow at once.
    behind: bool,
    /// Where the search stood when it found what it told.
    found: usize,
    /// Bytes that may still be compared in this block; no encoder comes near, but whoever tells it
    /// other sequences could make it search for ever.
    work: usize,
}

/// A match: where it starts, its length and its distance, 0 for the last one.
#[derive(Clone, Copy, Default)]
struct Match {
    start: usize,
    length: usize,
    distance: usize,
}

impl Match {
    /// log2 of the number that the format has for the distance.
    fn bits(&self) -> i64 {
        i64::from(if self.distance == 0 { 0 } else { (self.distance + 3).ilog2() })
    }
}

fn four(content: &[u8], at: usize) -> Option<u32> {
    content.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

fn eight(content: &[u8], at: usize) -> Option<u64> {
    content.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b))
}

/// Whether the same four bytes stand at `at` and so far before.
fn repeats(content: &[u8], at: usize, distance: usize) -> bool {
    distance > 0
        && at >= distance
        && four(content, at).is_some_and(|x| four(content, at - distance) == Some(x))
}

/// How many bytes at `at` equal those so far before, up to `end`.
pub(super) fn equal(content: &[u8], at: usize, distance: usize, end: usize) -> usize {
    let Some(from) = at.checked_sub(distance) else { return 0 };
    let (Some(a), Some(b)) = (content.get(at..end), content.get(from..end)) else { return 0 };
    let mut n = 0;
    for (x, y) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        let (Ok(x), Ok(y)) = (x.try_into(), y.try_into()) else { break };
        let differ = u64::from_le_bytes(x) ^ u64::from_le_bytes(y);
        if differ != 0 {
            return n + differ.trailing_zeros() as usize / 8;
        }
        n += 8;
    }
    let (a, b) = (a.get(n..).unwrap_or_default(), b.get(n..).unwrap_or_default());
    n + a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

/// The bucket of the `n` bytes at `at`.
fn bucket(content: &[u8], at: usize, n: u32, log: u32) -> usize {
    let Some(word) = eight(content, at) else { return 0 };
    let log = log.clamp(1, 32);
    match n {
        ..=4 => ((word as u32).wrapping_mul(2_654_435_761) >> (32 - log)) as usize,
        5 => ((word << 24).wrapping_mul(889_523_592_379) >> (64 - log)) as usize,
        6 => ((word << 16).wrapping_mul(227_718_039_650_203) >> (64 - log)) as usize,
        7 => ((word << 8).wrapping_mul(58_295_818_150_454_627) >> (64 - log)) as usize,
        _ => (word.wrapping_mul(0xcf1b_bcdc_b7a5_6463) >> (64 - log)) as usize,
    }
}

impl Search {
    /// Begins with content of so many bytes.
    pub fn start(&mut self, parameters: Parameters) {
        self.parameters = Some(parameters);
        self.hash.clear();
        self.hash.resize(1 << parameters.hash, 0);
        self.chain.clear();
        if parameters.strategy != Strategy::Fast {
            self.chain.resize(1 << parameters.chain, 0);
        }
        self.next = 1;
        self.block(0, 0, Recent::START);
    }

    /// Begins with a block.
    pub fn block(&mut self, from: usize, end: usize, recent: Recent) {
        let Some(p) = self.parameters else { return };
        (self.at, self.anchor, self.from, self.end, self.behind) = (from, from, from, end, false);
        self.work = (end - from).saturating_mul((8 << p.search) + 64);
        let index = from + 1;
        if index > self.next + 384 {
            self.next = index - (index - self.next - 384).min(192);
        }
        self.at += usize::from(from == self.first(p, from));
        let reach = self.at - self.first(p, self.at);
        self.last = [0, 1].map(|i| recent.0[i] as usize).map(|d| if d > reach { 0 } else { d });
    }

    /// The first place that can be reached from `at`.
    fn first(&self, p: Parameters, at: usize) -> usize {
        at.saturating_sub(1 << p.window)
    }

    /// What comes next; none where there is nothing up to the end of the block.
    pub fn next(&mut self, content: &[u8]) -> Option<Sequence> {
        let p = self.parameters.filter(|_| self.work > 0)?;
        if self.behind && self.at + MARGIN <= self.end && repeats(content, self.at, self.last[1]) {
            let length = 4 + equal(content, self.at + 4, self.last[1], self.end);
            self.work = self.work.saturating_sub(length);
            return Some(Sequence { literals: 0, length: length as u32, offset: 1 });
        }
        self.behind = false;
        let found = match p.strategy {
            Strategy::Fast => self.fast(content, p),
            Strategy::Double => self.double(content, p),
            Strategy::Greedy => self.lazy(content, p, 0),
            Strategy::Lazy => self.lazy(content, p, 1),
            Strategy::Lazy2 | Strategy::Tree | Strategy::Optimal => self.lazy(content, p, 2),
        }?;
        self.work = self.work.saturating_sub(found.length);
        let offset = if found.distance == 0 { 1 } else { found.distance as u32 + 3 };
        Some(Sequence { literals: (found.start - self.anchor) as u32, length: found.length as u32, offset })
    }

    /// Learns what came; `told` where it is what [`Search::next`] said. `recent`: the distances after it.
    pub fn learn(&mut self, content: &[u8], sequence: &Sequence, told: bool, recent: Recent) {
        let Some(p) = self.parameters else { return };
        let start = self.anchor + sequence.literals as usize;
        let end = start + sequence.length as usize;
        let within = end + MARGIN <= self.end;
        if self.behind && told {
            if matches!(p.strategy, Strategy::Fast | Strategy::Double) {
                self.enter(content, p, start, true, true);
            }
            self.last.swap(0, 1);
        } else {
            if !told {
                self.found = start;
            }
            if sequence.offset > 3 {
                self.last = [sequence.offset as usize - 3, self.last[0]];
            } else if sequence.offset > 1 || sequence.literals == 0 {
                self.last = [recent.0[0] as usize, recent.0[1] as usize];
            }
            if within && p.strategy == Strategy::Fast {
                self.enter(content, p, self.found + 2, true, false);
                self.enter(content, p, end.saturating_sub(2), true, false);
            } else if within && p.strategy == Strategy::Double {
                self.enter(content, p, self.found + 2, true, true);
                self.enter(content, p, end.saturating_sub(2), true, false);
                self.enter(content, p, end.saturating_sub(1), false, true);
            }
        }
        (self.at, self.anchor, self.behind) = (end, end, true);
    }

    /// Puts a place into the table, or the long and the short one of two.
    fn enter(&mut self, content: &[u8], p: Parameters, at: usize, long: bool, short: bool) {
        if long {
            let n = if p.strategy == Strategy::Fast { p.shortest } else { 8 };
            if let Some(cell) = self.hash.get_mut(bucket(content, at, n, p.hash)) {
                *cell = at as u32 + 1;
            }
        }
        if short
            && p.strategy == Strategy::Double
            && let Some(cell) = self.chain.get_mut(bucket(content, at, p.shortest, p.chain))
        {
            *cell = at as u32 + 1;
        }
    }

    /// The place in a cell that comes before `at`, and puts that there.
    fn swap(cells: &mut [u32], bucket: usize, at: usize) -> u32 {
        cells.get_mut(bucket).map_or(0, |cell| std::mem::replace(cell, at as u32 + 1))
    }

    /// A match at `at` with an earlier place, longer by what is equal before both.
    fn back(&self, content: &[u8], at: usize, from: usize, known: usize, first: usize) -> Match {
        let length = known + equal(content, at + known, at - from, self.end);
        let mut n = 0;
        while at - n > self.anchor && from - n > first && content.get(at - n - 1) == content.get(from - n - 1)
        {
            n += 1;
        }
        Match { start: at - n, length: length + n, distance: at - from }
    }

    /// Two places at a time, the last one of each hash.
    fn fast(&mut self, content: &[u8], p: Parameters) -> Option<Match> {
        let step = p.target as usize + usize::from(p.target == 0) + 1;
        let first = self.first(p, self.end);
        let mut at = self.at;
        while at + 1 + MARGIN < self.end {
            let buckets = [at, at + 1].map(|at| bucket(content, at, p.shortest, p.hash));
            // Both are looked up before either is entered.
            let held = buckets.map(|b| self.hash.get(b).copied().unwrap_or(0) as usize);
            Self::swap(&mut self.hash, buckets[0], at);
            Self::swap(&mut self.hash, buckets[1], at + 1);
            self.found = at;
            if repeats(content, at + 2, self.last[0]) {
                let more = content.get(at + 1) == content.get((at + 1).wrapping_sub(self.last[0]));
                let start = at + 2 - usize::from(more);
                let length = start + equal(content, start, self.last[0], self.end) - start;
                return Some(Match { start, length, distance: 0 });
            }
            for (at, index) in [(at, held[0]), (at + 1, held[1])] {
                if index > first + 1 && repeats(content, at, (at + 1).wrapping_sub(index)) {
                    return Some(self.back(content, at, index - 1, 4, first));
                }
            }
            at += ((at - self.anchor) >> 7) + step;
        }
        self.at = at;
        None
    }

    /// Eight bytes first, then few; the last place of each hash.
    fn double(&mut self, content: &[u8], p: Parameters) -> Option<Match> {
        let first = self.first(p, self.end);
        let mut at = self.at;
        while at + MARGIN < self.end {
            self.found = at;
            let long = Self::swap(&mut self.hash, bucket(content, at, 8, p.hash), at) as usize;
            let short = Self::swap(&mut self.chain, bucket(content, at, p.shortest, p.chain), at) as usize;
            if repeats(content, at + 1, self.last[0]) {
                let length = 4 + equal(content, at + 5, self.last[0], self.end);
                return Some(Match { start: at + 1, length, distance: 0 });
            }
            // A place ahead stands in the tables where others ended a match sooner than this search.
            if long > first + 1 && long <= at && eight(content, long - 1) == eight(content, at) {
                return Some(self.back(content, at, long - 1, 8, first));
            }
            if short > first + 1 && repeats(content, at, (at + 1).wrapping_sub(short)) {
                let next = Self::swap(&mut self.hash, bucket(content, at + 1, 8, p.hash), at + 1) as usize;
                if next > first + 1 && next <= at + 1 && eight(content, next - 1) == eight(content, at + 1) {
                    return Some(self.back(content, at + 1, next - 1, 8, first));
                }
                return Some(self.back(content, at, short - 1, 4, first));
            }
            at += ((at - self.anchor) >> 8) + 1;
        }
        self.at = at;
        None
    }

    /// The longest match of a chain, that of the place itself or (`depth`) of one or two behind it.
    fn lazy(&mut self, content: &[u8], p: Parameters, depth: u32) -> Option<Match> {
        let mut at = self.at;
        while at + MARGIN < self.end {
            let mut best = Match { start: at + 1, length: 0, distance: 0 };
            if repeats(content, at + 1, self.last[0]) {
                best.length = 4 + equal(content, at + 5, self.last[0], self.end);
                self.work = self.work.saturating_sub(best.length);
                if depth == 0 {
                    return Some(best);
                }
            }
            let longest = self.longest(content, p, at);
            if longest.length > best.length {
                best = longest;
            }
            if best.length < 4 {
                at += ((at - self.anchor) >> 8) + 1;
                continue;
            }
            let mut ahead = 0;
            while ahead < depth && at + MARGIN < self.end {
                at += 1;
                ahead += 1;
                // What a later start has to gain, by how far ahead it is.
                let (times, more) = if ahead == 1 { (3, 4) } else { (4, 7) };
                if best.distance > 0 && repeats(content, at, self.last[0]) {
                    let length = 4 + equal(content, at + 4, self.last[0], self.end);
                    self.work = self.work.saturating_sub(length);
                    if length as i64 * times > best.length as i64 * times - best.bits() + 1 {
                        best = Match { start: at, length, distance: 0 };
                    }
                }
                let later = self.longest(content, p, at);
                let gain = later.length as i64 * 4 - later.bits();
                if later.length >= 4 && gain > best.length as i64 * 4 - best.bits() + more {
                    best = later;
                    ahead = 0;
                }
            }
            if best.distance > 0 {
                let first = self.first(p, self.from);
                let from = best.start - best.distance;
                return Some(self.back_from(content, best, from, first));
            }
            return Some(best);
        }
        self.at = at;
        None
    }

    fn back_from(&self, content: &[u8], found: Match, from: usize, first: usize) -> Match {
        let Match { start, length, distance } = found;
        let mut n = 0;
        while start - n > self.anchor
            && from - n > first
            && content.get(start - n - 1) == content.get(from - n - 1)
        {
            n += 1;
        }
        Match { start: start - n, length: length + n, distance }
    }

    /// The longest match at a place, the nearest of these; length 3 for none.
    fn longest(&mut self, content: &[u8], p: Parameters, at: usize) -> Match {
        let shortest = p.shortest.clamp(4, 6);
        let mask = self.chain.len().wrapping_sub(1);
        let index = at + 1;
        while self.next < index {
            let i = self.next;
            let before = Self::swap(&mut self.hash, bucket(content, i - 1, shortest, p.hash), i - 1);
            if let Some(cell) = self.chain.get_mut(i & mask) {
                *cell = before;
            }
            self.next += 1;
        }
        self.next = self.next.max(index);
        let low = self.first(p, at) + 1 + usize::from(p.old);
        let end_of_chain = index.saturating_sub(self.chain.len());
        let mut i = self.hash.get(bucket(content, at, shortest, p.hash)).copied().unwrap_or(0) as usize;
        let mut best = Match { start: at, length: 3, distance: 999_999_999 };
        let mut attempts = 1u32 << p.search;
        while i >= low && i < index && attempts > 0 {
            self.work = self.work.saturating_sub(1);
            if content.get(i - 1 + best.length) == content.get(at + best.length) {
                let length = equal(content, at, index - i, self.end);
                self.work = self.work.saturating_sub(length);
                if length > best.length {
                    best = Match { start: at, length, distance: index - i };
                    if at + length >= self.end {
                        break;
                    }
                }
            }
            if i <= end_of_chain {
                break;
            }
            i = self.chain.get(i & mask).copied().unwrap_or(0) as usize;
            attempts -= 1;
        }
        best
    }
}
