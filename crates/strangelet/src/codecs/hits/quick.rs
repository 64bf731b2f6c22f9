//! The quick modes of hits: a sparse frame as runs told by the row before, values told by their neighbours.
//!
//! # What it does
//! A frame has three sides: layers, pads (rows), times. Rows are walked in order; a row is a list of runs of hits. A run of
//! the row before tells one of this row nearby (or that there is none), so that a track costs little once it was seen; other
//! starts are distances. The class of a value (all but its low bits) has a context: a prediction from the two values
//! before it in the run and from four of the two rows before, with weights that the encoder fits by least squares and
//! writes down. `fast` counts symbols in tables that are made anew ever more rarely, `balanced` mixes what three contexts say
//! of every bit of a start, a length or a class. Empty rows are one number; cost grows with the hits.
//!
//! # When it wins
//! Zero-suppressed data of time projection chambers and the like, at any occupancy up to 40 %.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | varint | number of hits; nothing follows none |
//! | 1 | 1: sets by both ends; 16: values are listed; 32: runs and values are mixed; other bits 0 |
//! | varint | the largest number of a value |
//! | varint(s) | what is added to a number to get the value; or if listed, for each number from 1 on its value less the one before |
//! | 5, 1 | bounds of the classes of peaks, slack |
//! | for each set (3, or 16): 6, varint, varint, .. | weights (i8), bias (zigzag), number of bounds, each less the one before |
//! | varint (if mixed) | length of the next |
//! | .. | symbols of tables |
//! | to the end (if mixed) | runs and values, as bits of `entropy/binary.rs` |
//!
//! The walk, its tables and its contexts are in docs/format.md, bit by bit.
//!
//! # Determinism
//! Integers in the decoder. The encoder's least squares are f32 and f64 + - * / in a fixed order.
//!
//! # References
//! J. Duda, Asymmetric numeral systems, arXiv:1311.2540. Y. Huang et al., arXiv:2310.15026 and successors, for the data.

mod coder;
mod fit;
mod frame;
mod mixed;
mod model;
mod taught;
mod turn;
mod under;

pub use frame::{Count, Hit, Index, hits};
pub use taught::{Learnt, decode_after, encode_after};
pub use turn::{Divisor, Lie, index};

use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::transform::keys::{unzigzag, zigzag};
use coder::{class, fineness};
use frame::Values;
use model::{FINEST, GRADES, INPUTS, Plan, SETS, Set, coarse, sets};
use taught::{read_hits, write_hits};

/// How much time may go into a smaller payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// As quick as can be.
    Fast,
    /// More predictions for every hit.
    Balanced,
}

/// More than two fifths of a frame that are hits are too many.
const CROWDED: [usize; 2] = [2, 5];

/// Codes a frame of `sides` (slowest first: layers, pads, times), zeros are no hits. `false`, and nothing written, where
/// the sides do not fit or so many cells are hits that it is none.
pub fn encode<T: Count>(cells: &[T], sides: [usize; 3], effort: Effort, out: &mut Vec<u8>) -> Result<bool> {
    if cells_of(sides) != Some(cells.len()) {
        return Ok(false);
    }
    encode_index(&Index::new(&hits(cells), sides[2]), sides, effort, out)
}

/// The same for a frame whose runs are known.
pub fn encode_index(index: &Index, sides: [usize; 3], effort: Effort, out: &mut Vec<u8>) -> Result<bool> {
    let Some(count) = cells_of(sides) else { return Ok(false) };
    let hits = index.hits();
    if hits as u64 * CROWDED[1] as u64 > count as u64 * CROWDED[0] as u64 {
        return Ok(false);
    }
    put(out, hits as u64);
    if hits == 0 {
        return Ok(true);
    }
    let (values, most) = fit::values(index);
    let plan = fit::plan(sides, index, &values, most);
    write_plan(&plan, &values, effort, out);
    write_hits(sides, index, Learnt::new(plan, values, effort, hits, sides), out)?;
    Ok(true)
}

/// The cells of a payload, in the order they were given.
pub fn decode<T: Count>(payload: &[u8], sides: [usize; 3]) -> Result<Vec<T>> {
    Ok(learn(payload, sides, Lie::plain(sides[0].saturating_mul(sides[1]), sides[2]))?.0)
}

/// The cells of a payload, rows where they lie, and what they taught, if there was a hit.
pub fn learn<T: Count>(payload: &[u8], sides: [usize; 3], lie: Lie) -> Result<(Vec<T>, Option<Learnt>)> {
    let mut c = Cursor::new(payload);
    let (count, hits) = counts(&mut c, sides)?;
    if hits == 0 {
        return Ok((vec![T::default(); count], None));
    }
    let (plan, values, effort) = read_plan::<T>(&mut c)?;
    let mut learnt = Learnt::new(plan, values, effort, hits, sides);
    Ok((read_hits(&mut c, count, hits, sides, lie, &mut learnt)?, Some(learnt)))
}

/// Cells and hits of a payload.
fn counts(c: &mut Cursor, sides: [usize; 3]) -> Result<(usize, usize)> {
    let Some(count) = cells_of(sides) else {
        return Err(corruption("hits: sides that no frame has"));
    };
    let hits = c.varint()?;
    if hits > count as u64 || (hits == 0 && !c.rest().is_empty()) {
        return Err(corruption("hits: more hits than cells"));
    }
    Ok((count, hits as usize))
}

/// The number of cells, where a frame may have these sides.
fn cells_of(sides: [usize; 3]) -> Option<usize> {
    let count = sides.iter().try_fold(1usize, |n, &s| n.checked_mul(s))?;
    // no side and no number of rows may be larger either
    let largest = sides.iter().try_fold(1usize, |n, &s| n.checked_mul(s.max(1)))?;
    (largest < 1 << 31).then_some(count)
}

fn write_plan(plan: &Plan, values: &Values, effort: Effort, out: &mut Vec<u8>) {
    let listed = matches!(values, Values::Listed(_)) as u8;
    out.push(plan.ends as u8 | listed << 4 | (effort as u8) << 5);
    put(out, plan.most as u64);
    match values {
        Values::Above(low) => put(out, *low as u64),
        Values::Listed(list) => {
            let mut before = 0;
            for &v in list {
                put(out, (v - before) as u64);
                before = v;
            }
        }
    }
    out.extend(plan.peaks);
    out.push(plan.slack);
    for set in &plan.sets {
        out.extend(set.weights.map(|w| w as u8));
        put(out, zigzag(set.bias as i64 as u64, 64));
        put(out, set.bounds.len() as u64);
        let mut before = 0;
        for &b in &set.bounds {
            out.push(b - before);
            before = b;
        }
    }
}

fn read_plan<T: Count>(c: &mut Cursor) -> Result<(Plan, Values, Effort)> {
    let bad = || corruption("hits: a plan that makes no sense");
    let first = c.byte()?;
    let ends = first & 1 != 0;
    let most = u32::try_from(c.varint()?).map_err(|_| bad())?;
    if first >> 6 != 0 || first & 14 != 0 || most == 0 {
        return Err(bad());
    }
    let values = if first >> 4 & 1 == 0 {
        let low = u32::try_from(c.varint()?).map_err(|_| bad())?;
        if low as u64 + most as u64 > T::MOST as u64 {
            return Err(bad());
        }
        Values::Above(low)
    } else {
        let mut list = Vec::new();
        let mut value = 0u64;
        for _ in 0..most {
            value += c.varint()?.clamp(1, 1 << 33);
            if value > T::MOST as u64 {
                return Err(bad());
            }
            list.push(value as u32);
        }
        Values::Listed(list)
    };
    let depth = fineness(most, FINEST);
    let peaks = c.array::<5>()?;
    let slack = c.byte()?;
    let mut list = Vec::with_capacity(SETS);
    for _ in 0..sets(ends) {
        let weights = c.array::<INPUTS>()?.map(|w| w as i8);
        let bias = unzigzag(c.varint()?) as i64;
        let bias = i32::try_from(bias).ok().filter(|b| b.abs() < 1 << 20).ok_or_else(bad)?;
        let mut bounds = Vec::new();
        let mut before = 0usize;
        for k in 0..c.count()?.min(GRADES) {
            let step = c.byte()? as usize;
            before += step;
            if before >= GRADES - 1 || (step == 0 && k > 0) {
                return Err(bad());
            }
            bounds.push(before as u8);
        }
        list.push(Set { weights, bias, bounds });
    }
    let effort = if first >> 5 == 0 { Effort::Fast } else { Effort::Balanced };
    let coarse = coarse(class(most, depth).0 as usize + 1);
    Ok((Plan { most, depth, coarse, ends, peaks, slack, sets: list }, values, effort))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EFFORTS: [Effort; 2] = [Effort::Fast, Effort::Balanced];

    /// The length of the payload, 0 where the frame does not fit.
    fn round<T: Count + std::fmt::Debug>(cells: &[T], sides: [usize; 3], effort: Effort) -> usize {
        let mut out = vec![7];
        if !encode(cells, sides, effort, &mut out).unwrap() {
            assert_eq!(out, [7]);
            return 0;
        }
        assert_eq!(decode::<T>(&out[1..], sides).unwrap(), cells);
        out.len() - 1
    }

    /// Pulses of tracks that cross the pads, as a detector would see them; zero-suppressed by a threshold.
    fn tracks(sides: [usize; 3], count: usize, seed: u64) -> Vec<u16> {
        let mut state = seed | 1;
        let mut random = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 20) % n
        };
        let mut v = vec![0u16; sides.iter().product()];
        for _ in 0..count {
            let (pad, time) = (random(sides[1] as u64) as usize, random(sides[2] as u64) as usize);
            let (charge, slope) = (100 + random(600), random(3) as usize);
            for z in 0..sides[0] {
                for (w, pad) in [2, 5, 8, 6, 1].into_iter().zip(pad..sides[1]) {
                    for (u, t) in [3, 9, 10, 6, 3].into_iter().zip(time + z * slope..sides[2]) {
                        let x = &mut v[(z * sides[1] + pad) * sides[2] + t];
                        *x = (*x + (charge * w * u / 80) as u16 + random(3) as u16).min(1023);
                    }
                }
            }
        }
        v.iter_mut().for_each(|x| *x = if *x > 8 { *x + 60 } else { 0 });
        v
    }

    fn wedge() -> Option<(Vec<u16>, [usize; 3])> {
        let root = std::env::var("STRANGELET_DATA").unwrap_or_else(|_| "../../../shared/data".into());
        let Ok(b) = std::fs::read(format!("{root}/tpc/tpc_auau_wedge.npy")) else {
            eprintln!("skipped: no official wedge");
            return None;
        };
        let cells: Vec<u16> = b[b.len() - 2 * 192 * 249 * 16..]
            .as_chunks::<2>()
            .0
            .iter()
            .map(|c| u16::from_le_bytes(*c))
            .collect();
        let rows = (0..16).flat_map(|l| (0..192).map(move |p| p * 249 * 16 + l));
        let cells = rows.flat_map(|from| cells[from..].iter().step_by(16).take(249).copied()).collect();
        Some((cells, [16, 192, 249]))
    }

    #[test]
    fn the_official_wedge_is_small() {
        let Some((cells, sides)) = wedge() else { return };
        let hits = cells.iter().filter(|&&x| x != 0).count();
        assert_eq!(hits, 79_905);
        let fast = round(&cells, sides, Effort::Fast);
        let balanced = round(&cells, sides, Effort::Balanced);
        assert!(fast * 8 < hits * 5, "{fast}");
        assert!(balanced * 100 < fast * 99, "{balanced} against {fast}");
    }

    #[test]
    fn tracks_come_back_in_every_width_and_cost_little() {
        let sides = [6, 64, 130];
        let cells = tracks(sides, 12, 1);
        let hits = cells.iter().filter(|&&x| x != 0).count();
        for effort in EFFORTS {
            let n = round(&cells, sides, effort);
            assert!(n > 0 && n * 8 < hits * 9, "{n} for {hits}");
            assert_eq!(n, round(&cells.iter().map(|&x| x as u32).collect::<Vec<_>>(), sides, effort));
            let bytes: Vec<u8> = cells.iter().map(|&x| (x / 5) as u8).collect();
            assert!(round(&bytes, sides, effort) > 0);
            let wide: Vec<u32> = cells.iter().map(|&x| (x as u32).saturating_pow(4)).collect();
            assert!(round(&wide, sides, effort) > 0);
            let high: Vec<u32> = cells.iter().map(|&x| if x > 0 { u32::MAX - x as u32 } else { 0 }).collect();
            assert!(round(&high, sides, effort) > 0);
        }
    }

    #[test]
    fn few_values_are_listed() {
        let sides = [6, 64, 130];
        let cells: Vec<u16> =
            tracks(sides, 12, 1).iter().map(|&x| if x == 0 { 0 } else { (1 << (x / 128)) * 9 }).collect();
        let plain: Vec<u16> =
            cells.iter().map(|&x| (x as f64 / 9.0).log2() as u16 + (x != 0) as u16).collect();
        for effort in EFFORTS {
            let (n, least) = (round(&cells, sides, effort), round(&plain, sides, effort));
            assert!(n < least + 16, "{n} against {least}");
        }
    }

    #[test]
    fn corners() {
        for effort in EFFORTS {
            for sides in
                [[0, 0, 0], [0, 3, 4], [3, 0, 2], [2, 3, 0], [1, 1, 1], [1, 1, 500], [1, 500, 1], [500, 1, 1]]
            {
                let mut cells = vec![0u16; sides.iter().product()];
                assert_eq!(round(&cells, sides, effort), 1);
                for at in [0, cells.len() / 2, cells.len().saturating_sub(1)] {
                    if cells.len() > 1 {
                        cells[at] = 900;
                        assert!(round(&cells, sides, effort) > 1);
                    }
                }
            }
            assert_eq!(round(&[5u8], [1, 1, 1], effort), 0, "too many hits");
            assert_eq!(round(&[5u8; 30], [1, 1, 30], effort), 0, "too many hits");
            assert_eq!(round(&[5u8; 30], [1, 1, 31], effort), 0, "another number of cells");
            assert_eq!(round(&[0u8], [usize::MAX, usize::MAX, 0], effort), 0, "sides beyond all");
            assert!(decode::<u8>(&[0], [usize::MAX, usize::MAX, 0]).is_err());
            assert!(decode::<u8>(&[0, 0], [1, 1, 1]).is_err(), "something behind nothing");
        }
    }

    proptest! {
        #[test]
        fn any_frame_comes_back(
            sides in (1usize..5, 1usize..20, 1usize..90),
            dots in proptest::collection::vec((any::<prop::sample::Index>(), any::<u32>(), 0u32..32, 1usize..9), 0..80),
        ) {
            let sides = [sides.0, sides.1, sides.2];
            let mut cells = vec![0u32; sides.iter().product()];
            for (at, value, shift, len) in dots {
                let at = at.index(cells.len());
                cells[at..].iter_mut().take(len).for_each(|c| *c = value >> shift);
            }
            for effort in EFFORTS {
                round(&cells, sides, effort);
                round(&cells.iter().map(|&c| c as u16).collect::<Vec<_>>(), sides, effort);
                round(&cells.iter().map(|&c| c as u8).collect::<Vec<_>>(), sides, effort);
            }
        }

        #[test]
        fn broken_payloads_are_no_crash(
            seed: u64,
            mixed: bool,
            flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let sides = [3, 20, 60];
            let mut out = Vec::new();
            encode(&tracks(sides, 3, seed), sides, EFFORTS[mixed as usize], &mut out).unwrap();
            for (at, x) in flips {
                let at = at.index(out.len());
                out[at] ^= x;
            }
            let _ = decode::<u16>(&out, sides);
            let _ = decode::<u16>(&out, [2, 30, 60]);
            let _ = decode::<u8>(&out[..cut.index(out.len())], sides);
        }

        #[test]
        fn any_bytes_are_no_crash(bytes in proptest::collection::vec(any::<u8>(), 0..300), start in 0u8..64) {
            let mut bytes = bytes;
            if bytes.len() > 2 {
                (bytes[0], bytes[1]) = (100, start);
            }
            let _ = decode::<u8>(&bytes, [4, 40, 50]);
            let _ = decode::<u32>(&bytes, [1, 1, 100_000]);
        }
    }

    #[test]
    fn a_fast_payload_cut_short_is_an_error() {
        let sides = [3, 20, 60];
        let mut out = Vec::new();
        encode(&tracks(sides, 3, 5), sides, Effort::Fast, &mut out).unwrap();
        for n in 0..out.len() {
            assert!(decode::<u16>(&out[..n], sides).is_err(), "{n} of {}", out.len());
        }
        out.push(0);
        assert!(decode::<u16>(&out, sides).is_err());
    }

    #[test]
    fn payloads_stay_what_they_are() {
        let sides = [8, 96, 200];
        let mut got = Vec::new();
        for (tracks_of, effort, ..) in FROZEN {
            let mut out = Vec::new();
            encode(&tracks(sides, tracks_of, 9), sides, effort, &mut out).unwrap();
            got.push((tracks_of, effort, out.len(), xxhash_rust::xxh3::xxh3_64(&out)));
        }
        assert_eq!(got, FROZEN, "{got:#x?}");
    }

    const FROZEN: [(usize, Effort, usize, u64); 4] = [
        (3, Effort::Fast, 590, 0x6236_f878_0789_06e8),
        (60, Effort::Fast, 8794, 0x3160_49c3_a90e_295d),
        (3, Effort::Balanced, 471, 0x84a2_5b7a_da79_5617),
        (60, Effort::Balanced, 7563, 0xea4f_fcea_1cfb_0313),
    ];
}
