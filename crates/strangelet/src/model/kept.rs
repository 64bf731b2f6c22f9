//! Few marked voxels in frames, each with a small number: where they are, and what.
//!
//! # Order
//! Frames one after the other, all with one state. A frame goes by the third axis, then the first; within such a row, which
//! runs along the second, voxel by voxel. Before each row one bit says whether it holds any; if not, it is skipped.
//!
//! # Contexts
//! With `(l, a, b)` places along the third, first and second axis, and `[l, a, b]` = 1 for a marked voxel (0 outside, and for what
//! is not yet known):
//!
//! A row: (any in row l, a-1) + 2 (any in l, a-2) + 4, 8, 16 (any in l-1, a-1 .. a+1), a counter for each, coded directly.
//!
//! A voxel: five counters, each found by the number given, mixed with the weights of set `n1 + 3 n0`, where n1 is the number of marks among
//! `[l, a-1, b-1 .. b+1]` and n0 that among `[l-1, a, b-1 .. b+1]`, each at most 2.
//! 1. `[l,a,b-1]`, `[l,a,b-2]`, `[l,a-1,b-2 .. b+2]`, `[l,a-2,b-1 .. b+1]`: ten bits, the first lowest.
//! 2. Marks among `[l-1, a-1 .. a+1, b-2 .. b+2]`, at most 7; x 32 + `[l-1,a,b-1]`, `[l-1,a,b]`, `[l-1,a,b+1]`, `[l,a,b-1]`, `[l,a-1,b]` as bits.
//! 3. Bucket of the distance since the last mark of the row (or its start) x 8 + marks among `[l, a-1, b-8 .. b+8]`, at most 7.
//! 4. min(l, 31) x 16 + b x 16 / (length of the second axis).
//! 5. Marks among `[l, a-2 .. a-1, b-4 .. b+4]`, at most 7; x 8 + those among `[l-1, a-2 .. a+2, b-4 .. b+4]`, at most 7; x 4 + those among
//!    `[l, a, b-8 .. b-1]`, at most 3.
//!
//! A bucket of a distance d is d for d < 4, else 4 for d < 6, 5 for d < 10, 6 for d < 20, 7.
//!
//! A number (0 .. 255): eight bits, the highest first, with `node` = 1 and then 2 x node + bit. Three counters: by node; by node and the number (its
//! upper four bits) of the last mark of the row and the bucket of its distance; by node, the greatest number (upper four bits) among
//! `[l, a-1, b-2 .. b+2]` and `[l-1, a-1 .. a+1, b-2 .. b+2]`, and whether there is any. Mixed with weights by node.
//!
//! Counters and weights as in [`crate::entropy::mix`]: limit 1023, rates 2 (voxels) and 4 (numbers). Fresh counters of voxels start
//! at 1/64 as after 4 bits.

use crate::entropy::binary::BitCoder;
use crate::entropy::mix::{Counter, Weights};
use crate::error::{Result, corruption};

const LIMIT: u32 = 1023;

/// Codes frames of marks.
#[derive(Debug)]
pub struct Kept {
    rows: Vec<Counter>,
    voxels: [Vec<Counter>; 5],
    weights: Vec<Weights<5>>,
    numbers: [Vec<Counter>; 3],
    number_weights: Vec<Weights<3>>,
}

impl Default for Kept {
    fn default() -> Self {
        let rare = |n: usize| vec![Counter::starting(1024, 4); n];
        let fresh = |n: usize| vec![Counter::default(); n];
        Kept {
            rows: fresh(32),
            voxels: [rare(1024), rare(256), rare(64), rare(512), rare(256)],
            weights: vec![Weights::even(); 9],
            numbers: [fresh(256), fresh(256 * 16 * 8), fresh(256 * 32)],
            number_weights: vec![Weights::even(); 256],
        }
    }
}

fn bucket(distance: usize) -> usize {
    match distance {
        0..4 => distance,
        4..6 => 4,
        6..10 => 5,
        10..20 => 6,
        _ => 7,
    }
}

/// Margins of a row.
const SIDE: usize = 8;

/// The marks of a frame while they are coded: by third, first and second axis, with margins.
#[derive(Debug)]
struct Field {
    /// 0, or the number + 1.
    cells: Vec<u16>,
    /// Of a row, and of a plane of rows.
    row: usize,
    plane: usize,
}

impl Field {
    fn new([a, b, l]: [usize; 3]) -> Field {
        let row = b + 2 * SIDE;
        let plane = row * (a + 4);
        Field { cells: vec![0; plane * (l + 1)], row, plane }
    }

    /// Place of the first voxel of a row.
    fn at(&self, l: usize, a: usize) -> usize {
        (l + 1) * self.plane + (a + 2) * self.row + SIDE
    }
}

/// Marks among some cells.
#[inline(always)]
fn marks(cells: &[u16]) -> usize {
    cells.iter().filter(|&&c| c != 0).count()
}

impl Kept {
    /// Codes one frame: `marks` are (voxel in C order, number), upward. A decoder finds them empty and fills them. Fails where a decoder
    /// runs far beyond its bytes.
    pub fn frame<C: BitCoder>(
        &mut self,
        coder: &mut C,
        shape: [usize; 3],
        marked: &mut Vec<(u32, u8)>,
    ) -> Result<()> {
        let [na, nb, nl] = shape;
        let mut field = Field::new(shape);
        for &(voxel, number) in marked.iter() {
            let voxel = voxel as usize;
            let at = field.at(voxel % nl, voxel / (nb * nl)) + voxel / nl % nb;
            if let Some(cell) = field.cells.get_mut(at) {
                *cell = u16::from(number) + 1;
            }
        }
        marked.clear();
        // Whether rows hold any, with margins of two.
        let mut any = vec![vec![0usize; na + 4]; nl + 1];
        for l in 0..nl {
            for a in 0..na {
                let at = field.at(l, a);
                let context = any[l + 1][a + 1]
                    + 2 * any[l + 1][a]
                    + 4 * any[l][a + 1]
                    + 8 * any[l][a + 2]
                    + 16 * any[l][a + 3];
                let counter = &mut self.rows[context];
                let bit = coder.code(field.cells[at..at + nb].iter().any(|&c| c != 0), counter.p_coder());
                counter.update(bit, LIMIT);
                if bit {
                    any[l + 1][a + 2] = 1;
                    self.row(coder, &mut field, at, nb, l);
                    for b in 0..nb {
                        if let Some(number) = field.cells[at + b].checked_sub(1) {
                            marked.push((((a * nb + b) * nl + l) as u32, number as u8));
                        }
                    }
                }
                if coder.exhausted() {
                    return Err(corruption("the bits of a frame end too early"));
                }
            }
        }
        marked.sort_unstable();
        Ok(())
    }

    fn row<C: BitCoder>(&mut self, coder: &mut C, field: &mut Field, at: usize, nb: usize, l: usize) {
        let (row, plane) = (field.row, field.plane);
        let mut last = None;
        for b in 0..nb {
            let i = at + b;
            let c = &field.cells[..];
            let one = |at: usize| usize::from(c[at] != 0);
            let span = |at: usize, reach: usize| marks(&c[at - reach..at + reach + 1]);
            let (up, up2, back) = (i - row, i - 2 * row, i - plane);
            let mut contexts = [0; 5];
            contexts[0] = one(i - 1) | one(i - 2) << 1;
            for k in 0..5 {
                contexts[0] |= one(up + k - 2) << (2 + k);
            }
            for k in 0..3 {
                contexts[0] |= one(up2 + k - 1) << (7 + k);
            }
            let near = span(back - row, 2) + span(back, 2) + span(back + row, 2);
            contexts[1] = near.min(7) * 32
                + one(back - 1)
                + 2 * one(back)
                + 4 * one(back + 1)
                + 8 * one(i - 1)
                + 16 * one(up);
            let distance = b - last.map_or(0, |(b, _)| b);
            contexts[2] = bucket(distance) * 8 + span(up, 8).min(7);
            contexts[3] = l.min(31) * 16 + b * 16 / nb;
            let wide: usize = (0..5).map(|k| span(back + k * row - 2 * row, 4)).sum();
            let above = span(up, 4) + span(up2, 4);
            contexts[4] = above.min(7) * 32 + wide.min(7) * 4 + marks(&c[i - 8..i]).min(3);
            let set = span(up, 1).min(2) + 3 * span(back, 1).min(2);

            let mixed = self.weights[set].mix(std::array::from_fn(|k| self.voxels[k][contexts[k]].p()));
            let bit = coder.code(c[i] != 0, mixed.p);
            self.weights[set].update(&mixed, bit, 2);
            for (counters, &context) in self.voxels.iter_mut().zip(&contexts) {
                counters[context].update(bit, LIMIT);
            }
            if !bit {
                continue;
            }
            let before = last.map_or(0, |(b0, n): (usize, u16)| (n as usize - 1) / 16 * 8 + bucket(b - b0));
            let greatest = |at: usize| c[at - 2..at + 3].iter().copied().max().unwrap_or(0);
            let around = [up, back - row, back, back + row].map(greatest).into_iter().max().unwrap_or(0);
            let around = if around == 0 { 16 } else { (around as usize - 1) / 16 };
            let number = self.number(coder, c[i].wrapping_sub(1), before, around);
            field.cells[i] = number + 1;
            last = Some((b, number + 1));
        }
    }

    fn number<C: BitCoder>(&mut self, coder: &mut C, number: u16, before: usize, around: usize) -> u16 {
        let mut node = 1;
        for shift in (0..8).rev() {
            let at = [node, before * 256 + node, around * 256 + node];
            let mixed = self.number_weights[node].mix(std::array::from_fn(|k| self.numbers[k][at[k]].p()));
            let bit = coder.code(number >> shift & 1 != 0, mixed.p);
            self.number_weights[node].update(&mixed, bit, 4);
            for (counters, at) in self.numbers.iter_mut().zip(at) {
                counters[at].update(bit, LIMIT);
            }
            node = node * 2 + usize::from(bit);
        }
        (node & 255) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::binary::{Decoder, Encoder};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn marks_come_back(a in 1usize..9, b in 1usize..40, l in 1usize..20, every in 1usize..300, seed in 0usize..999) {
            let shape = [a, b, l];
            let frames: Vec<Vec<(u32, u8)>> = (0..2)
                .map(|f| (seed % every..a * b * l).step_by(every + f).map(|i| (i as u32, (i * 37) as u8)).collect())
                .collect();
            let (mut coder, mut kept) = (Encoder::new(), Kept::default());
            for frame in &frames {
                kept.frame(&mut coder, shape, &mut frame.clone()).unwrap();
            }
            let bytes = coder.finish();
            let (mut coder, mut kept) = (Decoder::new(&bytes), Kept::default());
            for frame in &frames {
                let mut back = Vec::new();
                kept.frame(&mut coder, shape, &mut back).unwrap();
                prop_assert_eq!(&back, frame);
            }
        }
    }

    #[test]
    fn nothing_costs_nothing() {
        let (mut coder, mut kept) = (Encoder::new(), Kept::default());
        kept.frame(&mut coder, [192, 249, 16], &mut Vec::new()).unwrap();
        let n = coder.finish().len();
        assert!(n < 40, "{n}");
    }
}
