use std::path::PathBuf;

use crate::input::InputError;
use crate::job::JobError;
use crate::output::OutputError;
use crate::plot::PlotError;
use crate::sumstats::{Role, SumstatsError};
use crate::tracks::TrackError;
use crate::vcf::VcfError;

/// What can be wrong with p-values, covariates and settings.
#[derive(Debug, thiserror::Error)]
pub enum FdrError {
    /// A text file.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Being asked to stop.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A VCF or BCF.
    #[error(transparent)]
    Vcf(#[from] VcfError),
    /// A score track.
    #[error(transparent)]
    Track(#[from] TrackError),
    /// A covariate in an unknown format.
    #[error("{0} is no VCF, BCF, bigWig or bedGraph")]
    Format(PathBuf),
    /// The table.
    #[error(transparent)]
    Sumstats(#[from] SumstatsError),
    /// A column that is not there.
    #[error("{path} has no column {name:?}; its columns are {}", .columns.join(", "))]
    NoColumn {
        /// The table.
        path: PathBuf,
        /// What was looked for.
        name: String,
        /// The names in its header.
        columns: Vec<String>,
        /// The flag that names it.
        flag: &'static str,
    },
    /// A table without rows, or without a single p-value.
    #[error("{path} holds no p-value ({rows} row(s))")]
    NoP {
        /// The table.
        path: PathBuf,
        /// Rows below the header.
        rows: usize,
    },
    /// The field is not in the VCF.
    #[error("{path} defines no INFO field {field}; it has {}", match .known.is_empty() {
        true => "none".to_owned(),
        false => .known.join(", "),
    })]
    NoField {
        /// The VCF.
        path: PathBuf,
        /// The field.
        field: String,
        /// INFO fields of its header.
        known: Vec<String>,
    },
    /// No hypothesis has a covariate.
    #[error("none of the {hypotheses} hypotheses of {table} has a covariate in {covariate}{}", match .contigs.as_deref() {
        Some((ours, theirs)) => format!(": the contigs are {ours:?} here, {theirs:?} there"),
        None => String::new(),
    })]
    NoMatch {
        /// The p-values.
        table: PathBuf,
        /// The covariate.
        covariate: PathBuf,
        /// How many there are.
        hypotheses: usize,
        /// A contig of either, where no contig is shared.
        contigs: Option<Box<(String, String)>>,
        /// Whether `chr1` against `1` explains it.
        chr: bool,
        /// Whether names were compared, not positions.
        by_id: bool,
    },
    /// Settings that do not go together.
    #[error("{0}")]
    Setting(String),
    /// A figure.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// The output folder.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl FdrError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Input(e) => return e.hint(),
            Self::Vcf(e) => return e.hint(),
            Self::Sumstats(SumstatsError::NoColumn { role, .. }) => {
                let flag = match role {
                    Role::Id => "--id-column",
                    Role::Contig => "--chrom-column",
                    Role::Position => "--position-column",
                    _ => "--p-column",
                };
                format!("{flag} NAME says which column it is")
            }
            Self::Sumstats(e) => return e.hint(),
            Self::NoColumn { flag, .. } => format!("{flag} NAME says which column it is"),
            Self::NoField { .. } => {
                "--field names the INFO field; `mpra-score variants` writes MPRA_MAX and MPRA_<task>"
                    .into()
            }
            Self::NoMatch { chr: true, .. } => {
                "the names differ by `chr`: try --chrom-alias ucsc-ensembl".into()
            }
            Self::NoMatch { by_id: true, .. } => {
                "do both use the same kind of names, such as rsIDs? with columns of contig and position the join goes by place".into()
            }
            Self::NoMatch {
                contigs: Some(_), ..
            } => "are both of the same genome? --chrom-alias FILE maps names".into(),
            Self::NoMatch { .. } => {
                "are both of the same genome build? positions in the table count from 1, or with --zero-based from 0".into()
            }
            Self::Track(e) => return e.hint(),
            Self::Output(e) => return e.hint(),
            _ => return None,
        })
    }
}
