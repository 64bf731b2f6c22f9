//! Many frames in one container, as a person would: there and back, some of them, from a pipe, and what is refused.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_strangelet"));
    c.current_dir(folder).args(arguments).stdin(Stdio::null());
    c
}

/// Runs it, wants success, and gives standard output.
fn good(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let out = command(folder, arguments).output().unwrap();
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{arguments:?}");
    out.stdout
}

/// Wants this exit code and one line of error, and gives the line.
fn refused(out: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(code), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

fn bad(folder: &Path, arguments: &[&str], code: i32) -> String {
    refused(&command(folder, arguments).output().unwrap(), code)
}

fn piped(folder: &Path, arguments: &[&str], bytes: &[u8]) -> Output {
    let mut child = command(folder, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
    let writer = std::thread::spawn(move || drop(stdin.write_all(&bytes)));
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap();
    out
}

/// All files below a folder with their bytes, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                open.push(entry);
            } else {
                let name = entry.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
                found.push((name, fs::read(entry).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn npy(shape: &str, cells: impl Iterator<Item = u16>) -> Vec<u8> {
    let text = format!("{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}, }}");
    let text = format!("{text:<117}\n");
    let mut bytes =
        [b"\x93NUMPY\x01\x00", (text.len() as u16).to_le_bytes().as_slice(), text.as_bytes()].concat();
    bytes.extend(cells.flat_map(u16::to_le_bytes));
    bytes
}

/// A frame with tracks that cross the layers.
fn frame(seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut random = |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % n
    };
    let mut cells = vec![0u16; 4 * 24 * 64];
    for _ in 0..8 {
        let (pad, time, height) = (random(20) as usize, random(50) as usize, 60 + random(300));
        for layer in 0..4 {
            for (k, share) in [3, 7, 2].into_iter().enumerate() {
                for (t, part) in [4, 10, 7, 3].into_iter().enumerate() {
                    let v = 64 + height * share * part / 100 + random(3);
                    cells[(layer * 24 + pad + k) * 64 + time + t + 2 * layer] = v as u16;
                }
            }
        }
    }
    npy("(4, 24, 64)", cells.into_iter())
}

/// A folder `run` of so many frames, a text, and a folder inside.
fn run(count: u64) -> tempfile::TempDir {
    let d = tempfile::tempdir().unwrap();
    let run = d.path().join("run");
    fs::create_dir_all(run.join("late")).unwrap();
    for i in 0..count {
        let folder = if i % 4 == 3 { run.join("late") } else { run.clone() };
        fs::write(folder.join(format!("frame_{i:03}.npy")), frame(i + 3)).unwrap();
    }
    fs::write(run.join("parameters.json"), "{\"run\": 7}\n").unwrap();
    d
}

#[test]
fn a_folder_goes_into_one_container_and_back() {
    let d = run(9);
    let before = files(&d.path().join("run"));
    for (i, options) in
        [&[][..], &["--carry"], &["--carry=1", "--chunk-frames", "1"], &["-l", "max", "--carry=9"]]
            .into_iter()
            .enumerate()
    {
        let container = format!("{i}.sgl");
        let line = good(d.path(), &[&["compress", "run", "-o", &container], options].concat());
        assert!(String::from_utf8(line).unwrap().contains("10 files -> "));
        let line = good(d.path(), &["decompress", &container, "-o", &format!("out{i}")]);
        assert!(String::from_utf8(line).unwrap().contains("10 files"));
        assert!(files(&d.path().join(format!("out{i}"))) == before, "{options:?}");
        good(d.path(), &["verify", &container]);
    }
    // Its usual name, and that of the folder again.
    good(d.path(), &["compress", "--frames", "run"]);
    fs::rename(d.path().join("run"), d.path().join("was")).unwrap();
    good(d.path(), &["decompress", "run.sgl"]);
    assert!(files(&d.path().join("run")) == before);
    // Nothing unfinished is left.
    assert!(
        !fs::read_dir(d.path()).unwrap().any(|e| e.unwrap().file_name().to_str().unwrap().starts_with('.'))
    );
}

#[test]
fn some_files_come_back_without_the_rest() {
    let d = run(9);
    let before = files(&d.path().join("run"));
    good(d.path(), &["compress", "run", "-o", "run.sgl", "--carry", "--chunk-frames=2"]);
    good(d.path(), &["decompress", "run.sgl", "-o", "some", "--only", "*_004.npy,late/*"]);
    let some = files(&d.path().join("some"));
    let wanted: Vec<_> =
        before.into_iter().filter(|f| f.0.ends_with("_004.npy") || f.0.starts_with("late/")).collect();
    assert!(some == wanted && some.len() == 3);
    assert!(
        bad(d.path(), &["decompress", "run.sgl", "-o", "none", "--only", "x*"], 1)
            .contains("no file is called x*")
    );
    assert!(!d.path().join("none").exists());
    // One event of the table is one frame.
    let csv = good(d.path(), &["export", "--to", "csv", "--table", "files", "--columns", "name", "run.sgl"]);
    assert!(String::from_utf8(csv).unwrap().contains("late/frame_003.npy"));
    good(
        d.path(),
        &["export", "--to", "npz", "--table", "frames", "--events", "3:4", "-o", "one.npz", "run.sgl"],
    );
}

#[test]
fn inspect_tells_what_starts_from_what() {
    let d = run(9);
    good(d.path(), &["compress", "run", "-o", "run.sgl", "--carry=3", "--chunk-frames=1"]);
    let text = String::from_utf8(good(d.path(), &["inspect", "run.sgl"])).unwrap();
    assert!(text.contains("frames: 8 of 9 chunks start from what 3 have taught"), "{text}");
    assert!(text.contains("at most 3 more") && text.contains("carried"), "{text}");
    let json = good(d.path(), &["inspect", "--json", "run.sgl"]);
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["format"], "frames");
    let tables = json["tables"].as_array().unwrap();
    let frames = tables.iter().find(|t| t["name"] == "frames").unwrap();
    assert_eq!(frames["events"], 9);
    assert_eq!(frames["carried"]["chunks"], 8);
    assert_eq!(frames["carried"]["most_needed"], 3);
}

#[test]
fn frames_come_through_a_pipe_one_by_one() {
    let d = run(6);
    let all: Vec<u8> = (0..6).flat_map(|i| frame(i + 3)).collect();
    let out = piped(d.path(), &["compress", "--frames", "--carry", "-o", "pipe.sgl", "-"], &all);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(good(d.path(), &["decompress", "-c", "pipe.sgl"]) == all);
    good(d.path(), &["decompress", "pipe.sgl", "-o", "out"]);
    let out = files(&d.path().join("out"));
    assert_eq!(out[5].0, "frame-000005.npy");
    assert!(out[5].1 == frame(8) && out.len() == 6);
    // Names from a list, in its order.
    fs::write(d.path().join("list"), "run/frame_002.npy\n\n./run/frame_000.npy\n").unwrap();
    good(d.path(), &["compress", "--files-from", "list", "-o", "list.sgl"]);
    good(d.path(), &["decompress", "list.sgl", "-o", "listed"]);
    let listed: Vec<String> = files(&d.path().join("listed")).into_iter().map(|f| f.0).collect();
    assert_eq!(listed, ["run/frame_000.npy", "run/frame_002.npy"]);
    // Cut off, it is no container at all.
    let out = piped(d.path(), &["compress", "--frames", "-o", "cut.sgl", "-"], &all[..all.len() - 1]);
    assert!(refused(&out, 1).contains("ends within an array"));
    let out = piped(d.path(), &["compress", "--frames", "-o", "cut.sgl", "-"], &[&all[..], b"more"].concat());
    assert!(refused(&out, 1).contains("standard input"));
    assert!(!d.path().join("cut.sgl").exists());
}

#[test]
fn what_makes_no_sense_is_refused_in_one_line() {
    let d = run(2);
    let p = d.path();
    fs::create_dir(p.join("folder.sgl")).unwrap();
    assert!(
        bad(p, &["compress", "--frames", "run/frame_000.npy", "run/frame_001.npy"], 2).contains("-o RUN.sgl")
    );
    assert!(bad(p, &["compress", "--frames", "run", "-o", "folder.sgl"], 2).contains("is a folder"));
    assert!(bad(p, &["compress", "--frames", "-", "run", "-o", "a.sgl"], 2).contains("stands alone"));
    for senseless in ["--carry=0", "--carry=33", "--chunk-frames=0"] {
        let out = command(p, &["compress", "run", "-o", "a.sgl", senseless]).output().unwrap();
        assert_eq!(out.status.code(), Some(2), "{senseless}");
    }
    // Bad files are 1, and nothing is left of the container.
    assert!(bad(p, &["compress", "run", "missing.npy", "-o", "a.sgl"], 1).contains("missing.npy"));
    fs::write(p.join("run/large.bin"), vec![1u8; 9 << 20]).unwrap();
    let line = bad(p, &["compress", "run", "-o", "a.sgl"], 1);
    assert!(line.contains("large.bin") && line.contains("too long to go beside frames"), "{line}");
    fs::remove_file(p.join("run/large.bin")).unwrap();
    fs::copy(p.join("run/frame_000.npy"), p.join("frame_000.npy")).unwrap();
    let line = bad(p, &["compress", "run/frame_000.npy", "frame_000.npy", "-o", "a.sgl"], 1);
    assert!(line.contains("two files would be called frame_000.npy"), "{line}");
    fs::write(p.join("only.txt"), "no frame").unwrap();
    assert!(bad(p, &["compress", "--frames", "only.txt", "-o", "a.sgl"], 1).contains("no frame among"));
    assert!(!p.join("a.sgl").exists());
    // Nothing is overwritten: neither a container, nor one of the files.
    good(p, &["compress", "run", "-o", "a.sgl"]);
    assert!(bad(p, &["compress", "run", "-o", "a.sgl"], 1).contains("exists already"));
    good(p, &["compress", "run", "-o", "a.sgl", "--force"]);
    fs::create_dir(p.join("out")).unwrap();
    fs::write(p.join("out/parameters.json"), "mine").unwrap();
    assert!(bad(p, &["decompress", "a.sgl", "-o", "out"], 1).contains("exists already"));
    assert_eq!(files(&p.join("out")), [("parameters.json".to_string(), b"mine".to_vec())]);
    good(p, &["decompress", "a.sgl", "-o", "out", "--force"]);
    assert!(files(&p.join("out")) == files(&p.join("run")));
    assert!(bad(p, &["decompress", "a.sgl", "-o", "only.txt"], 1).contains("is no folder"));
    // One file has no parts that could be asked for.
    good(p, &["compress", "only.txt"]);
    assert!(bad(p, &["decompress", "only.txt.sgl", "-o", "x", "--only", "*"], 1).contains("holds one file"));
    // Removed once all is in place.
    good(p, &["compress", "run", "-o", "b.sgl", "--rm"]);
    assert_eq!(files(&p.join("run")), []);
}

#[test]
fn a_run_rolls_over_into_whole_containers() {
    let d = run(7);
    good(d.path(), &["compress", "run", "-o", "run.sgl", "--roll=3", "--carry"]);
    let mut all = Vec::new();
    for (i, count) in [3, 3, 2].into_iter().enumerate() {
        let name = format!("run-{i:06}");
        good(d.path(), &["decompress", &format!("{name}.sgl")]);
        let some = files(&d.path().join(name));
        assert_eq!(some.len(), count);
        all.extend(some);
    }
    all.sort();
    assert!(all == files(&d.path().join("run")));
    // A pipe that goes on: what is full is there, though the next frame never comes.
    let mut child = command(d.path(), &["compress", "-q", "--roll=2", "-o", "live.sgl", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&[frame(1), frame(2)].concat()).unwrap();
    stdin.flush().unwrap();
    let live = d.path().join("live-000000.sgl");
    let there = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        live.exists()
    });
    assert!(there, "the full container is not there");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(good(d.path(), &["decompress", "-c", "live-000000.sgl"]) == [frame(1), frame(2)].concat());
    assert!(bad(d.path(), &["compress", "--roll=2", "-c", "run"], 2).contains("--roll"));
}

#[test]
fn broken_containers_leave_nothing() {
    let d = run(5);
    good(d.path(), &["compress", "run", "-o", "run.sgl", "--carry", "--chunk-frames=1"]);
    let mut bytes = fs::read(d.path().join("run.sgl")).unwrap();
    bytes[200] ^= 4;
    fs::write(d.path().join("broken.sgl"), bytes).unwrap();
    bad(d.path(), &["decompress", "broken.sgl", "-o", "out"], 1);
    assert!(!d.path().join("out").exists());
    bad(d.path(), &["verify", "broken.sgl"], 1);
    assert_eq!(files(d.path()).len(), 6 + 2);
}

#[cfg(unix)]
#[test]
fn interrupted_it_leaves_nothing() {
    let d = run(1);
    let mut child = command(d.path(), &["compress", "--frames", "--chunk-frames=1", "-o", "run.sgl", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&[frame(1), frame(2)].concat()).unwrap();
    stdin.flush().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    // It waits for the next frame; what it has so far is under no name.
    assert!(!d.path().join("run.sgl").exists());
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(stdin);
    assert_eq!(files(d.path()).len(), 2);
}
