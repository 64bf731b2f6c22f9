//! Tables for a text: what is left of each file by each method, and how quick all of it was.

use super::record::Record;
use super::{COLUMNS, OURS, UNPACKED};
use crate::ui::grouped;
use std::fmt::Write;

/// A method's name without what it was given: of a rival the better of the file and its content counts.
fn library(method: &str) -> &str {
    method.strip_prefix(UNPACKED).unwrap_or(method)
}

/// The smaller of what a library made of a file as it is and of its content.
fn smallest<'a>(records: &'a [Record], file: &str, name: &str) -> Option<&'a Record> {
    let of = records.iter().filter(|r| r.file == file && library(&r.method) == name);
    of.min_by_key(|r| (r.bytes_out, r.bytes_content - r.bytes_in.min(r.bytes_content)))
}

/// Name in a heading.
fn short(name: &str) -> &str {
    name.strip_prefix(OURS).unwrap_or(if name == COLUMNS { "pco" } else { name })
}

/// Both tables.
pub fn page(records: &[Record], totals: &[Record]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for r in records {
        let name = library(&r.method);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let (mut ours, rivals): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|n| n.starts_with(OURS));
    // The strongest of ours is what rivals are measured by.
    ours.sort_by_key(|n| records.iter().filter(|r| r.method == *n).map(|r| r.bytes_out).sum::<u64>());
    let mut out = files(records, &ours, &rivals);
    out += "\n";
    out += &speeds(totals);
    out
}

/// A line a file; the best rival in bold.
fn files(records: &[Record], ours: &[&str], rivals: &[&str]) -> String {
    let mut out = String::from("| file | bytes |");
    ours.iter().for_each(|n| out += &format!(" {} |", short(n)));
    if let Some(best) = ours.first() {
        out += &format!(" {} / best rival |", short(best));
    }
    rivals.iter().for_each(|n| out += &format!(" {} |", short(n)));
    out += "\n|---|";
    let columns = 1 + ours.len() + usize::from(!ours.is_empty()) + rivals.len();
    out += &"---:|".repeat(columns);
    out += "\n";
    let mut names: Vec<&str> = records.iter().map(|r| r.file.as_str()).collect();
    names.dedup();
    for file in names {
        let cell = |n: &&str| smallest(records, file, n).map(|r| r.bytes_out);
        let size = records.iter().find(|r| r.file == file).map_or(0, |r| r.bytes_in);
        let best = rivals.iter().filter_map(cell).min();
        let _ = write!(out, "| {} | {} |", file.replace('|', "\\|"), grouped(size));
        for n in ours {
            let _ = write!(out, " {} |", cell(n).map_or("".into(), grouped));
        }
        if let Some(n) = ours.first() {
            let part = cell(n).zip(best).map(|(a, b)| format!("{:.3}", a as f64 / b.max(1) as f64));
            let _ = write!(out, " {} |", part.unwrap_or_default());
        }
        for n in rivals {
            let text = cell(n).map(|b| match Some(b) == best {
                true => format!("**{}**", grouped(b)),
                false => grouped(b),
            });
            let _ = write!(out, " {} |", text.unwrap_or_default());
        }
        out += "\n";
    }
    out
}

/// All files together, as each method was run.
fn speeds(totals: &[Record]) -> String {
    let mut out =
        String::from("| all files | bytes | ratio | compress MB/s | decompress MB/s | peak MB | exact |\n");
    out += "|---|---:|---:|---:|---:|---:|---|\n";
    for r in totals {
        let peak = r.peak_rss.map_or(String::new(), |b| format!("{:.0}", b as f64 / 1e6));
        let _ = writeln!(
            out,
            "| {} | {} | {:.3} | {:.1} | {:.1} | {peak} | {} |",
            r.method,
            grouped(r.bytes_out),
            r.ratio(),
            r.speed(r.compress_s),
            r.speed(r.decompress_s),
            if r.exact { "yes" } else { "NO" }
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::record::totals;

    #[test]
    fn the_better_of_file_and_content_counts_and_the_best_rival_is_bold() {
        let record = |file: &str, method: &str, bytes_out: u64| Record {
            file: file.into(),
            method: method.into(),
            about: "a".into(),
            bytes_in: 1000,
            bytes_content: 2000,
            bytes_out,
            compress_s: 1.0,
            decompress_s: 0.5,
            columns_s: None,
            peak_rss: None,
            exact: true,
            threads: 1,
            clock: "cpu".into(),
        };
        let mut all = Vec::new();
        for (file, bytes) in [("a|b", [300, 500, 700, 400]), ("c", [600, 650, 500, 900])] {
            for (method, bytes) in
                ["strangelet-max", "strangelet-fast", "xz-9e", "unpacked+xz-9e"].iter().zip(bytes)
            {
                all.push(record(file, method, bytes));
            }
            all.push(record(file, "unpacked+zstd-19", 800));
        }
        let page = page(&all, &totals(&all));
        let lines: Vec<&str> = page.lines().collect();
        assert_eq!(lines[0], "| file | bytes | max | fast | max / best rival | xz-9e | zstd-19 |");
        assert_eq!(lines[2], "| a\\|b | 1,000 | 300 | 500 | 0.750 | **400** | 800 |");
        assert_eq!(lines[3], "| c | 1,000 | 600 | 650 | 1.200 | **500** | 800 |");
        assert!(lines.contains(&"| strangelet-max | 900 | 2.222 | 0.0 | 0.0 |  | yes |"), "{page}");
    }
}
