//! Models: the embedded ones, finding ONNX Runtime, what an ONNX file asks for, and running it.
//!
//! Everything above this module sees [`Predict`]: windows of base codes in, activities out. So
//! tests can use a closed-form model without ONNX Runtime, and no other module knows of layouts,
//! alphabets or frames.

mod batch;
mod embedded;
mod ensemble;
mod file;
mod kmers;
pub mod onnx;
mod part;
mod pool;
mod predict;
mod quantiles;
mod runtime;
mod session;
mod spec;
mod used;

pub use embedded::{Embedded, ModelSource, ModelSources};
pub use ensemble::Ensemble;
pub use file::ModelFile;
pub use kmers::{Gapped, KmerFacts, KmerTable};
pub use part::{Part, PartInput};
pub use pool::{BATCHES, Pooled, SessionPool};
pub use predict::{BothStrands, Cancellable, Predict};
pub use quantiles::{Distribution, QUANTILES, Quantiles, WindowSet};
pub use runtime::{Runtime, RuntimeError};
pub use session::Model;
pub use spec::{Frame, ModelOptions, ModelSpec};

use std::io;
use std::path::PathBuf;

use crate::encode::BASES;
use crate::input::InputError;

/// What can be wrong with a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file could not be read.
    #[error("cannot read the model {1}")]
    Read(#[source] io::Error, PathBuf),
    /// The file is not an ONNX model.
    #[error("{path} is not an ONNX model: {problem}")]
    NotOnnx {
        /// The file.
        path: PathBuf,
        /// What gave it away.
        problem: String,
    },
    /// The text of a model that is no network could not be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The model cannot be used; `what` is one of shape, type, alphabet, task count, ...
    #[error("{path} cannot be used: {what}: {problem}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Which property is wrong.
        what: &'static str,
        /// What was found and what was expected.
        problem: String,
    },
    /// A name that is none of the model's tasks.
    #[error("the model has no task {name:?}; it has: {}", known.join(", "))]
    UnknownTask {
        /// The name asked for.
        name: String,
        /// The model's tasks.
        known: Vec<String>,
    },
    /// A task that is asked for twice.
    #[error("task {0:?} is asked for twice")]
    RepeatedTask(String),
    /// An ensemble without a member.
    #[error("no model is named")]
    NoMember,
    /// Members of an ensemble that do not go together.
    #[error("{member} cannot be averaged with {first}: its {what} {found}, expected {expected}")]
    Members {
        /// The member.
        member: String,
        /// The first member.
        first: String,
        /// What differs.
        what: &'static str,
        /// Of the member.
        found: String,
        /// Of the first.
        expected: String,
    },
    /// ONNX Runtime refused the model.
    #[error("ONNX Runtime cannot load {path}: {message}")]
    Load {
        /// The file.
        path: PathBuf,
        /// ONNX Runtime's words.
        message: String,
    },
    /// ONNX Runtime failed while running the model.
    #[error("running the model failed: {0}")]
    Run(String),
    /// The fast engine's check on the input failed.
    #[error("the engines do not agree on this input: {0}")]
    EnginesDiffer(String),
    /// The job was asked to stop.
    #[error("interrupted")]
    Cancelled,
    /// The model's output is NaN or infinite.
    #[error("the model gave {value} for task {task:?} on the sequence {sequence}")]
    NotFinite {
        /// The value.
        value: f32,
        /// The task's name.
        task: String,
        /// The window, unknown bases as N.
        sequence: String,
    },
    /// No usable ONNX Runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

impl ModelError {
    /// A value that is no number, of a window of base codes.
    pub(crate) fn not_finite(value: f32, task: String, codes: &[u8]) -> Self {
        let letter = |&c: &u8| BASES.get(usize::from(c)).copied().unwrap_or('N');
        Self::NotFinite {
            value,
            task,
            sequence: codes.iter().map(letter).collect(),
        }
    }

    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unfit {
                what: "external data",
                ..
            } => Some("put that file where the model expects it, or save the model as one file".into()),
            Self::Unfit {
                what: "support vectors" | "head",
                ..
            } => Some("copy the file again, or train it to its end".into()),
            Self::Unfit { what: "k-mers", .. } | Self::Input(InputError::Line { .. }) => Some(
                "docs/models.md says what tables of k-mers and models of gkm-SVM look like".into(),
            ),
            Self::Input(e) => e.hint(),
            Self::Unfit { what: "type", .. } => {
                Some("export the model with float32 input and output".into())
            }
            Self::Unfit { what: "batch", .. } => Some(
                "export the model for inference (in PyTorch, after model.eval()), with nothing that acts across the batch"
                    .into(),
            ),
            Self::EnginesDiffer(_) => {
                Some("please report this; --engine full runs every model, much slower".into())
            }
            Self::UnknownTask { name, known } => {
                let like = |task: &&String| strsim::jaro_winkler(&name.to_lowercase(), &task.to_lowercase());
                let near = known.iter().map(|task| (like(&task), task));
                let best = near.max_by(|a, b| a.0.total_cmp(&b.0));
                Some(match best.filter(|(likeness, _)| *likeness > 0.75) {
                    Some((_, task)) => format!("is {task:?} meant? upper and lower case differ"),
                    None => "--task-names gives the outputs of a model names, whose metadata have none".into(),
                })
            }
            Self::NotFinite { .. } => Some(
                "does it give a number for this sequence elsewhere (Python onnxruntime)? weights may have overflowed; --tasks leaves a task out"
                    .into(),
            ),
            Self::Runtime(e) => e.hint(),
            Self::NotOnnx { .. } => Some(
                "was it copied whole? torch.onnx.export, tf2onnx and `mpra-score train` write such files".into(),
            ),
            Self::Load { .. } | Self::Run(_) => Some(
                "does onnx.checker.check_model take it, and Python onnxruntime run it? otherwise export it again".into(),
            ),
            Self::Unfit { .. } => Some(
                "docs/models.md says what a model may be; --alphabet, --frame, --task-names, --output and --reduce say what its file does not"
                    .into(),
            ),
            _ => None,
        }
    }
}
