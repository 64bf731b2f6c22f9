//! An ntuple taken apart: pages to columns, chunk after chunk, and word to the driver which spans of the
//! file need not be kept.

use super::anchor::{Anchor, Span};
use super::layout::{Layout, Level};
use super::lengths::{Queue, ends_to_lengths, narrow, widen, zeros};
use super::lists::{CLAIMED, Marks, SEALED};
use super::page::{cells_to_page, page_to_cells, page_to_switch, switch_to_page};
use super::pages::{Cluster, Page, read_page_list};
use super::pieces::{Chunk, Items, Tree, Walk};
use super::record::Record;
use super::schema::{PhysicalColumn, Schema};
use super::taken::Taken;
use rayon::prelude::*;
use strangelet::column::{Cells, ColumnSchema, Scalar};
use strangelet::dissect::Sink;
use strangelet::error::{Result, corruption, unsupported};
use strangelet::limits::{self, MAX_STREAM_BYTES};
use strangelet::source::Source;
use strangelet::table::TableSchema;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of the cells of a chunk, about.
const CHUNK_BYTES: u64 = 32 << 20;
/// Most bytes of the content of one page that is read.
const MAX_PAGE_BYTES: usize = 1 << 28;

/// A span of the file whose content the tables give back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Where it is.
    pub span: Span,
    /// Whether the 8 bytes behind it are the xxh3 checksum of the stored bytes, little-endian.
    pub sealed: bool,
    /// Compression settings that the file states (algorithm * 100 + level); 0 where it states none.
    pub compression: u32,
    /// The bytes in the file, without the checksum.
    pub stored: Vec<u8>,
    /// Their content, as [`super::assemble`] will make it again.
    pub content: Vec<u8>,
}

/// What an ntuple needs of the driver that takes apart the file around it.
pub trait Spans: Sync {
    /// The content, of a stated length, of stored bytes: themselves where they are as long, else inflated.
    fn inflate(&self, stored: &[u8], content: usize) -> Result<Vec<u8>>;

    /// Takes note of claims, and says of each whether the driver can make its stored bytes of its content;
    /// where not, it keeps them. Comes from one thread, in an order that the file alone decides; no two
    /// claims of an ntuple overlap.
    fn claim(&self, claims: Vec<Claim>) -> Result<Vec<bool>>;
}

/// Whether an ntuple can be taken apart: reads all that describes it. Where this succeeds, [`dissect`] only
/// fails with the sink or the driver.
///
/// # Errors
/// Those of the envelopes; corruption where clusters have more events than elements.
pub fn check(source: &dyn Source, anchor: &Anchor, spans: &dyn Spans) -> Result<()> {
    let header = read_envelope(source, anchor.header, spans)?.1;
    let (mut schema, sum) = Schema::read_header(&header)?;
    let groups = schema.read_footer(&read_envelope(source, anchor.footer, spans)?.1, sum)?;
    let layout = Layout::new(&schema);
    let most = fans(&layout).first().copied().unwrap_or(1).max(1);
    for group in &groups {
        for cluster in read_page_list(&read_envelope(source, group.link, spans)?.1, sum)? {
            if cluster.events.saturating_mul(most) > most_elements(&cluster) {
                return Err(corruption(format!("a cluster of {} events without elements", cluster.events)));
            }
        }
    }
    Ok(())
}

/// Stored bytes and content of an envelope.
pub fn read_envelope(source: &dyn Source, span: Span, spans: &dyn Spans) -> Result<(Vec<u8>, Vec<u8>)> {
    if span.content > MAX_STREAM_BYTES {
        return Err(unsupported(format!("an envelope of {} bytes", span.content)));
    }
    let stored = source.range(span.position, span.stored)?;
    let content = spans.inflate(&stored, span.content as usize)?;
    if content.len() as u64 != span.content {
        return Err(corruption("an envelope of another length than its link says"));
    }
    Ok((stored, content))
}

/// By node: the items of fixed arrays below it, for each of its own.
fn fans(layout: &Layout) -> Vec<u64> {
    let mut fans = vec![1u64; layout.nodes.len()];
    for (i, node) in layout.nodes.iter().enumerate().skip(1).rev() {
        if let Level::Fixed(n) = node.level
            && node.leaf.is_some()
        {
            fans[node.parent] = fans[node.parent].max(fans[i].saturating_mul(n as u64));
        }
    }
    fans
}

/// Takes an ntuple apart into its tables: six of residue that describe it, the visible one of a given name,
/// and one of residue for each column that fits no table.
///
/// # Errors
/// Those of the envelopes, where they cannot be read; of the sink and of the driver. Pages that cannot
/// be read, or do not come back from their cells, are no errors but are not claimed.
pub fn dissect(
    source: &dyn Source,
    anchor: &Anchor,
    name: &str,
    spans: &dyn Spans,
    sink: &mut dyn Sink,
) -> Result<()> {
    let mut taken = Taken::default();
    let mut record = Record::new();
    let header = record.envelope(source, anchor.header, spans, &mut taken)?;
    let (mut schema, sum) = Schema::read_header(&header)?;
    let footer = record.envelope(source, anchor.footer, spans, &mut taken)?;
    let groups = schema.read_footer(&footer, sum)?;
    record.tables(name, sink)?;
    let layout = Layout::new(&schema);
    let table = sink.table(TableSchema::new(name, layout.columns.clone()))?;
    let mut raws = Vec::with_capacity(layout.raws.len());
    for &column in &layout.raws {
        let table = raw_table(&schema, name, column);
        let columns = table.columns.clone();
        raws.push((column, Chunk::new(sink.table(table)?, &columns)));
    }
    let work = Work { source, spans, schema: &schema, layout: &layout, fans: fans(&layout) };
    let mut chunk = Chunk::new(table, &layout.columns);
    for group in &groups {
        let list = record.envelope(source, group.link, spans, &mut taken)?;
        let clusters = read_page_list(&list, sum)?;
        let mut marks = limits::reserve(clusters.len());
        for cluster in &clusters {
            let mut own = Marking::new(cluster, &mut taken);
            work.cluster(cluster, &mut own, &mut chunk, sink)?;
            for (column, chunk) in &mut raws {
                work.raw(cluster, *column, &mut own, chunk, sink)?;
            }
            marks.push(own.marks);
        }
        record.group(list, sum, &clusters, &marks, sink)?;
    }
    chunk.flush(sink)?;
    for (_, mut chunk) in raws {
        chunk.flush(sink)?;
    }
    record.finish(&header, sum, &footer, sink)
}

/// The schema of the table of a column that fits no table.
fn raw_table(schema: &Schema, name: &str, column: u32) -> TableSchema {
    let kind = schema.columns.get(column as usize).map(|c| c.kind);
    let columns = match kind.and_then(|k| k.scalar()) {
        Some(scalar) => vec![ColumnSchema::flat("element", scalar)],
        None => vec![ColumnSchema::flat("index", Scalar::U64), ColumnSchema::flat("tag", Scalar::U32)],
    };
    TableSchema::residue(format!("{name}#column{column}"), columns)
}

/// Which of some alternative columns has the pages of a cluster.
pub fn active(cluster: &Cluster, alternatives: &[u32]) -> Option<u32> {
    let used = |&&c: &&u32| cluster.columns.get(c as usize).is_some_and(|p| !p.suppressed());
    alternatives.iter().find(used).copied()
}

/// What becomes of a cluster.
struct Marking {
    marks: Marks,
    /// By column and page: whether its span was free until now.
    free: Vec<Vec<bool>>,
}

impl Marking {
    fn new(cluster: &Cluster, taken: &mut Taken) -> Marking {
        let mut take = |p: &Page| {
            let seal = if p.sealed { 8 } else { 0 };
            taken.take(p.position, p.stored.saturating_add(seal))
        };
        let free: Vec<Vec<bool>> =
            cluster.columns.iter().map(|c| c.pages.iter().map(&mut take).collect()).collect();
        let pages = free.iter().map(|f| vec![0; f.len()]).collect();
        Marking { marks: Marks { pages, missing: vec![0; free.len()] }, free }
    }

    fn is_free(&self, column: u32, page: usize) -> bool {
        self.free.get(column as usize).and_then(|f| f.get(page)).copied().unwrap_or(false)
    }

    fn set(&mut self, column: u32, page: usize, flags: u8) {
        if let Some(mark) = self.marks.pages.get_mut(column as usize).and_then(|m| m.get_mut(page)) {
            *mark = flags;
        }
    }

    fn missing(&mut self, column: u32, elements: u64) {
        if let Some(m) = self.marks.missing.get_mut(column as usize) {
            *m = elements;
        }
    }
}

/// A page that was read.
struct Read {
    stored: Vec<u8>,
    content: Vec<u8>,
    sealed: bool,
}

impl Read {
    fn claim(self, page: &Page, compression: u32) -> Claim {
        let Read { stored, content, sealed } = self;
        let span = Span { position: page.position, stored: page.stored, content: content.len() as u64 };
        Claim { span, sealed, compression, stored, content }
    }
}

struct Work<'a> {
    source: &'a dyn Source,
    spans: &'a dyn Spans,
    schema: &'a Schema,
    layout: &'a Layout,
    fans: Vec<u64>,
}

impl Work<'_> {
    fn column(&self, column: u32) -> Result<&PhysicalColumn> {
        self.schema
            .columns
            .get(column as usize)
            .ok_or_else(|| corruption(format!("there is no column {column}")))
    }

    fn read(&self, column: &PhysicalColumn, page: &Page) -> Result<Read> {
        let bytes = column.kind.page_bytes(page.elements as u64).filter(|&n| n <= MAX_PAGE_BYTES);
        let Some(bytes) = bytes else {
            return Err(corruption(format!("a page of {} elements", page.elements)));
        };
        let stored = self.source.range(page.position, page.stored)?;
        let content = self.spans.inflate(&stored, bytes)?;
        if content.len() != bytes {
            return Err(corruption("a page of another length than its elements need"));
        }
        let seal = page.position.checked_add(page.stored).filter(|_| page.sealed);
        let sealed = seal
            .and_then(|p| self.source.range(p, 8).ok())
            .is_some_and(|s| s == xxh3_64(&stored).to_le_bytes());
        Ok(Read { stored, content, sealed })
    }

    /// Tells the driver of pages, and gives the flags of those that it takes.
    fn claim<K>(&self, claims: Vec<(K, Claim)>) -> Result<Vec<(K, u8)>> {
        let (keys, claims): (Vec<K>, Vec<Claim>) = claims.into_iter().unzip();
        let flags: Vec<u8> =
            claims.iter().map(|c| if c.sealed { CLAIMED | SEALED } else { CLAIMED }).collect();
        let taken = self.spans.claim(claims)?;
        let all = keys.into_iter().zip(flags).zip(taken);
        Ok(all.filter(|(_, taken)| *taken).map(|(known, _)| known).collect())
    }

    /// Lengths of the lists of a node, or `None` where its columns give none for so many items.
    fn lists(
        &self,
        cluster: &Cluster,
        (columns, fan): (&[u32], u64),
        items: usize,
        marks: &mut Marking,
    ) -> Result<Option<Vec<u32>>> {
        let Some(id) = active(cluster, columns) else {
            let late = columns.iter().any(|&c| self.late(cluster, c));
            return Ok(late.then(|| vec![0; items]));
        };
        let Some(pages) = cluster.columns.get(id as usize) else { return Ok(None) };
        let column = self.column(id)?;
        let before = (items as u64).checked_sub(pages.elements()).filter(|&n| n == 0 || column.deferred);
        let (Some(before), Some(scalar)) = (before, column.kind.scalar()) else { return Ok(None) };
        let mut ends = Cells::empty(scalar.width());
        let mut reads = Vec::new();
        for page in &pages.pages {
            let Ok(read) = self.read(column, page) else { return Ok(None) };
            ends.append(&page_to_cells(&column.kind, &read.content, page.elements as usize)?)?;
            reads.push(read);
        }
        let Some(lengths) = ends_to_lengths(&ends, before as usize) else { return Ok(None) };
        // every item of a list is an element of some column; more than that is damage
        let all = lengths.iter().map(|&n| n as u64).sum::<u64>();
        if all.saturating_mul(fan.max(1)) > most_elements(cluster) {
            return Ok(None);
        }
        let mut at = 0;
        let mut claims = Vec::new();
        for (i, (page, read)) in pages.pages.iter().zip(reads).enumerate() {
            let own = ends.slice(at..at + page.elements as usize);
            at += page.elements as usize;
            if marks.is_free(id, i) && cells_to_page(&column.kind, &own)? == read.content {
                claims.push((i, read.claim(page, pages.compression)));
            }
        }
        self.claim(claims)?.into_iter().for_each(|(i, flags)| marks.set(id, i, flags));
        marks.missing(id, before);
        Ok(Some(lengths))
    }

    /// Whether a column may have fewer elements than the events need: it came later, or is suppressed.
    fn late(&self, cluster: &Cluster, column: u32) -> bool {
        cluster.columns.get(column as usize).is_none_or(|p| p.suppressed())
            || self.schema.columns.get(column as usize).is_some_and(|c| c.deferred)
    }

    /// Reads a cluster into the chunk, piece by piece.
    fn cluster(
        &self,
        cluster: &Cluster,
        marks: &mut Marking,
        chunk: &mut Chunk,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        if cluster.events > most_elements(cluster) {
            return Err(corruption(format!("a cluster of {} events without elements", cluster.events)));
        }
        let tree = self.tree(cluster, marks)?;
        let mut feeds = Vec::with_capacity(self.layout.leaves.len());
        for (i, leaf) in self.layout.leaves.iter().enumerate() {
            let items = tree.lengths.get(leaf.node).map_or(0, |n| n.items);
            feeds.push(self.feed(cluster, i, items, marks)?);
        }
        let mut walk = Walk::new(self.layout, &tree);
        let per_event = tree.bytes(self.layout) / cluster.events.max(1) + 1;
        let mut left = cluster.events;
        while left > 0 {
            let mut n = (CHUNK_BYTES.saturating_sub(chunk.bytes) / per_event).clamp(1, left);
            let ranges = loop {
                let ranges = walk.ranges(n as usize);
                if n == 1 || !self.too_long(&ranges) {
                    break ranges;
                }
                n /= 2;
            };
            let layout = self.layout;
            let parts = feeds
                .par_iter_mut()
                .zip(&layout.leaves)
                .zip(&layout.columns)
                .map(|((feed, leaf), schema)| {
                    let (from, to) = ranges[leaf.node];
                    let cells = (to - from) as u64 * schema.inner_cells();
                    feed.take(self, cells as usize)
                })
                .collect::<Result<Vec<_>>>()?;
            let mut claims = Vec::new();
            for (i, feed) in feeds.iter_mut().enumerate() {
                claims.extend(feed.claims.drain(..).map(|(page, claim)| ((i, page), claim)));
            }
            for ((i, page), flags) in self.claim(claims)? {
                feeds[i].flags[page] = flags;
            }
            chunk.add(self.layout, &tree, &ranges, n, parts)?;
            walk.advance(ranges);
            left -= n;
            if chunk.bytes >= CHUNK_BYTES {
                chunk.flush(sink)?;
            }
        }
        for feed in feeds {
            if let Some(column) = feed.column {
                marks.missing(column, feed.missing);
                feed.flags.into_iter().enumerate().for_each(|(i, flags)| marks.set(column, i, flags));
            }
        }
        Ok(())
    }

    fn too_long(&self, ranges: &[(usize, usize)]) -> bool {
        self.layout.leaves.iter().zip(&self.layout.columns).any(|(leaf, schema)| {
            let (from, to) = ranges[leaf.node];
            let cells = ((to - from) as u64).saturating_mul(schema.inner_cells());
            cells.saturating_mul(schema.scalar.width() as u64) > MAX_STREAM_BYTES / 2
        })
    }

    /// Lengths of all lists of a cluster.
    fn tree(&self, cluster: &Cluster, marks: &mut Marking) -> Result<Tree> {
        let mut tree = Tree { lengths: Vec::with_capacity(self.layout.nodes.len()) };
        for (i, node) in self.layout.nodes.iter().enumerate() {
            let above = tree.lengths.get(node.parent).map_or(0, |n: &Items| n.items);
            let items = match &node.level {
                Level::Events => Items { lengths: Vec::new(), items: cluster.events as usize },
                _ if i > 0 && node.leaf.is_none() => Items::default(),
                Level::Fixed(n) => {
                    let items =
                        above.checked_mul(*n as usize).filter(|&n| n as u64 <= most_elements(cluster));
                    let items = items.ok_or_else(|| corruption("arrays of more items than elements"))?;
                    Items { lengths: vec![*n; above], items }
                }
                Level::Lists(columns) => {
                    let found = self.lists(cluster, (columns, self.fans[i]), above, marks)?;
                    let lengths = found.unwrap_or_else(|| vec![0; above]);
                    let items = lengths.iter().map(|&n| n as u64).sum::<u64>();
                    Items { lengths, items: items as usize }
                }
            };
            tree.lengths.push(items);
        }
        Ok(tree)
    }

    fn feed(&self, cluster: &Cluster, leaf: usize, items: usize, marks: &Marking) -> Result<Feed> {
        let (leaf, schema) = (&self.layout.leaves[leaf], &self.layout.columns[leaf]);
        let cells = (items as u64).saturating_mul(schema.inner_cells());
        let mut feed = Feed {
            column: None,
            scalar: schema.scalar,
            queue: Queue::new(schema.scalar),
            zeros: cells,
            missing: 0,
            pages: Vec::new(),
            free: Vec::new(),
            flags: Vec::new(),
            claims: Vec::new(),
            compression: 0,
        };
        let Some(id) = active(cluster, &leaf.alternatives) else { return Ok(feed) };
        let Some(pages) = cluster.columns.get(id as usize) else { return Ok(feed) };
        let surplus = pages.elements() > cells;
        let short = cells.saturating_sub(pages.elements());
        if short > 0 && !self.late(cluster, id) {
            return Ok(feed);
        }
        feed.column = Some(id);
        (feed.zeros, feed.missing) = (short, short);
        feed.pages = pages.pages.clone();
        feed.pages.reverse();
        // with more elements than items (some writers of optional values do that) the first are the values,
        // but the pages cannot come back from them
        feed.free =
            if surplus { Vec::new() } else { marks.free.get(id as usize).cloned().unwrap_or_default() };
        feed.compression = pages.compression;
        Ok(feed)
    }

    /// Reads a column that fits no table into its own. Pages that do not come back are left out.
    fn raw(
        &self,
        cluster: &Cluster,
        id: u32,
        marks: &mut Marking,
        chunk: &mut Chunk,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let (Some(pages), column) = (cluster.columns.get(id as usize), self.column(id)?) else {
            return Ok(());
        };
        for (i, page) in pages.pages.iter().enumerate() {
            if !marks.is_free(id, i) {
                continue;
            }
            let Ok(read) = self.read(column, page) else { continue };
            let n = page.elements as usize;
            let (columns, content) = if column.kind.scalar().is_some() {
                let cells = page_to_cells(&column.kind, &read.content, n)?;
                let content = cells_to_page(&column.kind, &cells)?;
                (vec![cells], content)
            } else {
                let (index, tag) = page_to_switch(&column.kind, &read.content, n)?;
                let content = switch_to_page(&index, &tag);
                (vec![Cells::W8(index), Cells::W4(tag)], content)
            };
            if content == read.content
                && let Some((i, flags)) = self.claim(vec![(i, read.claim(page, pages.compression))])?.pop()
            {
                marks.set(id, i, flags);
                for (column, cells) in chunk.columns.iter_mut().zip(columns) {
                    chunk.bytes += (cells.len() * cells.width()) as u64;
                    column.values.append(&cells)?;
                }
                chunk.events += page.elements as u64;
                if chunk.bytes >= CHUNK_BYTES {
                    chunk.flush(sink)?;
                }
            }
        }
        Ok(())
    }
}

/// Most items that anything in a cluster can have: elements of its longest column, or a few.
fn most_elements(cluster: &Cluster) -> u64 {
    cluster.columns.iter().map(|c| c.elements()).max().unwrap_or(0).max(1 << 16)
}

/// The cells of a leaf in a cluster, page after page.
struct Feed {
    /// The column whose pages they are; none where there are only zeros.
    column: Option<u32>,
    scalar: Scalar,
    queue: Queue,
    /// Zeros that still come before the first page.
    zeros: u64,
    /// Zeros that came before the first page.
    missing: u64,
    /// Pages to come, the next one last.
    pages: Vec<Page>,
    free: Vec<bool>,
    /// Flags of the pages that were read.
    flags: Vec<u8>,
    /// Pages, by number, that the driver has not heard of yet.
    claims: Vec<(usize, Claim)>,
    compression: u32,
}

impl Feed {
    fn take(&mut self, work: &Work<'_>, n: usize) -> Result<Cells> {
        while self.queue.len() < n {
            let missing = n - self.queue.len();
            if self.zeros > 0 {
                let some = self.zeros.min(missing as u64);
                self.queue.push(zeros(self.scalar, some as usize))?;
                self.zeros -= some;
                continue;
            }
            let (Some(id), Some(page)) = (self.column, self.pages.pop()) else {
                return Err(corruption("fewer elements than the lists need"));
            };
            let column = work.column(id)?;
            let elements = page.elements as usize;
            let cells = match work.read(column, &page) {
                Err(_) => zeros(self.scalar, elements),
                Ok(read) => {
                    let own =
                        column.kind.scalar().ok_or_else(|| corruption("a column without a scalar type"))?;
                    let cells = page_to_cells(&column.kind, &read.content, elements)?;
                    let cells = widen(cells, own, self.scalar);
                    let back = narrow(cells.clone(), self.scalar, own);
                    let free = self.free.get(self.flags.len()).copied().unwrap_or(false);
                    if free && cells_to_page(&column.kind, &back)? == read.content {
                        self.claims.push((self.flags.len(), read.claim(&page, self.compression)));
                    }
                    cells
                }
            };
            self.flags.push(0);
            self.queue.push(cells)?;
        }
        Ok(self.queue.take(n))
    }
}
