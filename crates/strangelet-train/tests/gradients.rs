//! Sparse convolution against its dense definition and the core's; gradients against differences; what is trained against what is exported.

use burn::tensor::{Device, Tensor, TensorData};
use strangelet::format::bundle;
use strangelet::infer::sparse::{Kernel, Neighbours, Sites, TAPS};
use strangelet::model::bcae::{Bcae, Code};
use strangelet_train::bcae::{Batch, Design, Live};
use strangelet_train::frames::{Frame, Random};
use strangelet_train::sparse::{Pairs, convolve};

fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    (0..n).map(|_| 2.0 * random.unit() - 1.0).collect()
}

fn sites(volume: usize, share: f32, seed: u64) -> Vec<u32> {
    let mut random = Random(seed);
    (0..volume as u32).filter(|_| random.unit() < share).collect()
}

fn tensor<const D: usize>(data: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(data.to_vec(), shape), device)
}

/// The definition over a dense grid, in f64: for sites only.
fn dense(
    shape: [usize; 3],
    voxels: &[u32],
    input: &[f32],
    weight: &[f32],
    dilation: i64,
    ci: usize,
    co: usize,
) -> Vec<f64> {
    let row = |at: [i64; 3]| {
        let inside = (0..3).all(|k| at[k] >= 0 && at[k] < shape[k] as i64);
        let v = (at[0] * shape[1] as i64 + at[1]) * shape[2] as i64 + at[2];
        if inside { voxels.binary_search(&(v as u32)).ok() } else { None }
    };
    let mut out = Vec::new();
    for &v in voxels {
        let v = v as usize;
        let at = [v / (shape[1] * shape[2]), v / shape[2] % shape[1], v % shape[2]].map(|n| n as i64);
        for o in 0..co {
            let mut sum = 0.0;
            for k in 0..27 {
                let i = [k % 3, k / 3 % 3, k / 9].map(|i| (i as i64 - 1) * dilation);
                if let Some(n) = row([at[0] + i[0], at[1] + i[1], at[2] + i[2]]) {
                    for c in 0..ci {
                        sum += f64::from(input[n * ci + c]) * f64::from(weight[(k * ci + c) * co + o]);
                    }
                }
            }
            out.push(sum);
        }
    }
    out
}

#[test]
fn sparse_convolution_is_the_dense_one_and_the_cores() {
    let device = Device::flex().autodiff();
    for (seed, share, dilation, ci, co) in
        [(1, 0.1, 1, 1, 2), (2, 0.4, 2, 2, 2), (3, 0.05, 4, 3, 5), (4, 1.0, 1, 2, 3)]
    {
        let shape = [9, 11, 7];
        let voxels = sites(9 * 11 * 7, share, seed);
        let (input, weight) = (noise(voxels.len() * ci, seed + 9), noise(27 * ci * co, seed + 90));
        let pairs = Pairs::find(shape, &voxels, dilation, 0).unwrap();
        let x = tensor(&input, [voxels.len(), ci], &device);
        let y = convolve(&pairs, x, tensor(&weight, [27, ci, co], &device))
            .into_data()
            .try_into_vec::<f32>()
            .unwrap();
        let expected = dense(shape, &voxels, &input, &weight, dilation as i64, ci, co);
        for (y, e) in y.iter().zip(&expected) {
            assert!((f64::from(*y) - e).abs() < 1e-5, "{y} {e}");
        }
        let mut near = Neighbours::default();
        Sites::new(shape, &voxels, dilation).unwrap().neighbours(dilation, &mut near).unwrap();
        let mut core = Vec::new();
        Kernel { inputs: ci, outputs: co, dilation, weights: weight }
            .forward(&near, &input, &mut core)
            .unwrap();
        for (y, c) in y.iter().zip(&core) {
            assert!((y.max(0.0) - c).abs() < 1e-5, "{y} {c}");
        }
        assert_eq!(TAPS, 27);
    }
}

#[test]
fn gradients_of_sparse_convolution_are_differences() {
    let device = Device::flex().autodiff();
    let (shape, ci, co, dilation) = ([6, 7, 5], 2, 3, 2);
    let voxels = sites(6 * 7 * 5, 0.3, 5);
    let (input, weight) = (noise(voxels.len() * ci, 6), noise(27 * ci * co, 7));
    let towards = noise(voxels.len() * co, 8);
    let pairs = Pairs::find(shape, &voxels, dilation, 0).unwrap();
    let x = tensor(&input, [voxels.len(), ci], &device).require_grad();
    let w = tensor(&weight, [27, ci, co], &device).require_grad();
    let loss = (convolve(&pairs, x.clone(), w.clone()) * tensor(&towards, [voxels.len(), co], &device)).sum();
    let grads = loss.backward();
    // The loss in f64: differences are then exact to many digits, for it is linear in either argument.
    let value = |input: &[f32], weight: &[f32]| {
        let y = dense(shape, &voxels, input, weight, dilation as i64, ci, co);
        y.iter().zip(&towards).map(|(y, t)| y * f64::from(*t)).sum::<f64>()
    };
    let h = 1.0 / 64.0;
    let check = |gradient: Vec<f32>, base: &[f32], value: &dyn Fn(&[f32]) -> f64| {
        for i in (0..base.len()).step_by(7) {
            let (mut up, mut down) = (base.to_vec(), base.to_vec());
            up[i] += h;
            down[i] -= h;
            let difference = (value(&up) - value(&down)) / (f64::from(up[i]) - f64::from(down[i]));
            assert!((difference - f64::from(gradient[i])).abs() < 1e-4, "{i}: {difference} {}", gradient[i]);
        }
    };
    let of = |t: Option<Vec<f32>>| t.expect("a gradient");
    let gx = of(x.grad(&grads).map(|g| g.into_data().try_into_vec::<f32>().unwrap()));
    let gw = of(w.grad(&grads).map(|g| g.into_data().try_into_vec::<f32>().unwrap()));
    check(gx, &input, &|input| value(input, &weight));
    check(gw, &weight, &|weight| value(&input, weight));
}

fn small() -> (Design, Vec<Frame>) {
    let design = Design { encoder: vec![(2, 1), (2, 2)], decoder: vec![3, 2], keep: 0.1 };
    let shape = [6, 8, 5];
    let crop = |seed| {
        let mut cells = vec![0; 240];
        for v in sites(240, 0.3, seed) {
            cells[v as usize] = 70 + (v % 60) as u16;
        }
        Frame { shape, cells }
    };
    (design, vec![crop(1), crop(2)])
}

/// The loss as a whole, normalisation and gate included, moves as its gradient says.
#[test]
fn gradients_of_the_whole_loss_are_differences() {
    let device = Device::flex().autodiff();
    let (design, crops) = small();
    let parameters = design.parameters(3);
    let batch = Batch::new(&design, &crops, &mut Random(4)).unwrap();
    // Where the segmentation says hit counts for the regression without a gradient, and jumps: left out for its own parameters.
    let value = |p: &[bundle::Tensor], own: bool| {
        let outcome = Live::new(&design, p, &device).forward(&batch, 3.0, 0.1);
        let regression = if own { f64::from(outcome.regression.into_scalar::<f32>()) } else { 0.0 };
        f64::from(outcome.loss.into_scalar::<f32>()) - regression
    };
    let live = Live::new(&design, &parameters, &device);
    let gradients = live.gradients(&live.forward(&batch, 3.0, 0.1).loss);
    let (mut dot, mut squares) = (0.0, 0.0);
    // Along the gradient of each tensor by itself: the loss is not smooth everywhere, but nearly so.
    for (n, g) in gradients.iter().enumerate() {
        let norm = g.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        if norm < 1e-4 {
            continue;
        }
        let h = 2e-3;
        let moved = |sign: f64| {
            let mut p = parameters.clone();
            for (p, g) in p[n].data.iter_mut().zip(g) {
                *p += (sign * h * f64::from(*g) / norm) as f32;
            }
            value(&p, parameters[n].name.starts_with("segmentation"))
        };
        let difference = (moved(1.0) - moved(-1.0)) / (2.0 * h);
        // One voxel whose error changes its sign moves the slope by 2 / 480.
        assert!(
            (difference - norm).abs() < 0.15 * norm + 5e-3,
            "{}: {difference} {norm}",
            parameters[n].name
        );
        dot += difference * norm;
        squares += norm * norm;
    }
    assert!(squares > 0.0 && (dot / squares - 1.0).abs() < 0.05, "{dot} {squares}");
}

/// With the statistics of the batch itself, the exported bundle does in the core what training did.
#[test]
fn the_core_does_what_was_trained() {
    let device = Device::flex().autodiff();
    let (design, crops) = small();
    let parameters = design.parameters(3);
    let crops = &crops[..1];
    let batch = Batch::new(&design, crops, &mut Random(4)).unwrap();
    let live = Live::new(&design, &parameters, &device);
    let (code, decoded) = live.look(&batch);
    let mut statistics = design.statistics();
    for (s, now) in statistics.iter_mut().zip(&decoded.statistics) {
        s.data.clone_from(now);
        // the batch normalises by the biased variance
        if s.name.ends_with("variance") {
            s.data.iter_mut().for_each(|v| *v *= 239.0 / 240.0);
        }
    }
    let bytes = design.export(&parameters, &statistics, "test", "none").unwrap().to_bytes();
    let bcae = Bcae::from_bundle(&bytes).unwrap();
    let (voxels, _) = crops[0].hits();
    let (v, s, _) = bcae.evaluate(crops[0].shape, &Code { voxels, values: code }).unwrap();
    for (core, trained) in v.iter().zip(&decoded.regression).chain(s.iter().zip(&decoded.segmentation)) {
        assert!((core - trained).abs() < 2e-3 * (1.0 + trained.abs()), "{core} {trained}");
    }
}
