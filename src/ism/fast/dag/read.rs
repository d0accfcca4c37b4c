//! From an ONNX graph to a [`Net`], or the reason why not.

use std::collections::{HashMap, HashSet};

use ndarray::{Array2, Array3, Axis as Along};

use super::super::network::{Elementwise, Reduction, Unsupported};
use super::super::ops::{Operators, values};
use super::net::{Convolution, Form, Id, Join, Net, Node, Op, Pool};
use crate::model::onnx::{Axes, Axis, Graph, NodeProto, Step, wrap};
use crate::model::{ModelFile, ModelSpec};

/// More products than this in one dense layer are not worth unrolling.
const LARGEST: usize = 1 << 28;

/// A tensor of the graph that depends on the window.
#[derive(Clone, Debug)]
struct Tensor {
    id: Id,
    axes: Axes,
}

struct Reader<'a> {
    graph: &'a Graph<'a>,
    nodes: Vec<Node>,
    tensors: HashMap<&'a str, Tensor>,
}

/// Reads the graph.
pub(super) fn read(file: &ModelFile, spec: &ModelSpec) -> Result<Net, Unsupported> {
    let graph = Graph::new(file.graph())?;
    let mut reader = Reader {
        graph: &graph,
        nodes: vec![Node {
            op: Op::Input,
            inputs: Vec::new(),
            form: Form::Positions {
                length: spec.one_hot.length,
                channels: 4,
            },
        }],
        tensors: HashMap::new(),
    };
    let input = Tensor {
        id: 0,
        axes: Axes::of_input(&spec.one_hot),
    };
    let name = graph.nodes().iter().flat_map(|node| &node.input);
    let name = name.map(String::as_str).find(|name| *name == spec.input);
    reader.tensors.insert(name.unwrap_or_default(), input);
    let needed = needed(&graph, &spec.output);
    for node in graph.nodes() {
        if node
            .output
            .iter()
            .any(|name| needed.contains(name.as_str()))
        {
            reader.node(node)?;
        }
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
    Ok(Net {
        nodes: alive(reader.nodes, output.id),
        rows: spec.one_hot.rows,
    })
}

/// The input and the operators that the output depends on, the output last.
fn alive(nodes: Vec<Node>, output: Id) -> Vec<Node> {
    let mut needed = vec![false; nodes.len()];
    (needed[0], needed[output]) = (true, true);
    for id in (0..=output).rev() {
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
    kept
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
        let mut ops = Operators {
            graph: self.graph,
            axes: tensor.axes.clone(),
        };
        let several = inputs.len() > 1;
        if several
            && !matches!(
                node.op_type.as_str(),
                "Add" | "Sub" | "Mul" | "Div" | "Max" | "Min" | "Sum" | "Concat"
            )
        {
            return Err(ops.no(node, "more than one of its inputs depend on the window"));
        }
        if !several && place != 0 && !matches!(node.op_type.as_str(), "Add" | "Sub" | "Mul" | "Div")
        {
            return Err(ops.no(node, "what depends on the window is not its first input"));
        }
        let names: Vec<&str> = inputs.iter().map(|(_, name)| *name).collect();
        let id = match node.op_type.as_str() {
            "Identity" | "Dropout" => tensor.id,
            "Transpose" | "Squeeze" | "Unsqueeze" | "Reshape" | "Flatten" => {
                self.moved(&mut ops, node, tensor.id)?
            }
            "Conv" => self.conv(&mut ops, node, tensor.id)?,
            "MaxPool" | "AveragePool" | "GlobalMaxPool" | "GlobalAveragePool" | "ReduceMax"
            | "ReduceMean" | "ReduceSum" => self.pool(&mut ops, node, tensor.id)?,
            "Gemm" => {
                if ops.axes.len() != 2 {
                    return Err(ops.no(node, "its input is no row of features"));
                }
                let (weight, bias) = ops.gemm(node)?;
                self.dense(&mut ops, node, tensor.id, weight, bias)?
            }
            "MatMul" => self.matmul(&mut ops, node, tensor.id)?,
            "LayerNormalization" => self.norm(&ops, node, tensor.id)?,
            "Slice" => self.slice(&mut ops, node, tensor.id)?,
            "Pad" => self.pad(&mut ops, node, tensor.id)?,
            "Split" => return self.split(&ops, node, tensor.id),
            "Concat" => self.concat(&mut ops, node, &names)?,
            _ if several => self.join(&mut ops, node, &names)?,
            _ => {
                let step = Step { node, from: first };
                let map = ops.elementwise(&step)?;
                self.map(&ops, node, tensor.id, map)?
            }
        };
        let Some(output) = node.output.first() else {
            return Ok(());
        };
        self.tensors.insert(output, Tensor { id, axes: ops.axes });
        Ok(())
    }

    fn push(&mut self, op: Op, inputs: Vec<Id>, form: Form) -> Id {
        self.nodes.push(Node { op, inputs, form });
        self.nodes.len() - 1
    }

    /// Length and channels of a value of positions.
    fn positions(
        &self,
        ops: &Operators<'_>,
        node: &NodeProto,
        id: Id,
    ) -> Result<(usize, usize), Unsupported> {
        match self.nodes[id].form {
            Form::Positions { length, channels } => Ok((length, channels)),
            Form::Flat(_) => Err(ops.no(node, "its input has no positions")),
        }
    }

    /// Operators that move axes; a flatten also moves values.
    fn moved(
        &mut self,
        ops: &mut Operators<'_>,
        node: &NodeProto,
        id: Id,
    ) -> Result<Id, Unsupported> {
        let place = |axes: &Axes, means: fn(&Axis) -> bool| axes.position(means);
        let length = place(&ops.axes, |a| matches!(a, Axis::Length(_)));
        let channels = place(&ops.axes, |a| matches!(a, Axis::Channels(_)));
        ops.axes = ops.axes.behind(ops.graph, node)?;
        let Form::Positions {
            length: positions,
            channels: each,
        } = self.nodes[id].form
        else {
            return Ok(id);
        };
        match ops.axes[..] {
            [Axis::Batch, Axis::Features(_)] => {
                let op = Op::Flatten {
                    position_major: length < channels,
                };
                Ok(self.push(op, vec![id], Form::Flat(positions * each)))
            }
            // A true axis of length one that is gone leaves a row.
            _ if place(&ops.axes, |a| matches!(a, Axis::Length(_))).is_none() => {
                let op = Op::Flatten {
                    position_major: true,
                };
                Ok(self.push(op, vec![id], Form::Flat(positions * each)))
            }
            _ if place(&ops.axes, |a| matches!(a, Axis::Channels(_))).is_none() => {
                Err(ops.no(node, "the axis of channels is gone"))
            }
            _ => Ok(id),
        }
    }

    fn conv(
        &mut self,
        ops: &mut Operators<'_>,
        node: &NodeProto,
        id: Id,
    ) -> Result<Id, Unsupported> {
        self.positions(ops, node, id)?;
        let (conv, stride, groups) = ops.conv(node)?;
        let length = ops.axes.iter().find_map(|axis| match axis {
            Axis::Length(n) => Some(*n),
            _ => None,
        });
        let length = length.ok_or_else(|| ops.no(node, "the sequence is no spatial axis"))?;
        let each = conv.outputs / groups;
        let shape = (conv.outputs, conv.inputs, conv.width);
        let weight = Array3::from_shape_vec(shape, conv.weight)
            .map_err(|_| ops.no(node, "its weights do not fit its input"))?;
        let weights = weight.axis_chunks_iter(Along(0), each).map(|group| {
            // [outputs, inputs, width] -> [width, inputs, outputs]
            let turned = group.permuted_axes([2, 1, 0]);
            let turned = turned.as_standard_layout().into_owned();
            let shape = (conv.width * conv.inputs, each);
            turned.into_shape_with_order(shape).unwrap_or_default()
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
        Ok(self.push(op, vec![id], form))
    }

    fn pool(
        &mut self,
        ops: &mut Operators<'_>,
        node: &NodeProto,
        id: Id,
    ) -> Result<Id, Unsupported> {
        let (_, channels) = self.positions(ops, node, id)?;
        let (reduction, mut cells, _) = ops.cells(node)?;
        let kind = match reduction {
            Reduction::Max => Pool::Max,
            Reduction::Mean | Reduction::Nothing => Pool::Mean,
        };
        if node.op_type == "ReduceSum" {
            cells.iter_mut().for_each(|cell| cell.divisor = 1);
        }
        let global = node.op_type.starts_with("Global") || node.op_type.starts_with("Reduce");
        match (global, &cells[..]) {
            (true, [cell]) => {
                let op = Op::Global(kind, *cell);
                Ok(self.push(op, vec![id], Form::Flat(channels)))
            }
            _ => {
                let form = Form::Positions {
                    length: cells.len(),
                    channels,
                };
                Ok(self.push(Op::Pool(kind, cells), vec![id], form))
            }
        }
    }

    /// A dense layer, `[outputs, inputs]`, over a row of features. Behind a flatten it reads the positions
    /// themselves.
    fn dense(
        &mut self,
        ops: &mut Operators<'_>,
        node: &NodeProto,
        id: Id,
        weight: Array2<f32>,
        bias: Vec<f32>,
    ) -> Result<Id, Unsupported> {
        let (outputs, inputs) = weight.dim();
        let Form::Flat(features) = self.nodes[id].form else {
            return Err(ops.no(node, "its input is no row of features"));
        };
        if features != inputs || bias.len() != outputs || weight.len() > LARGEST {
            return Err(ops.no(node, "its weights do not fit its input"));
        }
        ops.axes = vec![Axis::Batch, Axis::Features(outputs)].into();
        let form = Form::Flat(outputs);
        let standard = |weight: Array2<f32>| weight.as_standard_layout().into_owned();
        let turned = standard(weight.reversed_axes());
        let Op::Flatten { position_major } = self.nodes[id].op else {
            return Ok(self.push(Op::Dense(turned, bias), vec![id], form));
        };
        let of = self.nodes[id].inputs[0];
        let (length, channels) = self.positions(ops, node, of)?;
        let by_position = match position_major {
            true => turned,
            // [channel, position, outputs] -> [position, channel, outputs]
            false => {
                let shape = (channels, length, outputs);
                let deep = turned.into_shape_with_order(shape);
                let deep = deep.map_err(|_| ops.no(node, "its weights do not fit its input"))?;
                let deep = deep
                    .permuted_axes([1, 0, 2])
                    .as_standard_layout()
                    .into_owned();
                deep.into_shape_with_order((inputs, outputs))
                    .map_err(|_| ops.no(node, "its weights do not fit its input"))?
            }
        };
        Ok(self.push(Op::Dense(by_position, bias), vec![of], form))
    }

    /// A product with a constant: a dense layer, or a convolution of width 1 over channels that stand last.
    fn matmul(
        &mut self,
        ops: &mut Operators<'_>,
        node: &NodeProto,
        id: Id,
    ) -> Result<Id, Unsupported> {
        let weight = ops.matrix(node)?;
        let (inputs, outputs) = weight.dim();
        let Form::Positions { length, channels } = self.nodes[id].form else {
            let turned = weight.reversed_axes();
            return self.dense(ops, node, id, turned, vec![0.0; outputs]);
        };
        let last = ops.axes.len() - 1;
        if !matches!(ops.axes[last], Axis::Channels(_)) || channels != inputs {
            return Err(ops.no(node, "the channels do not stand last"));
        }
        ops.axes[last] = Axis::Channels(outputs);
        let op = Op::Conv(Convolution {
            width: 1,
            stride: 1,
            dilation: 1,
            left: 0,
            weights: vec![weight.as_standard_layout().into_owned()],
            bias: vec![0.0; outputs],
        });
        let form = Form::Positions {
            length,
            channels: outputs,
        };
        Ok(self.push(op, vec![id], form))
    }

    fn norm(&mut self, ops: &Operators<'_>, node: &NodeProto, id: Id) -> Result<Id, Unsupported> {
        let row = self.nodes[id].form.row();
        let rank = ops.axes.len();
        let last = wrap(node.int("axis", -1), rank as i64) == rank - 1;
        if !last || !matches!(ops.axes.last(), Some(Axis::Channels(_) | Axis::Features(_))) {
            return Err(ops.no(node, "it does not normalise over channels that stand last"));
        }
        let part = |input: usize, default: f32| -> Result<Vec<f32>, Unsupported> {
            let part = match node.has_input(input) {
                true => values(ops.graph.floats(node, input)?),
                false => vec![default; row],
            };
            match part.len() == row {
                true => Ok(part),
                false => Err(ops.no(node, "its weights do not fit its input")),
            }
        };
        let op = Op::Norm {
            scale: part(1, 1.0)?,
            shift: part(2, 0.0)?,
            epsilon: node.float("epsilon", 1e-5),
        };
        let form = self.nodes[id].form;
        Ok(self.push(op, vec![id], form))
    }

    fn map(
        &mut self,
        ops: &Operators<'_>,
        node: &NodeProto,
        id: Id,
        map: Elementwise,
    ) -> Result<Id, Unsupported> {
        let form = self.nodes[id].form;
        if let Elementwise::Affine { scale, .. } = &map
            && scale.len() != form.row()
        {
            return Err(ops.no(node, "its weights do not fit its input"));
        }
        Ok(self.push(Op::Map(map), vec![id], form))
    }

    /// Two or more values of one form.
    fn join(
        &mut self,
        ops: &mut Operators<'_>,
        node: &NodeProto,
        names: &[&str],
    ) -> Result<Id, Unsupported> {
        let how = match node.op_type.as_str() {
            "Add" | "Sum" => Join::Add,
            "Sub" => Join::Sub,
            "Mul" => Join::Mul,
            "Div" => Join::Div,
            "Max" => Join::Max,
            "Min" => Join::Min,
            _ => return Err(ops.no(node, "more than one of its inputs depend on the window")),
        };
        if names.len() != node.input.len() {
            return Err(ops.no(node, "it mixes constants and values"));
        }
        let tensors: Vec<Tensor> = names
            .iter()
            .map(|name| self.tensors[name].clone())
            .collect();
        let form = self.nodes[tensors[0].id].form;
        let alike = |t: &Tensor| t.axes == ops.axes && self.nodes[t.id].form == form;
        if !tensors.iter().all(alike) {
            return Err(ops.no(node, "its inputs have different shapes"));
        }
        let mut id = tensors[0].id;
        for tensor in &tensors[1..] {
            id = self.push(Op::Join(how), vec![id, tensor.id], form);
        }
        Ok(id)
    }

    fn concat(
        &mut self,
        ops: &mut Operators<'_>,
        node: &NodeProto,
        names: &[&str],
    ) -> Result<Id, Unsupported> {
        let rank = ops.axes.len();
        let axis = wrap(node.int("axis", 1), rank as i64);
        if names.len() != node.input.len() {
            return Err(ops.no(node, "it mixes constants and values"));
        }
        let tensors: Vec<Tensor> = names
            .iter()
            .map(|name| self.tensors[name].clone())
            .collect();
        let mut all = 0;
        for tensor in &tensors {
            let own = match tensor.axes.get(axis) {
                Some(Axis::Channels(n) | Axis::Features(n)) => *n,
                _ => return Err(ops.no(node, "it joins another axis than the channels")),
            };
            let mut axes = tensor.axes.clone();
            axes[axis] = ops.axes[axis];
            let same =
                self.nodes[tensor.id].form.length() == self.nodes[tensors[0].id].form.length();
            if axes != ops.axes || !same {
                return Err(ops.no(node, "its inputs have different shapes"));
            }
            all += own;
        }
        ops.axes[axis] = match ops.axes[axis] {
            Axis::Channels(_) => Axis::Channels(all),
            _ => Axis::Features(all),
        };
        let form = match self.nodes[tensors[0].id].form {
            Form::Positions { length, .. } => Form::Positions {
                length,
                channels: all,
            },
            Form::Flat(_) => Form::Flat(all),
        };
        let inputs = tensors.iter().map(|t| t.id).collect();
        Ok(self.push(Op::Concat, inputs, form))
    }

    /// A stretch of one axis.
    fn slice(
        &mut self,
        ops: &mut Operators<'_>,
        node: &NodeProto,
        id: Id,
    ) -> Result<Id, Unsupported> {
        let list = |name: &str, input: usize| ops.graph.list(node, name, input);
        let no = |why: &str| ops.no(node, why);
        let starts = list("starts", 1)?.ok_or_else(|| no("it names no starts"))?;
        let ends = list("ends", 2)?.ok_or_else(|| no("it names no ends"))?;
        let axes = list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
        let rank = ops.axes.len();
        let mut of = id;
        let mut moved = ops.axes.clone();
        for (((start, end), axis), step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
            let axis = wrap(*axis, rank as i64);
            let size = moved.get(axis).and_then(|axis| axis.size());
            let size = size.ok_or_else(|| no("it cuts the batch"))?;
            if *step != 1 {
                return Err(no("it has steps"));
            }
            let bound = |at: i64| {
                let at = if at < 0 {
                    at.saturating_add(size as i64)
                } else {
                    at
                };
                at.clamp(0, size as i64) as usize
            };
            let (from, to) = (bound(*start), bound(*end));
            if from >= to {
                return Err(no("it leaves nothing"));
            }
            if (from, to) == (0, size) {
                continue;
            }
            of = self
                .part(&mut moved, axis, (from, to), of)
                .ok_or_else(|| no("it cuts another axis than positions or channels"))?;
        }
        ops.axes = moved;
        Ok(of)
    }

    /// Elements `from..to` of an axis of positions, channels or features.
    fn part(
        &mut self,
        axes: &mut Axes,
        axis: usize,
        (from, to): (usize, usize),
        id: Id,
    ) -> Option<Id> {
        let (op, form) = match (axes[axis], self.nodes[id].form) {
            (Axis::Length(_), Form::Positions { channels, .. }) => {
                axes[axis] = Axis::Length(to - from);
                let length = to - from;
                (
                    Op::Crop(from as isize),
                    Form::Positions { length, channels },
                )
            }
            (Axis::Channels(_), Form::Positions { length, .. }) => {
                axes[axis] = Axis::Channels(to - from);
                let channels = to - from;
                (Op::Channels(from), Form::Positions { length, channels })
            }
            (Axis::Channels(_), Form::Flat(_)) => {
                axes[axis] = Axis::Channels(to - from);
                (Op::Channels(from), Form::Flat(to - from))
            }
            (Axis::Features(_), Form::Flat(_)) => {
                axes[axis] = Axis::Features(to - from);
                (Op::Channels(from), Form::Flat(to - from))
            }
            _ => return None,
        };
        Some(self.push(op, vec![id], form))
    }

    /// Zero positions at the ends.
    fn pad(
        &mut self,
        ops: &mut Operators<'_>,
        node: &NodeProto,
        id: Id,
    ) -> Result<Id, Unsupported> {
        let (length, channels) = self.positions(ops, node, id)?;
        let mode = node.string("mode");
        let zero = match node.has_input(2) {
            true => values(ops.graph.floats(node, 2)?).iter().all(|v| *v == 0.0),
            false => node.float("value", 0.0) == 0.0,
        };
        let pads = ops.graph.list(node, "pads", 1)?;
        let rank = ops.axes.len();
        let fits = |pads: &Vec<i64>| pads.len() == 2 * rank && !node.has_input(3);
        let Some(pads) = pads.filter(fits) else {
            return Err(ops.no(node, "its pads do not fit"));
        };
        if !(mode.is_empty() || mode == "constant") || !zero {
            return Err(ops.no(node, "it pads with something else than zeros"));
        }
        let along = ops.axes.position(|a| matches!(a, Axis::Length(_)));
        let along = along.ok_or_else(|| ops.no(node, "there is no axis of sequence"))?;
        let other = |i: usize| i != along && (pads[i], pads[i + rank]) != (0, 0);
        let (left, right) = (pads[along], pads[along + rank]);
        let padded =
            length as i64 + left.clamp(-(1 << 24), 1 << 24) + right.clamp(-(1 << 24), 1 << 24);
        if (0..rank).any(other) || padded <= 0 {
            return Err(ops.no(node, "it pads another axis than the sequence"));
        }
        let length = padded as usize;
        ops.axes[along] = Axis::Length(length);
        let form = Form::Positions { length, channels };
        Ok(self.push(Op::Crop(-left as isize), vec![id], form))
    }

    /// Parts of one axis, each an output.
    fn split(
        &mut self,
        ops: &Operators<'_>,
        node: &'a NodeProto,
        id: Id,
    ) -> Result<(), Unsupported> {
        let rank = ops.axes.len();
        let axis = wrap(node.int("axis", 0), rank as i64);
        let size = ops.axes.get(axis).and_then(|axis| axis.size());
        let size = size.ok_or_else(|| ops.no(node, "it cuts the batch"))?;
        let parts = node.output.len().max(1);
        let lengths = match ops.graph.list(node, "split", 1)? {
            Some(list) => list.iter().map(|&n| n.max(0) as usize).collect(),
            None if size.is_multiple_of(parts) => vec![size / parts; parts],
            None => return Err(ops.no(node, "its parts are not equal")),
        };
        if lengths.len() != parts || lengths.contains(&0) || lengths.iter().sum::<usize>() != size {
            return Err(ops.no(node, "its parts do not fit"));
        }
        let mut from = 0;
        for (name, length) in node.output.iter().zip(lengths) {
            let mut axes = ops.axes.clone();
            let id = self
                .part(&mut axes, axis, (from, from + length), id)
                .ok_or_else(|| ops.no(node, "it cuts another axis than positions or channels"))?;
            self.tensors.insert(name, Tensor { id, axes });
            from += length;
        }
        Ok(())
    }
}
