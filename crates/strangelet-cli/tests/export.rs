//! Do columns come out right, and without the rest being read?

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use strangelet::archive::{Archive, Encoder};
use strangelet::codec::Level;
use strangelet::column::{Cells, Column, ColumnSchema, Scalar};
use strangelet::dissect::Sink;
use strangelet::format::{Original, Place};
use strangelet::table::TableSchema;

/// Events of a chunk.
const EVENTS: u32 = 1000;

/// Noise, so that no payload is short.
fn noise(i: u32) -> u32 {
    let x = (i ^ 0x9e37).wrapping_mul(0x85eb_ca6b);
    (x ^ x >> 13).wrapping_mul(0xc2b2_ae35)
}

/// A container of three chunks: a flat column, lists of pairs, lists of lists, text, and another table.
fn container() -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), Level::Fast).unwrap();
    let columns = vec![
        ColumnSchema::flat("run", Scalar::I32),
        ColumnSchema::jagged("hit_xy", Scalar::F32, 1).with_inner(vec![2]),
        ColumnSchema::jagged("deep", Scalar::U16, 2),
        ColumnSchema::text("word"),
    ];
    let events = encoder.table(TableSchema::new("Events", columns)).unwrap();
    let runs = encoder.table(TableSchema::new("Runs", vec![ColumnSchema::flat("n", Scalar::U8)])).unwrap();
    let residue = TableSchema::residue("rest", vec![ColumnSchema::bytes("bytes")]);
    encoder.table(residue).unwrap();
    for chunk in 0..3 {
        let all = chunk * EVENTS..(chunk + 1) * EVENTS;
        let run = Cells::W4(all.clone().map(|i| (i as i32 - 1500) as u32).collect());
        let counts: Vec<u32> = all.clone().map(|i| i % 3).collect();
        let hits: u32 = counts.iter().sum();
        let xy = (0..2 * hits).map(|i| (noise(i + chunk) as f32 / 4e9).to_bits()).collect();
        let inner: Vec<u32> = (0..hits).map(|i| i % 2 + 1).collect();
        let deep = Cells::W2((0..inner.iter().sum::<u32>()).map(|i| noise(i) as u16).collect());
        let columns = vec![
            Column::flat(run),
            Column::jagged(counts.clone(), Cells::W4(xy)),
            Column { lengths: vec![counts, inner], values: deep },
            Column::strings(all.map(|i| format!("event {i}, \"{}\"", noise(i)))),
        ];
        encoder.chunk(events, EVENTS as u64, columns).unwrap();
    }
    encoder.chunk(runs, 3, vec![Column::flat(Cells::W1(vec![1, 2, 3]))]).unwrap();
    encoder.into_writer().finish(0, Original::default(), &[]).unwrap().0
}

fn export(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_strangelet"))
        .current_dir(folder)
        .arg("export")
        .args(arguments)
        .output()
        .unwrap()
}

fn good(folder: &Path, arguments: &[&str]) -> String {
    let out = export(folder, arguments);
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn folder() -> tempfile::TempDir {
    let d = tempfile::tempdir().unwrap();
    fs::write(d.path().join("c.sgl"), container()).unwrap();
    d
}

#[test]
fn csv_of_a_range_over_chunks() {
    let d = folder();
    let text =
        good(d.path(), &["--to", "csv", "--table", "Events", "-c", "run,word", "-e", "999:1002", "c.sgl"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0], "run,word");
    assert_eq!(lines[1], format!("-501,\"event 999, \"\"{}\"\"\"", noise(999)));
    assert_eq!(lines[3], format!("-499,\"event 1001, \"\"{}\"\"\"", noise(1001)));
    let text = good(d.path(), &["--to", "csv", "--table", "Events", "-c", "deep", "-e", "3", "c.sgl"]);
    let cell = |i| noise(i) as u16;
    let expected =
        format!("deep\n\"[]\"\n\"[[{}]]\"\n\"[[{},{}],[{}]]\"\n", cell(0), cell(1), cell(2), cell(3));
    assert_eq!(text, expected);
}

/// The arrays of an npz file: name, header, cells.
fn arrays(path: &Path) -> Vec<(String, String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    (0..zip.len())
        .map(|i| {
            let mut file = zip.by_index(i).unwrap();
            let (name, mut bytes) = (file.name().unwrap().into_owned(), Vec::new());
            std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
            let header = 10 + u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
            (name, String::from_utf8_lossy(&bytes[10..header]).into_owned(), bytes[header..].to_vec())
        })
        .collect()
}

#[test]
fn npz_of_lists() {
    let d = folder();
    let arguments = ["--to", "npz", "--table", "Events", "-c", "*", "-e", "1500:", "-o", "o.npz", "c.sgl"];
    assert_eq!(good(d.path(), &arguments), "");
    let arrays = arrays(&d.path().join("o.npz"));
    let names: Vec<&str> = arrays.iter().map(|a| a.0.as_str()).collect();
    assert_eq!(names[..4], ["run.npy", "hit_xy.npy", "hit_xy_offsets.npy", "deep.npy"]);
    assert_eq!(names[4..], ["deep_offsets.npy", "deep_offsets2.npy", "word.npy", "word_offsets.npy"]);
    assert!(arrays[0].1.contains("'<i4'") && arrays[0].1.contains("(1500,)"), "{}", arrays[0].1);
    assert_eq!(arrays[0].2[..8], [0, 0, 0, 0, 1, 0, 0, 0]);
    let offsets: Vec<i64> = arrays[2].2.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect();
    assert_eq!(offsets.len(), 1501);
    let hits: i64 = (1500..3000).map(|i| i % 3).sum();
    assert_eq!((offsets[0], offsets[1500]), (0, hits));
    assert!(arrays[1].1.contains(&format!("({hits},2,)")), "{}", arrays[1].1);
    assert_eq!(arrays[1].2.len() as i64, hits * 8);
}

#[test]
fn only_what_is_asked_for_is_read() {
    let d = folder();
    let mut bytes = container();
    let archive = Archive::open(&bytes).unwrap();
    // Everything of the first and the last chunk, and all other columns of the middle one.
    let mut broken = Vec::new();
    for chunk in 0..3 {
        for (stream, entry) in archive.chunk_entry(0, chunk).unwrap().streams.iter().enumerate() {
            if let (Place::Apart { pos, .. }, true) = (&entry.place, chunk != 1 || stream > 2) {
                broken.push(*pos as usize);
            }
        }
    }
    assert!(broken.len() > 8, "{broken:?}");
    drop(archive);
    broken.iter().for_each(|&i| bytes[i] ^= 0xff);
    fs::write(d.path().join("c.sgl"), bytes).unwrap();
    let text =
        good(d.path(), &["--to", "csv", "--table", "Events", "-c", "run,hit_xy", "-e", "1000:2000", "c.sgl"]);
    assert_eq!(text.lines().count(), 1001);
    let out = export(d.path(), &["--to", "npz", "--table", "Events", "-c", "word", "-o", "o.npz", "c.sgl"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("column word"));
    assert!(!d.path().join("o.npz").exists(), "half a file under its name");
}

#[test]
fn senseless_requests_are_exit_2() {
    let d = folder();
    for (arguments, words) in [
        (&["--to", "csv", "c.sgl"][..], "holds 2 tables"),
        (&["--to", "csv", "--table", "Nothing", "c.sgl"], "no table Nothing"),
        (&["--to", "csv", "--table", "rest", "c.sgl"], "no table rest"),
        (&["--to", "csv", "--table", "Runs", "-c", "pt", "c.sgl"], "no column pt"),
        (&["--to", "csv", "--table", "Runs", "-e", "0:4", "c.sgl"], "has 3 events"),
        (&["--to", "csv", "--table", "Runs", "-e", "2:1", "c.sgl"], "beyond"),
    ] {
        let out = export(d.path(), arguments);
        let text = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
    }
    assert_eq!(good(d.path(), &["--to", "csv", "--table", "Runs", "c.sgl"]), "n\n1\n2\n3\n");
}

#[test]
#[cfg(feature = "arrow")]
fn parquet_and_arrow_can_be_read_again() {
    use arrow_array::cast::AsArray;
    let d = folder();
    for to in ["parquet", "arrow"] {
        good(d.path(), &["--to", to, "--table", "Events", "-e", "1500:2500", "-o", to, "c.sgl"]);
        let file = fs::File::open(d.path().join(to)).unwrap();
        let batches: Vec<arrow_array::RecordBatch> = if to == "arrow" {
            arrow_ipc::reader::FileReader::try_new(file, None).unwrap().map(Result::unwrap).collect()
        } else {
            let reader =
                parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            reader.build().unwrap().map(Result::unwrap).collect()
        };
        assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 1000, "{to}");
        let run = batches[0].column(0).as_primitive::<arrow_array::types::Int32Type>();
        assert_eq!((run.value(0), run.value(1)), (0, 1));
        let deep = batches[0].column(2).as_list::<i32>();
        assert_eq!((0..3).map(|i| deep.value_length(i)).collect::<Vec<_>>(), [0, 1, 2]);
        let word = batches[0].column(3).as_string::<i32>();
        assert_eq!(word.value(0), format!("event 1500, \"{}\"", noise(1500)));
    }
}
