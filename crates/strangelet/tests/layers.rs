//! Who may import whom: reads the `use` lines (and every other `crate::` path) of the core and fails on
//! one that does not point downward.

use std::path::Path;

/// Rooms from the ground up. A room may use lower floors only; rooms of one floor do not know each other.
const FLOORS: &[&[&str]] = &[
    &["error"],
    &["limits"],
    &["column"],
    &["table", "plan", "metrics"],
    &["source"],
    &["transform", "entropy", "infer", "format"],
    &["codec"],
    &["dissect", "relate", "model"],
    &["codecs", "trigger"],
    &["select"],
    &["reduce"],
    &["archive"],
];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Names behind `crate::` in a piece of source, tests left out.
fn imports(source: &str) -> Vec<String> {
    let code: Vec<&str> = source
        .split("#[cfg(test)]")
        .next()
        .unwrap_or("")
        .lines()
        .map(|l| l.split("//").next().unwrap_or(""))
        .collect();
    let code = code.join("\n");
    let mut names = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        if code[..at].ends_with('$') {
            continue;
        }
        let rest = &code[at + found.len()..];
        if let Some(list) = rest.strip_prefix('{') {
            // `use crate::{a::X, b::{Y, Z}}`: the names at the first level of the braces
            let (mut depth, mut name) = (0, String::new());
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(std::mem::take(&mut name)),
                    c if depth == 0 => name.push(c),
                    _ => {}
                }
            }
            names.push(name);
        } else {
            names.push(rest.to_string());
        }
    }
    let word =
        |s: &String| s.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    names.iter().map(word).filter(|w| w.starts_with(|c: char| c.is_lowercase())).collect()
}

fn sources(dir: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn imports_point_downward() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for file in files {
        let inside = file.strip_prefix(&src).unwrap();
        let room = inside.iter().next().unwrap().to_string_lossy().replace(".rs", "");
        if room == "lib" {
            continue;
        }
        let Some(own) = floor(&room) else {
            wrong.push(format!("{}: the room {room} is on no floor", inside.display()));
            continue;
        };
        for name in imports(&std::fs::read_to_string(&file).unwrap()) {
            seen += 1;
            let allowed = name == room
                || name == "each_width" // a macro of `column`, exported at the root
                || floor(&name).is_some_and(|f| f < own);
            if !allowed {
                wrong.push(format!("{} uses crate::{name}", inside.display()));
            }
        }
    }
    assert!(seen > 30, "the scan sees {seen} imports only: it no longer understands the code");
    assert!(wrong.is_empty(), "upward or sideways imports:\n{}", wrong.join("\n"));
}

#[test]
fn the_scan_sees_nested_lists() {
    let found = imports("use crate::{codec::{A, B}, format};\nuse crate::error::Result; // crate::archive\n");
    assert_eq!(found, ["codec", "format", "error"]);
}

#[test]
fn crates_know_only_what_they_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let forbidden = [
        (
            "strangelet",
            ["strangelet-formats", "strangelet-train", "strangelet-cli", "strangelet-py"].as_slice(),
        ),
        ("strangelet-formats", ["strangelet-train", "strangelet-cli", "strangelet-py"].as_slice()),
        ("strangelet-train", ["strangelet-formats", "strangelet-cli", "strangelet-py"].as_slice()),
        ("strangelet-py", ["strangelet-cli"].as_slice()),
    ];
    for (name, not) in forbidden {
        let Ok(manifest) = std::fs::read_to_string(root.join(name).join("Cargo.toml")) else { continue };
        for line in manifest.lines() {
            let key: String = line.chars().take_while(|c| c.is_alphanumeric() || *c == '-').collect();
            assert!(!not.contains(&key.as_str()), "{name} depends on {key}");
        }
    }
}
