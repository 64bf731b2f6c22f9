//! What a frame has taught by the end of its payload: the plan, all tables, and where others may start.

use super::coder::{Decoder, Encoder};
use super::frame::{Count, Index, Sink, Source, Values};
use super::mixed::{Banks, Mixed};
use super::model::{Counted, Plan, Tables, walk};
use super::turn::Lie;
use super::{CROWDED, Effort, cells_of, counts};
use crate::entropy::binary;
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};

/// Plan and tables of a frame.
#[derive(Clone)]
pub struct Learnt {
    plan: Plan,
    values: Values,
    tables: Tables,
    model: Kind,
}

/// How values are coded.
#[derive(Clone)]
enum Kind {
    Counted(Box<Counted>),
    Mixed(Box<Banks>),
}

impl Learnt {
    /// Nothing but a plan, for so many hits.
    pub(super) fn new(plan: Plan, values: Values, effort: Effort, hits: usize, sides: [usize; 3]) -> Self {
        let model = match effort {
            Effort::Fast => Kind::Counted(Box::new(Counted::new(&plan))),
            Effort::Balanced => Kind::Mixed(Box::new(Banks::new(hits))),
        };
        Learnt { plan, values, tables: Tables::new(sides), model }
    }

    /// By how much the range of values has to grow at both ends to have those of a frame, if it can have them.
    fn lacks(&self, index: &Index) -> Option<[u32; 2]> {
        match &self.values {
            Values::Above(low) => {
                Some([(low + 1).saturating_sub(index.low), index.high.saturating_sub(low + self.plan.most)])
            }
            Values::Listed(list) => {
                let known = |v: &u32| list.binary_search(v).is_ok();
                index.values.iter().all(known).then_some([0, 0])
            }
        }
    }

    /// Lets the range of values grow at both ends, to at most `top`; nothing where it cannot.
    fn widen(mut self, top: u32, [less, more]: [u32; 2]) -> Option<Learnt> {
        if less == 0 && more == 0 {
            return Some(self);
        }
        let Values::Above(low) = &mut self.values else { return None };
        let high = (*low + self.plan.most).checked_add(more).filter(|&high| high <= top)?;
        *low = low.checked_sub(less)?;
        self.plan.most = high - *low;
        let shades = self.plan.shades();
        if let Kind::Counted(counted) = &mut self.model {
            counted.widen(shades);
        }
        (shades < SHADES).then_some(self)
    }
}

/// More classes of values there are not.
const SHADES: usize = 64;

/// Writes the hits of a frame, as they come after what was learnt.
pub(super) fn write_hits(sides: [usize; 3], index: &Index, before: Learnt, out: &mut Vec<u8>) -> Result<()> {
    let Learnt { plan, values, mut tables, model } = before;
    let mut source = Source::new(sides[0] * sides[1], &values, index);
    match model {
        Kind::Counted(mut counted) => {
            let mut coder = Encoder::new(index.runs.len() * 4 + index.hits() * 2);
            walk(&mut coder, &mut *counted, &mut source, sides, &plan, &mut tables)?;
            coder.finish(out);
        }
        Kind::Mixed(banks) => {
            let mut coder = Encoder::new(index.runs.len() * 4 + index.hits());
            let mut mixed = Mixed::new(binary::Encoder::new(), &plan, *banks);
            walk(&mut coder, &mut mixed, &mut source, sides, &plan, &mut tables)?;
            let mut stream = Vec::new();
            coder.finish(&mut stream);
            put(out, stream.len() as u64);
            out.extend(stream);
            out.extend(mixed.coder.finish());
        }
    }
    Ok(())
}

/// The cells of a frame, as they come after what was learnt, and learns them.
pub(super) fn read_hits<T: Count>(
    c: &mut Cursor,
    count: usize,
    hits: usize,
    sides: [usize; 3],
    lie: Lie,
    learnt: &mut Learnt,
) -> Result<Vec<T>> {
    let Learnt { plan, values, tables, model } = learnt;
    let mut sink = Sink::<T>::new(count, lie, values, plan.most);
    let found = match model {
        Kind::Counted(counted) => {
            let mut coder = Decoder::new(c.rest());
            let found = walk(&mut coder, &mut **counted, &mut sink, sides, plan, tables)?;
            coder.finish()?;
            found
        }
        Kind::Mixed(banks) => {
            let len = c.count()?;
            let mut coder = Decoder::new(c.take(len)?);
            // Back they come at the end.
            let own = std::mem::replace(&mut **banks, Banks::new(0));
            let mut mixed = Mixed::new(binary::Decoder::new(c.rest()), plan, own);
            let found = walk(&mut coder, &mut mixed, &mut sink, sides, plan, tables)?;
            **banks = mixed.banks;
            coder.finish()?;
            found
        }
    };
    if found != hits {
        return Err(corruption("hits: another number of hits than declared"));
    }
    Ok(sink.cells)
}

/// Codes a frame of cells up to `top` after what another has taught. `false`, and nothing written, where it is of another kind.
pub fn encode_after(
    index: &Index,
    sides: [usize; 3],
    top: u32,
    before: &Learnt,
    out: &mut Vec<u8>,
) -> Result<bool> {
    let Some(count) = cells_of(sides).filter(|_| before.tables.serve(sides)) else { return Ok(false) };
    let hits = index.hits();
    if hits as u64 * CROWDED[1] as u64 > count as u64 * CROWDED[0] as u64 {
        return Ok(false);
    }
    if hits == 0 {
        put(out, 0);
        return Ok(true);
    }
    let Some(lacks) = before.lacks(index) else { return Ok(false) };
    let Some(start) = before.clone().widen(top, lacks) else { return Ok(false) };
    put(out, hits as u64);
    lacks.iter().for_each(|&n| put(out, n.into()));
    write_hits(sides, index, start, out)?;
    Ok(true)
}

/// The cells of such a payload, and what they taught.
pub fn decode_after<T: Count>(
    payload: &[u8],
    sides: [usize; 3],
    lie: Lie,
    before: &Learnt,
) -> Result<(Vec<T>, Learnt)> {
    let mut c = Cursor::new(payload);
    let (count, hits) = counts(&mut c, sides)?;
    if !before.tables.serve(sides) {
        return Err(corruption("hits: a frame of other sides than the one it starts from"));
    }
    if hits == 0 {
        return Ok((vec![T::default(); count], before.clone()));
    }
    let far = || corruption("hits: values that cannot be");
    let mut number = || c.varint().and_then(|n| u32::try_from(n).map_err(|_| far()));
    let lacks = [number()?, number()?];
    let mut learnt = before.clone().widen(T::MOST, lacks).ok_or_else(far)?;
    let cells = read_hits(&mut c, count, hits, sides, lie, &mut learnt)?;
    Ok((cells, learnt))
}
