//! The chamber: its constants, its layers, its wedges.

/// Which third of the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Radii 30-40 cm, 1152 pads a layer.
    Inner,
    /// Radii 40-60 cm, 1536 pads a layer.
    Middle,
    /// Radii 60-77 cm, 2304 pads a layer.
    Outer,
}

/// Layers in a group.
pub const LAYERS: usize = 16;
/// Sectors in azimuth.
pub const SECTORS: usize = 12;
/// Wedges of one event: sectors x sides.
pub const WEDGES: usize = 2 * SECTORS;
/// Time bins of one side: drift length / (drift velocity x clock), rounded up.
pub const BINS: usize = 249;

impl Group {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Group::Inner => "inner",
            Group::Middle => "middle",
            Group::Outer => "outer",
        }
    }

    /// Inner and outer radius, cm.
    pub fn radii_cm(self) -> (f64, f64) {
        match self {
            Group::Inner => (30.0, 40.0),
            Group::Middle => (40.0, 60.0),
            Group::Outer => (60.0, 77.0),
        }
    }

    /// Pads around a layer.
    pub fn pads_around(self) -> usize {
        match self {
            Group::Inner => 1152,
            Group::Middle => 1536,
            Group::Outer => 2304,
        }
    }

    /// Pads of a layer within a sector.
    pub fn pads(self) -> usize {
        self.pads_around() / SECTORS
    }

    /// Height of a layer, cm.
    pub fn pitch_cm(self) -> f64 {
        let (low, high) = self.radii_cm();
        (high - low) / LAYERS as f64
    }

    /// Radius of the middle of a layer, cm.
    pub fn layer_radius_cm(self, layer: usize) -> f64 {
        self.radii_cm().0 + self.pitch_cm() * (layer as f64 + 0.5)
    }
}

/// How samples are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suppression {
    /// The first sample over the threshold and the four after it; then the next one is looked for.
    First4,
    /// Every sample under 64 is dropped.
    Floor64,
}

/// Constants of the chamber and its readout. The defaults are those of the data set's era.
#[derive(Debug, Clone)]
pub struct Detector {
    /// Half length = longest drift, cm.
    pub half_length_cm: f64,
    /// Magnetic field, T.
    pub field_t: f64,
    /// Drift velocity, cm/us.
    pub drift_cm_us: f64,
    /// Sampling period, ns.
    pub clock_ns: f64,
    /// Electrons a minimum-ionising particle frees on average, 1/cm.
    pub electrons_cm: f64,
    /// Of these, separate ionising collisions, 1/cm.
    pub clusters_cm: f64,
    /// Transverse and longitudinal diffusion, cm per root of cm.
    pub diffusion: (f64, f64),
    /// Further smearing, transverse and longitudinal, cm.
    pub smear_cm: (f64, f64),
    /// Mean gain of the exponential amplification.
    pub gain: f64,
    /// Width of the charge cloud on the pads, cm.
    pub cloud_cm: f64,
    /// Leading and trailing width of the shaper's pulse (two half Gaussians), ns.
    pub shaping_ns: (f64, f64),
    /// ADC counts per electron on a pad.
    pub adc_per_electron: f64,
    /// Pedestal, ADC.
    pub pedestal: f64,
    /// Noise of a sample, ADC.
    pub noise: f64,
    /// Threshold of the first sample, ADC.
    pub threshold: f64,
    /// Hits are kept within this pseudorapidity of any vertex in `eta_margin_cm` (all of them where it is infinite).
    pub eta_max: f64,
    /// How far from the middle vertices are that hits are kept for, cm.
    pub eta_margin_cm: f64,
}

impl Default for Detector {
    fn default() -> Self {
        Detector {
            half_length_cm: 105.5,
            field_t: 1.4,
            drift_cm_us: 8.0,
            clock_ns: 53.0,
            electrons_cm: 48.7,
            clusters_cm: 18.2,
            diffusion: (0.006, 0.015),
            smear_cm: (0.085, 0.15),
            gain: 1950.0,
            cloud_cm: 0.04,
            shaping_ns: (32.0, 48.0),
            adc_per_electron: 3.575e-3,
            pedestal: 74.47,
            noise: 0.998,
            threshold: 78.46,
            eta_max: 1.1,
            eta_margin_cm: 10.0,
        }
    }
}

impl Detector {
    /// The constants that go with a kind of suppression: a floor of 64 is four widths of the noise over its pedestal.
    pub fn of(suppression: Suppression) -> Self {
        match suppression {
            Suppression::First4 => Detector::default(),
            Suppression::Floor64 => Detector { pedestal: 60.0, ..Detector::default() },
        }
    }

    /// Drift length of one time bin, cm.
    pub fn bin_cm(&self) -> f64 {
        self.drift_cm_us * self.clock_ns * 1e-3
    }

    /// Radius of the circle of a particle of charge 1, cm.
    pub fn radius_cm(&self, pt_gev: f64) -> f64 {
        pt_gev / (0.002_997_924_58 * self.field_t)
    }
}
