//! `strangelet verify`: is everything still there?

use super::{each, use_threads};
use crate::files::{Input, is_container};
use crate::ui::{self, grouped};
use crate::watch::{Watch, Watched};
use std::path::PathBuf;
use std::time::Instant;
use strangelet::archive::{self, Archive};
use strangelet::error::Result;
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;

const EXAMPLES: &str = "\
Examples:
  strangelet verify run1.root.sgl
  strangelet verify /data/runs          all containers of a folder";

/// Check containers: every checksum, every column, and that the original's bytes come out
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Containers, or folders with all their .sgl files; `-` is standard input
    #[arg(value_name = "IN.sgl", required = true)]
    inputs: Vec<PathBuf>,
    /// Threads [default: one a core]
    #[arg(short = 'j', long, value_name = "N")]
    threads: Option<usize>,
    /// Print nothing about files that are well
    #[arg(short, long)]
    quiet: bool,
}

/// Runs it; the number of files that failed.
pub fn run(args: &Args) -> Result<usize> {
    use_threads(args.threads)?;
    Ok(each(&args.inputs, is_container, |input| one(args, input)))
}

fn one(args: &Args, input: &Input) -> Result<()> {
    let start = Instant::now();
    let source = input.open()?;
    let watch = Watch::new(&input.path, source.len());
    let archive = Archive::open(Watched { inner: &*source, watch: &watch })?;
    watch.phase("checking");
    archive::check_payloads(&archive)?;
    watch.phase("restoring");
    let mut spool = Spool::new(archive.index().original.len);
    let original = archive::decompress(&archive, ALL, &mut spool)?;
    watch.clear();
    if args.quiet {
        return Ok(());
    }
    ui::emit(&format!(
        "{}  {:>14} bytes restored, xxh3 {:032x}  {:>7.2} s  {}\n",
        ui::paint(ui::colours(), "32", "ok"),
        grouped(original.len),
        original.xxh3,
        start.elapsed().as_secs_f64(),
        ui::plain(&input.path.display().to_string())
    ))?;
    match &archive.index().promise {
        Some(promise) => ui::emit(&crate::promise::text(archive.index(), promise, ui::colours())),
        None => Ok(()),
    }
}
