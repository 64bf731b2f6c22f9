//! What to look at: chosen by what it would save on a sample.

use super::contexts::{Before, Context, Known, MAX_SIDE, places, spread};
use super::{CELL, Lookup, MAX_NEEDS, NONE, Said, Settings, count_differences, encode_with, join};
use crate::codec::Stream;
use crate::codecs::adaptive::best_depth;
use crate::codecs::plan::{Forward, Plan, count_prefixes, rank_plans, sample};
use crate::column::{Cells, Scalar};
use crate::entropy::mix::{Counter, LIMIT, cost};
use crate::error::Result;
use crate::model::blend::MOST;
use crate::model::levels::levels;
use crate::relate::{Relation, Term};
use crate::transform::classes::{Cut, Ranks};
use crate::transform::keys::{Map, Word};
use std::sync::OnceLock;

/// The levels of the columns of a chunk, worked out once.
pub struct Levels(Vec<OnceLock<Vec<u8>>>);

impl Levels {
    /// For so many streams.
    pub fn new(streams: usize) -> Levels {
        Levels((0..streams).map(|_| OnceLock::new()).collect())
    }

    /// How many levels a column of so many cells has as a context.
    fn number(count: usize) -> u8 {
        match count {
            0..1024 => 8,
            1024..8192 => 16,
            8192..65536 => 32,
            _ => 64,
        }
    }

    fn of(&self, streams: &[Stream], i: usize) -> &[u8] {
        let made = self.0.get(i).map(|once| {
            once.get_or_init(|| {
                let s = &streams[i];
                levels(s.cells, s.scalar, Levels::number(s.cells.len()).into())
            })
        });
        made.map_or(&[], Vec::as_slice)
    }
}

/// A stream among the others of its chunk.
pub struct Around<'a> {
    /// All streams of the chunk.
    pub streams: &'a [Stream<'a>],
    /// The number of the stream.
    pub own: usize,
    /// Streams with a cell for each of its cells, the nearest first.
    pub peers: Vec<usize>,
    /// The lengths of its innermost lists, where their cells are one each.
    pub lengths: Option<usize>,
    /// Streams with a cell for each of those lists.
    pub events: Vec<usize>,
    /// Levels of the columns.
    pub levels: &'a Levels,
}

/// How much is looked at before anything is coded.
#[derive(Debug, Clone, Copy)]
pub struct Care {
    /// Cells of the sample.
    sample: usize,
    /// Cells on which lookups are weighed.
    looked: usize,
    /// Streams that may tell a value.
    told: usize,
    /// Bytes that another codec takes, and what share of them must go by the sample: 1 / this.
    beats: Option<(usize, usize)>,
}

impl Care {
    /// Whatever may help.
    pub const ALL: Care = Care { sample: 2048, looked: 8192, told: 16, beats: None };

    /// Only what promises much beside the bytes of another codec.
    pub fn beside(bytes: usize) -> Care {
        Care { sample: 768, looked: 1024, told: 4, beats: Some((bytes, 8)) }
    }
}

/// Contexts that stay in the race after the first round.
const RACE: usize = 10;

/// log2(x) x 256 of a number that is not zero, within a few units.
fn log2(x: u64) -> u64 {
    let e = 63 - u64::from(x.max(1).leading_zeros());
    let f = (x << (63 - e) << 1) >> 48;
    let bent = f + ((((f * (65536 - f)) >> 16) * 22545) >> 16);
    e * 256 + (bent >> 8)
}

/// Candidates for contexts, as numbers at the places of the sample.
struct Tried {
    context: Pending,
    numbers: Vec<u32>,
}

/// A context whose streams are named by their numbers in the chunk.
#[derive(Clone, Copy)]
enum Pending {
    Plain(Context),
    Column(usize, Before),
    Place,
    Event(usize),
}

/// How the chance of each class of the sample changes when a context is added; in 1/256 bits the sum of what the
/// classes cost. `chances` (of 65536) are those of the classes that came, without the context.
fn with_context(numbers: &[u32], classes: &[u16], chances: &[u32], out: &mut Vec<u32>) -> u64 {
    const TRUST: u32 = 2;
    let bits = (classes.len() * 4).next_power_of_two().ilog2();
    let mut pairs = vec![0u16; 1 << bits];
    let mut alone = vec![0u16; 1 << bits];
    let mut total = 0;
    out.clear();
    for ((&n, &class), &p) in numbers.iter().zip(classes).zip(chances) {
        let h = u64::from(n).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let of = &mut alone[(h >> (64 - bits)) as usize];
        let h = (h ^ u64::from(class)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let both = &mut pairs[(h >> (64 - bits)) as usize];
        let p = (u32::from(*both) * 65536 + TRUST * p) / (u32::from(*of).max((*both).into()) + TRUST);
        let p = p.clamp(1, 65536);
        out.push(p);
        total += 16 * 256 - log2(p.into());
        *both = both.saturating_add(1);
        *of = of.saturating_add(1);
    }
    total
}

/// What a lookup saves on the first cells, in 1/256 bits, where a cell costs `each`.
fn looked_up<W: Word>(hashes: &[u64], own: bool, keys: &[W], each: u64) -> i64 {
    let n = keys.len();
    let bits = (n * 2).next_power_of_two().ilog2().max(4);
    let mut slots: Vec<(u64, W, u8)> = vec![(0, W::default(), 0); 1 << bits];
    let mut counters = [Counter::default(); 16];
    let (mut saved, mut before) = (0i64, 0);
    for (i, &key) in keys.iter().enumerate() {
        let h = hashes.get(i).copied().unwrap_or(0);
        let h = if own { join(h, before) } else { h };
        let h = h.wrapping_mul(0xD6E8_FEB8_6659_FD93) | 1;
        let slot = &mut slots[(h >> (64 - bits)) as usize];
        if slot.0 == h {
            let right = slot.1 == key;
            let counter = &mut counters[usize::from(slot.2.min(15))];
            saved -= i64::from(cost(counter.p_coder(), right));
            saved += if right { each as i64 } else { 0 };
            counter.update(right, LIMIT);
            slot.2 = if right { slot.2.saturating_add(1) } else { slot.2 / 4 };
        } else {
            slot.2 = 0;
        }
        (slot.0, slot.1) = (h, key);
        before = key.wide();
    }
    saved
}

/// The payload of a stream, or nothing where the codec does not fit. With a relation it is coded after that.
pub fn encode(around: &Around, relation: Option<&Relation>, care: Care) -> Result<Option<Vec<u8>>> {
    let Some(stream) = around.streams.get(around.own) else { return Ok(None) };
    if stream.cells.len() < 16 {
        return Ok(None);
    }
    match stream.cells {
        Cells::W8(_) => find::<u64>(stream, around, relation, care),
        _ => find::<u32>(stream, around, relation, care),
    }
}

/// Of longer streams a piece is looked at first, where only much is worth the time.
const LONG: usize = 1 << 14;
/// Cells of that piece.
const PIECE: usize = 1 << 12;

/// Whether a piece of a long stream promises what is asked for.
fn promises<W: Forward>(stream: &Stream, around: &Around, bytes: usize, share: usize) -> Result<bool> {
    let count = stream.cells.len();
    let from = (count - PIECE) / 2;
    // Where a row of a fixed length begins.
    let from = from - from % usize::try_from(stream.inner.max(1)).unwrap_or(1).min(from.max(1));
    let to = from + PIECE;
    let wanted: Vec<usize> = around.peers.iter().copied().chain([around.own]).collect();
    let cells: Vec<Cells> =
        wanted.iter().filter_map(|&i| around.streams.get(i)).map(|s| s.cells.slice(from..to)).collect();
    let streams: Vec<Stream> = wanted
        .iter()
        .filter_map(|&i| around.streams.get(i))
        .zip(&cells)
        .map(|(s, cells)| Stream { cells, lists: None, ..*s })
        .collect();
    let own = wanted.len() - 1;
    let levels = Levels::new(streams.len());
    let peers = (0..own).collect();
    let piece = Around { streams: &streams, own, peers, lengths: None, events: Vec::new(), levels: &levels };
    // What is asked of the whole is asked of the piece; its codec would be told by what lies before it.
    let care = Care { beats: Some((bytes * PIECE / count, share)), ..Care::beside(0) };
    Ok(search::<W>(&streams[own], &piece, None, care)?.is_some())
}

fn find<W: Forward>(
    stream: &Stream,
    around: &Around,
    relation: Option<&Relation>,
    care: Care,
) -> Result<Option<Vec<u8>>> {
    if let (Some((bytes, share)), None) = (care.beats, relation)
        && stream.cells.len() > LONG
        && !promises::<W>(stream, around, bytes, share)?
    {
        return Ok(None);
    }
    let Some((settings, keys)) = search::<W>(stream, around, relation, care)? else { return Ok(None) };
    let needed = settings.needs.iter().filter_map(|n| around.streams.get(n.0)).map(|s| s.cells);
    encode_with(&keys, &settings, &needed.collect::<Vec<_>>(), stream.scalar)
}

/// How to code a stream, and its keys; nothing where that does not fit or does not promise enough.
fn search<W: Forward>(
    stream: &Stream,
    around: &Around,
    relation: Option<&Relation>,
    care: Care,
) -> Result<Option<(Settings, Vec<W>)>> {
    let mut needs = Needs { streams: around.streams, list: Vec::new() };
    let mut terms: Vec<Term> = Vec::new();
    for t in relation.iter().flat_map(|r| &r.terms) {
        let mut columns = [0; 4];
        for (column, &stream) in columns.iter_mut().zip(&t.columns).take(t.kind.columns()) {
            let Some(n) = needs.number(stream) else { return Ok(None) };
            *column = n.into();
        }
        terms.push(Term { columns, ..*t });
    }
    let mut plan = match relation {
        None => match rank_plans::<W>(stream).first() {
            Some(best) => best.plan,
            None => return Ok(None),
        },
        Some(_) => {
            let map = match stream.scalar {
                s if s.is_float() => Map::Ordered,
                s if s.is_signed() => Map::Offset,
                _ => Map::Plain,
            };
            Plan { dead: 0, map, min: 0, shift: 0, lag: 1, cut: Cut::Gamma(1) }
        }
    };
    let keys = plan.keys::<W>(stream.cells);
    let mut settings = Settings {
        needs: Vec::new(),
        plan,
        scale: 0,
        depth: 0,
        contexts: Vec::new(),
        lookups: Vec::new(),
        relation: terms,
    };
    settings.needs.clone_from(&needs.list);
    let cells_of = |list: &[(usize, Scalar)]| -> Vec<&Cells> {
        list.iter().filter_map(|n| around.streams.get(n.0)).map(|s| s.cells).collect()
    };
    let said = Said::new(&settings, &cells_of(&needs.list), stream.scalar, keys.len())?;
    let used = loop {
        let counted = match relation {
            None => count_prefixes(&keys, &plan, |_| false),
            Some(_) => count_differences(&keys, &said, &plan),
        };
        match counted {
            Some((used, _)) => break used,
            None => match plan.coarser() {
                Some(coarser) => plan = coarser,
                None => return Ok(None),
            },
        }
    };
    let live = keys.iter().fold(0, |a, k| a | k.wide());
    settings.scale = (64 - live.leading_zeros()).saturating_sub(6);
    settings.plan = plan;
    let (contexts, each) = choose(stream, around, (&plan, settings.scale), &keys, &said, &used, care)?;
    settings.depth = match relation {
        None => best_depth(&sample(&keys, 8192), &plan),
        Some(_) => 3,
    };
    let (lookups, told) = lookups(around, &keys, each, care);
    if let Some((bytes, share)) = care.beats {
        let other = bytes as u64 * 8 * 256 / keys.len() as u64;
        if each.saturating_sub(told) > other - other / share as u64 {
            return Ok(None);
        }
    }
    for c in contexts {
        settings.contexts.extend(needs.settle(c, around));
    }
    for pair in lookups {
        let number = |needs: &mut Needs, n: Ask| match n {
            Ask::None => Some(NONE),
            Ask::Cell => Some(CELL),
            Ask::Stream(i) => needs.number(i),
        };
        if let (Some(a), Some(b)) = (number(&mut needs, pair[0]), number(&mut needs, pair[1])) {
            settings.lookups.push(Lookup([a, b]));
        }
    }
    settings.needs = needs.list;
    Ok(Some((settings, keys)))
}

/// Streams that are needed, each once.
struct Needs<'a> {
    streams: &'a [Stream<'a>],
    list: Vec<(usize, Scalar)>,
}

impl Needs<'_> {
    fn number(&mut self, stream: usize) -> Option<u8> {
        if let Some(at) = self.list.iter().position(|n| n.0 == stream) {
            return Some(at as u8);
        }
        if self.list.len() == MAX_NEEDS {
            return None;
        }
        self.list.push((stream, self.streams.get(stream)?.scalar));
        Some(self.list.len() as u8 - 1)
    }

    fn settle(&mut self, c: Pending, around: &Around) -> Option<Context> {
        let levels = |i: usize| Levels::number(self.streams.get(i).map_or(0, |s| s.cells.len()));
        let plain = |known| Context { before: Before::None, known, side: 0 };
        Some(match c {
            Pending::Plain(c) => c,
            Pending::Column(i, before) => {
                let l = levels(i);
                Context { before, known: Known::Column(self.number(i)?, l), side: 0 }
            }
            Pending::Place => plain(Known::Place(self.number(around.lengths?)?)),
            Pending::Event(i) => {
                let l = levels(i);
                plain(Known::Event(self.number(i)?, self.number(around.lengths?)?, l))
            }
        })
    }
}

/// The contexts that pay, and about what a cell costs with them, in 1/256 bits.
fn choose<W: Word>(
    stream: &Stream,
    around: &Around,
    (plan, scale): (&Plan, u32),
    keys: &[W],
    said: &Said,
    used: &[u64],
    care: Care,
) -> Result<(Vec<Pending>, u64)> {
    let count = keys.len();
    let ranks = Ranks::new(used);
    let key_before = |i: usize| match said.keys.get(i) {
        Some(&said) => said,
        None if plan.lag > 0 && i >= plan.lag => keys[i - plan.lag].wide(),
        None => 0,
    };
    let class = |i: usize| ranks.rank(plan.cut.prefix(plan.symbol::<W>(keys[i].wide(), key_before(i))));
    let class_before = |i: usize, n: usize| if i >= n { u32::from(class(i - n)) } else { 0 };
    let places_of: Vec<u32> = sample(&(0..count as u32).collect::<Vec<_>>(), care.sample);
    let at = |f: &dyn Fn(usize) -> u32| places_of.iter().map(|&i| f(i as usize)).collect::<Vec<u32>>();
    let classes: Vec<u16> = places_of.iter().map(|&i| class(i as usize)).collect();
    let plain = |before, known, side| Pending::Plain(Context { before, known, side });
    let mut tried = vec![
        Tried { context: plain(Before::Classes(1), Known::None, 0), numbers: at(&|i| class_before(i, 1)) },
        Tried {
            context: plain(Before::Classes(2), Known::None, 0),
            numbers: at(&|i| class_before(i, 1) << 8 | class_before(i, 2)),
        },
        Tried {
            context: plain(Before::Classes(3), Known::None, 0),
            numbers: at(&|i| class_before(i, 1) << 16 | class_before(i, 2) << 8 | class_before(i, 3)),
        },
    ];
    if plan.lag > 0 {
        let numbers = at(&|i| ((key_before(i) >> scale) as u32).wrapping_mul(251) + class_before(i, 1));
        tried.push(Tried { context: plain(Before::Key, Known::None, 0), numbers });
    }
    if !said.losses.is_empty() {
        let numbers = at(&|i| said.losses[i].into());
        tried.push(Tried { context: plain(Before::None, Known::Loss, 0), numbers });
    }
    let side = stream.inner as usize;
    if side > 1 && side <= MAX_SIDE {
        let numbers = at(&|i| (i % side) as u32);
        tried.push(Tried { context: plain(Before::None, Known::Side, side as u16), numbers });
        let numbers = at(&|i| class_before(i, side) << 12 | (i % side) as u32);
        tried.push(Tried { context: plain(Before::Side, Known::Side, side as u16), numbers });
        let numbers = at(&|i| class_before(i, side));
        tried.push(Tried { context: plain(Before::Side, Known::None, side as u16), numbers });
    }
    if let Some(lengths) = around.lengths.and_then(|l| around.streams.get(l)) {
        let places = places(lengths.cells, count)?;
        tried.push(Tried { context: Pending::Place, numbers: at(&|i| places[i].into()) });
        for &e in &around.events {
            let spread = spread(around.levels.of(around.streams, e), lengths.cells, count)?;
            tried.push(Tried { context: Pending::Event(e), numbers: at(&|i| spread[i].into()) });
        }
    }
    for &p in &around.peers {
        let levels = around.levels.of(around.streams, p);
        let numbers = at(&|i| levels[i].into());
        tried.push(Tried { context: Pending::Column(p, Before::None), numbers });
    }
    // What the classes cost by themselves.
    let nothing = vec![0u32; classes.len()];
    let even = vec![65536 / used.len() as u32; classes.len()];
    let (mut chances, mut next) = (Vec::new(), Vec::new());
    let mut total = with_context(&nothing, &classes, &even, &mut chances);
    let first: Vec<u64> =
        tried.iter().map(|t| with_context(&t.numbers, &classes, &chances, &mut next)).collect();
    let mut order: Vec<usize> = (0..tried.len()).collect();
    order.sort_by_key(|&k| (first[k], k));
    order.truncate(RACE);
    // The best columns together with the class before.
    let joined: Vec<usize> =
        order.iter().copied().filter(|&k| matches!(tried[k].context, Pending::Column(..))).take(2).collect();
    for k in joined {
        let Pending::Column(p, _) = tried[k].context else { continue };
        let numbers =
            tried[k].numbers.iter().zip(&places_of).map(|(&l, &i)| l << 8 | class_before(i as usize, 1));
        let numbers = numbers.collect();
        tried.push(Tried { context: Pending::Column(p, Before::Classes(1)), numbers });
        order.push(tried.len() - 1);
    }
    let mut chosen = Vec::new();
    while chosen.len() + 1 < MOST && !order.is_empty() {
        let mut best: Option<(u64, usize, Vec<u32>)> = None;
        for (place, &k) in order.iter().enumerate() {
            let mut next = Vec::with_capacity(classes.len());
            let cost = with_context(&tried[k].numbers, &classes, &chances, &mut next);
            if best.as_ref().is_none_or(|b| cost < b.0) {
                best = Some((cost, place, next));
            }
        }
        let Some((cost, place, next)) = best else { break };
        if cost + cost / 200 + 256 * 8 > total {
            break;
        }
        (total, chances) = (cost, next);
        chosen.push(tried[order.remove(place)].context);
    }
    let suffix: u64 = classes.iter().map(|&c| u64::from(plan.cut.base(used[usize::from(c)]).0)).sum();
    Ok((chosen, total / classes.len() as u64 + suffix * 256 / classes.len() as u64))
}

/// A stream of the chunk that tells a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    None,
    Cell,
    Stream(usize),
}

/// The lookups that pay, and what they save a cell, in 1/256 bits.
fn lookups<W: Word>(around: &Around, keys: &[W], each: u64, care: Care) -> (Vec<[Ask; 2]>, u64) {
    // Few different values are known by their classes.
    if each < 256 {
        return (Vec::new(), 0);
    }
    let n = keys.len().min(care.looked);
    let hashes = |stream: usize, onto: &[u64]| -> Vec<u64> {
        let Some(s) = around.streams.get(stream) else { return Vec::new() };
        (0..n).map(|i| join(onto.get(i).copied().unwrap_or(0), s.cells.get(i).unwrap_or(0))).collect()
    };
    let least = (n as u64 * each / 50) as i64 + 64 * 256;
    let mut found: Vec<(i64, [Ask; 2])> =
        vec![(looked_up(&[], true, &keys[..n], each), [Ask::None, Ask::Cell])];
    let mut best: Option<(i64, usize)> = None;
    for &p in around.peers.iter().take(care.told) {
        let saved = looked_up(&hashes(p, &[]), false, &keys[..n], each);
        found.push((saved, [Ask::Stream(p), Ask::None]));
        if best.is_none_or(|b| saved > b.0) {
            best = Some((saved, p));
        }
    }
    if let Some((_, first)) = best {
        let onto = hashes(first, &[]);
        found.push((looked_up(&onto, true, &keys[..n], each), [Ask::Stream(first), Ask::Cell]));
        for &p in around.peers.iter().take(care.told / 2).filter(|p| **p != first) {
            found.push((
                looked_up(&hashes(p, &onto), false, &keys[..n], each),
                [Ask::Stream(first), Ask::Stream(p)],
            ));
        }
    }
    found.sort_by_key(|f| std::cmp::Reverse(f.0));
    match found.first() {
        Some(&(saved, pair)) if saved > least => (vec![pair], saved as u64 / n as u64),
        _ => (Vec::new(), 0),
    }
}
