//! Rows: each cell after what is known of its row.
//!
//! # What it does
//! As `adaptive`, a cell becomes a class and a suffix, and the class is coded by binary decisions. But its
//! contexts are chosen for the stream: the classes before it, the other columns of its row (cut into levels), its
//! place in its list, the columns of its event. Before that, a value that other columns (nearly) tell, as the
//! place of a sensor by its number or a mass by the particle code, is looked up and only confirmed.
//!
//! # When it wins
//! At the level `max`, wherever columns know of each other.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | 1 | number of needed streams, at most 16 |
//! | varint, 1 | of each: its number in the chunk, the type of its cells |
//! | 1 | bits 0-4: modelled bits of a suffix; bits 5-6: number of lookups, at most 2; bit 7: a relation is given |
//! | 1 | number of contexts, at most 7 |
//! | 2 to 4 | of each context: see `rows/contexts.rs` |
//! | 2 | of each lookup: two numbers of needed streams, 255 for none; the second 254 for the cell before |
//! | 2 and more | the plan (see `codecs/plan.rs`), and with a lag a byte: low bits of the key before that are no part of a context |
//! | .. | the relation, where given: number of terms (1 byte, 1 to 15), then of each term: its kind (`relate::Kind`; bit 7: a factor is given; bit 6: it is -1), the numbers of its needed streams (1 byte each), the factor (8 bytes, IEEE, little-endian), else 1 |
//! | .. | the coded bits: the table of classes as in `adaptive`, then the cells |
//! | to the end | raw bits, bytes in reverse order |
//!
//! With a relation the plan has a lag (1), and what it says ([`crate::relate::predict`]) stands in for the cell before:
//! symbols are zigzag differences between the key of the cell and the key of what is said.
//!
//! A cell: for each lookup whose slot holds a value (and not the value that the first one had) a bit, whether it is
//! that. If none is: its class, its modelled bits, and its raw bits, as in `adaptive`, except that the decisions
//! are blended as `model/blend.rs` says: input 0 has no context, then come the contexts given. The first set of
//! weights is that of the decision, the second that of how many inputs have been seen (0, 1-3, more: the first three
//! contexts, base 3). The second guess has the decision as context.
//!
//! The counter of an input for a context of number x is at (x x stride + decision) mod size; stride is the power of
//! two at or above the number of classes; where the numbers of a context x stride pass the size, x is hashed first.
//! Sizes: count x 8 rounded up to a power of two, from 2^8 to 2^20, or all numbers x stride where that is less.
//!
//! A lookup hashes the values of its streams (and the key before): h = (h ^ value) x 0x9E3779B97F4A7C15, h ^= h >>
//! 29; its upper bits are the slot of a table of 2 x count rounded up to a power of two (at most 2^20), the lower 16
//! the check. A slot has the last key and how often it was right in a row (at most 255); the bit's
//! counter is chosen by that (at most 15) and the last three bits of that lookup. A slot that was wrong takes
//! the new key and a quarter of its trust.
//!
//! # Determinism
//! Integers only.
//!
//! # References
//! M. Mahoney, Adaptive weighing of context models for lossless data compression, 2005.

mod contexts;
mod search;

pub use search::{Around, Care, Levels, encode};

use super::adaptive::{Bits, Get, Put, Weight};
use super::plan::{Forward, Plan, code_table, count_prefixes};
use crate::codec::{Codec, Level, Shape, Stream};
use crate::column::{Cells, Scalar};
use crate::entropy::binary::{BitCoder, Decoder, Encoder};
use crate::entropy::bits::{BitReader, BitWriter};
use crate::entropy::mix::{Counter, LIMIT};
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::limits;
use crate::model::blend::{self, MOST, Refine, Set};
use crate::relate::{Kind, Term, predict};
use crate::transform::classes::{LEAF, Ranks, Tree};
use crate::transform::keys::{Map, Word, forward_bits, unzigzag};
use contexts::{Context, Prepared};

/// Cells by what is known of their row.
pub struct Rows;

/// Most needed streams.
const MAX_NEEDS: usize = 16;
/// Most modelled bits of a suffix.
const MAX_DEPTH: u32 = 16;

/// Which streams tell a value: numbers of needed streams. `CELL` is the cell before, `NONE` nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lookup([u8; 2]);

const NONE: u8 = 255;
const CELL: u8 = 254;

/// All that the decoder must know.
#[derive(Debug, Clone)]
struct Settings {
    needs: Vec<(usize, Scalar)>,
    plan: Plan,
    scale: u32,
    depth: u32,
    contexts: Vec<Context>,
    lookups: Vec<Lookup>,
    /// Columns are numbers of needed streams.
    relation: Vec<Term>,
}

/// Most terms of a relation.
const MAX_TERMS: usize = 15;

fn write_terms(terms: &[Term], out: &mut Vec<u8>) {
    out.push(terms.len() as u8);
    for t in terms {
        let (given, minus) = (t.factor.abs() != 1.0, t.factor == -1.0);
        out.push(t.kind as u8 | (given as u8) << 7 | (minus as u8) << 6);
        out.extend(t.columns.iter().take(t.kind.columns()).map(|&c| c as u8));
        if given {
            out.extend(t.factor.to_le_bytes());
        }
    }
}

fn read_terms(c: &mut Cursor) -> Result<Vec<Term>> {
    let bad = || corruption("rows: a relation that does not exist");
    let n = c.byte()? as usize;
    if n == 0 || n > MAX_TERMS {
        return Err(bad());
    }
    let mut terms = Vec::new();
    for _ in 0..n {
        let head = c.byte()?;
        let kind = *Kind::ALL.get(usize::from(head & 63)).ok_or_else(bad)?;
        let mut columns = [0; 4];
        for column in columns.iter_mut().take(kind.columns()) {
            *column = c.byte()?.into();
        }
        let factor = match head >> 6 {
            0 => 1.0,
            1 => -1.0,
            2 => f64::from_le_bytes(c.array()?),
            _ => return Err(bad()),
        };
        terms.push(Term { kind, columns, factor });
    }
    Ok(terms)
}

impl Settings {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.needs.len() as u8);
        for (stream, scalar) in &self.needs {
            put(out, *stream as u64);
            out.push(*scalar as u8);
        }
        out.push(
            self.depth as u8 | (self.lookups.len() as u8) << 5 | ((!self.relation.is_empty()) as u8) << 7,
        );
        out.push(self.contexts.len() as u8);
        self.contexts.iter().for_each(|c| c.write(out));
        self.lookups.iter().for_each(|l| out.extend(l.0));
        self.plan.write(out);
        if self.plan.lag > 0 {
            out.push(self.scale as u8);
        }
        if !self.relation.is_empty() {
            write_terms(&self.relation, out);
        }
    }

    fn read_needs(c: &mut Cursor) -> Result<Vec<(usize, Scalar)>> {
        let n = c.byte()? as usize;
        if n > MAX_NEEDS {
            return Err(corruption("rows: too many needed streams"));
        }
        let number = |n: u64| usize::try_from(n).map_err(|_| corruption("rows: no such stream"));
        (0..n).map(|_| Ok((number(c.varint()?)?, Scalar::from_id(c.byte()?)?))).collect()
    }

    fn read(c: &mut Cursor, scalar: Scalar) -> Result<Settings> {
        let bad = || corruption("rows: settings that do not exist");
        let needs = Settings::read_needs(c)?;
        let flags = c.byte()?;
        let (depth, lookups) = (u32::from(flags & 31), flags >> 5 & 3);
        let contexts = c.byte()? as usize;
        if depth > MAX_DEPTH || lookups > 2 || contexts >= MOST {
            return Err(bad());
        }
        let contexts =
            (0..contexts).map(|_| Context::read(c, needs.len())).collect::<Result<Vec<Context>>>()?;
        let mut read = Vec::new();
        for _ in 0..lookups {
            let pair = c.array::<2>()?;
            let known = |n: u8| n == NONE || usize::from(n) < needs.len();
            if !known(pair[0]) || !(known(pair[1]) || pair[1] == CELL) {
                return Err(bad());
            }
            read.push(Lookup(pair));
        }
        let plan = Plan::read(c, scalar)?;
        let scale = if plan.lag > 0 { u32::from(c.byte()?) } else { 0 };
        if scale > 63 {
            return Err(bad());
        }
        let relation = if flags & 128 == 0 { Vec::new() } else { read_terms(c)? };
        if !relation.is_empty() && (plan.lag != 1 || plan.map == Map::Integral) {
            return Err(bad());
        }
        Ok(Settings { needs, plan, scale, depth, contexts, lookups: read, relation })
    }
}

impl Codec for Rows {
    fn id(&self) -> u8 {
        super::ROWS
    }
    fn name(&self) -> &'static str {
        "rows"
    }
    fn derives(&self) -> bool {
        true
    }
    fn looks_ahead(&self) -> bool {
        true
    }
    fn needs(&self, payload: &[u8]) -> Result<Vec<usize>> {
        Ok(Settings::read_needs(&mut Cursor::new(payload))?.into_iter().map(|n| n.0).collect())
    }
    fn encode(&self, _stream: &Stream, _level: Level, _out: &mut Vec<u8>) -> Result<bool> {
        Ok(false) // only the selection, which sees the whole chunk, knows of the other columns
    }
    fn decode(&self, payload: &[u8], shape: Shape, needed: &[&Cells]) -> Result<Cells> {
        let mut c = Cursor::new(payload);
        let settings = Settings::read(&mut c, shape.scalar)?;
        if settings.needs.len() != needed.len()
            || settings.needs.iter().zip(needed).any(|((_, scalar), cells)| scalar.width() != cells.width())
        {
            return Err(corruption("rows: a needed stream is of another type"));
        }
        match shape.scalar.width() {
            8 => decode_with::<u64>(c.rest(), &settings, shape, needed),
            _ => decode_with::<u32>(c.rest(), &settings, shape, needed),
        }
    }
}

fn encode_with<W: Forward>(
    keys: &[W],
    settings: &Settings,
    needed: &[&Cells],
    scalar: Scalar,
) -> Result<Option<Vec<u8>>> {
    let said = Said::new(settings, needed, scalar, keys.len())?;
    let counted = match settings.relation.is_empty() {
        true => count_prefixes(keys, &settings.plan, |_| false),
        false => count_differences(keys, &said, &settings.plan),
    };
    let Some((mut used, mut weights)) = counted else { return Ok(None) };
    weights.iter_mut().for_each(|n| *n = 1 << n.ilog2());
    let mut out = Vec::new();
    settings.write(&mut out);
    let mut bits = Put { coder: Encoder::new(), bits: BitWriter::new() };
    let mut weight = Weight::new();
    code_table(&mut bits, &mut used, &mut weights, |c, w| Ok(weight.code(c, w)))?;
    let prepared = Prepared::new(&settings.contexts, &settings.needs, needed, &said.losses, keys.len())?;
    let mut made = Vec::new();
    code_cells::<W, _, true>(
        &mut bits,
        settings,
        &prepared,
        &said,
        needed,
        &used,
        &weights,
        keys,
        &mut made,
        keys.len(),
    )?;
    out.extend(bits.coder.finish());
    out.extend(bits.bits.finish().iter().rev());
    Ok(Some(out))
}

fn decode_with<W: Word>(
    payload: &[u8],
    settings: &Settings,
    shape: Shape,
    needed: &[&Cells],
) -> Result<Cells> {
    let reversed: Vec<u8> = payload.iter().rev().copied().collect();
    let mut bits = Get { coder: Decoder::new(payload), bits: BitReader::new(&reversed) };
    let (mut used, mut weights) = (Vec::new(), Vec::new());
    let mut weight = Weight::new();
    code_table(&mut bits, &mut used, &mut weights, |c, w| Ok(weight.code(c, w)))?;
    let said = Said::new(settings, needed, shape.scalar, shape.count)?;
    let prepared = Prepared::new(&settings.contexts, &settings.needs, needed, &said.losses, shape.count)?;
    let mut keys: Vec<W> = limits::reserve(shape.count);
    code_cells::<W, _, false>(
        &mut bits,
        settings,
        &prepared,
        &said,
        needed,
        &used,
        &weights,
        &[],
        &mut keys,
        shape.count,
    )?;
    Ok(settings.plan.cells(keys, shape.scalar))
}

/// What the relation says: keys in their frame, and how many digits are lost.
struct Said {
    keys: Vec<u64>,
    losses: Vec<u8>,
}

impl Said {
    fn new(settings: &Settings, needed: &[&Cells], scalar: Scalar, count: usize) -> Result<Said> {
        if settings.relation.is_empty() {
            return Ok(Said { keys: Vec::new(), losses: Vec::new() });
        }
        let columns: Vec<(&Cells, Scalar)> =
            needed.iter().zip(&settings.needs).map(|(cells, need)| (*cells, need.1)).collect();
        let (cells, losses) = predict(&settings.relation, &columns, scalar, count)?;
        let plan = &settings.plan;
        let bits = scalar.width() as u32 * 8;
        let key = |x: u64| {
            forward_bits(x >> plan.dead, plan.map, bits - plan.dead).wrapping_sub(plan.min) >> plan.shift
        };
        Ok(Said { keys: cells.into_iter().map(key).collect(), losses })
    }
}

/// Prefixes in use and how often, of the differences to what is said.
fn count_differences<W: Word>(keys: &[W], said: &Said, plan: &Plan) -> Option<(Vec<u64>, Vec<u32>)> {
    let symbols = keys.iter().zip(&said.keys).map(|(k, s)| plan.symbol::<W>(k.wide(), *s));
    let mut prefixes: Vec<u64> = symbols.map(|s| plan.cut.prefix(s)).collect();
    prefixes.sort_unstable();
    let (mut used, mut counts) = (Vec::new(), Vec::new());
    for run in prefixes.chunk_by(|a, b| a == b) {
        used.push(run[0]);
        counts.push(run.len() as u32);
    }
    (!used.is_empty() && used.len() <= super::plan::MAX_CLASSES).then_some((used, counts))
}

/// The blended model of the classes.
struct Model {
    tree: Tree,
    stride: usize,
    inputs: usize,
    tables: [Vec<Counter>; MOST],
    hashed: [bool; MOST],
    first: Vec<Set>,
    second: Vec<Set>,
    refine: Refine,
}

impl Model {
    fn new(tree: Tree, classes: usize, count: usize, prepared: &Prepared) -> Model {
        let stride = classes.next_power_of_two();
        let inputs = 1 + prepared.len();
        let room = count.saturating_mul(8).next_power_of_two().clamp(1 << 8, 1 << 20);
        let mut hashed = [false; MOST];
        let tables = std::array::from_fn(|k| {
            let size = match k {
                0 => stride,
                k if k < inputs => {
                    let all = prepared.numbers(k - 1, stride).saturating_mul(stride as u64);
                    hashed[k] = all > room as u64;
                    if hashed[k] { room } else { (all as usize).next_power_of_two() }
                }
                _ => 1,
            };
            vec![Counter::default(); size]
        });
        let nodes = tree.nodes().len().max(1);
        Model {
            stride,
            inputs,
            tables,
            hashed,
            first: vec![Set::even(inputs); nodes],
            second: vec![Set::even(inputs); 27],
            refine: Refine::new(nodes),
            tree,
        }
    }

    /// Where the counters of a context's number begin.
    #[inline(always)]
    fn base(&self, k: usize, number: u64) -> usize {
        let number = if self.hashed[k] {
            let h = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (h ^ h >> 29).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 24
        } else {
            number
        };
        (number as usize).wrapping_mul(self.stride)
    }

    #[inline(always)]
    fn code<C: BitCoder>(&mut self, c: &mut C, rank: u16, bases: &[usize; MOST]) -> u16 {
        let nodes = self.tree.nodes();
        if nodes.is_empty() {
            return 0;
        }
        let mut at = 0u16;
        loop {
            let node = nodes[usize::from(at)];
            let mut counters = [Counter::default(); MOST];
            let mut places = [0; MOST];
            for k in 0..self.inputs {
                let table = &self.tables[k];
                places[k] = bases[k].wrapping_add(usize::from(at)) & (table.len() - 1);
                counters[k] = table[places[k]];
            }
            let confidence = |k: usize| match counters[k].seen() {
                0 => 0,
                1..=3 => 1,
                _ => 2,
            };
            let set = confidence(1) + 3 * confidence(2) + 9 * confidence(3);
            let sets = (&mut self.first[usize::from(at)], &mut self.second[set]);
            let refine = (&mut self.refine, usize::from(at));
            let bit = blend::code(c, rank >= node.split, &mut counters, self.inputs, sets, refine);
            for k in 0..self.inputs {
                self.tables[k][places[k]] = counters[k];
            }
            at = node.next[usize::from(bit)];
            if at >= LEAF {
                return at - LEAF;
            }
        }
    }
}

/// What a lookup remembers.
#[derive(Clone, Copy, Default)]
struct Slot<W> {
    key: W,
    check: u16,
    trust: u8,
    filled: bool,
}

/// A lookup at work.
struct Memory<W> {
    hashes: Vec<u64>,
    own: bool,
    slots: Vec<Slot<W>>,
    shift: u32,
    counters: Vec<Counter>,
    history: usize,
}

#[inline(always)]
fn join(h: u64, value: u64) -> u64 {
    let h = (h ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    h ^ h >> 29
}

impl<W: Word> Memory<W> {
    fn new(lookup: Lookup, needed: &[&Cells], count: usize) -> Result<Memory<W>> {
        // Without a needed stream there is nothing to be sure that so many cells will come.
        let mut hashes = Vec::new();
        for &n in &lookup.0 {
            let Some(cells) = needed.get(usize::from(n)) else { continue };
            if cells.len() != count {
                return Err(corruption("rows: a needed stream is of another length"));
            }
            hashes.resize(count, 0u64);
            fn all<T: Copy + Into<u64>>(hashes: &mut [u64], v: &[T]) {
                hashes.iter_mut().zip(v).for_each(|(h, &x)| *h = join(*h, x.into()));
            }
            crate::each_width!(cells, v => all(&mut hashes, v));
        }
        let bits = (count * 2).next_power_of_two().clamp(1 << 4, 1 << 20).ilog2();
        Ok(Memory {
            hashes,
            own: lookup.0[1] == CELL,
            slots: vec![Slot::default(); 1 << bits],
            shift: 64 - bits,
            counters: vec![Counter::default(); 128],
            history: 0,
        })
    }

    /// Slot of cell `i`, and the value it tells.
    #[inline(always)]
    fn find(&self, i: usize, before: u64) -> (usize, u16, Option<W>) {
        let h = self.hashes.get(i).copied().unwrap_or(0);
        let h = if self.own { join(h, before) } else { h };
        let h = h.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let (at, check) = ((h >> self.shift) as usize & (self.slots.len() - 1), h as u16);
        let slot = self.slots[at];
        (at, check, (slot.filled && slot.check == check).then_some(slot.key))
    }

    /// Codes whether the cell is what the slot tells.
    #[inline(always)]
    fn code<C: BitCoder>(&mut self, c: &mut C, at: usize, right: bool) -> bool {
        let counter = &mut self.counters[usize::from(self.slots[at].trust.min(15)) << 3 | self.history];
        let right = c.code(right, counter.p_coder());
        counter.update(right, LIMIT);
        self.history = (self.history << 1 | usize::from(right)) & 7;
        right
    }

    #[inline(always)]
    fn learn(&mut self, at: usize, check: u16, key: W) {
        let slot = &mut self.slots[at];
        let same = slot.filled && slot.check == check;
        slot.trust = match (same, same && slot.key == key) {
            (_, true) => slot.trust.saturating_add(1),
            (true, _) => slot.trust / 4,
            _ => 0,
        };
        (slot.key, slot.check, slot.filled) = (key, check, true);
    }
}

/// Codes all cells. The encoder gives the keys in their frame; the decoder fills them in.
#[allow(clippy::too_many_arguments)]
fn code_cells<W: Word, B: Bits, const ENCODE: bool>(
    bits: &mut B,
    settings: &Settings,
    prepared: &Prepared,
    said: &Said,
    needed: &[&Cells],
    used: &[u64],
    weights: &[u32],
    given: &[W],
    made: &mut Vec<W>,
    count: usize,
) -> Result<()> {
    let plan = &settings.plan;
    let bases: Vec<(u32, u64)> = used.iter().map(|&p| plan.cut.base(p)).collect();
    let ranks = Ranks::new(used);
    let (first, last) = (used.first().copied().unwrap_or(0), used.last().copied().unwrap_or(0));
    let rank_of = |symbol: u64| ranks.rank(plan.cut.prefix(symbol).clamp(first, last));
    let mut model = Model::new(Tree::new(weights), used.len(), count, prepared);
    let mut depth = settings.depth;
    while depth > 0 && used.len() << depth > 1 << 18 {
        depth -= 1;
    }
    let mut fine = vec![Counter::default(); used.len() << depth];
    let mut memories = Vec::new();
    for &l in &settings.lookups {
        memories.push(Memory::<W>::new(l, needed, count)?);
    }
    let side = prepared.side();
    let mut history = vec![0u16; side];
    let (mut turn, mut ranks_before) = (0, [0u16; 3]);
    let mut cell_before = 0u64;
    for i in 0..count {
        if i & 0xffff == 0xffff && bits.exhausted() {
            return Err(corruption("rows: the payload ends too early"));
        }
        let keys: &[W] = if ENCODE { given } else { made };
        let before = match said.keys.get(i) {
            Some(&said) => said,
            None if plan.lag > 0 && i >= plan.lag => keys[i - plan.lag].wide(),
            None => 0,
        };
        let mut key = if ENCODE { given[i] } else { W::default() };
        let mut found = [(0, 0); 2];
        let mut told: Option<W> = None;
        let mut right = false;
        for (memory, place) in memories.iter_mut().zip(&mut found) {
            let (at, check, value) = memory.find(i, cell_before);
            *place = (at, check);
            if let Some(value) = value.filter(|v| !right && told != Some(*v)) {
                right = memory.code(bits, at, ENCODE && key == value);
                told = Some(value);
                if right {
                    key = value;
                }
            }
        }
        let rank;
        if right {
            rank = rank_of(plan.symbol::<W>(key.wide(), before));
        } else {
            let symbol = if ENCODE { plan.symbol::<W>(key.wide(), before) } else { 0 };
            let wanted = if ENCODE { rank_of(symbol) } else { 0 };
            let mut places = [0; MOST];
            for (k, place) in places.iter_mut().enumerate().take(model.inputs).skip(1) {
                let history = history.get(turn).copied().unwrap_or(0);
                let number =
                    prepared.number(k - 1, i, &ranks_before, before >> settings.scale, history, model.stride);
                *place = model.base(k, number);
            }
            rank = model.code(bits, wanted, &places);
            let (n, base) = bases.get(usize::from(rank)).copied().unwrap_or_default();
            let suffix = symbol.wrapping_sub(base);
            let mut tail = 0;
            let d = depth.min(n);
            if d > 0 {
                let row = usize::from(rank) << depth;
                let mut node = 1usize;
                for k in 0..d {
                    let counter = &mut fine[row | node];
                    let b = bits.code(suffix >> (n - 1 - k) & 1 == 1, counter.p_coder());
                    counter.update(b, LIMIT);
                    node = node << 1 | usize::from(b);
                }
                tail = (node as u64 & ((1 << d) - 1)) << (n - d);
            }
            if n > d {
                tail |= bits.raw(suffix & ((1 << (n - d)) - 1), n - d);
            }
            if !ENCODE {
                let s = base.wrapping_add(tail);
                key = W::narrow(if plan.lag > 0 { before.wrapping_add(unzigzag(s)) } else { s });
            }
        }
        if !ENCODE {
            made.push(key);
        }
        for (memory, (at, check)) in memories.iter_mut().zip(found) {
            memory.learn(at, check, key);
        }
        cell_before = key.wide();
        ranks_before = [rank, ranks_before[0], ranks_before[1]];
        if side > 0 {
            history[turn] = rank;
            turn = if turn + 1 == side { 0 } else { turn + 1 };
        }
    }
    Ok(())
}
