//! What leads from the trunk's values to the first dense layer: cells, weights and constants.
//!
//! - Without a pool, or with means, the first dense layer is a weight for every position and
//!   channel: an effect is a sum over the reached positions of (edited - reference) * weight. Where weights run
//!   along lines, sums of differences are weighed instead ([`super::bends`]).
//! - With a max pool, an edit changes of each cell that it reaches the maximum: it is that of the
//!   values before the reached ones, the edited ones and the values behind.
//! - With a function between pool and dense layer, the cells' features are made and passed
//!   through it: exact for everything, and slower.
//!
//! Of a framed window, positions that no base of the window reaches never change: they are
//! summed (or maximised) once for all windows.

use super::bends::Bends;
use super::floats::Floats;
use super::kernels::Part;
use super::network::{Cell, Elementwise, Network, Reduction};
use super::simd::padded;

/// How edits are turned into differences of the first dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Blocks hold differences; weights are by position.
    Linear,
    /// Blocks hold values; weights are by cell.
    Max,
    /// Likewise, through a function; blocks hold differences if the pool is a mean.
    Features,
}

/// One cell's part that can change.
#[derive(Clone, Debug)]
pub(super) struct Active {
    /// Positions of it that some base of the window reaches.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Maximum, or sum, of its other positions.
    pub(super) fixed: Floats,
    /// What a mean divides by.
    pub(super) divisor: f32,
    /// Its index among the rows of weights.
    pub(super) weights: usize,
}

/// The reduction with its weights.
#[derive(Clone, Debug)]
pub(super) struct Reducer {
    pub(super) way: Way,
    /// Outputs of the first dense layer, rounded up to a multiple of 4.
    pub(super) padded_heads: usize,
    /// Floats of a row of channels.
    pub(super) row: usize,
    /// Positions that some base of the window reaches.
    pub(super) from: usize,
    pub(super) to: usize,
    /// `[positions or cells, padded_heads, row]`
    pub(super) weights: Floats,
    /// The bias and the part of the positions that never change.
    pub(super) constant: Vec<f32>,
    pub(super) cells: Vec<Active>,
    /// Whether pools are means.
    pub(super) mean: bool,
    /// What stands between pool and dense layer.
    pub(super) pooled: Vec<Elementwise>,
    /// The weights as lines along the window, where they are.
    pub(super) bends: Option<Bends>,
    /// Positions that a change reaches, one behind the other, with their weights.
    pub(super) by_position: Vec<Part>,
}

impl Reducer {
    /// `blank` holds the trunk's values of a frame without bases, `[positions, row]`; bases reach
    /// the positions `reached`, each of them `span` ones.
    pub(super) fn new(
        network: &Network,
        blank: &[f32],
        reached: (usize, usize),
        span: usize,
    ) -> Self {
        let channels = network.channels();
        let row = padded(channels);
        let dense = &network.head[0];
        let heads = dense.outputs;
        let padded_heads = heads.next_multiple_of(4);
        let mean = network.reduction == Reduction::Mean;
        let way = match (network.reduction, network.pooled.is_empty()) {
            (Reduction::Max, true) => Way::Max,
            (_, true) => Way::Linear,
            (_, false) => Way::Features,
        };
        let (from, to) = reached;
        let positions = blank.len() / row;
        let mut constant: Vec<f64> = dense.bias.iter().map(|&b| f64::from(b)).collect();
        let weight = |h: usize, cell: usize, c: usize| -> f32 {
            dense.weight[h * dense.inputs + cell * channels + c]
        };
        let mut cells = Vec::new();
        let weights;
        if way == Way::Linear {
            let mut sums = vec![0.0f64; positions * padded_heads * row];
            for (i, cell) in network.cells.iter().enumerate() {
                for p in cell.from..cell.to {
                    for h in 0..heads {
                        for c in 0..channels {
                            sums[(p * padded_heads + h) * row + c] +=
                                f64::from(weight(h, i, c)) / cell.divisor as f64;
                        }
                    }
                }
            }
            for p in (0..positions).filter(|p| !(from..to).contains(p)) {
                for h in 0..heads {
                    let weights = &sums[(p * padded_heads + h) * row..][..channels];
                    let values = &blank[p * row..][..channels];
                    let products = weights.iter().zip(values).map(|(w, v)| w * f64::from(*v));
                    constant[h] += products.sum::<f64>();
                }
            }
            weights = sums.into_iter().map(|w| w as f32).collect();
        } else {
            let mut rows = vec![0.0; network.cells.len() * padded_heads * row];
            for (i, cell) in network.cells.iter().enumerate() {
                for h in 0..heads {
                    for c in 0..channels {
                        rows[(i * padded_heads + h) * row + c] = weight(h, i, c);
                    }
                }
                let inside = Cell {
                    from: cell.from.max(from),
                    to: cell.to.min(to),
                    ..*cell
                };
                let mut fixed = vec![if mean { 0.0 } else { f32::NEG_INFINITY }; row];
                for p in (cell.from..cell.to).filter(|p| !(from..to).contains(p)) {
                    for (fixed, v) in fixed.iter_mut().zip(&blank[p * row..][..row]) {
                        *fixed = if mean { *fixed + v } else { fixed.max(*v) };
                    }
                }
                if inside.from < inside.to {
                    cells.push(Active {
                        from: inside.from,
                        to: inside.to,
                        fixed: fixed.as_slice().into(),
                        divisor: cell.divisor as f32,
                        weights: i,
                    });
                    continue;
                }
                if mean {
                    fixed.iter_mut().for_each(|v| *v /= cell.divisor as f32);
                }
                for step in &network.pooled {
                    step.apply(&mut fixed, row);
                }
                for (h, sum) in constant.iter_mut().enumerate() {
                    for (c, v) in fixed[..channels].iter().enumerate() {
                        *sum += f64::from(weight(h, i, c)) * f64::from(*v);
                    }
                }
            }
            weights = rows;
        }
        let mut constant: Vec<f32> = constant.into_iter().map(|c| c as f32).collect();
        constant.resize(padded_heads, 0.0);
        let bends = match way {
            Way::Linear if from < to => {
                let each = padded_heads * row;
                let changing: &[f32] = &weights[from * each..to * each];
                Bends::find(changing, (padded_heads, row), span)
            }
            _ => None,
        };
        Self {
            way,
            padded_heads,
            row,
            from,
            to,
            weights: weights.as_slice().into(),
            constant,
            cells,
            mean,
            pooled: network.pooled.clone(),
            bends,
            by_position: (0..span)
                .map(|p| Part {
                    row: p,
                    weights: p * padded_heads * row,
                })
                .collect(),
        }
    }

    /// Whether blocks hold differences rather than values.
    pub(super) fn takes_differences(&self) -> bool {
        self.way == Way::Linear || self.mean
    }
}
