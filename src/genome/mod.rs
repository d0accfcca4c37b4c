//! Where sequence comes from: intervals, contigs and their aliases, BED regions, indexed FASTA
//! and the lattice of windows laid over a contig.
//!
//! Coordinates are 0-based and half-open everywhere in the library. 1-based positions exist only
//! in readers of formats that use them and in messages that say so.

mod bases;
mod bed;
mod builds;
mod contigs;
mod fai;
mod fasta;
mod interval;
mod regions;
mod two_bit;
mod used;
mod windows;

pub use bases::{RegionBases, region_bases, region_name};
pub use bed::{BedRules, BedSource, InvalidPolicy, Moved, Mover, read_bed, read_moved_bed};
pub use builds::{BUILDS, Build, grouped};
pub use contigs::{Aliases, Contig, ContigId, Contigs};
pub use fasta::{Fasta, FastaReader, IndexSource};
pub use interval::Interval;
pub use regions::{Region, RegionStatus, Regions};
pub use windows::Lattice;

use std::io;
use std::path::PathBuf;

use crate::input::InputError;

/// What can be wrong with the genome, the regions or the names that join them.
#[derive(Debug, thiserror::Error)]
pub enum GenomeError {
    /// A text file.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A file could not be opened.
    #[error("cannot open {1}")]
    Open(#[source] io::Error, PathBuf),
    /// A file could not be read to its end (also a truncated gzip or bgzip stream).
    #[error("cannot read {1}")]
    Read(#[source] io::Error, PathBuf),
    /// A file could not be written.
    #[error("cannot write {1}")]
    Write(#[source] io::Error, PathBuf),
    /// Variants where regions are expected.
    #[error("{0} is a VCF; expected a BED")]
    Vcf(String),
    /// A line that is not BED.
    #[error("{path}, line {line}: {problem}; expected {expected}\n  {text}")]
    BedLine {
        /// The file as the user named it (`-` for standard input).
        path: String,
        /// 1-based line number.
        line: u64,
        /// What was found.
        problem: String,
        /// What would have been right.
        expected: &'static str,
        /// The line itself, shortened.
        text: String,
    },
    /// A region names a contig that the FASTA lacks.
    #[error("{path}, line {line}: contig {contig:?} is not in the FASTA")]
    UnknownContig {
        /// The BED file.
        path: String,
        /// 1-based line number.
        line: u64,
        /// The name that was looked up.
        contig: String,
        /// A contig of the FASTA whose name differs only by a `chr` prefix, when there is one.
        similar: Option<String>,
    },
    /// A region reaches past its contig's end.
    #[error(
        "{path}, line {line}: region {contig}:{start}-{end} reaches past the end of {contig}, which has {length} bases"
    )]
    PastContigEnd {
        /// The BED file.
        path: String,
        /// 1-based line number.
        line: u64,
        /// The contig.
        contig: String,
        /// Region start, 0-based.
        start: u32,
        /// Region end, exclusive.
        end: u32,
        /// The contig's length.
        length: u32,
    },
    /// More rows than the region table can number.
    #[error("{0}: more than 4,294,967,295 rows")]
    TooManyRegions(String),
    /// The FASTA has no contig, a contig of more than 2^31 - 1 bases, or twice the same name.
    #[error("{path}: {problem}")]
    FastaContent {
        /// The FASTA.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A line that is not that of a `.fai`.
    #[error(
        "{path}, line {line}: expected name, length, offset, bases a line, bytes a line\n  {text}"
    )]
    FaiLine {
        /// The index.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// The line itself, shortened.
        text: String,
    },
    /// A `.fai` without a contig.
    #[error("the index {0} is empty")]
    EmptyIndex(PathBuf),
    /// The `.fai` or `.gzi` is not the index of this FASTA.
    #[error("{path} does not match its index {index}: {problem}")]
    IndexMismatch {
        /// The FASTA.
        path: PathBuf,
        /// The index.
        index: String,
        /// What gave it away.
        problem: String,
    },
    /// A FASTA compressed by gzip instead of bgzip cannot be read by region.
    #[error("{0} is gzip-compressed, not bgzip-compressed: it cannot be read by region")]
    PlainGzip(PathBuf),
    /// A bgzip file that lacks its end-of-file block.
    #[error("{0} is truncated: the bgzip end-of-file block is missing")]
    TruncatedBgzf(PathBuf),
    /// A line of a chromosome alias file that cannot be used.
    #[error("{path}, line {line}: {problem}")]
    Alias {
        /// The alias file.
        path: PathBuf,
        /// 1-based line number.
        line: u64,
        /// What is wrong.
        problem: String,
    },
}

impl GenomeError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Input(e) => e.hint(),
            Self::Vcf(path) => Some(format!("`mpra-score variants --vcf {path}` scores variants")),
            Self::UnknownContig {
                similar: Some(name),
                ..
            } => Some(format!(
                "the FASTA has {name:?}: the names differ by `chr`; try --chrom-alias ucsc-ensembl"
            )),
            Self::UnknownContig { .. } => Some(
                "is this the FASTA of another genome? --chrom-alias FILE maps names, --skip-invalid keeps such rows unscored"
                    .into(),
            ),
            Self::PastContigEnd {
                contig,
                end,
                length,
                ..
            } => Some(match Build::reaching(contig, *length, *end) {
                Some(explained) => explained,
                None =>
                "is the BED of another genome build? --skip-invalid keeps such rows unscored".into(),
            }),
            Self::BedLine { .. } => {
                Some("--skip-invalid keeps such rows unscored, with the reason in regions.tsv".into())
            }
            Self::IndexMismatch { index, .. } if index.starts_with('(') => {
                Some("the FASTA changed while it was being read".into())
            }
            Self::IndexMismatch { index, .. } => Some(format!(
                "the FASTA changed after it was indexed: remove {index} and run `samtools faidx`, or --write-index"
            )),
            Self::FaiLine { path, .. } | Self::EmptyIndex(path) => Some(format!(
                "remove {} and index the FASTA again with `samtools faidx` or --write-index",
                path.display()
            )),
            Self::PlainGzip(path) => Some(format!(
                "recompress it: gunzip -c {0} | bgzip > new.fa.gz",
                path.display()
            )),
            Self::TruncatedBgzf(_) => Some("the file was cut short: copy or compress it again".into()),
            _ => None,
        }
    }
}
