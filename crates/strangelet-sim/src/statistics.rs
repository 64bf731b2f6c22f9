//! What a wedge looks like in numbers: values, runs, pulses, neighbours. Each number is a sum over a count, so that
//! wedges add up.

/// A wedge: azimuth x beam x layer.
#[derive(Debug, Clone)]
pub struct Array {
    /// Pads of a layer.
    pub pads: usize,
    /// Time bins.
    pub bins: usize,
    /// Layers.
    pub layers: usize,
    /// Samples, layers fastest.
    pub adc: Vec<u16>,
}

impl Array {
    /// The sample of a voxel; 0 outside.
    fn at(&self, layer: usize, pad: usize, bin: usize) -> u16 {
        if pad >= self.pads || bin >= self.bins || layer >= self.layers {
            return 0;
        }
        self.adc.get((pad * self.bins + bin) * self.layers + layer).copied().unwrap_or(0)
    }

    /// The samples of a pad in time.
    fn pad(&self, layer: usize, pad: usize) -> Vec<u16> {
        (0..self.bins).map(|t| self.at(layer, pad, t)).collect()
    }
}

/// One number: a sum over a count.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// What it belongs to.
    pub group: &'static str,
    /// Which of the group.
    pub label: String,
    /// Sum.
    pub sum: f64,
    /// Over how many.
    pub count: f64,
}

impl Number {
    /// The number.
    pub fn value(&self) -> f64 {
        if self.count > 0.0 { self.sum / self.count } else { 0.0 }
    }

    /// Standard error of a share, as if its cases were independent (they come in clusters of some tens).
    pub fn error(&self) -> f64 {
        let p = self.value();
        if self.count > 0.0 && (0.0..=1.0).contains(&p) { (p * (1.0 - p) / self.count).sqrt() } else { 0.0 }
    }
}

/// Groups, in the order of the report.
pub const SPECTRUM: &str = "log2(ADC+1), share of hits";
/// Lengths of runs.
pub const RUNS: &str = "length of a run, share of runs";
/// First samples.
pub const FIRST: &str = "first sample of a run of 5, share";
/// Pulse shape.
pub const PULSE: &str = "mean sample k of a run of 5, ADC over pedestal";
/// Pulse shape, by the first sample.
pub const PULSE_GIVEN: &str = "the same where the first is 83-87";
/// Spread around it.
pub const PULSE_SPREAD: &str = "mean square of sample k around that of PULSE, ADC^2";
/// Where the maximum is.
pub const PEAK: &str = "largest sample of a run of 5 at k, share";
/// Runs on the next pad.
pub const STARTS: &str = "a run on the next pad begins at dt, share of runs";
/// Widths.
pub const WIDTH: &str = "adjacent pads hit in one bin, share of groups";
/// Neighbours.
pub const NEIGHBOURS: &str = "neighbours of a hit, share";
/// Values beside each other.
pub const BESIDE: &str = "sample on the next pad given this one, mean ADC over pedestal";
/// Occupancy along the drift.
pub const DRIFT: &str = "occupancy by drift bins / 25";
/// Occupancy by layer.
pub const LAYER: &str = "occupancy by layer";

/// Groups of which the shape is compared, not the size: they follow the wedge's own occupancy.
pub const FREE: [&str; 2] = [DRIFT, LAYER];

/// Pedestal as it shows in whole numbers (74.47, cut down to whole numbers).
const PEDESTAL: f64 = 73.97;

/// First edges of a share table; the last bin is open.
const FIRSTS: [u16; 12] = [78, 79, 80, 81, 82, 84, 86, 88, 91, 95, 100, 110];
const GIVEN: [u16; 8] = [70, 76, 80, 85, 95, 110, 150, 300];

/// All numbers of a wedge, always the same ones in the same order.
pub fn numbers(a: &Array) -> Vec<Number> {
    let mut out = Vec::new();
    let hits: Vec<u16> = a.adc.iter().copied().filter(|v| *v > 0).collect();
    let n = hits.len() as f64;
    let mut spectrum = [0.0; 41];
    for &v in &hits {
        let k = ((v as f64 + 1.0).log2() * 10.0 - 60.0 + 1e-9).floor();
        spectrum[k.clamp(0.0, 40.0) as usize] += 1.0;
    }
    for (k, &sum) in spectrum.iter().enumerate().skip(1).take(39) {
        out.push(Number { group: SPECTRUM, label: format!("{:.1}", 6.0 + k as f64 / 10.0), sum, count: n });
    }
    let sum = hits.iter().filter(|v| **v >= 1023).count() as f64;
    out.push(Number { group: SPECTRUM, label: "1023".into(), sum, count: n });
    runs(a, &mut out);
    neighbours(a, &mut out);
    profiles(a, &mut out);
    out
}

struct Run {
    layer: usize,
    pad: usize,
    start: usize,
    samples: Vec<u16>,
}

fn all_runs(a: &Array) -> Vec<Run> {
    let mut out = Vec::new();
    for layer in 0..a.layers {
        for pad in 0..a.pads {
            let row = a.pad(layer, pad);
            let mut start = 0;
            for part in row.split(|v| *v == 0) {
                if !part.is_empty() {
                    out.push(Run { layer, pad, start, samples: part.to_vec() });
                }
                start += part.len() + 1;
            }
        }
    }
    out
}

fn runs(a: &Array, out: &mut Vec<Number>) {
    let runs = all_runs(a);
    let n = runs.len() as f64;
    let share = |test: &dyn Fn(&Run) -> bool, of: f64, group, label: &str, out: &mut Vec<Number>| {
        let sum = runs.iter().filter(|r| test(r)).count() as f64;
        out.push(Number { group, label: label.into(), sum, count: of });
    };
    for length in [5, 10, 15, 20, 25, 30] {
        share(&|r| r.samples.len() == length, n, RUNS, &length.to_string(), out);
    }
    share(&|r| r.samples.len() > 30 && r.samples.len() % 5 == 0, n, RUNS, "35, 40 ...", out);
    // Cut by the end of the window; cut by the acceptance, or anything else.
    let last = |r: &Run| r.start + r.samples.len() == a.bins;
    share(&|r| r.samples.len() % 5 != 0 && last(r), n, RUNS, "other, at the end", out);
    share(&|r| r.samples.len() % 5 != 0 && !last(r), n, RUNS, "other, elsewhere", out);
    let five: Vec<&Run> = runs.iter().filter(|r| r.samples.len() == 5).collect();
    let m = five.len() as f64;
    for (k, &low) in FIRSTS.iter().enumerate() {
        let high = FIRSTS.get(k + 1).copied().unwrap_or(u16::MAX);
        let sum = five.iter().filter(|r| (low..high).contains(&r.samples[0])).count() as f64;
        let label = if high == low + 1 {
            low.to_string()
        } else if high == u16::MAX {
            format!("{low}-")
        } else {
            format!("{low}-{}", high - 1)
        };
        out.push(Number { group: FIRST, label, sum, count: m });
    }
    let given: Vec<&&Run> = five.iter().filter(|r| (83..88).contains(&r.samples[0])).collect();
    for k in 0..5 {
        let sum = five.iter().map(|r| r.samples[k] as f64 - PEDESTAL).sum();
        out.push(Number { group: PULSE, label: (k + 1).to_string(), sum, count: m });
    }
    for k in 0..5 {
        let sum = given.iter().map(|r| r.samples[k] as f64 - PEDESTAL).sum();
        out.push(Number { group: PULSE_GIVEN, label: (k + 1).to_string(), sum, count: given.len() as f64 });
    }
    for k in 0..5 {
        // Runs of more than 150 ADC say more about rare particles than about pulses.
        let small = || five.iter().filter(|r| r.samples.iter().all(|v| *v < 224));
        let count = small().count() as f64;
        let mean = small().map(|r| r.samples[k] as f64).sum::<f64>() / count.max(1.0);
        let sum = small().map(|r| (r.samples[k] as f64 - mean).powi(2)).sum();
        out.push(Number { group: PULSE_SPREAD, label: (k + 1).to_string(), sum, count });
    }
    let peak = |r: &Run| {
        let most = r.samples.iter().max().copied();
        r.samples.iter().position(|v| Some(*v) == most)
    };
    for k in 0..5 {
        let sum = five.iter().filter(|r| peak(r) == Some(k)).count() as f64;
        out.push(Number { group: PEAK, label: (k + 1).to_string(), sum, count: m });
    }
    // Runs on the next pad, by the difference of their starts.
    let mut starts = vec![false; a.layers * a.pads * a.bins];
    let place = |layer: usize, pad: usize, bin: usize| (layer * a.pads + pad) * a.bins + bin;
    runs.iter().for_each(|r| starts[place(r.layer, r.pad, r.start)] = true);
    for dt in -3i64..=3 {
        let (mut sum, mut count) = (0.0, 0.0);
        for r in runs.iter().filter(|r| r.pad + 1 < a.pads) {
            let t = r.start as i64 + dt;
            if (0..a.bins as i64).contains(&t) {
                count += 1.0;
                sum += starts[place(r.layer, r.pad + 1, t as usize)] as u8 as f64;
            }
        }
        out.push(Number { group: STARTS, label: format!("{dt:+}"), sum, count });
    }
}

fn neighbours(a: &Array, out: &mut Vec<Number>) {
    const WIDEST: usize = 12;
    let mut widths = [0.0; WIDEST + 1];
    let (mut groups, mut pads) = (0.0, 0.0);
    for layer in 0..a.layers {
        for t in 0..a.bins {
            let mut width = 0;
            for p in 0..=a.pads {
                if a.at(layer, p, t) > 0 {
                    width += 1;
                } else if width > 0 {
                    widths[width.min(WIDEST)] += 1.0;
                    groups += 1.0;
                    pads += width as f64;
                    width = 0;
                }
            }
        }
    }
    for (width, &sum) in widths.iter().enumerate().skip(1) {
        let label = if width == WIDEST { format!("{width}-") } else { width.to_string() };
        out.push(Number { group: WIDTH, label, sum, count: groups });
    }
    out.push(Number { group: WIDTH, label: "mean".into(), sum: pads, count: groups });

    let hit = |layer: usize, pad: i64, bin: i64| {
        pad >= 0 && bin >= 0 && a.at(layer, pad as usize, bin as usize) > 0
    };
    let mut found = [[0.0; 2]; 4];
    let mut beside = [[0.0; 2]; GIVEN.len()];
    for layer in 0..a.layers {
        for p in 0..a.pads as i64 {
            for t in 0..a.bins as i64 {
                let v = a.at(layer, p as usize, t as usize);
                if v == 0 {
                    continue;
                }
                let mut count = |k: usize, yes: bool| {
                    found[k][0] += yes as u8 as f64;
                    found[k][1] += 1.0;
                };
                if p + 1 < a.pads as i64 {
                    count(0, hit(layer, p + 1, t));
                }
                if p + 3 < a.pads as i64 {
                    count(1, hit(layer, p + 3, t));
                }
                if layer + 1 < a.layers {
                    count(2, hit(layer + 1, p, t));
                    let near = (-4..=4).any(|dp| (-4..=4).any(|dt| hit(layer + 1, p + dp, t + dt)));
                    count(3, near);
                }
                let next = a.at(layer, p as usize + 1, t as usize);
                if next > 0 {
                    let k = GIVEN.iter().rposition(|g| v >= *g).unwrap_or(0);
                    beside[k][0] += next as f64 - PEDESTAL;
                    beside[k][1] += 1.0;
                }
            }
        }
    }
    let names = ["next pad", "third pad on", "next layer", "next layer, within 4 pads and 4 bins"];
    for (name, [sum, count]) in names.iter().zip(found) {
        out.push(Number { group: NEIGHBOURS, label: name.to_string(), sum, count });
    }
    for (k, [sum, count]) in beside.into_iter().enumerate() {
        let high = GIVEN.get(k + 1).map_or("".into(), |g| (g - 1).to_string());
        out.push(Number { group: BESIDE, label: format!("{}-{high}", GIVEN[k]), sum, count });
    }
}

fn profiles(a: &Array, out: &mut Vec<Number>) {
    const PARTS: usize = 10;
    let (mut drift, mut layer) = ([[0.0; 2]; PARTS], vec![[0.0; 2]; a.layers]);
    for (i, &v) in a.adc.iter().enumerate() {
        let (l, t) = (i % a.layers.max(1), i / a.layers.max(1) % a.bins.max(1));
        let yes = (v > 0) as u8 as f64;
        let part = (t * PARTS / a.bins.max(1)).min(PARTS - 1);
        drift[part] = [drift[part][0] + yes, drift[part][1] + 1.0];
        layer[l] = [layer[l][0] + yes, layer[l][1] + 1.0];
    }
    for (k, [sum, count]) in drift.into_iter().enumerate() {
        out.push(Number { group: DRIFT, label: k.to_string(), sum, count });
    }
    for (k, [sum, count]) in layer.into_iter().enumerate() {
        out.push(Number { group: LAYER, label: k.to_string(), sum, count });
    }
}

/// Adds the numbers of another wedge.
pub fn add(total: &mut Vec<Number>, other: &[Number]) {
    if total.is_empty() {
        total.extend_from_slice(other);
        return;
    }
    for (t, o) in total.iter_mut().zip(other) {
        t.sum += o.sum;
        t.count += o.count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_neighbours_are_counted() {
        let mut a = Array { pads: 4, bins: 20, layers: 1, adc: vec![0; 80] };
        for (p, t, v) in [(0, 3, 84), (0, 4, 95), (0, 5, 90), (0, 6, 76), (0, 7, 74), (1, 4, 80), (1, 19, 90)]
        {
            a.adc[p * 20 + t] = v;
        }
        let numbers = numbers(&a);
        let get = |group: &str, label: &str| {
            numbers.iter().find(|n| n.group == group && n.label == label).map(Number::value).unwrap()
        };
        assert!((get(RUNS, "5") - 1.0 / 3.0).abs() < 1e-12);
        assert!((get(RUNS, "other, at the end") - 1.0 / 3.0).abs() < 1e-12);
        assert!((get(PULSE, "2") - (95.0 - PEDESTAL)).abs() < 1e-12);
        assert_eq!(get(PEAK, "2"), 1.0);
        // Three runs, two of them not at the end; one of these has a run one bin later on the next pad.
        assert!((get(STARTS, "+1") - 1.0 / 2.0).abs() < 1e-12);
        // Six groups of hit pads: one of two, five of one.
        assert!((get(WIDTH, "mean") - 7.0 / 6.0).abs() < 1e-12);
        assert!((get(NEIGHBOURS, "next pad") - 1.0 / 7.0).abs() < 1e-12);
    }
}
