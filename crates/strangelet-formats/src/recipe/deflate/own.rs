//! A deflate encoder that writes the bytes of stock zlib and of cloudflare's fork of it: the whole
//! content in one call, window 2^15, memory level 8, default strategy, levels 1 to 9.
//!
//! It exists because most blocks of most files come from one of the two, and showing that takes
//! one compression per block. It can stop at the first deflate block that differs.

use super::emit::{Symbol, Writer};
use super::first::{Buckets, first};
use super::search::{Chains, Crc, Rolled, Sink, fast, lazy};
use crate::recipe::Flavour;

/// Symbols of a block: one less than the 2^14 there is room for.
const FULL: usize = (1 << 14) - 1;

/// The encoder, kept from block to block.
pub(super) struct Encoder {
    buckets: Buckets,
    chains: Chains,
    block: Block,
}

impl Encoder {
    pub fn new() -> Self {
        let symbols = Box::new([Symbol::default(); FULL + 1]);
        Encoder {
            buckets: Buckets::new(),
            chains: Chains::new(),
            block: Block { symbols, count: 0, writer: Writer::new() },
        }
    }

    /// The deflate stream of `content` between `head` and `tail`.
    pub fn make(&mut self, flavour: Flavour, level: u8, content: &[u8], head: &[u8], tail: &[u8]) -> Vec<u8> {
        self.block.writer.begin(head);
        self.run(flavour, level, content, None);
        self.block.writer.finish(tail)
    }

    /// Whether `stream` is the deflate stream of `content`.
    pub fn makes(&mut self, flavour: Flavour, level: u8, content: &[u8], stream: &[u8]) -> bool {
        self.block.writer.begin(&[]);
        self.run(flavour, level, content, Some(stream))
    }

    fn run(&mut self, flavour: Flavour, level: u8, content: &[u8], wanted: Option<&[u8]>) -> bool {
        let Encoder { buckets, chains, block, .. } = self;
        block.count = 0;
        let mut sink = Collect { block, content, begin: 0, wanted };
        if level > 1 {
            chains.begin(content.len());
        }
        match (flavour, level) {
            (Flavour::Zlib, 0..=1) => first::<Rolled>(buckets, content, &mut sink),
            (Flavour::Zlib, 2..=3) => fast::<Rolled>(chains, content, level, &mut sink),
            (Flavour::Zlib, _) => lazy::<Rolled>(chains, content, level, &mut sink),
            (Flavour::Cloudflare, 0..=1) => first::<Crc>(buckets, content, &mut sink),
            (Flavour::Cloudflare, 2..=3) => fast::<Crc>(chains, content, level, &mut sink),
            (Flavour::Cloudflare, _) => lazy::<Crc>(chains, content, level, &mut sink),
        }
    }
}

/// The symbols of the block at work, and what was written.
struct Block {
    symbols: Box<[Symbol; FULL + 1]>,
    count: usize,
    writer: Writer,
}

/// Collects symbols and writes or compares their blocks.
struct Collect<'a> {
    block: &'a mut Block,
    content: &'a [u8],
    /// Where the content of the block begins.
    begin: usize,
    /// What is left of the stream to compare with.
    wanted: Option<&'a [u8]>,
}

impl Collect<'_> {
    #[inline(always)]
    fn push(&mut self, symbol: Symbol) -> bool {
        let block = &mut *self.block;
        block.symbols[block.count & FULL] = symbol;
        block.count += 1;
        block.count == FULL
    }
}

impl Sink for Collect<'_> {
    #[inline(always)]
    fn literal(&mut self, byte: u8) -> bool {
        self.push(Symbol::literal(byte))
    }

    #[inline(always)]
    fn copy(&mut self, length: usize, distance: usize) -> bool {
        self.push(Symbol::copy(length, distance))
    }

    fn end(&mut self, at: usize, base: usize, last: bool) -> bool {
        // What has left the window can no longer be stored.
        let stored = if self.begin >= base { self.content.get(self.begin..at) } else { None };
        let Block { symbols, count, writer } = &mut *self.block;
        writer.block(symbols.get(..*count).unwrap_or_default(), stored, last);
        *count = 0;
        self.begin = at;
        let Some(wanted) = &mut self.wanted else { return true };
        match wanted.strip_prefix(writer.drain()) {
            Some(rest) => *wanted = rest,
            None => return false,
        }
        !last || wanted.is_empty()
    }
}
