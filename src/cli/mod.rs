//! The command line: the only place that names clap. One file a subcommand, each with its `Args`
//! and the function that turns them into the library's validated configuration and runs it.

mod dataset;
mod evaluate;
mod fdr;
mod interrupt;
mod merge;
mod model;
mod motifs;
mod overlap;
mod predict;
mod progress;
mod quantiles;
mod report;
mod score;
mod serve;
mod shared;
mod sharpr;
mod train;
mod train_kmer;
mod values;
mod variants;

use anyhow::Result;
use clap::{ArgAction, Args, Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

/// Base-resolution regulatory activity and importance from MPRA sequence models
///
/// `mpra-score --bed regions.bed --fasta hg19.fa --out results` scores regions with the model that
/// the program carries; it is short for `mpra-score score`.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    score: score::ScoreArgs,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Score regions: activity and importance tracks (the main job; needs no subcommand)
    Score(Box<score::ScoreArgs>),
    Merge(merge::MergeArgs),
    Predict(Box<predict::PredictArgs>),
    Dataset(dataset::DatasetArgs),
    Sharpr(sharpr::SharprArgs),
    Overlap(overlap::OverlapArgs),
    Train(Box<train::TrainArgs>),
    Evaluate(Box<evaluate::EvaluateArgs>),
    Variants(Box<variants::VariantsArgs>),
    Fdr(Box<fdr::FdrArgs>),
    Report(report::ReportArgs),
    Serve(serve::ServeArgs),
    /// Look into model files
    Model(model::ModelArgs),
}

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "General")]
pub struct Logging {
    /// Say less: errors only, and no progress bar
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more (-vv: still more)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

impl Cli {
    /// The log level asked for.
    pub fn verbosity(&self) -> LevelFilter {
        match (self.logging.quiet, self.logging.verbose) {
            (true, _) => LevelFilter::ERROR,
            (false, 0) => LevelFilter::WARN,
            (false, 1) => LevelFilter::INFO,
            _ => LevelFilter::DEBUG,
        }
    }

    /// Runs the subcommand.
    pub fn run(self) -> Result<()> {
        let quiet = self.logging.quiet;
        match self.command {
            None => score::run(self.score, quiet),
            Some(Command::Score(args)) => score::run(*args, quiet),
            Some(Command::Merge(args)) => merge::run(args, quiet),
            Some(Command::Model(args)) => model::run(args, quiet),
            Some(Command::Predict(args)) => args.run(quiet),
            Some(Command::Dataset(args)) => args.run(quiet),
            Some(Command::Overlap(args)) => args.run(quiet),
            Some(Command::Evaluate(args)) => args.run(quiet),
            Some(Command::Variants(args)) => args.run(quiet),
            Some(Command::Fdr(args)) => args.run(quiet),
            Some(Command::Report(args)) => args.run(quiet),
            Some(Command::Serve(args)) => args.run(quiet),
            Some(Command::Sharpr(args)) => args.run(quiet),
            Some(Command::Train(args)) => args.run(quiet),
        }
    }
}

/// Sends the library's log lines to standard error.
pub fn start_logging(level: LevelFilter) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .without_time()
        .with_target(false)
        // It would panic where standard error is closed.
        .log_internal_errors(false)
        .init();
}
