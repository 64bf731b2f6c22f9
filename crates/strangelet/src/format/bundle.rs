//! Bundles: a trained model in one file.
//!
//! | field | type |
//! |---|---|
//! | magic; the last byte is the version | `89 53 47 42 0D 0A 1A 01` |
//! | kind | string |
//! | configuration: what the tensors do not say, origin, licence | string (JSON) |
//! | number of tensors; then each: name, number of dimensions, each dimension | varint; string, varint, varint |
//! | the tensors, one behind the other, in C order | f32, little-endian |
//! | xxh3-128 of all bytes before | 16 bytes (the number, little-endian) |
//!
//! `varint` and `string` are those of the container.

use crate::error::{Result, corruption, unsupported};
use crate::format::varint::{Cursor, put};
use xxhash_rust::xxh3::xxh3_128;

/// First bytes of a bundle; the last of them is the version.
pub const MAGIC: [u8; 8] = *b"\x89SGB\r\n\x1a\x01";
/// Most bytes of a bundle that a reader takes.
pub const MAX_BYTES: usize = 1 << 28;

/// Numbers with a shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Name within the bundle.
    pub name: String,
    /// Lengths of the dimensions, outermost first.
    pub shape: Vec<usize>,
    /// As many numbers as the shape says.
    pub data: Vec<f32>,
}

/// A trained model: what kind it is, how it is configured, and its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What can make use of it.
    pub kind: String,
    /// JSON.
    pub config: String,
    /// In the order of the file.
    pub tensors: Vec<Tensor>,
}

impl Model {
    /// The bytes of the bundle.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for text in [&self.kind, &self.config] {
            put(&mut out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        put(&mut out, self.tensors.len() as u64);
        for t in &self.tensors {
            put(&mut out, t.name.len() as u64);
            out.extend_from_slice(t.name.as_bytes());
            put(&mut out, t.shape.len() as u64);
            for &n in &t.shape {
                put(&mut out, n as u64);
            }
        }
        for t in &self.tensors {
            out.extend(t.data.iter().flat_map(|x| x.to_le_bytes()));
        }
        let hash = xxh3_128(&out);
        out.extend_from_slice(&hash.to_le_bytes());
        out
    }

    /// Reads a bundle. Fails where it is of another version, broken, or its hash differs.
    pub fn from_bytes(bytes: &[u8]) -> Result<Model> {
        if bytes.len() > MAX_BYTES {
            return Err(corruption("a bundle that is too large"));
        }
        let (magic, version) = (&MAGIC[..7], MAGIC[7]);
        if bytes.len() < 24 || !bytes.starts_with(magic) {
            return Err(corruption("this is no bundle"));
        }
        if bytes[7] != version {
            return Err(unsupported(format!("a bundle of version {}", bytes[7])));
        }
        let (body, hash) = bytes.split_at(bytes.len() - 16);
        if xxh3_128(body).to_le_bytes() != hash {
            return Err(corruption("the hash of a bundle differs"));
        }
        let mut c = Cursor::new(&body[8..]);
        let (kind, config) = (c.string()?, c.string()?);
        let mut heads = Vec::new();
        for _ in 0..c.count()? {
            let name = c.string()?;
            let mut shape = Vec::new();
            let mut size = 1u64;
            for _ in 0..c.count()? {
                let n = c.varint()?;
                size = size.saturating_mul(n);
                shape.push(n as usize);
            }
            if size > MAX_BYTES as u64 / 4 {
                return Err(corruption(format!("bundle: the tensor {name} is too large")));
            }
            heads.push((name, shape, size as usize));
        }
        let mut tensors = Vec::new();
        for (name, shape, size) in heads {
            let data = c.take(size * 4)?.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            tensors.push(Tensor { name, shape, data });
        }
        if !c.rest().is_empty() {
            return Err(corruption("a bundle with something behind its tensors"));
        }
        Ok(Model { kind, config, tensors })
    }

    /// The tensor of a name with so many dimensions.
    pub fn tensor<const N: usize>(&self, name: &str) -> Result<(&[f32], [usize; N])> {
        let t = self.tensors.iter().find(|t| t.name == name);
        let t = t.ok_or_else(|| corruption(format!("bundle: there is no {name}")))?;
        let shape = t.shape.as_slice().try_into();
        Ok((&t.data, shape.map_err(|_| corruption(format!("bundle: the dimensions of {name}")))?))
    }

    /// Whether there is a tensor of a name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.iter().any(|t| t.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_breaks_loudly() {
        let tensor =
            Tensor { name: "a".into(), shape: vec![2, 3], data: vec![1.0, -2.5, 0.0, 4.0, 1e-9, -0.0] };
        let scalar = Tensor { name: "b".into(), shape: vec![], data: vec![7.0] };
        let model = Model { kind: "test".into(), config: "{}".into(), tensors: vec![tensor, scalar] };
        let bytes = model.to_bytes();
        assert_eq!(Model::from_bytes(&bytes).unwrap(), model);
        let (data, shape) = model.tensor::<2>("a").unwrap();
        assert_eq!((data.len(), shape), (6, [2, 3]));
        assert!(model.tensor::<1>("a").is_err() && model.tensor::<1>("c").is_err());
        for i in 0..bytes.len() {
            assert!(Model::from_bytes(&bytes[..i]).is_err());
            let mut broken = bytes.clone();
            broken[i] ^= 4;
            assert!(Model::from_bytes(&broken).is_err(), "{i}");
        }
    }
}
