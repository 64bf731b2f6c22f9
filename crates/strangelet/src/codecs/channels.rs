//! Channels: rows of as many cells as a detector has channels, each channel with numbers of its own.
//!
//! # What it does
//! As `adaptive`, a cell becomes a class and a suffix. What tells of it is its channel: the same channel in the rows before, how its
//! neighbours and the whole row differ from what they usually are, and the same cell of another column. A channel may be dead: all its
//! cells are the same. A calibrated channel counted steps (of an ADC) that were multiplied by its own gain: its cells lie on a comb of
//! values, and only which tooth it is has to be told, even where the values were rounded afterwards.
//!
//! # When it wins
//! At the level `max`, on the images of cameras, the samples of calorimeters and the like: each row lists all channels.
//!
//! # Payload
//! | bytes | what |
//! |---|---|
//! | varint | side S, 2 to 65536: cells of a row |
//! | 1 | bits 0-4: depth D, 0 to 16; bit 5: another stream is needed; bit 6: there are combs |
//! | varint, 1 | where needed: its number in the chunk, the type of its cells |
//! | 2 and more | the plan (see `codecs/plan.rs`), without lag and shift; with combs its map is the ordered one |
//! | 1, 1, 8, 8 | where there are combs: bits of a step's number and of an offset's number (at most 40), least step, distance of steps (IEEE, little-endian) |
//! | .. | bits of `entropy/binary.rs`: the channels, the table of classes (if any cell has one) as in `adaptive`, then the cells |
//! | to the end | raw bits of `entropy/bits.rs`, bytes in reverse order |
//!
//! **A channel**: a decision whether it is dead, if not and where there are combs another whether it has one; counters (limit 30, coded
//! clamped to 16 ..= 65520) by the kind before (0 at first and plain, 1 dead, 2 comb). Of a dead one: a decision (one counter, at
//! half, limit 30) whether its cell is that of the last dead one (0 at first), else the cell as raw bits. Of a comb: the numbers a of its step and b of its
//! offset as raw bits: step = least + a x distance, offset = b x 2^-(bits of b) x step, see `channels/comb.rs`.
//!
//! **A cell** of a dead channel is known. Else, with a comb, first a decision whether it is no tooth (counter by how often that
//! was so in this channel, at most 3; limit 1023). Then its class by decisions from the root of the tree on (as in `adaptive`), its D' first
//! bits of the suffix (as there), and raw bits. With a comb and a tooth, the decisions of the class know how many teeth lie on both sides
//! (from the first key of the range of classes, or of the upper part, to the last): where there are none on one side it is not
//! coded; the suffix has no counters, but one decision for each bit with the share of the teeth as its probability (times
//! 65536, rounded down, clamped to 16 ..= 65520), not coded where one side has none.
//!
//! **Contexts** of the decisions of a class, blended as `model/blend.rs` says. For each channel is kept: its mean m and its spread s
//! (256ths of a class; n = rows before, at most 15: m += (256 rank - m) / (n + 1), then s += (|256 rank - m| - s) / (n + 1), with m from before;
//! at n = 0 s becomes 0; divisions towards zero) and its last rank. For the row: near and slow (both 0 at its
//! beginning), after each cell with d = 256 rank - m (before the update; 0 in the first row): near += (d - near) / 2, slow += (d - slow) / 16.
//! q(x) for a difference is 4 where |x| < 128, else 4 +- (1 from 128 on, 2 from 512 on, 3 from 2048 on, 4 from 8192 on); spread class t: binary digits of (s / 64), at most
//! 9. u is the level (64 levels) of the cell of the needed stream, see `model/levels.rs`.
//!
//! | input | number of the context |
//! |---|---|
//! | 0 | 0 |
//! | 1 | channel |
//! | 2 | rank before in the row (0 at its beginning) |
//! | 3 | (m / 256) x 10 + t |
//! | 4 | ((m / 4096) x 9 + q(near)) x 9 + q(slow) |
//! | 5 | needed: u x 16 + m / 4096; else the last rank of the channel |
//! | 6 | needed: u x 81 + q(near) x 9 + q(slow); else q(near) x 9 + q(slow) |
//! | 7 | none: with a tooth the share of the teeth, as if seen 255 times; else nothing seen |
//!
//! Counter of an input: x = (number x 16 + input) x 0x9E3779B97F4A7C15 modulo 2^64, ((x xor x >> 29) >> 20) + decision, modulo the size of its table: cells x 4
//! rounded up to a power of two, within 2^8 ..= 2^18. The first set of weights is that of the decision (those
//! behind them for teeth), the second that of the row (the binary digits of its number, at most 7). The second guess has the decision as context.
//!
//! # Determinism
//! Integers, and IEEE binary64 `+ - * /` for the teeth.
//!
//! # References
//! MAGIC Collaboration, Signal reconstruction for the MAGIC telescope (2008): calibration of a camera pixel by pixel.

mod cells;
mod comb;
mod search;

use super::adaptive::{Bits, Get, Put, Weight};
use super::plan::{Plan, code_table, count_prefixes};
use crate::codec::{Codec, Level, Shape, Stream};
use crate::column::{Cells, Scalar};
use crate::entropy::binary::{Decoder, Encoder};
use crate::entropy::bits::{BitReader, BitWriter};
use crate::entropy::mix::Counter;
use crate::error::{Result, corruption};
use crate::format::varint::{Cursor, put};
use crate::limits;
use crate::model::levels::levels;
use crate::transform::keys::Map;
use cells::code_cells;
use comb::{Grain, MAX_BITS};

pub use search::encode;

/// Rows of channels.
pub struct Channels;

/// Most cells of a row.
const MAX_SIDE: usize = 1 << 16;
/// Most modelled bits of a suffix.
const MAX_DEPTH: u32 = 16;
/// Levels of a needed stream.
const LEVELS: usize = 64;
/// Most cells.
const MAX_CELLS: usize = 1 << 24;

/// A needed stream, and the type of its cells.
type Need = Option<(usize, Scalar)>;

/// All that the decoder must know beside the bits.
#[derive(Debug, Clone)]
struct Settings {
    side: usize,
    depth: u32,
    need: Need,
    plan: Plan,
    grain: Option<Grain>,
}

impl Settings {
    fn write(&self, out: &mut Vec<u8>) {
        put(out, self.side as u64);
        out.push(self.depth as u8 | u8::from(self.need.is_some()) << 5 | u8::from(self.grain.is_some()) << 6);
        if let Some((stream, scalar)) = self.need {
            put(out, stream as u64);
            out.push(scalar as u8);
        }
        self.plan.write(out);
        if let Some(g) = self.grain {
            out.extend([g.step_bits as u8, g.offset_bits as u8]);
            out.extend(g.least.to_le_bytes());
            out.extend(g.apart.to_le_bytes());
        }
    }

    fn read_head(c: &mut Cursor) -> Result<(usize, u8, Need)> {
        let bad = || corruption("channels: settings that do not exist");
        let side = usize::try_from(c.varint()?).map_err(|_| bad())?;
        let flags = c.byte()?;
        let need = match flags & 32 {
            0 => None,
            _ => Some((usize::try_from(c.varint()?).map_err(|_| bad())?, Scalar::from_id(c.byte()?)?)),
        };
        Ok((side, flags, need))
    }

    fn read(c: &mut Cursor, scalar: Scalar) -> Result<Settings> {
        let bad = || corruption("channels: settings that do not exist");
        let (side, flags, need) = Settings::read_head(c)?;
        let depth = u32::from(flags & 31);
        let plan = Plan::read(c, scalar)?;
        let grain = match flags & 64 {
            0 => None,
            _ => {
                let [step_bits, offset_bits] = c.array()?.map(u32::from);
                let (least, apart) = (f64::from_le_bytes(c.array()?), f64::from_le_bytes(c.array()?));
                Some(Grain { least, apart, step_bits, offset_bits })
            }
        };
        let combs = |g: Grain| {
            g.step_bits.max(g.offset_bits) <= MAX_BITS && plan.map == Map::Ordered && scalar.is_float()
        };
        if !(2..=MAX_SIDE).contains(&side)
            || flags >= 128
            || depth > MAX_DEPTH
            || plan.lag != 0
            || plan.shift != 0
            || plan.map == Map::Integral
            || !grain.is_none_or(combs)
        {
            return Err(bad());
        }
        Ok(Settings { side, depth, need, plan, grain })
    }
}

/// What a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Plain,
    /// All cells are this.
    Dead(u64),
    /// Numbers of step and offset.
    Comb(u64, u64),
}

/// Codes what the channels are; the decoder gets no `given`.
fn code_channels<B: Bits>(
    bits: &mut B,
    settings: &Settings,
    bits_of_cell: u32,
    given: &[Channel],
) -> Vec<Channel> {
    let mut kinds = [[Counter::default(); 2]; 3];
    let mut again = Counter::default();
    let decide = |bits: &mut B, bit: bool, counter: &mut Counter| {
        let bit = bits.code(bit, counter.p_coder());
        counter.update(bit, 30);
        bit
    };
    let (mut before, mut last) = (0, 0);
    let mut all = limits::reserve(settings.side);
    for k in 0..settings.side {
        let own = given.get(k).copied().unwrap_or(Channel::Plain);
        let of_kind = &mut kinds[before];
        let channel = if decide(bits, matches!(own, Channel::Dead(_)), &mut of_kind[0]) {
            let cell = if let Channel::Dead(cell) = own { cell } else { 0 };
            if !decide(bits, cell == last, &mut again) {
                last = bits.raw(cell, bits_of_cell);
            }
            before = 1;
            Channel::Dead(last)
        } else if let Some(g) = settings.grain
            && decide(bits, matches!(own, Channel::Comb(..)), &mut of_kind[1])
        {
            let (step, offset) = if let Channel::Comb(s, o) = own { (s, o) } else { (0, 0) };
            before = 2;
            Channel::Comb(bits.raw(step, g.step_bits), bits.raw(offset, g.offset_bits))
        } else {
            before = 0;
            Channel::Plain
        };
        all.push(channel);
    }
    all
}

fn code_classes<B: Bits>(bits: &mut B, used: &mut Vec<u64>, weights: &mut Vec<u32>) -> Result<()> {
    let mut weight = Weight::new();
    code_table(bits, used, weights, |c, w| Ok(weight.code(c, w)))
}

/// The payload of keys in their frame.
fn encode_with(
    keys: &[u64],
    settings: &Settings,
    scalar: Scalar,
    channels: &[Channel],
    beside: Option<&[u8]>,
) -> Result<Option<Vec<u8>>> {
    let live = |i: usize| !matches!(channels[i % settings.side], Channel::Dead(_));
    let any = channels.iter().any(|c| !matches!(c, Channel::Dead(_)));
    let counted = match any {
        true => count_prefixes(keys, &settings.plan, |i| !live(i)),
        false => Some((Vec::new(), Vec::new())),
    };
    let Some((mut used, mut weights)) = counted else { return Ok(None) };
    weights.iter_mut().for_each(|n| *n = 1 << n.ilog2());
    let mut out = Vec::new();
    settings.write(&mut out);
    let mut bits = Put { coder: Encoder::new(), bits: BitWriter::new() };
    code_channels(&mut bits, settings, scalar.width() as u32 * 8, channels);
    if any {
        code_classes(&mut bits, &mut used, &mut weights)?;
    }
    code_cells(&mut bits, settings, scalar, channels, (&used, &weights), beside, keys, keys.len())?;
    out.extend(bits.coder.finish());
    out.extend(bits.bits.finish().iter().rev());
    Ok(Some(out))
}

impl Codec for Channels {
    fn id(&self) -> u8 {
        super::CHANNELS
    }
    fn name(&self) -> &'static str {
        "channels"
    }
    fn derives(&self) -> bool {
        true
    }
    fn needs(&self, payload: &[u8]) -> Result<Vec<usize>> {
        Ok(Settings::read_head(&mut Cursor::new(payload))?.2.map(|n| n.0).into_iter().collect())
    }
    fn encode(&self, _stream: &Stream, _level: Level, _out: &mut Vec<u8>) -> Result<bool> {
        Ok(false) // only the selection, which sees the whole chunk, knows of the other columns
    }
    fn decode(&self, payload: &[u8], shape: Shape, needed: &[&Cells]) -> Result<Cells> {
        let mut c = Cursor::new(payload);
        let settings = Settings::read(&mut c, shape.scalar)?;
        if shape.count > MAX_CELLS || !shape.count.is_multiple_of(settings.side) {
            return Err(corruption(format!("channels: {} cells in rows of {}", shape.count, settings.side)));
        }
        let beside = match (settings.need, needed) {
            (None, []) => None,
            (Some((_, scalar)), [cells]) if scalar.width() == cells.width() && cells.len() == shape.count => {
                Some(levels(cells, scalar, LEVELS))
            }
            _ => return Err(corruption("channels: a needed stream is of another type")),
        };
        let reversed: Vec<u8> = c.rest().iter().rev().copied().collect();
        let mut bits = Get { coder: Decoder::new(c.rest()), bits: BitReader::new(&reversed) };
        let width = shape.scalar.width() as u32 * 8;
        let channels = code_channels(&mut bits, &settings, width, &[]);
        let (mut used, mut weights) = (Vec::new(), Vec::new());
        if channels.iter().any(|c| !matches!(c, Channel::Dead(_))) {
            code_classes(&mut bits, &mut used, &mut weights)?;
        }
        let tables = (&used[..], &weights[..]);
        let made = code_cells(
            &mut bits,
            &settings,
            shape.scalar,
            &channels,
            tables,
            beside.as_deref(),
            &[],
            shape.count,
        )?;
        // What is known of dead channels is no key, but the cell.
        fn revive<T: Copy>(cells: &mut [T], channels: &[Channel], narrow: impl Fn(u64) -> T) {
            for row in cells.chunks_mut(channels.len().max(1)) {
                for (cell, channel) in row.iter_mut().zip(channels) {
                    if let Channel::Dead(x) = *channel {
                        *cell = narrow(x);
                    }
                }
            }
        }
        let mut cells = settings.plan.cells(made, shape.scalar);
        match &mut cells {
            Cells::W1(v) => revive(v, &channels, |x| x as u8),
            Cells::W2(v) => revive(v, &channels, |x| x as u16),
            Cells::W4(v) => revive(v, &channels, |x| x as u32),
            Cells::W8(v) => revive(v, &channels, |x| x),
        }
        Ok(cells)
    }
}
