//! Symbols out of tables that learn by counting, through two interleaved states of a range asymmetric
//! numeral system.
//!
//! One trait serves both directions. The encoder notes what it codes and writes it from the back at the end.

use crate::error::{Result, corruption};

/// Sum of the frequencies of a table, as a power of two.
const SCALE: u32 = 15;
const ONE: u32 = 1 << SCALE;
const LOW: u32 = 1 << 16;
/// What a symbol adds to its count.
const STEP: u16 = 16;
/// Counts are halved from this sum on.
const FULL: u32 = 49_000;
/// Slots that share an entry of the first look.
const GLANCE: u32 = 9;
/// First looks.
const LOOKS: usize = 1 << (SCALE - GLANCE);
/// A table whose counts start even.
pub const EVEN: u8 = 255;
/// Counts at the start by the distance from a centre: 1 + 32 w^2 / (w^2 + d^2), w = 2 + centre / 16.
static BELLS: [[u16; 64]; 4] = bells();

const fn bells() -> [[u16; 64]; 4] {
    let mut bells = [[0; 64]; 4];
    let mut k = 0;
    while k < 4 {
        let (wide, mut d) = ((k as u32 + 2) * (k as u32 + 2), 0);
        while d < 64 {
            bells[k][d] = (1 + 32 * wide / (wide + (d * d) as u32)) as u16;
            d += 1;
        }
        k += 1;
    }
    bells
}

/// Symbols 0 .. n with counts, and frequencies made of the counts from time to time. `n` < `N`, `N` a power of two.
#[derive(Clone)]
#[repr(C)]
pub struct Table<const N: usize> {
    /// Symbols until the frequencies are made anew.
    left: u16,
    /// As many there were since they were made before.
    pace: u16,
    n: u8,
    centre: u8,
    /// The symbol at every 512th slot.
    first: [u8; LOOKS],
    /// Where the interval of each symbol starts; 2^15 from `n` on.
    starts: [u16; N],
    counts: [u16; N],
}

impl<const N: usize> Table<N> {
    /// One of `n` symbols (1 <= n < N), with counts that start even, or as a bell around `centre`.
    pub fn new(n: usize, centre: u8) -> Self {
        Table {
            starts: [0; N],
            counts: [0; N],
            first: [0; LOOKS],
            left: 0,
            pace: 0,
            n: n.clamp(1, N - 1) as u8,
            centre,
        }
    }

    /// Takes `n` symbols (n < N) from now on, if it took fewer: what is new has not come yet. Frequencies are made anew.
    pub fn widen(&mut self, n: usize) {
        self.n = self.n.max(n.clamp(1, N - 1) as u8);
        self.left = 0;
    }

    /// Makes the frequencies anew: every symbol has a slot, the rest goes by counts.
    #[cold]
    #[inline(never)]
    fn rebuild<const DECODING: bool>(&mut self) {
        let n = (self.n as usize).min(N - 1);
        if self.pace == 0 {
            let bell = BELLS.get(self.centre as usize / 16);
            for (i, c) in self.counts[..n].iter_mut().enumerate() {
                *c = bell.map_or(1, |bell| bell[i.abs_diff(self.centre as usize) & 63]);
            }
        }
        // Four quarters at once, as each sum waits for the one before.
        let quarter = N / 4;
        let (mut below, mut sums) = ([0u32; N], [0u32; 4]);
        for i in 0..quarter {
            for (q, sum) in sums.iter_mut().enumerate() {
                below[q * quarter + i] = *sum;
                *sum += self.counts[q * quarter + i] as u32;
            }
        }
        let mut total = 0;
        for (below, sum) in below.chunks_exact_mut(quarter).zip(sums) {
            below.iter_mut().for_each(|b| *b += total);
            total += sum;
        }
        let share = ((ONE - n as u32) << 16) / total.max(1);
        for (i, (start, &b)) in self.starts.iter_mut().zip(&below).enumerate() {
            *start = (i as u32 + ((b * share) >> 16)) as u16;
        }
        self.starts[n..].fill(ONE as u16);
        if DECODING {
            const PART: usize = LOOKS / 4;
            let mut first = [0u8; 2 * LOOKS];
            for (i, &start) in self.starts[..n].iter().enumerate() {
                first[(start as usize).div_ceil(1 << GLANCE) & (2 * LOOKS - 1)] = i as u8;
            }
            let mut most = [0u8; 4];
            for i in 0..PART {
                for (q, most) in most.iter_mut().enumerate() {
                    *most = (*most).max(first[q * PART + i]);
                    self.first[q * PART + i] = *most;
                }
            }
            let mut before = 0;
            for (part, most) in self.first.chunks_exact_mut(PART).zip(most) {
                part.iter_mut().for_each(|f| *f = (*f).max(before));
                before = before.max(most);
            }
        }
        if total > FULL {
            self.counts[..n].iter_mut().for_each(|c| *c -= *c / 2);
        }
        self.pace = (self.pace + self.pace / 2 + 2).min(1024);
        self.left = self.pace;
    }

    #[inline(always)]
    fn ready<const DECODING: bool>(&mut self) {
        if self.left == 0 {
            self.rebuild::<DECODING>();
        }
        self.left -= 1;
    }

    #[inline(always)]
    fn learn(&mut self, s: usize) {
        self.counts[s & (N - 1)] += STEP;
    }
}

/// Either direction.
pub trait Coder {
    /// Whether what is given gets written; else it is ignored.
    const ENCODING: bool;
    /// Codes a symbol of a table, which learns it.
    fn symbol<const N: usize>(&mut self, table: &mut Table<N>, s: usize) -> usize;
    /// Codes at most 15 bits as they are.
    fn bits(&mut self, value: u32, n: u32) -> u32;
    /// Whether the bytes ended long ago.
    fn exhausted(&self) -> bool;

    /// Codes a number, its class (with `m` bits behind the first) by a table.
    #[inline(always)]
    fn number<const N: usize>(&mut self, table: &mut Table<N>, m: u32, x: u32) -> u32 {
        let (s, _) = class(x, m);
        let s = self.symbol(table, s as usize) as u32;
        self.rest(s, m, x)
    }

    /// Codes what the class of a number leaves open.
    #[inline(always)]
    fn rest(&mut self, s: u32, m: u32, x: u32) -> u32 {
        if s < 2 << m {
            return s;
        }
        let n = ((s >> m) - 1).min(31);
        let head = (s & ((1 << m) - 1) | 1 << m) << n;
        let high = n.saturating_sub(15);
        let mut low = self.bits(x & ((1 << (n - high)) - 1), n - high);
        if high > 15 {
            low |= self.bits(x >> 15 & 0x7fff, 15) << 15;
            low |= self.bits(x >> 30 & 1, high - 15) << 30;
        } else if high > 0 {
            low |= self.bits(x >> 15 & ((1 << high) - 1), high) << 15;
        }
        head | low
    }
}

/// The class of a number: itself below 2^(m+1), then 2^m classes for each power of two. And how many bits it leaves open.
#[inline(always)]
pub fn class(x: u32, m: u32) -> (u32, u32) {
    let n = (31 - (x | 1 << m).leading_zeros()) - m;
    ((n << m) + (x >> n), n)
}

/// The most bits behind the first (up to `most`) with which numbers up to `x` have less than 63 classes.
pub fn fineness(x: u32, most: u32) -> u32 {
    (0..=most).rev().find(|&m| class(x, m).0 < 63).unwrap_or(0)
}

/// Notes what gets coded.
pub struct Encoder {
    /// Start (low half) and frequency (high half) of each symbol.
    notes: Vec<u32>,
}

impl Encoder {
    /// Nothing yet; room for some.
    pub fn new(room: usize) -> Self {
        Encoder { notes: Vec::with_capacity(room) }
    }

    /// Appends the stream.
    pub fn finish(self, out: &mut Vec<u8>) {
        let (mut a, mut b) = (LOW, LOW);
        let mut words: Vec<u16> = vec![0; self.notes.len() + 4];
        let mut at = words.len();
        let mut put = |x: &mut u32, note: u32| {
            let (start, freq) = (note & 0xffff, note >> 16);
            if *x as u64 >= (freq as u64) << (32 - SCALE) {
                at -= 1;
                words[at] = *x as u16;
                *x >>= 16;
            }
            *x = ((*x / freq) << SCALE) + *x % freq + start;
        };
        let (pairs, last) = self.notes.as_chunks::<2>();
        if let [last] = last {
            put(&mut a, *last);
        }
        for pair in pairs.iter().rev() {
            put(&mut b, pair[1]);
            put(&mut a, pair[0]);
        }
        for x in [b, a] {
            at -= 2;
            words[at] = x as u16;
            words[at + 1] = (x >> 16) as u16;
        }
        out.extend(words[at..].iter().flat_map(|w| w.to_le_bytes()));
    }
}

impl Coder for Encoder {
    const ENCODING: bool = true;

    #[inline(always)]
    fn symbol<const N: usize>(&mut self, table: &mut Table<N>, s: usize) -> usize {
        table.ready::<false>();
        let start = table.starts[s & (N - 1)];
        let freq = table.starts[(s + 1) & (N - 1)] - start;
        self.notes.push(start as u32 | (freq as u32) << 16);
        table.learn(s);
        s
    }

    #[inline(always)]
    fn bits(&mut self, value: u32, n: u32) -> u32 {
        self.notes.push(value << (SCALE - n) | 1 << (SCALE - n + 16));
        value
    }

    fn exhausted(&self) -> bool {
        false
    }
}

/// Reads a stream. Behind its end come zeros; any bytes give some symbols.
pub struct Decoder<'a> {
    a: u32,
    b: u32,
    bytes: &'a [u8],
    next: usize,
}

impl<'a> Decoder<'a> {
    /// From the first byte on.
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut d = Decoder { a: 0, b: 0, bytes, next: 0 };
        for _ in 0..2 {
            let x = d.word(d.next) | d.word(d.next + 2) << 16;
            d.next += 4;
            (d.a, d.b) = (d.b, x);
        }
        d
    }

    #[inline(always)]
    fn word(&self, at: usize) -> u32 {
        match self.bytes.get(at..at + 2) {
            Some(b) => u16::from_le_bytes([b[0], b[1]]) as u32,
            None => self.bytes.get(at).map_or(0, |&b| b as u32),
        }
    }

    /// Takes a symbol off the state whose turn it is.
    #[inline(always)]
    fn advance(&mut self, slot: u32, start: u32, freq: u32) {
        let x = freq * (self.a >> SCALE) + slot - start;
        let word = self.word(self.next);
        let short = x < LOW;
        self.next += 2 * short as usize;
        let x = if short { x << 16 | word } else { x };
        (self.a, self.b) = (self.b, x);
    }

    /// Whether the stream ended where and as it must.
    pub fn finish(self) -> Result<()> {
        match self.a == LOW && self.b == LOW && self.next == self.bytes.len() {
            true => Ok(()),
            false => Err(corruption("hits: the stream does not end as it must")),
        }
    }
}

impl Coder for Decoder<'_> {
    const ENCODING: bool = false;

    #[inline(always)]
    fn symbol<const N: usize>(&mut self, table: &mut Table<N>, _s: usize) -> usize {
        table.ready::<true>();
        let slot = self.a & (ONE - 1);
        let first = table.first[(slot >> GLANCE) as usize] as usize;
        let starts = |s: usize| table.starts[s.min(N - 1)] as u32;
        let over = |s: usize| (starts(s) <= slot) as usize;
        let mut s = first + (over(first + 1) + over(first + 2) + over(first + 3));
        while over(s + 1) > 0 {
            s += 1;
        }
        let (start, end) = (starts(s), starts(s + 1));
        self.advance(slot, start, end - start);
        table.learn(s);
        s
    }

    #[inline(always)]
    fn bits(&mut self, _value: u32, n: u32) -> u32 {
        let slot = self.a & (ONE - 1);
        let value = slot >> (SCALE - n);
        self.advance(slot, value << (SCALE - n), 1 << (SCALE - n));
        value
    }

    fn exhausted(&self) -> bool {
        self.next > self.bytes.len() + 64
    }
}
