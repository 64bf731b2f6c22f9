//! From bins to values: a hit's value is what the mask around it, the bins around it and its own bin say, added up.
//!
//! # Sums
//! Neighbours come in groups ([`groups`]): those that lie alike on either side count as one. A feature of a group is the number of
//! hits in it, another the sum of their bins; further ones are the hit's place in its run, its distance from the end, its phase and
//! its own bin (one each). The value is the sum of weight x feature, all integers, in 1/2^`fine` of log2(x + 1), kept within the
//! limits of its own bin.

use super::field::{ENDS, Field, Hit, MAX_PERIOD, PLACES, Step};
use crate::infer::math::exp;

/// Most bins.
pub const MAX_BINS: usize = 64;
/// Most that `fine` may be.
pub const MAX_FINE: u32 = 10;
/// Greatest size of a weight or limit.
pub const MAX_WEIGHT: i32 = 1 << 16;

/// Groups of neighbours that lie alike.
pub fn groups() -> Vec<Vec<Step>> {
    let mut groups = Vec::new();
    (-6..=6).filter(|&t| t != 0).for_each(|t| groups.push(vec![[0, 0, t]]));
    let mut mirrored = |layer: i8, pad: i8, times: std::ops::RangeInclusive<i8>| {
        for t in times {
            let mut group = Vec::new();
            for step in [[layer, pad, t], [-layer, pad, t], [layer, -pad, t], [-layer, -pad, t]] {
                if !group.contains(&step) {
                    group.push(step);
                }
            }
            groups.push(group);
        }
    };
    mirrored(0, 1, -4..=5);
    mirrored(0, 2, -3..=3);
    mirrored(0, 3, -1..=1);
    mirrored(1, 0, -2..=2);
    mirrored(1, 1, -2..=2);
    mirrored(1, 2, -2..=2);
    groups
}

/// How bins become values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Bins, 1 to [`MAX_BINS`].
    pub bins: usize,
    /// Binary digits behind the point of the weights.
    pub fine: u32,
    /// Weights, in the order of [`Rules::layout`].
    pub weights: Vec<i32>,
    /// Least and greatest value of each bin.
    pub limits: Vec<(i32, i32)>,
}

/// Where the weights of a kind begin.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Hits of each group: from 0. Sums of bins of each group:
    pub sums: usize,
    /// Places in the run.
    pub place: usize,
    /// Distances from its end.
    pub end: usize,
    /// Phases.
    pub phase: usize,
    /// The own bin.
    pub own: usize,
    /// All of them.
    pub len: usize,
}

impl Layout {
    /// For so many groups and bins.
    pub fn new(groups: usize, bins: usize) -> Layout {
        let place = 2 * groups;
        let end = place + PLACES;
        let phase = end + ENDS;
        let own = phase + MAX_PERIOD;
        Layout { sums: groups, place, end, phase, own, len: own + bins }
    }
}

/// The groups as distances in a field; those that the field does not have are empty.
#[derive(Debug, Clone)]
pub struct Around {
    /// Distances of each group.
    pub groups: Vec<Vec<isize>>,
}

impl Around {
    /// In a field.
    pub fn new(field: &Field) -> Around {
        let group = |g: Vec<Step>| g.into_iter().filter_map(|s| field.distance(s)).collect();
        Around { groups: groups().into_iter().map(group).collect() }
    }

    /// Calls `f` with each feature of a hit that is not zero: its number and value. `bins` are those of the padded field,
    /// from 0 on, 0 also where there is no hit.
    #[inline(always)]
    pub fn features(
        &self,
        field: &Field,
        bins: &[u8],
        layout: &Layout,
        hit: &Hit,
        mut f: impl FnMut(usize, i32),
    ) {
        for (k, group) in self.groups.iter().enumerate() {
            let (mut hits, mut sum) = (0, 0);
            for &d in group {
                let j = (hit.at as usize).wrapping_add_signed(d);
                hits += i32::from(field.mask[j]);
                sum += i32::from(bins[j]);
            }
            if hits != 0 {
                f(k, hits);
                if sum != 0 {
                    f(layout.sums + k, sum);
                }
            }
        }
        f(layout.place + usize::from(hit.place), 1);
        f(layout.end + usize::from(hit.end), 1);
        f(layout.phase + usize::from(hit.phase), 1);
        f(layout.own + usize::from(bins[hit.at as usize]), 1);
    }
}

impl Rules {
    /// Where its weights begin.
    pub fn layout(&self) -> Layout {
        Layout::new(groups().len(), self.bins)
    }

    /// The sum of a hit, before limits.
    #[inline]
    pub fn sum(&self, around: &Around, field: &Field, bins: &[u8], layout: &Layout, hit: &Hit) -> i32 {
        let mut sum = 0i64;
        around.features(field, bins, layout, hit, |k, x| sum += i64::from(self.weights[k]) * i64::from(x));
        sum.clamp(-(1 << 28), 1 << 28) as i32
    }

    /// The sum of what the mask says, without any bin.
    #[inline]
    pub fn of_mask(&self, around: &Around, field: &Field, layout: &Layout, hit: &Hit) -> i32 {
        let mut sum = 0i64;
        for (group, &w) in around.groups.iter().zip(&self.weights) {
            for &d in group {
                sum += i64::from(w) * i64::from(field.mask[(hit.at as usize).wrapping_add_signed(d)]);
            }
        }
        for k in [
            layout.place + usize::from(hit.place),
            layout.end + usize::from(hit.end),
            layout.phase + usize::from(hit.phase),
        ] {
            sum += i64::from(self.weights[k]);
        }
        sum.clamp(-(1 << 28), 1 << 28) as i32
    }

    /// A sum within the limits of a bin.
    #[inline]
    pub fn limited(&self, sum: i32, bin: u8) -> i32 {
        let (low, high) = self.limits[usize::from(bin)];
        sum.max(low).min(high)
    }
}

/// Values of sums, looked up.
#[derive(Debug, Clone)]
pub struct Values {
    table: Vec<u32>,
}

impl Values {
    /// With so many digits behind the point; values are 1 to `most`.
    pub fn new(fine: u32, most: u32) -> Values {
        let value = |u: u32| {
            let x = exp(f64::from(u) / f64::from(1u32 << fine) * std::f64::consts::LN_2) - 0.5;
            x.floor().clamp(1.0, f64::from(most)) as u32
        };
        Values { table: (0..33 << fine).map(value).collect() }
    }

    /// The integer that stands for a sum: 2^(sum / 2^fine) - 1, rounded.
    #[inline]
    pub fn of(&self, sum: i32) -> u32 {
        self.table[(sum.max(0) as usize).min(self.table.len() - 1)]
    }
}
