//! Hits: sparse integer arrays of detector frames.

pub mod quick;
