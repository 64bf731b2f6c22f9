//! OpenZL: a graph of typed codecs, through its Python package (`pip install openzl`), where it is installed. Of its generic
//! graphs (bytes, numbers of each width, fields, zstd) the smallest frame counts.

use super::Rival;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

pub struct OpenZl;

/// Tries the graphs; told what to do, from which file, to which.
const SCRIPT: &str = include_str!("openzl_best.py");

impl OpenZl {
    fn pass(verb: &str, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        super::copy(input, &mut std::fs::File::create(folder.path().join("in"))?)?;
        super::run("python3", folder.path(), &["-c", SCRIPT, verb, "in", "out"])?;
        super::copy(&mut std::fs::File::open(folder.path().join("out"))?, output)
    }
}

impl Rival for OpenZl {
    fn name(&self) -> &'static str {
        "openzl"
    }
    fn about(&self) -> String {
        "the Python package openzl, level 19, the best of its generic graphs for bytes, numbers of 2, 4 and 8 \
         bytes in both orders, fields of those widths, and zstd 19"
            .into()
    }
    fn available(&self) -> bool {
        let mut python = Command::new("python3");
        let found =
            python.args(["-c", "import openzl.ext, numpy"]).stdout(Stdio::null()).stderr(Stdio::null());
        found.status().is_ok_and(|status| status.success())
    }
    fn compress(&self, input: &mut dyn Read, _len: u64, output: &mut dyn Write) -> io::Result<()> {
        Self::pass("compress", input, output)
    }
    fn decompress(&self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
        Self::pass("decompress", input, output)
    }
}
