//! One layer of one frame: as it was, as it came back, and the difference.

use super::sets::Set;
use crate::bench::svg::escaped;
use crate::picture::{Palette, image, shade};
use crate::ui::grouped;
use std::fmt::Write;

/// A layer of a frame by several methods.
pub struct Shown {
    set: String,
    frame: usize,
    layer: usize,
    pads: usize,
    bins: usize,
    /// As it was: pads x bins.
    was: Vec<u16>,
    /// Methods, and what came back.
    came: Vec<(String, Vec<u16>)>,
}

/// Differences of log2 that have the deepest colours.
const RANGE: f64 = 0.5;

impl Shown {
    /// The middle layer of a frame with the usual number of hits.
    pub fn of(set: &Set) -> Shown {
        let [pads, bins, layers] = set.frame;
        let (frame, layer) = (set.typical(), layers / 2);
        let was = cut(&set.adc, set, frame, layer);
        Shown { set: set.name.clone(), frame, layer, pads, bins, was, came: Vec::new() }
    }

    /// What a method gave back.
    pub fn take(&mut self, method: &str, adc: &[u16], set: &Set) {
        self.came.push((method.to_string(), cut(adc, set, self.frame, self.layer)));
    }

    /// Three pictures a method.
    pub fn html(&self) -> String {
        let mut out = String::new();
        for (method, came) in &self.came {
            let lost = self.was.iter().zip(came).filter(|(a, b)| **a > 0 && **b == 0).count();
            let made = self.was.iter().zip(came).filter(|(a, b)| **a == 0 && **b > 0).count();
            let hits = self.was.iter().filter(|a| **a > 0).count();
            let _ = write!(
                out,
                "<h3>{}, frame {}, layer {}: {} hits, {} lost, {} made up by {}</h3><div class=\"three\">",
                escaped(&self.set),
                self.frame,
                self.layer,
                grouped(hits as u64),
                grouped(lost as u64),
                grouped(made as u64),
                escaped(method)
            );
            let at = |x: usize, y: usize| y * self.bins + x;
            let heat = |cells: &[u16]| {
                image(self.bins, self.pads, Palette::Heat, |x, y| {
                    cells.get(at(x, y)).copied().map_or(0, shade)
                })
            };
            let change = image(self.bins, self.pads, Palette::Change, |x, y| {
                let value = |cells: &[u16]| cells.get(at(x, y)).copied().unwrap_or(0);
                difference(value(&self.was), value(came))
            });
            for (title, picture) in
                [("original", heat(&self.was)), ("restored", heat(came)), ("difference", change)]
            {
                let _ = write!(out, "<figure><figcaption>{title}</figcaption>{picture}</figure>");
            }
            out += "</div>\n";
        }
        if self.came.is_empty() { out } else { out + &legend() }
    }
}

fn cut(adc: &[u16], set: &Set, frame: usize, layer: usize) -> Vec<u16> {
    let volume = set.volume();
    let cells = adc.get(frame * volume..(frame + 1) * volume).unwrap_or(&[]);
    cells.iter().skip(layer).step_by(set.frame[2]).copied().collect()
}

/// Black where there is nothing before and after; grey for no change; blue for less, red for more.
fn difference(was: u16, is: u16) -> u8 {
    if was == 0 && is == 0 {
        return 0;
    }
    let d = super::quality::log2(is) - super::quality::log2(was);
    (128.0 + 127.0 * (d / RANGE).clamp(-1.0, 1.0)).round() as u8
}

fn legend() -> String {
    let bar = |palette, from: u8| image(256 - from as usize, 1, palette, |x, _| x as u8 + from);
    format!(
        "<div class=\"scales\"><span>ADC 63</span>{}<span>361</span><span></span><span>&minus;{RANGE} in log2(ADC+1) or lost</span>{}\
         <span>+{RANGE} or made up</span></div>\n<p>Pads (azimuth) down, drift time to the right; black: no hit.</p>\n",
        bar(Palette::Heat, 30),
        bar(Palette::Change, 1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_is_cut_out_and_differences_have_their_sign() {
        let adc: Vec<u16> = (0..2 * 3 * 4 * 2).map(|i| i as u16).collect();
        let set = Set::from_frames("a<b".into(), None, [3, 4, 2], adc.clone());
        assert_eq!(cut(&adc, &set, 1, 1), (0..12).map(|k| 24 + 2 * k + 1).collect::<Vec<u16>>());
        assert_eq!((difference(0, 0), difference(80, 80)), (0, 128));
        assert!(difference(80, 100) > 128 && difference(100, 80) < 128);
        assert_eq!((difference(80, 0), difference(0, 80)), (1, 255));
        let mut shown = Shown::of(&set);
        assert_eq!(shown.html(), "");
        shown.take("m", &vec![0; adc.len()], &set);
        let html = shown.html();
        assert_eq!(html.matches("<img").count(), 5);
        assert!(html.contains("a&lt;b") && html.contains("12 lost"), "{html}");
    }
}
