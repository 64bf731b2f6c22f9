//! Palette: numbers of which there are few, in the order in which they follow each other.
//!
//! # What it does
//! Names of parts of a detector are sparse numbers of many digits, and a readout lists them in its own order, the same in each event. The
//! values are listed so that each stands behind the one that it followed when it first came; the cells become places in this list,
//! in which the next part is a step of one, a silent part one of two. Another codec codes the places.
//!
//! # When it wins
//! On columns of identifiers (of optical modules, wires, crates, channels), at the level `max`.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | varint | number of values V, 1 to 65536 |
//! | varint | least value: cells as unsigned numbers |
//! | 1 | bits B of a value, 0 to 64 |
//! | (V x B) / 8, rounded up | the values less the least, by `entropy/bits.rs` |
//! | 1 | codec of the places: store, constant, zstd, adaptive or classes |
//! | to the end | its payload: V <= 256 places as u8, else as u16 |
//!
//! # Determinism
//! Integers.
//!
//! # References
//! Any paletted image; the order is that of a linked list into which each new value is put behind its predecessor.

use crate::codec::{Codec, Level, Shape, Stream};
use crate::column::{Cells, Scalar};
use crate::entropy::bits::{BitReader, BitWriter};
use crate::error::{Result, corruption, unsupported};
use crate::format::varint::{Cursor, put};
use std::collections::HashMap;

/// Few numbers by their places in a list.
pub struct Palette;

/// Most values.
const MAX_VALUES: usize = 1 << 16;
/// Most values that are looked for, fewest, and cells for each.
const MOST: usize = 1 << 12;
const FEWEST: usize = 24;
const EACH: usize = 32;

/// Type of the places in a list.
fn places_of(values: usize) -> Scalar {
    if values <= 256 { Scalar::U8 } else { Scalar::U16 }
}

/// A list of values, and the places of the cells in it.
pub struct Listed {
    values: Vec<u64>,
    /// The places.
    pub places: Cells,
}

impl Listed {
    /// Type of the places.
    pub fn scalar(&self) -> Scalar {
        places_of(self.values.len())
    }

    /// The payload, with the places as codec and payload.
    pub fn payload(&self, coded: &(u8, Vec<u8>)) -> Vec<u8> {
        let least = self.values.iter().copied().min().unwrap_or(0);
        let bits = 64 - self.values.iter().fold(0, |b, v| b | (v - least)).leading_zeros();
        let mut out = Vec::new();
        put(&mut out, self.values.len() as u64);
        put(&mut out, least);
        out.push(bits as u8);
        let mut list = BitWriter::new();
        self.values.iter().for_each(|v| list.put(v - least, bits));
        out.extend(list.finish());
        out.push(coded.0);
        out.extend_from_slice(&coded.1);
        out
    }
}

/// Lists the values of cells, where these are few and their places in the list promise less than `most` bytes.
pub fn find(cells: &Cells, most: usize) -> Option<Listed> {
    let count = cells.len();
    let room = MOST.min(count / EACH);
    if cells.width() < 2 || room < FEWEST {
        return None;
    }
    // By first appearance: numbers, and which of them comes next in the list.
    let mut numbers: HashMap<u64, u16> = HashMap::new();
    let mut values: Vec<u64> = Vec::new();
    let mut next: Vec<usize> = Vec::new();
    let mut named: Vec<u16> = Vec::with_capacity(count);
    let mut before: Option<(u64, u16)> = None;
    for i in 0..count {
        let cell = cells.get(i)?;
        let number = match before {
            Some((x, number)) if x == cell => number,
            _ => *numbers.entry(cell).or_insert_with(|| {
                values.push(cell);
                values.len() as u16 - 1
            }),
        };
        if values.len() > next.len() {
            if values.len() > room {
                return None;
            }
            match before {
                Some((_, b)) => {
                    let after = next[usize::from(b)];
                    next.push(after);
                    next[usize::from(b)] = values.len() - 1;
                }
                None => next.push(usize::MAX),
            }
        }
        named.push(number);
        before = Some((cell, number));
    }
    if values.len() < FEWEST {
        return None;
    }
    let mut place = vec![0u16; values.len()];
    let (mut order, mut at) = (Vec::with_capacity(values.len()), 0);
    while let Some(&value) = values.get(at) {
        place[at] = order.len() as u16;
        order.push(value);
        at = next[at];
    }
    let places: Vec<u16> = named.iter().map(|&n| place[usize::from(n)]).collect();
    // What the steps cost by themselves, within a fraction of a bit.
    let mut steps = vec![0u64; 2 * order.len()];
    for pair in places.windows(2) {
        steps[usize::from(pair[1]) + order.len() - usize::from(pair[0])] += 1;
    }
    let bits: u64 =
        steps.iter().filter(|&&n| n > 0).map(|&n| n * u64::from((count as u64 / n).max(1).ilog2())).sum();
    let list = order.len() * cells.width();
    if usize::try_from(bits / 8).ok()?.saturating_add(list) >= most {
        return None;
    }
    let places = match places_of(order.len()) {
        Scalar::U8 => Cells::W1(places.iter().map(|&p| p as u8).collect()),
        _ => Cells::W2(places),
    };
    Some(Listed { values: order, places })
}

/// Codecs of places.
pub fn takes(id: u8) -> bool {
    [super::STORE, super::CONSTANT, super::ZSTANDARD, super::ADAPTIVE, super::CLASSES].contains(&id)
}

impl Codec for Palette {
    fn id(&self) -> u8 {
        super::PALETTE
    }
    fn name(&self) -> &'static str {
        "palette"
    }
    fn encode(&self, stream: &Stream, level: Level, out: &mut Vec<u8>) -> Result<bool> {
        let Some(listed) = find(stream.cells, usize::MAX) else { return Ok(false) };
        let places = Stream { cells: &listed.places, scalar: listed.scalar(), lists: None, ..*stream };
        let mut payload = Vec::new();
        if !super::by_id(super::STORE)
            .is_some_and(|c| c.encode(&places, level, &mut payload).unwrap_or(false))
        {
            return Ok(false);
        }
        out.extend(listed.payload(&(super::STORE, payload)));
        Ok(true)
    }
    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        let bad = || corruption("palette: a list that does not exist");
        let mut c = Cursor::new(payload);
        let count = usize::try_from(c.varint()?).map_err(|_| bad())?;
        let least = c.varint()?;
        let bits = u32::from(c.byte()?);
        if !(1..=MAX_VALUES).contains(&count) || bits > 64 {
            return Err(bad());
        }
        let mut list = BitReader::new(c.take((count * bits as usize).div_ceil(8))?);
        let values: Vec<u64> = (0..count).map(|_| least.wrapping_add(list.get(bits))).collect();
        let id = c.byte()?;
        let codec = super::by_id(id).filter(|_| takes(id));
        let codec = codec.ok_or_else(|| unsupported(format!("codec {id} within a palette")))?;
        let places = codec.decode(c.rest(), Shape { scalar: places_of(count), count: shape.count }, &[])?;
        if places.len() != shape.count {
            return Err(corruption(format!("palette: {} gave {} cells", codec.name(), places.len())));
        }
        fn all<T: Copy + Into<usize>, U>(
            places: &[T],
            values: &[u64],
            narrow: impl Fn(u64) -> U,
        ) -> Option<Vec<U>> {
            places.iter().map(|&p| values.get(p.into()).map(|&v| narrow(v))).collect()
        }
        macro_rules! cells {
            ($w:ident, $narrow:expr) => {
                match &places {
                    Cells::W1(p) => all(p, &values, $narrow),
                    Cells::W2(p) => all(p, &values, $narrow),
                    _ => None,
                }
                .map(Cells::$w)
            };
        }
        let cells = match shape.scalar.width() {
            1 => cells!(W1, |v| v as u8),
            2 => cells!(W2, |v| v as u16),
            4 => cells!(W4, |v| v as u32),
            _ => cells!(W8, |v| v),
        };
        cells.ok_or_else(|| corruption("palette: a place behind the list"))
    }
}
