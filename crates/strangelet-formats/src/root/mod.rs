//! ROOT files: records, trees and their baskets.
//!
//! | table | what |
//! |---|---|
//! | one a tree | its branches as columns, in chunks of events |
//! | `root.records` | the spans of the file in order, and what becomes of each |
//! | `root.branches` | which columns a branch has, and the form of its entries |
//! | `root.baskets` | what the keys of baskets say beyond what follows from their content |
//! | `root.bytes` | everything else, as streams of bytes |
//! | `root.pages` | how the pages of ntuples are compressed; only where there are any |
//! | some an ntuple | see [`ntuple`] |

pub mod basket;
pub mod block;
pub mod build;
mod columns;
pub mod form;
mod give;
pub mod ntuple;
pub mod object;
mod plan;
pub mod record;
mod residue;
pub mod streamer;
mod take;
pub mod tree;
pub mod wire;

use strangelet::dissect::{Context, FileFormat, Sink, Tables};
use strangelet::error::Result;
use strangelet::source::{Source, Target};

/// ROOT files.
pub struct Root;

impl FileFormat for Root {
    fn id(&self) -> u16 {
        1
    }
    fn name(&self) -> &'static str {
        "root"
    }
    fn probe(&self, source: &dyn Source) -> bool {
        source.range(0, 4).is_ok_and(|b| b == b"root")
    }
    fn dissect(&self, cx: &Context, source: &dyn Source, sink: &mut dyn Sink) -> Result<()> {
        take::dissect(cx, source, sink)
    }
    fn assemble(&self, cx: &Context, tables: &dyn Tables, target: &mut dyn Target) -> Result<()> {
        give::assemble(cx, tables, target)
    }
}
