//! Datasets in chunks: tiles of the array, each filtered on its own, to rows and back.

use super::filter::{self, Cooked, Filter};
use super::object::{Chunk, Dataset};
use crate::layout::{Layout, MAX_ROW};
use crate::plan::{CHUNK, Parts, Residue};
use crate::recipe::{Kind, Kitchen, Recipe};
use strangelet::dissect::{Context, TableId, Tables};
use strangelet::error::{Result, corruption};
use strangelet::format::varint::{Cursor, put};
use strangelet::source::{Source, Target};
use strangelet::table::TableSchema;

/// Most axes.
const MAX_RANK: usize = 32;
/// Most bytes of the rows that one line of tiles covers, and of a tile.
const MAX_BAND: u64 = 64 << 20;

/// Bytes of missing tiles that any table may have; beyond it four times those that exist.
const HOLES: u64 = 1 << 20;

/// A table whose rows lie in the file as tiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiles {
    table: TableId,
    /// One cell.
    cell: Layout,
    /// Axes of the array.
    dims: Vec<u64>,
    /// Axes of a tile.
    chunk: Vec<u64>,
    filters: Vec<Filter>,
    /// In the order of their rows.
    tiles: Vec<Tile>,
}

/// One tile.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tile {
    place: Chunk,
    cooked: Cooked,
    /// Whether what lies outside of the array is zero.
    clean: bool,
}

impl Tiles {
    /// The tiles of a dataset with their recipes; none where some tile cannot be made again.
    pub fn look(
        cx: &Context,
        dataset: &Dataset,
        chunk: &[u64],
        chunks: &[Chunk],
        source: &dyn Source,
    ) -> Result<Option<Tiles>> {
        let mut places = chunks.to_vec();
        places.sort_by(|a, b| a.at.cmp(&b.at));
        let mut tiles = Tiles {
            table: 0,
            cell: dataset.cell.clone(),
            dims: dataset.dims.clone(),
            chunk: chunk.to_vec(),
            filters: dataset.filters.clone(),
            tiles: Vec::new(),
        };
        if places.is_empty() || tiles.check().is_err() {
            return Ok(None);
        }
        // An array that is nearly all holes would be a table of nothing.
        let there = tiles.tile_bytes().saturating_mul(places.len() as u64);
        if tiles.row().saturating_mul(tiles.dims[0]) > there.saturating_mul(4).saturating_add(HOLES) {
            return Ok(None);
        }
        let effort = cx.level.into();
        let len = tiles.tile_bytes() as usize;
        let mut kitchen = Kitchen::new();
        let mut hint = None;
        for place in places {
            let stored = source.range(place.pos, place.len)?;
            let Ok(content) = filter::undo(&mut kitchen, &tiles.filters, place.mask, &stored, len) else {
                return Ok(None);
            };
            let (filters, mask) = (&tiles.filters, place.mask);
            let found = filter::find(&mut kitchen, filters, mask, &content, &stored, hint.as_ref(), effort);
            let Some(cooked) = found else { return Ok(None) };
            if cooked.recipe.is_some() {
                let recipe = recipe_bytes(&tiles.filters, mask, &cooked);
                cx.proofs.remember(&recipe, &content, &stored);
                hint = cooked.recipe;
            }
            let mut outside = content;
            tiles.runs(&place.at, &mut |_, tile, n| {
                if let Some(run) = outside.get_mut(tile..tile + n) {
                    run.fill(0);
                }
            });
            let clean = outside.iter().all(|&b| b == 0);
            tiles.tiles.push(Tile { place, cooked, clean });
        }
        tiles.check()?;
        Ok(Some(tiles))
    }

    /// The ranges of the file that tiles fill: place and length.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        self.tiles.iter().map(|t| (t.place.pos, t.place.len))
    }

    /// Refuses shapes that do not fit memory or one another.
    fn check(&self) -> Result<()> {
        let strange = || corruption("hdf5: chunks of a strange shape");
        let rank = self.dims.len();
        if rank == 0 || rank > MAX_RANK || self.chunk.len() != rank || self.chunk.contains(&0) {
            return Err(strange());
        }
        if self.dims.iter().chain(&self.chunk).any(|&d| d > u32::MAX.into()) || self.dims.contains(&0) {
            return Err(strange());
        }
        self.cell.check()?;
        let single = self.cell.fields.len() == 1 && !self.cell.fields[0].string;
        if self.row() > MAX_ROW
            || self.row().saturating_mul(self.chunk[0]) > MAX_BAND
            || self.tile_bytes() > MAX_BAND
            || (!single && self.row() != self.cell.row())
        {
            return Err(strange());
        }
        let mut last: Option<&[u64]> = None;
        for tile in &self.tiles {
            let at = tile.place.at.as_slice();
            // In order, each once, on the grid, and within the array.
            if at.len() != rank
                || last.is_some_and(|l| l >= at)
                || at.iter().zip(&self.chunk).any(|(a, c)| !a.is_multiple_of(*c))
                || at.iter().zip(&self.dims).any(|(a, d)| a >= d)
            {
                return Err(strange());
            }
            last = Some(at);
        }
        Ok(())
    }

    /// Bytes of a row.
    fn row(&self) -> u64 {
        self.dims.iter().skip(1).fold(self.cell.row(), |n, &d| n.saturating_mul(d))
    }

    fn tile_bytes(&self) -> u64 {
        self.chunk.iter().fold(self.cell.row(), |n, &d| n.saturating_mul(d))
    }

    /// Rows of a chunk of the table: whole lines of tiles.
    fn band(&self) -> u64 {
        let line = self.row().saturating_mul(self.chunk[0]);
        self.chunk[0].saturating_mul((CHUNK / line.max(1)).max(1))
    }

    /// The layout of a row.
    fn layout(&self) -> Layout {
        let mut layout = self.cell.clone();
        let inner: Vec<u32> = self.dims.iter().skip(1).map(|&d| d as u32).collect();
        if let ([one], false) = (layout.fields.as_mut_slice(), inner.is_empty()) {
            *one = one.clone().array(&inner);
        }
        layout.name_apart();
        layout
    }

    /// For each run of bytes that a tile at a place shares with the array: where it begins in the
    /// array and in the tile, and how long it is.
    fn runs(&self, at: &[u64], each: &mut dyn FnMut(usize, usize, usize)) {
        let rank = self.dims.len();
        let cell = self.cell.row() as usize;
        // Cells of the tile that lie within the array, along each axis.
        let within: Vec<u64> =
            (0..rank).map(|i| self.chunk[i].min(self.dims[i].saturating_sub(at[i]))).collect();
        if within.contains(&0) {
            return;
        }
        let last = rank - 1;
        let mut index = vec![0u64; rank];
        loop {
            let (mut array, mut tile) = (0, 0);
            for i in 0..rank {
                array = array * self.dims[i] as usize + (at[i] + index[i]) as usize;
                tile = tile * self.chunk[i] as usize + index[i] as usize;
            }
            each(array * cell, tile * cell, within[last] as usize * cell);
            let Some(axis) = (0..last).rev().find(|&i| index[i] + 1 < within[i]) else { return };
            index[axis] += 1;
            index[axis + 1..].fill(0);
        }
    }

    /// Announces the table and fills it; what lies in tiles but outside of the array is residue.
    pub fn emit(&mut self, name: &str, source: &dyn Source, parts: &mut Parts) -> Result<()> {
        let layout = self.layout();
        self.table = parts.sink().table(TableSchema::new(name, layout.schemas()))?;
        let mut kitchen = Kitchen::new();
        let mut tiles = self.tiles.iter().peekable();
        let (band, row) = (self.band(), self.row());
        let mut first = 0;
        while first < self.dims[0] {
            let rows = band.min(self.dims[0] - first);
            let mut bytes = vec![0; (rows * row) as usize];
            while let Some(tile) = tiles.next_if(|t| t.place.at[0] < first + rows) {
                let stored = source.range(tile.place.pos, tile.place.len)?;
                let len = self.tile_bytes() as usize;
                let mut content = filter::undo(&mut kitchen, &self.filters, tile.place.mask, &stored, len)?;
                let skip = (first * row) as usize;
                self.runs(&tile.place.at, &mut |array, at, n| {
                    let to = array - skip;
                    if let (Some(to), Some(from)) = (bytes.get_mut(to..to + n), content.get_mut(at..at + n)) {
                        to.copy_from_slice(from);
                        from.fill(0);
                    }
                });
                if !tile.clean {
                    parts.residue(&content)?;
                }
            }
            parts.sink().chunk(self.table, rows, layout.split(&bytes)?)?;
            first += rows;
        }
        Ok(())
    }

    /// Writes all tiles.
    pub fn assemble(
        &self,
        cx: &Context,
        residue: &mut Residue,
        tables: &dyn Tables,
        target: &mut dyn Target,
    ) -> Result<()> {
        let layout = self.layout();
        let mut kitchen = Kitchen::new();
        let mut tiles = self.tiles.iter().peekable();
        let mut first = 0;
        for (chunk, rows) in tables.chunks(self.table)?.into_iter().enumerate() {
            let bytes = layout.join(&tables.read(self.table, chunk)?, rows)?;
            while let Some(tile) = tiles.next_if(|t| t.place.at[0] < first + rows) {
                let len = self.tile_bytes();
                let mut content = match tile.clean {
                    true => vec![0; len as usize],
                    false => residue.take(len)?,
                };
                let skip = (first * self.row()) as usize;
                let mut fits = true;
                self.runs(&tile.place.at, &mut |array, at, n| {
                    let from = array.checked_sub(skip).and_then(|from| bytes.get(from..from + n));
                    match (content.get_mut(at..at + n), from) {
                        (Some(to), Some(from)) => to.copy_from_slice(from),
                        _ => fits = false,
                    }
                });
                if !fits {
                    return Err(corruption("hdf5: a table with another number of rows"));
                }
                let mask = tile.place.mask;
                let recipe = recipe_bytes(&self.filters, mask, &tile.cooked);
                let known = cx.proofs.recall(&recipe, &content, &*target, tile.place.pos);
                let stored = match known {
                    Some(stored) => stored,
                    None => {
                        let cooked = &tile.cooked;
                        filter::apply(&mut kitchen, &self.filters, mask, content, &mut |k, bytes| {
                            let recipe =
                                cooked.recipe.ok_or_else(|| corruption("hdf5: a recipe is missing"))?;
                            k.apply(Kind::Zlib, &recipe, &cooked.corrections, bytes)
                        })?
                    }
                };
                if stored.len() as u64 != tile.place.len {
                    return Err(corruption("hdf5: a chunk of another length"));
                }
                target.write_at(tile.place.pos, &stored)?;
            }
            first += rows;
        }
        match tiles.next() {
            Some(_) => Err(corruption("hdf5: a table with another number of rows")),
            None => Ok(()),
        }
    }

    /// Appends all of it.
    pub fn write(&self, out: &mut Vec<u8>) {
        put(out, self.table as u64);
        self.cell.write(out);
        put(out, self.dims.len() as u64);
        self.dims.iter().chain(&self.chunk).for_each(|&d| put(out, d));
        put(out, self.filters.len() as u64);
        self.filters.iter().for_each(|f| f.write(out));
        put(out, self.tiles.len() as u64);
        let mut end = 0u64;
        for tile in &self.tiles {
            let step = tile.place.pos.wrapping_sub(end) as i64;
            put(out, (step << 1 ^ step >> 63) as u64);
            put(out, tile.place.len);
            end = tile.place.pos.wrapping_add(tile.place.len);
            put(out, tile.place.mask.into());
            tile.place.at.iter().zip(&self.chunk).for_each(|(a, c)| put(out, a / c));
            out.push(u8::from(tile.clean) | u8::from(tile.cooked.recipe.is_some()) << 1);
            if let Some(recipe) = &tile.cooked.recipe {
                recipe.write(out);
                put(out, tile.cooked.corrections.len() as u64);
                out.extend_from_slice(&tile.cooked.corrections);
            }
        }
    }

    /// Reads what [`Tiles::write`] wrote.
    pub fn read(c: &mut Cursor) -> Result<Tiles> {
        let strange = || corruption("hdf5: a plan of a strange shape");
        let table = TableId::try_from(c.varint()?).map_err(|_| strange())?;
        let cell = Layout::read(c)?;
        let rank = c.count()?;
        if rank > MAX_RANK {
            return Err(strange());
        }
        let dims = (0..rank).map(|_| c.varint()).collect::<Result<Vec<_>>>()?;
        let chunk = (0..rank).map(|_| c.varint()).collect::<Result<Vec<_>>>()?;
        let filters = (0..c.count()?).map(|_| Filter::read(c)).collect::<Result<Vec<_>>>()?;
        let count = c.count()?;
        let mut tiles = strangelet::limits::reserve(count);
        let mut end = 0u64;
        for _ in 0..count {
            let step = c.varint()?;
            let pos = end.wrapping_add((step >> 1) ^ (step & 1).wrapping_neg());
            let len = c.varint()?;
            end = pos.wrapping_add(len);
            let mask = u32::try_from(c.varint()?).map_err(|_| strange())?;
            let mut at = Vec::with_capacity(rank);
            for axis in &chunk {
                at.push(c.varint()?.checked_mul(*axis).ok_or_else(strange)?);
            }
            let bits = c.byte()?;
            let mut cooked = Cooked::default();
            if bits & 2 != 0 {
                let mut rest = c.rest();
                cooked.recipe = Some(Recipe::read(&mut rest)?);
                c.take(c.rest().len() - rest.len())?;
                let n = c.count()?;
                cooked.corrections = c.take(n)?.to_vec();
            }
            tiles.push(Tile { place: Chunk { pos, len, mask, at }, cooked, clean: bits & 1 != 0 });
        }
        let tiles = Tiles { table, cell, dims, chunk, filters, tiles };
        tiles.check()?;
        Ok(tiles)
    }
}

/// What a proof is remembered under: everything that decides the bytes beside the content.
fn recipe_bytes(filters: &[Filter], mask: u32, cooked: &Cooked) -> Vec<u8> {
    let mut out = Vec::new();
    filters.iter().for_each(|f| f.write(&mut out));
    out.extend(mask.to_le_bytes());
    if let Some(recipe) = &cooked.recipe {
        recipe.write(&mut out);
    }
    out.extend_from_slice(&cooked.corrections);
    out
}
