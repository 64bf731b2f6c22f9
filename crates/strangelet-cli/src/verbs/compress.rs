//! `strangelet compress`: files in, far smaller files out.

use super::{LevelArg, each, use_threads};
use crate::files::{Destination, Input, Unchanged, is_container, packed};
use crate::frames;
use crate::output::{self, Output};
use crate::ui::{self, grouped};
use crate::watch::{Watch, Watched};
use std::path::PathBuf;
use std::time::Instant;
use strangelet::archive::{self, Phase, Report};
use strangelet::codec::Level;
use strangelet::error::{Result, usage};
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;

const EXAMPLES: &str = "\
Examples:
  strangelet compress run1.root                    makes run1.root.sgl
  strangelet compress --level max --rm *.root      replaces the files, one by one
  strangelet compress -o small/ runs/              a folder, into another
  zcat lhe.gz | strangelet compress - > lhe.sgl    from and to a pipe
  strangelet compress -o run7.sgl run7/            many frames (.npy) into one container
  daq | strangelet compress --frames --carry -o run7.sgl -    frames as they come

The container gets its name only after it was decoded and every byte of the file compared.
Several files go into one container where -o ends in .sgl (or with --frames): frames, that is
.npy files, of at most 16 types and shapes, with small files of other kinds beside them. They
come back under their names. A chunk is coded and written as soon as it has its frames; with --roll a
crash loses at most the container at work.";

/// Compress files; each is restored and compared before its container gets its name
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Files, or folders with all their files (except .sgl); `-` is standard input
    #[arg(value_name = "IN", required_unless_present = "files_from")]
    inputs: Vec<PathBuf>,
    /// Where to: a file, or a folder for several files [default: IN.sgl beside IN]
    #[arg(short, long, value_name = "OUT|DIR")]
    output: Option<PathBuf>,
    /// Write to standard output
    #[arg(short = 'c', long, conflicts_with_all = ["output", "rm"])]
    stdout: bool,
    /// All files are frames of one container; standard input is a sequence of .npy, one behind the other
    #[arg(long)]
    frames: bool,
    /// Frames from a list of names, one a line, read as it grows; `-` is standard input
    #[arg(long, value_name = "LIST", conflicts_with = "inputs")]
    files_from: Option<PathBuf>,
    /// Frames in a chunk: what is coded, and read, at once [default: as many as 8 MiB hold]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    chunk_frames: Option<u64>,
    /// Chunks of frames start from what earlier ones taught: smaller; to read one takes up to N more (1 to 32) [without N: 4]
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "4",
          value_parser = clap::value_parser!(u32).range(1..=32))]
    carry: Option<u32>,
    /// A new container after N frames, OUT-000000.sgl and on: each is whole before the next begins
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    roll: Option<u64>,
    /// How much time to spend
    #[arg(short, long, value_enum, default_value = "balanced")]
    level: LevelArg,
    /// Threads; any number gives the same bytes [default: one a core]
    #[arg(short = 'j', long, value_name = "N")]
    threads: Option<usize>,
    /// Replace files that exist
    #[arg(short, long)]
    force: bool,
    /// Remove each input once its container is in place
    #[arg(long)]
    rm: bool,
    /// Print no line for each file
    #[arg(short, long)]
    quiet: bool,
}

/// Runs it; the number of files that failed.
pub fn run(args: &Args) -> Result<usize> {
    use_threads(args.threads)?;
    if args.one_container() {
        return pack(args);
    }
    let destination = Destination::new(args.output.as_deref(), args.stdout, &args.inputs)?;
    if matches!(destination, Destination::Stdout) {
        output::not_to_a_terminal(args.force)?;
    }
    let (start, mut done) = (Instant::now(), (0u64, 0u64, 0usize));
    let failed = each(
        &args.inputs,
        |path| !is_container(path),
        |input| {
            let report = one(args, &destination, input)?;
            done = (done.0 + report.original.len, done.1 + report.compressed, done.2 + 1);
            Ok(())
        },
    );
    if done.2 > 1 && !args.quiet {
        let name = format!("{} files", done.2);
        ui::emit(&line(done.0, done.1, start.elapsed().as_secs_f64(), &name))?;
    }
    Ok(failed)
}

impl Args {
    /// Whether all files go into one container.
    fn one_container(&self) -> bool {
        let asked = self.frames || self.carry.is_some() || self.chunk_frames.is_some() || self.roll.is_some();
        let many = self.inputs.len() > 1 || self.inputs.iter().any(|i| i.is_dir());
        let named = self.output.as_ref().is_some_and(|o| is_container(o) && !o.is_dir());
        asked || self.files_from.is_some() || (many && named)
    }
}

/// Frames into one container.
fn pack(args: &Args) -> Result<usize> {
    let start = Instant::now();
    let piped = args.inputs.iter().any(|i| i.as_os_str() == "-");
    if piped && args.inputs.len() > 1 {
        return Err(usage("standard input (`-`) stands alone"));
    }
    if piped && args.rm {
        return Err(usage("--rm: standard input cannot be removed"));
    }
    let output = match &args.output {
        Some(output) if output.is_dir() => {
            return Err(usage(format!("{} is a folder, and frames go into one container", output.display())));
        }
        Some(output) => Some(output.clone()).filter(|o| o.as_os_str() != "-"),
        None if args.stdout || piped => None,
        None => Some(frames::beside(&args.inputs)?),
    };
    if output.is_none() {
        if args.roll.is_some() {
            return Err(usage("--roll makes many containers: say -o RUN.sgl"));
        }
        output::not_to_a_terminal(args.force)?;
    }
    let wish = frames::Wish {
        inputs: &args.inputs,
        list: args.files_from.as_deref(),
        output: output.as_deref(),
        level: args.level.into(),
        group: args.chunk_frames,
        carry: args.carry,
        roll: args.roll,
        force: args.force,
        rm: args.rm,
    };
    frames::pack(&wish, &mut |packed, path| match path {
        Some(path) if !args.quiet => ui::emit(&frames::line(packed, path, start.elapsed().as_secs_f64())),
        _ => Ok(()),
    })?;
    Ok(0)
}

fn one(args: &Args, destination: &Destination, input: &Input) -> Result<Report> {
    let start = Instant::now();
    let name = destination.name(input, |path| Ok(packed(path)))?;
    let unchanged = if args.rm && !input.is_stdin() { Some(Unchanged::note(&input.path)?) } else { None };
    // A missing file is told before anything else; standard input is read last.
    let file = if input.is_stdin() { None } else { Some(input.open()?) };
    let output = name.as_ref().map(|name| Output::new(name, args.force)).transpose()?;
    let source = match file {
        Some(file) => file,
        None => input.open()?,
    };
    let watch = Watch::new(&input.path, source.len());
    let source = Watched { inner: &*source, watch: &watch };
    let mut new_spool = || match &output {
        Some(output) => output.spool(u64::MAX),
        None => Ok(Spool::new(u64::MAX)),
    };
    let mut phase = |phase| {
        watch.phase(match phase {
            Phase::Reading => "reading",
            Phase::Compressing => "compressing",
            Phase::Verifying => "verifying",
        })
    };
    let (spool, report) =
        archive::compress_watched(&source, ALL, Level::from(args.level), &mut new_spool, &mut phase)?;
    watch.clear();
    for refused in &report.refused {
        ui::note(&input.path, &format!("{refused}; taken as {}", report.format));
    }
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
    if let Some(unchanged) = unchanged {
        unchanged.remove(&input.path)?;
    }
    if let (Some(name), false) = (&name, args.quiet) {
        let names = format!("{} -> {} ({})", input.path.display(), name.display(), report.format);
        let seconds = start.elapsed().as_secs_f64();
        ui::emit(&line(report.original.len, report.compressed, seconds, &names))?;
    }
    Ok(report)
}

fn line(before: u64, after: u64, seconds: f64, names: &str) -> String {
    format!(
        "{:>14} -> {:>13} bytes  {}  {seconds:>7.2} s  {}\n",
        grouped(before),
        grouped(after),
        ui::paint(ui::colours(), "1", format!("{:>7.3}x", ui::ratio(before, after))),
        ui::plain(names)
    )
}
