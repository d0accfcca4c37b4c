use super::Refusal;
use crate::genome::GenomeError;
use crate::input::InputError;
use crate::model::ModelError;
use crate::motifs::MotifError;
use crate::plot::PlotError;

/// What can be wrong with a job of design.
#[derive(Debug, thiserror::Error)]
pub enum DesignError {
    /// The objective is none.
    #[error("--objective {text:?}: {problem}")]
    Objective {
        /// As it was typed.
        text: String,
        /// What is wrong, and where.
        problem: String,
        /// Tasks of the model.
        tasks: Vec<String>,
    },
    /// The objective names a task that the model lacks.
    #[error(transparent)]
    Task(#[from] ModelError),
    /// Settings that do not go together.
    #[error("{0}")]
    Setting(String),
    /// There is nothing to begin with.
    #[error("{0} holds no sequence")]
    NoStart(String),
    /// A start from which nothing can be designed.
    #[error("nothing can be designed from {name}: {refusal}")]
    Start {
        /// Its name.
        name: String,
        /// Why.
        refusal: Refusal,
    },
    /// A row of `--keep-bed` lies in no start.
    #[error(
        "{path}, line {line}: {contig}:{start}-{end} lies in no sequence that is designed from"
    )]
    KeepRow {
        /// The BED.
        path: String,
        /// 1-based line.
        line: u64,
        /// Its first column.
        contig: String,
        /// First base, 0-based.
        start: u32,
        /// One past the last base.
        end: u32,
    },
    /// The engines do not agree on what was designed.
    #[error(
        "the engines do not agree on {name}: activity of {task} by the fast one {fast}, by the full one {full}; allowed are {tolerance} of the value, or of 1"
    )]
    Disagree {
        /// The start.
        name: String,
        /// The task.
        task: String,
        /// By the engine of the search.
        fast: f32,
        /// By the full engine.
        full: f32,
        /// `--tolerance`.
        tolerance: f64,
    },
    /// Sequences.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Regions and their genome.
    #[error(transparent)]
    Genome(#[from] GenomeError),
    /// Motifs that stay.
    #[error(transparent)]
    Motif(#[from] MotifError),
    /// The figure.
    #[error(transparent)]
    Plot(#[from] PlotError),
}

impl DesignError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Objective { tasks, .. } => {
                let mut hint = format!(
                    "an objective is like \"{} - 0.5 * {}\"; the model's tasks: {}",
                    tasks.first().map_or("A", String::as_str),
                    tasks.last().map_or("B", String::as_str),
                    tasks.join(", ")
                );
                let odd = |c: char| !(c.is_alphanumeric() || "_.:".contains(c));
                if tasks.iter().any(|task| task.contains(odd)) {
                    hint += "; names with other characters than letters, digits, _, . and : stand in quotes";
                }
                Some(hint)
            }
            Self::Task(e) => e.hint(),
            Self::NoStart(_) => Some(
                "sequences come from a FASTA or a table, from --bed with --fasta, or --random N".into(),
            ),
            Self::Start { refusal, .. } => Some(refusal.hint()),
            Self::KeepRow { .. } => Some(
                "its first column is the name of a sequence, with places counted in that sequence from 0; with --bed, a contig"
                    .into(),
            ),
            Self::Disagree { .. } => Some(
                "--engine full designs by the full engine alone, much slower; --tolerance allows more".into(),
            ),
            Self::Input(e) => e.hint(),
            Self::Genome(e) => e.hint(),
            Self::Motif(e) => e.hint(),
            Self::Setting(_) | Self::Plot(_) => None,
        }
    }
}
