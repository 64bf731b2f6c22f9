//! Huffman codes as zlib chooses them.
//!
//! Many codes are equally short; which of them is taken shows in the bytes. zlib merges the two
//! rarest nodes of a binary heap, takes the shallower of two equally rare ones, and shortens codes
//! that grow too long by moving leaves of the longest lengths.

/// Symbols of the literal and length alphabet, the last two never used.
pub(super) const LITERALS: usize = 288;
/// Symbols of the distance alphabet, the last two never used.
pub(super) const DISTANCES: usize = 32;
/// Symbols of the alphabet that code lengths are written in.
pub(super) const LENGTHS: usize = 19;

/// Heap and nodes need less than this; a power of two, so that masked indices need no check.
const ROOM: usize = 1 << 10;
/// Where the depth begins in an entry of the heap: above the number of the node.
const DEPTH: u32 = 10;
/// Where the frequency begins: above the depth.
const FREQUENCY: u32 = 15;
/// The number of the node.
const NODE: u32 = (1 << DEPTH) - 1;

/// A code.
#[derive(Clone)]
pub(super) struct Code<const N: usize> {
    /// Number of bits per symbol, 0 for one that does not occur.
    pub lengths: [u8; N],
    /// The bits, first bit lowest, and above 16 bits their number.
    words: [u32; N],
    /// The last symbol that has a code.
    pub last: usize,
}

impl<const N: usize> Code<N> {
    /// A code without symbols.
    pub const fn new() -> Self {
        Code { lengths: [0; N], words: [0; N], last: 0 }
    }

    /// The code that follows from the lengths (RFC 1951, 3.2.2).
    pub fn from_lengths(lengths: [u8; N]) -> Self {
        let mut code = Code { lengths, words: [0; N], last: N - 1 };
        code.fill();
        code
    }

    /// Sets the bits from the lengths.
    fn fill(&mut self) {
        let mut count = [0u16; 16];
        for &length in &self.lengths {
            count[usize::from(length & 15)] += 1;
        }
        count[0] = 0;
        let mut next = [0u16; 16];
        for length in 1..16 {
            next[length] = next[length - 1].wrapping_add(count[length - 1]) << 1;
        }
        for (word, &length) in self.words.iter_mut().zip(&self.lengths) {
            // Symbols without a code count up where nobody looks.
            let next = &mut next[usize::from(length & 15)];
            *word = u32::from(length) << 16 | u32::from(next.reverse_bits()) >> (16 - (length & 15));
            *next = next.wrapping_add(1);
        }
    }

    /// The bits of a symbol and their number.
    #[inline(always)]
    pub fn get(&self, symbol: usize) -> (u64, u32) {
        let word = self.words.get(symbol).copied().unwrap_or_default();
        ((word & 0xffff).into(), word >> 16)
    }
}

impl Code<LITERALS> {
    /// The fixed code of literals and lengths.
    pub fn fixed_literals() -> Self {
        let mut lengths = [8; LITERALS];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        Code::from_lengths(lengths)
    }
}

/// Room for building codes.
pub(super) struct Builder {
    /// Entries `frequency, depth, node`, a heap from index 1.
    heap: Box<[u32; ROOM]>,
    /// Nodes in the order in which they left the heap.
    order: Box<[u16; ROOM]>,
    parent: Box<[u16; ROOM]>,
    depth: Box<[u8; ROOM]>,
}

impl Builder {
    pub fn new() -> Self {
        Builder {
            heap: Box::new([0; ROOM]),
            order: Box::new([0; ROOM]),
            parent: Box::new([0; ROOM]),
            depth: Box::new([0; ROOM]),
        }
    }

    /// The code for these frequencies (their sum stays below 2^15) with lengths up to `limit`.
    pub fn build<const N: usize>(&mut self, frequencies: &[u16; N], limit: u8, code: &mut Code<N>) {
        let mut len = 0;
        code.last = 0;
        for (symbol, &frequency) in frequencies.iter().enumerate() {
            if frequency > 0 {
                len += 1;
                self.heap[len & (ROOM - 1)] = u32::from(frequency) << FREQUENCY | symbol as u32;
                code.last = symbol;
            }
        }
        // A code has at least two symbols: the lowest ones fill up.
        let mut none = len == 0;
        while len < 2 {
            let symbol = if none || code.last >= 2 { 0 } else { code.last + 1 };
            none = false;
            code.last = code.last.max(symbol);
            len += 1;
            self.heap[len] = 1 << FREQUENCY | symbol as u32;
        }
        // What stands behind the last entry loses every comparison.
        self.heap[(len + 1) & (ROOM - 1)] = u32::MAX;
        for at in (1..=len / 2).rev() {
            self.sink(at, len);
        }
        let mut node = N;
        let mut out = 0;
        while len >= 2 {
            let rarest = self.heap[1];
            self.heap[1] = self.heap[len & (ROOM - 1)];
            self.heap[len & (ROOM - 1)] = u32::MAX;
            len -= 1;
            self.sink(1, len);
            let second = self.heap[1];
            for entry in [rarest, second] {
                let child = entry & NODE;
                self.order[out & (ROOM - 1)] = child as u16;
                self.parent[child as usize] = node as u16;
                out += 1;
            }
            let frequency = (rarest >> FREQUENCY) + (second >> FREQUENCY);
            let depth = |entry: u32| entry >> DEPTH & 31;
            let depth = depth(rarest).max(depth(second)) + 1;
            self.heap[1] = frequency << FREQUENCY | depth << DEPTH | node as u32;
            self.depth[node & (ROOM - 1)] = 0;
            node += 1;
            self.sink(1, len);
        }
        self.lengths(out, limit, code);
        code.fill();
    }

    /// Moves the entry at `at` down to where both its children are larger.
    #[inline]
    fn sink(&mut self, mut at: usize, len: usize) {
        // The number of the node does not count: a tie goes to the entry on the left.
        let not_above = |a: u32, b: u32| a <= (b | NODE);
        let heap = &mut *self.heap;
        let entry = heap[at & (ROOM - 1)];
        let mut child = at * 2;
        while child <= len {
            let (left, right) = (heap[child & (ROOM - 1)], heap[(child + 1) & (ROOM - 1)]);
            let turn = not_above(right, left);
            let lesser = if turn { right } else { left };
            child += usize::from(turn);
            if not_above(entry, lesser) {
                break;
            }
            heap[at & (ROOM - 1)] = lesser;
            at = child;
            child *= 2;
        }
        heap[at & (ROOM - 1)] = entry;
    }

    /// Lengths from the tree, whose nodes but the root are `order[..count]`.
    fn lengths<const N: usize>(&mut self, count: usize, limit: u8, code: &mut Code<N>) {
        code.lengths = [0; N];
        let mut having = [0u16; 16];
        let mut too_long = 0i32;
        for &node in self.order[..count & (ROOM - 1)].iter().rev() {
            let node = usize::from(node) & (ROOM - 1);
            let mut depth = self.depth[usize::from(self.parent[node]) & (ROOM - 1)] + 1;
            if depth > limit {
                depth = limit;
                too_long += 1;
            }
            self.depth[node] = depth;
            if let Some(length) = code.lengths.get_mut(node) {
                *length = depth;
                having[usize::from(depth & 15)] += 1;
            }
        }
        if too_long == 0 {
            return;
        }
        // A leaf of a shorter length moves down and takes one of the too long ones as its brother.
        let limit = usize::from(limit & 15);
        while too_long > 0 {
            let Some(shorter) = (1..limit).rev().find(|&l| having[l] > 0) else { break };
            having[shorter] -= 1;
            having[shorter + 1] += 2;
            having[limit] = having[limit].wrapping_sub(1);
            too_long -= 2;
        }
        let mut leaves = self.order[..count & (ROOM - 1)].iter();
        for length in (1..=limit).rev() {
            for _ in 0..having[length] {
                let leaf = leaves.find(|&&node| usize::from(node) < N);
                if let Some(slot) = leaf.and_then(|&node| code.lengths.get_mut(usize::from(node))) {
                    *slot = length as u8;
                }
            }
        }
    }
}

/// How the lengths of a code are written: symbols 0 to 15 are lengths, 16 repeats the last one,
/// 17 and 18 are runs of zeros; the second value is the repeat count less the least one.
pub(super) fn runs(lengths: &[u8], out: &mut Vec<(u8, u8)>) {
    for run in lengths.chunk_by(|a, b| a == b) {
        let length = run[0];
        let mut left = run.len();
        let mut fresh = true;
        while left > 0 {
            let (most, least) = match (length, fresh) {
                (0, _) => (138, 3),
                (_, true) => (7, 4),
                (_, false) => (6, 3),
            };
            let mut count = left.min(most);
            left -= count;
            if count < least {
                out.extend(std::iter::repeat_n((length, 0), count));
            } else if length != 0 {
                if fresh {
                    out.push((length, 0));
                    count -= 1;
                }
                out.push((16, count as u8 - 3));
            } else if count <= 10 {
                out.push((17, count as u8 - 3));
            } else {
                out.push((18, count as u8 - 11));
            }
            fresh = false;
        }
    }
}
