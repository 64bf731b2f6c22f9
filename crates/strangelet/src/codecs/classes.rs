//! Classes: prefixes through a static coder, suffixes as they are.
//!
//! # What it does
//! Every cell becomes a class (of at most 256) and a suffix of bits: for a float the class is sign, exponent
//! and the first bits of the mantissa, for a difference its magnitude. The classes go through rANS with one
//! set of frequencies, the suffixes are copied.
//!
//! # When it wins
//! At the level `fast`, on numbers whose low bits are noise: nearly all measured quantities. It decodes
//! several hundred megabytes a second.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | 2 and more | the plan (see `codecs/plan.rs`) |
//! | varint | length of the table |
//! | length | the table: prefixes in use with their frequencies, as bits of `entropy/binary.rs`; a frequency is a `Number`, less one, of one set of counters; frequencies add up to 4096 |
//! | .. | the classes of all cells (see `entropy/rans.rs`) |
//! | to the end | the suffixes in the order of the cells, as bits of `entropy/bits.rs`, bytes in reverse order |
//!
//! # Determinism
//! Integers only.
//!
//! # References
//! J. Duda, Asymmetric numeral systems, arXiv:1311.2540. The cut into class and suffix is that of the latent
//! bins of pcodec, with fixed instead of fitted bins.

use super::plan::{Forward, Number, Plan, code_table, count_prefixes, rank_plans};
use crate::codec::{Codec, Level, Role, Shape, Stream};
use crate::column::{Cells, Meaning};
use crate::entropy::binary::{Decoder, Encoder};
use crate::entropy::bits::{BitReader, BitWriter};
use crate::entropy::rans;
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::limits;
use crate::transform::classes::{Cut, Ranks};
use crate::transform::keys::{Word, unzigzag};

/// Classes and suffixes.
pub struct Classes;

impl Codec for Classes {
    fn id(&self) -> u8 {
        super::CLASSES
    }
    fn name(&self) -> &'static str {
        "classes"
    }
    fn encode(&self, stream: &Stream, _level: Level, out: &mut Vec<u8>) -> Result<bool> {
        let strings = matches!(stream.role, Role::Values(Meaning::Bytes | Meaning::Text));
        if strings || stream.cells.is_empty() {
            return Ok(false);
        }
        match stream.cells {
            Cells::W8(_) => encode::<u64>(stream, out),
            _ => encode::<u32>(stream, out),
        }
    }
    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        let mut c = Cursor::new(payload);
        let plan = Plan::read(&mut c, shape.scalar)?;
        match shape.scalar.width() {
            8 => decode::<u64>(c, &plan, shape),
            _ => decode::<u32>(c, &plan, shape),
        }
    }
}

fn encode<W: Forward>(stream: &Stream, out: &mut Vec<u8>) -> Result<bool> {
    let plans = rank_plans::<W>(stream);
    let Some(best) = plans.first() else { return Ok(false) };
    let mut plan = best.plan;
    let keys = &plan.keys::<W>(stream.cells);
    let (mut used, counts) = loop {
        match count_prefixes(keys, &plan, |_| false) {
            Some(found) => break found,
            None => match plan.coarser() {
                Some(coarser) => plan = coarser,
                None => return Ok(false),
            },
        }
    };
    let ranks = Ranks::new(&used);
    let mut freqs = rans::normalise(&counts);
    let mut bases = [(0u32, 0u64); 256];
    for (b, &p) in bases.iter_mut().zip(&used) {
        *b = plan.cut.base(p);
    }
    let mut classes = Vec::with_capacity(keys.len());
    let mut bits = BitWriter::new();
    let mut part = |symbol: u64, prefix: u64| {
        let rank = ranks.rank(prefix) as u8;
        let (n, base) = bases[rank as usize];
        bits.put(symbol.wrapping_sub(base), n);
        classes.push(rank);
    };
    match plan.cut {
        Cut::Linear(n) => plan.symbols(keys, |s| part(s, Cut::Linear(n).prefix(s))),
        Cut::Gamma(m) => plan.symbols(keys, |s| part(s, Cut::Gamma(m).prefix(s))),
    }
    plan.write(out);
    let mut coder = Encoder::new();
    let mut number = Number::new();
    code_table(&mut coder, &mut used, &mut freqs, |c, f| Ok(number.code(c, f as u64 - 1) as u32 + 1))?;
    let table = coder.finish();
    put(out, table.len() as u64);
    out.extend(table);
    out.extend(rans::encode(&classes, &freqs));
    out.extend(bits.finish().iter().rev());
    Ok(true)
}

fn decode<W: Word>(mut c: Cursor, plan: &Plan, shape: Shape) -> Result<Cells> {
    let len = c.count()?;
    let mut coder = Decoder::new(c.take(len)?);
    let (mut used, mut freqs) = (Vec::new(), Vec::new());
    let mut number = Number::new();
    code_table(&mut coder, &mut used, &mut freqs, |c, _| {
        let f = number.code(c, 0);
        if f >= 1 << rans::SCALE {
            return Err(corruption("classes: a frequency beyond the sum"));
        }
        Ok(f as u32 + 1)
    })?;
    if freqs.iter().sum::<u32>() != 1 << rans::SCALE {
        return Err(corruption("classes: frequencies that do not add up"));
    }
    let rest = c.rest();
    let mut classes = limits::reserve(shape.count);
    let taken = rans::decode(rest, &freqs, shape.count, &mut classes);
    let reversed: Vec<u8> = rest.get(taken..).unwrap_or(&[]).iter().rev().copied().collect();
    let mut bits = BitReader::new(&reversed);
    let mut bases = [(0u32, 0u64); 256];
    for (b, &p) in bases.iter_mut().zip(&used) {
        *b = plan.cut.base(p);
    }
    let mut keys: Vec<W> = limits::reserve(shape.count);
    keys.extend(classes.iter().map(|&rank| {
        let (n, base) = bases[rank as usize];
        W::narrow(base.wrapping_add(bits.get(n)))
    }));
    if plan.lag == 1 {
        let mut before = 0u64;
        for k in &mut keys {
            before = before.wrapping_add(unzigzag(k.wide()));
            *k = W::narrow(before);
        }
    } else if plan.lag > 0 {
        for i in 0..keys.len() {
            let before = if i >= plan.lag { keys[i - plan.lag].wide() } else { 0 };
            keys[i] = W::narrow(before.wrapping_add(unzigzag(keys[i].wide())));
        }
    }
    Ok(plan.cells(keys, shape.scalar))
}
