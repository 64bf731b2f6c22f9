//! `strangelet decompress`: the same bytes back.

use super::{each, use_threads};
use crate::files::{Destination, Input, Unchanged, is_container, unpacked};
use crate::frames;
use crate::output::{self, Output};
use crate::ui::{self, grouped};
use crate::watch::{Watch, Watched};
use std::path::PathBuf;
use std::time::Instant;
use strangelet::archive::{self, Archive};
use strangelet::error::{Result, usage};
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;

const EXAMPLES: &str = "\
Examples:
  strangelet decompress run1.root.sgl              gives run1.root
  strangelet decompress -o again/ *.sgl            into another folder
  strangelet decompress -c lhe.sgl | less          to a pipe
  strangelet decompress run7.sgl                   frames: a folder run7 with all files
  strangelet decompress run7.sgl --only '*_0042*'  only some of them, without reading the rest

A container of frames gives a folder; with -c all its files one behind the other.";

/// Restore files, byte for byte; a file gets its name only after its checksum was right
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Containers, or folders with all their .sgl files; `-` is standard input
    #[arg(value_name = "IN.sgl", required = true)]
    inputs: Vec<PathBuf>,
    /// Where to: a file, or a folder for several files [default: the name without .sgl]
    #[arg(short, long, value_name = "OUT|DIR")]
    output: Option<PathBuf>,
    /// Of a container of frames only the files of these names, separated by commas; `*` stands for anything
    #[arg(long, value_name = "A,B", value_delimiter = ',', conflicts_with_all = ["stdout", "rm"])]
    only: Vec<String>,
    /// Write to standard output
    #[arg(short = 'c', long, conflicts_with_all = ["output", "rm"])]
    stdout: bool,
    /// Threads [default: one a core]
    #[arg(short = 'j', long, value_name = "N")]
    threads: Option<usize>,
    /// Replace files that exist
    #[arg(short, long)]
    force: bool,
    /// Remove each container once its file is in place
    #[arg(long)]
    rm: bool,
    /// Print no line for each file
    #[arg(short, long)]
    quiet: bool,
}

/// Runs it; the number of files that failed.
pub fn run(args: &Args) -> Result<usize> {
    use_threads(args.threads)?;
    let destination = Destination::new(args.output.as_deref(), args.stdout, &args.inputs)?;
    if matches!(destination, Destination::Stdout) {
        output::not_to_a_terminal(args.force)?;
    }
    Ok(each(&args.inputs, is_container, |input| one(args, &destination, input)))
}

fn one(args: &Args, destination: &Destination, input: &Input) -> Result<()> {
    let start = Instant::now();
    let unchanged = if args.rm && !input.is_stdin() { Some(Unchanged::note(&input.path)?) } else { None };
    let archive = Archive::open(input.open()?)?;
    let folder = match destination {
        _ if !frames::is_frames(&archive) => None,
        Destination::Stdout => None,
        Destination::File(path) => Some(path.clone()),
        Destination::Beside => Some(unpacked(&input.path)?),
        Destination::Folder(folder) if matches!(&args.inputs[..], [one] if !one.is_dir()) => {
            Some(folder.clone())
        }
        Destination::Folder(folder) => Some(folder.join(unpacked(&input.below)?)),
    };
    if let Some(folder) = folder {
        let files = frames::unpack(&archive, &folder, args.force, &args.only)?;
        if let Some(unchanged) = unchanged {
            unchanged.remove(&input.path)?;
        }
        if !args.quiet {
            let to = format!("{} -> {}: {} files", input.path.display(), folder.display(), grouped(files));
            ui::emit(&line(&archive, start, &to))?;
        }
        return Ok(());
    }
    if !args.only.is_empty() {
        return Err(usage("holds one file, and --only takes some of many"));
    }
    let name = destination.name(input, unpacked)?;
    let len = archive.index().original.len;
    let output = name.as_ref().map(|name| Output::new(name, args.force)).transpose()?;
    let spool = match &output {
        Some(output) => output.spool(len)?,
        None => Spool::new(len),
    };
    let watch = Watch::new(&input.path, len);
    watch.phase("restoring");
    let mut target = Watched { inner: spool, watch: &watch };
    archive::decompress(&archive, ALL, &mut target)?;
    let spool = target.inner;
    watch.clear();
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
    if let Some(promise) = &archive.index().promise {
        ui::note(&input.path, &crate::promise::line(archive.index(), promise));
    }
    if let Some(unchanged) = unchanged {
        unchanged.remove(&input.path)?;
    }
    if let (Some(name), false) = (&name, args.quiet) {
        let to = format!("{} -> {}", input.path.display(), name.display());
        ui::emit(&line(&archive, start, &to))?;
    }
    Ok(())
}

fn line<S: Source>(archive: &Archive<S>, start: Instant, names: &str) -> String {
    format!(
        "{:>14} -> {:>13} bytes  {:>7.2} s  {}\n",
        grouped(archive.reader().len()),
        grouped(archive.index().original.len),
        start.elapsed().as_secs_f64(),
        ui::plain(names)
    )
}
