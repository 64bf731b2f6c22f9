//! Frames with a border of nothing around each, so that neighbours need no questions: where the hits are, in the order of
//! the walk, and what the mask alone says of each.

use super::order::Walk;
use crate::error::{Result, corruption};

/// Border in layers, pads and times, where there is more than one.
const BORDER: [usize; 3] = [1, 3, 8];
/// Places in a run that are told apart, and places before its end.
pub const PLACES: usize = 11;
/// Distances from the end of a run that are told apart.
pub const ENDS: usize = 6;
/// Most cells of an array.
pub const MAX_CELLS: usize = 1 << 24;
/// Longest period of runs.
pub const MAX_PERIOD: usize = 8;

/// A neighbour: layers, pads, times away.
pub type Step = [i8; 3];

/// A hit as the mask shows it.
#[derive(Debug, Clone, Copy)]
pub struct Hit {
    /// Its place in the padded field.
    pub at: u32,
    /// Place in its run, from 0, at most [`PLACES`] - 1.
    pub place: u8,
    /// Hits behind it in the run, at most [`ENDS`] - 1.
    pub end: u8,
    /// Place in the run modulo the period.
    pub phase: u8,
}

/// Where the hits are.
#[derive(Debug, Clone)]
pub struct Field {
    /// The mask, with borders.
    pub mask: Vec<bool>,
    /// The hits in the order of the walk.
    pub hits: Vec<Hit>,
    /// For each hit its cell in the array.
    pub cells: Vec<u32>,
    /// Which of layers and pads there are several of.
    several: [bool; 3],
    /// Distances of neighbours in layers and pads.
    strides: [usize; 3],
}

impl Field {
    /// Most cells with borders, for an array of so many.
    fn most(count: usize) -> usize {
        count.saturating_mul(4).saturating_add(1 << 16)
    }

    /// Whether an array is no mere border, and not too long.
    pub fn fits(walk: &Walk) -> bool {
        walk.count() <= MAX_CELLS && padded(walk).is_some_and(|n| n <= Field::most(walk.count()))
    }

    /// From the mask in the array's order.
    pub fn new(walk: &Walk, mask: &[u8], period: usize) -> Result<Field> {
        let total = padded(walk).filter(|_| Field::fits(walk) && mask.len() == walk.count());
        let total = total.ok_or_else(|| corruption("bins: an array of a strange shape"))?;
        let [_, layers, pads, times] = walk.sides();
        let several = [layers > 1, pads > 1, true];
        let border: [usize; 3] = std::array::from_fn(|k| if several[k] { BORDER[k] } else { 0 });
        let row = times + 2 * border[2];
        let strides = [row * (pads + 2 * border[1]), row, 1];
        let frame = strides[0] * (layers + 2 * border[0]);
        let mut field =
            Field { mask: vec![false; total], hits: Vec::new(), cells: Vec::new(), several, strides };
        let mut n = 0;
        walk.rows(|from, stride| {
            let (pad, rest) = (n % pads, n / pads);
            let (layer, number) = (rest % layers, rest / layers);
            let start = number * frame
                + (layer + border[0]) * strides[0]
                + (pad + border[1]) * strides[1]
                + border[2];
            n += 1;
            let mut place = 0usize;
            let first = field.hits.len();
            for t in 0..times {
                let cell = from + t * stride;
                if mask.get(cell).is_none_or(|&m| m == 0) {
                    place = 0;
                    continue;
                }
                field.mask[start + t] = true;
                field.cells.push(cell as u32);
                let phase = if period > 1 { (place % period) as u8 } else { 0 };
                let at = (start + t) as u32;
                field.hits.push(Hit { at, place: place.min(PLACES - 1) as u8, end: 0, phase });
                place += 1;
            }
            let mut next: Option<(u32, u8)> = None;
            for hit in field.hits[first..].iter_mut().rev() {
                hit.end = match next {
                    Some((at, end)) if at == hit.at + 1 => (end + 1).min(ENDS as u8 - 1),
                    _ => 0,
                };
                next = Some((hit.at, hit.end));
            }
        });
        Ok(field)
    }

    /// The distance of a neighbour in the field; nothing where the array has no such direction.
    pub fn distance(&self, step: Step) -> Option<isize> {
        if (0..3).any(|k| step[k] != 0 && !self.several[k]) {
            return None;
        }
        Some((0..3).map(|k| isize::from(step[k]) * self.strides[k] as isize).sum())
    }
}

/// Cells with borders.
fn padded(walk: &Walk) -> Option<usize> {
    let [frames, layers, pads, times] = walk.sides();
    let side = |n: usize, border: usize| if n > 1 { n + 2 * border } else { n };
    frames
        .checked_mul(side(layers, BORDER[0]))?
        .checked_mul(side(pads, BORDER[1]))?
        .checked_mul(times + 2 * BORDER[2])
}
