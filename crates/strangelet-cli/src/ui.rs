//! What a person sees: errors of one line, numbers that can be read, colours on a terminal only.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use strangelet::error::{Error, Result};

/// Whether standard output is a person's terminal that takes colours.
pub fn colours() -> bool {
    io::stdout().is_terminal() && wants_colour()
}

fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}

/// `text` in an ANSI style, where `on`.
pub fn paint(on: bool, style: &str, text: impl Display) -> String {
    if on { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_string() }
}

/// Text from a file, fit for a terminal: control characters are shown, not obeyed.
pub fn plain(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_string();
    }
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

/// One line on standard error: the place, and the cause.
pub fn error(place: Option<&Path>, error: &Error) {
    say("31;1", "error", place, &error.to_string());
}

/// One line on standard error that stops nothing.
pub fn note(place: &Path, text: &str) {
    say("33", "note", Some(place), text);
}

/// One line on standard error about no file.
pub fn warn(text: &str) {
    say("33", "note", None, text);
}

fn say(style: &str, word: &str, place: Option<&Path>, text: &str) {
    let word = paint(io::stderr().is_terminal() && wants_colour(), style, word);
    let place = place.map(|p| format!("{}: ", plain(&p.display().to_string()))).unwrap_or_default();
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{word}: {place}{}", plain(text));
}

/// Writes to standard output. A reader that has gone away (`| head`) is no error.
pub fn emit(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `before` through `after`, or nothing to compare.
pub fn ratio(before: u64, after: u64) -> f64 {
    if after == 0 { 0.0 } else { before as f64 / after as f64 }
}

/// Rows as text: columns as wide as their widest cell, numbers to the right.
pub struct Aligned {
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Aligned {
    /// A table with these headings; a heading that begins with `>` belongs to a column set to the right.
    pub fn new(headings: &[&str]) -> Self {
        Aligned {
            right: headings.iter().map(|h| h.starts_with('>')).collect(),
            rows: vec![headings.iter().map(|h| h.trim_start_matches('>').to_string()).collect()],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The text, each line after an indent; the headings dim where `colour`.
    pub fn text(&self, indent: &str, colour: bool) -> String {
        let width = |i: usize| self.rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max();
        let widths: Vec<usize> = (0..self.right.len()).map(|i| width(i).unwrap_or(0)).collect();
        let mut out = String::new();
        for (n, row) in self.rows.iter().enumerate() {
            let mut line = String::from(indent);
            for (i, cell) in row.iter().enumerate() {
                let (w, right) = (widths.get(i).copied().unwrap_or(0), self.right.get(i) == Some(&true));
                let gap = if i == 0 { "" } else { "  " };
                line += &if right { format!("{gap}{cell:>w$}") } else { format!("{gap}{cell:<w$}") };
            }
            let line = line.trim_end();
            out += &if n == 0 { paint(colour, "2", line) } else { line.to_string() };
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_threes() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(123456), "123,456");
        assert_eq!(grouped(1234567), "1,234,567");
    }

    #[test]
    fn names_from_files_cannot_drive_the_terminal() {
        assert_eq!(plain("a\x1b[31m\nb"), "a\\u{1b}[31m\\nb");
    }

    #[test]
    fn columns_line_up() {
        let mut t = Aligned::new(&["name", ">bytes"]);
        t.row(vec!["pt".into(), "12".into()]);
        t.row(vec!["charge".into(), "1,234".into()]);
        assert_eq!(t.text("  ", false), "  name    bytes\n  pt         12\n  charge  1,234\n");
    }
}
