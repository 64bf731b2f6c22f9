//! Rivals: other libraries, one file each, as strong as their own command lines make them.

mod bzip2;
mod bzip3;
mod lz4;
mod openzl;
mod xz;
mod zlib;
mod zpaq;
mod zstandard;

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// A general compressor: bytes in, bytes out, on one thread.
pub trait Rival: Sync {
    /// Name with its setting: `zstd-19`.
    fn name(&self) -> &'static str;

    /// Library and settings, for the record.
    fn about(&self) -> String;

    /// Whether this machine has it.
    fn available(&self) -> bool {
        true
    }

    /// Compresses the `len` bytes of `input`.
    fn compress(&self, input: &mut dyn Read, len: u64, output: &mut dyn Write) -> io::Result<()>;

    /// Restores them.
    fn decompress(&self, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()>;

    /// Peak memory in bytes of processes that it started.
    fn peak_of_children(&self) -> u64 {
        0
    }
}

/// All of them, the quick ones first.
pub static ALL: &[&dyn Rival] = &[
    &lz4::Lz4,
    &zlib::Zlib,
    &zstandard::Zstandard { level: 3 },
    &zstandard::Zstandard { level: 19 },
    &zstandard::Zstandard { level: 22 },
    &bzip2::Bzip2,
    &bzip3::Bzip3,
    &xz::Xz,
    &openzl::OpenZl,
    &zpaq::Zpaq,
];

/// The rival with a name.
pub fn by_name(name: &str) -> Option<&'static dyn Rival> {
    ALL.iter().copied().find(|r| r.name() == name)
}

/// Bytes that pass at once.
const BUFFER: usize = 1 << 18;

/// [`io::copy`] with a buffer that does not slow a quick library down.
fn copy(input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
    let mut buf = vec![0; BUFFER];
    loop {
        match input.read(&mut buf) {
            Ok(0) => return Ok(()),
            Ok(n) => output.write_all(&buf[..n])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Runs a program in a folder, without a word of its own.
fn run(program: &str, folder: &Path, arguments: &[&str]) -> io::Result<()> {
    let mut command = Command::new(program);
    let status =
        command.args(arguments).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{program}: {status}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rival_gives_the_bytes_back() {
        let bytes: Vec<u8> = (0..200_000u32).flat_map(|i| (i / 7 * 7).to_le_bytes()).collect();
        for rival in ALL.iter().filter(|r| r.available()) {
            for input in [&bytes[..], b"x", b""] {
                let (mut packed, mut back) = (Vec::new(), Vec::new());
                rival.compress(&mut &input[..], input.len() as u64, &mut packed).unwrap();
                rival.decompress(&mut &packed[..], &mut back).unwrap();
                assert!(back == input, "{}: {} bytes", rival.name(), input.len());
                assert!(input.len() < 9 || packed.len() < input.len() / 3, "{}", rival.name());
                assert!(rival.about().len() > 5);
            }
        }
    }
}
