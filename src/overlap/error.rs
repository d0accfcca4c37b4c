use std::io;
use std::path::PathBuf;

use crate::intervals::IntervalError;
use crate::job::JobError;
use crate::output::OutputError;
use crate::plot::PlotError;
use crate::tracks::TrackError;

/// What can be wrong with scores, annotations and settings.
#[derive(Debug, thiserror::Error)]
pub enum OverlapError {
    /// Scores.
    #[error(transparent)]
    Track(#[from] TrackError),
    /// Annotations, regions, anchors.
    #[error(transparent)]
    Intervals(#[from] IntervalError),
    /// Threads, or being asked to stop.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Contigs are shared, bases are not.
    #[error("{intervals} covers no base that has a score in {scores}")]
    NoSharedBases {
        /// The intervals.
        intervals: PathBuf,
        /// The scores.
        scores: PathBuf,
    },
    /// More bins than bases.
    #[error("{scores}: {bases} base(s) with a score cannot fill {bins} bins")]
    TooFewBases {
        /// The scores.
        scores: PathBuf,
        /// How many there are.
        bases: u64,
        /// How many bins.
        bins: u64,
    },
    /// An anchor without strand.
    #[error("{path}, line {line}: the anchor has no strand; expected + or - in column 6")]
    NoStrand {
        /// The file.
        path: PathBuf,
        /// 1-based line, 0 where the file has no lines.
        line: u64,
    },
    /// An interval without a name where names are needed.
    #[error("{path}, line {line}: the interval has no name in column 4")]
    NoName {
        /// The file.
        path: PathBuf,
        /// 1-based line, 0 where the file has no lines.
        line: u64,
    },
    /// A setting outside its range, or settings that do not go together.
    #[error("{0}")]
    Setting(String),
    /// Correlation needs variation.
    #[error("{0}")]
    NoVariation(String),
    /// A table could not be written.
    #[error("cannot write {1}")]
    Write(#[source] io::Error, PathBuf),
    /// A figure.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// The output folder.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl OverlapError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Track(e) => return e.hint(),
            Self::Intervals(e) => return e.hint(),
            Self::Job(e) => return e.hint(),
            Self::NoSharedBases { .. } => {
                "are both of the same genome build? does --regions leave anything of it?".into()
            }
            Self::TooFewBases { bases, .. } => format!("--bins {} or fewer", bases),
            Self::NoStrand { .. } => "--unstranded takes anchors without strand as forward".into(),
            Self::NoName { .. } => "names, such as factors, stand in column 4 of the BED".into(),
            Self::Output(e) => return e.hint(),
            _ => return None,
        })
    }
}
