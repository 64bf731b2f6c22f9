//! ROOT files.

pub mod block;
