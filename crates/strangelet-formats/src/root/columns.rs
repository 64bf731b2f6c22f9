//! Cutting and joining the content of columns by events.

use super::form::Cursor;
use strangelet::column::{Cells, Column, ColumnSchema};
use strangelet::error::{Result, corruption};

/// Cuts a column behind `events` events and gives what follows.
pub fn split(schema: &ColumnSchema, column: &mut Column, events: usize) -> Result<Column> {
    let short = || corruption(format!("column {} has too few events", schema.name));
    let mut items = events;
    let mut lengths = Vec::with_capacity(column.lengths.len());
    for level in &mut column.lengths {
        if items > level.len() {
            return Err(short());
        }
        lengths.push(level.split_off(items));
        items = level.iter().map(|&n| n as usize).sum();
    }
    let cells = items.checked_mul(schema.inner_cells() as usize).filter(|&c| c <= column.values.len());
    let cells = cells.ok_or_else(short)?;
    let values = match &mut column.values {
        Cells::W1(v) => Cells::W1(v.split_off(cells)),
        Cells::W2(v) => Cells::W2(v.split_off(cells)),
        Cells::W4(v) => Cells::W4(v.split_off(cells)),
        Cells::W8(v) => Cells::W8(v.split_off(cells)),
    };
    Ok(Column { lengths, values })
}

/// The next `events` events of a column behind a cursor, which moves on. What was passed is dropped from the
/// column now and then, so that a column of many chunks is not copied again for each of them.
pub fn front(
    schema: &ColumnSchema,
    column: &mut Column,
    passed: &mut Cursor,
    events: usize,
) -> Result<Column> {
    let short = || corruption(format!("column {} has too few events", schema.name));
    let mut ends = Cursor { lengths: Vec::with_capacity(column.lengths.len()), values: 0 };
    let mut items = events;
    for (level, &at) in column.lengths.iter().zip(&passed.lengths) {
        let end = at.checked_add(items).ok_or_else(short)?;
        items = level.get(at..end).ok_or_else(short)?.iter().map(|&n| n as usize).sum();
        ends.lengths.push(end);
    }
    let cells = items.checked_mul(schema.inner_cells() as usize);
    let end = cells.and_then(|c| c.checked_add(passed.values)).filter(|&e| e <= column.values.len());
    ends.values = end.ok_or_else(short)?;
    let starts = std::mem::replace(passed, ends);
    let whole = starts.values == 0
        && passed.values == column.values.len()
        && starts.lengths.iter().all(|&l| l == 0)
        && passed.lengths.iter().zip(&column.lengths).all(|(&l, level)| l == level.len());
    if whole {
        *passed = Cursor::start(column);
        // What comes next is mostly as long.
        let lengths = column.lengths.iter().map(|l| Vec::with_capacity(l.len())).collect();
        let values = Cells::with_capacity(column.values.width(), column.values.len());
        return Ok(std::mem::replace(column, Column { lengths, values }));
    }
    let lengths = column.lengths.iter().zip(starts.lengths.iter().zip(&passed.lengths));
    let lengths = lengths.map(|(level, (&a, &b))| level[a..b].to_vec()).collect();
    let values = column.values.slice(starts.values..passed.values);
    if passed.values > column.values.len() / 2 {
        for (level, at) in column.lengths.iter_mut().zip(&mut passed.lengths) {
            level.drain(..std::mem::take(at));
        }
        let at = std::mem::take(&mut passed.values);
        strangelet::each_width!(&mut column.values, v => {
            v.drain(..at);
        });
    }
    Ok(Column { lengths, values })
}

/// Appends the events of another content of the same column.
pub fn append(column: &mut Column, other: Column) -> Result<()> {
    if column.lengths.len() != other.lengths.len() {
        return Err(corruption("contents of columns of different depth do not join"));
    }
    if column.values.is_empty()
        && column.lengths.iter().all(Vec::is_empty)
        && column.values.width() == other.values.width()
    {
        *column = other;
        return Ok(());
    }
    for (level, more) in column.lengths.iter_mut().zip(other.lengths) {
        level.extend_from_slice(&more);
    }
    column.values.append(&other.values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use strangelet::column::Scalar;

    #[test]
    fn cut_and_joined_a_column_is_the_same() {
        let schema = ColumnSchema::jagged("x", Scalar::U16, 2).with_inner(vec![2]);
        let column =
            Column { lengths: vec![vec![1, 0, 2], vec![2, 1, 0]], values: Cells::W2(vec![1, 2, 3, 4, 5, 6]) };
        for events in 0..=3 {
            let mut front = column.clone();
            let back = split(&schema, &mut front, events).unwrap();
            front.check(&schema, events as u64).unwrap();
            back.check(&schema, 3 - events as u64).unwrap();
            append(&mut front, back).unwrap();
            assert_eq!(front, column);
        }
        assert!(split(&schema, &mut column.clone(), 4).is_err());
        for cuts in [[1, 1, 1], [2, 0, 1], [0, 3, 0], [1, 2, 0]] {
            let (mut rest, mut passed) = (column.clone(), Cursor::start(&column));
            let mut again = Column { lengths: vec![Vec::new(); 2], values: Cells::empty(2) };
            for events in cuts {
                let part = front(&schema, &mut rest, &mut passed, events).unwrap();
                part.check(&schema, events as u64).unwrap();
                append(&mut again, part).unwrap();
            }
            assert_eq!(again, column);
            assert!(front(&schema, &mut rest, &mut passed, 1).is_err());
        }
    }
}
