//! Deterministic arithmetic: the same bits on every machine.

pub mod math;
