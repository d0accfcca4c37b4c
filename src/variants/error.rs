use std::io;
use std::path::PathBuf;

/// What can be wrong with a job on variants.
#[derive(Debug, thiserror::Error)]
pub enum VariantError {
    /// A file cannot be opened.
    #[error("cannot open {1}")]
    Open(#[source] io::Error, PathBuf),
    /// A file cannot be read to its end (also a truncated gzip or bgzip stream).
    #[error("cannot read {1}")]
    Read(#[source] io::Error, PathBuf),
    /// A file cannot be written.
    #[error("cannot write {1}")]
    Write(#[source] io::Error, PathBuf),
    /// A bgzip stream that ends between two blocks.
    #[error("{0} is truncated: the bgzip end-of-file block is missing")]
    Truncated(PathBuf),
    /// The header of a VCF.
    #[error("{path}, line {line}: {problem}")]
    Header {
        /// The file as the user named it.
        path: String,
        /// 1-based line number.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// A record that cannot be understood.
    #[error("{path}, line {line}: {problem}\n  {text}")]
    Record {
        /// The file as the user named it.
        path: String,
        /// 1-based line number; for BCF the number of the record.
        line: u64,
        /// What is wrong.
        problem: String,
        /// The record, shortened.
        text: String,
    },
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
    },
    /// The output exists.
    #[error("{0} is there already")]
    Exists(PathBuf),
    /// The output's name does not say its format.
    #[error("{0}: expected a name that ends in .vcf, .vcf.gz, .vcf.bgz or .bcf, or `-`")]
    Format(PathBuf),
    /// A record cannot be written as BCF.
    #[error("record {record} cannot be written as BCF: {problem}")]
    Bcf {
        /// Its number, from 1.
        record: u64,
        /// noodles' words.
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
    /// No window for the background was found.
    #[error("no known window found for the background in {0}")]
    EmptyBackground(String),
    /// Settings that do not go together.
    #[error("{0}")]
    Setting(String),
    /// A set without a variant that can be scored.
    #[error("{0}: no variant can be scored")]
    EmptySet(String),
    /// A worker thread cannot be started.
    #[error("cannot start a worker thread")]
    Threads(#[source] io::Error),
}

impl VariantError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Truncated(_) => Some("the file was cut short: copy or compress it again".into()),
            Self::NoContig {
                similar: Some(name), ..
            } => Some(format!(
                "the FASTA has {name:?}: the names differ by `chr`; try --chrom-alias ucsc-ensembl"
            )),
            Self::NoContig { .. } => {
                Some("is this the FASTA of another genome? --chrom-alias FILE maps names".into())
            }
            Self::AllMismatch { .. } => Some(
                "is this the FASTA of another genome build, or are REF and ALT exchanged? `bcftools norm --check-ref` tells more"
                    .into(),
            ),
            Self::Exists(_) => Some("--force replaces it; or name another file".into()),
            Self::Bcf { .. } => Some(
                "BCF needs every contig, filter and field in the header; write .vcf.gz instead, or complete the header with `bcftools reheader`"
                    .into(),
            ),
            Self::OtherBackground { .. } => Some("make a new one with --background BED".into()),
            Self::EmptyBackground(_) => {
                Some("name regions of known sequence with --background BED".into())
            }
            Self::Write(e, _) if e.kind() == io::ErrorKind::StorageFull => {
                Some("the disk is full".into())
            }
            Self::Threads(_) => Some("ask for fewer with --threads".into()),
            _ => None,
        }
    }
}
