//! How far rounding may move a window's activities: what two engines that sum in different orders may
//! differ by, and no more.
//!
//! Errors are taken for independent, so their squares add up: an operator passes on those of what it
//! reads, times the squares of its slopes, and adds one of its own, a unit in the last place of the sum of
//! the absolute values of what it sums. A sum of a thousand terms that cancel to almost nothing has thus
//! the error of its terms.

use super::super::network::Elementwise;
use super::net::{Join, Net, Node, Op, Pool};
use super::reference::{Made, Reference};
use super::rows::compute;

/// Half a unit in the last place of 1.
const UNIT: f32 = f32::EPSILON / 2.0;

/// A network's rounding.
#[derive(Clone, Debug)]
pub(super) struct Rounding {
    /// The network with the absolute values of its weights, and with their squares and no shifts.
    absolute: Net,
    squared: Net,
}

impl Rounding {
    pub(super) fn new(net: &Net) -> Self {
        let with = |of: fn(f32) -> f32, shifts: bool| {
            let mut net = net.clone();
            for node in &mut net.nodes {
                let (weights, bias) = match &mut node.op {
                    Op::Conv(conv) => (&mut conv.weights[..], &mut conv.bias),
                    Op::Dense(weights, bias) => (std::slice::from_mut(weights), bias),
                    _ => continue,
                };
                weights.iter_mut().for_each(|w| *w = w.map(|w| of(*w)));
                let shift = |b: &mut f32| *b = if shifts { of(*b) } else { 0.0 };
                bias.iter_mut().for_each(shift);
            }
            net
        };
        Self {
            absolute: with(f32::abs, true),
            squared: with(|w| w * w, false),
        }
    }

    /// Standard deviations of what is asked for of a window that has been run: by output of the network,
    /// in the order of its values.
    pub(super) fn of(&self, net: &Net, reference: &Reference) -> Vec<Vec<f32>> {
        let sizes: Vec<Vec<f32>> = (reference.values.iter())
            .map(|values| values.iter().map(|v| v.abs()).collect())
            .collect();
        let mut errors: Vec<Vec<f32>> = Vec::with_capacity(net.nodes.len());
        let mut patches = Vec::new();
        for (id, node) in net.nodes.iter().enumerate() {
            let errors_of_inputs: Vec<&[f32]> =
                node.inputs.iter().map(|&i| &errors[i][..]).collect();
            let mut own = passed(net, node, id, reference, &errors_of_inputs);
            if own.is_none() {
                let places: Vec<_> = (0..node.form.length()).map(|p| (0, p)).collect();
                let mut run = |net: &Net, values: &[Vec<f32>]| {
                    let made = Made {
                        net,
                        values,
                        inputs: &node.inputs,
                    };
                    let mut out = Vec::new();
                    compute(net, &net.nodes[id], &places, &made, &mut out, &mut patches);
                    out
                };
                let sums = matches!(node.op, Op::Conv(_) | Op::Dense(..));
                let terms = sums.then(|| run(&self.absolute, &sizes));
                let mut moved = run(&self.squared, &errors);
                for (error, terms) in moved.iter_mut().zip(terms.iter().flatten()) {
                    *error += (UNIT * terms).powi(2);
                }
                own = Some(moved);
            }
            errors.push(own.unwrap_or_default());
        }
        let roots = |id: &usize| errors[*id].iter().map(|e| e.sqrt()).collect();
        net.outputs.iter().map(roots).collect()
    }
}

/// Squares of errors behind an operator that is neither a sum with weights nor a mere move of values.
fn passed(
    net: &Net,
    node: &Node,
    id: usize,
    reference: &Reference,
    errors: &[&[f32]],
) -> Option<Vec<f32>> {
    let out = &reference.values[id];
    let value = |n: usize| &reference.values[node.inputs[n]];
    let row = node.form.row();
    Some(match &node.op {
        Op::Input => vec![0.0; out.len()],
        Op::Map(Elementwise::Affine { scale, shift }) => {
            (errors[0].iter().zip(value(0)).enumerate())
                .map(|(i, (e, x))| {
                    let (scale, shift) = (scale[i % row], shift[i % row]);
                    e * scale * scale + (UNIT * ((x * scale).abs() + shift.abs())).powi(2)
                })
                .collect()
        }
        Op::Map(Elementwise::Function(f)) => (errors[0].iter().zip(value(0)).zip(out))
            .map(|((e, x), y)| {
                let step = 1e-3 * x.abs().max(0.1);
                let slope = (f.of(x + step) - f.of(x - step)) / (2.0 * step);
                let slope = if slope.is_finite() { slope } else { 1.0 };
                e * slope * slope + (4.0 * UNIT * y).powi(2)
            })
            .collect(),
        Op::Norm { scale, epsilon, .. } => {
            let rows = value(0).chunks_exact(row).zip(errors[0].chunks_exact(row));
            let mut all = Vec::with_capacity(out.len());
            for (values, errors) in rows {
                let mean = values.iter().sum::<f32>() / row as f32;
                let squares: f32 = values.iter().map(|v| (v - mean).powi(2)).sum();
                let deviation = (squares / row as f32 + epsilon).sqrt();
                let shared = errors.iter().sum::<f32>() / row as f32;
                all.extend(errors.iter().zip(scale).zip(values).map(|((e, scale), v)| {
                    let slope = scale / deviation;
                    2.0 * (e + shared + (UNIT * (v.abs() + mean.abs())).powi(2)) * slope * slope
                }));
            }
            all
        }
        Op::Join(join) => {
            let values = value(0).iter().zip(value(1));
            let errors = errors[0].iter().zip(errors[1]);
            let of = |((a, b), (ea, eb)): ((&f32, &f32), (&f32, &f32))| match join {
                Join::Add | Join::Sub => ea + eb + (UNIT * (a.abs() + b.abs())).powi(2),
                Join::Mul => b * b * ea + a * a * eb + (UNIT * a * b).powi(2),
                Join::Div => ea / (b * b) + (a / (b * b)).powi(2) * eb + (UNIT * a / b).powi(2),
                Join::Max | Join::Min => ea.max(*eb),
            };
            values.zip(errors).map(of).collect()
        }
        Op::Pool(pool, cells) => {
            let cells = cells.iter().map(|cell| (cell.from..cell.to, cell.divisor));
            let cells: Vec<_> = cells.collect();
            pooled(*pool, &cells, value(0), errors[0], row)
        }
        Op::Global(pool, cell) => {
            let length = net.nodes[node.inputs[0]].form.length();
            pooled(
                *pool,
                &[(0..length, cell.divisor)],
                value(0),
                errors[0],
                row,
            )
        }
        _ => return None,
    })
}

fn pooled(
    pool: Pool,
    cells: &[(std::ops::Range<usize>, usize)],
    values: &[f32],
    errors: &[f32],
    row: usize,
) -> Vec<f32> {
    let mut all = Vec::with_capacity(cells.len() * row);
    for (positions, divisor) in cells {
        for channel in 0..row {
            let at = positions.clone().map(|p| p * row + channel);
            all.push(match pool {
                Pool::Max => at.map(|i| errors[i]).fold(0.0, f32::max),
                Pool::Mean => {
                    let (mut error, mut terms) = (0.0, 0.0);
                    for i in at {
                        error += errors[i];
                        terms += values[i].abs();
                    }
                    (error + (UNIT * terms).powi(2)) / (*divisor as f32).powi(2)
                }
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::super::net::{Convolution, Form};
    use super::*;

    /// Terms of a thousand that cancel: an error of their size, not of the sum's.
    #[test]
    fn sums_that_cancel_have_the_error_of_their_terms() {
        let conv = Convolution {
            width: 1,
            stride: 1,
            dilation: 1,
            left: 0,
            weights: vec![
                array![[1000.0, 1.0], [1000.0, 1.0], [1000.0, 1.0], [1000.0, 1.0]].into(),
            ],
            bias: vec![-999.5, 0.0],
        };
        let positions = |channels| Form::Positions {
            length: 3,
            channels,
        };
        let node = |op, inputs, form| Node { op, inputs, form };
        let dense = Op::Dense(Array2::ones((6, 1)).into(), vec![0.0]);
        let net = Net {
            nodes: vec![
                node(Op::Input, vec![], positions(4)),
                node(Op::Conv(conv), vec![0], positions(2)),
                node(dense, vec![1], Form::Flat(1)),
            ],
            outputs: vec![2],
            rows: [0, 1, 2, 3],
        };
        let mut reference = Reference::default();
        reference.run(&net, &[0, 1, 2], 0, false);
        assert_eq!(reference.activities(), [3.0 * 0.5 + 3.0]);
        let error = Rounding::new(&net).of(&net, &reference)[0][0];
        // Three positions, each a sum of 1,000 and 999.5.
        let expected = UNIT * 1999.5 * 3f32.sqrt();
        assert!((error / expected - 1.0).abs() < 0.01, "{error} {expected}");
    }
}
