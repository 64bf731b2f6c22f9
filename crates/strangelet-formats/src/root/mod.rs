//! ROOT files.

pub mod ntuple;
