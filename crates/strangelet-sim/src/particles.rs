//! Particles of a collision: parametrised, or given; weak decays; secondaries from the material.

use crate::rng::Rng;

/// A particle as it enters the chamber's simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct Particle {
    /// Particle code (PDG numbering).
    pub code: i32,
    /// Charge, e.
    pub charge: i32,
    /// Momentum, GeV.
    pub momentum_gev: [f64; 3],
    /// Where it begins, cm, from the centre of the chamber.
    pub origin_cm: [f64; 3],
    /// Whether it comes from matter, not from the collision or a decay.
    pub secondary: bool,
}

impl Particle {
    /// Transverse momentum, GeV.
    pub fn pt_gev(&self) -> f64 {
        self.momentum_gev[0].hypot(self.momentum_gev[1])
    }

    /// Absolute momentum, GeV.
    pub fn p_gev(&self) -> f64 {
        self.pt_gev().hypot(self.momentum_gev[2])
    }

    /// Mass, GeV.
    pub fn mass_gev(&self) -> f64 {
        mass_gev(self.code)
    }
}

/// Mass by particle code, GeV; that of the pion where the code is not known.
pub fn mass_gev(code: i32) -> f64 {
    match code.unsigned_abs() {
        11 => 0.000_510_999,
        13 => 0.105_658,
        22 => 0.0,
        310 | 311 => 0.497_611,
        321 => 0.493_677,
        2212 => 0.938_272,
        3112 => 1.197_449,
        3122 => 1.115_683,
        3222 => 1.189_37,
        3312 => 1.321_71,
        3334 => 1.672_45,
        1_000_010_020 => 1.875_613,
        _ => 0.139_570,
    }
}

/// Charge by particle code, e, of the codes that a charged-particle file may hold.
pub fn charge(code: i32) -> i32 {
    let sign = code.signum();
    match code.unsigned_abs() {
        11 | 13 | 15 | 3112 | 3312 | 3334 => -sign,
        22 | 111 | 130 | 310 | 311 | 2112 | 3122 | 12 | 14 | 16 => 0,
        _ => sign,
    }
}

/// What a collision at rest in transverse direction makes, by numbers.
#[derive(Debug, Clone)]
pub struct Spectrum {
    /// Pseudorapidity is flat up to here.
    pub eta_max: f64,
    /// Secondaries from the material per charged particle: electrons of converted photons ...
    pub conversions: f64,
    /// ... electrons that come back from the outside ...
    pub albedo: f64,
    /// ... slow protons.
    pub protons: f64,
}

impl Default for Spectrum {
    fn default() -> Self {
        Spectrum { eta_max: 2.0, conversions: 0.06, albedo: 0.015, protons: 0.055 }
    }
}

/// (code, share of charged particles, slope GeV)
const SPECIES: [(i32, f64, f64); 5] =
    [(211, 0.80, 0.118), (321, 0.10, 0.165), (2212, 0.07, 0.205), (310, 0.055, 0.165), (3122, 0.02, 0.215)];
/// Power of the hard tail.
const POWER: f64 = 10.0;

/// Transverse momentum from pt (1 + (mt - m)/(n T))^-n, GeV.
fn pt_gev(mass: f64, slope: f64, rng: &mut Rng) -> f64 {
    let density = |pt: f64| pt * (1.0 + (pt.hypot(mass) - mass) / (POWER * slope)).powf(-POWER);
    // Proposals from p exp(-p / a) with a wider than the spectrum, and a power tail in one of ten.
    let a = 1.5 * slope + 0.25 * mass;
    let proposal = |pt: f64| 0.9 * pt / (a * a) * (-pt / a).exp() + 0.1 * 6.0 * pt / (1.0 + pt).powi(4);
    let most =
        (1..200).map(|i| i as f64 * 0.03).map(|pt| density(pt) / proposal(pt)).fold(0.0, f64::max) * 1.02;
    loop {
        let pt = if rng.uniform() < 0.9 {
            a * (rng.exponential() + rng.exponential())
        } else {
            // 6 p / (1 + p)^4: a beta-prime variable of (2, 2)
            let (x, y) = (rng.exponential() + rng.exponential(), rng.exponential() + rng.exponential());
            x / y
        };
        if pt < 15.0 && rng.uniform() * most * proposal(pt) < density(pt) {
            return pt;
        }
    }
}

/// A collision with `charged` particles within one and a tenth units of pseudorapidity either side of the middle,
/// at `vertex_cm`.
pub fn collision(charged: f64, vertex_cm: [f64; 3], spectrum: &Spectrum, rng: &mut Rng) -> Vec<Particle> {
    let n = rng.poisson(charged * spectrum.eta_max / 1.1) as usize;
    let total: f64 = SPECIES.iter().map(|s| s.1).sum();
    let mut out = Vec::with_capacity(n + n / 8);
    for _ in 0..n {
        let mut u = rng.uniform() * total;
        let species = SPECIES.iter().find(|s| {
            u -= s.1;
            u < 0.0
        });
        let (code, _, slope) = *species.unwrap_or(&SPECIES[0]);
        let sign = if rng.uniform() < 0.5 { -1 } else { 1 };
        let code = if code == 310 { code } else { sign * code };
        let pt = pt_gev(mass_gev(code), slope, rng);
        let (eta, phi) =
            (rng.between(-spectrum.eta_max, spectrum.eta_max), rng.between(0.0, std::f64::consts::TAU));
        out.push(Particle {
            code,
            charge: charge(code),
            momentum_gev: [pt * phi.cos(), pt * phi.sin(), pt * eta.sinh()],
            origin_cm: vertex_cm,
            secondary: false,
        });
    }
    out
}

/// What the material adds to a collision's particles.
pub fn secondaries(primaries: &[Particle], spectrum: &Spectrum, rng: &mut Rng) -> Vec<Particle> {
    let mut out = Vec::new();
    for p in primaries.iter().filter(|p| p.charge != 0) {
        let scale = p.p_gev() / p.pt_gev().max(1e-9);
        let direction = p.momentum_gev.map(|c| c / p.p_gev().max(1e-9));
        // A photon like this particle, somewhere else in azimuth.
        let turned = |angle: f64| {
            let (s, c) = angle.sin_cos();
            [direction[0] * c - direction[1] * s, direction[0] * s + direction[1] * c, direction[2]]
        };
        if rng.uniform() < spectrum.conversions / 2.0 {
            let d = turned(rng.between(0.0, std::f64::consts::TAU));
            // In the tracker's and the field cage's material, and little in the gas.
            let radius = match rng.uniform() {
                u if u < 0.35 => rng.between(2.0, 12.0),
                u if u < 0.9 => rng.between(20.0, 30.0),
                _ => rng.between(30.0, 77.0),
            };
            let energy = 0.16 * (rng.exponential() + 0.3 * rng.exponential()) * scale;
            let share = rng.uniform();
            for (share, code) in [(share, 11), (1.0 - share, -11)] {
                let p_gev = energy * share;
                if p_gev > 2e-4 {
                    out.push(at(code, d.map(|c| c * p_gev), p.origin_cm, d, radius));
                }
            }
        }
        if rng.uniform() < spectrum.albedo {
            // From the outer field cage or the calorimeter, back into the gas: soft, in any inward direction.
            let d = turned(rng.between(0.0, std::f64::consts::TAU));
            let p_gev = 4e-4 + 3e-3 * rng.exponential();
            let (phi, cos) = (d[1].atan2(d[0]), rng.between(-0.9, 0.9));
            let turn = phi + std::f64::consts::PI + rng.between(-1.5, 1.5);
            let sin = (1.0 - cos * cos).sqrt();
            let momentum = [p_gev * sin * turn.cos(), p_gev * sin * turn.sin(), p_gev * cos];
            let radius = if rng.uniform() < 0.7 { 77.5 } else { rng.between(30.0, 77.0) };
            out.push(at(11, momentum, p.origin_cm, d, radius));
        }
        if rng.uniform() < spectrum.protons {
            let d = turned(rng.between(0.0, std::f64::consts::TAU));
            let kinetic = 0.01 + 0.06 * rng.exponential();
            let m = mass_gev(2212);
            let p_gev = ((kinetic + m) * (kinetic + m) - m * m).sqrt();
            let (phi, cos) = (rng.between(0.0, std::f64::consts::TAU), rng.between(-1.0, 1.0));
            let sin = (1.0 - cos * cos).sqrt();
            let momentum = [p_gev * sin * phi.cos(), p_gev * sin * phi.sin(), p_gev * cos];
            let radius = if rng.uniform() < 0.6 { rng.between(2.0, 30.0) } else { rng.between(30.0, 77.5) };
            out.push(at(2212, momentum, p.origin_cm, d, radius));
        }
    }
    out
}

/// A secondary of this momentum, begun where the ray from `from` in direction `d` reaches `radius`.
fn at(code: i32, momentum_gev: [f64; 3], from: [f64; 3], d: [f64; 3], radius: f64) -> Particle {
    let t = d[0].hypot(d[1]).max(1e-3);
    let way = radius / t;
    let origin_cm = [from[0] + d[0] * way, from[1] + d[1] * way, from[2] + d[2] * way];
    Particle { code, charge: charge(code), momentum_gev, origin_cm, secondary: true }
}

/// Decays of K0S and Lambda into charged particles; other neutral particles go, charged ones stay.
pub fn decayed(particles: Vec<Particle>, rng: &mut Rng) -> Vec<Particle> {
    let mut out = Vec::with_capacity(particles.len());
    for p in particles {
        // (c tau cm, branching into charged, daughters)
        let (ctau, branching, a, b) = match p.code {
            310 => (2.6844, 0.692, 211, -211),
            3122 => (7.89, 0.641, 2212, -211),
            -3122 => (7.89, 0.641, -2212, 211),
            _ if p.charge != 0 => {
                out.push(p);
                continue;
            }
            _ => continue,
        };
        let (length, u) = (rng.exponential() * ctau * p.p_gev() / p.mass_gev(), rng.uniform());
        let (cos, phi) = (rng.between(-1.0, 1.0), rng.between(0.0, std::f64::consts::TAU));
        if u > branching {
            continue;
        }
        let (m, ma, mb) = (p.mass_gev(), mass_gev(a), mass_gev(b));
        let k = ((m * m - (ma + mb).powi(2)) * (m * m - (ma - mb).powi(2))).sqrt() / (2.0 * m);
        let sin = (1.0 - cos * cos).sqrt();
        let rest = [k * sin * phi.cos(), k * sin * phi.sin(), k * cos];
        let d = p.momentum_gev.map(|c| c / p.p_gev().max(1e-12));
        let origin_cm = [0, 1, 2].map(|i| p.origin_cm[i] + d[i] * length);
        for (code, mass, sign) in [(a, ma, 1.0), (b, mb, -1.0)] {
            let q = rest.map(|c| sign * c);
            let momentum_gev = boosted(q, k.hypot(mass), p.momentum_gev, m);
            out.push(Particle { code, charge: charge(code), momentum_gev, origin_cm, secondary: false });
        }
    }
    out
}

/// Mean proper path of a charged particle that decays within the chamber now and then, cm.
pub fn ctau_cm(code: i32) -> Option<f64> {
    match code.abs() {
        211 => Some(780.4),
        321 => Some(371.2),
        3112 => Some(4.434),
        3222 => Some(2.404),
        3312 => Some(4.91),
        3334 => Some(2.461),
        _ => None,
    }
}

/// The charged daughter of a charged particle with this momentum, born here. Pions and kaons go to muon and neutrino
/// or (one kaon in three) pion and neutral pion; hyperons to the charged one of their usual pair.
pub fn decay_in_flight(
    parent: &Particle,
    origin_cm: [f64; 3],
    momentum_gev: [f64; 3],
    rng: &mut Rng,
) -> Option<Particle> {
    let u = rng.uniform();
    let sign = parent.code.signum();
    // (code and mass of the daughter, mass of the neutral one)
    let (code, other) = match parent.code.abs() {
        211 => (-13 * sign, 0.0),
        321 if u < 0.67 => (-13 * sign, 0.0),
        321 => (211 * sign, 0.134_977),
        3112 => (-211 * sign, 0.939_565),
        3222 if u < 0.515 => (2212 * sign, 0.134_977),
        3222 => (211 * sign, 0.939_565),
        3312 => (-211 * sign, 1.115_683),
        3334 => (-321 * sign, 1.115_683),
        _ => return None,
    };
    let (m, mass) = (parent.mass_gev(), mass_gev(code));
    let k = ((m * m - (mass + other).powi(2)) * (m * m - (mass - other).powi(2))).max(0.0).sqrt() / (2.0 * m);
    let (cos, phi) = (rng.between(-1.0, 1.0), rng.between(0.0, std::f64::consts::TAU));
    let sin = (1.0 - cos * cos).sqrt();
    let rest = [k * sin * phi.cos(), k * sin * phi.sin(), k * cos];
    let momentum_gev = boosted(rest, k.hypot(mass), momentum_gev, m);
    Some(Particle { code, charge: charge(code), momentum_gev, origin_cm, secondary: parent.secondary })
}

/// Momentum `q` with energy `e` in the rest frame of a parent with momentum `p` and mass `m`, in the laboratory.
fn boosted(q: [f64; 3], e: f64, p: [f64; 3], m: f64) -> [f64; 3] {
    let energy = (p.iter().map(|c| c * c).sum::<f64>() + m * m).sqrt();
    let along: f64 = q.iter().zip(&p).map(|(a, b)| a * b).sum();
    let f = (along / (energy + m) + e) / m;
    [q[0] + f * p[0], q[1] + f * p[1], q[2] + f * p[2]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decays_keep_momentum_and_mass() {
        let p = Particle {
            code: 3122,
            charge: 0,
            momentum_gev: [0.4, -0.3, 0.8],
            origin_cm: [0.0; 3],
            secondary: false,
        };
        let mut rng = Rng::new(&[1]);
        let out = decayed(vec![p.clone(); 100], &mut rng);
        assert!((100..160).contains(&out.len()), "{}", out.len());
        for pair in out.chunks(2) {
            let sum = [0, 1, 2].map(|i| pair[0].momentum_gev[i] + pair[1].momentum_gev[i]);
            let e: f64 = pair.iter().map(|d| d.p_gev().hypot(d.mass_gev())).sum();
            for i in 0..3 {
                assert!((sum[i] - p.momentum_gev[i]).abs() < 1e-9);
            }
            let m2 = e * e - sum.iter().map(|c| c * c).sum::<f64>();
            assert!((m2.sqrt() - p.mass_gev()).abs() < 1e-9);
        }
    }

    #[test]
    fn pions_go_to_muons_of_their_charge() {
        let pion = Particle {
            code: -211,
            charge: -1,
            momentum_gev: [0.0; 3],
            origin_cm: [0.0; 3],
            secondary: false,
        };
        let muon = decay_in_flight(&pion, [1.0, 2.0, 3.0], [0.0; 3], &mut Rng::new(&[4])).unwrap();
        assert_eq!((muon.code, muon.charge, muon.origin_cm), (13, -1, [1.0, 2.0, 3.0]));
        assert!((muon.p_gev() - 0.029_792).abs() < 1e-5);
    }

    #[test]
    fn spectrum_has_the_mean_of_its_formula() {
        let (m, slope) = (mass_gev(211), 0.118);
        let density = |pt: f64| pt * (1.0 + (pt.hypot(m) - m) / (POWER * slope)).powf(-POWER);
        let grid = || (0..30000).map(|i| (i as f64 + 0.5) * 0.0005);
        let expected = grid().map(|x| x * density(x)).sum::<f64>() / grid().map(density).sum::<f64>();
        let mut rng = Rng::new(&[2]);
        let mean = (0..20000).map(|_| pt_gev(m, slope, &mut rng)).sum::<f64>() / 20000.0;
        assert!((mean / expected - 1.0).abs() < 0.02, "{mean} {expected}");
    }
}
