//! Dense layers whose weights change linearly along the window, as plain ones and back.

use std::borrow::Cow;

use ndarray::{Array2, Axis};

use super::super::arch::{Architecture, Layer};
use super::super::network::{FittedLayer, Network};

/// For each position the knot before it, and how far it is on the way to the next.
fn places(positions: usize, knots: usize) -> impl Iterator<Item = (usize, f32)> {
    let step = (knots - 1) as f64 / (positions - 1).max(1) as f64;
    (0..positions).map(move |position| {
        let at = position as f64 * step;
        let before = (at as usize).min(knots - 2);
        (before, (at - before as f64) as f32)
    })
}

/// Positions that the first dense layer reads.
fn positions(arch: &Architecture) -> usize {
    arch.length - arch.reach()
}

/// The network with all weights of its smooth layer, `[positions * channels, outputs]`.
pub(in super::super) fn expanded<'a>(
    arch: &Architecture,
    network: &'a Network,
) -> Cow<'a, Network> {
    let smooth = arch
        .layers
        .iter()
        .position(|l| matches!(l, Layer::SmoothDense { .. }));
    let Some((at, &Layer::SmoothDense { knots, .. })) = smooth.map(|at| (at, &arch.layers[at]))
    else {
        return Cow::Borrowed(network);
    };
    let mut network = network.clone();
    if let Some(FittedLayer::Dense { weight, .. }) = network.layers.get_mut(at) {
        let channels = weight.nrows() / knots;
        let positions = positions(arch);
        let mut whole = Array2::zeros((positions * channels, weight.ncols()));
        let slots = whole.axis_chunks_iter_mut(Axis(0), channels);
        let rows: Vec<_> = weight.axis_chunks_iter(Axis(0), channels).collect();
        for (mut slot, (before, share)) in slots.zip(places(positions, knots)) {
            slot.scaled_add(1.0 - share, &rows[before]);
            slot.scaled_add(share, &rows[before + 1]);
        }
        *weight = whole;
    }
    Cow::Owned(network)
}

/// Gradients of the weights of [`expanded`] as those of the knots'.
pub(super) fn folded(arch: &Architecture, mut gradients: Network) -> Network {
    for (layer, gradients) in arch.layers.iter().zip(&mut gradients.layers) {
        let (&Layer::SmoothDense { knots, .. }, FittedLayer::Dense { weight, .. }) =
            (layer, gradients)
        else {
            continue;
        };
        let positions = positions(arch);
        let channels = weight.nrows() / positions;
        let mut of_knots = Array2::zeros((knots * channels, weight.ncols()));
        let rows = weight.axis_chunks_iter(Axis(0), channels);
        for (row, (before, share)) in rows.zip(places(positions, knots)) {
            for (knot, share) in [(before, 1.0 - share), (before + 1, share)] {
                let from = knot * channels;
                let mut to = of_knots.slice_mut(ndarray::s![from..from + channels, ..]);
                to.scaled_add(share, &row);
            }
        }
        *weight = of_knots;
    }
    gradients
}
