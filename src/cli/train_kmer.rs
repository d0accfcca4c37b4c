//! `mpra-score train kmer`: the k-mer regression baseline.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::evaluate::Values;
use crate::output::decimals;
use crate::train::kmer::{Config, Epoch, LONGEST, Penalty, Progress, run};
use anyhow::Result;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::interrupt;
use super::shared::{TableFlags, all_cores, command_line, say};
use super::values::{above_zero, share, whole, zero_or_more};

const OUTPUT: &str = "\
Output:
  model.onnx     all tasks in one file; every other command takes it with --model
  model.json     settings, data and its SHA-256, split, seed, penalties taken, test figures
  training.tsv   task, alpha, epoch, training_mse (each row before its step), validation_mse
  metrics.tsv    test figures as `mpra-score evaluate` writes them
  learning.svg, predicted.svg
  run.json       version, command line, inputs, settings";

/// Linear regression on k-mer counts, by stochastic gradient descent: the paper's baseline
///
/// One regression a label, on the counts of all k-mers of 1 to --longest bases. Counts are scaled so
/// that each length has the same share of the sum of squares, 1 in all. The steps are those of
/// scikit-learn's SGDRegressor (squared_error, invscaling).
#[derive(Debug, Args)]
#[command(after_long_help = OUTPUT, allow_negative_numbers = true)]
pub struct TrainKmerArgs {
    /// Examples: the Parquet file of `mpra-score dataset`, or a table of your own (tabs, commas, Parquet)
    /// with columns `sequence`, labels and perhaps `split` (train, validation, test), `weight`, `region`
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    #[command(flatten)]
    table: TableFlags,
    /// Labels to learn [default: all]
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    labels: Option<Vec<String>>,
    /// The label's own column (standardised in a data set), or TASK.activity (log2)
    #[arg(long, value_enum, default_value = "standardised")]
    values: ValuesFlag,
    /// Bases of the longest k-mers
    #[arg(long, value_name = "K", default_value_t = LONGEST, value_parser = whole(1..=LONGEST))]
    longest: usize,
    /// What keeps weights small
    #[arg(long, value_enum, default_value = "l2")]
    penalty: PenaltyFlag,
    /// Share of L1 in the elastic net
    #[arg(long, value_name = "SHARE", default_value_t = 0.15, value_parser = share::<f64>)]
    l1_share: f64,
    /// Strength of the penalty; of several the one with the least validation error is taken, task
    /// by task
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "A,B",
        value_parser = zero_or_more::<f64>,
        default_value = "1e-5,1e-4,1e-3,1e-2"
    )]
    alpha: Vec<f64>,
    /// Learning rate of step t: ETA0 / t^POWER_T
    #[arg(long, value_name = "ETA0", default_value_t = 0.1, value_parser = above_zero::<f64>)]
    eta0: f64,
    /// See --eta0
    #[arg(long, value_name = "POWER_T", default_value_t = 0.25, value_parser = zero_or_more::<f64>)]
    power_t: f64,
    /// Passes over the training rows, at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole(1..=1_000_000usize))]
    epochs: usize,
    /// Passes without a better validation error before the best weights are taken; 0: all passes
    /// are made, and the last weights are taken
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole(0..=1_000_000usize))]
    patience: usize,
    /// Give all rows the same weight, whatever the column `weight` says
    #[arg(long)]
    unweighted: bool,
    /// Seed of the order of rows
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Bootstrap replicates for the intervals of the test figures; 0 for none
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = whole(0..=1_000_000u64))]
    bootstrap: u64,
    /// The ONNX Runtime library [default: $ORT_DYLIB_PATH, the program's folder, ../lib, the
    /// system]
    #[arg(long, value_name = "FILE")]
    ort_lib: Option<PathBuf>,
    /// Worker threads; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the results of an earlier run
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ValuesFlag {
    Standardised,
    Activity,
}

impl From<ValuesFlag> for Values {
    fn from(flag: ValuesFlag) -> Self {
        match flag {
            ValuesFlag::Standardised => Self::Standardised,
            ValuesFlag::Activity => Self::Activity,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PenaltyFlag {
    L2,
    L1,
    Elasticnet,
}

/// A progress bar on standard error, drawn only on a terminal: passes, errors of the last one, time
/// left.
struct Passes(ProgressBar);

impl Passes {
    fn new(quiet: bool) -> Self {
        let bar = ProgressBar::new(0);
        let visible = !quiet && std::io::stderr().is_terminal();
        bar.set_draw_target(match visible {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        });
        let style = "{wide_bar} {pos}/{len} passes, at most {eta} left; {msg}";
        let style = ProgressStyle::with_template(style);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }
}

impl Progress for Passes {
    fn start(&self, passes: u64) {
        self.0.set_length(passes);
        self.0.reset();
    }

    fn pass(&self, task: &str, alpha: f64, epoch: usize, errors: &Epoch) {
        self.0.inc(1);
        self.0.set_message(format!(
            "{task}, alpha {alpha}, pass {epoch}: training {:.4}, validation {:.4}",
            errors.training, errors.validation
        ));
    }

    fn spared(&self, passes: u64) {
        self.0
            .set_length(self.0.length().unwrap_or(0).saturating_sub(passes));
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl TrainKmerArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let config = Config {
            columns: self.table.columns(),
            sides: self.table.sides(&[], &[], self.seed),
            data: self.data,
            labels: self.labels,
            values: self.values.into(),
            longest: self.longest,
            penalty: match self.penalty {
                PenaltyFlag::L2 => Penalty::L2,
                PenaltyFlag::L1 => Penalty::L1,
                PenaltyFlag::Elasticnet => Penalty::ElasticNet(self.l1_share),
            },
            alphas: self.alpha,
            eta0: self.eta0,
            power_t: self.power_t,
            epochs: self.epochs,
            patience: self.patience,
            weighted: !self.unweighted,
            seed: self.seed,
            bootstrap: self.bootstrap,
            ort_lib: self.ort_lib,
            threads: self.threads.unwrap_or_else(all_cores),
            out: self.out,
            force: self.force,
            command: command_line(),
        };
        let summary = run(&config, &Passes::new(quiet), &interrupt::watch()?)?;
        if !quiet {
            for task in &summary.tasks {
                say(format!(
                    "{}: alpha {}, pass {}; test MSE {}, Pearson {}",
                    task.name,
                    task.alpha,
                    task.epoch,
                    decimals(task.test.0, 4),
                    decimals(task.test.1, 3)
                ));
            }
            for file in &summary.files {
                say(format!("  {}", file.display()));
            }
        }
        Ok(())
    }
}
