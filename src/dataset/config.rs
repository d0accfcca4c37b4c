use std::path::PathBuf;

use super::{DatasetError, Experiment};
use crate::genome::Aliases;

/// The design's numbers: unlike for the Sharpr-MPRA model, the step need not divide the tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bases of a tile.
    pub tile: u32,
    /// Bases from one tile of a region to the next.
    pub step: u32,
    /// Tiles a region.
    pub tiles: u32,
}

impl Geometry {
    /// Bases of a region.
    pub fn region_len(&self) -> u32 {
        self.tile + self.step * (self.tiles - 1)
    }
}

/// Where coordinates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoordinateSource {
    /// From the region names when the first one carries chromosome and centre, otherwise nowhere.
    Auto,
    /// From the region names, which end with chromosome and centre (`.._chr20_30310735`).
    RegionName,
    /// From a file that names tiles or regions.
    File(PathBuf),
    /// There are none, and no two regions overlap.
    None,
}

/// What the model's input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The tile.
    Tile,
    /// As long as the region; the tile stands `step * position` columns in, `N` around it (paper,
    /// 4.2.1).
    Region,
}

/// What becomes of tiles that lack a value in some task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingValues {
    /// They are filtered.
    Filter,
    /// They are kept, the value missing, unless they lack one in every task.
    Keep,
}

/// When a task has a value for a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicateRule {
    /// When every replicate has one.
    All,
    /// When any replicate has one; the mean is over those.
    Any,
}

/// Which strands become examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strand {
    /// The tile as synthesised.
    Forward,
    /// Also its reverse complement, as an example of its own.
    Both,
}

/// How examples are split. All but [`RandomTiles`](Self::RandomTiles) keep the tiles of a region, and
/// of regions that overlap, on one side.
#[derive(Clone, Debug, PartialEq)]
pub enum SplitRule {
    /// Each group of overlapping regions by a hash of its name: where it goes does not depend on which
    /// other regions there are.
    Region(Shares),
    /// By chromosome.
    Chromosome {
        /// Chromosomes of the validation set.
        validation: Vec<String>,
        /// Chromosomes of the test set.
        test: Vec<String>,
        /// Those of them that must have examples: the ones the user named.
        required: Vec<String>,
    },
    /// Groups in random order, until the shares are reached.
    Random(Shares),
    /// Single tiles at random: neighbours that share most of their bases come to lie on both sides,
    /// as in the paper, and accuracy is overstated.
    RandomTiles(Shares),
}

/// How much of the data goes where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Share of the validation set.
    pub validation: f64,
    /// Share of the test set.
    pub test: f64,
    /// Number that decides the random choice.
    pub seed: u64,
}

impl SplitRule {
    /// The word on the command line.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Region(_) => "region",
            Self::Chromosome { .. } => "chromosome",
            Self::Random(_) => "random",
            Self::RandomTiles(_) => "random-tiles",
        }
    }

    fn check(&self) -> Result<(), DatasetError> {
        match self {
            Self::Region(s) | Self::Random(s) | Self::RandomTiles(s) => {
                let sound = |share: f64| (0.0..1.0).contains(&share);
                if sound(s.validation) && sound(s.test) && s.validation + s.test < 1.0 {
                    return Ok(());
                }
                Err(DatasetError::Setting(format!(
                    "validation share {} and test share {} must be 0 or more and leave something to train on",
                    s.validation, s.test
                )))
            }
            Self::Chromosome {
                validation, test, ..
            } => match validation.iter().find(|c| test.contains(c)) {
                Some(chrom) => Err(DatasetError::Setting(format!(
                    "{chrom} is to be both validation and test"
                ))),
                None => Ok(()),
            },
        }
    }
}

/// Reporter experiments with their design.
#[derive(Clone, Debug)]
pub struct Igvf {
    /// A task's name and its table: `barcode oligo_name dna_count_R rna_count_R ...` (reporter experiment
    /// barcode), or `replicate oligo_name ... log2FoldChange n_bc` (reporter experiment).
    pub tables: Vec<(String, PathBuf)>,
    /// Sequences by name: a reporter sequence design (`name sequence ... chr start end`), or FASTA.
    pub design: PathBuf,
    /// Oligos with fewer barcodes in a replicate have no value there.
    pub min_barcodes: u32,
}

/// A run of `mpra-score dataset`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The experiments.
    pub experiments: Vec<Experiment>,
    /// The sheet they came from, for the provenance.
    pub sheet: Option<PathBuf>,
    /// IGVF's reporter experiments, instead of count tables.
    pub igvf: Option<Igvf>,
    /// Only these tasks, in this order.
    pub tasks: Option<Vec<String>>,
    /// The design.
    pub geometry: Geometry,
    /// Field of the tile names, from 0, that holds the position.
    pub tile_index: usize,
    /// Barcodes with fewer DNA counts are left out.
    pub min_dna: u32,
    /// Rule for tiles that lack replicates.
    pub replicates: ReplicateRule,
    /// Rule for tiles that lack tasks.
    pub missing: MissingValues,
    /// Coordinates.
    pub coordinates: CoordinateSource,
    /// The genome; sequences then come from it and not from the tables.
    pub fasta: Option<PathBuf>,
    /// How names of coordinates and FASTA are brought together.
    pub aliases: Aliases,
    /// The model's input.
    pub frame: Frame,
    /// The split.
    pub split: SplitRule,
    /// Strand.
    pub strands: Strand,
    /// Output folder.
    pub out: PathBuf,
    /// Replace earlier results.
    pub force: bool,
    /// Worker threads.
    pub threads: usize,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

impl Config {
    /// Checks what does not depend on the files.
    ///
    /// # Errors
    /// [`DatasetError::Setting`] in words that name the settings.
    pub fn check(&self) -> Result<(), DatasetError> {
        let fail = |text: &str| Err(DatasetError::Setting(text.into()));
        let Geometry { tile, step, tiles } = self.geometry;
        // Far above any synthesised library; keeps every product below in range.
        let sound = |n: u32| (1..=100_000).contains(&n);
        if !(sound(tile) && sound(step) && (1..=10_000).contains(&tiles)) {
            return fail("--tile and --step are from 1 to 100,000, --tiles is from 1 to 10,000");
        }
        if u64::from(step) * u64::from(tiles) > 1 << 24 {
            return fail("--step times --tiles makes regions of more than 16 million bases");
        }
        if self.experiments.is_empty() == self.igvf.is_none() {
            return fail("give either --experiment or --sheet, or --igvf");
        }
        if self.fasta.is_some() && self.coordinates == CoordinateSource::None {
            return fail("sequences from the FASTA need coordinates");
        }
        self.split.check()
    }
}
