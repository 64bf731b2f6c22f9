//! Tables of numbers as text: one line a row, fields between commas, semicolons, tabs or bars.
//!
//! A column of integers becomes `i64`. A column of decimals becomes its digits as `i64` (`37.5667` is
//! 375667) beside a column `NAME.point` with the number of digits after the point, so that the value is
//! digits / 10^point and the text comes back as it was. Other columns are text. Lines and fields that
//! do not fit (the header, comments, `nan`) are kept as they are.

mod number;

use number::{Number, PLAIN, parse, render};
use std::collections::HashSet;
use strangelet::column::{Cells, Column, ColumnSchema, Scalar};
use strangelet::dissect::{Context, FileFormat, Sink, Tables};
use strangelet::error::{Result, corruption, unsupported};
use strangelet::format::varint::{Cursor, put};
use strangelet::source::{Source, Target};
use strangelet::table::TableSchema;

/// Bytes of text of a chunk.
const CHUNK: u64 = 8 << 20;
/// Bytes that decide whether it is such a table.
const LOOK: u64 = 64 << 10;
/// Most columns.
const MAX_COLUMNS: usize = 4096;

/// Numbers as text.
pub struct Csv;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer = 0,
    Decimal = 1,
    Text = 2,
}

/// How lines are made.
#[derive(Debug, Clone)]
struct Style {
    delimiter: u8,
    /// Whether lines end with a carriage return too.
    returns: bool,
    /// The line that names the columns: no row.
    header: Option<Vec<u8>>,
    kinds: Vec<Kind>,
}

impl FileFormat for Csv {
    fn id(&self) -> u16 {
        7
    }
    fn name(&self) -> &'static str {
        "csv"
    }
    fn probe(&self, source: &dyn Source) -> bool {
        source.range(0, source.len().min(LOOK)).is_ok_and(|start| Style::guess(&start).is_some())
    }

    fn dissect(&self, _cx: &Context, source: &dyn Source, sink: &mut dyn Sink) -> Result<()> {
        let start = source.range(0, source.len().min(LOOK))?;
        let (mut style, names) = Style::guess(&start).ok_or_else(|| unsupported("csv: no table"))?;
        // What a column holds is decided by all of its fields.
        let mut tallies = vec![Tally::default(); style.kinds.len()];
        blocks(source, &mut |text| {
            for line in lines(text) {
                if let Some(fields) = style.fields(line) {
                    fields.zip(&mut tallies).for_each(|(field, tally)| tally.add(field));
                }
            }
            Ok(())
        })?;
        style.kinds = tallies.iter().map(Tally::kind).collect();

        let table =
            sink.table(TableSchema::residue("csv", ["plan", "odd"].map(ColumnSchema::bytes).into()))?;
        let data = sink.table(TableSchema::new("data", style.schemas(&names)))?;
        let mut plan = style.write();
        blocks(source, &mut |text| {
            let (rows, columns, odd) = style.split(text);
            sink.chunk(table, 1, vec![Column::strings([&plan]), Column::strings([&odd])])?;
            plan.clear();
            sink.chunk(data, rows, columns)
        })
    }

    fn assemble(&self, _cx: &Context, tables: &dyn Tables, target: &mut dyn Target) -> Result<()> {
        let bytes = |chunk, column| match tables.read_column(0, chunk, column)?.values {
            Cells::W1(bytes) => Ok(bytes),
            _ => Err(corruption("residue of another width")),
        };
        let style = Style::read(&bytes(0, 0)?)?;
        let mut pos = 0;
        for (chunk, rows) in tables.chunks(1)?.into_iter().enumerate() {
            let text = style.join(rows, &tables.read(1, chunk)?, &bytes(chunk, 1)?)?;
            target.write_at(pos, &text)?;
            pos += text.len() as u64;
        }
        Ok(())
    }
}

/// Calls for each stretch of whole lines of the text.
fn blocks(source: &dyn Source, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut pos = 0;
    while pos < source.len() {
        let mut text = source.range(pos, (source.len() - pos).min(CHUNK))?;
        if pos + (text.len() as u64) < source.len() {
            let end =
                text.iter().rposition(|&b| b == b'\n').ok_or_else(|| unsupported("csv: a line too long"))?;
            text.truncate(end + 1);
        }
        pos += text.len() as u64;
        each(&text)?;
    }
    Ok(())
}

/// The lines of a text, each with its end.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&b| b == b'\n')
}

/// What was seen in a column.
#[derive(Debug, Clone, Default)]
struct Tally {
    fields: u64,
    integers: u64,
    numbers: u64,
}

impl Tally {
    fn add(&mut self, field: &[u8]) {
        self.fields += 1;
        if let Some(number) = parse(field) {
            self.numbers += 1;
            self.integers += u64::from(number.point == PLAIN);
        }
    }

    fn kind(&self) -> Kind {
        // An odd field costs some ten bytes.
        if self.numbers * 20 < self.fields * 19 {
            Kind::Text
        } else if self.integers * 50 >= self.fields * 49 {
            Kind::Integer
        } else {
            Kind::Decimal
        }
    }
}

impl Style {
    /// Style and names of the columns, where the text begins like a table of numbers.
    fn guess(start: &[u8]) -> Option<(Style, Vec<String>)> {
        let end = start.iter().rposition(|&b| b == b'\n')? + 1;
        let text = &start[..end];
        if text.iter().any(|&b| b == 0 || b >= 0x80) {
            return None;
        }
        for delimiter in *b",;\t|" {
            let mut sample = lines(text).filter(|l| l.len() > 2 && l[0] != b'#');
            let header = sample.next()?;
            let columns = header.iter().filter(|&&b| b == delimiter).count() + 1;
            if !(2..=MAX_COLUMNS).contains(&columns) {
                continue;
            }
            let returns = header.ends_with(b"\r\n");
            let mut style = Style { delimiter, returns, header: None, kinds: vec![Kind::Text; columns] };
            let (mut all, mut fit, mut fields, mut numbers) = (0u64, 0, 0, 0);
            for line in sample {
                all += 1;
                let Some(split) = style.fields(line) else { continue };
                fit += 1;
                for field in split {
                    fields += 1u64;
                    numbers += u64::from(parse(field).is_some());
                }
            }
            if all >= 2 && fit * 20 >= all * 19 && numbers * 2 >= fields {
                let fields: Vec<&[u8]> = style.fields(header)?.collect();
                let named = fields.iter().all(|f| parse(f).is_none());
                let names = fields.iter().enumerate().map(|(i, f)| match named {
                    true => String::from_utf8_lossy(f).trim().trim_matches('"').to_string(),
                    false => format!("c{i}"),
                });
                let names = names.collect();
                style.header = named.then(|| header.to_vec());
                return Some((style, names));
            }
        }
        None
    }

    fn end(&self) -> &'static [u8] {
        if self.returns { b"\r\n" } else { b"\n" }
    }

    /// The fields of a line, where it has as many as there are columns and ends as lines do.
    fn fields<'a>(&self, line: &'a [u8]) -> Option<impl Iterator<Item = &'a [u8]>> {
        if self.header.as_deref() == Some(line) {
            return None;
        }
        let line = line.strip_suffix(self.end())?;
        let delimiter = self.delimiter;
        let count = line.iter().filter(|&&b| b == delimiter).count() + 1;
        (count == self.kinds.len()).then(|| line.split(move |&b| b == delimiter))
    }

    /// The columns of the table; a decimal has two.
    fn schemas(&self, names: &[String]) -> Vec<ColumnSchema> {
        let mut seen = HashSet::new();
        let mut schemas = Vec::new();
        for (kind, name) in self.kinds.iter().zip(names) {
            let mut name = name.clone();
            while !seen.insert(name.clone()) || seen.contains(&format!("{name}.point")) {
                name.push('\'');
            }
            match kind {
                Kind::Integer => schemas.push(ColumnSchema::flat(name, Scalar::I64)),
                Kind::Decimal => {
                    let point = format!("{name}.point");
                    seen.insert(point.clone());
                    schemas.push(ColumnSchema::flat(name, Scalar::I64));
                    schemas.push(ColumnSchema::flat(point, Scalar::U16));
                }
                Kind::Text => schemas.push(ColumnSchema::text(name)),
            }
        }
        schemas
    }

    fn write(&self) -> Vec<u8> {
        let mut out = vec![self.delimiter, u8::from(self.returns)];
        out.extend(self.kinds.iter().map(|&k| k as u8));
        out
    }

    fn read(bytes: &[u8]) -> Result<Style> {
        let [delimiter, returns, kinds @ ..] = bytes else { return Err(corruption("csv: no plan")) };
        let kinds = kinds.iter().map(|k| match k {
            0 => Ok(Kind::Integer),
            1 => Ok(Kind::Decimal),
            2 => Ok(Kind::Text),
            _ => Err(corruption("csv: a column of an unknown kind")),
        });
        let (returns, kinds) = (*returns != 0, kinds.collect::<Result<_>>()?);
        Ok(Style { delimiter: *delimiter, returns, header: None, kinds })
    }

    /// Text to rows: their number, their columns, and what does not fit.
    fn split(&self, text: &[u8]) -> (u64, Vec<Column>, Vec<u8>) {
        let mut builders = vec![Builder::default(); self.kinds.len()];
        let (mut rows, mut since) = (0u64, 0u64);
        // Lines with the number of rows before them; fields with the number of rows, and of fields of
        // the row, before them.
        let (mut odd_lines, mut odd_fields) = (Vec::new(), Vec::new());
        let (mut line_count, mut field_count, mut last) = (0u64, 0u64, 0u64);
        for line in lines(text) {
            let Some(fields) = self.fields(line) else {
                put(&mut odd_lines, since);
                put(&mut odd_lines, line.len() as u64);
                odd_lines.extend_from_slice(line);
                line_count += 1;
                since = 0;
                continue;
            };
            for (i, (field, (kind, builder))) in fields.zip(self.kinds.iter().zip(&mut builders)).enumerate()
            {
                let number = match kind {
                    Kind::Text => {
                        builder.lengths.push(field.len() as u32);
                        builder.text.extend_from_slice(field);
                        continue;
                    }
                    Kind::Integer => parse(field).filter(|n| n.point == PLAIN),
                    Kind::Decimal => parse(field),
                };
                let number = number.unwrap_or_else(|| {
                    put(&mut odd_fields, rows - last);
                    put(&mut odd_fields, i as u64);
                    put(&mut odd_fields, field.len() as u64);
                    odd_fields.extend_from_slice(field);
                    field_count += 1;
                    last = rows;
                    // What was last there disturbs the column least.
                    builder.last
                });
                builder.last = number;
                builder.digits.push(number.digits as u64);
                builder.points.push(number.point);
            }
            rows += 1;
            since += 1;
        }
        let mut odd = Vec::new();
        put(&mut odd, line_count);
        odd.extend(odd_lines);
        put(&mut odd, field_count);
        odd.extend(odd_fields);
        let mut columns = Vec::new();
        for (kind, b) in self.kinds.iter().zip(builders) {
            match kind {
                Kind::Text => columns.push(Column::jagged(b.lengths, Cells::W1(b.text))),
                Kind::Integer => columns.push(Column::flat(Cells::W8(b.digits))),
                Kind::Decimal => {
                    columns.push(Column::flat(Cells::W8(b.digits)));
                    columns.push(Column::flat(Cells::W2(b.points)));
                }
            }
        }
        (rows, columns, odd)
    }

    /// Rows to text, the inverse of [`Style::split`].
    fn join(&self, rows: u64, columns: &[Column], odd: &[u8]) -> Result<Vec<u8>> {
        let strange = || corruption("csv: columns of another kind");
        let mut c = Cursor::new(odd);
        let mut odd_lines = Vec::new();
        let mut at = 0u64;
        for _ in 0..c.count()? {
            at = at.saturating_add(c.varint()?);
            let n = c.count()?;
            odd_lines.push((at, c.take(n)?));
        }
        let mut odd_fields = Vec::new();
        let mut at = 0u64;
        for _ in 0..c.count()? {
            at = at.saturating_add(c.varint()?);
            let column = c.varint()?;
            let n = c.count()?;
            odd_fields.push(((at, column), c.take(n)?));
        }
        let mut readers = Vec::new();
        let mut rest = columns.iter();
        for kind in &self.kinds {
            let column = rest.next().ok_or_else(strange)?;
            readers.push(match (kind, &column.values, column.lengths.as_slice()) {
                (Kind::Text, Cells::W1(text), [lengths]) => Reading::Text(text, lengths),
                (Kind::Integer, Cells::W8(digits), []) => Reading::Number(digits, &[]),
                (Kind::Decimal, Cells::W8(digits), []) => match rest.next().map(|c| &c.values) {
                    Some(Cells::W2(points)) => Reading::Number(digits, points),
                    _ => return Err(strange()),
                },
                _ => return Err(strange()),
            });
        }
        let mut out = Vec::new();
        let (mut lines, mut fields) = (odd_lines.into_iter().peekable(), odd_fields.into_iter().peekable());
        for row in 0..rows {
            while let Some((_, line)) = lines.next_if(|l| l.0 == row) {
                out.extend_from_slice(line);
            }
            for (i, reader) in readers.iter_mut().enumerate() {
                if i > 0 {
                    out.push(self.delimiter);
                }
                let odd = fields.next_if(|f| f.0 == (row, i as u64));
                match reader {
                    Reading::Text(text, lengths) => {
                        let (&n, others) = lengths.split_first().ok_or_else(strange)?;
                        let (field, rest) = text.split_at_checked(n as usize).ok_or_else(strange)?;
                        out.extend_from_slice(field);
                        (*text, *lengths) = (rest, others);
                    }
                    Reading::Number(digits, points) => {
                        let digits = *digits.get(row as usize).ok_or_else(strange)? as i64;
                        let point = points.get(row as usize).copied().unwrap_or(PLAIN);
                        match odd {
                            Some((_, field)) => out.extend_from_slice(field),
                            None => render(Number { digits, point }, &mut out),
                        }
                    }
                }
            }
            out.extend_from_slice(self.end());
        }
        lines.for_each(|(_, line)| out.extend_from_slice(line));
        Ok(out)
    }
}

/// A column as it grows.
#[derive(Debug, Clone, Default)]
struct Builder {
    digits: Vec<u64>,
    points: Vec<u16>,
    last: Number,
    lengths: Vec<u32>,
    text: Vec<u8>,
}

/// A column as it is read.
enum Reading<'a> {
    Text(&'a [u8], &'a [u32]),
    Number(&'a [u64], &'a [u16]),
}
