//! Submanifold sparse convolution with gradients: for each tap the rows of the neighbours are selected, multiplied by the tap's
//! matrix, and added to the rows they are neighbours of.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use strangelet::error::Result;
use strangelet::infer::sparse::{Neighbours, Sites, TAPS};

/// Who is whose neighbour, by tap: rows to take from, rows to add to.
#[derive(Debug, Clone)]
pub struct Pairs {
    /// Number of sites.
    pub sites: usize,
    /// For each tap that has any pair: its number, neighbours, sites.
    pub taps: Vec<(usize, Vec<i32>, Vec<i32>)>,
}

impl Pairs {
    /// Of sites (index in C order, upward) in a grid, at a dilation. `first` is added to all rows: several grids may share a matrix.
    pub fn find(shape: [usize; 3], voxels: &[u32], dilation: usize, first: usize) -> Result<Pairs> {
        let sites = Sites::new(shape, voxels, dilation)?;
        let mut near = Neighbours::default();
        sites.neighbours(dilation, &mut near)?;
        let mut taps = vec![(Vec::new(), Vec::new()); TAPS];
        for (site, tap, neighbour) in near.each() {
            taps[tap].0.push((first + neighbour) as i32);
            taps[tap].1.push((first + site) as i32);
        }
        let taps = taps.into_iter().enumerate().map(|(k, (from, to))| (k, from, to));
        Ok(Pairs { sites: voxels.len(), taps: taps.filter(|t| !t.1.is_empty()).collect() })
    }

    /// Joins the pairs of another grid of the same matrix.
    pub fn append(&mut self, other: Pairs) {
        self.sites += other.sites;
        for (tap, from, to) in other.taps {
            match self.taps.iter_mut().find(|t| t.0 == tap) {
                Some(mine) => {
                    mine.1.extend(from);
                    mine.2.extend(to);
                }
                None => self.taps.push((tap, from, to)),
            }
        }
        self.taps.sort_by_key(|t| t.0);
    }
}

/// Row numbers as a tensor.
pub fn indices(rows: &[i32], device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(rows.to_vec(), [rows.len()]), device)
}

/// Convolves: `input` \[sites, inputs\], `weight` \[27, inputs, outputs\].
pub fn convolve(pairs: &Pairs, input: Tensor<2>, weight: Tensor<3>) -> Tensor<2> {
    let device = input.device();
    let [_, inputs, outputs] = weight.dims();
    let mut sum: Tensor<2> = Tensor::zeros([pairs.sites, outputs], &device);
    for (tap, from, to) in &pairs.taps {
        let matrix: Tensor<2> = weight.clone().narrow(0, *tap, 1).reshape([inputs, outputs]);
        let given = input.clone().select(0, indices(from, &device)).matmul(matrix);
        sum = sum.select_assign(0, indices(to, &device), given, IndexingUpdateOp::Add);
    }
    sum
}
