//! Deep payloads that start from what another array of the same kind has taught.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | 1 | 0: the values that the other array had; 1: its own, which follow as in a payload of the deep mode |
//! | to the end | bits of `entropy/binary.rs` |
//!
//! Order of the walk, base, unit and period are those of the other array; only the length of the slowest axis may differ. All
//! tables, weights and sums start as that array's decoder left them.

use super::deep::Deep;
use super::*;

/// What an array has taught by the end of its payload: where others may start.
pub struct Learnt {
    order: Order,
    /// Cells of the array that it comes from.
    count: usize,
    model: Deep,
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
        Alphabet::Palette(values) => values.binary_search(&value).is_ok(),
    }
}

/// The cells of a payload of hits, and what they taught; an error for a quick one.
pub fn learn(payload: &[u8], shape: Shape) -> Result<(Cells, Learnt)> {
    let mut c = Cursor::new(payload);
    let mode = c.byte()?;
    let order = read_order(&mut c, shape.count)?;
    if mode != DEEP || shape.scalar.is_float() {
        return Err(corruption("hits: nothing that others could start from"));
    }
    let (walked, model) = deep_learn(c, order.sides())?;
    Ok((unwalk(&order, &walked, shape)?, Learnt { order, count: shape.count, model }))
}

/// Writes a payload that starts from what another array has taught, or returns `false` where the stream is not of its kind.
pub fn encode_after(stream: &Stream, before: &Learnt, out: &mut Vec<u8>) -> Result<bool> {
    let Some(order) = before.order(stream.cells.len()) else { return Ok(false) };
    let Some(frames) = sides(stream).and_then(|axes| recognise(stream, axes)) else { return Ok(false) };
    let walked = order.forward(&frames.values);
    let known = before.model.alphabet();
    let all_known = walked.iter().all(|&v| v == 0 || has(known, v));
    let alphabet = if all_known { Some(known.clone()) } else { alphabet(&walked) };
    let Some(alphabet) = alphabet else { return Ok(false) };
    out.push(u8::from(!all_known));
    if !all_known {
        write_alphabet(&alphabet, out);
    }
    let mut e = Encoder::new();
    before.model.before(alphabet, order.sides()).code(&mut e, &walked)?;
    out.extend(e.finish());
    Ok(true)
}

/// The cells of such a payload, and what they taught.
pub fn decode_after(payload: &[u8], shape: Shape, before: &Learnt) -> Result<(Cells, Learnt)> {
    let order = before.order(shape.count).filter(|_| !shape.scalar.is_float());
    let order =
        order.ok_or_else(|| corruption("hits: an array of another kind than the one it starts from"))?;
    let mut c = Cursor::new(payload);
    let alphabet = match c.byte()? {
        0 => before.model.alphabet().clone(),
        1 => read_alphabet(&mut c)?,
        other => return Err(corruption(format!("hits: values of kind {other}"))),
    };
    let mut model = before.model.before(alphabet, order.sides());
    let walked = model.code(&mut Decoder::new(c.rest()), &[])?;
    Ok((unwalk(&order, &walked, shape)?, Learnt { order, count: shape.count, model }))
}
