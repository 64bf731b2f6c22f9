//! Our own methods: lossless at each level, cold and from the shipped start, and reduced.

use super::clusters::{Geometry, Shifts};
use super::quality::{Quality, Restored};
use super::record::{Family, Figure, Times};
use super::sets::{Set, npy_of};
use crate::bench::clock::Clock;
use crate::bench::measure::best;
use crate::simulate::npy;
use strangelet::archive::{self, Archive, Encoder, Prepared, ReduceTarget, Wish};
use strangelet::codec::{Codec, Level, Role, Shape, Stream};
use strangelet::codecs::HITS;
use strangelet::codecs::hits::{self, Hits, Start};
use strangelet::column::{Cells, Column, Meaning, Scalar};
use strangelet::dissect::{Context, FileFormat, Proofs, Sink, TableId};
use strangelet::error::{Result, corruption};
use strangelet::format::Bound;
use strangelet::format::varint::Cursor;
use strangelet::source::{Source, Spool};
use strangelet::table::TableSchema;
use strangelet_formats::ALL;

/// What the times of the codec include.
const CODEC: &str = "the codec alone: cells to payload (with all its choices) and back";

/// Payloads, and the seconds of both ways.
type Timed = (Vec<Vec<u8>>, f64, f64);

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

fn format_of(npy: &[u8]) -> Result<&'static dyn FileFormat> {
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
    fn encode(&self, encode: impl Fn(&Stream, &mut Vec<u8>) -> Result<bool>) -> Result<Option<Vec<Vec<u8>>>> {
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

    /// Payloads with the seconds of both ways; what comes back is compared.
    fn timed(
        &self,
        clock: Clock,
        encode: impl Fn(&Stream, &mut Vec<u8>) -> Result<bool>,
    ) -> Result<Option<Timed>> {
        let (payloads, encode_s) = best(clock, || self.encode(&encode))?;
        let Some(payloads) = payloads else { return Ok(None) };
        let (back, decode_s) = best(clock, || {
            let both = payloads.iter().zip(&self.chunks);
            both.map(|(payload, (cells, _))| {
                Hits.decode(payload, Shape { scalar: Scalar::U16, count: cells.len() }, &[])
            })
            .collect::<Result<Vec<Cells>>>()
        })?;
        if back.iter().zip(&self.chunks).any(|(back, (cells, _))| back != cells) {
            return Err(corruption("hits: other cells came back"));
        }
        Ok(Some((payloads, encode_s, decode_s)))
    }
}

/// Frames with one hit each in the middle: what a frame costs before its hits.
fn blank(set: &Set) -> Vec<u8> {
    let volume = set.volume();
    let mut adc = vec![0; set.adc.len()];
    for frame in adc.chunks_exact_mut(volume) {
        frame[volume / 2] = 83;
    }
    npy_of(set.frame, &adc)
}

/// Times of the codec on a set, with those of nearly empty frames.
fn times(
    set: &Set,
    npy: &[u8],
    clock: Clock,
    encode: impl Fn(&Stream, &mut Vec<u8>) -> Result<bool>,
) -> Result<Option<(Vec<Vec<u8>>, Times)>> {
    let Some((payloads, encode_s, decode_s)) = Chunks::of(npy)?.timed(clock, &encode)? else {
        return Ok(None);
    };
    let blank_s = Chunks::of(&blank(set))?.timed(clock, &encode)?.map(|b| (b.1, b.2));
    Ok(Some((payloads, Times { encode_s, decode_s, blank_s })))
}

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
    let measured = times(set, &set.npy, clock, |stream, out| Hits.encode(stream, level, out))?;
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
    let Some((payloads, times)) = times(set, &set.npy, clock, encode)? else { return Ok(None) };
    let (mut prepared, proofs) = (Prepared::default(), Proofs::default());
    for (payload, (cells, _)) in payloads.into_iter().zip(&Chunks::of(&set.npy)?.chunks) {
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
    figure.times = Some(Times { encode_s: whole_s, decode_s, blank_s: None });
    figure.timed =
        "encode: the whole verb with its search, its proof and the check of its promise; decode: all columns";
    figure.about = "strangelet reduce at level max, whole container; occupancy exact".into();
    if let Ask::Bound(_) = ask {
        let codec = |stream: &Stream, out: &mut Vec<u8>| Hits.encode(stream, Level::Max, out);
        if let Some((_, encode_s, decode_s)) = Chunks::of(&back)?.timed(clock, codec)? {
            figure.times = Some(Times { encode_s, decode_s, blank_s: None });
            figure.timed = "the codec alone on the rounded samples (rounding itself is a look-up in a table)";
        }
        if set.frames() > 1 {
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
