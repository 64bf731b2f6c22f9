//! Forms as text, and back.

use super::form::{MAX_NESTING, Node};
use strangelet::column::Scalar;
use strangelet::error::{Result, corruption};

fn hex(bytes: &[u8], out: &mut String) {
    for b in bytes {
        out.push(char::from_digit((b >> 4) as u32, 16).unwrap_or('0'));
        out.push(char::from_digit((b & 15) as u32, 16).unwrap_or('0'));
    }
    out.push(';');
}

pub(super) fn write_text(node: &Node, out: &mut String) {
    match node {
        Node::Cells(s, n, _) => {
            out.push(match s {
                Scalar::Bool => 'b',
                Scalar::F32 | Scalar::F64 => 'f',
                s if s.is_signed() => 'i',
                _ => 'u',
            });
            out.push_str(&s.width().to_string());
            if *n != 1 {
                out.push_str(&format!("*{n}"));
            }
        }
        Node::Short(bits, _) => out.push_str(&format!("t{bits}")),
        Node::Text(_) => out.push('s'),
        Node::Rest(_) => out.push('r'),
        Node::Const(b) => {
            out.push('x');
            hex(b, out);
        }
        Node::Frame(head, n) => {
            out.push('{');
            hex(head, out);
            write_text(n, out);
            out.push('}');
        }
        Node::List(n, _) => {
            out.push('[');
            write_text(n, out);
            out.push(']');
        }
        Node::Fill(n, _) => {
            out.push('~');
            write_text(n, out);
        }
        Node::Repeat(by, n, _) => {
            out.push_str(&format!("@{by};"));
            write_text(n, out);
        }
        Node::Seq(nodes) => {
            out.push('(');
            nodes.iter().for_each(|n| write_text(n, out));
            out.push(')');
        }
        Node::Pointer(class, nullable, n, _) => {
            out.push(if *nullable { '?' } else { '^' });
            hex(class, out);
            write_text(n, out);
        }
        Node::Named(_, n) | Node::Shaped(_, n) | Node::Counted(_, n) => write_text(n, out),
        Node::Class(_) | Node::Stl(..) | Node::Any | Node::Stride => out.push('!'),
    }
}

pub(super) struct Parse<'a> {
    text: &'a [u8],
    pos: usize,
    nesting: usize,
}

impl<'a> Parse<'a> {
    /// Reads the whole text.
    pub(super) fn whole(text: &'a str) -> Result<Node> {
        let mut p = Parse { text: text.as_bytes(), pos: 0, nesting: 0 };
        let node = p.node()?;
        if p.pos != p.text.len() {
            return Err(corruption("a form goes on behind its end"));
        }
        Ok(node)
    }

    fn next(&mut self) -> Result<u8> {
        let b = self.text.get(self.pos).copied().ok_or_else(|| corruption("a form ends too early"))?;
        self.pos += 1;
        Ok(b)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.pos).copied()
    }

    fn expect(&mut self, want: u8) -> Result<()> {
        if self.next()? == want { Ok(()) } else { Err(corruption("a form is malformed")) }
    }

    fn decimal(&mut self) -> Result<u32> {
        let mut n: Option<u32> = None;
        while let Some(d @ b'0'..=b'9') = self.peek() {
            self.pos += 1;
            let grown = n.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add((d - b'0') as u32));
            n = Some(grown.ok_or_else(|| corruption("a number in a form is too large"))?);
        }
        n.ok_or_else(|| corruption("a form lacks a number"))
    }

    fn hex(&mut self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            let high = self.next()?;
            if high == b';' {
                return Ok(out);
            }
            let low = self.next()?;
            match ((high as char).to_digit(16), (low as char).to_digit(16)) {
                (Some(h), Some(l)) => out.push((h << 4 | l) as u8),
                _ => return Err(corruption("a form has bytes that are not hexadecimal")),
            }
        }
    }

    fn node(&mut self) -> Result<Node> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(corruption("a form is nested too deeply"));
        }
        let node = self.node_inner()?;
        self.nesting -= 1;
        Ok(node)
    }

    fn node_inner(&mut self) -> Result<Node> {
        Ok(match self.next()? {
            kind @ (b'b' | b'i' | b'u' | b'f') => {
                let scalar = match (kind, self.next()?) {
                    (b'b', b'1') => Scalar::Bool,
                    (b'i', b'1') => Scalar::I8,
                    (b'u', b'1') => Scalar::U8,
                    (b'i', b'2') => Scalar::I16,
                    (b'u', b'2') => Scalar::U16,
                    (b'i', b'4') => Scalar::I32,
                    (b'u', b'4') => Scalar::U32,
                    (b'i', b'8') => Scalar::I64,
                    (b'u', b'8') => Scalar::U64,
                    (b'f', b'4') => Scalar::F32,
                    (b'f', b'8') => Scalar::F64,
                    _ => return Err(corruption("a form has an unknown number type")),
                };
                let mut n = 1;
                if self.peek() == Some(b'*') {
                    self.pos += 1;
                    n = self.decimal()?;
                }
                Node::Cells(scalar, n, 0)
            }
            b't' => Node::Short(self.decimal()?.min(255) as u8, 0),
            b's' => Node::Text(0),
            b'r' => Node::Rest(0),
            b'x' => Node::Const(self.hex()?),
            b'{' => {
                let head = self.hex()?;
                let n = self.node()?;
                self.expect(b'}')?;
                Node::Frame(head, Box::new(n))
            }
            b'[' => {
                let n = self.node()?;
                self.expect(b']')?;
                Node::List(Box::new(n), 0..0)
            }
            b'~' => Node::Fill(Box::new(self.node()?), 0..0),
            b'@' => {
                let by = self.decimal()? as usize;
                self.expect(b';')?;
                Node::Repeat(by, Box::new(self.node()?), 0..0)
            }
            b'(' => {
                let mut nodes = Vec::new();
                while self.peek() != Some(b')') {
                    nodes.push(self.node()?);
                }
                self.pos += 1;
                Node::Seq(nodes)
            }
            kind @ (b'^' | b'?') => {
                let class = self.hex()?;
                Node::Pointer(class, kind == b'?', Box::new(self.node()?), 0..0)
            }
            b'!' => Node::Any,
            _ => return Err(corruption("a form has an unknown letter")),
        })
    }
}
