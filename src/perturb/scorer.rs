use std::ops::Range;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::Error;
use crate::encode::UNKNOWN;
use crate::genome::{Interval, Lattice};
use crate::ism::{Engine, EngineSettings, Engines, Scores, Stretch, Want};
use crate::job::{Cancel, RunInfo};
use crate::model::{Ensemble, ModelError, ModelOptions, ModelSources};

/// The model of a job, and how it is run.
#[derive(Clone, Debug)]
pub struct Scoring {
    /// The model, or the members of an ensemble, of which the mean is taken.
    pub model: ModelSources,
    /// What the user says of it.
    pub model_options: ModelOptions,
    /// The ONNX Runtime library, when the user names one.
    pub ort_lib: Option<PathBuf>,
    /// The tasks to write, all when `None`.
    pub tasks: Option<Vec<String>>,
    /// How windows are scored.
    pub engine: EngineSettings,
}

/// A model that is ready.
pub(super) struct Loaded {
    model: Ensemble,
    chosen: Engines,
    settings: EngineSettings,
    columns: Vec<usize>,
    /// Names of the tasks that are written.
    pub tasks: Vec<String>,
}

impl Loaded {
    pub fn open(scoring: &Scoring) -> Result<Self, Error> {
        let library = scoring.ort_lib.as_deref();
        let model = Ensemble::load(&scoring.model, &scoring.model_options, library)?;
        let spec = model.spec();
        let columns = spec.columns(scoring.tasks.as_deref())?;
        Ok(Self {
            chosen: Engines::choose(scoring.engine, model.members())?,
            settings: scoring.engine,
            tasks: columns.iter().map(|&c| spec.tasks[c].clone()).collect(),
            columns,
            model,
        })
    }

    /// Bases of a window.
    pub fn window(&self) -> usize {
        self.model.window()
    }

    /// Most unknown bases of a window that is scored.
    pub fn most_unknown(&self) -> u32 {
        self.model.spec().most_unknown
    }

    /// Whether every row is a whole forward pass.
    pub fn is_full(&self) -> bool {
        self.chosen.name() == "full"
    }

    /// One scorer a thread.
    pub fn scorers(&self, cancel: &Cancel) -> Result<Vec<Scorer>, Error> {
        let one = |_| {
            Ok(Scorer {
                engine: self.chosen.engine(self.model.members(), cancel)?,
                window: self.window(),
                columns: self.columns.clone(),
                codes: Vec::new(),
                scores: Scores::default(),
            })
        };
        (0..self.settings.threads.get()).map(one).collect()
    }

    /// Says of a run what ran it; the settings that all jobs here have.
    pub fn note(&self, run: &mut RunInfo) -> Map<String, Value> {
        run.models = self.model.used("model");
        run.onnxruntime = Some(self.model.runtime().used());
        run.threads = Some(self.settings.threads.get());
        crate::job::map(json!({
            "tasks": self.tasks,
            "window": self.window(),
            "most_unknown": self.most_unknown(),
            "strand": self.settings.strand.as_str(),
            "engine": self.chosen.name(),
        }))
    }
}

/// Rows given to the engine at a time.
const ROWS: usize = 4_096;

/// An engine for windows that stand alone. One a thread.
pub(super) struct Scorer {
    engine: Box<dyn Engine>,
    window: usize,
    columns: Vec<usize>,
    codes: Vec<u8>,
    scores: Scores,
}

impl Scorer {
    #[cfg(test)]
    pub fn new(engine: Box<dyn Engine>, window: usize) -> Self {
        Self {
            columns: (0..engine.tasks()).collect(),
            engine,
            window,
            codes: Vec::new(),
            scores: Scores::default(),
        }
    }

    /// Bases of a window.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Tasks of the results.
    pub fn tasks(&self) -> usize {
        self.columns.len()
    }

    /// Scores windows that lie side by side, changes of the wanted bases if there are any. They are scored whatever
    /// they hold: who calls has looked.
    fn score(&mut self, windows: &[u8], changed: Option<Range<usize>>) -> Result<(), ModelError> {
        let window = self.window as u32;
        // They lie behind an empty one, so that what surrounds them is on the contig, and in none of theirs.
        let flank = self.window - 1;
        self.codes.clear();
        self.codes.resize(flank, UNKNOWN);
        self.codes.extend_from_slice(windows);
        self.codes.resize(windows.len() + 2 * flank, UNKNOWN);
        let (want, bases) = match changed {
            None => (Want::Activity, 0..windows.len()),
            Some(bases) => (Want::Effects, bases),
        };
        let place = |at: usize| window + at as u32;
        let wanted = Interval::new(place(bases.start), place(bases.end));
        let wanted = [wanted.unwrap_or_default()];
        let lattice = Lattice::genome(window, window).map(|l| l.allowing(window));
        let Some(lattice) = lattice else {
            return Err(ModelError::Run("a window without a base".into()));
        };
        let stretch = Stretch {
            lattice,
            codes: &self.codes,
            origin: 1,
            wanted: &wanted,
        };
        self.engine.score(&stretch, want, &mut self.scores)?;
        let (found, expected) = (self.scores.windows.len(), windows.len() / self.window);
        match found == expected {
            true => Ok(()),
            false => Err(ModelError::Run(format!(
                "{found} of {expected} windows were scored"
            ))),
        }
    }

    /// Appends the activities of windows, `[window, task]`.
    pub fn activities(&mut self, windows: &[u8], out: &mut Vec<f32>) -> Result<(), ModelError> {
        for windows in windows.chunks(ROWS * self.window) {
            self.score(windows, None)?;
            for row in self.scores.activities.rows() {
                out.extend(self.columns.iter().map(|&column| row[column] + 0.0));
            }
        }
        Ok(())
    }

    /// Appends the effects of the changes of some bases of one window, `[base, 4, task]`: NaN where a
    /// base is unknown, 0 for its own letter. The work is in proportion to the bases that are asked for.
    pub fn effects(
        &mut self,
        window: &[u8],
        bases: Range<usize>,
        out: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        self.score(window, Some(bases))?;
        for row in self.scores.effects.rows() {
            out.extend(self.columns.iter().map(|&column| row[column]));
        }
        Ok(())
    }

    /// The activity of the window that effects were asked of last.
    pub fn last_activity(&self) -> Vec<f32> {
        let row = self.scores.activities.row(0);
        self.columns.iter().map(|&c| row[c] + 0.0).collect()
    }
}
