//! The codec of hits alone, on the chunks of a file as the container codes them: payloads, and the time that they take.

use super::record::Times;
use super::sets::{Set, npy_of};
use crate::bench::clock::Clock;
use strangelet::codec::{Codec, Level, Role, Shape, Stream};
use strangelet::codecs::hits::Hits;
use strangelet::column::{Cells, Column, Meaning, Scalar};
use strangelet::dissect::{Context, FileFormat, Proofs, Sink, TableId};
use strangelet::error::{Result, corruption};
use strangelet::table::TableSchema;
use strangelet_formats::ALL;

/// What the times of the codec include.
pub const CODEC: &str = "the codec alone: cells to payload (with all its choices) and back";

/// The cells of a file of frames, chunk by chunk, as the container codes them.
#[derive(Default)]
pub struct Chunks {
    schemas: Vec<TableSchema>,
    chunks: Vec<(Cells, Vec<u32>)>,
}

impl Sink for Chunks {
    fn table(&mut self, schema: TableSchema) -> Result<TableId> {
        self.schemas.push(schema);
        Ok(self.schemas.len() - 1)
    }
    fn chunk(&mut self, table: TableId, _events: u64, columns: Vec<Column>) -> Result<()> {
        if let Some(schema) = self.schemas.get(table).filter(|s| !s.residue)
            && let (Some(column), Some(kind)) = (columns.into_iter().next(), schema.columns.first())
        {
            self.chunks.push((column.values, kind.inner.clone()));
        }
        Ok(())
    }
}

/// The kind of file that takes it.
pub fn format_of(npy: &[u8]) -> Result<&'static dyn FileFormat> {
    ALL.iter().copied().find(|f| f.probe(&npy)).ok_or_else(|| corruption("no kind of file takes it"))
}

impl Chunks {
    /// Those of an npy file.
    pub fn of(npy: &[u8]) -> Result<Chunks> {
        let (mut chunks, proofs) = (Chunks::default(), Proofs::default());
        let cx = Context { formats: ALL, proofs: &proofs, level: Level::Max };
        format_of(npy)?.dissect(&cx, &npy, &mut chunks)?;
        Ok(chunks)
    }

    /// Payloads of all chunks; none where the codec does not take them.
    pub fn encode(
        &self,
        encode: impl Fn(&Stream, &mut Vec<u8>) -> Result<bool>,
    ) -> Result<Option<Vec<Vec<u8>>>> {
        let mut payloads = Vec::new();
        for (cells, dims) in &self.chunks {
            let inner = dims.iter().map(|&n| u64::from(n)).product();
            let role = Role::Values(Meaning::Number);
            let stream = Stream { cells, scalar: Scalar::U16, role, lists: None, inner, dims };
            let mut payload = Vec::new();
            if !encode(&stream, &mut payload)? {
                return Ok(None);
            }
            payloads.push(payload);
        }
        Ok(Some(payloads))
    }

    /// Decodes payloads, and does something with the cells of each: they are gone before the next.
    fn decode(&self, payloads: &[Vec<u8>], mut with: impl FnMut(&Cells, &Cells)) -> Result<()> {
        for (payload, (cells, _)) in payloads.iter().zip(&self.chunks) {
            let back = Hits.decode(payload, Shape { scalar: Scalar::U16, count: cells.len() }, &[])?;
            with(&back, cells);
        }
        Ok(())
    }

    /// Cells of each chunk.
    pub fn cells(&self) -> impl Iterator<Item = &Cells> {
        self.chunks.iter().map(|c| &c.0)
    }
}

/// Least and most rounds; the quickest counts.
const ROUNDS: [usize; 2] = [3, 40];
/// Seconds after which no round begins that need not be.
const ENOUGH_S: f64 = 3.0;
/// Fourths of the pads that are left; fewer kinds of frames where the set is large.
const FOURTHS: &[usize] = &[4, 3, 2, 1];
const HALVES: &[usize] = &[4, 2];
/// Voxels of a large set.
const LARGE: usize = 1 << 26;

/// The same frames with so many fourths of their pads, which lie side by side but for the turn from the last pad to the first; from
/// frame to frame they begin a fourth further. Where hits are left, all around them is as it was.
fn part(set: &Set, fourths: usize) -> Vec<u16> {
    let mut adc = set.adc.clone();
    let [pads, bins, layers] = set.frame;
    for (k, pad) in adc.chunks_mut(bins * layers).enumerate() {
        if (k % pads * 4 / pads + k / pads) % 4 >= fourths {
            pad.fill(0);
        }
    }
    adc
}

/// A part of a set, and the least seconds that it took, writing and reading.
struct Part {
    hits: f64,
    chunks: Chunks,
    best: [f64; 2],
}

/// Seconds a hit by least squares.
fn slope(parts: &[Part], way: usize) -> f64 {
    let n = parts.len() as f64;
    let mean = |of: &dyn Fn(&Part) -> f64| parts.iter().map(of).sum::<f64>() / n;
    let (hits, seconds) = (mean(&|p| p.hits), mean(&|p| p.best[way]));
    let square: f64 = parts.iter().map(|p| (p.hits - hits) * (p.hits - hits)).sum();
    parts.iter().map(|p| (p.hits - hits) * (p.best[way] - seconds)).sum::<f64>() / square
}

/// Payloads of a set and their times; none where the codec does not take it. What of the times grows with hits is the slope of a straight
/// line through those of the same frames with one, two, three and four fourths of their pads, which are timed in turns: cells stay, hits
/// become fewer, frames stay frames with hits. The rest is a frame's.
pub fn times(
    set: &Set,
    clock: Clock,
    encode: impl Fn(&Stream, &mut Vec<u8>) -> Result<bool>,
) -> Result<Option<(Vec<Vec<u8>>, Times)>> {
    let mut parts = Vec::new();
    let mut kept = None;
    for &fourths in if set.adc.len() > LARGE { HALVES } else { FOURTHS } {
        let adc = part(set, fourths);
        let chunks = Chunks::of(&npy_of(set.frame, &adc))?;
        // The first time it is proved, and not counted.
        let Some(payloads) = chunks.encode(&encode)? else {
            match fourths {
                4 => return Ok(None),
                _ => continue,
            }
        };
        let mut same = true;
        chunks.decode(&payloads, |back, cells| same &= back == cells)?;
        if !same {
            return Err(corruption("hits: other cells came back"));
        }
        kept.get_or_insert(payloads);
        let hits = adc.iter().filter(|&&v| v > 0).count() as f64;
        parts.push(Part { hits, chunks, best: [f64::INFINITY; 2] });
    }
    let mut total = 0.0;
    for round in 0..ROUNDS[1] {
        if round >= ROUNDS[0] && total > ENOUGH_S {
            break;
        }
        for Part { chunks, best, .. } in &mut parts {
            let start = clock.now();
            let payloads = chunks.encode(&encode)?.unwrap_or_default();
            let middle = clock.now();
            chunks.decode(&payloads, |back, _| {
                std::hint::black_box(back);
            })?;
            let end = clock.now();
            *best = [best[0].min(middle - start), best[1].min(end - middle)];
            total += end - start;
        }
    }
    let Some(&Part { hits, best: [encode_s, decode_s], .. }) = parts.first() else { return Ok(None) };
    let differ = parts.iter().any(|p| p.hits < hits);
    let fixed_s = differ.then(|| [encode_s - slope(&parts, 0) * hits, decode_s - slope(&parts, 1) * hits]);
    Ok(kept.map(|payloads| (payloads, Times { encode_s, decode_s, fixed_s })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_pads_side_by_side() {
        let of = |frames: usize, fourths: usize| {
            let set = Set::from_frames("a".into(), None, [8, 3, 2], vec![80; 48 * frames]);
            part(&set, fourths)
        };
        assert_eq!(of(1, 4), [80; 48]);
        assert_eq!(of(1, 3), [[80; 12], [80; 12], [80; 12], [0; 12]].concat());
        assert_eq!(of(2, 1)[..48], [[80; 12], [0; 12], [0; 12], [0; 12]].concat());
        assert_eq!(of(2, 1)[48..], [[0; 12], [0; 12], [0; 12], [80; 12]].concat());
    }

    #[test]
    fn the_slope_is_that_of_the_line() {
        let point = |hits: f64, a: f64| Part { hits, chunks: Chunks::default(), best: [a, 2.0 * a] };
        let parts: Vec<Part> = [1.0, 2.0, 3.0, 4.0].map(|h| point(h * 100.0, 7.0 + h * 5.0)).into();
        assert!((slope(&parts, 0) - 0.05).abs() < 1e-9 && (slope(&parts, 1) - 0.1).abs() < 1e-9);
    }

    #[test]
    fn payloads_are_those_of_the_codec_and_take_time() {
        let adc: Vec<u16> =
            (0..2 * 16 * 32 * 8u32).map(|i| if i % 11 < 2 { 70 + (i % 23) as u16 } else { 0 }).collect();
        let set = Set::from_frames("a".into(), None, [16, 32, 8], adc);
        let (payloads, t) =
            times(&set, Clock::Wall, |s, out| Hits.encode(s, Level::Fast, out)).unwrap().unwrap();
        assert_eq!(payloads.len(), 1);
        let fixed = t.fixed_s.unwrap();
        assert!(t.encode_s > 0.0 && t.decode_s > 0.0 && fixed.iter().all(|f| f.is_finite()));
        assert!(times(&set, Clock::Wall, |_, _| Ok(false)).unwrap().is_none());
    }
}
