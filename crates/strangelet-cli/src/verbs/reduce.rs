//! `strangelet reduce`: a smaller file that is not the same, with a promise how much it differs.

use super::{LevelArg, each, use_threads};
use crate::files::{Destination, Input, is_container, packed};
use crate::output::{self, Output};
use crate::promise;
use crate::ui::{self, grouped};
use crate::watch::{Watch, Watched};
use std::path::{Path, PathBuf};
use std::time::Instant;
use strangelet::archive::{self, Archive, Network, Phase, ReduceTarget, Wish};
use strangelet::codecs::bcae_vs::Form;
use strangelet::error::{Result, usage};
use strangelet::format::Bound;
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;

const EXAMPLES: &str = "\
Examples:
  strangelet reduce wedge.npy -o wedge.sgl --bound adc=abs:2        each value within 2
  strangelet reduce wedge.npy --bound adc=log2:0.05                 each within 0.05 of log2(x+1)
  strangelet reduce jets.npz --bound pt=rel:1e-3 --bound eta=abs:1e-4
  strangelet reduce wedge.npy --target-mae 0.005                    mean error of log2(x+1) over all cells
  strangelet reduce wedge.npy --target-ratio 100 --level max
  strangelet reduce wedge.npy --model bcae-vs                       what the network makes of it

Zeros stay zeros, and nothing else becomes zero unless --drop-below says so. What is no number stays as
it is, to the bit. Works on .npy and .npz (8 to 32-bit integers, f32, f64). The container is decoded and
compared with the original under its promise before it gets its name; `inspect` shows the promise.";

/// Make a file smaller by a loss that was asked for, promised and checked
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Arrays (.npy, .npz), or folders with them; `-` is standard input
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,
    /// Where to: a file, or a folder for several files [default: NAME.reduced.npy.sgl beside NAME.npy]
    #[arg(short, long, value_name = "OUT|DIR")]
    output: Option<PathBuf>,
    /// Write to standard output
    #[arg(short = 'c', long, conflicts_with = "output")]
    stdout: bool,
    /// How far each value of a column may move: abs:N, log2:X (of log2(x+1)) or rel:X. COLUMN is a
    /// column, an array of an .npz, or `adc` for the only array there is
    #[arg(short, long, value_name = "COLUMN=KIND:V", value_parser = bound)]
    bound: Vec<(String, Bound)>,
    /// Mean error of log2(x+1) over all cells that shall not be exceeded
    #[arg(long, value_name = "X", conflicts_with_all = ["bound", "target_ratio"])]
    target_mae: Option<f64>,
    /// Ratio that shall be reached, with as little error as it takes
    #[arg(long, value_name = "X", conflicts_with = "bound")]
    target_ratio: Option<f64>,
    /// Column that a target is for [default: the only one]
    #[arg(long, value_name = "COLUMN", conflicts_with = "bound")]
    column: Option<String>,
    /// Let values of a smaller magnitude become zero
    #[arg(long, value_name = "COLUMN=V", value_parser = below)]
    drop_below: Vec<(String, f64)>,
    /// Let a network make frames again (u16: azimuth, drift, layer): bcae-vs, bcae-vs:LEVELS (of values; 16 where
    /// not said) or bcae-vs:plain (36 bits a hit kept). Hits may come and go
    #[arg(long, value_name = "NAME", value_parser = model, conflicts_with_all = ["bound", "target_mae", "target_ratio", "drop_below"])]
    model: Option<Form>,
    /// A bundle for the model other than the authors' weights
    #[arg(long, value_name = "FILE", requires = "model")]
    bundle: Option<PathBuf>,
    /// Seed of the model's gate
    #[arg(long, value_name = "N", default_value = "0", requires = "model")]
    seed: u64,
    /// How much time to spend
    #[arg(short, long, value_enum, default_value = "max")]
    level: LevelArg,
    /// Threads; any number gives the same bytes [default: one a core]
    #[arg(short = 'j', long, value_name = "N")]
    threads: Option<usize>,
    /// Replace files that exist
    #[arg(short, long)]
    force: bool,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
}

fn number(text: &str) -> std::result::Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    if number.is_finite() && number >= 0.0 { Ok(number) } else { Err(format!("{text} is out of range")) }
}

/// `adc=abs:2`; without a name it is that of the only column.
fn bound(text: &str) -> std::result::Result<(String, Bound), String> {
    let (name, bound) = text.rsplit_once('=').unwrap_or(("", text));
    let (kind, value) = bound.split_once(':').ok_or("say abs:N, log2:X or rel:X")?;
    let value = number(value)?;
    let bound = match kind {
        "abs" => Bound::Abs(value),
        "log2" => Bound::Log2(value),
        "rel" => Bound::Rel(value),
        _ => return Err(format!("there is no bound {kind}; say abs:N, log2:X or rel:X")),
    };
    Ok((name.to_string(), bound))
}

/// `bcae-vs:32`.
fn model(text: &str) -> std::result::Result<Form, String> {
    let (name, form) = text.split_once(':').unwrap_or((text, "16"));
    let levels = form.parse().ok().filter(|&levels: &u8| levels > 0);
    match (name, form, levels) {
        ("bcae-vs", "plain", _) => Ok(Form::Plain),
        ("bcae-vs", _, Some(levels)) => Ok(Form::Coded { levels }),
        ("bcae-vs", ..) => Err(format!("{form} is neither plain nor a number of levels from 1 to 255")),
        _ => Err(format!("there is no model {name}; say bcae-vs")),
    }
}

/// `adc=72`.
fn below(text: &str) -> std::result::Result<(String, f64), String> {
    let (name, value) = text.rsplit_once('=').ok_or("say COLUMN=V")?;
    Ok((name.to_string(), number(value)?))
}

fn wish(args: &Args) -> Result<Wish> {
    let target = match (args.target_mae, args.target_ratio) {
        (Some(mae), _) => Some(ReduceTarget::Mae(mae)),
        (_, Some(ratio)) => Some(ReduceTarget::Ratio(ratio)),
        _ => None,
    };
    if target.is_none() && args.model.is_none() && args.column.is_some() {
        return Err(usage("--column goes with --target-mae, --target-ratio or --model"));
    }
    let target = target.map(|t| (t, vec![args.column.clone().unwrap_or_default()]));
    let network = match args.model {
        Some(form) => {
            let bundle = args.bundle.as_ref().map(std::fs::read).transpose()?;
            let column = args.column.clone().unwrap_or_default();
            Some(Network { column, form, seed: args.seed, bundle })
        }
        None => None,
    };
    if args.bound.is_empty() && args.drop_below.is_empty() && target.is_none() && network.is_none() {
        return Err(usage(
            "say what may be lost: --bound, --target-mae, --target-ratio, --drop-below or --model",
        ));
    }
    Ok(Wish { bounds: args.bound.clone(), drop_below: args.drop_below.clone(), target, network })
}

/// `run.npy` to `run.reduced.npy.sgl`, so that what comes out of it never takes the original's name.
fn name(path: &Path) -> Result<PathBuf> {
    let extension = path.extension().map(|e| e.to_os_string());
    let mut name = path.with_extension("reduced").into_os_string();
    if let Some(extension) = extension {
        name.push(".");
        name.push(extension);
    }
    Ok(packed(Path::new(&name)))
}

/// Runs it; the number of files that failed.
pub fn run(args: &Args) -> Result<usize> {
    use_threads(args.threads)?;
    let wish = wish(args)?;
    let destination = Destination::new(args.output.as_deref(), args.stdout, &args.inputs)?;
    if matches!(destination, Destination::Stdout) {
        output::not_to_a_terminal(args.force)?;
    }
    Ok(each(&args.inputs, |path| !is_container(path), |input| one(args, &wish, &destination, input)))
}

fn one(args: &Args, wish: &Wish, destination: &Destination, input: &Input) -> Result<()> {
    let start = Instant::now();
    let to = destination.name(input, name)?;
    let file = input.open()?;
    let output = to.as_ref().map(|to| Output::new(to, args.force)).transpose()?;
    let watch = Watch::new(&input.path, file.len());
    let source = Watched { inner: &*file, watch: &watch };
    let mut new_spool = || match &output {
        Some(output) => output.spool(u64::MAX),
        None => Ok(Spool::new(u64::MAX)),
    };
    let mut phase = |phase| {
        watch.phase(match phase {
            Phase::Reading => "reading",
            Phase::Compressing => "reducing",
            Phase::Verifying => "verifying",
        })
    };
    let (spool, reduced) =
        archive::reduce(&source, ALL, args.level.into(), wish, &mut new_spool, &mut phase)?;
    watch.clear();
    let (before, after) = (reduced.original.len, reduced.report.compressed);
    let shown = promise::text(Archive::open(&spool)?.index(), &reduced.promise, ui::colours());
    match output {
        None => output::to_stdout(&spool)?,
        Some(output) => {
            drop(spool);
            if !input.is_stdin() {
                output.permissions_of(&input.path)?;
            }
            output.finish()?;
        }
    }
    if let (Some(to), false) = (&to, args.quiet) {
        let names =
            format!("{} -> {} (reduced {})", input.path.display(), to.display(), reduced.report.format);
        ui::emit(&format!(
            "{:>14} -> {:>13} bytes  {}  {:>7.2} s  {}\n{shown}",
            grouped(before),
            grouped(after),
            ui::paint(ui::colours(), "1", format!("{:>7.3}x", ui::ratio(before, after))),
            start.elapsed().as_secs_f64(),
            ui::plain(&names)
        ))?;
    }
    Ok(())
}
