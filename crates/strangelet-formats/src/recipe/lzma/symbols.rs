//! The symbols of LZMA, in either direction.
//!
//! The format is public (LZMA SDK `lzma-specification.txt`): adaptive probabilities of 11 bits, a range
//! coder of 32 bits, and tokens: a literal, a match of a new distance, or a match of one of the last
//! four distances. One function codes a token both ways.

/// A token: `len` bytes, from where `back` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    /// [`LITERAL`], the number of one of the last four distances (0 to 3), or [`NEW`] + distance - 1.
    pub back: u32,
    /// Bytes: 1 for a literal and for a short repetition (back 0), else 2 to [`LONGEST`].
    pub len: u32,
}

/// `back` of a literal.
pub(super) const LITERAL: u32 = u32::MAX;
/// `back` of the new distance 1.
pub(super) const NEW: u32 = 4;
/// Most bytes of a token.
pub(super) const LONGEST: usize = 273;

/// One direction of the range coder.
pub(super) trait Bits {
    /// Codes a bit; a reader ignores `bit`.
    fn bit(&mut self, probability: &mut u16, bit: u32) -> u32;
    /// Codes the low `n` bits of `value`, each as likely as not.
    fn direct(&mut self, value: u32, n: u32) -> u32;
}

const HALF: u16 = 1 << 10;

/// Reads bits; behind the last byte come zeros.
pub(super) struct Reader<'a> {
    code: u32,
    range: u32,
    bytes: &'a [u8],
    next: usize,
}

impl<'a> Reader<'a> {
    /// At the first of the bytes of a chunk.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let (&[0, a, b, c, d], _) = bytes.split_first_chunk()? else { return None };
        Some(Reader { code: u32::from_be_bytes([a, b, c, d]), range: u32::MAX, bytes, next: 5 })
    }

    /// Whether all bytes were read, as after the last token.
    pub fn ended(&mut self) -> bool {
        self.normalize();
        self.next == self.bytes.len() && self.code == 0
    }

    /// Bytes that were needed so far.
    pub fn len(&self) -> usize {
        self.next
    }

    #[inline(always)]
    fn normalize(&mut self) {
        if self.range < 1 << 24 {
            self.range <<= 8;
            self.code = self.code << 8 | u32::from(self.bytes.get(self.next).copied().unwrap_or(0));
            self.next += 1;
        }
    }
}

impl Bits for Reader<'_> {
    #[inline(always)]
    fn bit(&mut self, probability: &mut u16, _bit: u32) -> u32 {
        self.normalize();
        let p = u32::from(*probability);
        let bound = (self.range >> 11).wrapping_mul(p);
        if self.code < bound {
            self.range = bound;
            *probability = (p + ((2048 - p) >> 5)) as u16;
            0
        } else {
            self.range = self.range.wrapping_sub(bound);
            self.code = self.code.wrapping_sub(bound);
            *probability = (p - (p >> 5)) as u16;
            1
        }
    }

    #[inline(always)]
    fn direct(&mut self, _value: u32, n: u32) -> u32 {
        let mut value = 0;
        for _ in 0..n {
            self.normalize();
            self.range >>= 1;
            let bit = u32::from(self.code >= self.range);
            self.code = self.code.wrapping_sub(self.range & bit.wrapping_neg());
            value = value << 1 | bit;
        }
        value
    }
}

/// Writes bits.
pub(super) struct Writer {
    low: u64,
    range: u32,
    cache: u8,
    /// Bytes not yet written: the cache, and the 0xff that follow it.
    held: usize,
    /// What is written.
    pub out: Vec<u8>,
}

impl Writer {
    /// Nothing written yet; `out` is emptied.
    pub fn new(mut out: Vec<u8>) -> Self {
        out.clear();
        Writer { low: 0, range: u32::MAX, cache: 0, held: 1, out }
    }

    /// Bytes that a chunk would have if it ended here.
    pub fn len(&self) -> usize {
        self.out.len() + self.held + 4
    }

    /// Ends the chunk.
    pub fn finish(mut self) -> Vec<u8> {
        self.normalize();
        for _ in 0..5 {
            self.shift();
        }
        self.out
    }

    fn shift(&mut self) {
        if (self.low as u32) < 0xff00_0000 || self.low >> 32 != 0 {
            let carry = (self.low >> 32) as u8;
            self.out.push(self.cache.wrapping_add(carry));
            for _ in 1..self.held {
                self.out.push(0xff_u8.wrapping_add(carry));
            }
            self.held = 0;
            self.cache = (self.low >> 24) as u8;
        }
        self.held += 1;
        self.low = (self.low & 0x00ff_ffff) << 8;
    }

    #[inline(always)]
    fn normalize(&mut self) {
        if self.range < 1 << 24 {
            self.shift();
            self.range <<= 8;
        }
    }
}

impl Bits for Writer {
    #[inline(always)]
    fn bit(&mut self, probability: &mut u16, bit: u32) -> u32 {
        self.normalize();
        let p = u32::from(*probability);
        let bound = (self.range >> 11).wrapping_mul(p);
        if bit == 0 {
            self.range = bound;
            *probability = (p + ((2048 - p) >> 5)) as u16;
        } else {
            self.low += u64::from(bound);
            self.range = self.range.wrapping_sub(bound);
            *probability = (p - (p >> 5)) as u16;
        }
        bit
    }

    #[inline(always)]
    fn direct(&mut self, value: u32, n: u32) -> u32 {
        for i in (0..n).rev() {
            self.normalize();
            self.range >>= 1;
            if value >> i & 1 == 1 {
                self.low += u64::from(self.range);
            }
        }
        value
    }
}

/// A symbol of `n` bits, highest first.
#[inline(always)]
fn tree<C: Bits>(rc: &mut C, tree: &mut [u16], symbol: u32, n: u32) -> u32 {
    let mut node = 1usize;
    for i in (0..n).rev() {
        let mut none = HALF;
        let bit = rc.bit(tree.get_mut(node).unwrap_or(&mut none), symbol >> i & 1);
        node = node << 1 | bit as usize;
    }
    node as u32 - (1 << n)
}

/// A symbol of `n` bits, lowest first. Node 1 of the tree is at `tree[at]`.
#[inline(always)]
fn tree_reversed<C: Bits>(rc: &mut C, tree: &mut [u16], at: usize, symbol: u32, n: u32) -> u32 {
    let (mut node, mut value) = (1usize, 0);
    for i in 0..n {
        let mut none = HALF;
        let bit = rc.bit(tree.get_mut(at + node - 1).unwrap_or(&mut none), symbol >> i & 1);
        node = node << 1 | bit as usize;
        value |= bit << i;
    }
    value
}

/// Probabilities of lengths.
struct Lengths {
    choice: [u16; 2],
    low: [[u16; 8]; 16],
    mid: [[u16; 8]; 16],
    high: [u16; 256],
}

impl Lengths {
    const NEW: Lengths =
        Lengths { choice: [HALF; 2], low: [[HALF; 8]; 16], mid: [[HALF; 8]; 16], high: [HALF; 256] };

    #[inline(always)]
    fn code<C: Bits>(&mut self, rc: &mut C, place: usize, len: u32) -> u32 {
        let n = len.wrapping_sub(2);
        let [a, b] = &mut self.choice;
        if rc.bit(a, u32::from(n >= 8)) == 0 {
            return 2 + tree(rc, &mut self.low[place & 15], n, 3);
        }
        if rc.bit(b, u32::from(n >= 16)) == 0 {
            return 10 + tree(rc, &mut self.mid[place & 15], n.wrapping_sub(8), 3);
        }
        18 + tree(rc, &mut self.high, n.wrapping_sub(16), 8)
    }
}

/// All that adapts, and the last four distances.
pub(super) struct Model {
    is_match: [[u16; 16]; 12],
    is_rep: [u16; 12],
    /// Whether the repeated distance is not the last one, not the one before, not the one before that.
    rep: [[u16; 12]; 3],
    long: [[u16; 16]; 12],
    lengths: Lengths,
    rep_lengths: Lengths,
    slots: [[u16; 64]; 4],
    special: [u16; 128],
    align: [u16; 16],
    literals: Vec<u16>,
    /// What the last tokens were, 0 to 11: below 7 the last one was a literal.
    pub state: usize,
    /// The last four distances - 1.
    pub reps: [u32; 4],
    /// Bits of the last byte that choose a literal's probabilities, low bits of the position that do,
    /// low bits of the position that choose everything else's.
    lc: u32,
    lp: u32,
    pb: u32,
}

impl Model {
    /// For properties 0x5d: lc 3, lp 0, pb 2.
    pub fn new() -> Self {
        Model::fresh(Vec::new(), [3, 0, 2])
    }

    fn fresh(mut literals: Vec<u16>, [lc, lp, pb]: [u32; 3]) -> Self {
        literals.clear();
        literals.resize(0x300 << (lc + lp), HALF);
        Model {
            is_match: [[HALF; 16]; 12],
            is_rep: [HALF; 12],
            rep: [[HALF; 12]; 3],
            long: [[HALF; 16]; 12],
            lengths: Lengths::NEW,
            rep_lengths: Lengths::NEW,
            slots: [[HALF; 64]; 4],
            special: [HALF; 128],
            align: [HALF; 16],
            literals,
            state: 0,
            reps: [0; 4],
            lc,
            lp,
            pb,
        }
    }

    /// Forgets everything but the properties.
    pub fn reset(&mut self) {
        let literals = std::mem::take(&mut self.literals);
        *self = Model::fresh(literals, [self.lc, self.lp, self.pb]);
    }

    /// Takes new properties (lc + 9 x (lp + 5 x pb)) and forgets everything; false where LZMA2 has
    /// none such.
    pub fn set(&mut self, properties: u8) -> bool {
        let Some([lc, lp, pb]) = properties_of(properties) else { return false };
        (self.lc, self.lp, self.pb) = (lc, lp, pb);
        self.reset();
        true
    }

    /// Codes the token at `at` of the content. A reader ignores `token`. None where the read token
    /// does not stand for the content.
    #[inline(always)]
    pub fn code<C: Bits>(&mut self, rc: &mut C, content: &[u8], at: usize, token: Token) -> Option<Token> {
        let place = at & ((1 << self.pb) - 1) & 15;
        let state = self.state.min(11);
        if rc.bit(&mut self.is_match[state][place], u32::from(token.back != LITERAL)) == 0 {
            return self.literal(rc, content, at).then_some(Token { back: LITERAL, len: 1 });
        }
        let rep = rc.bit(&mut self.is_rep[state], u32::from(token.back < NEW));
        if rep == 0 {
            let len = self.lengths.code(rc, place, token.len);
            let distance = self.distance(rc, len, token.back.wrapping_sub(NEW));
            let [a, b, c, _] = self.reps;
            self.reps = [distance, a, b, c];
            self.state = if state < 7 { 7 } else { 10 };
            return Some(Token { back: distance.checked_add(NEW)?, len });
        }
        let mut back = 0;
        let [r0, r1, r2] = &mut self.rep;
        if rc.bit(&mut r0[state], u32::from(token.back != 0)) == 0 {
            if rc.bit(&mut self.long[state][place], u32::from(token.len != 1)) == 0 {
                self.state = if state < 7 { 9 } else { 11 };
                return Some(Token { back: 0, len: 1 });
            }
        } else {
            back = 1;
            if rc.bit(&mut r1[state], u32::from(token.back != 1)) == 1 {
                back = 2 + rc.bit(&mut r2[state], u32::from(token.back != 2));
            }
            let [a, b, c, d] = self.reps;
            self.reps = match back {
                1 => [b, a, c, d],
                2 => [c, a, b, d],
                _ => [d, a, b, c],
            };
        }
        let len = self.rep_lengths.code(rc, place, token.len);
        self.state = if state < 7 { 8 } else { 11 };
        Some(Token { back, len })
    }

    /// Codes the byte at `at`; false where the read one is another.
    #[inline(always)]
    fn literal<C: Bits>(&mut self, rc: &mut C, content: &[u8], at: usize) -> bool {
        let byte = |at: usize| content.get(at).copied().unwrap_or(0);
        let before = if at == 0 { 0 } else { byte(at - 1) };
        let place = ((at & ((1 << self.lp) - 1)) << self.lc) + (u32::from(before) >> (8 - self.lc)) as usize;
        let symbol = u32::from(byte(at));
        let state = self.state;
        self.state = after_literal(state);
        let Some(probabilities) = self.literals.get_mut(place * 0x300..) else { return false };
        let Some(probabilities) = probabilities.first_chunk_mut::<0x300>() else { return false };
        let mut node = 1usize;
        let mut i = 8;
        if state >= 7 {
            let mut other = match at.checked_sub(self.reps[0] as usize + 1) {
                Some(from) => u32::from(byte(from)),
                None => 0,
            };
            while i > 0 {
                i -= 1;
                other <<= 1;
                let hint = (other >> 8 & 1) as usize;
                let bit = rc.bit(&mut probabilities[((1 + hint) << 8) + (node & 255)], symbol >> i & 1);
                node = node << 1 | bit as usize;
                if bit as usize != hint {
                    break;
                }
            }
        }
        while i > 0 {
            i -= 1;
            let bit = rc.bit(&mut probabilities[node & 255], symbol >> i & 1);
            node = node << 1 | bit as usize;
        }
        node & 255 == symbol as usize
    }

    #[inline(always)]
    fn distance<C: Bits>(&mut self, rc: &mut C, len: u32, distance: u32) -> u32 {
        let slot = tree(rc, &mut self.slots[(len as usize - 2).min(3)], slot_of(distance), 6);
        if slot < 4 {
            return slot;
        }
        let bits = (slot >> 1) - 1;
        let base = (2 | slot & 1) << bits;
        let rest = distance.wrapping_sub(base);
        if slot < 14 {
            return base + tree_reversed(rc, &mut self.special, (base - slot) as usize, rest, bits);
        }
        let high = rc.direct(rest >> 4, bits - 4) << 4;
        base.wrapping_add(high).wrapping_add(tree_reversed(rc, &mut self.align, 1, rest & 15, 4))
    }
}

/// The state that a literal leads to.
#[inline(always)]
pub(super) fn after_literal(state: usize) -> usize {
    [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 4, 5][state.min(11)]
}

/// lc, lp and pb of a byte of properties.
pub(super) fn properties_of(properties: u8) -> Option<[u32; 3]> {
    let p = u32::from(properties);
    let [lc, lp, pb] = [p % 9, p / 9 % 5, p / 45];
    (pb <= 4 && lc + lp <= 4).then_some([lc, lp, pb])
}

/// The slot of a distance - 1.
fn slot_of(distance: u32) -> u32 {
    if distance < 4 {
        return distance;
    }
    let top = 31 - distance.leading_zeros();
    top << 1 | distance >> (top - 1) & 1
}

/// Prices of a bit in 1/16 bits, by probability / 16.
static PRICES: [u8; 128] = {
    let mut t = [0; 128];
    let mut i = 8;
    while i < 2048 {
        let (mut w, mut bits, mut k) = (i as u32, 0, 0);
        while k < 4 {
            w *= w;
            bits *= 2;
            while w >= 1 << 16 {
                w >>= 1;
                bits += 1;
            }
            k += 1;
        }
        t[i >> 4] = (11 * 16 - 15 - bits) as u8;
        i += 16;
    }
    t
};

#[inline(always)]
fn price(probability: u16, bit: u32) -> u32 {
    let p = if bit == 0 { probability } else { 2047 - (probability & 2047) };
    u32::from(PRICES[usize::from(p >> 4 & 127)])
}

#[inline(always)]
fn tree_price(tree: &[u16], symbol: u32, n: u32) -> u32 {
    let (mut node, mut sum) = (1usize, 0);
    for i in (0..n).rev() {
        let bit = symbol >> i & 1;
        sum += price(tree.get(node).copied().unwrap_or(HALF), bit);
        node = node << 1 | bit as usize;
    }
    sum
}

impl Lengths {
    fn price(&self, place: usize, len: u32) -> u32 {
        let n = len.wrapping_sub(2);
        let [a, b] = self.choice;
        if n < 8 {
            return price(a, 0) + tree_price(&self.low[place & 15], n, 3);
        }
        if n < 16 {
            return price(a, 1) + price(b, 0) + tree_price(&self.mid[place & 15], n - 8, 3);
        }
        price(a, 1) + price(b, 1) + tree_price(&self.high, n - 16, 8)
    }
}

impl Model {
    /// What a literal costs here, in 1/16 bits.
    pub fn literal_price(&self, content: &[u8], at: usize) -> u32 {
        let byte = |at: usize| u32::from(content.get(at).copied().unwrap_or(0));
        let state = self.state.min(11);
        let mut sum = price(self.is_match[state][at & ((1 << self.pb) - 1) & 15], 0);
        let before = if at == 0 { 0 } else { byte(at - 1) };
        let place = ((at & ((1 << self.lp) - 1)) << self.lc) + (before >> (8 - self.lc)) as usize;
        let symbol = byte(at);
        let Some(table) = self.literals.get(place * 0x300..).and_then(|t| t.first_chunk::<0x300>()) else {
            return sum;
        };
        let mut node = 1usize;
        let mut i = 8;
        if state >= 7 {
            let mut other = at.checked_sub(self.reps[0] as usize + 1).map_or(0, byte);
            while i > 0 {
                i -= 1;
                other <<= 1;
                let hint = other >> 8 & 1;
                let bit = symbol >> i & 1;
                sum += price(table[((1 + hint as usize) << 8) + (node & 255)], bit);
                node = node << 1 | bit as usize;
                if bit != hint {
                    break;
                }
            }
        }
        while i > 0 {
            i -= 1;
            let bit = symbol >> i & 1;
            sum += price(table[node & 255], bit);
            node = node << 1 | bit as usize;
        }
        sum
    }

    /// What a token that is no literal costs at `at` in a state, in 1/16 bits.
    pub fn price(&self, state: usize, at: usize, token: Token) -> u32 {
        let place = at & ((1 << self.pb) - 1) & 15;
        let state = state.min(11);
        let sum =
            price(self.is_match[state][place], 1) + price(self.is_rep[state], u32::from(token.back < NEW));
        if token.back >= NEW {
            let distance = token.back - NEW;
            let slot = slot_of(distance);
            let bits = if slot < 4 { 0 } else { (slot >> 1) - 1 };
            return sum
                + self.lengths.price(place, token.len)
                + tree_price(&self.slots[(token.len as usize).wrapping_sub(2).min(3)], slot, 6)
                + 16 * bits;
        }
        let back = token.back;
        let sum = sum + price(self.rep[0][state], u32::from(back != 0));
        if back == 0 {
            let long = price(self.long[state][place], u32::from(token.len != 1));
            return sum + long + if token.len == 1 { 0 } else { self.rep_lengths.price(place, token.len) };
        }
        let sum = sum + price(self.rep[1][state], u32::from(back != 1));
        let sum = sum + if back == 1 { 0 } else { price(self.rep[2][state], u32::from(back != 2)) };
        sum + self.rep_lengths.price(place, token.len)
    }
}
