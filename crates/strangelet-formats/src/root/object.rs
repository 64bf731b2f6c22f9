//! Objects as ROOT streams them, read by the layouts that their file brings along.

use super::streamer::{Element, Infos, kind};
use super::wire::{BYTE_COUNT, Wire, text};
use std::borrow::Cow;
use std::collections::HashMap;
use strangelet::error::{Result, corruption, unsupported};

/// Most objects within objects.
const MAX_NESTING: usize = 64;
const NEW_CLASS: u32 = u32::MAX;
const CLASS_BIT: u32 = 0x8000_0000;
/// References count from the start of the record's head, plus this.
const MAP_OFFSET: usize = 2;

/// A value of a member. Bytes stay where they are; see [`Field::pos`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// An integer, sign-extended from its type.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string.
    Text(&'a [u8]),
    /// Numbers of the given width.
    Array {
        /// Bytes of each.
        width: usize,
        /// How many.
        count: usize,
    },
    /// A place in [`Objects::all`]; none for a null pointer.
    Object(Option<usize>),
    /// The items of a list.
    List(Vec<Option<usize>>),
    /// Something that was passed over.
    Opaque,
}

/// A member of an object. Members of base classes are among those of the object itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Field<'a> {
    /// Name.
    pub name: Cow<'a, str>,
    /// First byte of its value in the content.
    pub pos: usize,
    /// Bytes of its value.
    pub len: usize,
    /// The value.
    pub value: Value<'a>,
}

/// An object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object<'a> {
    /// Class.
    pub class: Cow<'a, str>,
    /// Version of the class.
    pub version: u16,
    /// First byte of its members.
    pub pos: usize,
    /// Byte behind its members.
    pub end: usize,
    /// Members.
    pub fields: Vec<Field<'a>>,
}

impl<'a> Object<'a> {
    /// A member by name.
    pub fn field(&self, name: &str) -> Option<&Field<'a>> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// An integer member.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.field(name)?.value {
            Value::Int(i) => Some(i),
            Value::Float(f) => Some(f as i64),
            _ => None,
        }
    }

    /// A string member, empty where there is none.
    pub fn text(&self, name: &str) -> String {
        match self.field(name).map(|f| &f.value) {
            Some(Value::Text(t)) => text(t),
            _ => String::new(),
        }
    }

    /// A list member, empty where there is none.
    pub fn list(&self, name: &str) -> &[Option<usize>] {
        match self.field(name).map(|f| &f.value) {
            Some(Value::List(l)) => l,
            _ => &[],
        }
    }
}

/// The objects of a record; the first is the record's own.
#[derive(Debug, Clone, Default)]
pub struct Objects<'a> {
    /// All of them; members name each other by their place here.
    pub all: Vec<Object<'a>>,
    /// Whether the first was read to its end.
    pub complete: bool,
}

impl<'a> Objects<'a> {
    /// Reads the content of a record of a class. `keylen` is the length of the record's head. Where
    /// something cannot be read, what was read before is given.
    pub fn read(infos: &'a Infos, class: &'a str, content: &'a [u8], keylen: usize) -> Objects<'a> {
        let mut r = Reader {
            infos,
            w: Wire::new(content),
            keylen,
            classes: HashMap::new(),
            places: HashMap::new(),
            out: Objects::default(),
            depth: 0,
        };
        let done = r.object(Cow::Borrowed(class));
        r.out.complete = done.is_ok();
        r.out
    }
}

struct Reader<'a> {
    infos: &'a Infos,
    w: Wire<'a>,
    keylen: usize,
    classes: HashMap<u32, Cow<'a, str>>,
    places: HashMap<u32, usize>,
    out: Objects<'a>,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Reads an object in place and gives its number.
    fn object(&mut self, class: Cow<'a, str>) -> Result<usize> {
        let id = self.out.all.len();
        let pos = self.w.pos();
        self.out.all.push(Object { class: class.clone(), version: 0, pos, end: pos, fields: Vec::new() });
        let version = self.members(id, class)?;
        let end = self.w.pos();
        if let Some(o) = self.out.all.get_mut(id) {
            o.version = version;
            o.end = end;
        }
        Ok(id)
    }

    fn push(&mut self, id: usize, name: impl Into<Cow<'a, str>>, pos: usize, value: Value<'a>) {
        let len = self.w.pos().saturating_sub(pos);
        if let Some(o) = self.out.all.get_mut(id) {
            o.fields.push(Field { name: name.into(), pos, len, value });
        }
    }

    fn tobject(&mut self, id: usize) -> Result<()> {
        self.w.version()?;
        let pos = self.w.pos();
        let unique = self.w.u32()?;
        self.push(id, "fUniqueID", pos, Value::Int(unique as i64));
        let pos = self.w.pos();
        let bits = self.w.u32()?;
        self.push(id, "fBits", pos, Value::Int(bits as i64));
        if bits & (1 << 4) != 0 {
            self.w.u16()?;
        }
        Ok(())
    }

    /// Reads the members of a class into an object and gives the version of the class.
    fn members(&mut self, id: usize, class: Cow<'a, str>) -> Result<u16> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(corruption("objects are nested too deeply"));
        }
        let version = self.members_inner(id, class)?;
        self.depth -= 1;
        Ok(version)
    }

    fn members_inner(&mut self, id: usize, class: Cow<'a, str>) -> Result<u16> {
        match class.as_ref() {
            "TObject" => return self.tobject(id).map(|()| 1),
            "TString" => {
                let pos = self.w.pos();
                let s = self.w.string()?;
                self.push(id, "", pos, Value::Text(s));
                return Ok(0);
            }
            "TArrayC" | "TArrayS" | "TArrayI" | "TArrayF" | "TArrayL" | "TArrayL64" | "TArrayD" => {
                let width = match class.as_ref() {
                    "TArrayC" => 1,
                    "TArrayS" => 2,
                    "TArrayI" | "TArrayF" => 4,
                    _ => 8,
                };
                let count = self.w.u32()? as usize;
                let pos = self.w.pos();
                self.w.take(count.saturating_mul(width))?;
                self.push(id, "fArray", pos, Value::Array { width, count });
                return Ok(0);
            }
            _ => {}
        }
        let (version, end) = self.w.version()?;
        match class.as_ref() {
            "TNamed" => {
                self.tobject(id)?;
                for name in ["fName", "fTitle"] {
                    let pos = self.w.pos();
                    let s = self.w.string()?;
                    self.push(id, name, pos, Value::Text(s));
                }
            }
            "TObjArray" | "TList" | "THashList" => {
                if version > 2 || class.as_ref() != "TObjArray" {
                    self.tobject(id)?;
                }
                self.w.string()?;
                let n = self.w.u32()?;
                if class.as_ref() == "TObjArray" {
                    self.w.u32()?;
                }
                let pos = self.w.pos();
                let mut items = Vec::new();
                for _ in 0..n {
                    items.push(self.any()?);
                    if class.as_ref() != "TObjArray" {
                        self.w.string()?;
                    }
                }
                self.push(id, "items", pos, Value::List(items));
            }
            _ => {
                let infos = self.infos;
                let info = if version == 0 {
                    let checksum = self.w.clone().u32().unwrap_or(0);
                    let found = infos.by_checksum(&class, checksum);
                    if found.is_some() {
                        self.w.u32()?;
                    }
                    found.or_else(|| infos.get(&class, 0))
                } else {
                    infos.get(&class, version as u32)
                };
                match (info, end) {
                    (Some(info), _) if class.as_ref() != "TBasket" => {
                        for e in &info.elements {
                            self.element(id, e)?;
                        }
                    }
                    (_, Some(_)) => {
                        let pos = self.w.pos();
                        self.push(id, class.clone(), pos, Value::Opaque);
                    }
                    _ => return Err(unsupported(format!("class {class} {version} has no layout here"))),
                }
            }
        }
        if let Some(end) = end {
            if self.w.pos() > end {
                return Err(corruption(format!("an object of class {class} is longer than it says")));
            }
            self.w.seek(end);
        }
        Ok(version)
    }

    fn element(&mut self, id: usize, e: &'a Element) -> Result<()> {
        let pos = self.w.pos();
        match e.kind {
            kind::BASE => {
                self.members(id, Cow::Borrowed(e.name.as_str()))?;
                return Ok(());
            }
            1..=19 => {
                let value = self.number(e.kind)?;
                self.push(id, e.name.as_str(), pos, value);
            }
            21..=39 => {
                let width = width(e.kind - kind::OFFSET_L)?;
                let count = e.array_length as usize;
                self.w.take(count.saturating_mul(width))?;
                self.push(id, e.name.as_str(), pos, Value::Array { width, count });
            }
            41..=59 => {
                let count = self.out.all.get(id).and_then(|o| o.int(&e.count_name)).unwrap_or(0);
                let mut width = width(e.kind - kind::OFFSET_P)?;
                let mark = self.w.u8()?;
                if e.name == "fBasketSeek" && mark == 2 {
                    width = 8;
                }
                let count = if mark == 0 { 0 } else { count.max(0) as usize };
                let pos = self.w.pos();
                self.w.take(count.saturating_mul(width))?;
                self.push(id, e.name.as_str(), pos, Value::Array { width, count });
            }
            kind::TSTRING => {
                let s = self.w.string()?;
                self.push(id, e.name.as_str(), pos, Value::Text(s));
            }
            kind::TOBJECT
            | kind::TNAMED
            | kind::OBJECT
            | kind::ANY
            | kind::OBJECT_IN_PLACE
            | kind::ANY_IN_PLACE => {
                let class = e.type_name.trim_end_matches('*');
                let child = self.object(Cow::Borrowed(class))?;
                let list = self.out.all.get(child).and_then(|o| o.field("items")).map(|f| f.value.clone());
                self.push(id, e.name.as_str(), pos, list.unwrap_or(Value::Object(Some(child))));
            }
            kind::OBJECT_POINTER | kind::ANY_POINTER => {
                let child = self.any()?;
                self.push(id, e.name.as_str(), pos, Value::Object(child));
            }
            _ => {
                // Containers and members with their own streamer bring their length along.
                let (_, end) = self.w.version()?;
                let end = end.ok_or_else(|| unsupported(format!("member {} has no length", e.name)))?;
                self.w.seek(end);
                self.push(id, e.name.as_str(), pos, Value::Opaque);
            }
        }
        Ok(())
    }

    fn number(&mut self, kind: i32) -> Result<Value<'a>> {
        Ok(match kind {
            1 => Value::Int(self.w.u8()? as i8 as i64),
            2 => Value::Int(self.w.u16()? as i16 as i64),
            3 | kind::COUNTER => Value::Int(self.w.i32()? as i64),
            4 | 16 | 14 | 17 => Value::Int(self.w.u64()? as i64),
            5 => Value::Float(f32::from_bits(self.w.u32()?) as f64),
            8 => Value::Float(f64::from_bits(self.w.u64()?)),
            11 | 18 => Value::Int(self.w.u8()? as i64),
            12 => Value::Int(self.w.u16()? as i64),
            13 | 15 => Value::Int(self.w.u32()? as i64),
            kind::DOUBLE32 => Value::Float(f32::from_bits(self.w.u32()?) as f64),
            _ => return Err(unsupported(format!("a member of type {kind}"))),
        })
    }

    /// Reads what a pointer points at: nothing, an object that was read before, or a new one.
    fn any(&mut self) -> Result<Option<usize>> {
        let start = self.w.pos();
        let word = self.w.u32()?;
        let (tag, end, tag_pos) = if word & BYTE_COUNT != 0 && word != NEW_CLASS {
            let end = (start + 4).saturating_add((word & !BYTE_COUNT) as usize);
            (self.w.u32()?, Some(end), start + 4)
        } else {
            (word, None, start)
        };
        if tag == 0 {
            return Ok(None);
        }
        if tag & CLASS_BIT == 0 {
            let found = self.places.get(&tag).copied();
            if let Some(end) = end {
                self.w.seek(end);
            }
            return Ok(found);
        }
        let class = if tag == NEW_CLASS {
            let name = String::from_utf8_lossy(self.w.c_string()?);
            self.classes.insert((tag_pos + self.keylen + MAP_OFFSET) as u32, name.clone());
            name
        } else {
            let name = self.classes.get(&(tag & !CLASS_BIT)).cloned();
            name.ok_or_else(|| corruption("a class is referred to that was not named before"))?
        };
        let place = (start + self.keylen + MAP_OFFSET) as u32;
        // The number is known before the object is read: its members may point back at it.
        self.places.insert(place, self.out.all.len());
        if let (Some(end), "TBasket") = (end, class.as_ref()) {
            // Baskets stream themselves; what is in them is read elsewhere.
            let id = self.out.all.len();
            let pos = self.w.pos();
            self.w.seek(end);
            self.w.take(0)?;
            self.out.all.push(Object { class, version: 0, pos, end, fields: Vec::new() });
            return Ok(Some(id));
        }
        let id = self.object(class.clone())?;
        if let Some(end) = end {
            if self.w.pos() > end {
                return Err(corruption(format!("an object of class {class} is longer than it says")));
            }
            self.w.seek(end);
        }
        Ok(Some(id))
    }
}

/// Bytes of a basic type in a file.
pub fn width(kind: i32) -> Result<usize> {
    Ok(match kind {
        1 | 11 | 18 => 1,
        2 | 12 => 2,
        3 | 5 | 6 | 9 | 13 | 15 => 4,
        4 | 8 | 14 | 16 | 17 => 8,
        _ => return Err(unsupported(format!("a member of type {kind}"))),
    })
}
