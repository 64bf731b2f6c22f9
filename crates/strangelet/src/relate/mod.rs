//! Relations between columns: what follows from other columns of the same row, up to some units of the last place.

mod find;
pub mod steps;

pub use find::{Given, Relation, find};

use crate::column::{Cells, Scalar};
use crate::error::{Result, corruption};
use crate::infer::math::{cosh, sin_cos, sinh};

/// A quantity made of columns. The numbers on disk are those of the kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The column itself.
    Column = 0,
    /// sqrt((pt cosh eta)^2 + m^2).
    EnergyOfPtEtaM = 1,
    /// sqrt(px^2 + py^2 + pz^2 + m^2).
    EnergyOfPM = 2,
    /// sqrt(px^2 + py^2 + pz^2).
    Momentum = 3,
    /// sqrt(px^2 + py^2).
    Transverse = 4,
    /// pt cosh eta.
    MomentumOfPtEta = 5,
    /// pt sinh eta.
    Longitudinal = 6,
    /// pt cos phi.
    PtCos = 7,
    /// pt sin phi.
    PtSin = 8,
    /// The product of two columns.
    Product = 9,
    /// The first column by the second.
    Quotient = 10,
}

impl Kind {
    /// All, by number.
    pub const ALL: [Kind; 11] = [
        Kind::Column,
        Kind::EnergyOfPtEtaM,
        Kind::EnergyOfPM,
        Kind::Momentum,
        Kind::Transverse,
        Kind::MomentumOfPtEta,
        Kind::Longitudinal,
        Kind::PtCos,
        Kind::PtSin,
        Kind::Product,
        Kind::Quotient,
    ];

    /// Number of columns it is made of.
    pub fn columns(self) -> usize {
        match self {
            Kind::Column => 1,
            Kind::EnergyOfPtEtaM | Kind::Momentum => 3,
            Kind::EnergyOfPM => 4,
            _ => 2,
        }
    }

    /// Its value. IEEE operations in this order only.
    #[inline]
    pub fn value(self, x: [f64; 4]) -> f64 {
        let [a, b, c, d] = x;
        match self {
            Kind::Column => a,
            Kind::EnergyOfPtEtaM => {
                let p = a * cosh(b);
                (p * p + c * c).sqrt()
            }
            Kind::EnergyOfPM => (((a * a + b * b) + c * c) + d * d).sqrt(),
            Kind::Momentum => ((a * a + b * b) + c * c).sqrt(),
            Kind::Transverse => (a * a + b * b).sqrt(),
            Kind::MomentumOfPtEta => a * cosh(b),
            Kind::Longitudinal => a * sinh(b),
            Kind::PtCos => a * sin_cos(b).1,
            Kind::PtSin => a * sin_cos(b).0,
            Kind::Product => a * b,
            Kind::Quotient => {
                if b == 0.0 {
                    0.0
                } else {
                    a / b
                }
            }
        }
    }
}

/// A quantity with a sign and a factor, and the numbers of its columns (as many as the kind has).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// What it is.
    pub kind: Kind,
    /// Its columns.
    pub columns: [usize; 4],
    /// What it is multiplied by.
    pub factor: f64,
}

/// The value of a cell as a number.
#[inline(always)]
pub fn number(bits: u64, scalar: Scalar) -> f64 {
    match scalar {
        Scalar::F32 => f64::from(f32::from_bits(bits as u32)),
        Scalar::F64 => f64::from_bits(bits),
        s if s.is_signed() => {
            let unused = 64 - 8 * s.width() as u32;
            ((bits << unused) as i64 >> unused) as f64
        }
        _ => bits as f64,
    }
}

/// The cell that is nearest to a number.
#[inline(always)]
pub fn cell(x: f64, scalar: Scalar) -> u64 {
    match scalar {
        Scalar::F32 => u64::from((x as f32).to_bits()),
        Scalar::F64 => x.to_bits(),
        s => {
            let width = 8 * s.width() as u32;
            let x = (x + 0.5).floor();
            let bits = if s.is_signed() { x as i64 as u64 } else { x as u64 };
            if width == 64 { bits } else { bits & ((1 << width) - 1) }
        }
    }
}

/// What the terms say for each row: the cell, and how many binary digits are lost because the terms are larger than
/// their sum (at most 31). Where the sum is less than 2^-20 of the sum of their sizes, it is 0.
pub fn predict(
    terms: &[Term],
    columns: &[(&Cells, Scalar)],
    scalar: Scalar,
    count: usize,
) -> Result<(Vec<u64>, Vec<u8>)> {
    for term in terms {
        for &c in term.columns.iter().take(term.kind.columns()) {
            if columns.get(c).is_none_or(|(cells, _)| cells.len() != count) {
                return Err(corruption("a relation with a column of another length"));
            }
        }
    }
    if terms.is_empty() {
        return Err(corruption("a relation without terms"));
    }
    let mut cells = Vec::with_capacity(count);
    let mut losses = Vec::with_capacity(count);
    for i in 0..count {
        let (mut sum, mut size) = (0.0f64, 0.0f64);
        for term in terms {
            let mut x = [0.0; 4];
            for (x, &c) in x.iter_mut().zip(&term.columns).take(term.kind.columns()) {
                if let Some((cells, scalar)) = columns.get(c) {
                    *x = number(cells.get(i).unwrap_or(0), *scalar);
                }
            }
            let value = term.factor * term.kind.value(x);
            sum += value;
            size += value.abs();
        }
        if sum.is_nan() {
            sum = 0.0;
        }
        let small = sum.abs() * 1048576.0 < size;
        if small {
            sum = 0.0;
        }
        cells.push(cell(sum, scalar));
        let exponent = |x: f64| (x.to_bits() >> 52 & 0x7ff) as i64;
        losses.push(if small { 31 } else { (exponent(size) - exponent(sum)).clamp(0, 30) as u8 });
    }
    Ok((cells, losses))
}
