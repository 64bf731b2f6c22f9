//! What is known of a layer.

/// Cells before and behind a row.
pub const EDGE: usize = 4;
/// Rows before and behind a layer.
pub const NEAR: usize = 3;
/// Rows of fewer hits are looked at hit by hit.
const FEW: u32 = 40;
/// The middle of a window.
pub const HERE: usize = EDGE;

/// A cell of a layer.
#[derive(Clone, Copy)]
pub struct Cell {
    /// Value above the base; 0 where there is no hit.
    pub x: f32,
    /// Class of it; 0 where there is no hit.
    pub class: u8,
    /// Place in the run + 1; 0 for no hit; at most 15.
    pub place: u8,
    /// Class of the run's largest value.
    pub peak: u8,
    /// Class of the error, 0 to 8.
    pub error: u8,
}

/// No hit.
const EMPTY: Cell = Cell { x: 0.0, class: 0, place: 0, peak: 0, error: 4 };

/// Cells of a row, from four times before to three behind.
pub type Window = [Cell; 8];

/// A layer; rows and times count from 0, rows from [`NEAR`] before the first pad.
pub struct Plane {
    stride: usize,
    cells: Vec<Cell>,
    /// Hits as bits, a word without any before and behind each row.
    words: usize,
    marks: Vec<u64>,
    /// Hits of each row.
    hits: Vec<u32>,
}

impl Plane {
    /// Without hits.
    pub fn new(pads: usize, times: usize) -> Self {
        let (stride, rows) = (times + 2 * EDGE, pads + 2 * NEAR);
        let words = times.div_ceil(64) + 2;
        Plane {
            stride,
            cells: vec![EMPTY; stride * rows],
            words,
            marks: vec![0; words * rows],
            hits: vec![0; rows],
        }
    }

    /// Forgets all hits.
    pub fn clear(&mut self) {
        for row in 0..self.hits.len() {
            self.clear_row(row);
        }
    }

    /// Forgets the hits of a row.
    #[inline(always)]
    pub fn clear_row(&mut self, row: usize) {
        // Only what was used.
        if self.hits[row] > 0 {
            let cells = &mut self.cells[row * self.stride..][..self.stride];
            let marks = &mut self.marks[row * self.words..][..self.words];
            if self.hits[row] < FEW {
                for (word, mark) in marks.iter_mut().enumerate().skip(1) {
                    let mut bits = std::mem::take(mark);
                    while bits != 0 {
                        cells[EDGE + (word - 1) * 64 + bits.trailing_zeros() as usize] = EMPTY;
                        bits &= bits - 1;
                    }
                }
            } else {
                cells.fill(EMPTY);
                marks.fill(0);
            }
            self.hits[row] = 0;
        }
    }

    /// Looks at a row that will be needed soon: what it takes to get it from afar is waited for once.
    #[inline(always)]
    pub fn warm(&self, row: usize) {
        if self.hits[row] > 0 {
            let cells = &self.cells[row * self.stride..][..self.stride];
            std::hint::black_box(cells.iter().step_by(8).fold(0, |all, cell| all | cell.class));
        }
    }

    /// What is around a time.
    #[inline(always)]
    pub fn window(&self, row: usize, t: usize) -> &Window {
        &self.cells[row * self.stride + t..][..8].as_chunks::<8>().0[0]
    }

    /// Puts a hit.
    #[inline(always)]
    pub fn put(&mut self, row: usize, t: usize, cell: Cell) {
        self.cells[row * self.stride + EDGE + t] = cell;
        self.marks[row * self.words + t / 64 + 1] |= 1 << (t % 64);
        self.hits[row] += 1;
    }

    /// Tells the hits of a run its largest class.
    #[inline(always)]
    pub fn crown(&mut self, row: usize, from: usize, to: usize, peak: u8) {
        let at = row * self.stride + EDGE;
        for cell in &mut self.cells[at + from..at + to] {
            cell.peak = peak;
        }
    }

    /// Hits of a row.
    #[inline(always)]
    pub fn hits(&self, row: usize) -> u32 {
        self.hits[row]
    }

    /// Hits of a row as bits, a word without any before and behind.
    #[inline(always)]
    pub fn marks(&self, row: usize) -> &[u64] {
        &self.marks[row * self.words..][..self.words]
    }

    /// Which of `n` times, from `back` before one, have a hit.
    #[inline(always)]
    pub fn marked(&self, row: usize, t: usize, back: usize, n: usize) -> usize {
        let from = t + 64 - back;
        let pair = &self.marks[row * self.words + from / 64..][..2];
        let x = pair[0] >> (from % 64) | pair[1] << 1 << (63 - from % 64);
        x as usize & ((1 << n) - 1)
    }

    /// Which of five rows, from two before one, have a hit at a time.
    #[inline(always)]
    pub fn across(&self, row: usize, t: usize) -> usize {
        let words = self.words;
        let rows = &self.marks[(row - 2) * words + t / 64 + 1..][..4 * words + 1];
        let mut x = 0;
        for k in 0..5 {
            x |= (rows[k * words] >> (t % 64) & 1) << k;
        }
        x as usize
    }

    /// Hits of a row from one time to another.
    #[inline(always)]
    pub fn count(&self, row: usize, from: usize, to: usize) -> usize {
        if self.hits[row] == 0 {
            return 0;
        }
        let bits = self.marks(row);
        let (a, b) = (from / 64 + 1, (to - 1) / 64 + 1);
        let first = bits[a] & (!0 << (from % 64));
        let last = !0 >> (63 - (to - 1) % 64);
        if a == b {
            return (first & last).count_ones() as usize;
        }
        let middle: u32 = bits[a + 1..b].iter().map(|x| x.count_ones()).sum();
        (first.count_ones() + middle + (bits[b] & last).count_ones()) as usize
    }
}

/// How far a run is by the hits from two times before to two behind; 0 for within one, or far.
static SHAPES: [u8; 32] = {
    let mut shapes = [0; 32];
    let mut hits = 0;
    while hits < 32 {
        shapes[hits] = match hits {
            h if h & 4 > 0 => 0,
            h if h & 8 > 0 => 16,
            h if h & 2 > 0 => 17,
            h if h & 16 > 0 => 18,
            h if h & 1 > 0 => 19,
            _ => 0,
        };
        hits += 1;
    }
    shapes
};

/// How the run of a row lies at the middle of a window: its place there (1 to 15), or how long until it starts (16: next, 18),
/// or since it ended (17, 19). `hits` are those from two times before to two behind.
#[inline(always)]
pub fn shape_of(w: &Window, hits: usize) -> usize {
    w[HERE].place as usize + SHAPES[hits & 31] as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_cells() {
        let (pads, times) = (9, 150);
        let mut p = Plane::new(pads, times);
        let hit = Cell { class: 3, place: 1, ..EMPTY };
        let mut x = 1u64;
        for r in NEAR..NEAR + pads {
            for t in 0..times {
                x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                if x >> 61 < 3 {
                    p.put(r, t, hit);
                }
            }
        }
        let at = |r: usize, t: usize| p.window(r, t)[HERE].class > 0;
        for r in NEAR - 1..NEAR + pads + 1 {
            let mut n = 0;
            for t in 0..times {
                let w = p.window(r, t);
                let here = (0..6).map(|k| usize::from(w[k + 2].class > 0) << k).sum::<usize>();
                assert_eq!(p.marked(r, t, 2, 6), here);
                let across = (0..5).map(|k| usize::from(at(r + k - 2, t)) << k).sum::<usize>();
                assert_eq!(p.across(r, t), across);
                n += usize::from(at(r, t));
                for from in [0, t / 3, t] {
                    let plain = (from..=t).filter(|&t| at(r, t)).count();
                    assert_eq!(p.count(r, from, t + 1), plain);
                }
            }
            assert_eq!(p.hits(r) as usize, n);
        }
        p.clear();
        assert!((0..times).all(|t| p.marked(NEAR, t, 0, 1) == 0 && p.window(NEAR, t)[HERE].class == 0));
    }
}
