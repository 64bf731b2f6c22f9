//! Which kinds of line a file has, and how each writes its numbers.

use super::lines::{Align, Dialect, Field, Kind, Parts, Role, Slot};
use super::number::Style;
use std::collections::HashMap;
use strangelet::error::Result;

/// Fields that are looked at closely: the first so many, then one of `SPARSE`.
const CLOSE: u64 = 48;
const SPARSE: u64 = 61;
const MAX_SAMPLES: usize = 256;
/// Most kinds that are counted, and most columns that are made of them.
const MAX_KEYS: usize = 20_000;
const MAX_COLUMNS: usize = 3_000;
/// Kinds that are rarer stay text.
const RARE: u64 = 3;

#[derive(Default)]
struct Samples {
    /// Blanks and text.
    texts: Vec<(usize, Vec<u8>)>,
}

#[derive(Default)]
struct Tally {
    key: Vec<u8>,
    lines: u64,
    /// Events that have exactly one.
    single: u64,
    /// The event it was last seen in, and how often there.
    last: (u64, u64),
    slots: Vec<Samples>,
    /// Lines with a position.
    extra: u64,
}

/// Counts lines.
pub struct Survey {
    dialect: Dialect,
    keys: HashMap<Vec<u8>, usize>,
    tallies: Vec<Tally>,
    parts: Parts,
    events: u64,
}

impl Survey {
    pub fn new(dialect: Dialect) -> Survey {
        Survey { dialect, keys: HashMap::new(), tallies: Vec::new(), parts: Parts::default(), events: 0 }
    }

    /// Number of events seen.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The next event begins.
    pub fn event(&mut self) {
        self.events += 1;
    }

    /// A line without its end.
    pub fn line(&mut self, line: &[u8]) {
        let parts = &mut self.parts;
        if !self.dialect.split(line, parts) {
            return;
        }
        let number = match self.keys.get(&parts.key) {
            Some(&n) => n,
            None if self.tallies.len() >= MAX_KEYS => return,
            None => {
                self.tallies.push(Tally { key: parts.key.clone(), ..Tally::default() });
                self.keys.insert(parts.key.clone(), self.tallies.len() - 1);
                self.tallies.len() - 1
            }
        };
        let tally = &mut self.tallies[number];
        let close =
            tally.lines < CLOSE || parts.extra && tally.extra < CLOSE || tally.lines.is_multiple_of(SPARSE);
        tally.lines += 1;
        tally.extra += u64::from(parts.extra);
        if tally.last.0 != self.events {
            tally.single += u64::from(tally.last.1 == 1);
            tally.last = (self.events, 0);
        }
        tally.last.1 += 1;
        if close {
            if tally.slots.len() < parts.slots.len() {
                tally.slots.resize_with(parts.slots.len(), Samples::default);
            }
            for (samples, slot) in tally.slots.iter_mut().zip(&parts.slots) {
                samples.add(line, *slot);
            }
        }
    }

    /// The kinds worth columns, the most frequent first.
    pub fn kinds(mut self) -> Result<Vec<Kind>> {
        self.tallies.sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.key.cmp(&b.key)));
        let mut kinds = Vec::new();
        let mut columns = 0;
        for mut tally in self.tallies {
            let role = self.dialect.role(&tally.key);
            let record = matches!(role, Role::Particle | Role::Vertex | Role::Event);
            if tally.lines < RARE && !record || columns > MAX_COLUMNS {
                continue;
            }
            let slots = tally.key.iter().filter(|&&b| b == super::lines::SLOT).count()
                + if self.dialect.has_extra(role) { 4 } else { 0 };
            tally.slots.resize_with(slots, Samples::default);
            columns += slots;
            let single = tally.single + u64::from(tally.last.1 == 1) == self.events
                && tally.lines == self.events
                && !matches!(role, Role::Particle | Role::Vertex);
            let fields = tally.slots.iter().map(Samples::field).collect();
            kinds.push(Kind::new(self.dialect, tally.key, fields, single)?);
        }
        Ok(kinds)
    }
}

impl Samples {
    fn add(&mut self, line: &[u8], slot: Slot) {
        if self.texts.len() < MAX_SAMPLES {
            self.texts.push((slot.blanks, line[slot.start + slot.blanks..slot.end].to_vec()));
        }
    }

    /// What fits most of the samples.
    fn field(&self) -> Field {
        let mut styles: Vec<Style> = Vec::new();
        let mut guesses = Vec::new();
        for (_, text) in &self.texts {
            guesses.clear();
            Style::guesses(text, &mut guesses);
            for g in &guesses {
                if !styles.contains(g) && styles.len() < 60 {
                    styles.push(*g);
                }
            }
        }
        // The plainest of those that fit best.
        styles.sort_by_key(|s| match s {
            Style::Integer { .. } => 0,
            Style::Fixed { .. } => 1,
            Style::Exponent { zero, lead, .. } => 2 + *lead as u32 * 2 + u32::from(*zero),
            Style::General { digits, full } => 10 + u32::from(*digits) + 30 * u32::from(*full),
            Style::Shortest => 90,
        });
        let mut scratch = Vec::new();
        // Where nothing fits, at least the values are there.
        let whole = self.texts.iter().all(|(_, t)| t.iter().all(|b| b.is_ascii_digit() || *b == b'-'));
        let mut best = (0, if whole { Style::Integer { plus: false } } else { Style::Shortest });
        for style in styles {
            let fit = self.texts.iter().filter(|(_, t)| style.parse(t, &mut scratch).is_some()).count();
            if fit > best.0 {
                best = (fit, style);
            }
        }
        let (fixed, blanks) = most(self.texts.iter().map(|t| t.0));
        let (wide, width) = most(self.texts.iter().map(|t| t.0 + t.1.len()));
        let align = if self.texts.is_empty() {
            Align::Blanks(1)
        } else if wide > fixed {
            Align::Width(width)
        } else {
            Align::Blanks(blanks)
        };
        Field { align, style: best.1 }
    }
}

/// How often the most frequent number comes (below 255), and that number.
fn most(numbers: impl Iterator<Item = usize>) -> (usize, u8) {
    let mut counts = [0usize; 256];
    numbers.for_each(|n| counts[n.min(255)] += 1);
    let number = (0..255).rev().max_by_key(|&i| counts[i]).unwrap_or(0);
    (counts[number], number as u8)
}
