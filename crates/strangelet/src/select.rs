//! Which codec for which stream at which level.

use crate::codec::{Effort, Level, Part, Role, Stream};
use crate::codecs::rows::{self, Around, Care, Levels};
use crate::codecs::{self, channels, columns, digest, grid, kin, nested, palette, same, steps, zstandard};
use crate::column::{Cells, Meaning, Scalar};
use crate::each_width;
use crate::entropy::mix::cost;
use crate::error::Result;
use crate::relate::{self, Given, Relation, steps::Form};
use crate::transform::keys::dead_bits;
use rayon::prelude::*;
use std::collections::HashMap;
use xxhash_rust::xxh3::Xxh3;

/// Codes all streams of a chunk: for each the number of its codec and its payload.
/// The result does not depend on the number of threads.
pub fn encode_chunk(streams: &[Stream], effort: impl Into<Effort>) -> Result<Vec<(u8, Vec<u8>)>> {
    encode_chunk_of(streams, Vec::new(), effort)
}

/// The same, where some streams may be coded from others: a job for each stream, or none at all.
pub fn encode_chunk_of(
    streams: &[Stream],
    jobs: Vec<Option<kin::Job>>,
    effort: impl Into<Effort>,
) -> Result<Vec<(u8, Vec<u8>)>> {
    encode_chunk_given(streams, jobs, Vec::new(), effort)
}

/// The same, where the payloads of some streams are known already: one for each stream, or none at all.
pub fn encode_chunk_given(
    streams: &[Stream],
    mut jobs: Vec<Option<kin::Job>>,
    given: Vec<Option<(u8, Vec<u8>)>>,
    effort: impl Into<Effort>,
) -> Result<Vec<(u8, Vec<u8>)>> {
    let effort = effort.into();
    let level = effort.level;
    let none = || vec![None; streams.len()];
    let equal = if effort.has(Part::Same) { find_equal(streams) } else { none() };
    let sums = if effort.has(Part::Same) { digest::find(streams) } else { none() };
    if !effort.has(Part::Kinematics) {
        jobs.clear();
    }
    jobs.resize(streams.len(), None);
    open_circles(&mut jobs, &equal, &sums);
    let levels = Levels::new(streams.len());
    let wanted = effort.has(Part::Rows) || level == Level::Max && effort.has(Part::Channels);
    let (groups, relations) = if level >= Level::Balanced && wanted {
        neighbours(streams, &equal, &jobs, effort.has(Part::Rows) && effort.has(Part::Relations))
    } else {
        (Vec::new(), HashMap::new())
    };
    let coded: Vec<Result<(u8, Vec<u8>)>> = (0..streams.len())
        .into_par_iter()
        .map(|i| match (equal[i], sums[i]) {
            (Some(earlier), _) => Ok((codecs::SAME, same::payload(earlier))),
            (None, Some(rows)) => Ok((codecs::DIGEST, digest::payload(rows))),
            (None, None) if given.get(i).is_some_and(Option::is_some) => {
                Ok(given[i].clone().unwrap_or_default())
            }
            (None, None) => {
                let derived = jobs[i].as_ref().and_then(|job| kin::encode(job, streams, i));
                let alone = match derived {
                    Some(payload) if level < Level::Max && payload.len() > FEW => (codecs::KIN, payload),
                    Some(payload) => {
                        let other = smallest(&streams[i], effort)?;
                        if payload.len() < other.1.len() { (codecs::KIN, payload) } else { other }
                    }
                    None => match as_nested(streams, i, effort)? {
                        Some(nested) => (codecs::NESTED, nested),
                        None => smallest(&streams[i], effort)?,
                    },
                };
                let Some(Some(n)) = groups.get(i) else { return Ok(alone) };
                if level < Level::Max && alone.1.len() < WORTHY && !relations.contains_key(&i) {
                    return Ok(alone);
                }
                // A field of which so little is left has told all by its own neighbours.
                let field = alone.0 == codecs::GRID && alone.1.len() < bytes_of(streams[i].cells) / 6;
                if alone.0 == codecs::CONSTANT || field {
                    return Ok(alone);
                }
                let Neighbours { peers, lengths, events } = n.clone();
                let most = alone.1.len() - alone.1.len() / WORTH;
                let mut best = alone;
                if level == Level::Max
                    && effort.has(Part::Channels)
                    && most > FEW
                    && let Some(made) = channels::encode(streams, i, &peers, most)?
                {
                    best = (codecs::CHANNELS, made.payload);
                    // Steps of an ADC follow from nothing else.
                    let narrow = (2..=columns::MOST as u64).contains(&streams[i].inner);
                    if made.combs && !narrow && !relations.contains_key(&i) {
                        return Ok(best);
                    }
                }
                if !effort.has(Part::Rows) {
                    return Ok(best);
                }
                let around = Around { streams, own: i, peers, lengths, events, levels: &levels };
                let related = relations.get(&i).map(Some);
                let care = if level < Level::Max { Care::beside(best.1.len()) } else { Care::ALL };
                let without = Some(None);
                for relation in without.into_iter().chain(related) {
                    let rows = rows::encode(&around, relation, care)?;
                    if let Some(r) = rows.filter(|r| r.len() + r.len() / 200 < best.1.len()) {
                        best = (codecs::ROWS, r);
                    }
                }
                if effort.has(Part::Steps)
                    && let Some(made) = as_steps(&around, effort, best.1.len())?
                {
                    best = (codecs::STEPS, made);
                }
                if effort.has(Part::Columns)
                    && let Some(columns) = as_columns(&streams[i], effort)?
                    && columns.len() < best.1.len()
                {
                    best = (codecs::COLUMNS, columns);
                }
                Ok(best)
            }
        })
        .collect();
    coded.into_iter().collect()
}

/// Rows that name each other by their sums as a text of rows inside of each other, where there are enough.
fn as_nested(streams: &[Stream], i: usize, effort: Effort) -> Result<Option<Vec<u8>>> {
    if !effort.has(Part::Nested) {
        return Ok(None);
    }
    let lengths = i.checked_sub(1).and_then(|j| streams.get(j));
    let before = lengths.is_some_and(
        |l| matches!((l.cells, streams[i].lists), (Cells::W4(all), Some(own)) if all.as_slice() == own),
    );
    let Some(apart) = before.then(|| nested::take_apart(&streams[i])).flatten() else { return Ok(None) };
    let (text, head) = apart;
    let text = Cells::W1(text);
    let coded = smallest(&Stream { cells: &text, lists: None, ..streams[i] }, effort)?;
    Ok(Some(head.payload(i - 1, text.len(), &coded)))
}

/// Cells of which little is to be gained.
const FEW_CELLS: usize = 64;

/// Numbers of floating point by the numbers of fewer digits that they are made of, where there are such and less than `most` bytes
/// come of it.
fn as_steps(around: &Around, effort: Effort, most: usize) -> Result<Option<Vec<u8>>> {
    let own = &around.streams[around.own];
    let max = effort.level == Level::Max;
    // Where few bits are left there is no noise that could be a step; below the level max it must look like noise.
    let looks = match max {
        true => most > FEW_CELLS && most > own.cells.len() * 3 / 4,
        false => most > FEW && most > bytes_of(own.cells) / 2,
    };
    if !own.scalar.is_float() || own.cells.len() < FEW_CELLS || !looks {
        return Ok(None);
    }
    // Steps of binary digits are no news.
    if dead_bits(own.cells) > own.scalar.width() as u32 {
        return Ok(None);
    }
    let others = around.peers.iter().map(|&p| (p, around.streams[p].cells, around.streams[p].scalar));
    let mut best: Option<Vec<u8>> = None;
    for form in relate::steps::find(own.cells, own.scalar, &others.collect::<Vec<_>>()) {
        let other = match form {
            Form::Unit { beside: Some((_, n)), .. } => {
                Some((around.streams[n].cells, around.streams[n].scalar))
            }
            _ => None,
        };
        let hidden = form.hide_all(own.cells, own.scalar, other);
        let far = steps::distances(&form, own.cells, own.scalar, &hidden, other);
        // The hidden column stands behind all others.
        let stands = around.streams.len();
        let hidden = Stream { cells: &hidden, scalar: form.hidden(), ..*own };
        let far = Stream { cells: &far, scalar: steps::distance(own.scalar), ..*own };
        let streams: Vec<Stream> = around.streams.iter().copied().chain([hidden, far]).collect();
        let own_effort = effort.without(Part::Grid).without(Part::Hits).without(Part::Text);
        let own_effort = own_effort.without(Part::Palette);
        let after = |own: usize, peers: Vec<usize>, levels: &Levels| -> Result<(u8, Vec<u8>)> {
            let (lengths, events) = (around.lengths, around.events.clone());
            let around = Around { streams: &streams, own, peers, lengths, events, levels };
            let mut best = smallest(&streams[own], own_effort)?;
            let care = if max { Care::ALL } else { Care::beside(best.1.len()) };
            if best.0 != codecs::CONSTANT
                && (max || best.1.len() > WORTHY)
                && let Some(rows) = rows::encode(&around, None, care)?
                && rows.len() < best.1.len()
            {
                best = (codecs::ROWS, rows);
            }
            Ok(best)
        };
        let hidden = after(stands, around.peers.clone(), around.levels)?;
        let far = after(stands + 1, vec![stands], &Levels::new(streams.len()))?;
        if steps::takes(&hidden) && steps::takes(&far) {
            let made = steps::payload(&form, other.map(|o| o.1), stands, &hidden, &far);
            if made.len() < best.as_ref().map_or(most, Vec::len) {
                best = Some(made);
            }
        }
    }
    Ok(best)
}

/// Rows of a fixed length as the columns they are made of, where that can be.
fn as_columns(stream: &Stream, effort: Effort) -> Result<Option<Vec<u8>>> {
    let (side, count) = (usize::try_from(stream.inner).unwrap_or(0), stream.cells.len());
    if !(2..=columns::MOST).contains(&side) || !count.is_multiple_of(side) || count / side < 32 {
        return Ok(None);
    }
    let cells = columns::split(stream.cells, side);
    let streams: Vec<Stream> =
        cells.iter().map(|cells| Stream { cells, lists: None, inner: 1, dims: &[], ..*stream }).collect();
    Ok(Some(columns::payload(&encode_chunk(&streams, effort)?)))
}

/// What a stream may be coded after: numbers of streams before it.
#[derive(Clone)]
struct Neighbours {
    /// One cell for each of its cells, the nearest first.
    peers: Vec<usize>,
    lengths: Option<usize>,
    /// One cell for each of its lists.
    events: Vec<usize>,
}

/// Columns of a table with the same lists, cut into blocks of so many: within a block each may be derived from
/// all before it, so that no chain of derivations is longer.
const BLOCK: usize = 24;

/// For each stream of numbers the streams that may tell something of it.
fn neighbours(
    streams: &[Stream],
    equal: &[Option<usize>],
    jobs: &[Option<kin::Job>],
    rules: bool,
) -> (Vec<Option<Neighbours>>, HashMap<usize, Relation>) {
    let mut groups: HashMap<(usize, Option<usize>, u64), Vec<usize>> = HashMap::new();
    let mut found = Vec::with_capacity(streams.len());
    for (i, s) in streams.iter().enumerate() {
        let numbers = match s.role {
            Role::Values(m) => m == Meaning::Number,
            Role::Lengths => s.lists.is_none(),
        };
        // What a job may need must not be derived from what it makes: no circles.
        let derived = jobs[i].as_ref().is_some_and(|job| !job.needs.is_empty());
        if !numbers || equal[i].is_some() || s.cells.is_empty() || derived {
            found.push(None);
            continue;
        }
        // The lengths of the lists stand just before the values.
        let own = (s.lists.is_some() && i > 0).then(|| i - 1);
        let first = own.map(|l| equal[l].unwrap_or(l));
        let group = groups.entry((s.cells.len(), first, s.inner)).or_default();
        let begin = group.len() / BLOCK * BLOCK;
        let peers: Vec<usize> = group[begin..].iter().rev().copied().collect();
        group.push(i);
        let lengths = own.filter(|_| s.inner == 1);
        let events = match lengths.and_then(|l| groups.get(&(streams[l].cells.len(), None, 1))) {
            Some(flat) => flat.iter().rev().filter(|&&j| j < i).take(3).copied().collect(),
            None => Vec::new(),
        };
        found.push(Some(Neighbours { peers, lengths, events }));
    }
    // In a fixed order, whatever that of the map.
    let mut blocks: Vec<&[usize]> = groups.values().flat_map(|g| g.chunks(BLOCK)).collect();
    blocks.sort_unstable();
    let related: Vec<Vec<Relation>> = blocks
        .par_iter()
        .map(|block| {
            if !rules {
                return Vec::new();
            }
            let given = |&i: &usize| {
                let s = &streams[i];
                (s.role != Role::Lengths).then_some(Given { stream: i, cells: s.cells, scalar: s.scalar })
            };
            relate::find(&block.iter().filter_map(given).collect::<Vec<Given>>())
        })
        .collect();
    let mut relations = HashMap::new();
    for (block, related) in blocks.iter().zip(related) {
        let late = |r: &Relation| r.streams().any(|s| s > r.target);
        let later: Vec<usize> = related.iter().filter(|r| late(r)).map(|r| r.target).collect();
        for &i in *block {
            let Some(n) = &mut found[i] else { continue };
            if later.contains(&i) {
                // Nobody in the block knows of it, and so it may know of all the others.
                n.peers = block.iter().rev().filter(|j| !later.contains(j)).copied().collect();
            } else {
                n.peers.retain(|j| !later.contains(j));
            }
        }
        for r in related {
            let natural = !r.streams().any(|s| later.contains(&s) && !later.contains(&r.target));
            if natural {
                relations.insert(r.target, r);
            }
        }
    }
    (found, relations)
}

/// Drops jobs of streams that would be derived from themselves.
fn open_circles(jobs: &mut [Option<kin::Job>], equal: &[Option<usize>], sums: &[Option<usize>]) {
    for i in 0..jobs.len() {
        let Some(job) = &jobs[i] else { continue };
        let mut open = job.needs.clone();
        let mut seen = vec![false; jobs.len()];
        while let Some(j) = open.pop() {
            if j >= seen.len() || std::mem::replace(&mut seen[j], true) {
                continue;
            }
            match (equal[j], sums[j], &jobs[j]) {
                (Some(k), _, _) => open.push(k),
                (None, Some(k), _) => open.extend([k, k - 1]),
                (None, None, Some(job)) => open.extend(&job.needs),
                _ => {}
            }
        }
        if seen[i] {
            jobs[i] = None;
        }
    }
}

/// Payloads of fewer bytes are not worth a look at the other columns, below the level max.
const WORTHY: usize = 600;

/// Streams of fewer bytes hold no repeats that contexts would not find as well.
const FEW: usize = 1 << 12;

/// Streams of up to this many bytes are coded by each candidate; of longer ones a piece is.
const PIECE: usize = 1 << 16;

/// A candidate, and by how much its payload must be smaller than that of the ones before it: 1 / this.
/// What decodes slower has to save more.
type Candidate = (u8, usize);

/// Codecs that may win for a stream; the first always fits.
fn candidates(stream: &Stream, effort: Effort) -> Vec<Candidate> {
    use codecs::{ADAPTIVE, BYTES, CLASSES, CONSTANT, TEXT, ZSTANDARD};
    if each_width!(stream.cells, v => v.iter().all(|x| Some(x) == v.first())) {
        return vec![(CONSTANT, 0)];
    }
    let strings = matches!(stream.role, Role::Values(Meaning::Bytes | Meaning::Text));
    let all: &[Candidate] = match (strings, effort.level) {
        (true, Level::Fast) => &[(ZSTANDARD, 0)],
        (true, Level::Balanced) => &[(ZSTANDARD, 0), (BYTES, 12)],
        (true, Level::Max) => &[(ZSTANDARD, 0), (TEXT, 1000)],
        (false, Level::Fast) => &[(CLASSES, 0), (ZSTANDARD, 50)],
        (false, Level::Balanced) => &[(ADAPTIVE, 0), (CLASSES, 0), (ZSTANDARD, 1000)],
        (false, Level::Max) => &[(ADAPTIVE, 0), (ZSTANDARD, 1000)],
    };
    let mut kept = all.to_vec();
    if !effort.has(Part::Text) {
        kept.retain(|c| c.0 != TEXT);
    }
    if !effort.has(Part::Contexts) && kept[0].0 == ADAPTIVE {
        kept[0].0 = CLASSES;
        kept.dedup_by_key(|c| c.0);
    }
    kept
}

fn bytes_of(cells: &Cells) -> usize {
    cells.len() * cells.width()
}

fn encode(id: u8, stream: &Stream, level: Level) -> Result<Option<Vec<u8>>> {
    let mut out = Vec::new();
    let done = match codecs::by_id(id) {
        Some(codec) => codec.encode(stream, level, &mut out)?,
        None => false,
    };
    Ok(done.then_some(out))
}

/// The candidate with the smallest payload, with that payload.
fn try_all(tried: &[Candidate], stream: &Stream, level: Level) -> Result<Option<(u8, Vec<u8>)>> {
    let mut best: Option<(u8, Vec<u8>)> = None;
    for &(id, worth) in tried {
        // Noise has no repeats that zstd could find; where there are many, it is the one to find them.
        let raw = bytes_of(stream.cells);
        let hopeless = best.as_ref().is_some_and(|(first, b)| match (*first, id) {
            // It only gives way where contexts do not pay.
            (codecs::ADAPTIVE, codecs::CLASSES) => true,
            (codecs::ADAPTIVE, codecs::ZSTANDARD) => b.len() > raw / 8 || raw < 4 * FEW,
            (codecs::CLASSES, codecs::ZSTANDARD) => {
                raw < PIECE && b.len() < raw * 2 / 5 || raw < FEW && b.len() < raw * 3 / 5
            }
            (codecs::ZSTANDARD, _) => b.len() < raw / 6,
            _ => false,
        });
        if hopeless && level < Level::Max {
            continue;
        }
        // Thorough searches find little more than quick ones.
        if let (Some((codecs::ADAPTIVE, b)), codecs::ZSTANDARD, Level::Max) = (&best, id, level)
            && zstandard::glance(stream)? > b.len() + b.len() / 3
        {
            continue;
        }
        if let Some(out) = encode(id, stream, level)?
            && best.as_ref().is_none_or(|(_, b)| out.len() + b.len() / worth.max(1) < b.len())
        {
            best = Some((id, out));
        }
    }
    Ok(best)
}

fn smallest(stream: &Stream, effort: Effort) -> Result<(u8, Vec<u8>)> {
    let (count, width) = (stream.cells.len(), stream.cells.width());
    let level = effort.level;
    let tried = &candidates(stream, effort)[..];
    let best = if tried.len() == 1 || bytes_of(stream.cells) <= PIECE {
        try_all(tried, stream, level)?
    } else {
        let texts = tried.iter().any(|t| t.0 == codecs::TEXT);
        let n = if texts { SAMPLE } else { PIECE } / width;
        let cells = stream.cells.slice((count - n) / 2..(count - n) / 2 + n);
        let piece = Stream { cells: &cells, lists: None, ..*stream };
        match try_all(tried, &piece, level)? {
            Some((id, _)) => match encode(id, stream, level)? {
                Some(out) => Some((id, out)),
                None => try_all(tried, stream, level)?,
            },
            None => None,
        }
    };
    let best = match best {
        Some(mut best) => {
            let max = level == Level::Max;
            if max && effort.has(Part::Text) {
                best = as_text(stream, level, &best)?.unwrap_or(best);
            }
            if max && effort.has(Part::Grid) {
                best = as_grid(stream, level, &best)?.unwrap_or(best);
            }
            if effort.has(Part::Hits) {
                best = as_hits(stream, level, &best)?.unwrap_or(best);
            }
            if max && effort.has(Part::Palette) {
                best = as_palette(stream, effort, &best)?.unwrap_or(best);
            }
            Some(best)
        }
        None => None,
    };
    match best.filter(|(_, out)| out.len() < count * width) {
        Some(best) => Ok(best),
        None => Ok((codecs::STORE, encode(codecs::STORE, stream, level)?.unwrap_or_default())),
    }
}

/// Bytes on which texts are tried.
const SAMPLE: usize = 1 << 14;

/// Numbers of one byte as a text, where that gets smaller: first some pieces, then the whole.
fn as_text(stream: &Stream, level: Level, best: &(u8, Vec<u8>)) -> Result<Option<(u8, Vec<u8>)>> {
    const WORTH: usize = 50;
    let Cells::W1(bytes) = stream.cells else { return Ok(None) };
    let (numbers, n) = (stream.role == Role::Values(Meaning::Number), bytes.len().min(SAMPLE));
    if stream.scalar != Scalar::U8 || !numbers || bytes.len() < FEW || best.1.len() < FEW / 16 {
        return Ok(None);
    }
    let (pieces, step) = (n / 4, (bytes.len() - n / 4) / 3);
    let some: Vec<u8> = (0..4).flat_map(|k| &bytes[k * step..][..pieces]).copied().collect();
    let mut counts = [0u64; 256];
    some.iter().for_each(|&b| counts[usize::from(b)] += 1);
    let cells = Cells::W1(some);
    let piece = Stream { cells: &cells, lists: None, ..*stream };
    let other = encode(best.0, &piece, level)?.map_or(n, |out| out.len());
    // What its neighbours do not tell, a text of theirs does not either.
    let bits = |&c: &u64| c * u64::from(cost((c * 65535 / n as u64) as u32, true));
    let alone = counts.iter().map(bits).sum::<u64>() as usize / (256 * 8);
    let smaller = |a: usize, b: usize| a + b / WORTH < b;
    if !smaller(other, alone) {
        return Ok(None);
    }
    match encode(codecs::TEXT, &piece, level)? {
        Some(text) if smaller(text.len(), other) => {}
        _ => return Ok(None),
    }
    let text = encode(codecs::TEXT, stream, level)?;
    Ok(text.filter(|t| smaller(t.len(), best.1.len())).map(|t| (codecs::TEXT, t)))
}

/// Numbers as places in the list of all there are, where these are few and that gets smaller.
fn as_palette(stream: &Stream, effort: Effort, best: &(u8, Vec<u8>)) -> Result<Option<(u8, Vec<u8>)>> {
    let numbers = matches!(stream.role, Role::Values(Meaning::Number) | Role::Lengths);
    if !numbers || best.1.len() < FEW / 8 {
        return Ok(None);
    }
    let Some(listed) = palette::find(stream.cells, best.1.len()) else { return Ok(None) };
    let places = Stream { cells: &listed.places, scalar: listed.scalar(), ..*stream };
    let places = Stream { role: Role::Values(Meaning::Number), ..places };
    let Some(coded) = try_all(&candidates(&places, effort), &places, effort.level)? else { return Ok(None) };
    let payload = listed.payload(&coded);
    let smaller = palette::takes(coded.0) && payload.len() < best.1.len() - best.1.len() / WORTH;
    Ok(smaller.then_some((codecs::PALETTE, payload)))
}

/// The stream as a grid, where it looks like one and gets smaller: first on its head, then as a whole.
fn as_grid(stream: &Stream, level: Level, best: &(u8, Vec<u8>)) -> Result<Option<(u8, Vec<u8>)>> {
    if best.1.len() < FEW / 16 {
        return Ok(None);
    }
    let Some(proposal) = grid::propose(stream)? else { return Ok(None) };
    if proposal.tried < stream.cells.len() {
        let cells = stream.cells.slice(0..proposal.tried);
        let head = Stream { cells: &cells, lists: None, ..*stream };
        let other = encode(best.0, &head, level)?.map_or(usize::MAX, |out| out.len());
        // The head is short to learn from: what is nearly as small there may well be smaller in the end.
        if proposal.size > other.saturating_add(other / 32) {
            return Ok(None);
        }
    }
    let mut out = Vec::new();
    proposal.encode(&mut out)?;
    let smaller = out.len() < best.1.len() - best.1.len() / WORTH;
    Ok(smaller.then_some((codecs::GRID, out)))
}

/// The stream as frames of hits, where it looks like them and gets smaller. (The codec knows by the level which mode to
/// take: quick or deep.)
fn as_hits(stream: &Stream, level: Level, best: &(u8, Vec<u8>)) -> Result<Option<(u8, Vec<u8>)>> {
    if best.0 == codecs::CONSTANT {
        return Ok(None);
    }
    let hits = encode(codecs::HITS, stream, level)?;
    Ok(hits.filter(|h| h.len() < best.1.len() - best.1.len() / WORTH).map(|h| (codecs::HITS, h)))
}

/// By how much a grid must be smaller than what decodes faster: 1 / this.
const WORTH: usize = 1000;

/// For each stream the first earlier one of the same values, whatever their widths.
fn find_equal(streams: &[Stream]) -> Vec<Option<usize>> {
    // Most streams differ in some cells out of many: only what does not is looked at as a whole.
    let glances: Vec<u64> = streams.iter().map(|s| glance(s.cells)).collect();
    let mut alike: HashMap<u64, usize> = HashMap::new();
    glances.iter().for_each(|g| *alike.entry(*g).or_default() += 1);
    let twins = |g: &u64| alike.get(g).is_some_and(|n| *n > 1);
    let whole = streams.par_iter().zip(&glances).map(|(s, g)| twins(g).then(|| hash(s.cells)));
    let hashes: Vec<Option<u128>> = whole.collect();
    let mut first: HashMap<u128, usize> = HashMap::new();
    let mut equal = Vec::with_capacity(streams.len());
    for (i, h) in hashes.into_iter().enumerate() {
        let j = h.map_or(i, |h| *first.entry(h).or_insert(i));
        let same = j != i && streams[i].cells.len() > 1 && values_equal(streams[i].cells, streams[j].cells);
        equal.push(same.then_some(j));
    }
    equal
}

/// The same for the same values; from their number and a few of them.
fn glance(cells: &Cells) -> u64 {
    const FEW: usize = 64;
    fn some<T: Copy + Into<u64>>(v: &[T], hasher: &mut Xxh3) {
        for &x in v.iter().step_by(v.len().div_ceil(FEW).max(1)).chain(v.last()) {
            hasher.update(&Into::<u64>::into(x).to_le_bytes());
        }
    }
    let mut hasher = Xxh3::new();
    hasher.update(&cells.len().to_le_bytes());
    each_width!(cells, v => some(v, &mut hasher));
    hasher.digest()
}

fn values_equal(a: &Cells, b: &Cells) -> bool {
    a.len() == b.len() && (a == b || (0..a.len()).all(|i| a.get(i) == b.get(i)))
}

/// The same for the same values in cells of any width.
fn hash(cells: &Cells) -> u128 {
    fn wide<T: Copy + Into<u64>>(v: &[T], hasher: &mut Xxh3) {
        let mut buffer = [0; 4096];
        for part in v.chunks(buffer.len() / 8) {
            for (to, &x) in buffer.as_chunks_mut::<8>().0.iter_mut().zip(part) {
                *to = Into::<u64>::into(x).to_le_bytes();
            }
            hasher.update(&buffer[..part.len() * 8]);
        }
    }
    let mut hasher = Xxh3::new();
    each_width!(cells, v => wide(v, &mut hasher));
    hasher.digest128()
}
