//! From an ONNX graph to the normal form of [`Network`], or the reason why not.
//!
//! The graph must be one chain from the input to the output: every tensor on it has one consumer.
//! What each axis means (sequence, channels, or a leftover of length one) is carried along, so
//! that transposes, reshapes and two-dimensional convolutions with a flat kernel cost nothing.

use ndarray::{Array2, ArrayView3, Axis as Along};

use super::Unsupported;
use super::network::{Cell, Conv, Dense, Elementwise, Network, Reduction};
use super::ops::{Operators, values};
use crate::model::onnx::{Axes, Axis, Graph, GraphError, NodeProto, Step};
use crate::model::{ModelFile, ModelSpec};

/// More tensors than this on one side of a dense layer are not worth unrolling.
const LARGEST_HEAD: usize = 1 << 26;

/// Reads the graph.
pub(super) fn read(file: &ModelFile, spec: &ModelSpec) -> Result<Network, Unsupported> {
    let graph = Graph::new(file.graph())?;
    let mut reader = Reader::new(&graph, spec);
    for step in graph.chain(&spec.input) {
        reader.step(&step?)?;
    }
    reader.finish()
}

impl From<GraphError> for Unsupported {
    fn from(error: GraphError) -> Self {
        Self(error.to_string())
    }
}

/// Where on the way from input to output the reader is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Trunk,
    Pooled,
    /// Behind the flatten; whether sequence is the slower axis.
    Flat {
        position_major: bool,
    },
    Head,
}

struct Reader<'a> {
    ops: Operators<'a>,
    stage: Stage,
    network: Network,
    /// Row of each base code on the input's axis of four.
    rows: [u8; 4],
}

impl<'a> Reader<'a> {
    fn new(graph: &'a Graph<'a>, spec: &ModelSpec) -> Self {
        Self {
            ops: Operators {
                graph,
                axes: Axes::of_input(&spec.one_hot),
            },
            stage: Stage::Trunk,
            network: Network {
                length: spec.one_hot.length,
                convs: Vec::new(),
                reduction: Reduction::Nothing,
                cells: Vec::new(),
                pooled: Vec::new(),
                head: Vec::new(),
                pool_text: "no pool".into(),
            },
            rows: spec.one_hot.rows,
        }
    }

    fn no(&self, node: &NodeProto, why: &str) -> Unsupported {
        self.ops.no(node, why)
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), Unsupported> {
        let node = step.node;
        if !node.domain.is_empty() && node.domain != "ai.onnx" {
            return Err(Unsupported(format!(
                "the operator {}.{} is none of ONNX's own",
                node.domain, node.op_type
            )));
        }
        match node.op_type.as_str() {
            "Identity" | "Dropout" => Ok(()),
            "Transpose" => self.transpose(node),
            "Squeeze" | "Unsqueeze" | "Reshape" | "Flatten" => self.reshape(node),
            "Conv" => {
                if node.int("group", 1) != 1 {
                    return Err(self.no(node, "grouped convolutions are not supported"));
                }
                if node.ints("strides").unwrap_or(&[]).iter().any(|&s| s != 1) {
                    return Err(self.no(node, "strides other than 1 are not supported"));
                }
                let (conv, ..) = self.ops.conv(node)?;
                self.push_conv(node, conv)
            }
            "MaxPool" | "AveragePool" | "GlobalMaxPool" | "GlobalAveragePool" | "ReduceMax"
            | "ReduceMean" => self.pool(node),
            "Gemm" => {
                let (weight, bias) = self.ops.gemm(node)?;
                self.push_dense(node, weight, bias)
            }
            "MatMul" => self.matmul(step),
            _ => {
                let elementwise = self.ops.elementwise(step)?;
                self.push_elementwise(node, elementwise)
            }
        }
    }

    fn push_conv(&mut self, node: &NodeProto, mut conv: Conv) -> Result<(), Unsupported> {
        if self.stage != Stage::Trunk {
            return Err(self.no(node, "a convolution behind a pool is not supported"));
        }
        if self.network.convs.is_empty() {
            conv.weight = by_code(&conv, self.rows)
                .ok_or_else(|| self.no(node, "its weights do not fit its input"))?;
        }
        self.network.convs.push(conv);
        Ok(())
    }

    fn push_elementwise(&mut self, node: &NodeProto, step: Elementwise) -> Result<(), Unsupported> {
        let network = &mut self.network;
        match self.stage {
            Stage::Trunk => match network.convs.last_mut() {
                Some(conv) => conv.after.push(step),
                None => return Err(self.no(node, "it stands before the first convolution")),
            },
            Stage::Pooled => network.pooled.push(step),
            Stage::Flat { .. } => match step {
                // Without an axis of channels a function of the value is the same everywhere.
                Elementwise::Function(_) => network.pooled.push(step),
                Elementwise::Affine { .. } => {
                    return Err(self.no(
                        node,
                        "scales by feature between flatten and dense are not supported",
                    ));
                }
            },
            Stage::Head => match network.head.last_mut() {
                Some(dense) => dense.after.push(step),
                None => return Err(self.no(node, "there is no dense layer before it")),
            },
        }
        Ok(())
    }

    fn pool(&mut self, node: &NodeProto) -> Result<(), Unsupported> {
        if self.stage != Stage::Trunk {
            return Err(self.no(node, "a second pool is not supported"));
        }
        let (reduction, cells, label) = self.ops.cells(node)?;
        self.network.reduction = reduction;
        self.network.cells = cells;
        self.network.pool_text = label;
        self.stage = Stage::Pooled;
        Ok(())
    }

    fn transpose(&mut self, node: &NodeProto) -> Result<(), Unsupported> {
        if matches!(self.stage, Stage::Flat { .. } | Stage::Head) {
            return Err(self.no(node, "the axes are features"));
        }
        self.ops.axes = self.ops.axes.behind(self.ops.graph, node)?;
        Ok(())
    }

    fn reshape(&mut self, node: &NodeProto) -> Result<(), Unsupported> {
        let before: Vec<Axis> = self.solid_axes();
        self.ops.axes = self.ops.axes.behind(self.ops.graph, node)?;
        if let [Axis::Batch, Axis::Features(_)] = self.ops.axes[..]
            && matches!(self.stage, Stage::Trunk | Stage::Pooled)
        {
            self.flatten(&before);
        }
        Ok(())
    }

    /// Axes longer than one by meaning: batch, channels and length, whatever their lengths.
    fn solid_axes(&self) -> Vec<Axis> {
        let solid = |a: &&Axis| !matches!(a, Axis::Unit);
        self.ops.axes.iter().filter(solid).copied().collect()
    }

    fn flatten(&mut self, before: &[Axis]) {
        if self.stage == Stage::Trunk {
            self.end_trunk();
        }
        let at = |f: fn(&Axis) -> bool| before.iter().position(f);
        let length = at(|a| matches!(a, Axis::Length(_)));
        let channels = at(|a| matches!(a, Axis::Channels(_)));
        self.stage = Stage::Flat {
            position_major: length < channels,
        };
    }

    /// The trunk goes into the flatten without a pool: every position is a cell.
    fn end_trunk(&mut self) {
        let positions = self.axes_length_of_trunk();
        self.network.cells = (0..positions)
            .map(|p| Cell {
                from: p,
                to: p + 1,
                divisor: 1,
            })
            .collect();
        self.stage = Stage::Pooled;
    }

    fn axes_length_of_trunk(&self) -> usize {
        let mut length = self.network.length;
        for conv in &self.network.convs {
            length = (length + conv.pads.0 + conv.pads.1).saturating_sub(conv.reach());
        }
        length
    }

    /// A product with a constant: a dense layer over features, or over the channels of each
    /// position (a convolution of width 1).
    fn matmul(&mut self, step: &Step<'_>) -> Result<(), Unsupported> {
        let node = step.node;
        if !step.comes_first() {
            return Err(self.no(node, "the weights stand on the left"));
        }
        let weight = self.ops.matrix(node)?.reversed_axes();
        let (outputs, inputs) = weight.dim();
        match self.ops.axes.last().copied() {
            Some(Axis::Channels(n)) if self.in_trunk() && self.ops.axes.len() > 2 => {
                if n != inputs {
                    return Err(self.no(node, "its weights do not fit its input"));
                }
                let last = self.ops.axes.len() - 1;
                self.ops.axes[last] = Axis::Channels(outputs);
                let conv = Conv {
                    inputs,
                    outputs,
                    width: 1,
                    dilation: 1,
                    pads: (0, 0),
                    weight: values(weight),
                    bias: vec![0.0; outputs],
                    after: Vec::new(),
                };
                self.push_conv(node, conv)
            }
            _ => self.push_dense(node, weight, vec![0.0; outputs]),
        }
    }

    /// Adds a dense layer over the current features; `weight` is `[outputs, inputs]` in the
    /// graph's feature order.
    fn push_dense(
        &mut self,
        node: &NodeProto,
        weight: Array2<f32>,
        bias: Vec<f32>,
    ) -> Result<(), Unsupported> {
        let (outputs, inputs) = weight.dim();
        if outputs.saturating_mul(inputs) > LARGEST_HEAD {
            return Err(self.no(node, "the dense layer is too large"));
        }
        let features = self.features(node)?;
        if features != inputs || bias.len() != outputs {
            return Err(self.no(node, "its weights do not fit its input"));
        }
        let channels_first = Stage::Flat {
            position_major: false,
        };
        let weight = if self.stage == channels_first {
            let (cells, channels) = (self.network.cells.len(), self.network.channels());
            let by_channel = weight
                .to_shape((outputs, channels, cells))
                .map_err(|_| self.no(node, "its weights do not fit its input"))?;
            values(by_channel.permuted_axes([0, 2, 1]))
        } else {
            values(weight)
        };
        self.stage = Stage::Head;
        self.network.head.push(Dense {
            inputs,
            outputs,
            weight,
            bias,
            after: Vec::new(),
        });
        self.ops.axes = vec![Axis::Batch, Axis::Features(outputs)].into();
        Ok(())
    }

    fn in_trunk(&self) -> bool {
        self.stage == Stage::Trunk
    }

    /// Number of features; flattens axes that are flat in all but name.
    fn features(&mut self, node: &NodeProto) -> Result<usize, Unsupported> {
        match self.ops.axes[..] {
            [Axis::Batch, Axis::Features(n)] => Ok(n),
            [Axis::Batch, Axis::Channels(n)] if self.stage == Stage::Pooled => {
                self.stage = Stage::Flat {
                    position_major: true,
                };
                Ok(n)
            }
            _ => Err(self.no(node, "a dense layer needs [batch, features]")),
        }
    }

    fn finish(mut self) -> Result<Network, Unsupported> {
        if self.network.convs.is_empty() {
            return Err(Unsupported("the graph has no convolution".into()));
        }
        if self.stage == Stage::Trunk {
            return Err(Unsupported(
                "the output is not one row of activities a window".into(),
            ));
        }
        if self.network.head.is_empty() {
            // Features are activities: the dense layer is the identity.
            let node = NodeProto {
                op_type: "the output".into(),
                ..Default::default()
            };
            let n = self.features(&node)?;
            if n > 64 {
                return Err(Unsupported(format!(
                    "{n} features without a dense layer are too many"
                )));
            }
            self.push_dense(&node, Array2::eye(n), vec![0.0; n])?;
        }
        self.network.simplify();
        Ok(self.network)
    }
}

/// The first convolution's weights with inputs in the order of base codes.
fn by_code(conv: &Conv, rows: [u8; 4]) -> Option<Vec<f32>> {
    let shape = (conv.outputs, conv.inputs, conv.width);
    let weight = ArrayView3::from_shape(shape, &conv.weight).ok()?;
    let fits = conv.inputs == rows.len();
    fits.then(|| values(weight.select(Along(1), &rows.map(usize::from))))
}
