use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::{KmerError, Kmers, Penalty};
use crate::evaluate::Values;
use crate::labelled::{Columns, Sides};

/// A run of `mpra-score train kmer`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Parquet of [`crate::dataset`], or a table with `sequence`, `split` and labels.
    pub data: PathBuf,
    /// How a table calls its columns.
    pub columns: Columns,
    /// How rows come on sides, where the data do not say.
    pub sides: Sides,
    /// Labels to learn, all when `None`.
    pub labels: Option<Vec<String>>,
    /// Which column of a label.
    pub values: Values,
    /// Bases of the longest k-mers.
    pub longest: usize,
    /// Form of the penalty.
    pub penalty: Penalty,
    /// Strengths of the penalty: the one with the least validation error is taken, task by task.
    pub alphas: Vec<f64>,
    /// As in [`super::Settings`].
    pub eta0: f64,
    /// Likewise.
    pub power_t: f64,
    /// Likewise.
    pub epochs: usize,
    /// Likewise.
    pub patience: usize,
    /// Use the column `weight`, where there is one.
    pub weighted: bool,
    /// Seed of the order of rows.
    pub seed: u64,
    /// Bootstrap replicates of the test figures.
    pub bootstrap: u64,
    /// The ONNX Runtime library, when the user names one.
    pub ort_lib: Option<PathBuf>,
    /// Worker threads; answers do not depend on them.
    pub threads: NonZeroUsize,
    /// The output folder.
    pub out: PathBuf,
    /// Replace earlier results.
    pub force: bool,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

/// What came of a task.
#[derive(Clone, Debug)]
pub struct TaskSummary {
    /// Its name.
    pub name: String,
    /// The penalty taken.
    pub alpha: f64,
    /// The pass taken.
    pub epoch: usize,
    /// Mean squared error of the validation rows; NaN without any.
    pub validation_mse: f64,
    /// Mean squared error and Pearson's r of the test rows, NaN without any.
    pub test: (f64, f64),
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Summary {
    /// One a task.
    pub tasks: Vec<TaskSummary>,
    /// The files, `run.json` last.
    pub files: Vec<PathBuf>,
}

impl Config {
    /// Checks what does not depend on the data.
    ///
    /// # Errors
    /// [`KmerError::Setting`].
    pub(super) fn check(&self) -> Result<Kmers, KmerError> {
        let fail = |text: &str| Err(KmerError::Setting(text.into()));
        let positive = |v: f64| v.is_finite() && v > 0.0;
        if self.alphas.is_empty() || self.alphas.iter().any(|a| !a.is_finite() || *a < 0.0) {
            return fail("--alpha is 0 or more");
        }
        if self.alphas.len() > 1 && self.patience == 0 {
            return fail("several --alpha need validation rows to choose by: --patience 1 or more");
        }
        let power = self.power_t;
        if !(positive(self.eta0) && power.is_finite() && power >= 0.0) {
            return fail("--eta0 is above 0, --power-t 0 or more");
        }
        if self.epochs == 0 {
            return fail("--epochs is 1 or more");
        }
        if let Penalty::ElasticNet(share) = self.penalty
            && !(0.0..=1.0).contains(&share)
        {
            return fail("--l1-share lies between 0 and 1");
        }
        match Kmers::new(self.longest) {
            Some(kmers) => Ok(kmers),
            None => fail("--longest is 1 to 8"),
        }
    }
}
