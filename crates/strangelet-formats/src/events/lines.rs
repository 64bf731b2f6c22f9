//! Lines of event records: what is text and what are numbers, and which lines are of one kind.

use super::number::{Style, Value, looks};
use strangelet::error::{Result, corruption};
use strangelet::format::varint::{Cursor, put};

/// Stands for a number in a key.
pub const SLOT: u8 = 0;
/// Most numbers of a line.
const MAX_SLOTS: usize = 2048;

/// Languages of event records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// HepMC3 ASCII.
    HepMc3 = 0,
    /// HepMC2, `IO_GenEvent`.
    HepMc2 = 1,
    /// Les Houches event files.
    Lhe = 2,
}

/// What lines of a kind are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Anything.
    Plain = 0,
    /// The line of an event.
    Event = 1,
    /// A particle.
    Particle = 2,
    /// A vertex.
    Vertex = 3,
    /// An attribute of HepMC3.
    Attribute = 4,
}

/// What stands before a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// So many blanks.
    Blanks(u8),
    /// Blanks up to this width of blanks and number.
    Width(u8),
}

/// How the numbers of a slot are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    pub align: Align,
    pub style: Style,
}

impl Field {
    /// The number of a field, with its blanks, where [`Field::render`] writes the same.
    pub fn parse(self, text: &[u8], blanks: usize, scratch: &mut Vec<u8>) -> Option<Value> {
        let fits = match self.align {
            Align::Blanks(n) => blanks == usize::from(n),
            Align::Width(n) => text.len() == usize::from(n) || text.len() > usize::from(n) && blanks == 0,
        };
        if fits { self.style.parse(&text[blanks..], scratch) } else { None }
    }

    /// Writes a number with its blanks.
    pub fn render(self, value: Value, out: &mut Vec<u8>) {
        match self.align {
            Align::Blanks(n) => {
                out.extend(std::iter::repeat_n(b' ', n.into()));
                self.style.render(value, out);
            }
            Align::Width(n) => {
                let at = out.len();
                self.style.render(value, out);
                let missing = usize::from(n).saturating_sub(out.len() - at);
                out.extend(std::iter::repeat_n(b' ', missing));
                out[at..].rotate_right(missing);
            }
        }
    }
}

/// A number in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Where its blanks begin.
    pub start: usize,
    /// Number of blanks.
    pub blanks: usize,
    /// Behind its last byte.
    pub end: usize,
}

/// A line taken apart.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// The text, with a [`SLOT`] for each number.
    pub key: Vec<u8>,
    /// The numbers.
    pub slots: Vec<Slot>,
    /// The integers of the list.
    pub list: Vec<i64>,
    /// Whether the vertex has a position.
    pub extra: bool,
}

/// Key of a vertex of HepMC3; the brackets hold a list, and a position may follow.
pub const VERTEX3: &[u8] = b"V\0\0 []";
/// The position behind it.
pub const POSITION: &[u8] = b" @\0\0\0\0";
/// Numbers of a vertex of HepMC3 before the list.
pub const VERTEX3_SLOTS: usize = 2;
/// Numbers of a particle of HepMC2 before its list.
const PARTICLE2_SLOTS: usize = 12;
const PARTICLE2: &[u8] = b"P\0\0\0\0\0\0\0\0\0\0\0\0";
const PARTICLE3: &[u8] = b"P\0\0\0\0\0\0\0\0\0";
const VERTEX2: &[u8] = b"V\0\0\0\0\0\0\0\0\0";
const PARTICLE_LHE: &[u8] = b"\0\0\0\0\0\0\0\0\0\0\0\0\0";
const EVENT_LHE: &[u8] = b"\0\0\0\0\0\0";

/// An integer exactly as `{}` prints it.
fn integer(text: &[u8]) -> Option<i64> {
    let mut scratch = Vec::new();
    match (Style::Integer { plus: false }).parse(text, &mut scratch)? {
        Value::Integer(n) => Some(n),
        Value::Float(_) => None,
    }
}

impl Dialect {
    /// The dialect with this number.
    pub fn from_id(id: u8) -> Result<Dialect> {
        match id {
            0 => Ok(Dialect::HepMc3),
            1 => Ok(Dialect::HepMc2),
            2 => Ok(Dialect::Lhe),
            _ => Err(corruption("a dialect that does not exist")),
        }
    }

    /// Whether an event begins with this line.
    pub fn begins(self, line: &[u8]) -> bool {
        match self {
            Dialect::HepMc3 | Dialect::HepMc2 => line.starts_with(b"E "),
            Dialect::Lhe => {
                let line = line.trim_ascii_start();
                line.strip_prefix(b"<event").is_some_and(|r| matches!(r.first(), Some(b'>' | b' ')))
            }
        }
    }

    /// Takes a line (without its end) apart. Returns `false` for lines that are better kept as text.
    pub fn split(self, line: &[u8], parts: &mut Parts) -> bool {
        parts.key.clear();
        parts.slots.clear();
        parts.list.clear();
        parts.extra = false;
        if line.contains(&SLOT) {
            return false;
        }
        if self == Dialect::HepMc3 && line.starts_with(b"V ") {
            return split_vertex(line, parts);
        }
        if !split_from(line, 0, parts) {
            return false;
        }
        if self == Dialect::HepMc2 && parts.key.starts_with(PARTICLE2) {
            let rest = parts.slots.split_off(PARTICLE2_SLOTS);
            if parts.key.len() != PARTICLE2.len() + rest.len() {
                return false;
            }
            parts.key.truncate(PARTICLE2.len());
            for slot in rest {
                let Some(n) = integer(&line[slot.start + slot.blanks..slot.end]) else { return false };
                if slot.blanks != 1 {
                    return false;
                }
                parts.list.push(n);
            }
        }
        true
    }

    /// What lines with a key are.
    pub fn role(self, key: &[u8]) -> Role {
        match self {
            Dialect::HepMc3 if key == PARTICLE3 => Role::Particle,
            Dialect::HepMc3 if key == VERTEX3 => Role::Vertex,
            Dialect::HepMc3 if key.starts_with(b"A\0 ") => Role::Attribute,
            Dialect::HepMc2 if key == PARTICLE2 => Role::Particle,
            Dialect::HepMc2 if key == VERTEX2 => Role::Vertex,
            Dialect::HepMc3 | Dialect::HepMc2 if key.starts_with(b"E\0") => Role::Event,
            Dialect::Lhe if key == PARTICLE_LHE => Role::Particle,
            Dialect::Lhe if key == EVENT_LHE => Role::Event,
            _ => Role::Plain,
        }
    }

    /// Whether lines with a key have a list of integers.
    pub fn has_list(self, role: Role) -> bool {
        matches!((self, role), (Dialect::HepMc3, Role::Vertex) | (Dialect::HepMc2, Role::Particle))
    }

    /// Whether lines with a key may have a position.
    pub fn has_extra(self, role: Role) -> bool {
        (self, role) == (Dialect::HepMc3, Role::Vertex)
    }

    /// Names of table and column for a slot of a kind.
    pub fn name(self, key: &[u8], slot: usize) -> String {
        let role = self.role(key);
        let own: &[&str] = match (self, role) {
            (Dialect::HepMc3, Role::Particle) => {
                &["id", "parent", "pid", "px", "py", "pz", "e", "m", "status"]
            }
            (Dialect::HepMc3, Role::Vertex) => &["id", "status", "x", "y", "z", "t"],
            (Dialect::HepMc3, Role::Event) => &["number", "vertices", "particles", "x", "y", "z", "t"],
            (Dialect::HepMc2, Role::Particle) => {
                &["id", "pid", "px", "py", "pz", "e", "m", "status", "theta", "phi", "end", "flows"]
            }
            (Dialect::HepMc2, Role::Vertex) => {
                &["id", "status", "x", "y", "z", "t", "orphans", "out", "weights"]
            }
            (Dialect::HepMc2, Role::Event) => &[
                "number",
                "mpi",
                "scale",
                "alpha_qcd",
                "alpha_qed",
                "process",
                "signal",
                "vertices",
                "beam1",
                "beam2",
            ],
            (Dialect::Lhe, Role::Particle) => &[
                "pid", "status", "mother1", "mother2", "color1", "color2", "px", "py", "pz", "e", "m",
                "lifetime", "spin",
            ],
            (Dialect::Lhe, Role::Event) => {
                &["particles", "process", "weight", "scale", "alpha_qed", "alpha_qcd"]
            }
            _ => &[],
        };
        let table = match role {
            Role::Particle => "particle",
            Role::Vertex => "vertex",
            Role::Event => "event",
            _ => "",
        };
        if !table.is_empty() {
            return own.get(slot).map_or_else(|| format!("{table}.{slot}"), |n| format!("{table}.{n}"));
        }
        let pieces: Vec<&[u8]> = key.split(|&b| b == SLOT).collect();
        let word = |piece: &[u8]| -> String {
            let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
            let text = String::from_utf8_lossy(piece);
            let words: Vec<&str> = text.split(|c| !keep(c)).filter(|w| !w.is_empty()).collect();
            words.join("_")
        };
        if role == Role::Attribute {
            let name = word(pieces[1]);
            let values = pieces.len() - 2;
            return match (slot, values) {
                (0, _) => format!("{name}.id"),
                (_, 1) => name,
                _ => format!("{name}.{}", slot - 1),
            };
        }
        let first = word(pieces[0]);
        let first = if first.is_empty() { "line".to_string() } else { first };
        let before =
            if slot > 0 { pieces.get(slot).map(|p| word(p)).unwrap_or_default() } else { String::new() };
        match (before.is_empty(), pieces.len()) {
            (true, 2) => first,
            (true, _) => format!("{first}.{slot}"),
            (false, _) => format!("{first}.{before}"),
        }
    }

    /// Name of the column of lists.
    pub fn list_name(self) -> &'static str {
        if self == Dialect::HepMc3 { "vertex.in" } else { "particle.flow" }
    }
}

/// Appends numbers and text of a line from a place on.
fn split_from(line: &[u8], from: usize, parts: &mut Parts) -> bool {
    let mut at = from;
    let mut text = from;
    while at < line.len() {
        let open = at == 0
            || matches!(line[at - 1], b' ' | b'[' | b'(' | b',' | b'=' | b'\'' | b'"' | b'>' | b':' | b'\t');
        let first = line[at];
        if !open || !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
            at += 1;
            continue;
        }
        let stop =
            |&b: &u8| matches!(b, b' ' | b']' | b')' | b',' | b'\'' | b'"' | b'<' | b';' | b':' | b'\t');
        let end = line[at..].iter().position(stop).map_or(line.len(), |n| at + n);
        if !looks(&line[at..end]) {
            at = end.max(at + 1);
            continue;
        }
        let before = &line[text..at];
        let blanks = before.iter().rev().take_while(|&&b| b == b' ').count();
        parts.key.extend_from_slice(&before[..before.len() - blanks]);
        parts.key.push(SLOT);
        if parts.slots.len() >= MAX_SLOTS || blanks > 200 {
            return false;
        }
        parts.slots.push(Slot { start: at - blanks, blanks, end });
        (at, text) = (end, end);
    }
    parts.key.extend_from_slice(&line[text..]);
    true
}

/// A vertex of HepMC3.
fn split_vertex(line: &[u8], parts: &mut Parts) -> bool {
    let (Some(open), Some(close)) =
        (line.iter().position(|&b| b == b'['), line.iter().position(|&b| b == b']'))
    else {
        return split_from(line, 0, parts);
    };
    if close < open || !split_from(&line[..open], 0, parts) || parts.key != b"V\0\0 " {
        return false;
    }
    for n in line[open + 1..close].split(|&b| b == b',') {
        if close == open + 1 {
            break;
        }
        match integer(n) {
            Some(n) => parts.list.push(n),
            None => return false,
        }
    }
    parts.key.extend_from_slice(b"[]");
    if close + 1 < line.len() {
        let at = parts.key.len();
        if !split_from(line, close + 1, parts) || &parts.key[at..] != POSITION {
            return false;
        }
        parts.key.truncate(at);
        parts.extra = true;
    }
    true
}

/// Lines of one kind.
#[derive(Debug, Clone)]
pub struct Kind {
    pub key: Vec<u8>,
    pub role: Role,
    pub fields: Vec<Field>,
    /// Whether every event has exactly one.
    pub single: bool,
    /// The pieces of text of the key.
    pieces: Vec<Vec<u8>>,
}

impl Kind {
    /// A kind; the fields are those of the key, and of a position behind it.
    pub fn new(dialect: Dialect, key: Vec<u8>, fields: Vec<Field>, single: bool) -> Result<Kind> {
        let role = dialect.role(&key);
        let position = if dialect.has_extra(role) { POSITION } else { b"" };
        let pieces: Vec<Vec<u8>> =
            [&key[..], position].concat().split(|&b| b == SLOT).map(<[u8]>::to_vec).collect();
        if pieces.len() != fields.len() + 1 {
            return Err(corruption("a kind of line with another number of fields"));
        }
        Ok(Kind { key, role, fields, single, pieces })
    }

    /// Number of fields that each line has.
    pub fn fixed(&self, dialect: Dialect) -> usize {
        if dialect.has_extra(self.role) { VERTEX3_SLOTS } else { self.fields.len() }
    }

    /// Writes the text before field `i`, or behind the last.
    pub fn text(&self, i: usize, out: &mut Vec<u8>) {
        if let Some(piece) = self.pieces.get(i) {
            out.extend_from_slice(piece);
        }
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put(out, self.key.len() as u64);
        out.extend_from_slice(&self.key);
        out.push(self.single as u8);
        put(out, self.fields.len() as u64);
        for field in &self.fields {
            match field.align {
                Align::Blanks(n) => out.extend([0, n]),
                Align::Width(n) => out.extend([1, n]),
            }
            field.style.write(out);
        }
    }

    pub fn read(dialect: Dialect, c: &mut Cursor) -> Result<Kind> {
        let n = c.count()?;
        let key = c.take(n)?.to_vec();
        let single = c.byte()? != 0;
        let mut fields = Vec::new();
        for _ in 0..c.count()? {
            let align = match c.array::<2>()? {
                [0, n] => Align::Blanks(n),
                [1, n] => Align::Width(n),
                _ => return Err(corruption("an alignment that does not exist")),
            };
            fields.push(Field { align, style: Style::read(c)? });
        }
        Kind::new(dialect, key, fields, single)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(dialect: Dialect, line: &str) -> (String, usize, Vec<i64>) {
        let mut parts = Parts::default();
        assert!(dialect.split(line.as_bytes(), &mut parts), "{line}");
        let key = String::from_utf8(parts.key).unwrap().replace('\0', "#");
        (key, parts.slots.len(), parts.list)
    }

    #[test]
    fn lines_of_the_three_languages() {
        use Dialect::*;
        assert_eq!(key(HepMc3, "A 600 flow1 144"), ("A# flow1#".into(), 2, vec![]));
        assert_eq!(key(HepMc3, "V -3 0 [2,4]"), ("V## []".into(), 2, vec![2, 4]));
        assert_eq!(key(HepMc3, "V -3 0 [] @ 0 1 2 3.5e+00"), ("V## []".into(), 6, vec![]));
        assert_eq!(key(HepMc2, "P 1 2 0 0 0 1 1 1 0 0 0 2 1 501 2 502").2, [1, 501, 2, 502]);
        assert_eq!(key(Lhe, "<wgt id='1001'> +1.2e-03 </wgt>"), ("<wgt id='#'># </wgt>".into(), 2, vec![]));
        assert_eq!(
            key(Lhe, "<event npLO=' -1 ' npNLO=' 1 '>"),
            ("<event npLO='# ' npNLO='# '>".into(), 2, vec![])
        );
        assert_eq!(key(Lhe, " 21 -1    0"), ("###".into(), 3, vec![]));
        assert_eq!(key(Lhe, "x1 2a 3-4 5"), ("x1 2a 3-4#".into(), 1, vec![]));
        assert!(!HepMc3.split(b"V -3 0 [2,x]", &mut Parts::default()));
        assert!(!HepMc3.split(b"V -3 0 [2] @ 1", &mut Parts::default()));
    }

    #[test]
    fn names_that_a_physicist_knows() {
        let name = |d: Dialect, k: &str, i| d.name(k.replace('#', "\0").as_bytes(), i);
        assert_eq!(name(Dialect::HepMc3, "A# flow1#", 0), "flow1.id");
        assert_eq!(name(Dialect::HepMc3, "A# flow1#", 1), "flow1");
        assert_eq!(name(Dialect::HepMc3, "A# GenPdfInfo##", 2), "GenPdfInfo.1");
        assert_eq!(name(Dialect::HepMc3, "P#########", 3), "particle.px");
        assert_eq!(name(Dialect::Lhe, "<wgt id='#'># </wgt>", 0), "wgt_id.0");
        assert_eq!(name(Dialect::Lhe, "#############", 9), "particle.e");
    }
}
