//! Random numbers as a function of a key and a counter: any stream can begin anywhere, in any order.

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Rng {
    key: u64,
    counter: u64,
    spare: Option<f64>,
}

/// A bijection of 64 bits that leaves no pattern of a counter visible (the finaliser of SplitMix64).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Rng {
    /// The stream of these numbers: the same names, the same stream.
    pub fn new(names: &[u64]) -> Self {
        let key =
            names.iter().fold(GOLDEN, |key, &n| mix(key ^ mix(n.wrapping_add(GOLDEN))).wrapping_add(GOLDEN));
        Rng { key, counter: 0, spare: None }
    }

    /// Stream `n` of those that belong to this one; whatever was drawn from this one does not matter.
    pub fn branch(&self, n: u64) -> Self {
        Rng { key: mix(self.key.wrapping_add(mix(n))), counter: 0, spare: None }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(GOLDEN);
        mix(mix(self.counter ^ self.key).wrapping_add(self.key))
    }

    /// In [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// In [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }

    /// Normal with mean 0 and width 1 (polar method; every second call is free).
    pub fn normal(&mut self) -> f64 {
        if let Some(x) = self.spare.take() {
            return x;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let r2 = x * x + y * y;
            if r2 > 0.0 && r2 < 1.0 {
                let f = (-2.0 * r2.ln() / r2).sqrt();
                self.spare = Some(y * f);
                return x * f;
            }
        }
    }

    /// Poisson of a mean up to about 1000.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 60.0 {
            return (mean + mean.sqrt() * self.normal() + 0.5).max(0.0) as u64;
        }
        let (limit, mut product, mut n) = ((-mean).exp(), self.uniform(), 0);
        while product > limit {
            product *= self.uniform();
            n += 1;
        }
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_functions_of_their_names() {
        let draw = |names: &[u64]| {
            (0..4).map(|_| 0).scan(Rng::new(names), |r, _| Some(r.bits())).collect::<Vec<_>>()
        };
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
        assert_ne!(draw(&[1, 2]), draw(&[1, 2, 0]));
    }

    #[test]
    fn moments_hold() {
        let mut r = Rng::new(&[7]);
        let n = 200_000;
        let mean = |f: &mut dyn FnMut() -> f64| (0..n).map(|_| f()).sum::<f64>() / n as f64;
        // Five standard errors each.
        assert!((mean(&mut || r.uniform()) - 0.5).abs() < 5.0 * 0.289 / 447.0);
        assert!((mean(&mut || r.exponential()) - 1.0).abs() < 5.0 / 447.0);
        assert!((mean(&mut || r.normal().powi(2)) - 1.0).abs() < 5.0 * 1.42 / 447.0);
        assert!((mean(&mut || r.normal().powi(4)) - 3.0).abs() < 5.0 * 9.8 / 447.0);
        assert!((mean(&mut || r.poisson(4.5) as f64) - 4.5).abs() < 5.0 * 2.13 / 447.0);
        assert!((mean(&mut || r.poisson(100.0) as f64) - 100.0).abs() < 5.0 * 10.0 / 447.0);
    }
}
