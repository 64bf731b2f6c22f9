//! Anything else: records of fixed size where the bytes show them, else bytes as they are. Always works,
//! also for empty and broken files.
//!
//! Binary files without a description often are rows of numbers all the same (detector words, tables
//! of floats, images). [`detect`] looks for them in samples and proposes layouts; the codecs then try
//! each on a sample, and only a layout that pays is taken.

mod cost;
mod detect;
mod fields;

use crate::layout::Layout;
use crate::plan::{self, CHUNK, Parts, Plan};
use detect::Sample;
use strangelet::codec::{Effort, Level, Part, Role, Stream};
use strangelet::column::{Cells, Column, Meaning, Scalar};
use strangelet::dissect::{Context, FileFormat, Sink, Tables};
use strangelet::error::Result;
use strangelet::select;
use strangelet::source::{Source, Target};

/// Files below this size are not worth a look.
const SMALLEST: u64 = 256;
/// Bytes on which layouts are tried.
const TRIAL: u64 = 512 << 10;
/// Bytes that a further table takes in the index, roughly.
const TABLE: u64 = 40;
/// Layouts that are tried.
const TRIALS: usize = 6;

/// Plain bytes or records.
pub struct Raw;

impl FileFormat for Raw {
    fn id(&self) -> u16 {
        0
    }
    fn name(&self) -> &'static str {
        "raw"
    }
    fn probe(&self, _source: &dyn Source) -> bool {
        true
    }

    fn dissect(&self, cx: &Context, source: &dyn Source, sink: &mut dyn Sink) -> Result<()> {
        let mut parts = Parts::new(sink)?;
        let mut plan = Plan { len: source.len(), pieces: Vec::new() };
        if let Some((start, layout)) = records(source, cx.level)? {
            let rows = (source.len() - start) / layout.row();
            plan.pieces.push(parts.rows("records", &layout, source, start, rows)?);
        }
        parts.holes(source, &plan)?;
        parts.finish(&plan)
    }

    fn assemble(&self, cx: &Context, tables: &dyn Tables, target: &mut dyn Target) -> Result<()> {
        plan::assemble(cx, tables, target)
    }
}

/// Where rows begin and what they are, where the codecs make less of them than of bytes.
fn records(source: &dyn Source, level: Level) -> Result<Option<(u64, Layout)>> {
    if source.len() < SMALLEST {
        return Ok(None);
    }
    let candidates = detect::layouts(&Sample::of(source)?);
    if candidates.is_empty() {
        return Ok(None);
    }
    // A contiguous stretch of whole rows from the middle, the same bytes for all (but for some rows).
    let len = TRIAL.min(source.len());
    let from = (source.len() - len) / 2;
    let bytes = source.range(from, len)?;
    let (thorough, level) = (level == Level::Max, level.min(Level::Balanced));
    let plain = coded(&Layout::default(), vec![text(&bytes)], level)?;
    let mut best: Option<(u64, u64, Layout)> = None;
    for detect::Candidate { start, layout, clear } in candidates.into_iter().take(TRIALS) {
        let row = layout.row();
        let skip = (start + row - from % row) % row;
        if skip + row > len || start + row > source.len() {
            continue;
        }
        let (head, rows) = bytes.split_at(skip as usize);
        let tail = &rows[rows.len() - rows.len() % row as usize..];
        let size = coded(&layout, layout.split(rows)?, level)? + (head.len() + tail.len()) as u64 + TABLE;
        // Columns are of more use to a reader than bytes, so where there is little doubt they may
        // be a little larger; else they have to pay.
        let most = if clear { plain + plain / 16 } else { plain - plain / 64 };
        if size < most && best.as_ref().is_none_or(|b| size < b.0) {
            best = Some((size, start, layout));
        }
    }
    // Words that repeat each other over many rows are a text to the strongest level, which no column sees.
    if let Some((_, start, layout)) = best.as_ref().filter(|_| thorough) {
        let skip = ((start + layout.row() - from % layout.row()) % layout.row()).min(len);
        let rows = &bytes[skip as usize..];
        let rows = &rows[..rows.len() - rows.len() % layout.row() as usize];
        let columns = coded(layout, layout.split(rows)?, Level::Max)?;
        if coded(&Layout::default(), vec![text(rows)], Level::Max)? < columns - columns / 6 {
            return Ok(None);
        }
    }
    Ok(best.map(|(_, start, layout)| (start, layout)))
}

fn text(bytes: &[u8]) -> Column {
    Column { lengths: Vec::new(), values: Cells::W1(bytes[..bytes.len().min(CHUNK as usize)].to_vec()) }
}

/// Bytes that columns take; columns without a layout are plain bytes.
fn coded(layout: &Layout, columns: Vec<Column>, level: Level) -> Result<u64> {
    let schemas = layout.schemas();
    let streams: Vec<Stream> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let schema = schemas.get(i);
            let scalar = schema.map_or(Scalar::U8, |s| s.scalar);
            let role = Role::Values(schema.map_or(Meaning::Bytes, |s| s.meaning));
            let inner = schema.map_or(1, |s| s.inner_cells());
            Stream { cells: &column.values, scalar, role, lists: None, inner, dims: &[] }
        })
        .collect();
    // Layouts are compared by their own columns.
    let effort = Effort::from(level).without(Part::Columns);
    let payloads = select::encode_chunk(&streams, effort)?;
    // An entry of the index for each payload, roughly.
    Ok(payloads.iter().map(|p| p.1.len() as u64 + 8).sum())
}
