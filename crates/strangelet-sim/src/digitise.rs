//! From charge to numbers: pedestal, noise, 10 bits, zero suppression.
//!
//! `First4`: samples carry the pedestal. A sample over the threshold is written with the four after it, whatever they
//! are; the search goes on behind them. So runs are 5, 10, 15 ... samples long wherever nothing cuts them.
//!
//! Pads that have charge anywhere in the window have noise in all of it, the others none.
//!
//! `Floor64`: samples under 64 ADC (pedestal included) are dropped one by one, runs have any length.

use crate::detector::{BINS, Detector, LAYERS, Suppression};
use crate::response::Charge;
use crate::rng::Rng;

/// The largest sample.
pub const FULL: f64 = 1023.0;
/// Samples written from a sample over the threshold on.
const RUN: usize = 5;
/// The fixed floor of the other kind of suppression.
const FLOOR: f64 = 64.0;

/// What a sample of this analogue size becomes.
fn sample(analogue: f64) -> u16 {
    analogue.clamp(0.0, FULL) as u16
}

/// Digitises one pad: `adc` over the pedestal, `out` zeroed.
pub fn pad(detector: &Detector, suppression: Suppression, adc: &[f32], rng: &mut Rng, out: &mut [u16]) {
    match suppression {
        Suppression::First4 => {
            let (mut rest, mut keep_until) = (adc.iter().zip(out.iter_mut()).enumerate(), 0);
            for (t, (&charge, out)) in &mut rest {
                let analogue = detector.pedestal + charge as f64 + detector.noise * rng.normal();
                if t >= keep_until && analogue > detector.threshold {
                    keep_until = t + RUN;
                }
                if t < keep_until {
                    *out = sample(analogue);
                }
            }
        }
        Suppression::Floor64 => {
            for (&charge, out) in adc.iter().zip(out) {
                let analogue = detector.pedestal + charge as f64 + detector.noise * rng.normal();
                if analogue >= FLOOR {
                    *out = sample(analogue);
                }
            }
        }
    }
}

/// Digitises a wedge: azimuth x beam x layer, as in the official files.
pub fn wedge(detector: &Detector, suppression: Suppression, charge: &Charge, rng: &mut Rng) -> Vec<u16> {
    let pads = charge.pads;
    let mut out = vec![0; pads * BINS * LAYERS];
    let mut row = [0u16; BINS];
    for (k, adc) in charge.adc.chunks_exact(BINS).enumerate() {
        // A pad that no charge reached stays silent, as in the collaboration's simulation.
        if adc.iter().all(|q| *q == 0.0) {
            continue;
        }
        let (layer, p) = (k / pads, k % pads);
        row.fill(0);
        pad(detector, suppression, adc, rng, &mut row);
        for (t, &value) in row.iter().enumerate().filter(|(_, v)| **v > 0) {
            out[(p * BINS + t) * LAYERS + layer] = value;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digitised(suppression: Suppression, adc: &[f32]) -> Vec<u16> {
        let quiet = Detector { noise: 0.0, ..Detector::default() };
        let mut out = vec![0; adc.len()];
        pad(&quiet, suppression, adc, &mut Rng::new(&[1]), &mut out);
        out
    }

    #[test]
    fn the_first_over_threshold_and_four_more() {
        let mut adc = vec![0.0; 20];
        adc[3] = 4.5;
        assert_eq!(digitised(Suppression::First4, &adc)[..10], [0, 0, 0, 78, 74, 74, 74, 74, 0, 0]);
        adc[8] = 50.0;
        let out = digitised(Suppression::First4, &adc);
        assert_eq!(out.iter().filter(|v| **v > 0).count(), 10);
        adc[8] = 0.0;
        adc[6] = 5000.0;
        assert_eq!(digitised(Suppression::First4, &adc)[3..9], [78, 74, 74, 1023, 74, 0]);
        adc.fill(0.0);
        adc[18] = 9.0;
        assert_eq!(digitised(Suppression::First4, &adc)[16..], [0, 0, 83, 74]);
    }
}
