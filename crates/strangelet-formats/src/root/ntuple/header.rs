//! Header and footer envelopes as columns, and written again from them.
//!
//! Both describe fields and columns, the footer those that were added while writing. One row a field, and one row a column or alias. Numbers that follow from the order of the fields
//! (parents, sources, the field of a column) are kept as the difference to what they usually are; the name of a
//! projected list, which mostly is that of the member it shows, is left out where it is; so is the name of a
//! field whose column in the visible table tells it.

use super::cursor::Cursor;
use super::layout::Layout;
use super::lists::{close_envelope, frame, w1, w2, w4, w8};
use super::schema::{Role, Schema, envelope};
use strangelet::column::{Cells, Column, ColumnSchema, Meaning, Scalar};
use strangelet::error::{Result, corruption};

/// A field as it stands in the header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct FieldRow {
    version: u32,
    type_version: u32,
    parent: u32,
    role: u16,
    flags: u16,
    /// Name, type, alias of the type, description.
    texts: [Vec<u8>; 4],
    repetition: u64,
    source: u32,
    checksum: u32,
}

/// A column, or an alias of one, as it stands in the header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct TypeRow {
    alias: bool,
    number: u16,
    bits: u16,
    field: u32,
    flags: u16,
    representation: u16,
    first: u64,
    range: [u64; 2],
    physical: u32,
}

/// A header or footer taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderRows {
    /// The header's checksum and number of fields, for a footer.
    before: Option<(u64, u32)>,
    /// Of a header: name, description and writer of the ntuple, and the list of type information with its
    /// frame. Of a footer: two empty ones, the list of type information, and what follows the schema.
    texts: [Vec<u8>; 4],
    fields: Vec<FieldRow>,
    types: Vec<TypeRow>,
}

const TEXTS: [&str; 4] = ["name", "type", "alias", "description"];

impl HeaderRows {
    /// Columns of the table with one row a field, behind a first row of the ntuple itself.
    pub fn field_columns() -> Vec<ColumnSchema> {
        let numbers = [
            ("version", Scalar::U32),
            ("type_version", Scalar::U32),
            ("parent", Scalar::I32),
            ("role", Scalar::U16),
            ("flags", Scalar::U16),
            ("repetition", Scalar::U64),
            ("source", Scalar::I32),
            ("checksum", Scalar::U32),
        ];
        let mut columns: Vec<_> = numbers.iter().map(|(n, s)| ColumnSchema::flat(*n, *s)).collect();
        columns
            .extend(TEXTS.iter().map(|n| ColumnSchema { meaning: Meaning::Text, ..ColumnSchema::bytes(*n) }));
        columns
    }

    /// Columns of the table with one row a column, and behind those one an alias.
    pub fn type_columns() -> Vec<ColumnSchema> {
        let numbers = [
            ("alias", Scalar::Bool),
            ("number", Scalar::U16),
            ("bits", Scalar::U16),
            ("field", Scalar::I32),
            ("flags", Scalar::U16),
            ("representation", Scalar::U16),
            ("first", Scalar::U64),
            ("least", Scalar::F64),
            ("most", Scalar::F64),
            ("physical", Scalar::I32),
        ];
        numbers.iter().map(|(n, s)| ColumnSchema::flat(*n, *s)).collect()
    }

    /// Takes the content of a header apart. Whether it comes back is for the caller to see.
    pub fn of(content: &[u8]) -> Result<HeaderRows> {
        let (mut c, _) = envelope(content, 1)?;
        c.features()?;
        let mut rows = HeaderRows::default();
        for i in 0..3 {
            rows.texts[i] = c.string()?.to_vec();
        }
        rows.read_schema(&mut c)?;
        rows.texts[3] = c.rest().to_vec();
        Ok(rows)
    }

    /// Takes the content of a footer apart, given checksum and number of fields of the header. Whether it
    /// comes back is for the caller to see.
    pub fn of_footer(content: &[u8], header: (u64, u32)) -> Result<HeaderRows> {
        let (mut c, _) = envelope(content, 2)?;
        c.features()?;
        c.u64()?;
        let mut rows = HeaderRows { before: Some(header), ..HeaderRows::default() };
        let mut schema = c.record()?;
        rows.read_schema(&mut schema)?;
        rows.texts[2] = schema.rest().to_vec();
        rows.texts[3] = c.rest().to_vec();
        Ok(rows)
    }

    /// Reads the lists of fields, columns and aliases.
    fn read_schema(&mut self, c: &mut Cursor<'_>) -> Result<()> {
        let (n, mut items) = c.list()?;
        for _ in 0..n {
            self.fields.push(FieldRow::read(&mut items.record()?)?);
        }
        for alias in [false, true] {
            let (n, mut items) = c.list()?;
            for _ in 0..n {
                self.types.push(TypeRow::read(&mut items.record()?, alias)?);
            }
        }
        Ok(())
    }

    /// Number of fields.
    pub fn fields(&self) -> u32 {
        self.fields.len() as u32
    }

    /// Writes the envelope.
    pub fn write(&self) -> Vec<u8> {
        let mut payload = vec![0; 8];
        if let Some((sum, _)) = self.before {
            payload.extend(sum.to_le_bytes());
            let mut schema = self.written_schema();
            schema.extend(&self.texts[2]);
            frame(None, &schema, &mut payload);
        } else {
            self.texts[..3].iter().for_each(|t| string(t, &mut payload));
            payload.extend(self.written_schema());
        }
        payload.extend(&self.texts[3]);
        close_envelope(if self.before.is_some() { 2 } else { 1 }, &payload)
    }

    fn written_schema(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut items = Vec::new();
        self.fields.iter().for_each(|f| frame(None, &f.written(), &mut items));
        frame(Some(self.fields.len() as u32), &items, &mut out);
        for alias in [false, true] {
            let mut items = Vec::new();
            let own = self.types.iter().filter(|t| t.alias == alias);
            own.clone().for_each(|t| frame(None, &t.written(), &mut items));
            frame(Some(own.count() as u32), &items, &mut out);
        }
        out
    }

    /// Number of the first field.
    fn base(&self) -> u32 {
        self.before.map_or(0, |b| b.1)
    }

    /// The fields of a header whose names columns of the visible table tell, with these names. Given the
    /// names of the columns; those of the fields need not be known.
    fn told(&self, names: &[String]) -> Vec<(usize, Vec<u8>)> {
        if self.before.is_some() || names.is_empty() {
            return Vec::new();
        }
        let mut nameless = self.clone();
        for (i, field) in nameless.fields.iter_mut().enumerate() {
            field.texts[0] = i.to_string().into_bytes();
        }
        let Ok((schema, _)) = Schema::read_header(&nameless.write()) else { return Vec::new() };
        let mut told = Vec::new();
        for (leaf, name) in Layout::new(&schema).leaves.iter().zip(names) {
            let column = leaf.alternatives.first().and_then(|&c| schema.columns.get(c as usize));
            let Some(mut id) = column.map(|c| c.field) else { continue };
            // items of lists and arrays have no name of their own
            let above = |id: u32| schema.fields.get(id as usize).and_then(|f| f.parent);
            let unnamed = |p: &u32| schema.fields.get(*p as usize).is_some_and(|f| f.role != Role::Record);
            while let Some(parent) = above(id).filter(unnamed) {
                id = parent;
            }
            let last = name.rsplit('.').next().unwrap_or_default();
            told.push((id as usize, last.as_bytes().to_vec()));
        }
        told
    }

    /// The contents of the two tables: rows and columns of each. `names` are those of the columns of the
    /// visible table.
    pub fn into_tables(self, names: &[String]) -> [(u64, Vec<Column>); 2] {
        let told = self.told(names);
        let (mut guess, base) = (Guess::default(), self.base());
        let mut coded = vec![FieldRow { texts: self.texts.clone(), ..FieldRow::default() }];
        for (id, field) in self.fields.iter().enumerate() {
            let mut row = field.clone();
            (row.parent, row.source) = guess.code(base.wrapping_add(id as u32), field);
            if !field.texts[0].is_empty() && shown_name(&self.fields, base, id) == Some(&field.texts[0]) {
                row.texts[0].clear();
            }
            coded.push(row);
        }
        for (id, name) in told {
            if let Some(row) = coded.get_mut(id + 1).filter(|r| r.texts[0] == name) {
                row.texts[0].clear();
            }
        }
        let mut types = self.types;
        let mut last = 0u32;
        let mut aliases = AliasGuess::of(&self.fields, base, &types);
        for t in &mut types {
            let field = t.field;
            if t.alias {
                t.physical = t.physical.wrapping_sub(aliases.physical(field));
            }
            t.field = field.wrapping_sub(last);
            last = field;
        }
        let f = |of: fn(&FieldRow) -> u32| Column::flat(Cells::W4(coded.iter().map(of).collect()));
        let f2 = |of: fn(&FieldRow) -> u16| Column::flat(Cells::W2(coded.iter().map(of).collect()));
        let mut fields = vec![
            f(|r| r.version),
            f(|r| r.type_version),
            f(|r| r.parent),
            f2(|r| r.role),
            f2(|r| r.flags),
            Column::flat(Cells::W8(coded.iter().map(|r| r.repetition).collect())),
            f(|r| r.source),
            f(|r| r.checksum),
        ];
        fields.extend((0..4).map(|i| Column::strings(coded.iter().map(|r| &r.texts[i]))));
        let t2 = |of: fn(&TypeRow) -> u16| Column::flat(Cells::W2(types.iter().map(of).collect()));
        let t4 = |of: fn(&TypeRow) -> u32| Column::flat(Cells::W4(types.iter().map(of).collect()));
        let t8 = |of: fn(&TypeRow) -> u64| Column::flat(Cells::W8(types.iter().map(of).collect()));
        let columns = vec![
            Column::flat(Cells::W1(types.iter().map(|t| t.alias as u8).collect())),
            t2(|t| t.number),
            t2(|t| t.bits),
            t4(|t| t.field),
            t2(|t| t.flags),
            t2(|t| t.representation),
            t8(|t| t.first),
            t8(|t| t.range[0]),
            t8(|t| t.range[1]),
            t4(|t| t.physical),
        ];
        [(coded.len() as u64, fields), (types.len() as u64, columns)]
    }

    /// The header, or with those of the header the footer, of the contents of the two tables and the names
    /// that were given when they were made.
    pub fn from_tables(
        tables: [Vec<Column>; 2],
        before: Option<(u64, u32)>,
        names: &[String],
    ) -> Result<HeaderRows> {
        read_tables(tables, before, names)
            .ok_or_else(|| corruption("record of the ntuple: broken tables of the header"))
    }
}

fn read_tables(tables: [Vec<Column>; 2], before: Option<(u64, u32)>, names: &[String]) -> Option<HeaderRows> {
    let [fields, types] = tables;
    let mut c = fields.into_iter();
    let version = w4(c.next()?.values)?;
    let type_version = w4(c.next()?.values)?;
    let parent = w4(c.next()?.values)?;
    let role = w2(c.next()?.values)?;
    let flags = w2(c.next()?.values)?;
    let repetition = w8(c.next()?.values)?;
    let source = w4(c.next()?.values)?;
    let checksum = w4(c.next()?.values)?;
    let mut texts = Vec::new();
    for _ in 0..4 {
        texts.push(strings(c.next()?)?);
    }
    let mut rows = HeaderRows { before, ..HeaderRows::default() };
    let base = rows.base();
    for (i, text) in rows.texts.iter_mut().enumerate() {
        *text = texts.get(i)?.first()?.clone();
    }
    let mut guess = Guess::default();
    for row in 1..version.len() {
        let mut own: [Vec<u8>; 4] = Default::default();
        for (text, all) in own.iter_mut().zip(&texts) {
            *text = all.get(row)?.clone();
        }
        let mut field = FieldRow {
            version: *version.get(row)?,
            type_version: *type_version.get(row)?,
            parent: *parent.get(row)?,
            role: *role.get(row)?,
            flags: *flags.get(row)?,
            texts: own,
            repetition: *repetition.get(row)?,
            source: *source.get(row)?,
            checksum: *checksum.get(row)?,
        };
        guess.decode(base.wrapping_add(row as u32 - 1), &mut field);
        rows.fields.push(field);
    }
    let mut c = types.into_iter();
    let alias = w1(c.next()?.values)?;
    let number = w2(c.next()?.values)?;
    let bits = w2(c.next()?.values)?;
    let field = w4(c.next()?.values)?;
    let flags = w2(c.next()?.values)?;
    let representation = w2(c.next()?.values)?;
    let first = w8(c.next()?.values)?;
    let least = w8(c.next()?.values)?;
    let most = w8(c.next()?.values)?;
    let physical = w4(c.next()?.values)?;
    let mut last = 0u32;
    for row in 0..alias.len() {
        last = last.wrapping_add(*field.get(row)?);
        rows.types.push(TypeRow {
            alias: *alias.get(row)? != 0,
            number: *number.get(row)?,
            bits: *bits.get(row)?,
            field: last,
            flags: *flags.get(row)?,
            representation: *representation.get(row)?,
            first: *first.get(row)?,
            range: [*least.get(row)?, *most.get(row)?],
            physical: *physical.get(row)?,
        });
    }
    let mut aliases = AliasGuess::of(&rows.fields, base, &rows.types);
    for t in rows.types.iter_mut().filter(|t| t.alias) {
        t.physical = t.physical.wrapping_add(aliases.physical(t.field));
    }
    for (id, name) in rows.told(names) {
        if let Some(field) = rows.fields.get_mut(id).filter(|f| f.texts[0].is_empty()) {
            field.texts[0] = name;
        }
    }
    for id in 0..rows.fields.len() {
        if rows.fields[id].texts[0].is_empty()
            && let Some(name) = shown_name(&rows.fields, base, id).cloned()
        {
            rows.fields[id].texts[0] = name;
        }
    }
    Some(rows)
}

impl FieldRow {
    fn read(c: &mut Cursor<'_>) -> Result<FieldRow> {
        let mut row = FieldRow {
            version: c.u32()?,
            type_version: c.u32()?,
            parent: c.u32()?,
            role: c.u16()?,
            flags: c.u16()?,
            ..FieldRow::default()
        };
        for text in &mut row.texts {
            *text = c.string()?.to_vec();
        }
        if row.flags & 1 != 0 {
            row.repetition = c.u64()?;
        }
        if row.flags & 2 != 0 {
            row.source = c.u32()?;
        }
        if row.flags & 4 != 0 {
            row.checksum = c.u32()?;
        }
        Ok(row)
    }

    fn written(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(self.version.to_le_bytes());
        out.extend(self.type_version.to_le_bytes());
        out.extend(self.parent.to_le_bytes());
        out.extend(self.role.to_le_bytes());
        out.extend(self.flags.to_le_bytes());
        self.texts.iter().for_each(|t| string(t, &mut out));
        if self.flags & 1 != 0 {
            out.extend(self.repetition.to_le_bytes());
        }
        if self.flags & 2 != 0 {
            out.extend(self.source.to_le_bytes());
        }
        if self.flags & 4 != 0 {
            out.extend(self.checksum.to_le_bytes());
        }
        out
    }
}

impl TypeRow {
    fn read(c: &mut Cursor<'_>, alias: bool) -> Result<TypeRow> {
        if alias {
            return Ok(TypeRow { alias, physical: c.u32()?, field: c.u32()?, ..TypeRow::default() });
        }
        let mut row = TypeRow { number: c.u16()?, bits: c.u16()?, field: c.u32()?, ..TypeRow::default() };
        (row.flags, row.representation) = (c.u16()?, c.u16()?);
        if row.flags & 1 != 0 {
            row.first = c.u64()?;
        }
        if row.flags & 2 != 0 {
            row.range = [c.u64()?, c.u64()?];
        }
        Ok(row)
    }

    fn written(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.alias {
            out.extend(self.physical.to_le_bytes());
            out.extend(self.field.to_le_bytes());
            return out;
        }
        out.extend(self.number.to_le_bytes());
        out.extend(self.bits.to_le_bytes());
        out.extend(self.field.to_le_bytes());
        out.extend(self.flags.to_le_bytes());
        out.extend(self.representation.to_le_bytes());
        if self.flags & 1 != 0 {
            out.extend(self.first.to_le_bytes());
        }
        if self.flags & 2 != 0 {
            self.range.iter().for_each(|r| out.extend(r.to_le_bytes()));
        }
        out
    }
}

/// Parents and sources that usually come next.
#[derive(Default)]
struct Guess {
    parent: u32,
    /// By role (collections, others): the last source.
    source: [u32; 2],
}

impl Guess {
    /// Parent and source of a field, as they are kept.
    fn code(&mut self, id: u32, field: &FieldRow) -> (u32, u32) {
        let parent = if field.parent == id {
            0
        } else {
            // the last parent again is 1; anything that would be 0 cannot be told from the top
            let d = field.parent.wrapping_sub(self.parent);
            self.parent = field.parent;
            zigzag(d).wrapping_add(1)
        };
        let last = &mut self.source[(field.role != 1) as usize];
        let source = if field.flags & 2 != 0 {
            field.source.wrapping_sub(std::mem::replace(last, field.source))
        } else {
            0
        };
        (parent, source)
    }

    fn decode(&mut self, id: u32, field: &mut FieldRow) {
        field.parent = if field.parent == 0 {
            id
        } else {
            self.parent = self.parent.wrapping_add(unzigzag(field.parent.wrapping_sub(1)));
            self.parent
        };
        if field.flags & 2 != 0 {
            let last = &mut self.source[(field.role != 1) as usize];
            *last = last.wrapping_add(field.source);
            field.source = *last;
        }
    }
}

fn zigzag(v: u32) -> u32 {
    (v << 1) ^ (v >> 31).wrapping_neg()
}

fn unzigzag(v: u32) -> u32 {
    (v >> 1) ^ (v & 1).wrapping_neg()
}

/// The name of what a projected field shows: of its own source, or for a list of that of its item.
fn shown_name(fields: &[FieldRow], base: u32, id: usize) -> Option<&Vec<u8>> {
    let field = fields.get(id)?;
    if field.flags & 2 == 0 {
        return None;
    }
    let shown = match fields.get(id + 1) {
        Some(item) if item.parent.wrapping_sub(base) as usize == id && item.flags & 2 != 0 => item.source,
        _ => field.source,
    };
    let shown = shown.wrapping_sub(base) as usize;
    // projected fields may not have their names yet when the table is read
    Some(&fields.get(shown).filter(|f| f.flags & 2 == 0)?.texts[0])
}

/// The columns that an alias usually is one of: those of the source of its field, in order.
struct AliasGuess {
    base: u32,
    /// By field: the first column.
    first: Vec<u32>,
    source: Vec<u32>,
    last: (u32, u32),
}

impl AliasGuess {
    fn of(fields: &[FieldRow], base: u32, types: &[TypeRow]) -> AliasGuess {
        let mut first = vec![0; fields.len()];
        for (i, t) in types.iter().enumerate().filter(|(_, t)| !t.alias).rev() {
            if let Some(f) = first.get_mut(t.field.wrapping_sub(base) as usize) {
                *f = i as u32;
            }
        }
        AliasGuess { base, first, source: fields.iter().map(|f| f.source).collect(), last: (u32::MAX, 0) }
    }

    fn physical(&mut self, field: u32) -> u32 {
        let n = if self.last.0 == field { self.last.1.wrapping_add(1) } else { 0 };
        self.last = (field, n);
        let source = self.source.get(field.wrapping_sub(self.base) as usize).copied().unwrap_or(0);
        let first = self.first.get(source.wrapping_sub(self.base) as usize).copied().unwrap_or(0);
        first.wrapping_add(n)
    }
}

fn string(text: &[u8], out: &mut Vec<u8>) {
    out.extend((text.len() as u32).to_le_bytes());
    out.extend_from_slice(text);
}

fn strings(column: Column) -> Option<Vec<Vec<u8>>> {
    let lengths = column.lengths.into_iter().next()?;
    let bytes = w1(column.values)?;
    let mut rest = bytes.as_slice();
    let mut out = Vec::new();
    for n in lengths {
        let (own, behind) = rest.split_at_checked(n as usize)?;
        out.push(own.to_vec());
        rest = behind;
    }
    Some(out)
}
