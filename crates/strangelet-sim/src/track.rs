//! Helices through the gas: where a particle goes, what it frees on its way.

use crate::detector::Detector;
use crate::ionise::{self, DELTA_ELECTRONS, DENSITY, RADIATION_LENGTH_CM, W_KEV};
use crate::particles::{self, Particle};
use crate::rng::Rng;

/// A point of a helix with the direction there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State {
    /// Place, cm.
    pub at_cm: [f64; 3],
    /// Angle of the transverse direction.
    pub phi: f64,
    /// Sine and cosine of the angle to the transverse plane.
    pub dip: (f64, f64),
}

/// A free electron, and whose.
#[derive(Debug, Clone, Copy)]
pub struct Freed {
    /// Place, cm.
    pub at_cm: [f64; 3],
    /// How many at this place.
    pub electrons: u64,
}

impl State {
    /// The state after a path of `path_cm` on a circle of signed curvature `curvature` (1/cm, in the transverse plane).
    pub fn after(&self, path_cm: f64, curvature: f64) -> State {
        let s = path_cm * self.dip.1;
        let turn = curvature * s;
        let half = 0.5 * turn;
        // Chord: s sinc(turn / 2) along the mean direction; exact, and good for straight lines.
        let sinc = if half.abs() < 1e-4 { 1.0 - half * half / 6.0 } else { half.sin() / half };
        let (sin, cos) = (self.phi + half).sin_cos();
        let chord = s * sinc;
        State {
            at_cm: [
                self.at_cm[0] + chord * cos,
                self.at_cm[1] + chord * sin,
                self.at_cm[2] + path_cm * self.dip.0,
            ],
            phi: self.phi + turn,
            dip: self.dip,
        }
    }

    /// The same place with the direction turned by a small angle of this width in each plane.
    fn scattered(mut self, width: f64, rng: &mut Rng) -> State {
        let (a, b) = (rng.normal() * width, rng.normal() * width);
        let cos = self.dip.1.max(0.05);
        self.phi += a / cos;
        let dip = self.dip.0.atan2(self.dip.1) + b;
        let (mut s, mut c) = dip.sin_cos();
        if c < 0.0 {
            // Over the pole: the other azimuth.
            c = -c;
            self.phi += std::f64::consts::PI;
        }
        if s.abs() > 1.0 {
            s = s.signum();
        }
        self.dip = (s, c);
        self
    }

    /// Unit vector of the direction.
    fn direction(&self) -> [f64; 3] {
        let (s, c) = self.phi.sin_cos();
        [self.dip.1 * c, self.dip.1 * s, self.dip.0]
    }

    fn radius(&self) -> f64 {
        self.at_cm[0].hypot(self.at_cm[1])
    }
}

/// Where charge matters: radii, cm. Outside, a particle only moves on.
#[derive(Debug, Clone, Copy)]
pub struct Shell {
    /// From, cm.
    pub low_cm: f64,
    /// To, cm.
    pub high_cm: f64,
}

/// Longest path that is followed, cm.
const LONGEST_CM: f64 = 3000.0;
/// Radius of the outer field cage, cm.
const OUTSIDE_CM: f64 = 78.0;
/// Radius of the inner field cage, cm.
const INSIDE_CM: f64 = 30.0;
/// Beam pipe, silicon and field cage within that radius, spread evenly.
const TRACKER_G_CM2: f64 = 1.5;
/// The same in radiation lengths.
const TRACKER_RADIATION_LENGTHS: f64 = 0.06;

/// Follows a particle through the gas and tells `sink` the electrons it frees within `shell`; knock-on electrons
/// that travel go to `born` instead, with what the particle decays into.
pub fn follow(
    detector: &Detector,
    particle: &Particle,
    shell: Shell,
    rng: &mut Rng,
    sink: &mut dyn FnMut(Freed),
    born: &mut Vec<Particle>,
) {
    if particle.charge == 0 {
        return;
    }
    let (mass, electron) = (particle.mass_gev(), particle.code.abs() == 11);
    let mut p = particle.p_gev();
    let [px, py, pz] = particle.momentum_gev;
    let mut state = State {
        at_cm: particle.origin_cm,
        phi: py.atan2(px),
        dip: (pz / p.max(1e-12), (px.hypot(py) / p.max(1e-12)).min(1.0)),
    };
    let mut kinetic_kev = (p.hypot(mass) - mass) * 1e6;
    let mut path = 0.0;
    let begins_outside = state.radius() > OUTSIDE_CM - 1.0;
    // Proper length that is left to live; kaons and pions decay in flight.
    let mut life_cm = particles::ctau_cm(particle.code).map_or(f64::INFINITY, |c| c * rng.exponential());
    while path < LONGEST_CM && kinetic_kev > 0.1 {
        let beta_gamma = p / mass;
        let radius_cm = detector.radius_cm(p.max(1e-5));
        let curvature = -(particle.charge as f64) / radius_cm / state.dip.1.max(1e-3);
        let step = if electron && kinetic_kev < 2000.0 {
            (0.05 * ionise::range_g_cm2(kinetic_kev * 1e-3) / DENSITY).clamp(0.02, 1.0)
        } else {
            1.0_f64.min(0.5 * radius_cm).max(0.02)
        };
        let next = state.after(step, curvature);
        let within = |s: &State| {
            let r = s.radius();
            r > shell.low_cm - 1.0 && r < shell.high_cm + 1.0
        };
        let gas = next.radius() > INSIDE_CM;
        if gas && (within(&state) || within(&next)) {
            let density = detector.clusters_cm * ionise::bethe(beta_gamma) * (particle.charge as f64).powi(2);
            let mut at = rng.exponential() / density;
            while at < step && kinetic_kev > 0.0 {
                let n = ionise::cluster(rng).min(1 + (kinetic_kev / W_KEV) as u64);
                let here = state.after(at, curvature);
                kinetic_kev -= n as f64 * W_KEV;
                if n >= DELTA_ELECTRONS && born.len() < 1000 {
                    born.push(knock_on(n as f64 * W_KEV, &here, beta_gamma, rng));
                } else {
                    sink(Freed { at_cm: here.at_cm, electrons: n });
                }
                at += rng.exponential() / density;
            }
        } else if gas {
            kinetic_kev -= detector.electrons_cm * W_KEV * ionise::bethe(beta_gamma) * step;
        } else {
            kinetic_kev -= 1600.0 * ionise::bethe(beta_gamma) * step * TRACKER_G_CM2 / INSIDE_CM;
            if electron {
                kinetic_kev *= 1.0 - step * TRACKER_RADIATION_LENGTHS / INSIDE_CM;
            }
        }
        path += step;
        let beta = beta_gamma / beta_gamma.hypot(1.0);
        let thickness =
            step * if gas { 1.0 / RADIATION_LENGTH_CM } else { TRACKER_RADIATION_LENGTHS / INSIDE_CM };
        let width = 0.0136 / (beta * p).max(1e-9) * thickness.sqrt();
        state = if width > 1e-4 { next.scattered(width.min(1.0), rng) } else { next };
        let energy = mass + kinetic_kev.max(0.0) * 1e-6;
        p = (energy * energy - mass * mass).max(0.0).sqrt();
        let r = state.radius();
        let outward = state.at_cm[0] * state.phi.cos() + state.at_cm[1] * state.phi.sin() > 0.0;
        life_cm -= step / beta_gamma;
        if life_cm <= 0.0 {
            born.extend(particles::decay_in_flight(
                particle,
                state.at_cm,
                state.direction().map(|d| p * d),
                rng,
            ));
            break;
        }
        let left = r > OUTSIDE_CM && (outward || !begins_outside);
        let stopped = electron && p < 0.003 && r < INSIDE_CM - 0.5 && path > 1.0;
        if left || stopped || state.at_cm[2].abs() > detector.half_length_cm {
            break;
        }
    }
}

/// A delta electron of this energy, knocked by a particle in this state.
fn knock_on(kev: f64, state: &State, beta_gamma: f64, rng: &mut Rng) -> Particle {
    let m = 511.0;
    let p = (kev * (kev + 2.0 * m)).sqrt();
    let gamma = beta_gamma.hypot(1.0);
    let beta = beta_gamma / gamma;
    // Two-body kinematics with a heavy projectile.
    let cos = (kev / (p * beta) * ((gamma * m + m) / (gamma * m))).clamp(-1.0, 1.0).min(1.0);
    let sin = (1.0 - cos * cos).sqrt();
    let around = rng.between(0.0, std::f64::consts::TAU);
    let (s, c) = state.phi.sin_cos();
    let (dz, dt) = state.dip;
    let forward = [dt * c, dt * s, dz];
    let (side, up) = ([-s, c, 0.0], [-dz * c, -dz * s, dt]);
    let momentum_gev = [0, 1, 2]
        .map(|i| 1e-6 * p * (cos * forward[i] + sin * (around.cos() * side[i] + around.sin() * up[i])));
    Particle { code: 11, charge: -1, momentum_gev, origin_cm: state.at_cm, secondary: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helix_closes_and_keeps_its_radius() {
        let start = State { at_cm: [10.0, 0.0, 0.0], phi: 0.3, dip: (0.6, 0.8) };
        let radius = 25.0;
        let round = std::f64::consts::TAU * radius / 0.8;
        let end = start.after(round, 1.0 / radius);
        assert!((end.at_cm[0] - 10.0).abs() < 1e-9 && end.at_cm[1].abs() < 1e-9);
        assert!((end.at_cm[2] - 0.6 * round).abs() < 1e-9);
        // In many steps or in one: the same place.
        let many = (0..100).fold(start, |s, _| s.after(0.17, 1.0 / radius));
        let one = start.after(17.0, 1.0 / radius);
        (0..3).for_each(|i| assert!((many.at_cm[i] - one.at_cm[i]).abs() < 1e-9));
        // Every point is one radius from the centre.
        let centre = [10.0 - radius * 0.3f64.sin(), radius * 0.3f64.cos()];
        let d = (many.at_cm[0] - centre[0]).hypot(many.at_cm[1] - centre[1]);
        assert!((d - radius).abs() < 1e-9);
    }

    #[test]
    fn straight_lines_are_straight() {
        let start = State { at_cm: [0.0; 3], phi: 0.5, dip: (0.0, 1.0) };
        let end = start.after(10.0, 1e-12);
        assert!((end.at_cm[0] - 10.0 * 0.5f64.cos()).abs() < 1e-9);
    }

    #[test]
    fn a_track_frees_the_electrons_of_its_length() {
        let detector = Detector::default();
        let particle = Particle {
            code: 211,
            charge: 1,
            momentum_gev: [0.49, 0.0, 0.0],
            origin_cm: [0.0; 3],
            secondary: false,
        };
        let shell = Shell { low_cm: 40.0, high_cm: 70.0 };
        let (mut total, tracks) = (0u64, 300);
        for k in 0..tracks {
            let mut knocked = Vec::new();
            let mut count = |f: Freed| {
                let r = f.at_cm[0].hypot(f.at_cm[1]);
                if (40.0..70.0).contains(&r) {
                    total += f.electrons.min(100);
                }
            };
            follow(&detector, &particle, shell, &mut Rng::new(&[k]), &mut count, &mut knocked);
        }
        // Without the tail over 100 electrons a collision frees about 2.0 in the mean; beta gamma is 3.5.
        let per_cm = total as f64 / tracks as f64 / 30.0;
        assert!((32.0..42.0).contains(&per_cm), "{per_cm}");
    }
}
