//! BCAE-VS, the bicephalous autoencoder with a variable rate for sparse frames of a time projection
//! chamber (Huang et al., Brookhaven), in deterministic arithmetic.
//!
//! A sparse encoder looks at the hits and gives each a probability to be kept and a value. A gate draws which are kept.
//! Two dense decoders make the frame again from the values kept: one says where there is a hit, the other how high it is.
//!
//! # Analysis
//! x = log2(ADC + 1), rounded to f32, at each hit (ADC above 0). Sparse convolutions ([`crate::infer::sparse`]) with their
//! cut-off; then two sums over the last channels (from 0, channels upward), each through the sigmoid: the probability p
//! and the value r. A hit is kept where p > u, u = z >> 40 in units of 2^-24, and z the output of SplitMix64 for
//! counter `voxel + 1` from `seed` (z = seed + (voxel + 1) x 9E3779B97F4A7C15h; z = (z ^ z >> 30) x BF58476D1CE4E5B9h;
//! z = (z ^ z >> 27) x 94D049BB133111EBh; z = z ^ z >> 31).
//!
//! # Synthesis
//! Both networks ([`crate::infer::dense`]) on the values kept, zeros elsewhere. Where the segmentation's sum is above 0
//! (its sigmoid above 1/2) and the regression v is at least the `floor` of the configuration, the cell is
//! floor(2^v - 1/2), at most its `ceiling`; elsewhere 0.

use crate::error::{Result, corruption, unsupported, usage};
use crate::format::bundle::Model;
use crate::infer::dense::{Convolution, Network};
use crate::infer::math::{exp2, log2, sigmoid};
use crate::infer::sparse::{Kernel, Neighbours, Sites, TAPS};
use std::sync::OnceLock;
use xxhash_rust::xxh3::xxh3_64;

/// Most channels of a layer.
const MAX_CHANNELS: usize = 64;
/// Most layers of an encoder or a decoder.
const MAX_LAYERS: usize = 16;
/// Most voxels of frames with their margins: what the dense networks work on.
pub const MAX_PADDED: usize = 1 << 25;
/// Most voxels of a plane of the last two axes with margins: what the dense networks hold, for each channel.
const MAX_PLANE: usize = 1 << 15;

/// Voxels of a frame with margins of 16; none where that is more than the networks take.
pub fn padded([a, b, c]: [usize; 3]) -> Option<usize> {
    let wide = |n: usize| n.checked_add(16);
    let plane = wide(b)?.checked_mul(wide(c)?).filter(|&n| n <= MAX_PLANE)?;
    plane.checked_mul(wide(a)?).filter(|&n| n <= MAX_PADDED)
}

/// An encoder and its two decoders.
#[derive(Debug, Clone)]
pub struct Bcae {
    /// xxh3-64 of the bundle that it was read from.
    pub id: u64,
    encoder: Vec<Kernel>,
    /// `[channel][keep, value]`.
    last: Vec<[f32; 2]>,
    regression: Network,
    segmentation: Network,
    floor: f32,
    ceiling: u16,
}

/// What is kept of a frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Code {
    /// Voxels kept: index in C order, upward.
    pub voxels: Vec<u32>,
    /// Value of each, 0 to 1.
    pub values: Vec<f32>,
}

/// What came out of an analysis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Analysis {
    /// The code.
    pub code: Code,
    /// Number of hits.
    pub hits: usize,
    /// Sum of their probabilities to be kept.
    pub keep: f64,
    /// Multiplications done in convolutions.
    pub products: u64,
}

/// log2(ADC + 1) of small ADC.
fn logarithm(adc: u16) -> f32 {
    static TABLE: OnceLock<Vec<f32>> = OnceLock::new();
    let table = TABLE.get_or_init(|| (0..1024).map(|n| log2(f64::from(n) + 1.0) as f32).collect());
    match table.get(adc as usize) {
        Some(&x) => x,
        None => log2(f64::from(adc) + 1.0) as f32,
    }
}

/// The number between 0 and 1 that the gate draws for a voxel.
pub fn draw(seed: u64, voxel: u64) -> f32 {
    let mut z = seed.wrapping_add(voxel.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 40) as f32 / 16_777_216.0
}

impl Bcae {
    /// Kind of the bundles that hold one.
    pub const KIND: &str = "bcae-vs";

    /// Reads a bundle. Fails where it is broken, or describes another sort of network.
    pub fn from_bundle(bytes: &[u8]) -> Result<Bcae> {
        let model = Model::from_bytes(bytes)?;
        if model.kind != Self::KIND {
            return Err(unsupported(format!(
                "a bundle of kind {}, where {} is needed",
                model.kind,
                Self::KIND
            )));
        }
        let config: serde_json::Value = serde_json::from_str(&model.config)
            .map_err(|e| corruption(format!("the configuration of a bundle: {e}")))?;
        let number = |name: &str| {
            config[name].as_u64().ok_or_else(|| corruption(format!("bundle: the configuration lacks {name}")))
        };
        let none = Vec::new();
        let dilations = config["dilations"].as_array().unwrap_or(&none);
        if dilations.is_empty() || dilations.len() > MAX_LAYERS {
            return Err(corruption("bundle: the number of layers"));
        }
        let (mut encoder, mut channels) = (Vec::new(), 1);
        for (n, dilation) in dilations.iter().enumerate() {
            let (weights, [taps, inputs, outputs]) = model.tensor(&format!("encoder.{n}.weight"))?;
            let dilation = dilation.as_u64().unwrap_or(0) as usize;
            let fits = taps == TAPS && inputs == channels && (1..=MAX_CHANNELS).contains(&outputs);
            if !fits || !(1..=15).contains(&dilation) {
                return Err(corruption(format!("bundle: layer {n} of the encoder")));
            }
            channels = outputs;
            encoder.push(Kernel { inputs, outputs, dilation, weights: weights.to_vec() });
        }
        let (last, shape) = model.tensor::<2>("encoder.last")?;
        if shape != [channels, 2] {
            return Err(corruption("bundle: the last layer of the encoder"));
        }
        let ceiling = u16::try_from(number("ceiling")?).map_err(|_| corruption("bundle: the ceiling"))?;
        Ok(Bcae {
            id: xxh3_64(bytes),
            encoder,
            last: last.as_chunks::<2>().0.to_vec(),
            regression: network(&model, "regression")?,
            segmentation: network(&model, "segmentation")?,
            floor: number("floor")?.min(64) as f32,
            ceiling,
        })
    }

    /// Analyses the hits of a frame: voxels (index in C order, upward) and their ADC, none of them 0. `first` is the number of the
    /// frame's first voxel for the gate. Fails where the voxels are out of order or outside.
    pub fn analyse(
        &self,
        shape: [usize; 3],
        voxels: &[u32],
        adc: &[u16],
        seed: u64,
        first: u64,
    ) -> Result<Analysis> {
        if voxels.len() != adc.len() {
            return Err(usage("as many voxels as values are needed"));
        }
        let reach = self.encoder.iter().map(|k| k.dilation).max().unwrap_or(1);
        let sites = Sites::new(shape, voxels, reach)?;
        let mut now: Vec<f32> = adc.iter().map(|&a| logarithm(a)).collect();
        let (mut next, mut products) = (Vec::new(), 0);
        let mut tables: Vec<(usize, Neighbours)> = Vec::new();
        for kernel in &self.encoder {
            if !tables.iter().any(|t| t.0 == kernel.dilation) {
                let mut table = Neighbours::default();
                sites.neighbours(kernel.dilation, &mut table)?;
                tables.push((kernel.dilation, table));
            }
            if let Some((_, table)) = tables.iter().find(|t| t.0 == kernel.dilation) {
                products += kernel.forward(table, &now, &mut next)?;
            }
            std::mem::swap(&mut now, &mut next);
        }
        let mut analysis = Analysis { hits: voxels.len(), products, ..Analysis::default() };
        for (x, &voxel) in now.chunks_exact(self.last.len()).zip(voxels) {
            let sum = |o: usize| x.iter().zip(&self.last).fold(0f32, |s, (x, w)| s + x * w[o]);
            let keep = sigmoid(sum(0));
            analysis.keep += f64::from(keep);
            analysis.products += self.last.len() as u64;
            if keep > draw(seed, first + u64::from(voxel)) {
                analysis.code.voxels.push(voxel);
                analysis.code.values.push(sigmoid(sum(1)));
                analysis.products += self.last.len() as u64;
            }
        }
        Ok(analysis)
    }

    /// Multiplications of both decoders for a voxel.
    pub fn cost(&self) -> u64 {
        self.regression.cost() + self.segmentation.cost()
    }

    /// The results of the two networks, without the cut: regression and segmentation (its sum, without the sigmoid). Also the
    /// multiplications done. Fails where a side is shorter than 2 voxels, or the code does not fit.
    pub fn evaluate(&self, shape: [usize; 3], code: &Code) -> Result<(Vec<f32>, Vec<f32>, u64)> {
        let count = padded(shape).map(|_| shape.iter().product());
        let count = count.ok_or_else(|| corruption("a frame that is too large"))?;
        if code.voxels.len() != code.values.len() {
            return Err(corruption("a code of as many voxels as values is needed"));
        }
        let input: Vec<(u32, f32)> = code.voxels.iter().copied().zip(code.values.iter().copied()).collect();
        let (mut v, mut s) = (vec![0.0; count], vec![0.0; count]);
        let (a, b) = rayon::join(
            || self.regression.forward(shape, &input, &mut v),
            || self.segmentation.forward(shape, &input, &mut s),
        );
        Ok((v, s, a? + b?))
    }

    /// The frame that a code stands for. Returns the multiplications done. Fails as [`Bcae::evaluate`] does.
    pub fn synthesise(&self, shape: [usize; 3], code: &Code, out: &mut Vec<u16>) -> Result<u64> {
        let (v, s, products) = self.evaluate(shape, code)?;
        out.extend(
            v.iter().zip(&s).map(|(&v, &s)| if s > 0.0 && v >= self.floor { self.cell(v) } else { 0 }),
        );
        Ok(products)
    }

    /// The logarithms before they become cells, which is what the authors measure errors by; and the multiplications done.
    pub fn logarithms(&self, shape: [usize; 3], code: &Code) -> Result<(Vec<f32>, u64)> {
        let (mut v, s, products) = self.evaluate(shape, code)?;
        for (v, s) in v.iter_mut().zip(s) {
            *v = if s > 0.0 && *v >= self.floor { *v } else { 0.0 };
        }
        Ok((v, products))
    }

    fn cell(&self, v: f32) -> u16 {
        let adc = (exp2(f64::from(v)) - 0.5).floor();
        adc.min(f64::from(self.ceiling)) as u16
    }
}

fn network(model: &Model, name: &str) -> Result<Network> {
    let mut layers = Vec::new();
    while layers.len() <= MAX_LAYERS && model.has(&format!("{name}.{}.weight", layers.len())) {
        let n = layers.len();
        let (weights, [outputs, inputs, a, b, c]) = model.tensor(&format!("{name}.{n}.weight"))?;
        let (bias, _) = model.tensor::<1>(&format!("{name}.{n}.bias"))?;
        if [a, b, c] != [3; 3] || inputs > MAX_CHANNELS || outputs > MAX_CHANNELS {
            return Err(corruption(format!("bundle: {name}.{n}")));
        }
        layers.push(Convolution::new(inputs, outputs, weights, bias)?);
    }
    let (head, _) = model.tensor::<1>(&format!("{name}.head"))?;
    let (bias, _) = model.tensor::<0>(&format!("{name}.head_bias"))?;
    Network::new(layers, head.to_vec(), bias.first().copied().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_draws_evenly_and_always_the_same() {
        let mean = (0..100_000).map(|i| f64::from(draw(7, i))).sum::<f64>() / 1e5;
        assert!((mean - 0.5).abs() < 0.004, "{mean}");
        assert_eq!([0, 1, 2].map(|i| (draw(0, i) * 16_777_216.0) as u32), [0xE220A8, 0x6E789E, 0x06C45D]);
    }
}
