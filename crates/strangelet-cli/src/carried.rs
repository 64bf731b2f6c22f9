//! Which chunks of a table start from others, for people.

use crate::ui::{grouped, plain};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use strangelet::archive::Archive;
use strangelet::dissect::{TableId, Tables};
use strangelet::error::Result;
use strangelet::source::Source;

/// Chunks of a table that start from what earlier ones have taught.
pub struct Carried {
    chunks: usize,
    carried: usize,
    /// Chunks that others start from.
    keys: usize,
    /// Most others that one chunk needs.
    most: usize,
}

impl Carried {
    /// Those of a table, if there are any. Reads the first bytes of their payloads.
    pub fn of<S: Source>(archive: &Archive<S>, table: TableId) -> Result<Option<Carried>> {
        let chunks = archive.chunks(table)?.len();
        let (mut keys, mut carried, mut most) = (BTreeSet::new(), 0, 0);
        let mut needs: Vec<usize> = Vec::with_capacity(chunks);
        for chunk in 0..chunks {
            let (mut need, mut starts) = (0, false);
            for stream in 0..archive.chunk_entry(table, chunk)?.streams.len() {
                let Some(back) = archive.starts_after(table, chunk, stream)? else { continue };
                starts = true;
                // One that is not there is found when the chunk is read.
                if let Some(key) = usize::try_from(back).ok().and_then(|back| chunk.checked_sub(back)) {
                    keys.insert(key);
                    need = need.max(1 + needs.get(key).copied().unwrap_or(0));
                }
            }
            carried += usize::from(starts);
            most = most.max(need);
            needs.push(need);
        }
        Ok((carried > 0).then_some(Carried { chunks, carried, keys: keys.len(), most }))
    }

    /// One line.
    pub fn text(&self, table: &str) -> String {
        format!(
            "  {}: {} of {} chunks start from what {} have taught; to read one takes at most {} more\n",
            plain(table),
            grouped(self.carried as u64),
            grouped(self.chunks as u64),
            grouped(self.keys as u64),
            self.most
        )
    }

    /// For machines.
    pub fn json(&self) -> Value {
        json!({ "chunks": self.carried, "keys": self.keys, "most_needed": self.most })
    }
}
