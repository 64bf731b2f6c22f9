//! One readout: a triggered collision, the pile-up around it, all their particles through the gas, and the wedges
//! that come out.

use crate::detector::{BINS, Detector, Group, LAYERS, SECTORS, Suppression, WEDGES};
use crate::digitise;
use crate::particles::{self, Particle, Spectrum};
use crate::response::{self, Avalanche, Charge, NOBODY, Shares};
use crate::rng::Rng;
use crate::track::{self, Freed, Shell};
use std::sync::Arc;

/// Where the particles of a collision come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Parametrised Au+Au: charged particles of the triggered collision within 1.1 units of pseudorapidity, drawn
    /// evenly from this range; those of pile-up have the spread of all collisions.
    Parametrised {
        /// Fewest and most charged particles.
        charged: (f64, f64),
    },
    /// Collisions of a file, drawn at random. Vertices are taken relative to the collision's place.
    Events(Arc<Vec<Vec<Particle>>>),
}

/// Everything a simulated set depends on.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// Seed.
    pub seed: u64,
    /// The chamber.
    pub detector: Detector,
    /// Layers.
    pub group: Group,
    /// Zero suppression.
    pub suppression: Suppression,
    /// Rate of collisions, kHz; 0 for the triggered one alone.
    pub pileup_khz: f64,
    /// Spread of the vertices along the beam, cm.
    pub vertex_cm: f64,
    /// Particles.
    pub source: Source,
    /// Secondaries and the like.
    pub spectrum: Spectrum,
    /// Mean occupancy that events are scaled to.
    pub occupancy: Option<f64>,
    /// Whether to keep the truth of each hit.
    pub truth: bool,
    /// Whether the wedges of positive z run along z, against their own time, as one array over both sides has them.
    pub along_z: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters {
            seed: 1,
            detector: Detector::default(),
            group: Group::Outer,
            suppression: Suppression::First4,
            pileup_khz: 170.0,
            vertex_cm: 10.0,
            source: Source::Parametrised { charged: (200.0, 4000.0) },
            spectrum: Spectrum::default(),
            occupancy: None,
            truth: false,
            along_z: false,
        }
    }
}

/// What the truth knows of a track.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// The particle where it begins.
    pub particle: Particle,
    /// Number of the collision: 0 is the triggered one.
    pub collision: u32,
    /// When that was, ns after the trigger.
    pub delay_ns: f64,
    /// The track that it was knocked out by or decayed from; itself where none.
    pub parent: u32,
}

/// One wedge: azimuth x beam x layer.
#[derive(Debug, Clone)]
pub struct Wedge {
    /// Side x 12 + sector.
    pub number: usize,
    /// Samples.
    pub adc: Vec<u16>,
    /// Track of each hit in the order of the array, for voxels over zero; `NOBODY` for noise. Empty unless asked for.
    pub owner: Vec<u32>,
}

impl Wedge {
    /// Share of voxels with a hit.
    pub fn occupancy(&self) -> f64 {
        self.adc.iter().filter(|v| **v > 0).count() as f64 / self.adc.len().max(1) as f64
    }
}

/// One readout.
#[derive(Debug, Clone)]
pub struct Event {
    /// The wedges that were asked for.
    pub wedges: Vec<Wedge>,
    /// All tracks.
    pub tracks: Vec<Track>,
    /// Place of the triggered collision along the beam, cm.
    pub vertex_z_cm: f64,
    /// Collisions, with those of the pile-up.
    pub collisions: usize,
}

/// Names of random streams.
mod stream {
    pub const COLLISIONS: u64 = 1;
    pub const PARTICLES: u64 = 2;
    pub const TRACK: u64 = 3;
    pub const NOISE: u64 = 4;
    pub const ELECTRONS: u64 = 5;
}

/// A wedge mask with all wedges.
pub const ALL_WEDGES: u32 = (1 << WEDGES) - 1;

/// Makes event `number`; of its wedges those with a bit in `wanted`.
pub fn simulate(parameters: &Parameters, number: u64, wanted: u32) -> Event {
    let Some(target) = parameters.occupancy else { return at_scale(parameters, number, wanted, 1.0) };
    // Scale all multiplicities until the mean occupancy of all wedges is there; saturation makes it a search.
    let (mut scale, mut best) = (target / 0.1, None::<(f64, f64)>);
    for _ in 0..6 {
        let event = at_scale(&Parameters { truth: false, ..parameters.clone() }, number, ALL_WEDGES, scale);
        let mean = event.wedges.iter().map(Wedge::occupancy).sum::<f64>() / WEDGES as f64;
        let off = (mean / target).ln().abs();
        if best.is_none_or(|(b, _)| off < b) {
            best = Some((off, scale));
        }
        if off < 0.05 {
            break;
        }
        scale *= (target / mean.max(target * 0.1)).clamp(0.1, 10.0);
    }
    at_scale(parameters, number, wanted, best.map_or(scale, |b| b.1))
}

fn at_scale(parameters: &Parameters, number: u64, wanted: u32, scale: f64) -> Event {
    let (seed, detector, group) = (parameters.seed, &parameters.detector, parameters.group);
    let mut rng = Rng::new(&[seed, number, stream::COLLISIONS]);
    let delays = delays(parameters, &mut rng);
    let vertices: Vec<f64> = delays.iter().map(|_| parameters.vertex_cm * rng.normal()).collect();
    let mut tracks = Vec::new();
    for (c, (&delay_ns, &z)) in delays.iter().zip(&vertices).enumerate() {
        let mut rng = Rng::new(&[seed, number, stream::PARTICLES, c as u64]);
        for particle in collision(parameters, c == 0, z, scale, &mut rng) {
            let parent = tracks.len() as u32;
            tracks.push(Track { particle, collision: c as u32, delay_ns, parent });
        }
    }
    let (low_cm, high_cm) = group.radii_cm();
    let shell = Shell { low_cm, high_cm };
    let mut avalanches: Vec<Vec<Avalanche>> = vec![Vec::new(); WEDGES];
    let mut next = 0;
    // Knocked-on electrons and products of decays join the end of the list and are followed in their turn.
    while next < tracks.len() && tracks.len() < NOBODY as usize {
        let track = tracks[next].clone();
        let mut rng = Rng::new(&[seed, number, stream::TRACK, next as u64]);
        let electrons = Rng::new(&[seed, number, stream::ELECTRONS, next as u64]);
        let (mut born, mut cluster) = (Vec::new(), 0);
        let mut sink = |freed: Freed| {
            cluster += 1;
            if wanted & nearby(&freed.at_cm) == 0 {
                return;
            }
            let mut rng = electrons.branch(cluster);
            for _ in 0..freed.electrons {
                response::drift(
                    detector,
                    group,
                    freed.at_cm,
                    track.delay_ns,
                    next as u32,
                    &mut rng,
                    &mut |w, a| {
                        if wanted >> w & 1 == 1 {
                            avalanches[w].push(a);
                        }
                    },
                );
            }
        };
        track::follow(detector, &track.particle, shell, &mut rng, &mut sink, &mut born);
        tracks.extend(born.into_iter().map(|particle| Track { particle, parent: next as u32, ..track }));
        next += 1;
    }
    let shares = Shares::new(detector, group);
    let vertex = vertices.first().copied().unwrap_or(0.0);
    let wedges = (0..WEDGES).filter(|w| wanted >> w & 1 == 1).map(|w| {
        let mut rng = Rng::new(&[seed, number, stream::NOISE, w as u64]);
        let mut charge = Charge::new(group.pads(), parameters.truth);
        avalanches[w].iter().for_each(|a| charge.add(&shares, a));
        avalanches[w] = Vec::new();
        let mut adc = digitise::wedge(detector, parameters.suppression, &charge, &mut rng);
        accept(detector, group, &mut adc);
        let turned = parameters.along_z && w >= SECTORS;
        if turned {
            reverse(&mut adc);
        }
        let owner = if parameters.truth { owners(&charge, &adc, turned) } else { Vec::new() };
        Wedge { number: w, adc, owner }
    });
    let wedges = wedges.collect();
    Event { wedges, tracks, vertex_z_cm: vertex, collisions: delays.len() }
}

/// Wedges that an electron freed here may reach.
fn nearby(at_cm: &[f64; 3]) -> u32 {
    // Seven widths of the diffusion at the smallest radius, in sectors.
    const MARGIN: f64 = 0.06;
    let turn = at_cm[1].atan2(at_cm[0]) / std::f64::consts::TAU * SECTORS as f64;
    let sector = |x: f64| (x.floor() as i64).rem_euclid(SECTORS as i64) as u32;
    let both = 1u32 << sector(turn - MARGIN) | 1 << sector(turn + MARGIN);
    if at_cm[2] < 0.0 { both } else { both << SECTORS }
}

/// When collisions happen whose charge can be in the window, ns after the trigger; the trigger first.
fn delays(parameters: &Parameters, rng: &mut Rng) -> Vec<f64> {
    let window_ns = BINS as f64 * parameters.detector.clock_ns;
    let mean = 2.0 * window_ns * 1e-6 * parameters.pileup_khz;
    let n = rng.poisson(mean);
    std::iter::once(0.0).chain((0..n).map(|_| rng.between(-window_ns, window_ns))).collect()
}

fn collision(parameters: &Parameters, trigger: bool, z: f64, scale: f64, rng: &mut Rng) -> Vec<Particle> {
    let vertex = [0.0, 0.0, z];
    let primaries = match &parameters.source {
        Source::Parametrised { charged } => {
            let (low, high) = *charged;
            let n = if trigger {
                rng.between(low, high)
            } else {
                // Collisions of any centrality: most are peripheral, the edge is that of the central ones.
                2600.0 * rng.uniform().powf(2.6)
            };
            particles::collision(n * scale, vertex, &parameters.spectrum, rng)
        }
        Source::Events(events) if events.is_empty() => Vec::new(),
        Source::Events(events) => {
            // A scale of 2.3 is two collisions and 0.3 of a third one.
            let mut out = Vec::new();
            let mut left = scale;
            while left > 0.0 {
                let share = left.min(1.0);
                let chosen = &events[(rng.bits() % events.len() as u64) as usize];
                let turn = rng.between(0.0, std::f64::consts::TAU).sin_cos();
                for p in chosen {
                    if share >= 1.0 || rng.uniform() < share {
                        out.push(placed(p, turn, z));
                    }
                }
                left -= 1.0;
            }
            out
        }
    };
    let extra = particles::secondaries(&primaries, &parameters.spectrum, rng);
    let mut all = particles::decayed(primaries, rng);
    all.extend(extra);
    all
}

/// A particle of a file, turned about the beam and moved along it.
fn placed(p: &Particle, (s, c): (f64, f64), z: f64) -> Particle {
    let turned = |v: [f64; 3]| [v[0] * c - v[1] * s, v[0] * s + v[1] * c, v[2]];
    let mut origin_cm = turned(p.origin_cm);
    origin_cm[2] += z;
    Particle { momentum_gev: turned(p.momentum_gev), origin_cm, ..p.clone() }
}

/// Drops hits that the data set's acceptance does not keep: |z| - margin within the pseudorapidity. It cuts through
/// runs, whose rest then begins in the middle of a pulse.
fn accept(detector: &Detector, group: Group, adc: &mut [u16]) {
    if !detector.eta_max.is_finite() {
        return;
    }
    for layer in 0..LAYERS {
        let far = detector.eta_max.sinh() * group.layer_radius_cm(layer) + detector.eta_margin_cm;
        let z = |t: usize| detector.half_length_cm - (t as f64 + 0.5) * detector.bin_cm();
        for t in (0..BINS).filter(|&t| z(t) > far) {
            adc.iter_mut().skip(t * LAYERS + layer).step_by(BINS * LAYERS).for_each(|v| *v = 0);
        }
    }
}

/// Turns the drift axis round.
fn reverse(adc: &mut [u16]) {
    for pad in adc.chunks_exact_mut(BINS * LAYERS) {
        for t in 0..BINS / 2 {
            let (low, high) = pad.split_at_mut((BINS - 1 - t) * LAYERS);
            low[t * LAYERS..(t + 1) * LAYERS].swap_with_slice(&mut high[..LAYERS]);
        }
    }
}

fn owners(charge: &Charge, adc: &[u16], turned: bool) -> Vec<u32> {
    let hits = adc.iter().enumerate().filter(|(_, v)| **v > 0);
    hits.map(|(i, _)| {
        let (layer, pad, bin) = (i % LAYERS, i / (BINS * LAYERS), i / LAYERS % BINS);
        charge.owner(layer, pad, if turned { BINS - 1 - bin } else { bin })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_acceptance_ends_where_that_of_the_official_wedge_does() {
        let mut adc = vec![1; 192 * BINS * LAYERS];
        accept(&Detector::default(), Group::Outer, &mut adc);
        let first = |layer: usize| (0..BINS).find(|t| adc[t * LAYERS + layer] > 0);
        let found: Vec<usize> = (0..LAYERS).filter_map(first).collect();
        assert_eq!(found, [35, 31, 28, 25, 21, 18, 14, 11, 8, 4, 1, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn same_seed_same_bytes_whatever_else_is_asked_for() {
        let source = Source::Parametrised { charged: (60.0, 61.0) };
        let parameters = Parameters { source, pileup_khz: 10.0, ..Parameters::default() };
        let a = simulate(&parameters, 3, 0b11);
        let b = simulate(&parameters, 3, 0b10);
        let truth = simulate(&Parameters { truth: true, ..parameters.clone() }, 3, 0b10);
        assert_eq!(a.wedges[1].adc, b.wedges[0].adc);
        assert_eq!(truth.wedges[0].adc, b.wedges[0].adc);
        assert_eq!(truth.wedges[0].owner.len(), b.wedges[0].adc.iter().filter(|v| **v > 0).count());
        assert_ne!(simulate(&parameters, 4, 0b10).wedges[0].adc, b.wedges[0].adc);
        let other = Parameters { along_z: true, truth: true, ..parameters.clone() };
        let along = simulate(&other, 3, 1 << 13);
        let against = simulate(&Parameters { truth: true, ..parameters.clone() }, 3, 1 << 13);
        let (mut along, against) = (along.wedges[0].clone(), &against.wedges[0]);
        assert_ne!(along.owner, against.owner);
        let sorted = |w: &Wedge| {
            let mut owners = w.owner.clone();
            owners.sort_unstable();
            owners
        };
        assert_eq!(sorted(&along), sorted(against));
        reverse(&mut along.adc);
        assert_eq!(along.adc, against.adc);
        let other = Parameters { seed: 2, ..parameters };
        assert_ne!(simulate(&other, 3, 0b10).wedges[0].adc, b.wedges[0].adc);
    }
}
