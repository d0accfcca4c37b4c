//! `mpra-score dataset`: count tables to training examples.

use std::path::PathBuf;

use crate::Error;
use crate::dataset::{
    self, Config, CoordinateSource, Geometry, Igvf, MissingValues, ReplicateRule, Shares,
    SplitRule, Strand, parse_experiment, read_sheet,
};
use anyhow::Result;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, ValueEnum};

use super::interrupt;
use super::report::ReportFlag;
use super::shared::{aliases, all_cores, say, wrote};

/// Training examples from count tables: activities, sequences, splits, weights, and a report.
///
/// Counts become a log2(RNA/DNA) a tile and replicate (1 added to every count, divided by the table's
/// sum, median over the barcodes with enough DNA); replicates are averaged; each task (cell type and
/// promoter) is standardised to mean 0, variance 1 over the examples.
#[derive(Debug, Args)]
#[command(after_long_help = OUTPUT)]
pub struct DatasetArgs {
    /// One replicate of one task: names and its RNA and DNA count tables (GEO's `ID Sequence Tags
    /// Counts` or SHARPR's form; gzip or not). Give it once a replicate; twice with the same names for
    /// tables of different tiles, as the scale-up's two designs
    #[arg(long, value_name = "CELL:PROMOTER:REPLICATE=RNA,DNA")]
    experiment: Vec<String>,
    /// The experiments as a table: TOML (`[[experiment]]`) or tab-separated with a header, with
    /// cell_type, promoter, replicate, rna, dna; paths count from the sheet's folder
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// A task's reporter experiment in a form of the IGVF consortium, as MPRAsnakeflow writes it: counts of
    /// barcodes (`barcode oligo_name dna_count_R rna_count_R ...`) or activities (`replicate oligo_name ...
    /// log2FoldChange n_bc`); once a task
    #[arg(long, value_name = "TASK=FILE", value_parser = igvf, requires = "design", conflicts_with_all = ["experiment", "sheet"])]
    igvf: Vec<(String, PathBuf)>,
    /// Its sequences: IGVF's reporter sequence design (`name sequence ... chr start end`), or FASTA. Most
    /// oligos' length is that of the examples
    #[arg(long, value_name = "FILE", requires = "igvf")]
    design: Option<PathBuf>,
    /// Oligos with fewer barcodes in a replicate have no value there
    #[arg(long, value_name = "N", default_value_t = 10, requires = "igvf")]
    min_barcodes: u32,
    /// Only these tasks (CELL_PROMOTER), in this order
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    tasks: Option<Vec<String>>,
    /// Bases of a tile
    #[arg(long, default_value_t = 145)]
    tile: u32,
    /// Bases from one tile of a region to the next
    #[arg(long, default_value_t = 5)]
    step: u32,
    /// Tiles a region
    #[arg(long, default_value_t = 31)]
    tiles: u32,
    /// Which field of the tile names, between underscores and counted from 0, is the tile's
    /// position: 3 for H1hesc_1_0_14_chr20_30310735, 2 for high_0_8
    #[arg(long, default_value_t = 3)]
    tile_index: usize,
    /// Leave out barcodes with fewer DNA counts
    #[arg(long, default_value_t = 20)]
    min_dna: u32,
    /// A task has a value for a tile when all its replicates have one, or when any has (the mean is
    /// over those)
    #[arg(long, value_enum, default_value_t = Replicates::All)]
    replicates: Replicates,
    /// Tiles without a value in every task are filtered, or kept with the value missing (those without
    /// a value in any task are filtered all the same)
    #[arg(long, value_enum, default_value_t = Missing::Filter)]
    missing: Missing,
    /// Coordinates: a file that names tiles or regions (`id chrom start end`, or BED with the name in
    /// column 4); `id` when region names end with chromosome and centre; `none` when there are none
    /// and no two regions overlap [default: id where the names allow it]
    #[arg(long, value_name = "FILE|id|none")]
    coords: Option<PathBuf>,
    /// Take sequences from this indexed FASTA by coordinates, not from the tables
    #[arg(long, value_name = "FASTA")]
    fasta: Option<PathBuf>,
    /// Names of chromosomes between coordinates and FASTA: `ucsc-ensembl` (chr1 is 1), or a file with a
    /// chromosome's names on each line
    #[arg(long, value_name = "ucsc-ensembl|FILE", requires = "fasta")]
    chrom_alias: Option<PathBuf>,
    /// The input: the tile, or the tile in a frame as long as its region, at offset step * position,
    /// with N around it
    #[arg(long, value_enum, default_value_t = Frame::Tile)]
    frame: Frame,
    /// The split. All but random-tiles keep the tiles of a region, and of regions that overlap, on one
    /// side. random-tiles is the paper's: neighbouring tiles leak between the sides
    #[arg(long, value_enum, default_value_t = SplitBy::Region)]
    split: SplitBy,
    /// Share of the validation set (not with --split chromosome)
    #[arg(long, default_value_t = 0.2, value_name = "SHARE")]
    validation: f64,
    /// Share of the test set (not with --split chromosome)
    #[arg(long, default_value_t = 0.2, value_name = "SHARE")]
    test: f64,
    /// Chromosomes of the validation set [default: chr8]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    validation_chroms: Option<Vec<String>>,
    /// Chromosomes of the test set [default: chr18]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    test_chroms: Option<Vec<String>>,
    /// Number that decides random choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Add each example's reverse complement as an example of its own, on the same side of the split
    #[arg(long)]
    reverse_complements: bool,
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
Output:
  examples.parquet   one row an example; Python: pandas.read_parquet; R: arrow::read_parquet.
      tile, region     names; position: the tile's number in its region, from 0
      group            number of the group of overlapping regions
      chrom,start,end  0-based, half-open; null without coordinates
      strand           + as synthesised, - the reverse complement
      sequence         the model's input; N where a base is unknown or the frame empty
      offset           column of the tile's first base in sequence
      split            train, validation or test
      weight           replicate weight, 0 to 1: the distance of (replicate 1, replicate 2)
                       from the diagonal, mean over tasks, negated and scaled to 0..1
      <task>           activity, standardised: (activity - mean) / scale
      <task>.activity  mean over replicates of the normalised log2(RNA/DNA)
      <task>.rep<r>    the replicates' normalised log2(RNA/DNA)
    Key-value metadata: mpra_score.tasks (JSON: names, mean, scale), .split, .input,
    .version, .provenance (all of run.json that does not depend on the machine).
  report.tsv         item, task, key, value. Items: tiles_read, tiles_kept, tiles_filtered (key:
                     reason), tiles_without_value (key: replicate), tiles_filtered_without_value,
                     tiles_with_unknown_bases, tiles_unlike_fasta, regions,
                     groups_of_overlapping_regions, groups_on_several_sides, split (key: side),
                     examples_with_value, mean, variance (population, log2), replicate_mean,
                     replicate_variance, replicate_pairs, replicate_correlation (Pearson; over
                     all tiles with both values), replicate_rank_correlation (Spearman),
                     mean_abs_activity (standardised; key: position), replicate_distance
                     (histogram; key: lower end of the bin)
  filtered.tsv       tile, reason, tasks without a value: every tile that is no example
  position.svg       mean |activity| by position;  activity.svg: histogram a task
  distance.svg       histogram of replicate distances;  replicates.svg: 1 against 2
  run.json           version, command line, inputs and sizes, settings, counts

Example:
  mpra-score dataset --experiment HepG2:SV40P:1=rna1.counts.gz,dna1.counts.gz \\
    --experiment HepG2:SV40P:2=rna2.counts.gz,dna2.counts.gz --step 30 --tiles 9 \\
    --tile-index 2 --coords coords.txt --out examples
";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Replicates {
    All,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Missing {
    Filter,
    Keep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Frame {
    Tile,
    Region,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SplitBy {
    Region,
    Chromosome,
    Random,
    RandomTiles,
}

fn igvf(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((task, file)) if !task.is_empty() && !file.is_empty() => {
            Ok((task.into(), file.into()))
        }
        _ => Err("expected TASK=FILE, such as HepG2=reporter_experiment.barcode.tsv.gz".into()),
    }
}

impl DatasetArgs {
    fn config(self) -> Result<Config> {
        let mut experiments = Vec::new();
        if let Some(sheet) = &self.sheet {
            experiments.extend(read_sheet(sheet).map_err(Error::from)?);
        }
        for text in &self.experiment {
            experiments.push(parse_experiment(text).map_err(Error::from)?);
        }
        let igvf = self.design.map(|design| Igvf {
            tables: self.igvf,
            design,
            min_barcodes: self.min_barcodes,
        });
        if experiments.is_empty() && igvf.is_none() {
            return Err(super::Cli::command()
                .error(
                    ErrorKind::MissingRequiredArgument,
                    "give --experiment (once a replicate), --sheet or --igvf",
                )
                .into());
        }
        let shares = Shares {
            validation: self.validation,
            test: self.test,
            seed: self.seed,
        };
        let split = match self.split {
            SplitBy::Region => SplitRule::Region(shares),
            SplitBy::Random => SplitRule::Random(shares),
            SplitBy::RandomTiles => SplitRule::RandomTiles(shares),
            SplitBy::Chromosome => SplitRule::Chromosome {
                required: [&self.validation_chroms, &self.test_chroms]
                    .into_iter()
                    .flatten()
                    .flatten()
                    .cloned()
                    .collect(),
                validation: self
                    .validation_chroms
                    .unwrap_or_else(|| vec!["chr8".into()]),
                test: self.test_chroms.unwrap_or_else(|| vec!["chr18".into()]),
            },
        };
        let coordinates = match self.coords {
            None => CoordinateSource::Auto,
            Some(path) if path.as_os_str() == "id" => CoordinateSource::RegionName,
            Some(path) if path.as_os_str() == "none" => CoordinateSource::None,
            Some(path) => CoordinateSource::File(path),
        };
        let aliases = aliases(self.chrom_alias.as_deref())?;
        Ok(Config {
            experiments,
            sheet: self.sheet,
            igvf,
            tasks: self.tasks,
            geometry: Geometry {
                tile: self.tile,
                step: self.step,
                tiles: self.tiles,
            },
            tile_index: self.tile_index,
            min_dna: self.min_dna,
            replicates: match self.replicates {
                Replicates::All => ReplicateRule::All,
                Replicates::Any => ReplicateRule::Any,
            },
            missing: match self.missing {
                Missing::Filter => MissingValues::Filter,
                Missing::Keep => MissingValues::Keep,
            },
            coordinates,
            fasta: self.fasta,
            aliases,
            frame: match self.frame {
                Frame::Tile => dataset::Frame::Tile,
                Frame::Region => dataset::Frame::Region,
            },
            split,
            strands: if self.reverse_complements {
                Strand::Both
            } else {
                Strand::Forward
            },
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
        let summary = dataset::run(&config, &cancel)?;
        if quiet {
            return page.of(&config.out, true, quiet);
        }
        say(format!(
            "{} of {} tile(s) kept, {} row(s)",
            summary.kept, summary.tiles, summary.rows
        ));
        for (task, r) in summary.tasks.iter().filter(|(_, r)| !r.is_nan()) {
            say(format!("{task}: replicate correlation {r:.3}"));
        }
        wrote(&summary.files);
        page.of(&config.out, true, quiet)
    }
}
