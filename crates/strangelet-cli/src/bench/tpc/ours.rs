//! Our own methods: lossless at each level, cold and from the shipped start, and reduced.

use super::clusters::{Geometry, Shifts};
use super::codec::{CODEC, Chunks, format_of, times};
use super::quality::{Quality, Restored};
use super::record::{Family, Figure, Times};
use super::sets::{Set, npy_of};
use crate::bench::clock::Clock;
use crate::bench::measure::best;
use crate::simulate::npy;
use strangelet::archive::{self, Archive, Encoder, Prepared, ReduceTarget, Wish};
use strangelet::codec::{Codec, Level, Stream};
use strangelet::codecs::HITS;
use strangelet::codecs::hits::{self, Hits, Start};
use strangelet::dissect::{Context, Proofs};
use strangelet::error::{Result, corruption};
use strangelet::format::Bound;
use strangelet::format::varint::Cursor;
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;

fn container(npy: &[u8], level: Level) -> Result<Spool> {
    Ok(archive::compress(&npy, ALL, level, &mut || Ok(Spool::new(u64::MAX)))?.0)
}

/// Number of the bundle that a payload of the deep mode starts from.
fn bundle_of(payload: &[u8]) -> Option<u8> {
    let mut c = Cursor::new(payload);
    if c.byte().ok()? != 0 {
        return None;
    }
    let axes = c.count().ok()?;
    for _ in 0..axes {
        c.varint().ok()?;
    }
    c.take(axes).ok()?;
    c.byte().ok()
}

/// `compress` at a level.
pub fn lossless(set: &Set, level: Level, clock: Clock) -> Result<Figure> {
    let bytes = container(&set.npy, level)?.len();
    let mut figure = Figure::exact(level.name(), Family::Lossless, 8.0 * bytes as f64);
    figure.timed = CODEC;
    let measured = times(set, clock, |stream, out| Hits.encode(stream, level, out))?;
    let mut about =
        format!("strangelet {}, level {}, whole container", env!("CARGO_PKG_VERSION"), level.name());
    if let Some((payloads, times)) = measured {
        figure.times = Some(times);
        let from = payloads.first().and_then(|p| bundle_of(p));
        about += &match from {
            Some(0) => "; starts cold".into(),
            Some(n) => {
                format!("; starts from shipped bundle {n}, which is part of the program and not counted")
            }
            None => String::new(),
        };
    }
    if set.frames() > 1 {
        let alone =
            set.each().map(|one| Ok(container(&one.npy, level)?.len())).sum::<Result<u64>>()? as f64 * 8.0;
        figure.extra.push(("bits_per_hit_each_frame_alone", alone / set.hits() as f64));
    }
    figure.about = about;
    Ok(figure)
}

/// `max` without the shipped start, in a container that is as exact.
pub fn cold(set: &Set, clock: Clock) -> Result<Option<Figure>> {
    let encode = |stream: &Stream, out: &mut Vec<u8>| hits::encode_from(stream, Start::Cold, out);
    let Some((payloads, times)) = times(set, clock, encode)? else { return Ok(None) };
    let (mut prepared, proofs) = (Prepared::default(), Proofs::default());
    for (payload, cells) in payloads.into_iter().zip(Chunks::of(&set.npy)?.cells()) {
        prepared.add(cells, HITS, payload);
    }
    let format = format_of(&set.npy)?;
    let cx = Context { formats: ALL, proofs: &proofs, level: Level::Max };
    let mut encoder = Encoder::new(Vec::new(), Level::Max)?;
    encoder.prepare(&prepared);
    format.dissect(&cx, &set.npy, &mut encoder)?;
    let (bytes, _) = encoder.into_writer().finish(format.id(), archive::checksum(&set.npy)?, &[])?;
    if unpacked(&bytes)? != set.npy {
        return Err(corruption("the cold container gives other bytes"));
    }
    let mut figure = Figure::exact("max, cold", Family::Lossless, 8.0 * bytes.len() as f64);
    figure.times = Some(times);
    figure.timed = CODEC;
    figure.about = "the same without a shipped start".into();
    Ok(Some(figure))
}

fn unpacked(container: &dyn Source) -> Result<Vec<u8>> {
    let archive = Archive::open(container)?;
    let mut out = Spool::new(u64::MAX);
    archive::decompress(&archive, ALL, &mut out)?;
    out.range(0, out.len())
}

/// Samples of an npy file of the shape that was put in.
fn samples(npy: &[u8]) -> Result<Vec<u16>> {
    let raw = npy::parse(npy)?;
    Ok(raw.cells.as_chunks::<2>().0.iter().map(|c| u16::from_le_bytes(*c)).collect())
}

/// What is asked of `reduce`.
#[derive(Debug, Clone, Copy)]
pub enum Ask {
    /// `--bound adc=log2:X`
    Bound(f64),
    /// `--target-mae X`, here said for each hit.
    MeanPerHit(f64),
}

/// `reduce`, with its promise; also the samples that come back.
pub fn reduced(set: &Set, ask: Ask, geometry: &Geometry, clock: Clock) -> Result<(Figure, Vec<u16>)> {
    let (method, family, setting) = match ask {
        Ask::Bound(x) => (format!("reduce log2:{x}"), Family::Bound, x),
        Ask::MeanPerHit(x) => (format!("reduce mean {x} a hit"), Family::Searched, x),
    };
    let wish = wish(ask, set.occupancy());
    let (spool, whole_s) = best(clock, || reduce(&set.npy, &wish))?;
    let (_, decode_s) = best(clock, || archive::check_payloads(&Archive::open(&spool)?))?;
    let back = unpacked(&spool)?;
    let adc = samples(&back)?;
    let restored = Restored::Adc(&adc);
    let mut figure = Figure::exact(method, family, 8.0 * spool.len() as f64);
    figure.setting = Some(setting);
    figure.quality = Quality::of(&set.adc, restored);
    figure.shifts = Some(Shifts::of(&set.adc, set.frame, restored, geometry));
    figure.times = Some(Times { encode_s: whole_s, decode_s, fixed_s: None });
    figure.timed =
        "encode: the whole verb with its search, its proof and the check of its promise; decode: all columns";
    figure.about = "strangelet reduce at level max, whole container; occupancy exact".into();
    if let Ask::Bound(_) = ask {
        let codec = |stream: &Stream, out: &mut Vec<u8>| Hits.encode(stream, Level::Max, out);
        let rounded = Set::from_frames(String::new(), None, set.frame, adc.clone());
        if let Some((_, times)) = times(&rounded, clock, codec)? {
            figure.times = Some(times);
            figure.timed = "the codec alone on the rounded samples (rounding itself is a look-up in a table)";
        }
        if set.frames() > 1 && matches!(ask, Ask::Bound(super::SHOWN)) {
            let alone = set.each().map(|one| alone(&one, &wish)).sum::<Result<u64>>()? as f64 * 8.0;
            figure.extra.push(("bits_per_hit_each_frame_alone", alone / set.hits() as f64));
        }
    }
    Ok((figure, adc))
}

fn wish(ask: Ask, occupancy: f64) -> Wish {
    match ask {
        Ask::Bound(x) => Wish { bounds: vec![(String::new(), Bound::Log2(x))], ..Wish::default() },
        Ask::MeanPerHit(x) => {
            let target = ReduceTarget::Mae(x * occupancy);
            Wish { target: Some((target, vec![String::new()])), ..Wish::default() }
        }
    }
}

fn reduce(npy: &[u8], wish: &Wish) -> Result<Spool> {
    let new = &mut || Ok(Spool::new(u64::MAX));
    Ok(archive::reduce(&npy, ALL, Level::Max, wish, new, &mut |_| {})?.0)
}

/// Bytes of a frame's own container.
fn alone(one: &Set, wish: &Wish) -> Result<u64> {
    Ok(reduce(&one.npy, wish)?.len())
}

/// Which voxels are hit, by our model, and one value for all of them: the median.
pub fn mask_and_constant(set: &Set, geometry: &Geometry) -> Result<Figure> {
    let mut hits: Vec<u16> = set.adc.iter().copied().filter(|&v| v > 0).collect();
    let middle = hits.len() / 2;
    let constant = *hits.select_nth_unstable(middle).1;
    let adc: Vec<u16> = set.adc.iter().map(|&v| if v > 0 { constant } else { 0 }).collect();
    let bytes = container(&npy_of(set.frame, &adc), Level::Max)?.len();
    let restored = Restored::Adc(&adc);
    let mut figure = Figure::exact("mask + constant", Family::Reference, 8.0 * bytes as f64);
    figure.quality = Quality::of(&set.adc, restored);
    figure.shifts = Some(Shifts::of(&set.adc, set.frame, restored, geometry));
    figure.about =
        format!("places of the hits by our codec at max; every hit is given {constant} ADC, the median");
    Ok(figure)
}
