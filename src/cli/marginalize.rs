//! `mpra-score marginalize`: motifs in backgrounds.

use std::path::PathBuf;

use crate::perturb::{Backgrounds, MarginalizeConfig, Partner, Test, Word, marginalize};
use anyhow::Result;
use clap::{ArgGroup, Args, ValueEnum};

use super::interrupt;
use super::perturb::{RunFlags, SourceFlags};
use super::progress::Bar;
use super::shared::{command_line, left_out, many, say, wrote};

const MARGINALIZE: &str = "\
What a motif does in backgrounds, and two motifs at every spacing

Examples:
  # a motif in 100 random sequences
  mpra-score marginalize --motif AP1=TGASTCA --random 100 --out ap1
  # all motifs of a file in dinucleotide shuffles of peaks
  mpra-score marginalize --motifs jaspar.meme --bed peaks.bed --fasta hg19.fa --random 200 --out known
  # two motifs, 0 to 40 bases apart, in every orientation
  mpra-score marginalize --motif AP1=TGASTCA --with GATA=AGATAA --spacing 0-40 --random 100 --out two";

const MARGINALIZE_OUTPUT: &str = "\
Letters of a motif are IUPAC's. A base of the background that a letter allows stays (under N every one); another
becomes one of those that it allows, drawn with --seed. Of a MEME file the likeliest word of each motif is taken.
Backgrounds are as long as a window: of a longer sequence or region the window in its middle.

Output, in the folder --out:
  marginal.tsv    one row a motif (and strand, --reverse): motif, word, strand (- the reverse complement), start
                  (column of the window, from 0), backgrounds, then for each task
      TASK.effect     mean over backgrounds of activity(with) - activity(without)
      TASK.se         its standard error
      TASK.positive   share of the backgrounds with an effect above 0
      TASK.p TASK.q   two-sided p-value by --test, and q-value (Benjamini-Hochberg) over the rows
  spacing.tsv     (--with) one row a motif, orientation and spacing: motif, with, strand with_strand (- the reverse
                  complement), spacing (bases between them), start (of the first), backgrounds, then for each task
      TASK.interaction   mean of f(both) - f(first) - f(second) + f(neither), with se, positive, p, q as above
      TASK.both TASK.first TASK.second   mean effects of both, and of each alone at the same place
  marginal.npz    before [background, task], after [row, background, task], tasks
  spacing.npz     before; both, first, second [row, background, task]; tasks
  marginal.svg, spacing.svg
  backgrounds.fa  the backgrounds, in this order
  left_out.tsv    sequences that are none, with the reason (too_short, unknown_bases, empty), where there are
  run.json        version, command line, inputs, settings, seed, counts";

/// `--test`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum TestFlag {
    /// Student's t test against a mean of 0
    T,
    /// Exact sign test
    Sign,
}

/// What a motif does in backgrounds, and two motifs at every spacing
#[derive(Debug, Args)]
#[command(
    long_about = MARGINALIZE,
    after_long_help = MARGINALIZE_OUTPUT,
    group(ArgGroup::new("what").required(true).multiple(true).args(["motif", "motifs"])),
    group(ArgGroup::new("where").required(true).multiple(true).args(["sequences", "bed", "random"]))
)]
pub struct MarginalizeArgs {
    #[command(flatten)]
    source: SourceFlags,
    /// A motif in letters of IUPAC; repeatable
    #[arg(long, value_name = "[NAME=]LETTERS", value_parser = word)]
    motif: Vec<Word>,
    /// Motifs in MEME's minimal format: the likeliest word of each
    #[arg(long, value_name = "FILE")]
    motifs: Option<PathBuf>,
    /// Also the reverse complement of each motif
    #[arg(long, conflicts_with = "with")]
    reverse: bool,
    /// A second motif, behind the first
    #[arg(long, value_name = "[NAME=]LETTERS", value_parser = word, requires = "spacing")]
    with: Option<Word>,
    /// Bases between the two motifs
    #[arg(long, value_name = "FROM-TO", value_parser = spacing, requires = "with")]
    spacing: Option<(usize, usize)>,
    /// Column of the window, from 0, where the motif begins, the first of two [default: so that the motif, or
    /// both, lie in the middle]
    #[arg(long, value_name = "N")]
    position: Option<usize>,
    /// N random backgrounds: dinucleotide shuffles of the sequences or regions; without them random bases
    #[arg(long, value_name = "N")]
    random: Option<usize>,
    /// Share of G and C in random bases
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = super::values::share::<f64>)]
    gc: f64,
    /// How p-values are made
    #[arg(long, value_enum, default_value = "t")]
    test: TestFlag,
    /// Seed of what is drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    run: RunFlags,
}

fn word(text: &str) -> Result<Word, String> {
    Word::parse(text).map_err(|e| e.to_string())
}

fn spacing(text: &str) -> Result<(usize, usize), String> {
    let number = |text: &str| text.parse::<usize>().ok();
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match number(from).zip(number(to)) {
        Some((from, to)) if from <= to => Ok((from, to)),
        _ => Err(format!("{text:?} is not FROM-TO, as in 0-40")),
    }
}

impl MarginalizeArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        let backgrounds = match (self.source.source()?, self.random) {
            (Some(source), None) => Backgrounds::Given(source),
            (Some(source), Some(count)) => Backgrounds::Shuffled { source, count },
            // clap requires one of them.
            (None, count) => Backgrounds::Random {
                count: count.unwrap_or(0),
                gc: self.gc,
            },
        };
        let config = MarginalizeConfig {
            backgrounds,
            words: self.motif,
            motifs: self.motifs,
            reverse: self.reverse,
            partner: (self.with.zip(self.spacing))
                .map(|(word, spacings)| Partner { word, spacings }),
            position: self.position,
            test: match self.test {
                TestFlag::T => Test::T,
                TestFlag::Sign => Test::Sign,
            },
            seed: self.seed,
            scoring: self.run.scoring(),
            out: self.run.out,
            force: self.run.force,
            command: command_line(),
        };
        let summary = marginalize(&config, &Bar::new(quiet), &cancel)?;
        if !quiet {
            say(format!(
                "{} in {}{}: {} scored in {:.1} s",
                many(summary.motifs as u64, "motif"),
                many(summary.backgrounds as u64, "background"),
                left_out(summary.left_out.iter().copied()),
                many(summary.windows, "window"),
                summary.seconds
            ));
            wrote(&summary.files);
        }
        self.run.report.of(&config.out, config.force, quiet)
    }
}
