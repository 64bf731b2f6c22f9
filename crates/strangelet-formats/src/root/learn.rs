//! Completing a sketched form while entries are read.

use super::basket::{self, Basket};
use super::build::{MAX_NODES, known};
use super::form::{MAX_NESTING, Node};
use super::streamer::Infos;
use super::types::{cells, class_members, class_node, named, stl_by_members, stl_content};
use super::wire::{BYTE_COUNT, Wire, text};
use strangelet::column::Scalar;
use strangelet::error::{Result, corruption, unsupported};

/// A version with this bit: the members of a list's items are kept together.
const MEMBER_WISE: u16 = 0x4000;

/// So many bytes, each a column of its own.
pub(super) fn bytes_apart(n: usize) -> Node {
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

pub(super) fn learn_basket(infos: &Infos, sketch: &mut Node, b: &Basket) -> Result<()> {
    let data = b.content.get(..b.border).ok_or_else(|| corruption("a basket's data ends beyond it"))?;
    let starts = basket::starts(b);
    let mut learn =
        Learn { infos, keylen: b.keylen, last: Vec::new(), classes: Vec::new(), nodes: 0, nesting: 0 };
    let mut pos = 0;
    for i in 0..b.entries {
        if settled(sketch) {
            break;
        }
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

/// Whether no entry can teach anything more.
fn settled(sketch: &Node) -> bool {
    fn pointers(n: &Node) -> bool {
        match n {
            Node::Pointer(..) => true,
            Node::Frame(_, n) | Node::List(n, _) | Node::Fill(n, _) | Node::Repeat(_, n, _) => pointers(n),
            Node::Named(_, n) | Node::Counted(_, n) | Node::Shaped(_, n) => pointers(n),
            Node::Seq(nodes) => nodes.iter().any(pointers),
            _ => false,
        }
    }
    known(sketch) && !pointers(sketch)
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
        if self.nesting > MAX_NESTING {
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
