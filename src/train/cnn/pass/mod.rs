//! The network on a batch, forwards and backwards.
//!
//! The sequences of a batch are cut into parts of a few sequences, which the threads work on side by
//! side; how a batch is cut does not depend on the number of threads, so neither do the results. The
//! sequences of a part stand one behind the other on one axis of rows, `stride` rows each, so that a
//! convolution is a single matrix product with a view of shifted, overlapping rows: no window is
//! copied. Rows whose field reaches into the next sequence hold nothing of use and are never read; no
//! gradient reaches them.
//!
//! A sequence may be longer than a window: then it holds several windows, `step` bases apart, that
//! share all convolutions. That is exact, as long as nothing is padded; sequences of padded networks
//! hold one window each, and stand so far apart that the zeros of one are between it and the next.

mod conv;
mod dense;
mod normal;
mod part;
mod plan;
mod pool;
mod smooth;
mod whole;

use std::borrow::Cow;

use ndarray::{Array2, Axis, s};
use rayon::prelude::*;

use self::part::Part;
use self::plan::Plan;
use super::arch::Architecture;
use super::network::{FittedLayer, Network};
use crate::stats::Random;
use crate::train::TrainError;

pub(super) use self::normal::{BN_EPSILON, Statistics};
pub(super) use self::smooth::expanded;

/// Columns of a part's sequences, about: its values stay in a core's cache.
const PART: usize = 8 * 145;

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
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    /// Dropout off, batch normalisation by its running statistics.
    Predict,
    /// Dropout on, decided by the seed and the number of the batch; batch normalisation by the batch.
    Train { seed: u64, batch: u64 },
}

/// A batch on its way through the network.
pub(super) struct Pass<'a> {
    arch: &'a Architecture,
    /// Smooth layers with all their weights.
    network: Cow<'a, Network>,
    plan: Plan,
    parts: Vec<Part>,
    outputs: usize,
    /// By what each batch normalisation normalised, in order of the layers.
    pub statistics: Vec<Statistics>,
}

impl<'a> Pass<'a> {
    /// Takes `codes`, `[sequences, geometry.columns]`, through the network. Several windows a sequence
    /// only where [`Architecture::shares_convolutions`].
    ///
    /// # Errors
    /// [`TrainError::Setting`] when the layers stand in an order that no architecture has.
    pub fn forward(
        arch: &'a Architecture,
        network: &'a Network,
        codes: &[u8],
        geometry: Geometry,
        mode: Mode,
    ) -> Result<Self, TrainError> {
        let network = smooth::expanded(arch, network);
        let plan = Plan::new(arch, &network, geometry)?;
        let each = (PART / geometry.columns).max(1) * geometry.columns;
        let learns = matches!(mode, Mode::Train { .. });
        let parts = codes.chunks(each).enumerate().map(|(i, codes)| {
            let random = match mode {
                Mode::Predict => None,
                Mode::Train { seed, batch } => Some(Random::at(seed, &[0xd809, batch, i as u64])),
            };
            Part::new(&plan, codes, random)
        });
        let mut pass = Self {
            arch,
            network: network.clone(),
            parts: parts.collect(),
            outputs: plan.outputs,
            plan,
            statistics: Vec::new(),
        };
        let mut from = 0;
        while from < network.layers.len() {
            // What lies between two batch normalisations needs nothing of other parts.
            let whole = network.layers[from..].iter();
            let until = from
                + whole
                    .take_while(|l| !(learns && matches!(l, FittedLayer::BatchNorm { .. })))
                    .count();
            let plan = &pass.plan;
            pass.parts.par_iter_mut().for_each(|part| {
                for (i, layer) in network.layers[from..until].iter().enumerate() {
                    part.forward(plan, from + i, layer, learns);
                }
            });
            from = until;
            if let Some(FittedLayer::BatchNorm { scale, shift, .. }) = network.layers.get(from) {
                pass.normalise(from, scale, shift);
                from += 1;
            }
        }
        Ok(pass)
    }

    /// The outputs, `[sequences * windows, outputs]`.
    pub fn outputs(&self) -> Array2<f32> {
        let rows = self.parts.iter().map(|p| p.windows(&self.plan)).sum();
        let mut all = Array2::zeros((rows, self.outputs));
        let mut from = 0;
        for part in &self.parts {
            let until = from + part.windows(&self.plan);
            let output = part.joined(&self.plan);
            all.slice_mut(s![from..until, ..]).assign(&output);
            from = until;
        }
        all
    }

    /// Gradients of the weights for a gradient of the outputs; those of layers before `first` and of
    /// running statistics are zero.
    pub fn backward(mut self, gradient: &Array2<f32>, first: usize) -> Network {
        let mut from = 0;
        for part in &mut self.parts {
            let until = from + part.windows(&self.plan);
            part.begin_backward(&self.plan, gradient.slice(s![from..until, ..]));
            from = until;
        }
        let (network, plan) = (&*self.network, &self.plan);
        let turned = conv::turned(network);
        let mut whole = network.map(|m| Array2::zeros(m.dim()));
        let mut until = network.layers.len();
        while until > first {
            let layers = &network.layers[first..until];
            let behind = layers.iter().rev();
            let from = until
                - behind
                    .take_while(|l| !matches!(l, FittedLayer::BatchNorm { .. }))
                    .count();
            let gradients: Vec<Vec<FittedLayer>> = (self.parts.par_iter_mut())
                .map(|part| {
                    let layers = network.layers[from..until].iter().enumerate().rev();
                    layers
                        .map(|(i, layer)| {
                            let at = from + i;
                            part.backward(plan, at, layer, turned[at].as_ref(), at > first)
                        })
                        .collect()
                })
                .collect();
            let mut layers: Vec<_> = whole.layers[from..until].iter_mut().rev().collect();
            layers.par_iter_mut().enumerate().for_each(|(i, layer)| {
                // In the order of the parts, whoever made them.
                for part in &gradients {
                    layer.add(&part[i]);
                }
            });
            until = from;
            if until > first {
                until -= 1;
                let layer = &network.layers[until];
                whole.layers[until] =
                    whole::backward(&mut self.parts, plan, until, layer, &mut self.statistics);
            }
        }
        smooth::folded(self.arch, whole)
    }

    fn normalise(&mut self, at: usize, scale: &Array2<f32>, shift: &Array2<f32>) {
        let statistics = whole::statistics(&self.parts, &self.plan, at);
        let plan = &self.plan;
        (self.parts.par_iter_mut()).for_each(|part| {
            part.normalise(plan, at, &statistics, scale, shift);
        });
        self.statistics.push(statistics);
    }
}

impl Network {
    /// Adds another network's matrices to those of this one, which has the same layers.
    pub(super) fn add(&mut self, other: &Self) {
        for (own, other) in self.layers.iter_mut().zip(&other.layers) {
            own.add(other);
        }
    }
}

impl FittedLayer {
    /// Adds another layer's matrices to those of this one, which is of the same kind.
    fn add(&mut self, other: &Self) {
        let theirs = other.learned().into_iter().flatten();
        for (own, other) in self.learned_mut().into_iter().flatten().zip(theirs) {
            *own += other;
        }
    }
}

/// Sums of columns, as one row.
fn column_sums(matrix: &Array2<f32>) -> Array2<f32> {
    matrix.sum_axis(Axis(0)).insert_axis(Axis(0))
}

#[cfg(test)]
mod tests;
