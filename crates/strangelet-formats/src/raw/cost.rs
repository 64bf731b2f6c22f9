//! What bytes would cost an adaptive coder, in integers: the same answer on every machine.

use std::sync::LazyLock;

/// Fraction bits of a cost: a unit is 1/4096 bit.
pub const BIT: u64 = 1 << 12;

/// log2(1 + i/4096) in units, by squaring.
static MANTISSA: LazyLock<Vec<u16>> = LazyLock::new(|| {
    (0..4096u64)
        .map(|i| {
            let (mut x, mut bits) = ((4096 + i) << 18, 0u16); // 1.0 is 1 << 30
            for _ in 0..12 {
                x = (x * x) >> 30;
                bits <<= 1;
                if x >= 2 << 30 {
                    x >>= 1;
                    bits |= 1;
                }
            }
            bits
        })
        .collect()
});

/// Base-2 logarithm in units; 0 for 0.
pub fn log2(x: u64) -> u64 {
    if x < 2 {
        return 0;
    }
    let top = x.ilog2();
    let mantissa = if top >= 12 { x >> (top - 12) } else { x << (12 - top) } & 4095;
    u64::from(top) * BIT + u64::from(MANTISSA[mantissa as usize])
}

/// Counts of bytes in a number of contexts, which learn as they are asked.
pub struct Counts {
    seen: Vec<[u32; 257]>,
}

impl Counts {
    /// Nothing seen in any context.
    pub fn new(contexts: usize) -> Self {
        Counts { seen: vec![[0; 257]; contexts] }
    }

    /// Cost of a byte in a context, before it is learnt.
    pub fn cost(&mut self, context: usize, byte: u8) -> u64 {
        let Some(seen) = self.seen.get_mut(context) else { return 8 * BIT };
        // A sixteenth of a count for what was never seen.
        let cost = log2(u64::from(seen[256]) * 16 + 256) - log2(u64::from(seen[byte as usize]) * 16 + 1);
        seen[byte as usize] += 1;
        seen[256] += 1;
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_right() {
        for x in [1u64, 2, 3, 5, 17, 1000, 4096, 123_456_789, u64::MAX] {
            let expected = (x as f64).log2() * BIT as f64;
            assert!((log2(x) as f64 - expected).abs() < 4.0, "{x}");
        }
    }

    #[test]
    fn what_repeats_is_cheap() {
        let mut counts = Counts::new(1);
        let total: u64 = (0..1000).map(|_| counts.cost(0, 7)).sum();
        assert!(total < 200 * BIT, "{total}");
        let mut counts = Counts::new(1);
        let total: u64 = (0..10_000u32).map(|i| counts.cost(0, (i * 77) as u8)).sum();
        assert!(total / BIT > 79_000, "{total}");
    }
}
