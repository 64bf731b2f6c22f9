//! Waves: traces whose next sample is told by lines and by a net, and that may come from many channels in turn.
//!
//! # Channels
//! Row r is of channel r mod `rows` (0: there are no channels, and all is kept in one). A channel is known once it had a
//! number. Its level L begins with its first number; then, and after each number of it, n += 1 (at most 1024, at first 0) and
//! L += (number - L within +-2 s) / n; its size begins with the error's, at most 4 s, and follows each by / min(n + 7, 128). With
//! `rows` = 0 levels are not used. Here and below s is the slow mean of the slow
//! line of the time; for channels and jumps with this number's error in it.
//!
//! # Calm and jumps
//! A number at place i > 0 of its row is a jump if the error of the slow line exceeds 6 s. A row is calm until its first jump; there
//! is a slow line for calm numbers, and one for those behind a jump. The second begins each row's time with the fast mean of the first,
//! at its very first with its slow mean, too.
//! since = 0 at a row's start (64 for a known channel) and at each jump, then + 1. Three running means follow by max(rate, 1 / since),
//! rates 1/16, 1/64, 1/256, from the number (from L); so do their lags: (lag + 1) x (1 - the same), from 0. The calm mean is that of all
//! calm numbers of the row, with L as 64 more where the channel is known.
//!
//! # Neighbours
//! Of the number at place i > 0: the `taps` numbers before it (for those before the row's first: L of a known channel, else the row's
//! first); the running means; with rise = (first running mean - calm mean) / 256: rise x (second lag - third lag / 4), rise x
//! third lag; the calm mean; the constant 16; L or the row's first; all but rises and constant as differences to the number before.
//! The quick line has of these: 6 numbers before, the first and second running mean, the constant.
//!
//! # Lines
//! They are [`Samples`], begun with one row for each neighbour but the first: 1 for this neighbour, 0 for others and the number; and
//! then rows of 0 up to a multiple of 32. Triangles are multiplied by 0.9999 (quick line: 0.98) after each fold; weights are
//! solved after each fold from 4 x neighbours rows on. A sample's weight is 1 / (slow / 4 + fast + 2 e + 0.3 x largest of its
//! differences, the last two neighbours left out). From 64 x neighbours rows on, slow lines learn only from numbers whose
//! index / 32, rounded down, is a multiple of 4. A slow line without weights says what the quick one says. Means of the errors'
//! sizes: by / min(n + 2, 16) and / min(n + 2, 256), n errors before, at first 16, at least 1e-9.
//!
//! # The net
//! Shifts the slow line's place by s x [`Net`]'s, its size is s x the net's. Inputs: l((x - place) / s) of 12 numbers before, of the three
//! running means, the calm mean and the last neighbour; of the last two errors of slow lines in this row (0 where there
//! are none); r(fast / s), r(mean size at this place of the rows before / s), r(the channel's size / s).
//! l(z) = b(|z| + 1), the sign that of z, 0 where |z| is not below 1e30; r(z) = b(z within 1e-6 and 1e6), b(x) = (bits of x as binary32 - bits of 1) / 2^23.
//! Sizes at places follow the slow lines' errors by / 16 and begin with s when they are first asked for. Fast and slow means of the net's errors are as those of lines.
//!
//! # First numbers of rows
//! Foretold as L, without a channel as that of the row before (0 in the first); the size is the mean of their errors: by / min(n + 2,
//! 32), at first 64. Nobody else learns from them.

use super::least_squares::Samples;
use super::net::Net;

/// Fewest and most numbers before that are neighbours.
pub const TAPS: std::ops::RangeInclusive<usize> = NEAR..=64;
/// Numbers before that the net sees.
const NEAR: usize = 12;
/// Numbers before that the quick line sees.
const SHORT: usize = 6;
/// Neighbours of other kinds, of slow lines and of the quick one.
const OTHERS: [usize; 2] = [8, 3];
/// Rates of the running means.
const RATES: [f64; 3] = [1.0 / 16.0, 1.0 / 64.0, 1.0 / 256.0];
/// An error of so many times the usual size is a jump.
const JUMP: f64 = 6.0;
/// As how many numbers a known level counts.
const KNOWN: f64 = 64.0;
/// Smallest size.
const LEAST: f64 = 1e-9;

/// Length of rows, how many until the same channel comes again (0: no channels), and how many numbers are neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Numbers of a row; 0: all are one row.
    pub row: usize,
    /// Rows from one of a channel to its next; 0: rows are of no channel.
    pub rows: usize,
    /// Numbers before that are neighbours: 12 to 64.
    pub taps: usize,
}

/// Mean sizes of errors.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Of late.
    pub fast: f64,
    /// For longer.
    pub slow: f64,
    seen: f64,
}

impl Sizes {
    const START: Sizes = Sizes { fast: 16.0, slow: 16.0, seen: 0.0 };

    fn follow(&mut self, e: f64) {
        self.fast += (e - self.fast) / (self.seen + 2.0).min(16.0);
        self.slow += (e - self.slow) / (self.seen + 2.0).min(256.0);
        self.seen += 1.0;
        self.fast = self.fast.max(LEAST);
        self.slow = self.slow.max(LEAST);
    }
}

/// A line of weights.
pub struct Line {
    samples: Samples,
    all: Vec<u16>,
    weights: Vec<f64>,
    keep: f64,
    every: usize,
    /// How large its errors are.
    pub sizes: Sizes,
    /// What the next number may be.
    pub middle: f64,
}

impl Line {
    fn new(n: usize, keep: f64, every: usize) -> Line {
        let mut samples = Samples::new(n);
        for k in 0..n.next_multiple_of(32) {
            samples.add((0..n).map(|i| if i == k && i + 1 < n { 1.0 } else { 0.0 }), 1.0);
        }
        let all = (0..n as u16).collect();
        Line { samples, all, weights: Vec::new(), keep, every, sizes: Sizes::START, middle: 0.0 }
    }

    fn predict(&mut self, base: f64, x: &[f64]) {
        let mut sum = 0.0;
        for (w, x) in self.weights.iter().skip(1).zip(x) {
            sum += w * x;
        }
        self.middle = base + sum;
    }

    fn update(&mut self, index: usize, number: f64, base: f64, x: &[f64]) {
        let e = (number - self.middle).abs();
        let before = self.samples.folded();
        let n = self.all.len() as u64;
        if before < 64 * n || (index / 32).is_multiple_of(self.every) {
            let far = x.iter().take(x.len().saturating_sub(2)).fold(0.0, |m: f64, d| m.max(d.abs()));
            let weight = 1.0 / (self.sizes.slow * 0.25 + self.sizes.fast + e * 2.0 + far * 0.3);
            self.samples.add(x.iter().copied().chain([number - base]), weight);
            if self.samples.folded() != before {
                self.samples.fade(self.keep);
                if self.samples.folded() >= 4 * n {
                    self.weights = self.samples.solve(&self.all);
                }
            }
        }
        self.sizes.follow(e);
    }
}

/// What is remembered of a channel.
#[derive(Clone, Copy)]
struct Channel {
    level: f64,
    size: f64,
    seen: f64,
}

/// What the numbers of the row so far tell.
struct Row {
    /// Place of the next number.
    at: usize,
    /// The channel is known.
    known: bool,
    jumped: bool,
    since: f64,
    means: [f64; 3],
    lags: [f64; 3],
    calm: (f64, f64),
    errors: [f64; 2],
}

/// A prediction: places and sizes.
#[derive(Debug, Clone, Copy)]
pub struct Guess {
    /// By the net.
    pub middle: f64,
    /// By the net.
    pub size: f64,
    /// Size of errors at such a place.
    pub here: f64,
    /// By the slow line, with its fast mean.
    pub slow: (f64, f64),
    /// By the quick line, with its fast mean.
    pub quick: (f64, f64),
}

/// Foretells the numbers of waves one after the other.
pub struct Wave {
    shape: Shape,
    numbers: Vec<f64>,
    /// Neighbours of the slow and of the quick line, inputs of the net.
    x: Vec<f64>,
    short: Vec<f64>,
    u: Vec<f32>,
    base: f64,
    row: Row,
    channel: usize,
    channels: Vec<Channel>,
    here: Vec<f64>,
    /// For calm numbers, and for those behind a jump.
    slow: [Line; 2],
    quick: Line,
    net: Net,
    guess: Guess,
    /// Sizes of the net's errors.
    pub sizes: Sizes,
    start: (f64, f64),
}

fn bits(x: f32) -> f32 {
    (x.to_bits() as i32).wrapping_sub(1.0f32.to_bits() as i32) as f32 * (1.0 / 8_388_608.0)
}

fn log(z: f64) -> f32 {
    if z.abs() < 1e30 { bits(z.abs() as f32 + 1.0) * if z < 0.0 { -1.0 } else { 1.0 } } else { 0.0 }
}

fn ratio(a: f64, b: f64) -> f32 {
    let r = a / b;
    if r.is_nan() { 0.0 } else { bits(r.clamp(1e-6, 1e6) as f32) }
}

impl Wave {
    /// Nothing known yet; taps are within [`TAPS`], `count` numbers will come.
    pub fn new(shape: Shape, count: usize) -> Wave {
        let channels = shape.rows.min(count.checked_div(shape.row).unwrap_or(0) + 1).max(1);
        let slow = || Line::new(shape.taps + OTHERS[0], 0.9999, 4);
        Wave {
            shape,
            numbers: Vec::new(),
            x: Vec::new(),
            short: Vec::new(),
            u: Vec::new(),
            base: 0.0,
            row: Row {
                at: 0,
                known: false,
                jumped: false,
                since: 0.0,
                means: [0.0; 3],
                lags: [0.0; 3],
                calm: (0.0, 0.0),
                errors: [0.0; 2],
            },
            channel: 0,
            channels: vec![Channel { level: 0.0, size: 0.0, seen: 0.0 }; channels],
            here: vec![0.0; shape.row.min(count)],
            slow: [slow(), slow()],
            quick: Line::new(SHORT + OTHERS[1], 0.98, 1),
            net: Net::new(NEAR + 10),
            guess: Guess { middle: 0.0, size: 1.0, here: 1.0, slow: (0.0, 1.0), quick: (0.0, 1.0) },
            sizes: Sizes::START,
            start: (64.0, 0.0),
        }
    }

    fn neighbours(&mut self, level: f64) {
        let (at, row, taps) = (self.numbers.len(), &self.row, self.shape.taps);
        let i = row.at;
        let base = self.numbers[at - 1];
        self.base = base;
        let first = if row.known { level } else { self.numbers[at - i] } - base;
        self.x.extend((2..=taps.min(i)).map(|t| self.numbers[at - t] - base));
        self.x.resize(taps - 1, first);
        self.short.extend_from_slice(&self.x[..SHORT - 1]);
        let rise = (row.means[0] - row.calm.0) * (1.0 / 256.0);
        self.x.extend(row.means.map(|m| m - base));
        self.x.push((row.lags[1] - row.lags[2] * 0.25) * rise);
        self.x.push(row.lags[2] * rise);
        self.x.push(row.calm.0 - base);
        self.x.push(16.0);
        self.x.push(first);
        self.short.extend([row.means[0] - base, row.means[1] - base, 16.0]);
    }

    /// What the next number may be.
    pub fn predict(&mut self) -> Guess {
        let (at, taps) = (self.numbers.len(), self.shape.taps);
        let channel = self.channels[self.channel];
        self.x.clear();
        self.short.clear();
        if self.row.at == 0 {
            self.row.known = self.shape.rows > 0 && channel.seen > 0.0;
            let before = if at >= self.shape.row { self.numbers.get(at - self.shape.row) } else { None };
            self.base = if self.row.known { channel.level } else { before.copied().unwrap_or(0.0) };
            self.row.jumped = false;
            let (place, size) = (self.base, self.start.0);
            self.slow[0].middle = place;
            self.quick.middle = place;
            self.guess = Guess { middle: place, size, here: size, slow: (place, size), quick: (place, size) };
            return self.guess;
        }
        self.neighbours(channel.level);
        self.quick.predict(self.base, &self.short);
        let slow = &mut self.slow[self.row.jumped as usize];
        slow.predict(self.base, &self.x);
        if slow.weights.is_empty() {
            slow.middle = self.quick.middle;
        }
        let (place, Sizes { fast, slow: s, .. }) = (slow.middle, slow.sizes);
        let (o, inverse) = (place - self.base, 1.0 / s);
        let others = &self.x[taps - 1..];
        let near =
            [0.0].iter().chain(&self.x[..NEAR - 1]).chain(&others[..3]).chain([&others[5], &others[7]]);
        self.u.clear();
        self.u.extend(near.map(|x| log((x - o) * inverse)));
        self.u.extend(self.row.errors.map(|e| log(e * inverse)));
        let here = self.here.get(self.row.at).copied().unwrap_or(0.0);
        let here = if here > 0.0 { here } else { s };
        let size = if channel.size > 0.0 { channel.size } else { s };
        self.u.extend([ratio(fast, s), ratio(here, s), ratio(size, s)]);
        let (shift, grow) = self.net.predict(&self.u);
        self.guess = Guess {
            middle: place + s * shift as f64,
            size: s * grow as f64,
            here,
            slow: (place, fast),
            quick: (self.quick.middle, self.quick.sizes.fast),
        };
        self.guess
    }

    /// Takes the number that came.
    pub fn update(&mut self, number: f64) {
        let (i, index) = (self.row.at, self.numbers.len());
        let state = self.row.jumped as usize;
        let e = number - self.slow[state].middle;
        let error = (number - self.guess.middle).abs();
        if i == 0 {
            let (size, seen) = &mut self.start;
            *size = (*size + (error - *size) / (*seen + 2.0).min(32.0)).max(LEAST);
            *seen += 1.0;
        } else {
            self.net.learn(&self.u, (e / self.slow[state].sizes.slow) as f32);
            if let Some(p) = self.here.get_mut(i) {
                *p = self.guess.here + (e.abs() - self.guess.here) * (1.0 / 16.0);
            }
            self.sizes.follow(error);
            self.slow[state].update(index, number, self.base, &self.x);
            self.quick.update(index, number, self.base, &self.short);
        }
        let s = self.slow[state].sizes.slow;
        self.follow_channel(number, e.abs(), s);
        self.follow_row(number, e, s);
        self.numbers.push(number);
        self.row.at += 1;
        if self.row.at == self.shape.row {
            self.row.at = 0;
            self.channel += 1;
            if self.channel >= self.shape.rows.min(self.channels.len()) {
                self.channel = 0;
            }
        }
    }

    fn follow_channel(&mut self, number: f64, e: f64, s: f64) {
        let channel = &mut self.channels[self.channel];
        if channel.seen == 0.0 {
            channel.level = number;
            channel.size = e.min(4.0 * s);
        }
        channel.seen = (channel.seen + 1.0).min(1024.0);
        channel.level += (number - channel.level).clamp(-2.0 * s, 2.0 * s) / channel.seen;
        channel.size = (channel.size + (e - channel.size) / (channel.seen + 7.0).min(128.0)).max(LEAST);
    }

    fn follow_row(&mut self, number: f64, e: f64, s: f64) {
        let row = &mut self.row;
        if row.at == 0 {
            let level = self.channels[self.channel].level;
            let start = if row.known { (level, KNOWN) } else { (number, 0.0) };
            row.since = start.1;
            row.means = [start.0; 3];
            row.lags = [0.0; 3];
            row.calm = start;
            row.errors = [0.0; 2];
        } else {
            row.errors = [e, row.errors[0]];
            if e.abs() > JUMP * s {
                row.since = 0.0;
                if !row.jumped {
                    let [calm, after] = &mut self.slow;
                    after.sizes.fast = calm.sizes.fast;
                    if after.sizes.seen == 0.0 {
                        after.sizes.slow = calm.sizes.slow;
                    }
                }
                row.jumped = true;
            }
        }
        row.since += 1.0;
        if !row.jumped {
            row.calm.1 += 1.0;
            row.calm.0 += (number - row.calm.0) / row.calm.1;
        }
        for ((m, l), rate) in row.means.iter_mut().zip(&mut row.lags).zip(RATES) {
            let g = (1.0 / row.since).max(rate);
            *m += (number - *m) * g;
            *l = (*l + 1.0) * (1.0 - g);
        }
    }
}
