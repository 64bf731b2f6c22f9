//! Which table zstd takes for the codes of a block: by simple rules, or by what each would cost.

use super::fse::Distribution;

/// A table to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Fixed,
    Again,
    Own,
}

/// Strategies below 4: by counts alone.
pub(super) fn quick(counts: &[u32], total: usize, fixed_log: u32, strategy: u8, fixed: bool) -> Choice {
    let most = counts.iter().copied().max().unwrap_or(0) as usize;
    let least = ((10 - usize::from(strategy)) << fixed_log) >> 3;
    if fixed && (total < least || most < total >> (fixed_log - 1)) { Choice::Fixed } else { Choice::Own }
}

/// Strategies from 4 on: what costs the least.
pub(super) fn careful(
    counts: &[u32],
    total: usize,
    fixed: Option<Distribution>,
    before: Option<&Distribution>,
    own: Option<&Distribution>,
) -> Choice {
    let fixed = fixed.map_or(u64::MAX, |f| crossed(&f, counts));
    let again = before.and_then(|b| coded(b, counts)).unwrap_or(u64::MAX);
    let own = own.map_or(u64::MAX, |own| {
        let mut description = Vec::new();
        own.write(&mut description);
        description.len() as u64 * 8 + entropy(counts, total)
    });
    if fixed <= again && fixed <= own {
        Choice::Fixed
    } else if again <= own {
        Choice::Again
    } else {
        Choice::Own
    }
}

/// -log2(n / 256) in 1/256 bits, rounded down; 0 for 0.
fn inverse(n: u64) -> u64 {
    if n == 0 || n >= 256 {
        return 0;
    }
    // log2 by squaring: eight bits behind the point, and whether anything is left.
    let whole = n.ilog2();
    let (mut x, mut fraction) = (n << (31 - whole), 0u64);
    for _ in 0..8 {
        x = (x * x) >> 31;
        fraction <<= 1;
        if x >= 1 << 32 {
            x >>= 1;
            fraction |= 1;
        }
    }
    2048 - (u64::from(whole) << 8 | fraction) - u64::from(!n.is_power_of_two())
}

/// Bits for codes that occur so often, with the table.
fn crossed(table: &Distribution, counts: &[u32]) -> u64 {
    let each = |(&n, &c): (&u32, &i16)| {
        u64::from(n) * inverse(u64::from(c.unsigned_abs()) << 8u32.saturating_sub(table.log))
    };
    counts.iter().zip(&table.counts).map(each).sum::<u64>() >> 8
}

/// Bits for codes that occur so often, at best.
fn entropy(counts: &[u32], total: usize) -> u64 {
    let each = |&n: &u32| u64::from(n) * inverse((256 * u64::from(n) / total as u64).max(u64::from(n > 0)));
    counts.iter().map(each).sum::<u64>() >> 8
}

/// Bits for codes that occur so often, as the table's states would take them. None where one has no place.
fn coded(table: &Distribution, counts: &[u32]) -> Option<u64> {
    let mut cost = 0;
    for (s, &n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
        let count = table.counts.get(s).map_or(0, |c| u64::from(c.unsigned_abs()));
        if count == 0 {
            return None;
        }
        // A state needs `most` bits, or one less above a threshold; between them in proportion.
        let most = if count == 1 { table.log } else { table.log - (count as u32 - 1).ilog2() };
        let above = (count << most) - (1 << table.log);
        cost += u64::from(n) * ((u64::from(most) << 8) - ((above << 8) >> table.log));
    }
    Some(cost >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_rounded_down() {
        for n in 1..256u64 {
            let exact = -(n as f64 / 256.0).log2() * 256.0;
            assert_eq!(inverse(n), exact.floor() as u64, "{n}");
        }
    }
}
