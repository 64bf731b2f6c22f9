//! Compressed blocks: literals and sequences, how their codes are written, read and guessed.

use super::bits::{Reader, Writer};
use super::fse::{Distribution, Encoding, log_for};
use super::huffman::{Description, Weights, most_bits};
use super::levels::Parameters;
use super::rules;

/// Most content of a block.
pub(super) const MOST: usize = 1 << 17;

/// A sequence: literals, then a repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sequence {
    /// Number of literals.
    pub literals: u32,
    /// Length of the repetition, at least 3.
    pub length: u32,
    /// 1 to 3 for a distance used lately, else the distance + 3.
    pub offset: u32,
}

/// The last three distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recent(pub [u32; 3]);

impl Recent {
    pub const START: Recent = Recent([1, 4, 8]);

    /// The distance of a sequence, which becomes the last one. None where it would be 0.
    pub fn take(&mut self, sequence: &Sequence) -> Option<u32> {
        let [a, b, c] = self.0;
        let index = sequence.offset + u32::from(sequence.literals == 0 && sequence.offset <= 3);
        self.0 = match index {
            _ if sequence.offset > 3 => [sequence.offset - 3, a, b],
            1 => [a, b, c],
            2 => [b, a, c],
            3 => [c, a, b],
            4 => [a.checked_sub(1)?, a, b],
            _ => return None,
        };
        Some(self.0[0]).filter(|&d| d > 0)
    }
}

/// How literals are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literals {
    Raw,
    /// One byte, repeated.
    Run,
    /// With a code of their own.
    Coded(Weights, Description),
    /// With the code of the block before.
    Again,
}

/// How literals are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LiteralsForm {
    pub literals: Literals,
    /// Two bits of the header.
    pub size: u8,
}

/// How one of the three kinds of codes is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Table {
    Fixed,
    Single,
    Own(Distribution),
    Again,
}

/// The three kinds of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codes {
    Literals,
    Offsets,
    Lengths,
}

impl Codes {
    pub const ALL: [Codes; 3] = [Codes::Literals, Codes::Offsets, Codes::Lengths];

    /// Symbols there are.
    pub fn symbols(self) -> usize {
        match self {
            Codes::Literals => 36,
            Codes::Offsets => 32,
            Codes::Lengths => 53,
        }
    }

    /// Logarithm of the largest table.
    pub fn most_log(self) -> u32 {
        if self == Codes::Offsets { 8 } else { 9 }
    }

    /// The fixed table.
    pub fn fixed(self) -> Distribution {
        match self {
            Codes::Literals => Distribution::fixed(6, &FIXED_LITERALS),
            Codes::Offsets => Distribution::fixed(5, &FIXED_OFFSETS),
            Codes::Lengths => Distribution::fixed(6, &FIXED_LENGTHS),
        }
    }

    /// The code of a sequence, and its further bits.
    pub fn code(self, s: &Sequence) -> (u8, u32, u32) {
        match self {
            Codes::Literals => code(&LITERALS, s.literals),
            Codes::Offsets => {
                let code = s.offset.max(1).ilog2();
                (code as u8, s.offset - (1 << code), code)
            }
            Codes::Lengths => code(&LENGTHS, s.length.saturating_sub(3)),
        }
    }
}

/// The least value of each code, beyond those that are their own codes: from 16 and 32 on.
fn code(table: &[(u32, u32)], value: u32) -> (u8, u32, u32) {
    let at = table.partition_point(|t| t.0 <= value).saturating_sub(1);
    let (base, bits) = table.get(at).copied().unwrap_or((0, 0));
    (at as u8, value - base, bits)
}

/// Least values and bits of the codes of numbers of literals.
const LITERALS: [(u32, u32); 36] = ladder(&[(16, 0), (4, 1), (2, 2), (2, 3), (1, 4)], 6, 16);
/// The same of lengths less 3.
const LENGTHS: [(u32, u32); 53] = ladder(&[(32, 0), (4, 1), (2, 2), (2, 3), (2, 4), (1, 5)], 7, 16);

/// Codes: so many of so many bits, then one of each number of bits from `from` on.
const fn ladder<const N: usize>(steps: &[(usize, u32)], from: u32, to: u32) -> [(u32, u32); N] {
    let mut table = [(0, 0); N];
    let (mut at, mut base, mut step) = (0, 0, 0);
    while step < steps.len() {
        let mut n = 0;
        while n < steps[step].0 {
            table[at] = (base, steps[step].1);
            base += 1 << steps[step].1;
            at += 1;
            n += 1;
        }
        step += 1;
    }
    let mut bits = from;
    while bits <= to {
        table[at] = (base, bits);
        base += 1 << bits;
        at += 1;
        bits += 1;
    }
    assert!(at == N);
    table
}

const FIXED_LITERALS: [i16; 36] = [
    4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1,
    -1, -1,
];
const FIXED_OFFSETS: [i16; 29] =
    [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1];
const FIXED_LENGTHS: [i16; 53] = [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
];

/// What later blocks of a frame can use again.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    pub weights: Option<Weights>,
    pub tables: [Option<Distribution>; 3],
    /// Whether a table was a block's own, so that zstd thinks of using it again.
    pub own: [bool; 3],
}

/// Everything of a compressed block but its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    pub sequences: Vec<Sequence>,
    pub literals: LiteralsForm,
    /// In the order of [`Codes::ALL`]; nothing where there are no sequences.
    pub tables: Vec<Table>,
}

impl Packed {
    /// Reads a block; also tells the literals. None where it is broken, or beyond what zstd writes.
    pub fn read(bytes: &[u8], kept: &mut Kept) -> Option<(Packed, Vec<u8>)> {
        let (form, literals, rest) = read_literals(bytes, kept)?;
        let (&head, mut rest) = rest.split_first()?;
        let count = match head {
            0..128 => usize::from(head),
            128..255 => {
                let (&low, behind) = rest.split_first()?;
                rest = behind;
                usize::from(head - 128) << 8 | usize::from(low)
            }
            255 => {
                let (two, behind) = rest.split_first_chunk()?;
                rest = behind;
                usize::from(u16::from_le_bytes(*two)) + 0x7f00
            }
        };
        if count == 0 {
            let packed = Packed { sequences: Vec::new(), literals: form, tables: Vec::new() };
            return rest.is_empty().then_some((packed, literals));
        }
        let (&modes, mut rest) = rest.split_first()?;
        if modes & 3 != 0 || count > MOST / 3 {
            return None;
        }
        let mut tables = Vec::new();
        for (kind, (kept, shift)) in Codes::ALL.into_iter().zip(kept.tables.iter_mut().zip([6, 4, 2])) {
            let table = match modes >> shift & 3 {
                0 => {
                    *kept = Some(kind.fixed());
                    Table::Fixed
                }
                1 => {
                    let (&symbol, behind) = rest.split_first()?;
                    rest = behind;
                    *kept =
                        Some(Distribution::single(symbol)).filter(|_| usize::from(symbol) < kind.symbols());
                    Table::Single
                }
                2 => {
                    let (table, used) = Distribution::read(rest, kind.symbols(), kind.most_log())?;
                    rest = rest.get(used..)?;
                    *kept = Some(table.clone());
                    Table::Own(table)
                }
                _ => Table::Again,
            };
            kept.as_ref()?;
            tables.push(table);
        }
        let sequences = read_sequences(rest, count, kept)?;
        Some((Packed { sequences, literals: form, tables }, literals))
    }

    /// Writes a block with these literals. None where they do not fit.
    pub fn write(&self, literals: &[u8], kept: &mut Kept, out: &mut Vec<u8>) -> Option<()> {
        write_literals(&self.literals, literals, kept, out)?;
        let count = self.sequences.len();
        match count {
            0..0x80 => out.push(count as u8),
            0x80..0x7f00 => out.extend([(count >> 8) as u8 + 0x80, count as u8]),
            _ => {
                out.push(255);
                out.extend(u16::try_from(count - 0x7f00).ok()?.to_le_bytes());
            }
        }
        let Some(last) = self.sequences.last() else { return Some(()) };
        let [a, b, c] = &self.tables[..] else { return None };
        let mode = |t: &Table| match t {
            Table::Fixed => 0u8,
            Table::Single => 1,
            Table::Own(_) => 2,
            Table::Again => 3,
        };
        out.push(mode(a) << 6 | mode(b) << 4 | mode(c) << 2);
        for ((kind, table), i) in Codes::ALL.into_iter().zip(&self.tables).zip(0..) {
            let slot = kept.tables.get_mut(i)?;
            *kept.own.get_mut(i)? = match table {
                Table::Own(_) => true,
                Table::Again => *kept.own.get(i)?,
                _ => false,
            };
            match table {
                Table::Fixed => *slot = Some(kind.fixed()),
                Table::Single => {
                    let symbol = kind.code(last).0;
                    out.push(symbol);
                    *slot = Some(Distribution::single(symbol));
                }
                Table::Own(table) => {
                    table.write(out);
                    *slot = Some(table.clone());
                }
                Table::Again => {}
            }
        }
        write_sequences(&self.sequences, kept, out)
    }
}

fn read_literals<'a>(bytes: &'a [u8], kept: &mut Kept) -> Option<(LiteralsForm, Vec<u8>, &'a [u8])> {
    let head = *bytes.first()?;
    let size = head >> 2 & 3;
    let mut word = [0; 8];
    for (to, &b) in word.iter_mut().zip(bytes.iter().take(5)) {
        *to = b;
    }
    let word = u64::from_le_bytes(word);
    if head & 3 < 2 {
        let (head_len, shift, bits) = [(1, 3, 5), (2, 4, 12), (1, 3, 5), (3, 4, 20)][usize::from(size)];
        let len = (word >> shift & ((1 << bits) - 1)) as usize;
        let rest = bytes.get(head_len..)?;
        // Only one bit belongs to these headers.
        let size = if size == 2 { 0 } else { size };
        return if len > MOST {
            None
        } else if head & 3 == 0 {
            let (literals, rest) = rest.split_at_checked(len)?;
            Some((LiteralsForm { literals: Literals::Raw, size }, literals.to_vec(), rest))
        } else {
            let (&b, rest) = rest.split_first()?;
            Some((LiteralsForm { literals: Literals::Run, size }, vec![b; len], rest))
        };
    }
    let (head_len, bits) = [(3, 10), (3, 10), (4, 14), (5, 18)][usize::from(size)];
    let len = (word >> 4 & ((1 << bits) - 1)) as usize;
    let packed = (word >> (4 + bits) & ((1 << bits) - 1)) as usize;
    let (mut streams, rest) = bytes.get(head_len..)?.split_at_checked(packed)?;
    if len > MOST {
        return None;
    }
    let kind = if head & 3 == 2 {
        let (weights, description, used) = Weights::read(streams)?;
        streams = streams.get(used..)?;
        kept.weights = Some(weights.clone());
        Literals::Coded(weights, description)
    } else {
        Literals::Again
    };
    let weights = kept.weights.as_ref()?;
    let mut literals = Vec::with_capacity(len.min(streams.len() * 8));
    if size == 0 {
        weights.read_stream(streams, len, &mut literals)?;
    } else {
        weights.read_streams(streams, len, &mut literals)?;
    }
    Some((LiteralsForm { literals: kind, size }, literals, rest))
}

fn write_literals(form: &LiteralsForm, literals: &[u8], kept: &mut Kept, out: &mut Vec<u8>) -> Option<()> {
    let len = literals.len() as u64;
    let plain = match form.literals {
        Literals::Raw => Some(0),
        Literals::Run => Some(1),
        _ => None,
    };
    if let Some(kind) = plain {
        let (head, bytes) = match form.size {
            0 if len < 1 << 5 => (len << 3, 1),
            1 if len < 1 << 12 => (len << 4, 2),
            3 if len < 1 << 20 => (len << 4, 3),
            _ => return None,
        };
        let head = head | kind | u64::from(form.size) << 2;
        out.extend(head.to_le_bytes().get(..bytes)?);
        if kind == 0 {
            out.extend_from_slice(literals);
        } else {
            out.push(*literals.first()?);
        }
        return Some(());
    }
    let (head_len, bits) = *[(3, 10), (3, 10), (4, 14), (5, 18)].get(usize::from(form.size))?;
    let at = out.len();
    out.extend(std::iter::repeat_n(0, head_len));
    if let Literals::Coded(weights, description) = &form.literals {
        weights.write(description, out)?;
        kept.weights = Some(weights.clone());
    }
    let weights = kept.weights.as_ref()?;
    if form.size == 0 {
        weights.write_stream(literals, out)?;
    } else {
        weights.write_streams(literals, out)?;
    }
    let packed = (out.len() - at - head_len) as u64;
    if len >> bits != 0 || packed >> bits != 0 {
        return None;
    }
    let kind = if form.literals == Literals::Again { 3 } else { 2 };
    let head = kind | u64::from(form.size) << 2 | len << 4 | packed << (4 + bits);
    out.get_mut(at..at + head_len)?.copy_from_slice(head.to_le_bytes().get(..head_len)?);
    Some(())
}

fn read_sequences(bytes: &[u8], count: usize, kept: &Kept) -> Option<Vec<Sequence>> {
    let [literals, offsets, lengths] = &kept.tables;
    let (literals, offsets, lengths) =
        (literals.as_ref()?.decoding(), offsets.as_ref()?.decoding(), lengths.as_ref()?.decoding());
    let mut reader = Reader::new(bytes)?;
    let mut states = [literals.start(&mut reader)?, offsets.start(&mut reader)?, lengths.start(&mut reader)?];
    let mut sequences = Vec::with_capacity(count);
    for i in 0..count {
        let [l, o, m] = states;
        let bits = u32::from(offsets.cell(o).symbol);
        if bits > 31 {
            return None;
        }
        let offset = (1 << bits) + reader.take(bits)?;
        let (base, bits) = *LENGTHS.get(usize::from(lengths.cell(m).symbol))?;
        let length = base + 3 + reader.take(bits)?;
        let (base, bits) = *LITERALS.get(usize::from(literals.cell(l).symbol))?;
        let run = base + reader.take(bits)?;
        sequences.push(Sequence { literals: run, length, offset });
        if i + 1 < count {
            let l = literals.next(l, &mut reader)?;
            let m = lengths.next(m, &mut reader)?;
            states = [l, offsets.next(o, &mut reader)?, m];
        }
    }
    (reader.left == 0).then_some(sequences)
}

fn write_sequences(sequences: &[Sequence], kept: &Kept, out: &mut Vec<u8>) -> Option<()> {
    let mut tables: Vec<Encoding> = Vec::with_capacity(3);
    for (kind, table) in Codes::ALL.into_iter().zip(&kept.tables) {
        let table = table.as_ref()?;
        if !sequences.iter().all(|s| table.has(kind.code(s).0.into())) {
            return None;
        }
        tables.push(table.encoding());
    }
    let [literals, offsets, lengths] = &tables[..] else { return None };
    let mut writer = Writer::new(out);
    let mut states: Option<[u32; 3]> = None;
    for s in sequences.iter().rev() {
        let l = Codes::Literals.code(s);
        let o = Codes::Offsets.code(s);
        let m = Codes::Lengths.code(s);
        states = Some(match states {
            None => [literals.start(l.0), offsets.start(o.0), lengths.start(m.0)],
            Some([sl, so, sm]) => {
                let so = offsets.put(&mut writer, so, o.0);
                let sm = lengths.put(&mut writer, sm, m.0);
                [literals.put(&mut writer, sl, l.0), so, sm]
            }
        });
        writer.put(l.1, l.2);
        writer.put(m.1, m.2);
        writer.put(o.1, o.2);
    }
    let [l, o, m] = states?;
    lengths.end(&mut writer, m);
    offsets.end(&mut writer, o);
    literals.end(&mut writer, l);
    writer.close();
    Some(())
}

/// The form that zstd gives to literals.
pub(super) fn usual_literals(literals: &[u8], parameters: Parameters, kept: &Kept) -> LiteralsForm {
    let (len, strategy) = (literals.len(), parameters.number());
    let plain = |literals| {
        let size = [0, 1, 3][usize::from(len > 31) + usize::from(len > 4095)];
        LiteralsForm { literals, size }
    };
    let mut counts = [0u32; 256];
    for &b in literals {
        counts[usize::from(b)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0) as usize;
    // Levels below zero do not code literals.
    if len <= 63 || strategy == 1 && parameters.target > 0 {
        return plain(Literals::Raw);
    }
    if most == len {
        return plain(Literals::Run);
    }
    if most <= (len >> 7) + 4 {
        return plain(Literals::Raw);
    }
    let size = if len < 256 { 0 } else { 1 + u8::from(len >= 1 << 10) + u8::from(len >= 1 << 14) };
    let gain = (len >> if strategy >= 8 { strategy - 1 } else { 6 }) + 2;
    let again = kept.weights.as_ref().filter(|w| w.covers(literals));
    let coded = |form: Literals, weights: &Weights, head: usize| {
        let bytes = weights.streams_len(literals, size > 0).map_or(len, |n| n + head);
        if bytes + gain >= len { plain(Literals::Raw) } else { LiteralsForm { literals: form, size } }
    };
    if let Some(again) = again.filter(|_| strategy < 4 && len <= 1024) {
        return coded(Literals::Again, again, 0);
    }
    let last = counts.iter().rposition(|&n| n > 0).unwrap_or(0);
    let made = Weights::of(&counts, most_bits(len, last));
    let Some((weights, description)) = made.and_then(|w| w.usual(parameters.old).map(|d| (w, d))) else {
        return plain(Literals::Raw);
    };
    let mut head = Vec::new();
    let (Some(()), Some(new)) = (weights.write(&description, &mut head), weights.estimate(&counts)) else {
        return plain(Literals::Raw);
    };
    if let Some(again) = again
        && (again.estimate(&counts).is_some_and(|old| old <= head.len() + new) || head.len() + 12 >= len)
    {
        return coded(Literals::Again, again, 0);
    }
    if head.len() + 12 >= len {
        return plain(Literals::Raw);
    }
    coded(Literals::Coded(weights.clone(), description), &weights, head.len())
}

/// The table that zstd takes for a kind of codes.
pub(super) fn usual_table(kind: Codes, sequences: &[Sequence], parameters: Parameters, kept: &Kept) -> Table {
    let strategy = parameters.number();
    let mut counts = vec![0u32; kind.symbols()];
    let (mut last, mut greatest) = (0, 0);
    for s in sequences {
        last = usize::from(kind.code(s).0);
        greatest = greatest.max(last);
        if let Some(n) = counts.get_mut(last) {
            *n += 1;
        }
    }
    counts.truncate(greatest + 1);
    let total = sequences.len();
    let most = counts.iter().copied().max().unwrap_or(0) as usize;
    let fixed = kind != Codes::Offsets || greatest <= 28;
    if most == total {
        return if fixed && total <= 2 { Table::Fixed } else { Table::Single };
    }
    let log = log_for(kind.most_log(), total, greatest, 2);
    let rare = |total| if total >= 2048 || parameters.old { -1 } else { 1 };
    let at = Codes::ALL.iter().position(|&k| k == kind).unwrap_or(0);
    let before = kept.tables.get(at).and_then(Option::as_ref).filter(|_| kept.own.get(at) == Some(&true));
    let choice = if strategy < 4 {
        rules::quick(&counts, total, kind.fixed().log, strategy, fixed)
    } else {
        let own = Distribution::of(&counts, log, rare(total));
        rules::careful(&counts, total, fixed.then(|| kind.fixed()), before, own.as_ref())
    };
    match choice {
        rules::Choice::Fixed => return Table::Fixed,
        rules::Choice::Again => return Table::Again,
        rules::Choice::Own => {}
    }
    // The last code costs nothing in the stream.
    if let Some(n) = counts.get_mut(last).filter(|n| **n > 1) {
        *n -= 1;
    }
    let total = counts.iter().sum::<u32>() as usize;
    Distribution::of(&counts, log, rare(total)).map_or(Table::Fixed, Table::Own)
}
