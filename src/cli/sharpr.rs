//! `mpra-score sharpr`: the Sharpr-MPRA model from count tables or from any of its tables.

use std::path::PathBuf;

use crate::Error;
use crate::sharpr::{self, Config, Design, Precision, Start, Step};
use anyhow::Result;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, ValueEnum};

use super::interrupt;
use super::report::ReportFlag;
use super::shared::{all_cores, say, wrote};

/// Per-base activities from tiled designs (the Sharpr-MPRA model, Ernst et al. 2016).
///
/// Counts become a log2(RNA/DNA) a tile (1 added to every count, divided by the table's sum, median
/// over the barcodes with enough DNA), tiles become a posterior mean a hidden interval of --step
/// bases, replicates are averaged, the two prior variances combined (zero where their signs differ,
/// otherwise the one nearer zero), and intervals interpolated to bases.
#[derive(Debug, Args)]
#[command(after_long_help = OUTPUT)]
pub struct SharprArgs {
    /// RNA count tables, one a replicate, separated by commas (GEO's `ID Sequence Tags Counts` or
    /// SHARPR's form; gzip or not)
    #[arg(long, value_delimiter = ',', value_name = "FILES", requires = "dna")]
    rna: Vec<PathBuf>,
    /// DNA (plasmid) count tables in the order of --rna, with the same tiles in the same order
    #[arg(long, value_delimiter = ',', value_name = "FILES", requires = "rna")]
    dna: Vec<PathBuf>,
    /// Start from tables instead of counts: those that --from-step wrote, one a replicate, separated
    /// by commas. With `--from-step infer` give it once a prior variance
    #[arg(long, value_name = "FILES", conflicts_with_all = ["rna", "dna"], requires = "from_step")]
    from_table: Vec<String>,
    /// The step whose tables --from-table names
    #[arg(long, value_enum, value_name = "STEP", requires = "from_table")]
    from_step: Option<FromStep>,
    /// The last step to run
    #[arg(long, value_enum, value_name = "STEP")]
    stop_after: Option<FromStep>,
    /// Bases of a tile
    #[arg(long, default_value_t = 145)]
    tile: usize,
    /// Bases from one tile to the next; must divide --tile
    #[arg(long, default_value_t = 5)]
    step: usize,
    /// Tiles a region
    #[arg(long, default_value_t = 31)]
    tiles: usize,
    /// Which field of the tile names, between underscores and counted from 0, is the tile's
    /// position: 3 for H1hesc_1_0_14_chr20_30310735, 2 for high_0_8
    #[arg(long, default_value_t = 3)]
    tile_index: usize,
    /// Leave out barcodes with fewer DNA counts
    #[arg(long, default_value_t = 20)]
    min_dna: u32,
    /// Subtract from the tile tables: nothing, the mean of all values, or the mean of all values at
    /// the first and last position (SHARPR's -recentermean and -recenterends)
    #[arg(long, value_enum, default_value_t = Recentre::None)]
    recentre: Recentre,
    /// Prior variances of the hidden activities; one alone is not combined with another
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,50",
        value_name = "V,V"
    )]
    prior_variances: Vec<f64>,
    /// Print at most so many decimals, and let each step from `infer` on read the printed values, as
    /// SHARPR does with 3 [default: full precision]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=15))]
    digits: Option<u8>,
    /// Region coordinates for tracks: SHARPR's `id chrom start end`, or BED with the region in
    /// column 4
    #[arg(long, value_name = "FILE")]
    regions: Option<PathBuf>,
    /// Chromosome sizes (name, length; a .fai will do): orders the tracks, checks the coordinates
    #[arg(long, value_name = "FILE", requires = "regions")]
    fasta_sizes: Option<PathBuf>,
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
    threads: Option<std::num::NonZeroUsize>,
}

const OUTPUT: &str = "\
Output (tab-separated, no header unless said; <r> is the replicate, from 1):
  normalized.<r>.tsv    tile; median log2(RNA/DNA); barcodes that passed --min-dna
                        (0 and 0 where none did)
  table.<r>.tsv         region; then one value a tile position, empty where missing
  infer.<r>.v<v>.tsv    region; then one score a hidden interval of --step bases, for
                        prior variance <v>, standardised over the table to mean 0,
                        variance 1
  combined.tsv          region; then one score an interval: replicates averaged, prior
                        variances combined
  scores.tsv            region; then one score a base, from the region's first
  scores.bedGraph       with --regions: chromosome; start (0-based); end; mean score
  scores.bw             with --fasta-sizes too: the same as bigWig
                        over the regions that cover the bases
  report.tsv            with header: replicate; item; value. Items: tiles,
                        tiles_without_value, recentred_by, regions, values, mean,
                        variance (population) of the tile table; region_without_values
                        has a line for each region none of whose tiles has a value
                        (its intervals get the table's mean)
  run.json              version, command line, inputs, settings, counts

Example:
  mpra-score sharpr --rna rep1.counts.gz,rep2.counts.gz --dna dna1.counts.gz,dna2.counts.gz \\
    --tile 145 --step 5 --tiles 31 --tile-index 3 --regions coords.txt --out activities
";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FromStep {
    Normalize,
    Table,
    Infer,
    Combine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Recentre {
    None,
    Mean,
    Ends,
}

impl SharprArgs {
    fn config(self) -> Result<Config> {
        let lists: Vec<Vec<PathBuf>> = self
            .from_table
            .iter()
            .map(|list| list.split(',').map(PathBuf::from).collect())
            .collect();
        let start = match (self.from_step, lists) {
            (Some(FromStep::Infer), lists) => Start::Inferred(lists),
            (Some(_), lists) if lists.len() > 1 => {
                return Err(usage(
                    ErrorKind::TooManyValues,
                    "--from-table is given once, except with --from-step infer",
                ));
            }
            (Some(step), mut lists) => {
                let mut files = lists.pop().unwrap_or_default();
                match step {
                    FromStep::Normalize => Start::Normalized(files),
                    FromStep::Table => Start::Tables(files),
                    _ if files.len() == 1 => Start::Combined(files.remove(0)),
                    _ => {
                        return Err(usage(
                            ErrorKind::TooManyValues,
                            "--from-step combine starts from one table",
                        ));
                    }
                }
            }
            (None, _) if self.rna.is_empty() => {
                return Err(usage(
                    ErrorKind::MissingRequiredArgument,
                    "give --rna and --dna, or --from-table and --from-step",
                ));
            }
            (None, _) if self.rna.len() != self.dna.len() => {
                return Err(usage(
                    ErrorKind::WrongNumberOfValues,
                    &format!(
                        "{} table(s) in --rna, {} in --dna: each replicate needs one of both",
                        self.rna.len(),
                        self.dna.len()
                    ),
                ));
            }
            (None, _) => Start::Counts {
                rna: self.rna,
                dna: self.dna,
            },
        };
        Ok(Config {
            start,
            design: Design::new(self.tile, self.step, self.tiles).map_err(Error::from)?,
            tile_index: self.tile_index,
            min_dna: self.min_dna,
            recentre: match self.recentre {
                Recentre::None => sharpr::Recentre::None,
                Recentre::Mean => sharpr::Recentre::Mean,
                Recentre::Ends => sharpr::Recentre::Ends,
            },
            prior_variances: self.prior_variances,
            precision: self.digits.map_or(Precision::Full, Precision::Digits),
            stop_after: match self.stop_after {
                Some(FromStep::Normalize) => Step::Normalize,
                Some(FromStep::Table) => Step::Table,
                Some(FromStep::Infer) => Step::Infer,
                Some(FromStep::Combine) => Step::Combine,
                None => Step::Interpolate,
            },
            regions: self.regions,
            sizes: self.fasta_sizes,
            out: self.out,
            force: self.force,
            threads: self.threads.unwrap_or_else(all_cores).get(),
            command: super::shared::command_line(),
        })
    }

    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        let page = self.page;
        let config = self.config()?;
        let summary = sharpr::run(&config, &cancel)?;
        if !quiet {
            say(format!("{} region(s)", summary.regions));
            wrote(&summary.files);
        }
        page.of(&config.out, true, quiet)?;
        Ok(())
    }
}

fn usage(kind: ErrorKind, message: &str) -> anyhow::Error {
    super::Cli::command().error(kind, message).into()
}
