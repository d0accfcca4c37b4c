//! From an ONNX graph to a [`Net`], or the reason why not.

use std::collections::{HashMap, HashSet};

use ndarray::{Array2, Array3, Axis as Along};

use super::super::network::{Elementwise, Reduction, Unsupported};
use super::super::ops::{Operators, values};
use super::cut::{Cut, CutTensor};
use super::net::{Convolution, Form, Id, Net, Node, Op, Pool};
use crate::model::onnx::{Axes, Axis, Graph, NodeProto, Step, wrap};
use crate::model::{ModelFile, ModelSpec};

/// More products than this in one dense layer are not worth unrolling.
const LARGEST: usize = 1 << 28;

/// A tensor of the graph that depends on the window.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) id: Id,
    pub(super) axes: Axes,
}

/// An operator that is read, with the axes and the value of its first input that depends on the window.
pub(super) struct At<'a> {
    pub(super) node: &'a NodeProto,
    pub(super) ops: Operators<'a>,
    pub(super) id: Id,
    pub(super) form: Form,
}

impl At<'_> {
    pub(super) fn no(&self, why: &str) -> Unsupported {
        self.ops.no(self.node, why)
    }

    /// Length and channels of the value, which is one of positions.
    pub(super) fn positions(&self) -> Result<(usize, usize), Unsupported> {
        match self.form {
            Form::Positions { length, channels } => Ok((length, channels)),
            Form::Flat(_) => Err(self.no("its input has no positions")),
        }
    }
}

pub(super) struct Reader<'a> {
    graph: &'a Graph<'a>,
    pub(super) nodes: Vec<Node>,
    pub(super) tensors: HashMap<&'a str, Tensor>,
}

/// Reads the whole graph.
pub(super) fn whole(file: &ModelFile, spec: &ModelSpec) -> Result<Net, Unsupported> {
    let graph = Graph::new(file.graph())?;
    let mut reader = Reader::new(&graph, spec);
    for node in reader.needed(spec) {
        reader.node(node)?;
    }
    let output = reader.tensors.remove(spec.output.as_str());
    let output =
        output.ok_or_else(|| Unsupported("the output is the same for all windows".into()))?;
    let flat = |axis: &Axis| matches!(axis, Axis::Batch | Axis::Features(_) | Axis::Channels(_));
    let Form::Flat(_) = reader.nodes[output.id].form else {
        return Err(Unsupported(
            "the output is not one row of activities a window".into(),
        ));
    };
    if output.axes.len() != 2 || !output.axes.iter().all(flat) {
        return Err(Unsupported("the output is not [batch, tasks]".into()));
    }
    let (net, _) = reader.net(spec, &[output.id]);
    Ok(net)
}

/// Reads as much of the graph as can be, from the input on.
pub(super) fn below(file: &ModelFile, spec: &ModelSpec) -> Result<(Net, Cut), Unsupported> {
    let graph = Graph::new(file.graph())?;
    // Operators, by their first output, that could be read but whose value cannot be handed on.
    let mut left: HashSet<&str> = HashSet::new();
    loop {
        let mut reader = Reader::new(&graph, spec);
        let (mut below, mut above) = (HashSet::new(), HashSet::new());
        let (mut wanted, mut why) = (Vec::new(), None);
        for node in reader.needed(spec) {
            let first = node.output.first().map_or("", String::as_str);
            let high = node.input.iter().any(|name| above.contains(name.as_str()));
            let read = match high || left.contains(first) {
                true => false,
                false => match reader.node(node) {
                    Ok(()) => true,
                    Err(reason) => {
                        why.get_or_insert(reason);
                        false
                    }
                },
            };
            if !read {
                above.extend(node.output.iter().map(String::as_str));
                let below = |name: &&str| reader.tensors.contains_key(name);
                wanted.extend(node.input.iter().map(String::as_str).filter(below));
            } else if reader.tensors.contains_key(first) {
                below.insert(first);
            }
        }
        let Some(why) = why else {
            return Err(Unsupported("nothing is left above".into()));
        };
        let mut seen = HashSet::new();
        wanted.retain(|name| seen.insert(*name));
        let made = wanted.iter().map(|name| {
            let tensor = &reader.tensors[name];
            let form = reader.nodes[tensor.id].form;
            CutTensor::new(name, tensor.id, form, &tensor.axes).ok_or(*name)
        });
        let (made, unfit): (Vec<_>, Vec<_>) = made.partition(Result::is_ok);
        if !unfit.is_empty() {
            let producer = |name: &str| {
                let makes = |node: &&&NodeProto| node.output.iter().any(|o| o == name);
                let node = graph.nodes().iter().find(makes)?;
                node.output.first().map(String::as_str)
            };
            let before = left.len();
            left.extend(unfit.into_iter().filter_map(|r| r.err().and_then(producer)));
            match left.len() > before {
                true => continue,
                false => return Err(why),
            }
        }
        let mut tensors: Vec<CutTensor> = made.into_iter().flatten().collect();
        let ids: Vec<Id> = tensors.iter().map(|tensor| tensor.id).collect();
        let (net, ids) = reader.net(spec, &ids);
        for (tensor, id) in tensors.iter_mut().zip(ids) {
            tensor.id = id;
        }
        // Without one there is next to nothing to be saved.
        if !net.nodes.iter().any(|node| matches!(node.op, Op::Conv(_))) {
            return Err(why);
        }
        let cut = Cut::new(file, spec, &below, tensors, why)?;
        return Ok((net, cut));
    }
}

/// The input and the operators that these depend on, and the numbers that these have then.
fn alive(nodes: Vec<Node>, outputs: &[Id]) -> (Vec<Node>, Vec<Id>) {
    let mut needed = vec![false; nodes.len()];
    needed[0] = true;
    outputs.iter().for_each(|&output| needed[output] = true);
    for id in (0..nodes.len()).rev() {
        if needed[id] {
            nodes[id].inputs.iter().for_each(|&i| needed[i] = true);
        }
    }
    let mut number = vec![0; nodes.len()];
    let mut kept: Vec<Node> = Vec::new();
    for (id, mut node) in nodes.into_iter().enumerate().filter(|(id, _)| needed[*id]) {
        number[id] = kept.len();
        node.inputs.iter_mut().for_each(|i| *i = number[*i]);
        kept.push(node);
    }
    (kept, outputs.iter().map(|&output| number[output]).collect())
}

/// The tensors that the output depends on.
fn needed<'a>(graph: &Graph<'a>, output: &'a str) -> HashSet<&'a str> {
    let mut needed = HashSet::from([output]);
    for node in graph.nodes().iter().rev() {
        if node
            .output
            .iter()
            .any(|name| needed.contains(name.as_str()))
        {
            needed.extend(node.input.iter().map(String::as_str));
        }
    }
    needed
}

impl<'a> Reader<'a> {
    fn new(graph: &'a Graph<'a>, spec: &ModelSpec) -> Self {
        let input = Tensor {
            id: 0,
            axes: Axes::of_input(&spec.one_hot),
        };
        let name = graph.nodes().iter().flat_map(|node| &node.input);
        let name = name.map(String::as_str).find(|name| *name == spec.input);
        Self {
            graph,
            nodes: vec![Node {
                op: Op::Input,
                inputs: Vec::new(),
                form: Form::Positions {
                    length: spec.one_hot.length,
                    channels: 4,
                },
            }],
            tensors: HashMap::from([(name.unwrap_or_default(), input)]),
        }
    }

    /// The operators that the output depends on.
    fn needed(&self, spec: &ModelSpec) -> Vec<&'a NodeProto> {
        let needed = needed(self.graph, &spec.output);
        let is = |node: &&NodeProto| node.output.iter().any(|name| needed.contains(&**name));
        self.graph.nodes().iter().copied().filter(is).collect()
    }

    /// The network as far as these depend on it, and their numbers in it.
    fn net(self, spec: &ModelSpec, outputs: &[Id]) -> (Net, Vec<Id>) {
        let (nodes, outputs) = alive(self.nodes, outputs);
        let net = Net {
            nodes,
            outputs: outputs.clone(),
            rows: spec.one_hot.rows,
        };
        (net, outputs)
    }

    fn node(&mut self, node: &'a NodeProto) -> Result<(), Unsupported> {
        let inputs = node.input.iter().enumerate();
        let inputs: Vec<(usize, &'a str)> = inputs
            .map(|(i, name)| (i, name.as_str()))
            .filter(|(_, name)| self.tensors.contains_key(name))
            .collect();
        let Some(&(place, first)) = inputs.first() else {
            // What does not depend on the window: a constant, or it is refused where it is read.
            return Ok(());
        };
        if !node.domain.is_empty() && node.domain != "ai.onnx" {
            return Err(Unsupported(format!(
                "the operator {}.{} is none of ONNX's own",
                node.domain, node.op_type
            )));
        }
        let tensor = self.tensors[first].clone();
        let mut at = At {
            node,
            ops: Operators {
                graph: self.graph,
                axes: tensor.axes,
            },
            id: tensor.id,
            form: self.nodes[tensor.id].form,
        };
        let several = inputs.len() > 1;
        if several
            && !matches!(
                at.node.op_type.as_str(),
                "Add" | "Sub" | "Mul" | "Div" | "Max" | "Min" | "Sum" | "Concat"
            )
        {
            return Err(at.no("more than one of its inputs depend on the window"));
        }
        if !several
            && place != 0
            && !matches!(at.node.op_type.as_str(), "Add" | "Sub" | "Mul" | "Div")
        {
            return Err(at.no("what depends on the window is not its first input"));
        }
        let names: Vec<&str> = inputs.iter().map(|(_, name)| *name).collect();
        let id = match at.node.op_type.as_str() {
            "Identity" | "Dropout" => tensor.id,
            "Transpose" | "Squeeze" | "Unsqueeze" | "Reshape" | "Flatten" => self.moved(&mut at)?,
            "Conv" => self.conv(&mut at)?,
            "MaxPool" | "AveragePool" | "GlobalMaxPool" | "GlobalAveragePool" | "ReduceMax"
            | "ReduceMean" | "ReduceSum" => self.pool(&mut at)?,
            "Gemm" => {
                if at.ops.axes.len() != 2 {
                    return Err(at.no("its input is no row of features"));
                }
                let (weight, bias) = at.ops.gemm(at.node)?;
                self.dense(&mut at, weight, bias)?
            }
            "MatMul" => self.matmul(&mut at)?,
            "LayerNormalization" => self.norm(&at)?,
            "Slice" => self.slice(&mut at)?,
            "Pad" => self.pad(&mut at)?,
            "Gather" => self.gather(&mut at)?,
            "ReverseSequence" => self.reverse_sequence(&mut at)?,
            "Split" => return self.split(&at),
            "Concat" => self.concat(&mut at, &names)?,
            _ if several => self.join(&mut at, &names)?,
            _ => {
                let step = Step { node, from: first };
                let map = at.ops.elementwise(&step)?;
                self.map(&at, map)?
            }
        };
        let Some(output) = at.node.output.first() else {
            return Ok(());
        };
        self.tensors.insert(
            output,
            Tensor {
                id,
                axes: at.ops.axes,
            },
        );
        Ok(())
    }

    pub(super) fn push(&mut self, op: Op, inputs: Vec<Id>, form: Form) -> Id {
        self.nodes.push(Node { op, inputs, form });
        self.nodes.len() - 1
    }

    /// Operators that move axes; a flatten also moves values.
    fn moved(&mut self, at: &mut At<'_>) -> Result<Id, Unsupported> {
        let place = |axes: &Axes, means: fn(&Axis) -> bool| axes.position(means);
        let length = place(&at.ops.axes, |a| matches!(a, Axis::Length(_)));
        let channels = place(&at.ops.axes, |a| matches!(a, Axis::Channels(_)));
        at.ops.axes = at.ops.axes.behind(at.ops.graph, at.node)?;
        let Form::Positions {
            length: positions,
            channels: each,
        } = at.form
        else {
            return Ok(at.id);
        };
        match at.ops.axes[..] {
            [Axis::Batch, Axis::Features(_)] => {
                let op = Op::Flatten {
                    position_major: length < channels,
                };
                Ok(self.push(op, vec![at.id], Form::Flat(positions * each)))
            }
            // A true axis of length one that is gone leaves a row.
            _ if place(&at.ops.axes, |a| matches!(a, Axis::Length(_))).is_none() => {
                let op = Op::Flatten {
                    position_major: true,
                };
                Ok(self.push(op, vec![at.id], Form::Flat(positions * each)))
            }
            _ if place(&at.ops.axes, |a| matches!(a, Axis::Channels(_))).is_none() => {
                Err(at.no("the axis of channels is gone"))
            }
            _ => Ok(at.id),
        }
    }

    fn conv(&mut self, at: &mut At<'_>) -> Result<Id, Unsupported> {
        at.positions()?;
        let (conv, stride, groups) = at.ops.conv(at.node)?;
        let length = at.ops.axes.iter().find_map(|axis| match axis {
            Axis::Length(n) => Some(*n),
            _ => None,
        });
        let length = length.ok_or_else(|| at.no("the sequence is no spatial axis"))?;
        let each = conv.outputs / groups;
        let shape = (conv.outputs, conv.inputs, conv.width);
        let weight = Array3::from_shape_vec(shape, conv.weight)
            .map_err(|_| at.no("its weights do not fit its input"))?;
        let weights = weight.axis_chunks_iter(Along(0), each).map(|group| {
            // [outputs, inputs, width] -> [width, inputs, outputs]
            let turned = group.permuted_axes([2, 1, 0]);
            let turned = turned.as_standard_layout().into_owned();
            let shape = (conv.width * conv.inputs, each);
            turned
                .into_shape_with_order(shape)
                .unwrap_or_default()
                .into()
        });
        let op = Op::Conv(Convolution {
            width: conv.width,
            stride,
            dilation: conv.dilation,
            left: conv.pads.0,
            weights: weights.collect(),
            bias: conv.bias,
        });
        let form = Form::Positions {
            length,
            channels: conv.outputs,
        };
        Ok(self.push(op, vec![at.id], form))
    }

    fn pool(&mut self, at: &mut At<'_>) -> Result<Id, Unsupported> {
        let (_, channels) = at.positions()?;
        let (reduction, mut cells, _) = at.ops.cells(at.node)?;
        let kind = match reduction {
            Reduction::Max => Pool::Max,
            Reduction::Mean | Reduction::Nothing => Pool::Mean,
        };
        if at.node.op_type == "ReduceSum" {
            cells.iter_mut().for_each(|cell| cell.divisor = 1);
        }
        let global = at.node.op_type.starts_with("Global") || at.node.op_type.starts_with("Reduce");
        match (global, &cells[..]) {
            (true, [cell]) => {
                let op = Op::Global(kind, *cell);
                Ok(self.push(op, vec![at.id], Form::Flat(channels)))
            }
            _ => {
                let form = Form::Positions {
                    length: cells.len(),
                    channels,
                };
                Ok(self.push(Op::Pool(kind, cells), vec![at.id], form))
            }
        }
    }

    /// A dense layer, `[outputs, inputs]`, over a row of features. Behind a flatten it reads the positions
    /// themselves.
    fn dense(
        &mut self,
        at: &mut At<'_>,
        weight: Array2<f32>,
        bias: Vec<f32>,
    ) -> Result<Id, Unsupported> {
        let (outputs, inputs) = weight.dim();
        let Form::Flat(features) = at.form else {
            return Err(at.no("its input is no row of features"));
        };
        if features != inputs || bias.len() != outputs || weight.len() > LARGEST {
            return Err(at.no("its weights do not fit its input"));
        }
        at.ops.axes = vec![Axis::Batch, Axis::Features(outputs)].into();
        let form = Form::Flat(outputs);
        let standard = |weight: Array2<f32>| weight.as_standard_layout().into_owned();
        let turned = standard(weight.reversed_axes());
        let Op::Flatten { position_major } = self.nodes[at.id].op else {
            return Ok(self.push(Op::Dense(turned.into(), bias), vec![at.id], form));
        };
        let of = self.nodes[at.id].inputs[0];
        let Form::Positions { length, channels } = self.nodes[of].form else {
            return Err(at.no("its input has no positions"));
        };
        let by_position = match position_major {
            true => turned,
            // [channel, position, outputs] -> [position, channel, outputs]
            false => {
                let shape = (channels, length, outputs);
                let deep = turned.into_shape_with_order(shape);
                let deep = deep.map_err(|_| at.no("its weights do not fit its input"))?;
                let deep = deep
                    .permuted_axes([1, 0, 2])
                    .as_standard_layout()
                    .into_owned();
                deep.into_shape_with_order((inputs, outputs))
                    .map_err(|_| at.no("its weights do not fit its input"))?
            }
        };
        Ok(self.push(Op::Dense(by_position.into(), bias), vec![of], form))
    }

    /// A product with a constant: a dense layer, or a convolution of width 1 over channels that stand last.
    fn matmul(&mut self, at: &mut At<'_>) -> Result<Id, Unsupported> {
        let weight = at.ops.matrix(at.node)?;
        let (inputs, outputs) = weight.dim();
        let Form::Positions { length, channels } = at.form else {
            let turned = weight.reversed_axes();
            return self.dense(at, turned, vec![0.0; outputs]);
        };
        let last = at.ops.axes.len() - 1;
        if !matches!(at.ops.axes[last], Axis::Channels(_)) || channels != inputs {
            return Err(at.no("the channels do not stand last"));
        }
        at.ops.axes[last] = Axis::Channels(outputs);
        let op = Op::Conv(Convolution {
            width: 1,
            stride: 1,
            dilation: 1,
            left: 0,
            weights: vec![weight.as_standard_layout().into_owned().into()],
            bias: vec![0.0; outputs],
        });
        let form = Form::Positions {
            length,
            channels: outputs,
        };
        Ok(self.push(op, vec![at.id], form))
    }

    fn norm(&mut self, at: &At<'_>) -> Result<Id, Unsupported> {
        let row = at.form.row();
        let rank = at.ops.axes.len();
        let last = wrap(at.node.int("axis", -1), rank as i64) == rank - 1;
        if !last
            || !matches!(
                at.ops.axes.last(),
                Some(Axis::Channels(_) | Axis::Features(_))
            )
        {
            return Err(at.no("it does not normalise over channels that stand last"));
        }
        let part = |input: usize, default: f32| -> Result<Vec<f32>, Unsupported> {
            let part = match at.node.has_input(input) {
                true => values(at.ops.graph.floats(at.node, input)?),
                false => vec![default; row],
            };
            match part.len() == row {
                true => Ok(part),
                false => Err(at.no("its weights do not fit its input")),
            }
        };
        let op = Op::Norm {
            scale: part(1, 1.0)?,
            shift: part(2, 0.0)?,
            epsilon: at.node.float("epsilon", 1e-5),
        };
        let form = at.form;
        Ok(self.push(op, vec![at.id], form))
    }

    fn map(&mut self, at: &At<'_>, map: Elementwise) -> Result<Id, Unsupported> {
        let form = at.form;
        if let Elementwise::Affine { scale, .. } = &map
            && scale.len() != form.row()
        {
            return Err(at.no("its weights do not fit its input"));
        }
        Ok(self.push(Op::Map(map), vec![at.id], form))
    }
}
