//! Huffman codes of literals: their weights, how those are described, the streams.

use super::bits::{Reader, Writer};
use super::fse::{Distribution, log_for};

/// Longest code.
pub(super) const LONGEST: u32 = 11;
/// Logarithm of the largest table of weights.
const WEIGHTS_LOG: u32 = 6;

/// How weights are described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Description {
    /// Four bits each.
    Plain,
    /// Entropy-coded.
    Coded(Distribution),
}

/// A code: the weight of each symbol, 0 where it has none; the last one is not 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weights(pub Vec<u8>);

impl Weights {
    /// The greatest length of a code. None where the weights make none.
    pub fn log(&self) -> Option<u32> {
        let w = &self.0;
        if w.len() < 2 || w.len() > 256 || w.iter().any(|&w| u32::from(w) > LONGEST) || w.last() == Some(&0) {
            return None;
        }
        let sum: u32 = w.iter().filter(|w| **w > 0).map(|&w| 1 << (w - 1)).sum();
        (sum.is_power_of_two() && sum <= 1 << LONGEST && sum > 1).then(|| sum.ilog2())
    }

    /// The code and its length of each symbol.
    fn codes(&self) -> Option<Vec<(u16, u8)>> {
        let log = self.log()?;
        // Codes of one length stand together, the longest first.
        let mut of_weight = [0u32; LONGEST as usize + 2];
        for &w in self.0.iter().filter(|w| **w > 0) {
            *of_weight.get_mut(usize::from(w))? += 1;
        }
        let mut first = [0u32; LONGEST as usize + 2];
        let mut next = 0u32;
        for (first, count) in first.iter_mut().zip(of_weight).skip(1) {
            *first = next;
            next = (next + count) >> 1;
        }
        self.0
            .iter()
            .map(|&w| {
                if w == 0 {
                    return Some((0, 0));
                }
                let code = first.get_mut(usize::from(w))?;
                *code += 1;
                Some((*code as u16 - 1, (log + 1 - u32::from(w)) as u8))
            })
            .collect()
    }

    /// Whether all bytes have a code.
    pub fn covers(&self, literals: &[u8]) -> bool {
        literals.iter().all(|&b| self.0.get(usize::from(b)).is_some_and(|&w| w > 0))
    }

    /// Bytes (rounded down) of literals that occur so often, without description.
    pub fn estimate(&self, counts: &[u32]) -> Option<usize> {
        let log = self.log()?;
        let bits =
            |(&w, &n): (&u8, &u32)| if w == 0 { 0 } else { n as usize * (log as usize + 1 - usize::from(w)) };
        Some(self.0.iter().zip(counts).map(bits).sum::<usize>() >> 3)
    }

    /// Reads a description; also tells how it was made, and its bytes.
    pub fn read(bytes: &[u8]) -> Option<(Weights, Description, usize)> {
        let (&head, rest) = bytes.split_first()?;
        let head = usize::from(head);
        let (mut weights, description, used) = if head >= 128 {
            let n = head - 127;
            let packed = rest.get(..n.div_ceil(2))?;
            let mut weights: Vec<u8> = packed.iter().flat_map(|b| [b >> 4, b & 15]).collect();
            weights.truncate(n);
            (weights, Description::Plain, packed.len() + 1)
        } else {
            let coded = rest.get(..head)?;
            let (distribution, used) = Distribution::read(coded, LONGEST as usize + 2, WEIGHTS_LOG)?;
            let table = distribution.decoding();
            let mut reader = Reader::new(coded.get(used..)?)?;
            let mut states = [table.start(&mut reader)?, table.start(&mut reader)?];
            let mut weights = Vec::new();
            loop {
                if weights.len() > 255 {
                    return None;
                }
                let [now, other] = states;
                weights.push(table.cell(now).symbol);
                match table.next(now, &mut reader) {
                    Some(next) => states = [other, next],
                    None => {
                        weights.push(table.cell(other).symbol);
                        break;
                    }
                }
            }
            (weights, Description::Coded(distribution), head + 1)
        };
        if weights.len() > 255 || weights.iter().any(|&w| u32::from(w) > LONGEST) {
            return None;
        }
        // The last weight fills the sum up to a power of two.
        let sum: u32 = weights.iter().filter(|w| **w > 0).map(|&w| 1 << (w - 1)).sum();
        let whole = 1u32.checked_shl(sum.checked_ilog2()? + 1)?;
        let last = whole - sum;
        if !last.is_power_of_two() {
            return None;
        }
        weights.push(last.ilog2() as u8 + 1);
        let weights = Weights(weights);
        weights.log()?;
        Some((weights, description, used))
    }

    /// How zstd (`old`: before 1.4.7) describes them. None where it cannot.
    pub fn usual(&self, old: bool) -> Option<Description> {
        let told = self.0.get(..self.0.len().checked_sub(1)?)?;
        if let Some(distribution) = usual_table(told, old) {
            let mut out = Vec::new();
            write_coded(told, &distribution, &mut out)?;
            if out.len() > 1 && out.len() < told.len() / 2 {
                return Some(Description::Coded(distribution));
            }
        }
        (told.len() <= 128).then_some(Description::Plain)
    }

    /// Writes the description. None where these weights cannot be described so.
    pub fn write(&self, description: &Description, out: &mut Vec<u8>) -> Option<()> {
        let told = self.0.get(..self.0.len().checked_sub(1)?)?;
        match description {
            Description::Plain => {
                let n = u8::try_from(told.len()).ok().filter(|n| (1..=128).contains(n))?;
                out.push(127 + n);
                for pair in told.chunks(2) {
                    out.push(pair.first()? << 4 | pair.get(1).copied().unwrap_or(0));
                }
            }
            Description::Coded(distribution) => {
                let at = out.len();
                out.push(0);
                write_coded(told, distribution, out)?;
                let len = out.len() - at - 1;
                *out.get_mut(at)? = u8::try_from(len).ok().filter(|&n| n < 128)?;
            }
        }
        Some(())
    }

    /// Writes one stream.
    pub fn write_stream(&self, literals: &[u8], out: &mut Vec<u8>) -> Option<()> {
        write_stream(&self.codes()?, literals, out)
    }

    /// Writes four streams with their table.
    pub fn write_streams(&self, literals: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let codes = self.codes()?;
        let part = literals.len().div_ceil(4);
        let at = out.len();
        out.extend([0; 6]);
        for i in 0..4 {
            let from = out.len();
            let end = if i == 3 { literals.len() } else { part * (i + 1) };
            write_stream(&codes, literals.get(part * i..end)?, out)?;
            if i < 3 {
                let len = u16::try_from(out.len() - from).ok()?;
                out.get_mut(at + 2 * i..at + 2 * i + 2)?.copy_from_slice(&len.to_le_bytes());
            }
        }
        Some(())
    }

    /// Bytes of one stream, or of four with their table.
    pub fn streams_len(&self, literals: &[u8], four: bool) -> Option<usize> {
        let codes = self.codes()?;
        let part = if four { literals.len().div_ceil(4) } else { literals.len() }.max(1);
        let len = |stream: &[u8]| {
            let bits = |b: &u8| codes.get(usize::from(*b)).map_or(0, |c| usize::from(c.1));
            stream.iter().map(bits).sum::<usize>() / 8 + 1
        };
        Some(literals.chunks(part).map(len).sum::<usize>() + if four { 6 } else { 0 })
    }

    /// Reads one stream of `len` literals.
    pub fn read_stream(&self, bytes: &[u8], len: usize, out: &mut Vec<u8>) -> Option<()> {
        read_stream(&self.table()?, self.log()?, bytes, len, out)
    }

    /// Reads four streams of together `len` literals.
    pub fn read_streams(&self, bytes: &[u8], len: usize, out: &mut Vec<u8>) -> Option<()> {
        let (table, log) = (self.table()?, self.log()?);
        let (heads, mut rest) = bytes.split_first_chunk::<6>()?;
        let part = len.div_ceil(4);
        let [a, b, c, d, e, f] = *heads;
        for two in [[a, b], [c, d], [e, f]] {
            let (stream, behind) = rest.split_at_checked(u16::from_le_bytes(two).into())?;
            read_stream(&table, log, stream, part, out)?;
            rest = behind;
        }
        read_stream(&table, log, rest, len.checked_sub(3 * part)?, out)
    }

    /// Symbol and length of the code by the next bits.
    fn table(&self) -> Option<Vec<(u8, u8)>> {
        let log = self.log()?;
        let mut table = vec![(0, 0); 1 << log];
        for (symbol, (code, len)) in self.codes()?.into_iter().enumerate().filter(|(_, (_, len))| *len > 0) {
            let wide = log - u32::from(len);
            let from = usize::from(code) << wide;
            table.get_mut(from..from + (1 << wide))?.fill((symbol as u8, len));
        }
        Some(table)
    }

    /// The code that zstd makes for literals that occur so often, at most `most` bits long; at least two of
    /// them occur.
    pub fn of(counts: &[u32], most: u32) -> Option<Weights> {
        let mut sorted: Vec<(u32, usize)> =
            counts.iter().copied().enumerate().map(|(s, n)| (n, s)).filter(|(n, _)| *n > 0).collect();
        if sorted.len() < 2 {
            return None;
        }
        sorted.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut lengths = tree(&sorted.iter().map(|s| s.0).collect::<Vec<_>>());
        let longest = limit(&mut lengths, &sorted, most)?;
        let last = sorted.iter().map(|s| s.1).max()?;
        let mut weights = vec![0u8; last + 1];
        for (&(_, symbol), &len) in sorted.iter().zip(&lengths) {
            *weights.get_mut(symbol)? = (longest + 1).checked_sub(len)? as u8;
        }
        let weights = Weights(weights);
        weights.log()?;
        Some(weights)
    }
}

fn write_stream(codes: &[(u16, u8)], literals: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut writer = Writer::new(out);
    for &b in literals.iter().rev() {
        let &(code, len) = codes.get(usize::from(b)).filter(|c| c.1 > 0)?;
        writer.put(code.into(), len.into());
    }
    writer.close();
    Some(())
}

fn read_stream(table: &[(u8, u8)], log: u32, bytes: &[u8], len: usize, out: &mut Vec<u8>) -> Option<()> {
    let mut reader = Reader::new(bytes)?;
    if len > reader.left {
        return None;
    }
    for _ in 0..len {
        let &(symbol, bits) = table.get(reader.peek(log) as usize)?;
        reader.left = reader.left.checked_sub(usize::from(bits.max(1)))?;
        out.push(symbol);
    }
    (reader.left == 0).then_some(())
}

/// The table that zstd takes for weights, if any.
fn usual_table(told: &[u8], old: bool) -> Option<Distribution> {
    let mut counts = vec![0u32; LONGEST as usize + 2];
    for &w in told {
        *counts.get_mut(usize::from(w))? += 1;
    }
    let most = *counts.iter().max()?;
    if told.len() < 2 || most as usize == told.len() || most == 1 {
        return None;
    }
    while counts.last() == Some(&0) {
        counts.pop();
    }
    Distribution::of(&counts, log_for(WEIGHTS_LOG, told.len(), counts.len() - 1, 2), if old { -1 } else { 1 })
}

/// Weights by two states in turn.
fn write_coded(told: &[u8], distribution: &Distribution, out: &mut Vec<u8>) -> Option<()> {
    if told.len() < 3 || !told.iter().all(|&w| distribution.has(w.into())) {
        return None;
    }
    distribution.write(out);
    let table = distribution.encoding();
    let mut writer = Writer::new(out);
    let mut states = [None; 2];
    for (i, &w) in told.iter().enumerate().rev() {
        let state = states.get_mut(i % 2)?;
        *state = Some(match *state {
            None => table.start(w),
            Some(state) => table.put(&mut writer, state, w),
        });
    }
    let [first, second] = states;
    table.end(&mut writer, second?);
    table.end(&mut writer, first?);
    writer.close();
    Some(())
}

/// Lengths of the codes of symbols that occur so often, most often first.
fn tree(counts: &[u32]) -> Vec<u32> {
    // Nodes: the symbols, then the inner ones as they are made, each of the two least. Of a symbol and an
    // inner node that weigh the same, the inner one goes first.
    let n = counts.len();
    let mut weight: Vec<u64> = counts.iter().map(|&c| c.into()).collect();
    let mut parent = vec![0usize; 2 * n];
    let (mut symbols, mut inner) = (n, n);
    for made in n..2 * n - 1 {
        let mut sum = 0;
        for _ in 0..2 {
            let from_symbols = match (symbols.checked_sub(1).and_then(|s| weight.get(s)), weight.get(inner)) {
                (Some(s), Some(i)) => s < i,
                (s, _) => s.is_some(),
            };
            let taken = if from_symbols {
                symbols -= 1;
                symbols
            } else {
                inner += 1;
                inner - 1
            };
            sum += weight.get(taken).copied().unwrap_or_default();
            if let Some(p) = parent.get_mut(taken) {
                *p = made;
            }
        }
        weight.push(sum);
    }
    let mut depth = vec![0u32; 2 * n];
    for node in (0..2 * n - 2).rev() {
        let above = parent.get(node).and_then(|&p| depth.get(p)).copied().unwrap_or_default();
        if let Some(d) = depth.get_mut(node) {
            *d = above + 1;
        }
    }
    depth.truncate(n);
    depth
}

/// Shortens codes to at most `most` bits as zstd does; gives the longest.
fn limit(lengths: &mut [u32], sorted: &[(u32, usize)], most: u32) -> Option<u32> {
    let longest = *lengths.last()?;
    if longest <= most {
        return Some(longest);
    }
    let wide = longest - most;
    // What the codes cut short take too much, in units of the shortest part.
    let mut debt = 0i64;
    let mut n = lengths.len() - 1;
    while *lengths.get(n)? > most {
        debt += (1i64 << wide) - (1i64 << (longest - lengths.get(n)?));
        *lengths.get_mut(n)? = most;
        n = n.checked_sub(1)?;
    }
    while *lengths.get(n)? == most {
        n = n.checked_sub(1)?;
    }
    debt >>= wide;
    // By how much shorter than `most`: the last symbol of that length.
    let mut last: [Option<usize>; LONGEST as usize + 2] = [None; LONGEST as usize + 2];
    let mut now = most;
    for at in (0..=n).rev() {
        let len = *lengths.get(at)?;
        if len < now {
            now = len;
            *last.get_mut((most - now) as usize)? = Some(at);
        }
    }
    let count = |at: usize| sorted.get(at).map_or(0, |s| u64::from(s.0));
    while debt > 0 {
        let mut by = debt.ilog2() as usize + 1;
        while by > 1 {
            let (high, low) = (last.get(by).copied().flatten(), last.get(by - 1).copied().flatten());
            if let Some(high) = high {
                match low {
                    None => break,
                    Some(low) if count(high) <= 2 * count(low) => break,
                    Some(_) => {}
                }
            }
            by -= 1;
        }
        while last.get(by)?.is_none() {
            by += 1;
        }
        let at = last.get(by).copied().flatten()?;
        debt -= 1 << (by - 1);
        *lengths.get_mut(at)? += 1;
        let shorter = last.get_mut(by - 1)?;
        if shorter.is_none() {
            *shorter = Some(at);
        }
        *last.get_mut(by)? =
            at.checked_sub(1).filter(|&b| lengths.get(b).is_some_and(|&l| l + by as u32 == most));
    }
    while debt < 0 {
        let at = match last.get(1).copied().flatten() {
            Some(at) => at + 1,
            None => {
                while *lengths.get(n)? == most {
                    n = n.checked_sub(1)?;
                }
                n + 1
            }
        };
        *lengths.get_mut(at)? -= 1;
        *last.get_mut(1)? = Some(at);
        debt += 1;
    }
    Some(most)
}

/// The longest code that zstd allows for so many literals, the greatest of them `last`.
pub(super) fn most_bits(literals: usize, last: usize) -> u32 {
    log_for(LONGEST, literals, last, 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn literals_come_back(
            counts in prop::collection::vec(prop_oneof![2 => Just(0u32), 3 => 1u32..60, 1 => 1u32..6000], 2..256), most in 9u32..12,
        ) {
            let Some(weights) = Weights::of(&counts, most) else {
                prop_assert!(counts.iter().filter(|c| **c > 0).count() < 2);
                return Ok(());
            };
            prop_assert!(weights.log().unwrap() <= most);
            let literals: Vec<u8> =
                counts.iter().enumerate().flat_map(|(s, &n)| std::iter::repeat_n(s as u8, n as usize)).collect();
            prop_assert!(weights.covers(&literals));
            for old in [false, true] {
                let Some(description) = weights.usual(old) else { continue };
                let mut out = Vec::new();
                weights.write(&description, &mut out).unwrap();
                let len = out.len();
                weights.write_stream(&literals, &mut out).unwrap();
                let (read, how, used) = Weights::read(&out).unwrap();
                prop_assert_eq!((&read, how, used), (&weights, description, len));
                let mut back = Vec::new();
                read.read_stream(&out[len..], literals.len(), &mut back).unwrap();
                prop_assert!(back == literals);
                if literals.len() >= 12 {
                    let (mut out, mut back) = (Vec::new(), Vec::new());
                    weights.write_streams(&literals, &mut out).unwrap();
                    weights.read_streams(&out, literals.len(), &mut back).unwrap();
                    prop_assert!(back == literals);
                }
            }
        }

        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some((weights, _, _)) = Weights::read(&bytes) {
                let _ = weights.read_stream(&bytes, 50, &mut Vec::new());
                let _ = weights.read_streams(&bytes, 50, &mut Vec::new());
            }
        }
    }
}
