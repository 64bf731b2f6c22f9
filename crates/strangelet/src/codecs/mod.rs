//! The codecs, one file each.

mod adaptive;
pub mod bcae_vs;
pub mod bins;
mod bytes;
pub mod carried;
pub mod channels;
mod classes;
pub mod columns;
mod constant;
pub mod digest;
pub mod grid;
mod grid_find;
pub mod hits;
pub mod kin;
pub mod nested;
pub mod palette;
mod plan;
pub mod rows;
pub mod same;
pub mod steps;
mod store;
mod text;
pub mod zstandard;

use crate::codec::Codec;

/// Number of `store`.
pub const STORE: u8 = 0;
/// Number of `same`.
pub const SAME: u8 = 1;
/// Number of `constant`.
pub const CONSTANT: u8 = 2;
/// Number of `zstd`.
pub const ZSTANDARD: u8 = 3;
/// Number of `adaptive`.
pub const ADAPTIVE: u8 = 4;
/// Number of `bytes`.
pub const BYTES: u8 = 5;
/// Number of `classes`.
pub const CLASSES: u8 = 6;
/// Number of `digest`.
pub const DIGEST: u8 = 7;
/// Number of `text`.
pub const TEXT: u8 = 8;

/// Number of `grid`.
pub const GRID: u8 = 9;

/// Number of `rows`.
pub const ROWS: u8 = 10;

/// Number of `hits`.
pub const HITS: u8 = 11;

/// Number of `kin`.
pub const KIN: u8 = 12;

/// Number of `columns`.
pub const COLUMNS: u8 = 13;

/// Number of `bcae-vs`.
pub const BCAE_VS: u8 = 14;

/// Number of `bins`.
pub const BINS: u8 = 15;

/// Number of `nested`.
pub const NESTED: u8 = 16;

/// Number of `carried`.
pub const CARRIED: u8 = 17;

/// Number of `steps`.
pub const STEPS: u8 = 18;

/// Number of `channels`.
pub const CHANNELS: u8 = 19;

/// Number of `palette`.
pub const PALETTE: u8 = 20;

/// All codecs.
pub static ALL: &[&dyn Codec] = &[
    &store::Store,
    &same::Same,
    &constant::Constant,
    &zstandard::Zstandard,
    &adaptive::Adaptive,
    &bytes::Bytes,
    &classes::Classes,
    &digest::Digest,
    &text::Text,
    &grid::Grid,
    &rows::Rows,
    &hits::Hits,
    &columns::Columns,
    &kin::Kin,
    &bcae_vs::BcaeVs,
    &bins::Bins,
    &nested::Nested,
    &carried::Carried,
    &steps::Steps,
    &channels::Channels,
    &palette::Palette,
];

/// The codec with a number.
pub fn by_id(id: u8) -> Option<&'static dyn Codec> {
    ALL.iter().copied().find(|c| c.id() == id)
}
