//! Trees: their branches, leaves and the whereabouts of their baskets.

use super::object::{Field, Object, Objects, Value};
use super::record::{BasketHead, Key};
use super::streamer::Infos;
use super::wire::Wire;
use std::collections::HashMap;
use strangelet::error::{Result, corruption};

/// A leaf of a branch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Leaf {
    /// `TLeafI`, `TLeafElement` and so on.
    pub class: String,
    /// Name.
    pub name: String,
    /// Title, with dimensions: `x[n][3]`.
    pub title: String,
    /// Cells of the fixed dimensions.
    pub len: u32,
    /// Whether its integers have no sign.
    pub unsigned: bool,
    /// Whether another leaf counts it.
    pub counted: bool,
    /// Basic type, of a TLeafElement.
    pub kind: i32,
}

/// Where a number lies in the content of the tree's record, big-endian.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spot {
    /// First byte.
    pub pos: usize,
    /// Bytes of a number.
    pub width: usize,
    /// How many numbers.
    pub count: usize,
}

/// A basket that lies within the record of its tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Number of the basket in its branch.
    pub number: usize,
    /// Where its data begins in the record's content.
    pub data: usize,
    /// Bytes of its data.
    pub len: usize,
    /// Where its entry offsets begin (their count), if it has any.
    pub offsets: Option<usize>,
    /// Length of its key.
    pub keylen: usize,
    /// The fields of its key.
    pub head: BasketHead,
}

/// A branch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Branch {
    /// Name.
    pub name: String,
    /// Names from the tree's branch down to this one.
    pub path: Vec<String>,
    /// `TBranch`, `TBranchElement` and so on.
    pub class: String,
    /// The branch that holds it.
    pub parent: Option<usize>,
    /// Number of branches in it.
    pub children: usize,
    /// Leaves.
    pub leaves: Vec<Leaf>,
    /// Number of entries.
    pub entries: u64,
    /// Number of baskets written to the file.
    pub written: usize,
    /// Bytes of each basket's record.
    pub basket_bytes: Vec<u64>,
    /// First entry of each basket.
    pub basket_entry: Vec<u64>,
    /// Position of each basket's record, 0 where there is none.
    pub basket_seek: Vec<u64>,
    /// Baskets within the tree's record.
    pub embedded: Vec<Embedded>,
    /// Name of another file that holds the baskets.
    pub file_name: String,
    /// Length of its entry offset arrays, 0 for none.
    pub offset_len: i64,
    /// Class of a TBranchElement's object.
    pub class_name: String,
    /// Class that holds it.
    pub parent_name: String,
    /// Class of a collection's items.
    pub clones_name: String,
    /// Version of `class_name`.
    pub class_version: u32,
    /// Checksum of `class_name`.
    pub checksum: u32,
    /// Place of its member in the streamer info, negative for a whole object.
    pub id: i64,
    /// 0 leaf, 1 base, 2 object, 3 clones, 4 STL; 31 and 41 members of the latter two.
    pub element_type: i64,
    /// Type of its member.
    pub streamer_type: i64,
    /// Spots of numbers that follow from the baskets, by name.
    pub spots: HashMap<&'static str, Spot>,
}

/// A tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    /// Name.
    pub name: String,
    /// Number of entries.
    pub entries: u64,
    /// Branches, parents before children.
    pub branches: Vec<Branch>,
    /// Spots of the tree's own sums, by name.
    pub spots: HashMap<&'static str, Spot>,
}

/// Names of the numbers in a branch that follow from its baskets.
const BRANCH_SPOTS: [&str; 6] =
    ["fEntries", "fEntryNumber", "fTotBytes", "fZipBytes", "fWriteBasket", "fFirstEntry"];
/// The arrays among them.
const BRANCH_ARRAYS: [&str; 3] = ["fBasketBytes", "fBasketEntry", "fBasketSeek"];

impl Tree {
    /// Reads the inflated content of a tree's record. `keylen` is the length of the record's head.
    pub fn parse(infos: &Infos, class: &str, content: &[u8], keylen: usize) -> Result<Tree> {
        let objects = Objects::read(infos, class, content, keylen);
        let top = objects.all.first().ok_or_else(|| corruption("a tree is empty"))?;
        if top.field("fBranches").is_none() {
            return Err(corruption("a tree cannot be read up to its branches"));
        }
        let mut tree = Tree {
            name: top.text("fName"),
            entries: top.int("fEntries").unwrap_or(0).max(0) as u64,
            ..Tree::default()
        };
        for name in ["fEntries", "fTotBytes", "fZipBytes"] {
            spot(top, name, &mut tree.spots);
        }
        let mut grow = Grow { objects: &objects, content, tree: &mut tree };
        for &id in top.list("fBranches").iter().flatten() {
            grow.branch(id, None)?;
        }
        Ok(tree)
    }
}

fn spot(o: &Object, name: &'static str, spots: &mut HashMap<&'static str, Spot>) {
    if let Some(Field { pos, len, value: Value::Int(_), .. }) = o.field(name) {
        spots.insert(name, Spot { pos: *pos, width: *len, count: 1 });
    }
}

struct Grow<'a> {
    objects: &'a Objects<'a>,
    content: &'a [u8],
    tree: &'a mut Tree,
}

impl Grow<'_> {
    fn branch(&mut self, id: usize, parent: Option<usize>) -> Result<()> {
        let objects = self.objects;
        let o = objects.all.get(id).ok_or_else(|| corruption("a branch is missing"))?;
        if self.tree.branches.len() > 1 << 20 {
            return Err(corruption("a tree has too many branches"));
        }
        let mut path =
            parent.and_then(|p| self.tree.branches.get(p)).map(|p| p.path.clone()).unwrap_or_default();
        if path.len() > 64 {
            return Err(corruption("branches are nested too deeply"));
        }
        path.push(o.text("fName"));
        let mut b = Branch {
            name: o.text("fName"),
            path,
            class: o.class.to_string(),
            parent,
            entries: o.int("fEntries").unwrap_or(0).max(0) as u64,
            written: o.int("fWriteBasket").unwrap_or(0).max(0) as usize,
            file_name: o.text("fFileName"),
            offset_len: o.int("fEntryOffsetLen").unwrap_or(0),
            class_name: o.text("fClassName"),
            parent_name: o.text("fParentName"),
            clones_name: o.text("fClonesName"),
            class_version: o.int("fClassVersion").unwrap_or(0) as u32,
            checksum: o.int("fCheckSum").unwrap_or(0) as u32,
            id: o.int("fID").unwrap_or(-1),
            element_type: o.int("fType").unwrap_or(0),
            streamer_type: o.int("fStreamerType").unwrap_or(-1),
            ..Branch::default()
        };
        for name in BRANCH_SPOTS {
            spot(o, name, &mut b.spots);
        }
        for name in BRANCH_ARRAYS {
            if let Some(Field { pos, value: Value::Array { width, count }, .. }) = o.field(name) {
                b.spots.insert(name, Spot { pos: *pos, width: *width, count: *count });
            }
        }
        b.basket_bytes = self.array(&b, "fBasketBytes");
        b.basket_entry = self.array(&b, "fBasketEntry");
        b.basket_seek = self.array(&b, "fBasketSeek");
        for leaf in o.list("fLeaves").iter().flatten().filter_map(|&l| objects.all.get(l)) {
            b.leaves.push(Leaf {
                class: leaf.class.to_string(),
                name: leaf.text("fName"),
                title: leaf.text("fTitle"),
                len: leaf.int("fLen").unwrap_or(1).max(0) as u32,
                unsigned: leaf.int("fIsUnsigned").unwrap_or(0) != 0,
                counted: matches!(leaf.field("fLeafCount").map(|f| &f.value), Some(Value::Object(Some(_)))),
                kind: leaf.int("fType").unwrap_or(-1) as i32,
            });
        }
        for (number, item) in o.list("fBaskets").iter().enumerate() {
            let basket = item.and_then(|i| objects.all.get(i)).filter(|b| b.class == "TBasket");
            let in_file = b.basket_seek.get(number).is_some_and(|&s| s != 0);
            if let (Some(basket), false) = (basket, in_file)
                && let Some(e) = embedded(self.content, number, basket)
            {
                b.embedded.push(e);
            }
        }
        let children: Vec<usize> = o.list("fBranches").iter().flatten().copied().collect();
        b.children = children.len();
        let me = self.tree.branches.len();
        self.tree.branches.push(b);
        for child in children {
            // A branch is read after the one that holds it, so this cannot go round in circles.
            if child <= id {
                return Err(corruption("a branch holds itself"));
            }
            self.branch(child, Some(me))?;
        }
        Ok(())
    }

    fn array(&self, b: &Branch, name: &str) -> Vec<u64> {
        let Some(s) = b.spots.get(name) else { return Vec::new() };
        let bytes = self.content.get(s.pos..s.pos + s.width * s.count).unwrap_or_default();
        bytes.chunks_exact(s.width.max(1)).map(|c| c.iter().fold(0, |n, &b| n << 8 | b as u64)).collect()
    }
}

/// Finds the data of a basket that was streamed within another object; none where it has no data.
fn embedded(content: &[u8], number: usize, basket: &Object) -> Option<Embedded> {
    let content = content.get(..basket.end)?;
    let mut w = Wire::at(content, basket.pos);
    let key = Key::parse(&mut w).ok()?;
    let keylen = key.keylen as usize;
    let head = BasketHead::parse(&mut w).ok()?;
    if head.flag == 0 || head.last < keylen as u32 || head.nev_buf == 0 {
        return None;
    }
    let mut offsets = None;
    if head.flag < 80 && head.flag % 10 != 2 {
        let at = w.pos();
        let n = w.u32().ok()? as usize;
        w.take(n.checked_mul(4)?).ok()?;
        if n != head.nev_buf as usize || head.flag > 40 {
            return None;
        }
        offsets = Some(at);
    }
    if head.flag != 1 && head.flag <= 10 {
        return None;
    }
    let data = w.pos() + keylen;
    let len = head.last as usize - keylen;
    if data.checked_add(len)? != basket.end {
        return None;
    }
    Some(Embedded { number, data, len, offsets, keylen, head })
}
