//! What a network has learned: its layers with their matrices, in one list.

use ndarray::Array2;

use super::arch::{Architecture, Layer, Padding};
use crate::stats::Random;

/// A layer with what it has learned, in matrices `M`: of floats, or of what
/// belongs to each matrix while it is fitted. Biases, scales, shifts and statistics have one row.
#[derive(Clone, Debug, PartialEq)]
pub enum FittedLayer<M = Array2<f32>> {
    /// Convolution along the sequence, stride 1.
    Conv {
        /// `[width * inputs, filters]`, rows tap by tap.
        weight: M,
        /// `[1, filters]`.
        bias: M,
        /// Columns a filter spans.
        width: usize,
        /// What it sees beyond the ends.
        padding: Padding,
    },
    /// Batch normalisation by channel; all are `[1, channels]`.
    BatchNorm {
        /// Factor of the normalised values.
        scale: M,
        /// Added to them.
        shift: M,
        /// Running means, which no gradient changes.
        mean: M,
        /// Running variances, likewise.
        variance: M,
    },
    /// Dense layer.
    Dense {
        /// `[inputs, outputs]`; of the first one, inputs are `[positions, channels]`.
        weight: M,
        /// `[1, outputs]`.
        bias: M,
    },
    /// `max(0, x)`.
    Relu,
    /// Sets values to zero with this probability while training.
    Dropout(f32),
    /// Likewise whole channels of a sequence.
    SpatialDropout(f32),
    /// Largest value of so many neighbouring positions.
    MaxPool(usize),
    /// Mean of so many neighbouring positions.
    AvgPool(usize),
}

/// A network: its layers, in the order of the data's way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network<M = Array2<f32>> {
    /// The layers.
    pub layers: Vec<FittedLayer<M>>,
}

impl<M> FittedLayer<M> {
    /// The matrices that gradients change: weight and bias, or scale and shift.
    pub fn learned(&self) -> Option<[&M; 2]> {
        match self {
            Self::Conv { weight, bias, .. } | Self::Dense { weight, bias } => Some([weight, bias]),
            Self::BatchNorm { scale, shift, .. } => Some([scale, shift]),
            Self::Relu
            | Self::Dropout(_)
            | Self::SpatialDropout(_)
            | Self::MaxPool(_)
            | Self::AvgPool(_) => None,
        }
    }

    /// Likewise, to be changed.
    pub(super) fn learned_mut(&mut self) -> Option<[&mut M; 2]> {
        match self {
            Self::Conv { weight, bias, .. } | Self::Dense { weight, bias } => Some([weight, bias]),
            Self::BatchNorm { scale, shift, .. } => Some([scale, shift]),
            Self::Relu
            | Self::Dropout(_)
            | Self::SpatialDropout(_)
            | Self::MaxPool(_)
            | Self::AvgPool(_) => None,
        }
    }

    /// All matrices, in the order of their fields.
    fn matrices(&self) -> [Option<&M>; 4] {
        let [first, second] = self.learned().map_or([None; 2], |pair| pair.map(Some));
        match self {
            Self::BatchNorm { mean, variance, .. } => [first, second, Some(mean), Some(variance)],
            _ => [first, second, None, None],
        }
    }

    fn matrices_mut(&mut self) -> [Option<&mut M>; 4] {
        match self {
            Self::BatchNorm {
                scale,
                shift,
                mean,
                variance,
            } => [scale, shift, mean, variance].map(Some),
            other => {
                let learned = other.learned_mut();
                let [first, second] = learned.map_or([None, None], |pair| pair.map(Some));
                [first, second, None, None]
            }
        }
    }

    /// The same layer with other matrices, made in the order of the fields.
    ///
    /// # Errors
    /// The first of `f`.
    pub fn try_map<N, E>(
        &self,
        mut f: impl FnMut(&M) -> Result<N, E>,
    ) -> Result<FittedLayer<N>, E> {
        Ok(match self {
            Self::Conv {
                weight,
                bias,
                width,
                padding,
            } => FittedLayer::Conv {
                weight: f(weight)?,
                bias: f(bias)?,
                width: *width,
                padding: *padding,
            },
            Self::BatchNorm {
                scale,
                shift,
                mean,
                variance,
            } => FittedLayer::BatchNorm {
                scale: f(scale)?,
                shift: f(shift)?,
                mean: f(mean)?,
                variance: f(variance)?,
            },
            Self::Dense { weight, bias } => FittedLayer::Dense {
                weight: f(weight)?,
                bias: f(bias)?,
            },
            Self::Relu => FittedLayer::Relu,
            Self::Dropout(p) => FittedLayer::Dropout(*p),
            Self::SpatialDropout(p) => FittedLayer::SpatialDropout(*p),
            Self::MaxPool(size) => FittedLayer::MaxPool(*size),
            Self::AvgPool(size) => FittedLayer::AvgPool(*size),
        })
    }

    /// Likewise, where nothing can fail.
    pub fn map<N>(&self, mut f: impl FnMut(&M) -> N) -> FittedLayer<N> {
        match self.try_map(|m| Ok::<N, std::convert::Infallible>(f(m))) {
            Ok(layer) => layer,
            Err(never) => match never {},
        }
    }
}

impl<M> Network<M> {
    /// All matrices, layer by layer.
    pub fn matrices(&self) -> impl Iterator<Item = &M> {
        self.layers.iter().flat_map(|l| l.matrices()).flatten()
    }

    /// Likewise, to be changed.
    pub fn matrices_mut(&mut self) -> impl Iterator<Item = &mut M> {
        self.layers
            .iter_mut()
            .flat_map(|l| l.matrices_mut())
            .flatten()
    }

    /// The same layers with other matrices, made in order.
    ///
    /// # Errors
    /// The first of `f`.
    pub fn try_map<N, E>(&self, mut f: impl FnMut(&M) -> Result<N, E>) -> Result<Network<N>, E> {
        let layers = self.layers.iter().map(|l| l.try_map(&mut f));
        Ok(Network {
            layers: layers.collect::<Result<_, _>>()?,
        })
    }

    /// Likewise, where nothing can fail.
    pub fn map<N>(&self, mut f: impl FnMut(&M) -> N) -> Network<N> {
        Network {
            layers: self.layers.iter().map(|l| l.map(&mut f)).collect(),
        }
    }
}

impl Network {
    /// Random weights (He et al. 2015: variance 2 / inputs; 1 / inputs where no ReLU follows), zero
    /// biases. Of the first convolution's inputs only one in four is set.
    pub fn random(arch: &Architecture, tasks: usize, seed: u64) -> Self {
        let mut random = Random::at(seed, &[0x1417]);
        let (mut channels, mut positions, mut flat) = (4, arch.length, false);
        let mut layers = Vec::with_capacity(arch.layers.len());
        for (i, layer) in arch.layers.iter().enumerate() {
            let rectified = arch.layers[i + 1..].iter().find(|l| {
                !matches!(
                    l,
                    Layer::BatchNorm | Layer::Dropout(_) | Layer::SpatialDropout(_)
                )
            }) == Some(&Layer::Relu);
            let gain = if rectified { 2.0 } else { 1.0 };
            let mut normal = |rows: usize, columns: usize, set: usize| {
                let deviation = (gain / set as f64).sqrt();
                Array2::from_shape_simple_fn((rows, columns), || {
                    (deviation * random.normal()) as f32
                })
            };
            layers.push(match *layer {
                Layer::Conv {
                    filters,
                    width,
                    padding,
                } => {
                    let inputs = width * channels;
                    channels = filters;
                    positions -= padding.loss(width);
                    FittedLayer::Conv {
                        weight: normal(inputs, filters, if i == 0 { width } else { inputs }),
                        bias: Array2::zeros((1, filters)),
                        width,
                        padding,
                    }
                }
                Layer::Dense(outputs) | Layer::SmoothDense { outputs, .. } => {
                    let inputs = if flat { channels } else { channels * positions };
                    let rows = match *layer {
                        Layer::SmoothDense { knots, .. } => knots * channels,
                        _ => inputs,
                    };
                    channels = outputs.unwrap_or(tasks);
                    flat = true;
                    FittedLayer::Dense {
                        weight: normal(rows, channels, inputs),
                        bias: Array2::zeros((1, channels)),
                    }
                }
                Layer::BatchNorm => FittedLayer::BatchNorm {
                    scale: Array2::ones((1, channels)),
                    shift: Array2::zeros((1, channels)),
                    mean: Array2::zeros((1, channels)),
                    variance: Array2::ones((1, channels)),
                },
                Layer::MaxPool(size) => {
                    positions /= size;
                    FittedLayer::MaxPool(size)
                }
                Layer::AvgPool(size) => {
                    positions /= size;
                    FittedLayer::AvgPool(size)
                }
                Layer::Relu => FittedLayer::Relu,
                Layer::Dropout(p) => FittedLayer::Dropout(p),
                Layer::SpatialDropout(p) => FittedLayer::SpatialDropout(p),
            });
        }
        Self { layers }
    }

    /// Outputs of its last layer.
    pub(super) fn outputs(&self) -> usize {
        match self.layers.last() {
            Some(FittedLayer::Dense { bias, .. }) => bias.len(),
            _ => 0,
        }
    }

    /// Number of values that gradients change.
    pub fn count(&self) -> usize {
        let learned = self.layers.iter().filter_map(FittedLayer::learned);
        learned.flatten().map(Array2::len).sum()
    }
}
