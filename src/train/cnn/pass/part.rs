use ndarray::{Array2, ArrayView2, Axis, concatenate, s};

use super::super::arch::Padding;
use super::super::network::FittedLayer;
use super::normal::Statistics;
use super::plan::{Form, Plan};
use super::{conv, dense, normal, pool};
use crate::encode::{UNKNOWN, reverse_complement};
use crate::stats::Random;

/// What a layer leaves for its way back, besides what it read and wrote.
enum Left {
    Nothing,
    /// A convolution's input with its zeros on both sides.
    Padded(Array2<f32>),
    /// By what values were multiplied.
    Factors(Array2<f32>),
    /// For each maximum the row it came from.
    Places(Vec<u32>),
}

/// A few sequences of a batch on their way through the network.
pub(super) struct Part {
    /// One behind the other, `stride` rows each; unknown ones between and behind them.
    codes: Vec<u8>,
    pub sequences: usize,
    random: Option<Random>,
    /// What each layer has read, as far as its way back needs it, and at the end the outputs.
    pub values: Vec<Array2<f32>>,
    left: Vec<Left>,
    /// Of what the layers in front of those done backwards give.
    pub gradient: Array2<f32>,
}

impl Part {
    pub fn new(plan: &Plan, codes: &[u8], random: Option<Random>) -> Self {
        let columns = plan.geometry.columns;
        let given = codes.len() / columns;
        let sequences = if plan.both_strands { 2 * given } else { given };
        let mut placed = vec![UNKNOWN; plan.rows(sequences)];
        let mut slots = placed.chunks_mut(plan.stride);
        for (sequence, slot) in codes.chunks_exact(columns).zip(slots.by_ref()) {
            slot[..columns].copy_from_slice(sequence);
        }
        if plan.both_strands {
            for (sequence, slot) in codes.chunks_exact(columns).zip(slots) {
                reverse_complement(sequence, &mut slot[..columns]);
            }
        }
        Self {
            codes: placed,
            sequences,
            random,
            // In place of the codes.
            values: vec![Array2::zeros((0, 0))],
            left: Vec::new(),
            gradient: Array2::zeros((0, 0)),
        }
    }

    /// The outputs, `[sequences * windows, outputs]`.
    pub fn output(&self) -> &Array2<f32> {
        &self.values[self.values.len() - 1]
    }

    /// The newest values, to be changed.
    fn take(&mut self, kept: bool) -> Array2<f32> {
        let last = self.values.len() - 1;
        match kept {
            true => self.values[last].clone(),
            false => std::mem::take(&mut self.values[last]),
        }
    }

    pub fn forward(&mut self, plan: &Plan, at: usize, layer: &FittedLayer, learns: bool) {
        let input = &plan.inputs[at];
        let kept = learns && input.kept;
        let mut left = Left::Nothing;
        let output = match layer {
            FittedLayer::Conv {
                weight,
                bias,
                width,
                padding,
            } => match (input.form, *padding) {
                (Form::Codes, _) => {
                    let rows = self.codes.len() - padding.loss(*width);
                    let margin = padding.columns(*width).0;
                    conv::of_codes(&self.codes, margin, rows, weight, bias)
                }
                (_, Padding::None) => conv::forward(self.output(), weight, bias, *width),
                (_, Padding::Same) => {
                    let masked = plan.only_known(self.take(kept), input, self.sequences);
                    let padded = conv::with_margins(&masked, padding.columns(*width));
                    let output = conv::forward(&padded, weight, bias, *width);
                    left = Left::Padded(padded);
                    output
                }
            },
            FittedLayer::BatchNorm {
                scale,
                shift,
                mean,
                variance,
            } => normal::by(
                self.take(kept),
                &Statistics::new(mean, variance),
                scale,
                shift,
            ),
            FittedLayer::Dense { weight, bias } => match input.form {
                Form::Windows => self.output().dot(weight) + bias,
                _ => dense::over_windows(plan, input, self.output(), self.sequences, weight) + bias,
            },
            FittedLayer::Relu => {
                let mut values = self.take(kept);
                values.mapv_inplace(|x| x.max(0.0));
                values
            }
            FittedLayer::Dropout(p) => match &mut self.random {
                None => self.take(kept),
                Some(random) => {
                    let factors = factors(self.values[at].dim(), *p, random);
                    let values = self.take(kept) * &factors;
                    left = Left::Factors(factors);
                    values
                }
            },
            FittedLayer::SpatialDropout(p) => match &mut self.random {
                None => self.take(kept),
                Some(random) => {
                    let factors = factors((self.sequences, input.channels), *p, random);
                    let values = plan.by_channel(self.take(kept), &factors);
                    left = Left::Factors(factors);
                    values
                }
            },
            FittedLayer::MaxPool(size) => {
                let (output, places) =
                    pool::largest(plan, input, self.output(), self.sequences, *size);
                left = Left::Places(places);
                output
            }
            FittedLayer::AvgPool(size) => {
                pool::means(plan, input, self.output(), self.sequences, *size)
            }
        };
        if !learns {
            self.values[at] = Array2::zeros((0, 0));
            left = Left::Nothing;
        }
        self.values.push(output);
        self.left.push(left);
    }

    /// Normalises by a batch's statistics; the values before it stay for the way back.
    pub fn normalise(
        &mut self,
        plan: &Plan,
        at: usize,
        statistics: &Statistics,
        scale: &Array2<f32>,
        shift: &Array2<f32>,
    ) {
        debug_assert_eq!(plan.inputs[at].channels, scale.len());
        let output = normal::by(self.output().clone(), statistics, scale, shift);
        self.values.push(output);
        self.left.push(Left::Nothing);
    }

    /// Windows of the sequences that were given.
    pub fn windows(&self, plan: &Plan) -> usize {
        let all = self.sequences * plan.geometry.windows;
        if plan.both_strands { all / 2 } else { all }
    }

    /// The outputs; of both strands their means.
    pub fn joined(&self, plan: &Plan) -> Array2<f32> {
        if !plan.both_strands {
            return self.output().clone();
        }
        let half = self.windows(plan);
        let mut means = self.output().slice(s![..half, ..]).to_owned();
        means += &self.output().select(Axis(0), &opposite(plan, half));
        means *= 0.5;
        means
    }

    /// Begins the way back with the gradients of [`Part::joined`].
    pub fn begin_backward(&mut self, plan: &Plan, gradient: ArrayView2<'_, f32>) {
        self.gradient = match plan.both_strands {
            false => gradient.to_owned(),
            true => {
                let half = &gradient * 0.5;
                let rows = opposite(plan, half.nrows());
                let of_other: Vec<usize> = rows.iter().map(|row| row - half.nrows()).collect();
                // Turning windows round twice gives them back.
                concatenate![Axis(0), half, half.select(Axis(0), &of_other)]
            }
        };
    }

    /// Goes back through a layer: returns its gradients and leaves those of what it read, if
    /// anything in front of it is learned (`further`). `turned` are a convolution's weights for that.
    pub fn backward(
        &mut self,
        plan: &Plan,
        at: usize,
        layer: &FittedLayer,
        turned: Option<&Array2<f32>>,
        further: bool,
    ) -> FittedLayer {
        let input = &plan.inputs[at];
        let mut gradient = std::mem::take(&mut self.gradient);
        let read = &self.values[at];
        let gradients = match layer {
            FittedLayer::Conv {
                weight,
                bias: _,
                width,
                padding,
            } => {
                let (width, padding) = (*width, *padding);
                let bias = super::column_sums(&gradient);
                let margins = padding.columns(width);
                let weight = match (&self.left[at], input.form) {
                    (_, Form::Codes) => {
                        conv::gradient_of_codes(&self.codes, margins.0, width, &gradient)
                    }
                    (Left::Padded(padded), _) => conv::gradient(padded, &gradient, weight.dim()),
                    _ => conv::gradient(read, &gradient, weight.dim()),
                };
                match turned.filter(|_| further && input.form != Form::Codes) {
                    Some(turned) => {
                        gradient = conv::backward(&gradient, turned, width, margins);
                        if padding == Padding::Same {
                            gradient = plan.only_known(gradient, input, self.sequences);
                        }
                    }
                    None => gradient = Array2::zeros((0, 0)),
                }
                FittedLayer::Conv {
                    weight,
                    bias,
                    width,
                    padding,
                }
            }
            FittedLayer::Dense { weight, .. } => {
                let bias = super::column_sums(&gradient);
                let of_weight;
                (of_weight, gradient) = match input.form {
                    Form::Windows => (read.t().dot(&gradient), gradient.dot(&weight.t())),
                    _ => dense::backward(plan, input, read, self.sequences, weight, &gradient),
                };
                FittedLayer::Dense {
                    weight: of_weight,
                    bias,
                }
            }
            FittedLayer::Relu => {
                gradient.zip_mut_with(&self.values[at + 1], |g, y| {
                    *g = if *y > 0.0 { *g } else { 0.0 };
                });
                FittedLayer::Relu
            }
            FittedLayer::Dropout(p) => {
                if let Left::Factors(factors) = &self.left[at] {
                    gradient *= factors;
                }
                FittedLayer::Dropout(*p)
            }
            FittedLayer::SpatialDropout(p) => {
                if let Left::Factors(factors) = &self.left[at] {
                    gradient = plan.by_channel(gradient, factors);
                }
                FittedLayer::SpatialDropout(*p)
            }
            FittedLayer::MaxPool(size) => {
                if let Left::Places(places) = &self.left[at] {
                    gradient = pool::back_to(places, read.dim(), &gradient);
                }
                FittedLayer::MaxPool(*size)
            }
            FittedLayer::AvgPool(size) => {
                gradient =
                    pool::spread(plan, input, read.nrows(), self.sequences, *size, &gradient);
                FittedLayer::AvgPool(*size)
            }
            // Done by all parts together.
            FittedLayer::BatchNorm { .. } => layer.clone(),
        };
        self.gradient = gradient;
        gradients
    }
}

/// For each window of the given sequences the row of the same bases on the other strand.
fn opposite(plan: &Plan, windows: usize) -> Vec<usize> {
    let each = plan.geometry.windows;
    let turned = |row: usize| row / each * each + each - 1 - row % each;
    (0..windows).map(|row| windows + turned(row)).collect()
}

/// Zero with probability `p`, otherwise what keeps the mean.
pub(super) fn factors(shape: (usize, usize), p: f32, random: &mut Random) -> Array2<f32> {
    let kept = 1.0 / (1.0 - p);
    let limit = (f64::from(p) * (1u64 << 32) as f64) as u64;
    let mut spare = None;
    Array2::from_shape_simple_fn(shape, || {
        // Two values a number.
        let half = spare.take().unwrap_or_else(|| {
            let bits = random.next();
            spare = Some(bits & 0xffff_ffff);
            bits >> 32
        });
        if half < limit { 0.0 } else { kept }
    })
}
