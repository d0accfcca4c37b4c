//! Bases ranked by score, and what fraction of each bin lies in an annotation (paper, figure 8).
//!
//! One pass over a track serves all annotations of a call and gives every exact figure: distinct
//! values are counted in `counter`, and ranks, bins and ROC curves follow from the counts.

mod report;
mod track;

use std::path::PathBuf;

use serde_json::{Value, json};

use self::track::rank_track;
use super::common::unique;
use super::rank::Roc;
use super::sketch::{Statistics, Uncertainty};
use super::{Common, OverlapError};
use crate::intervals::{Annotation, Named};
use crate::job::Cancel;
use crate::output::OutputDir;
use crate::tracks::Scores;

/// Shares of all bases whose fold is reported.
const SHARES: [f64; 2] = [0.01, 0.05];

/// A run of `mpra-score overlap enrichment`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Shared settings.
    pub common: Common,
    /// Tracks.
    pub scores: Vec<Named>,
    /// A second set of tracks, drawn beside the first, in the same order.
    pub compare: Vec<Named>,
    /// Annotations.
    pub annotations: Vec<Named>,
    /// Bins of equal count.
    pub bins: u64,
    /// Circular shifts for p-values; 0 for none.
    pub shifts: u64,
    /// Bytes that the counters may take.
    pub memory: usize,
    /// At the end of a long job: take fewer bins where there are fewer bases, and keep annotations
    /// that cover none as rows without a value.
    pub lenient: bool,
}

impl Config {
    /// Defaults, without inputs.
    pub fn new(common: Common) -> Self {
        Self {
            common,
            scores: Vec::new(),
            compare: Vec::new(),
            annotations: Vec::new(),
            bins: 5000,
            shifts: 200,
            memory: 2_500_000_000,
            lenient: false,
        }
    }

    fn check(&self) -> Result<(), OverlapError> {
        self.common.check()?;
        unique(&self.annotations, "--annotation")?;
        let fail = |text: String| Err(OverlapError::Setting(text));
        if self.bins == 0 {
            return fail("--bins must be at least 1".into());
        }
        if self.scores.is_empty() || self.annotations.is_empty() {
            return fail("give at least one score track and one annotation".into());
        }
        if !self.compare.is_empty() && self.compare.len() != self.scores.len() {
            return fail(format!(
                "{} score set(s) in --scores, {} in --compare: they are drawn in pairs",
                self.scores.len(),
                self.compare.len()
            ));
        }
        Ok(())
    }
}

/// A track against one annotation.
#[derive(Clone, Debug)]
struct Outcome {
    annotation: String,
    bases: u64,
    fraction: f64,
    centre_fraction: f64,
    roc: [Roc; 3],
    exact: Statistics,
    uncertainty: Option<Uncertainty>,
    mean_absolute: f64,
    mean_absolute_hits: f64,
    bins: Vec<Bin>,
}

#[derive(Clone, Copy, Debug)]
struct Bin {
    end: u64,
    percentile: f64,
    mean: f64,
    fraction: f64,
    fold_top: f64,
    fold_bottom: f64,
}

/// A track against all annotations.
#[derive(Debug)]
struct TrackOutcome {
    scores: String,
    bases: u64,
    passes: u32,
    blocks: usize,
    outcomes: Vec<Outcome>,
}

/// Names of the files that [`run`] and [`add_to`] write.
pub const FILES: [&str; 3] = ["enrichment.tsv", "summary.tsv", "enrichment.svg"];

/// Runs the analysis.
///
/// # Errors
/// For everything that can be wrong with scores, annotations, settings and the output folder.
pub fn run(config: &Config, cancel: &Cancel) -> Result<Vec<PathBuf>, OverlapError> {
    config.check()?;
    config.common.check_output()?;
    let annotations = read_annotations(&config.annotations)?;
    let results = rank(config, &annotations, cancel)?;
    let mut out = config.common.output()?;
    let details = write(config, &results, &mut out, FILES)?;
    let role = |role: &'static str| move |f: &'_ Named| (role, f.path.clone());
    let scores = config.scores.iter().map(role("scores"));
    let compare = config.compare.iter().map(role("compare"));
    let annotations = config.annotations.iter().map(role("annotation"));
    let inputs: Vec<_> = scores.chain(compare).chain(annotations).collect();
    let inputs = inputs.iter().map(|(role, path)| (*role, path.as_path()));
    let settings = json!({"bins": config.bins, "shifts": config.shifts});
    let mut run = config.common.describe("enrichment", inputs, settings);
    run.results.insert("tracks".into(), details);
    cancel.check()?;
    Ok(out.commit(run)?)
}

/// Runs the analysis with annotations that are read into an output folder that is being filled, under
/// the given names; returns what belongs into `run.json`.
///
/// # Errors
/// As [`run`].
pub fn add_to(
    config: &Config,
    annotations: &[(String, Annotation)],
    out: &mut OutputDir,
    files: [&str; 3],
    cancel: &Cancel,
) -> Result<Value, OverlapError> {
    config.check()?;
    let results = rank(config, annotations, cancel)?;
    write(config, &results, out, files)
}

/// Reads annotations with their names.
///
/// # Errors
/// At the first that cannot be read.
pub fn read_annotations(files: &[Named]) -> Result<Vec<(String, Annotation)>, OverlapError> {
    files
        .iter()
        .map(|file| Ok((file.name.clone(), Annotation::read(&file.path)?)))
        .collect()
}

fn rank(
    config: &Config,
    annotations: &[(String, Annotation)],
    cancel: &Cancel,
) -> Result<Vec<TrackOutcome>, OverlapError> {
    config.common.on_threads(|| {
        let coordinates = config.common.read_coordinates()?;
        let regions = config.common.open_regions()?;
        let all: Vec<Named> = config
            .scores
            .iter()
            .chain(&config.compare)
            .cloned()
            .collect();
        unique(&all, "--scores")?;
        all.iter()
            .map(|file| {
                let scores = Scores::open(&file.name, &file.path, coordinates.as_ref())?;
                rank_track(config, &scores, annotations, regions.as_ref(), cancel)
            })
            .collect()
    })
}

/// Writes the files; what belongs into `run.json` is returned.
fn write(
    config: &Config,
    results: &[TrackOutcome],
    out: &mut OutputDir,
    files: [&str; 3],
) -> Result<Value, OverlapError> {
    report::bins(results).write(&out.file(files[0]))?;
    report::summary(results).write(&out.file(files[1]))?;
    report::draw(config, results, &out.file(files[2]))?;
    let details: Vec<Value> = results
        .iter()
        .map(|t| {
            json!({
                "scores": t.scores,
                "bases": t.bases,
                "passes": t.passes,
                "blocks": t.blocks,
            })
        })
        .collect();
    Ok(json!(details))
}

#[cfg(test)]
mod tests;
