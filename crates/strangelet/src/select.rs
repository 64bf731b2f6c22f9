//! Which codec for which stream at which level.

use crate::codec::{Level, Role, Stream};
use crate::codecs::rows::{self, Around, Levels};
use crate::codecs::{self, digest, kin, same};
use crate::column::{Cells, Meaning};
use crate::each_width;
use crate::error::Result;
use rayon::prelude::*;
use std::collections::HashMap;
use xxhash_rust::xxh3::Xxh3;

/// Codes all streams of a chunk: for each the number of its codec and its payload.
/// The result does not depend on the number of threads.
pub fn encode_chunk(streams: &[Stream], level: Level) -> Result<Vec<(u8, Vec<u8>)>> {
    encode_chunk_of(streams, Vec::new(), level)
}

/// The same, where some streams may be coded from others: a job for each stream, or none at all.
pub fn encode_chunk_of(
    streams: &[Stream],
    mut jobs: Vec<Option<kin::Job>>,
    level: Level,
) -> Result<Vec<(u8, Vec<u8>)>> {
    let equal = find_equal(streams);
    let sums = digest::find(streams);
    jobs.resize(streams.len(), None);
    open_circles(&mut jobs, &equal, &sums);
    let levels = Levels::new(streams.len());
    let groups = if level == Level::Max { neighbours(streams, &equal, &jobs) } else { Vec::new() };
    let coded: Vec<Result<(u8, Vec<u8>)>> = (0..streams.len())
        .into_par_iter()
        .map(|i| match (equal[i], sums[i]) {
            (Some(earlier), _) => Ok((codecs::SAME, same::payload(earlier))),
            (None, Some(rows)) => Ok((codecs::DIGEST, digest::payload(rows))),
            (None, None) => {
                let derived = jobs[i].as_ref().and_then(|job| kin::encode(job, streams, i));
                if let Some(payload) = derived {
                    if level < Level::Max && payload.len() > FEW {
                        return Ok((codecs::KIN, payload));
                    }
                    let other = smallest(&streams[i], level)?;
                    return Ok(if payload.len() < other.1.len() { (codecs::KIN, payload) } else { other });
                }
                let alone = smallest(&streams[i], level)?;
                let Some(Some(n)) = groups.get(i) else { return Ok(alone) };
                if alone.0 == codecs::CONSTANT {
                    return Ok(alone);
                }
                let Neighbours { peers, lengths, events } = n.clone();
                let around = Around { streams, own: i, peers, lengths, events, levels: &levels };
                let rows = rows::encode(&around)?.filter(|r| r.len() + r.len() / 200 < alone.1.len());
                Ok(rows.map_or(alone, |r| (codecs::ROWS, r)))
            }
        })
        .collect();
    coded.into_iter().collect()
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
) -> Vec<Option<Neighbours>> {
    let mut groups: HashMap<(usize, Option<usize>, u64), Vec<usize>> = HashMap::new();
    let mut found = Vec::with_capacity(streams.len());
    for (i, s) in streams.iter().enumerate() {
        let numbers = match s.role {
            Role::Values(m) => m == Meaning::Number,
            Role::Lengths => s.lists.is_none(),
        };
        // What a job may need must not be derived from what it makes: no circles.
        if !numbers || equal[i].is_some() || s.cells.is_empty() || jobs[i].is_some() {
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
    found
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

/// Streams of fewer bytes hold no repeats that contexts would not find as well.
const FEW: usize = 1 << 12;

/// Streams of up to this many bytes are coded by each candidate; of longer ones a piece is.
const PIECE: usize = 1 << 16;

/// A candidate, and by how much its payload must be smaller than that of the ones before it: 1 / this.
/// What decodes slower has to save more.
type Candidate = (u8, usize);

/// Codecs that may win for a stream; the first always fits.
fn candidates(stream: &Stream, level: Level) -> &'static [Candidate] {
    use codecs::{ADAPTIVE, BYTES, CLASSES, CONSTANT, ZSTANDARD};
    if each_width!(stream.cells, v => v.iter().all(|x| Some(x) == v.first())) {
        return &[(CONSTANT, 0)];
    }
    let strings = matches!(stream.role, Role::Values(Meaning::Bytes | Meaning::Text));
    match (strings, level) {
        (true, Level::Fast) => &[(ZSTANDARD, 0)],
        (true, Level::Balanced) => &[(ZSTANDARD, 0), (BYTES, 12)],
        (true, Level::Max) => &[(ZSTANDARD, 0), (BYTES, 1000)],
        (false, Level::Fast) => &[(CLASSES, 0), (ZSTANDARD, 50)],
        (false, Level::Balanced) => &[(ADAPTIVE, 0), (CLASSES, 0), (ZSTANDARD, 1000)],
        (false, Level::Max) => &[(ADAPTIVE, 0), (ZSTANDARD, 1000)],
    }
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
        if let Some(out) = encode(id, stream, level)?
            && best.as_ref().is_none_or(|(_, b)| out.len() + b.len() / worth.max(1) < b.len())
        {
            best = Some((id, out));
        }
    }
    Ok(best)
}

fn smallest(stream: &Stream, level: Level) -> Result<(u8, Vec<u8>)> {
    let (count, width) = (stream.cells.len(), stream.cells.width());
    let tried = candidates(stream, level);
    let best = if tried.len() == 1 || bytes_of(stream.cells) <= PIECE {
        try_all(tried, stream, level)?
    } else {
        let n = PIECE / width;
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
    match best.filter(|(_, out)| out.len() < count * width) {
        Some(best) => Ok(best),
        None => Ok((codecs::STORE, encode(codecs::STORE, stream, level)?.unwrap_or_default())),
    }
}

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
