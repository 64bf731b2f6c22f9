//! Predictors: what is known of the next symbol before it is coded.

pub mod blend;
pub mod bytes;
pub mod levels;
