//! The codec seam: one way to turn a stream of cells into a payload and back.

use crate::column::{Cells, Meaning, Scalar};
use crate::error::{Result, corruption};
use std::any::Any;
use std::sync::Arc;

/// How much time the writer may take for smaller payloads. Any reader reads all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Quick both ways. What would cost an encoder far slower than all the rest to be proved stays as it
    /// is: the trees of a ROOT file compressed with LZMA are no tables at this level.
    Fast,
    /// The usual: strong models that are cheap to run.
    Balanced,
    /// The smallest.
    Max,
}

impl Level {
    /// All levels with their names on the command line.
    pub const ALL: [(Level, &'static str); 3] =
        [(Level::Fast, "fast"), (Level::Balanced, "balanced"), (Level::Max, "max")];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// A way of finding structure that an encoder can be told to do without, so that its worth shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Part {
    /// Columns equal to earlier ones, and digests of them.
    Same,
    /// Physics of generator events: trees, masses, conservation.
    Kinematics,
    /// Exact or near rules between columns: sums, energies, momenta.
    Relations,
    /// Other columns of the same row and list as contexts.
    Rows,
    /// Rows of a fixed length as the columns that they are made of.
    Columns,
    /// Prediction from the neighbours in a dense array.
    Grid,
    /// Sparse frames of hits in the order of the detector.
    Hits,
    /// Parameter sets inside of each other, which name each other by their sums.
    Nested,
    /// Text by many contexts.
    Text,
    /// The same column before as context.
    Contexts,
    /// Floating point made of numbers of fewer digits.
    Steps,
    /// Rows of a detector's channels, each with its own gain.
    Channels,
    /// Identifiers as places in the order of the readout.
    Palette,
}

impl Part {
    /// All parts with their names on the command line and what they do.
    pub const ALL: [(Part, &'static str, &'static str); 13] = [
        (Part::Same, "same", "columns equal to others, digests"),
        (Part::Kinematics, "kinematics", "physics of generator events"),
        (Part::Relations, "relations", "rules between columns: sums, energies, momenta"),
        (Part::Rows, "rows", "other columns of the row and the list as contexts"),
        (Part::Columns, "columns", "rows of a fixed length as columns"),
        (Part::Grid, "grid", "prediction from neighbours in a dense array"),
        (Part::Hits, "hits", "sparse frames of hits"),
        (Part::Nested, "nested", "parameter sets put inside of each other"),
        (Part::Text, "text", "context mixing over text and odd bytes"),
        (Part::Contexts, "contexts", "the same column before as context"),
        (Part::Steps, "steps", "floating point made of numbers of fewer digits"),
        (Part::Channels, "channels", "rows of channels, each with its own gain"),
        (Part::Palette, "palette", "identifiers as places in the order of the readout"),
    ];
}

/// How much time a writer may take, and what it shall do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// How much time.
    pub level: Level,
    /// One bit for each part.
    without: u16,
}

impl Effort {
    /// The same without a part.
    ///
    /// ```
    /// use strangelet::codec::{Effort, Level, Part};
    /// let effort = Effort::from(Level::Max).without(Part::Grid);
    /// assert!(!effort.has(Part::Grid) && effort.has(Part::Text));
    /// ```
    pub fn without(self, part: Part) -> Effort {
        Effort { without: self.without | 1 << part as u8, ..self }
    }

    /// Whether a part may be used.
    pub fn has(self, part: Part) -> bool {
        self.without & 1 << part as u8 == 0
    }
}

impl From<Level> for Effort {
    fn from(level: Level) -> Effort {
        Effort { level, without: 0 }
    }
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Lengths of lists, as `u32`.
    Lengths,
    /// Cells of a column.
    Values(Meaning),
}

/// What gets coded at once: the lengths of one jagged level, or the values, of one column in one chunk.
#[derive(Debug, Clone, Copy)]
pub struct Stream<'a> {
    /// The cells.
    pub cells: &'a Cells,
    /// What their bits mean.
    pub scalar: Scalar,
    /// Lengths, numbers, or strings.
    pub role: Role,
    /// Hint: lengths of the innermost lists, where there are any. Decoders do not see it.
    pub lists: Option<&'a [u32]>,
    /// Hint: cells of the fixed inner shape. Decoders do not see it.
    pub inner: u64,
    /// Hint: the fixed inner shape itself, innermost last, where it is known. Decoders do not see it.
    pub dims: &'a [u32],
}

/// What a decoder is told about a stream beside its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Type of the cells.
    pub scalar: Scalar,
    /// Number of cells, already checked against [`crate::limits::MAX_STREAM_BYTES`].
    pub count: usize,
}

/// What a payload has taught by its end; its codec knows what it is.
pub type Learnt = Arc<dyn Any + Send + Sync>;

/// One way to turn a stream into a payload and back. Its id is on disk and never used again.
pub trait Codec: Sync {
    /// Number on disk.
    fn id(&self) -> u8;

    /// Name for people.
    fn name(&self) -> &'static str;

    /// Whether payloads may be derived from other streams, so that [`Codec::needs`] has to be asked.
    fn derives(&self) -> bool {
        false
    }

    /// Whether the streams that it needs may come later in the chunk.
    fn looks_ahead(&self) -> bool {
        false
    }

    /// Other streams of the same chunk (by their number there) that decoding this payload needs.
    /// A reader refuses numbers that are not below the stream's own, unless the codec looks ahead.
    fn needs(&self, payload: &[u8]) -> Result<Vec<usize>> {
        let _ = payload;
        Ok(Vec::new())
    }

    /// Writes the payload of a stream, or returns `false` where the codec does not fit.
    fn encode(&self, stream: &Stream, level: Level, out: &mut Vec<u8>) -> Result<bool>;

    /// The cells of a payload: exactly `shape.count` cells of its width, or an error.
    fn decode(&self, payload: &[u8], shape: Shape, needed: &[&Cells]) -> Result<Cells>;

    /// How many chunks of the table back the payload of the same stream lies that this one starts from, where it starts from
    /// one. Such a payload is decoded by [`Codec::learn`].
    fn starts_after(&self, payload: &[u8]) -> Result<Option<u64>> {
        let _ = payload;
        Ok(None)
    }

    /// The cells of a payload, and what it has taught by its end. `before` is what the payload has taught that this one starts
    /// from.
    fn learn(&self, payload: &[u8], shape: Shape, before: Option<&Learnt>) -> Result<(Cells, Learnt)> {
        let _ = (payload, shape, before);
        Err(corruption(format!("nothing can start from a payload of {}", self.name())))
    }
}
