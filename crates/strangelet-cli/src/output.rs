//! Files that appear whole or not at all: written under another name in the same folder, synced, renamed.

use crate::ui;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use strangelet::error::{Result, usage};
use strangelet::source::Spool;
use tempfile::NamedTempFile;

/// Temporary files that are being written; removed on an interrupt.
static PENDING: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn pending() -> MutexGuard<'static, Vec<PathBuf>> {
    PENDING.lock().unwrap_or_else(|e| e.into_inner())
}

/// How the names of temporary files begin.
pub const TEMPORARY: &str = ".strangelet-";

/// From now on Ctrl-C (and the polite kill) removes unfinished files before the process ends.
pub fn remove_on_interrupt() -> Result<()> {
    let handler = || {
        // The lock is kept: no rename can begin any more.
        let pending = pending();
        for path in pending.iter() {
            let folder = path.symlink_metadata().is_ok_and(|m| m.is_dir());
            drop(if folder { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) });
        }
        std::process::exit(130);
    };
    ctrlc::set_handler(handler).map_err(|e| usage(format!("cannot listen for Ctrl-C: {e}")))
}

/// A file on its way to its name.
pub struct Output {
    temporary: NamedTempFile,
    path: PathBuf,
    force: bool,
}

impl Output {
    /// Begins a file that shall be called `path`. Refuses a name that is taken, unless `force`.
    pub fn new(path: &Path, force: bool) -> Result<Self> {
        if !force && path.symlink_metadata().is_ok() {
            return Err(taken(path));
        }
        if path.is_dir() {
            return Err(usage(format!("{} is a folder", path.display())));
        }
        let folder = match path.parent() {
            Some(p) if p.as_os_str().is_empty() => Path::new("."),
            Some(p) => p,
            None => return Err(usage(format!("{} is no name for a file", path.display()))),
        };
        let open = |path: &Path| -> io::Result<File> {
            pending().push(path.to_path_buf());
            let opened = OpenOptions::new().read(true).write(true).create_new(true).open(path);
            if opened.is_err() {
                pending().retain(|p| p != path);
            }
            opened
        };
        let made = tempfile::Builder::new().prefix(TEMPORARY).suffix(".part").make_in(folder, open);
        let temporary = made.map_err(|e| {
            strangelet::error::Error::from(e).within(format!("{}: cannot write beside it", path.display()))
        })?;
        Ok(Output { temporary, path: path.to_path_buf(), force })
    }

    /// The file, empty, as a spool of at most `limit` bytes.
    pub fn spool(&self, limit: u64) -> Result<Spool> {
        let file = self.file()?;
        file.set_len(0)?;
        Ok(Spool::in_file(file, limit))
    }

    /// Another handle of the file.
    pub fn file(&self) -> Result<File> {
        Ok(self.temporary.as_file().try_clone()?)
    }

    /// Gives it the permissions of its input.
    pub fn permissions_of(&self, input: &Path) -> Result<()> {
        let permissions: Permissions = std::fs::metadata(input)?.permissions();
        #[cfg(unix)]
        let permissions = {
            use std::os::unix::fs::PermissionsExt;
            Permissions::from_mode(permissions.mode() & 0o777 | 0o200)
        };
        Ok(self.temporary.as_file().set_permissions(permissions)?)
    }

    /// Puts everything on disk and gives the file its name.
    pub fn finish(self) -> Result<()> {
        self.temporary.as_file().sync_all()?;
        let mut pending = pending();
        let part = self.temporary.path().to_path_buf();
        let renamed = if self.force {
            self.temporary.persist(&self.path)
        } else {
            self.temporary.persist_noclobber(&self.path)
        };
        pending.retain(|p| *p != part);
        drop(pending);
        match renamed {
            Ok(_) => sync_folder(&self.path),
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Err(taken(&self.path)),
            Err(e) => Err(e.error.into()),
        }
    }
}

/// Files on their way to a folder: all get their names together.
pub struct OutputFolder<'a> {
    temporary: tempfile::TempDir,
    folder: PathBuf,
    /// Whether the folder itself is new.
    new: bool,
    names: &'a [String],
    force: bool,
}

impl<'a> OutputFolder<'a> {
    /// Begins files of these names (with `/` between folders). Refuses names that are taken, unless `force`.
    pub fn new(folder: &Path, names: &'a [String], force: bool) -> Result<Self> {
        let new = folder.symlink_metadata().is_err();
        if !new && !folder.is_dir() {
            return Err(usage(format!("{} is no folder, and there are many files", folder.display())));
        }
        let there = |name: &&String| folder.join(name).symlink_metadata().is_ok();
        if let Some(name) = names.iter().find(there).filter(|_| !force) {
            return Err(taken(&folder.join(name)));
        }
        let base = match folder.parent() {
            _ if !new => folder,
            Some(p) if p.as_os_str().is_empty() => Path::new("."),
            Some(p) => p,
            None => return Err(usage(format!("{} is no name for a folder", folder.display()))),
        };
        let beside =
            |e| strangelet::error::Error::from(e).within(format!("{}: cannot write there", folder.display()));
        std::fs::create_dir_all(base).map_err(beside)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMPORARY).suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let temporary = builder.tempdir_in(base).map_err(beside)?;
        pending().push(temporary.path().to_path_buf());
        Ok(OutputFolder { temporary, folder: folder.to_path_buf(), new, names, force })
    }

    /// A file by the number of its name.
    pub fn create(&self, number: usize) -> Result<File> {
        let name = self.names.get(number).ok_or_else(|| usage("a file without a name"))?;
        let path = self.temporary.path().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let opened = OpenOptions::new().write(true).create_new(true).open(&path);
        opened.map_err(|e| strangelet::error::Error::from(e).within(ui::plain(name)))
    }

    /// Gives all files their names.
    pub fn finish(self) -> Result<()> {
        // Kept to the end: an interrupt waits, and finds all in place or nothing.
        let mut pending = pending();
        let part = self.temporary.path().to_path_buf();
        if self.new && self.folder.symlink_metadata().is_err() {
            std::fs::rename(&part, &self.folder)?;
            pending.retain(|p| *p != part);
            drop(self.temporary.keep());
            return sync_folder(&self.folder);
        }
        for name in self.names {
            let (from, to) = (part.join(name), self.folder.join(name));
            if let Some(parent) = to.parent() {
                std::fs::create_dir_all(parent)?;
            }
            if self.force {
                std::fs::rename(&from, &to)?;
                continue;
            }
            // A link does not replace what is there; where there are no links, a look has to do.
            match std::fs::hard_link(&from, &to) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(taken(&to)),
                Err(_) if to.symlink_metadata().is_ok() => return Err(taken(&to)),
                Err(_) => std::fs::rename(&from, &to)?,
            }
        }
        pending.retain(|p| *p != part);
        drop(pending);
        Ok(self.temporary.close()?)
    }
}

fn taken(path: &Path) -> strangelet::error::Error {
    strangelet::error::Error::new(
        strangelet::error::Kind::Io,
        format!("{} exists already (--force replaces it)", path.display()),
    )
}

/// Makes the rename itself durable.
#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(folder)?.sync_all()?)
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> Result<()> {
    Ok(())
}

/// Refuses to pour a container over a person's terminal.
pub fn not_to_a_terminal(force: bool) -> Result<()> {
    if !force && io::stdout().is_terminal() {
        return Err(usage("standard output is a terminal: say -o FILE, or --force"));
    }
    Ok(())
}

/// Copies a spool to standard output.
pub fn to_stdout(spool: &Spool) -> Result<()> {
    use io::Write;
    let mut out = io::stdout().lock();
    io::copy(&mut strangelet::source::SourceReader::new(spool), &mut out)?;
    Ok(out.flush()?)
}
