use super::background::BackgroundSource;
use super::config::Scoring;
use super::effects::{Rules, Scorer, lattice};
use super::sample::{Key, Sample};
use crate::genome::Fasta;
use crate::model::{Model, ModelError, Runtime};
use crate::score::EngineKind;
use crate::{Cancel, Error};

/// A model, a genome, and a scorer for each thread.
pub(super) struct Setup {
    pub fasta: Fasta,
    pub tasks: Vec<String>,
    pub sha256: String,
    pub engine: &'static str,
    pub key: Key,
    pub scorers: Vec<Scorer>,
}

impl Setup {
    /// Opens model and genome. `importance`: whether it is wanted of changes of more than one base.
    ///
    /// # Errors
    /// For everything that can be wrong with them.
    pub fn open(scoring: &Scoring, importance: bool, cancel: &Cancel) -> Result<Self, Error> {
        let file = scoring.model.read()?;
        file.spec(&scoring.model_options)?;
        let runtime = Runtime::load(scoring.ort_lib.as_deref()).map_err(ModelError::from)?;
        let model = Model::open(file, &scoring.model_options, &runtime)?;
        let spec = model.spec().clone();
        let columns = spec.columns(scoring.tasks.as_deref())?;
        let tasks: Vec<String> = columns.iter().map(|&c| spec.tasks[c].clone()).collect();
        let rules = Rules {
            lattice: lattice(spec.window as u32, scoring.stride)?,
            windows: scoring.windows,
            columns,
        };
        let fasta = Fasta::open(&scoring.fasta, scoring.write_index)?;
        let settings = scoring.engine_settings();
        let kind = EngineKind::choose(&settings, &model)?;
        let scorers = (0..scoring.threads.get())
            .map(|_| {
                let engine = kind.engine(&settings, &model, cancel)?;
                Scorer::new(engine, &fasta, &rules, importance)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let sha256 = model.file().sha256().to_owned();
        Ok(Self {
            fasta,
            engine: kind.name(),
            key: Key {
                model: sha256.clone(),
                tasks: tasks.clone(),
                window: spec.window as u32,
                stride: rules.lattice.stride(),
                frame: (
                    spec.one_hot.offset,
                    spec.one_hot.length,
                    spec.alphabet.clone(),
                ),
                windows: scoring.windows.as_str().into(),
                strand: scoring.strand_word().into(),
            },
            tasks,
            sha256,
            scorers,
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
