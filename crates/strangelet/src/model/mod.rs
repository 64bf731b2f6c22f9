//! Predictors: what is known of the next symbol, or number, before it is coded.
//!
//! Where floating-point numbers take part in what a decoder computes, every operation is one of IEEE
//! binary64 `+ - * /` or `sqrt`, in the order in which it stands; nothing is fused, nothing taken from a
//! library of functions. Sums over several lanes say how.

pub mod bcae;
pub mod bell;
pub mod blend;
pub mod bytes;
pub mod frame;
pub mod graph;
pub mod interval;
pub mod kept;
pub mod lattice;
pub mod least_squares;
pub mod levels;
pub mod mixing;
pub mod net;
pub mod ordinal;
pub mod ridge;
pub mod trace;
pub mod wave;
