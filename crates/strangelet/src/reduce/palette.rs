//! Few integers for many: intervals of magnitudes, each with one that stands for it.
//!
//! Where each cell is bound, an interval is allowed if one number lies within the bound of both its ends. Among all ways to
//! cut the magnitudes that occur into allowed intervals, the one of least entropy is found (dynamic programming); of
//! numbers that may stand for an interval, the nearest to its median is taken.

use super::measure::holds;
use crate::format::Bound;
use crate::infer::math::{exp, log2};
use std::collections::BTreeMap;

/// How often each magnitude occurs.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Of small ones.
    few: Vec<u64>,
    many: BTreeMap<u32, u64>,
}

/// Magnitudes below this are counted in an array.
const SMALL: usize = 1 << 16;

impl Counts {
    /// One more.
    pub fn add(&mut self, magnitude: u32) {
        if (magnitude as usize) < SMALL {
            if self.few.is_empty() {
                self.few = vec![0; SMALL];
            }
            self.few[magnitude as usize] += 1;
        } else {
            *self.many.entry(magnitude).or_default() += 1;
        }
    }

    /// Magnitudes with their counts, ascending.
    pub fn sorted(&self) -> Vec<(u32, u64)> {
        let few = self.few.iter().enumerate().filter(|(_, n)| **n > 0).map(|(m, n)| (m as u32, *n));
        few.chain(self.many.iter().map(|(m, n)| (*m, *n))).collect()
    }
}

/// An interval of magnitudes and what stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The least magnitude.
    pub first: u32,
    /// The greatest.
    pub last: u32,
    /// What stands for all of them; between the two.
    pub point: u32,
}

/// Intervals, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Palette {
    /// The intervals.
    pub intervals: Vec<Interval>,
}

/// Magnitudes up to which all ways to cut them are looked at.
const ALL_WAYS: usize = 1 << 12;

impl Palette {
    /// The number of the interval that a magnitude is in.
    pub fn find(&self, magnitude: u32) -> Option<usize> {
        let i = self.intervals.partition_point(|i| i.last < magnitude);
        self.intervals.get(i).filter(|x| x.first <= magnitude).map(|_| i)
    }

    /// What stands for a magnitude.
    pub fn nearest(&self, magnitude: u32) -> Option<u32> {
        self.find(magnitude).map(|i| self.intervals[i].point)
    }

    /// The palette of least entropy in which each magnitude is within the bound.
    pub fn within(bound: &Bound, counts: &[(u32, u64)]) -> Palette {
        // The range of points that each magnitude allows.
        let reach: Vec<(u32, u32)> = counts.iter().map(|&(m, _)| reach(bound, m)).collect();
        let n = counts.len();
        let mut starts = Vec::new();
        if n > ALL_WAYS {
            // As few as can be, from below.
            let mut at = 0;
            while at < n {
                starts.push(at);
                let top = reach[at].1;
                at += reach[at..].partition_point(|r| r.0 <= top).max(1);
            }
        } else {
            let total = counts.iter().map(|c| c.1).sum::<u64>() as f64;
            let mut best = vec![(f64::INFINITY, 0); n + 1];
            best[0] = (0.0, 0);
            for i in 0..n {
                let mut sum = 0u64;
                for j in i..n {
                    if reach[j].0 > reach[i].1 {
                        break;
                    }
                    sum += counts[j].1;
                    // A few bits for the interval itself.
                    let bits = sum as f64 * -log2(sum as f64 / total) + 8.0;
                    if best[i].0 + bits < best[j + 1].0 {
                        best[j + 1] = (best[i].0 + bits, i);
                    }
                }
            }
            let mut at = n;
            while at > 0 {
                at = best[at].1;
                starts.push(at);
            }
            starts.reverse();
        }
        starts.push(n);
        let interval = |w: &[usize]| {
            let part = &counts[w[0]..w[1]];
            let (low, high) = (reach[w[1] - 1].0, reach[w[0]].1);
            let point = median(part).max(low).min(high);
            Interval { first: part[0].0, last: part[part.len() - 1].0, point }
        };
        Palette { intervals: starts.windows(2).map(interval).collect() }
    }
}

/// The median of counted magnitudes.
pub fn median(part: &[(u32, u64)]) -> u32 {
    let half = part.iter().map(|c| c.1).sum::<u64>().div_ceil(2);
    let mut seen = 0;
    for &(m, n) in part {
        seen += n;
        if seen >= half {
            return m;
        }
    }
    0
}

/// Least and greatest number, both above zero, that may stand for a magnitude above zero.
fn reach(bound: &Bound, m: u32) -> (u32, u32) {
    let x = f64::from(m);
    let (low, high) = match *bound {
        Bound::Abs(v) => (x - v, x + v),
        Bound::Rel(v) => (x - v * x, x + v * x),
        Bound::Log2(v) => {
            let factor = exp(v * std::f64::consts::LN_2);
            ((x + 1.0) / factor - 1.0, (x + 1.0) * factor - 1.0)
        }
        _ => (1.0, f64::from(u32::MAX)),
    };
    // Where rounding decides, the bound itself does.
    let (mut low, mut high) = ((low.floor().max(1.0) as u32).min(m), (high.ceil() as u32).max(m));
    while low < m && !holds(bound, x, f64::from(low)) {
        low += 1;
    }
    while high > m && !holds(bound, x, f64::from(high)) {
        high -= 1;
    }
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_within_the_bound() {
        let counts: Vec<(u32, u64)> = (1..3000).map(|m| (m, u64::from(3000 - m) + 1)).collect();
        for bound in [Bound::Abs(0.0), Bound::Abs(3.0), Bound::Log2(0.1), Bound::Rel(0.02), Bound::Log2(4.0)]
        {
            let palette = Palette::within(&bound, &counts);
            for &(m, _) in &counts {
                let y = palette.nearest(m).unwrap();
                assert!(y > 0 && holds(&bound, f64::from(m), f64::from(y)), "{bound:?} {m} {y}");
            }
            assert!(palette.intervals.len() <= counts.len());
        }
        assert_eq!(Palette::within(&Bound::Abs(0.0), &counts).intervals.len(), 2999);
        // 7 magnitudes an interval, and not one interval more
        assert_eq!(Palette::within(&Bound::Abs(3.0), &counts).intervals.len(), 2999usize.div_ceil(7));
    }

    #[test]
    fn many_magnitudes_are_cut_from_below() {
        let counts: Vec<(u32, u64)> = (1..100_000).map(|m| (m, 1)).collect();
        let palette = Palette::within(&Bound::Abs(4.0), &counts);
        assert_eq!(palette.intervals.len(), 99_999usize.div_ceil(9));
        assert!(palette.nearest(99_999).is_some_and(|y| y.abs_diff(99_999) <= 4));
        assert_eq!(palette.nearest(200_000), None);
    }

    #[test]
    fn a_steep_spectrum_moves_the_cuts() {
        // nearly all at 10 and 11: they belong together, wherever a fixed grid would cut
        let counts = [(9, 1), (10, 1000), (11, 1000), (12, 1), (13, 1)];
        let palette = Palette::within(&Bound::Abs(0.5), &counts);
        assert_eq!(palette.intervals.len(), 5);
        let palette = Palette::within(&Bound::Abs(1.0), &counts);
        assert_eq!(palette.find(10), palette.find(11));
    }
}
