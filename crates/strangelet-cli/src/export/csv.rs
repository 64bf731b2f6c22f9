//! CSV: one line an event; lists as quoted JSON-like lists, strings quoted, bytes in hexadecimal.

use super::{Selection, number};
use std::io::Write;
use strangelet::archive::Archive;
use strangelet::column::{Cells, Column, ColumnSchema, Meaning};
use strangelet::error::Result;
use strangelet::source::Source;

/// Writes the selection.
pub fn write<S: Source>(archive: &Archive<S>, selection: &Selection, out: &mut dyn Write) -> Result<()> {
    let schemas = selection.schemas(archive)?;
    let names: Vec<String> = schemas.iter().map(|s| quoted(&s.name)).collect();
    out.write_all(names.join(",").as_bytes())?;
    out.write_all(b"\n")?;
    for part in 0..selection.parts() {
        let mut events = 0;
        let mut columns = Vec::with_capacity(schemas.len());
        for (c, schema) in schemas.iter().enumerate() {
            let (n, column) = selection.read(archive, part, c)?;
            events = n;
            columns.push((column, Cursor::new(schema)));
        }
        let mut line = String::new();
        for _ in 0..events {
            line.clear();
            for (c, (column, cursor)) in columns.iter_mut().enumerate() {
                if c > 0 {
                    line.push(',');
                }
                cursor.event(column, &mut line);
            }
            line.push('\n');
            out.write_all(line.as_bytes())?;
        }
    }
    Ok(())
}

/// Where in a column the next event begins.
struct Cursor<'a> {
    schema: &'a ColumnSchema,
    /// Next list of each level.
    lists: Vec<usize>,
    /// Next cell.
    cell: usize,
}

impl<'a> Cursor<'a> {
    fn new(schema: &'a ColumnSchema) -> Self {
        Cursor { schema, lists: vec![0; schema.levels()], cell: 0 }
    }

    fn event(&mut self, column: &Column, line: &mut String) {
        let mut text = String::new();
        self.item(column, 0, &mut text);
        let list = self.schema.depth > 0 || !self.schema.inner.is_empty();
        *line += &if list { format!("\"{}\"", text.replace('"', "\"\"")) } else { text };
    }

    fn item(&mut self, column: &Column, level: usize, text: &mut String) {
        if level == self.schema.levels() {
            return self.cells(column, 0, text);
        }
        let n = column.lengths.get(level).and_then(|l| l.get(self.lists[level])).copied().unwrap_or(0);
        self.lists[level] += 1;
        if level == self.schema.depth as usize {
            return self.string(column, n as usize, text);
        }
        text.push('[');
        for i in 0..n {
            if i > 0 {
                text.push(',');
            }
            self.item(column, level + 1, text);
        }
        text.push(']');
    }

    /// The cells of the fixed inner shape.
    fn cells(&mut self, column: &Column, dimension: usize, text: &mut String) {
        match self.schema.inner.get(dimension) {
            None => {
                *text += &number(self.schema.scalar, &column.values, self.cell);
                self.cell += 1;
            }
            Some(&n) => {
                text.push('[');
                for i in 0..n {
                    if i > 0 {
                        text.push(',');
                    }
                    self.cells(column, dimension + 1, text);
                }
                text.push(']');
            }
        }
    }

    fn string(&mut self, column: &Column, len: usize, text: &mut String) {
        let bytes = match &column.values {
            Cells::W1(v) => v.get(self.cell..self.cell + len).unwrap_or(&[]),
            _ => &[],
        };
        self.cell += len;
        let string = match self.schema.meaning {
            Meaning::Text => String::from_utf8_lossy(bytes).into_owned(),
            _ => bytes.iter().map(|b| format!("{b:02x}")).collect(),
        };
        *text += &if self.schema.depth > 0 {
            serde_json::Value::from(string).to_string()
        } else {
            quoted(&string)
        };
    }
}

/// A field, quoted where CSV needs it.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strangelet::column::Scalar;

    fn events(schema: &ColumnSchema, column: &Column, n: usize) -> Vec<String> {
        let mut cursor = Cursor::new(schema);
        (0..n)
            .map(|_| {
                let mut line = String::new();
                cursor.event(column, &mut line);
                line
            })
            .collect()
    }

    #[test]
    fn lists_and_strings() {
        let f = |x: f32| x.to_bits();
        let schema = ColumnSchema::jagged("x", Scalar::F32, 1);
        let column = Column::jagged(vec![2, 0], Cells::W4(vec![f(0.1), f(-1e-40)]));
        assert_eq!(events(&schema, &column, 2), ["\"[0.1,-1e-40]\"", "\"[]\""]);
        let schema = ColumnSchema::text("s");
        let column = Column::strings(["plain", "a,\"b\""]);
        assert_eq!(events(&schema, &column, 2), ["plain", "\"a,\"\"b\"\"\""]);
        let schema = ColumnSchema::flat("v", Scalar::I16).with_inner(vec![2, 2]);
        let column = Column::flat(Cells::W2(vec![1, 2, 3, 65535]));
        assert_eq!(events(&schema, &column, 1), ["\"[[1,2],[3,-1]]\""]);
    }
}
