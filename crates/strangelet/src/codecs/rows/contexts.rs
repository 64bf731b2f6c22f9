//! What a decision may depend on.
//!
//! # Bytes of a context
//! | bytes | what |
//! |---|---|
//! | 1 | bits 0-2: the part that changes with the cells before: 0 none, 1 the class before, 2 the two before, 3 the three before, 4 the key before (with a lag), 5 the class a row before; bits 3-5: the part that is known from the start: 0 none, 1 the level of a column, 2 the place in the list, 3 the level of a column of the event, 4 the place in the row, 5 how many digits the relation loses |
//! | 1 | 1, 2, 3: number of the needed stream (2: the lengths of the lists) |
//! | 1 | 3: number of the needed stream that holds the lengths |
//! | 1 | 1, 3: levels |
//! | varint | where bits 0-2 are 5 or bits 3-5 are 4: cells of a row, at most 4096 |

use crate::column::{Cells, Scalar};
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::model::levels::levels;

/// Most cells of a row.
pub const MAX_SIDE: usize = 1 << 12;

/// The part of a context that changes with the cells before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    None,
    /// So many classes before, 1 to 3.
    Classes(u8),
    /// The key before, without its low bits.
    Key,
    /// The class a row before.
    Side,
}

/// The part that is known from the start. Numbers are those of needed streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    None,
    /// The level of a column: its number, and how many levels.
    Column(u8, u8),
    /// The place in the list and how many come behind; the number is that of the lengths.
    Place(u8),
    /// The level of a column of the event: number, lengths, levels.
    Event(u8, u8, u8),
    /// The place in the row.
    Side,
    /// How many binary digits the relation loses.
    Loss,
}

/// A context: both parts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// What changes with the cells before.
    pub before: Before,
    /// What is known from the start.
    pub known: Known,
    /// Cells of a row, where one of the parts asks for it.
    pub side: u16,
}

impl Context {
    /// Appends the context.
    pub fn write(&self, out: &mut Vec<u8>) {
        let before = match self.before {
            Before::None => 0,
            Before::Classes(n) => n,
            Before::Key => 4,
            Before::Side => 5,
        };
        let (known, bytes) = match self.known {
            Known::None => (0, vec![]),
            Known::Column(n, l) => (1, vec![n, l]),
            Known::Place(n) => (2, vec![n]),
            Known::Event(n, lengths, l) => (3, vec![n, lengths, l]),
            Known::Side => (4, vec![]),
            Known::Loss => (5, vec![]),
        };
        out.push(before | known << 3);
        out.extend(bytes);
        if before == 5 || known == 4 {
            put(out, self.side.into());
        }
    }

    /// Reads a context that may name so many needed streams.
    pub fn read(c: &mut Cursor, needs: usize) -> Result<Context> {
        let bad = || corruption("rows: a context that does not exist");
        let head = c.byte()?;
        let before = match head & 7 {
            0 => Before::None,
            n @ 1..=3 => Before::Classes(n),
            4 => Before::Key,
            5 => Before::Side,
            _ => return Err(bad()),
        };
        let need =
            |c: &mut Cursor| c.byte().and_then(|n| (usize::from(n) < needs).then_some(n).ok_or_else(bad));
        let known = match head >> 3 {
            0 => Known::None,
            1 => Known::Column(need(c)?, c.byte()?),
            2 => Known::Place(need(c)?),
            3 => Known::Event(need(c)?, need(c)?, c.byte()?),
            4 => Known::Side,
            5 => Known::Loss,
            _ => return Err(bad()),
        };
        let side = if before == Before::Side || known == Known::Side { c.varint()? } else { 0 };
        if side > MAX_SIDE as u64 || (side == 0 && (before == Before::Side || known == Known::Side)) {
            return Err(bad());
        }
        Ok(Context { before, known, side: side as u16 })
    }
}

/// Contexts with their known parts worked out for each cell.
pub struct Prepared {
    items: Vec<(Context, Vec<u16>, u64)>,
    side: usize,
}

/// Place in the list (at most 15) and how many come behind (at most 15), for each cell.
pub fn places(lengths: &Cells, count: usize) -> Result<Vec<u16>> {
    let mut out = Vec::with_capacity(count.min(1 << 20));
    for (event, n) in (0..lengths.len()).map(|i| (i, lengths.get(i).unwrap_or(0))) {
        if n > (count - out.len()) as u64 {
            return Err(corruption(format!("rows: list {event} is too long")));
        }
        out.extend((0..n).map(|k| (k.min(15) << 4 | (n - 1 - k).min(15)) as u16));
    }
    if out.len() != count {
        return Err(corruption("rows: lists of another length"));
    }
    Ok(out)
}

/// Something of each event for each cell of its list.
pub fn spread(of_events: &[u8], lengths: &Cells, count: usize) -> Result<Vec<u16>> {
    if of_events.len() != lengths.len() {
        return Err(corruption("rows: a column of events of another length"));
    }
    let mut out = Vec::with_capacity(count.min(1 << 20));
    for (i, &x) in of_events.iter().enumerate() {
        let n = lengths.get(i).unwrap_or(0);
        if n > (count - out.len()) as u64 {
            return Err(corruption(format!("rows: list {i} is too long")));
        }
        out.extend(std::iter::repeat_n(u16::from(x), n as usize));
    }
    if out.len() != count {
        return Err(corruption("rows: lists of another length"));
    }
    Ok(out)
}

impl Prepared {
    /// Works out what is known from the start.
    pub fn new(
        contexts: &[Context],
        needs: &[(usize, Scalar)],
        needed: &[&Cells],
        losses: &[u8],
        count: usize,
    ) -> Result<Prepared> {
        let missing = || corruption("rows: a needed stream is missing");
        let get = |n: u8| -> Result<(&Cells, Scalar)> {
            let cells = needed.get(usize::from(n)).ok_or_else(missing)?;
            Ok((*cells, needs.get(usize::from(n)).ok_or_else(missing)?.1))
        };
        let mut items = Vec::new();
        let mut side = 0;
        for c in contexts {
            let (known, numbers) = match c.known {
                Known::None => (Vec::new(), 1),
                Known::Column(n, l) => {
                    let (cells, scalar) = get(n)?;
                    if cells.len() != count {
                        return Err(corruption("rows: a needed stream is of another length"));
                    }
                    (levels(cells, scalar, l.into()).into_iter().map(u16::from).collect(), 256)
                }
                Known::Place(n) => (places(get(n)?.0, count)?, 256),
                Known::Event(n, lengths, l) => {
                    let (cells, scalar) = get(n)?;
                    (spread(&levels(cells, scalar, l.into()), get(lengths)?.0, count)?, 256)
                }
                Known::Side => (Vec::new(), u64::from(c.side)),
                Known::Loss => (losses.iter().map(|&l| u16::from(l)).collect(), 32),
            };
            side = side.max(usize::from(c.side));
            items.push((*c, known, numbers));
        }
        let one = items.iter().all(|(c, ..)| c.side == 0 || usize::from(c.side) == side);
        if !one {
            return Err(corruption("rows: rows of two lengths"));
        }
        Ok(Prepared { items, side })
    }

    /// Number of contexts.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Cells of a row, 0 for none.
    pub fn side(&self) -> usize {
        self.side
    }

    /// How many numbers context `k` has.
    pub fn numbers(&self, k: usize, stride: usize) -> u64 {
        let Some((c, _, known)) = self.items.get(k) else { return 1 };
        let stride = stride as u64;
        known.saturating_mul(match c.before {
            Before::None => 1,
            Before::Classes(n) => stride.saturating_pow(n.into()),
            Before::Key => 1 << 40,
            Before::Side => stride,
        })
    }

    /// The number of context `k` for cell `i`.
    #[inline(always)]
    pub fn number(&self, k: usize, i: usize, ranks: &[u16; 3], key: u64, side: u16, stride: usize) -> u64 {
        let Some((c, known, numbers)) = self.items.get(k) else { return 0 };
        let known = match c.known {
            Known::Side => (i % usize::from(c.side).max(1)) as u64,
            _ => known.get(i).copied().map_or(0, u64::from),
        };
        let stride = stride as u64;
        let before = match c.before {
            Before::None => 0,
            Before::Classes(1) => ranks[0].into(),
            Before::Classes(2) => u64::from(ranks[0]) * stride + u64::from(ranks[1]),
            Before::Classes(_) => {
                (u64::from(ranks[0]) * stride + u64::from(ranks[1])) * stride + u64::from(ranks[2])
            }
            Before::Key => key.wrapping_mul(stride).wrapping_add(ranks[0].into()),
            Before::Side => side.into(),
        };
        before.wrapping_mul(*numbers).wrapping_add(known)
    }
}
