//! The rival that knows types: our own columns, coded by pco, everything else by xz.
//!
//! Numbers of two bytes and more, and the lengths of lists as `u32`, each column over all its chunks
//! as one pco file at level 12; bytes, flags, strings and residue one after the other as one xz stream
//! (preset 9, extreme). Taking the file apart and putting it together again is not timed, and names
//! and schema are not counted: both flatter the rival.

use super::clock::Clock;
use super::rivals;
use pco::ChunkConfig;
use pco::data_types::Number;
use strangelet::codec::Level;
use strangelet::column::{Cells, Column, Meaning, Scalar};
use strangelet::dissect::{Context, Proofs, Sink, TableId};
use strangelet::error::{Error, Result, corruption};
use strangelet::source::Source;
use strangelet::table::TableSchema;
use strangelet_formats::ALL;

/// Streams of a file: each over all chunks.
#[derive(Default)]
pub struct Streams {
    tables: Vec<(TableSchema, Vec<usize>)>,
    /// Cells that pco takes, with their type.
    numbers: Vec<(Scalar, Cells)>,
    /// Everything else.
    bytes: Vec<u8>,
}

impl Sink for Streams {
    fn table(&mut self, schema: TableSchema) -> Result<TableId> {
        let mut first = Vec::new();
        for c in &schema.columns {
            first.push(self.numbers.len());
            let typed = !schema.residue && c.meaning == Meaning::Number && c.scalar.width() > 1;
            if schema.residue {
                continue;
            }
            self.numbers.extend((0..c.levels()).map(|_| (Scalar::U32, Cells::empty(4))));
            if typed {
                self.numbers.push((c.scalar, Cells::empty(c.scalar.width())));
            }
        }
        self.tables.push((schema, first));
        Ok(self.tables.len() - 1)
    }

    fn chunk(&mut self, table: TableId, _events: u64, columns: Vec<Column>) -> Result<()> {
        let missing = || corruption(format!("there is no table {table}"));
        let (schema, first) = self.tables.get(table).ok_or_else(missing)?;
        for ((c, first), column) in schema.columns.iter().zip(first).zip(columns) {
            let levels = column.lengths.len();
            for (level, lengths) in column.lengths.into_iter().enumerate() {
                let lengths = Cells::W4(lengths);
                match self.numbers.get_mut(first + level) {
                    Some((_, cells)) if !schema.residue => cells.append(&lengths)?,
                    _ => lengths.to_le_bytes(&mut self.bytes),
                }
            }
            let typed = !schema.residue && c.meaning == Meaning::Number && c.scalar.width() > 1;
            match self.numbers.get_mut(first + levels) {
                Some((_, cells)) if typed => cells.append(&column.values)?,
                _ => column.values.to_le_bytes(&mut self.bytes),
            }
        }
        Ok(())
    }
}

impl Streams {
    /// Takes a file apart, as the first kind does that can.
    pub fn of(source: &dyn Source) -> Result<Streams> {
        for format in ALL.iter().filter(|f| f.probe(source)) {
            let (mut streams, proofs) = (Streams::default(), Proofs::default());
            let cx = Context { formats: ALL, proofs: &proofs, level: Level::Fast };
            if format.dissect(&cx, source, &mut streams).is_ok() {
                return Ok(streams);
            }
        }
        Err(corruption("no kind of file takes it"))
    }

    /// Payloads of the numbers, and of the rest.
    pub fn pack(&self) -> Result<(Vec<Vec<u8>>, Vec<u8>)> {
        let numbers =
            self.numbers.iter().map(|(scalar, cells)| pack(*scalar, cells)).collect::<Result<_>>()?;
        let mut rest = Vec::new();
        xz()?.compress(&mut &self.bytes[..], self.bytes.len() as u64, &mut rest)?;
        Ok((numbers, rest))
    }

    /// Whether the payloads give the streams back; only the decoding is in `seconds`.
    pub fn unpack(&self, packed: &(Vec<Vec<u8>>, Vec<u8>), clock: Clock) -> Result<(bool, f64)> {
        let (mut exact, mut seconds) = (true, 0.0);
        for ((scalar, cells), payload) in self.numbers.iter().zip(&packed.0) {
            let start = clock.now();
            let back = unpack(*scalar, payload)?;
            seconds += clock.now() - start;
            exact &= back == *cells;
        }
        let (start, mut back) = (clock.now(), Vec::new());
        xz()?.decompress(&mut &packed.1[..], &mut back)?;
        seconds += clock.now() - start;
        Ok((exact && back == self.bytes, seconds))
    }
}

fn xz() -> Result<&'static dyn rivals::Rival> {
    rivals::by_name("xz-9e").ok_or_else(|| corruption("there is no rival xz-9e"))
}

fn simple<T: Number>(cells: impl Iterator<Item = T>) -> Result<Vec<u8>> {
    let cells: Vec<T> = cells.collect();
    let config = ChunkConfig::default().with_compression_level(12);
    pco::standalone::simple_compress(&cells, &config).map_err(|e| corruption(e.to_string()))
}

fn back<T: Number>(payload: &[u8]) -> Result<Vec<T>> {
    pco::standalone::simple_decompress(payload).map_err(|e| corruption(e.to_string()))
}

/// One stream as a pco file of its type.
fn pack(scalar: Scalar, cells: &Cells) -> Result<Vec<u8>> {
    match (scalar, cells) {
        (Scalar::I16, Cells::W2(v)) => simple(v.iter().map(|&x| x as i16)),
        (_, Cells::W2(v)) => simple(v.iter().copied()),
        (Scalar::I32, Cells::W4(v)) => simple(v.iter().map(|&x| x as i32)),
        (Scalar::F32, Cells::W4(v)) => simple(v.iter().map(|&x| f32::from_bits(x))),
        (_, Cells::W4(v)) => simple(v.iter().copied()),
        (Scalar::I64, Cells::W8(v)) => simple(v.iter().map(|&x| x as i64)),
        (Scalar::F64, Cells::W8(v)) => simple(v.iter().map(|&x| f64::from_bits(x))),
        (_, Cells::W8(v)) => simple(v.iter().copied()),
        (_, Cells::W1(_)) => Err(corruption("pco is not given single bytes")),
    }
}

fn unpack(scalar: Scalar, payload: &[u8]) -> Result<Cells> {
    Ok(match scalar {
        Scalar::U16 => Cells::W2(back(payload)?),
        Scalar::I16 => Cells::W2(back::<i16>(payload)?.into_iter().map(|x| x as u16).collect()),
        Scalar::U32 => Cells::W4(back(payload)?),
        Scalar::I32 => Cells::W4(back::<i32>(payload)?.into_iter().map(|x| x as u32).collect()),
        Scalar::F32 => Cells::W4(back::<f32>(payload)?.into_iter().map(f32::to_bits).collect()),
        Scalar::U64 => Cells::W8(back(payload)?),
        Scalar::I64 => Cells::W8(back::<i64>(payload)?.into_iter().map(|x| x as u64).collect()),
        Scalar::F64 => Cells::W8(back::<f64>(payload)?.into_iter().map(f64::to_bits).collect()),
        Scalar::Bool | Scalar::I8 | Scalar::U8 => return Err(Error::from(std::io::Error::other("bytes"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use strangelet::column::ColumnSchema;

    #[test]
    fn typed_streams_come_back() {
        let mut s = Streams::default();
        let columns = vec![
            ColumnSchema::flat("x", Scalar::F32),
            ColumnSchema::flat("flag", Scalar::Bool),
            ColumnSchema::jagged("hits", Scalar::I16, 1),
        ];
        let t = s.table(TableSchema::new("t", columns)).unwrap();
        let r = s.table(TableSchema::residue("r", vec![ColumnSchema::flat("y", Scalar::U64)])).unwrap();
        for chunk in 0..2u32 {
            let x = Cells::W4((0..100).map(|i| f32::to_bits((i + chunk) as f32)).collect());
            let hits = Column::jagged(vec![2; 100], Cells::W2((0..200).collect()));
            let flags = Column::flat(Cells::W1(vec![1; 100]));
            s.chunk(t, 100, vec![Column::flat(x), flags, hits]).unwrap();
            s.chunk(r, 1, vec![Column::flat(Cells::W8(vec![7]))]).unwrap();
        }
        assert_eq!(s.numbers.iter().map(|n| n.1.len()).collect::<Vec<_>>(), [200, 200, 400]);
        assert_eq!(s.bytes.len(), 2 * 100 + 2 * 8);
        let mut packed = s.pack().unwrap();
        assert!(s.unpack(&packed, Clock::Wall).unwrap().0);
        packed.0.swap(0, 0);
        packed.0[1] = pack(Scalar::U32, &Cells::W4(vec![3; 200])).unwrap();
        assert!(!s.unpack(&packed, Clock::Wall).unwrap().0);
    }
}
