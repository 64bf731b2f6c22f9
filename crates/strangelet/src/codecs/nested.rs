//! Nested: rows of text that name each other by their MD5 sum, told in the order in which they do.
//!
//! # What it does
//! Where a row holds the sum of another one as 32 digits, a mark takes their place. The rows follow each other as they are
//! named first, so that a row stands behind the one that uses it, and nobody has to say which one is meant. The
//! reader makes the rows from the innermost on and writes their sums into those around them.
//!
//! # When it wins
//! CMS keeps the configuration of all programs that a file has gone through as thousands of parameter sets, each
//! naming those inside of it by their sum: 16 bytes each time that no model can foretell, and rows in the order
//! of a hash table, so that like does not stand with like.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | varint | number of the stream that holds the lengths of the rows |
//! | 1, 1 | two different bytes: new mark, old mark |
//! | varint | bytes of the text |
//! | varint, .. | bytes of the order, and the order |
//! | 1, to the end | number of the text's codec (one that needs no other stream), its payload |
//!
//! **Text**: rows in the order below. The new mark stands for the sum of a row that was not named before; rows are
//! numbered as they are named. The old mark and three digits c (each the byte 0x30 + c, the highest first, base 64)
//! stand for the sum of the row with that number. Any other byte stands for itself. A row ends where its length,
//! with 32 for a sum, is reached.
//!
//! **Order of the rows**: a stack. If it is empty, the next number is given to a row that nobody names; it comes next.
//! Else the row on top does. What it names anew is numbered as it appears and then put on the stack, the last
//! first.
//!
//! **The order** is the place of each of these rows among the rows of the stream that have not come yet: x of m,
//! bits of `entropy/binary.rs`: from low = 0 and high = m on, while high - low > 1: middle = low + (high - low) / 2
//! rounded down; a decision whether x >= middle, with the probability ((high - middle) * 65536) / (high - low)
//! rounded down, within 1 ..= 65535; then low or high becomes middle.
//!
//! A sum is written as lower-case hexadecimal digits.
//!
//! # Determinism
//! Integers only.
//!
//! # References
//! R. Rivest, The MD5 Message-Digest Algorithm, RFC 1321. CMS: `FWCore/ParameterSet`, `ParameterSetID`.

use crate::codec::{Codec, Level, Role, Shape, Stream};
use crate::column::{Cells, Meaning, Scalar};
use crate::entropy::binary::{BitCoder, Decoder, Encoder};
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use md5::{Digest as _, Md5};
use std::collections::HashMap;

/// Rows told inside of each other.
pub struct Nested;

/// Digits of a sum.
const SUM: usize = 32;
/// Most rows, so that three digits are enough.
const MOST: usize = 1 << 18;
/// Fewest names that are worth it.
const FEWEST: usize = 16;

type Sum = [u8; SUM];

fn sum_of(row: &[u8]) -> Sum {
    let digit = |d: u8| if d < 10 { b'0' + d } else { b'a' + d - 10 };
    let mut out = [0; SUM];
    for (to, b) in out.as_chunks_mut::<2>().0.iter_mut().zip(Md5::digest(row)) {
        *to = [digit(b >> 4), digit(b & 15)];
    }
    out
}

/// Places of runs of just as many digits as a sum has.
fn sums_in(row: &[u8]) -> Vec<usize> {
    let digit = |i: usize| row.get(i).is_some_and(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut found = Vec::new();
    // Each such run holds the last byte of a piece of that length.
    let mut at = SUM - 1;
    while at < row.len() {
        if digit(at) {
            let first = (0..at).rev().take(SUM).take_while(|&i| digit(i)).last().unwrap_or(at);
            let len = (first..).take(SUM + 1).take_while(|&i| digit(i)).count();
            if len == SUM && (first == 0 || !digit(first - 1)) {
                found.push(first);
            }
        }
        at += SUM;
    }
    found
}

/// Rows of so many bytes each, if they are all there is.
fn rows_of<'a>(bytes: &'a [u8], lengths: &[u32]) -> Option<Vec<&'a [u8]>> {
    let mut rest = bytes;
    let mut rows = Vec::with_capacity(lengths.len());
    for &n in lengths {
        let (row, behind) = rest.split_at_checked(n as usize)?;
        rows.push(row);
        rest = behind;
    }
    rest.is_empty().then_some(rows)
}

/// What is still to come of so many.
struct Left {
    /// Sums over ranges: entry i over the i & -i numbers up to i.
    tree: Vec<u32>,
    left: usize,
}

impl Left {
    fn new(n: usize) -> Left {
        Left { tree: (0..=n).map(|i| (i & i.wrapping_neg()) as u32).collect(), left: n }
    }

    /// How many before number `x` are left.
    fn rank(&self, x: usize) -> usize {
        let (mut i, mut sum) = (x, 0);
        while i > 0 {
            sum += self.tree[i] as usize;
            i &= i - 1;
        }
        sum
    }

    /// The number before which `rank` are left, and which is itself.
    fn number(&self, mut rank: usize) -> usize {
        let mut at = 0;
        let mut step = self.tree.len().next_power_of_two();
        while step > 0 {
            if let Some(&n) = self.tree.get(at + step)
                && n as usize <= rank
            {
                rank -= n as usize;
                at += step;
            }
            step /= 2;
        }
        at
    }

    fn take(&mut self, x: usize) {
        let mut i = x + 1;
        while let Some(n) = self.tree.get_mut(i) {
            *n -= 1;
            i += i & i.wrapping_neg();
        }
        self.left -= 1;
    }

    /// Codes one of what is left, and takes it.
    fn code<C: BitCoder>(&mut self, c: &mut C, x: usize) -> usize {
        let want = self.rank(x);
        let (mut low, mut high) = (0, self.left);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let p = (((high - middle) << 16) / (high - low)).clamp(1, 65535) as u32;
            match c.code(want >= middle, p) {
                true => low = middle,
                false => high = middle,
            }
        }
        let x = self.number(low);
        self.take(x);
        x
    }
}

/// What a decoder must know beside the text.
pub struct Head {
    marks: [u8; 2],
    order: Vec<u8>,
}

/// Takes a stream apart, where enough of it are sums of its own rows: a text that is to be coded by whatever suits
/// it, and the rest.
pub fn take_apart(stream: &Stream) -> Option<(Vec<u8>, Head)> {
    let (Role::Values(Meaning::Bytes | Meaning::Text), Cells::W1(bytes), Some(lengths)) =
        (stream.role, stream.cells, stream.lists)
    else {
        return None;
    };
    if bytes.len() < FEWEST * SUM || lengths.len() < 2 || lengths.len() > MOST {
        return None;
    }
    let rows = rows_of(bytes, lengths)?;
    let places: Vec<Vec<usize>> = rows.iter().map(|row| sums_in(row)).collect();
    if places.iter().map(Vec::len).sum::<usize>() < FEWEST {
        return None;
    }
    let mut known = HashMap::new();
    for (i, row) in rows.iter().enumerate() {
        known.entry(sum_of(row)).or_insert(i);
    }
    // What each row names, and where.
    let names: Vec<Vec<(usize, usize)>> = places
        .iter()
        .zip(&rows)
        .map(|(at, row)| at.iter().filter_map(|&p| Some((p, *known.get(&row[p..p + SUM])?))).collect())
        .collect();
    let all: usize = names.iter().map(Vec::len).sum();
    if all < FEWEST || all * SUM < bytes.len() / 64 {
        return None;
    }
    let mut used = [false; 256];
    bytes.iter().for_each(|&b| used[usize::from(b)] = true);
    let mut free = (1..=255u8).rev().filter(|&b| !used[usize::from(b)]);
    let marks = [free.next()?, free.next()?];
    let mut named = vec![false; rows.len()];
    names.iter().flatten().for_each(|n| named[n.1] = true);
    // Rows that nobody names; behind them, should there be circles, all others.
    let roots = (0..rows.len()).filter(|&i| !named[i]).chain((0..rows.len()).filter(|&i| named[i]));
    let mut numbers: Vec<Option<usize>> = vec![None; rows.len()];
    let mut next = 0;
    let mut number = |i: usize, numbers: &mut [Option<usize>]| {
        numbers[i] = Some(next);
        next += 1;
    };
    let (mut text, mut coder, mut left) = (Vec::new(), Encoder::new(), Left::new(rows.len()));
    for root in roots {
        if numbers[root].is_some() {
            continue;
        }
        number(root, &mut numbers);
        let mut stack = vec![root];
        while let Some(i) = stack.pop() {
            left.code(&mut coder, i);
            let (mut at, below) = (0, stack.len());
            for &(place, j) in &names[i] {
                text.extend_from_slice(&rows[i][at..place]);
                at = place + SUM;
                match numbers[j] {
                    Some(n) => {
                        text.push(marks[1]);
                        text.extend([12, 6, 0].map(|s| 0x30 + (n >> s & 63) as u8));
                    }
                    None => {
                        text.push(marks[0]);
                        number(j, &mut numbers);
                        stack.push(j);
                    }
                }
            }
            text.extend_from_slice(&rows[i][at..]);
            stack[below..].reverse();
        }
    }
    Some((text, Head { marks, order: coder.finish() }))
}

impl Head {
    /// The payload, with the number of the stream of the rows' lengths, the bytes of the text and what that was
    /// coded to.
    pub fn payload(&self, lengths: usize, count: usize, text: &(u8, Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, lengths as u64);
        out.extend(self.marks);
        put(&mut out, count as u64);
        put(&mut out, self.order.len() as u64);
        out.extend_from_slice(&self.order);
        out.push(text.0);
        out.extend_from_slice(&text.1);
        out
    }
}

/// A place of a sum in the bytes, and the number of the row whose sum it is.
type Hole = (usize, usize);

/// Puts rows together: the bytes without sums, and and then those.
fn put_together(text: &[u8], marks: [u8; 2], order: &[u8], lengths: &[u32]) -> Result<Vec<u8>> {
    let bad = || corruption("nested: rows that do not fit their lengths");
    let mut begin = Vec::with_capacity(lengths.len());
    let mut total = 0usize;
    for &n in lengths {
        begin.push(total);
        total = total.checked_add(n as usize).ok_or_else(bad)?;
    }
    let mut bytes = vec![0u8; total];
    let (mut coder, mut left) = (Decoder::new(order), Left::new(lengths.len()));
    // Of each number the place of its row, and its holes: a range of all holes.
    let mut place: Vec<Option<(usize, std::ops::Range<usize>)>> = Vec::with_capacity(lengths.len());
    let mut holes: Vec<Hole> = Vec::new();
    let (mut stack, mut at) = (Vec::new(), 0);
    for _ in 0..lengths.len() {
        let own = stack.pop().unwrap_or_else(|| {
            place.push(None);
            place.len() - 1
        });
        let row = left.code(&mut coder, 0);
        let (mut to, first, below) = (begin[row], holes.len(), stack.len());
        let end = to + lengths[row] as usize;
        while to < end {
            let b = *text.get(at).ok_or_else(bad)?;
            at += 1;
            if !marks.contains(&b) {
                bytes[to] = b;
                to += 1;
                continue;
            }
            let named = if b == marks[0] {
                place.push(None);
                stack.push(place.len() - 1);
                place.len() - 1
            } else {
                let digits = text.get(at..at + 3).ok_or_else(bad)?;
                at += 3;
                digits.iter().fold(0, |n, d| n << 6 | usize::from(d.wrapping_sub(0x30)))
            };
            if end - to < SUM || place.len() > lengths.len() {
                return Err(bad());
            }
            holes.push((to, named));
            to += SUM;
        }
        stack[below..].reverse();
        place[own] = Some((row, first..holes.len()));
    }
    if at != text.len() || !stack.is_empty() {
        return Err(bad());
    }
    fill(&mut bytes, &place, &holes, |row| begin[row]..begin[row] + lengths[row] as usize)?;
    Ok(bytes)
}

/// Writes the sums into the holes, from the innermost rows on.
fn fill(
    bytes: &mut [u8],
    place: &[Option<(usize, std::ops::Range<usize>)>],
    holes: &[Hole],
    range: impl Fn(usize) -> std::ops::Range<usize>,
) -> Result<()> {
    let mut sums: Vec<Option<Sum>> = vec![None; place.len()];
    let mut open = vec![false; place.len()];
    for root in 0..place.len() {
        let mut stack = vec![root];
        while let Some(&n) = stack.last() {
            let entry = place.get(n).and_then(Option::as_ref);
            let (row, own) = entry.ok_or_else(|| corruption("nested: no row of this number"))?;
            if sums[n].is_some() {
                stack.pop();
                continue;
            }
            let own = holes.get(own.clone()).unwrap_or(&[]);
            if !open[n] {
                open[n] = true;
                for &(_, inner) in own {
                    match sums.get(inner) {
                        Some(Some(_)) => {}
                        Some(None) if !open[inner] => stack.push(inner),
                        _ => return Err(corruption("nested: rows that name each other in a circle")),
                    }
                }
                continue;
            }
            for &(at, inner) in own {
                let sum = sums[inner].ok_or_else(|| corruption("nested: a sum is missing"))?;
                if let Some(to) = bytes.get_mut(at..at + SUM) {
                    to.copy_from_slice(&sum);
                }
            }
            sums[n] = bytes.get(range(*row)).map(sum_of);
            stack.pop();
        }
    }
    Ok(())
}

impl Codec for Nested {
    fn id(&self) -> u8 {
        super::NESTED
    }
    fn name(&self) -> &'static str {
        "nested"
    }
    fn derives(&self) -> bool {
        true
    }
    fn needs(&self, payload: &[u8]) -> Result<Vec<usize>> {
        let n = Cursor::new(payload).varint()?;
        Ok(vec![usize::try_from(n).map_err(|_| corruption("nested: no such stream"))?])
    }
    fn encode(&self, _stream: &Stream, _level: Level, _out: &mut Vec<u8>) -> Result<bool> {
        Ok(false) // only the selection knows how to code the text
    }
    fn decode(&self, payload: &[u8], shape: Shape, needed: &[&Cells]) -> Result<Cells> {
        let Some(Cells::W4(lengths)) = needed.first() else {
            return Err(corruption("nested: the other stream holds no lengths"));
        };
        let total: u64 = lengths.iter().map(|&n| u64::from(n)).sum();
        if shape.scalar.width() != 1 || total != shape.count as u64 || lengths.len() > MOST {
            return Err(corruption("nested: another number of bytes"));
        }
        let mut c = Cursor::new(payload);
        c.varint()?;
        let marks = [c.byte()?, c.byte()?];
        let count = usize::try_from(c.varint()?).unwrap_or(usize::MAX);
        if count > shape.count {
            return Err(corruption("nested: more text than bytes"));
        }
        let order = c.count()?;
        let order = c.take(order)?;
        let id = c.byte()?;
        let codec = super::by_id(id).filter(|codec| !codec.derives());
        let codec = codec.ok_or_else(|| corruption(format!("nested: codec {id} of a text")))?;
        match codec.decode(c.rest(), Shape { scalar: Scalar::U8, count }, &[])? {
            Cells::W1(text) if text.len() == count => {
                Ok(Cells::W1(put_together(&text, marks, order, lengths)?))
            }
            _ => Err(corruption("nested: another number of bytes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codecs;

    /// Rows that name two of those before them, in no order.
    fn rows(n: usize) -> Vec<Vec<u8>> {
        let mut rows: Vec<Vec<u8>> = Vec::new();
        for i in 0..n {
            let mut row = format!("<label=+S(module{});size=+I({})", i % 7, i * i % 31).into_bytes();
            for j in [i / 2, i * 5 / 7].into_iter().filter(|&j| j < i) {
                row.extend([b";set=+Q(", &sum_of(&rows[j])[..], b")"].concat());
            }
            row.push(b'>');
            rows.push(row);
        }
        (0..n).map(|i| rows[i * 29 % n].clone()).collect()
    }

    fn lengths(rows: &[Vec<u8>]) -> Vec<u32> {
        rows.iter().map(|r| r.len() as u32).collect()
    }

    fn apart(rows: &[Vec<u8>]) -> Option<(Vec<u8>, Head)> {
        let (cells, lengths) = (Cells::W1(rows.concat()), lengths(rows));
        let role = Role::Values(Meaning::Text);
        take_apart(&Stream { cells: &cells, scalar: Scalar::U8, role, lists: Some(&lengths), inner: 1 })
    }

    #[test]
    fn rows_come_back() {
        let rows = rows(200);
        let (text, head) = apart(&rows).unwrap();
        assert!(text.len() < rows.concat().len() - 300 * 28 && head.order.len() < 200);
        let payload = head.payload(4, text.len(), &(codecs::STORE, text));
        let shape = Shape { scalar: Scalar::U8, count: rows.concat().len() };
        assert_eq!(Nested.needs(&payload).unwrap(), [4]);
        let lengths = Cells::W4(lengths(&rows));
        assert_eq!(Nested.decode(&payload, shape, &[&lengths]).unwrap(), Cells::W1(rows.concat()));
    }

    #[test]
    fn what_names_nothing_is_left_alone() {
        let other: Vec<Vec<u8>> = rows(200).iter().map(|r| r.to_ascii_uppercase()).collect();
        assert!(apart(&other).is_none());
        assert!(apart(&rows(5)).is_none());
        assert!(apart(&[]).is_none());
    }

    #[test]
    fn runs_of_digits_are_found() {
        let sum = [b'7'; SUM];
        for before in 0..70 {
            let row = [vec![b'.'; before], sum.to_vec(), b")".to_vec()].concat();
            assert_eq!(sums_in(&row), [before]);
            assert_eq!(sums_in(&row[..before + SUM]), [before]);
            let longer = [vec![b'.'; before], sum.to_vec(), sum.to_vec()].concat();
            assert!(sums_in(&longer).is_empty() && sums_in(&longer[..before + SUM - 1]).is_empty());
        }
    }

    #[test]
    fn broken_payloads_are_refused_or_give_other_rows() {
        let rows = rows(40);
        let (text, head) = apart(&rows).unwrap();
        let payload = head.payload(4, text.len(), &(codecs::STORE, text));
        let shape = Shape { scalar: Scalar::U8, count: rows.concat().len() };
        let lengths = Cells::W4(lengths(&rows));
        for bit in 0..payload.len() * 8 {
            let mut broken = payload.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            if let Ok(cells) = Nested.decode(&broken, shape, &[&lengths]) {
                assert_eq!(cells.len(), shape.count);
            }
        }
        for n in 0..payload.len() {
            assert!(Nested.decode(&payload[..n], shape, &[&lengths]).is_err(), "{n}");
        }
        // a row that names itself
        let own = [&[9u8, 254, 255, 4, 0][..], &[codecs::STORE, 255, 0x30, 0x30, 0x30]].concat();
        let shape = Shape { scalar: Scalar::U8, count: SUM };
        assert!(Nested.decode(&own, shape, &[&Cells::W4(vec![SUM as u32])]).is_err());
    }
}
