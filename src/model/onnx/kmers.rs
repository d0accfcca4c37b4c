//! The network of a table of k-mers: a window's activity is the sum of the weights of its k-mers.
//!
//! A convolution gives each k-mer its number, another counts its known bases; one with an unknown base has the
//! number 4^k, whose weight is 0.

use super::{AttributeProto, FLOAT, GraphBuilder, GraphProto, INT64, NodeProto, TensorProto};

/// Attribute and operator names of the seven operators, and their constants.
const AXIS: i64 = 2;

/// A table of k-mers that a graph is.
#[derive(Clone, Debug, PartialEq)]
pub struct KmerGraph {
    /// Bases of a k-mer.
    pub k: usize,
    /// [4^k], by number: the first base is the highest digit, and digits are rows of the input.
    pub weights: Vec<f32>,
    /// Whether an activity is the mean over the window's k-mers instead of their sum.
    pub mean: bool,
}

/// A graph over windows of any length, `sequence` [batch, 4, length] to `activity` [batch, 1].
///
/// # Panics
/// When there are not 4^k weights: a mistake in the caller.
pub fn kmer_graph(k: usize, weights: &[f32], mean: bool) -> GraphBuilder {
    let all = 1usize << (2 * k);
    assert_eq!(weights.len(), all);
    let mut graph = GraphBuilder::new("kmers");
    graph.input("sequence", &[Err("batch"), Ok(4), Err("length")]);
    let digits: Vec<f32> = digits(k).collect();
    let numbers = graph.weight("digits", &[1, 4, k], &digits);
    let known = graph.weight("ones", &[1, 4, k], &vec![1.0; 4 * k]);
    let most = graph.weight("all_but_half_a_base", &[1], &[k as f32 - 0.5]);
    let none = graph.ints("number_of_no_kmer", &[all as i64]);
    let mut table = weights.to_vec();
    table.push(0.0);
    let table = graph.weight("kmers", &[all + 1], &table);

    let numbers = graph.node("Conv", &["sequence", &numbers], vec![]);
    let to = AttributeProto::of_int("to", i64::from(INT64));
    let numbers = graph.node("Cast", &[&numbers], vec![to]);
    let known = graph.node("Conv", &["sequence", &known], vec![]);
    let whole = graph.node("Greater", &[&known, &most], vec![]);
    let numbers = graph.node("Where", &[&whole, &numbers, &none], vec![]);
    let weights = graph.node("Gather", &[&table, &numbers], vec![]);
    let kept = AttributeProto::of_int("keepdims", 0);
    match mean {
        false => {
            let axis = graph.ints("positions", &[AXIS]);
            graph.node_to("ReduceSum", &[&weights, &axis], vec![kept], "activity");
        }
        true => {
            let axis = AttributeProto::of_ints("axes", &[AXIS]);
            graph.node_to("ReduceMean", &[&weights], vec![axis, kept], "activity");
        }
    }
    graph.output("activity", &[Err("batch"), Ok(1)]);
    graph
}

/// [row, place]: the row times 4^(places behind).
fn digits(k: usize) -> impl Iterator<Item = f32> {
    let digit = move |i: usize| (i / k) as f32 * 4f32.powi((k - 1 - i % k) as i32);
    (0..4 * k).map(digit)
}

impl KmerGraph {
    /// Reads a graph as [`kmer_graph`] writes it, whatever its tensors are called; `None` for any other.
    pub fn read(graph: &GraphProto) -> Option<Self> {
        let [output] = &graph.output[..] else {
            return None;
        };
        let known: Vec<&str> = (graph.initializer.iter())
            .map(|w| w.name.as_str())
            .collect();
        let mut inputs = graph
            .input
            .iter()
            .filter(|i| !known.contains(&i.name.as_str()));
        let (Some(input), None, 7) = (inputs.next(), inputs.next(), graph.node.len()) else {
            return None;
        };
        let nodes = Nodes(graph);
        let last = nodes.made(&output.name)?;
        let mean = match last.op_type.as_str() {
            "ReduceSum" => false,
            "ReduceMean" => true,
            _ => return None,
        };
        let axis = match last.ints("axes") {
            Some(axes) => axes.to_vec(),
            None => nodes.constant(last, 1)?.int64s()?,
        };
        if last.int("keepdims", 1) != 0 || axis != [AXIS] {
            return None;
        }
        let gather = nodes.input(last, 0, "Gather")?;
        if gather.int("axis", 0) != 0 {
            return None;
        }
        let table = nodes.constant(gather, 0)?;
        let mut weights = table.floats().filter(|_| table.data_type == FLOAT)?;
        let chosen = nodes.input(gather, 1, "Where")?;
        let greater = nodes.input(chosen, 0, "Greater")?;
        let cast = nodes.input(chosen, 1, "Cast")?;
        let none = nodes.constant(chosen, 2)?.int64s()?;
        let most = nodes.constant(greater, 1)?.floats()?;
        let counted = nodes.kernel(nodes.input(greater, 0, "Conv")?, &input.name)?;
        let numbered = nodes.kernel(nodes.input(cast, 0, "Conv")?, &input.name)?;
        let k = counted.len() / 4;
        let fits = (1..=12).contains(&k)
            && cast.int("to", 0) == i64::from(INT64)
            && none == [1 << (2 * k)]
            && most == [k as f32 - 0.5]
            && counted.iter().all(|w| *w == 1.0)
            && numbered.iter().copied().eq(digits(k))
            && table.dims == [(1i64 << (2 * k)) + 1]
            && weights.pop() == Some(0.0);
        fits.then_some(Self { k, weights, mean })
    }
}

/// A graph's operators by what they make.
struct Nodes<'a>(&'a GraphProto);

impl<'a> Nodes<'a> {
    fn made(&self, name: &str) -> Option<&'a NodeProto> {
        let makes = |node: &&NodeProto| node.output.len() == 1 && node.output[0] == name;
        let node = self.0.node.iter().find(makes)?;
        (node.domain.is_empty() || node.domain == "ai.onnx").then_some(node)
    }

    /// The operator of this kind that makes an operator's input.
    fn input(&self, node: &NodeProto, input: usize, kind: &str) -> Option<&'a NodeProto> {
        let made = self.made(node.input.get(input)?)?;
        (made.op_type == kind).then_some(made)
    }

    fn constant(&self, node: &NodeProto, input: usize) -> Option<&'a TensorProto> {
        let name = node.input.get(input)?;
        self.0.initializer.iter().find(|w| w.name == *name)
    }

    /// The weights [1, 4, k] of a plain convolution over the input.
    fn kernel(&self, conv: &NodeProto, input: &str) -> Option<Vec<f32>> {
        let weights = self.constant(conv, 1)?;
        let ones = |name: &str| conv.ints(name).is_none_or(|all| all == [1]);
        let padded = conv.ints("pads").is_some_and(|pads| pads != [0, 0]);
        let automatic = conv.attribute("auto_pad").is_some_and(|a| a.s != b"NOTSET");
        let plain = conv.input.len() == 2
            && conv.input[0] == input
            && ones("strides")
            && ones("dilations")
            && conv.int("group", 1) == 1
            && !padded
            && !automatic;
        match weights.dims[..] {
            [1, 4, _] if plain => weights.floats(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for (k, mean) in [(1, false), (3, true), (6, false)] {
            let weights: Vec<f32> = (0..1 << (2 * k)).map(|i| i as f32 * 0.5 - 3.0).collect();
            let model = kmer_graph(k, &weights, mean).build();
            let graph = model.graph.unwrap();
            let read = KmerGraph::read(&graph);
            assert_eq!(read, Some(KmerGraph { k, weights, mean }));
            // Anything else than that is no such graph.
            let changes: [fn(&mut GraphProto); 6] = [
                |g| {
                    g.node[0]
                        .attribute
                        .push(AttributeProto::of_ints("pads", &[1, 1]))
                },
                |g| g.node[3].op_type = "GreaterOrEqual".into(),
                |g| g.node[6].attribute.clear(),
                |g| g.node[2].input[0] = "conv_1".into(),
                |g| {
                    let tensor = g.initializer.iter_mut().find(|w| w.name == "digits");
                    tensor.unwrap().raw_data[3] ^= 1;
                },
                |g| {
                    let tensor = g
                        .initializer
                        .iter_mut()
                        .find(|w| w.name == "kmers")
                        .unwrap();
                    let last = tensor.raw_data.len() - 1;
                    tensor.raw_data[last] = 63;
                },
            ];
            for change in changes {
                let mut other = graph.clone();
                change(&mut other);
                assert_eq!(KmerGraph::read(&other), None);
            }
        }
    }
}
