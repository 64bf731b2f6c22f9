//! RNTuple: events in columns of pages, described by envelopes (format 1.0).

pub mod anchor;
pub mod cursor;
pub mod kind;
pub mod page;
