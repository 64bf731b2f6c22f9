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
//!
//! # Numbers
//! | number | file | what is taken |
//! |---|---|---|
//! | 1 | `models/tpc.bundle` | all; least squares are renewed as those of a cold model |
//! | 2 | `models/tpc_coarse.bundle` | the same of it |
//! | 3 | `models/tpc_sparse.bundle` | all; least squares are settled |
//! | 4 | `models/tpc_sparse.bundle` | base, unit, period and what was learnt of places: `Deep::visit_places`, the head of the content |
//! | 5 | `models/tpc_coarse.bundle` | the same of it |
//! | 6 | `models/tpc.bundle` | all; least squares are settled |
//! | 7 | `models/tpc_coarse.bundle` | the same of it |
//!
//! With 4 and 5 values start as in a cold model, and their nets at the rate of one. Least squares that are settled start as if they had
//! seen 4000 samples: they take one of four, and are renewed after 256 (64) of those at first, too. 1 and 2 are not written any more.

use super::choice;
use super::deep::{Deep, Habits};
use super::quick::{Index, hits};
use super::rows::Given;
use super::value::{Alphabet, Usual};
use crate::entropy::binary::Encoder;
use crate::entropy::mix::{Counter, squash, stretch};
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::model::ridge::Ridge;
use std::sync::{Arc, LazyLock, OnceLock};
use xxhash_rust::xxh3::xxh3_64;

/// First bytes, and the version.
const MAGIC: &[u8; 8] = b"SGLHITS\x01";
/// Most bytes of the content.
const MOST: usize = 1 << 23;
/// Numbers of bits that a counter may start with.
const SEEN: [u32; 16] = [0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 90, 128, 255];
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
struct Put {
    out: Vec<u8>,
    /// What came less often is not kept.
    fewest: u32,
}

/// Reads.
struct Get<'a>(Cursor<'a>);

impl Put {
    fn class(&self, seen: u32) -> u8 {
        if seen < self.fewest {
            return 0;
        }
        SEEN.iter().rposition(|&s| s <= seen).unwrap_or(0) as u8
    }
}

/// The upper half of a binary32, rounded.
fn half(x: f32) -> u16 {
    ((x.to_bits() + 0x8000) >> 16) as u16
}

impl Visit for Put {
    fn counters(&mut self, counters: &mut [Counter]) -> Result<()> {
        let classes: Vec<u8> = counters.iter().map(|c| self.class(c.seen())).collect();
        let seen: Vec<i32> = counters
            .iter()
            .zip(&classes)
            .filter(|(_, class)| **class > 0)
            .map(|(c, _)| stretch(c.p()).clamp(-2047, 2047) + 2048)
            .collect();
        self.out.extend(classes);
        self.out.extend(seen.iter().map(|d| *d as u8));
        self.out.extend(seen.iter().map(|d| (*d >> 8) as u8));
        Ok(())
    }

    fn weights(&mut self, weights: &mut [f32]) -> Result<()> {
        let all: Vec<u16> =
            weights.iter().map(|w| (w * 4096.0).clamp(-32767.0, 32767.0) as i16 as u16).collect();
        self.out.extend(all.iter().map(|w| *w as u8));
        self.out.extend(all.iter().map(|w| (*w >> 8) as u8));
        Ok(())
    }

    fn usual(&mut self, cells: &mut [Usual]) -> Result<()> {
        let n = |c: &Usual| if c.n > 0.0 { self.class(c.n as u32) } else { 0 };
        let classes: Vec<u8> = cells.iter().map(n).collect();
        self.out.extend(&classes);
        for (c, _) in cells.iter().zip(&classes).filter(|(_, class)| **class > 0) {
            self.out.extend(half(c.mean).to_le_bytes());
            self.out.extend(half(c.size).to_le_bytes());
        }
        Ok(())
    }

    fn ridge<const N: usize>(&mut self, ridge: &mut Ridge<N>) -> Result<()> {
        let known = ridge.seen() >= 256;
        self.out.push(known.into());
        if known {
            let (weights, squares) = ridge.learnt();
            for x in weights.iter().chain(&squares) {
                self.out.extend(x.to_le_bytes());
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

/// What a bundle is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    taken: Taken,
    /// For few values, and for frames of few hits: no writer tries it where it cannot be the best.
    few: bool,
    sparse: bool,
}

/// What is taken of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// All, as the first writers did.
    All,
    /// All, with least squares that are settled.
    Settled,
    /// What was learnt of places; values start as in a cold model.
    Places,
}

/// Values that are few, and how often each of them comes then: of few hits of any kind the values are few, too.
const FEW: usize = 64;
const OFTEN: usize = 16;
/// Cells a hit from which frames are sparse.
const SPARSE: usize = 32;

/// A bundle: what it starts with, and its content.
pub struct Bundle {
    /// A usual low value, the unit, the period of runs.
    pub habits: (u32, u32, usize),
    /// The first 32 bits of the hash of the file.
    pub hash: u32,
    content: Arc<[u8]>,
    kind: Kind,
    /// The model that it is, once it was asked for; none where it is broken.
    model: OnceLock<Option<Deep>>,
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
        let habits = (base as u32, unit as u32, period as usize);
        let kind = Kind { taken: Taken::All, few: false, sparse: false };
        Ok(Bundle { habits, hash, content: content.into(), kind, model: OnceLock::new() })
    }

    /// The same for what it is good for, and what is taken of it.
    fn of(&self, taken: Taken, few: bool, sparse: bool) -> Bundle {
        let (content, kind) = (self.content.clone(), Kind { taken, few, sparse });
        Bundle { habits: self.habits, hash: self.hash, content, kind, model: OnceLock::new() }
    }

    /// Whether values start cold.
    pub fn of_places(&self) -> bool {
        self.kind.taken == Taken::Places
    }

    /// Whether a writer should try it for so many values, hits and cells.
    pub fn suits(&self, values: usize, hits: usize, cells: usize) -> bool {
        self.kind.taken != Taken::All
            && (!self.kind.few || values <= FEW && values * OFTEN <= hits)
            && (!self.kind.sparse || hits <= cells / SPARSE)
    }

    /// A model that starts with it.
    pub fn model(&self, alphabet: Alphabet, sides: [usize; 4]) -> Result<Deep> {
        let model = self.model.get_or_init(|| start(self.habits, &self.content, self.kind.taken).ok());
        let model = model.as_ref().ok_or_else(|| corruption("bundle: broken content"))?;
        Ok(model.before(alphabet, sides))
    }
}

/// The model of a content.
fn start((base, unit, period): (u32, u32, usize), content: &[u8], taken: Taken) -> Result<Deep> {
    let alphabet = Alphabet::Range(1, 2);
    let mut model = Deep::new(Habits { alphabet, base, unit, period }, [0; 4]);
    let mut content = Get(Cursor::new(content));
    if taken == Taken::Places {
        model.visit_places(&mut content)?;
        model.settle_places();
    } else {
        model.visit(&mut content)?;
        model.settle();
    }
    if taken == Taken::Settled {
        model.settle_guesses();
    }
    Ok(model)
}

/// The bundles that ship, by their number less one.
static SHIPPED: LazyLock<Vec<Bundle>> = LazyLock::new(|| {
    let files: [&[u8]; 3] = [
        include_bytes!("../../../../../models/tpc.bundle"),
        include_bytes!("../../../../../models/tpc_coarse.bundle"),
        include_bytes!("../../../../../models/tpc_sparse.bundle"),
    ];
    let mut all: Vec<Bundle> = files.iter().filter_map(|f| Bundle::read(f).ok()).collect();
    if let [tpc, coarse, sparse] = &all[..] {
        let more = [
            sparse.of(Taken::Settled, true, true),
            sparse.of(Taken::Places, true, true),
            coarse.of(Taken::Places, true, false),
            tpc.of(Taken::Settled, false, false),
            coarse.of(Taken::Settled, false, false),
        ];
        all.truncate(2);
        all.extend(more);
    }
    all
});

/// All bundles that ship.
pub fn shipped() -> &'static [Bundle] {
    &SHIPPED
}

/// A bundle from frames of one kind (sides: layers, pads, times), each in the order of the walk, slowest axis first. What came
/// less often than `fewest` is not kept.
pub fn fit(
    frames: &mut dyn Iterator<Item = Vec<u32>>,
    sides: [usize; 3],
    habits: (u32, u32, usize),
    fewest: u32,
) -> Result<Vec<u8>> {
    let (base, unit, period) = habits;
    let alphabet = Alphabet::Range(1, 2);
    let [layers, pads, times] = sides;
    let mut model = Deep::new(Habits { alphabet, base, unit, period }, [1, layers, pads, times]);
    for frame in frames {
        if frame.len() != layers * pads * times {
            return Err(corruption("a frame of another size"));
        }
        let index = Index::new(&hits(&frame), times);
        if let Some(alphabet) = choice::alphabet(&index) {
            model.use_alphabet(alphabet);
            model.code(&mut Encoder::new(), &mut Given::new(&index, times))?;
        }
    }
    let mut content = Put { out: Vec::new(), fewest };
    model.visit(&mut content)?;
    let mut out = MAGIC.to_vec();
    for n in [u64::from(base), u64::from(unit), period as u64, content.out.len() as u64] {
        put(&mut out, n);
    }
    let packed = zstd::bulk::compress(&content.out, 22).map_err(crate::error::Error::from)?;
    out.extend(packed);
    Ok(out)
}
