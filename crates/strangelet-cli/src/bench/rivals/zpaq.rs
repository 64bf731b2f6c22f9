//! zpaq: context mixing by a program in the archive. It runs as a program where it is installed (Debian: `apt install
//! zpaq`); it packs files into files, so its temporary files are part of what it takes.

use super::Rival;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

pub struct Zpaq;

/// Name of the file within the archive.
const NAME: &str = "x";
/// Name of the archive.
const ARCHIVE: &str = "a.zpaq";

impl Rival for Zpaq {
    fn name(&self) -> &'static str {
        "zpaq-m5"
    }
    fn about(&self) -> String {
        "the program zpaq, method 5, one thread".into()
    }
    fn available(&self) -> bool {
        // Without a command it prints its help and fails; what counts is that it starts.
        Command::new("zpaq").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    }
    fn compress(&self, input: &mut dyn Read, _len: u64, output: &mut dyn Write) -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        super::copy(input, &mut std::fs::File::create(folder.path().join(NAME))?)?;
        super::run("zpaq", folder.path(), &["add", ARCHIVE, NAME, "-method", "5", "-threads", "1"])?;
        super::copy(&mut std::fs::File::open(folder.path().join(ARCHIVE))?, output)
    }
    fn decompress(&self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        super::copy(input, &mut std::fs::File::create(folder.path().join(ARCHIVE))?)?;
        super::run("zpaq", folder.path(), &["extract", ARCHIVE, "-threads", "1"])?;
        super::copy(&mut std::fs::File::open(folder.path().join(NAME))?, output)
    }
}
