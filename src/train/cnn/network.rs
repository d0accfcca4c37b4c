//! The network as burn tensors.
//!
//! All sequences of a batch stand one behind the other on one axis of rows, `stride` rows each, so
//! that a convolution is a sum of matrix products of shifted rows: no window is copied. Rows whose
//! field reaches into the next sequence hold nothing of use and are never read.
//!
//! A sequence may be longer than a window: then it holds several windows, `step` bases apart, that
//! share all convolutions. That is exact, as long as nothing is padded; sequences of padded networks
//! hold one window each, and stand so far apart that the zeros of one are between it and the next.

use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::arch::{Architecture, Layer};
use crate::encode::UNKNOWN;
use crate::train::Random;

/// Added to a variance before its root is taken.
pub(super) const BN_EPSILON: f64 = 1e-3;
/// Share of a batch's statistics in the running ones.
const BN_MOMENTUM: f32 = 0.1;

/// A matrix of weights; biases and scales have one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Row-major.
    pub values: Vec<f32>,
}

/// Running mean and variance of a batch normalisation, by channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Means.
    pub mean: Vec<f32>,
    /// Variances.
    pub variance: Vec<f32>,
}

/// What a network has learned. Two matrices a layer with weights, in layer order:
///
/// - convolution: `[width * inputs, filters]`, rows tap by tap; bias;
/// - batch normalisation: scale; shift;
/// - dense: `[inputs, outputs]`, the first one's inputs `[positions, channels]`; bias.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// The matrices.
    pub weights: Vec<Weights>,
    /// One a batch normalisation.
    pub running: Vec<Running>,
}

impl Parameters {
    /// Random weights (He et al. 2015: variance 2 / inputs; 1 / inputs where no ReLU follows), zero
    /// biases. Of the first convolution's inputs only one in four is set.
    pub fn random(arch: &Architecture, tasks: usize, seed: u64) -> Self {
        let mut random = Random::new(seed, &[0x1417]);
        let mut out = Self {
            weights: Vec::new(),
            running: Vec::new(),
        };
        let (mut channels, mut positions, mut flat) = (4, arch.length, false);
        for (i, layer) in arch.layers.iter().enumerate() {
            let rectified = arch.layers[i + 1..]
                .iter()
                .find(|l| !matches!(l, Layer::BatchNorm | Layer::Dropout(_)))
                == Some(&Layer::Relu);
            let gain = if rectified { 2.0 } else { 1.0 };
            let mut push = |rows: usize, columns: usize, set: usize| {
                let deviation = (gain / set as f64).sqrt();
                let values = (0..rows * columns).map(|_| (deviation * random.normal()) as f32);
                out.weights.push(Weights {
                    shape: [rows, columns],
                    values: values.collect(),
                });
                out.weights.push(Weights {
                    shape: [1, columns],
                    values: vec![0.0; columns],
                });
            };
            match *layer {
                Layer::Conv {
                    filters,
                    width,
                    padding,
                } => {
                    let inputs = width * channels;
                    push(inputs, filters, if i == 0 { width } else { inputs });
                    channels = filters;
                    positions -= padding.loss(width);
                }
                Layer::MaxPool(size) | Layer::AvgPool(size) => positions /= size,
                Layer::Dense(outputs) => {
                    let inputs = if flat { channels } else { channels * positions };
                    let outputs = outputs.unwrap_or(tasks);
                    push(inputs, outputs, inputs);
                    channels = outputs;
                    flat = true;
                }
                Layer::BatchNorm => {
                    for value in [1.0, 0.0] {
                        out.weights.push(Weights {
                            shape: [1, channels],
                            values: vec![value; channels],
                        });
                    }
                    out.running.push(Running {
                        mean: vec![0.0; channels],
                        variance: vec![1.0; channels],
                    });
                }
                Layer::Relu | Layer::Dropout(_) => {}
            }
        }
        out
    }

    /// Number of trained values.
    pub fn count(&self) -> usize {
        self.weights.iter().map(|w| w.values.len()).sum()
    }

    /// The matrices as tensors.
    pub fn tensors(&self, device: &Device) -> Vec<Tensor<2>> {
        let tensor = |w: &Weights| matrix(w.values.clone(), w.shape, device);
        self.weights.iter().map(tensor).collect()
    }
}

/// A matrix of floats on a device.
pub(super) fn matrix(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Where windows lie in the sequences of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Columns of a sequence.
    pub columns: usize,
    /// Windows of it.
    pub windows: usize,
    /// Bases from one window's start to the next's.
    pub step: usize,
}

/// Whether a pass is for learning.
pub(super) enum Mode<'a> {
    /// Dropout off, batch normalisation by its running statistics.
    Predict,
    /// Dropout on, batch normalisation by the batch, whose statistics are added here.
    Train {
        random: Random,
        statistics: &'a mut Vec<(Tensor<2>, Tensor<2>)>,
    },
}

/// A pass over `codes`, `[batch, geometry.columns]`: the outputs, `[batch * windows, tasks]`. Several
/// windows a sequence only where [`Architecture::shares_convolutions`].
pub(super) fn forward(
    arch: &Architecture,
    weights: &[Tensor<2>],
    running: &[Running],
    codes: &[u8],
    geometry: Geometry,
    mut mode: Mode<'_>,
    device: &Device,
) -> Tensor<2> {
    let Geometry {
        columns,
        windows,
        step,
    } = geometry;
    let batch = codes.len() / columns;
    let gap = arch.widest_padding();
    debug_assert!(windows == 1 || gap == 0);
    // Windows are cut out of the rows in groups of `group` positions.
    let group = if windows == 1 { columns + gap } else { step };
    let stride = columns.div_ceil(group) * group;
    let mut rows = batch * stride + arch.reach();
    let mut layers = arch.layers.iter().peekable();
    let mut weights = weights.iter();
    // Two matrices stand behind every layer that has any; running out is impossible.
    let mut pair = || (weights.next().cloned(), weights.next().cloned());

    let mut positions = arch.length;
    let mut known = columns;
    let Some(&Layer::Conv { width, padding, .. }) = layers.next() else {
        unreachable!("an architecture begins with a convolution");
    };
    rows -= padding.loss(width);
    positions -= padding.loss(width);
    known -= padding.loss(width);
    let (Some(weight), Some(bias)) = pair() else {
        unreachable!("a convolution has weights");
    };
    let left = padding.columns(width).0;
    let taps = one_hot_taps(codes, columns, stride, rows, width, left);
    let mut x = matrix(taps, [rows, 4 * width], device).matmul(weight) + bias;

    // 1 where a row is one of the first `known` positions of its sequence, otherwise 0.
    let mask = |rows: usize, known: usize| {
        let valid = |row: usize| row < batch * stride && row % stride < known;
        let mask = (0..rows).map(|r| f32::from(u8::from(valid(r)))).collect();
        matrix(mask, [rows, 1], device)
    };
    let mut normalised = 0;
    while let Some(layer) = layers.next_if(|l| !matches!(l, Layer::Dense(_))) {
        match *layer {
            Layer::Conv { width, padding, .. } => {
                let (Some(weight), Some(bias)) = pair() else {
                    unreachable!("a convolution has weights");
                };
                let margins = padding.columns(width);
                if margins != (0, 0) {
                    x = with_margins(x * mask(rows, known), margins, device);
                }
                rows -= padding.loss(width);
                positions -= padding.loss(width);
                known -= padding.loss(width);
                x = convolve(x, weight, width, rows) + bias;
            }
            Layer::Relu => x = relu(x),
            Layer::Dropout(p) => {
                if let Mode::Train { random, .. } = &mut mode {
                    x = drop_out(x, p, random, device);
                }
            }
            Layer::BatchNorm => {
                let (Some(scale), Some(shift)) = pair() else {
                    unreachable!("a batch normalisation has weights");
                };
                let before = &running[normalised];
                normalised += 1;
                let channels = before.mean.len();
                let (mean, variance) = match &mut mode {
                    Mode::Predict => (
                        matrix(before.mean.clone(), [1, channels], device),
                        matrix(before.variance.clone(), [1, channels], device),
                    ),
                    Mode::Train { statistics, .. } => {
                        let mask = mask(rows, known);
                        let share = 1.0 / (batch * known) as f32;
                        let mean = (x.clone() * mask.clone()).sum_dim(0) * share;
                        let off = (x.clone() - mean.clone()) * mask;
                        let variance = off.square().sum_dim(0) * share;
                        statistics.push((mean.clone(), variance.clone()));
                        (mean, variance)
                    }
                };
                x = (x - mean) / (variance + BN_EPSILON).sqrt() * scale + shift;
            }
            Layer::MaxPool(size) | Layer::AvgPool(size) => {
                let largest = matches!(layer, Layer::MaxPool(_));
                let cells = positions / size;
                let [_, channels] = x.dims();
                let sequences = x
                    .slice_dim(0, 0..batch * stride)
                    .reshape([batch, stride, channels]);
                let pools = (0..windows).map(|k| {
                    let from = k * step;
                    let cut = sequences
                        .clone()
                        .slice([0..batch, from..from + cells * size])
                        .reshape([batch, cells, size, channels]);
                    let pooled = if largest {
                        cut.max_dim(2)
                    } else {
                        cut.mean_dim(2)
                    };
                    pooled.reshape([batch, 1, cells * channels])
                });
                x = Tensor::<3>::cat(pools.collect(), 1)
                    .reshape([batch * windows, cells * channels]);
                return head(x, layers, pair, mode, device);
            }
            Layer::Dense(_) => unreachable!("dense layers end the loop"),
        }
    }

    // Without a pool: the first dense layer over every window.
    let (Some(weight), Some(bias)) = pair() else {
        unreachable!("a dense layer has weights");
    };
    let [_, channels] = x.dims();
    let [inputs, outputs] = weight.dims();
    let groups = (inputs / channels).div_ceil(group);
    let missing = groups * group * channels - inputs;
    let weight = match missing {
        0 => weight,
        _ => Tensor::cat(
            vec![
                weight,
                matrix(vec![0.0; missing * outputs], [missing, outputs], device),
            ],
            0,
        ),
    };
    let per_row = stride / group;
    let x = x
        .slice_dim(0, 0..batch * stride)
        .reshape([batch * per_row, group * channels]);
    let sums = if windows == 1 {
        x.matmul(weight)
    } else {
        // Every group of positions times every group of weights, then for each window the sum over
        // the diagonal that is its own.
        let weight = weight
            .reshape([groups, group * channels, outputs])
            .swap_dims(0, 1)
            .reshape([group * channels, groups * outputs]);
        let all = x
            .matmul(weight)
            .reshape([batch, per_row * groups * outputs]);
        let mut at = Vec::with_capacity(windows * groups * outputs);
        for window in 0..windows {
            for g in 0..groups {
                let from = ((window + g) * groups + g) * outputs;
                at.extend((from..from + outputs).map(|i| i as i32));
            }
        }
        let n = at.len();
        let at = Tensor::<1, Int>::from_data(TensorData::new(at, [n]), device);
        all.select(1, at)
            .reshape([batch * windows, groups, outputs])
            .sum_dim(1)
            .reshape([batch * windows, outputs])
    };
    layers.next();
    head(sums + bias, layers, pair, mode, device)
}

/// Behind the first dense layer, or from the pool on.
fn head<'a>(
    mut x: Tensor<2>,
    layers: impl Iterator<Item = &'a Layer>,
    mut pair: impl FnMut() -> (Option<Tensor<2>>, Option<Tensor<2>>),
    mut mode: Mode<'_>,
    device: &Device,
) -> Tensor<2> {
    for layer in layers {
        match *layer {
            Layer::Dense(_) => {
                let (Some(weight), Some(bias)) = pair() else {
                    unreachable!("a dense layer has weights");
                };
                x = x.matmul(weight) + bias;
            }
            Layer::Relu => x = relu(x),
            Layer::Dropout(p) => {
                if let Mode::Train { random, .. } = &mut mode {
                    x = drop_out(x, p, random, device);
                }
            }
            _ => unreachable!("no such layer stands behind a pool or a dense layer"),
        }
    }
    x
}

/// The sum over taps of the rows, shifted, times the tap's weights.
fn convolve(x: Tensor<2>, weight: Tensor<2>, width: usize, rows: usize) -> Tensor<2> {
    if width == 1 {
        return x.matmul(weight);
    }
    let [taps, _] = weight.dims();
    let inputs = taps / width;
    let product = |tap: usize| {
        let weight = weight
            .clone()
            .slice_dim(0, tap * inputs..(tap + 1) * inputs);
        x.clone().slice_dim(0, tap..tap + rows).matmul(weight)
    };
    (1..width).fold(product(0), |sum, tap| sum + product(tap))
}

/// The rows with so many rows of zeros before and behind them.
fn with_margins(x: Tensor<2>, margins: (usize, usize), device: &Device) -> Tensor<2> {
    let [_, channels] = x.dims();
    let zeros = |n: usize| (n > 0).then(|| Tensor::zeros([n, channels], device));
    let parts = [zeros(margins.0), Some(x), zeros(margins.1)];
    Tensor::cat(parts.into_iter().flatten().collect(), 0)
}

/// The first convolution's inputs: for each row the one-hot columns of `width` bases, tap by tap, the
/// first of them `left` columns before the row's own.
fn one_hot_taps(
    codes: &[u8],
    columns: usize,
    stride: usize,
    rows: usize,
    width: usize,
    left: usize,
) -> Vec<f32> {
    let mut taps = vec![0.0; rows * 4 * width];
    for (sequence, codes) in codes.chunks_exact(columns).enumerate() {
        for (column, &code) in codes.iter().enumerate() {
            if code >= UNKNOWN {
                continue;
            }
            let at = sequence * stride + column + left;
            for tap in 0..width.min(at + 1) {
                if at - tap < rows {
                    taps[((at - tap) * width + tap) * 4 + code as usize] = 1.0;
                }
            }
        }
    }
    taps
}

fn drop_out(x: Tensor<2>, p: f32, random: &mut Random, device: &Device) -> Tensor<2> {
    let [rows, columns] = x.dims();
    let kept = 1.0 / (1.0 - p);
    let limit = (f64::from(p) * (1u64 << 32) as f64) as u64;
    let mut mask = Vec::with_capacity(rows * columns + 1);
    while mask.len() < rows * columns {
        // Two values a number.
        let bits = random.bits();
        for half in [bits >> 32, bits & 0xffff_ffff] {
            mask.push(if half < limit { 0.0 } else { kept });
        }
    }
    mask.truncate(rows * columns);
    x * matrix(mask, [rows, columns], device)
}

/// Moves running statistics towards a batch's.
pub(super) fn update_running(running: &mut [Running], statistics: Vec<(Tensor<2>, Tensor<2>)>) {
    for (running, (mean, variance)) in running.iter_mut().zip(statistics) {
        for (old, new) in [(&mut running.mean, mean), (&mut running.variance, variance)] {
            for (old, new) in old.iter_mut().zip(values(new)) {
                *old += BN_MOMENTUM * (new - *old);
            }
        }
    }
}

/// A tensor's values, row-major.
pub(super) fn values(tensor: Tensor<2>) -> Vec<f32> {
    let tensor = tensor.inner();
    // Floats made on the CPU or copied back from it are f32; nothing converts them.
    tensor.into_data().try_to_vec::<f32>().unwrap_or_default()
}

#[cfg(test)]
mod tests;
