//! `strangelet bench`: how small, how fast, against whom.

use super::{LevelArg, use_threads};
use crate::bench::clock::Clock;
use crate::bench::record::{Record, TOTAL, totals};
use crate::bench::{Method, UNPACKED, html, markdown, measure};
use crate::files::{self, Input, is_container};
use crate::output::Output;
use crate::ui::{self, Aligned, grouped};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use strangelet::codec::Level;
use strangelet::error::{Result, corruption, usage};
use strangelet::source::{FileSource, Spool};

const EXAMPLES: &str = "\
Examples:
  strangelet bench run1.root                                     all rivals, two levels
  strangelet bench --rivals xz-9e,zstd-19 --html page.html *.root
  strangelet bench --levels fast --rivals none --json - run1.root
  strangelet bench --add a.json,b.json --markdown tables.md      runs in pieces, shown together
  strangelet bench tpc wedge.npy --html tpc.html                 hits of time projection chambers

Each method runs in a process of its own. Every ratio is bytes of the file as it is / all bytes of
the result. Every speed is in MB (10^6 bytes) of content a second, content being the file with every
compressed block inflated, whatever the method was given. Rivals are real libraries on one thread,
each on the file as it is and (`unpacked+...`) on its content, where inflating is not timed. Our
compression includes restoring the file and comparing it. `columns` is the speed of decoding all
columns, without making the file's own compressed blocks again. Seconds are those of the processor
(`--clock wall` for the others). What takes under 0.3 s is repeated, and the best time counts.";

/// Measure our levels against real rival libraries, on the same bytes in the same run
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    special: Option<Special>,
    /// Files, or folders with all their files (except .sgl)
    #[arg(value_name = "FILE", required_unless_present = "add")]
    inputs: Vec<PathBuf>,
    /// Our levels
    #[arg(short, long, value_enum, value_delimiter = ',', default_value = "fast,balanced")]
    levels: Vec<LevelArg>,
    /// Rivals by name, `all`, or `none`; a name like `xz-9e` means it also on the content
    #[arg(short, long, value_delimiter = ',', default_value = "all", value_name = "NAMES")]
    rivals: Vec<String>,
    /// Threads of our levels; rivals always have one
    #[arg(short = 'j', long, value_name = "N", default_value = "1")]
    threads: usize,
    /// Which seconds count [default: cpu for one thread, wall for more]
    #[arg(long, value_enum)]
    clock: Option<Clock>,
    /// Rounds over all methods; of each file and method the best time counts
    #[arg(long, value_name = "N", default_value = "1")]
    rounds: usize,
    /// Write all measurements as JSON (`-`: standard output, instead of the table)
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measurements of earlier runs (their JSON) to be shown with these, which replace them, or alone
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    add: Vec<PathBuf>,
    /// Write a page to look at
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write tables of all files and methods for a text
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// Benches of a kind of data.
#[derive(clap::Subcommand)]
enum Special {
    Tpc(Box<super::bench_tpc::Args>),
}

/// The child's command line.
#[derive(clap::Args)]
pub struct OneArgs {
    #[arg(long)]
    method: String,
    #[arg(long)]
    name: String,
    #[arg(long)]
    content: PathBuf,
    #[arg(long)]
    threads: usize,
    #[arg(long, value_enum)]
    clock: Clock,
    file: PathBuf,
}

/// The child: measures, and prints one object.
pub fn run_one(args: &OneArgs) -> Result<usize> {
    use_threads(Some(args.threads))?;
    let method = Method::by_name(&args.method).ok_or_else(|| usage(format!("no method {}", args.method)))?;
    let record = measure::measure(method, &args.name, &args.file, &args.content, (args.threads, args.clock))?;
    ui::emit(&format!("{}\n", record.to_json()))?;
    Ok(0)
}

/// Runs it; the number of measurements that failed.
pub fn run(args: &Args) -> Result<usize> {
    if let Some(Special::Tpc(args)) = &args.special {
        return super::bench_tpc::run(args);
    }
    let methods = methods(args)?;
    if cfg!(debug_assertions) {
        ui::warn("this is a debug build: its speeds mean nothing");
    }
    if args.threads == 0 || args.rounds == 0 {
        return Err(usage("--threads and --rounds must be at least 1"));
    }
    let (inputs, errors) = files::inputs(&args.inputs, |path| !is_container(path));
    errors.iter().for_each(|(path, e)| ui::error(Some(path), e));
    let mut failed = errors.len();
    let mut records = Vec::new();
    for path in &args.add {
        records.extend(earlier(path).map_err(|e| e.within(path.display()))?);
    }
    let bar = bar(inputs.len() * methods.len() * args.rounds);
    for input in &inputs {
        let done = one_file(args, input, &methods, &bar, &mut failed, &mut records);
        if let Err(e) = done {
            bar.suspend(|| ui::error(Some(&input.path), &e));
            failed += 1;
        }
    }
    bar.finish_and_clear();
    if records.is_empty() {
        return Ok(failed.max(1));
    }
    let records = latest(records);
    report(args, &records)?;
    Ok(failed + records.iter().filter(|r| !r.exact).count())
}

/// What an earlier run has written; its totals are left out.
fn earlier(path: &Path) -> Result<Vec<Record>> {
    let text = std::fs::read(path)?;
    let all: Vec<serde_json::Value> =
        serde_json::from_slice(&text).map_err(|e| corruption(format!("no measurements: {e}")))?;
    let records = all.iter().map(Record::from_json).collect::<Result<Vec<_>>>()?;
    Ok(records.into_iter().filter(|r| r.file != TOTAL).collect())
}

/// Of what was measured more than once the last, files in the order in which they came.
fn latest(records: Vec<Record>) -> Vec<Record> {
    let mut kept: Vec<Record> = Vec::new();
    for r in records {
        match kept.iter_mut().find(|k| k.file == r.file && k.method == r.method) {
            Some(before) => *before = r,
            None => kept.push(r),
        }
    }
    let mut files: Vec<String> = Vec::new();
    kept.iter().for_each(|r| files.extend((!files.contains(&r.file)).then(|| r.file.clone())));
    kept.sort_by_key(|r| files.iter().position(|f| *f == r.file));
    kept
}

fn methods(args: &Args) -> Result<Vec<Method>> {
    let levels: Vec<Level> = args.levels.iter().map(|&l| l.into()).collect();
    let wanted = |name: &str| args.rivals.iter().any(|r| r == name);
    let mut known = vec!["all".to_string(), "none".to_string()];
    let mut methods = Vec::new();
    for method in Method::all() {
        let take = match method {
            Method::Ours(level) => levels.contains(&level),
            _ => {
                known.push(method.name());
                let named = args.rivals.iter().any(|r| method.answers_to(r));
                if named && !method.available() {
                    return Err(usage(format!("{} is not installed here", method.name())));
                }
                named || (wanted("all") && method.available())
            }
        };
        if take {
            methods.push(method);
        }
    }
    let names = args.rivals.iter();
    let mut unknown = names.filter(|r| !known.contains(r) && !Method::all().iter().any(|m| m.answers_to(r)));
    if let Some(name) = unknown.next() {
        return Err(usage(format!("no rival {name}; there are {}", known.join(", "))));
    }
    Ok(methods)
}

fn bar(runs: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(runs as u64);
    if let Ok(style) = ProgressStyle::with_template("[{bar:24.cyan/blue}] {pos}/{len}  {elapsed}  {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn one_file(
    args: &Args,
    input: &Input,
    methods: &[Method],
    bar: &ProgressBar,
    failed: &mut usize,
    records: &mut Vec<Record>,
) -> Result<()> {
    let source = FileSource::new(std::fs::File::open(&input.path)?)?;
    bar.set_message(format!("{}: inflating", ui::plain(&input.below.display().to_string())));
    let inflated = strangelet_formats::content(&source)?.map(|spool| in_file(&spool)).transpose()?;
    let content = inflated.as_ref().map_or(input.path.as_path(), |t| t.path());
    let name = input.below.display().to_string();
    let own = records.len();
    for method in std::iter::repeat_n(methods, args.rounds).flatten() {
        bar.set_message(format!("{}: {}", ui::plain(&name), method.name()));
        // Without compressed blocks the file is its content: nothing is measured twice.
        let same = match method {
            Method::Unpacked(rival) if inflated.is_none() => {
                records[own..].iter().find(|r| r.method == rival.name())
            }
            _ => None,
        };
        let record = match same {
            Some(r) => Ok(Record { method: method.name(), about: method.about(), ..r.clone() }),
            None => child(args, &input.path, &name, content, *method),
        };
        match record {
            Ok(record) => {
                let before = records[own..].iter_mut().find(|r| r.method == record.method);
                match before {
                    Some(before) => before.improve(record),
                    None => records.push(record),
                }
            }
            Err(e) => {
                bar.suspend(|| ui::error(Some(&input.path), &e.within(method.name())));
                *failed += 1;
            }
        }
        bar.inc(1);
    }
    Ok(())
}

/// A spool as a named file, for other processes to read.
fn in_file(spool: &Spool) -> Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    std::io::copy(&mut strangelet::source::SourceReader::new(spool), &mut file)?;
    Ok(file)
}

fn child(args: &Args, file: &Path, name: &str, content: &Path, method: Method) -> Result<Record> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench-one", "--method", &method.name(), "--name", name]);
    let clock = args.clock.unwrap_or(if args.threads == 1 { Clock::Cpu } else { Clock::Wall });
    command
        .args(["--clock", clock.name(), "--threads", &args.threads.to_string(), "--content"])
        .arg(content)
        .arg("--")
        .arg(file);
    let out = command.stdin(Stdio::null()).output()?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        let said = said.trim().lines().last().unwrap_or("").trim_start_matches("error: ").to_string();
        return Err(corruption(if said.is_empty() { out.status.to_string() } else { said }));
    }
    let object = serde_json::from_slice(&out.stdout).map_err(|e| corruption(e.to_string()))?;
    Record::from_json(&object)
}

fn report(args: &Args, records: &[Record]) -> Result<()> {
    let totals = totals(records);
    let objects = records.iter().chain(&totals).map(Record::to_json).collect::<Vec<_>>();
    let json = format!("{:#}\n", serde_json::Value::Array(objects));
    match &args.json {
        Some(path) if path.as_os_str() == "-" => ui::emit(&json)?,
        other => {
            other.iter().try_for_each(|path| write(path, &json))?;
            ui::emit(&table(records, &totals))?;
        }
    }
    args.markdown.iter().try_for_each(|path| write(path, &markdown::page(records, &totals)))?;
    args.html.iter().try_for_each(|path| write(path, &html::page(records, &totals)))
}

/// Measurements are made again and again: a file of that name is replaced.
fn write(path: &Path, text: &str) -> Result<()> {
    let output = Output::new(path, true)?;
    std::io::Write::write_all(&mut output.file()?, text.as_bytes())?;
    output.finish()
}

fn table(records: &[Record], totals: &[Record]) -> String {
    let colour = ui::colours();
    let mut out = String::new();
    let mut files: Vec<&str> = records.iter().map(|r| r.file.as_str()).collect();
    files.dedup();
    if files.len() > 1 {
        out += &ratios(&files, records, totals, colour);
    }
    let mut t = Aligned::new(&[
        "method",
        ">bytes",
        ">ratio",
        ">compress",
        ">decompress",
        ">columns",
        ">peak MB",
        "exact",
    ]);
    // Where nothing inside is compressed, the content is the file: one line of the two is enough.
    let twice = |r: &Record| r.bytes_in == r.bytes_content && r.method.starts_with(UNPACKED);
    for r in totals.iter().filter(|r| !twice(r)) {
        t.row(vec![
            r.method.clone(),
            grouped(r.bytes_out),
            format!("{:.3}", r.ratio()),
            format!("{:.1}", r.speed(r.compress_s)),
            format!("{:.1}", r.speed(r.decompress_s)),
            r.columns_s.map_or(String::new(), |s| format!("{:.1}", r.speed(s))),
            r.peak_rss.map_or(String::new(), |b| format!("{:.0}", b as f64 / 1e6)),
            if r.exact { "yes" } else { "NO" }.into(),
        ]);
    }
    let first = &totals[0];
    let what = if files.len() > 1 { format!("{} ({})", TOTAL, files.len()) } else { records[0].file.clone() };
    out += &format!(
        "{}: {} bytes, content {} bytes; speeds in MB of content a {} second\n{}",
        ui::paint(colour, "1", ui::plain(&what)),
        grouped(first.bytes_in),
        grouped(first.bytes_content),
        first.clock,
        t.text("  ", colour)
    );
    out + &comparisons(totals)
}

/// Ratio of each file, by our levels and the strongest rivals.
fn ratios(files: &[&str], records: &[Record], totals: &[Record], colour: bool) -> String {
    let all = totals.iter().filter(|r| !(r.bytes_in == r.bytes_content && r.method.starts_with(UNPACKED)));
    let (ours, rivals): (Vec<&Record>, Vec<&Record>) = all.partition(|r| r.columns_s.is_some());
    let shown: Vec<&str> = ours.iter().chain(rivals.iter().take(4)).map(|r| r.method.as_str()).collect();
    let headings: Vec<String> = shown.iter().map(|m| format!(">{m}")).collect();
    let mut all = vec!["ratio by file", ">bytes"];
    all.extend(headings.iter().map(String::as_str));
    let mut t = Aligned::new(&all);
    for file in files {
        let of = |method: &str| records.iter().find(|r| r.file == *file && r.method == method);
        let bytes = records.iter().find(|r| r.file == *file).map_or(0, |r| r.bytes_in);
        let mut row = vec![ui::plain(file), grouped(bytes)];
        row.extend(shown.iter().map(|m| of(m).map_or("-".into(), |r| format!("{:.3}", r.ratio()))));
        t.row(row);
    }
    t.text("", colour) + "\n"
}

/// Our levels beside the rivals that they have to beat, each as a sentence.
fn comparisons(totals: &[Record]) -> String {
    let mut out = String::new();
    for (ours, rival) in [
        ("strangelet-fast", "unpacked+zstd-19"),
        ("strangelet-balanced", "unpacked+xz-9e"),
        ("strangelet-max", "unpacked+xz-9e"),
    ] {
        let find = |name: &str| totals.iter().find(|r| r.method == name);
        if let (Some(a), Some(b)) = (find(ours), find(rival)) {
            out += &format!(
                "{ours}: {:.4} x the bytes of {rival}, at {:.2} x its speed of compression\n",
                a.bytes_out as f64 / b.bytes_out.max(1) as f64,
                a.speed(a.compress_s) / b.speed(b.compress_s).max(1e-9)
            );
        }
    }
    out
}
