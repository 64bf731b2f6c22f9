//! How far reduced cells are from the original's.

use super::value;
use crate::column::{Cells, Scalar};
use crate::error::{Result, corruption};
use crate::format::promise::rounded_up;
use crate::format::{Bound, ColumnPromise};
use crate::infer::math::log2;

/// The measure of detector frames: log2(|x| + 1).
#[inline]
pub fn log2_of(x: f64) -> f64 {
    log2(x.abs() + 1.0)
}

/// The error of a value in the unit of a bound. Infinite where signs differ and the unit knows none.
#[inline]
pub fn error(bound: &Bound, x: f64, y: f64) -> f64 {
    if x == y || (x.is_nan() && y.is_nan()) {
        return 0.0;
    }
    let e = match bound {
        Bound::Abs(_) => (x - y).abs(),
        Bound::Rel(_) => (x - y).abs() / x.abs(),
        Bound::Log2(_) | Bound::MeanLog2(_) | Bound::Ratio(_) | Bound::Network => {
            if (x < 0.0) != (y < 0.0) {
                return f64::INFINITY;
            }
            (log2_of(x) - log2_of(y)).abs()
        }
    };
    if e.is_nan() { f64::INFINITY } else { e }
}

/// Whether a value may stand for another.
#[inline]
pub fn holds(bound: &Bound, x: f64, y: f64) -> bool {
    error(bound, x, y) <= bound.value()
}

/// Errors of a column, added up chunk by chunk.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    cells: u64,
    nonzero: u64,
    dropped: u64,
    max: f64,
    sum: f64,
    sum_log2: f64,
}

impl Tally {
    /// Compares the cells of a chunk. An error names the first cell that breaks the promise.
    pub fn compare(
        &mut self,
        scalar: Scalar,
        original: &Cells,
        reduced: &Cells,
        bound: &Bound,
        drop_below: f64,
    ) -> Result<()> {
        if original.len() != reduced.len() || original.width() != reduced.width() {
            return Err(corruption("another number of cells than the original"));
        }
        for i in 0..original.len() {
            let (Some(a), Some(b)) = (original.get(i), reduced.get(i)) else {
                return Err(corruption("a cell is missing"));
            };
            self.cells += 1;
            let (x, y) = (value(scalar, a), value(scalar, b));
            if a == b {
                self.nonzero += u64::from(x != 0.0);
                continue;
            }
            let broken = |what: &str| Err(corruption(format!("cell {i}: {x} became {y}, {what}")));
            if *bound == Bound::Network && x.is_finite() && y.is_finite() {
                // Which cells are zero is not promised.
                let e = (log2_of(x) - log2_of(y)).abs();
                self.nonzero += 1;
                self.max = self.max.max(e);
                self.sum += e;
                self.sum_log2 += e;
                continue;
            }
            if x == 0.0 || !x.is_finite() || !y.is_finite() {
                return broken("and should have stayed");
            }
            if x.abs() < drop_below && y == 0.0 {
                self.dropped += 1;
                self.sum_log2 += log2_of(x);
                continue;
            }
            if y == 0.0 || (x < 0.0) != (y < 0.0) {
                return broken("but occupancy and signs stay");
            }
            let e = error(bound, x, y);
            if !e.is_finite() || bound.pointwise() && e > bound.value() {
                return broken(&format!("an error of {e} ({} {})", bound.name(), bound.value()));
            }
            self.nonzero += 1;
            self.max = self.max.max(e);
            self.sum += e;
            self.sum_log2 += (log2_of(x) - log2_of(y)).abs();
        }
        Ok(())
    }

    /// Whether nothing was compared.
    pub fn is_empty(&self) -> bool {
        self.cells == 0
    }

    /// Mean over all cells of the error of log2(|x| + 1).
    pub fn mae_log2(&self) -> f64 {
        self.sum_log2 / self.cells.max(1) as f64
    }

    /// What can be promised.
    pub fn promise(&self, table: usize, column: usize, bound: Bound, drop_below: f64) -> ColumnPromise {
        let max_error = rounded_up(self.max);
        ColumnPromise {
            table,
            column,
            bound,
            drop_below,
            dropped: self.dropped,
            max_error,
            mean_error: rounded_up(self.sum / self.nonzero.max(1) as f64).min(max_error),
            mae_log2: rounded_up(self.mae_log2()),
        }
    }
}
