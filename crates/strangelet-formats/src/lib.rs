//! Files of others, taken apart into tables and put together again, byte for byte.
#![forbid(unsafe_code)]

mod content;
mod layout;
mod npy;
mod plan;
mod raw;
pub mod recipe;
pub mod root;

pub use content::content;

use strangelet::dissect::FileFormat;

/// All kinds of file, the most special first; the last takes anything.
pub static ALL: &[&dyn FileFormat] = &[&npy::Npy, &raw::Raw];
