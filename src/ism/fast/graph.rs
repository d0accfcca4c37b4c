//! From an ONNX graph to the normal form of [`Network`], or the reason why not.
//!
//! The graph must be one chain from the input to the output: every tensor on it has one consumer.
//! What each axis means (sequence, channels, or a leftover of length one) is carried along, so
//! that transposes, reshapes and two-dimensional convolutions with a flat kernel cost nothing.

use std::collections::HashMap;

use super::Unsupported;
use super::axes::{Axis, text};
use super::network::{Cell, Conv, Dense, Elementwise, Network, Reduction};
use crate::encode::Layout;
use crate::model::onnx::{GraphProto, NodeProto, TensorProto};
use crate::model::{ModelFile, ModelSpec};

/// More tensors than this on one side of a dense layer are not worth unrolling.
const LARGEST_HEAD: usize = 1 << 26;

/// Reads the graph.
pub(super) fn read(file: &ModelFile, spec: &ModelSpec) -> Result<Network, Unsupported> {
    let graph = file.graph();
    let mut reader = Reader::new(graph, spec);
    let mut name = spec.input.clone();
    let mut nodes = 0;
    while name != spec.output {
        let users: Vec<&NodeProto> = graph
            .node
            .iter()
            .filter(|n| n.input.contains(&name))
            .collect();
        let [node] = users[..] else {
            return Err(Unsupported(format!(
                "{} operators use the tensor {name:?}, and only plain chains are supported (no residual or other branches)",
                users.len()
            )));
        };
        nodes += 1;
        if nodes > graph.node.len() {
            return Err(Unsupported("the graph has a cycle".into()));
        }
        reader.step(node, &name)?;
        name = match node.output.as_slice() {
            [first, rest @ ..] if rest.iter().all(|o| !reader.is_used(o)) => first.clone(),
            _ => {
                return Err(Unsupported(format!(
                    "the operator {} has several outputs in use",
                    node.op_type
                )));
            }
        };
    }
    reader.finish()
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

pub(super) struct Reader<'a> {
    graph: &'a GraphProto,
    constants: HashMap<&'a str, &'a TensorProto>,
    pub(super) axes: Vec<Axis>,
    stage: Stage,
    network: Network,
    /// Row of each base code on the input's axis of four.
    rows: [u8; 4],
}

impl<'a> Reader<'a> {
    fn new(graph: &'a GraphProto, spec: &ModelSpec) -> Self {
        let mut constants: HashMap<&str, &TensorProto> = graph
            .initializer
            .iter()
            .map(|t| (t.name.as_str(), t))
            .collect();
        for node in graph.node.iter().filter(|n| n.op_type == "Constant") {
            if let (Some(name), Some(value)) = (
                node.output.first(),
                node.attribute("value").and_then(|a| a.t.as_ref()),
            ) {
                constants.insert(name, value);
            }
        }
        let length = Axis::Length(spec.one_hot.length);
        let bases = Axis::Channels(4);
        let axes = match spec.one_hot.layout {
            Layout::LengthBases => vec![Axis::Batch, length, bases],
            Layout::BasesLength => vec![Axis::Batch, bases, length],
            Layout::OneLengthBases => vec![Axis::Batch, Axis::Unit, length, bases],
            Layout::OneBasesLength => vec![Axis::Batch, Axis::Unit, bases, length],
        };
        Self {
            graph,
            constants,
            axes,
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

    fn is_used(&self, tensor: &str) -> bool {
        !tensor.is_empty()
            && (self.graph.output.iter().any(|o| o.name == tensor)
                || self
                    .graph
                    .node
                    .iter()
                    .any(|n| n.input.iter().any(|i| i == tensor)))
    }

    /// A constant input's tensor.
    pub(super) fn constant(
        &self,
        node: &NodeProto,
        input: usize,
    ) -> Result<&'a TensorProto, Unsupported> {
        node.input
            .get(input)
            .and_then(|name| self.constants.get(name.as_str()).copied())
            .ok_or_else(|| {
                Unsupported(format!(
                    "input {input} of the operator {} is no constant",
                    node.op_type
                ))
            })
    }

    pub(super) fn floats(&self, node: &NodeProto, input: usize) -> Result<Vec<f32>, Unsupported> {
        self.constant(node, input)?
            .floats()
            .ok_or_else(|| Unsupported(format!("a weight of {} is not float", node.op_type)))
    }

    /// A list of integers that is an attribute in old operator sets and an input in new ones.
    pub(super) fn list(
        &self,
        node: &NodeProto,
        attribute: &str,
        input: usize,
    ) -> Result<Option<Vec<i64>>, Unsupported> {
        if let Some(list) = node.ints(attribute) {
            return Ok(Some(list.to_vec()));
        }
        if node.input.get(input).is_none_or(|n| n.is_empty()) {
            return Ok(None);
        }
        let list = self.constant(node, input)?.int64s();
        list.map(Some)
            .ok_or_else(|| Unsupported(format!("the {attribute} of {} is no list", node.op_type)))
    }

    pub(super) fn no(&self, node: &NodeProto, why: &str) -> Unsupported {
        Unsupported(format!(
            "{} on axes {}: {why}",
            node.op_type,
            text(&self.axes)
        ))
    }

    fn step(&mut self, node: &NodeProto, from: &str) -> Result<(), Unsupported> {
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
                let conv = self.conv(node)?;
                self.push_conv(node, conv)
            }
            "MaxPool" | "AveragePool" | "GlobalMaxPool" | "GlobalAveragePool" | "ReduceMax"
            | "ReduceMean" => self.pool(node),
            "Gemm" => self.gemm(node),
            "MatMul" => self.matmul(node, from),
            _ => {
                let step = self.elementwise(node, from)?;
                self.push_elementwise(node, step)
            }
        }
    }

    fn push_conv(&mut self, node: &NodeProto, mut conv: Conv) -> Result<(), Unsupported> {
        if self.stage != Stage::Trunk {
            return Err(self.no(node, "a convolution behind a pool is not supported"));
        }
        if self.network.convs.is_empty() {
            conv.weight = by_code(&conv, self.rows);
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
        let (reduction, cells, label) = self.cells(node)?;
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
        let permutation: Vec<usize> = match node.ints("perm") {
            Some(perm) => perm.iter().map(|&p| p as usize).collect(),
            None => (0..self.axes.len()).rev().collect(),
        };
        if permutation.first() != Some(&0) || permutation.len() != self.axes.len() {
            return Err(self.no(node, "it moves the batch"));
        }
        let axes = permutation.iter().map(|&p| self.axes.get(p).copied());
        self.axes = axes
            .collect::<Option<Vec<Axis>>>()
            .ok_or_else(|| self.no(node, "its permutation does not fit"))?;
        Ok(())
    }

    fn reshape(&mut self, node: &NodeProto) -> Result<(), Unsupported> {
        let before: Vec<Axis> = self.solid_axes();
        let axes = self.reshaped(node)?;
        self.axes = axes;
        if let [Axis::Batch, Axis::Features(_)] = self.axes[..]
            && matches!(self.stage, Stage::Trunk | Stage::Pooled)
        {
            self.flatten(&before);
        }
        Ok(())
    }

    /// Axes longer than one by meaning: batch, channels and length, whatever their lengths.
    fn solid_axes(&self) -> Vec<Axis> {
        let solid = |a: &&Axis| !matches!(a, Axis::Unit);
        self.axes.iter().filter(solid).copied().collect()
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

    /// Adds a dense layer over the current features; `weight` is `[outputs, inputs]` in the
    /// graph's feature order.
    pub(super) fn push_dense(
        &mut self,
        node: &NodeProto,
        outputs: usize,
        inputs: usize,
        mut weight: Vec<f32>,
        bias: Vec<f32>,
    ) -> Result<(), Unsupported> {
        if outputs.saturating_mul(inputs) > LARGEST_HEAD {
            return Err(self.no(node, "the dense layer is too large"));
        }
        let features = self.features(node)?;
        if features != inputs || weight.len() != inputs * outputs || bias.len() != outputs {
            return Err(self.no(node, "its weights do not fit its input"));
        }
        if self.stage != Stage::Head {
            let (cells, channels) = (self.network.cells.len(), self.network.channels());
            if self.stage
                == (Stage::Flat {
                    position_major: false,
                })
            {
                for row in weight.chunks_exact_mut(inputs) {
                    let graph = row.to_vec();
                    for cell in 0..cells {
                        for channel in 0..channels {
                            row[cell * channels + channel] = graph[channel * cells + cell];
                        }
                    }
                }
            }
            self.stage = Stage::Head;
        }
        self.network.head.push(Dense {
            inputs,
            outputs,
            weight,
            bias,
            after: Vec::new(),
        });
        self.axes = vec![Axis::Batch, Axis::Features(outputs)];
        Ok(())
    }

    pub(super) fn in_trunk(&self) -> bool {
        self.stage == Stage::Trunk
    }

    pub(super) fn add_conv(&mut self, node: &NodeProto, conv: Conv) -> Result<(), Unsupported> {
        self.push_conv(node, conv)
    }

    /// Number of features; flattens axes that are flat in all but name.
    fn features(&mut self, node: &NodeProto) -> Result<usize, Unsupported> {
        match self.axes[..] {
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
            let weight = (0..n * n).map(|i| f32::from(u8::from(i % (n + 1) == 0)));
            self.push_dense(&node, n, n, weight.collect(), vec![0.0; n])?;
        }
        self.network.simplify();
        Ok(self.network)
    }
}

/// The first convolution's weights with inputs in the order of base codes.
fn by_code(conv: &Conv, rows: [u8; 4]) -> Vec<f32> {
    let mut weight = Vec::with_capacity(conv.weight.len());
    for output in conv.weight.chunks_exact(conv.inputs * conv.width) {
        for row in rows {
            weight.extend_from_slice(&output[row as usize * conv.width..][..conv.width]);
        }
    }
    weight
}
