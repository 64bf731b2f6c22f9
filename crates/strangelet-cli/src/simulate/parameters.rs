//! The sheet of a simulated set: every number it depends on, and what came out.

use serde_json::json;
use std::path::Path;
use strangelet_sim::event::{Event, Parameters, Source};

/// What was made of one event.
pub struct Made {
    number: u64,
    vertex_z_cm: f64,
    collisions: usize,
    tracks: usize,
    /// (wedge, hits, occupancy)
    wedges: Vec<(usize, usize, f64)>,
}

impl Made {
    /// Counts an event.
    pub fn new(number: u64, event: &Event) -> Self {
        let wedges = event.wedges.iter().map(|w| {
            let hits = w.adc.iter().filter(|v| **v > 0).count();
            (w.number, hits, w.occupancy())
        });
        Made {
            number,
            vertex_z_cm: event.vertex_z_cm,
            collisions: event.collisions,
            tracks: event.tracks.len(),
            wedges: wedges.collect(),
        }
    }
}

/// The sheet.
pub fn json(p: &Parameters, particles: Option<&str>, made: &[Made]) -> String {
    let d = &p.detector;
    let charged = match &p.source {
        Source::Parametrised { charged } => json!([charged.0, charged.1]),
        Source::Events(_) => json!(null),
    };
    let events: Vec<_> = made
        .iter()
        .map(|m| {
            let wedges: Vec<_> = m.wedges.iter().map(|w| json!({ "wedge": w.0, "hits": w.1, "occupancy": w.2 })).collect();
            json!({
                "event": m.number, "vertex_z_cm": m.vertex_z_cm, "collisions": m.collisions, "tracks": m.tracks,
                "wedges": wedges,
            })
        })
        .collect();
    let sheet = json!({
        "what": "simulated TPC wedges",
        "version": env!("CARGO_PKG_VERSION"),
        "seed": p.seed,
        "layers": p.group.name(),
        "shape": [p.group.pads(), strangelet_sim::detector::BINS, strangelet_sim::detector::LAYERS],
        "suppression": format!("{:?}", p.suppression).to_lowercase(),
        "order": if p.along_z { "z" } else { "time" },
        "occupancy": p.occupancy,
        "pileup_khz": p.pileup_khz,
        "vertex_sigma_cm": p.vertex_cm,
        "particles": particles,
        "charged_eta_1.1": charged,
        "detector": {
            "half_length_cm": d.half_length_cm, "field_t": d.field_t, "drift_cm_us": d.drift_cm_us,
            "clock_ns": d.clock_ns, "electrons_cm": d.electrons_cm, "clusters_cm": d.clusters_cm,
            "diffusion_cm_sqrt_cm": [d.diffusion.0, d.diffusion.1], "smear_cm": [d.smear_cm.0, d.smear_cm.1],
            "gain": d.gain, "cloud_cm": d.cloud_cm, "shaping_ns": [d.shaping_ns.0, d.shaping_ns.1],
            "adc_per_electron": d.adc_per_electron, "pedestal_adc": d.pedestal, "noise_adc": d.noise,
            "threshold_adc": d.threshold, "eta_margin_cm": d.eta_margin_cm,
            "eta_max": if d.eta_max.is_finite() { json!(d.eta_max) } else { json!("inf") },
        },
        "secondaries": {
            "conversions": p.spectrum.conversions, "albedo": p.spectrum.albedo, "protons": p.spectrum.protons,
        },
        "events": events,
    });
    format!("{sheet:#}\n")
}

/// One line about the set.
pub fn summary(made: &[Made], folder: &Path) -> String {
    let all = || made.iter().flat_map(|m| &m.wedges);
    let n = all().count().max(1);
    let (low, high) = all().fold((f64::INFINITY, 0.0f64), |(a, b), w| (a.min(w.2), b.max(w.2)));
    let mean = all().map(|w| w.2).sum::<f64>() / n as f64;
    format!(
        "{n} wedges of {} events in {}: occupancy {mean:.4} ({low:.4} to {high:.4})\n",
        made.len(),
        crate::ui::plain(&folder.display().to_string())
    )
}
