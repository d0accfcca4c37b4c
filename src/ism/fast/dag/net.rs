//! A graph of position-wise and local operators, free of ONNX.

use super::super::network::{Cell, Elementwise};
use super::weights::Weights;

/// Number of an operator, and of its value.
pub(super) type Id = usize;

/// What a value is, for one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `[length, channels]`, positions outermost.
    Positions {
        /// Positions.
        length: usize,
        /// Channels.
        channels: usize,
    },
    /// `[features]`: of the whole window.
    Flat(usize),
}

impl Form {
    /// Floats of a position, or of a window.
    pub(super) fn row(self) -> usize {
        match self {
            Self::Positions { channels, .. } => channels,
            Self::Flat(features) => features,
        }
    }

    /// Positions; a flat value is one.
    pub(super) fn length(self) -> usize {
        match self {
            Self::Positions { length, .. } => length,
            Self::Flat(_) => 1,
        }
    }
}

/// Positions `[from, to)`; none where they are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Span {
    pub(super) fn len(self) -> usize {
        self.to - self.from
    }

    pub(super) fn is_empty(self) -> bool {
        self.from == self.to
    }

    /// The least stretch that holds both.
    pub(super) fn hull(self, other: Self) -> Self {
        match (self.is_empty(), other.is_empty()) {
            (true, _) => other,
            (_, true) => self,
            _ => Self {
                from: self.from.min(other.from),
                to: self.to.max(other.to),
            },
        }
    }
}

/// A convolution along the positions.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    pub(super) width: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    /// Zero positions before the first.
    pub(super) left: usize,
    /// By group: `[width * inputs of the group, outputs of the group]`.
    pub(super) weights: Vec<Weights>,
    pub(super) bias: Vec<f32>,
}

impl Convolution {
    /// The position that an output reads with a tap, which may be padding.
    pub(super) fn position(&self, output: usize, tap: usize) -> Option<usize> {
        (output * self.stride + tap * self.dilation).checked_sub(self.left)
    }

    /// Whether what differences of inputs give is made of fewer products than outputs made again: where more outputs
    /// are reached than inputs have changed.
    pub(super) fn by_differences(&self, changed: usize, reached: usize) -> bool {
        self.weights.len() == 1 && changed < reached
    }

    /// The output that reads a position with a tap.
    pub(super) fn output(&self, position: usize, tap: usize) -> Option<usize> {
        let first = (position + self.left).checked_sub(tap * self.dilation)?;
        (first % self.stride == 0).then(|| first / self.stride)
    }

    /// The outputs that read any of these positions.
    fn reached(&self, span: Span, length: usize) -> Span {
        let reach = (self.width - 1) * self.dilation;
        let (from, last) = (span.from + self.left, span.to - 1 + self.left);
        let from = from.saturating_sub(reach).div_ceil(self.stride);
        let to = (last / self.stride + 1).min(length);
        Span {
            from: from.min(to),
            to,
        }
    }
}

/// Of two values, position by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
}

impl Join {
    pub(super) fn of(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            // What is not a number stays so.
            Self::Max => {
                if a > b || a.is_nan() {
                    a
                } else {
                    b
                }
            }
            Self::Min => {
                if a < b || a.is_nan() {
                    a
                } else {
                    b
                }
            }
        }
    }

    /// Joins values into others, of which they are the first or (`turned`: the other way round) the second.
    pub(super) fn rows(self, to: &mut [f32], from: &[f32], turned: bool) {
        fn each(to: &mut [f32], from: &[f32], of: impl Fn(f32, f32) -> f32) {
            to.iter_mut().zip(from).for_each(|(a, b)| *a = of(*a, *b));
        }
        // One loop for each, so that the commonest are vectors.
        match (self, turned) {
            (Self::Add, _) => each(to, from, |a, b| a + b),
            (Self::Mul, _) => each(to, from, |a, b| a * b),
            (join, false) => each(to, from, |a, b| join.of(a, b)),
            (join, true) => each(to, from, |a, b| join.of(b, a)),
        }
    }
}

/// What is made of cells of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    Max,
    /// Sums over divisors.
    Mean,
}

/// An operator.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// The one-hot input, its channels in the model's own order.
    Input,
    Conv(Convolution),
    /// Cells of positions, ascending, each a position of the result.
    Pool(Pool, Vec<Cell>),
    /// A pool of all positions.
    Global(Pool, Cell),
    /// Each value by itself.
    Map(Elementwise),
    /// Mean 0 and variance 1 over the channels of each position, then a scale and a shift.
    Norm {
        scale: Vec<f32>,
        shift: Vec<f32>,
        epsilon: f32,
    },
    Join(Join),
    /// Channels (or features) of several values, one behind the other.
    Concat,
    /// Channels (or features) `from..`, as many as the result has.
    Channels(usize),
    /// Channels (or features) in another order, each with where it was.
    Order(Vec<usize>),
    /// Positions from the last to the first.
    Turn,
    /// Positions from `from` on, as many as the result has; zero where the value has none.
    Crop(isize),
    /// All positions in one row: features by position, or by channel.
    Flatten {
        position_major: bool,
    },
    /// `[inputs, outputs]` and bias; of positions, the inputs of one behind those of the one before.
    Dense(Weights, Vec<f32>),
}

/// An operator with what it reads.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) op: Op,
    pub(super) inputs: Vec<Id>,
    pub(super) form: Form,
}

/// The network: operators behind those that they read, the input first.
#[derive(Clone, Debug)]
pub(super) struct Net {
    pub(super) nodes: Vec<Node>,
    /// Whose values are asked for: the activities, which are the last; or what is read above a cut.
    pub(super) outputs: Vec<Id>,
    /// Row of each base code on the input's axis of four.
    pub(super) rows: [u8; 4],
}

impl Net {
    /// Whether an operator's value is read by one other, once, and not asked for: that one may have its
    /// memory.
    pub(super) fn read_once(&self, id: Id) -> bool {
        let readers = self.nodes[id + 1..].iter().flat_map(|node| &node.inputs);
        readers.chain(&self.outputs).filter(|i| **i == id).count() == 1
            && !self.outputs.contains(&id)
    }

    /// The stretch of an operator's positions that changes where those that it reads do.
    pub(super) fn reached(&self, id: Id, inputs: &[Span]) -> Span {
        let node = &self.nodes[id];
        let (Form::Positions { length, .. }, Some(&first)) = (node.form, inputs.first()) else {
            return Span { from: 0, to: 1 };
        };
        let all = inputs.iter().fold(Span::default(), |all, &s| all.hull(s));
        if all.is_empty() {
            return Span::default();
        }
        match &node.op {
            Op::Conv(conv) => conv.reached(first, length),
            Op::Pool(_, cells) => {
                let from = cells.partition_point(|cell| cell.to <= first.from);
                let to = cells.partition_point(|cell| cell.from < first.to);
                Span {
                    from: from.min(to),
                    to,
                }
            }
            Op::Turn => Span {
                from: length - first.to,
                to: length - first.from,
            },
            Op::Crop(begin) => {
                let moved = |p: usize| (p as isize - begin).clamp(0, length as isize) as usize;
                Span {
                    from: moved(first.from),
                    to: moved(first.to),
                }
            }
            _ => all,
        }
    }

    /// The stretches that a change of the base at this column reaches, by operator.
    pub(super) fn spans(&self, column: usize) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::with_capacity(self.nodes.len());
        for (id, node) in self.nodes.iter().enumerate() {
            let inputs: Vec<Span> = node.inputs.iter().map(|&i| spans[i]).collect();
            spans.push(match node.op {
                Op::Input => Span {
                    from: column,
                    to: column + 1,
                },
                _ => self.reached(id, &inputs),
            });
        }
        spans
    }

    /// Products of a weight and a value, of a whole window and of those that a change of the base at this
    /// column alters.
    pub(super) fn products(&self, column: usize) -> (u64, u64) {
        let spans = self.spans(column);
        let (mut whole, mut changed) = (0, 0);
        for (node, span) in self.nodes.iter().zip(&spans) {
            let (each, of, reached) = match &node.op {
                Op::Conv(conv) => {
                    let all: usize = conv.weights.iter().map(|w| w.len()).sum();
                    let from = spans[node.inputs[0]];
                    let taps =
                        (from.from..from.to).flat_map(|p| (0..conv.width).map(move |t| (p, t)));
                    let outputs = taps.filter_map(|(p, tap)| conv.output(p, tap));
                    let read = outputs.filter(|o| (span.from..span.to).contains(o)).count();
                    (all / conv.width, node.form.length() * conv.width, read)
                }
                Op::Dense(weights, _) => match self.nodes[node.inputs[0]].form {
                    Form::Positions { length, .. } => {
                        let each = weights.len() / length.max(1);
                        (each, length, spans[node.inputs[0]].len())
                    }
                    Form::Flat(_) => (weights.len(), 1, 1),
                },
                _ => (0, 0, 0),
            };
            whole += (each * of) as u64;
            changed += (each * reached) as u64;
        }
        (whole, changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against asking every output what it reads.
    #[test]
    fn convolutions_reach_the_outputs_that_read_a_position() {
        for (width, stride, dilation, left) in [
            (3, 1, 1, 0),
            (3, 2, 1, 1),
            (4, 3, 2, 5),
            (1, 4, 1, 0),
            (5, 1, 4, 8),
        ] {
            let conv = Convolution {
                width,
                stride,
                dilation,
                left,
                weights: Vec::new(),
                bias: Vec::new(),
            };
            for (length, outputs) in [(30, 5), (30, 12), (30, 30)] {
                for from in 0..length {
                    for to in from + 1..=length.min(from + 4) {
                        let reached = conv.reached(Span { from, to }, outputs);
                        for (o, tap) in (0..outputs).flat_map(|o| (0..width).map(move |t| (o, t))) {
                            if let Some(position) = conv.position(o, tap) {
                                assert_eq!(conv.output(position, tap), Some(o));
                            }
                        }
                        let touching: Vec<usize> = (0..outputs)
                            .filter(|o| {
                                (0..width)
                                    .filter_map(|t| conv.position(*o, t))
                                    .any(|p| (from..to).contains(&p))
                            })
                            .collect();
                        for o in touching {
                            assert!((reached.from..reached.to).contains(&o));
                        }
                    }
                }
            }
        }
    }
}
