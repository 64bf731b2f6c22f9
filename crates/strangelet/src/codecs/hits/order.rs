//! In which order the axes of an array are walked through, measured on its hits.
//!
//! Along the axis of time hits follow hits and values follow values; the next best is that of the pads, then that of the
//! layers. What is left, and comes first, are frames that have nothing to do with each other.

use super::quick::{self, Count, Divisor, Hit, Index, Lie};

/// Most axes.
pub const MOST: usize = 8;
/// Hits that are looked at, at first and where that leaves much open.
const LOOKS: [usize; 2] = [1 << 10, 1 << 12];
/// Hits next to each other among those.
const TOGETHER: usize = 16;
/// Gains whose ratio is nearer to 1 than this, by few hits, leave something open.
const CLEAR: f64 = 0.93;

/// Axes of an array, and the order to walk through them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Sides of the array, slowest first; all more than 1.
    pub axes: Vec<usize>,
    /// Numbers of axes, slowest first.
    pub walk: Vec<usize>,
}

impl Order {
    /// Frames, layers, pads, times.
    pub fn sides(&self) -> [usize; 4] {
        let mut sides = [1; 4];
        for (k, &axis) in self.walk.iter().rev().enumerate() {
            sides[3 - k.min(3)] *= self.axes[axis];
        }
        sides
    }

    /// The runs of the hits of an array.
    pub fn index(&self, hits: &[Hit]) -> Index {
        quick::index(hits, &self.axes, &self.walk)
    }

    /// Where the rows of the walk lie.
    pub fn lie(&self) -> Lie {
        Lie::new(&self.axes, &self.walk)
    }

    fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.axes.len()];
        for k in (1..self.axes.len()).rev() {
            strides[k - 1] = strides[k] * self.axes[k];
        }
        strides
    }
}

/// How much hits tell of those next to them along an axis: bits saved for each hit.
fn gain<T: Count>(cells: &[T], hits: &[Hit], side: usize, stride: usize, share: f64) -> f64 {
    let (by_stride, by_side) = (Divisor::new(stride), Divisor::new(side));
    // Twice the differences and 1 each, without a branch on what is there.
    let (mut both, mut asked, mut near, mut apart, mut last) = (0u64, 0u64, 0u64, 0u64, 0u32);
    for hit in hits {
        let at = by_stride.of(hit.place);
        if at - by_side.of(at) * side as u32 + 1 == side as u32 {
            continue;
        }
        asked += 1;
        let a = hit.value;
        let Some(b) = cells.get(hit.place as usize + stride).map(|b| b.wide()) else { continue };
        let there = u64::from(b > 0);
        both += there;
        near += there * (2 * u64::from(a.abs_diff(b)) + 1);
        apart += there * (2 * u64::from(last.abs_diff(b)) + 1);
        last = if b > 0 { a } else { last };
    }
    if asked < 1 || both < 1 {
        return 0.0;
    }
    // A hit next to a hit: as often as seen instead of as often as anywhere.
    let seen = both as f64 / asked as f64;
    let mask = if seen > share { seen * (seen / share).log2() } else { 0.0 };
    mask + seen * (apart as f64 / near as f64).log2().max(0.0)
}

/// The order in which hits tell most of those that follow. Axes of one cell are left out.
pub fn find<T: Count>(cells: &[T], hits: &[Hit], axes: &[usize]) -> Vec<Order> {
    let axes: Vec<usize> = axes.iter().copied().filter(|&n| n > 1).collect();
    let mut order = Order { walk: (0..axes.len()).collect(), axes };
    let strides = order.strides();
    let share = hits.len() as f64 / cells.len().max(1) as f64;
    let some = |looks: usize| {
        let every = hits.len().div_ceil(looks).max(1);
        let mut some = Vec::with_capacity(hits.len() / every + TOGETHER);
        hits.chunks(TOGETHER).step_by(every).for_each(|part| some.extend_from_slice(part));
        some
    };
    let of = |some: &[Hit], a: usize| gain(cells, some, order.axes[a], strides[a], share);
    let few = some(LOOKS[0]);
    let mut gains: Vec<f64> = order.walk.iter().map(|&a| of(&few, a)).collect();
    let mut sorted = order.walk.clone();
    sorted.sort_by(|&a, &b| gains[a].total_cmp(&gains[b]));
    // The last three have to be known; what is before them only from them. Those that are not are looked at again.
    let unclear = |pair: &&[usize]| gains[pair[0]] >= CLEAR * gains[pair[1]] && gains[pair[1]] > 0.0;
    let mut again: Vec<usize> = sorted.windows(2).rev().take(3).filter(unclear).flatten().copied().collect();
    if few.len() < hits.len() && !again.is_empty() {
        again.sort_unstable();
        again.dedup();
        let more = some(LOOKS[1]);
        again.iter().for_each(|&a| gains[a] = of(&more, a));
    }
    // The frames keep their order; then the best three, the best last.
    let mut ranked = order.walk.clone();
    ranked.sort_by(|&a, &b| gains[a].total_cmp(&gains[b]));
    let inner = ranked.len().saturating_sub(3);
    ranked[..inner].sort_unstable();
    order.walk = ranked;
    let mut orders = vec![order.clone()];
    // Where two axes tell nearly as much, the other order is worth a trial.
    let n = order.walk.len();
    for k in (n.saturating_sub(2).max(1)..n).rev() {
        let (a, b) = (order.walk[k - 1], order.walk[k]);
        if gains[a] > 0.8 * gains[b] {
            let mut other = order.clone();
            other.walk.swap(k - 1, k);
            orders.push(other);
        }
    }
    orders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_three_axes_are_layers_pads_and_times() {
        let order = Order { axes: vec![2, 3, 4, 5], walk: vec![2, 0, 3, 1] };
        assert_eq!(order.sides(), [4, 2, 5, 3]);
    }

    #[test]
    fn the_axis_of_long_runs_is_the_fastest() {
        // Runs of seven along axis 1, of two along axis 2 (the second pad has a third of the charge), single along axis 0.
        let (a, b, c) = (6, 50, 40);
        let mut cells = vec![0; a * b * c];
        for i in 0..a {
            for k in 0..60usize {
                let (at, pad) = ((k * 37 + i * 11) % 42, (k * 29 + i * 17) % 38);
                for t in 0..7 {
                    for p in 0..2 {
                        cells[(i * b + at + t) * c + pad + p] =
                            (100 - 10 * t.abs_diff(2) as u32) / (1 + 2 * p as u32);
                    }
                }
            }
        }
        let hits = quick::hits(&cells);
        assert_eq!(find(&cells, &hits, &[a, b, 1, c])[0].walk, [0, 2, 1]);
    }
}
