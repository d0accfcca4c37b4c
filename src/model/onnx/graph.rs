use std::collections::{HashMap, HashSet, VecDeque};

use ndarray::ArrayD;

use super::proto::{FLOAT, GraphProto, NodeProto, TensorProto};

/// Why a graph, or something in it, cannot be read: one plain sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Operators wait for each other.
    #[error("the graph has a cycle")]
    Cycle,
    /// A tensor that is read and never made.
    #[error("{reader} reads the tensor {tensor:?}, which nothing gives")]
    Missing {
        /// Its name.
        tensor: String,
        /// Who reads it.
        reader: String,
    },
    /// Two operators, weights or inputs of one name.
    #[error("the tensor {0:?} is given twice")]
    Twice(String),
    /// A chain ends, as a tensor has several readers, or none.
    #[error(
        "{users} operators use the tensor {tensor:?}, and only plain chains are supported (no residual or other branches)"
    )]
    Branch {
        /// Its name.
        tensor: String,
        /// Operators that read it.
        users: usize,
    },
    /// A chain ends, as an operator gives more than one tensor that is used.
    #[error("the operator {0} has several outputs in use")]
    SeveralOutputs(String),
    /// A weight that the graph computes.
    #[error("input {input} of the operator {operator} is no constant")]
    NoConstant {
        /// Its type.
        operator: String,
        /// Number of the input, from 0.
        input: usize,
    },
    /// A weight of another type than float, or with another number of values than its shape.
    #[error("a weight of {0} is not float")]
    NotFloat(String),
    /// A parameter that is no list of integers.
    #[error("the {parameter} of {operator} is no list")]
    NoList {
        /// The operator's type.
        operator: String,
        /// The parameter's name.
        parameter: String,
    },
    /// An operator that does not fit what its input's axes mean.
    #[error("{operator} on axes {axes}: {why}")]
    Axes {
        /// The operator's type.
        operator: String,
        /// The axes as text.
        axes: String,
        /// What does not fit.
        why: String,
    },
}

/// A graph that has been looked through once: every tensor that is read is given, by one operator,
/// weight or input, and no operator waits for itself. All that reads networks goes through here.
#[derive(Clone, Debug)]
pub struct Graph<'a> {
    nodes: Vec<&'a NodeProto>,
    constants: HashMap<&'a str, &'a TensorProto>,
    consumers: HashMap<&'a str, Vec<&'a NodeProto>>,
    outputs: HashSet<&'a str>,
}

/// An operator on the way from input to output.
#[derive(Clone, Copy, Debug)]
pub struct Step<'g> {
    /// The operator.
    pub node: &'g NodeProto,
    /// The tensor on the way that it reads.
    pub from: &'g str,
}

impl Step<'_> {
    /// Whether the tensor on the way is the operator's first input.
    pub fn comes_first(&self) -> bool {
        self.node.input.first().is_some_and(|i| i == self.from)
    }
}

impl<'a> Graph<'a> {
    /// Looks a graph through.
    ///
    /// # Errors
    /// [`GraphError::Cycle`], [`GraphError::Missing`], [`GraphError::Twice`].
    pub fn new(graph: &'a GraphProto) -> Result<Self, GraphError> {
        // Told last: a tensor that is given twice may close a cycle, which says more.
        let mut twice: Vec<&str> = Vec::new();
        let mut constants: HashMap<&str, &TensorProto> = HashMap::new();
        let mut given: HashSet<&str> = HashSet::new();
        for tensor in &graph.initializer {
            if constants.insert(&tensor.name, tensor).is_some() {
                twice.push(&tensor.name);
            }
        }
        for input in &graph.input {
            if !given.insert(&input.name) {
                twice.push(&input.name);
            }
        }
        // Older models list their weights among the inputs, too.
        given.extend(constants.keys());
        given.extend(graph.sparse_initializer.iter().filter_map(|s| s.name()));
        // How many operators give a tensor.
        let mut producers: HashMap<&str, usize> = HashMap::new();
        for node in &graph.node {
            for name in node.output.iter().filter(|name| !name.is_empty()) {
                if !given.insert(name) {
                    twice.push(name);
                }
                *producers.entry(name).or_default() += 1;
            }
            if let ("Constant", Some(name), Some(value)) = (
                node.op_type.as_str(),
                node.output.first(),
                node.attribute("value").and_then(|a| a.t.as_ref()),
            ) {
                constants.insert(name, value);
            }
        }

        let missing = |tensor: &str, reader: String| GraphError::Missing {
            tensor: tensor.into(),
            reader,
        };
        let mut readers: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut waits_for = vec![0; graph.node.len()];
        for (i, node) in graph.node.iter().enumerate() {
            for name in reads(node) {
                if !given.contains(name) {
                    return Err(missing(name, format!("the operator {}", node.op_type)));
                }
                readers.entry(name).or_default().push(i);
                waits_for[i] += producers.get(name).copied().unwrap_or(0);
            }
        }
        for output in &graph.output {
            if !given.contains(output.name.as_str()) {
                return Err(missing(&output.name, "the graph's output".into()));
            }
        }

        // Kahn's algorithm: an operator's turn comes when all that it reads is there.
        let mut ready: VecDeque<usize> = (0..graph.node.len())
            .filter(|&i| waits_for[i] == 0)
            .collect();
        let mut nodes = Vec::with_capacity(graph.node.len());
        while let Some(i) = ready.pop_front() {
            let node = &graph.node[i];
            nodes.push(node);
            for name in &node.output {
                for &reader in readers.get(name.as_str()).into_iter().flatten() {
                    waits_for[reader] -= 1;
                    if waits_for[reader] == 0 {
                        ready.push_back(reader);
                    }
                }
            }
        }
        if nodes.len() < graph.node.len() {
            return Err(GraphError::Cycle);
        }
        if let Some(name) = twice.first() {
            return Err(GraphError::Twice((*name).into()));
        }
        // Weights that are kept in fewer bits, and copies.
        for node in &nodes {
            let copies = match node.op_type.as_str() {
                "Identity" => true,
                "Cast" => node.int("to", 0) == i64::from(FLOAT),
                _ => false,
            };
            let from = node.input.first().filter(|_| copies);
            let value = from.and_then(|name| constants.get(name.as_str()).copied());
            if let (Some(value), Some(name)) = (value, node.output.first()) {
                constants.insert(name, value);
            }
        }
        let consumers = readers
            .into_iter()
            .map(|(name, of)| (name, of.into_iter().map(|i| &graph.node[i]).collect()))
            .collect();
        Ok(Self {
            nodes,
            constants,
            consumers,
            outputs: graph.output.iter().map(|o| o.name.as_str()).collect(),
        })
    }

    /// All operators, each behind those whose tensors it reads.
    pub fn nodes(&self) -> &[&'a NodeProto] {
        &self.nodes
    }

    /// The operators that read a tensor, each once, in the file's order; those whose inner graphs
    /// read it are among them.
    pub fn consumers(&self, tensor: &str) -> &[&'a NodeProto] {
        self.consumers.get(tensor).map_or(&[], Vec::as_slice)
    }

    /// Whether a tensor is an output of the graph.
    pub fn is_output(&self, tensor: &str) -> bool {
        self.outputs.contains(tensor)
    }

    /// The operators one behind the other from the tensor `input` to the output, as long as each
    /// tensor has one reader; the last item is an error where that ends before the output
    /// ([`GraphError::Branch`], [`GraphError::SeveralOutputs`]).
    pub fn chain<'g>(&'g self, input: &'g str) -> Chain<'g> {
        Chain {
            graph: self,
            at: At::Tensor(input),
        }
    }

    /// The constant that is an operator's input: a weight, what a Constant operator gives, or either
    /// behind a Cast to float or an Identity.
    ///
    /// # Errors
    /// [`GraphError::NoConstant`].
    pub fn constant(&self, node: &NodeProto, input: usize) -> Result<&'a TensorProto, GraphError> {
        node.input
            .get(input)
            .and_then(|name| self.constants.get(name.as_str()).copied())
            .ok_or_else(|| GraphError::NoConstant {
                operator: node.op_type.clone(),
                input,
            })
    }

    /// The values of a constant input, in its shape.
    ///
    /// # Errors
    /// [`GraphError::NoConstant`], [`GraphError::NotFloat`].
    pub fn floats(&self, node: &NodeProto, input: usize) -> Result<ArrayD<f32>, GraphError> {
        self.constant(node, input)?
            .array()
            .ok_or_else(|| GraphError::NotFloat(node.op_type.clone()))
    }

    /// A list of integers that is an attribute in old operator sets and an input in new ones; `None`
    /// when it is left out.
    ///
    /// # Errors
    /// [`GraphError::NoConstant`], [`GraphError::NoList`].
    pub fn list(
        &self,
        node: &NodeProto,
        parameter: &str,
        input: usize,
    ) -> Result<Option<Vec<i64>>, GraphError> {
        if let Some(list) = node.ints(parameter) {
            return Ok(Some(list.to_vec()));
        }
        if !node.has_input(input) {
            return Ok(None);
        }
        let list = self.constant(node, input)?.int64s();
        list.map(Some).ok_or_else(|| GraphError::NoList {
            operator: node.op_type.clone(),
            parameter: parameter.into(),
        })
    }

    fn is_used(&self, tensor: &str) -> bool {
        !tensor.is_empty() && (self.is_output(tensor) || !self.consumers(tensor).is_empty())
    }
}

/// See [`Graph::chain`].
#[derive(Clone, Debug)]
pub struct Chain<'g> {
    graph: &'g Graph<'g>,
    at: At<'g>,
}

#[derive(Clone, Copy, Debug)]
enum At<'g> {
    Tensor(&'g str),
    Node(&'g NodeProto),
    End,
}

impl<'g> Chain<'g> {
    fn step(&mut self) -> Result<Option<Step<'g>>, GraphError> {
        let graph = self.graph;
        let from = match std::mem::replace(&mut self.at, At::End) {
            At::Tensor(name) => name,
            At::Node(node) => match node.output.as_slice() {
                [first, rest @ ..] if !rest.iter().any(|o| graph.is_used(o)) => first,
                _ => return Err(GraphError::SeveralOutputs(node.op_type.clone())),
            },
            At::End => return Ok(None),
        };
        if graph.is_output(from) {
            return Ok(None);
        }
        let [node] = graph.consumers(from) else {
            return Err(GraphError::Branch {
                tensor: from.into(),
                users: graph.consumers(from).len(),
            });
        };
        self.at = At::Node(node);
        Ok(Some(Step { node, from }))
    }
}

impl<'g> Iterator for Chain<'g> {
    type Item = Result<Step<'g>, GraphError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// The tensors that an operator reads, each once: its inputs, and what its inner graphs (of If, Loop
/// and Scan) take from outside.
fn reads(node: &NodeProto) -> Vec<&str> {
    let inputs = node.input.iter().map(String::as_str);
    let inner = node.attribute.iter().filter_map(|a| a.g.as_ref());
    let mut names: Vec<&str> = inputs.filter(|name| !name.is_empty()).collect();
    names.extend(inner.flat_map(taken_from_outside));
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(*name));
    names
}

fn taken_from_outside(graph: &GraphProto) -> Vec<&str> {
    let mut own: HashSet<&str> = graph.input.iter().map(|i| i.name.as_str()).collect();
    own.extend(graph.initializer.iter().map(|t| t.name.as_str()));
    own.extend(graph.sparse_initializer.iter().filter_map(|s| s.name()));
    own.extend((graph.node.iter()).flat_map(|n| n.output.iter().map(String::as_str)));
    let outputs = graph.output.iter().map(|o| o.name.as_str());
    let names = graph.node.iter().flat_map(reads).chain(outputs);
    names.filter(|name| !own.contains(name)).collect()
}

#[cfg(test)]
mod tests;
