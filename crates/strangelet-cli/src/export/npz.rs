//! npz: one array a column. Lists become two arrays, `name` with all cells one after the other and
//! `name_offsets` (i64, events + 1) with where each event's begin; each further level of lists has its
//! own `name_offsets2` and so on; the bytes of strings are `u8` with offsets.

use super::Selection;
use std::fs::File;
use std::io::Write;
use strangelet::archive::Archive;
use strangelet::column::{ColumnSchema, Scalar};
use strangelet::error::{Error, Result, usage};
use strangelet::source::{Source, SourceReader, Spool};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Writes the selection.
pub fn write<S: Source>(archive: &Archive<S>, selection: &Selection, out: File) -> Result<()> {
    let schemas = selection.schemas(archive)?;
    let mut names = std::collections::HashSet::new();
    let all = schemas.iter().flat_map(|s| (0..=s.levels()).map(|level| array_name(s, level)));
    for name in all {
        if !names.insert(name.clone()) {
            return Err(usage(format!("two columns would be called {name}: export them one by one")));
        }
    }
    let mut zip = ZipWriter::new(out);
    for (c, schema) in schemas.iter().enumerate() {
        let mut offsets: Vec<(u64, Spool)> = Vec::new();
        for _ in 0..schema.levels() {
            let mut spool = Spool::new(u64::MAX);
            spool.append(&0i64.to_le_bytes())?;
            offsets.push((0, spool));
        }
        let (mut values, mut items) = (Spool::new(u64::MAX), 0u64);
        let mut buffer = Vec::new();
        for part in 0..selection.parts() {
            let (events, column) = selection.read(archive, part, c)?;
            items += events;
            for ((end, spool), lengths) in offsets.iter_mut().zip(&column.lengths) {
                buffer.clear();
                for &n in lengths {
                    *end += n as u64;
                    buffer.extend_from_slice(&(*end as i64).to_le_bytes());
                }
                spool.append(&buffer)?;
            }
            buffer.clear();
            column.values.to_le_bytes(&mut buffer);
            values.append(&buffer)?;
        }
        if let Some((end, _)) = offsets.last() {
            items = *end;
        }
        let mut shape = vec![items];
        shape.extend(schema.inner.iter().map(|&d| d as u64));
        array(&mut zip, &array_name(schema, schema.levels()), descr(schema.scalar), &shape, &values)?;
        for (level, (_, spool)) in offsets.iter().enumerate() {
            array(&mut zip, &array_name(schema, level), "<i8", &[spool.len() / 8], spool)?;
        }
    }
    zip.finish().map_err(zip_error)?;
    Ok(())
}

/// Name of the offsets of a level, or, behind the last level, of the cells.
fn array_name(schema: &ColumnSchema, level: usize) -> String {
    match level {
        _ if level == schema.levels() => schema.name.clone(),
        0 => format!("{}_offsets", schema.name),
        _ => format!("{}_offsets{}", schema.name, level + 1),
    }
}

fn array(zip: &mut ZipWriter<File>, name: &str, descr: &str, shape: &[u64], cells: &Spool) -> Result<()> {
    let header = header(descr, shape);
    let large = header.len() as u64 + cells.len() >= u32::MAX as u64;
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(large)
        .last_modified_time(zip::DateTime::default());
    zip.start_file(format!("{name}.npy"), options).map_err(zip_error)?;
    zip.write_all(&header)?;
    std::io::copy(&mut SourceReader::new(cells), zip)?;
    Ok(())
}

fn zip_error(e: zip::result::ZipError) -> Error {
    Error::from(std::io::Error::from(e))
}

/// numpy's name of a type, little-endian.
fn descr(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Bool => "|b1",
        Scalar::I8 => "|i1",
        Scalar::U8 => "|u1",
        Scalar::I16 => "<i2",
        Scalar::U16 => "<u2",
        Scalar::I32 => "<i4",
        Scalar::U32 => "<u4",
        Scalar::I64 => "<i8",
        Scalar::U64 => "<u8",
        Scalar::F32 => "<f4",
        Scalar::F64 => "<f8",
    }
}

/// The header of an npy file, version 1.0, padded to 64 bytes.
fn header(descr: &str, shape: &[u64]) -> Vec<u8> {
    let shape: String = shape.iter().map(|d| format!("{d},")).collect();
    let mut dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    while !(10 + dict.len() + 1).is_multiple_of(64) {
        dict.push(' ');
    }
    dict.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend_from_slice(&(dict.len() as u16).to_le_bytes());
    out.extend_from_slice(dict.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_aligned() {
        for shape in [&[][..], &[3], &[1_000_000_000_000, 3, 4]] {
            let h = header("<f4", shape);
            assert!(h.len().is_multiple_of(64) && h.ends_with(b"\n"));
            assert_eq!(u16::from_le_bytes([h[8], h[9]]) as usize + 10, h.len());
        }
    }
}
