//! Does the bench tell the truth about what it ran?

use std::fs;
use std::process::Command;

fn bench(folder: &std::path::Path, arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_strangelet"))
        .current_dir(folder)
        .arg("bench")
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn records_totals_and_page() {
    let d = tempfile::tempdir().unwrap();
    let text =
        |n: u32| (0..n).flat_map(|i| format!("{} {}\n", i, i * i % 977).into_bytes()).collect::<Vec<u8>>();
    fs::write(d.path().join("a.txt"), text(3000)).unwrap();
    fs::write(d.path().join("b.txt"), text(5000)).unwrap();
    let arguments = [
        "--levels",
        "fast",
        "--rivals",
        "zlib-9,lz4,pco",
        "--json",
        "o.json",
        "--html",
        "o.html",
        "a.txt",
        "b.txt",
    ];
    let out = bench(d.path(), &arguments);
    let shown = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(shown.contains("all files (2)") && shown.contains("strangelet-fast"), "{shown}");
    let v: serde_json::Value = serde_json::from_slice(&fs::read(d.path().join("o.json")).unwrap()).unwrap();
    let of = |file: &str, method: &str| {
        let mut found = v.as_array().unwrap().iter().filter(|r| r["file"] == file && r["method"] == method);
        let record = found.next().unwrap_or_else(|| panic!("{method} on {file}"));
        assert!(found.next().is_none());
        record
    };
    for method in ["strangelet-fast", "zlib-9", "lz4", "unpacked+zlib-9", "unpacked+lz4", "columns+pco"] {
        let (a, b, all) = (of("a.txt", method), of("b.txt", method), of("all files", method));
        for key in ["bytes_in", "bytes_content", "bytes_out"] {
            assert_eq!(a[key].as_u64().unwrap() + b[key].as_u64().unwrap(), all[key].as_u64().unwrap());
        }
        assert_eq!(a["bytes_in"], text(3000).len());
        for key in ["ratio", "compress_mb_s", "decompress_mb_s", "peak_rss_mb"] {
            assert!(all[key].as_f64().unwrap() > 0.0, "{method}: {key}");
        }
        assert!(a["exact"] == true && all["exact"] == true);
    }
    assert!(of("a.txt", "strangelet-fast")["columns_mb_s"].as_f64().unwrap() > 0.0);
    let page = fs::read_to_string(d.path().join("o.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("a.txt") && !page.contains("http"), "not self-contained");
    assert!(!page.contains("NaN"));
    // An earlier run beside a new one, and alone.
    fs::write(d.path().join("c.txt"), text(4000)).unwrap();
    let levels = ["--levels", "fast", "--rivals", "zlib-9,lz4,pco"];
    let out = bench(d.path(), &[&levels[..], &["--add", "o.json", "--json", "p.json", "c.txt"]].concat());
    assert!(String::from_utf8_lossy(&out.stdout).contains("all files (3)"), "{out:?}");
    let out = bench(d.path(), &["--add", "p.json", "--markdown", "t.md"]);
    assert!(out.status.success(), "{out:?}");
    let tables = fs::read_to_string(d.path().join("t.md")).unwrap();
    assert_eq!(tables.lines().filter(|l| l.contains(".txt |")).count(), 3, "{tables}");
    assert!(tables.contains("| fast / best rival |") && tables.contains("| unpacked+zlib-9 |"), "{tables}");
    let out = bench(d.path(), &["--add", "p.json", "--levels", "fast", "--rivals", "none", "a.txt"]);
    assert!(String::from_utf8_lossy(&out.stdout).contains("all files (3)"), "{out:?}");
    let out = bench(d.path(), &["--add", "a.txt"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("a.txt: no measurements"), "{out:?}");
}

#[test]
fn unknown_rivals_and_missing_files_are_told() {
    let d = tempfile::tempdir().unwrap();
    fs::write(d.path().join("a"), b"abc").unwrap();
    assert_eq!(bench(d.path(), &["--rivals", "gzip-11", "a"]).status.code(), Some(2));
    assert_eq!(bench(d.path(), &["--rivals", "none", "--levels", "huge", "a"]).status.code(), Some(2));
    assert_eq!(bench(d.path(), &["--rivals", "none", "missing"]).status.code(), Some(1));
}
