//! Bit histories: what was seen behind a context, in one byte.
//!
//! A state is (zeros, ones, last): bits seen, and whether the last one was a one (false while one of the counts is
//! 0). A bit adds one to its own count; the other count n > 2 becomes floor(log2 n) + 1. Then, where the bit's own
//! count is not the smaller one, the other is at most 5, and it at most `MOST` of the other; else the other at most
//! `MOST` of it. States are numbered as they are met, from (0, 0, false) = 0 on, state after state, zeros before
//! ones.

/// Most of the more frequent bit that is counted, by the number of the other one.
const MOST: [u8; 6] = [32, 20, 12, 8, 6, 5];

/// What a state stands for.
#[derive(Clone, Copy)]
struct Seen {
    zeros: u8,
    ones: u8,
    last: bool,
}

/// The states and where they lead.
struct States {
    next: [[u8; 2]; 256],
    seen: [Seen; 256],
}

static STATES: States = states();

const fn after(s: Seen, bit: bool) -> Seen {
    let (mut same, mut other) = if bit { (s.ones, s.zeros) } else { (s.zeros, s.ones) };
    if other > 2 {
        other = other.ilog2() as u8 + 1;
    }
    same += 1;
    // the larger one is bounded by the smaller one
    if same >= other {
        if other > 5 {
            other = 5;
        }
        if same > MOST[other as usize] {
            same = MOST[other as usize];
        }
    } else if other > MOST[same as usize] {
        other = MOST[same as usize];
    }
    let last = bit && other > 0;
    if bit { Seen { zeros: other, ones: same, last } } else { Seen { zeros: same, ones: other, last } }
}

const fn states() -> States {
    let none = Seen { zeros: 0, ones: 0, last: false };
    let mut s = States { next: [[0; 2]; 256], seen: [none; 256] };
    let (mut known, mut at) = (1, 0);
    while at < known {
        let mut bit = 0;
        while bit < 2 {
            let to = after(s.seen[at], bit == 1);
            let mut i = 1;
            while i < known {
                let x = s.seen[i];
                if x.zeros == to.zeros && x.ones == to.ones && x.last == to.last {
                    break;
                }
                i += 1;
            }
            if i == known {
                s.seen[i] = to;
                known += 1;
            }
            s.next[at][bit] = i as u8;
            bit += 1;
        }
        at += 1;
    }
    s
}

/// The state behind a bit.
#[inline(always)]
pub fn next(state: u8, bit: bool) -> u8 {
    STATES.next[state as usize][bit as usize]
}

/// How much a state knows: what is thrown away first.
#[inline(always)]
pub fn weight(state: u8) -> u32 {
    let s = STATES.seen[state as usize];
    s.zeros as u32 + s.ones as u32
}

/// A first guess of the probability of a one, of 65536.
pub fn guess(state: u8) -> u32 {
    let s = STATES.seen[state as usize];
    let (n0, n1) = (s.zeros as u32, s.ones as u32);
    (65536 * (5 * n1 + 2)) / (5 * (n0 + n1) + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_count_and_forget() {
        let after = |bits: &str| bits.chars().fold(0, |s, b| next(s, b == '1'));
        assert_eq!((weight(0), guess(0)), (0, 32768));
        assert_eq!(weight(after("0010")), 4);
        assert_ne!(after("01"), after("10"));
        // a long run is remembered as such, and mostly forgotten at its end
        let run = after(&"1".repeat(40));
        assert_eq!(weight(run), 32);
        assert!(guess(run) > 64000);
        assert_eq!(weight(next(run, false)), 1 + 6);
        // from any state on, enough of one bit makes it likely
        for s in 0..=255u8 {
            let mut s = s;
            (0..40).for_each(|_| s = next(s, false));
            assert!(guess(s) < 12000, "{s}");
        }
    }
}
