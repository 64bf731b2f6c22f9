//! Adaptive bit probabilities, and the mixing of several into one.
//!
//! # Counter
//! 32 bits: probability of a one in the upper 22, number of bits seen in the lower 10 (stops at a
//! limit). After a bit the probability moves by (target - p) x rate\[n\], rate\[n\] = 65536 / (n + 1.5), so that
//! a fresh counter learns at once and an old one slowly.
//!
//! # Mixing
//! Probabilities become logits (`stretch`, 8 fractional bits, -2047..2047), are added up with weights
//! (16 fractional bits), and go back (`squash`). The weights follow the error.
//!
//! In detail: logit = STRETCH\[p >> 4\] of a counter's upper 16 bits; sum of logit x weight, >> 16 (towards minus
//! infinity), clamped to +-2047, into SQUASH. Weights start at 137625 / (K + 2), rounded down. With error = (bit << 16) - p, each
//! weight grows by ((logit x (error >> 2) >> 10) x rate) >> 6 (32 bits, towards minus infinity) and stays within +-2^20.
//! SQUASH\[d\], d >= 0, is e x 65536 / (e + 2^50), rounded down, at most 65519, where e is 2^50 multiplied d times by
//! 1130306554484062 / 2^50 (rounded down each time); SQUASH\[-d\] = 65536 - SQUASH\[d\]. STRETCH\[i\] is the least d >= -2048 with
//! SQUASH\[d\] >= 16 i + 8 (at most 2047), where SQUASH\[-2048\] = SQUASH\[-2047\].
//!
//! Everything is integer arithmetic; the tables are computed by integers at build time.

/// ln(p / (1 - p)) x 256 back to p x 65536, for arguments -2048..2047.
static SQUASH: [u16; 4096] = squash_table();
/// p x 4096 to ln(p / (1 - p)) x 256.
static STRETCH: [i16; 4096] = stretch_table();
/// Rates by the number of bits seen.
static RATE: [u16; 1024] = rate_table();

/// Counters do not slow down further than this.
pub const LIMIT: u32 = 255;

const fn squash_table() -> [u16; 4096] {
    // E = e^(d/256) in 2^-50 units, by repeated multiplication with e^(1/256).
    const STEP: u128 = 1130306554484062; // round(e^(1/256) * 2^50)
    let mut table = [0; 4096];
    let mut e: u128 = 1 << 50;
    let mut d = 0;
    while d < 2048 {
        let one: u128 = 1 << 50;
        let p = (e << 16) / (e + one); // p * 65536
        let up = if p > 65519 { 65519 } else { p as u16 };
        table[2048 + d] = up;
        if d > 0 {
            let down = 65536 - up as u32;
            table[2048 - d] = down as u16;
        }
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
        while d < 4095 && (squash[d] as usize) < p * 16 + 8 {
            d += 1;
        }
        table[p] = d as i16 - 2048;
        p += 1;
    }
    table
}

const fn rate_table() -> [u16; 1024] {
    let mut table = [0; 1024];
    let mut n = 0;
    while n < 1024 {
        table[n] = (65536 * 2 / (2 * n + 3)) as u16;
        n += 1;
    }
    table
}

/// The probability (of 65536) of a logit (8 fractional bits).
#[inline(always)]
pub fn squash(d: i32) -> u32 {
    SQUASH[(d.clamp(-2047, 2047) + 2048) as usize & 4095] as u32
}

/// The logit of a probability of 65536.
#[inline(always)]
pub fn stretch(p: u32) -> i32 {
    STRETCH[(p >> 4) as usize & 4095] as i32
}

/// -log2(p / 4096) x 256 at p + 1/2. Only encoders ask it, to weigh what to do.
static COST: [u16; 4096] = cost_table();

const fn cost_table() -> [u16; 4096] {
    let mut table = [0; 4096];
    let mut p = 0;
    while p < 4096 {
        // log2 by squaring: 8 binary digits behind the point
        let (mut x, mut log) = ((2 * p as u64 + 1) << 18, 0u32);
        while x < 1 << 31 {
            x <<= 1;
            log += 256;
        }
        let mut digit = 128;
        while digit > 0 {
            x = (x * x) >> 31;
            if x >= 1 << 32 {
                x >>= 1;
                log -= digit;
            }
            digit >>= 1;
        }
        table[p] = log as u16;
        p += 1;
    }
    table
}

/// About how many 1/256 bits a bit costs whose probability of being one is `p` of 65536.
#[inline(always)]
pub fn cost(p: u32, bit: bool) -> u32 {
    let of = if bit { p } else { 65535 - p.min(65535) };
    u32::from(COST[(of >> 4) as usize & 4095])
}

/// An adaptive probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter(u32);

impl Default for Counter {
    fn default() -> Self {
        Counter(1 << 31)
    }
}

impl Counter {
    /// One that starts at probability `p` of 65536, as after `seen` bits (at most 1023).
    pub fn starting(p: u32, seen: u32) -> Self {
        Counter(p.min(65535) << 16 | seen.min(1023))
    }

    /// Number of bits seen, up to the limit of updates.
    pub fn seen(self) -> u32 {
        self.0 & 1023
    }

    /// Probability of a one, of 65536.
    #[inline(always)]
    pub fn p(self) -> u32 {
        self.0 >> 16
    }

    /// The same, never 0 or 1: what a coder takes.
    #[inline(always)]
    pub fn p_coder(self) -> u32 {
        (self.0 >> 16).clamp(16, 65520)
    }

    /// Learns a bit.
    #[inline(always)]
    pub fn update(&mut self, bit: bool, limit: u32) {
        let n = self.0 & 1023;
        let p = (self.0 >> 10) as i64;
        let target = -(bit as i64) & ((1 << 22) - 1);
        // The step moves the upper 22 bits, and stays within them; the number of bits below counts on.
        let step = ((target - p) * RATE[n as usize] as i64) >> 16;
        self.0 = self.0.wrapping_add((step as u32) << 10).wrapping_add((n < limit) as u32);
    }

    /// What several become that learn the same bit: the same as [`Counter::update`], side by side.
    #[inline(always)]
    pub fn learnt<const N: usize>(all: [Counter; N], bit: bool, limit: u32) -> [Counter; N] {
        let target = -(bit as i32) & ((1 << 22) - 1);
        let mut next = all;
        for k in 0..N {
            let n = all[k].0 & 1023;
            let d = (target - (all[k].0 >> 10) as i32) as i64;
            let step = ((d * RATE[n as usize] as i64) >> 16) as u32;
            next[k] = Counter(all[k].0.wrapping_add(step << 10).wrapping_add((n < limit) as u32));
        }
        next
    }
}

/// Weights of `K` probabilities.
#[derive(Debug, Clone, Copy)]
pub struct Weights<const K: usize>(pub [i32; K]);

/// A prediction that remembers what it was made of.
#[derive(Debug, Clone, Copy)]
pub struct Mixed<const K: usize> {
    logits: [i32; K],
    /// Probability of a one, of 65536, never 0 or 1.
    pub p: u32,
}

impl<const K: usize> Weights<K> {
    /// Weights that trust all alike.
    pub fn even() -> Self {
        Weights([45875 * 3 / (K as i32 + 2); K])
    }

    /// Adds the logits up.
    #[inline(always)]
    pub fn mix(&self, p: [u32; K]) -> Mixed<K> {
        let mut logits = [0; K];
        let mut sum = 0i64;
        for k in 0..K {
            logits[k] = stretch(p[k]);
            sum += logits[k] as i64 * self.0[k] as i64;
        }
        let p = squash((sum >> 16).clamp(-2047, 2047) as i32);
        Mixed { logits, p }
    }

    /// Follows the error of a prediction.
    #[inline(always)]
    pub fn update(&mut self, mixed: &Mixed<K>, bit: bool, rate: i32) {
        let error = ((bit as i32) << 16) - mixed.p as i32;
        for k in 0..K {
            // |logit| < 2^11, |error| < 2^17, rate < 2^4: within 32 bits
            self.0[k] = (self.0[k] + ((((mixed.logits[k] * (error >> 2)) >> 10) * rate) >> 6))
                .clamp(-(1 << 20), 1 << 20);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_learn_as_each_does() {
        for n in 0..1024 {
            for p in [0, 1, 500, 32768, 60000, 65535] {
                for bit in [false, true] {
                    let all = [Counter::starting(p, n), Counter::starting(p ^ 77, 1023 - n)];
                    let mut each = all;
                    each.iter_mut().for_each(|c| c.update(bit, 400));
                    assert_eq!(Counter::learnt(all, bit, 400).map(|c| c.0), each.map(|c| c.0));
                }
            }
        }
    }

    #[test]
    fn squash_is_the_logistic_function() {
        for d in -2047..=2047 {
            let exact = 65536.0 / (1.0 + (-d as f64 / 256.0).exp());
            assert!((squash(d) as f64 - exact).abs() < 18.0, "{d}: {} for {exact}", squash(d));
            assert!(squash(d) > 0 && squash(d) < 65536);
        }
    }

    #[test]
    fn stretch_is_its_inverse() {
        for p in (64..65472).step_by(64) {
            let exact = (p as f64 / (65536.0 - p as f64)).ln() * 256.0;
            assert!(
                (stretch(p) as f64 - exact).abs() < 3.0 + exact.abs() / 40.0,
                "{p}: {} for {exact}",
                stretch(p)
            );
        }
    }

    #[test]
    fn costs_are_logarithms() {
        for p in (40..65500).step_by(61) {
            for bit in [false, true] {
                let part = if bit { p } else { 65536 - p } as f64 / 65536.0;
                let exact = -part.log2() * 256.0;
                assert!((f64::from(cost(p, bit)) - exact).abs() < 3.0 + 12.0 / part / 256.0, "{p} {bit}");
            }
        }
    }

    #[test]
    fn a_counter_learns() {
        let mut c = Counter::default();
        assert_eq!(c.p(), 32768);
        for _ in 0..100 {
            c.update(true, LIMIT);
        }
        assert!(c.p() > 64000, "{}", c.p());
        for _ in 0..2000 {
            c.update(false, LIMIT);
        }
        assert!(c.p() < 400, "{}", c.p());
    }

    #[test]
    fn the_mix_follows_the_better_one() {
        let mut w = Weights::<2>::even();
        let mut total = 0;
        for i in 0..2000u32 {
            let bit = i.is_multiple_of(3);
            let mixed = w.mix([if bit { 60000 } else { 5000 }, 32768 + (i * 7919 % 20000)]);
            w.update(&mixed, bit, 6);
            if i > 1000 {
                total += if bit { 65536 - mixed.p } else { mixed.p };
            }
        }
        assert!(total / 1000 < 2000, "{}", total / 1000);
    }
}
