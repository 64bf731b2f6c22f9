//! Grid: dense arrays, each number from its neighbours by least squares.
//!
//! # What it does
//! Every number is foretold from numbers before it: in an array of two or three dimensions from up to 192
//! around it (`lattice`), in a signal from those before it in its row (`trace`), or from those and what its channel did before, by
//! lines and a small net (`wave`). The weights are those that would have been
//! best so far; the decoder finds them from what it has, so that they cost no byte, follow changes, and can be
//! made for every distance from a border. The error is coded by halving intervals, with probabilities from bells
//! of the expected size around the expected place, corrected by what was seen in like cases.
//!
//! # When it wins
//! On fields on a grid (simulations, maps), where nothing but the rounding of the cells is left, and on
//! digitised waveforms, where nothing but their noise is left. Photons come one by one: how a trace of a camera goes on is
//! told by no one line, and its pedestal by the events before; there the net wins.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | 1 | 0: lattice; 1: trace; 2: wave |
//! | varint | floats only: 2048 + the binary exponent of the unit, 0 to 4095 |
//! | varint | numbers of a row; 0: all are one row |
//! | varint | lattice: rows of a plane; 0: all are one plane |
//! | 3 | lattice: reach, weights of rows and of planes |
//! | 1 | trace: taps, 1 to 64 |
//! | varint | wave: rows from one of a channel to its next; 0: no channels |
//! | 1 | wave: taps, 12 to 64 |
//! | to the end | bits of `entropy/binary.rs` |
//!
//! At most 2^23 cells. What a **lattice**, a **trace** and a **wave** foretell is in `model/{lattice,trace,wave,net,least_squares}.rs`, how numbers become
//! bits in `model/{frame,interval,bell}.rs`.
//!
//! Lattice: origin and views are the guess' place; size `here`; views narrow with size `here`, wide with size
//! `usual`; rate 14, limit 60; context = (0, 1, 2 for here / usual below 0.8, below 1.25, others) + 3 where all
//! neighbours of the depth exist + 6 where the last error was above zero.
//!
//! Trace: origin and size are those of the line with the smaller fast mean (the second where they are equal) and its fast mean;
//! views are the slow line narrow with its fast mean and wide with its mean of the place, the quick line wide with its fast mean;
//! rate 6, limit 1023; context = (0 to 4: last error of that line / its fast mean now up to
//! -1.5, -0.5, 0.5, 1.5, others) + (5 where its fast mean is above 2 x its slow one, 10 where it is below 0.7 x it).
//!
//! Wave: origin and size are the net's; views are the net narrow with its size, the slow line narrow with its fast mean, the quick line
//! wide with its fast mean, the net wide with the size of the place, the net wide with its fast mean; rate 3, limit 1023; context as
//! that of a trace, with the last error of the net and its means.
//!
//! **Floats**: with top = the binary exponent of max(|place|, 1), m = max(0, top - mantissa bits): n = number >> m (towards minus infinity) is
//! coded, all places and sizes times 2^-m. Then, with h = n << m, or (-1 - n) << m where n < 0, and z = min(m, max(0, binary exponent of h -
//! mantissa bits)) (0 for h = 0): m - z raw bits, those of the number (of -1 - number where n < 0) above the lowest z, which are 0
//! (1 where n < 0). A number 0 has a counter (limit 255, clamped to 16 ..= 65520) for "all bits are zero", else all its bits raw. Other
//! numbers have raw bits of the mantissa below the unit, where there are any. The size of every bell is at least 0.05, places of origins are within
//! +-2^58.
//!
//! # Determinism
//! IEEE binary64 (in the net binary32) `+ - * /` and `sqrt` in the order in which they stand; nothing is fused, reordered or taken from a
//! library.
//!
//! # References
//! X. Wu, K. U. Barthel, W. Zhang, Piecewise 2D autoregression for predictive image coding (1998): weights from what was
//! decoded. D. P. Kingma, J. Ba, Adam (2015): steps of a net. P. Lindstrom, M. Isenburg, Fast and efficient compression of floating-point data (2006): fields on grids.

use super::GRID;
use super::grid_find::{self, Found};
use crate::codec::{Codec, Level, Role, Shape, Stream};
use crate::column::{Cells, Meaning, Scalar};
use crate::entropy::binary::{BitCoder, Decoder, Encoder};
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::limits;
use crate::model::bell::Shape::{Narrow, Wide};
use crate::model::frame::{self, Frame};
use crate::model::lattice::{self, Lattice};
use crate::model::trace::{self, Trace};
use crate::model::wave::{self, Wave};

/// Dense arrays.
pub struct Grid;

/// Most cells.
pub const MAX_CELLS: usize = 1 << 23;

/// Cells on which models are tried.
const TRIAL: usize = 1 << 15;

/// What the numbers are to be foretold from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Numbers around.
    Lattice(lattice::Shape),
    /// Numbers before.
    Trace(trace::Shape),
    /// Numbers before, and those of the channel.
    Wave(wave::Shape),
}

impl Model {
    fn write(self, frame: Frame, out: &mut Vec<u8>) {
        out.push(match self {
            Model::Lattice(_) => 0,
            Model::Trace(_) => 1,
            Model::Wave(_) => 2,
        });
        if frame.is_float() {
            put(out, (2048 + frame.unit) as u64);
        }
        match self {
            Model::Lattice(s) => {
                put(out, s.row as u64);
                put(out, s.plane.checked_div(s.row).unwrap_or(0) as u64);
                out.extend([s.reach as u8, s.b as u8, s.a as u8]);
            }
            Model::Trace(s) => {
                put(out, s.row as u64);
                out.push(s.taps as u8);
            }
            Model::Wave(s) => {
                put(out, s.row as u64);
                put(out, s.rows as u64);
                out.push(s.taps as u8);
            }
        }
    }

    fn read(c: &mut Cursor, scalar: Scalar) -> Result<(Model, Frame)> {
        let wrong = || corruption("grid: settings that do not exist");
        let kind = c.byte()?;
        let unit = if scalar.is_float() { c.varint()? } else { 2048 };
        let row = c.varint()?;
        if kind > 2 || unit > 4095 || row > MAX_CELLS as u64 {
            return Err(wrong());
        }
        let (frame, row) = (Frame { scalar, unit: unit as i32 - 2048 }, row as usize);
        if kind == 1 {
            let taps = c.byte()? as usize;
            if taps == 0 || taps > trace::MAX_TAPS {
                return Err(wrong());
            }
            return Ok((Model::Trace(trace::Shape { row, taps }), frame));
        }
        let rows = c.varint()?;
        if kind == 2 {
            let taps = c.byte()? as usize;
            if rows > MAX_CELLS as u64 || !wave::TAPS.contains(&taps) {
                return Err(wrong());
            }
            return Ok((Model::Wave(wave::Shape { row, rows: rows as usize, taps }), frame));
        }
        let [reach, b, a] = c.array()?.map(u32::from);
        if rows > MAX_CELLS as u64 || rows * row as u64 > MAX_CELLS as u64 {
            return Err(wrong());
        }
        let shape = lattice::Shape { row, plane: rows as usize * row, reach, b, a };
        if shape.valid() { Ok((Model::Lattice(shape), frame)) } else { Err(wrong()) }
    }
}

/// Codes all cells, in either direction.
fn code<C: BitCoder>(c: &mut C, model: Model, frame: Frame, given: &[u64], count: usize) -> Result<Vec<u64>> {
    match model {
        Model::Lattice(shape) => code_lattice(c, frame, Lattice::new(shape), given, count),
        Model::Trace(shape) => code_trace(c, frame, Trace::new(shape, count), given, count),
        Model::Wave(shape) => code_wave(c, frame, Wave::new(shape, count), given, count),
    }
}

fn check<C: BitCoder>(c: &C, i: usize) -> Result<()> {
    if i & 0xfff == 0xfff && c.exhausted() {
        return Err(corruption("grid: the payload ends too early"));
    }
    Ok(())
}

fn code_lattice<C: BitCoder>(
    c: &mut C,
    frame: Frame,
    mut lattice: Lattice,
    given: &[u64],
    count: usize,
) -> Result<Vec<u64>> {
    let mut cells = frame::Cells::<2, 4>::new(frame, 14, 60);
    let mut made = limits::reserve(count);
    let mut last = 0.0;
    for i in 0..count {
        check(c, i)?;
        let guess = lattice.predict();
        let (middle, f) = (guess.middle, guess.here / guess.usual);
        let quiet = if f < 0.8 { 0 } else { 1 + (f >= 1.25) as usize };
        let context = quiet + 3 * lattice.inner() as usize + 6 * (last > 0.0) as usize;
        let views = [(middle, guess.here, Narrow), (middle, guess.usual, Wide)];
        let pattern = given.get(i).copied().unwrap_or(0);
        let pattern = cells.code(c, pattern, (middle, guess.here), &views, context);
        let number = frame.number(pattern) as f64;
        last = number - middle;
        lattice.update(number, middle);
        made.push(pattern);
    }
    Ok(made)
}

/// How the last number was missed, and whether errors grow.
fn context(last: f64, fast: f64, slow: f64) -> usize {
    let r = last / fast;
    let side = [-1.5, -0.5, 0.5, 1.5].iter().filter(|&&x| r > x).count();
    let loud = if fast > 2.0 * slow { 5 } else { 10 * (fast < slow * 0.7) as usize };
    side + loud
}

fn code_trace<C: BitCoder>(
    c: &mut C,
    frame: Frame,
    mut trace: Trace,
    given: &[u64],
    count: usize,
) -> Result<Vec<u64>> {
    let mut cells = frame::Cells::<3, 5>::new(frame, 6, 1023);
    let mut made = limits::reserve(count);
    let mut last = 0.0;
    for i in 0..count {
        check(c, i)?;
        let [slow, quick] = trace.predict();
        let best = if slow.fast < quick.fast { slow } else { quick };
        let views = [
            (slow.middle, slow.fast, Narrow),
            (slow.middle, slow.here, Wide),
            (quick.middle, quick.fast, Wide),
        ];
        let (middle, size) = (best.middle, best.fast);
        let context = context(last, best.fast, best.slow);
        let pattern = given.get(i).copied().unwrap_or(0);
        let pattern = cells.code(c, pattern, (middle, size), &views, context);
        let number = frame.number(pattern) as f64;
        last = number - middle;
        trace.update(number);
        made.push(pattern);
    }
    Ok(made)
}

fn code_wave<C: BitCoder>(
    c: &mut C,
    frame: Frame,
    mut wave: Wave,
    given: &[u64],
    count: usize,
) -> Result<Vec<u64>> {
    let mut cells = frame::Cells::<5, 7>::new(frame, 3, 1023);
    let mut made = limits::reserve(count);
    let mut last = 0.0;
    for i in 0..count {
        check(c, i)?;
        let guess = wave.predict();
        let (middle, size) = (guess.middle, guess.size);
        let wave::Sizes { fast, slow, .. } = wave.sizes;
        let views = [
            (middle, size, Narrow),
            (guess.slow.0, guess.slow.1, Narrow),
            (guess.quick.0, guess.quick.1, Wide),
            (middle, guess.here, Wide),
            (middle, fast, Wide),
        ];
        let pattern = given.get(i).copied().unwrap_or(0);
        let pattern = cells.code(c, pattern, (middle, size), &views, context(last, fast, slow));
        let number = frame.number(pattern) as f64;
        last = number - middle;
        wave.update(number);
        made.push(pattern);
    }
    Ok(made)
}

/// The payload of patterns.
fn encode_with(model: Model, frame: Frame, patterns: &[u64]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    model.write(frame, &mut out);
    let mut e = Encoder::new();
    code(&mut e, model, frame, patterns, patterns.len())?;
    out.extend(e.finish());
    Ok(out)
}

/// A stream that may be a grid, with the best of the models for it.
pub struct Proposal {
    frame: Frame,
    patterns: Vec<u64>,
    model: Model,
    /// Cells at the head of the stream that were coded for a trial.
    pub tried: usize,
    /// Bytes that they took.
    pub size: usize,
}

/// Looks whether a stream may be a grid, and tries the models that may fit on its first cells.
pub fn propose(stream: &Stream) -> Result<Option<Proposal>> {
    if stream.role != Role::Values(Meaning::Number) {
        return Ok(None);
    }
    let Some(Found { frame, patterns, models, inner, row }) = grid_find::find(stream) else {
        return Ok(None);
    };
    let tried = patterns.len().min(TRIAL);
    let mut best: Option<(usize, Model)> = None;
    let mut trial = |model: Model| -> Result<Option<Model>> {
        let size = encode_with(model, frame, &patterns[..tried])?.len();
        if best.is_none_or(|b| size < b.0) {
            best = Some((size, model));
        }
        Ok(best.map(|b| b.1))
    };
    let mut first = None;
    for model in models {
        first = trial(model)?;
    }
    // Some signals ring for long, or go on as no line tells.
    if let Some(Model::Trace(s)) = first {
        let row = row.unwrap_or(s.row);
        let rows = grid_find::channels(&patterns, frame, row, inner);
        let wave = Model::Wave(wave::Shape { row, rows, taps: 3 * s.taps });
        if trial(wave)? != Some(wave) {
            trial(Model::Trace(trace::Shape { taps: 3 * s.taps, ..s }))?;
        }
    }
    Ok(best.map(|(size, model)| Proposal { frame, patterns, model, tried, size }))
}

impl Proposal {
    /// Appends the payload of the whole stream.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend(encode_with(self.model, self.frame, &self.patterns)?);
        Ok(())
    }
}

impl Codec for Grid {
    fn id(&self) -> u8 {
        GRID
    }
    fn name(&self) -> &'static str {
        "grid"
    }
    fn encode(&self, stream: &Stream, level: Level, out: &mut Vec<u8>) -> Result<bool> {
        if level < Level::Max {
            return Ok(false);
        }
        let Some(proposal) = propose(stream)? else { return Ok(false) };
        proposal.encode(out)?;
        Ok(true)
    }
    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        if shape.count > MAX_CELLS {
            return Err(corruption(format!("grid: {} cells", shape.count)));
        }
        let mut c = Cursor::new(payload);
        let (model, frame) = Model::read(&mut c, shape.scalar)?;
        let made = code(&mut Decoder::new(c.rest()), model, frame, &[], shape.count)?;
        Ok(match shape.scalar.width() {
            1 => Cells::W1(made.iter().map(|&x| x as u8).collect()),
            2 => Cells::W2(made.iter().map(|&x| x as u16).collect()),
            4 => Cells::W4(made.iter().map(|&x| x as u32).collect()),
            _ => Cells::W8(made),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_64;

    fn models() -> Vec<Model> {
        let lattice = |row, plane, reach, b, a| Model::Lattice(lattice::Shape { row, plane, reach, b, a });
        vec![
            lattice(0, 0, 4, 0, 0),
            lattice(9, 0, 9, 1, 0),
            lattice(7, 35, 4, 1, 2),
            lattice(12, 144, 16, 1, 2),
            Model::Trace(trace::Shape { row: 0, taps: 1 }),
            Model::Trace(trace::Shape { row: 50, taps: 8 }),
            Model::Trace(trace::Shape { row: 1, taps: 64 }),
            Model::Wave(wave::Shape { row: 0, rows: 0, taps: 12 }),
            Model::Wave(wave::Shape { row: 1, rows: 7, taps: 12 }),
            Model::Wave(wave::Shape { row: 20, rows: 3, taps: 24 }),
        ]
    }

    fn patterns(scalar: Scalar, values: &[u64]) -> Vec<u64> {
        values.iter().map(|v| v & u64::MAX >> (64 - 8 * scalar.width())).collect()
    }

    fn come_back(scalar: Scalar, values: &[u64]) {
        let values = patterns(scalar, values);
        let Some(frame) = Frame::of(scalar, values.iter().copied()) else { return };
        for model in models() {
            let payload = encode_with(model, frame, &values).unwrap();
            let cells = Grid.decode(&payload, Shape { scalar, count: values.len() }, &[]).unwrap();
            let back: Vec<u64> = (0..cells.len()).map(|i| cells.get(i).unwrap()).collect();
            assert_eq!(back, values, "{} {model:?}", scalar.name());
        }
    }

    /// Noise between -1 and 1, the same on every machine.
    fn noise(i: u64) -> f64 {
        let x = (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (((x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB) >> 11) as f64) / (1u64 << 52) as f64 - 1.0
    }

    /// A smooth field of 32 x 24 x 20 as f32: some waves made of products only.
    fn field() -> Vec<u64> {
        let bump = |x: f64, at: f64, wide: f64| 1.0 / (1.0 + (x - at) * (x - at) / wide);
        let mut all = Vec::new();
        for k in 0..20 {
            for j in 0..24 {
                for i in 0..32 {
                    let sum: f64 = (0..12)
                        .map(|n| {
                            let place = |d: u64, size: f64| (noise(n * 3 + d) + 1.0) * size / 2.0;
                            noise(n + 99)
                                * bump(i as f64, place(0, 32.0), 40.0)
                                * bump(j as f64, place(1, 24.0), 40.0)
                                * bump(k as f64, place(2, 20.0), 40.0)
                        })
                        .sum();
                    all.push((sum as f32).to_bits() as u64);
                }
            }
        }
        all
    }

    /// Pulses on a wandering baseline, rows of 400, as u16.
    fn pulses() -> Vec<u64> {
        let mut base = 0.0;
        (0..20_000u64)
            .map(|t| {
                base = base * 0.9 + noise(t) * 6.0;
                let since = (t % 400) as f64 - 150.0;
                let pulse = if since > 0.0 { 3000.0 / (1.0 + since / 40.0) } else { 0.0 };
                (8000.0 + base + pulse + noise(t + 1_000_000) * 4.0) as u64
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_numbers_come_back(values in proptest::collection::vec(any::<u64>(), 0..500), keep in 0u32..64) {
            let values: Vec<u64> = values.iter().map(|v| v >> keep).collect();
            Scalar::ALL.iter().for_each(|&s| come_back(s, &values));
        }

        #[test]
        fn floats_of_all_sizes_come_back(
            values in proptest::collection::vec((-1.0f64..1.0, -320i32..300, any::<bool>()), 0..300),
            narrow in 0i32..320,
        ) {
            let f = |&(m, e, zero): &(f64, i32, bool)| {
                if zero && e < 0 { m.signum() * 0.0 } else { m * 10f64.powi(e % (narrow + 1)) }
            };
            let wide: Vec<u64> = values.iter().map(|v| f(v).to_bits()).collect();
            come_back(Scalar::F64, &wide);
            let short: Vec<u64> = values.iter().map(|v| (f(v) as f32).to_bits() as u64).collect();
            come_back(Scalar::F32, &short);
        }

        #[test]
        fn broken_payloads_give_cells_or_an_error(at: u16, flip: u8, cut: u16, more in 0usize..9000) {
            let values: Vec<u64> = (0..900).map(|i| (noise(i) * 100.0 + i as f64).to_bits()).collect();
            let frame = Frame::of(Scalar::F64, values.iter().copied()).unwrap();
            for model in models() {
                let mut payload = encode_with(model, frame, &values).unwrap();
                // Half of the time the settings, half of the time the bits.
                let at = if at & 1 == 0 { at as usize / 2 % 8 } else { at as usize % payload.len() };
                payload[at] ^= flip;
                payload.truncate(payload.len() - cut as usize % 300);
                for scalar in Scalar::ALL {
                    if let Ok(cells) = Grid.decode(&payload, Shape { scalar, count: more }, &[]) {
                        assert_eq!((cells.len(), cells.width()), (more, scalar.width()));
                    }
                }
            }
        }
    }

    #[test]
    fn payloads_are_frozen() {
        let frame = |scalar, values: &[u64]| Frame::of(scalar, values.iter().copied()).unwrap();
        let (field, pulses) = (field(), pulses());
        let shape = lattice::Shape { row: 32, plane: 768, reach: 20, b: 1, a: 2 };
        let a = encode_with(Model::Lattice(shape), frame(Scalar::F32, &field), &field).unwrap();
        let shape = trace::Shape { row: 400, taps: 8 };
        let b = encode_with(Model::Trace(shape), frame(Scalar::U16, &pulses), &pulses).unwrap();
        let shape = wave::Shape { row: 400, rows: 5, taps: 24 };
        let c = encode_with(Model::Wave(shape), frame(Scalar::U16, &pulses), &pulses).unwrap();
        let made = [(a.len(), xxh3_64(&a)), (b.len(), xxh3_64(&b)), (c.len(), xxh3_64(&c))];
        assert_eq!(made, FROZEN, "these bytes are on disks: the format may not change");
    }

    const FROZEN: [(usize, u64); 3] =
        [(17647, 3859023822020824732), (11266, 11544552964847183404), (11247, 805808133575791848)];

    #[test]
    fn rows_and_planes_are_found_without_a_hint() {
        let cells = Cells::W4(field().iter().map(|&x| x as u32).collect());
        let role = Role::Values(Meaning::Number);
        let stream = Stream { cells: &cells, scalar: Scalar::F32, role, lists: None, inner: 1, dims: &[] };
        let proposal = propose(&stream).unwrap().unwrap();
        let Model::Lattice(shape) = proposal.model else { panic!("{:?}", proposal.model) };
        assert_eq!((shape.row, shape.plane), (32, 768));
        let mut payload = Vec::new();
        assert!(Grid.encode(&stream, Level::Max, &mut payload).unwrap());
        assert!(payload.len() * 3 < cells.len() * 4, "{} bytes of {}", payload.len(), cells.len() * 4);
        let shape = Shape { scalar: Scalar::F32, count: cells.len() };
        assert_eq!(Grid.decode(&payload, shape, &[]).unwrap(), cells);
    }

    #[test]
    fn traces_are_found_within_a_larger_inner_shape() {
        let cells = Cells::W2(pulses().iter().map(|&x| x as u16).collect());
        let role = Role::Values(Meaning::Number);
        let stream = Stream { cells: &cells, scalar: Scalar::U16, role, lists: None, inner: 4000, dims: &[] };
        let proposal = propose(&stream).unwrap().unwrap();
        let row = match proposal.model {
            Model::Trace(s) => s.row,
            Model::Wave(s) => s.row,
            Model::Lattice(_) => 0,
        };
        assert_eq!(row, 400, "{:?}", proposal.model);
    }

    /// Traces of 64 of 40 channels in turn: each has its pedestal, and photons of the same shape come at any time.
    fn camera(events: u64) -> Vec<u64> {
        let shape = [2.0, 7.0, 12.0, 14.0, 13.0, 10.0, 7.0, 5.0, 3.0, 2.0, 1.0];
        let mut all = Vec::new();
        for n in 0..events * 40 {
            let pedestal = 500.0 + noise(n % 40 + 1_000_000) * 8.0;
            let mut row: Vec<f64> = (0..64)
                .map(|t| pedestal + (0..6).map(|k| noise(((n * 64) + t) * 6 + k)).sum::<f64>() * 0.7)
                .collect();
            for k in 0..3 {
                let at = ((noise(n * 3 + k + 9_000_000) + 1.0) * 50.0) as usize;
                for (x, y) in row.iter_mut().skip(at).zip(shape) {
                    *x += y;
                }
            }
            all.extend(row.iter().map(|x| (x + 0.5) as u64));
        }
        all
    }

    #[test]
    fn channels_and_photons_make_waves() {
        let cells = Cells::W2(camera(24).iter().map(|&x| x as u16).collect());
        let role = Role::Values(Meaning::Number);
        let dims = [40, 64];
        let stream =
            Stream { cells: &cells, scalar: Scalar::U16, role, lists: None, inner: 2560, dims: &dims };
        let proposal = propose(&stream).unwrap().unwrap();
        let Model::Wave(shape) = proposal.model else { panic!("{:?}", proposal.model) };
        assert_eq!((shape.row, shape.rows), (64, 40));
        let size = |model| encode_with(model, proposal.frame, &proposal.patterns).unwrap().len();
        let alone = size(Model::Wave(wave::Shape { rows: 0, ..shape }));
        let line = size(Model::Trace(trace::Shape { row: 64, taps: 24 }));
        let wave = size(proposal.model);
        assert!(wave * 100 < alone * 99 && wave * 100 < line * 97, "{wave} {alone} {line}");
        let mut payload = Vec::new();
        proposal.encode(&mut payload).unwrap();
        let shape = Shape { scalar: Scalar::U16, count: cells.len() };
        assert_eq!(Grid.decode(&payload, shape, &[]).unwrap(), cells);
    }

    #[test]
    fn noise_is_no_grid() {
        let cells = Cells::W4((0..9000).map(|i| (noise(i) as f32).to_bits()).collect());
        let role = Role::Values(Meaning::Number);
        let stream = Stream { cells: &cells, scalar: Scalar::F32, role, lists: None, inner: 1, dims: &[] };
        assert!(propose(&stream).unwrap().is_none());
    }
}
