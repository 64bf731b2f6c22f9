//! Which files go in, and what the files that come out are called.

use crate::output::TEMPORARY;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use strangelet::error::{Result, usage};
use strangelet::source::{FileSource, Source, Spool};

/// Extension of a container.
pub const EXTENSION: &str = "sgl";

/// A file that a verb works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name; `-` is standard input.
    pub path: PathBuf,
    /// Its name below the folder that was given, or its bare name.
    pub below: PathBuf,
}

impl Input {
    /// Whether it is standard input.
    pub fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// Its bytes; standard input is read to its end first.
    pub fn open(&self) -> Result<Box<dyn Source>> {
        if self.is_stdin() {
            let mut spool = Spool::new(u64::MAX);
            spool.fill_from(&mut std::io::stdin().lock())?;
            return Ok(Box::new(spool));
        }
        let file = File::open(&self.path)?;
        let kind = file.metadata()?.file_type();
        if kind.is_dir() {
            return Err(usage("is a folder"));
        }
        if !kind.is_file() {
            return Err(usage("is no regular file; read it through standard input (`-`)"));
        }
        Ok(Box::new(FileSource::new(file)?))
    }
}

/// All files of the arguments: folders give those of their files, at any depth, that `wanted` takes,
/// in the order of their names. Names that cannot be listed come back as errors.
pub fn inputs(
    arguments: &[PathBuf],
    wanted: impl Fn(&Path) -> bool,
) -> (Vec<Input>, Vec<(PathBuf, strangelet::error::Error)>) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for argument in arguments {
        if argument.as_os_str() != "-" && argument.is_dir() {
            walk(argument, Path::new(""), &wanted, &mut found, &mut errors);
        } else {
            let below = argument.file_name().map(PathBuf::from).unwrap_or_else(|| argument.clone());
            found.push(Input { path: argument.clone(), below });
        }
    }
    (found, errors)
}

fn walk(
    folder: &Path,
    below: &Path,
    wanted: &impl Fn(&Path) -> bool,
    found: &mut Vec<Input>,
    errors: &mut Vec<(PathBuf, strangelet::error::Error)>,
) {
    let listed = std::fs::read_dir(folder).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
    let mut entries = match listed {
        Ok(entries) => entries,
        Err(e) => return errors.push((folder.to_path_buf(), e.into())),
    };
    entries.sort_by_key(|e| e.file_name());
    for entry in entries {
        let (path, below) = (entry.path(), below.join(entry.file_name()));
        match entry.file_type() {
            // Links are not followed: they may lead in circles, or out of the folder.
            Ok(kind) if kind.is_dir() => walk(&path, &below, wanted, found, errors),
            Ok(kind) if kind.is_file() => {
                let unfinished = entry.file_name().to_string_lossy().starts_with(TEMPORARY);
                if !unfinished && wanted(&path) {
                    found.push(Input { path, below });
                }
            }
            Ok(_) => {}
            Err(e) => errors.push((path, e.into())),
        }
    }
}

/// Whether a name is a container's.
pub fn is_container(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == EXTENSION)
}

/// `run1.root` to `run1.root.sgl`.
pub fn packed(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(EXTENSION);
    PathBuf::from(name)
}

/// `run1.root.sgl` to `run1.root`.
pub fn unpacked(path: &Path) -> Result<PathBuf> {
    if !is_container(path) {
        return Err(usage("its name does not end in .sgl: say -o FILE"));
    }
    Ok(path.with_extension(""))
}

/// Where the results go.
pub enum Destination {
    /// Beside each input.
    Beside,
    /// Into this folder, under the names below the folders that were given.
    Folder(PathBuf),
    /// To this one file.
    File(PathBuf),
    /// To standard output.
    Stdout,
}

impl Destination {
    /// What `-o` and `-c` mean for these arguments.
    pub fn new(out: Option<&Path>, stdout: bool, arguments: &[PathBuf]) -> Result<Self> {
        let stdin = arguments.iter().any(|a| a.as_os_str() == "-");
        if stdin && arguments.len() > 1 {
            return Err(usage("standard input (`-`) stands alone"));
        }
        let many = arguments.len() > 1 || arguments.iter().any(|a| a.is_dir());
        match out {
            _ if stdout && many => Err(usage("-c takes one file")),
            _ if stdout => Ok(Destination::Stdout),
            None if stdin => Ok(Destination::Stdout),
            None => Ok(Destination::Beside),
            Some(out) if out.as_os_str() == "-" && !many => Ok(Destination::Stdout),
            Some(out) => {
                let slash = out.as_os_str().to_string_lossy().ends_with(std::path::is_separator);
                let folder = many || slash || out.is_dir();
                if folder && out.exists() && !out.is_dir() {
                    return Err(usage(format!("{} is no folder, and there are many files", out.display())));
                }
                if folder && stdin {
                    return Err(usage("standard input has no name: say -o FILE"));
                }
                Ok(if folder { Destination::Folder(out.into()) } else { Destination::File(out.into()) })
            }
        }
    }

    /// The name of a result, with its folder made; `rename` gives the name beside the input.
    /// Nothing where it goes to standard output.
    pub fn name(&self, input: &Input, rename: impl Fn(&Path) -> Result<PathBuf>) -> Result<Option<PathBuf>> {
        let path = match self {
            Destination::Stdout => return Ok(None),
            Destination::File(path) => path.clone(),
            Destination::Beside => rename(&input.path)?,
            Destination::Folder(folder) => {
                let path = folder.join(rename(&input.below)?);
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent)
                        .map_err(|e| strangelet::error::Error::from(e).within(parent.display()))?;
                }
                path
            }
        };
        Ok(Some(path))
    }
}

/// Whether a file is still the one that was read: same length, same time of change.
pub struct Unchanged {
    len: u64,
    modified: Option<std::time::SystemTime>,
}

impl Unchanged {
    /// What the file is like now.
    pub fn note(path: &Path) -> Result<Self> {
        let m = std::fs::metadata(path)?;
        Ok(Unchanged { len: m.len(), modified: m.modified().ok() })
    }

    /// Removes the file, unless it changed meanwhile.
    pub fn remove(self, path: &Path) -> Result<()> {
        let now = Self::note(path)?;
        if now.len != self.len || now.modified != self.modified {
            return Err(usage("changed while it was read, so it is not removed"));
        }
        Ok(std::fs::remove_file(path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        assert_eq!(packed(Path::new("a/run1.root")), Path::new("a/run1.root.sgl"));
        assert_eq!(unpacked(Path::new("a/run1.root.sgl")).unwrap(), Path::new("a/run1.root"));
        assert!(unpacked(Path::new("a/run1.root")).is_err());
    }

    #[test]
    fn many_files_need_a_folder() {
        let (one, two) = (vec![PathBuf::from("a")], vec![PathBuf::from("a"), PathBuf::from("b")]);
        assert!(matches!(Destination::new(Some(Path::new("x")), false, &one), Ok(Destination::File(_))));
        assert!(matches!(Destination::new(Some(Path::new("x/")), false, &one), Ok(Destination::Folder(_))));
        assert!(matches!(Destination::new(Some(Path::new("x")), false, &two), Ok(Destination::Folder(_))));
        assert!(Destination::new(None, true, &two).is_err());
        assert!(Destination::new(None, false, &["-".into(), "a".into()]).is_err());
    }
}
