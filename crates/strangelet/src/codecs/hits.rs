//! Hits: sparse integers of a detector's frames, as where they are and what they are.
//!
//! # What it does
//! The array is walked through in the detector's own order: frames, layers, pads, times, found by how much hits tell of those
//! next to them. Runs of hits along the time are told by the runs of the pad and of the layer before; values by least squares
//! of what was decoded around them. Where nothing is around, one decision skips a whole stretch.
//!
//! # When it wins
//! On zero-suppressed frames of time projection chambers, pads, pixels and wires: integers that are mostly zero, in an array
//! of a fixed shape.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | 1 | mode: 0 deep, 1 quick |
//! | varint | axes, 1 to 8 |
//! | varints | cells along each, slowest first |
//! | bytes | order of the walk: numbers of axes, slowest first |
//! | to the end | what the mode wrote |
//!
//! The last three axes of the walk are layers, pads and times; those before count frames. Fewer axes are layers (or pads) of
//! one. A deep payload goes on with
//!
//! | bytes | what |
//! |---|---|
//! | 1 | 0: cold; else the number of the bundle that it starts from |
//! | 4 | bundle only: the lower half of the xxh3-64 of its file |
//! | varint | cold only: base, a usual low value |
//! | varint | cold only: unit of what is above it, x 16, 1 to 2^32 - 1 |
//! | 1 | cold only: period of the lengths of runs, 2 to 15; 0: none |
//! | varint | 0: values from a first to a last one; else so many values follow, at most 256 |
//! | varints | the first value, and what to add for the last one; or all values: the first and what to add each time |
//! | to the end | bits of `entropy/binary.rs` |
//!
//! # Determinism
//! Counters are integers. Weights, bells and least squares are IEEE binary32 (the elimination: binary64) `+ - * /` in the order
//! in which they stand; nothing is fused, reordered or taken from a library.
//!
//! # References
//! M. Mahoney, Adaptive weighing of context models for lossless data compression (2005): mixing of logits. X. Wu, N. Memon,
//! CALIC (1997): errors in contexts. The ALICE and sPHENIX time projection chambers: zero-suppressed pulses of SAMPA chips.

/// Does something with the cells of an array as they are, if they are integers of at most 32 bits.
macro_rules! with_cells {
    ($stream:expr, $scalar:ident, $cells:ident => $do:expr) => {
        match $stream.cells {
            Cells::W1($cells) => {
                let $scalar = $stream.scalar;
                $do
            }
            Cells::W2($cells) => {
                let $scalar = $stream.scalar;
                $do
            }
            Cells::W4($cells) => {
                let $scalar = $stream.scalar;
                $do
            }
            Cells::W8(wide) => match narrow(wide) {
                Some(narrow) => {
                    let ($cells, $scalar) = (&narrow, Scalar::U32);
                    $do
                }
                None => Ok(false),
            },
        }
    };
}

mod bundle;
mod carry;
mod choice;
mod deep;
mod mask;
mod net;
mod order;
mod plane;
pub mod quick;
mod rows;
mod value;

use super::HITS;
use crate::codec::{self, Codec, Level, Role, Shape, Stream};
use crate::column::{Cells, Meaning, Scalar};
use crate::entropy::binary::{Decoder, Encoder};
use crate::error::{Result, corruption, unsupported};
use crate::format::varint::{Cursor, put};
use bundle::Bundle;
pub use bundle::fit;
pub use carry::{Learnt, decode_after, encode_after, learn};
use deep::{Deep, Habits};
use order::Order;
use quick::{Count, Effort};
use rows::{Given, Taken};
use std::sync::Arc;
use value::{Alphabet, List};

/// Frames of hits.
pub struct Hits;

/// Cells below which nothing is to be gained.
const FEWEST: usize = 1 << 9;
/// Most cells of a layer, borders included.
const MAX_LAYER: usize = 1 << 23;
/// Most values of a palette.
const MAX_PALETTE: usize = 256;
/// Mode of contexts.
const DEEP: u8 = 0;
/// Mode of counted tables.
const QUICK: u8 = 1;
/// What a deep payload starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing.
    Cold,
    /// The bundle that ships with this number.
    Bundle(usize),
    /// A bundle that ships, or nothing: what is best for a part of the data.
    Best,
}

/// Writes a deep payload, or returns `false` where the stream holds no frames of hits.
pub fn encode_from(stream: &Stream, start: Start, out: &mut Vec<u8>) -> Result<bool> {
    let Some(axes) = sides(stream) else { return Ok(false) };
    with_cells!(stream, scalar, cells => deep_encode(cells, scalar, &axes, start, out))
}

impl Codec for Hits {
    fn id(&self) -> u8 {
        HITS
    }

    fn name(&self) -> &'static str {
        "hits"
    }

    fn encode(&self, stream: &Stream, level: Level, out: &mut Vec<u8>) -> Result<bool> {
        if level == Level::Max {
            return encode_from(stream, Start::Best, out);
        }
        let Some(axes) = sides(stream) else { return Ok(false) };
        let effort = if level == Level::Fast { Effort::Fast } else { Effort::Balanced };
        // As they are: what is no hit costs nothing.
        with_cells!(stream, scalar, cells => quick_encode(cells, scalar, &axes, effort, out))
    }

    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        let mut c = Cursor::new(payload);
        let mode = c.byte()?;
        let order = read_order(&mut c, shape.count)?;
        if shape.scalar.is_float() {
            return Err(corruption("hits: no integers"));
        }
        if mode > QUICK {
            return Err(corruption(format!("hits: mode {mode} does not exist")));
        }
        Ok(match shape.scalar.width() {
            1 => Cells::W1(decode_cells(mode, c, &order)?),
            2 => Cells::W2(decode_cells(mode, c, &order)?),
            4 => Cells::W4(decode_cells(mode, c, &order)?),
            _ => Cells::W8(decode_cells(mode, c, &order)?.into_iter().map(|v: u32| v.into()).collect()),
        })
    }

    fn learn(
        &self,
        payload: &[u8],
        shape: Shape,
        before: Option<&codec::Learnt>,
    ) -> Result<(Cells, codec::Learnt)> {
        if before.is_some() {
            return Err(corruption("hits: starts from nothing"));
        }
        let (cells, learnt) = carry::learn(payload, shape)?;
        Ok((cells, Arc::new(learnt)))
    }
}

/// The cells of 64 bits that fit into 32.
fn narrow(cells: &[u64]) -> Option<Vec<u32>> {
    cells.iter().map(|&v| u32::try_from(v).ok()).collect()
}

/// Whether values up to one are numbers from 0 on in cells of a type.
fn positive<T: Count>(scalar: Scalar, high: u32) -> bool {
    !scalar.is_signed() || high <= T::MOST / 2
}

/// The quick mode in the first order that is found.
fn quick_encode<T: Count>(
    cells: &[T],
    scalar: Scalar,
    axes: &[usize],
    effort: Effort,
    out: &mut Vec<u8>,
) -> Result<bool> {
    let hits = quick::hits(cells);
    let orders = order::find(cells, &hits, axes);
    let Some(order) = orders.first().filter(|o| fits(o.sides())) else { return Ok(false) };
    let index = order.index(&hits);
    if !positive::<T>(scalar, index.high) {
        return Ok(false);
    }
    out.push(QUICK);
    write_order(order, out);
    quick::encode_index(&index, planes(order), effort, out)
}

fn decode_cells<T: Count>(mode: u8, c: Cursor, order: &Order) -> Result<Vec<T>> {
    if mode == DEEP {
        return Ok(deep_learn(c, order)?.0);
    }
    Ok(quick::learn(c.rest(), planes(order), order.lie())?.0)
}

/// The sides of a stream that is an array of more than one axis and mostly zero, as far as can be told at a glance.
fn sides(stream: &Stream) -> Option<Vec<usize>> {
    let count = stream.cells.len();
    let numbers = stream.role == Role::Values(Meaning::Number)
        && !stream.scalar.is_float()
        && stream.scalar != Scalar::Bool;
    if !numbers || count < FEWEST || count > u32::MAX as usize {
        return None;
    }
    let mut axes: Vec<usize> = stream.dims.iter().map(|&n| n as usize).collect();
    if let Some(lists) = stream.lists {
        let first = *lists.first()? as usize;
        if lists.iter().any(|&n| n as usize != first) {
            return None;
        }
        axes.insert(0, first);
    }
    let inner = axes.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n > 0)?;
    if !count.is_multiple_of(inner) {
        return None;
    }
    axes.insert(0, count / inner);
    let sides = axes.iter().filter(|&&n| n > 1).count();
    if !(2..=order::MOST).contains(&sides) {
        return None;
    }
    // At a glance, before all is looked at.
    let hits =
        (0..1024).filter(|i| stream.cells.get(i * (count / 1024).max(1) % count).is_some_and(|v| v > 0));
    (hits.count() <= 600).then_some(axes)
}

/// Planes, pads, times: the layers of all frames one behind the other.
fn planes(order: &Order) -> [usize; 3] {
    let [frames, layers, pads, times] = order.sides();
    [frames * layers, pads, times]
}

/// Whether layers are small enough to be held.
fn fits([_, _, pads, times]: [usize; 4]) -> bool {
    (pads + 2 * plane::NEAR).saturating_mul(times + 2 * plane::EDGE) <= MAX_LAYER
}

fn write_order(order: &Order, out: &mut Vec<u8>) {
    put(out, order.axes.len() as u64);
    for &n in &order.axes {
        put(out, n as u64);
    }
    out.extend(order.walk.iter().map(|&a| a as u8));
}

fn read_order(c: &mut Cursor, count: usize) -> Result<Order> {
    let wrong = || corruption("hits: axes that cannot be");
    let n = c.count()?;
    if n == 0 || n > order::MOST {
        return Err(wrong());
    }
    let side = |c: &mut Cursor| c.varint().and_then(|n| usize::try_from(n).map_err(|_| wrong()));
    let axes = (0..n).map(|_| side(c)).collect::<Result<Vec<usize>>>()?;
    let walk: Vec<usize> = c.take(n)?.iter().map(|&a| a.into()).collect();
    let all = axes.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let permuted = (0..n).all(|a| walk.contains(&a));
    let order = Order { axes, walk };
    if all != Some(count) || count == 0 || !permuted || !fits(order.sides()) {
        return Err(wrong());
    }
    Ok(order)
}

fn write_alphabet(alphabet: &Alphabet, out: &mut Vec<u8>) {
    match alphabet {
        Alphabet::Range(first, last) => {
            put(out, 0);
            put(out, (*first).into());
            put(out, (last - first).into());
        }
        Alphabet::Palette(list) => {
            let values = list.values();
            put(out, values.len() as u64);
            let mut last = 0;
            for &v in values {
                put(out, (v - last).into());
                last = v;
            }
        }
    }
}

fn read_habits(c: &mut Cursor, bundle: Option<&Bundle>) -> Result<Habits> {
    let wrong = || corruption("hits: habits that cannot be");
    let number = |c: &mut Cursor| c.varint().and_then(|v| u32::try_from(v).map_err(|_| wrong()));
    let (base, unit, period) = match bundle {
        Some(b) => b.habits,
        None => (number(c)?, number(c)?, c.byte()? as usize),
    };
    if unit == 0 || period == 1 || period > 15 {
        return Err(wrong());
    }
    let alphabet = read_alphabet(c)?;
    Ok(Habits { alphabet, base, unit, period })
}

fn read_alphabet(c: &mut Cursor) -> Result<Alphabet> {
    let wrong = || corruption("hits: values that cannot be");
    let number = |c: &mut Cursor| c.varint().and_then(|v| u32::try_from(v).map_err(|_| wrong()));
    let n = c.count()?;
    if n > MAX_PALETTE {
        return Err(wrong());
    }
    Ok(if n == 0 {
        let first = number(c)?;
        let last = first.checked_add(number(c)?).filter(|_| first > 0).ok_or_else(wrong)?;
        Alphabet::Range(first, last)
    } else {
        let (mut values, mut last) = (Vec::with_capacity(n), 0u32);
        for _ in 0..n {
            let more = number(c)?;
            last = last.checked_add(more).filter(|_| more > 0).ok_or_else(wrong)?;
            values.push(last);
        }
        Alphabet::Palette(List::new(values))
    })
}

fn deep_encode<T: Count>(
    cells: &[T],
    scalar: Scalar,
    axes: &[usize],
    start: Start,
    out: &mut Vec<u8>,
) -> Result<bool> {
    let hits = quick::hits(cells);
    if hits.is_empty() || hits.len() > cells.len() / 2 {
        return Ok(false);
    }
    let orders = order::find(cells, &hits, axes);
    let Some(order) = choice::order(&hits, orders).filter(|o| fits(o.sides())) else {
        return Ok(false);
    };
    let index = order.index(&hits);
    let sides = order.sides();
    let rows = sides[0] * sides[1] * sides[2];
    let habits = choice::habits(&index, rows, sides[3]).filter(|_| positive::<T>(scalar, index.high));
    let Some(habits) = habits else { return Ok(false) };
    out.push(DEEP);
    write_order(&order, out);
    let numbered = bundle::shipped().iter().enumerate();
    let starts = match start {
        Start::Cold => vec![None],
        Start::Bundle(number) => numbered.filter(|b| b.0 + 1 == number).map(Some).collect(),
        Start::Best => {
            let (values, cells) = (habits.alphabet.len(), cells.len());
            let suits = numbered.filter(|b| b.1.suits(values, hits.len(), cells)).map(Some);
            [None].into_iter().chain(suits).collect()
        }
    };
    let started = choice::start(&habits, starts, &order, &hits, &index)?;
    match started.bundle {
        Some((number, bundle)) => {
            out.push(number as u8 + 1);
            out.extend(bundle.hash.to_le_bytes());
        }
        None => {
            out.push(0);
            put(out, habits.base.into());
            put(out, habits.unit.into());
            out.push(habits.period as u8);
        }
    }
    write_alphabet(&habits.alphabet, out);
    out.extend(started.coder.finish());
    Ok(true)
}

/// The cells, and what they taught.
fn deep_learn<T: Count>(mut c: Cursor, order: &Order) -> Result<(Vec<T>, Deep)> {
    let number = c.byte()? as usize;
    let bundle =
        if number == 0 {
            None
        } else {
            let hash = u32::from_le_bytes(c.array()?);
            let found = bundle::shipped().get(number - 1).filter(|b| b.hash == hash);
            Some(found.ok_or_else(|| {
                unsupported(format!("hits: bundle {number} ({hash:08x}) is not in this build"))
            })?)
        };
    let habits = read_habits(&mut c, bundle)?;
    let model = match bundle {
        Some(bundle) => bundle.model(habits.alphabet, order.sides())?,
        None => Deep::new(habits, order.sides()),
    };
    deep_decode(c, order, model)
}

fn deep_decode<T: Count>(c: Cursor, order: &Order, mut model: Deep) -> Result<(Vec<T>, Deep)> {
    let mut rows = Taken::new(order.axes.iter().product(), order.lie());
    model.code(&mut Decoder::new(c.rest()), &mut rows)?;
    Ok((rows.cells, model))
}
