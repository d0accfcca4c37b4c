use super::super::arch::Layers;
use super::*;

fn arch(window: usize, layers: &str) -> Architecture {
    let layers: Layers = layers.parse().unwrap();
    Architecture::new(window, window, 0, layers.0).unwrap()
}

fn run(
    arch: &Architecture,
    parameters: &Parameters,
    codes: &[u8],
    geometry: Geometry,
    mode: Mode<'_>,
) -> Vec<f32> {
    let device = Device::flex();
    let weights = parameters.tensors(&device);
    let running = &parameters.running;
    values(forward(
        arch, &weights, running, codes, geometry, mode, &device,
    ))
}

fn bases(n: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed, &[]);
    // One in five is unknown.
    (0..n).map(|_| random.below(5) as u8).collect()
}

/// Layer by layer in f64, one window, as the layers are defined.
fn naive(arch: &Architecture, parameters: &Parameters, window: &[u8]) -> Vec<f64> {
    let mut weights = parameters.weights.iter();
    let mut rows: Vec<Vec<f64>> = (window.iter())
        .map(|&c| (0..4).map(|b| f64::from(u8::from(b == c))).collect())
        .collect();
    let mut flat: Option<Vec<f64>> = None;
    for layer in &arch.layers {
        match *layer {
            Layer::Conv { filters, width } => {
                let (w, b) = (weights.next().unwrap(), weights.next().unwrap());
                let inputs = rows[0].len();
                rows = (0..rows.len() + 1 - width)
                    .map(|p| {
                        (0..filters)
                            .map(|f| {
                                let mut sum = f64::from(b.values[f]);
                                for tap in 0..width {
                                    for (i, x) in rows[p + tap].iter().enumerate() {
                                        let at = (tap * inputs + i) * filters + f;
                                        sum += x * f64::from(w.values[at]);
                                    }
                                }
                                sum
                            })
                            .collect()
                    })
                    .collect();
            }
            Layer::Relu => match &mut flat {
                Some(flat) => flat.iter_mut().for_each(|x| *x = x.max(0.0)),
                None => rows.iter_mut().flatten().for_each(|x| *x = x.max(0.0)),
            },
            Layer::MaxPool(n) | Layer::AvgPool(n) => {
                let pool = |cell: &[Vec<f64>]| -> Vec<f64> {
                    let column = |c: usize| cell.iter().map(move |r| r[c]);
                    let channels = 0..cell[0].len();
                    match layer {
                        Layer::MaxPool(_) => channels
                            .map(|c| column(c).fold(f64::NEG_INFINITY, f64::max))
                            .collect(),
                        _ => channels
                            .map(|c| column(c).sum::<f64>() / n as f64)
                            .collect(),
                    }
                };
                rows = rows.chunks_exact(n).map(pool).collect();
            }
            Layer::Dense(_) => {
                let (w, b) = (weights.next().unwrap(), weights.next().unwrap());
                let features = flat.take().unwrap_or_else(|| rows.concat());
                let outputs = b.values.len();
                let output = |o: usize| {
                    let products = features.iter().enumerate();
                    let products = products.map(|(i, x)| x * f64::from(w.values[i * outputs + o]));
                    products.sum::<f64>() + f64::from(b.values[o])
                };
                flat = Some((0..outputs).map(output).collect());
            }
            Layer::Dropout(_) => {}
            Layer::BatchNorm => unreachable!("not in these tests"),
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
        let mut parameters = Parameters::random(&arch, 2, 7);
        // Biases, too, must be seen.
        for (i, w) in parameters.weights.iter_mut().skip(1).step_by(2).enumerate() {
            w.values.iter_mut().for_each(|b| *b = 0.1 + 0.2 * i as f32);
        }
        // Steps that divide the window and that do not, one window and several.
        for (windows, step) in [(1, 20), (4, 5), (3, 7), (5, 1)] {
            let columns = 20 + (windows - 1) * if windows == 1 { 0 } else { step };
            let codes = bases(3 * columns, 11);
            let geometry = Geometry {
                columns,
                windows,
                step,
            };
            let got = run(&arch, &parameters, &codes, geometry, Mode::Predict);
            let mut expected = Vec::new();
            for sequence in codes.chunks_exact(columns) {
                for k in 0..windows {
                    let from = k * step;
                    expected.extend(naive(&arch, &parameters, &sequence[from..from + 20]));
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
fn batch_statistics_are_those_of_valid_positions() {
    let arch = arch(12, "conv 3x3, batchnorm, dense");
    let parameters = Parameters::random(&arch, 1, 3);
    let codes = bases(2 * 12, 5);
    let geometry = Geometry {
        columns: 12,
        windows: 1,
        step: 12,
    };
    let mut statistics = Vec::new();
    let mode = Mode::Train {
        random: Random::new(0, &[]),
        statistics: &mut statistics,
    };
    run(&arch, &parameters, &codes, geometry, mode);
    let (mean, variance) = statistics.pop().unwrap();
    let (mean, variance) = (values(mean), values(variance));
    // The convolution alone, position by position, as a dense layer that copies channels.
    let w = &parameters.weights[0].values;
    for channel in 0..3 {
        let mut seen = Vec::new();
        for sequence in codes.chunks_exact(12) {
            for p in 0..10 {
                let taps = (0..3).filter(|t| sequence[p + t] < UNKNOWN);
                let value = |t: usize| w[(t * 4 + sequence[p + t] as usize) * 3 + channel];
                seen.push(f64::from(taps.map(value).sum::<f32>()));
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
    let device = Device::flex();
    let ones = matrix(vec![1.0; 40_000], [200, 200], &device);
    let dropped = values(drop_out(ones, 0.25, &mut Random::new(1, &[]), &device));
    let zeros = dropped.iter().filter(|x| **x == 0.0).count();
    // Five standard deviations.
    assert!((zeros as f64 - 10_000.0).abs() < 5.0 * (40_000.0f64 * 0.1875).sqrt());
    assert!(
        dropped
            .iter()
            .all(|x| *x == 0.0 || (*x - 4.0 / 3.0).abs() < 1e-6)
    );
}
