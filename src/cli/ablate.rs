//! `mpra-score ablate`: stretches shuffled or replaced.

use std::path::PathBuf;

use crate::perturb::{AblateConfig, Replacement, Targets, ablate};
use anyhow::Result;
use clap::{ArgGroup, Args};

use super::interrupt;
use super::perturb::{RunFlags, SourceFlags, WindowsFlag, required};
use super::progress::Bar;
use super::shared::{command_line, left_out, many, say, wrote};

const ABLATE: &str = "\
What is lost when stretches of sequences are shuffled or replaced

Examples:
  # intervals, counted from the first base of each sequence
  mpra-score ablate --intervals sites.bed --out ablated designs.fa
  # every hit of known motifs in regions, replaced by N
  mpra-score ablate --motifs jaspar.meme --hit-p 1e-5 --by N --bed peaks.bed --fasta hg19.fa --out hits";

const ABLATE_OUTPUT: &str = "\
Of a sequence longer than a window, --windows all (default) takes all windows that lie in it, --stride bases
apart from its first base on; values are means over those that hold a base of what is ablated. --windows
centre takes the one window in the middle.

Output, in the folder --out:
  ablations.tsv   one row an interval, in the order of the BED, or a hit, in the order of the sequences:
      name start end      the sequence, and the interval in it, 0-based and half-open, from its own first base
      contig contig_start contig_end   of regions: the same in the genome
      ablated             name of the interval or of the motif
      strand p            of a hit; p of a random word of equal shares of the bases
      status              ok; unknown_sequence: none has the name; past_end: outside the sequence; empty;
                          sequence_not_scored: too short, or unknown bases in each window; no_window: none that
                          is scored holds it; unknown_bases: all of it
      windows             that hold a base of it
      changed             draws that differ from what was there (a short stretch may have no other shuffle)
      TASK.activity       as it was
      TASK.effect         mean over draws of activity(ablated) - activity
      TASK.sd             standard deviation over draws; NA of a single one
  ablations.npz   before [row, task], after [row, draw, task], tasks; NaN where there is no value
  ablations.svg   the largest effects
  ablated.fa      (--write-sequences) the ablated sequences: NAME:START-END#DRAW
  left_out.tsv    sequences that cannot be scored, with the reason, where there are
  run.json        version, command line, inputs, settings, seed, counts";

/// What is lost when stretches of sequences are shuffled or replaced
#[derive(Debug, Args)]
#[command(
    long_about = ABLATE,
    after_long_help = ABLATE_OUTPUT,
    group(ArgGroup::new("source").required(true).args(["sequences", "bed"])),
    group(ArgGroup::new("what").required(true).args(["intervals", "motifs"]))
)]
pub struct AblateArgs {
    #[command(flatten)]
    source: SourceFlags,
    /// What is ablated: a BED whose first column names a sequence or region, counted from its first base
    #[arg(long, value_name = "FILE")]
    intervals: Option<PathBuf>,
    /// What is ablated: each hit of these motifs (MEME's minimal format), on both strands
    #[arg(long, value_name = "FILE")]
    motifs: Option<PathBuf>,
    /// Largest p-value of a hit
    #[arg(long, value_name = "P", default_value_t = 1e-4, requires = "motifs")]
    hit_p: f64,
    /// What comes in its place: its own bases with pairs of neighbours kept (`dinucleotide`) or in any order
    /// (`shuffle`), random bases (`uniform`), or these letters, over and over (`N`: nothing that the model sees)
    #[arg(long, value_name = "HOW|LETTERS", default_value = "dinucleotide", value_parser = by)]
    by: Replacement,
    /// How often it is drawn
    #[arg(long, value_name = "N", default_value_t = 20)]
    shuffles: usize,
    /// Seed of what is drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Also write the ablated sequences
    #[arg(long)]
    write_sequences: bool,
    /// Which windows of longer sequences are scored
    #[arg(long, value_enum, default_value = "all")]
    windows: WindowsFlag,
    /// Bases from one window's start to the next's, in sequences longer than a window
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    stride: u32,
    #[command(flatten)]
    run: RunFlags,
}

fn by(text: &str) -> Result<Replacement, String> {
    Replacement::parse(text).map_err(|e| e.to_string())
}

impl AblateArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        let config = AblateConfig {
            source: required(self.source.source()?),
            windows: self.windows.with(self.stride),
            targets: match self.motifs {
                Some(motifs) => Targets::Hits {
                    motifs,
                    most_p: self.hit_p,
                },
                // clap requires one of the two.
                None => Targets::Intervals(self.intervals.unwrap_or_default()),
            },
            replacement: self.by,
            shuffles: self.shuffles,
            seed: self.seed,
            sequences: self.write_sequences,
            scoring: self.run.scoring(),
            out: self.run.out,
            force: self.run.force,
            command: command_line(),
        };
        let summary = ablate(&config, &Bar::of(quiet, "ablations"), &cancel)?;
        if !quiet {
            say(format!(
                "{} of {}{}: {} scored in {:.1} s",
                many(summary.ablations as u64, "ablation"),
                many(summary.sequences as u64, "sequence"),
                left_out(summary.left_out.iter().copied()),
                many(summary.windows, "window"),
                summary.seconds
            ));
            wrote(&summary.files);
        }
        self.run.report.of(&config.out, config.force, quiet)
    }
}
