//! Choosing the engine, and checking the fast one on the actual input.

use std::cell::OnceCell;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::ensemble::{Mean, SideBySide};
use super::fast::{
    DagEngine, DagPlan, DagShared, FastEngine, FastPlan, KmerEngine, KmerTables, Mismatch, Tables,
    check_against_full,
};
use super::{Engine, FullEngine, IsmError, Members, Scores, Strand, Stretch, Want};
use crate::genome::Interval;
use crate::job::Cancel;
use crate::model::{
    BATCHES, BothStrands, Model, ModelError, ModelFile, ModelSpec, Pooled, Runtime, SessionPool,
};

/// How the numbers are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineChoice {
    /// The fast one where the graph allows it, else the full one.
    Auto,
    /// Exact and hundreds of times faster, for convolutional networks.
    Fast,
    /// One forward pass a window and a mutant.
    Full,
}

/// What an engine needs to know beside its model.
#[derive(Clone, Copy, Debug)]
pub struct EngineSettings {
    /// Which engine.
    pub choice: EngineChoice,
    /// Which strands.
    pub strand: Strand,
    /// Rows given to the model at a time.
    pub batch: NonZeroUsize,
    /// Threads that the full engine runs a model on, shared by all engines of the job.
    pub threads: NonZeroUsize,
}

/// Puts the engine of a member, by its number, behind another one.
pub type Behind<'a> = &'a dyn Fn(usize, Box<dyn Engine>) -> Box<dyn Engine>;

/// Stretches that the fast engine is checked on, and bases of the first and of the others: of a network of which few windows
/// are asked for, the passes of these checks are felt.
const CHECKED: usize = 4;
const CHECKED_BASES: (u32, u32) = (8, 2);

/// The engines of a job, one for each of its models, chosen once for all threads.
pub struct Engines {
    members: Vec<Member>,
    settings: EngineSettings,
}

/// What the engines of one model share.
struct Member {
    kind: Kind,
    /// Where its full engines run, as long as there is one.
    pool: Mutex<Weak<SessionPool>>,
}

enum Kind {
    Full,
    Fast {
        fast: Fast,
        /// Checks still to be made.
        left: Arc<AtomicUsize>,
    },
}

/// What the fast engines of one model share.
enum Fast {
    Chain(Arc<Tables>),
    Graph(Arc<DagShared>),
    Kmers(Arc<KmerTables>),
}

impl Kind {
    fn choose(settings: &EngineSettings, model: &Model) -> Result<Self, IsmError> {
        if settings.choice == EngineChoice::Full {
            return Ok(Self::Full);
        }
        match FastPlan::new(model.file(), model.spec()) {
            Ok(plan) if settings.choice == EngineChoice::Auto && !plan.pays() => {
                tracing::warn!("engine full: {}", plan.describe());
                Ok(Self::Full)
            }
            Ok(plan) => {
                tracing::info!("engine fast: {}", plan.describe());
                let fast = match plan {
                    FastPlan::Chain(plan) => Fast::Chain(Tables::build(&plan)),
                    FastPlan::Kmers(plan) => Fast::Kmers(KmerTables::build(plan, settings.strand)),
                    FastPlan::Graph(plan) => {
                        let (threads, batch) = (settings.threads, settings.batch);
                        let cut = plan.is_cut() && settings.choice == EngineChoice::Auto;
                        match DagShared::new(plan, threads, batch, model.runtime()) {
                            Ok(shared) => Fast::Graph(Arc::new(shared)),
                            Err(IsmError::Model(e)) if cut => {
                                tracing::warn!("engine full, the graph cannot be cut: {e}");
                                return Ok(Self::Full);
                            }
                            Err(e) => return Err(e),
                        }
                    }
                };
                Ok(Self::Fast {
                    fast,
                    left: Arc::new(AtomicUsize::new(CHECKED)),
                })
            }
            Err(reason) if settings.choice == EngineChoice::Fast => {
                Err(IsmError::NotFast(reason.to_string()))
            }
            Err(reason) => {
                tracing::warn!("engine full, hundreds of times slower than fast: {reason}");
                Ok(Self::Full)
            }
        }
    }
}

impl Member {
    /// One engine.
    fn engine(
        &self,
        settings: &EngineSettings,
        model: &Model,
        cancel: &Cancel,
    ) -> Result<Box<dyn Engine>, IsmError> {
        Ok(match &self.kind {
            Kind::Fast { fast, left } => Box::new(Checked {
                fast: match fast {
                    Fast::Chain(tables) => Box::new(FastEngine::new(tables, settings.strand)),
                    Fast::Graph(shared) => Box::new(DagEngine::new(shared, settings.strand)),
                    Fast::Kmers(tables) => Box::new(KmerEngine::new(tables)),
                },
                model: Checkable {
                    file: model.file().clone(),
                    spec: model.spec().clone(),
                    runtime: model.runtime().clone(),
                    batch: settings.batch,
                    kmers: match fast {
                        Fast::Kmers(tables) => Some(tables.clone()),
                        _ => None,
                    },
                },
                full: Some(self.full(settings, model, cancel)?),
                left: left.clone(),
            }),
            Kind::Full => self.full(settings, model, cancel)?,
        })
    }

    fn full(
        &self,
        settings: &EngineSettings,
        model: &Model,
        cancel: &Cancel,
    ) -> Result<Box<dyn Engine>, IsmError> {
        let pool = || SessionPool::new(model, settings.threads, settings.batch, cancel);
        let pool = match self.pool.lock() {
            Ok(mut shared) => match shared.upgrade() {
                Some(pool) => pool,
                None => {
                    let pool = Arc::new(pool()?);
                    *shared = Arc::downgrade(&pool);
                    pool
                }
            },
            // Somebody panicked while opening one.
            Err(_) => Arc::new(pool()?),
        };
        let rows = pool.rows() * BATCHES;
        let model = Pooled(pool);
        Ok(match settings.strand {
            Strand::Forward => Box::new(FullEngine::new(model, rows)),
            Strand::Both => Box::new(FullEngine::new(BothStrands::new(model), rows)),
        })
    }
}

impl Engines {
    /// Takes the fast engine where a model's graph allows it and the user did not ask for the other.
    ///
    /// # Errors
    /// [`IsmError::NotFast`] when the fast engine is asked for and cannot do a graph.
    pub fn choose(settings: EngineSettings, models: &[Model]) -> Result<Self, IsmError> {
        let member = |model| -> Result<Member, IsmError> {
            Ok(Member {
                kind: Kind::choose(&settings, model)?,
                pool: Mutex::new(Weak::new()),
            })
        };
        let members = models.iter().map(member).collect::<Result<_, _>>()?;
        Ok(Self { members, settings })
    }

    /// The word for it.
    pub fn name(&self) -> &'static str {
        let fast = |member: &Member| matches!(member.kind, Kind::Fast { .. });
        match (self.members.iter().any(fast), self.members.iter().all(fast)) {
            (false, _) => "full",
            (_, true) => "fast",
            _ => "fast and full",
        }
    }

    /// One engine, for one thread, of the models that were chosen for: of several, the means of their
    /// activities, effects and importances.
    ///
    /// # Errors
    /// When another session of a model cannot be opened.
    pub fn engine(&self, models: &[Model], cancel: &Cancel) -> Result<Box<dyn Engine>, IsmError> {
        self.engine_behind(models, cancel, &|_, engine| engine)
    }

    /// The same, each member's engine put behind another one.
    ///
    /// # Errors
    /// As [`engine`](Self::engine).
    pub fn engine_behind(
        &self,
        models: &[Model],
        cancel: &Cancel,
        behind: Behind<'_>,
    ) -> Result<Box<dyn Engine>, IsmError> {
        let mut each = self.each(models, cancel, behind)?;
        Ok(match each.len() {
            1 => each.remove(0),
            members => {
                let tasks = each.first().map_or(0, |e| e.tasks());
                Box::new(Mean {
                    all: SideBySide::new(each),
                    members: Members { members, tasks },
                })
            }
        })
    }

    /// One engine for each of so many threads, with the columns of all models side by side, as
    /// [`Members`] describes them.
    ///
    /// # Errors
    /// As [`engine`](Self::engine).
    pub fn of_members(
        &self,
        threads: NonZeroUsize,
        models: &[Model],
        cancel: &Cancel,
    ) -> Result<Vec<Box<dyn Engine>>, IsmError> {
        self.of_members_behind(threads, models, cancel, &|_, engine| engine)
    }

    /// The same, each member's engine put behind another one.
    ///
    /// # Errors
    /// As [`engine`](Self::engine).
    pub fn of_members_behind(
        &self,
        threads: NonZeroUsize,
        models: &[Model],
        cancel: &Cancel,
        behind: Behind<'_>,
    ) -> Result<Vec<Box<dyn Engine>>, IsmError> {
        (0..threads.get())
            .map(|_| {
                let mut each = self.each(models, cancel, behind)?;
                Ok(match each.len() {
                    1 => each.remove(0),
                    _ => Box::new(SideBySide::new(each)) as Box<dyn Engine>,
                })
            })
            .collect()
    }

    fn each(
        &self,
        models: &[Model],
        cancel: &Cancel,
        behind: Behind<'_>,
    ) -> Result<Vec<Box<dyn Engine>>, IsmError> {
        (self.members.iter().zip(models).enumerate())
            .map(|(n, (member, model))| {
                let engine = member.engine(&self.settings, model, cancel)?;
                Ok(behind(n, engine))
            })
            .collect()
    }
}

/// The fast engine, checked against the full one on the first stretches of the actual input that
/// have known bases: it refuses to go on if they differ.
struct Checked {
    fast: Box<dyn Engine>,
    /// The model, for the case that it has to be asked how much rounding explains.
    model: Checkable,
    full: Option<Box<dyn Engine>>,
    /// Checks still to be made, by all threads together.
    left: Arc<AtomicUsize>,
}

/// A model that can be asked how much rounding explains.
struct Checkable {
    file: Arc<ModelFile>,
    spec: Arc<ModelSpec>,
    runtime: Runtime,
    batch: NonZeroUsize,
    /// Of a table of k-mers, which is no graph of convolutions.
    kmers: Option<Arc<KmerTables>>,
}

impl Checkable {
    /// Of a chain, too: every chain is a graph. `None` where it cannot be told.
    fn graph(&self) -> Option<DagShared> {
        let plan = DagPlan::new(&self.file, &self.spec).ok()?;
        DagShared::new(plan, NonZeroUsize::MIN, self.batch, &self.runtime).ok()
    }
}

impl Checked {
    /// Checks a few bases of a stretch; `false` where too few are known.
    fn check(&mut self, stretch: &Stretch<'_>) -> Result<bool, ModelError> {
        let Some(full) = &mut self.full else {
            return Ok(false);
        };
        let window = stretch.lattice.window();
        let bases = match self.left.load(Ordering::Relaxed) {
            CHECKED => CHECKED_BASES.0,
            _ => CHECKED_BASES.1,
        };
        for interval in stretch.wanted {
            // From the middle, where windows are likeliest to be whole.
            let start = interval.start() + (interval.len() - 1) / 2;
            let end = interval.end().min(start.saturating_add(bases));
            let Some(wanted) = Interval::new(start, end) else {
                continue;
            };
            let wanted = [wanted];
            let (origin, len) = Stretch::needs(window, &wanted);
            let at = (origin - stretch.origin) as usize;
            let codes = &stretch.codes[at..at + len];
            let few = Stretch {
                lattice: stretch.lattice,
                codes,
                origin,
                wanted: &wanted,
            };
            let graph = OnceCell::new();
            let rounding = |codes: &[u8]| {
                if let Some(kmers) = &self.model.kmers {
                    return kmers.rounding(codes);
                }
                let graph = graph.get_or_init(|| self.model.graph());
                let found = graph.as_ref().and_then(|graph| graph.rounding(codes).ok());
                found.unwrap_or_default()
            };
            let mut scores = Scores::default();
            scores.begin(&few, Want::Effects, self.fast.tasks());
            // Nothing would be compared.
            if scores.windows.is_empty() {
                continue;
            }
            let fast = self.fast.as_mut();
            check_against_full(fast, full.as_mut(), &[few], &rounding).map_err(|e| match e {
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
