use super::MotifError;
use crate::model::onnx::{GraphProto, NodeProto, TensorProto};
use crate::model::{ModelFile, ModelSpec};

/// The filters of a network's first convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Filters {
    /// Columns of a filter.
    pub width: usize,
    /// `[filters][column][base]`, bases in the order A, C, G, T.
    pub weights: Vec<Vec<[f32; 4]>>,
    /// One a filter.
    pub bias: Vec<f32>,
}

/// What an axis of the convolution's input is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Axis {
    Batch,
    Position,
    Base,
    One,
}

impl Filters {
    /// Finds the first convolution of a graph, through operators that only move axes.
    ///
    /// # Errors
    /// [`MotifError::NoFilters`] where something else comes first, several operators read the input
    /// side by side, or the convolution is grouped, dilated or has no constant weights.
    pub fn of(file: &ModelFile, spec: &ModelSpec) -> Result<Self, MotifError> {
        let graph = file.graph();
        let fail = |problem: String| MotifError::NoFilters {
            model: file.path().display().to_string(),
            problem,
        };
        let shape = (file.inputs().first())
            .and_then(|input| input.shape())
            .unwrap_or_default();
        let (length, rank) = (spec.one_hot.length, shape.len());
        // The layout's own axes: the base axis is the last or the last but one.
        let (_, base_step) = spec.one_hot.layout.steps(length);
        let mut axes = match base_step {
            1 => vec![Axis::Position, Axis::Base],
            _ => vec![Axis::Base, Axis::Position],
        };
        if rank == 4 {
            axes.insert(0, Axis::One);
        }
        axes.insert(0, Axis::Batch);
        let mut tensor = spec.input.as_str();
        // Graphs have no cycles; each step goes one node on.
        for _ in 0..=graph.node.len() {
            let readers: Vec<&NodeProto> = (graph.node.iter())
                .filter(|n| n.input.iter().any(|i| i == tensor))
                .collect();
            let [node] = readers[..] else {
                let n = readers.len();
                return Err(fail(format!("{n} operators read its input, not one")));
            };
            match node.op_type.as_str() {
                "Conv" => return convolution(graph, node, &axes, spec).map_err(fail),
                "Identity" | "Cast" | "Dropout" => {}
                "Transpose" => {
                    let perm: Vec<usize> = match node.ints("perm") {
                        Some(perm) => perm.iter().map(|&p| p as usize).collect(),
                        None => (0..axes.len()).rev().collect(),
                    };
                    let moved: Option<Vec<Axis>> =
                        perm.iter().map(|&p| axes.get(p).copied()).collect();
                    axes = moved
                        .filter(|m| m.len() == axes.len())
                        .ok_or_else(|| fail("a Transpose that does not fit".into()))?;
                }
                "Unsqueeze" | "Squeeze" => {
                    let list = node
                        .ints("axes")
                        .map(<[i64]>::to_vec)
                        .or_else(|| constant(graph, node.input.get(1)?)?.int64s())
                        .ok_or_else(|| fail(format!("{} without axes", node.op_type)))?;
                    let insert = node.op_type == "Unsqueeze";
                    let rank = match insert {
                        true => axes.len() + list.len(),
                        false => axes.len(),
                    } as i64;
                    let mut at: Vec<usize> =
                        list.iter().map(|a| a.rem_euclid(rank) as usize).collect();
                    at.sort_unstable();
                    for &a in &at {
                        if insert && a <= axes.len() {
                            axes.insert(a, Axis::One);
                        }
                    }
                    for &a in at.iter().rev() {
                        if !insert && axes.get(a) == Some(&Axis::One) {
                            axes.remove(a);
                        }
                    }
                }
                "Reshape" => {
                    let to = (node.input.get(1))
                        .and_then(|name| constant(graph, name)?.int64s())
                        .ok_or_else(|| fail("a Reshape to a computed shape".into()))?;
                    axes = reshaped(&to, &axes, length)
                        .ok_or_else(|| fail("a Reshape that mixes positions and bases".into()))?;
                }
                other => return Err(fail(format!("its first operator is {other}"))),
            }
            tensor =
                (node.output.first()).ok_or_else(|| fail("an operator without output".into()))?;
        }
        Err(fail("its graph has no end".into()))
    }

    /// The value of a filter on a word of base codes, all known.
    pub fn value(&self, filter: usize, word: &[u8]) -> f32 {
        let columns = self.weights[filter].iter().zip(word);
        columns
            .map(|(column, &code)| column[code as usize])
            .sum::<f32>()
            + self.bias[filter]
    }
}

/// Only ones come or go, and the order of positions and bases stays.
fn reshaped(to: &[i64], axes: &[Axis], length: usize) -> Option<Vec<Axis>> {
    let order: Vec<Axis> = (axes.iter().copied())
        .filter(|a| matches!(a, Axis::Position | Axis::Base))
        .collect();
    let mut left = order.into_iter();
    let mut new = vec![Axis::Batch];
    for &n in to.get(1..)? {
        new.push(match n {
            1 => Axis::One,
            _ => {
                let axis = left.next()?;
                let size = if axis == Axis::Base { 4 } else { length as i64 };
                (n == size || n <= 0).then_some(axis)?
            }
        });
    }
    left.next().is_none().then_some(new)
}

fn constant<'a>(graph: &'a GraphProto, name: &str) -> Option<&'a TensorProto> {
    let initializer = graph.initializer.iter().find(|w| w.name == name);
    initializer.or_else(|| {
        let node = (graph.node.iter())
            .find(|n| n.op_type == "Constant" && n.output.iter().any(|o| o == name))?;
        node.attribute("value")?.t.as_ref()
    })
}

fn convolution(
    graph: &GraphProto,
    node: &NodeProto,
    axes: &[Axis],
    spec: &ModelSpec,
) -> Result<Filters, String> {
    let tensor = (node.input.get(1))
        .and_then(|name| constant(graph, name))
        .ok_or("its first convolution has computed weights")?;
    let values = tensor
        .floats()
        .ok_or("its first convolution has no float weights")?;
    let dims: Vec<usize> = tensor.dims.iter().map(|&d| d.max(0) as usize).collect();
    if node.int("group", 1) != 1 {
        return Err("its first convolution is grouped".into());
    }
    if dims.len() != axes.len() || dims.is_empty() {
        return Err("the weights of its first convolution do not fit its input".into());
    }
    let find = |axis: Axis| axes.iter().position(|a| *a == axis);
    let (Some(position), Some(base)) = (find(Axis::Position), find(Axis::Base)) else {
        return Err("its first convolution does not run over bases".into());
    };
    if position == 1 {
        return Err("its first convolution takes positions for channels".into());
    }
    let dilated = node
        .ints("dilations")
        .is_some_and(|d| d.get(position - 2).is_some_and(|&d| d != 1));
    if dilated {
        return Err("its first convolution is dilated".into());
    }
    let others_one = (1..dims.len()).all(|a| a == position || a == base || dims[a] == 1);
    if dims[base] != 4 || !others_one {
        return Err(format!("filters of {dims:?} do not span the four bases"));
    }
    let (count, width) = (dims[0], dims[position]);
    let stride = |axis: usize| dims[axis + 1..].iter().product::<usize>();
    let weights = (0..count)
        .map(|f| {
            (0..width)
                .map(|p| {
                    std::array::from_fn(|code| {
                        let row = spec.one_hot.rows[code] as usize;
                        values[f * stride(0) + p * stride(position) + row * stride(base)]
                    })
                })
                .collect()
        })
        .collect();
    let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
        None => vec![0.0; count],
        Some(name) => (constant(graph, name).and_then(TensorProto::floats))
            .filter(|b| b.len() == count)
            .ok_or("the bias of its first convolution is no constant")?,
    };
    Ok(Filters {
        width,
        weights,
        bias,
    })
}
