//! The decisions that tell what was as expected, and spell out what was not.

use strangelet::entropy::binary::BitCoder;
use strangelet::entropy::mix::Counter;
use strangelet::error::{Error, Result, corruption};

use super::block::{Codes, Literals, LiteralsForm, Table};
use super::fse::Distribution;
use super::huffman::{Description, Weights};

/// The error of all corrections that make no frame.
pub(super) fn broken() -> Error {
    corruption("zstd: the corrections do not fit the content")
}

/// A coder that always finds what was expected.
pub(super) struct Expected;

impl BitCoder for Expected {
    fn code(&mut self, _bit: bool, _p: u32) -> bool {
        true
    }
}

/// Decisions and their probabilities.
pub(super) struct Decisions<C> {
    pub coder: C,
    counters: Vec<Counter>,
    /// How often something was not as expected.
    pub surprises: usize,
}

/// Where the counters of a kind of decision start.
pub(super) mod site {
    pub const EXPECTED: usize = 0;
    pub const SEQUENCE: usize = 16;
    pub const PART: usize = 32;
    pub const BYTE: usize = 128;
    pub const NUMBER: usize = 512;
    pub const END: usize = NUMBER + 16 * 64;
}

/// What numbers are about.
#[derive(Clone, Copy)]
pub(super) enum About {
    Block,
    Run,
    Distance,
    Shorter,
    Weight,
    Count,
    Candidate,
}

impl<C: BitCoder> Decisions<C> {
    pub fn new(coder: C) -> Self {
        let mut counters = vec![Counter::starting(1 << 15, 0); site::END];
        if let Some(expected) = counters.get_mut(..site::PART) {
            expected.fill(Counter::starting(64_000, 12));
        }
        Decisions { coder, counters, surprises: 0 }
    }

    pub fn bit(&mut self, at: usize, bit: bool) -> bool {
        let Some(counter) = self.counters.get_mut(at) else { return bit };
        let bit = self.coder.code(bit, counter.p_coder());
        counter.update(bit, 127);
        bit
    }

    /// Whether something is as expected.
    pub fn expected(&mut self, at: usize, is: bool) -> bool {
        let is = self.bit(at, is);
        self.surprises += usize::from(!is);
        is
    }

    /// A few bits, high to low.
    pub fn bits(&mut self, at: usize, n: u32, value: u32) -> u32 {
        let mut known = 1;
        for i in (0..n).rev() {
            known = known << 1 | u32::from(self.bit(at + known as usize, value >> i & 1 == 1));
        }
        known - (1 << n)
    }

    /// A number below 2^28.
    pub fn number(&mut self, about: About, n: usize) -> usize {
        let base = site::NUMBER + about as usize * 64;
        let bits = (usize::BITS - n.leading_zeros()) as usize;
        let mut k = 0;
        while k < 28 && self.bit(base + k, k < bits) {
            k += 1;
        }
        let mut value = usize::from(k > 0);
        for i in (0..k.saturating_sub(1)).rev() {
            let bit = n >> i & 1 == 1;
            let bit = if k <= 3 { self.bit(base + 32 + value, bit) } else { self.coder.code(bit, 1 << 15) };
            value = value << 1 | usize::from(bit);
        }
        value
    }
}

/// A form of literals that is not as expected.
pub(super) fn spell_literals<C: BitCoder>(
    d: &mut Decisions<C>,
    actual: Option<&LiteralsForm>,
    expected: &LiteralsForm,
    old: bool,
) -> Result<LiteralsForm> {
    let kind = actual.map_or(0, |a| match a.literals {
        Literals::Raw => 0,
        Literals::Run => 1,
        Literals::Coded(..) => 2,
        Literals::Again => 3,
    });
    let kind = d.bits(site::PART + 40, 2, kind);
    let size = d.bits(site::PART + 44, 2, actual.map_or(0, |a| a.size.into())) as u8;
    let literals = match kind {
        0 => Literals::Raw,
        1 => Literals::Run,
        2 => {
            let usual = if let Literals::Coded(w, _) = &expected.literals { Some(w) } else { None };
            let (weights, how) = match actual.map(|a| &a.literals) {
                Some(Literals::Coded(w, how)) => (Some(w), Some(how)),
                _ => (None, None),
            };
            let weights = spell_weights(d, weights, usual)?;
            Literals::Coded(weights.clone(), spell_description(d, how, &weights, old)?)
        }
        _ => Literals::Again,
    };
    Ok(LiteralsForm { literals, size })
}

fn spell_weights<C: BitCoder>(
    d: &mut Decisions<C>,
    actual: Option<&Weights>,
    usual: Option<&Weights>,
) -> Result<Weights> {
    if let Some(usual) = usual
        && d.bit(site::PART + 48, actual == Some(usual))
    {
        return Ok(usual.clone());
    }
    let given = actual.map_or(&[][..], |w| &w.0);
    let n = d.bits(site::BYTE, 8, given.len().saturating_sub(1) as u32) as usize + 1;
    let mut weights = Vec::with_capacity(n);
    for i in 0..n {
        let value = given.get(i).copied().unwrap_or(0);
        let guess = usual.and_then(|u| u.0.get(i)).copied();
        if let Some(guess) = guess
            && d.bit(site::PART + 49, value == guess)
        {
            weights.push(guess);
        } else {
            weights.push(d.number(About::Weight, value.into()).min(255) as u8);
        }
    }
    let weights = Weights(weights);
    weights.log().ok_or_else(broken)?;
    Ok(weights)
}

fn spell_description<C: BitCoder>(
    d: &mut Decisions<C>,
    actual: Option<&Description>,
    weights: &Weights,
    old: bool,
) -> Result<Description> {
    let usual = weights.usual(old);
    if let Some(usual) = &usual
        && d.bit(site::PART + 50, actual == Some(usual))
    {
        return Ok(usual.clone());
    }
    if d.bit(site::PART + 51, actual == Some(&Description::Plain)) {
        return Ok(Description::Plain);
    }
    let actual = if let Some(Description::Coded(table)) = actual { Some(table) } else { None };
    let usual = if let Some(Description::Coded(table)) = &usual { Some(table) } else { None };
    Ok(Description::Coded(spell_distribution(d, actual, usual, 13, 6)?))
}

/// A table that is not as expected.
pub(super) fn spell_table<C: BitCoder>(
    d: &mut Decisions<C>,
    kind: Codes,
    actual: Option<&Table>,
    expected: &Table,
) -> Result<Table> {
    let number = actual.map_or(0, |t| match t {
        Table::Fixed => 0,
        Table::Single => 1,
        Table::Own(_) => 2,
        Table::Again => 3,
    });
    Ok(match d.bits(site::PART + 52, 2, number) {
        0 => Table::Fixed,
        1 => Table::Single,
        2 => {
            let actual = if let Some(Table::Own(table)) = actual { Some(table) } else { None };
            let usual = if let Table::Own(table) = expected { Some(table) } else { None };
            Table::Own(spell_distribution(d, actual, usual, kind.symbols(), kind.most_log())?)
        }
        _ => Table::Again,
    })
}

fn spell_distribution<C: BitCoder>(
    d: &mut Decisions<C>,
    actual: Option<&Distribution>,
    usual: Option<&Distribution>,
    most_symbols: usize,
    most_log: u32,
) -> Result<Distribution> {
    let log = d.bits(site::PART + 56, 4, actual.map_or(0, |a| a.log));
    if !(5..=most_log).contains(&log) {
        return Err(broken());
    }
    let (mut left, mut counts) = (1i32 << log, Vec::new());
    while left > 0 && counts.len() < most_symbols {
        let value = actual.and_then(|a| a.counts.get(counts.len())).copied().unwrap_or(0);
        let guess = usual.map(|u| u.counts.get(counts.len()).copied().unwrap_or(0));
        let count = match guess {
            Some(guess) if d.bit(site::PART + 72, value == guess) => guess,
            _ => (d.number(About::Count, (value + 1) as usize).min(1 << 10) as i16) - 1,
        };
        left -= i32::from(count).abs();
        counts.push(count);
    }
    let made = Distribution { log, counts };
    if made.valid(most_symbols, most_log) { Ok(made) } else { Err(broken()) }
}
