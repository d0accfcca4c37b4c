use std::io;
use std::path::PathBuf;

use crate::input::InputError;
use crate::intervals::IntervalError;
use crate::job::JobError;
use crate::liftover::LiftoverError;
use crate::output::{OutputError, write_hint};
use crate::sumstats::SumstatsError;
use crate::vcf::VcfError;

/// What can be wrong with a job on variants.
#[derive(Debug, thiserror::Error)]
pub enum VariantError {
    /// The file as such, or a line that does not belong in it.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A file cannot be written.
    #[error("cannot write {1}")]
    Write(#[source] io::Error, PathBuf),
    /// A file cannot be written, or is there already.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Annotations.
    #[error(transparent)]
    Intervals(#[from] IntervalError),
    /// Threads, or being asked to stop.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A table of associations.
    #[error(transparent)]
    Sumstats(#[from] SumstatsError),
    /// Another build.
    #[error(transparent)]
    Liftover(#[from] LiftoverError),
    /// A VCF or BCF: its header, or a record that cannot be understood.
    #[error(transparent)]
    Vcf(#[from] VcfError),
    /// No record lies on a contig of the FASTA.
    #[error(
        "{path}: none of {records} records lies on a contig of the FASTA; the first is on {contig:?}"
    )]
    NoContig {
        /// The file as the user named it.
        path: String,
        /// How many records there are.
        records: u64,
        /// The first contig.
        contig: String,
        /// A contig of the FASTA whose name differs only by a `chr` prefix, when there is one.
        similar: Option<String>,
    },
    /// No REF is what the genome has.
    #[error("{path}: REF differs from the genome in all {records} records that could be compared")]
    AllMismatch {
        /// The file as the user named it.
        path: String,
        /// Records compared.
        records: u64,
        /// What tells that the FASTA is of another build, if anything does.
        build: Option<String>,
    },
    /// No row of a table says its alleles.
    #[error("{0}: no row says its alleles, which effects are of")]
    NoAlleles(String),
    /// The output's name does not say its format.
    #[error("{0}: expected a name that ends in .vcf, .vcf.gz, .vcf.bgz or .bcf, or `-`")]
    Format(PathBuf),
    /// A record cannot be written as BCF.
    #[error("{path}, line {line}: the record cannot be written as BCF: {problem}")]
    Bcf {
        /// The file as the user named it.
        path: String,
        /// 1-based line number; for BCF the number of the record.
        line: u64,
        /// What is wrong, with the column or field.
        problem: String,
    },
    /// The saved background belongs to another job.
    #[error("{path} is the background of another job: {differs} differ(s)")]
    OtherBackground {
        /// The file.
        path: PathBuf,
        /// What differs.
        differs: String,
    },
    /// The saved background cannot be understood.
    #[error("{path} is no saved background: {problem}")]
    NoBackground {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// An unfinished run, or a part of one, cannot be gone on with or joined.
    #[error("{0}: {1}")]
    Journal(PathBuf, String),
    /// No window for the background was found.
    #[error("no known window found for the background in {0}")]
    EmptyBackground(String),
    /// Settings that do not go together.
    #[error("{0}")]
    Setting(String),
    /// A set without a variant that can be scored.
    #[error("{0}: no variant can be scored")]
    EmptySet(String),
}

impl VariantError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Input(e) => e.hint(),
            Self::Sumstats(e) => e.hint(),
            Self::Liftover(e) => e.hint(),
            Self::Vcf(e) => e.hint(),
            Self::Output(e) => e.hint(),
            Self::Intervals(e) => e.hint(),
            Self::Job(e) => e.hint(),
            Self::NoContig {
                similar: Some(name), ..
            } => Some(format!(
                "the FASTA has {name:?}: the names differ by `chr`; try --chrom-alias ucsc-ensembl"
            )),
            Self::NoContig { .. } => {
                Some("is this the FASTA of another genome? --chrom-alias FILE maps names".into())
            }
            Self::AllMismatch {
                build: Some(told), ..
            } => Some(told.clone()),
            Self::AllMismatch { .. } => Some(
                "is this the FASTA of another genome build, or are REF and ALT exchanged? `bcftools norm --check-ref` tells more"
                    .into(),
            ),
            Self::Bcf { .. } => Some(
                "BCF needs every contig, filter and field in the header, and from a pipe nothing can be added to it; write .vcf.gz instead, or read from a file"
                    .into(),
            ),
            Self::NoAlleles(_) => Some(
                "--column effect_allele=NAME and other_allele=NAME say where they are; PLINK's NAME.bed, .bim and .fam of the same variants have them, too (--clump-bfile NAME); positions alone: --bed"
                    .into(),
            ),
            Self::Journal(..) => Some(
                "parts are written with --shard I/N and joined by the same command with --merge in its place; to begin anew, remove the file"
                    .into(),
            ),
            Self::OtherBackground { .. } => Some("make a new one with --background BED".into()),
            Self::EmptyBackground(_) => {
                Some("name regions of known sequence with --background BED".into())
            }
            Self::Write(e, _) => write_hint(e),
            _ => None,
        }
    }
}
