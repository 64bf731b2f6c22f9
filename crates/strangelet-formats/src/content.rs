//! The content of a file: what it holds once everything compressed inside is inflated.

use strangelet::error::Result;
use strangelet::source::{Source, Spool};

/// The file with every compressed block inflated, where that differs from the file itself: what a
/// general compressor should be given to be a fair rival. The result need not be a valid file.
pub fn content(source: &dyn Source) -> Result<Option<Spool>> {
    let _ = source;
    Ok(None)
}
