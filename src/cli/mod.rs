//! The command line: the only place that names clap. One file a subcommand, each with its `Args`
//! and the function that turns them into the library's validated configuration and runs it.

mod dataset;
mod sharpr;

use anyhow::Result;
use clap::{ArgAction, Args, Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

/// Base-resolution regulatory activity and importance from MPRA sequence models.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dataset(dataset::DatasetArgs),
    Sharpr(sharpr::SharprArgs),
}

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, Args)]
pub struct Logging {
    /// Say less: errors only
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
        match self.command {
            Some(Command::Dataset(args)) => args.run(),
            Some(Command::Sharpr(args)) => args.run(),
            None => Ok(()),
        }
    }
}

/// The worker threads asked for, by default as many as the machine runs at once.
fn threads(asked: Option<std::num::NonZeroUsize>) -> usize {
    asked
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, std::num::NonZeroUsize::get)
}

/// Sends the library's log lines to standard error.
pub fn start_logging(level: LevelFilter) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .init();
}
