//! Header and footer envelopes: fields, columns, aliases, and the links to the page lists.

use super::anchor::Span;
use super::cursor::Cursor;
use super::kind::Kind;
use strangelet::error::{Result, corruption, unsupported};
use strangelet::limits;
use xxhash_rust::xxh3::xxh3_64;

/// Role of a field in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A leaf, or a fixed-size array.
    Leaf,
    /// Parent of the items of a list.
    Collection,
    /// Parent of the members of a record.
    Record,
    /// Parent of the alternatives of a variant.
    Variant,
    /// Objects serialised by a streamer.
    Streamer,
    /// Not known to this build.
    Unknown,
}

/// A field: a node of the tree that the events are described by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name, unique among the members of its parent.
    pub name: String,
    /// Normalised C++ type, empty for untyped records and collections.
    pub type_name: String,
    /// What a writer says about it.
    pub description: String,
    /// Number of the parent; `None` at the top.
    pub parent: Option<u32>,
    /// Role in the tree.
    pub role: Role,
    /// Items of a fixed-size array.
    pub repetition: Option<u64>,
    /// Number of the field that a projected field shows again.
    pub source: Option<u32>,
}

/// A column with pages of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhysicalColumn {
    /// Type of the elements.
    pub kind: Kind,
    /// Number of its field.
    pub field: u32,
    /// Which of the alternative representations of the field it belongs to.
    pub representation: u16,
    /// Whether it was added while writing: elements before the first page are zero.
    pub deferred: bool,
}

/// A column of a projected field: the pages of another column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias {
    /// Number of the column that has the pages.
    pub physical: u32,
    /// Number of the projected field.
    pub field: u32,
}

/// Fields and columns of an ntuple.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schema {
    /// Name of the ntuple.
    pub name: String,
    /// Description of the ntuple.
    pub description: String,
    /// Program that wrote it.
    pub writer: String,
    /// Fields by number; a parent comes before its members.
    pub fields: Vec<Field>,
    /// Columns by number.
    pub columns: Vec<PhysicalColumn>,
    /// Columns of projected fields.
    pub aliases: Vec<Alias>,
}

/// A group of clusters, whose pages one page list describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// First event.
    pub first: u64,
    /// Number of events.
    pub events: u64,
    /// Number of clusters.
    pub clusters: u32,
    /// The page list envelope.
    pub link: Span,
}

/// Most fields, and most columns, of an ntuple that is taken apart.
const MAX_NODES: usize = 1 << 22;

/// Payload of an envelope of a type (1 header, 2 footer, 3 page list) and its checksum, after checking both.
///
/// # Errors
/// Corruption where type, length or checksum differ from what they should be.
pub fn envelope(content: &[u8], kind: u16) -> Result<(Cursor<'_>, u64)> {
    let named = || format!("envelope of type {kind}");
    let (Some(body), Some(sum)) =
        (content.len().checked_sub(8).and_then(|n| content.get(..n)), content.last_chunk::<8>())
    else {
        return Err(corruption("too short").within(named()));
    };
    let sum = u64::from_le_bytes(*sum);
    if xxh3_64(body) != sum {
        return Err(corruption("checksum differs").within(named()));
    }
    let mut cursor = Cursor::new(body);
    let head = cursor.u64()?;
    if head & 0xffff != kind as u64 || head >> 16 != content.len() as u64 {
        return Err(corruption("type or length differ").within(named()));
    }
    Ok((cursor, sum))
}

impl Schema {
    /// Reads the content of a header envelope; gives its checksum, by which footer and page lists
    /// belong to it.
    pub fn read_header(content: &[u8]) -> Result<(Schema, u64)> {
        let (mut c, sum) = envelope(content, 1)?;
        c.features()?;
        let mut schema = Schema {
            name: text(c.string()?),
            description: text(c.string()?),
            writer: text(c.string()?),
            ..Schema::default()
        };
        schema.extend(&mut c).map_err(|e| e.within("header of the ntuple"))?;
        Ok((schema, sum))
    }

    /// Reads the content of a footer envelope: more fields and columns, and the groups of clusters.
    pub fn read_footer(&mut self, content: &[u8], header_sum: u64) -> Result<Vec<Group>> {
        let within = |e: strangelet::error::Error| e.within("footer of the ntuple");
        let (mut c, _) = envelope(content, 2)?;
        c.features()?;
        if c.u64()? != header_sum {
            return Err(corruption("footer of the ntuple: belongs to another header"));
        }
        let mut extension = c.record()?;
        if !extension.rest().is_empty() {
            self.extend(&mut extension).map_err(within)?;
        }
        let (n, mut items) = c.list()?;
        let mut groups = limits::reserve(items.rest().len().min(n as usize) / 32);
        for _ in 0..n {
            let mut g = items.record()?;
            let (first, events, clusters, content) = (g.u64()?, g.u64()?, g.u32()?, g.u64()?);
            let at = g.locator()?;
            let link = Span { position: at.position, stored: at.stored, content };
            groups.push(Group { first, events, clusters, link });
        }
        Ok(groups)
    }

    /// The four lists of a schema description: fields, columns, aliases, and type information (skipped).
    fn extend(&mut self, c: &mut Cursor<'_>) -> Result<()> {
        let (n, mut items) = c.list()?;
        for _ in 0..n {
            let id = self.fields.len();
            if id >= MAX_NODES {
                return Err(unsupported("more fields than any ntuple has"));
            }
            self.fields.push(read_field(&mut items.record()?, id as u32)?);
        }
        let (n, mut items) = c.list()?;
        for _ in 0..n {
            if self.columns.len() >= MAX_NODES {
                return Err(unsupported("more columns than any ntuple has"));
            }
            let column = read_column(&mut items.record()?)?;
            if column.field as usize >= self.fields.len() {
                return Err(corruption(format!("column {} of no field", self.columns.len())));
            }
            self.columns.push(column);
        }
        let (n, mut items) = c.list()?;
        for _ in 0..n {
            let mut a = items.record()?;
            let alias = Alias { physical: a.u32()?, field: a.u32()? };
            if alias.field as usize >= self.fields.len() || self.aliases.len() >= MAX_NODES {
                return Err(corruption(format!("alias {} of no field", self.aliases.len())));
            }
            self.aliases.push(alias);
        }
        c.list()?;
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read_field(c: &mut Cursor<'_>, id: u32) -> Result<Field> {
    let (_version, _type_version, parent, role, flags) = (c.u32()?, c.u32()?, c.u32()?, c.u16()?, c.u16()?);
    let (name, type_name, _alias, description) = (c.string()?, c.string()?, c.string()?, c.string()?);
    let repetition = if flags & 1 != 0 { Some(c.u64()?) } else { None };
    let source = if flags & 2 != 0 { Some(c.u32()?) } else { None };
    if parent > id {
        return Err(corruption(format!("field {id} comes before its parent {parent}")));
    }
    Ok(Field {
        name: text(name),
        type_name: text(type_name),
        description: text(description),
        parent: (parent != id).then_some(parent),
        role: match role {
            0 => Role::Leaf,
            1 => Role::Collection,
            2 => Role::Record,
            3 => Role::Variant,
            4 => Role::Streamer,
            _ => Role::Unknown,
        },
        repetition,
        source,
    })
}

fn read_column(c: &mut Cursor<'_>) -> Result<PhysicalColumn> {
    let (number, bits, field, flags, representation) = (c.u16()?, c.u16()?, c.u32()?, c.u16()?, c.u16()?);
    let deferred = flags & 1 != 0;
    if deferred {
        c.i64()?;
    }
    let range = match flags & 2 {
        0 => None,
        _ => Some((f64::from_bits(c.u64()?), f64::from_bits(c.u64()?))),
    };
    Ok(PhysicalColumn { kind: Kind::from_disk(number, bits, range), field, representation, deferred })
}
