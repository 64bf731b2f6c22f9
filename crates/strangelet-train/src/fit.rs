//! The loop: crops, steps, checkpoints, export.

use crate::adam::AdamW;
use crate::bcae::{Batch, Design, Live, remember};
use crate::frames::{self, Frame, Random};
use burn::tensor::{Device, Tensor};
use std::path::{Path, PathBuf};
use std::time::Instant;
use strangelet::error::{Result, corruption, usage};
use strangelet::format::bundle::{self, Model};
use strangelet::model::bcae::Bcae;

/// Steps after which the weight of the segmentation follows the two losses.
const PERIOD: u64 = 100;
/// What the encoder's sums keep below zero at the start.
const SLOPE: f32 = 0.1;
/// Batches from which the statistics of the normalisations are taken at the end.
const SETTLE: usize = 50;

/// What to do.
#[derive(Debug, Clone)]
pub struct Task {
    /// Shape of the network.
    pub design: Design,
    /// Folders and files to learn from.
    pub data: Vec<PathBuf>,
    /// Folders and files to check with, never learned from.
    pub check: Vec<PathBuf>,
    /// Where checkpoint, bundle and log go.
    pub out: PathBuf,
    /// Sides of crops.
    pub crop: [usize; 3],
    /// Crops a step.
    pub batch: usize,
    /// Step size; rises over the first fiftieth of the run and falls as a half cosine to 2 %.
    pub rate: f32,
    /// Weight of the segmentation at the start.
    pub weight: f32,
    /// What the step size of the encoder is multiplied by.
    pub encoder_rate: f32,
    /// Share of the steps over which the target of the share kept falls from 1/2 to that of the design, and what the encoder's sums
    /// keep below zero falls to nothing.
    pub ease: f64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Step at which to stop, with a checkpoint, however many the whole run has.
    pub until: u64,
    /// Minutes after which to stop, with a checkpoint.
    pub minutes: Option<f64>,
    /// Share of the steps after which the gate is open or shut, as when a frame is coded; 1: never, as the authors have it.
    pub soft: f64,
    /// Seed of parameters, crops and gates.
    pub seed: u64,
    /// Whether to go on from the checkpoint.
    pub resume: bool,
    /// A checkpoint, of the same layers, to start from.
    pub start: Option<PathBuf>,
    /// A bundle, with an encoder of the same layers, to take the encoder from. It then rests for the first part of the run.
    pub encoder: Option<PathBuf>,
}

impl Task {
    /// What is left of the first part of the run, 1 to 0.
    fn left(&self, done: f64) -> f32 {
        if self.ease > 0.0 { (1.0 - done / self.ease).max(0.0) as f32 } else { 0.0 }
    }

    /// How far a fresh encoder is from being left to itself: 1 to 0.
    fn ease(&self, done: f64) -> f32 {
        if self.encoder.is_some() { 0.0 } else { self.left(done) }
    }

    /// Share of hits that is to be kept, at a share of the run.
    fn target(&self, done: f64) -> f32 {
        self.design.keep + (0.5f32.max(self.design.keep) - self.design.keep) * self.ease(done)
    }

    /// Step size of a step, counted from 1.
    fn rate(&self, step: u64) -> f32 {
        let done = step as f64 / self.steps as f64;
        let rise = (50.0 * done).min(1.0);
        self.rate * (rise * (0.02 + 0.98 * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()))) as f32
    }
}

/// All that a run remembers.
struct State {
    parameters: Vec<bundle::Tensor>,
    statistics: Vec<bundle::Tensor>,
    moments: Vec<(Vec<f32>, Vec<f32>)>,
    step: u64,
    /// Weight of the segmentation.
    c: f32,
    random: Random,
    /// Sums of the two losses in this period.
    sums: (f64, f64),
    /// Origin and licence of the encoder that this one began as, if it came from elsewhere.
    from: Option<(String, String)>,
}

impl State {
    fn new(task: &Task) -> State {
        let parameters = task.design.parameters(task.seed);
        let moments = parameters.iter().map(|p| (vec![0.0; p.data.len()], vec![0.0; p.data.len()])).collect();
        let (statistics, random) = (task.design.statistics(), Random(task.seed ^ 0x7069_6F6E));
        State {
            parameters,
            statistics,
            moments,
            step: 0,
            c: task.weight,
            random,
            sums: (0.0, 0.0),
            from: None,
        }
    }

    fn write(&self, task: &Task, path: &Path) -> Result<()> {
        let config = serde_json::json!({
            "design": task.design, "step": self.step, "c": self.c, "random": self.random.0, "sums": [self.sums.0, self.sums.1],
            "from": self.from,
        });
        let mut tensors = self.parameters.clone();
        tensors.extend(self.statistics.clone());
        for (p, (m, v)) in self.parameters.iter().zip(&self.moments) {
            for (part, data) in [("first", m), ("second", v)] {
                let name = format!("{}.{part}", p.name);
                tensors.push(bundle::Tensor { name, shape: p.shape.clone(), data: data.clone() });
            }
        }
        let model = Model { kind: "bcae-vs checkpoint".into(), config: config.to_string(), tensors };
        let new = path.with_extension("new");
        std::fs::write(&new, model.to_bytes())?;
        Ok(std::fs::rename(new, path)?)
    }

    fn read(task: &Task, path: &Path, keep: bool) -> Result<State> {
        let model = Model::from_bytes(&std::fs::read(path)?)?;
        let bad = |what: &str| corruption(format!("{}: {what}", path.display()));
        let config: serde_json::Value =
            serde_json::from_str(&model.config).map_err(|e| bad(&e.to_string()))?;
        let design: Design =
            serde_json::from_value(config["design"].clone()).map_err(|e| bad(&e.to_string()))?;
        let wanted =
            Design { keep: if keep { task.design.keep } else { design.keep }, ..task.design.clone() };
        if design != wanted {
            return Err(usage(format!("{}: the checkpoint is of another design", path.display())));
        }
        let mut state = State::new(task);
        let fill = |name: &str, data: &mut Vec<f32>| match model.tensors.iter().find(|t| t.name == name) {
            Some(t) if t.data.len() == data.len() => {
                data.clone_from(&t.data);
                Ok(())
            }
            _ => Err(bad(&format!("{name} is missing"))),
        };
        for t in state.parameters.iter_mut().chain(&mut state.statistics) {
            fill(&t.name, &mut t.data)?;
        }
        for (p, (m, v)) in state.parameters.iter().zip(&mut state.moments) {
            fill(&format!("{}.first", p.name), m)?;
            fill(&format!("{}.second", p.name), v)?;
        }
        let number = |name: &str| config[name].as_f64().ok_or_else(|| bad(name));
        state.step = config["step"].as_u64().ok_or_else(|| bad("step"))?;
        state.c = number("c")? as f32;
        state.random = Random(config["random"].as_u64().ok_or_else(|| bad("random"))?);
        state.from = serde_json::from_value(config["from"].clone()).unwrap_or_default();
        state.sums = (config["sums"][0].as_f64().unwrap_or(0.0), config["sums"][1].as_f64().unwrap_or(0.0));
        Ok(state)
    }

    /// Takes the encoder of a bundle, if nothing has been learnt yet, and its origin.
    fn adopt(&mut self, path: &Path) -> Result<()> {
        let model = Model::from_bytes(&std::fs::read(path)?)?;
        let config: serde_json::Value = serde_json::from_str(&model.config).unwrap_or_default();
        let word = |name: &str| config[name].as_str().unwrap_or("unknown").to_string();
        self.from = Some((word("origin"), word("licence")));
        if self.step > 0 {
            return Ok(());
        }
        for t in self.parameters.iter_mut().filter(|t| t.name.starts_with("encoder.")) {
            let found = model.tensors.iter().find(|f| f.name == t.name && f.shape == t.shape);
            let found = found.ok_or_else(|| usage(format!("{}: no fitting {}", path.display(), t.name)))?;
            t.data.clone_from(&found.data);
        }
        Ok(())
    }

    /// A new run from parameters, statistics and weight of the loss of another.
    fn after(task: &Task, start: &Path) -> Result<State> {
        let old = State::read(task, start, false)?;
        let State { parameters, statistics, c, from, .. } = old;
        Ok(State { parameters, statistics, c, from, ..State::new(task) })
    }
}

fn load(places: &[PathBuf]) -> Result<Vec<Frame>> {
    let mut all = Vec::new();
    for path in frames::files(places)? {
        all.extend(frames::read(&path)?);
    }
    Ok(all)
}

/// Trains (or goes on), writes `checkpoint.bundle`, `bcae_vs.bundle` and `log.csv`. Returns the steps done in all. `say` gets a line now and then.
pub fn run(task: &Task, mut say: impl FnMut(String)) -> Result<u64> {
    let device = Device::flex().autodiff();
    let data = load(&task.data)?;
    let check = load(&task.check)?;
    if data.is_empty() {
        return Err(usage("no frames to learn from"));
    }
    std::fs::create_dir_all(&task.out)?;
    let checkpoint = task.out.join("checkpoint.bundle");
    let mut state = match &task.start {
        _ if task.resume => State::read(task, &checkpoint, true)?,
        Some(start) => State::after(task, start)?,
        None => State::new(task),
    };
    if let Some(bundle) = &task.encoder {
        state.adopt(bundle)?;
    }
    let mut log = std::fs::OpenOptions::new().create(true).append(true).open(task.out.join("log.csv"))?;
    if state.step == 0 {
        writeln(&mut log, "step,seconds,regression,segmentation,keep,c")?;
    }
    say(format!(
        "{} frames to learn from, {} to check, {} parameters",
        data.len(),
        check.len(),
        count(&state.parameters)
    ));
    let start = Instant::now();
    let mut keep = 0.0;
    let late = |start: Instant| task.minutes.is_some_and(|m| start.elapsed().as_secs_f64() >= m * 60.0);
    while state.step < task.steps.min(task.until) && !late(start) {
        let mut batch = draw(task, &data, &mut state.random)?;
        batch.hard = state.step as f64 >= task.soft * task.steps as f64;
        let live = Live::new(&task.design, &state.parameters, &device);
        let done = state.step as f64 / task.steps as f64;
        batch.slope = SLOPE * task.ease(done);
        let outcome = live.forward(&batch, state.c, task.target(done));
        let gradients = live.gradients(&outcome.loss);
        remember(&mut state.statistics, &outcome.statistics);
        state.step += 1;
        let rests = task.encoder.is_some() && task.left(done) > 0.0;
        let encoder = if rests { 0.0 } else { task.encoder_rate };
        AdamW { rate: task.rate(state.step), decay: 0.01, encoder }.step(
            state.step,
            &mut state.parameters,
            &gradients,
            &mut state.moments,
        );
        let scalar = |t: Tensor<1>| t.into_scalar::<f32>();
        state.sums.0 += f64::from(scalar(outcome.regression));
        state.sums.1 += f64::from(scalar(outcome.segmentation));
        keep += f64::from(scalar(outcome.keep));
        if state.step.is_multiple_of(PERIOD) {
            let (r, s) = (state.sums.0 / PERIOD as f64, state.sums.1 / PERIOD as f64);
            let seconds = start.elapsed().as_secs_f64();
            let line = format!(
                "{},{seconds:.0},{r:.5},{s:.6},{:.4},{:.1}",
                state.step,
                keep / PERIOD as f64,
                state.c
            );
            writeln(&mut log, &line)?;
            say(line);
            state.c = (0.5 * state.c + (r / s.max(1e-9)) as f32) / 1.5;
            state.sums = (0.0, 0.0);
            keep = 0.0;
            state.write(task, &checkpoint)?;
        }
    }
    state.write(task, &checkpoint)?;
    let statistics = settle(task, &data, &state, &device)?;
    let mut words = format!("trained with strangelet-train, {} steps, seed {}", state.step, task.seed);
    let mut licence = "MIT OR Apache-2.0".to_string();
    if let Some((origin, its)) = &state.from {
        words.push_str(&format!("; its encoder began as that of: {origin}"));
        licence.push_str(&format!("; encoder: {its}"));
    }
    let bytes = task.design.export(&state.parameters, &statistics, &words, &licence)?.to_bytes();
    std::fs::write(task.out.join("bcae_vs.bundle"), &bytes)?;
    if !check.is_empty() {
        say(measure(&bytes, &check)?);
    }
    Ok(state.step)
}

/// Crops to learn from, none of them empty.
fn draw(task: &Task, data: &[Frame], random: &mut Random) -> Result<Batch> {
    let mut crops = Vec::new();
    while crops.len() < task.batch {
        let crop = data[random.below(data.len())].crop(task.crop, random)?;
        if crop.cells.iter().any(|&c| c > 0) {
            crops.push(crop);
        }
    }
    Batch::new(&task.design, &crops, random)
}

/// Statistics of the normalisations as they are when frames are coded: the gate open or shut, the parameters at rest.
fn settle(task: &Task, data: &[Frame], state: &State, device: &Device) -> Result<Vec<bundle::Tensor>> {
    let mut statistics = task.design.statistics();
    let mut random = Random(task.seed ^ 0x6D75_6F6E);
    for n in 0..SETTLE {
        let mut batch = draw(task, data, &mut random)?;
        batch.hard = true;
        let (_, decoded) = Live::new(&task.design, &state.parameters, device).look(&batch);
        for (mean, now) in statistics.iter_mut().zip(&decoded.statistics) {
            for (mean, now) in mean.data.iter_mut().zip(now) {
                *mean += (now - *mean) / (n + 1) as f32;
            }
        }
    }
    Ok(statistics)
}

fn writeln(to: &mut std::fs::File, line: &str) -> Result<()> {
    use std::io::Write;
    Ok(writeln!(to, "{line}")?)
}

/// Number of numbers.
fn count(parameters: &[bundle::Tensor]) -> usize {
    parameters.iter().map(|p| p.data.len()).sum()
}

/// What a bundle does to frames, by the core's own inference.
pub fn measure(bundle: &[u8], frames: &[Frame]) -> Result<String> {
    let bcae = Bcae::from_bundle(bundle)?;
    let (mut l1, mut hits, mut kept, mut found, mut right, mut voxels) = (0.0, 0, 0, 0, 0, 0);
    for (n, frame) in frames.iter().enumerate() {
        let (places, _) = frame.hits();
        let adc: Vec<u16> = places.iter().map(|&p| frame.cells[p as usize]).collect();
        let analysis = bcae.analyse(frame.shape, &places, &adc, n as u64, 0)?;
        let (back, _) = bcae.logarithms(frame.shape, &analysis.code)?;
        for (&x, &y) in frame.cells.iter().zip(&back) {
            l1 += (f64::from(y) - (f64::from(x) + 1.0).log2()).abs();
            found += usize::from(y > 0.0);
            right += usize::from(y > 0.0 && x > 0);
        }
        hits += places.len();
        kept += analysis.code.voxels.len();
        voxels += frame.cells.len();
    }
    let share = |a: usize, b: usize| a as f64 / b.max(1) as f64;
    Ok(format!(
        "{} frames: occupancy {:.4}, kept {:.4}, ratio {:.2}, MAE {:.5}, precision {:.4}, recall {:.4}",
        frames.len(),
        share(hits, voxels),
        share(kept, hits),
        16.0 * share(voxels, 36 * kept),
        l1 / voxels as f64,
        share(right, found),
        share(right, hits),
    ))
}
