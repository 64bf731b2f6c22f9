//! Zip files whose members are stored as they are, written afresh: their values may change, and the checksums follow.

use super::Member;
use crate::wrap::Part;
use crate::wrap::stream;
use strangelet::error::{Result, corruption, unsupported};
use strangelet::source::{Source, Spool, Target};

/// Bytes of a member that are looked at in one piece.
const PIECE: u64 = 1 << 20;
/// 1980-01-01, as NumPy writes it.
const DATE: u16 = 33;
/// Bytes of a local header before the name, and the place of the checksum in it.
const LOCAL: (u64, u64) = (30, 14);
/// The same in the central directory.
const CENTRAL: (u64, u64) = (46, 16);

/// The members of a zip file in a new one, stored. Names and contents stay; dates, comments and extra fields go.
pub fn loosen(source: &dyn Source, members: &[Member]) -> Result<Spool> {
    let mut out = Spool::new(u64::from(u32::MAX));
    let mut directory = Vec::new();
    for member in members {
        let packed = Part { source, from: member.start, len: member.compressed };
        let mut inflated = Spool::new(member.content);
        let content: &dyn Source = match member.method {
            0 => &packed,
            8 => {
                let end = stream::inflate_deflate(source, member.start, &mut inflated)?;
                if end != member.start + member.compressed || inflated.len() != member.content {
                    return Err(corruption(format!("zip: member {} is damaged", member.name)));
                }
                &inflated
            }
            other => return Err(unsupported(format!("zip: member {} (method {other})", member.name))),
        };
        let place = short(out.len())?;
        let mut common = Vec::new();
        for field in [20, 1 << 11, 0, 0, DATE] {
            common.extend_from_slice(&u16::to_le_bytes(field)); // version, UTF-8, stored, time, date
        }
        common.extend_from_slice(&checksum(content)?.to_le_bytes());
        common.extend_from_slice(&short(content.len())?.to_le_bytes());
        common.extend_from_slice(&short(content.len())?.to_le_bytes());
        let name = member.name.as_bytes();
        let length = u16::try_from(name.len()).map_err(|_| unsupported("zip: a name too long"))?;
        common.extend_from_slice(&length.to_le_bytes());
        common.extend_from_slice(&[0; 2]); // no extra field
        out.append(b"PK\x03\x04")?;
        out.append(&common)?;
        out.append(name)?;
        let mut at = 0;
        while at < content.len() {
            let bytes = content.range(at, PIECE.min(content.len() - at))?;
            out.append(&bytes)?;
            at += bytes.len() as u64;
        }
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]); // comment, disk, attributes
        directory.extend_from_slice(&place.to_le_bytes());
        directory.extend_from_slice(name);
    }
    let (place, len) = (short(out.len())?, short(directory.len() as u64)?);
    let count = u16::try_from(members.len()).map_err(|_| unsupported("zip: too many members"))?;
    out.append(&directory)?;
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend_from_slice(&count.to_le_bytes());
    end.extend_from_slice(&count.to_le_bytes());
    end.extend_from_slice(&len.to_le_bytes());
    end.extend_from_slice(&place.to_le_bytes());
    end.extend_from_slice(&[0; 2]);
    out.append(&end)?;
    Ok(out)
}

/// Sets the checksums of all members of such a file right.
pub fn mend(file: &mut Spool, members: &[Member]) -> Result<()> {
    let mut central = members.last().map_or(0, |m| m.start + m.compressed);
    for member in members {
        let sum =
            checksum(&Part { source: &*file, from: member.start, len: member.compressed })?.to_le_bytes();
        let name = member.name.len() as u64;
        let local = member.start.checked_sub(LOCAL.0 + name);
        let local = local.ok_or_else(|| corruption("zip: a member without a header"))?;
        file.write_at(local + LOCAL.1, &sum)?;
        file.write_at(central + CENTRAL.1, &sum)?;
        central += CENTRAL.0 + name;
    }
    Ok(())
}

fn short(n: u64) -> Result<u32> {
    u32::try_from(n).ok().filter(|&n| n < u32::MAX).ok_or_else(|| unsupported("zip: more than 4 GiB"))
}

fn checksum(content: &dyn Source) -> Result<u32> {
    let mut crc = flate2::Crc::new();
    let mut at = 0;
    while at < content.len() {
        let bytes = content.range(at, PIECE.min(content.len() - at))?;
        crc.update(&bytes);
        at += bytes.len() as u64;
    }
    Ok(crc.sum())
}
