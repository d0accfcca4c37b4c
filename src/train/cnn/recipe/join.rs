//! From heads to tasks.

use ndarray::{Array1, Array2};

use super::super::network::{FittedLayer, Network};
use super::Recipe;
use crate::train::{Scaling, TrainError};

/// The tasks as sums of heads: the network's last layer is multiplied, so that nothing is added to it.
pub(super) struct Joined {
    /// Weights of standardised heads, `[heads, tasks]`.
    pub weights: Array2<f32>,
    /// From the weighted sum to the task's unit: `mean + scale * sum`.
    pub scaling: Scaling,
}

impl Joined {
    /// Weights alone, in the order of the recipe's heads and tasks.
    pub fn weights(recipe: &Recipe) -> Array2<f32> {
        let heads = recipe.heads();
        Array2::from_shape_fn((heads.len(), recipe.tasks.len()), |(head, task)| {
            let said = recipe.tasks[task].heads.get(&heads[head]);
            said.map_or(0.0, |w| *w as f32)
        })
    }

    /// Adds the unit of a task: its head's labels, on the regression line over the weighted sums.
    pub fn push_unit(
        scaling: &mut Scaling,
        task: &str,
        sums: &[f64],
        labels: &[f64],
    ) -> Result<(), TrainError> {
        let n = sums.len() as f64;
        let (x, y) = (sums.iter().sum::<f64>() / n, labels.iter().sum::<f64>() / n);
        let pairs = || sums.iter().zip(labels);
        let both: f64 = pairs().map(|(a, b)| (a - x) * (b - y)).sum();
        let own: f64 = sums.iter().map(|a| (a - x).powi(2)).sum();
        let slope = both / own;
        if !(slope.is_finite() && slope > 0.0) {
            return Err(TrainError::Labels {
                task: task.into(),
                problem: format!(
                    "the labels of its unit do not rise with it (slope {slope:.3}), so it cannot have their unit"
                ),
            });
        }
        scaling.mean.push(y - slope * x);
        scaling.scale.push(slope);
        Ok(())
    }

    /// The network whose outputs are the tasks, standardised.
    pub fn network(&self, network: &Network) -> Network {
        let mut network = network.clone();
        if let Some(FittedLayer::Dense { weight, bias }) = network.layers.last_mut() {
            *weight = weight.dot(&self.weights);
            *bias = bias.dot(&self.weights);
        }
        network
    }

    /// A row of heads as tasks in their units.
    pub fn tasks(&self, heads: &Array1<f32>) -> Vec<f64> {
        let sums = heads.dot(&self.weights);
        let units = self.scaling.mean.iter().zip(&self.scaling.scale);
        (sums.iter().zip(units))
            .map(|(sum, (mean, scale))| mean + scale * f64::from(*sum))
            .collect()
    }
}
