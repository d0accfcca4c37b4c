use std::fs;
use std::path::Path;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::Epoch;
use super::adam::{self, Moments};
use super::network::Network;
use crate::job::sha256;
use crate::output::write_whole;
use crate::train::TrainError;

/// Everything from which fitting goes on, after an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The network as it is.
    pub current: Network,
    /// The network of the lowest validation loss.
    pub best: Network,
    /// The running mean of the weights, where there is one.
    pub mean: Option<Network>,
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
    mean: bool,
    /// Which matrices have moments.
    moved: Vec<bool>,
}

impl State {
    /// A fresh start from these weights.
    pub fn new(network: Network) -> Self {
        let moments = Moments {
            time: 0,
            values: network.map(|_| None),
        };
        Self {
            best: network.clone(),
            current: network,
            mean: None,
            moments,
            history: Vec::new(),
        }
    }

    /// The network that is judged and kept.
    pub(super) fn kept(&self) -> &Network {
        self.mean.as_ref().unwrap_or(&self.current)
    }

    /// A step of the optimiser.
    pub(super) fn step(&mut self, gradients: &Network, rate: f64, decay: f64, first: usize) {
        adam::step(
            &mut self.current,
            &mut self.moments,
            gradients,
            (rate, decay),
            first,
        );
    }

    /// Moves the running mean towards the weights: `left` of it stays, less in the first steps.
    pub(super) fn average(&mut self, left: f64) {
        let Some(mean) = &mut self.mean else {
            self.mean = Some(self.current.clone());
            return;
        };
        let time = self.moments.time as f64;
        let moved = (1.0 - left.min(time / (time + 9.0))) as f32;
        for (mean, now) in mean.matrices_mut().zip(self.current.matrices()) {
            mean.zip_mut_with(now, |m, x| *m += moved * (x - *m));
        }
    }

    /// Books an epoch and keeps its network if it is the best.
    pub(super) fn push(&mut self, row: Epoch) {
        let best = self.best_epoch().map_or(f64::INFINITY, |e| e.validation);
        if row.validation < best {
            self.best = self.kept().clone();
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

    /// Writes the state beside its notes, and returns those. The file of the epoch before stays until
    /// the notes no longer name it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(
        &self,
        folder: &Path,
        name: &str,
        run: &serde_json::Value,
    ) -> Result<Notes, TrainError> {
        let mut floats: Vec<f32> = Vec::new();
        let moments = self.moments.values.matrices().flatten().flatten();
        let mean = self.mean.iter().flat_map(Network::matrices);
        for matrix in (self.current.matrices())
            .chain(self.best.matrices())
            .chain(mean)
            .chain(moments)
        {
            floats.extend(matrix);
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
            mean: self.mean.is_some(),
            moved: (self.moments.values.matrices())
                .map(Option::is_some)
                .collect(),
        })
    }

    /// Reads the state that notes speak of; `like` has the network's shapes.
    ///
    /// # Errors
    /// [`TrainError::Read`], or [`TrainError::Data`] when the file is damaged.
    pub fn load(folder: &Path, notes: &Notes, like: &Network) -> Result<Self, TrainError> {
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
        let mut take = |like: &Array2<f32>| -> Result<Array2<f32>, TrainError> {
            let values: Vec<f32> = floats.by_ref().take(like.len()).collect();
            Array2::from_shape_vec(like.dim(), values).map_err(|_| damaged())
        };
        let (current, best) = (like.try_map(&mut take)?, like.try_map(&mut take)?);
        let mean = notes.mean.then(|| like.try_map(&mut take)).transpose()?;
        let mut moved = notes.moved.iter();
        let moments = like.try_map(|matrix| match moved.next() {
            Some(true) => Ok(Some([take(matrix)?, take(matrix)?])),
            Some(false) => Ok(None),
            None => Err(damaged()),
        })?;
        if moved.next().is_some() {
            return Err(damaged());
        }
        Ok(Self {
            current,
            best,
            mean,
            moments: Moments {
                time: notes.time,
                values: moments,
            },
            history: notes.history.clone(),
        })
    }
}
