//! Starting from another model: its leading convolutions, and all of it where the shapes agree.

mod source;

use ndarray::{Array2, Axis, s};

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
    let mut source = read(file, spec)?;
    if let Some(share) = reverse {
        source.add_reverse(share).map_err(|why| {
            TrainError::Setting(format!(
                "{} cannot be joined with its reverse complement: {why}",
                file.path().display()
            ))
        })?;
    }
    let copied = copy(network, &mut [Lane::new(&source, outputs)], Some(scaling));
    some(copied, arch, || file.path().display().to_string())
}

/// Copies convolutions of several models into `network`, side by side: each has its share of every layer's filters, in the
/// models' order (those that weigh most in its own next layer), and reads its own filters of the layer before; weights
/// between filters of two models are 0. Dense layers stay as they are. Returns how many layers were copied.
///
/// # Errors
/// As [`start_from`].
pub fn start_beside(
    network: &mut Network,
    arch: &Architecture,
    models: &[(ModelFile, ModelSpec)],
) -> Result<usize, TrainError> {
    let sources = models.iter().map(|(file, spec)| read(file, spec));
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    let mut lanes: Vec<_> = sources.iter().map(|s| Lane::new(s, &[])).collect();
    let copied = copy(network, &mut lanes, None);
    some(copied, arch, || {
        let names = models.iter().map(|(f, _)| f.path().display().to_string());
        names.collect::<Vec<_>>().join(" and ")
    })
}

fn read(file: &ModelFile, spec: &ModelSpec) -> Result<Source, TrainError> {
    let graph = Graph::new(file.graph()).map_err(|why| {
        TrainError::Setting(format!("{} cannot be read: {why}", file.path().display()))
    })?;
    Ok(Source::read(&graph, spec))
}

/// Starting from a model of which nothing fits is a mistake.
fn some(
    copied: usize,
    arch: &Architecture,
    names: impl Fn() -> String,
) -> Result<usize, TrainError> {
    match copied {
        0 => Err(TrainError::Setting(format!(
            "no layer of {} fits the architecture {arch}",
            names()
        ))),
        copied => Ok(copied),
    }
}

/// Copies layer by layer as long as all lanes' agree; a dense layer only of a single one, in the tasks' scaling.
fn copy(network: &mut Network, lanes: &mut [Lane<'_>], scaling: Option<&Scaling>) -> usize {
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
                let width = *width;
                let relu = matches!(layers.peek(), Some(FittedLayer::Relu));
                let like = |c: &Conv| {
                    (c.width(), c.relu) == (width, relu)
                        && c.padding.columns(width) == padding.columns(width)
                };
                copy_conv(lanes, like, weight, bias)
            }
            // Only the last one can give what the other model gives.
            FittedLayer::Dense { weight, bias } if layers.peek().is_none() => {
                match (&*lanes, scaling) {
                    ([lane], Some(scaling)) => lane.dense(scaling, weight, bias),
                    _ => None,
                }
            }
            FittedLayer::Dense { .. } => None,
        };
        if done.is_none() {
            break;
        }
        copied += 1;
    }
    copied
}

/// Copies the next convolution of every lane into its share of the filters of `weight`, `[width * inputs, filters]`, and
/// `bias`, if all are like this network's.
fn copy_conv(
    lanes: &mut [Lane<'_>],
    like: impl Fn(&Conv) -> bool,
    weight: &mut Array2<f32>,
    bias: &mut Array2<f32>,
) -> Option<()> {
    let filters = weight.ncols();
    let share = |lane: usize| filters * lane / lanes.len()..filters * (lane + 1) / lanes.len();
    let shares: Vec<_> = (0..lanes.len()).map(share).collect();
    let convs: Vec<&Conv> = (lanes.iter().zip(&shares))
        .map(|(lane, share)| {
            lane.conv()
                .filter(|c| like(c) && c.filters() >= share.len())
        })
        .collect::<Option<_>>()?;
    let first = lanes.iter().all(|l| l.next == 0);
    let width = convs[0].width();
    let shape = (width, weight.nrows() / width, filters);
    let mut to = weight.view_mut().into_shape_with_order(shape).ok()?;
    to.fill(0.0);
    let mut from = 0;
    for ((lane, conv), share) in lanes.iter_mut().zip(convs).zip(shares) {
        let chosen = lane.source.heaviest(lane.next, share.len(), lane.outputs);
        // All read the same bases, each its own channels.
        let reads = from..from + lane.kept.len();
        (to.slice_mut(s![.., reads.clone(), share.clone()])).assign(
            &conv
                .weight
                .select(Axis(1), &lane.kept)
                .select(Axis(2), &chosen),
        );
        for (value, &filter) in bias.iter_mut().skip(share.start).zip(&chosen) {
            *value = conv.bias[filter];
        }
        from = if first { 0 } else { reads.end };
        lane.kept = chosen;
        lane.next += 1;
    }
    Some(())
}

/// The way through another model.
struct Lane<'a> {
    source: &'a Source,
    /// Which of its outputs each task starts from.
    outputs: &'a [Option<usize>],
    /// Its next convolution.
    next: usize,
    /// Its channels that this network's next layer reads.
    kept: Vec<usize>,
}

impl<'a> Lane<'a> {
    fn new(source: &'a Source, outputs: &'a [Option<usize>]) -> Self {
        Self {
            source,
            outputs,
            next: 0,
            kept: (0..4).collect(),
        }
    }

    /// The next convolution, if it can be taken.
    fn conv(&self) -> Option<&'a Conv> {
        self.source.convs[..self.source.usable].get(self.next)
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
