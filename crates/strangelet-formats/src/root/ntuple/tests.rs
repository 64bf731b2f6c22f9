//! Ntuples made here, with what few writers use: short floats, alternative representations, columns
//! that begin within a cluster, pages stored once for several columns.

use super::lists::{close_envelope, frame, write_page_list};
use super::{Anchor, Claim, Cluster, ColumnPages, Page, Piece, Span, Spans, assemble, dissect};
use std::sync::Mutex;
use strangelet::column::{Cells, Column, Scalar};
use strangelet::dissect::{Sink, TableId, Tables};
use strangelet::error::{Result, corruption};
use strangelet::table::TableSchema;
use xxhash_rust::xxh3::xxh3_64;

#[derive(Default)]
struct Held(Vec<(TableSchema, Vec<Chunk>)>);

/// Events and columns.
type Chunk = (u64, Vec<Column>);

impl Sink for Held {
    fn table(&mut self, schema: TableSchema) -> Result<TableId> {
        self.0.push((schema, Vec::new()));
        Ok(self.0.len() - 1)
    }
    fn chunk(&mut self, table: TableId, events: u64, columns: Vec<Column>) -> Result<()> {
        self.0[table].0.check(events, &columns)?;
        self.0[table].1.push((events, columns));
        Ok(())
    }
}

impl Tables for Held {
    fn count(&self) -> usize {
        self.0.len()
    }
    fn schema(&self, table: TableId) -> Result<&TableSchema> {
        Ok(&self.0[table].0)
    }
    fn chunks(&self, table: TableId) -> Result<Vec<u64>> {
        Ok(self.0[table].1.iter().map(|c| c.0).collect())
    }
    fn read(&self, table: TableId, chunk: usize) -> Result<Vec<Column>> {
        let found = self.0[table].1.get(chunk).map(|c| c.1.clone());
        found.ok_or_else(|| corruption("no such chunk"))
    }
    fn read_column(&self, table: TableId, chunk: usize, column: usize) -> Result<Column> {
        Ok(self.read(table, chunk)?.remove(column))
    }
}

#[derive(Default)]
struct Plain(Mutex<Vec<Claim>>);

impl Spans for Plain {
    fn inflate(&self, stored: &[u8], _content: usize) -> Result<Vec<u8>> {
        Ok(stored.to_vec())
    }
    fn claim(&self, claims: Vec<Claim>) -> Result<Vec<bool>> {
        let taken = vec![true; claims.len()];
        self.0.lock().unwrap().extend(claims);
        Ok(taken)
    }
}

/// A field: name, parent, role, items if it is an array.
type FieldOf = (&'static str, u32, u16, Option<u64>);
/// A column: type, bits, field, representation, range; deferred where the last is true.
type ColumnOf = (u16, u16, u32, u16, Option<(f64, f64)>, bool);
/// The pages of a column of a cluster, with their elements; none where it is suppressed.
type PagesOf = Option<Vec<(u32, Vec<u8>)>>;

/// An uncompressed ntuple without a file around it. Equal pages are stored once.
fn written(fields: &[FieldOf], columns: &[ColumnOf], clusters: &[(u64, Vec<PagesOf>)]) -> (Vec<u8>, Anchor) {
    let mut payload = vec![0; 8];
    for text in ["made", "", "here"] {
        payload.extend((text.len() as u32).to_le_bytes());
        payload.extend(text.as_bytes());
    }
    let mut items = Vec::new();
    for (name, parent, role, array) in fields {
        let mut f = vec![0; 8];
        f.extend(parent.to_le_bytes());
        f.extend(role.to_le_bytes());
        f.extend((array.is_some() as u16).to_le_bytes());
        for text in [name, "", "", ""] {
            f.extend((text.len() as u32).to_le_bytes());
            f.extend(text.as_bytes());
        }
        array.iter().for_each(|n| f.extend(n.to_le_bytes()));
        frame(None, &f, &mut items);
    }
    frame(Some(fields.len() as u32), &items, &mut payload);
    items.clear();
    for (number, bits, field, representation, range, deferred) in columns {
        let mut c = number.to_le_bytes().to_vec();
        c.extend(bits.to_le_bytes());
        c.extend(field.to_le_bytes());
        c.extend((*deferred as u16 | (range.is_some() as u16) << 1).to_le_bytes());
        c.extend(representation.to_le_bytes());
        if *deferred {
            c.extend(1u64.to_le_bytes());
        }
        if let Some((a, b)) = range {
            c.extend(a.to_le_bytes());
            c.extend(b.to_le_bytes());
        }
        frame(None, &c, &mut items);
    }
    frame(Some(columns.len() as u32), &items, &mut payload);
    frame(Some(0), &[], &mut payload);
    frame(Some(0), &[], &mut payload);
    let header = close_envelope(1, &payload);
    let sum = u64::from_le_bytes(*header.last_chunk().unwrap());
    let mut file = vec![0; 100];
    let mut put = |content: &[u8]| {
        let position = file.windows(content.len().max(1)).position(|w| w == content && content.len() > 3);
        let position = position.unwrap_or(file.len()) as u64;
        if position == file.len() as u64 {
            file.extend(content);
        }
        position
    };
    let (mut first, mut list) = (0, Vec::new());
    for (events, all) in clusters {
        let mut own = Vec::new();
        for pages in all {
            let suppressed = pages.is_none();
            let pages: Vec<Page> = pages
                .iter()
                .flatten()
                .map(|(elements, content)| {
                    let mut sealed = content.clone();
                    sealed.extend(xxh3_64(content).to_le_bytes());
                    let (position, stored) = (put(&sealed), content.len() as u64);
                    Page { position, stored, elements: *elements, sealed: true, large: false }
                })
                .collect();
            let first = if suppressed { i64::MIN } else { 0 };
            own.push(ColumnPages { first, compression: if suppressed { 0 } else { 505 }, pages });
        }
        list.push(Cluster { first, events: *events, columns: own });
        first += events;
    }
    let list = write_page_list(&list, sum);
    let mut footer = vec![0; 8];
    footer.extend(sum.to_le_bytes());
    frame(None, &[], &mut footer);
    let mut group = 0u64.to_le_bytes().to_vec();
    group.extend(first.to_le_bytes());
    group.extend((clusters.len() as u32).to_le_bytes());
    group.extend((list.len() as u64).to_le_bytes());
    group.extend((list.len() as u32).to_le_bytes());
    group.extend(put(&list).to_le_bytes());
    let mut groups = Vec::new();
    frame(None, &group, &mut groups);
    frame(Some(1), &groups, &mut footer);
    let footer = close_envelope(2, &footer);
    let mut span = |bytes: &[u8]| {
        let n = bytes.len() as u64;
        Span { position: put(bytes), stored: n, content: n }
    };
    let (header, footer) = (span(&header), span(&footer));
    (file, Anchor { version: [1, 0, 0, 0], header, footer, max_key_bytes: 1 << 30 })
}

/// Takes it apart and together; gives the visible columns and the number of claims.
fn round(made: (Vec<u8>, Anchor)) -> (TableSchema, Vec<Column>, usize) {
    let (file, anchor) = made;
    let (mut held, plain) = (Held::default(), Plain::default());
    dissect(&file, &anchor, "made", &plain, &mut held).unwrap();
    let mut claims = plain.0.into_inner().unwrap();
    let n = claims.len();
    assemble(&held, 0, &mut |piece: Piece| {
        let i = claims.iter().position(|c| c.span.position == piece.span.position).expect("not claimed");
        let claim = claims.swap_remove(i);
        assert_eq!((claim.span, claim.sealed, claim.content), (piece.span, piece.sealed, piece.content));
        Ok(())
    })
    .unwrap();
    assert!(claims.is_empty(), "{claims:?}");
    let (schema, mut chunks) = held.0.swap_remove(6);
    assert!(!schema.residue);
    (schema, chunks.remove(0).1, n)
}

fn le<const N: usize>(words: &[[u8; N]]) -> Vec<u8> {
    words.concat()
}

#[test]
fn short_floats_are_readable() {
    let fields: Vec<FieldOf> = vec![("half", 0, 0, None), ("trunc", 1, 0, None), ("quant", 2, 0, None)];
    let columns = [
        (0x0b, 16, 0, 0, None, false),
        (0x1c, 12, 1, 0, None, false),
        (0x1d, 8, 2, 0, Some((-1.0, 254.0)), false),
    ];
    let halves = le(&[0x3c00u16.to_le_bytes(), 0xc000u16.to_le_bytes()]);
    let pages =
        vec![Some(vec![(2, halves)]), Some(vec![(2, vec![0xf8, 0x03, 0xc0])]), Some(vec![(2, vec![0, 7])])];
    let (schema, columns, claims) = round(written(&fields, &columns, &[(2, pages)]));
    assert!(schema.columns.iter().all(|c| c.scalar == Scalar::F32));
    let f = |a: f32, b: f32| Cells::W4(vec![a.to_bits(), b.to_bits()]);
    assert_eq!(columns[0].values, f(1.0, -2.0));
    assert_eq!(columns[1].values, f(1.0, -2.0));
    assert_eq!(columns[2].values, f(-1.0, 6.0));
    assert_eq!(claims, 3 + 3);
}

#[test]
fn each_cluster_may_have_another_representation() {
    let fields: Vec<FieldOf> = vec![("v", 0, 1, None), ("_0", 0, 0, None)];
    let columns = [
        (0x1a, 32, 0, 0, None, false),
        (0x0f, 64, 0, 1, None, false),
        (0x18, 32, 1, 0, None, false),
        (0x0d, 64, 1, 1, None, false),
    ];
    let one = vec![
        Some(vec![(2, vec![1, 1, 0, 0, 0, 0, 0, 0])]), // lengths 1, 1
        None,
        Some(vec![(2, le(&[[0, 0], [0, 0], [0x80, 0], [0x3f, 0x40]]))]), // 1.0, 2.0 in planes
        None,
    ];
    let two = vec![
        None,
        Some(vec![(1, 2u64.to_le_bytes().to_vec()), (1, 2u64.to_le_bytes().to_vec())]),
        None,
        Some(vec![(2, le(&[3f64.to_le_bytes(), 0.1f64.to_le_bytes()]))]),
    ];
    let (schema, columns, claims) = round(written(&fields, &columns, &[(2, one), (2, two)]));
    assert_eq!((schema.columns.len(), schema.columns[0].scalar), (1, Scalar::F64));
    assert_eq!(columns[0].lengths, [[1, 1, 2, 0]]);
    let expected = [1.0, 2.0, 3.0, 0.1f64].map(f64::to_bits).to_vec();
    assert_eq!(columns[0].values, Cells::W8(expected));
    // the two equal pages are one span
    assert_eq!(claims, 3 + 4);
}

#[test]
fn columns_may_begin_within_a_cluster() {
    let fields: Vec<FieldOf> =
        vec![("x", 0, 0, None), ("y", 1, 0, None), ("l", 2, 1, None), ("_0", 2, 0, None)];
    let columns = [
        (0x04, 8, 0, 0, None, false),
        (0x06, 16, 1, 0, None, true),
        (0x0e, 32, 2, 0, None, true),
        (0x03, 8, 3, 0, None, false),
    ];
    let pages = vec![
        Some(vec![(4, vec![1, 2, 3, 4])]),
        Some(vec![(1, vec![5, 0]), (1, vec![6, 0])]),
        Some(vec![(3, le(&[0u32, 2, 3].map(u32::to_le_bytes)))]),
        Some(vec![(2, vec![255, 1]), (1, vec![3])]),
    ];
    let (_, columns, claims) = round(written(&fields, &columns, &[(4, pages)]));
    assert_eq!(columns[1].values, Cells::W2(vec![0, 0, 5, 6]));
    assert_eq!(columns[2].lengths, [[0, 0, 2, 1]]);
    assert_eq!(columns[2].values, Cells::W1(vec![255, 1, 3]));
    assert_eq!(claims, 3 + 6);
}

#[test]
fn arrays_around_lists_become_levels() {
    let fields: Vec<FieldOf> =
        vec![("a", 0, 0, Some(2)), ("_0", 0, 1, None), ("_0", 1, 0, Some(3)), ("_0", 2, 0, None)];
    let columns = [(0x0e, 32, 1, 0, None, false), (0x04, 8, 3, 0, None, false)];
    let pages = vec![
        Some(vec![(4, le(&[1u32, 1, 1, 2].map(u32::to_le_bytes)))]),
        Some(vec![(6, vec![1, 2, 3, 4, 5, 6])]),
    ];
    let (schema, columns, claims) = round(written(&fields, &columns, &[(2, pages)]));
    assert_eq!((schema.columns[0].name.as_str(), schema.columns[0].depth), ("a", 2));
    assert_eq!(schema.columns[0].inner, [3]);
    assert_eq!(columns[0].lengths, [vec![2, 2], vec![1, 0, 0, 1]]);
    assert_eq!(claims, 3 + 2);
}

#[test]
fn pages_that_do_not_come_back_stay_with_the_file() {
    let fields: Vec<FieldOf> =
        vec![("b", 0, 0, None), ("l", 1, 1, None), ("_0", 1, 0, None), ("x", 3, 0, None)];
    let columns = [
        (0x00, 1, 0, 0, None, false),
        (0x0e, 32, 1, 0, None, false),
        (0x04, 8, 2, 0, None, false),
        (0x04, 8, 3, 0, None, false),
    ];
    // filling bits that are set; ends of lists that fall
    let pages = vec![
        Some(vec![(3, vec![0xff])]),
        Some(vec![(3, le(&[2u32, 1, 3].map(u32::to_le_bytes)))]),
        Some(vec![(3, vec![7, 8, 9])]),
        Some(vec![(3, vec![1, 2, 3])]),
    ];
    let (_, columns, claims) = round(written(&fields, &columns, &[(3, pages)]));
    assert_eq!(columns[0].values, Cells::W1(vec![1, 1, 1]));
    assert_eq!(columns[1].lengths, [[0, 0, 0]]);
    assert_eq!(columns[2].values, Cells::W1(vec![1, 2, 3]));
    assert_eq!(claims, 3 + 1);
}
