//! The anchor: the object under the ntuple's key, which says where header and footer are.

use strangelet::error::{Result, corruption, unsupported};
use xxhash_rust::xxh3::xxh3_64;

/// Where an envelope is: position, stored bytes, and bytes of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Position of the first stored byte in the file.
    pub position: u64,
    /// Bytes in the file.
    pub stored: u64,
    /// Bytes of the content, once inflated.
    pub content: u64,
}

/// The anchor of an ntuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Format version: epoch, major, minor, patch.
    pub version: [u16; 4],
    /// The header envelope.
    pub header: Span,
    /// The footer envelope.
    pub footer: Span,
    /// Longest blob that one key may hold; longer ones are spread over several keys.
    pub max_key_bytes: u64,
}

/// Bytes of the big-endian fields of the anchor, without its checksum.
const FIELDS: usize = 4 * 2 + 7 * 8;
/// Bytes of the byte count and class version before the fields.
const PREFIX: usize = 6;

impl Anchor {
    /// Reads the content of the key (class `ROOT::RNTuple`): byte count and class version, the fields,
    /// and the checksum over the fields.
    ///
    /// # Errors
    /// Corruption where the checksum differs, unsupported for drafts of the format before its third
    /// release candidate.
    pub fn parse(content: &[u8]) -> Result<Anchor> {
        let body = content.get(PREFIX..).unwrap_or_default();
        let (Some(fields), Some(sum)) = (body.get(..FIELDS), body.get(body.len().saturating_sub(8)..)) else {
            return Err(corruption("anchor of the ntuple: too short"));
        };
        let short = |i: usize| u16::from_be_bytes([fields[2 * i], fields[2 * i + 1]]);
        let long =
            |i: usize| -> u64 { fields[8 + 8 * i..16 + 8 * i].iter().fold(0, |v, &b| v << 8 | b as u64) };
        let version = [short(0), short(1), short(2), short(3)];
        if version[0] > 1 || (version[0] == 0 && version[1] < 3) {
            return Err(unsupported(format!("RNTuple format {}.{}", version[0], version[1])));
        }
        if body.len() < FIELDS + 8 {
            return Err(corruption("anchor of the ntuple: too short"));
        }
        let stated = sum.iter().fold(0u64, |v, &b| v << 8 | b as u64);
        if xxh3_64(&body[..body.len() - 8]) != stated {
            return Err(corruption("anchor of the ntuple: checksum differs"));
        }
        Ok(Anchor {
            version,
            header: Span { position: long(0), stored: long(1), content: long(2) },
            footer: Span { position: long(3), stored: long(4), content: long(5) },
            max_key_bytes: long(6),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(version: [u16; 4]) -> Vec<u8> {
        let mut fields: Vec<u8> = version.iter().flat_map(|v| v.to_be_bytes()).collect();
        fields.extend((1u64..=7).flat_map(|v| v.to_be_bytes()));
        let mut out = vec![0x40, 0, 0, 0x4a, 0, 2];
        out.extend(&fields);
        out.extend(xxh3_64(&fields).to_be_bytes());
        out
    }

    #[test]
    fn anchor_comes_back() {
        let a = Anchor::parse(&written([1, 0, 0, 2])).unwrap();
        assert_eq!(a.header, Span { position: 1, stored: 2, content: 3 });
        assert_eq!(a.footer, Span { position: 4, stored: 5, content: 6 });
        assert_eq!(a.max_key_bytes, 7);
    }

    #[test]
    fn broken_or_old_anchors_are_refused() {
        let good = written([1, 0, 0, 0]);
        for i in PREFIX..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 1;
            assert!(Anchor::parse(&bad).is_err(), "byte {i}");
        }
        for n in 0..good.len() {
            assert!(Anchor::parse(&good[..n]).is_err(), "cut at {n}");
        }
        assert!(Anchor::parse(&written([0, 2, 0, 0])).is_err());
    }
}
