//! The compressed blocks of ROOT.
//!
//! A payload (the object of a key, a basket, an RNTuple page) of known compressed and
//! uncompressed length is either stored, where both lengths are equal, or a row of blocks:
//!
//! | bytes | what |
//! |---|---|
//! | 2 | format: `ZL` zlib, `CS` old deflate, `XZ`, `L4`, `ZS` zstd |
//! | 1 | method: a version of the format's library or header |
//! | 3 | compressed length behind this header, little-endian |
//! | 3 | content length, little-endian |
//!
//! Content longer than 16 MiB - 1 is cut into blocks of that length.

use strangelet::error::{Result, corruption};

use crate::recipe::{Effort, Kind, Kitchen, Recipe};

/// Bytes of a block header.
pub const HEADER: usize = 9;
/// Most content bytes of one block.
pub const MOST: usize = 0xff_ffff;

/// One block, as it stands in a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// The format.
    pub kind: Kind,
    /// The third byte of the header.
    pub method: u8,
    /// The compressed bytes behind the header.
    pub data: &'a [u8],
    /// Bytes of content.
    pub content_len: usize,
}

const TAGS: [([u8; 2], Kind); 5] = [
    (*b"ZL", Kind::Zlib),
    (*b"CS", Kind::Deflate),
    (*b"XZ", Kind::Xz),
    (*b"L4", Kind::Lz4),
    (*b"ZS", Kind::Zstd),
];

/// Cuts a compressed payload into its blocks.
///
/// # Errors
/// Corruption where a header is unknown or cut short, or the lengths do not add up.
pub fn split(payload: &[u8], content_len: usize) -> Result<Vec<Block<'_>>> {
    let mut blocks = Vec::new();
    let (mut rest, mut left) = (payload, content_len);
    while !rest.is_empty() {
        let (header, behind) =
            rest.split_first_chunk::<HEADER>().ok_or_else(|| corruption("ROOT block: header cut short"))?;
        let &[a, b, method, c0, c1, c2, u0, u1, u2] = header;
        let kind = TAGS
            .iter()
            .find(|t| t.0 == [a, b])
            .ok_or_else(|| corruption(format!("ROOT block: unknown format {a:#04x} {b:#04x}")))?
            .1;
        let compressed = u32::from_le_bytes([c0, c1, c2, 0]) as usize;
        let content = u32::from_le_bytes([u0, u1, u2, 0]) as usize;
        let (data, behind) = behind
            .split_at_checked(compressed)
            .ok_or_else(|| corruption("ROOT block: longer than its payload"))?;
        left = left
            .checked_sub(content)
            .ok_or_else(|| corruption("ROOT block: more content than its payload"))?;
        if content == 0 {
            return Err(corruption("ROOT block: no content"));
        }
        blocks.push(Block { kind, method, data, content_len: content });
        rest = behind;
    }
    if left != 0 {
        return Err(corruption("ROOT block: less content than its payload"));
    }
    Ok(blocks)
}

/// The content of a payload: itself where both lengths are equal, else that of all its blocks.
///
/// # Errors
/// Corruption as in [`split`] and [`crate::recipe::inflate`].
pub fn inflate(kitchen: &mut Kitchen, payload: &[u8], content_len: usize) -> Result<Vec<u8>> {
    if payload.len() == content_len {
        return Ok(payload.to_vec());
    }
    let mut content = Vec::new();
    for block in split(payload, content_len)? {
        let piece = kitchen.inflate(block.kind, block.data, block.content_len)?;
        if content.is_empty() {
            content = piece;
        } else {
            content.extend(piece);
        }
    }
    Ok(content)
}

/// How the payload is made again from its content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PayloadRecipe {
    /// Per block its format, method byte and recipe; empty for a stored payload.
    pub blocks: Vec<(Kind, u8, Recipe)>,
}

impl PayloadRecipe {
    /// Appends the bytes of this recipe; equal recipes have equal bytes. The number of blocks
    /// follows from the length of the content and is not written.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.blocks.is_empty() {
            out.push(0xff);
        }
        for (kind, method, recipe) in &self.blocks {
            let number = Kind::ALL.iter().position(|k| k == kind).unwrap_or_default();
            out.extend([number as u8, *method]);
            recipe.write(out);
        }
    }

    /// Reads what [`PayloadRecipe::write`] wrote for content of `content_len` bytes, and moves
    /// `bytes` behind it.
    ///
    /// # Errors
    /// Corruption where the bytes end too early or name something unknown.
    pub fn read(bytes: &mut &[u8], content_len: usize) -> Result<PayloadRecipe> {
        let short = || corruption("ROOT block: recipe cut short");
        if let Some((0xff, rest)) = bytes.split_first() {
            *bytes = rest;
            return Ok(PayloadRecipe { blocks: Vec::new() });
        }
        let mut blocks = Vec::new();
        for _ in 0..content_len.div_ceil(MOST) {
            let (&[number, method], rest) = bytes.split_first_chunk().ok_or_else(short)?;
            *bytes = rest;
            let kind = *Kind::ALL
                .get(usize::from(number))
                .ok_or_else(|| corruption("ROOT block: unknown format in a recipe"))?;
            blocks.push((kind, method, Recipe::read(bytes)?));
        }
        Ok(PayloadRecipe { blocks })
    }

    /// The last recipe of a block: the hint for the next payload.
    pub fn last(&self) -> Option<&Recipe> {
        self.blocks.last().map(|b| &b.2)
    }
}

/// Looks for the recipe of a payload whose content is known. `hint` is the last recipe of a block
/// that worked in this file. Returns the recipe and its corrections (mostly empty), or none where
/// any block has no recipe or the blocks are cut in an unusual way.
pub fn find(
    kitchen: &mut Kitchen,
    payload: &[u8],
    content: &[u8],
    hint: Option<&Recipe>,
    effort: Effort,
) -> Option<(PayloadRecipe, Vec<u8>)> {
    if payload.len() == content.len() {
        return (payload == content).then_some((PayloadRecipe { blocks: Vec::new() }, Vec::new()));
    }
    let blocks = split(payload, content.len()).ok()?;
    let pieces = content.chunks(MOST);
    if blocks.len() != pieces.len() {
        return None;
    }
    let mut hint = hint.copied();
    let mut corrections = Vec::new();
    let mut found = Vec::with_capacity(blocks.len());
    for (block, piece) in blocks.iter().zip(pieces) {
        if block.content_len != piece.len() {
            return None;
        }
        let (recipe, mut own) = kitchen.find(block.kind, block.data, piece, hint.as_ref(), effort)?;
        if blocks.len() > 1 {
            corrections.extend((own.len() as u32).to_le_bytes());
        }
        corrections.append(&mut own);
        hint = Some(recipe);
        found.push((block.kind, block.method, recipe));
    }
    Some((PayloadRecipe { blocks: found }, corrections))
}

/// Makes a payload again.
///
/// # Errors
/// Corruption where recipe, corrections and content do not fit each other.
pub fn apply(
    kitchen: &mut Kitchen,
    recipe: &PayloadRecipe,
    corrections: &[u8],
    content: &[u8],
) -> Result<Vec<u8>> {
    let misfit = || corruption("ROOT block: the recipe does not fit its content");
    if recipe.blocks.is_empty() {
        return if corrections.is_empty() { Ok(content.to_vec()) } else { Err(misfit()) };
    }
    let pieces = content.chunks(MOST);
    if pieces.len() != recipe.blocks.len() {
        return Err(misfit());
    }
    let mut payload = Vec::new();
    let mut corrections = corrections;
    for ((kind, method, step), piece) in recipe.blocks.iter().zip(pieces) {
        let own = if recipe.blocks.len() > 1 {
            let (len, rest) = corrections.split_first_chunk::<4>().ok_or_else(misfit)?;
            let (own, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or_else(misfit)?;
            corrections = rest;
            own
        } else {
            std::mem::take(&mut corrections)
        };
        let data = kitchen.apply(*kind, step, own, piece)?;
        let tag = TAGS.iter().find(|t| t.1 == *kind).ok_or_else(misfit)?.0;
        let [c0, c1, c2, 0] = u32::try_from(data.len()).map_err(|_| misfit())?.to_le_bytes() else {
            return Err(corruption("ROOT block: longer than a header can say"));
        };
        let [u0, u1, u2, _] = (piece.len() as u32).to_le_bytes();
        payload.extend([tag[0], tag[1], *method, c0, c1, c2, u0, u1, u2]);
        payload.extend(data);
    }
    if corrections.is_empty() { Ok(payload) } else { Err(misfit()) }
}
