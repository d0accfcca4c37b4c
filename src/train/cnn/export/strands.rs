//! A network of both strands as a plain chain of layers.

use std::borrow::Cow;

use ndarray::{Array2, Axis, concatenate, s};

use super::super::arch::Architecture;
use super::super::network::{FittedLayer, Network};
use super::super::pass::expanded;

/// The layers that give what the network gives, with all weights of smooth layers. Of a network of
/// both strands every layer stands beside its mirror image, which sees in the window what the layer
/// sees in the reverse complement, from the other end; the last layer adds up their halves.
pub(super) fn plain<'a>(arch: &Architecture, network: &'a Network) -> Cow<'a, Network> {
    let network = expanded(arch, network);
    if !arch.both_strands {
        return network;
    }
    let last = network.layers.len() - 1;
    let (mut channels, mut first, mut flat) = (4, true, false);
    let mut layers = Vec::with_capacity(network.layers.len());
    for (i, layer) in network.layers.iter().enumerate() {
        layers.push(match layer {
            FittedLayer::Conv {
                weight,
                bias,
                width,
                padding,
            } => {
                let both = match first {
                    true => of_bases(weight),
                    false => of_channels(weight, channels),
                };
                (channels, first) = (bias.len(), false);
                FittedLayer::Conv {
                    weight: both,
                    bias: twice(bias),
                    width: *width,
                    padding: *padding,
                }
            }
            FittedLayer::BatchNorm {
                scale,
                shift,
                mean,
                variance,
            } => FittedLayer::BatchNorm {
                scale: twice(scale),
                shift: twice(shift),
                mean: twice(mean),
                variance: twice(variance),
            },
            FittedLayer::Dense { weight, bias } => {
                // Rows of the layer's own half and of its mirror image's.
                let (own, other) = match flat {
                    true => halves(weight, weight.nrows(), false),
                    false => halves(weight, channels, true),
                };
                flat = true;
                let (weight, bias) = match i == last {
                    true => ((own + other) * 0.5, bias.clone()),
                    false => (concatenate![Axis(1), own, other], twice(bias)),
                };
                FittedLayer::Dense { weight, bias }
            }
            FittedLayer::Relu
            | FittedLayer::Dropout(_)
            | FittedLayer::SpatialDropout(_)
            | FittedLayer::MaxPool(_)
            | FittedLayer::AvgPool(_) => layer.clone(),
        });
    }
    Cow::Owned(Network { layers })
}

fn twice(row: &Array2<f32>) -> Array2<f32> {
    concatenate![Axis(1), *row, *row]
}

/// The first convolution's filters and their reverse complements.
fn of_bases(weight: &Array2<f32>) -> Array2<f32> {
    // Taps and the bases A, C, G, T of each, both from the other end.
    let mirrored = weight.slice(s![..;-1, ..]);
    concatenate![Axis(1), *weight, mirrored]
}

/// A later convolution's filters, which read the first half of the channels, and their mirror images,
/// which read the second.
fn of_channels(weight: &Array2<f32>, channels: usize) -> Array2<f32> {
    let (rows, filters) = weight.dim();
    let mut both = Array2::zeros((2 * rows, 2 * filters));
    let taps: Vec<_> = weight.axis_chunks_iter(Axis(0), channels).collect();
    let slots = both.axis_chunks_iter_mut(Axis(0), 2 * channels);
    for ((mut slot, tap), mirrored) in slots.zip(&taps).zip(taps.iter().rev()) {
        slot.slice_mut(s![..channels, ..filters]).assign(tap);
        slot.slice_mut(s![channels.., filters..]).assign(mirrored);
    }
    both
}

/// A dense layer's weights for twice the channels: where the second half counts for nothing, and
/// where the first does, whose positions stand in reverse order then if they are `turned`.
fn halves(weight: &Array2<f32>, channels: usize, turned: bool) -> (Array2<f32>, Array2<f32>) {
    let (rows, outputs) = weight.dim();
    let mut own = Array2::zeros((2 * rows, outputs));
    let mut other = own.clone();
    let mut positions: Vec<_> = weight.axis_chunks_iter(Axis(0), channels).collect();
    for (mut slot, position) in own
        .axis_chunks_iter_mut(Axis(0), 2 * channels)
        .zip(&positions)
    {
        slot.slice_mut(s![..channels, ..]).assign(position);
    }
    if turned {
        positions.reverse();
    }
    for (mut slot, position) in other
        .axis_chunks_iter_mut(Axis(0), 2 * channels)
        .zip(&positions)
    {
        slot.slice_mut(s![channels.., ..]).assign(position);
    }
    (own, other)
}

#[cfg(test)]
mod tests {
    use super::super::super::pass::{Geometry, Mode, Pass};
    use super::super::super::{Architecture, Layers};
    use super::*;
    use crate::stats::Random;

    #[test]
    fn a_plain_chain_gives_what_both_strands_give() {
        for layers in [
            "conv 6x3, relu, conv 5x4, relu, conv 3x2, relu, dense smooth 4",
            "conv 6x3, relu, batchnorm, conv 4x3 same, relu, dense 5 smooth 3, relu, dense",
            "conv 6x3, relu, maxpool 6, dense 7, relu, dense 3, relu, dense",
            "conv 6x3, relu, avgpool 3, dense",
        ] {
            let layers: Layers = layers.parse().unwrap();
            let one = Architecture::new(20, 20, 0, layers.0).unwrap();
            let both = one.clone().on_both_strands().unwrap();
            let mut network = Network::random(&both, 2, 3);
            for matrix in network.matrices_mut().filter(|m| m.nrows() == 1) {
                let number = matrix.len() as f32;
                let values = matrix.iter_mut().enumerate();
                values.for_each(|(i, v)| *v += 0.3 + 0.1 * i as f32 / number);
            }
            let mut random = Random::at(9, &[]);
            let codes: Vec<u8> = (0..7 * 20).map(|_| random.index(5) as u8).collect();
            let geometry = Geometry {
                columns: 20,
                windows: 1,
                step: 20,
            };
            let outputs = |arch: &Architecture, network: &Network| {
                let pass = Pass::forward(arch, network, &codes, geometry, Mode::Predict);
                pass.unwrap().outputs()
            };
            let chain = plain(&both, &network);
            let plain_arch = Architecture {
                layers: (one.layers.iter())
                    .map(|l| match l.outputs() {
                        Some(outputs) => crate::train::cnn::Layer::Dense(outputs),
                        None => *l,
                    })
                    .collect(),
                ..one.clone()
            };
            let difference = outputs(&both, &network) - outputs(&plain_arch, &chain);
            assert!(
                difference.iter().all(|d| d.abs() < 1e-5),
                "{both}: {difference}"
            );
        }
    }
}
