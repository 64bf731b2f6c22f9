//! Frames given to a network that makes them again from a code.

use crate::codecs::bcae_vs::{self, Form, Plan};
use crate::column::{Cells, Scalar};
use crate::error::{Result, usage};

/// BCAE-VS for a column of frames: three inner dimensions, or two where the events are the first axis of one frame.
#[derive(Debug, Clone)]
pub struct Network {
    /// Name of the column, as of a bound.
    pub column: String,
    /// How the code is written.
    pub form: Form,
    /// Seed of the gate.
    pub seed: u64,
    /// A bundle other than the authors' own; it goes into the container.
    pub bundle: Option<Vec<u8>>,
}

impl Network {
    /// The payload of a chunk of frames, and the cells that a decoder will make of it.
    pub(super) fn reduce(
        &self,
        scalar: Scalar,
        dims: Option<&[u32]>,
        events: u64,
        cells: &Cells,
    ) -> Result<(Vec<u8>, Cells)> {
        let side = |n: u32| n as usize;
        let frame = match (dims, cells) {
            (Some(&[a, b, c]), Cells::W2(_)) => [side(a), side(b), side(c)],
            (Some(&[b, c]), Cells::W2(_)) => {
                [usize::try_from(events).unwrap_or(usize::MAX), side(b), side(c)]
            }
            _ => [0; 3],
        };
        match cells {
            Cells::W2(cells) if scalar == Scalar::U16 && frame != [0; 3] => {
                let plan = Plan { frame, form: self.form, seed: self.seed, bundle: self.bundle.as_deref() };
                let made = bcae_vs::reduce(&plan, cells)?;
                Ok((made.payload, Cells::W2(made.cells)))
            }
            _ => {
                Err(usage("bcae-vs takes frames: u16 of three axes (azimuth, drift, layer), or many of them"))
            }
        }
    }
}
