//! What stands around a number, sample by sample, and the weights that foretell the number best.
//!
//! All is relative to one of the neighbours (the first): the weights add up to one, and large numbers that
//! differ little do not drown what counts. Samples are not squared and added up, which would lose half of
//! the digits of smooth fields; they are folded into a triangular matrix by Householder's reflections.
//!
//! # A fold
//! When 32 samples have come (each its differences to the first neighbour, the number's own last, times the weight),
//! for every column j from the left, but for the last one: q = sum of squares of the samples' column j, in their order;
//! nothing happens where q = 0. With r the triangle's row j: t = sqrt(r_j r_j + q), v = r_j + t if r_j >= 0, else r_j - t;
//! g = 2 / (v v + q); for every column c > j: s = (v r_c + sum of x_j x_c over samples x) g, r_c -= s v, x_c -= s x_j;
//! r_j = -t if r_j >= 0, else t.
//!
//! # Weights of some of the neighbours
//! Of the triangle's columns those of the neighbours but the first of them, and the number's; each minus the column of
//! the first of them (nothing for neighbour 0). The m columns are made triangular by the same reflections, column i with
//! its row i for r and the rows below, up to the row of its neighbour's own column, for samples. Then, from the last column to the
//! first, each weight is (right side - weights so far x row) / diagonal, or 0 where the diagonal's size is at
//! most 1e-13 x the largest diagonal. The first of them has 1 - the others.

/// Samples of a fold.
const BLOCK: usize = 32;
/// Part of the largest diagonal that is taken for error of the arithmetic.
const DUST: f64 = 1e-13;

/// Samples, folded into a triangle.
#[derive(Debug, Clone)]
pub struct Samples {
    /// Columns: the neighbours but the first, and the number.
    n: usize,
    /// Rows of the triangle, one behind the other.
    triangle: Vec<f64>,
    /// Samples that are not folded yet.
    block: Vec<f64>,
    folded: u64,
    scratch: Vec<f64>,
}

/// Makes column `j` of `rows` zero by a reflection with `own`, whose place `j` takes its length.
#[inline(always)]
fn reflect(own: &mut [f64], rows: &mut [f64], width: usize, j: usize, scratch: &mut [f64]) {
    let mut q = 0.0;
    for x in rows.chunks_exact(width) {
        q += x[j] * x[j];
    }
    if q == 0.0 {
        return;
    }
    let r = own[j];
    let t = (r * r + q).sqrt();
    let v = if r >= 0.0 { r + t } else { r - t };
    let g = 2.0 / (v * v + q);
    let s = &mut scratch[..width - j - 1];
    let own_rest = &mut own[j + 1..width];
    for (s, &r) in s.iter_mut().zip(own_rest.iter()) {
        *s = v * r;
    }
    for x in rows.chunks_exact(width) {
        let f = x[j];
        for (s, &y) in s.iter_mut().zip(&x[j + 1..]) {
            *s += f * y;
        }
    }
    for (s, r) in s.iter_mut().zip(own_rest) {
        *s *= g;
        *r -= *s * v;
    }
    for x in rows.chunks_exact_mut(width) {
        let f = x[j];
        for (&s, y) in s.iter().zip(&mut x[j + 1..]) {
            *y -= s * f;
        }
    }
    own[j] = if r >= 0.0 { -t } else { t };
}

impl Samples {
    /// None yet, of so many neighbours and a number.
    pub fn new(neighbours: usize) -> Samples {
        let n = neighbours.max(1);
        Samples { n, triangle: vec![0.0; n * n], block: Vec::new(), folded: 0, scratch: vec![0.0; n] }
    }

    /// Samples folded.
    pub fn folded(&self) -> u64 {
        self.folded
    }

    /// Takes a sample: differences to the first neighbour, from the second on, the number's last.
    pub fn add(&mut self, x: impl Iterator<Item = f64>, weight: f64) {
        let before = self.block.len();
        self.block.extend(x.map(|x| x * weight));
        self.block.resize(before + self.n, 0.0);
        if self.block.len() < BLOCK * self.n {
            return;
        }
        let n = self.n;
        for (j, own) in self.triangle.chunks_exact_mut(n).enumerate().take(n - 1) {
            reflect(own, &mut self.block, n, j, &mut self.scratch);
        }
        self.block.clear();
        self.folded += BLOCK as u64;
    }

    /// Makes all that is known count for less: `part` squared of a sample each.
    pub fn fade(&mut self, part: f64) {
        for x in &mut self.triangle {
            *x *= part;
        }
    }

    /// Weights of some neighbours (by their numbers, rising), for the least sum of squares. They add up to one.
    pub fn solve(&self, some: &[u16]) -> Vec<f64> {
        let Some((&base, others)) = some.split_first() else { return Vec::new() };
        let (n, m) = (self.n, others.len());
        let width = m + 1;
        let column = |i: usize| others.get(i).map_or(n - 1, |&o| o as usize - 1);
        let mut a = vec![0.0; (n - 1).max(1) * width];
        for (row, from) in a.chunks_exact_mut(width).zip(self.triangle.chunks_exact(n)) {
            let minus = if base == 0 { 0.0 } else { from[base as usize - 1] };
            for (i, to) in row.iter_mut().enumerate() {
                *to = from[column(i)] - minus;
            }
        }
        // The columns are no triangle where neighbours are missing, or lie below the base's own row.
        let mut scratch = vec![0.0; width];
        for i in 0..m {
            let last = column(i);
            let (own, below) = a[i * width..].split_at_mut(width);
            reflect(own, &mut below[..(last - i) * width], width, i, &mut scratch);
        }
        let largest = (0..m).fold(0.0, |l: f64, i| l.max(a[i * width + i].abs()));
        let mut all = vec![0.0; m + 1];
        for i in (0..m).rev() {
            let row = &a[i * width..(i + 1) * width];
            let mut x = row[m];
            for j in i + 1..m {
                x -= row[j] * all[j + 1];
            }
            all[i + 1] = if row[i].abs() > largest * DUST { x / row[i] } else { 0.0 };
        }
        all[0] = 1.0;
        for i in 1..=m {
            all[0] -= all[i];
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_found_and_what_is_missing_is_made_up_for() {
        let mut sums = Samples::new(3);
        let mut x = 1u64;
        let mut noise = || {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 40) as f64 / (1u64 << 24) as f64
        };
        for _ in 0..320 {
            let (a, b) = (noise(), noise());
            let n = [1000.0, 1000.0 + a, 1000.0 + b];
            let y = 0.5 * n[0] + 2.0 * n[1] - 1.5 * n[2];
            sums.add([n[1] - n[0], n[2] - n[0], y - n[0]].into_iter(), 1.0);
        }
        let w = sums.solve(&[0, 1, 2]);
        for (w, is) in w.iter().zip([0.5, 2.0, -1.5]) {
            assert!((w - is).abs() < 1e-9, "{w} {is}");
        }
        let w = sums.solve(&[1, 2]);
        assert!((w[0] + w[1] - 1.0).abs() < 1e-12 && w[0] > 1.5);
        assert_eq!(sums.solve(&[2]), [1.0]);
        assert!(sums.solve(&[]).is_empty());
    }

    #[test]
    fn nothing_known_gives_weights_all_the_same() {
        let sums = Samples::new(4);
        assert_eq!(sums.solve(&[0, 1, 3]), [1.0, 0.0, 0.0]);
    }
}
