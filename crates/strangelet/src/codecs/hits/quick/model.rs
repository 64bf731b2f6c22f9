//! What is coded in which context: one walk over the rows, for both directions.

use super::coder::{Coder, EVEN, Table, class, fineness};
use super::frame::{Frame, Run};
use crate::error::{Result, corruption};

/// Numbers a prediction is made of: two before in the row, three around in the row before, one in the row before that.
pub const INPUTS: usize = 6;
/// A start is told by one in the row before that is at most as far.
const REACH: u32 = 3;
/// Kinds of start: by distance, none, or one that comes earlier.
const NONE: usize = 2 * REACH as usize + 1;
const EARLIER: usize = NONE + 1;
/// Cells beside a row of classes.
const MARGIN: usize = 2;
/// Most sets of weights.
pub const SETS: usize = 16;
/// Steps of a prediction, quarters of a class.
pub const GRADES: usize = 256;

/// A prediction of one set of places in a run, and the contexts that it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// In 64ths.
    pub weights: [i8; INPUTS],
    /// In quarters.
    pub bias: i32,
    /// Where contexts end, in quarters, rising.
    pub bounds: Vec<u8>,
}

/// What a payload says about its frame before the first hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Largest number of a value.
    pub most: u32,
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
    let mut sum = set.bias * 16;
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
pub fn grade(set: &Set, before: i32, one: u32, two: u32) -> usize {
    let sum = (before + set.weights[1] as i32 * two as i32) + set.weights[0] as i32 * one as i32;
    (sum >> 4).clamp(0, GRADES as i32 - 1) as usize
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

/// Codes the classes of values.
pub trait Shades<C> {
    /// Codes a class.
    fn code(&mut self, coder: &mut C, place: Place, s: u32) -> u32;
}

/// One table for each context of the plan.
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
                let centre = ((from + end) / 8).min(shades - 1);
                to[from.min(end)..end].fill(tables.len() as u16);
                tables.push(Table::new(shades, centre as u8));
                from = end;
            }
        }
        Counted { contexts, tables }
    }
}

impl<C: Coder> Shades<C> for Counted {
    #[inline(always)]
    fn code(&mut self, coder: &mut C, place: Place, s: u32) -> u32 {
        let context = self.contexts[place.set][place.grade & (GRADES - 1)] as usize;
        coder.symbol(&mut self.tables[context], s as usize) as u32
    }
}

impl Plan {
    /// Bits of a class behind its first.
    pub fn depth(&self) -> u32 {
        fineness(self.most, 5)
    }

    /// Number of classes, and the class 0.
    pub fn shades(&self) -> usize {
        class(self.most, self.depth()).0 as usize + 1
    }
}

struct Tables {
    starts: Vec<Table<16>>,
    gaps: Vec<Table<64>>,
    ends: Vec<Table<64>>,
    lengths: Vec<Table<64>>,
    rows: Table<64>,
}

const LENGTHS: usize = 17;

/// Codes all hits of a frame of `sides` (slowest first).
pub fn walk<C: Coder, S: Shades<C>, F: Frame>(
    coder: &mut C,
    shades: &mut S,
    frame: &mut F,
    sides: [usize; 3],
    plan: &Plan,
) -> Result<()> {
    let (pads, times) = (sides[1], sides[2]);
    let rows = sides[0] * pads;
    let depth = plan.depth();
    let fine = fineness(times as u32 + 1, 3);
    let row_fine = fineness(rows as u32, 2);
    let steps = class(times as u32 + 1, fine).0 as usize + 1;
    let mut tables = Tables {
        starts: vec![Table::new(EARLIER + 1, EVEN); 6 * 4 * 3],
        gaps: vec![Table::new(steps, EVEN); 33],
        ends: vec![Table::new(steps, EVEN); 3 * 33],
        lengths: vec![Table::new(steps, EVEN); LENGTHS],
        rows: Table::new(class(rows as u32, row_fine).0 as usize + 1, EVEN),
    };
    let (mut own, mut before, mut further) = (blank(times), blank(times), blank(times));
    let (mut runs, mut mates, mut last) = (Vec::<Run>::new(), Vec::<Run>::new(), Vec::<Run>::new());
    let mut row = 0;
    while row < rows {
        if row % pads == 0 {
            wipe(&mut before, &mates);
            wipe(&mut further, &last);
            mates.clear();
            last.clear();
        }
        let mut known = false;
        if mates.is_empty() {
            let next = if C::ENCODING { frame.filled(row) } else { 0 };
            let gap = coder.number(&mut tables.rows, row_fine, next.wrapping_sub(row) as u32) as usize;
            if gap > rows - row {
                return Err(corruption("hits: more rows than there are"));
            }
            if gap > 0 {
                wipe(&mut further, &last);
                last.clear();
            }
            row += gap;
            if row == rows {
                break;
            }
            if coder.exhausted() {
                return Err(corruption("hits: ends too early"));
            }
            if row % pads == 0 {
                wipe(&mut further, &last);
                last.clear();
            }
            known = true;
        }
        let base = row * times;
        runs.clear();
        if C::ENCODING {
            frame.runs(row, &mut runs);
        }
        let (mut t, mut told, mut k) = (0u32, 0, 0);
        let end = times as u32;
        loop {
            while told < mates.len() && mates[told].start + REACH < t {
                told += 1;
            }
            let next = if C::ENCODING { runs.get(k).copied() } else { None };
            let (start, mut mate, until) = if let Some(m) = mates.get(told) {
                let early = m.start.saturating_sub(REACH);
                let shut = (t + REACH).saturating_sub(m.start);
                let shut = if t < early { 0 } else { (shut as usize + 2) / 3 };
                let peak = plan.peaks.iter().filter(|&&p| p <= m.peak).count();
                let trend = if m.mate == 0 {
                    0
                } else if m.peak > m.mate.saturating_add(plan.slack) {
                    1
                } else if m.mate > m.peak.saturating_add(plan.slack) {
                    2
                } else {
                    3
                };
                let kind = match next {
                    None => NONE,
                    Some(r) if r.start < early => EARLIER,
                    Some(r) if r.start > m.start + REACH => NONE,
                    Some(r) => (r.start + REACH - m.start) as usize,
                };
                let kind =
                    coder.symbol(&mut tables.starts[((peak * 4 + trend) * 3 + shut.min(2)) % 72], kind);
                match kind {
                    NONE => {
                        told += 1;
                        continue;
                    }
                    EARLIER => {
                        let span = early.saturating_sub(t);
                        let gap = next.map_or(0, |r| r.start - t);
                        let gap = coder.number(&mut tables.gaps[digits(span) % 33], fine, gap);
                        if gap >= span {
                            return Err(corruption("hits: a start beyond its span"));
                        }
                        (t + gap, 0, 0)
                    }
                    kind => {
                        told += 1;
                        let start = (m.start + kind as u32).wrapping_sub(REACH);
                        if start < t || start >= end {
                            return Err(corruption("hits: a start beyond its row"));
                        }
                        (start, m.peak, m.start + m.len)
                    }
                }
            } else {
                if t >= end {
                    break;
                }
                let state = if !known { 0 } else { 1 + (k > 0) as usize };
                let gap = next.map_or(0, |r| r.start - t + 1);
                let gap = coder.number(&mut tables.ends[state * 33 + digits(end - t) % 33], fine, gap);
                if gap == 0 {
                    break;
                }
                if gap > end - t {
                    return Err(corruption("hits: a start beyond its row"));
                }
                (t + gap - 1, 0, 0)
            };
            let ahead = if mate == 0 { LENGTHS as u32 - 1 } else { until.saturating_sub(start).min(15) };
            let len = next.map_or(0, |r| r.len - 1);
            let len = coder.number(&mut tables.lengths[ahead as usize], fine, len).saturating_add(1);
            if len > end - start {
                return Err(corruption("hits: a run beyond its row"));
            }
            let (mut peak, mut one, mut two) = (0, 0u32, 0);
            for p in 0..len {
                let at = (start + p) as usize;
                let which = set(plan.ends, p, len);
                let Some(set) = plan.sets.get(which) else {
                    return Err(corruption("hits: a set of places that is not there"));
                };
                let grade = grade(set, from_before(set, &before, &further, at), one, two);
                let number = if C::ENCODING { frame.number(base + at) } else { 0 };
                let s = if C::ENCODING { class(number, depth).0 } else { 0 };
                let s = shades.code(coder, Place { set: which, grade, one, two, p, len }, s);
                let number = coder.rest(s, depth, number);
                own[at + MARGIN] = s as u8;
                peak = peak.max(s);
                (one, two) = (s, one);
                if !C::ENCODING {
                    frame.put(base + at, number)?;
                }
            }
            if mate == 0 && until > 0 {
                mate = 1;
            }
            let run = Run { start, len, peak: peak as u8, mate };
            if C::ENCODING {
                runs[k] = run;
            } else {
                runs.push(run);
            }
            k += 1;
            t = start + len + 1;
        }
        if coder.exhausted() {
            return Err(corruption("hits: ends too early"));
        }
        wipe(&mut further, &last);
        (own, before, further) = (further, own, before);
        (runs, mates, last) = (last, runs, mates);
        row += 1;
    }
    Ok(())
}
