//! The page: totals first, then a plot of ratio against speed, then every file. One file, no scripts.

use super::record::{Record, TOTAL};
use super::svg::{Dot, bars, escaped, scatter};
use super::{OURS, UNPACKED};
use crate::ui::grouped;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// Whether a method is ours.
fn ours(method: &str) -> bool {
    method.starts_with(OURS)
}

/// The page.
pub fn page(records: &[Record], totals: &[Record]) -> String {
    // Where nothing inside is compressed, the content is the file: one of the two is enough.
    let once = |r: &&Record| !(r.bytes_in == r.bytes_content && r.method.starts_with(UNPACKED));
    let totals: Vec<&Record> = totals.iter().filter(once).collect();
    let mut files: Vec<&str> = records.iter().map(|r| r.file.as_str()).collect();
    files.dedup();
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>strangelet bench</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style>{STYLE}</style></head>\n\
         <body><main>\n"
    );
    head(&mut out, &files, &totals);
    let _ = write!(
        out,
        "<section><h2>All bytes together</h2>\n<p>What is left of {} bytes. Shorter is better.</p>\n{}</section>\n",
        grouped(totals.first().map_or(0, |r| r.bytes_in)),
        bars(
            &totals
                .iter()
                .map(|r| (r.method.clone(), r.bytes_out, r.ratio(), ours(&r.method)))
                .collect::<Vec<_>>()
        )
    );
    plots(&mut out, &totals);
    if files.len() > 1 {
        each_file(&mut out, &files, records, &totals);
    }
    table(&mut out, &totals);
    out += "</main></body></html>\n";
    out
}

fn head(out: &mut String, files: &[&str], totals: &[&Record]) {
    let Some(first) = totals.first() else { return };
    let what = match files {
        [one] => escaped(one),
        many => format!("{} files", many.len()),
    };
    let _ = write!(
        out,
        "<header><h1>strangelet <small>{}</small></h1>\n<p>{what}, {} MB, of content {} MB. Every method \
         in a process of its own, same bytes, same run.</p>\n<div class=\"cards\">",
        env!("CARGO_PKG_VERSION"),
        megabytes(first.bytes_in),
        megabytes(first.bytes_content)
    );
    let best = totals.iter().find(|r| !ours(&r.method));
    for r in totals.iter().filter(|r| ours(&r.method)) {
        let beside = best.map_or(String::new(), |b| {
            format!(
                "{:.2} × the bytes of {}<br>{:.1} × its speed of compression",
                r.bytes_out as f64 / b.bytes_out.max(1) as f64,
                escaped(&b.method),
                r.speed(r.compress_s) / b.speed(b.compress_s).max(1e-9)
            )
        });
        let _ = write!(
            out,
            "<div class=\"card\"><h3>{}</h3><b>{:.2}×</b><span>smaller than the files</span><p>{beside}</p></div>",
            escaped(r.method.trim_start_matches(OURS)),
            r.ratio()
        );
    }
    *out += "</div></header>\n";
}

fn plots(out: &mut String, totals: &[&Record]) {
    let dot = |r: &&Record, name: String, seconds: f64| Dot {
        name,
        x: r.speed(seconds),
        y: r.ratio(),
        ours: ours(&r.method),
    };
    let compress: Vec<Dot> = totals.iter().map(|r| dot(r, r.method.clone(), r.compress_s)).collect();
    let mut decompress: Vec<Dot> = totals.iter().map(|r| dot(r, r.method.clone(), r.decompress_s)).collect();
    let columns =
        totals.iter().filter_map(|r| r.columns_s.map(|s| dot(r, format!("{}: columns", r.method), s)));
    decompress.extend(columns);
    let clock = totals.first().map_or("", |r| r.clock.as_str());
    let _ = write!(
        out,
        "<section><h2>Ratio against speed</h2><p>Up and to the right is better. MB of content a {clock} second, \
         on a scale of tens; ratio is bytes of the files / all bytes of the result.</p>\n<div class=\"two\">\
         <figure><figcaption>Compression</figcaption>{}</figure>\
         <figure><figcaption>Decompression</figcaption>{}</figure></div></section>\n",
        scatter(&compress),
        scatter(&decompress)
    );
}

/// Bars for each file: our levels, and the strongest rivals of the totals.
fn each_file(out: &mut String, files: &[&str], records: &[Record], totals: &[&Record]) {
    let rivals = totals.iter().filter(|r| !ours(&r.method)).take(5);
    let shown: Vec<&str> =
        totals.iter().filter(|r| ours(&r.method)).chain(rivals).map(|r| r.method.as_str()).collect();
    *out += "<section><h2>Each file</h2><p>Our levels and the strongest rivals.</p>\n<div class=\"files\">\n";
    for file in files {
        let mut rows: Vec<&Record> =
            records.iter().filter(|r| r.file == *file && shown.contains(&r.method.as_str())).collect();
        rows.sort_by_key(|r| r.bytes_out);
        let bytes = rows.first().map_or(0, |r| r.bytes_in);
        let drawn: Vec<_> =
            rows.iter().map(|r| (r.method.clone(), r.bytes_out, r.ratio(), ours(&r.method))).collect();
        let _ = writeln!(
            out,
            "<figure><figcaption>{} <small>{} bytes</small></figcaption>{}</figure>",
            escaped(file),
            grouped(bytes),
            bars(&drawn)
        );
    }
    *out += "</div></section>\n";
}

fn table(out: &mut String, totals: &[&Record]) {
    let _ = write!(
        out,
        "<section><h2>Figures</h2><p>{TOTAL}; speeds in MB (10<sup>6</sup> bytes) of content a second. Compression \
         by strangelet includes restoring each file and comparing it. <i>Columns</i>: all columns decoded, the \
         file's own compressed blocks not made again.</p>\n<div class=\"wide\"><table><thead><tr><th>method<th>bytes\
         <th>ratio<th>compress<th>decompress<th>columns<th>peak MB<th>exact<th>library</tr></thead><tbody>\n"
    );
    for r in totals {
        let _ = writeln!(
            out,
            "<tr class=\"{}\"><td>{}<td>{}<td>{:.3}<td>{:.1}<td>{:.1}<td>{}<td>{}<td>{}<td>{}</tr>",
            if ours(&r.method) { "ours" } else { "" },
            escaped(&r.method),
            grouped(r.bytes_out),
            r.ratio(),
            r.speed(r.compress_s),
            r.speed(r.decompress_s),
            r.columns_s.map_or(String::new(), |s| format!("{:.1}", r.speed(s))),
            r.peak_rss.map_or(String::new(), |b| format!("{:.0}", b as f64 / 1e6)),
            if r.exact { "yes" } else { "NO" },
            escaped(&r.about)
        );
    }
    *out += "</tbody></table></div></section>\n";
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}
