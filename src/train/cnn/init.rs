//! Starting from another model: its leading convolutions, and all of it where the shapes agree.

mod source;

use ndarray::{Array2, Axis};

use self::source::{Conv, Source};
use super::arch::{Architecture, Padding};
use super::network::{FittedLayer, Network};
use crate::model::onnx::Graph;
use crate::model::{ModelFile, ModelSpec};
use crate::train::{Scaling, TrainError};

/// Copies weights into `network`, layer by layer from the input on, as long as width, padding and
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
    network: &mut Network,
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
    let mut layers = network.layers.iter_mut().peekable();
    while let Some(layer) = layers.next() {
        let done = match layer {
            FittedLayer::Relu
            | FittedLayer::Dropout(_)
            | FittedLayer::SpatialDropout(_)
            | FittedLayer::MaxPool(_)
            | FittedLayer::AvgPool(_) => continue,
            // Its scale and shift would stand where the other model has none.
            FittedLayer::BatchNorm { .. } => None,
            FittedLayer::Conv {
                weight,
                bias,
                width,
                padding,
            } => {
                let (filters, width) = (weight.ncols(), *width);
                let relu = matches!(layers.peek(), Some(FittedLayer::Relu));
                let like = |c: &Conv| {
                    (c.width(), c.relu) == (width, relu)
                        && c.padding.columns(width) == padding.columns(width)
                        && c.filters() >= filters
                };
                copy.conv(like, weight, bias)
            }
            // Only the last one can give what the other model gives.
            FittedLayer::Dense { weight, bias } if layers.peek().is_none() => {
                copy.dense(scaling, weight, bias)
            }
            FittedLayer::Dense { .. } => None,
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
        weight: &mut Array2<f32>,
        bias: &mut Array2<f32>,
    ) -> Option<()> {
        let filters = weight.ncols();
        let usable = &self.source.convs[..self.source.usable];
        let conv = usable.get(self.next).filter(|c| like(c))?;
        let chosen = self.source.heaviest(self.next, filters, self.outputs);
        let shape = (conv.width(), self.kept.len(), filters);
        let mut to = weight.view_mut().into_shape_with_order(shape).ok()?;
        to.assign(
            &conv
                .weight
                .select(Axis(1), &self.kept)
                .select(Axis(2), &chosen),
        );
        for (value, &filter) in bias.iter_mut().zip(&chosen) {
            *value = conv.bias[filter];
        }
        self.kept = chosen;
        self.next += 1;
        Some(())
    }

    /// Copies the dense layer's weights, `[positions * channels, tasks]`, and bias, in the tasks'
    /// scaling, once all convolutions are.
    fn dense(
        &self,
        scaling: &Scaling,
        weight: &mut Array2<f32>,
        bias: &mut Array2<f32>,
    ) -> Option<()> {
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
        let mut to = weight.view_mut().into_shape_with_order(shape).ok()?;
        for (task, output) in self.outputs.iter().enumerate() {
            let Some(output) = *output else { continue };
            let scaled = |value: f32| (f64::from(value) / scaling.scale[task]) as f32;
            (to.index_axis_mut(Axis(2), task))
                .assign(&from.index_axis(Axis(2), output).mapv(scaled));
            let value = f64::from(dense.bias[output]) - scaling.mean[task];
            bias[[0, task]] = (value / scaling.scale[task]) as f32;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
