use super::super::arch::{Layer, Layers, Padding};
use super::*;
use crate::encode::UNKNOWN;

fn arch(window: usize, layers: &str) -> Architecture {
    let layers: Layers = layers.parse().unwrap();
    Architecture::new(window, window, 0, layers.0).unwrap()
}

fn run(
    arch: &Architecture,
    network: &Network,
    codes: &[u8],
    geometry: Geometry,
    mode: Mode,
) -> Vec<f32> {
    let pass = Pass::forward(arch, network, codes, geometry, mode).unwrap();
    pass.outputs().into_iter().collect()
}

/// Biases tell zeros that are padding from values that are none.
fn set_biases(network: &mut Network, from: f32) {
    let mut number = 0.0;
    for layer in &mut network.layers {
        if let FittedLayer::Conv { bias, .. } | FittedLayer::Dense { bias, .. } = layer {
            bias.fill(from + 0.2 * number);
            number += 1.0;
        }
    }
}

fn bases(n: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::at(seed, &[]);
    // One in five is unknown.
    (0..n).map(|_| random.index(5) as u8).collect()
}

/// Layer by layer in f64, one window, as the layers are defined.
fn naive(network: &Network, window: &[u8]) -> Vec<f64> {
    let mut rows: Vec<Vec<f64>> = (window.iter())
        .map(|&c| (0..4).map(|b| f64::from(u8::from(b == c))).collect())
        .collect();
    let mut flat: Option<Vec<f64>> = None;
    for layer in &network.layers {
        match layer {
            FittedLayer::Conv {
                weight,
                bias,
                width,
                padding,
            } => {
                let (width, filters) = (*width, bias.len());
                let inputs = rows[0].len();
                let (left, right) = match padding {
                    Padding::None => (0, 0),
                    // One more on the right where they cannot be alike.
                    Padding::Same => ((width - 1) / 2, width - 1 - (width - 1) / 2),
                };
                let zeros = |n: usize| vec![vec![0.0; inputs]; n];
                rows = [zeros(left), rows, zeros(right)].concat();
                rows = (0..rows.len() + 1 - width)
                    .map(|p| {
                        (0..filters)
                            .map(|f| {
                                let mut sum = f64::from(bias[[0, f]]);
                                for tap in 0..width {
                                    for (i, x) in rows[p + tap].iter().enumerate() {
                                        sum += x * f64::from(weight[[tap * inputs + i, f]]);
                                    }
                                }
                                sum
                            })
                            .collect()
                    })
                    .collect();
            }
            FittedLayer::Relu => match &mut flat {
                Some(flat) => flat.iter_mut().for_each(|x| *x = x.max(0.0)),
                None => rows.iter_mut().flatten().for_each(|x| *x = x.max(0.0)),
            },
            FittedLayer::MaxPool(n) | FittedLayer::AvgPool(n) => {
                let n = *n;
                let pool = |cell: &[Vec<f64>]| -> Vec<f64> {
                    let column = |c: usize| cell.iter().map(move |r| r[c]);
                    let channels = 0..cell[0].len();
                    match layer {
                        FittedLayer::MaxPool(_) => channels
                            .map(|c| column(c).fold(f64::NEG_INFINITY, f64::max))
                            .collect(),
                        _ => channels
                            .map(|c| column(c).sum::<f64>() / n as f64)
                            .collect(),
                    }
                };
                rows = rows.chunks_exact(n).map(pool).collect();
            }
            FittedLayer::Dense { weight, bias } => {
                let features = flat.take().unwrap_or_else(|| rows.concat());
                let output = |o: usize| {
                    let products = features.iter().enumerate();
                    let products = products.map(|(i, x)| x * f64::from(weight[[i, o]]));
                    products.sum::<f64>() + f64::from(bias[[0, o]])
                };
                flat = Some((0..bias.len()).map(output).collect());
            }
            FittedLayer::Dropout(_) | FittedLayer::SpatialDropout(_) => {}
            FittedLayer::BatchNorm { .. } => unreachable!("not in these tests"),
        }
    }
    flat.unwrap()
}

#[test]
fn windows_of_a_sequence_are_those_of_the_definition() {
    for layers in [
        "conv 6x3, relu, conv 5x4, relu, dense",
        "conv 6x3, conv 3x1, conv 5x2, relu, dense 7, relu, dense",
        "conv 6x3, relu, maxpool 4, dense",
        "conv 6x3, relu, avgpool 5, dense 3, relu, dense",
    ] {
        let arch = arch(20, layers);
        let mut network = Network::random(&arch, 2, 7);
        set_biases(&mut network, 0.1);
        // Steps that divide the window and that do not, one window and several.
        for (windows, step) in [(1, 20), (4, 5), (3, 7), (5, 1)] {
            let columns = 20 + (windows - 1) * if windows == 1 { 0 } else { step };
            let codes = bases(3 * columns, 11);
            let geometry = Geometry {
                columns,
                windows,
                step,
            };
            let got = run(&arch, &network, &codes, geometry, Mode::Predict);
            let mut expected = Vec::new();
            for sequence in codes.chunks_exact(columns) {
                for k in 0..windows {
                    let from = k * step;
                    expected.extend(naive(&network, &sequence[from..from + 20]));
                }
            }
            assert_eq!(got.len(), expected.len());
            for (g, e) in got.iter().zip(expected) {
                assert!((f64::from(*g) - e).abs() < 1e-5, "{layers}: {g} {e}");
            }
        }
    }
}

#[test]
fn padded_convolutions_see_zeros_beyond_the_ends() {
    for layers in [
        "conv 6x3 same, relu, conv 5x4 same, relu, dense",
        // Widths up to the input's, and both kinds.
        "conv 6x8 same, conv 3x1 same, relu, conv 5x12 same, relu, maxpool 4, dense",
        "conv 4x2 same, relu, conv 3x3, relu, conv 5x10 same, relu, conv 2x2, relu, avgpool 3, dense 7, relu, dense",
        "conv 4x3, relu, conv 3x9 same, relu, dense",
    ] {
        let layers: Layers = layers.parse().unwrap();
        // A frame wider than the window is read whole, too.
        for length in [12, 15] {
            let arch = Architecture::new(12, length, length - 12, layers.0.clone()).unwrap();
            let mut network = Network::random(&arch, 2, 7);
            set_biases(&mut network, 0.3);
            let codes = bases(5 * length, 11);
            let geometry = Geometry {
                columns: length,
                windows: 1,
                step: length,
            };
            let got = run(&arch, &network, &codes, geometry, Mode::Predict);
            let expected: Vec<f64> = (codes.chunks_exact(length))
                .flat_map(|sequence| naive(&network, sequence))
                .collect();
            assert_eq!(got.len(), expected.len());
            for (g, e) in got.iter().zip(expected) {
                assert!((f64::from(*g) - e).abs() < 1e-5, "{arch}: {g} {e}");
            }
        }
    }
}

#[test]
fn batch_statistics_are_those_of_valid_positions() {
    batch_statistics("conv 3x3, batchnorm, dense", 0);
    batch_statistics("conv 3x4 same, batchnorm, conv 2x3 same, dense", 1);
}

/// Compares the statistics behind the first convolution, which has so many zeros on the left.
fn batch_statistics(layers: &str, left: usize) {
    let arch = arch(12, layers);
    let Some(&Layer::Conv { width, padding, .. }) = arch.layers.first() else {
        unreachable!();
    };
    let positions = 12 - padding.loss(width);
    let network = Network::random(&arch, 1, 3);
    let codes = bases(2 * 12, 5);
    let geometry = Geometry {
        columns: 12,
        windows: 1,
        step: 12,
    };
    let mode = Mode::Train { seed: 0, batch: 0 };
    let mut pass = Pass::forward(&arch, &network, &codes, geometry, mode).unwrap();
    let Statistics { mean, variance } = pass.statistics.pop().unwrap();
    let (mean, variance) = (mean.row(0).to_vec(), variance.row(0).to_vec());
    // The convolution alone, position by position, as a dense layer that copies channels.
    let Some(FittedLayer::Conv { weight: w, .. }) = network.layers.first() else {
        unreachable!();
    };
    for channel in 0..3 {
        let mut seen = Vec::new();
        for sequence in codes.chunks_exact(12) {
            for p in 0..positions {
                let base = |t: usize| -> Option<usize> {
                    let code = *sequence.get((p + t).checked_sub(left)?)?;
                    (code < UNKNOWN).then_some(code as usize)
                };
                let value = |t: usize| Some(w[[t * 4 + base(t)?, channel]]);
                seen.push(f64::from((0..width).filter_map(value).sum::<f32>()));
            }
        }
        let n = seen.len() as f64;
        let m = seen.iter().sum::<f64>() / n;
        let v = seen.iter().map(|x| (x - m).powi(2)).sum::<f64>() / n;
        assert!((f64::from(mean[channel]) - m).abs() < 1e-5);
        assert!((f64::from(variance[channel]) - v).abs() < 1e-5);
    }
}

#[test]
fn dropout_keeps_the_mean_and_the_share() {
    let dropped = part::factors((200, 200), 0.25, &mut Random::at(1, &[]));
    let zeros = dropped.iter().filter(|x| **x == 0.0).count();
    // Five standard deviations.
    assert!((zeros as f64 - 10_000.0).abs() < 5.0 * (40_000.0f64 * 0.1875).sqrt());
    assert!(
        dropped
            .iter()
            .all(|x| *x == 0.0 || (*x - 4.0 / 3.0).abs() < 1e-6)
    );
}

#[test]
fn layers_in_an_order_that_no_architecture_has_are_refused() {
    let arch = arch(8, "conv 2x3, batchnorm, relu, maxpool 2, dense");
    let whole = Network::random(&arch, 1, 3);
    let geometry = Geometry {
        columns: 8,
        windows: 1,
        step: 8,
    };
    let refused = |order: &[usize]| {
        let layers = order.iter().map(|&i| whole.layers[i].clone());
        let network = Network {
            layers: layers.collect(),
        };
        let codes = bases(8, 1);
        let pass = Pass::forward(&arch, &network, &codes, geometry, Mode::Predict);
        pass.err().map(|e| e.to_string())
    };
    assert_eq!(refused(&[0, 1, 2, 3, 4]), None);
    for (order, why) in [
        (&[][..], "no dense layer"),
        (&[0, 2], "no dense layer"),
        (&[1, 0, 3, 4], "a batch normalisation"),
        (&[2, 0, 3, 4], "no convolution"),
        (&[4], "no convolution"),
        (&[3, 4], "a pool"),
        (&[0, 3, 3, 4], "a pool"),
        (&[0, 3, 0, 4], "behind a pool"),
        (&[0, 3, 1, 4], "a batch normalisation"),
    ] {
        let error = refused(order).unwrap();
        assert!(error.contains(why), "{order:?}: {error}");
    }
}

/// Half the squared outputs and their gradients, whole batch at once.
fn squares(
    arch: &Architecture,
    network: &Network,
    codes: &[u8],
    geometry: Geometry,
) -> (f64, Network) {
    let mode = Mode::Train { seed: 5, batch: 2 };
    let pass = Pass::forward(arch, network, codes, geometry, mode).unwrap();
    let outputs = pass.outputs();
    let loss = outputs.iter().map(|o| f64::from(*o).powi(2) / 2.0).sum();
    (loss, pass.backward(&outputs, 0))
}

#[test]
fn gradients_are_slopes_of_the_loss() {
    for (layers, windows, step) in [
        ("conv 6x3, relu, conv 5x4, relu, dense", 1, 20),
        ("conv 6x3, relu, conv 5x4, relu, dense", 3, 7),
        (
            "conv 6x3, conv 3x1, conv 5x2, relu, dense 7, relu, dense",
            4,
            5,
        ),
        ("conv 6x3, relu, maxpool 4, dense", 3, 5),
        (
            "conv 6x3, relu, avgpool 5, dropout 0.3, dense 3, relu, dense",
            2,
            6,
        ),
        (
            "conv 4x3, relu, batchnorm, conv 3x2, batchnorm, relu, dense",
            1,
            20,
        ),
        (
            "conv 4x3 same, relu, conv 3x6 same, batchnorm, relu, dropout 0.2, maxpool 3, dense",
            1,
            20,
        ),
        (
            "conv 6x3, relu, spatialdropout 0.3, conv 5x4, relu, dense smooth 4",
            3,
            4,
        ),
        (
            "both conv 6x3, relu, spatialdropout 0.3, conv 5x4, relu, dense 3 smooth 4, relu, dense",
            3,
            4,
        ),
        ("both conv 4x3, batchnorm, relu, dense smooth 5", 1, 20),
    ] {
        let arch = match layers.strip_prefix("both ") {
            Some(layers) => arch(20, layers).on_both_strands().unwrap(),
            None => arch(20, layers),
        };
        let mut network = Network::random(&arch, 2, 7);
        set_biases(&mut network, 0.1);
        let columns = 20 + (windows - 1) * if windows == 1 { 0 } else { step };
        // Several parts.
        let codes = bases((2 * PART / columns + 3) * columns, 11);
        let geometry = Geometry {
            columns,
            windows,
            step,
        };
        let (_, gradients) = squares(&arch, &network, &codes, geometry);
        let places = network.layers.iter().map(|l| match l.learned() {
            Some(both) => both.map(Array2::len).to_vec(),
            None => Vec::new(),
        });
        for (layer, lengths) in places.enumerate().collect::<Vec<_>>() {
            for (which, length) in lengths.into_iter().enumerate() {
                for at in [0, length / 3, length - 1] {
                    let moved = |by: f32| {
                        let mut network = network.clone();
                        let matrix = network.layers[layer].learned_mut().unwrap();
                        let value = matrix[which].iter_mut().nth(at).unwrap();
                        *value += by;
                        squares(&arch, &network, &codes, geometry).0
                    };
                    let step = 1e-3;
                    let slope = (moved(step) - moved(-step)) / f64::from(2.0 * step);
                    let both = gradients.layers[layer].learned().unwrap();
                    let gradient = f64::from(*both[which].iter().nth(at).unwrap());
                    // A ReLU or a maximum may turn within the step.
                    let most = 0.02 * slope.abs().max(gradient.abs()).max(1.0);
                    assert!(
                        (slope - gradient).abs() < most,
                        "{layers}, {windows} window(s), layer {layer}, {which}, {at}: {slope} {gradient}"
                    );
                }
            }
        }
    }
}

#[test]
fn frozen_layers_have_no_gradient_and_the_rest_the_same() {
    let arch = arch(20, "conv 6x3, relu, conv 5x4, relu, dense");
    let network = Network::random(&arch, 2, 7);
    let codes = bases(40 * 20, 3);
    let geometry = Geometry {
        columns: 20,
        windows: 1,
        step: 20,
    };
    let gradients = |first: usize| {
        let mode = Mode::Train { seed: 5, batch: 2 };
        let pass = Pass::forward(&arch, &network, &codes, geometry, mode).unwrap();
        let outputs = pass.outputs();
        pass.backward(&outputs, first)
    };
    let (whole, part) = (gradients(0), gradients(2));
    assert_eq!(whole.layers[2..], part.layers[2..]);
    assert!(part.layers[..2].iter().all(|l| {
        let learned = l.learned().into_iter().flatten();
        learned.flatten().all(|v| *v == 0.0)
    }));
}
