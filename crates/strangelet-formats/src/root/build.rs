//! Finds the form of a branch: from its leaves and the streamer info, and from a look at its bytes.
//!
//! The metadata say which types are there; whether objects have a byte count, a version or a checksum
//! before them, which class a pointer leads to, and whether members of a list's items are kept together,
//! shows in the data. So a form is sketched first, then completed while some baskets are read, and in
//! the end proved on them. A branch for which no sketch holds keeps its entries as byte strings.

use super::basket::{self, Basket};
use super::form::{Form, Node};
use super::streamer::{Element, Info, Infos, canonical, kind};
use super::tree::{Branch, Leaf};
use super::wire::{BYTE_COUNT, Wire, text};
use strangelet::column::Scalar;
use strangelet::error::{Result, corruption, unsupported};

/// A version with this bit: the members of a list's items are kept together.
const MEMBER_WISE: u16 = 0x4000;
/// Most nodes of a form.
const MAX_NODES: usize = 4096;

/// A column of integers that stand for real numbers: value = integer * `factor` + `low`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// What an integer of 0 stands for.
    pub low: f64,
    /// What a step of 1 stands for.
    pub factor: f64,
}

/// The form of a branch, and how its integers are to be read where they stand for real numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The form.
    pub form: Form,
    /// For ranged Float16_t and Double32_t.
    pub scale: Option<Scale>,
}

/// Finds the form of a branch, given some of its baskets.
pub fn find(infos: &Infos, branch: &Branch, samples: &[Basket]) -> Found {
    let mut sketches = Vec::new();
    let mut scale = None;
    if branch.class == "TBranchElement" {
        element_sketches(infos, branch, &mut sketches, &mut scale);
    } else if branch.class == "TBranch" {
        leaf_sketches(branch, &mut sketches, &mut scale);
    }
    for sketch in sketches {
        if let Ok(form) = complete(infos, sketch, samples) {
            return Found { form, scale };
        }
    }
    Found { form: plain(samples), scale: None }
}

/// Whether one basket is enough to find the form of a branch: its type says everything.
pub fn needs_one(branch: &Branch) -> bool {
    let number =
        |l: &Leaf| leaf_scalar(l).is_some() || basic(l.kind % kind::OFFSET_L).is_some() && l.kind < 40;
    branch.leaves.iter().all(number)
}

/// Entries as bytes: of one length, or strings.
fn plain(samples: &[Basket]) -> Form {
    let size = samples.iter().find(|b| b.entries > 0).map(|b| b.border / b.entries);
    if let (Some(size), Some(first)) = (size, samples.first())
        && samples.iter().map(|b| b.entries).sum::<usize>() > 1
        && let Some(same) = first.content.get(..size).filter(|s| s.len() <= 4096)
        && let Ok(form) = Form::new(Node::Const(same.to_vec()))
        && proves(&form, samples)
    {
        return form;
    }
    if let Some(size) = size.filter(|&s| s > 0 && s <= 1 << 20)
        && let Ok(form) = Form::new(Node::Cells(Scalar::U8, size as u32, 0))
        && proves(&form, samples)
    {
        return form;
    }
    Form::bytes()
}

fn proves(form: &Form, samples: &[Basket]) -> bool {
    samples.iter().all(|b| basket::dissect(form, b, &mut form.empty_columns()).is_ok())
}

fn complete(infos: &Infos, mut sketch: Node, samples: &[Basket]) -> Result<Form> {
    if !known(&sketch) {
        for b in samples {
            learn_basket(infos, &mut sketch, b)?;
        }
    }
    settle(infos, &mut sketch, &mut 0, 0);
    let form = Form::new(sketch)?;
    if proves(&form, samples) { Ok(form) } else { Err(unsupported("a form does not hold")) }
}

/// Gives what was never met in the data (items of lists that were always empty) the columns that its
/// type says. A frame without a head fits no bytes, so that a first item in a later basket is seen.
fn settle(infos: &Infos, node: &mut Node, nodes: &mut usize, nesting: usize) {
    *nodes += 1;
    if *nodes > MAX_NODES || nesting > 12 {
        *node = Node::Seq(Vec::new());
        return;
    }
    let known = match node {
        Node::Class(name) => match infos.newest(name).map(class_members) {
            Some(Ok(members)) => frame(members),
            _ => return,
        },
        Node::Stl(name, framed) => match (stl_content(name), *framed) {
            (Some(content), true) => frame(content),
            (Some(content), false) => content,
            _ => return,
        },
        Node::Frame(_, n)
        | Node::List(n, _)
        | Node::Fill(n, _)
        | Node::Repeat(_, n, _)
        | Node::Pointer(_, _, n, _)
        | Node::Named(_, n)
        | Node::Shaped(_, n)
        | Node::Counted(_, n) => return settle(infos, n, nodes, nesting + 1),
        Node::Seq(list) => return list.iter_mut().for_each(|n| settle(infos, n, nodes, nesting + 1)),
        _ => return,
    };
    *node = known;
    settle(infos, node, nodes, nesting + 1);
}

/// Whether nothing needs to be learned.
fn known(node: &Node) -> bool {
    match node {
        Node::Class(_) | Node::Stl(..) | Node::Any | Node::Stride => false,
        Node::Frame(head, n) => !head.is_empty() && known(n),
        Node::List(n, _) | Node::Fill(n, _) | Node::Repeat(_, n, _) | Node::Pointer(_, _, n, _) => known(n),
        Node::Named(_, n) | Node::Shaped(_, n) | Node::Counted(_, n) => known(n),
        Node::Seq(nodes) => nodes.iter().all(known),
        _ => true,
    }
}

fn cells(scalar: Scalar, n: u32) -> Node {
    Node::Cells(scalar, n, 0)
}

fn list(n: Node) -> Node {
    Node::List(Box::new(n), 0..0)
}

fn fill(n: Node) -> Node {
    Node::Fill(Box::new(n), 0..0)
}

/// A frame whose head is not yet known.
fn frame(n: Node) -> Node {
    Node::Frame(Vec::new(), Box::new(n))
}

fn named(name: &str, n: Node) -> Node {
    Node::Named(name.to_string(), Box::new(n))
}

/// The scalar of a basic type's number.
pub fn basic(kind: i32) -> Option<Scalar> {
    Some(match kind {
        1 | 10 => Scalar::I8,
        2 => Scalar::I16,
        3 => Scalar::I32,
        4 | 16 => Scalar::I64,
        5 => Scalar::F32,
        6 | 13 | 15 => Scalar::U32,
        8 => Scalar::F64,
        11 => Scalar::U8,
        12 => Scalar::U16,
        14 | 17 => Scalar::U64,
        18 => Scalar::Bool,
        _ => return None,
    })
}

/// The scalar of a C++ type's name.
pub fn basic_name(name: &str) -> Option<Scalar> {
    Some(match name {
        "bool" | "Bool_t" => Scalar::Bool,
        "char" | "signed char" | "Char_t" | "int8_t" => Scalar::I8,
        "unsigned char" | "UChar_t" | "Byte_t" | "uint8_t" | "std::byte" => Scalar::U8,
        "short" | "Short_t" | "int16_t" => Scalar::I16,
        "unsigned short" | "UShort_t" | "uint16_t" => Scalar::U16,
        "int" | "Int_t" | "int32_t" => Scalar::I32,
        "unsigned int" | "UInt_t" | "unsigned" | "uint32_t" => Scalar::U32,
        "long" | "long long" | "Long_t" | "Long64_t" | "int64_t" => Scalar::I64,
        "unsigned long" | "unsigned long long" | "ULong_t" | "ULong64_t" | "uint64_t" | "size_t" => {
            Scalar::U64
        }
        "float" | "Float_t" => Scalar::F32,
        "double" | "Double_t" => Scalar::F64,
        _ => return None,
    })
}

/// The numbers between brackets of a title; what is no number counts, and gives `None`.
fn brackets(title: &str) -> Vec<Option<u32>> {
    let mut out = Vec::new();
    let mut rest = title;
    while let Some(open) = rest.find('[') {
        let Some(close) = rest[open..].find(']') else { break };
        out.push(rest[open + 1..open + close].parse().ok().filter(|&n| n > 0));
        rest = &rest[open + close + 1..];
    }
    out
}

/// The fixed dimensions of a leaf, which come to its length.
fn dims(leaf: &Leaf) -> Vec<u32> {
    let dims: Vec<u32> = brackets(&leaf.title).into_iter().flatten().collect();
    let product = dims.iter().try_fold(1u32, |p, &d| p.checked_mul(d));
    match leaf.len {
        len if product == Some(len) => dims,
        0 | 1 => Vec::new(),
        len => vec![len],
    }
}

fn shaped(scalar: Scalar, dims: Vec<u32>) -> Node {
    let n = dims.iter().fold(1u32, |n, &d| n.saturating_mul(d));
    if dims.is_empty() { cells(scalar, 1) } else { Node::Shaped(dims, Box::new(cells(scalar, n))) }
}

fn leaf_scalar(leaf: &Leaf) -> Option<Scalar> {
    let pick = |signed, unsigned| Some(if leaf.unsigned { unsigned } else { signed });
    match leaf.class.as_str() {
        "TLeafO" => Some(Scalar::Bool),
        "TLeafB" => pick(Scalar::I8, Scalar::U8),
        "TLeafS" => pick(Scalar::I16, Scalar::U16),
        "TLeafI" => pick(Scalar::I32, Scalar::U32),
        "TLeafL" | "TLeafG" => pick(Scalar::I64, Scalar::U64),
        "TLeafF" => Some(Scalar::F32),
        "TLeafD" => Some(Scalar::F64),
        _ => None,
    }
}

fn leaf_sketches(branch: &Branch, out: &mut Vec<Node>, scale: &mut Option<Scale>) {
    match branch.leaves.as_slice() {
        [leaf] => {
            let node = match leaf.class.as_str() {
                "TLeafC" => Node::Text(0),
                "TLeafF16" | "TLeafD32" => {
                    let Some((node, s)) = ranged(&leaf.title, leaf.class == "TLeafF16") else { return };
                    *scale = s;
                    // Brackets in the title may be dimensions or a range.
                    repeated(node, leaf.len)
                }
                _ => match leaf_scalar(leaf) {
                    Some(scalar) => shaped(scalar, dims(leaf)),
                    None => return,
                },
            };
            out.push(if leaf.counted { fill(node) } else { node });
        }
        leaves if leaves.iter().all(|l| !l.counted) => {
            let parts = leaves.iter().map(|l| {
                let node = if l.class == "TLeafC" { Node::Text(0) } else { shaped(leaf_scalar(l)?, dims(l)) };
                Some(named(&l.name, node))
            });
            if let Some(parts) = parts.collect::<Option<Vec<_>>>() {
                out.push(Node::Seq(parts));
            }
        }
        _ => {}
    }
}

fn repeated(node: Node, n: u32) -> Node {
    match node {
        node if n <= 1 => node,
        Node::Cells(s, ..) => cells(s, n),
        node => Node::Seq((0..n.min(MAX_NODES as u32)).map(|_| node.clone()).collect()),
    }
}

/// How a Float16_t (or else a Double32_t) with this title is kept: as float, as 3 bytes, or as an
/// integer within a range.
fn ranged(title: &str, is_float16: bool) -> Option<(Node, Option<Scale>)> {
    let spec = title.find('[').and_then(|open| {
        let close = title[open..].find(']')?;
        let parts: Option<Vec<f64>> = title[open + 1..open + close].split(',').map(number).collect();
        parts.filter(|p| p.len() == 2 || p.len() == 3)
    });
    let Some(spec) = spec else {
        return Some(if is_float16 { (Node::Short(12, 0), None) } else { (cells(Scalar::F32, 1), None) });
    };
    let (low, high) = (*spec.first()?, *spec.get(1)?);
    let bits = spec.get(2).copied().filter(|b| (2.0..=32.0).contains(b)).unwrap_or(32.0);
    if low == 0.0 && high == 0.0 {
        return Some((Node::Short(bits.min(14.0) as u8, 0), None));
    }
    let scale = Scale { low, factor: (high - low) / (1u64 << bits as u32) as f64 };
    Some((cells(Scalar::U32, 1), Some(scale)))
}

/// A number as such a title has it: decimal, or a small expression with pi.
fn number(text: &str) -> Option<f64> {
    let t: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if let Ok(n) = t.parse() {
        return Some(n);
    }
    if let Some(rest) = t.strip_prefix('-') {
        return number(rest).map(|n| -n);
    }
    if let Some(place) = t.rfind(['*', '/']) {
        let (a, b) = (number(&t[..place])?, number(&t[place + 1..])?);
        return Some(if t[place..].starts_with('*') { a * b } else { a / b });
    }
    match t.to_ascii_lowercase().as_str() {
        "pi" => Some(std::f64::consts::PI),
        "twopi" => Some(std::f64::consts::TAU),
        _ => None,
    }
}

/// The member that a branch holds.
fn member<'a>(infos: &'a Infos, branch: &Branch) -> Option<&'a Element> {
    let last = branch.name.rsplit('.').next().unwrap_or(&branch.name);
    let last = last.split('[').next().unwrap_or(last);
    let place = usize::try_from(branch.id).ok()?;
    let fits = |i: &&'a Info| i.elements.get(place).is_some_and(|e| e.name == last);
    let by_class = infos.get(&branch.class_name, branch.class_version);
    by_class
        .or_else(|| infos.by_checksum(&branch.class_name, branch.checksum))
        .filter(fits)
        .or_else(|| infos.newest(&branch.parent_name).filter(fits))
        .or_else(|| infos.newest(&branch.clones_name).filter(fits))
        .or(by_class)
        .or_else(|| infos.newest(&branch.class_name))
        .and_then(|i| i.elements.get(place))
}

fn element_sketches(infos: &Infos, branch: &Branch, out: &mut Vec<Node>, scale: &mut Option<Scale>) {
    if matches!(branch.element_type, 3 | 4) {
        out.push(cells(Scalar::I32, 1));
        return;
    }
    let [leaf] = branch.leaves.as_slice() else { return };
    let element = member(infos, branch);
    let wrap = |n: Node| if leaf.counted { fill(n) } else { n };
    let base = match leaf.kind {
        k @ 21..=39 => k - kind::OFFSET_L,
        k => k,
    };
    if base == kind::DOUBLE32 || base == kind::FLOAT16 {
        let title = element.map(|e| e.title.as_str()).unwrap_or_default();
        if let Some((node, s)) = ranged(title, base == kind::FLOAT16) {
            *scale = s;
            out.push(wrap(repeated(node, leaf.len)));
        }
        return;
    }
    if let Some(scalar) = basic(base) {
        out.push(wrap(shaped(scalar, dims(leaf))));
        return;
    }
    if let (41..=59, Some(scalar)) = (base, basic(base - kind::OFFSET_P)) {
        out.push(Node::Seq(vec![named("mark", cells(Scalar::U8, 1)), named("", fill(cells(scalar, 1)))]));
        return;
    }
    let whole = branch.id < 0;
    let name = match element {
        Some(e) if !whole => e.type_name.clone(),
        _ => canonical(&branch.class_name),
    };
    let items = matches!(branch.element_type, 31 | 41) || leaf.counted;
    if items && base == kind::STREAM_LOOP {
        out.push(frame(fill(Node::Stride)));
    }
    let node = match element {
        Some(e) if !whole && !items => match member_node(e) {
            Some(node) => node,
            None => type_node(&name, true),
        },
        _ => type_node(&name, true),
    };
    if items {
        let bare = type_node(&name, false);
        out.push(frame(fill(bare.clone())));
        out.push(fill(node));
        out.push(fill(bare));
    } else {
        out.push(node.clone());
        out.push(type_node(&name, false));
        if whole {
            let exact = infos.get(&name, branch.class_version).or_else(|| infos.newest(&name));
            out.extend(exact.and_then(|i| class_members(i).ok()));
        }
        if leaf.len > 1 {
            out.push(Node::Seq((0..leaf.len.min(MAX_NODES as u32)).map(|_| node.clone()).collect()));
        }
        out.push(fill(node));
    }
}

/// What a value of a C++ type is. `framed` says whether a container or string has a head of its own.
fn type_node(name: &str, framed: bool) -> Node {
    let name = name.trim();
    let name = name.strip_prefix("const ").unwrap_or(name);
    if name.ends_with('*') {
        return Node::Any;
    }
    if let Some(scalar) = basic_name(name) {
        return cells(scalar, 1);
    }
    match name {
        "Double32_t" => return cells(Scalar::F32, 1),
        "Float16_t" => return Node::Short(12, 0),
        "TString" => return Node::Text(0),
        _ => {}
    }
    if stl(name).is_some() { Node::Stl(name.to_string(), framed) } else { class_node(name) }
}

/// A class that streams itself in a way of its own, or any other.
fn class_node(name: &str) -> Node {
    let array = |s| list(cells(s, 1));
    match name {
        "TObject" => Node::Seq(vec![
            Node::Const(vec![0, 1]),
            named("fUniqueID", cells(Scalar::U32, 1)),
            named("fBits", cells(Scalar::U32, 1)),
        ]),
        "TRef" => Node::Seq(vec![class_node("TObject"), named("pidf", cells(Scalar::U16, 1))]),
        "TNamed" => frame(Node::Seq(vec![
            class_node("TObject"),
            named("fName", Node::Text(0)),
            named("fTitle", Node::Text(0)),
        ])),
        "TObjArray" => frame(Node::Seq(vec![
            named("array", class_node("TObject")),
            named("array.fName", Node::Text(0)),
            named("array.size", cells(Scalar::U32, 1)),
            named("array.low", cells(Scalar::I32, 1)),
            Node::Counted("array.size".into(), Box::new(Node::Any)),
        ])),
        "TRefArray" => frame(Node::Seq(vec![
            class_node("TObject"),
            named("fName", Node::Text(0)),
            named("size", cells(Scalar::U32, 1)),
            named("low", cells(Scalar::I32, 1)),
            named("pidf", cells(Scalar::U16, 1)),
            Node::Counted("size".into(), Box::new(cells(Scalar::U32, 1))),
        ])),
        "TArrayC" => array(Scalar::I8),
        "TArrayS" => array(Scalar::I16),
        "TArrayI" => array(Scalar::I32),
        "TArrayL" | "TArrayL64" => array(Scalar::I64),
        "TArrayF" => array(Scalar::F32),
        "TArrayD" => array(Scalar::F64),
        "TDatime" => cells(Scalar::U32, 1),
        _ => Node::Class(name.to_string()),
    }
}

/// A container's kind and the types it holds; `string` has none.
fn stl(name: &str) -> Option<(&str, Vec<&str>)> {
    let name = name.strip_prefix("std::").unwrap_or(name);
    let name = name.strip_prefix("__cxx11::").unwrap_or(name);
    if name == "string" || name.starts_with("basic_string<char") {
        return Some(("string", Vec::new()));
    }
    let open = name.find('<')?;
    let kind = &name[..open];
    let kinds = [
        "vector",
        "list",
        "deque",
        "set",
        "multiset",
        "unordered_set",
        "unordered_multiset",
        "forward_list",
        "map",
        "multimap",
        "unordered_map",
        "unordered_multimap",
        "bitset",
        "ROOT::VecOps::RVec",
        "ROOT::RVec",
    ];
    if !kinds.contains(&kind) {
        return None;
    }
    let inside = name[open + 1..].strip_suffix('>')?;
    let (mut parts, mut depth, mut from) = (Vec::new(), 0i32, 0);
    for (i, c) in inside.char_indices() {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inside[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&inside[from..]);
    Some((kind, parts))
}

/// The content of a container behind its head.
fn stl_content(name: &str) -> Option<Node> {
    let (kind, types) = stl(name)?;
    let item = |i: usize| Some(type_node(types.get(i)?, false));
    Some(match kind {
        "string" => Node::Text(0),
        "bitset" => list(cells(Scalar::Bool, 1)),
        "map" | "multimap" | "unordered_map" | "unordered_multimap" => {
            list(Node::Seq(vec![named("first", item(0)?), named("second", item(1)?)]))
        }
        _ => list(item(0)?),
    })
}

/// The members of a container's items, kept together member by member.
fn stl_by_members(infos: &Infos, name: &str, version: u16, checksum: Option<u32>) -> Option<Node> {
    let (kind, types) = stl(name)?;
    let mut nodes = vec![named("@size", cells(Scalar::U32, 1))];
    let mut push = |n: Node| nodes.push(Node::Counted("@size".into(), Box::new(n)));
    if kind.ends_with("map") {
        push(named("first", type_node(types.first()?, false)));
        push(named("second", type_node(types.get(1)?, false)));
    } else {
        let class = types.first()?.trim();
        let info = match checksum {
            Some(c) => infos.by_checksum(class, c).or_else(|| infos.newest(class)),
            None => infos.get(class, version as u32),
        }?;
        let mut flat = Vec::new();
        flat_members(infos, info, &mut flat, 0)?;
        flat.into_iter().for_each(push);
    }
    Some(Node::Seq(nodes))
}

/// The members of a class with those of its base classes among them.
fn flat_members(infos: &Infos, info: &Info, out: &mut Vec<Node>, nesting: usize) -> Option<()> {
    if nesting > 16 || out.len() > MAX_NODES {
        return None;
    }
    for e in &info.elements {
        let base = if e.kind == kind::BASE && e.name != "TObject" {
            let exact = u32::try_from(e.base_version).ok().and_then(|v| infos.get(&e.name, v));
            exact.or_else(|| infos.newest(&e.name))
        } else {
            None
        };
        match base {
            Some(base) => flat_members(infos, base, out, nesting + 1)?,
            None => out.push(member_node(e)?),
        }
    }
    Some(())
}

/// A member of an object; none where it cannot be told.
fn member_node(e: &Element) -> Option<Node> {
    if (80..100).contains(&e.kind) && e.array_length <= 256 {
        let one = Element { kind: e.kind - kind::OFFSET_L, array_length: 0, ..e.clone() };
        return Some(repeated(member_node(&one)?, e.array_length));
    }
    let class = e.type_name.trim_end_matches('*');
    let node = match e.kind {
        kind::BASE => return Some(type_node(&e.name, true)),
        kind::DOUBLE32 | kind::FLOAT16 => ranged(&e.title, e.kind == kind::FLOAT16)?.0,
        k @ 1..=19 => cells(basic(k)?, 1),
        29 | 39 => repeated(ranged(&e.title, e.kind == 39)?.0, e.array_length),
        k @ 21..=39 => cells(basic(k - kind::OFFSET_L)?, e.array_length),
        k @ 41..=59 => {
            let scalar = basic(k - kind::OFFSET_P)?;
            let counted = Node::Counted(e.count_name.clone(), Box::new(cells(scalar, 1)));
            return Some(Node::Seq(vec![
                named(&format!("{}.mark", e.name), cells(Scalar::U8, 1)),
                named(&e.name, counted),
            ]));
        }
        kind::TSTRING => Node::Text(0),
        kind::TOBJECT => class_node("TObject"),
        kind::TNAMED => class_node("TNamed"),
        kind::OBJECT | kind::ANY | kind::OBJECT_IN_PLACE | kind::ANY_IN_PLACE => type_node(class, true),
        kind::OBJECT_POINTER | kind::ANY_POINTER => Node::Any,
        kind::STREAM_LOOP => frame(fill(Node::Stride)),
        kind::STL | kind::STL_STRING | kind::STREAMER if stl(class).is_some() => {
            Node::Stl(class.into(), true)
        }
        _ => return None,
    };
    Some(named(&e.name, node))
}

fn class_members(info: &Info) -> Result<Node> {
    let nodes: Option<Vec<_>> = info.elements.iter().map(member_node).collect();
    nodes
        .map(Node::Seq)
        .ok_or_else(|| unsupported(format!("class {} has a member of its own kind", info.class)))
}

/// So many bytes, each a column of its own.
fn bytes_apart(n: usize) -> Node {
    if n == 1 {
        return cells(Scalar::U8, 1);
    }
    Node::Seq((0..n).map(|i| named(&format!("byte{i}"), cells(Scalar::U8, 1))).collect())
}

/// The length, among the divisors of the whole up to 64, at which bytes below each other are most alike.
fn period(bytes: &[u8]) -> usize {
    let part = bytes.get(..1 << 16).unwrap_or(bytes);
    let cost = |p: usize| -> f64 {
        (0..p)
            .map(|phase| {
                let mut counts = [0u32; 256];
                part.iter().skip(phase).step_by(p).for_each(|&b| counts[b as usize] += 1);
                let n = counts.iter().sum::<u32>() as f64;
                let used = counts.iter().filter(|&&c| c > 0).count() as f64;
                let bits = |c: u32| if c == 0 { 0.0 } else { -(c as f64) * (c as f64 / n).log2() };
                counts.iter().map(|&c| bits(c)).sum::<f64>() + 8.0 * used
            })
            .sum()
    };
    let divisors = (1..=64).filter(|p| !bytes.is_empty() && bytes.len().is_multiple_of(*p));
    let costs: Vec<(usize, f64)> = divisors.map(|p| (p, cost(p))).collect();
    let first = costs.first().map_or(0.0, |c| c.1);
    let best = costs.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).filter(|b| b.1 < 0.95 * first);
    best.map_or(1, |b| b.0)
}

fn learn_basket(infos: &Infos, sketch: &mut Node, b: &Basket) -> Result<()> {
    let data = b.content.get(..b.border).ok_or_else(|| corruption("a basket's data ends beyond it"))?;
    let starts = basket::starts(b);
    let mut learn =
        Learn { infos, keylen: b.keylen, last: Vec::new(), classes: Vec::new(), nodes: 0, nesting: 0 };
    let mut pos = 0;
    for i in 0..b.entries {
        let (start, end) = match (starts.get(i), starts.get(i + 1)) {
            (Some(&s), Some(&e)) => (s, e),
            _ if data.len() % b.entries == 0 && !starts.is_empty() => (pos, pos + data.len() / b.entries),
            _ => (pos, data.len()),
        };
        let bytes = data.get(..end).ok_or_else(|| corruption("an entry ends beyond its basket"))?;
        let mut w = Wire::at(bytes, start);
        learn.last.clear();
        learn.classes.clear();
        learn.node(sketch, &mut w, end)?;
        pos = w.pos();
    }
    Ok(())
}

struct Learn<'a> {
    infos: &'a Infos,
    keylen: usize,
    /// Integers read so far, by name.
    last: Vec<(String, u64)>,
    classes: Vec<(u32, Vec<u8>)>,
    nodes: usize,
    nesting: usize,
}

impl Learn<'_> {
    fn grow(&mut self, n: usize) -> Result<()> {
        self.nodes += n;
        if self.nodes > MAX_NODES { Err(unsupported("a form is too large")) } else { Ok(()) }
    }

    fn node(&mut self, node: &mut Node, w: &mut Wire, end: usize) -> Result<()> {
        self.nesting += 1;
        if self.nesting > super::form::MAX_NESTING {
            return Err(unsupported("a form is nested too deeply"));
        }
        let result = self.inner(node, w, end);
        self.nesting -= 1;
        result
    }

    fn frame_end(&self, w: &mut Wire, end: usize) -> Result<usize> {
        let word = w.u32()?;
        let inner = w.pos() + (word & !BYTE_COUNT) as usize;
        if word & BYTE_COUNT == 0 || inner > end {
            return Err(corruption("an object has no byte count, or a wrong one"));
        }
        Ok(inner)
    }

    fn inner(&mut self, node: &mut Node, w: &mut Wire, end: usize) -> Result<()> {
        match node {
            Node::Cells(s, n, _) => {
                w.take((*n as usize).saturating_mul(s.width()))?;
            }
            Node::Short(..) => {
                w.take(3)?;
            }
            Node::Text(_) => {
                w.string()?;
            }
            Node::Rest(_) => w.seek(end),
            Node::Const(b) => {
                w.take(b.len())?;
            }
            Node::Frame(head, n) => {
                let inner = self.frame_end(w, end)?;
                if head.is_empty() {
                    head.extend_from_slice(w.clone().take(2)?);
                }
                if w.take(head.len())? != head.as_slice() {
                    return Err(corruption("an object has another version"));
                }
                self.node(n, w, inner)?;
                if w.pos() != inner {
                    return Err(corruption("an object is longer or shorter than it says"));
                }
            }
            Node::List(n, _) => {
                let count = w.u32()? as usize;
                self.items(n, count, w, end)?;
            }
            Node::Fill(n, _) => {
                while w.pos() < end {
                    let before = w.pos();
                    self.node(n, w, end)?;
                    if w.pos() == before {
                        return Err(corruption("an item of a list has no bytes"));
                    }
                }
            }
            Node::Counted(name, n) => {
                let count = self.last.iter().rfind(|l| l.0 == *name).map(|l| l.1);
                let count = count.ok_or_else(|| unsupported(format!("nothing named {name} counts")))?;
                self.items(n, count as usize, w, end)?;
            }
            Node::Repeat(..) => return Err(unsupported("a count by number cannot be learned")),
            Node::Seq(nodes) => {
                for n in nodes {
                    self.node(n, w, end)?;
                }
            }
            Node::Named(name, n) => {
                if let Node::Cells(s, 1, _) = n.as_ref()
                    && !s.is_float()
                {
                    let bytes = w.clone().take(s.width())?;
                    let value = bytes.iter().fold(0, |n, &b| n << 8 | b as u64);
                    self.last.retain(|l| l.0 != *name);
                    self.last.push((name.clone(), value));
                }
                self.node(n, w, end)?;
            }
            Node::Shaped(_, n) => self.node(n, w, end)?,
            Node::Class(name) => {
                self.grow(1)?;
                *node = self.class(&name.clone(), w.clone(), end)?;
                self.node(node, w, end)?;
            }
            Node::Stl(name, framed) => {
                self.grow(1)?;
                *node = self.container(&name.clone(), *framed, w.clone(), end)?;
                self.node(node, w, end)?;
            }
            Node::Stride => {
                let rest = w.clone().take(end.saturating_sub(w.pos()))?;
                let n = period(rest);
                self.grow(n)?;
                *node = bytes_apart(n);
                self.node(node, w, end)?;
            }
            Node::Any => {
                self.grow(1)?;
                *node = Node::Pointer(Vec::new(), false, Box::new(Node::Any), 0..0);
                self.node(node, w, end)?;
            }
            Node::Pointer(class, nullable, n, _) => {
                let start = w.pos();
                if w.clone().u32()? == 0 {
                    *nullable = true;
                    w.u32()?;
                    return Ok(());
                }
                let inner = self.frame_end(w, end)?;
                let at = w.pos();
                let tag = w.u32()?;
                let name = if tag == u32::MAX {
                    let name = w.c_string()?.to_vec();
                    self.classes.push((0x8000_0000 | (at + self.keylen + 2) as u32, name.clone()));
                    name
                } else {
                    let known = self.classes.iter().find(|c| c.0 == tag).map(|c| c.1.clone());
                    known.ok_or_else(|| unsupported("a pointer to an object that was met before"))?
                };
                if class.is_empty() {
                    **n = class_node(&text(&name));
                    *class = name;
                } else if *class != name {
                    return Err(unsupported("a pointer leads to objects of several classes"));
                }
                self.node(n, w, inner)?;
                if w.pos() != inner || inner <= start {
                    return Err(corruption("an object is longer or shorter than it says"));
                }
            }
        }
        Ok(())
    }

    fn items(&mut self, n: &mut Node, count: usize, w: &mut Wire, end: usize) -> Result<()> {
        if let Node::Cells(s, m, _) = n {
            w.take(count.saturating_mul(s.width()).saturating_mul(*m as usize))?;
            return Ok(());
        }
        if count > end.saturating_sub(w.pos()) {
            return Err(corruption("a list is longer than its entry"));
        }
        let (class, start) = (matches!(n, Node::Class(_)), w.pos());
        let before = if class { n.clone() } else { Node::Any };
        let mut each = |n: &mut Node, w: &mut Wire| (0..count).try_for_each(|_| self.node(n, w, end));
        let result = each(n, w);
        // Items that stream themselves, and are of one size.
        let left = end.saturating_sub(start);
        if result.is_err() && class && count > 0 && left % count == 0 && (1..=256).contains(&(left / count)) {
            *n = bytes_apart(left / count);
            w.seek(start);
            return (0..count).try_for_each(|_| self.node(n, w, end)).inspect_err(|_| *n = before);
        }
        result
    }

    /// What stands before the members of an object here, and the members.
    fn class(&self, name: &str, mut w: Wire, end: usize) -> Result<Node> {
        let framed = self.frame_end(&mut w.clone(), end).is_ok();
        if framed {
            w.u32()?;
        }
        let mut head = w.take(2)?.to_vec();
        let version = u16::from_be_bytes([head[0], head[1]]);
        let checksum = w.clone().u32().ok().filter(|_| version == 0);
        let by_checksum = checksum.and_then(|c| self.infos.by_checksum(name, c));
        let exact = by_checksum.or_else(|| self.infos.get(name, version as u32).filter(|_| version != 0));
        let newest = self.infos.newest(name);
        let info = match (exact, newest) {
            (Some(info), _) => info,
            // A pair has no head; neither is there another way to tell its layout.
            (None, Some(info)) if name.starts_with("pair<") => return class_members(info),
            (None, Some(info)) if version == 0 => info,
            _ => return Err(unsupported(format!("class {name} {version} has no layout here"))),
        };
        if version == 0 && checksum.is_some() {
            head.extend_from_slice(w.take(4)?);
        }
        let members = class_members(info)?;
        Ok(if framed {
            Node::Frame(head, Box::new(members))
        } else {
            Node::Seq(vec![Node::Const(head), members])
        })
    }

    fn container(&self, name: &str, framed: bool, mut w: Wire, end: usize) -> Result<Node> {
        let unknown = || unsupported(format!("container {name} is not known"));
        if !framed || self.frame_end(&mut w, end).is_err() {
            return stl_content(name).ok_or_else(unknown);
        }
        let mut head = w.take(2)?.to_vec();
        let version = u16::from_be_bytes([head[0], head[1]]);
        if version & MEMBER_WISE == 0 {
            return Ok(Node::Frame(head, Box::new(stl_content(name).ok_or_else(unknown)?)));
        }
        let inner = w.u16()?;
        head.extend_from_slice(&inner.to_be_bytes());
        let mut checksum = None;
        if inner == 0 {
            let c = w.u32()?;
            head.extend_from_slice(&c.to_be_bytes());
            checksum = Some(c);
        }
        let content = stl_by_members(self.infos, name, inner, checksum).ok_or_else(unknown)?;
        Ok(Node::Frame(head, Box::new(content)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_taken_apart() {
        assert_eq!(
            stl("std::map<int,vector<pair<int,float> > >"),
            Some(("map", vec!["int", "vector<pair<int,float> > "]))
        );
        assert_eq!(stl("vector<int>"), Some(("vector", vec!["int"])));
        assert_eq!(stl("TVector3"), None);
        assert_eq!(brackets("x[n][3][2]"), [None, Some(3), Some(2)]);
        assert_eq!(number("-2*pi"), Some(-std::f64::consts::TAU));
    }

    #[test]
    fn a_range_in_the_title_gives_integers() {
        let (node, scale) = ranged("eta [-1,1,8]", false).unwrap();
        assert_eq!((node, scale), (cells(Scalar::U32, 1), Some(Scale { low: -1.0, factor: 2.0 / 256.0 })));
        assert_eq!(ranged("[0,0,10]", false).unwrap().0, Node::Short(10, 0));
        assert_eq!(ranged("plain", false).unwrap().0, cells(Scalar::F32, 1));
    }

    #[test]
    fn a_pointer_s_class_is_learned_from_the_data() {
        let mut entry = b"\x40\0\0\x2d\0\x03\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0".to_vec();
        entry.extend_from_slice(b"\x40\0\0\x14\xff\xff\xff\xffTArrayC\0\0\0\0\x04abcd");
        let n = entry.len() as u32 - 4;
        entry[..4].copy_from_slice(&(BYTE_COUNT | n).to_be_bytes());
        let b = Basket { content: &entry, border: entry.len(), entries: 1, keylen: 70 };
        let form = complete(&Infos::default(), class_node("TObjArray"), &[b]).unwrap();
        assert_eq!(form.to_text(), "{0003;((x0001;u4u4)su4i4@3;^54417272617943;[i1])}");
        let unlike = plain(&[b]);
        assert_eq!(unlike.root, Node::Cells(Scalar::U8, entry.len() as u32, 0));
    }
}
