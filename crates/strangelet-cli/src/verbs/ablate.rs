//! `strangelet ablate`: what each part of the engine is worth on a file, found by doing without it.

use super::inspect::{self, Costs};
use super::{LevelArg, each};
use crate::files::{Input, is_container};
use crate::ui::{self, Aligned, grouped};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use strangelet::archive::{self, Archive};
use strangelet::codec::{Effort, Level, Part};
use strangelet::dissect::FileFormat;
use strangelet::error::Result;
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;

const EXAMPLES: &str = "\
Examples:
  strangelet ablate run1.root                      what relations, contexts, text models ... save
  strangelet ablate --parts relations,rows --columns 20 run1.root
  strangelet ablate --json run1.root | jq '.parts[] | {name, bytes_saved}'

Each part is left out alone and the file is compressed and restored again; what the container grows by is
what the part saves beside all the others. Parts stand in for one another, so the savings do not add up.";

/// Show what each part of the engine saves, by doing without it
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Files, or folders with all their files (except .sgl)
    #[arg(value_name = "FILE", required = true)]
    inputs: Vec<PathBuf>,
    /// Level whose parts are left out
    #[arg(short, long, value_enum, default_value = "max")]
    level: LevelArg,
    /// Parts to leave out, by name
    #[arg(short, long, value_delimiter = ',', value_name = "NAMES", value_parser = names())]
    parts: Vec<String>,
    /// Columns to show for each part, those that gain most
    #[arg(short, long, default_value_t = 4, value_name = "N")]
    columns: usize,
    /// Machine-readable, one object a file
    #[arg(long)]
    json: bool,
}

/// Name of what is left out where the file is not taken apart at all.
const DISSECTION: &str = "dissection";

fn names() -> Vec<&'static str> {
    [DISSECTION].into_iter().chain(Part::ALL.iter().map(|p| p.1)).collect()
}

/// A column that a part makes smaller.
struct Gain {
    name: String,
    cells: u64,
    /// Bytes with the part and without it.
    bytes: [u64; 2],
    /// Codecs with the part and without it.
    codecs: [String; 2],
}

/// What a part is worth.
struct Worth {
    name: &'static str,
    about: &'static str,
    without: u64,
    gains: Vec<Gain>,
}

/// Runs it; the number of files that failed.
pub fn run(args: &Args) -> Result<usize> {
    Ok(each(&args.inputs, |path| !is_container(path), |input| one(args, input)))
}

fn one(args: &Args, input: &Input) -> Result<()> {
    let source = input.open()?;
    let level = Level::from(args.level);
    let whole = measure(&*source, ALL, level.into())?;
    let wanted = |name: &str| args.parts.is_empty() || args.parts.iter().any(|p| p == name);
    let mut worths = Vec::new();
    if wanted(DISSECTION) {
        let plain = measure(&*source, &ALL[ALL.len() - 1..], level.into())?;
        let about = "the file taken apart into typed columns";
        worths.push(Worth { name: DISSECTION, about, without: plain.container, gains: Vec::new() });
    }
    for (part, name, about) in Part::ALL {
        if wanted(name) {
            let costs = measure(&*source, ALL, Effort::from(level).without(part))?;
            let gains = gains(&whole, &costs);
            worths.push(Worth { name, about, without: costs.container, gains });
        }
    }
    worths.sort_by_key(|w| std::cmp::Reverse(w.without));
    let show = if args.json { json } else { text };
    ui::emit(&show(&input.path, level, source.len(), whole.container, &worths, args.columns))
}

/// Compresses, restores and compares, and says what each column costs.
fn measure(source: &dyn Source, formats: &[&dyn FileFormat], effort: Effort) -> Result<Costs> {
    let (spool, _) = archive::compress(source, formats, effort, &mut || Ok(Spool::new(u64::MAX)))?;
    inspect::costs(&Archive::open(&spool)?)
}

/// Columns that are smaller with the part than without, the largest gain first.
fn gains(with: &Costs, without: &Costs) -> Vec<Gain> {
    let mut all: BTreeMap<(usize, &str), Gain> = BTreeMap::new();
    for (side, costs) in [with, without].into_iter().enumerate() {
        for c in &costs.columns {
            let table = costs.tables.get(c.table).map_or("", |t| &t.name);
            let gain = all.entry((c.table, &c.name)).or_insert_with(|| Gain {
                name: if costs.tables.len() > 1 { format!("{table}: {}", c.name) } else { c.name.clone() },
                cells: c.cells,
                bytes: [0; 2],
                codecs: Default::default(),
            });
            gain.bytes[side] += c.packed;
            gain.codecs[side] = inspect::codec_names(&c.codecs);
        }
    }
    let mut gains: Vec<Gain> = all.into_values().filter(|g| g.bytes[1] > g.bytes[0]).collect();
    gains.sort_by(|a, b| saved(b).cmp(&saved(a)).then(a.name.cmp(&b.name)));
    gains
}

fn saved(gain: &Gain) -> u64 {
    gain.bytes[1].saturating_sub(gain.bytes[0])
}

fn bits(gain: &Gain, side: usize) -> f64 {
    gain.bytes[side] as f64 * 8.0 / gain.cells.max(1) as f64
}

fn text(path: &Path, level: Level, original: u64, all: u64, worths: &[Worth], shown: usize) -> String {
    let colour = ui::colours();
    let mut out = format!("{}\n", ui::paint(colour, "1", ui::plain(&path.display().to_string())));
    out += &format!("  {} bytes, at {} {} bytes\n\n", grouped(original), level.name(), grouped(all));
    let mut table = Aligned::new(&["without", ">bytes", ">saves", ">share", "what it is"]);
    for w in worths {
        let saves = w.without as i64 - all as i64;
        let sign = if saves < 0 { "-" } else { "" };
        table.row(vec![
            w.name.to_string(),
            grouped(w.without),
            format!("{sign}{}", grouped(saves.unsigned_abs())),
            format!("{:.2} %", 100.0 * saves as f64 / w.without.max(1) as f64),
            w.about.to_string(),
        ]);
    }
    out += &table.text("  ", colour);
    let mut table = Aligned::new(&["part", "column", ">cells", ">bits/cell", ">without", ">saves", "codecs"]);
    let mut some = false;
    for w in worths {
        for g in w.gains.iter().take(shown) {
            some = true;
            table.row(vec![
                w.name.to_string(),
                ui::plain(&g.name),
                grouped(g.cells),
                format!("{:.2}", bits(g, 0)),
                format!("{:.2}", bits(g, 1)),
                grouped(saved(g)),
                format!("{} for {}", g.codecs[0], g.codecs[1]),
            ]);
        }
    }
    if some {
        out += &format!("\n{}", table.text("  ", colour));
    }
    out + "\n"
}

fn json(path: &Path, level: Level, original: u64, all: u64, worths: &[Worth], shown: usize) -> String {
    let gain = |g: &Gain| -> Value {
        json!({
            "name": g.name, "cells": g.cells, "bytes": g.bytes[0], "bytes_without": g.bytes[1],
            "bits_per_cell": bits(g, 0), "bits_per_cell_without": bits(g, 1),
            "codecs": g.codecs[0], "codecs_without": g.codecs[1],
        })
    };
    let parts: Vec<Value> = worths
        .iter()
        .map(|w| {
            json!({
                "name": w.name, "about": w.about, "bytes_without": w.without,
                "bytes_saved": w.without as i64 - all as i64,
                "columns": w.gains.iter().take(shown).map(gain).collect::<Vec<_>>(),
            })
        })
        .collect();
    let value = json!({
        "file": path.display().to_string(), "level": level.name(), "bytes_original": original, "bytes": all,
        "parts": parts,
    });
    format!("{value:#}\n")
}
