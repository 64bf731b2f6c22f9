//! What `simulate` reads and writes.

pub mod npy;
pub mod parameters;
pub mod particles;
pub mod report;
pub mod truth;
