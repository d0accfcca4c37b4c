use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

/// Join the shards of a job (--shard I/N) into the results of one run
///
/// The tracks and tables are the same, byte for byte, as those of a run without --shard. The
/// shards stay where they are.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The output folders of all shards, in any order
    #[arg(required = true)]
    shards: Vec<PathBuf>,
    /// The folder for the results
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Replace results that are already there
    #[arg(long)]
    force: bool,
}

pub fn run(args: MergeArgs, quiet: bool) -> Result<()> {
    let cancel = super::interrupt::watch()?;
    let command = super::shared::command_line();
    let summary = crate::score::merge(&args.shards, &args.out, args.force, &command, &cancel)?;
    if !quiet {
        super::score::report(&summary);
    }
    Ok(())
}
