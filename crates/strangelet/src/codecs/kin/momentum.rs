//! Momenta, energies, masses.
//!
//! # Momenta
//! Rows are coded in their order. For each vertex the sum of what goes in less what comes out is kept (each row is first taken
//! from the vertex that it goes into, added, then from that it comes out of, subtracted), with the largest magnitude of each
//! component and the number of members to come. Predictions of a row, by mode:
//!
//! | mode | prediction | where |
//! |---|---|---|
//! | 2 left | the sum at the vertex | the row is its last member |
//! | 3 copy | the first parent's | it has one |
//! | 4, 5 root | both pz for which the last member is on its mass shell ([`roots`]) | pz, all but two members are known |
//! | 6 along | the parent's x own px / parent's px | py, pz; one goes in, one comes out |
//! | 7 pair | the sum at the vertex and at its partner | the row is the last member, the vertex has a partner |
//!
//! The vertex is that of birth, or of death where there is no birth, or where death lacks only this row and birth more; signs are
//! turned for death. **Partners**: a complete vertex of both ins and outs whose sum of px is above 1e-7 of its largest px takes
//! the newest waiting vertex of the event with the opposite sum (to 1e-9 of the larger largest px), or waits itself (256 at
//! most, the oldest leaves). For px itself a partner is not known yet: the number of the waiting vertex, counted back from
//! the newest (0: none), is coded before the cell, where any waits and this row is the last; then mode 7 is the only prediction, and
//! all contexts of the mode are 77.
//!
//! # Energies
//! Mode 2: sqrt(px^2 + py^2 + pz^2 + m |m|), 0 where that is not above 0; 3: the sum at the vertex of birth, of whose members
//! it is the last; 4: the first parent's.
//!
//! # Masses
//! Modes 2 to 4: the last three different masses of the same |pid|, newest first (0 before there are so many); 5: the first
//! parent's.

use super::choice::{Hints, Numbers, exponent, hash, scale};
use crate::entropy::binary::BitCoder;
use crate::error::{Result, corruption};
use crate::limits;
use crate::model::graph::{Graph, NONE};
use std::collections::HashMap;

/// Modes of a momentum: what is left at the vertex, a copy, both roots of the mass shell, the
/// parent's direction, what is left at two vertices together.
const LEFT: usize = 2;
const COPY: usize = 3;
const ROOT_A: usize = 4;
const ROOT_B: usize = 5;
const ALONG: usize = 6;
const PAIR: usize = 7;

/// Vertices that wait for one that takes up what they lack.
const WAITING: usize = 256;
/// How exactly it must.
const EXACT: f64 = 1e-9;
/// How much a vertex must lack to wait.
const LACK: f64 = 1e-7;

/// Sums over the members of each group, of up to four components: in minus out.
struct Sums {
    /// px, py, pz, energy.
    left: Vec<[f64; 4]>,
    /// The largest of each.
    most: Vec<[f64; 4]>,
    /// Members that are yet to come.
    coming: Vec<u32>,
}

impl Sums {
    fn new(graph: &Graph) -> Sums {
        let n = graph.ins.len();
        let coming = graph.ins.iter().zip(&graph.outs).map(|(a, b)| a + b).collect();
        Sums { left: vec![[0.0; 4]; n], most: vec![[0.0; 4]; n], coming }
    }

    /// A row is known.
    fn add(&mut self, graph: &Graph, row: usize, p: [f64; 4]) {
        for (group, sign) in [(graph.death[row], 1.0), (graph.birth[row], -1.0)] {
            if group == NONE {
                continue;
            }
            let g = group as usize;
            for ((left, most), p) in self.left[g].iter_mut().zip(&mut self.most[g]).zip(p) {
                *left += sign * p;
                if p.abs() > *most {
                    *most = p.abs();
                }
            }
            self.coming[g] = self.coming[g].saturating_sub(1);
        }
    }
}

/// Vertices that lack momentum, and those that take it up, found by px.
struct Pairs {
    /// For each group the complete one that belongs to it.
    partner: Vec<u32>,
    waiting: Vec<u32>,
    event: u32,
}

impl Pairs {
    fn new(graph: &Graph) -> Pairs {
        Pairs { partner: vec![NONE; graph.ins.len()], waiting: Vec::new(), event: NONE }
    }

    /// Begins a row.
    fn enter(&mut self, event: u32) {
        if event != self.event {
            self.event = event;
            self.waiting.clear();
        }
    }

    /// The groups of a row, those that it completed, are looked at.
    fn completed(&mut self, graph: &Graph, sums: &Sums, row: usize) {
        for group in [graph.death[row], graph.birth[row]] {
            if group == NONE {
                continue;
            }
            let g = group as usize;
            let lack = sums.left[g][0];
            if sums.coming[g] > 0
                || graph.ins[g] == 0
                || graph.outs[g] == 0
                || lack.abs() <= LACK * sums.most[g][0]
            {
                continue;
            }
            let found = self.waiting.iter().rposition(|&h| {
                let (h, most) = (h as usize, sums.most[g][0].max(sums.most[h as usize][0]));
                (lack + sums.left[h][0]).abs() <= EXACT * most
            });
            match found {
                Some(at) => self.partner[g] = self.waiting.remove(at),
                None => {
                    if self.waiting.len() >= WAITING {
                        self.waiting.remove(0);
                    }
                    self.waiting.push(group);
                }
            }
        }
    }
}

/// The last member of each group.
fn last_rows(graph: &Graph) -> Vec<u32> {
    let mut last = vec![NONE; graph.ins.len()];
    for row in 0..graph.birth.len() {
        for g in [graph.death[row], graph.birth[row]] {
            if g != NONE {
                last[g as usize] = row as u32;
            }
        }
    }
    last
}

fn f(column: &[u64], row: usize) -> f64 {
    f64::from_bits(column[row])
}

/// sqrt(px^2 + py^2 + pz^2 + m |m|).
fn shell_energy(p: [f64; 3], m: f64) -> f64 {
    let square = p[0] * p[0] + p[1] * p[1] + p[2] * p[2] + m * m.abs();
    if square > 0.0 { square.sqrt() } else { 0.0 }
}

/// What a momentum was known by, seen from the components after it.
fn class(x: f64, left: Option<f64>, copy: Option<f64>) -> u32 {
    let near = |y: Option<f64>| {
        y.is_some_and(|y| (x.to_bits() as i64).wrapping_sub(y.to_bits() as i64).unsigned_abs() < 1 << 20)
    };
    match x {
        0.0 => 0,
        _ if copy.is_some_and(|y| y.to_bits() == x.to_bits()) => 1,
        _ if near(left) => 2,
        _ => 3,
    }
}

/// Both pz of a particle (transverse momentum and mass known) that together with one of mass `other` has the
/// momentum `q`, and how many units of the last place they may be off, as a logarithm.
fn roots(q: [f64; 4], px: f64, py: f64, m: f64, other: f64) -> Option<(f64, f64, u32)> {
    let square = q[3] * q[3] - (q[0] * q[0] + q[1] * q[1] + q[2] * q[2]);
    let transverse = m * m.abs() + px * px + py * py;
    let a = (square + m * m.abs() - other * other.abs()) * 0.5 + px * q[0] + py * q[1];
    let scale = q[3] * q[3] - q[2] * q[2];
    let d = a * a - transverse * scale;
    let root = if d > 0.0 { d.sqrt() } else { 0.0 };
    let (x, y) = ((a * q[2] + q[3] * root) / scale, (a * q[2] - q[3] * root) / scale);
    if !(x.is_finite() && y.is_finite()) {
        return None;
    }
    let error = q[3] * q[3] * (q[2].abs() + q[3] * a.abs() / root) / scale.abs();
    let error = if error.is_finite() { exponent(error) } else { 2047 };
    let most = exponent(x).max(exponent(y));
    Some((x, y, (error - most + 64).clamp(0, 127) as u32))
}

/// Columns: pid, status, mass, then the momenta before.
pub fn momenta<C: BitCoder>(
    c: &mut C,
    numbers: &mut Numbers,
    graph: &Graph,
    columns: &[&[u64]],
    component: usize,
    given: Option<&[u64]>,
    count: usize,
) -> Result<Vec<u64>> {
    let (pid, status, mass) = (columns[0], columns[1], columns[2]);
    let before = &columns[3..];
    let mut made: Vec<u64> = limits::reserve(count);
    let mut sums = Sums::new(graph);
    let mut pairs = Pairs::new(graph);
    if component > 0 {
        // Which vertices belong together is known from px.
        for row in 0..count {
            pairs.enter(graph.event[row]);
            sums.add(graph, row, [f(before[0], row), 0.0, 0.0, 0.0]);
            pairs.completed(graph, &sums, row);
        }
        sums = Sums::new(graph);
    }
    let last = last_rows(graph);
    let mut mode_before = 0u32;
    for row in 0..count {
        if row & 0xfff == 0xfff && c.exhausted() {
            return Err(corruption("kin: the payload ends too early"));
        }
        if component == 0 {
            pairs.enter(graph.event[row]);
        }
        let mut hints = Hints::default();
        let birth = graph.birth[row];
        // The vertex that this row completes, or nearly.
        let (group, sign) = match (birth, graph.death[row]) {
            (NONE, g) => (g, -1.0),
            (b, d) if d != NONE && sums.coming[b as usize] > 1 && sums.coming[d as usize] == 1 => (d, -1.0),
            (b, _) => (b, 1.0),
        };
        let known = [0, 1].map(|k| if k < component { f(before[k], row) } else { 0.0 });
        let parent = graph.parent(row).filter(|&p| p < row);
        let parent_at =
            |k: usize| parent.map(|p| if k < component { f(before[k], p) } else { f64::from_bits(made[p]) });
        let (mut ins, mut outs, mut coming, mut left) = (0, 0, 0, None);
        let mut classes = 0;
        let mut partner = NONE;
        let mut shelled = 0;
        if group != NONE {
            let g = group as usize;
            (ins, outs, coming) = (graph.ins[g].min(3), graph.outs[g].min(7), sums.coming[g].min(4));
            partner = pairs.partner[g];
            if ins > 0 || sign < 0.0 {
                left = Some(sign * sums.left[g][component]);
            }
            if coming == 1 {
                hints.guesses[LEFT] = left;
                if partner != NONE {
                    hints.guesses[PAIR] =
                        Some(sign * (sums.left[g][component] + sums.left[partner as usize][component]));
                }
            }
            if component == 2 && coming == 2 && last[g] as usize > row {
                let mut q = sums.left[g];
                if partner != NONE {
                    (0..4).for_each(|k| q[k] += sums.left[partner as usize][k]);
                }
                let other = f(mass, last[g] as usize);
                let q = q.map(|x| sign * x);
                if let Some((x, y, error)) = roots(q, known[0], known[1], f(mass, row), other) {
                    (hints.guesses[ROOT_A], hints.guesses[ROOT_B]) = (Some(x), Some(y));
                    (hints.error[ROOT_A], hints.error[ROOT_B]) = (error, error);
                    shelled = 1;
                }
            }
            for (k, &x) in known.iter().enumerate().take(component) {
                classes = classes * 4 + class(x, Some(sign * sums.left[g][k]), parent_at(k));
            }
            let error = |x: Option<f64>| {
                x.map_or(0, |x| (exponent(sums.most[g][component]) - exponent(x) + 8).clamp(0, 63) as u32)
            };
            hints.error[LEFT] = error(hints.guesses[LEFT]);
            hints.error[PAIR] = error(hints.guesses[PAIR]);
        }
        let single = ins == 1 && outs == 1 && birth == group;
        let own = parent_at(component);
        hints.guesses[COPY] = own;
        if let (true, Some(p)) = (component > 0 && single, parent_at(0))
            && p != 0.0
        {
            hints.guesses[ALONG] = own.map(|x| x * (known[0] / p));
        }
        let p = pid[row] as u32;
        let s = status[row] as u32;
        let parent_status = parent.map_or(0, |p| (status[p] as u32).wrapping_add(1));
        let place = hash(&[ins, outs, coming, shelled, u32::from(partner != NONE)]);
        hints.mode = [
            hash(&[place, classes]),
            hash(&[place, s, classes]),
            hash(&[place, p, classes]),
            hash(&[place, classes, mode_before]),
            hash(&[parent_status, s, coming, outs, classes]),
            hash(&[s, parent_status, classes, u32::from(hints.guesses[LEFT] == own)]),
        ];
        hints.kind = hash(&[s, component as u32]);
        // Shares of what is left; of the parent; as the other components; as rows like it.
        let (left, own) = (left.unwrap_or(0.0), own.unwrap_or(0.0));
        let (a, b) = (exponent(known[0]) as u32, exponent(known[1]) as u32);
        hints.free = [
            hash(&[scale(left), outs, coming]),
            hash(&[scale(own), s]),
            hash(&[a, b, s]),
            hash(&[a.max(b), scale(left)]),
            hash(&[p, s]),
            hash(&[scale(left), scale(own), ins]),
        ];
        // Two vertices together: for px, which; the encoder looks for it.
        let cell = given.map(|g| g[row]);
        let mut at = 0;
        if component == 0 && coming == 1 && ins > 0 && outs > 0 && !pairs.waiting.is_empty() {
            let g = group as usize;
            let guess = |h: u32| Some(sign * (sums.left[g][0] + sums.left[h as usize][0]));
            let mut best = u32::MAX;
            if let Some(cell) = cell {
                let plain = numbers.choose(cell, &hints.guesses).1;
                for (back, &h) in pairs.waiting.iter().rev().enumerate() {
                    let mut guesses = [None; super::choice::MODES];
                    guesses[PAIR] = guess(h);
                    let (mode, bits) = numbers.choose(cell, &guesses);
                    if mode == PAIR && bits + 12 < plain && bits < best {
                        (best, at) = (bits, back + 1);
                    }
                }
            }
            let contexts = [
                hash(&[s, outs]),
                hash(&[s, parent_status]),
                hash(&[outs, ins]),
                hash(&[mode_before, s]),
                hash(&[p, s]),
                hash(&[pairs.waiting.len() as u32, s]),
            ];
            at = numbers.number(c, at as u64, &contexts) as usize;
            if at > 0 {
                let h = pairs.waiting.len().checked_sub(at).and_then(|i| pairs.waiting.get(i).copied());
                hints.guesses = [None; super::choice::MODES];
                hints.guesses[PAIR] = h.and_then(guess);
                hints.mode = [77; 6];
            }
        }
        let (mode, x) = numbers.code(c, cell, &hints);
        mode_before = mode as u32;
        made.push(x);
        let x = f64::from_bits(x);
        let mut p = [known[0], known[1], 0.0, 0.0];
        p[component] = x;
        if component == 2 {
            p[3] = shell_energy([p[0], p[1], p[2]], f(mass, row));
        }
        sums.add(graph, row, p);
        if component == 0 {
            pairs.completed(graph, &sums, row);
        }
    }
    Ok(made)
}

/// Modes of an energy: mass shell, what is left at the vertex, a copy.
const SHELL: usize = 2;
const ENERGY_LEFT: usize = 3;
const ENERGY_COPY: usize = 4;

/// Columns: pid, status, mass, px, py, pz.
pub fn energies<C: BitCoder>(
    c: &mut C,
    numbers: &mut Numbers,
    graph: &Graph,
    columns: &[&[u64]],
    given: Option<&[u64]>,
    count: usize,
) -> Result<Vec<u64>> {
    let (pid, status, mass) = (columns[0], columns[1], columns[2]);
    let mut made: Vec<u64> = limits::reserve(count);
    let mut sums = Sums::new(graph);
    let mut modes = [0u32; 2];
    for row in 0..count {
        if row & 0xfff == 0xfff && c.exhausted() {
            return Err(corruption("kin: the payload ends too early"));
        }
        let (p, m) = ([3, 4, 5].map(|k| f(columns[k], row)), f(mass, row));
        let mut hints = Hints::default();
        let shell = shell_energy(p, m);
        hints.guesses[SHELL] = Some(shell);
        let birth = graph.birth[row];
        let mut last = 0;
        if birth != NONE && sums.coming[birth as usize] == 1 {
            last = 1;
            hints.guesses[ENERGY_LEFT] = Some(sums.left[birth as usize][3]);
        }
        let parent = graph.parent(row).filter(|&p| p < row);
        hints.guesses[ENERGY_COPY] = parent.map(|p| f64::from_bits(made[p]));
        let (id, s) = (pid[row] as u32, status[row] as u32);
        let heavy = (exponent(shell) - exponent(m)).clamp(0, 40) as u32;
        let massless = u32::from(m == 0.0);
        let copied = u32::from(parent.is_some_and(|q| (3..6).all(|k| columns[k][q] == columns[k][row])));
        hints.mode = [
            hash(&[last, copied]),
            hash(&[s, copied]),
            hash(&[id, copied]),
            hash(&[modes[0], modes[1], last, copied]),
            hash(&[s, id, last]),
            hash(&[heavy, s, massless]),
        ];
        hints.error[SHELL] = hash(&[heavy.min(20) / 2, massless]) & 0xffff;
        hints.error[ENERGY_LEFT] = birth;
        hints.kind = s;
        hints.free = [
            hash(&[exponent(shell) as u32]),
            hash(&[exponent(shell) as u32, s]),
            hash(&[id]),
            hash(&[s]),
            0,
            hash(&[exponent(m) as u32]),
        ];
        let (mode, x) = numbers.code(c, given.map(|g| g[row]), &hints);
        modes = [mode as u32, modes[0]];
        made.push(x);
        sums.add(graph, row, [p[0], p[1], p[2], f64::from_bits(x)]);
    }
    Ok(made)
}

/// Modes of a mass: those that this kind of particle had, the newest first, then the parent's.
const MASSES: usize = 3;
const MASS_PARENT: usize = 5;

/// Columns: pid, status.
pub fn masses<C: BitCoder>(
    c: &mut C,
    numbers: &mut Numbers,
    graph: &Graph,
    columns: &[&[u64]],
    given: Option<&[u64]>,
    count: usize,
) -> Result<Vec<u64>> {
    let (pid, status) = (columns[0], columns[1]);
    let mut made: Vec<u64> = limits::reserve(count);
    let mut seen: HashMap<u64, ([u64; MASSES], u32, u32)> = HashMap::new();
    for row in 0..count {
        if row & 0xfff == 0xfff && c.exhausted() {
            return Err(corruption("kin: the payload ends too early"));
        }
        let mut hints = Hints::default();
        let (list, known, modes) = seen.entry((pid[row] as i64).unsigned_abs()).or_default();
        for (k, &x) in list.iter().enumerate().take(*known as usize) {
            hints.guesses[2 + k] = Some(f64::from_bits(x));
        }
        let parent = graph.parent(row).filter(|&p| p < row);
        hints.guesses[MASS_PARENT] = parent.map(|p| f64::from_bits(made[p]));
        let (id, s) = ((pid[row] as i64).unsigned_abs() as u32, status[row] as u32);
        let same = parent.map_or(0, |p| 1 + u32::from(pid[p] == pid[row]));
        let parent_status = parent.map_or(0, |p| (status[p] as u32).wrapping_add(1));
        hints.mode = [
            hash(&[id, *modes]),
            hash(&[id, s]),
            hash(&[id, s, *modes & 63, same]),
            hash(&[s, parent_status, same]),
            hash(&[*known, *modes & 7]),
            hash(&[id, parent_status, s]),
        ];
        hints.free = [
            hash(&[id]),
            hash(&[id, s]),
            hash(&[s]),
            hash(&[exponent(f64::from_bits(list[0])) as u32]),
            0,
            hash(&[parent_status]),
        ];
        let (mode, x) = numbers.code(c, given.map(|g| g[row]), &hints);
        *modes = (*modes << 3 | mode as u32) & 0xfff;
        let at = list.iter().position(|&y| y == x).unwrap_or(MASSES - 1);
        list[..=at].rotate_right(1);
        list[0] = x;
        *known += 1;
        made.push(x);
    }
    Ok(made)
}
