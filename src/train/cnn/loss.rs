//! Losses, their gradients, and what is said of a network on data.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Zip};

use super::watch::Judged;
use crate::stats::{Ranking, pearson};
use crate::train::Objective;

/// What a network is to give.
pub(super) struct Targets {
    /// Standardised labels, `[windows, tasks]`, 0 where one is missing.
    pub labels: Array2<f32>,
    /// Their weights, 0 where a label is missing.
    pub weights: Array2<f32>,
}

impl Targets {
    /// The loss and its gradient by the outputs. Where the second half of the rows are `pairs`, copies
    /// of the first, the error of the differences counts `pair_weight`, or is all that counts.
    pub fn loss(
        &self,
        outputs: &Array2<f32>,
        objective: Objective,
        pairs: bool,
        pair_weight: f32,
    ) -> (f64, Array2<f32>) {
        let mut gradient = Array2::zeros(outputs.dim());
        let (labels, weights) = (self.labels.view(), self.weights.view());
        let mut loss = match objective {
            Objective::Values => squared(outputs.view(), labels, weights, 1.0, gradient.view_mut()),
            Objective::Classes => logistic(outputs.view(), labels, weights, gradient.view_mut()),
            Objective::Differences => 0.0,
        };
        let factor = match objective {
            Objective::Differences => 1.0,
            Objective::Values | Objective::Classes => pair_weight,
        };
        if pairs && factor > 0.0 {
            let (outputs, changes) = (difference(outputs), self.differences());
            let mut of_change = Array2::zeros(outputs.dim());
            loss += squared(
                outputs.view(),
                changes.labels.view(),
                changes.weights.view(),
                factor,
                of_change.view_mut(),
            );
            let half = outputs.nrows();
            let (mut originals, mut copies) = gradient.view_mut().split_at(Axis(0), half);
            originals -= &of_change;
            copies += &of_change;
        }
        (loss, gradient)
    }

    /// What the outputs are worth; of differences the second half of the rows are the copies.
    pub fn judge(&self, outputs: &Array2<f32>, objective: Objective) -> Judged {
        if objective == Objective::Differences {
            return self
                .differences()
                .judge(&difference(outputs), Objective::Values);
        }
        let (loss, _) = self.loss(outputs, objective, false, 0.0);
        let figures = (0..outputs.ncols()).map(|task| {
            let rows = outputs
                .column(task)
                .into_iter()
                .zip(self.labels.column(task));
            let known = rows
                .zip(self.weights.column(task))
                .filter(|(_, w)| **w > 0.0);
            let (outputs, labels): (Vec<f64>, Vec<f64>) = known
                .map(|((o, l), _)| (f64::from(*o), f64::from(*l)))
                .unzip();
            match objective {
                Objective::Classes => {
                    let positive: Vec<bool> = labels.iter().map(|l| *l > 0.5).collect();
                    match outputs.iter().any(|o| o.is_nan()) {
                        true => f64::NAN,
                        false => Ranking::new(&outputs, 0..outputs.len() as u32)
                            .auroc(&positive, &vec![1.0; outputs.len()]),
                    }
                }
                Objective::Values | Objective::Differences => pearson(&outputs, &labels),
            }
        });
        Judged {
            figures: figures.collect(),
            loss,
        }
    }

    /// Those of the second half of the rows less those of the first.
    fn differences(&self) -> Self {
        let half = self.labels.nrows() / 2;
        let (originals, copies) = self.weights.view().split_at(Axis(0), half);
        Self {
            labels: difference(&self.labels),
            weights: Zip::from(copies)
                .and(originals)
                .map_collect(|c, o| c.min(*o)),
        }
    }
}

fn difference(rows: &Array2<f32>) -> Array2<f32> {
    let (originals, copies) = rows.view().split_at(Axis(0), rows.nrows() / 2);
    &copies - &originals
}

/// 1 over the sum of weights. A batch without labels teaches nothing, but is no error.
fn share(weights: ArrayView2<'_, f32>) -> f64 {
    1.0 / weights
        .iter()
        .map(|w| f64::from(*w))
        .sum::<f64>()
        .max(1e-12)
}

/// The mean squared error by weight, times `factor`; adds its gradient by the outputs.
fn squared(
    outputs: ArrayView2<'_, f32>,
    labels: ArrayView2<'_, f32>,
    weights: ArrayView2<'_, f32>,
    factor: f32,
    mut gradient: ArrayViewMut2<'_, f32>,
) -> f64 {
    let share = f64::from(factor) * share(weights);
    let mut loss = 0.0;
    Zip::from(&mut gradient)
        .and(outputs)
        .and(labels)
        .and(weights)
        .for_each(|g, o, l, w| {
            let off = o - l;
            loss += f64::from(w * off * off);
            *g += 2.0 * share as f32 * w * off;
        });
    loss * share
}

/// The mean logistic loss by weight of log odds against classes 0 and 1; adds its gradient.
fn logistic(
    outputs: ArrayView2<'_, f32>,
    classes: ArrayView2<'_, f32>,
    weights: ArrayView2<'_, f32>,
    mut gradient: ArrayViewMut2<'_, f32>,
) -> f64 {
    let share = share(weights);
    let mut loss = 0.0;
    Zip::from(&mut gradient)
        .and(outputs)
        .and(classes)
        .and(weights)
        .for_each(|g, &o, &class, &w| {
            // log(1 + exp(o)) - class * o, without overflow.
            let softplus = o.max(0.0) + (-o.abs()).exp().ln_1p();
            loss += f64::from(w * (softplus - class * o));
            let chance = 1.0 / (1.0 + (-o).exp());
            *g += share as f32 * w * (chance - class);
        });
    loss * share
}
