//! Taking a basket apart: its content into columns, the rest into a row.

use super::basket::{self, Basket, Tail};
use super::form::Form;
use super::plan::{self, Before, state, tail};
use super::record::{BasketHead, Key, Kind, Record};
use super::take::Take;
use super::take_tree::{Host, Live, Place};
use super::tree::{Branch, Embedded};
use std::rc::Rc;
use strangelet::column::{Column, ColumnSchema};
use strangelet::dissect::Sink;
use strangelet::error::{Result, corruption};

impl Take<'_> {
    /// Takes the next basket of a branch.
    pub(super) fn basket(&mut self, sink: &mut dyn Sink, live: &mut Live, host: &Host) -> Result<()> {
        let missing = || corruption("a branch has fewer baskets than it says");
        let Some((place, entries)) = live.baskets.get(live.next).cloned() else { return Err(missing()) };
        let Some(found) = &mut live.found else { return Err(missing()) };
        let proved = found.proved.tails.pop_front();
        let number = live.next;
        live.next += 1;
        live.filled += entries as u64;
        match place {
            Place::Embedded(e) => {
                let content = embedded_content(host.content, &e);
                let basket = Basket { content: &content, border: e.len, entries, keylen: e.keylen };
                let tail = proved.or_else(|| typed(&found.form, &basket, &mut live.columns, &mut self.again));
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
                    None => self.content(i)?.map(Rc::new),
                };
                let Some(Record { kind: Kind::Basket(key, head), .. }) = self.records.get(i).cloned() else {
                    return Err(missing());
                };
                let payload = self.payload(i)?;
                let border = head.last as usize - key.keylen as usize;
                let mut row = self.head_row(sink, i, number, &live.branch, &key, &head)?;
                row.entries = entries;
                match &content {
                    Some(content) => {
                        let basket = Basket { content, border, entries, keylen: key.keylen as usize };
                        let tail = proved
                            .or_else(|| typed(&found.form, &basket, &mut live.columns, &mut self.again));
                        let packed = self.pack(sink, &payload, content)?;
                        if let Some((recipe, fix)) = packed {
                            row.state |= state::RECIPE;
                            row.recipe = recipe;
                            row.fix = fix.len() as u64;
                            self.content_row(sink, &mut row, content, border, tail)?;
                            self.streams.push(sink, plan::FIXES, &fix)?;
                        } else {
                            row.content = Vec::len(content) as u64;
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
                if let Some(Ok(spare)) = content.map(Rc::try_unwrap) {
                    self.kitchen.recycle(spare);
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
pub(super) fn embedded_content(tree: &[u8], e: &Embedded) -> Vec<u8> {
    let mut out = tree.get(e.data..e.data + e.len).unwrap_or_default().to_vec();
    if let Some(o) = e.offsets {
        out.extend_from_slice(tree.get(o..o + 4 + 4 * e.head.nev_buf as usize).unwrap_or_default());
    }
    out
}

fn typed(form: &Form, basket: &Basket, columns: &mut [Column], again: &mut Vec<u8>) -> Option<Tail> {
    basket::dissect(form, basket, columns, again).ok()
}

fn fill(form: &Form, columns: &mut [Column], entries: usize) {
    let each = |(s, c): (&ColumnSchema, &mut Column)| basket::fill(s, c, entries);
    form.columns.iter().zip(columns).for_each(each);
}
