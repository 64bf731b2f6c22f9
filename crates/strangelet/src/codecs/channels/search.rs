//! What to code a stream with: its channels, their combs, and what tells of them.

use super::comb::{self, Cells as Allowed, Scale};
use super::{Channel, LEVELS, MAX_SIDE, Settings, encode_with};
use crate::codec::{Role, Stream};
use crate::codecs::adaptive::best_depth;
use crate::codecs::plan::{Plan, count_prefixes};
use crate::column::{Meaning, Scalar};
use crate::error::Result;
use crate::model::levels::levels;
use crate::transform::classes::Cut;
use crate::transform::keys::{Map, forward_bits};

/// Shortest row, and fewest rows.
const SHORTEST: usize = 8;
const FEWEST: usize = 16;

/// Most cells that are worth the time.
const MOST_CELLS: usize = 1 << 22;
/// Cells from which on a part of the rows is tried first.
const MANY: usize = 1 << 15;

/// Cells of a row, where all rows are as long.
fn side_of(stream: &Stream) -> Option<usize> {
    let inner = usize::try_from(stream.inner.max(1)).ok()?;
    let side = match stream.lists {
        Some(lists) => {
            // Some rows may be missing.
            let first = *lists.iter().find(|&&n| n > 0)?;
            lists.iter().all(|&n| n == first || n == 0).then_some(())?;
            usize::try_from(first).ok()?.checked_mul(inner)?
        }
        None => inner,
    };
    let count = stream.cells.len();
    let fits = (SHORTEST..=MAX_SIDE).contains(&side) && count.is_multiple_of(side) && count / side >= FEWEST;
    (fits && count <= MOST_CELLS).then_some(side)
}

/// A payload.
pub struct Made {
    /// The payload.
    pub payload: Vec<u8>,
    /// Whether the cells are on combs: measured, and so told by nothing else.
    pub combs: bool,
}

/// Codes stream `own`, where it has channels and less than `most` bytes come of it; of other streams, one cell for each of its own,
/// those before it may tell of it.
pub fn encode(streams: &[Stream], own: usize, peers: &[usize], most: usize) -> Result<Option<Made>> {
    let Some(stream) = streams.get(own) else { return Ok(None) };
    if stream.role != Role::Values(Meaning::Number) || stream.scalar == Scalar::Bool {
        return Ok(None);
    }
    let Some(side) = side_of(stream) else { return Ok(None) };
    let cells: Vec<u64> = (0..stream.cells.len()).map(|i| stream.cells.get(i).unwrap_or(0)).collect();
    let rows = cells.len() / side;
    let of_channel = |k: usize| cells.iter().skip(k).step_by(side).copied();
    let mut channels: Vec<Channel> = (0..side)
        .map(|k| if of_channel(k).all(|x| x == cells[k]) { Channel::Dead(cells[k]) } else { Channel::Plain })
        .collect();
    let live: Vec<usize> = (0..side).filter(|&k| channels[k] == Channel::Plain).collect();
    let width = stream.scalar.width() as u32 * 8;
    let bits = live.iter().fold(0, |b, &k| of_channel(k).fold(b, |b, x| b | x));
    let dead = if bits == 0 { 0 } else { bits.trailing_zeros() };
    let map = match stream.scalar {
        s if s.is_float() => Map::Ordered,
        s if s.is_signed() => Map::Offset,
        _ => Map::Plain,
    };
    let key = |x: u64| forward_bits(x >> dead, map, width - dead);
    let min = live.iter().filter_map(|&k| of_channel(k).map(key).min()).min().unwrap_or(0);
    let keys: Vec<u64> = cells
        .chunks_exact(side)
        .flat_map(|row| row.iter().zip(&channels))
        .map(|(&x, c)| if *c == Channel::Plain { key(x) - min } else { 0 })
        .collect();
    let mut plan = Plan { dead, map, min, shift: 0, lag: 0, cut: Cut::Linear(0) };
    while !live.is_empty() && count_prefixes(&keys, &plan, |i| channels[i % side] != Channel::Plain).is_none()
    {
        match plan.coarser() {
            Some(coarser) => plan = coarser,
            None => return Ok(None),
        }
    }
    let mut grain = None;
    if stream.scalar.is_float() && rows >= comb::FEWEST {
        let scale = Scale { scalar: stream.scalar, dead };
        let sane = |k: &u64| scale.value(*k).abs() < LARGE;
        let allowed: Vec<Option<Allowed>> = (0..side)
            .map(|k| {
                let keys: Vec<u64> = of_channel(k).map(key).collect();
                (channels[k] == Channel::Plain && keys.iter().all(sane)).then(|| Allowed::new(&keys, scale))
            })
            .collect();
        let lines = comb::find(&allowed);
        if let Some((found, numbers)) = comb::numbers(&allowed, &lines) {
            grain = Some(found);
            for (channel, number) in channels.iter_mut().zip(numbers) {
                if let Some((step, offset)) = number {
                    *channel = Channel::Comb(step, offset);
                }
            }
        }
    }
    let plain: Vec<u64> = keys
        .iter()
        .enumerate()
        .filter(|(i, _)| channels[i % side] == Channel::Plain)
        .map(|(_, &k)| k)
        .collect();
    let depth = if plain.is_empty() { 0 } else { best_depth(&plain, &plan) };
    let plainly = Settings { side, depth, need: None, plan, grain };
    // What is the same in all rows tells nothing.
    let tells = |levels: &[u8]| levels.chunks_exact(side).any(|row| row != &levels[..side]);
    let beside = peers.iter().filter(|&&p| p < own).find_map(|&p| {
        let other = streams.get(p).filter(|s| s.cells.len() == cells.len())?;
        let levels = levels(other.cells, other.scalar, LEVELS);
        tells(&levels).then_some((Settings { need: Some((p, other.scalar)), ..plainly.clone() }, levels))
    });
    let mut ways = vec![(&plainly, None)];
    ways.extend(beside.iter().map(|(settings, levels)| (settings, Some(&levels[..]))));
    let size = |payload: &Option<Vec<u8>>| payload.as_ref().map_or(usize::MAX, Vec::len);
    if cells.len() >= MANY {
        // The first rows say which way, and whether it is worth it: they are short to learn from.
        let some = rows.div_ceil(5).max(FEWEST) * side;
        let tried = ways.iter().map(|&(settings, beside)| {
            encode_with(&keys[..some.min(keys.len())], settings, stream.scalar, &channels, beside)
        });
        let tried = tried.map(|t| Ok(size(&t?))).collect::<Result<Vec<usize>>>()?;
        let least = tried.iter().copied().min().unwrap_or(usize::MAX);
        if least.saturating_mul(cells.len() / 64) / (some / 64) > most.saturating_add(most / 6) {
            return Ok(None);
        }
        let mut sizes = tried.into_iter();
        ways.retain(|_| sizes.next() == Some(least));
        ways.truncate(1);
    }
    let mut best = None;
    for (settings, beside) in ways {
        let made = encode_with(&keys, settings, stream.scalar, &channels, beside)?;
        if best.is_none() || size(&made) < size(&best) {
            best = made;
        }
    }
    Ok(best.filter(|b| b.len() < most).map(|payload| Made { payload, combs: grain.is_some() }))
}

/// Numbers above are not looked at for combs.
const LARGE: f64 = 1e30;
