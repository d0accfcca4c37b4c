//! Choosing the engine, and checking the fast one on the actual input.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ScoreError;
use super::config::{EngineChoice, EngineSettings, Strand};
use crate::encode::UNKNOWN;
use crate::genome::Interval;
use crate::ism::fast::{FastEngine, Mismatch, Plan, Strands, Tables, check_against_full};
use crate::ism::{Engine, FullEngine, Scores, Stretch, Want};
use crate::model::{BothStrands, Cancellable, Model, ModelError};
use crate::{Cancel, Error};

/// Bases of a stretch that the fast engine is checked on, and how many such stretches.
const CHECKED_BASES: u32 = 8;
const CHECKED: usize = 4;

/// The engine of a job, once for all threads.
pub(crate) enum Kind {
    Full,
    Fast {
        tables: Arc<Tables>,
        /// Checks still to be made.
        left: Arc<AtomicUsize>,
    },
}

impl Kind {
    /// Takes the fast engine where the graph allows it and the user did not ask for the other.
    ///
    /// # Errors
    /// [`ScoreError::NotFast`] when the fast engine is asked for and cannot do the graph.
    pub fn choose(settings: &EngineSettings, model: &Model) -> Result<Self, Error> {
        if settings.choice == EngineChoice::Full {
            return Ok(Self::Full);
        }
        match Plan::new(model.file(), model.spec()) {
            Ok(plan) => {
                tracing::info!("engine fast: {}", plan.describe());
                Ok(Self::Fast {
                    tables: Tables::build(&plan),
                    left: Arc::new(AtomicUsize::new(CHECKED)),
                })
            }
            Err(reason) if settings.choice == EngineChoice::Fast => {
                Err(ScoreError::NotFast(reason.to_string()).into())
            }
            Err(reason) => {
                tracing::warn!("engine full, hundreds of times slower than fast: {reason}");
                Ok(Self::Full)
            }
        }
    }

    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Fast { .. } => "fast",
        }
    }

    /// One engine, for one thread.
    pub fn engine(
        &self,
        settings: &EngineSettings,
        model: &Model,
        cancel: &Cancel,
    ) -> Result<Box<dyn Engine>, Error> {
        Ok(match self {
            Self::Fast { tables, left } => Box::new(Checked {
                fast: FastEngine::new(
                    tables,
                    match settings.strand {
                        Strand::Forward => Strands::Forward,
                        Strand::Both => Strands::Both,
                    },
                ),
                full: Some(full(settings, model, cancel)?),
                left: left.clone(),
            }),
            Self::Full => full(settings, model, cancel)?,
        })
    }
}

/// The fast engine, checked against the full one on the first stretches of the actual input that
/// have known bases: it refuses to go on if they differ.
struct Checked {
    fast: FastEngine,
    full: Option<Box<dyn Engine>>,
    /// Checks still to be made, by all threads together.
    left: Arc<AtomicUsize>,
}

impl Checked {
    /// Checks a few bases of a stretch; `false` where too few are known.
    fn check(&mut self, stretch: &Stretch<'_>) -> Result<bool, ModelError> {
        let Some(full) = &mut self.full else {
            return Ok(false);
        };
        let window = stretch.lattice.window();
        for interval in stretch.wanted {
            // From the middle, where windows are likeliest to be whole.
            let start = interval.start() + (interval.len() - 1) / 2;
            let end = interval.end().min(start.saturating_add(CHECKED_BASES));
            let Some(wanted) = Interval::new(start, end) else {
                continue;
            };
            let wanted = [wanted];
            let (origin, len) = Stretch::needs(window, &wanted);
            let at = (origin - stretch.origin) as usize;
            let codes = &stretch.codes[at..at + len];
            if codes.iter().filter(|&&c| c == UNKNOWN).count() * 4 > len {
                continue;
            }
            let few = Stretch {
                lattice: stretch.lattice,
                codes,
                origin,
                wanted: &wanted,
            };
            check_against_full(&mut self.fast, full.as_mut(), &[few]).map_err(|e| match e {
                Mismatch::Model(e) => e,
                other => ModelError::EnginesDiffer(other.to_string()),
            })?;
            return Ok(true);
        }
        Ok(false)
    }
}

impl Engine for Checked {
    fn score(
        &mut self,
        stretch: &Stretch<'_>,
        want: Want,
        scores: &mut Scores,
    ) -> Result<(), ModelError> {
        if self.full.is_some() {
            if self.left.load(Ordering::Relaxed) == 0 {
                self.full = None;
            } else if self.check(stretch)? {
                let less = |left: usize| left.checked_sub(1);
                let before = self
                    .left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
                tracing::debug!("the fast engine equals the full one on a stretch: {before:?}");
            }
        }
        self.fast.score(stretch, want, scores)
    }

    fn tasks(&self) -> usize {
        self.fast.tasks()
    }

    fn stretch(&self) -> u32 {
        self.fast.stretch()
    }
}

fn full(
    settings: &EngineSettings,
    model: &Model,
    cancel: &Cancel,
) -> Result<Box<dyn Engine>, Error> {
    let batch = settings.batch.get();
    let model = Cancellable::new(model.another()?, cancel.clone());
    Ok(match settings.strand {
        Strand::Forward => Box::new(FullEngine::new(model, batch)),
        Strand::Both => Box::new(FullEngine::new(BothStrands::new(model), batch)),
    })
}
