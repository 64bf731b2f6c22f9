//! The codecs, one file each.

mod adaptive;
mod bytes;
mod constant;
pub mod same;
mod store;
mod zstandard;

use crate::codec::Codec;

/// All codecs.
pub static ALL: &[&dyn Codec] =
    &[&store::Store, &same::Same, &constant::Constant, &zstandard::Zstandard, &adaptive::Adaptive, &bytes::Bytes];

/// The codec with a number.
pub fn by_id(id: u8) -> Option<&'static dyn Codec> {
    ALL.iter().copied().find(|c| c.id() == id)
}
