//! BCAE-VS while it learns: the sparse encoder, the gate, two decoders, and the loss, as its authors have them.
//!
//! Loss = MAE of log2(ADC + 1) over all voxels, of the regression where the segmentation says hit
//!      + c x focal loss (gamma 2, logarithm to base 2) of the segmentation
//!      + 30 x max(0, mean p - target) x mean p, which holds the share of hits kept near the target.
//! Gate: sigmoid(4 (logit p - logit u)), u drawn evenly between 0 and 1 for each hit.

use crate::frames::{Frame, Random};
use crate::layer::layer;
use crate::norm::EPSILON;
use crate::sparse::{Pairs, convolve, indices};
use burn::tensor::activation::{leaky_relu, log_sigmoid, relu, sigmoid};
use burn::tensor::{Device, IndexingUpdateOp, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use strangelet::error::{Result, usage};
use strangelet::format::bundle;

/// Shape of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// Channels and dilation of each layer of the encoder.
    pub encoder: Vec<(usize, usize)>,
    /// Channels of each layer of the decoders.
    pub decoder: Vec<usize>,
    /// Share of hits that are to be kept.
    pub keep: f32,
}

const DECODERS: [&str; 2] = ["regression", "segmentation"];
/// The tap of a voxel itself.
const CENTRE: usize = 13;
const MOMENTUM: f32 = 0.1;

impl Design {
    /// As the authors published it.
    pub fn authors() -> Design {
        let encoder = vec![(2, 1), (2, 2), (2, 4), (2, 2)];
        Design { encoder, decoder: vec![16, 16, 16, 8, 8, 8, 4, 2], keep: 0.1 }
    }

    /// Fresh parameters: even between -1/sqrt(n) and 1/sqrt(n), n being the inputs of a sum; layers of the encoder behind the first a
    /// quarter of that, and the identity.
    pub fn parameters(&self, seed: u64) -> Vec<bundle::Tensor> {
        let mut random = Random(seed);
        let mut even = |name: String, shape: &[usize], inputs: usize| {
            let reach = 1.0 / (inputs as f32).sqrt();
            let data = (0..shape.iter().product()).map(|_| (2.0 * random.unit() - 1.0) * reach).collect();
            bundle::Tensor { name, shape: shape.to_vec(), data }
        };
        let mut all = Vec::new();
        let mut inputs = 1;
        for (n, &(outputs, _)) in self.encoder.iter().enumerate() {
            // A hit has few neighbours: as if it had 9. Later layers begin near to passing on what they get.
            let apart = if n == 0 { 9 } else { 144 };
            let mut weight = even(format!("encoder.{n}.weight"), &[27, inputs, outputs], apart * inputs);
            if n > 0 {
                for o in 0..outputs {
                    weight.data[(CENTRE * inputs + o % inputs) * outputs + o] += 1.0;
                }
            }
            all.push(weight);
            inputs = outputs;
        }
        all.push(even("encoder.last".into(), &[inputs, 2], inputs));
        for name in DECODERS {
            let mut inputs = 1;
            for (n, &outputs) in self.decoder.iter().enumerate() {
                all.push(even(format!("{name}.{n}.weight"), &[outputs, inputs, 3, 3, 3], 27 * inputs));
                for (part, value) in [("scale", 1.0), ("shift", 0.0)] {
                    let (name, data) = (format!("{name}.{n}.{part}"), vec![value; outputs]);
                    all.push(bundle::Tensor { name, shape: vec![outputs], data });
                }
                inputs = outputs;
            }
            all.push(even(format!("{name}.head"), &[inputs], inputs));
            all.push(even(format!("{name}.head_bias"), &[1], inputs));
        }
        all
    }

    /// Running mean and variance of each normalisation, in the order of the layers: of the first decoder, then of the second.
    pub fn statistics(&self) -> Vec<bundle::Tensor> {
        let mut all = Vec::new();
        for name in DECODERS {
            for (n, &c) in self.decoder.iter().enumerate() {
                for (part, value) in [("mean", 0.0), ("variance", 1.0)] {
                    all.push(bundle::Tensor {
                        name: format!("{name}.{n}.{part}"),
                        shape: vec![c],
                        data: vec![value; c],
                    });
                }
            }
        }
        all
    }

    /// The bundle that the core reads: normalisation folded in. `words` and licence go into the configuration.
    pub fn export(
        &self,
        parameters: &[bundle::Tensor],
        statistics: &[bundle::Tensor],
        words: &str,
        licence: &str,
    ) -> Result<bundle::Model> {
        let of = |all: &[bundle::Tensor], name: String| {
            all.iter().find(|t| t.name == name).cloned().ok_or_else(|| usage(format!("there is no {name}")))
        };
        let mut tensors = Vec::new();
        for n in 0..self.encoder.len() {
            tensors.push(of(parameters, format!("encoder.{n}.weight"))?);
        }
        tensors.push(of(parameters, "encoder.last".into())?);
        for name in DECODERS {
            for n in 0..self.decoder.len() {
                let mut weight = of(parameters, format!("{name}.{n}.weight"))?;
                let [scale, shift] = ["scale", "shift"].map(|p| of(parameters, format!("{name}.{n}.{p}")));
                let [mean, variance] =
                    ["mean", "variance"].map(|p| of(statistics, format!("{name}.{n}.{p}")));
                let (scale, shift, mean, variance) = (scale?, shift?, mean?, variance?);
                let outputs = weight.shape[0];
                let each = weight.data.len() / outputs;
                let mut bias = Vec::new();
                for o in 0..outputs {
                    let s = f64::from(scale.data[o]) / (f64::from(variance.data[o]) + EPSILON).sqrt();
                    for w in &mut weight.data[o * each..(o + 1) * each] {
                        *w = (f64::from(*w) * s) as f32;
                    }
                    bias.push((-f64::from(mean.data[o]) * s + f64::from(shift.data[o])) as f32);
                }
                tensors.push(weight);
                tensors.push(bundle::Tensor {
                    name: format!("{name}.{n}.bias"),
                    shape: vec![outputs],
                    data: bias,
                });
            }
            tensors.push(of(parameters, format!("{name}.head"))?);
            let mut bias = of(parameters, format!("{name}.head_bias"))?;
            bias.shape = Vec::new();
            tensors.push(bias);
        }
        let dilations: Vec<usize> = self.encoder.iter().map(|e| e.1).collect();
        let config = serde_json::json!({
            "dilations": dilations, "floor": 6, "ceiling": 1023, "origin": words, "licence": licence,
        });
        Ok(bundle::Model {
            kind: strangelet::model::bcae::Bcae::KIND.into(),
            config: config.to_string(),
            tensors,
        })
    }
}

/// Crops that are learned from together, of one shape.
pub struct Batch {
    shape: [usize; 3],
    frames: usize,
    /// log2(ADC + 1) of hits.
    values: Vec<f32>,
    /// Voxel of each hit, counted through the batch.
    places: Vec<i32>,
    /// Pairs by dilation.
    pairs: Vec<(usize, Pairs)>,
    /// u of the gate.
    draws: Vec<f32>,
    /// Whether the gate is open or shut, as when a frame is coded, and only its gradients are those of the soft one.
    pub hard: bool,
    /// What the encoder's sums keep below zero: 0 where it is used, more while it learns, lest channels fall silent for ever.
    pub slope: f32,
}

impl Batch {
    /// Of crops, for a design.
    pub fn new(design: &Design, crops: &[Frame], random: &mut Random) -> Result<Batch> {
        let shape = crops.first().ok_or_else(|| usage("a batch of nothing"))?.shape;
        let volume: usize = shape.iter().product();
        let mut batch = Batch {
            shape,
            frames: crops.len(),
            values: Vec::new(),
            places: Vec::new(),
            pairs: Vec::new(),
            draws: Vec::new(),
            hard: false,
            slope: 0.0,
        };
        for (n, crop) in crops.iter().enumerate() {
            let (voxels, values) = crop.hits();
            for &(_, dilation) in &design.encoder {
                let known = batch.pairs.iter().position(|p| p.0 == dilation);
                if known.is_some_and(|p| batch.pairs[p].1.sites > batch.values.len()) {
                    continue; // a dilation that comes twice
                }
                let pairs = Pairs::find(shape, &voxels, dilation, batch.values.len())?;
                match known {
                    Some(p) => batch.pairs[p].1.append(pairs),
                    None => batch.pairs.push((dilation, pairs)),
                }
            }
            batch.places.extend(voxels.iter().map(|&v| (n * volume) as i32 + v as i32));
            batch.values.extend(values);
        }
        batch.draws = batch.values.iter().map(|_| random.unit()).collect();
        Ok(batch)
    }

    /// Number of hits.
    pub fn hits(&self) -> usize {
        self.values.len()
    }
}

/// Parameters on a device, with gradients.
pub struct Live<'a> {
    design: &'a Design,
    device: Device,
    names: Vec<String>,
    flat: Vec<Tensor<1>>,
}

/// What a step has found.
pub struct Outcome {
    /// What is to become small.
    pub loss: Tensor<1>,
    /// Mean absolute error.
    pub regression: Tensor<1>,
    /// Focal loss.
    pub segmentation: Tensor<1>,
    /// Mean probability to be kept.
    pub keep: Tensor<1>,
    /// Mean and (unbiased) variance of each normalisation, in the order of [`Design::statistics`].
    pub statistics: Vec<Vec<f32>>,
}

/// What decoders make of a batch.
pub struct Decoded {
    /// log2(ADC + 1) where there is a hit.
    pub regression: Vec<f32>,
    /// Logit of there being a hit.
    pub segmentation: Vec<f32>,
    /// As of an [`Outcome`].
    pub statistics: Vec<Vec<f32>>,
}

impl<'a> Live<'a> {
    /// Puts parameters on a device.
    pub fn new(design: &'a Design, parameters: &[bundle::Tensor], device: &Device) -> Live<'a> {
        let flat = parameters.iter().map(|t| {
            Tensor::<1>::from_data(TensorData::new(t.data.clone(), [t.data.len()]), device).require_grad()
        });
        let names = parameters.iter().map(|t| t.name.clone()).collect();
        Live { design, device: device.clone(), names, flat: flat.collect() }
    }

    fn get<const D: usize>(&self, name: &str, shape: [usize; D]) -> Tensor<D> {
        self.flat(name).reshape(shape)
    }

    fn flat(&self, name: &str) -> Tensor<1> {
        let at = self.names.iter().position(|n| n == name).expect("a parameter of the design");
        self.flat[at].clone()
    }

    /// Probability (its logit) and value of each hit.
    fn encode(&self, batch: &Batch) -> (Tensor<2>, Tensor<2>) {
        let n = batch.hits();
        let mut x: Tensor<2> = Tensor::from_data(TensorData::new(batch.values.clone(), [n, 1]), &self.device);
        let mut inputs = 1;
        for (layer, &(outputs, dilation)) in self.design.encoder.iter().enumerate() {
            let weight = self.get(&format!("encoder.{layer}.weight"), [27, inputs, outputs]);
            let pairs = batch.pairs.iter().find(|p| p.0 == dilation).expect("pairs of each dilation");
            x = convolve(&pairs.1, x, weight);
            x = if batch.slope > 0.0 { leaky_relu(x, f64::from(batch.slope)) } else { relu(x) };
            inputs = outputs;
        }
        let x = x.matmul(self.get("encoder.last", [inputs, 2]));
        (x.clone().slice([0..n, 0..1]), sigmoid(x.slice([0..n, 1..2])))
    }

    fn decode(&self, name: &str, input: Tensor<5>, statistics: &mut Vec<Vec<f32>>) -> Tensor<5> {
        let mut x = input;
        let mut inputs = 1;
        for (n, &outputs) in self.design.decoder.iter().enumerate() {
            let [weight, scale, shift] =
                ["weight", "scale", "shift"].map(|p| self.flat(&format!("{name}.{n}.{p}")));
            let [frames, _, a, b, c] = x.dims();
            let count = (frames * a * b * c) as f32;
            let (y, moments) = layer(x, weight, scale, shift);
            statistics.push(moments.mean);
            statistics.push(moments.variance.iter().map(|v| v * count / (count - 1.0)).collect());
            x = y;
            inputs = outputs;
        }
        let head = self.get(&format!("{name}.head"), [1, inputs, 1, 1, 1]);
        (x * head).sum_dim(1) + self.get(&format!("{name}.head_bias"), [1, 1, 1, 1, 1])
    }

    fn column(&self, numbers: Vec<f32>) -> Tensor<2> {
        let n = numbers.len();
        Tensor::from_data(TensorData::new(numbers, [n, 1]), &self.device)
    }

    /// Numbers of hits in their places, zeros elsewhere.
    fn spread(&self, batch: &Batch, x: Tensor<2>) -> Tensor<5> {
        let [a, b, l] = batch.shape;
        let zeros: Tensor<2> = Tensor::zeros([batch.frames * a * b * l, 1], &self.device);
        let full = zeros.select_assign(0, indices(&batch.places, &self.device), x, IndexingUpdateOp::Add);
        full.reshape([batch.frames, 1, a, b, l])
    }

    /// Code, logit of the probability, statistics, regression and segmentation.
    #[allow(clippy::type_complexity)]
    fn whole(&self, batch: &Batch) -> (Tensor<2>, Tensor<2>, Vec<Vec<f32>>, Tensor<5>, Tensor<5>) {
        let (logit, value) = self.encode(batch);
        let draws = self.column(batch.draws.iter().map(|u| (u / (1.0 - u)).ln()).collect());
        let over = logit.clone() - draws;
        let mut gate = sigmoid(over.clone().mul_scalar(4.0));
        if batch.hard {
            let open = over.detach().greater_scalar(0.0).float();
            gate = gate.clone() + (open - gate.detach());
        }
        let code = value * gate;
        let volume = self.spread(batch, code.clone());
        let mut statistics = Vec::new();
        let v = self.decode(DECODERS[0], volume.clone(), &mut statistics);
        let s = self.decode(DECODERS[1], volume, &mut statistics);
        (code, logit, statistics, v, s)
    }

    /// What stands in the place of each hit for a batch, and what the decoders make of it.
    pub fn look(&self, batch: &Batch) -> (Vec<f32>, Decoded) {
        let (code, _, statistics, v, s) = self.whole(batch);
        let plain = |t: Tensor<5>| t.inner().into_data().try_into_vec::<f32>().expect("numbers");
        let code = code.inner().into_data().try_into_vec::<f32>().expect("numbers");
        (code, Decoded { regression: plain(v), segmentation: plain(s), statistics })
    }

    /// Loss of a batch with weight `c` of the segmentation and a share of hits that is to be kept.
    pub fn forward(&self, batch: &Batch, c: f32, target: f32) -> Outcome {
        let (_, logit, statistics, v, s) = self.whole(batch);
        let truth = self.spread(batch, self.column(batch.values.clone()));
        let hit = truth.clone().greater_scalar(0.0).float();
        // log p of what is true, and 1 - p.
        let sure = s.clone() * (hit.mul_scalar(2.0).sub_scalar(1.0));
        let log = log_sigmoid(sure.clone()).div_scalar(std::f64::consts::LN_2);
        let wrong = sigmoid(sure.neg());
        let segmentation = (wrong.square() * log).mean().neg();
        let mask = s.detach().greater_scalar(0.0).float();
        let regression = (v * mask - truth).abs().mean();
        let keep = sigmoid(logit).mean();
        let over = relu(keep.clone().sub_scalar(target));
        let loss =
            regression.clone() + segmentation.clone().mul_scalar(c) + (over * keep.clone()).mul_scalar(30.0);
        Outcome { loss, regression, segmentation, keep, statistics }
    }

    /// Gradients of a loss, in the order of the parameters.
    pub fn gradients(&self, loss: &Tensor<1>) -> Vec<Vec<f32>> {
        let grads = loss.backward();
        let of = |t: &Tensor<1>| match t.grad(&grads) {
            Some(g) => g.into_data().try_into_vec::<f32>().expect("numbers"),
            None => vec![0.0; t.dims()[0]],
        };
        self.flat.iter().map(of).collect()
    }
}

/// Moves running statistics towards those of a batch.
pub fn remember(statistics: &mut [bundle::Tensor], batch: &[Vec<f32>]) {
    for (run, now) in statistics.iter_mut().zip(batch) {
        for (r, n) in run.data.iter_mut().zip(now) {
            *r += MOMENTUM * (n - *r);
        }
    }
}
