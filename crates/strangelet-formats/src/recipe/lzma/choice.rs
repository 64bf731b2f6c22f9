//! Which token an encoder chose, told against what it could choose from.
//!
//! At a token's start both sides know the content, hence every repetition an encoder can use here
//! ([`Search`]), and by the model of LZMA what each would cost. From these come the contexts of a
//! few binary decisions, each coded with the mix of three adaptive probabilities. Where they start
//! from was learned beforehand ([`Prior`]).

use strangelet::entropy::binary::BitCoder;
use strangelet::entropy::mix::{Counter, Weights};

use super::prior::Prior;
use super::search::{Candidates, LONG, Search, equal};
use super::symbols::{LITERAL, LONGEST, Model, NEW, Token, after_literal};

/// Contexts of a decision.
pub(super) const K: usize = 3;
/// Sets of weights of a kind of decision.
pub(super) const SETS: usize = 16;

/// A kind of decision.
#[derive(Clone, Copy)]
pub(super) struct Site {
    /// Where its sets of weights start.
    weights: usize,
    /// Where its counters start.
    counters: usize,
    /// Bits of a context.
    bits: u32,
}

/// The bits of a context of each kind of decision.
const BITS: [u32; 12] = [4, 12, 11, 10, 10, 8, 10, 9, 8, 10, 10, 10];
const NONE: Site = site(0);
const IS_LITERAL: Site = site(1);
const IS_REP: Site = site(2);
const IS_SHORT: Site = site(3);
const INDEX: Site = site(4);
const OTHER_INDEX: Site = site(5);
const REP_FULL: Site = site(6);
const REP_LEN: Site = site(7);
const STANDARD: Site = site(8);
const ENTRY: Site = site(9);
const FULL: Site = site(10);
const LEN: Site = site(11);
/// Counters of all kinds.
pub(super) const COUNTERS: usize = site(BITS.len()).counters;
/// Sets of weights of all kinds.
pub(super) const WEIGHTS: usize = site(BITS.len()).weights;

const fn site(n: usize) -> Site {
    let (mut counters, mut i) = (0, 0);
    while i < n {
        counters += K << BITS[i];
        i += 1;
    }
    Site { weights: n * SETS, counters, bits: if n < BITS.len() { BITS[n] } else { 0 } }
}

/// What a byte counts when tokens are weighed, in 1/16 bits.
const BYTE: i32 = 60;
/// Counters do not slow down further than this.
const LIMIT: u32 = 127;

/// The class of a length, 0 to 12.
#[inline(always)]
fn class(len: usize) -> usize {
    match len {
        0..=5 => len,
        6..=7 => 6,
        8..=11 => 7,
        12..=15 => 8,
        16..=31 => 9,
        32..=63 => 10,
        64..=272 => 11,
        _ => 12,
    }
}

/// The class of a distance, 0 to 15.
#[inline(always)]
fn far(distance: usize) -> usize {
    let bits = (usize::BITS - distance.leading_zeros()) as usize;
    match bits {
        0..=3 => bits,
        4..=5 => 4,
        6..=7 => 5,
        8..=14 => bits - 2,
        15..=16 => 13,
        17..=18 => 14,
        _ => 15,
    }
}

/// A difference of gains, 0 to 31.
#[inline(always)]
fn step(difference: i32) -> usize {
    (difference.div_euclid(16).clamp(-16, 15) + 16) as usize
}

/// What there is to choose from at a place.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Lengths of the last four distances; the first may be 1, the others are 0 or at least 2.
    r: [usize; 4],
    /// The longest of these, the first of equals.
    best: usize,
    /// The longest match: length and distance.
    longest: (usize, usize),
    /// What the best repeated distance and the longest match gain, in 1/16 bits.
    repeated: i32,
    fresh: i32,
}

impl Place {
    #[inline(always)]
    fn new(model: &Model, state: usize, content: &[u8], at: usize, longest: (usize, usize)) -> Place {
        let most = content.len().saturating_sub(at).min(LONGEST);
        let mut r = [0; 4];
        for (k, r) in r.iter_mut().enumerate() {
            let n = equal(content, at, model.reps[k] as usize + 1, most);
            *r = if n < 2 && k > 0 { 0 } else { n };
        }
        let best = (1..4).fold(0, |b, k| if r[k] > r[b] { k } else { b });
        let mut place = Place { r, best, longest, repeated: NOTHING, fresh: NOTHING };
        let gain = |len: usize, price: u32| len as i32 * BYTE - price as i32;
        // A literal and the same distance again.
        let more = |len: usize, distance: usize| {
            if !(2..LONG).contains(&len) || content.len() < at + len + 3 {
                return 0;
            }
            match equal(content, at + len + 1, distance, LONG) {
                n @ 2.. => gain(n + 1, 14 * 16).max(0),
                _ => 0,
            }
        };
        let (len, distance) = longest;
        if len >= 2 {
            let token = Token { back: NEW - 1 + distance as u32, len: len as u32 };
            place.fresh = gain(len, model.price(state, at, token)) + more(len, distance);
        }
        let len = r[best];
        if len >= 1 {
            let token = Token { back: best as u32, len: len as u32 };
            place.repeated =
                gain(len, model.price(state, at, token)) + more(len, model.reps[best] as usize + 1);
        }
        place
    }
}

/// What gains nothing.
const NOTHING: i32 = -500;

/// What there is to choose from at the start of a token.
#[derive(Clone, Copy, Default)]
pub(super) struct View {
    at: usize,
    state: usize,
    here: Place,
    /// The longest match of the place behind.
    next: (usize, usize),
    /// Whether there is nothing but a literal.
    bare: bool,
    /// What a literal gains with what can follow it.
    literal: i32,
}

/// The decisions of one block.
pub(super) struct Choice {
    counters: Box<[Counter; COUNTERS]>,
    weights: Box<[Weights<K>; WEIGHTS]>,
    /// Candidates of the token at hand and of the place behind its start, by turns.
    found: [Candidates; 2],
    /// Which of them are those of the token at hand.
    here: usize,
    /// Of what place the others are, and what else is known there.
    ahead_at: usize,
    ahead: Place,
    /// The last tokens, two bits each: 0 literal, 1 repeated distance, 2 new distance, 3 short.
    history: usize,
}

impl Default for Choice {
    fn default() -> Self {
        let blank = Prior::blank();
        Choice {
            counters: blank.counters,
            weights: blank.weights,
            found: Default::default(),
            here: 0,
            ahead_at: usize::MAX,
            ahead: Place::default(),
            history: 0,
        }
    }
}

impl Choice {
    /// Forgets the block before.
    pub fn start(&mut self, prior: &Prior) {
        self.counters.copy_from_slice(&prior.counters[..]);
        self.weights.copy_from_slice(&prior.weights[..]);
        self.restart();
    }

    /// Forgets the block before, but nothing that was learned from it.
    pub fn restart(&mut self) {
        self.ahead_at = usize::MAX;
        self.history = 0;
    }

    /// Forgets what was seen ahead, as the distances are others now.
    pub fn turn(&mut self) {
        self.ahead_at = usize::MAX;
    }

    /// What was learned.
    pub fn learned(&self) -> (&[Counter], &[Weights<K>]) {
        (&self.counters[..], &self.weights[..])
    }

    /// One decision.
    #[inline(always)]
    fn bit<C: BitCoder>(
        &mut self,
        coder: &mut C,
        site: Site,
        set: usize,
        contexts: [usize; K],
        bit: bool,
    ) -> bool {
        let mask = (1usize << site.bits) - 1;
        // Places within the table, as the compiler sees where a site is known to it.
        let places: [usize; K] =
            std::array::from_fn(|k| site.counters + (k << site.bits) + (contexts[k] & mask));
        let p: [u32; K] = std::array::from_fn(|k| self.counters[places[k]].p());
        let weights = &mut self.weights[site.weights + (set & (SETS - 1))];
        let mixed = weights.mix(p);
        let bit = coder.code(bit, mixed.p);
        weights.update(&mixed, bit, 14);
        for place in places {
            self.counters[place].update(bit, LIMIT);
        }
        bit
    }

    /// One decision by one counter.
    #[inline(always)]
    fn single<C: BitCoder>(&mut self, coder: &mut C, site: Site, context: usize, bit: bool) -> bool {
        let counter = &mut self.counters[site.counters + (context & ((1usize << site.bits) - 1))];
        let bit = coder.code(bit, counter.p_coder());
        counter.update(bit, LIMIT);
        bit
    }

    /// A number below 2^28: how many bits it has, then these.
    fn number<C: BitCoder>(&mut self, coder: &mut C, site: Site, context: usize, n: usize) -> usize {
        let bits = (usize::BITS - n.leading_zeros()) as usize;
        let mut k = 0;
        while k < 28 && self.bit(coder, site, 0, [(context & 15) << 5 | k, k, 0x20 | k], k < bits) {
            k += 1;
        }
        if k < 2 {
            return k;
        }
        let mut value = 1;
        for i in (0..k - 1).rev() {
            let bit = n >> i & 1 == 1;
            let bit = if k <= 5 {
                self.bit(coder, site, 1, [0x200 | value << 4 | context & 15, 0x40 | value, 0x60 | k], bit)
            } else {
                coder.code(bit, 1 << 15)
            };
            value = value << 1 | usize::from(bit);
        }
        value
    }

    /// What there is to choose from at `at`, by a model that has coded all tokens before.
    #[inline(always)]
    pub fn look(&mut self, search: &mut Search, model: &Model, content: &[u8], at: usize) -> View {
        let here = if self.ahead_at == at {
            // The token before was one byte long: the distances are still the same.
            self.here ^= 1;
            self.ahead
        } else {
            search.find(content, at, &mut self.found[self.here & 1]);
            Place::new(model, model.state, content, at, self.found[self.here & 1].longest())
        };
        let (lm, rb) = (here.longest.0, here.r[here.best & 3]);
        let mut view =
            View { at, state: model.state, here, next: (0, 0), bare: lm == 0 && rb == 0, literal: 0 };
        if view.bare || lm >= LONG || rb >= LONG || at + 1 >= content.len() {
            return view;
        }
        self.ahead_at = at + 1;
        let found = &mut self.found[!self.here & 1];
        search.find(content, at + 1, found);
        self.ahead = Place::new(model, after_literal(model.state), content, at + 1, found.longest());
        view.next = self.ahead.longest;
        let after = self.ahead.fresh.max(self.ahead.repeated).max(0);
        view.literal = BYTE - model.literal_price(content, at) as i32 + after;
        view
    }

    /// Codes the token of a view; a decoder ignores `token`. None where the bits are broken.
    #[inline(always)]
    pub fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        search: &Search,
        content: &[u8],
        view: &View,
        token: Token,
    ) -> Option<Token> {
        let &View { at, here: Place { r, best, longest: (lm, dm), repeated, fresh }, next: (ln, dn), .. } =
            view;
        let literal = Token { back: LITERAL, len: 1 };
        let h = self.history;
        if view.bare && self.single(coder, NONE, view.state, token.back == LITERAL) {
            self.history = h << 2;
            return Some(literal);
        }
        let rb = r[best & 3];
        let (cr, cb, cm, cn) = (class(r[0]), class(rb), class(lm), class(ln));
        let more = lm.saturating_sub(rb);
        let set = cm.min(3) << 2 | cb.min(3);
        if !view.bare {
            let to_literal = step(view.literal - fresh.max(repeated));
            let longer = usize::from(ln > lm);
            let contexts = [
                to_literal << 7 | cr.min(7) << 4 | cm,
                to_literal << 7 | cb.min(7) << 4 | more.min(3) << 2 | usize::from(r[0] == 0) << 1 | longer,
                cm.min(7) << 9 | cn.min(7) << 6 | far(dm) >> 1 << 3 | far(dn) >> 1,
            ];
            if self.bit(coder, IS_LITERAL, set, contexts, token.back == LITERAL) {
                self.history = h << 2;
                return Some(literal);
            }
        }
        let to_fresh = step(fresh - repeated);
        let contexts = [
            to_fresh << 5 | best << 3 | cb.min(7),
            to_fresh << 6 | more.min(7) << 3 | h & 7,
            cb << 7 | cm << 3 | far(dm) >> 1,
        ];
        if !self.bit(coder, IS_REP, set, contexts, token.back < NEW) {
            self.history = h << 2 | 2;
            return self.new_distance(coder, search, content, view, (cb, cn, cm, h), token);
        }
        let contexts = [
            cr.min(7) << 6 | cb.min(7) << 3 | cn.min(7),
            best << 8 | rb.min(15) << 4 | lm.min(15),
            (h & 63) << 2 | cr.min(3),
        ];
        if self.bit(coder, IS_SHORT, set, contexts, token.back == 0 && token.len == 1) {
            self.history = h << 2 | 3;
            return Some(Token { back: 0, len: 1 });
        }
        self.history = h << 2 | 1;
        let contexts = [
            best << 6 | cr.min(7) << 3 | cb.min(7),
            class(r[1]).min(7) << 6 | cr.min(7) << 3 | class(r[2]).min(7),
            best << 8 | rb.min(15) << 4 | r[0].min(15),
        ];
        let mut back = best;
        if !self.bit(coder, INDEX, set, contexts, token.back as usize == best) {
            let high = self.bit(coder, OTHER_INDEX, 0, [best, 4 | best, 0], token.back & 2 != 0);
            let place = best << 1 | usize::from(high);
            let low = self.bit(coder, OTHER_INDEX, 1, [8 | place, 16 | cr, 1], token.back & 1 != 0);
            back = usize::from(high) << 1 | usize::from(low);
        }
        let full = r[back & 3];
        let contexts = [
            class(full) << 3 | (at + full) & 7,
            back << 8 | full.min(31) << 3 | cm.min(7),
            (h & 63) << 3 | lm.saturating_sub(full).min(7),
        ];
        let mut len = full;
        if !self.bit(coder, REP_FULL, class(full), contexts, token.len as usize == full) {
            let short = full.wrapping_sub(token.len as usize + 1);
            len = full.checked_sub(self.number(coder, REP_LEN, class(full), short) + 1)?;
        }
        (len >= 2).then_some(Token { back: back as u32, len: len as u32 })
    }

    /// A match of a distance that is none of the last four.
    #[inline(always)]
    fn new_distance<C: BitCoder>(
        &mut self,
        coder: &mut C,
        search: &Search,
        content: &[u8],
        view: &View,
        (cb, cn, cm, h): (usize, usize, usize, usize),
        token: Token,
    ) -> Option<Token> {
        let found = self.found[self.here & 1];
        let (at, all) = (view.at, found.all());
        let (lm, dm) = view.here.longest;
        let most = content.len().saturating_sub(at).min(LONGEST);
        let distance = token.back.wrapping_sub(NEW - 1);
        // An encoder takes the nearest distance for a length.
        let chosen = all.iter().position(|c| c.0 >= token.len);
        let standard = chosen.and_then(|e| all.get(e)).is_some_and(|c| c.1 == distance);
        let contexts = [cm << 3 | all.len().min(7), far(dm) << 4 | cn, (h & 15) << 4 | cb];
        if !self.bit(coder, STANDARD, 0, contexts, standard) {
            let longer = (token.len as usize).wrapping_sub(lm) & 511;
            let len = (self.number(coder, LEN, 13, longer) + lm) & 511;
            if len < 2 || len > most {
                return None;
            }
            if let Some(near) = search.nearest(content, at, len)
                && self.bit(coder, LEN, 2, [1023; K], near == distance)
            {
                return Some(Token { back: near + (NEW - 1), len: len as u32 });
            }
            let distance = self.number(coder, LEN, 14, distance as usize);
            return Some(Token { back: (distance as u32).checked_add(NEW - 1)?, len: len as u32 });
        }
        let mut e = all.len().checked_sub(1)?;
        while e > 0 {
            let (&(l, d), &(l1, d1)) = (all.get(e)?, all.get(e - 1)?);
            let (l, l1) = (l as usize, l1 as usize);
            let less = (l - l1).min(3);
            let contexts = [
                far(d as usize) << 6 | far(d1 as usize) << 2 | less,
                l.min(31) << 5 | l1.min(31),
                cn.min(7) << 7 | class(l) << 3 | less << 1 | usize::from(e + 1 == all.len()),
            ];
            if self.bit(coder, ENTRY, all.len() - 1 - e, contexts, chosen == Some(e)) {
                break;
            }
            e -= 1;
        }
        let &(full, distance) = all.get(e)?;
        let full = full as usize;
        let floor = e.checked_sub(1).and_then(|e| all.get(e)).map_or(2, |c| c.0 as usize + 1);
        let mut len = full;
        if full > floor {
            let contexts = [
                class(full) << 3 | (at + full) & 7,
                (full - floor).min(31) << 5 | full.min(31),
                cb.min(7) << 7 | cn.min(7) << 4 | cm,
            ];
            if !self.bit(coder, FULL, class(full), contexts, token.len as usize == full) {
                let short = full.wrapping_sub(token.len as usize + 1);
                len = full.checked_sub(self.number(coder, LEN, class(full), short) + 1)?;
            }
        }
        (len >= 2).then_some(Token { back: distance + (NEW - 1), len: len as u32 })
    }
}
