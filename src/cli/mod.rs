//! The command line: the only place that names clap. One file a subcommand, each with its `Args`
//! and the function that turns them into the library's validated configuration and runs it.
//!
//! [`main`] is the program. [`run`] is the same for another program that has it inside, such as the Python module.

mod ablate;
mod convert;
mod dataset;
mod design;
mod evaluate;
mod fdr;
mod filters;
mod haplotypes;
mod interrupt;
mod marginalize;
mod memory;
mod merge;
mod model;
mod motifs;
mod overlap;
mod pairs;
mod perturb;
mod predict;
mod progress;
mod quantiles;
mod report;
mod score;
mod serve;
mod shared;
mod sharpr;
mod shell;
mod train;
mod train_kmer;
mod values;
mod variants;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::{ArgAction, Args, Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

use crate::{Cancel, output};

pub use memory::Checked;

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
struct Cli {
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
    Pairs(Box<pairs::PairsArgs>),
    Marginalize(Box<marginalize::MarginalizeArgs>),
    Ablate(Box<ablate::AblateArgs>),
    Design(Box<design::DesignArgs>),
    Dataset(dataset::DatasetArgs),
    Sharpr(sharpr::SharprArgs),
    Overlap(overlap::OverlapArgs),
    Train(Box<train::TrainArgs>),
    Evaluate(Box<evaluate::EvaluateArgs>),
    Variants(Box<variants::VariantsArgs>),
    Haplotypes(Box<haplotypes::HaplotypesArgs>),
    Fdr(Box<fdr::FdrArgs>),
    Motifs(motifs::MotifsArgs),
    Report(report::ReportArgs),
    Serve(serve::ServeArgs),
    /// Look into model files
    Model(model::ModelArgs),
    Completions(shell::CompletionsArgs),
    Man(shell::ManArgs),
}

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "General")]
struct Logging {
    /// Say less: errors only, and no progress bar
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more (-vv: still more)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

impl Cli {
    /// The log level asked for.
    fn verbosity(&self) -> LevelFilter {
        match (self.logging.quiet, self.logging.verbose) {
            (true, _) => LevelFilter::ERROR,
            (false, 0) => LevelFilter::WARN,
            (false, 1) => LevelFilter::INFO,
            _ => LevelFilter::DEBUG,
        }
    }

    /// Runs the subcommand.
    fn run(self) -> Result<()> {
        let quiet = self.logging.quiet;
        match self.command {
            None => score::run(self.score, quiet),
            Some(Command::Score(args)) => score::run(*args, quiet),
            Some(Command::Merge(args)) => merge::run(args, quiet),
            Some(Command::Model(args)) => model::run(args, quiet),
            Some(Command::Predict(args)) => args.run(quiet),
            Some(Command::Pairs(args)) => args.run(quiet),
            Some(Command::Marginalize(args)) => args.run(quiet),
            Some(Command::Ablate(args)) => args.run(quiet),
            Some(Command::Design(args)) => args.run(quiet),
            Some(Command::Dataset(args)) => args.run(quiet),
            Some(Command::Overlap(args)) => args.run(quiet),
            Some(Command::Evaluate(args)) => args.run(quiet),
            Some(Command::Variants(args)) => args.run(quiet),
            Some(Command::Haplotypes(args)) => args.run(quiet),
            Some(Command::Fdr(args)) => args.run(quiet),
            Some(Command::Motifs(args)) => args.run(quiet),
            Some(Command::Report(args)) => args.run(quiet),
            Some(Command::Serve(args)) => args.run(quiet),
            Some(Command::Sharpr(args)) => args.run(quiet),
            Some(Command::Train(args)) => args.run(quiet),
            Some(Command::Completions(args)) => args.run(),
            Some(Command::Man(args)) => args.run(),
        }
    }
}

/// Sends the library's log lines to standard error.
fn start_logging(level: LevelFilter) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .without_time()
        .with_target(false)
        // It would panic where standard error is closed.
        .log_internal_errors(false)
        .try_init()
        .ok();
}

/// The program: reads the process's arguments, runs, and gives its exit code.
pub fn main() -> ExitCode {
    // A file that is too large is an error of the write, with words, not the end of the process.
    // SAFETY: no handler; nothing else runs yet.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    memory::keep_reserve();
    memory::watch_panics();
    ExitCode::from(main_with(std::env::args_os().skip(1)))
}

/// The same with other words; where they are no command, or ask for help, the process ends.
pub fn main_with(words: impl IntoIterator<Item = OsString>) -> u8 {
    let words = std::iter::once("mpra-score".into()).chain(words);
    // clap prints usage errors itself and exits with 2, help and version with 0.
    let cli = Cli::parse_from(words);
    // A track is several open files, and a model may have hundreds of tasks. Where the limit
    // cannot be raised, opening fails with a hint.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    start_logging(cli.verbosity());
    let done = cli.run();
    output::settle_indexes(done.is_ok());
    match done {
        Ok(()) => 0,
        Err(error) => report(&error),
    }
}

/// Why [`run`] failed.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong, with its causes.
    pub text: String,
    /// One line that says how to mend it, when there is a way.
    pub hint: Option<String>,
    /// Whether the caller cancelled it.
    pub interrupted: bool,
    /// Whether the words were no command.
    pub usage: bool,
}

/// Runs a command inside another program: its words without the program's name. Signals are the caller's matter,
/// who asks the job to stop by `cancel`; nothing ends the process.
///
/// # Errors
/// What the program would have printed.
pub fn run(
    words: impl IntoIterator<Item = OsString>,
    cancel: &Cancel,
) -> std::result::Result<(), Failure> {
    let words = std::iter::once("mpra-score".into()).chain(words);
    let usage = |e: &clap::Error| Failure {
        text: e.to_string().trim_end().to_owned(),
        hint: None,
        interrupted: false,
        usage: true,
    };
    let cli = Cli::try_parse_from(words).map_err(|e| usage(&e))?;
    start_logging(cli.verbosity());
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let done = interrupt::with(cancel, || cli.run());
    output::settle_indexes(done.is_ok());
    done.map_err(|error| {
        if let Some(e) = error.downcast_ref::<clap::Error>() {
            return usage(e);
        }
        let known = known(&error);
        Failure {
            text: told(&format!("{error:#}")),
            hint: known.and_then(crate::Error::hint),
            interrupted: known.and_then(crate::Error::interrupted).is_some(),
            usage: false,
        }
    })
}

/// The library's error among the causes.
fn known(error: &anyhow::Error) -> Option<&crate::Error> {
    error.chain().find_map(|e| e.downcast_ref::<crate::Error>())
}

/// Exit codes: 0 done (also when the reader of standard output went away), 1 failed, 2 usage,
/// 130 interrupted.
fn report(error: &anyhow::Error) -> u8 {
    let broken_pipe = error
        .chain()
        .filter_map(|e| e.downcast_ref::<std::io::Error>())
        .any(|e| e.kind() == ErrorKind::BrokenPipe);
    if broken_pipe {
        return 0;
    }
    // Settings that clap cannot judge one by one.
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        say(&usage.to_string());
        return 2;
    }
    let known = known(error);
    let interrupted = known.and_then(crate::Error::interrupted);
    // Whatever the wish to stop made fail first.
    if interrupted.is_some() || interrupt::is_requested() {
        say(&format!("{}\n", interrupt::said(interrupted == Some(true))));
        return interrupt::INTERRUPTED;
    }
    say(&format!("error: {}\n", told(&format!("{error:#}"))));
    if let Some(hint) = known.and_then(crate::Error::hint) {
        say(&format!("hint: {}\n", told(&hint)));
    }
    1
}

/// What is said of a file may be long, and may hold what a terminal would obey.
fn told(text: &str) -> String {
    const MOST: usize = 1600;
    const END: usize = 400;
    let count = text.chars().count();
    let mut told = String::new();
    for (i, c) in text.chars().enumerate() {
        match count > MOST + END && (MOST..count - END).contains(&i) {
            true if i == MOST => told.push_str(" [...] "),
            true => {}
            false if c.is_control() && c != '\n' && c != '\t' => told.extend(c.escape_default()),
            false => told.push(c),
        }
    }
    told
}

/// Writes to standard error, which may be closed or full: the exit code tells all the same.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
