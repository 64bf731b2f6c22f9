//! Bins of hits, chosen for the least error + lambda x bits.
//!
//! Pass after pass over the hits, each bin is weighed against its neighbours among the bins: what its change does to the error of all
//! hits around whose values it helps to tell, and what it would cost in the state in which the coder is there. Between passes
//! the weights are found anew.

use super::fit::fit;
use super::measure::log2_of;
use super::value;
use crate::codec::{Codec, Level, Role, Stream};
use crate::codecs::bins::coder::Model;
use crate::codecs::bins::field::{Field, MAX_CELLS, MAX_PERIOD};
use crate::codecs::bins::order::Walk;
use crate::codecs::bins::synth::{Around, Layout, MAX_BINS, Rules, Values};
use crate::codecs::bins::{FILLED, Head, cells, codes_masks, greatest, payload};
use crate::codecs::{HITS, hits};
use crate::column::{Cells, Meaning, Scalar};
use crate::entropy::binary::Encoder;
use crate::error::Result;
use crate::infer::math::{exp, log2};
use crate::select;

/// Hits of a field below which there is nothing to learn from.
const FEWEST: usize = 256;

/// A column's cells as hits.
pub struct Hits {
    scalar: Scalar,
    count: usize,
    head: Head,
    field: Field,
    around: Around,
    /// log2(x + 1) of each hit.
    values: Vec<f64>,
    /// The least of them, but for a hundredth, and the greatest.
    span: (f64, f64),
}

/// Bins as they are chosen, pass by pass.
#[derive(Clone)]
pub struct Choice {
    rules: Rules,
    bins: Vec<u8>,
    /// Where the second bin begins, and how wide a bin is, in log2: only what a pass tries depends on it.
    low: f64,
    width: f64,
    price: f64,
    /// Sum over all hits of the error of log2(x + 1).
    pub error: f64,
}

/// How the price grows from one step to the next.
const GROWTH: f64 = 1.08;

impl Hits {
    /// Of a chunk of a column with these inner dimensions; nothing where it is no sparse array of positive integers.
    pub fn new(
        scalar: Scalar,
        cells: &Cells,
        dims: &[u32],
        drop_below: f64,
        level: Level,
    ) -> Result<Option<Hits>> {
        let count = cells.len();
        let Some(_) = greatest(scalar) else { return Ok(None) };
        let x = |i: usize| {
            let x = value(scalar, cells.get(i).unwrap_or(0));
            if x.abs() < drop_below { 0.0 } else { x }
        };
        let mut mask = Vec::with_capacity(count);
        for i in 0..count {
            let x = x(i);
            if x < 0.0 {
                return Ok(None);
            }
            mask.push(u8::from(x > 0.0));
        }
        let hits = mask.iter().filter(|&&m| m > 0).count();
        if hits < FEWEST || hits > count / 4 * 3 || count > MAX_CELLS {
            return Ok(None);
        }
        let inner: usize = dims.iter().fold(1usize, |n, &d| n.saturating_mul(d as usize)).max(1);
        let mut axes = vec![count / inner];
        axes.extend(dims.iter().map(|&d| d as usize));
        let walk = Walk::find(&axes, &mask);
        let Some(walk) = walk.ok().filter(|w| w.count() == count && Field::fits(w)) else { return Ok(None) };
        let period = period(&walk, &mask);
        let field = Field::new(&walk, &mask, period)?;
        let Some(mask) = coded_mask(mask, dims, inner as u64, level)? else { return Ok(None) };
        let values: Vec<f64> = field.cells.iter().map(|&c| log2_of(x(c as usize))).collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let span = (sorted[sorted.len() / 100], sorted[sorted.len() - 1]);
        let around = Around::new(&field);
        Ok(Some(Hits { scalar, count, head: Head { walk, period, mask }, field, around, values, span }))
    }

    /// Number of hits.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Chooses bins at a price of a bit (in log2) in so many passes, and raises it for so many steps.
    pub fn choose(&self, price: f64, passes: usize, steps: usize) -> Choice {
        // What was found to be best for a price, on frames of a time projection chamber.
        let width = 4.5 * exp(log2(price) * (2.0 / 3.0) * std::f64::consts::LN_2);
        let mut choice = self.choose_of(width.clamp(0.02, 8.0), price, passes);
        (0..steps).for_each(|_| self.step(&mut choice));
        choice
    }

    /// The same with bins of a width (in log2), without steps.
    pub fn choose_of(&self, width: f64, price: f64, passes: usize) -> Choice {
        let low = self.span.0 + 0.55 * width;
        let rest = (self.span.1 - low).max(0.0);
        let width = width.max(rest / (MAX_BINS - 2) as f64);
        let count = ((rest / width).ceil() as usize + 1).clamp(1, MAX_BINS);
        let fine = if price < 0.05 { 8 } else { 7 };
        let rules = Rules { bins: count, fine, weights: Vec::new(), limits: Vec::new() };
        let mut choice =
            Choice { rules, bins: vec![0; self.field.mask.len()], low, width, price, error: 0.0 };
        for (hit, &x) in self.field.hits.iter().zip(&self.values) {
            choice.bins[hit.at as usize] = choice.nearest(x);
        }
        self.fitted(&mut choice);
        let mut best: Option<(f64, Choice)> = None;
        for pass in 0..passes {
            // The first pass is careful: what it gives up comes hardly back.
            let bits = self.pass(&mut choice, if pass == 0 { 0.5 * price } else { price }, 1.0);
            self.fitted(&mut choice);
            let total = choice.error + price * bits;
            if pass > 0 && best.as_ref().is_none_or(|(t, _)| total < *t) {
                best = Some((total, choice.clone()));
            }
        }
        best.map_or(choice, |(_, choice)| choice)
    }

    /// Raises the price a little, for one pass.
    pub fn step(&self, choice: &mut Choice) {
        self.step_part(choice, 1.0);
        choice.price *= GROWTH;
    }

    /// The same over the first part of the hits; the price stays.
    pub fn step_part(&self, choice: &mut Choice, part: f64) {
        self.pass(choice, choice.price * GROWTH, part);
        self.fitted(choice);
    }

    /// One more pass over the first part of the hits at the price that there is.
    pub fn again(&self, choice: &mut Choice, part: f64) {
        self.pass(choice, choice.price, part);
        self.fitted(choice);
    }

    /// Finds the weights for the bins anew, and the error they come to.
    fn fitted(&self, choice: &mut Choice) {
        choice.rules = fit(&self.field, &self.around, &self.values, &choice.bins, &choice.rules);
        choice.error = self.error(&choice.rules, &choice.bins);
    }

    /// Bytes of the payload.
    pub fn bytes(&self, choice: &Choice) -> Result<usize> {
        Ok(payload(&self.head, &self.field, &choice.rules, &choice.bins)?.len())
    }

    /// Sum of the errors of the integers that come out.
    fn error(&self, rules: &Rules, bins: &[u8]) -> f64 {
        let values = Values::new(rules.fine, greatest(self.scalar).unwrap_or(1));
        let layout = rules.layout();
        let mut sum = 0.0;
        for (hit, &x) in self.field.hits.iter().zip(&self.values) {
            let y = rules.sum(&self.around, &self.field, bins, &layout, hit);
            let y = values.of(rules.limited(y, bins[hit.at as usize]));
            sum += (log2_of(f64::from(y)) - x).abs();
        }
        sum
    }

    /// One pass of choices over the first part of the hits. The bits that all their bins cost.
    fn pass(&self, choice: &mut Choice, price: f64, part: f64) -> f64 {
        let mut bins = std::mem::take(&mut choice.bins);
        let upto = (self.len() as f64 * part.clamp(0.0, 1.0)) as usize;
        let total = self.pass_over(choice, price, upto, &mut bins);
        choice.bins = bins;
        total
    }

    fn pass_over(&self, choice: &Choice, price: f64, upto: usize, bins: &mut [u8]) -> f64 {
        let rules = &choice.rules;
        let layout = rules.layout();
        let unit = f64::from(1u32 << rules.fine);
        let mut sums = vec![0i32; bins.len()];
        let mut wanted = vec![0f32; bins.len()];
        for (hit, &x) in self.field.hits.iter().zip(&self.values) {
            sums[hit.at as usize] = rules.sum(&self.around, &self.field, bins, &layout, hit);
            wanted[hit.at as usize] = (x * unit) as f32;
        }
        let touched = touched(&self.around, rules, &layout);
        let error =
            |sum: i32, bin: u8, j: usize| f64::from((rules.limited(sum, bin) as f32 - wanted[j]).abs());
        let mut model = Model::new(&self.field, rules.bins);
        let mut coder = Encoder::new();
        let (mut costs, mut total) = (Vec::new(), 0.0);
        let top = rules.bins - 1;
        let mut near_by: Vec<(usize, i32, f64)> = Vec::new();
        for (hit, &x) in self.field.hits.iter().zip(&self.values).take(upto) {
            let i = hit.at as usize;
            let mask = f64::from(rules.of_mask(&self.around, &self.field, &layout, hit)) / unit;
            let contexts = model.around(&self.field, bins, hit, mask);
            let (old, near) = (bins[i], choice.nearest(x));
            let mut tried =
                [old, near, near.saturating_sub(1), (near + 1).min(top as u8), near.saturating_sub(2), 0];
            tried.sort_unstable();
            model.costs(&contexts, usize::from(tried[5]), &mut costs);
            near_by.clear();
            for &(d, w) in &touched {
                let j = i.wrapping_add_signed(d);
                if self.field.mask[j] {
                    near_by.push((j, w, error(sums[j], bins[j], j)));
                }
            }
            let mut best = (f64::INFINITY, old);
            for (k, &bin) in tried.iter().enumerate() {
                if k > 0 && tried[k - 1] == bin {
                    continue;
                }
                let mut more = 0.0;
                if bin != old {
                    let own = rules.weights[layout.own + usize::from(bin)]
                        - rules.weights[layout.own + usize::from(old)];
                    more += error(sums[i] + own, bin, i) - error(sums[i], old, i);
                    let step = i32::from(bin) - i32::from(old);
                    for &(j, w, before) in &near_by {
                        more += error(sums[j] + w * step, bins[j], j) - before;
                    }
                }
                let cost = costs.get(usize::from(bin)).copied().unwrap_or(f64::INFINITY);
                let sum = more / unit + price * cost;
                if sum < best.0 {
                    best = (sum, bin);
                }
            }
            let bin = best.1;
            if bin != old {
                sums[i] += rules.weights[layout.own + usize::from(bin)]
                    - rules.weights[layout.own + usize::from(old)];
                let step = i32::from(bin) - i32::from(old);
                for &(d, w) in &touched {
                    sums[i.wrapping_add_signed(d)] += w * step;
                }
                bins[i] = bin;
            }
            total += costs.get(usize::from(bin)).copied().unwrap_or(0.0);
            model.code(&mut coder, &contexts, bin);
        }
        total
    }

    /// The payload of a choice and the cells that it stands for.
    pub fn coded(&self, choice: &Choice) -> Result<(Vec<u8>, Cells)> {
        let bytes = payload(&self.head, &self.field, &choice.rules, &choice.bins)?;
        Ok((bytes, cells(self.scalar, self.count, &self.field, &choice.rules, &choice.bins)?))
    }
}

impl Choice {
    /// The bin that a value would be in, if bins were intervals.
    fn nearest(&self, x: f64) -> u8 {
        (((x - self.low) / self.width).floor() + 1.0).clamp(0.0, (self.rules.bins - 1) as f64) as u8
    }
}

/// The values that hits of a mask are given where its codec knows hits: that of many, and the mask itself.
const FILLS: [u8; 2] = [80, 1];

/// The payload of a mask, and the number of its codec. The codec of hits knows masks best; where it does not, any other may
/// take it.
fn coded_mask(mut mask: Vec<u8>, dims: &[u32], inner: u64, level: Level) -> Result<Option<(u8, Vec<u8>)>> {
    fn stream<'a>(cells: &'a Cells, dims: &'a [u32], inner: u64) -> Stream<'a> {
        let role = Role::Values(Meaning::Number);
        Stream { cells, scalar: Scalar::U8, role, lists: None, inner, dims }
    }
    let mut best: Option<(u8, Vec<u8>)> = None;
    for fill in FILLS.into_iter().filter(|f| *f == 1 || level == Level::Max) {
        mask.iter_mut().filter(|m| **m > 0).for_each(|m| *m = fill);
        let cells = Cells::W1(mask);
        let mut payload = Vec::new();
        let taken = hits::Hits.encode(&stream(&cells, dims, inner), level, &mut payload)?;
        if taken && best.as_ref().is_none_or(|b| payload.len() < b.1.len()) {
            best = Some((if fill == 1 { HITS } else { HITS | FILLED }, payload));
        }
        let Cells::W1(back) = cells else { return Ok(None) };
        mask = back;
    }
    if best.is_some() {
        return Ok(best);
    }
    let cells = Cells::W1(mask);
    let mut coded = select::encode_chunk(&[stream(&cells, dims, inner)], level)?;
    if !coded.first().is_some_and(|c| codes_masks(c.0)) {
        coded = select::encode_chunk(&[stream(&cells, dims, inner)], Level::Balanced)?;
    }
    Ok(coded.pop().filter(|c| codes_masks(c.0)))
}

/// Whose sums a bin goes into: distances and weights.
fn touched(around: &Around, rules: &Rules, layout: &Layout) -> Vec<(isize, i32)> {
    let mut touched = Vec::new();
    for (k, group) in around.groups.iter().enumerate() {
        let w = rules.weights[layout.sums + k];
        if w != 0 {
            touched.extend(group.iter().map(|&d| (-d, w)));
        }
    }
    touched
}

/// The length of run that more than a third of all runs have, where there is one; 0 where there is none.
fn period(walk: &Walk, mask: &[u8]) -> usize {
    let [_, _, _, times] = walk.sides();
    let (mut lengths, mut all) = ([0usize; MAX_PERIOD + 1], 0);
    walk.rows(|from, stride| {
        let mut run = 0;
        for t in 0..=times {
            if t < times && mask.get(from + t * stride).is_some_and(|&m| m > 0) {
                run += 1;
            } else if run > 0 {
                all += 1;
                if let Some(n) = lengths.get_mut(run) {
                    *n += 1;
                }
                run = 0;
            }
        }
    });
    (2..=MAX_PERIOD).find(|&n| lengths[n] * 3 > all).unwrap_or(0)
}
