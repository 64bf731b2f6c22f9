//! Loss with a promise: which values stand for which, within a bound, and what that does to them.
//!
//! Pure kernels: cells in, cells out. [`crate::archive`] asks them, codes the result like any file, decodes it
//! again and compares before it keeps anything.

pub mod bins;
mod fit;
pub mod measure;
pub mod palette;
pub mod rounding;

use crate::column::{Cells, Scalar};
use crate::each_width;
use crate::format::Bound;
use measure::holds;
use palette::Palette;

/// The value of a cell. Exact: no type of more than 32 bits but f64 is reduced.
#[inline]
pub fn value(scalar: Scalar, bits: u64) -> f64 {
    match scalar {
        Scalar::I8 => f64::from(bits as u8 as i8),
        Scalar::I16 => f64::from(bits as u16 as i16),
        Scalar::I32 => f64::from(bits as u32 as i32),
        Scalar::F32 => f64::from(f32::from_bits(bits as u32)),
        Scalar::F64 => f64::from_bits(bits),
        _ => bits as f64,
    }
}

/// The cell of a value that the type can hold.
#[inline]
pub fn bits(scalar: Scalar, value: f64) -> u64 {
    match scalar {
        Scalar::I8 => u64::from(value as i8 as u8),
        Scalar::I16 => u64::from(value as i16 as u16),
        Scalar::I32 => u64::from(value as i32 as u32),
        Scalar::F32 => u64::from((value as f32).to_bits()),
        Scalar::F64 => value.to_bits(),
        _ => value as u64,
    }
}

/// What to do with the cells of a column.
#[derive(Debug, Clone)]
pub struct Rule {
    /// How far a cell may move.
    pub bound: Bound,
    /// Cells of a smaller magnitude become zero.
    pub drop_below: f64,
    /// For integers: which magnitude stands for which.
    pub palette: Option<Palette>,
}

impl Rule {
    /// Whether a cell of this value becomes zero by the rule.
    #[inline]
    pub fn drops(&self, x: f64) -> bool {
        x.abs() < self.drop_below && x != 0.0
    }

    /// What a value becomes. Zeros and what is no number stay as they are, and nothing else becomes zero unless
    /// it is dropped.
    fn reduced(&self, scalar: Scalar, x: f64) -> f64 {
        if x == 0.0 || !x.is_finite() {
            return x;
        }
        if self.drops(x) {
            return 0.0;
        }
        let y = match &self.palette {
            Some(palette) => palette.nearest(x.abs() as u32).map_or(x, |y| f64::from(y).copysign(x)),
            None => rounding::rounded(scalar, &self.bound, x),
        };
        // Whatever the quantiser did: what is not within the bound stays.
        if y != 0.0 && (!self.bound.pointwise() || holds(&self.bound, x, y)) { y } else { x }
    }

    /// The reduced cells.
    pub fn reduce(&self, scalar: Scalar, cells: &Cells) -> Cells {
        macro_rules! all {
            ($v:ident, $w:ident, $t:ty) => {
                Cells::$w(
                    $v.iter()
                        .map(|&cell| {
                            let x = value(scalar, u64::from(cell));
                            let y = self.reduced(scalar, x);
                            if x == y || x.is_nan() { cell } else { bits(scalar, y) as $t }
                        })
                        .collect(),
                )
            };
        }
        match cells {
            Cells::W1(v) => all!(v, W1, u8),
            Cells::W2(v) => all!(v, W2, u16),
            Cells::W4(v) => all!(v, W4, u32),
            Cells::W8(v) => all!(v, W8, u64),
        }
    }
}

/// Adds the magnitudes of the cells that are not zero (and not dropped) to a histogram of an integer column.
pub fn count(scalar: Scalar, cells: &Cells, drop_below: f64, counts: &mut palette::Counts) {
    each_width!(cells, v => v.iter().for_each(|&cell| {
        #[allow(clippy::useless_conversion)]
        let x = value(scalar, u64::from(cell)).abs();
        if x != 0.0 && x >= drop_below {
            counts.add(x as u32);
        }
    }));
}
