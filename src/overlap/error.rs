use std::io;
use std::path::PathBuf;

use crate::counts::CountsError;
use crate::output::OutputError;
use crate::plot::PlotError;

/// What can be wrong with scores, annotations and settings.
#[derive(Debug, thiserror::Error)]
pub enum OverlapError {
    /// A text file.
    #[error(transparent)]
    Text(#[from] CountsError),
    /// A bigWig or bigBed file that cannot be read.
    #[error("cannot read {path}: {problem}")]
    Binary {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        problem: String,
    },
    /// A file that cannot be opened.
    #[error("cannot open {1}")]
    Open(#[source] io::Error, PathBuf),
    /// A score that is NaN or infinite.
    #[error("{path}: the score at {place} is {value}; expected finite numbers")]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// `contig:start-end`, 0-based, or a line.
        place: String,
        /// What it is.
        value: f32,
    },
    /// A score table that is not bedGraph and came without coordinates.
    #[error("{0} is neither bigWig nor bedGraph, and no coordinates are given for a table")]
    NoCoordinates(PathBuf),
    /// A region of a score table has no place, or one of another length.
    #[error("{path}, line {line}: region {region:?}: {problem}")]
    Coordinates {
        /// The table.
        path: PathBuf,
        /// 1-based line.
        line: u64,
        /// The region.
        region: String,
        /// What is wrong.
        problem: String,
    },
    /// Two values for one base in a bedGraph.
    #[error("{path}: {contig}:{position} (0-based) has two values")]
    TwoValues {
        /// The file.
        path: PathBuf,
        /// Contig.
        contig: String,
        /// Base.
        position: u32,
    },
    /// No score at all.
    #[error("{0} holds no score{where_}", where_ = if *.1 { " in the regions" } else { "" })]
    NoScores(PathBuf, bool),
    /// An annotation without a site.
    #[error("{0} holds no interval")]
    EmptyAnnotation(PathBuf),
    /// Nothing in common between the contig names of two files.
    #[error("{intervals} and {scores} have no contig in common: {theirs:?} there, {ours:?} here")]
    NoSharedContigs {
        /// The intervals.
        intervals: PathBuf,
        /// The scores.
        scores: PathBuf,
        /// A contig of the intervals.
        theirs: String,
        /// A contig of the scores.
        ours: String,
        /// Whether `chr1` against `1` explains it.
        chr: bool,
    },
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
    /// A name that does not occur.
    #[error("{path} has no {what} {name:?}; it has: {known}")]
    UnknownName {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// The name.
        name: String,
        /// Names that occur, the first of them.
        known: String,
    },
    /// A setting outside its range, or settings that do not go together.
    #[error("{0}")]
    Setting(String),
    /// Correlation needs variation.
    #[error("{0}")]
    NoVariation(String),
    /// The worker threads could not be started.
    #[error("cannot start {0} worker thread(s)")]
    Threads(usize, #[source] rayon::ThreadPoolBuildError),
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
            Self::Text(CountsError::Line { .. }) => {
                "coordinates are 0-based and half-open; columns are separated by tabs".into()
            }
            Self::NoCoordinates(_) => {
                "--coordinates FILE says where a table's regions lie (`id chrom start end`, or BED with the region in column 4)".into()
            }
            Self::Coordinates { .. } => {
                "--coordinates must name every region of the table, with as many bases as it has values".into()
            }
            Self::NotFinite { .. } => "bases without a score are left out of a track".into(),
            Self::NoSharedContigs { chr: true, .. } => {
                "the names differ by `chr`: try --chrom-alias ucsc-ensembl".into()
            }
            Self::NoSharedContigs { .. } => {
                "are both of the same genome? --chrom-alias FILE maps names".into()
            }
            Self::NoSharedBases { .. } => {
                "are both of the same genome build? does --regions leave anything of it?".into()
            }
            Self::TooFewBases { bases, .. } => format!("--bins {} or fewer", bases),
            Self::NoStrand { .. } => {
                "--unstranded takes anchors without strand as forward".into()
            }
            Self::NoName { .. } => "names, such as factors, stand in column 4 of the BED".into(),
            Self::Output(e) => return e.hint(),
            _ => return None,
        })
    }
}
