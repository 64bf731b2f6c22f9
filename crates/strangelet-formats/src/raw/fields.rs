//! Which bytes of a row belong together, and what type they are.

use super::cost::{BIT, Counts};
use super::detect::Sample;
use crate::layout::{Field, Layout};
use strangelet::column::Scalar;

/// What a further field costs, beside a quarter of a bit a row: a reason to keep bytes together that
/// may as well be.
const FIELD: u64 = 64 * BIT;
/// Rows that are looked at.
const ROWS: usize = 8192;
/// Longest row that is cut into fields of any type; in longer ones all are alike.
const LONGEST: usize = 512;
/// Fields of a long row of like ones that are looked at.
const LOOKED_AT: usize = 64;

/// One way to read some bytes of a row.
#[derive(Clone, Copy)]
struct Reading {
    cost: u64,
    scalar: Scalar,
    big: bool,
}

/// The place of the first row, its fields, and their cost: the cheapest way to cut rows of this length.
pub fn best(sample: &Sample, row: usize) -> (usize, Layout, u64) {
    if row > LONGEST {
        return (0, Layout::default(), u64::MAX);
    }
    // Fields may begin anywhere, as nobody knows where rows do: read each place of the cycle.
    let readings: Vec<[Option<Reading>; 4]> = (0..row).map(|at| read_all(sample, row, at)).collect();
    let field = field_cost(sample, row);
    let mut best: Option<(u64, usize, Vec<usize>)> = None;
    for start in 0..row {
        let Some((cost, cuts)) = cut(&readings, start, field) else { continue };
        // A row that begins where the file does is the usual one.
        let margin = if start == 0 { 0 } else { 4 * field };
        if best.as_ref().is_none_or(|b| cost + margin < b.0) {
            best = Some((cost, start, cuts));
        }
    }
    let Some((cost, start, cuts)) = best else { return (0, Layout::default(), u64::MAX) };
    let mut layout = Layout::default();
    let mut at = start;
    for width in cuts {
        if let Some(r) = readings[at % row][width] {
            layout.fields.push(Field::one("", r.scalar, r.big));
        }
        at += 1 << width;
    }
    name(&mut layout);
    (start, layout, cost)
}

/// Rows of fields of one type, where each looks like it or is nearly constant.
pub fn alike(sample: &Sample, row: usize, scalar: Scalar, big: bool) -> Option<(Layout, u64)> {
    let width = scalar.width();
    if !row.is_multiple_of(width) || row == width {
        return None;
    }
    let (mut total, mut ordinary) = (0, 0);
    let fields = row / width;
    let step = fields.div_ceil(LOOKED_AT);
    for at in (0..fields).step_by(step).map(|i| i * width) {
        let cells = cells(sample, row, at, width);
        let r = read(&cells, width)?;
        if is_float(scalar) {
            let looks = Looks::of(cells.iter().map(|c| value(c, width, big)), width);
            if !looks.possible() {
                return None;
            }
            ordinary += looks.ordinary;
        } else if r.cost > cells.len() as u64 * BIT / 8 {
            if r.big != big || is_float(r.scalar) {
                return None;
            }
            ordinary += 1;
        }
        total += scaled(r, sample, row).cost + field_cost(sample, row);
    }
    if ordinary == 0 {
        return None;
    }
    total = total * fields as u64 / fields.div_ceil(step) as u64;
    let mut layout = Layout { fields: vec![Field::one("", scalar, big); row / width] };
    name(&mut layout);
    Some((layout, total))
}

fn is_float(scalar: Scalar) -> bool {
    matches!(scalar, Scalar::F32 | Scalar::F64)
}

/// Names after number and type.
pub fn name(layout: &mut Layout) {
    for (i, field) in layout.fields.iter_mut().enumerate() {
        field.name = format!("c{i}");
    }
}

/// Cost of the sample as one column of this type, where it looks like one.
pub fn uniform(sample: &Sample, scalar: Scalar, big: bool) -> Option<u64> {
    let width = scalar.width();
    let r = read_all(sample, width, 0)[width.ilog2() as usize]?;
    let cost = r.cost + field_cost(sample, width);
    (r.big == big && is_float(r.scalar) == is_float(scalar)).then_some(cost)
}

fn field_cost(sample: &Sample, row: usize) -> u64 {
    FIELD + (sample.len() / row) as u64 * BIT / 4
}

/// The cost for all rows of the sample, not only those that were looked at.
fn scaled(reading: Reading, sample: &Sample, row: usize) -> Reading {
    let rows = (sample.len() / row).max(1) as u64;
    Reading { cost: reading.cost * rows / rows.min(ROWS as u64), ..reading }
}

/// The cheapest cuts of a row from a place on: the cost, and the base-2 logarithms of the widths.
fn cut(readings: &[[Option<Reading>; 4]], start: usize, field: u64) -> Option<(u64, Vec<usize>)> {
    let row = readings.len();
    let mut best: Vec<Option<(u64, usize)>> = vec![None; row + 1];
    best[0] = Some((0, 0));
    for at in 0..row {
        let Some((before, _)) = best[at] else { continue };
        for (w, reading) in readings[(start + at) % row].iter().enumerate() {
            let (Some(reading), Some(end)) = (reading, best.get_mut(at + (1 << w))) else { continue };
            // Programs put wide fields at multiples of their width.
            let odd = if at.is_multiple_of(1 << w) { 0 } else { field / 2 };
            let cost = before + reading.cost + field + odd;
            // At equal cost the wider field.
            if end.is_none_or(|e| cost <= e.0) {
                *end = Some((cost, w));
            }
        }
    }
    let (cost, _) = best[row]?;
    let (mut at, mut cuts) = (row, Vec::new());
    while at > 0 {
        let w = best[at]?.1;
        cuts.push(w);
        at -= 1 << w;
    }
    cuts.reverse();
    Some((cost, cuts))
}

/// The cheapest reading of each width (1, 2, 4, 8 bytes) of the bytes from a place on.
fn read_all(sample: &Sample, row: usize, at: usize) -> [Option<Reading>; 4] {
    let mut out = [None; 4];
    for (w, slot) in out.iter_mut().enumerate() {
        let width = 1usize << w;
        if width > row {
            break;
        }
        *slot = read(&cells(sample, row, at, width), width).map(|r| scaled(r, sample, row));
    }
    out
}

/// The bytes of a field in many rows.
fn cells(sample: &Sample, row: usize, at: usize, width: usize) -> Vec<[u8; 8]> {
    let cell = |r: &[u8]| {
        let mut cell = [0; 8];
        cell[..width].copy_from_slice(&r[..width]);
        cell
    };
    sample.rows(row, at, ROWS).map(cell).collect()
}

/// The cheapest reading of cells of a width.
fn read(cells: &[[u8; 8]], width: usize) -> Option<Reading> {
    let orders: &[bool] = if width == 1 { &[false] } else { &[false, true] };
    let mut best: Option<Reading> = None;
    for &big in orders {
        let values: Vec<u64> = cells.iter().map(|c| value(c, width, big)).collect();
        let mask = if width == 8 { u64::MAX } else { (1 << (8 * width)) - 1 };
        let deltas: Vec<u64> =
            values.iter().scan(0, |p, &x| Some(x.wrapping_sub(std::mem::replace(p, x)) & mask)).collect();
        let cost = value_cost(&values, width).min(value_cost(&deltas, width));
        let float = width >= 4 && Looks::of(values.iter().copied(), width).likely();
        // Zeros say nothing about what belongs together.
        let others: Vec<u64> = values.iter().copied().filter(|&x| x != 0).collect();
        let strange = if float { strange_float(&others, width) } else { strange_integer(&others, width) };
        let scalar = match (float, width) {
            (true, 4) => Scalar::F32,
            (true, _) => Scalar::F64,
            (false, _) => integer(&values, width),
        };
        let reading = Reading { cost: cost + strange, scalar, big };
        if best.is_none_or(|b| reading.cost < b.cost) {
            best = Some(reading);
        }
    }
    best
}

/// Byte `k` of values.
fn plane(values: &[u64], k: usize) -> impl Iterator<Item = u8> {
    values.iter().map(move |x| (x >> (8 * k)) as u8)
}

/// Low bytes of a mantissa are noise, or zero: what it costs that one says more than the one above it.
fn strange_float(values: &[u64], width: usize) -> u64 {
    let costs: Vec<u64> = (0..width - 2).map(|k| byte_cost(plane(values, k))).collect();
    costs.windows(2).map(|p| p[0].saturating_sub(p[1] + p[1] / 64)).sum()
}

/// An integer says less the higher the byte, and where a byte varies, the one below it takes all
/// values or depends on it. What it costs that it is otherwise: then there are two numbers.
fn strange_integer(values: &[u64], width: usize) -> u64 {
    let costs: Vec<u64> = (0..width).map(|k| byte_cost(plane(values, k))).collect();
    let full = 8 * BIT * values.len() as u64;
    let pairs = costs.windows(2).enumerate().map(|(k, p)| {
        let gain = p[0].saturating_sub(after_cost(values, k));
        let apart = (p[1].min(full.saturating_sub(p[0])) / 2).saturating_sub(gain);
        p[1].saturating_sub(p[0]) / 2 + apart
    });
    pairs.sum()
}

fn byte_cost(bytes: impl Iterator<Item = u8>) -> u64 {
    let mut counts = Counts::new(1);
    bytes.for_each(|b| counts.add(0, b));
    counts.cost()
}

/// Cost of values byte by byte from the top, each byte on its own or after the one above it.
fn value_cost(values: &[u64], width: usize) -> u64 {
    let below = (0..width - 1).map(|k| byte_cost(plane(values, k)).min(after_cost(values, k)));
    below.sum::<u64>() + byte_cost(plane(values, width - 1))
}

/// Cost of byte `k` when the one above is known, roughly.
fn after_cost(values: &[u64], k: usize) -> u64 {
    let mut counts = Counts::new(64);
    let above = |x: u8| usize::from(if x < 48 { x } else { 48 + (x >> 4) });
    plane(values, k).zip(plane(values, k + 1)).for_each(|(byte, up)| counts.add(above(up), byte));
    counts.cost()
}

/// The bit pattern of a cell.
fn value(cell: &[u8; 8], width: usize, big: bool) -> u64 {
    let mut x = *cell;
    if big {
        x[..width].reverse();
    }
    u64::from_le_bytes(x)
}

/// How cells look as floats.
struct Looks {
    cells: u64,
    zeros: u64,
    /// Those of a size that measured numbers have.
    ordinary: u64,
}

impl Looks {
    fn of(values: impl Iterator<Item = u64>, width: usize) -> Looks {
        let mut looks = Looks { cells: 0, zeros: 0, ordinary: 0 };
        for bits in values {
            let x = if width == 4 { f32::from_bits(bits as u32) as f64 } else { f64::from_bits(bits) };
            looks.cells += 1;
            looks.zeros += u64::from(x == 0.0);
            looks.ordinary += u64::from((1e-18..1e18).contains(&x.abs()) || x.is_nan());
        }
        looks
    }

    /// Whether they may be floats.
    fn possible(&self) -> bool {
        (self.zeros + self.ordinary) * 100 >= self.cells * 98
    }

    /// Whether they are best read as floats: possible, and not all zero.
    fn likely(&self) -> bool {
        self.ordinary * 100 > self.cells && self.possible()
    }
}

/// Signed where the values lie on both sides of zero.
fn integer(values: &[u64], width: usize) -> Scalar {
    let top = |x: &u64| (x >> (8 * width - 4)) & 15;
    let low = values.iter().filter(|x| top(x) <= 3).count();
    let high = values.iter().filter(|x| top(x) >= 12).count();
    let signed = high > 0 && low > 0 && (low + high) * 20 >= values.len() * 19;
    match (width, signed) {
        (1, _) => Scalar::U8,
        (2, true) => Scalar::I16,
        (2, false) => Scalar::U16,
        (4, true) => Scalar::I32,
        (4, false) => Scalar::U32,
        (_, true) => Scalar::I64,
        (_, false) => Scalar::U64,
    }
}
