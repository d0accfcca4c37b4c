//! `mpra-score pairs`: interactions of pairs of changes.

use crate::perturb::{PairsConfig, pairs};
use anyhow::Result;
use clap::{ArgGroup, Args};

use super::interrupt;
use super::perturb::{RunFlags, SourceFlags, WindowsFlag, required};
use super::progress::Bar;
use super::shared::{command_line, left_out, many, say, wrote};

const PAIRS: &str = "\
Interactions of all pairs of single-base changes near each other

Examples:
  mpra-score pairs --out pairs designs.fa
  mpra-score pairs --bed peaks.bed --fasta hg19.fa --distance 30 --tasks HepG2_minP --out pairs";

const PAIRS_OUTPUT: &str = "\
The interaction of a change a of one base and a change b of another is f(ab) - f(a) - f(b) + f(0), f
being the predicted activity: by how much both together do more (or less) than the sum of each.

Of a sequence longer than a window, --windows all (default) takes all windows that lie in it, --stride
bases apart from its first base on; effects are means over the windows that hold the base, interactions
over those that hold both. --windows centre takes the one window in the middle.

Output, in the folder --out; positions are 0-based, in the sequence as it was scored (a widened region
begins before its start: `start` of sequences.tsv):
  pairs.tsv       the --top pairs of bases with the strongest interaction |f(ab) - f(a) - f(b) + f(0)|, of
                  all sequences, for each task; of each pair of bases its strongest pair of changes:
      task, rank, name
      position_a ref_a alt_a, position_b ref_b alt_b   both changes, a before b
      distance                position_b - position_a
      contig contig_a contig_b   of regions: both positions in the genome, 0-based
      windows                 that hold both
      effect_a effect_b       of each change alone, mutant - reference
      interaction
  sequences.tsv   one row a sequence, in input order: name, contig, start (0-based, of the first base that
                  was scored), length, windows (scored), status (ok; too_short: shorter than a window;
                  unknown_bases: in each of its windows; empty), then for each task TASK.activity (mean over
                  windows), TASK.mean_abs_interaction (over all pairs of changes), TASK.largest_interaction
  pairs.npz       interactions [row, position, behind, 4 (a: A, C, G, T), 4 (b), task], float32: of position
                  and position + 1 + behind; 0 where a or b is the base that is there, NaN where there is
                  none. effects [row, position, 4, task], activities [row, task], windows [row],
                  lengths [row], one_hot [row, position, 4], tasks
  pairs.N.svg     (--pictures) for the first sequences: the strongest interaction of each pair of bases
  run.json        version, command line, inputs, settings, counts";

/// Interactions of all pairs of single-base changes near each other
#[derive(Debug, Args)]
#[command(
    long_about = PAIRS,
    after_long_help = PAIRS_OUTPUT,
    group(ArgGroup::new("source").required(true).args(["sequences", "bed"]))
)]
pub struct PairsArgs {
    #[command(flatten)]
    source: SourceFlags,
    /// Pairs of bases at most so many bases apart
    #[arg(long, value_name = "N", default_value_t = 20)]
    distance: usize,
    /// Pairs of bases in the table, for each task
    #[arg(long, value_name = "N", default_value_t = 100)]
    top: usize,
    /// Sequences that get a picture, the first ones
    #[arg(long, value_name = "N", default_value_t = 4)]
    pictures: usize,
    /// Do not write the arrays of all pairs
    #[arg(long)]
    no_arrays: bool,
    /// Which windows of longer sequences are scored
    #[arg(long, value_enum, default_value = "all")]
    windows: WindowsFlag,
    /// Bases from one window's start to the next's, in sequences longer than a window
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    stride: u32,
    #[command(flatten)]
    run: RunFlags,
}

impl PairsArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        let config = PairsConfig {
            source: required(self.source.source()?),
            windows: self.windows.with(self.stride),
            distance: self.distance,
            top: self.top,
            pictures: self.pictures,
            arrays: !self.no_arrays,
            scoring: self.run.scoring(),
            out: self.run.out,
            force: self.run.force,
            command: command_line(),
        };
        let summary = pairs(&config, &Bar::new(quiet), &cancel)?;
        if !quiet {
            say(format!(
                "{}{}: {} pairs of changes in {} in {:.1} s",
                many(summary.sequences as u64, "sequence"),
                left_out(summary.left_out.iter().copied()),
                summary.pairs,
                many(summary.windows, "window"),
                summary.seconds
            ));
            wrote(&summary.files);
        }
        self.run.report.of(&config.out, config.force, quiet)
    }
}
