//! What a loss did to the voxels: errors of log2(ADC + 1), hits that came and went.

use std::sync::LazyLock;

/// log2(ADC + 1) of every ADC.
static LOG2: LazyLock<Vec<f64>> =
    LazyLock::new(|| (0..=u16::MAX).map(|v| (f64::from(v) + 1.0).log2()).collect());

/// log2(ADC + 1).
pub fn log2(adc: u16) -> f64 {
    LOG2[adc as usize]
}

/// What a method gave back.
#[derive(Clone, Copy)]
pub enum Restored<'a> {
    /// Samples.
    Adc(&'a [u16]),
    /// log2(ADC + 1); what is under `cut` counts as no hit.
    Log2 { values: &'a [f32], cut: f32 },
}

impl<'a> Restored<'a> {
    /// log2(ADC + 1) of a voxel; 0 for no hit.
    pub fn log2(&self, voxel: usize) -> f64 {
        match self {
            Restored::Adc(adc) => log2(adc[voxel]),
            Restored::Log2 { values, cut } if values[voxel] >= *cut => f64::from(values[voxel]),
            Restored::Log2 { .. } => 0.0,
        }
    }

    /// ADC of a voxel, not rounded; 0 for no hit.
    pub fn adc(&self, voxel: usize) -> f64 {
        match self {
            Restored::Adc(adc) => f64::from(adc[voxel]),
            Restored::Log2 { .. } => self.log2(voxel).exp2() - 1.0,
        }
    }

    /// A part of them.
    pub fn part(&self, voxels: std::ops::Range<usize>) -> Restored<'a> {
        match *self {
            Restored::Adc(adc) => Restored::Adc(&adc[voxels]),
            Restored::Log2 { values, cut } => Restored::Log2 { values: &values[voxels], cut },
        }
    }
}

/// Errors over all voxels of a set.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quality {
    /// Mean error of log2(ADC + 1) over all voxels.
    pub mae: f64,
    /// Mean squared error of log2(ADC + 1) over all voxels.
    pub mse: f64,
    /// The same sum of errors as that of `mae`, by the number of hits.
    pub mae_hit: f64,
    /// Share of the hits given back that were there.
    pub precision: f64,
    /// Share of the hits that were given back.
    pub recall: f64,
}

impl Quality {
    /// That of a method that loses nothing.
    pub const EXACT: Quality = Quality { mae: 0.0, mse: 0.0, mae_hit: 0.0, precision: 1.0, recall: 1.0 };

    /// Compares what was given back with what was there.
    pub fn of(adc: &[u16], restored: Restored) -> Quality {
        let (mut l1, mut l2) = (0.0, 0.0);
        let (mut hits, mut found, mut right) = (0u64, 0u64, 0u64);
        for (i, &x) in adc.iter().enumerate() {
            let y = restored.log2(i);
            hits += u64::from(x > 0);
            found += u64::from(y > 0.0);
            right += u64::from(x > 0 && y > 0.0);
            let d = (y - log2(x)).abs();
            l1 += d;
            l2 += d * d;
        }
        let share = |n: u64, of: u64| if of == 0 { 1.0 } else { n as f64 / of as f64 };
        let voxels = adc.len().max(1) as f64;
        Quality {
            mae: l1 / voxels,
            mse: l2 / voxels,
            mae_hit: l1 / hits.max(1) as f64,
            precision: share(right, found),
            recall: share(right, hits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_of_the_logarithm_and_hits_are_counted() {
        // log2(x + 1): 6, 7, 0, 0, 8; given back: 7, 0, 5, 0, 8.
        let (was, is) = ([63, 127, 0, 0, 255], [127, 0, 31, 0, 255]);
        let q = Quality::of(&was, Restored::Adc(&is));
        assert_eq!(q.mae, (1.0 + 7.0 + 5.0) / 5.0);
        assert_eq!(q.mse, (1.0 + 49.0 + 25.0) / 5.0);
        assert_eq!(q.mae_hit, 13.0 / 3.0);
        assert_eq!((q.precision, q.recall), (2.0 / 3.0, 2.0 / 3.0));
        // The same as logarithms, with noise under the cut that counts as nothing.
        let values = [7.0, 2.9, 5.0, -2.0, 8.0];
        assert_eq!(Quality::of(&was, Restored::Log2 { values: &values, cut: 3.0 }), q);
        assert_eq!(Restored::Log2 { values: &values, cut: 3.0 }.adc(0), 127.0);
        assert_eq!(Quality::of(&was, Restored::Adc(&was)), Quality::EXACT);
    }

    #[test]
    fn nothing_found_is_nothing_wrong() {
        let q = Quality::of(&[80, 0], Restored::Adc(&[0, 0]));
        assert_eq!((q.precision, q.recall), (1.0, 0.0));
    }
}
