use super::MotifError;
use crate::model::onnx::{Axes, Axis, Graph, GraphError, NodeProto};
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

impl Filters {
    /// Finds the first convolution of a graph, through operators that only move axes.
    ///
    /// # Errors
    /// [`MotifError::NoFilters`] where something else comes first, several operators read the input
    /// side by side, or the convolution is grouped, dilated or has no constant weights.
    pub fn of(file: &ModelFile, spec: &ModelSpec) -> Result<Self, MotifError> {
        first_convolution(file, spec).map_err(|problem| MotifError::NoFilters {
            model: file.path().display().to_string(),
            problem,
        })
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

fn first_convolution(file: &ModelFile, spec: &ModelSpec) -> Result<Filters, String> {
    let graph = Graph::new(file.graph()).map_err(|e| e.to_string())?;
    let mut axes = Axes::of_input(&spec.one_hot);
    for step in graph.chain(&spec.input) {
        let node = match step {
            Ok(step) => step.node,
            Err(GraphError::Branch { users, .. }) => {
                return Err(format!("{users} operators read its input, not one"));
            }
            Err(other) => return Err(other.to_string()),
        };
        match node.op_type.as_str() {
            "Conv" => return convolution(&graph, node, &axes, spec),
            "Identity" | "Cast" | "Dropout" => {}
            "Transpose" | "Unsqueeze" | "Squeeze" | "Reshape" => {
                axes = axes.behind(&graph, node).map_err(|e| e.to_string())?;
            }
            other => return Err(format!("its first operator is {other}")),
        }
    }
    Err("there is no operator".into())
}

fn convolution(
    graph: &Graph<'_>,
    node: &NodeProto,
    axes: &Axes,
    spec: &ModelSpec,
) -> Result<Filters, String> {
    let weights = graph.floats(node, 1).map_err(|e| match e {
        GraphError::NoConstant { .. } => "its first convolution has computed weights",
        _ => "its first convolution has no float weights",
    })?;
    let dims = weights.shape().to_vec();
    if node.int("group", 1) != 1 {
        return Err("its first convolution is grouped".into());
    }
    if dims.len() != axes.len() {
        return Err("the weights of its first convolution do not fit its input".into());
    }
    let (Some(position), Some(base)) = (
        axes.position(|a| matches!(a, Axis::Length(_))),
        axes.position(|a| matches!(a, Axis::Channels(_))),
    ) else {
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
    let rest: Vec<usize> = (1..dims.len())
        .filter(|&a| a != position && a != base)
        .collect();
    if dims[base] != 4 || rest.iter().any(|&a| dims[a] != 1) {
        return Err(format!("filters of {dims:?} do not span the four bases"));
    }
    let (count, width) = (dims[0], dims[position]);
    let order = [&[0, position, base], &rest[..]].concat();
    let by_column = weights.permuted_axes(order);
    let by_column = (by_column.to_shape((count, width, 4))).map_err(|e| e.to_string())?;
    let column = |filter, column| {
        std::array::from_fn(|code| by_column[[filter, column, spec.one_hot.rows[code] as usize]])
    };
    let weights = (0..count)
        .map(|f| (0..width).map(|c| column(f, c)).collect())
        .collect();
    let bias = match node.has_input(2) {
        false => vec![0.0; count],
        true => (graph.floats(node, 2).ok())
            .filter(|b| b.len() == count)
            .ok_or("the bias of its first convolution is no constant")?
            .into_iter()
            .collect(),
    };
    Ok(Filters {
        width,
        weights,
        bias,
    })
}
