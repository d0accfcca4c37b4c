//! `mpra-score motifs`: known motifs in sequences, and what is learned of motifs from the effects of all changes.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::genome::BedSource;
use crate::motifs::{Sequences, Worth, discover, drivers, occurrences, seqlets};
use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};

use super::interrupt;
use super::progress::Bar;
use super::report::ReportFlag;
use super::shared::{aliases, all_cores, command_line, say};

const GROUP: &str = "\
Motifs: known ones in sequences, and those that predictions follow

Examples:
  mpra-score motifs scan --motifs JASPAR.meme --bed peaks.bed --fasta hg19.fa --out - > hits.bed
  mpra-score --bed peaks.bed --fasta hg19.fa --saturation --out results
  mpra-score motifs seqlets results --motifs JASPAR.meme --out seqlets
  mpra-score motifs drivers results --motifs JASPAR.meme --out drivers
  mpra-score motifs discover results --motifs JASPAR.meme --out discovered

(`mpra-score model motifs` shows what the filters of a network's first layer look for.)";

#[derive(Debug, Args)]
#[command(long_about = GROUP, about = "Motifs: known ones in sequences, and those that predictions follow")]
pub struct MotifsArgs {
    #[command(subcommand)]
    command: MotifsCommand,
}

#[derive(Debug, Subcommand)]
enum MotifsCommand {
    Scan(ScanArgs),
    Seqlets(SeqletsArgs),
    Drivers(DriversArgs),
    Discover(DiscoverArgs),
}

impl MotifsArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        match self.command {
            MotifsCommand::Scan(args) => args.run(quiet),
            MotifsCommand::Seqlets(args) => args.run(quiet),
            MotifsCommand::Drivers(args) => args.run(quiet),
            MotifsCommand::Discover(args) => args.run(quiet),
        }
    }
}

/// Flags of all that write a folder.
#[derive(Debug, Args)]
struct FolderArgs {
    /// Output folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the results of an earlier run
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    page: ReportFlag,
    /// Worker threads; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl FolderArgs {
    fn threads(&self) -> usize {
        self.threads.unwrap_or_else(all_cores).get()
    }
}

/// What a base is worth.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum WorthFlag {
    /// Its importance: the largest of the three differences reference - mutant, with its sign
    Importance,
    /// Its contribution: the reference's activity less the mean over the four bases
    Contribution,
}

impl From<WorthFlag> for Worth {
    fn from(flag: WorthFlag) -> Self {
        match flag {
            WorthFlag::Importance => Self::Importance,
            WorthFlag::Contribution => Self::Contribution,
        }
    }
}

/// What is called a seqlet.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Seqlets")]
struct RuleArgs {
    /// p-values of a seqlet and of all spans inside it lie below this: a rank, not an error rate
    #[arg(long, value_name = "P", default_value_t = 0.01)]
    p: f64,
    /// Bases of the shortest seqlet
    #[arg(long, value_name = "N", default_value_t = 4)]
    shortest: usize,
    /// Bases of the longest
    #[arg(long, value_name = "N", default_value_t = 25)]
    longest: usize,
}

impl From<RuleArgs> for seqlets::Rules {
    fn from(args: RuleArgs) -> Self {
        Self {
            threshold: args.p,
            shortest: args.shortest,
            longest: args.longest,
        }
    }
}

fn done(files: &[PathBuf], page: ReportFlag, out: &Path, quiet: bool) -> Result<()> {
    if !quiet {
        for file in files {
            say(format!("  {}", file.display()));
        }
    }
    page.of(out, true, quiet)
}

const SCAN: &str = "\
Where known motifs occur, with exact p-values

Examples:
  mpra-score motifs scan --motifs JASPAR.meme --bed peaks.bed --fasta hg19.fa --out hits
  mpra-score motifs scan --motifs MA0139.jaspar --fasta designs.fa --out - | head";

const SCAN_OUTPUT: &str = "\
Output, in the folder --out, or the hits alone to standard output (--out -):
  hits.bed     a line a hit, in the order of the regions, then by place; --format tsv: hits.tsv with
               a header
    contig, start, end   0-based, half-open
    motif                its identifier
    score                sum over the columns of log2(share / background), bits
    strand               - where the reverse complement occurs
    p                    chance that a random word of the background scores as high or higher
    motif_name           its second name, `.` where there is none
    region               the region's name; hits in several regions are there several times
    sequence             the bases, on the hit's strand
  motifs.tsv   a row a motif
    motif, motif_name    as above
    columns              bases of a hit
    least_score          the lowest score of a hit; NA where even the best word is likelier than --p
    hits, best_score
  run.json     version, command line, inputs, settings, counts";

/// Where known motifs occur, with exact p-values
#[derive(Debug, Args)]
#[command(long_about = SCAN, after_long_help = SCAN_OUTPUT)]
struct ScanArgs {
    /// Motifs: MEME's minimal format or JASPAR's; gzip or not
    #[arg(long, value_name = "FILE")]
    motifs: PathBuf,
    /// Sequences: the contigs of a FASTA, whole, or with --bed only its regions
    #[arg(long, value_name = "FILE")]
    fasta: PathBuf,
    /// Regions of the FASTA; `-` for standard input
    #[arg(long, value_name = "FILE")]
    bed: Option<PathBuf>,
    /// How contigs are found under other names: a tab-separated file with one contig's names a
    /// line, or `ucsc-ensembl` (chr1 is 1, chrM is MT)
    #[arg(long, value_name = "FILE|ucsc-ensembl", requires = "bed")]
    chrom_alias: Option<PathBuf>,
    /// The largest p-value of a hit
    #[arg(long, value_name = "P", default_value_t = 1e-4)]
    p: f64,
    /// Random words: the shares of A, C, G, T in the `sequences`, `uniform`, or four numbers; both
    /// strands together
    #[arg(long, value_name = "WHAT", default_value = "sequences", value_parser = background)]
    background: occurrences::Background,
    /// How hits are written
    #[arg(long, value_enum, default_value = "bed")]
    format: FormatFlag,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatFlag {
    Bed,
    Tsv,
}

fn background(text: &str) -> Result<occurrences::Background, String> {
    use occurrences::Background;
    let numbers = || -> Option<[f64; 4]> {
        let parts: Option<Vec<f64>> = text.split(',').map(|t| t.trim().parse().ok()).collect();
        let parts: [f64; 4] = parts?.try_into().ok()?;
        (parts.iter().all(|v| v.is_finite() && *v > 0.0)).then_some(parts)
    };
    match text {
        "sequences" => Ok(Background::Sequences),
        "uniform" => Ok(Background::Given([0.25; 4])),
        _ => numbers().map(Background::Given).ok_or_else(|| {
            "expected `sequences`, `uniform`, or four numbers above 0, A,C,G,T".into()
        }),
    }
}

impl ScanArgs {
    fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        let aliases = aliases(self.chrom_alias.as_deref())?;
        let config = occurrences::Config {
            sequences: match self.bed {
                Some(bed) => Sequences::Regions {
                    bed: BedSource::from_arg(&bed),
                    fasta: self.fasta,
                    aliases,
                },
                None => Sequences::Fasta(self.fasta),
            },
            motifs: self.motifs,
            most_p: self.p,
            background: self.background,
            format: match self.format {
                FormatFlag::Bed => occurrences::Format::Bed,
                FormatFlag::Tsv => occurrences::Format::Tsv,
            },
            threads: self.folder.threads(),
            out: self.folder.out.clone(),
            force: self.folder.force,
            command: command_line(),
        };
        let found = occurrences::run(&config, &Bar::new(quiet), &cancel)?;
        if !quiet {
            say(format!(
                "{} hits of {} motifs in {} bases of {} sequences",
                found.hits, found.motifs, found.bases, found.regions
            ));
        }
        match found.files.is_empty() {
            true => Ok(()),
            false => done(&found.files, self.folder.page, &self.folder.out, quiet),
        }
    }
}

const SEQLETS: &str = "\
Stretches of significant importance, and the known motifs they are like

Examples:
  mpra-score --bed peaks.bed --fasta hg19.fa --saturation --out results
  mpra-score motifs seqlets results --motifs JASPAR.meme --out seqlets";

const SEQLETS_OUTPUT: &str = "\
Output:
  seqlets.tsv   a row a seqlet, by task, sign, region and place
    contig, start, end   0-based, half-open; with --flank
    region, task         names
    sign                 positive (the bases drive expression) or negative (they repress it); negative
                         ones that overlap a positive one are left out
    bases                of the seqlet itself
    sum, mean            of what its bases are worth (--worth)
    p                    chance, were bases independent, of as large a sum over as many bases; ranks
    sequence             with --flank
    motif, motif_name    (--motifs) the known motif most like its bases, by Tomtom's p-value
    motif_strand         - where it is the motif's reverse complement
    motif_offset         the seqlet's base under the motif's first; below 0 where that lies before it
    motif_overlap        bases that both have
    motif_p, motif_e     chance that a random motif is as like; times the number of motifs
  seqlets.bed   the same places, sorted: name TASK+ or TASK- with the motif, score -100 log10 p, the
                motif's strand, p
  run.json      version, command line, inputs, settings, counts";

/// Stretches of significant importance, and the known motifs they are like
#[derive(Debug, Args)]
#[command(long_about = SEQLETS, after_long_help = SEQLETS_OUTPUT)]
struct SeqletsArgs {
    /// A folder of results of the main job (or of `predict`) with saturation.npz
    results: PathBuf,
    /// Known motifs: MEME's minimal format or JASPAR's; gzip or not
    #[arg(long, value_name = "FILE")]
    motifs: Option<PathBuf>,
    /// Tasks, by name [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    tasks: Option<Vec<String>>,
    /// What bases are taken to be worth
    #[arg(long, value_enum, default_value = "importance")]
    worth: WorthFlag,
    /// Bases added on either side of seqlets when they are written
    #[arg(long, value_name = "N", default_value_t = 0)]
    flank: usize,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    folder: FolderArgs,
}

impl SeqletsArgs {
    fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        let config = seqlets::Config {
            results: self.results,
            tasks: self.tasks,
            worth: self.worth.into(),
            rules: self.rules.into(),
            flank: self.flank,
            known: self.motifs,
            threads: self.folder.threads(),
            out: self.folder.out.clone(),
            force: self.folder.force,
            command: command_line(),
        };
        let found = seqlets::run(&config, &Bar::of(quiet, "tasks"), &cancel)?;
        if !quiet {
            for (task, [positive, negative]) in &found.seqlets {
                say(format!(
                    "{task}: {positive} positive and {negative} negative seqlets in {} regions",
                    found.rows
                ));
            }
        }
        done(&found.files, self.folder.page, &self.folder.out, quiet)
    }
}

const DRIVERS: &str = "\
Which known motifs importance lies under

Examples:
  mpra-score --bed peaks.bed --fasta hg19.fa --saturation --out results
  mpra-score motifs drivers results --motifs JASPAR.meme --out drivers
  mpra-score motifs drivers results --motifs JASPAR.meme --difference HepG2_minP,K562_minP --out d";

const DRIVERS_OUTPUT: &str = "\
Output:
  drivers.tsv   a row a motif and value, the highest z first
    motif, motif_name    identifier and second name
    value                a task, or A-B: of task A less that of task B
    hits                 places of p at most --p whose bases all have values; of both strands once
    regions              regions with one
    mean                 over the hits, of the mean worth (--worth) of their bases
    shuffled_mean, shuffled_deviation
                         what hits come to that are put at random places, each inside its own
                         region: exact, from all places
    z                    (mean - shuffled_mean) / shuffled_deviation
    p                    share of --shuffles random placements as far from their mean, two-sided
    q                    of the motifs, per value (Benjamini and Hochberg)
                         NA for motifs with fewer hits than --least-hits
  drivers.svg   the highest and the lowest z of each value
  scatter.svg   mean worth for one task against the other (those of the difference)
  run.json      version, command line, inputs, settings, counts";

/// Which known motifs importance lies under
#[derive(Debug, Args)]
#[command(long_about = DRIVERS, after_long_help = DRIVERS_OUTPUT)]
struct DriversArgs {
    /// A folder of results of the main job (or of `predict`) with saturation.npz
    results: PathBuf,
    /// Known motifs: MEME's minimal format or JASPAR's; gzip or not
    #[arg(long, value_name = "FILE")]
    motifs: PathBuf,
    /// Tasks, by name [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    tasks: Option<Vec<String>>,
    /// Two tasks whose difference is judged, too [default: the first two]
    #[arg(long, value_name = "A,B", value_parser = pair)]
    difference: Option<[String; 2]>,
    /// What bases are taken to be worth
    #[arg(long, value_enum, default_value = "importance")]
    worth: WorthFlag,
    /// The largest p-value of a hit, against the base composition of the regions
    #[arg(long, value_name = "P", default_value_t = 1e-4)]
    p: f64,
    /// Motifs with fewer hits are not judged
    #[arg(long, value_name = "N", default_value_t = 10)]
    least_hits: usize,
    /// Random placements for the p-values; 0 for none
    #[arg(long, value_name = "N", default_value_t = 1000)]
    shuffles: usize,
    /// Seed of the placements
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    folder: FolderArgs,
}

fn pair(text: &str) -> Result<[String; 2], String> {
    match text.split(',').collect::<Vec<_>>()[..] {
        [a, b] if !a.is_empty() && !b.is_empty() => Ok([a.into(), b.into()]),
        _ => Err("expected two tasks, A,B".into()),
    }
}

impl DriversArgs {
    fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        let config = drivers::Config {
            results: self.results,
            tasks: self.tasks,
            difference: self.difference,
            worth: self.worth.into(),
            motifs: self.motifs,
            most_p: self.p,
            least_hits: self.least_hits,
            shuffles: self.shuffles,
            seed: self.seed,
            threads: self.folder.threads(),
            out: self.folder.out.clone(),
            force: self.folder.force,
            command: command_line(),
        };
        let found = drivers::run(&config, &Bar::of(quiet, "motifs"), &cancel)?;
        if !quiet {
            say(format!(
                "{} hits in {} regions; {} of {} motifs have enough",
                found.hits, found.rows, found.judged[0], found.judged[1]
            ));
            for (value, [highest, lowest]) in &found.ends {
                say(format!("{value}: highest {highest}, lowest {lowest}"));
            }
        }
        done(&found.files, self.folder.page, &self.folder.out, quiet)
    }
}

const DISCOVER: &str = "\
Motifs made of the stretches of significant importance

Examples:
  mpra-score --bed peaks.bed --fasta hg19.fa --saturation --out results
  mpra-score motifs discover results --motifs JASPAR.meme --out discovered
  mpra-score motifs discover results --tasks K562_minP --least-seqlets 40 --out discovered";

const DISCOVER_OUTPUT: &str = "\
Output:
  motifs.tsv    a row a motif, by task, sign and number of seqlets
    motif                TASK.pos.N or TASK.neg.N
    task, sign           positive motifs drive expression, negative ones repress it
    seqlets, regions     places that it is made of, and the regions they lie in
    columns              of its core: from the first to the last worth a quarter of the best
    contribution         mean over the seqlets of what the core's bases are worth together
    bits                 information of the core against a quarter each
    consensus            IUPAC letters
    match, match_name    (--motifs) the known motif most like it, by Tomtom's p-value
    strand, offset, overlap, p, e
                         as in `motifs seqlets`; a motif is turned over where its match then lies
                         forward
  motifs.json   the same, with matrices: shares of the bases, mean contributions of the bases that
                are there, and of all, were they there
  motifs.meme   the shares in MEME's minimal format
  sites.bed     the places: motif, 0, strand, contribution, region
  logos.svg, contributions.svg
                logos of shares, 2 bits high, and of mean contributions
  run.json      version, command line, inputs, settings, counts";

/// Motifs made of the stretches of significant importance
#[derive(Debug, Args)]
#[command(long_about = DISCOVER, after_long_help = DISCOVER_OUTPUT)]
struct DiscoverArgs {
    /// A folder of results of the main job (or of `predict`) with saturation.npz
    results: PathBuf,
    /// Known motifs to compare with: MEME's minimal format or JASPAR's; gzip or not
    #[arg(long, value_name = "FILE")]
    motifs: Option<PathBuf>,
    /// Tasks, by name, each for itself [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    tasks: Option<Vec<String>>,
    /// Seqlets of a task and sign that are taken: those of the smallest p-values
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    most_seqlets: usize,
    /// Motifs of fewer seqlets are left out
    #[arg(long, value_name = "N", default_value_t = 20)]
    least_seqlets: usize,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    folder: FolderArgs,
}

impl DiscoverArgs {
    fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        let config = discover::Config {
            results: self.results,
            tasks: self.tasks,
            rules: self.rules.into(),
            most_seqlets: self.most_seqlets,
            least_seqlets: self.least_seqlets,
            known: self.motifs,
            threads: self.folder.threads(),
            out: self.folder.out.clone(),
            force: self.folder.force,
            command: command_line(),
        };
        let found = discover::run(&config, &Bar::of(quiet, "steps"), &cancel)?;
        if !quiet {
            for (what, [seqlets, patterns, members]) in &found.found {
                say(format!(
                    "{what}: {patterns} motifs of {members} of {seqlets} seqlets"
                ));
            }
        }
        done(&found.files, self.folder.page, &self.folder.out, quiet)
    }
}
