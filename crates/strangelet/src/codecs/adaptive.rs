//! Adaptive: classes through mixed contexts and a binary coder, suffixes as they are.
//!
//! # What it does
//! Every cell becomes a class (of at most 256) and a suffix of bits, as in `classes`. A class is a walk through
//! a binary tree; each decision mixes four adaptive probabilities: of the class alone, behind the class
//! before, behind the two before, and behind either the class one row up (rows of a fixed inner shape),
//! the size of the number before (differences), or the three classes before. The first bits of the
//! suffix may have probabilities of their own; the rest is copied. Values that repeat an earlier one may be
//! coded as a distance in cells.
//!
//! # When it wins
//! On nearly all columns of numbers. It starts without tables, so that a column of some hundred cells is
//! not spoilt by a header, and takes time only where there is information: a cell takes about as many
//! decisions as its class has bits.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | 1 | bits 0-5: depth D, 0 to 16; bit 6: side given; bit 7: reach given |
//! | varint | where given: side S, 1 to 4096 (else 0) |
//! | 1 | where given: reach, 1 to 28 (else 0); the decoder needs only whether it is 0 |
//! | 2 and more | the plan (see `codecs/plan.rs`) |
//! | 1 | where the plan has a lag: scale, 0 to 63 |
//! | .. | bits of `entropy/binary.rs`: the table, then the cells |
//! | to the end | raw bits of `entropy/bits.rs`, bytes in reverse order: the last byte of the payload comes first |
//!
//! **Counters** (`entropy/mix.rs`) start at one half; their limit is 255 unless said. A counter that is not
//! mixed is coded with its probability clamped to 16 ..= 65520.
//!
//! **Table**: `code_table` of `codecs/plan.rs`. A weight is a power of two (the count of the class in the
//! stream, rounded down); its logarithm takes five decisions, highest bit first, with counters by
//! (logarithm of the weight before, at first 0; node), limit 30.
//!
//! **Tree**: `Tree` of `transform/classes.rs` over the weights. Node numbers follow the order in which ranges are
//! cut: the root is 0, the lower part of a range comes before its upper part, depth first.
//!
//! **A cell**: with reach, first the repeat (below). Else the class, by decisions from the root on; a one goes to
//! ranks from the node's split on. With P = the number of classes rounded up to a power of two, R =
//! 4 x cells rounded up to a power of two (within 2^8 ..= 2^18), classes r1, r2, r3 of the cells before (0 at first), the four
//! counters of node n are at (context x P + n) modulo the size of their table: contexts 0, r1,
//! r1 x P + r2, h; sizes P, min(P^2, R), min(P^3, R), R. h is hash(class of the cell S cells ago + 1, index modulo
//! S) where S is given (class 0 at first); else with a lag hash(key the difference is taken to >> scale, r1); else
//! hash(r1 x 65536 + r2, r3); hash(a, b) modulo 2^64: x = (a * 0x9E3779B97F4A7C15) xor (b * 0xD6E8FEB86659FD93);
//! ((x xor (x >> 29)) * 0x9E3779B97F4A7C15) >> 40. Each node has its own four weights; their rate is 6.
//!
//! **Suffix** of n bits: its first d = min(D', n) bits, where D' is D lowered until classes x 2^D' <= 2^18, each
//! with a counter by (class, bits so far behind a leading one); then n - d raw bits.
//!
//! **Repeat**: a decision whether there is one, by the kinds of the last four cells (81 contexts: 0 no repeat, 1 a new
//! distance, 2 the last distance; the newest has weight 1, the oldest 27); then whether the distance is the
//! last one, by the same context; else distance - 1 by its gamma prefix (m = 1; six decisions, highest bit first, a
//! counter each node) and its suffix as raw bits. The cell is that so many cells before, its class in the
//! contexts to come is that cell's.
//!
//! # Determinism
//! Integers only; the tables of `entropy/mix.rs` are computed by integers at build time.
//!
//! # References
//! M. Mahoney, Adaptive weighing of context models for lossless data compression (2005): logistic mixing.
//! G. N. N. Martin, Range encoding (1979). Trees with frequent symbols near the root: R. M. Fano (1949).

use super::plan::{Candidate, Forward, Plan, code_table, count_prefixes, flat_size, rank_plans, sample};
use crate::codec::{Codec, Level, Role, Shape, Stream};
use crate::column::{Cells, Meaning, Scalar};
use crate::entropy::binary::{BitCoder, Decoder, Encoder};
use crate::entropy::bits::{BitReader, BitWriter};
use crate::entropy::mix::{Counter, LIMIT, Weights, cost};
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::limits;
use crate::transform::classes::{Cut, LEAF, Ranks, Tree};
use crate::transform::keys::{Word, unzigzag};

/// Classes through an adaptive binary coder.
pub struct Adaptive;

/// Everything the decoder must know beside the bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settings {
    plan: Plan,
    /// Bits of the suffix that are modelled.
    depth: u32,
    /// With a lag: low bits of the key before that are no part of a context.
    scale: u32,
    /// Cells of a row, each with its own contexts; 0 for none.
    side: usize,
    /// Most cells back that a repeated value may lie, as a power of two; 0 for no repeats.
    reach: u32,
}

impl Settings {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.depth as u8 | ((self.side > 0) as u8) << 6 | ((self.reach > 0) as u8) << 7);
        if self.side > 0 {
            put(out, self.side as u64);
        }
        if self.reach > 0 {
            out.push(self.reach as u8);
        }
        self.plan.write(out);
        if self.plan.lag > 0 {
            out.push(self.scale as u8);
        }
    }

    fn read(c: &mut Cursor, scalar: Scalar) -> Result<Settings> {
        let flags = c.byte()?;
        let depth = (flags & 63) as u32;
        let side = if flags & 64 == 0 { 0 } else { c.varint()? };
        let reach = if flags & 128 == 0 { 0 } else { c.byte()? } as u32;
        if depth > MAX_DEPTH || side > MAX_SIDE as u64 || reach > MAX_REACH {
            return Err(corruption("adaptive: settings that do not exist"));
        }
        let plan = Plan::read(c, scalar)?;
        let scale = if plan.lag > 0 { c.byte()? } else { 0 } as u32;
        if scale > 63 {
            return Err(corruption("adaptive: settings that do not exist"));
        }
        Ok(Settings { plan, depth, scale, side: side as usize, reach })
    }
}

/// Most modelled bits of a suffix.
const MAX_DEPTH: u32 = 16;
/// Most cells of a row with contexts of their own.
const MAX_SIDE: usize = 1 << 12;
/// Farthest repeat, as a power of two.
const MAX_REACH: u32 = 28;

/// Modelled bits and raw bits, either direction.
pub(super) trait Bits: BitCoder {
    /// Raw bits: the low `n` of `value`, the rest of which is zero. The decoder ignores the value.
    fn raw(&mut self, value: u64, n: u32) -> u64;
}

pub(super) struct Put {
    pub coder: Encoder,
    pub bits: BitWriter,
}
pub(super) struct Get<'a> {
    pub coder: Decoder<'a>,
    pub bits: BitReader<'a>,
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
    fn exhausted(&self) -> bool {
        self.coder.exhausted()
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

/// Codes a weight of a class table: the logarithm of a power of two, by the one before.
pub(super) struct Weight {
    counters: Vec<[Counter; 32]>,
    before: usize,
}

impl Weight {
    pub fn new() -> Self {
        Weight { counters: vec![[Counter::default(); 32]; 32], before: 0 }
    }

    pub fn code<C: BitCoder>(&mut self, c: &mut C, weight: u32) -> u32 {
        let want = 31 - weight.max(1).leading_zeros();
        let mut node = 1usize;
        for k in (0..5).rev() {
            let counter = &mut self.counters[self.before][node & 31];
            let b = c.code(want >> k & 1 == 1, counter.p_coder());
            counter.update(b, 30);
            node = node << 1 | b as usize;
        }
        self.before = node & 31;
        1 << self.before
    }
}

/// Probabilities that are mixed.
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
            for (k, context) in contexts.iter().enumerate() {
                place[k] = context.wrapping_add(at as usize) & self.masks[k];
                p[k] = self.tables[k][place[k]].p();
            }
            let weights = &mut self.weights[at as usize];
            let mixed = weights.mix(p);
            let bit = c.code(rank >= node.split, mixed.p);
            weights.update(&mixed, bit, self.rate);
            for (table, place) in self.tables.iter_mut().zip(place) {
                table[place].update(bit, LIMIT);
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
fn hash(a: u64, b: u64) -> u64 {
    let h = a.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (h ^ h >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40
}

/// Codes all cells. The encoder gives the keys in their frame; the decoder fills them in.
#[allow(clippy::too_many_arguments)]
fn code_cells<W: Word, B: Bits, const ENCODE: bool>(
    bits: &mut B,
    settings: &Settings,
    used: &[u64],
    weights: &[u32],
    given: &[W],
    made: &mut Vec<W>,
    repeats: &[u32],
    count: usize,
) -> Result<()> {
    let (plan, side, reach) = (&settings.plan, settings.side, settings.reach);
    let bases: Vec<(u32, u64)> = used.iter().map(|&p| plan.cut.base(p)).collect();
    let ranks = if ENCODE { Ranks::new(used) } else { Ranks::new(&[]) };
    let mut model = Model::new(Tree::new(weights), used.len(), count);
    let stride = model.stride;
    let mut depth = settings.depth;
    while depth > 0 && used.len() << depth > 1 << 18 {
        depth -= 1;
    }
    let mut repeater = Repeats::new();
    let mut rank_log: Vec<u16> = if reach > 0 { limits::reserve(count) } else { Vec::new() };
    let mut fine = vec![Counter::default(); used.len() << depth];
    let mut history: Vec<u16> = vec![0; if side > 0 { side } else { 1 }];
    let (mut r1, mut r2, mut r3) = (0usize, 0usize, 0usize);
    let mut turn = 0;
    let scale = settings.scale;
    for i in 0..count {
        if i & 0xffff == 0xffff && bits.exhausted() {
            return Err(corruption("adaptive: the payload ends too early"));
        }
        let keys: &[W] = if ENCODE { given } else { made };
        let before = if plan.lag > 0 && i >= plan.lag { keys[i - plan.lag].wide() } else { 0 };
        let symbol = if ENCODE { plan.symbol::<W>(keys[i].wide(), before) } else { 0 };
        if reach > 0 {
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
            hash(history[turn] as u64 + 1, turn as u64)
        } else if plan.lag > 0 {
            hash(before >> scale, r1 as u64)
        } else {
            hash((r1 << 16 | r2) as u64, r3 as u64)
        } as usize;
        let contexts = [0, r1 * stride, (r1 * stride + r2) * stride, c3.wrapping_mul(stride)];
        let rank = model.code(bits, rank, contexts) as usize;
        (r1, r2, r3) = (rank, r1, r2);
        if reach > 0 {
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
    Ok(())
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
                result = (base.wrapping_add(low) as u32).wrapping_add(1);
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

fn encode_with<W: Word>(keys: &[W], settings: &Settings, out: &mut Vec<u8>) -> Result<bool> {
    let repeats = if settings.reach > 0 { find_repeats(keys, settings.reach) } else { Vec::new() };
    let counted = count_prefixes(keys, &settings.plan, |i| repeats.get(i).is_some_and(|&d| d > 0));
    let Some((mut used, mut weights)) = counted else { return Ok(false) };
    weights.iter_mut().for_each(|n| *n = 1 << n.ilog2());
    settings.write(out);
    let mut bits = Put { coder: Encoder::new(), bits: BitWriter::new() };
    let mut weight = Weight::new();
    code_table(&mut bits, &mut used, &mut weights, |c, w| Ok(weight.code(c, w)))?;
    let count = keys.len();
    code_cells::<W, _, true>(&mut bits, settings, &used, &weights, keys, &mut Vec::new(), &repeats, count)?;
    out.extend(bits.coder.finish());
    out.extend(bits.bits.finish().iter().rev());
    Ok(true)
}

fn decode_with<W: Word>(payload: &[u8], settings: &Settings, shape: Shape) -> Result<Cells> {
    let reversed: Vec<u8> = payload.iter().rev().copied().collect();
    let mut bits = Get { coder: Decoder::new(payload), bits: BitReader::new(&reversed) };
    let (mut used, mut weights) = (Vec::new(), Vec::new());
    let mut weight = Weight::new();
    code_table(&mut bits, &mut used, &mut weights, |c, w| Ok(weight.code(c, w)))?;
    let mut keys: Vec<W> = limits::reserve(shape.count);
    code_cells::<W, _, false>(&mut bits, settings, &used, &weights, &[], &mut keys, &[], shape.count)?;
    Ok(settings.plan.cells(keys, shape.scalar))
}

/// The best settings found, with the payload of the trial.
struct Best {
    payload: Vec<u8>,
    settings: Settings,
    /// Number of the keys.
    keys: usize,
}

/// Below the level `max`, contexts have to save this part (a divisor) of what `classes` takes: they cost ten
/// times its time, both ways.
const PAYS: usize = 10;

/// Cells from which on more than the usual settings are tried at the level `balanced`.
const MANY: usize = 512;

/// How many bits of the suffixes are worth modelling: what each next one would save is counted by the same
/// counters that [`code_cells`] has, which do not depend on how many there are.
pub(super) fn best_depth<W: Word>(keys: &[W], plan: &Plan) -> u32 {
    const MOST: usize = 10;
    let Some((used, _)) = count_prefixes(keys, plan, |_| false) else { return 2 };
    let bases: Vec<(u32, u64)> = used.iter().map(|&p| plan.cut.base(p)).collect();
    let deepest = bases.iter().map(|b| b.0).max().unwrap_or(0).min(MOST as u32);
    // Deeper than what so few cells can teach nothing is saved.
    let room = (keys.len() * 16).max(1 << 10);
    let depth = (0..=deepest).rev().find(|d| used.len() << d <= room).unwrap_or(0);
    if depth == 0 {
        return 0;
    }
    let ranks = Ranks::new(&used);
    let mut fine = vec![Counter::default(); used.len() << depth];
    let mut saved = [0i64; MOST];
    plan.symbols(keys, |symbol| {
        let rank = usize::from(ranks.rank(plan.cut.prefix(symbol)));
        let (n, base) = bases[rank];
        let suffix = symbol.wrapping_sub(base);
        let mut node = 1;
        for (k, saved) in (0..depth.min(n)).zip(&mut saved) {
            let counter = &mut fine[rank << depth | node];
            let bit = suffix >> (n - 1 - k) & 1 == 1;
            *saved += 256 - i64::from(cost(counter.p_coder(), bit));
            counter.update(bit, LIMIT);
            node = node << 1 | usize::from(bit);
        }
    });
    let (mut sum, mut best) = (0, (0, 0));
    for (k, saved) in (1..=depth).zip(saved) {
        sum += saved;
        if sum > best.0 {
            best = (sum, k);
        }
    }
    best.1
}

/// Finds settings by trials on a few pieces, each step keeping what the one before has found.
fn search<W: Forward>(stream: &Stream, level: Level) -> Result<Option<Vec<u8>>> {
    let plans = rank_plans::<W>(stream);
    let count = stream.cells.len();
    let most = if count <= 1024 { 1024 } else { (count / 16).clamp(1024, 8192) };
    // The keys of the best plans, whole and some.
    let (mut framed, mut few): (Vec<Vec<W>>, Vec<Vec<W>>) = (Vec::new(), Vec::new());
    let close = |c: &&Candidate| c.cost <= plans[0].cost + plans[0].cost / 128;
    let plans: Vec<&Candidate> = plans.iter().take(2).filter(close).collect();
    for c in &plans {
        let keys = c.plan.keys::<W>(stream.cells);
        few.push(sample(&keys, most));
        framed.push(keys);
        if plans.iter().all(|p| p.plan.map == c.plan.map) {
            break;
        }
    }
    let mut best: Option<Best> = None;
    let attempt = |mut settings: Settings, keys: usize, best: &mut Option<Best>| -> Result<()> {
        let mut payload = Vec::new();
        while !encode_with(&few[keys], &settings, &mut payload)? {
            match settings.plan.coarser() {
                Some(plan) => settings.plan = plan,
                None => return Ok(()),
            }
        }
        if best.as_ref().is_none_or(|b| payload.len() < b.payload.len()) {
            *best = Some(Best { payload, settings, keys });
        }
        Ok(())
    };
    for (i, c) in plans.iter().enumerate() {
        let keys = i.min(framed.len() - 1);
        let live = framed[keys].iter().fold(0, |a, k| a | k.wide());
        let scale = (64 - live.leading_zeros()).saturating_sub(6);
        let depth = best_depth(&few[keys], &c.plan);
        let settings = Settings { plan: c.plan, depth, scale, side: 0, reach: 0 };
        attempt(settings, keys, &mut best)?;
    }
    let Some(b) = &best else { return Ok(None) };
    let (s, keys) = (b.settings, b.keys);
    let bits = (b.payload.len() * 8 / few[keys].len()) as u32;
    // Few cells are not worth many trials.
    let hasty = level == Level::Balanced && count < MANY;
    let side = stream.inner as usize;
    if side > 1 && side <= MAX_SIDE {
        attempt(Settings { side, ..s }, keys, &mut best)?;
    }
    if let Some(b) = &best {
        let (s, keys) = (b.settings, b.keys);
        // A repeat is worth what the cell would take: without what its suffix has learnt of repeats by itself.
        let flat = flat_size(&few[keys], &s.plan).map_or(0, |n| (n * 8 / few[keys].len()) as u32);
        let reach = (bits.max(flat) + 2).clamp(4, 24);
        let hits = find_repeats(&few[keys], reach).iter().filter(|d| **d > 0).count();
        if hits > few[keys].len() / if hasty { 4 } else { 10 } {
            attempt(Settings { reach, ..s }, keys, &mut best)?;
        }
    }
    let Some(Best { payload, mut settings, keys }) = best else { return Ok(None) };
    if few[keys].len() == count {
        return Ok(Some(payload));
    }
    if level == Level::Balanced
        && let Some(flat) = flat_size(&few[keys], &settings.plan)
        && payload.len() > flat - flat / PAYS
    {
        return Ok(None);
    }
    let mut out = Vec::new();
    // The whole may have more classes than the sample.
    while !encode_with(&framed[keys], &settings, &mut out)? {
        match settings.plan.coarser() {
            Some(plan) => settings.plan = plan,
            None => return Ok(None),
        }
    }
    Ok(Some(out))
}

impl Codec for Adaptive {
    fn id(&self) -> u8 {
        super::ADAPTIVE
    }
    fn name(&self) -> &'static str {
        "adaptive"
    }
    fn encode(&self, stream: &Stream, level: Level, out: &mut Vec<u8>) -> Result<bool> {
        if level == Level::Fast || stream.role == Role::Values(Meaning::Bytes) || stream.cells.is_empty() {
            return Ok(false);
        }
        let best = match stream.cells {
            Cells::W8(_) => search::<u64>(stream, level)?,
            _ => search::<u32>(stream, level)?,
        };
        if let Some(b) = best {
            out.extend(b);
            return Ok(true);
        }
        Ok(false)
    }
    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        let mut c = Cursor::new(payload);
        let settings = Settings::read(&mut c, shape.scalar)?;
        match shape.scalar.width() {
            8 => decode_with::<u64>(c.rest(), &settings, shape),
            _ => decode_with::<u32>(c.rest(), &settings, shape),
        }
    }
}
