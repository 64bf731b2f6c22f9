//! Normalisation over a batch and a leaky cut-off, channel by channel, and their gradients: y = leaky((z - mean) / sqrt(variance + e) x
//! scale + shift). Sums are in sixteen lanes of f32 over a plane, then in f64, in a fixed order.

/// Added to a variance.
pub const EPSILON: f64 = 1e-5;
/// What a number below zero keeps.
pub const SLOPE: f32 = 0.1;

const LANES: usize = 16;
/// Numbers that are added up before f64 takes over.
const RUN: usize = 4096;

/// Mean and (biased) variance of channels.
#[derive(Debug, Clone, Default)]
pub struct Moments {
    /// Of each channel.
    pub mean: Vec<f32>,
    /// Of each channel.
    pub variance: Vec<f32>,
}

/// What normalisation does to a channel: x -> (x - mean) * inverse, then * scale + shift.
#[derive(Debug, Clone, Copy)]
struct Channel {
    mean: f32,
    inverse: f32,
    scale: f32,
    shift: f32,
}

/// Sums of `N` numbers made of each pair.
#[inline(always)]
fn sums<const N: usize>(a: &[f32], b: &[f32], each: impl Fn(f32, f32) -> [f32; N]) -> [f64; N] {
    let mut all = [0.0; N];
    for (a, b) in a.chunks(RUN).zip(b.chunks(RUN)) {
        let mut lanes = [[0f32; LANES]; N];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for l in 0..LANES {
                let found = each(a[l], b[l]);
                for k in 0..N {
                    lanes[k][l] += found[k];
                }
            }
        }
        for (a, b) in a_rest.iter().zip(b_rest) {
            let found = each(*a, *b);
            for k in 0..N {
                lanes[k][0] += found[k];
            }
        }
        for k in 0..N {
            all[k] += lanes[k].iter().map(|&x| f64::from(x)).sum::<f64>();
        }
    }
    all
}

/// Runs of a channel through frames of `channels` x `volume` numbers.
fn runs(z: &[f32], channels: usize, volume: usize, c: usize) -> impl Iterator<Item = &[f32]> {
    z.chunks_exact(channels * volume).map(move |frame| &frame[c * volume..][..volume])
}

/// Of each channel of `z`, frames of `channels` x `volume` numbers.
pub fn moments(z: &[f32], channels: usize, volume: usize) -> Moments {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut moments = Moments::default();
            let count = (z.len() / channels) as f64;
            for c in 0..channels {
                let sum: f64 = runs(z, channels, volume, c).map(|x| sums(x, x, |x, _| [x])[0]).sum();
                let mean = (sum / count) as f32;
                let square = |x: &[f32]| sums(x, x, |x, _| [(x - mean) * (x - mean)])[0];
                let squares: f64 = runs(z, channels, volume, c).map(square).sum();
                moments.mean.push(mean);
                moments.variance.push((squares / count) as f32);
            }
            moments
        },
    )
}

fn channel(moments: &Moments, scale: &[f32], shift: &[f32], c: usize) -> Channel {
    let inverse = (1.0 / (f64::from(moments.variance[c]) + EPSILON).sqrt()) as f32;
    Channel { mean: moments.mean[c], inverse, scale: scale[c], shift: shift[c] }
}

/// y of z.
pub fn forward(z: &[f32], volume: usize, moments: &Moments, scale: &[f32], shift: &[f32]) -> Vec<f32> {
    let channels = scale.len();
    let mut y = vec![0.0; z.len()];
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for (n, (z, y)) in z.chunks_exact(volume).zip(y.chunks_exact_mut(volume)).enumerate() {
                let at = channel(moments, scale, shift, n % channels);
                for (y, z) in y.iter_mut().zip(z) {
                    let n = (z - at.mean) * at.inverse * at.scale + at.shift;
                    *y = if n > 0.0 { n } else { SLOPE * n };
                }
            }
        },
    );
    y
}

/// Gradients with respect to z, scale and shift from that with respect to y.
pub fn backward(
    dy: &[f32],
    z: &[f32],
    volume: usize,
    moments: &Moments,
    scale: &[f32],
    shift: &[f32],
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let channels = scale.len();
    let mut dz = vec![0.0; z.len()];
    let (mut dscale, mut dshift) = (Vec::new(), Vec::new());
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let count = (z.len() / channels) as f64;
            for c in 0..channels {
                let at = channel(moments, scale, shift, c);
                let inner = |dy: f32, z: f32| {
                    let x = (z - at.mean) * at.inverse;
                    let n = x * at.scale + at.shift;
                    (if n > 0.0 { dy } else { SLOPE * dy }, x)
                };
                let (mut plain, mut along) = (0.0, 0.0);
                for (dy, z) in runs(dy, channels, volume, c).zip(runs(z, channels, volume, c)) {
                    let [p, a] = sums(dy, z, |dy, z| {
                        let (dn, x) = inner(dy, z);
                        [dn, dn * x]
                    });
                    plain += p;
                    along += a;
                }
                dshift.push(plain as f32);
                dscale.push(along as f32);
                let (plain, along) = ((plain / count) as f32, (along / count) as f32);
                for f in 0..z.len() / (channels * volume) {
                    let from = (f * channels + c) * volume;
                    let (dy, z) = (&dy[from..from + volume], &z[from..from + volume]);
                    for ((dz, &dy), &z) in dz[from..from + volume].iter_mut().zip(dy).zip(z) {
                        let (dn, x) = inner(dy, z);
                        *dz = at.scale * at.inverse * (dn - plain - x * along);
                    }
                }
            }
        },
    );
    (dz, dscale, dshift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::Random;

    #[test]
    fn gradients_are_differences() {
        let (channels, volume, frames) = (3, 37, 2);
        let mut random = Random(3);
        let mut noise = |n: usize| (0..n).map(|_| 2.0 * random.unit() - 1.0).collect::<Vec<f32>>();
        let z = noise(channels * volume * frames);
        let (scale, shift, dy) = (noise(channels), noise(channels), noise(z.len()));
        let m = moments(&z, channels, volume);
        // The same in f64.
        let value = |z: &[f64], scale: &[f64], shift: &[f64]| {
            let mut sum = 0.0;
            for c in 0..channels {
                let at = |f: usize, v: usize| (f * channels + c) * volume + v;
                let all: Vec<usize> = (0..frames).flat_map(|f| (0..volume).map(move |v| at(f, v))).collect();
                let n = all.len() as f64;
                let mean = all.iter().map(|&i| z[i]).sum::<f64>() / n;
                let variance = all.iter().map(|&i| (z[i] - mean).powi(2)).sum::<f64>() / n;
                for &i in &all {
                    let n = (z[i] - mean) / (variance + EPSILON).sqrt() * scale[c] + shift[c];
                    sum += f64::from(dy[i]) * if n > 0.0 { n } else { 0.1 * n };
                }
            }
            sum
        };
        let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let (z64, scale64, shift64) = (wide(&z), wide(&scale), wide(&shift));
        let y = forward(&z, volume, &m, &scale, &shift);
        let sum: f64 = y.iter().zip(&dy).map(|(y, d)| f64::from(*y) * f64::from(*d)).sum();
        assert!((sum - value(&z64, &scale64, &shift64)).abs() < 1e-4);
        let (dz, dscale, dshift) = backward(&dy, &z, volume, &m, &scale, &shift);
        let check = |g: &[f32], base: &[f64], value: &dyn Fn(&[f64]) -> f64| {
            for i in 0..g.len() {
                let moved = |h: f64| {
                    let mut x = base.to_vec();
                    x[i] += h;
                    value(&x)
                };
                let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                assert!((difference - f64::from(g[i])).abs() < 2e-4, "{i}: {difference} {}", g[i]);
            }
        };
        check(&dz, &z64, &|z| value(z, &scale64, &shift64));
        check(&dscale, &scale64, &|s| value(&z64, s, &shift64));
        check(&dshift, &shift64, &|s| value(&z64, &scale64, s));
    }
}
