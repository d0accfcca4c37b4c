//! Starting from another model: its leading convolutions, and all of it where the shapes agree.

mod source;

use ndarray::{ArrayViewMut3, Axis};

use self::source::{Conv, Source};
use super::arch::{Architecture, Layer, Padding};
use super::network::{Parameters, Weights};
use crate::model::onnx::Graph;
use crate::model::{ModelFile, ModelSpec};
use crate::train::{Scaling, TrainError};

/// Copies weights into `parameters`, layer by layer from the input on, as long as width, padding and
/// ReLU agree; batch normalisations of the other model move into the layer behind them, as far as that
/// is exact (a shift does not move into a padded convolution, which sees zeros beyond the ends). Where the other
/// model has more filters, those are taken that weigh most in its next layer (root of the sum of
/// squares). When all convolutions agree, its last dense layer is taken too; `outputs` says which of
/// its outputs each task starts from. With `reverse` the other model is first joined with its own
/// reverse complement, which has this share of the outputs. Returns how many layers were copied.
///
/// # Errors
/// [`TrainError::Setting`] when the other model's graph is broken, not even the first convolution
/// agrees, or the other model has no reverse complement of the same form.
pub fn start_from(
    parameters: &mut Parameters,
    arch: &Architecture,
    scaling: &Scaling,
    file: &ModelFile,
    spec: &ModelSpec,
    outputs: &[Option<usize>],
    reverse: Option<f32>,
) -> Result<usize, TrainError> {
    let fail = |problem: String| TrainError::Setting(format!("{}{problem}", file.path().display()));
    let graph = Graph::new(file.graph()).map_err(|why| fail(format!(" cannot be read: {why}")))?;
    let mut source = Source::read(&graph, spec);
    if let Some(share) = reverse {
        source.add_reverse(share).map_err(|why| {
            fail(format!(
                " cannot be joined with its reverse complement: {why}"
            ))
        })?;
    }
    let mut copy = Copy {
        source: &source,
        outputs,
        next: 0,
        kept: (0..4).collect(),
    };
    let mut copied = 0;
    let mut weights = parameters.weights.chunks_exact_mut(2);
    let mut layers = arch.layers.iter().peekable();
    while let Some(layer) = layers.next() {
        let done = match *layer {
            Layer::Relu | Layer::Dropout(_) | Layer::MaxPool(_) | Layer::AvgPool(_) => continue,
            // Its scale and shift would stand where the other model has none.
            Layer::BatchNorm => None,
            Layer::Conv {
                filters,
                width,
                padding,
            } => {
                let relu = layers.peek() == Some(&&Layer::Relu);
                let like = |c: &Conv| {
                    (c.width(), c.relu) == (width, relu)
                        && c.padding.columns(width) == padding.columns(width)
                        && c.filters() >= filters
                };
                (weights.next()).and_then(|to| copy.conv(like, filters, to))
            }
            // Only the last one can give what the other model gives.
            Layer::Dense(Some(_)) => None,
            Layer::Dense(None) => weights.next().and_then(|to| copy.dense(scaling, to)),
        };
        if done.is_none() {
            break;
        }
        copied += 1;
    }
    if copied == 0 {
        return Err(TrainError::Setting(format!(
            "no layer of {} fits the architecture {arch}",
            file.path().display()
        )));
    }
    Ok(copied)
}

/// The way through the other model.
struct Copy<'a> {
    source: &'a Source,
    /// Which of its outputs each task starts from.
    outputs: &'a [Option<usize>],
    /// Its next convolution.
    next: usize,
    /// Its channels that this network's next layer reads.
    kept: Vec<usize>,
}

impl Copy<'_> {
    /// Copies the next convolution's weights, `[width * inputs, filters]`, and bias, if it is like
    /// this network's.
    fn conv(
        &mut self,
        like: impl Fn(&Conv) -> bool,
        filters: usize,
        to: &mut [Weights],
    ) -> Option<()> {
        let [weight, bias] = to else { return None };
        let usable = &self.source.convs[..self.source.usable];
        let conv = usable.get(self.next).filter(|c| like(c))?;
        let chosen = self.source.heaviest(self.next, filters, self.outputs);
        let shape = (conv.width(), self.kept.len(), filters);
        let mut to = ArrayViewMut3::from_shape(shape, &mut weight.values).ok()?;
        to.assign(
            &conv
                .weight
                .select(Axis(1), &self.kept)
                .select(Axis(2), &chosen),
        );
        for (value, &filter) in bias.values.iter_mut().zip(&chosen) {
            *value = conv.bias[filter];
        }
        self.kept = chosen;
        self.next += 1;
        Some(())
    }

    /// Copies the dense layer's weights, `[positions * channels, tasks]`, and bias, in the tasks'
    /// scaling, once all convolutions are.
    fn dense(&self, scaling: &Scaling, to: &mut [Weights]) -> Option<()> {
        let [weight, bias] = to else { return None };
        let dense = self.source.dense.as_ref().filter(|d| d.last)?;
        let known = |o: &Option<usize>| o.is_none_or(|o| o < dense.bias.len());
        if self.next != self.source.convs.len()
            || self.outputs.iter().all(Option::is_none)
            || !self.outputs.iter().all(known)
        {
            return None;
        }
        let from = dense.weight.select(Axis(1), &self.kept);
        let shape = (from.dim().0, self.kept.len(), scaling.scale.len());
        let mut to = ArrayViewMut3::from_shape(shape, &mut weight.values).ok()?;
        for (task, output) in self.outputs.iter().enumerate() {
            let Some(output) = *output else { continue };
            let scaled = |value: f32| (f64::from(value) / scaling.scale[task]) as f32;
            (to.index_axis_mut(Axis(2), task))
                .assign(&from.index_axis(Axis(2), output).mapv(scaled));
            let value = f64::from(dense.bias[output]) - scaling.mean[task];
            bias.values[task] = (value / scaling.scale[task]) as f32;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
