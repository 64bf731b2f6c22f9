//! Strangelet keeps particle-physics data in the smallest space that physics allows.
//!
//! A file is taken apart into typed columns and residue ([`dissect`]), each stream of cells is coded by
//! the codec that fits it ([`codec`], [`codecs`], [`select`]), and the payloads go into a container
//! ([`format`](mod@format)) that can be read at random and that gives the same bytes back ([`archive`]).
#![forbid(unsafe_code)]

pub mod archive;
pub mod codec;
pub mod codecs;
pub mod column;
pub mod dissect;
pub mod entropy;
pub mod error;
pub mod format;
pub mod infer;
pub mod limits;
pub mod model;
pub mod reduce;
pub mod relate;
pub mod select;
pub mod source;
pub mod table;
pub mod transform;
