//! Reads a container at random: the tail, the index, then only the payloads asked for.

use super::index::{Index, Place};
use super::{INDEX_PLAIN, INDEX_ZSTD, MAGIC, TAIL, TAIL_MAGIC};
use crate::error::{Result, corruption, unsupported};
use crate::limits::MAX_INDEX_BYTES;
use crate::source::Source;
use std::borrow::Cow;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// An open container.
pub struct Reader<S: Source> {
    source: S,
    index: Index,
    index_len: u64,
}

impl<S: Source> Reader<S> {
    /// Reads and checks header, tail and index.
    pub fn open(source: S) -> Result<Self> {
        let len = source.len();
        let head = source
            .range(0, MAGIC.len() as u64)
            .map_err(|_| corruption("no strangelet container: too short"))?;
        if head[..7] != MAGIC[..7] {
            return Err(corruption("no strangelet container: it begins with other bytes"));
        }
        if head[7] != MAGIC[7] {
            return Err(unsupported(format!(
                "container version {}; this build reads version {}",
                head[7], MAGIC[7]
            )));
        }
        let short = || corruption("the container is truncated: its end is missing");
        let tail_pos = len.checked_sub(TAIL).filter(|&p| p >= MAGIC.len() as u64).ok_or_else(short)?;
        let tail = source.range(tail_pos, TAIL)?;
        if tail[16..] != TAIL_MAGIC {
            return Err(short());
        }
        let index_len = u64::from_le_bytes(tail[..8].try_into()?);
        let index_pos = tail_pos.checked_sub(index_len).filter(|&p| p >= MAGIC.len() as u64 && index_len > 0);
        let index_pos = index_pos.ok_or_else(|| corruption("the index is longer than the container"))?;
        let stored = source.range(index_pos, index_len)?;
        if xxh3_64(&stored) != u64::from_le_bytes(tail[8..16].try_into()?) {
            return Err(corruption("the index is damaged (checksum differs)"));
        }
        let plain = match stored[0] {
            INDEX_PLAIN => Cow::Borrowed(&stored[1..]),
            INDEX_ZSTD => {
                let n = zstd::zstd_safe::get_frame_content_size(&stored[1..]).ok().flatten();
                let n = n
                    .filter(|&n| n <= MAX_INDEX_BYTES)
                    .ok_or_else(|| corruption("the index claims a huge size"))?;
                Cow::Owned(
                    zstd::bulk::decompress(&stored[1..], n as usize)
                        .map_err(|e| corruption(format!("the index: {e}")))?,
                )
            }
            other => return Err(unsupported(format!("index coding {other}"))),
        };
        let index = Index::read(&plain, MAGIC.len() as u64, index_pos).map_err(|e| e.within("the index"))?;
        Ok(Reader { source, index, index_len })
    }

    /// The index.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The bytes of the container.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Bytes of the container that are no payload: header, index, tail.
    pub fn overhead(&self) -> u64 {
        MAGIC.len() as u64 + self.index_len + TAIL
    }

    /// Length of the container.
    pub fn len(&self) -> u64 {
        self.source.len()
    }

    /// Never: a container has at least its header.
    pub fn is_empty(&self) -> bool {
        self.source.is_empty()
    }

    /// The payload at a place, checked.
    pub fn payload<'a>(&self, place: &'a Place) -> Result<Cow<'a, [u8]>> {
        match place {
            Place::Inline(v) => Ok(Cow::Borrowed(v)),
            Place::Apart { pos, len, check } => {
                let bytes = self.source.range(*pos, *len)?;
                if xxh3_64(&bytes) as u32 != *check {
                    return Err(corruption(format!(
                        "the payload at byte {pos} is damaged (checksum differs)"
                    )));
                }
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// The first bytes of the payload at a place, at most 16 and not checked.
    pub fn head(&self, place: &Place) -> Result<Vec<u8>> {
        match place {
            Place::Inline(v) => Ok(v.iter().take(16).copied().collect()),
            Place::Apart { pos, len, .. } => self.source.range(*pos, (*len).min(16)),
        }
    }

    /// The bytes of a model bundle, checked against its hash.
    pub fn bundle(&self, number: usize) -> Result<Vec<u8>> {
        let b = self
            .index
            .bundles
            .get(number)
            .ok_or_else(|| corruption(format!("there is no bundle {number}")))?;
        let bytes = self.source.range(b.pos, b.len)?;
        if xxh3_128(&bytes) != b.hash {
            return Err(corruption(format!("bundle {} is damaged (hash differs)", b.name)));
        }
        Ok(bytes)
    }
}
