//! Texts of event generators: HepMC3 and HepMC2 (`hepmc`), Les Houches event files (`lhe`).
//!
//! A line is text with numbers in it. Lines with the same text and as many numbers are of one kind; a number of
//! a kind is a column of the table `events`, an integer (`i64`) or the nearest `f64`, printed again by the style that most
//! numbers of this column have. The table has one row an event; a kind that every event has exactly
//! once makes flat columns, others have a list an event (`particle.px`, `vertex.in`, `flow1`). Fields of
//! another style, and lines of no kind, are kept as they are.
//!
//! # Tables
//! | table | a row is | columns |
//! |---|---|---|
//! | `text` (residue) | a chunk | `plan`: in the first chunk dialect, style of line ends, kinds (below), else empty; `head`: text before the first event; `odd`: fields that do not fit |
//! | `lines` (residue) | an event | `kind`, `count`: runs of lines; `text`: lines of no kind, with their ends |
//! | `events` | an event | for each kind and each of its numbers a column; for vertices of HepMC3 the list of incoming particles, and positions as lists of one or none; for particles of HepMC2 the list behind the number of flows |
//!
//! Chunks of the three tables go together.
//!
//! # Runs
//! Kind 0 is a line of no kind; kind k is the k-th of the plan; the kind behind the last is the record, where
//! some lines are told by others. In HepMC3 the count is that of particles, and a vertex stands before
//! the first particle whose parent it is (the parent equals the `id` of the next vertex that was not
//! written). In HepMC2 the count is that of vertices, each followed by `orphans` + `out` particles, in LHE that of lines of
//! the event, each followed by `particles` particles.
//!
//! # Plan
//! | bytes | what |
//! |---|---|
//! | 1 | dialect: 0 HepMC3, 1 HepMC2, 2 LHE |
//! | 1 | 1 where lines end with a carriage return too |
//! | varint, then each | kinds: varint length and bytes of the key (0 stands for a number); 1 if single; varint fields, then each: 0 and number of blanks before, or 1 and the width; five bytes of style |
//!
//! Styles: `0 plus` integer; `1 digits mark flags lead` exponent (flags: 1 plus, 2 zero is `0`; lead: 0 `1.2`, 1 `0.12`, 2
//! `0.12` and `-.12`); `2 digits plus` fixed; `3 digits full` as C's `%g` (full: `%#g`); `4` shortest. All are rounded correctly from the f64.
//!
//! # Odd fields
//! varint number; then each: kind, field, lines of the kind since the last one of this kind (from the start of the
//! chunk at first), varint length, the bytes with their blanks.

mod lines;
mod number;
mod record;
mod survey;

use lines::{Dialect, Kind};
use record::{Builder, Columns};
use strangelet::column::{Cells, Column, ColumnSchema, Scalar};
use strangelet::dissect::{Context, FileFormat, Sink, Tables};
use strangelet::error::{Result, corruption, unsupported};
use strangelet::format::varint::{Cursor, put};
use strangelet::source::{Source, Target};
use strangelet::table::TableSchema;
use survey::Survey;

/// Bytes of text of a chunk, and of an event at most.
const CHUNK: u64 = 8 << 20;
const MOST: u64 = 128 << 20;
/// Bytes that decide which kind of file it is.
const LOOK: u64 = 4 << 10;

/// Texts of event generators.
pub enum Events {
    /// HepMC.
    HepMc,
    /// Les Houches.
    Lhe,
}

/// What is the same for all chunks.
struct Plan {
    dialect: Dialect,
    /// Whether lines end with a carriage return too.
    returns: bool,
    kinds: Vec<Kind>,
}

impl FileFormat for Events {
    fn id(&self) -> u16 {
        match self {
            Events::HepMc => 9,
            Events::Lhe => 10,
        }
    }
    fn name(&self) -> &'static str {
        match self {
            Events::HepMc => "hepmc",
            Events::Lhe => "lhe",
        }
    }
    fn probe(&self, source: &dyn Source) -> bool {
        source.range(0, source.len().min(LOOK)).is_ok_and(|start| self.dialect(&start).is_some())
    }

    fn dissect(&self, _cx: &Context, source: &dyn Source, sink: &mut dyn Sink) -> Result<()> {
        let start = source.range(0, source.len().min(LOOK))?;
        let dialect =
            self.dialect(&start).ok_or_else(|| unsupported(format!("{}: no such text", self.name())))?;
        let returns = start.iter().position(|&b| b == b'\n').is_some_and(|n| start[..n].ends_with(b"\r"));
        let mut plan = Plan { dialect, returns, kinds: Vec::new() };
        let mut survey = Survey::new(dialect);
        blocks(source, dialect, &mut |text| {
            for line in lines(&text[head(text, dialect)..]) {
                if dialect.begins(line) {
                    survey.event();
                }
                if let Some(line) = plan.bare(line) {
                    survey.line(line);
                }
            }
            Ok(())
        })?;
        if survey.events() == 0 {
            return Err(unsupported(format!("{}: no events", self.name())));
        }
        plan.kinds = survey.kinds()?;

        let text = ["plan", "head", "odd"].map(ColumnSchema::bytes);
        let text = sink.table(TableSchema::residue("text", text.into()))?;
        let runs = vec![
            ColumnSchema::jagged("kind", Scalar::U16, 1),
            ColumnSchema::jagged("count", Scalar::U32, 1),
            ColumnSchema { depth: 1, ..ColumnSchema::text("text") },
        ];
        let runs = sink.table(TableSchema::residue("lines", runs))?;
        let data = sink.table(TableSchema::new("events", record::schemas(&plan)))?;
        let mut written = plan.write();
        blocks(source, dialect, &mut |block| {
            let start = head(block, dialect);
            let mut builder = Builder::new(&plan);
            builder.take(&block[start..]);
            let (events, own, columns, odd) = builder.finish();
            sink.chunk(
                text,
                1,
                vec![
                    Column::strings([&written]),
                    Column::strings([&block[..start]]),
                    Column::strings([&odd]),
                ],
            )?;
            written.clear();
            sink.chunk(runs, events, own)?;
            sink.chunk(data, events, columns)
        })
    }

    fn assemble(&self, _cx: &Context, tables: &dyn Tables, target: &mut dyn Target) -> Result<()> {
        let bytes = |chunk, column| match tables.read_column(0, chunk, column)?.values {
            Cells::W1(bytes) => Ok(bytes),
            _ => Err(corruption("residue of another width")),
        };
        let plan = Plan::read(&bytes(0, 0)?)?;
        let mut pos = 0;
        for (chunk, events) in tables.chunks(2)?.into_iter().enumerate() {
            let mut out = bytes(chunk, 1)?;
            let (own, columns) = (tables.read(1, chunk)?, tables.read(2, chunk)?);
            let odd = bytes(chunk, 2)?;
            let columns = Columns::new(&plan, events, &own, &columns, &odd)?;
            columns.join(&mut out)?;
            target.write_at(pos, &out)?;
            pos += out.len() as u64;
        }
        Ok(())
    }
}

impl Events {
    fn dialect(&self, start: &[u8]) -> Option<Dialect> {
        let has = |what: &[u8]| start.windows(what.len()).any(|w| w == what);
        match self {
            Events::HepMc if !start.trim_ascii_start().starts_with(b"HepMC::") => None,
            Events::HepMc if has(b"HepMC::Asciiv3") => Some(Dialect::HepMc3),
            Events::HepMc => has(b"HepMC::IO_GenEvent").then_some(Dialect::HepMc2),
            Events::Lhe => has(b"<LesHouchesEvents").then_some(Dialect::Lhe),
        }
    }
}

/// The lines of a text, each with its end.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&b| b == b'\n')
}

/// Bytes before the first event.
fn head(text: &[u8], dialect: Dialect) -> usize {
    let mut at = 0;
    for line in lines(text) {
        if dialect.begins(line) {
            break;
        }
        at += line.len();
    }
    at
}

/// Where the last event begins, if that is not at the start.
fn last_event(text: &[u8], dialect: Dialect) -> Option<usize> {
    let mut end = text.len();
    while let Some(at) = text[..end].iter().rposition(|&b| b == b'\n') {
        if dialect.begins(&text[at + 1..]) {
            return Some(at + 1);
        }
        end = at;
    }
    None
}

/// Calls for each stretch of whole events of the text; what stands before the first is in the first stretch.
fn blocks(source: &dyn Source, dialect: Dialect, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut pos = 0;
    let mut size = CHUNK;
    while pos < source.len() {
        let mut text = source.range(pos, (source.len() - pos).min(size))?;
        if pos + (text.len() as u64) < source.len() {
            // What is read last may be the beginning of a line only.
            let whole = text.iter().rposition(|&b| b == b'\n').map_or(0, |n| n + 1);
            match last_event(&text[..whole], dialect) {
                Some(end) => text.truncate(end),
                None if size < MOST => {
                    size *= 2;
                    continue;
                }
                None => return Err(unsupported("an event too long")),
            }
        }
        pos += text.len() as u64;
        size = CHUNK;
        each(&text)?;
    }
    Ok(())
}

impl Plan {
    fn end(&self) -> &'static [u8] {
        if self.returns { b"\r\n" } else { b"\n" }
    }

    /// A line without its end, where that is the usual.
    fn bare<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        line.strip_suffix(self.end())
    }

    fn write(&self) -> Vec<u8> {
        let mut out = vec![self.dialect as u8, self.returns as u8];
        put(&mut out, self.kinds.len() as u64);
        self.kinds.iter().for_each(|k| k.write(&mut out));
        out
    }

    fn read(bytes: &[u8]) -> Result<Plan> {
        let mut c = Cursor::new(bytes);
        let (dialect, returns) = (Dialect::from_id(c.byte()?)?, c.byte()? != 0);
        let count = c.count()?;
        let kinds: Result<Vec<Kind>> = (0..count).map(|_| Kind::read(dialect, &mut c)).collect();
        Ok(Plan { dialect, returns, kinds: kinds? })
    }
}
