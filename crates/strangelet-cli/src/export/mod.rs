//! Columns out of a container, for other tools: only the chunks and columns that were asked for are read.

#[cfg(feature = "arrow")]
pub mod arrow;
pub mod csv;
pub mod npz;

use std::ops::Range;
use strangelet::archive::Archive;
use strangelet::column::{Cells, Column, ColumnSchema};
use strangelet::dissect::{TableId, Tables};
use strangelet::error::{Result, corruption, usage};
use strangelet::source::Source;
use strangelet::table::TableSchema;

/// What is to be exported.
pub struct Selection {
    table: TableId,
    /// Numbers of the columns within the table.
    columns: Vec<usize>,
    /// Chunks that overlap, with the events wanted of each.
    parts: Vec<(usize, Range<usize>)>,
}

impl Selection {
    /// Finds table, columns and chunks. Without a name the only table is meant; without columns all.
    /// A column may be a pattern: `Muon_*`.
    pub fn new<S: Source>(
        archive: &Archive<S>,
        table: Option<&str>,
        columns: &[String],
        events: Option<Range<u64>>,
    ) -> Result<Self> {
        let table = find_table(archive, table)?;
        let schema = archive.schema(table)?;
        let columns = find_columns(schema, columns)?;
        let chunks = archive.chunks(table)?;
        let total = chunks.iter().fold(0u64, |n, &c| n.saturating_add(c));
        let events = events.unwrap_or(0..total);
        if events.end > total {
            return Err(usage(format!("table {} has {total} events, not {}", schema.name, events.end)));
        }
        let (mut parts, mut first) = (Vec::new(), 0u64);
        for (chunk, &n) in chunks.iter().enumerate() {
            let (start, end) = (events.start.clamp(first, first + n), events.end.clamp(first, first + n));
            if start < end {
                parts.push((chunk, (start - first) as usize..(end - first) as usize));
            }
            first += n;
        }
        Ok(Selection { table, columns, parts })
    }

    /// Schemas of the columns, as readers see them.
    pub fn schemas<S: Source>(&self, archive: &Archive<S>) -> Result<Vec<ColumnSchema>> {
        let all = &archive.schema(self.table)?.columns;
        let shown = |schema: &ColumnSchema| schema.shown(Column::flat(Cells::empty(schema.scalar.width()))).0;
        let missing = |c| corruption(format!("there is no column {c}"));
        self.columns.iter().map(|&c| all.get(c).map(shown).ok_or_else(|| missing(c))).collect()
    }

    /// Number of the table.
    pub fn table(&self) -> TableId {
        self.table
    }

    /// Number of parts.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// One column of one part: the events wanted, and their number.
    pub fn read<S: Source>(&self, archive: &Archive<S>, part: usize, column: usize) -> Result<(u64, Column)> {
        let missing = || corruption(format!("there is no part {part}, column {column}"));
        let (chunk, events) = self.parts.get(part).ok_or_else(missing)?;
        let number = *self.columns.get(column).ok_or_else(missing)?;
        let schema = archive.schema(self.table)?;
        let n = archive.chunk_entry(self.table, *chunk)?.events;
        let whole = archive.read_column(self.table, *chunk, number)?;
        let schema = schema.columns.get(number).ok_or_else(missing)?;
        whole.check(schema, n)?;
        let whole = if events.len() as u64 == n { whole } else { slice(&whole, schema, events.clone()) };
        Ok((events.len() as u64, schema.shown(whole).1))
    }
}

fn find_table<S: Source>(archive: &Archive<S>, name: Option<&str>) -> Result<TableId> {
    if let Some(name) = name {
        return archive.find(name);
    }
    let tables = archive.index().tables.iter().enumerate().filter(|(_, t)| !t.residue);
    let tables: Vec<(usize, &TableSchema)> = tables.collect();
    match tables.as_slice() {
        [] => Err(usage("holds no table, only bytes")),
        [(table, _)] => Ok(*table),
        several => {
            let mut names: Vec<&str> = several.iter().map(|(_, t)| t.name.as_str()).take(8).collect();
            if several.len() > names.len() {
                names.push("...");
            }
            Err(usage(format!("holds {} tables, say --table: {}", several.len(), names.join(", "))))
        }
    }
}

fn find_columns(schema: &TableSchema, names: &[String]) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..schema.columns.len()).collect());
    }
    let mut found = Vec::new();
    let add = |c: usize, found: &mut Vec<usize>| {
        if !found.contains(&c) {
            found.push(c);
        }
    };
    // A name may itself hold a comma (`map<int,float>`): the whole argument is tried first.
    let pieces = names.iter().flat_map(|n| match schema.find(n) {
        Some(_) => vec![n.as_str()],
        None => n.split(',').filter(|p| !p.is_empty()).collect(),
    });
    for name in pieces {
        if let Some(c) = schema.find(name) {
            add(c, &mut found);
            continue;
        }
        let before = found.len();
        let matching = schema.columns.iter().enumerate().filter(|(_, c)| matches(name, &c.name));
        let matching: Vec<usize> = matching.map(|m| m.0).collect();
        matching.iter().for_each(|&c| add(c, &mut found));
        if found.len() == before && matching.is_empty() {
            return Err(usage(format!("table {} has no column {name}", schema.name)));
        }
    }
    Ok(found)
}

/// Whether a name fits a pattern in which `*` stands for anything.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            // A tail without `*` must be the end; otherwise some place after the head must fit.
            (0..=rest.len()).filter(|&i| rest.is_char_boundary(i)).any(|i| matches(tail, &rest[i..]))
        }),
    }
}

/// A range of the events of a column that fits its schema.
fn slice(column: &Column, schema: &ColumnSchema, events: Range<usize>) -> Column {
    let (mut range, mut lengths) = (events, Vec::new());
    for level in &column.lengths {
        let sum = |r: Range<usize>| level[r].iter().map(|&n| n as usize).sum::<usize>();
        let (start, count) = (sum(0..range.start), sum(range.clone()));
        lengths.push(level[range].to_vec());
        range = start..start + count;
    }
    let inner = schema.inner_cells() as usize;
    Column { lengths, values: column.values.slice(range.start * inner..range.end * inner) }
}

/// `a:b`, `a:`, `:b`, or `n` for the first n.
pub fn event_range(text: &str) -> std::result::Result<(u64, Option<u64>), String> {
    let number = |s: &str| s.trim().parse::<u64>().map_err(|_| format!("{s:?} is no number of an event"));
    let range = match text.split_once(':') {
        Some((a, b)) => {
            (if a.is_empty() { 0 } else { number(a)? }, if b.is_empty() { None } else { Some(number(b)?) })
        }
        None => (0, Some(number(text)?)),
    };
    match range {
        (a, Some(b)) if a > b => Err(format!("{a} is beyond {b}")),
        range => Ok(range),
    }
}

/// Cell `i` as a number that can be printed and read again without loss.
pub fn number(scalar: strangelet::column::Scalar, cells: &Cells, i: usize) -> String {
    use strangelet::column::Scalar::*;
    let bits = cells.get(i).unwrap_or(0);
    match scalar {
        Bool | U8 | U16 | U32 | U64 => bits.to_string(),
        I8 => (bits as i8).to_string(),
        I16 => (bits as i16).to_string(),
        I32 => (bits as i32).to_string(),
        I64 => (bits as i64).to_string(),
        F32 => format!("{:?}", f32::from_bits(bits as u32)).replace("NaN", "nan"),
        F64 => format!("{:?}", f64::from_bits(bits)).replace("NaN", "nan"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strangelet::column::Scalar;

    #[test]
    fn patterns() {
        assert!(matches("Muon_*", "Muon_pt") && matches("*", "") && matches("*_pt", "Muon_pt"));
        assert!(matches("a*b*c", "a-b-bc") && !matches("a*b*c", "a-b-bd") && !matches("Muon", "Muon_pt"));
    }

    #[test]
    fn ranges() {
        assert_eq!(event_range("3:7"), Ok((3, Some(7))));
        assert_eq!(event_range(":7"), Ok((0, Some(7))));
        assert_eq!(event_range("3:"), Ok((3, None)));
        assert_eq!(event_range("7"), Ok((0, Some(7))));
        assert!(event_range("7:3").is_err() && event_range("x").is_err() && event_range("-1:2").is_err());
    }

    #[test]
    fn a_slice_of_nested_lists() {
        let schema = ColumnSchema::jagged("x", Scalar::U8, 2);
        let column =
            Column { lengths: vec![vec![1, 0, 2], vec![2, 1, 3]], values: Cells::W1(vec![0, 1, 2, 3, 4, 5]) };
        let s = slice(&column, &schema, 1..3);
        assert_eq!(s.lengths, [vec![0, 2], vec![1, 3]]);
        assert_eq!(s.values, Cells::W1(vec![2, 3, 4, 5]));
        let schema = ColumnSchema::flat("x", Scalar::U8).with_inner(vec![2]);
        let s = slice(&Column::flat(Cells::W1(vec![0, 1, 2, 3, 4, 5])), &schema, 1..2);
        assert_eq!(s.values, Cells::W1(vec![2, 3]));
    }
}
