//! Networks for Strangelet, trained.
//!
//! Gradients come from `burn`; parameters, optimiser and checkpoints are plain numbers in bundles
//! ([`strangelet::format::bundle`]), so that a run can be resumed anywhere and its result read by the core, which never
//! needs this crate.
//!
//! * [`sparse`]: submanifold sparse convolution with gradients.
//! * [`dense`], [`norm`], [`layer`]: layers of the decoders with gradients.
//! * [`bcae`]: BCAE-VS, its loss and its gate.
//! * [`adam`]: AdamW on plain numbers.
//! * [`frames`]: frames and crops of them.
//! * [`fit`]: the loop, with checkpoints, resume and export.

pub mod adam;
pub mod bcae;
pub mod dense;
pub mod fit;
pub mod frames;
pub mod layer;
pub mod norm;
pub mod sparse;
