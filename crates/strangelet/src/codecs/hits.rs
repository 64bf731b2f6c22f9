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

mod bundle;
mod carry;
mod deep;
mod mask;
mod net;
mod order;
mod plane;
pub mod quick;
mod value;

use super::HITS;
use crate::codec::{self, Codec, Level, Role, Shape, Stream};
use crate::column::{Cells, Meaning, Scalar};
use crate::entropy::binary::{BitCoder, Decoder, Encoder};
use crate::entropy::mix;
use crate::error::{Result, corruption, unsupported};
use crate::format::varint::{Cursor, put};
use bundle::Bundle;
pub use bundle::fit;
pub use carry::{Learnt, decode_after, encode_after, learn};
use deep::{Deep, Habits};
use order::Order;
use quick::{Count, Effort};
use std::sync::Arc;
use value::Alphabet;

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
/// Hits of a trial.
const TRIAL: usize = 2048;

/// What a deep payload starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing.
    Cold,
    /// A bundle that ships, or nothing: what is best for the head of the data.
    Best,
}

/// Writes a deep payload, or returns `false` where the stream holds no frames of hits.
pub fn encode_from(stream: &Stream, start: Start, out: &mut Vec<u8>) -> Result<bool> {
    let Some(frames) = sides(stream).and_then(|axes| recognise(stream, axes)) else { return Ok(false) };
    let orders = order::find(&frames.values, &frames.axes);
    let mut best = 0;
    if orders.len() > 1 {
        let costs: Vec<u64> = orders.iter().map(|o| trial(&frames.values, o)).collect();
        best = (0..costs.len()).min_by_key(|&k| costs[k]).unwrap_or(0);
    }
    let order = &orders[best];
    if !fits(order.sides()) {
        return Ok(false);
    }
    out.push(DEEP);
    write_order(order, out);
    deep_encode(&order.forward(&frames.values), order.sides(), start, out)?;
    Ok(true)
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
        match stream.cells {
            Cells::W1(v) => quick_encode(v, stream.scalar, &axes, effort, out),
            Cells::W2(v) => quick_encode(v, stream.scalar, &axes, effort, out),
            Cells::W4(v) => quick_encode(v, stream.scalar, &axes, effort, out),
            Cells::W8(_) => {
                let Some(frames) = recognise(stream, axes) else { return Ok(false) };
                quick_encode(&frames.values, Scalar::U32, &frames.axes, effort, out)
            }
        }
    }

    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        let mut c = Cursor::new(payload);
        let mode = c.byte()?;
        let order = read_order(&mut c, shape.count)?;
        if shape.scalar.is_float() {
            return Err(corruption("hits: no integers"));
        }
        let walked = match mode {
            DEEP => deep_decode(c, order.sides())?,
            QUICK => {
                return Ok(match shape.scalar.width() {
                    1 => Cells::W1(quick_decode(c.rest(), &order)?),
                    2 => Cells::W2(quick_decode(c.rest(), &order)?),
                    4 => Cells::W4(quick_decode(c.rest(), &order)?),
                    _ => Cells::W8(
                        quick_decode(c.rest(), &order)?.into_iter().map(|v: u32| v.into()).collect(),
                    ),
                });
            }
            _ => return Err(corruption(format!("hits: mode {mode} does not exist"))),
        };
        unwalk(&order, &walked, shape)
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

/// The cells in their own order.
fn unwalk(order: &Order, walked: &[u32], shape: Shape) -> Result<Cells> {
    if walked.len() != shape.count {
        return Err(corruption("hits: another number of cells"));
    }
    Ok(match shape.scalar.width() {
        1 => Cells::W1(order.inverse(walked, |v| v as u8)),
        2 => Cells::W2(order.inverse(walked, |v| v as u16)),
        4 => Cells::W4(order.inverse(walked, |v| v)),
        _ => Cells::W8(order.inverse(walked, u64::from)),
    })
}

/// An array of hits.
struct Frames {
    /// Sides, slowest first.
    axes: Vec<usize>,
    values: Vec<u32>,
}

/// The quick mode in the first order that is found.
fn quick_encode<T: Count>(
    cells: &[T],
    scalar: Scalar,
    axes: &[usize],
    effort: Effort,
    out: &mut Vec<u8>,
) -> Result<bool> {
    let top = T::MOST / 2;
    if scalar.is_signed() && cells.iter().any(|v| v.wide() > top) {
        return Ok(false);
    }
    let orders = order::find(cells, axes);
    let Some(order) = orders.first().filter(|o| fits(o.sides())) else { return Ok(false) };
    out.push(QUICK);
    write_order(order, out);
    if order.walk.is_sorted() {
        quick::encode(cells, planes(order), effort, out)
    } else {
        quick::encode(&quick::reorder(cells, &order.axes, &order.walk), planes(order), effort, out)
    }
}

fn quick_decode<T: Count>(payload: &[u8], order: &Order) -> Result<Vec<T>> {
    Ok(turn_back(quick::decode(payload, planes(order))?, order))
}

/// Cells in the order of the walk back in their own.
fn turn_back<T: Count>(walked: Vec<T>, order: &Order) -> Vec<T> {
    if order.walk.is_sorted() {
        return walked;
    }
    let axes: Vec<usize> = order.walk.iter().map(|&a| order.axes[a]).collect();
    let mut back = vec![0; axes.len()];
    order.walk.iter().enumerate().for_each(|(new, &old)| back[old] = new);
    quick::reorder(&walked, &axes, &back)
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
    // At a glance, before all is copied.
    let hits =
        (0..1024).filter(|i| stream.cells.get(i * (count / 1024).max(1) % count).is_some_and(|v| v > 0));
    (hits.count() <= 600).then_some(axes)
}

/// The cells of such an array.
fn recognise(stream: &Stream, axes: Vec<usize>) -> Option<Frames> {
    let count = stream.cells.len();
    let most = if stream.scalar.is_signed() { i32::MAX as u32 } else { u32::MAX };
    let convert = |v: u64| u32::try_from(v).ok().filter(|&v| v <= most);
    let values: Vec<u32> = match stream.cells {
        Cells::W1(v) if stream.scalar.is_signed() && v.iter().any(|&x| x > 127) => return None,
        Cells::W2(v) if stream.scalar.is_signed() && v.iter().any(|&x| x > 0x7fff) => return None,
        Cells::W1(v) => v.iter().map(|&x| x.into()).collect(),
        Cells::W2(v) => v.iter().map(|&x| x.into()).collect(),
        Cells::W4(v) => v.iter().map(|&x| convert(x.into())).collect::<Option<_>>()?,
        Cells::W8(v) => v.iter().map(|&x| convert(x)).collect::<Option<_>>()?,
    };
    let hits = values.iter().filter(|&&v| v > 0).count();
    (hits > 0 && hits <= count / 2).then_some(Frames { axes, values })
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

/// The values that there are, of hits, if there are any.
fn alphabet(hits: &[u32]) -> Option<Alphabet> {
    let (first, last) = (*hits.iter().min()?, *hits.iter().max()?);
    let mut palette: Vec<u32> = Vec::new();
    for &v in hits {
        if let Err(at) = palette.binary_search(&v) {
            palette.insert(at, v);
            if palette.len() > MAX_PALETTE {
                break;
            }
        }
    }
    let few = palette.len() <= MAX_PALETTE && palette.len() * 3 < (last - first) as usize + 1;
    Some(if few { Alphabet::Palette(palette) } else { Alphabet::Range(first, last) })
}

/// All that is no zero. Most is, so that whole stretches are looked at together.
fn hits_of(walked: &[u32]) -> Vec<u32> {
    let mut hits = Vec::new();
    for part in walked.chunks(32) {
        if any(part) {
            hits.extend(part.iter().copied().filter(|&v| v > 0));
        }
    }
    hits
}

/// Whether there is a hit.
fn any(part: &[u32]) -> bool {
    part.iter().fold(0, |all, &v| all | v) > 0
}

/// What can be known of hits beforehand.
fn habits(walked: &[u32], times: usize) -> Option<Habits> {
    let mut hits = hits_of(walked);
    let alphabet = alphabet(&hits)?;
    let n = hits.len();
    let base = *hits.select_nth_unstable(n / 20).1;
    let middle = *hits.select_nth_unstable(n / 2).1;
    let unit = ((middle - base) as f32 / 8.0).max(1.0);
    let unit = ((unit * 16.0) as u32).max(1);
    Some(Habits { alphabet, base, unit, period: period(walked, times) })
}

/// The number that nearly all lengths of runs are multiples of, or 0.
fn period(walked: &[u32], times: usize) -> usize {
    let mut lengths = [0usize; 256];
    let (mut runs, mut seen) = (0usize, 0usize);
    for row in walked.chunks_exact(times.max(1)) {
        let mut n = 0;
        for &v in if any(row) { row } else { &[] } {
            if v > 0 {
                n += 1;
            } else if n > 0 {
                lengths[n.min(255)] += 1;
                runs += 1;
                n = 0;
            }
        }
        seen += row.len();
        if runs > 4096 && seen > walked.len() / 8 {
            break;
        }
    }
    let fit = |q: usize| (q..255).step_by(q).map(|n| lengths[n]).sum::<usize>();
    (2..=15).rev().find(|&q| runs >= 32 && fit(q) * 10 >= runs * 8).unwrap_or(0)
}

fn write_alphabet(alphabet: &Alphabet, out: &mut Vec<u8>) {
    match alphabet {
        Alphabet::Range(first, last) => {
            put(out, 0);
            put(out, (*first).into());
            put(out, (last - first).into());
        }
        Alphabet::Palette(values) => {
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
        Alphabet::Palette(values)
    })
}

fn deep_encode(walked: &[u32], sides: [usize; 4], start: Start, out: &mut Vec<u8>) -> Result<()> {
    let habits = habits(walked, sides[3]).ok_or_else(|| corruption("hits: there are none"))?;
    // Cold, or from a bundle: by the first layers.
    let mut best = (u64::MAX, None);
    if start == Start::Best {
        let head = head(walked, sides);
        let part = &walked[..head.iter().product()];
        best.0 = cost(&habits, None, head, part);
        for (number, bundle) in bundle::shipped().iter().enumerate() {
            let c = cost(&habits, Some(bundle), head, part);
            if c < best.0 {
                best = (c, Some((number, bundle)));
            }
        }
    }
    let bundle = best.1.map(|b| b.1);
    match best.1 {
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
    let mut e = Encoder::new();
    model(&habits, bundle, sides)?.code(&mut e, walked)?;
    out.extend(e.finish());
    Ok(())
}

/// A model at its start.
fn model(habits: &Habits, bundle: Option<&Bundle>, sides: [usize; 4]) -> Result<Deep> {
    let alphabet = habits.alphabet.clone();
    let Some(bundle) = bundle else { return Ok(Deep::new(Habits { alphabet, ..*habits }, sides)) };
    let (base, unit, period) = bundle.habits;
    let mut model = Deep::new(Habits { alphabet, base, unit, period }, sides);
    bundle.start(&mut model)?;
    Ok(model)
}

/// About what an array would cost.
fn cost(habits: &Habits, bundle: Option<&Bundle>, sides: [usize; 4], walked: &[u32]) -> u64 {
    let mut meter = Meter(0);
    match model(habits, bundle, sides).and_then(|mut m| m.code(&mut meter, walked)) {
        Ok(_) => meter.0,
        Err(_) => u64::MAX,
    }
}

/// Sides of the part at the front that has about so many hits.
fn head(walked: &[u32], mut sides: [usize; 4]) -> [usize; 4] {
    let enough =
        walked.iter().enumerate().filter(|(_, v)| **v > 0).nth(TRIAL).map_or(walked.len(), |(i, _)| i + 1);
    for k in 0..3 {
        let inner: usize = sides[k + 1..].iter().product();
        sides[k] = sides[k].min(enough.div_ceil(inner));
        if sides[k] > 1 {
            break;
        }
    }
    sides
}

fn deep_decode(c: Cursor, sides: [usize; 4]) -> Result<Vec<u32>> {
    Ok(deep_learn(c, sides)?.0)
}

/// The values, and what they taught.
fn deep_learn(mut c: Cursor, sides: [usize; 4]) -> Result<(Vec<u32>, Deep)> {
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
    let mut model = model(&habits, bundle, sides)?;
    let mut d = Decoder::new(c.rest());
    let walked = model.code(&mut d, &[])?;
    Ok((walked, model))
}

/// Counts what bits would cost.
struct Meter(u64);

impl BitCoder for Meter {
    fn code(&mut self, bit: bool, p: u32) -> bool {
        self.0 += u64::from(mix::cost(p, bit));
        bit
    }
}

/// About what some layers in the middle would cost in an order.
fn trial(values: &[u32], order: &Order) -> u64 {
    // A box in the middle of the axes, the same for every order, with about so many hits.
    let hits = hits_of(values).len();
    let mut part = order.axes.clone();
    let mut left = hits;
    while left > TRIAL {
        let longest = (0..part.len()).max_by_key(|&k| (part[k], k)).unwrap_or(0);
        if part[longest] < 4 {
            break;
        }
        part[longest] = part[longest].div_ceil(2);
        left /= 2;
    }
    let mut cells = std::borrow::Cow::Borrowed(values);
    let mut sides = order.axes.clone();
    for axis in 0..sides.len() {
        let inner: usize = sides[axis + 1..].iter().product();
        let from = (sides[axis] - part[axis]) / 2 * inner;
        let mut kept = Vec::with_capacity(cells.len() / sides[axis] * part[axis]);
        for c in cells.chunks_exact(sides[axis] * inner) {
            kept.extend_from_slice(&c[from..from + part[axis] * inner]);
        }
        cells = kept.into();
        sides[axis] = part[axis];
    }
    let order = Order { axes: part, walk: order.walk.clone() };
    let walked = order.forward(&cells);
    let sides = order.sides();
    match habits(&walked, sides[3]).filter(|_| fits(sides)) {
        Some(habits) => cost(&habits, None, sides, &walked),
        None => u64::MAX,
    }
}
