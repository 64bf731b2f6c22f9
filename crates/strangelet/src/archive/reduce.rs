//! Loss with a promise: columns are reduced, the file is put together again from them and coded like any other, and
//! the container is decoded and compared with the original before it is kept.

use super::landing::{Landing, PASSES, Sample};
use super::{Archive, Encoder, Network, Phase, Prepared, Report, With, checksum, compress_with};
use crate::codec::Level;
use crate::codecs;
use crate::column::{Cells, Column, Meaning, Scalar};
use crate::dissect::{Context, FileFormat, Proofs, Sink, TableId, Tables};
use crate::error::{Error, Result, corruption, unsupported, usage};
use crate::format::promise::reducible;
use crate::format::{Bound, ColumnPromise, Original, Promise};
use crate::infer::math::{exp, log2};
use crate::reduce::bins::Hits;
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
    /// A column that a network makes again; no cell of it is bound, and which are zero may change.
    pub network: Option<Network>,
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
#[derive(Debug, Clone)]
struct Chosen {
    table: TableId,
    column: usize,
    scalar: Scalar,
    /// Inner dimensions of its cells, where it has no lists.
    dims: Option<Vec<u32>>,
    /// What is promised.
    bound: Bound,
    /// How cells are reduced one by one.
    rule: Rule,
    /// Where they are reduced as hits: the price of a bit, in log2, and how often it is raised.
    price: Option<(f64, usize)>,
    /// Where a network makes them again.
    network: Option<Network>,
}

impl Chosen {
    fn hits(&self, cells: &Cells, level: Level) -> Result<Option<Hits>> {
        match &self.dims {
            Some(dims) => Hits::new(self.scalar, cells, dims, self.rule.drop_below, level),
            None => Ok(None),
        }
    }
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
    prepared: &'a mut Prepared,
    level: Level,
    /// What a search has found for chunks, and how many of the table there were.
    found: Option<&'a Found>,
    chunks: usize,
}

impl Sink for Reducing<'_> {
    fn table(&mut self, schema: TableSchema) -> Result<TableId> {
        self.sink.table(schema)
    }
    fn chunk(&mut self, table: TableId, events: u64, mut columns: Vec<Column>) -> Result<()> {
        let found = self.found.filter(|found| found.table == table);
        let number = self.chunks;
        self.chunks += usize::from(found.is_some());
        for (c, tally) in self.chosen.iter().zip(self.tallies.iter_mut()).filter(|(c, _)| c.table == table) {
            let Some(column) = columns.get_mut(c.column) else { continue };
            let known = found.filter(|f| f.column == c.column).and_then(|f| f.landing.found(number));
            let hits = match c.price {
                Some((price, steps)) if known.is_none() => {
                    let hits = c.hits(&column.values, self.level)?;
                    hits.map(|hits| hits.coded(&hits.choose(price, PASSES, steps))).transpose()?
                }
                _ => known.map(|(hits, choice)| hits.coded(choice)).transpose()?,
            };
            let cells = match (&c.network, hits) {
                (Some(network), _) => {
                    if !tally.is_empty() && c.dims.as_ref().is_some_and(|d| d.len() == 2) {
                        return Err(usage("bcae-vs: a frame so large that it is cut into chunks"));
                    }
                    let (payload, cells) =
                        network.reduce(c.scalar, c.dims.as_deref(), events, &column.values)?;
                    self.prepared.add(&cells, codecs::BCAE_VS, payload);
                    cells
                }
                (None, Some((payload, cells))) => {
                    self.prepared.add(&cells, codecs::BINS, payload);
                    cells
                }
                (None, None) => c.rule.reduce(c.scalar, &column.values),
            };
            tally.compare(c.scalar, &column.values, &cells, &c.bound, c.rule.drop_below)?;
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
    let mut rules: BTreeMap<(TableId, usize), (Bound, f64)> = BTreeMap::new();
    let mut add = |name: &str, bound: Bound| -> Result<()> {
        let at = find(name, tables)?;
        if !bound.value().is_finite() || bound.value() < 0.0 {
            return Err(usage(format!("a bound of {}", bound.value())));
        }
        match rules.insert(at, (bound, 0.0)) {
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
    if let Some(network) = &wish.network {
        add(&network.column, Bound::Network)?;
        if wish.target.is_some() || !wish.drop_below.is_empty() {
            return Err(usage("what a network makes has no target, and it drops cells itself"));
        }
    }
    for (name, below) in &wish.drop_below {
        let at = find(name, tables)?;
        if !below.is_finite() || *below < 0.0 {
            return Err(usage(format!("cells below {below} cannot be dropped")));
        }
        // Dropping alone moves no other cell.
        rules.entry(at).or_insert((Bound::Abs(0.0), 0.0)).1 = *below;
    }
    if rules.is_empty() {
        return Err(usage("nothing to reduce: say --bound, --target-mae, --target-ratio or --model"));
    }
    let chosen = |((table, column), (bound, drop_below)): ((TableId, usize), (Bound, f64))| {
        let schema = &tables[table].columns[column];
        // Where no cell is bound, the cells stay until a search says otherwise.
        let each = if bound.pointwise() { bound } else { Bound::Log2(0.0) };
        let rule = Rule { bound: each, drop_below, palette: None };
        let dims = (schema.levels() == 0).then(|| schema.inner.clone());
        let network = wish.network.clone().filter(|_| bound == Bound::Network);
        Chosen { table, column, scalar: schema.scalar, dims, bound, rule, price: None, network }
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
    let mut work = Work {
        format,
        cx: &cx,
        source,
        original,
        level,
        chosen: choose(wish, &tables)?,
        room: ROOM,
        found: None,
    };
    work.count()?;
    let target = wish.target.as_ref().map(|t| t.0);
    if let Some(target) = target {
        watch(Phase::Compressing);
        work.look_for(target)?;
    }
    let mut tries = 0;
    // The smallest error of those that are small enough.
    let mut kept = None;
    let (spool, report, promise) = loop {
        let (reduced, promise, prepared) = work.rebuild()?;
        let missed = match target {
            Some(Target::Mae(most)) => promise
                .columns
                .iter()
                .any(|c| matches!(c.bound, Bound::MeanLog2(_)) && f64::from(c.mae_log2) > most),
            _ => false,
        };
        tries += 1;
        if !missed {
            let with = With { promise: Some(&promise), prepared };
            let (spool, report) = compress_with(&reduced, &[format], level.into(), new_spool, watch, with)?;
            let goal = match target {
                Some(Target::Ratio(least)) => (original.len as f64 / least) as u64,
                _ => break (spool, report, promise),
            };
            let size = report.compressed;
            if size <= goal {
                // Once more where room was left.
                let near = goal - size <= goal / SPARE;
                if near || kept.is_some() || !work.look_again(size)? {
                    break (spool, report, promise);
                }
                kept = Some((spool, report, promise));
                continue;
            }
            if let Some(kept) = kept {
                break kept;
            }
            if tries > 1 || !work.look_again(size)? {
                work.room += size - goal + 1;
                if let Some(target) = target {
                    work.look_for(target)?;
                }
            }
        } else {
            work.closer();
        }
        if tries > TRIES {
            return Err(usage(OUT_OF_REACH));
        }
    };
    watch(Phase::Verifying);
    check(format, &cx, source, &spool, &work.chosen, &promise)?;
    let names = promise.columns.iter().map(|c| column_name(&tables, c.table, c.column)).collect();
    Ok((spool, Reduced { original, report, promise, names }))
}

pub(super) const OUT_OF_REACH: &str = "no error of the column makes the file so small while zeros stay zeros";
/// How often a target that was missed is tried again.
const TRIES: usize = 12;
/// Bytes of a container beside the payloads that a search knows, as a first guess.
const ROOM: u64 = 210;
/// Part of the size asked for that is worth another look.
const SPARE: u64 = 400;
/// Hits that a search looks at.
const LOOKS: usize = 1 << 17;

/// A file on its way.
struct Work<'a> {
    format: &'a dyn FileFormat,
    cx: &'a Context<'a>,
    source: &'a dyn Source,
    original: Original,
    level: Level,
    chosen: Vec<Chosen>,
    /// Bytes of the container beside the payloads that a search knows.
    room: u64,
    found: Option<Found>,
}

/// What was found for chunks of a column.
struct Found {
    table: TableId,
    column: usize,
    /// Cells of the samples, and of all chunks.
    sampled: usize,
    cells: u64,
    landing: Landing,
}

impl Work<'_> {
    /// Palettes for the integers, from what occurs.
    fn count(&mut self) -> Result<()> {
        let chosen = &mut self.chosen;
        let mut counts = vec![Counts::default(); chosen.len()];
        look(self.format, self.cx, self.source, |table, _, columns| {
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
        Ok(())
    }

    /// The price, or where that does not help the bound of each cell, that comes to a target.
    fn look_for(&mut self, target: Target) -> Result<()> {
        let Some(n) = self.chosen.iter().position(|c| !c.bound.pointwise()) else { return Ok(()) };
        self.found = None;
        let (mut samples, mut seen, mut cells, mut chunk) = (Vec::new(), 0, 0u64, 0);
        let (chosen, level) = (self.chosen[n].clone(), self.level);
        look(self.format, self.cx, self.source, |table, _, columns| {
            if let Some(column) = columns.get(chosen.column).filter(|_| table == chosen.table) {
                let count = column.values.len();
                cells += count as u64;
                if seen < LOOKS
                    && let Some(hits) = chosen.hits(&column.values, level)?
                {
                    seen += hits.len();
                    samples.push(Sample { chunk, cells: count, hits });
                }
                chunk += 1;
            }
            Ok(())
        })?;
        if samples.is_empty() {
            return self.look_for_bound(n, target);
        }
        let sampled: usize = samples.iter().map(|s| s.cells).sum();
        let goal = match target {
            Target::Mae(most) => most * sampled as f64,
            Target::Ratio(least) => self.bytes_for(least, sampled, cells),
        };
        if goal <= 0.0 {
            return match target {
                Target::Mae(_) => self.look_for_bound(n, target),
                Target::Ratio(_) => Err(usage(OUT_OF_REACH)),
            };
        }
        let Some(landing) = Landing::new(target, goal, samples)? else {
            return self.look_for_bound(n, target);
        };
        self.chosen[n].price = Some(landing.price);
        let Chosen { table, column, .. } = chosen;
        self.found = Some(Found { table, column, sampled, cells, landing });
        Ok(())
    }

    /// Bytes of the payloads of samples for a ratio.
    fn bytes_for(&self, least: f64, sampled: usize, cells: u64) -> f64 {
        let bytes = self.original.len as f64 / least - self.room as f64;
        bytes * sampled as f64 / cells.max(1) as f64
    }

    /// Lands again for the ratio, now that the size of the container is known that came of it. Whether that can be done.
    fn look_again(&mut self, size: u64) -> Result<bool> {
        let Some(n) = self.chosen.iter().position(|c| !c.bound.pointwise()) else { return Ok(false) };
        let (Bound::Ratio(least), Some(mut found)) = (self.chosen[n].bound, self.found.take()) else {
            return Ok(false);
        };
        let all = found.landing.bytes()? as f64 * found.cells as f64 / found.sampled.max(1) as f64;
        // Lengths may take a byte more.
        self.room = size.saturating_sub(all as u64) + 2;
        found.landing.land_again(self.bytes_for(least, found.sampled, found.cells))?;
        self.chosen[n].price = Some(found.landing.price);
        self.found = Some(found);
        Ok(true)
    }

    /// The same by the bound of each cell.
    fn look_for_bound(&mut self, n: usize, target: Target) -> Result<()> {
        self.chosen[n].price = None;
        self.found = None;
        let before = self.chosen[n].rule.bound;
        let over = |v: f64| -> Result<f64> {
            self.chosen[n].rule.bound = Bound::Log2(v);
            self.count()?;
            let (file, promise, _) = self.rebuild()?;
            Ok(match target {
                Target::Mae(most) => {
                    f64::from(promise.columns[n].mae_log2) / most.max(f64::MIN_POSITIVE) - 1.0
                }
                Target::Ratio(least) => {
                    let with = With { promise: Some(&promise), prepared: Prepared::default() };
                    let new = &mut || Ok(Spool::new(u64::MAX));
                    let (_, report) =
                        compress_with(&file, &[self.format], self.level.into(), new, &mut |_| {}, with)?;
                    1.0 - report.compressed as f64 * least / self.original.len as f64
                }
            })
        };
        let (below, above) = search(BOUNDS, 0.01, over)?;
        let found = if matches!(target, Target::Ratio(_)) { above } else { below };
        self.chosen[n].rule.bound = match (found, target) {
            (Some(v), _) => Bound::Log2(v),
            // Nothing may be lost.
            (None, Target::Mae(_)) => Bound::Log2(0.0),
            (None, Target::Ratio(_)) => {
                self.chosen[n].rule.bound = before;
                return Err(usage(OUT_OF_REACH));
            }
        };
        self.count()
    }

    /// A little less error.
    fn closer(&mut self) {
        self.found = None;
        for c in self.chosen.iter_mut().filter(|c| !c.bound.pointwise()) {
            c.price = c.price.map(|(p, steps)| if steps > 0 { (p, steps - 1) } else { (p * 0.93, 0) });
            if let (None, Bound::Log2(v)) = (c.price, c.rule.bound) {
                c.rule.bound = Bound::Log2(v * 0.9);
            }
        }
    }

    /// The file with its columns reduced, what can be promised of it, and payloads that are known.
    fn rebuild(&self) -> Result<(Spool, Promise, Prepared)> {
        let Work { format, cx, source, original, level, chosen, found, .. } = self;
        let mut tallies = vec![Tally::default(); chosen.len()];
        let (mut container, mut prepared) = (Vec::new(), Prepared::default());
        // A quick container between, so that memory follows the coded size.
        let mut encoder = Encoder::new(&mut container, Level::Fast)?;
        let mut sink = Reducing {
            sink: &mut encoder,
            chosen,
            tallies: &mut tallies,
            prepared: &mut prepared,
            level: *level,
            found: found.as_ref(),
            chunks: 0,
        };
        format.dissect(cx, *source, &mut sink)?;
        encoder.into_writer().finish(format.id(), *original, &[])?;
        let mut file = Spool::new(u64::MAX);
        format.assemble(cx, &Archive::open(container)?, &mut file)?;
        format.mend(&mut file)?;
        let mut promise = Promise::of(original);
        promise.columns = promises(chosen, &tallies);
        Ok((file, promise, prepared))
    }
}

/// Prices of a bit, and bounds of log2, between which a search looks.
pub(super) const PRICES: (f64, f64) = (1e-3, 16.0);
const BOUNDS: (f64, f64) = (1e-4, 12.0);

/// The greatest number in a range for which `over` is not above zero, and the least for which it is not below, both about: by
/// straight lines between what is known, and by halving. They are no further apart than a ratio of 1 + `near`, or one of them is that
/// near to zero.
pub(super) fn search(
    (low, high): (f64, f64),
    near: f64,
    mut over: impl FnMut(f64) -> Result<f64>,
) -> Result<(Option<f64>, Option<f64>)> {
    // Logarithms, and how much they are over where that is known.
    let (mut below, mut above) = ((log2(low), None), (log2(high), None));
    for round in 0..16 {
        let at = match (below.1, above.1) {
            (Some(b), Some(a)) if round % 3 != 2 => {
                let part: f64 = b / (b - a);
                below.0 + (above.0 - below.0) * part.clamp(0.05, 0.95)
            }
            _ => 0.5 * (below.0 + above.0),
        };
        let v: f64 = over(exp2(at))?;
        if v <= 0.0 {
            below = (at, Some(v));
        }
        if v >= 0.0 {
            above = (at, Some(v));
        }
        if above.0 - below.0 < near || below.1.is_some_and(|v| v > -near) && above.1.is_some() {
            break;
        }
    }
    Ok((below.1.map(|_| exp2(below.0)), above.1.map(|_| exp2(above.0))))
}

fn exp2(x: f64) -> f64 {
    exp(x * std::f64::consts::LN_2)
}

fn promises(chosen: &[Chosen], tallies: &[Tally]) -> Vec<ColumnPromise> {
    let both = chosen.iter().zip(tallies);
    both.map(|(c, tally)| tally.promise(c.table, c.column, c.bound, c.rule.drop_below)).collect()
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
                    .compare(c.scalar, &before.values, &after.values, &c.bound, c.rule.drop_below)
                    .map_err(|e: Error| broken(&e.to_string()))?,
                None if before == after => {}
                None => return Err(broken("a column changed that should not")),
            }
        }
        Ok(())
    })?;
    let held = promises(chosen, &tallies);
    if held != promise.columns {
        return Err(broken("other errors than promised"));
    }
    Ok(())
}
