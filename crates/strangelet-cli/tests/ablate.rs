//! Does doing without a part show what it is worth?

use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn ablate(arguments: &[&str]) -> std::process::Output {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
    Command::new(env!("CARGO_BIN_EXE_strangelet"))
        .current_dir(data)
        .arg("ablate")
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn relations_of_jets_save_a_fifth() {
    let out = ablate(&["--json", "--parts", "relations,grid", "--columns", "9", "cms_jets_24xf32.bin"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let v: Value = serde_json::from_slice(&out.stdout).unwrap();
    let part =
        |name: &str| v["parts"].as_array().unwrap().iter().find(|p| p["name"] == name).unwrap().clone();
    let all = v["bytes"].as_u64().unwrap();
    let relations = part("relations");
    assert!(relations["bytes_saved"].as_i64().unwrap() > all as i64 / 5, "{relations}");
    // The charged electromagnetic energy is a sum of two columns before it.
    let best = &relations["columns"][0];
    let bits = |key: &str| best[key].as_f64().unwrap();
    assert!(bits("bits_per_cell") < 1.0 && bits("bits_per_cell_without") > 20.0, "{best}");
    // There is no dense array in it.
    assert_eq!(part("grid")["bytes_saved"].as_i64(), Some(0));
}

#[test]
fn an_unknown_part_is_exit_2() {
    assert_eq!(ablate(&["--parts", "magic", "cms_jets_24xf32.bin"]).status.code(), Some(2));
    assert_eq!(ablate(&["no-such-file"]).status.code(), Some(1));
}
