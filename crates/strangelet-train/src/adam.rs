//! AdamW on plain numbers.

use strangelet::format::bundle::Tensor;

/// Settings.
#[derive(Debug, Clone, Copy)]
pub struct AdamW {
    /// Step size.
    pub rate: f32,
    /// Decay of weights, relative to the step size.
    pub decay: f32,
    /// What the step size of the encoder is multiplied by: its sums have no normalisation, and large inputs.
    pub encoder: f32,
}

const BETA: (f64, f64) = (0.9, 0.999);
const EPSILON: f32 = 1e-8;

impl AdamW {
    /// Moves `parameters` against `gradients`; `moments` holds the mean of gradients and of their squares. `step` counts from 1.
    pub fn step(
        &self,
        step: u64,
        parameters: &mut [Tensor],
        gradients: &[Vec<f32>],
        moments: &mut [(Vec<f32>, Vec<f32>)],
    ) {
        let power = step.min(1 << 20) as i32;
        let correct = ((1.0 - BETA.0.powi(power)) as f32, (1.0 - BETA.1.powi(power)) as f32);
        let (b1, b2) = (BETA.0 as f32, BETA.1 as f32);
        for ((p, g), (m, v)) in parameters.iter_mut().zip(gradients).zip(moments) {
            let rate = self.rate * if p.name.starts_with("encoder.") { self.encoder } else { 1.0 };
            for (((p, &g), m), v) in p.data.iter_mut().zip(g).zip(m).zip(v) {
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                *p -= rate * self.decay * *p;
                *p -= rate * (*m / correct.0) / ((*v / correct.1).sqrt() + EPSILON);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_bottom_of_a_bowl() {
        let mut p = vec![Tensor { name: "x".into(), shape: vec![2], data: vec![3.0, -2.0] }];
        let mut moments = vec![(vec![0.0; 2], vec![0.0; 2])];
        let adam = AdamW { rate: 0.02, decay: 0.0, encoder: 1.0 };
        for step in 1..2000 {
            let g = vec![vec![2.0 * (p[0].data[0] - 1.0), 20.0 * (p[0].data[1] - 0.5)]];
            adam.step(step, &mut p, &g, &mut moments);
        }
        assert!((p[0].data[0] - 1.0).abs() < 0.02 && (p[0].data[1] - 0.5).abs() < 0.02, "{:?}", p[0].data);
    }
}
