//! BCAE-VS with its authors' weights: as they count it, and with its code entropy coded.

use super::clusters::{Geometry, Shifts};
use super::quality::{Quality, Restored};
use super::record::{Family, Figure, Times};
use super::sets::Set;
use crate::bench::clock::Clock;
use crate::bench::measure::best;
use strangelet::codecs::bcae_vs::{self, Form, Plan};
use strangelet::error::Result;
use strangelet::model::bcae::{Bcae, Code, padded};

/// Frames that are one payload.
const TOGETHER: usize = 8;
/// Bits of a hit kept, as the authors count: a float16 and an address of 20 bits.
const KEPT_BITS: f64 = 36.0;

/// Whether the network can take frames of this shape.
pub fn takes(frame: [usize; 3]) -> bool {
    frame.iter().product::<usize>() <= 1 << 20 && padded(frame).is_some()
}

/// Both accounts; of the one with 16 levels also the samples that come back.
pub fn figures(
    set: &Set,
    seed: u64,
    levels: &[u8],
    geometry: &Geometry,
    clock: Clock,
) -> Result<(Vec<Figure>, Option<Vec<u16>>)> {
    let bcae = bcae_vs::authors()?;
    let (mut figures, mut shown) = (Vec::new(), None);
    let encoded = Encoded::of(bcae, set, seed, clock)?;
    figures.push(plain(bcae, set, &encoded, geometry, clock)?);
    for &levels in levels {
        let (figure, adc) = coded(bcae, set, &encoded, (seed, levels), geometry, clock)?;
        figures.push(figure);
        if levels == 16 || shown.is_none() {
            shown = Some(adc);
        }
    }
    Ok((figures, shown))
}

/// Codes of all frames, and what making them took.
struct Encoded {
    codes: Vec<Code>,
    kept: usize,
    products: u64,
    seconds: f64,
}

impl Encoded {
    fn of(bcae: &Bcae, set: &Set, seed: u64, clock: Clock) -> Result<Encoded> {
        let frames: Vec<(Vec<u32>, Vec<u16>)> = set
            .adc
            .chunks_exact(set.volume())
            .map(|frame| {
                let voxels: Vec<u32> = (0..frame.len() as u32).filter(|&i| frame[i as usize] > 0).collect();
                let adc = voxels.iter().map(|&i| frame[i as usize]).collect();
                (voxels, adc)
            })
            .collect();
        let (analyses, seconds) = best(clock, || {
            let each = frames.iter().enumerate();
            // Numbers of voxels begin anew with each payload.
            let first = |n: usize| (n % TOGETHER * set.volume()) as u64;
            each.map(|(n, (voxels, adc))| bcae.analyse(set.frame, voxels, adc, seed, first(n)))
                .collect::<Result<Vec<_>>>()
        })?;
        let kept = analyses.iter().map(|a| a.code.voxels.len()).sum();
        let products = analyses.iter().map(|a| a.products).sum();
        Ok(Encoded { codes: analyses.into_iter().map(|a| a.code).collect(), kept, products, seconds })
    }
}

fn plain(bcae: &Bcae, set: &Set, encoded: &Encoded, geometry: &Geometry, clock: Clock) -> Result<Figure> {
    let (mut values, mut products) = (Vec::with_capacity(set.adc.len()), 0);
    let start = clock.now();
    for code in &encoded.codes {
        let (frame, done) = bcae.logarithms(set.frame, code)?;
        values.extend(frame);
        products += done;
    }
    let decode_s = clock.now() - start;
    let (hits, frames) = (set.hits() as f64, set.frames() as f64);
    // No value between 0 and the network's own cut comes out.
    let restored = Restored::Log2 { values: &values, cut: f32::MIN_POSITIVE };
    let mut figure = Figure::exact("BCAE-VS, 36 bits", Family::Network, KEPT_BITS * encoded.kept as f64);
    figure.quality = Quality::of(&set.adc, restored);
    figure.shifts = Some(Shifts::of(&set.adc, set.frame, restored, geometry));
    figure.times = Some(Times { encode_s: encoded.seconds, decode_s, fixed_s: None });
    figure.timed = "encode: the network from a list of hits; decode: both dense decoders; once";
    figure.extra = vec![
        ("kept", encoded.kept as f64 / hits),
        ("encoder_mac_per_hit", encoded.products as f64 / hits),
        ("encoder_frames_per_s", frames / encoded.seconds.max(1e-9)),
        ("decoder_gmac_per_frame", products as f64 / frames / 1e9),
        ("decoder_frames_per_s", frames / decode_s.max(1e-9)),
    ];
    figure.about =
        "authors' weights; 36 bits for each hit kept, as they count; errors of the logarithms before rounding".into();
    Ok(figure)
}

fn coded(
    bcae: &Bcae,
    set: &Set,
    encoded: &Encoded,
    (seed, levels): (u64, u8),
    geometry: &Geometry,
    clock: Clock,
) -> Result<(Figure, Vec<u16>)> {
    let plan = Plan { frame: set.frame, form: Form::Coded { levels }, seed, bundle: None };
    let (payloads, coding_s) = best(clock, || {
        let parts = encoded.codes.chunks(TOGETHER);
        parts.map(|codes| bcae_vs::write(&plan, bcae.id, &mut codes.to_vec())).collect::<Result<Vec<_>>>()
    })?;
    let start = clock.now();
    let mut adc = Vec::with_capacity(set.adc.len());
    for (payload, part) in payloads.iter().zip(set.adc.chunks(TOGETHER * set.volume())) {
        for code in &bcae_vs::read(payload, part.len())?.codes {
            bcae.synthesise(set.frame, code, &mut adc)?;
        }
    }
    let decode_s = clock.now() - start;
    let bytes: usize = payloads.iter().map(Vec::len).sum();
    let restored = Restored::Adc(&adc);
    let mut figure =
        Figure::exact(format!("BCAE-VS, {levels} levels"), Family::NetworkCoded, 8.0 * bytes as f64);
    figure.setting = Some(levels.into());
    figure.quality = Quality::of(&set.adc, restored);
    figure.shifts = Some(Shifts::of(&set.adc, set.frame, restored, geometry));
    figure.times = Some(Times { encode_s: encoded.seconds + coding_s, decode_s, fixed_s: None });
    figure.timed =
        "encode: the network from a list of hits, and entropy coding; decode: both dense decoders; once";
    figure.about = "authors' weights; places of the hits kept by context, values in levels; payloads without a container".into();
    Ok((figure, adc))
}
