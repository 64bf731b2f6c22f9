//! Deterministic arithmetic and networks: the same bits on every machine.
//!
//! Networks are evaluated in f32 with `+ *` in an order that is written down; where lanes are used they are
//! independent results, never parts of one sum. No product and sum are fused, and neither the number of
//! threads nor the width of the machine's registers changes a bit.

pub mod dense;
pub mod math;
pub mod sparse;
