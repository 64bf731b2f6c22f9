//! RNTuple: events in columns of pages, described by envelopes (format 1.0).
//!
//! The driver of ROOT files finds the anchor (the key of class `ROOT::RNTuple`), calls [`dissect`] with a
//! way to inflate spans of the file, and keeps every byte that was not claimed: keys, pages that do not
//! come back from their cells, and how each claimed span was compressed. [`assemble`] makes the content of
//! every claimed span again, in any order; behind a sealed one the driver puts the xxh3 of its stored bytes.
//!
//! Tables, in this order: envelopes, clusters, columns, pages, fields and types (residue: what describes
//! the ntuple), the visible table with a column for each leaf field, and one of residue for each column
//! that fits no table (variants). Projected fields have no column of their own.

mod anchor;
mod assemble;
mod cursor;
mod dissect;
mod header;
pub mod join;
mod kind;
mod layout;
mod lengths;
mod lists;
mod page;
mod pages;
mod pieces;
mod record;
mod schema;
mod taken;
#[cfg(test)]
mod tests;

pub use anchor::{Anchor, Span};
pub use assemble::{Claimed, Piece, assemble, claimed};
pub use dissect::{Claim, Spans, check, dissect};
pub use kind::{Element, Kind};
pub use layout::{Layout, Leaf, Level, Node};
pub use page::{cells_to_page, page_to_cells, page_to_switch, switch_to_page};
pub use pages::{Cluster, ColumnPages, Page, read_page_list};
pub use schema::{Alias, Field, Group, PhysicalColumn, Role, Schema};
