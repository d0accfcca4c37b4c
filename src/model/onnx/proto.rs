//! The messages of `onnx.proto` with the fields this program uses; decoding skips the others.
//! Field numbers are those of the ONNX specification, which also says what each field is.

#![allow(missing_docs, reason = "onnx.proto documents its fields")]

use ndarray::{ArrayD, IxDyn};
use prost::Message;

/// `TensorProto.DataType.FLOAT`
pub const FLOAT: i32 = 1;
/// `TensorProto.DataType.FLOAT16`
pub const FLOAT16: i32 = 10;
/// `TensorProto.DataType.BFLOAT16`
pub const BFLOAT16: i32 = 16;
/// `TensorProto.DataType.INT64`
pub const INT64: i32 = 7;
/// `TensorProto.DataLocation.EXTERNAL`
pub const EXTERNAL: i32 = 1;

/// A model file.
#[derive(Clone, PartialEq, Message)]
pub struct ModelProto {
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    #[prost(string, tag = "2")]
    pub producer_name: String,
    #[prost(string, tag = "3")]
    pub producer_version: String,
    #[prost(string, tag = "6")]
    pub doc_string: String,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// Which version of an operator set the graph uses; the empty domain is ONNX's own.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// A key and a value.
#[derive(Clone, PartialEq, Message)]
pub struct StringStringEntryProto {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A graph: nodes in topological order, weights, inputs and outputs.
#[derive(Clone, PartialEq, Message)]
pub struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "15")]
    pub sparse_initializer: Vec<SparseTensorProto>,
}

/// One operator.
#[derive(Clone, PartialEq, Message)]
pub struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    #[prost(string, tag = "7")]
    pub domain: String,
}

/// A named constant of an operator; `kind` says which field holds it.
#[derive(Clone, PartialEq, Message)]
pub struct AttributeProto {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(float, tag = "2")]
    pub f: f32,
    #[prost(int64, tag = "3")]
    pub i: i64,
    #[prost(bytes = "vec", tag = "4")]
    pub s: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub t: Option<TensorProto>,
    #[prost(message, optional, tag = "6")]
    pub g: Option<GraphProto>,
    #[prost(float, repeated, tag = "7")]
    pub floats: Vec<f32>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// 1 float, 2 int, 3 string, 4 tensor, 5 graph, 6 floats, 7 ints.
    #[prost(int32, tag = "20")]
    pub kind: i32,
}

/// A weight or constant.
#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Of all integer types of up to 32 bits, and of Booleans.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<StringStringEntryProto>,
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

/// A weight that is mostly zeros; only its name is read.
#[derive(Clone, PartialEq, Message)]
pub struct SparseTensorProto {
    #[prost(message, optional, tag = "1")]
    pub values: Option<TensorProto>,
}

/// A named value with its type.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfoProto {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
}

/// A type; only tensors are described.
#[derive(Clone, PartialEq, Message)]
pub struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorTypeProto>,
}

/// Element type and shape of a tensor.
#[derive(Clone, PartialEq, Message)]
pub struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

/// The axes of a tensor.
#[derive(Clone, PartialEq, Message)]
pub struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<DimensionProto>,
}

/// One axis: a length, a name, or neither.
#[derive(Clone, PartialEq, Message)]
pub struct DimensionProto {
    #[prost(oneof = "Dimension", tags = "1, 2")]
    pub value: Option<Dimension>,
}

/// See [`DimensionProto`].
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Dimension {
    /// A fixed length.
    #[prost(int64, tag = "1")]
    Length(i64),
    /// A length known only when the model runs.
    #[prost(string, tag = "2")]
    Name(String),
}

impl ModelProto {
    /// The value of a metadata property.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata_props
            .iter()
            .find(|p| p.key == key)
            .map(|p| p.value.as_str())
    }

    /// The version of ONNX's own operator set, 0 when none is named.
    pub fn opset(&self) -> i64 {
        self.opset_import
            .iter()
            .find(|o| o.domain.is_empty() || o.domain == "ai.onnx")
            .map_or(0, |o| o.version)
    }
}

impl NodeProto {
    /// An attribute by name.
    pub fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|a| a.name == name)
    }

    /// An integer attribute, or its default.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |a| a.i)
    }

    /// A float attribute, or its default.
    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |a| a.f)
    }

    /// A list-of-integers attribute; `None` when absent.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|a| a.ints.as_slice())
    }

    /// Whether an input, which may be left out, is given.
    pub fn has_input(&self, input: usize) -> bool {
        self.input.get(input).is_some_and(|name| !name.is_empty())
    }

    /// A string attribute; empty when absent.
    pub fn string(&self, name: &str) -> String {
        self.attribute(name)
            .map(|a| String::from_utf8_lossy(&a.s).into_owned())
            .unwrap_or_default()
    }
}

impl TensorProto {
    /// Number of elements by the dimensions; the largest number where they are more than that.
    pub fn elements(&self) -> u64 {
        let lengths = self.dims.iter().map(|&d| d.max(0) as u64);
        lengths.fold(1, u64::saturating_mul)
    }

    /// The values of a float tensor in its shape; `None` as for [`TensorProto::floats`].
    pub fn array(&self) -> Option<ArrayD<f32>> {
        let dims: Option<Vec<usize>> = (self.dims.iter())
            .map(|&d| usize::try_from(d).ok())
            .collect();
        ArrayD::from_shape_vec(IxDyn(&dims?), self.floats()?).ok()
    }

    /// The values of a tensor of floats of 32 or 16 bits, row-major; `None` for another type, external
    /// data or a length that does not fit the dimensions.
    pub fn floats(&self) -> Option<Vec<f32>> {
        if self.data_location == EXTERNAL {
            return None;
        }
        let values = match self.data_type {
            FLOAT if self.raw_data.is_empty() => self.float_data.clone(),
            FLOAT => self.raw(f32::from_le_bytes)?,
            FLOAT16 => self.halves(|bits| half::f16::from_bits(bits).to_f32())?,
            BFLOAT16 => self.halves(|bits| half::bf16::from_bits(bits).to_f32())?,
            _ => return None,
        };
        (values.len() as u64 == self.elements()).then_some(values)
    }

    /// Values of 16 bits, which stand in `int32_data` where they are not raw.
    fn halves(&self, value: impl Fn(u16) -> f32) -> Option<Vec<f32>> {
        if self.raw_data.is_empty() {
            let bits = self.int32_data.iter().map(|&v| u16::try_from(v).ok());
            return bits.map(|bits| bits.map(&value)).collect();
        }
        self.raw(|bytes| value(u16::from_le_bytes(bytes)))
    }

    /// `None` where a part of a value is left over.
    fn raw<T, const N: usize>(&self, value: impl Fn([u8; N]) -> T) -> Option<Vec<T>> {
        let (chunks, []) = self.raw_data.as_chunks::<N>() else {
            return None;
        };
        Some(chunks.iter().map(|c| value(*c)).collect())
    }

    /// The values of an int64 tensor; `None` likewise.
    pub fn int64s(&self) -> Option<Vec<i64>> {
        if self.data_type != INT64 || self.data_location == EXTERNAL {
            return None;
        }
        let values = match self.raw_data.is_empty() {
            true => self.int64_data.clone(),
            false => self.raw(i64::from_le_bytes)?,
        };
        (values.len() as u64 == self.elements()).then_some(values)
    }
}

impl SparseTensorProto {
    /// The name of the whole tensor.
    pub fn name(&self) -> Option<&str> {
        self.values.as_ref().map(|v| v.name.as_str())
    }
}

impl ValueInfoProto {
    /// Element type as in `TensorProto.DataType`, 0 when unknown or not a tensor.
    pub fn elem_type(&self) -> i32 {
        self.tensor().map_or(0, |t| t.elem_type)
    }

    /// The axes: `Some(n)` for a fixed length, `None` for one that is free. `None` altogether when
    /// the shape is not stated.
    pub fn shape(&self) -> Option<Vec<Option<usize>>> {
        let shape = self.tensor()?.shape.as_ref()?;
        Some(
            shape
                .dim
                .iter()
                .map(|d| match d.value {
                    Some(Dimension::Length(n)) => usize::try_from(n).ok().filter(|&n| n > 0),
                    _ => None,
                })
                .collect(),
        )
    }

    /// Type and shape for people: `float [batch, 145, 4]`.
    pub fn description(&self) -> String {
        let axes = self.tensor().and_then(|t| t.shape.as_ref()).map(|shape| {
            let axes: Vec<String> = shape
                .dim
                .iter()
                .map(|d| match &d.value {
                    Some(Dimension::Length(n)) => n.to_string(),
                    Some(Dimension::Name(name)) => name.clone(),
                    None => "?".into(),
                })
                .collect();
            format!(" [{}]", axes.join(", "))
        });
        format!(
            "{}{}",
            type_name(self.elem_type()),
            axes.unwrap_or_else(|| " of unstated shape".into())
        )
    }

    fn tensor(&self) -> Option<&TensorTypeProto> {
        self.r#type.as_ref()?.tensor_type.as_ref()
    }
}

/// The name of a `TensorProto.DataType`.
pub fn type_name(elem_type: i32) -> &'static str {
    match elem_type {
        1 => "float",
        2 => "uint8",
        3 => "int8",
        4 => "uint16",
        5 => "int16",
        6 => "int32",
        7 => "int64",
        8 => "string",
        9 => "bool",
        10 => "float16",
        11 => "double",
        12 => "uint32",
        13 => "uint64",
        16 => "bfloat16",
        _ => "unknown",
    }
}
