//! Bins: sparse integers reduced to where they are and to a few bits of what they are, told from all that lies around.
//!
//! # What it does
//! Where cells are not zero is coded exactly, by any codec. Each such cell then has a bin, few of which cost anything, and its value is
//! made from the mask and the bins around it, of what comes later as well, by weights that the encoder found for this very array. Bins were
//! chosen for the least sum of error and cost, not by thresholds.
//!
//! # When it wins
//! Only `reduce` writes it, on its way to a mean error or a ratio: the cells that come out are those of the reduced file, to the bit.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | varint | axes, 1 to 8 |
//! | varints | cells along each, slowest first; at most 2^24 in all, and with borders (`bins/field.rs`) at most 4 times as many + 2^16 |
//! | bytes | order of the walk: numbers of axes, slowest first |
//! | 1 | period of runs, 2 to 8; 0 none |
//! | 1 | bins, 1 to 64 |
//! | 1 | binary digits of the weights behind the point, 0 to 10 |
//! | 1, varint, .. | the mask, one byte a cell, 0 or 1: number of its codec, bytes of its payload, payload. With 128 added to the number any value but 0 is a 1 |
//! | to the end | bits of `entropy/binary.rs`: weights, limits, then the bins in the order of the walk |
//!
//! Weights and limits are numbers of `model/mixing.rs` (of no cells), in set 0 with the contexts (kind, kind + 8 x class of the number before + 1,
//! 0, 0, 0, 0); kind is 0 for weights but the bins' own, 1 for those and for least limits, 2 for greatest limits; class is the number of bits, at most
//! 15. A weight w is the number 2w, or -2w - 1 below zero. A bin has its least limit, as a weight, and what to add for the greatest.
//!
//! # Determinism
//! Sums are integers (`bins/synth.rs`), what they stand for is by `infer/math.rs`. The least squares of `bins/coder.rs` are IEEE binary64
//! `+ - * /` and `sqrt` in the order in which they stand.
//!
//! # References
//! P. A. Chou, T. Lookabaugh, R. M. Gray, Entropy-constrained vector quantization (1989): bins by error + lambda x bits. A. Wyner, J. Ziv (1976) for
//! what a decoder may know beside.

pub mod coder;
pub mod field;
pub mod order;
pub mod synth;

use super::{BINS, COLUMNS};
use crate::codec::{Codec, Level, Shape, Stream};
use crate::column::{Cells, Scalar};
use crate::entropy::binary::{BitCoder, Decoder, Encoder};
use crate::error::{Result, corruption, unsupported};
use crate::format::varint::{Cursor, put};
use crate::model::mixing::Mixing;
use coder::Model;
use field::{Field, MAX_PERIOD};
use order::Walk;
use synth::{Around, MAX_BINS, MAX_FINE, MAX_WEIGHT, Rules, Values};

/// Reduced hits.
pub struct Bins;

/// Codes weights and limits.
fn rules<C: BitCoder>(c: &mut C, rules: &mut Rules) -> Result<()> {
    let mut mixing = Mixing::new(0);
    let mut last = 0u64;
    let mut number = |c: &mut C, n: u64, kind: u32| {
        let class = (64 - last.leading_zeros()).min(15);
        last = mixing.number(c, n, &[kind, kind + 8 * (class + 1), 0, 0, 0, 0], 0);
        last
    };
    let mut signed = |c: &mut C, w: i32, kind: u32| -> Result<i32> {
        let n = (i64::from(w) << 1 ^ i64::from(w) >> 63) as u64;
        let n = number(c, n, kind);
        let w = (n >> 1) as i64 ^ -((n & 1) as i64);
        i32::try_from(w)
            .ok()
            .filter(|w| w.abs() <= MAX_WEIGHT)
            .ok_or_else(|| corruption("bins: a weight out of range"))
    };
    let layout = rules.layout();
    for (k, w) in rules.weights.iter_mut().enumerate() {
        *w = signed(c, *w, u32::from(k >= layout.own))?;
    }
    for (low, high) in &mut rules.limits {
        let more = *high - *low;
        *low = signed(c, *low, 1)?;
        let more = signed(c, more, 2)?;
        if more < 0 {
            return Err(corruption("bins: limits the wrong way round"));
        }
        *high = *low + more;
    }
    Ok(())
}

/// Added to the number of a mask's codec: any value but 0 is a hit.
pub const FILLED: u8 = 0x80;

/// What a payload begins with.
#[derive(Debug, Clone)]
pub struct Head {
    /// The array's axes.
    pub walk: Walk,
    /// Period of runs, 0 for none.
    pub period: usize,
    /// Number of the codec of the mask (with [`FILLED`] or not), and its payload.
    pub mask: (u8, Vec<u8>),
}

/// Whether the mask may be coded by it.
pub fn codes_masks(codec: u8) -> bool {
    super::by_id(codec).is_some_and(|c| !c.derives()) && codec != COLUMNS && codec != BINS
}

/// The payload of chosen bins (padded, as the field).
pub fn payload(head: &Head, field: &Field, found: &Rules, bins: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    head.walk.write(&mut out);
    out.extend([head.period as u8, found.bins as u8, found.fine as u8, head.mask.0]);
    put(&mut out, head.mask.1.len() as u64);
    out.extend_from_slice(&head.mask.1);
    let mut c = Encoder::new();
    rules(&mut c, &mut found.clone())?;
    walk_bins(&mut c, field, found, &mut bins.to_vec());
    out.extend_from_slice(&c.finish());
    Ok(out)
}

/// Codes the bins of a field.
fn walk_bins<C: BitCoder>(c: &mut C, field: &Field, rules: &Rules, bins: &mut [u8]) {
    if rules.bins < 2 {
        return bins.fill(0);
    }
    let mut model = Model::new(field, rules.bins);
    let (around, layout) = (Around::new(field), rules.layout());
    let unit = f64::from(1u32 << rules.fine);
    for hit in &field.hits {
        let mask = f64::from(rules.of_mask(&around, field, &layout, hit)) / unit;
        let contexts = model.around(field, bins, hit, mask);
        bins[hit.at as usize] = model.code(c, &contexts, bins[hit.at as usize]);
        if c.exhausted() {
            return;
        }
    }
}

/// Greatest value that a type holds, where it can be reduced to bins.
pub fn greatest(scalar: Scalar) -> Option<u32> {
    match scalar {
        Scalar::I8 => Some(i8::MAX as u32),
        Scalar::U8 => Some(u8::MAX.into()),
        Scalar::I16 => Some(i16::MAX as u32),
        Scalar::U16 => Some(u16::MAX.into()),
        Scalar::I32 => Some(i32::MAX as u32),
        Scalar::U32 => Some(u32::MAX),
        _ => None,
    }
}

/// The cells of an array of `count` cells that bins (padded, as the field) stand for.
pub fn cells(scalar: Scalar, count: usize, field: &Field, rules: &Rules, bins: &[u8]) -> Result<Cells> {
    let most = greatest(scalar).ok_or_else(|| corruption("bins: cells of another type"))?;
    let values = Values::new(rules.fine, most);
    let (around, layout) = (Around::new(field), rules.layout());
    let of = |i: usize| {
        let hit = &field.hits[i];
        values.of(rules.limited(rules.sum(&around, field, bins, &layout, hit), bins[hit.at as usize]))
    };
    macro_rules! all {
        ($w:ident, $t:ty) => {{
            let mut cells = vec![0 as $t; count];
            for (i, &cell) in field.cells.iter().enumerate() {
                if let Some(to) = cells.get_mut(cell as usize) {
                    *to = of(i) as $t;
                }
            }
            Cells::$w(cells)
        }};
    }
    Ok(match scalar.width() {
        1 => all!(W1, u8),
        2 => all!(W2, u16),
        _ => all!(W4, u32),
    })
}

impl Codec for Bins {
    fn id(&self) -> u8 {
        BINS
    }
    fn name(&self) -> &'static str {
        "bins"
    }
    fn encode(&self, _stream: &Stream, _level: Level, _out: &mut Vec<u8>) -> Result<bool> {
        Ok(false) // cells are not coded by it but made by it
    }
    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        let mut c = Cursor::new(payload);
        let walk = Walk::read(&mut c, shape.count)?;
        let (period, bins, fine) = (usize::from(c.byte()?), usize::from(c.byte()?), u32::from(c.byte()?));
        if period > MAX_PERIOD || !(1..=MAX_BINS).contains(&bins) || fine > MAX_FINE {
            return Err(corruption("bins: strange rules"));
        }
        let id = c.byte()?;
        let (id, filled) = (id & !FILLED, id & FILLED != 0);
        if !codes_masks(id) {
            return Err(corruption(format!("bins: codec {id} of a mask")));
        }
        let codec = super::by_id(id).ok_or_else(|| unsupported(format!("codec {id} of a mask")))?;
        let len = c.count()?;
        let mask = codec.decode(c.take(len)?, Shape { scalar: Scalar::U8, count: shape.count }, &[])?;
        let Cells::W1(mut mask) = mask else { return Err(corruption("bins: a mask of another width")) };
        if filled {
            mask.iter_mut().for_each(|m| *m = u8::from(*m > 0));
        }
        if mask.iter().any(|&m| m > 1) {
            return Err(corruption("bins: a mask that is none"));
        }
        let field = Field::new(&walk, &mask, period)?;
        let mut c = Decoder::new(c.rest());
        let mut found = Rules { bins, fine, weights: Vec::new(), limits: vec![(0, 0); bins] };
        found.weights = vec![0; found.layout().len];
        rules(&mut c, &mut found)?;
        let mut bins = vec![0; field.mask.len()];
        walk_bins(&mut c, &field, &found, &mut bins);
        if c.exhausted() {
            return Err(corruption("bins: the payload ends too early"));
        }
        cells(shape.scalar, shape.count, &field, &found, &bins)
    }
}
