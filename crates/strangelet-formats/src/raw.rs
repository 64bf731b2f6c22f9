//! Anything else: bytes as they are, in chunks. Always works, also for empty and broken files.

use strangelet::column::{Cells, Column, ColumnSchema};
use strangelet::dissect::{Context, FileFormat, Sink, Tables};
use strangelet::error::{Result, corruption};
use strangelet::source::{Source, Target};
use strangelet::table::TableSchema;

/// Bytes of a chunk.
const CHUNK: u64 = 8 << 20;

/// Plain bytes.
pub struct Raw;

impl FileFormat for Raw {
    fn id(&self) -> u16 {
        0
    }
    fn name(&self) -> &'static str {
        "raw"
    }
    fn probe(&self, _source: &dyn Source) -> bool {
        true
    }

    fn dissect(&self, _cx: &Context, source: &dyn Source, sink: &mut dyn Sink) -> Result<()> {
        let table = sink.table(TableSchema::residue("bytes", vec![ColumnSchema::bytes("bytes")]))?;
        let mut pos = 0;
        while pos < source.len() {
            let bytes = source.range(pos, CHUNK.min(source.len() - pos))?;
            pos += bytes.len() as u64;
            sink.chunk(
                table,
                1,
                vec![Column { lengths: vec![vec![bytes.len() as u32]], values: Cells::W1(bytes) }],
            )?;
        }
        Ok(())
    }

    fn assemble(&self, _cx: &Context, tables: &dyn Tables, target: &mut dyn Target) -> Result<()> {
        let mut pos = 0;
        for chunk in 0..tables.chunks(0)?.len() {
            match tables.read_column(0, chunk, 0)?.values {
                Cells::W1(bytes) => {
                    target.write_at(pos, &bytes)?;
                    pos += bytes.len() as u64;
                }
                _ => return Err(corruption("bytes of another width")),
            }
        }
        Ok(())
    }
}
