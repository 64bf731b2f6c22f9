//! Who came from whom: particles and the vertices between them, from the columns of an event record.
//!
//! Rows are particles in their order, all events one behind the other. A group is a vertex with the rows that go in and
//! those that come out. Broken columns give some graph; members of groups are rows of the same event.

use crate::column::Cells;
use std::collections::HashMap;

/// No group.
pub const NONE: u32 = u32::MAX;
/// Most particles that go into a vertex by a range of mothers.
const MAX_RANGE: u64 = 64;

/// Which columns tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// HepMC3: particles (counts, id, parent), vertices (counts, id, lengths of in, in).
    Parents,
    /// HepMC2: particles (counts, end), vertices (counts, id, orphans, out).
    Ends,
    /// LHE: particles (counts, mother1, mother2).
    Mothers,
    /// Nothing.
    None,
    /// Rows of events, nothing more (counts).
    Rows,
}

impl Kind {
    /// Columns that are needed.
    pub fn streams(self) -> usize {
        match self {
            Kind::Parents => 7,
            Kind::Ends => 6,
            Kind::Mothers => 3,
            Kind::None => 0,
            Kind::Rows => 1,
        }
    }

    /// The kind with this number on disk.
    pub fn from_id(id: u8) -> Option<Kind> {
        [Kind::Parents, Kind::Ends, Kind::Mothers, Kind::None, Kind::Rows].get(id as usize).copied()
    }
}

/// Particles and vertices.
#[derive(Debug, Default)]
pub struct Graph {
    /// Group that a row comes out of.
    pub birth: Vec<u32>,
    /// Group that a row goes into.
    pub death: Vec<u32>,
    /// Number of rows that go in, of each group.
    pub ins: Vec<u32>,
    /// Number of rows that come out.
    pub outs: Vec<u32>,
    /// First row that goes in, where there is one.
    pub first: Vec<u32>,
    /// The second.
    pub second: Vec<u32>,
    /// Event of each row.
    pub event: Vec<u32>,
    /// Group of each row of the table of vertices.
    pub vertex: Vec<u32>,
    /// Row of the table of vertices of each group, where it has one.
    pub row: Vec<u32>,
}

impl Graph {
    fn group(&mut self) -> u32 {
        self.ins.push(0);
        self.outs.push(0);
        self.first.push(NONE);
        self.second.push(NONE);
        self.row.push(NONE);
        self.ins.len() as u32 - 1
    }

    fn goes_in(&mut self, row: usize, group: u32) {
        if self.death[row] != NONE {
            return; // a row goes into one vertex only
        }
        self.death[row] = group;
        let g = group as usize;
        self.ins[g] += 1;
        if self.first[g] == NONE {
            self.first[g] = row as u32;
        } else if self.second[g] == NONE {
            self.second[g] = row as u32;
        }
    }

    fn comes_out(&mut self, row: usize, group: u32) {
        if self.birth[row] == NONE {
            self.birth[row] = group;
            self.outs[group as usize] += 1;
        }
    }

    /// The graph of `rows` particles.
    pub fn new(kind: Kind, columns: &[&Cells], rows: usize) -> Graph {
        let mut graph = Graph {
            birth: vec![NONE; rows],
            death: vec![NONE; rows],
            event: Vec::with_capacity(rows),
            ..Graph::default()
        };
        let at = |c: usize, i: usize| columns.get(c).and_then(|c| c.get(i)).unwrap_or(0);
        let len = |c: usize| columns.get(c).map_or(0, |c| c.len());
        let (mut first, mut vertex, mut item) = (0usize, 0usize, 0usize);
        for event in 0..len(0) {
            let n = (at(0, event) as usize).min(rows - first);
            graph.event.extend(std::iter::repeat_n(event as u32, n));
            match kind {
                Kind::None | Kind::Rows => {}
                Kind::Parents => {
                    let mut ids = HashMap::with_capacity(n);
                    for i in first..first + n {
                        ids.entry(at(1, i)).or_insert(i);
                    }
                    let mut groups = HashMap::new();
                    for _ in 0..at(3, event) {
                        if vertex >= len(4) {
                            break;
                        }
                        let g = graph.group();
                        groups.entry(at(4, vertex)).or_insert(g);
                        graph.vertex.push(g);
                        graph.row[g as usize] = vertex as u32;
                        for _ in 0..at(5, vertex) {
                            if item >= len(6) {
                                break;
                            }
                            if let Some(&i) = ids.get(&at(6, item)) {
                                graph.goes_in(i, g);
                            }
                            item += 1;
                        }
                        vertex += 1;
                    }
                    for i in first..first + n {
                        let parent = at(2, i);
                        if parent == 0 {
                            continue;
                        }
                        let group = match groups.get(&parent) {
                            Some(&g) => g,
                            None => match ids.get(&parent).copied() {
                                Some(p) => {
                                    let g = match graph.death[p] {
                                        NONE => graph.group(),
                                        g => g,
                                    };
                                    groups.insert(parent, g);
                                    graph.goes_in(p, g);
                                    g
                                }
                                None => continue,
                            },
                        };
                        graph.comes_out(i, group);
                    }
                }
                Kind::Ends => {
                    let mut groups = HashMap::new();
                    let mut i = first;
                    for _ in 0..at(2, event) {
                        if vertex >= len(3) {
                            break;
                        }
                        let g = graph.group();
                        groups.entry(at(3, vertex)).or_insert(g);
                        graph.vertex.push(g);
                        graph.row[g as usize] = vertex as u32;
                        i = i.saturating_add(at(4, vertex) as usize);
                        for _ in 0..at(5, vertex) {
                            if i >= first + n {
                                break;
                            }
                            graph.comes_out(i, g);
                            i += 1;
                        }
                        vertex += 1;
                    }
                    for i in first..first + n {
                        if let Some(&g) = groups.get(&at(1, i)) {
                            graph.goes_in(i, g);
                        }
                    }
                }
                Kind::Mothers => {
                    let mut groups = HashMap::new();
                    for i in first..first + n {
                        let (a, b) = (at(1, i), at(2, i));
                        if a == 0 || a > n as u64 {
                            continue;
                        }
                        let b = if b < a || b > n as u64 || b - a >= MAX_RANGE { a } else { b };
                        let g = match groups.get(&(a, b)) {
                            Some(&g) => g,
                            None => {
                                let g = graph.group();
                                groups.insert((a, b), g);
                                for m in a..=b {
                                    graph.goes_in(first + m as usize - 1, g);
                                }
                                g
                            }
                        };
                        graph.comes_out(i, g);
                    }
                }
            }
            first += n;
        }
        let events = len(0) as u32;
        graph.event.resize(rows, events);
        graph
    }

    /// First row that goes into the group that a row comes out of.
    pub fn parent(&self, row: usize) -> Option<usize> {
        let g = *self.birth.get(row)?;
        let p = *self.first.get(g as usize)?;
        (p != NONE).then_some(p as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(v: &[i64]) -> Cells {
        Cells::W8(v.iter().map(|&x| x as u64).collect())
    }

    #[test]
    fn the_three_ways_to_tell() {
        // 1 and 2 make 3 and 4; 3 decays to 5.
        let counts = cells(&[5]);
        let columns = [
            &counts,
            &cells(&[1, 2, 3, 4, 5]),
            &cells(&[0, 0, -1, -1, 3]),
            &cells(&[1]),
            &cells(&[-1]),
            &cells(&[2]),
            &cells(&[1, 2]),
        ];
        let g = Graph::new(Kind::Parents, &columns, 5);
        assert_eq!(
            (g.birth.as_slice(), g.death.as_slice()),
            (&[NONE, NONE, 0, 0, 1][..], &[0, 0, 1, NONE, NONE][..])
        );
        assert_eq!((g.ins, g.outs, g.row), (vec![2, 1], vec![2, 1], vec![0, NONE]));
        let columns = [
            &counts,
            &cells(&[-1, -1, -2, 0, 0]),
            &cells(&[2]),
            &cells(&[-1, -2]),
            &cells(&[2, 0]),
            &cells(&[2, 1]),
        ];
        let h = Graph::new(Kind::Ends, &columns, 5);
        assert_eq!((h.birth, h.death), (g.birth.clone(), g.death.clone()));
        let columns = [&counts, &cells(&[0, 0, 1, 1, 3]), &cells(&[0, 0, 2, 2, 0])];
        let h = Graph::new(Kind::Mothers, &columns, 5);
        assert_eq!((h.birth, h.death), (g.birth, g.death));
    }

    #[test]
    fn broken_columns_give_some_graph() {
        let wild = cells(&[9, -1, 7, i64::MIN, 3, 3, 1]);
        for kind in [Kind::Parents, Kind::Ends, Kind::Mothers] {
            for rows in [0, 3, 7] {
                for n in 0..8 {
                    let g = Graph::new(kind, &vec![&wild; n], rows);
                    assert_eq!((g.birth.len(), g.event.len()), (rows, rows));
                    assert!(g.birth.iter().chain(&g.death).all(|&x| x == NONE || (x as usize) < g.ins.len()));
                }
            }
        }
    }
}
