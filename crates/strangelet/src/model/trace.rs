//! Traces: samples of a signal one after the other, row by row of the same length.
//!
//! # Neighbours
//! Of the number at place i > 0 of its row: the `taps` numbers before it (for those before the row's first: the first);
//! three running means m += (number - m) / 16, / 64, / 256, all begun with the row's first number; the mean of the row
//! so far; the first number of all plus what the number before it has; all as differences to the number before, the last but one as the number
//! before minus the first of all; and the constant 16. A row's first number is foretold as the first one of the row
//! before (in the first row as 0), and nobody learns from it.
//!
//! # Lines
//! Two lines of weights over the same neighbours ([`Samples`], all neighbours), one of which forgets slowly (its triangle is multiplied by
//! 0.9999 after each fold), the other quickly (0.98). Weights are solved after each fold. With e the size of an error of the
//! line, a sample's weight is 1 / (slow / 4 + fast + 2 e). When 64 x neighbours samples are folded, the slow line learns only from
//! numbers whose index / 32, rounded down, is a multiple of 4.
//!
//! # Sizes
//! Each line has a fast and a slow mean of its errors' sizes: f += (e - f) / 16, f += (e - f) / 256, both at first 16, used before they
//! follow; and one for each place of a row (/ 16), which begins with the slow mean when it is first asked for.

use super::least_squares::Samples;

/// Most numbers before that are neighbours.
pub const MAX_TAPS: usize = 64;
/// Neighbours of other kinds.
const OTHERS: usize = 6;
/// How much of a triangle is kept after each fold.
const KEEP: [f64; 2] = [0.9999, 0.98];
/// Rates of the running means.
const RATES: [f64; 3] = [1.0 / 16.0, 1.0 / 64.0, 1.0 / 256.0];

/// Length of rows, and how many numbers are neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Numbers of a row; 0: all are one row.
    pub row: usize,
    /// Numbers before that are neighbours: 1 to 64.
    pub taps: usize,
}

/// One of the lines.
pub struct Line {
    samples: Samples,
    all: Vec<u16>,
    weights: Vec<f64>,
    keep: f64,
    /// Mean size of the errors of late.
    pub fast: f64,
    /// Mean size of the errors.
    pub slow: f64,
    by_place: Vec<f64>,
    /// What the next number may be.
    pub middle: f64,
    /// Mean size of the errors at this place of the rows before.
    pub here: f64,
}

impl Line {
    fn new(n: usize, keep: f64, places: usize) -> Line {
        Line {
            samples: Samples::new(n),
            all: (0..n as u16).collect(),
            weights: Vec::new(),
            keep,
            fast: 16.0,
            slow: 16.0,
            by_place: vec![0.0; places],
            middle: 0.0,
            here: 16.0,
        }
    }

    /// Whether it learns from a number.
    fn listens(&self, index: usize) -> bool {
        self.keep < KEEP[0]
            || self.samples.folded() < 64 * self.all.len() as u64
            || (index / 32).is_multiple_of(4)
    }

    fn predict(&mut self, base: f64, x: &[f64], place: usize) {
        let mut sum = 0.0;
        for (w, x) in self.weights.iter().skip(1).zip(x) {
            sum += w * x;
        }
        self.middle = base + sum;
        let here = self.by_place.get(place).copied().unwrap_or(0.0);
        self.here = if here > 0.0 { here } else { self.slow };
    }

    fn update(&mut self, number: f64, base: f64, x: &[f64], place: usize, learn: bool) {
        let e = (number - self.middle).abs();
        if learn {
            let before = self.samples.folded();
            let weight = 1.0 / (self.slow * 0.25 + self.fast + e * 2.0);
            self.samples.add(x.iter().copied().chain([number - base]), weight);
            if self.samples.folded() != before {
                self.samples.fade(self.keep);
                self.weights = self.samples.solve(&self.all);
            }
        }
        if let Some(p) = self.by_place.get_mut(place) {
            *p = self.here + (e - self.here) * (1.0 / 16.0);
        }
        self.fast += (e - self.fast) * (1.0 / 16.0);
        self.slow += (e - self.slow) * (1.0 / 256.0);
        // A size of nothing would be no scale.
        self.fast = self.fast.max(1e-9);
        self.slow = self.slow.max(1e-9);
    }
}

/// Foretells the numbers of traces one after the other.
pub struct Trace {
    shape: Shape,
    numbers: Vec<f64>,
    x: Vec<f64>,
    base: f64,
    at: usize,
    running: [f64; 3],
    sum: f64,
    lines: [Line; 2],
}

impl Trace {
    /// Nothing known yet; taps are 1 to 64, `count` numbers will come.
    pub fn new(shape: Shape, count: usize) -> Trace {
        let n = shape.taps + OTHERS;
        Trace {
            shape,
            numbers: Vec::new(),
            x: Vec::new(),
            base: 0.0,
            at: 0,
            running: [0.0; 3],
            sum: 0.0,
            lines: KEEP.map(|keep| Line::new(n, keep, shape.row.min(count))),
        }
    }

    /// What the next number may be, by either line.
    pub fn predict(&mut self) -> &[Line; 2] {
        let (at, i, taps) = (self.numbers.len(), self.at, self.shape.taps);
        self.x.clear();
        if i == 0 {
            self.base = if at >= self.shape.row { self.numbers.get(at - self.shape.row) } else { None }
                .copied()
                .unwrap_or(0.0);
            self.x.resize(taps + OTHERS - 1, 0.0);
        } else {
            let base = self.numbers[at - 1];
            self.base = base;
            let first = self.numbers[at - i] - base;
            self.x.extend((2..=taps.min(i)).map(|t| self.numbers[at - t] - base));
            self.x.resize(taps - 1, first);
            self.x.extend(self.running.map(|m| m - base));
            self.x.push(self.sum / i as f64 - base);
            self.x.push(base - self.numbers[0]);
            self.x.push(16.0);
        }
        for line in &mut self.lines {
            line.predict(self.base, &self.x, i);
        }
        &self.lines
    }

    /// Takes the number that came.
    pub fn update(&mut self, number: f64) {
        let i = self.at;
        for line in &mut self.lines {
            line.update(number, self.base, &self.x, i, i > 0 && line.listens(self.numbers.len()));
        }
        if i == 0 {
            self.running = [number; 3];
            self.sum = 0.0;
        }
        self.sum += number;
        for (m, rate) in self.running.iter_mut().zip(RATES) {
            *m += (number - *m) * rate;
        }
        self.numbers.push(number);
        self.at += 1;
        if self.at == self.shape.row {
            self.at = 0;
        }
    }
}
