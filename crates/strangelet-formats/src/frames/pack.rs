//! Files to tables, one after the other, as they come.

use super::{MAX_KINDS, MAX_OTHER, check_name};
use crate::layout::Layout;
use crate::npy;
use crate::plan::CHUNK;
use std::collections::HashSet;
use strangelet::column::{Cells, Column, ColumnSchema, Scalar};
use strangelet::dissect::{Sink, TableId};
use strangelet::error::{Result, unsupported};
use strangelet::format::varint::put;
use strangelet::source::Source;
use strangelet::table::TableSchema;

/// Files whose names wait to be written together.
const LISTED: usize = 1 << 16;

/// Files of one header.
struct Kind {
    head: Vec<u8>,
    layout: Layout,
    /// Rows in a file.
    rows: u64,
    table: TableId,
    /// Rows that wait to be coded together.
    pending: Vec<u8>,
}

/// Takes files and writes chunks as soon as they are full.
pub struct Packer<'a> {
    sink: &'a mut dyn Sink,
    plans: TableId,
    files: TableId,
    /// Rows of a chunk; otherwise as many as 8 MiB hold.
    group: Option<u64>,
    kinds: Vec<Kind>,
    /// Files that are frames.
    frames: u64,
    known: HashSet<String>,
    names: Vec<String>,
    of: Vec<u16>,
    content: Vec<Vec<u8>>,
    bytes: u64,
}

impl<'a> Packer<'a> {
    /// Announces the tables. A chunk takes `group` frames, or as many as 8 MiB hold.
    pub fn new(sink: &'a mut dyn Sink, group: Option<u64>) -> Result<Self> {
        let plans = sink.table(TableSchema::residue("kinds", vec![ColumnSchema::bytes("plan")]))?;
        let columns = vec![
            ColumnSchema::text("name"),
            ColumnSchema::flat("kind", Scalar::U16),
            ColumnSchema::bytes("content"),
        ];
        let files = sink.table(TableSchema::new("files", columns))?;
        Ok(Packer {
            sink,
            plans,
            files,
            group: group.map(|n| n.max(1)),
            kinds: Vec::new(),
            frames: 0,
            known: HashSet::new(),
            names: Vec::new(),
            of: Vec::new(),
            content: Vec::new(),
            bytes: 0,
        })
    }

    /// Files so far that are frames.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Takes a file. An empty name stands for none.
    ///
    /// # Errors
    /// Where a name is not safe or there twice, where there are too many kinds of frames, and where a file is no frame and too
    /// long to go beside them.
    pub fn add(&mut self, name: &str, file: &dyn Source) -> Result<()> {
        if !name.is_empty() {
            check_name(name)?;
            if !self.known.insert(name.to_string()) {
                return Err(unsupported(format!("two files would be called {name}")));
            }
        }
        let frames = npy::frames(file, CHUNK).ok().flatten();
        let whole = frames.filter(|f| f.head.checked_add(f.len) == Some(file.len()));
        let (kind, content) = match whole {
            Some(frames) => (self.rows(frames, file)?, Vec::new()),
            None if file.len() > MAX_OTHER => {
                return Err(unsupported(format!(
                    "is no array of numbers (.npy), and with {} bytes too long to go beside frames",
                    file.len()
                )));
            }
            None => (0, file.range(0, file.len())?),
        };
        self.frames += u64::from(kind > 0);
        self.bytes += content.len() as u64;
        self.names.push(name.to_string());
        self.of.push(kind as u16);
        self.content.push(content);
        if self.bytes >= CHUNK || self.names.len() >= LISTED { self.list() } else { Ok(()) }
    }

    /// Takes the rows of a file; the number of its kind.
    fn rows(&mut self, frames: npy::Frames, file: &dyn Source) -> Result<usize> {
        let head = file.range(0, frames.head)?;
        let found = self.kinds.iter().position(|k| k.head == head);
        let number = match found {
            Some(number) => number,
            None if self.kinds.len() == MAX_KINDS => {
                return Err(unsupported(format!(
                    "is of another type or shape than {MAX_KINDS} kinds of frames before it"
                )));
            }
            None => {
                let n = self.kinds.len() + 1;
                let name = if n == 1 { "frames".to_string() } else { format!("frames{n}") };
                let table = self.sink.table(TableSchema::new(name, frames.layout.schemas()))?;
                let (layout, rows) = (frames.layout, frames.rows);
                self.kinds.push(Kind { head, layout, rows, table, pending: Vec::new() });
                n - 1
            }
        };
        let kind = &mut self.kinds[number];
        let row = kind.layout.row();
        let full = self.group.unwrap_or((CHUNK / row).max(1)).min((CHUNK / row).max(1)) * row;
        let (mut pos, end) = (frames.head, frames.head + frames.len);
        while pos < end {
            let n = (full - kind.pending.len() as u64).min(end - pos);
            kind.pending.extend(file.range(pos, n)?);
            pos += n;
            if kind.pending.len() as u64 == full {
                code(self.sink, kind)?;
            }
        }
        Ok(number + 1)
    }

    /// Writes the names that wait.
    fn list(&mut self) -> Result<()> {
        let (names, of, content) = (
            std::mem::take(&mut self.names),
            std::mem::take(&mut self.of),
            std::mem::take(&mut self.content),
        );
        self.bytes = 0;
        let columns = vec![Column::strings(&names), Column::flat(Cells::W2(of)), Column::strings(&content)];
        self.sink.chunk(self.files, names.len() as u64, columns)
    }

    /// Writes what waits, and what the kinds are.
    pub fn finish(mut self) -> Result<()> {
        for kind in self.kinds.iter_mut().filter(|k| !k.pending.is_empty()) {
            code(self.sink, kind)?;
        }
        if !self.names.is_empty() {
            self.list()?;
        }
        let plan = |kind: &Kind| {
            let mut plan = Vec::new();
            put(&mut plan, kind.rows);
            kind.layout.write(&mut plan);
            plan.extend_from_slice(&kind.head);
            plan
        };
        let plans: Vec<Vec<u8>> = self.kinds.iter().map(plan).collect();
        self.sink.chunk(self.plans, plans.len() as u64, vec![Column::strings(&plans)])
    }
}

fn code(sink: &mut dyn Sink, kind: &mut Kind) -> Result<()> {
    let rows = kind.pending.len() as u64 / kind.layout.row();
    sink.chunk(kind.table, rows, kind.layout.split(&kind.pending)?)?;
    kind.pending.clear();
    Ok(())
}
