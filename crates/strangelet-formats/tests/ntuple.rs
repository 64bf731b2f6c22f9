//! Ntuples come back: every claimed span of the file is made again from the tables.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use strangelet::column::{Cells, Column};
use strangelet::dissect::{Sink, TableId, Tables};
use strangelet::error::{Result, corruption, unsupported};
use strangelet::table::TableSchema;
use strangelet_formats::root::ntuple::{Anchor, Claim, Piece, Span, Spans, assemble, claimed, dissect};
use xxhash_rust::xxh3::xxh3_64;

/// Tables in memory.
#[derive(Default, Clone)]
struct Held(Vec<(TableSchema, Vec<Chunk>)>);

/// Events and columns.
type Chunk = (u64, Vec<Column>);

impl Sink for Held {
    fn table(&mut self, schema: TableSchema) -> Result<TableId> {
        assert!(self.0.iter().all(|t| t.0.name != schema.name), "{} twice", schema.name);
        schema.columns.iter().for_each(|c| c.check().unwrap());
        self.0.push((schema, Vec::new()));
        Ok(self.0.len() - 1)
    }
    fn chunk(&mut self, table: TableId, events: u64, columns: Vec<Column>) -> Result<()> {
        let (schema, chunks) = &mut self.0[table];
        schema.check(events, &columns)?;
        chunks.push((events, columns));
        Ok(())
    }
}

impl Tables for Held {
    fn count(&self) -> usize {
        self.0.len()
    }
    fn schema(&self, table: TableId) -> Result<&TableSchema> {
        self.0.get(table).map(|t| &t.0).ok_or_else(|| corruption("no such table"))
    }
    fn chunks(&self, table: TableId) -> Result<Vec<u64>> {
        let t = self.0.get(table).ok_or_else(|| corruption("no such table"))?;
        Ok(t.1.iter().map(|c| c.0).collect())
    }
    fn read(&self, table: TableId, chunk: usize) -> Result<Vec<Column>> {
        let found = self.0.get(table).and_then(|t| t.1.get(chunk));
        found.map(|c| c.1.clone()).ok_or_else(|| corruption("no such chunk"))
    }
    fn read_column(&self, table: TableId, chunk: usize, column: usize) -> Result<Column> {
        self.read(table, chunk)?.into_iter().nth(column).ok_or_else(|| corruption("no such column"))
    }
}

/// Claims by position.
#[derive(Default)]
struct Driver(Mutex<BTreeMap<u64, Claim>>, bool);

impl Spans for Driver {
    fn inflate(&self, stored: &[u8], content: usize) -> Result<Vec<u8>> {
        if stored.len() == content {
            return Ok(stored.to_vec());
        }
        let mut out = Vec::new();
        let mut rest = stored;
        while let Some((head, behind)) = rest.split_first_chunk::<9>() {
            let n = u32::from_le_bytes([head[3], head[4], head[5], 0]) as usize;
            let m = u32::from_le_bytes([head[6], head[7], head[8], 0]) as usize;
            let (own, next) = behind.split_at_checked(n).ok_or_else(|| corruption("short block"))?;
            match &head[..2] {
                b"ZS" => out.extend(zstd::bulk::decompress(own, m).map_err(|e| corruption(e.to_string()))?),
                other => return Err(unsupported(format!("{other:?}"))),
            }
            rest = next;
        }
        Ok(out)
    }

    fn claim(&self, claims: Vec<Claim>) -> Result<Vec<bool>> {
        // every third is refused, which must change nothing
        let mut held = self.0.lock().unwrap();
        let mut taken = Vec::new();
        for claim in claims {
            let take = !self.1 || claim.span.position % 3 != 0;
            assert!(!take || held.insert(claim.span.position, claim).is_none(), "claimed twice");
            taken.push(take);
        }
        Ok(taken)
    }
}

/// Anchors of the ntuples of a file: of every key of their class that stands where it says.
fn anchors(file: &[u8]) -> Vec<Anchor> {
    let be = |at: usize, n: usize| file[at..at + n].iter().fold(0u64, |v, &b| v << 8 | b as u64);
    let mut found = Vec::new();
    for class in file.windows(14).enumerate().filter(|w| w.1 == b"\x0dROOT::RNTuple").map(|w| w.0) {
        for (head, wide) in [(26, 4), (34, 8)] {
            let Some(at) = class.checked_sub(head).filter(|&at| be(at + 18, wide) == at as u64) else {
                continue;
            };
            let (n, length, key) = (be(at, 4) as usize, be(at + 6, 4) as usize, be(at + 14, 2) as usize);
            let content = Driver::default().inflate(&file[at + key..at + n], length).unwrap();
            found.push(Anchor::parse(&content).unwrap());
        }
    }
    found
}

fn apart(file: &[u8], anchor: &Anchor) -> Result<(Held, BTreeMap<u64, Claim>)> {
    let (mut held, driver) = (Held::default(), Driver::default());
    dissect(&file, anchor, "Events", &driver, &mut held)?;
    Ok((held, driver.0.into_inner().unwrap()))
}

/// Takes all ntuples of a file apart and together; gives the tables and the claimed bytes.
fn round(file: &[u8]) -> Vec<(Held, u64)> {
    let anchors = anchors(file);
    assert!(!anchors.is_empty(), "no ntuple");
    let mut out = Vec::new();
    for anchor in anchors {
        let (held, mut claims) = apart(file, &anchor).unwrap();
        let claimed = claims.values().map(|c| c.span.stored + if c.sealed { 8 } else { 0 }).sum();
        let used = assemble(&held, 0, &mut |piece: Piece| {
            let claim = claims.remove(&piece.span.position).expect("was not claimed");
            assert_eq!((claim.span, claim.sealed), (piece.span, piece.sealed));
            assert_eq!(claim.content, piece.content);
            Ok(())
        })
        .unwrap();
        assert!(claims.is_empty(), "{} claims did not come back", claims.len());
        assert_eq!(used, held.0.len());
        if let Ok(dir) = std::env::var("NTUPLE_DUMP") {
            dump(&held, Path::new(&dir));
        }
        out.push((held, claimed));
    }
    out
}

/// Writes the columns of the visible table, for a comparison by other means.
fn dump(held: &Held, dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let mut list = String::new();
    for (schema, chunks) in held.0.iter().filter(|t| !t.0.residue) {
        for (i, c) in schema.columns.iter().enumerate() {
            let mut values = Vec::new();
            let mut lengths = vec![Vec::new(); c.levels()];
            for (_, columns) in chunks {
                columns[i].values.to_le_bytes(&mut values);
                for (l, own) in lengths.iter_mut().zip(&columns[i].lengths) {
                    Cells::W4(own.clone()).to_le_bytes(l);
                }
            }
            let file = format!("{}-{i}", schema.name);
            list += &format!(
                "{file}\t{}\t{}\t{:?}\t{}\t{:?}\n",
                c.name,
                c.scalar.name(),
                c.meaning,
                c.depth,
                c.inner
            );
            std::fs::write(dir.join(&file), values).unwrap();
            for (k, l) in lengths.iter().enumerate() {
                std::fs::write(dir.join(format!("{file}.{k}")), l).unwrap();
            }
        }
    }
    std::fs::write(dir.join("list"), list).unwrap();
}

fn nano() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/nano_dy_rntuple.root");
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn small(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Name, type and digest of the visible columns, sorted by name: the line that other software gives.
fn digests(held: &Held) -> Vec<String> {
    let mut lines = BTreeMap::new();
    for (schema, chunks) in held.0.iter().filter(|t| !t.0.residue) {
        for (i, c) in schema.columns.iter().enumerate() {
            let mut bytes = vec![Vec::new(); c.levels() + 1];
            for (_, columns) in chunks {
                for (l, own) in columns[i].lengths.iter().enumerate() {
                    Cells::W4(own.clone()).to_le_bytes(&mut bytes[l]);
                }
                columns[i].values.to_le_bytes(&mut bytes[c.levels()]);
            }
            let (sort, bits) = c.scalar.name().split_at(1);
            let kind = match sort {
                "b" => "bool".to_string(),
                "i" => format!("int{bits}"),
                "u" => format!("uint{bits}"),
                _ => format!("float{bits}"),
            };
            lines.insert(c.name.clone(), format!("{} {} {:016x}", c.name, kind, xxh3_64(&bytes.concat())));
        }
    }
    lines.into_values().collect()
}

#[test]
fn spans_that_the_driver_keeps_are_not_made() {
    let files = ["kinds_rntuple.root", "variant_rntuple.root", "late_rntuple.root"].map(small);
    for file in files.into_iter().chain([nano()]) {
        for anchor in anchors(&file) {
            let (mut held, driver) = (Held::default(), Driver(Mutex::default(), true));
            dissect(&file.as_slice(), &anchor, "Events", &driver, &mut held).unwrap();
            let mut claims = driver.0.into_inner().unwrap();
            let mut spans: Vec<_> = claimed(&held, 0).unwrap().spans;
            spans.sort_unstable();
            let seal = |c: &Claim| if c.sealed { 8 } else { 0 };
            let told = claims.values().map(|c| (c.span.position, c.span.stored + seal(c)));
            assert_eq!(spans, told.collect::<Vec<_>>());
            assemble(&held, 0, &mut |piece: Piece| {
                assert_eq!(
                    claims.remove(&piece.span.position).expect("was not claimed").content,
                    piece.content
                );
                Ok(())
            })
            .unwrap();
            assert!(claims.is_empty());
        }
    }
}

#[test]
fn nano_comes_back() {
    let file = nano();
    let (held, claimed) = round(&file).remove(0);
    let (table, chunks) = held.0.iter().find(|t| !t.0.residue).unwrap();
    assert_eq!((table.name.as_str(), table.columns.len(), chunks[0].0), ("Events", 1474, 40));
    // what is left are the keys and records of the file
    assert!(claimed > 84_000, "only {claimed} of {} bytes", file.len());
    // header, footer and page list come back from rows: none is kept as bytes
    let envelopes = &held.0[0].1[0].1;
    assert_eq!(envelopes[3].values, Cells::W1(vec![3, 3, 3]));
    assert_eq!(envelopes[4].lengths, [[0, 0, 0]]);
    // what uproot reads
    assert_eq!(format!("{:016x}", xxh3_64(digests(&held).join("\n").as_bytes())), "06a637648931127a");
}

#[test]
fn columns_are_those_that_others_read() {
    let (held, _) = round(&small("kinds_rntuple.root")).remove(0);
    let expected = String::from_utf8(small("kinds_rntuple.txt")).unwrap();
    assert_eq!(digests(&held).join("\n"), expected.trim_end());
}

#[test]
fn variants_go_to_tables_of_their_own() {
    let (held, _) = round(&small("variant_rntuple.root")).remove(0);
    let visible = held.0.iter().find(|t| !t.0.residue).unwrap();
    assert_eq!(visible.0.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["x"]);
    let tags = held.0[7..].iter().find(|t| t.0.find("tag").is_some()).unwrap();
    assert_eq!(tags.1[0].1[1].values, Cells::W4(vec![1, 1, 2, 1, 2]));
}

#[test]
fn fields_that_came_late_are_zero_before() {
    let (held, _) = round(&small("late_rntuple.root")).remove(0);
    let visible = held.0.iter().find(|t| !t.0.residue).unwrap();
    let z = visible.0.find("z").unwrap();
    assert_eq!(visible.1[0].1[z].values, Cells::W4(vec![0, 0, 0, 0, 0, 7, 8, 9, 17, 18]));
    // the footer describes the field, and comes back from rows
    assert_eq!(held.0[0].1[0].1[3].values, Cells::W1(vec![3, 3, 3, 3, 3]));
}

/// The same ntuple with other envelopes behind the end of the file, uncompressed and with checksums that fit.
fn resealed(file: &[u8], anchor: &Anchor, change: impl Fn(usize, &mut Vec<u8>)) -> (Vec<u8>, Anchor) {
    let read = |s: Span| {
        let stored = &file[s.position as usize..(s.position + s.stored) as usize];
        Driver::default().inflate(stored, s.content as usize).unwrap()
    };
    let seal = |content: &mut Vec<u8>| {
        let n = content.len() - 8;
        let sum = xxh3_64(&content[..n]);
        content[n..].copy_from_slice(&sum.to_le_bytes());
        sum.to_le_bytes()
    };
    let mut header = read(anchor.header);
    change(0, &mut header);
    let sum = seal(&mut header);
    let mut footer = read(anchor.footer);
    let mut out = file.to_vec();
    let mut put = |content: &[u8]| {
        let position = out.len() as u64;
        out.extend_from_slice(content);
        Span { position, stored: content.len() as u64, content: content.len() as u64 }
    };
    // links to page lists: content length, stored length, position
    let mut at = 16;
    while let Some(link) = footer.get(at..at + 20) {
        let word = |i: usize, n: usize| link[i..i + n].iter().rev().fold(0u64, |v, &b| v << 8 | b as u64);
        let span = Span { content: word(0, 8), stored: word(8, 4), position: word(12, 8) };
        let end = span.position.saturating_add(span.stored);
        at += 1;
        if span.content < 100 || span.content > 1 << 20 || span.position < 100 || end > file.len() as u64 {
            continue;
        }
        let Ok(mut list) =
            Driver::default().inflate(&file[span.position as usize..end as usize], span.content as usize)
        else {
            continue;
        };
        if list.first() != Some(&3) {
            continue;
        }
        list[8..16].copy_from_slice(&sum);
        change(2, &mut list);
        seal(&mut list);
        let new = put(&list);
        footer[at + 7..at + 11].copy_from_slice(&(new.stored as u32).to_le_bytes());
        footer[at + 11..at + 19].copy_from_slice(&new.position.to_le_bytes());
        at += 19;
    }
    footer[16..24].copy_from_slice(&sum);
    change(1, &mut footer);
    seal(&mut footer);
    let (header, footer) = (put(&header), put(&footer));
    (out, Anchor { header, footer, ..*anchor })
}

#[test]
fn resealed_files_are_still_read() {
    for name in ["kinds_rntuple.root", "variant_rntuple.root"] {
        let file = small(name);
        let anchor = anchors(&file)[0];
        let (plain, _) = apart(&file, &anchor).unwrap();
        let (changed, anchor) = resealed(&file, &anchor, |_, _| ());
        let (again, _) = apart(&changed, &anchor).unwrap();
        assert_eq!(digests(&again), digests(&plain));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Broken metadata gives an error, or claims that come back.
    #[test]
    fn broken_envelopes_do_no_harm(
        variant in any::<bool>(),
        which in 0usize..3,
        changes in prop::collection::vec((any::<u32>(), prop_oneof![0u64..4, Just(u64::MAX), Just(1 << 31), any::<u64>()], 1usize..9), 1..4),
    ) {
        let file = small(if variant { "variant_rntuple.root" } else { "kinds_rntuple.root" });
        let anchor = anchors(&file)[0];
        let (changed, anchor) = resealed(&file, &anchor, |envelope, content| {
            if envelope == which {
                for (at, value, n) in &changes {
                    let at = 8 + *at as usize % (content.len() - 24);
                    content[at..at + n].copy_from_slice(&value.to_le_bytes()[..*n]);
                }
            }
        });
        check(&changed, &anchor);
    }

    /// Broken pages too.
    #[test]
    fn broken_bytes_do_no_harm(changes in prop::collection::vec((any::<u32>(), any::<u8>()), 1..20)) {
        let mut file = small("kinds_rntuple.root");
        let anchor = anchors(&file)[0];
        let n = file.len();
        changes.iter().for_each(|(at, value)| file[*at as usize % n] = *value);
        check(&file, &anchor);
    }
}

proptest! {
    /// Tables that were changed give an error or other contents.
    #[test]
    fn broken_tables_do_no_harm(
        variant in any::<bool>(),
        changes in prop::collection::vec((any::<u16>(), any::<u16>(), any::<u32>(), prop_oneof![Just(0), Just(u64::MAX), any::<u64>()]), 1..6),
    ) {
        let file = small(if variant { "variant_rntuple.root" } else { "kinds_rntuple.root" });
        let (mut held, _) = apart(&file, &anchors(&file)[0]).unwrap();
        for (table, column, at, value) in changes {
            let table = table as usize % held.0.len();
            let Some((_, columns)) = held.0[table].1.first_mut() else { continue };
            let n = columns.len();
            if n == 0 {
                continue;
            }
            let column = &mut columns[column as usize % n];
            if column.values.is_empty() {
                column.values = Cells::empty(4);
            }
            match &mut column.values {
                Cells::W1(v) => { let n = v.len(); v[at as usize % n] = value as u8 }
                Cells::W2(v) => { let n = v.len(); v[at as usize % n] = value as u16 }
                Cells::W4(v) if v.is_empty() => v.push(value as u32),
                Cells::W4(v) => { let n = v.len(); v[at as usize % n] = value as u32 }
                Cells::W8(v) => { let n = v.len(); v[at as usize % n] = value }
            }
            if let Some(lengths) = column.lengths.first_mut().filter(|l| !l.is_empty() && value % 2 == 0) {
                let n = lengths.len();
                lengths[at as usize % n] = value as u32;
            }
        }
        let _ = assemble(&held, 0, &mut |_| Ok(()));
    }
}

/// What was taken apart comes back.
fn check(file: &[u8], anchor: &Anchor) {
    if let Ok((held, mut claims)) = apart(file, anchor) {
        let result = assemble(&held, 0, &mut |piece: Piece| {
            let claim = claims.remove(&piece.span.position).expect("was not claimed");
            assert_eq!((claim.span, claim.sealed, claim.content), (piece.span, piece.sealed, piece.content));
            Ok(())
        });
        result.unwrap();
        assert!(claims.is_empty());
    }
}

/// A file that is named in the environment, to try others by hand.
#[test]
fn named_files_come_back() {
    for name in std::env::var("NTUPLE_FILES").unwrap_or_default().split_whitespace() {
        let file = std::fs::read(name).unwrap();
        for (held, claimed) in round(&file) {
            let table = held.0.iter().find(|t| !t.0.residue).unwrap();
            let events: u64 = table.1.iter().map(|c| c.0).sum();
            let raws = held.0.len() - 7;
            eprintln!(
                "{name}: {claimed} of {} bytes claimed, {} columns of {events} events in {} chunks, {raws} others",
                file.len(),
                table.0.columns.len(),
                table.1.len(),
            );
        }
    }
}
