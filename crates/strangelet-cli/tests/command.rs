//! Does the command keep its promises? Run as a person would, on real files in a folder of its own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A folder that goes away with the test.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn strangelet(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_strangelet"));
    c.current_dir(folder).args(arguments).stdin(Stdio::null());
    c
}

/// Runs it, wants success, and gives standard output.
fn good(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let out = strangelet(folder, arguments);
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{arguments:?}");
    out.stdout
}

/// Runs it, wants this exit code and one line of error, and gives the line.
fn bad(folder: &Path, arguments: &[&str], code: i32) -> String {
    let out = strangelet(folder, arguments);
    let text = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(code), "{arguments:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
    text
}

/// Feeds `bytes` through standard input.
fn piped(folder: &Path, arguments: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut child = command(folder, arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(out.status.success(), "{arguments:?}");
    out.stdout
}

/// Numbers that are no noise and no constant.
fn numbers(n: u32) -> Vec<u8> {
    let mut x = 1u32;
    (0..n)
        .flat_map(|i| {
            x = x.wrapping_mul(1664525).wrapping_add(1013904223);
            (i * 16 + (x >> 24)).to_le_bytes()
        })
        .collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_goes_there_and_back() {
    let d = folder();
    fs::write(d.path().join("run.bin"), numbers(20_000)).unwrap();
    let line = String::from_utf8(good(d.path(), &["compress", "run.bin"])).unwrap();
    assert!(line.contains("80,000 ->") && line.contains("run.bin -> run.bin.sgl"), "{line}");
    good(d.path(), &["verify", "run.bin.sgl"]);
    good(d.path(), &["decompress", "run.bin.sgl", "-o", "again.bin"]);
    assert_eq!(fs::read(d.path().join("again.bin")).unwrap(), numbers(20_000));
    assert_eq!(names(d.path()), ["again.bin", "run.bin", "run.bin.sgl"]);
}

#[test]
fn pipes_and_files_give_the_same() {
    let (d, bytes) = (folder(), numbers(5_000));
    fs::write(d.path().join("run.bin"), &bytes).unwrap();
    good(d.path(), &["compress", "-q", "run.bin"]);
    let container = piped(d.path(), &["compress", "-"], &bytes);
    assert_eq!(container, fs::read(d.path().join("run.bin.sgl")).unwrap());
    assert_eq!(container, good(d.path(), &["compress", "-c", "run.bin"]));
    assert_eq!(piped(d.path(), &["decompress", "-"], &container), bytes);
    assert_eq!(good(d.path(), &["decompress", "-c", "run.bin.sgl"]), bytes);
    piped(d.path(), &["compress", "-", "-o", "pipe.sgl"], &bytes);
    assert_eq!(container, fs::read(d.path().join("pipe.sgl")).unwrap());
}

#[test]
fn an_empty_file_comes_back() {
    let d = folder();
    fs::write(d.path().join("nothing"), b"").unwrap();
    good(d.path(), &["compress", "--rm", "nothing"]);
    assert_eq!(names(d.path()), ["nothing.sgl"]);
    good(d.path(), &["verify", "nothing.sgl"]);
    good(d.path(), &["inspect", "nothing.sgl"]);
    good(d.path(), &["decompress", "nothing.sgl"]);
    assert_eq!(fs::read(d.path().join("nothing")).unwrap(), b"");
}

#[test]
fn folders_are_walked_and_containers_skipped() {
    let d = folder();
    fs::create_dir_all(d.path().join("runs/june")).unwrap();
    fs::write(d.path().join("runs/a.bin"), numbers(300)).unwrap();
    fs::write(d.path().join("runs/june/b.bin"), numbers(400)).unwrap();
    good(d.path(), &["compress", "runs", "-o", "small"]);
    assert_eq!(names(&d.path().join("small")), ["a.bin.sgl", "june"]);
    good(d.path(), &["decompress", "small", "-o", "again"]);
    assert_eq!(fs::read(d.path().join("again/june/b.bin")).unwrap(), numbers(400));
    good(d.path(), &["compress", "runs"]);
    good(d.path(), &["compress", "--force", "runs"]);
    assert_eq!(names(&d.path().join("runs")), ["a.bin", "a.bin.sgl", "june"]);
    good(d.path(), &["verify", "runs", "small"]);
}

#[test]
fn nothing_is_overwritten_without_force() {
    let d = folder();
    fs::write(d.path().join("run.bin"), numbers(300)).unwrap();
    fs::write(d.path().join("run.bin.sgl"), b"precious").unwrap();
    let line = bad(d.path(), &["compress", "--rm", "run.bin"], 1);
    assert!(line.contains("run.bin.sgl exists already"), "{line}");
    assert_eq!(fs::read(d.path().join("run.bin.sgl")).unwrap(), b"precious");
    assert_eq!(fs::read(d.path().join("run.bin")).unwrap(), numbers(300));
    good(d.path(), &["compress", "--force", "run.bin"]);
    assert!(bad(d.path(), &["decompress", "run.bin.sgl"], 1).contains("run.bin exists already"));
    fs::write(d.path().join("run.bin"), b"changed").unwrap();
    good(d.path(), &["decompress", "--force", "--rm", "run.bin.sgl"]);
    assert_eq!(fs::read(d.path().join("run.bin")).unwrap(), numbers(300));
    assert_eq!(names(d.path()), ["run.bin"]);
}

#[test]
fn broken_containers_are_refused_in_one_line_and_leave_nothing() {
    let d = folder();
    fs::write(d.path().join("run.bin"), numbers(20_000)).unwrap();
    good(d.path(), &["compress", "run.bin"]);
    let whole = fs::read(d.path().join("run.bin.sgl")).unwrap();
    fs::write(d.path().join("cut.sgl"), &whole[..whole.len() / 2]).unwrap();
    let line = bad(d.path(), &["decompress", "--rm", "cut.sgl"], 1);
    assert!(line.contains("cut.sgl") && line.contains("truncated"), "{line}");
    let mut flipped = whole.clone();
    flipped[100] ^= 4;
    fs::write(d.path().join("flipped.sgl"), &flipped).unwrap();
    let line = bad(d.path(), &["decompress", "flipped.sgl"], 1);
    assert!(line.contains("flipped.sgl") && line.contains("damaged"), "{line}");
    bad(d.path(), &["verify", "flipped.sgl"], 1);
    bad(d.path(), &["inspect", "run.bin"], 1);
    bad(d.path(), &["decompress", "-c", "cut.sgl"], 1);
    assert_eq!(names(d.path()), ["cut.sgl", "flipped.sgl", "run.bin", "run.bin.sgl"]);
}

#[test]
fn one_bad_file_does_not_stop_the_others() {
    let d = folder();
    fs::write(d.path().join("a.sgl"), b"no container").unwrap();
    fs::write(d.path().join("b"), numbers(50)).unwrap();
    good(d.path(), &["compress", "--rm", "b"]);
    let line = bad(d.path(), &["decompress", "missing.sgl", "b.sgl"], 1);
    assert!(line.contains("missing.sgl: No such file"), "{line}");
    assert_eq!(fs::read(d.path().join("b")).unwrap(), numbers(50));
    assert_eq!(names(d.path()), ["a.sgl", "b", "b.sgl"]);
}

#[test]
fn a_senseless_command_line_is_exit_2() {
    let d = folder();
    fs::write(d.path().join("a"), b"a").unwrap();
    for arguments in [
        &["compress"][..],
        &["squash", "a"],
        &["compress", "--level", "huge", "a"],
        &["compress", "--wrong", "a"],
        &["compress", "-c", "--rm", "a"],
        &["compress", "-c", "a", "a"],
        &["compress", "-", "a"],
        &["compress", "--threads", "0", "a"],
    ] {
        assert_eq!(strangelet(d.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(names(d.path()), ["a"]);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let d = folder();
    for level in ["fast", "balanced"] {
        let compress = |file: &str, n: &str| good(d.path(), &["compress", "-c", "-l", level, "-j", n, file]);
        for (file, bytes) in real_files(&d) {
            assert!(compress(&file, "1") == compress(&file, "2"), "{level} {} ({bytes} bytes)", file);
        }
    }
}

/// Small real files of the repository, and one of numbers.
fn real_files(d: &tempfile::TempDir) -> Vec<(String, usize)> {
    let own = d.path().join("numbers.bin");
    fs::write(&own, numbers(100_000)).unwrap();
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../data");
    let mut files = vec![own];
    files.extend(fs::read_dir(data).into_iter().flatten().map(|e| e.unwrap().path()).filter(|p| p.is_file()));
    let sized = |p: PathBuf| (p.display().to_string(), fs::read(&p).unwrap().len());
    files.into_iter().map(sized).filter(|f| f.1 < 3_000_000).collect()
}

/// Begins to compress something large, and returns once its temporary file is there.
#[cfg(unix)]
fn at_work(d: &Path) -> Child {
    fs::write(d.join("large.bin"), numbers(8_000_000)).unwrap();
    let child = command(d, &["compress", "--rm", "--level", "max", "-j", "1", "large.bin"]).spawn().unwrap();
    let start = Instant::now();
    while names(d).len() < 2 {
        assert!(start.elapsed() < Duration::from_secs(60), "no temporary file appears");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(200));
    child
}

#[test]
#[cfg(unix)]
fn killed_at_work_it_leaves_no_half_file_under_the_name() {
    use std::os::unix::process::ExitStatusExt;
    let d = folder();
    let mut child = at_work(d.path());
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9), "it was done before it could be killed");
    assert!(!names(d.path()).contains(&"large.bin.sgl".to_string()));
    assert!(fs::read(d.path().join("large.bin")).unwrap() == numbers(8_000_000));
}

#[test]
#[cfg(unix)]
fn interrupted_it_tidies_up() {
    let d = folder();
    let mut child = at_work(d.path());
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130), "it was done before it could be interrupted");
    assert_eq!(names(d.path()), ["large.bin"]);
    assert!(fs::read(d.path().join("large.bin")).unwrap() == numbers(8_000_000));
}

#[test]
#[cfg(unix)]
fn permissions_stay() {
    use std::os::unix::fs::PermissionsExt;
    let d = folder();
    let mode = |name: &str| fs::metadata(d.path().join(name)).unwrap().permissions().mode() & 0o777;
    fs::write(d.path().join("secret"), b"secret").unwrap();
    fs::set_permissions(d.path().join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    good(d.path(), &["compress", "--rm", "secret"]);
    assert_eq!(mode("secret.sgl"), 0o600);
    good(d.path(), &["decompress", "secret.sgl"]);
    assert_eq!(mode("secret"), 0o600);
}

#[test]
fn inspect_tells_sizes_that_add_up() {
    let d = folder();
    fs::write(d.path().join("run.bin"), numbers(50_000)).unwrap();
    good(d.path(), &["compress", "run.bin"]);
    let out = good(d.path(), &["inspect", "--json", "run.bin.sgl"]);
    let v: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let bytes = |key: &str| v[key].as_u64().unwrap();
    assert_eq!(bytes("bytes"), fs::metadata(d.path().join("run.bin.sgl")).unwrap().len());
    let parts = ["bytes_columns", "bytes_residue", "bytes_index", "bytes_models"];
    assert_eq!(parts.iter().map(|p| bytes(p)).sum::<u64>(), bytes("bytes"));
    assert_eq!(bytes("bytes_original"), 200_000);
    let columns = v["columns"].as_array().unwrap();
    assert!(columns.iter().map(|c| c["bytes"].as_u64().unwrap()).sum::<u64>() < bytes("bytes"));
    let text = String::from_utf8(good(d.path(), &["inspect", "--all", "run.bin.sgl"])).unwrap();
    assert!(text.contains("taken apart as") && !text.contains('\x1b'), "{text}");
}
