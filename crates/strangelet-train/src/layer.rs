//! A layer of a decoder as one operation with gradients: convolution ([`crate::dense`]), normalisation over the batch and leaky
//! cut-off ([`crate::norm`]). One pass where separate operations would each walk through memory.

use crate::dense::Dense;
use crate::norm::{self, Moments};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};
use std::sync::Arc;

type Primitive = FloatTensor<Flex>;

/// What the gradients need.
#[derive(Debug)]
struct Kept {
    dense: Dense,
    x: Primitive,
    weights: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    z: Vec<f32>,
    moments: Moments,
}

fn tensor(numbers: Vec<f32>, shape: &[usize]) -> Primitive {
    Flex::float_from_data(TensorData::new(numbers, shape), &Default::default())
}

fn numbers(x: &Primitive) -> Vec<f32> {
    x.clone().into_data().try_into_vec::<f32>().expect("numbers of 32 bits")
}

#[derive(Debug)]
struct Layer;

impl Backward<Flex, 4> for Layer {
    type State = Arc<Kept>;

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let kept = ops.state;
        let (d, volume) = (kept.dense, kept.dense.volume());
        let dy = grads.consume::<Flex>(&ops.node).to_contiguous();
        let dy = dy.as_slice::<f32>().expect("numbers in a row");
        let (dz, dscale, dshift) =
            norm::backward(dy, &kept.z, volume, &kept.moments, &kept.scale, &kept.shift);
        let [x, weights, scale, shift] = ops.parents;
        if let Some(node) = x {
            let [a, b, c] = d.shape;
            let dx = d.backward_input(&dz, &kept.weights);
            grads.register::<Flex>(node.id, tensor(dx, &[d.frames, d.inputs, a, b, c]));
        }
        if let Some(node) = weights {
            let dw = d.backward_weights(kept.x.as_slice::<f32>().expect("numbers in a row"), &dz);
            grads.register::<Flex>(node.id, tensor(dw, &[kept.weights.len()]));
        }
        for (node, g) in [(scale, dscale), (shift, dshift)] {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, tensor(g, &[d.outputs]));
            }
        }
    }
}

/// A layer: input \[frame, channel, a, b, c\], weights `[output][input][3][3][3]`, scale and shift of each output. Also the moments of
/// the batch.
pub fn layer(x: Tensor<5>, weights: Tensor<1>, scale: Tensor<1>, shift: Tensor<1>) -> (Tensor<5>, Moments) {
    let [frames, inputs, a, b, c] = x.dims();
    let d = Dense { frames, shape: [a, b, c], inputs, outputs: scale.dims()[0] };
    let x = x.try_into_primitive::<Autodiff<Flex>>().expect("a tensor with gradients");
    let [weights, scale, shift] = [weights, scale, shift]
        .map(|t| t.try_into_primitive::<Autodiff<Flex>>().expect("a tensor with gradients"));
    let nodes = [x.node(), weights.node(), scale.node(), shift.node()];
    let x = x.into_primitive().to_contiguous();
    let [weights, scale, shift] = [weights, scale, shift].map(|t| numbers(t.primitive()));
    let z = d.forward(x.as_slice::<f32>().expect("numbers in a row"), &weights);
    let moments = norm::moments(&z, d.outputs, d.volume());
    let y = norm::forward(&z, d.volume(), &moments, &scale, &shift);
    let y = tensor(y, &[frames, d.outputs, a, b, c]);
    let found = moments.clone();
    let y = match Layer.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            prep.finish(Arc::new(Kept { dense: d, x, weights, scale, shift, z, moments }), y)
        }
        OpsKind::UnTracked(prep) => prep.finish(y),
    };
    (Tensor::from_primitive::<Autodiff<Flex>>(y), found)
}
