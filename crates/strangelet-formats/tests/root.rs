//! ROOT files: every byte comes back, from whole files and from broken ones, and the columns are typed.

mod common;

use strangelet::codec::Level;
use strangelet::column::{Column, Scalar};
use strangelet::dissect::{Context, FileFormat, Proofs, Sink, TableId, Tables};
use strangelet::error::{Result, corruption};
use strangelet::source::{Compare, Source};
use strangelet::table::TableSchema;
use strangelet_formats::ALL;
use strangelet_formats::root::Root;

/// Tables in memory, as they were given.
#[derive(Default)]
struct Memory {
    schemas: Vec<TableSchema>,
    chunks: Vec<Vec<(u64, Vec<Column>)>>,
}

impl Sink for Memory {
    fn table(&mut self, schema: TableSchema) -> Result<TableId> {
        self.schemas.push(schema);
        self.chunks.push(Vec::new());
        Ok(self.schemas.len() - 1)
    }
    fn chunk(&mut self, table: TableId, events: u64, columns: Vec<Column>) -> Result<()> {
        self.schemas[table].check(events, &columns)?;
        self.chunks[table].push((events, columns));
        Ok(())
    }
}

impl Tables for Memory {
    fn count(&self) -> usize {
        self.schemas.len()
    }
    fn schema(&self, table: TableId) -> Result<&TableSchema> {
        self.schemas.get(table).ok_or_else(|| corruption("no such table"))
    }
    fn chunks(&self, table: TableId) -> Result<Vec<u64>> {
        Ok(self.chunks.get(table).ok_or_else(|| corruption("no such table"))?.iter().map(|c| c.0).collect())
    }
    fn read(&self, table: TableId, chunk: usize) -> Result<Vec<Column>> {
        Ok(self.chunks[table][chunk].1.clone())
    }
    fn read_column(&self, table: TableId, chunk: usize, column: usize) -> Result<Column> {
        Ok(self.chunks[table][chunk].1[column].clone())
    }
}

/// Takes apart and puts together again; none where the file is refused.
fn through(bytes: &Vec<u8>, remember: bool) -> Option<Memory> {
    let (proofs, none) = (Proofs::default(), Proofs::default());
    let cx = Context { formats: ALL, proofs: &proofs, level: Level::Fast };
    let mut memory = Memory::default();
    Root.dissect(&cx, bytes, &mut memory).ok()?;
    let cx = Context { proofs: if remember { &proofs } else { &none }, ..cx };
    let mut compare = Compare::new(bytes);
    Root.assemble(&cx, &memory, &mut compare).unwrap();
    compare.finish().unwrap();
    Some(memory)
}

fn file(name: &str) -> Vec<u8> {
    let path = format!("{}/../../data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

#[test]
fn real_files_come_back_from_their_columns() {
    for (name, table, columns) in [
        ("nano_tt_v12.root", "Events", 650),
        ("uproot-issue-816.root", "AnalysisMiniTree", 40),
        ("PHYSLITE_example.root", "CollectionTree", 1000),
        ("test_full_mc_evt_1.rec", "Event", 50),
        ("nano_dy_rntuple.root", "root.bytes", 5),
    ] {
        let memory = through(&file(name), false).unwrap();
        let schema = memory.schemas.iter().find(|s| s.name == table).unwrap();
        assert!(schema.columns.len() >= columns, "{name}: {} columns", schema.columns.len());
    }
}

#[test]
fn all_real_files_come_back() {
    let Some(folder) = common::data_folder() else {
        eprintln!("skipped: no data folder (set STRANGELET_DATA)");
        return;
    };
    let mut seen = 0;
    for dir in std::fs::read_dir(folder).unwrap().map(|d| d.unwrap().path()).filter(|d| d.is_dir()) {
        for path in std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path()) {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.starts_with(b"root") {
                assert!(through(&bytes, true).is_some(), "{} is refused", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} ROOT files");
}

#[test]
fn types_and_values_are_those_of_the_branches() {
    let memory = through(&file("nano_tt_v12.root"), true).unwrap();
    let t = memory.schemas.iter().position(|s| s.name == "Events").unwrap();
    let find = |name: &str| memory.schemas[t].find(name).unwrap();
    let pt = find("Jet_pt");
    assert_eq!((memory.schemas[t].columns[pt].scalar, memory.schemas[t].columns[pt].depth), (Scalar::F32, 1));
    let n = memory.read_column(t, 0, find("nJet")).unwrap();
    let lengths: Vec<u64> =
        memory.read_column(t, 0, pt).unwrap().lengths[0].iter().map(|&n| n as u64).collect();
    let counts: Vec<u64> = (0..n.values.len()).map(|i| n.values.get(i).unwrap()).collect();
    assert_eq!(lengths, counts);
}

#[test]
fn broken_files_come_back_or_are_refused() {
    let bytes = file("uproot-issue-816.root");
    for i in 0..24 {
        // Cuts and flips all over the file, more of them near its ends.
        let at = match i % 3 {
            0 => bytes.len() - 1 - 97 * i * i,
            1 => 60 + 211 * i,
            _ => bytes.len() / 25 * (i + 1),
        };
        through(&bytes[..at].to_vec(), true);
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (i % 8);
        assert!(through(&flipped, true).is_some(), "flipped at {at}");
    }
}
