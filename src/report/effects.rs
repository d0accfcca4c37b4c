//! Effects of all changes in the pictured regions (or hypothetical contributions, by the run's method), found anew where model and genome are at hand.

use std::num::NonZeroUsize;
use std::path::Path;

use serde_json::Value;

use crate::Error;
use crate::attribution::{AttributionSettings, Attributions};
use crate::genome::{Fasta, Interval, Lattice};
use crate::ism::{Engine, EngineChoice, EngineSettings, Engines, Scores, Strand, Stretch, Want};
use crate::job::{Cancel, RunInfo};
use crate::model::{Ensemble, Frame, ModelOptions, ModelSource, ModelSources};
use crate::score::ScoreError;

/// The model of a run, ready to be asked.
pub(super) struct Effects {
    engine: Box<dyn Engine>,
    scores: Scores,
    lattice: Lattice,
    by_region: bool,
    /// Columns of the run's tasks.
    columns: Vec<usize>,
}

impl Effects {
    /// Opens the model that a run used.
    ///
    /// # Errors
    /// Why it is not to be had, in words.
    pub fn open(run: &RunInfo, ort_lib: Option<&Path>, cancel: &Cancel) -> Result<Self, String> {
        let members: Vec<ModelSource> = (run.models.iter().filter(|m| m.role == "model"))
            .filter_map(|m| m.embedded.as_ref().or(m.path.as_ref()))
            .map(|name| ModelSource::from_arg(Some(Path::new(name))))
            .collect();
        let Some(used) = run.models.iter().find(|m| m.role == "model") else {
            return Err("run.json names no model".into());
        };
        let options = match used.embedded.is_some() {
            true => ModelOptions::default(),
            false => ModelOptions {
                alphabet: Some(used.alphabet.clone()),
                task_names: Some(used.tasks.clone()),
                frame: Some(Frame {
                    window: used.window,
                    offset: Some(used.offset),
                    length: None,
                }),
                ..ModelOptions::default()
            },
        };
        let open = || -> Result<Self, Error> {
            let sources = ModelSources::new(members);
            // What its metadata say need not be said again, and may not.
            let plain = ModelOptions::default();
            let model = Ensemble::load(&sources, &plain, ort_lib)
                .or_else(|_| Ensemble::load(&sources, &options, ort_lib))?;
            let number =
                |key: &str| run.settings.get(key).and_then(Value::as_u64).unwrap_or(0) as u32;
            let text = |key: &str| run.settings.get(key).and_then(Value::as_str).unwrap_or("");
            let wanted: Option<Vec<String>> = run
                .settings
                .get("tasks")
                .and_then(|t| serde_json::from_value(t.clone()).ok());
            let columns = model.spec().columns(wanted.as_deref())?;
            let settings = EngineSettings {
                choice: EngineChoice::Auto,
                strand: match text("strand") {
                    "both" => Strand::Both,
                    _ => Strand::Forward,
                },
                batch: NonZeroUsize::MIN.saturating_add(15),
                threads: NonZeroUsize::MIN,
            };
            let engines = Engines::choose(settings, model.members())?;
            let attribution = (run.settings.get("outputs"))
                .and_then(|outputs| outputs.get("attribution").cloned())
                .and_then(|found| serde_json::from_value::<AttributionSettings>(found).ok());
            let (window, stride) = (model.spec().window as u32, number("stride"));
            let lattice =
                Lattice::genome(window, stride).ok_or(ScoreError::Stride { stride, window })?;
            Ok(Self {
                engine: match attribution {
                    None => engines.engine(model.members(), cancel)?,
                    Some(found) => {
                        let all = Attributions::new(found, settings.strand, &model, &columns)?;
                        let behind = |member: usize, engine| all.engine(member, engine, cancel);
                        engines.engine_behind(model.members(), cancel, &behind)?
                    }
                },
                scores: Scores::default(),
                lattice: lattice.allowing(number("most_unknown")),
                by_region: text("anchor") == "region",
                columns,
            })
        };
        open().map_err(|e| e.to_string())
    }

    /// Effects of all changes of a stretch, `[task][base, 4]`, of a region that begins at `region`.
    ///
    /// # Errors
    /// When the genome cannot be read or the model fails.
    pub fn of(
        &mut self,
        fasta: &Fasta,
        (contig, bases, region): (u32, Interval, u32),
    ) -> Result<Vec<Vec<f32>>, Error> {
        let lattice = match self.by_region {
            true => self.lattice.for_region(region),
            false => self.lattice,
        };
        let wanted = [bases];
        let (origin, length) = Stretch::needs(lattice.window(), &wanted);
        let mut codes = Vec::with_capacity(length);
        fasta.reader()?.fetch(contig, origin, length, &mut codes)?;
        let stretch = Stretch {
            lattice,
            codes: &codes,
            origin,
            wanted: &wanted,
        };
        self.engine
            .score(&stretch, Want::Effects, &mut self.scores)?;
        let effects = &self.scores.effects;
        let of_task = |&column: &usize| {
            let count = bases.len() as usize;
            let base = |i: usize| (0..4).map(move |b| effects[[i, b, column]]);
            (0..count).flat_map(base).collect()
        };
        Ok(self.columns.iter().map(of_task).collect())
    }
}
