//! Ends of lists <-> lengths, and cells of one width <-> cells of another.

use strangelet::column::{Cells, Scalar};

/// Lengths of lists from their ends, which start at zero and never fall; `None` where they do.
/// `before` lists without content come first.
pub fn ends_to_lengths(ends: &Cells, before: usize) -> Option<Vec<u32>> {
    let mut lengths = vec![0; before];
    let mut last = 0u64;
    let mut push = |end: u64| -> Option<()> {
        lengths.push(u32::try_from(end.checked_sub(last)?).ok()?);
        last = end;
        Some(())
    };
    match ends {
        Cells::W4(v) => v.iter().try_for_each(|&e| push(e as u64))?,
        Cells::W8(v) => v.iter().try_for_each(|&e| push(e))?,
        _ => return None,
    }
    Some(lengths)
}

/// Ends of lists from their lengths, counted on from `last`, which moves along.
pub fn lengths_to_ends(lengths: &[u32], last: &mut u64, scalar: Scalar) -> Cells {
    let ends = lengths.iter().map(|&n| {
        *last = last.wrapping_add(n as u64);
        *last
    });
    match scalar {
        Scalar::U32 => Cells::W4(ends.map(|e| e as u32).collect()),
        _ => Cells::W8(ends.collect()),
    }
}

/// Cells of a scalar as those of a wider one of the same sort (see [`narrow`]).
pub fn widen(cells: Cells, from: Scalar, to: Scalar) -> Cells {
    if from == to {
        return cells;
    }
    let sign = 64 - 8 * from.width() as u32;
    let wide = |v: u64| match (from, to) {
        (Scalar::F32, Scalar::F64) => (f32::from_bits(v as u32) as f64).to_bits(),
        _ if from.is_signed() => ((v << sign) as i64 >> sign) as u64,
        _ => v,
    };
    let values = (0..cells.len()).filter_map(|i| cells.get(i)).map(wide);
    collect(values, to)
}

/// Cells of a scalar as those of a narrower one: the inverse of [`widen`] on what that makes.
pub fn narrow(cells: Cells, from: Scalar, to: Scalar) -> Cells {
    if from == to {
        return cells;
    }
    let short = |v: u64| match (from, to) {
        (Scalar::F64, Scalar::F32) => (f64::from_bits(v) as f32).to_bits() as u64,
        _ => v,
    };
    let values = (0..cells.len()).filter_map(|i| cells.get(i)).map(short);
    collect(values, to)
}

/// `n` cells of zero.
pub fn zeros(scalar: Scalar, n: usize) -> Cells {
    match scalar.width() {
        1 => Cells::W1(vec![0; n]),
        2 => Cells::W2(vec![0; n]),
        4 => Cells::W4(vec![0; n]),
        _ => Cells::W8(vec![0; n]),
    }
}

fn collect(values: impl Iterator<Item = u64>, to: Scalar) -> Cells {
    match to.width() {
        1 => Cells::W1(values.map(|v| v as u8).collect()),
        2 => Cells::W2(values.map(|v| v as u16).collect()),
        4 => Cells::W4(values.map(|v| v as u32).collect()),
        _ => Cells::W8(values.collect()),
    }
}

/// Cells that come in at one end and leave at the other.
#[derive(Debug)]
pub struct Queue {
    cells: Cells,
    taken: usize,
}

impl Queue {
    /// An empty queue of cells of a scalar.
    pub fn new(scalar: Scalar) -> Queue {
        Queue { cells: Cells::empty(scalar.width()), taken: 0 }
    }

    /// Cells in the queue.
    pub fn len(&self) -> usize {
        self.cells.len() - self.taken
    }

    /// Adds cells at the end; an error where they are of another width.
    pub fn push(&mut self, cells: Cells) -> strangelet::error::Result<()> {
        if self.len() == 0 && cells.width() == self.cells.width() {
            (self.cells, self.taken) = (cells, 0);
            return Ok(());
        }
        if self.taken > 0 {
            self.cells = self.cells.slice(self.taken..self.cells.len());
            self.taken = 0;
        }
        self.cells.append(&cells)
    }

    /// Takes the first `n` cells, or all where there are fewer.
    pub fn take(&mut self, n: usize) -> Cells {
        let n = n.min(self.len());
        if self.taken == 0 && n == self.cells.len() {
            let empty = Cells::empty(self.cells.width());
            return std::mem::replace(&mut self.cells, empty);
        }
        let out = self.cells.slice(self.taken..self.taken + n);
        self.taken += n;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ends_come_back(lengths in prop::collection::vec(0u32..1000, 0..50), wide in any::<bool>(), before in 0usize..4) {
            let scalar = if wide { Scalar::U64 } else { Scalar::U32 };
            let mut last = 0;
            let ends = lengths_to_ends(&lengths, &mut last, scalar);
            prop_assert_eq!(last, lengths.iter().map(|&n| n as u64).sum::<u64>());
            let back = ends_to_lengths(&ends, before).unwrap();
            prop_assert!(back[..before].iter().all(|&n| n == 0));
            prop_assert_eq!(&back[before..], &lengths[..]);
        }

        #[test]
        fn widened_cells_come_back(v in prop::collection::vec(any::<u64>(), 0..20), from in 0usize..11, to in 0usize..11) {
            let (from, to) = (Scalar::ALL[from], Scalar::ALL[to]);
            let sort = |s: Scalar| (s.is_float(), s.is_signed());
            prop_assume!(sort(from) == sort(to) && from.width() <= to.width());
            let cells = collect(v.into_iter(), from);
            let nan = from.is_float() && from != to;
            prop_assume!(!nan || (0..cells.len()).all(|i| !f32::from_bits(cells.get(i).unwrap() as u32).is_nan()));
            prop_assert_eq!(narrow(widen(cells.clone(), from, to), to, from), cells);
        }

        #[test]
        fn queue_keeps_order(parts in prop::collection::vec((prop::collection::vec(any::<u16>(), 0..9), 0usize..9), 0..30)) {
            let (mut q, mut all, mut out) = (Queue::new(Scalar::U16), Vec::<u16>::new(), Vec::new());
            for (part, n) in parts {
                all.extend(&part);
                q.push(Cells::W2(part)).unwrap();
                if let Cells::W2(v) = q.take(n) { out.extend(v) }
            }
            if let Cells::W2(v) = q.take(usize::MAX) { out.extend(v) }
            prop_assert_eq!(out, all);
        }
    }

    #[test]
    fn falling_or_long_ends_are_refused() {
        assert_eq!(ends_to_lengths(&Cells::W4(vec![3, 2]), 0), None);
        assert_eq!(ends_to_lengths(&Cells::W8(vec![1 << 32]), 0), None);
        assert_eq!(widen(Cells::W1(vec![0xff]), Scalar::I8, Scalar::I32), Cells::W4(vec![u32::MAX]));
    }
}
