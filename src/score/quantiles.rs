//! Distributions of a model's activities over sets of regions, for the model's own file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::ScoreError;
use crate::Error;
use crate::genome::{
    Aliases, BedSource, Fasta, FastaReader, Interval, InvalidPolicy, Lattice, Region, read_bed,
};
use crate::ism::{Engine, EngineSettings, Engines, Scores, Stretch, Want};
use crate::job::{Cancel, Progress};
use crate::model::{Distribution, Model, ModelOptions, ModelSource, Quantiles, WindowSet};
use crate::output::{check_file, write_whole};

/// Regions whose activities are to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionSet {
    /// Its name: letters, digits and `_ + -`. Sets of one name have different tasks.
    pub name: String,
    /// The tasks that it tells of, all when `None`.
    pub tasks: Option<Vec<String>>,
    /// The regions.
    pub bed: PathBuf,
}

/// A run of [`write_quantiles`].
#[derive(Clone, Debug)]
pub struct QuantilesConfig {
    /// The model.
    pub model: ModelSource,
    /// What the user says of it.
    pub model_options: ModelOptions,
    /// The ONNX Runtime library, when the user names one.
    pub ort_lib: Option<PathBuf>,
    /// The genome.
    pub fasta: PathBuf,
    /// How contig names of the BED are found in the FASTA.
    pub aliases: Aliases,
    /// The sets.
    pub sets: Vec<RegionSet>,
    /// Bases from one window to the next; a fifth of the window when `None`.
    pub stride: Option<u32>,
    /// How windows are scored.
    pub engine: EngineSettings,
    /// The model file to be written.
    pub out: PathBuf,
    /// Replace what is there.
    pub force: bool,
}

/// Scores the windows that `mpra-score score` draws in the regions of each set, those whose central
/// bases lie in one (windows of several regions count several times), and writes the model with the
/// distributions of their activities in its metadata, in place of those that it had. Returns them.
///
/// # Errors
/// When model, FASTA or a BED cannot be used, a set has no scored window, two sets of one name share
/// a task, or the file cannot be written.
pub fn write_quantiles(
    config: &QuantilesConfig,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Quantiles, Error> {
    let mut inputs = vec![config.fasta.as_path()];
    inputs.extend(config.model.file());
    inputs.extend(config.sets.iter().map(|set| set.bed.as_path()));
    check_file(&config.out, config.force, &inputs)?;
    let library = config.ort_lib.as_deref();
    let model = Model::load(&config.model, &config.model_options, library)?;
    let spec = model.spec().clone();
    let window = spec.window as u32;
    let stride = config.stride.unwrap_or((window / 5).max(1));
    let lattice = Lattice::genome(window, stride).ok_or(ScoreError::Stride { stride, window })?;
    let lattice = lattice.allowing(spec.most_unknown);
    let fasta = Fasta::open(&config.fasta, false)?;
    let models = std::slice::from_ref(&model);
    let mut job = Job {
        engine: Engines::choose(config.engine, models)?.engine(models, cancel)?,
        reader: fasta.reader()?,
        lattice,
        scores: Scores::default(),
    };
    let mut quantiles = Quantiles::default();
    for set in &config.sets {
        let columns = spec.columns(set.tasks.as_deref())?;
        let source = BedSource::from_arg(&set.bed);
        let regions = read_bed(
            &source,
            fasta.contigs(),
            &config.aliases,
            InvalidPolicy::Fail,
            &std::env::temp_dir(),
        )?;
        progress.start(
            regions
                .scorable
                .iter()
                .map(|r| u64::from(r.bases.len()))
                .sum(),
        );
        let mut activities = vec![Vec::new(); columns.len()];
        for region in &regions.scorable {
            job.region(region, &columns, &mut activities, cancel)?;
            progress.advance(u64::from(region.bases.len()));
        }
        let name = source.name();
        let name = name.rsplit('/').next().unwrap_or(&name);
        let count = regions.scorable.len();
        let one = WindowSet {
            name: set.name.clone(),
            description: format!("windows {stride} bases apart over the {count} regions of {name}"),
            tasks: (columns.iter().zip(activities))
                .map(|(&column, values)| {
                    let none = || ScoreError::NoWindow(set.bed.clone());
                    let distribution = Distribution::of(values).ok_or_else(none)?;
                    Ok((spec.tasks[column].clone(), distribution))
                })
                .collect::<Result<BTreeMap<_, _>, ScoreError>>()?,
        };
        add(&mut quantiles, one)?;
    }
    write_whole(&config.out, &model.file().with_quantiles(&quantiles)?)?;
    Ok(quantiles)
}

/// Adds a set; another part of one that is there goes with it.
fn add(quantiles: &mut Quantiles, set: WindowSet) -> Result<(), ScoreError> {
    let Some(there) = quantiles.0.iter_mut().find(|s| s.name == set.name) else {
        quantiles.0.push(set);
        return Ok(());
    };
    for (task, distribution) in set.tasks {
        if there.tasks.contains_key(&task) {
            return Err(ScoreError::SetTwice {
                set: set.name,
                task,
            });
        }
        there.tasks.insert(task, distribution);
    }
    there.description = format!("{}; {}", there.description, set.description);
    Ok(())
}

struct Job {
    engine: Box<dyn Engine>,
    reader: FastaReader,
    lattice: Lattice,
    scores: Scores,
}

impl Job {
    /// Appends the activities of a region's windows.
    fn region(
        &mut self,
        region: &Region,
        columns: &[usize],
        activities: &mut [Vec<f32>],
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let window = self.lattice.window();
        let step = self.engine.stretch().max(window) as usize;
        // A window whose central bases meet two pieces is counted in the first.
        let mut counted = i64::MIN;
        for start in (region.bases.start()..region.bases.end()).step_by(step) {
            cancel.check()?;
            let end = region.bases.end().min(start + step as u32);
            let wanted = [Interval::new(start, end).unwrap_or_default()];
            let (origin, length) = Stretch::needs(window, &wanted);
            let mut codes = Vec::with_capacity(length);
            self.reader
                .fetch(region.contig, origin, length, &mut codes)?;
            let stretch = Stretch {
                lattice: self.lattice,
                codes: &codes,
                origin,
                wanted: &wanted,
            };
            self.engine
                .score(&stretch, Want::Activity, &mut self.scores)?;
            let windows = self
                .scores
                .windows
                .iter()
                .zip(self.scores.activities.rows());
            for (_, row) in windows.filter(|(start, _)| **start > counted) {
                for (&column, values) in columns.iter().zip(activities.iter_mut()) {
                    values.push(row[column]);
                }
            }
            counted = counted.max(self.scores.windows.last().copied().unwrap_or(counted));
        }
        Ok(())
    }
}
