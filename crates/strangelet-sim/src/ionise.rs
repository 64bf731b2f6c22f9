//! How many electrons a particle frees, and where.

use crate::rng::Rng;

/// Energy per freed electron, keV.
pub const W_KEV: f64 = 0.0364;
/// Clusters of at least this many electrons are knock-on electrons that travel.
pub const DELTA_ELECTRONS: u64 = 275;
/// The largest cluster: a delta electron of about 1 MeV.
const MOST: f64 = 30_000.0;
/// P(at least n electrons) for n = 2 ...
const TAIL: [f64; 6] = [0.24, 0.115, 0.070, 0.046, 0.033, 0.025];
/// ... and from 8 on as this over n (Rutherford scattering: 2 pi r_e^2 m c^2 N / W).
const RUTHERFORD: f64 = 0.139;

/// Electrons of one ionising collision; at least 1.
pub fn cluster(rng: &mut Rng) -> u64 {
    let u = rng.uniform();
    if u >= TAIL[0] {
        return 1;
    }
    if u < RUTHERFORD / 8.0 {
        let n = RUTHERFORD / u.max(1e-300);
        return if n < MOST { n as u64 } else { 1 };
    }
    1 + TAIL.iter().filter(|&&p| u < p).count() as u64
}

/// Mean electrons of a collision, by the tables above.
pub fn mean_cluster() -> f64 {
    let low: f64 = 1.0 + TAIL.iter().sum::<f64>();
    let high: f64 = (8..MOST as u64).map(|n| RUTHERFORD / n as f64 - RUTHERFORD / MOST).sum();
    low + high
}

/// Ionisation of a particle of charge 1 relative to the minimum, by its beta gamma (Bethe; the relativistic rise in
/// gas ends near 100).
pub fn bethe(beta_gamma: f64) -> f64 {
    let raw = |bg: f64| {
        let beta2 = bg * bg / (1.0 + bg * bg);
        // 2 m c^2 / I with I = 140 eV
        ((7300.0 * bg.min(100.0).powi(2)).ln() - beta2) / beta2
    };
    (raw(beta_gamma.max(0.02)) / raw(3.5)).min(200.0)
}

/// Range of an electron, g/cm2, by its kinetic energy in MeV (Katz and Penfold).
pub fn range_g_cm2(mev: f64) -> f64 {
    0.412 * mev.powf(1.265 - 0.0954 * mev.ln())
}

/// Density of the gas, g/cm3 (Ne:CF4 90:10).
pub const DENSITY: f64 = 1.12e-3;
/// Radiation length of the gas, cm.
pub const RADIATION_LENGTH_CM: f64 = 24_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_have_their_mean() {
        let mut rng = Rng::new(&[3]);
        let n = 400_000;
        // The tail is so heavy that only the capped mean converges.
        let capped = |n: u64| n.min(100) as f64;
        let mean = (0..n).map(|_| capped(cluster(&mut rng))).sum::<f64>() / n as f64;
        let tail: f64 = (8..=100).map(|n| RUTHERFORD / n as f64).sum();
        let expected = 1.0 + TAIL.iter().sum::<f64>() + tail;
        assert!((mean / expected - 1.0).abs() < 0.02, "{mean} {expected}");
        assert!((2.5..2.9).contains(&mean_cluster()));
    }

    #[test]
    fn slow_particles_ionise_more_and_fast_ones_a_little_more() {
        assert!((bethe(3.5) - 1.0).abs() < 1e-12);
        assert!((1.9..2.4).contains(&bethe(0.7)), "{}", bethe(0.7));
        assert!((1.2..1.7).contains(&bethe(100.0)));
        assert!((bethe(1e4) / bethe(100.0) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn ranges_are_those_of_the_books() {
        assert!((range_g_cm2(0.1) - 0.0135).abs() < 0.001);
        assert!((range_g_cm2(1.0) - 0.412).abs() < 1e-9);
    }
}
