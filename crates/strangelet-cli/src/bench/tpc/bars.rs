//! What the sets say together: how flat bits a hit are over occupancy, how linear the cost is, how the network's throughput goes.

use super::record::{Family, Sheet};
use super::{BOUNDS, SHOWN};
use std::fmt::Write;

/// A sentence with what was wanted and whether it is so.
pub struct Verdict {
    /// What, with its numbers.
    pub text: String,
    /// Whether it is as wanted.
    pub met: bool,
}

/// Least, most and their ratio, with the occupancies of both ends.
struct Spread {
    least: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Spread> {
        let (least, most) = values.fold((f64::INFINITY, 0.0f64), |(a, b), v| (a.min(v), b.max(v)));
        (most > 0.0 && least.is_finite()).then_some(Spread { least, most })
    }

    fn factor(&self) -> f64 {
        self.most / self.least
    }
}

/// Bits a hit at a mean error for each hit, between two points of the measured curve (straight in the logarithms).
pub fn at_error(sheet: &Sheet, mae_hit: f64) -> Option<f64> {
    let mut curve: Vec<(f64, f64)> =
        sheet.family(Family::Bound).map(|f| (f.quality.mae_hit, sheet.bits_hit(f))).collect();
    curve.retain(|p| p.0 > 0.0);
    curve.sort_by(|a, b| a.0.total_cmp(&b.0));
    let pair = curve.windows(2).find(|w| (w[0].0..=w[1].0).contains(&mae_hit))?;
    let part = (mae_hit / pair[0].0).ln() / (pair[1].0 / pair[0].0).ln().max(1e-12);
    Some((pair[0].1.ln() * (1.0 - part) + pair[1].1.ln() * part).exp())
}

/// A mean error that all sets can be compared at.
pub const FIXED: f64 = 0.1;

/// Everything that simulated sets of several occupancies say.
pub fn verdicts(sheets: &[Sheet]) -> Vec<Verdict> {
    let mut sets: Vec<&Sheet> = sheets.iter().filter(|s| s.asked.is_some()).collect();
    sets.sort_by(|a, b| a.occupancy().total_cmp(&b.occupancy()));
    let (Some(low), Some(high)) = (sets.first(), sets.last()) else { return Vec::new() };
    if sets.len() < 2 {
        return Vec::new();
    }
    let mut out = Vec::new();
    flat(&sets, &mut out);
    linear(low, high, &mut out);
    network(&sets, &mut out);
    out
}

fn flat(sets: &[&Sheet], out: &mut Vec<Verdict>) {
    let all = |value: &dyn Fn(&Sheet) -> Option<f64>| -> Option<Spread> {
        let values: Option<Vec<f64>> = sets.iter().map(|s| value(s)).collect();
        Spread::of(values?.into_iter())
    };
    let mut say = |what: String, spread: Option<Spread>| {
        if let Some(s) = spread {
            let text = format!(
                "Bits a hit over occupancy, {what}: {:.3} to {:.3}, a factor {:.2} (at most 1.5 wanted)",
                s.least,
                s.most,
                s.factor()
            );
            out.push(Verdict { text, met: s.factor() <= 1.5 });
        }
    };
    say(format!("mean error of {FIXED} a hit"), all(&|s| at_error(s, FIXED)));
    for bound in BOUNDS {
        let name = format!("reduce log2:{bound}");
        say(format!("each hit within {bound}"), all(&|s| s.of(&name).map(|f| s.bits_hit(f))));
    }
    let alone = |s: &Sheet, name: &str| {
        let f = s.of(name)?;
        f.extra("bits_per_hit_each_frame_alone").or(Some(s.bits_hit(f)))
    };
    let name = format!("reduce log2:{SHOWN}");
    say(format!("each hit within {SHOWN}, each frame a file of its own"), all(&|s| alone(s, &name)));
    for level in ["max", "balanced", "fast"] {
        say(format!("lossless at {level}"), all(&|s| s.of(level).map(|f| s.bits_hit(f))));
    }
}

fn linear(low: &Sheet, high: &Sheet, out: &mut Vec<Verdict>) {
    for (level, most) in [("max", 500.0), ("fast", 60.0)] {
        let slope = |s: &Sheet| s.of(level).and_then(|f| s.slope_ns(f));
        let mut text = format!("ns a hit at {level}, beyond the fixed cost of frames");
        let (Some(a), Some(b)) = (slope(low), slope(high)) else {
            let timed = |s: &Sheet| s.of(level).is_some_and(|f| f.times.is_some());
            if timed(low) && timed(high) {
                text += ": parts of these frames have too few hits to tell";
                out.push(Verdict { text, met: false });
            }
            continue;
        };
        let mut met = true;
        for (what, way) in [("writing", 0), ("reading", 1)] {
            let (Some(a), Some(b)) = (a[way], b[way]) else {
                let _ = write!(text, "; {what} does not grow with hits at one of the ends");
                met = false;
                continue;
            };
            let factor = a.max(b) / a.min(b);
            let _ = write!(
                text,
                "; {what} {a:.0} at occupancy {:.4}, {b:.0} at {:.4}, a factor {factor:.2}",
                low.occupancy(),
                high.occupancy()
            );
            met &= factor <= 1.6 && a.max(b) <= most;
        }
        let _ = write!(text, " (at most {most:.0}, and a factor 1.6, wanted)");
        out.push(Verdict { text, met });
    }
    for s in [low, high] {
        if let (Some(fast), Some(max)) = (s.of("fast"), s.of("max")) {
            let factor = fast.bits / max.bits;
            let text = format!(
                "fast has {factor:.3} x the bytes of max at occupancy {:.4} (1.25 wanted)",
                s.occupancy()
            );
            out.push(Verdict { text, met: factor <= 1.25 });
        }
    }
}

fn network(sets: &[&Sheet], out: &mut Vec<Verdict>) {
    let value = |s: &&Sheet, name: &str| s.family(Family::Network).next().and_then(|f| f.extra(name));
    let all = |name: &str| -> Option<Vec<f64>> { sets.iter().map(|s| value(s, name)).collect() };
    if let Some(s) = all("encoder_mac_per_hit").and_then(|v| Spread::of(v.into_iter())) {
        let text = format!(
            "Multiplications of the BCAE-VS encoder, counted: {:.0} to {:.0} a hit (at most 400 wanted)",
            s.least, s.most
        );
        out.push(Verdict { text, met: s.most <= 400.0 });
    }
    if let Some(v) = all("encoder_frames_per_s") {
        let met = v.windows(2).all(|w| w[0] > w[1]);
        let text = format!(
            "Its frames a second on one core: {:.0} at the lowest occupancy, {:.0} at the highest, {} (rising as occupancy falls wanted)",
            v[0],
            v[v.len() - 1],
            if met { "falling all the way between" } else { "not in order between" }
        );
        out.push(Verdict { text, met });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::tpc::record::{Figure, Times};
    use crate::bench::tpc::sets::Set;

    fn sheet(asked: f64, hits: usize, bits_hit: f64, ns: f64) -> Sheet {
        let adc: Vec<u16> = (0..1000).map(|i| if i < hits { 80 } else { 0 }).collect();
        let set = Set::from_frames("s".into(), Some(asked), [10, 10, 10], adc);
        let mut sheet = Sheet::new(&set, None, 1);
        for level in ["max", "fast"] {
            let mut f = Figure::exact(level, Family::Lossless, bits_hit * hits as f64);
            let seconds = 1e-3 + ns * 1e-9 * hits as f64;
            f.times = Some(Times { encode_s: seconds, decode_s: seconds, fixed_s: Some([1e-3; 2]) });
            sheet.figures.push(f);
        }
        for (bound, mae_hit, bits) in [(1.0, 0.4, 1.0), (0.25, 0.1, 2.0)] {
            let mut f = Figure::exact(format!("reduce log2:{bound}"), Family::Bound, bits * hits as f64);
            f.quality.mae_hit = mae_hit;
            sheet.figures.push(f);
        }
        sheet
    }

    #[test]
    fn what_is_not_met_is_said() {
        let sheets = [sheet(0.25, 250, 3.0, 40.0), sheet(0.01, 10, 4.0, 45.0)];
        let v = verdicts(&sheets);
        let of = |word: &str| v.iter().find(|v| v.text.contains(word)).unwrap_or_else(|| panic!("{word}"));
        assert!(of("lossless at max").met && of("lossless at max").text.contains("a factor 1.33"));
        assert!(of("ns a hit at fast").met);
        let sheets = [sheet(0.25, 250, 3.0, 40.0), sheet(0.01, 10, 4.6, 90.0)];
        let v = verdicts(&sheets);
        let met = |word: &str| v.iter().find(|v| v.text.contains(word)).is_some_and(|v| v.met);
        assert!(!met("lossless at max") && !met("ns a hit at fast") && !met("ns a hit at max"));
        assert!(verdicts(&sheets[..1]).is_empty());
    }

    #[test]
    fn curves_are_read_between_their_points() {
        let s = sheet(0.25, 250, 3.0, 40.0);
        assert!((at_error(&s, 0.1).unwrap() - 2.0).abs() < 1e-9);
        // Half way in the logarithms: the geometric mean.
        assert!((at_error(&s, 0.2).unwrap() - 2f64.sqrt()).abs() < 1e-9);
        assert!(at_error(&s, 0.05).is_none());
    }
}
