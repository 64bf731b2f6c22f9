//! Which chunks start from which: the first of a table's chunks are keys, each starts from the one before, and all others start
//! from the latest key.
//!
//! Counted from the last chunk that starts from nothing, chunks 0 to `depth` - 1 are keys. Behind them every 64th chunk is a
//! key as well, so that what is learnt stays young; it starts from the last but one of the first keys. So a chunk needs at most
//! `depth` others. A chunk that is much dearer than usual is tried alone as well; where that is smaller twice in a row, all
//! begins anew.

use crate::codec::{Learnt, Role, Shape, Stream};
use crate::codecs::{self, CARRIED, HITS, carried};
use crate::dissect::TableId;
use crate::error::Result;
use crate::limits::MAX_CARRIED;
use std::collections::HashMap;

/// Chunks from one late key to the next.
const RENEWED: u64 = 64;
/// By how much more bits a hit than usual a chunk may cost before it is tried alone: 1 / this.
const DOUBT: u64 = 8;

/// What the chunks of all tables have taught.
pub struct Carry {
    /// Most chunks that a chunk may need.
    depth: u32,
    chains: HashMap<(TableId, usize), Chain>,
}

/// A payload that starts from an earlier chunk.
pub struct Attempt {
    /// The payload.
    pub payload: Vec<u8>,
    /// Whether it is so dear that nothing may be the better start.
    pub dear: bool,
}

/// One stream of one table.
#[derive(Default)]
struct Chain {
    /// Chunks of the table so far.
    chunks: u64,
    /// The chunk that started from nothing.
    root: u64,
    /// The first keys, and the latest one.
    keys: Vec<(u64, Learnt)>,
    latest: Option<(u64, Learnt)>,
    /// Bytes and hits since the root.
    usual: (u64, u64),
    /// Whether the last chunk was smaller alone, though there was a key.
    odd: bool,
}

impl Chain {
    /// The key that the next chunk starts from, and whether it becomes one.
    fn next(&self, depth: u32) -> (Option<&(u64, Learnt)>, bool) {
        let at = self.chunks - self.root;
        if at >= depth.into() && (at + 1).is_multiple_of(RENEWED) {
            // With one key only it is a new root.
            return ((depth as usize).checked_sub(2).and_then(|k| self.keys.get(k)), true);
        }
        (self.latest.as_ref(), at < depth.into())
    }
}

/// Whether a stream may start from another chunk's.
fn fits(stream: &Stream) -> bool {
    stream.lists.is_none() && matches!(stream.role, Role::Values(_))
}

fn hits(stream: &Stream) -> u64 {
    crate::each_width!(stream.cells, v => v.iter().filter(|&&x| x != 0).count() as u64)
}

impl Carry {
    /// Where a chunk needs at most `depth` others (1 to [`MAX_CARRIED`]).
    pub fn new(depth: u32) -> Self {
        Carry { depth: depth.clamp(1, MAX_CARRIED as u32), chains: HashMap::new() }
    }

    /// Payloads of streams of the next chunk of a table that start from an earlier chunk.
    pub fn payloads(&self, table: TableId, streams: &[Stream]) -> Result<Vec<Option<Attempt>>> {
        let of = |(i, stream): (usize, &Stream)| {
            let Some(chain) = self.chains.get(&(table, i)).filter(|_| fits(stream)) else { return Ok(None) };
            let Some((chunk, before)) = chain.next(self.depth).0 else { return Ok(None) };
            let Some(payload) = carried::payload(stream, chain.chunks - chunk, before)? else {
                return Ok(None);
            };
            let (bytes, usual) = chain.usual;
            let dear = (payload.len() as u64) * usual * DOUBT > bytes * hits(stream) * (DOUBT + 1) + bytes;
            Ok(Some(Attempt { payload, dear }))
        };
        streams.iter().enumerate().map(of).collect()
    }

    /// Notes how the next chunk of a table was coded.
    pub fn coded(&mut self, table: TableId, streams: &[Stream], payloads: &[(u8, Vec<u8>)]) -> Result<()> {
        for (i, (stream, (codec, payload))) in streams.iter().zip(payloads).enumerate() {
            if !fits(stream) {
                continue;
            }
            let chain = self.chains.entry((table, i)).or_default();
            let shape = Shape { scalar: stream.scalar, count: stream.cells.len() };
            let learn = |before: Option<&Learnt>| match codecs::by_id(*codec) {
                // What the decoder will have learnt, not the encoder.
                Some(codec) => codec.learn(payload, shape, before).map(|(_, learnt)| Some(learnt)),
                None => Ok(None),
            };
            let spent = (payload.len() as u64, hits(stream));
            match *codec {
                CARRIED => {
                    let (from, key) = chain.next(self.depth);
                    if let (Some((_, before)), true) = (from, key)
                        && let Some(learnt) = learn(Some(before))?
                    {
                        if chain.keys.len() < self.depth as usize {
                            chain.keys.push((chain.chunks, learnt.clone()));
                        }
                        chain.latest = Some((chain.chunks, learnt));
                    }
                    chain.usual = (chain.usual.0 + spent.0, chain.usual.1 + spent.1);
                    chain.odd = false;
                }
                // One that is odd is left out; with the second the data have changed.
                HITS if !chain.odd && chain.next(self.depth).0.is_some() => chain.odd = true,
                HITS => {
                    let root = learn(None).ok().flatten().map(|learnt| (chain.chunks, learnt));
                    chain.root = chain.chunks;
                    chain.keys = root.iter().cloned().collect();
                    chain.latest = root;
                    chain.usual = spent;
                    chain.odd = false;
                }
                _ => {}
            }
            chain.chunks += 1;
        }
        Ok(())
    }
}
