//! The trunk as the fast engine runs it: a prefix of layers that is looked up by k-mer, then
//! stages that are computed.
//!
//! # Coordinates
//! A value of any layer is named by the leftmost base of its receptive field. So an interior value
//! (its whole field lies within the window) has the same name and the same value in every window
//! that holds it, and a change at base `g` reaches, of a layer whose field spans `n` bases, the
//! values `g - n + 1 ..= g` and no others.
//!
//! # Projected rows
//! A convolution over known rows is a sum: `out[p] = bias + sum over taps i of row[p + i d][i]`
//! with `row[q][i] = W_i value[q]`. Rows are projected once (for a table: when it is built), and
//! an edit then needs sums only: over `k` edited rows and a few that are not.

use super::network::{Conv, Elementwise, Function, Network, relu};
use super::simd::padded;
use crate::job::address_space_left;

/// A convolution over projected rows.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Outputs, padded.
    pub(super) row: usize,
    pub(super) width: usize,
    pub(super) dilation: usize,
    /// `[inputs, width, row]`: what projects a value to its row.
    pub(super) weight: Vec<f32>,
    /// `[row]`
    pub(super) bias: Vec<f32>,
    /// Whether a ReLU comes first of what follows.
    pub(super) relu: bool,
    /// What follows behind that.
    pub(super) after: Vec<Elementwise>,
}

impl Stage {
    pub(super) fn new(conv: &Conv) -> Self {
        let row = padded(conv.outputs);
        let mut weight = vec![0.0; conv.inputs * conv.width * row];
        for o in 0..conv.outputs {
            for i in 0..conv.inputs {
                for t in 0..conv.width {
                    weight[(i * conv.width + t) * row + o] =
                        conv.weight[(o * conv.inputs + i) * conv.width + t];
                }
            }
        }
        let mut bias = conv.bias.clone();
        bias.resize(row, 0.0);
        let relu = conv.after.first() == Some(&Elementwise::Function(Function::Relu));
        Self {
            inputs: conv.inputs,
            outputs: conv.outputs,
            row,
            width: conv.width,
            dilation: conv.dilation,
            weight,
            bias,
            relu,
            after: conv.after[usize::from(relu)..].to_vec(),
        }
    }

    /// Floats of a projected row.
    pub(super) fn projected(&self) -> usize {
        self.width * self.row
    }

    pub(super) fn reach(&self) -> usize {
        self.dilation * (self.width - 1)
    }

    /// What follows the sums, on rows of `self.row` floats.
    pub(super) fn finish(&self, rows: &mut [f32]) {
        if self.relu {
            rows.iter_mut().for_each(|x| *x = relu(*x));
        }
        for step in &self.after {
            step.apply(rows, self.row);
        }
    }
}

/// Where a layer's values are in a framed context: the rest is zero padding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Zero columns before the layers up to this one, summed.
    pub(super) left: usize,
    /// Values of the layer.
    pub(super) length: usize,
}

/// Limits of what may be tabulated.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the table.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // Where memory is limited half of what is left: the rest is for passes and results.
        let left = address_space_left().map_or(usize::MAX, |left| (left / 2) as usize);
        Self {
            bytes: left.min(768 << 20),
        }
    }
}

/// The trunk's layers, divided.
#[derive(Clone, Debug)]
pub(super) struct Trunk {
    /// All layers, as stages.
    pub(super) layers: Vec<Stage>,
    /// Zero padding of each layer.
    pub(super) pads: Vec<(usize, usize)>,
    /// Layers in the table; 0: rows are those of single bases.
    pub(super) depth: usize,
    /// Whether the table's rows are projected for the next layer.
    pub(super) projected: bool,
    /// Bases of the table's words.
    pub(super) k: usize,
    /// Bases of the trunk's receptive field.
    pub(super) span: usize,
    /// For 0..=layers: of the values of this layer (0: the input).
    pub(super) bounds: Vec<Bounds>,
}

impl Trunk {
    pub(super) fn new(network: &Network, limits: Limits) -> Self {
        let layers: Vec<Stage> = network.convs.iter().map(Stage::new).collect();
        let pads: Vec<(usize, usize)> = network.convs.iter().map(|c| c.pads).collect();
        let mut bounds = vec![Bounds {
            left: 0,
            length: network.length,
        }];
        for (conv, last) in network.convs.iter().zip(0..) {
            let Bounds { left, length } = bounds[last];
            bounds.push(Bounds {
                left: left + conv.pads.0,
                length: length + conv.pads.0 + conv.pads.1 - conv.reach(),
            });
        }
        let span = 1 + layers.iter().map(Stage::reach).sum::<usize>();
        let (depth, projected) = divide(&layers, limits);
        let k = 1 + layers[..depth].iter().map(Stage::reach).sum::<usize>();
        Self {
            layers,
            pads,
            depth,
            projected,
            k,
            span,
            bounds,
        }
    }

    /// The layers behind the table.
    pub(super) fn stages(&self) -> &[Stage] {
        &self.layers[self.depth..]
    }

    /// Floats of a table row.
    pub(super) fn table_row(&self) -> usize {
        table_row(&self.layers, self.depth, self.projected)
    }

    /// Floats of a row of the last layer's values.
    pub(super) fn value_row(&self) -> usize {
        self.layers.last().map_or(0, |l| l.row)
    }

    /// Zero columns in front of and behind the frame, over all layers.
    pub(super) fn all_pads(&self) -> (usize, usize) {
        let sum = |f: fn(&(usize, usize)) -> usize| self.pads.iter().map(f).sum();
        (sum(|p| p.0), sum(|p| p.1))
    }

    /// Zero columns of the tabulated layers behind the first: as far from the ends the table's
    /// words do not know of them.
    pub(super) fn deep_pads(&self) -> (usize, usize) {
        let deep = self.pads.get(1..self.depth).unwrap_or(&[]);
        (
            deep.iter().map(|p| p.0).sum(),
            deep.iter().map(|p| p.1).sum(),
        )
    }

    /// Values of the trunk's output a window.
    pub(super) fn length(&self) -> usize {
        self.bounds.last().map_or(0, |b| b.length)
    }

    /// One line for logs.
    pub(super) fn text(&self) -> String {
        let channels = |i: usize| self.layers[i].outputs;
        let mut text = if self.depth == 0 {
            "rows of single bases".into()
        } else {
            format!(
                "table of {}-mers ({} channels{}, {} MB)",
                self.k,
                channels(self.depth - 1),
                if self.projected { ", projected" } else { "" },
                ((self.table_row() * 4) << (2 * self.k)).div_ceil(1_000_000)
            )
        };
        for stage in self.stages() {
            text += &format!(", convolution {} x {}", stage.outputs, stage.width);
        }
        text
    }
}

fn table_row(layers: &[Stage], depth: usize, projected: bool) -> usize {
    match layers.get(depth) {
        Some(next) if projected => next.projected(),
        _ => layers[depth - 1].row,
    }
}

/// How many layers to tabulate: as many as fit, projected if that fits too.
fn divide(layers: &[Stage], limits: Limits) -> (usize, bool) {
    for depth in (1..=layers.len()).rev() {
        let k = 1 + layers[..depth].iter().map(Stage::reach).sum::<usize>();
        if k > 12 {
            continue;
        }
        for projected in [true, false] {
            if projected && depth == layers.len() {
                continue;
            }
            let bytes = (table_row(layers, depth, projected) * 4) << (2 * k);
            if bytes <= limits.bytes {
                return (depth, projected);
            }
        }
    }
    (0, true)
}
