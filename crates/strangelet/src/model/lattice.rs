//! Arrays of one, two or three dimensions: the next number from all around it that is known, by least squares.
//!
//! # Neighbours
//! A number's neighbours are at (k, j, i) planes, rows and places before it, with (k, j, i) > (0, 0, 0) in
//! this order and a k k + b j j + i i <= reach. They are numbered by that sum, equal ones by (k, j, i).
//!
//! # Depths
//! The first plane's row j has depth min(j, J), J the largest j of a neighbour; plane k > 0 has depth J + min(k, K). Depth
//! d <= J knows the neighbours with k = 0, j <= d, depth d > J those with k <= d - J. Every depth has its own
//! [`Samples`] over its neighbours: of the numbers whose neighbours of this depth all exist. The first 64 x
//! neighbours are all taken, then those whose index is a multiple of 4. A sample's weight is 1 / (f f + 1/4), f its size (below).
//!
//! # Weights
//! A number is foretold by the deepest depth up to its own with at least 3 x neighbours + 16 samples, by those of its
//! neighbours that exist. A number's place is its own depth and its distances from the borders: left min(i, I), right, up
//! min(j, J), down, I the largest i or -i of a neighbour. The weights of a place
//! are solved when they are first needed and again when another depth foretells it, or when that depth was renewed since:
//! a depth is renewed once it has 5/4 as many samples as at the last time. Where no depth has enough, it is the
//! neighbour with the lowest number of those that exist; else the number before (0 for the first).
//!
//! # Sizes
//! An error's size is foretold as c x f: c = (sum of the errors' sizes at this place) / (their number), at first the c before (1e-9 if none), counted
//! once; both are halved when the number has reached 255. f = (1 + sum of relative sizes of the errors at the first 12
//! neighbours that exist) / (1 + their number); a relative size is |error| / c, at most 64, as f32.

use super::least_squares::Samples;

/// Most neighbours.
pub const MAX_NEIGHBOURS: usize = 192;
/// Most steps to a neighbour in any direction.
pub const MAX_STEPS: usize = 7;
/// Neighbours whose errors say how large the next may be.
const ERRORS: usize = 12;

/// Which neighbours, and what the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Numbers of a row; 0: all are one row.
    pub row: usize,
    /// Numbers of a plane, a multiple of the row; 0: all are one plane.
    pub plane: usize,
    /// Largest weighted square of a distance.
    pub reach: u32,
    /// Weight of the squared distance in rows.
    pub b: u32,
    /// Weight of the squared distance in planes.
    pub a: u32,
}

impl Shape {
    /// Steps to the farthest neighbour: planes, rows, places.
    fn steps(&self) -> (usize, usize, usize) {
        let far = |w: u32| self.reach.checked_div(w).unwrap_or(0).isqrt() as usize;
        let rows = if self.row == 0 { 0 } else { far(self.b) };
        (if self.plane == 0 { 0 } else { far(self.a) }, rows, far(1))
    }

    /// Neighbours in their order, as (planes, rows, places).
    fn neighbours(&self) -> Vec<(i32, i32, i32)> {
        let (k, j, i) = self.steps();
        let (k, j, i) = (k as i32, j as i32, i as i32);
        let size = |&(k, j, i): &(i32, i32, i32)| {
            self.a as i64 * (k * k) as i64 + self.b as i64 * (j * j) as i64 + (i * i) as i64
        };
        let mut all = Vec::new();
        for k in 0..=k {
            for j in -j..=j {
                for i in -i..=i {
                    let n = (k, j, i);
                    if n > (0, 0, 0) && size(&n) <= self.reach as i64 {
                        all.push(n);
                    }
                }
            }
        }
        all.sort_by_key(|n| (size(n), *n));
        all
    }

    /// Whether there is such a lattice: with rows that are longer than what is around a number.
    pub fn valid(&self) -> bool {
        if self.reach > 64 || self.row == 0 && self.plane > 0 {
            return false;
        }
        let (k, j, i) = self.steps();
        k <= MAX_STEPS
            && j <= MAX_STEPS
            && i <= MAX_STEPS
            && i > 0
            && (self.row == 0 || self.row > 2 * i)
            && (self.plane == 0 || self.plane.is_multiple_of(self.row) && self.plane / self.row > 2 * j)
            && self.neighbours().len() <= MAX_NEIGHBOURS
    }

    /// Number of neighbours.
    pub fn count(&self) -> usize {
        self.neighbours().len()
    }
}

/// A depth: its neighbours and what is known of them.
struct Depth {
    /// Numbers of the neighbours.
    known: Vec<u16>,
    sums: Samples,
    /// Samples when it was last renewed, and how often it was.
    renewed: (u64, u32),
}

impl Depth {
    fn ready(&self) -> bool {
        self.sums.folded() >= 3 * self.known.len() as u64 + 16
    }
}

/// What is known of a place.
#[derive(Default)]
struct Place {
    /// Depth and renewal that made the weights.
    made: (u32, u32),
    /// How far back, and the weight.
    back: Vec<usize>,
    weights: Vec<f64>,
    /// Sum of the sizes of errors, and their number.
    errors: (f64, f64),
}

/// Foretells the numbers of an array one after the other.
pub struct Lattice {
    shape: Shape,
    neighbours: Vec<(i32, i32, i32)>,
    back: Vec<usize>,
    steps: (usize, usize, usize),
    depths: Vec<Depth>,
    places: Vec<Option<Box<Place>>>,
    /// Rows of a plane; for one plane more than there can be.
    rows: usize,
    /// Place of the next number: plane, row, place in the row.
    at: (usize, usize, usize),
    /// All numbers so far, and the relative sizes of their errors.
    numbers: Vec<f64>,
    relative: Vec<f32>,
    /// The number's own place and sizes, between prediction and update.
    key: usize,
    size: (f64, f64),
    sample: bool,
    inner: bool,
    depth: usize,
    last: f64,
}

/// A prediction.
#[derive(Debug, Clone, Copy)]
pub struct Guess {
    /// The number, more or less.
    pub middle: f64,
    /// Mean size of the error at such a place.
    pub usual: f64,
    /// Size of the error by those around.
    pub here: f64,
}

impl Lattice {
    /// Nothing known yet; the shape is valid.
    pub fn new(shape: Shape) -> Lattice {
        let neighbours = shape.neighbours();
        let steps = shape.steps();
        let (planes, rows, places) = steps;
        let depths = (0..=rows + planes).map(|d| {
            let k = d.saturating_sub(rows) as i32;
            let known = |n: &(i32, i32, i32)| if d <= rows { n.0 == 0 && n.1 <= d as i32 } else { n.0 <= k };
            let known: Vec<u16> = (0u16..).zip(&neighbours).filter(|n| known(n.1)).map(|n| n.0).collect();
            let sums = Samples::new(known.len());
            Depth { known, sums, renewed: (0, 0) }
        });
        let depths: Vec<Depth> = depths.collect();
        let n = depths.len() * (places + 1) * (places + 1) * (rows + 1) * (rows + 1);
        let back = |&(k, j, i): &(i32, i32, i32)| {
            (k as i64 * shape.plane as i64 + j as i64 * shape.row as i64 + i as i64) as usize
        };
        Lattice {
            shape,
            back: neighbours.iter().map(back).collect(),
            neighbours,
            steps,
            depths,
            places: (0..n).map(|_| None).collect(),
            rows: if shape.plane > 0 { shape.plane / shape.row } else { usize::MAX },
            at: (0, 0, 0),
            numbers: Vec::new(),
            relative: Vec::new(),
            key: 0,
            size: (1e-9, 1e-9),
            sample: false,
            inner: false,
            depth: 0,
            last: 1e-9,
        }
    }

    /// What the next number may be.
    pub fn predict(&mut self) -> Guess {
        let (planes, rows, places) = self.steps;
        let (k, j, i) = self.at;
        let depth = if k == 0 { j.min(rows) } else { rows + k.min(planes) };
        let right = if self.shape.row == 0 { places } else { (self.shape.row - 1 - i).min(places) };
        let (left, up, down) = (i.min(places), j.min(rows), (self.rows - 1 - j).min(rows));
        let inner = left == places && right == places && (k == 0 || up == rows && down == rows);
        self.depth = depth;
        self.inner = inner;
        let s = self.depths[depth].sums.folded();
        self.sample =
            inner && (s < 64 * self.depths[depth].known.len() as u64 || self.numbers.len().is_multiple_of(4));
        self.key =
            (((depth * (places + 1) + left) * (places + 1) + right) * (rows + 1) + up) * (rows + 1) + down;
        let maker = (0..=depth).rev().find(|&d| self.depths[d].ready());
        let made = maker.map_or((0, 0), |d| (d as u32 + 1, self.depths[d].renewed.1));
        let last = self.last;
        let fresh = self.places[self.key].is_none();
        let place = self.places[self.key].get_or_insert_default();
        if fresh || place.made != made {
            if fresh {
                place.errors = (last, 1.0);
            }
            place.made = made;
            let exists = |&(_, n): &(u16, &(i32, i32, i32))| {
                let (dk, dj, di) = *n;
                dk as usize <= k
                    && (if dj > 0 { dj as usize <= up } else { -dj as usize <= down })
                    && (if di > 0 { di as usize <= left } else { -di as usize <= right })
            };
            let here = (0u16..).zip(&self.neighbours).filter(exists).map(|n| n.0);
            let here: Vec<u16> = match maker {
                Some(d) => {
                    let known = &self.depths[d].known;
                    here.filter_map(|n| known.binary_search(&n).ok().map(|i| i as u16)).collect()
                }
                None => here.take(1).collect(),
            };
            let (used, weights): (Vec<u16>, Vec<f64>) = match maker {
                Some(d) => {
                    let weights = self.depths[d].sums.solve(&here);
                    (here.iter().map(|&i| self.depths[d].known[i as usize]).collect(), weights)
                }
                None => (here.clone(), vec![1.0; here.len()]),
            };
            place.back = used.iter().map(|&n| self.back[n as usize]).collect();
            place.weights = weights;
        }
        let at = self.numbers.len();
        // The sum of differences to the first neighbour, in four lanes.
        let first = place.back.first().map_or_else(|| self.numbers.last(), |&b| self.numbers.get(at - b));
        let first = first.copied().unwrap_or(0.0);
        let mut lanes = [0.0; 4];
        let (b4, b1) = place.back.as_chunks::<4>();
        let (w4, w1) = place.weights.as_chunks::<4>();
        for (b, w) in b4.iter().zip(w4) {
            for lane in 0..4 {
                lanes[lane] += w[lane] * (self.numbers[at - b[lane]] - first);
            }
        }
        let mut sum = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
        for (b, w) in b1.iter().zip(w1) {
            sum += w * (self.numbers[at - b] - first);
        }
        let (mut f, mut n) = (1.0, 1.0);
        for &b in place.back.iter().take(ERRORS) {
            f += self.relative[at - b] as f64;
            n += 1.0;
        }
        let usual = place.errors.0 / place.errors.1;
        self.size = (usual, f / n);
        self.last = usual;
        Guess { middle: first + sum, usual, here: usual * (f / n) }
    }

    /// Whether all neighbours of the number's depth exist.
    pub fn inner(&self) -> bool {
        self.inner
    }

    /// Takes the number that came, where `middle` was foretold.
    pub fn update(&mut self, number: f64, middle: f64) {
        let error = (number - middle).abs();
        let (usual, f) = self.size;
        let at = self.numbers.len();
        if self.sample {
            let depth = &mut self.depths[self.depth];
            let first = self.numbers[at - self.back[depth.known[0] as usize]];
            let (back, numbers) = (&self.back, &self.numbers);
            let others = depth.known[1..].iter().map(|&n| numbers[at - back[n as usize]] - first);
            depth.sums.add(others.chain([number - first]), (1.0 / (f * f + 0.25)).sqrt());
            let n = depth.sums.folded();
            if n * 4 >= depth.renewed.0 * 5 && depth.ready() {
                depth.renewed = (n, depth.renewed.1 + 1);
            }
        }
        if let Some(place) = &mut self.places[self.key] {
            place.errors.0 += error;
            place.errors.1 += 1.0;
            if place.errors.1 >= 255.0 {
                place.errors.0 *= 0.5;
                place.errors.1 *= 0.5;
            }
            // A size of nothing would be no scale.
            if place.errors.0 < 1e-9 * place.errors.1 {
                place.errors.0 = 1e-9 * place.errors.1;
            }
        }
        let relative = error / usual;
        self.relative.push(if relative < 64.0 { relative } else { 64.0 } as f32);
        self.numbers.push(number);
        let (k, j, i) = &mut self.at;
        *i += 1;
        if self.shape.row > 0 && *i == self.shape.row {
            *i = 0;
            *j += 1;
            if *j == self.rows {
                *j = 0;
                *k += 1;
            }
        }
    }
}
