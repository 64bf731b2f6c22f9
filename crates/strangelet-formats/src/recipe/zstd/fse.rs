//! Tabled entropy coding (FSE): distributions, their description, their tables.

use super::bits::{Reader, Writer};

/// Least logarithm of a table's size.
const LEAST_LOG: u32 = 5;

/// How often each symbol stands in a table of 2^log states; -1 for less than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Distribution {
    pub log: u32,
    /// The last one is not zero.
    pub counts: Vec<i16>,
}

impl Distribution {
    /// Nothing but one symbol.
    pub fn single(symbol: u8) -> Distribution {
        let mut counts = vec![0; usize::from(symbol) + 1];
        counts[usize::from(symbol)] = 1;
        Distribution { log: 0, counts }
    }

    /// A fixed one.
    pub fn fixed(log: u32, counts: &[i16]) -> Distribution {
        Distribution { log, counts: counts.to_vec() }
    }

    /// Whether the counts fill the table.
    pub fn valid(&self, most_symbols: usize, most_log: u32) -> bool {
        let sum: i64 = self.counts.iter().map(|&c| i64::from(c).abs()).sum();
        self.log <= most_log
            && self.counts.len() <= most_symbols
            && self.counts.iter().all(|&c| c >= -1)
            && self.counts.last().is_some_and(|&c| c != 0)
            && sum == 1 << self.log
    }

    /// Whether a symbol is in the table.
    pub fn has(&self, symbol: usize) -> bool {
        self.counts.get(symbol).is_some_and(|&c| c != 0)
    }

    /// Reads a description; also tells its bytes.
    pub fn read(bytes: &[u8], most_symbols: usize, most_log: u32) -> Option<(Distribution, usize)> {
        let bits = |at: usize, n: u32| -> u32 {
            let mut word = [0; 8];
            for (to, &b) in word.iter_mut().zip(bytes.get(at / 8..).unwrap_or_default()) {
                *to = b;
            }
            (u64::from_le_bytes(word) >> (at % 8)) as u32 & ((1 << n) - 1)
        };
        let log = LEAST_LOG + bits(0, 4);
        if log > most_log {
            return None;
        }
        let (mut at, mut left, mut counts) = (4, 1i32 << log, Vec::new());
        while left > 0 {
            // Values up to `left` + 1; the lower ones have a bit less.
            let n = u32::BITS - (left + 1).leading_zeros();
            let low = (1 << n) - 2 - left;
            let short = bits(at, n - 1) as i32;
            let value = if short < low {
                at += n as usize - 1;
                short
            } else {
                let long = bits(at, n) as i32;
                at += n as usize;
                if long >= 1 << (n - 1) { long - low } else { long }
            };
            let count = value - 1;
            left -= count.abs();
            counts.push(count as i16);
            while count == 0 && counts.last() == Some(&0) {
                let more = bits(at, 2);
                at += 2;
                counts.extend((0..more).map(|_| 0));
                if more < 3 || counts.len() > most_symbols {
                    break;
                }
            }
            if counts.len() > most_symbols || at > bytes.len() * 8 {
                return None;
            }
        }
        let made = Distribution { log, counts };
        (left == 0 && made.valid(most_symbols, most_log)).then_some((made, at.div_ceil(8)))
    }

    /// Writes the description.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.put(self.log.wrapping_sub(LEAST_LOG), 4);
        let mut left = 1i32 << self.log;
        let mut symbols = self.counts.iter().copied().peekable();
        while let Some(count) = symbols.next() {
            if left <= 0 {
                break;
            }
            let n = u32::BITS - (left + 1).leading_zeros();
            let low = (1 << n) - 2 - left;
            let value = i32::from(count) + 1;
            if value < low {
                writer.put(value as u32, n - 1);
            } else if value < 1 << (n - 1) {
                writer.put(value as u32, n);
            } else {
                writer.put((value + low) as u32, n);
            }
            left -= i32::from(count).abs();
            if count == 0 {
                let mut zeros = 0;
                while symbols.next_if_eq(&0).is_some() {
                    zeros += 1;
                }
                for _ in 0..zeros / 3 {
                    writer.put(3, 2);
                }
                writer.put(zeros % 3, 2);
            }
        }
        writer.end();
    }

    /// The symbol of each state.
    fn spread(&self) -> Vec<u8> {
        let size = 1usize << self.log;
        let mut symbols = vec![0; size];
        let mut high = size;
        for (s, _) in self.counts.iter().enumerate().filter(|(_, c)| **c < 0) {
            high = high.saturating_sub(1);
            if let Some(slot) = symbols.get_mut(high) {
                *slot = s as u8;
            }
        }
        let (mut at, step) = (0, (size >> 1) + (size >> 3) + 3);
        for (s, &count) in self.counts.iter().enumerate() {
            for _ in 0..count {
                if let Some(slot) = symbols.get_mut(at) {
                    *slot = s as u8;
                }
                loop {
                    at = (at + step) & (size - 1);
                    if at < high || high == 0 {
                        break;
                    }
                }
            }
        }
        symbols
    }

    /// The table of a decoder.
    pub fn decoding(&self) -> Decoding {
        let mut next: Vec<u32> = self.counts.iter().map(|&c| u32::from(c.unsigned_abs())).collect();
        let cells = self.spread().into_iter().map(|symbol| {
            let x = next.get_mut(usize::from(symbol)).map_or(1, |n| {
                *n += 1;
                *n - 1
            });
            let bits = self.log - x.max(1).ilog2();
            Cell { symbol, bits: bits as u8, base: (x << bits).wrapping_sub(1 << self.log) as u16 }
        });
        Decoding { log: self.log, cells: cells.collect() }
    }

    /// The table of an encoder.
    pub fn encoding(&self) -> Encoding {
        let size = 1u32 << self.log;
        let mut starts = Vec::with_capacity(self.counts.len());
        let mut total = 0u32;
        for &count in &self.counts {
            starts.push(total);
            total += u32::from(count.unsigned_abs());
        }
        let mut next = starts.clone();
        let mut states = vec![0; size as usize];
        for (u, &symbol) in self.spread().iter().enumerate() {
            if let Some(n) = next.get_mut(usize::from(symbol)) {
                if let Some(state) = states.get_mut(*n as usize) {
                    *state = size as u16 + u as u16;
                }
                *n += 1;
            }
        }
        let steps = self.counts.iter().zip(&starts).map(|(&count, &start)| {
            let count = u32::from(count.unsigned_abs());
            if count < 2 {
                Step { bits: (self.log << 16).wrapping_sub(size), from: start as i32 - 1 }
            } else {
                let most = self.log - (count - 1).ilog2();
                Step { bits: (most << 16).wrapping_sub(count << most), from: start as i32 - count as i32 }
            }
        });
        Encoding { log: self.log, states, steps: steps.collect() }
    }

    /// The distribution of symbols that occur so often, by zstd's rules; `rare` is what stands for less
    /// than once in the table: -1 or 1. None where only one symbol occurs, or none can be made.
    pub fn of(counts: &[u32], log: u32, rare: i16) -> Option<Distribution> {
        let total: u64 = counts.iter().map(|&c| u64::from(c)).sum();
        if total == 0 || counts.iter().any(|&c| u64::from(c) == total) {
            return None;
        }
        /// From which fraction (of 2^20) on a small share is rounded up.
        const UP: [u64; 8] = [0, 473_195, 504_333, 520_860, 550_000, 700_000, 750_000, 830_000];
        let scale = 62 - log;
        let step = (1u64 << 62) / total;
        let low = total >> log;
        let mut left = 1i32 << log;
        let (mut largest, mut most) = (0, 0);
        let mut shares = vec![0i16; counts.len()];
        for (s, (&count, to)) in counts.iter().zip(&mut shares).enumerate() {
            let count = u64::from(count);
            if count == 0 {
                continue;
            }
            if count <= low {
                *to = rare;
                left -= 1;
                continue;
            }
            let exact = count.checked_mul(step)?;
            let mut share = exact >> scale;
            if let Some(up) = UP.get(share as usize) {
                share += u64::from(exact - (share << scale) > (1u64 << (scale - 20)) * up);
            }
            let share = share as i16;
            if share > most {
                (largest, most) = (s, share);
            }
            *to = share;
            left -= i32::from(share);
        }
        if -left >= i32::from(*shares.get(largest)?) >> 1 {
            shares = second(counts, total, log, rare)?;
        } else {
            *shares.get_mut(largest)? += left as i16;
        }
        while shares.last() == Some(&0) {
            shares.pop();
        }
        let made = Distribution { log, counts: shares };
        made.valid(256, 12).then_some(made)
    }
}

/// zstd's other way to share a table, where the first one overran it.
fn second(counts: &[u32], total: u64, log: u32, rare: i16) -> Option<Vec<i16>> {
    const OPEN: i16 = i16::MIN;
    let mut total = total;
    let low = total >> log;
    let mut one = (total * 3) >> (log + 1);
    let mut done = 0u64;
    let mut shares = Vec::with_capacity(counts.len());
    for &count in counts {
        let count = u64::from(count);
        shares.push(match count {
            0 => 0,
            _ if count <= low => rare,
            _ if count <= one => 1,
            _ => OPEN,
        });
        if count > 0 && count <= one.max(low) {
            done += 1;
            total -= count;
        }
    }
    let mut left = (1u64 << log).checked_sub(done)?;
    if left == 0 {
        return Some(shares);
    }
    if total / left > one {
        one = total * 3 / (left * 2);
        for (share, &count) in shares.iter_mut().zip(counts) {
            if *share == OPEN && u64::from(count) <= one {
                *share = 1;
                done += 1;
                total -= u64::from(count);
            }
        }
        left = (1u64 << log).checked_sub(done)?;
    }
    if done == counts.len() as u64 {
        let most = *counts.iter().max()?;
        let first = counts.iter().position(|&c| c == most)?;
        *shares.get_mut(first)? += left as i16;
        return Some(shares);
    }
    if total == 0 {
        if !shares.iter().any(|&s| s > 0) {
            return None;
        }
        let mut s = 0;
        while left > 0 {
            let share = shares.get_mut(s)?;
            if *share > 0 {
                left -= 1;
                *share += 1;
            }
            s = (s + 1) % counts.len();
        }
        return Some(shares);
    }
    let scale = 62 - log;
    let middle = (1u64 << (scale - 1)) - 1;
    let step = ((left << scale) + middle) / total;
    let mut at = middle;
    for (share, &count) in shares.iter_mut().zip(counts).filter(|(s, _)| **s == OPEN) {
        let end = at.checked_add(u64::from(count).checked_mul(step)?)?;
        let wide = (end >> scale) - (at >> scale);
        *share = i16::try_from(wide).ok().filter(|&w| w > 0)?;
        at = end;
    }
    Some(shares)
}

/// The logarithm of the table's size that zstd takes for `total` symbols, the greatest of them `last`.
pub(super) fn log_for(most: u32, total: usize, last: usize, minus: u32) -> u32 {
    let high = |n: usize| n.max(1).ilog2();
    let source = high(total.saturating_sub(1)).saturating_sub(minus);
    let least = (high(total) + 1).min(high(last) + 2);
    most.min(source).max(least).clamp(LEAST_LOG, 12)
}

/// A cell of a decoder's table.
#[derive(Clone, Copy, Default)]
pub(super) struct Cell {
    pub symbol: u8,
    pub bits: u8,
    pub base: u16,
}

/// A decoder's table.
pub(super) struct Decoding {
    log: u32,
    cells: Vec<Cell>,
}

impl Decoding {
    /// The first state.
    pub fn start(&self, reader: &mut Reader) -> Option<u32> {
        reader.take(self.log)
    }

    pub fn cell(&self, state: u32) -> Cell {
        self.cells.get(state as usize).copied().unwrap_or_default()
    }

    /// The next state. None where the bits do not reach.
    pub fn next(&self, state: u32, reader: &mut Reader) -> Option<u32> {
        let cell = self.cell(state);
        Some(u32::from(cell.base) + reader.take(cell.bits.into())?)
    }
}

/// What a symbol does to the state of an encoder.
#[derive(Clone, Copy)]
struct Step {
    bits: u32,
    from: i32,
}

/// An encoder's table.
pub(super) struct Encoding {
    log: u32,
    states: Vec<u16>,
    steps: Vec<Step>,
}

impl Encoding {
    fn state(&self, high: u32, step: Step) -> u32 {
        let at = (high as i32).wrapping_add(step.from);
        usize::try_from(at).ok().and_then(|at| self.states.get(at)).copied().unwrap_or(1).into()
    }

    /// A state from which the symbol follows, of those that need the fewest bits.
    pub fn start(&self, symbol: u8) -> u32 {
        let step = self.step(symbol);
        let bits = step.bits.wrapping_add(1 << 15) >> 16;
        let value = (bits << 16).wrapping_sub(step.bits);
        self.state(value.checked_shr(bits).unwrap_or(0), step)
    }

    fn step(&self, symbol: u8) -> Step {
        self.steps.get(usize::from(symbol)).copied().unwrap_or(Step { bits: 0, from: 0 })
    }

    /// Writes what leads to the state of before, and gives one from which the symbol follows.
    pub fn put(&self, writer: &mut Writer, state: u32, symbol: u8) -> u32 {
        let step = self.step(symbol);
        let bits = (state.wrapping_add(step.bits) >> 16).min(16);
        writer.put(state, bits);
        self.state(state >> bits, step)
    }

    /// Writes the last state.
    pub fn end(&self, writer: &mut Writer, state: u32) {
        writer.put(state, self.log);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn descriptions_come_back(counts in prop::collection::vec(prop_oneof![Just(0u32), 1u32..2000], 2..53), more in 0u32..5, rare in any::<bool>()) {
            let total: u32 = counts.iter().sum();
            prop_assume!(counts.iter().filter(|c| **c > 0).count() > 1);
            let last = counts.iter().rposition(|&c| c > 0).unwrap();
            let log = log_for(9, total as usize, last, 2).max(6 + more.min(3));
            if let Some(made) = Distribution::of(&counts, log, if rare { -1 } else { 1 }) {
                let mut bytes = Vec::new();
                made.write(&mut bytes);
                let len = bytes.len();
                bytes.extend([0xff; 3]);
                let (read, used) = Distribution::read(&bytes, 53, 9).unwrap();
                prop_assert_eq!((&read, used), (&made, len));
                // Every symbol that occurs can be coded.
                let (table, back) = (made.encoding(), made.decoding());
                let symbols: Vec<u8> = (0..counts.len() as u8).filter(|&s| made.has(s.into())).collect();
                let mut out = Vec::new();
                let mut writer = Writer::new(&mut out);
                let mut state = table.start(*symbols.last().unwrap());
                for &s in symbols.iter().rev().skip(1) {
                    state = table.put(&mut writer, state, s);
                }
                table.end(&mut writer, state);
                writer.close();
                let mut reader = Reader::new(&out).unwrap();
                let mut state = back.start(&mut reader).unwrap();
                for (i, &s) in symbols.iter().enumerate() {
                    prop_assert_eq!(back.cell(state).symbol, s);
                    if i + 1 < symbols.len() {
                        state = back.next(state, &mut reader).unwrap();
                    }
                }
                prop_assert_eq!(reader.left, 0);
            }
        }

        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some((made, _)) = Distribution::read(&bytes, 53, 9) {
                made.decoding();
                made.encoding();
            }
        }
    }
}
