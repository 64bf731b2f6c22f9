//! From free electrons to charge in voxels: drift, diffusion, amplification, pads, shaping.

use crate::detector::{BINS, Detector, Group, LAYERS, SECTORS};
use crate::rng::Rng;

/// An electron's avalanche on the pad plane of a wedge.
#[derive(Debug, Clone, Copy)]
pub struct Avalanche {
    /// Layer within the group.
    pub layer: u8,
    /// Azimuth in pads from the wedge's edge; pad k reaches from k to k + 1. May be a little outside.
    pub pad: f32,
    /// Arrival in time bins; bin k reaches from k to k + 1. May be outside.
    pub bin: f32,
    /// Size in ADC counts, all voxels together.
    pub adc: f32,
    /// Index of the track.
    pub track: u32,
}

/// The wedge of a point, and its azimuth within in pads: (sector, pad).
pub fn sector_and_pad(group: Group, phi: f64) -> (usize, f64) {
    let turn = phi / std::f64::consts::TAU;
    let pad = (turn - turn.floor()) * group.pads_around() as f64;
    let sector = ((pad / group.pads() as f64) as usize).min(SECTORS - 1);
    (sector, pad - (sector * group.pads()) as f64)
}

/// How far over its edge a wedge still sees an avalanche, in pads.
const MARGIN: f64 = 2.0;

/// Drifts one electron freed at `at_cm`, `delay_ns` after the trigger, and gives its avalanche to every wedge that
/// sees it: `out(wedge, avalanche)`, where wedge = side x 12 + sector and side 0 is that of negative z.
pub fn drift(
    detector: &Detector,
    group: Group,
    at_cm: [f64; 3],
    delay_ns: f64,
    track: u32,
    rng: &mut Rng,
    out: &mut dyn FnMut(usize, Avalanche),
) {
    let length = detector.half_length_cm - at_cm[2].abs();
    if length < 0.0 {
        return;
    }
    let across = (detector.diffusion.0.powi(2) * length + detector.smear_cm.0.powi(2)).sqrt();
    let along = (detector.diffusion.1.powi(2) * length + detector.smear_cm.1.powi(2)).sqrt();
    let (x, y) = (at_cm[0] + across * rng.normal(), at_cm[1] + across * rng.normal());
    let time_ns = (length + along * rng.normal()) / detector.drift_cm_us * 1e3 + delay_ns;
    let adc = detector.gain * rng.exponential() * detector.adc_per_electron;
    let bin = time_ns / detector.clock_ns;
    if !(-4.0..BINS as f64 + 4.0).contains(&bin) {
        return;
    }
    let layer = (x.hypot(y) - group.radii_cm().0) / group.pitch_cm();
    if !(0.0..LAYERS as f64).contains(&layer) {
        return;
    }
    let side = if at_cm[2] < 0.0 { 0 } else { SECTORS };
    let (sector, pad) = sector_and_pad(group, y.atan2(x));
    let pads = group.pads() as f64;
    let mut tell = |sector: usize, pad: f64| {
        let a = Avalanche { layer: layer as u8, pad: pad as f32, bin: bin as f32, adc: adc as f32, track };
        out(side + sector, a);
    };
    tell(sector, pad);
    if pad < MARGIN {
        tell((sector + SECTORS - 1) % SECTORS, pad + pads);
    } else if pad >= pads - MARGIN {
        tell((sector + 1) % SECTORS, pad - pads);
    }
}

/// Positions within a pad or a bin that the tables know.
const PHASES: usize = 64;
/// Pads and bins that one avalanche touches: the middle one and this many either side.
const PADS_BESIDE: usize = 2;
const BINS_BESIDE: usize = 3;

/// Shares of an avalanche's charge in voxels, by its place within the middle voxel.
pub struct Shares {
    /// By layer, then phase: pads -2 ..= 2.
    pads: Vec<[[f32; 2 * PADS_BESIDE + 1]; PHASES]>,
    /// By phase: bins -3 ..= 3.
    bins: Vec<[f32; 2 * BINS_BESIDE + 1]>,
}

/// The error function (Abramowitz and Stegun 7.1.26; 1.5e-7).
pub fn erf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let poly = t
        * (0.254_829_592
            + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    (1.0 - poly * (-x * x).exp()).copysign(x)
}

/// Integral of a normal distribution of this width from 0 to `x`; at most a half.
fn half_normal(x: f64, width: f64) -> f64 {
    0.5 * erf(x / (width * std::f64::consts::SQRT_2))
}

/// Shares of the pads -2 ..= 2 for a Gaussian cloud of `width` (in pads) at `place` within pad 0; each pad weighs
/// the charge with a triangle that reaches from the middle of one neighbour to that of the other.
fn pad_shares(width: f64, place: f64) -> [f32; 2 * PADS_BESIDE + 1] {
    const POINTS: i32 = 40;
    let mut shares = [0.0f64; 2 * PADS_BESIDE + 1];
    let mut total = 0.0;
    for i in -POINTS..=POINTS {
        // The cloud out to 2.5 widths.
        let x = 2.5 * i as f64 / POINTS as f64;
        let weight = (-0.5 * x * x).exp();
        total += weight;
        let at = place + x * width;
        for (k, share) in shares.iter_mut().enumerate() {
            let middle = k as f64 - PADS_BESIDE as f64 + 0.5;
            *share += weight * (1.0 - (at - middle).abs()).max(0.0);
        }
    }
    shares.map(|s| (s / total) as f32)
}

/// Shares of the bins -3 ..= 3 for a pulse that has its maximum at `place` within bin 0: half of the charge in a
/// half Gaussian before it, half after.
fn bin_shares(shaping: (f64, f64), place: f64) -> [f32; 2 * BINS_BESIDE + 1] {
    let upto = |x: f64| if x < 0.0 { half_normal(x, shaping.0) } else { half_normal(x, shaping.1) };
    std::array::from_fn(|k| {
        let low = k as f64 - BINS_BESIDE as f64 - place;
        (upto(low + 1.0) - upto(low)) as f32
    })
}

impl Shares {
    /// Tables for a group of layers.
    pub fn new(detector: &Detector, group: Group) -> Self {
        let phase = |i: usize| (i as f64 + 0.5) / PHASES as f64;
        let width = |layer: usize| {
            let pad_cm = std::f64::consts::TAU * group.layer_radius_cm(layer) / group.pads_around() as f64;
            detector.cloud_cm / pad_cm
        };
        let shaping = (detector.shaping_ns.0 / detector.clock_ns, detector.shaping_ns.1 / detector.clock_ns);
        Shares {
            pads: (0..LAYERS).map(|l| std::array::from_fn(|i| pad_shares(width(l), phase(i)))).collect(),
            bins: (0..PHASES).map(|i| bin_shares(shaping, phase(i))).collect(),
        }
    }
}

/// Charge of a wedge in ADC counts over the pedestal: `[layer][pad][bin]`.
pub struct Charge {
    /// Pads of a layer.
    pub pads: usize,
    /// The voxels.
    pub adc: Vec<f32>,
    /// For each voxel, who gave most; empty where nobody asks.
    best: Vec<Best>,
}

#[derive(Clone, Copy)]
struct Best {
    adc: f32,
    track: u32,
    /// What is being added up now.
    current: f32,
    of: u32,
}

/// No track.
pub const NOBODY: u32 = u32::MAX;

impl Charge {
    /// An empty wedge; with `truth` it remembers who gave most to each voxel.
    pub fn new(pads: usize, truth: bool) -> Self {
        let n = LAYERS * pads * BINS;
        let nobody = Best { adc: 0.0, track: NOBODY, current: 0.0, of: NOBODY };
        Charge { pads, adc: vec![0.0; n], best: if truth { vec![nobody; n] } else { Vec::new() } }
    }

    /// Adds an avalanche. The avalanches of one track must follow one another.
    pub fn add(&mut self, shares: &Shares, a: &Avalanche) {
        let (pad, bin) = (a.pad.floor(), a.bin.floor());
        let phase = |x: f32, whole: f32| (((x - whole) * PHASES as f32) as usize).min(PHASES - 1);
        let (Some(layer), Some(bins)) =
            (shares.pads.get(a.layer as usize), shares.bins.get(phase(a.bin, bin)))
        else {
            return;
        };
        let pads = &layer[phase(a.pad, pad)];
        let first_bin = bin as i64 - BINS_BESIDE as i64;
        let cut = |k: i64| k.clamp(0, BINS as i64) as usize;
        let (low, high) = (cut(first_bin), cut(first_bin + bins.len() as i64));
        if low >= high {
            return;
        }
        let skipped = (low as i64 - first_bin) as usize;
        for (k, &pad_share) in pads.iter().enumerate() {
            let p = pad as i64 + k as i64 - PADS_BESIDE as i64;
            if pad_share <= 0.0 || p < 0 || p >= self.pads as i64 {
                continue;
            }
            let row = (a.layer as usize * self.pads + p as usize) * BINS;
            let scale = a.adc * pad_share;
            let Some(voxels) = self.adc.get_mut(row + low..row + high) else { continue };
            for (v, &b) in voxels.iter_mut().zip(&bins[skipped..]) {
                *v += scale * b;
            }
            if let Some(best) = self.best.get_mut(row + low..row + high) {
                for (v, &b) in best.iter_mut().zip(&bins[skipped..]) {
                    if v.of != a.track {
                        (v.of, v.current) = (a.track, 0.0);
                    }
                    v.current += scale * b;
                    if v.current > v.adc {
                        (v.adc, v.track) = (v.current, a.track);
                    }
                }
            }
        }
    }

    /// Who gave most to a voxel.
    pub fn owner(&self, layer: usize, pad: usize, bin: usize) -> u32 {
        self.best.get((layer * self.pads + pad) * BINS + bin).map_or(NOBODY, |b| b.track)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_charge_arrives() {
        let (detector, group) = (Detector::default(), Group::Outer);
        let shares = Shares::new(&detector, group);
        for layer in &shares.pads {
            for phase in layer {
                assert!((phase.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }
        // 2.2 bins of the shorter, 2.1 widths of the longer half lie within the seven bins at least.
        for phase in &shares.bins {
            let sum = phase.iter().sum::<f32>();
            assert!((0.995..=1.00001).contains(&sum), "{sum}");
        }
        let mut charge = Charge::new(group.pads(), false);
        let mut rng = Rng::new(&[5]);
        let mut given = 0.0;
        for _ in 0..2000 {
            let a = Avalanche {
                layer: (rng.uniform() * 16.0) as u8,
                pad: rng.between(3.0, 189.0) as f32,
                bin: rng.between(4.0, 244.0) as f32,
                adc: rng.exponential() as f32 * 5.0,
                track: 0,
            };
            given += a.adc as f64;
            charge.add(&shares, &a);
        }
        let got: f64 = charge.adc.iter().map(|&x| x as f64).sum();
        assert!((got / given - 1.0).abs() < 0.003, "{got} {given}");
    }

    #[test]
    fn the_place_of_an_avalanche_is_the_centre_of_its_charge() {
        let (detector, group) = (Detector::default(), Group::Outer);
        let shares = Shares::new(&detector, group);
        for i in 0..40 {
            let place = 100.0 + i as f32 / 40.0;
            let mut charge = Charge::new(group.pads(), false);
            charge.add(&shares, &Avalanche { layer: 7, pad: place, bin: 100.5, adc: 1.0, track: 0 });
            let row = |p: usize| (7 * group.pads() + p) * BINS;
            let sums: Vec<f32> = (95..106).map(|p| charge.adc[row(p)..row(p + 1)].iter().sum()).collect();
            let total: f32 = sums.iter().sum();
            let centre: f32 =
                sums.iter().zip(95..106).map(|(s, p)| s * (p as f32 + 0.5)).sum::<f32>() / total;
            assert!((centre - place).abs() < 0.02, "{centre} {place}");
        }
    }

    #[test]
    fn the_error_function_is_right() {
        for (x, y) in [(0.0, 0.0), (0.5, 0.520_499_88), (1.0, 0.842_700_79), (-2.0, -0.995_322_27)] {
            assert!((erf(x) - y).abs() < 2e-7);
        }
    }

    #[test]
    fn the_largest_share_owns_the_voxel() {
        let (detector, group) = (Detector::default(), Group::Outer);
        let shares = Shares::new(&detector, group);
        let mut charge = Charge::new(group.pads(), true);
        let give = |charge: &mut Charge, adc: f32, track: u32| {
            charge.add(&shares, &Avalanche { layer: 0, pad: 10.5, bin: 10.5, adc, track });
        };
        give(&mut charge, 3.0, 0);
        give(&mut charge, 2.0, 1);
        give(&mut charge, 2.0, 1);
        give(&mut charge, 3.5, 2);
        assert_eq!(charge.owner(0, 10, 10), 1);
        assert_eq!(charge.owner(0, 50, 10), NOBODY);
    }

    #[test]
    fn pads_number_the_circle() {
        let g = Group::Outer;
        assert_eq!(sector_and_pad(g, 0.0), (0, 0.0));
        let (s, p) = sector_and_pad(g, -1e-9);
        assert!(s == 11 && p > 191.9);
        let (s, p) = sector_and_pad(g, 30.5f64.to_radians());
        assert!(s == 1 && (p - 3.2).abs() < 1e-9);
    }
}
