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

use super::arch::{Architecture, Padding};
use super::network::{FittedLayer, Network, matrix};
use crate::encode::UNKNOWN;
use crate::stats::Random;
use crate::train::TrainError;

/// Added to a variance before its root is taken.
pub(super) const BN_EPSILON: f64 = 1e-3;

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
    /// Dropout on, batch normalisation by the batch, whose statistics (means and variances, a pair a
    /// batch normalisation) are added here.
    Train {
        random: Random,
        statistics: &'a mut Vec<(Tensor<2>, Tensor<2>)>,
    },
}

/// A pass over `codes`, `[batch, geometry.columns]`: the outputs, `[batch * windows, tasks]`. Several
/// windows a sequence only where [`Architecture::shares_convolutions`].
///
/// # Errors
/// [`TrainError::Setting`] when the layers stand in an order that no architecture has.
pub(super) fn forward(
    arch: &Architecture,
    network: &Network<Tensor<2>>,
    codes: &[u8],
    geometry: Geometry,
    mode: Mode<'_>,
    device: &Device,
) -> Result<Tensor<2>, TrainError> {
    let mut pass = Pass::new(arch, codes, geometry, mode, device);
    let mut values = Values::Codes(codes);
    for layer in &network.layers {
        values = pass.layer(layer, values)?;
    }
    match values {
        Values::Windows(outputs) => Ok(outputs),
        _ => misplaced("no dense layer ends them"),
    }
}

/// Layers in an order that [`Architecture::new`] refuses.
fn misplaced<T>(problem: &str) -> Result<T, TrainError> {
    Err(TrainError::Setting(format!(
        "the network's layers do not fit together: {problem}"
    )))
}

/// What stands between two layers.
enum Values<'a> {
    /// Base codes.
    Codes(&'a [u8]),
    /// A row a position, all sequences one behind the other: `[rows, channels]`.
    Positions(Tensor<2>),
    /// A row a window: `[batch * windows, channels]`.
    Windows(Tensor<2>),
}

struct Pass<'a> {
    geometry: Geometry,
    mode: Mode<'a>,
    device: &'a Device,
    /// Sequences.
    batch: usize,
    /// Windows are cut out of the rows in groups of so many positions.
    group: usize,
    /// Rows from one sequence's first to the next's.
    stride: usize,
    /// Rows in all.
    rows: usize,
    /// Positions of a window.
    positions: usize,
    /// Rows of a sequence that depend on nothing but it.
    known: usize,
}

impl<'a> Pass<'a> {
    fn new(
        arch: &Architecture,
        codes: &[u8],
        geometry: Geometry,
        mode: Mode<'a>,
        device: &'a Device,
    ) -> Self {
        let Geometry {
            columns,
            windows,
            step,
        } = geometry;
        let batch = codes.len() / columns;
        let gap = arch.widest_padding();
        debug_assert!(windows == 1 || gap == 0);
        let group = if windows == 1 { columns + gap } else { step };
        let stride = columns.div_ceil(group) * group;
        Self {
            geometry,
            mode,
            device,
            batch,
            group,
            stride,
            rows: batch * stride + arch.reach(),
            positions: arch.length,
            known: columns,
        }
    }

    fn layer<'v>(
        &mut self,
        layer: &FittedLayer<Tensor<2>>,
        values: Values<'v>,
    ) -> Result<Values<'v>, TrainError> {
        match layer {
            FittedLayer::Conv {
                weight,
                bias,
                width,
                padding,
            } => self.conv(values, weight, bias, *width, *padding),
            FittedLayer::BatchNorm {
                scale,
                shift,
                mean,
                variance,
            } => {
                let Values::Positions(x) = values else {
                    return misplaced("a batch normalisation does not follow a convolution");
                };
                let running = (mean.clone(), variance.clone());
                let (mean, variance) = self.statistics(&x, running);
                let x = (x - mean) / (variance + BN_EPSILON).sqrt() * scale.clone() + shift.clone();
                Ok(Values::Positions(x))
            }
            FittedLayer::Dense { weight, bias } => {
                let sums = match values {
                    Values::Codes(_) => return misplaced("the first is no convolution"),
                    Values::Positions(x) => self.dense_over_windows(x, weight.clone()),
                    Values::Windows(x) => x.matmul(weight.clone()),
                };
                Ok(Values::Windows(sums + bias.clone()))
            }
            FittedLayer::Relu => each(values, relu),
            FittedLayer::Dropout(p) => match &mut self.mode {
                Mode::Predict => Ok(values),
                Mode::Train { random, .. } => {
                    each(values, |x| drop_out(x, *p, random, self.device))
                }
            },
            FittedLayer::MaxPool(size) => self.pool(values, *size, |cells| cells.max_dim(2)),
            FittedLayer::AvgPool(size) => self.pool(values, *size, |cells| cells.mean_dim(2)),
        }
    }

    fn conv<'v>(
        &mut self,
        values: Values<'v>,
        weight: &Tensor<2>,
        bias: &Tensor<2>,
        width: usize,
        padding: Padding,
    ) -> Result<Values<'v>, TrainError> {
        let loss = padding.loss(width);
        let (known, rows) = (self.known, self.rows);
        let left = (known.checked_sub(loss)).zip(self.positions.checked_sub(loss));
        let Some((known_behind, positions)) = left else {
            return misplaced("a convolution is wider than what it reads");
        };
        (self.known, self.positions) = (known_behind, positions);
        self.rows -= loss;
        let sums = match values {
            Values::Codes(codes) => {
                let left = padding.columns(width).0;
                let columns = self.geometry.columns;
                let taps = one_hot_taps(codes, columns, self.stride, self.rows, width, left);
                matrix(taps, [self.rows, 4 * width], self.device).matmul(weight.clone())
            }
            Values::Positions(mut x) => {
                let margins = padding.columns(width);
                if margins != (0, 0) {
                    x = with_margins(x * self.mask(rows, known), margins, self.device);
                }
                convolve(x, weight.clone(), width, self.rows)
            }
            Values::Windows(_) => {
                return misplaced("a convolution stands behind a pool or a dense layer");
            }
        };
        Ok(Values::Positions(sums + bias.clone()))
    }

    /// 1 where a row is one of the first `known` positions of its sequence, otherwise 0.
    fn mask(&self, rows: usize, known: usize) -> Tensor<2> {
        let valid = |row: usize| row < self.batch * self.stride && row % self.stride < known;
        let mask = (0..rows).map(|r| f32::from(u8::from(valid(r)))).collect();
        matrix(mask, [rows, 1], self.device)
    }

    /// By what a batch normalisation normalises: means and variances.
    fn statistics(
        &mut self,
        x: &Tensor<2>,
        running: (Tensor<2>, Tensor<2>),
    ) -> (Tensor<2>, Tensor<2>) {
        let mask = match self.mode {
            Mode::Predict => return running,
            Mode::Train { .. } => self.mask(self.rows, self.known),
        };
        let share = 1.0 / (self.batch * self.known) as f32;
        let mean = (x.clone() * mask.clone()).sum_dim(0) * share;
        let off = (x.clone() - mean.clone()) * mask;
        let variance = off.square().sum_dim(0) * share;
        if let Mode::Train { statistics, .. } = &mut self.mode {
            statistics.push((mean.clone(), variance.clone()));
        }
        (mean, variance)
    }

    /// Cells of `size` neighbouring positions of every window, reduced along axis 2 of
    /// `[batch, cells, size, channels]`.
    fn pool<'v>(
        &self,
        values: Values<'v>,
        size: usize,
        reduce: impl Fn(Tensor<4>) -> Tensor<4>,
    ) -> Result<Values<'v>, TrainError> {
        let Values::Positions(x) = values else {
            return misplaced("a pool does not follow a convolution");
        };
        let Geometry { windows, step, .. } = self.geometry;
        let batch = self.batch;
        let cells = self.positions / size;
        let [_, channels] = x.dims();
        let sequences =
            x.slice_dim(0, 0..batch * self.stride)
                .reshape([batch, self.stride, channels]);
        let pools = (0..windows).map(|k| {
            let from = k * step;
            let cut = sequences
                .clone()
                .slice([0..batch, from..from + cells * size])
                .reshape([batch, cells, size, channels]);
            reduce(cut).reshape([batch, 1, cells * channels])
        });
        let pooled = Tensor::<3>::cat(pools.collect(), 1);
        Ok(Values::Windows(
            pooled.reshape([batch * windows, cells * channels]),
        ))
    }

    /// The first dense layer, without its bias, over every window of the positions.
    fn dense_over_windows(&self, x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
        let (batch, group, windows) = (self.batch, self.group, self.geometry.windows);
        let [_, channels] = x.dims();
        let [inputs, outputs] = weight.dims();
        let groups = (inputs / channels).div_ceil(group);
        let missing = groups * group * channels - inputs;
        let weight = match missing {
            0 => weight,
            _ => {
                let zeros = vec![0.0; missing * outputs];
                let zeros = matrix(zeros, [missing, outputs], self.device);
                Tensor::cat(vec![weight, zeros], 0)
            }
        };
        let per_row = self.stride / group;
        let x = x
            .slice_dim(0, 0..batch * self.stride)
            .reshape([batch * per_row, group * channels]);
        if windows == 1 {
            return x.matmul(weight);
        }
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
        let at = Tensor::<1, Int>::from_data(TensorData::new(at, [n]), self.device);
        all.select(1, at)
            .reshape([batch * windows, groups, outputs])
            .sum_dim(1)
            .reshape([batch * windows, outputs])
    }
}

/// A layer that works value by value.
fn each<'v>(
    values: Values<'v>,
    f: impl FnOnce(Tensor<2>) -> Tensor<2>,
) -> Result<Values<'v>, TrainError> {
    match values {
        Values::Codes(_) => misplaced("the first is no convolution"),
        Values::Positions(x) => Ok(Values::Positions(f(x))),
        Values::Windows(x) => Ok(Values::Windows(f(x))),
    }
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
        let bits = random.next();
        for half in [bits >> 32, bits & 0xffff_ffff] {
            mask.push(if half < limit { 0.0 } else { kept });
        }
    }
    mask.truncate(rows * columns);
    x * matrix(mask, [rows, columns], device)
}

#[cfg(test)]
mod tests;
