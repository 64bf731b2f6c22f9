//! Classes: a key as a small symbol that gets modelled and a suffix of bits that hardly can be.

use std::collections::HashMap;

/// How a key is cut into prefix and suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The suffix is the low `n` bits. For a float that is all but sign, exponent and the first bits of
    /// the mantissa; for 0 the prefix is the key itself.
    Linear(u32),
    /// The suffix is all below the leading one bit and the `m` bits behind it: for differences.
    Gamma(u32),
}

impl Cut {
    /// The prefix of a key.
    #[inline(always)]
    pub fn prefix(self, key: u64) -> u64 {
        match self {
            Cut::Linear(n) => key >> n,
            Cut::Gamma(m) => {
                if key >> m == 0 {
                    return key;
                }
                let e = 63 - key.leading_zeros();
                (((e - m + 1) as u64) << m) + ((key >> (e - m)) & ((1 << m) - 1))
            }
        }
    }

    /// Bits of the suffix behind a prefix, and the key whose suffix is zero. For prefixes that no key
    /// has the result is some key.
    #[inline(always)]
    pub fn base(self, prefix: u64) -> (u32, u64) {
        match self {
            Cut::Linear(n) => (n, prefix.wrapping_shl(n)),
            Cut::Gamma(m) => {
                if prefix >> m == 0 {
                    return (0, prefix);
                }
                let bits = ((prefix >> m) - 1).min(63) as u32;
                (bits, (1 << m | prefix & ((1 << m) - 1)).wrapping_shl(bits))
            }
        }
    }
}

/// From prefixes to their ranks among those in use.
pub enum Ranks {
    /// By subtraction and table.
    Table(u64, Vec<u16>),
    /// By search.
    Hash(HashMap<u64, u16>),
}

impl Ranks {
    /// For sorted prefixes.
    pub fn new(used: &[u64]) -> Ranks {
        let (first, last) = (used.first().copied().unwrap_or(0), used.last().copied().unwrap_or(0));
        if last - first < 1 << 16 {
            let mut table = vec![0; (last - first) as usize + 1];
            for (rank, p) in used.iter().enumerate() {
                table[(p - first) as usize] = rank as u16;
            }
            Ranks::Table(first, table)
        } else {
            Ranks::Hash(used.iter().enumerate().map(|(rank, &p)| (p, rank as u16)).collect())
        }
    }

    /// The rank of a prefix that is in use.
    #[inline(always)]
    pub fn rank(&self, prefix: u64) -> u16 {
        match self {
            Ranks::Table(first, table) => table.get((prefix - first) as usize).copied().unwrap_or(0),
            Ranks::Hash(map) => map.get(&prefix).copied().unwrap_or(0),
        }
    }
}

/// A binary tree over ranks in their order: frequent ranks are near the root, so that the number of
/// decisions a cell takes is about its entropy.
#[derive(Debug, Clone)]
pub struct Tree {
    nodes: Vec<Node>,
}

/// A decision: ranks from `split` on are a one.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    /// The first rank behind the decision's boundary.
    pub split: u16,
    /// Where to go, by the bit: a node, or `LEAF` + rank.
    pub next: [u16; 2],
}

/// Added to a rank where a decision leads to no further node.
pub const LEAF: u16 = 1 << 15;

impl Tree {
    /// A tree for `weights.len()` (1 ..= 32768) ranks. Each range of ranks is cut where the sums of the
    /// weights on both sides differ least (at the first such place).
    pub fn new(weights: &[u32]) -> Tree {
        let mut sums = Vec::with_capacity(weights.len() + 1);
        sums.push(0u64);
        for &w in weights {
            sums.push(sums[sums.len() - 1] + w as u64);
        }
        let mut nodes: Vec<Node> = Vec::with_capacity(weights.len());
        // Ranges of at least two ranks, with the place that waits for their node's number.
        type Range = (usize, usize, Option<(usize, usize)>);
        let mut todo: Vec<Range> = Vec::new();
        if weights.len() > 1 {
            todo.push((0, weights.len(), None));
        }
        while let Some((from, to, parent)) = todo.pop() {
            let both = sums[from] + sums[to];
            // the first boundary at or behind the middle of the weight, or the one before it
            let at = from + 1 + sums[from + 1..to].partition_point(|&s| 2 * s < both);
            let at = at.min(to - 1);
            let off = |i: usize| (2 * sums[i]).abs_diff(both);
            let at = if at > from + 1 && off(at - 1) <= off(at) { at - 1 } else { at };
            let number = nodes.len();
            nodes.push(Node { split: at as u16, next: [LEAF + from as u16, LEAF + (to - 1) as u16] });
            if let Some((node, bit)) = parent {
                nodes[node].next[bit] = number as u16;
            }
            if to - at > 1 {
                todo.push((at, to, Some((number, 1))));
            }
            if at - from > 1 {
                todo.push((from, at, Some((number, 0))));
            }
        }
        Tree { nodes }
    }

    /// The decisions; the root comes first. None for a single rank.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cuts_come_back(key: u64, n in 0u32..64, m in 0u32..8) {
            for cut in [Cut::Linear(n), Cut::Gamma(m)] {
                for key in [key, key >> 40, key >> 60] {
                    let (bits, base) = cut.base(cut.prefix(key));
                    let suffix = if bits == 0 { 0 } else { key & (u64::MAX >> (64 - bits)) };
                    prop_assert_eq!(base + suffix, key);
                }
            }
        }

        #[test]
        fn any_prefix_has_a_base(prefix: u64, n in 0u32..64, m in 0u32..8) {
            Cut::Linear(n).base(prefix);
            Cut::Gamma(m).base(prefix);
        }

        #[test]
        fn every_rank_has_its_leaf(weights in proptest::collection::vec(0u32..70000, 1..300)) {
            let tree = Tree::new(&weights);
            prop_assert_eq!(tree.nodes().len(), weights.len() - 1);
            for rank in 0..weights.len() as u16 {
                let (mut at, mut steps) = (if weights.len() == 1 { LEAF } else { 0 }, 0);
                while at < LEAF {
                    let node = tree.nodes()[at as usize];
                    at = node.next[(rank >= node.split) as usize];
                    steps += 1;
                    prop_assert!(steps < 300);
                }
                prop_assert_eq!(at - LEAF, rank);
            }
        }
    }
}
