//! Between the driver of ROOT files and its ntuples: which spans their tables give back, and how each is
//! compressed.

use super::assemble::Piece;
use super::dissect::{Claim, Spans};
use crate::recipe::{Effort, Kitchen, Recipe};
use crate::root::block::{self, PayloadRecipe};
use crate::root::plan::{self, Recipes};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Mutex;
use strangelet::dissect::Proofs;
use strangelet::error::{Result, corruption};
use strangelet::source::Target;
use xxhash_rust::xxh3::xxh3_64;

/// Claims whose recipes are looked for side by side, all with the same hint.
const BATCH: usize = 16;
/// Bytes of contents that wait to be compressed side by side.
const WAITING: usize = 4 << 20;

/// Spans of a file, by position and length.
#[derive(Debug, Default)]
pub struct Covered {
    spans: Vec<(u64, u64)>,
}

impl Covered {
    /// Of spans in any order.
    pub fn new(mut spans: Vec<(u64, u64)>) -> Covered {
        spans.sort_unstable();
        Covered { spans }
    }

    /// The number of the span that starts at a position.
    pub fn find(&self, pos: u64) -> Option<usize> {
        self.spans.binary_search_by_key(&pos, |s| s.0).ok()
    }

    /// What of `from..to` is not covered, as starts and ends; none where nothing of it is covered.
    pub fn gaps(&self, from: u64, to: u64) -> Option<Vec<(u64, u64)>> {
        let mut next = self.spans.partition_point(|s| s.0.saturating_add(s.1) <= from);
        let mut gaps = Vec::new();
        let mut at = from;
        let first = next;
        while let Some(&(pos, len)) = self.spans.get(next).filter(|s| s.0 < to) {
            if pos > at {
                gaps.push((at, pos));
            }
            at = at.max(pos.saturating_add(len));
            next += 1;
        }
        if at < to {
            gaps.push((at, to));
        }
        (next > first).then_some(gaps)
    }
}

/// Compressors for as many threads as there are.
#[derive(Default)]
struct Kitchens(Mutex<Vec<Kitchen>>);

impl Kitchens {
    fn with<T>(&self, work: impl FnOnce(&mut Kitchen) -> T) -> T {
        let idle = self.0.lock().unwrap_or_else(|e| e.into_inner()).pop();
        let mut kitchen = idle.unwrap_or_default();
        let out = work(&mut kitchen);
        self.0.lock().unwrap_or_else(|e| e.into_inner()).push(kitchen);
        out
    }
}

/// What ntuples claim while they are taken apart.
pub struct Claims<'a> {
    proofs: &'a Proofs,
    effort: Effort,
    kitchens: Kitchens,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    spans: BTreeMap<u64, Held>,
    recipes: Recipes,
    hint: Option<Recipe>,
    misses: u32,
}

/// A span that was claimed.
struct Held {
    len: u64,
    recipe: u64,
    fix: Box<[u8]>,
}

/// How the stored bytes of a span follow from its content.
pub struct Packed {
    /// Position of the span.
    pub pos: u64,
    /// Its bytes, and those of the checksum behind it.
    pub len: u64,
    /// The recipe.
    pub recipe: Vec<u8>,
    /// Corrections to it.
    pub fix: Box<[u8]>,
}

impl<'a> Claims<'a> {
    /// None yet.
    pub fn new(proofs: &'a Proofs, effort: Effort) -> Self {
        Claims { proofs, effort, kitchens: Kitchens::default(), state: Mutex::default() }
    }

    /// All spans in order of their positions.
    pub fn into_packed(self) -> Vec<Packed> {
        let State { spans, recipes, .. } = self.state.into_inner().unwrap_or_else(|e| e.into_inner());
        let packed = |(pos, held): (u64, Held)| {
            let recipe = recipes.get(held.recipe).unwrap_or_default().to_vec();
            Packed { pos, len: held.len, recipe, fix: held.fix }
        };
        spans.into_iter().map(packed).collect()
    }
}

impl Spans for Claims<'_> {
    fn inflate(&self, stored: &[u8], content: usize) -> Result<Vec<u8>> {
        self.kitchens.with(|kitchen| block::inflate(kitchen, stored, content))
    }

    fn claim(&self, claims: Vec<Claim>) -> Result<Vec<bool>> {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let mut taken = Vec::with_capacity(claims.len());
        for batch in claims.chunks(BATCH) {
            let (hint, misses) = (state.hint, state.misses);
            let look = |(i, claim): (usize, &Claim)| {
                self.kitchens.with(|kitchen| {
                    kitchen.set_misses(misses.wrapping_add(i as u32));
                    block::find(kitchen, &claim.stored, &claim.content, hint.as_ref(), self.effort)
                })
            };
            let found: Vec<_> = batch.par_iter().enumerate().map(look).collect();
            for (claim, found) in batch.iter().zip(found) {
                // Corrections tell that no setting makes it either.
                if found.as_ref().is_none_or(|(_, fix)| !fix.is_empty()) {
                    state.misses = state.misses.wrapping_add(1);
                }
                taken.push(found.is_some_and(|(recipe, fix)| self.hold(&mut state, claim, &recipe, fix)));
            }
        }
        Ok(taken)
    }
}

impl Claims<'_> {
    /// Keeps what belongs to a claim; whether its span was free.
    fn hold(&self, state: &mut State, claim: &Claim, recipe: &PayloadRecipe, fix: Vec<u8>) -> bool {
        let pos = claim.span.position;
        let len = claim.span.stored.saturating_add(if claim.sealed { 8 } else { 0 });
        let end = pos.saturating_add(len);
        let before = state.spans.range(..end).next_back();
        if len == 0 || before.is_some_and(|(&p, held)| p + held.len > pos) {
            return false;
        }
        if let Some(last) = recipe.last() {
            state.hint = Some(*last);
        }
        let bytes = plan::recipe_bytes(recipe);
        if !recipe.blocks.is_empty() {
            self.proofs.remember(&[&bytes[..], &fix].concat(), &claim.content, &claim.stored);
        }
        let recipe = state.recipes.number(&bytes).0;
        state.spans.insert(pos, Held { len, recipe, fix: fix.into() });
        true
    }
}

/// The recipe of a span, as bytes, and its corrections.
pub type Known = (Vec<u8>, Vec<u8>);

/// Compresses pieces of ntuples and writes them, some at a time.
pub struct Pieces<'a> {
    proofs: &'a Proofs,
    kitchens: Kitchens,
    waiting: Vec<(Piece, Known)>,
    bytes: usize,
}

impl<'a> Pieces<'a> {
    /// Nothing yet.
    pub fn new(proofs: &'a Proofs) -> Self {
        Pieces { proofs, kitchens: Kitchens::default(), waiting: Vec::new(), bytes: 0 }
    }

    /// Takes a piece.
    pub fn push(&mut self, piece: Piece, known: Known, target: &mut dyn Target) -> Result<()> {
        self.bytes = self.bytes.saturating_add(piece.content.len() + 64);
        self.waiting.push((piece, known));
        if self.bytes >= WAITING { self.flush(target) } else { Ok(()) }
    }

    /// Writes what waits.
    pub fn flush(&mut self, target: &mut dyn Target) -> Result<()> {
        self.bytes = 0;
        let waiting = std::mem::take(&mut self.waiting);
        let recall = |(piece, (recipe, fix)): &(Piece, Known)| {
            let bytes = [&recipe[..], fix].concat();
            self.proofs.recall(&bytes, &piece.content, &*target, piece.span.position)
        };
        let recalled: Vec<_> = waiting.iter().map(recall).collect();
        let apply = |((piece, (recipe, fix)), proved): ((Piece, Known), Option<Vec<u8>>)| {
            let stored = match proved {
                Some(stored) => stored,
                None => {
                    let recipe = PayloadRecipe::read(&mut recipe.as_slice(), piece.content.len())?;
                    self.kitchens.with(|kitchen| block::apply(kitchen, &recipe, &fix, &piece.content))?
                }
            };
            Ok((piece, stored))
        };
        let done: Result<Vec<_>> = waiting.into_par_iter().zip(recalled).map(apply).collect();
        for (piece, mut stored) in done? {
            if stored.len() as u64 != piece.span.stored {
                return Err(corruption("a page of an ntuple does not fill its span"));
            }
            if piece.sealed {
                let seal = xxh3_64(&stored);
                stored.extend(seal.to_le_bytes());
            }
            target.write_at(piece.span.position, &stored)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_is_not_covered() {
        let covered = Covered::new(vec![(30, 10), (10, 5), (15, 5)]);
        assert_eq!(covered.gaps(0, 10), None);
        assert_eq!(covered.gaps(20, 30), None);
        assert_eq!(covered.gaps(0, 50), Some(vec![(0, 10), (20, 30), (40, 50)]));
        assert_eq!(covered.gaps(12, 18), Some(vec![]));
        assert_eq!(covered.gaps(19, 35), Some(vec![(20, 30)]));
        assert_eq!(covered.find(15), Some(2 - 1));
        assert_eq!(Covered::new(vec![(5, u64::MAX)]).gaps(0, 9), Some(vec![(0, 5)]));
    }
}
