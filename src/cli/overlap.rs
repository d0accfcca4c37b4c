//! `mpra-score overlap`: score tracks against annotations.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::Error;
use crate::intervals::Named;
use crate::overlap::{Common, by_name, correlate, enrichment, profile};
use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};

use super::interrupt;
use super::report::ReportFlag;
use super::shared::{aliases, all_cores, wrote};

/// Score tracks against annotations: enrichment, factors, profiles, agreement
#[derive(Debug, Args)]
pub struct OverlapArgs {
    #[command(subcommand)]
    command: OverlapCommand,
}

#[derive(Debug, Subcommand)]
enum OverlapCommand {
    Enrichment(EnrichmentArgs),
    ByName(ByNameArgs),
    Profile(ProfileArgs),
    Correlate(CorrelateArgs),
}

impl OverlapArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        let (page, out) = self.command.page();
        let files = match self.command {
            OverlapCommand::Enrichment(args) => enrichment::run(&args.config()?, &cancel),
            OverlapCommand::ByName(args) => by_name::run(&args.config()?, &cancel),
            OverlapCommand::Profile(args) => profile::run(&args.config()?, &cancel),
            OverlapCommand::Correlate(args) => correlate::run(&args.config()?, &cancel),
        };
        let files = files.map_err(Error::from)?;
        if !quiet {
            wrote(&files);
        }
        page.of(&out, true, quiet)
    }
}

impl OverlapCommand {
    /// Whether a page is wanted, and where the results go.
    fn page(&self) -> (ReportFlag, PathBuf) {
        let common = match self {
            Self::Enrichment(args) => &args.common,
            Self::ByName(args) => &args.common,
            Self::Profile(args) => &args.common,
            Self::Correlate(args) => &args.common,
        };
        (common.page, common.out.clone())
    }
}

/// Flags of all four.
#[derive(Debug, Args)]
struct CommonArgs {
    /// Output folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the results of an earlier run
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    page: ReportFlag,
    /// Limit everything to these regions (BED, narrowPeak, bigBed)
    #[arg(long, value_name = "FILE")]
    regions: Option<PathBuf>,
    /// Where the regions of SHARPR base-prediction tables lie: `id chrom start end`, or BED with the
    /// region in column 4
    #[arg(long, value_name = "FILE")]
    coordinates: Option<PathBuf>,
    /// How contigs of different files are brought together: a tab-separated file with one contig's
    /// names a line, or `ucsc-ensembl` (chr1 is 1, chrM is MT)
    #[arg(long, value_name = "FILE|ucsc-ensembl")]
    chrom_alias: Option<PathBuf>,
    /// Bootstrap replicates for the intervals; 0 for none
    #[arg(long, value_name = "N", default_value_t = 200)]
    bootstrap: u64,
    /// Share of the bootstrap distribution that an interval holds
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    interval: f64,
    /// Bases of the blocks that are resampled where there are no regions
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    block: u32,
    /// Seed of everything drawn at random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Worker threads; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl CommonArgs {
    fn common(self) -> Result<Common> {
        let aliases = aliases(self.chrom_alias.as_deref())?;
        Ok(Common {
            out: self.out,
            force: self.force,
            threads: self.threads.unwrap_or_else(all_cores),
            seed: self.seed,
            bootstrap: self.bootstrap,
            interval: self.interval,
            block: self.block,
            coordinates: self.coordinates,
            regions: self.regions,
            aliases,
            command: super::shared::command_line(),
        })
    }
}

const SCORES: &str = "\
Scores: bigWig, bedGraph, or a SHARPR base-prediction table (region, then one score a base;
--coordinates); text may be gzip. Intervals: BED3 to BED12, narrowPeak (gzip or not) or bigBed,
in any order, overlapping or not; those on contigs without scores are passed over.";

const ENRICHMENT: &str = "\
Output:
  enrichment.tsv   one row a track, annotation and bin of equal count
    scores, annotation   names
    bin                  from 1, highest scores first
    percentile           share of all bases down to the bin's end
    mean_score           mean score of its bases
    fraction             fraction of its bases in the annotation; bases tied across an edge
                         count by their expected share
    fold_from_top        fraction in the annotation among all bases down to the bin's end,
                         over the overall fraction
    fold_from_bottom     the same for the equally many lowest bases
    last_rank            rank of its last base (SHARPR's Bin Index)
  summary.tsv      one row a track and annotation
    bases                scored bases in the annotation
    fraction             of all scored bases
    centre_fraction      fraction of the regions' middle bases (start + length / 2) in it
    auc, auc_negative, auc_absolute
                         area under the ROC curve ranking by score, minus score, |score|
    auc_0.5% ...         area for the first 0.5%, 1%, 5% of false positives (at random:
                         rate^2 / 2)
    fold_top_1, _5, fold_bottom_1, _5
                         fold over the overall fraction in the top, bottom 1%, 5%
    curvature            coefficient of percentile^2 in a parabola fitted to the bins' folds:
                         above 0 where both ends are enriched
    both_ends            the lower of fold_top_5 and fold_bottom_5
    *_low, *_high        bootstrap interval over regions, or blocks of --block bases
    *_p                  two-sided p-value: how often circular shifts of the annotation within
                         the regions (or blocks) lie as far from their mean. A shift within
                         a region keeps how much of it is annotated
    mean_absolute, mean_absolute_in
                         mean |score| of all bases, of those in the annotation
    scored_bases, blocks bases and regions (or blocks) with scores
  enrichment.svg   bins as points, smoothed line, interval band, overall fraction dashed
  run.json         version, command line, inputs, settings, seed, counts

Rows of a score table are ranked as they are: a base in two regions counts twice, as in SHARPR.";

/// Fraction of ranked bases in annotations, ROC curves (the paper's figure 8)
///
/// All scored bases are ranked, highest score first, and cut into bins of equal count.
#[derive(Debug, Args)]
#[command(after_long_help = format!("{SCORES}\n\n{ENRICHMENT}"))]
struct EnrichmentArgs {
    /// A score track; repeatable
    #[arg(long, required = true, value_name = "[NAME=]FILE", value_parser = super::shared::named)]
    scores: Vec<Named>,
    /// A second set of tracks, drawn side by side with those of --scores, in their order
    #[arg(long, value_name = "[NAME=]FILE", value_parser = super::shared::named)]
    compare: Vec<Named>,
    /// An annotation, taken as a set of bases; repeatable
    #[arg(long, required = true, value_name = "[NAME=]FILE", value_parser = super::shared::named)]
    annotation: Vec<Named>,
    /// Bins of equal count
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    bins: u64,
    /// Circular shifts for the p-values; 0 for none
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(..=100_000))]
    shifts: u64,
    /// Gigabytes that exact counts may take; with too few a track is read more than once
    #[arg(long, value_name = "GB", default_value_t = 2.5)]
    memory: f64,
    #[command(flatten)]
    common: CommonArgs,
}

impl EnrichmentArgs {
    fn config(self) -> Result<enrichment::Config> {
        Ok(enrichment::Config {
            scores: self.scores,
            compare: self.compare,
            annotations: self.annotation,
            bins: self.bins,
            shifts: self.shifts,
            memory: (self.memory.max(0.001) * 1e9) as usize,
            lenient: false,
            common: self.common.common()?,
        })
    }
}

const BY_NAME: &str = "\
Output:
  by-name.tsv   one row a name, highest difference (or mean) first
    rank, name           column 4 of the annotation
    sites                intervals with this name
    bases                bases in at least one of them
    <scores>.scored_sites  sites with a scored base
    <scores>.mean        mean over them of a site's score (--site)
    <scores>.se          its standard error: sample deviation / sqrt(scored_sites)
    difference           mean over the sites scored by both of first - second --scores
    low, high            bootstrap interval, resampling blocks of --block bases
    p                    two-sided, difference / bootstrap deviation taken as normal
    q                    Benjamini-Hochberg
  sites.tsv     (--sites) contig, start, end, name; for each track covered (scored bases), mean,
                largest
  by-name.svg   (two tracks) first against second, bars of one standard error, outliers named
  run.json      version, command line, inputs, settings, seed";

/// Mean scores over the sites of each name, such as a factor (the paper's figure 9)
#[derive(Debug, Args)]
#[command(after_long_help = format!("{SCORES}\n\n{BY_NAME}"))]
struct ByNameArgs {
    /// A score track; repeatable, the first two are compared
    #[arg(long, required = true, value_name = "[NAME=]FILE", value_parser = super::shared::named)]
    scores: Vec<Named>,
    /// Sites, with their name (factor) in column 4
    #[arg(long, value_name = "FILE")]
    annotation: PathBuf,
    /// Only these names
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    names: Vec<String>,
    /// The score of a site: the mean over its scored bases, or the one of the largest |score|
    #[arg(long, value_enum, default_value = "mean")]
    site: SiteFlag,
    /// Name so many of the largest differences in the figure
    #[arg(long, value_name = "N", default_value_t = 12)]
    label: usize,
    /// Write one row a site too
    #[arg(long)]
    sites: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SiteFlag {
    Mean,
    Largest,
}

impl ByNameArgs {
    fn config(self) -> Result<by_name::Config> {
        Ok(by_name::Config {
            scores: self.scores,
            annotation: self.annotation,
            names: self.names,
            site_score: match self.site {
                SiteFlag::Mean => by_name::SiteScore::Mean,
                SiteFlag::Largest => by_name::SiteScore::Largest,
            },
            label: self.label,
            sites: self.sites,
            common: self.common.common()?,
        })
    }
}

const PROFILE: &str = "\
Output:
  profile.tsv   one row a track, group and bin of distance
    scores, group        names
    distance             of the bin's first base from the anchor, upstream negative
    anchors              anchors with a scored base in the bin
    mean, median, variance
                         over them, of the mean score of the bin's scored bases (variance of
                         the sample)
    bases                scored bases in the bin, over all anchors
    fraction_above, fraction_below
                         fraction of them above --above, below --below
  profile.svg   mean, and the two fractions, by distance
  heatmap.svg   (--heatmap) anchors from top to bottom, highest first
  run.json      version, command line, inputs, settings

As deepTools computeMatrix reference-point and plotProfile: bases without a score are left out,
and on the reverse strand distance 0 is the anchor's end.";

/// Scores by distance from anchors, such as promoters
#[derive(Debug, Args)]
#[command(after_long_help = format!("{SCORES}\n\n{PROFILE}"))]
struct ProfileArgs {
    /// A score track; repeatable
    #[arg(long, required = true, value_name = "[NAME=]FILE", value_parser = super::shared::named)]
    scores: Vec<Named>,
    /// Anchors: BED6, the strand is respected
    #[arg(long, value_name = "FILE")]
    anchors: PathBuf,
    /// Bases to either side
    #[arg(long, value_name = "N", default_value_t = 3000)]
    flank: u32,
    /// Bases of a bin; must divide --flank
    #[arg(long, value_name = "N", default_value_t = 10)]
    bin: u32,
    /// Which end of an anchor is at distance 0
    #[arg(long, value_enum, default_value = "start")]
    reference: ReferenceFlag,
    /// Take anchors without strand as forward
    #[arg(long)]
    unstranded: bool,
    /// Count bases with higher scores (enhancers)
    #[arg(
        long,
        value_name = "SCORE",
        default_value_t = 0.5,
        allow_negative_numbers = true
    )]
    above: f64,
    /// Count bases with lower scores (repressors)
    #[arg(long, value_name = "SCORE", default_value_t = -0.5, allow_negative_numbers = true)]
    below: f64,
    /// One profile for each name in column 4
    #[arg(long, conflicts_with = "quantiles")]
    by_name: bool,
    /// Only these names
    #[arg(long, value_name = "A,B", value_delimiter = ',', requires = "by_name")]
    names: Vec<String>,
    /// One profile for each of N groups of equal size by column 5, lowest first
    #[arg(long, value_name = "N")]
    quantiles: Option<usize>,
    /// Draw a heat map, sorted by the mean around the anchor or by column 5
    #[arg(long, value_enum, value_name = "mean|score", num_args = 0..=1, default_missing_value = "mean")]
    heatmap: Option<HeatFlag>,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReferenceFlag {
    Start,
    Centre,
    End,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HeatFlag {
    Mean,
    Score,
}

impl ProfileArgs {
    fn config(self) -> Result<profile::Config> {
        Ok(profile::Config {
            scores: self.scores,
            anchors: self.anchors,
            flank: self.flank,
            bin: self.bin,
            reference: match self.reference {
                ReferenceFlag::Start => profile::Reference::Start,
                ReferenceFlag::Centre => profile::Reference::Centre,
                ReferenceFlag::End => profile::Reference::End,
            },
            unstranded: self.unstranded,
            above: self.above,
            below: self.below,
            groups: match (self.by_name, self.quantiles) {
                (true, _) => profile::Groups::Names(self.names),
                (_, Some(n)) => profile::Groups::Quantiles(n),
                _ => profile::Groups::One,
            },
            heat: self.heatmap.map(|h| match h {
                HeatFlag::Mean => profile::HeatOrder::Mean,
                HeatFlag::Score => profile::HeatOrder::Score,
            }),
            common: self.common.common()?,
        })
    }
}

const CORRELATE: &str = "\
Output:
  correlation.tsv
    over         bases (that have both scores), or regions: means over each of --regions, of a
                 table's rows, or else over blocks of --block bases. A base that lies in
                 several regions counts in the first only
    values       signed, or absolute (|score| before ranking; over regions |mean|)
    method       pearson, spearman (ties share their mean rank)
    n, blocks    pairs; blocks of --block bases (or regions) that are resampled
    correlation, low, high
                 with its bootstrap interval; Spearman's ranks are those of all pairs
  correlation.svg  both levels on a grid of hexagons, darker where there are more (logarithmic)
  run.json         version, command line, inputs, settings, seed";

/// Agreement of two tracks: Pearson and Spearman (the paper's figure 7)
#[derive(Debug, Args)]
#[command(after_long_help = format!("{SCORES}\n\n{CORRELATE}"))]
struct CorrelateArgs {
    /// One score track
    #[arg(long, value_name = "[NAME=]FILE", value_parser = super::shared::named)]
    scores: Named,
    /// The other
    #[arg(long, value_name = "[NAME=]FILE", value_parser = super::shared::named)]
    with: Named,
    #[command(flatten)]
    common: CommonArgs,
}

impl CorrelateArgs {
    fn config(self) -> Result<correlate::Config> {
        Ok(correlate::Config {
            scores: self.scores,
            with: self.with,
            common: self.common.common()?,
        })
    }
}
