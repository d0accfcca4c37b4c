//! What can be read of another model: its convolutions and its dense layer.

use ndarray::{Array1, Array3, Axis, s};

use super::Padding;
use crate::encode::Layout;
use crate::model::ModelSpec;
use crate::model::onnx::{Chain, Graph, NodeProto};

/// A convolution of the other model.
pub(super) struct Conv {
    pub(super) padding: Padding,
    /// `[width, inputs, filters]`; inputs of the first one are base codes.
    pub(super) weight: Array3<f32>,
    pub(super) bias: Array1<f32>,
    pub(super) relu: bool,
    /// Scale and shift by channel behind the ReLU.
    pub(super) affine: Option<(Array1<f32>, Array1<f32>)>,
    /// Standard deviation of the filters' values, where a batch normalisation tells; otherwise 1.
    pub(super) deviation: Array1<f32>,
}

/// A dense layer behind the flatten.
pub(super) struct Dense {
    /// `[positions, channels, outputs]`.
    pub(super) weight: Array3<f32>,
    pub(super) bias: Array1<f32>,
    /// Whether its outputs are the model's, not those of a hidden layer.
    pub(super) last: bool,
}

/// The other model's convolutions, and its dense layer where there is one and the features' order is
/// known.
pub(super) struct Source {
    pub(super) convs: Vec<Conv>,
    /// So many of them can be taken; the next one is known only to tell which filters it weighs.
    pub(super) usable: usize,
    pub(super) dense: Option<Dense>,
    pooled: bool,
}

impl Conv {
    pub(super) fn width(&self) -> usize {
        self.weight.dim().0
    }

    pub(super) fn filters(&self) -> usize {
        self.weight.dim().2
    }

    /// A convolution as far as a layer of this program can be like it; `rows` are the inputs in the
    /// order in which they are to stand.
    fn read(graph: &Graph<'_>, node: &NodeProto, rows: &[usize]) -> Option<Self> {
        let weight = graph.floats(node, 1).ok()?;
        // A flat kernel in two dimensions is one of one dimension.
        let (filters, inputs, width) = match *weight.shape() {
            [f, i, width] | [f, i, 1, width] | [f, i, width, 1] => (f, i, width),
            _ => return None,
        };
        let padding = padding(node, &weight.shape()[2..], width)?;
        let ones = |name: &str| node.ints(name).is_none_or(|v| v.iter().all(|&x| x == 1));
        let plain = ones("strides") && ones("dilations") && node.int("group", 1) == 1;
        if !plain || inputs != rows.len() || weight.is_empty() {
            return None;
        }
        let weight = weight
            .into_shape_with_order((filters, inputs, width))
            .ok()?;
        let weight = weight.select(Axis(1), rows).permuted_axes([2, 1, 0]);
        let bias = match node.has_input(2) {
            true => by_channel(graph, node, 2, filters)?,
            false => Array1::zeros(filters),
        };
        Some(Self {
            padding,
            weight: weight.as_standard_layout().into_owned(),
            bias,
            relu: false,
            affine: None,
            deviation: Array1::ones(filters),
        })
    }

    /// Takes up the batch normalisation behind it.
    fn normalise(&mut self, graph: &Graph<'_>, node: &NodeProto) -> Option<()> {
        let part = |input| by_channel(graph, node, input, self.filters());
        let (scale, shift, mean, variance) = (part(1)?, part(2)?, part(3)?, part(4)?);
        let epsilon = node.float("epsilon", 1e-5);
        let a = scale / variance.mapv(|v| (v + epsilon).sqrt());
        let b = shift - mean * &a;
        self.affine = Some((a, b));
        self.deviation = variance.sqrt();
        Some(())
    }
}

impl Dense {
    /// The layer that a Gemm behind a flatten is, over so many channels.
    fn read(
        graph: &Graph<'_>,
        node: &NodeProto,
        channels: usize,
        channel_major: bool,
    ) -> Option<Self> {
        let plain = node.float("alpha", 1.0) == 1.0
            && node.float("beta", 1.0) == 1.0
            && node.int("transA", 0) == 0
            && node.int("transB", 0) == 0;
        let weight = graph
            .floats(node, 1)
            .ok()
            .filter(|w| plain && !w.is_empty())?;
        let &[features, outputs] = weight.shape() else {
            return None;
        };
        let bias = by_channel(graph, node, 2, outputs)?;
        let positions = features / channels;
        let weight = match channel_major {
            true => (weight.into_shape_with_order((channels, positions, outputs)))
                .ok()?
                .permuted_axes([1, 0, 2]),
            false => (weight.into_shape_with_order((positions, channels, outputs))).ok()?,
        };
        Some(Self {
            weight,
            bias,
            last: false,
        })
    }
}

impl Source {
    /// Reads the chain from the input on, as far as it is understood.
    pub(super) fn read(graph: &Graph<'_>, spec: &ModelSpec) -> Self {
        let mut out = Self {
            convs: Vec::new(),
            usable: 0,
            dense: None,
            pooled: false,
        };
        let layout = spec.one_hot.layout;
        let mut channel_major = layout == Layout::BasesLength;
        let mut known_order = matches!(layout, Layout::BasesLength | Layout::LengthBases);
        let mut chain = graph.chain(&spec.input);
        while let Some(Ok(step)) = chain.next() {
            let node = step.node;
            match node.op_type.as_str() {
                "Transpose" => {
                    known_order &= node.ints("perm") == Some(&[0, 2, 1]);
                    channel_major = !channel_major;
                }
                "Identity" | "Dropout" | "Flatten" => {}
                "MaxPool" | "AveragePool" => out.pooled = true,
                "Squeeze" | "Unsqueeze" | "Reshape" => known_order = false,
                "Gemm" => {
                    if let (true, Some(conv)) = (known_order, out.convs.last()) {
                        out.dense = Dense::read(graph, node, conv.filters(), channel_major);
                    }
                    if let Some(dense) = &mut out.dense {
                        dense.last = !another_product(chain);
                    }
                    break;
                }
                _ => {
                    if out.take(graph, node, spec).is_none() {
                        break;
                    }
                }
            }
        }
        out.fold();
        out
    }

    /// Takes up a convolution, or what follows one; `None` where it cannot.
    fn take(&mut self, graph: &Graph<'_>, node: &NodeProto, spec: &ModelSpec) -> Option<()> {
        match node.op_type.as_str() {
            "Conv" => {
                let rows: Vec<usize> = match self.convs.last() {
                    // Rows of the first convolution are bases in the model's own order.
                    None => spec.one_hot.rows.map(usize::from).to_vec(),
                    Some(conv) => (0..conv.filters()).collect(),
                };
                self.convs.push(Conv::read(graph, node, &rows)?);
            }
            "Relu" => {
                let conv = self.convs.last_mut().filter(|c| c.affine.is_none())?;
                conv.relu = true;
            }
            "BatchNormalization" => self.convs.last_mut()?.normalise(graph, node)?,
            _ => return None,
        }
        Some(())
    }

    /// The filters of a convolution that weigh most in the layer behind it, in their own order. A
    /// weight counts by how much the filter's value varies, as far as that is known, and an output by
    /// its own scale.
    pub(super) fn heaviest(
        &self,
        conv: usize,
        count: usize,
        outputs: &[Option<usize>],
    ) -> Vec<usize> {
        let filters = self.convs[conv].filters();
        let mut weight = vec![0.0f64; filters];
        let squares = |values: ndarray::ArrayView1<'_, f32>| -> f64 {
            values.iter().map(|v| f64::from(*v).powi(2)).sum()
        };
        match (self.convs.get(conv + 1), &self.dense) {
            (Some(next), _) => {
                for tap in next.weight.outer_iter() {
                    for (values, weight) in tap.outer_iter().zip(&mut weight) {
                        *weight += squares(values);
                    }
                }
            }
            (None, Some(dense)) => {
                let all: Vec<usize> = match dense.last {
                    true if outputs.iter().any(Option::is_some) => {
                        outputs.iter().flatten().copied().collect()
                    }
                    _ => (0..dense.bias.len()).collect(),
                };
                for output in all.into_iter().filter(|o| *o < dense.bias.len()) {
                    let of = |filter| squares(dense.weight.slice(s![.., filter, output]));
                    let sum: f64 = (0..filters).map(of).sum();
                    for (filter, weight) in weight.iter_mut().enumerate() {
                        *weight += of(filter) / sum.max(1e-30);
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
    pub(super) fn add_reverse(&mut self, share: f32) -> Result<(), &'static str> {
        if self.pooled {
            return Err("it has a pool, whose cells need not lie alike on both strands");
        }
        let Some(dense) = self.dense.as_mut().filter(|d| d.last) else {
            return Err("its dense layer is not understood");
        };
        let lopsided = |c: &Conv| c.padding == Padding::Same && c.width().is_multiple_of(2);
        if self.convs.iter().any(lopsided) {
            return Err("a padded convolution of even width has more zeros on one side");
        }
        let (positions, channels, outputs) = dense.weight.dim();
        let mut joined = Array3::zeros((positions, 2 * channels, outputs));
        let mut forward = joined.slice_mut(s![.., ..channels, ..]);
        forward.assign(&(&dense.weight * (1.0 - share)));
        let mut reverse = joined.slice_mut(s![..;-1, channels.., ..]);
        reverse.assign(&(&dense.weight * share));
        dense.weight = joined;
        for (i, conv) in self.convs.iter_mut().enumerate() {
            let (width, inputs, filters) = conv.weight.dim();
            // Bases are shared; the channels of deeper layers are doubled themselves.
            let rows = if i == 0 { inputs } else { 2 * inputs };
            let mut weight = Array3::zeros((width, rows, 2 * filters));
            (weight.slice_mut(s![.., ..inputs, ..filters])).assign(&conv.weight);
            let mut reverse = match i {
                // Codes 0 to 3 are A, C, G, T: the complement of `b` is `3 - b`.
                0 => weight.slice_mut(s![..;-1, ..;-1, filters..]),
                _ => weight.slice_mut(s![..;-1, inputs.., filters..]),
            };
            reverse.assign(&conv.weight);
            conv.weight = weight;
            let twice = |a: &Array1<f32>| a.iter().chain(a).copied().collect();
            conv.bias = twice(&conv.bias);
            conv.deviation = twice(&conv.deviation);
        }
        Ok(())
    }

    /// Moves the batch normalisations into the layers behind them, up to one that is padded: its zeros
    /// stand behind the shift, so that it has no like without one.
    fn fold(&mut self) {
        self.usable = self.convs.len();
        let mut affine: Option<(Array1<f32>, Array1<f32>)> = None;
        for (i, conv) in self.convs.iter_mut().enumerate() {
            if let Some((scale, shift)) = &affine {
                let padded = conv.padding.columns(conv.width()) != (0, 0);
                if padded && shift.iter().any(|s| *s != 0.0) {
                    self.usable = i;
                    self.dense = None;
                    return;
                }
                move_into(&mut conv.weight, &mut conv.bias, scale, shift);
            }
            affine = conv.affine.take();
        }
        if let (Some((scale, shift)), Some(dense)) = (affine, &mut self.dense) {
            move_into(&mut dense.weight, &mut dense.bias, &scale, &shift);
        }
    }
}

/// Makes weights `[taps or positions, channels, outputs]` do the scale and shift of the channels
/// before them.
fn move_into(
    weight: &mut Array3<f32>,
    bias: &mut Array1<f32>,
    scale: &Array1<f32>,
    shift: &Array1<f32>,
) {
    for mut place in weight.outer_iter_mut() {
        for ((mut values, scale), shift) in place.outer_iter_mut().zip(scale).zip(shift) {
            for (value, bias) in values.iter_mut().zip(&mut *bias) {
                *bias += *value * shift;
                *value *= scale;
            }
        }
    }
}

/// A constant with one value a channel.
fn by_channel(
    graph: &Graph<'_>,
    node: &NodeProto,
    input: usize,
    channels: usize,
) -> Option<Array1<f32>> {
    let values = graph.floats(node, input).ok()?;
    (values.len() == channels).then(|| values.into_iter().collect())
}

/// Whether a product with further weights stands on the rest of the way.
fn another_product(rest: Chain<'_>) -> bool {
    rest.map_while(Result::ok)
        .any(|step| matches!(step.node.op_type.as_str(), "Gemm" | "MatMul"))
}

/// How a convolution is padded; `None` where it is in a way that no layer here has. `kernel` is its
/// size by axis, `width` that along the sequence.
pub(super) fn padding(node: &NodeProto, kernel: &[usize], width: usize) -> Option<Padding> {
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
