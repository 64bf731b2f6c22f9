//! Does the bench of hits measure what it says, and refuse what it cannot measure?

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn bench(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strangelet"));
    command.current_dir(folder).args(["bench", "tpc"]).args(arguments).output().unwrap()
}

/// An npy file of uint16.
fn npy(shape: &str, cells: &[u16]) -> Vec<u8> {
    let mut text = format!("{{'descr': '<u2', 'fortran_order': False, 'shape': ({shape}), }}");
    while text.len() < 117 {
        text.push(' ');
    }
    text.push('\n');
    let mut out = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    out.extend(text.as_bytes());
    cells.iter().for_each(|x| out.extend(x.to_le_bytes()));
    out
}

/// Tracks that cross the layers of two frames of 24 x 60 x 16: pulses of five samples on two pads.
fn tracks() -> Vec<u16> {
    let mut cells = vec![0; 2 * 24 * 60 * 16];
    for (f, cells) in cells.chunks_exact_mut(24 * 60 * 16).enumerate() {
        for t in 0..12 {
            for l in 0..16 {
                let (a, b) = ((t * 5 + f + l * (t % 3)) % 23, (t * 17 + l * (t % 5)) % 54);
                for (k, adc) in [83, 140, 210, 120, 74].iter().enumerate() {
                    cells[(a * 60 + b + k) * 16 + l] = adc + (t % 7) as u16;
                    cells[((a + 1) * 60 + b + k) * 16 + l] = adc / 2 + 40;
                }
            }
        }
    }
    cells
}

#[test]
fn figures_of_given_and_simulated_frames() {
    let d = tempfile::tempdir().unwrap();
    let cells = tracks();
    let file = npy("2, 24, 60, 16", &cells);
    fs::write(d.path().join("two.npy"), &file).unwrap();
    let arguments = [
        "two.npy",
        "--occupancy",
        "none",
        "--search",
        "none",
        "--rivals",
        "bcae-vs,xz-9e",
        "--json",
        "o.json",
        "--html",
        "o.html",
    ];
    let out = bench(d.path(), &arguments);
    let shown = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(shown.contains("two.npy: 2 frames of 24 x 60 x 16"), "{shown}");

    let v: Value = serde_json::from_slice(&fs::read(d.path().join("o.json")).unwrap()).unwrap();
    let sets = v["sets"].as_array().unwrap();
    assert_eq!(sets.len(), 1);
    let hits = cells.iter().filter(|&&x| x > 0).count();
    assert_eq!((sets[0]["hits"].as_u64(), sets[0]["frames"].as_u64()), (Some(hits as u64), Some(2)));
    assert!(sets[0]["generated"] == false && sets[0]["layers"].is_null());
    for set in sets {
        let of = |name: &str| {
            let all = set["methods"].as_array().unwrap();
            let found = all.iter().find(|m| m["method"] == name);
            found.unwrap_or_else(|| panic!("{name} of {}", set["set"]))
        };
        let number =
            |name: &str, key: &str| of(name)[key].as_f64().unwrap_or_else(|| panic!("{name}: {key}"));
        let (n, voxels) = (set["hits"].as_f64().unwrap(), set["voxels"].as_f64().unwrap());
        for name in ["fast", "balanced", "max", "max, cold", "xz-9e", "zero-suppressed"] {
            assert_eq!(number(name, "mae_log2"), 0.0, "{name}");
            let bits = number(name, "stored_bits");
            assert!((number(name, "bits_per_hit") * n / bits - 1.0).abs() < 1e-9);
            assert!((number(name, "ratio") * bits / (16.0 * voxels) - 1.0).abs() < 1e-9);
        }
        // Ours are what `compress` writes, to the byte.
        assert!(number("max", "stored_bits") < number("xz-9e", "stored_bits"));
        assert!(number("max", "encode_ns_per_hit") > 0.0 && number("fast", "decode_ns_per_hit") > 0.0);
        // Smaller bounds, smaller errors, more bits; no hit comes or goes.
        let curve = ["1", "0.5", "0.25", "0.1", "0.05"].map(|x| format!("reduce log2:{x}"));
        for pair in curve.windows(2) {
            assert!(number(&pair[0], "mae_log2") >= number(&pair[1], "mae_log2"));
        }
        for (name, x) in curve.iter().zip([1.0, 0.5, 0.25, 0.1, 0.05]) {
            assert!(number(name, "mae_log2_per_hit") <= x);
            assert_eq!((number(name, "precision"), number(name, "recall")), (1.0, 1.0));
        }
        assert!(number("mask + constant", "bits_per_hit") < number("max", "bits_per_hit"));
        let kept = number("BCAE-VS, 36 bits", "kept");
        assert!((number("BCAE-VS, 36 bits", "bits_per_hit") - 36.0 * kept).abs() < 1e-9);
        assert!(number("BCAE-VS, 36 bits", "encoder_mac_per_hit") <= 382.0);
        assert!(number("BCAE-VS, 16 levels", "recall") < 1.0);
    }
    assert_eq!(v["wanted"].as_array().map(Vec::len), Some(0), "one set says nothing over occupancy");
    page(d.path(), 1);

    // What is called max is what `compress` writes.
    let strangelet = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strangelet"));
        assert!(command.current_dir(d.path()).args(arguments).status().unwrap().success());
    };
    strangelet(&["compress", "-q", "--level", "max", "-o", "two.sgl", "two.npy"]);
    strangelet(&["reduce", "-q", "--bound", "adc=log2:0.25", "-o", "less.sgl", "two.npy"]);
    let methods = sets[0]["methods"].as_array().unwrap();
    for (name, file) in [("max", "two.sgl"), ("reduce log2:0.25", "less.sgl")] {
        let bits = methods.iter().find(|m| m["method"] == name).unwrap()["stored_bits"].as_f64();
        assert_eq!(bits, Some(8.0 * fs::metadata(d.path().join(file)).unwrap().len() as f64), "{name}");
    }
}

/// A page that stands alone, with so many plots.
fn page(folder: &Path, plots: usize) {
    let page = fs::read_to_string(folder.join("o.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), plots);
    assert!(page.contains("data:image/png;base64,"));
    assert!(!page.contains("http") && !page.contains("NaN") && !page.contains("<script"));
}

#[test]
fn simulated_sets_over_occupancy() {
    let d = tempfile::tempdir().unwrap();
    let arguments = ["--occupancy", ".0008,.003", "--frames", "1", "--rivals", "none"];
    let out = bench(d.path(), &[&arguments[..], &["--json", "o.json", "--html", "o.html"]].concat());
    let shown = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(shown.contains("simulated 0.003 (generated): 1 frame of 192 x 249 x 16"), "{shown}");
    let v: Value = serde_json::from_slice(&fs::read(d.path().join("o.json")).unwrap()).unwrap();
    let sets = v["sets"].as_array().unwrap();
    assert!(sets.iter().all(|s| s["generated"] == true && s["layers"] == "outer"));
    let share = |n: usize| sets[n]["occupancy"].as_f64().unwrap();
    assert!(share(0) < share(1) && share(1) < 0.02, "{} {}", share(0), share(1));
    let said: Vec<&str> =
        v["wanted"].as_array().unwrap().iter().map(|w| w["what"].as_str().unwrap()).collect();
    for word in ["each hit within 0.25", "lossless at max", "ns a hit at max", "fast has"] {
        assert!(said.iter().any(|s| s.contains(word)), "{word}: {said:?}");
    }
    // A curve for each set; bits, times and frames a second over occupancy.
    page(d.path(), 2 + 3);
}

#[test]
fn what_is_no_frame_is_an_error_and_what_makes_no_sense_is_told() {
    let d = tempfile::tempdir().unwrap();
    let flat = npy("24, 60", &[80; 24 * 60]);
    fs::write(d.path().join("flat.npy"), flat).unwrap();
    fs::write(d.path().join("empty.npy"), npy("2, 3, 4", &[0; 24])).unwrap();
    fs::write(d.path().join("notes.npy"), "not an array\n").unwrap();
    let said = |file: &str| {
        let out = bench(d.path(), &[file, "--occupancy", "none", "--rivals", "none"]);
        let text = String::from_utf8(out.stderr).unwrap();
        assert_eq!((out.status.code(), text.lines().count()), (Some(1), 1), "{file}: {text}");
        text
    };
    assert!(said("flat.npy").contains("azimuth x drift x layer"));
    assert!(said("empty.npy").contains("without a hit"));
    assert!(said("notes.npy").contains("no npy file"));
    assert!(said("missing.npy").contains("missing.npy"));
    for wrong in [
        &["--occupancy", "none"][..],
        &["--occupancy", "7"],
        &["--occupancy", "none", "flat.npy", "--rivals", "sz4"],
        &["--frames", "0"],
        &["--pedestal", "nan", "flat.npy"],
        &["--search", "everywhere"],
    ] {
        assert_eq!(bench(d.path(), wrong).status.code(), Some(2), "{wrong:?}");
    }
}
