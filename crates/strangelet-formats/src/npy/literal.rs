//! Python literals, as far as NumPy writes them: dicts, lists, tuples, strings, integers, truth values.

use strangelet::error::{Result, corruption};

/// Deepest nesting.
const MAX_DEPTH: usize = 32;

/// A literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `{key: value}`.
    Dict(Vec<(Value, Value)>),
    /// `[..]` or `(..)`.
    List(Vec<Value>),
    /// `'..'` or `".."`.
    Text(String),
    /// An integer.
    Int(i64),
    /// `True` or `False`.
    Bool(bool),
}

impl Value {
    /// The value of a key of a dict.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Dict(items) => {
                items.iter().find(|(k, _)| matches!(k, Value::Text(t) if t == key)).map(|(_, v)| v)
            }
            _ => None,
        }
    }

    /// The integer, where it is one that fits.
    pub fn u32(&self) -> Option<u32> {
        match self {
            Value::Int(n) => u32::try_from(*n).ok(),
            _ => None,
        }
    }
}

/// Reads a literal with nothing but white space behind it.
pub fn parse(text: &str) -> Result<Value> {
    let mut p = Parser { rest: text };
    let value = p.value(0)?;
    p.skip();
    if p.rest.trim_end_matches('\0').is_empty() {
        Ok(value)
    } else {
        Err(corruption("bytes behind a literal"))
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Whether this character comes next; moves behind it.
    fn eat(&mut self, c: char) -> bool {
        self.skip();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        if depth > MAX_DEPTH {
            return Err(corruption("a literal nested too deep"));
        }
        if self.eat('{') {
            let mut items = Vec::new();
            while !self.eat('}') {
                let key = self.value(depth + 1)?;
                if !self.eat(':') {
                    return Err(corruption("a dict without colon"));
                }
                items.push((key, self.value(depth + 1)?));
                if !self.eat(',') && !self.rest.starts_with('}') {
                    return Err(corruption("a dict without comma"));
                }
            }
            return Ok(Value::Dict(items));
        }
        for (open, close) in [('[', ']'), ('(', ')')] {
            if self.eat(open) {
                let mut items = Vec::new();
                while !self.eat(close) {
                    items.push(self.value(depth + 1)?);
                    if !self.eat(',') && !self.rest.starts_with(close) {
                        return Err(corruption("a list without comma"));
                    }
                }
                return Ok(Value::List(items));
            }
        }
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(Value::Bool(value));
            }
        }
        for prefix in ["u'", "b'", "u\"", "b\""] {
            if self.rest.starts_with(prefix) {
                self.rest = &self.rest[1..];
            }
        }
        for quote in ['\'', '"'] {
            if self.eat(quote) {
                return self.text(quote);
            }
        }
        let digits = self.rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest.strip_prefix('L').unwrap_or(rest);
        number.parse().map(Value::Int).map_err(|_| corruption("a literal of an unknown kind"))
    }

    fn text(&mut self, quote: char) -> Result<Value> {
        let mut out = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.rest = &self.rest[at + c.len_utf8()..];
                return Ok(Value::Text(out));
            }
            out.push(c);
            // The name only: an escape stays as it is written.
            if c == '\\'
                && let Some((_, escaped)) = chars.next()
            {
                out.push(escaped);
            }
        }
        Err(corruption("a string without end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_numpy_writes() {
        let v = parse("{'descr': [('x', '<f4'), ((u't', 'n'), '|S3', (2L,))], 'fortran_order': False, 'shape': (3,), }  \n")
            .unwrap();
        assert_eq!(v.get("fortran_order"), Some(&Value::Bool(false)));
        assert_eq!(v.get("shape"), Some(&Value::List(vec![Value::Int(3)])));
        let Some(Value::List(fields)) = v.get("descr") else { panic!() };
        assert_eq!(fields.len(), 2);
        assert!(parse("[1 2]").is_err());
        assert!(parse("'a").is_err());
        assert!(parse(&"[".repeat(1000)).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\[\\](){}'\"\\\\uTrue0-9L:,é ]{0,40}") {
            let _ = parse(&text);
        }
    }
}
