use super::TrainError;
use crate::dataset::Split;

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
    /// Labels, `[sequences, windows, tasks]`; NaN where one is missing.
    pub labels: Vec<f32>,
    /// Labels of the sequences' reverse complements, in the order of their own windows; `None` where
    /// they are the same as those of the sequence, windows in reverse order.
    pub reversed: Option<Vec<f32>>,
    /// One a sequence, 0 or more.
    pub weights: Vec<f32>,
    /// Side of the split, one a sequence.
    pub sides: Vec<Split>,
    /// For a mutated copy the sequence it was made from.
    pub parent: Vec<Option<u32>>,
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

    /// Codes of a sequence.
    pub fn sequence(&self, i: usize) -> &[u8] {
        &self.codes[i * self.columns..(i + 1) * self.columns]
    }

    /// Labels of a sequence, `[windows, tasks]`.
    pub fn labels_of(&self, i: usize) -> &[f32] {
        let n = self.windows * self.tasks.len();
        &self.labels[i * n..(i + 1) * n]
    }

    /// Appends the labels of a sequence's reverse complement, `[windows, tasks]`.
    pub fn push_reversed(&self, i: usize, out: &mut Vec<f32>) {
        let tasks = self.tasks.len();
        let n = self.windows * tasks;
        match &self.reversed {
            Some(reversed) => out.extend_from_slice(&reversed[i * n..(i + 1) * n]),
            None => {
                for window in self.labels_of(i).chunks_exact(tasks).rev() {
                    out.extend_from_slice(window);
                }
            }
        }
    }

    /// Sequences of a side that are no mutated copies.
    pub fn originals(&self, side: Split) -> Vec<u32> {
        (0..self.len())
            .filter(|&i| self.sides[i] == side && self.parent[i].is_none())
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
                self.originals(side).into_iter().flat_map(move |i| {
                    let labels = self.labels_of(i as usize).chunks_exact(self.tasks.len());
                    labels.map(move |w| w[task]).filter(|v| !v.is_nan())
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
            let rows = labels.chunks_exact(self.tasks.len());
            *labels = rows
                .flat_map(|row| from.iter().map(|f| f.map_or(f32::NAN, |f| row[f])))
                .collect();
        }
        self.tasks = tasks.to_vec();
        Ok(self)
    }

    /// One sequence a window: what a network needs whose input is framed.
    pub fn split_windows(&self, window: usize, every: usize) -> Self {
        let tasks = self.tasks.len();
        let every = every.max(1);
        let mut out = Self {
            tasks: self.tasks.clone(),
            columns: window,
            windows: 1,
            step: window,
            codes: Vec::new(),
            labels: Vec::new(),
            reversed: self.reversed.as_ref().map(|_| Vec::new()),
            weights: Vec::new(),
            sides: Vec::new(),
            parent: Vec::new(),
        };
        let kept: Vec<usize> = (0..self.windows).step_by(every).collect();
        for i in 0..self.len() {
            for (j, &k) in kept.iter().enumerate() {
                let from = k * self.step;
                out.codes
                    .extend_from_slice(&self.sequence(i)[from..from + window]);
                out.labels
                    .extend_from_slice(&self.labels_of(i)[k * tasks..(k + 1) * tasks]);
                if let (Some(all), Some(some)) = (&self.reversed, &mut out.reversed) {
                    // The reverse complement's windows stand in reverse order.
                    let at = (i * self.windows + self.windows - 1 - k) * tasks;
                    some.extend_from_slice(&all[at..at + tasks]);
                }
                out.weights.push(self.weights[i]);
                out.sides.push(self.sides[i]);
                let parent = self.parent[i].map(|p| p * kept.len() as u32 + j as u32);
                out.parent.push(parent);
            }
        }
        out
    }
}
