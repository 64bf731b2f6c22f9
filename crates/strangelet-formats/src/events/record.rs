//! Lines to columns, and columns to lines.

use super::Plan;
use super::lines::{Dialect, Kind, Parts, Role};
use super::number::Value;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use strangelet::column::{Cells, Column, ColumnSchema, Scalar};
use strangelet::error::{Result, corruption};
use strangelet::format::varint::{Cursor, put};

/// Kind of a line that is kept as text.
const TEXT: u16 = 0;

/// Columns of the table `events`.
pub fn schemas(plan: &Plan) -> Vec<ColumnSchema> {
    let mut seen = HashSet::new();
    let mut schemas = Vec::new();
    for kind in &plan.kinds {
        let depth = u8::from(!kind.single);
        let mut add = |name: String, scalar, depth| {
            let mut name = name;
            while !seen.insert(name.clone()) {
                name.push('\'');
            }
            schemas.push(ColumnSchema::jagged(name, scalar, depth));
        };
        let fixed = kind.fixed(plan.dialect);
        if plan.dialect.has_list(kind.role) {
            add(plan.dialect.list_name().into(), Scalar::I64, depth + 1);
        }
        for (i, field) in kind.fields.iter().enumerate() {
            let scalar = if field.style.is_integer() { Scalar::I64 } else { Scalar::F64 };
            add(plan.dialect.name(&kind.key, i), scalar, depth + u8::from(i >= fixed));
        }
    }
    schemas
}

/// Lines of a kind that leads to lines of others.
#[derive(Clone, Copy)]
enum Rule {
    /// A vertex stands before the first particle that names it: kinds, and the slots of parent and id.
    Named { particle: usize, vertex: Option<usize> },
    /// A line tells in some slots how many lines of the other kind follow.
    Leads { leader: usize, follower: usize, slots: [usize; 2], count: usize },
    /// Nothing.
    None,
}

/// Slots of HepMC3 that belong together: parent of a particle, id of a vertex.
const PARENT: usize = 1;
const ID: usize = 0;

impl Rule {
    fn of(plan: &Plan) -> Rule {
        let find = |role| plan.kinds.iter().position(|k: &Kind| k.role == role);
        let integers = |k: usize, slots: &[usize]| {
            slots.iter().all(|&s| plan.kinds[k].fields.get(s).is_some_and(|f| f.style.is_integer()))
        };
        match plan.dialect {
            Dialect::HepMc3 => {
                let vertex = find(Role::Vertex).filter(|&v| integers(v, &[ID]));
                match find(Role::Particle).filter(|&p| integers(p, &[PARENT])) {
                    Some(particle) => Rule::Named { particle, vertex },
                    None => Rule::None,
                }
            }
            Dialect::HepMc2 => match (find(Role::Vertex), find(Role::Particle)) {
                (Some(leader), Some(follower)) if integers(leader, &[6, 7]) => {
                    Rule::Leads { leader, follower, slots: [6, 7], count: 2 }
                }
                _ => Rule::None,
            },
            Dialect::Lhe => match (find(Role::Event), find(Role::Particle)) {
                (Some(leader), Some(follower)) if integers(leader, &[0]) => {
                    Rule::Leads { leader, follower, slots: [0, 0], count: 1 }
                }
                _ => Rule::None,
            },
        }
    }
}

/// Cells of a kind while lines come.
#[derive(Default, Clone)]
struct Building {
    /// Lines in each event.
    counts: Vec<u32>,
    /// Lines of all events.
    rows: u64,
    /// Those of events that have ended.
    counted: u64,
    cells: Vec<Vec<u64>>,
    list_lengths: Vec<u32>,
    list: Vec<u64>,
    extra: Vec<u32>,
    /// Row behind the last odd field.
    odd: u64,
}

/// What became of a line.
#[derive(Clone, Copy)]
enum Line<'a> {
    Text(&'a [u8]),
    /// Kind and row.
    Row(usize, usize),
}

/// Makes the columns of a chunk.
pub struct Builder<'p> {
    plan: &'p Plan,
    rule: Rule,
    numbers: HashMap<&'p [u8], usize>,
    kinds: Vec<Building>,
    events: u64,
    run_lengths: Vec<u32>,
    run_kinds: Vec<u16>,
    run_counts: Vec<u32>,
    text_lengths: Vec<u32>,
    texts: Vec<u32>,
    text: Vec<u8>,
    odd: Vec<u8>,
    odd_count: u64,
}

impl<'p> Builder<'p> {
    pub fn new(plan: &'p Plan) -> Self {
        let kinds = plan
            .kinds
            .iter()
            .map(|k| Building { cells: vec![Vec::new(); k.fields.len()], ..Building::default() });
        Builder {
            plan,
            rule: Rule::of(plan),
            numbers: plan.kinds.iter().enumerate().map(|(i, k)| (k.key.as_slice(), i)).collect(),
            kinds: kinds.collect(),
            events: 0,
            run_lengths: Vec::new(),
            run_kinds: Vec::new(),
            run_counts: Vec::new(),
            text_lengths: Vec::new(),
            texts: Vec::new(),
            text: Vec::new(),
            odd: Vec::new(),
            odd_count: 0,
        }
    }

    /// Takes the lines of whole events.
    pub fn take(&mut self, text: &[u8]) {
        let mut parts = Parts::default();
        let mut scratch = Vec::new();
        let mut event: Vec<Line> = Vec::new();
        for line in super::lines(text) {
            if self.plan.dialect.begins(line) && !event.is_empty() {
                self.event(&event);
                event.clear();
            }
            let row = match self.plan.bare(line) {
                Some(bare) if self.plan.dialect.split(bare, &mut parts) => {
                    let number = self.numbers.get(parts.key.as_slice()).copied();
                    number.and_then(|n| Some((n, self.row(n, bare, &parts, &mut scratch)?)))
                }
                _ => None,
            };
            event.push(row.map_or(Line::Text(line), |(n, row)| Line::Row(n, row)));
        }
        if !event.is_empty() {
            self.event(&event);
        }
    }

    /// Takes a line of kind `n`; its row.
    fn row(&mut self, n: usize, line: &[u8], parts: &Parts, scratch: &mut Vec<u8>) -> Option<usize> {
        let kind = &self.plan.kinds[n];
        let b = &mut self.kinds[n];
        if kind.single && b.counts.len() as u64 != b.rows {
            return None; // never more than one an event
        }
        for (i, (slot, field)) in parts.slots.iter().zip(&kind.fields).enumerate() {
            let text = &line[slot.start..slot.end];
            let value = field.parse(text, slot.blanks, scratch);
            if value.is_none() {
                put(&mut self.odd, n as u64);
                put(&mut self.odd, i as u64);
                put(&mut self.odd, b.rows - b.odd);
                put(&mut self.odd, text.len() as u64);
                self.odd.extend_from_slice(text);
                self.odd_count += 1;
                b.odd = b.rows;
            }
            let value = value.or_else(|| field.style.value(&text[slot.blanks..]));
            let cell = match value {
                Some(Value::Integer(n)) => n as u64,
                Some(Value::Float(x)) => x.to_bits(),
                None => b.cells[i].last().copied().unwrap_or(0),
            };
            b.cells[i].push(cell);
        }
        if self.plan.dialect.has_list(kind.role) {
            b.list_lengths.push(parts.list.len() as u32);
            b.list.extend(parts.list.iter().map(|&n| n as u64));
        }
        if self.plan.dialect.has_extra(kind.role) {
            b.extra.push(u32::from(parts.extra));
        }
        b.rows += 1;
        Some(b.rows as usize - 1)
    }

    fn run(&mut self, kind: u16, count: u32) {
        let begins = self.run_lengths.last().is_none_or(|&n| n == 0);
        match (self.run_kinds.last(), self.run_counts.last_mut()) {
            (Some(&last), Some(n)) if last == kind && !begins => *n += count,
            _ => {
                self.run_kinds.push(kind);
                self.run_counts.push(count);
                if let Some(n) = self.run_lengths.last_mut() {
                    *n += 1;
                }
            }
        }
    }

    /// Ends an event: its lines as runs.
    fn event(&mut self, lines: &[Line]) {
        self.run_lengths.push(0);
        self.text_lengths.push(0);
        let record = self.plan.kinds.len() as u16 + 1;
        let integer =
            |kinds: &[Building], n: usize, slot: usize, row: usize| kinds[n].cells[slot][row] as i64;
        // Vertices of the event in their order.
        let vertices: Vec<i64> = match self.rule {
            Rule::Named { vertex: Some(v), .. } => lines
                .iter()
                .filter_map(|l| match l {
                    Line::Row(n, row) if *n == v => Some(integer(&self.kinds, v, ID, *row)),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        let mut named = 0;
        let mut at = 0;
        while at < lines.len() {
            let next = lines.get(at + 1).copied();
            match (lines[at], self.rule) {
                (Line::Text(text), _) => {
                    self.run(TEXT, 1);
                    self.text.extend_from_slice(text);
                    self.texts.push(text.len() as u32);
                    if let Some(n) = self.text_lengths.last_mut() {
                        *n += 1;
                    }
                }
                (Line::Row(n, _), Rule::Named { vertex: Some(v), particle }) if n == v => {
                    let id = vertices[named];
                    named += 1;
                    match next {
                        Some(Line::Row(p, row))
                            if p == particle && integer(&self.kinds, p, PARENT, row) == id =>
                        {
                            self.run(record, 1);
                            at += 1;
                        }
                        _ => self.run(n as u16 + 1, 1),
                    }
                }
                (Line::Row(n, row), Rule::Named { particle, .. }) if n == particle => {
                    let parent = integer(&self.kinds, n, PARENT, row);
                    let implied = vertices.get(named) == Some(&parent);
                    self.run(if implied { n as u16 + 1 } else { record }, 1);
                }
                (Line::Row(n, row), Rule::Leads { leader, follower, slots, count }) if n == leader => {
                    let told = told(&slots[..count], |s| integer(&self.kinds, n, s, row));
                    let follow = lines[at + 1..]
                        .iter()
                        .take_while(|l| matches!(l, Line::Row(n, _) if *n == follower))
                        .count();
                    if told == Some(follow as u64) {
                        self.run(record, 1);
                        at += follow;
                    } else {
                        self.run(n as u16 + 1, 1);
                    }
                }
                (Line::Row(n, _), _) => self.run(n as u16 + 1, 1),
            }
            at += 1;
        }
        for b in &mut self.kinds {
            b.counts.push((b.rows - b.counted) as u32);
            b.counted = b.rows;
        }
        self.events += 1;
    }

    /// Events, columns of `lines`, columns of `events`, odd fields.
    pub fn finish(self) -> (u64, Vec<Column>, Vec<Column>, Vec<u8>) {
        let lines = vec![
            Column::jagged(self.run_lengths.clone(), Cells::W2(self.run_kinds)),
            Column::jagged(self.run_lengths, Cells::W4(self.run_counts)),
            Column { lengths: vec![self.text_lengths, self.texts], values: Cells::W1(self.text) },
        ];
        let mut columns = Vec::new();
        for (kind, mut b) in self.plan.kinds.iter().zip(self.kinds) {
            if kind.single {
                // An event may lack its line, where it was kept as text.
                for cells in &mut b.cells {
                    let mut rest = std::mem::take(cells).into_iter();
                    let mut last = 0;
                    for &n in &b.counts {
                        last = if n > 0 { rest.next().unwrap_or(last) } else { last };
                        cells.push(last);
                    }
                }
            }
            let outer = if kind.single { Vec::new() } else { vec![b.counts] };
            let with = |inner: Vec<u32>| [outer.as_slice(), &[inner]].concat();
            let fixed = kind.fixed(self.plan.dialect);
            if self.plan.dialect.has_list(kind.role) {
                columns.push(Column { lengths: with(b.list_lengths), values: Cells::W8(b.list) });
            }
            for (i, cells) in b.cells.into_iter().enumerate() {
                let lengths = if i >= fixed { with(b.extra.clone()) } else { outer.clone() };
                columns.push(Column { lengths, values: Cells::W8(cells) });
            }
        }
        let mut odd = Vec::new();
        put(&mut odd, self.odd_count);
        odd.extend(self.odd);
        (self.events, lines, columns, odd)
    }
}

/// The number of lines that a line says will follow.
fn told(slots: &[usize], value: impl Fn(usize) -> i64) -> Option<u64> {
    slots.iter().try_fold(0u64, |n, &s| n.checked_add(u64::try_from(value(s)).ok()?))
}

/// Columns of a kind while lines are made of them.
struct Reading<'a> {
    kind: &'a Kind,
    fixed: usize,
    /// Lines in each event, where that is not one.
    counts: &'a [u32],
    /// Behind the last line of the event.
    end: usize,
    cells: Vec<&'a [u64]>,
    list_lengths: &'a [u32],
    list: &'a [u64],
    extra: &'a [u32],
    has_list: bool,
    row: usize,
    listed: usize,
    extras: usize,
    /// Rows and fields that are odd, the last first.
    odd: Vec<(usize, usize, &'a [u8])>,
}

/// The columns of a chunk.
pub struct Columns<'a> {
    plan: &'a Plan,
    rule: Rule,
    events: u64,
    lines: &'a [Column],
    kinds: Vec<Reading<'a>>,
}

fn strange() -> strangelet::error::Error {
    corruption("events: columns of another kind")
}

fn wide(column: &Column) -> Result<&[u64]> {
    match &column.values {
        Cells::W8(v) => Ok(v),
        _ => Err(strange()),
    }
}

impl<'a> Columns<'a> {
    pub fn new(
        plan: &'a Plan,
        events: u64,
        lines: &'a [Column],
        columns: &'a [Column],
        odd: &'a [u8],
    ) -> Result<Self> {
        let mut rest = columns.iter();
        let mut next = || rest.next().ok_or_else(strange);
        let mut kinds = Vec::new();
        for kind in &plan.kinds {
            let (fixed, has_list) = (kind.fixed(plan.dialect), plan.dialect.has_list(kind.role));
            let (mut list_lengths, mut list, mut extra): (&[u32], &[u64], &[u32]) = (&[], &[], &[]);
            if has_list {
                let column = next()?;
                list = wide(column)?;
                list_lengths = column.lengths.last().ok_or_else(strange)?;
            }
            let (mut cells, mut counts): (_, &[u32]) = (Vec::new(), &[]);
            for i in 0..kind.fields.len() {
                let column = next()?;
                cells.push(wide(column)?);
                if !kind.single {
                    counts = column.lengths.first().ok_or_else(strange)?;
                }
                if i >= fixed {
                    extra = column.lengths.last().ok_or_else(strange)?;
                }
            }
            kinds.push(Reading {
                kind,
                fixed,
                counts,
                end: 0,
                cells,
                list_lengths,
                list,
                extra,
                has_list,
                row: 0,
                listed: 0,
                extras: 0,
                odd: Vec::new(),
            });
        }
        let mut c = Cursor::new(odd);
        let mut rows = vec![0usize; kinds.len()];
        for _ in 0..c.count()? {
            let (kind, field) = (c.varint()? as usize, c.varint()? as usize);
            let since = c.varint()? as usize;
            let n = c.count()?;
            let text = c.take(n)?;
            let reading = kinds.get_mut(kind).ok_or_else(strange)?;
            rows[kind] = rows[kind].saturating_add(since);
            reading.odd.push((rows[kind], field, text));
        }
        kinds.iter_mut().for_each(|k| k.odd.reverse());
        Ok(Columns { plan, rule: Rule::of(plan), events, lines, kinds })
    }

    /// Writes the text.
    pub fn join(mut self, out: &mut Vec<u8>) -> Result<()> {
        let [kinds, counts, texts] = self.lines else { return Err(strange()) };
        let (Cells::W2(run_kinds), Cells::W4(run_counts), Cells::W1(text)) =
            (&kinds.values, &counts.values, &texts.values)
        else {
            return Err(strange());
        };
        let (Some(lengths), [_, text_lengths]) = (kinds.lengths.first(), texts.lengths.as_slice()) else {
            return Err(strange());
        };
        let record = self.plan.kinds.len() as u16 + 1;
        let mut runs = run_kinds.iter().zip(run_counts);
        let (mut text, mut text_lengths) = (text.as_slice(), text_lengths.iter());
        for event in 0..self.events as usize {
            for k in &mut self.kinds {
                if k.kind.single {
                    (k.row, k.end) = (event, event + 1);
                } else {
                    k.end = k.end.saturating_add(k.counts.get(event).map_or(0, |&n| n as usize));
                }
            }
            for _ in 0..*lengths.get(event).ok_or_else(strange)? {
                let (&kind, &count) = runs.next().ok_or_else(strange)?;
                for _ in 0..count {
                    if kind == TEXT {
                        let &n = text_lengths.next().ok_or_else(strange)?;
                        let (line, rest) = text.split_at_checked(n as usize).ok_or_else(strange)?;
                        out.extend_from_slice(line);
                        text = rest;
                    } else if kind == record {
                        self.record(out)?;
                    } else {
                        self.line(usize::from(kind) - 1, out)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A line of the record, and those that it implies.
    fn record(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match self.rule {
            Rule::None => Err(corruption("events: a record where there is none")),
            Rule::Named { particle, vertex } => {
                if let Some(v) = vertex {
                    let parent = self.kinds[particle].next(PARENT);
                    // A vertex that is the parent has not been written.
                    if parent.is_some() && parent == self.kinds[v].next(ID) {
                        self.line(v, out)?;
                    }
                }
                self.line(particle, out)
            }
            Rule::Leads { leader, follower, slots, count } => {
                let reading = &self.kinds[leader];
                let told = told(&slots[..count], |s| reading.next(s).map_or(-1, |n| n as i64));
                self.line(leader, out)?;
                for _ in 0..told.ok_or_else(strange)? {
                    self.line(follower, out)?;
                }
                Ok(())
            }
        }
    }

    /// The next line of a kind.
    fn line(&mut self, kind: usize, out: &mut Vec<u8>) -> Result<()> {
        let r = self.kinds.get_mut(kind).ok_or_else(strange)?;
        let row = r.row;
        r.row += 1;
        for i in 0..r.fixed {
            r.kind.text(i, out);
            r.cell(i, row, row, out)?;
        }
        let brackets = r.has_list && self.plan.dialect == Dialect::HepMc3;
        if r.has_list {
            let &n = r.list_lengths.get(row).ok_or_else(strange)?;
            let end = r.listed.saturating_add(n as usize);
            let items = r.list.get(r.listed..end).ok_or_else(strange)?;
            r.listed = end;
            if brackets {
                out.extend_from_slice(b" [");
            }
            for (i, &n) in items.iter().enumerate() {
                if !brackets {
                    out.push(b' ');
                } else if i > 0 {
                    out.push(b',');
                }
                // Writing to a vector cannot fail.
                let _ = write!(out, "{}", n as i64);
            }
            if brackets {
                out.push(b']');
            }
        }
        if r.fixed == r.cells.len() {
            if !brackets {
                r.kind.text(r.fixed, out);
            }
        } else if *r.extra.get(row).ok_or_else(strange)? > 0 {
            let at = r.extras;
            r.extras += 1;
            out.extend_from_slice(b" @");
            for i in r.fixed..r.cells.len() {
                r.cell(i, row, at, out)?;
            }
        }
        out.extend_from_slice(self.plan.end());
        Ok(())
    }
}

impl Reading<'_> {
    /// The next cell of a field, where the event has one.
    fn next(&self, field: usize) -> Option<u64> {
        if self.row >= self.end {
            return None;
        }
        self.cells.get(field)?.get(self.row).copied()
    }

    /// Writes field `i` of a line from the cell at `at`.
    fn cell(&mut self, i: usize, row: usize, at: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.odd.last().is_some_and(|o| (o.0, o.1) == (row, i)) {
            if let Some((_, _, text)) = self.odd.pop() {
                out.extend_from_slice(text);
            }
            return Ok(());
        }
        let &cell = self.cells[i].get(at).ok_or_else(strange)?;
        let field = self.kind.fields[i];
        let value = match field.style.is_integer() {
            true => Value::Integer(cell as i64),
            false => Value::Float(f64::from_bits(cell)),
        };
        field.render(value, out);
        Ok(())
    }
}
