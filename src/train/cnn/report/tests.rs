use std::fs;
use std::path::Path;

use ndarray::{Array3, s};

use super::*;
use crate::stats::Random;
use crate::train::cnn::{Architecture, FitConfig, FittedLayer, Layers, Schedule, to_onnx};
use crate::train::{Examples, Scaling};

const TASKS: usize = 2;

/// Inputs of a region's 20 columns: 8 bases of each lie somewhere else, the rest is unknown; all on
/// the test side. Without a frame, the 8 bases alone.
fn examples(frames: bool) -> Examples {
    let mut random = Random::at(2, &[]);
    let n = 12;
    let columns = if frames { 20 } else { 8 };
    let mut codes = vec![4; n * columns];
    for (i, row) in codes.chunks_exact_mut(columns).enumerate() {
        let from = i % (columns - 7);
        row[from..from + 8].fill_with(|| random.index(4) as u8);
    }
    Examples {
        tasks: vec!["a".into(), "b".into()],
        columns,
        windows: 1,
        step: columns,
        reading: crate::train::Reading::Windows,
        objective: crate::train::Objective::Values,
        codes,
        labels: Array3::from_elem((n, 1, TASKS), 0.5),
        reversed: None,
        weights: vec![1.0; n],
        sides: vec![Split::Test; n],
        parent: vec![None; n],
        shift: 0,
    }
}

/// Exports `written` and checks it against `trained`, both of the given architectures.
fn checked(
    examples: &Examples,
    trained: (&Architecture, &Network),
    written: (&Architecture, &Network),
) -> Result<Tested, Error> {
    let scaling = Scaling {
        mean: vec![3.0, -1.0],
        scale: vec![2.0, 0.5],
    };
    let config = FitConfig {
        epochs: 1,
        batch: 1,
        rate: 1e-3,
        schedule: Schedule::Constant,
        patience: 1,
        seed: 1,
        reverse_complements: false,
        pair_weight: 0.0,
        frozen: 0,
        weight_decay: 0.0,
        clip: None,
        average: None,
        stopping: Vec::new(),
    };
    let fit = Fit {
        arch: trained.0,
        examples,
        scaling: &scaling,
        heads: 0..examples.tasks.len(),
        config: &config,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let bytes = to_onnx(written.0, written.1, &scaling, &examples.tasks, "");
    fs::write(&path, bytes).unwrap();
    check(
        &fit,
        trained.1,
        Path::new(&path),
        &Runtime::load(None).unwrap(),
    )
}

fn arch(offset: usize) -> Architecture {
    let layers: Layers = "conv 5x3, relu, conv 4x4 same, relu, dense"
        .parse()
        .unwrap();
    Architecture::new(8, 20, offset, layers.0).unwrap()
}

#[test]
fn frames_of_the_data_are_compared_as_the_network_sees_them() {
    let arch = arch(6);
    let right = Network::random(&arch, TASKS, 4);
    for frames in [true, false] {
        let examples = examples(frames);
        let tested = checked(&examples, (&arch, &right), (&arch, &right)).unwrap();
        assert_eq!(tested.rows(), 12);
        assert!(tested.largest < TOLERANCE, "{}", tested.largest);
        assert_eq!(tested.inputs, if frames { "columns" } else { "windows" });
    }
    // Weights of the first positions only: no window at column 6 alone would tell. (Dense rows are
    // position by position, four channels each.)
    let mut wrong = right.clone();
    let Some(FittedLayer::Dense { weight, .. }) = wrong.layers.last_mut() else {
        panic!("the last layer is dense");
    };
    weight.slice_mut(s![..2 * 4, ..]).mapv_inplace(|v| v + 0.1);
    let error = checked(&examples(true), (&arch, &right), (&arch, &wrong)).unwrap_err();
    assert!(
        matches!(error, Error::Train(TrainError::Export { .. })),
        "{error}"
    );
}

#[test]
fn wrong_weights_pads_and_frames_are_caught() {
    let arch = arch(6);
    let right = Network::random(&arch, TASKS, 4);
    let mut wrong = right.clone();
    let FittedLayer::Conv { bias, .. } = &mut wrong.layers[0] else {
        panic!("the first layer is a convolution");
    };
    bias[[0, 0]] += 0.01;
    for frames in [true, false] {
        let error = checked(&examples(frames), (&arch, &right), (&arch, &wrong)).unwrap_err();
        assert!(
            matches!(error, Error::Train(TrainError::Export { .. })),
            "{error}"
        );
        // A file that says another place of the window.
        let other = self::arch(7);
        let error = checked(&examples(frames), (&arch, &right), (&other, &right)).unwrap_err();
        assert!(error.to_string().contains("windows do not fit"), "{error}");
    }
    // The even width's zeros on the wrong side: the same weights, one tap further.
    let mut shifted = right.clone();
    let FittedLayer::Conv { weight, .. } = &mut shifted.layers[2] else {
        panic!("the third layer is a convolution");
    };
    let (filters, inputs) = (4, 5);
    let taps = weight.as_slice_mut().unwrap();
    taps.rotate_right(filters * inputs);
    let error = checked(&examples(true), (&arch, &right), (&arch, &shifted)).unwrap_err();
    assert!(
        matches!(error, Error::Train(TrainError::Export { .. })),
        "{error}"
    );
}
