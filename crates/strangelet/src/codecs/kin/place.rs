//! Where vertices lie.
//!
//! Modes: 2 where the first particle that goes in was made (0 where that has no place or comes later), 3 the place before, 4 (x, y, z
//! where t is another than there) that place + (t - t there) / energy x momentum.

use super::choice::{Hints, Numbers, exponent, hash, scale};
use crate::column::Cells;
use crate::entropy::binary::BitCoder;
use crate::error::{Result, corruption};
use crate::limits;
use crate::model::graph::{Graph, NONE};

/// Modes: where the particle came from, the place before, along the line of flight.
const FROM: usize = 2;
const BEFORE: usize = 3;
const FLIGHT: usize = 4;

/// Columns: pid, px, py, pz, energy, and t for x, y, z. Lengths tell which vertices have a place; else all have.
#[allow(clippy::too_many_arguments)]
pub fn places<C: BitCoder>(
    c: &mut C,
    numbers: &mut Numbers,
    graph: &Graph,
    columns: &[&[u64]],
    lengths: Option<&Cells>,
    component: usize,
    given: Option<&[u64]>,
    count: usize,
) -> Result<Vec<u64>> {
    let rows = columns[0].len();
    // The first row that goes into each group, and the place of each vertex.
    let mut place_of_vertex = vec![NONE; graph.vertex.len()];
    let mut vertex_of_place = Vec::new();
    for (vertex, place) in place_of_vertex.iter_mut().enumerate() {
        if lengths.is_none_or(|l| l.get(vertex) == Some(1)) {
            *place = vertex_of_place.len() as u32;
            vertex_of_place.push(vertex as u32);
        }
    }
    let times = if component > 0 { columns[5] } else { &[] };
    if vertex_of_place.len() != count || component > 0 && times.len() != count {
        return Err(corruption("kin: other places than vertices"));
    }
    let at =
        |cells: &[u64], i: Option<usize>| i.and_then(|i| cells.get(i)).map_or(0.0, |&x| f64::from_bits(x));
    let mut made: Vec<u64> = limits::reserve(count);
    let mut modes = 0u32;
    for place in 0..count {
        if place & 0xfff == 0xfff && c.exhausted() {
            return Err(corruption("kin: the payload ends too early"));
        }
        let group = graph.vertex[vertex_of_place[place] as usize] as usize;
        let particle = Some(graph.first[group] as usize).filter(|&p| p < rows);
        // Where it came from, if that has a place, and that is known.
        let from = particle.and_then(|p| graph.birth.get(p).copied()).filter(|&g| g != NONE);
        let from = from.and_then(|g| graph.row.get(g as usize).copied()).filter(|&v| v != NONE);
        let from = from.and_then(|v| place_of_vertex.get(v as usize).copied()).map(|u| u as usize);
        let from = from.filter(|&u| u < place);
        let mut hints = Hints::default();
        let origin = at(&made, from);
        hints.guesses[FROM] = Some(origin);
        hints.guesses[BEFORE] = made.last().map(|&x| f64::from_bits(x));
        let id = particle.map_or(0, |p| columns[0][p] as u32);
        let ins = graph.ins[group].min(3) << 3 | graph.outs[group].min(7);
        let known = u32::from(from.is_some());
        let (mut moved, mut flight) = (0, 0.0);
        if component > 0 {
            let (t, t0) = (at(times, Some(place)), at(times, from));
            moved = if t == t0 { 1 } else { 2 };
            if place > 0 && times[place] == times[place - 1] {
                moved += 2;
            }
            let (p, e) = (at(columns[component], particle), at(columns[4], particle));
            flight = (t - t0) / e * p;
            let guess = origin + flight;
            if moved & 1 == 0 && guess.is_finite() {
                hints.guesses[FLIGHT] = Some(guess);
                // The last digit of t decides what is left.
                let off = exponent(t) + exponent(p) - exponent(e) - exponent(guess);
                hints.error[FLIGHT] = (off + 32).clamp(0, 127) as u32;
            }
        }
        let zero = u32::from(origin == 0.0);
        hints.mode = [
            hash(&[ins, known, moved]),
            hash(&[id, known, moved]),
            hash(&[id, ins, zero, moved]),
            hash(&[modes, moved]),
            hash(&[moved, zero, known]),
            hash(&[modes & 63, id, moved]),
        ];
        hints.kind = component as u32;
        hints.free = [
            hash(&[id]),
            hash(&[id, exponent(origin) as u32]),
            hash(&[exponent(origin) as u32]),
            hash(&[scale(flight)]),
            hash(&[particle.map_or(0, |p| scale(f64::from_bits(columns[4][p]))), id]),
            0,
        ];
        let (mode, x) = numbers.code(c, given.map(|g| g[place]), &hints);
        modes = (modes << 3 | mode as u32) & 0xfff;
        made.push(x);
    }
    Ok(made)
}
