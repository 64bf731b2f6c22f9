//! Datatype messages to the layout of a cell.

use super::number;
use crate::layout::{Field, Layout, MAX_FIELDS};
use strangelet::column::Scalar;
use strangelet::error::{Result, corruption, unsupported};
use strangelet::format::varint::Cursor;

/// Deepest nesting of types.
const MAX_DEPTH: usize = 8;

/// The layout of a cell.
pub fn layout(message: &[u8]) -> Result<Layout> {
    let mut fields = Vec::new();
    let size = read(&mut Cursor::new(message), "data", &mut fields, 0)?;
    let layout = Layout { fields };
    if layout.row() != size {
        return Err(corruption("hdf5: a type of another size"));
    }
    Ok(layout)
}

/// Appends the fields of a type; its size in bytes.
fn read(c: &mut Cursor, name: &str, out: &mut Vec<Field>, depth: usize) -> Result<u64> {
    if depth > MAX_DEPTH || out.len() > MAX_FIELDS {
        return Err(unsupported("hdf5: a type nested too deep"));
    }
    let [head, bits0, bits1, _] = c.array()?;
    let (version, class) = (head >> 4, head & 15);
    let size = u64::from(u32::from_le_bytes(c.array()?));
    let big = bits0 & 1 != 0;
    let bytes = || Field::string(name, size).array(&[]);
    match class {
        // Integers and bit fields.
        0 | 4 => {
            c.take(4)?;
            let signed = class == 0 && bits0 & 8 != 0;
            out.push(match (size, signed) {
                (1, true) => Field::one(name, Scalar::I8, big),
                (1, false) => Field::one(name, Scalar::U8, big),
                (2, true) => Field::one(name, Scalar::I16, big),
                (2, false) => Field::one(name, Scalar::U16, big),
                (4, true) => Field::one(name, Scalar::I32, big),
                (4, false) => Field::one(name, Scalar::U32, big),
                (8, true) => Field::one(name, Scalar::I64, big),
                (8, false) => Field::one(name, Scalar::U64, big),
                _ => bytes(),
            });
        }
        1 => {
            c.take(12)?;
            out.push(match size {
                2 => Field::one(name, Scalar::U16, big),
                4 => Field::one(name, Scalar::F32, big),
                8 => Field::one(name, Scalar::F64, big),
                _ => bytes(),
            });
        }
        3 => out.push(Field::string(name, size)),
        5 => {
            c.take(usize::from(bits0).next_multiple_of(8))?;
            out.push(bytes());
        }
        6 => compound(c, name, version, usize::from(bits0) | usize::from(bits1) << 8, size, out, depth)?,
        // References: where something else lies.
        7 => out.push(bytes()),
        8 => {
            // An enumeration: its numbers; the names stay in the file.
            let members = usize::from(bits0) | usize::from(bits1) << 8;
            read(c, name, out, depth + 1)?;
            for _ in 0..members {
                take_name(c, version)?;
            }
            c.take(members.saturating_mul(size as usize))?;
        }
        // Variable length: length and place in a heap.
        9 => {
            read(c, name, &mut Vec::new(), depth + 1)?;
            out.push(bytes());
        }
        10 => {
            let rank = usize::from(c.byte()?);
            if version < 3 {
                c.take(3)?;
            }
            let mut shape = Vec::new();
            for _ in 0..rank {
                shape.push(u32::from_le_bytes(c.array()?));
            }
            if version < 3 {
                c.take(4 * rank)?;
            }
            let mut cell = Vec::new();
            read(c, name, &mut cell, depth + 1)?;
            match <[Field; 1]>::try_from(cell) {
                Ok([one]) => out.push(one.array(&shape)),
                Err(_) => out.push(bytes()),
            }
        }
        other => return Err(unsupported(format!("hdf5: type class {other}"))),
    }
    Ok(size)
}

fn compound(
    c: &mut Cursor,
    name: &str,
    version: u8,
    members: usize,
    size: u64,
    out: &mut Vec<Field>,
    depth: usize,
) -> Result<()> {
    let offset_bytes = if version < 3 { 4 } else { (8 - size.leading_zeros() as usize / 8).max(1) };
    let mut parts = Vec::new();
    for _ in 0..members {
        let own = take_name(c, version)?;
        let offset = number(c.take(offset_bytes)?)?;
        let mut shape = Vec::new();
        if version == 1 {
            let rank = usize::from(c.byte()?).min(4);
            c.take(11)?;
            let dims: [[u8; 4]; 4] = [c.array()?, c.array()?, c.array()?, c.array()?];
            shape.extend(dims.map(u32::from_le_bytes).into_iter().take(rank));
        }
        let own = if depth == 0 { own } else { format!("{name}.{own}") };
        let mut fields = Vec::new();
        read(c, &own, &mut fields, depth + 1)?;
        if !shape.is_empty() {
            let [one] =
                <[Field; 1]>::try_from(fields).map_err(|_| unsupported("hdf5: arrays of compounds"))?;
            fields = vec![one.array(&shape)];
        }
        parts.push((offset, fields));
    }
    parts.sort_by_key(|p| p.0);
    let mut at = 0;
    for (offset, fields) in parts {
        gap(at, offset, out)?;
        at = fields.iter().fold(offset, |n, f| n.saturating_add(f.bytes()));
        out.extend(fields);
    }
    gap(at, size, out)
}

/// Bytes between members.
fn gap(from: u64, to: u64, out: &mut Vec<Field>) -> Result<()> {
    if from > to {
        return Err(corruption("hdf5: members that overlap"));
    }
    if from < to {
        out.push(Field::string("", to - from).array(&[]));
    }
    Ok(())
}

/// A name that ends with a zero, filled up to eight bytes before version 3.
fn take_name(c: &mut Cursor, version: u8) -> Result<String> {
    let end = c.rest().iter().position(|&b| b == 0).ok_or_else(|| corruption("hdf5: a name without end"))?;
    let len = if version < 3 { (end + 1).next_multiple_of(8) } else { end + 1 };
    Ok(String::from_utf8_lossy(&c.take(len)?[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_compound_with_a_gap() {
        // Version 3: {a: u16 at 0, b: f32 at 4}, 8 bytes.
        let mut m = vec![0x36, 2, 0, 0, 8, 0, 0, 0];
        m.extend(b"b\0\x04");
        m.extend([0x11, 0x20, 31, 0, 4, 0, 0, 0]);
        m.extend([0; 12]);
        m.extend(b"a\0\x00");
        m.extend([0x10, 0, 0, 0, 2, 0, 0, 0, 0, 0, 16, 0]);
        let layout = layout(&m).unwrap();
        let found: Vec<_> = layout.fields.iter().map(|f| (f.name.as_str(), f.scalar, f.cells)).collect();
        assert_eq!(found, [("a", Scalar::U16, 1), ("", Scalar::U8, 2), ("b", Scalar::F32, 1)]);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = layout(&bytes);
        }
    }
}
