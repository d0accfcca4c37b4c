use std::fs;
use std::path::Path;

use burn::optim::{AdamState, AdaptiveMomentumState};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::network::{Parameters, Weights, matrix, values};
use super::{Epoch, sha256};
use crate::train::{TrainError, write_whole};

/// Adam's first and second moments of each matrix, and how many steps they hold; empty where a matrix
/// has not been changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Steps.
    pub time: usize,
    /// First and second moments, one pair a matrix.
    pub values: Vec<Option<(Vec<f32>, Vec<f32>)>>,
}

impl Moments {
    pub(super) fn of(states: &[Option<AdamState<2>>]) -> Self {
        let time = states.iter().flatten().map(|s| s.momentum.time).max();
        let values = states.iter().map(|state| {
            let m = &state.as_ref()?.momentum;
            Some((values(m.moment_1.clone()), values(m.moment_2.clone())))
        });
        Self {
            time: time.unwrap_or(0),
            values: values.collect(),
        }
    }
}

/// Everything from which fitting goes on, after an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The network as it is.
    pub current: Parameters,
    /// The network of the lowest validation loss.
    pub best: Parameters,
    /// The optimiser.
    pub moments: Moments,
    /// Figures of the epochs done.
    pub history: Vec<Epoch>,
}

/// What the state file's bytes do not say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Notes {
    /// Everything that the result depends on.
    pub run: serde_json::Value,
    /// Figures of the epochs done.
    pub history: Vec<Epoch>,
    /// Name of the state file, beside the notes.
    pub file: String,
    sha256: String,
    time: usize,
    moved: Vec<bool>,
}

impl State {
    /// A fresh start from these weights.
    pub fn new(parameters: Parameters) -> Self {
        let moments = Moments {
            time: 0,
            values: vec![None; parameters.weights.len()],
        };
        Self {
            best: parameters.clone(),
            current: parameters,
            moments,
            history: Vec::new(),
        }
    }

    /// Books an epoch and keeps its network if it is the best.
    pub(super) fn push(&mut self, row: Epoch) {
        let best = self.best_epoch().map_or(f64::INFINITY, |e| e.validation);
        if row.validation < best {
            self.best = self.current.clone();
        }
        self.history.push(row);
    }

    /// The epoch of the lowest validation loss, the first of equals.
    pub fn best_epoch(&self) -> Option<&Epoch> {
        self.history
            .iter()
            .min_by(|a, b| a.validation.total_cmp(&b.validation))
    }

    /// Whether so many epochs have passed since the best.
    pub(super) fn waited(&self, patience: usize) -> bool {
        self.best_epoch()
            .is_some_and(|best| self.history.len() >= best.epoch + patience)
    }

    pub(super) fn moments_as_tensors(&self, device: &Device) -> Vec<Option<AdamState<2>>> {
        let weights = self.current.weights.iter();
        let states = weights.zip(&self.moments.values).map(|(weight, moments)| {
            let (first, second) = moments.as_ref()?;
            let tensor = |v: &[f32]| -> Tensor<2> { matrix(v.to_vec(), weight.shape, device) };
            Some(AdamState::new(AdaptiveMomentumState::new(
                self.moments.time,
                tensor(first),
                tensor(second),
            )))
        });
        states.collect()
    }

    /// Writes the state beside its notes, and returns those. The file of the epoch before stays until
    /// the notes no longer name it.
    ///
    /// # Errors
    /// [`TrainError::Write`].
    pub fn save(
        &self,
        folder: &Path,
        name: &str,
        run: &serde_json::Value,
    ) -> Result<Notes, TrainError> {
        let mut floats: Vec<f32> = Vec::new();
        for parameters in [&self.current, &self.best] {
            for weight in &parameters.weights {
                floats.extend(&weight.values);
            }
            for running in &parameters.running {
                floats.extend(running.mean.iter().chain(&running.variance));
            }
        }
        for (first, second) in self.moments.values.iter().flatten() {
            floats.extend(first.iter().chain(second));
        }
        let bytes: Vec<u8> = floats.iter().flat_map(|v| v.to_le_bytes()).collect();
        let file = format!("{name}-{}.bin", self.history.len());
        write_whole(&folder.join(&file), &bytes)?;
        Ok(Notes {
            run: run.clone(),
            history: self.history.clone(),
            file,
            sha256: sha256(&bytes),
            time: self.moments.time,
            moved: self.moments.values.iter().map(Option::is_some).collect(),
        })
    }

    /// Reads the state that notes speak of; `like` has the network's shapes.
    ///
    /// # Errors
    /// [`TrainError::Read`], or [`TrainError::Data`] when the file is damaged.
    pub fn load(folder: &Path, notes: &Notes, like: &Parameters) -> Result<Self, TrainError> {
        let path = folder.join(&notes.file);
        let bytes = fs::read(&path).map_err(|e| TrainError::Read(e, path.clone()))?;
        let damaged = || TrainError::Data {
            path: path.clone(),
            problem: "it is not the state that the notes speak of".into(),
        };
        if sha256(&bytes) != notes.sha256 {
            return Err(damaged());
        }
        let (chunks, _) = bytes.as_chunks::<4>();
        let mut floats = chunks.iter().map(|c| f32::from_le_bytes(*c));
        let mut take = |n: usize| -> Result<Vec<f32>, TrainError> {
            let values: Vec<f32> = floats.by_ref().take(n).collect();
            match values.len() == n {
                true => Ok(values),
                false => Err(damaged()),
            }
        };
        let mut parameters = || -> Result<Parameters, TrainError> {
            let mut out = like.clone();
            for weight in &mut out.weights {
                weight.values = take(weight.values.len())?;
            }
            for running in &mut out.running {
                running.mean = take(running.mean.len())?;
                running.variance = take(running.variance.len())?;
            }
            Ok(out)
        };
        let (current, best) = (parameters()?, parameters()?);
        let mut moments = Vec::new();
        for (moved, weight) in notes.moved.iter().zip(&like.weights) {
            let Weights { values, .. } = weight;
            moments.push(match moved {
                true => Some((take(values.len())?, take(values.len())?)),
                false => None,
            });
        }
        if moments.len() != like.weights.len() {
            return Err(damaged());
        }
        Ok(Self {
            current,
            best,
            moments: Moments {
                time: notes.time,
                values: moments,
            },
            history: notes.history.clone(),
        })
    }
}
