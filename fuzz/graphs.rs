//! How a network's graph is spoiled while its file stays one: another number, name or operator somewhere.

use mpra_score::model::onnx::{AttributeProto, Dimension, ModelProto, NodeProto};
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;

const INTS: [i64; 16] = [
    0,
    1,
    2,
    3,
    4,
    7,
    -1,
    -2,
    145,
    1000,
    1_000_000,
    i32::MAX as i64,
    1 << 31,
    1 << 40,
    i64::MAX,
    i64::MIN,
];
const FLOATS: [f32; 8] = [
    0.0,
    -0.0,
    1e-40,
    3e38,
    -3e38,
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
];
const OPERATORS: [&str; 24] = [
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Concat",
    "Conv",
    "Exp",
    "Flatten",
    "Gather",
    "Gemm",
    "Identity",
    "Log",
    "MatMul",
    "MaxPool",
    "Mul",
    "Pad",
    "ReduceMean",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Transpose",
    "NoSuchOperator",
];

/// Where, what, and which kind of change.
pub type Change = (Index, Index, Index, u8);

/// One to three changes.
pub fn changes() -> impl Strategy<Value = Vec<Change>> {
    let one = (any::<Index>(), any::<Index>(), any::<Index>(), 0..12u8);
    proptest::collection::vec(one, 1..4)
}

/// The model with these changes.
pub fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let Ok(mut model) = ModelProto::decode(bytes) else {
        return bytes.to_vec();
    };
    for change in changes {
        change_one(&mut model, *change);
    }
    model.encode_to_vec()
}

fn change_one(model: &mut ModelProto, (at, what, third, kind): Change) {
    let int = INTS[what.index(INTS.len())];
    let Some(graph) = &mut model.graph else {
        return;
    };
    let nodes = graph.node.len().max(1);
    match kind {
        0..=2 => {
            let attributes: Vec<&mut AttributeProto> = (graph.node.iter_mut())
                .flat_map(|n| &mut n.attribute)
                .collect();
            let count = attributes.len().max(1);
            let Some(attribute) = attributes.into_iter().nth(at.index(count)) else {
                return;
            };
            match (kind, attribute.ints.is_empty()) {
                (0, false) => {
                    let place = third.index(attribute.ints.len());
                    attribute.ints[place] = int;
                }
                (1, false) => attribute.ints.push(int),
                (2, false) => drop(attribute.ints.pop()),
                _ => {
                    attribute.i = int;
                    attribute.f = FLOATS[third.index(FLOATS.len())];
                }
            }
        }
        3 => {
            let operator = OPERATORS[what.index(OPERATORS.len())];
            if let Some(node) = graph.node.get_mut(at.index(nodes)) {
                node.op_type = operator.into();
            }
        }
        4 => {
            // Any name of the graph as an input: cycles, weights where values are expected, the wrong order.
            let names: Vec<String> = (graph.node.iter())
                .flat_map(|n| n.output.iter().chain(&n.input))
                .cloned()
                .collect();
            let name = names.get(what.index(names.len().max(1))).cloned();
            let node = graph.node.get_mut(at.index(nodes));
            if let (Some(name), Some(node)) = (name, node)
                && !node.input.is_empty()
            {
                let place = third.index(node.input.len());
                node.input[place] = name;
            }
        }
        5 => {
            let from = at.index(nodes);
            if let Some(node) = graph.node.get(from).cloned() {
                match third.index(3) {
                    0 => drop(graph.node.remove(from)),
                    1 => graph.node.insert(what.index(nodes), node),
                    _ => graph.node.swap(from, what.index(nodes)),
                }
            }
        }
        6 | 7 => {
            let count = graph.initializer.len().max(1);
            if let Some(weight) = graph.initializer.get_mut(at.index(count)) {
                match (kind, weight.dims.is_empty()) {
                    (6, false) => {
                        let place = third.index(weight.dims.len());
                        weight.dims[place] = int;
                    }
                    (6, true) => weight.dims.push(int),
                    _ => weight.data_type = (int % 20) as i32,
                }
            }
        }
        8 => {
            let count = graph.initializer.len().max(1);
            if let Some(weight) = graph.initializer.get_mut(at.index(count)) {
                let value = FLOATS[what.index(FLOATS.len())];
                let raw = weight.raw_data.len() / 4;
                if raw > 0 {
                    let place = 4 * third.index(raw);
                    weight.raw_data[place..place + 4].copy_from_slice(&value.to_le_bytes());
                } else if !weight.float_data.is_empty() {
                    let place = third.index(weight.float_data.len());
                    weight.float_data[place] = value;
                }
            }
        }
        9 => {
            let ends = graph.input.iter_mut().chain(&mut graph.output);
            let axes = ends
                .filter_map(|v| v.r#type.as_mut()?.tensor_type.as_mut()?.shape.as_mut())
                .flat_map(|s| &mut s.dim);
            let axes: Vec<_> = axes.collect();
            let count = axes.len().max(1);
            if let Some(axis) = axes.into_iter().nth(at.index(count)) {
                axis.value = match third.index(3) {
                    0 => None,
                    1 => Some(Dimension::Name("n".into())),
                    _ => Some(Dimension::Length(int)),
                };
            }
        }
        10 => {
            let count = model.metadata_props.len().max(1);
            if let Some(property) = model.metadata_props.get_mut(at.index(count)) {
                let mut text = property.value.clone().into_bytes();
                let place = third.index(text.len().max(1)).min(text.len());
                text.splice(place..place, int.to_string().into_bytes());
                property.value = String::from_utf8_lossy(&text).into_owned();
            }
        }
        _ => {
            // Twice the same name for two values.
            let outputs: Vec<String> = graph.node.iter().flat_map(|n| n.output.clone()).collect();
            let name = outputs.get(what.index(outputs.len().max(1))).cloned();
            if let (Some(name), Some(NodeProto { output, .. })) =
                (name, graph.node.get_mut(at.index(nodes)))
                && let Some(first) = output.first_mut()
            {
                *first = name;
            }
        }
    }
}
