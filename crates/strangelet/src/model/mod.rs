//! Predictors: what is known of the next symbol before it is coded.

pub mod blend;
pub mod bytes;
mod frame;
mod history;
pub mod levels;
mod logistic;
mod matching;
mod slots;
