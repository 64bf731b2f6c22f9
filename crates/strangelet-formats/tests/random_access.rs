//! One column of one chunk, without the rest: what a reader touches is counted.

mod common;

use std::sync::Mutex;
use strangelet::archive::{self, Archive};
use strangelet::codec::Level;
use strangelet::dissect::Tables;
use strangelet::error::Result;
use strangelet::format::index::first_stream;
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;

/// Notes which bytes are read.
struct Counting<S> {
    inner: S,
    reads: Mutex<Vec<(u64, u64)>>,
}

impl<S: Source> Source for Counting<S> {
    fn len(&self) -> u64 {
        self.inner.len()
    }
    fn read_at(&self, pos: u64, buf: &mut [u8]) -> Result<()> {
        self.reads.lock().unwrap().push((pos, buf.len() as u64));
        self.inner.read_at(pos, buf)
    }
}

impl<S> Counting<S> {
    fn take(&self) -> u64 {
        self.reads.lock().unwrap().drain(..).map(|r| r.1).sum()
    }
}

#[test]
fn a_column_is_read_without_the_rest() {
    let Some(source) = common::data("km3net/muon_cc_events.root") else { return };
    let (container, _) =
        archive::compress(&source, ALL, Level::Fast, &mut || Ok(Spool::new(u64::MAX))).unwrap();
    let total = container.len();
    let counting = Counting { inner: &container, reads: Mutex::default() };
    let archive = Archive::open(counting).unwrap();
    let opening = archive.reader().overhead();
    let table = archive.find("E").unwrap();
    let schema = archive.schema(table).unwrap().clone();
    let mut largest = 0;
    for column in 0..schema.columns.len() {
        archive.read_source().take();
        let mut own = 0;
        for chunk in 0..archive.chunks(table).unwrap().len() {
            archive.read_column(table, chunk, column).unwrap();
            let first = first_stream(&schema, column);
            let streams = &archive.chunk_entry(table, chunk).unwrap().streams;
            let places = &streams[first..=first + schema.columns[column].levels()];
            own += places.iter().map(|s| s.place.len()).sum::<u64>();
        }
        // What opening the container cost belongs to every column.
        let beyond = (opening + archive.read_source().take()).saturating_sub(own);
        largest = largest.max(beyond);
        let name = &schema.columns[column].name;
        assert!(beyond * 100 <= total * 3, "{name}: {beyond} bytes of {total} beyond its own {own}");
    }
    println!(
        "at most {largest} of {total} bytes ({:.2} %) beyond the column's own",
        1e2 * largest as f64 / total as f64
    );
}
