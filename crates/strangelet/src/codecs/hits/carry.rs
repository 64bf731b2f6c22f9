//! Payloads that start from what another array of the same kind has taught.
//!
//! # Payload
//! Order of the walk and mode are those of the other array; only the length of the slowest axis may differ. After a deep one:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | 0: the values that the other array had; 1: its own, which follow as in a payload of the deep mode |
//! | to the end | bits of `entropy/binary.rs` |
//!
//! Base, unit and period are those of the other array. After a quick one:
//!
//! | bytes | what |
//! |---|---|
//! | varint | number of hits; nothing follows none |
//! | varint | by how much what is added to a number is less than it was (0 where values are listed) |
//! | varint | by how much the largest value is more than it was (0 where values are listed) |
//! | to the end | as in a quick payload what follows the plan |
//!
//! The plan is that of the other array but for the range of values, there are no more rows than it has, and values have less
//! than 64 classes. Where one of the two is not 0 all tables of values are made anew before their next symbol; classes that are
//! new have the count 0. All tables, counters, weights and sums start as
//! that array's decoder left them.

use super::deep::Deep;
use super::*;

/// What an array has taught by the end of its payload: where others may start.
pub struct Learnt {
    order: Order,
    /// Cells of the array that it comes from.
    count: usize,
    model: Kind,
}

enum Kind {
    Deep(Box<Deep>),
    Quick(Box<quick::Learnt>),
}

impl Learnt {
    /// The order of the walk for an array of so many cells.
    fn order(&self, count: usize) -> Option<Order> {
        let mut order = self.order.clone();
        if count != self.count {
            let inner: usize = order.axes.get(1..)?.iter().product();
            if inner == 0 || count == 0 || !count.is_multiple_of(inner) {
                return None;
            }
            *order.axes.first_mut()? = count / inner;
        }
        fits(order.sides()).then_some(order)
    }
}

fn has(alphabet: &Alphabet, value: u32) -> bool {
    match alphabet {
        Alphabet::Range(first, last) => (*first..=*last).contains(&value),
        Alphabet::Palette(list) => list.values().binary_search(&value).is_ok(),
    }
}

/// Does what is asked with the type of the cells of a width as `T`.
macro_rules! with_type {
    ($shape:expr, $T:ident => $read:expr) => {
        match $shape.scalar.width() {
            1 => {
                type $T = u8;
                let (v, learnt) = $read;
                (Cells::W1(v), learnt)
            }
            2 => {
                type $T = u16;
                let (v, learnt) = $read;
                (Cells::W2(v), learnt)
            }
            4 => {
                type $T = u32;
                let (v, learnt) = $read;
                (Cells::W4(v), learnt)
            }
            _ => {
                type $T = u32;
                let (v, learnt) = $read;
                (Cells::W8(v.into_iter().map(u64::from).collect()), learnt)
            }
        }
    };
}

/// The cells of a payload of hits, and what they taught.
pub fn learn(payload: &[u8], shape: Shape) -> Result<(Cells, Learnt)> {
    let mut c = Cursor::new(payload);
    let mode = c.byte()?;
    let order = read_order(&mut c, shape.count)?;
    let nothing = || corruption("hits: nothing that others could start from");
    if shape.scalar.is_float() {
        return Err(nothing());
    }
    let (cells, model) = match mode {
        DEEP => {
            let (cells, model) = with_type!(shape, T => deep_learn::<T>(c, &order)?);
            (cells, Kind::Deep(Box::new(model)))
        }
        QUICK => {
            let (cells, learnt) =
                with_type!(shape, T => quick::learn::<T>(c.rest(), planes(&order), order.lie())?);
            (cells, Kind::Quick(Box::new(learnt.ok_or_else(nothing)?)))
        }
        _ => return Err(nothing()),
    };
    Ok((cells, Learnt { order, count: shape.count, model }))
}

/// Writes a payload that starts from what another array has taught, or returns `false` where the stream is not of its kind.
pub fn encode_after(stream: &Stream, before: &Learnt, out: &mut Vec<u8>) -> Result<bool> {
    let Some(order) = before.order(stream.cells.len()) else { return Ok(false) };
    if sides(stream).is_none() {
        return Ok(false);
    }
    with_cells!(stream, scalar, cells => after(cells, scalar, &order, &before.model, out))
}

fn after<T: Count>(
    cells: &[T],
    scalar: Scalar,
    order: &Order,
    before: &Kind,
    out: &mut Vec<u8>,
) -> Result<bool> {
    let index = order.index(&quick::hits(cells));
    if !positive::<T>(scalar, index.high) {
        return Ok(false);
    }
    let model = match before {
        Kind::Quick(learnt) => return quick::encode_after(&index, planes(order), T::MOST, learnt, out),
        Kind::Deep(model) => model,
    };
    if index.hits() == 0 || index.hits() > cells.len() / 2 {
        return Ok(false);
    }
    let known = model.alphabet();
    let all_known = index.values.iter().all(|&v| has(known, v));
    let alphabet = if all_known { Some(known.clone()) } else { choice::alphabet(&index) };
    let Some(alphabet) = alphabet else { return Ok(false) };
    out.push(u8::from(!all_known));
    if !all_known {
        write_alphabet(&alphabet, out);
    }
    let mut e = Encoder::new();
    let sides = order.sides();
    model.before(alphabet, sides).code(&mut e, &mut Given::new(&index, sides[3]))?;
    out.extend(e.finish());
    Ok(true)
}

/// The cells of such a payload, and what they taught.
pub fn decode_after(payload: &[u8], shape: Shape, before: &Learnt) -> Result<(Cells, Learnt)> {
    let order = before.order(shape.count).filter(|_| !shape.scalar.is_float());
    let order =
        order.ok_or_else(|| corruption("hits: an array of another kind than the one it starts from"))?;
    let (cells, model) = match &before.model {
        Kind::Quick(learnt) => {
            let (cells, learnt) = with_type!(shape, T => quick::decode_after::<T>(payload, planes(&order), order.lie(), learnt)?);
            (cells, Kind::Quick(Box::new(learnt)))
        }
        Kind::Deep(model) => {
            let mut c = Cursor::new(payload);
            let alphabet = match c.byte()? {
                0 => model.alphabet().clone(),
                1 => read_alphabet(&mut c)?,
                other => return Err(corruption(format!("hits: values of kind {other}"))),
            };
            let model = model.before(alphabet, order.sides());
            let (cells, model) = with_type!(shape, T => deep_decode::<T>(c, &order, model)?);
            (cells, Kind::Deep(Box::new(model)))
        }
    };
    Ok((cells, Learnt { order, count: shape.count, model }))
}
