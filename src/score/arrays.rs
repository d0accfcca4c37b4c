//! Sequences in memory, scored into arrays: what other programs call, such as the Python module.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ndarray::{
    Array2, Array3, Array4, ArrayView2, ArrayView4, ArrayViewMut1, ArrayViewMut2, ArrayViewMut3, s,
};

use super::ScoreError;
use crate::Error;
use crate::attribution::{AttributionSettings, Attributions, Explainer, Method, References};
use crate::encode::UNKNOWN;
use crate::ism::{
    Engine, EngineSettings, Engines, IsmError, Members, Scores, SequenceWindows, Want,
};
use crate::job::Cancel;
use crate::model::Ensemble;

/// A model, ready to score sequences in memory on several threads, again and again.
pub struct ArrayScorer {
    model: Ensemble,
    settings: EngineSettings,
    chosen: Engines,
    /// Engines at rest, at most one a thread.
    idle: Mutex<Vec<Box<dyn Engine>>>,
}

/// What became of `n` sequences of `length` bases. Values are means over windows, NaN where there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SequenceArrays {
    /// `[n, task]`.
    pub activities: Array2<f32>,
    /// Importance, `[n, base, task]`; without a base unless wanted.
    pub importance: Array3<f32>,
    /// Mutant - reference, `[n, base, 4 (A, C, G, T), task]`, the reference base's own 0; without a base unless wanted.
    pub effects: Array4<f32>,
}

/// A sequence with its places in the results.
struct Row<'a> {
    codes: &'a [u8],
    activities: ArrayViewMut1<'a, f32>,
    importance: Option<ArrayViewMut2<'a, f32>>,
    effects: Option<ArrayViewMut3<'a, f32>>,
}

impl ArrayScorer {
    /// Chooses the engine.
    ///
    /// # Errors
    /// When the engine that is asked for cannot do the model.
    pub fn new(model: Ensemble, settings: EngineSettings) -> Result<Self, Error> {
        Ok(Self {
            chosen: Engines::choose(settings, model.members())?,
            model,
            settings,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// The model.
    pub fn model(&self) -> &Ensemble {
        &self.model
    }

    /// `fast` or `full`.
    pub fn engine(&self) -> &'static str {
        self.chosen.name()
    }

    /// Scores base codes (0 to 3 for A, C, G, T; 4 unknown), `[n, length]`, in windows `stride` bases apart, the first at the
    /// first base. Where importance or effects are wanted, only windows of known bases count.
    ///
    /// # Errors
    /// When sequences are shorter than a window, the stride is not 1 to the window, a code is above 4, the model fails, or
    /// it is cancelled.
    pub fn run(
        &self,
        codes: ArrayView2<'_, u8>,
        stride: u32,
        want: Want,
        cancel: &Cancel,
    ) -> Result<SequenceArrays, Error> {
        let engines = self.engines(codes.nrows(), cancel)?;
        let (out, mut back) = self.run_on(engines, codes, stride, want, cancel)?;
        if let Ok(mut idle) = self.idle.lock() {
            idle.append(&mut back);
            idle.truncate(self.settings.threads.get());
        }
        Ok(out)
    }

    /// Gives bases contributions by another method than in-silico mutagenesis: in the place of importance, and
    /// hypothetical ones in that of effects.
    ///
    /// # Errors
    /// As [`run`](Self::run), and where the model has an operator that passes backwards do not know.
    pub fn contributions(
        &self,
        codes: ArrayView2<'_, u8>,
        stride: u32,
        settings: AttributionSettings,
        cancel: &Cancel,
    ) -> Result<SequenceArrays, Error> {
        let tasks: Vec<usize> = (0..self.model.spec().tasks.len()).collect();
        let all = Attributions::new(settings, self.settings.strand, &self.model, &tasks)?;
        let behind = |member: usize, engine| all.engine(member, engine, cancel);
        let threads = self.settings.threads.get().min(codes.nrows().max(1));
        let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
        let members = self.model.members();
        let engines = (self.chosen).of_members_behind(threads, members, cancel, &behind)?;
        Ok(self
            .run_on(engines, codes, stride, Want::Effects, cancel)?
            .0)
    }

    /// Hypothetical contributions `[n, window, 4, task]` of sequences as long as a window, held against references of the
    /// caller's own, `[n, references, window, 4 (A, C, G, T)]`; of several models the mean, of the forward strand.
    ///
    /// # Errors
    /// When shapes do not fit, a code is above 4, the model has an operator that passes backwards do not know, or it is
    /// cancelled.
    pub fn contributions_against(
        &self,
        codes: ArrayView2<'_, u8>,
        references: ArrayView4<'_, f32>,
        method: Method,
        cancel: &Cancel,
    ) -> Result<Array4<f32>, Error> {
        let spec = self.model.spec();
        let (window, tasks) = (spec.window, spec.tasks.len());
        let (n, length) = codes.dim();
        let (of, count, columns, rows) = references.dim();
        if length != window || (of, columns, rows) != (n, window, 4) || count == 0 {
            return Err(ScoreError::References {
                sequences: [n, length],
                found: [of, count, columns, rows],
                window,
            }
            .into());
        }
        if let Some(&code) = codes.iter().find(|c| **c > UNKNOWN) {
            return Err(ScoreError::Code(code).into());
        }
        let settings = AttributionSettings {
            method,
            references: References::Zeros,
        };
        let members = self.model.members();
        let plans = members
            .iter()
            .map(|member| Explainer::plan(member, settings));
        let plans = plans.collect::<Result<Vec<_>, _>>()?;
        let all: Vec<usize> = (0..tasks).collect();
        let mut out = Array4::zeros((n, window, 4, tasks));
        let rows = codes.outer_iter().zip(references.outer_iter());
        let rows = Mutex::new(rows.zip(out.outer_iter_mut()));
        let work = || -> Result<(), Error> {
            let explainers = plans.iter();
            let mut explainers: Vec<Explainer> = explainers
                .map(|plan| Explainer::new(plan, settings, Arc::default()))
                .collect();
            let mut found = vec![0.0; tasks * window * 4];
            loop {
                let next = rows.lock().map_or(None, |mut rows| rows.next());
                let Some(((codes, references), mut to)) = next else {
                    return Ok(());
                };
                cancel.check()?;
                let references = references.outer_iter();
                let references: Vec<Vec<f32>> =
                    references.map(|r| r.iter().copied().collect()).collect();
                let share = 1.0 / explainers.len() as f64;
                for explainer in &mut explainers {
                    explainer.against(&codes.to_vec(), &references, &all, &mut found);
                    // [column, letter, task] of [task, column, letter].
                    for (i, value) in found.iter().enumerate() {
                        let place = [i / 4 % window, i % 4, i / (4 * window)];
                        to[place] += (share * value) as f32;
                    }
                }
            }
        };
        let results: Vec<_> = std::thread::scope(|scope| {
            let work = &work;
            let threads = (0..self.settings.threads.get().min(n)).map(|_| scope.spawn(work));
            let threads: Vec<_> = threads.collect();
            threads.into_iter().map(|t| t.join()).collect()
        });
        for result in results {
            match result {
                Ok(done) => done?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(out)
    }

    fn run_on(
        &self,
        engines: Vec<Box<dyn Engine>>,
        codes: ArrayView2<'_, u8>,
        stride: u32,
        want: Want,
        cancel: &Cancel,
    ) -> Result<(SequenceArrays, Vec<Box<dyn Engine>>), Error> {
        let spec = self.model.spec();
        let (window, tasks) = (spec.window as u32, spec.tasks.len());
        let windows =
            SequenceWindows::new(window, stride).ok_or(ScoreError::Stride { stride, window })?;
        let windows = windows.allowing(spec.most_unknown);
        let (n, length) = codes.dim();
        if n > 0 && length < window as usize {
            return Err(ScoreError::ShortSequences { length, window }.into());
        }
        if let Some(&code) = codes.iter().find(|c| **c > UNKNOWN) {
            return Err(ScoreError::Code(code).into());
        }
        let codes = codes.as_standard_layout();
        let of = |wanted: bool| if wanted { n } else { 0 };
        let (some, all) = (of(want != Want::Activity), of(want == Want::Effects));
        let mut out = SequenceArrays {
            activities: Array2::from_elem((n, tasks), f32::NAN),
            importance: Array3::from_elem((some, length, tasks), f32::NAN),
            effects: Array4::from_elem((all, length, 4, tasks), f32::NAN),
        };
        let mut importance = out.importance.outer_iter_mut();
        let mut effects = out.effects.outer_iter_mut();
        let rows: Vec<Row<'_>> = (codes.outer_iter())
            .zip(out.activities.outer_iter_mut())
            .filter_map(|(codes, activities)| {
                Some(Row {
                    codes: codes.to_slice()?,
                    activities,
                    importance: importance.next(),
                    effects: effects.next(),
                })
            })
            .collect();
        let members = Members {
            members: self.model.members().len(),
            tasks,
        };
        let (rows, failed) = (Mutex::new(rows.into_iter()), AtomicBool::new(false));
        let work = |mut engine: Box<dyn Engine>| -> Result<Box<dyn Engine>, Error> {
            let mut windows = windows.clone();
            loop {
                let next = rows.lock().map_or(None, |mut rows| rows.next());
                let Some(row) = next.filter(|_| !failed.load(Ordering::Relaxed)) else {
                    return Ok(engine);
                };
                let done = cancel
                    .check()
                    .map_err(Error::from)
                    .and_then(|()| one(row, &mut windows, engine.as_mut(), (want, members)));
                if let Err(e) = done {
                    failed.store(true, Ordering::Relaxed);
                    return Err(e);
                }
            }
        };
        let results: Vec<_> = std::thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = engines
                .into_iter()
                .map(|engine| scope.spawn(move || work(engine)))
                .collect();
            let joined = threads.into_iter().map(|t| t.join());
            joined.collect()
        });
        let mut back = Vec::new();
        let mut first = None;
        for result in results {
            match result {
                Ok(Ok(engine)) => back.push(engine),
                Ok(Err(e)) => first = first.or(Some(e)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        match first {
            Some(e) => Err(e),
            None => Ok((out, back)),
        }
    }

    /// One engine a thread, at most one a sequence: those at rest, and new ones.
    fn engines(&self, rows: usize, cancel: &Cancel) -> Result<Vec<Box<dyn Engine>>, IsmError> {
        let wanted = self.settings.threads.get().min(rows);
        let mut engines = match self.idle.lock() {
            Ok(mut idle) => {
                let kept = idle.len().saturating_sub(wanted);
                idle.split_off(kept)
            }
            Err(_) => Vec::new(),
        };
        if let Some(missing) = std::num::NonZeroUsize::new(wanted - engines.len()) {
            engines.extend(
                self.chosen
                    .of_members(missing, self.model.members(), cancel)?,
            );
        }
        Ok(engines)
    }
}

/// Scores one sequence.
fn one(
    mut row: Row<'_>,
    windows: &mut SequenceWindows,
    engine: &mut dyn Engine,
    (want, members): (Want, Members),
) -> Result<(), Error> {
    let scores: &mut Scores = windows.score(engine, row.codes, false, want)?;
    members.reduce(scores);
    let n = scores.windows.len();
    if n > 0 {
        for (task, to) in row.activities.iter_mut().enumerate() {
            let column = scores.activities.column(task);
            let sum: f64 = column.iter().map(|v| f64::from(*v)).sum();
            *to = (sum / n as f64) as f32 + 0.0;
        }
    }
    // Bases behind the last window have none.
    if let Some(importance) = &mut row.importance {
        let covered = scores.importance.nrows().min(importance.nrows());
        let from = scores.importance.slice(s![..covered, ..members.tasks]);
        importance.slice_mut(s![..covered, ..]).assign(&from);
    }
    if let Some(effects) = &mut row.effects {
        let covered = scores.effects.dim().0.min(effects.dim().0);
        let from = scores.effects.slice(s![..covered, .., ..members.tasks]);
        effects.slice_mut(s![..covered, .., ..]).assign(&from);
    }
    Ok(())
}
