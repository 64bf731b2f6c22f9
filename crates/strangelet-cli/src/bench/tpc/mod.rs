//! Frames of a time projection chamber: every method on the same sets, from lossless to a chosen error, over occupancy.

pub mod arrays;
pub mod bars;
pub mod clusters;
pub mod codec;
pub mod network;
pub mod ours;
pub mod page;
pub mod picture;
pub mod plain;
pub mod plot;
pub mod quality;
pub mod record;
pub mod sets;
pub mod table;

use super::clock::Clock;
use arrays::Library;
use clusters::{Geometry, Shifts};
use ours::Ask;
use picture::Shown;
use quality::Restored;
use record::{Figure, Sheet};
use sets::Set;
use strangelet::codec::Level;
use strangelet::error::Result;

/// Bounds of the curve, in log2 units.
pub const BOUNDS: [f64; 5] = [1.0, 0.5, 0.25, 0.1, 0.05];
/// Mean errors for each hit that are searched for.
pub const MEANS: [f64; 4] = [0.02, 0.05, 0.1, 0.16];
/// Levels of the network's values.
pub const LEVELS: [u8; 4] = [4, 8, 16, 32];
/// The bound that is shown where one stands for all.
pub const SHOWN: f64 = 0.25;

/// A rival that can be picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rival {
    /// BCAE-VS with its authors' weights.
    Network,
    /// SZ3 or ZFP.
    Array(Library),
    /// A general compressor by its name.
    General(&'static str),
}

impl Rival {
    /// All of them.
    pub const ALL: [Rival; 5] = [
        Rival::Network,
        Rival::Array(Library::Sz3),
        Rival::Array(Library::Zfp),
        Rival::General("xz-9e"),
        Rival::General("zstd-19"),
    ];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Rival::Network => "bcae-vs",
            Rival::Array(library) => library.name(),
            Rival::General(name) => name,
        }
    }

    /// What is missing here, in a line.
    pub fn missing(self) -> Option<String> {
        match self {
            Rival::Array(library) => library.missing(),
            _ => None,
        }
    }
}

/// What is done to each set.
pub struct Plan {
    /// Rivals.
    pub rivals: Vec<Rival>,
    /// Whether mean errors are searched for too.
    pub search: bool,
    /// Seed of the network's gate.
    pub gate: u64,
    /// Pedestal, ADC.
    pub pedestal: f64,
    /// Which seconds count.
    pub clock: Clock,
}

/// Everything on one set. `tell` hears what is being done, `failed` of each method that could not be measured.
pub fn measure(
    set: &Set,
    plan: &Plan,
    tell: &dyn Fn(&str),
    failed: &mut dyn FnMut(&str, strangelet::error::Error),
) -> (Sheet, Shown) {
    let geometry = Geometry::of(set.frame, plan.pedestal);
    let clusters = Shifts::of(&set.adc, set.frame, Restored::Adc(&set.adc), &geometry).clusters;
    let mut sheet = Sheet::new(set, geometry.name(), clusters);
    let mut shown = Shown::of(set);
    let mut keep = |name: &str, result: Result<Vec<Figure>>| match result {
        Ok(figures) => sheet.figures.extend(figures),
        Err(e) => failed(name, e),
    };
    for level in [Level::Fast, Level::Balanced, Level::Max] {
        tell(level.name());
        keep(level.name(), ours::lossless(set, level, plan.clock).map(|f| vec![f]));
    }
    tell("max, cold");
    keep("max, cold", ours::cold(set, plan.clock).map(|f| f.into_iter().collect()));
    let means = MEANS.iter().map(|&x| Ask::MeanPerHit(x)).filter(|_| plan.search);
    for ask in BOUNDS.iter().map(|&x| Ask::Bound(x)).chain(means) {
        tell(&format!("reduce {ask:?}"));
        let made = ours::reduced(set, ask, &geometry, plan.clock);
        let figure = made.map(|(figure, adc)| {
            if matches!(ask, Ask::Bound(SHOWN)) {
                shown.take(&figure.method, &adc, set);
            }
            vec![figure]
        });
        keep(&format!("reduce {ask:?}"), figure);
    }
    tell("mask + constant");
    keep("mask + constant", ours::mask_and_constant(set, &geometry).map(|f| vec![f]));
    keep("zero-suppressed", Ok(vec![plain::zero_suppressed(set)]));
    for &rival in &plan.rivals {
        tell(rival.name());
        match rival {
            Rival::Network if !network::takes(set.frame) => {}
            Rival::Network => {
                let made = network::figures(set, plan.gate, &LEVELS, &geometry, plan.clock);
                let figures = made.map(|(figures, adc)| {
                    if let Some(adc) = adc {
                        shown.take("BCAE-VS, 16 levels", &adc, set);
                    }
                    figures
                });
                keep(rival.name(), figures);
            }
            Rival::Array(library) => {
                for &tolerance in library.tolerances() {
                    keep(library.name(), library.figure(set, tolerance, &geometry).map(|f| vec![f]));
                }
            }
            Rival::General(name) => keep(name, plain::general(set, name, plan.clock).map(|f| vec![f])),
        }
    }
    (sheet, shown)
}
