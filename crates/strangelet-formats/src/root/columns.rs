//! Cutting and joining the content of columns by events.

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

/// Appends the events of another content of the same column.
pub fn append(column: &mut Column, other: Column) -> Result<()> {
    if column.lengths.len() != other.lengths.len() {
        return Err(corruption("contents of columns of different depth do not join"));
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
    }
}
