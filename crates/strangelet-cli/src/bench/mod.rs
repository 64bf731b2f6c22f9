//! Our levels against rivals: same bytes, same run, one child process for each file and method.

pub mod clock;
pub mod columns;
pub mod html;
pub mod markdown;
pub mod measure;
pub mod record;
pub mod rivals;
pub mod svg;
pub mod tpc;

use rivals::Rival;
use strangelet::codec::Level;

/// Name of the rival that is given typed columns.
const COLUMNS: &str = "columns+pco";
/// What stands before the name of a rival that is given the content.
pub const UNPACKED: &str = "unpacked+";
/// What stands before the name of a level.
const OURS: &str = "strangelet-";

/// One way to make a file small.
#[derive(Clone, Copy)]
pub enum Method {
    /// A level of ours.
    Ours(Level),
    /// A general compressor on the file as it is.
    AsIs(&'static dyn Rival),
    /// A general compressor on the content: every compressed block of the file inflated.
    Unpacked(&'static dyn Rival),
    /// pco on the columns, xz on the rest.
    Columns,
}

impl Method {
    /// All of them: our levels, then the rivals.
    pub fn all() -> Vec<Method> {
        let mut all: Vec<Method> = Level::ALL.iter().map(|l| Method::Ours(l.0)).collect();
        all.extend(rivals::ALL.iter().map(|r| Method::AsIs(*r)));
        all.extend(rivals::ALL.iter().map(|r| Method::Unpacked(*r)));
        all.push(Method::Columns);
        all
    }

    /// The method with a name.
    pub fn by_name(name: &str) -> Option<Method> {
        Self::all().into_iter().find(|m| m.name() == name)
    }

    /// Name: `strangelet-fast`, `xz-9e`, `unpacked+xz-9e`, `columns+pco`.
    pub fn name(&self) -> String {
        match self {
            Method::Ours(level) => format!("{OURS}{}", level.name()),
            Method::AsIs(rival) => rival.name().to_string(),
            Method::Unpacked(rival) => format!("{UNPACKED}{}", rival.name()),
            Method::Columns => COLUMNS.to_string(),
        }
    }

    /// Library and settings.
    pub fn about(&self) -> String {
        match self {
            Method::Ours(level) => {
                format!("strangelet {}, level {}", env!("CARGO_PKG_VERSION"), level.name())
            }
            Method::AsIs(rival) => rival.about(),
            Method::Unpacked(rival) => {
                format!("{}, on the content: every compressed block inflated", rival.about())
            }
            Method::Columns => "pco 1.1 level 12 on columns of numbers and lengths, liblzma 9e on the rest; \
                                taking apart not timed, names not counted"
                .into(),
        }
    }

    /// Whether this machine can run it.
    pub fn available(&self) -> bool {
        match self {
            Method::AsIs(rival) | Method::Unpacked(rival) => rival.available(),
            _ => true,
        }
    }

    /// Whether `--rivals NAME` means it: its full name, or that of its library.
    pub fn answers_to(&self, name: &str) -> bool {
        let full = self.name();
        full == name
            || full.strip_prefix(UNPACKED) == Some(name)
            || (name == "pco" && matches!(self, Method::Columns))
    }
}

/// Peak resident memory in bytes of a process (`self`, or its number) so far; `None` where the system
/// does not tell, or the process has ended.
pub fn peak_rss(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_found_by_their_names() {
        let names: Vec<String> = Method::all().iter().map(Method::name).collect();
        for name in ["strangelet-balanced", "xz-9e", "unpacked+xz-9e", "unpacked+zstd-19", "columns+pco"] {
            assert!(names.contains(&name.to_string()), "{name} in {names:?}");
        }
        for name in &names {
            assert_eq!(&Method::by_name(name).unwrap().name(), name);
        }
        assert_eq!(Method::all().iter().filter(|m| m.answers_to("xz-9e")).count(), 2);
        assert_eq!(Method::all().iter().filter(|m| m.answers_to("unpacked+xz-9e")).count(), 1);
    }
}
