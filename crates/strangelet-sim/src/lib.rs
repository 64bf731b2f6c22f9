//! A time projection chamber in software: charged particles in, zero-suppressed ADC wedges out, with the
//! truth of every hit beside them.
//!
//! The way of the charge: [`particles`] (collisions, parametrised or from a file) -> [`track`] (helices through
//! the gas, energy loss, ranges) -> [`ionise`] (clusters and delta electrons) -> [`response`] (drift, diffusion,
//! amplification, pads, shaping) -> [`digitise`] (noise, 10 bits, zero suppression). [`event`] puts them in order;
//! [`statistics`] measures wedges, simulated or real, so that they can be compared.
//!
//! # Determinism
//!
//! Every random number is a hash of (seed, event, stream, counter), see [`rng`]: the same parameters and seed give
//! the same bytes from the same build, whatever the number of threads. Sines, logarithms and the like come from
//! the platform's mathematical library, so another platform or compiler may differ in single samples; nothing that
//! decodes data depends on this crate.
#![forbid(unsafe_code)]

pub mod detector;
pub mod digitise;
pub mod event;
pub mod ionise;
pub mod particles;
pub mod response;
pub mod rng;
pub mod statistics;
pub mod track;
