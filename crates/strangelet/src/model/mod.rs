//! Predictors: what is known of the next symbol before it is coded.

pub mod blend;
pub mod levels;
