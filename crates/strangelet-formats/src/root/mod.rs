//! ROOT files.

pub mod block;
pub mod ntuple;
