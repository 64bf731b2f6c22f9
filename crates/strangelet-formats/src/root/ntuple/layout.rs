//! Fields to columns of a table: which leaf becomes which column, under which lists, from which pages.

use super::kind::Element;
use super::schema::{Field, Role, Schema};
use std::collections::{HashMap, HashSet};
use strangelet::column::{ColumnSchema, Meaning, Scalar};
use strangelet::limits::{MAX_DEPTH, MAX_INNER};

/// What multiplies items on the way from an event to a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Level {
    /// The events themselves.
    Events,
    /// Lists, whose ends are in one of these columns (alternative representations).
    Lists(Vec<u32>),
    /// A fixed number of items each, around a list.
    Fixed(u32),
}

/// A level of the tree, below another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The level above; the events are above themselves.
    pub parent: usize,
    /// What this one does.
    pub level: Level,
    /// Number of levels up to and with this one, without the events.
    pub depth: usize,
    /// A leaf below it, if there is any: its lengths of level `depth - 1` are those of this node.
    pub leaf: Option<usize>,
}

/// A column of the visible table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The level whose items have a value each.
    pub node: usize,
    /// The columns that hold the values (alternative representations).
    pub alternatives: Vec<u32>,
}

/// How the columns of an ntuple become columns of tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The levels; a parent comes before its children, the events first.
    pub nodes: Vec<Node>,
    /// The leaves, in the order of `columns`.
    pub leaves: Vec<Leaf>,
    /// Columns of the visible table.
    pub columns: Vec<ColumnSchema>,
    /// Columns that become a table of residue each: variants, and what fits no table.
    pub raws: Vec<u32>,
}

/// Deepest nesting of fields that becomes columns.
const MAX_NESTING: usize = 64;
/// Longest name of a column.
const MAX_NAME: usize = 4096;
/// Most cells of a fixed-size array.
const MAX_ARRAY: u64 = 1 << 24;

/// Where a field stands.
#[derive(Clone)]
struct Place {
    node: usize,
    /// Fixed dimensions since that node.
    inner: Vec<u32>,
    name: String,
    nesting: usize,
    /// Within a variant, or too deep: only raw columns.
    raw: bool,
}

impl Layout {
    /// The layout of a schema.
    pub fn new(schema: &Schema) -> Layout {
        Builder::new(schema).build()
    }

    /// The node and leaf above the values, from the events down.
    pub fn path(&self, node: usize) -> Vec<usize> {
        let mut path = Vec::new();
        let mut at = node;
        while at != 0 {
            path.push(at);
            at = self.nodes.get(at).map_or(0, |n| n.parent);
        }
        path.reverse();
        path
    }
}

struct Builder<'a> {
    schema: &'a Schema,
    members: Vec<Vec<u32>>,
    /// Columns of each field by representation.
    own: Vec<Vec<Vec<u32>>>,
    /// Names by which projected fields at the top show a column with values.
    shown: HashMap<u32, String>,
    names: HashSet<String>,
    layout: Layout,
}

impl<'a> Builder<'a> {
    fn new(schema: &'a Schema) -> Self {
        let mut members = vec![Vec::new(); schema.fields.len()];
        for (i, f) in schema.fields.iter().enumerate() {
            if let Some(m) = f.parent.and_then(|p| members.get_mut(p as usize)) {
                m.push(i as u32);
            }
        }
        let mut own: Vec<Vec<Vec<u32>>> = vec![Vec::new(); schema.fields.len()];
        for (i, c) in schema.columns.iter().enumerate() {
            let Some(reps) = own.get_mut(c.field as usize) else { continue };
            // representations come in order; one that skips numbers is taken as the next
            let r = (c.representation as usize).min(reps.len());
            if r == reps.len() {
                reps.push(Vec::new());
            }
            reps[r].push(i as u32);
        }
        let nodes = vec![Node { parent: 0, level: Level::Events, depth: 0, leaf: None }];
        let layout = Layout { nodes, ..Layout::default() };
        let shown = shown_names(schema);
        Builder { schema, members, own, shown, names: HashSet::new(), layout }
    }

    fn build(mut self) -> Layout {
        let top = Place { node: 0, inner: Vec::new(), name: String::new(), nesting: 0, raw: false };
        let mut todo: Vec<(u32, Place)> = (0..self.schema.fields.len() as u32)
            .rev()
            .filter(|&i| self.schema.fields[i as usize].parent.is_none())
            .map(|i| (i, top.clone()))
            .collect();
        while let Some((id, place)) = todo.pop() {
            let Some(field) = self.schema.fields.get(id as usize) else { continue };
            if field.source.is_some() {
                continue;
            }
            let below = self.field(id, field, place);
            let members = self.members.get(id as usize).cloned().unwrap_or_default();
            todo.extend(members.into_iter().rev().map(|m| (m, below.clone())));
        }
        self.unused_nodes();
        self.layout.raws.sort_unstable();
        self.layout.raws.dedup();
        self.layout
    }

    /// Takes the columns of a field, and says where its members stand.
    fn field(&mut self, id: u32, field: &Field, above: Place) -> Place {
        let mut place = above.clone();
        place.nesting += 1;
        place.raw |= place.nesting > MAX_NESTING;
        place.name = self.member_name(field, &above.name);
        let reps = self.own.get(id as usize).cloned().unwrap_or_default();
        if let Some(n) = field.repetition {
            match u32::try_from(n) {
                Ok(n) if place.inner.len() < MAX_INNER => place.inner.push(n),
                _ => place.raw = true,
            }
        }
        let cells = place.inner.iter().fold(1u64, |n, &d| n.saturating_mul(d as u64));
        place.raw |= cells > MAX_ARRAY || matches!(field.role, Role::Variant | Role::Unknown);
        let elements = |rep: &Vec<u32>| -> Vec<Element> {
            rep.iter().filter_map(|&c| self.schema.columns.get(c as usize)).map(|c| c.kind.element).collect()
        };
        let shape = reps.first().map(elements).unwrap_or_default();
        let alike: Vec<Vec<u32>> =
            reps.iter().filter(|r| elements(r).len() == shape.len()).cloned().collect();
        let is_list = |reps: &[Vec<u32>]| reps.iter().all(|r| elements(r).first() == Some(&Element::Index));
        let column = |i: usize| -> Vec<u32> { alike.iter().filter_map(|r| r.get(i).copied()).collect() };
        let leaf_role = matches!(field.role, Role::Leaf | Role::Streamer);
        match shape[..] {
            _ if place.raw || alike.len() != reps.len() => {
                place.raw = true;
                self.raw(&reps);
            }
            [] => place.raw |= field.role == Role::Collection,
            [Element::Index] if field.role == Role::Collection && is_list(&alike) => {
                match self.lists(&place, column(0)) {
                    Some(node) => (place.node, place.inner) = (node, Vec::new()),
                    None => {
                        place.raw = true;
                        self.raw(&reps);
                    }
                }
            }
            [Element::Index, Element::Char | Element::Byte] if leaf_role && is_list(&alike) => {
                let text = shape[1] == Element::Char;
                let meaning = if text { Meaning::Text } else { Meaning::Bytes };
                let below = self.lists(&place, column(0)).map(|node| Place {
                    node,
                    inner: Vec::new(),
                    ..place.clone()
                });
                if !below.is_some_and(|b| self.leaf(&b, column(1), meaning)) {
                    self.raw(&reps);
                }
            }
            [e] if leaf_role && !matches!(e, Element::Index | Element::Switch | Element::Unknown) => {
                if !self.leaf(&place, column(0), Meaning::Number) {
                    self.raw(&reps);
                }
            }
            _ => {
                place.raw = true;
                self.raw(&reps);
            }
        }
        place
    }

    /// A node of lists below the place; fixed dimensions on the way become levels too.
    fn lists(&mut self, place: &Place, columns: Vec<u32>) -> Option<usize> {
        let depth = self.layout.nodes.get(place.node)?.depth;
        if depth + place.inner.len() + 1 > MAX_DEPTH {
            return None;
        }
        let mut node = place.node;
        let levels = place.inner.iter().map(|&n| Level::Fixed(n)).chain([Level::Lists(columns)]);
        for (i, level) in levels.enumerate() {
            self.layout.nodes.push(Node { parent: node, level, depth: depth + i + 1, leaf: None });
            node = self.layout.nodes.len() - 1;
        }
        Some(node)
    }

    fn leaf(&mut self, place: &Place, columns: Vec<u32>, meaning: Meaning) -> bool {
        let scalars = columns.iter().map(|&c| self.schema.columns.get(c as usize)?.kind.scalar());
        let Some(scalar) = scalars.reduce(|a, b| common(a?, b?)).flatten() else { return false };
        let depth = self.layout.nodes.get(place.node).map_or(0, |n| n.depth);
        let shown = columns.first().and_then(|c| self.shown.get(c)).filter(|_| place.name.starts_with('_'));
        let wanted = shown.cloned().unwrap_or_else(|| place.name.clone());
        let strings = (meaning != Meaning::Number) as usize;
        let schema = ColumnSchema {
            name: self.unique(wanted),
            scalar,
            meaning,
            depth: depth.saturating_sub(strings) as u8,
            inner: place.inner.clone(),
            scale: None,
        };
        self.layout.columns.push(schema);
        let leaf = self.layout.leaves.len();
        self.layout.leaves.push(Leaf { node: place.node, alternatives: columns });
        for n in self.layout.path(place.node) {
            if let Some(node) = self.layout.nodes.get_mut(n) {
                node.leaf.get_or_insert(leaf);
            }
        }
        true
    }

    fn raw(&mut self, reps: &[Vec<u32>]) {
        let known = reps.iter().flatten().copied().filter(|&c| {
            self.schema.columns.get(c as usize).is_some_and(|c| c.kind.element != Element::Unknown)
        });
        self.layout.raws.extend(known);
    }

    /// Lists without any leaf below them (of empty records, say) have no column to be lengths of.
    fn unused_nodes(&mut self) {
        let unused: Vec<Vec<u32>> = self
            .layout
            .nodes
            .iter()
            .filter(|n| n.leaf.is_none())
            .filter_map(|n| if let Level::Lists(columns) = &n.level { Some(columns.clone()) } else { None })
            .collect();
        self.raw(&unused);
    }

    /// Dotted name. Items of lists and arrays, the integers of enumerations and base classes have no
    /// part of their own in it.
    fn member_name(&self, field: &Field, above: &str) -> String {
        let parent = field.parent.and_then(|p| self.schema.fields.get(p as usize));
        let nameless = parent.is_some_and(|p| {
            (field.name == "_0" && p.role != Role::Record)
                || (p.role == Role::Record && field.name.starts_with(":_"))
        });
        let name = match above {
            "" => field.name.clone(),
            _ if nameless => above.to_string(),
            _ => format!("{above}.{}", field.name),
        };
        if name.len() > MAX_NAME { "_".to_string() } else { name }
    }

    fn unique(&mut self, wanted: String) -> String {
        let mut name = wanted.clone();
        let mut n = 2;
        while !self.names.insert(name.clone()) {
            name = format!("{wanted}#{n}");
            n += 1;
        }
        name
    }
}

/// Names of columns that a projected field at the top of the tree shows: as a leaf, or as a list of leaves.
fn shown_names(schema: &Schema) -> HashMap<u32, String> {
    let mut shown = HashMap::new();
    for alias in &schema.aliases {
        let indexed = schema.columns.get(alias.physical as usize).map(|c| c.kind.element);
        let Some(field) = schema.fields.get(alias.field as usize).filter(|f| f.role == Role::Leaf) else {
            continue;
        };
        if matches!(indexed, None | Some(Element::Index)) {
            continue;
        }
        let mut at = field;
        let mut nameless = true;
        while let Some(parent) = at.parent.and_then(|p| schema.fields.get(p as usize)) {
            nameless &= at.name == "_0" && parent.role == Role::Collection;
            at = parent;
        }
        if nameless && !at.name.starts_with('_') {
            shown.entry(alias.physical).or_insert_with(|| at.name.clone());
        }
    }
    shown
}

/// The scalar that holds every value of both exactly, of the same sort.
fn common(a: Scalar, b: Scalar) -> Option<Scalar> {
    let same_sort = a == b
        || (a.is_float() && b.is_float())
        || (a.is_signed() && b.is_signed())
        || [a, b].iter().all(|s| !s.is_float() && !s.is_signed() && *s != Scalar::Bool);
    same_sort.then_some(if a.width() >= b.width() { a } else { b })
}
