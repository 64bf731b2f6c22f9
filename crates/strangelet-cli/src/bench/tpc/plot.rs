//! Lines and dots in a plane with one or two logarithmic axes, as SVG.

use crate::bench::svg::escaped;
use std::fmt::Write;

/// An axis.
pub struct Axis<'a> {
    /// What is on it, with its unit.
    pub label: &'a str,
    /// Whether its scale is one of factors.
    pub log: bool,
    /// Where it ends, if that is not left to the points.
    pub range: Option<(f64, f64)>,
}

impl<'a> Axis<'a> {
    /// Factors.
    pub fn log(label: &'a str) -> Self {
        Axis { label, log: true, range: None }
    }

    /// Differences.
    pub fn linear(label: &'a str, range: Option<(f64, f64)>) -> Self {
        Axis { label, log: false, range }
    }

    /// Its ends, and where it has ticks.
    fn scale(&self, values: impl Iterator<Item = f64>) -> Option<Scale> {
        let (low, high) = values
            .filter(|v| v.is_finite() && (!self.log || *v > 0.0))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        if low > high {
            return None;
        }
        let (mut low, mut high) = self.range.unwrap_or((low, high));
        if self.log {
            (low, high) = (low / 1.15, high * 1.15);
            let span = (high / low).log10();
            let steps: &[f64] = if span < 2.6 { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let decades = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
            let ticks = decades.flat_map(|d| steps.iter().map(move |s| s * 10f64.powi(d)));
            let ticks = ticks.filter(|t| (low..=high).contains(t)).collect();
            return Some(Scale { log: true, low, high, ticks });
        }
        if high - low < 1e-9 {
            (low, high) = (low - 0.5, high + 0.5);
        }
        let step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];
        let step = step.into_iter().find(|s| (high - low) / s <= 7.0).unwrap_or(high - low);
        if self.range.is_none() {
            (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
        }
        let first = (low / step).ceil() as i64;
        let ticks = (first..).map(|k| k as f64 * step).take_while(|t| *t <= high + step * 1e-6).collect();
        Some(Scale { log: false, low, high, ticks })
    }
}

struct Scale {
    log: bool,
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Scale {
    /// 0 at the lower end, 1 at the upper one.
    fn share(&self, v: f64) -> f64 {
        let share = if self.log {
            (v.max(1e-300) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (v - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }
}

/// A point, and what the pointer shows there.
pub type Point = (f64, f64, String);

/// A line or a few dots.
pub struct Series {
    /// What stands in the legend.
    pub name: String,
    /// Number of its colour.
    pub colour: usize,
    /// Whether the dots are joined.
    pub line: bool,
    /// Whether the line is dashed.
    pub dashed: bool,
    /// Its points.
    pub points: Vec<Point>,
}

/// A number that stands for a level all along the plane.
pub struct Mark {
    /// What stands beside it.
    pub name: String,
    /// Number of its colour.
    pub colour: usize,
    /// Where.
    pub y: f64,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 206.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 48.0;

/// The picture; nothing where there is nothing to show.
pub fn plot(x: &Axis, y: &Axis, series: &[Series], marks: &[Mark]) -> String {
    let points = || series.iter().flat_map(|s| &s.points);
    let xs = x.scale(points().map(|p| p.0));
    let ys = y.scale(points().map(|p| p.1).chain(marks.iter().map(|m| m.y)));
    let (Some(xs), Some(ys)) = (xs, ys) else { return String::new() };
    let px = |v: f64| LEFT + (WIDTH - LEFT - RIGHT) * xs.share(v);
    let py = |v: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * ys.share(v);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    for &t in &xs.ticks {
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{:.0}\"/><text class=\"soft\" x=\"{x:.1}\" y=\"{:.0}\" \
             text-anchor=\"middle\">{}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 18.0,
            tick(t),
            x = px(t)
        );
    }
    for &t in &ys.ticks {
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"soft\" x=\"{:.0}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 7.0,
            py(t) + 4.0,
            tick(t),
            y = py(t)
        );
    }
    let middle = (HEIGHT - BOTTOM + TOP) / 2.0;
    let _ = write!(
        svg,
        "<text class=\"soft\" x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text><text class=\"soft\" x=\"14\" y=\"{middle:.0}\" \
         text-anchor=\"middle\" transform=\"rotate(-90 14 {middle:.0})\">{}</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 8.0,
        escaped(x.label),
        escaped(y.label)
    );
    for m in marks {
        let _ = write!(
            svg,
            "<g><title>{name}: {:.3}</title><line class=\"k{}\" stroke-dasharray=\"2 4\" x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/></g>",
            m.y,
            m.colour,
            WIDTH - RIGHT,
            y = py(m.y),
            name = escaped(&m.name)
        );
    }
    for s in series {
        drawn(&mut svg, s, &|p: &Point| (px(p.0), py(p.1)));
    }
    svg += &legend(series, marks);
    svg + "</svg>"
}

fn drawn(svg: &mut String, s: &Series, place: &dyn Fn(&Point) -> (f64, f64)) {
    if s.line && s.points.len() > 1 {
        let path: String = s.points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1} ")).collect();
        let dash = if s.dashed { " stroke-dasharray=\"6 4\"" } else { "" };
        let _ = write!(svg, "<polyline class=\"k{}\"{dash} points=\"{path}\"/>", s.colour);
    }
    for p in &s.points {
        let (x, y) = place(p);
        let _ = write!(
            svg,
            "<g><title>{}: {}</title><circle class=\"f{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/></g>",
            escaped(&s.name),
            escaped(&p.2),
            s.colour
        );
    }
}

/// Names to the right, in the order of their last points: what is above is named above.
fn legend(series: &[Series], marks: &[Mark]) -> String {
    let mut names: Vec<(f64, &str, usize, bool)> = Vec::new();
    for s in series.iter().filter(|s| !s.points.is_empty()) {
        names.push((s.points.last().map_or(0.0, |p| p.1), &s.name, s.colour, true));
    }
    names.extend(marks.iter().map(|m| (m.y, m.name.as_str(), m.colour, false)));
    names.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut out = String::new();
    for (n, (_, name, colour, dot)) in names.into_iter().enumerate() {
        let (x, y) = (WIDTH - RIGHT + 16.0, TOP + 10.0 + n as f64 * 21.0);
        let symbol = if dot {
            format!("<circle class=\"f{colour}\" cx=\"{:.0}\" cy=\"{y:.0}\" r=\"5\"/>", x + 8.0)
        } else {
            format!(
                "<line class=\"k{colour}\" stroke-dasharray=\"2 4\" x1=\"{x:.0}\" x2=\"{:.0}\" y1=\"{y:.0}\" y2=\"{y:.0}\"/>",
                x + 16.0
            )
        };
        let _ =
            write!(out, "{symbol}<text x=\"{:.0}\" y=\"{:.0}\">{}</text>", x + 22.0, y + 4.0, escaped(name));
    }
    out
}

fn tick(v: f64) -> String {
    if v != 0.0 && !(1e-3..1e5).contains(&v.abs()) {
        return format!("{v:.0e}");
    }
    let text = format!("{v:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[(f64, f64)]) -> Series {
        let points = points.iter().map(|p| (p.0, p.1, "t".to_string())).collect();
        Series { name: "a<b".into(), colour: 1, line: true, dashed: false, points }
    }

    #[test]
    fn points_lie_within_and_nothing_is_no_picture() {
        let (x, y) = (Axis::log("x"), Axis::log("y"));
        assert_eq!(plot(&x, &y, &[], &[]), "");
        assert_eq!(plot(&x, &y, &[line(&[(0.0, -1.0)])], &[]), "");
        let svg = plot(&x, &y, &[line(&[(0.001, 2.0), (0.25, 40.0)])], &[]);
        assert!(!svg.contains("NaN") && !svg.contains("inf") && svg.contains("a&lt;b"));
        assert_eq!(svg.matches("<circle").count(), 3);
        for c in svg.split("cx=\"").skip(1) {
            let cx: f64 = c.split('"').next().unwrap().parse().unwrap();
            assert!((LEFT..=WIDTH).contains(&cx), "{cx}");
        }
        let svg = plot(&x, &Axis::linear("y", Some((0.7, 1.0))), &[line(&[(0.1, 1.0)])], &[]);
        assert!(svg.contains(">0.7<") && svg.contains(">1<"), "{svg}");
    }

    #[test]
    fn ticks_read_well() {
        assert_eq!([0.001, 0.05, 1.0, 2000.0, 0.25].map(tick), ["0.001", "0.05", "1", "2000", "0.25"]);
        assert_eq!(tick(1e-4), "1e-4");
    }
}
