//! What batch normalisation needs of all parts of a batch.

use ndarray::Array2;
use rayon::prelude::*;

use super::super::network::FittedLayer;
use super::normal::Statistics;
use super::part::Part;
use super::plan::Plan;

/// Sums over the known rows of all parts of what `of` adds for a row, in the order of the parts.
fn sums(
    parts: &[Part],
    plan: &Plan,
    at: usize,
    of: impl Fn(&Part, usize, &mut [f64]) + Sync,
    width: usize,
) -> Vec<f64> {
    let input = &plan.inputs[at];
    let each: Vec<Vec<f64>> = (parts.par_iter())
        .map(|part| {
            let mut sums = vec![0.0; width];
            for row in 0..part.values[at].nrows() {
                if plan.is_known(row, input, part.sequences) {
                    of(part, row, &mut sums);
                }
            }
            sums
        })
        .collect();
    let mut total = vec![0.0; width];
    for sums in &each {
        total.iter_mut().zip(sums).for_each(|(t, s)| *t += s);
    }
    total
}

fn known_rows(parts: &[Part], plan: &Plan, at: usize) -> f64 {
    let sequences: usize = parts.iter().map(|p| p.sequences).sum();
    (sequences * plan.inputs[at].known) as f64
}

fn row(values: impl Iterator<Item = f64>, width: usize) -> Array2<f32> {
    let values: Vec<f32> = values.map(|v| v as f32).collect();
    let mut row = Array2::zeros((1, width));
    row.iter_mut().zip(values).for_each(|(to, v)| *to = v);
    row
}

/// The statistics of what layer `at` reads.
pub(super) fn statistics(parts: &[Part], plan: &Plan, at: usize) -> Statistics {
    let channels = plan.inputs[at].channels;
    let n = known_rows(parts, plan, at);
    let total = sums(
        parts,
        plan,
        at,
        |part, row, sums| {
            for (sum, v) in sums.iter_mut().zip(part.values[at].row(row)) {
                *sum += f64::from(*v);
            }
        },
        channels,
    );
    let means: Vec<f64> = total.iter().map(|s| s / n).collect();
    let squares = sums(
        parts,
        plan,
        at,
        |part, row, sums| {
            let values = part.values[at].row(row);
            for ((sum, v), mean) in sums.iter_mut().zip(values).zip(&means) {
                *sum += (f64::from(*v) - mean).powi(2);
            }
        },
        channels,
    );
    Statistics {
        mean: row(means.iter().copied(), channels),
        variance: row(squares.iter().map(|s| s / n), channels),
    }
}

/// Goes back through the normalisation `at`: the gradients of scale and shift, and in every part those
/// of what it read, which reach it through the statistics, too. Takes the last of `statistics`.
pub(super) fn backward(
    parts: &mut [Part],
    plan: &Plan,
    at: usize,
    layer: &FittedLayer,
    statistics: &mut Vec<Statistics>,
) -> FittedLayer {
    let (FittedLayer::BatchNorm { scale, .. }, Some(by)) = (layer, statistics.pop()) else {
        unreachable!("a normalisation has left its statistics");
    };
    let channels = scale.len();
    let n = known_rows(parts, plan, at);
    let inverse = by.inverse();
    let normal = |part: &Part, row: usize, channel: usize| {
        (part.values[at][[row, channel]] - by.mean[[0, channel]]) * inverse[[0, channel]]
    };
    // Of the shift, then of the scale.
    let total = sums(
        parts,
        plan,
        at,
        |part, row, sums| {
            let (shift, scale) = sums.split_at_mut(channels);
            for (channel, g) in part.gradient.row(row).into_iter().enumerate() {
                shift[channel] += f64::from(*g);
                scale[channel] += f64::from(g * normal(part, row, channel));
            }
        },
        2 * channels,
    );
    let (of_shift, of_scale) = total.split_at(channels);
    let input = &plan.inputs[at];
    parts.par_iter_mut().for_each(|part| {
        let mut gradient = std::mem::take(&mut part.gradient);
        for (row, mut gradient) in gradient.rows_mut().into_iter().enumerate() {
            if !plan.is_known(row, input, part.sequences) {
                gradient.fill(0.0);
                continue;
            }
            for (channel, g) in gradient.iter_mut().enumerate() {
                let mean = (of_shift[channel] / n) as f32;
                let along = (of_scale[channel] / n) as f32 * normal(part, row, channel);
                *g = scale[[0, channel]] * inverse[[0, channel]] * (*g - mean - along);
            }
        }
        part.gradient = gradient;
    });
    FittedLayer::BatchNorm {
        scale: row(of_scale.iter().copied(), channels),
        shift: row(of_shift.iter().copied(), channels),
        mean: Array2::zeros((1, channels)),
        variance: Array2::zeros((1, channels)),
    }
}
