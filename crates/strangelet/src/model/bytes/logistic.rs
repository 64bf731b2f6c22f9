//! Logits and their mixing, wider than those of `entropy/mix.rs`.
//!
//! SQUASH\[d\], 0 <= d <= 4095, is e x 65536 / (e + 2^50), rounded down, at most 65535, with e as in
//! `entropy/mix.rs`; SQUASH\[-d\] = 65536 - SQUASH\[d\]; squash clamps d to +-2815. stretch(p) is the least d >=
//! -4096 with SQUASH\[d\] >= 16 (p >> 4) + 8, where SQUASH\[-4096\] = SQUASH\[-4095\].
//!
//! **A mixer** adds (weight >> 16) x logit up; the sum >> 12, within +-2815, is its logit. After the bit, with
//! error = (bit << 16) - squash(logit) and step = (error x rate + 512) >> 10, within +-32767, each weight grows by
//! logit x step. All 32 bits, shifts towards minus infinity, sums and weights modulo 2^32.
//!
//! **A refinement** has 33 probabilities a context, at first squash(128 (i - 16)). With x = the logit within
//! +-2047, + 2048, i = x >> 7, f = x mod 128, it gives (s\[i\] (128 - f) + s\[i + 1\] f) >> 7; s\[i\], or s\[i +
//! 1\] where f >= 64, then moves by (target - s) >> rate towards 65535 or 0.

/// Logits have 8 fractional bits and stay within +- this.
pub const MOST: i32 = 2815;

static SQUASH: [u16; 8192] = squash_table();
static STRETCH: [i16; 4096] = stretch_table();

const fn squash_table() -> [u16; 8192] {
    const STEP: u128 = 1130306554484062; // round(e^(1/256) * 2^50)
    let mut table = [0; 8192];
    let mut e: u128 = 1 << 50;
    let mut d = 0;
    while d < 4096 {
        let one: u128 = 1 << 50;
        let p = (e << 16) / (e + one);
        let up = if p > 65535 { 65535 } else { p as u16 };
        table[4096 + d] = up;
        table[4096 - d] = (65536 - up as u32) as u16;
        e = (e * STEP) >> 50;
        d += 1;
    }
    table[0] = table[1];
    table
}

const fn stretch_table() -> [i16; 4096] {
    let mut table = [0; 4096];
    let squash = squash_table();
    let (mut p, mut d) = (0, 0);
    while p < 4096 {
        while d < 8191 && (squash[d] as usize) < p * 16 + 8 {
            d += 1;
        }
        table[p] = d as i16 - 4096;
        p += 1;
    }
    table
}

/// The probability (of 65536, never 0) of a logit.
#[inline(always)]
pub fn squash(d: i32) -> u32 {
    SQUASH[(d.clamp(-MOST, MOST) + 4096) as usize & 8191] as u32
}

/// The logit of a probability of 65536.
#[inline(always)]
pub fn stretch(p: u32) -> i32 {
    STRETCH[(p >> 4) as usize & 4095] as i32
}

/// Sets of weights for `N` logits.
#[derive(Clone)]
pub struct Mixer<const N: usize> {
    sets: Vec<[i32; N]>,
    chosen: usize,
    /// The last sum, and its probability.
    pub logit: i32,
    p: i32,
}

impl<const N: usize> Mixer<N> {
    /// Weights of 28 fractional bits.
    pub fn new(sets: usize, weights: [i32; N]) -> Self {
        Mixer { sets: vec![weights; sets], chosen: 0, logit: 0, p: 32768 }
    }

    /// Adds logits up with the weights of a set.
    #[inline(always)]
    pub fn mix(&mut self, t: &[i16; N], set: usize) -> i32 {
        self.chosen = set;
        let Some(w) = self.sets.get(set) else { return 0 };
        let mut sum = 0i32;
        for i in 0..N {
            sum = sum.wrapping_add(((w[i] >> 16) as i16 as i32) * t[i] as i32);
        }
        self.logit = (sum >> 12).clamp(-MOST, MOST);
        self.p = squash(self.logit) as i32;
        self.logit
    }

    /// Follows the error.
    #[inline(always)]
    pub fn update(&mut self, t: &[i16; N], bit: bool, rate: i32) {
        let error = ((bit as i32) << 16) - self.p;
        let step = ((error.wrapping_mul(rate) + 512) >> 10).clamp(-32767, 32767) as i16;
        if step == 0 {
            return;
        }
        let Some(w) = self.sets.get_mut(self.chosen) else { return };
        for i in 0..N {
            w[i] = w[i].wrapping_add(t[i] as i32 * step as i32);
        }
    }
}

/// Corrects a probability by what came of like ones: 33 steps of its logit, in between linearly.
#[derive(Clone)]
pub struct Refine {
    steps: Vec<[u16; 33]>,
    at: usize,
    low: usize,
}

impl Refine {
    /// All as they come.
    pub fn new(contexts: usize) -> Self {
        let steps = std::array::from_fn(|i| (squash((i as i32 - 16) * 128) as u16).max(1));
        Refine { steps: vec![steps; contexts], at: 0, low: 0 }
    }

    /// The refined probability, of 65536.
    #[inline(always)]
    pub fn refine(&mut self, logit: i32, context: usize) -> u32 {
        let x = (logit.clamp(-2047, 2047) + 2048) as u32;
        let (low, part) = ((x >> 7) as usize, x & 127);
        self.at = context;
        let Some(s) = self.steps.get(context) else { return 32768 };
        self.low = low + (part >= 64) as usize;
        (s[low & 31] as u32 * (128 - part) + s[(low & 31) + 1] as u32 * part) >> 7
    }

    /// Learns a bit at the nearer step.
    #[inline(always)]
    pub fn update(&mut self, bit: bool, rate: u32) {
        if let Some(s) = self.steps.get_mut(self.at)
            && let Some(p) = s.get_mut(self.low)
        {
            let target = if bit { 65535 } else { 0 };
            *p = (*p as i32 + ((target - *p as i32) >> rate)) as u16;
        }
    }
}
