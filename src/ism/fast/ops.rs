//! The operators that compute: what their attributes and weights say.

use ndarray::{Array2, Ix2};

use super::Unsupported;
use super::network::{Cell, Conv, Elementwise, Function, Reduction};
use crate::model::onnx::{Axes, Axis, Graph, NodeProto, Step, wrap};

/// Kernels, strides, dilations and pads beyond this are no network's, and their sums might overflow.
const FARTHEST: usize = 1 << 24;

/// The graph, and the axes of what the next operator reads.
pub(super) struct Operators<'a> {
    pub(super) graph: &'a Graph<'a>,
    pub(super) axes: Axes,
}

impl Operators<'_> {
    pub(super) fn no(&self, node: &NodeProto, why: &str) -> Unsupported {
        self.axes.misfit(node, why).into()
    }

    /// Reads a convolution whose kernel is long in one axis only, and moves the axes behind it; also
    /// its stride and groups. In groups, the weights have the inputs of one.
    pub(super) fn conv(&mut self, node: &NodeProto) -> Result<(Conv, usize, usize), Unsupported> {
        let mut weight = self.graph.floats(node, 1)?;
        let dims = weight.shape().to_vec();
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
        let n = self.axes.len().saturating_sub(2);
        if dims.len() != n + 2 || !(1..=2).contains(&n) {
            return Err(self.no(node, &format!("a kernel of shape {dims:?} does not fit")));
        }
        let kernel = &dims[2..];
        let (strides, dilations) = (spatial(node, "strides", n), spatial(node, "dilations", n));
        let lengths: Vec<usize> = self.axes[2..].iter().filter_map(|a| a.size()).collect();
        let pads = self.pads(node, &lengths, kernel, &strides, &dilations)?;

        // The axis along the sequence, and the channels: axis 1, or a whole spatial axis.
        let Some(along) = (0..n).find(|&i| matches!(self.axes[i + 2], Axis::Length(_))) else {
            return Err(self.no(node, "the sequence is no spatial axis"));
        };
        let inputs = match (self.axes[1], n) {
            (Axis::Channels(channels), 1) => channels,
            (Axis::Channels(channels), _) => {
                let other = 1 - along;
                if self.axes[other + 2] != Axis::Unit || kernel[other] != 1 || pads[other] != (0, 0)
                {
                    return Err(self.no(node, "its kernel is two-dimensional"));
                }
                channels
            }
            (Axis::Unit, 2) => {
                let other = 1 - along;
                match self.axes[other + 2] {
                    Axis::Channels(bases) if kernel[other] == bases && pads[other] == (0, 0) => {
                        bases
                    }
                    _ => {
                        return Err(self.no(
                            node,
                            "its kernel does not span the whole axis of bases, without padding",
                        ));
                    }
                }
            }
            _ => return Err(self.no(node, "axis 1 holds no channels")),
        };
        let outputs = dims[0];
        let width = kernel[along];
        let stride = strides[along];
        if groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
            return Err(self.no(node, "its groups do not fit"));
        }
        let inputs = inputs / groups;
        if width == 0 || outputs == 0 || weight.len() != outputs * inputs * width {
            return Err(self.no(node, "its weights do not fit its input"));
        }
        // [outputs, inputs, width] lies so in memory already, unless the kernel is (width, bases).
        if n == 2 && along == 0 && self.axes[1] == Axis::Unit {
            weight.swap_axes(2, 3);
        }
        let bias = match node.has_input(2) {
            true => values(self.graph.floats(node, 2)?),
            false => vec![0.0; outputs],
        };
        let conv = Conv {
            inputs,
            outputs,
            width,
            dilation: dilations[along].max(1),
            pads: pads[along],
            weight: values(weight),
            bias,
            after: Vec::new(),
        };
        let padded = lengths[along] + conv.pads.0 + conv.pads.1;
        let length = padded.saturating_sub(conv.reach()).div_ceil(stride);
        if length == 0 || conv.bias.len() != outputs {
            return Err(self.no(node, "the kernel is longer than its input"));
        }
        self.axes[1] = Axis::Channels(outputs);
        for i in 0..n {
            self.axes[i + 2] = if i == along {
                Axis::Length(length)
            } else {
                Axis::Unit
            };
        }
        Ok((conv, stride, groups))
    }

    /// Padding before and behind each spatial axis.
    fn pads(
        &self,
        node: &NodeProto,
        lengths: &[usize],
        kernel: &[usize],
        strides: &[usize],
        dilations: &[usize],
    ) -> Result<Vec<(usize, usize)>, Unsupported> {
        let n = kernel.len();
        let far = |list: &[usize]| list.iter().any(|&x| x > FARTHEST);
        if lengths.len() != n
            || kernel.contains(&0)
            || strides.contains(&0)
            || [kernel, strides, dilations].into_iter().any(far)
        {
            return Err(self.no(node, "its kernel does not fit"));
        }
        let same = |upper: bool| -> Vec<(usize, usize)> {
            (0..n)
                .map(|i| {
                    let out = lengths[i].div_ceil(strides[i]);
                    let span = dilations[i] * (kernel[i] - 1) + 1;
                    let all = ((out - 1) * strides[i] + span).saturating_sub(lengths[i]);
                    let (less, more) = (all / 2, all - all / 2);
                    if upper { (less, more) } else { (more, less) }
                })
                .collect()
        };
        match node.string("auto_pad").as_str() {
            "SAME_UPPER" => Ok(same(true)),
            "SAME_LOWER" => Ok(same(false)),
            "VALID" => Ok(vec![(0, 0); n]),
            "" | "NOTSET" => match node.ints("pads") {
                None => Ok(vec![(0, 0); n]),
                Some(list)
                    if list.len() == 2 * n
                        && list.iter().all(|&p| (0..=FARTHEST as i64).contains(&p)) =>
                {
                    let at = |i: usize| list[i] as usize;
                    Ok((0..n).map(|i| (at(i), at(i + n))).collect())
                }
                Some(_) => Err(self.no(node, "its pads do not fit")),
            },
            other => Err(self.no(node, &format!("auto_pad {other} is unknown"))),
        }
    }

    /// The cells of a pool along the sequence; moves the axes behind it.
    pub(super) fn cells(
        &mut self,
        node: &NodeProto,
    ) -> Result<(Reduction, Vec<Cell>, String), Unsupported> {
        let Some((along, length)) = self.axes.iter().enumerate().find_map(|(i, a)| match a {
            Axis::Length(n) => Some((i, *n)),
            _ => None,
        }) else {
            return Err(self.no(node, "there is no axis of sequence"));
        };
        let (reduction, name) = match node.op_type.contains("Max") {
            true => (Reduction::Max, "max"),
            false => (Reduction::Mean, "mean"),
        };
        let whole = vec![Cell {
            from: 0,
            to: length,
            divisor: length,
        }];
        let global = format!("global {name} pool");
        if node.op_type.starts_with("Reduce") {
            self.drop_reduced(node, along)?;
            return Ok((reduction, whole, global));
        }
        if along < 2 || !matches!(self.axes[1], Axis::Channels(_)) {
            return Err(self.no(node, "the sequence is no spatial axis"));
        }
        if node.op_type.starts_with("Global") {
            self.axes[along] = Axis::Unit;
            return Ok((reduction, whole, global));
        }
        let (size, cells) = self.pool_cells(node, along, length, reduction)?;
        self.axes[along] = Axis::Length(cells.len());
        Ok((reduction, cells, format!("{name} pool {size}")))
    }

    /// Moves the axes behind a reduction over the whole sequence.
    fn drop_reduced(&mut self, node: &NodeProto, along: usize) -> Result<(), Unsupported> {
        let rank = self.axes.len();
        let list =
            (self.graph.list(node, "axes", 1)?).ok_or_else(|| self.no(node, "it names no axes"))?;
        let drop: Vec<usize> = list.iter().map(|&a| wrap(a, rank as i64)).collect();
        let unit = |i: &usize| *i == along || self.axes.get(*i) == Some(&Axis::Unit);
        if !drop.contains(&along) || !drop.iter().all(unit) {
            return Err(self.no(node, "it reduces another axis than the sequence"));
        }
        self.axes[along] = Axis::Unit;
        if node.int("keepdims", 1) == 0 {
            self.axes = self.axes.without(&drop);
        }
        Ok(())
    }

    /// Size and cells of a pool of equal cells along an axis of this length.
    fn pool_cells(
        &self,
        node: &NodeProto,
        along: usize,
        length: usize,
        reduction: Reduction,
    ) -> Result<(usize, Vec<Cell>), Unsupported> {
        let n = self.axes.len() - 2;
        let kernel: Vec<usize> = node
            .ints("kernel_shape")
            .unwrap_or(&[])
            .iter()
            .map(|&k| k.max(0) as usize)
            .collect();
        let (strides, dilations) = (spatial(node, "strides", n), spatial(node, "dilations", n));
        if kernel.len() != n || dilations.iter().any(|&d| d != 1) {
            return Err(self.no(node, "its kernel is dilated or does not fit"));
        }
        let lengths: Vec<usize> = self.axes[2..].iter().filter_map(|a| a.size()).collect();
        let pads = self.pads(node, &lengths, &kernel, &strides, &dilations)?;
        for i in (0..n).filter(|&i| i + 2 != along) {
            if kernel[i] != 1 || pads[i] != (0, 0) || self.axes[i + 2] != Axis::Unit {
                return Err(self.no(node, "it pools another axis than the sequence"));
            }
        }
        let (k, stride, (left, right)) = (kernel[along - 2], strides[along - 2], pads[along - 2]);
        let ceil = node.int("ceil_mode", 0) != 0;
        if ceil && reduction == Reduction::Mean {
            return Err(self.no(node, "a mean pool with ceil_mode is not supported"));
        }
        let padded = length + left + right;
        if k > padded {
            return Err(self.no(node, "the pool is longer than its input"));
        }
        let mut count = (padded - k) / stride + 1;
        // A last, partial cell must begin within the input or its left padding.
        if ceil && !(padded - k).is_multiple_of(stride) && count * stride < length + left {
            count += 1;
        }
        let counted = node.int("count_include_pad", 0) != 0;
        let cell = |i: usize| {
            let from = (i * stride).saturating_sub(left);
            let to = (i * stride + k).saturating_sub(left).min(length);
            let divisor = if counted { k } else { to.saturating_sub(from) };
            (from < to).then_some(Cell { from, to, divisor })
        };
        let cells: Option<Vec<Cell>> = (0..count).map(cell).collect();
        let cells = cells.ok_or_else(|| self.no(node, "a cell of the pool holds padding only"))?;
        Ok((k, cells))
    }

    /// The matrix `[outputs, inputs]` and bias of a Gemm whose data come first.
    pub(super) fn gemm(&self, node: &NodeProto) -> Result<(Array2<f32>, Vec<f32>), Unsupported> {
        let weight = self.matrix(node)?;
        if node.int("transA", 0) != 0 {
            return Err(self.no(node, "it transposes its input"));
        }
        let weight = match node.int("transB", 0) {
            0 => weight.reversed_axes(),
            _ => weight,
        } * node.float("alpha", 1.0);
        let outputs = weight.nrows();
        let beta = node.float("beta", 1.0);
        let bias = if node.has_input(2) {
            let bias = self.graph.floats(node, 2)? * beta;
            match bias.len() {
                1 => vec![bias.sum(); outputs],
                n if n == outputs => values(bias),
                _ => return Err(self.no(node, "its bias does not fit")),
            }
        } else {
            vec![0.0; outputs]
        };
        Ok((weight, bias))
    }

    /// The constant matrix that is an operator's second input.
    pub(super) fn matrix(&self, node: &NodeProto) -> Result<Array2<f32>, Unsupported> {
        (self.graph.floats(node, 1)?)
            .into_dimensionality::<Ix2>()
            .map_err(|_| self.no(node, "its weight is no matrix"))
    }

    pub(super) fn elementwise(&self, step: &Step<'_>) -> Result<Elementwise, Unsupported> {
        let node = step.node;
        let function = |f| Ok(Elementwise::Function(f));
        match node.op_type.as_str() {
            "Relu" => function(Function::Relu),
            "LeakyRelu" => function(Function::LeakyRelu(node.float("alpha", 0.01))),
            "Sigmoid" => function(Function::Sigmoid),
            "Tanh" => function(Function::Tanh),
            "Elu" => function(Function::Elu(node.float("alpha", 1.0))),
            "Softplus" => function(Function::Softplus),
            "Gelu" if node.string("approximate") == "tanh" => function(Function::GeluTanh),
            "Gelu" => function(Function::Gelu),
            "Erf" => function(Function::Erf),
            "Exp" => function(Function::Exp),
            "Log" => function(Function::Log),
            "Sqrt" => function(Function::Sqrt),
            "Abs" => function(Function::Abs),
            "Neg" => function(Function::Neg),
            "Reciprocal" => function(Function::Reciprocal),
            "Softsign" => function(Function::Softsign),
            "Mish" => function(Function::Mish),
            "Swish" => function(Function::Swish(node.float("alpha", 1.0))),
            "HardSigmoid" => function(Function::HardSigmoid(
                node.float("alpha", 0.2),
                node.float("beta", 0.5),
            )),
            "HardSwish" => function(Function::HardSwish),
            "Selu" => function(Function::Selu(
                node.float("alpha", 1.673_263_2),
                node.float("gamma", 1.050_701),
            )),
            "Pow" => match values(self.graph.floats(node, 1)?)[..] {
                [power] if step.comes_first() => function(Function::Power(power)),
                _ => Err(self.no(node, "its power is no single number")),
            },
            "Clip" => {
                let bound = |name: &str, input: usize, open: f32| -> Result<f32, Unsupported> {
                    if node.has_input(input) {
                        return match values(self.graph.floats(node, input)?)[..] {
                            [one] => Ok(one),
                            _ => Err(self.no(node, "a bound is no single number")),
                        };
                    }
                    Ok(node.float(name, open))
                };
                function(Function::Clip(
                    bound("min", 1, f32::MIN)?,
                    bound("max", 2, f32::MAX)?,
                ))
            }
            "BatchNormalization" => self.batch_norm(node),
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(step),
            other => Err(Unsupported(format!(
                "the operator {other} is not supported"
            ))),
        }
    }

    fn batch_norm(&self, node: &NodeProto) -> Result<Elementwise, Unsupported> {
        let channels = match self.axes.get(1) {
            Some(Axis::Channels(n) | Axis::Features(n)) => *n,
            _ => return Err(self.no(node, "axis 1 holds no channels")),
        };
        if node.int("training_mode", 0) != 0 {
            return Err(self.no(node, "it is in training mode"));
        }
        let part = |i| -> Result<Vec<f32>, Unsupported> {
            let part = self.graph.floats(node, i)?;
            match part.len() == channels {
                true => Ok(values(part)),
                false => Err(self.no(node, "its weights do not fit its input")),
            }
        };
        let (gamma, beta, mean, variance) = (part(1)?, part(2)?, part(3)?, part(4)?);
        let epsilon = f64::from(node.float("epsilon", 1e-5));
        let (mut scale, mut shift) = (Vec::new(), Vec::new());
        for c in 0..channels {
            let s = f64::from(gamma[c]) / (f64::from(variance[c]) + epsilon).sqrt();
            scale.push(s as f32);
            shift.push((f64::from(beta[c]) - f64::from(mean[c]) * s) as f32);
        }
        Ok(Elementwise::Affine { scale, shift })
    }

    /// A sum or product with a constant: one number, or one a channel.
    fn arithmetic(&self, step: &Step<'_>) -> Result<Elementwise, Unsupported> {
        let (node, data_first) = (step.node, step.comes_first());
        let constant = self.graph.floats(node, usize::from(data_first))?;
        let dims = constant.shape().to_vec();
        // The axis of the data that the constant varies along, by broadcasting from the right.
        let rank = self.axes.len();
        let mut long = dims.iter().enumerate().filter(|(_, d)| **d != 1);
        let channel = self
            .axes
            .position(|a| matches!(a, Axis::Channels(_) | Axis::Features(_)))
            .ok_or_else(|| self.no(node, "there are no channels"))?;
        let channels = self.axes[channel].size().unwrap_or(0);
        let constant: Vec<f32> = match (long.next(), long.next()) {
            (None, _) if dims.len() <= rank => vec![constant.sum(); channels],
            (Some((i, &n)), None)
                if dims.len() <= rank && i + rank - dims.len() == channel && n == channels =>
            {
                values(constant)
            }
            _ => return Err(self.no(node, "its constant varies along another axis")),
        };
        let one = vec![1.0; channels];
        let zero = vec![0.0; channels];
        let (scale, shift) = match (node.op_type.as_str(), data_first) {
            ("Add", _) => (one, constant),
            ("Sub", true) => (one, constant.iter().map(|v| -v).collect()),
            ("Sub", false) => (vec![-1.0; channels], constant),
            ("Mul", _) => (constant, zero),
            ("Div", true) => (constant.iter().map(|v| 1.0 / v).collect(), zero),
            _ => return Err(self.no(node, "it divides by its input")),
        };
        Ok(Elementwise::Affine { scale, shift })
    }
}

/// An attribute with one number for each of `n` spatial axes, each 1 when it is left out.
fn spatial(node: &NodeProto, name: &str, n: usize) -> Vec<usize> {
    let list = node.ints(name).unwrap_or(&[]);
    let get = |i| list.get(i).copied().unwrap_or(1);
    (0..n).map(|i| get(i).max(0) as usize).collect()
}

/// An array's values, row-major.
pub(super) fn values<S, D>(array: ndarray::ArrayBase<S, D>) -> Vec<f32>
where
    S: ndarray::Data<Elem = f32>,
    D: ndarray::Dimension,
{
    array.iter().copied().collect()
}
