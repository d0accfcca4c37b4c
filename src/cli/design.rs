//! `mpra-score design`: sequences changed towards an objective.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::design::run;
use crate::design::{DesignConfig, DesignSummary, Goal, KeepMotif, Method, Schedule, Site, Starts};
use crate::genome::{BedRules, BedSource, InvalidPolicy};
use crate::model::ModelSources;
use anyhow::{Result, bail};
use clap::{ArgGroup, Args, ValueEnum};

use super::interrupt;
use super::progress::Bar;
use super::report::ReportFlag;
use super::shared::{
    ComputeFlags, ModelFlags, StrandFlag, aliases, command_line, left_out, many, say, wrote,
};

const EXAMPLES: &str = "\
Design sequences: change bases towards an objective over tasks, under constraints

For example:
  mpra-score design starts.fa --objective \"HepG2_minP - K562_minP\" --edits 10 --out designed
  mpra-score design --random 20 --gc 0.4-0.6 --objective K562_minP --edits 40 --method beam --width 8 \\
      --forbid EcoRI,BsmBI --homopolymer 5 --out designed
  mpra-score design --bed enhancers.bed --fasta hg19.fa --resize 145 --objective HepG2_minP --minimize \\
      --keep 60-85 --out silenced

Each step looks at every single change of a sequence, by the exact saturation map of the fast engine,
and takes an allowed one; designs are scored again by the full engine, and a difference above
--tolerance is an error. Of a sequence longer than a window the activity is the mean over windows
--stride bases apart. Where a start breaks a constraint that changes can mend (a forbidden site), the
changes that mend it come first. Results are the same for any --threads.";

const OUTPUT: &str = "\
The objective is a linear expression of tasks: names, numbers, + - * / and brackets, such as
\"HepG2_minP - 0.5 * (K562_minP + K562_SV40P)\". Names of other characters than letters, digits, _ . and
: stand in quotes.

Methods:
  greedy   the best single change, again and again, until none betters the objective (by more than
           1e-5 of it, or of 1) within --edits
  beam     the same with the --width best sequences side by side: all their changes are compared, none
           is looked at twice; it ends when none is better than the best so far
  anneal   --proposals changes drawn at random; a worse one is taken with the chance exp(gain / T). T
           falls from the first --temperature to the last by the same factor a proposal. Then greedy
           steps from the best sequence that was met

Output, in the folder --out; places count from 0:
  designs.fa       the designs, under the names of their starts
  designs.tsv      one row a start, in input order
    name, length
    status           ok; or with --skip-invalid why there is no design: too_short (for the window),
                     unknown_bases, all_kept, gc_out_of_reach, kept_site (a forbidden site in bases that
                     stay), site_in_kept_motif, kept_run, unmet (the edits were used up, or no single
                     change was left, before the constraints were met), or as in regions.tsv of
                     `mpra-score score`
    ended            no_better_change, edits_used, or reached (the --target, within 1e-5 of it, or of 1)
    kept_hits        hits of --keep-motif in the start, which are hits in the design
    steps, edits     changes made; bases that differ from the start
    start_objective, objective, full_objective
                     of the start and of the design by the engine of the search, and of the design by
                     the full engine
    gain             objective - start_objective
    TASK.start_activity, TASK.activity
    changes          such as 12A>G,40C>T
    start_sequence, sequence
  trajectory.tsv   one row a step, the start being step 0: name, step, position, from, to, edits (bases
                   that then differ from the start), objective, TASK.activity
  objective.svg    the objective by step (of 200 designs at most)
  run.json         version, command line, inputs, settings, counts, the largest difference of the engines

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MethodFlag {
    Greedy,
    Beam,
    Anneal,
}

/// Design sequences: change bases towards an objective over tasks, under constraints
#[derive(Debug, Args)]
#[command(
    long_about = EXAMPLES,
    after_long_help = OUTPUT,
    group(ArgGroup::new("starts").required(true).args(["sequences", "bed", "random"])),
    group(ArgGroup::new("goal").args(["maximize", "minimize", "target"]))
)]
pub struct DesignArgs {
    /// Starts: FASTA, or a table with a header (tabs or commas); plain, gzip or bgzip; `-` for standard
    /// input
    sequences: Option<PathBuf>,
    /// The table's column of sequences [default: sequence]
    #[arg(long, value_name = "NAME")]
    sequence_column: Option<String>,
    /// The table's column of names [default: name or id, where there is one]
    #[arg(long, value_name = "NAME")]
    name_column: Option<String>,
    /// Starts: regions of --fasta (BED, bigBed; `-` for standard input), on the forward strand
    #[arg(long, value_name = "FILE", requires = "fasta")]
    bed: Option<PathBuf>,
    /// The genome of --bed: FASTA, plain or bgzip-compressed, or .2bit
    #[arg(long, value_name = "FILE", requires = "bed")]
    fasta: Option<PathBuf>,
    /// N bases around the middle of each region of --bed, instead of the region itself
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), requires = "bed")]
    resize: Option<u32>,
    /// How contigs of the regions are found under other names: a tab-separated file with one
    /// contig's names a line, or `ucsc-ensembl` (chr1 is 1, chrM is MT)
    #[arg(long, value_name = "FILE|ucsc-ensembl", requires = "bed")]
    chrom_alias: Option<PathBuf>,
    /// Write a missing .fai (and .gzi) beside the FASTA
    #[arg(long, requires = "bed")]
    write_index: bool,
    /// Starts: N sequences of random bases
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    random: Option<u32>,
    /// Their length [default: the model's window]
    #[arg(long, value_name = "BASES", value_parser = clap::value_parser!(u32).range(1..), requires = "random")]
    length: Option<u32>,
    /// The chance of G or C at a base of them
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = super::values::share::<f64>)]
    random_gc: f64,
    /// Seed of random starts and of annealing
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Leave starts out from which nothing can be designed, with the reason in designs.tsv, instead of
    /// stopping
    #[arg(long)]
    skip_invalid: bool,

    /// What is to be reached: a linear expression of tasks, such as "HepG2_minP - K562_minP"
    #[arg(long, value_name = "EXPRESSION", help_heading = "Objective")]
    objective: String,
    /// Make it as large as possible: the default
    #[arg(long, help_heading = "Objective")]
    maximize: bool,
    /// Make it as small as possible
    #[arg(long, help_heading = "Objective")]
    minimize: bool,
    /// Bring it as near to this value as possible
    #[arg(
        long,
        value_name = "VALUE",
        allow_negative_numbers = true,
        help_heading = "Objective"
    )]
    target: Option<f64>,
    /// How sequences are bettered
    #[arg(long, value_enum, default_value = "greedy", help_heading = "Objective")]
    method: MethodFlag,
    /// (beam) sequences that are kept side by side
    #[arg(long, value_name = "K", default_value_t = 8, value_parser = super::values::whole(1..=10_000usize), help_heading = "Objective")]
    width: usize,
    /// (anneal) changes proposed
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = super::values::whole(1..=100_000_000usize), help_heading = "Objective")]
    proposals: usize,
    /// (anneal) the first and the last temperature, in units of the objective
    #[arg(long, value_name = "FIRST,LAST", default_value = "0.1,0.001", value_parser = temperatures, help_heading = "Objective")]
    temperature: (f64, f64),

    /// Most bases that differ from the start
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = super::values::whole(1..=1_000_000usize), help_heading = "Constraints")]
    edits: usize,
    /// Stretches of every start that stay, from 0 and half-open: 10-20 are the bases 10 to 19
    #[arg(long, value_name = "FROM-TO,...", value_delimiter = ',', value_parser = stretch, help_heading = "Constraints")]
    keep: Vec<Range<usize>>,
    /// Stretches that stay, as BED: the first column is the name of a start; with --bed, a contig, and
    /// places are those of the genome
    #[arg(long, value_name = "FILE", help_heading = "Constraints")]
    keep_bed: Option<PathBuf>,
    /// Least and greatest share of G and C in the design
    #[arg(long, value_name = "FROM-TO", value_parser = shares, help_heading = "Constraints")]
    gc: Option<(f64, f64)>,
    /// The longest run of one base in the design
    #[arg(long, value_name = "N", value_parser = super::values::whole(1..=1_000_000usize), help_heading = "Constraints")]
    homopolymer: Option<usize>,
    /// What must not occur, on either strand: restriction enzymes by name, or IUPAC letters
    #[arg(long, value_name = "EcoRI,GAATTC,...", value_delimiter = ',', value_parser = Site::parse, help_heading = "Constraints")]
    forbid: Vec<Site>,
    /// What must stay: hits in the start, on either strand, of IUPAC letters or of the motifs of a file in
    /// MEME's minimal format
    #[arg(long, value_name = "IUPAC|FILE,...", value_delimiter = ',', value_parser = keep_motif, help_heading = "Constraints")]
    keep_motif: Vec<KeepMotif>,
    /// The largest p-value of a hit of a motif of a file, on a background of equal shares
    #[arg(long, value_name = "P", default_value_t = 1e-4, value_parser = super::values::share::<f64>, help_heading = "Constraints")]
    motif_p: f64,

    /// The model, as in `mpra-score score` [default: default]
    #[arg(long, value_name = "FILE[,FILE...]")]
    model: Option<PathBuf>,
    /// The folder for the results
    #[arg(long, value_name = "DIR", default_value = "designed")]
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
    #[command(flatten)]
    flags: ModelFlags,
    #[command(flatten)]
    compute: ComputeFlags,
    #[command(flatten)]
    report: ReportFlag,
    /// By how much activities of a design by both engines may differ: of the value, or of 1 where that is
    /// larger
    #[arg(long, value_name = "SHARE", default_value_t = 1e-4, value_parser = super::values::zero_or_more::<f64>)]
    tolerance: f64,
}

fn stretch(text: &str) -> Result<Range<usize>, String> {
    let ends = text.split_once('-').and_then(|(from, to)| {
        let ends: (usize, usize) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
        (ends.0 < ends.1).then_some(ends.0..ends.1)
    });
    ends.ok_or_else(|| format!("{text:?} is not FROM-TO with FROM below TO, as in 10-20"))
}

fn shares(text: &str) -> Result<(f64, f64), String> {
    let ends = text.split_once('-').and_then(|(least, most)| {
        let ends: (f64, f64) = (least.trim().parse().ok()?, most.trim().parse().ok()?);
        (0.0 <= ends.0 && ends.0 <= ends.1 && ends.1 <= 1.0).then_some(ends)
    });
    ends.ok_or_else(|| format!("{text:?} is not FROM-TO with shares from 0 to 1, as in 0.3-0.6"))
}

fn temperatures(text: &str) -> Result<(f64, f64), String> {
    let ends = text.split_once(',').and_then(|(first, last)| {
        let ends: (f64, f64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (ends.0 >= ends.1 && ends.1 > 0.0 && ends.0.is_finite()).then_some(ends)
    });
    ends.ok_or_else(|| {
        format!("{text:?} is not FIRST,LAST, both above 0 and the last not above the first")
    })
}

/// A file where there is one of that name.
fn keep_motif(text: &str) -> Result<KeepMotif, String> {
    // A pipe, too; but a folder may have the name of a site.
    if Path::new(text).exists() && !Path::new(text).is_dir() {
        return Ok(KeepMotif::Meme(text.into()));
    }
    match Site::parse(text) {
        Ok(site) => Ok(KeepMotif::Site(site)),
        Err(_) if text.contains(['.', '/']) => Err(format!("there is no file {text:?}")),
        Err(e) => Err(e),
    }
}

impl DesignArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let goal = match self.target {
            Some(value) if !value.is_finite() => bail!("--target: expected a number"),
            Some(value) => Goal::Target(value),
            None if self.minimize => Goal::Minimize,
            None => Goal::Maximize,
        };
        let starts = match (self.sequences, self.bed, self.fasta, self.random) {
            (Some(path), ..) => Starts::Sequences {
                path,
                sequence_column: self.sequence_column,
                name_column: self.name_column,
            },
            (_, Some(bed), Some(fasta), _) => Starts::Regions {
                bed: BedSource::from_arg(&bed),
                fasta,
                aliases: aliases(self.chrom_alias.as_deref())?,
                rows: BedRules {
                    invalid: match self.skip_invalid {
                        true => InvalidPolicy::Skip,
                        false => InvalidPolicy::Fail,
                    },
                    resize: self.resize,
                },
                write_index: self.write_index,
            },
            (.., count) => Starts::Random {
                // clap requires one of them.
                count: count.unwrap_or(0),
                length: self.length,
                gc: self.random_gc,
            },
        };
        let cancel = interrupt::watch()?;
        let config = DesignConfig {
            starts,
            skip_invalid: self.skip_invalid,
            objective: self.objective,
            goal,
            method: match self.method {
                MethodFlag::Greedy => Method::Greedy,
                MethodFlag::Beam => Method::Beam(self.width),
                MethodFlag::Anneal => Method::Anneal(Schedule {
                    proposals: self.proposals,
                    temperatures: self.temperature,
                }),
            },
            edits: self.edits,
            keep: self.keep,
            keep_bed: self.keep_bed,
            gc: self.gc,
            homopolymer: self.homopolymer,
            forbid: self.forbid,
            keep_motifs: self.keep_motif,
            motif_p: self.motif_p,
            seed: self.seed,
            model: ModelSources::from_arg(self.model.as_deref()),
            model_options: self.flags.options(),
            ort_lib: self.flags.ort_lib,
            tasks: self.tasks,
            stride: self.stride,
            engine: self.compute.settings(self.strand),
            tolerance: self.tolerance,
            out: self.out,
            force: self.force,
            command: command_line(),
        };
        let summary = run(&config, &Bar::of(quiet, "starts"), &cancel)?;
        if !quiet {
            report(&summary);
        }
        self.report.of(&config.out, config.force, quiet)
    }
}

fn report(summary: &DesignSummary) {
    let refused: u64 = summary.refused.values().sum();
    let why = summary.refused.iter().map(|(why, n)| (&**why, *n));
    say(format!(
        "{} of {}{}: {} saturation maps ({} engine), in {:.1} s",
        many(summary.starts - refused, "design"),
        many(summary.starts, "start"),
        left_out(why),
        summary.maps,
        summary.engine,
        summary.seconds
    ));
    wrote(&summary.files);
}
