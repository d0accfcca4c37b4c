use ndarray::{Array2, Axis};

use super::super::arch::Architecture;
use super::super::network::{FittedLayer, Network};
use super::Geometry;
use crate::train::TrainError;

/// How a batch's values lie, layer by layer.
pub(super) struct Plan {
    pub geometry: Geometry,
    /// Rows from one sequence's first to the next's.
    pub stride: usize,
    /// Rows that convolutions take away.
    reach: usize,
    /// What each layer reads.
    pub inputs: Vec<Input>,
    /// Outputs of the network.
    pub outputs: usize,
    /// Whether the reverse complements of a part's sequences stand behind them.
    pub both_strands: bool,
}

/// What a layer reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input {
    pub form: Form,
    /// Channels.
    pub channels: usize,
    /// Positions of a window.
    pub positions: usize,
    /// Rows of a sequence that depend on nothing but it.
    pub known: usize,
    /// Whether a ReLU wrote it, which needs it on the way back.
    pub kept: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Base codes.
    Codes,
    /// A row a position, all sequences one behind the other: `[rows, channels]`.
    Positions,
    /// A row a window: `[sequences * windows, channels]`.
    Windows,
}

/// Layers in an order that [`Architecture::new`] refuses.
fn misplaced<T>(problem: &str) -> Result<T, TrainError> {
    Err(TrainError::Setting(format!(
        "the network's layers do not fit together: {problem}"
    )))
}

impl Plan {
    pub fn new(
        arch: &Architecture,
        network: &Network,
        geometry: Geometry,
    ) -> Result<Self, TrainError> {
        let gap = arch.widest_padding();
        debug_assert!(geometry.windows == 1 || gap == 0);
        let mut input = Input {
            form: Form::Codes,
            channels: 4,
            positions: arch.length,
            known: geometry.columns,
            kept: false,
        };
        let mut inputs = Vec::with_capacity(network.layers.len());
        for layer in &network.layers {
            inputs.push(input);
            input = Input {
                kept: matches!(layer, FittedLayer::Relu),
                ..input.behind(layer)?
            };
        }
        if input.form != Form::Windows {
            return misplaced("no dense layer ends them");
        }
        Ok(Self {
            geometry,
            stride: geometry.columns + gap,
            reach: arch.reach(),
            inputs,
            outputs: input.channels,
            both_strands: arch.both_strands,
        })
    }

    /// Rows of a part of so many sequences as a layer reads them; `lost` counts those that the
    /// convolutions before it took away.
    pub fn rows(&self, sequences: usize) -> usize {
        sequences * self.stride + self.reach
    }
}

impl Input {
    /// What the next layer reads.
    fn behind(self, layer: &FittedLayer) -> Result<Self, TrainError> {
        Ok(match (layer, self.form) {
            (FittedLayer::Conv { .. }, Form::Windows) => {
                return misplaced("a convolution stands behind a pool or a dense layer");
            }
            (
                FittedLayer::Conv {
                    bias,
                    width,
                    padding,
                    ..
                },
                _,
            ) => {
                let loss = padding.loss(*width);
                let left = (self.known.checked_sub(loss)).zip(self.positions.checked_sub(loss));
                let Some((known, positions)) = left.filter(|l| l.1 > 0) else {
                    return misplaced("a convolution is wider than what it reads");
                };
                Self {
                    form: Form::Positions,
                    channels: bias.len(),
                    positions,
                    known,
                    ..self
                }
            }
            (FittedLayer::BatchNorm { .. }, Form::Codes | Form::Windows) => {
                return misplaced("a batch normalisation does not follow a convolution");
            }
            (FittedLayer::MaxPool(_) | FittedLayer::AvgPool(_), Form::Codes | Form::Windows) => {
                return misplaced("a pool does not follow a convolution");
            }
            (_, Form::Codes) => return misplaced("the first is no convolution"),
            (FittedLayer::MaxPool(size) | FittedLayer::AvgPool(size), _) => Self {
                form: Form::Windows,
                channels: self.positions / size * self.channels,
                ..self
            },
            (FittedLayer::Dense { bias, .. }, _) => Self {
                form: Form::Windows,
                channels: bias.len(),
                ..self
            },
            (FittedLayer::SpatialDropout(_), Form::Windows) => {
                return misplaced("a spatial dropout does not follow a convolution");
            }
            (
                FittedLayer::BatchNorm { .. }
                | FittedLayer::Relu
                | FittedLayer::Dropout(_)
                | FittedLayer::SpatialDropout(_),
                _,
            ) => self,
        })
    }
}

impl Plan {
    /// The values with zeros in the rows that are none of a sequence's own.
    pub fn only_known(
        &self,
        mut values: Array2<f32>,
        input: &Input,
        sequences: usize,
    ) -> Array2<f32> {
        for (row, mut values) in values.rows_mut().into_iter().enumerate() {
            if !self.is_known(row, input, sequences) {
                values.fill(0.0);
            }
        }
        values
    }

    /// Values times the factors of their sequence's channels, `[sequences, channels]`.
    pub fn by_channel(&self, mut values: Array2<f32>, factors: &Array2<f32>) -> Array2<f32> {
        let sequences = values.axis_chunks_iter_mut(Axis(0), self.stride);
        for (mut rows, factors) in sequences.zip(factors.rows()) {
            rows *= &factors;
        }
        values
    }

    /// Whether a row is one of the first of its sequence that depend on nothing but it.
    pub fn is_known(&self, row: usize, input: &Input, sequences: usize) -> bool {
        row < sequences * self.stride && row % self.stride < input.known
    }
}
