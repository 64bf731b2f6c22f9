//! Distribution functions of an error: how much of it lies below a boundary.
//!
//! # Shapes
//! With z the boundary in units of the mean size of the error:
//! **narrow**: 0.996 x normal(z x 0.8) + 0.004 x heavy(z); **wide**: Student's distribution of four degrees of freedom.
//! heavy(z) = 1/2 + z / (2 sqrt(2 + z z)) (two degrees of freedom).
//! wide(z) = 1/2 + 3/8 u (1 - u u / 12), u = z / sqrt(1 + z z / 4).
//!
//! Within -16 < z < 16 both are taken from tables in steps of 1/32, linear between; outside they are 0.996 or 0 x
//! what the normal distribution has there (1 or 0) and the formulas.
//! The normal table is the integral of exp(-x x / 2) / sqrt(2 pi) by Simpson's rule over halves of a step, from 0
//! on; exp(-y) = (1 / t)^1024 by ten squarings, t = 1 + q + q q / 2 + q q q / 6 + q q q q / 24, q = y / 1024.

use std::sync::LazyLock;

/// Steps of a unit.
const STEPS: f64 = 32.0;
/// Units on either side of zero.
const RANGE: f64 = 16.0;
/// Entries of a table: -16 ..= 16 and one more, so that the last has a neighbour.
const ENTRIES: usize = 1026;

/// A table of a distribution function.
type Table = [f64; ENTRIES];

/// The shapes an error may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Noise: nearly normal.
    Narrow,
    /// An error that is now small, now large.
    Wide,
}

fn heavy(z: f64) -> f64 {
    0.5 + z / (2.0 * (2.0 + z * z).sqrt())
}

fn student(z: f64) -> f64 {
    let u = z / (1.0 + z * z / 4.0).sqrt();
    0.5 + 0.375 * u * (1.0 - u * u / 12.0)
}

fn density(x: f64) -> f64 {
    let q = x * x / 2.0 / 1024.0;
    let t = 1.0 + q + q * q / 2.0 + q * q * q / 6.0 + q * q * q * q / 24.0;
    let mut e = 1.0 / t;
    for _ in 0..10 {
        e *= e;
    }
    e * 0.398_942_280_401_432_7
}

static NARROW: LazyLock<Table> = LazyLock::new(|| {
    let mut table = [0.0; ENTRIES];
    let half = ENTRIES / 2 - 1;
    let mut integral = 0.0;
    let step = 0.8 / STEPS;
    for i in 0..=half + 1 {
        let z = i as f64 / STEPS;
        let normal = if integral > 0.5 { 0.5 } else { integral };
        let above = 0.996 * (0.5 + normal) + 0.004 * heavy(z);
        let below = 0.996 * (0.5 - normal) + 0.004 * heavy(-z);
        table[half + i] = above;
        if i <= half {
            table[half - i] = below;
        }
        let x = i as f64 * step;
        integral += (density(x) + 4.0 * density(x + step / 2.0) + density(x + step)) * (step / 6.0);
    }
    table
});

static WIDE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = [0.0; ENTRIES];
    for (i, t) in table.iter_mut().enumerate() {
        *t = student(i as f64 / STEPS - RANGE);
    }
    table
});

/// An error's distribution around a place.
#[derive(Debug, Clone, Copy)]
pub struct Bell {
    /// The place.
    middle: f64,
    /// 1 / the mean size of the error.
    inverse: f64,
    shape: Shape,
    table: &'static Table,
}

impl Bell {
    /// Around `middle`, with errors of mean size `size` (more than 0).
    pub fn new(middle: f64, size: f64, shape: Shape) -> Bell {
        let table = match shape {
            Shape::Narrow => &*NARROW,
            Shape::Wide => &*WIDE,
        };
        Bell { middle, inverse: 1.0 / size, shape, table }
    }

    /// The part below a boundary; from 0 to 1.
    #[inline(always)]
    pub fn below(&self, boundary: f64) -> f64 {
        let z = (boundary - self.middle) * self.inverse;
        if z > -RANGE && z < RANGE {
            let x = (z + RANGE) * STEPS;
            let i = (x as usize).min(ENTRIES - 2);
            let a = self.table[i];
            a + (self.table[i + 1] - a) * (x - i as f64)
        } else {
            self.far(z)
        }
    }

    #[cold]
    fn far(&self, z: f64) -> f64 {
        match self.shape {
            Shape::Narrow => 0.004 * heavy(z) + if z > 0.0 { 0.996 } else { 0.0 },
            Shape::Wide => student(z),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_part_is_normal() {
        // 0.8 z = 1 and 2: 84.134 and 97.725 of a hundred
        for (z, normal) in [(1.25, 0.841_344_746), (2.5, 0.977_249_868), (-1.25, 0.158_655_254)] {
            let f = Bell::new(0.0, 1.0, Shape::Narrow).below(z);
            assert!((f - (0.996 * normal + 0.004 * heavy(z))).abs() < 1e-8, "{z}: {f}");
        }
    }

    #[test]
    fn both_rise_without_jumps_and_end_at_zero_and_one() {
        for shape in [Shape::Narrow, Shape::Wide] {
            let bell = Bell::new(0.0, 1.0, shape);
            let mut last = bell.below(-1e6);
            assert!((-1e-12..1e-6).contains(&last));
            for i in -4000..=4000 {
                let f = bell.below(i as f64 / 200.0);
                assert!(f >= last && f - last < 0.01, "{shape:?} {i}: {last} {f}");
                last = f;
            }
            assert!(bell.below(1e6) < 1.000_000_1 && bell.below(1e6) > 0.999_99);
            assert!((bell.below(0.0) - 0.5).abs() < 1e-12);
        }
    }
}
