//! Putting a ROOT file together again.

use super::basket::{self, Tail};
use super::block::{self, PayloadRecipe};
use super::columns;
use super::form::{Cursor, Form};
use super::ntuple::join::{Covered, Pieces};
use super::ntuple::{self, Piece};
use super::plan::{self, Before, Recipes, Stored, kind, state, table, tail};
use super::record::{BasketHead, Key};
use super::residue::{RowsIn, StreamsIn};
use crate::recipe::Kitchen;
use std::collections::{HashMap, VecDeque};
use strangelet::column::{Column, ColumnSchema};
use strangelet::dissect::{Context, Proofs, Tables};
use strangelet::error::{Result, corruption};
use strangelet::source::Target;

/// A span of the file.
#[derive(Clone, Copy)]
struct Span {
    pos: u64,
    len: u64,
}

struct Give<'a> {
    tables: &'a dyn Tables,
    proofs: &'a Proofs,
    kitchen: Kitchen,
    spans: Vec<Span>,
    baskets: RowsIn<'a>,
    streams: StreamsIn<'a>,
    recipes: Recipes,
    before: Before,
    /// Pieces of contents of records that come from elsewhere.
    pieces: HashMap<u64, Vec<(u64, Vec<u8>)>>,
    /// What ntuples have written.
    covered: Covered,
    /// Room for the content of a basket.
    spare: Vec<u8>,
}

/// A branch while its baskets are made.
struct Live {
    form: Form,
    schemas: Vec<ColumnSchema>,
    name: Vec<u8>,
    title: Vec<u8>,
    record: u64,
    links: [u64; 4],
    stored: Vec<Stored>,
    number: u64,
    /// Entries of all baskets whose rows were read.
    filled: u64,
    columns: Vec<Column>,
    waiting: VecDeque<Waiting>,
}

/// A basket whose row was read, but not yet all its events.
struct Waiting {
    state: u64,
    place: u64,
    entries: usize,
    key: Key,
    head: BasketHead,
    own_head: Vec<u8>,
    tail: Tail,
    content: Vec<u8>,
    border: u64,
    plain: Vec<u8>,
    recipe: u64,
    fix: Vec<u8>,
}

/// Writes the file again.
pub fn assemble(cx: &Context, tables: &dyn Tables, target: &mut dyn Target) -> Result<()> {
    let mut spans = Vec::new();
    let mut rows = RowsIn::new(tables, table::RECORDS, plan::RECORDS)?;
    let mut pos = 0u64;
    while let Some(row) = rows.next()? {
        let len = *row.get(1).ok_or_else(short)?;
        spans.push(Span { pos, len });
        pos = pos.checked_add(len).ok_or_else(|| corruption("a file is longer than any file"))?;
    }
    let mut give = Give {
        tables,
        proofs: cx.proofs,
        kitchen: Kitchen::new(),
        spans,
        baskets: RowsIn::new(tables, table::BASKETS, plan::BASKETS)?,
        streams: StreamsIn::new(tables, table::BYTES)?,
        recipes: Recipes::default(),
        before: Before::default(),
        pieces: HashMap::new(),
        covered: Covered::default(),
        spare: Vec::new(),
    };
    give.ntuples(target)?;
    let mut branches = RowsIn::new(tables, table::BRANCHES, plan::BRANCHES)?;
    let mut title = Vec::new();
    let mut group: Vec<Live> = Vec::new();
    let mut current = None;
    let mut arrays = 0u64;
    while let Some(row) = branches.next()? {
        let &[id, columns, form, shared, name, own_title, record, links, most, sums_by, arrays_by] =
            row.as_slice()
        else {
            return Err(short());
        };
        if current.is_some_and(|c| c != id) {
            give.table(current, std::mem::take(&mut group), target)?;
        }
        current = Some(id);
        let from: usize = group.iter().map(|l| l.schemas.len()).sum();
        let schema = tables.schema(id as usize)?;
        let schemas = schema.columns.get(from..from.saturating_add(columns as usize)).ok_or_else(short)?;
        let form = give.streams.take(plan::HEADS, form as usize)?;
        let name = give.streams.take(plan::HEADS, name as usize)?;
        let own_title = give.streams.take(plan::HEADS, own_title as usize)?;
        if !own_title.is_empty() {
            title = own_title;
        }
        let form = Form::from_text(std::str::from_utf8(&form).map_err(|_| corruption("a form is no text"))?)?;
        let same = |(a, b): (&ColumnSchema, &ColumnSchema)| a.scalar == b.scalar && a.levels() == b.levels();
        if form.columns.len() != schemas.len() || !form.columns.iter().zip(schemas).all(same) {
            return Err(corruption("a form does not fit its columns"));
        }
        let first = schemas.first().map(|c| c.name.as_bytes()).unwrap_or_default();
        let name = match (shared, name.is_empty()) {
            (0, false) => name,
            (0, true) => first.to_vec(),
            _ => first.get(..shared as usize).ok_or_else(short)?.to_vec(),
        };
        let sums = sums_by.wrapping_add(arrays).wrapping_add(2 * name.len() as u64);
        arrays = arrays_by.wrapping_add(sums).wrapping_add(2 * name.len() as u64);
        let columns = form.empty_columns();
        group.push(Live {
            form,
            schemas: schemas.to_vec(),
            name,
            title: title.clone(),
            record,
            links: [links, most, sums, arrays],
            stored: Vec::new(),
            number: 0,
            filled: 0,
            columns,
            waiting: VecDeque::new(),
        });
    }
    give.table(current, group, target)?;
    give.objects(target)
}

fn short() -> strangelet::error::Error {
    corruption("residue of a ROOT file is incomplete")
}

impl Give<'_> {
    /// Writes what the tables of ntuples give back.
    fn ntuples(&mut self, target: &mut dyn Target) -> Result<()> {
        let residue = |table| self.tables.schema(table).is_ok_and(|s| s.residue);
        let mut next = table::PAGES + 1;
        let (mut firsts, mut spans) = (Vec::new(), Vec::new());
        while next < self.tables.count() && residue(next) {
            let claimed = ntuple::claimed(self.tables, next)?;
            firsts.push(next);
            spans.extend(claimed.spans);
            next = next.saturating_add(claimed.tables);
        }
        if firsts.is_empty() {
            return Ok(());
        }
        let mut rows = RowsIn::new(self.tables, table::PAGES, plan::PAGES)?;
        let mut known = Vec::new();
        while let Some(row) = rows.next()? {
            let &[recipe, fix] = row.as_slice() else { return Err(short()) };
            known.push((recipe, self.streams.take(plan::FIXES, fix as usize)?));
        }
        self.covered = Covered::new(spans);
        let mut pieces = Pieces::new(self.proofs);
        for first in firsts {
            ntuple::assemble(self.tables, first, &mut |piece: Piece| {
                let at = self.covered.find(piece.span.position);
                let (recipe, fix) =
                    at.and_then(|i| known.get_mut(i)).map(std::mem::take).ok_or_else(short)?;
                let recipe = self.recipe_bytes(recipe)?;
                pieces.push(piece, (recipe, fix), target)
            })?;
        }
        pieces.flush(target)
    }

    /// The head of a record, with what follows from its length and its place.
    fn head(&mut self, span: Span, keylen: u64, content: u64) -> Result<Vec<u8>> {
        let mut head = self.streams.take(plan::HEADS, keylen as usize)?;
        let wide = head.get(4).is_some_and(|&b| b >= 3) && head.get(4..6) > Some(&[3, 232]);
        set(&mut head, 0, &(span.len as u32).to_be_bytes())?;
        set(&mut head, 6, &(content as u32).to_be_bytes())?;
        set(&mut head, 14, &(keylen as u16).to_be_bytes())?;
        if wide {
            set(&mut head, 18, &span.pos.to_be_bytes())?;
        } else {
            set(&mut head, 18, &(span.pos as u32).to_be_bytes())?;
        }
        Ok(head)
    }

    /// Writes bytes of the plain stream.
    fn plain(&mut self, mut pos: u64, end: u64, target: &mut dyn Target) -> Result<()> {
        while pos < end {
            let piece = self.streams.take(plan::PLAIN, (end - pos).min(1 << 20) as usize)?;
            target.write_at(pos, &piece)?;
            pos += piece.len() as u64;
        }
        Ok(())
    }

    fn recipe(&mut self, number: u64, content_len: usize) -> Result<(PayloadRecipe, Vec<u8>)> {
        let bytes = self.recipe_bytes(number)?;
        Ok((PayloadRecipe::read(&mut bytes.as_slice(), content_len)?, bytes))
    }

    fn recipe_bytes(&mut self, number: u64) -> Result<Vec<u8>> {
        // Rows come before their baskets are made, so that a number may be ahead of those known.
        while number >= self.recipes.len() as u64 {
            let len = self.streams.take(plan::RECIPES, 2)?;
            let len = len.iter().rev().fold(0, |n, &b| n << 8 | b as usize);
            let bytes = self.streams.take(plan::RECIPES, len)?;
            self.recipes.push(bytes);
        }
        Ok(self.recipes.get(number).ok_or_else(short)?.to_vec())
    }

    fn payload(
        &mut self,
        number: u64,
        fix: &[u8],
        content: &[u8],
        pos: u64,
        target: &dyn Target,
    ) -> Result<Vec<u8>> {
        let (recipe, mut bytes) = self.recipe(number, content.len())?;
        bytes.extend_from_slice(fix);
        match self.proofs.recall(&bytes, content, target, pos) {
            Some(payload) => Ok(payload),
            None => block::apply(&mut self.kitchen, &recipe, fix, content),
        }
    }

    fn table(&mut self, id: Option<u64>, mut group: Vec<Live>, target: &mut dyn Target) -> Result<()> {
        let Some(id) = id else { return Ok(()) };
        let mut to = 0u64;
        for (chunk, events) in self.tables.chunks(id as usize)?.into_iter().enumerate() {
            to = to.checked_add(events).ok_or_else(short)?;
            let mut columns = self.tables.read(id as usize, chunk)?.into_iter();
            for live in &mut group {
                for column in &mut live.columns {
                    columns::append(column, columns.next().ok_or_else(short)?)?;
                }
                while live.filled < to {
                    let waiting = self.row(live)?;
                    live.filled = live.filled.checked_add(waiting.entries as u64).ok_or_else(short)?;
                    live.waiting.push_back(waiting);
                }
                self.complete(live, to, target)?;
            }
        }
        for live in &group {
            if !live.waiting.is_empty() {
                return Err(corruption("a branch ends within a basket"));
            }
            let [links, most, sums, arrays] = live.links;
            let pieces = self.pieces.entry(live.record).or_default();
            pieces.extend(plan::linked(links, most, sums, arrays, &live.stored));
        }
        Ok(())
    }

    /// Reads the row of the next basket of a branch, and what belongs to it in the streams.
    fn row(&mut self, live: &mut Live) -> Result<Waiting> {
        let row = self.baskets.want()?;
        let &[
            state,
            place,
            entries,
            keylen,
            version,
            datime,
            cycle,
            pdir,
            basket,
            buffer,
            room,
            io,
            flag,
            tail,
            last,
            content,
            border,
            recipe,
            fix,
        ] = row.as_slice()
        else {
            return Err(short());
        };
        let io_bits = (io != u16::MAX as u64).then_some(io as u8);
        let mut w = Waiting {
            state,
            place,
            entries: entries as usize,
            key: Key {
                nbytes: 0,
                version: version as u16,
                objlen: 0,
                datime: 0,
                keylen: keylen as u16,
                cycle: cycle.wrapping_add(live.number) as u16,
                seek_key: 0,
                seek_pdir: 0,
                class: b"TBasket".to_vec(),
                name: live.name.clone(),
                title: live.title.clone(),
            },
            head: BasketHead {
                version: basket as u16,
                buffer_size: buffer as u32,
                nev_buf_size: room as i32,
                io_bits,
                nev_buf: entries as u32,
                last: 0,
                flag: flag as u8,
            },
            own_head: Vec::new(),
            tail: Tail::None,
            content: Vec::new(),
            border,
            plain: Vec::new(),
            recipe,
            fix: Vec::new(),
        };
        live.number += 1;
        if entries == 0 || entries as usize > basket::MOST_ENTRIES {
            return Err(corruption("a basket has no entries, or too many"));
        }
        if state & state::EMBEDDED == 0 {
            w.place = self.before.record.wrapping_add(place);
            w.key.datime = self.before.datime.wrapping_add(datime as u32);
            w.key.seek_pdir = self.before.pdir.wrapping_add(pdir);
            self.before = Before { record: w.place, datime: w.key.datime, pdir: w.key.seek_pdir };
            let usual = plan::usual_keylen(&live.name, &live.title, w.key.version, io_bits.is_some());
            w.key.keylen = keylen.wrapping_add(usual as u64) as u16;
            if state & state::ODD_HEAD != 0 {
                w.own_head = self.streams.take(plan::HEADS, w.key.keylen as usize)?;
            }
        }
        if state & (state::RECIPE | state::EMBEDDED) == 0 {
            let span = self.span(w.place)?;
            let len = span.len.checked_sub(w.key.keylen as u64).ok_or_else(short)?;
            w.plain = self.streams.take(plan::PLAIN, len as usize)?;
            w.key.objlen = content as u32;
            return Ok(w);
        }
        if state & state::TYPED != 0 {
            w.tail = match tail {
                tail::NONE => Tail::None,
                tail::OFFSETS => Tail::Offsets(last as u32),
                tail::BARE => Tail::Bare,
                tail::OTHER => Tail::Other(self.streams.take(plan::CONTENTS, last as usize)?),
                _ => return Err(corruption("a basket's tail is of an unknown kind")),
            };
        } else {
            w.content = self.streams.take(plan::CONTENTS, content as usize)?;
        }
        w.fix = self.streams.take(plan::FIXES, fix as usize)?;
        Ok(w)
    }

    fn span(&self, record: u64) -> Result<Span> {
        let span = usize::try_from(record).ok().and_then(|r| self.spans.get(r));
        span.copied().ok_or_else(|| corruption("a basket names a record that is not there"))
    }

    /// Makes the baskets whose events are all there, up to event `to` of the table.
    fn complete(&mut self, live: &mut Live, to: u64, target: &mut dyn Target) -> Result<()> {
        let waiting: u64 = live.waiting.iter().map(|w| w.entries as u64).sum();
        let mut start = live.filled - waiting;
        let mut cursors: Vec<Cursor> = live.columns.iter().map(Cursor::start).collect();
        let mut passed = 0;
        while let Some(w) = live.waiting.front() {
            if start + w.entries as u64 > to {
                break;
            }
            start += w.entries as u64;
            let Some(mut w) = live.waiting.pop_front() else { break };
            if w.state & state::TYPED != 0 {
                let mut content = std::mem::take(&mut self.spare);
                content.clear();
                let keylen = w.key.keylen as usize;
                let border = basket::assemble(
                    &live.form,
                    &live.columns,
                    &mut cursors,
                    w.entries,
                    &w.tail,
                    keylen,
                    &mut content,
                )?;
                w.content = content;
                w.border = border as u64;
            } else {
                skip(&live.schemas, &live.columns, &mut cursors, w.entries)?;
            }
            passed += w.entries;
            let stored = self.write(live.record, w, target)?;
            live.stored.push(stored);
        }
        if passed > 0 {
            for (schema, column) in live.schemas.iter().zip(&mut live.columns) {
                let rest = columns::split(schema, column, passed)?;
                *column = rest;
            }
        }
        Ok(())
    }

    fn write(&mut self, record: u64, mut w: Waiting, target: &mut dyn Target) -> Result<Stored> {
        let entries = w.entries as u64;
        if w.state & state::EMBEDDED != 0 {
            let border = w.border as usize;
            let tail = w.content.split_off(border.min(w.content.len()));
            let pieces = self.pieces.entry(record).or_default();
            if tail.is_empty() {
                pieces.push((w.place, w.content));
            } else {
                let data = w.place + (tail.len() + w.key.keylen as usize) as u64;
                pieces.push((w.place, tail));
                pieces.push((data, w.content));
            }
            return Ok(Stored { entries, ..Stored::default() });
        }
        let span = self.span(w.place)?;
        let keylen = w.key.keylen as u64;
        let payload = if w.state & state::RECIPE != 0 {
            w.key.objlen = w.content.len() as u32;
            self.payload(w.recipe, &w.fix, &w.content, span.pos + keylen, target)?
        } else {
            w.plain
        };
        let inflated = keylen + w.key.objlen as u64;
        let head = if w.state & state::ODD_HEAD != 0 {
            w.own_head
        } else {
            w.key.nbytes = span.len as u32;
            w.key.seek_key = span.pos;
            w.head.last = (w.border + keylen) as u32;
            plan::head_bytes(&w.key, &w.head)
        };
        if head.len() as u64 != keylen || head.len() + payload.len() != span.len as usize {
            return Err(corruption("a basket does not fill its record"));
        }
        target.write_at(span.pos, &head)?;
        target.write_at(span.pos + keylen, &payload)?;
        self.spare = w.content;
        Ok(Stored { pos: span.pos, nbytes: span.len, inflated, entries })
    }

    /// Writes everything that is no basket.
    fn objects(&mut self, target: &mut dyn Target) -> Result<()> {
        let mut rows = RowsIn::new(self.tables, table::RECORDS, plan::RECORDS)?;
        let mut i = 0;
        while let Some(row) = rows.next()? {
            let &[kind, _, keylen, content, recipe, fix] = row.as_slice() else { return Err(short()) };
            let span = self.span(i)?;
            match kind {
                kind::BASKET => {}
                kind::PLAIN => {
                    self.plain(span.pos, span.pos + span.len, target)?;
                }
                kind::PIECES => {
                    if keylen > 0 {
                        let head = self.head(span, keylen, content)?;
                        target.write_at(span.pos, &head)?;
                    }
                    let rest = self.covered.gaps(span.pos.saturating_add(keylen), span.pos + span.len);
                    for (from, to) in rest.unwrap_or_default() {
                        self.plain(from, to, target)?;
                    }
                }
                kind::OBJECT => {
                    let head = self.head(span, keylen, content)?;
                    let content = self.content(i, content as usize)?;
                    let fix = self.streams.take(plan::FIXES, fix as usize)?;
                    let payload = self.payload(recipe, &fix, &content, span.pos + keylen, target)?;
                    if keylen + payload.len() as u64 != span.len {
                        return Err(corruption("an object does not fill its record"));
                    }
                    target.write_at(span.pos, &head)?;
                    target.write_at(span.pos + keylen, &payload)?;
                }
                _ => return Err(corruption(format!("a record of unknown kind {kind}"))),
            }
            i += 1;
        }
        Ok(())
    }

    /// The content of an object, with the pieces that came from columns.
    fn content(&mut self, record: u64, len: usize) -> Result<Vec<u8>> {
        let mut pieces = self.pieces.remove(&record).unwrap_or_default();
        pieces.sort_unstable_by_key(|p| p.0);
        let mut out = strangelet::limits::reserve(len);
        for (at, piece) in pieces {
            let gap = (at as usize).checked_sub(out.len()).filter(|_| at as usize <= len);
            let gap = gap.ok_or_else(|| corruption("pieces of an object overlap"))?;
            out.extend(self.streams.take(plan::CONTENTS, gap)?);
            out.extend(piece);
        }
        let rest = len.checked_sub(out.len()).ok_or_else(|| corruption("an object is too long"))?;
        out.extend(self.streams.take(plan::CONTENTS, rest)?);
        Ok(out)
    }
}

fn set(head: &mut [u8], at: usize, bytes: &[u8]) -> Result<()> {
    head.get_mut(at..at + bytes.len()).ok_or_else(short)?.copy_from_slice(bytes);
    Ok(())
}

/// Passes over entries whose basket is kept as bytes.
fn skip(schemas: &[ColumnSchema], columns: &[Column], cursors: &mut [Cursor], entries: usize) -> Result<()> {
    for ((schema, column), cursor) in schemas.iter().zip(columns).zip(cursors) {
        let mut items = entries;
        for (place, level) in cursor.lengths.iter_mut().zip(&column.lengths) {
            let end = place.checked_add(items).ok_or_else(short)?;
            items = level.get(*place..end).ok_or_else(short)?.iter().map(|&n| n as usize).sum();
            *place = end;
        }
        let cells = items.saturating_mul(schema.inner_cells() as usize);
        cursor.values =
            cursor.values.checked_add(cells).filter(|&c| c <= column.values.len()).ok_or_else(short)?;
    }
    Ok(())
}
