//! `mpra-score model motifs`: first-layer filters as motifs.

use std::path::PathBuf;

use crate::genome::BedSource;
use crate::model::ModelSource;
use crate::motifs::{Config, Sequences, run};
use anyhow::Result;
use clap::{ArgGroup, Args};

use super::interrupt;
use super::shared::{ModelFlags, aliases, command_line, say};

const OUTPUT: &str = "\
Output:
  motifs.meme   the active filters' matrices in MEME's minimal format
  filters.tsv   one row a filter
    filter               its number, from 0
    status               ok, or never_active: no word of the sequences gives more than 0
    sites                occurrences of words above the threshold
    largest, threshold   its largest value on any word (bias included), and --threshold of it
    bits                 information of the matrix against a quarter each
    consensus            IUPAC letters
    match, match_name    (--motifs) the known motif with the highest score
    strand, offset       - where its reverse complement fits; filter column of its first
    score                sum of products of deviations from 1/4 over the columns that both have,
                         over the length of the filter's matrix and of the motif's columns there:
                         1 where they are the same; the motif's other columns cost nothing
    p                    how often the motif scores as high with its columns, and the letters of
                         each, shuffled
    e                    p times the number of known motifs
  logos.svg     sequence logos, letters' heights in bits
  run.json      version, command line, inputs, settings, counts";

/// The filters of a model's first convolution as position weight matrices and logos
///
/// Each is made of the words (as long as the filter) on which its value is above --threshold of
/// its largest value, in the sequences given, on the forward strand.
#[derive(Debug, Args)]
#[command(
    after_long_help = OUTPUT,
    group(ArgGroup::new("sequences").required(true).multiple(true).args(["fasta", "data"]))
)]
pub struct FiltersArgs {
    /// An ONNX file, or a model that the program carries: `default`, `distilled`
    /// or `paper`
    #[arg(default_value = "default")]
    model: PathBuf,
    /// Sequences: the contigs of a FASTA, whole, or with --bed only its regions
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    fasta: Option<PathBuf>,
    /// Regions of the FASTA; `-` for standard input
    #[arg(long, value_name = "FILE", requires = "fasta")]
    bed: Option<PathBuf>,
    /// How contigs are found under other names: a tab-separated file with one contig's names a
    /// line, or `ucsc-ensembl` (chr1 is 1, chrM is MT)
    #[arg(long, value_name = "FILE|ucsc-ensembl", requires = "bed")]
    chrom_alias: Option<PathBuf>,
    /// Sequences of a data set: Parquet of `mpra-score dataset`, or a table with `sequence`
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Words above this share of a filter's largest value are its sites
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    threshold: f32,
    /// Known motifs to compare with, in MEME format
    #[arg(long, value_name = "FILE")]
    motifs: Option<PathBuf>,
    /// Shuffles for the p-values; 0 for none
    #[arg(long, value_name = "N", default_value_t = 1000)]
    shuffles: u64,
    /// Seed of the shuffles
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the results of an earlier run
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    flags: ModelFlags,
}

impl FiltersArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        let aliases = aliases(self.chrom_alias.as_deref())?;
        let sequences = match (self.fasta, self.bed, self.data) {
            (Some(fasta), Some(bed), _) => Sequences::Regions {
                bed: BedSource::from_arg(&bed),
                fasta,
                aliases,
            },
            (Some(fasta), None, _) => Sequences::Fasta(fasta),
            // clap requires one of the two.
            (None, _, data) => Sequences::Data(data.unwrap_or_default()),
        };
        let config = Config {
            model: ModelSource::from_arg(Some(&self.model)),
            model_options: self.flags.options(),
            sequences,
            share: self.threshold,
            known: self.motifs,
            shuffles: self.shuffles,
            seed: self.seed,
            out: self.out,
            force: self.force,
            command: command_line(),
        };
        let summary = run(&config, &cancel)?;
        if !quiet {
            say(format!(
                "{} filters, {} of them active",
                summary.filters, summary.active
            ));
            for file in &summary.files {
                say(format!("  {}", file.display()));
            }
        }
        Ok(())
    }
}
