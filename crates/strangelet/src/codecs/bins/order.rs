//! In which order the axes of an array are walked through.

use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};

/// Most axes.
pub const MOST: usize = 8;

/// Axes of an array, and the order to walk through them. The last three axes of the walk are layers, pads and times;
/// those before count frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// Sides of the array, slowest first; none is 0.
    axes: Vec<usize>,
    /// Numbers of axes, slowest first.
    walk: Vec<usize>,
    strides: Vec<usize>,
}

impl Walk {
    /// Refuses what is no order of the axes.
    pub fn new(axes: Vec<usize>, walk: Vec<usize>) -> Result<Walk> {
        let mut sorted = walk.clone();
        sorted.sort_unstable();
        let cells = axes.iter().try_fold(1usize, |n, &a| n.checked_mul(a)).filter(|&n| n > 0);
        if axes.is_empty()
            || axes.len() > MOST
            || cells.is_none()
            || sorted.iter().ne(&(0..axes.len()).collect::<Vec<_>>())
        {
            return Err(corruption("bins: axes of a strange order"));
        }
        let mut strides = vec![1; axes.len()];
        for k in (1..axes.len()).rev() {
            strides[k - 1] = strides[k] * axes[k];
        }
        Ok(Walk { axes, walk, strides })
    }

    /// Cells of the array.
    pub fn count(&self) -> usize {
        self.axes.iter().product()
    }

    /// Frames, layers, pads, times.
    pub fn sides(&self) -> [usize; 4] {
        let mut sides = [1; 4];
        for (k, &axis) in self.walk.iter().rev().enumerate() {
            sides[3 - k.min(3)] *= self.axes[axis];
        }
        sides
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        put(out, self.axes.len() as u64);
        self.axes.iter().for_each(|&a| put(out, a as u64));
        out.extend(self.walk.iter().map(|&w| w as u8));
    }

    /// Reads what [`Walk::write`] wrote, of an array of so many cells.
    pub fn read(c: &mut Cursor, count: usize) -> Result<Walk> {
        let n = c.count()?;
        if n > MOST {
            return Err(corruption("bins: too many axes"));
        }
        let axes: Result<Vec<usize>> =
            (0..n).map(|_| Ok(usize::try_from(c.varint()?).unwrap_or(usize::MAX))).collect();
        let walk = c.take(n)?.iter().map(|&w| usize::from(w)).collect();
        let walk = Walk::new(axes?, walk)?;
        if walk.count() != count || count > super::field::MAX_CELLS {
            return Err(corruption("bins: axes of another number of cells"));
        }
        Ok(walk)
    }

    /// Calls `f` with the first cell of each run of the fastest axis, in the order of the walk, and the distance of
    /// its cells.
    pub fn rows(&self, mut f: impl FnMut(usize, usize)) {
        let Some((&fastest, outer)) = self.walk.split_last() else { return };
        let mut at = vec![0usize; outer.len()];
        let mut from = 0;
        loop {
            f(from, self.strides[fastest]);
            let mut k = outer.len();
            loop {
                if k == 0 {
                    return;
                }
                k -= 1;
                let axis = outer[k];
                at[k] += 1;
                from += self.strides[axis];
                if at[k] < self.axes[axis] {
                    break;
                }
                from -= self.strides[axis] * self.axes[axis];
                at[k] = 0;
            }
        }
    }

    /// The order of the axes in which hits follow hits most: times last, then pads, then layers.
    pub fn find(axes: &[usize], mask: &[u8]) -> Result<Walk> {
        let axes: Vec<usize> = axes.iter().copied().filter(|&a| a > 1).collect();
        let axes = if axes.is_empty() { vec![mask.len()] } else { axes };
        let plain = Walk::new(axes.clone(), (0..axes.len()).collect())?;
        let mut follow: Vec<(u64, usize)> = Vec::new();
        for (axis, (&side, &stride)) in axes.iter().zip(&plain.strides).enumerate() {
            let pairs = mask.iter().enumerate().filter(|&(i, &m)| {
                m != 0 && i / stride % side + 1 < side && mask.get(i + stride).is_some_and(|&n| n != 0)
            });
            follow.push((pairs.count() as u64, axis));
        }
        // Of equals the later axis is the faster one.
        follow.sort_unstable();
        Walk::new(axes, follow.into_iter().map(|(_, axis)| axis).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_in_a_row_make_the_time_axis() {
        let mut mask = vec![0; 6 * 40 * 5];
        for (pad, layer) in [(0, 1), (3, 2), (4, 2), (5, 4)] {
            (10..20).for_each(|t| mask[(pad * 40 + t) * 5 + layer] = 1);
        }
        let walk = Walk::find(&[6, 40, 5], &mask).unwrap();
        assert_eq!(walk.sides(), [1, 5, 6, 40]);
        let mut bytes = Vec::new();
        walk.write(&mut bytes);
        assert_eq!(Walk::read(&mut Cursor::new(&bytes), 1200).unwrap(), walk);
        assert!(Walk::read(&mut Cursor::new(&bytes), 1201).is_err());
        let mut rows = Vec::new();
        walk.rows(|from, stride| rows.push((from, stride)));
        assert_eq!((rows.len(), rows[0], rows[1], rows[6]), (30, (0, 5), (200, 5), (1, 5)));
    }

    #[test]
    fn axes_that_are_none_are_refused() {
        assert!(Walk::new(vec![2, 3], vec![0, 0]).is_err());
        assert!(Walk::new(vec![2, 0], vec![0, 1]).is_err());
        assert!(Walk::new(vec![usize::MAX, 3], vec![0, 1]).is_err());
        assert!(Walk::new(vec![], vec![]).is_err());
    }
}
