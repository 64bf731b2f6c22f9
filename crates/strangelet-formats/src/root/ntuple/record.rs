//! What describes an ntuple, as tables of residue: its envelopes, taken to columns where that gives them back.

use super::anchor::Span;
use super::dissect::{Claim, Spans, read_envelope};
use super::header::HeaderRows;
use super::lists::{self, Marks, Memory, Rows, write_page_list};
use super::pages::Cluster;
use super::taken::Taken;
use strangelet::column::{Cells, Column, ColumnSchema, Scalar};
use strangelet::dissect::{Sink, TableId, Tables};
use strangelet::error::{Result, corruption};
use strangelet::source::Source;
use strangelet::table::TableSchema;

/// Number of tables of residue that describe an ntuple; the visible one comes behind them.
pub const TABLES: usize = 6;

/// The envelope's content is made from rows; its bytes are not kept.
const MADE: u8 = 1;
/// The envelope's span was claimed.
const CLAIMED: u8 = 2;

const ENVELOPES: usize = 0;
const CLUSTERS: usize = 1;
const COLUMNS: usize = 2;
const PAGES: usize = 3;
const FIELDS: usize = 4;
const TYPES: usize = 5;

/// The envelopes while an ntuple is taken apart.
pub struct Record {
    spans: Vec<Span>,
    /// By envelope: what is kept of it.
    how: Vec<u8>,
    /// By group: its page list, empty where it comes back from the rows.
    lists: Vec<Vec<u8>>,
    tables: Vec<TableId>,
    memory: Memory,
}

impl Record {
    /// Nothing yet.
    pub fn new() -> Record {
        Record {
            spans: Vec::new(),
            how: Vec::new(),
            lists: Vec::new(),
            tables: Vec::new(),
            memory: Memory::default(),
        }
    }

    /// Reads the next envelope, and claims its span if nobody has it yet.
    pub fn envelope(
        &mut self,
        source: &dyn Source,
        span: Span,
        spans: &dyn Spans,
        taken: &mut Taken,
    ) -> Result<Vec<u8>> {
        let (stored, content) = read_envelope(source, span, spans)?;
        let mut free = taken.take(span.position, span.stored);
        if free {
            let content = content.clone();
            let claim = Claim { span, sealed: false, compression: 0, stored, content };
            free = spans.claim(vec![claim])?.first() == Some(&true);
        }
        self.spans.push(span);
        self.how.push(if free { CLAIMED } else { 0 });
        Ok(content)
    }

    /// Announces the tables.
    pub fn tables(&mut self, name: &str, sink: &mut dyn Sink) -> Result<()> {
        let envelopes = vec![
            ColumnSchema::flat("position", Scalar::U64),
            ColumnSchema::flat("stored", Scalar::U64),
            ColumnSchema::flat("length", Scalar::U64),
            ColumnSchema::flat("how", Scalar::U8),
            ColumnSchema::bytes("content"),
        ];
        let all = [
            ("envelopes", envelopes),
            ("clusters", lists::cluster_columns()),
            ("columns", lists::column_columns()),
            ("pages", lists::page_columns()),
            ("fields", HeaderRows::field_columns()),
            ("types", HeaderRows::type_columns()),
        ];
        for (part, columns) in all {
            self.tables.push(sink.table(TableSchema::residue(format!("{name}#{part}"), columns))?);
        }
        Ok(())
    }

    fn table(&self, i: usize) -> Result<TableId> {
        self.tables.get(i).copied().ok_or_else(|| corruption("a table before it was announced"))
    }

    /// Writes the rows of the next group of clusters, whose page list was the last envelope read.
    pub fn group(
        &mut self,
        list: Vec<u8>,
        header_sum: u64,
        clusters: &[Cluster],
        marks: &[Marks],
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let tables = Rows::of(clusters, marks, &mut self.memory).into_tables();
        for (i, (rows, columns)) in [CLUSTERS, COLUMNS, PAGES].into_iter().zip(tables) {
            sink.chunk(self.table(i)?, rows, columns)?;
        }
        let made = write_page_list(clusters, header_sum) == list;
        self.lists.push(if made { Vec::new() } else { list });
        if let Some(how) = self.how.last_mut().filter(|_| made) {
            *how |= MADE;
        }
        Ok(())
    }

    /// Writes the envelopes themselves, those that come back from rows without their bytes.
    pub fn finish(
        mut self,
        header: &[u8],
        header_sum: u64,
        footer: &[u8],
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let mut contents: Vec<&[u8]> = Vec::new();
        let mut fields = 0;
        for (i, content) in [header, footer].into_iter().enumerate() {
            let before = (i == 1).then_some((header_sum, fields));
            let rows = match before {
                None => HeaderRows::of(content),
                Some(before) => HeaderRows::of_footer(content, before),
            };
            fields = rows.as_ref().map_or(0, |r| r.fields());
            let made = rows.map(HeaderRows::into_tables).ok().filter(|t| {
                let again = HeaderRows::from_tables(t.clone().map(|t| t.1), before);
                again.is_ok_and(|rows| rows.write() == content)
            });
            contents.push(if made.is_some() { &[] } else { content });
            if let Some(how) = self.how.get_mut(i).filter(|_| made.is_some()) {
                *how |= MADE;
            }
            for (t, (n, columns)) in [FIELDS, TYPES].into_iter().zip(made.into_iter().flatten()) {
                sink.chunk(self.table(t)?, n, columns)?;
            }
        }
        contents.extend(self.lists.iter().map(|l| l.as_slice()));
        let of = |f: fn(&Span) -> u64| Column::flat(Cells::W8(self.spans.iter().map(f).collect()));
        let columns = vec![
            of(|s| s.position),
            of(|s| s.stored),
            of(|s| s.content),
            Column::flat(Cells::W1(self.how.clone())),
            Column::strings(contents),
        ];
        sink.chunk(self.table(ENVELOPES)?, self.spans.len() as u64, columns)
    }
}

/// The envelopes, read again from the tables.
pub struct Recorded {
    /// Where those are that were claimed: header, footer, and the page lists.
    pub spans: Vec<Option<Span>>,
    /// Content of the header.
    pub header: Vec<u8>,
    /// Content of the footer.
    pub footer: Vec<u8>,
    /// By group: whether the page list is made from rows, and its bytes where it is not.
    lists: Vec<Option<Vec<u8>>>,
    memory: Memory,
}

impl Recorded {
    /// Reads the envelopes of an ntuple whose tables begin with number `first`.
    pub fn read(tables: &dyn Tables, first: TableId) -> Result<Recorded> {
        let broken = || corruption("record of the ntuple: broken table of envelopes");
        let mut columns = tables.read(first + ENVELOPES, 0)?.into_iter();
        let mut next = || columns.next().ok_or_else(broken);
        let position = lists::w8(next()?.values).ok_or_else(broken)?;
        let stored = lists::w8(next()?.values).ok_or_else(broken)?;
        let length = lists::w8(next()?.values).ok_or_else(broken)?;
        let how = lists::w1(next()?.values).ok_or_else(broken)?;
        let content = next()?;
        let ends = content.lengths.into_iter().next().ok_or_else(broken)?;
        let bytes = lists::w1(content.values).ok_or_else(broken)?;
        let mut rest = bytes.as_slice();
        let mut contents = Vec::new();
        for n in ends {
            let (own, behind) = rest.split_at_checked(n as usize).ok_or_else(broken)?;
            contents.push(own.to_vec());
            rest = behind;
        }
        let spans = position
            .into_iter()
            .zip(stored)
            .zip(length)
            .zip(&how)
            .map(|(((position, stored), content), how)| {
                (how & CLAIMED != 0).then_some(Span { position, stored, content })
            })
            .collect();
        let mut parts = contents.into_iter().zip(how.iter().map(|how| how & MADE != 0));
        let (Some((header, header_made)), Some((footer, footer_made))) = (parts.next(), parts.next()) else {
            return Err(broken());
        };
        let (header, footer) = if header_made || footer_made {
            rows_to_envelopes(tables, first, (header, header_made), (footer, footer_made))?
        } else {
            (header, footer)
        };
        let lists = parts.map(|(list, made)| (!made).then_some(list)).collect();
        Ok(Recorded { spans, header, footer, lists, memory: Memory::default() })
    }

    /// Number of groups of clusters.
    pub fn groups(&self) -> usize {
        self.lists.len()
    }

    /// The clusters of the next group `i`, what became of them, and the content of its page list. To
    /// be asked for in order.
    pub fn group(
        &mut self,
        tables: &dyn Tables,
        first: TableId,
        i: usize,
        header_sum: u64,
    ) -> Result<(Vec<Cluster>, Vec<Marks>, Vec<u8>)> {
        let read = |t: usize| tables.read(first + t, i);
        let rows = Rows::from_tables([read(CLUSTERS)?, read(COLUMNS)?, read(PAGES)?])?;
        let (clusters, marks) = rows.clusters(&mut self.memory)?;
        let list = match self.lists.get(i) {
            Some(Some(list)) => list.clone(),
            Some(None) => write_page_list(&clusters, header_sum),
            None => return Err(corruption("record of the ntuple: fewer page lists than groups")),
        };
        Ok((clusters, marks, list))
    }
}

/// Header and footer, each from its bytes or from the next chunk of rows.
fn rows_to_envelopes(
    tables: &dyn Tables,
    first: TableId,
    header: (Vec<u8>, bool),
    footer: (Vec<u8>, bool),
) -> Result<(Vec<u8>, Vec<u8>)> {
    let chunk = |i: usize| -> Result<[Vec<Column>; 2]> {
        Ok([tables.read(first + FIELDS, i)?, tables.read(first + TYPES, i)?])
    };
    let header_made = header.1;
    let header = if header.1 { HeaderRows::from_tables(chunk(0)?, None)?.write() } else { header.0 };
    if !footer.1 {
        return Ok((header, footer.0));
    }
    let fields = HeaderRows::of(&header).map_or(0, |r| r.fields());
    let sum = header.last_chunk::<8>().map_or(0, |s| u64::from_le_bytes(*s));
    let rows = HeaderRows::from_tables(chunk(header_made as usize)?, Some((sum, fields)))?;
    Ok((header, rows.write()))
}
