//! Frames to learn from: NumPy files of `u2`, and crops of them.

use std::path::{Path, PathBuf};
use strangelet::error::{Result, unsupported, usage};

/// A frame (azimuth, drift, layer).
#[derive(Debug, Clone)]
pub struct Frame {
    /// Lengths of the sides.
    pub shape: [usize; 3],
    /// ADC in C order.
    pub cells: Vec<u16>,
}

/// A little-endian generator of pseudo-random numbers (SplitMix64) whose state is one number.
#[derive(Debug, Clone, Copy)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// Between 0 and 1, both excluded.
    pub fn unit(&mut self) -> f32 {
        ((self.draw() >> 41) as f32 + 0.5) / 8_388_608.0
    }

    /// Below a number above 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.draw() % n.max(1) as u64) as usize
    }
}

/// All `.npy` in folders (and files) given, in order of their names.
pub fn files(places: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for place in places {
        if place.is_dir() {
            let mut inside = Vec::new();
            for entry in std::fs::read_dir(place)? {
                inside.push(entry?.path());
            }
            inside.sort();
            found.extend(files(&inside)?);
        } else if place.extension().is_some_and(|e| e == "npy") {
            found.push(place.clone());
        }
    }
    Ok(found)
}

/// Frames of a `.npy` of three axes, or of many frames with four.
pub fn read(path: &Path) -> Result<Vec<Frame>> {
    let bytes = std::fs::read(path)?;
    let not =
        || unsupported(format!("{}: frames are arrays '<u2' in C order of 3 or 4 axes", path.display()));
    let head = bytes.get(8..10).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]]))).ok_or_else(not)?;
    let text = String::from_utf8_lossy(bytes.get(10..10 + head).ok_or_else(not)?).to_string();
    if !text.contains("'<u2'") || !text.contains("'fortran_order': False") {
        return Err(not());
    }
    let inside = text.split('(').nth(1).and_then(|t| t.split(')').next()).ok_or_else(not)?;
    let axes: Vec<usize> = inside.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let shape: [usize; 3] = match axes.as_slice() {
        [.., a, b, c] if axes.len() <= 4 => [*a, *b, *c],
        _ => return Err(not()),
    };
    let cells: Vec<u16> = bytes[10 + head..].as_chunks().0.iter().map(|c| u16::from_le_bytes(*c)).collect();
    let volume = shape.iter().product::<usize>();
    if volume == 0 || !cells.len().is_multiple_of(volume) {
        return Err(not());
    }
    Ok(cells.chunks_exact(volume).map(|c| Frame { shape, cells: c.to_vec() }).collect())
}

impl Frame {
    /// A crop at a place that is drawn, with the first axis turned around at times. The second is the drift, which has a direction:
    /// pulses rise faster than they fall.
    pub fn crop(&self, size: [usize; 3], random: &mut Random) -> Result<Frame> {
        let [a, b, c] = size;
        let [na, nb, nc] = self.shape;
        if a > na || b > nb || c != nc || size.iter().any(|&n| n < 2) {
            return Err(usage(format!(
                "a crop of {size:?} out of {:?}: the third side is whole",
                self.shape
            )));
        }
        let (a0, b0) = (random.below(na - a + 1), random.below(nb - b + 1));
        let turn = random.draw() & 1 == 1;
        let mut cells = Vec::with_capacity(a * b * c);
        for i in 0..a {
            for j in 0..b {
                let i = a0 + if turn { a - 1 - i } else { i };
                let j = b0 + j;
                cells.extend_from_slice(&self.cells[(i * nb + j) * nc..][..nc]);
            }
        }
        Ok(Frame { shape: size, cells })
    }

    /// Voxels with a hit (index in C order), and log2(ADC + 1) there.
    pub fn hits(&self) -> (Vec<u32>, Vec<f32>) {
        let hits = self.cells.iter().enumerate().filter(|(_, c)| **c > 0);
        hits.map(|(i, &c)| (i as u32, (f32::from(c) + 1.0).log2())).unzip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_are_parts() {
        let cells = (0..6 * 7 * 4).map(|i| i as u16).collect();
        let frame = Frame { shape: [6, 7, 4], cells };
        let mut random = Random(3);
        for _ in 0..50 {
            let crop = frame.crop([3, 5, 4], &mut random).unwrap();
            assert_eq!(crop.cells.len(), 60);
            // rows along the third axis stay whole and in order
            assert!(crop.cells.chunks(4).all(|r| r[0] % 4 == 0 && r.windows(2).all(|w| w[1] == w[0] + 1)));
            let (first, last) = (crop.cells[0] as i32 / 4, crop.cells[59] as i32 / 4);
            assert!(((first - last) / 7).abs() <= 2);
        }
        assert!(frame.crop([3, 5, 3], &mut random).is_err());
    }
}
