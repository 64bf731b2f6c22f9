//! bzip3: block sorting with context mixing. Its library is LGPL, so it is not linked: the program
//! `bzip3` runs beside us where it is installed (Debian: `apt install bzip3`).

use super::Rival;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Largest block in MiB: as much as the input needs, up to this.
const BLOCK: u64 = 256;

pub struct Bzip3;

/// Highest peak of the processes so far.
static PEAK: AtomicU64 = AtomicU64::new(0);

impl Rival for Bzip3 {
    fn name(&self) -> &'static str {
        "bzip3"
    }
    fn about(&self) -> String {
        format!("the program bzip3, one block where the input has at most {BLOCK} MiB")
    }
    fn available(&self) -> bool {
        let run = Command::new("bzip3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    }
    fn compress(&self, input: &mut dyn Read, len: u64, output: &mut dyn Write) -> io::Result<()> {
        let block = len.div_ceil(1 << 20).clamp(1, BLOCK).to_string();
        pipe(&["-e", "-c", "-b", &block], input, output)
    }
    fn decompress(&self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
        pipe(&["-d", "-c"], input, output)
    }
    fn peak_of_children(&self) -> u64 {
        PEAK.load(Relaxed)
    }
}

fn pipe(arguments: &[&str], input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    let mut child =
        Command::new("bzip3").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (stdin, stdout, pid) = (child.stdin.take(), child.stdout.take(), child.id());
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(&bytes)));
        // Its memory only grows, and what it has had is told until it ends.
        scope.spawn(move || {
            while let Some(peak) = crate::bench::peak_rss(&pid.to_string()) {
                PEAK.fetch_max(peak, Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        if let Some(mut stdout) = stdout {
            super::copy(&mut stdout, output)?;
        }
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("bzip3: {status}"))) }
    })
}
