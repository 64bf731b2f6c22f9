//! The truth beside the hits, as npz.
//!
//! `truth_*.npz` has one entry for each hit of its wedge in the order of the array (that of `numpy.nonzero`):
//! `track` (u4, the track that gave most of the charge; 4294967295 for noise), `code` (i4, its particle code, 0 for
//! noise), `secondary` (u1). `tracks_*.npz` has one entry for each track: `code`, `charge`, `momentum_gev` (x3),
//! `origin_cm` (x3), `secondary`, `parent`, `collision` (0 is the triggered one), `delay_ns`.

use super::npy;
use crate::output::Output;
use std::io::Write;
use strangelet::error::{Error, Result};
use strangelet_sim::event::{Event, Track, Wedge};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn zip_error(e: zip::result::ZipError) -> Error {
    Error::from(std::io::Error::from(e))
}

fn archive(output: Output, arrays: Vec<(&str, Vec<u8>)>) -> Result<()> {
    let mut zip = ZipWriter::new(output.file()?);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    for (name, bytes) in arrays {
        zip.start_file(format!("{name}.npy"), options).map_err(zip_error)?;
        zip.write_all(&bytes)?;
    }
    zip.finish().map_err(zip_error)?;
    output.finish()
}

/// Truth of one wedge.
pub fn wedge(output: Output, event: &Event, wedge: &Wedge) -> Result<()> {
    let shape = [wedge.owner.len()];
    let of = |&owner: &u32| event.tracks.get(owner as usize);
    let code = wedge.owner.iter().flat_map(|o| of(o).map_or(0, |t| t.particle.code).to_le_bytes());
    let secondary = wedge.owner.iter().map(|o| of(o).is_some_and(|t| t.particle.secondary) as u8);
    let arrays = vec![
        ("track", npy::array("<u4", &shape, wedge.owner.iter().flat_map(|o| o.to_le_bytes()))),
        ("code", npy::array("<i4", &shape, code)),
        ("secondary", npy::array("|u1", &shape, secondary)),
    ];
    archive(output, arrays)
}

/// All tracks of an event.
pub fn tracks(output: Output, event: &Event) -> Result<()> {
    let n = event.tracks.len();
    let u4 = |f: &dyn Fn(&Track) -> u32| {
        npy::array(
            "<u4",
            &[n],
            event.tracks.iter().flat_map(|t| f(t).to_le_bytes()).collect::<Vec<_>>().into_iter(),
        )
    };
    let f4 = |f: &dyn Fn(&Track) -> Vec<f64>, shape: &[usize]| {
        let cells = event.tracks.iter().flat_map(f).flat_map(|x| (x as f32).to_le_bytes());
        npy::array("<f4", shape, cells)
    };
    let small = |f: &dyn Fn(&Track) -> i8, kind: &str| {
        npy::array(kind, &[n], event.tracks.iter().map(|t| f(t) as u8).collect::<Vec<_>>().into_iter())
    };
    let code = event.tracks.iter().flat_map(|t| t.particle.code.to_le_bytes());
    let arrays = vec![
        ("code", npy::array("<i4", &[n], code)),
        ("charge", small(&|t| t.particle.charge as i8, "|i1")),
        ("momentum_gev", f4(&|t| t.particle.momentum_gev.to_vec(), &[n, 3])),
        ("origin_cm", f4(&|t| t.particle.origin_cm.to_vec(), &[n, 3])),
        ("secondary", small(&|t| t.particle.secondary as i8, "|u1")),
        ("parent", u4(&|t| t.parent)),
        ("collision", u4(&|t| t.collision)),
        ("delay_ns", f4(&|t| vec![t.delay_ns], &[n])),
    ];
    archive(output, arrays)
}
