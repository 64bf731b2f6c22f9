//! BCAE-VS: frames made again by a network, from a few of their hits.
//!
//! # What it does
//! [`crate::model::bcae`] decides which hits of a frame are kept and gives each a value; its decoders make the frame again. What
//! comes out differs from what went in: the values, and which voxels are hit at all. This codec is
//! therefore never chosen by itself; it is there for who asks for it by name, and codes a stream of cells that its own decoder made.
//!
//! # When it wins
//! Where the known behaviour of this network is wanted. `hits` of reduced values is smaller at the same error.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | 1 | form: 0 plain, 1 coded |
//! | 8 | xxh3-64 of the bundle |
//! | varint | 0: the bundle is one that ships with this project; else its length |
//! | length | the bundle |
//! | 3 varints | sides of a frame (each at least 2); the cells are whole frames |
//! | 8 | seed of the gate (a decoder does not need it) |
//! | plain: for each frame varint | number of voxels kept |
//! | and 36 bits each | voxel (20 bits), value (16 bits, IEEE binary16); low bits first, each frame filled up to whole bytes |
//! | coded: 1 | levels - 1: a value q stands for q / levels (f32 division) |
//! | rest | all frames through `entropy/binary.rs`, by `model/kept.rs` |
//!
//! Cells are 16 bits wide. With sides a, b, c, (b + 16)(c + 16) is at most 2^15, and the number of frames times (a + 16)(b + 16)(c + 16) at
//! most 2^25; that times the multiplications that the bundle's two networks need for a voxel at most 2^41. Plain frames have at most 2^20 voxels.
//!
//! # Determinism
//! f32 additions and multiplications in the order of `infer/{sparse,dense}.rs`, then 2^v in f64 by `infer/math.rs`.
//!
//! # References
//! Y. Huang, Y. Ren, S. Yoo, J. Huang: Fast 2D bicephalous convolutional autoencoder for compressing 3D time projection chamber data
//! (2023); Variable rate neural compression for sparse detector data (2024).

use crate::codec::{Codec, Level, Shape, Stream};
use crate::column::Cells;
use crate::entropy::binary::{Decoder, Encoder};
use crate::entropy::bits::{BitReader, BitWriter};
use crate::error::{Result, corruption, unsupported, usage};
use crate::format::varint::{Cursor, put};
use crate::model::bcae::{Bcae, Code, MAX_PADDED, padded};
use crate::model::kept::Kept;
use std::sync::OnceLock;
use xxhash_rust::xxh3::xxh3_64;

/// The weights that the authors published (BSD-3-Clause; see models/README.md).
pub static AUTHORS: &[u8] = include_bytes!("../../../../models/bcae_vs.bundle");

/// The network of a bundle that ships with this project.
pub fn authors() -> Result<&'static Bcae> {
    static READ: OnceLock<std::result::Result<Bcae, String>> = OnceLock::new();
    READ.get_or_init(|| Bcae::from_bundle(AUTHORS).map_err(|e| e.to_string())).as_ref().map_err(corruption)
}

/// How a code is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// 36 bits for each hit kept, as the authors count.
    Plain,
    /// Positions and values by context; values as multiples of 1 / levels (1 to 255).
    Coded {
        /// Steps between 0 and 1.
        levels: u8,
    },
}

/// What frames of one shape are coded with.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Sides of a frame: azimuth, drift, layer.
    pub frame: [usize; 3],
    /// How the code is written.
    pub form: Form,
    /// Seed of the gate.
    pub seed: u64,
    /// The bundle, where it is not the authors' own.
    pub bundle: Option<&'a [u8]>,
}

/// What became of frames.
#[derive(Debug, Clone, Default)]
pub struct Reduced {
    /// The payload.
    pub payload: Vec<u8>,
    /// The cells that a decoder makes of it.
    pub cells: Vec<u16>,
    /// Hits before.
    pub hits: usize,
    /// Hits kept.
    pub kept: usize,
}

/// Codes frames and makes them again. Fails where the cells are no whole frames, or the frames too large.
pub fn reduce(plan: &Plan, cells: &[u16]) -> Result<Reduced> {
    let volume = volume(plan.frame, cells.len()).map_err(|e| usage(e.to_string()))?;
    let read;
    let bcae = match plan.bundle {
        Some(bytes) => {
            read = Bcae::from_bundle(bytes)?;
            &read
        }
        None => authors()?,
    };
    affordable(bcae, plan.frame, cells.len()).map_err(|e| usage(e.to_string()))?;
    let mut reduced = Reduced::default();
    let mut codes = Vec::new();
    for (n, frame) in cells.chunks_exact(volume).enumerate() {
        let voxels: Vec<u32> = (0..volume as u32).filter(|&i| frame[i as usize] != 0).collect();
        let adc: Vec<u16> = voxels.iter().map(|&i| frame[i as usize]).collect();
        let analysis = bcae.analyse(plan.frame, &voxels, &adc, plan.seed, (n * volume) as u64)?;
        reduced.hits += analysis.hits;
        reduced.kept += analysis.code.voxels.len();
        codes.push(analysis.code);
    }
    reduced.payload = write(plan, bcae.id, &mut codes)?;
    for code in &codes {
        bcae.synthesise(plan.frame, code, &mut reduced.cells)?;
    }
    Ok(reduced)
}

/// Voxels of a frame, of which `count` cells are whole frames.
fn volume(frame: [usize; 3], count: usize) -> Result<usize> {
    let volume = padded(frame).filter(|_| frame.iter().all(|&n| n >= 2)).map(|_| frame.iter().product());
    let whole = |v: &usize| {
        count.is_multiple_of(*v) && (count / v).saturating_mul(padded(frame).unwrap_or(0)) <= MAX_PADDED
    };
    volume.filter(whole).ok_or_else(|| corruption(format!("bcae-vs: {count} cells as frames of {frame:?}")))
}

/// Most multiplications that a payload may ask of a reader.
const MAX_PRODUCTS: u64 = 1 << 41;

/// Refuses networks that are too large for so many frames.
fn affordable(bcae: &Bcae, frame: [usize; 3], count: usize) -> Result<()> {
    let voxels = padded(frame).unwrap_or(usize::MAX) as u64;
    let frames = (count / frame.iter().product::<usize>().max(1)) as u64;
    if bcae.cost().saturating_mul(voxels).saturating_mul(frames) > MAX_PRODUCTS {
        return Err(corruption("bcae-vs: a network too large for so many voxels"));
    }
    Ok(())
}

/// Writes the payload of frames' codes; their values become what a reader will find.
pub fn write(plan: &Plan, id: u64, codes: &mut [Code]) -> Result<Vec<u8>> {
    let mut out = vec![u8::from(plan.form != Form::Plain)];
    out.extend_from_slice(&id.to_le_bytes());
    let bundle = plan.bundle.unwrap_or_default();
    put(&mut out, bundle.len() as u64);
    out.extend_from_slice(bundle);
    for side in plan.frame {
        put(&mut out, side as u64);
    }
    out.extend_from_slice(&plan.seed.to_le_bytes());
    match plan.form {
        Form::Plain => {
            if plan.frame.iter().product::<usize>() > 1 << 20 {
                return Err(usage("bcae-vs: frames of more than 2^20 voxels have no plain form"));
            }
            for code in codes {
                put(&mut out, code.voxels.len() as u64);
                let mut bits = BitWriter::new();
                for (&voxel, value) in code.voxels.iter().zip(&mut code.values) {
                    let half = to_half(*value);
                    *value = from_half(half);
                    bits.put(u64::from(voxel), 20);
                    bits.put(u64::from(half), 16);
                }
                out.extend(bits.finish());
            }
        }
        Form::Coded { levels } => {
            let levels = levels.max(1);
            out.push(levels - 1);
            let (mut coder, mut kept) = (Encoder::new(), Kept::default());
            for code in codes {
                let mut marks = Vec::with_capacity(code.voxels.len());
                for (&voxel, value) in code.voxels.iter().zip(&mut code.values) {
                    let q = (*value * f32::from(levels) + 0.5).floor().clamp(0.0, f32::from(levels)) as u8;
                    *value = f32::from(q) / f32::from(levels);
                    marks.push((voxel, q));
                }
                kept.frame(&mut coder, plan.frame, &mut marks)?;
            }
            out.extend(coder.finish());
        }
    }
    Ok(out)
}

/// What a payload holds: sides of a frame, codes, and its bundle where that does not ship with this project.
pub struct Read<'a> {
    /// Sides of a frame.
    pub frame: [usize; 3],
    /// One for each frame.
    pub codes: Vec<Code>,
    /// xxh3-64 of the bundle.
    pub id: u64,
    /// The bundle, where it is in the payload.
    pub bundle: Option<&'a [u8]>,
}

/// Reads the payload of `count` cells.
pub fn read(payload: &[u8], count: usize) -> Result<Read<'_>> {
    let mut c = Cursor::new(payload);
    let form = c.byte()?;
    let id = u64::from_le_bytes(c.array()?);
    let length = c.count()?;
    let bundle = (length > 0).then_some(c.take(length)?);
    let mut frame = [0; 3];
    for side in &mut frame {
        *side = usize::try_from(c.varint()?).unwrap_or(usize::MAX);
    }
    let volume = volume(frame, count)?;
    let _seed = c.array::<8>()?;
    let frames = count / volume;
    let mut codes = Vec::new();
    match form {
        0 if volume <= 1 << 20 => {
            for _ in 0..frames {
                let n = c.count()?;
                let mut bits = BitReader::new(c.take((36 * n).div_ceil(8))?);
                let mut code = Code::default();
                for _ in 0..n {
                    let voxel = bits.get(20) as u32;
                    if voxel as usize >= volume || code.voxels.last().is_some_and(|&l| l >= voxel) {
                        return Err(corruption("bcae-vs: voxels out of order"));
                    }
                    code.voxels.push(voxel);
                    code.values.push(from_half(bits.get(16) as u16));
                }
                codes.push(code);
            }
            if !c.rest().is_empty() {
                return Err(corruption("bcae-vs: something behind the frames"));
            }
        }
        1 => {
            let levels = f32::from(c.byte()?) + 1.0;
            let (mut coder, mut kept) = (Decoder::new(c.rest()), Kept::default());
            for _ in 0..frames {
                let mut marks = Vec::new();
                kept.frame(&mut coder, frame, &mut marks)?;
                let (voxels, values) = marks.iter().map(|&(v, q)| (v, f32::from(q) / levels)).unzip();
                codes.push(Code { voxels, values });
            }
        }
        _ => return Err(corruption(format!("bcae-vs: there is no form {form}"))),
    }
    Ok(Read { frame, codes, id, bundle })
}

/// Round to nearest, ties to even. For 0 to 65504; what is too large becomes infinite.
fn to_half(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let exponent = (bits >> 23 & 0xff) as i32 - 127;
    let fraction = bits & 0x7f_ffff;
    if exponent < -25 {
        return sign;
    }
    if exponent > 15 {
        return sign | 0x7c00;
    }
    // Bits that are dropped, of the fraction with its leading one.
    let (drop, value) = if exponent < -14 {
        ((-1 - exponent) as u32, fraction | 0x80_0000)
    } else {
        (13, fraction | ((exponent + 15) as u32) << 23)
    };
    let (kept, rest, half) = (value >> drop, value & ((1 << drop) - 1), 1 << (drop - 1));
    sign | (kept + u32::from(rest > half || rest == half && kept & 1 == 1)) as u16
}

/// Exact.
fn from_half(h: u16) -> f32 {
    let sign = u32::from(h & 0x8000) << 16;
    let (exponent, fraction) = (u32::from(h >> 10 & 31), u32::from(h & 1023));
    let size = match exponent {
        0 => return f32::from_bits(sign | (fraction as f32 / 16_777_216.0).to_bits()),
        31 => 0x7f80_0000 | fraction << 13,
        _ => (exponent + 112) << 23 | fraction << 13,
    };
    f32::from_bits(sign | size)
}

/// Frames made again by a network.
pub struct BcaeVs;

impl Codec for BcaeVs {
    fn id(&self) -> u8 {
        super::BCAE_VS
    }
    fn name(&self) -> &'static str {
        "bcae-vs"
    }

    /// Never by itself: it would not give the same cells back.
    fn encode(&self, _stream: &Stream, _level: Level, _out: &mut Vec<u8>) -> Result<bool> {
        Ok(false)
    }

    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        if shape.scalar.width() != 2 {
            return Err(corruption("bcae-vs: cells of another width"));
        }
        let found = read(payload, shape.count)?;
        let own;
        let bcae = match found.bundle {
            Some(bytes) if xxh3_64(bytes) != found.id => {
                return Err(corruption("bcae-vs: the bundle differs"));
            }
            Some(bytes) => {
                own = Bcae::from_bundle(bytes)?;
                &own
            }
            None => authors()?,
        };
        if bcae.id != found.id {
            return Err(unsupported(format!("bcae-vs: no bundle {:016x} here", found.id)));
        }
        affordable(bcae, found.frame, shape.count)?;
        let mut cells = crate::limits::reserve(shape.count);
        for code in &found.codes {
            bcae.synthesise(found.frame, code, &mut cells)?;
        }
        Ok(Cells::W2(cells))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Scalar;
    use xxhash_rust::xxh3::xxh3_64;

    /// Straight tracks with a shape of pulses: enough for the network to see what it knows.
    fn tracks(frame: [usize; 3], frames: usize) -> Vec<u16> {
        let volume: usize = frame.iter().product();
        let mut cells = vec![0; volume * frames];
        for (f, cells) in cells.chunks_exact_mut(volume).enumerate() {
            for t in 0..12 {
                for l in 0..frame[2] {
                    let a = (t * 5 + f + l * (t % 3)) % (frame[0] - 1);
                    let b = (t * 17 + l * (t % 5)) % (frame[1] - 6);
                    for (k, adc) in [83, 140, 210, 120, 74].iter().enumerate() {
                        cells[(a * frame[1] + b + k) * frame[2] + l] = adc + (t % 7) as u16;
                        cells[((a + 1) * frame[1] + b + k) * frame[2] + l] = adc / 2 + 40;
                    }
                }
            }
        }
        cells
    }

    const FRAME: [usize; 3] = [24, 60, 16];

    fn plan(form: Form) -> Plan<'static> {
        Plan { frame: FRAME, form, seed: 5, bundle: None }
    }

    #[test]
    fn a_decoder_makes_what_the_encoder_saw() {
        let cells = tracks(FRAME, 2);
        for form in [Form::Plain, Form::Coded { levels: 32 }] {
            let made = reduce(&plan(form), &cells).unwrap();
            assert_eq!(made.cells.len(), cells.len());
            let shape = Shape { scalar: Scalar::U16, count: cells.len() };
            let back = BcaeVs.decode(&made.payload, shape, &[]).unwrap();
            assert_eq!(back, Cells::W2(made.cells));
            assert!(made.kept > 50 && made.kept < made.hits, "{} of {}", made.kept, made.hits);
            let found = cells.iter().filter(|&&c| c != 0).count();
            assert_eq!(found, made.hits);
        }
    }

    #[test]
    fn the_bytes_are_format() {
        let cells = tracks(FRAME, 1);
        let made = [Form::Plain, Form::Coded { levels: 32 }].map(|form| {
            let made = reduce(&plan(form), &cells).unwrap();
            let bytes: Vec<u8> = made.cells.iter().flat_map(|c| c.to_le_bytes()).collect();
            (xxh3_64(&made.payload), xxh3_64(&bytes))
        });
        assert_eq!(made, FROZEN, "payloads and what decoders make of them may not change");
    }

    const FROZEN: [(u64, u64); 2] =
        [(8693113162520695277, 9297777319628640958), (14277544454521660815, 5704404013034571082)];

    #[test]
    fn a_bundle_may_come_along() {
        let cells = tracks(FRAME, 1);
        let without = reduce(&plan(Form::Plain), &cells).unwrap();
        let with = reduce(&Plan { bundle: Some(AUTHORS), ..plan(Form::Plain) }, &cells).unwrap();
        assert_eq!(with.cells, without.cells);
        assert_eq!(with.payload.len(), without.payload.len() + AUTHORS.len() + 2);
        let shape = Shape { scalar: Scalar::U16, count: cells.len() };
        assert_eq!(BcaeVs.decode(&with.payload, shape, &[]).unwrap(), Cells::W2(with.cells));
        let mut broken = with.payload.clone();
        broken[100] ^= 1;
        assert!(BcaeVs.decode(&broken, shape, &[]).is_err());
    }

    #[test]
    fn broken_payloads_are_errors_or_frames() {
        let cells = tracks([8, 20, 16], 1);
        let shape = Shape { scalar: Scalar::U16, count: cells.len() };
        for form in [Form::Plain, Form::Coded { levels: 32 }] {
            let made = reduce(&Plan { frame: [8, 20, 16], ..plan(form) }, &cells).unwrap();
            for i in 0..made.payload.len() {
                // the end of coded bits may be cut without harm to what they say
                if let Ok(cells) = BcaeVs.decode(&made.payload[..i], shape, &[]) {
                    assert_eq!(cells.len(), shape.count);
                }
            }
            for i in (0..made.payload.len()).filter(|i| *i < 40 || i % 7 == 0) {
                let mut broken = made.payload.clone();
                broken[i] ^= 0x41;
                if let Ok(cells) = BcaeVs.decode(&broken, shape, &[]) {
                    assert_eq!(cells.len(), shape.count);
                }
            }
            for count in [0, 1, cells.len() - 1, 2 * cells.len(), usize::MAX] {
                let _ = BcaeVs.decode(&made.payload, Shape { scalar: Scalar::U16, count }, &[]);
            }
            assert!(BcaeVs.decode(&made.payload, Shape { scalar: Scalar::F32, ..shape }, &[]).is_err());
        }
    }

    #[test]
    fn halves_are_ieee() {
        for h in 0..=0x7c00u16 {
            assert_eq!(to_half(from_half(h)), h);
            assert_eq!(to_half(-from_half(h)), h | 0x8000);
        }
        assert_eq!(from_half(0x3c00), 1.0);
        assert_eq!(from_half(0x3555), 0.333_251_95);
        assert_eq!(to_half(1.0 / 3.0), 0x3555);
        assert_eq!(to_half(1.0 + 1.0 / 2048.0), 0x3c00); // a tie goes to even
        assert_eq!(to_half(1.0 + 3.0 / 2048.0), 0x3c02);
        assert_eq!(to_half(f32::from_bits(0x3380_0000)), 1); // the smallest
        assert_eq!(to_half(f32::from_bits(0x3300_0000)), 0); // half of it: to even
        assert_eq!(to_half(65520.0), 0x7c00);
    }

    #[test]
    fn it_is_never_chosen() {
        let cells = Cells::W2(tracks(FRAME, 1));
        let role = crate::codec::Role::Values(crate::column::Meaning::Number);
        let stream = Stream { cells: &cells, scalar: Scalar::U16, role, lists: None, inner: 1, dims: &[] };
        assert!(!BcaeVs.encode(&stream, Level::Max, &mut Vec::new()).unwrap());
    }
}
