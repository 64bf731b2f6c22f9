//! Chunks that start from others: do they come back alone, are references that lead nowhere errors?

use strangelet::archive::{Archive, Encoder};
use strangelet::codec::{Level, Role, Shape, Stream};
use strangelet::codecs::{self, CARRIED, CONSTANT, HITS, hits};
use strangelet::column::{Cells, Column, ColumnSchema, Meaning, Scalar};
use strangelet::dissect::{Sink, Tables};
use strangelet::format::{Original, Writer};
use strangelet::limits::MAX_CARRIED;
use strangelet::table::TableSchema;

const DIMS: [u32; 3] = [3, 20, 60];
const CELLS: usize = 3 * 20 * 60;

/// Frames with tracks: runs of pulses on pads next to each other, the same in all layers but for a shift.
fn frames(count: usize, seed: u64, tracks: u64, scale: u64) -> Vec<u16> {
    let mut state = seed | 1;
    let mut random = |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % n
    };
    let mut cells = vec![0u16; count * CELLS];
    for frame in cells.chunks_exact_mut(CELLS) {
        for _ in 0..tracks {
            let (pad, time, height) = (random(17) as usize, random(50) as usize, scale + random(4 * scale));
            for layer in 0..3 {
                for (k, share) in [3, 7, 2].into_iter().enumerate() {
                    for (t, part) in [4, 10, 7, 3].into_iter().enumerate() {
                        let v = height * share * part / 100 + random(3);
                        frame[(layer * 20 + pad + k) * 60 + time + t + layer] += (64 + v) as u16;
                    }
                }
            }
        }
    }
    cells
}

fn schema() -> TableSchema {
    TableSchema::new("frames", vec![ColumnSchema::flat("adc", Scalar::U16).with_inner(DIMS.to_vec())])
}

fn stream(cells: &Cells) -> Stream<'_> {
    Stream {
        cells,
        scalar: Scalar::U16,
        role: Role::Values(Meaning::Number),
        lists: None,
        inner: CELLS as u64,
        dims: &DIMS,
    }
}

fn container(chunks: &[Vec<u16>], level: Level, depth: u32) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), level).unwrap();
    encoder.carry(depth);
    let table = encoder.table(schema()).unwrap();
    for cells in chunks {
        let column = Column::flat(Cells::W2(cells.clone()));
        encoder.chunk(table, (cells.len() / CELLS) as u64, vec![column]).unwrap();
    }
    encoder.into_writer().finish(0, Original::default(), &[]).unwrap().0
}

#[test]
fn any_chunk_is_read_alone_and_needs_few_others() {
    // Seventy chunks, the last one shorter; one without hits, some of another kind.
    let chunks: Vec<Vec<u16>> = (0..70)
        .map(|i| match i {
            5 => vec![0; 2 * CELLS],
            40..44 => frames(2, i, 12, 2000),
            69 => frames(1, i, 6, 60),
            _ => frames(2, i, 6, 60),
        })
        .collect();
    for (level, name) in Level::ALL {
        for depth in [1, 3, 6] {
            let container = container(&chunks, level, depth);
            let all = Archive::open(container.as_slice()).unwrap();
            let mut needs: Vec<usize> = Vec::new();
            for c in 0..chunks.len() {
                let back = all.starts_after(0, c, 0).unwrap();
                needs.push(back.map_or(0, |b| needs[c - b as usize] + 1));
                // In order, with what is remembered; and alone, with nothing.
                assert!(
                    all.read_column(0, c, 0).unwrap().values == Cells::W2(chunks[c].clone()),
                    "{name} {c}"
                );
            }
            for c in [69, 33, 6, 63, 2, 68, 0] {
                let fresh = Archive::open(container.as_slice()).unwrap();
                assert!(
                    fresh.read_column(0, c, 0).unwrap().values == Cells::W2(chunks[c].clone()),
                    "{name} {c}"
                );
            }
            let most = needs.iter().max().unwrap();
            assert_eq!(*most, depth as usize, "{name}: {needs:?}");
            assert!(needs.iter().filter(|n| **n > 0).count() > 55, "{name} {depth}: {needs:?}");
        }
    }
}

#[test]
fn after_others_frames_are_smaller() {
    let chunks: Vec<Vec<u16>> = (0..20).map(|i| frames(1, i + 9, 6, 60)).collect();
    for (level, name) in Level::ALL {
        let alone: usize = chunks
            .iter()
            .map(|c| {
                let mut out = Vec::new();
                let cells = Cells::W2(c.clone());
                assert!(codecs::by_id(HITS).unwrap().encode(&stream(&cells), level, &mut out).unwrap());
                out.len()
            })
            .sum();
        let carried = container(&chunks, level, 3).len();
        assert!(carried * 100 < alone * 95, "{name}: {carried} after others, {alone} alone");
    }
}

/// A container of chunks of two frames with these payloads.
fn made(payloads: &[(u8, Vec<u8>)], schema: TableSchema) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let table = writer.table(schema).unwrap();
    for payload in payloads {
        writer.chunk(table, 2, vec![payload.clone()]).unwrap();
    }
    writer.finish(0, Original::default(), &[]).unwrap().0
}

fn refused(payloads: &[(u8, Vec<u8>)], chunk: usize) -> String {
    let container = made(payloads, schema());
    let archive = Archive::open(container.as_slice()).unwrap();
    let e = archive.read_column(0, chunk, 0).unwrap_err().to_string();
    assert_eq!(e.lines().count(), 1, "{e}");
    e
}

#[test]
fn references_that_lead_nowhere_are_errors() {
    let shape = Shape { scalar: Scalar::U16, count: 2 * CELLS };
    for (level, name) in Level::ALL {
        let cells = Cells::W2(frames(2, 3, 6, 60));
        let (mut key, mut after) = (Vec::new(), vec![1]);
        assert!(codecs::by_id(HITS).unwrap().encode(&stream(&cells), level, &mut key).unwrap());
        let learnt = hits::learn(&key, shape).unwrap().1;
        assert!(hits::encode_after(&stream(&cells), &learnt, &mut after).unwrap());
        let (key, after) = ((HITS, key), (CARRIED, after));
        let good = made(&[key.clone(), after.clone()], schema());
        let archive = Archive::open(good.as_slice()).unwrap();
        assert!(archive.read_column(0, 1, 0).unwrap().values == cells, "{name}");

        let back = |n: u8| (CARRIED, [&[n], &after.1[1..]].concat());
        assert!(refused(&[key.clone(), back(0)], 1).contains("starts from itself"));
        assert!(refused(&[key.clone(), back(2)], 1).contains("not before it"));
        assert!(refused(&[after.clone(), key.clone()], 0).contains("not before it"));
        // Something that teaches nothing, and is of no such kind.
        let constant = (CONSTANT, vec![0, 0]);
        assert!(refused(&[constant, after.clone()], 1).contains("nothing can start from"));
        assert!(refused(&[key.clone(), (CARRIED, Vec::new())], 1).contains("ends too early"));
        // A chain without end: every one starts from the one before.
        let mut chain = vec![key.clone()];
        chain.extend(std::iter::repeat_n(after.clone(), MAX_CARRIED + 3));
        assert!(refused(&chain, MAX_CARRIED + 2).contains("without end"), "{name}");
        // Bytes that are none.
        for n in 1..after.1.len().min(40) {
            let cut = made(&[key.clone(), (CARRIED, after.1[..n].to_vec())], schema());
            let archive = Archive::open(cut.as_slice()).unwrap();
            let found = archive.read_column(0, 1, 0);
            assert!(found.is_err() || found.unwrap().values != cells, "{name}: {n} bytes are enough");
        }
        // Of another array: frames of another size.
        let other = Shape { scalar: Scalar::U16, count: 2 * CELLS + 1 };
        assert!(hits::decode_after(&after.1[1..], other, &learnt).is_err());
        let float = Shape { scalar: Scalar::F32, ..shape };
        assert!(hits::decode_after(&after.1[1..], float, &learnt).is_err());
        let longer = Shape { count: 200 * CELLS, ..shape };
        let _ = hits::decode_after(&after.1[1..], longer, &learnt);
    }
}

#[test]
fn lists_and_codecs_alone_start_from_nothing() {
    let cells = Cells::W2(frames(2, 3, 6, 60));
    let shape = Shape { scalar: Scalar::U16, count: 2 * CELLS };
    let carried = codecs::by_id(CARRIED).unwrap();
    assert!(!carried.encode(&stream(&cells), Level::Max, &mut Vec::new()).unwrap());
    assert!(carried.decode(&[1, 0], shape, &[]).is_err());
    let lists = TableSchema::new("lists", vec![ColumnSchema::jagged("adc", Scalar::U16, 1)]);
    let mut writer = Writer::new(Vec::new()).unwrap();
    let table = writer.table(lists).unwrap();
    for _ in 0..2 {
        writer.chunk(table, 2, vec![(CARRIED, vec![1, 0]), (CARRIED, vec![1, 0])]).unwrap();
    }
    let container = writer.finish(0, Original::default(), &[]).unwrap().0;
    let archive = Archive::open(container.as_slice()).unwrap();
    let e = archive.read_column(0, 1, 0).unwrap_err().to_string();
    assert!(e.contains("lists that start"), "{e}");
}
