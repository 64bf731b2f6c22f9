//! Keys: cells as unsigned integers whose order and nearness are those of the numbers.

use crate::column::{Cells, Scalar};

/// An unsigned word that holds a key: `u32` for cells of up to four bytes, `u64` for eight.
pub trait Word: Copy + Ord + Default + Send + Sync {
    /// Bits of the word.
    const BITS: u32;
    /// Widened.
    fn wide(self) -> u64;
    /// The low bits of a wide word.
    fn narrow(x: u64) -> Self;
    /// Words as cells of a width that they have room for.
    fn into_cells(words: Vec<Self>, width: usize) -> Cells;
}

impl Word for u32 {
    const BITS: u32 = 32;
    #[inline(always)]
    fn wide(self) -> u64 {
        self as u64
    }
    #[inline(always)]
    fn narrow(x: u64) -> u32 {
        x as u32
    }
    fn into_cells(words: Vec<u32>, width: usize) -> Cells {
        match width {
            1 => Cells::W1(words.iter().map(|&x| x as u8).collect()),
            2 => Cells::W2(words.iter().map(|&x| x as u16).collect()),
            4 => Cells::W4(words),
            _ => Cells::W8(words.iter().map(|&x| x as u64).collect()),
        }
    }
}

impl Word for u64 {
    const BITS: u32 = 64;
    #[inline(always)]
    fn wide(self) -> u64 {
        self
    }
    #[inline(always)]
    fn narrow(x: u64) -> u64 {
        x
    }
    fn into_cells(words: Vec<u64>, width: usize) -> Cells {
        match width {
            1 => Cells::W1(words.iter().map(|&x| x as u8).collect()),
            2 => Cells::W2(words.iter().map(|&x| x as u16).collect()),
            4 => Cells::W4(words.iter().map(|&x| x as u32).collect()),
            _ => Cells::W8(words),
        }
    }
}

/// How a bit pattern of `w` bits becomes a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Map {
    /// As it is.
    Plain = 0,
    /// Rotated left by one bit: the sign becomes the lowest bit, so that x and -x are neighbours.
    Rotated = 1,
    /// Top bit set: all bits flipped; not set: top bit flipped. Floats in their order.
    Ordered = 2,
    /// Top bit flipped: signed integers in their order.
    Offset = 3,
    /// A signed integer n as 2n, or -2n - 1 where it is negative.
    ZigZag = 4,
    /// A float that holds an integer of at most 2^24 (2^53 for eight bytes), as `ZigZag` of that integer.
    Integral = 5,
}

impl Map {
    /// All, by number.
    pub const ALL: [Map; 6] =
        [Map::Plain, Map::Rotated, Map::Ordered, Map::Offset, Map::ZigZag, Map::Integral];

    /// The map with a number.
    pub fn from_id(id: u8) -> Option<Map> {
        Self::ALL.get(id as usize).copied()
    }

    /// Whether the map can take cells of this type at all.
    pub fn fits(self, scalar: Scalar) -> bool {
        match self {
            Map::Integral => scalar.is_float(),
            _ => true,
        }
    }
}

/// A signed number as an unsigned one, small where it is near zero. `bits` is its width.
#[inline(always)]
pub fn zigzag(x: u64, bits: u32) -> u64 {
    let s = ((x << (64 - bits)) as i64) >> (64 - bits);
    let z = ((s << 1) ^ (s >> 63)) as u64;
    if bits == 64 { z } else { z & ((1 << bits) - 1) }
}

/// The inverse of [`zigzag`]; the bits above the width are copies of the sign.
#[inline(always)]
pub fn unzigzag(z: u64) -> u64 {
    (z >> 1) ^ (z & 1).wrapping_neg()
}

/// Runs an expression with `$m` a constant, for whichever map it is: its loops then need not ask again.
macro_rules! each_map {
    ($map:expr, $m:ident => $body:expr) => {
        match $map {
            Map::Plain => {
                const $m: Map = Map::Plain;
                $body
            }
            Map::Rotated => {
                const $m: Map = Map::Rotated;
                $body
            }
            Map::Ordered => {
                const $m: Map = Map::Ordered;
                $body
            }
            Map::Offset => {
                const $m: Map = Map::Offset;
                $body
            }
            Map::ZigZag | Map::Integral => {
                const $m: Map = Map::ZigZag;
                $body
            }
        }
    };
}

/// The key of a bit pattern of so many bits (not of [`Map::Integral`], which goes by the number it holds).
#[inline(always)]
pub fn forward_bits(x: u64, map: Map, bits: u32) -> u64 {
    let top = 1u64 << (bits - 1);
    let mask = top | (top - 1);
    match map {
        Map::Plain => x,
        Map::Rotated => (x << 1 | x >> (bits - 1)) & mask,
        Map::Ordered => {
            if x & top != 0 {
                !x & mask
            } else {
                x | top
            }
        }
        Map::Offset => x ^ top,
        Map::ZigZag | Map::Integral => zigzag(x, bits),
    }
}

#[inline(always)]
fn inverse_bits(k: u64, map: Map, bits: u32) -> u64 {
    let top = 1u64 << (bits - 1);
    let mask = top | (top - 1);
    match map {
        Map::Plain => k,
        Map::Rotated => (k >> 1 | k << (bits - 1)) & mask,
        Map::Ordered => {
            if k & top != 0 {
                k ^ top
            } else {
                !k & mask
            }
        }
        Map::Offset => k ^ top,
        Map::ZigZag | Map::Integral => unzigzag(k) & mask,
    }
}

/// Integer held by an f32, where it has one and comes back bit for bit.
#[inline(always)]
fn integer32(bits: u32) -> Option<u32> {
    let f = f32::from_bits(bits);
    let n = f as i32; // saturates, NaN gives 0
    (n.unsigned_abs() <= 1 << 24 && (n as f32).to_bits() == bits).then_some(n as u32)
}

#[inline(always)]
fn integer64(bits: u64) -> Option<u64> {
    let f = f64::from_bits(bits);
    let n = f as i64;
    (n.unsigned_abs() <= 1 << 53 && (n as f64).to_bits() == bits).then_some(n as u64)
}

/// Number of low bits that are zero in all cells; 0 where all cells are zero.
pub fn dead_bits(cells: &Cells) -> u32 {
    fn live<T: Copy + Into<u64>>(v: &[T]) -> u64 {
        v.iter().fold(0, |a, &x| a | x.into())
    }
    let live = crate::each_width!(cells, v => live(v));
    if live == 0 { 0 } else { live.trailing_zeros() }
}

/// Keys of cells of up to four bytes without their `dead` low bits, or `None` where the map does not
/// fit a value. There are no dead bits with [`Map::Integral`].
pub fn forward32(cells: &Cells, map: Map, dead: u32) -> Option<Vec<u32>> {
    if map == Map::Integral {
        return match cells {
            Cells::W4(v) => v.iter().map(|&x| integer32(x).map(|n| zigzag(n as u64, 32) as u32)).collect(),
            _ => None,
        };
    }
    fn all<T: Copy + Into<u64>>(v: &[T], map: Map, bits: u32, dead: u32) -> Vec<u32> {
        each_map!(map, M => v.iter().map(|&x| forward_bits(x.into() >> dead, M, bits - dead) as u32).collect())
    }
    match cells {
        Cells::W1(v) => Some(all(v, map, 8, dead)),
        Cells::W2(v) => Some(all(v, map, 16, dead)),
        Cells::W4(v) => Some(all(v, map, 32, dead)),
        Cells::W8(_) => None,
    }
}

/// The same for cells of eight bytes.
pub fn forward64(cells: &Cells, map: Map, dead: u32) -> Option<Vec<u64>> {
    let Cells::W8(v) = cells else { return None };
    match map {
        Map::Integral => v.iter().map(|&x| integer64(x).map(|n| zigzag(n, 64))).collect(),
        _ => each_map!(map, M => Some(v.iter().map(|&x| forward_bits(x >> dead, M, 64 - dead)).collect())),
    }
}

/// Cells of keys. Any keys give some cells. `dead` must be below the bits of a cell.
pub fn inverse<W: Word>(mut keys: Vec<W>, map: Map, dead: u32, scalar: Scalar) -> Cells {
    let bits = scalar.width() as u32 * 8;
    fn all<W: Word>(keys: &mut [W], back: impl Fn(u64) -> u64) {
        keys.iter_mut().for_each(|k| *k = W::narrow(back(k.wide())));
    }
    match (map, bits) {
        (Map::Integral, 32) => {
            all(&mut keys, |k| (inverse_bits(k, map, 32) as u32 as i32 as f32).to_bits() as u64)
        }
        (Map::Integral, 64) => all(&mut keys, |k| (inverse_bits(k, map, 64) as i64 as f64).to_bits()),
        _ => each_map!(map, M => all(&mut keys, |k| inverse_bits(k, M, bits - dead) << dead)),
    }
    W::into_cells(keys, scalar.width())
}

/// Where the keys of cells lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Least key.
    pub min: u64,
    /// Number of low bits in which all keys agree with it.
    pub shift: u32,
    /// Bits of the largest key in the frame.
    pub width: u32,
}

/// The frame of the keys of cells, or `None` where the map does not fit a value.
pub fn frame(cells: &Cells, map: Map, dead: u32) -> Option<Frame> {
    fn span<T: Copy>(v: &[T], key: impl Fn(T) -> u64) -> Frame {
        let min = v.iter().map(|&x| key(x)).min().unwrap_or_default();
        let live = v.iter().fold(0, |live, &x| live | (key(x) - min));
        let shift = if live == 0 { 0 } else { live.trailing_zeros() };
        Frame { min, shift, width: 64 - (live >> shift).leading_zeros() }
    }
    Some(match (map, cells) {
        (Map::Integral, Cells::W4(v)) => {
            let key = |x| integer32(x).map(|n| zigzag(n as u64, 32));
            if !v.iter().all(|&x| key(x).is_some()) {
                return None;
            }
            span(v, |x| key(x).unwrap_or_default())
        }
        (Map::Integral, Cells::W8(v)) => {
            let key = |x| integer64(x).map(|n| zigzag(n, 64));
            if !v.iter().all(|&x| key(x).is_some()) {
                return None;
            }
            span(v, |x| key(x).unwrap_or_default())
        }
        (Map::Integral, _) => return None,
        (_, Cells::W1(v)) => each_map!(map, M => span(v, |x| forward_bits(x as u64 >> dead, M, 8 - dead))),
        (_, Cells::W2(v)) => each_map!(map, M => span(v, |x| forward_bits(x as u64 >> dead, M, 16 - dead))),
        (_, Cells::W4(v)) => each_map!(map, M => span(v, |x| forward_bits(x as u64 >> dead, M, 32 - dead))),
        (_, Cells::W8(v)) => each_map!(map, M => span(v, |x| forward_bits(x >> dead, M, 64 - dead))),
    })
}

/// Moves keys into their frame.
pub fn into_frame<W: Word>(keys: &mut [W], min: u64, shift: u32) {
    if min != 0 || shift != 0 {
        keys.iter_mut().for_each(|k| *k = W::narrow((k.wide() - min) >> shift));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn maps_come_back(v: Vec<u64>, zeros in 0u32..64) {
            let v: Vec<u64> = v.iter().map(|x| x >> zeros << zeros).collect();
            for scalar in Scalar::ALL {
                let bytes: Vec<u8> = v.iter().flat_map(|x| x.to_le_bytes()[..scalar.width()].to_vec()).collect();
                let cells = Cells::from_le_bytes(scalar, &bytes).unwrap();
                for map in Map::ALL {
                    let dead = if map == Map::Integral { 0 } else { dead_bits(&cells) };
                    if let Some(k) = forward32(&cells, map, dead) {
                        prop_assert_eq!(&inverse(k, map, dead, scalar), &cells);
                    }
                    if let Some(k) = forward64(&cells, map, dead) {
                        prop_assert_eq!(&inverse(k, map, dead, scalar), &cells);
                    }
                }
            }
        }

        #[test]
        fn zigzags_come_back(x: u64) {
            prop_assert_eq!(unzigzag(zigzag(x, 64)), x);
            prop_assert_eq!(unzigzag(zigzag(x as u32 as u64, 32)) as u32, x as u32);
        }
    }

    #[test]
    fn floats_that_hold_integers() {
        let f = |v: &[f32]| Cells::W4(v.iter().map(|x| x.to_bits()).collect());
        assert_eq!(forward32(&f(&[0.0, -1.0, 3.0]), Map::Integral, 0), Some(vec![0, 1, 6]));
        assert_eq!(forward32(&f(&[-0.0]), Map::Integral, 0), None);
        assert_eq!(forward32(&f(&[f32::NAN]), Map::Integral, 0), None);
        assert_eq!(forward32(&f(&[0.5]), Map::Integral, 0), None);
    }

    #[test]
    fn the_order_of_floats_is_kept() {
        let v = [f32::NEG_INFINITY, -2.0, -1e-30, -0.0, 0.0, 1e-30, 1.0, f32::INFINITY];
        let k = forward32(&Cells::W4(v.iter().map(|x| x.to_bits()).collect()), Map::Ordered, 0).unwrap();
        assert!(k.is_sorted());
    }
}
