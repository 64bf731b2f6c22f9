//! What needs no model of hits: general compressors, and what the readout chips send.

use super::record::{Family, Figure, Times};
use super::sets::Set;
use crate::bench::clock::Clock;
use crate::bench::measure::best;
use crate::bench::rivals;
use strangelet::error::{Result, corruption};

/// A general compressor on the npy file.
pub fn general(set: &Set, name: &str, clock: Clock) -> Result<Figure> {
    let rival = rivals::by_name(name).ok_or_else(|| corruption(format!("no rival {name}")))?;
    let (packed, encode_s) = best(clock, || {
        let mut packed = Vec::new();
        rival.compress(&mut &set.npy[..], set.npy.len() as u64, &mut packed)?;
        Ok(packed)
    })?;
    let (back, decode_s) = best(clock, || {
        let mut back = Vec::with_capacity(set.npy.len());
        rival.decompress(&mut &packed[..], &mut back)?;
        Ok(back)
    })?;
    if back != set.npy {
        return Err(corruption(format!("{name} gave other bytes back")));
    }
    let mut figure = Figure::exact(name, Family::General, 8.0 * packed.len() as f64);
    figure.times = Some(Times { encode_s, decode_s, fixed_s: None });
    figure.timed = "the library's call on the whole file";
    figure.about = rival.about();
    Ok(figure)
}

/// Bits of the header of a channel.
const CHANNEL: u64 = 50;
/// Bits of the length and the first bin of a run.
const RUN: u64 = 20;
/// Bits of a sample.
const SAMPLE: u64 = 10;

/// The zero-suppressed payload in the layout of SAMPA chips.
pub fn zero_suppressed(set: &Set) -> Figure {
    let (channels, runs, hits) = count(&set.adc, set.frame);
    let bits = CHANNEL * channels + RUN * runs + SAMPLE * hits;
    let mut figure = Figure::exact("zero-suppressed", Family::Reference, bits as f64);
    figure.about = format!(
        "counted, not written: {CHANNEL} bits a channel (pad and layer) with hits, for each run of hits along the drift a length and a \
         first bin of 10 bits each, samples of {SAMPLE} bits"
    );
    figure
}

/// Channels with hits, runs, hits.
fn count(adc: &[u16], [_, bins, layers]: [usize; 3]) -> (u64, u64, u64) {
    let (mut channels, mut runs, mut hits) = (0, 0, 0);
    for pad in adc.chunks_exact(bins * layers) {
        for layer in 0..layers {
            let (mut any, mut before) = (false, false);
            for bin in 0..bins {
                let hit = pad[bin * layers + layer] > 0;
                runs += u64::from(hit && !before);
                hits += u64::from(hit);
                any |= hit;
                before = hit;
            }
            channels += u64::from(any);
        }
    }
    (channels, runs, hits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_runs_and_hits_are_counted() {
        // Two pads, five bins, two layers: runs of 2 and 1 in one channel, one of 5 in another.
        let mut adc = vec![0u16; 20];
        let mut set = |pad: usize, bin: usize, layer: usize| adc[(pad * 5 + bin) * 2 + layer] = 80;
        [0, 1, 4].into_iter().for_each(|b| set(0, b, 1));
        (0..5).for_each(|b| set(1, b, 0));
        assert_eq!(count(&adc, [2, 5, 2]), (2, 3, 8));
        let set = Set::from_frames("a".into(), None, [2, 5, 2], adc);
        assert_eq!(zero_suppressed(&set).bits, (2 * 50 + 3 * 20 + 8 * 10) as f64);
    }
}
