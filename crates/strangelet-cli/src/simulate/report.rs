//! The comparison of simulated wedges with a real one: a table for the terminal, a page to look at.

use super::npy;
use crate::bench::svg::escaped;
use crate::picture::{Palette, image, shade};
use crate::ui::{self, Aligned};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use strangelet::error::Result;
use strangelet_sim::statistics::{self, Array, FREE, Number, SPECTRUM};

const STYLE: &str = include_str!("../bench/page.css");

/// One number of the comparison.
struct Row {
    real: Number,
    simulated: Number,
    /// How many of a hundred simulated wedges have less.
    percentile: f64,
}

/// A real wedge beside simulated ones.
pub struct Comparison {
    name: String,
    real: Array,
    shown: Array,
    shown_name: String,
    wedges: usize,
    used: usize,
    occupancies: Vec<f64>,
    rows: Vec<Row>,
}

/// A simulated wedge is compared where its occupancy is within this factor of the real one's: shares of overlapping
/// pulses follow the occupancy.
const NEAR: f64 = 1.6;

impl Comparison {
    /// Reads and counts.
    pub fn new(real: &Array, name: &Path, paths: &[PathBuf]) -> Result<Self> {
        let occupancy =
            |a: &Array| a.adc.iter().filter(|v| **v > 0).count() as f64 / a.adc.len().max(1) as f64;
        let own = occupancy(real);
        let (mut each, mut occupancies) = (Vec::new(), Vec::new());
        let mut shown: Option<(f64, Array, String)> = None;
        for path in paths {
            let a = npy::read_wedge(path)?;
            if (a.pads, a.layers, a.bins) != (real.pads, real.layers, real.bins) {
                let e = strangelet::error::usage("its shape is not that of the real wedge");
                return Err(e.within(path.display()));
            }
            let o = occupancy(&a);
            occupancies.push(o);
            if (o / own).max(own / o.max(1e-9)) > NEAR {
                continue;
            }
            each.push(statistics::numbers(&a));
            if shown.as_ref().is_none_or(|s| (o - own).abs() < s.0) {
                shown =
                    Some(((o - own).abs(), a, path.file_name().unwrap_or_default().to_string_lossy().into()));
            }
        }
        let Some((_, shown, shown_name)) = shown else {
            return Err(strangelet::error::usage(format!(
                "no simulated wedge has an occupancy within a factor {NEAR} of {own:.3}, that of the real one"
            )));
        };
        let mut total = Vec::new();
        each.iter().for_each(|numbers| statistics::add(&mut total, numbers));
        let rows =
            statistics::numbers(real).into_iter().zip(total).enumerate().map(|(k, (real, simulated))| {
                let values: Vec<f64> = each.iter().filter_map(|n| n.get(k)).map(Number::value).collect();
                let below = values.iter().filter(|v| **v < real.value()).count() as f64;
                let equal = values.iter().filter(|v| **v == real.value()).count() as f64;
                let percentile = 100.0 * (below + 0.5 * equal) / values.len().max(1) as f64;
                Row { real, simulated, percentile }
            });
        Ok(Comparison {
            name: name.file_name().unwrap_or_default().to_string_lossy().into(),
            real: real.clone(),
            shown,
            shown_name,
            wedges: paths.len(),
            used: each.len(),
            occupancies,
            rows: rows.collect(),
        })
    }

    /// What is compared with what.
    fn headline(&self) -> String {
        let (low, high) =
            self.occupancies.iter().fold((f64::INFINITY, 0.0f64), |(a, b), &o| (a.min(o), b.max(o)));
        let mean = self.occupancies.iter().sum::<f64>() / self.wedges.max(1) as f64;
        let share =
            self.real.adc.iter().filter(|v| **v > 0).count() as f64 / self.real.adc.len().max(1) as f64;
        format!(
            "{} (occupancy {share:.4}) beside {} of {} simulated wedges (occupancy {mean:.4}, {low:.4} to {high:.4}; \
             compared within a factor {NEAR})",
            self.name, self.used, self.wedges
        )
    }

    /// The table.
    pub fn table(&self, colour: bool) -> String {
        let mut out = format!("{}\n", ui::plain(&self.headline()));
        let mut group = "";
        let mut t = Aligned::new(&["", ">real", ">simulated", ">ratio", ">percentile"]);
        for row in &self.rows {
            if row.real.group != group {
                group = row.real.group;
                t.row(vec![group.into()]);
            }
            t.row(vec![
                format!("  {}", row.real.label),
                number(row.real.value()),
                number(row.simulated.value()),
                ratio(row),
                format!("{:.0}", row.percentile),
            ]);
        }
        out += &t.text("  ", colour);
        let _ = writeln!(out, "{}", self.verdict());
        out
    }

    /// How many bins of the spectrum agree.
    fn verdict(&self) -> String {
        let spectrum = || self.rows.iter().filter(|r| r.real.group == SPECTRUM && r.real.sum >= 100.0);
        let worst = |r: &Row| (r.simulated.value() / r.real.value().max(1e-12)).ln().abs();
        let within = spectrum().filter(|r| worst(r) <= 0.15f64.ln_1p()).count();
        let compared: Vec<&Row> = self.rows.iter().filter(|r| !FREE.contains(&r.real.group)).collect();
        let inside = compared.iter().filter(|r| r.percentile > 1.0 && r.percentile < 99.0).count();
        format!(
            "{within} of {} bins of the spectrum with 100 hits or more within 15 %; of {} numbers {inside} lie within \
             the spread of the simulated wedges",
            spectrum().count(),
            compared.len()
        )
    }

    /// The page.
    pub fn page(&self) -> String {
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>strangelet simulate compare</title>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style>{STYLE}\n{EXTRA}</style></head>\n\
             <body><main>\n<header><h1>Simulated and real wedges</h1><p>{}</p></header>\n",
            escaped(&self.headline())
        );
        let _ = write!(out, "<p>{}</p>\n<div class=\"files\">", escaped(&self.verdict()));
        let mut at = 0;
        while at < self.rows.len() {
            let group = self.rows[at].real.group;
            let end = at + self.rows[at..].iter().take_while(|r| r.real.group == group).count();
            let _ = write!(
                out,
                "<figure><figcaption>{}</figcaption>{}</figure>",
                escaped(group),
                plot(&self.rows[at..end], group == SPECTRUM)
            );
            at = end;
        }
        out += "</div>\n<h2>Pictures</h2><p>log2(ADC+1) of one layer, azimuth down, drift to the right; and of one drift bin, layer down.</p><div class=\"files\">";
        let both = [(&self.name, &self.real), (&self.shown_name, &self.shown)];
        for layer in [0, self.real.layers / 2, self.real.layers.saturating_sub(1)] {
            for (name, a) in both {
                let _ = write!(
                    out,
                    "<figure><figcaption>{} <small>layer {layer}</small></figcaption>{}</figure>",
                    escaped(name),
                    picture(a, a.bins, a.pads, |x, y| (layer, y, x))
                );
            }
        }
        for bin in [self.real.bins / 3, 2 * self.real.bins / 3] {
            for (name, a) in both {
                let _ = write!(
                    out,
                    "<figure><figcaption>{} <small>bin {bin}</small></figcaption>{}</figure>",
                    escaped(name),
                    picture(a, a.pads, 8 * a.layers, |x, y| (y / 8, x, bin))
                );
            }
        }
        out += "</div>\n<h2>All numbers</h2><div class=\"wide\"><table><tr><th></th><th>real</th><th>simulated</th><th>ratio</th><th>percentile</th><th></th></tr>";
        for row in &self.rows {
            let _ = write!(
                out,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.0}</td><td>{}</td></tr>",
                escaped(&row.real.label),
                number(row.real.value()),
                number(row.simulated.value()),
                ratio(row),
                row.percentile,
                escaped(row.real.group)
            );
        }
        out + "</table></div></main></body></html>\n"
    }
}

const EXTRA: &str = "img { width:100%; image-rendering:pixelated; background:#000 } svg .line { fill:none; stroke:var(--rival); stroke-width:2 } svg .axis { stroke:var(--line) }";

fn number(x: f64) -> String {
    match x.abs() {
        0.0 => "0".into(),
        a if a < 0.0995 => format!("{x:.5}"),
        a if a < 10.0 => format!("{x:.4}"),
        _ => format!("{x:.2}"),
    }
}

fn ratio(row: &Row) -> String {
    if row.real.sum == 0.0 { "-".into() } else { format!("{:.2}", row.simulated.value() / row.real.value()) }
}

/// Real values as dots with their counting errors, simulated ones as a line.
fn plot(rows: &[Row], logarithmic: bool) -> String {
    const W: f64 = 520.0;
    const H: f64 = 230.0;
    let (left, bottom, top) = (56.0, 34.0, 10.0);
    let values = || rows.iter().flat_map(|r| [r.real.value(), r.simulated.value()]);
    let most = values().fold(1e-9, f64::max) * 1.1;
    let least = if logarithmic {
        values().filter(|v| *v > 0.0).fold(most, f64::min).max(most * 1e-5) * 0.8
    } else {
        0.0
    };
    let y = |v: f64| {
        let share = if logarithmic { (v.max(least) / least).ln() / (most / least).ln() } else { v / most };
        H - bottom - share.clamp(0.0, 1.0) * (H - bottom - top)
    };
    let step = (W - left - 12.0) / rows.len().max(1) as f64;
    let x = |k: usize| left + step * (k as f64 + 0.5);
    let mut svg = format!("<svg viewBox=\"0 0 {W} {H}\" role=\"img\">");
    for tick in 0..=4 {
        let share = tick as f64 / 4.0;
        let v = if logarithmic { least * (most / least).powf(share) } else { most * share };
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{left}\" x2=\"{W}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" style=\"font-size:11px\">{}</text>",
            left - 6.0,
            y(v) + 4.0,
            short(v),
            y = y(v)
        );
    }
    let points: String =
        rows.iter().enumerate().map(|(k, r)| format!("{:.1},{:.1} ", x(k), y(r.simulated.value()))).collect();
    let _ = write!(svg, "<polyline class=\"line\" points=\"{points}\"/>");
    let every = rows.len().div_ceil(13);
    for (k, r) in rows.iter().enumerate() {
        let (v, e) = (r.real.value(), r.real.error());
        let _ = write!(
            svg,
            "<g><title>{}: real {}, simulated {}</title><line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"var(--ours)\"/><circle class=\"ours\" cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3\"/></g>",
            escaped(&r.real.label),
            number(v),
            number(r.simulated.value()),
            y(v - e),
            y(v + e),
            y(v),
            x = x(k)
        );
        if k % every == 0 {
            let label: String = r.real.label.chars().take(10).collect();
            let _ = write!(
                svg,
                "<text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" style=\"font-size:11px\">{}</text>",
                x(k),
                H - 14.0,
                escaped(&label)
            );
        }
    }
    let _ = write!(
        svg,
        "<text class=\"soft\" x=\"{W}\" y=\"{}\" text-anchor=\"end\" style=\"font-size:11px\">dots: real, line: simulated</text>",
        H - 1.0
    );
    svg + "</svg>"
}

fn short(v: f64) -> String {
    if v == 0.0 {
        "0".into()
    } else if v < 0.001 {
        format!("{v:.0e}")
    } else if v < 1.0 {
        format!("{v:.3}")
    } else {
        format!("{v:.1}")
    }
}

/// A picture of `width` x `height` points, each the voxel (layer, pad, bin) that `of(x, y)` names.
fn picture(
    a: &Array,
    width: usize,
    height: usize,
    of: impl Fn(usize, usize) -> (usize, usize, usize),
) -> String {
    let shade = |x: usize, y: usize| {
        let (layer, pad, bin) = of(x, y);
        shade(a.adc.get((pad * a.bins + bin) * a.layers + layer).copied().unwrap_or(0))
    };
    image(width, height, Palette::Heat, shade)
}
