//! Does `simulate` make what it says, the same every time, and touch nothing that is there?

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn simulate(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strangelet"));
    command.current_dir(folder).arg("simulate").args(arguments).output().unwrap()
}

/// Options of a set that takes a moment.
const SMALL: [&str; 11] =
    ["tpc", "--events", "2", "--wedges", "2", "--charged", "100:150", "--pileup", "5", "--seed", "3"];

fn small(folder: &Path, more: &[&str]) -> Output {
    simulate(folder, &[&SMALL[..], more].concat())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_same_seed_gives_the_same_files_on_any_number_of_threads() {
    let d = tempfile::tempdir().unwrap();
    for (folder, threads) in [("a", "1"), ("b", "2")] {
        let out = small(d.path(), &["-o", folder, "-j", threads, "--truth"]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    let (a, b) = (d.path().join("a"), d.path().join("b"));
    // Two events of two wedges and two truths, two lists of tracks, the sheet.
    assert_eq!(names(&a).len(), 2 * 2 * 2 + 2 + 1);
    assert_eq!(names(&a), names(&b));
    for name in names(&a) {
        assert_eq!(fs::read(a.join(&name)).unwrap(), fs::read(b.join(&name)).unwrap(), "{name}");
    }
    let sheet = fs::read(a.join("parameters_s3_e0.json")).unwrap();
    let sheet: serde_json::Value = serde_json::from_slice(&sheet).unwrap();
    assert_eq!(sheet["seed"], 3);
    assert_eq!(sheet["detector"]["threshold_adc"], 78.46);
    let wedge = names(&a).into_iter().find(|n| n.starts_with("wedge_")).unwrap();
    let bytes = fs::read(a.join(&wedge)).unwrap();
    assert!(
        String::from_utf8_lossy(&bytes[..128])
            .contains("'<u2', 'fortran_order': False, 'shape': (192, 249, 16)")
    );
    assert_eq!(bytes.len(), 128 + 2 * 192 * 249 * 16);
    // As many truths as hits.
    let hits = bytes[128..].chunks_exact(2).filter(|c| **c != [0, 0]).count();
    let truth = fs::File::open(a.join(wedge.replace("wedge_", "truth_").replace(".npy", ".npz"))).unwrap();
    let mut truth = zip::ZipArchive::new(truth).unwrap();
    assert_eq!(truth.by_name("secondary.npy").unwrap().size() as usize, 128 + hits);
    assert_eq!(truth.by_name("track.npy").unwrap().size() as usize, 128 + 4 * hits);
}

#[test]
fn nothing_is_overwritten_and_errors_are_one_line() {
    let d = tempfile::tempdir().unwrap();
    assert!(small(d.path(), &["-o", "a", "--layers", "inner"]).status.success());
    let before = names(&d.path().join("a"));
    let refused = |out: Output, word: &str| {
        let said = String::from_utf8(out.stderr).unwrap();
        assert!(!out.status.success() && out.stdout.is_empty());
        assert!(said.trim_end().lines().count() == 1 && said.contains(word), "{said}");
    };
    refused(small(d.path(), &["-o", "a", "--layers", "inner"]), "exists already");
    assert_eq!(names(&d.path().join("a")), before);
    assert!(small(d.path(), &["-o", "a", "--layers", "inner", "--force"]).status.success());
    refused(simulate(d.path(), &["tpc", "-o", "c", "--wedges", "0"]), "--wedges");
    refused(simulate(d.path(), &["tpc", "-o", "c", "--particles", "none.npz"]), "none.npz");
    fs::write(d.path().join("broken.npz"), b"PK\x03\x04 and nothing more").unwrap();
    refused(simulate(d.path(), &["tpc", "-o", "c", "--particles", "broken.npz"]), "broken.npz");
    refused(simulate(d.path(), &["compare", "a", "broken.npz"]), "broken.npz");
    fs::create_dir(d.path().join("empty")).unwrap();
    let wedge = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/tpc_auau_wedge.npy");
    refused(simulate(d.path(), &["compare", "empty", wedge]), "no wedges");
    refused(simulate(d.path(), &["compare", "a", wedge]), "shape");
}

#[test]
fn particles_of_files_reach_the_pads_and_compare_makes_a_page() {
    let d = tempfile::tempdir().unwrap();
    // Two tracks of 2 GeV through the middle of sectors 0 and 3, to positive z.
    let csv = "event,pdg,px,py,pz\n0,211,1.93,0.52,0.8\n0,-211,-0.52,1.93,0.8\n";
    fs::write(d.path().join("two.csv"), csv).unwrap();
    let arguments =
        ["tpc", "-o", "two", "--particles", "two.csv", "--pileup", "0", "--truth", "--eta", "inf"];
    assert!(simulate(d.path(), &arguments).status.success());
    let hits = |w: usize| {
        let bytes = fs::read(d.path().join(format!("two/wedge_s1_e00000_w{w:02}.npy"))).unwrap();
        bytes[128..].chunks_exact(2).filter(|c| **c != [0, 0]).count()
    };
    let all: Vec<usize> = (0..24).map(hits).collect();
    // Two wedges have a track of 16 layers; the others a few runs of noise.
    let full: Vec<usize> = (0..24).filter(|&w| all[w] > 250).collect();
    assert_eq!(full.len(), 2, "{all:?}");
    assert!(full.iter().all(|w| *w >= 12) && ((2..=10).contains(&(full[1] - full[0]))), "{all:?}");
    assert!((0..24).filter(|w| !full.contains(w)).all(|w| all[w] < 250), "{all:?}");

    let wedge = &d.path().join(format!("two/wedge_s1_e00000_w{:02}.npy", full[0]));
    let real = wedge.to_str().unwrap();
    let out = simulate(d.path(), &["compare", "two", real, "-o", "page.html"]);
    let shown = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success() && shown.contains("length of a run"), "{shown}");
    let page = fs::read_to_string(d.path().join("page.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("data:image/png;base64,") && !page.contains("http"));
}
