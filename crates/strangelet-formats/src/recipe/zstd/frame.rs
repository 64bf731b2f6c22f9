//! Frames: their head, their blocks.

use super::block::{Kept, MOST, Packed, Recent};
use super::search::equal;

/// First bytes of a frame.
pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A frame, read.
pub(super) struct Frame {
    /// Bytes between the magic number and the first block.
    pub head: Vec<u8>,
    pub blocks: Vec<Block>,
    pub checksum: bool,
}

/// Kinds of blocks.
pub(super) const RAW: u32 = 0;
pub(super) const RUN: u32 = 1;
pub(super) const PACKED: u32 = 2;
/// Shorter blocks are stored.
pub(super) const SHORT: usize = 7;

/// A block, read.
pub(super) struct Block {
    pub len: usize,
    pub last: bool,
    pub body: Body,
}

/// What a block is made of.
pub(super) enum Body {
    Raw,
    Run,
    Packed(Packed),
}

impl Frame {
    /// Reads a frame that stands for `content`. None where it does not, or is beyond what zstd writes.
    pub fn read(bytes: &[u8], content: &[u8]) -> Option<Frame> {
        let rest = bytes.strip_prefix(&MAGIC)?;
        let &descriptor = rest.first()?;
        if descriptor & 0x0b != 0 {
            return None;
        }
        let single = descriptor >> 5 & 1 == 1;
        let told = [usize::from(single), 2, 4, 8][usize::from(descriptor >> 6)];
        let (head, mut rest) = rest.split_at_checked(1 + usize::from(!single) + told)?;
        let checksum = descriptor & 4 != 0;
        let (mut blocks, mut kept, mut at) = (Vec::new(), Kept::default(), 0);
        let mut recent = Recent::START;
        loop {
            let (&[a, b, c], behind) = rest.split_first_chunk()?;
            let word = u32::from_le_bytes([a, b, c, 0]);
            let size = (word >> 3) as usize;
            let last = word & 1 == 1;
            let (len, body);
            match word >> 1 & 3 {
                0 => {
                    let (raw, behind) = behind.split_at_checked(size)?;
                    if content.get(at..at + size)? != raw {
                        return None;
                    }
                    (len, body, rest) = (size, Body::Raw, behind);
                }
                1 => {
                    let (&byte, behind) = behind.split_first()?;
                    if size > MOST || content.get(at..at + size)?.iter().any(|&b| b != byte) {
                        return None;
                    }
                    (len, body, rest) = (size, Body::Run, behind);
                }
                2 => {
                    let (data, behind) = behind.split_at_checked(size)?;
                    let (packed, literals) = Packed::read(data, &mut kept)?;
                    let mut end = at;
                    let mut left = &literals[..];
                    for s in &packed.sequences {
                        let (now, later) = left.split_at_checked(s.literals as usize)?;
                        let distance = recent.take(s)? as usize;
                        let start = end + now.len();
                        if content.get(end..start)? != now
                            || s.length < 3
                            || start + s.length as usize > content.len()
                            || distance > start
                            || equal(content, start, distance, start + s.length as usize) < s.length as usize
                        {
                            return None;
                        }
                        (left, end) = (later, start + s.length as usize);
                    }
                    if content.get(end..end + left.len())? != left {
                        return None;
                    }
                    end += left.len();
                    (len, body, rest) = (end - at, Body::Packed(packed), behind);
                }
                _ => return None,
            }
            if len > MOST || len == 0 && !last {
                return None;
            }
            at += len;
            blocks.push(Block { len, last, body });
            if last {
                break;
            }
        }
        let tail = if checksum { 4 } else { 0 };
        (at == content.len() && rest.len() == tail).then_some(Frame { head: head.to_vec(), blocks, checksum })
    }
}

/// The bytes between magic number and first block that zstd writes.
pub(super) fn usual_head(len: usize, window: u32, checksum: bool) -> Vec<u8> {
    let single = len <= 1 << window;
    let bytes = (len as u64).to_le_bytes();
    let [low, high, ..] = (len as u64).wrapping_sub(256).to_le_bytes();
    let two = [low, high];
    let (code, told) = match len {
        ..256 if single => (0u8, bytes.get(..1)),
        ..256 => (0, None),
        256..0x1_0100 => (1, Some(&two[..])),
        0x1_0100..0xffff_ffff => (2, bytes.get(..4)),
        _ => (3, Some(&bytes[..])),
    };
    let mut head = vec![code << 6 | u8::from(single) << 5 | u8::from(checksum) << 2];
    if !single {
        head.push((window as u8).saturating_sub(10) << 3);
    }
    head.extend(told.unwrap_or_default());
    head
}
