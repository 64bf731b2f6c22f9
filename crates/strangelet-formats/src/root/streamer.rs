//! The streamer info of a file: how each version of each class lays out its members.

use super::wire::{Wire, text};
use std::collections::HashMap;
use strangelet::error::{Result, corruption};

/// Numbers of member types, as TStreamerElement::fType has them.
pub mod kind {
    /// A base class.
    pub const BASE: i32 = 0;
    /// An array of fixed length of a basic type: this much is added to the type.
    pub const OFFSET_L: i32 = 20;
    /// A pointer to an array of a basic type: this much is added to the type.
    pub const OFFSET_P: i32 = 40;
    /// Counter of such an array.
    pub const COUNTER: i32 = 6;
    /// Double32_t.
    pub const DOUBLE32: i32 = 9;
    /// Float16_t.
    pub const FLOAT16: i32 = 19;
    /// An object of a class that derives from TObject, in place.
    pub const OBJECT: i32 = 61;
    /// An object of another class, in place.
    pub const ANY: i32 = 62;
    /// A pointer that is never null: the object in place.
    pub const OBJECT_IN_PLACE: i32 = 63;
    /// A pointer to an object.
    pub const OBJECT_POINTER: i32 = 64;
    /// TString.
    pub const TSTRING: i32 = 65;
    /// TObject.
    pub const TOBJECT: i32 = 66;
    /// TNamed.
    pub const TNAMED: i32 = 67;
    /// A pointer that is never null to an object of another class: in place.
    pub const ANY_IN_PLACE: i32 = 68;
    /// A pointer to an object of another class.
    pub const ANY_POINTER: i32 = 69;
    /// A container of the standard library.
    pub const STL: i32 = 300;
    /// A string of the standard library.
    pub const STL_STRING: i32 = 365;
    /// A member with its own streamer.
    pub const STREAMER: i32 = 500;
    /// A counted array of objects.
    pub const STREAM_LOOP: i32 = 501;
}

/// A member, or a base class.
#[derive(Debug, Clone, Default)]
pub struct Element {
    /// Name of the member or of the base class.
    pub name: String,
    /// Comment; may hold a range (`[0,1,8]`) or the name of a counter.
    pub title: String,
    /// One of [`kind`], or a basic type.
    pub kind: i32,
    /// Cells of a fixed array, 0 for none.
    pub array_length: u32,
    /// C++ type.
    pub type_name: String,
    /// Version of a base class.
    pub base_version: i32,
    /// Member that counts a pointer's array.
    pub count_name: String,
}

/// The layout of a version of a class.
#[derive(Debug, Clone, Default)]
pub struct Info {
    /// Class.
    pub class: String,
    /// Its version.
    pub version: u32,
    /// Checksum over the layout; stands for the version of classes that have none.
    pub checksum: u32,
    /// Base classes and members in order.
    pub elements: Vec<Element>,
}

/// All layouts of a file.
#[derive(Debug, Clone, Default)]
pub struct Infos {
    list: Vec<Info>,
    by_version: HashMap<(String, u32), usize>,
    newest: HashMap<String, usize>,
}

impl Infos {
    /// The layout of a version of a class.
    pub fn get(&self, class: &str, version: u32) -> Option<&Info> {
        self.by_version.get(&(canonical(class), version)).and_then(|&i| self.list.get(i))
    }

    /// The layout of the highest version of a class.
    pub fn newest(&self, class: &str) -> Option<&Info> {
        self.newest.get(&canonical(class)).and_then(|&i| self.list.get(i))
    }

    /// The layout with this checksum.
    pub fn by_checksum(&self, class: &str, checksum: u32) -> Option<&Info> {
        let class = canonical(class);
        self.list.iter().find(|i| i.class == class && i.checksum == checksum)
    }

    /// Number of layouts.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn push(&mut self, info: Info) {
        let i = self.list.len();
        self.by_version.entry((info.class.clone(), info.version)).or_insert(i);
        let newest = self.newest.entry(info.class.clone()).or_insert(i);
        if self.list.get(*newest).is_none_or(|n| n.version <= info.version) {
            *newest = i;
        }
        self.list.push(info);
    }

    /// Reads the inflated content of the file's streamer info record, a list of TStreamerInfo.
    /// `keylen` is the length of the record's head. What follows an unreadable item is left out.
    pub fn parse(content: &[u8], keylen: usize) -> Infos {
        let mut infos = Infos::default();
        let mut reader = Reader { w: Wire::new(content), keylen, classes: HashMap::new() };
        let _ = reader.list(&mut infos);
        infos
    }
}

/// A class name without the spaces that different writers put into it.
pub fn canonical(class: &str) -> String {
    let mut out = String::with_capacity(class.len());
    let mut chars = class.trim().chars().peekable();
    while let Some(c) = chars.next() {
        if c == ' ' {
            let before = out.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
            let after = chars.peek().is_some_and(|c| c.is_alphanumeric() || *c == '_');
            if !(before && after) {
                continue;
            }
        }
        out.push(c);
    }
    out
}

struct Reader<'a> {
    w: Wire<'a>,
    keylen: usize,
    classes: HashMap<u32, String>,
}

impl Reader<'_> {
    fn list(&mut self, infos: &mut Infos) -> Result<()> {
        self.w.version()?;
        self.tobject()?;
        self.w.string()?;
        let n = self.w.u32()?;
        for _ in 0..n {
            let (class, end) = self.object_head()?;
            if class == "TStreamerInfo" {
                let info = self.info()?;
                infos.push(info);
            }
            if let Some(end) = end {
                self.w.seek(end);
            } else if class != "TStreamerInfo" {
                return Err(corruption("an object in the streamer info has no length"));
            }
            self.w.string()?;
        }
        Ok(())
    }

    /// Class and end of the next object of a list; the class is empty for null and for references.
    fn object_head(&mut self) -> Result<(String, Option<usize>)> {
        let start = self.w.pos();
        let word = self.w.u32()?;
        let (tag, end, at) = if word & 0x4000_0000 != 0 && word != u32::MAX {
            let end = start + 4 + (word & 0x3fff_ffff) as usize;
            (self.w.u32()?, Some(end), start + 4)
        } else {
            (word, None, start)
        };
        if tag & 0x8000_0000 == 0 {
            return Ok((String::new(), end.or(Some(self.w.pos()))));
        }
        if tag == u32::MAX {
            let name = text(self.w.c_string()?);
            self.classes.insert((at + self.keylen + 2) as u32, name.clone());
            return Ok((name, end));
        }
        let name = self.classes.get(&(tag & 0x7fff_ffff)).cloned();
        Ok((name.ok_or_else(|| corruption("a class is referred to that was not named before"))?, end))
    }

    fn tobject(&mut self) -> Result<()> {
        self.w.version()?;
        self.w.u32()?;
        if self.w.u32()? & (1 << 4) != 0 {
            self.w.u16()?;
        }
        Ok(())
    }

    fn named(&mut self) -> Result<(String, String)> {
        let (_, end) = self.w.version()?;
        self.tobject()?;
        let name = text(self.w.string()?);
        let title = text(self.w.string()?);
        if let Some(end) = end {
            self.w.seek(end);
        }
        Ok((name, title))
    }

    fn info(&mut self) -> Result<Info> {
        self.w.version()?;
        let (name, _) = self.named()?;
        let checksum = self.w.u32()?;
        let version = self.w.u32()?;
        let mut elements = Vec::new();
        self.object_head()?;
        self.w.version()?;
        self.tobject()?;
        self.w.string()?;
        let n = self.w.u32()?;
        self.w.u32()?;
        for _ in 0..n {
            let (class, end) = self.object_head()?;
            if class.is_empty() {
                continue;
            }
            elements.push(self.element(&class)?);
            let end = end.ok_or_else(|| corruption("a streamer element has no length"))?;
            self.w.seek(end);
        }
        Ok(Info { class: canonical(&name), version, checksum, elements })
    }

    fn element(&mut self, class: &str) -> Result<Element> {
        let (outer, _) = self.w.version()?;
        if class == "TStreamerSTLstring" {
            self.w.version()?;
        }
        let (version, end) = self.w.version()?;
        let (name, title) = self.named()?;
        let kind = self.w.i32()?;
        self.w.u32()?;
        let array_length = self.w.u32()?;
        self.w.u32()?;
        let dims = if version == 1 { self.w.u32()? } else { 5 };
        self.w.take(dims as usize * 4)?;
        let type_name = canonical(&text(self.w.string()?));
        if let Some(end) = end {
            self.w.seek(end);
        }
        let kind = if kind == 11 && matches!(type_name.as_str(), "Bool_t" | "bool") { 18 } else { kind };
        let mut e = Element { name, title, kind, array_length, type_name, ..Element::default() };
        match class {
            "TStreamerBase" => {
                e.kind = kind::BASE;
                e.name = canonical(&e.name);
                e.base_version = if outer > 2 { self.w.i32()? } else { -1 };
            }
            "TStreamerBasicPointer" | "TStreamerLoop" => {
                self.w.u32()?;
                e.count_name = text(self.w.string()?);
            }
            _ => {}
        }
        Ok(e)
    }
}
