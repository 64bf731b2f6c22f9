//! `strangelet-train`: fits networks and writes bundles.

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use strangelet_train::bcae::Design;
use strangelet_train::{fit, frames};

/// Networks for Strangelet, trained
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
#[allow(clippy::large_enum_variant)] // there is one of it
enum Verb {
    /// Train BCAE-VS, or go on training
    Bcae {
        /// Folders and files (.npy) to learn from
        #[arg(long, required = true, num_args = 1..)]
        data: Vec<PathBuf>,
        /// Folders and files to check with
        #[arg(long, num_args = 1..)]
        check: Vec<PathBuf>,
        /// Where checkpoint, bundle and log go
        #[arg(short, long)]
        out: PathBuf,
        /// Share of hits to keep
        #[arg(long, default_value_t = 0.1)]
        keep: f32,
        /// Layers of the encoder: CHANNELSxDILATION,...
        #[arg(long, default_value = "2x1,2x2,2x4,2x2")]
        encoder: String,
        /// Channels of the decoders' layers
        #[arg(long, default_value = "8,8,4,2", value_delimiter = ',')]
        decoder: Vec<usize>,
        /// Sides of crops
        #[arg(long, default_value = "32,48,16", value_delimiter = ',')]
        crop: Vec<usize>,
        /// Crops a step
        #[arg(long, default_value_t = 4)]
        batch: usize,
        /// Step size
        #[arg(long, default_value_t = 2e-3)]
        rate: f32,
        /// Weight of the segmentation at the start (its authors': 2000); it then follows the two losses
        #[arg(long, default_value_t = 20.0)]
        weight: f32,
        /// What the step size of the encoder is multiplied by
        #[arg(long, default_value_t = 0.2)]
        encoder_rate: f32,
        /// Share of the steps over which the share of hits kept falls from 1/2 to --keep
        #[arg(long, default_value_t = 0.3)]
        ease: f64,
        /// Steps of the whole run
        #[arg(long, default_value_t = 10_000)]
        steps: u64,
        /// Stop at this step, with a checkpoint
        #[arg(long, default_value_t = u64::MAX)]
        until: u64,
        /// Stop after so many minutes, with a checkpoint
        #[arg(long)]
        minutes: Option<f64>,
        /// Share of the steps after which the gate is open or shut, as when a frame is coded (1: never, as its authors have it)
        #[arg(long, default_value_t = 1.0)]
        soft: f64,
        /// Seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Go on from the checkpoint
        #[arg(long)]
        resume: bool,
        /// Start from the parameters of this checkpoint (of the same layers)
        #[arg(long, conflicts_with = "resume")]
        start: Option<PathBuf>,
        /// Take the encoder from this bundle (of the same layers), and let it rest for the first part of the run (--ease)
        #[arg(long)]
        encoder_from: Option<PathBuf>,
    },
    /// Say what a bundle does to frames
    Check {
        /// The bundle
        bundle: PathBuf,
        /// Folders and files (.npy)
        #[arg(required = true)]
        data: Vec<PathBuf>,
    },
}

fn run(verb: Verb) -> Result<(), Box<dyn std::error::Error>> {
    match verb {
        Verb::Bcae {
            data,
            check,
            out,
            keep,
            encoder,
            decoder,
            crop,
            batch,
            rate,
            weight,
            encoder_rate,
            ease,
            steps,
            until,
            minutes,
            soft,
            seed,
            resume,
            start,
            encoder_from,
        } => {
            let layer = |text: &str| {
                let (channels, dilation) = text.split_once('x')?;
                Some((channels.parse().ok()?, dilation.parse().ok()?))
            };
            let encoder: Option<Vec<_>> = encoder.split(',').map(layer).collect();
            let design =
                Design { encoder: encoder.ok_or("say --encoder CHANNELSxDILATION,...")?, decoder, keep };
            let crop = crop.try_into().map_err(|_| "a crop has three sides")?;
            let task = fit::Task {
                design,
                data,
                check,
                out,
                crop,
                batch,
                rate,
                weight,
                encoder_rate,
                ease,
                steps,
                until,
                minutes,
                soft,
                seed,
                resume,
                start,
                encoder: encoder_from,
            };
            let steps = fit::run(&task, |line| println!("{line}"))?;
            println!("{steps} steps done");
        }
        Verb::Check { bundle, data } => {
            let bytes = std::fs::read(bundle)?;
            for file in frames::files(&data)? {
                println!("{}: {}", file.display(), fit::measure(&bytes, &frames::read(&file)?)?);
            }
        }
    }
    Ok(())
}

fn main() {
    if let Err(e) = run(Arguments::parse().verb) {
        eprintln!("{e}");
        std::process::exit(1);
    }
}
