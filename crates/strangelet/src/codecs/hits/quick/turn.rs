//! Axes in another order, at a cost that goes with the hits: where runs lie along a walk, and where the cells of a walk lie.

use super::frame::{Hit, Index};

/// The place of a row in another order, counted up row by row.
struct Places {
    /// Side of each axis but the fastest, and how far apart its cells are in the other order; slowest first.
    axes: Vec<(usize, u64)>,
    at: Vec<usize>,
    place: u64,
}

impl Places {
    fn new(axes: Vec<(usize, u64)>) -> Self {
        Places { at: vec![0; axes.len()], axes, place: 0 }
    }

    /// Goes on by some rows.
    #[inline]
    fn skip(&mut self, rows: usize) {
        if rows > 4 {
            return self.carry(rows);
        }
        for _ in 0..rows {
            match (self.at.last_mut(), self.axes.last()) {
                (Some(at), Some(&(side, step))) if *at + 1 < side => {
                    *at += 1;
                    self.place += step;
                }
                _ => self.carry(1),
            }
        }
    }

    #[inline(never)]
    fn carry(&mut self, mut rows: usize) {
        for (at, &(side, step)) in self.at.iter_mut().zip(&self.axes).rev() {
            if rows == 0 {
                break;
            }
            let to = *at + rows;
            rows = to / side;
            self.place = self.place.wrapping_add(((to % side).wrapping_sub(*at) as u64).wrapping_mul(step));
            *at = to % side;
        }
    }
}

/// How far apart the cells along each axis are.
fn strides(axes: &[usize]) -> Vec<u64> {
    let mut steps = vec![1u64; axes.len()];
    for k in (1..axes.len()).rev() {
        steps[k - 1] = steps[k].wrapping_mul(axes[k] as u64);
    }
    steps
}

/// Where the rows of a walk lie in an array.
pub struct Lie {
    places: Places,
    row: usize,
    /// How far apart the cells of a row are.
    step: usize,
}

impl Lie {
    /// Of an array of sides `axes` (slowest first), walked through in the order `walk` (numbers of axes, slowest first).
    pub fn new(axes: &[usize], walk: &[usize]) -> Self {
        let steps = strides(axes);
        let mut all: Vec<(usize, u64)> = walk.iter().map(|&a| (axes[a], steps[a])).collect();
        let step = all.pop().map_or(1, |(_, step)| step as usize);
        Lie { places: Places::new(all), row: 0, step }
    }

    /// Of an array that is walked through as it lies.
    pub fn plain(rows: usize, times: usize) -> Self {
        Lie { places: Places::new(vec![(rows, times as u64)]), row: 0, step: 1 }
    }

    /// Goes to a row, which is not before the one where it is.
    #[inline]
    pub fn enter(&mut self, row: usize) {
        self.places.skip(row.saturating_sub(self.row));
        self.row = row;
    }

    /// The place of a cell of the row.
    #[inline(always)]
    pub fn place(&self, t: usize) -> usize {
        self.places.place as usize + t * self.step
    }
}

/// Rows above which, for each hit, hits are sorted rather than counted.
const ROWS: usize = 16;

/// x / n for 32 bits, as a product.
#[derive(Clone, Copy)]
pub struct Divisor(u64);

impl Divisor {
    /// By `n`, not 0.
    pub fn new(n: usize) -> Self {
        // 1 divides by a product that does not fit.
        Divisor(if n <= 1 { 0 } else { (u64::MAX / n as u64).wrapping_add(1) })
    }

    /// x / n.
    #[inline(always)]
    pub fn of(&self, x: u32) -> u32 {
        if self.0 == 0 { x } else { ((u128::from(x) * u128::from(self.0)) >> 64) as u32 }
    }
}

/// Rows and times of places, without a branch on where they are.
///
/// With strides s_k of the array and steps S_k of the walk, place p has the key sum of (p / s_k mod n_k) S_k, which is
/// sum of (p / s_k) (S_k - n_(k+1) S_(k+1)), the products modulo 2^64. Axes that stay next to each other have a factor of 0.
struct Turn {
    /// Number of rows.
    rows: usize,
    /// For each axis by which something is divided, that and its factor.
    parts: Vec<(Divisor, u64)>,
    /// The factor of the fastest axis.
    own: u64,
}

impl Turn {
    fn new(axes: &[usize], walk: &[usize]) -> Turn {
        // Row in the upper half, time in the lower one.
        let mut steps = vec![0u64; axes.len()];
        let mut step = 1u64;
        for (k, &axis) in walk.iter().enumerate().rev() {
            let last = k + 1 == walk.len();
            steps[axis] = if last { 1 } else { step << 32 };
            step = step.wrapping_mul(if last { 1 } else { axes[axis] as u64 });
        }
        let own = steps.last().copied().unwrap_or(1);
        let mut parts = Vec::new();
        for (k, stride) in strides(axes).into_iter().enumerate().rev().skip(1) {
            let factor = steps[k].wrapping_sub((axes[k + 1] as u64).wrapping_mul(steps[k + 1]));
            if factor != 0 {
                parts.push((Divisor::new(stride as usize), factor));
            }
        }
        Turn { rows: step as usize, parts, own }
    }

    /// Row (upper half) and time.
    #[inline(always)]
    fn key(parts: &[(Divisor, u64)], own: u64, place: u32) -> u64 {
        parts.iter().fold(u64::from(place).wrapping_mul(own), |key, (by, factor)| {
            key.wrapping_add(u64::from(by.of(place)).wrapping_mul(*factor))
        })
    }

    /// Times and values of all hits, row after row, and where each row ends.
    fn sorted(&self, hits: &[Hit]) -> (Vec<u32>, Vec<[u32; 2]>) {
        let own = self.own;
        match *self.parts.as_slice() {
            [a] => self.sorted_by(hits, |place| Turn::key(&[a], own, place)),
            [a, b] => self.sorted_by(hits, |place| Turn::key(&[a, b], own, place)),
            [a, b, c] => self.sorted_by(hits, |place| Turn::key(&[a, b, c], own, place)),
            _ => self.sorted_by(hits, |place| Turn::key(&self.parts, own, place)),
        }
    }

    /// The same by keys, which cost less than to be kept.
    #[inline(always)]
    fn sorted_by(&self, hits: &[Hit], key: impl Fn(u32) -> u64) -> (Vec<u32>, Vec<[u32; 2]>) {
        let mut ends = vec![0u32; self.rows];
        for hit in hits {
            ends[(key(hit.place) >> 32) as usize] += 1;
        }
        let mut all = 0;
        for n in &mut ends {
            all += std::mem::replace(n, all);
        }
        // The times of a row rise as its hits came.
        let mut sorted = vec![[0u32; 2]; hits.len()];
        for hit in hits {
            let key = key(hit.place);
            let to = &mut ends[(key >> 32) as usize];
            sorted[*to as usize] = [key as u32, hit.value];
            *to += 1;
        }
        (ends, sorted)
    }
}

/// The runs of an array as [`Lie::new`] has it.
pub fn index(hits: &[Hit], axes: &[usize], walk: &[usize]) -> Index {
    let times = walk.last().map_or(1, |&a| axes[a]);
    if walk.is_sorted() {
        return Index::new(hits, times);
    }
    let turn = Turn::new(axes, walk);
    let mut index = Index::default();
    if turn.rows > hits.len().saturating_mul(ROWS) {
        let keyed = |hit: &Hit| (Turn::key(&turn.parts, turn.own, hit.place), hit.value);
        let mut all: Vec<(u64, u32)> = hits.iter().map(keyed).collect();
        all.sort_unstable_by_key(|hit| hit.0);
        for row in all.chunk_by(|a, b| a.0 >> 32 == b.0 >> 32) {
            index.push((row[0].0 >> 32) as u32, row.iter().map(|&(key, v)| [key as u32, v]));
        }
        return index;
    }
    let (ends, sorted) = turn.sorted(hits);
    let mut from = 0;
    index.values.reserve(sorted.len());
    for (row, &to) in ends.iter().enumerate() {
        if to as usize > from {
            index.push(row as u32, sorted[from..to as usize].iter().copied());
            from = to as usize;
        }
    }
    index
}

#[cfg(test)]
mod tests {
    use super::super::frame::hits;
    use super::*;

    #[test]
    fn every_walk_finds_the_runs_that_lie_along_it() {
        let mut state = 1u32;
        let axes = [3usize, 2, 70, 11];
        let cells: Vec<u16> = (0..axes.iter().product::<usize>())
            .map(|_| {
                state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                if state >> 24 < 60 { (state >> 8) as u16 } else { 0 }
            })
            .collect();
        let few: Vec<u16> = cells.iter().enumerate().map(|(i, &v)| if i % 97 == 5 { v } else { 0 }).collect();
        for cells in [cells, few] {
            for walk in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 1, 3], [0, 3, 2, 1]] {
                let times = axes[walk[3]];
                let at = |i: [usize; 4]| i.iter().zip(&axes).fold(0, |n, (&i, &side)| n * side + i);
                let mut turned = Vec::new();
                let mut lie = Lie::new(&axes, &walk);
                for k in 0..cells.len() {
                    let (mut i, mut rest) = ([0; 4], k);
                    for &axis in walk.iter().rev() {
                        (i[axis], rest) = (rest % axes[axis], rest / axes[axis]);
                    }
                    if k % 7 < 5 {
                        lie.enter(k / times);
                        assert_eq!(lie.place(k % times), at(i));
                    }
                    turned.push(cells[at(i)]);
                }
                let found = index(&hits(&cells), &axes, &walk);
                assert_eq!(found, Index::new(&hits(&turned), times));
                let mut lie = Lie::plain(turned.len() / times, times);
                lie.enter(9);
                assert_eq!(lie.place(3), 9 * times + 3);
            }
        }
    }

    #[test]
    fn products_divide() {
        for n in [1usize, 2, 3, 7, 16, 249, 65_537, 764_928, (1 << 32) - 1] {
            let d = Divisor::new(n);
            for x in (0..32).flat_map(|k| [(1u32 << k) - 1, 1 << k, (1 << k) + 1]).chain([u32::MAX]) {
                for x in [x, (x as usize / n * n) as u32, ((x as usize / n * n).max(1) - 1) as u32] {
                    assert_eq!(d.of(x) as usize, x as usize / n, "{x} / {n}");
                }
            }
        }
    }
}
