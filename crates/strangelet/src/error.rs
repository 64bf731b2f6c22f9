//! One error for the whole project: a kind, and one line that says what is wrong and where.

use std::fmt;

/// What sort of thing went wrong; decides nothing but how a caller may react.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The operating system refused a read or a write.
    Io,
    /// Bytes that claim to be something they are not: truncated, flipped, or hostile.
    Corruption,
    /// Valid, but of a version or a variety that this build does not know.
    Unsupported,
    /// The caller asked for something that does not exist (a column, a range).
    Usage,
}

/// An error with a kind and a one-line message.
///
/// ```
/// let e = strangelet::error::corruption("index checksum differs").within("run1.root.sgl");
/// assert_eq!(e.to_string(), "run1.root.sgl: index checksum differs");
/// ```
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
}

/// Result of everything that can fail here.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of a kind with a message.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into() }
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The same error with the place (a file, a table, a block) put before its message.
    pub fn within(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Error::new(Kind::Io, e.to_string())
    }
}

/// Bytes that are not what they claim to be.
pub fn corruption(message: impl Into<String>) -> Error {
    Error::new(Kind::Corruption, message)
}

/// Valid, but not known to this build.
pub fn unsupported(message: impl Into<String>) -> Error {
    Error::new(Kind::Unsupported, message)
}

/// A request for something that does not exist.
pub fn usage(message: impl Into<String>) -> Error {
    Error::new(Kind::Usage, message)
}
