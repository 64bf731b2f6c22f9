//! The runs of the layer before, at the same pad and the next.

use super::frame::Run;
use std::ops::Range;

/// Further than this is not near.
const NEAR: u32 = 5;
/// Nothing near.
const FAR: u32 = 15;

/// Runs of a layer: of each pad that has some, its number and where they start.
#[derive(Default)]
struct Layer {
    number: usize,
    pads: Vec<(usize, usize)>,
    runs: Vec<Run>,
}

/// The layer before and the one at hand.
#[derive(Default)]
pub struct Under {
    before: Layer,
    here: Layer,
    /// The first pad of the layer before that is not behind the one at hand.
    look: usize,
    /// Runs of the layer before at the pad and at the next.
    near: [Range<usize>; 2],
}

impl Under {
    /// Goes to a row; pads of a layer in rising order, layers too.
    pub fn enter(&mut self, layer: usize, pad: usize) {
        if layer != self.here.number {
            if layer != self.here.number + 1 {
                self.here.pads.clear();
                self.here.runs.clear();
            }
            std::mem::swap(&mut self.before, &mut self.here);
            self.here.number = layer;
            self.here.pads.clear();
            self.here.runs.clear();
            self.look = 0;
        }
        let pads = &self.before.pads;
        while pads.get(self.look).is_some_and(|p| p.0 < pad) {
            self.look += 1;
        }
        let runs = |k: usize, pad: usize| match pads.get(k) {
            Some(&(p, from)) if p == pad => from..pads.get(k + 1).map_or(self.before.runs.len(), |p| p.1),
            _ => 0..0,
        };
        let own = runs(self.look, pad);
        let next = runs(self.look + !own.is_empty() as usize, pad + 1);
        self.near = [own, next];
    }

    /// Learns the runs of the row.
    pub fn leave(&mut self, pad: usize, runs: &[Run]) {
        if !runs.is_empty() {
            self.here.pads.push((pad, self.here.runs.len()));
            self.here.runs.extend_from_slice(runs);
        }
    }

    /// The run whose start is nearest, the earlier of two, and how far its start is plus 5; 15 if none is near.
    #[inline]
    fn nearest(&self, which: usize, start: u32) -> (u32, Option<&Run>) {
        let runs = self.before.runs.get(self.near[which].clone()).unwrap_or(&[]);
        let k = runs.partition_point(|r| r.start < start);
        let below = k.checked_sub(1).and_then(|k| runs.get(k)).filter(|r| r.start + NEAR >= start);
        let above = runs.get(k).filter(|r| r.start <= start + NEAR);
        match (below, above) {
            (Some(b), Some(a)) if start - b.start > a.start - start => (a.start + NEAR - start, Some(a)),
            (Some(b), _) => (b.start + NEAR - start, Some(b)),
            (None, Some(a)) => (a.start + NEAR - start, Some(a)),
            (None, None) => (FAR, None),
        }
    }

    /// How far starts of the layer before are, at the pad and at the next.
    #[inline]
    pub fn distance(&self, start: u32) -> u32 {
        self.nearest(0, start).0 << 4 | self.nearest(1, start).0
    }

    /// How far the nearest start at the pad is, and how much of that run is left.
    #[inline]
    pub fn left(&self, start: u32) -> (u32, u32) {
        let (distance, run) = self.nearest(0, start);
        (distance, run.map_or(0, |r| (r.start + r.len).saturating_sub(start).min(20)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_layer_before_is_near() {
        let run = |start, len| Run { start, len, ..Run::default() };
        let mut under = Under::default();
        under.enter(0, 3);
        under.leave(3, &[run(10, 5), run(20, 2)]);
        under.enter(0, 4);
        under.leave(4, &[run(12, 1)]);
        under.enter(1, 3);
        assert_eq!(under.distance(13), 2 << 4 | 4);
        assert_eq!(under.left(13), (2, 2));
        assert_eq!(under.left(15), (0, 0));
        assert_eq!(under.left(16), (9, 6));
        assert_eq!(under.distance(40), 0xff);
        under.leave(3, &[run(1, 1)]);
        under.enter(1, 4);
        assert_eq!(under.distance(13), 4 << 4 | 15);
        under.enter(2, 2);
        assert_eq!(under.distance(1), 0xf5);
        under.enter(4, 3);
        assert_eq!(under.distance(1), 0xff);
    }
}
