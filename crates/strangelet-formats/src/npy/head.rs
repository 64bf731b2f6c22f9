//! The header as NumPy itself writes it: nothing but the type, the order and the shape has to be kept.
//!
//! As a piece of a plan (kind 5; its place is 0, its length that of the header): a byte, the version of the format (1 to 3), and 128 where the array
//! is in Fortran order; the number of bytes of the type's name (a varint, at most 16) and these; the number of axes (a varint, at most 32) and the cells
//! along each (varints). The header is the magic, the version and a zero byte, the number of bytes that follow (u16 for version 1, else u32; little-endian), then
//! `{'descr': 'TYPE', 'fortran_order': ORDER, 'shape': (SHAPE), }` with `True` or `False` and the axes behind each other with `, ` between (one axis
//! with a comma behind it), blanks, and a line feed as the last byte.

use super::literal::{self, Value};
use super::{Header, MAGIC, MAX_HEADER};
use strangelet::error::{Result, corruption};
use strangelet::format::varint::{Cursor, put};
use strangelet::source::Source;

/// Longest name of a type.
const MAX_TYPE: usize = 16;
/// Most axes.
const MAX_AXES: usize = 32;

/// What such a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    version: u8,
    descr: Vec<u8>,
    fortran: bool,
    shape: Vec<u32>,
}

impl Head {
    /// That of an array whose first cell is at `len`, where NumPy would have written just these bytes.
    pub fn of(source: &dyn Source, len: u64) -> Result<Option<Head>> {
        let bytes = source.range(0, len)?;
        let Some(&version) = bytes.get(6) else { return Ok(None) };
        let Header { fortran, shape, .. } = Header::read(source)?;
        let text = bytes.get(if version == 1 { 10 } else { 12 }..).map(String::from_utf8_lossy);
        let Some(Value::Text(descr)) = text.and_then(|t| literal::parse(&t).ok()?.get("descr").cloned())
        else {
            return Ok(None);
        };
        let head = Head { version, descr: descr.into_bytes(), fortran, shape };
        let same = head.valid() && head.bytes(len).is_ok_and(|b| b == bytes);
        Ok(same.then_some(head))
    }

    fn valid(&self) -> bool {
        let plain = |b: &u8| b.is_ascii_graphic() && !b"'\"\\".contains(b);
        (1..=3).contains(&self.version)
            && self.descr.len() <= MAX_TYPE
            && self.descr.iter().all(plain)
            && self.shape.len() <= MAX_AXES
    }

    /// The bytes, so many that an array may follow.
    pub fn bytes(&self, len: u64) -> Result<Vec<u8>> {
        let shape: Vec<String> = self.shape.iter().map(|n| n.to_string()).collect();
        let shape = if let [one] = &shape[..] { format!("{one},") } else { shape.join(", ") };
        let order = if self.fortran { "True" } else { "False" };
        let descr = String::from_utf8_lossy(&self.descr);
        let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
        let (from, most) = if self.version == 1 { (10, u16::MAX.into()) } else { (12, MAX_HEADER) };
        let rest = len.checked_sub(from).filter(|&n| n > text.len() as u64 && n <= most);
        let rest = rest.ok_or_else(|| corruption("npy: a header of a strange length"))?;
        let mut out = MAGIC.to_vec();
        out.extend([self.version, 0]);
        match self.version {
            1 => out.extend((rest as u16).to_le_bytes()),
            _ => out.extend((rest as u32).to_le_bytes()),
        }
        out.extend_from_slice(text.as_bytes());
        out.resize(len as usize - 1, b' ');
        out.push(b'\n');
        Ok(out)
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.version | u8::from(self.fortran) << 7);
        put(out, self.descr.len() as u64);
        out.extend_from_slice(&self.descr);
        put(out, self.shape.len() as u64);
        self.shape.iter().for_each(|&d| put(out, d.into()));
    }

    /// Reads what [`Head::write`] wrote.
    pub fn read(c: &mut Cursor) -> Result<Head> {
        let wrong = || corruption("npy: a header that cannot be");
        let first = c.byte()?;
        let n = c.count()?;
        if n > MAX_TYPE {
            return Err(wrong());
        }
        let descr = c.take(n)?.to_vec();
        let axes = c.count()?;
        if axes > MAX_AXES {
            return Err(wrong());
        }
        let axis = |c: &mut Cursor| u32::try_from(c.varint()?).map_err(|_| wrong());
        let shape = (0..axes).map(|_| axis(c)).collect::<Result<Vec<u32>>>()?;
        let head = Head { version: first & 0x7f, descr, fortran: first >> 7 > 0, shape };
        if head.valid() { Ok(head) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_numpy_come_back() {
        for (shape, len) in [("(192, 249, 16)", 128), ("(7,)", 80)] {
            let text = format!("{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}, }}");
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((len as u16 - 10).to_le_bytes());
            bytes.extend(text.as_bytes());
            bytes.resize(len - 1, b' ');
            bytes.push(b'\n');
            let head = Head::of(&bytes, len as u64).unwrap().unwrap();
            let mut kept = Vec::new();
            head.write(&mut kept);
            assert!(kept.len() < 16);
            let mut c = Cursor::new(&kept);
            let read = Head::read(&mut c).unwrap();
            assert!(c.rest().is_empty() && read == head);
            assert_eq!(read.bytes(len as u64).unwrap(), bytes);
            assert!(read.bytes(40).is_err());
            (0..kept.len()).for_each(|n| assert!(Head::read(&mut Cursor::new(&kept[..n])).is_err()));
            // Written by somebody else.
            let at = bytes.windows(7).position(|w| w == b": False").unwrap();
            bytes[at..at + 7].copy_from_slice(b":False ");
            assert!(Head::of(&bytes, len as u64).unwrap().is_none());
        }
    }
}
