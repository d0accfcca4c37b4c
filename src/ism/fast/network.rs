//! A network of the supported family in a normal form, free of ONNX.
//!
//! ```text
//! one-hot columns -> (conv -> element-wise)* -> pool or nothing -> element-wise
//!                 -> flatten -> (dense -> element-wise)+ -> activities
//! ```
//!
//! All channel axes are in the graph's own order, except that the first convolution's inputs are
//! base codes (A, C, G, T) whatever the model's alphabet.

/// Why a graph cannot be done fast: one plain sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub(in crate::ism) String);

/// What happens to each value by itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Elementwise {
    /// `scale[channel] * x + shift[channel]`.
    Affine {
        /// One a channel (or a feature, behind the flatten).
        scale: Vec<f32>,
        /// Likewise.
        shift: Vec<f32>,
    },
    /// A function of the value alone.
    Function(Function),
}

/// The activations, as ONNX defines them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Function {
    Relu,
    LeakyRelu(f32),
    Sigmoid,
    Tanh,
    Elu(f32),
    Softplus,
    /// `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`: ONNX's `approximate="tanh"`.
    GeluTanh,
    /// `0.5 x (1 + erf(x / sqrt(2)))`.
    Gelu,
    Erf,
    Exp,
    Log,
    Sqrt,
    Abs,
    Neg,
    Reciprocal,
    Softsign,
    /// `x tanh(softplus(x))`.
    Mish,
    /// `x sigmoid(alpha x)`.
    Swish(f32),
    /// `max(0, min(1, alpha x + beta))`.
    HardSigmoid(f32, f32),
    /// `x max(0, min(1, x / 6 + 0.5))`.
    HardSwish,
    /// `gamma (alpha exp(x) - alpha)` below 0, `gamma x` above.
    Selu(f32, f32),
    /// `x` to a constant power.
    Power(f32),
    /// Lower and upper bound.
    Clip(f32, f32),
}

impl Function {
    /// The function's value.
    pub(crate) fn of(self, x: f32) -> f32 {
        match self {
            Self::Relu => relu(x),
            Self::LeakyRelu(alpha) => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Self::Sigmoid => {
                // Of the two forms the one whose exponential cannot overflow.
                if x < 0.0 {
                    let e = x.exp();
                    e / (1.0 + e)
                } else {
                    1.0 / (1.0 + (-x).exp())
                }
            }
            Self::Tanh => x.tanh(),
            Self::Elu(alpha) => {
                if x < 0.0 {
                    alpha * x.exp_m1()
                } else {
                    x
                }
            }
            Self::Softplus => softplus(x),
            Self::Gelu => 0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2)),
            Self::Erf => libm::erff(x),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Abs => x.abs(),
            Self::Neg => -x,
            Self::Reciprocal => 1.0 / x,
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Mish => x * softplus(x).tanh(),
            Self::Swish(alpha) => x * Self::Sigmoid.of(alpha * x),
            Self::HardSigmoid(alpha, beta) => clip(alpha * x + beta, 0.0, 1.0),
            Self::HardSwish => x * clip(x / 6.0 + 0.5, 0.0, 1.0),
            Self::Selu(alpha, gamma) => {
                if x > 0.0 {
                    gamma * x
                } else {
                    gamma * alpha * x.exp_m1()
                }
            }
            Self::Power(power) => x.powf(power),
            Self::GeluTanh => {
                let inner = 0.797_884_6 * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
            Self::Clip(low, high) => clip(x, low, high),
        }
    }
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Not `clamp`: what is not a number stays so, and bounds may be anything.
fn clip(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// Not `max`: what is not a number stays so.
#[inline(always)]
pub(super) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

impl Elementwise {
    /// Applies it to rows of `stride` values, of which the first channels are real; what stands in
    /// the others does not matter.
    pub(crate) fn apply(&self, rows: &mut [f32], stride: usize) {
        match self {
            Self::Affine { scale, shift } => {
                for row in rows.chunks_exact_mut(stride) {
                    for ((x, s), t) in row.iter_mut().zip(scale).zip(shift) {
                        *x = *x * s + t;
                    }
                }
            }
            Self::Function(Function::Relu) => {
                rows.iter_mut().for_each(|x| *x = relu(*x));
            }
            Self::Function(f) => rows.iter_mut().for_each(|x| *x = f.of(*x)),
        }
    }

    /// Joins neighbouring affine maps, and drops those that do nothing.
    pub(crate) fn tidy(chain: Vec<Self>) -> Vec<Self> {
        let mut out: Vec<Self> = Vec::new();
        for next in chain {
            if let (
                Some(Self::Affine { scale: a, shift: b }),
                Self::Affine { scale: c, shift: d },
            ) = (out.last_mut(), &next)
            {
                for i in 0..a.len() {
                    a[i] *= c[i];
                    b[i] = b[i] * c[i] + d[i];
                }
                continue;
            }
            out.push(next);
        }
        out.retain(|e| match e {
            Self::Affine { scale, shift } => {
                scale.iter().any(|s| *s != 1.0) || shift.iter().any(|t| *t != 0.0)
            }
            Self::Function(_) => true,
        });
        out
    }
}

/// A convolution along the sequence, stride 1, and what follows it value by value.
#[derive(Clone, Debug)]
pub(crate) struct Conv {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) width: usize,
    pub(crate) dilation: usize,
    /// Zero columns before the first and behind the last.
    pub(crate) pads: (usize, usize),
    /// `[outputs, inputs, width]`.
    pub(crate) weight: Vec<f32>,
    /// `[outputs]`.
    pub(crate) bias: Vec<f32>,
    pub(crate) after: Vec<Elementwise>,
}

impl Conv {
    /// Input columns from the first tap to the last, less one.
    pub(crate) fn reach(&self) -> usize {
        self.dilation * (self.width - 1)
    }
}

/// A cell of a pool: positions `[from, to)`, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// What a mean divides by; differs from the length where padding counts.
    pub(crate) divisor: usize,
}

/// How positions become features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// Every position is a cell of its own.
    Nothing,
    Max,
    Mean,
}

/// A dense layer and what follows it.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// `[outputs, inputs]`; the first layer's inputs are `[cells, channels]`.
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) after: Vec<Elementwise>,
}

/// The whole network.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// Columns of the input (the frame).
    pub(crate) length: usize,
    /// At least one.
    pub(crate) convs: Vec<Conv>,
    pub(crate) reduction: Reduction,
    pub(crate) cells: Vec<Cell>,
    /// Between pool and flatten, by channel.
    pub(crate) pooled: Vec<Elementwise>,
    /// At least one.
    pub(crate) head: Vec<Dense>,
    /// What the reader of a log wants to know of the pool, such as "max pool 44".
    pub(crate) pool_text: String,
}

impl Network {
    /// Channels of the trunk's output.
    pub(crate) fn channels(&self) -> usize {
        self.convs.last().map_or(4, |c| c.outputs)
    }

    /// Number of activities.
    pub(crate) fn tasks(&self) -> usize {
        self.head.last().map_or(0, |d| d.outputs)
    }

    /// Brings the network to the form that costs least: affine maps move into the weights next to
    /// them, element-wise steps behind a pool that is none move into the trunk.
    pub(crate) fn simplify(&mut self) {
        if self.reduction == Reduction::Nothing {
            let steps = std::mem::take(&mut self.pooled);
            if let Some(last) = self.convs.last_mut() {
                last.after.extend(steps);
            }
        }
        for conv in &mut self.convs {
            conv.after = Elementwise::tidy(std::mem::take(&mut conv.after));
            if let Some(Elementwise::Affine { scale, shift }) = conv.after.first().cloned() {
                let taps = conv.inputs * conv.width;
                for (o, weights) in conv.weight.chunks_exact_mut(taps).enumerate() {
                    weights.iter_mut().for_each(|w| *w *= scale[o]);
                    conv.bias[o] = conv.bias[o] * scale[o] + shift[o];
                }
                conv.after.remove(0);
            }
        }
        // An affine map right before the first dense layer, through sums and means of positions.
        if self.reduction != Reduction::Max
            && self.pooled.is_empty()
            && let Some(last) = self.convs.last_mut()
            && matches!(last.after.last(), Some(Elementwise::Affine { .. }))
        {
            // Means whose divisor counts padding do not commute with a shift.
            if self.cells.iter().all(|c| c.divisor == c.to - c.from)
                && let Some(step) = last.after.pop()
            {
                self.pooled.push(step);
            }
        }
        self.pooled = Elementwise::tidy(std::mem::take(&mut self.pooled));
        if let Some(Elementwise::Affine { scale, shift }) = self.pooled.last().cloned() {
            self.pooled.pop();
            let channels = scale.len();
            let first = &mut self.head[0];
            for (weights, bias) in first
                .weight
                .chunks_exact_mut(first.inputs)
                .zip(&mut first.bias)
            {
                let mut sum = f64::from(*bias);
                for (i, w) in weights.iter_mut().enumerate() {
                    sum += f64::from(*w) * f64::from(shift[i % channels]);
                    *w *= scale[i % channels];
                }
                *bias = sum as f32;
            }
        }
        for dense in &mut self.head {
            dense.after = Elementwise::tidy(std::mem::take(&mut dense.after));
        }
    }
}
