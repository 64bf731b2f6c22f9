//! SZ3 and ZFP: error-bounded compressors of arrays of floats, through their Python packages (`pip install pysz zfpy numpy`),
//! where they are installed. They are given log2(ADC + 1) as float32.

use super::clusters::{Geometry, Shifts};
use super::quality::{Quality, Restored, log2};
use super::record::{Family, Figure, Times};
use super::sets::Set;
use std::process::{Command, Stdio};
use strangelet::error::{Result, corruption};

/// Tries orders and predictors; told the library, the tolerance and two files.
const SCRIPT: &str = include_str!("lossy_array.py");

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// SZ3 with an absolute bound.
    Sz3,
    /// ZFP with a fixed accuracy.
    Zfp,
}

impl Library {
    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Library::Sz3 => "sz3",
            Library::Zfp => "zfp",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Library::Sz3 => "pysz",
            Library::Zfp => "zfpy",
        }
    }

    fn family(self) -> Family {
        match self {
            Library::Sz3 => Family::Sz3,
            Library::Zfp => Family::Zfp,
        }
    }

    /// Bounds that span the errors of interest.
    pub fn tolerances(self) -> &'static [f64] {
        match self {
            Library::Sz3 => &[0.05, 0.1, 0.25, 0.5, 1.0, 2.0],
            Library::Zfp => &[0.5, 1.0, 2.0, 4.0, 8.0, 16.0],
        }
    }

    /// What is missing here, in a line.
    pub fn missing(self) -> Option<String> {
        let import = format!("import numpy, {}", self.package());
        let mut python = Command::new("python3");
        let run =
            python.args(["-c", &import]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let found = run.status().is_ok_and(|status| status.success());
        let missing = || {
            format!("{} is left out: python3 has no {} (pip install numpy {1})", self.name(), self.package())
        };
        (!found).then(missing)
    }

    /// One tolerance on a set.
    pub fn figure(self, set: &Set, tolerance: f64, geometry: &Geometry) -> Result<Figure> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("in.npy"), &set.npy)?;
        let out = Command::new("python3")
            .args(["-c", SCRIPT, self.name(), &tolerance.to_string(), "in.npy", "out.f32"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8_lossy(&out.stderr);
        let failed = |why: &str| corruption(format!("{} at {tolerance}: {why}", self.name()));
        if !out.status.success() {
            return Err(failed(said.trim().lines().last().unwrap_or("no word")));
        }
        let v: serde_json::Value = serde_json::from_slice(&out.stdout).map_err(|e| failed(&e.to_string()))?;
        let number = |key: &str| v[key].as_f64().ok_or_else(|| failed("an answer that lacks numbers"));
        let values: Vec<f32> = std::fs::read(folder.path().join("out.f32"))?
            .as_chunks::<4>()
            .0
            .iter()
            .map(|c| f32::from_le_bytes(*c))
            .collect();
        if values.len() != set.adc.len() {
            return Err(failed("another number of voxels came back"));
        }
        // Noise about zero is told from hits in the middle between nothing and the least hit.
        let least = set.adc.iter().copied().filter(|&v| v > 0).min().unwrap_or(1);
        let restored = Restored::Log2 { values: &values, cut: (log2(least) / 2.0) as f32 };
        let (name, bytes) = (self.name().to_uppercase(), number("bytes")?);
        let mut figure = Figure::exact(format!("{name} {tolerance}"), self.family(), 8.0 * bytes);
        figure.setting = Some(tolerance);
        figure.quality = Quality::of(&set.adc, restored);
        figure.shifts = Some(Shifts::of(&set.adc, set.frame, restored, geometry));
        figure.times =
            Some(Times { encode_s: number("encode_s")?, decode_s: number("decode_s")?, fixed_s: None });
        figure.timed = "the library's calls in a Python process";
        figure.about = format!(
            "{name} ({}) on log2(ADC+1) as float32, {}; what comes back under half the least hit is set to 0",
            self.package(),
            v["about"].as_str().unwrap_or("")
        );
        Ok(figure)
    }
}
