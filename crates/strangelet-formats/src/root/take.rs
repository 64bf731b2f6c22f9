//! Taking a ROOT file apart.

use super::basket;
use super::block;
use super::ntuple::join::{Claims, Covered};
use super::ntuple::{self, Anchor};
use super::plan::{self, Before, Recipes, kind};
use super::record::{self, Key, Kind, Record};
use super::residue::{RowsOut, StreamsOut};
use super::streamer::Infos;
use super::wire::text;
use crate::recipe::{Effort, Kitchen, Recipe};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use strangelet::dissect::{Context, Proofs, Sink};
use strangelet::error::{Result, corruption};
use strangelet::source::Source;

/// Longest record that is taken apart.
pub(super) const LONGEST: u64 = 256 << 20;

/// Takes a file apart.
pub fn dissect(cx: &Context, source: &dyn Source, sink: &mut dyn Sink) -> Result<()> {
    let (header, records) = record::walk(source)?;
    let mut take = Take {
        source,
        proofs: cx.proofs,
        effort: cx.level.into(),
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
        again: Vec::new(),
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

/// A file while it is taken apart.
pub(super) struct Take<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) proofs: &'a Proofs,
    pub(super) effort: Effort,
    pub(super) kitchen: Kitchen,
    pub(super) hint: Option<Recipe>,
    pub(super) spans: RowsOut,
    pub(super) branches: RowsOut,
    pub(super) baskets: RowsOut,
    pub(super) streams: StreamsOut,
    pub(super) recipes: Recipes,
    pub(super) records: Vec<Record>,
    /// Records that are baskets of a table.
    pub(super) taken: Vec<bool>,
    pub(super) infos: Infos,
    pub(super) before: Before,
    pub(super) title: Vec<u8>,
    pub(super) arrays: u64,
    /// Spans of a record's content that are elsewhere, by record.
    pub(super) cuts: HashMap<usize, Vec<(usize, usize)>>,
    pub(super) embedded: usize,
    pub(super) samples: HashMap<usize, Rc<Vec<u8>>>,
    pub(super) sample_bytes: usize,
    /// Room for the proof of a basket.
    pub(super) again: Vec<u8>,
    pub(super) names: HashSet<String>,
    /// What the tables of ntuples give back.
    covered: Covered,
}

impl Take<'_> {
    /// The record that starts at a position.
    pub(super) fn at(&self, pos: u64) -> Option<usize> {
        self.records.binary_search_by_key(&pos, |r| r.pos).ok()
    }

    pub(super) fn payload(&self, i: usize) -> Result<Vec<u8>> {
        let r = self.records.get(i).ok_or_else(|| corruption("a record is missing"))?;
        let head = r.key().map_or(0, |k| k.keylen as u64);
        self.source.range(r.pos + head, r.len - head)
    }

    /// Whether a record is kept as it stands: LZMA, where time matters most. The proof of a recipe is
    /// a run of its encoder, which would take most of the time of the whole file.
    pub(super) fn verbatim(&self, i: usize) -> bool {
        let Some(r) = self.records.get(i).filter(|_| self.effort == Effort::Fast) else { return false };
        let Some(key) = r.key() else { return false };
        let (head, objlen) = (key.keylen as u64, key.objlen as u64);
        r.len.checked_sub(head).is_some_and(|n| n > 2 && n != objlen)
            && self.source.range(r.pos + head, 2).is_ok_and(|tag| tag == b"XZ")
    }

    /// The inflated content of a record, where it inflates.
    pub(super) fn content(&mut self, i: usize) -> Result<Option<Vec<u8>>> {
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
    pub(super) fn pack(
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
            rows.push(sink, &[recipe, span.fix.len()])?;
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
            && !self.verbatim(i)
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
