//! What was learnt of hits, as a file: a start for the next array of the same kind.
//!
//! # File
//! | bytes | what |
//! |---|---|
//! | 8 | `SGLHITS` and the version, 1 |
//! | varints | base, unit, period, as in a payload |
//! | varint | length of the content |
//! | to the end | the content, as a frame of zstd |
//!
//! The content holds, in the order of `Deep::visit`, tables of four kinds:
//!
//! - counters: one byte each, the class of the bits that it has seen (0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 90, 128,
//!   255); then for those of class 1 and above d (12 bits) as all lower bytes and then all upper bytes: the counter starts at
//!   SQUASH\[d - 2048\] (`entropy/mix.rs`). The others start as in a cold model;
//! - weights: lower bytes, then upper bytes, of signed integers / 4096;
//! - usual errors: one byte each, the same classes, for the weight of what came; then for those of class 1 and above the upper
//!   halves (16 bits) of mean and size as binary32;
//! - least squares: a byte; if it is 1, the weights and the mean squares of the numbers as binary32: they start as if 2000 samples
//!   had led to them.
//!
//! Nets start at their least rate.

use super::deep::{Deep, Habits};
use super::value::{Alphabet, Usual};
use crate::entropy::mix::{Counter, squash, stretch};
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::model::ridge::Ridge;
use std::sync::LazyLock;
use xxhash_rust::xxh3::xxh3_64;

/// First bytes, and the version.
const MAGIC: &[u8; 8] = b"SGLHITS\x01";
/// Most bytes of the content.
const MOST: usize = 1 << 23;
/// Numbers of bits that a counter may start with.
const SEEN: [u32; 16] = [0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 90, 128, 255];
/// What came less often is not kept.
const FEWEST: u32 = 8;
/// Samples that least squares start with.
const SAMPLES: f32 = 2000.0;

/// Walks through all that a model has learnt, to write it or to read it.
pub trait Visit {
    /// Counters: one byte each for the class of the bits seen, then for those of class 1 and above 12 bits of the logit, in
    /// two bytes.
    fn counters(&mut self, counters: &mut [Counter]) -> Result<()>;
    /// Weights, two bytes each.
    fn weights(&mut self, weights: &mut [f32]) -> Result<()>;
    /// Usual errors: one byte each for the weight of what came, then for those above 0 mean and size, as the upper halves of
    /// binary32.
    fn usual(&mut self, cells: &mut [Usual]) -> Result<()>;
    /// Weights and mean squares of least squares, as binary32; one byte before says whether there are any.
    fn ridge<const N: usize>(&mut self, ridge: &mut Ridge<N>) -> Result<()>;
}

/// Writes.
struct Put(Vec<u8>);

/// Reads.
struct Get<'a>(Cursor<'a>);

fn class(seen: u32) -> u8 {
    if seen < FEWEST {
        return 0;
    }
    SEEN.iter().rposition(|&s| s <= seen).unwrap_or(0) as u8
}

/// The upper half of a binary32, rounded.
fn half(x: f32) -> u16 {
    ((x.to_bits() + 0x8000) >> 16) as u16
}

impl Visit for Put {
    fn counters(&mut self, counters: &mut [Counter]) -> Result<()> {
        self.0.extend(counters.iter().map(|c| class(c.seen())));
        let seen: Vec<i32> = counters
            .iter()
            .filter(|c| class(c.seen()) > 0)
            .map(|c| stretch(c.p()).clamp(-2047, 2047) + 2048)
            .collect();
        self.0.extend(seen.iter().map(|d| *d as u8));
        self.0.extend(seen.iter().map(|d| (*d >> 8) as u8));
        Ok(())
    }

    fn weights(&mut self, weights: &mut [f32]) -> Result<()> {
        let all: Vec<u16> =
            weights.iter().map(|w| (w * 4096.0).clamp(-32767.0, 32767.0) as i16 as u16).collect();
        self.0.extend(all.iter().map(|w| *w as u8));
        self.0.extend(all.iter().map(|w| (*w >> 8) as u8));
        Ok(())
    }

    fn usual(&mut self, cells: &mut [Usual]) -> Result<()> {
        let n = |c: &Usual| if c.n > 0.0 { class(c.n as u32) } else { 0 };
        self.0.extend(cells.iter().map(n));
        for c in cells.iter().filter(|c| n(c) > 0) {
            self.0.extend(half(c.mean).to_le_bytes());
            self.0.extend(half(c.size).to_le_bytes());
        }
        Ok(())
    }

    fn ridge<const N: usize>(&mut self, ridge: &mut Ridge<N>) -> Result<()> {
        let known = ridge.seen() >= 256;
        self.0.push(known.into());
        if known {
            let (weights, squares) = ridge.learnt();
            for x in weights.iter().chain(&squares) {
                self.0.extend(x.to_le_bytes());
            }
        }
        Ok(())
    }
}

impl Visit for Get<'_> {
    fn counters(&mut self, counters: &mut [Counter]) -> Result<()> {
        let classes = self.0.take(counters.len())?;
        let n = classes.iter().filter(|&&c| c > 0).count();
        let (low, high) = (self.0.take(n)?, self.0.take(n)?);
        let mut logits = low.iter().zip(high).map(|(&l, &h)| i32::from(l) | i32::from(h) << 8);
        for (c, &class) in counters.iter_mut().zip(classes) {
            if class > 0 {
                let d = logits.next().unwrap_or(2048) - 2048;
                let seen =
                    SEEN.get(class as usize).ok_or_else(|| corruption("bundle: a class of counters"))?;
                *c = Counter::starting(squash(d), *seen);
            }
        }
        Ok(())
    }

    fn weights(&mut self, weights: &mut [f32]) -> Result<()> {
        let (low, high) = (self.0.take(weights.len())?, self.0.take(weights.len())?);
        for ((w, &l), &h) in weights.iter_mut().zip(low).zip(high) {
            *w = f32::from(i16::from_le_bytes([l, h])) * (1.0 / 4096.0);
        }
        Ok(())
    }

    fn usual(&mut self, cells: &mut [Usual]) -> Result<()> {
        let classes = self.0.take(cells.len())?;
        for (c, &class) in cells.iter_mut().zip(classes) {
            if class > 0 {
                let n = *SEEN.get(class as usize).ok_or_else(|| corruption("bundle: a class of errors"))?;
                let mut number = || -> Result<f32> {
                    Ok(f32::from_bits(u32::from(u16::from_le_bytes(self.0.array()?)) << 16))
                };
                *c = Usual { mean: number()?, size: number()?, n: n as f32 };
            }
        }
        Ok(())
    }

    fn ridge<const N: usize>(&mut self, ridge: &mut Ridge<N>) -> Result<()> {
        if self.0.byte()? == 1 {
            let mut all = [[0.0f32; N]; 2];
            for x in all.as_flattened_mut() {
                *x = f32::from_le_bytes(self.0.array()?);
            }
            ridge.start(all[0], all[1], SAMPLES);
        }
        Ok(())
    }
}

/// A bundle: what it starts with, and its content.
pub struct Bundle {
    /// A usual low value, the unit, the period of runs.
    pub habits: (u32, u32, usize),
    /// The first 32 bits of the hash of the file.
    pub hash: u32,
    content: Vec<u8>,
}

impl Bundle {
    /// Reads a file.
    pub fn read(bytes: &[u8]) -> Result<Bundle> {
        let rest =
            bytes.strip_prefix(MAGIC).ok_or_else(|| corruption("bundle: other magic bytes or version"))?;
        let mut c = Cursor::new(rest);
        let (base, unit, period, len) = (c.varint()?, c.varint()?, c.varint()?, c.varint()?);
        if base > u32::MAX.into() || unit == 0 || unit > u32::MAX.into() || period > 15 || len > MOST as u64 {
            return Err(corruption("bundle: habits that cannot be"));
        }
        let content = zstd::bulk::decompress(c.rest(), len as usize)
            .map_err(|_| corruption("bundle: broken content"))?;
        let hash = xxh3_64(bytes) as u32;
        Ok(Bundle { habits: (base as u32, unit as u32, period as usize), hash, content })
    }

    /// Makes a model start with it.
    pub fn start(&self, model: &mut Deep) -> Result<()> {
        model.visit(&mut Get(Cursor::new(&self.content)))?;
        model.settle();
        Ok(())
    }
}

/// The bundles that ship, by their number less one.
static SHIPPED: LazyLock<Vec<Bundle>> = LazyLock::new(|| {
    let files: [&[u8]; 2] = [
        include_bytes!("../../../../../models/tpc.bundle"),
        include_bytes!("../../../../../models/tpc_coarse.bundle"),
    ];
    files.iter().filter_map(|f| Bundle::read(f).ok()).collect()
});

/// All bundles that ship.
pub fn shipped() -> &'static [Bundle] {
    &SHIPPED
}

/// A bundle from frames of one kind (sides: layers, pads, times), each in the order of the walk, slowest axis first.
pub fn fit(
    frames: &mut dyn Iterator<Item = Vec<u32>>,
    sides: [usize; 3],
    habits: (u32, u32, usize),
) -> Result<Vec<u8>> {
    let (base, unit, period) = habits;
    let alphabet = Alphabet::Range(1, 2);
    let [layers, pads, times] = sides;
    let mut model = Deep::new(Habits { alphabet, base, unit, period }, [1, layers, pads, times]);
    for frame in frames {
        if frame.len() != layers * pads * times {
            return Err(corruption("a frame of another size"));
        }
        if let Some(alphabet) = super::alphabet(&super::hits_of(&frame)) {
            model.use_alphabet(alphabet);
            model.code(&mut super::Meter(0), &frame)?;
        }
    }
    let mut content = Put(Vec::new());
    model.visit(&mut content)?;
    let mut out = MAGIC.to_vec();
    for n in [u64::from(base), u64::from(unit), period as u64, content.0.len() as u64] {
        put(&mut out, n);
    }
    let packed = zstd::bulk::compress(&content.0, 22).map_err(crate::error::Error::from)?;
    out.extend(packed);
    Ok(out)
}
