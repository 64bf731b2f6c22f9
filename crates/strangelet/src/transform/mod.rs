//! Reversible maps between cells and small integers. Pure kernels: slices in, slices out.

pub mod classes;
pub mod hex;
pub mod keys;
pub mod matches;
