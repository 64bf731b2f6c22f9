//! NumPy's type descriptions to the layout of a cell.

use super::literal::Value;
use crate::layout::{Field, Layout, MAX_FIELDS};
use strangelet::column::Scalar;
use strangelet::error::{Result, corruption, unsupported};

/// The layout of one cell: one field without a name for plain types, the fields of a record else.
pub fn layout(descr: &Value) -> Result<Layout> {
    let mut fields = Vec::new();
    add("", descr, &[], &mut fields)?;
    Ok(Layout { fields })
}

fn add(name: &str, descr: &Value, shape: &[u32], out: &mut Vec<Field>) -> Result<()> {
    match descr {
        Value::Text(text) => {
            let field = scalar(name, text)?;
            out.push(if shape.is_empty() { field } else { field.array(shape) });
        }
        Value::List(items) if shape.is_empty() => {
            for item in items {
                record_field(name, item, out)?;
            }
        }
        Value::List(items) => {
            // Records within an array within a record: one field each, repeated.
            let count = shape.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
            for i in 0..count {
                let before = out.len();
                for item in items {
                    record_field(&format!("{name}[{i}]"), item, out)?;
                }
                if out.len() == before {
                    break;
                }
            }
        }
        _ => return Err(corruption("npy: a type of an unknown form")),
    }
    if out.len() > MAX_FIELDS {
        return Err(unsupported("npy: too many fields"));
    }
    Ok(())
}

/// `(name, type)`, `(name, type, shape)` or `((title, name), type, ..)`.
fn record_field(outer: &str, item: &Value, out: &mut Vec<Field>) -> Result<()> {
    let strange = || corruption("npy: a field of an unknown form");
    let Value::List(parts) = item else { return Err(strange()) };
    let (name, descr) = (parts.first().ok_or_else(strange)?, parts.get(1).ok_or_else(strange)?);
    let name = match name {
        Value::Text(t) => t.as_str(),
        Value::List(titled) => match titled.get(1) {
            Some(Value::Text(t)) => t.as_str(),
            _ => return Err(strange()),
        },
        _ => return Err(strange()),
    };
    let shape: Vec<u32> = match parts.get(2) {
        None => Vec::new(),
        Some(Value::List(dims)) => dims.iter().map(|d| d.u32().ok_or_else(strange)).collect::<Result<_>>()?,
        Some(one) => vec![one.u32().ok_or_else(strange)?],
    };
    let name = match (outer, name) {
        ("", _) => name.to_string(),
        (_, "") => String::new(),
        _ => format!("{outer}.{name}"),
    };
    add(&name, descr, &shape, out)
}

/// `<f4`, `|u1`, `>i8`, `|S10`, `<U5`, `<M8[ns]`, `|V7`.
fn scalar(name: &str, text: &str) -> Result<Field> {
    let unknown = || unsupported(format!("npy: type {text}"));
    let mut chars = text.chars();
    let big = match chars.next() {
        Some('<' | '|' | '=') => false,
        Some('>') => true,
        _ => return Err(unknown()),
    };
    let kind = chars.next().ok_or_else(unknown)?;
    let size = chars.as_str().split('[').next().unwrap_or_default();
    let size: u64 = size.parse().map_err(|_| unknown())?;
    let one = |scalar| Ok(Field::one(name, scalar, big));
    match (kind, size) {
        ('b', 1) => one(Scalar::Bool),
        ('i', 1) => one(Scalar::I8),
        ('i', 2) => one(Scalar::I16),
        ('i', 4) => one(Scalar::I32),
        ('i', 8) | ('M' | 'm', 8) => one(Scalar::I64),
        ('u', 1) => one(Scalar::U8),
        ('u', 2) | ('f', 2) => one(Scalar::U16),
        ('u', 4) => one(Scalar::U32),
        ('u', 8) => one(Scalar::U64),
        ('f', 4) => one(Scalar::F32),
        ('f', 8) => one(Scalar::F64),
        ('c', 8) => Ok(Field::one(name, Scalar::F32, big).array(&[2])),
        ('c', 16) => Ok(Field::one(name, Scalar::F64, big).array(&[2])),
        ('f' | 'c', n) if n <= 64 => Ok(Field::string(name, n).array(&[])),
        ('S' | 'a' | 'V', n) => Ok(Field::string(name, n)),
        ('U', n) => Ok(Field::string(name, n.checked_mul(4).ok_or_else(unknown)?)),
        _ => Err(unknown()),
    }
}
