//! Loss with a promise: columns are reduced, the file is put together again from them and coded like any other, and
//! the container is decoded and compared with the original before it is kept.

use super::{Archive, Encoder, Phase, Report, checksum, compress_with};
use crate::codec::Level;
use crate::column::{Column, Meaning, Scalar};
use crate::dissect::{Context, FileFormat, Proofs, Sink, TableId, Tables};
use crate::error::{Error, Result, corruption, unsupported, usage};
use crate::format::promise::reducible;
use crate::format::{Bound, ColumnPromise, Original, Promise};
use crate::reduce::measure::Tally;
use crate::reduce::palette::{Counts, Palette};
use crate::reduce::{Rule, count};
use crate::source::{Source, Spool};
use crate::table::TableSchema;
use std::collections::BTreeMap;

/// What to reach where no cell is bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// At most this mean error of log2(|x| + 1) over all cells.
    Mae(f64),
    /// At least this ratio of original bytes to bytes of the container.
    Ratio(f64),
}

/// What is asked for. Columns are named by their name, their table's, or `TABLE:COLUMN`; where the file has but one
/// column of numbers, `adc` (or no name) is that.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Columns with their bounds.
    pub bounds: Vec<(String, Bound)>,
    /// Columns with the magnitude below which cells become zero.
    pub drop_below: Vec<(String, f64)>,
    /// What to reach, for all columns named here.
    pub target: Option<(Target, Vec<String>)>,
}

/// What became of a file.
#[derive(Debug, Clone)]
pub struct Reduced {
    /// The file before it was reduced.
    pub original: Original,
    /// The container of the reduced file.
    pub report: Report,
    /// What the container promises.
    pub promise: Promise,
    /// Names of the columns promised, in the same order.
    pub names: Vec<String>,
}

/// A column that is reduced.
struct Chosen {
    table: TableId,
    column: usize,
    scalar: Scalar,
    rule: Rule,
}

/// Schemas and nothing else.
#[derive(Default)]
struct Survey {
    tables: Vec<TableSchema>,
}

impl Sink for Survey {
    fn table(&mut self, schema: TableSchema) -> Result<TableId> {
        self.tables.push(schema);
        Ok(self.tables.len() - 1)
    }
    fn chunk(&mut self, _table: TableId, _events: u64, _columns: Vec<Column>) -> Result<()> {
        Ok(())
    }
}

/// Hands the columns of each chunk to a function.
struct Each<F> {
    tables: usize,
    chunks: BTreeMap<TableId, usize>,
    work: F,
}

impl<F: FnMut(TableId, usize, &[Column]) -> Result<()>> Sink for Each<F> {
    fn table(&mut self, _schema: TableSchema) -> Result<TableId> {
        self.tables += 1;
        Ok(self.tables - 1)
    }
    fn chunk(&mut self, table: TableId, _events: u64, columns: Vec<Column>) -> Result<()> {
        let chunk = self.chunks.entry(table).or_default();
        (self.work)(table, *chunk, &columns)?;
        *chunk += 1;
        Ok(())
    }
}

/// Takes a file apart and looks at its chunks in order.
fn look(
    format: &dyn FileFormat,
    cx: &Context,
    source: &dyn Source,
    work: impl FnMut(TableId, usize, &[Column]) -> Result<()>,
) -> Result<()> {
    format.dissect(cx, source, &mut Each { tables: 0, chunks: BTreeMap::new(), work })
}

/// Reduces the chosen columns on their way to another sink.
struct Reducing<'a> {
    sink: &'a mut dyn Sink,
    chosen: &'a [Chosen],
    tallies: &'a mut [Tally],
}

impl Sink for Reducing<'_> {
    fn table(&mut self, schema: TableSchema) -> Result<TableId> {
        self.sink.table(schema)
    }
    fn chunk(&mut self, table: TableId, events: u64, mut columns: Vec<Column>) -> Result<()> {
        for (c, tally) in self.chosen.iter().zip(self.tallies.iter_mut()).filter(|(c, _)| c.table == table) {
            let Some(column) = columns.get_mut(c.column) else { continue };
            let cells = c.rule.reduce(c.scalar, &column.values);
            tally.compare(c.scalar, &column.values, &cells, &c.rule.bound, c.rule.drop_below)?;
            column.values = cells;
        }
        self.sink.chunk(table, events, columns)
    }
}

/// Columns of numbers that can be reduced: table, column, names.
fn candidates(tables: &[TableSchema]) -> Vec<(TableId, usize)> {
    let mut found = Vec::new();
    for (t, table) in tables.iter().enumerate().filter(|(_, t)| !t.residue) {
        for (c, column) in table.columns.iter().enumerate() {
            if column.meaning == Meaning::Number && reducible(column.scalar) {
                found.push((t, c));
            }
        }
    }
    found
}

/// The column that a name means.
fn find(name: &str, tables: &[TableSchema]) -> Result<(TableId, usize)> {
    let all = candidates(tables);
    let named = |&&(t, c): &&(TableId, usize)| {
        let (table, column) = (&tables[t], &tables[t].columns[c]);
        let whole = match name.strip_prefix(table.name.as_str()).and_then(|rest| rest.strip_prefix(':')) {
            Some(rest) => rest == column.name,
            None => false,
        };
        whole || name == column.name || name == table.name && table.columns.len() == 1
    };
    let found: Vec<_> = all.iter().filter(named).collect();
    match (found.as_slice(), all.as_slice()) {
        ([one], _) => Ok(**one),
        ([], [one]) if matches!(name, "adc" | "") => Ok(*one),
        ([], []) => Err(usage("no column of this file can be reduced (8 to 32-bit integers and floats can)")),
        ([], _) => {
            let names: Vec<String> = all.iter().take(8).map(|&(t, c)| column_name(tables, t, c)).collect();
            Err(usage(format!("no column {name} that can be reduced; there are {}", names.join(", "))))
        }
        _ => Err(usage(format!("{name} is the name of several columns: say TABLE:COLUMN"))),
    }
}

/// `table:column`, or the table's name where it says it all.
pub fn column_name(tables: &[TableSchema], table: TableId, column: usize) -> String {
    match tables.get(table).and_then(|t| Some((t, t.columns.get(column)?))) {
        Some((t, _)) if t.columns.len() == 1 => t.name.clone(),
        Some((t, c)) => format!("{}:{}", t.name, c.name),
        None => "?".to_string(),
    }
}

/// The rules that a wish comes to, without palettes.
fn choose(wish: &Wish, tables: &[TableSchema]) -> Result<Vec<Chosen>> {
    let mut rules: BTreeMap<(TableId, usize), Rule> = BTreeMap::new();
    let mut add = |name: &str, bound: Bound| -> Result<()> {
        let at = find(name, tables)?;
        if !bound.value().is_finite() || bound.value() < 0.0 {
            return Err(usage(format!("a bound of {}", bound.value())));
        }
        match rules.insert(at, Rule { bound, drop_below: 0.0, palette: None }) {
            Some(_) => Err(usage(format!("two bounds for {}", column_name(tables, at.0, at.1)))),
            None => Ok(()),
        }
    };
    for (name, bound) in &wish.bounds {
        add(name, *bound)?;
    }
    if let Some((target, names)) = &wish.target {
        let bound = match *target {
            Target::Mae(v) => Bound::MeanLog2(v),
            Target::Ratio(v) => Bound::Ratio(v),
        };
        for name in names {
            add(name, bound)?;
        }
    }
    for (name, below) in &wish.drop_below {
        let at = find(name, tables)?;
        if !below.is_finite() || *below < 0.0 {
            return Err(usage(format!("cells below {below} cannot be dropped")));
        }
        // Dropping alone moves no other cell.
        let rule = rules.entry(at).or_insert(Rule { bound: Bound::Abs(0.0), drop_below: 0.0, palette: None });
        rule.drop_below = *below;
    }
    if rules.is_empty() {
        return Err(usage("nothing to reduce: say --bound, --target-mae or --target-ratio"));
    }
    let chosen = |((table, column), rule): ((TableId, usize), Rule)| {
        let scalar = tables[table].columns[column].scalar;
        Chosen { table, column, scalar, rule }
    };
    Ok(rules.into_iter().map(chosen).collect())
}

/// Reduces a file and compresses it. Nothing is kept unless the decoded container holds the promise that it carries.
pub fn reduce(
    source: &dyn Source,
    formats: &[&dyn FileFormat],
    level: Level,
    wish: &Wish,
    new_spool: &mut dyn FnMut() -> Result<Spool>,
    watch: &mut dyn FnMut(Phase),
) -> Result<(Spool, Reduced)> {
    watch(Phase::Reading);
    let original = checksum(source)?;
    let format = formats.iter().copied().find(|f| f.probe(source));
    let format = format.ok_or_else(|| unsupported("no kind of file takes it"))?;
    let loose = format.loosen(source)?;
    let source: &dyn Source = match &loose {
        Some(spool) => spool,
        None => source,
    };
    let proofs = Proofs::default();
    let cx = Context { formats, proofs: &proofs, level };
    let mut survey = Survey::default();
    format.dissect(&cx, source, &mut survey)?;
    let tables = survey.tables;
    let mut chosen = choose(wish, &tables)?;
    let mut counts = vec![Counts::default(); chosen.len()];
    look(format, &cx, source, |table, _, columns| {
        for (c, counts) in chosen.iter().zip(&mut counts).filter(|(c, _)| c.table == table) {
            if let Some(column) = columns.get(c.column).filter(|_| !c.scalar.is_float()) {
                count(c.scalar, &column.values, c.rule.drop_below, counts);
            }
        }
        Ok(())
    })?;
    for (c, counts) in chosen.iter_mut().zip(&counts).filter(|(c, _)| !c.scalar.is_float()) {
        c.rule.palette = Some(Palette::within(&c.rule.bound, &counts.sorted()));
    }
    let (reduced, promise) = rebuild(format, &cx, source, &original, &chosen)?;
    let only = [format];
    let (spool, report) = compress_with(&reduced, &only, level, new_spool, watch, Some(&promise))?;
    watch(Phase::Verifying);
    check(format, &cx, source, &spool, &chosen, &promise)?;
    let names = promise.columns.iter().map(|c| column_name(&tables, c.table, c.column)).collect();
    Ok((spool, Reduced { original, report, promise, names }))
}

/// The file with its columns reduced, and what can be promised of it.
fn rebuild(
    format: &dyn FileFormat,
    cx: &Context,
    source: &dyn Source,
    original: &Original,
    chosen: &[Chosen],
) -> Result<(Spool, Promise)> {
    let mut tallies = vec![Tally::default(); chosen.len()];
    let mut container = Vec::new();
    // A quick container between, so that memory follows the coded size.
    let mut encoder = Encoder::new(&mut container, Level::Fast)?;
    format.dissect(cx, source, &mut Reducing { sink: &mut encoder, chosen, tallies: &mut tallies })?;
    encoder.into_writer().finish(format.id(), *original, &[])?;
    let mut file = Spool::new(u64::MAX);
    format.assemble(cx, &Archive::open(container)?, &mut file)?;
    format.mend(&mut file)?;
    let mut promise = Promise::of(original);
    promise.columns = chosen
        .iter()
        .zip(&tallies)
        .map(|(c, tally)| tally.promise(c.table, c.column, c.rule.bound, c.rule.drop_below))
        .collect();
    Ok((file, promise))
}

/// Decodes a finished container and compares it with the original, cell by cell: chosen columns under their
/// promise, all others exactly.
fn check(
    format: &dyn FileFormat,
    cx: &Context,
    source: &dyn Source,
    container: &Spool,
    chosen: &[Chosen],
    promise: &Promise,
) -> Result<()> {
    let archive = Archive::open(container)?;
    let broken = |what: &str| corruption(format!("the promise does not hold, nothing is kept: {what}"));
    if archive.index().promise.as_ref() != Some(promise) {
        return Err(broken("it is not what the container says"));
    }
    let mut tallies = vec![Tally::default(); chosen.len()];
    look(format, cx, source, |table, chunk, columns| {
        let schema = archive.schema(table)?;
        if schema.residue {
            return Ok(());
        }
        let decoded = archive.read(table, chunk)?;
        if decoded.len() != columns.len() {
            return Err(broken("another number of columns"));
        }
        for (n, (before, after)) in columns.iter().zip(&decoded).enumerate() {
            let mut both = chosen.iter().zip(&mut tallies);
            match both.find(|(c, _)| (c.table, c.column) == (table, n)) {
                Some((c, tally)) => tally
                    .compare(c.scalar, &before.values, &after.values, &c.rule.bound, c.rule.drop_below)
                    .map_err(|e: Error| broken(&e.to_string()))?,
                None if before == after => {}
                None => return Err(broken("a column changed that should not")),
            }
        }
        Ok(())
    })?;
    let held: Vec<ColumnPromise> = chosen
        .iter()
        .zip(&tallies)
        .map(|(c, tally)| tally.promise(c.table, c.column, c.rule.bound, c.rule.drop_below))
        .collect();
    if held != promise.columns {
        return Err(broken("other errors than promised"));
    }
    Ok(())
}
