//! `strangelet inspect`: what is inside a container, and what each thing costs.

use super::each;
use crate::carried::Carried;
use crate::files::{Input, is_container};
use crate::promise;
use crate::ui::{self, Aligned, grouped, ratio};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use strangelet::archive::Archive;
use strangelet::codecs;
use strangelet::column::{ColumnSchema, Meaning};
use strangelet::dissect::Tables;
use strangelet::error::Result;
use strangelet::format::{Original, Place};
use strangelet::source::Source;

const EXAMPLES: &str = "\
Examples:
  strangelet inspect run1.root.sgl                 the most expensive columns
  strangelet inspect --all run1.root.sgl           all of them, and the residue's
  strangelet inspect --json run1.root.sgl | jq '.columns[] | select(.codecs.pco)'

Bytes of a column count its payloads with the lengths of its lists. The index (names, types,
places, checksums, and payloads of up to 48 bytes) is a line of its own.";

/// Show how a file was taken apart: tables, columns, codecs, and what each of them costs
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Containers, or folders with all their .sgl files; `-` is standard input
    #[arg(value_name = "IN.sgl", required = true)]
    inputs: Vec<PathBuf>,
    /// Machine-readable, one object a file, always with all columns
    #[arg(long)]
    json: bool,
    /// Show all columns, also those of the residue
    #[arg(short, long, visible_alias = "columns")]
    all: bool,
}

/// Columns that are shown without `--all`.
const SHOWN: usize = 24;

/// What a column costs.
pub struct ColumnCost {
    pub table: usize,
    pub name: String,
    kind: String,
    /// Cells of its values.
    pub cells: u64,
    /// Bytes of its cells and lengths, as they are in memory.
    plain: u64,
    /// Bytes of its payloads.
    pub packed: u64,
    /// Bytes by codec.
    pub codecs: BTreeMap<&'static str, u64>,
}

pub struct TableCost {
    pub name: String,
    residue: bool,
    columns: usize,
    events: u64,
    chunks: usize,
    plain: u64,
    packed: u64,
    carried: Option<Carried>,
}

pub struct Costs {
    format: &'static str,
    original: Original,
    pub container: u64,
    /// Header, index with its inline payloads, tail.
    overhead: u64,
    inline: (u64, u64),
    bundles: u64,
    /// Payloads outside the index: of columns, of residue.
    apart: [u64; 2],
    pub tables: Vec<TableCost>,
    pub columns: Vec<ColumnCost>,
}

/// Runs it; the number of files that failed.
pub fn run(args: &Args) -> Result<usize> {
    Ok(each(&args.inputs, is_container, |input| one(args, input)))
}

fn one(args: &Args, input: &Input) -> Result<()> {
    let archive = Archive::open(input.open()?)?;
    let costs = costs(&archive)?;
    let index = archive.index();
    let promise = index.promise.as_ref();
    let text = if args.json {
        json(&input.path, &costs, promise.map(|p| promise::json(index, p, costs.container)))
    } else {
        let promise = promise.map(|p| {
            let before = ratio(p.len, costs.container);
            let table = promise::text(index, p, ui::colours());
            format!("  reduced from {:>13} bytes   ratio {before:.3}\n{table}", grouped(p.len))
        });
        text(&input.path, &costs, args.all, promise.unwrap_or_default())
    };
    ui::emit(&text)
}

/// `f32[][3]`, `text`, `u16[]`.
pub fn type_name(column: &ColumnSchema) -> String {
    let mut name = match column.meaning {
        Meaning::Number => column.scalar.name().to_string(),
        Meaning::Bytes => "bytes".to_string(),
        Meaning::Text => "text".to_string(),
    };
    name += &"[]".repeat(column.depth as usize);
    column.inner.iter().for_each(|n| name += &format!("[{n}]"));
    name
}

/// What each thing in a container costs.
pub fn costs<S: Source>(archive: &Archive<S>) -> Result<Costs> {
    let index = archive.index();
    let format = strangelet_formats::ALL.iter().find(|f| f.id() == index.format);
    let mut all = Costs {
        format: format.map_or("a kind of file that this build does not know", |f| f.name()),
        original: index.original,
        container: archive.reader().len(),
        overhead: archive.reader().overhead(),
        inline: (0, 0),
        bundles: index.bundles.iter().map(|b| b.len).sum(),
        apart: [0, 0],
        tables: Vec::new(),
        columns: Vec::new(),
    };
    for (t, schema) in index.tables.iter().enumerate() {
        let events = archive.chunks(t)?;
        let mut columns: Vec<ColumnCost> = schema
            .columns
            .iter()
            .map(|c| ColumnCost {
                table: t,
                name: c.name.clone(),
                kind: type_name(c),
                cells: 0,
                plain: 0,
                packed: 0,
                codecs: BTreeMap::new(),
            })
            .collect();
        for chunk in 0..events.len() {
            let counts = archive.cell_counts(t, chunk)?;
            let mut streams = archive.chunk_entry(t, chunk)?.streams.iter().zip(counts);
            for (schema_column, cost) in schema.columns.iter().zip(&mut columns) {
                let levels = schema_column.levels();
                for (level, (stream, count)) in streams.by_ref().take(levels + 1).enumerate() {
                    let values = level == levels;
                    let width = if values { schema_column.scalar.width() as u64 } else { 4 };
                    if values {
                        cost.cells += count;
                    }
                    let len = stream.place.len();
                    cost.plain += count * width;
                    cost.packed += len;
                    let codec = codecs::by_id(stream.codec).map_or("unknown", |c| c.name());
                    *cost.codecs.entry(codec).or_default() += len;
                    match stream.place {
                        Place::Inline(_) => all.inline = (all.inline.0 + 1, all.inline.1 + len),
                        Place::Apart { .. } => all.apart[schema.residue as usize] += len,
                    }
                }
            }
        }
        all.tables.push(TableCost {
            name: schema.name.clone(),
            residue: schema.residue,
            columns: schema.columns.len(),
            events: events.iter().sum(),
            chunks: events.len(),
            plain: columns.iter().map(|c| c.plain).sum(),
            packed: columns.iter().map(|c| c.packed).sum(),
            carried: Carried::of(archive, t)?,
        });
        all.columns.append(&mut columns);
    }
    all.columns.sort_by(|a, b| b.packed.cmp(&a.packed).then(a.table.cmp(&b.table)).then(a.name.cmp(&b.name)));
    Ok(all)
}

/// Codecs, the most expensive first.
pub fn codec_names(codecs: &BTreeMap<&'static str, u64>) -> String {
    let mut names: Vec<_> = codecs.iter().collect();
    names.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    names.iter().map(|(name, _)| **name).collect::<Vec<_>>().join("+")
}

/// `1 table`, `1,234 columns`.
fn counted(n: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(n as u64), if n == 1 { "" } else { "s" })
}

fn text(path: &Path, costs: &Costs, all: bool, promise: String) -> String {
    let colour = ui::colours();
    let c = costs;
    let columns = |residue: bool| -> usize {
        c.tables.iter().filter(|t| t.residue == residue).map(|t| t.columns).sum()
    };
    let share = |bytes: u64| format!("{:5.1} %", 100.0 * bytes as f64 / c.container.max(1) as f64);
    let mut out = format!("{}\n", ui::paint(colour, "1", ui::plain(&path.display().to_string())));
    let tables = c.tables.iter().filter(|t| !t.residue).count();
    let (tables_text, columns_text) = (counted(tables, "table"), counted(columns(false), "column"));
    out += &format!("  taken apart as {}: {tables_text}, {columns_text}\n", c.format);
    out += &format!(
        "  original   {:>15} bytes   adler32 {:08x}   xxh3 {:032x}\n",
        grouped(c.original.len),
        c.original.adler32,
        c.original.xxh3
    );
    let whole = ui::paint(colour, "1;32", format!("ratio {:.3}", ratio(c.original.len, c.container)));
    out += &format!("  container  {:>15} bytes   {whole}\n", grouped(c.container));
    let mut part = |name: &str, bytes: u64, more: String| {
        out += &format!("    {name:<9}{:>15}   {}  {more}\n", grouped(bytes), share(bytes));
    };
    part("columns", c.apart[0], String::new());
    part("residue", c.apart[1], counted(columns(true), "column"));
    part("index", c.overhead, format!("holds {}", counted(c.inline.0 as usize, "short payload")));
    if c.bundles > 0 {
        part("models", c.bundles, String::new());
    }
    out += &promise;
    let mut t = Aligned::new(&["table", ">columns", ">events", ">chunks", ">plain", ">bytes", ">ratio"]);
    for table in c.tables.iter().filter(|t| all || !t.residue) {
        let residue = if table.residue { " (residue)" } else { "" };
        t.row(vec![
            ui::plain(&table.name) + residue,
            grouped(table.columns as u64),
            grouped(table.events),
            grouped(table.chunks as u64),
            grouped(table.plain),
            grouped(table.packed),
            format!("{:.2}", ratio(table.plain, table.packed)),
        ]);
    }
    if tables > 0 || all {
        out += &format!("\n{}", t.text("  ", colour));
    }
    for table in &c.tables {
        out += &table.carried.as_ref().map(|c| c.text(&table.name)).unwrap_or_default();
    }
    let named: Vec<&ColumnCost> = c.columns.iter().filter(|x| all || !c.tables[x.table].residue).collect();
    if named.is_empty() {
        return out + "\n";
    }
    let several = c.tables.iter().filter(|t| all || !t.residue).count() > 1;
    let mut t =
        Aligned::new(&["column", "type", ">cells", "codec", ">bits/cell", ">bytes", ">share", ">ratio"]);
    for column in named.iter().take(if all { usize::MAX } else { SHOWN }) {
        let table = if several { format!("{}: ", c.tables[column.table].name) } else { String::new() };
        t.row(vec![
            ui::plain(&(table + &column.name)),
            column.kind.clone(),
            grouped(column.cells),
            codec_names(&column.codecs),
            format!("{:.2}", bits_per_cell(column)),
            grouped(column.packed),
            share(column.packed),
            format!("{:.2}", ratio(column.plain, column.packed)),
        ]);
    }
    out += &format!("\n{}", t.text("  ", colour));
    if !all && named.len() > SHOWN {
        let rest: u64 = named[SHOWN..].iter().map(|c| c.packed).sum();
        let more = named.len() - SHOWN;
        out += &format!("  and {more} more in {} bytes (--all shows them)\n", grouped(rest));
    }
    out + "\n"
}

/// Bits that a cell takes, lengths of lists and all.
fn bits_per_cell(column: &ColumnCost) -> f64 {
    if column.cells == 0 { 0.0 } else { column.packed as f64 * 8.0 / column.cells as f64 }
}

fn json(path: &Path, c: &Costs, promise: Option<Value>) -> String {
    let tables: Vec<Value> = c
        .tables
        .iter()
        .map(|t| {
            json!({
                "name": t.name, "residue": t.residue, "columns": t.columns, "events": t.events,
                "chunks": t.chunks, "bytes_plain": t.plain, "bytes": t.packed,
                "ratio": ratio(t.plain, t.packed),
                "carried": t.carried.as_ref().map(Carried::json),
            })
        })
        .collect();
    let columns: Vec<Value> = c
        .columns
        .iter()
        .map(|x| {
            json!({
                "table": c.tables[x.table].name, "name": x.name, "residue": c.tables[x.table].residue,
                "type": x.kind, "cells": x.cells, "bytes_plain": x.plain, "bytes": x.packed,
                "ratio": ratio(x.plain, x.packed), "bits_per_cell": bits_per_cell(x), "codecs": x.codecs,
            })
        })
        .collect();
    let value = json!({
        "file": path.display().to_string(),
        "format": c.format,
        "bytes_original": c.original.len,
        "bytes": c.container,
        "ratio": ratio(c.original.len, c.container),
        "adler32": format!("{:08x}", c.original.adler32),
        "xxh3": format!("{:032x}", c.original.xxh3),
        "bytes_columns": c.apart[0],
        "bytes_residue": c.apart[1],
        "bytes_index": c.overhead,
        "bytes_models": c.bundles,
        "short_payloads": c.inline.0,
        "bytes_short_payloads": c.inline.1,
        "reduced": promise,
        "tables": tables,
        "columns": columns,
    });
    format!("{value:#}\n")
}
