//! Least squares of few numbers, always at hand: weights that would have been best so far.
//!
//! The sums are of products of single precision; the weights come from them by elimination (LDL) in double
//! precision, whenever as many samples as a small part of all have come.

/// Samples after which one of four is enough.
const MANY: u32 = 4000;

/// Weights of `N` numbers.
#[derive(Clone)]
pub struct Ridge<const N: usize> {
    /// Sums of products; what lies left of a row's diagonal is not used.
    sums: Vec<[f32; N]>,
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
        let mut sums = vec![[0.0; N]; N];
        for i in 0..N {
            sums[i][i] = ridge as f32;
            right[i] = weights[i] * ridge as f32;
        }
        Ridge { sums, right, weights, seen: 0, due: 8, most, keep, ridge, total: 0.0 }
    }

    /// What was learnt: the weights, and the mean square of each number.
    pub fn learnt(&self) -> ([f32; N], [f32; N]) {
        let mut squares = [0.0; N];
        let n = if self.total > 1.0 { self.total } else { 1.0 };
        for i in 0..N {
            squares[i] = self.sums[i][i] / n;
        }
        (self.weights, squares)
    }

    /// Starts as if so many samples had led to some weights; `squares` are the mean squares of the numbers.
    pub fn start(&mut self, weights: [f32; N], squares: [f32; N], samples: f32) {
        self.weights = weights;
        for i in 0..N {
            let s = squares[i] * samples + self.ridge as f32;
            self.sums[i] = [0.0; N];
            self.sums[i][i] = s;
            self.right[i] = weights[i] * s;
        }
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
        for i in 0..N {
            let f = x[i] * weight;
            let from = i / 4;
            let row = &mut self.sums[i].as_chunks_mut::<4>().0[from..];
            for (s, x) in row.iter_mut().zip(&x.as_chunks::<4>().0[from..]) {
                for k in 0..4 {
                    s[k] += f * x[k];
                }
            }
        }
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

    #[cold]
    fn renew(&mut self) {
        self.due = (self.seen / 8 + 8).min(self.most);
        let mut a = [[0.0f64; N]; N];
        let mut d = [0.0f64; N];
        let mut z = [0.0f64; N];
        // a = L D L'
        for i in 0..N {
            for j in 0..=i {
                let mut s = f64::from(self.sums[j][i]);
                if i == j {
                    s += self.ridge * 1e-3 + s * 1e-6;
                }
                for k in 0..j {
                    s -= a[i][k] * a[j][k] * d[k];
                }
                if i == j {
                    d[i] = if s > 1e-9 { s } else { 1e-9 };
                } else {
                    a[i][j] = s / d[j];
                }
            }
            let mut s = f64::from(self.right[i]);
            for k in 0..i {
                s -= a[i][k] * z[k];
            }
            z[i] = s;
        }
        let mut w = [0.0f64; N];
        for i in (0..N).rev() {
            let mut s = z[i] / d[i];
            for k in i + 1..N {
                s -= a[k][i] * w[k];
            }
            w[i] = s;
        }
        self.total *= self.keep;
        for i in 0..N {
            self.weights[i] = w[i] as f32;
            self.right[i] *= self.keep;
            for s in &mut self.sums[i] {
                *s *= self.keep;
            }
        }
    }
}
