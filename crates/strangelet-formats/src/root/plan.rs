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

/// One row a branch: its table, its number of columns, the lengths of its texts in the heads stream
/// (form, name where the first column has another, title where the branch before has another), the record of its tree, and the scale of
/// its integers.
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
];

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
