//! Least squares of few numbers, always at hand: weights that would have been best so far.
//!
//! The sums are of products of single precision; the weights come from them by elimination (LDL) in double
//! precision, whenever as many samples as a small part of all have come.

/// Samples after which one of four is enough.
const MANY: u32 = 4000;

/// Weights of `N` numbers.
#[derive(Clone)]
pub struct Ridge<const N: usize> {
    /// Sums of products, four by four: blocks of four rows, each from its first four columns on.
    sums: Vec<[f32; 4]>,
    right: [f32; N],
    weights: [f32; N],
    seen: u32,
    due: u32,
    most: u32,
    keep: f32,
    ridge: f64,
    /// Sum of the weights of samples, faded as they are.
    total: f32,
}

#[allow(clippy::needless_range_loop)]
impl<const N: usize> Ridge<N> {
    /// Starts with some weights, which are left as slowly as `ridge` is large. Sums fade by `keep` whenever weights are
    /// renewed, at most every `most` samples.
    pub fn new(weights: [f32; N], ridge: f64, most: u32, keep: f32) -> Self {
        let mut right = [0.0; N];
        let mut sums = vec![[0.0; 4]; N / 2 * (N / 4 + 1)];
        for i in 0..N {
            *Self::sum(&mut sums, i, i) = ridge as f32;
            right[i] = weights[i] * ridge as f32;
        }
        Ridge { sums, right, weights, seen: 0, due: 8, most, keep, ridge, total: 0.0 }
    }

    /// What was learnt: the weights, and the mean square of each number.
    pub fn learnt(&self) -> ([f32; N], [f32; N]) {
        let mut squares = [0.0; N];
        let n = if self.total > 1.0 { self.total } else { 1.0 };
        for i in 0..N {
            squares[i] = self.sums[Self::place(i, i)][i % 4] / n;
        }
        (self.weights, squares)
    }

    /// Starts as if so many samples had led to some weights; `squares` are the mean squares of the numbers.
    pub fn start(&mut self, weights: [f32; N], squares: [f32; N], samples: f32) {
        self.weights = weights;
        for i in 0..N {
            let s = squares[i] * samples + self.ridge as f32;
            for j in i / 4 * 4..N {
                *Self::sum(&mut self.sums, i, j) = if i == j { s } else { 0.0 };
            }
            self.right[i] = weights[i] * s;
        }
    }

    /// Renews weights as seldom as after many samples, and takes one sample of four.
    pub fn settle(&mut self) {
        self.seen = self.seen.max(MANY);
        self.due = self.pause();
    }

    /// Samples until weights are renewed.
    fn pause(&self) -> u32 {
        (self.seen / 8 + 8).min(self.most)
    }

    /// Samples taken.
    pub fn seen(&self) -> u32 {
        self.seen
    }

    /// The number that is to be expected.
    #[inline(always)]
    pub fn predict(&self, x: &[f32; N]) -> f32 {
        let mut lanes = [0.0f32; 4];
        for (a, b) in self.weights.as_chunks::<4>().0.iter().zip(x.as_chunks::<4>().0) {
            for k in 0..4 {
                lanes[k] += a[k] * b[k];
            }
        }
        (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
    }

    /// Learns a number, with a weight.
    #[inline(always)]
    pub fn update(&mut self, x: &[f32; N], y: f32, weight: f32) {
        self.seen += 1;
        if self.seen > MANY && !self.seen.is_multiple_of(4) {
            return;
        }
        // All loops have lengths that are known here.
        const { assert!(N.is_multiple_of(4) && N <= 24) };
        let rest = &mut self.sums[..];
        let rest = Self::block::<0>(rest, x, weight);
        let rest = Self::block::<1>(rest, x, weight);
        let rest = Self::block::<2>(rest, x, weight);
        let rest = Self::block::<3>(rest, x, weight);
        let rest = Self::block::<4>(rest, x, weight);
        Self::block::<5>(rest, x, weight);
        self.total += weight;
        let f = y * weight;
        for i in 0..N {
            self.right[i] += f * x[i];
        }
        self.due -= 1;
        if self.due == 0 {
            self.renew();
        }
    }

    /// Where four sums are: of a row, with the column given and its neighbours. Columns are not left of the row's block.
    #[inline(always)]
    fn place(row: usize, column: usize) -> usize {
        let (block, quads) = (row / 4, N / 4);
        // Blocks before have 4 x (quads + quads - 1 + ...).
        block * (4 * quads + 2 - 2 * block) + (row % 4) * (quads - block) + column / 4 - block
    }

    /// A sum.
    #[inline(always)]
    fn sum(sums: &mut [[f32; 4]], row: usize, column: usize) -> &mut f32 {
        &mut sums[Self::place(row, column)][column % 4]
    }

    /// Adds a sample's products to a block of four rows; returns those behind.
    #[inline(always)]
    fn block<'a, const AT: usize>(sums: &'a mut [[f32; 4]], x: &[f32; N], weight: f32) -> &'a mut [[f32; 4]] {
        if AT >= N / 4 {
            return sums;
        }
        let quads = N / 4 - AT;
        let (block, rest) = sums.split_at_mut(4 * quads);
        for i in 0..4 {
            let f = x[AT * 4 + i] * weight;
            for q in 0..quads {
                for k in 0..4 {
                    block[i * quads + q][k] += f * x[(AT + q) * 4 + k];
                }
            }
        }
        rest
    }

    /// New weights, with wide registers where there are any: they do the same.
    #[cold]
    fn renew(&mut self) {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        if let Some(simd) = pulp::x86::V3::try_new() {
            return pulp::Simd::vectorize(simd, Renew(self));
        }
        self.solve();
    }

    #[inline(always)]
    fn solve(&mut self) {
        self.due = self.pause();
        // a = L D L', a column at a time: row j of `a` holds column j of L.
        let mut a = [[0.0f64; N]; N];
        let mut d = [0.0f64; N];
        let mut z = [0.0f64; N];
        let mut rest = &self.sums[..];
        for j in 0..N {
            // A row of sums begins with its block: what is left of the diagonal is not used.
            let (own, others) = rest.split_at(N / 4 - j / 4);
            rest = others;
            for (to, &sum) in a[j][j / 4 * 4..].iter_mut().zip(own.as_flattened()) {
                *to = f64::from(sum);
            }
            z[j] = f64::from(self.right[j]);
            a[j][j] += self.ridge * 1e-3 + a[j][j] * 1e-6;
        }
        for k in 0..N {
            d[k] = if a[k][k] > 1e-9 { a[k][k] } else { 1e-9 };
            let mut column = a[k];
            for i in k + 1..N {
                column[i] /= d[k];
            }
            a[k] = column;
            for j in k + 1..N {
                let by = column[j];
                // From a little left of its diagonal, what is not used: lengths change seldom.
                for i in j / 8 * 8..N {
                    a[j][i] -= column[i] * by * d[k];
                }
                z[j] -= by * z[k];
            }
        }
        let mut w = [0.0f64; N];
        for i in (0..N).rev() {
            let mut s = z[i] / d[i];
            for k in i + 1..N {
                s -= a[i][k] * w[k];
            }
            w[i] = s;
        }
        self.total *= self.keep;
        for i in 0..N {
            self.weights[i] = w[i] as f32;
            self.right[i] *= self.keep;
        }
        for s in self.sums.as_flattened_mut() {
            *s *= self.keep;
        }
    }
}

/// [`Ridge::renew`] with wide registers.
struct Renew<'a, const N: usize>(&'a mut Ridge<N>);

impl<const N: usize> pulp::WithSimd for Renew<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.0.solve();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_plain_elimination() {
        // y = 3 a - 2 b + c / 2, in numbers that depend on each other.
        let mut ridge = Ridge::<8>::new([0.0; 8], 1.0, 64, 0.98);
        let mut state = 1u64;
        let mut number = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        let mut last = (0.0, 0.0);
        for _ in 0..4000 {
            let (a, b, c) = (number(), number(), number());
            let x = [a, b, c, a + b, a - c, number(), 1.0, 0.0];
            let y = 3.0 * a - 2.0 * b + 0.5 * c;
            last = (ridge.predict(&x), y);
            ridge.update(&x, y, 1.0);
        }
        assert!((last.0 - last.1).abs() < 1e-2, "{last:?}");
        // Wide registers or not.
        let (mut wide, mut plain) = (ridge.weights, ridge.weights);
        for (weights, renew) in
            [(&mut wide, Ridge::renew as fn(&mut Ridge<8>)), (&mut plain, Ridge::solve as fn(&mut Ridge<8>))]
        {
            let mut again = Ridge { sums: ridge.sums.clone(), ..ridge };
            renew(&mut again);
            *weights = again.weights;
        }
        assert_eq!(wide.map(f32::to_bits), plain.map(f32::to_bits));
    }

    #[test]
    fn sums_have_places_of_their_own() {
        let mut seen = vec![0; 24 / 2 * 7];
        for row in 0..24 {
            for column in (row / 4 * 4..24).step_by(4) {
                seen[Ridge::<24>::place(row, column)] += 1;
            }
        }
        assert!(seen.iter().all(|&n| n == 1), "{seen:?}");
    }
}
