//! Frames: many `.npy` files, or a sequence of them on a pipe, into one container, and out of it again.

use crate::export::matches;
use crate::files::{self, Input, Unchanged, is_container, packed};
use crate::output::{self, Output, OutputFolder};
use crate::ui::{self, grouped};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use strangelet::archive::{self, Archive, Report, Seen};
use strangelet::codec::Level;
use strangelet::dissect::{FileFormat, Sink};
use strangelet::error::{Error, Result, corruption, unsupported, usage};
use strangelet::source::{Source, Spool};
use strangelet_formats::ALL;
use strangelet_formats::frames::{self, Frames, Packer};

/// Files of up to so many bytes are read once.
const HELD: u64 = 32 << 20;
/// Most bytes of an array that comes through a pipe.
const PIPED: u64 = 256 << 20;

/// What is asked of a container of frames.
pub struct Wish<'a> {
    /// Files and folders, or `-`.
    pub inputs: &'a [PathBuf],
    /// A file with one name a line, or `-`.
    pub list: Option<&'a Path>,
    /// The container; nothing for standard output.
    pub output: Option<&'a Path>,
    pub level: Level,
    /// Frames in a chunk.
    pub group: Option<u64>,
    /// Most chunks that a chunk may need.
    pub carry: Option<u32>,
    /// A new container after so many frames.
    pub roll: Option<u64>,
    pub force: bool,
    /// Remove the inputs at the end.
    pub rm: bool,
}

/// Number of files, and what became of them.
pub struct Packed {
    pub files: u64,
    pub report: Report,
}

/// Where a container goes when nothing is said: beside the only folder.
pub fn beside(inputs: &[PathBuf]) -> Result<PathBuf> {
    match inputs {
        [one] if one.is_dir() => {
            let whole = one.components().collect::<PathBuf>();
            if whole.file_name().is_none() {
                return Err(usage(format!("{} has no name: say -o RUN.sgl", one.display())));
            }
            Ok(packed(&whole))
        }
        _ => Err(usage("frames go into one container: say -o RUN.sgl")),
    }
}

/// A file, or an array that came through a pipe.
enum Item {
    File(Input),
    Array(Vec<u8>),
}

/// The next of them, when it is there.
type Items<'a> = dyn FnMut() -> Result<Option<Item>> + 'a;

/// Puts all files into one container, or each `roll` frames into one of their own; `made` hears of each as soon as it has its
/// name.
pub fn pack(wish: &Wish, made: &mut dyn FnMut(&Packed, Option<&Path>) -> Result<()>) -> Result<()> {
    let (mut items, mut number) = (items(wish)?, 0);
    loop {
        let first = items()?;
        if first.is_none() && number > 0 {
            return Ok(());
        }
        let path =
            wish.output.map(|path| if wish.roll.is_some() { numbered(path, number) } else { path.into() });
        let packed = pack_one(wish, path.as_deref(), first, &mut *items, number > 0)?;
        made(&packed, path.as_deref())?;
        number += 1;
    }
}

/// `run.sgl` to `run-000007.sgl`.
fn numbered(path: &Path, number: u64) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(format!("{stem}-{number:06}.{}", files::EXTENSION))
}

/// Puts files into a container, as many as it may have.
fn pack_one(
    wish: &Wish,
    path: Option<&Path>,
    mut next: Option<Item>,
    items: &mut Items,
    without_frames: bool,
) -> Result<Packed> {
    let output = path.map(|path| Output::new(path, wish.force)).transpose()?;
    let spool = match &output {
        Some(output) => output.spool(u64::MAX)?,
        None => Spool::new(u64::MAX),
    };
    let (mut files, mut read) = (0, Vec::new());
    let mut feed = |sink: &mut dyn Sink, seen: &mut Seen| {
        let mut packer = Packer::new(sink, wish.group)?;
        while let Some(item) = next.take() {
            match item {
                Item::Array(bytes) => {
                    seen.take(&bytes);
                    packer.add("", &bytes).map_err(|e| e.within("standard input"))?;
                }
                Item::File(input) => {
                    if wish.rm {
                        read.push((Unchanged::note(&input.path)?, input.path.clone()));
                    }
                    add(&input, seen, &mut packer).map_err(|e| e.within(input.path.display()))?;
                }
            }
            files += 1;
            // The next one may be long in coming.
            if wish.roll.is_none_or(|n| packer.frames() < n) {
                next = items()?;
            }
        }
        if packer.frames() == 0 && !without_frames {
            return Err(unsupported("there is no frame among the files: no array of numbers (.npy)"));
        }
        packer.finish()
    };
    let (spool, report) = archive::compress_growing(ALL, &Frames, wish.level, wish.carry, spool, &mut feed)?;
    match output {
        None => output::to_stdout(&spool)?,
        Some(output) => {
            drop(spool);
            output.finish()?;
        }
    }
    read.into_iter()
        .try_for_each(|(unchanged, path)| unchanged.remove(&path).map_err(|e| e.within(path.display())))?;
    Ok(Packed { files, report })
}

fn add(input: &Input, seen: &mut Seen, packer: &mut Packer) -> Result<()> {
    let name = input.below.to_str().map(|n| n.replace(std::path::MAIN_SEPARATOR, "/"));
    let name =
        name.filter(|n| !n.is_empty()).ok_or_else(|| unsupported("has no name, or one that is no UTF-8"))?;
    let source = input.open()?;
    if source.len() > HELD {
        seen.read(&*source)?;
        return packer.add(&name, &*source);
    }
    let bytes = source.range(0, source.len())?;
    seen.take(&bytes);
    packer.add(&name, &bytes)
}

/// What goes in, one after the other.
fn items<'a>(wish: &Wish<'a>) -> Result<Box<Items<'a>>> {
    if let Some(list) = wish.list {
        let mut lines = lines(list)?;
        return Ok(Box::new(move || {
            let Some(line) = lines.find(|line| line.as_ref().map_or(true, |l| !l.is_empty())).transpose()?
            else {
                return Ok(None);
            };
            let line = line.trim_end_matches('\r');
            Ok(Some(Item::File(Input { path: line.into(), below: below(line) })))
        }));
    }
    if wish.inputs.iter().any(|i| i.as_os_str() == "-") {
        let mut stdin = std::io::stdin().lock();
        return Ok(Box::new(move || {
            let next = frames::next(&mut stdin, PIPED).map_err(|e| e.within("standard input"))?;
            Ok(next.map(Item::Array))
        }));
    }
    let (inputs, errors) = files::inputs(wish.inputs, |path| !is_container(path));
    if let Some((path, e)) = errors.into_iter().next() {
        return Err(e.within(path.display()));
    }
    let mut inputs = inputs.into_iter();
    Ok(Box::new(move || Ok(inputs.next().map(Item::File))))
}

/// The name of a listed file within the container: as it is listed, from the first real name on.
fn below(path: &str) -> PathBuf {
    let path = Path::new(path);
    let real = |c: &std::path::Component| matches!(c, std::path::Component::Normal(_));
    if path.is_absolute() || path.components().any(|c| matches!(c, std::path::Component::ParentDir)) {
        return path.file_name().map(PathBuf::from).unwrap_or_default();
    }
    path.components().filter(real).collect()
}

/// Names, one a line, as they come.
fn lines(list: &Path) -> Result<std::io::Lines<Box<dyn BufRead>>> {
    if list.as_os_str() == "-" {
        let stdin: Box<dyn BufRead> = Box::new(std::io::stdin().lock());
        return Ok(stdin.lines());
    }
    let file = std::fs::File::open(list).map_err(|e| Error::from(e).within(list.display()))?;
    let file: Box<dyn BufRead> = Box::new(std::io::BufReader::new(file));
    Ok(file.lines())
}

/// Whether a container is one of frames.
pub fn is_frames<S: Source>(archive: &Archive<S>) -> bool {
    archive.index().format == Frames.id()
}

/// Puts the files of a container into a folder, each under its name: none before all were right. With patterns only those
/// whose names match one: then only the chunks that hold them are read, under their own checksums.
pub fn unpack<S: Source>(archive: &Archive<S>, folder: &Path, force: bool, only: &[String]) -> Result<u64> {
    let mut names = frames::names(archive)?;
    let mut place: Vec<Option<usize>> = (0..names.len()).map(Some).collect();
    if !only.is_empty() {
        let mut kept = 0;
        for (name, place) in names.iter().zip(&mut place) {
            let wanted = only.iter().any(|pattern| matches(pattern, name));
            *place = wanted.then_some(kept);
            kept += usize::from(wanted);
        }
        if kept == 0 {
            return Err(usage(format!("no file is called {}", only.join(", "))));
        }
        let mut k = 0;
        names.retain(|_| {
            k += 1;
            place[k - 1].is_some()
        });
    }
    let place = |file: &frames::File| place.get(file.number as usize).copied().flatten();
    let out = OutputFolder::new(folder, &names, force)?;
    let mut seen = Seen::default();
    let mut open: Option<(u64, std::fs::File)> = None;
    frames::walk(archive, &mut |file| Ok(place(file).is_some()), &mut |file, bytes| {
        seen.take(bytes);
        if open.as_ref().is_none_or(|o| o.0 != file.number) {
            open = Some((file.number, out.create(place(file).unwrap_or(usize::MAX))?));
        }
        if let Some((_, f)) = &mut open {
            f.write_all(bytes)?;
        }
        Ok(())
    })?;
    drop(open);
    if only.is_empty() && seen.original() != archive.index().original {
        return Err(corruption("the restored bytes have another checksum than the original"));
    }
    out.finish()?;
    Ok(names.len() as u64)
}

/// The line about a container of frames that was made.
pub fn line(packed: &Packed, output: &Path, seconds: f64) -> String {
    let (before, after) = (packed.report.original.len, packed.report.compressed);
    format!(
        "{:>14} -> {:>13} bytes  {}  {seconds:>7.2} s  {} files -> {} (frames)\n",
        grouped(before),
        grouped(after),
        ui::paint(ui::colours(), "1", format!("{:>7.3}x", ui::ratio(before, after))),
        grouped(packed.files),
        ui::plain(&output.display().to_string())
    )
}
