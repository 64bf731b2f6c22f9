//! Parquet, and Arrow's own file format: one record batch a chunk, lists as lists.

use super::Selection;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeListArray, ListArray, PrimitiveArray,
};
use arrow_array::{RecordBatch, RecordBatchOptions, StringArray, types};
use arrow_buffer::{BooleanBuffer, Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use std::io::Write;
use std::sync::Arc;
use strangelet::archive::Archive;
use strangelet::column::{Cells, Column, ColumnSchema, Meaning, Scalar};
use strangelet::error::{Error, Result, corruption, unsupported};
use strangelet::source::Source;

/// Writes a Parquet file, compressed with Snappy.
pub fn write_parquet<S: Source>(
    archive: &Archive<S>,
    selection: &Selection,
    out: impl Write + Send,
) -> Result<()> {
    let schema = schema(&selection.schemas(archive)?)?;
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_compression(parquet::basic::Compression::SNAPPY)
        .set_created_by(format!("strangelet {}", env!("CARGO_PKG_VERSION")))
        .build();
    let fail = |e: parquet::errors::ParquetError| Error::from(std::io::Error::other(e.to_string()));
    let writer = parquet::arrow::ArrowWriter::try_new(out, schema.clone(), Some(properties));
    let mut writer = writer.map_err(fail)?;
    for part in 0..selection.parts() {
        writer.write(&batch(archive, selection, part, &schema)?).map_err(fail)?;
        // One row group a chunk: memory follows the chunk.
        writer.flush().map_err(fail)?;
    }
    writer.close().map_err(fail)?;
    Ok(())
}

/// Writes an Arrow IPC file (Feather version 2), not compressed.
pub fn write_arrow<S: Source>(archive: &Archive<S>, selection: &Selection, out: impl Write) -> Result<()> {
    let schema = schema(&selection.schemas(archive)?)?;
    let mut writer = arrow_ipc::writer::FileWriter::try_new(out, &schema).map_err(failed)?;
    for part in 0..selection.parts() {
        writer.write(&batch(archive, selection, part, &schema)?).map_err(failed)?;
    }
    writer.finish().map_err(failed)
}

fn failed(e: ArrowError) -> Error {
    Error::from(std::io::Error::other(e.to_string()))
}

fn batch<S: Source>(
    archive: &Archive<S>,
    selection: &Selection,
    part: usize,
    schema: &Arc<Schema>,
) -> Result<RecordBatch> {
    let (mut arrays, mut rows) = (Vec::new(), 0);
    for (c, column) in selection.schemas(archive)?.iter().enumerate() {
        let (events, content) = selection.read(archive, part, c)?;
        rows = events as usize;
        arrays.push(array(column, content)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options).map_err(failed)
}

fn schema(columns: &[ColumnSchema]) -> Result<Arc<Schema>> {
    let fields: Result<Vec<Field>> =
        columns.iter().map(|c| Ok(Field::new(&c.name, data_type(c)?, false))).collect();
    Ok(Arc::new(Schema::new(fields?)))
}

fn item(of: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", of, false))
}

/// Length of a fixed dimension.
fn dimension(column: &ColumnSchema, d: u32) -> Result<i32> {
    i32::try_from(d).map_err(|_| unsupported(format!("column {}: dimension {d}", column.name)))
}

fn data_type(column: &ColumnSchema) -> Result<DataType> {
    let mut t = match (column.meaning, column.scalar) {
        (Meaning::Text, _) => DataType::Utf8,
        (Meaning::Bytes, _) => DataType::Binary,
        (_, Scalar::Bool) => DataType::Boolean,
        (_, Scalar::I8) => DataType::Int8,
        (_, Scalar::U8) => DataType::UInt8,
        (_, Scalar::I16) => DataType::Int16,
        (_, Scalar::U16) => DataType::UInt16,
        (_, Scalar::I32) => DataType::Int32,
        (_, Scalar::U32) => DataType::UInt32,
        (_, Scalar::I64) => DataType::Int64,
        (_, Scalar::U64) => DataType::UInt64,
        (_, Scalar::F32) => DataType::Float32,
        (_, Scalar::F64) => DataType::Float64,
    };
    for &d in column.inner.iter().rev() {
        t = DataType::FixedSizeList(item(t), dimension(column, d)?);
    }
    for _ in 0..column.depth {
        t = DataType::List(item(t));
    }
    Ok(t)
}

fn array(column: &ColumnSchema, content: Column) -> Result<ArrayRef> {
    let mut levels = content.lengths;
    let named = |e: ArrowError| corruption(e.to_string()).within(format!("column {}", column.name));
    let mut array: ArrayRef = if column.meaning == Meaning::Number {
        numbers(column.scalar, content.values)?
    } else {
        let offsets = offsets(&levels.pop().unwrap_or_default())?;
        let Cells::W1(bytes) = content.values else { return Err(corruption("strings of another width")) };
        let bytes = Buffer::from_vec(bytes);
        if column.meaning == Meaning::Text {
            Arc::new(StringArray::try_new(offsets, bytes, None).map_err(named)?)
        } else {
            Arc::new(BinaryArray::try_new(offsets, bytes, None).map_err(named)?)
        }
    };
    for &d in column.inner.iter().rev() {
        let d = dimension(column, d)?;
        let of = item(array.data_type().clone());
        if d == 0 {
            return Err(unsupported(format!("column {}: a dimension of 0", column.name)));
        }
        array = Arc::new(FixedSizeListArray::try_new(of, d, array, None).map_err(named)?);
    }
    for lengths in levels.iter().rev() {
        let of = item(array.data_type().clone());
        array = Arc::new(ListArray::try_new(of, offsets(lengths)?, array, None).map_err(named)?);
    }
    Ok(array)
}

fn offsets(lengths: &[u32]) -> Result<OffsetBuffer<i32>> {
    let (mut end, mut offsets) = (0i64, Vec::with_capacity(lengths.len() + 1));
    offsets.push(0);
    for &n in lengths {
        end += n as i64;
        offsets.push(i32::try_from(end).map_err(|_| unsupported("a chunk of more than 2^31 items"))?);
    }
    Ok(OffsetBuffer::new(ScalarBuffer::from(offsets)))
}

fn primitive<T: arrow_array::ArrowPrimitiveType>(cells: impl Iterator<Item = T::Native>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(cells.collect::<Vec<_>>().into(), None))
}

fn numbers(scalar: Scalar, cells: Cells) -> Result<ArrayRef> {
    Ok(match (scalar, cells) {
        (Scalar::Bool, Cells::W1(v)) => {
            Arc::new(BooleanArray::new(BooleanBuffer::from_iter(v.iter().map(|&b| b != 0)), None))
        }
        (Scalar::I8, Cells::W1(v)) => primitive::<types::Int8Type>(v.iter().map(|&x| x as i8)),
        (_, Cells::W1(v)) => primitive::<types::UInt8Type>(v.into_iter()),
        (Scalar::I16, Cells::W2(v)) => primitive::<types::Int16Type>(v.iter().map(|&x| x as i16)),
        (_, Cells::W2(v)) => primitive::<types::UInt16Type>(v.into_iter()),
        (Scalar::I32, Cells::W4(v)) => primitive::<types::Int32Type>(v.iter().map(|&x| x as i32)),
        (Scalar::F32, Cells::W4(v)) => primitive::<types::Float32Type>(v.iter().map(|&x| f32::from_bits(x))),
        (_, Cells::W4(v)) => primitive::<types::UInt32Type>(v.into_iter()),
        (Scalar::I64, Cells::W8(v)) => primitive::<types::Int64Type>(v.iter().map(|&x| x as i64)),
        (Scalar::F64, Cells::W8(v)) => primitive::<types::Float64Type>(v.iter().map(|&x| f64::from_bits(x))),
        (_, Cells::W8(v)) => primitive::<types::UInt64Type>(v.into_iter()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_arrays_agree() {
        let column = Column {
            lengths: vec![vec![1, 2]],
            values: Cells::W4((0..6).map(|i| (i as f32).to_bits()).collect()),
        };
        let schema = ColumnSchema::jagged("x", Scalar::F32, 1).with_inner(vec![2]);
        column.check(&schema, 2).unwrap();
        let a = array(&schema, column).unwrap();
        assert_eq!((a.len(), a.data_type()), (2, &data_type(&schema).unwrap()));
        let s = ColumnSchema::text("s");
        let a = array(&s, Column::strings(["ab", ""])).unwrap();
        assert_eq!((a.len(), a.data_type()), (2, &DataType::Utf8));
        assert!(array(&s, Column::strings([[0xff, 0xfe]])).is_err());
    }
}
