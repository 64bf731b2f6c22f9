//! `strangelet simulate`: wedges of a time projection chamber from particles, and how like the real ones they are.

use crate::output::Output;
use crate::simulate::{npy, parameters, particles, report, truth};
use crate::ui::{self, grouped};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strangelet::error::{Result, usage};
use strangelet_sim::detector::{Detector, Group, Suppression, WEDGES};
use strangelet_sim::event::{self, Event, Parameters, Source};

const EXAMPLES: &str = "\
Examples:
  strangelet simulate tpc -o wedges --events 10 --seed 1
  strangelet simulate tpc -o sparse --events 2 --occupancy 0.01 --truth
  strangelet simulate tpc -o pythia --particles auau200.npz --events 4
  strangelet simulate compare wedges data/tpc_auau_wedge.npy -o report.html";

/// Make detector data from particles, and compare it with real data
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Tpc(Box<TpcArgs>),
    Compare(CompareArgs),
}

/// Wedges of a time projection chamber
///
/// Writes one array a wedge (npy, uint16, azimuth x beam x layer), 24 wedges an event (side x 12 + sector), and the
/// parameters of the set as JSON. The same seed gives the same bytes from the same build.
#[derive(clap::Args)]
struct TpcArgs {
    /// Folder for the wedges; made where it is missing
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Events
    #[arg(short, long, value_name = "N", default_value = "1")]
    events: u64,
    /// Number of the first event
    #[arg(long, value_name = "N", default_value = "0")]
    first: u64,
    /// Seed
    #[arg(short, long, value_name = "S", default_value = "1")]
    seed: u64,
    /// Scale every event to this mean share of voxels with a hit
    #[arg(long, value_name = "SHARE", value_parser = share)]
    occupancy: Option<f64>,
    /// Which layers
    #[arg(short, long, value_enum, default_value = "outer")]
    layers: LayersArg,
    /// Zero suppression: the first sample over threshold and four more, or every sample under 64 dropped
    #[arg(long, value_enum, default_value = "first4")]
    suppression: SuppressionArg,
    /// Rate of collisions; 0 for the triggered one alone
    #[arg(long, value_name = "KHZ", default_value = "170", value_parser = not_negative)]
    pileup: f64,
    /// Charged particles of the triggered collision within 1.1 units of pseudorapidity, drawn evenly from LOW:HIGH
    #[arg(long, value_name = "LOW:HIGH", value_parser = range, conflicts_with = "particles")]
    charged: Option<(f64, f64)>,
    /// Take collisions from a file (npz of columns off, pdg, px ..., CSV event,pdg,px,py,pz[,vx,vy,vz] or HepMC)
    #[arg(long, value_name = "FILE")]
    particles: Option<PathBuf>,
    /// Keep hits within this pseudorapidity of a vertex at most 10 cm from the middle; `inf` keeps all
    #[arg(long, value_name = "ETA", default_value = "1.1", value_parser = not_negative)]
    eta: f64,
    /// Order of the drift bins: of their time, or of z (against time in the wedges of positive z)
    #[arg(long, value_enum, default_value = "time")]
    order: OrderArg,
    /// Wedges of an event that are written, the first of them moving with the event's number
    #[arg(short, long, value_name = "N", default_value = "24")]
    wedges: usize,
    /// Write the track, the particle code and the secondary flag of each hit beside it (npz), and all tracks
    #[arg(long)]
    truth: bool,
    /// Threads [default: one a core]
    #[arg(short = 'j', long, value_name = "N")]
    threads: Option<usize>,
    /// Replace files that exist
    #[arg(short, long)]
    force: bool,
}

/// Statistics of simulated wedges beside those of a real one, as a table and a page
#[derive(clap::Args)]
struct CompareArgs {
    /// Folder with simulated wedges
    #[arg(value_name = "SIMDIR")]
    simulated: PathBuf,
    /// A real wedge
    #[arg(value_name = "WEDGE.npy")]
    wedge: PathBuf,
    /// Page to write
    #[arg(short, long, value_name = "REPORT.html")]
    output: Option<PathBuf>,
    /// Replace a file that exists
    #[arg(short, long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LayersArg {
    Inner,
    Middle,
    Outer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SuppressionArg {
    First4,
    Floor64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OrderArg {
    Time,
    Z,
}

fn share(text: &str) -> std::result::Result<f64, String> {
    let x: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    if (1e-4..=0.6).contains(&x) { Ok(x) } else { Err("it must be from 0.0001 to 0.6".into()) }
}

fn not_negative(text: &str) -> std::result::Result<f64, String> {
    let x: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    if x >= 0.0 && (x <= 1000.0 || x.is_infinite()) { Ok(x) } else { Err("it must be from 0 to 1000".into()) }
}

fn range(text: &str) -> std::result::Result<(f64, f64), String> {
    let parts = text.split_once(':').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match parts {
        Some((low, high)) if 0.0 <= low && low <= high && high <= 20_000.0 => Ok((low, high)),
        _ => Err("it must be LOW:HIGH, from 0 to 20000".into()),
    }
}

/// Runs it; the number of files that failed.
pub fn run(args: &Args) -> Result<usize> {
    match &args.what {
        What::Tpc(args) => tpc(args),
        What::Compare(args) => compare(args),
    }
}

fn tpc(args: &TpcArgs) -> Result<usize> {
    let parameters = as_parameters(args)?;
    super::use_threads(args.threads)?;
    std::fs::create_dir_all(&args.output)
        .map_err(|e| strangelet::error::Error::from(e).within(args.output.display()))?;
    let sheet = args.output.join(format!("parameters_s{}_e{}.json", args.seed, args.first));
    let numbers: Vec<u64> = (args.first..args.first.saturating_add(args.events)).collect();
    if !args.force {
        let names = numbers.iter().flat_map(|&e| wanted(args, e).map(move |w| wedge_path(args, e, w)));
        if let Some(path) = std::iter::once(sheet.clone()).chain(names).find(|p| p.symlink_metadata().is_ok())
        {
            return Err(usage(format!("{} exists already (--force replaces it)", path.display())));
        }
    }
    let bar = bar(args.events);
    let results: Result<Vec<parameters::Made>> = numbers
        .par_iter()
        .map(|&number| {
            let mask = wanted(args, number).fold(0u32, |mask, w| mask | 1 << w);
            let event = event::simulate(&parameters, number, mask);
            write(args, &parameters, number, &event)?;
            bar.inc(1);
            Ok(parameters::Made::new(number, &event))
        })
        .collect();
    bar.finish_and_clear();
    let made = results?;
    let origin = args.particles.as_ref().map(|p| p.display().to_string());
    put(&sheet, args.force, parameters::json(&parameters, origin.as_deref(), &made).as_bytes())?;
    ui::emit(&parameters::summary(&made, &args.output))?;
    Ok(0)
}

fn as_parameters(args: &TpcArgs) -> Result<Parameters> {
    if args.events == 0 || args.wedges == 0 || args.wedges > WEDGES {
        return Err(usage(format!("--events must be at least 1, --wedges from 1 to {WEDGES}")));
    }
    let source = match &args.particles {
        Some(path) => {
            let events =
                particles::read(path).map_err(|e| e.within(ui::plain(&path.display().to_string())))?;
            Source::Events(Arc::new(events))
        }
        None => match args.charged {
            Some(charged) => Source::Parametrised { charged },
            None => Parameters::default().source,
        },
    };
    let group = match args.layers {
        LayersArg::Inner => Group::Inner,
        LayersArg::Middle => Group::Middle,
        LayersArg::Outer => Group::Outer,
    };
    let suppression = match args.suppression {
        SuppressionArg::First4 => Suppression::First4,
        SuppressionArg::Floor64 => Suppression::Floor64,
    };
    let detector = Detector { eta_max: args.eta, ..Detector::of(suppression) };
    Ok(Parameters {
        seed: args.seed,
        detector,
        group,
        suppression,
        pileup_khz: args.pileup,
        source,
        occupancy: args.occupancy,
        truth: args.truth,
        along_z: args.order == OrderArg::Z,
        ..Parameters::default()
    })
}

/// Wedges of an event that are written.
fn wanted(args: &TpcArgs, event: u64) -> impl Iterator<Item = usize> + use<> {
    let (n, first) = (args.wedges, (event.wrapping_mul(7) % WEDGES as u64) as usize);
    let first = if n == WEDGES { 0 } else { first };
    (0..n).map(move |k| (first + k * 5) % WEDGES)
}

fn wedge_path(args: &TpcArgs, event: u64, wedge: usize) -> PathBuf {
    args.output.join(format!("wedge_s{}_e{event:05}_w{wedge:02}.npy", args.seed))
}

fn write(args: &TpcArgs, parameters: &Parameters, number: u64, event: &Event) -> Result<()> {
    for wedge in &event.wedges {
        let path = wedge_path(args, number, wedge.number);
        let shape =
            [parameters.group.pads(), strangelet_sim::detector::BINS, strangelet_sim::detector::LAYERS];
        put(&path, args.force, &npy::array("<u2", &shape, wedge.adc.iter().flat_map(|v| v.to_le_bytes())))?;
        if args.truth {
            let path =
                path.with_file_name(format!("truth_s{}_e{number:05}_w{:02}.npz", args.seed, wedge.number));
            truth::wedge(Output::new(&path, args.force)?, event, wedge)?;
        }
    }
    if args.truth {
        let path = args.output.join(format!("tracks_s{}_e{number:05}.npz", args.seed));
        truth::tracks(Output::new(&path, args.force)?, event)?;
    }
    Ok(())
}

fn put(path: &Path, force: bool, bytes: &[u8]) -> Result<()> {
    let output = Output::new(path, force)?;
    output.file()?.write_all(bytes)?;
    output.finish()
}

fn bar(events: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(events);
    if let Ok(style) =
        ProgressStyle::with_template("[{bar:24.cyan/blue}] {pos}/{len} events  {elapsed}  {eta} left")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn compare(args: &CompareArgs) -> Result<usize> {
    let real = npy::read_wedge(&args.wedge)?;
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&args.simulated)
        .map_err(|e| strangelet::error::Error::from(e).within(args.simulated.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "npy"))
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err(usage(format!("{}: no wedges (*.npy) there", args.simulated.display())));
    }
    let comparison = report::Comparison::new(&real, &args.wedge, &paths)?;
    ui::emit(&comparison.table(ui::colours()))?;
    if let Some(path) = &args.output {
        put(path, args.force, comparison.page().as_bytes())?;
        ui::emit(&format!(
            "{} bytes of picture and table in {}\n",
            grouped(std::fs::metadata(path)?.len()),
            path.display()
        ))?;
    }
    Ok(0)
}
