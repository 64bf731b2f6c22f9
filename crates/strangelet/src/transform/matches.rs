//! Long repeats within bytes.

/// A run of literals, then a copy of earlier bytes. The last one copies nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy {
    /// Bytes before the copy that are no part of one.
    pub literals: u32,
    /// Bytes of the copy; 0 in the last item only.
    pub len: u32,
    /// How far back the copy starts.
    pub distance: u32,
}

const NONE: u32 = u32::MAX;
/// Bytes that are hashed: no shorter copy is found.
pub const SHORTEST: usize = 8;

fn read8(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).map_or(0, |b| u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
}

/// Length of the common start of two places, the second one being later.
fn common(bytes: &[u8], a: usize, b: usize) -> usize {
    let most = bytes.len() - b;
    let mut n = 0;
    while n + 8 <= most {
        let x = read8(bytes, a + n) ^ read8(bytes, b + n);
        if x != 0 {
            return n + x.trailing_zeros() as usize / 8;
        }
        n += 8;
    }
    while n < most && bytes[a + n] == bytes[b + n] {
        n += 1;
    }
    n
}

/// Finds copies of at least `least` bytes, looking at up to `tries` earlier places each. Fewer than
/// 2^32 - 1 bytes.
pub fn find(bytes: &[u8], least: usize, tries: usize) -> Vec<Copy> {
    let least = least.max(SHORTEST);
    let bits = (usize::BITS - bytes.len().leading_zeros()).clamp(8, 17);
    let slot = |at: usize| (read8(bytes, at).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - bits)) as usize;
    let (mut heads, mut before) = (vec![NONE; 1 << bits], vec![NONE; bytes.len()]);
    let mut copies = Vec::new();
    let (mut at, mut start) = (0, 0); // start: of the literals
    let mut last = 0usize; // distance
    let end = bytes.len().saturating_sub(SHORTEST - 1);
    let best_at = |at: usize, heads: &[u32], before: &[u32], last: usize| -> (usize, usize) {
        let (mut len, mut distance) = (0, 0);
        if last > 0 && at >= last {
            len = common(bytes, at - last, at);
            distance = last;
        }
        let mut place = heads[slot(at)];
        for _ in 0..tries {
            if place == NONE {
                break;
            }
            let from = place as usize;
            // longer than the best only if the byte behind the best agrees
            if at + len < bytes.len() && bytes[from + len] == bytes[at + len] {
                let n = common(bytes, from, at);
                if n > len + 2 || (n > len && len < least) {
                    (len, distance) = (n, at - from);
                }
            }
            place = before[from];
        }
        (len, distance)
    };
    let insert = |at: usize, heads: &mut [u32], before: &mut [u32]| {
        let s = slot(at);
        before[at] = heads[s];
        heads[s] = at as u32;
    };
    while at < end {
        let (mut len, mut distance) = best_at(at, &heads, &before, last);
        insert(at, &mut heads, &mut before);
        if len < least {
            at += 1;
            continue;
        }
        // a longer one may start at the next byte
        if len < 256 && at + 1 < end {
            let (n, d) = best_at(at + 1, &heads, &before, last);
            if n > len + 1 {
                insert(at + 1, &mut heads, &mut before);
                (at, len, distance) = (at + 1, n, d);
            }
        }
        // the copy may reach back into the literals
        while at > start && at > distance && bytes[at - 1] == bytes[at - distance - 1] {
            at -= 1;
            len += 1;
        }
        copies.push(Copy { literals: (at - start) as u32, len: len as u32, distance: distance as u32 });
        last = distance;
        let next = at + len;
        let step = if len > 64 { 4 } else { 1 };
        let mut inner = at + 1;
        while inner < next.min(end) {
            if before[inner] == NONE && heads[slot(inner)] != inner as u32 {
                insert(inner, &mut heads, &mut before);
            }
            inner += step;
        }
        (at, start) = (next, next);
    }
    copies.push(Copy { literals: (bytes.len() - start) as u32, len: 0, distance: 0 });
    copies
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn replay(bytes: &[u8], copies: &[Copy]) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::new();
        for c in copies {
            out.extend(&bytes[out.len()..out.len() + c.literals as usize]);
            for _ in 0..c.len {
                out.push(out[out.len() - c.distance as usize]);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn copies_give_the_bytes(
            parts in proptest::collection::vec((0usize..6, 0usize..40), 0..60), least in 0usize..40,
        ) {
            let words: Vec<Vec<u8>> = (0..6u8).map(|w| (0..40).map(|i| i * (w + 1) % (7 + w)).collect()).collect();
            let bytes: Vec<u8> = parts.iter().flat_map(|&(w, n)| words[w][..n].to_vec()).collect();
            let copies = find(&bytes, least, 8);
            prop_assert_eq!(replay(&bytes, &copies), bytes);
            prop_assert_eq!(copies[copies.len() - 1].len, 0);
            for c in &copies[..copies.len() - 1] {
                prop_assert!(c.len as usize >= least.max(SHORTEST) && c.distance > 0);
            }
        }
    }

    #[test]
    fn finds_what_repeats() {
        let bytes: Vec<u8> = b"0123456789abcdef-0123456789abcdef".to_vec();
        assert_eq!(find(&bytes, 12, 4)[0], Copy { literals: 17, len: 16, distance: 17 });
    }
}
