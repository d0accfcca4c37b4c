//! How good is a model? Predictions against measurements: activities of sequences
//! ([`run_examples`]) and effects of variants ([`run_variants`]), with bootstrap intervals, the ceiling that
//! replicates set, and a second model for comparison; and many judges at once, beside the share of G and
//! C and a k-mer regression ([`run_suite`]).

mod config;
mod examples;
mod haplotypes;
mod measured;
mod metrics;
mod output;
mod predict;
mod report;
mod suite;
mod variants;

pub use config::{Against, Common, ExamplesConfig, Side, Values, VariantsConfig};
pub use measured::{Fields, MeasuredVariant, read_variants};
pub use metrics::{Bootstrap, Ceiling, Estimate, Metrics, ceiling, gain, metrics};
pub use predict::{Predictor, predict};
pub use report::{Row, Summary};
pub use suite::{Kind, Pool, SuiteConfig, SuiteRow, SuiteSummary, Who};

pub(crate) use report::{number, table};

use std::io;
use std::path::PathBuf;

use crate::Error;
use crate::input::InputError;
use crate::job;
use crate::labelled::LabelledError;
use crate::model::ModelError;
use crate::plot::PlotError;
use crate::vcf::VcfError;

/// What can be wrong with an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The data.
    #[error(transparent)]
    Data(#[from] LabelledError),
    /// A text file.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A task that a model does not have.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// No label fits a task.
    #[error("no label of {path} is a task of {model}: {labels} there, {tasks} here")]
    NoPairs {
        /// The data.
        path: PathBuf,
        /// The model.
        model: String,
        /// Its labels.
        labels: String,
        /// The model's tasks.
        tasks: String,
    },
    /// A name given by the user that does not occur.
    #[error("unknown {what} {name:?}; there are {known}")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// The name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// Too little to compute with.
    #[error("{0}")]
    TooFew(String),
    /// Settings that do not go together.
    #[error("{0}")]
    Setting(String),
    /// A table of variants.
    #[error("{path}, {place}: {problem}; expected {expected}")]
    Variants {
        /// The file.
        path: PathBuf,
        /// Line or record.
        place: String,
        /// What was found.
        problem: String,
        /// What would have been right.
        expected: String,
    },
    /// A VCF or BCF.
    #[error(transparent)]
    Vcf(#[from] VcfError),
    /// A suite file.
    #[error("{path}, line {line}: {problem}; expected {expected}")]
    Suite {
        /// The file.
        path: PathBuf,
        /// 1-based line.
        line: usize,
        /// What was found.
        problem: String,
        /// What would have been right.
        expected: String,
    },
    /// A task that a suite names.
    #[error("judge {judge:?}, {cell}: the {model} has no task {task:?}; it has {known}")]
    Task {
        /// The judge.
        judge: String,
        /// Its cell.
        cell: String,
        /// The task.
        task: String,
        /// `model` or `baseline`.
        model: &'static str,
        /// Its tasks.
        known: String,
    },
    /// A file could not be read.
    #[error("cannot read {1}")]
    Read(#[source] io::Error, PathBuf),
    /// A figure.
    #[error(transparent)]
    Plot(#[from] PlotError),
}

impl EvaluateError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Data(e) => e.hint(),
            Self::Input(e) => e.hint(),
            Self::Vcf(e) => e.hint(),
            Self::NoPairs { .. } => {
                Some("--map LABEL=TASK says which label is measured against which task".into())
            }
            Self::TooFew(text) if text.contains("unknown_contig") => Some(
                "do the names of contigs differ? --chrom-alias ucsc-ensembl, or FILE, maps them"
                    .into(),
            ),
            Self::Suite { .. } => {
                Some("docs/evaluate.md has a whole suite and all its keys".into())
            }
            Self::Task { model, .. } => Some(format!(
                "--{} TASK=TASK says which of its tasks is meant by one of the suite",
                if *model == "baseline" {
                    "baseline-map"
                } else {
                    "map"
                }
            )),
            Self::Setting(text) if text.ends_with("needs the genome") => {
                Some("`fasta` in the suite, or --fasta FILE, names it".into())
            }
            Self::Variants { .. } => {
                Some("--effect-field, --element-field and --barcode-field name the fields".into())
            }
            _ => None,
        }
    }
}

/// Measures a model on labelled sequences.
///
/// # Errors
/// For everything that can be wrong with the data, the models, the pairing of labels and tasks and
/// the output folder.
pub fn run_examples(config: &ExamplesConfig, cancel: &crate::Cancel) -> Result<Summary, Error> {
    job::on_threads(config.common.threads.get(), || {
        examples::run(config, cancel)
    })
}

/// Measures a model on measured effects of variants.
///
/// # Errors
/// As [`run_examples`].
pub fn run_variants(config: &VariantsConfig, cancel: &crate::Cancel) -> Result<Summary, Error> {
    job::on_threads(config.common.threads.get(), || {
        variants::run(config, cancel)
    })
}

/// Measures a model before all judges of a suite file.
///
/// # Errors
/// As [`run_examples`], and for everything that can be wrong with the suite.
pub fn run_suite(
    config: &SuiteConfig,
    progress: &dyn job::Progress,
    cancel: &crate::Cancel,
) -> Result<SuiteSummary, Error> {
    job::on_threads(config.common.threads.get(), || {
        suite::run(config, progress, cancel)
    })
}

#[cfg(test)]
mod tests;
