//! From a target to bins: a price of a bit that is about right, then small steps up to the target, and of the last step
//! only a part.

use super::reduce::{OUT_OF_REACH, PRICES, Target, search};
use crate::error::{Result, usage};
use crate::reduce::bins::{Choice, Hits};

/// Passes over the bins that tell about where a price leads, and that begin.
const SCOUT: usize = 3;
pub const PASSES: usize = 5;
/// How near a price has to be before steps begin (as a logarithm to base 2), and where they begin as a part of it.
const NEAR: f64 = 0.25;
const BEGIN: f64 = 0.75;
/// Most steps by which a price is raised.
const STEPS: usize = 16;
/// Most parts of a step that are tried, and how near to the target is near enough.
const PARTS: usize = 5;
const ENOUGH: f64 = 0.004;
/// Beyond this part of the error that is allowed, steps have not come to it.
const FAR: f64 = 0.03;

/// A chunk that was looked at.
pub struct Sample {
    /// Its number among the chunks of its table.
    pub chunk: usize,
    /// Its cells.
    pub cells: usize,
    pub hits: Hits,
}

/// A search, as far as it came.
pub struct Landing {
    target: Target,
    /// Sum of errors, or bytes of payloads, that all samples may come to.
    goal: f64,
    samples: Vec<Sample>,
    /// Before the last step.
    before: Vec<Choice>,
    /// What was found.
    found: Vec<Choice>,
    /// Where steps began, and how many there were.
    pub price: (f64, usize),
}

impl Landing {
    /// Looks for the target; nothing where bins do not lead to it.
    pub fn new(target: Target, goal: f64, samples: Vec<Sample>) -> Result<Option<Landing>> {
        let (before, found) = (Vec::new(), Vec::new());
        let mut landing = Landing { target, goal, samples, before, found, price: (0.0, 0) };
        let ratio = landing.is_ratio();
        let (below, above) = search(PRICES, NEAR, |price| landing.over(&landing.begin(price, SCOUT)))?;
        // From a price that is too low for a ratio, or low enough for an error.
        let Some(price) = below.or(above.filter(|_| ratio)).map(|p| (p * BEGIN).max(PRICES.0)) else {
            return Ok(None);
        };
        if ratio && above.is_none() {
            return Err(usage(OUT_OF_REACH));
        }
        landing.price = (price, 0);
        landing.before = landing.begin(price, PASSES);
        // More passes than the scout's may be beyond the target already.
        for _ in 0..STEPS {
            if landing.over(&landing.before)? <= 0.0 {
                break;
            }
            let price = landing.price.0 * BEGIN;
            if price < PRICES.0 {
                break;
            }
            landing.price = (price, 0);
            landing.before = landing.begin(price, PASSES);
        }
        if !ratio && landing.over(&landing.before)? > 0.0 {
            return Ok(None);
        }
        landing.land()?;
        match above {
            Some(above) if !ratio => landing.leap(above)?,
            Some(above) if landing.over(&landing.found)? < 0.0 => {
                landing.price = (above, 0);
                landing.found = landing.begin(above, PASSES);
            }
            _ => {}
        }
        Ok(Some(landing))
    }

    fn is_ratio(&self) -> bool {
        matches!(self.target, Target::Ratio(_))
    }

    fn begin(&self, price: f64, passes: usize) -> Vec<Choice> {
        self.samples.iter().map(|s| s.hits.choose(price, passes, 0)).collect()
    }

    /// What choices come to, relative to the goal: above zero if the error is too large, or the file small enough.
    fn over(&self, choices: &[Choice]) -> Result<f64> {
        Ok(if self.is_ratio() {
            1.0 - self.bytes_of(choices)? as f64 / self.goal
        } else {
            choices.iter().map(|c| c.error).sum::<f64>() / self.goal - 1.0
        })
    }

    fn bytes_of(&self, choices: &[Choice]) -> Result<usize> {
        self.samples.iter().zip(choices).map(|(s, c)| s.hits.bytes(c)).sum()
    }

    /// Whether a target allows it.
    fn allowed(&self, over: f64) -> bool {
        if self.is_ratio() { over >= 0.0 } else { over <= 0.0 }
    }

    /// Bytes of the payloads that were found.
    pub fn bytes(&self) -> Result<usize> {
        self.bytes_of(&self.found)
    }

    fn step(&self, choices: &mut [Choice]) {
        self.samples.iter().zip(choices).for_each(|(s, c)| s.hits.step(c));
    }

    /// Steps until the target is crossed, and of the last one a part.
    fn land(&mut self) -> Result<()> {
        let mut now = self.over(&self.before)?;
        self.found = self.before.clone();
        while now < 0.0 && self.price.1 < STEPS {
            let mut next = self.before.clone();
            self.step(&mut next);
            let then = self.over(&next)?;
            if then >= 0.0 {
                let part = |s: &Sample, c: &mut Choice, part: f64| s.hits.step_part(c, part);
                self.found = self.part(&self.before, now, next, then, part)?;
                self.price.1 += usize::from(self.is_ratio());
                break;
            }
            self.price.1 += 1;
            (self.before, now) = (next, then);
            self.found = self.before.clone();
        }
        Ok(())
    }

    /// Where an error lies in a gap that no small step crosses: into it from the other side, by the passes at a price that is
    /// too high.
    fn leap(&mut self, price: f64) -> Result<()> {
        if self.over(&self.found)? > -FAR {
            return Ok(());
        }
        let mut before = self.begin(price, 0);
        let mut now = self.over(&before)?;
        for _ in 0..STEPS {
            let mut next = before.clone();
            self.samples.iter().zip(&mut next).for_each(|(s, c)| s.hits.again(c, 1.0));
            let then = self.over(&next)?;
            if now <= 0.0 && then > 0.0 {
                let part = |s: &Sample, c: &mut Choice, part: f64| s.hits.again(c, part);
                let found = self.part(&before, now, next, then, part)?;
                if self.bytes_of(&found)? < self.bytes()? {
                    self.found = found;
                }
                break;
            }
            (before, now) = (next, then);
        }
        Ok(())
    }

    /// The part of a pass that comes nearest to the target and is allowed.
    fn part(
        &self,
        before: &[Choice],
        now: f64,
        after: Vec<Choice>,
        then: f64,
        pass: impl Fn(&Sample, &mut Choice, f64),
    ) -> Result<Vec<Choice>> {
        let mut best = if self.is_ratio() { (then, after) } else { (now, before.to_vec()) };
        let (mut low, mut high) = ((0.0, now), (1.0, then));
        let aim = if self.is_ratio() { 0.5 * ENOUGH } else { -0.5 * ENOUGH };
        for _ in 0..PARTS {
            if best.0.abs() < ENOUGH {
                break;
            }
            let part = ((aim - low.1) / (high.1 - low.1)).clamp(0.05, 0.95);
            let part = low.0 + (high.0 - low.0) * part;
            let mut choices = before.to_vec();
            self.samples.iter().zip(&mut choices).for_each(|(s, c)| pass(s, c, part));
            let over = self.over(&choices)?;
            if self.allowed(over) && over.abs() < best.0.abs() {
                best = (over, choices);
            }
            if over > 0.0 {
                high = (part, over);
            } else {
                low = (part, over);
            }
        }
        Ok(best.1)
    }

    /// Lands again where more or less room is left.
    pub fn land_again(&mut self, goal: f64) -> Result<()> {
        self.goal = goal;
        self.price.1 = self.price.1.min(STEPS - 1);
        self.land()
    }

    /// What was found for a chunk.
    pub fn found(&self, chunk: usize) -> Option<(&Hits, &Choice)> {
        let mut both = self.samples.iter().zip(&self.found);
        both.find(|(s, _)| s.chunk == chunk).map(|(s, c)| (&s.hits, c))
    }
}
