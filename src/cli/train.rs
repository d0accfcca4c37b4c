use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Error;
use crate::model::ModelOptions;
use crate::output::{Existing, decimals};
use crate::train::cnn::recipe::RecipeConfig;
use crate::train::cnn::{
    self, Architecture, Config, Epoch, FitConfig, Layers, Schedule, Source, TeacherSource, Watch,
};
use crate::train::{Mutants, OwnTable};
use anyhow::Result;
use clap::error::ErrorKind;
use clap::{ArgGroup, Args, CommandFactory, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::interrupt;
use super::report::{Live, ReportFlag};
use super::shared::{TableFlags, aliases, all_cores, command_line, say};
use super::train_kmer::TrainKmerArgs;
use super::values::{above_zero, rate, share, span, whole, zero_or_more};

const OUTPUT_HELP: &str = "\
Output files, in the folder --out:

  model.onnx      the network of the epoch with the lowest validation loss; gives labels in their own
                  units, and says its tasks, alphabet and frame itself
  training.tsv    one row an epoch: learning rate, losses (weighted mean squared error of standardised
                  labels), Pearson correlation of every task on the validation side, seconds
  learning.svg    the losses; predicted.svg: predicted against observed on the test side
  search.tsv      (--search) one row a drawn architecture
  split.tsv       (--recipe) the side of the split that each sequence is on; training.tsv has the loss and
                  the figures of each source then, and there is no predicted.svg
  model.json      architecture, data with sha256, split, seed, settings, metrics on the test side
  run.json        version, command line, inputs, examples a second

A killed run goes on with the same command and --resume. The same seed, data and --threads give the
same model.onnx on the same machine.";

/// Flags for what a recipe says itself.
const SAID_BY_RECIPE: [&str; 37] = [
    "data",
    "data_weight",
    "teacher",
    "tasks",
    "description",
    "fasta",
    "bed",
    "chrom_alias",
    "teacher_tasks",
    "random",
    "stretch",
    "step",
    "reverse_share",
    "mutants",
    "changes",
    "pair_weight",
    "validation_chroms",
    "test_chroms",
    "label_cache",
    "preset",
    "window",
    "arch",
    "search",
    "init",
    "init_reverse",
    "freeze",
    "epochs",
    "batch",
    "lr",
    "schedule",
    "patience",
    "reverse_complements",
    "both_strands",
    "weight_decay",
    "clip",
    "average",
    "seed",
];

/// Train a convolutional network on examples, a teacher's outputs, or as a recipe says
#[derive(Debug, Args)]
#[command(
    after_long_help = OUTPUT_HELP,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    // So that a negative number is told what is wrong with it, not that it is no flag.
    allow_negative_numbers = true,
    group(ArgGroup::new("source").required(true).multiple(true).args(["data", "teacher", "recipe"]))
)]
pub struct TrainArgs {
    #[command(subcommand)]
    command: Option<TrainCommand>,
    /// Examples: the Parquet file of `mpra-score dataset`, or a table of your own (tabs, commas, Parquet)
    /// with sequences of one length and columns of values, of which --tasks chooses; or with names
    /// whose sequences stand in --fasta. With a teacher a data set is learned besides,
    /// brought to its units by their regression on the starting network's outputs
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// A recipe (TOML): several sources at once, measured values, labels, alleles, teachers and
    /// examples, and how their heads become tasks; docs/training.md says all of it
    #[arg(long, value_name = "FILE", conflicts_with_all = SAID_BY_RECIPE)]
    recipe: Option<PathBuf>,
    /// Weight of the loss on --data beside a teacher
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.1, value_parser = above_zero::<f32>)]
    data_weight: f32,
    /// Teacher: labels are this model's outputs on stretches of --fasta; several are averaged
    #[arg(long, value_name = "FILE", requires_all = ["fasta", "tasks"])]
    teacher: Vec<PathBuf>,
    /// Tasks to learn, in this order; with a teacher TASK=OUTPUT where its output has another name (or
    /// number, from 0)
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    tasks: Option<Vec<String>>,
    /// The folder for the results
    #[arg(long, value_name = "DIR", default_value = "model")]
    out: PathBuf,
    /// Replace results that are already there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    page: ReportFlag,
    /// Go on with the unfinished run in the output folder, if there is one
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Text for the model's metadata
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    #[command(flatten)]
    table: TableFlags,

    /// The genome of the stretches
    #[arg(long, value_name = "FILE", help_heading = "Teacher")]
    fasta: Option<PathBuf>,
    /// Regions to take stretches from [default: the whole genome]
    #[arg(long, value_name = "FILE", help_heading = "Teacher")]
    bed: Option<PathBuf>,
    /// How contigs of the regions are found under other names: a file, or `ucsc-ensembl`
    #[arg(long, value_name = "FILE|ucsc-ensembl", help_heading = "Teacher")]
    chrom_alias: Option<PathBuf>,
    /// Names of the outputs of --teacher and --init, where their metadata do not say
    #[arg(
        long,
        value_name = "A,B,C",
        value_delimiter = ',',
        help_heading = "Teacher"
    )]
    teacher_tasks: Option<Vec<String>>,
    /// Draw so many stretches at random places, instead of cutting regions from their starts on
    #[arg(long, value_name = "N", value_parser = whole(1..=1_000_000_000usize), help_heading = "Teacher")]
    random: Option<usize>,
    /// Bases of a stretch; its windows share the convolutions [default: the window]
    #[arg(long, value_name = "BASES", value_parser = whole(1..=MANY), help_heading = "Teacher")]
    stretch: Option<usize>,
    /// Bases from one window of a stretch to the next
    #[arg(
        long,
        value_name = "BASES",
        default_value_t = 5,
        value_parser = whole(1..=MANY),
        help_heading = "Teacher"
    )]
    step: usize,
    /// Share of the output for the reverse complement in a label: 0 forward strand, 0.5 mean of both
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share::<f32>, help_heading = "Teacher")]
    reverse_share: f32,
    /// Mutated copies of every training stretch; the loss then also counts differences to the original
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole(0..=1000usize), help_heading = "Teacher")]
    mutants: usize,
    /// Changed bases of a mutated copy
    #[arg(long, value_name = "LOW-HIGH", default_value = "1-40", value_parser = span, help_heading = "Teacher")]
    changes: (usize, usize),
    /// Weight of the loss on differences
    #[arg(
        long,
        value_name = "WEIGHT",
        default_value_t = 1.0,
        value_parser = zero_or_more::<f32>,
        help_heading = "Teacher"
    )]
    pair_weight: f32,
    /// Contigs of the validation side
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        default_value = "chr8",
        help_heading = "Teacher"
    )]
    validation_chroms: Vec<String>,
    /// Contigs of the test side
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        default_value = "chr18",
        help_heading = "Teacher"
    )]
    test_chroms: Vec<String>,
    /// Keep the teacher's labels in this file, and take them from it
    #[arg(long, value_name = "FILE", help_heading = "Teacher")]
    label_cache: Option<PathBuf>,

    /// A named architecture
    #[arg(long, value_enum, default_value = "compact", help_heading = "Network")]
    preset: Preset,
    /// Columns of the network's input instead of the preset's: the length of your sequences
    #[arg(long, value_name = "N", value_parser = whole(1..=1_000_000usize), help_heading = "Network")]
    window: Option<usize>,
    /// Layers instead of the preset's, for instance `conv 64x9, relu, maxpool 8, dense 50, relu, dense`;
    /// `conv 64x9 same` is padded with zeros, so that there are as many positions behind it
    #[arg(long, value_name = "LAYERS", help_heading = "Network")]
    arch: Option<String>,
    /// Draw N architectures over the paper's ranges (1-10 convolutions of 30-100 filters 8-15 wide,
    /// pool 10-50, 1-2 dense layers), train them by successive halving, and keep the best; the
    /// preset then only says the input. Draws that would not fit it are padded
    #[arg(long, value_name = "N", value_parser = whole(1..=100_000usize), conflicts_with_all = ["arch", "init"], help_heading = "Network")]
    search: Option<usize>,
    /// Start from this model's weights, as far as the layers agree; of more filters than the network
    /// has, those are taken that weigh most in its next layer
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    init: Option<PathBuf>,
    /// Join the model of --init with its reverse complement: twice its filters, and this share of the
    /// outputs from the other strand
    #[arg(long, value_name = "SHARE", value_parser = share::<f32>, requires = "init", help_heading = "Network")]
    init_reverse: Option<f32>,
    /// Do not change the first N convolutions
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Network")]
    freeze: usize,

    /// Passes over the training data, at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = whole(1..=MANY), help_heading = "Fitting")]
    epochs: usize,
    /// Sequences of a batch
    #[arg(
        long,
        value_name = "N",
        default_value_t = 128,
        value_parser = whole(1..=MANY),
        help_heading = "Fitting"
    )]
    batch: usize,
    /// Highest learning rate
    #[arg(long, value_name = "RATE", default_value_t = 1e-3, value_parser = rate::<f64>, help_heading = "Fitting")]
    lr: f64,
    /// Way of the learning rate
    #[arg(
        long,
        value_enum,
        default_value = "one-cycle",
        help_heading = "Fitting"
    )]
    schedule: ScheduleFlag,
    /// Stop after so many epochs without a better validation loss
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole(1..=MANY), help_heading = "Fitting")]
    patience: usize,
    /// Show each sequence as its reverse complement half of the time
    #[arg(long, help_heading = "Fitting")]
    reverse_complements: bool,
    /// The outputs are the means over the window and its reverse complement, in one network
    #[arg(long, help_heading = "Network")]
    both_strands: bool,
    /// Share of the weights that a step at rate 1 takes away (AdamW)
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.0,
        help_heading = "Fitting"
    )]
    weight_decay: f64,
    /// Make gradients longer than this as long
    #[arg(long, value_name = "LENGTH", help_heading = "Fitting")]
    clip: Option<f64>,
    /// Judge and keep a running mean of the weights, of which a step leaves this share, as 0.999
    #[arg(long, value_name = "SHARE", help_heading = "Fitting")]
    average: Option<f64>,
    /// Number that decides everything random
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Fitting")]
    seed: u64,
    /// Worker threads [default: all cores]
    #[arg(long, value_name = "N", help_heading = "Fitting")]
    threads: Option<NonZeroUsize>,
    /// The ONNX Runtime library
    #[arg(long, value_name = "FILE", help_heading = "Fitting")]
    ort_lib: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Preset {
    Paper,
    Authors,
    Dragonn,
    Compact,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScheduleFlag {
    Constant,
    Cosine,
    OneCycle,
}

/// Far beyond any use, so that sums of such numbers do not overflow.
const MANY: usize = 1_000_000;

fn usage(message: &str) -> anyhow::Error {
    super::Cli::command()
        .error(ErrorKind::ValueValidation, message)
        .into()
}

#[derive(Debug, Subcommand)]
enum TrainCommand {
    Kmer(TrainKmerArgs),
}

impl TrainArgs {
    fn config(self) -> Result<Config> {
        let mut arch = Architecture::preset(match self.preset {
            Preset::Paper => "paper",
            Preset::Authors => "authors",
            Preset::Dragonn => "dragonn",
            Preset::Compact => "compact",
        })
        .map_err(Error::from)?;
        let (mut input, mut layers) =
            ((arch.window, arch.length, arch.offset), arch.layers.clone());
        if let Some(window) = self.window {
            input = (window, window, 0);
        }
        if let Some(text) = &self.arch {
            let asked = text.parse::<Layers>();
            layers = asked.map_err(|e| usage(&format!("--arch: {e}")))?.0;
        }
        if self.window.is_some() || self.arch.is_some() {
            let (window, length, offset) = input;
            arch = Architecture::new(window, length, offset, layers).map_err(|e| {
                usage(&match self.arch {
                    Some(_) => format!("--arch: {e}"),
                    None => format!("--window: {e}"),
                })
            })?;
        }
        if self.both_strands {
            let both = arch.on_both_strands();
            arch = both.map_err(|e| usage(&format!("--both-strands: {e}")))?;
        }
        if self.search.is_none() && self.freeze > arch.convolutions() {
            return Err(usage(&format!(
                "--freeze {} is more than the network's {} convolution(s)",
                self.freeze,
                arch.convolutions()
            )));
        }
        let mut pairs = Vec::new();
        let mut tasks = Vec::new();
        for task in self.tasks.into_iter().flatten() {
            match task.split_once('=') {
                Some((task, output)) => {
                    tasks.push(task.to_owned());
                    pairs.push((task.to_owned(), output.to_owned()));
                }
                None => tasks.push(task),
            }
        }
        let beside = match self.teacher.is_empty() {
            true => None,
            false => self.data.clone().map(|path| (path, self.data_weight)),
        };
        let init_pairs = pairs.clone();
        let teacher_names = self.teacher_tasks.clone();
        let source = match (self.data, self.fasta) {
            (Some(path), fasta) if self.teacher.is_empty() => Source::Examples {
                path,
                own: Box::new(OwnTable {
                    columns: self.table.columns(),
                    fasta,
                    sides: self
                        .table
                        .sides(&self.validation_chroms, &self.test_chroms, self.seed),
                }),
                tasks: (!tasks.is_empty()).then_some(tasks),
            },
            (_, fasta) => {
                let aliases = aliases(self.chrom_alias.as_deref())?;
                Source::Teacher(Box::new(TeacherSource {
                    models: self.teacher,
                    options: ModelOptions {
                        task_names: self.teacher_tasks,
                        ..ModelOptions::default()
                    },
                    tasks,
                    pairs,
                    reverse: self.reverse_share,
                    // clap demands it beside --teacher.
                    fasta: fasta.unwrap_or_default(),
                    bed: self.bed,
                    aliases,
                    random: self.random,
                    stretch: self.stretch,
                    step: self.step,
                    mutants: (self.mutants > 0).then_some(Mutants {
                        copies: self.mutants,
                        fewest: self.changes.0,
                        most: self.changes.1,
                    }),
                    validation: self.validation_chroms,
                    test: self.test_chroms,
                    cache: self.label_cache,
                }))
            }
        };
        Ok(Config {
            source,
            arch,
            beside,
            init: self.init,
            init_pairs,
            init_reverse: self.init_reverse,
            search: self.search,
            init_options: ModelOptions {
                task_names: teacher_names,
                ..ModelOptions::default()
            },
            fit: FitConfig {
                epochs: self.epochs,
                batch: self.batch,
                rate: self.lr,
                schedule: match self.schedule {
                    ScheduleFlag::Constant => Schedule::Constant,
                    ScheduleFlag::Cosine => Schedule::Cosine,
                    ScheduleFlag::OneCycle => Schedule::OneCycle,
                },
                patience: self.patience,
                seed: self.seed,
                reverse_complements: self.reverse_complements,
                pair_weight: self.pair_weight,
                frozen: self.freeze,
                weight_decay: self.weight_decay,
                clip: self.clip,
                average: self.average,
                stopping: Vec::new(),
            },
            description: self.description,
            out: self.out,
            existing: Existing {
                force: self.force,
                resume: self.resume,
            },
            threads: self.threads.unwrap_or_else(all_cores).get(),
            ort_lib: self.ort_lib,
            command: command_line(),
        })
    }

    /// Runs the subcommand.
    pub fn run(mut self, quiet: bool) -> Result<()> {
        if let Some(TrainCommand::Kmer(args)) = self.command.take() {
            return args.run(quiet);
        }
        let cancel = interrupt::watch()?;
        let (out, page) = (self.out.clone(), self.page);
        let watch = Shown::new(quiet, Live::new(page, &out));
        let of_recipe = self.recipe.is_some();
        let summary = match self.recipe.take() {
            Some(recipe) => cnn::recipe::run(&self.recipe_config(recipe), &watch, &cancel),
            None => cnn::run(&self.config()?, &watch, &cancel),
        };
        let summary = summary.inspect_err(|_| {
            if let Some(live) = &watch.live {
                live.failed();
            }
        })?;
        watch.bar.finish_and_clear();
        if !quiet {
            for (task, r) in &summary.test {
                let figure = if of_recipe { "r or AUROC" } else { "Pearson r" };
                let r = decimals(*r, 3);
                say(format!("{task}: {figure} {r} on the test side"));
            }
            say(format!(
                "{} file(s) in {}",
                summary.files.len(),
                out.display()
            ));
        }
        page.of(&out, true, quiet)
    }

    fn recipe_config(&self, recipe: PathBuf) -> RecipeConfig {
        RecipeConfig {
            recipe,
            out: self.out.clone(),
            existing: Existing {
                force: self.force,
                resume: self.resume,
            },
            threads: self.threads.unwrap_or_else(all_cores).get(),
            ort_lib: self.ort_lib.clone(),
            command: command_line(),
        }
    }
}

/// A bar on a terminal, and a line an epoch.
struct Shown {
    bar: ProgressBar,
    quiet: bool,
    first: AtomicU64,
    live: Option<Live>,
}

impl Shown {
    fn new(quiet: bool, live: Option<Live>) -> Self {
        let bar = ProgressBar::new(0);
        bar.set_draw_target(match !quiet && std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        });
        let style = ProgressStyle::with_template("{wide_bar} {msg}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            bar,
            quiet,
            first: AtomicU64::new(u64::MAX),
            live,
        }
    }
}

impl Watch for Shown {
    fn step(&self, done: u64, of: u64, epoch: usize, loss: f64) {
        if self.first.swap(0, Ordering::Relaxed) == u64::MAX {
            self.bar.set_length(of);
            self.bar.set_position(done - 1);
            self.bar.reset_eta();
        }
        self.bar.set_position(done);
        self.bar
            .set_message(format!("epoch {epoch}, loss {loss:.4}"));
    }

    fn epoch(&self, row: &Epoch, of: usize, left_seconds: f64) {
        if let Some(live) = &self.live {
            self.bar.suspend(|| live.refresh(self.quiet));
        }
        if self.quiet {
            return;
        }
        let r: Vec<String> = row.pearson.iter().map(|r| decimals(*r, 3)).collect();
        let line = format!(
            "epoch {} of {of}: loss {}, validation {}, r {}; {:.0} s, at most {} left",
            row.epoch,
            decimals(row.train, 4),
            decimals(row.validation, 4),
            r.join(" "),
            row.seconds,
            indicatif::HumanDuration(std::time::Duration::from_secs_f64(left_seconds.max(0.0)))
        );
        self.bar.suspend(|| say(line));
    }
}
