//! The filters of chunks, both ways.

use crate::recipe::{Effort, Kind, Kitchen, Recipe};
use strangelet::error::{Result, corruption};
use strangelet::format::varint::{Cursor, put};

/// A filter of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// zlib.
    Deflate,
    /// First bytes of all cells, then second bytes, and so on.
    Shuffle {
        /// Bytes of a cell.
        width: u32,
    },
    /// A checksum of four bytes at the end.
    Fletcher,
}

impl Filter {
    /// Appends the filter.
    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            Filter::Deflate => out.push(1),
            Filter::Shuffle { width } => {
                out.push(2);
                put(out, width.into());
            }
            Filter::Fletcher => out.push(3),
        }
    }

    /// Reads what [`Filter::write`] wrote.
    pub fn read(c: &mut Cursor) -> Result<Filter> {
        Ok(match c.byte()? {
            1 => Filter::Deflate,
            2 => match u32::try_from(c.varint()?) {
                Ok(width) if width > 0 => Filter::Shuffle { width },
                _ => return Err(corruption("hdf5: a shuffle of strange cells")),
            },
            3 => Filter::Fletcher,
            other => return Err(corruption(format!("hdf5: filter {other}"))),
        })
    }
}

/// How a chunk is compressed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cooked {
    /// The recipe, where it is deflated.
    pub recipe: Option<Recipe>,
    /// Corrections of the recipe.
    pub corrections: Vec<u8>,
}

/// The content of a chunk: the filters that its mask does not skip, undone from the last to the first.
pub fn undo(
    kitchen: &mut Kitchen,
    filters: &[Filter],
    mask: u32,
    stored: &[u8],
    len: usize,
) -> Result<Vec<u8>> {
    let mut bytes = stored.to_vec();
    for (i, filter) in filters.iter().enumerate().rev() {
        if mask >> i & 1 != 0 {
            continue;
        }
        bytes = match *filter {
            Filter::Fletcher => {
                let (content, sum) =
                    bytes.split_last_chunk().ok_or_else(|| corruption("hdf5: no checksum"))?;
                if u32::from_le_bytes(*sum) != fletcher(content) {
                    return Err(corruption("hdf5: another checksum"));
                }
                content.to_vec()
            }
            // What is inflated has all its bytes but for checksums that a filter before may have added.
            Filter::Deflate => {
                let sums = filters[..i]
                    .iter()
                    .enumerate()
                    .filter(|(j, f)| **f == Filter::Fletcher && mask >> j & 1 == 0);
                kitchen.inflate(Kind::Zlib, &bytes, len + 4 * sums.count())?
            }
            Filter::Shuffle { width } => unshuffle(&bytes, width as usize),
        };
    }
    if bytes.len() == len { Ok(bytes) } else { Err(corruption("hdf5: a chunk of another length")) }
}

/// How the filters make `stored` out of `content`; none where they do not.
pub fn find(
    kitchen: &mut Kitchen,
    filters: &[Filter],
    mask: u32,
    content: &[u8],
    stored: &[u8],
    hint: Option<&Recipe>,
    effort: Effort,
) -> Option<Cooked> {
    let mut cooked = Cooked::default();
    let mut bytes = content.to_vec();
    for (i, filter) in filters.iter().enumerate() {
        if mask >> i & 1 != 0 {
            continue;
        }
        bytes = match *filter {
            Filter::Shuffle { width } => shuffle(&bytes, width as usize),
            Filter::Fletcher => checked(bytes),
            Filter::Deflate => {
                // Only checksums may follow: what was deflated is known by leaving them out.
                let after = &filters[i + 1..];
                let sums = after.iter().enumerate().filter(|(j, _)| mask >> (i + 1 + j) & 1 == 0);
                if cooked.recipe.is_some() || sums.clone().any(|(_, f)| *f != Filter::Fletcher) {
                    return None;
                }
                let block = stored.get(..stored.len().checked_sub(4 * sums.count())?)?;
                let (recipe, corrections) = kitchen.find(Kind::Zlib, block, &bytes, hint, effort)?;
                cooked = Cooked { recipe: Some(recipe), corrections };
                block.to_vec()
            }
        };
    }
    (bytes == stored).then_some(cooked)
}

/// Deflates the bytes that reach the filter.
pub type Deflate<'a> = dyn FnMut(&mut Kitchen, &[u8]) -> Result<Vec<u8>> + 'a;

/// The filters, from the first to the last.
pub fn apply(
    kitchen: &mut Kitchen,
    filters: &[Filter],
    mask: u32,
    content: Vec<u8>,
    deflate: &mut Deflate,
) -> Result<Vec<u8>> {
    let mut bytes = content;
    for (i, filter) in filters.iter().enumerate() {
        if mask >> i & 1 != 0 {
            continue;
        }
        bytes = match *filter {
            Filter::Shuffle { width } => shuffle(&bytes, width as usize),
            Filter::Fletcher => checked(bytes),
            Filter::Deflate => deflate(kitchen, &bytes)?,
        };
    }
    Ok(bytes)
}

fn checked(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = fletcher(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// Bytes behind the last whole cell stay where they are.
fn shuffle(bytes: &[u8], width: usize) -> Vec<u8> {
    let whole = bytes.len() - bytes.len() % width.max(1);
    if whole == 0 {
        return bytes.to_vec();
    }
    let mut out = Vec::with_capacity(bytes.len());
    for k in 0..width {
        out.extend(bytes[..whole].iter().skip(k).step_by(width));
    }
    out.extend_from_slice(&bytes[whole..]);
    out
}

fn unshuffle(bytes: &[u8], width: usize) -> Vec<u8> {
    let cells = bytes.len() / width.max(1);
    let mut out = bytes.to_vec();
    for (k, plane) in bytes.chunks_exact(cells.max(1)).take(width).enumerate() {
        if cells > 0 {
            plane.iter().enumerate().for_each(|(i, &b)| out[i * width + k] = b);
        }
    }
    out
}

/// The checksum of HDF5: over big-endian words of 16 bits, an odd last byte as the high one.
fn fletcher(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (0u32, 0u32);
    let fold = |x: u32| (x & 0xffff) + (x >> 16);
    for piece in bytes.chunks(720) {
        for pair in piece.chunks(2) {
            a += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&x| x.into());
            b += a;
        }
        (a, b) = (fold(a), fold(b));
    }
    (a, b) = (fold(a), fold(b));
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn filters_are_undone(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            width in 1u32..9,
            mask in 0u32..8,
        ) {
            let filters = [Filter::Shuffle { width }, Filter::Deflate, Filter::Fletcher];
            let mut kitchen = Kitchen::new();
            let recipe = Recipe::Deflate { level: 4, window: 15 };
            let stored = apply(&mut kitchen, &filters, mask, bytes.clone(), &mut |k, b| {
                k.apply(Kind::Zlib, &recipe, &[], b)
            }).unwrap();
            let content = undo(&mut kitchen, &filters, mask, &stored, bytes.len()).unwrap();
            prop_assert_eq!(&content, &bytes);
            let cooked = find(&mut kitchen, &filters, mask, &content, &stored, None, Effort::Balanced).unwrap();
            prop_assert_eq!(cooked.recipe.is_some(), mask & 2 == 0);
        }
    }
}
