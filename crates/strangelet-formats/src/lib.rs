//! Files of others, taken apart into tables and put together again, byte for byte.
#![forbid(unsafe_code)]

mod content;
mod csv;
mod events;
pub mod frames;
mod hdf5;
mod layout;
mod npy;
mod npz;
mod plan;
mod raw;
pub mod recipe;
pub mod root;
mod wrap;

pub use content::content;

use strangelet::dissect::FileFormat;

/// All kinds of file, the most special first; the last takes anything.
pub static ALL: &[&dyn FileFormat] = &[
    &root::Root,
    &frames::Frames,
    &npy::Npy,
    &npz::Npz,
    &hdf5::Hdf5,
    &wrap::Wrap::Gz,
    &wrap::Wrap::Xz,
    &wrap::Wrap::Zst,
    &events::Events::HepMc,
    &events::Events::Lhe,
    &csv::Csv,
    &raw::Raw,
];
