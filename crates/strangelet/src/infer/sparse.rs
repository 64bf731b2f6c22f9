//! Submanifold sparse convolution in three dimensions: results where there is input, and nowhere else.
//!
//! The active voxels (*sites*) are the rows of a matrix of channels. A convolution of 27 taps, spread by a
//! dilation, adds up for each site what its active neighbours give. The cost follows the number of pairs of
//! neighbours; products that are not there are neither computed nor counted.
//!
//! # Order
//! Tap k = i0 + 3 i1 + 9 i2 stands for the neighbour at ((i0 - 1) d, (i1 - 1) d, (i2 - 1) d) along the three
//! axes. A result starts at 0 and takes, for k upward where the neighbour is active, for each input channel
//! upward, `result = result + input * weight`, each rounded to f32.

use crate::error::{Result, usage};

/// Number of taps.
pub const TAPS: usize = 27;
/// Most voxels of a grid, so that places with their margins fit 32 bits.
pub const MAX_VOXELS: usize = 1 << 27;

/// The active voxels of a grid.
#[derive(Debug, Clone)]
pub struct Sites {
    /// One bit a voxel of the grid with its margins.
    bits: Vec<u64>,
    /// Number of sites before each word of bits.
    before: Vec<u32>,
    /// Place of each site in the grid with its margins.
    keys: Vec<u32>,
    /// Steps along the axes in that grid.
    strides: [usize; 3],
    reach: usize,
}

/// Which sites are neighbours at one dilation.
#[derive(Debug, Clone, Default)]
pub struct Neighbours {
    /// First entry of each site, and the end.
    start: Vec<u32>,
    /// Site x 32 + tap, by tap.
    entries: Vec<u32>,
}

impl Neighbours {
    /// Number of pairs of a site and an active neighbour, itself included.
    pub fn pairs(&self) -> usize {
        self.entries.len()
    }

    /// The pairs: site, tap, active neighbour there; by site, then by tap.
    pub fn each(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        self.start.windows(2).enumerate().flat_map(|(site, ends)| {
            let entries = &self.entries[ends[0] as usize..ends[1] as usize];
            entries.iter().map(move |&e| (site, (e & 31) as usize, (e >> 5) as usize))
        })
    }
}

impl Sites {
    /// Sites at these voxels (index in C order, upward) of a grid of this shape, for dilations up to `reach`.
    /// Fails where the grid is too large, or a voxel is out of order or outside.
    pub fn new(shape: [usize; 3], voxels: &[u32], reach: usize) -> Result<Sites> {
        let [a, b, c] = shape;
        let count = a.checked_mul(b).and_then(|n| n.checked_mul(c));
        if count.is_none_or(|n| n > MAX_VOXELS) || shape.contains(&0) || reach > 15 {
            return Err(usage(format!("a grid of {a} x {b} x {c} with dilation {reach} is out of range")));
        }
        // Behind each row and each plane a margin that serves its successor as well.
        let strides = [(b + reach) * (c + reach), c + reach, 1];
        let front = reach * (strides[0] + strides[1] + 1);
        let len = front + a * strides[0] + front + 1;
        if len > u32::MAX as usize {
            return Err(usage(format!("a grid of {a} x {b} x {c} with dilation {reach} is out of range")));
        }
        let mut bits = vec![0u64; len / 64 + 3];
        let mut keys = Vec::with_capacity(voxels.len());
        let mut last = None;
        let (mut row, mut first, mut base) = (usize::MAX, 0, 0);
        for &voxel in voxels {
            if last.is_some_and(|l| l >= voxel) || voxel as usize >= a * b * c {
                return Err(usage(format!("voxel {voxel} is out of order or outside of {a} x {b} x {c}")));
            }
            last = Some(voxel);
            let voxel = voxel as usize;
            if row == usize::MAX || voxel - first >= c {
                row = voxel / c;
                first = row * c;
                base = front + row / b * strides[0] + row % b * strides[1];
            }
            let key = base + (voxel - first);
            bits[key / 64] |= 1 << (key % 64);
            keys.push(key as u32);
        }
        let mut before = Vec::with_capacity(bits.len());
        let mut sum = 0;
        for word in &bits {
            before.push(sum);
            sum += word.count_ones();
        }
        Ok(Sites { bits, before, keys, strides, reach })
    }

    /// Number of sites.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Who is whose neighbour at a dilation, which must not be beyond the reach. `out` is written anew.
    pub fn neighbours(&self, dilation: usize, out: &mut Neighbours) -> Result<()> {
        if dilation == 0 || dilation > self.reach {
            return Err(usage(format!("dilation {dilation} of sites that reach {}", self.reach)));
        }
        pulp::Arch::new().dispatch(Search { sites: self, dilation, out });
        Ok(())
    }

    #[inline(always)]
    fn find(&self, dilation: usize, out: &mut Neighbours) {
        let step = |i: usize, axis: usize| (i as i64 - 1) * (dilation * self.strides[axis]) as i64;
        let offsets: [i64; TAPS] =
            std::array::from_fn(|k| step(k % 3, 0) + step(k / 3 % 3, 1) + step(k / 9, 2));
        out.start.clear();
        out.entries.clear();
        out.start.reserve(self.keys.len() + 1);
        for &key in &self.keys {
            out.start.push(out.entries.len() as u32);
            // Bits of the three voxels of each of nine rows.
            let mut mask = 0u32;
            for (k, offset) in offsets[..9].iter().enumerate() {
                let at = (i64::from(key) + offset) as usize;
                let (word, shift) = (at / 64, at % 64);
                let window = (self.bits[word] >> shift) | (self.bits[word + 1] << 1) << (63 - shift);
                let three = window & 1 | (window >> dilation & 1) << 9 | (window >> (2 * dilation) & 1) << 18;
                mask |= (three as u32) << k;
            }
            while mask != 0 {
                let k = mask.trailing_zeros();
                mask &= mask - 1;
                let at = (i64::from(key) + offsets[k as usize]) as usize;
                let below = self.bits[at / 64] & ((1 << (at % 64)) - 1);
                let site = self.before[at / 64] + below.count_ones();
                out.entries.push(site << 5 | k);
            }
        }
        out.start.push(out.entries.len() as u32);
    }
}

/// The search for neighbours, with the machine's best instructions.
struct Search<'a> {
    sites: &'a Sites,
    dilation: usize,
    out: &'a mut Neighbours,
}

impl pulp::WithSimd for Search<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.sites.find(self.dilation, self.out);
    }
}

/// Weights of a sparse convolution: `[tap][input channel][output channel]`.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Distance of neighbours.
    pub dilation: usize,
    /// 27 x inputs x outputs.
    pub weights: Vec<f32>,
}

impl Kernel {
    /// Convolves, then cuts off below zero. `input` has a row of channels for each site, `output` is
    /// written anew. Returns the multiplications done. Fails where lengths do not fit each other.
    pub fn forward(&self, near: &Neighbours, input: &[f32], output: &mut Vec<f32>) -> Result<u64> {
        let sites = near.start.len().saturating_sub(1);
        if input.len() != sites * self.inputs || self.weights.len() != TAPS * self.inputs * self.outputs {
            return Err(usage("a sparse convolution whose channels do not fit"));
        }
        output.clear();
        output.resize(sites * self.outputs, 0.0);
        match (self.inputs, self.outputs) {
            (1, 2) => convolve_fixed::<1, 2>(&self.weights, near, input, output),
            (2, 2) => convolve_fixed::<2, 2>(&self.weights, near, input, output),
            _ => convolve(self, near, input, output),
        }
        Ok(near.pairs() as u64 * (self.inputs * self.outputs) as u64)
    }
}

/// For numbers of channels known when compiling.
#[inline(always)]
fn convolve_fixed<const I: usize, const O: usize>(
    weights: &[f32],
    near: &Neighbours,
    input: &[f32],
    output: &mut [f32],
) {
    let weights = weights.as_chunks::<O>().0.as_chunks::<I>().0;
    let input = input.as_chunks::<I>().0;
    for (out, ends) in output.as_chunks_mut::<O>().0.iter_mut().zip(near.start.windows(2)) {
        let mut sum = [0f32; O];
        for &entry in &near.entries[ends[0] as usize..ends[1] as usize] {
            let (x, w) = (&input[(entry >> 5) as usize], &weights[(entry & 31) as usize]);
            for i in 0..I {
                for o in 0..O {
                    sum[o] += x[i] * w[i][o];
                }
            }
        }
        *out = sum.map(|y| if y > 0.0 { y } else { 0.0 });
    }
}

/// For any numbers of channels: the same sums.
#[inline(always)]
fn convolve(kernel: &Kernel, near: &Neighbours, input: &[f32], output: &mut [f32]) {
    let (inputs, outputs) = (kernel.inputs, kernel.outputs);
    if outputs == 0 {
        return;
    }
    for (out, ends) in output.chunks_exact_mut(outputs).zip(near.start.windows(2)) {
        for &entry in &near.entries[ends[0] as usize..ends[1] as usize] {
            let x = &input[(entry >> 5) as usize * inputs..][..inputs];
            let w = &kernel.weights[(entry & 31) as usize * inputs * outputs..][..inputs * outputs];
            for (x, w) in x.iter().zip(w.chunks_exact(outputs)) {
                for (out, w) in out.iter_mut().zip(w) {
                    *out += x * w;
                }
            }
        }
        for out in out {
            *out = if *out > 0.0 { *out } else { 0.0 };
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

    /// The definition: over a dense grid with zeros around it, in the documented order.
    fn dense(kernel: &Kernel, shape: [usize; 3], mask: &[bool], input: &[f32]) -> Vec<f32> {
        let [a, b, c] = shape;
        let (ci, co) = (kernel.inputs, kernel.outputs);
        let mut out = vec![0.0; a * b * c * co];
        for v in (0..a * b * c).filter(|&v| mask[v]) {
            let at = [v / (b * c), v / c % b, v % c];
            for o in 0..co {
                let mut sum = 0f32;
                for k in 0..TAPS {
                    let i = [k % 3, k / 3 % 3, k / 9];
                    let n: [i64; 3] =
                        std::array::from_fn(|x| at[x] as i64 + (i[x] as i64 - 1) * kernel.dilation as i64);
                    if (0..3).all(|x| n[x] >= 0 && n[x] < shape[x] as i64) {
                        let n = (n[0] as usize * b + n[1] as usize) * c + n[2] as usize;
                        for i in 0..ci {
                            // what is not active is 0
                            sum += input[n * ci + i] * kernel.weights[(k * ci + i) * co + o];
                        }
                    }
                }
                out[v * co + o] = sum.max(0.0);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn as_a_dense_one(
            a in 1usize..12, b in 1usize..12, c in 1usize..20, share in 1u64..100, seed: u64,
            dilation in 1usize..5, inputs in 1usize..4, outputs in 1usize..4,
        ) {
            let shape = [a, b, c];
            let mask: Vec<bool> =
                (0..a * b * c).map(|i| noise(seed, i) * 50.0 + 50.0 < share as f32).collect();
            let voxels: Vec<u32> = (0..a * b * c).filter(|&i| mask[i]).map(|i| i as u32).collect();
            let input: Vec<f32> = (0..voxels.len() * inputs).map(|i| noise(seed ^ 7, i)).collect();
            let mut spread = vec![0.0; a * b * c * inputs];
            for (row, &v) in input.chunks(inputs).zip(&voxels) {
                spread[v as usize * inputs..][..inputs].copy_from_slice(row);
            }
            let weights = (0..TAPS * inputs * outputs).map(|i| noise(seed ^ 9, i)).collect();
            let kernel = Kernel { inputs, outputs, dilation, weights };
            let sites = Sites::new(shape, &voxels, 4).unwrap();
            let mut near = Neighbours::default();
            sites.neighbours(dilation, &mut near).unwrap();
            let mut out = Vec::new();
            let macs = kernel.forward(&near, &input, &mut out).unwrap();
            let expected = dense(&kernel, shape, &mask, &spread);
            for (row, &v) in out.chunks(outputs).zip(&voxels) {
                prop_assert_eq!(row, &expected[v as usize * outputs..][..outputs]);
            }
            prop_assert!(macs <= (voxels.len() * TAPS * inputs * outputs) as u64);
            prop_assert!(macs >= (voxels.len() * inputs * outputs) as u64);
        }
    }

    #[test]
    fn both_paths_give_the_same_bits() {
        let voxels: Vec<u32> = (0..6000).filter(|i| i * 7919 % 5 < 2).collect();
        let sites = Sites::new([20, 30, 10], &voxels, 2).unwrap();
        let mut near = Neighbours::default();
        sites.neighbours(2, &mut near).unwrap();
        let input: Vec<f32> = (0..voxels.len() * 2).map(|i| noise(1, i)).collect();
        let weights: Vec<f32> = (0..TAPS * 4).map(|i| noise(2, i)).collect();
        let kernel = Kernel { inputs: 2, outputs: 2, dilation: 2, weights };
        let mut one = Vec::new();
        kernel.forward(&near, &input, &mut one).unwrap();
        let mut other = vec![0.0; one.len()];
        convolve(&kernel, &near, &input, &mut other);
        assert_eq!(one, other);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Sites::new([4, 4, 4], &[3, 3], 1).is_err());
        assert!(Sites::new([4, 4, 4], &[64], 1).is_err());
        assert!(Sites::new([4, 0, 4], &[], 1).is_err());
        assert!(Sites::new([1 << 20, 1 << 20, 1 << 20], &[], 1).is_err());
        let sites = Sites::new([4, 4, 4], &[0, 63], 2).unwrap();
        let mut near = Neighbours::default();
        assert!(sites.neighbours(3, &mut near).is_err());
        assert!(sites.neighbours(2, &mut near).is_ok());
        assert_eq!(near.pairs(), 2);
    }
}
