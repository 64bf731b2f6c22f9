//! Is the chamber's answer to a particle the one that its constants say?

use strangelet_sim::detector::{BINS, Detector, Group, LAYERS};
use strangelet_sim::event::{self, Parameters, Source};
use strangelet_sim::particles::Particle;
use strangelet_sim::response::{self, Charge, Shares};
use strangelet_sim::rng::Rng;
use strangelet_sim::statistics::{self, Array, Number};
use strangelet_sim::track::{self, Shell};

/// Charge of straight radial tracks in the middle of a wedge, at one place along the beam.
fn straight_tracks(detector: &Detector, group: Group, z_cm: f64, tracks: u64) -> (Charge, f64) {
    let shares = Shares::new(detector, group);
    let (low_cm, high_cm) = group.radii_cm();
    let mut charge = Charge::new(group.pads(), false);
    let phi = 15.0f64.to_radians();
    let particle = Particle {
        code: 13,
        charge: -1,
        momentum_gev: [1000.0 * phi.cos(), 1000.0 * phi.sin(), 0.0],
        origin_cm: [0.0, 0.0, z_cm],
        secondary: false,
    };
    for k in 0..tracks {
        let mut rng = Rng::new(&[99, k]);
        let mut electrons = rng.branch(1);
        let mut sink = |freed: track::Freed| {
            // Knock-on electrons beside, clusters would make the mean a matter of luck.
            for _ in 0..freed.electrons.min(5) {
                response::drift(detector, group, freed.at_cm, 0.0, 0, &mut electrons, &mut |wedge, a| {
                    assert_eq!(wedge, 12);
                    charge.add(&shares, &a);
                });
            }
        };
        track::follow(detector, &particle, Shell { low_cm, high_cm }, &mut rng, &mut sink, &mut Vec::new());
    }
    let pad_cm = std::f64::consts::TAU * group.layer_radius_cm(8) / group.pads_around() as f64;
    (charge, pad_cm)
}

/// Mean and variance of the charge of a layer along one axis.
fn moments(charge: &Charge, layer: usize, along_time: bool) -> (f64, f64) {
    let (mut n, mut sum, mut square) = (0.0, 0.0, 0.0);
    for pad in 0..charge.pads {
        for bin in 0..BINS {
            let q = charge.adc[(layer * charge.pads + pad) * BINS + bin] as f64;
            let x = if along_time { bin } else { pad } as f64 + 0.5;
            n += q;
            sum += q * x;
            square += q * x * x;
        }
    }
    let mean = sum / n;
    (mean, square / n - mean * mean)
}

#[test]
fn clusters_are_as_wide_as_diffusion_pads_and_shaping_make_them() {
    let (detector, group) = (Detector::default(), Group::Outer);
    for drift_cm in [10.0, 90.0] {
        let z = detector.half_length_cm - drift_cm;
        let (charge, pad_cm) = straight_tracks(&detector, group, z, 60);
        let (mean, variance) = moments(&charge, 8, false);
        let across = detector.diffusion.0.powi(2) * drift_cm + detector.smear_cm.0.powi(2);
        // A triangle of half base 1 has a variance of 1/6; the cloud is cut at 2.5 widths (0.92 of its variance).
        let expected = (across + 0.92 * detector.cloud_cm.powi(2)) / pad_cm.powi(2) + 1.0 / 6.0;
        assert!((mean - 96.0).abs() < 0.1, "{mean}");
        assert!((variance / expected - 1.0).abs() < 0.06, "{drift_cm} cm: {variance} pads^2, not {expected}");

        let (mean, variance) = moments(&charge, 8, true);
        let bin = detector.bin_cm();
        let along = (detector.diffusion.1.powi(2) * drift_cm + detector.smear_cm.1.powi(2)) / bin.powi(2);
        let (lead, tail) =
            (detector.shaping_ns.0 / detector.clock_ns, detector.shaping_ns.1 / detector.clock_ns);
        let late = 0.5 * (tail - lead) * (2.0 / std::f64::consts::PI).sqrt();
        let expected = along + 0.5 * (lead * lead + tail * tail) - late * late + 1.0 / 12.0;
        assert!((mean - drift_cm / bin - late).abs() < 0.1, "{mean}");
        assert!((variance / expected - 1.0).abs() < 0.06, "{drift_cm} cm: {variance} bins^2, not {expected}");
    }
}

#[test]
fn a_layer_gets_the_charge_of_its_height() {
    let (detector, group) = (Detector::default(), Group::Outer);
    let tracks = 60;
    let (charge, _) = straight_tracks(&detector, group, 50.0, tracks);
    let per_layer = group.pads() * BINS;
    let layers: Vec<f64> =
        charge.adc.chunks_exact(per_layer).map(|c| c.iter().map(|&x| x as f64).sum()).collect();
    let inner = &layers[1..LAYERS - 1];
    let mean = inner.iter().sum::<f64>() / inner.len() as f64;
    // Clusters of at most five electrons: 1.47 in the mean, 1.55 times the minimum at this energy.
    let electrons = tracks as f64 * group.pitch_cm() * detector.clusters_cm * 1.47 * 1.55;
    let expected = electrons * detector.gain * detector.adc_per_electron;
    assert!((mean / expected - 1.0).abs() < 0.08, "{mean} ADC, not {expected}");
    assert!(inner.iter().all(|q| (q / mean - 1.0).abs() < 0.15), "{inner:?}");
}

/// The official wedge.
fn official() -> Array {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/tpc_auau_wedge.npy");
    let bytes = std::fs::read(path).unwrap();
    let adc = bytes[128..].chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
    Array { pads: 192, bins: BINS, layers: LAYERS, adc }
}

#[test]
fn wedges_are_like_the_official_one() {
    let real = statistics::numbers(&official());
    let parameters = Parameters {
        seed: 2,
        source: Source::Parametrised { charged: (2500.0, 2501.0) },
        ..Parameters::default()
    };
    let mut simulated = Vec::new();
    for number in 0..3 {
        for wedge in event::simulate(&parameters, number, 0b100_0001_0000_0100_0001).wedges {
            let array = Array { pads: 192, bins: BINS, layers: LAYERS, adc: wedge.adc };
            statistics::add(&mut simulated, &statistics::numbers(&array));
        }
    }
    let pairs = || real.iter().zip(&simulated);
    let get = |numbers: &[Number], group: &str, label: &str| {
        numbers.iter().find(|n| n.group == group && n.label == label).map(Number::value).unwrap()
    };
    let occupancy = |numbers: &[Number]| {
        let all = numbers.iter().filter(|n| n.group == statistics::DRIFT);
        let (sum, count) = all.fold((0.0, 0.0), |(s, c), n| (s + n.sum, c + n.count));
        sum / count
    };
    let (o, r) = (occupancy(&simulated), occupancy(&real));
    assert!((r / 2.0..r * 2.0).contains(&o), "occupancy {o}, not {r}");
    for (real, simulated) in pairs().filter(|(r, _)| r.group == statistics::SPECTRUM && r.value() > 0.01) {
        let ratio = simulated.value() / real.value();
        assert!((0.85..1.18).contains(&ratio), "{} {ratio}", real.label);
    }
    for (group, label, tolerance) in [
        (statistics::RUNS, "5", 0.06),
        (statistics::RUNS, "10", 0.35),
        (statistics::PULSE, "1", 0.06),
        (statistics::PULSE, "2", 0.12),
        (statistics::PULSE, "3", 0.15),
        (statistics::PULSE, "4", 0.15),
        (statistics::PEAK, "1", 0.15),
        (statistics::PEAK, "2", 0.06),
        (statistics::PEAK, "3", 0.15),
        (statistics::STARTS, "+0", 0.08),
        (statistics::STARTS, "+1", 0.08),
        (statistics::STARTS, "-1", 0.08),
        (statistics::WIDTH, "1", 0.12),
        (statistics::WIDTH, "4", 0.15),
        (statistics::WIDTH, "mean", 0.15),
        (statistics::NEIGHBOURS, "next pad", 0.06),
        (statistics::NEIGHBOURS, "next layer", 0.25),
    ] {
        let ratio = get(&simulated, group, label) / get(&real, group, label);
        assert!((ratio - 1.0).abs() < tolerance, "{group}, {label}: {ratio}");
    }
}
