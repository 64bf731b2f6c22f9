//! What the decisions start from: learned beforehand, from blocks of many kinds.
//!
//! `prior.bin` holds one byte a counter and two bytes (little-endian, signed) a weight. A byte is
//! `confidence << 6 | logit`: the probability is that of the logit (logit - 32) x 64, the number of bits
//! seen 0, 4, 12 or 30. A weight is in units of 2^-10.

use std::sync::OnceLock;

use strangelet::entropy::mix::{Counter, Weights, squash, stretch};

use super::choice::{COUNTERS, K, WEIGHTS};

/// Where all counters and weights start.
pub(super) struct Prior {
    pub counters: Box<[Counter; COUNTERS]>,
    pub weights: Box<[Weights<K>; WEIGHTS]>,
}

static LEARNED: &[u8] = include_bytes!("prior.bin");
const SEEN: [u32; 4] = [0, 3, 9, 22];

/// The prior that is part of the format.
pub(super) fn prior() -> &'static Prior {
    static PRIOR: OnceLock<Prior> = OnceLock::new();
    PRIOR.get_or_init(|| Prior::read(LEARNED))
}

impl Prior {
    /// Nothing learned.
    pub fn blank() -> Prior {
        Prior {
            counters: Box::new([Counter::default(); COUNTERS]),
            weights: Box::new([Weights([28000; K]); WEIGHTS]),
        }
    }

    fn read(bytes: &[u8]) -> Prior {
        let mut prior = Prior::blank();
        for (counter, &b) in prior.counters.iter_mut().zip(bytes) {
            let p = squash((i32::from(b & 63) - 32) * 64);
            *counter = Counter::starting(p, SEEN[usize::from(b >> 6)]);
        }
        let behind = bytes.get(COUNTERS..).unwrap_or_default();
        let mut weights = behind.chunks_exact(2).map(|w| i32::from(i16::from_le_bytes([w[0], w[1]])) << 6);
        for set in prior.weights.iter_mut() {
            for (w, from) in set.0.iter_mut().zip(&mut weights) {
                *w = from;
            }
        }
        prior
    }

    /// The bytes of a prior.
    pub fn write(counters: &[Counter], weights: &[Weights<K>]) -> Vec<u8> {
        let mut out = Vec::new();
        for c in counters {
            let logit = ((stretch(c.p()) + 32).div_euclid(64) + 32).clamp(0, 63);
            let confidence = SEEN.iter().rposition(|&n| c.seen() >= n).unwrap_or(0);
            out.push((confidence as u8) << 6 | logit as u8);
        }
        for w in weights.iter().flat_map(|w| w.0) {
            out.extend(((w >> 6).clamp(-32768, 32767) as i16).to_le_bytes());
        }
        out
    }
}
