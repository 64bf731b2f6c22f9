//! Which codec for which stream at which level.

use crate::codec::{Level, Stream};
use crate::codecs::{self, same};
use crate::column::Cells;
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
            Some(earlier) => Ok((1, same::payload(*earlier))),
            None => smallest(stream, level),
        })
        .collect();
    coded.into_iter().collect()
}

fn smallest(stream: &Stream, level: Level) -> Result<(u8, Vec<u8>)> {
    let mut best: Option<(u8, Vec<u8>)> = None;
    for codec in codecs::ALL {
        let mut out = Vec::new();
        if codec.encode(stream, level, &mut out)? && best.as_ref().is_none_or(|b| out.len() < b.1.len()) {
            best = Some((codec.id(), out));
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

fn hash(cells: &Cells) -> u128 {
    let mut hasher = Xxh3::new();
    let mut buffer = Vec::with_capacity(8 * 1024);
    for start in (0..cells.len()).step_by(1024) {
        buffer.clear();
        for i in start..(start + 1024).min(cells.len()) {
            buffer.extend_from_slice(&cells.get(i).unwrap_or(0).to_le_bytes());
        }
        hasher.update(&buffer);
    }
    hasher.digest128()
}
