//! A run that was stopped and resumed ends where one that was not does, to the bit; so does the same command given twice; and another
//! run can start from a checkpoint.

use std::path::{Path, PathBuf};
use strangelet::codec::{Codec, Shape};
use strangelet::codecs::bcae_vs::{self, Form, Plan};
use strangelet::column::{Cells, Scalar};
use strangelet::format::bundle::Model;
use strangelet_train::bcae::Design;
use strangelet_train::fit::{self, Task};

/// A frame with pulses, as a `.npy`.
fn write(path: &Path, seed: usize) {
    let shape = [16, 24, 16];
    let mut cells = vec![0u16; 16 * 24 * 16];
    for t in 0..10 {
        for l in 0..16 {
            let (a, b) = ((t * 3 + seed + l * (t % 3) / 2) % 16, (t * 5 + seed * 7 + l) % 19);
            for (k, adc) in [84, 150, 230, 130, 75].iter().enumerate() {
                cells[(a * 24 + b + k) * 16 + l] = adc + t as u16;
            }
        }
    }
    let header = format!(
        "{{'descr': '<u2', 'fortran_order': False, 'shape': ({}, {}, {}), }}\n",
        shape[0], shape[1], shape[2]
    );
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(cells.iter().flat_map(|c| c.to_le_bytes()));
    std::fs::write(path, bytes).unwrap();
}

fn task(data: &Path, out: PathBuf, until: u64, resume: bool) -> Task {
    Task {
        design: Design { encoder: vec![(2, 1), (2, 2)], decoder: vec![4, 2], keep: 0.1 },
        data: vec![data.to_path_buf()],
        check: vec![data.to_path_buf()],
        out,
        crop: [8, 12, 16],
        batch: 2,
        rate: 1e-2,
        weight: 2000.0,
        encoder_rate: 0.2,
        ease: 0.3,
        steps: 240,
        until,
        minutes: None,
        soft: 0.7,
        seed: 5,
        resume,
        start: None,
        encoder: None,
    }
}

fn numbers(out: &Path) -> Vec<f32> {
    let model = Model::from_bytes(&std::fs::read(out.join("checkpoint.bundle")).unwrap()).unwrap();
    model.tensors.into_iter().flat_map(|t| t.data).collect()
}

#[test]
fn a_run_can_be_stopped() {
    let place = std::env::temp_dir().join(format!("strangelet-train-{}", std::process::id()));
    let data = place.join("data");
    std::fs::create_dir_all(&data).unwrap();
    (0..3).for_each(|n| write(&data.join(format!("{n}.npy")), n));
    let [one, two, three, four] = ["one", "two", "three", "four"].map(|name| place.join(name));
    let mut lines = Vec::new();
    assert_eq!(fit::run(&task(&data, one.clone(), 240, false), |l| lines.push(l)).unwrap(), 240);
    assert!(numbers(&one).iter().all(|x| x.is_finite()));
    assert!(lines.last().unwrap().contains("precision"), "{lines:?}");
    let same = |other: &Path| {
        for file in ["checkpoint.bundle", "bcae_vs.bundle"] {
            let [a, b] = [&one, other].map(|run| std::fs::read(run.join(file)).unwrap());
            assert!(a == b, "{}: {file} differs", other.display());
        }
    };
    // frames go there and back by it, though its layers are not the authors'
    let bundle = std::fs::read(one.join("bcae_vs.bundle")).unwrap();
    for form in [Form::Plain, Form::Coded { levels: 16 }] {
        let frame = strangelet_train::frames::read(&data.join("0.npy")).unwrap().remove(0);
        let plan = Plan { frame: frame.shape, form, seed: 3, bundle: Some(&bundle) };
        let made = bcae_vs::reduce(&plan, &frame.cells).unwrap();
        let shape = Shape { scalar: Scalar::U16, count: frame.cells.len() };
        assert_eq!(bcae_vs::BcaeVs.decode(&made.payload, shape, &[]).unwrap(), Cells::W2(made.cells));
    }
    // stopped in the middle of a period, after the gate has become hard
    assert_eq!(fit::run(&task(&data, two.clone(), 170, false), |_| ()).unwrap(), 170);
    assert_eq!(fit::run(&task(&data, two.clone(), 240, true), |_| ()).unwrap(), 240);
    same(&two);
    assert_eq!(fit::run(&task(&data, three.clone(), 240, false), |_| ()).unwrap(), 240);
    same(&three);
    // towards another share of hits: not the same run, but it may start where that one ended
    let mut other = task(&data, four.clone(), 5, false);
    (other.design.keep, other.start) = (0.05, Some(one.join("checkpoint.bundle")));
    assert_eq!(fit::run(&other, |_| ()).unwrap(), 5);
    let (a, b) = (numbers(&one), numbers(&four));
    let far = a.iter().zip(&b).take(200).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(far > 0.0 && far < 0.05, "{far}");
    other.out = one;
    other.resume = true;
    assert!(fit::run(&other, |_| ()).is_err());
    std::fs::remove_dir_all(place).unwrap();
}
