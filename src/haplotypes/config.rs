use std::path::PathBuf;

use crate::genome::{Aliases, BedRules, BedSource};
use crate::ism::EngineSettings;
use crate::model::{ModelOptions, ModelSources};

/// A run of [`run`](super::run).
#[derive(Clone, Debug)]
pub struct HaplotypesConfig {
    /// A phased VCF (plain, gzip, bgzip) or BCF, sorted; `-` is standard input.
    pub vcf: PathBuf,
    /// The regions.
    pub bed: BedSource,
    /// Which rows of the BED, and how large.
    pub rows: BedRules,
    /// The genome.
    pub fasta: PathBuf,
    /// Other names of contigs, in the VCF and in the BED.
    pub aliases: Aliases,
    /// Write a missing index beside the FASTA.
    pub write_index: bool,
    /// The samples, all when `None`.
    pub samples: Option<Vec<String>>,
    /// Only records whose FILTER is PASS or missing.
    pub pass_only: bool,
    /// Take genotypes that are not phased as they are written, and phase sets as one.
    pub assume_phased: bool,
    /// The model, or the members of an ensemble, of which the mean is taken.
    pub model: ModelSources,
    /// What the user says of the model.
    pub model_options: ModelOptions,
    /// The ONNX Runtime library, when the user names one.
    pub ort_lib: Option<PathBuf>,
    /// The tasks to write, all when `None`.
    pub tasks: Option<Vec<String>>,
    /// Bases from one window to the next; a fifth of the window when `None`.
    pub stride: Option<u32>,
    /// How windows are scored.
    pub engine: EngineSettings,
    /// Also write the sequence of each distinct haplotype.
    pub sequences: bool,
    /// The output folder.
    pub out: PathBuf,
    /// Replace results that are there.
    pub force: bool,
    /// The command line, for the provenance file.
    pub command: Vec<String>,
}
