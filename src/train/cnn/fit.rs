use std::time::Instant;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Zip};
use serde::{Deserialize, Serialize};

use super::adam;
use super::arch::Architecture;
use super::network::{FittedLayer, Network};
use super::pass::{Geometry, Mode, Pass, Statistics};
use super::state::State;
use super::watch::{Epoch, Watch};
use crate::dataset::Split;
use crate::encode::{UNKNOWN, reverse_complement};
use crate::stats::Random;
use crate::stats::pearson;
use crate::train::{Examples, Scaling, TrainError};
use crate::{Cancel, Error};

/// How the learning rate goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// The same all the time.
    Constant,
    /// From the rate to a thousandth of it along half a cosine.
    Cosine,
    /// From a 25th up to the rate over the first fifth of all steps, then down to a ten-thousandth,
    /// both along half a cosine (Smith and Topin 2017).
    OneCycle,
}

impl Schedule {
    /// The rate of a step, as a share of the highest; `at` is the share of steps done.
    pub fn factor(self, at: f64) -> f64 {
        let cosine = |from: f64, to: f64, t: f64| {
            to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * t).cos())
        };
        match self {
            Self::Constant => 1.0,
            Self::Cosine => cosine(1.0, 1e-3, at),
            Self::OneCycle if at < 0.2 => cosine(0.04, 1.0, at / 0.2),
            Self::OneCycle => cosine(1.0, 1e-4, (at - 0.2) / 0.8),
        }
    }
}

/// How a network is fitted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FitConfig {
    /// Passes over the training data, at most.
    pub epochs: usize,
    /// Sequences of a batch.
    pub batch: usize,
    /// Highest learning rate (Adam).
    pub rate: f64,
    /// Its way.
    pub schedule: Schedule,
    /// Stop after so many epochs without a better validation loss.
    pub patience: usize,
    /// Number that decides everything random.
    pub seed: u64,
    /// Show each sequence as its reverse complement half of the time.
    pub reverse_complements: bool,
    /// Weight of the loss on differences between a sequence and its mutated copy.
    pub pair_weight: f32,
    /// Leading convolutions that are not changed.
    pub frozen: usize,
}

/// A network and the data it is fitted to.
pub struct Fit<'a> {
    /// The architecture.
    pub arch: &'a Architecture,
    /// The data.
    pub examples: &'a Examples,
    /// The labels' scaling.
    pub scaling: &'a Scaling,
    /// How.
    pub config: &'a FitConfig,
}

/// Further data that a network learns from at the same time: each step has a batch of it, too.
pub struct Beside<'a> {
    /// The data, with the same architecture and tasks; its scaling brings the labels to the
    /// units of the main data.
    pub fit: Fit<'a>,
    /// Weight of its loss.
    pub weight: f32,
}

impl Beside<'_> {
    /// The weighted loss of a batch that is drawn anew for each step, and its gradients.
    fn learn(
        &self,
        network: &Network,
        units: &[u32],
        epoch: usize,
        step: u64,
    ) -> Result<(f64, Network), TrainError> {
        let fit = &self.fit;
        let mut random = Random::at(fit.config.seed, &[0xbe51, step]);
        let n = fit.config.batch.min(units.len());
        let chunk: Vec<u32> = (0..n).map(|_| units[random.index(units.len())]).collect();
        let batch = fit.batch(&chunk, &[], epoch, fit.geometry()?, &mut random);
        // Numbers of their own. Running statistics are those of the main data.
        let mode = Mode::Train {
            seed: fit.config.seed ^ 0xbe51,
            batch: step,
        };
        let learned = fit.learn(network, &batch, mode, self.weight)?;
        Ok((learned.loss, learned.gradients))
    }
}

/// What a batch teaches.
struct Learned {
    loss: f64,
    gradients: Network,
    statistics: Vec<Statistics>,
}

/// Sequences with their labels.
struct Batch {
    /// Base codes, `[sequences, columns]`.
    codes: Vec<u8>,
    targets: Targets,
    /// Whether the second half holds the mutated copies of the first.
    pairs: bool,
}

/// What a network is to give for windows.
struct Targets {
    /// Standardised labels, `[windows, tasks]`, 0 where one is missing.
    labels: Array2<f32>,
    /// Their weights, 0 where a label is missing.
    weights: Array2<f32>,
}

impl Fit<'_> {
    /// Columns of the network's input for this data, and its windows.
    ///
    /// # Errors
    /// [`TrainError::Windows`] when the data do not fit the network.
    pub fn geometry(&self) -> Result<Geometry, TrainError> {
        let (arch, examples) = (self.arch, self.examples);
        let windows = examples.windows;
        let fits = match windows {
            1 => examples.columns == arch.length || examples.columns == arch.window,
            _ => {
                arch.shares_convolutions()
                    && examples.columns == arch.window + (windows - 1) * examples.step
            }
        };
        if !fits {
            return Err(TrainError::Windows(format!(
                "sequences of {} columns with {windows} window(s) {} apart, and a network of {} columns with windows of {}",
                examples.columns, examples.step, arch.length, arch.window
            )));
        }
        Ok(match windows {
            1 => Geometry {
                columns: arch.length,
                windows,
                step: arch.length,
            },
            _ => Geometry {
                columns: examples.columns,
                windows,
                step: examples.step,
            },
        })
    }

    /// Whether the data's sequences are whole inputs of a framed network, in which a window has a
    /// place of its own.
    pub(super) fn has_own_frames(&self) -> bool {
        !self.arch.is_bare() && self.examples.columns == self.arch.length
    }

    /// Fits from a state on, until epoch `until` is done or until validation no longer gains. `save` is
    /// called after every epoch with a state to go on from.
    ///
    /// # Errors
    /// When the data do not fit, the loss is no number, saving fails or the run is interrupted.
    pub fn run(
        &self,
        mut state: State,
        until: usize,
        beside: Option<&Beside<'_>>,
        save: &mut dyn FnMut(&State) -> Result<(), Error>,
        watch: &dyn Watch,
        cancel: &Cancel,
    ) -> Result<State, Error> {
        let config = self.config;
        let geometry = self.geometry()?;
        let first = adam::first_learned(&state.current, config.frozen);
        let units = self.examples.originals(Split::Train);
        let copies = self.copies(&units);
        let per_step = match copies.is_empty() {
            true => config.batch,
            false => (config.batch / 2).max(1),
        };
        let steps = units.len().div_ceil(per_step);
        let total = (config.epochs * steps) as u64;
        let others = beside.map(|b| b.fit.examples.originals(Split::Train));
        let begun = Instant::now();
        let begin = state.history.len();
        for epoch in begin..until.min(config.epochs) {
            if state.waited(config.patience) {
                break;
            }
            let started = Instant::now();
            let mut order = units.clone();
            Random::at(config.seed, &[0x0de7, epoch as u64]).shuffle(&mut order);
            let (mut sum, mut rate) = (0.0, 0.0);
            for (step, chunk) in order.chunks(per_step).enumerate() {
                if cancel.is_requested() {
                    return Err(crate::job::JobError::Interrupted { kept: true }.into());
                }
                let done = (epoch * steps + step) as u64;
                let mut random = Random::at(config.seed, &[0xba7c, done]);
                rate = config.rate * config.schedule.factor(done as f64 / total as f64);
                let batch = self.batch(chunk, &copies, epoch, geometry, &mut random);
                let mode = Mode::Train {
                    seed: config.seed,
                    batch: done,
                };
                let mut learned = self.learn(&state.current, &batch, mode, 1.0)?;
                if let (Some(beside), Some(others)) = (beside, &others) {
                    let (loss, gradients) = beside.learn(&state.current, others, epoch, done)?;
                    learned.loss += loss;
                    learned.gradients.add(&gradients);
                }
                let loss = learned.loss;
                if !loss.is_finite() {
                    return Err(TrainError::Diverged {
                        loss,
                        epoch: epoch + 1,
                    }
                    .into());
                }
                let State {
                    current, moments, ..
                } = &mut state;
                adam::step(current, moments, &learned.gradients, rate, first);
                update_running(current, &learned.statistics);
                sum += loss;
                watch.step(done + 1, total, epoch + 1, loss);
            }
            let (mut validation, pearson) = self.judge(&state.current, Split::Validation)?;
            let mut of_others = Vec::new();
            if let Some(beside) = beside {
                let (loss, r) = beside.fit.judge(&state.current, Split::Validation)?;
                validation += f64::from(beside.weight) * loss;
                of_others = r;
            }
            let row = Epoch {
                epoch: epoch + 1,
                rate,
                train: sum / steps as f64,
                validation,
                pearson,
                beside: of_others,
                seconds: started.elapsed().as_secs_f64(),
            };
            let each = begun.elapsed().as_secs_f64() / (epoch + 1 - begin) as f64;
            watch.epoch(
                &row,
                config.epochs,
                each * (config.epochs - epoch - 1) as f64,
            );
            state.push(row);
            save(&state)?;
        }
        Ok(state)
    }

    /// The loss of a batch, times `weight`, with its gradients.
    fn learn(
        &self,
        network: &Network,
        batch: &Batch,
        mode: Mode,
        weight: f32,
    ) -> Result<Learned, TrainError> {
        let mut pass = Pass::forward(self.arch, network, &batch.codes, self.geometry()?, mode)?;
        let outputs = self.in_tasks(pass.outputs())?;
        let statistics = std::mem::take(&mut pass.statistics);
        pass.statistics.clone_from(&statistics);
        let (loss, gradient) = self.loss(&outputs, batch, weight);
        let first = adam::first_learned(network, self.config.frozen);
        Ok(Learned {
            loss,
            gradients: pass.backward(&gradient, first),
            statistics,
        })
    }

    /// The outputs, which there are one a task of.
    fn in_tasks(&self, outputs: Array2<f32>) -> Result<Array2<f32>, TrainError> {
        let tasks = self.examples.tasks.len();
        if outputs.ncols() == tasks {
            return Ok(outputs);
        }
        Err(TrainError::Setting(format!(
            "the network has {} output(s), not one for each of {tasks} task(s)",
            outputs.ncols()
        )))
    }

    /// For each training sequence its mutated copies; empty when there are none at all.
    fn copies(&self, units: &[u32]) -> Vec<Vec<u32>> {
        if self.examples.parent.iter().all(Option::is_none) {
            return Vec::new();
        }
        let last = units.iter().max().map_or(0, |m| *m as usize + 1);
        let mut copies = vec![Vec::new(); last];
        for (i, parent) in self.examples.parent.iter().enumerate() {
            if let Some(list) = parent.and_then(|p| copies.get_mut(p as usize)) {
                list.push(i as u32);
            }
        }
        copies
    }

    fn batch(
        &self,
        units: &[u32],
        copies: &[Vec<u32>],
        epoch: usize,
        geometry: Geometry,
        random: &mut Random,
    ) -> Batch {
        let pairs = !copies.is_empty();
        let mut turned: Vec<bool> = units
            .iter()
            .map(|_| self.config.reverse_complements && random.uniform() < 0.5)
            .collect();
        let copy = |&unit: &u32| {
            let list = &copies[unit as usize];
            list[epoch % list.len().max(1)]
        };
        let mut chosen = units.to_vec();
        if pairs {
            chosen.extend(units.iter().map(copy));
            turned.extend_from_within(..);
        }
        let mut codes = vec![UNKNOWN; chosen.len() * geometry.columns];
        let slots = codes.chunks_exact_mut(geometry.columns);
        for ((&i, &turned), slot) in chosen.iter().zip(&turned).zip(slots) {
            self.place(i as usize, turned, slot);
        }
        Batch {
            codes,
            targets: self.targets(chosen.into_iter().zip(turned)),
            pairs,
        }
    }

    /// Writes a sequence into its columns of the input.
    fn place(&self, i: usize, turned: bool, slot: &mut [u8]) {
        let codes = self.examples.sequence(i);
        let offset = match codes.len() == slot.len() {
            true => 0,
            false => self.arch.offset,
        };
        let slot = &mut slot[offset..offset + codes.len()];
        match turned {
            true => reverse_complement(codes, slot),
            false => slot.copy_from_slice(codes),
        }
    }

    /// Standardised labels of sequences, or of their reverse complements.
    fn targets(&self, sequences: impl ExactSizeIterator<Item = (u32, bool)>) -> Targets {
        let (windows, tasks) = (self.examples.windows, self.examples.tasks.len());
        let shape = (sequences.len() * windows, tasks);
        let (mut labels, mut weights) = (Array2::zeros(shape), Array2::zeros(shape));
        let rows = labels.axis_chunks_iter_mut(Axis(0), windows);
        let rows = rows.zip(weights.axis_chunks_iter_mut(Axis(0), windows));
        for ((i, turned), (mut labels, mut weights)) in sequences.zip(rows) {
            let i = i as usize;
            let measured = match turned {
                true => self.examples.reversed_labels_of(i),
                false => self.examples.labels_of(i),
            };
            for ((window, task), &label) in measured.indexed_iter() {
                if !label.is_nan() {
                    let (mean, scale) = (self.scaling.mean[task], self.scaling.scale[task]);
                    labels[[window, task]] = ((f64::from(label) - mean) / scale) as f32;
                    weights[[window, task]] = self.examples.weights[i];
                }
            }
        }
        Targets { labels, weights }
    }

    /// The loss, times `weight`, and its gradient by the outputs.
    fn loss(&self, outputs: &Array2<f32>, batch: &Batch, weight: f32) -> (f64, Array2<f32>) {
        let Targets { labels, weights } = &batch.targets;
        let mut gradient = Array2::zeros(outputs.dim());
        let mut loss = error(
            outputs.view(),
            labels.view(),
            weights.view(),
            weight,
            gradient.view_mut(),
        );
        if batch.pairs && self.config.pair_weight > 0.0 {
            let half = labels.nrows() / 2;
            let change = |matrix: &Array2<f32>| {
                let (originals, copies) = matrix.view().split_at(Axis(0), half);
                &copies - &originals
            };
            let (originals, copies) = weights.view().split_at(Axis(0), half);
            let weights = Zip::from(copies)
                .and(originals)
                .map_collect(|c, o| c.min(*o));
            let (outputs, labels) = (change(outputs), change(labels));
            let mut of_change = Array2::zeros(outputs.dim());
            loss += error(
                outputs.view(),
                labels.view(),
                weights.view(),
                weight * self.config.pair_weight,
                of_change.view_mut(),
            );
            let (mut originals, mut copies) = gradient.view_mut().split_at(Axis(0), half);
            originals -= &of_change;
            copies += &of_change;
        }
        (loss, gradient)
    }

    /// Standardised outputs for sequences, `[sequences * windows, tasks]`.
    ///
    /// # Errors
    /// As [`Fit::geometry`].
    pub fn predict(&self, network: &Network, which: &[u32]) -> Result<Array2<f32>, TrainError> {
        let geometry = self.geometry()?;
        let tasks = self.examples.tasks.len();
        let mut out = Array2::zeros((which.len() * geometry.windows, tasks));
        let chunk = (512 / geometry.windows).max(32);
        let slots = out.axis_chunks_iter_mut(Axis(0), chunk * geometry.windows);
        for (chunk, mut slot) in which.chunks(chunk).zip(slots) {
            let mut codes = vec![UNKNOWN; chunk.len() * geometry.columns];
            for (&i, slot) in chunk.iter().zip(codes.chunks_exact_mut(geometry.columns)) {
                self.place(i as usize, false, slot);
            }
            let pass = Pass::forward(self.arch, network, &codes, geometry, Mode::Predict)?;
            let output = self.in_tasks(pass.outputs())?;
            slot.assign(&output);
        }
        Ok(out)
    }

    /// Loss and Pearson correlation of each task on a side.
    ///
    /// # Errors
    /// As [`Fit::geometry`].
    pub fn judge(&self, network: &Network, side: Split) -> Result<(f64, Vec<f64>), TrainError> {
        let which = self.examples.originals(side);
        let outputs = self.predict(network, &which)?;
        let Targets { labels, weights } = self.targets(which.iter().map(|&i| (i, false)));
        let mut sums = (0.0, 0.0);
        for ((o, l), w) in outputs.iter().zip(&labels).zip(&weights) {
            sums.0 += f64::from(*w) * f64::from(o - l).powi(2);
            sums.1 += f64::from(*w);
        }
        let correlations = (0..self.examples.tasks.len()).map(|task| {
            let rows = outputs.column(task).into_iter().zip(labels.column(task));
            let known = rows.zip(weights.column(task)).filter(|(_, w)| **w > 0.0);
            let (outputs, labels): (Vec<f64>, Vec<f64>) = known
                .map(|((o, l), _)| (f64::from(*o), f64::from(*l)))
                .unzip();
            pearson(&outputs, &labels)
        });
        Ok((sums.0 / sums.1, correlations.collect()))
    }
}

/// The mean squared error by weight, times `factor`; adds its gradient by the outputs.
fn error(
    outputs: ArrayView2<'_, f32>,
    labels: ArrayView2<'_, f32>,
    weights: ArrayView2<'_, f32>,
    factor: f32,
    mut gradient: ArrayViewMut2<'_, f32>,
) -> f64 {
    // A batch without labels teaches nothing, but is no error.
    let sum = weights.iter().map(|w| f64::from(*w)).sum::<f64>().max(1e-12);
    let share = (f64::from(factor) / sum) as f32;
    let mut loss = 0.0;
    Zip::from(&mut gradient)
        .and(outputs)
        .and(labels)
        .and(weights)
        .for_each(|g, o, l, w| {
            let off = o - l;
            loss += f64::from(w * off * off);
            *g += 2.0 * share * w * off;
        });
    loss * f64::from(factor) / sum
}

/// Share of a batch's statistics in the running ones.
const BN_MOMENTUM: f32 = 0.1;

/// Moves running statistics towards a batch's, which are given in order of the layers.
fn update_running(network: &mut Network, statistics: &[Statistics]) {
    let running = network.layers.iter_mut().filter_map(|layer| match layer {
        FittedLayer::BatchNorm { mean, variance, .. } => Some((mean, variance)),
        _ => None,
    });
    for ((mean, variance), new) in running.zip(statistics) {
        mean.zip_mut_with(&new.mean, |old, new| *old += BN_MOMENTUM * (new - *old));
        variance.zip_mut_with(&new.variance, |old, new| *old += BN_MOMENTUM * (new - *old));
    }
}
