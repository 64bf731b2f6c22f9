//! `strangelet export`: columns for other tools, without the rest.

use crate::export::{Selection, csv, event_range, npz};
use crate::files::Input;
use crate::output::{self, Output};
use crate::ui;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use strangelet::archive::Archive;
use strangelet::dissect::Tables;
use strangelet::error::{Error, Kind, Result};
use strangelet::source::Source;

const EXAMPLES: &str = "\
Examples:
  strangelet export --to npz --columns Muon_pt,Muon_eta -o muons.npz run1.root.sgl
  strangelet export --to csv --columns 'Jet_*' --events 0:10 run1.root.sgl
  strangelet export --to parquet --table Events -o run1.parquet run1.root.sgl

Only the chunks and the columns that are asked for are read. In npz a column of lists is two
arrays: `name` with all cells, `name_offsets` (events + 1) with where each event begins.";

/// Formats of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum To {
    /// numpy arrays
    Npz,
    /// Parquet (Snappy)
    Parquet,
    /// Arrow IPC file (Feather 2)
    Arrow,
    /// Text, one line an event
    Csv,
}

/// Write columns for other tools: npz, parquet, arrow, csv
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A container; `-` is standard input
    #[arg(value_name = "IN.sgl")]
    input: PathBuf,
    /// Format
    #[arg(short, long, value_enum)]
    to: To,
    /// Columns, separated by commas; `*` stands for anything [default: all]
    #[arg(short, long, value_name = "A,B")]
    columns: Vec<String>,
    /// Table [default: the only one]
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Events a (included) to b (not included), counted from 0 [default: all]
    #[arg(short, long, value_name = "a:b", value_parser = event_range)]
    events: Option<(u64, Option<u64>)>,
    /// Where to [default: standard output]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Replace a file that exists
    #[arg(short, long)]
    force: bool,
}

/// Runs it; the number of files that failed.
pub fn run(args: &Args) -> Result<usize> {
    let stdout = args.output.as_ref().is_none_or(|o| o.as_os_str() == "-");
    if stdout && args.to != To::Csv {
        output::not_to_a_terminal(args.force)?;
    }
    if !cfg!(feature = "arrow") && matches!(args.to, To::Parquet | To::Arrow) {
        let text = "this build has no parquet and no arrow: cargo install --features arrow, or --to npz";
        return Err(Error::new(Kind::Unsupported, text));
    }
    if let Err(e) = one(args, stdout) {
        let e =
            if e.kind() == Kind::Usage { e } else { e.within(ui::plain(&args.input.display().to_string())) };
        return Err(e);
    }
    Ok(0)
}

fn one(args: &Args, stdout: bool) -> Result<()> {
    let input = Input { path: args.input.clone(), below: args.input.clone() };
    let archive = Archive::open(input.open()?)?;
    let selection = select(args, &archive)?;
    match args.output.as_ref().filter(|_| !stdout) {
        Some(path) => {
            let output = Output::new(path, args.force)?;
            write(args.to, &archive, &selection, output.file()?)?;
            output.finish()
        }
        None if args.to == To::Csv => {
            let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
            match csv::write(&archive, &selection, &mut out).and_then(|()| Ok(out.flush()?)) {
                // A reader that has seen enough (`| head`) is no error.
                Err(e) if e.kind() == Kind::Io && e.to_string().contains("Broken pipe") => Ok(()),
                other => other,
            }
        }
        None => {
            let mut file = tempfile::tempfile()?;
            write(args.to, &archive, &selection, file.try_clone()?)?;
            std::io::Seek::rewind(&mut file)?;
            let mut out = std::io::stdout().lock();
            std::io::copy(&mut file, &mut out)?;
            Ok(out.flush()?)
        }
    }
}

fn select<S: Source>(args: &Args, archive: &Archive<S>) -> Result<Selection> {
    let all = Selection::new(archive, args.table.as_deref(), &args.columns, None)?;
    let Some((start, end)) = args.events else { return Ok(all) };
    let total: u64 = archive.chunks(all.table())?.iter().sum();
    let events = start.min(end.unwrap_or(total))..end.unwrap_or(total);
    Selection::new(archive, args.table.as_deref(), &args.columns, Some(events))
}

fn write<S: Source>(to: To, archive: &Archive<S>, selection: &Selection, file: File) -> Result<()> {
    match to {
        To::Npz => npz::write(archive, selection, file),
        To::Csv => {
            let mut out = BufWriter::with_capacity(1 << 18, file);
            csv::write(archive, selection, &mut out)?;
            Ok(out.flush()?)
        }
        #[cfg(feature = "arrow")]
        To::Parquet => {
            crate::export::arrow::write_parquet(archive, selection, BufWriter::with_capacity(1 << 18, file))
        }
        #[cfg(feature = "arrow")]
        To::Arrow => {
            crate::export::arrow::write_arrow(archive, selection, BufWriter::with_capacity(1 << 18, file))
        }
        #[cfg(not(feature = "arrow"))]
        To::Parquet | To::Arrow => {
            Err(Error::new(Kind::Unsupported, "this build has no parquet and no arrow"))
        }
    }
}
