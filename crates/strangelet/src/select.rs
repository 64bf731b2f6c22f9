//! Which codec for which stream at which level.

use crate::codec::{Level, Role, Stream};
use crate::codecs::{self, same};
use crate::column::{Cells, Meaning};
use crate::each_width;
use crate::error::Result;
use rayon::prelude::*;
use std::collections::HashMap;
use xxhash_rust::xxh3::Xxh3;

/// Codes all streams of a chunk: for each the number of its codec and its payload.
/// The result does not depend on the number of threads.
pub fn encode_chunk(streams: &[Stream], level: Level) -> Result<Vec<(u8, Vec<u8>)>> {
    let equal = find_equal(streams);
    let coded: Vec<Result<(u8, Vec<u8>)>> = streams
        .par_iter()
        .zip(&equal)
        .map(|(stream, equal)| match equal {
            Some(earlier) => Ok((codecs::SAME, same::payload(*earlier))),
            None => smallest(stream, level),
        })
        .collect();
    coded.into_iter().collect()
}

/// Codecs that may win for a stream, by number.
fn candidates(stream: &Stream, level: Level) -> &'static [u8] {
    use codecs::{ADAPTIVE, BYTES, CLASSES, CONSTANT, STORE, ZSTANDARD};
    if each_width!(stream.cells, v => v.iter().all(|x| Some(x) == v.first())) {
        return &[CONSTANT];
    }
    let strings = matches!(stream.role, Role::Values(Meaning::Bytes | Meaning::Text));
    match (strings, level) {
        (true, Level::Fast) => &[STORE, ZSTANDARD],
        (false, Level::Fast) => &[STORE, CLASSES, ZSTANDARD],
        (true, _) => &[STORE, ZSTANDARD, BYTES],
        (false, _) => &[STORE, ZSTANDARD, ADAPTIVE],
    }
}

/// Bytes that a smaller payload must save where it takes longer to decode, as 1 / this of the other.
const WORTH: usize = 64;

fn smallest(stream: &Stream, level: Level) -> Result<(u8, Vec<u8>)> {
    let mut best: Option<(u8, Vec<u8>)> = None;
    let raw = stream.cells.len() * stream.cells.width();
    for &id in candidates(stream, level) {
        let Some(codec) = codecs::by_id(id) else { continue };
        if let Some((codecs::ZSTANDARD, b)) = &best
            && id == codecs::BYTES
            && b.len() < raw / 5
            && raw > 1 << 16
        {
            continue; // long repeats are zstd's own field
        }
        let mut out = Vec::new();
        if codec.encode(stream, level, &mut out)? {
            let wins = match &best {
                None => true,
                Some((_, b)) => out.len() + b.len() / WORTH < b.len(),
            };
            if wins {
                best = Some((codec.id(), out));
            }
        }
    }
    Ok(best.unwrap_or_default())
}

/// For each stream the first earlier one of the same values, whatever their widths.
fn find_equal(streams: &[Stream]) -> Vec<Option<usize>> {
    let hashes: Vec<u128> = streams.par_iter().map(|s| hash(s.cells)).collect();
    let mut first: HashMap<u128, usize> = HashMap::new();
    let mut equal = Vec::with_capacity(streams.len());
    for (i, &h) in hashes.iter().enumerate() {
        let j = *first.entry(h).or_insert(i);
        let same = j != i && streams[i].cells.len() > 1 && values_equal(streams[i].cells, streams[j].cells);
        equal.push(same.then_some(j));
    }
    equal
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
