//! Blocks of deflate from symbols: stored, with the fixed code or with one of their own, whichever
//! zlib takes for the shortest.

use super::trees::{Builder, Code, DISTANCES, LENGTHS, LITERALS, runs};

/// The symbol behind the last one of a block.
const END: usize = 256;
/// The order in which lengths of the length code are written (RFC 1951, 3.2.7).
const ORDER: [u8; LENGTHS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// Extra bits of the three repeating symbols of the length code.
const REPEAT: [u8; 3] = [2, 3, 7];

/// What stands for the lengths 3 to 258 and the distances 1 to 32768.
struct Tables {
    /// Symbol of a length, less 257, by length less 3.
    length: [u8; 256],
    /// The least length of a symbol, less 3.
    length_base: [u8; 32],
    /// Bits that follow the symbol of a length.
    length_extra: [u8; 32],
    /// Symbol of a distance less 1: below 256 by itself, above by its value divided by 128.
    distance: [u8; 512],
    distance_base: [u16; 32],
    distance_extra: [u8; 32],
}

static TABLES: Tables = tables();

const fn tables() -> Tables {
    let mut t = Tables {
        length: [0; 256],
        length_base: [0; 32],
        length_extra: [0; 32],
        distance: [0; 512],
        distance_base: [0; 32],
        distance_extra: [0; 32],
    };
    let mut base = 0;
    let mut symbol = 0;
    while symbol < 28 {
        let extra = if symbol < 8 { 0 } else { symbol / 4 - 1 };
        t.length_base[symbol] = base as u8;
        t.length_extra[symbol] = extra as u8;
        let mut i = 0;
        while i < 1 << extra && base < 256 {
            t.length[base] = symbol as u8;
            base += 1;
            i += 1;
        }
        symbol += 1;
    }
    // The longest match has a symbol of its own.
    t.length[255] = 28;
    t.length_base[28] = 255;
    let mut base = 0usize;
    let mut symbol = 0;
    while symbol < 30 {
        let extra = if symbol < 4 { 0 } else { symbol / 2 - 1 };
        t.distance_base[symbol] = base as u16;
        t.distance_extra[symbol] = extra as u8;
        let mut i = 0;
        while i < 1 << extra {
            if base < 256 {
                t.distance[base] = symbol as u8;
            } else {
                t.distance[256 + (base >> 7)] = symbol as u8;
            }
            base += 1;
            i += 1;
        }
        symbol += 1;
    }
    t
}

/// Extra bits by symbol of the three alphabets.
static EXTRA: ([u8; LITERALS], [u8; DISTANCES], [u8; LENGTHS]) = extra();

const fn extra() -> ([u8; LITERALS], [u8; DISTANCES], [u8; LENGTHS]) {
    let tables = tables();
    let mut literals = [0; LITERALS];
    let mut i = 0;
    while END + 1 + i < LITERALS {
        literals[END + 1 + i] = tables.length_extra[i];
        i += 1;
    }
    let mut lengths = [0; LENGTHS];
    (lengths[16], lengths[17], lengths[18]) = (REPEAT[0], REPEAT[1], REPEAT[2]);
    (literals, tables.distance_extra, lengths)
}

#[inline]
fn distance_symbol(less_one: usize) -> usize {
    let at = if less_one < 256 { less_one } else { 256 + (less_one >> 7) };
    usize::from(TABLES.distance[at & 511] & 31)
}

/// One symbol of a block: a literal, or a match of `length` (3 to 258) at `distance` (1 to 32768).
#[derive(Clone, Copy, Default)]
pub(super) struct Symbol(u32);

impl Symbol {
    #[inline]
    pub fn literal(byte: u8) -> Self {
        Symbol(byte.into())
    }

    #[inline]
    pub fn copy(length: usize, distance: usize) -> Self {
        Symbol((distance as u32) << 9 | length as u32 & 511)
    }

    /// The length less 3 and the distance less 1 of a match.
    #[inline]
    fn parts(self) -> (usize, usize) {
        ((self.0 & 511).wrapping_sub(3) as usize & 255, ((self.0 >> 9).wrapping_sub(1)) as usize)
    }

    #[inline]
    fn is_literal(self) -> bool {
        self.0 < 256
    }
}

/// Writes blocks.
pub(super) struct Writer {
    out: Vec<u8>,
    /// Bytes of `out` that are written.
    at: usize,
    /// Bits that do not fill a byte yet.
    bits: u64,
    count: u32,
    builder: Builder,
    fixed: (Code<LITERALS>, Code<DISTANCES>),
    literals: Code<LITERALS>,
    distances: Code<DISTANCES>,
    lengths: Code<LENGTHS>,
    runs: Vec<(u8, u8)>,
}

impl Writer {
    pub fn new() -> Self {
        Writer {
            out: Vec::new(),
            at: 0,
            bits: 0,
            count: 0,
            builder: Builder::new(),
            fixed: (Code::fixed_literals(), Code::from_lengths([5; DISTANCES])),
            literals: Code::new(),
            distances: Code::new(),
            lengths: Code::new(),
            runs: Vec::new(),
        }
    }

    /// Begins a stream behind `head`.
    pub fn begin(&mut self, head: &[u8]) {
        (self.at, self.bits, self.count) = (head.len(), 0, 0);
        self.out.clear();
        self.out.extend_from_slice(head);
    }

    /// The whole bytes written since the beginning or the last call.
    pub fn drain(&mut self) -> &[u8] {
        let made = std::mem::take(&mut self.at);
        self.out.get(..made).unwrap_or_default()
    }

    /// All that was written, with `tail` behind it.
    pub fn finish(&mut self, tail: &[u8]) -> Vec<u8> {
        self.out.truncate(self.at);
        self.out.extend_from_slice(tail);
        self.at = 0;
        std::mem::take(&mut self.out)
    }

    /// Writes a block. `stored` is its content where it may be stored.
    pub fn block(&mut self, symbols: &[Symbol], stored: Option<&[u8]>, last: bool) {
        let (literals, distances) = histogram(symbols);
        self.builder.build(&literals, 15, &mut self.literals);
        self.builder.build(&distances, 15, &mut self.distances);

        self.runs.clear();
        runs(self.literals.lengths.get(..=self.literals.last).unwrap_or_default(), &mut self.runs);
        runs(self.distances.lengths.get(..=self.distances.last).unwrap_or_default(), &mut self.runs);
        let mut lengths = [0; LENGTHS];
        for &(symbol, _) in &self.runs {
            lengths[usize::from(symbol)] += 1;
        }
        self.builder.build(&lengths, 7, &mut self.lengths);
        let sent = ORDER.iter().rposition(|&s| self.lengths.lengths[usize::from(s)] != 0);
        let sent = sent.unwrap_or_default().max(3) + 1;

        let mut own = 5 + 5 + 4 + 3 * sent as u32 + cost(&lengths, &self.lengths.lengths, &EXTRA.2);
        own += cost(&literals, &self.literals.lengths, &EXTRA.0);
        own += cost(&distances, &self.distances.lengths, &EXTRA.1);
        let fixed = cost(&literals, &self.fixed.0.lengths, &EXTRA.0)
            + cost(&distances, &self.fixed.1.lengths, &EXTRA.1);
        let bytes = |bits: u32| (bits + 3 + 7) >> 3;
        let least = bytes(own).min(bytes(fixed));

        if let Some(stored) = stored.filter(|s| s.len() as u64 + 4 <= least.into()) {
            self.stored(stored, last);
            return;
        }
        let need = self.at + least as usize + 16;
        if self.out.len() < need {
            self.out.resize(need, 0);
        }
        if bytes(fixed) <= bytes(own) {
            self.put(2 | u64::from(last), 3);
            self.symbols(symbols, true);
        } else {
            self.put(4 | u64::from(last), 3);
            self.put(self.literals.last as u64 - 256, 5);
            self.put(self.distances.last as u64, 5);
            self.put(sent as u64 - 4, 4);
            for &symbol in ORDER.iter().take(sent) {
                self.put(self.lengths.lengths[usize::from(symbol)].into(), 3);
            }
            let runs = std::mem::take(&mut self.runs);
            for &(symbol, repeat) in &runs {
                let i = usize::from(symbol);
                let (code, length) = self.lengths.get(i);
                self.put(code, length);
                if i >= 16 {
                    self.put(repeat.into(), REPEAT[i - 16].into());
                }
            }
            self.runs = runs;
            self.symbols(symbols, false);
        }
        if last {
            self.align();
        }
    }

    /// A block as it is.
    fn stored(&mut self, content: &[u8], last: bool) {
        let need = self.at + content.len() + 16;
        if self.out.len() < need {
            self.out.resize(need, 0);
        }
        self.put(u64::from(last), 3);
        self.align();
        self.put((content.len() & 0xffff) as u64, 16);
        self.put((!content.len() & 0xffff) as u64, 16);
        self.flush();
        if let Some(room) = self.out.get_mut(self.at..self.at + content.len()) {
            room.copy_from_slice(content);
            self.at += content.len();
        }
    }

    /// The symbols of a block and its end, in the fixed code or its own.
    fn symbols(&mut self, symbols: &[Symbol], fixed: bool) {
        let literals = if fixed { &self.fixed.0 } else { &self.literals };
        let distances = if fixed { &self.fixed.1 } else { &self.distances };
        let (mut bits, mut count, mut at) = (self.bits, self.count, self.at);
        let out = self.out.as_mut_slice();
        for &symbol in symbols {
            if symbol.is_literal() {
                let (code, length) = literals.get((symbol.0 & 255) as usize);
                bits |= code << (count & 63);
                count += length;
            } else {
                let (length, far) = symbol.parts();
                let i = usize::from(TABLES.length[length] & 31);
                let (code, n) = literals.get(END + 1 + i);
                bits |= code << (count & 63);
                count += n;
                bits |= ((length - usize::from(TABLES.length_base[i])) as u64) << (count & 63);
                count += u32::from(TABLES.length_extra[i]);
                let i = distance_symbol(far);
                let (code, n) = distances.get(i);
                bits |= code << (count & 63);
                count += n;
                bits |= (far as u64 - u64::from(TABLES.distance_base[i])) << (count & 63);
                count += u32::from(TABLES.distance_extra[i]);
            }
            // At most 48 bits come at a time, less than eight are left from before.
            if let Some(room) = out.get_mut(at..at + 8) {
                room.copy_from_slice(&bits.to_le_bytes());
            }
            at += (count >> 3) as usize;
            bits >>= count & 56;
            count &= 7;
        }
        let (code, length) = literals.get(END);
        (self.bits, self.count, self.at) = (bits, count, at);
        self.put(code, length);
    }

    /// Up to 16 bits.
    fn put(&mut self, value: u64, length: u32) {
        self.bits |= value << (self.count & 63);
        self.count += length;
        self.flush();
    }

    /// Writes whole bytes.
    #[inline]
    fn flush(&mut self) {
        if let Some(room) = self.out.get_mut(self.at..self.at + 8) {
            room.copy_from_slice(&self.bits.to_le_bytes());
        }
        self.at += (self.count >> 3) as usize;
        self.bits = self.bits.unbounded_shr(self.count & !7);
        self.count &= 7;
    }

    /// Fills the last byte with zeros.
    fn align(&mut self) {
        self.count = (self.count + 7) & !7;
        self.flush();
    }
}

/// How often each symbol occurs, the end of the block included.
fn histogram(symbols: &[Symbol]) -> ([u16; LITERALS], [u16; DISTANCES]) {
    let mut literals = [0u16; 512];
    let mut distances = [0u16; 32];
    for &symbol in symbols {
        if symbol.is_literal() {
            literals[(symbol.0 & 255) as usize] += 1;
        } else {
            let (length, far) = symbol.parts();
            literals[END + 1 + usize::from(TABLES.length[length] & 31)] += 1;
            distances[distance_symbol(far)] += 1;
        }
    }
    literals[END] = 1;
    let mut used = [0; LITERALS];
    used.copy_from_slice(&literals[..LITERALS]);
    (used, distances)
}

/// The bits that symbols take, extra bits included.
fn cost<const N: usize>(frequencies: &[u16; N], lengths: &[u8; N], extra: &[u8; N]) -> u32 {
    let all = frequencies.iter().zip(lengths).zip(extra);
    all.map(|((&frequency, &length), &extra)| u32::from(frequency) * u32::from(length + extra)).sum()
}
