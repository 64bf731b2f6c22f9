//! Column types: numbers on disk, bits, and what their elements become as cells.

use strangelet::column::Scalar;

/// What an element of a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// One bit.
    Bit,
    /// An uninterpreted byte.
    Byte,
    /// A character.
    Char,
    /// A signed integer of 8, 16, 32 or 64 bits.
    Int,
    /// An unsigned integer of 8, 16, 32 or 64 bits.
    UInt,
    /// IEEE binary16.
    Real16,
    /// IEEE binary32.
    Real32,
    /// IEEE binary64.
    Real64,
    /// The first 10 to 31 bits of an IEEE binary32.
    Real32Trunc,
    /// An integer of 1 to 32 bits that stands for a place in a range.
    Real32Quant,
    /// End of a list, counted from the start of the cluster, in 32 or 64 bits.
    Index,
    /// A 64-bit index and a 32-bit tag of the member of a variant.
    Switch,
    /// A type that this build does not know.
    Unknown,
}

/// Type of a column: its element, its bits, and whether its pages are stored as byte planes (with
/// zigzag for signed integers, with differences for indexes).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kind {
    /// What an element is.
    pub element: Element,
    /// Bits of an element on disk.
    pub bits: u16,
    /// Whether pages are byte planes.
    pub split: bool,
    /// Range of the values of a quantised column.
    pub range: Option<(f64, f64)>,
}

impl Kind {
    /// The type with this number on disk; [`Element::Unknown`] where number and bits make no known type.
    pub fn from_disk(number: u16, bits: u16, range: Option<(f64, f64)>) -> Kind {
        use Element::*;
        let (element, low, high, split) = match number {
            0x00 => (Bit, 1, 1, false),
            0x01 => (Byte, 8, 8, false),
            0x02 => (Char, 8, 8, false),
            0x03 => (Int, 8, 8, false),
            0x04 => (UInt, 8, 8, false),
            0x05 => (Int, 16, 16, false),
            0x06 => (UInt, 16, 16, false),
            0x07 => (Int, 32, 32, false),
            0x08 => (UInt, 32, 32, false),
            0x09 => (Int, 64, 64, false),
            0x0a => (UInt, 64, 64, false),
            0x0b => (Real16, 16, 16, false),
            0x0c => (Real32, 32, 32, false),
            0x0d => (Real64, 64, 64, false),
            0x0e => (Index, 32, 32, false),
            0x0f => (Index, 64, 64, false),
            0x10 => (Switch, 96, 96, false),
            0x11 => (Int, 16, 16, true),
            0x12 => (UInt, 16, 16, true),
            0x13 => (Int, 32, 32, true),
            0x14 => (UInt, 32, 32, true),
            0x15 => (Int, 64, 64, true),
            0x16 => (UInt, 64, 64, true),
            0x17 => (Real16, 16, 16, true),
            0x18 => (Real32, 32, 32, true),
            0x19 => (Real64, 64, 64, true),
            0x1a => (Index, 32, 32, true),
            0x1b => (Index, 64, 64, true),
            0x1c => (Real32Trunc, 10, 31, false),
            0x1d => (Real32Quant, 1, 32, false),
            _ => (Unknown, 0, u16::MAX, false),
        };
        let known = (low..=high).contains(&bits) && (element != Real32Quant || range.is_some());
        Kind { element: if known { element } else { Unknown }, bits, split, range }
    }

    /// Type of the cells: binary16 and truncated floats become binary32, quantised ones binary32 where
    /// its steps are at most half those of the quantisation, else binary64. An index is an unsigned
    /// integer. `None` for a switch, which becomes two columns, and for unknown types.
    pub fn scalar(&self) -> Option<Scalar> {
        Some(match (self.element, self.bits) {
            (Element::Bit, _) => Scalar::Bool,
            (Element::Byte | Element::Char, _) => Scalar::U8,
            (Element::Int, 8) => Scalar::I8,
            (Element::Int, 16) => Scalar::I16,
            (Element::Int, 32) => Scalar::I32,
            (Element::Int, _) => Scalar::I64,
            (Element::UInt, 8) => Scalar::U8,
            (Element::UInt, 16) => Scalar::U16,
            (Element::UInt | Element::Index, 32) => Scalar::U32,
            (Element::UInt | Element::Index, _) => Scalar::U64,
            (Element::Real16 | Element::Real32 | Element::Real32Trunc, _) => Scalar::F32,
            (Element::Real64, _) => Scalar::F64,
            (Element::Real32Quant, _) => {
                if self.quantum_fits_f32() {
                    Scalar::F32
                } else {
                    Scalar::F64
                }
            }
            (Element::Switch | Element::Unknown, _) => return None,
        })
    }

    /// Bytes of the content of a page of so many elements; `None` where no page is that long.
    pub fn page_bytes(&self, elements: u64) -> Option<usize> {
        let bits = elements.checked_mul(self.bits as u64)?;
        usize::try_from(bits.div_ceil(8)).ok()
    }

    fn quantum_fits_f32(&self) -> bool {
        let Some((min, max)) = self.range else { return false };
        let steps = (1u64 << self.bits.min(32)) as f64;
        let largest = min.abs().max(max.abs());
        (max - min) / steps >= largest / (1 << 22) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_their_bits() {
        assert_eq!(Kind::from_disk(0x18, 32, None).scalar(), Some(Scalar::F32));
        assert_eq!(Kind::from_disk(0x18, 31, None).element, Element::Unknown);
        assert_eq!(Kind::from_disk(0x1d, 8, None).element, Element::Unknown);
        assert_eq!(Kind::from_disk(0x1d, 12, Some((-1.0, 1.0))).scalar(), Some(Scalar::F32));
        assert_eq!(Kind::from_disk(0x1d, 20, Some((1000.0, 1001.0))).scalar(), Some(Scalar::F64));
        assert_eq!(Kind::from_disk(0x1e, 8, None).element, Element::Unknown);
        assert_eq!(Kind::from_disk(0, 1, None).page_bytes(9), Some(2));
        assert_eq!(Kind::from_disk(9, 64, None).page_bytes(u64::MAX), None);
    }
}
