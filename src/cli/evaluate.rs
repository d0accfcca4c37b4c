//! `mpra-score evaluate`: predictions against measurements.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::dataset::Split;
use crate::evaluate::{
    self, Against, Bootstrap, Common, ExamplesConfig, Fields, Side, SuiteConfig, SuiteSummary,
    Summary, VariantsConfig,
};
use crate::labelled::{Columns, Source};
use crate::model::ModelSources;
use crate::output::{Existing, decimals};
use anyhow::{Context, Result};
use clap::error::ErrorKind;
use clap::{ArgGroup, Args, CommandFactory, ValueEnum};

use super::interrupt;
use super::progress::Bar;
use super::report::ReportFlag;
use super::shared::{ModelFlags, aliases, all_cores, command_line, say};
use super::train_kmer::ValuesFlag;

const OUTPUT: &str = "\
Data (--data), told apart by content:
  Parquet    of `mpra-score dataset`, or with columns of the same names
  table      tab-separated, a header with `sequence` and a column a label; perhaps also id, split,
             weight, region, LABEL.activity, LABEL.rep1, LABEL.rep2, ...
  BED        with --fasta: the window around the middle of each interval, forward strand; labels
             by a header line (`#chrom start end name LABEL ...`), without one column 5 is `score`
Labels are compared with the tasks of the same name, and as --map says.

Variants (--variants): VCF with the effect in INFO, or a table with chrom, pos (1-based), ref, alt and
the effect's column. The window starts window / 2 bases before the variant's first base; its
effect is activity(alternative) - activity(reference). Only windows without unknown bases count.

Suites (--suite): TOML with a [[judge]] each, of kind labels, values, alleles or effects, with cells and
their differences; docs/evaluate.md has an example and all keys. Every judge has four predictors: the
model, the --baseline, the share of G and C, and a k-mer regression fitted to the judge, fold by fold.
  judges.tsv       judge, kind, cell, subset, predictor (or a difference of two, on the same draws),
                   task, statistic, value, low, high, n, positives, groups
  judges.json      the same with the settings; judges.svg  the figure
  predictions.tsv.gz  every item of every cell: measured, the predictions, stratum, fold, or why not

Output of the others:
  metrics.tsv      one row a label (or element) and task, and model
    n, groups            rows (or variants) and groups (regions, positions) they are in
    mse                  mean squared error
    r2                   1 - squared error / squared deviation from the mean
    pearson, spearman    correlation
    pearson_gain         Pearson above that of --baseline
    *_low, *_high        bootstrap interval over groups
    replicate_pearson    mean correlation of two replicates
    replicate_ceiling    correlation of a perfect prediction with the mean of k replicates:
                         sqrt(k r / (1 + (k - 1) r))
  metrics.json     the same
  predictions.tsv  (--data) name, split, status, each label, LABEL.predicted, LABEL.baseline
  variants.tsv     (--variants) the variants, status, measured, TASK.predicted, TASK.baseline; status:
                   ok, no_effect, few_barcodes, past_contig_end, unknown_bases, or why variants
                   would not score the allele (unknown_contig, ref_mismatch, ...)
  predicted.svg    measured against predicted
  run.json         version, command line, inputs, settings, counts";

/// Measure a model against measured activities or variant effects
#[derive(Debug, Args)]
#[command(
    after_long_help = OUTPUT,
    group(ArgGroup::new("measured").required(true).args(["data", "variants", "suite"]))
)]
pub struct EvaluateArgs {
    /// Sequences with measured values
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The column of sequences in a table of --data [default: sequence]
    #[arg(long, value_name = "NAME", requires = "data")]
    sequence_column: Option<String>,
    /// Measured variant effects
    #[arg(long, value_name = "FILE", requires = "fasta")]
    variants: Option<PathBuf>,
    /// Many judges: a TOML file, docs/evaluate.md
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["split", "values", "tasks", "effect_field", "element_field", "barcode_field", "min_barcodes"]
    )]
    suite: Option<PathBuf>,
    /// The genome, for a BED, variants, or a suite that names none
    #[arg(long, value_name = "FILE")]
    fasta: Option<PathBuf>,
    /// How contigs are found under other names: a tab-separated file with one contig's names a
    /// line, or `ucsc-ensembl` (chr1 is 1, chrM is MT)
    #[arg(long, value_name = "FILE|ucsc-ensembl")]
    chrom_alias: Option<PathBuf>,
    /// The model: an ONNX file, a table of k-mers, a gkm-SVM model, or one that the program carries: `default`,
    /// `distilled` or `paper`;
    /// several, joined by commas, are an ensemble of which the mean is taken
    /// [default: default]
    #[arg(long, value_name = "FILE[,FILE...]")]
    model: Option<PathBuf>,
    /// A second model to compare with, such as a k-mer regression
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Compare a label with this task; repeatable. With --suite, TASK=TASK: the suite's and the
    /// model's
    #[arg(long, value_name = "LABEL=TASK", value_parser = pair, value_delimiter = ',', conflicts_with = "variants")]
    map: Vec<(String, String)>,
    /// The same for the baseline; with --variants, TASK=TASK: the model's and the baseline's, with
    /// --suite the suite's and the baseline's
    #[arg(long, value_name = "LABEL=TASK", value_parser = pair, value_delimiter = ',', requires = "baseline")]
    baseline_map: Vec<(String, String)>,
    /// Rows of which side of the split [default: test where there is one, else all]
    #[arg(long, value_enum, conflicts_with = "variants")]
    split: Option<SplitFlag>,
    /// The label's own column (standardised in a data set), or LABEL.activity (log2)
    #[arg(
        long,
        value_enum,
        default_value = "standardised",
        conflicts_with = "variants"
    )]
    values: ValuesFlag,
    /// Tasks to compare with the variants' effects [default: all]
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        conflicts_with = "data"
    )]
    tasks: Option<Vec<String>>,
    /// Field of the measured effect
    #[arg(
        long,
        value_name = "NAME",
        default_value = "EFF",
        conflicts_with = "data"
    )]
    effect_field: String,
    /// Field of the element
    #[arg(
        long,
        value_name = "NAME",
        default_value = "ELEM",
        conflicts_with = "data"
    )]
    element_field: String,
    /// Field of the number of barcodes
    #[arg(
        long,
        value_name = "NAME",
        default_value = "BC",
        conflicts_with = "data"
    )]
    barcode_field: String,
    /// Leave out variants with fewer barcodes
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10.0,
        conflicts_with = "data"
    )]
    min_barcodes: f64,
    /// Bootstrap replicates for the intervals; 0 for none [default: as the suite says, else 1000]
    #[arg(long, value_name = "N")]
    bootstrap: Option<u64>,
    /// Share of the bootstrap distribution that an interval holds [default: as the suite says, else
    /// 0.95]
    #[arg(long, value_name = "SHARE")]
    interval: Option<f64>,
    /// Seed of the bootstrap [default: as the suite says, else 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    model_flags: ModelFlags,
    /// Windows given to a model at a time
    #[arg(long, value_name = "N", default_value = "64")]
    batch: NonZeroUsize,
    /// Worker threads; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the results of an earlier run
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    page: ReportFlag,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SplitFlag {
    Train,
    Validation,
    Test,
    All,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((label, task)) if !label.is_empty() && !task.is_empty() => {
            Ok((label.into(), task.into()))
        }
        _ => Err(format!("{text:?} is not LABEL=TASK")),
    }
}

impl EvaluateArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        if !(self.interval).is_none_or(|share| share > 0.0 && share < 1.0) {
            return Err(super::Cli::command()
                .error(
                    ErrorKind::ValueValidation,
                    "--interval lies between 0 and 1",
                )
                .into());
        }
        let aliases = aliases(self.chrom_alias.as_deref())?;
        let default = Bootstrap::default();
        let out = self.out.clone();
        let common = Common {
            model: ModelSources::from_arg(self.model.as_deref()),
            model_options: self.model_flags.options(),
            ort_lib: self.model_flags.ort_lib,
            map: self.map,
            baseline: self.baseline.map(|path| Against {
                model: ModelSources::from_arg(Some(&path)),
                map: self.baseline_map,
            }),
            bootstrap: Bootstrap {
                replicates: self.bootstrap.unwrap_or(default.replicates),
                share: self.interval.unwrap_or(default.share),
                seed: self.seed.unwrap_or(default.seed),
            },
            batch: self.batch,
            threads: self.threads.unwrap_or_else(all_cores),
            out: self.out,
            existing: Existing {
                force: self.force,
                resume: false,
            },
            command: command_line(),
        };
        let cancel = interrupt::watch()?;
        if let Some(suite) = self.suite {
            let config = SuiteConfig {
                suite,
                fasta: self.fasta,
                aliases,
                replicates: self.bootstrap,
                share: self.interval,
                seed: self.seed,
                common,
            };
            let summary = evaluate::run_suite(&config, &Bar::of(quiet, "sequences"), &cancel)?;
            if !quiet {
                report_suite(&summary);
            }
            return self.page.of(&out, true, quiet);
        }
        let summary = match (self.data, self.variants) {
            (Some(data), _) => {
                let config = ExamplesConfig {
                    source: Source {
                        data,
                        fasta: self.fasta,
                        aliases,
                        columns: Columns {
                            sequence: self.sequence_column,
                            ..Columns::default()
                        },
                    },
                    side: match self.split {
                        None => Side::Auto,
                        Some(SplitFlag::Train) => Side::Of(Split::Train),
                        Some(SplitFlag::Validation) => Side::Of(Split::Validation),
                        Some(SplitFlag::Test) => Side::Of(Split::Test),
                        Some(SplitFlag::All) => Side::All,
                    },
                    values: self.values.into(),
                    common,
                };
                evaluate::run_examples(&config, &cancel)?
            }
            (None, variants) => {
                let config = VariantsConfig {
                    // clap requires one of the two, and a FASTA with this one.
                    variants: variants.context("--variants is required")?,
                    fields: Fields {
                        effect: self.effect_field,
                        element: self.element_field,
                        barcodes: self.barcode_field,
                    },
                    fasta: self.fasta.context("--fasta is required")?,
                    aliases,
                    min_barcodes: self.min_barcodes,
                    tasks: self.tasks,
                    common,
                };
                evaluate::run_variants(&config, &cancel)?
            }
        };
        if !quiet {
            report(&summary);
        }
        self.page.of(&out, true, quiet)
    }
}

/// The first statistic of every whole cell and element, and the one within strata.
fn report_suite(summary: &SuiteSummary) {
    let shown = |statistic: &str| {
        ["auroc", "conditional_auroc", "pearson", "stratum_pearson"].contains(&statistic)
    };
    let mut lines: Vec<(String, String)> = Vec::new();
    for row in &summary.rows {
        let part = row.kind != "labels" && row.subset != "all";
        if !shown(row.statistic) || row.predictor.contains(" - ") || !(part || row.subset == "all")
        {
            continue;
        }
        let subset = if part {
            format!(", {}", row.subset)
        } else {
            String::new()
        };
        let key = format!("{}, {}{subset}: {}", row.judge, row.cell, row.statistic);
        let figure = format!("{} {}", row.predictor, decimals(row.estimate.value, 3));
        match lines.last_mut() {
            Some((last, figures)) if *last == key => *figures += &format!(", {figure}"),
            _ => lines.push((key, figure)),
        }
    }
    for (key, figures) in lines {
        say(format!("{key} {figures}"));
    }
    for (judge, reasons) in &summary.left_out {
        for (reason, count) in reasons {
            say(format!("{judge}: left out: {count} {reason}"));
        }
    }
    for file in &summary.files {
        say(format!("  {}", file.display()));
    }
}

fn report(summary: &Summary) {
    for row in &summary.rows {
        let m = &row.metrics;
        let ceiling = row.replicates.map_or(String::new(), |c| {
            format!("; replicates allow {}", decimals(c.ceiling, 3))
        });
        say(format!(
            "{} by {} of the {}: Pearson {} ({} to {}), Spearman {}, MSE {}, n {}{ceiling}",
            row.of,
            row.task,
            row.model,
            decimals(m.pearson.value, 3),
            decimals(m.pearson.low, 3),
            decimals(m.pearson.high, 3),
            decimals(m.spearman.value, 3),
            decimals(m.mse.value, 4),
            m.n
        ));
    }
    for (reason, count) in &summary.skipped {
        say(format!("left out: {count} {reason}"));
    }
    for file in &summary.files {
        say(format!("  {}", file.display()));
    }
}
