use ndarray::{Array3, ArrayView2, Axis, s};

use super::TrainError;
use crate::dataset::Split;

/// What the labels of a sequence with several windows belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Reading {
    /// Each window has labels of its own.
    Windows,
    /// The sequence has: while learning, one window at a random place stands for it, otherwise the mean
    /// over its windows.
    Crop,
    /// The sequence has: always the mean over its windows.
    Mean,
}

/// What is learned of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Objective {
    /// The labels themselves: squared error.
    Values,
    /// Two classes, 0 and 1: the output is the log odds of 1 (logistic loss).
    Classes,
    /// Of a sequence and its copy (`parent`) only the difference of their labels: squared error.
    Differences,
}

/// Sequences with labels. A sequence holds one window, or several that lie `step` bases apart.
#[derive(Clone, Debug)]
pub struct Examples {
    /// Names of the labels.
    pub tasks: Vec<String>,
    /// Columns of a sequence.
    pub columns: usize,
    /// Windows of a sequence, the first at column 0 (or as long as the sequence).
    pub windows: usize,
    /// Bases from one window's start to the next's.
    pub step: usize,
    /// Base codes, `[sequences, columns]`.
    pub codes: Vec<u8>,
    /// What labels belong to.
    pub reading: Reading,
    /// What is learned of them.
    pub objective: Objective,
    /// Labels, `[sequences, windows, tasks]`, or `[sequences, 1, tasks]` where sequences have them; NaN
    /// where one is missing.
    pub labels: Array3<f32>,
    /// Labels of the sequences' reverse complements, in the order of their own windows; `None` where
    /// they are the same as those of the sequence, windows in reverse order.
    pub reversed: Option<Array3<f32>>,
    /// One a sequence, 0 or more.
    pub weights: Vec<f32>,
    /// Side of the split, one a sequence.
    pub sides: Vec<Split>,
    /// For a mutated copy the sequence it was made from.
    pub parent: Vec<Option<u32>>,
    /// While learning, a sequence that has labels of its own is moved by up to so many columns to either
    /// side; what leaves the input is lost, what is left empty stays so.
    pub shift: usize,
}

/// Means and standard deviations of labels, by task: what the network learns is
/// `(label - mean) / scale`, what the exported model gives is the label.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Scaling {
    /// Means over the training windows.
    pub mean: Vec<f64>,
    /// Population standard deviations.
    pub scale: Vec<f64>,
}

impl Examples {
    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.sides.len()
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.sides.is_empty()
    }

    /// Labels of so many sequences, all missing.
    pub(super) fn without_labels(&self, sequences: usize) -> Array3<f32> {
        Array3::from_elem((sequences, self.labelled(), self.tasks.len()), f32::NAN)
    }

    /// Rows of labels a sequence has.
    pub fn labelled(&self) -> usize {
        match self.reading {
            Reading::Windows => self.windows,
            Reading::Crop | Reading::Mean => 1,
        }
    }

    /// Codes of a sequence.
    pub fn sequence(&self, i: usize) -> &[u8] {
        &self.codes[i * self.columns..(i + 1) * self.columns]
    }

    /// Labels of a sequence, `[windows, tasks]`.
    pub fn labels_of(&self, i: usize) -> ArrayView2<'_, f32> {
        self.labels.index_axis(Axis(0), i)
    }

    /// Labels of a sequence's reverse complement, `[windows, tasks]`.
    pub fn reversed_labels_of(&self, i: usize) -> ArrayView2<'_, f32> {
        match &self.reversed {
            Some(reversed) => reversed.index_axis(Axis(0), i),
            None => self.labels.slice(s![i, ..;-1, ..]),
        }
    }

    /// Sequences of a side that are no mutated copies.
    pub fn originals(&self, side: Split) -> Vec<u32> {
        (0..self.len())
            .filter(|&i| self.sides[i] == side && self.parent[i].is_none())
            .map(|i| i as u32)
            .collect()
    }

    /// Mutated copies on a side.
    fn copies(&self, side: Split) -> Vec<u32> {
        (0..self.len())
            .filter(|&i| self.sides[i] == side && self.parent[i].is_some())
            .map(|i| i as u32)
            .collect()
    }

    /// Judges the data and finds the scaling of the labels.
    ///
    /// # Errors
    /// [`TrainError::EmptySide`], [`TrainError::TooFew`], or [`TrainError::Labels`] when a task has no
    /// label on a side, infinite ones, or ones that are all equal.
    pub fn scaling(&self, batch: usize) -> Result<Scaling, TrainError> {
        for side in Split::ALL {
            if self.originals(side).is_empty() {
                return Err(TrainError::EmptySide(side.as_str()));
            }
        }
        let train = self.originals(Split::Train);
        if train.len() < batch {
            return Err(TrainError::TooFew {
                examples: train.len(),
                batch,
            });
        }
        let mut scaling = Scaling {
            mean: Vec::new(),
            scale: Vec::new(),
        };
        for (task, name) in self.tasks.iter().enumerate() {
            let fail = |problem: &str| {
                Err(TrainError::Labels {
                    task: name.clone(),
                    problem: problem.into(),
                })
            };
            let known = |side: Split| {
                // Of differences the copies have them.
                let rows = match self.objective {
                    Objective::Differences => self.copies(side),
                    Objective::Values | Objective::Classes => self.originals(side),
                };
                rows.into_iter().flat_map(move |i| {
                    let labels = self.labels.slice(s![i as usize, .., task]);
                    labels.into_iter().copied().filter(|v| !v.is_nan())
                })
            };
            for side in Split::ALL {
                if known(side).next().is_none() {
                    return fail(&format!(
                        "every label on the {} side is missing",
                        side.as_str()
                    ));
                }
            }
            if Split::ALL
                .into_iter()
                .any(|s| known(s).any(f32::is_infinite))
            {
                return fail("a label is infinite");
            }
            let n = known(Split::Train).count() as f64;
            let mean = known(Split::Train).map(f64::from).sum::<f64>() / n;
            let squares = known(Split::Train).map(|v| (f64::from(v) - mean).powi(2));
            let scale = (squares.sum::<f64>() / n).sqrt();
            if scale <= 1e-9 * mean.abs().max(1e-9) {
                return fail("all its labels are equal");
            }
            // Classes are what they are, and no difference has an offset.
            let (mean, scale) = match self.objective {
                Objective::Values => (mean, scale),
                Objective::Classes => (0.0, 1.0),
                Objective::Differences => (0.0, scale),
            };
            scaling.mean.push(mean);
            scaling.scale.push(scale);
        }
        Ok(scaling)
    }

    /// The same examples under other tasks: labels of tasks they lack are missing.
    ///
    /// # Errors
    /// [`TrainError::UnknownTask`] when they have none of them.
    pub fn for_tasks(mut self, tasks: &[String]) -> Result<Self, TrainError> {
        let from: Vec<Option<usize>> = (tasks.iter())
            .map(|task| self.tasks.iter().position(|t| t == task))
            .collect();
        if from.iter().all(Option::is_none) {
            return Err(TrainError::UnknownTask {
                found: tasks.join(", "),
                known: self.tasks.join(", "),
            });
        }
        for labels in [Some(&mut self.labels), self.reversed.as_mut()] {
            let Some(labels) = labels else { continue };
            let (sequences, windows, _) = labels.dim();
            let mut chosen = Array3::from_elem((sequences, windows, tasks.len()), f32::NAN);
            for (mut to, from) in chosen.axis_iter_mut(Axis(2)).zip(&from) {
                if let Some(from) = from {
                    to.assign(&labels.index_axis(Axis(2), *from));
                }
            }
            *labels = chosen;
        }
        self.tasks = tasks.to_vec();
        Ok(self)
    }

    /// One sequence a window: what a network needs whose input is framed.
    pub fn split_windows(&self, window: usize, every: usize) -> Self {
        let kept: Vec<usize> = (0..self.windows).step_by(every.max(1)).collect();
        // The reverse complement's windows stand in reverse order.
        let turned: Vec<usize> = kept.iter().map(|k| self.windows - 1 - k).collect();
        let n = self.len() * kept.len();
        let one_each = |labels: &Array3<f32>, windows: &[usize]| {
            // A sequence's own labels are those of each of its windows.
            let of_sequence = vec![0; windows.len()];
            let windows = match self.reading {
                Reading::Windows => windows,
                Reading::Crop | Reading::Mean => &of_sequence,
            };
            let chosen = labels.select(Axis(1), windows);
            let rows = chosen.rows().into_iter();
            let mut out = Array3::zeros((n, 1, self.tasks.len()));
            for (mut to, from) in out.rows_mut().into_iter().zip(rows) {
                to.assign(&from);
            }
            out
        };
        let mut out = Self {
            tasks: self.tasks.clone(),
            columns: window,
            windows: 1,
            step: window,
            reading: Reading::Windows,
            objective: self.objective,
            codes: Vec::with_capacity(n * window),
            labels: one_each(&self.labels, &kept),
            reversed: self.reversed.as_ref().map(|r| one_each(r, &turned)),
            weights: Vec::with_capacity(n),
            sides: Vec::with_capacity(n),
            parent: Vec::with_capacity(n),
            shift: self.shift,
        };
        for i in 0..self.len() {
            for (j, &k) in kept.iter().enumerate() {
                let from = k * self.step;
                out.codes
                    .extend_from_slice(&self.sequence(i)[from..from + window]);
                out.weights.push(self.weights[i]);
                out.sides.push(self.sides[i]);
                let parent = self.parent[i].map(|p| p * kept.len() as u32 + j as u32);
                out.parent.push(parent);
            }
        }
        out
    }
}
