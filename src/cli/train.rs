//! `mpra-score train`: models fitted to labelled sequences.

use anyhow::Result;
use clap::{Args, Subcommand};

use super::train_kmer::TrainKmerArgs;

/// Train models
#[derive(Debug, Args)]
pub struct TrainArgs {
    #[command(subcommand)]
    command: TrainCommand,
}

#[derive(Debug, Subcommand)]
enum TrainCommand {
    Kmer(TrainKmerArgs),
}

impl TrainArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        match self.command {
            TrainCommand::Kmer(args) => args.run(quiet),
        }
    }
}
