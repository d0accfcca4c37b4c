//! `mpra-score predict`: activities of sequences that stand alone.

use std::path::PathBuf;

use crate::encode::push_codes;
use crate::model::ModelSources;
use crate::score::{Flanks, PredictConfig, PredictSummary, predict};
use anyhow::{Result, bail};
use clap::Args;

use super::interrupt;
use super::progress::Bar;
use super::shared::{
    ComputeFlags, ModelFlags, StrandFlag, command_line, left_out, many, say, wrote,
};

const HELP: &str = "\
For example:
  mpra-score predict designs.fa > predictions.tsv
  mpra-score predict oligos.csv --sequence-column oligo --name-column id --out predicted --saturation
  mpra-score predict short.fa --flank ACTGGCCGCTTGACG,CACTGCGGCTCCTGC

Output, in the folder --out, or the table alone to standard output:
  predictions.tsv   one row a sequence, in input order: name, length, windows (scored), status
                    (ok; too_short: shorter than a window, with its flanks; unknown_bases: in each of
                    its windows), then for each task
      TASK.mean_activity, TASK.max_activity   over the windows, --stride bases apart
      TASK.SET_quantile                       share of the set's windows that are less active than the
                                              mean, where the model's file says so (`model quantiles`)
      TASK.mean_activity_spread               (--model A,B) standard deviation over the models
                    NA where there is no value
  saturation.npz    (--saturation) effects [row, position, 4 (A, C, G, T), task], mutant -
                    reference, means over the windows; importance [row, position, task];
                    one_hot [row, position, 4]; lengths [row]; tasks
  run.json          version, command line, inputs, settings, counts";

/// Predict activities of sequences, without a genome
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct PredictArgs {
    /// Sequences: FASTA, or a table with a header (tabs or commas); plain, gzip or bgzip; `-` for standard
    /// input
    sequences: PathBuf,
    /// The table's column of sequences [default: sequence]
    #[arg(long, value_name = "NAME")]
    sequence_column: Option<String>,
    /// The table's column of names [default: name or id, where there is one]
    #[arg(long, value_name = "NAME")]
    name_column: Option<String>,
    /// What the construct has before and behind each sequence: sequences shorter than a window are filled
    /// up with it to the window's length, on both sides alike
    #[arg(long, value_name = "LEFT,RIGHT", value_parser = flanks)]
    flank: Option<Flanks>,
    /// The model, as in `mpra-score score` [default: default]
    #[arg(long, value_name = "FILE[,FILE...]")]
    model: Option<PathBuf>,
    /// The folder for the results; `-`: the table to standard output
    #[arg(long, value_name = "DIR", default_value = "-")]
    out: PathBuf,
    /// Replace results that are already there
    #[arg(long)]
    force: bool,
    /// Tasks to write, by name [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    tasks: Option<Vec<String>>,
    /// Bases from one window's start to the next's, in sequences longer than a window
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    stride: u32,
    /// Score sequences as they stand, or the mean with their reverse complements
    #[arg(long, value_enum, default_value = "forward")]
    strand: StrandFlag,
    /// Write the effects of all changes, as an array as long as the longest sequence
    #[arg(long)]
    saturation: bool,
    #[command(flatten)]
    flags: ModelFlags,
    #[command(flatten)]
    compute: ComputeFlags,
}

fn flanks(text: &str) -> Result<Flanks, String> {
    let (left, right) = text.split_once(',').ok_or("expected LEFT,RIGHT")?;
    let codes = |letters: &str| {
        let mut codes = Vec::new();
        match push_codes(letters.as_bytes(), &mut codes) {
            true => Ok(codes),
            false => Err(format!("{letters:?} is no sequence")),
        }
    };
    Ok(Flanks {
        left: codes(left)?,
        right: codes(right)?,
    })
}

impl PredictArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let to_stdout = self.out.as_os_str() == "-";
        if to_stdout && self.saturation {
            bail!("--saturation needs a folder: --out DIR");
        }
        let cancel = interrupt::watch()?;
        let config = PredictConfig {
            sequences: self.sequences,
            sequence_column: self.sequence_column,
            name_column: self.name_column,
            flanks: self.flank,
            model: ModelSources::from_arg(self.model.as_deref()),
            model_options: self.flags.options(),
            ort_lib: self.flags.ort_lib,
            tasks: self.tasks,
            stride: self.stride,
            engine: self.compute.settings(self.strand),
            saturation: self.saturation,
            out: self.out,
            force: self.force,
            command: command_line(),
        };
        let summary = predict(&config, &Bar::new(quiet), &cancel)?;
        if !quiet {
            report(&summary);
        }
        Ok(())
    }
}

fn report(summary: &PredictSummary) {
    let skipped = [
        ("too_short", summary.too_short),
        ("unknown_bases", summary.unknown_bases),
    ];
    say(format!(
        "{}{}: {} windows scored in {:.1} s",
        many(summary.sequences, "sequence"),
        left_out(skipped),
        summary.windows,
        summary.seconds
    ));
    wrote(&summary.files);
}
