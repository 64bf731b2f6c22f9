//! Baskets: the content of one as cells of columns, and back.
//!
//! A content is the data of some entries, one after the other, and mostly a tail behind it: the
//! offsets at which the entries start, counted from the start of the basket's key.

use super::form::{Cursor, Form, Mark, Node};
use strangelet::column::{Column, ColumnSchema};
use strangelet::error::{Result, corruption};

/// Most entries of a basket that is taken apart.
pub const MOST_ENTRIES: usize = 1 << 28;
/// Most bytes of such a basket.
pub const MOST_BYTES: usize = 1 << 30;

/// What stands behind the data of a basket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    None,
    /// A count, one more than there are entries, the offset of each entry, and this word.
    Offsets(u32),
    /// A count, as many as there are entries, and the offset of each.
    Bare,
    /// Something else, kept as it is.
    Other(Vec<u8>),
}

/// A basket's content and what its key says about it.
#[derive(Debug, Clone, Copy)]
pub struct Basket<'a> {
    /// Data and tail.
    pub content: &'a [u8],
    /// Bytes of data.
    pub border: usize,
    /// Entries.
    pub entries: usize,
    /// Length of the key.
    pub keylen: usize,
}

/// Where the entries of a basket start, and behind them where the last ends. Empty where the tail
/// does not say.
pub fn starts(b: &Basket) -> Vec<usize> {
    let tail = b.content.get(b.border..).unwrap_or_default();
    let words = tail.as_chunks::<4>().0;
    let word = |i: usize| words.get(i).map(|w| u32::from_be_bytes(*w) as usize);
    let Some(n) = word(0) else { return Vec::new() };
    if n != b.entries + 1 && n != b.entries || words.len() < b.entries + 1 {
        return Vec::new();
    }
    let mut out = Vec::with_capacity(b.entries + 1);
    out.extend((1..=b.entries).filter_map(|i| word(i)?.checked_sub(b.keylen)));
    out.push(b.border);
    let grows = out.len() == b.entries + 1 && out.windows(2).all(|w| w[0] <= w[1]);
    if grows && out.first() == Some(&0) { out } else { Vec::new() }
}

fn offsets(starts: &[usize], keylen: usize, out: &mut Vec<u8>) {
    for s in starts {
        out.extend_from_slice(&((s + keylen) as u32).to_be_bytes());
    }
}

fn write_tail(tail: &Tail, starts: &[usize], keylen: usize, out: &mut Vec<u8>) {
    match tail {
        Tail::None => {}
        Tail::Offsets(last) => {
            out.extend_from_slice(&(starts.len() as u32 + 1).to_be_bytes());
            offsets(starts, keylen, out);
            out.extend_from_slice(&last.to_be_bytes());
        }
        Tail::Bare => {
            out.extend_from_slice(&(starts.len() as u32).to_be_bytes());
            offsets(starts, keylen, out);
        }
        Tail::Other(bytes) => out.extend_from_slice(bytes),
    }
}

/// Reads a basket into columns and proves that [`assemble`] gives its content back, in `again`, whose
/// content does not matter. On an error the columns are as they were.
pub fn dissect(form: &Form, b: &Basket, columns: &mut [Column], again: &mut Vec<u8>) -> Result<Tail> {
    let mark = Mark::new(columns);
    let result = read(form, b, columns).and_then(|tail| {
        if plain_cells(form).is_some() && tail_holds(form, b, &tail) {
            return Ok(tail);
        }
        let mut cursors: Vec<Cursor> = cursors(&mark, columns);
        again.clear();
        assemble(form, columns, &mut cursors, b.entries, &tail, b.keylen, again)?;
        if again == b.content { Ok(tail) } else { Err(corruption("a basket does not come back")) }
    });
    if result.is_err() {
        mark.restore(columns);
    }
    result
}

/// Numbers and nothing else in one column: how many bytes an item has, and whether each entry is a list of them.
fn plain_cells(form: &Form) -> Option<(usize, bool)> {
    let item = |n: &Node| match n {
        Node::Cells(s, m, 0) => s.width().checked_mul(*m as usize).filter(|&size| size > 0),
        _ => None,
    };
    match &form.root {
        Node::Fill(n, columns) if *columns == (0..1) => Some((item(n)?, true)),
        n => Some((item(n)?, false)),
    }
}

/// Whether a tail comes back from the entries of a form of plain cells. Their bytes do by themselves: only their
/// order within a cell is turned.
fn tail_holds(form: &Form, b: &Basket, tail: &Tail) -> bool {
    match tail {
        Tail::None | Tail::Other(_) => true,
        // Lists start where the offsets say, or reading them would have failed.
        Tail::Offsets(_) | Tail::Bare => {
            let lists = plain_cells(form).is_some_and(|(_, lists)| lists);
            let even = |starts: &[usize]| starts.windows(2).all(|w| w[1] - w[0] == starts[1]);
            let starts = starts(b);
            !starts.is_empty() && (lists || even(&starts))
        }
    }
}

fn cursors(mark: &Mark, columns: &[Column]) -> Vec<Cursor> {
    mark.places()
        .zip(columns)
        .map(|((lengths, values), _)| Cursor { lengths: lengths.to_vec(), values })
        .collect()
}

fn read(form: &Form, b: &Basket, columns: &mut [Column]) -> Result<Tail> {
    let data = b.content.get(..b.border).ok_or_else(|| corruption("a basket's data ends beyond it"))?;
    let starts = starts(b);
    if let [column] = &mut *columns {
        if let [lengths] = &mut *column.lengths {
            lengths.reserve(b.entries);
        }
        let cells = data.len() / column.values.width();
        strangelet::each_width!(&mut column.values, v => v.reserve(cells));
    }
    if let (Some((size, true)), [column]) = (plain_cells(form), &mut *columns) {
        let [lengths] = column.lengths.as_mut_slice() else {
            return Err(corruption("a list without lengths"));
        };
        let even = data.len().checked_div(b.entries).filter(|n| n * b.entries == data.len());
        match (starts.is_empty(), even) {
            (false, _) if starts.windows(2).all(|w| (w[1] - w[0]).is_multiple_of(size)) => {
                lengths.extend(starts.windows(2).map(|w| ((w[1] - w[0]) / size) as u32));
            }
            (true, Some(even)) if even.is_multiple_of(size) => {
                lengths.extend(std::iter::repeat_n((even / size) as u32, b.entries));
            }
            _ => return Err(corruption("an entry is no whole number of cells")),
        }
        column.values.append_be_bytes(data)?;
        return Ok(tail_of(b, &starts));
    }
    if !starts.is_empty() {
        for w in starts.windows(2) {
            if form.read(data, w[0]..w[1], b.keylen, columns)? != w[1] {
                return Err(corruption("an entry is longer or shorter than its offsets say"));
            }
        }
        return Ok(tail_of(b, &starts));
    }
    let mut pos = 0;
    if let Some(size) = form.fixed_size() {
        // Entries of one size: all at once, where a column takes them as they are.
        if size.checked_mul(b.entries) != Some(data.len()) {
            return Err(corruption("a basket is no whole number of entries"));
        }
        pos = read_run(form, data, b, columns)?;
    } else if form.ends_itself() {
        for _ in 0..b.entries {
            pos = form.read(data, pos..data.len(), b.keylen, columns)?;
        }
    } else if b.entries > 0 && data.len() % b.entries == 0 {
        let size = data.len() / b.entries;
        for i in 0..b.entries {
            pos = form.read(data, i * size..(i + 1) * size, b.keylen, columns)?;
        }
    }
    if pos != data.len() {
        return Err(corruption("a basket has bytes behind its entries"));
    }
    Ok(tail_of(b, &[]))
}

fn read_run(form: &Form, data: &[u8], b: &Basket, columns: &mut [Column]) -> Result<usize> {
    if let (Node::Cells(_, _, 0), [column]) = (&form.root, &mut *columns) {
        column.values.append_be_bytes(data)?;
        return Ok(data.len());
    }
    let mut pos = 0;
    for _ in 0..b.entries {
        pos = form.read(data, pos..data.len(), b.keylen, columns)?;
    }
    Ok(pos)
}

/// The shortest description of a tail; which of them is right shows in the proof.
fn tail_of(b: &Basket, starts: &[usize]) -> Tail {
    let tail = b.content.get(b.border..).unwrap_or_default();
    if tail.is_empty() {
        return Tail::None;
    }
    let starts = starts.get(..b.entries).unwrap_or_default();
    if !starts.is_empty() {
        let last = tail.last_chunk::<4>().map(|w| u32::from_be_bytes(*w)).unwrap_or(0);
        for guess in [Tail::Offsets(last), Tail::Bare] {
            let mut out = Vec::with_capacity(tail.len());
            write_tail(&guess, starts, b.keylen, &mut out);
            if out == tail {
                return guess;
            }
        }
    }
    Tail::Other(tail.to_vec())
}

/// Appends the content of the next basket: as many entries as it has, from the cursors on. `out`
/// must be empty, for entries may tell their place. Gives the number of bytes of data.
pub fn assemble(
    form: &Form,
    columns: &[Column],
    cursors: &mut [Cursor],
    entries: usize,
    tail: &Tail,
    keylen: usize,
    out: &mut Vec<u8>,
) -> Result<usize> {
    if entries > MOST_ENTRIES {
        return Err(corruption("a basket has too many entries"));
    }
    let mut starts = Vec::with_capacity(entries.min(1 << 16));
    if let (Some((size, true)), [column], [cursor]) = (plain_cells(form), columns, &mut *cursors) {
        let short = || corruption("a column has too few cells for its basket");
        let ([lengths], [at]) = (column.lengths.as_slice(), cursor.lengths.as_mut_slice()) else {
            return Err(short());
        };
        let end = at.checked_add(entries).ok_or_else(short)?;
        let mut bytes = 0usize;
        for &n in lengths.get(*at..end).ok_or_else(short)? {
            starts.push(bytes);
            bytes = bytes.saturating_add((n as usize).saturating_mul(size));
        }
        if bytes > MOST_BYTES {
            return Err(corruption("a basket is too long"));
        }
        let to = cursor.values.checked_add(bytes / column.values.width());
        let to = to.filter(|&to| to <= column.values.len()).ok_or_else(short)?;
        column.values.range_be_bytes(cursor.values..to, out);
        (*at, cursor.values) = (end, to);
    } else if let (Node::Cells(_, n, 0), [column], [cursor]) = (&form.root, columns, &mut *cursors) {
        let end = (*n as usize).checked_mul(entries).and_then(|n| n.checked_add(cursor.values));
        let end = end.filter(|&e| e <= column.values.len());
        let end = end.ok_or_else(|| corruption("a column has too few cells for its basket"))?;
        column.values.range_be_bytes(cursor.values..end, out);
        cursor.values = end;
        let size = out.len().checked_div(entries).unwrap_or(0);
        starts.extend((0..entries).map(|i| i * size));
    } else {
        for _ in 0..entries {
            starts.push(out.len());
            form.write(columns, cursors, keylen, out)?;
            if out.len() > MOST_BYTES {
                return Err(corruption("a basket is too long"));
            }
        }
    }
    let border = out.len();
    write_tail(tail, &starts, keylen, out);
    Ok(border)
}

/// Appends entries that hold nothing (0, and lists of no length), for baskets that are kept as bytes.
pub fn fill(schema: &ColumnSchema, column: &mut Column, entries: usize) {
    match column.lengths.first_mut() {
        Some(outer) => outer.resize(outer.len() + entries, 0),
        None => {
            let n = column.values.len().saturating_add(entries.saturating_mul(schema.inner_cells() as usize));
            strangelet::each_width!(&mut column.values, v => v.resize(n, 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strangelet::column::Cells;

    fn basket<'a>(content: &'a [u8], border: usize, entries: usize) -> Basket<'a> {
        Basket { content, border, entries, keylen: 70 }
    }

    fn round(text: &str, content: &[u8], border: usize, entries: usize) -> (Tail, Vec<Column>) {
        let form = Form::from_text(text).unwrap();
        let mut columns = form.empty_columns();
        // Twice, so that the second begins in the middle of the columns.
        dissect(&form, &basket(content, border, entries), &mut columns, &mut Vec::new()).unwrap();
        let tail = dissect(&form, &basket(content, border, entries), &mut columns, &mut Vec::new()).unwrap();
        let mut cursors: Vec<_> = columns.iter().map(Cursor::start).collect();
        for _ in 0..2 {
            let mut out = Vec::new();
            assert_eq!(
                assemble(&form, &columns, &mut cursors, entries, &tail, 70, &mut out).unwrap(),
                border
            );
            assert_eq!(out, content);
        }
        (tail, columns)
    }

    #[test]
    fn flat_and_jagged_baskets_come_back() {
        let (tail, columns) = round("i2", &[0, 1, 0, 2], 4, 2);
        assert_eq!((tail, &columns[0].values), (Tail::None, &Cells::W2(vec![1, 2, 1, 2])));
        let jagged =
            [&[1, 2, 3][..], &[0, 0, 0, 4, 0, 0, 0, 70, 0, 0, 0, 71, 0, 0, 0, 71, 0, 0, 0, 0]].concat();
        let (tail, columns) = round("~u1", &jagged, 3, 3);
        assert_eq!(tail, Tail::Offsets(0));
        assert_eq!(columns[0].lengths[0], [1, 0, 2, 1, 0, 2]);
        let bare = [&[1, 2, 3][..], &[0, 0, 0, 2, 0, 0, 0, 70, 0, 0, 0, 71]].concat();
        assert_eq!(round("~u1", &bare, 3, 2).0, Tail::Bare);
    }

    #[test]
    fn a_strange_tail_is_kept() {
        let odd = [&[1, 2][..], &[0, 0, 0, 3, 0, 0, 0, 70, 0, 0, 0, 71, 9, 9, 9]].concat();
        assert!(matches!(round("u1", &odd, 2, 2).0, Tail::Other(_)));
    }

    #[test]
    fn a_basket_that_does_not_fit_leaves_the_columns_alone() {
        let form = Form::from_text("{0001;u1}").unwrap();
        let mut columns = form.empty_columns();
        let good = [0x40, 0, 0, 3, 0, 1, 7];
        dissect(&form, &basket(&good, 7, 1), &mut columns, &mut Vec::new()).unwrap();
        let before = columns.clone();
        for bit in 0..8 * 6 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(dissect(&form, &basket(&bad, 7, 1), &mut columns, &mut Vec::new()).is_err());
            assert_eq!(columns, before);
        }
    }
}
