//! Numbers without a record: scales, couplings, weights.
//!
//! Modes: 2 to 4 the last three different values, newest first, as far as there are rows; beside another column 5 its value on the
//! straight line between the points seen (other, own) that are nearest below and above, or through the two on the one side ([`between`]; only
//! points whose other is finite and not negative are kept), and 6 the other x (own / other of the row before).

use super::choice::{Hints, Numbers, exponent, hash, scale};
use crate::entropy::binary::BitCoder;
use crate::error::{Result, corruption};
use crate::limits;
use std::collections::BTreeMap;

/// Modes: the last values, the newest first; as a function of the other column, between the nearest arguments
/// seen; the other column times the last ratio.
const LAST: usize = 2;
const LASTS: usize = 3;
const FUNCTION: usize = 5;
const RATIO: usize = 6;

/// The value at `x`, on the straight line through the two nearest of the points seen.
fn between(points: &BTreeMap<u64, f64>, x: u64) -> Option<f64> {
    let below = || points.range(..=x).rev();
    let above = || points.range(x..);
    let (a, b) = match (below().next(), above().next()) {
        (Some(a), Some(b)) if a.0 == b.0 => return Some(*a.1),
        (Some(a), Some(b)) => (a, b),
        (Some(a), None) => (below().nth(1)?, a),
        (None, Some(b)) => (b, above().nth(1)?),
        (None, None) => return None,
    };
    let (xa, xb, x) = (f64::from_bits(*a.0), f64::from_bits(*b.0), f64::from_bits(x));
    let y = a.1 + (x - xa) * ((b.1 - a.1) / (xb - xa));
    y.is_finite().then_some(y)
}

/// Codes a column, beside another of the same rows where there is one.
pub fn plain<C: BitCoder>(
    c: &mut C,
    numbers: &mut Numbers,
    other: Option<&[u64]>,
    given: Option<&[u64]>,
    count: usize,
) -> Result<Vec<u64>> {
    let mut made: Vec<u64> = limits::reserve(count);
    let mut lasts = [0u64; LASTS];
    let mut points = BTreeMap::new();
    let mut modes = 0u32;
    for row in 0..count {
        if row & 0xfff == 0xfff && c.exhausted() {
            return Err(corruption("kin: the payload ends too early"));
        }
        let mut hints = Hints::default();
        for (k, &x) in lasts.iter().enumerate().take(row) {
            hints.guesses[LAST + k] = Some(f64::from_bits(x));
        }
        let beside = other.map(|o| f64::from_bits(o[row]));
        if let Some(x) = beside {
            hints.guesses[FUNCTION] = between(&points, x.to_bits());
            if row > 0
                && let Some(o) = other
            {
                hints.guesses[RATIO] = Some(x * (f64::from_bits(made[row - 1]) / f64::from_bits(o[row - 1])));
            }
        }
        let close = beside.map_or(0, scale);
        hints.mode = [
            hash(&[modes & 7]),
            hash(&[modes & 63]),
            hash(&[modes]),
            hash(&[lasts[0] as u32, (lasts[0] >> 32) as u32]),
            hash(&[close]),
            0,
        ];
        let last = f64::from_bits(lasts[0]);
        hints.free = [
            hash(&[scale(last)]),
            hash(&[close]),
            hash(&[close, scale(last)]),
            hash(&[beside.map_or(0, |x| (x.to_bits() >> 50) as u32)]),
            0,
            hash(&[exponent(f64::from_bits(lasts[1])) as u32]),
        ];
        hints.kind = (points.len() as u32 + 1).ilog2();
        let (mode, x) = numbers.code(c, given.map(|g| g[row]), &hints);
        modes = (modes << 3 | mode as u32) & 0xfff;
        let at = lasts.iter().position(|&y| y == x).unwrap_or(LASTS - 1);
        lasts[..=at].rotate_right(1);
        lasts[0] = x;
        if let Some(o) = beside.filter(|o| o.is_finite() && o.is_sign_positive()) {
            points.insert(o.to_bits(), f64::from_bits(x));
        }
        made.push(x);
    }
    Ok(made)
}
