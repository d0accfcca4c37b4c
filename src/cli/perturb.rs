//! What `mpra-score pairs`, `marginalize` and `ablate` have in common: sequences changed on purpose.

use std::path::PathBuf;

use crate::genome::BedSource;
use crate::model::ModelSources;
use crate::perturb::{Scoring, Source, Windows};
use anyhow::Result;
use clap::{Args, ValueEnum};

use super::report::ReportFlag;
use super::shared::{ComputeFlags, ModelFlags, StrandFlag, aliases};

/// Sequences, or regions of a genome.
#[derive(Debug, Args)]
pub(super) struct SourceFlags {
    /// Sequences: FASTA, or a table with a header (tabs or commas); plain, gzip or bgzip; `-` for standard
    /// input
    sequences: Option<PathBuf>,
    /// The table's column of sequences [default: sequence]
    #[arg(long, value_name = "NAME", conflicts_with = "bed")]
    sequence_column: Option<String>,
    /// The table's column of names [default: name or id, where there is one]
    #[arg(long, value_name = "NAME", conflicts_with = "bed")]
    name_column: Option<String>,
    /// Regions instead of sequences; one that is shorter than a window is widened around its middle to a
    /// window; `-` for standard input
    #[arg(
        long,
        value_name = "FILE",
        requires = "fasta",
        conflicts_with = "sequences"
    )]
    bed: Option<PathBuf>,
    /// The genome of the regions
    #[arg(long, value_name = "FILE", requires = "bed")]
    fasta: Option<PathBuf>,
    /// How contigs are found under other names: a tab-separated file with one contig's names a
    /// line, or `ucsc-ensembl` (chr1 is 1, chrM is MT)
    #[arg(long, value_name = "FILE|ucsc-ensembl", requires = "bed")]
    chrom_alias: Option<PathBuf>,
}

impl SourceFlags {
    /// The source, if one is given.
    pub(super) fn source(self) -> Result<Option<Source>> {
        Ok(match (self.sequences, self.bed) {
            (Some(path), _) => Some(Source::Sequences {
                path,
                sequence_column: self.sequence_column,
                name_column: self.name_column,
            }),
            (None, Some(bed)) => Some(Source::Regions {
                bed: BedSource::from_arg(&bed),
                fasta: self.fasta.unwrap_or_default(),
                aliases: aliases(self.chrom_alias.as_deref())?,
            }),
            (None, None) => None,
        })
    }
}

/// The source where clap has seen to it that there is one.
pub(super) fn required(source: Option<Source>) -> Source {
    source.unwrap_or(Source::Sequences {
        path: PathBuf::from("-"),
        sequence_column: None,
        name_column: None,
    })
}

/// `--windows`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum WindowsFlag {
    /// All windows of a sequence, --stride bases apart: means over those that hold what is changed
    All,
    /// The window in the middle
    Centre,
}

impl WindowsFlag {
    pub(super) fn with(self, stride: u32) -> Windows {
        match self {
            Self::All => Windows::Every(stride),
            Self::Centre => Windows::Centre,
        }
    }
}

/// The model, how it is run, where results go.
#[derive(Debug, Args)]
pub(super) struct RunFlags {
    /// The model, as in `mpra-score score` [default: default]
    #[arg(long, value_name = "FILE[,FILE...]")]
    model: Option<PathBuf>,
    /// Tasks to write, by name [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    tasks: Option<Vec<String>>,
    /// The folder for the results
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Replace results that are already there
    #[arg(long)]
    pub(super) force: bool,
    /// Score sequences as they stand, or the mean with their reverse complements
    #[arg(long, value_enum, default_value = "forward")]
    strand: StrandFlag,
    #[command(flatten)]
    flags: ModelFlags,
    #[command(flatten)]
    compute: ComputeFlags,
    #[command(flatten)]
    pub(super) report: ReportFlag,
}

impl RunFlags {
    pub(super) fn scoring(&self) -> Scoring {
        Scoring {
            model: ModelSources::from_arg(self.model.as_deref()),
            model_options: self.flags.options(),
            ort_lib: self.flags.ort_lib.clone(),
            tasks: self.tasks.clone(),
            engine: self.compute.settings(self.strand),
        }
    }
}
