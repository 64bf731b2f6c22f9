//! Axes in another order, at a cost that goes with the hits.

use super::frame::{BLOCK, Count, any, mask};

/// The place of a row in the other order, counted up row by row.
struct Places {
    /// Side of each axis but the fastest, and how far apart its cells are in the other order; slowest first.
    axes: Vec<(usize, usize)>,
    at: Vec<usize>,
    place: usize,
}

impl Places {
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
            let to = *at + rows;
            rows = to / side;
            self.place = self.place.wrapping_add((to % side).wrapping_sub(*at).wrapping_mul(step));
            *at = to % side;
        }
    }
}

/// The cells of an array of sides `axes` (slowest first) with its axes in another order: axis `walk[0]` becomes the
/// slowest. The cells as they are where `walk` does not name every axis once, or the sides are not those of the cells.
pub fn reorder<T: Count>(cells: &[T], axes: &[usize], walk: &[usize]) -> Vec<T> {
    let count = axes.iter().try_fold(1usize, |n, &side| n.checked_mul(side));
    let whole = walk.len() == axes.len() && (0..axes.len()).all(|axis| walk.contains(&axis));
    if count != Some(cells.len()) || !whole || cells.is_empty() || walk.is_sorted() {
        return cells.to_vec();
    }
    let mut steps = vec![0; axes.len()];
    let mut step = 1;
    for &axis in walk.iter().rev() {
        steps[axis] = step;
        step *= axes[axis];
    }
    let mut sides: Vec<(usize, usize)> = axes.iter().copied().zip(steps).collect();
    let (side, step) = sides.pop().unwrap_or((1, 1));
    let mut places = Places { at: vec![0; sides.len()], axes: sides, place: 0 };
    let mut out = vec![T::default(); cells.len()];
    // where the row at hand starts
    let mut row = 0;
    for (k, block) in cells.chunks(BLOCK).enumerate() {
        if !any(block) {
            continue;
        }
        let mut bits = mask(block);
        while bits != 0 {
            let inside = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let mut column = k * BLOCK + inside - row;
            if column >= side {
                places.skip(column / side);
                row += column - column % side;
                column %= side;
            }
            if let Some(to) = out.get_mut(places.place + column * step) {
                *to = block[inside];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_come_back() {
        let mut state = 1u32;
        let axes = [3usize, 2, 70, 11];
        let cells: Vec<u16> = (0..axes.iter().product::<usize>())
            .map(|_| {
                state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                if state >> 24 < 20 { (state >> 8) as u16 } else { 0 }
            })
            .collect();
        for walk in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 1, 3], [0, 3, 2, 1]] {
            let there = reorder(&cells, &axes, &walk);
            let at = |i: [usize; 4]| walk.iter().fold(0, |n, &axis| n * axes[axis] + i[axis]);
            for i in [[0, 0, 0, 0], [2, 1, 69, 10], [1, 0, 33, 7], [2, 0, 5, 1]] {
                let from = ((i[0] * axes[1] + i[1]) * axes[2] + i[2]) * axes[3] + i[3];
                assert_eq!(there[at(i)], cells[from]);
            }
            let mut back = [0; 4];
            walk.iter().enumerate().for_each(|(new, &old)| back[old] = new);
            assert_eq!(reorder(&there, &walk.map(|axis| axes[axis]), &back), cells);
        }
        assert_eq!(reorder(&cells, &axes, &[0, 0, 1, 2]), cells);
        assert_eq!(reorder(&cells, &axes, &[1, 0]), cells);
        assert_eq!(reorder(&cells, &[1], &[0]), cells);
        assert!(reorder::<u8>(&[], &[0, 3], &[1, 0]).is_empty());
    }
}
