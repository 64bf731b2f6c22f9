//! Strangelet keeps particle-physics data in the smallest space that physics allows.
#![forbid(unsafe_code)]

pub mod column;
pub mod error;
pub mod limits;
pub mod table;
