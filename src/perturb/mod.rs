//! Sequences that are changed on purpose, and what a model makes of it.
//!
//! - [`pairs`]: interactions of all pairs of single-base changes that lie near each other.
//! - [`marginalize`]: a motif put into backgrounds, alone, or two of them at every spacing.
//! - [`ablate`]: stretches of sequences shuffled or replaced.
//!
//! Each is a job of its own: sequences and a model in, tables, arrays for numpy and figures out. An
//! effect is activity(changed) - activity(as it was), as everywhere.

mod ablate;
mod effects;
mod items;
mod marginalize;
mod npz;
mod pairs;
mod scorer;
mod table;
mod word;

pub use ablate::{AblateConfig, AblateSummary, Replacement, Targets, ablate};
pub use effects::Test;
pub use items::{Source, Windows};
pub use marginalize::{Backgrounds, MarginalizeConfig, MarginalizeSummary, Partner, marginalize};
pub use pairs::{PairsConfig, PairsSummary, pairs};
pub use scorer::Scoring;
pub use word::Word;

use std::path::PathBuf;

use crate::plot::PlotError;

/// What can be wrong with changed sequences, beside files and the model.
#[derive(Debug, thiserror::Error)]
pub enum PerturbError {
    /// A file without a sequence.
    #[error("{0} holds no sequence")]
    NoSequence(PathBuf),
    /// None of the sequences can be scored.
    #[error("none of the {count} sequences can be scored: {why}")]
    NothingScored {
        /// How many there are.
        count: usize,
        /// Reasons with their numbers.
        why: String,
    },
    /// Letters that are no motif.
    #[error("the motif {text:?}: {problem}; expected letters of IUPAC, or NAME=LETTERS")]
    NoWord {
        /// What was given.
        text: String,
        /// What is wrong.
        problem: String,
    },
    /// A motif that has no place.
    #[error("{what} ({needed} bases) does not fit a window of {window}{place}")]
    DoesNotFit {
        /// The motif, or both.
        what: String,
        /// Bases that it takes.
        needed: usize,
        /// Bases of a window.
        window: usize,
        /// Where it should begin, in words; empty for the middle.
        place: String,
    },
    /// A setting outside its range.
    #[error("{0}")]
    Setting(String),
    /// A table that memory cannot hold.
    #[error("the pairs of {name} would take {gigabytes:.1} GB of memory")]
    TooLarge {
        /// The sequence.
        name: String,
        /// What they take.
        gigabytes: f64,
    },
    /// A figure.
    #[error(transparent)]
    Plot(#[from] PlotError),
}

impl PerturbError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NothingScored { .. } => {
                "a sequence needs as many bases as the model's window, and known ones (--max-unknown); \
                 --bed with --fasta widens short regions"
            }
            Self::NoWord { .. } => {
                "for example --motif AP1=TGASTCA; --motifs FILE reads MEME's format"
            }
            Self::DoesNotFit { .. } => {
                "a smaller --spacing, another --position, or without --position the middle"
            }
            Self::TooLarge { .. } => "a smaller --distance, fewer --tasks, or --windows centre",
            _ => return None,
        };
        Some(hint.into())
    }
}
