//! A small net that learns while it goes: from some inputs by how much, and how surely, another prediction is to be shifted.
//!
//! All is binary32, in the order in which it stands. With inputs u and 1 behind them, 16 hidden sums a begin with the weights of the 1;
//! input after input, weight x u is added; h = a / (1 + |a|). Output o = its offset + the sum of weights x h, in eight lanes
//! k = 0 .. 7 of the h with index mod 8 = k, added as ((0 + 4) + (1 + 5)) + ((2 + 6) + (3 + 7)).
//!
//! The shift is output 0 within +-1000, the size is 2^(output 1 within +-8). An output that is no number counts as 0.
//! 2^x = 2^k p, k = x rounded down, f = x - k, p = 1 + f (0.6931472 + f (0.2402265 + f (0.0555041 + f 0.0096181))).
//!
//! # Learning
//! Of an error e: z = (e - shift) / size within +-4; gradients d0 = -0.64 z / max(size, 0.1) and d1 = 0.693 max(1 - 0.64 z z, -4).
//! Those of h are (d0 w0 + d1 w1) t t, t = 1 / (1 + |a|). After 32 errors, from the sums g of all gradients:
//! m += (g - m) 0.1, v += (g g - v) 0.002, weight -= rate m / (sqrt(v fix) + 1e-6); rate = 0.0005 + 0.0195 / (1 + n / 500) in the n-th
//! such step (from 1), fix = 1 / (1 - 0.998^n) for n < 2000 (by squarings), then 1.
//!
//! # Start
//! Outputs begin with 0. Weights of the hidden, input after input: ((x >> 40) / 2^23 - 1) 1.7 / sqrt(inputs), x = x 6364136223846793005 +
//! 1442695040888963407 (mod 2^64) before each, at first 1.

use std::f32::consts::LN_2;

/// Hidden numbers.
const HIDDEN: usize = 16;
/// Errors of a step.
const BATCH: u32 = 32;

type Lanes = [f32; HIDDEN];

/// What is held of a group of weights: they, the sums of their gradients, the means of those, and of their squares.
#[derive(Clone, Copy)]
struct Held<const N: usize> {
    w: [f32; N],
    g: [f32; N],
    m: [f32; N],
    v: [f32; N],
}

impl<const N: usize> Held<N> {
    fn new(w: [f32; N]) -> Self {
        Held { w, g: [0.0; N], m: [0.0; N], v: [0.0; N] }
    }

    fn step(&mut self, rate: f32, fix: f32) {
        for k in 0..N {
            let g = self.g[k];
            self.m[k] += (g - self.m[k]) * 0.1;
            self.v[k] += (g * g - self.v[k]) * 0.002;
            self.w[k] -= rate * self.m[k] / ((self.v[k] * fix).sqrt() + 1e-6);
        }
        self.g = [0.0; N];
    }
}

/// The net.
pub struct Net {
    hidden: Vec<Held<HIDDEN>>,
    outputs: [Held<HIDDEN>; 2],
    offsets: Held<2>,
    sums: Lanes,
    values: Lanes,
    shift: f32,
    size: f32,
    held: u32,
    steps: u32,
}

/// 2^x for -126 <= x <= 126.
fn exp2(x: f32) -> f32 {
    let k = x.floor();
    let f = x - k;
    let p = 1.0 + f * (LN_2 + f * (0.240_226_5 + f * (0.055_504_1 + f * 0.009_618_1)));
    f32::from_bits(((k as i32 + 127).clamp(1, 254) as u32) << 23) * p
}

fn dot(a: &Lanes, b: &Lanes) -> f32 {
    let mut s = [0.0f32; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for k in 0..8 {
            s[k] += a[k] * b[k];
        }
    }
    ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]))
}

/// Within +-`most`; 0 for what is no number.
fn within(x: f32, most: f32) -> f32 {
    if x.is_nan() { 0.0 } else { x.clamp(-most, most) }
}

fn power(x: f32, n: u32) -> f32 {
    let (mut all, mut base, mut n) = (1.0f32, x, n);
    while n > 0 {
        if n & 1 == 1 {
            all *= base;
        }
        base *= base;
        n >>= 1;
    }
    all
}

impl Net {
    /// Nothing learnt.
    pub fn new(inputs: usize) -> Net {
        let mut x = 1u64;
        let size = 1.7 / (inputs as f32).sqrt();
        let mut start = || {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((x >> 40) as f32 / 8_388_608.0 - 1.0) * size
        };
        let mut hidden = Vec::with_capacity(inputs + 1);
        for _ in 0..=inputs {
            let mut w = [0.0; HIDDEN];
            w.fill_with(&mut start);
            hidden.push(Held::new(w));
        }
        Net {
            hidden,
            outputs: [Held::new([0.0; HIDDEN]); 2],
            offsets: Held::new([0.0; 2]),
            sums: [0.0; HIDDEN],
            values: [0.0; HIDDEN],
            shift: 0.0,
            size: 1.0,
            held: 0,
            steps: 0,
        }
    }

    /// Shift and size for as many inputs as were announced.
    pub fn predict(&mut self, u: &[f32]) -> (f32, f32) {
        let Some((one, weights)) = self.hidden.split_last() else { return (0.0, 1.0) };
        let mut a = one.w;
        for (w, &u) in weights.iter().zip(u) {
            for k in 0..HIDDEN {
                a[k] += w.w[k] * u;
            }
        }
        for k in 0..HIDDEN {
            self.values[k] = a[k] / (1.0 + a[k].abs());
        }
        self.sums = a;
        let [shift, size] = &self.outputs;
        self.shift = within(self.offsets.w[0] + dot(&shift.w, &self.values), 1000.0);
        self.size = exp2(within(self.offsets.w[1] + dot(&size.w, &self.values), 8.0));
        (self.shift, self.size)
    }

    /// Learns what the error was whose inputs were the last ones.
    pub fn learn(&mut self, u: &[f32], e: f32) {
        let z = within((e - self.shift) / self.size, 4.0);
        let d = [-0.64 * z / self.size.max(0.1), 0.693 * (1.0 - 0.64 * z * z).max(-4.0)];
        let mut h = [0.0; HIDDEN];
        for (k, h) in h.iter_mut().enumerate() {
            let t = 1.0 / (1.0 + self.sums[k].abs());
            *h = (d[0] * self.outputs[0].w[k] + d[1] * self.outputs[1].w[k]) * t * t;
        }
        for (o, d) in d.into_iter().enumerate() {
            self.offsets.g[o] += d;
            for k in 0..HIDDEN {
                self.outputs[o].g[k] += d * self.values[k];
            }
        }
        for (w, &u) in self.hidden.iter_mut().zip(u.iter().chain([&1.0])) {
            for k in 0..HIDDEN {
                w.g[k] += h[k] * u;
            }
        }
        self.held += 1;
        if self.held == BATCH {
            self.held = 0;
            self.step();
        }
    }

    fn step(&mut self) {
        self.steps = self.steps.saturating_add(1);
        let rate = 0.0005 + 0.0195 / (1.0 + self.steps as f32 / 500.0);
        let fix = if self.steps < 2000 { 1.0 / (1.0 - power(0.998, self.steps)) } else { 1.0 };
        self.hidden.iter_mut().for_each(|w| w.step(rate, fix));
        self.outputs.iter_mut().for_each(|w| w.step(rate, fix));
        self.offsets.step(rate, fix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_near() {
        for i in -800..=800 {
            let x = i as f32 / 100.0;
            assert!((exp2(x) / (x as f64).exp2() as f32 - 1.0).abs() < 1e-3, "{x}");
        }
    }

    #[test]
    fn what_is_no_line_is_learnt() {
        // The error is 2 where the inputs' product is above zero, else -2, give or take a half.
        let mut net = Net::new(2);
        let mut x = 3u64;
        let mut uniform = || {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 40) as f32 / 8_388_608.0 - 1.0
        };
        let (mut wrong, mut size) = (0, 0.0);
        for i in 0..60_000 {
            let u = [uniform() * 2.0, uniform() * 2.0];
            let e = if u[0] * u[1] > 0.0 { 2.0 } else { -2.0 } + uniform() * 0.5;
            let (shift, s) = net.predict(&u);
            if i >= 50_000 {
                wrong += ((shift > 0.0) != (e > 0.0)) as u32;
                size += s / 10_000.0;
            }
            net.learn(&u, e);
        }
        assert!(wrong < 1000, "{wrong} of 10000");
        assert!((0.1..0.9).contains(&size), "{size}");
    }

    #[test]
    fn what_is_no_number_ends_nothing() {
        let mut net = Net::new(3);
        for e in [f32::NAN, f32::INFINITY, -1e38, 1.0] {
            for _ in 0..100 {
                let (shift, size) = net.predict(&[1e30, f32::NAN, -3e38]);
                assert!(shift.abs() <= 1000.0 && size > 0.0 && size < 300.0);
                net.learn(&[1e30, f32::NAN, -3e38], e);
            }
        }
    }
}
