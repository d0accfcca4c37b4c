use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use super::clump::Clump;
use super::combine::Combine;
use super::input::VariantSource;
use super::journal::LongRun;
use super::rank::RankBy;
use super::windows::Windows;
use crate::attribution::AttributionSettings;
use crate::genome::Aliases;
use crate::intervals::Named;
use crate::ism::{EngineChoice, EngineSettings, Strand};
use crate::liftover::LiftoverConfig;
use crate::model::{ModelOptions, ModelSources};
use crate::tracks::Precision;

/// How variants are scored: what all jobs on variants share.
#[derive(Clone, Debug)]
pub struct Scoring {
    /// The genome.
    pub fasta: PathBuf,
    /// Write missing indexes beside the FASTA.
    pub write_index: bool,
    /// How contig names of the variants are found in the FASTA.
    pub aliases: Aliases,
    /// The ONNX model, or the members of an ensemble.
    pub model: ModelSources,
    /// What the user says of the model.
    pub model_options: ModelOptions,
    /// The ONNX Runtime library, when the user names one.
    pub ort_lib: Option<PathBuf>,
    /// The tasks to give, all when `None`.
    pub tasks: Option<Vec<String>>,
    /// Which windows a variant is scored in.
    pub windows: Windows,
    /// Bases from one window to the next; a fifth of the window when `None`.
    pub stride: Option<u32>,
    /// Which strands.
    pub strand: Strand,
    /// How.
    pub engine: EngineChoice,
    /// Rows given to the model at a time by the full engine.
    pub batch: NonZeroUsize,
    /// Worker threads.
    pub threads: NonZeroUsize,
    /// Stop at a record that makes no sense, instead of leaving it unscored.
    pub strict: bool,
    /// Bits that effects in INFO keep; p-values, tables and whatever is found of the effects have all.
    pub precision: Precision,
    /// What effects are compared with.
    pub background: BackgroundConfig,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

impl Scoring {
    /// Files that are read, whatever the job.
    pub(super) fn inputs(&self) -> Vec<&Path> {
        let mut paths = vec![self.fasta.as_path()];
        paths.extend(self.model.files());
        if let BackgroundSource::File(path) = &self.background.source {
            paths.push(path);
        }
        paths
    }

    pub(super) fn engine_settings(&self) -> EngineSettings {
        EngineSettings {
            choice: self.engine,
            strand: self.strand,
            batch: self.batch,
            threads: self.threads,
        }
    }
}

/// Where the background comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackgroundSource {
    /// No background, no p-values.
    None,
    /// Windows anywhere in the genome.
    Genome,
    /// Windows around bases of these regions (BED, narrowPeak, bigBed), or a saved background, by
    /// the file's content.
    File(PathBuf),
}

/// How much of it, and what is done with it.
#[derive(Clone, Debug)]
pub struct BackgroundConfig {
    /// From where.
    pub source: BackgroundSource,
    /// Windows to sample.
    pub windows: u32,
    /// Seed of the sample.
    pub seed: u64,
    /// Compare a variant only with changes in windows of like GC content: with those of its part
    /// when the background is cut into so many equal parts by GC. 1: with all.
    pub gc_bins: usize,
    /// Where to save it for other runs.
    pub save: Option<PathBuf>,
}

impl Default for BackgroundConfig {
    fn default() -> Self {
        Self {
            source: BackgroundSource::Genome,
            windows: 1_000,
            seed: 1,
            gc_bins: 1,
            save: None,
        }
    }
}

/// Plots of the first variants of the ranking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plots {
    /// How many.
    pub top: usize,
    /// Into which folder.
    pub folder: PathBuf,
    /// What is drawn: contributions of bases by this method, or in-silico mutagenesis.
    pub attribution: Option<AttributionSettings>,
}

/// The job of `mpra-score variants`.
#[derive(Clone, Debug)]
pub struct VariantsConfig {
    /// How variants are scored.
    pub scoring: Scoring,
    /// Where they come from.
    pub source: VariantSource,
    /// How variants of another build are lifted to that of the FASTA.
    pub liftover: Option<LiftoverConfig>,
    /// The scored VCF or BCF; `-` for standard output.
    pub out: PathBuf,
    /// The ranked table.
    pub table: Option<PathBuf>,
    /// What it is ranked by.
    pub rank_by: RankBy,
    /// What is one signal in the ranking, where that is asked.
    pub clump: Option<Clump>,
    /// How p-values of tasks become one.
    pub combine: Combine,
    /// Named intervals, to be found in the table.
    pub annotations: Vec<Named>,
    /// Whether it is a long run's part, or goes on.
    pub long: LongRun,
    /// Plots.
    pub plots: Option<Plots>,
    /// Replace what is there.
    pub force: bool,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Settings of which only what a test looks at matters.
    pub(in super::super) fn scoring() -> Scoring {
        Scoring {
            fasta: "genome.fa".into(),
            write_index: false,
            aliases: Aliases::None,
            model: ModelSources::from_arg(None),
            model_options: ModelOptions::default(),
            ort_lib: None,
            tasks: None,
            windows: Windows::All,
            stride: None,
            strand: Strand::Forward,
            engine: EngineChoice::Auto,
            batch: NonZeroUsize::MIN,
            threads: NonZeroUsize::MIN,
            strict: false,
            precision: Precision::FULL,
            background: BackgroundConfig::default(),
            command: Vec::new(),
        }
    }
}
