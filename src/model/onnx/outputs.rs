//! One output `[batch, tasks]` of a model that has several, or one of another shape: operators are put
//! behind its graph, and all else stays as it was.

use std::fmt;
use std::str::FromStr;

use prost::encoding;

use super::build::value_info;
use super::fields::with_graph;
use super::proto::{
    AttributeProto, FLOAT, GraphProto, INT64, ModelProto, NodeProto, TensorProto, ValueInfoProto,
};

/// Numbers of a graph's fields: its nodes, weights and outputs.
const NODE: u32 = 1;
const INITIALIZER: u32 = 5;
const OUTPUT: u32 = 12;

/// Begins the names of what is put behind a graph.
const PREFIX: &str = "mpra_score.output";

/// What becomes of the positions of an output that has them (a profile).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The largest.
    Max,
    /// The sum over so many positions in the middle.
    Centre(usize),
    /// The mean weighted by their softmax: of a profile of logits its shape (BPNet, ChromBPNet).
    SoftmaxWeighted,
}

impl FromStr for Reduce {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None => match text {
                "sum" => Some(Self::Sum),
                "mean" => Some(Self::Mean),
                "max" => Some(Self::Max),
                "softmax-weighted" => Some(Self::SoftmaxWeighted),
                _ => None,
            },
            Some(("centre", n)) => n.parse().ok().filter(|&n| n > 0).map(Self::Centre),
            _ => None,
        }
        .ok_or_else(|| format!("{text:?} is none of sum, mean, max, centre:N, softmax-weighted"))
    }
}

/// As it is written.
impl fmt::Display for Reduce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sum => f.write_str("sum"),
            Self::Mean => f.write_str("mean"),
            Self::Max => f.write_str("max"),
            Self::Centre(n) => write!(f, "centre:{n}"),
            Self::SoftmaxWeighted => f.write_str("softmax-weighted"),
        }
    }
}

/// The bytes of a model with the output of this name alone, made `[batch, tasks]`; `None` where
/// nothing is to be done. An output `[batch]` is one task, an axis of length 1 is taken out, and of
/// `[batch, positions, tasks]` or `[batch, tasks, positions]`, the longer axis being the positions,
/// `reduce` says what becomes of these.
///
/// # Errors
/// In words, when it cannot be made.
pub fn one_output(
    model: &[u8],
    proto: &ModelProto,
    graph: &GraphProto,
    name: Option<&str>,
    reduce: Option<Reduce>,
) -> Result<Option<Vec<u8>>, String> {
    let output = chosen(graph, name)?;
    let mut tail = Tail {
        tensor: output.name.clone(),
        opset: proto.opset(),
        nodes: Vec::new(),
        constants: Vec::new(),
    };
    let shape = output.shape();
    let axes = shape.as_deref().map_or(&[][..], |shape| shape);
    let tasks = match (axes, reduce) {
        (_, Some(reduce)) => tail.reduce(axes, reduce).map_err(|problem| {
            format!("{} with --reduce {reduce}: {problem}", output.description())
        })?,
        ([_, Some(1), tasks] | [_, tasks, Some(1)], None) => {
            tail.reshape(&[0, -1]);
            *tasks
        }
        ([_], None) if shape.is_some() => {
            tail.reshape(&[-1, 1]);
            Some(1)
        }
        ([_, _, _], None) => {
            return Err(format!(
                "{}, expected [batch, tasks]; --reduce says what becomes of positions",
                output.description()
            ));
        }
        (_, None) => None,
    };
    if tail.nodes.is_empty() && graph.output.len() == 1 {
        return Ok(None);
    }
    let output = match tail.nodes.is_empty() {
        true => output.clone(),
        false => {
            let batch = axes[0].ok_or("batch");
            value_info(&tail.tensor, &[batch, tasks.ok_or("tasks")], FLOAT)
        }
    };
    tail.behind(model, &output).map(Some)
}

fn chosen<'g>(graph: &'g GraphProto, name: Option<&str>) -> Result<&'g ValueInfoProto, String> {
    let names = || {
        let each = graph.output.iter();
        let each: Vec<String> = each
            .map(|o| format!("{} {}", o.name, o.description()))
            .collect();
        each.join("; ")
    };
    match (name, &graph.output[..]) {
        (None, [one]) => Ok(one),
        (None, several) => Err(format!(
            "{} outputs, expected one ({}); --output NAME chooses",
            several.len(),
            names()
        )),
        (Some(name), outputs) => {
            let found = outputs.iter().find(|output| output.name == name);
            found.ok_or_else(|| format!("no output {name:?}; there are {}", names()))
        }
    }
}

/// What is put behind a graph.
struct Tail {
    /// The tensor that the next operator reads.
    tensor: String,
    opset: i64,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl Tail {
    fn node(&mut self, op: &str, more: &[String], attribute: Vec<AttributeProto>) {
        let output = format!("{PREFIX}.{}", self.nodes.len());
        let first = std::mem::replace(&mut self.tensor, output.clone());
        self.nodes.push(NodeProto {
            input: [&[first], more].concat(),
            name: output.clone(),
            output: vec![output],
            op_type: op.into(),
            attribute,
            ..Default::default()
        });
    }

    fn ints(&mut self, values: &[i64]) -> String {
        let name = format!("{PREFIX}.constant.{}", self.constants.len());
        self.constants.push(TensorProto {
            dims: vec![values.len() as i64],
            data_type: INT64,
            name: name.clone(),
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..Default::default()
        });
        name
    }

    /// 0 keeps an axis, -1 is the rest.
    fn reshape(&mut self, shape: &[i64]) {
        let shape = self.ints(shape);
        self.node("Reshape", &[shape], vec![]);
    }

    /// Takes the last axis of three away; tells the number of tasks.
    fn reduce(&mut self, axes: &[Option<usize>], how: Reduce) -> Result<Option<usize>, String> {
        let (tasks, positions) = match *axes {
            // The longer axis are the positions, and one that is left open.
            [_, Some(a), Some(b)] if a < b => (Some(a), Some(b)),
            [_, Some(a), Some(b)] if b < a => {
                self.positions_last();
                (Some(b), Some(a))
            }
            [_, Some(a), None] => (Some(a), None),
            [_, None, Some(b)] => {
                self.positions_last();
                (Some(b), None)
            }
            [_, _, _] => return Err("which axis are the positions? They must be longer".into()),
            _ => return Err("it has no axis of positions".into()),
        };
        match how {
            Reduce::Sum => self.over_last("ReduceSum", 13),
            Reduce::Mean => self.over_last("ReduceMean", 18),
            Reduce::Max => self.over_last("ReduceMax", 18),
            Reduce::Centre(n) => {
                let fits = positions.filter(|&length| n <= length);
                let length = fits.ok_or("the output's length is not known, or shorter")?;
                let from = (length - n) / 2;
                let [from, to] = [from, from + n].map(|at| at as i64);
                if self.opset < 10 {
                    let lists = [("starts", from), ("ends", to), ("axes", 2)];
                    let attributes = lists.map(|(name, v)| AttributeProto::of_ints(name, &[v]));
                    self.node("Slice", &[], attributes.to_vec());
                } else {
                    let inputs = [from, to, 2].map(|v| self.ints(&[v]));
                    self.node("Slice", &inputs, vec![]);
                }
                self.over_last("ReduceSum", 13);
            }
            Reduce::SoftmaxWeighted => {
                let logits = self.tensor.clone();
                self.node("Softmax", &[], vec![AttributeProto::of_int("axis", 2)]);
                self.node("Mul", &[logits], vec![]);
                self.over_last("ReduceSum", 13);
            }
        }
        Ok(tasks)
    }

    fn positions_last(&mut self) {
        self.node(
            "Transpose",
            &[],
            vec![AttributeProto::of_ints("perm", &[0, 2, 1])],
        );
    }

    /// `inputs_from`: the operator set from which on the axes are an input.
    fn over_last(&mut self, op: &str, inputs_from: i64) {
        let keep = AttributeProto::of_int("keepdims", 0);
        match self.opset < inputs_from {
            true => self.node(op, &[], vec![AttributeProto::of_ints("axes", &[2]), keep]),
            false => {
                let axes = self.ints(&[2]);
                self.node(op, &[axes], vec![keep]);
            }
        }
    }

    /// The model with this behind it and this output in place of its own.
    fn behind(&self, model: &[u8], output: &ValueInfoProto) -> Result<Vec<u8>, String> {
        let copy = |field, whole: &[u8], _: Option<&[u8]>, inside: &mut Vec<u8>| {
            if field != OUTPUT {
                inside.extend_from_slice(whole);
            }
            Ok(())
        };
        with_graph(model, copy, |inside| {
            encoding::message::encode_repeated(NODE, &self.nodes, inside);
            encoding::message::encode_repeated(INITIALIZER, &self.constants, inside);
            encoding::message::encode(OUTPUT, output, inside);
        })
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::super::GraphBuilder;
    use super::*;

    type Shape<'a> = &'a [Result<usize, &'a str>];

    type Made = (Vec<String>, Vec<Option<usize>>);

    fn model(outputs: &[(&str, Shape<'_>)]) -> Vec<u8> {
        let mut graph = GraphBuilder::new("test");
        graph.input("x", &[Err("batch"), Ok(4), Ok(9)]);
        for (name, shape) in outputs {
            graph.node_to("Identity", &["x"], vec![], name);
            graph.output(name, shape);
        }
        graph.to_bytes()
    }

    /// Names of the operators that are put behind, and the new output's shape.
    fn made(
        outputs: &[(&str, Shape<'_>)],
        name: Option<&str>,
        reduce: Option<&str>,
    ) -> Result<Option<Made>, String> {
        let bytes = model(outputs);
        let proto = ModelProto::decode(bytes.as_slice()).unwrap();
        let graph = proto.graph.clone().unwrap();
        let reduce = reduce.map(|text| text.parse::<Reduce>()).transpose()?;
        let made = one_output(&bytes, &proto, &graph, name, reduce)?;
        Ok(made.map(|bytes| {
            let made = ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap();
            assert_eq!(made.node[..outputs.len()], graph.node);
            let [output] = &made.output[..] else {
                panic!("one output");
            };
            let tail = made.node[outputs.len()..].iter();
            (
                tail.map(|node| node.op_type.clone()).collect(),
                output.shape().unwrap(),
            )
        }))
    }

    #[test]
    fn outputs_are_made_batch_by_tasks() {
        let batch = Err("batch");
        let two: Shape<'_> = &[batch, Ok(3)];
        assert_eq!(made(&[("y", two)], None, None), Ok(None));
        assert_eq!(made(&[("y", two)], Some("y"), None), Ok(None));
        let ops = |names: &[&str], tasks: Option<usize>| {
            let names = names.iter().map(|n| (*n).to_owned()).collect();
            Ok(Some((names, vec![None, tasks])))
        };
        let both = [("a", two), ("b", &[batch, Ok(5)][..])];
        assert_eq!(made(&both, Some("b"), None), ops(&[], Some(5)));
        assert_eq!(
            made(&[("y", &[batch][..])], None, None),
            ops(&["Reshape"], Some(1))
        );
        for shape in [[batch, Ok(1), Ok(3)], [batch, Ok(3), Ok(1)]] {
            assert_eq!(
                made(&[("y", &shape[..])], None, None),
                ops(&["Reshape"], Some(3))
            );
        }
        let profile = [("y", &[batch, Ok(2), Ok(9)][..])];
        let turned = [("y", &[batch, Ok(9), Ok(2)][..])];
        let open = [("y", &[batch, Err("length"), Ok(2)][..])];
        assert_eq!(
            made(&profile, None, Some("mean")),
            ops(&["ReduceMean"], Some(2))
        );
        assert_eq!(
            made(&turned, None, Some("max")),
            ops(&["Transpose", "ReduceMax"], Some(2))
        );
        assert_eq!(
            made(&open, None, Some("sum")),
            ops(&["Transpose", "ReduceSum"], Some(2))
        );
        assert_eq!(
            made(&profile, None, Some("centre:4")),
            ops(&["Slice", "ReduceSum"], Some(2))
        );
        let weighted = ops(&["Softmax", "Mul", "ReduceSum"], Some(2));
        assert_eq!(made(&profile, None, Some("softmax-weighted")), weighted);
    }

    #[test]
    fn what_cannot_be_made_is_said() {
        let batch = Err("batch");
        let profile = ("y", &[batch, Ok(2), Ok(9)][..]);
        let square = ("y", &[batch, Ok(4), Ok(4)][..]);
        let flat = ("y", &[batch, Ok(4)][..]);
        for (outputs, name, reduce, problem) in [
            (
                vec![flat, ("z", flat.1)],
                None,
                None,
                "--output NAME chooses",
            ),
            (vec![flat], Some("z"), None, "no output \"z\"; there are y"),
            (vec![profile], None, None, "--reduce says"),
            (vec![square], None, Some("sum"), "which axis"),
            (vec![flat], None, Some("sum"), "no axis of positions"),
            (vec![profile], None, Some("centre:10"), "shorter"),
            (vec![profile], None, Some("centre:0"), "none of sum"),
            (vec![profile], None, Some("median"), "none of sum"),
        ] {
            let error = made(&outputs, name, reduce).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
        for text in ["sum", "mean", "max", "centre:7", "softmax-weighted"] {
            assert_eq!(text.parse::<Reduce>().unwrap().to_string(), text);
        }
    }
}
