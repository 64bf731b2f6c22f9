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

    /// The cells of payloads.
    fn decode(&self, payloads: &[Vec<u8>]) -> Result<Vec<Cells>> {
        let both = payloads.iter().zip(&self.chunks);
        both.map(|(payload, (cells, _))| {
            Hits.decode(payload, Shape { scalar: Scalar::U16, count: cells.len() }, &[])
        })
        .collect()
    }

    /// Cells of each chunk.
    pub fn cells(&self) -> impl Iterator<Item = &Cells> {
        self.chunks.iter().map(|c| &c.0)
    }
}

/// Most rounds; the quickest counts.
const ROUNDS: usize = 15;
/// Seconds after which no round begins.
const ENOUGH_S: f64 = 1.0;

/// The same frames with about half of the hits: every second frame is emptied; of a single frame every second eighth of its pads.
fn thinned(set: &Set) -> Vec<u16> {
    let mut adc = set.adc.clone();
    let [pads, bins, layers] = set.frame;
    let part = if set.frames() > 1 { set.volume() } else { pads.div_ceil(8) * bins * layers };
    adc.chunks_mut(part).skip(1).step_by(2).for_each(|part| part.fill(0));
    adc
}

/// Payloads of a set and their times; none where the codec does not take it. What of the times does not grow with hits is found from the
/// same frames with half of the hits, along a straight line; the two are timed in turns.
pub fn times(
    set: &Set,
    clock: Clock,
    encode: impl Fn(&Stream, &mut Vec<u8>) -> Result<bool>,
) -> Result<Option<(Vec<Vec<u8>>, Times)>> {
    let thinned = thinned(set);
    let (all, left) = (set.hits(), thinned.iter().filter(|&&v| v > 0).count());
    let both = [Chunks::of(&set.npy)?, Chunks::of(&npy_of(set.frame, &thinned))?];
    let (mut best, mut total, mut kept) = ([[f64::INFINITY; 2]; 2], 0.0, None);
    let mut half = left > 0 && left < all;
    for _ in 0..ROUNDS {
        for (n, chunks) in both.iter().enumerate() {
            if n == 1 && !half {
                continue;
            }
            let start = clock.now();
            let payloads = chunks.encode(&encode)?;
            let between = clock.now();
            let Some(payloads) = payloads else {
                match n {
                    0 => return Ok(None),
                    _ => half = false,
                }
                continue;
            };
            let middle = clock.now();
            let back = chunks.decode(&payloads)?;
            let end = clock.now();
            if !chunks.cells().eq(&back) {
                return Err(corruption("hits: other cells came back"));
            }
            best[n] = [best[n][0].min(between - start), best[n][1].min(end - middle)];
            total += end - start;
            kept = if n == 0 { Some(payloads) } else { kept };
        }
        if total > ENOUGH_S {
            break;
        }
    }
    let [encode_s, decode_s] = best[0];
    let share = (all - left) as f64 / all as f64;
    let fixed_s = half.then(|| [0, 1].map(|way| best[0][way] - (best[0][way] - best[1][way]) / share));
    Ok(kept.map(|payloads| (payloads, Times { encode_s, decode_s, fixed_s })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_hits_are_taken_out() {
        let of = |frames: usize| {
            let set = Set::from_frames("a".into(), None, [16, 3, 2], vec![80; 96 * frames]);
            thinned(&set)
        };
        assert_eq!(of(1), [[80; 12], [0; 12]].concat().repeat(4));
        assert_eq!(of(3), [[80; 96], [0; 96], [80; 96]].concat());
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
