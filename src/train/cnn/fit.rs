use std::ops::Range;
use std::time::Instant;

use ndarray::{Array2, ArrayView2, Axis, s};
use serde::{Deserialize, Serialize};

use super::adam;
use super::arch::Architecture;
use super::batch::{Batch, Shown, Units, lay};
use super::loss::Targets;
use super::network::{FittedLayer, Network};
use super::pass::{Geometry, Mode, Pass, Statistics};
use super::state::State;
use super::watch::{Epoch, Judged, Watch};
use crate::dataset::Split;
use crate::encode::UNKNOWN;
use crate::stats::Random;
use crate::train::{Examples, Objective, Reading, Scaling, TrainError};
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
    /// Share of each weight, but for biases, that a step at rate 1 takes away (Loshchilov and Hutter
    /// 2019).
    pub weight_decay: f64,
    /// Gradients longer than this, over all weights, are made as long.
    pub clip: Option<f64>,
    /// Judge and keep a running mean of the weights; so much of it is left of what it was a step ago.
    pub average: Option<f64>,
    /// Weights of the validation losses, of the data and of those beside, in the one that stops a run and
    /// chooses its best epoch; where there are none, those of learning.
    pub stopping: Vec<f64>,
}

/// A network and the data it is fitted to.
pub struct Fit<'a> {
    /// The architecture.
    pub arch: &'a Architecture,
    /// The data.
    pub examples: &'a Examples,
    /// The labels' scaling.
    pub scaling: &'a Scaling,
    /// Which of the network's outputs the data's tasks are, in their order.
    pub heads: Range<usize>,
    /// How.
    pub config: &'a FitConfig,
}

/// Further data that a network learns from at the same time: each step has a batch of them, too.
pub struct Beside<'a> {
    /// The data, with the same architecture and tasks; its scaling brings the labels to the
    /// units of the main data.
    pub fit: Fit<'a>,
    /// Weight of its loss.
    pub weight: f32,
    /// Sequences of a batch.
    pub batch: usize,
}

impl Beside<'_> {
    /// The weighted loss of a batch that is drawn anew for each step, and its gradients. `which` counts
    /// the further data.
    fn learn(
        &self,
        network: &Network,
        (which, units): (u64, &Units),
        epoch: usize,
        step: u64,
    ) -> Result<Learned, TrainError> {
        let fit = &self.fit;
        let place = 0xbe51 + (which << 16);
        let mut random = Random::at(fit.config.seed, &[place, step]);
        let all = &units.originals;
        let n = units.each(self.batch).min(all.len());
        let chunk: Vec<u32> = (0..n).map(|_| all[random.index(all.len())]).collect();
        let batch = fit.batch(&chunk, units, epoch, &mut random)?;
        // Numbers of their own. Running statistics are those of the main data.
        let mode = Mode::Train {
            seed: fit.config.seed ^ place,
            batch: step,
        };
        fit.learn(network, &batch, mode, self.weight)
    }
}

/// What a batch teaches.
struct Learned {
    loss: f64,
    gradients: Network,
    statistics: Vec<Statistics>,
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
        beside: &[Beside<'_>],
        save: &mut dyn FnMut(&State) -> Result<(), Error>,
        watch: &dyn Watch,
        cancel: &Cancel,
    ) -> Result<State, Error> {
        let config = self.config;
        self.geometry()?;
        let first = adam::first_learned(&state.current, config.frozen);
        let units = self.units();
        let per_step = units.each(config.batch);
        let steps = units.originals.len().div_ceil(per_step);
        let total = (config.epochs * steps) as u64;
        let others: Vec<Units> = beside.iter().map(|b| b.fit.units()).collect();
        let begun = Instant::now();
        let begin = state.history.len();
        for epoch in begin..until.min(config.epochs) {
            if state.waited(config.patience) {
                break;
            }
            let started = Instant::now();
            let mut order = units.originals.clone();
            Random::at(config.seed, &[0x0de7, epoch as u64]).shuffle(&mut order);
            let (mut sum, mut rate) = (0.0, 0.0);
            for (step, chunk) in order.chunks(per_step).enumerate() {
                if cancel.is_requested() {
                    let kept = !state.history.is_empty();
                    return Err(crate::job::JobError::Interrupted { kept }.into());
                }
                let done = (epoch * steps + step) as u64;
                let mut random = Random::at(config.seed, &[0xba7c, done]);
                rate = config.rate * config.schedule.factor(done as f64 / total as f64);
                let batch = self.batch(chunk, &units, epoch, &mut random)?;
                let mode = Mode::Train {
                    seed: config.seed,
                    batch: done,
                };
                let mut learned = self.learn(&state.current, &batch, mode, 1.0)?;
                for ((which, beside), units) in (0..).zip(beside).zip(&others) {
                    let more = beside.learn(&state.current, (which, units), epoch, done)?;
                    learned.loss += more.loss;
                    learned.gradients.add(&more.gradients);
                }
                let loss = learned.loss;
                if !loss.is_finite() {
                    return Err(TrainError::Diverged {
                        loss,
                        epoch: epoch + 1,
                    }
                    .into());
                }
                if let Some(longest) = config.clip {
                    adam::clip(&mut learned.gradients, longest);
                }
                let decay = config.weight_decay;
                state.step(&learned.gradients, rate, decay, first);
                update_running(&mut state.current, &learned.statistics);
                if let Some(left) = config.average {
                    state.average(left);
                }
                sum += loss;
                watch.step(done + 1, total, epoch + 1, loss);
            }
            let judged = self.judge(state.kept(), Split::Validation)?;
            let stopping =
                |place: usize, weight: f64| config.stopping.get(place).copied().unwrap_or(weight);
            let mut validation = stopping(0, 1.0) * judged.loss;
            let mut of_others = Vec::with_capacity(beside.len());
            for (place, beside) in (1..).zip(beside) {
                let other = beside.fit.judge(state.kept(), Split::Validation)?;
                validation += stopping(place, beside.weight.into()) * other.loss;
                of_others.push(other);
            }
            let row = Epoch {
                epoch: epoch + 1,
                rate,
                train: sum / steps as f64,
                validation,
                pearson: judged.figures,
                others: of_others,
                seconds: started.elapsed().as_secs_f64(),
            };
            let each = begun.elapsed().as_secs_f64() / (epoch + 1 - begin) as f64;
            let left = each * (config.epochs - epoch - 1) as f64;
            state.push(row.clone());
            // Told when it is kept: whoever looks at the folder finds it there.
            save(&state)?;
            watch.epoch(&row, config.epochs, left);
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
        let pass = Pass::forward(self.arch, network, &batch.codes, batch.geometry, mode)?;
        let statistics = pass.statistics.clone();
        let all = pass.outputs();
        let outputs = self.pooled(self.own(all.view())?, batch.geometry.windows);
        let (loss, of_outputs) = batch.targets.loss(
            &outputs,
            self.examples.objective,
            batch.pairs,
            self.config.pair_weight,
        );
        // Back to every window and every output of the network.
        let mut gradient = Array2::<f32>::zeros(all.dim());
        let mut own = gradient.slice_mut(s![.., self.heads.clone()]);
        let share = match self.examples.reading {
            Reading::Windows => 1,
            Reading::Crop | Reading::Mean => batch.geometry.windows,
        };
        for (mut rows, of_output) in own
            .axis_chunks_iter_mut(Axis(0), share)
            .zip(of_outputs.rows())
        {
            rows.assign(&of_output);
            rows *= weight / share as f32;
        }
        let loss = loss * f64::from(weight);
        let first = adam::first_learned(network, self.config.frozen);
        Ok(Learned {
            loss,
            gradients: pass.backward(&gradient, first),
            statistics,
        })
    }

    /// Those of the network's outputs that are the data's tasks.
    fn own<'b>(&self, outputs: ArrayView2<'b, f32>) -> Result<ArrayView2<'b, f32>, TrainError> {
        let tasks = self.examples.tasks.len();
        if self.heads.end <= outputs.ncols() && self.heads.len() == tasks {
            return Ok(outputs.slice_move(s![.., self.heads.clone()]));
        }
        Err(TrainError::Setting(format!(
            "the network has {} output(s), not one for each of {tasks} task(s)",
            outputs.ncols()
        )))
    }

    /// Outputs of windows as those of what has labels.
    fn pooled(&self, outputs: ArrayView2<'_, f32>, windows: usize) -> Array2<f32> {
        if self.examples.reading == Reading::Windows || windows == 1 {
            return outputs.to_owned();
        }
        let mut means = Array2::zeros((outputs.nrows() / windows, outputs.ncols()));
        let sequences = outputs.axis_chunks_iter(Axis(0), windows);
        for (mut mean, outputs) in means.rows_mut().into_iter().zip(sequences) {
            mean.assign(&outputs.sum_axis(Axis(0)));
            mean /= windows as f32;
        }
        means
    }

    /// The training side.
    fn units(&self) -> Units {
        let originals = self.examples.originals(Split::Train);
        Units {
            copies: self.copies(&originals),
            originals,
        }
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
        all: &Units,
        epoch: usize,
        random: &mut Random,
    ) -> Result<Batch, TrainError> {
        let pairs = !all.copies.is_empty();
        let whole = self.geometry()?;
        let crops = self.examples.reading == Reading::Crop && whole.windows > 1;
        let geometry = match crops {
            false => whole,
            true => Geometry {
                columns: self.arch.window,
                windows: 1,
                step: self.arch.window,
            },
        };
        let most = whole.columns - geometry.columns;
        // Windows of a sequence with labels of their own stay where they are, and a crop moves anyway.
        let own = self.examples.reading == Reading::Windows && whole.windows > 1;
        let shift = if crops || own { 0 } else { self.examples.shift };
        let mut shown: Vec<Shown> = (units.iter())
            .map(|&i| Shown {
                sequence: i,
                turned: self.config.reverse_complements && random.uniform() < 0.5,
                from: if crops { random.index(most + 1) } else { 0 },
                moved: match shift {
                    0 => 0,
                    shift => random.index(2 * shift + 1) as isize - shift as isize,
                },
            })
            .collect();
        if pairs {
            let copy = |original: &Shown| {
                let list = &all.copies[original.sequence as usize];
                Shown {
                    sequence: list[epoch % list.len().max(1)],
                    ..*original
                }
            };
            let copies: Vec<Shown> = shown.iter().map(copy).collect();
            shown.extend(copies);
        }
        let mut codes = vec![UNKNOWN; shown.len() * geometry.columns];
        for (shown, slot) in shown.iter().zip(codes.chunks_exact_mut(geometry.columns)) {
            self.place(shown, slot);
        }
        Ok(Batch {
            codes,
            geometry,
            targets: self.targets(shown.iter().map(|s| (s.sequence, s.turned))),
            pairs,
        })
    }

    /// Writes a sequence into its columns of the input.
    fn place(&self, shown: &Shown, slot: &mut [u8]) {
        let mut codes = self.examples.sequence(shown.sequence as usize);
        if codes.len() > slot.len() {
            codes = &codes[shown.from..shown.from + slot.len()];
        }
        let offset = match codes.len() == slot.len() {
            true => 0,
            false => self.arch.offset,
        };
        lay(codes, shown.turned, offset as isize + shown.moved, slot);
    }

    /// Standardised labels of sequences, or of their reverse complements.
    fn targets(&self, sequences: impl ExactSizeIterator<Item = (u32, bool)>) -> Targets {
        let (windows, tasks) = (self.examples.labelled(), self.examples.tasks.len());
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

    /// Standardised outputs for sequences, `[sequences * windows, tasks]`.
    ///
    /// # Errors
    /// As [`Fit::geometry`].
    pub fn predict(&self, network: &Network, which: &[u32]) -> Result<Array2<f32>, TrainError> {
        let all = self.predict_all(network, which)?;
        Ok(self.own(all.view())?.to_owned())
    }

    /// All outputs of the network for the sequences, of those that are read whole their means over the
    /// windows.
    pub(super) fn predict_heads(
        &self,
        network: &Network,
        which: &[u32],
    ) -> Result<Array2<f32>, TrainError> {
        let all = self.predict_all(network, which)?;
        Ok(self.pooled(all.view(), self.examples.windows))
    }

    /// All outputs of the network for each window of the sequences.
    pub(super) fn predict_all(
        &self,
        network: &Network,
        which: &[u32],
    ) -> Result<Array2<f32>, TrainError> {
        let geometry = self.geometry()?;
        let chunk = (512 / geometry.windows).max(32);
        let mut out = Array2::zeros((which.len() * geometry.windows, network.outputs()));
        let slots = out.axis_chunks_iter_mut(Axis(0), chunk * geometry.windows);
        for (chunk, mut slot) in which.chunks(chunk).zip(slots) {
            let mut codes = vec![UNKNOWN; chunk.len() * geometry.columns];
            for (&i, slot) in chunk.iter().zip(codes.chunks_exact_mut(geometry.columns)) {
                let shown = Shown {
                    sequence: i,
                    turned: false,
                    from: 0,
                    moved: 0,
                };
                self.place(&shown, slot);
            }
            let pass = Pass::forward(self.arch, network, &codes, geometry, Mode::Predict)?;
            slot.assign(&pass.outputs());
        }
        Ok(out)
    }

    /// How the network does on a side. Of differences each sequence has its first copy.
    ///
    /// # Errors
    /// As [`Fit::geometry`].
    pub fn judge(&self, network: &Network, side: Split) -> Result<Judged, TrainError> {
        let mut which = self.examples.originals(side);
        let differ = self.examples.objective == Objective::Differences;
        if differ {
            let copies = self.copies(&which);
            let first = which.iter().filter_map(|&i| copies[i as usize].first());
            which.extend(first.copied().collect::<Vec<_>>());
        }
        let outputs = self.predict(network, &which)?;
        let outputs = self.pooled(outputs.view(), self.examples.windows);
        let targets = self.targets(which.iter().map(|&i| (i, false)));
        Ok(targets.judge(&outputs, self.examples.objective))
    }
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
