//! What both directions must agree on: tables of residue, heads of baskets, recipes.

use super::block::PayloadRecipe;
use super::record::{BasketHead, Key};
use super::residue::Fields;
use std::collections::HashMap;
use strangelet::column::Scalar;

/// What becomes of a span of the file.
pub mod kind {
    /// Its bytes are in the plain stream.
    pub const PLAIN: u64 = 0;
    /// A basket of a branch; it has a row among the baskets.
    pub const BASKET: u64 = 1;
    /// A head in its stream, and inflated content in its stream.
    pub const OBJECT: u64 = 2;
    /// Partly made by ntuples: a head in its stream, and what lies between their spans in the plain stream.
    pub const PIECES: u64 = 3;
}

/// One row a span, in file order.
pub static RECORDS: &Fields = &[
    ("kind", Scalar::U8),
    ("len", Scalar::U64),
    ("head", Scalar::U16),
    ("content", Scalar::U32),
    ("recipe", Scalar::U32),
    ("fix", Scalar::U32),
];

/// One row a branch: its table and number of columns; the lengths of its texts in the heads stream (form,
/// name, title of its tree where the branch before has another); the record of its tree; the scale
/// of its integers; and what of the tree's record follows from its baskets. Without a name of its own it
/// has the first `shared` bytes of the name of its first column, or all of them where that is 0.
/// `sums` counts from the `arrays` of the branch before, `arrays` from `sums`, both behind twice
/// the length of the name.
pub static BRANCHES: &Fields = &[
    ("table", Scalar::U32),
    ("columns", Scalar::U32),
    ("form", Scalar::U32),
    ("shared", Scalar::U16),
    ("name", Scalar::U16),
    ("title", Scalar::U16),
    ("record", Scalar::U32),
    ("low", Scalar::F64),
    ("factor", Scalar::F64),
    ("links", Scalar::U8),
    ("most", Scalar::U32),
    ("sums", Scalar::I32),
    ("arrays", Scalar::I32),
];

/// Which numbers in the record of a tree follow from the baskets of a branch, and are left out there.
pub mod link {
    /// Bytes of all baskets, inflated and as they are: two 64-bit numbers at `sums`.
    pub const SUMS: u64 = 1;
    /// Bytes of the records of baskets: at `arrays`, `most` 32-bit numbers.
    pub const BYTES: u64 = 2;
    /// Their first entries: behind the former and one byte.
    pub const ENTRIES: u64 = 4;
    /// Their places: behind the former and one byte.
    pub const PLACES: u64 = 8;
    /// First entries have 64 bits, not 32.
    pub const WIDE_ENTRIES: u64 = 16;
    /// Places have 64 bits, not 32.
    pub const WIDE_PLACES: u64 = 32;
}

/// What a tree's record says about a basket.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stored {
    /// Place of its record, 0 within the tree's record.
    pub pos: u64,
    /// Bytes of its record.
    pub nbytes: u64,
    /// Bytes of its key and inflated content.
    pub inflated: u64,
    /// Entries.
    pub entries: u64,
}

/// The numbers that follow from the baskets of a branch: where they lie, and their bytes.
pub fn linked(links: u64, most: u64, sums: u64, arrays: u64, baskets: &[Stored]) -> Vec<(u64, Vec<u8>)> {
    let mut out = Vec::new();
    let most = most.min(1 << 24) as usize;
    if links & link::SUMS != 0 {
        let total = |f: fn(&Stored) -> u64| baskets.iter().fold(0u64, |n, b| n.wrapping_add(f(b)));
        let both = [total(|b| b.inflated).to_be_bytes(), total(|b| b.nbytes).to_be_bytes()];
        out.push((sums, both.concat()));
    }
    let mut starts = Vec::with_capacity(baskets.len() + 1);
    starts.push(0u64);
    for b in baskets {
        starts.push(starts.last().map_or(0, |s| s.wrapping_add(b.entries)));
    }
    let numbers = |width: usize, value: &dyn Fn(usize) -> Option<u64>| {
        let mut bytes = Vec::with_capacity(most * width);
        (0..most).for_each(|i| bytes.extend_from_slice(&value(i).unwrap_or(0).to_be_bytes()[8 - width..]));
        bytes
    };
    let entry_width = if links & link::WIDE_ENTRIES != 0 { 8 } else { 4 };
    let place_width = if links & link::WIDE_PLACES != 0 { 8 } else { 4 };
    let entries_at = arrays + 4 * most as u64 + 1;
    let places_at = entries_at + (entry_width * most) as u64 + 1;
    if links & link::BYTES != 0 {
        out.push((arrays, numbers(4, &|i| baskets.get(i).map(|b| b.nbytes))));
    }
    if links & link::ENTRIES != 0 {
        out.push((entries_at, numbers(entry_width, &|i| starts.get(i).copied())));
    }
    if links & link::PLACES != 0 {
        out.push((places_at, numbers(place_width, &|i| baskets.get(i).map(|b| b.pos))));
    }
    out
}
/// One row a span of an ntuple, in file order.
pub static PAGES: &Fields = &[("recipe", Scalar::U32), ("fix", Scalar::U32)];

/// How a basket is kept.
pub mod state {
    /// Its content is in the columns, not in its stream.
    pub const TYPED: u64 = 1;
    /// Its payload follows by a recipe, and is not in the plain stream.
    pub const RECIPE: u64 = 2;
    /// It lies within the record of its tree.
    pub const EMBEDDED: u64 = 4;
    /// Its head is in the heads stream.
    pub const ODD_HEAD: u64 = 8;
}

/// How a basket's tail is kept.
pub mod tail {
    /// There is none.
    pub const NONE: u64 = 0;
    /// Offsets, and a last word.
    pub const OFFSETS: u64 = 1;
    /// Offsets alone.
    pub const BARE: u64 = 2;
    /// Bytes in the contents stream.
    pub const OTHER: u64 = 3;
}

/// One row a basket.
pub static BASKETS: &Fields = &[
    ("state", Scalar::U8),
    ("place", Scalar::I64),
    ("entries", Scalar::U32),
    ("keylen", Scalar::I32),
    ("version", Scalar::U16),
    ("datime", Scalar::I32),
    ("cycle", Scalar::I32),
    ("pdir", Scalar::I64),
    ("basket", Scalar::U16),
    ("buffer", Scalar::U32),
    ("room", Scalar::I32),
    ("io", Scalar::U16),
    ("flag", Scalar::U8),
    ("tail", Scalar::U8),
    ("last", Scalar::U32),
    ("content", Scalar::U32),
    ("border", Scalar::U32),
    ("recipe", Scalar::U32),
    ("fix", Scalar::U32),
];

/// Names of the streams of bytes.
pub const STREAMS: [&str; 5] = ["heads", "contents", "plain", "fixes", "recipes"];
/// Heads of records, and texts.
pub const HEADS: usize = 0;
/// Inflated contents.
pub const CONTENTS: usize = 1;
/// Bytes as they stand in the file.
pub const PLAIN: usize = 2;
/// Corrections to recipes.
pub const FIXES: usize = 3;
/// Recipes, each with its length in a byte before it.
pub const RECIPES: usize = 4;

/// Numbers of the tables of residue.
pub mod table {
    /// Spans.
    pub const RECORDS: usize = 0;
    /// Branches.
    pub const BRANCHES: usize = 1;
    /// Baskets.
    pub const BASKETS: usize = 2;
    /// Streams.
    pub const BYTES: usize = 3;
    /// Spans of ntuples; only there where the file has any. Behind it stand their own tables, which begin
    /// with residue, while a tree has none.
    pub const PAGES: usize = 4;
}

/// What is said relative to the basket before.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// Its record.
    pub record: u64,
    /// Its time.
    pub datime: u32,
    /// Its directory.
    pub pdir: u64,
}

/// Length of the key of a basket with nothing unusual.
pub fn usual_keylen(name: &[u8], title: &[u8], version: u16, io: bool) -> usize {
    let strings: usize = [7, name.len(), title.len()].iter().map(|n| n + if *n < 255 { 1 } else { 5 }).sum();
    let seeks = if version > super::record::WIDE_KEY { 16 } else { 8 };
    18 + seeks + strings + 19 + io as usize
}

/// The bytes of a basket's head.
pub fn head_bytes(key: &Key, basket: &BasketHead) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.keylen as usize);
    key.write(&mut out);
    basket.write(&mut out);
    out
}

/// Recipes by number, in the order in which they were first needed.
#[derive(Default)]
pub struct Recipes {
    by_bytes: HashMap<Vec<u8>, u64>,
    list: Vec<Vec<u8>>,
}

impl Recipes {
    /// The number of a recipe, and whether it is new.
    pub fn number(&mut self, bytes: &[u8]) -> (u64, bool) {
        if let Some(&n) = self.by_bytes.get(bytes) {
            return (n, false);
        }
        let n = self.list.len() as u64;
        self.by_bytes.insert(bytes.to_vec(), n);
        self.list.push(bytes.to_vec());
        (n, true)
    }

    /// Adds the next one.
    pub fn push(&mut self, bytes: Vec<u8>) {
        self.list.push(bytes);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The bytes of a recipe.
    pub fn get(&self, n: u64) -> Option<&[u8]> {
        usize::try_from(n).ok().and_then(|n| self.list.get(n)).map(Vec::as_slice)
    }
}

/// The bytes of a payload's recipe.
pub fn recipe_bytes(recipe: &PayloadRecipe) -> Vec<u8> {
    let mut out = Vec::new();
    recipe.write(&mut out);
    out
}
