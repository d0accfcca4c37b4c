//! Starting from another model: its leading convolutions, and all of it where the shapes agree.

use super::arch::{Architecture, Layer};
use super::network::Parameters;
use crate::encode::{BASES, Layout};
use crate::model::onnx::{GraphProto, NodeProto, TensorProto};
use crate::model::{ModelFile, ModelSpec};
use crate::train::{Scaling, TrainError};

/// A convolution of the other model, `weight` tap by tap as in [`Parameters`].
struct Conv {
    filters: usize,
    width: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
    relu: bool,
    /// Scale and shift by channel behind the ReLU.
    affine: Option<(Vec<f32>, Vec<f32>)>,
}

/// The other model's convolutions, and its dense layer where the features' order is known.
struct Source {
    convs: Vec<Conv>,
    dense: Option<(Vec<f32>, Vec<f32>)>,
}

/// Copies weights into `parameters`, layer by layer from the input on, as long as filters, width and
/// ReLU agree; batch normalisations of the other model move into the layer behind them. When all
/// convolutions agree and the other model is one of this program's, its last dense layer is taken
/// too. Returns how many layers were copied.
///
/// # Errors
/// [`TrainError::Setting`] when not even the first convolution agrees.
pub fn start_from(
    parameters: &mut Parameters,
    arch: &Architecture,
    scaling: &Scaling,
    file: &ModelFile,
    spec: &ModelSpec,
) -> Result<usize, TrainError> {
    let source = read(file.graph(), spec);
    let mut copied = 0;
    let mut weights = parameters.weights.chunks_exact_mut(2);
    let mut layers = arch.layers.iter().peekable();
    let mut convs = source.convs.iter();
    let mut affine: Option<&(Vec<f32>, Vec<f32>)> = None;
    while let Some(layer) = layers.next() {
        match *layer {
            Layer::Conv { filters, width } => {
                let relu = layers.peek() == Some(&&Layer::Relu);
                let Some([weight, bias]) = weights.next() else {
                    break;
                };
                let Some(conv) = convs.next() else {
                    break;
                };
                if (conv.filters, conv.width, conv.relu) != (filters, width, relu)
                    || conv.weight.len() != weight.values.len()
                {
                    break;
                }
                weight.values.copy_from_slice(&conv.weight);
                bias.values.copy_from_slice(&conv.bias);
                if let Some((scale, shift)) = affine {
                    for (row, values) in weight.values.chunks_exact_mut(filters).enumerate() {
                        let channel = row % scale.len();
                        for (value, bias) in values.iter_mut().zip(&mut bias.values) {
                            *bias += *value * shift[channel];
                            *value *= scale[channel];
                        }
                    }
                }
                affine = conv.affine.as_ref();
                copied += 1;
            }
            Layer::Relu | Layer::Dropout(_) => {}
            // Its scale and shift would stand where the other model has none.
            Layer::BatchNorm => {
                break;
            }
            Layer::MaxPool(_) | Layer::AvgPool(_) => {}
            Layer::Dense(outputs) => {
                let (Some([weight, bias]), Some((w, b))) = (weights.next(), &source.dense) else {
                    break;
                };
                if outputs.is_some()
                    || affine.is_some()
                    || convs.next().is_some()
                    || w.len() != weight.values.len()
                    || b.len() != bias.values.len()
                {
                    break;
                }
                let tasks = b.len();
                let Some(channels) = arch.layers.iter().rev().find_map(|l| match l {
                    Layer::Conv { filters, .. } => Some(*filters),
                    _ => None,
                }) else {
                    break;
                };
                let positions = w.len() / tasks / channels;
                for channel in 0..channels {
                    for position in 0..positions {
                        for task in 0..tasks {
                            let from = (channel * positions + position) * tasks + task;
                            let to = (position * channels + channel) * tasks + task;
                            weight.values[to] = (f64::from(w[from]) / scaling.scale[task]) as f32;
                        }
                    }
                }
                for (task, b) in b.iter().enumerate() {
                    let value = (f64::from(*b) - scaling.mean[task]) / scaling.scale[task];
                    bias.values[task] = value as f32;
                }
                copied += 1;
                break;
            }
        }
    }
    if copied == 0 {
        return Err(TrainError::Setting(format!(
            "no layer of {} fits the architecture {arch}",
            file.path().display()
        )));
    }
    Ok(copied)
}

/// Reads the chain from the input on, as far as it is understood.
fn read(graph: &GraphProto, spec: &ModelSpec) -> Source {
    let floats = |name: Option<&String>| -> Option<(&TensorProto, Vec<f32>)> {
        let tensor = graph.initializer.iter().find(|t| Some(&t.name) == name)?;
        Some((tensor, tensor.floats()?))
    };
    let mut out = Source {
        convs: Vec::new(),
        dense: None,
    };
    // Rows of the first convolution are bases in the model's own order.
    let mut base_of_row: Vec<usize> = (0..4).collect();
    for (code, row) in spec.one_hot.rows.iter().enumerate() {
        base_of_row[*row as usize % 4] = code;
    }
    debug_assert_eq!(BASES.len(), base_of_row.len());
    let mut channel_major = spec.one_hot.layout == Layout::BasesLength;
    let mut name = &spec.input;
    while let Some(node) = graph.node.iter().find(|n| n.input.contains(name)) {
        match node.op_type.as_str() {
            "Transpose" => channel_major = false,
            "Identity" | "Dropout" | "Flatten" | "MaxPool" | "AveragePool" => {}
            "Squeeze" | "Unsqueeze" | "Reshape" => channel_major = false,
            "Conv" => match conv(node, &floats, out.convs.is_empty(), &base_of_row) {
                Some(conv) => out.convs.push(conv),
                None => break,
            },
            "Relu" => match out.convs.last_mut() {
                Some(conv) if conv.affine.is_none() => conv.relu = true,
                _ => break,
            },
            "BatchNormalization" => {
                let Some(conv) = out.convs.last_mut() else {
                    break;
                };
                let values: Option<Vec<Vec<f32>>> = (1..5)
                    .map(|i| floats(node.input.get(i)).map(|f| f.1))
                    .collect();
                let Some([scale, shift, mean, variance]) = values.as_deref() else {
                    break;
                };
                let epsilon = node.float("epsilon", 1e-5);
                let a: Vec<f32> = (scale.iter().zip(variance))
                    .map(|(s, v)| s / (v + epsilon).sqrt())
                    .collect();
                let b = (shift.iter().zip(mean).zip(&a)).map(|((t, m), a)| t - m * a);
                conv.affine = Some((a.clone(), b.collect()));
            }
            "Gemm" => {
                let plain = node.float("alpha", 1.0) == 1.0
                    && node.float("beta", 1.0) == 1.0
                    && node.int("transA", 0) == 0
                    && node.int("transB", 0) == 0;
                if let (true, Some((_, w)), Some((_, b))) = (
                    plain && channel_major,
                    floats(node.input.get(1)),
                    floats(node.input.get(2)),
                ) {
                    out.dense = Some((w, b));
                }
                break;
            }
            _ => break,
        }
        match node.output.first() {
            Some(next) => name = next,
            None => break,
        }
    }
    out
}

fn conv<'a>(
    node: &NodeProto,
    floats: &impl Fn(Option<&String>) -> Option<(&'a TensorProto, Vec<f32>)>,
    first: bool,
    base_of_row: &[usize],
) -> Option<Conv> {
    let (tensor, values) = floats(node.input.get(1))?;
    let dims: Vec<usize> = tensor.dims.iter().map(|&d| d as usize).collect();
    // A flat kernel in two dimensions is one of one dimension.
    let width = match dims[..] {
        [_, _, width] | [_, _, 1, width] | [_, _, width, 1] => width,
        _ => return None,
    };
    let (filters, inputs) = (dims[0], dims[1]);
    let ones = |name: &str| node.ints(name).is_none_or(|v| v.iter().all(|&x| x == 1));
    let unpadded = node.ints("pads").is_none_or(|p| p.iter().all(|&x| x == 0))
        && ["", "NOTSET", "VALID"].contains(&node.string("auto_pad").as_str());
    if !(ones("strides") && ones("dilations") && unpadded && node.int("group", 1) == 1) {
        return None;
    }
    let bias = match node.input.get(2).filter(|n| !n.is_empty()) {
        Some(name) => floats(Some(name))?.1,
        None => vec![0.0; filters],
    };
    let mut weight = vec![0.0; values.len()];
    for filter in 0..filters {
        for input in 0..inputs {
            let channel = if first {
                *base_of_row.get(input)?
            } else {
                input
            };
            for tap in 0..width {
                weight[(tap * inputs + channel) * filters + filter] =
                    values[(filter * inputs + input) * width + tap];
            }
        }
    }
    Some(Conv {
        filters,
        width,
        weight,
        bias,
        relu: false,
        affine: None,
    })
}
