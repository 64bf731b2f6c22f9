//! The container on disk: header, payloads, index, tail. Specified bit-exactly in docs/format.md.
//!
//! Knows bytes, schemas and checksums, but no codec: payloads go in and come out as they are.

pub mod bundle;
pub mod index;
pub mod promise;
mod reader;
pub mod varint;
mod writer;

pub use index::{Bundle, ChunkEntry, Index, Original, Place, StreamEntry};
pub use promise::{Bound, ColumnPromise, Promise};
pub use reader::Reader;
pub use writer::Writer;

/// First bytes of a container; the last of them is the version of the format.
pub const MAGIC: [u8; 8] = *b"\x89SGL\r\n\x1a\x01";
/// Bytes of the tail: length of the stored index (8), its xxh3-64 (8), `\x01lgs` (4).
pub const TAIL: u64 = 20;
/// Last bytes of a container.
pub const TAIL_MAGIC: [u8; 4] = *b"\x01lgs";

/// The stored index is as it is.
const INDEX_PLAIN: u8 = 0;
/// The stored index is a zstd frame with its content size.
const INDEX_ZSTD: u8 = 1;
