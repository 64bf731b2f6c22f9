//! How a program prints numbers: the style of a field, and the text of a number in it.

use std::io::Write;
use strangelet::error::{Result, corruption};
use strangelet::format::varint::Cursor;

/// Most digits of any style.
const MAX_DIGITS: u8 = 40;
/// Most digits of an integer.
const MAX_INTEGER: usize = 18;

/// How the mantissa of a number with an exponent is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lead {
    /// `1.25e+00`, as C does.
    One = 0,
    /// `0.125E+01`, as Fortran does.
    Zero = 1,
    /// `0.125E+01`, but `-.125E+01`: Fortran where the field is narrow.
    Bare = 2,
}

/// How numbers of a field are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// An integer, with a sign where `plus`.
    Integer { plus: bool },
    /// Mantissa and exponent. `digits` behind the point; `mark` is `e`, `E`, `d` or `D`; zero is written `0`
    /// where `zero`.
    Exponent { digits: u8, mark: u8, plus: bool, lead: Lead, zero: bool },
    /// Digits behind the point, which stands even before none.
    Fixed { digits: u8, plus: bool },
    /// C's `%.Ng`: as many digits as needed, at most `digits`; all of them where `full` (`%#.Ng`).
    General { digits: u8, full: bool },
    /// The shortest text that gives the number back, as Python prints it.
    Shortest,
}

/// A number: an integer or a floating-point number, by the style of its field.
#[derive(Debug, Clone, Copy)]
pub enum Value {
    Integer(i64),
    Float(f64),
}

/// Whether a text looks like a number, by its letters alone.
pub fn looks(text: &[u8]) -> bool {
    let s = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let digits = |s: &[u8]| s.iter().take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(s);
    let mut s = &s[whole..];
    let mut part = 0;
    if let Some(rest) = s.strip_prefix(b".") {
        part = digits(rest);
        s = &rest[part..];
    }
    if whole + part == 0 {
        return false;
    }
    match s.split_first() {
        None => true,
        Some((b'e' | b'E' | b'd' | b'D', e)) => {
            let e = e.strip_prefix(b"-").or_else(|| e.strip_prefix(b"+")).unwrap_or(e);
            !e.is_empty() && digits(e) == e.len()
        }
        Some(_) => false,
    }
}

fn float(text: &[u8]) -> Option<f64> {
    let mut own = [0; 64];
    let own = own.get_mut(..text.len())?;
    for (to, &b) in own.iter_mut().zip(text) {
        *to = if matches!(b, b'd' | b'D') { b'e' } else { b };
    }
    std::str::from_utf8(own).ok()?.parse().ok()
}

fn integer(text: &[u8]) -> Option<i64> {
    if text.len() > MAX_INTEGER + 1 {
        return None;
    }
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > MAX_INTEGER {
        return None;
    }
    let mut n = 0i64;
    for &b in digits {
        if !b.is_ascii_digit() {
            return None;
        }
        n = n * 10 + i64::from(b - b'0');
    }
    Some(if negative { -n } else { n })
}

impl Style {
    /// Whether cells are integers.
    pub fn is_integer(self) -> bool {
        matches!(self, Style::Integer { .. })
    }

    /// The number of a text, whether or not [`Style::render`] gives the same text.
    pub fn value(self, text: &[u8]) -> Option<Value> {
        if !looks(text) {
            return None;
        }
        match self {
            Style::Integer { .. } => integer(text).map(Value::Integer),
            _ => float(text).map(Value::Float),
        }
    }

    /// The number of a text that [`Style::render`] writes again.
    pub fn parse(self, text: &[u8], scratch: &mut Vec<u8>) -> Option<Value> {
        let value = self.value(text)?;
        scratch.clear();
        self.render(value, scratch);
        (scratch == text).then_some(value)
    }

    /// Writes a number.
    pub fn render(self, value: Value, out: &mut Vec<u8>) {
        // Writing to a vector cannot fail.
        match (self, value) {
            (Style::Integer { plus }, Value::Integer(n)) => {
                let _ = if plus { write!(out, "{n:+}") } else { write!(out, "{n}") };
            }
            (Style::Exponent { digits, mark, plus, lead, zero }, Value::Float(x)) => {
                if zero && x == 0.0 {
                    out.push(b'0');
                    return;
                }
                exponent(x, digits, mark, plus, lead, out);
            }
            (Style::Fixed { digits, plus }, Value::Float(x)) => {
                let n = usize::from(digits);
                let _ = if plus { write!(out, "{x:+.n$}") } else { write!(out, "{x:.n$}") };
                if digits == 0 {
                    out.push(b'.');
                }
            }
            (Style::General { digits, full }, Value::Float(x)) => general(x, digits, full, out),
            (Style::Shortest, Value::Float(x)) => shortest(x, out),
            // A value of another kind than its column: no reader makes one.
            (_, Value::Integer(n)) => {
                let _ = write!(out, "{n}");
            }
            (_, Value::Float(x)) => {
                let _ = write!(out, "{x}");
            }
        }
    }

    /// Styles that might have written a text.
    pub fn guesses(text: &[u8], out: &mut Vec<Style>) {
        let signed = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+"));
        let plus = text.starts_with(b"+");
        let body = signed.unwrap_or(text);
        let at = body.iter().position(|b| b.is_ascii_alphabetic());
        let mantissa = &body[..at.unwrap_or(body.len())];
        let point = mantissa.iter().position(|&b| b == b'.');
        match (at, point) {
            (Some(at), Some(point)) => {
                let digits = (mantissa.len() - point - 1).min(usize::from(MAX_DIGITS)) as u8;
                let mark = body[at];
                for lead in [Lead::One, Lead::Zero, Lead::Bare] {
                    for zero in [false, true] {
                        out.push(Style::Exponent { digits, mark, plus, lead, zero });
                    }
                }
            }
            (None, Some(point)) => {
                let digits = (mantissa.len() - point - 1).min(usize::from(MAX_DIGITS)) as u8;
                out.push(Style::Fixed { digits, plus });
            }
            (None, None) => out.push(Style::Integer { plus }),
            (Some(_), None) => {}
        }
        for full in [false, true] {
            let digits = [6, 8, 10, 12, 14, 15, 16, 17];
            out.extend(digits.map(|digits| Style::General { digits, full }));
        }
        out.push(Style::Shortest);
    }

    /// Five bytes.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend(match self {
            Style::Integer { plus } => [0, plus as u8, 0, 0, 0],
            Style::Exponent { digits, mark, plus, lead, zero } => {
                [1, digits, mark, plus as u8 | (zero as u8) << 1, lead as u8]
            }
            Style::Fixed { digits, plus } => [2, digits, plus as u8, 0, 0],
            Style::General { digits, full } => [3, digits, full as u8, 0, 0],
            Style::Shortest => [4, 0, 0, 0, 0],
        });
    }

    /// The inverse of [`Style::write`].
    pub fn read(c: &mut Cursor) -> Result<Style> {
        let unknown = || corruption("a style of numbers that does not exist");
        let [kind, a, b, d, e] = c.array::<5>()?;
        if a > MAX_DIGITS {
            return Err(unknown());
        }
        Ok(match kind {
            0 => Style::Integer { plus: a != 0 },
            1 => Style::Exponent {
                digits: a,
                mark: b,
                plus: d & 1 != 0,
                lead: match e {
                    0 => Lead::One,
                    1 => Lead::Zero,
                    2 => Lead::Bare,
                    _ => return Err(unknown()),
                },
                zero: d & 2 != 0,
            },
            2 => Style::Fixed { digits: a, plus: b != 0 },
            3 => Style::General { digits: a, full: b != 0 },
            4 => Style::Shortest,
            _ => return Err(unknown()),
        })
    }
}

/// Sign, digits and decimal exponent of the digit before the point.
struct Scientific {
    negative: bool,
    digits: [u8; MAX_DIGITS as usize + 8],
    count: usize,
    exponent: i32,
}

/// A buffer of fixed length to write into.
struct Room {
    bytes: [u8; 64],
    len: usize,
}

impl Write for Room {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        let n = data.len().min(self.bytes.len() - self.len);
        self.bytes[self.len..self.len + n].copy_from_slice(&data[..n]);
        self.len += n;
        Ok(n)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// With so many digits behind the point, or as many as are needed; `None` for what is no finite number.
fn scientific(x: f64, digits: Option<u8>) -> Option<Scientific> {
    if !x.is_finite() {
        return None;
    }
    let mut room = Room { bytes: [0; 64], len: 0 };
    match digits {
        Some(n) => write!(room, "{x:.*e}", usize::from(n)).ok()?,
        None => write!(room, "{x:e}").ok()?,
    }
    let text = &room.bytes[..room.len];
    let at = text.iter().position(|&b| b == b'e')?;
    let exponent = std::str::from_utf8(&text[at + 1..]).ok()?.parse().ok()?;
    let negative = text[0] == b'-';
    let mut s = Scientific { negative, digits: [0; MAX_DIGITS as usize + 8], count: 0, exponent };
    for &b in &text[usize::from(negative)..at] {
        if b != b'.' {
            *s.digits.get_mut(s.count)? = b;
            s.count += 1;
        }
    }
    Some(s)
}

fn sign(negative: bool, plus: bool, out: &mut Vec<u8>) {
    if negative {
        out.push(b'-');
    } else if plus {
        out.push(b'+');
    }
}

fn two_digits(exponent: i32, out: &mut Vec<u8>) {
    out.push(if exponent < 0 { b'-' } else { b'+' });
    let e = exponent.unsigned_abs();
    if e < 100 {
        out.extend([b'0' + (e / 10) as u8, b'0' + (e % 10) as u8]);
    } else {
        let _ = write!(out, "{e}");
    }
}

fn exponent(x: f64, digits: u8, mark: u8, plus: bool, lead: Lead, out: &mut Vec<u8>) {
    let shift = lead != Lead::One;
    // A Fortran mantissa has its first digit behind the point.
    let Some(s) = scientific(x, Some(if shift { digits.saturating_sub(1) } else { digits })) else {
        let _ = write!(out, "{x}");
        return;
    };
    sign(s.negative, plus, out);
    let all = &s.digits[..s.count];
    if shift {
        if lead == Lead::Zero || !s.negative {
            out.push(b'0');
        }
        out.push(b'.');
        out.extend_from_slice(all);
    } else {
        out.push(all[0]);
        if s.count > 1 {
            out.push(b'.');
            out.extend_from_slice(&all[1..]);
        }
    }
    out.push(mark);
    two_digits(s.exponent + i32::from(shift && x != 0.0), out);
}

/// Digits (without zeros at the end, unless `full`) with a point, or with an exponent where that is below -4 or at least `most`.
fn plain(s: &Scientific, most: i32, point: bool, full: bool, out: &mut Vec<u8>) {
    sign(s.negative, false, out);
    let all = &s.digits[..s.count];
    let kept = if full { s.count } else { all.iter().rposition(|&b| b != b'0').map_or(1, |i| i + 1) };
    let all = &all[..kept];
    if s.exponent < -4 || s.exponent >= most {
        out.push(all[0]);
        if kept > 1 {
            out.push(b'.');
            out.extend_from_slice(&all[1..]);
        }
        out.push(b'e');
        two_digits(s.exponent, out);
    } else if s.exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend((1..-s.exponent).map(|_| b'0'));
        out.extend_from_slice(all);
    } else {
        let whole = s.exponent as usize + 1;
        out.extend((0..whole).map(|i| all.get(i).copied().unwrap_or(b'0')));
        if kept > whole {
            out.push(b'.');
            out.extend_from_slice(&all[whole..]);
        } else if point {
            out.extend_from_slice(b".0");
        } else if full {
            out.push(b'.');
        }
    }
}

fn general(x: f64, digits: u8, full: bool, out: &mut Vec<u8>) {
    match scientific(x, Some(digits.saturating_sub(1))) {
        Some(s) => plain(&s, digits.max(1).into(), false, full, out),
        None => {
            let _ = write!(out, "{x}");
        }
    }
}

fn shortest(x: f64, out: &mut Vec<u8>) {
    match scientific(x, None) {
        Some(s) => plain(&s, 16, true, false, out),
        None => {
            let _ = write!(out, "{x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(style: Style, x: f64) -> String {
        let mut out = Vec::new();
        style.render(Value::Float(x), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_as_programs_print_them() {
        let c = |digits, lead, zero| Style::Exponent { digits, mark: b'E', plus: false, lead, zero };
        assert_eq!(text(c(4, Lead::One, false), -0.00012345), "-1.2345E-04");
        assert_eq!(text(c(0, Lead::One, false), 3.0), "3E+00");
        assert_eq!(text(c(8, Lead::Zero, false), -53.944305), "-0.53944305E+02");
        assert_eq!(text(c(8, Lead::Bare, false), -53.944305), "-.53944305E+02");
        assert_eq!(text(c(8, Lead::Bare, false), 53.944305), "0.53944305E+02");
        assert_eq!(text(c(4, Lead::Zero, false), 0.0), "0.0000E+00");
        assert_eq!(text(c(3, Lead::One, true), 0.0), "0");
        assert_eq!(text(c(3, Lead::One, false), -1e-120), "-1.000E-120");
        assert_eq!(text(Style::Fixed { digits: 0, plus: false }, 9.0), "9.");
        assert_eq!(text(Style::Fixed { digits: 2, plus: true }, 9.0), "+9.00");
        let g = |digits| Style::General { digits, full: false };
        let all = Style::General { digits: 6, full: true };
        assert_eq!(text(all, 1.5), "1.50000");
        assert_eq!(text(all, 123456.0), "123456.");
        assert_eq!(text(g(15), 17.3602116997942), "17.3602116997942");
        assert_eq!(text(g(6), 0.00001234), "1.234e-05");
        assert_eq!(text(g(6), 0.0001234), "0.0001234");
        assert_eq!(text(g(6), 250.0), "250");
        assert_eq!(text(g(6), 1234567.0), "1.23457e+06");
        assert_eq!(text(g(6), -0.0), "-0");
        assert_eq!(text(Style::Shortest, 250.0), "250.0");
        assert_eq!(text(Style::Shortest, 1e22), "1e+22");
        assert_eq!(text(Style::Shortest, 0.1), "0.1");
        let mut scratch = Vec::new();
        assert!(matches!(
            Style::Integer { plus: false }.parse(b"-17", &mut scratch),
            Some(Value::Integer(-17))
        ));
        assert!(Style::Integer { plus: false }.parse(b"017", &mut scratch).is_none());
        assert!(Style::Shortest.parse(b"nan", &mut scratch).is_none());
    }

    proptest! {
        #[test]
        fn any_text_and_any_number(s in "[-+0-9.eEdD]{0,30}", x: f64, raw: [u8; 5]) {
            let mut guesses = Vec::new();
            Style::guesses(s.as_bytes(), &mut guesses);
            let mut scratch = Vec::new();
            for style in guesses {
                let _ = style.parse(s.as_bytes(), &mut scratch);
                style.render(Value::Float(x), &mut scratch);
                let mut out = Vec::new();
                style.write(&mut out);
                prop_assert_eq!(Style::read(&mut Cursor::new(&out)).unwrap(), style);
            }
            if let Ok(style) = Style::read(&mut Cursor::new(&raw)) {
                style.render(Value::Float(x), &mut scratch);
            }
        }

        #[test]
        fn printed_numbers_come_back(x: f64, digits in 17u8..25) {
            prop_assume!(x.is_finite());
            let style = Style::General { digits, full: digits % 2 == 0 };
            let s = text(style, x);
            let again = style.parse(s.as_bytes(), &mut Vec::new());
            prop_assert!(matches!(again, Some(Value::Float(y)) if y.to_bits() == x.to_bits()));
        }
    }
}
