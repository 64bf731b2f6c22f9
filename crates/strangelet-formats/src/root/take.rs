//! Taking a ROOT file apart.

use super::basket::{self, Basket, Tail};
use super::block;
use super::build::{self, Found};
use super::columns;
use super::form::Form;
use super::plan::{self, Before, Recipes, Stored, kind, link, state, tail};
use super::ntuple::join::{Claims, Covered};
use super::ntuple::{self, Anchor};
use super::record::{self, BasketHead, Key, Kind, Record};
use super::residue::{RowsOut, StreamsOut};
use super::streamer::Infos;
use super::tree::{Branch, Embedded, Tree};
use super::wire::text;
use crate::recipe::{Effort, Kitchen, Recipe};
use std::collections::{BTreeMap, HashMap, HashSet};
use strangelet::codec::Level;
use strangelet::column::{Column, ColumnSchema};
use strangelet::dissect::{Context, Proofs, Sink, TableId};
use strangelet::error::{Result, corruption};
use strangelet::source::Source;
use strangelet::table::TableSchema;

/// Content bytes that a chunk of a tree aims at.
const CHUNK: u64 = 16 << 20;
/// A tree with at most so many is one chunk.
const WHOLE: u64 = 24 << 20;
/// Longest record that is taken apart.
const LONGEST: u64 = 256 << 20;
/// Most bytes of baskets within tree records of a file.
const EMBEDDED: usize = 256 << 20;
/// Bytes of samples that are kept instead of being inflated again.
const SAMPLES: usize = 32 << 20;

/// Takes a file apart.
pub fn dissect(cx: &Context, source: &dyn Source, sink: &mut dyn Sink) -> Result<()> {
    let (header, records) = record::walk(source)?;
    let mut take = Take {
        source,
        proofs: cx.proofs,
        effort: if cx.level == Level::Fast { Effort::Fast } else { Effort::Balanced },
        kitchen: Kitchen::new(),
        hint: None,
        spans: RowsOut::new(sink, "root.records", plan::RECORDS)?,
        branches: RowsOut::new(sink, "root.branches", plan::BRANCHES)?,
        baskets: RowsOut::new(sink, "root.baskets", plan::BASKETS)?,
        streams: StreamsOut::new(sink, "root.bytes", &plan::STREAMS)?,
        recipes: Recipes::default(),
        taken: vec![false; Vec::len(&records)],
        records,
        infos: Infos::default(),
        before: Before::default(),
        title: Vec::new(),
        arrays: 0,
        cuts: HashMap::new(),
        embedded: 0,
        samples: HashMap::new(),
        sample_bytes: 0,
        names: HashSet::new(),
        covered: Covered::default(),
    };
    if let Some(i) = take.at(header.seek_info)
        && let Some(content) = take.content(i)?
    {
        let keylen = take.records.get(i).and_then(Record::key).map_or(0, |k| k.keylen);
        take.infos = Infos::parse(&content, keylen as usize);
    }
    let paths = take.paths();
    take.ntuples(sink, &paths)?;
    for i in take.trees() {
        take.tree(sink, i, &paths)?;
    }
    for i in 0..Vec::len(&take.records) {
        take.span(sink, i)?;
    }
    take.spans.flush(sink)?;
    take.branches.flush(sink)?;
    take.baskets.flush(sink)?;
    take.streams.flush(sink)
}

struct Take<'a> {
    source: &'a dyn Source,
    proofs: &'a Proofs,
    effort: Effort,
    kitchen: Kitchen,
    hint: Option<Recipe>,
    spans: RowsOut,
    branches: RowsOut,
    baskets: RowsOut,
    streams: StreamsOut,
    recipes: Recipes,
    records: Vec<Record>,
    /// Records that are baskets of a table.
    taken: Vec<bool>,
    infos: Infos,
    before: Before,
    title: Vec<u8>,
    arrays: u64,
    /// Spans of a record's content that are elsewhere, by record.
    cuts: HashMap<usize, Vec<(usize, usize)>>,
    embedded: usize,
    samples: HashMap<usize, Vec<u8>>,
    sample_bytes: usize,
    names: HashSet<String>,
    /// What the tables of ntuples give back.
    covered: Covered,
}

/// Where a basket is.
#[derive(Clone)]
enum Place {
    Record(usize),
    Embedded(Embedded),
}

/// A branch that becomes columns.
struct Live {
    branch: Branch,
    baskets: Vec<(Place, usize)>,
    bytes: u64,
    found: Option<Found>,
    next: usize,
    filled: u64,
    columns: Vec<Column>,
}

/// A tree while it is taken apart.
struct Host<'a> {
    record: usize,
    content: &'a [u8],
}

impl Take<'_> {
    /// The record that starts at a position.
    fn at(&self, pos: u64) -> Option<usize> {
        self.records.binary_search_by_key(&pos, |r| r.pos).ok()
    }

    fn payload(&self, i: usize) -> Result<Vec<u8>> {
        let r = self.records.get(i).ok_or_else(|| corruption("a record is missing"))?;
        let head = r.key().map_or(0, |k| k.keylen as u64);
        self.source.range(r.pos + head, r.len - head)
    }

    /// The inflated content of a record, where it inflates.
    fn content(&mut self, i: usize) -> Result<Option<Vec<u8>>> {
        let Some(r) = self.records.get(i) else { return Ok(None) };
        let Some(objlen) = r.key().map(|k| k.objlen as usize) else { return Ok(None) };
        if r.len > LONGEST || objlen > basket::MOST_BYTES {
            return Ok(None);
        }
        let payload = self.payload(i)?;
        let content = block::inflate(&mut self.kitchen, &payload, objlen);
        Ok(content.ok().filter(|c| Vec::len(c) == objlen))
    }

    /// How a payload follows from its content: number of a recipe, and corrections.
    fn pack(
        &mut self,
        sink: &mut dyn Sink,
        payload: &[u8],
        content: &[u8],
    ) -> Result<Option<(u64, Vec<u8>)>> {
        let found = block::find(&mut self.kitchen, payload, content, self.hint.as_ref(), self.effort);
        let Some((recipe, fix)) = found else { return Ok(None) };
        if let Some(last) = recipe.last() {
            self.hint = Some(*last);
        }
        let bytes = plan::recipe_bytes(&recipe);
        if !recipe.blocks.is_empty() {
            self.proofs.remember(&[&bytes[..], &fix].concat(), content, payload);
        }
        Ok(Some((self.number(sink, &bytes)?, fix)))
    }

    /// The number of a recipe.
    fn number(&mut self, sink: &mut dyn Sink, recipe: &[u8]) -> Result<u64> {
        let (number, new) = self.recipes.number(recipe);
        if new {
            self.streams.push(sink, plan::RECIPES, &(recipe.len() as u16).to_le_bytes())?;
            self.streams.push(sink, plan::RECIPES, recipe)?;
        }
        Ok(number)
    }

    /// Takes the ntuples apart. Records that they reach into are out of reach for trees.
    fn ntuples(&mut self, sink: &mut dyn Sink, paths: &HashMap<u64, String>) -> Result<()> {
        let claims = Claims::new(self.proofs, self.effort);
        let mut rows = None;
        let mut seen = HashSet::new();
        for i in 0..Vec::len(&self.records) {
            let Some(Kind::Key(key)) = self.records.get(i).map(|r| r.kind.clone()) else { continue };
            if !matches!(key.class.as_slice(), b"ROOT::RNTuple" | b"ROOT::Experimental::RNTuple") {
                continue;
            }
            let Some(content) = self.content(i)? else { continue };
            let Ok(anchor) = Anchor::parse(&content) else { continue };
            if ntuple::check(self.source, &anchor, &claims).is_err() || !seen.insert(anchor.header.position) {
                continue;
            }
            if rows.is_none() {
                rows = Some(RowsOut::new(sink, "root.pages", plan::PAGES)?);
            }
            let path = paths.get(&key.seek_pdir).cloned().unwrap_or_default();
            let name = self.unique(format!("{path}{}", text(&key.name)));
            ntuple::dissect(self.source, &anchor, &name, &claims, sink)?;
        }
        let Some(mut rows) = rows else { return Ok(()) };
        let mut spans = Vec::new();
        for span in claims.into_packed() {
            let recipe = self.number(sink, &span.recipe)?;
            rows.push(sink, &[recipe, span.fix.len() as u64])?;
            self.streams.push(sink, plan::FIXES, &span.fix)?;
            spans.push((span.pos, span.len));
        }
        rows.flush(sink)?;
        self.covered = Covered::new(spans);
        for (record, taken) in self.records.iter().zip(&mut self.taken) {
            *taken |= self.covered.gaps(record.pos, record.end()).is_some();
        }
        Ok(())
    }

    /// A record that ntuples reach into: what of it is not theirs.
    fn pieces(&mut self, sink: &mut dyn Sink, r: &Record, mut gaps: Vec<(u64, u64)>) -> Result<()> {
        let mut row = [kind::PIECES, r.len, 0, 0, 0, 0];
        if let Some(key) = r.key()
            && let Some(first) = gaps.first_mut().filter(|g| g.0 == r.pos && g.1 - g.0 >= key.keylen as u64)
        {
            first.0 += key.keylen as u64;
            (row[2], row[3]) = (key.keylen as u64, key.objlen as u64);
            self.head(sink, r, key)?;
        }
        for (from, to) in gaps {
            self.plain(sink, from, to)?;
        }
        self.spans.push(sink, &row)
    }

    /// The head of a record, without what follows from its length and its place.
    fn head(&mut self, sink: &mut dyn Sink, r: &Record, key: &Key) -> Result<()> {
        let mut head = self.source.range(r.pos, key.keylen as u64)?;
        let seek = if key.wide() { 18..26 } else { 18..22 };
        for place in [0..4, 6..10, 14..16, seek] {
            if let Some(bytes) = head.get_mut(place) {
                bytes.fill(0);
            }
        }
        self.streams.push(sink, plan::HEADS, &head)
    }

    /// Bytes as they stand in the file.
    fn plain(&mut self, sink: &mut dyn Sink, mut pos: u64, end: u64) -> Result<()> {
        while pos < end {
            let piece = self.source.range(pos, (end - pos).min(1 << 20))?;
            self.streams.push(sink, plan::PLAIN, &piece)?;
            pos += Vec::len(&piece) as u64;
        }
        Ok(())
    }

    /// The paths of directories by position; the topmost has none.
    fn paths(&self) -> HashMap<u64, String> {
        let mut parents = HashMap::new();
        for r in &self.records {
            if let Kind::Key(k) = &r.kind
                && (k.class == b"TDirectory" || k.class == b"TDirectoryFile")
            {
                parents.insert(r.pos, (k.seek_pdir, text(&k.name)));
            }
        }
        let path = |&pos: &u64| {
            let (mut at, mut out) = (pos, String::new());
            for _ in 0..16 {
                let Some((up, name)) = parents.get(&at) else { break };
                out = format!("{name}/{out}");
                at = *up;
            }
            (pos, out)
        };
        parents.keys().map(path).collect()
    }

    /// The records of trees, the newest of each name.
    fn trees(&self) -> Vec<usize> {
        let mut newest: HashMap<(u64, &[u8]), (u16, usize)> = HashMap::new();
        for (i, r) in self.records.iter().enumerate() {
            if let Kind::Key(k) = &r.kind
                && self.taken.get(i) == Some(&false)
                && matches!(k.class.as_slice(), b"TTree" | b"TNtuple" | b"TNtupleD")
            {
                let best = newest.entry((k.seek_pdir, &k.name)).or_insert((k.cycle, i));
                if k.cycle >= best.0 {
                    *best = (k.cycle, i);
                }
            }
        }
        let mut trees: Vec<usize> = newest.into_values().map(|b| b.1).collect();
        trees.sort_unstable();
        trees
    }

    fn tree(&mut self, sink: &mut dyn Sink, record: usize, paths: &HashMap<u64, String>) -> Result<()> {
        let Some(key) = self.records.get(record).and_then(Record::key).cloned() else { return Ok(()) };
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

    fn unique(&mut self, name: String) -> String {
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
                        .filter(|&i| self.taken.get(i) == Some(&false))?;
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
        Some(Live { branch, baskets, bytes, found: None, next: 0, filled: 0, columns: Vec::new() })
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
                schemas.push(c.clone());
            }
            rows.push(found.form.columns.len());
            live.columns = found.form.empty_columns();
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
                for (schema, column) in found.form.columns.iter().zip(&mut live.columns) {
                    let rest = columns::split(schema, column, (to - from) as usize)?;
                    chunk.push(std::mem::replace(column, rest));
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
        let scale = found.scale.map_or((0.0, 0.0), |s| (s.low, s.factor));
        let links = self.links(live, host);
        let row = [
            table as u64,
            columns as u64,
            form.len() as u64,
            shared as u64,
            own.len() as u64,
            own_title.len() as u64,
            host.record as u64,
            scale.0.to_bits(),
            scale.1.to_bits(),
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

    /// Finds the form of a branch with the help of its first baskets.
    fn form(&mut self, live: &Live, host: &Host) -> Result<Found> {
        let mut contents = Vec::new();
        let mut size = 0;
        for (place, _) in live.baskets.iter().take(8) {
            let piece = match place {
                Place::Embedded(e) => {
                    Some((embedded_content(host.content, e), e.len, e.head.nev_buf, e.keylen))
                }
                Place::Record(i) => {
                    let content = match self.samples.get(i) {
                        Some(c) => Some(c.clone()),
                        None => self.content(*i)?,
                    };
                    match (content, self.records.get(*i).map(|r| &r.kind)) {
                        (Some(content), Some(Kind::Basket(key, head))) => {
                            let border = head.last as usize - key.keylen as usize;
                            let piece = (content, border, head.nev_buf, key.keylen as usize);
                            if self.sample_bytes + Vec::len(&piece.0) <= SAMPLES {
                                self.sample_bytes += Vec::len(&piece.0);
                                self.samples.insert(*i, piece.0.clone());
                            }
                            Some(piece)
                        }
                        _ => None,
                    }
                }
            };
            if let Some(piece) = piece {
                size += Vec::len(&piece.0);
                contents.push(piece);
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
        Ok(build::find(&self.infos, &live.branch, &baskets))
    }

    /// Takes the next basket of a branch.
    fn basket(&mut self, sink: &mut dyn Sink, live: &mut Live, host: &Host) -> Result<()> {
        let missing = || corruption("a branch has fewer baskets than it says");
        let Some((place, entries)) = live.baskets.get(live.next).cloned() else { return Err(missing()) };
        let Some(found) = &live.found else { return Err(missing()) };
        let number = live.next;
        live.next += 1;
        live.filled += entries as u64;
        match place {
            Place::Embedded(e) => {
                let content = embedded_content(host.content, &e);
                let basket = Basket { content: &content, border: e.len, entries, keylen: e.keylen };
                let tail = typed(&found.form, &basket, &mut live.columns);
                let at = e.offsets.unwrap_or(e.data);
                let cuts = self.cuts.entry(host.record).or_default();
                if let Some(o) = e.offsets {
                    cuts.push((o, Vec::len(&content) - e.len));
                }
                cuts.push((e.data, e.len));
                let mut row = Row { state: state::EMBEDDED, place: at as u64, entries, ..Row::default() };
                row.keylen = e.keylen as u64;
                self.content_row(sink, &mut row, &content, e.len, tail)?;
                if row.state & state::TYPED == 0 {
                    fill(&found.form, &mut live.columns, entries);
                }
                self.baskets.push(sink, &row.cells())
            }
            Place::Record(i) => {
                let content = match self.samples.remove(&i) {
                    Some(c) => Some(c),
                    None => self.content(i)?,
                };
                let Some(Record { kind: Kind::Basket(key, head), .. }) = self.records.get(i).cloned() else {
                    return Err(missing());
                };
                let payload = self.payload(i)?;
                let border = head.last as usize - key.keylen as usize;
                let mut row = self.head_row(sink, i, number, &live.branch, &key, &head)?;
                row.entries = entries;
                match content {
                    Some(content) => {
                        let basket =
                            Basket { content: &content, border, entries, keylen: key.keylen as usize };
                        let tail = typed(&found.form, &basket, &mut live.columns);
                        let packed = self.pack(sink, &payload, &content)?;
                        if let Some((recipe, fix)) = packed {
                            row.state |= state::RECIPE;
                            row.recipe = recipe;
                            row.fix = fix.len() as u64;
                            self.content_row(sink, &mut row, &content, border, tail)?;
                            self.streams.push(sink, plan::FIXES, &fix)?;
                        } else {
                            row.content = Vec::len(&content) as u64;
                            row.border = border as u64;
                            if tail.is_none() {
                                fill(&found.form, &mut live.columns, entries);
                            }
                            self.streams.push(sink, plan::PLAIN, &payload)?;
                            return self.baskets.push(sink, &row.cells());
                        }
                        if row.state & state::TYPED == 0 {
                            fill(&found.form, &mut live.columns, entries);
                        }
                    }
                    None => {
                        if entries > 1 << 24 {
                            return Err(corruption("a large basket is damaged"));
                        }
                        fill(&found.form, &mut live.columns, entries);
                        row.content = key.objlen as u64;
                        row.border = border as u64;
                        self.streams.push(sink, plan::PLAIN, &payload)?;
                    }
                }
                self.baskets.push(sink, &row.cells())
            }
        }
    }

    /// What a basket's content needs beside the columns.
    fn content_row(
        &mut self,
        sink: &mut dyn Sink,
        row: &mut Row,
        content: &[u8],
        border: usize,
        typed: Option<Tail>,
    ) -> Result<()> {
        match typed {
            Some(tail) => {
                row.state |= state::TYPED;
                match tail {
                    Tail::None => row.tail = tail::NONE,
                    Tail::Offsets(last) => (row.tail, row.last) = (tail::OFFSETS, last as u64),
                    Tail::Bare => row.tail = tail::BARE,
                    Tail::Other(bytes) => {
                        (row.tail, row.last) = (tail::OTHER, bytes.len() as u64);
                        self.streams.push(sink, plan::CONTENTS, &bytes)?;
                    }
                }
            }
            None => {
                row.content = content.len() as u64;
                row.border = border as u64;
                self.streams.push(sink, plan::CONTENTS, content)?;
            }
        }
        Ok(())
    }

    /// What the head of a basket says beyond what follows.
    fn head_row(
        &mut self,
        sink: &mut dyn Sink,
        i: usize,
        number: usize,
        branch: &Branch,
        key: &Key,
        head: &BasketHead,
    ) -> Result<Row> {
        let name = branch.name.as_bytes();
        let usual = plan::usual_keylen(name, &self.title, key.version, head.io_bits.is_some());
        let mut row = Row {
            place: (i as u64).wrapping_sub(self.before.record),
            keylen: (key.keylen as u64).wrapping_sub(usual as u64),
            version: key.version as u64,
            datime: key.datime.wrapping_sub(self.before.datime) as u64,
            cycle: (key.cycle as u64).wrapping_sub(number as u64),
            pdir: key.seek_pdir.wrapping_sub(self.before.pdir),
            basket: head.version as u64,
            buffer: head.buffer_size as u64,
            room: head.nev_buf_size as u64,
            io: head.io_bits.map_or(u16::MAX as u64, |b| b as u64),
            flag: head.flag as u64,
            ..Row::default()
        };
        self.before = Before { record: i as u64, datime: key.datime, pdir: key.seek_pdir };
        let r = self.records.get(i).ok_or_else(|| corruption("a record is missing"))?;
        let told =
            Key { class: b"TBasket".to_vec(), name: name.to_vec(), title: self.title.clone(), ..key.clone() };
        let there = self.source.range(r.pos, key.keylen as u64)?;
        if plan::head_bytes(&told, head) != there || usual > u16::MAX as usize {
            row.state |= state::ODD_HEAD;
            self.streams.push(sink, plan::HEADS, &there)?;
        }
        Ok(row)
    }

    /// What is no basket of a table.
    fn span(&mut self, sink: &mut dyn Sink, i: usize) -> Result<()> {
        let Some(r) = self.records.get(i).cloned() else { return Ok(()) };
        if let Some(gaps) = self.covered.gaps(r.pos, r.end()) {
            return self.pieces(sink, &r, gaps);
        }
        if self.taken.get(i) == Some(&true) {
            return self.spans.push(sink, &[kind::BASKET, r.len, 0, 0, 0, 0]);
        }
        if let Some(key) = r.key()
            && let Some(content) = self.content(i)?
        {
            let payload = self.payload(i)?;
            if let Some((recipe, fix)) = self.pack(sink, &payload, &content)? {
                self.head(sink, &r, key)?;
                let mut from = 0;
                let mut cuts = self.cuts.remove(&i).unwrap_or_default();
                cuts.sort_unstable();
                for (at, len) in cuts {
                    self.streams.push(sink, plan::CONTENTS, content.get(from..at).unwrap_or_default())?;
                    from = at + len;
                }
                self.streams.push(sink, plan::CONTENTS, content.get(from..).unwrap_or_default())?;
                self.streams.push(sink, plan::FIXES, &fix)?;
                let row =
                    [kind::OBJECT, r.len, key.keylen as u64, key.objlen as u64, recipe, fix.len() as u64];
                return self.spans.push(sink, &row);
            }
        }
        self.plain(sink, r.pos, r.end())?;
        self.spans.push(sink, &[kind::PLAIN, r.len, 0, 0, 0, 0])
    }
}

#[derive(Default)]
struct Links {
    flags: u64,
    most: u64,
    sums: u64,
    arrays: u64,
}

#[derive(Default)]
struct Row {
    state: u64,
    place: u64,
    entries: usize,
    keylen: u64,
    version: u64,
    datime: u64,
    cycle: u64,
    pdir: u64,
    basket: u64,
    buffer: u64,
    room: u64,
    io: u64,
    flag: u64,
    tail: u64,
    last: u64,
    content: u64,
    border: u64,
    recipe: u64,
    fix: u64,
}

impl Row {
    fn cells(&self) -> [u64; 19] {
        [
            self.state,
            self.place,
            self.entries as u64,
            self.keylen,
            self.version,
            self.datime,
            self.cycle,
            self.pdir,
            self.basket,
            self.buffer,
            self.room,
            self.io,
            self.flag,
            self.tail,
            self.last,
            self.content,
            self.border,
            self.recipe,
            self.fix,
        ]
    }
}

/// The data of a basket within its tree's record, and behind it the count and offsets of its entries.
fn embedded_content(tree: &[u8], e: &Embedded) -> Vec<u8> {
    let mut out = tree.get(e.data..e.data + e.len).unwrap_or_default().to_vec();
    if let Some(o) = e.offsets {
        out.extend_from_slice(tree.get(o..o + 4 + 4 * e.head.nev_buf as usize).unwrap_or_default());
    }
    out
}

fn typed(form: &Form, basket: &Basket, columns: &mut [Column]) -> Option<Tail> {
    basket::dissect(form, basket, columns).ok()
}

fn fill(form: &Form, columns: &mut [Column], entries: usize) {
    let each = |(s, c): (&ColumnSchema, &mut Column)| basket::fill(s, c, entries);
    form.columns.iter().zip(columns).for_each(each);
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
