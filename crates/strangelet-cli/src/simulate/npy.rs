//! Arrays as numpy keeps them.

use std::path::Path;
use strangelet::error::{Error, Result, corruption, unsupported};
use strangelet_sim::statistics::Array;

/// An npy file, version 1.0: a type, a shape, cells in C order.
pub fn array(descr: &str, shape: &[usize], cells: impl Iterator<Item = u8>) -> Vec<u8> {
    let shape: String = shape.iter().map(|d| format!("{d}, ")).collect();
    let shape = if shape.matches(',').count() > 1 { shape.trim_end_matches(", ") } else { shape.trim_end() };
    let mut dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    while !(10 + dict.len() + 1).is_multiple_of(64) {
        dict.push(' ');
    }
    dict.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend_from_slice(&(dict.len() as u16).to_le_bytes());
    out.extend_from_slice(dict.as_bytes());
    out.extend(cells);
    out
}

/// An array as it was read.
pub struct Raw<'a> {
    /// numpy's name of the type.
    pub descr: String,
    /// Lengths.
    pub shape: Vec<usize>,
    /// Cells.
    pub cells: &'a [u8],
}

/// Takes an npy file apart (C order only).
pub fn parse(bytes: &[u8]) -> Result<Raw<'_>> {
    let not = || corruption("this is no npy file");
    if bytes.get(..6) != Some(b"\x93NUMPY") {
        return Err(not());
    }
    let byte = |i: usize| bytes.get(i).map(|b| *b as usize).ok_or_else(not);
    let (start, length) = match byte(6)? {
        1 => (10, byte(8)? | byte(9)? << 8),
        2 | 3 => (12, byte(8)? | byte(9)? << 8 | byte(10)? << 16 | byte(11)? << 24),
        _ => return Err(unsupported("an npy file of another version")),
    };
    let end = start + length;
    let text = bytes.get(start..end).and_then(|t| std::str::from_utf8(t).ok()).ok_or_else(not)?;
    let value = |key: &str| {
        text.split_once(key).and_then(|(_, rest)| rest.split_once(':')).map(|(_, v)| v.trim_start())
    };
    if !value("'fortran_order'").is_some_and(|v| v.starts_with("False")) {
        return Err(unsupported("an npy file in Fortran order"));
    }
    let descr = value("'descr'").and_then(|v| v.split('\'').nth(1)).ok_or_else(not)?.to_string();
    let shape = value("'shape'").and_then(|v| v.strip_prefix('(')?.split_once(')')).ok_or_else(not)?.0;
    let shape: std::result::Result<Vec<usize>, _> =
        shape.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::parse).collect();
    let shape = shape.map_err(|_| not())?;
    let width: usize = descr.get(2..).and_then(|d| d.parse().ok()).ok_or_else(not)?;
    let want = shape.iter().try_fold(width, |n, &d| n.checked_mul(d)).ok_or_else(not)?;
    let cells = bytes.get(end..).unwrap_or(&[]);
    if cells.len() != want {
        return Err(corruption(format!("the array has {} bytes, not {want}", cells.len())));
    }
    Ok(Raw { descr, shape, cells })
}

/// A wedge: uint16, azimuth x beam x layer.
pub fn read_wedge(path: &Path) -> Result<Array> {
    let read = || {
        let bytes = std::fs::read(path)?;
        let raw = parse(&bytes)?;
        match raw.shape[..] {
            [pads, bins, layers] if raw.descr == "<u2" && pads > 0 && bins > 0 && layers > 0 => {
                let adc = raw.cells.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
                Ok(Array { pads, bins, layers, adc })
            }
            _ => Err(unsupported(format!(
                "{} {:?} is no wedge (<u2, azimuth x beam x layer)",
                raw.descr, raw.shape
            ))),
        }
    };
    read().map_err(|e: Error| e.within(path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let bytes = array("<u2", &[2, 3], (0..12).map(|i| i as u8));
        let raw = parse(&bytes).unwrap();
        assert_eq!((raw.descr.as_str(), &raw.shape[..], raw.cells.len()), ("<u2", &[2, 3][..], 12));
        let one = array("|u1", &[4], [1, 2, 3, 4].into_iter());
        assert!(one.len() % 64 == 4 && std::str::from_utf8(&one[10..60]).unwrap().contains("(4,)"));
        assert_eq!(parse(&one).unwrap().shape, [4]);
        for cut in 0..bytes.len() {
            assert!(parse(&bytes[..cut]).is_err());
        }
    }
}
