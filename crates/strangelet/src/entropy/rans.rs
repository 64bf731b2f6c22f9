//! Interleaved range asymmetric numeral systems: static frequencies, quick both ways.
//!
//! # Stream
//! Frequencies add up to 4096. There are 4 states (1 for fewer than [`WIDE`] symbols); symbol i belongs
//! to state i mod 4. A state x holds 2^16 <= x < 2^32. Decoding a symbol: slot = x mod 4096 lies within the
//! symbol's interval `start .. start + freq`; x = freq * (x >> 12) + slot - start; if x < 2^16, then x = x * 65536 +
//! the next two bytes (little-endian). The stream starts with the states (four bytes each, little-endian);
//! behind its last byte come zeros.

/// Sum of the frequencies, as a power of two.
pub const SCALE: u32 = 12;
/// From this many symbols on there are four states.
pub const WIDE: usize = 1024;

const LOW: u32 = 1 << 16;

/// Frequencies that add up to 4096, none of them zero, from counts that are not zero. At most 256 of them.
pub fn normalise(counts: &[u32]) -> Vec<u32> {
    let total: u64 = counts.iter().map(|&c| c as u64).sum::<u64>().max(1);
    let mut freqs: Vec<u32> =
        counts.iter().map(|&c| (((c as u64) << SCALE) / total).clamp(1, 1 << SCALE) as u32).collect();
    loop {
        let sum: u32 = freqs.iter().sum();
        let Some(most) = (0..freqs.len()).max_by_key(|&i| (freqs[i], usize::MAX - i)) else { return freqs };
        if sum <= 1 << SCALE {
            freqs[most] += (1 << SCALE) - sum;
            return freqs;
        }
        let over = sum - (1 << SCALE);
        freqs[most] -= over.min(freqs[most] / 2);
    }
}

fn states(symbols: usize) -> usize {
    if symbols < WIDE { 1 } else { 4 }
}

/// What coding a symbol of frequency f takes.
#[derive(Clone, Copy, Default)]
struct Step {
    /// 2^64 / f, rounded up (2^64 - 1 for 1): its product with a state is the quotient by f above 64 bits.
    inverse: u64,
    /// States from here on give two bytes away first.
    limit: u64,
    /// 4096 - f.
    rest: u32,
    /// The start of the interval, and 4095 for f = 1, where the quotient is one too few.
    start: u32,
}

impl Step {
    fn new(f: u32, start: u32) -> Step {
        let limit = (f as u64) << (32 - SCALE);
        let rest = (1 << SCALE) - f;
        match f {
            0 | 1 => Step { inverse: u64::MAX, limit, rest, start: start + (1 << SCALE) - 1 },
            _ => Step { inverse: u64::MAX / f as u64 + 1, limit, rest, start },
        }
    }

    /// The state behind a symbol: (x / f) x 4096 + x mod f + start.
    #[inline(always)]
    fn apply(&self, x: &mut u32, words: &mut Vec<u16>) {
        if *x as u64 >= self.limit {
            words.push(*x as u16);
            *x >>= 16;
        }
        let quotient = ((*x as u128 * self.inverse as u128) >> 64) as u32;
        *x = x.wrapping_add(self.start).wrapping_add(quotient.wrapping_mul(self.rest));
    }
}

/// Codes symbols, each below the number of frequencies.
pub fn encode(symbols: &[u8], freqs: &[u32]) -> Vec<u8> {
    let mut steps = [Step::default(); 256];
    let mut sum = 0;
    for (step, &f) in steps.iter_mut().zip(freqs) {
        *step = Step::new(f, sum);
        sum += f;
    }
    let lanes = states(symbols.len());
    let mut x = [LOW; 4];
    let mut words: Vec<u16> = Vec::with_capacity(symbols.len());
    if lanes == 1 {
        symbols.iter().rev().for_each(|&s| steps[s as usize].apply(&mut x[0], &mut words));
    } else {
        let (fours, rest) = symbols.as_chunks::<4>();
        for (&s, x) in rest.iter().zip(&mut x).rev() {
            steps[s as usize].apply(x, &mut words);
        }
        let [mut a, mut b, mut c, mut d] = x;
        for four in fours.iter().rev() {
            steps[four[3] as usize].apply(&mut d, &mut words);
            steps[four[2] as usize].apply(&mut c, &mut words);
            steps[four[1] as usize].apply(&mut b, &mut words);
            steps[four[0] as usize].apply(&mut a, &mut words);
        }
        x = [a, b, c, d];
    }
    let mut out = Vec::with_capacity(words.len() * 2 + 16);
    x[..lanes].iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
    out.extend(words.iter().rev().flat_map(|w| w.to_le_bytes()));
    out
}

/// The symbols of a stream, and how many bytes it took. Any bytes give some symbols, each below the
/// number of frequencies. The frequencies must add up to 4096.
pub fn decode(bytes: &[u8], freqs: &[u32], count: usize, out: &mut Vec<u8>) -> usize {
    // symbol, frequency - 1 and offset within the interval, by slot
    let mut table = [0u32; 1 << SCALE];
    let mut slot = 0;
    for (s, &f) in freqs.iter().enumerate() {
        for offset in 0..f {
            if let Some(t) = table.get_mut(slot) {
                *t = s as u32 | (f - 1) << 8 | offset << 20;
            }
            slot += 1;
        }
    }
    let lanes = states(count);
    let word = |at: usize| match bytes.get(at..at + 2) {
        Some(b) => u16::from_le_bytes([b[0], b[1]]) as u32,
        None => bytes.get(at).map_or(0, |&b| b as u32),
    };
    let mut next = lanes * 4;
    let mut x = [0u32; 4];
    for (i, x) in x.iter_mut().enumerate().take(lanes) {
        *x = word(4 * i) | word(4 * i + 2) << 16;
    }
    let step = |x: &mut u32, next: &mut usize| {
        let t = table[(*x & ((1 << SCALE) - 1)) as usize];
        *x = ((t >> 8 & 0xfff) + 1).wrapping_mul(*x >> SCALE).wrapping_add(t >> 20);
        if *x < LOW {
            *x = *x << 16 | word(*next);
            *next += 2;
        }
        t as u8
    };
    if lanes == 1 {
        out.extend((0..count).map(|_| step(&mut x[0], &mut next)));
        return next;
    }
    let [mut a, mut b, mut c, mut d] = x;
    for _ in 0..count / 4 {
        let four = [
            step(&mut a, &mut next),
            step(&mut b, &mut next),
            step(&mut c, &mut next),
            step(&mut d, &mut next),
        ];
        out.extend_from_slice(&four);
    }
    for x in [&mut a, &mut b, &mut c].into_iter().take(count % 4) {
        out.push(step(x, &mut next));
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn symbols_come_back(symbols in proptest::collection::vec(0u8..20, 0..5000), skew in 0u8..8) {
            let symbols: Vec<u8> = symbols.iter().map(|&s| s.saturating_sub(skew)).collect();
            let mut counts = vec![1u32; 20];
            symbols.iter().for_each(|&s| counts[s as usize] += 1);
            let freqs = normalise(&counts);
            prop_assert_eq!(freqs.iter().sum::<u32>(), 1 << SCALE);
            let mut bytes = encode(&symbols, &freqs);
            let len = bytes.len();
            bytes.extend([0xff; 8]);
            let mut back = Vec::new();
            prop_assert_eq!(decode(&bytes, &freqs, symbols.len(), &mut back), len);
            prop_assert_eq!(back, symbols);
        }

        #[test]
        fn any_bytes_decode(bytes in proptest::collection::vec(any::<u8>(), 0..100), n in 0usize..3000) {
            let mut out = Vec::new();
            decode(&bytes, &normalise(&[1, 5, 9]), n, &mut out);
            prop_assert_eq!(out.len(), n);
            prop_assert!(out.iter().all(|&s| s < 3));
        }

        #[test]
        fn frequencies_add_up(counts in proptest::collection::vec(1u32..1_000_000, 1..256)) {
            let f = normalise(&counts);
            prop_assert_eq!(f.iter().sum::<u32>(), 4096);
            prop_assert!(f.iter().all(|&f| f > 0));
        }
    }
}
