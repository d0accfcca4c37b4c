//! Starting from another model: its leading convolutions, and all of it where the shapes agree.

use super::arch::{Architecture, Padding};
use super::network::{FittedLayer, Network};
use crate::encode::{BASES, Layout};
use crate::model::onnx::{GraphProto, NodeProto, TensorProto};
use crate::model::{ModelFile, ModelSpec};
use crate::train::{Scaling, TrainError};

/// A convolution of the other model, `weight` tap by tap as in [`FittedLayer`].
struct Conv {
    filters: usize,
    width: usize,
    padding: Padding,
    weight: Vec<f32>,
    bias: Vec<f32>,
    relu: bool,
    /// Scale and shift by channel behind the ReLU.
    affine: Option<(Vec<f32>, Vec<f32>)>,
    /// Standard deviation of the filters' values, where a batch normalisation tells; otherwise 1.
    deviation: Vec<f32>,
}

/// The other model's convolutions, and its dense layer where there is one and the features' order is
/// known.
struct Source {
    convs: Vec<Conv>,
    /// So many of them can be taken; the next one is known only to tell which filters it weighs.
    usable: usize,
    dense: Option<Dense>,
    pooled: bool,
}

/// A dense layer, `[features, outputs]`.
struct Dense {
    outputs: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// Whether features are `[channels, positions]`, otherwise `[positions, channels]`.
    channel_major: bool,
}

/// Copies weights into `network`, layer by layer from the input on, as long as width, padding and
/// ReLU agree; batch normalisations of the other model move into the layer behind them, as far as that
/// is exact (a shift does not move into a padded convolution, which sees zeros beyond the ends). Where the other
/// model has more filters, those are taken that weigh most in its next layer (root of the sum of
/// squares). When all convolutions agree, its last dense layer is taken too; `outputs` says which of
/// its outputs each task starts from. With `reverse` the other model is first joined with its own
/// reverse complement, which has this share of the outputs. Returns how many layers were copied.
///
/// # Errors
/// [`TrainError::Setting`] when not even the first convolution agrees, or the other model has no
/// reverse complement of the same form.
pub fn start_from(
    network: &mut Network,
    arch: &Architecture,
    scaling: &Scaling,
    file: &ModelFile,
    spec: &ModelSpec,
    outputs: &[Option<usize>],
    reverse: Option<f32>,
) -> Result<usize, TrainError> {
    let mut source = read(file.graph(), spec);
    if let Some(share) = reverse {
        source.add_reverse(share).map_err(|why| {
            TrainError::Setting(format!(
                "{} cannot be joined with its reverse complement: {why}",
                file.path().display()
            ))
        })?;
    }
    let mut copied = 0;
    let mut layers = network.layers.iter_mut().peekable();
    let mut next = 0;
    // The other model's channels that this network's next layer reads.
    let mut kept: Vec<usize> = (0..4).collect();
    let mut inputs = 4;
    while let Some(layer) = layers.next() {
        match layer {
            FittedLayer::Conv {
                weight,
                bias,
                width,
                padding,
            } => {
                let (filters, width) = (weight.ncols(), *width);
                let relu = matches!(layers.peek(), Some(FittedLayer::Relu));
                let Some(conv) = source.convs.get(next).filter(|_| next < source.usable) else {
                    break;
                };
                let zeros = |p: Padding| p.columns(width);
                if (conv.width, conv.relu) != (width, relu)
                    || zeros(conv.padding) != zeros(*padding)
                    || conv.filters < filters
                    || conv.weight.len() != width * inputs * conv.filters
                {
                    break;
                }
                let chosen = source.heaviest(next, filters, outputs);
                for tap in 0..width {
                    for (row, channel) in kept.iter().enumerate() {
                        let from = (tap * inputs + channel) * conv.filters;
                        let to = weight.row_mut(tap * kept.len() + row);
                        for (value, filter) in to.into_iter().zip(&chosen) {
                            *value = conv.weight[from + filter];
                        }
                    }
                }
                for (value, filter) in bias.iter_mut().zip(&chosen) {
                    *value = conv.bias[*filter];
                }
                inputs = conv.filters;
                kept = chosen;
                next += 1;
                copied += 1;
            }
            FittedLayer::Relu
            | FittedLayer::Dropout(_)
            | FittedLayer::MaxPool(_)
            | FittedLayer::AvgPool(_) => {}
            // Its scale and shift would stand where the other model has none.
            FittedLayer::BatchNorm { .. } => break,
            FittedLayer::Dense { weight, bias } => {
                let Some(dense) = &source.dense else { break };
                let tasks = scaling.scale.len();
                let positions = dense.weight.len() / dense.outputs / inputs;
                if layers.peek().is_some()
                    || next != source.convs.len()
                    || weight.dim() != (positions * kept.len(), tasks)
                    || outputs.iter().all(Option::is_none)
                {
                    break;
                }
                for (task, output) in outputs.iter().enumerate() {
                    let Some(output) = output else { continue };
                    let scale = scaling.scale[task];
                    for position in 0..positions {
                        for (channel, &from) in kept.iter().enumerate() {
                            let value = f64::from(dense.at(position, from, inputs, *output));
                            let row = position * kept.len() + channel;
                            weight[[row, task]] = (value / scale) as f32;
                        }
                    }
                    let value = f64::from(dense.bias[*output]) - scaling.mean[task];
                    bias[[0, task]] = (value / scale) as f32;
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

impl Source {
    /// The filters of a convolution that weigh most in the layer behind it, in their own order. A
    /// weight counts by how much the filter's value varies, as far as that is known, and an output by
    /// its own scale.
    fn heaviest(&self, conv: usize, count: usize, outputs: &[Option<usize>]) -> Vec<usize> {
        let filters = self.convs[conv].filters;
        let mut weight = vec![0.0f64; filters];
        match (self.convs.get(conv + 1), &self.dense) {
            (Some(next), _) => {
                for (row, values) in next.weight.chunks_exact(next.filters).enumerate() {
                    let squares = values.iter().map(|v| f64::from(*v).powi(2));
                    weight[row % filters] += squares.sum::<f64>();
                }
            }
            (None, Some(dense)) => {
                let positions = dense.weight.len() / dense.outputs / filters;
                for output in outputs.iter().flatten() {
                    let squares = |filter: usize| -> f64 {
                        let value = |p| f64::from(dense.at(p, filter, filters, *output));
                        (0..positions).map(|p| value(p).powi(2)).sum()
                    };
                    let all: f64 = (0..filters).map(squares).sum();
                    for (filter, weight) in weight.iter_mut().enumerate() {
                        *weight += squares(filter) / all.max(1e-30);
                    }
                }
            }
            (None, None) => {}
        }
        for (weight, deviation) in weight.iter_mut().zip(&self.convs[conv].deviation) {
            *weight *= f64::from(*deviation).powi(2);
        }
        let mut order: Vec<usize> = (0..filters).collect();
        order.sort_by(|&a, &b| weight[b].total_cmp(&weight[a]).then(a.cmp(&b)));
        order.truncate(count);
        order.sort_unstable();
        order
    }

    /// Joins the model with its reverse complement: twice the filters, the second half turned round, and
    /// a dense layer that gives `1 - share` times the outputs for the sequence and `share` times
    /// those for its reverse complement.
    fn add_reverse(&mut self, share: f32) -> Result<(), &'static str> {
        if self.pooled {
            return Err("it has a pool, whose cells need not lie alike on both strands");
        }
        let Some(dense) = &self.dense else {
            return Err("its dense layer is not understood");
        };
        let lopsided = |c: &Conv| c.padding == Padding::Same && c.width.is_multiple_of(2);
        if self.convs.iter().any(lopsided) {
            return Err("a padded convolution of even width has more zeros on one side");
        }
        let channels = self.convs.last().map_or(4, |c| c.filters);
        let positions = dense.weight.len() / dense.outputs / channels;
        let mut joined = Dense {
            outputs: dense.outputs,
            weight: vec![0.0; 2 * dense.weight.len()],
            bias: dense.bias.clone(),
            channel_major: false,
        };
        for position in 0..positions {
            for channel in 0..channels {
                for output in 0..dense.outputs {
                    let value = dense.at(position, channel, channels, output);
                    let to = joined.row(position, channel, 2 * channels) + output;
                    joined.weight[to] = (1.0 - share) * value;
                    let opposite = positions - 1 - position;
                    let to = joined.row(opposite, channels + channel, 2 * channels) + output;
                    joined.weight[to] = share * value;
                }
            }
        }
        self.dense = Some(joined);
        let mut inputs = 4;
        for (i, conv) in self.convs.iter_mut().enumerate() {
            let (filters, width) = (conv.filters, conv.width);
            // Bases are shared; the channels of deeper layers are doubled themselves.
            let rows = if i == 0 { 4 } else { 2 * inputs };
            let mut weight = vec![0.0; width * rows * 2 * filters];
            for tap in 0..width {
                for input in 0..inputs {
                    let from = (tap * inputs + input) * filters;
                    let values = &conv.weight[from..from + filters];
                    let to = (tap * rows + input) * 2 * filters;
                    weight[to..to + filters].copy_from_slice(values);
                    // Codes 0 to 3 are A, C, G, T: the complement of `b` is `3 - b`.
                    let input = if i == 0 { 3 - input } else { inputs + input };
                    let to = ((width - 1 - tap) * rows + input) * 2 * filters + filters;
                    weight[to..to + filters].copy_from_slice(values);
                }
            }
            conv.weight = weight;
            conv.bias.extend_from_within(..);
            conv.deviation.extend_from_within(..);
            conv.filters = 2 * filters;
            inputs = filters;
        }
        Ok(())
    }

    /// Moves the batch normalisations into the layers behind them, up to one that is padded: its zeros
    /// stand behind the shift, so that it has no like without one.
    fn fold(&mut self) {
        self.usable = self.convs.len();
        let mut affine: Option<(Vec<f32>, Vec<f32>)> = None;
        for (i, conv) in self.convs.iter_mut().enumerate() {
            if let Some((scale, shift)) = &affine {
                let padded = conv.padding.columns(conv.width) != (0, 0);
                if padded && shift.iter().any(|s| *s != 0.0) {
                    self.usable = i;
                    self.dense = None;
                    return;
                }
                for (row, values) in conv.weight.chunks_exact_mut(conv.filters).enumerate() {
                    let channel = row % scale.len();
                    for (value, bias) in values.iter_mut().zip(&mut conv.bias) {
                        *bias += *value * shift[channel];
                        *value *= scale[channel];
                    }
                }
            }
            affine = conv.affine.take();
        }
        if let (Some((scale, shift)), Some(dense)) = (affine, &mut self.dense) {
            let channels = scale.len();
            let positions = dense.weight.len() / dense.outputs / channels;
            for position in 0..positions {
                for channel in 0..channels {
                    let row = dense.row(position, channel, channels);
                    let row = &mut dense.weight[row..row + dense.outputs];
                    for (value, bias) in row.iter_mut().zip(&mut dense.bias) {
                        *bias += *value * shift[channel];
                        *value *= scale[channel];
                    }
                }
            }
        }
    }
}

impl Dense {
    /// Where the weights of a feature begin.
    fn row(&self, position: usize, channel: usize, channels: usize) -> usize {
        let positions = self.weight.len() / self.outputs / channels;
        self.outputs
            * match self.channel_major {
                true => channel * positions + position,
                false => position * channels + channel,
            }
    }

    fn at(&self, position: usize, channel: usize, channels: usize, output: usize) -> f32 {
        self.weight[self.row(position, channel, channels) + output]
    }
}

/// Reads the chain from the input on, as far as it is understood.
fn read(graph: &GraphProto, spec: &ModelSpec) -> Source {
    let floats = |name: Option<&String>| -> Option<(&TensorProto, Vec<f32>)> {
        let tensor = graph.initializer.iter().find(|t| Some(&t.name) == name)?;
        Some((tensor, tensor.floats()?))
    };
    let mut out = Source {
        convs: Vec::new(),
        usable: 0,
        dense: None,
        pooled: false,
    };
    // Rows of the first convolution are bases in the model's own order.
    let mut base_of_row: Vec<usize> = (0..4).collect();
    for (code, row) in spec.one_hot.rows.iter().enumerate() {
        base_of_row[*row as usize % 4] = code;
    }
    debug_assert_eq!(BASES.len(), base_of_row.len());
    let mut channel_major = spec.one_hot.layout == Layout::BasesLength;
    let mut known_order = matches!(
        spec.one_hot.layout,
        Layout::BasesLength | Layout::LengthBases
    );
    let mut name = &spec.input;
    while let Some(node) = graph.node.iter().find(|n| n.input.contains(name)) {
        match node.op_type.as_str() {
            "Transpose" => {
                known_order &= node.ints("perm") == Some(&[0, 2, 1]);
                channel_major = !channel_major;
            }
            "Identity" | "Dropout" | "Flatten" => {}
            "MaxPool" | "AveragePool" => out.pooled = true,
            "Squeeze" | "Unsqueeze" | "Reshape" => known_order = false,
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
                conv.deviation = variance.iter().map(|v| v.sqrt()).collect();
            }
            "Gemm" => {
                let plain = node.float("alpha", 1.0) == 1.0
                    && node.float("beta", 1.0) == 1.0
                    && node.int("transA", 0) == 0
                    && node.int("transB", 0) == 0;
                if let (true, Some((_, weight)), Some((_, bias))) = (
                    plain && known_order && !out.convs.is_empty(),
                    floats(node.input.get(1)),
                    floats(node.input.get(2)),
                ) {
                    let channels = out.convs.last().map_or(1, |c| c.filters);
                    if !bias.is_empty() && weight.len().is_multiple_of(bias.len() * channels) {
                        out.dense = Some(Dense {
                            outputs: bias.len(),
                            weight,
                            bias,
                            channel_major,
                        });
                    }
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
    out.fold();
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
    let padding = padding(node, &dims[2..], width)?;
    if !(ones("strides") && ones("dilations") && node.int("group", 1) == 1) {
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
        padding,
        weight,
        bias,
        relu: false,
        affine: None,
        deviation: vec![1.0; filters],
    })
}

/// How a convolution is padded; `None` where it is in a way that no layer here has. `kernel` is its
/// size by axis, `width` that along the sequence.
fn padding(node: &NodeProto, kernel: &[usize], width: usize) -> Option<Padding> {
    let (left, right) = Padding::Same.columns(width);
    let none = |pads: &[i64]| pads.iter().all(|&p| p == 0);
    match node.string("auto_pad").as_str() {
        "" | "NOTSET" => match node.ints("pads") {
            None => Some(Padding::None),
            Some(pads) if none(pads) => Some(Padding::None),
            Some(pads) if pads.len() == 2 * kernel.len() => {
                // The sequence lies along one axis; the other, if there is one, must not be padded.
                let axis = kernel.iter().position(|&k| k == width)?;
                let (before, after) = pads.split_at(kernel.len());
                let others =
                    (0..kernel.len()).all(|i| i == axis || before[i] == 0 && after[i] == 0);
                let along = (before[axis], after[axis]);
                (others && along == (left as i64, right as i64)).then_some(Padding::Same)
            }
            Some(_) => None,
        },
        "VALID" => Some(Padding::None),
        "SAME_UPPER" => Some(Padding::Same),
        // The same for odd widths.
        "SAME_LOWER" if left == right => Some(Padding::Same),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
