use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::attribution::AttributionSettings;
use crate::genome::{Aliases, BedRules, BedSource, Lattice};
use crate::ism::{EngineChoice, EngineSettings, Strand, Want};
use crate::job::Shard;
use crate::liftover::LiftoverConfig;
use crate::model::{ModelOptions, ModelSources, ModelSpec};
use crate::output::Existing;
use crate::tracks::{Item, Precision};

use super::ScoreError;

/// Which bases are scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegionSource {
    /// The regions of a BED.
    Bed(BedSource),
    /// Every contig of the FASTA, whole.
    WholeGenome,
}

/// Where window starts lie; see [`Lattice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At the multiples of the stride, the same for every region.
    Genome,
    /// Counted from each region's start.
    Region,
}

/// Track formats, one or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formats {
    /// `.bw`
    pub bigwig: bool,
    /// `.bedGraph`
    pub bedgraph: bool,
}

/// Which files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outputs {
    /// Importance, beside activity.
    pub importance: bool,
    /// Contributions of bases by this method, in the place of importance, and hypothetical ones in that of effects.
    pub attribution: Option<AttributionSettings>,
    /// `windows.tsv.gz`.
    pub windows: bool,
    /// `saturation.npz`.
    pub saturation: bool,
    /// The files of TF-MoDISco in the place of `saturation.npz`.
    pub modisco: bool,
    /// All columns of `regions.tsv`: beside mean activities and their quantiles also the largest, and those
    /// of importance.
    pub wide: bool,
    /// Formats of the tracks.
    pub formats: Formats,
    /// Bits that values of tracks and of `saturation.npz` keep. Tables have all.
    pub precision: Precision,
}

impl Outputs {
    /// Gives the values of a track their bits.
    pub(super) fn round(&self, items: &mut [Item]) {
        if self.precision != Precision::FULL {
            for item in items {
                item.value = self.precision.round(item.value);
            }
        }
    }

    /// The word for what bases are given: `importance`, or the method's.
    pub fn of_bases(&self) -> &'static str {
        match self.attribution {
            Some(settings) => settings.method.as_str(),
            None => "importance",
        }
    }

    /// What the engine has to compute for them.
    pub fn want(&self) -> Want {
        match (self.importance, self.saturation) {
            (_, true) => Want::Effects,
            (true, false) => Want::Importance,
            (false, false) => Want::Activity,
        }
    }
}

/// The main job: everything [`super::run`] needs to know.
#[derive(Clone, Debug)]
pub struct ScoreConfig {
    /// Which bases.
    pub regions: RegionSource,
    /// How rows of the BED become regions.
    pub rows: BedRules,
    /// How rows of the BED, which are of another build, are lifted to that of the FASTA.
    pub liftover: Option<LiftoverConfig>,
    /// How contig names of the BED are found in the FASTA.
    pub aliases: Aliases,
    /// The genome.
    pub fasta: PathBuf,
    /// Write missing indexes beside the FASTA.
    pub write_index: bool,
    /// The model, or the members of an ensemble.
    pub model: ModelSources,
    /// What the user says of the model.
    pub model_options: ModelOptions,
    /// The ONNX Runtime library, when the user names one.
    pub ort_lib: Option<PathBuf>,
    /// The tasks to write, all when `None`.
    pub tasks: Option<Vec<String>>,
    /// Means over tasks, by name, to be written in their place: of activities, of importance, of effects.
    pub mean_over: Vec<(String, Vec<String>)>,
    /// Bases from one window to the next; a fifth of the window when `None`.
    pub stride: Option<u32>,
    /// Where windows lie.
    pub anchor: Anchor,
    /// Which strands.
    pub strand: Strand,
    /// How.
    pub engine: EngineChoice,
    /// Rows given to the model at a time.
    pub batch: NonZeroUsize,
    /// Worker threads.
    pub threads: NonZeroUsize,
    /// What is written.
    pub outputs: Outputs,
    /// The output folder.
    pub out: PathBuf,
    /// What to do with what is already there.
    pub existing: Existing,
    /// How often a run notes how far it is.
    pub checkpoint_every: Duration,
    /// Score only this part.
    pub shard: Option<Shard>,
    /// The command line, for the provenance file.
    pub command: Vec<String>,
}

impl ScoreConfig {
    pub(super) fn engine_settings(&self) -> EngineSettings {
        EngineSettings {
            choice: self.engine,
            strand: self.strand,
            batch: self.batch,
            threads: self.threads,
        }
    }

    /// The window lattice for a model.
    ///
    /// # Errors
    /// When the stride is 0 or longer than the window.
    pub(super) fn lattice(&self, spec: &ModelSpec) -> Result<Lattice, Error> {
        let window = spec.window as u32;
        let stride = self.stride.unwrap_or((window / 5).max(1));
        let lattice = Lattice::genome(window, stride);
        let lattice = lattice.ok_or(ScoreError::Stride { stride, window })?;
        Ok(lattice.allowing(spec.most_unknown))
    }
}
