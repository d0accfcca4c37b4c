use std::path::PathBuf;
use std::time::Duration;

use crate::genome::{BedRules, BedSource, InvalidPolicy};
use crate::intervals::Named;
use crate::job::Shard;
use crate::liftover::LiftoverConfig;
use crate::model::ModelSources;
use crate::output::Existing;
use crate::score::{self, Anchor, Formats, Outputs, RegionSource, ScoreConfig, Summary};
use crate::tracks::Precision;
use anyhow::{Context, Result};
use clap::{ArgGroup, Args, ValueEnum};

use super::interrupt;
use super::progress::Bar;
use super::report::ReportFlag;
use super::shared::{
    AttributionFlags, ComputeFlags, ModelFlags, StrandFlag, aliases, left_out, many, say,
};

const OUTPUT_HELP: &str = "\
Output files, in the folder --out. Coordinates are 0-based and half-open, contigs as the FASTA
names them, in the order of their names as bytes.

  TASK.activity.bw    predicted activity, the assay's log2(RNA/DNA), of each window, drawn on its
                      central --stride bases
  TASK.importance.bw  importance of each base: the largest drop of activity (reference - mutant,
                      largest in absolute value) over its three changes, mean over the windows
                      that cover it; positive where the base drives expression, negative where
                      it represses; no value where the base is not A, C, G or T
  TASK.deeplift.bw, TASK.integrated-gradients.bw, TASK.gradient-input.bw
                      (--method) in the place of importance: contribution of each base, its share in
                      what a window's activity is above that of the --references, mean over the windows;
                      in the tables, too, the method's name stands for importance
  TASK.activity_spread.bw, TASK.importance_spread.bw
                      (--model A,B) standard deviation over the models of an ensemble; the tracks
                      above are their means
  *.bedGraph          the same numbers as text (--format bedgraph)
  regions.tsv         one row an input region, in input order:
      contig start end name strand   as in the input
      windows     windows scored
      unknown_windows   of these, windows with unknown bases (none without --max-unknown)
      bases       bases with a value
      status      ok, or why it was not scored: malformed, unknown_contig, past_contig_end,
                  empty (start = end), no_scored_window (each window holds unknown bases)
      TASK.mean_activity, TASK.max_activity*  over the windows drawn in the region
      TASK.SET_quantile                       where the model's file says so (`model quantiles`):
                                              share of the set's windows less active than the mean;
                                              of the default model, SET is background or active
      TASK.mean_importance*                   over its bases
      TASK.mean_abs_importance*, TASK.max_abs_importance*, TASK.max_abs_position*
                                              of |importance|; position 0-based, first of equals
      TASK.mean_activity_spread, TASK.mean_importance_spread*   (--model A,B)
      NA where there is no value; columns with * with --wide
  windows.tsv.gz      (--windows) contig, start, end, region (row number from 1, `.` with --anchor
                      genome), unknown (bases), then the activity for each task (TASK.spread, too, with
                      --model A,B); bgzip-compressed
  saturation.npz      (--saturation) effects [row, position, 4 (A, C, G, T), task], float32,
                      mutant - reference, NaN behind a region's end; importance [row, position, task];
                      one_hot [row, position, 4]; lengths [row]; tasks. With another --method, contributions in the place of effects:
                      the hypothetical ones that each letter would have there
  modisco.one_hot.npz, modisco.TASK.npz, modisco.regions.bed
                      (--saturation-format modisco) arr_0 [region, 4, position], float32: sequences, and
                      hypothetical contributions (of effects: less their mean over the four bases; 0 where
                      there is no value), of the regions with status ok, which the BED lists in their order
  enrichment.tsv, summary.tsv, enrichment.svg
                      (--annotation) importance of every task, or its activity with
                      --no-importance, ranked against the annotations: see
                      `mpra-score overlap enrichment --help`
  rejected.bed        (--liftover) regions that are not in the build of the FASTA, as they stood,
                      each below a line with its reason, in liftOver's words: `#Deleted in new`,
                      `#Partially deleted in new`, `#Split in new`, `#Duplicated in new`; and
                      `#Contig not in the chain file`, `#Contig not in the FASTA`. The other files
                      have the coordinates of the FASTA
  run.json            version, command line, inputs, settings, counts

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.";

/// Score regions of a genome with a model
#[derive(Debug, Args)]
#[command(
    after_long_help = OUTPUT_HELP,
    group(ArgGroup::new("regions").required(true).args(["bed", "region", "genome"]))
)]
pub struct ScoreArgs {
    /// Regions: BED3 to BED12 or narrowPeak, plain, gzip or bgzip, or bigBed; `-` for standard input
    #[arg(long, value_name = "FILE")]
    bed: Option<PathBuf>,
    /// A region, 1-based as in browsers and samtools; repeatable
    #[arg(long, value_name = "CONTIG:FROM-TO")]
    region: Vec<String>,
    /// Score every contig of the FASTA, whole
    #[arg(long)]
    genome: bool,
    /// The genome: FASTA, plain or bgzip-compressed, with its .fai (and .gzi) where there are, or .2bit
    // Optional for Rust only: under another subcommand these flags are not required.
    #[arg(long, value_name = "FILE", required = true)]
    fasta: Option<PathBuf>,
    /// The model: an ONNX file, a table of k-mers, a gkm-SVM model, or one that the program carries: `default`,
    /// `distilled` or `paper`;
    /// several, joined by commas, are an ensemble of which the mean is taken
    /// [default: default]
    #[arg(long, value_name = "FILE[,FILE...]")]
    model: Option<PathBuf>,
    /// The folder for the results
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Replace results that are already there
    #[arg(long)]
    force: bool,

    /// Go on with the unfinished run in the output folder, if there is one, and leave this one to
    /// be resumed if it is interrupted or fails
    #[arg(long, help_heading = "Long runs")]
    resume: bool,
    /// Score the I-th of N equal parts, to be joined by `mpra-score merge`
    #[arg(long, value_name = "I/N", value_parser = super::shared::shard, help_heading = "Long runs")]
    shard: Option<Shard>,
    /// How often a run notes how far it is
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "10",
        help_heading = "Long runs"
    )]
    checkpoint: u64,

    /// Tasks to write, by name [default: all]
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        help_heading = "What to compute"
    )]
    tasks: Option<Vec<String>>,
    /// Write the mean over tasks in their place, such as one track a cell type; repeatable
    #[arg(
        long,
        value_name = "NAME=A,B",
        value_parser = super::values::mean_over,
        conflicts_with = "tasks",
        help_heading = "What to compute"
    )]
    mean_over: Vec<(String, Vec<String>)>,
    /// Bases from one window's start to the next's [default: window / 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "What to compute")]
    stride: Option<u32>,
    /// Where windows start: at multiples of the stride, so that overlapping regions agree, or
    /// counted from each region's start
    #[arg(
        long,
        value_enum,
        default_value = "genome",
        help_heading = "What to compute"
    )]
    anchor: AnchorFlag,
    /// Score the sequence as it stands, or the mean with its reverse complement
    #[arg(
        long,
        value_enum,
        default_value = "forward",
        help_heading = "What to compute"
    )]
    strand: StrandFlag,
    #[command(flatten)]
    attribution: AttributionFlags,
    /// Activity only: no in-silico mutagenesis
    #[arg(long, help_heading = "What to compute")]
    no_importance: bool,

    /// Track formats
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "bigwig",
        value_name = "bigwig,bedgraph",
        hide_possible_values = true,
        help_heading = "What to write"
    )]
    format: Vec<FormatFlag>,
    /// Write every scored window with its activities
    #[arg(long, help_heading = "What to write")]
    windows: bool,
    /// Write the effects of all changes, as an array as long as the longest region
    #[arg(long, conflicts_with = "no_importance", help_heading = "What to write")]
    saturation: bool,
    /// How: saturation.npz, or what `modisco motifs` and tangermeme take as it is, for regions of one width
    /// (--resize): modisco.one_hot.npz, modisco.TASK.npz
    #[arg(
        long,
        value_enum,
        default_value = "npz",
        requires = "saturation",
        help_heading = "What to write"
    )]
    saturation_format: SaturationFlag,
    /// Keep N significant bits (1 to 23) of the values in tracks and saturation.npz: 8 are right to 0.2% and take five eighths
    /// of the space; `full`: all [default: full; with --genome 8]
    #[arg(long, value_name = "N|full", value_parser = super::values::precision, help_heading = "What to write")]
    precision: Option<Precision>,
    #[command(flatten)]
    page: ReportFlag,
    /// With --report, also write a UCSC track hub, an IGV session and batch script, and an ini for pyGenomeTracks,
    /// with this name of the genome, such as hg19
    #[arg(
        long,
        value_name = "GENOME",
        requires = "report",
        help_heading = "What to write"
    )]
    hub: Option<String>,
    /// Write all columns of regions.tsv
    #[arg(long, help_heading = "What to write")]
    wide: bool,
    /// Write a missing .fai (and .gzi) beside the FASTA
    #[arg(long, help_heading = "What to write")]
    write_index: bool,

    /// Keep regions that cannot be scored as rows with a reason, instead of stopping
    #[arg(long, help_heading = "Regions")]
    skip_invalid: bool,
    /// Score N bases around the middle of each region instead of the region itself
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "genome", help_heading = "Regions")]
    resize: Option<u32>,
    /// The regions are of another build: lift them by this UCSC chain file to the build of --fasta, as
    /// liftOver does (95% of a region's bases must be aligned, by one chain)
    #[arg(
        long,
        value_name = "CHAIN",
        conflicts_with = "genome",
        help_heading = "Regions"
    )]
    liftover: Option<PathBuf>,
    /// Where regions go that cannot be lifted, each below a line with its reason
    /// [default: rejected.bed, in --out]
    #[arg(
        long,
        value_name = "FILE",
        requires = "liftover",
        conflicts_with = "shard",
        help_heading = "Regions"
    )]
    rejects: Option<PathBuf>,
    /// How contigs of the regions are found under other names: a tab-separated file with one
    /// contig's names a line, or `ucsc-ensembl` (chr1 is 1, chrM is MT)
    #[arg(long, value_name = "FILE|ucsc-ensembl", help_heading = "Regions")]
    chrom_alias: Option<PathBuf>,

    /// Rank every task's scores against an annotation (BED, narrowPeak, bigBed) when they are
    /// done, as `mpra-score overlap enrichment` does; repeatable
    #[arg(
        long,
        value_name = "[NAME=]FILE",
        value_parser = super::shared::named,
        conflicts_with = "shard",
        help_heading = "Annotations"
    )]
    annotation: Vec<Named>,
    /// Conserved elements: short for --annotation siphy=FILE
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "shard",
        help_heading = "Annotations"
    )]
    siphy: Option<PathBuf>,
    /// Binding sites: short for --annotation centipede=FILE
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "shard",
        help_heading = "Annotations"
    )]
    centipede: Option<PathBuf>,

    #[command(flatten)]
    model_flags: ModelFlags,

    #[command(flatten)]
    compute: ComputeFlags,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AnchorFlag {
    Genome,
    Region,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum SaturationFlag {
    Npz,
    #[value(alias = "tangermeme")]
    Modisco,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum FormatFlag {
    Bigwig,
    Bedgraph,
}

impl ScoreArgs {
    fn annotations(&mut self) -> Vec<Named> {
        let mut list = Vec::new();
        for (name, path) in [
            ("siphy", self.siphy.take()),
            ("centipede", self.centipede.take()),
        ] {
            list.extend(path.map(|path| Named {
                name: name.into(),
                path,
            }));
        }
        list.append(&mut self.annotation);
        list
    }

    fn config(self) -> Result<ScoreConfig> {
        let aliases = aliases(self.chrom_alias.as_deref())?;
        Ok(ScoreConfig {
            // clap requires --bed unless --genome is given.
            regions: match &self.bed {
                Some(path) => RegionSource::Bed(BedSource::from_arg(path)),
                None if self.genome => RegionSource::WholeGenome,
                None => RegionSource::Bed(
                    BedSource::from_places(&self.region).map_err(anyhow::Error::msg)?,
                ),
            },
            rows: BedRules {
                invalid: match self.skip_invalid {
                    true => InvalidPolicy::Skip,
                    false => InvalidPolicy::Fail,
                },
                resize: self.resize,
            },
            liftover: self.liftover.map(|chains| LiftoverConfig {
                chains,
                rejects: self.rejects,
            }),
            aliases,
            fasta: self.fasta.context("--fasta is required")?,
            write_index: self.write_index,
            model: ModelSources::from_arg(self.model.as_deref()),
            model_options: self.model_flags.options(),
            ort_lib: self.model_flags.ort_lib,
            tasks: self.tasks,
            mean_over: self.mean_over,
            stride: self.stride,
            anchor: match self.anchor {
                AnchorFlag::Genome => Anchor::Genome,
                AnchorFlag::Region => Anchor::Region,
            },
            strand: self.strand.into(),
            engine: self.compute.choice(),
            batch: self.compute.batch,
            threads: self.compute.threads(),
            outputs: Outputs {
                importance: !self.no_importance,
                attribution: self.attribution.settings(),
                windows: self.windows,
                saturation: self.saturation,
                modisco: self.saturation_format == SaturationFlag::Modisco,
                wide: self.wide,
                formats: Formats {
                    bigwig: self.format.contains(&FormatFlag::Bigwig),
                    bedgraph: self.format.contains(&FormatFlag::Bedgraph),
                },
                precision: self.precision.unwrap_or(match self.genome {
                    // Five eighths of the space; what is lost is far below what models can tell.
                    true => Precision::bits(8).unwrap_or_default(),
                    false => Precision::FULL,
                }),
            },
            out: self.out,
            existing: Existing {
                force: self.force,
                resume: self.resume,
            },
            checkpoint_every: Duration::from_secs(self.checkpoint),
            shard: self.shard,
            command: super::shared::command_line(),
        })
    }
}

pub fn run(mut args: ScoreArgs, quiet: bool) -> Result<()> {
    let annotations = args.annotations();
    let (page, hub) = (args.page, args.hub.take());
    let config = args.config()?;
    let cancel = interrupt::watch()?;
    let summary = score::run_with(&config, &annotations, &Bar::new(quiet), &cancel)?;
    if !quiet {
        report(&summary);
    }
    page.with_hub(&config.out, hub, true, quiet)
}

pub(super) fn report(summary: &Summary) {
    let skipped = (summary.by_status.iter())
        .map(|(status, count)| (status.as_str(), *count))
        .filter(|(status, _)| *status != "ok");
    say(format!(
        "{}{}: {} windows and {} bases scored in {:.1} s",
        many(summary.regions, "region"),
        left_out(skipped),
        summary.windows,
        summary.bases,
        summary.seconds
    ));
    super::shared::not_lifted(summary.not_lifted.as_ref(), "regions");
    if summary.left_out > 0 {
        say(format!(
            "{} windows with unknown bases (N, or past a contig's end) were not scored; --max-unknown takes them",
            summary.left_out
        ));
    }
    if summary.with_unknown > 0 {
        say(format!(
            "{} of the windows hold unknown bases: see unknown_windows in regions.tsv",
            summary.with_unknown
        ));
    }
    if let Some(error) = &summary.completeness {
        say(format!(
            "contributions add up to the differences of activities within {:.1e} on average, {:.1e} at most",
            error.mean(),
            error.largest
        ));
    }
    const MOST: usize = 16;
    for file in summary.files.iter().take(MOST) {
        say(format!("  {}", file.display()));
    }
    if let Some(more) = summary.files.len().checked_sub(MOST).filter(|&n| n > 0) {
        say(format!("  and {more} more files there"));
    }
}
