//! The figures for a terminal.

use super::bars::Verdict;
use super::record::{Figure, Sheet};
use crate::ui::{self, Aligned, grouped};

/// A number with about four digits.
pub fn short(x: f64) -> String {
    match x.abs() {
        0.0 => "0".into(),
        a if a < 0.01 => format!("{x:.5}"),
        a if a < 1.0 => format!("{x:.4}"),
        a if a < 10.0 => format!("{x:.3}"),
        a if a < 100.0 => format!("{x:.1}"),
        _ => format!("{x:.0}"),
    }
}

/// Headings of the columns; those of numbers begin with `>`.
pub const HEADINGS: [&str; 19] = [
    "method",
    ">bits/hit",
    ">ratio",
    ">MAE",
    ">MSE",
    ">precision",
    ">recall",
    ">rphi um",
    ">rms",
    ">drift um",
    ">rms",
    ">charge",
    ">total",
    ">ns/hit write",
    ">read",
    ">beyond: write",
    ">read",
    ">us/frame write",
    ">read",
];

/// The cells of a row under [`HEADINGS`].
pub fn cells(sheet: &Sheet, f: &Figure) -> Vec<String> {
    let q = &f.quality;
    let lossy = f.shifts.as_ref();
    let um = |value: f64| if sheet.group.is_some() { short(value) } else { "-".into() };
    let per_hit = |seconds: f64| format!("{:.0}", sheet.ns_hit(seconds));
    let beyond = |ns: Option<f64>| ns.map_or("none".into(), |ns| format!("{ns:.0}"));
    let slope = sheet.slope_ns(f);
    let fixed = sheet.fixed_us(f);
    vec![
        f.method.clone(),
        format!("{:.3}", sheet.bits_hit(f)),
        format!("{:.1}", sheet.ratio(f)),
        short(q.mae),
        short(q.mse),
        format!("{:.4}", q.precision),
        format!("{:.4}", q.recall),
        lossy.map_or("0".into(), |s| um(s.within_um(0.68).0)),
        lossy.map_or("0".into(), |s| um(s.rms_um().0)),
        lossy.map_or("0".into(), |s| um(s.within_um(0.68).1)),
        lossy.map_or("0".into(), |s| um(s.rms_um().1)),
        lossy.map_or("0".into(), |s| format!("{:+.3}", s.charge_bias())),
        lossy.map_or("0".into(), |s| format!("{:+.3}", s.total_bias())),
        f.times.map_or("-".into(), |t| per_hit(t.encode_s)),
        f.times.map_or("-".into(), |t| per_hit(t.decode_s)),
        slope.map_or(String::new(), |s| beyond(s[0])),
        slope.map_or(String::new(), |s| beyond(s[1])),
        fixed.map_or(String::new(), |t| format!("{:.0}", t[0])),
        fixed.map_or(String::new(), |t| format!("{:.0}", t[1])),
    ]
}

/// What a set is, in a line.
pub fn headline(sheet: &Sheet) -> String {
    let frame = sheet.frame.map(|n| n.to_string()).join(" x ");
    format!(
        "{}{}: {} frame{} of {frame}, {} hits, occupancy {:.4}, {} clusters",
        ui::plain(&sheet.name),
        if sheet.asked.is_some() { " (generated)" } else { "" },
        sheet.frames,
        if sheet.frames == 1 { "" } else { "s" },
        grouped(sheet.hits as u64),
        sheet.occupancy(),
        grouped(sheet.clusters as u64)
    )
}

/// All of it.
pub fn text(sheets: &[Sheet], verdicts: &[Verdict], colour: bool) -> String {
    let mut out = String::new();
    for sheet in sheets {
        out += &format!("{}\n", ui::paint(colour, "1", headline(sheet)));
        let mut t = Aligned::new(&HEADINGS);
        sheet.figures.iter().for_each(|f| t.row(cells(sheet, f)));
        out += &t.text("  ", colour);
        for f in &sheet.figures {
            if let Some(alone) = f.extra("bits_per_hit_each_frame_alone") {
                out += &format!("  {}, each frame a file of its own: {alone:.3} bits/hit\n", f.method);
            }
        }
        if let Some(f) = sheet.figures.iter().find(|f| f.extra("encoder_mac_per_hit").is_some()) {
            let value = |name: &str| f.extra(name).unwrap_or(0.0);
            out += &format!(
                "  BCAE-VS: {:.4} of the hits kept, encoder {:.0} MAC a hit and {:.0} frames/s, decoders {:.1} GMAC a frame and {:.2} frames/s\n",
                value("kept"),
                value("encoder_mac_per_hit"),
                value("encoder_frames_per_s"),
                value("decoder_gmac_per_frame"),
                value("decoder_frames_per_s")
            );
        }
        out.push('\n');
    }
    for v in verdicts {
        let mark =
            if v.met { ui::paint(colour, "32", "met    ") } else { ui::paint(colour, "31", "NOT MET") };
        out += &format!("{mark}  {}\n", v.text);
    }
    out
}

/// What the columns mean, in a few lines.
pub const LEGEND: &str = "\
ratio: 16 bits a voxel / all bits stored. MAE, MSE: of log2(ADC+1), mean over all voxels. precision, recall: of hits. rphi, drift:
shift of cluster centroids that 68 % of the clusters stay within, and its rms; charge: mean change of a cluster's charge, as a part of it, and
that of all charge together. ns/hit: processor time of one core for the whole set by its hits. It is a fixed part (us/frame) and one that
grows with hits (beyond): the slope of a line through the times of the same frames with one, two, three and four fourths of their pads.
";
