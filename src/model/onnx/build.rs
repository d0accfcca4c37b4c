use prost::Message;

use super::proto::*;

/// Writes ONNX models: nodes, weights, metadata. IR version 8 and operator set 17, which every
/// ONNX Runtime from 1.12 on reads.
#[derive(Clone, Debug)]
pub struct GraphBuilder {
    model: ModelProto,
    graph: GraphProto,
    names: usize,
}

impl GraphBuilder {
    /// An empty graph of this name.
    pub fn new(name: &str) -> Self {
        Self {
            model: ModelProto {
                ir_version: 8,
                producer_name: "mpra-score".into(),
                producer_version: crate::VERSION.into(),
                opset_import: vec![OperatorSetIdProto {
                    domain: String::new(),
                    version: 17,
                }],
                ..Default::default()
            },
            graph: GraphProto {
                name: name.into(),
                ..Default::default()
            },
            names: 0,
        }
    }

    /// Another operator set than 17: what is added must be of it.
    pub fn operator_set(&mut self, version: i64) -> &mut Self {
        for set in &mut self.model.opset_import {
            set.version = version;
        }
        self
    }

    /// Declares a float input. Axes are lengths, or names for those that are free.
    pub fn input(&mut self, name: &str, axes: &[Result<usize, &str>]) -> &mut Self {
        self.graph.input.push(value_info(name, axes, FLOAT));
        self
    }

    /// Declares a float output.
    pub fn output(&mut self, name: &str, axes: &[Result<usize, &str>]) -> &mut Self {
        self.graph.output.push(value_info(name, axes, FLOAT));
        self
    }

    /// Adds a float weight (row-major) and returns its name.
    ///
    /// # Panics
    /// When the number of values does not fit the dimensions: a mistake in the caller.
    pub fn weight(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        assert_eq!(
            dims.iter().product::<usize>(),
            values.len(),
            "weight {name}"
        );
        self.graph.initializer.push(TensorProto {
            dims: dims.iter().map(|&d| d as i64).collect(),
            data_type: FLOAT,
            name: name.into(),
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..Default::default()
        });
        name.into()
    }

    /// Adds a one-dimensional int64 constant and returns its name.
    pub fn ints(&mut self, name: &str, values: &[i64]) -> String {
        self.graph.initializer.push(TensorProto {
            dims: vec![values.len() as i64],
            data_type: INT64,
            name: name.into(),
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..Default::default()
        });
        name.into()
    }

    /// Adds an operator with one output and returns the output's (new) name.
    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        self.names += 1;
        let output = format!("{}_{}", op.to_lowercase(), self.names);
        self.node_to(op, inputs, attributes, &output);
        output
    }

    /// Adds an operator whose output has the given name (a graph output, for instance).
    pub fn node_to(
        &mut self,
        op: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
        output: &str,
    ) {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|s| (*s).into()).collect(),
            output: vec![output.into()],
            name: format!("node_{}", self.graph.node.len()),
            op_type: op.into(),
            attribute,
            ..Default::default()
        });
    }

    /// Gives the last operator one more output.
    pub fn second_output(&mut self, output: &str) -> &mut Self {
        if let Some(node) = self.graph.node.last_mut() {
            node.output.push(output.into());
        }
        self
    }

    /// Sets a metadata property.
    pub fn metadata(&mut self, key: &str, value: &str) -> &mut Self {
        self.model.metadata_props.push(StringStringEntryProto {
            key: key.into(),
            value: value.into(),
        });
        self
    }

    /// The model as a message.
    pub fn build(&self) -> ModelProto {
        ModelProto {
            graph: Some(self.graph.clone()),
            ..self.model.clone()
        }
    }

    /// The bytes of the model file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.build().encode_to_vec()
    }
}

impl AttributeProto {
    /// A list of integers.
    pub fn of_ints(name: &str, ints: &[i64]) -> Self {
        Self {
            name: name.into(),
            ints: ints.to_vec(),
            kind: 7,
            ..Default::default()
        }
    }

    /// An integer.
    pub fn of_int(name: &str, i: i64) -> Self {
        Self {
            name: name.into(),
            i,
            kind: 2,
            ..Default::default()
        }
    }

    /// A float.
    pub fn of_float(name: &str, f: f32) -> Self {
        Self {
            name: name.into(),
            f,
            kind: 1,
            ..Default::default()
        }
    }

    /// A string.
    pub fn of_string(name: &str, s: &str) -> Self {
        Self {
            name: name.into(),
            s: s.as_bytes().to_vec(),
            kind: 3,
            ..Default::default()
        }
    }
}

pub(super) fn value_info(
    name: &str,
    axes: &[Result<usize, &str>],
    elem_type: i32,
) -> ValueInfoProto {
    let dim = axes
        .iter()
        .map(|axis| DimensionProto {
            value: Some(match axis {
                Ok(length) => Dimension::Length(*length as i64),
                Err(name) => Dimension::Name((*name).into()),
            }),
        })
        .collect();
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type,
                shape: Some(TensorShapeProto { dim }),
            }),
        }),
    }
}
