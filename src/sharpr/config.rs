use std::path::PathBuf;

use super::{Design, Precision, Recentre, SharprError};

/// The steps, each ending with a table that the next can start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// `normalized.<r>.tsv`
    Normalize,
    /// `table.<r>.tsv`
    Table,
    /// `infer.<r>.v<variance>.tsv`
    Infer,
    /// `combined.tsv`
    Combine,
    /// `scores.tsv`, and tracks
    Interpolate,
}

impl Step {
    /// The word for it on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normalize => "normalize",
            Self::Table => "table",
            Self::Infer => "infer",
            Self::Combine => "combine",
            Self::Interpolate => "interpolate",
        }
    }
}

/// What a run starts from; one file a replicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Count tables, RNA and DNA in the same order of replicates.
    Counts {
        /// RNA tables.
        rna: Vec<PathBuf>,
        /// DNA tables.
        dna: Vec<PathBuf>,
    },
    /// Tile values (`normalized.<r>.tsv`).
    Normalized(Vec<PathBuf>),
    /// Tile tables (`table.<r>.tsv`).
    Tables(Vec<PathBuf>),
    /// Standardised interval scores, one list of replicates a prior variance.
    Inferred(Vec<Vec<PathBuf>>),
    /// The combined interval scores.
    Combined(PathBuf),
}

impl Start {
    /// The first step that a run from here makes.
    pub fn first_step(&self) -> Step {
        match self {
            Self::Counts { .. } => Step::Normalize,
            Self::Normalized(_) => Step::Table,
            Self::Tables(_) => Step::Infer,
            Self::Inferred(_) => Step::Combine,
            Self::Combined(_) => Step::Interpolate,
        }
    }

    /// All its files.
    pub fn files(&self) -> Vec<&PathBuf> {
        match self {
            Self::Counts { rna, dna } => rna.iter().chain(dna).collect(),
            Self::Normalized(files) | Self::Tables(files) => files.iter().collect(),
            Self::Inferred(lists) => lists.iter().flatten().collect(),
            Self::Combined(file) => vec![file],
        }
    }
}

/// A run of `mpra-score sharpr`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Input tables.
    pub start: Start,
    /// Geometry of the design.
    pub design: Design,
    /// Field of the tile names, from 0, that holds the position.
    pub tile_index: usize,
    /// Barcodes with fewer DNA counts are left out.
    pub min_dna: u32,
    /// What is subtracted from the tile tables.
    pub recentre: Recentre,
    /// Prior variances of the hidden activities: one, or two to be combined.
    pub prior_variances: Vec<f64>,
    /// How numbers are printed. With [`Precision::Digits`] the steps from `infer` on also go on from the
    /// printed values, so that a whole run equals one step by step, as in SHARPR.
    pub precision: Precision,
    /// The last step.
    pub stop_after: Step,
    /// Region coordinates, for tracks.
    pub regions: Option<PathBuf>,
    /// Chromosome sizes, for tracks.
    pub sizes: Option<PathBuf>,
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
    /// [`SharprError::Setting`] in words that name the settings.
    pub fn check(&self) -> Result<(), SharprError> {
        let fail = |text: String| Err(SharprError::Setting(text));
        if let Start::Counts { rna, dna } = &self.start
            && rna.len() != dna.len()
        {
            return fail(format!(
                "{} RNA table(s) and {} DNA table(s): each replicate needs one of both",
                rna.len(),
                dna.len()
            ));
        }
        if self.start.files().is_empty() {
            return fail("no input table".into());
        }
        if !matches!(self.prior_variances.len(), 1 | 2) {
            return fail(format!(
                "{} prior variances: give one, or two to be combined",
                self.prior_variances.len()
            ));
        }
        if let Some(v) = self
            .prior_variances
            .iter()
            .find(|v| !(v.is_finite() && **v > 0.0))
        {
            return fail(format!("prior variance {v} is not a positive number"));
        }
        if let [a, b] = self.prior_variances[..]
            && a == b
        {
            return fail(format!("both prior variances are {a}"));
        }
        if let Start::Inferred(lists) = &self.start
            && (!matches!(lists.len(), 1 | 2) || lists.iter().any(|l| l.len() != lists[0].len()))
        {
            return fail(
                "give the inferred tables of one or two prior variances, with the same replicates"
                    .into(),
            );
        }
        if self.start.first_step() > self.stop_after {
            return fail(format!(
                "nothing to do: the run would start with {} and stop after {}",
                self.start.first_step().as_str(),
                self.stop_after.as_str()
            ));
        }
        if self.regions.is_some() && self.stop_after < Step::Interpolate {
            return fail("coordinates are for the scores, which this run stops before".into());
        }
        if self.sizes.is_some() && self.regions.is_none() {
            return fail("chromosome sizes without region coordinates".into());
        }
        if let Precision::Digits(digits) = self.precision
            && digits > 15
        {
            return fail(format!(
                "{digits} digits: an f64 has at most 15 that mean something"
            ));
        }
        Ok(())
    }
}
