//! `strangelet bench tpc`: hits of time projection chambers, from lossless to a chosen error, against BCAE-VS and others.

use crate::bench::clock::Clock;
use crate::bench::tpc::page::About;
use crate::bench::tpc::record::Sheet;
use crate::bench::tpc::sets::{Set, usual_frames};
use crate::bench::tpc::{Plan, Rival, bars, measure, page, table};
use crate::output::Output;
use crate::ui;
use indicatif::ProgressBar;
use serde_json::json;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use strangelet::error::{Result, usage};

const EXAMPLES: &str = "\
Examples:
  strangelet bench tpc data/tpc_auau_wedge.npy --html tpc.html       it, and simulated sets
  strangelet bench tpc --occupancy 0.01,0.1 --rivals none --json -
  strangelet bench tpc --occupancy none wedge.npy --rivals sz3,zfp,bcae-vs";

/// Hits of time projection chambers: bits, errors of hits and clusters, speed, over occupancy
///
/// Given frames and frames simulated at several occupancies go through our levels, the curve of `reduce`, BCAE-VS with its authors' weights,
/// SZ3 and ZFP (Python packages pysz and zfpy, where they are installed), and general compressors.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Frames: npy, uint16, azimuth x drift x layer, or many of them
    #[arg(value_name = "WEDGES.npy")]
    inputs: Vec<PathBuf>,
    /// Simulate sets of these occupancies too, or `none`
    #[arg(short, long, value_delimiter = ',', default_value = ".001,.01,.05,.1,.25", value_name = "SHARES", value_parser = occupancy)]
    occupancy: Vec<Occupancy>,
    /// Frames of a simulated set [default: 32 at an occupancy of .001, down to 2 at .25]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    frames: Option<u16>,
    /// Seed of the simulation
    #[arg(short, long, value_name = "N", default_value = "78")]
    seed: u64,
    /// Rivals by name, `all`, or `none`: bcae-vs, sz3, zfp, xz-9e, zstd-19
    #[arg(short, long, value_delimiter = ',', default_value = "all", value_name = "NAMES")]
    rivals: Vec<String>,
    /// Where `reduce` is also searched for mean errors, which takes minutes
    #[arg(long, value_enum, default_value = "given")]
    search: Search,
    /// Pedestal, ADC: what a cluster's charge is counted from
    #[arg(long, value_name = "ADC", default_value = "74.47")]
    pedestal: f64,
    /// Which seconds count
    #[arg(long, value_enum, default_value = "cpu")]
    clock: Clock,
    /// Write all figures as JSON (`-`: standard output, instead of the table)
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page to look at
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Search {
    /// On no set
    None,
    /// On the frames that are given
    Given,
    /// On simulated ones too
    All,
}

/// `none`, or a share.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Occupancy {
    None,
    Share(f64),
}

fn occupancy(text: &str) -> std::result::Result<Occupancy, String> {
    if text == "none" {
        return Ok(Occupancy::None);
    }
    let x: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    if (1e-4..=0.6).contains(&x) {
        Ok(Occupancy::Share(x))
    } else {
        Err("it must be from 0.0001 to 0.6".into())
    }
}

/// Rivals that can run, and a line for each that was meant by `all` and cannot.
fn rivals(names: &[String]) -> Result<(Vec<Rival>, Vec<String>)> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    let known = Rival::ALL.map(Rival::name);
    if let Some(name) = names.iter().find(|n| !known.contains(&n.as_str()) && *n != "all" && *n != "none") {
        return Err(usage(format!("no rival {name}; there are all, none, {}", known.join(", "))));
    }
    for rival in Rival::ALL {
        let named = names.iter().any(|n| n == rival.name());
        if !named && !names.iter().any(|n| n == "all") {
            continue;
        }
        match rival.missing() {
            None => found.push(rival),
            Some(line) if named => return Err(usage(line)),
            Some(line) => missing.push(line),
        }
    }
    Ok((found, missing))
}

/// Runs it; the number of files and methods that failed.
pub fn run(args: &Args) -> Result<usize> {
    let (rivals, missing) = rivals(&args.rivals)?;
    if !args.pedestal.is_finite() || args.pedestal < 0.0 {
        return Err(usage("--pedestal must be a number from 0"));
    }
    let shares = args.occupancy.iter().filter_map(|o| match o {
        Occupancy::Share(x) => Some(*x),
        Occupancy::None => None,
    });
    let shares: Vec<f64> = shares.collect();
    if shares.is_empty() && args.inputs.is_empty() {
        return Err(usage("nothing to measure: give frames, or occupancies to simulate"));
    }
    missing.iter().for_each(|line| ui::warn(line));
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let mut failures = 0;
    let (mut sheets, mut shown): (Vec<Sheet>, Vec<_>) = (Vec::new(), Vec::new());
    let mut one = |set: &Set, failures: &mut usize| {
        let given = set.asked.is_none();
        let plan = Plan {
            rivals: rivals.clone(),
            search: args.search == Search::All || args.search == Search::Given && given,
            gate: 0,
            pedestal: args.pedestal,
            clock: args.clock,
        };
        let tell = |what: &str| {
            bar.set_message(format!("{}: {what}", ui::plain(&set.name)));
            bar.tick();
        };
        let (sheet, picture) = measure(set, &plan, &tell, &mut |method, e| {
            bar.suspend(|| ui::error(Some(Path::new(&set.name)), &e.within(method)));
            *failures += 1;
        });
        sheets.push(sheet);
        shown.push(picture);
    };
    for path in &args.inputs {
        match Set::read(path) {
            Ok(set) => one(&set, &mut failures),
            Err(e) => {
                bar.suspend(|| ui::error(None, &e));
                failures += 1;
            }
        }
    }
    for x in shares {
        bar.set_message(format!("simulating frames of occupancy {x}"));
        bar.tick();
        let frames = args.frames.map_or(usual_frames(x), usize::from);
        one(&Set::simulate(x, frames, args.seed), &mut failures);
    }
    bar.finish_and_clear();
    if sheets.is_empty() {
        return Ok(failures.max(1));
    }
    if cfg!(debug_assertions) {
        ui::warn("this is a debug build: its speeds mean nothing");
    }
    let verdicts = bars::verdicts(&sheets);
    let about = About {
        command: command(),
        machine: machine(),
        clock: args.clock.name(),
        pedestal: args.pedestal,
        missing,
    };
    let json = json!({
        "what": "strangelet bench tpc", "version": env!("CARGO_PKG_VERSION"), "command": about.command,
        "machine": about.machine, "clock": about.clock, "seed": args.seed, "pedestal_adc": args.pedestal,
        "left_out": about.missing,
        "sets": sheets.iter().map(Sheet::to_json).collect::<Vec<_>>(),
        "wanted": verdicts.iter().map(|v| json!({ "what": v.text, "met": v.met })).collect::<Vec<_>>(),
    });
    let json = format!("{json:#}\n");
    match &args.json {
        Some(path) if path.as_os_str() == "-" => ui::emit(&json)?,
        other => {
            other.iter().try_for_each(|path| write(path, &json))?;
            ui::emit(&format!("{}\n{}", table::text(&sheets, &verdicts, ui::colours()), table::LEGEND))?;
        }
    }
    args.html.iter().try_for_each(|path| write(path, &page::page(&sheets, &shown, &verdicts, &about)))?;
    Ok(failures)
}

/// Measurements are made again and again: a file of that name is replaced.
fn write(path: &Path, text: &str) -> Result<()> {
    let output = Output::new(path, true)?;
    std::io::Write::write_all(&mut output.file()?, text.as_bytes())?;
    output.finish()
}

/// The command line, with bare names of files.
fn command() -> String {
    let bare = |argument: String| match argument.rsplit_once('/') {
        Some((_, name)) => name.to_string(),
        None => argument,
    };
    let arguments: Vec<String> = std::env::args().skip(1).map(bare).collect();
    ui::plain(&format!("strangelet {}", arguments.join(" ")))
}

/// The processor, where the system tells.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':'));
    let name = model.map_or("a processor of unknown name", |m| m.1.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name} ({} {}, {cores} cores)", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn occupancies_and_rivals_are_checked() {
        assert_eq!(occupancy("none"), Ok(Occupancy::None));
        assert_eq!(occupancy(".25"), Ok(Occupancy::Share(0.25)));
        assert!(occupancy("2").is_err() && occupancy("x").is_err() && occupancy("nan").is_err());
        let names = |list: &[&str]| rivals(&list.iter().map(|s| s.to_string()).collect::<Vec<_>>());
        assert!(names(&["none"]).unwrap().0.is_empty());
        let found = names(&["xz-9e", "bcae-vs"]).unwrap().0;
        assert_eq!(found.iter().map(|r| r.name()).collect::<Vec<_>>(), ["bcae-vs", "xz-9e"]);
        assert!(names(&["lz5"]).is_err());
    }
}
