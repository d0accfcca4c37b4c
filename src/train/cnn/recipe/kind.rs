//! The kinds of sources of a recipe, as its file says them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::train::Reading;
use crate::train::kmer::Smooth;

/// A kind of source with its files. Paths count from the recipe's folder.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// Sequences of one length with measured values.
    Values {
        /// A table with a header.
        file: PathBuf,
        /// Column of the sequence.
        #[serde(default = "sequence")]
        sequence: String,
        /// Columns of the values; a missing one teaches nothing.
        columns: Vec<String>,
        /// Pairs of columns whose difference is learned as a head of its own, `A-B`, where both are
        /// known: what tells two cells apart is little beside what they share.
        #[serde(default)]
        differences: Vec<(String, String)>,
        /// Column that says which rows belong together.
        group: Option<String>,
        /// Endings that are no part of a group's name, as `_F` and `_R`.
        #[serde(default)]
        group_suffixes: Vec<String>,
        /// While learning, a sequence is moved by up to so many bases to either side.
        #[serde(default)]
        shift: usize,
        /// Weight of the loss.
        #[serde(default = "one")]
        weight: f32,
        /// Sequences of a batch.
        batch: Option<usize>,
        /// Bases from one window of a sequence to the next.
        #[serde(default = "five")]
        step: usize,
        /// Whether one window at random stands for a sequence, or the mean of all.
        #[serde(default = "crop")]
        read: ReadSpec,
    },
    /// Regions of two classes.
    Labels {
        /// Regions of one length with names, as BED.
        regions: PathBuf,
        /// The genome.
        fasta: PathBuf,
        /// For each head a table that says a region's class.
        files: BTreeMap<String, PathBuf>,
        /// Its column of the region's name.
        #[serde(default = "id")]
        id: String,
        /// Its column of the class.
        label: String,
        /// The class that is 1.
        positive: String,
        /// The class that is 0; rows of others are passed over.
        negative: String,
        /// While learning, a sequence is moved by up to so many bases to either side.
        #[serde(default)]
        shift: usize,
        /// Weight of the loss.
        #[serde(default = "one")]
        weight: f32,
        /// Regions of a batch.
        batch: Option<usize>,
        /// Bases from one window of a region to the next.
        #[serde(default = "five")]
        step: usize,
    },
    /// Differences between the alleles of single-base variants.
    Alleles {
        /// For each head a table.
        files: BTreeMap<String, PathBuf>,
        /// The genome.
        fasta: PathBuf,
        /// Columns of contig, 1-based position, and the alleles.
        #[serde(default = "chrom")]
        chrom: String,
        /// See `chrom`.
        #[serde(default = "position")]
        position: String,
        /// See `chrom`.
        #[serde(default = "reference", rename = "ref")]
        reference: String,
        /// See `chrom`.
        #[serde(default = "alternative", rename = "alt")]
        alternative: String,
        /// Column of the reference's value; the effect is log2(alternative / reference).
        ref_value: String,
        /// Column of the alternative's.
        alt_value: String,
        /// Added to both.
        #[serde(default = "pseudo_count")]
        pseudo_count: f64,
        /// Weight of the loss.
        #[serde(default = "one")]
        weight: f32,
        /// Sequences of a batch, two a variant.
        batch: Option<usize>,
    },
    /// Another model's outputs on windows of a genome.
    Teacher {
        /// An ONNX file, or the name of a model that the program carries.
        model: String,
        /// Its outputs.
        outputs: Vec<String>,
        /// The genome.
        fasta: PathBuf,
        /// Regions.
        bed: PathBuf,
        /// So many random stretches of them instead of the regions themselves.
        random: Option<usize>,
        /// Bases of a stretch; the window where not given.
        stretch: Option<usize>,
        /// Share of the reverse complement's output in a label.
        #[serde(default)]
        reverse_share: f32,
        /// Weight of the loss.
        #[serde(default = "one")]
        weight: f32,
        /// Stretches of a batch.
        batch: Option<usize>,
        /// Bases from one window of a stretch to the next.
        #[serde(default = "five")]
        step: usize,
    },
    /// What a regression on k-mers, fitted beforehand to the training side of a source of values, says of windows of a
    /// genome: it generalises in another way than a network, and where the two agree more is true.
    Kmers {
        /// Another source, whose sequences have labels of their own.
        of: String,
        /// Its columns.
        columns: Vec<String>,
        /// As in [`Smooth`](crate::train::kmer::Smooth).
        #[serde(default = "nine")]
        k: usize,
        /// Likewise.
        #[serde(default = "half")]
        share: f64,
        /// Likewise.
        #[serde(default = "two")]
        ridge: f64,
        /// The genome.
        fasta: PathBuf,
        /// Regions.
        bed: PathBuf,
        /// So many random stretches of them instead of the regions themselves.
        random: Option<usize>,
        /// Bases of a stretch; the window where not given.
        stretch: Option<usize>,
        /// Weight of the loss.
        #[serde(default = "one")]
        weight: f32,
        /// Stretches of a batch.
        batch: Option<usize>,
        /// Bases from one window of a stretch to the next.
        #[serde(default = "five")]
        step: usize,
    },
    /// The examples that `mpra-score dataset` makes of counts.
    Examples {
        /// The Parquet file; its own split is kept.
        file: PathBuf,
        /// Its tasks.
        columns: Vec<String>,
        /// While learning, a sequence is moved by up to so many bases to either side.
        #[serde(default)]
        shift: usize,
        /// Weight of the loss.
        #[serde(default = "one")]
        weight: f32,
        /// Sequences of a batch.
        batch: Option<usize>,
    },
}

fn nine() -> usize {
    9
}

fn half() -> f64 {
    0.5
}

fn two() -> f64 {
    2.0
}

fn sequence() -> String {
    "sequence".into()
}

fn id() -> String {
    "id".into()
}

fn chrom() -> String {
    "chrom".into()
}

fn position() -> String {
    "pos".into()
}

fn reference() -> String {
    "ref".into()
}

fn alternative() -> String {
    "alt".into()
}

fn pseudo_count() -> f64 {
    1.0
}

fn one() -> f32 {
    1.0
}

fn five() -> usize {
    5
}

fn crop() -> ReadSpec {
    ReadSpec::Crop
}

/// How a sequence longer than the window is read.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ReadSpec {
    /// A window at a random place stands for it while learning.
    Crop,
    /// The mean of its windows.
    Mean,
}

impl From<ReadSpec> for Reading {
    fn from(spec: ReadSpec) -> Self {
        match spec {
            ReadSpec::Crop => Self::Crop,
            ReadSpec::Mean => Self::Mean,
        }
    }
}

impl Kind {
    /// Weight of the loss, and sequences of a batch; the first source's are those of `[fit]`.
    pub fn share(&self) -> (f32, Option<usize>) {
        let (Self::Values { weight, batch, .. }
        | Self::Labels { weight, batch, .. }
        | Self::Alleles { weight, batch, .. }
        | Self::Teacher { weight, batch, .. }
        | Self::Kmers { weight, batch, .. }
        | Self::Examples { weight, batch, .. }) = self;
        (*weight, *batch)
    }

    /// By how much its sequences are moved while learning.
    pub fn shift(&self) -> usize {
        match self {
            Self::Values { shift, .. }
            | Self::Labels { shift, .. }
            | Self::Examples { shift, .. } => *shift,
            // What they say belongs to these very bases.
            Self::Alleles { .. } | Self::Teacher { .. } | Self::Kmers { .. } => 0,
        }
    }

    /// How its k-mers are regressed on, where they are.
    pub fn smooth(&self) -> Option<Smooth> {
        match *self {
            Self::Kmers {
                k, share, ridge, ..
            } => Some(Smooth { k, share, ridge }),
            _ => None,
        }
    }

    /// Its heads, without the source's name.
    pub fn heads(&self) -> Vec<String> {
        match self {
            Self::Values {
                columns,
                differences,
                ..
            } => {
                let differences = differences.iter().map(|(a, b)| format!("{a}-{b}"));
                columns.iter().cloned().chain(differences).collect()
            }
            Self::Examples { columns, .. } | Self::Kmers { columns, .. } => columns.clone(),
            Self::Labels { files, .. } | Self::Alleles { files, .. } => {
                files.keys().cloned().collect()
            }
            Self::Teacher { outputs, .. } => outputs.clone(),
        }
    }

    /// Its files, with what they are.
    pub fn files(&self) -> Vec<&Path> {
        let files: Vec<&PathBuf> = match self {
            Self::Values { file, .. } | Self::Examples { file, .. } => vec![file],
            Self::Labels {
                regions,
                fasta,
                files,
                ..
            } => files.values().chain([regions, fasta]).collect(),
            Self::Alleles { files, fasta, .. } => files.values().chain([fasta]).collect(),
            Self::Teacher { fasta, bed, .. } | Self::Kmers { fasta, bed, .. } => vec![fasta, bed],
        };
        files.into_iter().map(PathBuf::as_path).collect()
    }

    pub(super) fn files_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Values { file, .. } | Self::Examples { file, .. } => vec![file],
            Self::Labels {
                regions,
                fasta,
                files,
                ..
            } => files.values_mut().chain([regions, fasta]).collect(),
            Self::Alleles { files, fasta, .. } => files.values_mut().chain([fasta]).collect(),
            Self::Teacher { fasta, bed, .. } | Self::Kmers { fasta, bed, .. } => vec![fasta, bed],
        }
    }
}
