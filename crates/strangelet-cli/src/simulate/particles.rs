//! Collisions from files: npz, CSV, HepMC.
//!
//! npz: `off` (offsets of the events, events + 1) or `event` (number of the event of each particle), `pdg`, `px`,
//! `py`, `pz` in GeV, and where there are any `vx`, `vy`, `vz` in mm. CSV: a heading with the same names. HepMC 2
//! and 3 ASCII: particles of status 1, K0S and Lambda.

use super::npy::{self, Raw};
use flate2::read::DeflateDecoder;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use strangelet::error::{Error, Result, corruption, unsupported, usage};
use strangelet_sim::particles::{Particle, charge};

/// Most bytes of one array, inflated.
const MOST: u64 = 1 << 32;

/// Reads the events of a file.
pub fn read(path: &Path) -> Result<Vec<Vec<Particle>>> {
    let bytes = std::fs::read(path)?;
    let events = match bytes.get(..4).unwrap_or(&[]) {
        b"PK\x03\x04" => from_npz(&bytes),
        b"HepM" => from_hepmc(&String::from_utf8_lossy(&bytes)),
        head if head.starts_with(b"\nHep") => from_hepmc(&String::from_utf8_lossy(&bytes)),
        _ => from_csv(&String::from_utf8_lossy(&bytes)),
    }?;
    if events.iter().all(Vec::is_empty) {
        return Err(usage("no particles in it"));
    }
    Ok(events)
}

/// A particle, where the detector cares about it: charged, or decaying into charged ones.
fn particle(code: i32, momentum_gev: [f64; 3], origin_mm: [f64; 3]) -> Option<Particle> {
    let charge = charge(code);
    let kept = charge != 0 || matches!(code.abs(), 310 | 3122);
    let finite = momentum_gev.iter().chain(&origin_mm).all(|x| x.is_finite() && x.abs() < 1e6);
    (kept && finite && momentum_gev.iter().any(|p| *p != 0.0)).then(|| Particle {
        code,
        charge,
        momentum_gev,
        origin_cm: origin_mm.map(|x| 0.1 * x),
        secondary: false,
    })
}

fn from_npz(bytes: &[u8]) -> Result<Vec<Vec<Particle>>> {
    let bad = |e: zip::result::ZipError| Error::from(std::io::Error::from(e));
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(bad)?;
    let mut columns = BTreeMap::new();
    for i in 0..zip.len() {
        let mut file = zip.by_index_raw(i).map_err(bad)?;
        let name = file.name().map_err(bad)?.trim_end_matches(".npy").to_string();
        if !["off", "event", "pdg", "px", "py", "pz", "vx", "vy", "vz"].contains(&name.as_str()) {
            continue;
        }
        let (method, size) = (file.compression(), file.size().min(MOST));
        let mut raw = Vec::new();
        #[allow(deprecated)]
        let code = method.to_u16();
        match code {
            0 => file.by_ref().take(size).read_to_end(&mut raw)?,
            8 => DeflateDecoder::new(&mut file).take(size).read_to_end(&mut raw)?,
            other => return Err(unsupported(format!("{name}: compressed by method {other}"))),
        };
        columns.insert(name.clone(), numbers(&npy::parse(&raw)?).map_err(|e| e.within(&name))?);
    }
    let column = |name: &str| columns.get(name).ok_or_else(|| unsupported(format!("no array {name} in it")));
    let n = column("pdg")?.len();
    let same = |name: &str| match columns.get(name) {
        Some(c) if c.len() != n => Err(corruption(format!("{name} has {} cells, pdg {n}", c.len()))),
        other => Ok(other),
    };
    let number = if columns.contains_key("event") { same("event")? } else { None };
    let ends: Vec<usize> = match number {
        Some(numbers) => {
            let changes = (1..n).filter(|&i| numbers[i] != numbers[i - 1]);
            changes.chain(std::iter::once(n)).collect()
        }
        None => column("off")?.iter().skip(1).map(|&x| x as usize).collect(),
    };
    let [pdg, px, py, pz] = ["pdg", "px", "py", "pz"].map(&same);
    let cells = [pdg?, px?, py?, pz?, same("vx")?, same("vy")?, same("vz")?];
    if let Some(i) = cells[..4].iter().position(Option::is_none) {
        return Err(unsupported(format!("no array {} in it", ["pdg", "px", "py", "pz"][i])));
    }
    let at = |c: usize, i: usize| cells[c].map_or(0.0, |v| v[i]);
    let (mut events, mut start) = (Vec::new(), 0);
    for end in ends {
        if end < start || end > n {
            return Err(corruption("the offsets of its events go backwards or beyond the particles"));
        }
        let one = |i: usize| {
            particle(at(0, i) as i32, [at(1, i), at(2, i), at(3, i)], [at(4, i), at(5, i), at(6, i)])
        };
        events.push((start..end).filter_map(one).collect());
        start = end;
    }
    Ok(events)
}

fn numbers(raw: &Raw) -> Result<Vec<f64>> {
    fn all<const N: usize>(cells: &[u8], f: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        cells.chunks_exact(N).filter_map(|c| c.try_into().ok()).map(f).collect()
    }
    if raw.shape.len() != 1 {
        return Err(unsupported("it has more than one dimension"));
    }
    Ok(match raw.descr.as_str() {
        "|i1" => all(raw.cells, |b: [u8; 1]| i8::from_le_bytes(b) as f64),
        "<i2" => all(raw.cells, |b| i16::from_le_bytes(b) as f64),
        "<i4" => all(raw.cells, |b| i32::from_le_bytes(b) as f64),
        "<i8" => all(raw.cells, |b| i64::from_le_bytes(b) as f64),
        "<u4" => all(raw.cells, |b| u32::from_le_bytes(b) as f64),
        "<u8" => all(raw.cells, |b| u64::from_le_bytes(b) as f64),
        "<f4" => all(raw.cells, |b| f32::from_le_bytes(b) as f64),
        "<f8" => all(raw.cells, f64::from_le_bytes),
        other => return Err(unsupported(format!("type {other}"))),
    })
}

fn from_csv(text: &str) -> Result<Vec<Vec<Particle>>> {
    let mut lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#'));
    let (_, heading) = lines.next().ok_or_else(|| usage("the file is empty"))?;
    let names: Vec<&str> = heading.split(',').map(str::trim).collect();
    let place = |name: &str| names.iter().position(|n| *n == name);
    let need = |name: &str| {
        place(name).ok_or_else(|| unsupported(format!("neither npz nor HepMC, and no column {name}")))
    };
    let columns = [need("event")?, need("pdg")?, need("px")?, need("py")?, need("pz")?];
    let vertex = ["vx", "vy", "vz"].map(place);
    let mut events: Vec<Vec<Particle>> = Vec::new();
    let mut last = None;
    for (k, line) in lines {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let number = |c: usize| -> Result<f64> {
            let cell = cells.get(c).ok_or_else(|| corruption(format!("line {}: too short", k + 1)))?;
            cell.parse().map_err(|_| corruption(format!("line {}: {cell:?} is no number", k + 1)))
        };
        let event = number(columns[0])?;
        if last != Some(event) {
            last = Some(event);
            events.push(Vec::new());
        }
        let momentum = [number(columns[2])?, number(columns[3])?, number(columns[4])?];
        let mut origin = [0.0; 3];
        for (o, c) in origin.iter_mut().zip(vertex) {
            *o = c.map_or(Ok(0.0), number)?;
        }
        let code = number(columns[1])? as i32;
        if let (Some(list), Some(p)) = (events.last_mut(), particle(code, momentum, origin)) {
            list.push(p);
        }
    }
    Ok(events)
}

/// Particles with the status of the final state; vertices are taken to be the collision's.
fn from_hepmc(text: &str) -> Result<Vec<Vec<Particle>>> {
    let three = text.contains("HepMC::Asciiv3");
    let (code_at, status_at) = if three { (3, 9) } else { (2, 8) };
    let mut scale = 1.0;
    let mut events: Vec<Vec<Particle>> = Vec::new();
    for (k, line) in text.lines().enumerate() {
        let words = || line.split_ascii_whitespace();
        match line.as_bytes().first() {
            Some(b'E') if line.starts_with("E ") => events.push(Vec::new()),
            Some(b'U') if line.starts_with("U ") => {
                scale = if words().nth(1) == Some("MEV") { 1e-3 } else { 1.0 }
            }
            Some(b'P') if line.starts_with("P ") => {
                let word = |i: usize| -> Result<f64> {
                    let bad = || corruption(format!("line {}: a particle that cannot be read", k + 1));
                    words().nth(i).and_then(|w| w.parse().ok()).ok_or_else(bad)
                };
                let code = word(code_at)? as i32;
                if word(status_at)? as i32 == 1
                    || matches!(code.abs(), 310 | 3122) && word(status_at)? as i32 == 2
                {
                    let momentum =
                        [word(code_at + 1)? * scale, word(code_at + 2)? * scale, word(code_at + 3)? * scale];
                    if let (Some(list), Some(p)) = (events.last_mut(), particle(code, momentum, [0.0; 3])) {
                        list.push(p);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_and_hepmc() {
        let csv = "event,pdg,px,py,pz,vz\n0,211,0.1,0.2,0.3,10\n0,22,1,1,1,0\n1,-2212,0,0.5,-1,0\n";
        let events = from_csv(csv).unwrap();
        assert_eq!(events.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
        assert_eq!((events[0][0].charge, events[0][0].origin_cm[2]), (1, 1.0));
        assert_eq!(events[1][0].charge, -1);
        assert!(from_csv("a,b\n1,2\n").is_err());
        assert!(from_csv("event,pdg,px,py,pz\n0,211,x,0,0\n").unwrap_err().to_string().contains("line 2"));
        let three = "HepMC::Version 3.02\nHepMC::Asciiv3-START_EVENT_LISTING\nE 0 1 2\nU MEV MM\n\
                     P 1 0 2212 0 0 7000 7000 0.9 4\nP 2 -1 211 300 0 400 520 139.6 1\n";
        let events = from_hepmc(three).unwrap();
        assert_eq!(events.len(), 1);
        assert!((events[0][0].momentum_gev[0] - 0.3).abs() < 1e-12 && events[0].len() == 1);
    }
}
