//! Levels: the cells of a column as few steps of their order, to be contexts of other columns.
//!
//! The boundaries follow from the cells alone: of at most 4096 cells at even distances (every
//! ceil(count / 4096)-th), sorted as numbers, each distinct value is a boundary where there are no more of them than
//! levels; else the values at the ranks k x n / levels (k = 1 .. levels - 1) are, and behind one that fills a whole
//! step the next larger number too. The level of a cell is the number of boundaries at or below it, at most 255.

use crate::column::{Cells, Scalar};

/// Cells that are looked at.
const GLANCE: usize = 4096;

/// A cell's bits as a number whose order is that of the values.
#[inline(always)]
pub fn ordered(bits: u64, scalar: Scalar) -> u64 {
    let width = scalar.width() as u32 * 8;
    let top = 1u64 << (width - 1);
    if scalar.is_float() {
        if bits & top != 0 { !bits & (top | (top - 1)) } else { bits | top }
    } else if scalar.is_signed() {
        bits ^ top
    } else {
        bits
    }
}

/// The level of each cell: below `levels` times two.
pub fn levels(cells: &Cells, scalar: Scalar, levels: usize) -> Vec<u8> {
    let count = cells.len();
    let levels = levels.clamp(2, 128);
    let step = count.div_ceil(GLANCE).max(1);
    let number = |i: usize| ordered(cells.get(i).unwrap_or(0), scalar);
    let mut some: Vec<u64> = (0..count).step_by(step).map(number).collect();
    some.sort_unstable();
    let mut distinct = some.clone();
    distinct.dedup();
    let bounds = if distinct.len() <= levels {
        distinct
    } else {
        let mut bounds = Vec::with_capacity(levels * 2);
        let each = (some.len() / levels).max(1);
        for k in 1..levels {
            let value = some[(k * some.len() / levels).min(some.len() - 1)];
            let same = some.partition_point(|&x| x <= value) - some.partition_point(|&x| x < value);
            bounds.push(value);
            if same >= each {
                bounds.push(value.saturating_add(1));
            }
        }
        bounds.sort_unstable();
        bounds.dedup();
        bounds
    };
    (0..count).map(|i| bounds.partition_point(|&b| b <= number(i)).min(255) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_have_a_level_each() {
        let cells = Cells::W4([3i32, -1, 0, 3, 0].iter().map(|x| *x as u32).collect());
        assert_eq!(levels(&cells, Scalar::I32, 8), [3, 1, 2, 3, 2]);
    }

    #[test]
    fn many_values_are_cut_into_even_parts_and_a_frequent_one_is_alone() {
        let floats: Vec<f32> = (0..1000).map(|i| if i % 2 == 0 { 0.0 } else { i as f32 / 7.0 }).collect();
        let cells = Cells::W4(floats.iter().map(|x| x.to_bits()).collect());
        let got = levels(&cells, Scalar::F32, 8);
        let zero = got[0];
        assert!(floats.iter().zip(&got).all(|(x, &l)| (*x == 0.0) == (l == zero)));
        assert!(got.iter().max() > Some(&4));
    }
}
