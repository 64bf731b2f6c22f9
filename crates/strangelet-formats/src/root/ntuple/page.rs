//! Content of a page <-> cells: byte planes, zigzag, differences, packed bits, short floats.
//!
//! Both directions are total on content of the right length; for every content that a writer makes they
//! are exact inverses of each other. Where they are not (filling bits that are not zero, quantised values
//! that do not come back) the caller sees it by comparing, and keeps the page as it is.

use super::kind::{Element, Kind};
use strangelet::column::{Cells, Scalar};
use strangelet::error::{Result, corruption};

/// The cells of the content of a page of `elements` elements, in the type of [`Kind::scalar`].
///
/// # Errors
/// Corruption where the content has not the length that the elements need, or for a switch.
pub fn page_to_cells(kind: &Kind, content: &[u8], elements: usize) -> Result<Cells> {
    check_length(kind, content.len(), elements)?;
    let Some(scalar) = kind.scalar() else {
        return Err(corruption("a page of a column without a scalar type"));
    };
    Ok(match kind.element {
        Element::Bit => Cells::W1(unpack(content, 1, elements).map(|v| v as u8).collect()),
        Element::Real32Trunc => {
            let empty = 32 - kind.bits as u32;
            Cells::W4(unpack(content, kind.bits as u32, elements).map(|v| v << empty).collect())
        }
        Element::Real32Quant => {
            let grid = Grid::new(kind);
            let values = unpack(content, kind.bits as u32, elements).map(|q| grid.value(q));
            match scalar {
                Scalar::F32 => Cells::W4(values.map(|v| (v as f32).to_bits()).collect()),
                _ => Cells::W8(values.map(f64::to_bits).collect()),
            }
        }
        Element::Real16 => {
            let halves = whole_cells(Scalar::U16, kind.split, content)?;
            let Cells::W2(halves) = halves else { return Err(corruption("cells of another width")) };
            Cells::W4(halves.into_iter().map(half_to_single).collect())
        }
        Element::Int if kind.split => unzigzag(whole_cells(scalar, true, content)?),
        Element::Index if kind.split => sums(whole_cells(scalar, true, content)?),
        _ => whole_cells(scalar, kind.split, content)?,
    })
}

/// The content of a page from cells of the type of [`Kind::scalar`].
///
/// # Errors
/// Corruption where the cells have another width, or for a switch.
pub fn cells_to_page(kind: &Kind, cells: &Cells) -> Result<Vec<u8>> {
    let Some(scalar) = kind.scalar() else {
        return Err(corruption("a page of a column without a scalar type"));
    };
    match (kind.element, cells) {
        (Element::Bit, Cells::W1(v)) => Ok(pack(v.iter().map(|&v| v as u32), 1)),
        (Element::Real32Trunc, Cells::W4(v)) => {
            let empty = 32 - kind.bits as u32;
            Ok(pack(v.iter().map(|&v| v >> empty), kind.bits as u32))
        }
        (Element::Real32Quant, Cells::W4(v)) if scalar == Scalar::F32 => {
            let grid = Grid::new(kind);
            Ok(pack(v.iter().map(|&v| grid.place(f32::from_bits(v) as f64)), kind.bits as u32))
        }
        (Element::Real32Quant, Cells::W8(v)) if scalar == Scalar::F64 => {
            let grid = Grid::new(kind);
            Ok(pack(v.iter().map(|&v| grid.place(f64::from_bits(v))), kind.bits as u32))
        }
        (Element::Real16, Cells::W4(v)) => {
            let halves = Cells::W2(v.iter().map(|&v| single_to_half(v)).collect());
            Ok(whole_content(&halves, kind.split))
        }
        (Element::Bit | Element::Real32Trunc | Element::Real32Quant | Element::Real16, _) => {
            Err(corruption("cells of another width than the column"))
        }
        _ if cells.width() != scalar.width() => Err(corruption("cells of another width than the column")),
        (Element::Int, _) if kind.split => Ok(whole_content(&zigzag(cells), true)),
        (Element::Index, _) if kind.split => Ok(whole_content(&differences(cells), true)),
        _ => Ok(whole_content(cells, kind.split)),
    }
}

/// Indexes and tags of the content of a page of a switch column.
pub fn page_to_switch(kind: &Kind, content: &[u8], elements: usize) -> Result<(Vec<u64>, Vec<u32>)> {
    check_length(kind, content.len(), elements)?;
    if kind.element != Element::Switch {
        return Err(corruption("a page of another column than a switch"));
    }
    Ok(content
        .as_chunks::<12>()
        .0
        .iter()
        .map(|c| {
            let [i0, i1, i2, i3, i4, i5, i6, i7, t0, t1, t2, t3] = *c;
            (u64::from_le_bytes([i0, i1, i2, i3, i4, i5, i6, i7]), u32::from_le_bytes([t0, t1, t2, t3]))
        })
        .unzip())
}

/// The content of a page of a switch column from indexes and tags, as many as there are of both.
pub fn switch_to_page(indexes: &[u64], tags: &[u32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(indexes.len().min(tags.len()) * 12);
    for (i, t) in indexes.iter().zip(tags) {
        out.extend_from_slice(&i.to_le_bytes());
        out.extend_from_slice(&t.to_le_bytes());
    }
    out
}

fn check_length(kind: &Kind, bytes: usize, elements: usize) -> Result<()> {
    if kind.page_bytes(elements as u64) != Some(bytes) {
        return Err(corruption(format!(
            "a page of {bytes} bytes for {elements} elements of {} bits",
            kind.bits
        )));
    }
    Ok(())
}

/// Cells of whole bytes, from rows or from byte planes.
fn whole_cells(scalar: Scalar, split: bool, content: &[u8]) -> Result<Cells> {
    let (w, n) = (scalar.width(), content.len() / scalar.width());
    if !split || w == 1 {
        return Cells::from_le_bytes(scalar, content);
    }
    let mut rows = vec![0u8; n * w];
    for (b, plane) in content.chunks_exact(n.max(1)).take(w).enumerate() {
        for (row, &byte) in rows.chunks_exact_mut(w).zip(plane) {
            if let Some(place) = row.get_mut(b) {
                *place = byte;
            }
        }
    }
    Cells::from_le_bytes(scalar, &rows)
}

fn whole_content(cells: &Cells, split: bool) -> Vec<u8> {
    let w = cells.width();
    let mut rows = Vec::with_capacity(cells.len() * w);
    cells.to_le_bytes(&mut rows);
    if !split || w == 1 {
        return rows;
    }
    let mut planes = Vec::with_capacity(rows.len());
    for b in 0..w {
        planes.extend(rows.iter().skip(b).step_by(w));
    }
    planes
}

fn unzigzag(cells: Cells) -> Cells {
    match cells {
        Cells::W1(v) => Cells::W1(v),
        Cells::W2(v) => Cells::W2(v.into_iter().map(|v| (v >> 1) ^ (v & 1).wrapping_neg()).collect()),
        Cells::W4(v) => Cells::W4(v.into_iter().map(|v| (v >> 1) ^ (v & 1).wrapping_neg()).collect()),
        Cells::W8(v) => Cells::W8(v.into_iter().map(|v| (v >> 1) ^ (v & 1).wrapping_neg()).collect()),
    }
}

fn zigzag(cells: &Cells) -> Cells {
    match cells {
        Cells::W1(v) => Cells::W1(v.clone()),
        Cells::W2(v) => Cells::W2(v.iter().map(|&v| (v << 1) ^ (v >> 15).wrapping_neg()).collect()),
        Cells::W4(v) => Cells::W4(v.iter().map(|&v| (v << 1) ^ (v >> 31).wrapping_neg()).collect()),
        Cells::W8(v) => Cells::W8(v.iter().map(|&v| (v << 1) ^ (v >> 63).wrapping_neg()).collect()),
    }
}

fn sums(cells: Cells) -> Cells {
    match cells {
        Cells::W4(mut v) => {
            let mut sum = 0u32;
            v.iter_mut().for_each(|v| {
                sum = sum.wrapping_add(*v);
                *v = sum;
            });
            Cells::W4(v)
        }
        Cells::W8(mut v) => {
            let mut sum = 0u64;
            v.iter_mut().for_each(|v| {
                sum = sum.wrapping_add(*v);
                *v = sum;
            });
            Cells::W8(v)
        }
        other => other,
    }
}

fn differences(cells: &Cells) -> Cells {
    match cells {
        Cells::W4(v) => {
            let mut last = 0u32;
            Cells::W4(v.iter().map(|&v| v.wrapping_sub(std::mem::replace(&mut last, v))).collect())
        }
        Cells::W8(v) => {
            let mut last = 0u64;
            Cells::W8(v.iter().map(|&v| v.wrapping_sub(std::mem::replace(&mut last, v))).collect())
        }
        other => other.clone(),
    }
}

/// Integers of 1 to 32 bits, least significant bits first, without gaps.
fn unpack(content: &[u8], bits: u32, elements: usize) -> impl Iterator<Item = u32> {
    let mask = (1u64 << bits) - 1;
    let (mut held, mut n) = (0u64, 0u32);
    let mut bytes = content.iter();
    (0..elements).map(move |_| {
        while n < bits {
            held |= (bytes.next().copied().unwrap_or(0) as u64) << n;
            n += 8;
        }
        let v = (held & mask) as u32;
        held >>= bits;
        n -= bits;
        v
    })
}

fn pack(values: impl Iterator<Item = u32>, bits: u32) -> Vec<u8> {
    let mask = (1u64 << bits) - 1;
    let (mut held, mut n) = (0u64, 0u32);
    let mut out = Vec::with_capacity((values.size_hint().0 * bits as usize).div_ceil(8));
    for v in values {
        held |= (v as u64 & mask) << n;
        n += bits;
        while n >= 8 {
            out.push(held as u8);
            held >>= 8;
            n -= 8;
        }
    }
    if n > 0 {
        out.push(held as u8);
    }
    out
}

/// The grid of a quantised column.
struct Grid {
    min: f64,
    step: f64,
    per_unit: f64,
    last: f64,
}

impl Grid {
    fn new(kind: &Kind) -> Grid {
        let (min, max) = kind.range.unwrap_or((0.0, 0.0));
        let last = ((1u64 << kind.bits.min(32)) - 1) as f64;
        Grid { min, step: (max - min) / last, per_unit: last / (max - min), last }
    }

    fn value(&self, place: u32) -> f64 {
        place as f64 * self.step + self.min
    }

    fn place(&self, value: f64) -> u32 {
        // a cast of NaN gives 0
        (0.5 + (value - self.min) * self.per_unit).clamp(0.0, self.last) as u32
    }
}

/// The binary32 of the same value as a binary16, payload of a NaN included.
fn half_to_single(half: u16) -> u32 {
    let (sign, exponent, mantissa) = ((half as u32 & 0x8000) << 16, (half >> 10) & 0x1f, half as u32 & 0x3ff);
    match (exponent, mantissa) {
        (0, 0) => sign,
        (0, m) => {
            let shift = m.leading_zeros() - 21; // brings the first set bit to bit 10
            sign | (113 - shift) << 23 | ((m << shift) & 0x3ff) << 13
        }
        (31, m) => sign | 0x7f80_0000 | m << 13,
        (e, m) => sign | (e as u32 + 112) << 23 | m << 13,
    }
}

/// The binary16 whose [`half_to_single`] this is; something else where there is none.
fn single_to_half(single: u32) -> u16 {
    let sign = ((single >> 16) & 0x8000) as u16;
    let (exponent, mantissa) = ((single >> 23) & 0xff, single & 0x7f_ffff);
    sign | match exponent {
        0xff => 0x7c00 | (mantissa >> 13) as u16,
        113..=142 => ((exponent - 112) << 10 | mantissa >> 13) as u16,
        103..=112 => ((mantissa | 0x80_0000) >> (126 - exponent)) as u16,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds() -> impl Strategy<Value = Kind> {
        (0u16..=0x1d, 1u16..=32).prop_filter_map("no such type", |(number, bits)| {
            let fixed = [1, 8, 8, 8, 8, 16, 16, 32, 32, 64, 64, 16, 32, 64, 32, 64, 96];
            let split = [16, 16, 32, 32, 64, 64, 16, 32, 64, 32, 64];
            let bits = match number {
                0..=0x10 => fixed[number as usize],
                0x11..=0x1b => split[number as usize - 0x11],
                _ => bits,
            };
            let kind = Kind::from_disk(number, bits, (number == 0x1d).then_some((-3.5, 12.25)));
            (kind.element != Element::Unknown).then_some(kind)
        })
    }

    proptest! {
        #[test]
        fn pages_come_back(kind in kinds(), content in prop::collection::vec(any::<u8>(), 0..400)) {
            let elements = content.len() * 8 / kind.bits as usize;
            let mut content = content[..kind.page_bytes(elements as u64).unwrap()].to_vec();
            let filling = content.len() * 8 - elements * kind.bits as usize;
            if let Some(last) = content.last_mut() {
                *last &= 0xff >> filling;
            }
            if kind.element == Element::Switch {
                let (indexes, tags) = page_to_switch(&kind, &content, elements).unwrap();
                prop_assert_eq!(switch_to_page(&indexes, &tags), content);
            } else {
                let cells = page_to_cells(&kind, &content, elements).unwrap();
                prop_assert_eq!(cells.len(), elements);
                prop_assert_eq!(cells.width(), kind.scalar().unwrap().width());
                prop_assert_eq!(cells_to_page(&kind, &cells).unwrap(), content);
            }
        }

        #[test]
        fn wrong_lengths_are_refused(kind in kinds(), elements in 0usize..50, extra in 1usize..9) {
            let n = kind.page_bytes(elements as u64).unwrap();
            prop_assert!(page_to_cells(&kind, &vec![0; n + extra], elements).is_err());
            if n > 0 {
                prop_assert!(page_to_cells(&kind, &vec![0; n - 1], elements).is_err());
                prop_assert!(page_to_switch(&kind, &vec![0; n - 1], elements).is_err());
            }
        }

        #[test]
        fn any_cells_make_a_page(kind in kinds(), cells in prop::collection::vec(any::<u64>(), 0..30)) {
            for cells in [Cells::W1(vec![7; 3]), Cells::W2(vec![9]), Cells::W4(vec![1; 5]), Cells::W8(cells)] {
                let _ = cells_to_page(&kind, &cells);
            }
        }
    }

    #[test]
    fn every_half_comes_back() {
        for h in 0..=u16::MAX {
            assert_eq!(single_to_half(half_to_single(h)), h, "{h:#x}");
        }
        assert_eq!(half_to_single(0x3c00), 1f32.to_bits());
        assert_eq!(half_to_single(0x0001), (2f32.powi(-24)).to_bits());
        assert_eq!(half_to_single(0xfbff), (-65504f32).to_bits());
        assert_eq!(half_to_single(0x7c00), f32::INFINITY.to_bits());
    }

    #[test]
    fn pages_as_the_format_says() {
        let of = |n, bits| Kind::from_disk(n, bits, None);
        // split + zigzag: 1, -1 -> 2, 1 -> planes
        let page = [2u8, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(page_to_cells(&of(0x13, 32), &page, 2).unwrap(), Cells::W4(vec![1, u32::MAX]));
        // split + delta: ends of lists 1, 1, 3
        let page = [1u8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(page_to_cells(&of(0x1a, 32), &page, 3).unwrap(), Cells::W4(vec![1, 1, 3]));
        // bits, the first lowest
        assert_eq!(page_to_cells(&of(0, 1), &[0b101], 3).unwrap(), Cells::W1(vec![1, 0, 1]));
        // the first 16 bits of 1.0 and -2.0
        let page = [0x80, 0x3f, 0x00, 0xc0];
        let expected = Cells::W4(vec![1f32.to_bits(), (-2f32).to_bits()]);
        assert_eq!(page_to_cells(&of(0x1c, 16), &page, 2).unwrap(), expected);
        let quant = Kind::from_disk(0x1d, 8, Some((0.0, 255.0)));
        let expected = Cells::W4(vec![3f32.to_bits(), 255f32.to_bits()]);
        assert_eq!(page_to_cells(&quant, &[3, 255], 2).unwrap(), expected);
    }
}
