//! The quick mode of hits.

mod coder;
mod fit;
mod frame;
mod mixed;
mod model;

pub use frame::Count;

use crate::entropy::binary;
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::transform::keys::{unzigzag, zigzag};
use coder::{Decoder, Encoder};
use frame::{Index, Sink, Source, Values};
use mixed::Mixed;
use model::{Counted, GRADES, INPUTS, Plan, SETS, Set, sets, walk};

/// How much time may go into a smaller payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// As quick as can be.
    Fast,
    /// More predictions for every hit.
    Balanced,
}

/// Codes a frame of `sides` (slowest first; hits follow each other along the last), zeros are no hits. `false` where so
/// many cells are hits that it is none.
pub fn encode<T: Count>(cells: &[T], sides: [usize; 3], effort: Effort, out: &mut Vec<u8>) -> Result<bool> {
    if !fits(cells.len(), sides) {
        return Ok(false);
    }
    let times = sides[2].max(1);
    let index = Index::new(cells, times);
    let hits: usize = index.runs.iter().map(|r| r.len as usize).sum();
    if hits * 5 > cells.len() * 2 {
        return Ok(false);
    }
    put(out, hits as u64);
    if hits == 0 {
        return Ok(true);
    }
    let (values, most) = fit::values(cells, times, &index);
    let crowd: usize = std::env::var("CROWD").ok().and_then(|x| x.parse().ok()).unwrap_or((hits.isqrt()).clamp(16, 250));
    let plan = fit::plan(cells, sides, &index, hits, &values, most, crowd);
    write_plan(&plan, &values, effort, out);
    if std::env::var("SHOW").is_ok() { eprintln!("header {} bounds {:?}", out.len(), plan.sets.iter().map(|s| s.bounds.len()).collect::<Vec<_>>()); }
    let mut coder = Encoder::new(index.runs.len() * 4 + if effort == Effort::Fast { hits * 2 } else { hits });
    let mut source = Source::new(cells, cells.len() / times, &values, &index);
    match effort {
        Effort::Fast => {
            walk(&mut coder, &mut Counted::new(&plan), &mut source, sides, &plan)?;
            coder.finish(out);
        }
        Effort::Balanced => {
            let mut mixed = Mixed::new(binary::Encoder::new(), plan.shades(), hits, unit(&plan));
            walk(&mut coder, &mut mixed, &mut source, sides, &plan)?;
            let mut stream = Vec::new();
            coder.finish(&mut stream);
            put(out, stream.len() as u64);
            out.extend(stream);
            out.extend(mixed.coder.finish());
        }
    }
    Ok(true)
}

/// Grades that a context of mixed values holds.
fn unit(plan: &Plan) -> u32 {
    if plan.depth() > 3 { 1 } else { 4 }
}

/// The cells of a payload.
pub fn decode<T: Count>(payload: &[u8], sides: [usize; 3]) -> Result<Vec<T>> {
    let mut c = Cursor::new(payload);
    let count = sides.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
    let Some(count) = count.filter(|&n| fits(n, sides)) else {
        return Err(corruption("hits: sides that no frame has"));
    };
    let hits = c.varint()?;
    if hits == 0 {
        return Ok(vec![T::default(); count]);
    }
    let (plan, values, effort) = read_plan::<T>(&mut c)?;
    let mut sink = Sink::<T>::new(count, &values, plan.most);
    match effort {
        Effort::Fast => {
            let mut coder = Decoder::new(c.rest());
            walk(&mut coder, &mut Counted::new(&plan), &mut sink, sides, &plan)?;
            coder.finish()?;
        }
        Effort::Balanced => {
            let len = c.count()?;
            let mut coder = Decoder::new(c.take(len)?);
            let hits = hits.min(count as u64) as usize;
            let mut mixed = Mixed::new(binary::Decoder::new(c.rest()), plan.shades(), hits, unit(&plan));
            walk(&mut coder, &mut mixed, &mut sink, sides, &plan)?;
            coder.finish()?;
        }
    }
    Ok(sink.cells)
}

/// Whether a frame may have these sides.
fn fits(count: usize, sides: [usize; 3]) -> bool {
    let product = sides.iter().try_fold(1u64, |n, &s| n.checked_mul(s as u64));
    product == Some(count as u64) && count < 1 << 31
}

fn write_plan(plan: &Plan, values: &Values, effort: Effort, out: &mut Vec<u8>) {
    let listed = matches!(values, Values::Listed(_)) as u8;
    out.push(plan.ends as u8 | listed << 4 | (effort as u8) << 5);
    put(out, plan.most as u64);
    match values {
        Values::Above(low) => put(out, *low as u64),
        Values::Listed(list) => {
            let mut before = 0;
            for &v in list {
                put(out, (v - before) as u64);
                before = v;
            }
        }
    }
    out.extend(plan.peaks);
    out.push(plan.slack);
    for set in &plan.sets {
        out.extend(set.weights.map(|w| w as u8));
        put(out, zigzag(set.bias as i64 as u64, 64));
        put(out, set.bounds.len() as u64);
        let mut before = 0;
        for &b in &set.bounds {
            out.push(b - before);
            before = b;
        }
    }
}

fn read_plan<T: Count>(c: &mut Cursor) -> Result<(Plan, Values, Effort)> {
    let bad = || corruption("hits: a plan that makes no sense");
    let first = c.byte()?;
    let ends = first & 1 != 0;
    let most = u32::try_from(c.varint()?).map_err(|_| bad())?;
    if first >> 6 != 0 || first & 14 != 0 || most == 0 {
        return Err(bad());
    }
    let values = if first >> 4 & 1 == 0 {
        let low = u32::try_from(c.varint()?).map_err(|_| bad())?;
        if low as u64 + most as u64 > T::MOST as u64 {
            return Err(bad());
        }
        Values::Above(low)
    } else {
        let mut list = Vec::new();
        let mut value = 0u64;
        for _ in 0..most {
            value += c.varint()?.clamp(1, 1 << 33);
            if value > T::MOST as u64 {
                return Err(bad());
            }
            list.push(value as u32);
        }
        Values::Listed(list)
    };
    let peaks = c.array::<5>()?;
    let slack = c.byte()?;
    let mut list = Vec::with_capacity(SETS);
    for _ in 0..sets(ends) {
        let weights = c.array::<INPUTS>()?.map(|w| w as i8);
        let bias = unzigzag(c.varint()?) as i64;
        let bias = i32::try_from(bias).ok().filter(|b| b.abs() < 1 << 20).ok_or_else(bad)?;
        let mut bounds = Vec::new();
        let mut before = 0usize;
        for k in 0..c.count()?.min(GRADES) {
            let step = c.byte()? as usize;
            before += step;
            if before >= GRADES - 1 || (step == 0 && k > 0) {
                return Err(bad());
            }
            bounds.push(before as u8);
        }
        list.push(Set { weights, bias, bounds });
    }
    let effort = if first >> 5 == 0 { Effort::Fast } else { Effort::Balanced };
    Ok((Plan { most, ends, peaks, slack, sets: list }, values, effort))
}
