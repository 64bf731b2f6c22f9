//! The `strangelet` command: one verb, one file.
#![forbid(unsafe_code)]

mod bench;
mod carried;
mod export;
mod files;
mod frames;
mod output;
mod picture;
mod promise;
mod simulate;
mod ui;
mod verbs;
mod watch;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use strangelet::error::{Kind, Result};
use verbs::{
    ablate, bench as bench_verb, compress, decompress, export as export_verb, inspect, reduce,
    simulate as simulate_verb, verify,
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  strangelet compress run1.root              makes run1.root.sgl beside it
  strangelet compress -o small/ runs/        all files of a folder, into another
  strangelet decompress run1.root.sgl        gives run1.root back, byte for byte
  strangelet reduce wedge.npy --bound adc=abs:2   smaller still, each value within 2
  strangelet inspect run1.root.sgl           what is inside, and what it costs
  strangelet export --to npz --columns Muon_pt,Muon_eta -o muons.npz run1.root.sgl
  strangelet bench --rivals xz-9e,zstd-19 run1.root

`strangelet help VERB` says more. Exit codes: 0 done, 1 a file is bad or could not be
written, 2 the command line makes no sense, 130 interrupted.";

/// Keeps particle-physics data in a far smaller space, and gives the same bytes back.
#[derive(Parser)]
#[command(name = "strangelet", version, styles = STYLES, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Compress(compress::Args),
    Decompress(decompress::Args),
    Reduce(reduce::Args),
    Verify(verify::Args),
    Inspect(inspect::Args),
    Export(export_verb::Args),
    Ablate(ablate::Args),
    Bench(bench_verb::Args),
    Simulate(simulate_verb::Args),
    #[command(hide = true)]
    BenchOne(bench_verb::OneArgs),
}

/// Runs a verb; the number of files that failed.
fn run(verb: Verb) -> Result<usize> {
    match verb {
        Verb::Compress(args) => compress::run(&args),
        Verb::Decompress(args) => decompress::run(&args),
        Verb::Reduce(args) => reduce::run(&args),
        Verb::Verify(args) => verify::run(&args),
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Export(args) => export_verb::run(&args),
        Verb::Ablate(args) => ablate::run(&args),
        Verb::Bench(args) => bench_verb::run(&args),
        Verb::Simulate(args) => simulate_verb::run(&args),
        Verb::BenchOne(args) => bench_verb::run_one(&args),
    }
}

/// Freeing one large block, never touched, makes glibc keep freed memory up to twice its size instead of
/// giving every column back to the system and having it zeroed again. Elsewhere it does nothing.
fn keep_freed_memory() {
    std::hint::black_box(Vec::<u8>::with_capacity(std::hint::black_box(KEPT)));
}

/// The largest block that glibc learns from, in bytes.
const KEPT: usize = (32 << 20) - (64 << 10);

fn main() -> ExitCode {
    keep_freed_memory();
    let cli = Cli::parse();
    if let Err(e) = output::remove_on_interrupt() {
        ui::error(None, &e);
        return ExitCode::from(1);
    }
    match run(cli.verb) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(e) => {
            ui::error(None, &e);
            ExitCode::from(if e.kind() == Kind::Usage { 2 } else { 1 })
        }
    }
}
