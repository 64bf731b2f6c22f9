//! Predictors: what is known of the next symbol before it is coded.

pub mod blend;
pub mod graph;
pub mod levels;
pub mod mixing;
pub mod ordinal;
