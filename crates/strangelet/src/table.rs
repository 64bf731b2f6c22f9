//! Tables: columns over the same events.

use crate::column::{Column, ColumnSchema};
use crate::error::{Result, corruption};

/// Name and columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// Name, as its file gives it (`Events`, `DF_1/O2udtrack`).
    pub name: String,
    /// Whether it is residue: what the file needs to come back exactly, of no interest to a reader.
    pub residue: bool,
    /// The columns.
    pub columns: Vec<ColumnSchema>,
}

impl TableSchema {
    /// A table that a physicist reads.
    pub fn new(name: impl Into<String>, columns: Vec<ColumnSchema>) -> Self {
        TableSchema { name: name.into(), residue: false, columns }
    }

    /// A table of residue.
    pub fn residue(name: impl Into<String>, columns: Vec<ColumnSchema>) -> Self {
        TableSchema { name: name.into(), residue: true, columns }
    }

    /// The place of a column by name.
    pub fn find(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == column)
    }

    /// Refuses columns that do not fit the schema.
    pub fn check(&self, events: u64, columns: &[Column]) -> Result<()> {
        if columns.len() != self.columns.len() {
            return Err(corruption(format!(
                "table {}: {} columns, not {}",
                self.name,
                columns.len(),
                self.columns.len()
            )));
        }
        for (schema, column) in self.columns.iter().zip(columns) {
            column.check(schema, events).map_err(|e| e.within(format!("table {}", self.name)))?;
        }
        Ok(())
    }
}
