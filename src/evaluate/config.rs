use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::dataset::Split;
use crate::genome::Aliases;
use crate::labelled::Source;
use crate::model::{ModelOptions, ModelSources};
use crate::output::Existing;

use super::{Bootstrap, Fields};

/// Which rows of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The test side where the data are split, else all.
    Auto,
    /// One side of the split.
    Of(Split),
    /// Every row.
    All,
}

/// Which of a label's columns is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// `TASK`: what networks are trained on.
    Standardised,
    /// `TASK.activity`: log2(RNA/DNA).
    Activity,
}

impl Values {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standardised => "standardised",
            Self::Activity => "activity",
        }
    }
}

/// Another model, for comparison.
#[derive(Clone, Debug)]
pub struct Against {
    /// The model.
    pub model: ModelSources,
    /// Pairs (label, task) as [`Common::map`] has them; for variants (task of the model, task of this
    /// one).
    pub map: Vec<(String, String)>,
}

/// Settings of both kinds of evaluation.
#[derive(Clone, Debug)]
pub struct Common {
    /// The model.
    pub model: ModelSources,
    /// What the user says of it.
    pub model_options: ModelOptions,
    /// The ONNX Runtime library, when the user names one.
    pub ort_lib: Option<PathBuf>,
    /// Pairs (label, task) beside those of equal names.
    pub map: Vec<(String, String)>,
    /// A second model.
    pub baseline: Option<Against>,
    /// How intervals are made.
    pub bootstrap: Bootstrap,
    /// Windows given to a model at a time.
    pub batch: NonZeroUsize,
    /// Worker threads; answers do not depend on them.
    pub threads: NonZeroUsize,
    /// The output folder.
    pub out: PathBuf,
    /// What to do with what is there.
    pub existing: Existing,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

/// A run of [`super::run_examples`].
#[derive(Clone, Debug)]
pub struct ExamplesConfig {
    /// The data.
    pub source: Source,
    /// Which rows.
    pub side: Side,
    /// Which column of a label.
    pub values: Values,
    /// The rest.
    pub common: Common,
}

/// A run of [`super::run_variants`].
#[derive(Clone, Debug)]
pub struct VariantsConfig {
    /// VCF, or a table with a header; plain or gzip.
    pub variants: PathBuf,
    /// Where in it effects, elements and barcodes stand.
    pub fields: Fields,
    /// The genome.
    pub fasta: PathBuf,
    /// How contig names are brought together.
    pub aliases: Aliases,
    /// Variants with fewer barcodes are left out, where barcodes are known.
    pub min_barcodes: f64,
    /// Only these tasks.
    pub tasks: Option<Vec<String>>,
    /// The rest; `map` is not used.
    pub common: Common,
}
