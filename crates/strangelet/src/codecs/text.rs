//! Text: the next bit from everything before it.

use crate::codec::{Codec, Level, Shape, Stream};
use crate::column::{Cells, Scalar};
use crate::entropy::binary::{BitCoder, Decoder, Encoder};
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::model::bytes::{Frames, Model};
use crate::transform::hex;

/// Mixed contexts for bytes.
pub struct Text;

/// Bytes on which ways to frame are tried.
const SAMPLE: usize = 1 << 14;
/// Records that an encoder looks for are no wider.
const LIKELY: usize = 256;
/// Bytes after which a decoder looks whether there is any payload left.
const LOOK: usize = 256;

fn coded(bytes: &[u8], frames: Frames) -> Vec<u8> {
    let mut model = Model::primed(frames, bytes.len());
    let mut c = Encoder::new();
    for &b in bytes {
        model.code(&mut c, b);
    }
    c.finish()
}

/// Distance at which most bytes are equal, where many are.
fn stride(bytes: &[u8]) -> Option<usize> {
    let piece = &bytes[(bytes.len() - bytes.len().min(SAMPLE)) / 2..][..bytes.len().min(SAMPLE)];
    let equal = |s: usize| piece[s..].iter().zip(piece).filter(|(a, b)| a == b).count();
    let most = LIKELY.min(piece.len() / 4);
    let near = (2..=most).map(equal).sum::<usize>() / most.max(1);
    (2..=most)
        .map(|s| (equal(s), s))
        .max_by_key(|&(n, s)| (n, usize::MAX - s))
        .filter(|x| x.0 > near + near / 8)
        .map(|x| x.1)
}

/// What the bytes may be made of.
fn likely(bytes: &[u8]) -> Vec<Frames> {
    let piece = &bytes[(bytes.len() - bytes.len().min(SAMPLE)) / 2..][..bytes.len().min(SAMPLE)];
    let mut frames = Vec::new();
    let counts = piece.windows(3).filter(|w| w[0] == 0x40 && w[1] == 0).count();
    let printed = piece.iter().filter(|b| matches!(b, b' '..=b'~' | b'\n' | b'\r' | b'\t')).count();
    if counts > piece.len() / 256 {
        frames.push(Frames::Objects);
    }
    if printed > piece.len() / 2 || frames.is_empty() {
        frames.push(Frames::Lines);
    }
    if counts <= piece.len() / 64
        && let Some(s) = stride(bytes)
    {
        frames.push(Frames::Records(s));
    }
    frames
}

fn best(bytes: &[u8]) -> Frames {
    let piece = &bytes[(bytes.len() - bytes.len().min(SAMPLE)) / 2..][..bytes.len().min(SAMPLE)];
    let frames = likely(bytes);
    if let [only] = frames[..] {
        return only;
    }
    frames.into_iter().min_by_key(|&f| coded(piece, f).len()).unwrap_or(Frames::Lines)
}

impl Codec for Text {
    fn id(&self) -> u8 {
        super::TEXT
    }
    fn name(&self) -> &'static str {
        "text"
    }
    fn encode(&self, stream: &Stream, level: Level, out: &mut Vec<u8>) -> Result<bool> {
        let Cells::W1(bytes) = stream.cells else { return Ok(false) };
        if level == Level::Fast || bytes.is_empty() || stream.scalar != Scalar::U8 {
            return Ok(false);
        }
        let short = hex::shorten(bytes);
        let inner = short.as_ref().map_or(bytes.as_slice(), |s| &s.0);
        let frames = best(inner);
        let (kind, width) = match frames {
            Frames::Lines => (0, None),
            Frames::Objects => (1, None),
            Frames::Records(s) => (2, Some(s)),
        };
        out.push(kind | (short.is_some() as u8) << 2);
        if let Some(width) = width {
            put(out, width as u64);
        }
        if let Some((short, marks)) = &short {
            out.extend(marks);
            put(out, short.len() as u64);
        }
        out.extend(coded(inner, frames));
        Ok(true)
    }
    fn decode(&self, payload: &[u8], shape: Shape, _needed: &[&Cells]) -> Result<Cells> {
        if shape.scalar.width() != 1 {
            return Err(corruption("text: wider cells"));
        }
        let mut c = Cursor::new(payload);
        let kind = c.byte()?;
        let frames = match kind & 3 {
            0 => Frames::Lines,
            1 => Frames::Objects,
            2 => match c.varint()? {
                s @ 1..=0x1_0000 => Frames::Records(s as usize),
                _ => return Err(corruption("text: a bad width of records")),
            },
            _ => return Err(corruption("text: an unknown frame")),
        };
        if kind >> 3 != 0 {
            return Err(corruption("text: unknown flags"));
        }
        let (mut count, mut marks) = (shape.count, None);
        if kind & 4 != 0 {
            marks = Some([c.byte()?, c.byte()?]);
            count = c.varint()?.try_into().unwrap_or(usize::MAX);
            if count > shape.count {
                return Err(corruption("text: more short bytes than bytes"));
            }
        }
        let mut bytes = Vec::new();
        if count > 0 {
            let mut model = Model::primed(frames, count);
            let mut d = Decoder::new(c.rest());
            for i in 0..count {
                model.code(&mut d, 0);
                if i % LOOK == 0 && d.exhausted() {
                    return Err(corruption("text: the payload ends too early"));
                }
            }
            bytes = model.into_coded();
        }
        if let Some(marks) = marks {
            bytes = hex::lengthen(&bytes, marks, shape.count).unwrap_or_default();
        }
        if bytes.len() != shape.count {
            return Err(corruption("text: another number of bytes"));
        }
        Ok(Cells::W1(bytes))
    }
}
