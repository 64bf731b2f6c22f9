//! Plans: how the cells of a stream become classes and suffixes. Shared by the codecs of numbers.
//!
//! # Payload of a plan
//! | bytes | what |
//! |---|---|
//! | 1 | bits 0-2: number of the map ([`Map`]); bit 3: the cut is gamma, else linear; bit 4: lag given; bit 5: least key given; bit 6: shift given; bit 7: dead bits given |
//! | 1 | parameter of the cut: 0 to 63 (linear), 0 to 8 (gamma) |
//! | varint | where given: lag, at least 1 |
//! | varint | where given: least key |
//! | 1 | where given: shift, 1 to 63 |
//! | 1 | where given: dead bits, at least 1, fewer than the cell has; none with the integral map |
//!
//! A cell loses its dead low bits, which are zero in all cells, and becomes a key by the map; the frame takes the least key away and shifts the dead low bits out; with
//! a lag, the symbol is the zigzag difference (modulo the word: 32 bits for cells of up to four bytes, else
//! 64) to the key that many cells before (zero before the first); else it is the key. The cut parts the
//! symbol into prefix and suffix. Prefixes in use are ranked in ascending order: the rank is the class.

use crate::codec::Stream;
use crate::column::{Cells, Scalar};
use crate::entropy::binary::BitCoder;
use crate::entropy::mix::Counter;
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::transform::classes::Cut;
use crate::transform::keys::{self, Map, Word, zigzag};

/// Most classes.
pub const MAX_CLASSES: usize = 256;

/// How cells become classes and suffixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Low bits that are zero in all cells.
    pub dead: u32,
    /// From bit patterns to keys.
    pub map: Map,
    /// Least key.
    pub min: u64,
    /// Dead low bits of the keys above the least.
    pub shift: u32,
    /// Cells back to the one that is subtracted; 0 for none.
    pub lag: usize,
    /// Where symbols are parted.
    pub cut: Cut,
}

impl Plan {
    /// Appends the plan.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (gamma, n) = match self.cut {
            Cut::Linear(n) => (0, n),
            Cut::Gamma(m) => (1, m),
        };
        let given = |x: bool, bit: u32| (x as u8) << bit;
        out.push(
            self.map as u8
                | gamma << 3
                | given(self.lag > 0, 4)
                | given(self.min > 0, 5)
                | given(self.shift > 0, 6)
                | given(self.dead > 0, 7),
        );
        out.push(n as u8);
        if self.lag > 0 {
            put(out, self.lag as u64);
        }
        if self.min > 0 {
            put(out, self.min);
        }
        if self.shift > 0 {
            out.push(self.shift as u8);
        }
        if self.dead > 0 {
            out.push(self.dead as u8);
        }
    }

    /// Reads a plan for cells of a type.
    pub fn read(c: &mut Cursor, scalar: Scalar) -> Result<Plan> {
        let [flags, n] = c.array()?;
        let bad = |what: &str| corruption(format!("a plan with no such {what}"));
        let map = Map::from_id(flags & 7).filter(|m| m.fits(scalar)).ok_or_else(|| bad("map"))?;
        let cut = match (flags & 8 == 0, n) {
            (true, 0..64) => Cut::Linear(n as u32),
            (false, 0..9) => Cut::Gamma(n as u32),
            _ => return Err(bad("cut")),
        };
        let lag = if flags & 16 == 0 { 0 } else { c.varint()? };
        let min = if flags & 32 == 0 { 0 } else { c.varint()? };
        let shift = if flags & 64 == 0 { 0 } else { c.byte()? };
        let dead = if flags & 128 == 0 { 0 } else { c.byte()? } as u32;
        if shift > 63 || dead >= scalar.width() as u32 * 8 || (dead > 0 && map == Map::Integral) {
            return Err(bad("shift"));
        }
        Ok(Plan { dead, map, min, shift: shift as u32, lag: usize::try_from(lag).unwrap_or(usize::MAX), cut })
    }

    /// The same with about half the classes; `None` where that cannot be.
    pub fn coarser(&self) -> Option<Plan> {
        let cut = match self.cut {
            Cut::Linear(n) if n < 63 => Cut::Linear(n + 1),
            Cut::Gamma(m) if m > 0 => Cut::Gamma(m - 1),
            _ => return None,
        };
        Some(Plan { cut, ..*self })
    }

    /// The symbol of a key whose reference is `before`.
    #[inline(always)]
    pub fn symbol<W: Word>(&self, key: u64, before: u64) -> u64 {
        if self.lag > 0 { W::narrow(zigzag(key.wrapping_sub(before), W::BITS)).wide() } else { key }
    }

    /// Gives the symbols of keys in their order.
    #[inline(always)]
    pub fn symbols<W: Word>(&self, keys: &[W], mut to: impl FnMut(u64)) {
        if self.lag == 0 {
            return keys.iter().for_each(|k| to(k.wide()));
        }
        let (first, rest) = keys.split_at(self.lag.min(keys.len()));
        first.iter().for_each(|k| to(self.symbol::<W>(k.wide(), 0)));
        rest.iter().zip(keys).for_each(|(k, before)| to(self.symbol::<W>(k.wide(), before.wide())));
    }

    /// The keys of cells in their frame; empty where the map does not fit.
    pub fn keys<W: Forward>(&self, cells: &Cells) -> Vec<W> {
        let mut keys = W::forward(cells, self.map, self.dead).unwrap_or_default();
        keys::into_frame(&mut keys, self.min, self.shift);
        keys
    }

    /// The cells of keys in their frame.
    pub fn cells<W: Word>(&self, mut keys: Vec<W>, scalar: Scalar) -> Cells {
        if self.min != 0 || self.shift != 0 {
            keys.iter_mut().for_each(|k| *k = W::narrow((k.wide() << self.shift).wrapping_add(self.min)));
        }
        keys::inverse(keys, self.map, self.dead, scalar)
    }
}

/// Keys of either word.
pub trait Forward: Word {
    /// The keys of cells, or `None` where the map does not fit one of them.
    fn forward(cells: &Cells, map: Map, dead: u32) -> Option<Vec<Self>>;
}
impl Forward for u32 {
    fn forward(cells: &Cells, map: Map, dead: u32) -> Option<Vec<u32>> {
        keys::forward32(cells, map, dead)
    }
}
impl Forward for u64 {
    fn forward(cells: &Cells, map: Map, dead: u32) -> Option<Vec<u64>> {
        keys::forward64(cells, map, dead)
    }
}

/// Codes a number by Elias gamma with adaptive bits.
pub struct Number {
    length: [Counter; 65],
}
impl Number {
    /// Nothing learnt yet.
    pub fn new() -> Self {
        Number { length: [Counter::default(); 65] }
    }
    /// Codes a number: one bit for each binary digit it has, a stop bit, then the digits below the first.
    pub fn code<C: BitCoder>(&mut self, c: &mut C, x: u64) -> u64 {
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

/// Codes which prefixes are in use (in ascending order) and a weight (1 to 2^32 - 1) of each. With empty
/// `used` it decodes.
///
/// The number of prefixes and the first prefix as a [`Number`] each (with fresh counters), then for each
/// prefix the gap to the one before, less one, and its weight.
pub fn code_table<C: BitCoder>(
    c: &mut C,
    used: &mut Vec<u64>,
    weights: &mut Vec<u32>,
    mut weight: impl FnMut(&mut C, u32) -> Result<u32>,
) -> Result<()> {
    let bad = || corruption("a bad class in a table");
    let n = Number::new().code(c, used.len() as u64) as usize;
    if n == 0 || n > MAX_CLASSES {
        return Err(bad());
    }
    let decode = used.is_empty();
    let mut gaps = Number::new();
    let mut last = 0u64;
    for i in 0..n {
        let gap = match i {
            _ if decode => 0,
            0 => used[0],
            _ => used[i] - used[i - 1] - 1,
        };
        last = match i {
            0 => Number::new().code(c, gap),
            _ => last.checked_add(gaps.code(c, gap)).and_then(|p| p.checked_add(1)).ok_or_else(bad)?,
        };
        let w = weight(c, if decode { 0 } else { weights[i] })?;
        if decode {
            used.push(last);
            weights.push(w);
        }
    }
    Ok(())
}

/// Prefixes in use and how often, of the symbols that `skip` does not leave out; `None` for too many.
pub fn count_prefixes<W: Word>(
    keys: &[W],
    plan: &Plan,
    skip: impl Fn(usize) -> bool,
) -> Option<(Vec<u64>, Vec<u32>)> {
    match plan.cut {
        Cut::Linear(n) => count_by(keys, plan, skip, |s| Cut::Linear(n).prefix(s)),
        Cut::Gamma(m) => count_by(keys, plan, skip, |s| Cut::Gamma(m).prefix(s)),
    }
}

fn count_by<W: Word>(
    keys: &[W],
    plan: &Plan,
    skip: impl Fn(usize) -> bool,
    prefix: impl Fn(u64) -> u64,
) -> Option<(Vec<u64>, Vec<u32>)> {
    let mut at = 0;
    let (mut used, mut counts): (Vec<u64>, Vec<u32>) = (Vec::new(), Vec::new());
    if keys.len() > 2000 {
        const FEW: usize = 1 << 12;
        // Two tables, for the same prefix often comes twice in a row.
        let mut tables = [[0u32; FEW]; 2];
        let mut live = 0;
        plan.symbols(keys, |s| {
            if !skip(at) {
                let p = prefix(s);
                live |= p;
                tables[at & 1][p as usize & (FEW - 1)] += 1;
            }
            at += 1;
        });
        let table: Vec<u32> = match live {
            0..0x1000 => tables[0].iter().zip(&tables[1]).map(|(a, b)| a + b).collect(),
            0x1000..0x1_0000 => {
                let (mut table, mut at) = (vec![0; 1 << 16], 0);
                plan.symbols(keys, |s| {
                    table[prefix(s) as usize & 0xffff] += !skip(at) as u32;
                    at += 1;
                });
                table
            }
            _ => return None, // more classes than any cut that is worth it
        };
        for (p, &n) in table.iter().enumerate().filter(|(_, n)| **n > 0) {
            used.push(p as u64);
            counts.push(n);
        }
    } else {
        let mut prefixes: Vec<u64> = Vec::with_capacity(keys.len());
        plan.symbols(keys, |s| {
            if !skip(at) {
                prefixes.push(prefix(s));
            }
            at += 1;
        });
        prefixes.sort_unstable();
        for run in prefixes.chunk_by(|a, b| a == b) {
            used.push(run[0]);
            counts.push(run.len() as u32);
        }
    }
    (used.len() <= MAX_CLASSES && !used.is_empty()).then_some((used, counts))
}

/// About how many bytes the codec `classes` takes for keys; `None` for too many classes.
pub fn flat_size<W: Word>(keys: &[W], plan: &Plan) -> Option<usize> {
    let (used, counts) = count_prefixes(keys, plan, |_| false)?;
    let mut bits = n_log_n(keys.len() as u64);
    for (&p, &n) in used.iter().zip(&counts) {
        bits = bits.saturating_sub(n_log_n(n as u64)) + n as u64 * 256 * plan.cut.base(p).0 as u64;
    }
    Some((bits / 256 / 8) as usize + used.len() * 6 / 8 + 4)
}

/// n x log2(n), in 1/256 bits.
fn n_log_n(n: u64) -> u64 {
    if n < 2 {
        return 0;
    }
    let e = 63 - n.leading_zeros() as u64;
    // log2(1 + f) ~ f + f (1 - f) x 0.344: within 0.002
    let f = (n << (63 - e) << 1) >> 48; // 16 bits
    let bent = f + ((((f * (65536 - f)) >> 16) * 22545) >> 16);
    n * (e * 256 + (bent >> 8))
}

/// Four pieces of the cells in their order, together `most` at most.
fn sample_cells(cells: &Cells, most: usize) -> Cells {
    match cells {
        Cells::W1(v) => Cells::W1(sample(v, most)),
        Cells::W2(v) => Cells::W2(sample(v, most)),
        Cells::W4(v) => Cells::W4(sample(v, most)),
        Cells::W8(v) => Cells::W8(sample(v, most)),
    }
}

/// Four pieces of the keys in their order, together `most` at most.
pub fn sample<W: Copy>(keys: &[W], most: usize) -> Vec<W> {
    if keys.len() <= most {
        return keys.to_vec();
    }
    let piece = most / 4;
    let step = (keys.len() - piece) / 3;
    (0..4).flat_map(|k| keys[k * step..k * step + piece].iter().copied()).collect()
}

/// Symbols with the same prefix: one of them, and how many they are.
type Group = (u64, u32);

/// About how many bits prefixes and suffixes take, without contexts, for symbols in groups that no prefix of the
/// cut parts, in ascending order. `None` where there are too many classes.
fn estimate(groups: &[Group], cut: Cut) -> Option<u64> {
    let (mut total, mut cost, mut classes, mut suffixes) = (0, 0u64, 0, 0);
    for run in groups.chunk_by(|a, b| cut.prefix(a.0) == cut.prefix(b.0)) {
        let n = run.iter().map(|g| g.1 as u64).sum();
        total += n;
        classes += 1;
        cost += n_log_n(n);
        suffixes += cut.base(cut.prefix(run[0].0)).0 as u64 * n;
    }
    let cost = n_log_n(total).saturating_sub(cost) / 256 + suffixes + classes * 6;
    (classes <= MAX_CLASSES as u64).then_some(cost)
}

/// Symbols in groups by a cut that has less than `N` prefixes for them.
fn grouped<const N: usize>(symbols: &[u64], cut: Cut) -> Vec<Group> {
    let mut counts = [0u32; N];
    for &s in symbols {
        if let Some(n) = counts.get_mut(cut.prefix(s) as usize) {
            *n += 1;
        }
    }
    let used = counts.iter().enumerate().filter(|(_, n)| **n > 0);
    used.map(|(p, &n)| (cut.base(p as u64).1, n)).collect()
}

/// Each symbol a group of its own, where they are few enough to be classes, also when `others` symbols more
/// come: the chance that a symbol was not seen so far is about the part of those seen once.
fn distinct(symbols: &[u64], others: u64) -> Option<Vec<Group>> {
    const SLOTS: usize = 1024;
    let mut slots = [(0u64, 0u32); SLOTS];
    let mut used = 0;
    for &s in symbols {
        let mut at = (s.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize;
        while slots[at].1 > 0 && slots[at].0 != s {
            at = (at + 1) % SLOTS;
        }
        if slots[at].1 == 0 {
            used += 1;
            if used > MAX_CLASSES {
                return None;
            }
        }
        slots[at] = (s, slots[at].1 + 1);
    }
    let mut groups: Vec<Group> = slots.into_iter().filter(|g| g.1 > 0).collect();
    groups.sort_unstable();
    let (len, once) = (symbols.len() as u64, groups.iter().filter(|g| g.1 == 1).count() as u64);
    let new = once * others.min(len * 8) / len.max(1);
    (used as u64 + new / 4 <= MAX_CLASSES as u64).then_some(groups)
}

/// A plan with a guess of its cost.
pub struct Candidate {
    /// The plan.
    pub plan: Plan,
    /// Bits that [`rank_plans`] guesses for its sample.
    pub cost: u64,
}

/// Cells that are looked at to rank plans.
const GLANCE: usize = 1024;

/// Plans that fit the stream, the most promising first.
pub fn rank_plans<W: Forward>(stream: &Stream) -> Vec<Candidate> {
    let maps: &[Map] = match stream.scalar {
        s if s.is_float() => &[Map::Integral, Map::Rotated, Map::Ordered],
        s if s.is_signed() => &[Map::Offset, Map::ZigZag],
        _ => &[Map::Plain],
    };
    let mut plans = Vec::new();
    let glance = sample_cells(stream.cells, GLANCE);
    let mut symbols: Vec<u64> = Vec::new();
    let dead = keys::dead_bits(stream.cells);
    for &map in maps {
        let dead = if map == Map::Integral { 0 } else { dead };
        let Some(keys::Frame { min, shift, width }) = keys::frame(stream.cells, map, dead) else { continue };
        let Some(mut few) = W::forward(&glance, map, dead) else { continue };
        keys::into_frame(&mut few, min, shift);
        let mut lags = vec![0];
        if map != Map::Rotated {
            lags.push(1);
        }
        if stream.inner > 1 && stream.inner < few.len() as u64 / 4 {
            lags.push(stream.inner as usize);
        }
        for lag in lags {
            let plan = Plan { dead, map, min, shift, lag, cut: Cut::Linear(0) };
            symbols.clear();
            symbols.extend(
                (lag.min(few.len())..few.len())
                    .map(|i| plan.symbol::<W>(few[i].wide(), if lag > 0 { few[i - lag].wide() } else { 0 })),
            );
            let mut add = |groups: &[Group], cut: Cut| {
                if let Some(cost) = estimate(groups, cut) {
                    plans.push(Candidate { plan: Plan { cut, ..plan }, cost });
                }
            };
            if lag == 0 {
                let groups = grouped::<256>(&symbols, Cut::Linear(width.saturating_sub(8)));
                for top in [4, 5, 6, 7, 8] {
                    if width > top {
                        add(&groups, Cut::Linear(width - top));
                    }
                }
                if width <= 8 {
                    add(&groups, Cut::Linear(0));
                } else if let Some(groups) = distinct(&symbols, (stream.cells.len() - few.len()) as u64) {
                    add(&groups, Cut::Linear(0));
                }
            }
            let groups = grouped::<256>(&symbols, Cut::Gamma(2));
            for m in [0, 1, 2] {
                add(&groups, Cut::Gamma(m));
            }
        }
        if map == Map::Integral {
            break;
        }
    }
    plans.sort_by_key(|p| p.cost);
    plans
}
