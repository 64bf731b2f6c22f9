//! Kinematics: momenta, energies, masses and places of an event record, from who came from whom.
//!
//! # What it does
//! A number is coded as a mode and what is left: a prediction from other columns and rows, evaluated in f64, leaves a small
//! difference between integers (`model/ordinal.rs`); what nothing predicts is coded by sign, exponent and
//! fraction.
//!
//! # When it wins
//! On particles with mothers: four-momentum is conserved at most vertices, energies follow from momentum and mass, masses
//! from the particle code, decay vertices lie on the line of flight.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | 1 | task: 0 px, 1 py, 2 pz, 3 energy, 4 mass, 5 t, 6 x, 7 y, 8 z, 9 a number, 10 a number beside another, 11 to 14 an integer beside none to three others, 15 first and 16 second colours, 17 flows of HepMC2, 18 parents of HepMC3 |
//! | 1 | kind of graph (`model/graph.rs`) |
//! | 1 | digits of the ordinals, 0 for binary; 128 where cells may be escaped |
//! | varint, then each | numbers of the streams that are needed: those of the graph, then those of the task (below) |
//! | varint, then each | integers only: the values, ascending: the first as a zigzag varint, then the steps |
//! | to the end | bits of `entropy/binary.rs`: the cells, by `model/mixing.rs` |
//!
//! | task | streams behind those of the graph |
//! |---|---|
//! | momenta | pid, status, mass, and the momenta before it |
//! | energy | pid, status, mass, px, py, pz |
//! | mass | pid, status |
//! | places | pid, px, py, pz, energy; for x, y, z also t; for HepMC3 the lengths (positions of each vertex) |
//! | number, integer | the others |
//! | colours | pid, status, particles that have them, for second colours the first ones, lengths of the lists |
//! | flows | pid, status, lengths of the lists |
//! | parents | (no graph) lengths: particles, vertices of events; ids of vertices, lengths of in, in |
//!
//! A pid is an i64, a momentum, mass, energy or place an f64. The rules are those of the code below; arithmetic is that of IEEE f64 in the order
//! in which it is written, without fused operations.
//!
//! # Determinism
//! f64 with + - * / and square roots only; decimal texts by correct rounding; the rest in integers.
//!
//! # References
//! Momentum conservation and mass shells: any text on relativistic kinematics, e.g. the Review of Particle
//! Physics, section Kinematics.

mod choice;
mod colour;
mod jobs;
mod momentum;
mod parent;
mod place;
mod plain;
mod whole;

use crate::codec::{Codec, Level, Shape, Stream};
use crate::column::{Cells, Scalar};
use crate::entropy::binary::{BitCoder, Decoder, Encoder};
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::model::graph::{Graph, Kind};
use crate::model::ordinal::Ordinal;
use choice::Numbers;
pub use jobs::jobs;

/// Physics of an event record.
pub struct Kin;

/// What a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// A component of the momentum: 0 to 2.
    Momentum(u8),
    /// The energy.
    Energy,
    /// The mass.
    Mass,
    /// A place: 0 for t, 1 to 3 for x, y, z.
    Place(u8),
    /// Any number.
    Plain,
    /// A number beside another of the same row.
    Beside,
    /// An integer of few values, beside so many others of the same row, 0 to 3.
    Whole(u8),
    /// Colours of some particles: 0 for the first, 1 for the second.
    Colour(u8),
    /// Indices and colours behind particles.
    Flow,
    /// Parents by particle or vertex.
    Parent,
}

impl Task {
    fn id(self) -> u8 {
        match self {
            Task::Momentum(c) => c,
            Task::Energy => 3,
            Task::Mass => 4,
            Task::Place(c) => 5 + c,
            Task::Plain => 9,
            Task::Beside => 10,
            Task::Whole(n) => 11 + n,
            Task::Colour(n) => 15 + n,
            Task::Flow => 17,
            Task::Parent => 18,
        }
    }

    fn from_id(id: u8) -> Option<Task> {
        Some(match id {
            0..=2 => Task::Momentum(id),
            3 => Task::Energy,
            4 => Task::Mass,
            5..=8 => Task::Place(id - 5),
            9 => Task::Plain,
            10 => Task::Beside,
            11..=14 => Task::Whole(id - 11),
            15 | 16 => Task::Colour(id - 15),
            17 => Task::Flow,
            18 => Task::Parent,
            _ => return None,
        })
    }

    /// Whether cells are integers.
    fn is_integer(self) -> bool {
        matches!(self, Task::Whole(_) | Task::Colour(_) | Task::Flow | Task::Parent)
    }

    /// Streams beside those of the graph.
    fn streams(self, kind: Kind) -> usize {
        match self {
            Task::Momentum(c) => 3 + c as usize,
            Task::Energy => 6,
            Task::Mass => 2,
            Task::Place(c) => 5 + usize::from(c > 0) + usize::from(kind == Kind::Parents),
            Task::Plain => 0,
            Task::Beside => 1,
            Task::Whole(n) => n as usize,
            Task::Colour(n) => 4 + n as usize,
            Task::Flow => 3,
            Task::Parent => 5,
        }
    }
}

/// How a stream can be coded: its task, the kind of graph, the streams that are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What it is.
    pub task: Task,
    /// Which columns tell who came from whom.
    pub kind: Kind,
    /// Streams of the chunk.
    pub needs: Vec<usize>,
}

struct Header {
    job: Job,
    ordinal: Ordinal,
    escapes: bool,
    /// Of an integer.
    values: Vec<i64>,
}

impl Header {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.job.task.id());
        out.push(self.job.kind as u8);
        out.push(self.ordinal.id() | (self.escapes as u8) << 7);
        put(out, self.job.needs.len() as u64);
        self.job.needs.iter().for_each(|&n| put(out, n as u64));
        if matches!(self.job.task, Task::Whole(_)) {
            put(out, self.values.len() as u64);
            for (i, &v) in self.values.iter().enumerate() {
                match i.checked_sub(1).and_then(|i| self.values.get(i)) {
                    None => put(out, ((v << 1) ^ (v >> 63)) as u64),
                    Some(&before) => put(out, v.wrapping_sub(before) as u64),
                }
            }
        }
    }

    fn read(c: &mut Cursor) -> Result<Header> {
        let unknown = || corruption("kin: settings that do not exist");
        let task = Task::from_id(c.byte()?).ok_or_else(unknown)?;
        let kind = Kind::from_id(c.byte()?).ok_or_else(unknown)?;
        let flags = c.byte()?;
        let ordinal = Ordinal::from_id(flags & 127).ok_or_else(unknown)?;
        let mut needs = Vec::new();
        for _ in 0..c.count()? {
            needs.push(usize::try_from(c.varint()?).map_err(|_| unknown())?);
        }
        if needs.len() != kind.streams() + task.streams(kind) {
            return Err(unknown());
        }
        let mut values: Vec<i64> = Vec::new();
        if matches!(task, Task::Whole(_)) {
            for _ in 0..c.count()? {
                let n = c.varint()?;
                values.push(match values.last() {
                    None => (n >> 1) as i64 ^ -((n & 1) as i64),
                    Some(&before) => before.wrapping_add(n as i64),
                });
            }
            if values.len() > whole::MOST {
                return Err(unknown());
            }
        }
        Ok(Header { job: Job { task, kind, needs }, ordinal, escapes: flags & 128 != 0, values })
    }
}

/// Codes all cells of a task; the encoder gives them.
fn code<C: BitCoder>(
    c: &mut C,
    header: &Header,
    given: Option<&[u64]>,
    needed: &[&Cells],
    count: usize,
) -> Result<Vec<u64>> {
    let (graph_streams, own) = needed.split_at(header.job.kind.streams());
    let mut numbers = Numbers::new(header.ordinal, header.escapes, count);
    let wide = |i: usize| match own.get(i) {
        Some(Cells::W8(v)) => Ok(v.as_slice()),
        _ => Err(corruption("kin: a needed stream of another width")),
    };
    if header.job.task == Task::Parent {
        return parent::parents(c, own, given, count);
    }
    let rows = match header.job.task {
        Task::Place(_) | Task::Colour(_) | Task::Flow => wide(0)?.len(),
        _ => count,
    };
    let graph = Graph::new(header.job.kind, graph_streams, rows);
    // Lengths, behind the others.
    let lengths = match (header.job.task, header.job.kind) {
        (Task::Place(_), Kind::Parents) | (Task::Colour(_) | Task::Flow, _) => own.last().copied(),
        _ => None,
    };
    let mut columns = Vec::new();
    for i in 0..own.len() - usize::from(lengths.is_some()) {
        let column = wide(i)?;
        // Times have rows of their own, and so have lists of colours.
        let apart = matches!((header.job.task, i), (Task::Place(_), 5) | (Task::Colour(_), 2..));
        if !apart && column.len() != rows {
            return Err(corruption("kin: a needed stream of another length"));
        }
        columns.push(column);
    }
    match header.job.task {
        Task::Momentum(k) => momentum::momenta(c, &mut numbers, &graph, &columns, k as usize, given, count),
        Task::Energy => momentum::energies(c, &mut numbers, &graph, &columns, given, count),
        Task::Mass => momentum::masses(c, &mut numbers, &graph, &columns, given, count),
        Task::Colour(k) => {
            let missing = || corruption("kin: a needed stream is missing");
            let (ids, lengths) = (graph_streams.get(1).ok_or_else(missing)?, lengths.ok_or_else(missing)?);
            if columns[2].len() != count || columns.get(3).is_some_and(|f| f.len() != count) {
                return Err(corruption("kin: other colours than particles"));
            }
            colour::attributes(c, &graph, ids, &columns, lengths, k as usize, given, count)
        }
        Task::Flow => {
            let lengths = lengths.ok_or_else(|| corruption("kin: a needed stream is missing"))?;
            colour::flows(c, &graph, &columns, lengths, given, count)
        }
        // Done above.
        Task::Parent => Err(corruption("kin: parents twice")),
        Task::Whole(_) => whole::wholes(c, &header.values, &graph, &columns, given, count),
        Task::Plain | Task::Beside => plain::plain(c, &mut numbers, columns.first().copied(), given, count),
        Task::Place(k) => place::places(c, &mut numbers, &graph, &columns, lengths, k as usize, given, count),
    }
}

/// The payload of a stream that is coded from others of its chunk, where that can be done.
pub fn encode(job: &Job, streams: &[Stream], own: usize) -> Option<Vec<u8>> {
    let stream = streams.get(own)?;
    let Cells::W8(cells) = stream.cells else { return None };
    let whole = matches!(job.task, Task::Whole(_));
    if stream.scalar != if job.task.is_integer() { Scalar::I64 } else { Scalar::F64 } {
        return None;
    }
    let needed: Option<Vec<&Cells>> = job.needs.iter().map(|&n| Some(streams.get(n)?.cells)).collect();
    let ordinal = if job.task.is_integer() { Ordinal::Binary } else { Ordinal::of(cells) };
    let escapes = !cells.iter().all(|&x| ordinal.holds(x));
    let values = if whole { whole::values(cells)? } else { Vec::new() };
    let header = Header { job: job.clone(), ordinal, escapes, values };
    let mut out = Vec::new();
    header.write(&mut out);
    let mut coder = Encoder::new();
    code(&mut coder, &header, Some(cells), &needed?, cells.len()).ok()?;
    out.extend(coder.finish());
    Some(out)
}

impl Codec for Kin {
    fn id(&self) -> u8 {
        super::KIN
    }
    fn name(&self) -> &'static str {
        "kin"
    }
    fn derives(&self) -> bool {
        true
    }
    fn looks_ahead(&self) -> bool {
        true
    }
    fn needs(&self, payload: &[u8]) -> Result<Vec<usize>> {
        Ok(Header::read(&mut Cursor::new(payload))?.job.needs)
    }
    fn encode(&self, _stream: &Stream, _level: Level, _out: &mut Vec<u8>) -> Result<bool> {
        Ok(false) // only the selection, which sees the whole chunk, knows the other columns
    }
    fn decode(&self, payload: &[u8], shape: Shape, needed: &[&Cells]) -> Result<Cells> {
        let mut c = Cursor::new(payload);
        let header = Header::read(&mut c)?;
        let scalar = if header.job.task.is_integer() { Scalar::I64 } else { Scalar::F64 };
        if shape.scalar != scalar || needed.len() != header.job.needs.len() {
            return Err(corruption("kin: a stream of another type"));
        }
        let mut coder = Decoder::new(c.rest());
        Ok(Cells::W8(code(&mut coder, &header, None, needed, shape.count)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Role;
    use crate::column::{ColumnSchema, Meaning};
    use crate::table::TableSchema;

    /// Pairs of beams that make two particles, the first of which decays to two photons; twenty events.
    fn record() -> (TableSchema, Vec<Cells>) {
        let whole = |name: &str, depth| ColumnSchema::jagged(name, Scalar::I64, depth);
        let float = |name: &str, depth| ColumnSchema::jagged(name, Scalar::F64, depth);
        let mut columns: Vec<ColumnSchema> =
            ["id", "parent", "pid", "status"].map(|n| whole(&format!("particle.{n}"), 1)).into();
        columns.extend(["px", "py", "pz", "e", "m"].map(|n| float(&format!("particle.{n}"), 1)));
        columns.extend([whole("vertex.id", 1), whole("vertex.in", 2)]);
        columns.extend(["x", "y", "z", "t"].map(|n| float(&format!("vertex.{n}"), 2)));
        columns.extend([
            whole("flow1.id", 1),
            whole("flow1", 1),
            ColumnSchema::flat("event.scale", Scalar::F64),
        ]);
        let mut cells: Vec<Vec<u64>> = vec![Vec::new(); columns.len()];
        let mut seed = 3u64;
        let mut random = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        const EVENTS: usize = 20;
        for event in 0..EVENTS {
            let energy = |p: [f64; 3], m: f64| (p[0] * p[0] + p[1] * p[1] + p[2] * p[2] + m * m).sqrt();
            let a = [random(), random(), random()];
            let k = [a[0] * 0.4 + random(), random(), random()];
            let e = energy(a, 0.135);
            let rest = |i: usize| a[i] - k[i];
            let rows: [(i64, i64, [f64; 3], f64, f64); 6] = [
                (0, 11, [0.0, 0.0, e], e, 0.0),
                (0, -11, [0.0, 0.0, -e], e, 0.0),
                (-1, 111, a, e, 0.135),
                (-1, 111, a.map(|x| -x), e, 0.135),
                (-2, 22, k, energy(k, 0.0), 0.0),
                (-2, 22, [rest(0), rest(1), rest(2)], e - energy(k, 0.0), 0.0),
            ];
            for (i, (parent, pid, p, e, m)) in rows.into_iter().enumerate() {
                let whole = [i as i64 + 1, parent, pid, 1].map(|x| x as u64);
                let floats = [p[0], p[1], p[2], e, m].map(f64::to_bits);
                whole.iter().chain(&floats).enumerate().for_each(|(c, &x)| cells[c].push(x));
            }
            cells[9].extend([-1i64 as u64, -2i64 as u64]);
            cells[10].extend([1, 2, 3]);
            let t = event as f64;
            (0..3).for_each(|i| cells[11 + i].push((t / e * a[i]).to_bits()));
            cells[14].push(t.to_bits());
            cells[15].extend([3, 4]);
            cells[16].extend([501, 502 + event as u64]);
            cells[17].push((91.1 + t).to_bits());
        }
        let mut streams = Vec::new();
        for (i, (column, cells)) in columns.iter().zip(cells).enumerate() {
            let each = if i < 9 { 6 } else { 2 };
            if column.depth > 0 {
                streams.push(Cells::W4(vec![each; EVENTS]));
            }
            if column.depth > 1 {
                let lengths = if i == 10 { [2, 1] } else { [0, 1] };
                streams.push(Cells::W4(lengths.repeat(EVENTS)));
            }
            streams.push(Cells::W8(cells));
        }
        (TableSchema::new("events", columns), streams)
    }

    #[test]
    fn every_task_comes_back_and_no_damage_panics() {
        let (schema, cells) = record();
        let jobs = jobs(&schema);
        assert_eq!(jobs.len(), cells.len());
        let scalars: Vec<Scalar> = {
            let of = |c: &ColumnSchema| {
                std::iter::repeat_n(Scalar::U32, c.depth.into()).chain([c.scalar]).collect::<Vec<_>>()
            };
            schema.columns.iter().flat_map(of).collect()
        };
        let role = Role::Values(Meaning::Number);
        let streams: Vec<Stream> = cells
            .iter()
            .zip(&scalars)
            .map(|(cells, &scalar)| Stream { cells, scalar, role, lists: None, inner: 1, dims: &[] })
            .collect();
        let (mut tasks, mut seed) = (Vec::new(), 1u64);
        for (i, job) in jobs.iter().enumerate() {
            let Some(job) = job else { continue };
            tasks.push(job.task);
            let payload = encode(job, &streams, i).unwrap_or_else(|| panic!("{job:?}"));
            assert_eq!(Kin.needs(&payload).unwrap(), job.needs);
            let needed: Vec<&Cells> = job.needs.iter().map(|&n| &cells[n]).collect();
            let shape = Shape { scalar: scalars[i], count: cells[i].len() };
            assert!(Kin.decode(&payload, shape, &needed).unwrap() == cells[i], "{job:?}");
            let mut random = |n: usize| {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (seed >> 33) as usize % n
            };
            for _ in 0..300 {
                let mut broken = payload.clone();
                for _ in 0..1 + random(3) {
                    let span = if random(2) == 0 { 24 } else { usize::MAX };
                    let at = random(broken.len().min(span));
                    broken[at] = random(256) as u8;
                }
                let cut = random(2) * random(payload.len());
                broken.truncate(payload.len() - cut);
                let mut wild = needed.clone();
                if random(3) == 0 {
                    let (at, other) = (random(wild.len().max(1)), random(cells.len()));
                    if let Some(w) = wild.get_mut(at) {
                        *w = &cells[other];
                    }
                }
                let _ = Kin.decode(&broken, shape, &wild);
            }
        }
        // All but flows, and integers beside three.
        let kinds: std::collections::HashSet<u8> = tasks.iter().map(|t| t.id()).collect();
        assert!(kinds.is_superset(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 15, 18].into()), "{kinds:?}");
    }
}
