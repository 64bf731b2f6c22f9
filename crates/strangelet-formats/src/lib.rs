//! Files of others, taken apart into tables and put together again, byte for byte.
#![forbid(unsafe_code)]

pub mod recipe;
pub mod root;
