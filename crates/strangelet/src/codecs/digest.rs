//! Digest: rows that are the MD5 sum of the rows of another stream.
//!
//! # What it does
//! Names another stream of the same chunk, whose lists of bytes have these sums, and stores nothing else.
//!
//! # When it wins
//! Where a framework names things by the sum of their text: CMS files carry thousands of parameter sets
//! with their MD5 beside them, 16 bytes each that no other model can foretell.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | 1 | kind of sum: 0 for MD5 |
//! | varint | number of the other stream: the values of a column of byte lists, not those of this column; the lengths of its innermost lists are the stream before it. It may come later in the chunk |
//!
//! The cells are the sums (16 bytes each) of those lists in their order.
//!
//! # References
//! R. Rivest, The MD5 Message-Digest Algorithm, RFC 1321.

use crate::codec::{Codec, Level, Role, Shape, Stream};
use crate::column::{Cells, Meaning};
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::limits;
use md5::{Digest as _, Md5};

/// Bytes of a sum.
const SUM: usize = 16;
/// Kind of sum.
const MD5: u8 = 0;

/// Sums of another stream's rows.
pub struct Digest;

/// For each stream the one whose sums it holds, if there is one.
pub fn find(streams: &[Stream]) -> Vec<Option<usize>> {
    fn source<'a>(s: &Stream<'a>) -> Option<(&'a [u8], &'a [u32])> {
        match (s.role, s.cells, s.lists) {
            (Role::Values(Meaning::Bytes | Meaning::Text), Cells::W1(bytes), Some(lists)) => {
                Some((bytes, lists))
            }
            _ => None,
        }
    }
    let holds = |i: usize| {
        let Cells::W1(sums) = streams[i].cells else { return None };
        let all = |lists: &[u32]| lists.iter().all(|&n| n as usize == SUM);
        let shaped = streams[i].inner == SUM as u64 || streams[i].lists.is_some_and(all);
        if !shaped || sums.len() < 2 * SUM || sums.len() % SUM != 0 {
            return None;
        }
        streams.iter().enumerate().position(|(j, s)| {
            j != i
                && source(s).is_some_and(|(bytes, lists)| {
                    lists.len() == sums.len() / SUM && sums_of(bytes, lists, sums)
                })
        })
    };
    let mut found: Vec<Option<usize>> = (0..streams.len()).map(holds).collect();
    // Sums of sums would have to be told apart from circles: only what stands for itself is a source.
    for i in 0..found.len() {
        if let Some(j) = found[i]
            && found[j].is_some()
        {
            found[i] = None;
        }
    }
    found
}

/// Whether these are the sums of the lists.
fn sums_of(bytes: &[u8], lists: &[u32], sums: &[u8]) -> bool {
    let mut rest = bytes;
    lists.iter().zip(sums.chunks_exact(SUM)).all(|(&n, sum)| {
        let Some((row, behind)) = rest.split_at_checked(n as usize) else { return false };
        rest = behind;
        Md5::digest(row).as_slice() == sum
    })
}

/// The payload that names a stream.
pub fn payload(stream: usize) -> Vec<u8> {
    let mut out = vec![MD5];
    put(&mut out, stream as u64);
    out
}

impl Codec for Digest {
    fn id(&self) -> u8 {
        super::DIGEST
    }
    fn name(&self) -> &'static str {
        "digest"
    }
    fn derives(&self) -> bool {
        true
    }
    fn looks_ahead(&self) -> bool {
        true
    }
    fn needs(&self, payload: &[u8]) -> Result<Vec<usize>> {
        let mut c = Cursor::new(payload);
        if c.byte()? != MD5 {
            return Err(corruption("digest: no such sum"));
        }
        let n = usize::try_from(c.varint()?).ok().filter(|n| *n > 0);
        let n = n.ok_or_else(|| corruption("digest: no such stream"))?;
        if !c.rest().is_empty() {
            return Err(corruption("digest: bytes behind the payload"));
        }
        Ok(vec![n - 1, n])
    }
    fn encode(&self, _stream: &Stream, _level: Level, _out: &mut Vec<u8>) -> Result<bool> {
        Ok(false) // only the selection sees the whole chunk
    }
    fn decode(&self, _payload: &[u8], shape: Shape, needed: &[&Cells]) -> Result<Cells> {
        let (Some(Cells::W4(lists)), Some(Cells::W1(bytes))) = (needed.first(), needed.get(1)) else {
            return Err(corruption("digest: the other stream holds no lists of bytes"));
        };
        if shape.scalar.width() != 1 || lists.len().checked_mul(SUM) != Some(shape.count) {
            return Err(corruption("digest: another number of sums"));
        }
        let mut sums = limits::reserve(shape.count);
        let mut rest = bytes.as_slice();
        for &n in lists {
            let (row, behind) =
                rest.split_at_checked(n as usize).ok_or_else(|| corruption("digest: rows too short"))?;
            rest = behind;
            sums.extend_from_slice(&Md5::digest(row));
        }
        if !rest.is_empty() {
            return Err(corruption("digest: bytes behind the rows"));
        }
        Ok(Cells::W1(sums))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Scalar;

    #[test]
    fn rows_that_are_sums_of_other_rows_are_found_and_made_again() {
        let rows = ["", "a", "a longer row of text"];
        let text = Cells::W1(rows.concat().into_bytes());
        let lists: Vec<u32> = rows.iter().map(|r| r.len() as u32).collect();
        let mut sums: Vec<u8> = rows.iter().flat_map(Md5::digest).collect();
        assert_eq!(sums[..4], [0xd4, 0x1d, 0x8c, 0xd9], "RFC 1321, A.5");
        let (lengths, whole) = (Cells::W4(lists.clone()), Cells::W1(sums.clone()));
        let role = Role::Values(Meaning::Text);
        let stream =
            |cells, role, lists| Stream { cells, scalar: Scalar::U8, role, lists, inner: 1, dims: &[] };
        let sixteen = [SUM as u32; 3];
        let streams = [
            stream(&whole, role, Some(&sixteen[..])),
            stream(&lengths, Role::Lengths, None),
            stream(&text, role, Some(&lists)),
        ];
        assert_eq!(find(&streams), [Some(2), None, None]);
        let payload = payload(2);
        assert_eq!(Digest.needs(&payload).unwrap(), [1, 2]);
        let shape = Shape { scalar: Scalar::U8, count: 3 * SUM };
        assert_eq!(Digest.decode(&payload, shape, &[&lengths, &text]).unwrap(), whole);
        let short = Cells::W1(vec![0; 3]);
        assert!(Digest.decode(&payload, shape, &[&lengths, &short]).is_err());
        assert!(Digest.decode(&payload, Shape { count: 16, ..shape }, &[&lengths, &text]).is_err());
        sums[17] ^= 1;
        let whole = Cells::W1(sums);
        let streams = [stream(&whole, role, Some(&sixteen)), streams[1], streams[2]];
        assert_eq!(find(&streams), [None; 3]);
    }
}
