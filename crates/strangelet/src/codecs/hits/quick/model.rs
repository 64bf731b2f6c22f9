//! What is coded in which context: one walk over the rows, for both directions.

use super::coder::{Coder, EVEN, Table, class, fineness};
use super::frame::{Frame, Run};
use crate::error::{Result, corruption};

/// Numbers a prediction is made of: two before in the row, three around in the row before, one in the row before that.
pub const INPUTS: usize = 6;
/// A start is told by one in the row before that is at most as far.
pub const REACH: u32 = 3;
/// Kinds of start below are distances; this is none.
pub const NONE: usize = 2 * REACH as usize + 1;
/// A start that comes earlier.
pub const EARLIER: usize = NONE + 1;
/// Cells beside a row of classes.
const MARGIN: usize = 2;
/// Most bits of a class of values behind its first.
pub const FINEST: u32 = 5;
/// Most sets of weights.
pub const SETS: usize = 16;
/// Steps of a prediction, quarters of a class.
pub const GRADES: usize = 256;

/// A prediction of one set of places in a run, and the contexts that it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// In 64ths.
    pub weights: [i8; INPUTS],
    /// In 64ths.
    pub bias: i32,
    /// Where contexts end, in quarters, rising.
    pub bounds: Vec<u8>,
}

/// What a payload says about its frame before the first hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Largest number of a value.
    pub most: u32,
    /// Bits of a class of values behind its first.
    pub depth: u32,
    /// Bits of a prediction in 64ths that its grade leaves out.
    pub coarse: u32,
    /// Whether the places before the end of a run differ, not only those behind its start.
    pub ends: bool,
    /// Classes of peaks.
    pub peaks: [u8; 5],
    /// What a peak must differ from its mate's by to be another.
    pub slack: u8,
    /// One for each set of places.
    pub sets: Vec<Set>,
}

/// How many sets of places there are.
pub fn sets(ends: bool) -> usize {
    if ends { SETS } else { 3 }
}

/// The set of a place `p` of a run of `len`.
#[inline(always)]
pub fn set(ends: bool, p: u32, len: u32) -> usize {
    if ends { (p.min(3) * 4 + (len - 1 - p).min(3)) as usize } else { p.min(2) as usize }
}

/// The part of a prediction that the rows before and the bias make, in 64ths.
#[inline(always)]
pub fn from_before(set: &Set, before: &[u8], further: &[u8], t: usize) -> i32 {
    let w = set.weights.map(|w| w as i32);
    let mut sum = set.bias;
    // places t - 2 .. t + 1, moved by the margin
    if let (Some(&[_, b, c, d]), Some(&f)) =
        (before.get(t..t + 4).and_then(|r| r.as_array::<4>()), further.get(t + MARGIN))
    {
        sum += w[2] * b as i32 + w[3] * c as i32 + w[4] * d as i32 + w[5] * f as i32;
    }
    sum
}

/// The grade of a prediction from the two before in the run (0 where there are none).
#[inline(always)]
pub fn grade(set: &Set, coarse: u32, before: i32, one: u32, two: u32) -> usize {
    let sum = (before + set.weights[1] as i32 * two as i32) + set.weights[0] as i32 * one as i32;
    (sum >> coarse).clamp(0, GRADES as i32 - 1) as usize
}

/// Classes of a row with a margin on both sides.
pub fn blank(times: usize) -> Vec<u8> {
    vec![0; times + 2 * MARGIN]
}

/// Zeros where the runs of a row were.
pub fn wipe(row: &mut [u8], runs: &[Run]) {
    for run in runs {
        let from = run.start as usize + MARGIN;
        if let Some(part) = row.get_mut(from..from + run.len as usize) {
            part.fill(0);
        }
    }
}

/// The place of a time in a row of classes.
#[inline(always)]
pub fn place(t: usize) -> usize {
    t + MARGIN
}

/// Number of binary digits.
#[inline(always)]
fn digits(x: u32) -> usize {
    (32 - x.leading_zeros()) as usize
}

/// What is known of a hit before its value.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Its set of places.
    pub set: usize,
    /// What is expected, in quarters of a class.
    pub grade: usize,
    /// The class before in the run, or 0.
    pub one: u32,
    /// The one before that.
    pub two: u32,
    /// Its place in the run.
    pub p: u32,
    /// The length of the run.
    pub len: u32,
}

/// What is known before it is said whether a run of the row before tells a start.
#[derive(Debug, Clone, Copy)]
pub struct Cue {
    /// That run.
    pub told: Run,
    /// Class of its peak, whether it grows or shrinks, and how much of its reach is shut.
    pub peak: usize,
    /// 0: its first; 1: larger than its mate; 2: smaller; 3: alike.
    pub trend: usize,
    /// 0: open; 2: nearly shut.
    pub shut: usize,
    /// Whether a run may start before its reach.
    pub room: bool,
    /// The earliest start.
    pub from: u32,
    /// 0: nothing was coded in this row yet; 1: a run that nothing told; 2: something told.
    pub lately: u32,
}

/// What is known of a run before its length.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    /// Its first time bin.
    pub start: u32,
    /// What is left of the run that told it, at most 15, or 16.
    pub left: usize,
    /// Peak of that run, or 0.
    pub mate: u8,
    /// How far the next run of the row before is, at most 20.
    pub ahead: u32,
}

/// What is coded of runs and values by more than one table, or by one.
pub trait Model<C: Coder> {
    /// Goes to a row.
    fn enter(&mut self, layer: usize, pad: usize) {
        let _ = (layer, pad);
    }

    /// Learns the runs of the row.
    fn leave(&mut self, pad: usize, runs: &[Run]) {
        let _ = (pad, runs);
    }

    /// Codes a kind of start; `table` is that of its context.
    #[inline(always)]
    fn kind(&mut self, coder: &mut C, table: &mut Table<16>, cue: &Cue, kind: usize) -> usize {
        let _ = cue;
        coder.symbol(table, kind)
    }

    /// Codes a length less one; `table` is that of its context, `m` the bits of its classes behind the first.
    #[inline(always)]
    fn length(&mut self, coder: &mut C, table: &mut Table<64>, m: u32, begun: &Begun, length: u32) -> u32 {
        let _ = begun;
        coder.number(table, m, length)
    }

    /// Codes the class of a value.
    fn value(&mut self, coder: &mut C, place: Place, s: u32) -> u32;
}

/// One table for each context of the plan.
#[derive(Clone)]
pub struct Counted {
    /// The context of each grade of each set.
    contexts: [[u16; GRADES]; SETS],
    tables: Vec<Table<64>>,
}

impl Counted {
    /// The contexts of a plan.
    pub fn new(plan: &Plan) -> Self {
        let (mut contexts, mut tables) = ([[0u16; GRADES]; SETS], Vec::new());
        let shades = plan.shades();
        for (set, to) in plan.sets.iter().zip(&mut contexts) {
            let mut from = 0;
            for &end in set.bounds.iter().chain([&255]) {
                let end = end as usize + 1;
                let centre = ((from + end) << plan.coarse >> 7).min(shades - 1);
                to[from.min(end)..end].fill(tables.len() as u16);
                tables.push(Table::new(shades, centre as u8));
                from = end;
            }
        }
        Counted { contexts, tables }
    }

    /// Takes so many classes from now on.
    pub fn widen(&mut self, shades: usize) {
        self.tables.iter_mut().for_each(|table| table.widen(shades));
    }
}

impl<C: Coder> Model<C> for Counted {
    #[inline(always)]
    fn value(&mut self, coder: &mut C, place: Place, s: u32) -> u32 {
        let context = self.contexts[place.set][place.grade & (GRADES - 1)] as usize;
        coder.symbol(&mut self.tables[context], s as usize) as u32
    }
}

/// Bits of a prediction in 64ths that its grade leaves out, so that grades reach all classes.
pub fn coarse(shades: usize) -> u32 {
    (shades * 64).div_ceil(GRADES).next_power_of_two().trailing_zeros()
}

impl Plan {
    /// Number of classes, and the class 0.
    pub fn shades(&self) -> usize {
        class(self.most, self.depth).0 as usize + 1
    }
}

/// Places of starts and lengths, with the tables that tell them.
#[derive(Clone)]
struct Starts {
    kinds: Vec<Table<16>>,
    gaps: Vec<Table<64>>,
    ends: Vec<Table<64>>,
    lengths: Vec<Table<64>>,
    /// Number of time bins.
    times: u32,
    /// Bits of a class of times behind its first.
    fine: u32,
}

/// Contexts of a length: what is left of the run that told its start, or none told it.
const LENGTHS: usize = 17;
/// Classes of peaks.
const PEAKS: usize = 6;

impl Starts {
    fn new(times: u32) -> Self {
        let fine = fineness(times + 1, 3);
        let table = Table::new(class(times + 1, fine).0 as usize + 1, EVEN);
        let spans = digits(times) + 1;
        Starts {
            kinds: vec![Table::new(EARLIER + 1, EVEN); PEAKS * 4 * 3],
            gaps: vec![table.clone(); spans],
            ends: vec![table.clone(); 3 * spans],
            lengths: vec![table; LENGTHS],
            times,
            fine,
        }
    }

    /// What is known of a start that the run `told` of the row before may tell.
    #[inline(always)]
    fn cue(plan: &Plan, told: Run, from: u32, lately: u32) -> Cue {
        let early = told.start.saturating_sub(REACH);
        let trend = if told.mate == 0 {
            0
        } else if told.peak > told.mate.saturating_add(plan.slack) {
            1
        } else if told.mate > told.peak.saturating_add(plan.slack) {
            2
        } else {
            3
        };
        Cue {
            told,
            peak: plan.peaks.iter().filter(|&&p| p <= told.peak).count(),
            trend,
            shut: if from < early { 0 } else { (from + REACH - told.start).div_ceil(3).min(2) as usize },
            room: from < early,
            from,
            lately,
        }
    }

    /// The next start, or none.
    #[inline(always)]
    fn next<C: Coder, M: Model<C>>(
        &mut self,
        coder: &mut C,
        model: &mut M,
        plan: &Plan,
        mates: &[Run],
        at: &mut At,
        next: Option<Run>,
    ) -> Result<Option<Run>> {
        let beyond = || corruption("hits: a start beyond its row");
        let t = at.t;
        let run = |start, mate: u8, grand, len| Ok(Some(Run { start, len, peak: 0, mate, grand }));
        while let Some(&m) = mates.get(at.told) {
            if m.start + REACH < t {
                at.told += 1;
                continue;
            }
            let early = m.start.saturating_sub(REACH);
            let kind = match next {
                Some(r) if r.start < early => EARLIER,
                Some(r) if r.start <= m.start + REACH => (r.start + REACH - m.start) as usize,
                _ => NONE,
            };
            let cue = Self::cue(plan, m, t, at.lately);
            let table = &mut self.kinds[(cue.peak * 4 + cue.trend) * 3 + cue.shut];
            match model.kind(coder, table, &cue, kind) {
                NONE => {
                    at.told += 1;
                    at.lately = 2;
                }
                EARLIER => {
                    let span = early.saturating_sub(t);
                    let gap = next.map_or(0, |r| r.start - t);
                    let gap = coder.number(&mut self.gaps[digits(span)], self.fine, gap);
                    at.lately = 1;
                    return if gap < span { run(t + gap, 0, 0, 0) } else { Err(beyond()) };
                }
                kind => {
                    at.told += 1;
                    at.lately = 2;
                    let start = (m.start + kind as u32).wrapping_sub(REACH);
                    let fits = start >= t && start < self.times;
                    return if fits { run(start, m.peak, m.mate, m.start + m.len) } else { Err(beyond()) };
                }
            }
        }
        if t >= self.times {
            return Ok(None);
        }
        let span = self.times - t;
        let spans = self.gaps.len();
        let gap = next.map_or(0, |r| r.start - t + 1);
        let gap = coder.number(&mut self.ends[at.state * spans + digits(span)], self.fine, gap);
        at.lately = 1;
        match gap {
            0 => Ok(None),
            gap if gap <= span => run(t + gap - 1, 0, 0, 0),
            _ => Err(beyond()),
        }
    }

    /// The length of a run, which has the end of the run that told it instead.
    #[inline(always)]
    fn length<C: Coder, M: Model<C>>(
        &mut self,
        coder: &mut C,
        model: &mut M,
        mates: &[Run],
        at: &At,
        run: &mut Run,
        next: Option<Run>,
    ) -> Result<()> {
        let left =
            if run.mate == 0 { LENGTHS - 1 } else { run.len.saturating_sub(run.start).min(15) as usize };
        let ahead = mates.get(at.told).map_or(20, |m| m.start.saturating_sub(run.start).min(20));
        let begun = Begun { start: run.start, left, mate: run.mate, ahead };
        let len = next.map_or(0, |r| r.len - 1);
        run.len = model.length(coder, &mut self.lengths[left], self.fine, &begun, len).saturating_add(1);
        if run.len > self.times - run.start { Err(corruption("hits: a run beyond its row")) } else { Ok(()) }
    }
}

/// Where a row is at.
struct At {
    /// The earliest start.
    t: u32,
    /// The first run of the row before that may tell one.
    told: usize,
    /// 0 where the row before has runs, else 1 before the first run of this one and 2 behind.
    state: usize,
    /// See [`Cue`].
    lately: u32,
}

/// The classes of a row and of the two before, and their runs.
struct Near {
    own: Vec<u8>,
    before: Vec<u8>,
    further: Vec<u8>,
    runs: Vec<Run>,
    mates: Vec<Run>,
    last: Vec<Run>,
}

impl Near {
    /// As if the rows before were empty.
    fn forget(&mut self) {
        wipe(&mut self.before, &self.mates);
        self.mates.clear();
        self.forget_further();
    }

    fn forget_further(&mut self) {
        wipe(&mut self.further, &self.last);
        self.last.clear();
    }

    /// The row becomes the one before.
    fn pass(&mut self) {
        self.forget_further();
        std::mem::swap(&mut self.own, &mut self.further);
        std::mem::swap(&mut self.before, &mut self.further);
        std::mem::swap(&mut self.runs, &mut self.last);
        std::mem::swap(&mut self.mates, &mut self.last);
    }
}

/// What is counted of rows, starts and lengths.
#[derive(Clone)]
pub struct Tables {
    rows: usize,
    /// Bits of a class of empty rows behind its first.
    fine: u32,
    empty_rows: Table<64>,
    starts: Starts,
}

impl Tables {
    /// Before the first hit of a frame of `sides`.
    pub fn new(sides: [usize; 3]) -> Self {
        let rows = sides[0] * sides[1];
        let fine = fineness(rows as u32, 2);
        let empty_rows = Table::new(class(rows as u32, fine).0 as usize + 1, EVEN);
        Tables { rows, fine, empty_rows, starts: Starts::new(sides[2] as u32) }
    }

    /// Whether they also serve a frame of other sides.
    pub fn serve(&self, sides: [usize; 3]) -> bool {
        sides[0].checked_mul(sides[1]).is_some_and(|rows| rows <= self.rows)
            && sides[2] == self.starts.times as usize
    }
}

/// Codes all hits of a frame of `sides` (slowest first). Their number.
pub fn walk<C: Coder, M: Model<C>, F: Frame>(
    coder: &mut C,
    model: &mut M,
    frame: &mut F,
    sides: [usize; 3],
    plan: &Plan,
    tables: &mut Tables,
) -> Result<usize> {
    let (pads, times) = (sides[1], sides[2]);
    let rows = sides[0] * pads;
    let Tables { fine: row_fine, empty_rows, starts, .. } = tables;
    let mut near = Near {
        own: blank(times),
        before: blank(times),
        further: blank(times),
        runs: Vec::new(),
        mates: Vec::new(),
        last: Vec::new(),
    };
    let (mut row, mut hits) = (0, 0);
    while row < rows {
        if row % pads == 0 {
            near.forget();
        }
        let mut state = 0;
        if near.mates.is_empty() {
            let gap = if C::ENCODING { frame.filled(row) - row } else { 0 };
            let gap = coder.number(empty_rows, *row_fine, gap as u32) as usize;
            if gap > rows - row {
                return Err(corruption("hits: more rows than there are"));
            }
            row += gap;
            if row == rows {
                break;
            }
            if gap > 0 {
                near.forget_further();
            }
            state = 1;
        }
        frame.enter(row, &mut near.runs);
        model.enter(row / pads, row % pads);
        let (mut at, mut k) = (At { t: 0, told: 0, state, lately: 0 }, 0);
        loop {
            let next = if C::ENCODING { near.runs.get(k).copied() } else { None };
            let Some(mut run) = starts.next(coder, model, plan, &near.mates, &mut at, next)? else { break };
            starts.length(coder, model, &near.mates, &at, &mut run, next)?;
            code_run(coder, model, frame, plan, &mut near, &mut run)?;
            match near.runs.get_mut(k) {
                Some(known) => *known = run,
                None => near.runs.push(run),
            }
            hits += run.len as usize;
            k += 1;
            at.t = run.start + run.len + 1;
            at.state = 2 * at.state.min(1);
        }
        model.leave(row % pads, &near.runs);
        if coder.exhausted() {
            return Err(corruption("hits: ends too early"));
        }
        near.pass();
        row += 1;
    }
    Ok(hits)
}

/// Codes the values of a run. Finds its peak.
#[inline(always)]
fn code_run<C: Coder, M: Model<C>, F: Frame>(
    coder: &mut C,
    model: &mut M,
    frame: &mut F,
    plan: &Plan,
    near: &mut Near,
    run: &mut Run,
) -> Result<()> {
    let depth = plan.depth;
    let (mut peak, mut one, mut two) = (0, 0, 0);
    let from = run.start as usize;
    let Some(own) = near.own.get_mut(place(from)..place(from + run.len as usize)) else {
        return Err(corruption("hits: a run beyond its row"));
    };
    for (p, own) in own.iter_mut().enumerate() {
        let (t, p) = (from + p, p as u32);
        let which = set(plan.ends, p, run.len);
        let Some(set) = plan.sets.get(which) else {
            return Err(corruption("hits: a set of places that is not there"));
        };
        let grade = grade(set, plan.coarse, from_before(set, &near.before, &near.further, t), one, two);
        let number = if C::ENCODING { frame.number() } else { 0 };
        let s = if C::ENCODING { class(number, depth).0 } else { 0 };
        let s = model.value(coder, Place { set: which, grade, one, two, p, len: run.len }, s);
        let number = coder.rest(s, depth, number);
        if !C::ENCODING {
            frame.put(t, number)?;
        }
        *own = s as u8;
        peak = peak.max(s);
        (one, two) = (s, one);
    }
    run.peak = peak as u8;
    Ok(())
}
