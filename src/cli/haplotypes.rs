//! `mpra-score haplotypes`: haplotypes of a phased VCF over regions.

use std::path::PathBuf;

use crate::Error;
use crate::genome::{BedRules, BedSource, InvalidPolicy};
use crate::haplotypes::{HaplotypesConfig, HaplotypesSummary, run};
use crate::input::Lines;
use crate::model::ModelSources;
use anyhow::Result;
use clap::Args;

use super::interrupt;
use super::progress::Bar;
use super::report::ReportFlag;
use super::shared::{
    ComputeFlags, ModelFlags, StrandFlag, aliases, command_line, left_out, many, say, wrote,
};

const EXAMPLES: &str = "\
Score haplotypes: all variants that a person carries on one chromosome together, over regions

For example:
  mpra-score haplotypes --vcf phased.vcf.gz --bed enhancers.bed --fasta hg38.fa --out haplotypes
  mpra-score haplotypes --vcf phased.bcf --bed enhancers.bed --fasta hg38.fa --samples NA12878,NA19240 \\
      --pass-only --sequences --out haplotypes

The VCF or BCF must be sorted; it is read once, and may have thousands of samples. Each distinct
sequence of a region is scored once.";

const OUTPUT: &str = "\
A region's windows are --stride bases apart, as few as hold it, with the region's middle base in their
middle: its core; of a region that is no longer than a window one window. The sequence of a haplotype is as
long as the core, and the middle base stays in its column: insertions push bases out at the ends,
deletions let bases (and their variants) in. Where the middle base is deleted, the first base behind takes
its place. The activity is the mean over the windows, the difference that to the reference.

Alleles lose the bases that REF and ALT share. Changes are made from left to right, an insertion before what
begins at its place. Two conflict where they replace the same base, one lies within what the other
replaces, or both insert at one place: the first is made, of two that begin at one place the one of the
earlier record. A change that is there twice is made once. Missing alleles are taken for the reference.

Output, in the folder --out:
  haplotypes.tsv   one row a haplotype: of a region (as regions come to an end in the VCF), a sample (in the
                   order of the file, or of --samples), and a chromosome
    region           name in the BED, or contig:start-end
    sample, haplotype   1, 2, ... in the order of the genotypes; as many as they have alleles, 2 where the
                     region has no record
    status           ok
                     conflict          an allele was left out that conflicts with an earlier one
                     incomplete        it carries an allele that cannot be used, see skipped.tsv
                     too_much_deleted  more than a window's bases: no sequence
                     no_scored_window  each window holds unknown bases
                     other_windows     not the reference's windows, for unknown bases: no difference
                     or of the whole sample, without haplotypes:
                     unphased          a heterozygous genotype is not phased
                     phase_sets        heterozygous genotypes are of several phase sets (PS)
                     ploidy_differs    genotypes have different numbers of alleles
    variants         variants in its sequence
    left_out         alleles that it carries and that are not in it
    missing          alleles that are not known
    sequence         its number among the distinct sequences of the region; H0 is the reference
    TASK.activity, TASK.difference   of the haplotype; haplotype - reference
  regions.tsv      one row a row of the BED, in its order: contig, start, end, name, strand, status (as in
                   `mpra-score score`), core_start, core_end, then
    variants         records that touch the core and are used
    skipped          rows of skipped.tsv
    haplotypes, distinct   with a sequence, over all samples; how many different sequences
    samples_refused  samples without haplotypes
    most_frequent, most_frequent_count   the sequence that most haplotypes have, and how many
    TASK.reference, TASK.lowest, TASK.highest, TASK.most_frequent   activities
  skipped.tsv      alleles that were not made: region, contig, pos (1-based), id, ref, alt, reason (conflict,
                   or the words of MPRA_SKIP in `mpra-score variants`: ref_mismatch, symbolic, ...), haplotypes
                   (how many carry it)
  haplotypes.fa    (--sequences) the distinct sequences: >REGION|H3 haplotypes=12 variants=chr1:100:A:G
  run.json         version, command line, inputs, settings, counts
NA where there is no value.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.";

/// Score haplotypes: all variants that a person carries on one chromosome together, over regions
#[derive(Debug, Args)]
#[command(long_about = EXAMPLES, after_long_help = OUTPUT)]
pub struct HaplotypesArgs {
    /// Phased genotypes: VCF (plain, gzip, bgzip) or BCF, sorted; `-` for standard input
    #[arg(long, value_name = "FILE")]
    vcf: PathBuf,
    /// Regions: BED3 to BED12 or narrowPeak, plain, gzip or bgzip, or bigBed
    #[arg(long, value_name = "FILE")]
    bed: PathBuf,
    /// The genome: FASTA, plain or bgzip-compressed, with its .fai (and .gzi) where there are, or .2bit
    #[arg(long, value_name = "FILE")]
    fasta: PathBuf,
    /// The model, as in `mpra-score score` [default: default]
    #[arg(long, value_name = "FILE[,FILE...]")]
    model: Option<PathBuf>,
    /// The folder for the results
    #[arg(long, value_name = "DIR", default_value = "haplotypes")]
    out: PathBuf,
    /// Replace results that are already there
    #[arg(long)]
    force: bool,
    /// The samples, by name [default: all]
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        conflicts_with = "samples_file"
    )]
    samples: Option<Vec<String>>,
    /// The samples, a name a line
    #[arg(long, value_name = "FILE")]
    samples_file: Option<PathBuf>,
    /// Only records whose FILTER is PASS or missing
    #[arg(long)]
    pass_only: bool,
    /// Take genotypes that are not phased in the order in which they are written, and phase sets as one
    #[arg(long)]
    assume_phased: bool,
    /// Also write the distinct sequences, haplotypes.fa
    #[arg(long)]
    sequences: bool,
    /// Keep regions that cannot be scored as rows with a reason, instead of stopping
    #[arg(long)]
    skip_invalid: bool,
    /// Score N bases around the middle of each region instead of the region itself
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    resize: Option<u32>,
    /// How contigs of the regions and of the VCF are found under other names: a tab-separated file with one
    /// contig's names a line, or `ucsc-ensembl` (chr1 is 1, chrM is MT)
    #[arg(long, value_name = "FILE|ucsc-ensembl")]
    chrom_alias: Option<PathBuf>,
    /// Write a missing .fai (and .gzi) beside the FASTA
    #[arg(long)]
    write_index: bool,
    /// Tasks to write, by name [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    tasks: Option<Vec<String>>,
    /// Bases from one window's start to the next's [default: window / 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    stride: Option<u32>,
    /// Score sequences as they stand, or the mean with their reverse complements
    #[arg(long, value_enum, default_value = "forward")]
    strand: StrandFlag,
    #[command(flatten)]
    flags: ModelFlags,
    #[command(flatten)]
    compute: ComputeFlags,
    #[command(flatten)]
    report: ReportFlag,
}

impl HaplotypesArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let samples = match (self.samples, &self.samples_file) {
            (Some(names), _) => Some(names),
            (None, Some(path)) => {
                let mut lines = Lines::open(path).map_err(Error::from)?;
                let mut names = Vec::new();
                while let Some(line) = lines.next_filled().map_err(Error::from)? {
                    names.push(line.trim().to_owned());
                }
                Some(names)
            }
            (None, None) => None,
        };
        let cancel = interrupt::watch()?;
        let config = HaplotypesConfig {
            vcf: self.vcf,
            bed: BedSource::from_arg(&self.bed),
            rows: BedRules {
                invalid: match self.skip_invalid {
                    true => InvalidPolicy::Skip,
                    false => InvalidPolicy::Fail,
                },
                resize: self.resize,
            },
            fasta: self.fasta,
            aliases: aliases(self.chrom_alias.as_deref())?,
            write_index: self.write_index,
            samples,
            pass_only: self.pass_only,
            assume_phased: self.assume_phased,
            model: ModelSources::from_arg(self.model.as_deref()),
            model_options: self.flags.options(),
            ort_lib: self.flags.ort_lib,
            tasks: self.tasks,
            stride: self.stride,
            engine: self.compute.settings(self.strand),
            sequences: self.sequences,
            out: self.out,
            force: self.force,
            command: command_line(),
        };
        let summary = run(&config, &Bar::of(quiet, "bytes"), &cancel)?;
        if !quiet {
            report(&summary);
        }
        self.report.of(&config.out, config.force, quiet)
    }
}

fn report(summary: &HaplotypesSummary) {
    let scored = summary.regions.get("ok").copied().unwrap_or(0);
    let others = summary.regions.iter().map(|(word, n)| (&**word, *n));
    say(format!(
        "{}{}, {}: {}, {} distinct, in {:.1} s",
        many(scored, "region"),
        left_out(others.filter(|(word, _)| *word != "ok")),
        many(summary.samples as u64, "sample"),
        many(summary.haplotypes, "haplotype"),
        summary.distinct,
        summary.seconds
    ));
    let ((records, used), (compared, differ)) = (summary.records, summary.compared);
    say(format!(
        "{records} records read, {used} of them reach a region"
    ));
    if differ > 0 {
        say(format!(
            "REF differs from the genome in {differ} of {compared} records: see skipped.tsv"
        ));
    }
    if summary.refused > 0 {
        say(format!(
            "{} rows of samples without haplotypes in a region: see the column status of haplotypes.tsv",
            summary.refused
        ));
    }
    wrote(&summary.files);
}
