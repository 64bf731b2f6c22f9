//! Does `reduce` say what it does, and leave nothing behind where it cannot?

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn strangelet(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_strangelet"))
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs it, wants success, and gives standard output and standard error.
fn good(folder: &Path, arguments: &[&str]) -> (String, String) {
    let out = strangelet(folder, arguments);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert!(out.status.success(), "{arguments:?}: {}", text(out.stderr));
    (text(out.stdout), text(out.stderr))
}

/// Runs it, wants this exit code and one line of error.
fn bad(folder: &Path, arguments: &[&str], code: i32) -> String {
    let out = strangelet(folder, arguments);
    let text = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(code), "{arguments:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
    text
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A sparse array of 16-bit numbers, and its cells.
fn array() -> (Vec<u8>, Vec<u16>) {
    let cells: Vec<u16> = (0..6000u32)
        .map(|i| if i % 60 < 5 { 70 + (i.wrapping_mul(2654435761) >> 26) as u16 } else { 0 })
        .collect();
    let mut text = "{'descr': '<u2', 'fortran_order': False, 'shape': (100, 60), }".to_string();
    while text.len() < 117 {
        text.push(' ');
    }
    text.push('\n');
    let mut out = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    out.extend(text.as_bytes());
    cells.iter().for_each(|x| out.extend(x.to_le_bytes()));
    (out, cells)
}

fn cells(file: &[u8]) -> Vec<u16> {
    file[128..].chunks(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect()
}

#[test]
fn a_reduced_file_says_so_everywhere() {
    let d = tempfile::tempdir().unwrap();
    let (file, before) = array();
    fs::write(d.path().join("wedge.npy"), &file).unwrap();
    let (line, _) = good(d.path(), &["reduce", "wedge.npy", "--bound", "adc=abs:2"]);
    assert!(line.contains("wedge.reduced.npy.sgl") && line.contains("each within 2"), "{line}");
    assert_eq!(names(d.path()), ["wedge.npy", "wedge.reduced.npy.sgl"]);
    let (out, note) = good(d.path(), &["decompress", "wedge.reduced.npy.sgl"]);
    assert!(note.lines().count() == 1 && note.contains("reduced, not the original"), "{note}");
    assert!(out.contains("wedge.reduced.npy"), "{out}");
    let after = cells(&fs::read(d.path().join("wedge.reduced.npy")).unwrap());
    assert_ne!(before, after);
    assert!(before.iter().zip(&after).all(|(&x, &y)| x.abs_diff(y) <= 2 && (x == 0) == (y == 0)));
    let greatest = before.iter().zip(&after).map(|(&x, &y)| x.abs_diff(y)).max().unwrap();
    let (text, _) = good(d.path(), &["verify", "wedge.reduced.npy.sgl"]);
    assert!(text.contains("each within 2"), "{text}");
    let (text, _) = good(d.path(), &["inspect", "wedge.reduced.npy.sgl"]);
    assert!(text.contains("reduced from") && text.contains("each within 2"), "{text}");
    let (text, _) = good(d.path(), &["inspect", "--json", "wedge.reduced.npy.sgl"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["reduced"]["bytes_before"], file.len());
    let column = &json["reduced"]["columns"][0];
    assert_eq!((column["bound"].as_str(), column["value"].as_f64()), (Some("abs"), Some(2.0)));
    assert_eq!(column["max_error"].as_f64(), Some(f64::from(greatest)));
    // What was not reduced promises nothing.
    good(d.path(), &["compress", "wedge.npy"]);
    let (text, _) = good(d.path(), &["inspect", "--json", "wedge.npy.sgl"]);
    assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["reduced"].is_null());
    assert_eq!(good(d.path(), &["decompress", "-f", "wedge.npy.sgl"]).1, "");
}

#[test]
fn small_values_go_only_when_they_are_named() {
    let d = tempfile::tempdir().unwrap();
    let (file, before) = array();
    fs::write(d.path().join("wedge.npy"), &file).unwrap();
    let wish = ["reduce", "wedge.npy", "-q", "-o", "w.sgl", "--bound", "log2:0.1", "--drop-below", "adc=80"];
    assert_eq!(good(d.path(), &wish).0, "");
    good(d.path(), &["decompress", "-q", "w.sgl"]);
    let after = cells(&fs::read(d.path().join("w")).unwrap());
    assert!(before.iter().zip(&after).all(|(&x, &y)| (y == 0) == (x < 80)));
    let (text, _) = good(d.path(), &["inspect", "w.sgl"]);
    let dropped = before.iter().filter(|&&x| x > 0 && x < 80).count();
    assert!(text.contains(&format!("{dropped} below 80")), "{text}");
}

#[test]
fn what_cannot_be_leaves_nothing_behind() {
    let d = tempfile::tempdir().unwrap();
    fs::write(d.path().join("wedge.npy"), array().0).unwrap();
    fs::write(d.path().join("notes.txt"), "not an array\n").unwrap();
    let line = bad(d.path(), &["reduce", "notes.txt", "--bound", "adc=abs:2"], 1);
    assert!(line.contains("arrays (.npy, .npz) so far"), "{line}");
    bad(d.path(), &["reduce", "wedge.npy"], 2);
    bad(d.path(), &["reduce", "wedge.npy", "--bound", "pt=abs:1"], 1);
    bad(d.path(), &["reduce", "wedge.npy", "--target-ratio", "1e9", "--level", "fast"], 1);
    for wrong in ["adc=2", "adc=abs", "adc=abs:x", "adc=abs:-1", "adc=abs:nan", "adc=most:1"] {
        let out = strangelet(d.path(), &["reduce", "wedge.npy", "--bound", wrong]);
        assert_eq!(out.status.code(), Some(2), "{wrong}");
    }
    let both = ["reduce", "wedge.npy", "--target-mae", "1", "--target-ratio", "2"];
    assert_eq!(strangelet(d.path(), &both).status.code(), Some(2));
    assert_eq!(names(d.path()), ["notes.txt", "wedge.npy"]);
}

#[test]
fn a_target_is_reached() {
    let d = tempfile::tempdir().unwrap();
    fs::write(d.path().join("wedge.npy"), array().0).unwrap();
    good(d.path(), &["reduce", "wedge.npy", "-o", "w.sgl", "--target-mae", "0.01", "--level", "fast"]);
    let (text, _) = good(d.path(), &["inspect", "--json", "w.sgl"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let column = &json["reduced"]["columns"][0];
    assert_eq!(column["bound"], "mean-log2");
    assert!(column["mae_log2"].as_f64().unwrap() <= 0.0100001);
}
