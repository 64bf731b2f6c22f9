//! Adaptive.
use crate::codec::{Codec, Level, Role, Shape, Stream};
use crate::column::{Cells, Meaning, Scalar};
use crate::entropy::binary::{BitCoder, Decoder, Encoder};
use crate::entropy::bits::{BitReader, BitWriter};
use crate::entropy::mix::{Counter, LIMIT, Weights};
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::limits;
use crate::transform::classes::{Cut, LEAF, Ranks, Tree};
use crate::transform::keys::{self, Map, Word, unzigzag, zigzag};

/// Classes through an adaptive binary coder.
pub struct Adaptive;

/// Everything the decoder must know beside the bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub map: Map,
    pub min: u64,
    pub shift: u32,
    pub lag: usize,
    pub cut: Cut,
    pub depth: u32,
    pub side: usize,
    /// Most cells back that a repeated value may lie, as a power of two; 0 for no repeats.
    pub reach: u32,
}

/// Most classes.
const MAX_CLASSES: usize = 256;

impl Plan {
    fn write(&self, out: &mut Vec<u8>) {
        let (gamma, n) = match self.cut {
            Cut::Linear(n) => (0, n),
            Cut::Gamma(m) => (1, m),
        };
        let flags = self.map as u8
            | gamma << 3
            | ((self.lag > 0) as u8) << 4
            | ((self.min > 0) as u8) << 5
            | ((self.shift > 0) as u8) << 6
            | ((self.side > 0) as u8) << 7;
        out.extend_from_slice(&[flags, n as u8 | ((self.reach > 0) as u8) << 7, self.depth as u8]);
        if self.reach > 0 {
            out.push(self.reach as u8);
        }
        if self.lag > 0 {
            put(out, self.lag as u64);
        }
        if self.min > 0 {
            put(out, self.min);
        }
        if self.shift > 0 {
            out.push(self.shift as u8);
        }
        if self.side > 0 {
            put(out, self.side as u64);
        }
    }

    fn read(c: &mut Cursor, scalar: Scalar) -> Result<Plan> {
        let [flags, n, depth] = c.array()?;
        let reach = if n & 128 == 0 { 0 } else { c.byte()? as u32 };
        let n = n & 127;
        let map = Map::from_id(flags & 7)
            .filter(|m| m.fits(scalar))
            .ok_or_else(|| corruption("adaptive: no such map"))?;
        if n > 63 || depth > 16 || reach > 28 {
            return Err(corruption("adaptive: no such cut"));
        }
        let cut = if flags & 8 == 0 { Cut::Linear(n as u32) } else { Cut::Gamma(n as u32) };
        if cut == Cut::Gamma(n as u32) && n > 8 {
            return Err(corruption("adaptive: no such cut"));
        }
        let mut number = |bit: u8| if flags & bit == 0 { Ok(0) } else { c.varint() };
        let lag = number(16)? as usize;
        let min = number(32)?;
        let shift = if flags & 64 == 0 { 0 } else { c.byte()? as u32 };
        if shift > 63 {
            return Err(corruption("adaptive: no such shift"));
        }
        let side = if flags & 128 == 0 { 0 } else { c.varint()? } as usize;
        Ok(Plan { map, min, shift, lag, cut, depth: depth as u32, side, reach })
    }
}

/// Modelled bits and raw bits, either direction.
trait Bits: BitCoder {
    fn raw(&mut self, value: u64, n: u32) -> u64;
}

struct Put {
    coder: Encoder,
    bits: BitWriter,
}
struct Get<'a> {
    coder: Decoder<'a>,
    bits: BitReader<'a>,
}
impl BitCoder for Put {
    #[inline(always)]
    fn code(&mut self, bit: bool, p: u32) -> bool {
        self.coder.code(bit, p)
    }
}
impl BitCoder for Get<'_> {
    #[inline(always)]
    fn code(&mut self, bit: bool, p: u32) -> bool {
        self.coder.code(bit, p)
    }
}
impl Bits for Put {
    #[inline(always)]
    fn raw(&mut self, value: u64, n: u32) -> u64 {
        self.bits.put(value, n);
        value
    }
}
impl Bits for Get<'_> {
    #[inline(always)]
    fn raw(&mut self, _value: u64, n: u32) -> u64 {
        self.bits.get(n)
    }
}

/// Codes a number by Elias gamma with adaptive bits.
struct Number {
    length: [Counter; 65],
}
impl Number {
    fn new() -> Self {
        Number { length: [Counter::default(); 65] }
    }
    fn code<C: BitCoder>(&mut self, c: &mut C, x: u64) -> u64 {
        let want = 64 - x.leading_zeros();
        let mut len = 0;
        while len < 64 {
            let counter = &mut self.length[len as usize];
            let more = c.code(want > len, counter.p_coder());
            counter.update(more, 30);
            if !more {
                break;
            }
            len += 1;
        }
        if len < 2 {
            return len as u64;
        }
        let mut y = 1u64;
        for i in (0..len - 1).rev() {
            y = y << 1 | c.code(x >> i & 1 == 1, 32768) as u64;
        }
        y
    }
}

/// Codes which prefixes are in use, and about how often: the logarithm of the count.
fn code_table<C: BitCoder>(c: &mut C, used: &mut Vec<u64>, weights: &mut Vec<u32>) -> Result<()> {
    let mut number = Number::new();
    let n = number.code(c, used.len() as u64) as usize;
    if n == 0 || n > MAX_CLASSES {
        return Err(corruption("adaptive: a bad number of classes"));
    }
    let decode = used.is_empty();
    let (mut gaps, mut counts) = (Number::new(), [[Counter::default(); 32]; 32]);
    let (mut last, mut context) = (0u64, 0usize);
    for i in 0..n {
        let gap = if decode {
            0
        } else if i == 0 {
            used[0]
        } else {
            used[i] - last - 1
        };
        let gap = if i == 0 { Number::new().code(c, gap) } else { gaps.code(c, gap) };
        let prefix = if i == 0 { Some(gap) } else { last.checked_add(gap).and_then(|p| p.checked_add(1)) };
        last = prefix.ok_or_else(|| corruption("adaptive: a bad class"))?;
        // weights are powers of two, coded as an unary walk away from the one before
        let want = if decode { 0 } else { weights[i].ilog2() as usize };
        let mut node = 1;
        let mut value = 0;
        for bit in (0..5).rev() {
            let counter = &mut counts[context][node];
            let b = c.code(want >> bit & 1 == 1, counter.p_coder());
            counter.update(b, 30);
            node = (node << 1 | b as usize) & 31;
            value = value << 1 | b as usize;
        }
        context = value;
        if decode {
            used.push(last);
            weights.push(1 << value);
        }
    }
    Ok(())
}

const K: usize = 4;

/// The adaptive model of the classes of a column.
struct Model {
    tree: Tree,
    stride: usize,
    tables: [Vec<Counter>; K],
    masks: [usize; K],
    weights: Vec<Weights<K>>,
    rate: i32,
}

impl Model {
    fn new(tree: Tree, classes: usize, count: usize) -> Model {
        let stride = classes.next_power_of_two();
        let room = (count * 4).next_power_of_two().clamp(1 << 8, 1 << 18);
        let o1 = (stride * stride).min(room);
        let sizes = [stride, o1, room.min(stride * stride * stride), room];
        Model {
            stride,
            tables: sizes.map(|n| vec![Counter::default(); n]),
            masks: sizes.map(|n| n - 1),
            weights: vec![Weights::even(); classes],
            tree,
            rate: 6,
        }
    }

    #[inline(always)]
    fn code<C: BitCoder>(&mut self, c: &mut C, rank: u16, contexts: [usize; K]) -> u16 {
        let nodes = self.tree.nodes();
        if nodes.is_empty() {
            return 0;
        }
        let mut at = 0u16;
        loop {
            let node = nodes[at as usize];
            let mut place = [0; K];
            let mut p = [0; K];
            for k in 0..K {
                place[k] = contexts[k].wrapping_add(at as usize) & self.masks[k];
                p[k] = self.tables[k][place[k]].p();
            }
            let weights = &mut self.weights[at as usize];
            let mixed = weights.mix(p);
            let bit = c.code(rank >= node.split, mixed.p);
            weights.update(&mixed, bit, self.rate);
            for k in 0..K {
                self.tables[k][place[k]].update(bit, LIMIT);
            }
            at = node.next[bit as usize];
            if at >= LEAF {
                return at - LEAF;
            }
        }
    }
}

/// A place in a table for a pair of contexts.
#[inline(always)]
fn hash(a: usize, b: usize) -> usize {
    let h = (a as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (b as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (h ^ h >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize >> 40
}

/// Codes all cells. The encoder gives the keys in their frame; the decoder fills them in.
fn code_cells<W: Word, B: Bits, const ENCODE: bool>(
    bits: &mut B,
    plan: &Plan,
    used: &[u64],
    weights: &[u32],
    given: &[W],
    made: &mut Vec<W>,
    repeats: &[u32],
    count: usize,
) {
    let bases: Vec<(u32, u64)> = used.iter().map(|&p| plan.cut.base(p)).collect();
    let ranks = if ENCODE { Ranks::new(used) } else { Ranks::new(&[]) };
    let mut model = Model::new(Tree::new(weights), used.len(), count);
    let stride = model.stride;
    let mut depth = plan.depth;
    while depth > 0 && used.len() << depth > 1 << 18 {
        depth -= 1;
    }
    let mut repeater = Repeats::new();
    let mut rank_log: Vec<u16> = if plan.reach > 0 { limits::reserve(count) } else { Vec::new() };
    let mut fine = vec![Counter::default(); used.len() << depth];
    let side = plan.side;
    let mut history: Vec<u16> = vec![0; if side > 0 { side } else { 1 }];
    let (mut r1, mut r2, mut r3) = (0usize, 0usize, 0usize);
    let mut turn = 0;
    let scale_shift = if plan.lag > 0 { 58 - (64 - W::BITS) } else { 0 };
    for i in 0..count {
        let keys: &[W] = if ENCODE { given } else { made };
        let before = if plan.lag > 0 && i >= plan.lag { keys[i - plan.lag].wide() } else { 0 };
        let symbol = if !ENCODE {
            0
        } else if plan.lag > 0 {
            W::narrow(zigzag(keys[i].wide().wrapping_sub(before), W::BITS)).wide()
        } else {
            keys[i].wide()
        };
        if plan.reach > 0 {
            let distance = repeater.code(bits, if ENCODE { repeats[i] } else { 0 }) as usize;
            if distance > 0 {
                // Only broken payloads point before the first cell.
                let from = i.wrapping_sub(distance);
                let rank = rank_log.get(from).copied().unwrap_or(0);
                if !ENCODE {
                    let key = made.get(from).copied().unwrap_or_default();
                    made.push(key);
                }
                rank_log.push(rank);
                (r1, r2, r3) = (rank as usize, r1, r2);
                if side > 0 {
                    history[turn] = rank;
                    turn += 1;
                    if turn == side {
                        turn = 0;
                    }
                }
                continue;
            }
        }
        let rank = if ENCODE { ranks.rank(plan.cut.prefix(symbol)) } else { 0 };
        let c3 = if side > 0 {
            hash(history[turn] as usize + 1, turn)
        } else if plan.lag > 0 {
            hash(before as usize >> scale_shift, r1)
        } else {
            hash(r1 << 16 | r2, r3)
        };
        let contexts = [0, r1 * stride, (r1 * stride + r2) * stride, c3 * stride];
        let rank = model.code(bits, rank, contexts) as usize;
        (r1, r2, r3) = (rank, r1, r2);
        if plan.reach > 0 {
            rank_log.push(rank as u16);
        }
        if side > 0 {
            history[turn] = rank as u16;
            turn += 1;
            if turn == side {
                turn = 0;
            }
        }
        let (n, base) = bases[rank];
        let suffix = symbol.wrapping_sub(base);
        let mut tail = 0;
        let d = depth.min(n);
        if d > 0 {
            let row = rank << depth;
            let mut node = 1usize;
            for k in 0..d {
                let counter = &mut fine[row | node];
                let b = bits.code(suffix >> (n - 1 - k) & 1 == 1, counter.p_coder());
                counter.update(b, LIMIT);
                node = node << 1 | b as usize;
            }
            tail = (node as u64 & ((1 << d) - 1)) << (n - d);
        }
        if n > d {
            tail |= bits.raw(suffix & ((1 << (n - d)) - 1), n - d);
        }
        if !ENCODE {
            let s = base.wrapping_add(tail);
            made.push(W::narrow(if plan.lag > 0 { before.wrapping_add(unzigzag(s)) } else { s }));
        }
    }
}

/// Where a value repeats an earlier one: codes how many cells back, 0 for a value that is coded anew.
struct Repeats {
    tokens: [[Counter; 2]; 81],
    history: usize,
    classes: [Counter; 64],
    last: u32,
}

impl Repeats {
    fn new() -> Self {
        Repeats {
            tokens: [[Counter::default(); 2]; 81],
            history: 0,
            classes: [Counter::default(); 64],
            last: 0,
        }
    }

    #[inline(always)]
    fn code<B: Bits>(&mut self, bits: &mut B, distance: u32) -> u32 {
        let tokens = &mut self.tokens[self.history];
        let hit = bits.code(distance > 0, tokens[0].p_coder());
        tokens[0].update(hit, LIMIT);
        let mut token = 0;
        let mut result = 0;
        if hit {
            let again = bits.code(distance == self.last, tokens[1].p_coder());
            tokens[1].update(again, LIMIT);
            token = 1 + again as usize;
            if again {
                result = self.last;
            } else {
                let cut = Cut::Gamma(1);
                let far = distance.wrapping_sub(1);
                let class = cut.prefix(far as u64) as usize;
                let mut node = 1usize;
                for k in (0..6).rev() {
                    let counter = &mut self.classes[node & 63];
                    let b = bits.code(class >> k & 1 == 1, counter.p_coder());
                    counter.update(b, LIMIT);
                    node = node << 1 | b as usize;
                }
                let (n, base) = cut.base(node as u64 & 63);
                let low = bits.raw((far as u64).wrapping_sub(base) & ((1 << n) - 1), n);
                result = (base + low) as u32 + 1;
                self.last = result;
            }
        }
        self.history = (self.history * 3 + token) % 81;
        result
    }
}

/// For each cell how many cells back its value was last (at most 2^reach), or 0.
fn find_repeats<W: Word>(keys: &[W], reach: u32) -> Vec<u32> {
    let bits = (usize::BITS - keys.len().leading_zeros()).min(20) + 1;
    let mut heads = vec![u32::MAX; 1 << bits];
    let (mut last, most) = (0u32, 1usize << reach);
    keys.iter()
        .enumerate()
        .map(|(i, k)| {
            let slot = &mut heads[(k.wide().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - bits)) as usize];
            let from = *slot as usize;
            *slot = i as u32;
            if last > 0 && i >= last as usize && keys[i - last as usize] == *k {
                return last;
            }
            if from < i && i - from <= most && keys[from] == *k {
                last = (i - from) as u32;
                return last;
            }
            0
        })
        .collect()
}

/// Prefixes in use and their rounded counts.
fn count_prefixes<W: Word>(keys: &[W], repeats: &[u32], plan: &Plan) -> Option<(Vec<u64>, Vec<u32>)> {
    let mut prefixes: Vec<u64> = Vec::with_capacity(keys.len());
    for i in 0..keys.len() {
        if plan.reach > 0 && repeats[i] > 0 {
            continue;
        }
        let s = if plan.lag > 0 {
            let before = if i >= plan.lag { keys[i - plan.lag].wide() } else { 0 };
            W::narrow(zigzag(keys[i].wide().wrapping_sub(before), W::BITS)).wide()
        } else {
            keys[i].wide()
        };
        prefixes.push(plan.cut.prefix(s));
    }
    let mut used: Vec<u64> = Vec::new();
    let mut counts: Vec<u32> = Vec::new();
    let max = prefixes.iter().copied().max()?;
    if max < 1 << 16 && prefixes.len() > 4000 {
        let mut table = vec![0u32; max as usize + 1];
        prefixes.iter().for_each(|&p| table[p as usize] += 1);
        for (p, &n) in table.iter().enumerate().filter(|(_, n)| **n > 0) {
            used.push(p as u64);
            counts.push(n);
        }
    } else {
        prefixes.sort_unstable();
        for p in prefixes {
            if used.last() == Some(&p) {
                *counts.last_mut()? += 1;
            } else {
                used.push(p);
                counts.push(1);
            }
        }
    }
    if used.len() > MAX_CLASSES {
        return None;
    }
    counts.iter_mut().for_each(|n| *n = 1 << n.ilog2());
    Some((used, counts))
}

fn encode_plan<W: Word>(keys: &[W], plan: &Plan, out: &mut Vec<u8>) -> Result<bool> {
    let repeats = if plan.reach > 0 { find_repeats(keys, plan.reach) } else { Vec::new() };
    let Some((mut used, mut weights)) = count_prefixes(keys, &repeats, plan) else { return Ok(false) };
    plan.write(out);
    let mut bits = Put { coder: Encoder::new(), bits: BitWriter::new() };
    code_table(&mut bits, &mut used, &mut weights)?;
    let count = keys.len();
    code_cells::<W, _, true>(&mut bits, plan, &used, &weights, keys, &mut Vec::new(), &repeats, count);
    out.extend(bits.coder.finish());
    out.extend(bits.bits.finish().iter().rev());
    Ok(true)
}

fn decode_plan<W: Word>(payload: &[u8], plan: &Plan, shape: Shape) -> Result<Cells> {
    let reversed: Vec<u8> = payload.iter().rev().copied().collect();
    let mut bits = Get { coder: Decoder::new(payload), bits: BitReader::new(&reversed) };
    let (mut used, mut weights) = (Vec::new(), Vec::new());
    code_table(&mut bits, &mut used, &mut weights)?;
    let mut keys: Vec<W> = limits::reserve(shape.count);
    code_cells::<W, _, false>(&mut bits, plan, &used, &weights, &[], &mut keys, &[], shape.count);
    keys.iter_mut().for_each(|k| *k = W::narrow((k.wide() << plan.shift).wrapping_add(plan.min)));
    Ok(keys::inverse(&keys, plan.map, shape.scalar))
}

/// Cells that candidates are tried on.
const SAMPLE: usize = 16384;

/// n x log2(n), in 1/256 bits.
fn n_log_n(n: u64) -> u64 {
    if n < 2 {
        return 0;
    }
    let e = 63 - n.leading_zeros() as u64;
    // log2(1 + f) ~ f + f (1 - f) x 0.344: within 0.002
    let f = (n << (63 - e) << 1) >> 48; // 16 bits
    let bent = f + ((f * (65536 - f) >> 16) * 22545 >> 16);
    n * (e * 256 + (bent >> 8))
}

/// A few pieces of the keys, in their order.
fn sample<W: Word>(keys: &[W], most: usize) -> Vec<W> {
    if keys.len() <= most {
        return keys.to_vec();
    }
    let piece = most / 4;
    let step = (keys.len() - piece) / 3;
    (0..4).flat_map(|k| keys[k * step..k * step + piece].iter().copied()).collect()
}

/// About how many bits the prefixes and suffixes take, without contexts.
fn estimate<W: Word>(symbols: &[W], cut: Cut, scratch: &mut Vec<u64>) -> u64 {
    scratch.clear();
    scratch.extend(symbols.iter().map(|k| cut.prefix(k.wide())));
    scratch.sort_unstable();
    let (mut cost, mut classes) = (n_log_n(symbols.len() as u64), 0u64);
    for run in scratch.chunk_by(|a, b| a == b) {
        classes += 1;
        cost -= n_log_n(run.len() as u64).min(cost);
        cost += cut.base(run[0]).0 as u64 * run.len() as u64 * 256;
    }
    if classes > MAX_CLASSES as u64 {
        return u64::MAX;
    }
    cost / 256 + classes * 6
}

fn candidates<W: Word>(
    stream: &Stream,
    forward: fn(&Cells, Map) -> Option<Vec<W>>,
) -> Result<Option<Vec<u8>>> {
    let maps: &[Map] = match stream.scalar {
        s if s.is_float() => &[Map::Integral, Map::Rotated, Map::Ordered],
        s if s.is_signed() => &[Map::Offset, Map::ZigZag],
        _ => &[Map::Plain],
    };
    let mut plans: Vec<(u64, Plan, usize)> = Vec::new();
    let mut framed: Vec<Vec<W>> = Vec::new();
    let mut scratch = Vec::new();
    for &map in maps {
        let Some(mut keys) = forward(stream.cells, map) else { continue };
        let (min, shift) = keys::frame(&keys);
        keys::into_frame(&mut keys, min, shift);
        let live = keys.iter().fold(0, |a, k| a | k.wide());
        let width = 64 - live.leading_zeros();
        let few = sample(&keys, 4096);
        let plan = Plan { map, min, shift, lag: 0, cut: Cut::Linear(0), depth: 2, side: 0, reach: 0 };
        let mut add = |symbols: &[W], lag: usize, cut: Cut| {
            let cost = estimate(symbols, cut, &mut scratch);
            if cost < u64::MAX {
                plans.push((cost, Plan { lag, cut, ..plan }, framed.len()));
            }
        };
        for top in [4, 6, 8] {
            if width > top {
                add(&few, 0, Cut::Linear(width - top));
            }
        }
        add(&few, 0, Cut::Linear(0));
        add(&few, 0, Cut::Gamma(1));
        let mut lags = vec![1];
        if stream.inner > 1 && stream.inner < 4096 {
            lags.push(stream.inner as usize);
        }
        for lag in lags {
            let symbols = keys::differences(&few, lag);
            for m in [0, 1, 2] {
                add(&symbols, lag, Cut::Gamma(m));
            }
        }
        framed.push(keys);
        if map == Map::Integral {
            break;
        }
    }
    plans.sort_by_key(|p| p.0);
    let few: Vec<Vec<W>> = framed.iter().map(|k| sample(k, SAMPLE)).collect();
    let mut best: Option<(usize, Plan, usize)> = None;
    let attempt = |plan: Plan, keys: usize, best: &mut Option<(usize, Plan, usize)>| -> Result<()> {
        let mut out = Vec::new();
        if encode_plan(&few[keys], &plan, &mut out)? && best.as_ref().is_none_or(|b| out.len() < b.0) {
            *best = Some((out.len(), plan, keys));
        }
        Ok(())
    };
    for (_, plan, keys) in plans.iter().take(3) {
        attempt(*plan, *keys, &mut best)?;
    }
    let Some((size, plan, keys)) = best else { return Ok(None) };
    let bits = (size * 8 / few[keys].len()) as u32;
    if stream.inner > 1 && stream.inner <= 1024 {
        attempt(Plan { side: stream.inner as usize, ..plan }, keys, &mut best)?;
    }
    if let Some((_, plan, keys)) = best {
        attempt(Plan { depth: 6, ..plan }, keys, &mut best)?;
    }
    if let Some((_, plan, keys)) = best.filter(|b| b.1.depth == 6) {
        attempt(Plan { depth: 10, ..plan }, keys, &mut best)?;
    }
    if let Some((_, plan, keys)) = best {
        attempt(Plan { reach: (bits + 2).clamp(4, 24), ..plan }, keys, &mut best)?;
    }
    let Some((_, plan, keys)) = best else { return Ok(None) };
    let mut out = Vec::new();
    Ok(encode_plan(&framed[keys], &plan, &mut out)?.then_some(out))
}

impl Codec for Adaptive {
    fn id(&self) -> u8 {
        4
    }
    fn name(&self) -> &'static str {
        "adaptive"
    }
    fn encode(&self, stream: &Stream, level: Level, out: &mut Vec<u8>) -> Result<bool> {
        if level == Level::Fast || stream.role == Role::Values(Meaning::Bytes) || stream.cells.is_empty() {
            return Ok(false);
        }
        let best = match stream.cells {
            Cells::W8(_) => candidates::<u64>(stream, keys::forward64)?,
            _ => candidates::<u32>(stream, keys::forward32)?,
        };
        if let Some(b) = best {
            out.extend(b);
            return Ok(true);
        }
        Ok(false)
    }
    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        let mut c = Cursor::new(payload);
        let plan = Plan::read(&mut c, shape.scalar)?;
        match shape.scalar.width() {
            8 => decode_plan::<u64>(c.rest(), &plan, shape),
            _ => decode_plan::<u32>(c.rest(), &plan, shape),
        }
    }
}
