//! The verbs, one file each.

pub mod ablate;
pub mod bench;
pub mod bench_tpc;
pub mod compress;
pub mod decompress;
pub mod export;
pub mod inspect;
pub mod reduce;
pub mod simulate;
pub mod verify;

use crate::files::{self, Input};
use crate::ui;
use std::path::{Path, PathBuf};
use strangelet::codec::Level;
use strangelet::error::{Result, usage};

/// `--level` on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LevelArg {
    /// Quick both ways
    Fast,
    /// Far smaller, still quick to read
    Balanced,
    /// The smallest, whatever time it takes
    Max,
}

impl From<LevelArg> for Level {
    fn from(level: LevelArg) -> Level {
        match level {
            LevelArg::Fast => Level::Fast,
            LevelArg::Balanced => Level::Balanced,
            LevelArg::Max => Level::Max,
        }
    }
}

/// Fixes the number of worker threads, this one among them; by default one for each core.
pub fn use_threads(threads: Option<usize>) -> Result<()> {
    if threads == Some(0) {
        return Err(usage("--threads must be at least 1"));
    }
    let n = threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n).use_current_thread();
    pool.build_global().map_err(|e| usage(format!("--threads {n}: {e}")))
}

/// Does `work` for all files of the arguments and goes on after a failure. The number of failures.
fn each(
    arguments: &[PathBuf],
    wanted: impl Fn(&Path) -> bool,
    mut work: impl FnMut(&Input) -> Result<()>,
) -> usize {
    let (inputs, errors) = files::inputs(arguments, wanted);
    for (path, e) in &errors {
        ui::error(Some(path), e);
    }
    let mut failed = errors.len();
    for input in &inputs {
        if let Err(e) = work(input) {
            ui::error(Some(&input.path), &e);
            failed += 1;
        }
    }
    failed
}
