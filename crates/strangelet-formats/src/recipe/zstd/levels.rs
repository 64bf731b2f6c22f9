//! What a level means: the search and its parameters, by the length of the content.

/// How an encoder searches for repetitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    Fast,
    Double,
    Greedy,
    Lazy,
    Lazy2,
    /// Lazy over sorted trees; here it is told as [`Strategy::Lazy2`].
    Tree,
    /// Weighs all ways; here it is told as [`Strategy::Lazy2`].
    Optimal,
}

/// The parameters of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parameters {
    pub window: u32,
    pub chain: u32,
    pub hash: u32,
    pub search: u32,
    pub shortest: u32,
    pub target: u32,
    pub strategy: Strategy,
    /// As before zstd 1.4.7: rare symbols always count less than once, chains end before the first place.
    pub old: bool,
}

/// A level, as it was at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    /// -128 to 22.
    pub level: i8,
    /// As before zstd 1.4.7.
    pub old: bool,
}

/// Levels there are rows for; those above have the last one.
pub(super) const LEVELS: i8 = 13;

impl Parameters {
    /// Those of a level for content of so many bytes.
    pub fn new(level: Level, len: usize) -> Parameters {
        let Level { level, old } = level;
        let rows = match len {
            0..=0x4000 => &UP_TO_16K,
            0x4001..=0x2_0000 => &UP_TO_128K,
            0x2_0001..=0x4_0000 => &UP_TO_256K,
            _ => &ABOVE,
        };
        let level = if level == 0 { 3 } else { level };
        let row = rows.get(usize::try_from(level.min(LEVELS)).unwrap_or(0)).unwrap_or(&ABOVE[0]);
        let &(window, chain, hash, search, shortest, target, strategy) = row;
        let target = if level < 0 { u32::from(level.unsigned_abs()) } else { target };
        let content = if len < 64 { 6 } else { (len - 1).ilog2() + 1 };
        let window = content.min(window);
        // A tree takes two cells a place.
        let cycle = chain - u32::from(matches!(strategy, Strategy::Tree | Strategy::Optimal));
        Parameters {
            window: window.max(10),
            chain: chain - cycle.saturating_sub(window),
            hash: hash.min(window + 1),
            search,
            shortest,
            target,
            strategy,
            old,
        }
    }

    /// The number that zstd gives to the strategy.
    pub fn number(&self) -> u8 {
        match self.strategy {
            Strategy::Fast => 1,
            Strategy::Double => 2,
            Strategy::Greedy => 3,
            Strategy::Lazy => 4,
            Strategy::Lazy2 => 5,
            Strategy::Tree => 6,
            Strategy::Optimal => 7,
        }
    }
}

type Row = (u32, u32, u32, u32, u32, u32, Strategy);

use Strategy::{Double, Fast, Greedy, Lazy, Lazy2, Optimal, Tree};

/// Rows: logarithms of window, chain and hash, logarithm of the attempts, shortest match, target, search. The
/// first is for levels below zero.
const ABOVE: [Row; 14] = [
    (19, 12, 13, 1, 6, 1, Fast),
    (19, 13, 14, 1, 7, 0, Fast),
    (20, 15, 16, 1, 6, 0, Fast),
    (21, 16, 17, 1, 5, 0, Double),
    (21, 18, 18, 1, 5, 0, Double),
    (21, 18, 19, 2, 5, 2, Greedy),
    (21, 19, 19, 3, 5, 4, Greedy),
    (21, 19, 19, 3, 5, 8, Lazy),
    (21, 19, 19, 3, 5, 16, Lazy2),
    (21, 19, 20, 4, 5, 16, Lazy2),
    (22, 20, 21, 4, 5, 16, Lazy2),
    (22, 21, 22, 4, 5, 16, Lazy2),
    (22, 21, 22, 5, 5, 16, Lazy2),
    (22, 21, 22, 5, 5, 32, Tree),
];
const UP_TO_256K: [Row; 14] = [
    (18, 12, 13, 1, 5, 1, Fast),
    (18, 13, 14, 1, 6, 0, Fast),
    (18, 14, 14, 1, 5, 0, Double),
    (18, 16, 16, 1, 4, 0, Double),
    (18, 16, 17, 2, 5, 2, Greedy),
    (18, 18, 18, 3, 5, 2, Greedy),
    (18, 18, 19, 3, 5, 4, Lazy),
    (18, 18, 19, 4, 4, 4, Lazy),
    (18, 18, 19, 4, 4, 8, Lazy2),
    (18, 18, 19, 5, 4, 8, Lazy2),
    (18, 18, 19, 6, 4, 8, Lazy2),
    (18, 18, 19, 5, 4, 12, Tree),
    (18, 19, 19, 7, 4, 12, Tree),
    (18, 18, 19, 4, 4, 16, Optimal),
];
const UP_TO_128K: [Row; 14] = [
    (17, 12, 12, 1, 5, 1, Fast),
    (17, 12, 13, 1, 6, 0, Fast),
    (17, 13, 15, 1, 5, 0, Fast),
    (17, 15, 16, 2, 5, 0, Double),
    (17, 17, 17, 2, 4, 0, Double),
    (17, 16, 17, 3, 4, 2, Greedy),
    (17, 17, 17, 3, 4, 4, Lazy),
    (17, 17, 17, 3, 4, 8, Lazy2),
    (17, 17, 17, 4, 4, 8, Lazy2),
    (17, 17, 17, 5, 4, 8, Lazy2),
    (17, 17, 17, 6, 4, 8, Lazy2),
    (17, 17, 17, 5, 4, 8, Tree),
    (17, 18, 17, 7, 4, 12, Tree),
    (17, 18, 17, 3, 4, 12, Optimal),
];
const UP_TO_16K: [Row; 14] = [
    (14, 12, 13, 1, 5, 1, Fast),
    (14, 14, 15, 1, 5, 0, Fast),
    (14, 14, 15, 1, 4, 0, Fast),
    (14, 14, 15, 2, 4, 0, Double),
    (14, 14, 14, 4, 4, 2, Greedy),
    (14, 14, 14, 3, 4, 4, Lazy),
    (14, 14, 14, 4, 4, 8, Lazy2),
    (14, 14, 14, 6, 4, 8, Lazy2),
    (14, 14, 14, 8, 4, 8, Lazy2),
    (14, 15, 14, 5, 4, 8, Tree),
    (14, 15, 14, 9, 4, 8, Tree),
    (14, 15, 14, 3, 4, 12, Optimal),
    (14, 15, 14, 4, 3, 24, Optimal),
    (14, 15, 14, 5, 3, 32, Optimal),
];
