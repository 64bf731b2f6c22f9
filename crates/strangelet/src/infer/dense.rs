//! Dense 3x3x3 convolutions with reflected borders, layer behind layer, through a few planes of memory.
//!
//! A network is convolutions, each followed by a leaky cut-off (x below zero becomes 0.1 x), and a head that adds up
//! the last channels. Three planes of the input of each layer are held at a time: memory follows the plane, not the
//! volume, and every product is computed once.
//!
//! # Order
//! A result starts at its bias and takes, for each input channel upward, for the taps (k0, k1, k2) along the
//! three axes in C order, `result = result + weight * input`, each rounded to f32. The head starts at its bias and takes
//! its channels upward. Beyond a border stands what is as far inside: -1 is 1, n is n - 2.
//!
//! # Rows without anything
//! Where the nine rows that a row is made of hold the value of a volume of zeros everywhere, so does the
//! result: it is taken from there. That changes no bit, for the sums are the same.
//!
//! # Folding
//! Normalisation is folded into the weights when a bundle is written, in f64: with s = scale / sqrt(variance + 1e-5), the weight
//! is round(weight x s) and the bias round((bias - mean) x s + shift), rounded once to f32 at the end.

use crate::error::{Result, usage};
use rayon::prelude::*;

/// Lanes of the last axis reckoned at once.
const LANES: usize = 16;
/// Output channels reckoned at once.
const BLOCK: usize = 4;
/// Rows that one task takes.
const TASK: usize = 32;
/// What a number below zero keeps.
const SLOPE: f32 = 0.1;

/// A convolution with its bias.
#[derive(Debug, Clone)]
pub struct Convolution {
    inputs: usize,
    outputs: usize,
    /// `[block of outputs][input][tap][output within the block]`, missing outputs zero.
    weights: Vec<f32>,
    /// Of whole blocks.
    bias: Vec<f32>,
}

impl Convolution {
    /// From weights `[output][input][k0][k1][k2]`. Fails where the lengths do not fit.
    pub fn new(inputs: usize, outputs: usize, weights: &[f32], bias: &[f32]) -> Result<Convolution> {
        if inputs == 0 || outputs == 0 || weights.len() != inputs * outputs * 27 || bias.len() != outputs {
            return Err(usage("a convolution whose channels do not fit"));
        }
        let blocks = outputs.div_ceil(BLOCK);
        let mut blocked = vec![0.0; blocks * BLOCK * inputs * 27];
        for (o, of) in weights.chunks_exact(inputs * 27).enumerate() {
            for (at, &w) in of.iter().enumerate() {
                blocked[(o / BLOCK * inputs * 27 + at) * BLOCK + o % BLOCK] = w;
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(blocks * BLOCK, 0.0);
        Ok(Convolution { inputs, outputs, weights: blocked, bias })
    }
}

/// Convolutions and a head.
#[derive(Debug, Clone)]
pub struct Network {
    layers: Vec<Convolution>,
    head: Vec<f32>,
    head_bias: f32,
}

/// A plane in the memory of a run: rows (one more at either side) of channels of lanes (one more at the left,
/// and at least one at the right).
#[derive(Debug, Default, Clone)]
struct Plane {
    cells: Vec<f32>,
    /// Rows that hold what a volume of zeros gives.
    blank: Vec<bool>,
}

impl Network {
    /// From layers of fitting channels, the first with one input. Fails where they do not fit.
    pub fn new(layers: Vec<Convolution>, head: Vec<f32>, head_bias: f32) -> Result<Network> {
        let mut channels = 1;
        for layer in &layers {
            if layer.inputs != channels {
                return Err(usage("layers whose channels do not fit"));
            }
            channels = layer.outputs;
        }
        if layers.is_empty() || head.len() != channels {
            return Err(usage("a network without layers, or a head that does not fit"));
        }
        Ok(Network { layers, head, head_bias })
    }

    /// Multiplications for a voxel whose rows are not blank.
    pub fn cost(&self) -> u64 {
        let layers = self.layers.iter().map(|l| (l.inputs * l.outputs * 27) as u64);
        layers.sum::<u64>() + self.head.len() as u64
    }

    /// Evaluates the network on a volume (C order, every side at least 2) that is zero but for some voxels (index upward,
    /// value). `output` is the volume of results. Returns the multiplications done.
    pub fn forward(&self, shape: [usize; 3], voxels: &[(u32, f32)], output: &mut [f32]) -> Result<u64> {
        let [a, b, c] = shape;
        let count = a.checked_mul(b).and_then(|n| n.checked_mul(c));
        if shape.iter().any(|&n| n < 2) || count != Some(output.len()) {
            return Err(usage(format!("a network on {a} x {b} x {c} voxels")));
        }
        let upward = voxels.windows(2).all(|w| w[0].0 < w[1].0);
        if !upward || voxels.last().is_some_and(|v| v.0 as usize >= output.len()) {
            return Err(usage("voxels out of order, or outside of the volume"));
        }
        let mut run = Run::new(self, shape, output);
        let mut rest = voxels;
        for plane in 0..a {
            let end = rest.partition_point(|v| (v.0 as usize) < (plane + 1) * b * c);
            let (here, behind) = rest.split_at(end);
            rest = behind;
            let mut input = std::mem::take(&mut run.planes[0][plane % 3]);
            input.cells.fill(0.0);
            input.blank.fill(true);
            for &(voxel, value) in here {
                let at = voxel as usize - plane * b * c;
                input.cells[(1 + at / c) * run.lanes + 1 + at % c] = value;
                input.blank[1 + at / c] = false;
            }
            run.borders(&mut input, 1);
            run.planes[0][plane % 3] = input;
            run.arrived(0, plane);
        }
        Ok(run.products)
    }
}

/// What a network holds while it runs.
struct Run<'a> {
    network: &'a Network,
    shape: [usize; 3],
    /// Lanes of a row with its margins.
    lanes: usize,
    /// Three planes of the input of each layer, and of the head (plane modulo 3).
    planes: Vec<[Plane; 3]>,
    /// The row of each layer's output where all is zero.
    blank: Vec<Vec<f32>>,
    output: &'a mut [f32],
    products: u64,
}

impl<'a> Run<'a> {
    fn new(network: &'a Network, shape: [usize; 3], output: &'a mut [f32]) -> Run<'a> {
        let lanes = shape[2].next_multiple_of(LANES) + 2;
        let rows = shape[1] + 2;
        let plane =
            |channels: usize| Plane { cells: vec![0.0; rows * channels * lanes], blank: vec![true; rows] };
        let mut planes: Vec<[Plane; 3]> =
            network.layers.iter().map(|l| std::array::from_fn(|_| plane(l.inputs))).collect();
        planes.push(std::array::from_fn(|_| plane(network.head.len())));
        // The answer to zeros, by the same sums.
        let mut blank = Vec::new();
        let mut before = vec![0.0; lanes];
        for layer in &network.layers {
            let three: Vec<f32> = before.repeat(3);
            let mut row = vec![0.0; layer.outputs * lanes];
            let blank_row = &[];
            let out = &mut row;
            pulp::Arch::new().dispatch(Rows {
                convolution: layer,
                inputs: [&three; 3],
                first: 0,
                lanes,
                blank: &[false],
                blank_row,
                out,
            });
            for channel in row.chunks_exact_mut(lanes) {
                let value = channel[1];
                channel.fill(value);
            }
            before.clone_from(&row);
            blank.push(row);
        }
        Run { network, shape, lanes, planes, blank, output, products: 0 }
    }

    /// Fills the margins of the rows 1 .. n of a plane, and the rows around them.
    fn borders(&self, plane: &mut Plane, channels: usize) {
        let (row, n) = (channels * self.lanes, self.shape[1]);
        for lane in plane.cells[row..(n + 1) * row].chunks_exact_mut(self.lanes) {
            lane[0] = lane[2];
            lane[self.shape[2] + 1] = lane[self.shape[2] - 1];
        }
        plane.cells.copy_within(2 * row..3 * row, 0);
        plane.cells.copy_within((n - 1) * row..n * row, (n + 1) * row);
        plane.blank[0] = plane.blank[2];
        plane.blank[n + 1] = plane.blank[n - 1];
    }

    /// A plane of a layer's input is there: makes what has become possible.
    fn arrived(&mut self, layer: usize, plane: usize) {
        if layer == self.network.layers.len() {
            return self.head(plane);
        }
        if plane > 0 {
            self.compute(layer, plane - 1);
        }
        if plane + 1 == self.shape[0] {
            self.compute(layer, plane);
        }
    }

    fn compute(&mut self, layer: usize, plane: usize) {
        let convolution = &self.network.layers[layer];
        let (rows, lanes, last) = (self.shape[1], self.lanes, self.shape[0] - 1);
        let around =
            [if plane == 0 { 1 } else { plane - 1 }, plane, if plane == last { last - 1 } else { plane + 1 }];
        let mut out = std::mem::take(&mut self.planes[layer + 1][plane % 3]);
        let inputs = around.map(|p| &self.planes[layer][p % 3]);
        let cells = inputs.map(|p| &p.cells[..]);
        let row = convolution.outputs * lanes;
        for i in 0..rows {
            out.blank[i + 1] = inputs.iter().all(|p| p.blank[i..i + 3].iter().all(|&b| b));
        }
        let (blank, blank_row) = (&out.blank[1..rows + 1], &self.blank[layer]);
        out.cells[row..(rows + 1) * row]
            .par_chunks_mut(TASK * row)
            .zip(blank.par_chunks(TASK))
            .enumerate()
            .for_each(|(task, (out, blank))| {
                let rows =
                    Rows { convolution, inputs: cells, first: task * TASK, lanes, blank, blank_row, out };
                pulp::Arch::new().dispatch(rows);
            });
        let computed = blank.iter().filter(|&&b| !b).count();
        self.products += (computed * self.shape[2] * convolution.inputs * convolution.outputs * 27) as u64;
        self.borders(&mut out, convolution.outputs);
        self.planes[layer + 1][plane % 3] = out;
        self.arrived(layer + 1, plane);
    }

    fn head(&mut self, plane: usize) {
        let (rows, count) = (self.shape[1], self.shape[2]);
        let head = &self.network.head;
        let from = &self.planes[self.network.layers.len()][plane % 3].cells;
        let to = &mut self.output[plane * rows * count..][..rows * count];
        for (i, to) in to.chunks_exact_mut(count).enumerate() {
            to.fill(self.network.head_bias);
            let row = &from[(i + 1) * head.len() * self.lanes..][..head.len() * self.lanes];
            for (lane, &w) in row.chunks_exact(self.lanes).zip(head) {
                for (to, &x) in to.iter_mut().zip(&lane[1..]) {
                    *to += w * x;
                }
            }
        }
        self.products += (rows * count * head.len()) as u64;
    }
}

/// Some rows of a layer's output, to be computed.
struct Rows<'a> {
    convolution: &'a Convolution,
    inputs: [&'a [f32]; 3],
    /// Number of the first row.
    first: usize,
    lanes: usize,
    blank: &'a [bool],
    blank_row: &'a [f32],
    out: &'a mut [f32],
}

impl pulp::WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        // How many registers a step of lanes takes, and how many rows fit beside each other.
        match S::F32_LANES {
            16 => self.all::<S, 1, 4>(simd),
            8 => self.all::<S, 2, 1>(simd),
            4 => self.all::<S, 4, 1>(simd),
            _ => self.all::<S, LANES, 1>(simd),
        }
    }
}

impl Rows<'_> {
    #[inline(always)]
    fn all<S: pulp::Simd, const P: usize, const R: usize>(self, simd: S) {
        let (conv, row) = (self.convolution, self.convolution.outputs * self.lanes);
        let mut i = 0;
        while let Some(&blank) = self.blank.get(i) {
            let together = self.blank[i..].iter().take(R).take_while(|&&b| !b).count();
            let out = &mut self.out[i * row..];
            if blank {
                out[..row].copy_from_slice(self.blank_row);
                i += 1;
            } else if R > 1 && together == R {
                conv.rows::<S, P, R>(simd, self.inputs, self.first + i, self.lanes, &mut out[..R * row]);
                i += R;
            } else {
                conv.rows::<S, P, 1>(simd, self.inputs, self.first + i, self.lanes, &mut out[..row]);
                i += 1;
            }
        }
    }
}

impl Convolution {
    /// Rows `i .. i + R` of the output, from rows `i .. i + R + 2` of three planes, in steps of `P` registers.
    #[inline(always)]
    fn rows<S: pulp::Simd, const P: usize, const R: usize>(
        &self,
        simd: S,
        planes: [&[f32]; 3],
        i: usize,
        lanes: usize,
        out: &mut [f32],
    ) {
        let blocks = self.outputs.div_ceil(BLOCK);
        for block in 0..blocks {
            let weights = &self.weights[block * self.inputs * 27 * BLOCK..][..self.inputs * 27 * BLOCK];
            let bias = &self.bias[block * BLOCK..][..BLOCK];
            let channels = BLOCK.min(self.outputs - block * BLOCK);
            for first in (0..lanes - 2).step_by(LANES) {
                let mut sums = [[[simd.splat_f32s(0.0); P]; BLOCK]; R];
                for sums in &mut sums {
                    for (sum, &b) in sums.iter_mut().zip(bias) {
                        *sum = [simd.splat_f32s(b); P];
                    }
                }
                for (input, weights) in weights.as_chunks::<BLOCK>().0.as_chunks::<27>().0.iter().enumerate()
                {
                    for k0 in 0..3 {
                        for k1 in 0..3 {
                            let mut x = [&[0f32; LANES + 2]; R];
                            for (r, x) in x.iter_mut().enumerate() {
                                let at = ((i + r + k1) * self.inputs + input) * lanes + first;
                                if let Some((found, _)) = planes[k0][at..].split_first_chunk() {
                                    *x = found;
                                }
                            }
                            for k2 in 0..3 {
                                tap(simd, &mut sums, &weights[k0 * 9 + k1 * 3 + k2], &x, k2);
                            }
                        }
                    }
                }
                for (r, sums) in sums.iter().enumerate() {
                    for (o, sum) in sums.iter().take(channels).enumerate() {
                        let at = (r * self.outputs + block * BLOCK + o) * lanes + first + 1;
                        let out = &mut out[at..at + LANES];
                        for (to, &sum) in S::as_mut_simd_f32s(out).0.iter_mut().zip(sum) {
                            *to = sum;
                        }
                        for y in out {
                            *y = if *y > 0.0 { *y } else { SLOPE * *y };
                        }
                    }
                }
            }
        }
    }
}

/// One tap of one input channel for a block of outputs in some rows.
#[inline(always)]
fn tap<S: pulp::Simd, const P: usize, const R: usize>(
    simd: S,
    sums: &mut [[[S::f32s; P]; BLOCK]; R],
    weights: &[f32; BLOCK],
    x: &[&[f32; LANES + 2]; R],
    shift: usize,
) {
    let weights = weights.map(|w| simd.splat_f32s(w));
    for (sums, x) in sums.iter_mut().zip(x) {
        for p in 0..P {
            let step = LANES / P;
            let Some(&x) = S::as_simd_f32s(&x[shift + p * step..][..step]).0.first() else { continue };
            for (sum, w) in sums.iter_mut().zip(weights) {
                sum[p] = simd.add_f32s(sum[p], simd.mul_f32s(w, x));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noise(seed: u64, i: usize) -> f32 {
        let mut x = seed ^ (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x = (x ^ x >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (x >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Layers as plain loops want them: weights `[output][input][tap]`.
    type Plain = Vec<(usize, usize, Vec<f32>, Vec<f32>)>;

    fn layers(channels: &[usize], seed: u64) -> Plain {
        let pairs = channels.windows(2).enumerate();
        pairs
            .map(|(n, c)| {
                let seed = seed ^ (n as u64) << 32;
                let weights = (0..c[0] * c[1] * 27).map(|i| noise(seed, i) * 0.2).collect();
                (c[0], c[1], weights, (0..c[1]).map(|i| noise(seed ^ 1, i)).collect())
            })
            .collect()
    }

    fn network(layers: &Plain, head: &[f32]) -> Network {
        let layers = layers.iter().map(|(i, o, w, b)| Convolution::new(*i, *o, w, b).unwrap()).collect();
        Network::new(layers, head.to_vec(), 0.25).unwrap()
    }

    /// The definition, in the documented order.
    fn naive(layers: &Plain, head: &[f32], shape: [usize; 3], input: &[f32]) -> Vec<f32> {
        let volume: usize = shape.iter().product();
        let mirror = |x: usize, k: usize, n: usize| match x as i64 + k as i64 - 1 {
            -1 => 1,
            y if y == n as i64 => n - 2,
            y => y as usize,
        };
        let mut now = vec![input.to_vec()];
        for (inputs, outputs, weights, bias) in layers {
            now = (0..*outputs)
                .map(|o| {
                    (0..volume)
                        .map(|v| {
                            let at = [v / (shape[1] * shape[2]), v / shape[2] % shape[1], v % shape[2]];
                            let mut sum = bias[o];
                            for i in 0..*inputs {
                                for k in 0..27 {
                                    let p = mirror(at[0], k / 9, shape[0]);
                                    let q = mirror(at[1], k / 3 % 3, shape[1]);
                                    let r = mirror(at[2], k % 3, shape[2]);
                                    sum += weights[(o * inputs + i) * 27 + k]
                                        * now[i][(p * shape[1] + q) * shape[2] + r];
                                }
                            }
                            if sum > 0.0 { sum } else { 0.1 * sum }
                        })
                        .collect()
                })
                .collect();
        }
        (0..volume).map(|v| now.iter().zip(head).fold(0.25, |s, (x, w)| s + w * x[v])).collect()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|x| x.to_bits()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn as_plain_loops_bit_for_bit(
            a in 2usize..9, b in 2usize..40, c in 2usize..36, seed: u64, every in 1usize..400,
        ) {
            let shape = [a, b, c];
            let mut input = vec![0.0; a * b * c];
            let mut voxels = Vec::new();
            for i in (seed as usize % every..a * b * c).step_by(every) {
                input[i] = noise(seed, i);
                voxels.push((i as u32, input[i]));
            }
            let plain = layers(&[1, 6, 3, 4], seed);
            let head = [0.3, -0.7, 0.1, 1.9];
            let mut out = vec![0.0; a * b * c];
            network(&plain, &head).forward(shape, &voxels, &mut out).unwrap();
            prop_assert_eq!(bits(&out), bits(&naive(&plain, &head, shape, &input)));
        }
    }

    #[test]
    fn threads_change_nothing() {
        let shape = [9, 150, 16];
        let voxels: Vec<(u32, f32)> =
            (0..9 * 150 * 16).step_by(37).map(|i| (i, noise(3, i as usize))).collect();
        let net = network(&layers(&[1, 8, 5, 2], 4), &[1.0, -1.0]);
        let made = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = vec![0.0; 9 * 150 * 16];
            pool.install(|| net.forward(shape, &voxels, &mut out)).unwrap();
            bits(&out)
        });
        assert!(made[0] == made[1] && made[1] == made[2]);
    }

    #[test]
    fn every_width_of_registers_gives_the_same_bits() {
        let (inputs, outputs, lanes, rows) = (5, 7, 34, 11);
        let weights: Vec<f32> = (0..inputs * outputs * 27).map(|i| noise(8, i)).collect();
        let bias: Vec<f32> = (0..outputs).map(|i| noise(9, i)).collect();
        let conv = Convolution::new(inputs, outputs, &weights, &bias).unwrap();
        let plane = |seed| (0..(rows + 2) * inputs * lanes).map(|i| noise(seed, i)).collect::<Vec<_>>();
        let planes = [plane(1), plane(2), plane(3)];
        let blank: Vec<bool> = (0..rows).map(|i| i == 2 || i > 9).collect();
        let blank_row = vec![0.5; outputs * lanes];
        let run = |way: &dyn Fn(Rows)| {
            let mut out = vec![0.0; rows * outputs * lanes];
            let inputs = std::array::from_fn(|k| &planes[k][..]);
            let (blank, blank_row) = (&blank[..], &blank_row[..]);
            way(Rows { convolution: &conv, inputs, first: 0, lanes, blank, blank_row, out: &mut out });
            bits(&out)
        };
        let widest = run(&|rows| pulp::Arch::new().dispatch(rows));
        assert!(widest == run(&|rows| pulp::WithSimd::with_simd(rows, pulp::Scalar)));
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = pulp::x86::V3::try_new() {
            assert!(widest == run(&|rows| pulp::Simd::vectorize(v3, rows)));
        }
    }

    #[test]
    fn empty_rows_cost_nothing() {
        let net = network(&layers(&[1, 4, 2], 4), &[1.0, -1.0]);
        let mut out = vec![0.0; 10 * 60 * 16];
        let none = net.forward([10, 60, 16], &[], &mut out).unwrap();
        assert_eq!(none, 10 * 60 * 16 * 2);
        assert!(out.iter().all(|x| x.to_bits() == out[0].to_bits()));
        let one = net.forward([10, 60, 16], &[(5000, 1.0)], &mut out).unwrap();
        assert_eq!(one - none, (9 * 16 * 4 + 25 * 16 * 8) * 27);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Convolution::new(2, 2, &[0.0; 27], &[0.0; 2]).is_err());
        let net = network(&layers(&[1, 2], 4), &[1.0, -1.0]);
        assert!(net.forward([1, 5, 5], &[], &mut [0.0; 25]).is_err());
        assert!(net.forward([2, 5, 5], &[], &mut [0.0; 25]).is_err());
        assert!(net.forward([2, 5, 5], &[(50, 1.0)], &mut [0.0; 50]).is_err());
        assert!(net.forward([2, 5, 5], &[(30, 1.0), (3, 1.0)], &mut [0.0; 50]).is_err());
    }
}
