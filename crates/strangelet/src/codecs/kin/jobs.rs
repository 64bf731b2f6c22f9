//! Which columns of a table are those of an event record: by the names that the formats `hepmc` and `lhe` give.
//! Only the writer asks; payloads name their streams by number.

use super::{Job, Task};
use crate::column::Scalar;
use crate::model::graph::Kind;
use crate::table::TableSchema;

/// Streams of the columns of a table.
struct Streams<'a> {
    schema: &'a TableSchema,
    first: Vec<usize>,
}

impl Streams<'_> {
    /// Values of a column of a type and depth.
    fn values(&self, name: &str, scalar: Scalar, depth: u8) -> Option<usize> {
        let at = self.schema.find(name)?;
        let column = &self.schema.columns[at];
        let fits = column.scalar == scalar && column.depth == depth && column.inner.is_empty();
        fits.then(|| self.first[at] + depth as usize)
    }

    /// A level of lengths of a column.
    fn lengths(&self, name: &str, level: usize) -> Option<usize> {
        let at = self.schema.find(name)?;
        (level < self.schema.columns[at].depth as usize).then(|| self.first[at] + level)
    }

    fn graph(&self) -> Option<(Kind, Vec<usize>)> {
        let particle = |name| self.values(name, Scalar::I64, 1);
        let vertex = |name| self.values(name, Scalar::I64, 1);
        let counts = self.lengths("particle.px", 0)?;
        if let (Some(a), Some(b)) = (particle("particle.mother1"), particle("particle.mother2")) {
            return Some((Kind::Mothers, vec![counts, a, b]));
        }
        let (vertices, id) = (self.lengths("vertex.id", 0)?, vertex("vertex.id")?);
        if let Some(end) = particle("particle.end") {
            let (orphans, out) = (vertex("vertex.orphans")?, vertex("vertex.out")?);
            return Some((Kind::Ends, vec![counts, end, vertices, id, orphans, out]));
        }
        let (own, parent) = (particle("particle.id")?, particle("particle.parent")?);
        let (each, ins) = (self.lengths("vertex.in", 1)?, self.values("vertex.in", Scalar::I64, 2)?);
        Some((Kind::Parents, vec![counts, own, parent, vertices, id, each, ins]))
    }
}

/// For each stream of a chunk of the table how it may be coded.
pub fn jobs(schema: &TableSchema) -> Vec<Option<Job>> {
    let mut first = Vec::new();
    let mut all = 0;
    for column in &schema.columns {
        first.push(all);
        all += column.levels() + 1;
    }
    let mut jobs = vec![None; all];
    let streams = Streams { schema, first };
    if streams.graph().is_some() {
        let _ = fill(&streams, &mut jobs);
        numbers(&streams, &mut jobs);
    }
    jobs
}

/// Couplings, which are functions of a scale.
const FUNCTIONS: [(&str, &str); 4] = [
    ("event.alpha_qcd", "event.scale"),
    ("event.alpha_qed", "event.scale"),
    ("alphaQCD", "event_scale"),
    ("alphaQED", "event_scale"),
];

/// Whatever else is a number.
fn numbers(streams: &Streams, jobs: &mut [Option<Job>]) {
    for (at, column) in streams.schema.columns.iter().enumerate() {
        let stream = streams.first[at] + column.levels();
        if column.scalar != Scalar::F64 || jobs[stream].is_some() {
            continue;
        }
        // The first number of the same lines, or the scale of a coupling.
        let lines = column.name.split('.').next().unwrap_or("");
        let first = streams.schema.columns.iter().position(|c| {
            c.scalar == Scalar::F64 && c.depth == column.depth && c.name.split('.').next() == Some(lines)
        });
        let function = FUNCTIONS.iter().find(|f| f.0 == column.name).map(|f| f.1);
        let function = function.and_then(|name| streams.schema.find(name));
        let function = function.filter(|&i| streams.schema.columns[i].scalar == Scalar::F64);
        let other = function.or(first.filter(|&i| i < at && !lines.is_empty()));
        let other = other.map(|i| streams.first[i] + streams.schema.columns[i].levels());
        jobs[stream] = Some(Job {
            task: if other.is_some() { Task::Beside } else { Task::Plain },
            kind: Kind::None,
            needs: other.into_iter().collect(),
        });
    }
}

fn fill(streams: &Streams, jobs: &mut [Option<Job>]) -> Option<()> {
    let (kind, graph) = streams.graph()?;
    let float = |name| streams.values(name, Scalar::F64, 1);
    let whole = |name| streams.values(name, Scalar::I64, 1);
    let (pid, status) = (whole("particle.pid")?, whole("particle.status")?);
    let p = [float("particle.px")?, float("particle.py")?, float("particle.pz")?];
    let (e, m) = (float("particle.e")?, float("particle.m")?);
    let mut add = |stream: usize, task, own: &[usize]| {
        let needs = graph.iter().chain(own).copied().collect();
        jobs[stream] = Some(Job { task, kind, needs });
    };
    add(p[0], Task::Momentum(0), &[pid, status, m]);
    add(p[1], Task::Momentum(1), &[pid, status, m, p[0]]);
    add(p[2], Task::Momentum(2), &[pid, status, m, p[0], p[1]]);
    add(e, Task::Energy, &[pid, status, m, p[0], p[1], p[2]]);
    add(m, Task::Mass, &[pid, status]);
    // Integers; mothers are what the graph is made of, so that they know the rows only.
    let mut own = vec![status];
    if kind == Kind::Mothers {
        jobs[status] = Some(Job { task: Task::Whole(0), kind: Kind::Rows, needs: vec![graph[0]] });
        jobs[graph[1]] = Some(Job { task: Task::Whole(1), kind: Kind::Rows, needs: vec![graph[0], status] });
        let needs = vec![graph[0], graph[1], status];
        jobs[graph[2]] = Some(Job { task: Task::Whole(2), kind: Kind::Rows, needs });
    } else {
        jobs[status] = Some(Job { task: Task::Whole(0), kind, needs: graph.clone() });
    }
    let mut add = |stream: usize, task, own: &[usize]| {
        let needs = graph.iter().chain(own).copied().collect();
        jobs[stream] = Some(Job { task, kind, needs });
    };
    for name in ["particle.pid", "particle.color1", "particle.color2", "particle.flows"] {
        if let Some(stream) = whole(name) {
            add(stream, Task::Whole(own.len() as u8), &own);
            own.insert(0, stream);
            own.truncate(3);
        }
    }
    // Colours.
    if let (Kind::Ends, Some(stream)) = (kind, streams.values("particle.flow", Scalar::I64, 2))
        && let Some(lengths) = streams.lengths("particle.flow", 1)
    {
        add(stream, Task::Flow, &[pid, status, lengths]);
    }
    if kind == Kind::Parents {
        let named = |name| Some((whole(name)?, streams.lengths(name, 0)?));
        if let (Some(ids), Some((first, lengths))) = (whole("flow1.id"), named("flow1")) {
            add(first, Task::Colour(0), &[pid, status, ids, lengths]);
            if let (Some(ids), Some((second, lengths))) = (whole("flow2.id"), named("flow2")) {
                add(second, Task::Colour(1), &[pid, status, ids, first, lengths]);
            }
        }
        let needs = vec![graph[0], graph[3], graph[4], graph[5], graph[6]];
        jobs[graph[2]] = Some(Job { task: Task::Parent, kind: Kind::None, needs });
    }
    let mut add = |stream: usize, task, own: &[usize]| {
        let needs = graph.iter().chain(own).copied().collect();
        jobs[stream] = Some(Job { task, kind, needs });
    };
    // Other numbers of particles that depend on what they are.
    for name in ["particle.lifetime", "particle.spin", "particle.theta", "particle.phi"] {
        if let Some(stream) = float(name) {
            add(stream, Task::Mass, &[pid, status]);
        }
    }
    // Places of all vertices, or lists of one or none.
    let depth = streams.schema.columns.get(streams.schema.find("vertex.t")?)?.depth;
    let place = |name| streams.values(name, Scalar::F64, depth);
    let t = place("vertex.t")?;
    let lengths = match (kind, depth) {
        (Kind::Parents, 2) => vec![streams.lengths("vertex.t", 1)?],
        (Kind::Ends, 1) => Vec::new(),
        _ => return None,
    };
    let own = [pid, p[0], p[1], p[2], e];
    add(t, Task::Place(0), &[own.as_slice(), &lengths].concat());
    for (k, name) in ["vertex.x", "vertex.y", "vertex.z"].into_iter().enumerate() {
        add(place(name)?, Task::Place(k as u8 + 1), &[own.as_slice(), &[t], &lengths].concat());
    }
    Some(())
}
