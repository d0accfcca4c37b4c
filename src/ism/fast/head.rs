//! What follows the first dense layer's sums: its activation, and further layers.

use super::gemm::product;
use super::network::{Dense, Elementwise};

/// The head behind the first dense layer's sums.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// What follows the first layer.
    after: Vec<Elementwise>,
    /// The other layers, weights as `[inputs, outputs]`.
    layers: Vec<Dense>,
    /// Number of activities.
    pub(super) tasks: usize,
    /// Outputs of the first layer.
    inputs: usize,
}

impl Head {
    /// `first` is the layer whose sums the reduction makes.
    pub(super) fn new(first: &Dense, others: &[Dense]) -> Self {
        let layers: Vec<Dense> = others
            .iter()
            .map(|dense| {
                let mut weight = vec![0.0; dense.weight.len()];
                for o in 0..dense.outputs {
                    for i in 0..dense.inputs {
                        weight[i * dense.outputs + o] = dense.weight[o * dense.inputs + i];
                    }
                }
                Dense {
                    weight,
                    ..dense.clone()
                }
            })
            .collect();
        Self {
            tasks: layers.last().map_or(first.outputs, |d| d.outputs),
            inputs: first.outputs,
            after: first.after.clone(),
            layers,
        }
    }

    /// Whether the first layer's outputs are the activities: differences of the one are effects.
    pub(super) fn is_linear(&self) -> bool {
        self.after.is_empty() && self.layers.is_empty()
    }

    /// Activities of rows of the first layer's sums, `[n, step]` to `[n, tasks]`. Uses up `rows`.
    pub(super) fn run(&self, rows: &mut Vec<f32>, step: usize) -> Vec<f32> {
        for step_after in &self.after {
            step_after.apply(rows, step);
        }
        let n = rows.len() / step;
        let mut values = std::mem::take(rows);
        let (mut inputs, mut width) = (self.inputs, step);
        for dense in &self.layers {
            let mut out = vec![0.0; n * dense.outputs];
            product(
                (n, inputs, dense.outputs),
                (&values, width),
                (&dense.weight, dense.outputs),
                (&mut out, dense.outputs),
            );
            for row in out.chunks_exact_mut(dense.outputs) {
                for (x, b) in row.iter_mut().zip(&dense.bias) {
                    *x += b;
                }
            }
            for step in &dense.after {
                step.apply(&mut out, dense.outputs);
            }
            values = out;
            inputs = dense.outputs;
            width = dense.outputs;
        }
        if width == self.tasks {
            values
        } else {
            let rows = values.chunks_exact(width);
            rows.flat_map(|row| row[..self.tasks].iter().copied())
                .collect()
        }
    }
}
