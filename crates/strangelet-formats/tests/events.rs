//! Texts of event generators: are they columns, is the physics found, and does every text come back?

mod common;

use common::{data, keeps, roundtrip, survives_damage, tables};
use proptest::prelude::*;
use std::io::Read;
use strangelet::archive::Archive;
use strangelet::codec::Level;
use strangelet::dissect::Tables;
use strangelet::source::Source;

fn unzst(name: &str) -> Option<Vec<u8>> {
    Some(zstd::decode_all(data(name)?.as_slice()).unwrap())
}

fn ungz(name: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(data(name)?.as_slice()).read_to_end(&mut out).unwrap();
    Some(out)
}

const HS: &str = "hepmc_lhe/sk_example_HS.hepmc.zst";
const EEH: &str = "hepmc_lhe/events.eeH.hepmc3.zst";
const MADGRAPH: &str = "hepmc_lhe/pylhe-testfile-madgraph-2.2.1-Z-fxfx.lhe.gz";
const POWHEG: &str = "hepmc_lhe/pylhe-testfile-powheg-box-v2-Zj.lhe";
const PYTHIA: &str = "hepmc_lhe/pylhe-testfile-pythia-6.413-ttbar.lhe";

/// Real texts, whole.
fn real() -> Vec<(&'static str, &'static str, Option<Vec<u8>>)> {
    vec![
        (HS, "hepmc", unzst(HS)),
        (EEH, "hepmc", unzst(EEH)),
        (MADGRAPH, "lhe", ungz(MADGRAPH)),
        (POWHEG, "lhe", data(POWHEG)),
        (PYTHIA, "lhe", data(PYTHIA)),
    ]
}

/// About so many bytes, of whole events where one ends there.
fn start(bytes: &[u8], most: usize) -> &[u8] {
    let text = &bytes[..most.min(bytes.len())];
    let end =
        text.windows(3).rposition(|w| w == b"\nE ").or(text.windows(9).rposition(|w| w == b"</event>\n"));
    let end = end.filter(|&n| n > most / 2);
    &text[..end.map_or(text.len(), |n| n + 1)]
}

/// A number as C's `%+.Ne` prints it.
fn c(x: f64, digits: usize) -> String {
    let s = format!("{x:+.digits$e}");
    let (mantissa, exponent) = s.split_once('e').unwrap();
    let e: i32 = exponent.parse().unwrap();
    format!("{mantissa}e{}{:02}", if e < 0 { '-' } else { '+' }, e.abs())
}

#[test]
fn real_files_are_small() {
    // A third round of `xz -9e` of each text, which the parts of a record let one expect.
    let most = [500_000, 245_000, 360_000, 10_800, 13_200];
    for ((name, format, bytes), most) in real().into_iter().zip(most) {
        let Some(bytes) = bytes else { continue };
        let (container, report) = roundtrip(&bytes, Level::Max);
        assert!(report.refused.is_empty(), "{name}: {:?}", report.refused);
        assert_eq!(report.format, format, "{name}");
        println!("{name}: {} bytes of {}", container.len(), bytes.len());
        assert!(container.len() < most, "{name}: {} bytes", container.len());
    }
}

#[test]
fn columns_of_hepmc3() {
    let Some(bytes) = unzst(EEH) else { return };
    let container = keeps(start(&bytes, 200_000), "hepmc");
    let found = tables(&container).join(" ");
    for column in [
        "particle.px:f64",
        "particle.parent:i64",
        "vertex.in:i64",
        "vertex.x:f64",
        "flow1:i64",
        "alphaQCD:f64",
    ] {
        assert!(found.contains(column), "{column} in {found}");
    }
    // The numbers are those of the text.
    let archive = Archive::open(&container).unwrap();
    let table = archive.find("events").unwrap();
    let schema = archive.schema(table).unwrap();
    for (name, at) in [("particle.px", 4), ("particle.e", 7), ("particle.m", 8)] {
        let column = archive.read_column(table, 0, schema.find(name).unwrap()).unwrap();
        let text = std::str::from_utf8(start(&bytes, 200_000)).unwrap();
        let lines = text.lines().filter(|l| l.starts_with("P "));
        let expected: Vec<u64> =
            lines.map(|l| l.split(' ').nth(at).unwrap().parse::<f64>().unwrap().to_bits()).collect();
        assert_eq!(column.values, strangelet::column::Cells::W8(expected), "{name}");
    }
}

#[test]
fn wrapped_texts() {
    let Some(bytes) = unzst(EEH) else { return };
    let text = start(&bytes, 100_000);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    std::io::Write::write_all(&mut gz, text).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
    std::io::Write::write_all(&mut xz, text).unwrap();
    let wrapped = [
        ("gz", gz.finish().unwrap()),
        ("xz", xz.finish().unwrap()),
        ("zst", zstd::bulk::compress(text, 3).unwrap()),
    ];
    for (kind, packed) in wrapped {
        let found = tables(&keeps(&packed, kind)).join(" ");
        assert!(found.contains("particle.px:f64"), "{kind}: {found}");
    }
}

#[test]
fn cut_anywhere() {
    for (name, format, bytes) in real() {
        let Some(bytes) = bytes else { continue };
        let text = start(&bytes, 60_000);
        for k in 0..12 {
            let cut = &text[..text.len() - 1 - k * 977];
            let (_, report) = roundtrip(cut, Level::Fast);
            assert!(report.refused.is_empty(), "{name}: {:?}", report.refused);
            assert_eq!(report.format, format, "{name}");
        }
    }
}

#[test]
fn damage_does_no_harm() {
    for (_, _, bytes) in real() {
        if let Some(bytes) = bytes {
            survives_damage(start(&bytes, 30_000));
        }
    }
}

#[test]
fn bytes_that_change_come_back() {
    // A small generator of its own: the same places on every run.
    let mut seed = 7u64;
    let mut random = |n: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % n
    };
    for (name, _, bytes) in real() {
        let Some(bytes) = bytes else { continue };
        let text = start(&bytes, 40_000);
        for round in 0..10 {
            let mut text = text.to_vec();
            for _ in 0..1 << round {
                let at = 200 + random(text.len() - 200);
                match random(4) {
                    0 => text[at] = b"0123456789 -+.eE\n\r[]@PVEA#<>"[random(28)],
                    1 => text[at] = random(256) as u8,
                    2 => {
                        text.remove(at);
                    }
                    _ => {
                        let line = text[at..].iter().position(|&b| b == b'\n').unwrap_or(0);
                        let copy = text[at..at + line].to_vec();
                        let to = random(text.len());
                        text.splice(to..to, copy);
                    }
                }
            }
            for level in [Level::Fast, Level::Max] {
                let (_, report) = roundtrip(&text, level);
                let broken = report.refused.iter().any(|r| !r.contains("no events"));
                assert!(!broken, "{name}, {round}: {:?}", report.refused);
            }
        }
    }
}

#[test]
fn lines_with_carriage_returns() {
    for (name, format, bytes) in real() {
        let Some(bytes) = bytes else { continue };
        let text = String::from_utf8(start(&bytes, 40_000).to_vec()).unwrap();
        let (plain, _) = roundtrip(text.as_bytes(), Level::Max);
        let (returns, report) = roundtrip(text.replace('\n', "\r\n").as_bytes(), Level::Max);
        assert_eq!(report.format, format, "{name}");
        assert!(
            returns.len() < plain.len() + plain.len() / 20 + 200,
            "{name}: {} {}",
            returns.len(),
            plain.len()
        );
    }
}

/// A text of HepMC2 as `IO_GenEvent` prints it: pairs of beams that make two particles, one of which decays.
fn hepmc2(events: usize) -> String {
    let mut text = "\nHepMC::Version 2.06.09\nHepMC::IO_GenEvent-START_EVENT_LISTING\n".to_string();
    let number = |x: f64| {
        if x == 0.0 {
            return "0".to_string();
        }
        c(x, 16).trim_start_matches('+').to_string()
    };
    let mut seed = 1u64;
    let mut random = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    let energy = |p: [f64; 3], m: f64| (p[0] * p[0] + p[1] * p[1] + p[2] * p[2] + m * m).sqrt();
    for n in 0..events {
        text += &format!("E {n} -1 {} 0 0 20 -1 2 1 2 0 1 {}\n", number(9.1e1 + random()), number(1.0));
        text += "N 1 \"0\" \nU GEV MM\n";
        let (a, m) = ([random() * 10.0, random() * 10.0, random() * 30.0], 0.13957);
        let b = a.map(|x| -x);
        let k = [a[0] * 0.3 + random(), a[1] * 0.3 + random(), a[2] * 0.3];
        let l = [a[0] - k[0], a[1] - k[1], a[2] - k[2]];
        let (e, f) = (energy(a, m), energy(k, 0.0));
        let mut particle =
            |id: i32, pid: i32, p: [f64; 3], e: f64, m: f64, status: i32, end: i32, flow: &str| {
                let p = p.map(number).join(" ");
                text += &format!("P {id} {pid} {p} {} {} {status} 0 0 {end} {flow}\n", number(e), number(m));
            };
        particle(1, 11, [0.0, 0.0, e], e, 0.0, 4, -1, "0");
        particle(2, -11, [0.0, 0.0, -e], e, 0.0, 4, -1, "0");
        particle(3, 211, a, e, m, 2, -2, "1 1 501");
        particle(4, -211, b, e, m, 1, 0, "2 1 501 2 502");
        particle(5, 22, k, f, 0.0, 1, 0, "0");
        particle(6, 22, l, e - f, 0.0, 1, 0, "0");
        let at = text.rfind("P 1 11").unwrap();
        text.insert_str(at, "V -1 0 0 0 0 0 2 2 0\n");
        let at = text.rfind("P 5 22").unwrap();
        let place = number(n as f64);
        text.insert_str(at, &format!("V -2 0 {place} {place} 0 {place} 0 2 0\n"));
    }
    text + "HepMC::IO_GenEvent-END_EVENT_LISTING\n\n"
}

#[test]
fn the_older_hepmc() {
    let text = hepmc2(200);
    let container = keeps(text.as_bytes(), "hepmc");
    let found = tables(&container).join(" ");
    for column in
        ["particle.px:f64", "particle.end:i64", "particle.flow:i64", "vertex.orphans:i64", "event.scale:f64"]
    {
        assert!(found.contains(column), "{column} in {found}");
    }
    let (container, _) = roundtrip(text.as_bytes(), Level::Max);
    println!("{} bytes of {}", container.len(), text.len());
    assert!(container.len() < text.len() as u64 / 12, "{} bytes of {}", container.len(), text.len());
    survives_damage(&text.as_bytes()[..20_000]);
    for cut in 1..40 {
        roundtrip(&text.as_bytes()[..text.len() - cut * 101], Level::Fast);
    }
}

#[test]
fn weights_scales_and_comments() {
    let mut text =
        "<LesHouchesEvents version=\"3.0\">\n<header>\n<!-- x -->\n</header>\n<init>\n</init>\n".to_string();
    for n in 0..50 {
        let w = 1.0 + n as f64 / 7.0;
        text += &format!("<event>\n 2 {n:6} {} 1.0 2.0 3.0\n", c(w, 7));
        for z in ["+", "-"] {
            let p = c(w, 4).replace('+', z);
            text += &format!("{:9} -1 0 0 501 502 +0.0000e+00 -0.0000e+00 {p} {} 0. 0. 9.\n", 21, c(w, 4));
        }
        text += &format!("#aMCatNLO {n} 5 3 {}\n<scales muf='{w}' mur=\"{w}\"></scales>\n<rwgt>\n", c(w, 8));
        for id in 1001..1010 {
            text += &format!("<wgt id='{id}'> {} </wgt>\n", c(w * id as f64, 7));
        }
        text += "</rwgt>\n# a comment\n</event>\n";
        if n % 7 == 0 {
            text += "an odd line\n\n\t\n";
        }
    }
    text += "</LesHouchesEvents>";
    let container = keeps(text.as_bytes(), "lhe");
    let found = tables(&container).join(" ");
    for column in
        ["wgt_id.1:f64", "scales_muf.mur:f64", "aMCatNLO.3:f64", "particle.pz:f64", "event.weight:f64"]
    {
        assert!(found.contains(column), "{column} in {found}");
    }
}

#[test]
fn what_only_looks_like_events() {
    for text in [
        "HepMC::Version 3\n",
        "HepMC::Version 3\nHepMC::Asciiv3-START_EVENT_LISTING\n",
        "HepMC::Asciiv3\nE \n",
        "HepMC::Asciiv3\nE 0 0 0\nP 1 2\nV [\nV ]3[\nV -1 0 [\nV -1 0 []\nV -1 0 [1,] @ 1 2 3 4",
        "<LesHouchesEvents",
        "<LesHouchesEvents>\n<event>\n",
        "<LesHouchesEvents>\n<event>\n99999999 1 1 1 1 1\n</event>\n",
        "<LesHouchesEvents>\n<event>\n1 1 1 1 1 1\n1 1 1 1 1 1\n1 1 1 1 1 1 1 1 1 1 1 1 1\n",
        "HepMC::IO_GenEvent\nE 0\nV -1 0 0 0 0 0 -1 9 0\nP 1 2 3 4 5 6 7 8 9 10 11 12\nP 1 2 3 4 5 6 7 8 9 1 1 2 1 1 2 2",
    ] {
        for (level, _) in Level::ALL {
            roundtrip(text.as_bytes(), level);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_lines_come_back(
        lines in "((E|P|V|A|W|U)( -?[0-9]{1,2}| -?[0-9]\\.[0-9]{1,3}e[-+]0[0-9]| \\[[0-9,]{0,4}\\]| @| [a-z]{1,3}){1,10}\r?\n){3,30}"
    ) {
        for head in ["HepMC::Asciiv3-START\n", "HepMC::IO_GenEvent-START\n"] {
            let text = format!("{head}E 0 0 0\n{lines}");
            let (_, report) = roundtrip(text.as_bytes(), Level::Max);
            prop_assert!(report.refused.is_empty(), "{:?}", report.refused);
        }
    }

    #[test]
    fn any_records_come_back(
        rows in proptest::collection::vec((-3i64..9, -9i64..9, -3f64..3.0, -1f64..3.0, 0usize..30), 1..60),
        vertices in proptest::collection::vec((-9i64..0, proptest::collection::vec(0i64..20, 0..4)), 0..9),
    ) {
        let mut text = "HepMC::Asciiv3-START\n".to_string();
        let mut lhe = "<LesHouchesEvents>\n".to_string();
        for event in 0..3 {
            text += &format!("E {event} 1 2\n");
            lhe += &format!("<event>\n {} 1 1.0 2.0 3.0 4.0\n", rows.len());
            let mut vertices = vertices.iter();
            for (i, &(pid, parent, p, m, gap)) in rows.iter().enumerate() {
                if gap < 9 && let Some((id, ins)) = vertices.next() {
                    let ins: Vec<String> = ins.iter().map(|n| n.to_string()).collect();
                    let at = if gap < 4 { format!(" @ {} {} 0 1", c(p, 3), c(m, 3)) } else { String::new() };
                    text += &format!("V {id} 0 [{}]{at}\n", ins.join(","));
                }
                let (a, b) = (c(p, 16), c(m, 16));
                text += &format!("P {} {parent} {pid} {a} {b} {a} {a} {b} 1\n", i + 1);
                let (a, b) = (c(p, 8), c(m, 8));
                lhe += &format!(" {pid} 1 {parent} {gap} 0 0 {a} {b} {a} {a} {b} 0. 9.\n");
            }
            lhe += "</event>\n";
        }
        for text in [text, lhe] {
            let (_, report) = roundtrip(text.as_bytes(), Level::Max);
            prop_assert!(report.refused.is_empty(), "{:?}", report.refused);
        }
    }
}
