//! What a loss did to the clusters that tracks are made of: where they are, and how much charge they have.
//!
//! A cluster is a set of hits of one layer that touch along the pads or along the drift time (by their sides). Its charge is
//! the sum of ADC - pedestal over its voxels where that is above zero, its centroid the mean place with these weights. After a loss
//! the same voxels are looked at: the hits that are left of the cluster, with what they are now.

use super::quality::Restored;
use strangelet_sim::detector::{Detector, Group};

/// Clusters with less charge than this (ADC over pedestal) are noise, and not looked at.
pub const LEAST_CHARGE: f64 = 20.0;

/// The geometry of a frame of pads x bins x layers, where it is that of a group of layers.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    group: Option<Group>,
    bin_um: f64,
    /// Pedestal, ADC.
    pub pedestal: f64,
}

impl Geometry {
    /// That of a frame: groups of layers are told by their number of pads.
    pub fn of(frame: [usize; 3], pedestal: f64) -> Geometry {
        let groups = [Group::Inner, Group::Middle, Group::Outer];
        let group = groups.into_iter().find(|g| g.pads() == frame[0] && frame[2] <= 16);
        Geometry { group, bin_um: Detector::default().bin_cm() * 1e4, pedestal }
    }

    /// Its name, where it is one of the chamber's.
    pub fn name(&self) -> Option<&'static str> {
        self.group.map(Group::name)
    }

    /// Width of a pad along r-phi and length of a time bin along the drift, um; 0 where they are not known.
    pub fn pitch_um(&self, layer: usize) -> (f64, f64) {
        let Some(group) = self.group else { return (0.0, 0.0) };
        let around = std::f64::consts::TAU * group.layer_radius_cm(layer);
        (around / group.pads_around() as f64 * 1e4, self.bin_um)
    }
}

/// A pad and a bin.
type Voxel = (usize, usize);

/// Finds the clusters of one layer and hands each to `take`.
pub fn find(frame: &[u16], [pads, bins, layers]: [usize; 3], layer: usize, take: &mut dyn FnMut(&[Voxel])) {
    let hit = |pad: usize, bin: usize| frame[(pad * bins + bin) * layers + layer] > 0;
    let mut seen = vec![false; pads * bins];
    let mut cluster = Vec::new();
    for from in 0..pads * bins {
        if seen[from] || !hit(from / bins, from % bins) {
            continue;
        }
        cluster.clear();
        cluster.push((from / bins, from % bins));
        seen[from] = true;
        let mut next = 0;
        while let Some(&(pad, bin)) = cluster.get(next) {
            next += 1;
            let around =
                [(pad.wrapping_sub(1), bin), (pad + 1, bin), (pad, bin.wrapping_sub(1)), (pad, bin + 1)];
            for (p, b) in around {
                if p < pads && b < bins && !seen[p * bins + b] && hit(p, b) {
                    seen[p * bins + b] = true;
                    cluster.push((p, b));
                }
            }
        }
        take(&cluster);
    }
}

/// Charge and centroid (pad, bin) of voxels; nothing where there is no charge.
fn centroid(voxels: &[Voxel], charge: impl Fn(usize, usize) -> f64) -> Option<(f64, f64, f64)> {
    let (mut sum, mut pads, mut bins) = (0.0, 0.0, 0.0);
    for &(pad, bin) in voxels {
        let q = charge(pad, bin);
        sum += q;
        pads += q * pad as f64;
        bins += q * bin as f64;
    }
    (sum > 0.0).then(|| (sum, pads / sum, bins / sum))
}

/// What became of clusters.
#[derive(Debug, Clone, Default)]
pub struct Shifts {
    /// Clusters looked at.
    pub clusters: usize,
    /// Of these, clusters without any charge afterwards.
    pub lost: usize,
    /// Shift along r-phi of each that is left, um.
    rphi_um: Vec<f32>,
    /// Shift along the drift, um.
    drift_um: Vec<f32>,
    /// Change of charge, as a part of it.
    charge: Vec<f32>,
    /// Charge of all clusters before and after, ADC.
    total: (f64, f64),
}

impl Shifts {
    /// Looks at all clusters of whole frames.
    pub fn of(adc: &[u16], frame: [usize; 3], restored: Restored, geometry: &Geometry) -> Shifts {
        let mut shifts = Shifts::default();
        let volume: usize = frame.iter().product();
        for (n, was) in adc.chunks_exact(volume.max(1)).enumerate() {
            let is = restored.part(n * volume..(n + 1) * volume);
            (0..frame[2]).for_each(|layer| shifts.layer(was, frame, layer, is, geometry));
        }
        shifts
    }

    fn layer(&mut self, was: &[u16], frame: [usize; 3], layer: usize, is: Restored, geometry: &Geometry) {
        let voxel = |pad: usize, bin: usize| (pad * frame[1] + bin) * frame[2] + layer;
        let over = |adc: f64| if adc > 0.0 { (adc - geometry.pedestal).max(0.0) } else { 0.0 };
        let (pad_um, bin_um) = geometry.pitch_um(layer);
        find(was, frame, layer, &mut |voxels| {
            let before = centroid(voxels, |p, b| over(f64::from(was[voxel(p, b)])));
            let Some((q, pad, bin)) = before.filter(|c| c.0 >= LEAST_CHARGE) else { return };
            self.clusters += 1;
            self.total.0 += q;
            match centroid(voxels, |p, b| over(is.adc(voxel(p, b)))) {
                None => self.lost += 1,
                Some((q1, pad1, bin1)) => {
                    self.rphi_um.push(((pad1 - pad) * pad_um) as f32);
                    self.drift_um.push(((bin1 - bin) * bin_um) as f32);
                    self.charge.push((q1 / q - 1.0) as f32);
                    self.total.1 += q1;
                }
            }
        });
    }

    /// Root mean square of the shifts along r-phi and along the drift, um.
    pub fn rms_um(&self) -> (f64, f64) {
        (rms(&self.rphi_um), rms(&self.drift_um))
    }

    /// The size that a share of the shifts does not exceed, along r-phi and along the drift, um.
    pub fn within_um(&self, share: f64) -> (f64, f64) {
        (within(&self.rphi_um, share), within(&self.drift_um, share))
    }

    /// Mean change of the charge of a cluster, as a part of it.
    pub fn charge_bias(&self) -> f64 {
        mean(&self.charge)
    }

    /// Change of the charge of all clusters together, as a part of it.
    pub fn total_bias(&self) -> f64 {
        if self.total.0 > 0.0 { self.total.1 / self.total.0 - 1.0 } else { 0.0 }
    }

    /// Spread of the change of a cluster's charge about its mean.
    pub fn charge_spread(&self) -> f64 {
        let m = mean(&self.charge);
        let square = self.charge.iter().map(|&x| (f64::from(x) - m).powi(2)).sum::<f64>();
        (square / self.charge.len().max(1) as f64).sqrt()
    }
}

fn mean(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x)).sum::<f64>() / x.len().max(1) as f64
}

fn rms(x: &[f32]) -> f64 {
    (x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / x.len().max(1) as f64).sqrt()
}

fn within(x: &[f32], share: f64) -> f64 {
    let mut sizes: Vec<f32> = x.iter().map(|x| x.abs()).collect();
    if sizes.is_empty() {
        return 0.0;
    }
    let at = ((sizes.len() - 1) as f64 * share).round() as usize;
    f64::from(*sizes.select_nth_unstable_by(at, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pads x bins of layer 0 of two layers; layer 1 stays empty.
    fn frame(rows: &[&[u16]]) -> Vec<u16> {
        rows.iter().flat_map(|r| r.iter().flat_map(|&v| [v, 0])).collect()
    }

    #[test]
    fn hits_that_touch_by_their_sides_are_one_cluster() {
        let f = frame(&[&[80, 0, 0, 90], &[80, 0, 90, 0], &[0, 0, 90, 90]]);
        let mut found = Vec::new();
        find(&f, [3, 4, 2], 0, &mut |c| {
            let mut c = c.to_vec();
            c.sort_unstable();
            found.push(c);
        });
        assert_eq!(found, [vec![(0, 0), (1, 0)], vec![(0, 3)], vec![(1, 2), (2, 2), (2, 3)]]);
        find(&f, [3, 4, 2], 1, &mut |_| panic!("layer 1 is empty"));
    }

    #[test]
    fn shifts_are_in_micrometres_and_charges_are_over_the_pedestal() {
        let mut shape = [192, 4, 2];
        let geometry = Geometry::of(shape, 70.0);
        assert_eq!(geometry.name(), Some("outer"));
        // 2 pi x 60.53 cm over 2304 pads: 1650.8 um; 8 cm/us x 53 ns: 4240 um.
        let (pad_um, bin_um) = geometry.pitch_um(0);
        assert!((pad_um - 1650.8).abs() < 0.1 && (bin_um - 4240.0).abs() < 1e-6, "{pad_um} {bin_um}");
        shape[0] = 3;
        // Charges 30 and 10 on two pads: the centroid is at 0.25. Then 20 and 20: at 0.5. One sample is under the pedestal.
        let was = frame(&[&[100, 69, 0, 0], &[80, 0, 0, 0], &[0, 0, 0, 0]]);
        let is = frame(&[&[90, 0, 0, 0], &[90, 0, 0, 0], &[0, 0, 0, 95]]);
        let s = Shifts::of(&was, shape, Restored::Adc(&is), &geometry);
        assert_eq!((s.clusters, s.lost), (1, 0));
        let (rphi, drift) = s.rms_um();
        assert!((rphi - pad_um / 4.0).abs() < 0.01 && drift == 0.0, "{rphi} {drift}");
        assert!((s.within_um(0.68).0 - pad_um / 4.0).abs() < 0.01);
        assert_eq!(s.charge_bias(), 0.0);
        // A fifth of the charge is gone, along the drift.
        let was = frame(&[&[90, 90, 0, 0], &[0; 4], &[0; 4]]);
        let is = frame(&[&[90, 82, 0, 0], &[0; 4], &[0; 4]]);
        let s = Shifts::of(&was, shape, Restored::Adc(&is), &geometry);
        assert!((s.charge_bias() + 0.2).abs() < 1e-6 && (s.total_bias() + 0.2).abs() < 1e-9);
        assert!((s.rms_um().1 - bin_um * 0.125).abs() < 0.01, "{:?}", s.rms_um());
        // All of it.
        let s = Shifts::of(&was, shape, Restored::Adc(&vec![0; was.len()]), &geometry);
        assert_eq!((s.clusters, s.lost), (1, 1));
    }

    #[test]
    fn most_shifts_say_more_than_a_few_large_ones() {
        let shifts: Vec<f32> = (0..100).map(|i| if i == 99 { 1e4 } else { -10.0 }).collect();
        assert_eq!((within(&shifts, 0.68), within(&shifts, 1.0)), (10.0, 1e4));
        assert!(rms(&shifts) > 1000.0);
        assert_eq!(within(&[], 0.68), 0.0);
    }

    #[test]
    fn noise_is_no_cluster_and_another_chamber_has_no_micrometres() {
        let was = frame(&[&[72, 0], &[0, 0]]);
        let geometry = Geometry::of([2, 2, 2], 70.0);
        assert_eq!(geometry.name(), None);
        assert_eq!(Shifts::of(&was, [2, 2, 2], Restored::Adc(&was), &geometry).clusters, 0);
        assert_eq!(geometry.pitch_um(0), (0.0, 0.0));
    }
}
