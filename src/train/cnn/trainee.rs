use burn::optim::{Adam, AdamState, Optimizer};
use burn::tensor::{Device, Tensor};

use super::network::{FittedLayer, Network, array, tensor};

/// Share of a batch's statistics in the running ones.
const BN_MOMENTUM: f32 = 0.1;

/// A matrix while it is fitted.
pub(super) struct Trainee {
    pub value: Tensor<2>,
    /// What the optimiser knows of it.
    pub moments: Option<AdamState<2>>,
    /// Whether gradients change it, where there are any: none reaches running statistics.
    pub trained: bool,
}

impl Trainee {
    /// As a pass sees it that is to be learned from.
    pub fn leaf(&self) -> Tensor<2> {
        let leaf = self.value.clone().autodiff();
        match self.trained {
            true => leaf.require_grad(),
            false => leaf,
        }
    }

    pub fn step(&mut self, adam: &Adam, rate: f64, gradient: Tensor<2>) {
        if self.trained {
            let before = self.moments.take();
            (self.value, self.moments) = adam.step(rate, self.value.clone(), gradient, before);
        }
    }
}

/// Moves running statistics towards a batch's, which are given in order of the layers.
pub(super) fn update_running(
    network: &mut Network<Trainee>,
    statistics: Vec<(Tensor<2>, Tensor<2>)>,
    device: &Device,
) {
    let running = network.layers.iter_mut().filter_map(|layer| match layer {
        FittedLayer::BatchNorm { mean, variance, .. } => Some((mean, variance)),
        _ => None,
    });
    for ((mean, variance), (new_mean, new_variance)) in running.zip(statistics) {
        for (old, new) in [(mean, new_mean), (variance, new_variance)] {
            let mut moved = array(old.value.clone());
            moved.zip_mut_with(&array(new), |old, new| *old += BN_MOMENTUM * (new - *old));
            old.value = tensor(&moved, device);
        }
    }
}
