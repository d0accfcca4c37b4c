use std::num::NonZeroUsize;

use serde_json::{Value, json};

use super::config::{BackgroundSource, Scoring};
use super::effects::Scorer;
use super::sample::{Key, Sample};
use super::windows::{Rules, lattice};
use crate::Error;
use crate::attribution::{AttributionSettings, Attributions};
use crate::genome::Fasta;
use crate::ism::{Engines, Members};
use crate::job::{self, Cancel, InputFile, ModelUsed, OnnxRuntime, RunInfo};
use crate::model::{Ensemble, ModelError};

/// A model, a genome, and a scorer for each thread.
pub(super) struct Setup {
    pub fasta: Fasta,
    pub tasks: Vec<String>,
    pub sha256: String,
    pub engine: &'static str,
    pub model: Vec<ModelUsed>,
    /// Whether there are spreads.
    pub ensemble: bool,
    pub onnxruntime: OnnxRuntime,
    pub key: Key,
    pub scorers: Vec<Scorer>,
    /// One that gives contributions, for figures.
    pub explainer: Option<Scorer>,
}

impl Setup {
    /// Opens model and genome. `importance`: whether it is wanted of changes of more than one base; `explained`: by which
    /// method contributions are wanted, if any.
    ///
    /// # Errors
    /// For everything that can be wrong with them.
    pub fn open(
        scoring: &Scoring,
        importance: bool,
        explained: Option<AttributionSettings>,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let library = scoring.ort_lib.as_deref();
        let model = Ensemble::load(&scoring.model, &scoring.model_options, library)?;
        let spec = model.spec().clone();
        let columns = spec.columns(scoring.tasks.as_deref())?;
        let tasks: Vec<String> = columns.iter().map(|&c| spec.tasks[c].clone()).collect();
        let lattice = lattice(spec.window as u32, scoring.stride, spec.most_unknown)?;
        let members = Members {
            members: model.members().len(),
            tasks: spec.tasks.len(),
        };
        let rules = Rules::new(lattice, scoring.windows, columns.clone(), members)?;
        let fasta = Fasta::open(&scoring.fasta, scoring.write_index)?;
        let chosen = Engines::choose(scoring.engine_settings(), model.members())?;
        let scorers = chosen
            .of_members(scoring.threads, model.members(), cancel)?
            .into_iter()
            .map(|engine| Scorer::new(engine, &fasta, &rules, importance))
            .collect::<Result<Vec<_>, Error>>()?;
        let explainer = match explained {
            Some(settings) => {
                let all = Attributions::new(settings, scoring.strand, &model, &columns)?;
                let behind = |member: usize, engine| all.engine(member, engine, cancel);
                let one = NonZeroUsize::MIN;
                let engines = chosen.of_members_behind(one, model.members(), cancel, &behind)?;
                let engine = engines.into_iter().next();
                let scorer = engine.map(|engine| Scorer::new(engine, &fasta, &rules, importance));
                scorer.transpose()?
            }
            None => None,
        };
        let sha256 = model.sha256();
        Ok(Self {
            fasta,
            engine: chosen.name(),
            model: model.used("model"),
            ensemble: members.several(),
            onnxruntime: model.runtime().used(),
            key: Key {
                model: sha256.clone(),
                tasks: tasks.clone(),
                window: spec.window as u32,
                stride: rules.lattice.stride(),
                most_unknown: rules.lattice.most_unknown(),
                frame: (
                    spec.one_hot.offset,
                    spec.one_hot.length,
                    spec.alphabet.clone(),
                ),
                output: scoring.model_options.reading(),
                windows: scoring.windows.as_str().into(),
                strand: scoring.strand.as_str().into(),
            },
            tasks,
            sha256,
            scorers,
            explainer,
        })
    }

    /// The place of a task among those that are scored.
    ///
    /// # Errors
    /// [`ModelError::UnknownTask`].
    pub fn task(&self, name: &str) -> Result<usize, ModelError> {
        let at = self.tasks.iter().position(|t| t == name);
        at.ok_or_else(|| ModelError::UnknownTask {
            name: name.into(),
            known: self.tasks.clone(),
        })
    }

    /// `run.json` of a job, without what it was asked beside scoring.
    pub fn describe(&self, scoring: &Scoring, job: &str) -> RunInfo {
        let mut run = RunInfo::new(job, &scoring.command);
        run.inputs.push(self.fasta.used());
        run.models = self.model.clone();
        run.onnxruntime = Some(self.onnxruntime.clone());
        run.threads = Some(scoring.threads.get());
        run.seed = Some(scoring.background.seed);
        run.settings = job::map(json!({
            "tasks": self.tasks,
            "windows": scoring.windows.as_str(),
            "stride": self.key.stride,
            "most_unknown": self.key.most_unknown,
            "strand": scoring.strand.as_str(),
            "engine": self.engine,
        }));
        run
    }

    /// What the results of a piece of input depend on, whatever job they are of, for [`super::journal`].
    pub fn results_key(&self, scoring: &Scoring, sample: Option<&Sample>) -> Value {
        let saved = match &scoring.background.source {
            BackgroundSource::File(path) => InputFile::whole("background", path).sha256,
            _ => None,
        };
        json!({
            "scoring": self.key,
            "engine": self.engine,
            "genome": self.fasta.contigs().sha256(),
            "aliases": scoring.aliases.key(),
            "strict": scoring.strict,
            "precision": scoring.precision.kept(),
            "background": sample.map(|s| json!({
                "changes": s.changes(),
                "regions": s.origin.regions,
                "seed": s.origin.seed,
                "file": saved,
                "parts": scoring.background.gc_bins,
            })),
        })
    }

    /// Reads or draws the background, if there is to be one.
    ///
    /// # Errors
    /// As [`Sample::read`] and [`Sample::draw`].
    pub fn with_background(
        mut self,
        scoring: &Scoring,
        cancel: &Cancel,
    ) -> Result<(Self, Option<Sample>), Error> {
        let config = &scoring.background;
        let sample = match &config.source {
            BackgroundSource::None => None,
            BackgroundSource::File(path) if Sample::is_saved(path)? => {
                Some(Sample::read(path, &self.key)?)
            }
            _ => Some(Sample::draw(
                config,
                self.key.clone(),
                &self.fasta,
                &scoring.aliases,
                &mut self.scorers,
                cancel,
            )?),
        };
        if let Some(sample) = &sample {
            tracing::info!(
                "background: {} changes in windows of {}, seed {}",
                sample.changes(),
                sample.origin.regions,
                sample.origin.seed
            );
        }
        Ok((self, sample))
    }
}
