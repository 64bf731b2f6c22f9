//! Taking a tree apart: which baskets belong to a branch, its form, its chunks of events.

use super::basket::{self, Basket};
use super::build::{self, Found, Proved};
use super::columns;
use super::form::Cursor;
use super::plan::{self, Stored, link};
use super::record::{Kind, Record};
use super::take::{LONGEST, Take};
use super::take_basket::embedded_content;
use super::tree::{Branch, Embedded, Tree};
use super::wire::text;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use strangelet::column::{Column, ColumnSchema, Scalar};
use strangelet::dissect::{Sink, TableId};
use strangelet::error::{Result, corruption};
use strangelet::table::TableSchema;

/// Content bytes that a chunk of a tree aims at.
const CHUNK: u64 = 16 << 20;
/// A tree with at most so many is one chunk.
const WHOLE: u64 = 24 << 20;
/// Most bytes of baskets within tree records of a file.
const EMBEDDED: usize = 256 << 20;
/// Baskets of more bytes are not looked at beforehand where the type of their branch says everything.
const GLANCE: usize = 64 << 10;
/// Bytes of samples that are kept instead of being inflated again.
const SAMPLES: usize = 32 << 20;

/// Where a basket is.
#[derive(Clone)]
pub(super) enum Place {
    Record(usize),
    Embedded(Embedded),
}

/// A branch that becomes columns.
pub(super) struct Live {
    pub(super) branch: Branch,
    pub(super) baskets: Vec<(Place, usize)>,
    pub(super) bytes: u64,
    pub(super) found: Option<Found>,
    pub(super) next: usize,
    pub(super) filled: u64,
    pub(super) columns: Vec<Column>,
    /// What of the columns is in chunks already.
    pub(super) passed: Vec<Cursor>,
}

/// A tree while it is taken apart.
pub(super) struct Host<'a> {
    pub(super) record: usize,
    pub(super) content: &'a [u8],
}

impl Take<'_> {
    pub(super) fn tree(
        &mut self,
        sink: &mut dyn Sink,
        record: usize,
        paths: &HashMap<u64, String>,
    ) -> Result<()> {
        let Some(key) = self.records.get(record).and_then(Record::key).cloned() else { return Ok(()) };
        if self.verbatim(record) {
            return Ok(());
        }
        let Some(content) = self.content(record)? else { return Ok(()) };
        let parsed = Tree::parse(&self.infos, &text(&key.class), &content, key.keylen as usize);
        let Ok(mut tree) = parsed else { return Ok(()) };
        // Branches with as many entries as the tree first; others have tables of their own.
        let mut groups: BTreeMap<(bool, u64), Vec<Live>> = BTreeMap::new();
        for branch in std::mem::take(&mut tree.branches) {
            if let Some(live) = self.claim(branch) {
                let entries = live.baskets.iter().map(|b| b.1 as u64).sum();
                groups.entry((entries != tree.entries, entries)).or_default().push(live);
            }
        }
        let host = Host { record, content: &content };
        let path = paths.get(&key.seek_pdir).cloned().unwrap_or_default();
        for ((other, entries), mut group) in groups {
            let mut name = format!("{path}{}", text(&key.name));
            if other && let Some(first) = group.first() {
                name = format!("{name}/{}", first.branch.name);
            }
            let name = self.unique(name);
            self.table(sink, name, entries, &mut group, &host, &key.name)?;
        }
        Ok(())
    }

    pub(super) fn unique(&mut self, name: String) -> String {
        let mut out = name.clone();
        let mut n = 2;
        while !self.names.insert(out.clone()) {
            out = format!("{name}#{n}");
            n += 1;
        }
        out
    }

    /// The baskets of a branch, where they follow each other without holes.
    fn claim(&mut self, mut branch: Branch) -> Option<Live> {
        if !branch.file_name.is_empty() || branch.name.is_empty() {
            return None;
        }
        let embedded = std::mem::take(&mut branch.embedded);
        let last = embedded.iter().map(|e| e.number + 1).max().unwrap_or(0);
        let (mut baskets, mut bytes, mut start, mut inside) = (Vec::new(), 0, 0u64, 0);
        for number in 0..branch.written.max(last).min(branch.basket_entry.len()) {
            let (place, entries, size) = match embedded.iter().find(|e| e.number == number) {
                Some(e) => {
                    inside += e.len;
                    (Place::Embedded(e.clone()), e.head.nev_buf as usize, e.len)
                }
                None => {
                    let i = self
                        .at(*branch.basket_seek.get(number)?)
                        .filter(|&i| self.taken.get(i) == Some(&false) && !self.verbatim(i))?;
                    let Some(Record { kind: Kind::Basket(key, head), len, .. }) = self.records.get(i) else {
                        return None;
                    };
                    let border = head.last.checked_sub(key.keylen as u32)?;
                    if border > key.objlen || *len > LONGEST || key.objlen as usize > basket::MOST_BYTES {
                        return None;
                    }
                    (Place::Record(i), head.nev_buf as usize, key.objlen as usize)
                }
            };
            if branch.basket_entry.get(number) != Some(&start) || entries == 0 {
                return None;
            }
            if entries > basket::MOST_ENTRIES || entries > size.max(1 << 16) {
                return None;
            }
            start += entries as u64;
            bytes += size as u64;
            baskets.push((place, entries));
        }
        if baskets.is_empty() || self.embedded + inside > EMBEDDED {
            return None;
        }
        self.embedded += inside;
        for (place, _) in &baskets {
            if let Place::Record(i) = place
                && let Some(t) = self.taken.get_mut(*i)
            {
                *t = true;
            }
        }
        Some(Live {
            branch,
            baskets,
            bytes,
            found: None,
            next: 0,
            filled: 0,
            columns: Vec::new(),
            passed: Vec::new(),
        })
    }

    fn table(
        &mut self,
        sink: &mut dyn Sink,
        name: String,
        entries: u64,
        group: &mut [Live],
        host: &Host,
        title: &[u8],
    ) -> Result<()> {
        let mut short: HashMap<String, usize> = HashMap::new();
        group.iter().for_each(|l| *short.entry(l.branch.name.clone()).or_default() += 1);
        let mut used = HashSet::new();
        let mut schemas = Vec::new();
        let mut rows = Vec::new();
        for live in group.iter_mut() {
            let mut found = self.form(live, host)?;
            let one = short.get(&live.branch.name) == Some(&1);
            let own = if one { live.branch.name.clone() } else { live.branch.path.join("/") };
            for c in &mut found.form.columns {
                let base = format!("{own}{}", c.name);
                let mut full = base.clone();
                let mut n = 2;
                while !used.insert(full.clone()) {
                    full = format!("{base}#{n}");
                    n += 1;
                }
                c.name = full;
                let scale = found.scale.filter(|_| c.scalar == Scalar::U32);
                schemas.push(ColumnSchema { scale, ..c.clone() });
            }
            rows.push(found.form.columns.len());
            live.columns = std::mem::take(&mut found.proved.columns);
            live.passed = live.columns.iter().map(Cursor::start).collect();
            live.found = Some(found);
        }
        let table = sink.table(TableSchema::new(name, schemas))?;
        for (live, columns) in group.iter().zip(rows) {
            self.branch_row(sink, table, live, columns, host, title)?;
        }
        let mut from = 0;
        for to in boundaries(entries, group) {
            let mut chunk = Vec::new();
            for live in group.iter_mut() {
                while live.filled < to {
                    self.basket(sink, live, host)?;
                }
                let Some(found) = &live.found else { continue };
                let held = live.columns.iter_mut().zip(&mut live.passed);
                for (schema, (column, passed)) in found.form.columns.iter().zip(held) {
                    chunk.push(columns::front(schema, column, passed, (to - from) as usize)?);
                }
            }
            sink.chunk(table, to - from, chunk)?;
            from = to;
        }
        self.samples.clear();
        self.sample_bytes = 0;
        Ok(())
    }

    fn branch_row(
        &mut self,
        sink: &mut dyn Sink,
        table: TableId,
        live: &Live,
        columns: usize,
        host: &Host,
        title: &[u8],
    ) -> Result<()> {
        let Some(found) = &live.found else { return Ok(()) };
        let form = found.form.to_text();
        let name = live.branch.name.as_bytes();
        let first = found.form.columns.first().map(|c| c.name.as_bytes()).unwrap_or_default();
        // Mostly the first column has the name of the branch, or begins with it.
        let begins = first.starts_with(name) && (1..1 << 16).contains(&name.len());
        let shared = if begins && first != name { name.len() } else { 0 };
        let own = if begins { &[][..] } else { name };
        let own_title = if self.title == title { &[][..] } else { title };
        let links = self.links(live, host);
        let row = [
            table as u64,
            columns as u64,
            form.len() as u64,
            shared as u64,
            own.len() as u64,
            own_title.len() as u64,
            host.record as u64,
            links.flags,
            links.most,
            links.sums.wrapping_sub(self.arrays).wrapping_sub(2 * name.len() as u64),
            links.arrays.wrapping_sub(links.sums).wrapping_sub(2 * name.len() as u64),
        ];
        self.arrays = links.arrays;
        self.branches.push(sink, &row)?;
        for bytes in [form.as_bytes(), own, own_title] {
            if bytes.len() >= 1 << 16 {
                return Err(corruption("a name is too long"));
            }
            self.streams.push(sink, plan::HEADS, bytes)?;
        }
        if !own_title.is_empty() {
            self.title = title.to_vec();
        }
        Ok(())
    }

    /// The numbers in the tree's record that follow from the baskets of a branch. They are cut out there.
    fn links(&mut self, live: &Live, host: &Host) -> Links {
        let stored = |(place, entries): &(Place, usize)| match place {
            Place::Record(i) => self.records.get(*i).map_or(Stored::default(), |r| Stored {
                pos: r.pos,
                nbytes: r.len,
                inflated: r.key().map_or(0, |k| k.keylen as u64 + k.objlen as u64),
                entries: *entries as u64,
            }),
            Place::Embedded(_) => Stored { entries: *entries as u64, ..Stored::default() },
        };
        let baskets: Vec<Stored> = live.baskets.iter().map(stored).collect();
        let spots = &live.branch.spots;
        let spot = |name: &str| spots.get(name).copied().unwrap_or_default();
        let (total, zip) = (spot("fTotBytes"), spot("fZipBytes"));
        let (bytes, entry, seek) = (spot("fBasketBytes"), spot("fBasketEntry"), spot("fBasketSeek"));
        let mut links = Links { most: bytes.count as u64, sums: self.arrays, ..Links::default() };
        let mut try_flags = Vec::new();
        if total.width == 8 && zip.width == 8 && zip.pos == total.pos + 8 {
            links.sums = total.pos as u64;
            try_flags.push(link::SUMS);
        }
        links.arrays = links.sums;
        if bytes.width == 4 && bytes.count > 0 && bytes.count <= 1 << 24 {
            links.arrays = bytes.pos as u64;
            try_flags.push(link::BYTES);
            if entry.count == bytes.count && entry.pos == bytes.pos + 4 * bytes.count + 1 {
                links.flags |= if entry.width == 8 { link::WIDE_ENTRIES } else { 0 };
                try_flags.push(link::ENTRIES);
                if seek.count == bytes.count && seek.pos == entry.pos + entry.width * entry.count + 1 {
                    links.flags |= if seek.width == 8 { link::WIDE_PLACES } else { 0 };
                    try_flags.push(link::PLACES);
                }
            }
        }
        let cuts = self.cuts.entry(host.record).or_default();
        for flag in try_flags {
            let width = links.flags & (link::WIDE_ENTRIES | link::WIDE_PLACES);
            let told = plan::linked(width | flag, links.most, links.sums, links.arrays, &baskets);
            let right = |(at, bytes): &(u64, Vec<u8>)| {
                let at = *at as usize;
                host.content.get(at..at + Vec::len(bytes)) == Some(bytes.as_slice())
            };
            if told.iter().all(right) {
                links.flags |= flag;
                cuts.extend(told.iter().map(|(at, bytes)| (*at as usize, Vec::len(bytes))));
            }
        }
        links
    }

    /// Finds the form of a branch with the help of its first baskets, which then are in the columns.
    fn form(&mut self, live: &Live, host: &Host) -> Result<Found> {
        let mut contents = Vec::new();
        let mut size = 0;
        // Whether the samples are the first baskets, and few enough to be kept in columns.
        let mut first = true;
        for (place, _) in live.baskets.iter().take(8) {
            let piece = match place {
                Place::Embedded(e) => {
                    let content = Rc::new(embedded_content(host.content, e));
                    Some((content, e.len, e.head.nev_buf, e.keylen))
                }
                Place::Record(i) => {
                    let len = self.records.get(*i).and_then(Record::key).map_or(0, |k| k.objlen as usize);
                    if len > GLANCE && build::needs_one(&live.branch) {
                        // There is one form that it can have; each basket is proved when its turn comes.
                        first = false;
                        break;
                    }
                    let content = match self.samples.get(i) {
                        Some(c) => Some(c.clone()),
                        None => self.content(*i)?.map(Rc::new),
                    };
                    match (content, self.records.get(*i).map(|r| &r.kind)) {
                        (Some(content), Some(Kind::Basket(key, head))) => {
                            let border = head.last as usize - key.keylen as usize;
                            let piece = (content, border, head.nev_buf, key.keylen as usize);
                            if self.sample_bytes + Vec::len(&piece.0) <= SAMPLES {
                                self.sample_bytes += Vec::len(&piece.0);
                                self.samples.insert(*i, piece.0.clone());
                            } else {
                                first = false;
                            }
                            Some(piece)
                        }
                        _ => None,
                    }
                }
            };
            match piece {
                Some((content, border, entries, keylen)) => {
                    size += Vec::len(&content);
                    contents.push((content, border, entries, keylen));
                }
                None => first = false,
            }
            if size > 1 << 20 || (contents.len() == 1 && build::needs_one(&live.branch)) {
                break;
            }
        }
        let baskets: Vec<Basket> = contents
            .iter()
            .map(|(content, border, entries, keylen)| Basket {
                content,
                border: *border,
                entries: *entries as usize,
                keylen: *keylen,
            })
            .collect();
        let mut found = build::find(&self.infos, &live.branch, &baskets, &mut self.again);
        if !first {
            found.proved = Proved { columns: found.form.empty_columns(), ..Proved::default() };
        }
        Ok(found)
    }
}

#[derive(Default)]
struct Links {
    flags: u64,
    most: u64,
    sums: u64,
    arrays: u64,
}

/// Where chunks end: at about equal distances, and there where most branches begin a basket.
fn boundaries(entries: u64, group: &[Live]) -> Vec<u64> {
    let bytes: u64 = group.iter().map(|l| l.bytes).sum();
    if bytes <= WHOLE || entries == 0 {
        return vec![entries];
    }
    let step = ((entries as u128 * CHUNK as u128 / bytes as u128) as u64).max(1);
    let mut starts: BTreeMap<u64, u64> = BTreeMap::new();
    for live in group {
        let mut start = 0;
        for (_, n) in &live.baskets {
            start += *n as u64;
            *starts.entry(start).or_default() += 1;
        }
    }
    let mut out = Vec::new();
    let mut from = 0;
    while from < entries {
        let window = from + step.div_ceil(2)..=from + step + step / 2;
        let best = starts.range(window).max_by_key(|s| (s.1, std::cmp::Reverse(s.0.abs_diff(from + step))));
        let to = best.filter(|b| *b.1 * 2 > group.len() as u64).map_or(from + step, |b| *b.0);
        from = to.min(entries);
        out.push(from);
    }
    out
}
