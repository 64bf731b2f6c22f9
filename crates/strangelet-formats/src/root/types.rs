//! What C++ types and members of classes are in a basket, as sketches of forms.

use super::build::MAX_NODES;
use super::form::Node;
use super::streamer::{Element, Info, Infos, kind};
use strangelet::column::Scalar;
use strangelet::column::Scale;
use strangelet::error::{Result, unsupported};

pub(super) fn cells(scalar: Scalar, n: u32) -> Node {
    Node::Cells(scalar, n, 0)
}

pub(super) fn list(n: Node) -> Node {
    Node::List(Box::new(n), 0..0)
}

pub(super) fn fill(n: Node) -> Node {
    Node::Fill(Box::new(n), 0..0)
}

/// A frame whose head is not yet known.
pub(super) fn frame(n: Node) -> Node {
    Node::Frame(Vec::new(), Box::new(n))
}

pub(super) fn named(name: &str, n: Node) -> Node {
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

pub(super) fn repeated(node: Node, n: u32) -> Node {
    match node {
        node if n <= 1 => node,
        Node::Cells(s, ..) => cells(s, n),
        node => Node::Seq((0..n.min(MAX_NODES as u32)).map(|_| node.clone()).collect()),
    }
}

/// How a Float16_t (or else a Double32_t) with this title is kept: as float, as 3 bytes, or as an
/// integer within a range.
pub(super) fn ranged(title: &str, is_float16: bool) -> Option<(Node, Option<Scale>)> {
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
pub(super) fn number(text: &str) -> Option<f64> {
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

/// What a value of a C++ type is. `framed` says whether a container or string has a head of its own.
pub(super) fn type_node(name: &str, framed: bool) -> Node {
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
pub(super) fn class_node(name: &str) -> Node {
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
pub(super) fn stl(name: &str) -> Option<(&str, Vec<&str>)> {
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
pub(super) fn stl_content(name: &str) -> Option<Node> {
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
pub(super) fn stl_by_members(infos: &Infos, name: &str, version: u16, checksum: Option<u32>) -> Option<Node> {
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
pub(super) fn member_node(e: &Element) -> Option<Node> {
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

pub(super) fn class_members(info: &Info) -> Result<Node> {
    let nodes: Option<Vec<_>> = info.elements.iter().map(member_node).collect();
    nodes
        .map(Node::Seq)
        .ok_or_else(|| unsupported(format!("class {} has a member of its own kind", info.class)))
}
