//! A dense 3x3x3 convolution with reflected borders over many frames, and its gradients: sixteen lanes of the last axis at a
//! time. Three copies of each row, moved by one to either side with the border reflected, make every tap the same aligned
//! product, for results and for gradients.
//!
//! Sums are fused multiply-adds in a fixed order: the same bits for any number of threads.

use rayon::prelude::*;

/// Lanes of a step.
const LANES: usize = 16;

type Lane = [f32; LANES];

/// Sides and channels of a convolution. Volumes are `[frame][channel][a][b][c]`, weights `[output][input][3][3][3]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dense {
    /// Number of frames.
    pub frames: usize,
    /// Sides of a frame, each at least 2.
    pub shape: [usize; 3],
    /// Channels that come in.
    pub inputs: usize,
    /// Channels that go out.
    pub outputs: usize,
}

/// The place within 0 .. n that stands at `at - 1`: beyond a border, what is as far inside.
fn reflect(at: usize, n: usize) -> usize {
    match at {
        0 => 1,
        k if k > n => n - 2,
        k => k - 1,
    }
}

/// How a row becomes three.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Tap k of lane l is what stands at l + k - 1.
    Gather,
    /// The transposed: tap k of lane m is the sum of all l whose tap k is m.
    Scatter,
}

#[inline(always)]
fn three(turn: Turn, x: &[f32], to: [&mut [f32]; 3]) {
    let n = x.len();
    to[1][..n].copy_from_slice(x);
    match turn {
        Turn::Gather => {
            to[0][1..n].copy_from_slice(&x[..n - 1]);
            to[0][0] = x[1];
            to[2][..n - 1].copy_from_slice(&x[1..]);
            to[2][n - 1] = x[n - 2];
        }
        Turn::Scatter => {
            to[0][..n - 1].copy_from_slice(&x[1..]);
            to[0][n - 1] = 0.0;
            to[0][1] += x[0];
            to[2][1..n].copy_from_slice(&x[..n - 1]);
            to[2][0] = 0.0;
            to[2][n - 2] += x[n - 1];
        }
    }
}

/// Rows of a plane: `[row][channel][copy][step]` of lanes.
struct Plane {
    cells: Vec<f32>,
    /// First number on a line of the cache.
    start: usize,
    /// Lanes of a row.
    row: usize,
    copies: usize,
    steps: usize,
}

impl Plane {
    fn new(rows: usize, channels: usize, copies: usize, steps: usize) -> Plane {
        let row = channels * copies * steps;
        let cells = vec![0.0; (rows * row + 1) * LANES];
        let start = cells.as_ptr().align_offset(64).min(LANES);
        Plane { cells, start, row, copies, steps }
    }

    #[inline(always)]
    fn lanes(&self) -> &[Lane] {
        self.cells[self.start..].as_chunks().0
    }

    /// Fills row `to` with a row of each channel: `x` starts at the first channel's, `stride` numbers lie between channels.
    #[inline(always)]
    fn fill(&mut self, to: usize, x: &[f32], stride: usize, n: usize, turn: Turn) {
        let each = self.copies * self.steps * LANES;
        let row = &mut self.cells[self.start + to * self.row * LANES..][..self.row * LANES];
        for (c, to) in row.chunks_exact_mut(each).enumerate() {
            let x = &x[c * stride..][..n];
            if self.copies == 1 {
                to[..n].copy_from_slice(x);
                continue;
            }
            let (first, rest) = to.split_at_mut(self.steps * LANES);
            let (second, third) = rest.split_at_mut(self.steps * LANES);
            match (x.as_array::<LANES>(), first.as_mut_array(), second.as_mut_array(), third.as_mut_array()) {
                (Some(x), Some(a), Some(b), Some(c)) => fixed(turn, x, a, b, c),
                _ => three(turn, x, [first, second, third]),
            }
        }
    }

    /// Makes a row zero.
    fn clear(&mut self, row: usize) {
        self.cells[self.start + row * self.row * LANES..][..self.row * LANES].fill(0.0);
    }
}

/// For rows of one step.
#[inline(always)]
fn fixed(turn: Turn, x: &Lane, a: &mut Lane, b: &mut Lane, c: &mut Lane) {
    three(turn, x, [a, b, c]);
}

/// Three planes of input, which stand for a row of taps each.
type Three<'a> = [&'a [Lane]; 3];

impl Dense {
    fn steps(&self) -> usize {
        self.shape[2].div_ceil(LANES)
    }

    fn plane(&self) -> usize {
        self.shape[1] * self.shape[2]
    }

    /// Voxels of a frame.
    pub fn volume(&self) -> usize {
        self.shape.iter().product()
    }

    /// Convolves: `x` with all inputs, weights `w`.
    pub fn forward(&self, x: &[f32], w: &[f32]) -> Vec<f32> {
        let weights = Weights::new(self.inputs, self.outputs, |i, o, k| w[(o * self.inputs + i) * 27 + k]);
        let mut out = vec![0.0; self.frames * self.outputs * self.volume()];
        let frames = x.par_chunks_exact(self.inputs * self.volume());
        frames.zip(out.par_chunks_exact_mut(self.outputs * self.volume())).for_each(|(x, out)| {
            pulp::Arch::new().dispatch(Forward { dense: self, weights: &weights, x, out });
        });
        out
    }

    /// Gradient with respect to the input, from that with respect to the output.
    pub fn backward_input(&self, dz: &[f32], w: &[f32]) -> Vec<f32> {
        // What goes out comes in, and the first two axes are walked the other way; the last one is turned by `Scatter`.
        let turned = |o: usize, i: usize, k: usize| {
            let k = (2 - k / 9) * 9 + (2 - k / 3 % 3) * 3 + k % 3;
            w[(o * self.inputs + i) * 27 + k]
        };
        let weights = Weights::new(self.outputs, self.inputs, turned);
        let mut out = vec![0.0; self.frames * self.inputs * self.volume()];
        let frames = dz.par_chunks_exact(self.outputs * self.volume());
        frames.zip(out.par_chunks_exact_mut(self.inputs * self.volume())).for_each(|(dz, out)| {
            pulp::Arch::new().dispatch(Backward { dense: self, weights: &weights, dz, out });
        });
        out
    }

    /// Gradient with respect to the weights.
    pub fn backward_weights(&self, x: &[f32], dz: &[f32]) -> Vec<f32> {
        let frames = x.par_chunks_exact(self.inputs * self.volume());
        let frames = frames.zip(dz.par_chunks_exact(self.outputs * self.volume()));
        let each: Vec<Vec<f64>> =
            frames.map(|(x, dz)| pulp::Arch::new().dispatch(Slope { dense: self, x, dz })).collect();
        let mut sum = vec![0.0; self.outputs * self.inputs * 27];
        for frame in each {
            for (s, g) in sum.iter_mut().zip(frame) {
                *s += g;
            }
        }
        sum.into_iter().map(|g| g as f32).collect()
    }
}

/// Weights as the kernel walks them: blocks of at most eight outputs, `[input][k0][k1][k2][output of the block]`.
struct Weights {
    inputs: usize,
    /// First output, number of outputs, numbers.
    blocks: Vec<(usize, usize, Vec<f32>)>,
    outputs: usize,
}

impl Weights {
    fn new(inputs: usize, outputs: usize, weight: impl Fn(usize, usize, usize) -> f32) -> Weights {
        let mut blocks = Vec::new();
        let mut first = 0;
        while first < outputs {
            let size = [8, 4, 2, 1].into_iter().find(|&n| n <= outputs - first).unwrap_or(1);
            let mut numbers = Vec::with_capacity(inputs * 27 * size);
            for i in 0..inputs {
                for k in 0..27 {
                    numbers.extend((first..first + size).map(|o| weight(i, o, k)));
                }
            }
            blocks.push((first, size, numbers));
            first += size;
        }
        Weights { inputs, blocks, outputs }
    }

    /// Rows 0 .. `rows` of results to `[row][output][step]`, from rows 0 .. `rows + 2` of three planes.
    #[inline(always)]
    fn rows<S: pulp::Simd>(&self, simd: S, from: Three, rows: usize, steps: usize, out: &mut [Lane]) {
        match S::F32_LANES {
            16 => self.registers::<S, 1>(simd, from, rows, steps, out),
            8 => self.registers::<S, 2>(simd, from, rows, steps, out),
            4 => self.registers::<S, 4>(simd, from, rows, steps, out),
            _ => self.registers::<S, LANES>(simd, from, rows, steps, out),
        }
    }

    #[inline(always)]
    fn registers<S: pulp::Simd, const P: usize>(
        &self,
        simd: S,
        from: Three,
        rows: usize,
        steps: usize,
        out: &mut [Lane],
    ) {
        for (first, size, numbers) in &self.blocks {
            for step in 0..steps {
                let at = At { inputs: self.inputs, outputs: self.outputs, first: *first, step, steps };
                match size {
                    8 => at.block::<S, P, 8, 2>(simd, numbers, from, rows, out),
                    4 => at.block::<S, P, 4, 4>(simd, numbers, from, rows, out),
                    2 => at.block::<S, P, 2, 4>(simd, numbers, from, rows, out),
                    _ => at.block::<S, P, 1, 8>(simd, numbers, from, rows, out),
                }
            }
        }
    }
}

/// A block of outputs and a step of lanes.
struct At {
    inputs: usize,
    outputs: usize,
    first: usize,
    step: usize,
    steps: usize,
}

impl At {
    #[inline(always)]
    fn block<S: pulp::Simd, const P: usize, const O: usize, const R: usize>(
        &self,
        simd: S,
        weights: &[f32],
        from: Three,
        rows: usize,
        out: &mut [Lane],
    ) {
        let weights = weights.as_chunks::<O>().0.as_chunks::<27>().0;
        let mut row = 0;
        while row + R <= rows {
            self.together::<S, P, O, R>(simd, weights, from, row, out);
            row += R;
        }
        while row < rows {
            self.together::<S, P, O, 1>(simd, weights, from, row, out);
            row += 1;
        }
    }

    /// `R` rows of `O` outputs.
    #[inline(always)]
    fn together<S: pulp::Simd, const P: usize, const O: usize, const R: usize>(
        &self,
        simd: S,
        weights: &[[[f32; O]; 27]],
        from: Three,
        row: usize,
        out: &mut [Lane],
    ) {
        let wide = self.inputs * 3 * self.steps;
        let mut sums = [[[simd.splat_f32s(0.0); P]; O]; R];
        for (input, weights) in weights.iter().enumerate() {
            for (k0, plane) in from.iter().enumerate() {
                for k1 in 0..3 {
                    for k2 in 0..3 {
                        let w = weights[k0 * 9 + k1 * 3 + k2].map(|w| simd.splat_f32s(w));
                        for (r, sums) in sums.iter_mut().enumerate() {
                            let at = (row + r + k1) * wide + (input * 3 + k2) * self.steps + self.step;
                            let x = registers::<S, P>(simd, &plane[at]);
                            for (sums, w) in sums.iter_mut().zip(w) {
                                for (sum, x) in sums.iter_mut().zip(x) {
                                    *sum = simd.mul_add_f32s(w, x, *sum);
                                }
                            }
                        }
                    }
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (o, sums) in sums.iter().enumerate() {
                let to = &mut out[((row + r) * self.outputs + self.first + o) * self.steps + self.step];
                for (to, sum) in S::as_mut_simd_f32s(to).0.iter_mut().zip(sums) {
                    *to = *sum;
                }
            }
        }
    }
}

/// A step of lanes, loaded.
#[inline(always)]
fn registers<S: pulp::Simd, const P: usize>(simd: S, x: &Lane) -> [S::f32s; P] {
    let mut all = [simd.splat_f32s(0.0); P];
    for (to, x) in all.iter_mut().zip(S::as_simd_f32s(x).0) {
        *to = *x;
    }
    all
}

struct Forward<'a> {
    dense: &'a Dense,
    weights: &'a Weights,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl pulp::WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let d = self.dense;
        let ([a, b, n], steps) = (d.shape, d.steps());
        let mut planes = [(); 3].map(|()| Plane::new(b + 2, d.inputs, 3, steps));
        let mut rows = vec![[0.0; LANES]; b * d.outputs * steps];
        for arrived in 0..a + 2 {
            d.arrive(&mut planes[arrived % 3], self.x, reflect(arrived, a));
            if arrived < 2 {
                continue;
            }
            let plane = arrived - 2;
            let from = [0, 1, 2].map(|k| planes[(plane + k) % 3].lanes());
            self.weights.rows(simd, from, b, steps, &mut rows);
            for (i, lanes) in rows.chunks_exact(steps).enumerate() {
                let (row, o) = (i / d.outputs, i % d.outputs);
                let to = &mut self.out[o * d.volume() + plane * d.plane() + row * n..][..n];
                put(to, lanes);
            }
        }
    }
}

#[inline(always)]
fn put(to: &mut [f32], lanes: &[Lane]) {
    match to.as_mut_array::<LANES>() {
        Some(to) => *to = lanes[0],
        None => to.copy_from_slice(&lanes.as_flattened()[..to.len()]),
    }
}

impl Dense {
    /// Fills a plane with its border from plane `from` of a frame.
    #[inline(always)]
    fn arrive(&self, plane: &mut Plane, x: &[f32], from: usize) {
        let [_, b, n] = self.shape;
        for row in 0..b + 2 {
            let x = &x[from * self.plane() + reflect(row, b) * n..];
            plane.fill(row, x, self.volume(), n, Turn::Gather);
        }
    }
}

struct Backward<'a> {
    dense: &'a Dense,
    weights: &'a Weights,
    dz: &'a [f32],
    out: &'a mut [f32],
}

impl pulp::WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let d = self.dense;
        let ([a, b, n], steps) = (d.shape, d.steps());
        // Two rows and planes of zeros on either side.
        let mut planes = [(); 3].map(|()| Plane::new(b + 4, d.outputs, 3, steps));
        let mut rows = vec![[0.0; LANES]; (b + 2) * d.inputs * steps];
        for arrived in 0..a + 4 {
            let plane = &mut planes[arrived % 3];
            for row in 0..b {
                if (2..a + 2).contains(&arrived) {
                    let dz = &self.dz[(arrived - 2) * d.plane() + row * n..];
                    plane.fill(row + 2, dz, d.volume(), n, Turn::Scatter);
                } else {
                    plane.clear(row + 2);
                }
            }
            if arrived < 2 {
                continue;
            }
            let plane = arrived - 2;
            let from = [0, 1, 2].map(|k| planes[(plane + k) % 3].lanes());
            self.weights.rows(simd, from, b + 2, steps, &mut rows);
            // What belongs to the border goes where the border was taken from.
            for (i, lanes) in rows.chunks_exact(steps).enumerate() {
                let (row, c) = (reflect(i / d.inputs, b), i % d.inputs);
                let to = &mut self.out[c * d.volume() + reflect(plane, a) * d.plane() + row * n..][..n];
                match to.as_mut_array::<LANES>() {
                    Some(to) => to.iter_mut().zip(&lanes[0]).for_each(|(to, x)| *to += x),
                    None => to.iter_mut().zip(lanes.as_flattened()).for_each(|(to, x)| *to += x),
                }
            }
        }
    }
}

struct Slope<'a> {
    dense: &'a Dense,
    x: &'a [f32],
    dz: &'a [f32],
}

impl pulp::WithSimd for Slope<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> Vec<f64> {
        let d = self.dense;
        let ([a, b, n], steps) = (d.shape, d.steps());
        let mut planes = [(); 3].map(|()| Plane::new(b + 2, d.inputs, 3, steps));
        let mut given = Plane::new(b, d.outputs, 1, steps);
        // `[input][k0][k1][k2][output]`
        let mut sums = vec![[0.0; LANES]; d.inputs * 27 * d.outputs];
        for arrived in 0..a + 2 {
            d.arrive(&mut planes[arrived % 3], self.x, reflect(arrived, a));
            if arrived < 2 {
                continue;
            }
            let plane = arrived - 2;
            for row in 0..b {
                given.fill(row, &self.dz[plane * d.plane() + row * n..], d.volume(), n, Turn::Gather);
            }
            for k0 in 0..3 {
                let from = planes[(plane + k0) % 3].lanes();
                match S::F32_LANES {
                    16 => slope::<S, 1>(simd, d, k0, from, given.lanes(), &mut sums),
                    8 => slope::<S, 2>(simd, d, k0, from, given.lanes(), &mut sums),
                    4 => slope::<S, 4>(simd, d, k0, from, given.lanes(), &mut sums),
                    _ => slope::<S, LANES>(simd, d, k0, from, given.lanes(), &mut sums),
                }
            }
        }
        let mut all = vec![0.0; d.outputs * d.inputs * 27];
        for (at, lanes) in sums.iter().enumerate() {
            let (o, k) = (at % d.outputs, at / d.outputs);
            all[(o * d.inputs + k / 27) * 27 + k % 27] = lanes.iter().map(|&x| f64::from(x)).sum();
        }
        all
    }
}

/// Adds what a plane gives to nine taps of all channels.
#[inline(always)]
fn slope<S: pulp::Simd, const P: usize>(
    simd: S,
    d: &Dense,
    k0: usize,
    from: &[Lane],
    given: &[Lane],
    sums: &mut [Lane],
) {
    for input in 0..d.inputs {
        for k1 in 0..3 {
            let mut first = 0;
            while first < d.outputs {
                let at = (input, k0, k1, first);
                first += match d.outputs - first {
                    8.. => taps::<S, P, 8>(simd, d, at, from, given, sums),
                    4..8 => taps::<S, P, 4>(simd, d, at, from, given, sums),
                    2..4 => taps::<S, P, 2>(simd, d, at, from, given, sums),
                    _ => taps::<S, P, 1>(simd, d, at, from, given, sums),
                };
            }
        }
    }
}

/// Three taps of `O` outputs, over all rows.
#[inline(always)]
fn taps<S: pulp::Simd, const P: usize, const O: usize>(
    simd: S,
    d: &Dense,
    (input, k0, k1, first): (usize, usize, usize, usize),
    from: &[Lane],
    given: &[Lane],
    sums: &mut [Lane],
) -> usize {
    let steps = d.steps();
    let mut held = [[[simd.splat_f32s(0.0); P]; 3]; O];
    for row in 0..d.shape[1] {
        for step in 0..steps {
            let mut x = [[simd.splat_f32s(0.0); P]; 3];
            for (k2, x) in x.iter_mut().enumerate() {
                let at = ((row + k1) * d.inputs + input) * 3 * steps + k2 * steps + step;
                *x = registers::<S, P>(simd, &from[at]);
            }
            let given = &given[(row * d.outputs + first) * steps + step..][..(O - 1) * steps + 1];
            for (o, held) in held.iter_mut().enumerate() {
                let g = registers::<S, P>(simd, &given[o * steps]);
                for (held, x) in held.iter_mut().zip(&x) {
                    for p in 0..P {
                        held[p] = simd.mul_add_f32s(x[p], g[p], held[p]);
                    }
                }
            }
        }
    }
    for (o, held) in held.iter().enumerate() {
        for (k2, held) in held.iter().enumerate() {
            let at = (input * 27 + k0 * 9 + k1 * 3 + k2) * d.outputs + first + o;
            for (to, &x) in S::as_mut_simd_f32s(&mut sums[at]).0.iter_mut().zip(held) {
                *to = simd.add_f32s(*to, x);
            }
        }
    }
    O
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::Random;

    fn noise(n: usize, seed: u64) -> Vec<f32> {
        let mut random = Random(seed);
        (0..n).map(|_| 2.0 * random.unit() - 1.0).collect()
    }

    /// The definition, in f64: calls `each` with the places of result, input and weight of every product.
    fn products(d: &Dense, mut each: impl FnMut(usize, usize, usize)) {
        let [a, b, n] = d.shape;
        for f in 0..d.frames {
            for o in 0..d.outputs {
                for v in 0..d.volume() {
                    let at = [v / (b * n), v / n % b, v % n];
                    for i in 0..d.inputs {
                        for k in 0..27 {
                            let from = [k / 9, k / 3 % 3, k % 3];
                            let p: [usize; 3] =
                                std::array::from_fn(|x| reflect(at[x] + from[x], [a, b, n][x]));
                            let x = (f * d.inputs + i) * d.volume() + (p[0] * b + p[1]) * n + p[2];
                            each((f * d.outputs + o) * d.volume() + v, x, (o * d.inputs + i) * 27 + k);
                        }
                    }
                }
            }
        }
    }

    fn near(found: &[f32], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().zip(expected) {
            assert!((f64::from(*f) - e).abs() < 1e-4 * (1.0 + e.abs()), "{f} {e}");
        }
    }

    #[test]
    fn results_and_gradients_are_by_the_definition() {
        for (shape, inputs, outputs) in [
            ([2, 2, 2], 1, 1),
            ([3, 5, 16], 2, 8),
            ([4, 3, 7], 3, 15),
            ([5, 4, 20], 9, 2),
            ([2, 9, 33], 1, 5),
        ] {
            let d = Dense { frames: 2, shape, inputs, outputs };
            let x = noise(2 * inputs * d.volume(), 1);
            let w = noise(27 * inputs * outputs, 2);
            let dz = noise(2 * outputs * d.volume(), 3);
            let f = |x: f32| f64::from(x);
            let mut z = vec![0.0; dz.len()];
            let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; w.len()]);
            products(&d, |to, from, k| {
                z[to] += f(x[from]) * f(w[k]);
                dx[from] += f(dz[to]) * f(w[k]);
                dw[k] += f(dz[to]) * f(x[from]);
            });
            near(&d.forward(&x, &w), &z);
            near(&d.backward_input(&dz, &w), &dx);
            near(&d.backward_weights(&x, &dz), &dw);
        }
    }

    #[test]
    fn threads_change_no_bit() {
        let d = Dense { frames: 5, shape: [4, 6, 16], inputs: 4, outputs: 6 };
        let (x, w) = (noise(5 * 4 * d.volume(), 1), noise(27 * 24, 2));
        let dz = noise(5 * 6 * d.volume(), 3);
        let all = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (d.forward(&x, &w), d.backward_input(&dz, &w), d.backward_weights(&x, &dz)))
        };
        assert_eq!(all(1), all(3));
    }
}
