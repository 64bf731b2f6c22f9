//! Finds the form of a branch: from its leaves and the streamer info, and from a look at its bytes.
//!
//! The metadata say which types are there; whether objects have a byte count, a version or a checksum
//! before them, which class a pointer leads to, and whether members of a list's items are kept together,
//! shows in the data. So a form is sketched first, then completed while some baskets are read, and in
//! the end proved on them. A branch for which no sketch holds keeps its entries as byte strings.

use super::basket::{self, Basket, Tail};
use super::form::{Form, Node};
use super::learn::learn_basket;
use super::streamer::{Element, Info, Infos, canonical, kind};
use super::tree::{Branch, Leaf};
use super::types::{
    basic, cells, class_members, fill, frame, member_node, named, ranged, repeated, stl_content, type_node,
};
use std::collections::VecDeque;
use strangelet::column::{Column, Scalar, Scale};
use strangelet::error::{Result, unsupported};

/// Most nodes of a form.
pub(super) const MAX_NODES: usize = 4096;

/// The form of a branch, and how its integers are to be read where they stand for real numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The form.
    pub form: Form,
    /// For ranged Float16_t and Double32_t.
    pub scale: Option<Scale>,
    /// What the samples gave when the form was proved on them.
    pub proved: Proved,
}

/// Samples in columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proved {
    /// The cells of all samples, one after the other.
    pub columns: Vec<Column>,
    /// The tail of each sample; none where a form of bytes was taken without a look.
    pub tails: VecDeque<Tail>,
}

/// Finds the form of a branch, given some of its baskets. `again` is room for proofs, its content does not matter.
pub fn find(infos: &Infos, branch: &Branch, samples: &[Basket], again: &mut Vec<u8>) -> Found {
    let mut sketches = Vec::new();
    let mut scale = None;
    if branch.class == "TBranchElement" {
        element_sketches(infos, branch, &mut sketches, &mut scale);
    } else if branch.class == "TBranch" {
        leaf_sketches(branch, &mut sketches, &mut scale);
    }
    for sketch in sketches {
        if let Ok((form, proved)) = complete(infos, sketch, samples, again) {
            return Found { form, scale, proved };
        }
    }
    let (form, proved) = plain(samples, again);
    Found { form, scale: None, proved }
}

/// Whether one basket is enough to find the form of a branch: its type says everything.
pub fn needs_one(branch: &Branch) -> bool {
    let number =
        |l: &Leaf| leaf_scalar(l).is_some() || basic(l.kind % kind::OFFSET_L).is_some() && l.kind < 40;
    branch.leaves.iter().all(number)
}

/// Entries as bytes: of one length, or strings.
fn plain(samples: &[Basket], again: &mut Vec<u8>) -> (Form, Proved) {
    let size = samples.iter().find(|b| b.entries > 0).map(|b| b.border / b.entries);
    if let (Some(size), Some(first)) = (size, samples.first())
        && samples.iter().map(|b| b.entries).sum::<usize>() > 1
        && let Some(same) = first.content.get(..size).filter(|s| s.len() <= 4096)
        && let Ok(form) = Form::new(Node::Const(same.to_vec()))
        && let Some(proved) = proves(&form, samples, again)
    {
        return (form, proved);
    }
    if let Some(size) = size.filter(|&s| s > 0 && s <= 1 << 20)
        && let Ok(form) = Form::new(Node::Cells(Scalar::U8, size as u32, 0))
        && let Some(proved) = proves(&form, samples, again)
    {
        return (form, proved);
    }
    let form = Form::bytes();
    let columns = form.empty_columns();
    (form, Proved { columns, tails: VecDeque::new() })
}

fn proves(form: &Form, samples: &[Basket], again: &mut Vec<u8>) -> Option<Proved> {
    let mut columns = form.empty_columns();
    let mut read = |b| basket::dissect(form, b, &mut columns, again).ok();
    let tails = samples.iter().map(&mut read).collect::<Option<_>>()?;
    Some(Proved { columns, tails })
}

fn complete(
    infos: &Infos,
    mut sketch: Node,
    samples: &[Basket],
    again: &mut Vec<u8>,
) -> Result<(Form, Proved)> {
    if !known(&sketch) {
        for b in samples {
            learn_basket(infos, &mut sketch, b)?;
        }
    }
    settle(infos, &mut sketch, &mut 0, 0);
    let form = Form::new(sketch)?;
    let proved = proves(&form, samples, again).ok_or_else(|| unsupported("a form does not hold"))?;
    Ok((form, proved))
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
pub(super) fn known(node: &Node) -> bool {
    match node {
        Node::Class(_) | Node::Stl(..) | Node::Any | Node::Stride => false,
        Node::Frame(head, n) => !head.is_empty() && known(n),
        Node::List(n, _) | Node::Fill(n, _) | Node::Repeat(_, n, _) | Node::Pointer(_, _, n, _) => known(n),
        Node::Named(_, n) | Node::Shaped(_, n) | Node::Counted(_, n) => known(n),
        Node::Seq(nodes) => nodes.iter().all(known),
        _ => true,
    }
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

#[cfg(test)]
mod tests {
    use super::super::types::{class_node, number, stl};
    use super::super::wire::BYTE_COUNT;
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
        let form = complete(&Infos::default(), class_node("TObjArray"), &[b], &mut Vec::new()).unwrap().0;
        assert_eq!(form.to_text(), "{0003;((x0001;u4u4)su4i4@3;^54417272617943;[i1])}");
        let unlike = plain(&[b], &mut Vec::new()).0;
        assert_eq!(unlike.root, Node::Cells(Scalar::U8, entry.len() as u32, 0));
    }
}
