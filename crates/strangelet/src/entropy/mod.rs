//! Coders of symbols and bits. Pure integers, no knowledge of columns.

pub mod binary;
pub mod bits;
pub mod mix;
pub mod rans;
