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

/// Counts that have their sums in a table.
const TABLED: usize = 1 << 16;

/// Sums of the logarithms that `n` bytes of a context cost (each by how many there were before), and those that
/// are paid back for the `n`-th time of the same byte.
struct Sums {
    spent: Vec<u64>,
    back: Vec<u64>,
}

/// A sixteenth of a count for what was never seen.
fn spent(before: usize) -> u64 {
    log2(before as u64 * 16 + 256)
}

fn back(before: usize) -> u64 {
    log2(before as u64 * 16 + 1)
}

static SUMS: LazyLock<Sums> = LazyLock::new(|| {
    let sums = |f: fn(usize) -> u64| {
        let next = |sum: &mut u64, n: usize| {
            let before = *sum;
            *sum += f(n);
            Some(before)
        };
        (0..=TABLED).scan(0, next).collect()
    };
    Sums { spent: sums(spent), back: sums(back) }
});

fn sum(table: &[u64], f: fn(usize) -> u64, n: usize) -> u64 {
    let tabled = n.min(TABLED);
    table[tabled] + (tabled..n).map(f).sum::<u64>()
}

/// Counts of bytes in a number of contexts. What the bytes cost a coder that learns as it goes does not
/// depend on their order.
pub struct Counts {
    seen: Vec<[u32; 256]>,
}

impl Counts {
    /// Nothing seen in any context.
    pub fn new(contexts: usize) -> Self {
        Counts { seen: vec![[0; 256]; contexts] }
    }

    /// Counts a byte of a context (one of those there are).
    pub fn add(&mut self, context: usize, byte: u8) {
        if let Some(seen) = self.seen.get_mut(context) {
            seen[byte as usize] += 1;
        }
    }

    /// Cost of the bytes of each context.
    pub fn costs(&self) -> impl Iterator<Item = u64> {
        let cost = |seen: &[u32; 256]| {
            let all = seen.iter().map(|&n| n as usize).sum();
            let repaid: u64 =
                seen.iter().filter(|n| **n > 0).map(|&n| sum(&SUMS.back, back, n as usize)).sum();
            sum(&SUMS.spent, spent, all) - repaid
        };
        self.seen.iter().map(cost)
    }

    /// Cost of all bytes.
    pub fn cost(&self) -> u64 {
        self.costs().sum()
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

    fn cost(bytes: impl Iterator<Item = u8>) -> u64 {
        let mut counts = Counts::new(1);
        bytes.for_each(|b| counts.add(0, b));
        counts.cost()
    }

    #[test]
    fn what_repeats_is_cheap() {
        let total = cost((0..1000).map(|_| 7));
        assert!(total < 200 * BIT, "{total}");
        let total = cost((0..10_000u32).map(|i| (i * 77) as u8));
        assert!(total / BIT > 79_000, "{total}");
    }

    #[test]
    fn sums_are_those_of_learning_byte_by_byte() {
        let bytes = || (0..TABLED as u32 + 999).map(|i| (i.wrapping_mul(i) >> 7) as u8 & 3);
        let mut seen = [0; 256];
        let mut each = 0;
        for (all, b) in bytes().enumerate() {
            each += spent(all) - back(seen[b as usize]);
            seen[b as usize] += 1;
        }
        assert_eq!(cost(bytes()), each);
    }
}
