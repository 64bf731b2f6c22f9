//! What was measured: one figure a method and setting, one sheet a set.

use super::clusters::Shifts;
use super::quality::Quality;
use super::sets::Set;
use serde_json::{Map, Value, json};

/// Sorts of methods: what is drawn as one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Ours, nothing lost.
    Lossless,
    /// Ours, each hit within a bound of log2.
    Bound,
    /// Ours, searched for a mean error.
    Searched,
    /// BCAE-VS by its authors' account.
    Network,
    /// BCAE-VS, its code entropy coded.
    NetworkCoded,
    /// SZ3 on log2.
    Sz3,
    /// ZFP on log2.
    Zfp,
    /// A general compressor.
    General,
    /// What nobody would do with the data, or what the chips do.
    Reference,
}

impl Family {
    /// All with their names and what they are.
    pub const ALL: [(Family, &'static str, &'static str); 9] = [
        (Family::Lossless, "lossless", "strangelet compress"),
        (Family::Bound, "reduce --bound", "strangelet reduce, each hit within a bound of log2(ADC+1)"),
        (Family::Searched, "reduce --target-mae", "strangelet reduce, searched for a mean error"),
        (Family::Network, "BCAE-VS, 36 bits", "the authors' weights and account"),
        (Family::NetworkCoded, "BCAE-VS, coded", "the authors' weights, its code entropy coded by us"),
        (Family::Sz3, "SZ3", "SZ3 on log2(ADC+1) as float32"),
        (Family::Zfp, "ZFP", "ZFP on log2(ADC+1) as float32"),
        (Family::General, "general", "general compressors on the file"),
        (Family::Reference, "reference", "zero-suppressed payload, mask and one constant"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Whether it is a thing of ours.
    pub fn ours(self) -> bool {
        matches!(self, Family::Lossless | Family::Bound | Family::Searched)
    }
}

/// Seconds of the processor for a whole set, one core.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Times {
    /// Writing.
    pub encode_s: f64,
    /// Reading.
    pub decode_s: f64,
    /// What of it does not grow with hits, writing and reading, where it was measured.
    pub fixed_s: Option<[f64; 2]>,
}

/// One method with one setting on one set.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Name with its setting.
    pub method: String,
    /// Sort.
    pub family: Family,
    /// The setting, where it is a number: bound, target, levels, tolerance.
    pub setting: Option<f64>,
    /// All bits stored.
    pub bits: f64,
    /// Errors of voxels.
    pub quality: Quality,
    /// Errors of clusters; none where nothing is lost.
    pub shifts: Option<Shifts>,
    /// Times.
    pub times: Option<Times>,
    /// What the times include.
    pub timed: &'static str,
    /// Other numbers by their names.
    pub extra: Vec<(&'static str, f64)>,
    /// Library, settings, what is counted.
    pub about: String,
}

impl Figure {
    /// A method that loses nothing.
    pub fn exact(method: impl Into<String>, family: Family, bits: f64) -> Figure {
        Figure {
            method: method.into(),
            family,
            setting: None,
            bits,
            quality: Quality::EXACT,
            shifts: None,
            times: None,
            timed: "",
            extra: Vec::new(),
            about: String::new(),
        }
    }

    /// One of the other numbers.
    pub fn extra(&self, name: &str) -> Option<f64> {
        self.extra.iter().find(|e| e.0 == name).map(|e| e.1)
    }
}

/// A set with its figures.
pub struct Sheet {
    /// Name of the set.
    pub name: String,
    /// Occupancy asked for, where it was simulated.
    pub asked: Option<f64>,
    /// Frames.
    pub frames: usize,
    /// Pads, bins, layers.
    pub frame: [usize; 3],
    /// Name of the group of layers.
    pub group: Option<&'static str>,
    /// Hits.
    pub hits: usize,
    /// Voxels.
    pub voxels: usize,
    /// Clusters of the original.
    pub clusters: usize,
    /// What was measured.
    pub figures: Vec<Figure>,
}

impl Sheet {
    /// An empty sheet for a set.
    pub fn new(set: &Set, group: Option<&'static str>, clusters: usize) -> Sheet {
        Sheet {
            name: set.name.clone(),
            asked: set.asked,
            frames: set.frames(),
            frame: set.frame,
            group,
            hits: set.hits(),
            voxels: set.adc.len(),
            clusters,
            figures: Vec::new(),
        }
    }

    /// Share of voxels with a hit.
    pub fn occupancy(&self) -> f64 {
        self.hits as f64 / self.voxels as f64
    }

    /// Bits for each hit.
    pub fn bits_hit(&self, f: &Figure) -> f64 {
        f.bits / self.hits as f64
    }

    /// 16 bits a voxel by all bits stored.
    pub fn ratio(&self, f: &Figure) -> f64 {
        16.0 * self.voxels as f64 / f.bits.max(1.0)
    }

    /// ns for each hit of a number of seconds.
    pub fn ns_hit(&self, seconds: f64) -> f64 {
        seconds * 1e9 / self.hits as f64
    }

    /// ns a hit, writing and reading, beyond what the frames cost without hits; none where the time does not grow with hits.
    pub fn slope_ns(&self, f: &Figure) -> Option<[Option<f64>; 2]> {
        let t = f.times?;
        let slope = |whole: f64, fixed: f64| (fixed < whole).then(|| self.ns_hit(whole - fixed.max(0.0)));
        t.fixed_s.map(|[encode, decode]| [slope(t.encode_s, encode), slope(t.decode_s, decode)])
    }

    /// us a frame that do not grow with hits, writing and reading.
    pub fn fixed_us(&self, f: &Figure) -> Option<[f64; 2]> {
        let t = f.times?;
        let us = |whole: f64, fixed: f64| fixed.clamp(0.0, whole) * 1e6 / self.frames as f64;
        t.fixed_s.map(|[encode, decode]| [us(t.encode_s, encode), us(t.decode_s, decode)])
    }

    /// Frames a second when writing.
    pub fn frames_per_s(&self, f: &Figure) -> Option<f64> {
        f.times.map(|t| self.frames as f64 / t.encode_s.max(1e-9))
    }

    /// The figure of a method.
    pub fn of(&self, method: &str) -> Option<&Figure> {
        self.figures.iter().find(|f| f.method == method)
    }

    /// All figures of a family.
    pub fn family(&self, family: Family) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(move |f| f.family == family)
    }

    /// As an object of the JSON output.
    pub fn to_json(&self) -> Value {
        json!({
            "set": self.name, "generated": self.asked.is_some(), "occupancy_asked": self.asked,
            "occupancy": self.occupancy(), "frames": self.frames, "shape": self.frame, "layers": self.group,
            "hits": self.hits, "voxels": self.voxels, "clusters": self.clusters,
            "methods": self.figures.iter().map(|f| self.figure(f)).collect::<Vec<_>>(),
        })
    }

    fn figure(&self, f: &Figure) -> Value {
        let mut o = Map::new();
        let mut put = |key: &str, value: Value| o.insert(key.into(), value);
        put("method", json!(f.method));
        put("family", json!(f.family.name()));
        put("setting", json!(f.setting));
        put("stored_bits", json!(f.bits));
        put("bits_per_hit", json!(self.bits_hit(f)));
        put("ratio", json!(self.ratio(f)));
        let q = &f.quality;
        put("mae_log2", json!(q.mae));
        put("mse_log2", json!(q.mse));
        put("mae_log2_per_hit", json!(q.mae_hit));
        put("precision", json!(q.precision));
        put("recall", json!(q.recall));
        if let Some(s) = &f.shifts {
            let known = self.group.is_some();
            let pair = |p: (f64, f64)| if known { json!([p.0, p.1]) } else { json!(null) };
            put("clusters_lost", json!(s.lost));
            put("centroid_shift_rms_um_rphi_drift", pair(s.rms_um()));
            put("centroid_shift_68_percent_um_rphi_drift", pair(s.within_um(0.68)));
            put("centroid_shift_99_percent_um_rphi_drift", pair(s.within_um(0.99)));
            put("cluster_charge_bias", json!(s.charge_bias()));
            put("cluster_charge_spread", json!(s.charge_spread()));
            put("total_charge_bias", json!(s.total_bias()));
        }
        if let Some(t) = f.times {
            put("encode_ns_per_hit", json!(self.ns_hit(t.encode_s)));
            put("decode_ns_per_hit", json!(self.ns_hit(t.decode_s)));
            put("encode_frames_per_s", json!(self.frames_per_s(f)));
            put("timed", json!(f.timed));
        }
        if let (Some([encode, decode]), Some(fixed)) = (self.slope_ns(f), self.fixed_us(f)) {
            put("fixed_us_per_frame_encode_decode", json!(fixed));
            put("encode_ns_per_hit_beyond_fixed", json!(encode));
            put("decode_ns_per_hit_beyond_fixed", json!(decode));
        }
        for (name, value) in &f.extra {
            put(name, json!(value));
        }
        put("about", json!(f.about));
        Value::Object(o)
    }
}
