//! What is measured: frames from files, and frames simulated at an occupancy.

use crate::simulate::npy;
use rayon::prelude::*;
use std::path::Path;
use strangelet::error::{Error, Result, unsupported};
use strangelet_sim::detector::{BINS, LAYERS, WEDGES};
use strangelet_sim::event::{self, Parameters};

/// Frames of one shape.
pub struct Set {
    /// Name of the file, or what was asked of the simulation.
    pub name: String,
    /// Where they are simulated: the occupancy that was asked for.
    pub asked: Option<f64>,
    /// Pads (azimuth), bins (drift), layers.
    pub frame: [usize; 3],
    /// Samples of all frames.
    pub adc: Vec<u16>,
    /// The file: what general compressors see, and what our containers give back.
    pub npy: Vec<u8>,
}

/// Most voxels of a set.
const MOST: usize = 1 << 28;

impl Set {
    /// A frame, or many of them (then the first axis counts them), from an npy file.
    pub fn read(path: &Path) -> Result<Set> {
        let read = || {
            let npy = std::fs::read(path)?;
            let raw = npy::parse(&npy)?;
            let frame = match raw.shape[..] {
                [a, b, c] | [_, a, b, c] if a > 1 && b > 1 && c > 1 => [a, b, c],
                _ => {
                    return Err(unsupported(format!(
                        "{} axes of {:?}: frames are azimuth x drift x layer, or many of them",
                        raw.shape.len(),
                        raw.shape
                    )));
                }
            };
            if raw.descr != "<u2" {
                return Err(unsupported(format!("samples of type {}: frames have <u2", raw.descr)));
            }
            let adc: Vec<u16> = raw.cells.as_chunks::<2>().0.iter().map(|c| u16::from_le_bytes(*c)).collect();
            if adc.len() > MOST || adc.iter().all(|&v| v == 0) {
                return Err(unsupported("frames without a hit, or more than 2^28 voxels"));
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into();
            Ok(Set { name, asked: None, frame, adc, npy: npy.clone() })
        };
        read().map_err(|e: Error| e.within(crate::ui::plain(&path.display().to_string())))
    }

    /// Frames of the outer layers, simulated at a mean occupancy.
    pub fn simulate(occupancy: f64, frames: usize, seed: u64) -> Set {
        let parameters = Parameters { seed, occupancy: Some(occupancy), ..Parameters::default() };
        // Of few events many wedges: at a high occupancy an event takes long.
        let most = if occupancy > 0.15 { 1 } else { 2 };
        let events = frames.div_ceil(WEDGES).max(most.min(frames));
        let each = frames.div_ceil(events);
        let masks = (0..events as u64).map(|e| {
            let wedges = (0..each).map(|k| (e as usize * 7 + k * 5) % WEDGES);
            (e, wedges.fold(0u32, |mask, w| mask | 1 << w))
        });
        let made: Vec<Vec<u16>> = masks
            .collect::<Vec<_>>()
            .par_iter()
            .map(|&(e, mask)| event::simulate(&parameters, e, mask).wedges)
            .flat_map_iter(|wedges| wedges.into_iter().map(|w| w.adc))
            .collect();
        let adc = made.into_iter().take(frames).flatten().collect();
        let frame = [parameters.group.pads(), BINS, LAYERS];
        Set::from_frames(format!("simulated {occupancy}"), Some(occupancy), frame, adc)
    }

    /// Frames as a file of their own.
    pub fn from_frames(name: String, asked: Option<f64>, frame: [usize; 3], adc: Vec<u16>) -> Set {
        let npy = npy_of(frame, &adc);
        Set { name, asked, frame, adc, npy }
    }

    /// Voxels of a frame.
    pub fn volume(&self) -> usize {
        self.frame.iter().product()
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.adc.len() / self.volume()
    }

    /// Number of hits.
    pub fn hits(&self) -> usize {
        self.adc.iter().filter(|&&v| v > 0).count()
    }

    /// Share of voxels with a hit.
    pub fn occupancy(&self) -> f64 {
        self.hits() as f64 / self.adc.len() as f64
    }

    /// Each frame as a set of its own.
    pub fn each(&self) -> impl Iterator<Item = Set> + '_ {
        let frames = self.adc.chunks_exact(self.volume());
        frames.map(|f| Set::from_frames(self.name.clone(), self.asked, self.frame, f.to_vec()))
    }

    /// The frame whose number of hits is nearest to the mean.
    pub fn typical(&self) -> usize {
        let count = |f: &[u16]| f.iter().filter(|&&v| v > 0).count();
        let mean = self.hits() / self.frames().max(1);
        let frames = self.adc.chunks_exact(self.volume());
        frames.enumerate().min_by_key(|(_, f)| count(f).abs_diff(mean)).map_or(0, |f| f.0)
    }
}

/// Frames that are simulated where no number is asked for: some 20,000 hits or more where they are sparse.
pub fn usual_frames(occupancy: f64) -> usize {
    match occupancy {
        x if x < 0.004 => 32,
        x if x < 0.02 => 12,
        x if x < 0.07 => 4,
        x if x < 0.15 => 3,
        _ => 2,
    }
}

/// An npy file of frames: three axes where there is one, four where there are many.
pub fn npy_of(frame: [usize; 3], adc: &[u16]) -> Vec<u8> {
    let frames = adc.len() / frame.iter().product::<usize>().max(1);
    let shape: Vec<usize> = if frames == 1 { frame.to_vec() } else { [&[frames][..], &frame].concat() };
    npy::array("<u2", &shape, adc.iter().flat_map(|v| v.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_the_same_for_a_seed_and_have_the_occupancy() {
        let (a, b) = (Set::simulate(0.002, 3, 9), Set::simulate(0.002, 3, 9));
        assert_eq!(a.npy, b.npy);
        assert_eq!((a.frames(), a.frame), (3, [192, 249, 16]));
        assert!(a.occupancy() > 2e-4 && a.occupancy() < 0.01, "{}", a.occupancy());
        assert_ne!(Set::simulate(0.002, 3, 10).adc, a.adc);
        let one = a.each().nth(1).unwrap();
        assert_eq!(one.adc, a.adc[a.volume()..2 * a.volume()]);
        assert_eq!(one.frames(), 1);
    }

    #[test]
    fn a_set_is_read_as_it_was_written() {
        let d = tempfile::tempdir().unwrap();
        let adc: Vec<u16> = (0..2 * 2 * 3 * 4).map(|i| if i % 5 == 0 { 80 } else { 0 }).collect();
        let path = d.path().join("a.npy");
        std::fs::write(&path, npy_of([2, 3, 4], &adc)).unwrap();
        let set = Set::read(&path).unwrap();
        assert_eq!((set.adc.as_slice(), set.frame, set.frames()), (&adc[..], [2, 3, 4], 2));
        assert_eq!(set.hits(), 10);
        for (shape, descr) in [(&[4, 12][..], "<u2"), (&[2, 2, 3, 4], ">u2"), (&[2, 2, 2, 2, 3], "<u2")] {
            std::fs::write(&path, npy::array(descr, shape, adc.iter().flat_map(|v| v.to_le_bytes())))
                .unwrap();
            assert!(Set::read(&path).is_err(), "{shape:?} {descr}");
        }
        std::fs::write(&path, npy_of([2, 3, 4], &[0; 24])).unwrap();
        assert!(Set::read(&path).is_err());
    }
}
