//! The page: the curve of bits a hit against error first, then what occupancy does, a wedge to look at, and all figures. One file,
//! no scripts.

use super::bars::Verdict;
use super::picture::Shown;
use super::plot::{Axis, Mark, Series, plot};
use super::record::{Family, Figure, Sheet};
use super::table::{HEADINGS, cells, headline, short};
use super::{SHOWN, clusters};
use crate::bench::svg::escaped;
use std::fmt::Write;

const STYLE: &str = include_str!("../page.css");
const MORE: &str = include_str!("tpc.css");

/// What the page says of the run itself.
pub struct About {
    /// The command line.
    pub command: String,
    /// The machine.
    pub machine: String,
    /// Which seconds count.
    pub clock: &'static str,
    /// Pedestal, ADC.
    pub pedestal: f64,
    /// What was left out, and why.
    pub missing: Vec<String>,
}

/// The page.
pub fn page(sheets: &[Sheet], shown: &[Shown], verdicts: &[Verdict], about: &About) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>strangelet bench tpc</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style>{STYLE}\n{MORE}</style></head>\n<body><main>\n\
         <header><h1>Hits of a time projection chamber <small>strangelet {}</small></h1>\n<p>Every method on the same frames: bits for each \
         hit, and what a loss does to hits, clusters and charge. Measured with one core of {}.</p>\n<pre>{}</pre></header>\n",
        env!("CARGO_PKG_VERSION"),
        escaped(&about.machine),
        escaped(&about.command)
    );
    for line in &about.missing {
        let _ = writeln!(out, "<p>{}.</p>", escaped(line));
    }
    curves(&mut out, sheets);
    over_occupancy(&mut out, sheets, about);
    if !verdicts.is_empty() {
        out += "<section><h2>Wanted, and so or not</h2><ul class=\"bars\">\n";
        for v in verdicts {
            let (class, word) = if v.met { ("", "met") } else { (" class=\"no\"", "not met") };
            let _ = writeln!(out, "<li{class}><b>{word}</b>{}</li>", escaped(&v.text));
        }
        out += "</ul></section>\n";
    }
    out += "<section><h2>A layer to look at</h2>\n";
    // Given frames first; of simulated ones those that are most like them.
    let far = |s: &Sheet| s.asked.map_or(-1.0, |_| (s.occupancy() / 0.1).ln().abs());
    let best = (0..sheets.len()).min_by(|&a, &b| far(&sheets[a]).total_cmp(&far(&sheets[b])));
    best.and_then(|n| shown.get(n)).into_iter().for_each(|s| out += &s.html());
    out += "</section>\n";
    figures(&mut out, sheets);
    meaning(&mut out, about);
    out += "</main></body></html>\n";
    out
}

/// The colour of a family.
fn colour(family: Family) -> usize {
    Family::ALL.iter().position(|f| f.0 == family).unwrap_or(0)
}

/// Bits a hit against the mean error, for each set.
fn curves(out: &mut String, sheets: &[Sheet]) {
    *out += "<section><h2>Bits a hit against error</h2><p>Down and to the left is better. MAE: mean error of log2(ADC+1) over all voxels. \
             Dotted levels lose nothing.</p>\n";
    for (n, sheet) in sheets.iter().enumerate() {
        if n == 1 {
            *out += "<div class=\"files\">\n";
        }
        let _ = writeln!(
            out,
            "<div class=\"{}\"><figure><figcaption>{}</figcaption>{}</figure></div>",
            if n == 0 { "big" } else { "" },
            escaped(&headline(sheet)),
            curve(sheet)
        );
    }
    *out += if sheets.len() > 1 { "</div></section>\n" } else { "</section>\n" };
}

fn curve(sheet: &Sheet) -> String {
    let point = |f: &Figure| {
        let q = &f.quality;
        let tip = format!(
            "{}: {:.3} bits a hit, ratio {:.1}, MAE {}, precision {:.4}, recall {:.4}",
            f.method,
            sheet.bits_hit(f),
            sheet.ratio(f),
            short(q.mae),
            q.precision,
            q.recall
        );
        (q.mae, sheet.bits_hit(f), tip)
    };
    let mut series: Vec<Series> = Vec::new();
    for (family, name, _) in Family::ALL {
        let mut points: Vec<_> = sheet.family(family).filter(|f| f.quality.mae > 0.0).map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (line, dashed) = (points.len() > 1, !family.ours());
        let name = if family == Family::Reference { "mask + constant" } else { name };
        series.push(Series { name: name.into(), colour: colour(family), line, dashed, points });
    }
    let exact = sheet.figures.iter().filter(|f| f.quality.mae == 0.0);
    let marks: Vec<Mark> = exact
        .map(|f| Mark {
            name: format!("{} {:.2}", f.method, sheet.bits_hit(f)),
            colour: colour(f.family),
            y: sheet.bits_hit(f),
        })
        .collect();
    plot(&Axis::log("MAE of log2(ADC+1) per voxel"), &Axis::log("bits a hit"), &series, &marks)
}

/// A line over the occupancy of the simulated sets.
fn over(
    sets: &[&Sheet],
    name: &str,
    colour: usize,
    unit: &str,
    value: impl Fn(&Sheet) -> Option<f64>,
) -> Series {
    let points = sets.iter().filter_map(|s| {
        let v = value(s)?;
        Some((s.occupancy(), v, format!("{} {unit} at occupancy {:.4}", short(v), s.occupancy())))
    });
    let points: Vec<_> = points.collect();
    Series { name: name.into(), colour, line: true, dashed: colour > 2, points }
}

fn over_occupancy(out: &mut String, sheets: &[Sheet], about: &About) {
    let mut sets: Vec<&Sheet> = sheets.iter().filter(|s| s.asked.is_some()).collect();
    sets.sort_by(|a, b| a.occupancy().total_cmp(&b.occupancy()));
    if sets.len() < 2 {
        return;
    }
    let bits = |name: &'static str| move |s: &Sheet| s.of(name).map(|f| s.bits_hit(f));
    let bound = format!("reduce log2:{SHOWN}");
    let slope = |name: &'static str, way: usize| {
        move |s: &Sheet| s.of(name).and_then(|f| s.slope_ns(f)).and_then(|ways| ways[way])
    };
    let network =
        |name: &'static str| move |s: &Sheet| s.family(Family::Network).next().and_then(|f| f.extra(name));
    let speed = |name: &'static str| move |s: &Sheet| s.of(name).and_then(|f| s.frames_per_s(f));
    let quality = |s: &Sheet, pick: fn(&Figure) -> f64| s.family(Family::Network).next().map(pick);
    let x = Axis::log("occupancy (share of voxels with a hit)");
    *out += "<section><h2>Over occupancy</h2><p>Simulated frames (generated, see the seed in the command), from the density of p+p to the \
             centre of Au+Au.</p>\n<div class=\"files\">\n";
    let mut figure = |title: &str, caption: &str, svg: String| {
        if !svg.is_empty() {
            let _ = writeln!(
                out,
                "<figure><figcaption>{}</figcaption>{svg}<p>{}</p></figure>",
                escaped(title),
                escaped(caption)
            );
        }
    };
    figure(
        "Bits a hit",
        "Nothing lost, each hit within a bound, and the network by both accounts. Flat is what a trigger rate can be planned with.",
        plot(
            &x,
            &Axis::log("bits a hit"),
            &[
                over(&sets, "fast", 1, "bits a hit", bits("fast")),
                over(&sets, "max", 0, "bits a hit", bits("max")),
                over(&sets, &bound, 2, "bits a hit", |s| s.of(&bound).map(|f| s.bits_hit(f))),
                over(&sets, "BCAE-VS, 36 bits", 3, "bits a hit", bits("BCAE-VS, 36 bits")),
                over(&sets, "BCAE-VS, 16 levels", 4, "bits a hit", bits("BCAE-VS, 16 levels")),
                over(&sets, "mask + constant", 8, "bits a hit", bits("mask + constant")),
            ],
            &[],
        ),
    );
    let caption = format!(
        "{} seconds of one core, the codec alone; what does not grow with hits is taken off.",
        about.clock
    );
    figure(
        "Nanoseconds a hit, beyond the fixed cost of a frame",
        &caption,
        plot(
            &x,
            &Axis::log("ns a hit"),
            &[
                over(&sets, "max, writing", 0, "ns", slope("max", 0)),
                over(&sets, "max, reading", 2, "ns", slope("max", 1)),
                over(&sets, "balanced, writing", 1, "ns", slope("balanced", 0)),
                over(&sets, "fast, writing", 5, "ns", slope("fast", 0)),
                over(&sets, "fast, reading", 6, "ns", slope("fast", 1)),
            ],
            &[],
        ),
    );
    if sets.iter().any(|s| s.family(Family::Network).next().is_some()) {
        figure(
            "Hits lost and made up by BCAE-VS",
            "What reduce does to hits is drawn too: nothing, they stay what they are.",
            plot(
                &x,
                &Axis::linear("share of hits", None),
                &[
                    over(&sets, "reduce: both", 0, "", |s| {
                        s.of(&bound).map(|f| f.quality.recall.min(f.quality.precision))
                    }),
                    over(&sets, "BCAE-VS precision", 3, "", |s| quality(s, |f| f.quality.precision)),
                    over(&sets, "BCAE-VS recall", 4, "", |s| quality(s, |f| f.quality.recall)),
                ],
                &[],
            ),
        );
    }
    figure(
        "Frames a second on one core, writing",
        "The encoder of BCAE-VS takes a list of hits; ours take the array as it is.",
        plot(
            &x,
            &Axis::log("frames a second"),
            &[
                over(&sets, "fast", 1, "frames/s", speed("fast")),
                over(&sets, "max", 0, "frames/s", speed("max")),
                over(&sets, "BCAE-VS encoder", 3, "frames/s", network("encoder_frames_per_s")),
                over(&sets, "BCAE-VS decoders", 4, "frames/s", network("decoder_frames_per_s")),
            ],
            &[],
        ),
    );
    figure(
        "Multiplications of the BCAE-VS encoder",
        "Counted where they are done: a tap without a neighbour costs none.",
        plot(
            &x,
            &Axis::linear("MAC a hit", None),
            &[over(&sets, "executed", 3, "MAC a hit", network("encoder_mac_per_hit"))],
            &[],
        ),
    );
    *out += "</div></section>\n";
}

fn figures(out: &mut String, sheets: &[Sheet]) {
    *out += "<section><h2>All figures</h2>\n";
    for (n, sheet) in sheets.iter().enumerate() {
        let _ = write!(
            out,
            "<details{}><summary>{}</summary><div class=\"wide\"><table><thead><tr>",
            if n == 0 { " open" } else { "" },
            escaped(&headline(sheet))
        );
        for h in HEADINGS {
            let _ = write!(out, "<th>{}", h.trim_start_matches('>'));
        }
        *out += "<th>what</tr></thead><tbody>\n";
        for f in &sheet.figures {
            let _ = write!(out, "<tr class=\"{}\">", if f.family.ours() { "ours" } else { "" });
            for cell in cells(sheet, f) {
                let _ = write!(out, "<td>{}", escaped(&cell));
            }
            let timed = if f.timed.is_empty() { String::new() } else { format!(" Timed: {}.", f.timed) };
            let alone = f.extra("bits_per_hit_each_frame_alone");
            let alone =
                alone.map_or(String::new(), |b| format!(" Each frame a file of its own: {b:.3} bits a hit."));
            let _ = writeln!(out, "<td>{}.{}{}</tr>", escaped(&f.about), alone, escaped(&timed));
        }
        *out += "</tbody></table></div></details>\n";
    }
    *out += "</section>\n";
}

fn meaning(out: &mut String, about: &About) {
    let _ = writeln!(
        out,
        "<section><h2>What is measured</h2><dl>\
         <dt>bits/hit, ratio</dt><dd>all bits stored by the hits; 16 bits for every voxel by all bits stored. Ours are whole containers. Start states \
         and networks are parts of their programs and not counted.</dd>\
         <dt>MAE, MSE</dt><dd>of log2(ADC+1), mean over all voxels of a set, zeros included</dd>\
         <dt>precision, recall</dt><dd>share of the hits given back that were there; share of the hits that were given back</dd>\
         <dt>cluster</dt><dd>hits of one layer that touch along pads or drift; weights are ADC &minus; {} (the pedestal) where that is above 0; sets \
         with a charge under {} ADC are not looked at. After a loss the same voxels are looked at.</dd>\
         <dt>rphi um, drift um</dt><dd>shift of the centroid along the pads and along the drift that 68 % of the clusters stay within, and its root mean \
         square (large merged clusters rule it), in micrometres: pads of the outer layers are 1.65 to 2.1 mm wide, a time bin is 4.24 mm. A resolution is \
         some 150 and 500 um.</dd>\
         <dt>charge, total</dt><dd>mean change of a cluster's charge, as a part of it (clusters of little charge rule it); change of the charge of all \
         clusters together</dd>\
         <dt>ns/hit</dt><dd>{} time of one core, the best of up to five runs, of our codec 3 to 40; write and read; what it includes stands in the last column. That time is a \
         fixed part for each frame (us/frame) and one that grows with hits (beyond): the slope of a straight line through the times of the same frames \
         with one, two, three and four fourths of their pads, measured in turns.</dd></dl></section>",
        about.pedestal,
        clusters::LEAST_CHARGE,
        about.clock
    );
}
