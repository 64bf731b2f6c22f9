//! Two kinds of picture as SVG: bars, and dots in a plane.

use crate::ui::grouped;
use std::fmt::Write;

/// Text that is safe within HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Horizontal bars: name, bytes, ratio, whether it is ours.
pub fn bars(rows: &[(String, u64, f64, bool)]) -> String {
    const ROW: usize = 24;
    let (width, left, right) = (560.0, 172.0, 134.0);
    let most = rows.iter().map(|r| r.1).max().unwrap_or(1).max(1) as f64;
    let mut svg = format!("<svg viewBox=\"0 0 {width} {}\" role=\"img\">", rows.len() * ROW);
    for (i, (name, bytes, ratio, ours)) in rows.iter().enumerate() {
        let (y, class) = (i * ROW, if *ours { "ours" } else { "rival" });
        let length = (width - left - right) * *bytes as f64 / most;
        let strong = if *ours { " strong" } else { "" };
        let _ = write!(
            svg,
            "<g><title>{name}: {} bytes, ratio {ratio:.3}</title><text x=\"{:.0}\" y=\"{}\" text-anchor=\"end\" \
             class=\"{strong}\">{name}</text><rect class=\"{class}\" x=\"{left:.0}\" y=\"{}\" width=\"{length:.1}\" \
             height=\"16\" rx=\"3\"/><text class=\"soft{strong}\" x=\"{:.1}\" y=\"{}\">{ratio:.2}×  {}</text></g>",
            grouped(*bytes),
            left - 8.0,
            y + 17,
            y + 4,
            left + length + 6.0,
            y + 17,
            short(*bytes),
            name = escaped(name)
        );
    }
    svg + "</svg>"
}

/// `1.23 MB`.
fn short(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// A named place in a plane.
pub struct Dot {
    pub name: String,
    /// Speed, drawn on a scale of tens.
    pub x: f64,
    /// Ratio.
    pub y: f64,
    pub ours: bool,
}

/// A box that a label takes.
#[derive(Clone, Copy)]
struct Label {
    x: f64,
    y: f64,
    width: f64,
}

impl Label {
    fn meets(&self, other: &Label) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + 13.0
            && other.y < self.y + 13.0
    }
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

/// Ratio against speed, every dot with its name.
pub fn scatter(dots: &[Dot]) -> String {
    let dots: Vec<&Dot> = dots.iter().filter(|d| d.x > 0.0 && d.y > 0.0).collect();
    let low = dots.iter().map(|d| d.x).fold(f64::INFINITY, f64::min).log10().floor();
    let high = dots.iter().map(|d| d.x).fold(0.0, f64::max).log10().ceil().max(low + 1.0);
    let (least, most) = dots.iter().fold((f64::INFINITY, 0f64), |m, d| (m.0.min(d.y), m.1.max(d.y)));
    let step = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
    let step = step.into_iter().find(|s| (most - least).max(0.2) / s <= 6.0).unwrap_or(100.0);
    let (bottom, top) = ((least / step - 0.5).floor().max(0.0) * step, (most / step + 0.5).ceil() * step);
    if dots.is_empty() {
        return String::new();
    }
    let px = |x: f64| LEFT + (WIDTH - LEFT - RIGHT) * (x.log10() - low) / (high - low);
    let py = |y: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - bottom) / (top - bottom);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    for decade in low as i32..=high as i32 {
        let x = px(10f64.powi(decade));
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{:.0}\"/>\
             <text class=\"soft\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 17.0,
            10f64.powi(decade)
        );
    }
    for i in 0..=((top - bottom) / step).round() as usize {
        let value = bottom + i as f64 * step;
        let y = py(value);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"soft\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{value:.*}</text>",
            WIDTH - RIGHT,
            LEFT - 7.0,
            y + 4.0,
            if step < 0.1 { 2 } else { usize::from(step < 1.0) }
        );
    }
    let _ = write!(
        svg,
        "<text class=\"soft\" x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">MB/s</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 5.0
    );
    // Ours last, so that they lie on top; but their labels have the first choice of place.
    let mut order: Vec<&&Dot> = dots.iter().collect();
    order.sort_by(|a, b| b.ours.cmp(&a.ours).then(b.y.total_cmp(&a.y)));
    let mut taken: Vec<Label> =
        dots.iter().map(|d| Label { x: px(d.x) - 5.0, y: py(d.y) - 6.0, width: 10.0 }).collect();
    let mut drawn = Vec::new();
    for dot in order {
        let label = place(px(dot.x), py(dot.y), dot.name.chars().count() as f64 * 6.6, &taken);
        let (class, strong, r) = if dot.ours { ("ours", " strong", 7) } else { ("rival", "", 5) };
        let mut one = format!(
            "<g><title>{name}: ratio {:.3}, {:.1} MB/s</title><circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{r}\"/>",
            dot.y,
            dot.x,
            px(dot.x),
            py(dot.y),
            name = escaped(&dot.name)
        );
        if let Some(label) = label {
            taken.push(label);
            let _ = write!(
                one,
                "<text class=\"{strong}\" style=\"font-size:11px\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                label.x,
                label.y + 10.0,
                escaped(&dot.name)
            );
        }
        drawn.push(one + "</g>");
    }
    drawn.reverse();
    svg + &drawn.concat() + "</svg>"
}

/// Where a label fits beside its dot without covering another; nowhere is an answer too (the name
/// still shows under the pointer).
fn place(x: f64, y: f64, width: f64, taken: &[Label]) -> Option<Label> {
    let around = [
        (9.0, -6.0),
        (-9.0 - width, -6.0),
        (-width / 2.0, -22.0),
        (-width / 2.0, 9.0),
        (9.0, -20.0),
        (9.0, 8.0),
        (-9.0 - width, -20.0),
        (-9.0 - width, 8.0),
        (9.0, -33.0),
        (9.0, 21.0),
    ];
    around.into_iter().map(|(dx, dy)| Label { x: x + dx, y: y + dy, width }).find(|l| {
        let inside = l.x > LEFT && l.x + l.width < WIDTH && l.y > 0.0 && l.y < HEIGHT - BOTTOM - 8.0;
        inside && !taken.iter().any(|t| t.meets(l))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_nothing_is_no_picture() {
        let svg = bars(&[("<b>".into(), 12, 2.0, true)]);
        assert!(svg.contains("&lt;b&gt;") && !svg.contains("<b>"));
        assert_eq!(scatter(&[]), "");
        let dot = |x, y| Dot { name: "a".into(), x, y, ours: false };
        let svg = scatter(&[dot(1.0, 2.0), dot(1000.0, 1.5), dot(0.0, 1.0)]);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
