//! In which order the axes of an array are walked through, measured on its hits.
//!
//! Along the axis of time hits follow hits and values follow values; the next best is that of the pads, then that of the
//! layers. What is left, and comes first, are frames that have nothing to do with each other.

use super::quick::{self, Count};

/// Most axes.
pub const MOST: usize = 8;
/// Hits that are looked at.
const LOOKS: usize = 1 << 15;

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

    fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.axes.len()];
        for k in (1..self.axes.len()).rev() {
            strides[k - 1] = strides[k] * self.axes[k];
        }
        strides
    }

    /// Calls `f` with the place of each run of the fastest axis, in the order of the walk, and the distance of its cells.
    fn rows(&self, mut f: impl FnMut(usize, usize)) {
        let strides = self.strides();
        let Some((&fastest, outer)) = self.walk.split_last() else { return };
        let mut at = vec![0usize; outer.len()];
        let mut from = 0;
        loop {
            f(from, strides[fastest]);
            let mut k = outer.len();
            loop {
                if k == 0 {
                    return;
                }
                k -= 1;
                let axis = outer[k];
                at[k] += 1;
                from += strides[axis];
                if at[k] < self.axes[axis] {
                    break;
                }
                from -= strides[axis] * self.axes[axis];
                at[k] = 0;
            }
        }
    }

    /// The cells in the order of the walk.
    pub fn forward(&self, cells: &[u32]) -> Vec<u32> {
        let mut out = Vec::with_capacity(cells.len());
        let n = self.walk.last().map_or(0, |&a| self.axes[a]);
        self.rows(|from, step| {
            let row = cells.get(from..).unwrap_or(&[]);
            out.extend(row.iter().step_by(step.max(1)).take(n));
        });
        out
    }

    /// The cells in their own order.
    pub fn inverse<T: Copy + Default>(&self, walked: &[u32], convert: impl Fn(u32) -> T) -> Vec<T> {
        let mut out = vec![T::default(); walked.len()];
        let n = self.walk.last().map_or(1, |&a| self.axes[a]).max(1);
        let mut rows = walked.chunks_exact(n);
        self.rows(|from, step| {
            let to = out.get_mut(from..).unwrap_or(&mut []);
            for (to, &v) in to.iter_mut().step_by(step.max(1)).zip(rows.next().unwrap_or(&[])) {
                *to = convert(v);
            }
        });
        out
    }
}

/// How much hits tell of those next to them along an axis: bits saved for each hit.
fn gain<T: Count>(cells: &[T], hits: &[usize], side: usize, stride: usize, share: f64) -> f64 {
    let (mut both, mut asked, mut near, mut apart, mut last) = (0.0f64, 0.0f64, 0.0f64, 0.0f64, 0u32);
    for &i in hits {
        if i / stride % side + 1 == side {
            continue;
        }
        asked += 1.0;
        let (a, b) = (cells[i].wide(), cells[i + stride].wide());
        if b > 0 {
            both += 1.0;
            near += f64::from(a.abs_diff(b)) + 0.5;
            apart += f64::from(last.abs_diff(b)) + 0.5;
            last = a;
        }
    }
    if asked < 1.0 || both < 1.0 {
        return 0.0;
    }
    // A hit next to a hit: as often as seen instead of as often as anywhere.
    let seen = both / asked;
    let mask = if seen > share { seen * (seen / share).log2() } else { 0.0 };
    mask + seen * (apart / near).log2().max(0.0)
}

/// The order in which hits tell most of those that follow. Axes of one cell are left out.
pub fn find<T: Count>(cells: &[T], axes: &[usize]) -> Vec<Order> {
    let axes: Vec<usize> = axes.iter().copied().filter(|&n| n > 1).collect();
    let mut order = Order { walk: (0..axes.len()).collect(), axes };
    let strides = order.strides();
    let hits = quick::places(cells);
    let all = hits.len();
    let every = all.div_ceil(LOOKS).max(1);
    // Whole stretches, so that what lies near in memory is read at once.
    let hits: Vec<usize> = hits.chunks(64).step_by(every).flatten().copied().collect();
    let share = all as f64 / cells.len().max(1) as f64;
    let gains: Vec<f64> =
        order.axes.iter().zip(&strides).map(|(&n, &s)| gain(cells, &hits, n, s, share)).collect();
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
    fn walks_come_back() {
        let order = Order { axes: vec![2, 3, 4, 5], walk: vec![2, 0, 3, 1] };
        let cells: Vec<u32> = (0..120).collect();
        let walked = order.forward(&cells);
        assert_eq!(walked[..3], [0, 20, 40]);
        assert_eq!(walked[3], 1);
        assert_eq!(order.inverse(&walked, |v| v), cells);
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
        assert_eq!(find(&cells, &[a, b, 1, c])[0].walk, [0, 2, 1]);
    }
}
