//! The promise of a reduced file: what was asked for, and what was found when the decoded cells were compared
//! with the original's. Specified in docs/format.md.

use super::index::Original;
use super::varint::{Cursor, put};
use crate::column::Scalar;
use crate::error::{Result, corruption};
use crate::table::TableSchema;

/// How far a cell may be from the original's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// |x - y|, in the unit of the column.
    Abs(f64),
    /// |log2(|x| + 1) - log2(|y| + 1)|, signs being equal.
    Log2(f64),
    /// |x - y| / |x|.
    Rel(f64),
    /// No cell is bound; the mean over all cells of the error of log2(|x| + 1) is.
    MeanLog2(f64),
    /// Nothing is bound but the size: original bytes / bytes of the container are at least this.
    Ratio(f64),
    /// Nothing is bound: a network made the cells again, and which of them are zero may have changed.
    Network,
}

impl Bound {
    /// Name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Bound::Abs(_) => "abs",
            Bound::Log2(_) => "log2",
            Bound::Rel(_) => "rel",
            Bound::MeanLog2(_) => "mean-log2",
            Bound::Ratio(_) => "ratio",
            Bound::Network => "network",
        }
    }

    /// The number asked for.
    pub fn value(&self) -> f64 {
        match *self {
            Bound::Abs(v) | Bound::Log2(v) | Bound::Rel(v) | Bound::MeanLog2(v) | Bound::Ratio(v) => v,
            Bound::Network => 0.0,
        }
    }

    /// Whether each cell is bound by itself.
    pub fn pointwise(&self) -> bool {
        matches!(self, Bound::Abs(_) | Bound::Log2(_) | Bound::Rel(_))
    }

    fn number(&self) -> u8 {
        match self {
            Bound::Abs(_) => 0,
            Bound::Log2(_) => 1,
            Bound::Rel(_) => 2,
            Bound::MeanLog2(_) => 3,
            Bound::Ratio(_) => 4,
            Bound::Network => 5,
        }
    }

    fn read(number: u8, v: f64) -> Result<Bound> {
        if !v.is_finite() || v < 0.0 {
            return Err(corruption(format!("promise: a bound of {v}")));
        }
        Ok(match number {
            0 => Bound::Abs(v),
            1 => Bound::Log2(v),
            2 => Bound::Rel(v),
            3 => Bound::MeanLog2(v),
            4 => Bound::Ratio(v),
            5 if v == 0.0 => Bound::Network,
            other => return Err(corruption(format!("promise: a bound of kind {other}"))),
        })
    }
}

/// What is promised of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColumnPromise {
    /// Number of the table.
    pub table: usize,
    /// Number of the column in it.
    pub column: usize,
    /// What was asked for.
    pub bound: Bound,
    /// Cells of a smaller magnitude became zero, where this is above zero.
    pub drop_below: f64,
    /// Cells that became zero for that reason.
    pub dropped: u64,
    /// Greatest error of a cell, in the unit of the bound (log2(|x| + 1) where no cell is bound). Dropped cells
    /// are not looked at. Rounded up.
    pub max_error: f32,
    /// Mean of that over the cells that are not zero. Rounded up.
    pub mean_error: f32,
    /// Mean over all cells, zeros and dropped ones included, of the error of log2(|x| + 1). Rounded up.
    pub mae_log2: f32,
}

impl ColumnPromise {
    /// The greatest error for people: what is kept of it is rounded up, and never more than was promised.
    ///
    /// ```
    /// use strangelet::format::{Bound, ColumnPromise};
    /// let kept = 0.02f64 as f32; // 0.0199999996
    /// let promise = ColumnPromise {
    ///     table: 0, column: 0, bound: Bound::Rel(0.02), drop_below: 0.0, dropped: 0,
    ///     max_error: kept.next_up(), mean_error: 0.01, mae_log2: 0.01,
    /// };
    /// assert_eq!(promise.greatest(), 0.02);
    /// ```
    pub fn greatest(&self) -> f64 {
        let kept = f64::from(self.max_error);
        if self.bound.pointwise() { kept.min(self.bound.value()) } else { kept }
    }
}

/// The promise of a reduced file.
#[derive(Debug, Clone, PartialEq)]
pub struct Promise {
    /// Length of the file before it was reduced.
    pub len: u64,
    /// xxh3-128 of its bytes.
    pub xxh3: u128,
    /// What is promised, column by column. All other columns are as they were.
    pub columns: Vec<ColumnPromise>,
}

/// `x` as a binary32 that is not smaller.
pub fn rounded_up(x: f64) -> f32 {
    let near = x as f32;
    if f64::from(near) < x { near.next_up() } else { near }
}

impl Promise {
    /// Of an original, nothing yet.
    pub fn of(original: &Original) -> Promise {
        Promise { len: original.len, xxh3: original.xxh3, columns: Vec::new() }
    }

    /// Appends it to an index.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put(out, self.len);
        out.extend_from_slice(&self.xxh3.to_le_bytes());
        put(out, self.columns.len() as u64);
        for c in &self.columns {
            put(out, c.table as u64);
            put(out, c.column as u64);
            let drops = c.drop_below > 0.0;
            out.push(c.bound.number() | (drops as u8) << 7);
            out.extend_from_slice(&c.bound.value().to_le_bytes());
            if drops {
                out.extend_from_slice(&c.drop_below.to_le_bytes());
                put(out, c.dropped);
            }
            for x in [c.max_error, c.mean_error, c.mae_log2] {
                out.extend_from_slice(&x.to_le_bytes());
            }
        }
    }

    /// Reads what [`Promise::write`] wrote; refuses what no writer promises.
    pub(super) fn read(c: &mut Cursor, tables: &[TableSchema]) -> Result<Promise> {
        let (len, xxh3) = (c.varint()?, u128::from_le_bytes(c.array()?));
        let mut columns: Vec<ColumnPromise> = Vec::new();
        for _ in 0..c.count()? {
            let [table, column] =
                [c.varint()?, c.varint()?].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
            let schema = tables.get(table).and_then(|t| t.columns.get(column));
            let schema = schema.ok_or_else(|| corruption("promise: of a column that does not exist"))?;
            if !reducible(schema.scalar) || tables[table].residue {
                return Err(corruption(format!("promise: of column {}, which is not reduced", schema.name)));
            }
            if columns.last().is_some_and(|l| (l.table, l.column) >= (table, column)) {
                return Err(corruption("promise: columns out of order"));
            }
            let kind = c.byte()?;
            let bound = Bound::read(kind & 127, f64::from_le_bytes(c.array()?))?;
            let (mut drop_below, mut dropped) = (0.0, 0);
            if kind >> 7 == 1 {
                drop_below = f64::from_le_bytes(c.array()?);
                dropped = c.varint()?;
                if !drop_below.is_finite() || drop_below <= 0.0 {
                    return Err(corruption(format!("promise: cells below {drop_below} dropped")));
                }
            }
            let [max_error, mean_error, mae_log2] =
                [c.array()?, c.array()?, c.array()?].map(f32::from_le_bytes);
            let sound = |x: f32| x >= 0.0 && x.is_finite();
            let broken = match bound {
                Bound::Abs(v) | Bound::Log2(v) | Bound::Rel(v) => max_error > rounded_up(v),
                Bound::MeanLog2(v) => mae_log2 > rounded_up(v),
                Bound::Ratio(_) | Bound::Network => false,
            };
            if ![max_error, mean_error, mae_log2].into_iter().all(sound) || mean_error > max_error || broken {
                return Err(corruption(format!("promise: column {} is not within its bound", schema.name)));
            }
            columns.push(ColumnPromise {
                table,
                column,
                bound,
                drop_below,
                dropped,
                max_error,
                mean_error,
                mae_log2,
            });
        }
        if columns.is_empty() {
            return Err(corruption("promise: of no column"));
        }
        Ok(Promise { len, xxh3, columns })
    }
}

/// Whether columns of this type can be reduced.
pub fn reducible(scalar: Scalar) -> bool {
    !matches!(scalar, Scalar::Bool | Scalar::I64 | Scalar::U64)
}
