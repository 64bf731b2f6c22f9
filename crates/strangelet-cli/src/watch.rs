//! Progress: sources and targets that count which bytes were touched.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use strangelet::error::Result;
use strangelet::source::{Source, Target};

/// Bytes below which no bar is shown: done before it could be read.
const SMALL: u64 = 1 << 20;
/// Bytes of a piece that counts as touched.
const PIECE: u64 = 1 << 16;

/// A bar on standard error; silent where that is no terminal, or the work is small.
pub struct Watch {
    bar: ProgressBar,
    /// One bit a piece: how work wanders over a file does not matter, and nothing counts twice.
    touched: Vec<AtomicU64>,
    len: u64,
}

impl Watch {
    /// A bar for `len` bytes of a file.
    pub fn new(path: &Path, len: u64) -> Self {
        if len < SMALL || !std::io::stderr().is_terminal() {
            return Watch { bar: ProgressBar::hidden(), touched: Vec::new(), len };
        }
        let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr());
        let template = "{prefix:.bold} {msg:12} [{bar:24.cyan/blue}] {percent:>3}%  \
                        {bytes_per_sec:>12}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        bar.set_prefix(crate::ui::plain(&name.to_string_lossy()));
        let words = len.div_ceil(PIECE).div_ceil(64) as usize;
        Watch { bar, touched: (0..words).map(|_| AtomicU64::new(0)).collect(), len }
    }

    /// A new pass over the bytes begins.
    pub fn phase(&self, name: &'static str) {
        self.touched.iter().for_each(|word| word.store(0, Relaxed));
        self.bar.reset();
        self.bar.set_message(name);
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn touch(&self, pos: u64, len: u64) {
        if self.touched.is_empty() || len == 0 {
            return;
        }
        let last = pos.saturating_add(len - 1).min(self.len.saturating_sub(1)) / PIECE;
        let mut new = 0;
        for piece in pos / PIECE..=last {
            let Some(word) = self.touched.get((piece / 64) as usize) else { break };
            let bit = 1 << (piece % 64);
            new += (word.fetch_or(bit, Relaxed) & bit == 0) as u64;
        }
        if new > 0 {
            self.bar.set_position((self.bar.position() + new * PIECE).min(self.len));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A source or a target with a watch on it.
pub struct Watched<'a, S> {
    /// What is watched.
    pub inner: S,
    /// Who watches.
    pub watch: &'a Watch,
}

impl<S: Source> Source for Watched<'_, S> {
    fn len(&self) -> u64 {
        self.inner.len()
    }
    fn read_at(&self, pos: u64, buf: &mut [u8]) -> Result<()> {
        self.watch.touch(pos, buf.len() as u64);
        self.inner.read_at(pos, buf)
    }
}

impl<T: Target> Target for Watched<'_, T> {
    fn write_at(&mut self, pos: u64, bytes: &[u8]) -> Result<()> {
        self.watch.touch(pos, bytes.len() as u64);
        self.inner.write_at(pos, bytes)
    }
}
