//! HDF5: the contents of datasets become tables, everything else is residue.
//!
//! Read are superblocks 0 to 3, object headers 1 and 2, groups by symbol tables and by links in their
//! header, datasets that are contiguous, compact, or chunked (B-trees of version 1, fixed arrays of one page, single chunks),
//! with the filters deflate, shuffle and Fletcher-32; numbers, strings of fixed length, enumerations,
//! arrays and compounds. Whatever is of another kind stays residue. A table has the path of its
//! dataset; its events are the first axis.

mod datatype;
mod filter;
mod object;
mod tiles;

pub use tiles::Tiles;

use crate::layout::{Layout, MAX_ROW};
use crate::plan::{self, Parts, Piece, Plan, What};
use object::{Dataset, Storage};
use std::collections::BTreeMap;
use strangelet::dissect::{Context, FileFormat, Sink, Tables};
use strangelet::error::{Result, corruption};
use strangelet::source::{Source, Target};

/// An HDF5 file.
pub struct Hdf5;

impl FileFormat for Hdf5 {
    fn id(&self) -> u16 {
        8
    }
    fn name(&self) -> &'static str {
        "hdf5"
    }
    fn probe(&self, source: &dyn Source) -> bool {
        source.range(0, 8).is_ok_and(|start| start == object::SIGNATURE)
    }

    fn dissect(&self, cx: &Context, source: &dyn Source, sink: &mut dyn Sink) -> Result<()> {
        let mut parts = Parts::new(sink)?;
        let mut plan = Plan { len: source.len(), pieces: Vec::new() };
        let mut taken = Taken::default();
        for dataset in object::datasets(source) {
            let Ok(Some(found)) = look(cx, &dataset, source) else { continue };
            if !taken.take(&found.ranges(), source.len()) {
                continue;
            }
            plan.pieces.push(found.emit(&dataset.name, source, &mut parts)?);
        }
        parts.holes(source, &plan)?;
        parts.finish(&plan)
    }

    fn assemble(&self, cx: &Context, tables: &dyn Tables, target: &mut dyn Target) -> Result<()> {
        plan::assemble(cx, tables, target)
    }
}

/// A dataset whose bytes are understood.
enum Found {
    /// One range, whole rows.
    Rows { pos: u64, rows: u64, layout: Layout },
    /// Chunks.
    Tiles(Tiles),
}

/// What a dataset is made of; none where it is better left alone.
fn look(cx: &Context, dataset: &Dataset, source: &dyn Source) -> Result<Option<Found>> {
    let (&rows, inner) = match dataset.dims.split_first() {
        Some(split) => split,
        None => (&1, &[][..]),
    };
    let cells = inner.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).unwrap_or(u64::MAX);
    if rows == 0 || cells == 0 {
        return Ok(None);
    }
    match &dataset.storage {
        Storage::Contiguous { pos, len } => {
            let mut layout = dataset.cell.clone();
            let mut rows = rows;
            if layout.fields.len() == 1
                && !layout.fields[0].string
                && layout.row().saturating_mul(cells) <= MAX_ROW
            {
                let shape =
                    inner.iter().map(|&d| u32::try_from(d)).collect::<std::result::Result<Vec<_>, _>>();
                let Ok(shape) = shape else { return Ok(None) };
                if !shape.is_empty() {
                    layout.fields[0] = layout.fields[0].clone().array(&shape);
                }
            } else {
                rows = rows.saturating_mul(cells);
            }
            layout.name_apart();
            layout.check()?;
            let there = (*len).min(source.len().saturating_sub(*pos));
            let rows = rows.min(there / layout.row());
            Ok((rows > 0).then_some(Found::Rows { pos: *pos, rows, layout }))
        }
        Storage::Chunked { chunk, chunks } => {
            Ok(Tiles::look(cx, dataset, chunk, chunks, source)?.map(Found::Tiles))
        }
    }
}

impl Found {
    fn ranges(&self) -> Vec<(u64, u64)> {
        match self {
            Found::Rows { pos, rows, layout } => vec![(*pos, rows * layout.row())],
            Found::Tiles(tiles) => tiles.ranges().collect(),
        }
    }

    fn emit(self, name: &str, source: &dyn Source, parts: &mut Parts) -> Result<Piece> {
        match self {
            Found::Rows { pos, rows, layout } => parts.rows(name, &layout, source, pos, rows),
            Found::Tiles(mut tiles) => {
                tiles.emit(name, source, parts)?;
                Ok(Piece { pos: 0, len: 0, what: What::Tiles(Box::new(tiles)) })
            }
        }
    }
}

/// Ranges of the file that belong to a dataset already.
#[derive(Default)]
struct Taken {
    ends: BTreeMap<u64, u64>,
}

impl Taken {
    /// Takes ranges (place and length), or nothing where one is taken or lies beyond the end.
    fn take(&mut self, ranges: &[(u64, u64)], len: u64) -> bool {
        let mut mine = BTreeMap::new();
        for &(pos, n) in ranges {
            let Some(end) = pos.checked_add(n).filter(|&e| e <= len) else { return false };
            for ends in [&self.ends, &mine] {
                let before = ends.range(..end).next_back();
                if before.is_some_and(|(_, &e)| e > pos) {
                    return false;
                }
            }
            if n > 0 {
                mine.insert(pos, end);
            }
        }
        self.ends.extend(mine);
        true
    }
}

/// A little-endian number of 1 to 8 bytes.
fn number(bytes: &[u8]) -> Result<u64> {
    let mut full = [0; 8];
    full.get_mut(..bytes.len()).ok_or_else(|| corruption("hdf5: a number too long"))?.copy_from_slice(bytes);
    Ok(u64::from_le_bytes(full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_not_taken_again() {
        let mut taken = Taken::default();
        assert!(taken.take(&[(10, 5), (20, 5)], 100));
        assert!(!taken.take(&[(14, 1)], 100));
        assert!(!taken.take(&[(5, 50)], 100));
        assert!(!taken.take(&[(30, 2), (31, 2)], 100));
        assert!(!taken.take(&[(99, 2)], 100));
        assert!(!taken.take(&[(u64::MAX, 2)], 100));
        assert!(taken.take(&[(15, 5), (30, 1)], 100));
    }
}
